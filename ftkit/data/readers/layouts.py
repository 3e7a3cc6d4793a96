"""Layouts of annotated images: several files that are one table, recognised by where they lie.

A module of a layout has `recognises(path) -> bool`, `read(path, options) -> Table` and `parts(path)`, the files whose
content is the table's besides the path itself.
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

LAYOUTS: tuple[str, ...] = ("ftkit.data.readers.voc",)
"""The modules, in the order in which they are asked."""


def layout_of(path: Path) -> Any | None:
    """Returns the module of the layout that a path belongs to, or None."""
    modules = map(importlib.import_module, LAYOUTS)
    return next((module for module in modules if module.recognises(path)), None)


def fingerprint(path: Path, layout: Any) -> str:
    """Returns the SHA-256 of the names and bytes of a table's files in hex; images are known by their names alone."""
    digest = hashlib.sha256()
    for part in [*([path] if path.is_file() else []), *layout.parts(path)]:
        content = hashlib.sha256(part.read_bytes()).hexdigest()
        digest.update(f"{part.name}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
