"""Which modules are trained whole: the largest that hold nothing but new parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

import cells
from ftkit.tuners.heads import names_for_peft, new_modules


class Mixed(nn.Module):
    """A new parameter beside a module that the checkpoint provides."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(nn.Linear(2, 2).bias.detach())
        self.decoder = nn.Linear(2, 2)


class Nested(nn.Module):
    """A head in a head, as DPT's, and one in a list beside another, as LW-DETR's."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.ModuleDict({"head": nn.Sequential(nn.Linear(2, 2))})
        self.box = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.first_box = nn.ModuleList([nn.Linear(2, 2)])


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"layer": nn.Linear(2, 2), "pooler": nn.Linear(2, 2)})
        self.classifier = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        self.pre_classifier = nn.Linear(2, 2)
        self.predictions = Mixed()
        self.tied = nn.Linear(2, 2, bias=False)
        self.tied.weight = self.pre_classifier.weight


CLASSIFIER = [f"classifier.{part}" for part in ("0.weight", "0.bias", "2.weight", "2.bias")]


@pytest.mark.parametrize(
    ("new", "modules"),
    [
        ([], []),
        (CLASSIFIER, ["classifier"]),
        (CLASSIFIER[:2], ["classifier.0"]),
        (["body.pooler.weight", "body.pooler.bias", *CLASSIFIER], ["body.pooler", "classifier"]),
        (["body.pooler.bias"], ["body.pooler"]),  # its weight is there, but peft saves whole modules
        (["predictions.bias"], ["predictions"]),
        (["predictions.decoder.weight", "predictions.decoder.bias"], ["predictions.decoder"]),
        (["tied.weight"], ["tied"]),
    ],
)
def test_the_largest_modules_of_new_parameters(new: list[str], modules: list[str]) -> None:
    assert new_modules(Model(), new) == modules


def test_peft_finds_no_more_than_is_named() -> None:
    """It looks for modules whose names end with one that it is given."""
    assert names_for_peft(Model(), ["classifier"], None) == ["classifier", "pre_classifier"]
    assert names_for_peft(Model(), ["predictions.decoder"], None) == ["predictions.decoder"]
    assert names_for_peft(Nested(), ["head"], None) == ["head.head"]
    assert names_for_peft(Nested(), ["box"], None) == ["box.0", "first_box.0"]


def test_what_peft_takes_by_itself_is_named() -> None:
    assert names_for_peft(Model(), ["classifier.0"], None) == ["classifier.0"]
    assert names_for_peft(Model(), ["classifier.0", "tied"], "SEQ_CLS") == ["classifier", "pre_classifier", "tied"]
    assert names_for_peft(Model(), [], "TOKEN_CLS") == ["classifier", "pre_classifier"]
    assert names_for_peft(Model(), ["tied"], "QUESTION_ANS") == ["tied"]


@pytest.mark.parametrize(
    ("kind", "name", "modules"),
    [
        ("text-classification", "bert", ["bert.pooler", "classifier"]),
        ("text-classification", "distilbert", ["pre_classifier", "classifier"]),
        ("text-classification", "deberta-v2", ["pooler", "classifier"]),
        ("text-classification", "gpt2", ["score"]),
        ("text-classification", "t5", ["classification_head"]),
        ("token-classification", "t5", ["classifier"]),
        ("translation", "marian", []),
        ("translation", "bert2bert", [f"decoder.bert.encoder.layer.{layer}.crossattention" for layer in (0, 1)]),
        (
            "translation",
            "bert2gpt",
            [
                f"decoder.transformer.h.{layer}.{part}"
                for layer in (0, 1)
                for part in ("crossattention", "ln_cross_attn")
            ],
        ),
    ],
)
def test_heads_of_real_models(kind: str, name: str, modules: list[str], checkpoint: Callable[[str], Path]) -> None:
    built = cells.make_adapter(kind, name, checkpoint).objective.build()
    assert new_modules(built.model, built.new_parameters) == modules
