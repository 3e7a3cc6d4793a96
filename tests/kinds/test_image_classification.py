"""Image classification from rows to examples, what is checked before a run, and its keys of `data`."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tiny_images
from ftkit.config.run_config import load_config
from ftkit.data.images import ImageExample
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import ConfigError, DataError, FtkitError
from ftkit.kinds.image_classification import KIND, ImageClassificationData
from ftkit.runs.checked_run import CheckedRun, check_run

Photos = Callable[..., Path]


def read(source: Path, *, with_labels: bool = True, **data: Any) -> list[ImageExample]:
    spec = ImageClassificationData(train=str(source), **data)
    table = open_table(str(source), ReadOptions(media=spec.media))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, spec), spec, with_labels=with_labels))


# --- rows -> examples ---------------------------------------------------------------------------------------


def test_a_folder_for_each_class_names_rows_by_their_files(tmp_path):
    photos = tiny_images.make_photos(tmp_path / "photos", per_class=1)
    assert read(photos) == [
        ImageExample(id=f"{name}/0.png", image=str(photos / name / "0.png"), name=f"{name}/0.png", label=name)
        for name in ("blue", "green", "red")
    ]
    assert [example.label for example in read(photos, with_labels=False)] == [None] * 3


def test_a_table_names_paths_labels_groups_and_ids(tmp_path):
    (tmp_path / "rows.csv").write_text("file,kind,who,key\na/1.jpg,01,anna,x\n/b/2.jpg,1,,\n")
    columns = {"image": "file", "label": "kind", "id": "key"}
    assert read(tmp_path / "rows.csv", columns=columns, group="who") == [
        ImageExample("x", str(tmp_path / "a/1.jpg"), "a/1.jpg", "01", 2, group="anna"),
        ImageExample("", "/b/2.jpg", "/b/2.jpg", "1", 3),
    ]


def test_several_labels_and_numbers(tmp_path):
    (tmp_path / "rows.csv").write_text('image,label\n1.jpg,"cat, dog"\n2.jpg,\n')
    several = read(tmp_path / "rows.csv", problem_type="multi_label_classification")
    assert [example.label for example in several] == [("cat", "dog"), ()]
    (tmp_path / "ages.csv").write_text("image,label\n1.jpg,3.5\n")
    assert read(tmp_path / "ages.csv", problem_type="regression")[0].label == 3.5


def test_bytes_in_parquet(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"image": {"bytes": b"abc", "path": "x.jpg"}, "label": "cat"}, {"image": None, "label": "dog"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet") == [
        ImageExample(0, b"abc", "x.jpg", "cat", 1),
        ImageExample(1, None, "image 2", "dog", 2),
    ]


@pytest.mark.parametrize(("content", "message"), [
    ('{"image": "1.jpg"}', r"no column 'label' \(data.columns.label\); the columns are 'image'"),
    ('{"file": "1.jpg", "label": "a"}', r"no column 'image' \(data.columns.image\)"),
])  # fmt: skip
def test_cells_that_cannot_be_meant(tmp_path, content, message):
    (tmp_path / "rows.jsonl").write_text(content + "\n")
    with pytest.raises(DataError, match=message):
        read(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(("row", "message"), [
    ({"image": 7, "label": "a"}, "column 'image' holds a number: 7"),
    ({"image": ["1.jpg", "2.jpg"], "label": "a"}, "column 'image' holds a list: ['1.jpg', '2.jpg']"),
    ({"image": "1.jpg", "label": ["a", "b"]}, "column 'label' names several labels, and a row has one: ['a', 'b']"),
    ({"image": "1.jpg", "label": "a", "group": {}}, "column 'group' holds an object: {}"),
])  # fmt: skip
def test_cells_that_cannot_be_read_are_errors_of_their_row(tmp_path, row, message):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (example,) = read(tmp_path / "rows.jsonl", group="group" if "group" in row else None)
    assert [error.message for error in example.cell_errors] == [message]


def test_a_list_of_one_is_that_one(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"image": ["1.jpg"], "label": ["a"]}\n')
    assert read(tmp_path / "rows.jsonl") == [ImageExample(0, str(tmp_path / "1.jpg"), "image 1", "a", 1)]


def test_a_folder_without_classes_cannot_be_learnt(tmp_path):
    tiny_images.make_photos(tmp_path, per_class=1)
    with pytest.raises(DataError, match=r"Fix: sort the files into red/CLASS/"):
        read(tmp_path / "red")
    assert [example.id for example in read(tmp_path / "red", with_labels=False)] == ["0.png"]


@pytest.mark.parametrize("make", [
    lambda path: str(path),
    lambda path: path,
    lambda path: path.read_bytes(),
    lambda path: Image.open(path),
    lambda path: {"bytes": path.read_bytes(), "path": None},
])  # fmt: skip
def test_inputs_of_a_predictor(tmp_path, make):
    path = tmp_path / "1.png"
    Image.new("RGB", (8, 8), "red").save(path)
    example = KIND.input_example(0, make(path))
    assert example.key() == ImageExample(0, str(path), "").key()


def test_inputs_that_are_no_images():
    with pytest.raises(DataError, match=r"inputs, item 3: expected the path of an image, .* of type int"):
        KIND.input_example(3, 7)


# --- checks before a run ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> Path:
    return tiny_images.make_checkpoint("vit", tmp_path_factory.mktemp("vit"))


@pytest.fixture
def photos(tmp_path) -> Path:
    return tiny_images.make_photos(tmp_path / "photos", per_class=6)


def check(vit: Path, photos: Path, *, tuner: str = "full", **data: Any) -> CheckedRun:
    return check_run(
        load_config(
            {
                "task": "image-classification",
                "model": {"checkpoint": str(vit)},
                "data": {"train": str(photos), **data},
                "tuner": {"method": tuner},
                "output_dir": str(photos.parent / "run"),
            }
        )
    )


def test_a_sound_folder_has_nothing_to_be_said(vit, photos):
    checked = check(vit, photos, validation=0.2)
    assert checked.warnings == ()
    assert (len(checked.splits["train"]), len(checked.splits["validation"])) == (14, 4)
    assert checked.labels.names == ("blue", "green", "red")


def test_unusable_files_stop_the_run_before_it_starts(vit, photos):
    (photos / "red" / "0.png").write_text("no picture")
    (photos / "blue" / "0.png").write_bytes((photos / "blue" / "0.png").read_bytes()[:200])
    with pytest.raises(DataError) as caught:
        check(vit, photos)
    assert "blue/0.png is damaged or cut short" in str(caught.value)
    assert "red/0.png is no image that can be read" in str(caught.value)


def test_paths_that_lead_nowhere(vit, photos):
    (photos / "rows.csv").write_text("image,label\nred/0.png,red\ngone.png,blue\n")
    with pytest.raises(DataError, match=r"gone.png: no such file(.|\n)*rows.csv, line 3"):
        check(vit, photos / "rows.csv")


def test_the_same_image_under_another_name_is_a_leak(vit, photos):
    (photos.parent / "test" / "red").mkdir(parents=True)
    Image.open(photos / "red" / "0.png").save(photos.parent / "test" / "red" / "renamed.bmp")
    warnings = check(vit, photos, test=str(photos.parent / "test")).warnings
    assert [warning for warning in warnings if warning.startswith("leak")] == [
        f"leak: 1 of 1 images of test are also in train, pixel for pixel; {photos.parent / 'test'}, red/renamed.bmp; "
        "fix: remove them from train or from test; its scores are too good with them"
    ]


def test_one_image_with_two_labels(vit, photos):
    shutil.copy(photos / "red" / "0.png", photos / "blue" / "copy.png")
    (warning,) = check(vit, photos).warnings
    assert warning.startswith(f"1 image has different labels in different rows of train; {photos}, red/0.png")


def test_labels_are_checked_as_in_text_classification(vit, photos, tmp_path):
    other = tiny_images.make_photos(tmp_path / "other", per_class=1, seed=1)
    (other / "red").rename(other / "ret")
    with pytest.raises(DataError, match=r"the label 'ret' is not among the labels of train. Did you mean 'red'"):
        check(vit, photos, test=str(other))
    for name in ("green", "blue"):
        shutil.rmtree(photos / name)
    with pytest.raises(DataError, match="train has only one label, 'red'"):
        check(vit, photos)


def test_groups_are_held_out_whole(vit, photos):
    files = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*.png"))
    rows = [f"{file},{file.split('/')[0]},hand {index % 6}" for index, file in enumerate(files)]
    (photos / "rows.csv").write_text("image,label,hand\n" + "\n".join(rows) + "\n")
    splits = check(vit, photos / "rows.csv", validation=0.3, group="hand").splits
    train, validation = ({example.group for example in splits[name].examples} for name in ("train", "validation"))
    assert train
    assert validation
    assert not train & validation


@pytest.mark.parametrize(("data", "message"), [
    ({"augment": ["resized_crop"]}, r"data.augment: operations are keys, .* Write augment: {resized_crop: true}"),
    ({"augment": {"horizontl_flip": True}},
     r"augment.horizontl_flip: no such key. Did you mean 'horizontal_flip'\? Keys here: .*'rotate'.*'erase'"),
    ({"augment": {"rotate": {"degree": 4}}}, r"augment.rotate.degree: no such key. Did you mean 'degrees'\? Keys"),
    ({"augment": {"rotate": {"degrees": 400}}}, r"augment.rotate.degrees: expected a number at most 180, got .* 400"),
    ({"augment": {"rotate": 5}}, r"data.augment.rotate: expected keys and values.*got the number 5"),
    ({"augment": {"resized_crop": {"area": [1, 0.5]}}}, r"resized_crop.area: the lower bound comes first, got \[1, 0"),
    ({"max_length": 12}, r"data.max_length"),
    ({"columns": {"text": "x"}}, r"no role 'text'"),
])  # fmt: skip
def test_keys_that_are_not_there(vit, photos, data, message):
    with pytest.raises(FtkitError, match=message):
        check(vit, photos, **data)


@pytest.mark.parametrize("tuner", ["prefix", "prompt", "p-tuning"])
def test_virtual_tokens_do_not_suit(vit, photos, tuner):
    with pytest.raises(ConfigError, match="virtual tokens stand before a text, and an image is none"):
        check(vit, photos, tuner=tuner)


def test_checkpoints_of_another_modality(vit, photos):
    with pytest.raises(ConfigError, match=r"image-classification does not work with 'ftkit:bert'"):
        check(Path("ftkit:bert"), photos)
    (photos / "texts.csv").write_text("text,label\na,x\nb,y\n")
    with pytest.raises(ConfigError, match=r"text-classification does not work with .* that reads image"):
        check_run(
            load_config(
                {
                    "task": "text-classification",
                    "model": {"checkpoint": str(vit)},
                    "data": {"train": str(photos / "texts.csv")},
                    "output_dir": str(photos.parent / "run"),
                }
            )
        )


def test_pictures_in_memory_are_read_as_they_are():
    buffer = io.BytesIO()
    Image.new("LA", (4, 4), (0, 0)).save(buffer, "PNG")
    example = KIND.input_example(0, buffer.getvalue())
    assert (example.name, example.line) == ("image 1", 0)
