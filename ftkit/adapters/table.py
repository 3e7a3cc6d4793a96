"""Which adapter serves which kind of task on which family: one literal table. A new family is one column."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ftkit.errors import ConfigError
from ftkit.types import FAMILIES, WRITING_KINDS, Family, Kind

if TYPE_CHECKING:
    from ftkit.adapters.adapter import Adapter

TABLE: dict[Kind, dict[Family, str]] = {
    "text-classification": {
        "encoder": "ftkit.adapters.classify:EncoderClassifier",
        "decoder": "ftkit.adapters.classify:DecoderClassifier",
        "encoder-decoder": "ftkit.adapters.classify:EncoderDecoderClassifier",
    },
    "token-classification": {
        "encoder": "ftkit.adapters.tag:Tagger",
        "decoder": "ftkit.adapters.tag:Tagger",
        "encoder-decoder": "ftkit.adapters.tag:Tagger",
    },
    "translation": {
        "decoder": "ftkit.adapters.generate:DecoderGenerator",
        "encoder-decoder": "ftkit.adapters.generate:EncoderDecoderGenerator",
    },
}


def find_adapter(kind: Kind, family: Family, checkpoint: str) -> type[Adapter]:
    """Returns the adapter class of a cell of the table.

    Raises:
        ConfigError: the cell is empty; the message lists the cells that exist.
    """
    cells = TABLE.get(kind, {})
    if family not in cells:
        exist = "; ".join(f"{name}: {', '.join(row)}" for name, row in TABLE.items())
        joined = kind in WRITING_KINDS and family == "encoder"
        raise ConfigError(
            f"{kind} does not work with {checkpoint!r}, a checkpoint of family {family}. There is: {exist}."
            + (f"\nFix: give it a decoder, such as model.decoder: {checkpoint}" if joined else "")
        )
    module, _, name = cells[family].partition(":")
    return getattr(importlib.import_module(module), name)


def kinds() -> tuple[Kind, ...]:
    """Returns the kinds that at least one family serves."""
    return tuple(TABLE)


def works(kind: Kind, family: Family) -> bool:
    """Tells whether the table has this cell."""
    return family in TABLE.get(kind, {})


__all__ = ["FAMILIES", "TABLE", "find_adapter", "kinds", "works"]
