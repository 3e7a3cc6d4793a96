import json
from pathlib import Path

import pytest

from ftkit.data.readers.parquet import read
from ftkit.data.readers.table import ReadOptions
from ftkit.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def test_types_row_numbers_and_batches(path: Path) -> None:
    pq.write_table(pa.table({"text": [f"t{n}" for n in range(2500)], "label": list(range(2500))}), path)
    table = read(path, ReadOptions())
    rows = list(table.rows)
    assert table.columns == ("text", "label")
    assert len(rows) == 2500
    assert (rows[2047].line, rows[2047].values) == (2048, {"text": "t2047", "label": 2047})


def test_class_labels_become_names(path: Path) -> None:
    label = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": label,
        "tags": {"feature": label, "_type": "List"},
        "older": [label],
        "objects": {"bbox": [[{"dtype": "float32", "_type": "Value"}]], "category": [label]},
        "listed": {"feature": {"category": label}, "_type": "List"},
        "sequence": {"feature": {"category": label}, "_type": "Sequence"},
    }
    columns = {
        "text": ["a", "b", "c"],
        "label": [1, -1, None],
        "tags": [[0, 1], [], None],
        "older": [[1]] * 3,
        "objects": [{"bbox": [[1.0, 2.0]], "category": [1]}, {"bbox": [], "category": []}, None],
        "listed": [[{"category": 0}], [], None],
        "sequence": [{"category": [1, 0]}, {"category": []}, None],  # how older versions keep a list of objects
    }
    schema = pa.table(columns).schema.with_metadata({b"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(pa.table(columns, schema=schema), path)
    rows = [dict(row.values) for row in read(path, ReadOptions()).rows]
    assert [row["label"] for row in rows] == ["pos", None, None]
    assert [row["tags"] for row in rows] == [["neg", "pos"], [], None]
    assert rows[0]["older"] == ["pos"]
    boxes = [{"bbox": [[1.0, 2.0]], "category": ["pos"]}, {"bbox": [], "category": []}, None]
    assert [row["objects"] for row in rows] == boxes
    assert [row["listed"] for row in rows] == [[{"category": "neg"}], [], None]
    assert [row["sequence"] for row in rows] == [{"category": ["pos", "neg"]}, {"category": []}, None]


def test_classes_that_the_file_does_not_name_are_no_values(path: Path) -> None:
    """-2 would be counted from the end, and 2 would end the program."""
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    schema = pa.schema({"label": pa.int64()}, {b"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(pa.table({"label": [1, 2, -2]}, schema=schema), path)
    first, *others = [row.values["label"] for row in read(path, ReadOptions()).rows]
    assert first == "pos"
    assert [cell.what for cell in others] == [
        "holds the class 2, and the file names 2 classes, 0 to 1",
        "holds the class -2, and the file names 2 classes, 0 to 1",
    ]


def test_metadata_without_features(path: Path) -> None:
    schema = pa.table({"a": [1]}).schema.with_metadata({b"huggingface": b'{"info": {}}'})
    pq.write_table(pa.table({"a": [1]}, schema=schema), path)
    assert [row.values for row in read(path, ReadOptions()).rows] == [{"a": 1}]


def test_file_that_is_not_parquet(path: Path) -> None:
    path.write_bytes(b"text,label\na,b\n")
    with pytest.raises(DataError, match=r"data.parquet cannot be read as parquet: (.|\n)*Fix: the file is damaged"):
        read(path, ReadOptions())


def test_damaged_pages_are_reported_while_reading(path: Path) -> None:
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(5000)]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[4:4000] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as parquet"):
        list(read(path, ReadOptions()).rows)


def test_errors_of_the_consumer_are_not_blamed_on_the_file(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)

    def fail_while_reading() -> None:
        for _ in read(path, ReadOptions()).rows:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_while_reading()


def test_no_rows(path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), path)
    with pytest.raises(DataError, match="is empty"):
        read(path, ReadOptions())
