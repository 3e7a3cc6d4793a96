"""Examples of a stream: blocks, epochs, where they are gone on with, and rows that cannot be trained on."""

import dataclasses
import io
import itertools
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ftkit.errors import DataError
from ftkit.kinds import image_classification
from ftkit.kinds.stream import ExampleStream, Place
from ftkit.kinds.text_classification import KIND, TextClassificationData
from ftkit.types import LabelSpace

LABELS = LabelSpace(("a", "b"))


def write(path: Path, *rows: Any) -> None:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))


def row(text: str, label: str = "a") -> dict[str, str]:
    return {"text": text, "label": label}


def stream_of(folder: Path, **data: Any) -> ExampleStream:
    options = TextClassificationData(train=str(folder), streaming=True, **{"shuffle_buffer": 4, **data})
    return ExampleStream(KIND, KIND.task, KIND.own_columns, options, seed=1)


def texts(blocks: Any) -> list[list[str]]:
    return [[example.text for example in block.split.examples] for block in blocks]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three shards of 5, 2 and 3 rows."""
    for name, count in (("x", 5), ("y", 2), ("z", 3)):
        write(tmp_path / f"{name}.jsonl", *(row(f"{name}{number}", "ab"[number % 2]) for number in range(count)))
    return tmp_path


def test_every_row_comes_once_an_epoch_in_shards_of_another_order(folder: Path) -> None:
    blocks = texts(itertools.islice(stream_of(folder).blocks(LABELS, Place()), 12))
    assert [len(block) for block in blocks] == [4, 4, 2] * 4
    epochs = [[*itertools.chain(*blocks[start : start + 3])] for start in range(0, 12, 3)]
    expected = sorted(f"{name}{number}" for name, count in (("x", 5), ("y", 2), ("z", 3)) for number in range(count))
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    # Within a shard rows come in their order.
    assert all([text for text in epoch if text[0] == "x"] == [f"x{number}" for number in range(5)] for epoch in epochs)


def test_a_stream_goes_on_at_every_block(folder: Path) -> None:
    whole = list(itertools.islice(stream_of(folder).blocks(LABELS, Place()), 9))
    for number, block in enumerate(whole[:6]):
        rest = list(itertools.islice(stream_of(folder).blocks(LABELS, block.end), 3))
        assert texts(rest) == texts(whole[number + 1 : number + 4])
        assert [one.end for one in rest] == [one.end for one in whole[number + 1 : number + 4]]


def test_the_first_rows_are_checked_and_know_their_files(folder: Path) -> None:
    first = stream_of(folder, check_rows=10).first()
    assert [example.text for example in first.examples][:6] == ["x0", "x1", "x2", "x3", "x4", "y0"]
    assert first.where(first.examples[5]) == f"{folder / 'y.jsonl'}, line 1"
    assert first.is_sample
    other = dataclasses.replace(first, examples=first.examples[5:])
    assert other.where(other.examples[1]) == f"{folder / 'y.jsonl'}, line 2"


BAD = {
    "empty": (row(" "), "the text is empty"),
    "unknown label": (row("text", "c"), "the label 'c' is none that the run knows"),
    "no label": ({"text": "text"}, "the label is missing"),
    "an object": ({"text": {"a": 1}, "label": "a"}, "column 'text' holds"),
    "no json": ("{no\n", "not valid JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_named_with_its_file_or_left_out_and_counted(folder: Path, name: str) -> None:
    bad, message = BAD[name]
    write(folder / "y.jsonl", row("y0"), bad, row("y2"))
    with pytest.raises(DataError) as raised:
        list(itertools.islice(stream_of(folder).blocks(LABELS, Place()), 3))
    assert message in str(raised.value)
    assert f"{folder / 'y.jsonl'}, line 2" in str(raised.value)
    skipping = stream_of(folder, on_bad_row="skip")
    blocks = list(itertools.islice(skipping.blocks(LABELS, Place()), 9))
    of_epochs = [block.end.left_out for block in blocks if block.end.taken == block.end.shard == 0]
    assert of_epochs == list(range(1, len(of_epochs) + 1))
    for number, block in enumerate(blocks[:5]):
        rest = list(itertools.islice(stream_of(folder, on_bad_row="skip").blocks(LABELS, block.end), 3))
        assert texts(rest) == texts(blocks[number + 1 : number + 4])
        assert [one.end for one in rest] == [one.end for one in blocks[number + 1 : number + 4]]


def test_rows_that_will_be_left_out_are_no_part_of_the_first(folder: Path) -> None:
    write(folder / "x.jsonl", row("x0"), row(" "), {"text": "x2"}, "[]\n", row("x4"))
    first = stream_of(folder, on_bad_row="skip").first()
    assert [example.text for example in first.examples] == ["x0", "x4", "y0", "y1", "z0", "z1", "z2"]


def test_a_stream_without_a_row_to_train_on_ends(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", row(" "), row(" "))
    with pytest.raises(DataError, match="no row of a whole epoch"):
        next(stream_of(tmp_path, on_bad_row="skip").blocks(LABELS, Place()))


def test_images_are_streamed_from_archives_and_one_that_is_none_is_named(tmp_path: Path) -> None:
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as archive:
            for number in range(3):
                content = io.BytesIO()
                Image.new("RGB", (40, 40), (60 * number, 99 * shard, 0)).save(content, "PNG")
                is_broken = (shard, number) == (1, 2)
                for name, held in (("png", b"no picture" if is_broken else content.getvalue()), ("cls", b"ab"[:1])):
                    member = tarfile.TarInfo(f"{number}.{name}")
                    member.size = len(held)
                    archive.addfile(member, io.BytesIO(held))
    kind = image_classification.KIND
    given: dict[str, Any] = {"streaming": True, "shuffle_buffer": 4, "on_bad_row": "skip"}
    columns = {**kind.own_columns, "label": "cls"}

    def stream(**data: Any) -> ExampleStream:
        options = image_classification.ImageClassificationData(train=str(tmp_path / "*.tar"), **{**given, **data})
        return ExampleStream(kind, kind.task, columns, options, seed=1)

    found = list(itertools.islice(stream().blocks(LABELS, Place()), 2))
    names = sorted(example.id for block in found for example in block.split.examples)
    assert names == ["0.tar/0.png", "0.tar/1.png", "0.tar/2.png", "1.tar/0.png", "1.tar/1.png"]
    assert found[-1].end.left_out == 1
    with pytest.raises(DataError, match=r"(?s)1\.tar/2\.png is no image that can be read.*1\.tar, 1\.tar/2\.png"):
        list(itertools.islice(stream(on_bad_row="error").blocks(LABELS, Place()), 2))
