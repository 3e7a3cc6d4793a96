"""Pairs of texts, and the task adapters that learn to translate them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import TextToTextExample


def make_pairs(*pairs: tuple[str, str | None]) -> list[TextToTextExample]:
    """Returns sources with their targets as examples; None for a source that is only to be translated."""
    return [TextToTextExample(index, *pair, line=index + 1) for index, pair in enumerate(pairs)]


def make_sources(*sources: str) -> list[TextToTextExample]:
    """Returns texts to translate as examples."""
    return make_pairs(*((source, None) for source in sources))


def make_translator(
    folder: Path | str, decoder: Path | str | None = None, *, max_length: int | None = None, **options: Any
) -> Any:
    """Returns the translation adapter of a checkpoint, or of two that are joined, made as a run makes it.

    What it returns is a TaskAdapter whose halves have more to them than the protocols say.
    """
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), decoder=decoder and str(decoder)))
    return find_kind("translation").task_adapter(spec).make(spec, None, max_length=max_length, options=options)
