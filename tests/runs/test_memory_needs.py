"""Tables of rows and labels that take gigabytes are told before they are made, in one line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ftkit.data.problems import Problems
from ftkit.kinds.splits import check_split_sizes
from ftkit.runs.memory_needs import memory_warnings
from ftkit.types import LabelSpace, Split, TextExample

NAMES = tuple(map(str, range(100_000)))
ROWS: Any = {"train": range(180_000), "test": range(20_000)}


def test_several_labels_a_row_are_a_table() -> None:
    (told,) = memory_warnings(ROWS, LabelSpace(NAMES, "multi_label_classification"), keeps_scores=False)
    assert told.startswith("200,000 rows of train, test with 100,000 labels: their labels take about 80 GB of memory")
    assert "GB are free; fix: fewer labels or rows" in told
    few = LabelSpace(NAMES[:2_000], "multi_label_classification")
    assert memory_warnings(ROWS, few, keeps_scores=True) == []


def test_scores_are_kept_where_a_metric_reads_them() -> None:
    labels = LabelSpace(NAMES)
    (told,) = memory_warnings(ROWS, labels, keeps_scores=True)
    assert told.startswith(
        "20,000 rows of test with 100,000 labels: their scores, which a metric reads, take about 8 GB"
    )
    assert told.endswith("or metrics without scores")
    assert memory_warnings(ROWS, labels, keeps_scores=False) == []
    assert memory_warnings(ROWS, None, keeps_scores=True) == []


def test_huge_texts_are_told_by_file_and_row() -> None:
    rows = [TextExample(0, "short", line=2), TextExample(1, "rain " * 200_001, line=3)]
    problems = Problems()
    check_split_sizes(SimpleNamespace(reads="text"), {"train": Split("train", "a.csv", rows)}, problems)  # type: ignore[arg-type]
    (told,) = problems.warnings
    assert told.startswith("train: texts of more than 1,000,000 characters, such as one of 1,000,005: each million")
    assert "a.csv, line 3" in told
    assert "look for a quote that is not closed" in told
    assert not problems
