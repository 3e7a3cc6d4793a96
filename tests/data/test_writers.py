import csv
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.data.readers import open_table
from ftkit.data.writers import open_writer
from ftkit.errors import UserError

ROW = {"id": 0, "label": 'a,"é', "score": 0.1 + 0.2, "scores": {"a": 1 / 3, "b": math.nan}}


HOSTILE = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "-x"]
HARMLESS = ["-1.5", "+3", "1e-4", "-.5e3", "plain", "a=b", "", "'=1"]


def test_a_spreadsheet_runs_no_cell(tmp_path: Path) -> None:
    for safe in (True, False):
        with open_writer(tmp_path / "out.csv", spreadsheet_safe=safe) as writer:
            for text in (*HOSTILE, *HARMLESS):
                writer.write({"id": text, "score": -1.5, "words": [text], "text": text})
        with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        changed = [f"'{text}" if safe else text for text in HOSTILE]
        assert [row["text"] for row in rows] == [row["id"] for row in rows] == [*changed, *HARMLESS]
        assert {row["score"] for row in rows} == {"-1.5"}
        assert [json.loads(row["words"]) for row in rows] == [[text] for text in (*HOSTILE, *HARMLESS)]
        assert writer.num_made_safe == (2 * len(HOSTILE) if safe else 0)


def test_columns_that_few_rows_have_are_in_the_header(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.csv", columns=("error",)) as writer:
        writer.write({"label": "a"})
        writer.write({"label": None, "error": "the text is empty"})
    assert (tmp_path / "out.csv").read_text() == "label,error\na,\n,the text is empty\n"


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with open_writer(path) as writer:
        writer.write(ROW)
        writer.write({"id": "x"})
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first) == {**ROW, "scores": {"a": 1 / 3, "b": None}}
    assert "é" in first
    assert second == '{"id": "x"}'


def test_csv_flattens_scores_and_keeps_all_digits(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with open_writer(str(path)) as writer:
        writer.write(ROW)
        writer.write({"id": 1, "label": ("a", "b"), "score": None, "scores": {"a": 1e-9, "b": 2}})
    assert path.read_bytes().decode() == (
        "id,label,score,score_a,score_b\n"
        '0,"a,""é",0.30000000000000004,0.3333333333333333,\n'
        '1,"[""a"", ""b""]",,1e-09,2\n'
    )


@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=100, deadline=None)
def test_csv_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip_out.csv"
    with open_writer(path) as writer:
        writer.write({"id": 0, "text": text})
    assert [row.values for row in open_table(str(path)).rows] == [{"id": "0", "text": text}]


@pytest.mark.parametrize("path", [None, "-"])
def test_standard_output(path: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    with open_writer(path) as writer:
        writer.write({"id": 0})
    with open_writer(path, "csv") as writer:
        writer.write({"id": 0})
    assert capsys.readouterr().out == '{"id": 0}\nid\n0\n'


def test_explicit_format_wins(tmp_path: Path) -> None:
    with open_writer(tmp_path / "out.data", format="jsonl") as writer:
        writer.write({"id": 0})
    assert (tmp_path / "out.data").read_text() == '{"id": 0}\n'


@pytest.mark.parametrize(("name", "format"), [("out.xlsx", None), ("out", None), ("out.csv", "jsnl")])
def test_unknown_format(tmp_path: Path, name: str, format: str | None) -> None:
    with pytest.raises(UserError, match=rf"{name}: cannot write the format .*known: jsonl, csv"):
        open_writer(tmp_path / name, format).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:

    def fail_while_writing() -> None:
        with open_writer(tmp_path / "out.jsonl") as writer:
            writer.write({"id": 0})
            raise ValueError

    with pytest.raises(ValueError):
        fail_while_writing()
    assert list(tmp_path.iterdir()) == []


def test_vectors_in_one_array(tmp_path: Path) -> None:
    """Rows that could not be predicted are NaN, before the first vector and behind it."""
    import numpy as np

    rows = [None, [1.0, 0.1], None, [0.5, 2.0]]
    with open_writer(tmp_path / "out.npy") as writer:
        for row in rows:
            writer.write({"id": 0, "embedding": row})
    found = np.load(tmp_path / "out.npy")
    assert (found.shape, found.dtype) == ((4, 2), np.float32)
    nothing = [np.nan, np.nan]
    np.testing.assert_allclose(found, [nothing, [1.0, 0.1], nothing, [0.5, 2.0]], rtol=1e-6)
    with pytest.raises(UserError, match="these predictions have none"), open_writer(tmp_path / "no.npy") as writer:
        writer.write({"id": 0, "score": 0.5})
    assert not (tmp_path / "no.npy").exists()


def test_rows_in_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_writer(tmp_path / "out.parquet", columns=("error",)) as writer:
        for number in range(1_001):
            writer.write({"id": number, "embedding": [0.5, 1.0]})
        writer.write({"id": 1_001, "embedding": None, "error": "the text is empty"})
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.field("embedding").type == pa.list_(pa.float32())
    assert found.num_rows == 1_002
    assert found.slice(1_000).to_pylist() == [
        {"id": 1_000, "embedding": [0.5, 1.0], "error": None},
        {"id": 1_001, "embedding": None, "error": "the text is empty"},
    ]
    with pytest.raises(UserError, match="rows of the same types"), open_writer(tmp_path / "no.parquet") as writer:
        for label in [*["a"] * 1_000, {"b": 1}]:
            writer.write({"label": label})
