"""Plain PEFT adapters: predictions are those of peft."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ftkit
from ftkit.errors import CheckpointError, UserError
from plain import NAMES, TEXTS, saved
from untrusted import change_json

Checkpoint = Callable[[str], Path]


@pytest.fixture
def body(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """BERT's body with its pooler, as pretraining with next sentences leaves it."""
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.AutoModel.from_pretrained(checkpoint("bert")).save_pretrained(tmp_path / "body")
    transformers.AutoTokenizer.from_pretrained(checkpoint("bert")).save_pretrained(tmp_path / "body")
    return tmp_path / "body"


def peft_adapter(base: Path, folder: Path, *, task_type: Any = "SEQ_CLS", num_labels: int = 3, **options: Any) -> Any:
    """Writes an adapter as plain peft does, and returns its model."""
    import peft
    import transformers

    kinds = {"SEQ_CLS": "SequenceClassification", "TOKEN_CLS": "TokenClassification"}
    auto_class = getattr(transformers, f"AutoModelFor{kinds.get(task_type, 'SequenceClassification')}")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
        torch.manual_seed(2)
        model = auto_class.from_pretrained(base, num_labels=num_labels)
        config = peft.LoraConfig(task_type=task_type, **{"target_modules": ["query", "value"], **options})
        tuned = peft.get_peft_model(model, config)
        with torch.no_grad():
            for parameter in tuned.parameters():
                if parameter.requires_grad:
                    parameter += 0.2 * torch.randn_like(parameter)
    tuned.save_pretrained(folder)
    return tuned.eval()


def adapter_scores(tuned: Any, base: Path, text: str) -> list[float]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    with torch.inference_mode():
        return tuned(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1).tolist()


def test_a_peft_adapter_predicts_as_peft_does(body: Path, tmp_path: Path) -> None:
    """It brings neither a tokenizer nor the names of its labels."""
    tuned = peft_adapter(body, tmp_path / "adapter")
    found = ftkit.load(tmp_path / "adapter").predict(TEXTS[:6])
    for text, row in zip(TEXTS[:6], found, strict=True):
        assert list(row["scores"]) == ["LABEL_0", "LABEL_1", "LABEL_2"]
        assert list(row["scores"].values()) == pytest.approx(adapter_scores(tuned, body, text), abs=1e-5)


def test_a_peft_adapter_on_a_finetuned_base(checkpoint: Checkpoint, tmp_path: Path) -> None:
    base = saved("SequenceClassification", checkpoint("bert"), tmp_path / "base", NAMES)
    tuned = peft_adapter(base, tmp_path / "adapter", num_labels=4)
    row = ftkit.load(tmp_path / "adapter").predict(["rain today"])[0]
    assert tuple(row["scores"]) == NAMES
    assert list(row["scores"].values()) == pytest.approx(adapter_scores(tuned, base, "rain today"), abs=1e-5)


def test_a_base_beside_the_adapter_is_found(body: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(body, tmp_path / "base"))
    tuned = peft_adapter(base, tmp_path / "adapter")
    change_json(tmp_path / "adapter" / "adapter_config.json", {"base_model_name_or_path": "base"})
    row = ftkit.load(tmp_path / "adapter").predict(["rain"])[0]
    assert list(row["scores"].values()) == pytest.approx(adapter_scores(tuned, base, "rain"), abs=1e-5)


def test_an_adapter_without_its_head_is_refused(body: Path, tmp_path: Path) -> None:
    """Without a task type peft does not save the head, and each load would draw another."""
    peft_adapter(body, tmp_path / "adapter", task_type=None)
    with pytest.raises(
        CheckpointError, match=r"text-classification: 2 parameters, such as classifier\.bias, are in no"
    ):
        ftkit.load(tmp_path / "adapter", task="text-classification")


def test_an_adapter_on_a_body_without_its_pooler_is_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """peft saves the classifier, but the pooler beneath it was drawn at random and is in no file."""
    peft_adapter(checkpoint("bert"), tmp_path / "adapter")
    with pytest.raises(CheckpointError, match=r"2 parameters, such as bert\.pooler\.dense\.bias, are in no file"):
        ftkit.load(tmp_path / "adapter")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"base_model_name_or_path": None}, "names no base"),
        ({"peft_type": "XLORA"}, "ftkit reads no adapters of peft_type 'XLORA'"),
        ({"base_model_name_or_path": "/nowhere/base"}, "no folder '/nowhere/base'"),
    ],
)
def test_an_adapter_that_cannot_be_read(
    changed: dict[str, Any], message: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    peft_adapter(checkpoint("bert"), tmp_path / "adapter")
    change_json(tmp_path / "adapter" / "adapter_config.json", changed)
    with pytest.raises(UserError, match=message):
        ftkit.load(tmp_path / "adapter")


def test_int8_and_bf16_work_as_for_runs(body: Path, tmp_path: Path) -> None:
    peft_adapter(body, tmp_path / "adapter")
    exact = ftkit.load(tmp_path / "adapter").predict(TEXTS)
    for precision, tolerance in (("int8", 0.2), ("bf16", 0.2)):
        rounded = ftkit.load(tmp_path / "adapter", precision=precision).predict(TEXTS)
        differences = [
            abs(np.array(list(one["scores"].values())) - np.array(list(other["scores"].values()))).max()
            for one, other in zip(exact, rounded, strict=True)
        ]
        assert max(differences) < tolerance
