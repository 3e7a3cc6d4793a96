"""Examples on disk are the examples that were written, one by one and column by column."""

import datetime
import io
import pickle
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from ftkit.data import columns
from ftkit.data.large.codec import ExampleCodec, has_codec
from ftkit.data.large.table import BATCH_ROWS, ExampleTable, write_examples
from ftkit.types import CellError, CharSpan, TextExample, TextToTextExample, TokenExample

TEXTS = [
    TextExample(0, "a", label="x", line=2),
    TextExample("b", "", "second", ("x", "y"), 3, "group"),
    TextExample(2**70, "half \ud800 of a character", label=()),
    TextExample(1.5, "c", label=float("inf")),  # type: ignore[arg-type]
    TextExample(True, "d", label=-0.0),
    TextExample(5, "e", cell_errors=(CellError("column 'text' holds a list", "write a text", "list"),)),
]
WORDS = [
    TokenExample(0, ("a", "b"), ("O", "B-x")),
    TokenExample(1, (Decimal("1.0"), None, datetime.date(2024, 3, 1)), spans=(CharSpan(0, 1, "x"),)),
    TokenExample("c", (), text="a b", offsets=((0, 1), (2, 3))),
]
PAIRS = [TextToTextExample(0, "a", "b"), TextToTextExample(1, "", None, ("c", "d")), TextToTextExample(2, "e", "")]


def stored(folder: Path, examples: list) -> ExampleTable:
    folder.mkdir(parents=True, exist_ok=True)
    write_examples(folder, examples, type(examples[0]))
    return ExampleTable(folder, type(examples[0]))


@pytest.mark.parametrize("examples", [TEXTS, WORDS, PAIRS, TEXTS[:1]], ids=["texts", "words", "pairs", "one"])
def test_every_value_and_its_type_come_back(examples: list, tmp_path: Path) -> None:
    found = list(stored(tmp_path, examples))
    assert repr(found) == repr(examples)
    assert [type(example.id) for example in found] == [type(example.id) for example in examples]


def test_examples_are_found_by_place(tmp_path: Path) -> None:
    examples = [TextExample(number, f"text {number}", line=number + 1) for number in range(2 * BATCH_ROWS + 10)]
    table = stored(tmp_path, examples)
    assert len(table) == len(examples)
    assert table[BATCH_ROWS] == examples[BATCH_ROWS]
    assert table[-1] == examples[-1]
    assert table[5:9] == examples[5:9]
    assert table[BATCH_ROWS - 2 : BATCH_ROWS + 2] == examples[BATCH_ROWS - 2 : BATCH_ROWS + 2]
    assert table.at([7, 3]) == [examples[7], examples[3]]
    with pytest.raises(IndexError):
        table[len(examples)]


def test_a_part_is_a_sequence_of_its_own(tmp_path: Path) -> None:
    examples = [TextExample(number, str(number), label="ab"[number % 2]) for number in range(BATCH_ROWS + 100)]
    part = stored(tmp_path, examples).take(np.arange(1, len(examples), 2))
    expected = examples[1::2]
    assert list(part) == expected
    assert part[3] == expected[3]
    assert list(part.column("label")) == ["b"] * len(expected)
    assert list(part.find("text", lambda text: text == "7")) == [examples[7]]
    assert list(part.take(np.array([0, 2]))) == [expected[0], expected[2]]
    assert part.fingerprint() != part.take(np.array([0, 2])).fingerprint()


def test_equal_examples_have_equal_digests_and_others_do_not(tmp_path: Path) -> None:
    one, same = stored(tmp_path / "one", TEXTS), stored(tmp_path / "same", TEXTS)
    other = stored(tmp_path / "other", [*TEXTS[:-1], TEXTS[0]])
    assert one.digest == same.digest != other.digest


def test_a_table_of_ftkits_examples_names_their_class(tmp_path: Path) -> None:
    stored(tmp_path, TEXTS)
    assert next(iter(ExampleTable(tmp_path))) == TEXTS[0]


def test_no_other_classes_are_unpickled(tmp_path: Path) -> None:
    codec = ExampleCodec(TextExample)
    field = codec._fields["label"]
    assert field._load(pickle.dumps(("a",))) == ("a",)
    with pytest.raises(pickle.UnpicklingError, match="no class of examples"):
        field._load(pickle.dumps(io.StringIO))
    with pytest.raises(pickle.UnpicklingError):
        field._load(pickle.dumps(print))


def test_only_dataclasses_that_are_made_from_their_fields_are_stored() -> None:
    @dataclass(kw_only=True)
    class Named:
        text: str

    assert has_codec(TextExample)
    assert not has_codec(Named)
    assert not has_codec(str)


# --- by columns, in a list and on disk -------------------------------------------------------------------------


ROWS = [
    TextExample(number, text, label=label, line=number + 2)
    for number, (text, label) in enumerate(
        [("a", "x"), ("b", "y"), ("a", "y"), ("c", "x"), ("a", "z"), ("b", "y"), ("c", "y"), ("d", "x")]
    )
]


@pytest.fixture(params=["list", "disk"])
def rows(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    return ROWS if request.param == "list" else stored(tmp_path, ROWS)


def test_contradictions_are_the_first_of_each_key(rows: list) -> None:
    assert columns.contradicting_places(rows, "label").tolist() == [2, 6]
    assert columns.contradicting_places(rows[:2], "label").tolist() == []


def test_shared_keys_are_found(rows: list) -> None:
    others = [TextExample(0, "d"), TextExample(1, "new"), TextExample(2, "a", "pair"), TextExample(3, "b")]
    assert columns.shared_places(others, rows).tolist() == [0, 3]
    assert columns.shared_places(rows, others).tolist() == [1, 5, 7]
    assert columns.shared_places([], rows).tolist() == []


def test_columns_places_and_parts(rows: list) -> None:
    assert list(columns.column(rows, "label")) == list("xyyxzyyx")
    assert [example.id for example in columns.find(rows, "label", "z".__eq__)] == [4]
    assert [example.id for example in columns.at(rows, [1, 3])] == [1, 3]
    assert [example.id for example in columns.taken(rows, np.array([0, 7]))] == [0, 7]
