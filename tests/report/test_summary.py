"""The end of a run on the screen."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import report_contents as contents

from ftkit.data.audio import AudioExample
from ftkit.report.card import card_values
from ftkit.report.content import ReportContent
from ftkit.report.summary import shown_example, summary
from ftkit.report.usage.usage import find_usage

EXAMPLES = {
    "single": (contents.single_label_content, "cancel_order", "cancel_order"),
    "numbers": (contents.regression_content, "1.3081", "1.6237"),
    "tags": (contents.tagging_content, "Anna Kowalska (PER); New York (LOC)", "Anna Kowalska (PER); New York (LOC)"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_told_in_the_words_of_its_kind(name: str) -> None:
    make, expected, predicted = EXAMPLES[name]
    shown = shown_example(card_values(make()))
    assert shown is not None
    assert (shown["expected"], shown["predicted"]) == (expected, predicted)


@pytest.mark.parametrize("usage", ["hear", "transcribe"])
@pytest.mark.parametrize(("path", "typed"), [("calls/1.wav", "calls/1.wav"), ("/home/ann/calls/1.wav", "1.wav")])
def test_a_recording_is_named_by_where_it_lies(usage: str, path: str, typed: str) -> None:
    assert find_usage(usage).inputs(AudioExample(id=0, name="1.wav", path=path)) == (typed,)


def _lines(content: ReportContent) -> dict[str, str]:
    card = card_values(content)
    text = summary(Path("my runs/x"), content.results, content.primary_metric, shown_example(card))
    return {line[:13].strip(): line[13:] for line in text.splitlines()}


def test_summary() -> None:
    lines = _lines(contents.single_label_content())
    assert lines["test"] == "accuracy 0.8719 (f1_macro 0.8704), 320 rows"
    assert lines["training"] == "2,873 rows, 450 steps, 133 s, 108 rows/s"
    assert lines["proof"] == "reloaded from disk, 32 predictions reproduced"
    assert lines["example"] == f"'{contents._TEXTS[0]}…'"
    words = shlex.split(lines["try next"])
    assert words[:4] == ["ftkit", "predict", "my runs/x", "--text"]
    assert words[4] == "Where is my order? It was to come on Tuesday and the page s"
    assert "adapter" not in lines


def test_a_score_of_one_of_two_labels_names_it() -> None:
    content = contents.single_label_content(("no", "yes"))
    told = {**content.results, "test_f1": 0.5, "positive_label": "yes"}
    assert "f1 of 'yes' 0.5000 (" in summary(Path("x"), told, "f1", None)
    assert "yes" not in summary(Path("x"), told, "accuracy", None)


def test_a_run_without_evaluation_has_a_summary() -> None:
    content = contents.single_label_content(evaluated=())
    assert shown_example(card_values(content)) is None
    assert _lines(content)["try next"] == "ftkit predict 'my runs/x' --input FILE"
