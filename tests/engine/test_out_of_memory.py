"""What memory is too small for is computed again in smaller parts, and nothing else changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

import tiny
from ftkit.adapters.rows import Batch
from ftkit.engine.batching import BatchLimits, StepSize
from ftkit.engine.evaluation import mean_loss
from ftkit.engine.out_of_memory import FittingSteps, computed_in_memory, obstacle
from ftkit.engine.pass_state import PassState, running_statistics
from ftkit.engine.predicting import predict_windows
from ftkit.engine.training_rows import PartsCollator
from ftkit.errors import OutOfMemory, RunError
from ftkit.types import LabelSpace
from tiny_training import TinyRuns, assert_same

LABELS = [label for _, label in tiny.EXAMPLES]
TEXTS = [f"{text} {text} {text}" if index % 4 == 0 else text for index, (text, _) in enumerate(tiny.EXAMPLES)]
# Batches of the first epoch have rows of 7 8 10 8, 11 7 23 8, 23 12 10 20, 8 11 9 17 positions, and of the second of
# 8 20 23 17, 23 10 7 8, 11 11 8 8, 7 12 10 9: with padding 40, 92, 92, 68 and 92, 92, 44, 48.
AT_ONCE = StepSize(rows=4, cost=None, max_cost_at_once=math.inf, part_cost=math.inf)
IN_PARTS = StepSize(rows=16, cost=None, max_cost_at_once=100, part_cost=5)
WHOLE = StepSize(rows=16, cost=None, max_cost_at_once=math.inf, part_cost=math.inf)

CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "1024 bytes. Error code 12 (Cannot allocate memory)"
)
GPU = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU_GAVE = r"\(can't allocate memory: you tried to allocate 1024 bytes\. Error code 12 \(Cannot allocate memory\)\)"

MakeTrainer = Callable[..., Any]


class SmallMemory(TrainerCallback):
    """Memory for so many positions at once, in the first layer of a model.

    Args:
        size: positions that fit.
        passes: "forward" or "backward": where more of them fail.
        first: passes before this one, counted from 0, may be of any size.
    """

    def __init__(self, size: int, passes: str = "forward", error: Exception = CPU, *, first: int = 0) -> None:
        self.size, self.passes, self.error, self.first = size, passes, error, first
        self.num_passes = self.num_failures = 0

    def attach(self, model: torch.nn.Module) -> None:
        layer: Any = next(module for name, module in model.named_modules() if name.endswith("layer.0"))
        if self.passes == "forward":
            layer.register_forward_pre_hook(lambda _, inputs: self._take(inputs[0]))
        else:
            layer.register_full_backward_hook(lambda _, inputs, outputs: self._take(outputs[0]))

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.attach(model)

    def _take(self, states_BTH: torch.Tensor) -> None:
        number, self.num_passes = self.num_passes, self.num_passes + 1
        if number >= self.first and states_BTH.shape[:2].numel() > self.size:
            self.num_failures += 1
            raise self.error


@pytest.fixture
def make_trainer(checkpoint: Callable[[str], Path], tmp_path: Path) -> MakeTrainer:
    """`make_trainer(memory)` trains a tiny bert on 16 texts, in steps of two times four, by plain gradient descent."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer
    from ftkit.engine.trainer_options import TrainerOptions
    from ftkit.engine.training_data import IndexedData

    def make(
        memory: SmallMemory | None = None, *, size: StepSize = AT_ONCE, dropout: float = 0.0, **settings: Any
    ) -> FtkitTrainer:
        folder = checkpoint("bert")
        if dropout:
            folder = tiny.make_checkpoint("bert", tmp_path / "dropout", dropout=dropout)
        adapter = tiny.make_adapter(folder, LabelSpace(tuple(sorted(set(LABELS)))))
        arguments: dict[str, Any] = {
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
            "use_cpu": True,
            "optim": "sgd",
            "learning_rate": 0.1,
            "gradient_accumulation_steps": 2,
            "max_steps": 4,
            "logging_steps": 1,
            "include_num_input_tokens_seen": "all",
        }
        torch.manual_seed(0)
        arguments_of_run = TrainingArguments(output_dir=str(tmp_path), **arguments | settings)
        rows_of_run = adapter.preprocessor.encode(tiny.make_split(TEXTS, LABELS).examples, targets=True)
        return FtkitTrainer(
            model=adapter.objective.build().model,
            args=arguments_of_run,
            adapter=adapter,
            train=IndexedData(
                rows_of_run,
                adapter,
                size,
                arguments_of_run,
                name_rows=lambda rows: [f"train.csv, line {row + 2}" for row in rows],
            ),
            options=TrainerOptions(save_total_limit=1),
            callbacks=[] if memory is None else [memory],
        )

    return make


