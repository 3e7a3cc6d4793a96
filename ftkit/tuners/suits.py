"""Which methods suit a task and its training, as far as no weight has to be read for it."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.errors import ConfigError
from ftkit.tuners.spec import TunerSpec


def check_suits(spec: TunerSpec, kind: str, refuses: Mapping[str, str], checkpoint: str) -> None:
    """Refuses a method that a kind of task cannot use on a family of checkpoints.

    Args:
        kind: for the message.
        refuses: method -> why it does not suit.

    Raises:
        ConfigError: saying why, and what suits.
    """
    reason = refuses.get(spec.method)
    if reason is not None:
        raise ConfigError(
            f"tuner.method: {spec.method} does not suit {kind} on {checkpoint!r}: {reason}. Choose lora, or see "
            "`ftkit tasks --tuners`."
        )


def check_trains(spec: TunerSpec, *, activation_checkpointing: bool, max_skipped_steps: int = 0) -> None:
    """Refuses settings of training under which a method would learn nothing, or learn it wrong.

    Raises:
        ConfigError: saying why, and what to do instead.
    """
    if spec.method == "prefix" and activation_checkpointing:
        raise ConfigError(
            "train.activation_checkpointing: layers that are computed again read no keys and values from outside, so "
            "that prefix would learn nothing. Leave it out, or choose lora."
        )
    if spec.method == "adalora" and max_skipped_steps:
        raise ConfigError(
            "train.max_skipped_steps: adalora takes its ranks away by a schedule over all steps, so that none may be "
            "left out. Leave it out, or choose lora."
        )
