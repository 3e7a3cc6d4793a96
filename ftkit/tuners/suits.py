"""Which methods suit which kinds of task on which families, as far as no weight has to be read for it."""

from __future__ import annotations

from ftkit.errors import ConfigError
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Family, Kind


def check_suits(spec: TunerSpec, kind: Kind, family: Family, checkpoint: str) -> None:
    """Refuses virtual tokens where the model would read off the wrong token, or never see them.

    Raises:
        ConfigError: saying why, and what suits.
    """
    reason = why_not(spec, kind, family)
    if reason is not None:
        raise ConfigError(
            f"tuner.method: {spec.method} does not suit {kind} on {checkpoint!r}: {reason}. Choose lora, or see "
            "`ftkit tasks --tuners`."
        )


def check_trains(spec: TunerSpec, *, activation_checkpointing: bool) -> None:
    """Refuses settings of training under which a method would learn nothing.

    Raises:
        ConfigError: saying why, and what to do instead.
    """
    if spec.method == "prefix" and activation_checkpointing:
        raise ConfigError(
            "train.activation_checkpointing: layers that are computed again read no keys and values from outside, so "
            "that prefix would learn nothing. Leave it out, or choose lora."
        )


def why_not(spec: TunerSpec, kind: Kind, family: Family) -> str | None:
    """Returns why a method does not suit; None where it does."""
    if not spec.facts.reads_prompt:
        return None
    if kind == "text-classification" and family != "encoder":
        return "the classifier looks for the last token of the text, and virtual tokens hide which one that is"
    if spec.method == "prefix" and family == "encoder":
        return "transformers' encoders take no keys and values from outside"
    if kind == "token-classification" and family == "encoder-decoder":
        return "peft has no virtual tokens for encoder-decoders that tag"
    return None
