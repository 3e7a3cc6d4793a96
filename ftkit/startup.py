"""A command that starts sooner: what Python and transformers do while libraries are imported, and need not.

Seconds to the first optimizer step of MiniLM, on two cores:

- Python's cycle collector, 1.1 s: torch, transformers and datasets leave 760,000 objects, and all of them stay. The
  collector looks at them over and over as they come, and once more whenever Accelerate asks for it.
- transformers reads its 1,600 model files for the names in them twice, 0.2 s: its cache holds 128 folders, and there
  are 550.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_resting = False


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Spares a command both; for a process that is ftkit's own."""
    finder = _WidensNameCache()
    sys.meta_path.insert(0, finder)
    try:
        with collector_at_rest():
            yield
    finally:
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """Lets the collector rest until `wake_collector`, at the longest until the block ends."""
    global _resting
    if not gc.isenabled():
        yield
        return
    gc.disable()
    _resting = True
    try:
        yield
    finally:
        wake_collector()


def wake_collector() -> None:
    """Ends the rest, if there is one; what was made until now is never looked at again."""
    global _resting
    if _resting:
        _resting = False
        gc.freeze()
        gc.enable()


class _WidensNameCache(MetaPathFinder):
    """Lets transformers remember the names in all of its folders, once the module that reads them is imported."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns the spec of that one module."""
        if fullname != "transformers.utils.import_utils":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_widen(module: ModuleType) -> None:
            execute(module)
            reads = getattr(module, "create_import_structure_from_path", None)
            if hasattr(reads, "cache_parameters"):
                module.create_import_structure_from_path = lru_cache(maxsize=None)(reads.__wrapped__)  # type: ignore[attr-defined, union-attr]

        spec.loader.exec_module = execute_and_widen  # type: ignore[method-assign]
        return spec
