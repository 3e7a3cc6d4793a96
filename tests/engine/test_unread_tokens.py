"""Tokens that no head reads are not computed, and nothing that is read changes by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
from ftkit.engine import training
from ftkit.engine.token_rows import unpadding
from ftkit.engine.unpadded import try_to_unpad
from ftkit.engine.unread_tokens import skip_unread_tokens
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec
from runs import run_config

LENGTHS = (3, 11, 3, 20, 1, 7)
SKIPPING = ("bert", "deberta-v2", "distilbert", "electra", "roberta", "xlm-roberta")
UNPADDED = ("bert", "distilbert", "electra", "roberta", "xlm-roberta")

Load = Callable[..., Any]


@pytest.fixture
def load(checkpoint: Callable[[str], Path]) -> Load:
    def load(model_type: str, head: str = "SequenceClassification") -> Any:
        import transformers

        torch.manual_seed(0)
        auto = getattr(transformers, f"AutoModelFor{head}")
        model = auto.from_pretrained(checkpoint(model_type), num_labels=3).eval()
        model.config.pad_token_id = model.config.pad_token_id or 0
        return model

    return load


def batch_of(model: Any) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, model.config.vocab_size, (len(LENGTHS), max(LENGTHS)), generator=generator)
    real = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    return {"input_ids": ids.where(real, torch.tensor(model.config.pad_token_id)), "attention_mask": real.long()}


def trained_on(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Returns logits, and the gradients of a loss that weighs each of them differently."""
    model.zero_grad()
    logits = model(**batch).logits
    (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return logits.detach(), gradients


def assert_same(one: tuple[torch.Tensor, dict[str, torch.Tensor]], other: Any) -> None:
    torch.testing.assert_close(one[0], other[0], atol=1e-5, rtol=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(other[1][name], gradient, atol=1e-5, rtol=1e-3, msg=name)


def watched(module: torch.nn.Module) -> list[torch.Size]:
    """The shapes of what a module is given from now on."""
    shapes: list[torch.Size] = []
    module.register_forward_pre_hook(lambda _, args: shapes.append(args[0].shape))
    return shapes


@pytest.mark.parametrize("model_type", SKIPPING)
def test_logits_and_gradients_are_the_same(model_type: str, load: Load) -> None:
    model = load(model_type)
    batch = batch_of(model)
    expected = trained_on(model, batch)
    assert skip_unread_tokens(model)
    assert_same(trained_on(model, batch), expected)


@pytest.mark.parametrize("model_type", UNPADDED)
def test_where_padding_is_left_out_as_well(model_type: str, load: Load) -> None:
    model = load(model_type)
    batch = batch_of(model)
    expected = trained_on(model, batch)
    assert try_to_unpad(model) is None
    assert skip_unread_tokens(model)
    with unpadding(LENGTHS) as rows:
        found = trained_on(model, batch)
    assert rows.num_tokens > sum(LENGTHS), "filled up"
    assert_same(found, expected)


def test_the_last_layer_is_given_one_token_of_each_text(load: Load) -> None:
    model = load("bert")
    try_to_unpad(model)
    skip_unread_tokens(model)
    layers = model.bert.encoder.layer
    first, last = watched(layers[0].intermediate), watched(layers[-1].intermediate)
    model(**batch_of(model))
    with unpadding(LENGTHS) as rows:
        model(**batch_of(model))
    width = model.config.hidden_size
    assert first == [(6, 20, width), (1, rows.num_tokens, width)]
    assert last == [(6, 1, width), (6, 1, width)]


@pytest.mark.parametrize(
    ("model_type", "head"),
    [
        ("albert", "SequenceClassification"),  # one layer, used again and again
        ("modernbert", "SequenceClassification"),
        ("gpt2", "SequenceClassification"),
        ("bert", "TokenClassification"),
    ],
)
def test_a_model_that_needs_all_tokens_is_left_as_it_was(model_type: str, head: str, load: Load) -> None:
    model = load(model_type, head)
    expected = model(**batch_of(model)).logits
    assert not skip_unread_tokens(model)
    assert torch.equal(model(**batch_of(model)).logits, expected)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_head_that_reads_all_tokens(load: Load) -> None:
    model = load("bert")
    model.bert.pooler.forward = lambda states: states.mean(dim=1)
    assert not skip_unread_tokens(model)


def test_a_head_that_tells_nothing_yet(load: Load) -> None:
    model = load("bert")
    torch.nn.init.zeros_(model.classifier.weight)
    assert not skip_unread_tokens(model)


def test_an_exported_graph_skips_them_too(load: Load) -> None:
    model = load("bert")
    assert skip_unread_tokens(model)
    graph = torch.export.export(model, (batch_of(model)["input_ids"],), strict=False).graph
    widths = [node.meta["val"].shape[1] for node in graph.nodes if "gelu" in str(node.target)]
    assert widths == [20] * (len(widths) - 1) + [1]


@pytest.mark.parametrize("method", ["lora", "bitfit", "layernorm", "ia3", "prompt", "prefix", "last-layers"])
def test_under_a_tuner(method: str, load: Load) -> None:
    logits = []
    for skips in (False, True):
        model = load("bert")
        if skips:
            assert skip_unread_tokens(model)
        torch.manual_seed(1)
        spec, head = TunerSpec(method=method), {"classifier.weight", "classifier.bias"}
        tuned = apply_tuner(model, head, spec, kind="text-classification", family="encoder").eval()
        logits.append(tuned(**batch_of(model)).logits)
    torch.testing.assert_close(logits[1], logits[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("method", "skips"), [("full", True), ("lora", True), ("head-only", False)])
def test_a_run_skips_them_but_for_frozen_states_and_predictions_always_do(
    method: str, skips: bool, checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def watched_last_layer(model: Any) -> list[torch.Size]:
        modules = dict(model.named_modules())
        return watched(modules[max(name for name in modules if name.endswith(".intermediate"))])

    in_training: list[torch.Size] = []

    def train(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        shapes = watched_last_layer(trainer.model)
        result = original(trainer, *args, **kwargs)
        in_training.extend(shapes)
        return result

    original = training.FtkitTrainer.train
    monkeypatch.setattr(training.FtkitTrainer, "train", train)
    overrides = {"train.num_train_epochs": 1, "tuner": {"method": method}, "train.unpad": False}
    run = ftkit.train(run_config(tmp_path, checkpoint("bert"), **overrides))
    assert in_training
    assert all(shape[1] == 1 for shape in in_training) == skips

    predictor = ftkit.load(run.output_dir)
    in_prediction = watched_last_layer(predictor.model)
    predictor.predict(["one", "and another text"])
    assert in_prediction
    assert all(shape[1] == 1 for shape in in_prediction)
