import io
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from ftkit.data.images import image_source, open_image
from ftkit.data.readers import fingerprint, open_table
from ftkit.data.spec import HubSource
from ftkit.errors import DataError

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    folder = tmp_path / "reviews"
    folder.mkdir()
    rows = {"train": {"text": ["a", "b"], "label": [1, 0]}, "test": {"text": ["c"], "label": [-1]}}
    for split, columns in rows.items():
        dataset = datasets.Dataset.from_dict(columns, features=features)
        dataset.to_parquet(folder / f"{split}.parquet")
    return folder


def test_local_folder_with_class_labels(folder: Path) -> None:
    table = open_table(HubSource(hub=str(folder), split="train"))
    assert table.columns == ("text", "label")
    assert table.source == f"{folder}:train"
    assert [(row.line, row.values) for row in table.rows] == [
        (1, {"text": "a", "label": "pos"}),
        (2, {"text": "b", "label": "neg"}),
    ]


def test_hidden_labels_are_none(folder: Path) -> None:
    table = open_table(HubSource(hub=str(folder), split="test"))
    assert [row.values for row in table.rows] == [{"text": "c", "label": None}]


def test_split_slices_and_fingerprints(folder: Path) -> None:
    train, one = (HubSource(hub=str(folder), split=split) for split in ("train", "train[:1]"))
    assert len(list(open_table(one).rows)) == 1
    assert fingerprint(train) == fingerprint(train)
    assert fingerprint(train) != fingerprint(one)


@pytest.mark.parametrize(("name", "content"), [("csv", "text\na\n"), ("jsonl", '{"text": "a"}\n')])
def test_folders_of_text_files(tmp_path: Path, name: str, content: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / f"train.{name}").write_text(content)
    table = open_table(HubSource(hub=str(folder), split="train"))
    assert [row.values for row in table.rows] == [{"text": "a"}]


def test_unknown_split(folder: Path) -> None:
    with pytest.raises(DataError, match=r"split 'dev'(.|\n)*Fix: set split to one that the dataset has"):
        open_table(HubSource(hub=str(folder), split="dev"))


def test_unknown_configuration(folder: Path) -> None:
    with pytest.raises(DataError, match=r"name 'other'(.|\n)*Fix: set name"):
        open_table(HubSource(hub=str(folder), split="train", name="other"))


def test_dataset_that_cannot_be_reached() -> None:
    source = HubSource(hub="some-owner/some-data", split="train", revision="v1")
    with pytest.raises(DataError) as caught:
        open_table(source)
    message = str(caught.value)
    assert "cannot load the dataset 'some-owner/some-data', split 'train', revision 'v1'" in message
    assert "HF_HUB_OFFLINE=1" in message


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (datasets.exceptions.DatasetNotFoundError("Dataset 'x' doesn't exist on the Hub"), "check the id"),
        (datasets.exceptions.DatasetNotFoundError("Dataset 'x' is a gated dataset"), "accept the terms"),
        (RuntimeError("Dataset scripts are no longer supported"), "look at the dataset's page"),
        (ConnectionError(), "check the network"),
    ],
)
def test_remedies(monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=remedy):
        open_table(HubSource(hub="owner/data", split="train"))


def test_images_and_sounds_stay_files(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / label / "1.png")
    table = open_table(HubSource(hub=str(tmp_path / "photos"), split="train"))
    rows = [dict(row.values) for row in table.rows]
    assert [row["label"] for row in rows] == ["cat", "dog"]
    assert [image_source(row["image"], table.folder) for row in rows] == [
        str(tmp_path / "photos" / label / "1.png") for label in ("cat", "dog")
    ]


def test_images_in_parquet_stay_bytes(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(picture, "PNG")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    stored = [{"bytes": picture.getvalue(), "path": "1.png"}]
    dataset = datasets.Dataset.from_dict({"image": stored, "label": [1]}, features=features)
    (tmp_path / "data").mkdir()
    dataset.to_parquet(tmp_path / "data" / "train.parquet")
    sources = (str(tmp_path / "data" / "train.parquet"), HubSource(hub=str(tmp_path / "data"), split="train"))
    for table in map(open_table, sources):
        (row,) = table.rows
        assert row.values["label"] == "dog"
        assert open_image(image_source(row.values["image"], table.folder)).getpixel((0, 0)) == (255, 0, 0)


def test_sounds_in_parquet_stay_bytes(tmp_path: Path) -> None:
    features = datasets.Features({"audio": datasets.Audio()})
    (tmp_path / "data").mkdir()
    cell = {"bytes": b"RIFF...", "path": "one.wav"}
    # As `datasets` itself writes it, which asks for torchcodec to do so.
    rows = pyarrow.Table.from_pylist([{"audio": cell}], schema=features.arrow_schema)
    pyarrow.parquet.write_table(rows, tmp_path / "data" / "train.parquet")
    table = open_table(HubSource(hub=str(tmp_path / "data"), split="train"))
    assert [row.values for row in table.rows] == [{"audio": cell}]


def test_a_folder_of_recordings_is_to_be_named_itself(tmp_path: Path) -> None:
    (tmp_path / "sounds" / "low").mkdir(parents=True)
    (tmp_path / "sounds" / "low" / "1.wav").write_bytes(b"RIFF...")
    with pytest.raises(DataError, match=r"(?s)Fix: .*name the folder itself, such as train: .*sounds"):
        open_table(HubSource(hub=str(tmp_path / "sounds"), split="train"))
