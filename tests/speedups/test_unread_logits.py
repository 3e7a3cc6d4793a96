"""A head that computes the logits that the loss reads, and no others: the same loss, the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

import cells
import tiny
from ftkit.adapters.rows import Batch
from ftkit.config.train import TrainSpec
from ftkit.engine.current_batch import computing
from ftkit.speedups import unread_logits
from ftkit.speedups.speedup import Workload
from ftkit.speedups.table import Speedups
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec

CELLS = [
    *(("fill-mask", name) for name in ("bert", "roberta", "albert", "distilbert", "modernbert", "deberta-v2")),
    *(("text-generation", name) for name in ("gpt2", "llama", "qwen2")),
    *(("translation", name) for name in ("llama", "marian", "t5", "mbart", "bert2gpt")),
]
Made = tuple[Workload, Batch]


@pytest.fixture
def made(checkpoint: Callable[[str], Path], tmp_path: Path) -> Callable[..., Made]:
    """`made("fill-mask", "bert")` is a workload, its model tuned, and a batch of its rows."""

    def make(kind: str, name: str, *, train: TrainSpec | None = None, **tuner: Any) -> Made:
        adapter = cells.make_adapter(kind, name, checkpoint)
        torch.manual_seed(0)
        loaded = adapter.objective.build()
        spec = TunerSpec(**tuner)
        model = apply_tuner(loaded.model, loaded.new_parameters, spec, peft_task=cells.peft_task(kind, adapter)).eval()
        rows = adapter.preprocessor.encode(cells.make_split(kind).examples, targets=True)
        arguments = TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
        workload = Workload(
            train=train or TrainSpec(), tuner=spec, arguments=arguments, adapter=adapter, model=model, rows=rows
        )
        return workload, tiny.batch_of(adapter, rows)

    return make


def computed(workload: Workload, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Returns the logits of a batch, the loss of its rows and the gradients of all weights that have one."""
    model = workload.model
    model.zero_grad()
    with computing(batch):
        outputs = model(**batch.inputs)
    losses = workload.adapter.objective.loss(outputs, batch)
    losses.sum().backward()
    return outputs.logits, losses.detach(), [one.grad for one in model.parameters() if one.grad is not None]


@pytest.mark.parametrize(("kind", "name"), CELLS)
def test_losses_and_gradients_are_those_of_all_logits(kind: str, name: str, made: Callable[..., Made]) -> None:
    workload, batch = made(kind, name)
    everywhere, expected, expected_gradients = computed(workload, batch)
    assert unread_logits.SPEEDUP.applies(workload)
    assert unread_logits.apply(workload) is not None
    logits, losses, gradients = computed(workload, batch)
    read = workload.adapter.objective.read_positions(batch)
    assert read is not None
    assert 0 < read.sum() < read.numel()
    assert logits.shape == (1, int(read.sum()), everywhere.shape[2])
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-6)


def test_a_run_s_table_attaches_it(made: Callable[..., Made]) -> None:
    workload, batch = made("fill-mask", "bert")
    given = (workload.train, workload.tuner, workload.arguments, workload.adapter, workload.rows)
    Speedups(*given).attach("tuned", workload.model)
    logits, _, _ = computed(workload, batch)
    assert logits.shape[0] == 1 < len(batch)


def test_a_head_with_an_adapter_of_its_own(made: Callable[..., Made]) -> None:
    workload, batch = made("text-generation", "llama", method="lora", target_modules=["q_proj", "lm_head"])
    _, expected, expected_gradients = computed(workload, batch)
    assert unread_logits.apply(workload) is not None
    logits, losses, gradients = computed(workload, batch)
    assert logits.shape[0] == 1
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-4, atol=1e-6)


def test_what_bears_no_loss_has_all_logits(made: Callable[..., Made]) -> None:
    workload, batch = made("text-generation", "llama")
    expected = workload.model(**batch.inputs).logits
    assert unread_logits.apply(workload) is not None
    torch.testing.assert_close(workload.model(**batch.inputs).logits, expected)
    with computing(Batch(batch.inputs)):
        torch.testing.assert_close(workload.model(**batch.inputs).logits, expected)


def test_a_batch_in_which_nothing_is_learnt_has_a_loss_of_zero(made: Callable[..., Made]) -> None:
    workload, batch = made("text-generation", "llama")
    assert unread_logits.apply(workload) is not None
    batch.labels.fill_(-100)
    logits, losses, gradients = computed(workload, batch)
    assert logits.shape[1] == 0
    assert losses.tolist() == [0.0] * len(batch)
    assert all(not gradient.any() for gradient in gradients)


def test_a_model_that_mixes_its_logits_computes_all_of_them(
    made: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    workload, batch = made("text-generation", "llama")
    head = workload.model.get_output_embeddings()
    head.register_forward_hook(lambda module, args, output: output - output.mean(dim=1, keepdim=True))
    expected = workload.model(**batch.inputs).logits
    assert unread_logits.apply(workload) is None
    with computing(batch):
        torch.testing.assert_close(workload.model(**batch.inputs).logits, expected)


@pytest.mark.parametrize("changed", [{"skip_unread_logits": False}, {"torch_compile": True}])
def test_it_can_be_switched_off(changed: dict[str, Any], made: Callable[..., Made]) -> None:
    workload, _ = made("text-generation", "gpt2", train=TrainSpec.model_validate(changed))
    assert not unread_logits.SPEEDUP.applies(workload)


def test_a_model_without_a_vocabulary_is_left_as_it_is(made: Callable[..., Made]) -> None:
    workload, _ = made("text-classification", "bert")
    assert unread_logits.apply(workload) is None