def losses_of(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def assert_trained_alike(one: Any, other: Any) -> None:
    for name, weight in one.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], weight, atol=1e-6, rtol=0, msg=name)
    # Losses are logged with four digits.
    assert losses_of(other) == pytest.approx(losses_of(one), abs=1.1e-4)
    for count in ("global_step", "total_flos", "num_input_tokens_seen"):
        assert getattr(other.state, count) == getattr(one.state, count), count
    assert other.num_rows_trained() == one.num_rows_trained() == 32


# --- training ---


@pytest.mark.parametrize(
    ("memory", "limit", "num_failures"),
    [
        pytest.param(SmallMemory(80, "forward", CPU), 46, 1, id="forward-cpu"),
        pytest.param(SmallMemory(80, "backward", GPU), 46, 1, id="backward-gpu"),
        pytest.param(SmallMemory(80, "backward", MemoryError(), first=5), 46, 1, id="at-step-3"),
        pytest.param(SmallMemory(40, "backward", CPU, first=4), 23, 2, id="twice-in-a-row"),
    ],
)
def test_a_step_that_memory_is_too_small_for_is_the_same_in_smaller_parts(
    make_trainer: MakeTrainer, memory: SmallMemory, limit: int, num_failures: int
) -> None:
    untroubled, troubled = make_trainer(), make_trainer(memory)
    untroubled.train()
    troubled.train()
    assert memory.num_failures == num_failures
    assert untroubled.steps.limit is None
    assert troubled.steps.limit == limit
    assert_trained_alike(untroubled, troubled)


def test_gradients_of_a_failed_pass_do_not_stay(make_trainer: MakeTrainer) -> None:
    """A batch whose second part fails in its backward pass: the first, and half of the second, have been added."""
    found, memory = [], SmallMemory(60, "backward")
    for is_small in (False, True):
        trainer = make_trainer(size=IN_PARTS, gradient_accumulation_steps=1)
        if is_small:
            memory.attach(trainer.model)
        (batch,) = trainer.get_train_dataloader()
        assert [part.num_positions for part in batch["parts"]] == [48, 30, 36, 17, 69]
        loss = trainer.training_step(trainer.model, batch)
        found.append((loss, {name: value.grad for name, value in trainer.model.named_parameters()}))
        trainer.guard.watch_gradient(math.nan)  # it names the rows whose losses it has seen
        with pytest.raises(RunError, match=r"; train.csv, line \d+ and 8 more rows\)"):
            trainer.guard.on_pre_optimizer_step(trainer.args, trainer.state, trainer.control, model=trainer.model)
    assert memory.num_failures == 1
    (loss, gradients), (loss_again, gradients_again) = found
    torch.testing.assert_close(loss_again, loss, atol=1e-6, rtol=0)
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) > 1e-3
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_again[name], gradient, atol=1e-6, rtol=0, msg=name)


def test_dropout_is_drawn_as_if_parts_had_been_small_from_the_start(make_trainer: MakeTrainer) -> None:
    small = StepSize(rows=4, cost=None, max_cost_at_once=46, part_cost=math.inf)
    from_the_start = make_trainer(size=small, dropout=0.2)
    from_the_start.train()
    troubled = make_trainer(SmallMemory(80), dropout=0.2)  # made now: what is drawn begins anew
    troubled.train()
    assert troubled.steps.limit == 46
    for name, weight in from_the_start.model.state_dict().items():
        torch.testing.assert_close(troubled.model.state_dict()[name], weight, atol=0, rtol=0, msg=name)
    assert losses_of(troubled) == losses_of(from_the_start)


