"""Runs with `train.unpad: true`: the same results, proven with padding."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerControl, TrainerState, TrainingArguments

import ftkit
import tiny
from ftkit.engine.batching import StepSize
from ftkit.engine.guards import FiniteGuard
from ftkit.errors import ConfigError, RunError
from ftkit.speedups.token_rows import TokenMask
from ftkit.speedups.unpad import ATTENTION, leaves_padding_out, try_to_unpad, unpad
from ftkit.speedups.unpadded_attention import attend
from ftkit.types import LabelSpace
from runs import TEXTS, run_config, translation_config

Checkpoint = Callable[[str], Path]


def predictions(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions" / "test.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The same run with padding and without."""
    folder = tmp_path_factory.mktemp("unpadded")
    settings: list[dict[str, Any]] = [{"train.unpad": False}, {"train.unpad": True}]
    padded, unpadded = (
        ftkit.train(run_config(folder / str(index), checkpoint("bert"), **{"train.num_train_epochs": 2}, **setting))
        for index, setting in enumerate(settings)
    )
    return padded, unpadded


def test_a_run_scores_as_with_padding(finished: tuple[Any, Any]) -> None:
    padded, unpadded = finished
    for key in ("train_loss", "eval_loss", "test_loss"):
        assert unpadded.metrics[key] == pytest.approx(padded.metrics[key], abs=2e-4)
    assert unpadded.metrics["test_accuracy"] == padded.metrics["test_accuracy"]
    assert padded.metrics["padding_share"] > 0
    assert unpadded.metrics["padding_share"] == 0
    for one, other in zip(*(predictions(run.output_dir) for run in finished), strict=True):
        assert one["id"] == other["id"]
        assert other["scores"] == pytest.approx(one["scores"], abs=1e-3)


def test_it_is_proven_with_padding_and_predicts_without(finished: tuple[Any, Any]) -> None:
    run = finished[1]
    assert run.metrics["proof"]["max_difference"] <= run.metrics["proof"]["tolerance"]
    assert "unpad: true" in (run.output_dir / "ftkit.yaml").read_text()
    predictor = ftkit.load(run.output_dir)
    expected = predictor.predict([text for text, _ in TEXTS[24:]])
    assert predictor.model.config._attn_implementation == "ftkit_unpadded"
    for one, other in zip(predictions(run.output_dir), expected, strict=True):
        assert other["scores"] == pytest.approx(one["scores"], abs=1e-5)


@pytest.fixture
def short_sighted(checkpoint: Checkpoint) -> Iterator[None]:
    """Attention without padding that sees 7 tokens to either side; the trial does not tell, as its rows are short."""
    from transformers import AttentionInterface

    def attend_nearby(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> Any:
        if isinstance(attention_mask, TokenMask) and attention_mask.rows.shape[1] > 7:
            attention_mask = TokenMask(attention_mask.rows, left=7, right=7)
        return attend(module, query, key, value, attention_mask, **options)

    unpad(tiny.make_adapter(checkpoint("bert"), LabelSpace(("a", "b"))).objective.build().model)  # registers its own
    AttentionInterface.register(ATTENTION, attend_nearby)
    yield
    AttentionInterface.register(ATTENTION, attend)


@pytest.mark.usefixtures("short_sighted")
def test_the_proof_would_notice_a_difference(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="The proof failed"):
        ftkit.train(run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1, "train.unpad": True}))


def test_a_tuned_decoder_with_activation_checkpointing_trains(checkpoint: Checkpoint, tmp_path: Path) -> None:
    settings = {"train.num_train_epochs": 1, "train.unpad": True, "train.activation_checkpointing": True}
    result = ftkit.train(run_config(tmp_path, checkpoint("llama"), tuner={"method": "lora", "rank": 2}, **settings))
    assert result.metrics["proof"]["same_predictions"]


def test_layers_that_are_frozen_are_computed_with_padding_and_kept(checkpoint: Checkpoint, tmp_path: Path) -> None:
    losses = []
    for index, is_left_out in enumerate((False, True)):
        config = run_config(
            tmp_path / str(index),
            checkpoint("bert"),
            tuner={"method": "last-layers", "num_layers": 1},
            **{"train.num_train_epochs": 2, "train.unpad": is_left_out},
        )
        metrics = ftkit.train(config).metrics
        losses.append(metrics["train_loss"])
        assert metrics["frozen_prefix_cache"]["hit_share"] == 0.5
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)


