"""Sentences, and the task adapters that learn to tag their words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.tag_schemes import tag_names
from ftkit.types import LabelSpace, TokenExample

TAGS = LabelSpace(tag_names(("x",), "IOB2"))
"""O, B-x, I-x."""


def make_sentences(sentences: Sequence[str], tags: Sequence[str] | None = None) -> list[TokenExample]:
    """Returns sentences as examples; words and tags are separated by spaces."""
    return [
        TokenExample(id=row, words=tuple(words.split()), tags=tags and tuple(tags[row].split()), line=row + 1)
        for row, words in enumerate(sentences)
    ]


def make_tagger(
    folder: Path | str,
    labels: LabelSpace = TAGS,
    *,
    attention: Any = None,
    max_length: int | None = None,
    **options: Any,
) -> Any:
    """Returns the tagging adapter of a checkpoint, made as a run makes it.

    What it returns is a TaskAdapter whose halves have more to them than the protocols say.
    """
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), attention=attention))
    return (
        find_kind("token-classification").task_adapter(spec).make(spec, labels, max_length=max_length, options=options)
    )
