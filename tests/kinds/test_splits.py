"""What is held out of train: for the test first, for validation of the rest, and never a row twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftkit.config.run_config import load_config
from ftkit.data.problems import Problems
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.splits import check_ids, read_splits
from ftkit.kinds.table import find_kind, kind_of
from ftkit.kinds.text_classification import KIND
from ftkit.types import Split


@pytest.fixture
def rows(tmp_path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"text {number},{'ab'[number % 2]}\n" for number in range(100)))
    return path


def splits(rows: Path, *, seed: int = 42, **data: Any) -> dict[str, Split]:
    config = load_config(
        {
            "task": "text-classification",
            "model": {"checkpoint": "x"},
            "data": {"train": str(rows), **data},
            "output_dir": "run",
        }
    )
    task = KIND.task
    assert kind_of(task) is KIND
    return read_splits(KIND, task, config.data, KIND.columns_of(task, config.data), seed=seed)


def ids(split: Split) -> set[str | int]:
    return {example.id for example in split.examples}


def test_the_test_is_held_out_first_and_validation_of_the_rest(rows):
    found = splits(rows, validation=0.1, test=0.2)
    assert {name: len(split) for name, split in found.items()} == {"train": 72, "validation": 8, "test": 20}
    assert list(found) == ["train", "validation", "test"]
    assert len(set.union(*map(ids, found.values()))) == 100
    labels = [example.label for example in found["test"].examples]
    assert (labels.count("a"), labels.count("b")) == (10, 10)


def test_the_seed_decides(rows):
    one, same, other = (ids(splits(rows, test=0.2, seed=seed)["test"]) for seed in (1, 1, 2))
    assert one == same != other


def test_what_validation_holds_does_not_depend_on_a_test_file(rows):
    alone = splits(rows, validation=0.1)
    beside = splits(rows, validation=0.1, test=str(rows))
    assert ids(alone["validation"]) == ids(beside["validation"])
    assert alone["train"].fingerprint == beside["train"].fingerprint


def test_fingerprints_say_what_was_drawn(rows):
    found = splits(rows, validation=0.1, test=0.2)
    digest = splits(rows)["train"].fingerprint
    assert found["test"].fingerprint == f"0.2 of {digest}, seed 42"
    assert found["validation"].fingerprint == f"0.1 of {digest} less test, seed 42"
    assert found["train"].fingerprint == f"{digest} less test less validation"


def test_too_few_rows_are_told_by_the_key(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match=r"data.test: 0.1 of train leaves nothing(.|\n)*name a test file"):
        splits(tmp_path / "rows.csv", test=0.1)


TAGGED = [{"tokens": ["Anna", "left"], "tags": ["B-PER", "O"]}] * 9
SPANS = [{"text": "Anna left", "label": [[0, 4, "PER"]]}] * 9
RARE = {
    "tags": [*TAGGED, {"tokens": ["in", "Rome"], "tags": ["O", "B-LOC"]}],
    "spans": [*SPANS, {"text": "in Rome", "label": [[3, 7, "LOC"]]}],
    "several": [{"text": "x", "label": ["PER"]}] * 9 + [{"text": "x", "label": ["PER", "LOC"]}],
    "one": [{"text": "x", "label": "PER"}] * 9 + [{"text": "x", "label": "LOC"}],
}


@pytest.mark.parametrize("form", RARE)
def test_a_rare_label_or_type_stays_in_train_whatever_the_seed(form, tmp_path):
    """So the labels of train are those of all rows, and no seed makes a run impossible."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, RARE[form])))
    kind = find_kind("token-classification" if form in ("tags", "spans") else "text-classification")
    several = {"problem_type": "multi_label_classification"} if form == "several" else {}
    data = kind.data(train=str(file), validation=0.2, test=0.2, **several)
    for seed in range(15):
        found = read_splits(kind, kind.task, data, kind.columns_of(kind.task, data), seed=seed)
        normalized, settled = kind.normalize(found, kind.task, data, Problems())
        labels = kind.labels(normalized["train"], kind.task, settled)
        assert {name.removeprefix("B-") for name in labels.names} >= {"LOC", "PER"}
        assert [len(split) for split in found.values()] == [6, 2, 2]


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5])
def test_a_fraction_is_a_share(rows, fraction):
    with pytest.raises(ConfigError, match=r"data.test"):
        splits(rows, test=fraction)


def test_ids_that_rows_to_be_scored_share_are_told(rows: Path) -> None:
    def warnings(**data: Any) -> list[str]:
        problems = Problems()
        check_ids(splits(rows, test=str(rows), **data), problems)
        return problems.warnings

    assert warnings() == []
    (told,) = warnings(columns={"id": "label"})
    assert "test: rows share their id, such as 'a'" in told
    assert f"{rows}, line 4" in told
