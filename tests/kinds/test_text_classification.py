"""Cells become labels of every problem type, labels become outputs; weights are scikit-learn's `balanced`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.data.problems import Problems
from ftkit.data.readers import open_table
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.kind import Settings
from ftkit.kinds.text_classification import KIND, TextClassificationData
from ftkit.metrics.scorer import make_scorer
from ftkit.types import LabelSpace, Split, TextExample

TASK = KIND.task
MULTI, REGRESSION = "multi_label_classification", "regression"


def read(folder: Path, *rows: Any, with_labels: bool = True, task: Any = TASK, **data: Any) -> list[TextExample]:
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    section = TextClassificationData(train=str(path), **data)
    columns = KIND.columns_of(task, section)
    return list(KIND.read(open_table(str(path)), task, columns, section, with_labels=with_labels))


def split_of(*labels: Any, name: str = "train") -> Split:
    examples = [TextExample(row, f"text {row}", label=label, line=row + 1) for row, label in enumerate(labels)]
    return Split(name, f"{name}.csv", examples)


def space(*names: str, problem_type: Any = "single_label_classification") -> LabelSpace:
    return LabelSpace(names, problem_type)


# --- rows -> examples ---


def test_rows_become_texts_and_pairs(tmp_path: Path) -> None:
    rows = [{"text": "rain", "also": "sun", "label": "wet", "id": "a"}, {"text": None, "also": None, "label": "dry"}]
    columns = {"text_pair": "also", "id": "id"}
    assert read(tmp_path, *rows, columns=columns) == [
        TextExample("a", "rain", "sun", "wet", line=1),
        TextExample(1, "", "", "dry", line=2),  # rows without an id of their own are counted from 0
    ]
    assert read(tmp_path, *rows)[0] == TextExample(0, "rain", None, "wet", line=1)


@pytest.mark.parametrize(
    ("cell", "problem_type", "label"),
    [
        ("01", None, "01"),
        (1, None, "1"),
        (True, None, "true"),
        ("NA", None, "NA"),
        ("", None, None),
        (None, None, None),
        ("a, b,,a ", MULTI, ("a", "b")),
        (["b", "a"], MULTI, ("b", "a")),
        ("", MULTI, ()),
        (None, MULTI, ()),
        (2, MULTI, ("2",)),
        ("2.5", REGRESSION, 2.5),
        (3, REGRESSION, 3.0),
        ("much", REGRESSION, "much"),  # stays, to be reported by its row
        (["pos"], None, "pos"),
        ("['pos']", None, "pos"),
        ([], None, None),
        ([2.5], REGRESSION, 2.5),
    ],
)
def test_cells_become_labels(cell: Any, problem_type: Any, label: Any, tmp_path: Path) -> None:
    (example,) = read(tmp_path, {"text": "rain", "label": cell}, problem_type=problem_type)
    assert example.label == label
    assert type(example.label) is type(label)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": ["it", "broke"]}, "column 'text' holds a list: ['it', 'broke']"),
        ({"text": {"en": "rain"}}, "column 'text' holds an object: {'en': 'rain'}"),
        ({"label": ["a", "b"]}, "column 'label' names several labels, and a row has one: ['a', 'b']"),
        ({"label": {"id": 1, "name": "neg"}}, "column 'label' holds an object: {'id': 1, 'name': 'neg'}"),
        ({"id": ["a", "b"]}, "column 'id' holds a list: ['a', 'b']"),
        ({"who": {}}, "column 'who' holds an object: {}"),
    ],
)
def test_cells_that_cannot_be_read_are_errors_of_their_row(row: Any, message: str, tmp_path: Path) -> None:
    columns = {"id": "id", "group": "who"}
    (example,) = read(tmp_path, {"text": "rain", "label": "a", "id": 1, "who": "x", **row}, columns=columns)
    assert [error.message for error in example.cell_errors] == [message]


def test_what_prepare_returns_is_read_as_strictly(tmp_path: Path) -> None:
    task = dataclasses.replace(TASK, prepare=lambda cells: {"text": cells["text"].split(), "label": np.int64(1)})
    (example,) = read(tmp_path, {"text": "it broke"}, task=task)
    assert example.label == "1"
    assert [error.message for error in example.cell_errors] == ["column 'text' holds a list: ['it', 'broke']"]


def test_a_column_for_each_label(tmp_path: Path) -> None:
    columns = {"label": ("wet", "cold")}
    rows = [{"text": "rain", "wet": 1, "cold": 0}, {"text": "sun", "wet": "0", "cold": "0"}]
    data = TextClassificationData(train="x", columns=columns, problem_type=MULTI)
    examples = read(tmp_path, *rows, columns=columns, problem_type=MULTI)
    assert [example.label for example in examples] == [("wet",), ()]
    assert KIND.labels(Split("train", "x", examples), TASK, data) == space("wet", "cold", problem_type=MULTI)
    chosen, none = read(tmp_path, *rows, columns=columns)
    assert chosen.label == "wet"
    (error,) = none.cell_errors
    assert error.message == "columns 'wet', 'cold' hold no 1, and a row has one label"
    assert "data.problem_type: multi_label_classification" in error.remedy
    with pytest.raises(DataError, match=r"no column 'cold' \(data\.columns\.label\)"):
        read(tmp_path, {"text": "rain", "wet": 1}, columns=columns)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"columns": {"label": ["a", "b"]}, "labels": ["a", "c"]}, "'b', 'c' is in only one of the two"),
        ({"columns": {"label": ["a", "a"]}}, r"data\.columns\.label: 'a' is given twice"),
        ({"columns": {"label": ["a", "b"]}, "problem_type": REGRESSION}, "a regression has one column of numbers"),
        ({"columns": {"text": ["a", "b"]}}, r"data\.columns\.text: expected one column, got a list: 'a', 'b'"),
        ({"labels": ["1" * 1_001, "a"]}, "a name has more than 1,000 characters"),
    ],
)
def test_columns_of_labels_that_cannot_be_meant(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, {"text": "rain", "a": 1, "b": 0, "label": "a"}, **data)


def test_rows_to_predict_need_no_label_column(tmp_path: Path) -> None:
    assert read(tmp_path, {"text": "rain"}, with_labels=False) == [TextExample(0, "rain", line=1)]
    with pytest.raises(DataError, match=r"no column 'label' \(data\.columns\.label\)"):
        read(tmp_path, {"text": "rain"})


def test_a_task_prepares_cells_before_columns_are_looked_up(tmp_path: Path) -> None:
    task = dataclasses.replace(TASK, prepare=lambda cells: {**cells, "text": cells["body"].upper()})
    (example,) = read(tmp_path, {"body": "rain", "label": "wet"}, task=task)
    assert example.text == "RAIN"


# --- labels ---


def test_labels_of_train_are_sorted_naturally_unless_they_are_declared() -> None:
    data = TextClassificationData(train="x")
    assert KIND.labels(split_of("b10", "b2", "a"), TASK, data) == space("a", "b2", "b10")
    declared = TextClassificationData(train="x", labels=("b10", "a"))
    assert KIND.labels(split_of("a"), TASK, declared) == space("b10", "a")
    task = dataclasses.replace(TASK, labels=("c", "a"), problem_type=MULTI)
    assert KIND.labels(split_of(("a",)), task, data) == space("c", "a", problem_type=MULTI)
    found = KIND.labels(split_of(("b", "a"), ()), TASK, TextClassificationData(train="x", problem_type=MULTI))
    assert found == space("a", "b", problem_type=MULTI)
    number = TextClassificationData(train="x", problem_type=REGRESSION)
    assert KIND.labels(split_of(1.0), TASK, number) == space("score", problem_type=REGRESSION)
    with pytest.raises(ConfigError, match=r"data\.labels: 'a' is given twice"):
        KIND.labels(split_of("a"), TASK, TextClassificationData(train="x", labels=("a", "a")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"positive_label": "yse"}, r"no label 'yse'. Did you mean 'yes'\?"),
        (
            {"positive_label": "a", "labels": ("a", "b", "c")},
            "one of two labels can be the positive one, and there are 3",
        ),
        ({"positive_label": "a", "problem_type": MULTI}, "multi_label_classification has no positive label"),
        ({"positive_label": "score", "problem_type": REGRESSION}, "regression has no positive label. Leave it out"),
    ],
)
def test_the_positive_label_is_one_of_two(settings: Any, message: str) -> None:
    data = TextClassificationData(train="x", **settings)
    task = KIND.task
    labels = {MULTI: (("a",), ()), REGRESSION: (1.0,)}.get(settings.get("problem_type"), ("no", "yes"))
    with pytest.raises(ConfigError, match=f"data.positive_label: {message}"):
        group = KIND.metric_group(task, data)
        make_scorer(["f1"], group, labels=KIND.labels(split_of(*labels), task, data), options=dict(data))


def test_labels_that_are_numbers_are_sorted_and_named_as_such() -> None:
    data = TextClassificationData.model_validate({"train": "x", "positive_label": -1})
    assert data.positive_label == "-1"
    assert KIND.labels(split_of("1", "-1"), TASK, data) == space("-1", "1")


@pytest.mark.parametrize("problem_type", [None, MULTI, REGRESSION])
def test_labels_are_read_back_from_a_saved_config(problem_type: Any) -> None:
    labels = space("a", "b10", "b2", problem_type=problem_type or "single_label_classification")
    # JSON's keys are text, and sorted as text where a tool has rewritten them.
    id2label = {str(index): name for index, name in reversed(labels.id2label.items())}
    assert KIND.saved_labels({"id2label": id2label, "problem_type": problem_type}) == labels


def test_labels_that_a_run_does_not_know() -> None:
    problems = Problems()
    KIND.check_known_labels(split_of("refund", "refnd", None, name="input"), space("card", "refund"), problems)
    with pytest.raises(
        DataError, match="the label 'refnd' is none that the run knows. Did you mean 'refund'"
    ) as caught:
        problems.raise_if_any()
    assert "input.csv, line 2" in str(caught.value)
    problems = Problems()
    KIND.check_known_labels(split_of(("card",), ("x",), ()), space("card", problem_type=MULTI), problems)
    assert len(problems.errors) == 1
    KIND.check_known_labels(split_of(7.0), space("score", problem_type=REGRESSION), Problems())


# --- settings ---


def weights(labels: LabelSpace, train: Split, setting: Any) -> Any:
    options = KIND.adapter_options(train, labels, TextClassificationData(train="x"), Settings(class_weights=setting))
    return options["class_weights"]


def test_class_weights() -> None:
    train, labels = split_of("a", "a", "a", "b"), space("a", "b", "c")
    assert weights(labels, train, None) is None
    assert weights(labels, train, "balanced") == [4 / (3 * 3), 4 / (3 * 1), 1.0]
    assert weights(labels, train, {"b": 2.5}) == [1.0, 2.5, 1.0]
    several = split_of(("a",), ("a", "b"), ("a",), ())
    assert weights(space("a", "b", problem_type=MULTI), several, "balanced") == [1 / 3, 3.0]  # noes to yeses
    with pytest.raises(ConfigError, match=r"train\.class_weights: no label 'aa'\. Did you mean 'a'"):
        weights(labels, train, {"aa": 2.0})
    with pytest.raises(ConfigError, match=r"train\.class_weights: 'a' needs a weight above 0, got 0\.0"):
        weights(labels, train, {"a": 0.0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(class_weights="balanced"), "train.class_weights: a regression has no classes"),
        (Settings(label_smoothing=0.1), "train.label_smoothing_factor: a regression has no classes"),
    ],
)
def test_a_regression_has_no_classes(settings: Settings, message: str) -> None:
    labels = space("score", problem_type=REGRESSION)
    with pytest.raises(ConfigError, match=message):
        KIND.adapter_options(split_of(1.0), labels, TextClassificationData(train="x"), settings)


def test_smoothing_is_a_share() -> None:
    with pytest.raises(ConfigError, match="expected 0 or more and less than 1, got 1.5"):
        KIND.adapter_options(
            split_of("a"), space("a"), TextClassificationData(train="x"), Settings(label_smoothing=1.5)
        )


def test_two_roles_of_one_column_are_a_slip_but_for_those_of_rows() -> None:
    with pytest.raises(ConfigError, match=r"data\.columns: text and label are both the column 'body'"):
        KIND.check_roles({"text": "body", "label": "body"})
    KIND.check_roles({"text": "body", "id": "body", "group": "body"})
