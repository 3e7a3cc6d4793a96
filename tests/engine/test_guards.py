"""No step is taken on a loss or a gradient that is not a number; the rows are named."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

import tiny
from ftkit.engine.batching import StepSize
from ftkit.errors import RunError
from ftkit.types import LabelSpace

LABELS = [label for _, label in tiny.EXAMPLES]
TEXTS = [text for text, _ in tiny.EXAMPLES]
SIZE = StepSize(rows=4, cost=None, max_cost_at_once=1000)

MakeTrainer = Callable[..., Any]


class Recorder(TrainerCallback):
    """Keeps the weights after each step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.weights.append(copy.deepcopy(model.state_dict()))


@pytest.fixture
def make_trainer(checkpoint: Callable[[str], Path], tmp_path: Path) -> MakeTrainer:
    """`make_trainer(damaged_rows={3})` trains a tiny bert whose loss, or gradient, of those rows is damaged."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer
    from ftkit.engine.trainer_options import TrainerOptions
    from ftkit.engine.training_data import IndexedData

    def make(
        *, damaged_rows: set[int], what: str = "loss", value: float = float("nan"), max_steps: int = 4, **settings: Any
    ) -> FtkitTrainer:
        adapter = tiny.make_adapter(checkpoint("bert"), LabelSpace(tuple(sorted(set(LABELS)))))
        objective = adapter.objective
        honest = objective.loss

        def loss(outputs: Any, batch: Any) -> torch.Tensor:
            losses_B = honest(outputs, batch)
            damaged = torch.tensor([row in damaged_rows for row in batch.row_indices.tolist()])
            if what == "loss":
                return torch.where(damaged, torch.tensor(value), losses_B)
            # The root of 0 has the loss 0 and the gradient inf * 0.
            return losses_B + torch.where(damaged, torch.sqrt(losses_B * 0), torch.zeros(()))

        objective.loss = loss  # type: ignore[method-assign]
        torch.manual_seed(0)
        arguments: dict[str, Any] = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no", "use_cpu": True}
        arguments_of_run = TrainingArguments(
            output_dir=str(tmp_path), max_steps=max_steps, learning_rate=1e-3, **arguments
        )
        rows_of_run = adapter.preprocessor.encode(tiny.make_split(TEXTS, LABELS).examples, targets=True)
        return FtkitTrainer(
            model=adapter.objective.build().model,
            args=arguments_of_run,
            adapter=adapter,
            train=IndexedData(
                rows_of_run,
                adapter,
                SIZE,
                arguments_of_run,
                name_rows=lambda rows: [f"train.csv, line {row + 2}" for row in rows],
            ),
            options=TrainerOptions(save_total_limit=1, **settings),
            callbacks=[Recorder()],
        )

    return make


def weights_after_steps(trainer: Any) -> list[dict[str, torch.Tensor]]:
    (recorder,) = (one for one in trainer.callback_handler.callbacks if isinstance(one, Recorder))
    return recorder.weights


def are_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(weight, other[name]) for name, weight in one.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_damaged_loss_ends_the_run_with_the_row_that_caused_it(make_trainer: MakeTrainer, value: float) -> None:
    trainer = make_trainer(damaged_rows={5}, value=value)
    before = copy.deepcopy(trainer.model.state_dict())
    with pytest.raises(RunError, match=r"The loss of step \d became NaN or infinite, in train.csv, line 7\."):
        trainer.train()
    taken = weights_after_steps(trainer)
    assert are_equal(trainer.model.state_dict(), taken[-1] if taken else before), "the damaged step is not applied"


def test_a_damaged_gradient_of_finite_losses_names_the_rows_of_the_step(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(damaged_rows=set(range(16)), what="gradient")
    with pytest.raises(RunError, match=r"gradient of step 1 .* losses of its rows are finite \(train.csv, line \d+; "):
        trainer.train()
    assert not weights_after_steps(trainer)


def test_steps_that_may_be_left_out_are_not_applied_and_are_counted(
    make_trainer: MakeTrainer, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make_trainer(damaged_rows={5}, max_skipped_steps=1)
    before = copy.deepcopy(trainer.model.state_dict())
    trainer.train()
    assert trainer.guard.num_skipped == 1
    assert trainer.state.global_step == 4
    taken = [before, *weights_after_steps(trainer)]
    unchanged = [are_equal(one, other) for one, other in itertools.pairwise(taken)]
    assert unchanged.count(True) == 1, "one step is left out, three are taken"
    assert "train.csv, line 7. It is left out (1 of 1)" in " ".join(capsys.readouterr().err.split())


def test_one_damaged_step_too_many_ends_the_run(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(damaged_rows={5}, max_skipped_steps=1, max_steps=8)  # the row comes again in epoch 2
    with pytest.raises(RunError, match="line 7"):
        trainer.train()
    assert trainer.guard.num_skipped == 1


def test_weights_that_the_last_step_damages_are_not_handed_over(checkpoint: Callable[[str], Path]) -> None:
    from ftkit.engine.guards import check_weights_are_finite

    model = torch.nn.Linear(2, 2)
    check_weights_are_finite(model, 3)
    with torch.no_grad():
        model.bias[1] = float("inf")
    with pytest.raises(RunError, match="The parameter bias holds NaN or infinite values at step 3"):
        check_weights_are_finite(model, 3)