def test_translation_by_a_decoder_is_scored_alike(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Its training leaves padding out; the texts it writes are written as ever."""
    (tmp_path / "train.en").write_text("".join(f"{text}\n" for text, _ in TEXTS[:16]))
    (tmp_path / "train.de").write_text("".join(f"{text} {text}\n" for text, _ in TEXTS[:16]))
    results = []
    for is_left_out in (False, True):
        data = {"train": {"source": str(tmp_path / "train.en"), "target": str(tmp_path / "train.de")}}
        config = {
            "task": "translation",
            "model": {"checkpoint": str(checkpoint("qwen2"))},
            "data": {**data, "validation": 0.25, "prompt_template": "{source} =>"},
            "train": {"num_train_epochs": 1, "use_cpu": True, "unpad": is_left_out},
            "generation": {"max_new_tokens": 5},
            "output_dir": str(tmp_path / f"run{is_left_out}"),
        }
        results.append(ftkit.train(config).metrics)
    for key in ("train_loss", "eval_loss", "eval_bleu"):
        assert results[1][key] == pytest.approx(results[0][key], abs=1e-4)


# --- auto, the default ---


@pytest.mark.parametrize(
    ("model_type", "settings", "is_left_out"),
    [
        ("bert", {}, True),
        ("llama", {"tuner": {"method": "lora", "rank": 2}}, True),
        ("deberta-v2", {}, False),
        ("t5", {}, False),
        ("bert", {"tuner": {"method": "prompt"}}, False),
        ("bert", {"train.unpad": False}, False),
    ],
)
def test_on_a_cpu_padding_is_left_out_where_it_can_be(
    checkpoint: Checkpoint, tmp_path: Path, model_type: str, settings: dict[str, Any], is_left_out: bool
) -> None:
    settings = {"train.num_train_epochs": 1, **settings}
    run = ftkit.train(run_config(tmp_path, checkpoint(model_type), **settings))
    assert (run.metrics["padding_share"] == 0) == is_left_out
    assert run.metrics["proof"]["same_predictions"]
    predictor = ftkit.load(run.output_dir)
    assert predictor.model.config._attn_implementation != "ftkit_unpadded", "predictions are computed as ever"
    expected = predictor.predict([text for text, _ in TEXTS[24:]])
    for one, other in zip(predictions(run.output_dir), expected, strict=True):
        assert other["scores"] == pytest.approx(one["scores"], abs=1e-5)


@pytest.mark.parametrize("skips", [True, False])
def test_of_what_writes_texts_padding_is_left_out_with_its_logits(
    skips: bool, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """An output for every token of the vocabulary, computed with padding, would cost what the layers save."""
    settings = {"train.num_train_epochs": 1, "train.skip_unread_logits": skips}
    run = ftkit.train(
        translation_config(tmp_path, checkpoint("qwen2"), **{**settings, "data.prompt_template": "{source} =>"})
    )
    assert (run.metrics["padding_share"] == 0) == skips


class Mixing(torch.nn.Module):
    """Adds each token's neighbour, as a convolution along the tokens would."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, states_BTH: torch.Tensor) -> torch.Tensor:
        return self.inner(states_BTH + states_BTH.roll(1, dims=1))


@pytest.mark.parametrize("model_type", ["deberta-v2", "t5", "bert"])
def test_a_model_that_cannot_be_unpadded_is_left_as_it_was(checkpoint: Checkpoint, model_type: str) -> None:
    model: Any = tiny.make_adapter(checkpoint(model_type), LabelSpace(("a", "b"))).objective.build().model
    if model_type == "bert":
        layer = model.bert.encoder.layer[0]
        layer.intermediate = Mixing(layer.intermediate)
    before = model.config._attn_implementation
    assert try_to_unpad(model) is not None
    assert not leaves_padding_out(model)
    assert model.config._attn_implementation == before
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# --- refusals, before anything is written ---


@pytest.mark.parametrize(
    ("model_type", "settings", "message"),
    [
        ("deberta-v2", {}, "train.unpad: padding cannot be left out of a 'deberta-v2' model"),
        ("bert", {"tuner": {"method": "prompt"}}, "train.unpad: prompt puts virtual tokens before each text"),
        ("bert", {"train.torch_compile": True}, "train.unpad: the number of tokens differs from batch to batch"),
    ],
)
def test_what_cannot_be_is_refused(
    checkpoint: Checkpoint, tmp_path: Path, model_type: str, settings: dict[str, Any], message: str
) -> None:
    config = run_config(tmp_path, checkpoint(model_type), **{"train.unpad": True}, **settings)
    with pytest.raises(ConfigError, match=message):
        ftkit.train(config)
    assert not (tmp_path / "run").exists()


# --- nothing waits for the device ---


class Waits(TorchDispatchMode):
    """Counts what makes the host wait for a device: reading a number, and shapes that depend on numbers."""

    NAMES = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.name().partition(".")[0] in self.NAMES:
            self.found[func.name()] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def make_trainer(checkpoint: Checkpoint, tmp_path: Path) -> Callable[..., Any]:
    """`make_trainer("bert", max_steps=2)` trains a model that leaves padding out, in batches of 4."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer
    from ftkit.engine.trainer_options import TrainerOptions
    from ftkit.engine.training_data import IndexedData

    def make(model_type: str, *, is_ready: bool = True, **settings: Any) -> FtkitTrainer:
        labels = [label for _, label in tiny.EXAMPLES]
        split = tiny.make_split([text for text, _ in tiny.EXAMPLES], labels)
        adapter = tiny.make_adapter(checkpoint(model_type), LabelSpace(tuple(sorted(set(labels)))))
        model = adapter.objective.build().model
        if is_ready:
            unpad(model)
        arguments: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no"}
        arguments |= {"logging_steps": 1000, "logging_nan_inf_filter": False, **settings}
        arguments_of_run = TrainingArguments(output_dir=str(tmp_path), **arguments)
        rows_of_run = adapter.preprocessor.encode(split.examples, targets=True)
        return FtkitTrainer(
            model=model,
            args=arguments_of_run,
            adapter=adapter,
            train=IndexedData(
                rows_of_run,
                adapter,
                StepSize(rows=4, cost=None, max_cost_at_once=math.inf, part_cost=math.inf),
                arguments_of_run,
            ),
            options=TrainerOptions(save_total_limit=1),
        )

    return make


def waits_of(trainer: Any) -> Counter[str]:
    trainer.guard.looks_before_steps = False  # as on a GPU
    with Waits() as waits:
        trainer.train()
    return waits.found


@pytest.mark.parametrize("model_type", ["bert", "llama", "modernbert"])
def test_a_step_reads_nothing_from_the_device(make_trainer: Callable[..., Any], model_type: str) -> None:
    few, many = (waits_of(make_trainer(model_type, max_steps=steps, use_cpu=True)) for steps in (2, 4))
    assert many == few


def test_with_padding_transformers_waits_once_a_forward_pass(make_trainer: Callable[..., Any]) -> None:
    """It looks whether there is any; shows that waiting would be seen."""
    few, many = (waits_of(make_trainer("bert", is_ready=False, max_steps=steps, use_cpu=True)) for steps in (2, 4))
    assert (many - few).total() == 2


def test_the_guard_reads_a_loss_only_when_it_is_asked() -> None:
    guard, arguments = FiniteGuard(looks_before_steps=False), TrainingArguments(use_cpu=True)
    with Waits() as waits:
        for step in range(3):
            guard.watch_losses(torch.ones(4), np.arange(4))
            guard.on_pre_optimizer_step(arguments, TrainerState(global_step=step), TrainerControl())
    assert not waits.found
    with Waits() as waits:
        guard.check()
    assert waits.found.total() == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_on_a_gpu_does_not_wait_for_it(make_trainer: Callable[..., Any]) -> None:
    trainer = make_trainer("bert", max_steps=4, bf16=True)
    trainer.train()
    batches = list(trainer.get_train_dataloader())
    torch.cuda.set_sync_debug_mode("error")  # whatever waits raises
    try:
        losses = [trainer.training_step(trainer.model_wrapped, batch) for batch in batches]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert losses
    assert torch.stack(losses).isfinite().all()
