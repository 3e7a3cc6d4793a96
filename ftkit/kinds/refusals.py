"""Tuners that kinds refuse, with the reason: see `TaskAdapterSpec.refuses`."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.tuners.spec import METHODS

NO_PREFIX: Mapping[str, str] = {"prefix": "transformers' encoders take no keys and values from outside"}


def no_virtual_tokens(reason: str) -> Mapping[str, str]:
    """Returns every tuner that puts virtual tokens before a text, with the reason why it does not suit."""
    return {name: reason for name, method in METHODS.items() if method.reads_prompt}
