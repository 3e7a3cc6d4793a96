"""What peft calls things, and how it is kept quiet."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

ADAPTER_NAME = "default"  # of the adapter in training: peft's and transformers' own code expects this one


def base_prefix(model: Any) -> str:
    """Returns what stands before the names of the checkpoint's own modules in a peft.PeftModel."""
    return "base_model." if model.active_peft_config.is_prompt_learning else "base_model.model."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences what peft and transformers warn of and ftkit has taken care of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
