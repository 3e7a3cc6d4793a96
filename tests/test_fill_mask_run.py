"""Whole runs of fill-mask: what they leave on disk, what plain transformers makes of it, and what follows on them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
import tiny
from ftkit.errors import FtkitError, UserError
from runs import run_config

TEXTS = [text for text, _ in tiny.EXAMPLES]
SCORED = [*TEXTS, " ".join(TEXTS)]
Checkpoint = Callable[[str], Path]


def fill_mask_config(folder: Path, checkpoint: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_text("\n".join([*TEXTS, " ".join(TEXTS)]) + "\n")
    (folder / "test.txt").write_text("\n".join(f"well, {text}" for text in TEXTS) + "\n")
    config: dict[str, Any] = {
        "task": "fill-mask",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(folder / "train.txt"), "test": str(folder / "test.txt"), "mlm_probability": 0.3},
        "train": {
            "num_train_epochs": 3,
            "learning_rate": 5e-3,
            "per_device_train_batch_size": 4,
            "use_cpu": True,
            "eval_on_start": True,
        },
        "output_dir": str(folder / "run"),
    }
    for key, value in changes.items():
        section, _, name = key.partition(".")
        config[section] = {**config.get(section, {}), name: value} if name else value
    return config


@pytest.fixture(scope="module")
def finished(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("fill-mask")
    (folder / "validation.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in SCORED))
    config = fill_mask_config(folder, checkpoint("bert"))
    (folder / "train.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in [*TEXTS, "", *TEXTS]))
    config["data"] |= {
        **{name: str(folder / f"{name}.jsonl") for name in ("train", "validation")},
        "test": str(folder / "validation.jsonl"),
        "columns": {"text": "body"},
    }
    return ftkit.train(config)


def test_results_hold_loss_perplexity_and_hits(finished: Any) -> None:
    found = finished.metrics
    for prefix in ("eval", "test"):
        assert found[f"{prefix}_perplexity"] == pytest.approx(math.exp(found[f"{prefix}_loss"]))
        assert 0 <= found[f"{prefix}_accuracy"] <= found[f"{prefix}_top_5_accuracy"] <= 1
    assert found["eval_loss"] == found["test_loss"], "the same texts hide the same tokens"
    assert finished.primary_metric == "perplexity"
    assert found["proof"]["max_difference"] <= 1e-5
    report = (finished.output_dir / "report.html").read_text()
    assert "Hardest texts" in report
    assert "1 of 33 rows hold no text and are left out" in report
    assert not (finished.output_dir / "predictions").exists()


def test_training_lowers_the_loss(finished: Any) -> None:
    history = json.loads((finished.output_dir / "report.json").read_text())
    assert history["card"]["headline"].startswith("Perplexity")
    assert finished.metrics["test_perplexity"] < 120  # untrained 310, of 191 tokens


def test_scored_again_it_is_the_same_number(finished: Any, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"body": text}) + "\n" for text in SCORED))
    run = ftkit.load(finished.output_dir)
    one, two = (run.evaluate(str(rows)) for _ in range(2))
    assert one == two
    assert one["perplexity"] == pytest.approx(finished.metrics["test_perplexity"], rel=1e-5)


def test_plain_transformers_fills_as_ftkit_does(finished: Any) -> None:
    from transformers import pipeline

    text = "my [MASK] was lost"
    (found,) = ftkit.load(finished.output_dir).predict([text])
    theirs = pipeline("fill-mask", model=str(finished.output_dir))(text)
    assert [c["token"] for c in found["masks"][0]] == [their["token_str"] for their in theirs]
    assert found["prediction"] == text.replace("[MASK]", theirs[0]["token_str"])


def test_the_card_s_code_runs(finished: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(finished.output_dir.parent)
    card = (finished.output_dir / "README.md").read_text()
    code = card.partition("```python\n")[2].partition("```")[0]
    exec(compile(code, "card", "exec"), {})
    assert capsys.readouterr().out.startswith("[('")
    assert "finds hidden tokens" in card
    assert "30% of the tokens are hidden" in card


def test_a_classifier_starts_from_the_run(finished: Any, tmp_path: Path) -> None:
    config = run_config(tmp_path, finished.output_dir, **{"train.num_train_epochs": 1})
    classifier = ftkit.train(config)
    body = torch.nn.Module.state_dict(_model(finished.output_dir, "MaskedLM"))
    assert _model(classifier.output_dir, "SequenceClassification").state_dict().keys() > {
        name for name in body if name.startswith("bert.encoder")
    }


def _model(folder: Path, head: str) -> Any:
    import transformers

    return getattr(transformers, f"AutoModelFor{head}").from_pretrained(folder)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
def test_an_adapter_on_a_checkpoint_without_a_head_holds_the_head(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from peft import PeftModel

    config = fill_mask_config(tmp_path, checkpoint("electra"), tuner={"method": "lora", "rank": 4})
    config["train"] |= {"num_train_epochs": 1, "eval_on_start": False}
    config["data"]["max_length"] = 16
    run = ftkit.train(config)
    warnings = json.loads((run.output_dir / "report.json").read_text())["page"]["warnings"]
    assert any("holds no head" in text for text in warnings)
    model = PeftModel.from_pretrained(_model(checkpoint("electra"), "MaskedLM"), run.output_dir).eval()
    predictor = ftkit.load(run.output_dir)
    tokenizer = predictor.adapter.preprocessor.processor
    inputs = tokenizer("my [MASK] was lost", return_tensors="pt")
    with torch.inference_mode():
        scores = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id].softmax(-1).topk(5).values[0]
    (found,) = predictor.predict(["my [MASK] was lost"])
    assert [c["score"] for c in found["masks"][0]] == pytest.approx(scores.tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.mlm_probability": 1.5}, r"data.mlm_probability: expected a number below 1, got the number 1.5"),
        ({"data.mask_probability": 0.2}, r"data.mask_probability: .*Did you mean 'mlm_probability'"),
        ({"data.documents": "paragraph"}, r"data.documents: got the text 'paragraph', expected one of"),
        ({"data.columns": {"text": "body"}}, r"train.txt: there is no column 'body' \(data.columns.text\)"),
        ({"data.columns": {"label": "x"}}, r"no role 'label'"),
        ({"data.max_length": 2}, r"data.max_length: 2 tokens leave no room"),
        ({"metrics": ["hub:accuracy"]}, r"'hub:accuracy' cannot be computed"),
        ({"train.label_smoothing_factor": 0.1}, r"train.label_smoothing_factor: "),
        ({"tuner": {"method": "prefix"}}, r"it is the encoder itself that is to learn"),
    ],
)
def test_what_cannot_be_is_one_message(
    changes: dict[str, Any], message: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    from ftkit.config.run_config import load_config
    from ftkit.run import check

    with pytest.raises(UserError, match=message):
        check(load_config(fill_mask_config(tmp_path, checkpoint("bert"), **changes)))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "message"), [("gpt2", "does not work with"), ("t5", "does not work with")])
def test_other_families_are_refused(name: str, message: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(FtkitError, match=message):
        ftkit.train(fill_mask_config(tmp_path, checkpoint(name)))
