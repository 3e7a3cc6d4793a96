"""What ftkit's own tables name as `module:NAME`: it is imported when it is first needed."""

from __future__ import annotations

import importlib
from typing import Any


def find_own(reference: str) -> Any:
    """Imports and returns what a row of one of ftkit's tables names.

    Example: `find_own("ftkit.metrics.regression:Pearson")` is the class `Pearson`.

    Args:
        reference: `module:NAME`. A name that a user gives goes through `ftkit.named_code` instead.
    """
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
