"""Layouts of annotated images: several files that are one table, recognised by where they lie.

A module of a layout has `recognises(path) -> bool`, `read(path, options) -> Table` and `parts(path)`, the files whose
content is the table's besides a list that names them.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

LAYOUTS: tuple[str, ...] = ("ftkit.data.readers.voc", "ftkit.data.readers.yolo", "ftkit.data.readers.coco")
"""The modules, in the order in which they are asked."""


def layout_of(path: Path) -> Any | None:
    """Returns the module of the layout that a path belongs to, or None."""
    modules = map(importlib.import_module, LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def fingerprint(path: Path) -> str | None:
    """Returns the SHA-256 of the names and bytes of a list and of the files that it names, in hex; None of others."""
    modules = map(importlib.import_module, LAYOUTS)
    parts = next((found for module in modules if (found := module.parts(path))), None)
    if parts is None:
        return None
    digest = hashlib.sha256()
    for part in [path, *parts]:
        content = hashlib.sha256(part.read_bytes()).hexdigest()
        digest.update(f"{part.name}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
