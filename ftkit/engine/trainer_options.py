"""What a run asks of its training beside transformers' arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel

from ftkit.engine.interruption import Interruption


def _checks_nothing() -> None:
    """Takes any folder for the run's own."""


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """How a model is watched, scored and saved while it is trained.

    Attributes:
        save_total_limit: checkpoints kept; rotation happens only after a new checkpoint is whole.
        evaluate_model: scores a model on the validation rows; None without validation data.
        make_model: makes the model anew, to hold the weights of one that is sharded; others do without.
        early_stopping_patience: evaluations in a row without a better score after which training ends; None: never.
        max_skipped_steps: steps whose loss or gradient is not finite that are left out before the run ends.
        interruption: says whether the run is asked to end; it then ends after a step that is saved.
        check_folder: called before a checkpoint is begun, and before it is sealed, on the rank that writes; raises
            where the folder is no longer this run's.
    """

    save_total_limit: int
    evaluate_model: Callable[[Any], dict[str, Any]] | None = None
    make_model: Callable[[], PreTrainedModel] | None = None
    early_stopping_patience: int | None = None
    max_skipped_steps: int = 0
    interruption: Interruption = field(default_factory=Interruption)
    check_folder: Callable[[], None] = _checks_nothing
