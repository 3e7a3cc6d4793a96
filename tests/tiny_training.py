"""Trainings of a tiny bert with scripted validation scores, to be killed, interrupted and resumed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from ftkit.engine import checkpoints
from ftkit.engine.batching import StepSize
from ftkit.engine.interruption import Interruption
from ftkit.types import LabelSpace

LABELS = [label for _, label in tiny.EXAMPLES]
TEXTS = [text for text, _ in tiny.EXAMPLES]
SIZE = StepSize(rows=4, cost=None, max_cost_at_once=math.inf)  # 16 texts: 4 steps an epoch
TIMES = {"train_runtime", "train_samples_per_second", "train_steps_per_second", "train_tokens_per_second"}


class Killed(BaseException):
    """What a kill looks like from inside."""


class TinyRuns:
    """Trains a tiny bert whose validation scores are scripted: accuracies, or accuracies and losses, in order."""

    def __init__(
        self, checkpoint: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, *, size: StepSize = SIZE
    ) -> None:
        self.folder, self.monkeypatch, self.size = folder, monkeypatch, size
        self.adapter = tiny.make_adapter(checkpoint, LabelSpace(tuple(sorted(set(LABELS)))))
        self.rows = self.adapter.preprocessor.encode(tiny.make_split(TEXTS, LABELS).examples, targets=True)

    def train(
        self,
        name: str,
        *,
        scores: Sequence[Any] = (),
        killed_at: int | None = None,
        resume: bool = False,
        patience: int | None = None,
        callbacks: Sequence[Any] = (),
        listens: bool = False,
        signal_in_evaluation: int = 0,
        **settings: Any,
    ) -> Any:
        from ftkit.config.train import TrainSpec
        from ftkit.engine import training
        from ftkit.engine.arguments import training_arguments
        from ftkit.engine.trainer_options import TrainerOptions
        from ftkit.engine.training_data import IndexedData

        folder = self.folder / name
        config = {"num_train_epochs": 4, "learning_rate": 5e-3, "logging_steps": 3, "use_cpu": True, **settings}
        arguments = training_arguments(
            TrainSpec.model_validate(config),
            folder,
            learning_rate=None,
            primary_metric="accuracy",
            has_validation=bool(scores),
        )
        torch.manual_seed(0)
        told = iter(enumerate(scores[self._num_evaluations(folder) :] if resume else scores, 1))

        def evaluate(_: Any) -> dict[str, float]:
            number, score = next(told)
            if number == signal_in_evaluation:
                os.kill(os.getpid(), signal.SIGTERM)
            return _metrics(score)

        interruption = Interruption()
        listening = interruption.listening() if listens else contextlib.nullcontext()
        with self.monkeypatch.context() as patch, listening:
            if killed_at is not None:
                patch.setattr(checkpoints, "rotate", _kill_at(f"checkpoint-{killed_at}"))
            return training.train(
                self.adapter.objective.build().model,
                self.adapter,
                IndexedData(self.rows, self.adapter, self.size, arguments),
                arguments,
                TrainerOptions(
                    save_total_limit=settings.get("save_total_limit", 9),
                    evaluate_model=evaluate if scores else None,
                    make_model=lambda: self.adapter.objective.build().model,
                    early_stopping_patience=patience,
                    interruption=interruption,
                ),
                primary_metric="accuracy",
                callbacks=callbacks,
                resume_from=training.resume_point(folder) if resume else None,
            )

    def interrupt(self, name: str, *, at: int, **settings: Any) -> None:
        with pytest.raises(Killed):
            self.train(name, killed_at=at, **settings)

    @staticmethod
    def _num_evaluations(folder: Path) -> int:
        newest, _ = checkpoints.newest_sound(folder)
        assert newest is not None
        log = json.loads((newest / "trainer_state.json").read_text())["log_history"]
        return sum("eval_accuracy" in entry for entry in log)


def _metrics(score: Any) -> dict[str, float]:
    accuracy, loss = score if isinstance(score, tuple) else (score, 1.0)
    return {"loss": loss, "accuracy": accuracy}


def _kill_at(name: str) -> Callable[..., None]:
    def rotate(folder: Path, **_: Any) -> None:
        if (folder / name).is_dir():
            raise Killed

    return rotate


def log_of(trained: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in entry.items() if name not in TIMES} for entry in trained.log_history]


def assert_same(one: Any, other: Any) -> None:
    assert log_of(other) == log_of(one)
    assert other.metrics["train_loss"] == one.metrics["train_loss"] > 0
    assert other.metrics["best_step"] == one.metrics["best_step"]
    assert other.metrics["num_steps"] == one.metrics["num_steps"]
    for name, weight in one.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], weight, atol=0, rtol=0, msg=name)
