"""The speed-ups, each switched by one key, and the ones in effect during a run.

A run computes the same with any of them and without. How much each brings alone is in docs/performance.md.
"""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import TrainSpec
from ftkit.engine.batching import StepSize
from ftkit.models.spec import CheckpointSpec
from ftkit.own_code import find_own
from ftkit.speedups.speedup import Applied, Moment, Speedup, Workload
from ftkit.tuners.spec import TunerSpec

if TYPE_CHECKING:
    from transformers import TrainingArguments

SPEEDUPS: dict[str, str] = {
    "train.unpad": "ftkit.speedups.unpad:SPEEDUP",
    "train.skip_unread_logits": "ftkit.speedups.unread_logits:SPEEDUP",
    "tuner.cache_frozen": "ftkit.speedups.frozen_features:SPEEDUP",
}
"""Key of the config -> `module:SPEEDUP`."""


def speedups() -> list[Speedup]:
    """Returns all of them."""
    return [find_own(reference) for reference in SPEEDUPS.values()]


def check_speedups(train: TrainSpec, tuner: TunerSpec) -> None:
    """Refuses settings of speed-ups that contradict others, before anything is loaded.

    Raises:
        ConfigError: naming the key.
    """
    for speedup in speedups():
        speedup.check(train, tuner)


def check_speedups_suit(train: TrainSpec, spec: CheckpointSpec, auto_class: str) -> None:
    """Refuses a checkpoint for which the config insists on a speed-up in vain; no weight is read.

    Args:
        auto_class: of the model that would be trained.

    Raises:
        ConfigError: naming the key.
    """
    for speedup in speedups():
        speedup.check_checkpoint(train, spec, auto_class)


class Speedups:
    """Those in effect during one run; to be used as a context around its training."""

    def __init__(
        self,
        train: TrainSpec,
        tuner: TunerSpec,
        arguments: TrainingArguments,
        adapter: TaskAdapter,
        rows: Encoded,
        *,
        streams: bool = False,
    ) -> None:
        self._given: Any = {
            "train": train,
            "tuner": tuner,
            "arguments": arguments,
            "adapter": adapter,
            "rows": rows,
            "streams": streams,
        }
        self._applied: list[Applied] = []
        self._closing = contextlib.ExitStack()

    def attach(self, moment: Moment, model: Any, *, size: StepSize | None = None) -> None:
        """Attaches to a model what applies to it at this moment.

        Args:
            size: what a rank computes in a batch, once it is known.

        Raises:
            ConfigError: the user asks for one that the model does not allow.
        """
        workload = Workload(**self._given, model=model, size=size)
        for speedup in speedups():
            if speedup.moment == moment and speedup.applies(workload):
                applied = speedup.apply(workload)
                if applied is not None:
                    self._applied.append(applied)
                    self._closing.callback(_close, applied)

    @property
    def padding_is_free(self) -> bool:
        """Whether padding takes no time."""
        return any(applied.padding_is_free for applied in self._applied)

    @property
    def facts(self) -> dict[str, Any]:
        """What `all_results.json` says of them."""
        return {key: value for applied in self._applied for key, value in applied.facts.items()}

    def __enter__(self) -> Speedups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()


def _close(applied: Applied) -> None:
    applied.close()
