"""Boxes and masks of a stream: what follows from its first rows holds for all, and rows that break it are named."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_boxes
from ftkit.data.problems import Problems
from ftkit.errors import DataError
from ftkit.kinds import image_segmentation, object_detection
from ftkit.kinds.kind import Kind
from ftkit.kinds.stream import ExampleStream, Place
from ftkit.types import LabelSpace

BOXES, MASKS = object_detection.KIND, image_segmentation.KIND
CHECKED = 10
Write = Callable[..., Path]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def boxes(tmp_path: Path) -> Write:
    """Writes pictures with boxes, the first `CHECKED` as they should be, and others behind them."""

    def made(*later: dict[str, Any]) -> Path:
        path = tiny_boxes.make_table(tmp_path / "boxes.jsonl", range(CHECKED))
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return write(path, [*rows, *({"image": "0.png", **row} for row in later)])

    return made


@pytest.fixture
def masks(tmp_path: Path) -> Write:
    """Writes a picture with masks of 0 and 1, and others behind them."""
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")

    def made(*later: Any) -> Path:
        halves = np.repeat(np.array([[0], [1]], np.uint8), 2, axis=0).repeat(4, axis=1)
        for number, values in enumerate((*[halves] * CHECKED, *later)):
            Image.fromarray(np.broadcast_to(np.uint8(values), (4, 4, 3) if np.ndim(values) == 1 else (4, 4))).save(
                tmp_path / f"mask-{number}.png"
            )
        rows = [{"image": "picture.png", "mask": f"mask-{number}.png"} for number in range(CHECKED + len(later))]
        return write(tmp_path / "masks.jsonl", rows)

    return made


def stream_of(kind: Kind, train: Path, **keys: Any) -> tuple[ExampleStream, LabelSpace | None]:
    """Returns a stream as it is read in training, after its first rows have been checked, and the labels."""
    given = {"streaming": True, "check_rows": CHECKED, "shuffle_buffer": CHECKED, **keys}
    data: Any = kind.data(train=str(train), **given)
    columns = kind.columns_of(kind.task, data)
    first = ExampleStream(kind, kind.task, columns, data, seed=0).first()
    problems = Problems()
    splits, data = kind.normalized({"train": first}, kind.task, data, problems)
    labels = kind.labels(splits["train"], kind.task, data)
    kind.check(splits, labels, kind.task, data, problems)
    problems.raise_if_any()
    return ExampleStream(kind, kind.task, columns, data, seed=0), labels


def learnt(of: tuple[ExampleStream, LabelSpace | None], num_blocks: int = 2) -> list[Any]:
    """Returns the examples of the first blocks."""
    stream, labels = of
    blocks = itertools.islice(stream.blocks(labels, Place()), num_blocks)
    return [example for block in blocks for example in block.split.examples]


def test_boxes_are_read_as_the_first_rows_prove(boxes: Write) -> None:
    """Alone the last box could be read as corners, too."""
    found = learnt(stream_of(BOXES, boxes({"objects": {"bbox": [[10, 10, 20, 20]], "category": ["circle"]}})))
    assert found[-1].boxes[0].numbers == (10, 10, 30, 30)
    assert [box.numbers for box in found[0].boxes] == [tuple(map(float, box[1:])) for box in tiny_boxes.drawn(0)]


def test_a_part_of_a_stream_may_be_images_without_boxes(boxes: Write) -> None:
    assert learnt(stream_of(BOXES, boxes(*[{"objects": []}] * 3)))[-1].boxes == ()


LATER = {
    "outside of its image": ({"objects": {"bbox": [[50, 30, 40, 40]], "category": ["circle"]}}, "sticks out"),
    "no such label": ({"objects": {"bbox": [[1, 1, 4, 4]], "category": ["cross"]}}, "the label 'cross' is none of"),
    "no boxes": ({"objects": "none"}, "column 'objects' holds a text"),
    "no such file": ({"image": "nowhere.png", "objects": []}, "nowhere.png: no such file"),
}


@pytest.mark.parametrize("name", LATER)
def test_a_bad_row_is_named_or_left_out(boxes: Write, name: str) -> None:
    row, message = LATER[name]
    table = boxes(row, {"objects": []})
    with pytest.raises(DataError, match=rf"(?s){message}.*boxes\.jsonl, line 11"):
        learnt(stream_of(BOXES, table))
    assert [example.line for example in learnt(stream_of(BOXES, table, on_bad_row="skip"))][-1] == 12


def test_how_boxes_are_written_is_asked_where_one_that_is_left_out_hides_it(boxes: Write) -> None:
    """The bad box is among the first rows: in no reading do all boxes lie inside."""
    table = boxes()
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    rows[0]["objects"]["bbox"][0] = [50, 30, 40, 40]
    write(table, rows)
    with pytest.raises(DataError, match=r"say which it is, such as data\.box_format: xywh"):
        stream_of(BOXES, table, on_bad_row="skip")
    found = learnt(stream_of(BOXES, table, on_bad_row="skip", box_format="xywh"), num_blocks=1)
    assert [example.line for example in found] == list(range(2, 11))


def test_rows_that_are_boxes_are_those_of_an_image_as_long_as_they_stand_together(tmp_path: Path) -> None:
    rows = []
    for number in range(CHECKED):
        tiny_boxes.write_picture(tmp_path / f"{number}.png", found := tiny_boxes.drawn(number))
        rows += [f"{number}.png,{','.join(map(str, box[1:]))},{box[0]}" for box in found] or [f"{number}.png,,,,,"]
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["image,x_min,y_min,x_max,y_max,label", *rows]))
    found = learnt(stream_of(BOXES, table), num_blocks=1)
    assert [[box.label for box in example.boxes] for example in found] == [
        [box[0] for box in tiny_boxes.drawn(number)] for number in range(CHECKED)
    ]
    assert found[1].boxes[1].numbers == tuple(map(float, tiny_boxes.drawn(1)[1][1:]))
    table.write_text(table.read_text() + "\n0.png,1,1,20,x,circle")
    with pytest.raises(DataError, match=rf"boxes\.csv, line {len(rows) + 2}: boxes of '0\.png' stand apart"):
        learnt(stream_of(BOXES, table))
    table.write_text(table.read_text().replace("\n0.png,1,1,20,x", "\nnew.png,1,1,20,x"))
    with pytest.raises(DataError, match=rf"a box that is not four numbers(.|\n)*line {len(rows) + 2}"):
        learnt(stream_of(BOXES, table))


def test_what_is_a_table_only_as_a_whole_is_no_stream(tmp_path: Path) -> None:
    voc = tiny_boxes.make_voc(tmp_path / "voc", range(1))
    for path in (voc, voc / "ImageSets" / "Main" / "train.txt"):
        with pytest.raises(
            DataError, match="is read whole, as its images and boxes lie in files that belong together"
        ):
            stream_of(BOXES, path)


@pytest.mark.parametrize(
    ("values", "message"),
    [(7, "masks hold the value 7, which is no class"), (255, "the value 255"), ((200, 0, 0), "masks in colours")],
)
def test_masks_that_break_what_the_first_rows_say_are_named_or_left_out(
    masks: Write, values: Any, message: str
) -> None:
    table = masks(values, 1)
    with pytest.raises(DataError, match=rf"(?s){message}.*masks\.jsonl, line 11, mask-10\.png"):
        learnt(stream_of(MASKS, table))
    found = learnt(stream_of(MASKS, table, on_bad_row="skip"))
    assert (found[-1].line, found[-1].class_counts) == (12, {1: 16})


def test_classes_that_are_named_need_not_be_among_the_first_rows(masks: Write) -> None:
    found = learnt(stream_of(MASKS, masks(7, 255), classes=["a", "b", *"cdefg", "seven"], ignore_index=255))
    assert [example.class_counts for example in found[-2:]] == [{7: 16}, {}]


def test_classes_follow_from_the_first_rows_that_are_not_left_out(masks: Write, tmp_path: Path) -> None:
    table = masks()
    (tmp_path / "mask-3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"mask-3\.png is no image"):
        stream_of(MASKS, table)
    stream = stream_of(MASKS, table, on_bad_row="skip")
    assert [example.line for example in learnt(stream, num_blocks=1)] == [1, 2, 3, *range(5, 11)]
