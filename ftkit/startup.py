"""A command that starts sooner: what Python and transformers do while libraries are imported, and need not.

Seconds to the first optimizer step of MiniLM, on two cores:

- Python's cycle collector, 1.1 s: torch, transformers and datasets leave 760,000 objects, and all of them stay. The
  collector looks at them over and over as they come, and once more whenever Accelerate asks for it.
- Modules that most runs never use, 0.6 s: see `ftkit.resting`.
- transformers reads its 1,600 model files for the names in them, 0.3 s longer than it need: twice, as its cache holds
  128 folders and there are 550, and line by line from the first, where the last `__all__` decides.
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

from ftkit import resting

_collector_rests = False


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Spares a command all three; for a process that is ftkit's own."""
    resting.install()
    finder = _ReadsNamesSooner()
    sys.meta_path.insert(0, finder)
    try:
        with collector_at_rest():
            yield
    finally:
        sys.meta_path.remove(finder)


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """Lets the collector rest until `wake_collector`, at the longest until the block ends."""
    global _collector_rests
    if not gc.isenabled():
        yield
        return
    gc.disable()
    _collector_rests = True
    try:
        yield
    finally:
        wake_collector()


def wake_collector() -> None:
    """Ends the rest, if there is one; what was made until now is never looked at again."""
    global _collector_rests
    if _collector_rests:
        _collector_rests = False
        gc.freeze()
        gc.enable()


class _ReadsNamesSooner(MetaPathFinder):
    """Lets transformers find the same names in its model files sooner, once the module that reads them is imported."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns the spec of that one module."""
        if fullname != "transformers.utils.import_utils":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            functions = vars(module)
            folder_reader = functions.get("create_import_structure_from_path")
            if hasattr(folder_reader, "cache_parameters"):
                functions["create_import_structure_from_path"] = lru_cache(maxsize=None)(folder_reader.__wrapped__)  # type: ignore[union-attr]
            text_reader = functions.get("fetch__all__")
            if text_reader is not None:
                functions["fetch__all__"] = lambda text: text_reader(text[text.rfind("\n__all__") + 1 :])

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
