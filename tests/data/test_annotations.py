import json
from pathlib import Path
from typing import Any

import pytest

from ftkit.data.annotations import unfold_annotations
from ftkit.data.cells import Unreadable
from ftkit.data.label_cells import LabelCells
from ftkit.data.prodigy import TOKEN_OFFSETS
from ftkit.data.readers import Table, open_table


def unfolded(tmp_path: Path, name: str, rows: list[dict[str, Any]], *, with_labels: bool = True) -> Table:
    path = tmp_path / name
    lines = [json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) if name.endswith(".jsonl") else f"[{','.join(lines)}]", encoding="utf-8")
    return unfold_annotations(open_table(str(path)), with_labels=with_labels)


def values(table: Table) -> list[dict[str, Any]]:
    return [dict(row.values) for row in table.rows]


def annotation(*results: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"was_cancelled": False, "ground_truth": False, **facts, "result": list(results)}


def choice(*names: str, of: str = "sentiment") -> dict[str, Any]:
    return {"from_name": of, "to_name": "text", "type": "choices", "value": {"choices": list(names)}}


SPAN = {"from_name": "ner", "type": "labels", "value": {"start": 0, "end": 4, "text": "Anna", "labels": ["PER"]}}


def task(number: int, *annotations: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {"id": number, "annotations": list(annotations), "predictions": [], "data": data, "project": 1}


def test_other_tables_stay_as_they_are(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "b", "answer": "accept"}, {"data": {"text": "a"}, "label": "b"}]
    for row in rows:
        assert values(unfolded(tmp_path, "a.jsonl", [row])) == [row]


def test_choices_and_spans_of_label_studio(tmp_path: Path) -> None:
    tasks = [
        task(1, annotation(choice("good", "fast"), SPAN), review="Anna left", stars=3),
        task(2, annotation(), annotation(choice("bad"), ground_truth=True), review="No", stars=1),
    ]
    table = unfolded(tmp_path, "a.json", tasks)
    assert table.columns == ("id", "review", "stars", "text", "spans", "sentiment", "label")
    first, second = values(table)
    assert (first["id"], first["text"], first["review"], first["stars"]) == (1, "Anna left", "Anna left", 3)
    assert first["label"] == first["sentiment"] == ["good", "fast"]
    assert first["spans"] == [SPAN["value"]]
    assert second["label"] == ["bad"]


def test_several_controls_have_columns_and_no_common_label(tmp_path: Path) -> None:
    rating = {"from_name": "stars", "type": "rating", "value": {"rating": 4}}
    table = unfolded(tmp_path, "a.json", [task(1, annotation(choice("a"), choice("x", of="topic"), rating), text="t")])
    assert values(table) == [{"id": 1, "text": "t", "spans": [], "sentiment": ["a"], "topic": ["x"], "stars": 4}]


def test_tasks_that_were_skipped_are_left_out_and_counted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = [task(1, annotation(was_cancelled=True), text="a"), task(2, annotation(choice("x")), text="b")]
    assert [row["text"] for row in values(unfolded(tmp_path, "a.json", tasks))] == ["b"]
    assert "rows that nobody has accepted are left out: 1 skipped" in capfd.readouterr().err
    assert len(values(unfolded(tmp_path, "a.json", tasks, with_labels=False))) == 2


@pytest.mark.parametrize(
    ("annotations", "what"),
    [((), "of task 1 has no annotation"), ((annotation(), annotation()), "of task 1 has 2 annotations")],
)
def test_tasks_without_one_annotation_say_so(tmp_path: Path, annotations: Any, what: str) -> None:
    (row,) = values(unfolded(tmp_path, "a.json", [task(1, *annotations, text="a")]))
    for column in ("label", "spans"):
        assert isinstance(row[column], Unreadable)
        assert row[column].what == what


@pytest.mark.parametrize(("cell", "names"), [("good", ("good",)), ({"choices": ["a", "b"]}, ("a", "b"))])
def test_json_min_and_csv_of_label_studio(tmp_path: Path, cell: Any, names: tuple[str, ...]) -> None:
    how = LabelCells("multi_label_classification")
    (row,) = values(unfolded(tmp_path, "a.json", [{"text": "a", "sentiment": cell, "lead_time": 2.5}]))
    assert how.read(row["sentiment"]) == names
    path = tmp_path / "a.csv"
    written = cell if isinstance(cell, str) else json.dumps(cell).replace('"', '""')
    path.write_text(f'text,sentiment\na,"{written}"\n', encoding="utf-8")
    (row,) = values(unfold_annotations(open_table(str(path)), with_labels=True))
    assert how.read(row["sentiment"]) == names


PRODIGY = {"_input_hash": 1, "_task_hash": 2, "answer": "accept"}
TOKENS = [{"text": "Anna", "start": 0, "end": 4, "id": 0, "ws": True}, {"text": "left", "start": 5, "end": 9, "id": 1}]


def test_spans_and_tokens_of_prodigy(tmp_path: Path) -> None:
    rows = [{"text": "Anna left", "tokens": TOKENS, **PRODIGY}, {"text": "x", "tokens": [5], **PRODIGY}]
    table = unfolded(tmp_path, "a.jsonl", rows)
    assert table.columns == ("text", TOKEN_OFFSETS, "_input_hash", "_task_hash", "answer", "spans")
    first, second = values(table)
    assert (first[TOKEN_OFFSETS], first["spans"]) == (((0, 4), (5, 9)), None)
    assert isinstance(second[TOKEN_OFFSETS], Unreadable)


def test_choices_and_answers_of_prodigy(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = [{"id": "a", "text": "A!"}, {"id": "b", "text": "B!"}]
    answers = ["reject", "ignore", "accept", "reject"]
    rows = [{"text": "t", "options": options, "accept": ["b"], **PRODIGY, "answer": answer} for answer in answers]
    table = unfolded(tmp_path, "a.jsonl", rows)
    assert "label" in table.columns
    assert [(row.line, row.values["label"]) for row in table.rows] == [(3, ["b"])]
    told = " ".join(capfd.readouterr().err.split())
    assert "left out: 2 with the answer 'reject', 1 with the answer 'ignore'" in told
    assert len(values(unfolded(tmp_path, "a.jsonl", rows, with_labels=False))) == 4


def test_a_label_of_prodigy_stays(tmp_path: Path) -> None:
    (row,) = values(unfolded(tmp_path, "a.jsonl", [{"text": "t", "label": "SPAM", **PRODIGY}]))
    assert row["label"] == "SPAM"
