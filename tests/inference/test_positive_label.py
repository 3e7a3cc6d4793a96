"""Which of two labels is the positive one can be said when a run is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ftkit
from adapter_runs import write_adapter_run


def test_the_positive_label_is_named_and_can_be_another(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    run = write_adapter_run(tmp_path / "run", checkpoint("bert"), "head-only", labels=("no", "yes"))
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\nthe rain will not stop,no\nour team won,yes\nmy card was stolen,yes\n")
    own, other = (ftkit.load(run, positive_label=name).evaluate(str(rows)) for name in (None, "no"))
    assert (own["positive_label"], other["positive_label"]) == ("yes", "no")
    for scores in (own, other):
        assert scores["recall"] == scores["per_label"][scores["positive_label"]]["recall"]
    with pytest.raises(ftkit.ConfigError, match="data.positive_label: no label 'nope'"):
        ftkit.load(run, positive_label="nope").evaluate(str(rows))


def test_it_is_of_kinds_with_labels(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    run = write_adapter_run(
        tmp_path / "run",
        checkpoint("bert"),
        kind="token-classification",
        labels=("O", "B-who", "I-who"),
        scheme="IOB2",
    )
    with pytest.raises(ftkit.UserError, match="--positive-label: token-classification does not read it. Leave it out"):
        ftkit.load(run, positive_label="O")
