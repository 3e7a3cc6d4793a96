"""A whole run of summarization: scores beside what they have to beat, and the search that wrote the summaries."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ftkit
import tiny
from ftkit.metrics.rouge import lead, mean_scores, rouge

TEXTS = [text for text, _ in tiny.EXAMPLES[:8]]
ROWS = [
    {"document": [f"{text}.", f"{other}."], "summary": [text.split()[0], other]}
    for text, other in zip(TEXTS, TEXTS[1:] + TEXTS[:1], strict=True)
]


@pytest.fixture(scope="module")
def finished(checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("summarization")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    file = str(folder / "rows.jsonl")
    config = {
        "task": "summarization",
        "model": {"checkpoint": str(checkpoint("t5"))},
        "data": {"train": file, "test": file, "prompt_template": "add {source}", "max_length": 12},
        "train": {"num_train_epochs": 1, "learning_rate": 1e-3, "per_device_train_batch_size": 8, "use_cpu": True},
        "generation": {"num_beams": 2, "no_repeat_ngram_size": 2},
        "output_dir": str(folder / "run"),
    }
    return ftkit.train(config)


def test_scores_are_those_of_the_summaries_that_were_written(finished: Any) -> None:
    found = finished.metrics
    written = (finished.output_dir / "predictions" / "test.txt").read_text().splitlines()
    scores = mean_scores([rouge(text, row["summary"]) for text, row in zip(written, ROWS, strict=True)])
    for key, value in scores.items():
        assert found[f"test_{key}"] == pytest.approx(value)
    assert "refs:max" in found["test_rouge_signature"]
    assert finished.primary_metric == "rougeL"
    assert found["train_samples"] == 16, "each reference is an example"
    assert found["generation"] == {
        "num_beams": 2,
        "max_new_tokens": found["generation"]["max_new_tokens"],
        "no_repeat_ngram_size": 2,
    }
    assert found["test_truncated_sources_share"] > 0


def test_the_first_sentences_stand_beside_them_and_an_unbeaten_one_is_told(finished: Any) -> None:
    found = finished.metrics
    leads = [lead(" ".join(row["document"]), 1) for row in ROWS]
    expected = mean_scores([rouge(text, row["summary"]) for text, row in zip(leads, ROWS, strict=True)])["rougeL"]
    assert found["test_baseline_lead_1"] == pytest.approx(expected)
    assert 0 <= found["test_novel_bigrams"] <= 1
    assert found["test_reference_words"] == pytest.approx(
        sum(len(text.replace(",", "").split()) for row in ROWS for text in row["summary"]) / 16, abs=0.5
    )
    report = json.loads((finished.output_dir / "report.json").read_text())
    assert any("lead 1 alone gives" in warning for warning in report["page"]["warnings"])
    assert [block["block"] for block in report["page"]["results"]["blocks"]] == ["summary-lengths", "summary-errors"]
    card = (finished.output_dir / "README.md").read_text()
    assert "A summarization model that writes summaries" in card
    assert "lead 1" in card
    assert r"F1\|case:lower\|stem:no" in card
    assert "novel_bigrams" not in card.partition("\n# ")[0], "it is no score"
    page = (finished.output_dir / "report.html").read_text()
    assert "num_beams: 2" in page


def test_evaluate_and_predict_read_the_same_rows(finished: Any, tmp_path: Path) -> None:
    run = ftkit.load(finished.output_dir)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    again = run.evaluate(str(tmp_path / "rows.jsonl"))
    for key in ("rouge1", "rougeL", "baseline_lead_1", "novel_bigrams"):
        assert again[key] == pytest.approx(finished.metrics[f"test_{key}"])
    (tmp_path / "texts.csv").write_text("article\nthe rain will not stop\n")
    assert list(run.predict_source(str(tmp_path / "texts.csv"))) == [
        {"id": 0, **run.predict(["the rain will not stop"])[0]}
    ]
