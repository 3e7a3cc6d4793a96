"""The model as it is before its tuner trains anything, on one in memory."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any


def untrained(model: Any, *, continues: bool) -> AbstractContextManager[Any]:
    """Returns a context in which a model that is about to be trained computes as what the run starts from does.

    That is the checkpoint itself: some adapters, such as prompts drawn at random, change it before the first step. A
    run that continues an adapter starts from the adapter. PiSSA moves weights from the checkpoint into its adapter,
    and only both together are what the checkpoint was.

    Args:
        model: a whole model, or a peft.PeftModel around it.
        continues: whether a trained adapter is on it.
    """
    if continues or not hasattr(model, "disable_adapter") or getattr(model, "ftkit_principal", None) is not None:
        return contextlib.nullcontext()
    return model.disable_adapter()
