"""AdaLoRA: ranks are really taken away, the penalty is the paper's, and a resumed run goes on as before."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import cells
import tiny
from ftkit.adapters.rows import Batch
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.rank_allocation import RankAllocation
from ftkit.tuners.spec import TunerSpec
from ftkit.tuners.training_state import load_training_state, save_training_state

NUM_STEPS, RANK, INITIAL_RANK = 20, 2, 3
LAST = 14  # after the last ranks are taken away, 30 % of the steps are left


@pytest.fixture(scope="module")
def start(checkpoint: Callable[[str], Path]) -> tuple[Any, Batch]:
    """A model to be copied, and a batch with labels."""
    adapter = cells.make_adapter("text-classification", "bert", checkpoint)
    torch.manual_seed(0)
    built = adapter.objective.build()
    spec = TunerSpec(method="adalora", rank=RANK)
    tuned = apply_tuner(built.model, built.new_parameters, spec, peft_task="SEQ_CLS")
    encoded = adapter.preprocessor.encode(cells.make_split("text-classification").examples, targets=True)
    return tuned.eval(), tiny.batch_of(adapter, encoded)


class Training:
    """A loop that calls the callback as the trainer does."""

    def __init__(self, model: Any, batch: Batch, *, at: int = 0, optimizer: dict[str, Any] | None = None) -> None:
        self.model, self.batch = model, batch
        self.allocation = RankAllocation(model)
        self.state: Any = SimpleNamespace(max_steps=NUM_STEPS, global_step=at)
        self.optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=0.02)
        if optimizer is not None:
            self.optimizer.load_state_dict(optimizer)
        self.call("on_train_begin")

    def call(self, event: str) -> None:
        getattr(self.allocation, event)(None, self.state, None)

    def run(self, until: int) -> list[int]:
        """Returns the number of ranks after each step."""
        counts = []
        while self.state.global_step < until:
            outputs = self.model(**self.batch.inputs)
            torch.nn.functional.cross_entropy(outputs.logits, self.batch.labels).backward()
            self.call("on_pre_optimizer_step")
            self.optimizer.step()
            self.call("on_optimizer_step")
            self.optimizer.zero_grad()
            self.state.global_step += 1
            counts.append(num_ranks(self.model))
        return counts


def num_ranks(model: Any) -> int:
    return sum(int((tensor != 0).sum()) for name, tensor in model.named_parameters() if "lora_E" in name)


def tensors(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def test_ranks_are_taken_away_until_the_budget_is_met(start: tuple[Any, Batch]) -> None:
    model, batch = copy.deepcopy(start[0]), start[1]
    num_layers = len([name for name, _ in model.named_parameters() if "lora_E" in name])
    counts = Training(model, batch).run(NUM_STEPS)
    assert counts[:2] == [num_layers * INITIAL_RANK] * 2  # a tenth of the steps warms up
    assert counts[2] < counts[1]
    assert counts[:LAST] == sorted(counts[:LAST], reverse=True)
    assert set(counts[LAST - 1 :]) == {num_layers * RANK}
    per_layer = {int((tensor != 0).sum()) for name, tensor in model.named_parameters() if "lora_E" in name}
    assert len(per_layer) > 1, "ranks go where they matter: not equally many everywhere"


def test_the_saved_tensors_keep_their_shapes(start: tuple[Any, Batch]) -> None:
    model, batch = copy.deepcopy(start[0]), start[1]
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    Training(model, batch).run(NUM_STEPS)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == shapes
    assert model.active_peft_config.rank_pattern is None


def test_the_penalty_is_peft_s_own(start: tuple[Any, Batch]) -> None:
    """peft adds it to the loss that a model computes by itself; here it is added to the gradients."""
    theirs, ours = copy.deepcopy(start[0]), copy.deepcopy(start[0])
    batch = start[1]
    theirs(**batch.inputs, labels=batch.labels).loss.backward()
    torch.nn.functional.cross_entropy(ours(**batch.inputs).logits, batch.labels).backward()
    without = {name: tensor.grad.clone() for name, tensor in ours.named_parameters() if "lora_A" in name}
    RankAllocation(ours).on_pre_optimizer_step(None, None, None)  # type: ignore[arg-type]
    expected = dict(theirs.named_parameters())
    for name, tensor in ours.named_parameters():
        if tensor.requires_grad:
            torch.testing.assert_close(tensor.grad, expected[name].grad, rtol=1e-5, atol=1e-7)
        if name in without:
            assert not torch.allclose(tensor.grad, without[name])


@pytest.mark.parametrize("stop", [1, 6, LAST - 1, LAST, LAST + 2])
def test_a_run_goes_on_as_if_it_had_not_stopped(stop: int, start: tuple[Any, Batch], tmp_path: Path) -> None:
    whole, stopped, resumed = (copy.deepcopy(start[0]) for _ in range(3))
    Training(whole, start[1]).run(NUM_STEPS)

    first = Training(stopped, start[1])
    first.run(stop)
    save_training_state(stopped, tmp_path)
    resumed.load_state_dict(stopped.state_dict())
    load_training_state(resumed, tmp_path)
    Training(resumed, start[1], at=stop, optimizer=first.optimizer.state_dict()).run(NUM_STEPS)
    expected = tensors(whole)
    assert [name for name, tensor in tensors(resumed).items() if not torch.equal(tensor, expected[name])] == []


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4])
def test_runs_may_be_short(num_steps: int, start: tuple[Any, Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    model = copy.deepcopy(start[0])
    monkeypatch.setattr("test_rank_allocation.NUM_STEPS", num_steps)
    num_layers = len([name for name, _ in model.named_parameters() if "lora_E" in name])
    assert Training(model, start[1]).run(num_steps)[-1] <= num_layers * RANK
