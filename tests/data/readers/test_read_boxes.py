"""COCO, YOLO and csv files: the same pictures give the same boxes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import tiny_boxes
from ftkit.data.boxes import DetectionExample
from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.errors import DataError
from ftkit.kinds.object_detection import KIND, ObjectDetectionData
from ftkit.types import Split

IDS = {"circle": 18, "square": 44}
NUMBERS = range(5)


def read(path: Path) -> list[DetectionExample]:
    data = ObjectDetectionData(train=str(path))
    table = open_table(str(path), ReadOptions(media="image", annotated=True))
    examples = list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, data), data, with_labels=True))
    problems = Problems()
    splits, _ = KIND.normalize({"train": Split("train", str(path), examples)}, KIND.task, data, problems)
    problems.raise_if_any()
    return list(splits["train"].examples)


def found(examples: list[DetectionExample]) -> list[Any]:
    return [[(box.label, *map(round, box.numbers)) for box in example.boxes or ()] for example in examples]


def coco(folder: Path) -> dict[str, Any]:
    """Returns a document whose images lie in train/."""
    annotations = [
        {
            "id": 100 * number + place,
            "image_id": 7 + number,
            "category_id": IDS[label],
            "bbox": [left, top, right - left, bottom - top],
            "area": 9.0,
            "iscrowd": place,
        }
        for number in NUMBERS
        for place, (label, left, top, right, bottom) in enumerate(tiny_boxes.drawn(number))
    ]
    for number in NUMBERS:
        tiny_boxes.write_picture(folder / "train" / f"{number}.png", tiny_boxes.drawn(number))
    images = [{"id": 7 + number, "file_name": f"{number}.png", "width": 60, "height": 40} for number in NUMBERS]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in IDS.items()],
    }


def write(path: Path, document: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_coco(tmp_path):
    path = write(tmp_path / "annotations" / "train.json", coco(tmp_path))
    examples = read(path)
    assert found(examples) == [tiny_boxes.drawn(number) for number in NUMBERS]
    assert [example.id for example in examples] == [7, 8, 9, 10, 11]
    first, second = examples[1].boxes or ()
    assert (first.category, first.area, first.ignored, second.ignored) == (18, 9.0, False, True)
    assert len(fingerprint(str(path))) == 64


@pytest.mark.parametrize(("change", "message"), [
    (lambda document: document["images"].clear(), "is empty: it names no images"),
    (lambda document: document["annotations"][0].pop("bbox"), r"annotations\[0\]: there is no 'bbox'"),
    (lambda document: document["annotations"][1].update(category_id=3), r"\[1\]: there is no category_id 3"),
    (lambda document: document["annotations"][1].update(image_id=3), r"\[1\]: there is no image_id 3"),
    (lambda document: document["categories"][1].update(name="circle"), "two categories have one name"),
    (lambda document: document.update(images={}), "'images' is none"),
    (lambda document: document.pop("categories"), "'categories' is none"),
    (lambda document: document["images"][1].update(id=[8]), r"images\[1\]: 'id' is '\[8\]'; expected a number"),
    (lambda document: document["images"][1].update(file_name=8), r"images\[1\]: 'file_name' is '8'; expected a text"),
    (lambda document: document["images"][1].update(width="wide"), r"\[1\]: 'width' is 'wide'; expected a number"),
    (lambda document: document["images"][1].update(id=7), r"the images 0\.png and 1\.png have one id, 7"),
    (lambda document: document["images"][0].update(file_name="a/b.jpg"), r"its first image, a/b\.jpg, lies neither"),
])  # fmt: skip
def test_coco_that_does_not_fit_together(tmp_path, change, message):
    document = coco(tmp_path)
    change(document)
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "annotations" / "train.json", document))


def test_coco_as_windows_writes_it(tmp_path):
    document = coco(tmp_path)
    for image in document["images"]:
        image["file_name"] = rf"train\{image['file_name']}"
    assert found(read(write(tmp_path / "annotations" / "train.json", document)))[1] == tiny_boxes.drawn(1)


def yolo(folder: Path) -> Path:
    for number in NUMBERS:
        tiny_boxes.write_picture(folder / "images" / "train" / f"{number}.png", tiny_boxes.drawn(number))
    (folder / "labels" / "train").mkdir(parents=True)
    for number in NUMBERS[:4]:
        lines = [
            f"{list(IDS).index(label)} {(left + right) / 120} {(top + bottom) / 80} {(right - left) / 60} "
            f"{(bottom - top) / 40}\n"
            for label, left, top, right, bottom in tiny_boxes.drawn(number)
        ]
        (folder / "labels" / "train" / f"{number}.txt").write_text("".join(lines))
    return folder / "images" / "train"


def test_yolo(tmp_path):
    images = yolo(tmp_path)
    assert [box[0] for box in found(read(images))[1]] == ["0", "1"]
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [circle, square]\n")
    assert found(read(images)) == [tiny_boxes.drawn(number) for number in NUMBERS]
    (tmp_path / "labels" / "train" / "0.txt").write_text("2 0.5 0.5 0.1 0.1\n")
    with pytest.raises(
        DataError, match=r"0\.txt, line 1: there is no name for the label 2; the names are those of '0', '1'"
    ):
        read(images)
    (tmp_path / "labels" / "train" / "0.txt").write_text("\n0 0.5 0.5 0.1 0.1 0.4 0.3\n")
    with pytest.raises(DataError, match=r"line 2: expected a label's number .* holds 7 numbers, as outlines do"):
        read(images)


def test_yolo_as_other_systems_write_it(tmp_path, capsys):
    images = yolo(tmp_path)
    labels = tmp_path / "labels" / "train"
    (images / "._0.png").write_bytes(b"of macOS")
    (labels / "._0.txt").write_bytes(b"\0")
    (labels / "gone.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (labels / "0.txt").write_text("\ufeff1.0 0.5 0.5 0.1 0.1\r\n")
    (tmp_path / "classes.txt").write_text("\ufeffcircle\r\nsquare\r\n")
    examples = read(images)
    assert [example.name for example in examples] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert [box[0] for box in found(examples)[0]] == ["square"]
    assert found(examples)[1] == tiny_boxes.drawn(1)
    assert "1 files of" in capsys.readouterr().err


@pytest.mark.parametrize("named", [".", "images", "labels/train", "data.yaml"])
def test_yolo_by_another_path_names_the_folder_of_the_images(tmp_path, named):
    images = yolo(tmp_path)
    (tmp_path / "data.yaml").write_text("names: [circle, square]\n")
    with pytest.raises(DataError, match=rf"data\.train: {re.escape(str(images))}"):
        read(tmp_path / named)


@pytest.mark.parametrize(("content", "message"), [
    ("names: [circle", "is no valid YAML"), ("circle", "got 'circle'"), ("names: {a: circle}", "got {'a': 'circle'}"),
])  # fmt: skip
def test_yolo_whose_names_are_none(tmp_path, content, message):
    images = yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(DataError, match=rf"data\.yaml.* {message}.*Correct it"):
        read(images)


@pytest.mark.parametrize("names", ["x_min,y_min,x_max,y_max", "x,y,width,height"])
def test_csv_with_a_box_a_row(tmp_path, names):
    rows = ["file," + names + ",label"]
    for number in NUMBERS:
        tiny_boxes.write_picture(tmp_path / f"{number}.png", tiny_boxes.drawn(number))
        for label, left, top, right, bottom in tiny_boxes.drawn(number):
            end = (right, bottom) if "max" in names else (right - left, bottom - top)
            rows.append(",".join(map(str, (f"{number}.png", left, top, *end, label))))
    rows.append("4.png,,,,,")
    (tmp_path / "boxes.csv").write_text("\n".join(rows) + "\n")
    assert found(read(tmp_path / "boxes.csv")) == [tiny_boxes.drawn(number) for number in NUMBERS]
    (tmp_path / "boxes.csv").write_text("\n".join([rows[0], "0.png,1,2,x,4,cat"]) + "\n")
    with pytest.raises(DataError, match=r"line 2: expected four numbers in .*, got '1', '2', 'x', '4'"):
        read(tmp_path / "boxes.csv")
