"""Cases worked by hand: each file holds the data, the working and the expected numbers."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.types import LabelSpace

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def expected_number(value: Any) -> Any:
    if value is None:
        return None
    return pytest.approx(float(Fraction(value)), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_equals_hand_worked_numbers(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    labels = LabelSpace(tuple(case["labels"]), case["problem_type"])
    scorer = make_scorer(case["metrics"], GROUPS[case["problem_type"]], labels=labels)

    result = scorer.compute(case["predictions"], case["references"], case["scores"])

    per_label = result.pop("per_label", {})
    assert result == {key: expected_number(value) for key, value in case["expected"].items()}
    assert per_label == {
        name: {key: expected_number(value) for key, value in row.items()}
        for name, row in case.get("per_label", {}).items()
    }
    assert sorted(scorer.notes) == sorted(case.get("notes", []))


def test_there_are_cases() -> None:
    assert len(CASES) >= 6
