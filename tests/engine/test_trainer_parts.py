"""A batch that is computed in parts trains, and is counted, as one that is computed at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from ftkit.engine.batching import StepSize
from ftkit.types import LabelSpace

LABELS = [label for _, label in tiny.EXAMPLES]
TEXTS = [f"{text} {text} {text}" if index % 4 == 0 else text for index, (text, _) in enumerate(tiny.EXAMPLES)]
IN_PARTS = StepSize(rows=16, cost=None, max_cost_at_once=100, part_cost=5)
AT_ONCE = StepSize(rows=16, cost=None, max_cost_at_once=math.inf, part_cost=math.inf)

MakeTrainer = Callable[..., Any]


@pytest.fixture
def make_trainer(checkpoint: Callable[[str], Path], tmp_path: Path) -> MakeTrainer:
    """`make_trainer(size, max_steps=2)` is a trainer of a tiny bert without dropout on 16 texts."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer
    from ftkit.engine.trainer_options import TrainerOptions
    from ftkit.engine.training_data import IndexedData

    def make(size: StepSize, **settings: Any) -> FtkitTrainer:
        adapter = tiny.make_adapter(checkpoint("bert"), LabelSpace(tuple(sorted(set(LABELS)))))
        arguments: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "use_cpu": True}
        torch.manual_seed(0)
        arguments_of_run = TrainingArguments(output_dir=str(tmp_path), **arguments, **settings)
        rows_of_run = adapter.preprocessor.encode(tiny.make_split(TEXTS, LABELS).examples, targets=True)
        return FtkitTrainer(
            model=adapter.objective.build().model,
            args=arguments_of_run,
            adapter=adapter,
            train=IndexedData(rows_of_run, adapter, size, arguments_of_run),
            options=TrainerOptions(save_total_limit=1),
        )

    return make


def only_batch(trainer: Any) -> dict[str, Any]:
    (batch,) = trainer.get_train_dataloader()
    return batch


def real_tokens(trainer: Any) -> int:
    return int(trainer.data.encoded.costs.sum())


def padded_tokens(batch: dict[str, Any]) -> int:
    return sum(part.inputs["input_ids"].numel() for part in batch["parts"])


def test_a_step_in_parts_has_the_loss_and_the_gradients_of_the_same_rows_at_once(make_trainer: MakeTrainer) -> None:
    found = []
    for size, several in ((AT_ONCE, False), (IN_PARTS, True)):
        trainer = make_trainer(size)
        batch = only_batch(trainer)
        assert (len(batch["parts"]) > 2) == several
        assert sum(len(part.labels) for part in batch["parts"]) == len(TEXTS)
        loss = trainer.training_step(trainer.model, batch)
        found.append((loss, {name: value.grad for name, value in trainer.model.named_parameters()}))
    (loss, gradients), (loss_in_parts, gradients_in_parts) = found
    torch.testing.assert_close(loss_in_parts, loss, atol=1e-6, rtol=0)
    assert max(float(gradient.abs().max()) for gradient in gradients.values()) > 1e-3
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_in_parts[name], gradient, atol=1e-6, rtol=0, msg=name)


def test_micro_batches_without_a_row_of_their_own_add_nothing(make_trainer: MakeTrainer) -> None:
    """Sixteen rows in twenty micro-batches: four compute a row once more, as a rank does that others wait for."""
    found = []
    for size, count in ((AT_ONCE, 1), (StepSize(rows=1, cost=None, max_cost_at_once=math.inf), 20)):
        trainer = make_trainer(size, gradient_accumulation_steps=count)
        batches = list(trainer.get_train_dataloader())
        assert sum(not batch["counts"] for batch in batches) == (4 if count == 20 else 0)
        losses = [trainer.training_step(trainer.model, batch) for batch in batches]
        assert trainer.num_rows_of_rank == len(TEXTS)
        found.append((sum(losses), {name: value.grad for name, value in trainer.model.named_parameters()}))
    (loss, gradients), (loss_of_all, gradients_of_all) = found
    torch.testing.assert_close(loss_of_all, loss, atol=1e-6, rtol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradients_of_all[name], gradient, atol=1e-6, rtol=0, msg=name)


def test_operations_are_those_of_all_parts(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(IN_PARTS)
    batch = only_batch(trainer)
    weights = trainer.model.num_parameters(exclude_embeddings=True)
    assert trainer.floating_point_ops(batch) == 6 * weights * padded_tokens(batch)


def test_tokens_seen_are_those_of_all_parts(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(IN_PARTS, max_steps=2, include_num_input_tokens_seen="non_padding")
    trainer.train()
    assert trainer.state.num_input_tokens_seen == 2 * real_tokens(trainer)


def test_ranks_count_tokens_once_a_batch(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks wait for one another when they count, and the batches of two ranks differ in the number of their parts."""
    trainer = make_trainer(IN_PARTS, max_steps=1, include_num_input_tokens_seen="all")
    counted = []
    reduce = trainer.accelerator.reduce

    def count(tensor: torch.Tensor, reduction: str = "sum") -> Any:
        if not tensor.is_floating_point():
            counted.append(int(tensor))
        return reduce(tensor, reduction)

    monkeypatch.setattr(trainer.accelerator, "reduce", count)
    trainer.train()
    num_tokens = padded_tokens(only_batch(trainer))
    assert trainer.state.num_input_tokens_seen == num_tokens
    assert counted.count(num_tokens) == 1, "and operations are counted besides, once at the end"
    assert len(counted) == 2


# Newer Pythons warn of any fork beside threads, which is what torch's loader does by default.
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_worker_processes_make_the_same_batches(make_trainer: MakeTrainer) -> None:
    size = StepSize(rows=8, cost=None, max_cost_at_once=100, part_cost=5)
    losses = []
    for num_workers in (0, 1):
        trainer = make_trainer(size, max_steps=4, dataloader_num_workers=num_workers)
        losses.append(trainer.train().training_loss)
        assert trainer.num_rows_trained() == 4 * 8
    assert losses[0] == losses[1]


def test_a_training_step_that_is_not_finite_in_one_part_is_noticed(make_trainer: MakeTrainer) -> None:
    from ftkit.errors import RunError

    trainer = make_trainer(IN_PARTS)
    batch = only_batch(trainer)
    embeddings = trainer.model.get_input_embeddings()
    with torch.no_grad():
        only_there = set(batch["parts"][0].inputs["input_ids"].flatten().tolist())
        for part in batch["parts"][1:]:
            only_there -= set(part.inputs["input_ids"].flatten().tolist())
        embeddings.weight[only_there.pop()] = math.nan
    with pytest.raises(RunError, match="The loss of step 1 became NaN or infinite, in row"):
        trainer.train()
