"""Runs that start from a head which knows their labels in another order, or some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_runs import write_adapter_run
from ftkit import train
from ftkit.config.run_config import load_config
from ftkit.inference.load import load
from ftkit.runs import steps
from ftkit.runs.checked_run import check_run
from ftkit.tuners.names import quiet
from ftkit.types import LabelSpace
from runs import TAGGED, run_config, tagging_config

TOPICS = ("card", "food", "sport", "weather")


def _scores(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(input_ids=torch.tensor([[5, 6, 7, 8]])).logits


def _tuned(config: dict[str, Any]) -> Any:
    run = check_run(load_config(config))
    adapter = run.make_task_adapter()
    return steps.tuned_model(run, steps.built_model(run, adapter))


@pytest.mark.parametrize(
    ("labels", "rows", "told"),
    [
        (TOPICS, [0, 1, 2, 3], "predicts the same labels"),
        (TOPICS[::-1], [3, 2, 1, 0], "knows 4 of 4 labels"),
        (("more", *TOPICS[::-1]), [None, 3, 2, 1, 0], "knows 4 of 5 labels by name, whose rows are kept; new: 'more'"),
    ],
)
@pytest.mark.parametrize("tuner", ["lora", "head-only"])
def test_a_trained_adapter_predicts_as_before(
    tuner: str,
    labels: tuple[str, ...],
    rows: list[int | None],
    told: str,
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained = write_adapter_run(tmp_path / "trained", checkpoint("bert"), tuner, labels=TOPICS)
    overrides = {"data.labels": list(labels), "model.adapter": str(trained), "tuner": {"method": tuner}}
    model = _tuned(run_config(tmp_path, checkpoint("bert"), **overrides))
    assert f"head: the adapter {trained} {told}" in capsys.readouterr().err
    expected = _scores(load(trained).model)
    kept = [place for place, row in enumerate(rows) if row is not None]
    found = _scores(model)[:, kept]
    torch.testing.assert_close(found, expected[:, [row for row in rows if row is not None]], rtol=1e-5, atol=1e-6)


def test_a_tagger_keeps_what_it_knows_of_each_type(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    known = LabelSpace(("B-who", "I-who", "O", "B-when", "I-when"))
    trained = write_adapter_run(
        tmp_path / "trained", checkpoint("bert"), "lora", kind="token-classification", labels=known, scheme="IOB2"
    )
    model = _tuned(
        tagging_config(tmp_path, checkpoint("bert"), **{"model.adapter": str(trained), "tuner": {"method": "lora"}})
    )
    assert {tag for _, tags in TAGGED for tag in tags.split()} == {"O", "B-what", "I-what", "B-who", "I-who"}
    found, expected = _scores(model), _scores(load(trained).model)
    torch.testing.assert_close(found[..., [0, 3, 4]], expected[..., [2, 0, 1]], rtol=1e-5, atol=1e-6)


def test_a_moved_head_is_saved_with_the_adapter_and_read_by_plain_peft(
    checkpoint: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    base = AutoModelForSequenceClassification.from_pretrained(
        checkpoint("bert"), id2label=dict(enumerate(TOPICS[::-1]))
    )
    base.save_pretrained(tmp_path / "base")
    for file in checkpoint("bert").glob("token*"):
        (tmp_path / "base" / file.name).write_bytes(file.read_bytes())
    overrides = {
        "tuner": {"method": "head-only"},
        "train.max_steps": 1,
        "train.learning_rate": 1e-12,  # of a step that moves nothing the scores are those of the checkpoint
    }
    run = train(run_config(tmp_path / "tuned", tmp_path / "base", **overrides)).output_dir
    assert "knows 4 of 4 labels" in capsys.readouterr().err
    config = AutoConfig.from_pretrained(run)
    assert config.id2label == dict(enumerate(TOPICS))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", config=config)
    with quiet():
        tuned = PeftModel.from_pretrained(plain, str(run))
    torch.testing.assert_close(_scores(tuned), _scores(base).flip(-1))
    torch.testing.assert_close(_scores(load(run).model), _scores(base).flip(-1))


@pytest.mark.parametrize("model_type", ["roberta", "distilbert"])
def test_a_head_for_other_labels_is_replaced_beside_an_adapter(
    model_type: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """A part of each head is new, and peft takes the whole of it; the best weights are read back after training."""
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    folder = tmp_path / "base"
    AutoModelForSequenceClassification.from_pretrained(checkpoint(model_type), num_labels=7).save_pretrained(folder)
    for file in [*checkpoint(model_type).glob("token*"), *checkpoint(model_type).glob("vocab*")]:
        (folder / file.name).write_bytes(file.read_bytes())
    run = train(run_config(tmp_path, folder, tuner={"method": "lora", "rank": 2}, **{"train.max_steps": 2})).output_dir
    config = AutoConfig.from_pretrained(run)
    plain = AutoModelForSequenceClassification.from_pretrained(folder, config=config, ignore_mismatched_sizes=True)
    with quiet():
        tuned = PeftModel.from_pretrained(plain, str(run))
    torch.testing.assert_close(_scores(tuned), _scores(load(run).model), rtol=1e-5, atol=1e-6)