def test_a_row_that_does_not_fit_alone_is_named(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(SmallMemory(20))
    where = r"one row of 23 positions, train\.csv, line (2|14), in step 1 "
    with pytest.raises(OutOfMemory, match=where + CPU_GAVE) as told:
        trainer.train()
    assert "data.max_length" in str(told.value)
    assert "train.activation_checkpointing: true, a tuner with few weights" in str(told.value)


def test_the_halving_is_told_with_its_size(make_trainer: MakeTrainer, capsys: pytest.CaptureFixture[str]) -> None:
    make_trainer(SmallMemory(80), max_steps=1).train()
    told = " ".join(capsys.readouterr().err.split())
    assert "Memory is too small for 4 rows of 92 positions at once, in step 1." in told
    assert "in parts of at most 46 positions" in told


def test_where_a_step_cannot_be_computed_again_one_message_says_what_to_set() -> None:
    def compute(part: Batch, is_last: bool) -> torch.Tensor:
        raise GPU

    steps = FittingSteps(
        torch.nn.Linear(2, 2),
        lambda part, most: [part],
        lambda rows: 9,
        device=torch.device("cpu"),
        forget=lambda: None,
        obstacle=obstacle(SimpleNamespace(world_size=2)),  # type: ignore[arg-type]
    )
    batch = [Batch({"input_ids": torch.zeros(4, 9)}, row_indices=np.arange(4))]
    told = (
        r"4 rows of 36 positions at once, in step 8 \(CUDA out of .*several processes .* a lower train.max_tokens_per"
    )
    with pytest.raises(OutOfMemory, match=told):
        steps.loss(batch, compute, step=7)


def test_rows_that_are_compared_are_not_computed_apart() -> None:
    """With fewer of them at a time the loss would be another one."""
    reason = obstacle(SimpleNamespace(world_size=1), compares="micro-batch")  # type: ignore[arg-type]
    assert reason == "its rows are compared with one another, and with fewer of them the loss would be another one"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"world_size": 2}, "several processes"),
        ({"fsdp": ["full_shard"]}, "FSDP"),
        ({"optim": "galore_adamw_layerwise"}, "this optimizer"),
        ({}, None),
    ],
)
def test_what_keeps_a_step_from_being_computed_again(settings: dict[str, Any], reason: str | None) -> None:
    usual = {"world_size": 1, "fsdp": [], "deepspeed_plugin": None, "optim": "adamw_torch"}
    found = obstacle(SimpleNamespace(**usual | settings))  # type: ignore[arg-type]
    assert found is None if reason is None else reason in str(found)


def test_a_resumed_run_begins_with_the_smaller_parts(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = TinyRuns(checkpoint("bert"), tmp_path, monkeypatch)
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 4}
    whole = runs.train("whole", callbacks=[SmallMemory(20, first=5)], **settings)
    assert 0 < whole.metrics["max_positions_at_once"] <= 20
    runs.interrupt("parts", at=8, callbacks=[SmallMemory(20, first=5)], **settings)
    unlimited = SmallMemory(20)
    resumed = runs.train("parts", resume=True, callbacks=[unlimited], **settings)
    assert unlimited.num_failures == 0 < unlimited.num_passes
    assert resumed.metrics["max_positions_at_once"] == whole.metrics["max_positions_at_once"]
    assert_same(whole, resumed)


def test_statistics_over_batches_are_put_back() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout(0.5))
    state = PassState(running_statistics(model), torch.device("cpu"))
    first = model(torch.arange(8.0).view(4, 2))
    state.restore()
    assert model[1].num_batches_tracked == 0
    assert torch.equal(model(torch.arange(8.0).view(4, 2)), first)


# --- parts that are split ---


