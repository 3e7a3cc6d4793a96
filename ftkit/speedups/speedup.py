"""What a speed-up is: a way to compute the same faster, attached to a model or to the process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.config.train import TrainSpec
from ftkit.engine.batching import StepSize
from ftkit.models.spec import CheckpointSpec
from ftkit.tuners.spec import TunerSpec

if TYPE_CHECKING:
    from transformers import TrainingArguments

Moment = Literal["loaded", "tuned"]
"""When a speed-up is attached: to the model as it was loaded, or when its tuner is on it."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is to be computed.

    Attributes:
        rows: of the training data; of a stream the first.
        streams: whether the training data are a stream, of which no row is kept.
        size: what a rank computes in a batch, once it is known.
    """

    train: TrainSpec
    tuner: TunerSpec
    arguments: TrainingArguments
    adapter: TaskAdapter
    model: Any
    rows: Encoded
    streams: bool = False
    size: StepSize | None = None


@dataclass
class Applied:
    """A speed-up in effect.

    Attributes:
        padding_is_free: padding takes no time any more, so that nothing needs to be done to save it.
        facts: what `all_results.json` says of it; complete when it is closed.
        close: ends it, and gives up what it keeps.
    """

    padding_is_free: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Speedup:
    """One row of the table.

    Attributes:
        key: of the config, that switches it.
        moment: when it is attached.
        applies: whether a workload can use it and gains by it.
        apply: attaches it; None where the model turns out not to allow it.
        check: refuses settings before anything is loaded: its own key, or variables of the environment.
        check_checkpoint: refuses a checkpoint for which the config insists in vain, before its weights are loaded, as
            far as that can be told.
    """

    key: str
    moment: Moment
    applies: Callable[[Workload], bool]
    apply: Callable[[Workload], Applied | None]
    check: Callable[[TrainSpec, TunerSpec], None] = lambda train, tuner: None
    check_checkpoint: Callable[[TrainSpec, CheckpointSpec, str], None] = lambda train, spec, auto_class: None
