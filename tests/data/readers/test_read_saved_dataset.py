import io
from pathlib import Path

import pytest
from PIL import Image

from ftkit.data.images import image_source, open_image
from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.data.spec import HubSource
from ftkit.errors import DataError

datasets = pytest.importorskip("datasets")


def dataset(*labels: int) -> "datasets.Dataset":
    names = datasets.ClassLabel(names=["neg", "pos"])
    columns = {"text": [f"NA {label}" for label in labels], "label": list(labels)}
    return datasets.Dataset.from_dict(columns, datasets.Features({"text": datasets.Value("string"), "label": names}))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    splits = datasets.DatasetDict(train=dataset(1, 0), test=dataset(-1))
    splits.save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def failure(source: "str | HubSource") -> str:
    with pytest.raises(DataError) as caught:
        list(open_table(source).rows)
    return str(caught.value)


def test_a_dataset_that_was_saved_to_disk(tmp_path: Path) -> None:
    dataset(1, 0, 1).select([2, 1]).save_to_disk(tmp_path / "one")  # indices are flattened on the way
    table = open_table(str(tmp_path / "one"))
    assert table.columns == ("text", "label")
    assert [(row.line, row.values) for row in table.rows] == [
        (1, {"text": "NA 1", "label": "pos"}),
        (2, {"text": "NA 0", "label": "neg"}),
    ]


def test_the_split_of_a_saved_dict_is_named_by_its_folder_or_as_on_the_hub(saved: Path) -> None:
    by_folder, by_split = str(saved / "test"), HubSource(hub=str(saved), split="test")
    for source in (by_folder, by_split):
        assert [row.values for row in open_table(source).rows] == [{"text": "NA -1", "label": None}]
    assert fingerprint(by_folder) == fingerprint(by_split) != fingerprint(str(saved / "train"))


def test_a_saved_dict_asks_for_one_of_its_splits(saved: Path) -> None:
    message = failure(str(saved))
    assert f"{saved} holds the splits 'train', 'test'" in message
    assert f"Fix: name the folder of one: {saved / 'train'}" in message
    assert "no split 'tset'. Did you mean 'test'?" in failure(HubSource(hub=str(saved), split="tset"))
    assert "without splits" in failure(HubSource(hub=str(saved / "train"), split="train"))


def test_a_saved_dataset_of_images_is_no_folder_of_images(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(picture, "PNG")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["red", "blue"])})
    columns = {"image": [{"bytes": picture.getvalue(), "path": None}], "label": [0]}
    datasets.Dataset.from_dict(columns, features).save_to_disk(tmp_path / "images")
    (row,) = open_table(str(tmp_path / "images"), ReadOptions(media="image")).rows
    assert row.values["label"] == "red"
    source = image_source(row.values["image"], None)
    assert open_image(source).size == (4, 3)


def test_damaged_folders_are_told(saved: Path) -> None:
    next((saved / "test").glob("*.arrow")).write_bytes(b"x")
    assert f"{saved / 'test'} cannot be read as a saved dataset" in failure(str(saved / "test"))
    (saved / "dataset_dict.json").write_text("{")
    assert "dataset_dict.json is damaged" in failure(str(saved))