def test_rows_without_padding_are_taken_as_they_are() -> None:
    """What was changed in them at random must not be drawn again: no preprocessor is asked."""
    collator = PartsCollator(None, np.full(9, 5), AT_ONCE, seed=0)  # type: ignore[arg-type]
    part = Batch(
        inputs={"pixel_values": torch.arange(8.0).view(4, 2)},
        labels=[{"boxes": torch.tensor([row])} for row in range(4)],
        extras={"sizes": torch.arange(4)},
        row_indices=np.array([8, 2, 5, 0]),
        num_positions=20,
    )
    assert collator.split(part, None, epoch=0, most_positions=20) == [part]  # type: ignore[arg-type]
    found = collator.split(part, None, epoch=0, most_positions=10)  # type: ignore[arg-type]
    assert [one.row_indices.tolist() for one in found] == [[8, 2], [5, 0]]
    assert [one.num_positions for one in found] == [10, 10]
    assert found[1].inputs["pixel_values"].tolist() == [[4.0, 5.0], [6.0, 7.0]]
    assert found[1].labels == [{"boxes": torch.tensor([2])}, {"boxes": torch.tensor([3])}]
    assert found[1].extras["sizes"].tolist() == [2, 3]


def test_padded_rows_are_padded_to_the_longest_of_their_smaller_part(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(size=WHOLE, gradient_accumulation_steps=1)
    (batch,) = trainer.get_train_dataloader()
    (part,) = batch["parts"]
    found = trainer.data.collator.split(part, trainer.data.encoded, epoch=0, most_positions=46)
    for one in found:
        width = one.inputs["input_ids"].shape[1]
        assert width == max(one.lengths)
        assert len(one) == 1 or len(one) * width <= 46
    assert np.concatenate([one.row_indices for one in found]).tolist() == part.row_indices.tolist()
    assert torch.equal(torch.cat([one.labels for one in found]), part.labels)


# --- evaluation and prediction ---


def test_batches_are_halved_until_they_fit_and_later_ones_are_no_larger() -> None:
    costs, tried = np.array([5, 1, 4, 2, 3, 6]), []

    def compute(rows: np.ndarray) -> int:
        tried.append(rows.tolist())
        if len(rows) * costs[rows].max() > 10:
            raise GPU
        return int(costs[rows].sum())

    batches = [np.array([5, 0, 2]), np.array([1, 4, 3])]
    found = list(computed_in_memory(compute, batches, costs, torch.device("cpu")))
    assert sorted(row for rows, _ in found for row in rows.tolist()) == list(range(6))
    assert all(total == costs[rows].sum() for rows, total in found)
    # 18 positions fail; 10 are over the limit of 9 then, and not tried.
    assert tried == [[5, 0, 2], [5], [0], [2], [1, 4, 3]]


def test_one_row_that_cannot_be_predicted_is_told() -> None:
    def compute(rows: np.ndarray) -> None:
        raise CPU

    with pytest.raises(OutOfMemory, match=rf"one row of 7 positions {CPU_GAVE}.*data.max_length"):
        list(computed_in_memory(compute, [np.array([2])], np.array([1, 1, 7]), torch.device("cpu")))


def test_predictions_and_losses_are_the_same_and_in_order(checkpoint: Callable[[str], Path]) -> None:
    adapter = tiny.make_adapter(checkpoint("bert"), LabelSpace(tuple(sorted(set(LABELS)))))
    rows = adapter.preprocessor.encode(tiny.make_split(TEXTS, LABELS).examples, targets=True)
    model = adapter.objective.build().model.eval()
    limits = BatchLimits(math.inf, 200)

    def outcome() -> tuple[Any, float]:
        ((_, _, arrays),) = predict_windows(model, adapter, rows, limits)
        return arrays, mean_loss(model, adapter, rows, limits)

    expected, expected_loss = outcome()
    memory = SmallMemory(60)
    memory.attach(model)
    found, found_loss = outcome()
    assert memory.num_failures > 1
    assert found_loss == pytest.approx(expected_loss, abs=1e-6)
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-6)
    assert found["predictions"].tolist() == expected["predictions"].tolist()
