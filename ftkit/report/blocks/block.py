"""What a block of the page is: values that are saved and checked, and a template that shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.named import load
from ftkit.report.table import BLOCKS
from ftkit.report.values import BlockValues


@dataclass(frozen=True, kw_only=True)
class Block:
    """One part of the predictions section.

    Attributes:
        values: content and split -> the values of `model` but for its name; None where there is nothing to show.
        model: what the values are checked by, also when they come back from a report.json of a stranger.
        template: a file in `templates/blocks`; it reads the values as `b`, and `has_texts`.
        is_half: whether it stands beside another one, half as wide as the page.
    """

    values: Callable[[ReportContent, EvaluatedSplit], Mapping[str, Any] | None]
    model: type[BlockValues]
    template: str
    is_half: bool = False


def find_block(name: str) -> Block:
    """Returns a block by its name.

    Raises:
        FtkitError: there is none of that name.
    """
    return cast("Block", load(BLOCKS, name, noun="block"))


def block_values(content: ReportContent, split: EvaluatedSplit) -> list[dict[str, Any]]:
    """Returns the values of the content's blocks, in their order, each with its name; empty ones are left out."""
    found = ((name, find_block(name).values(content, split)) for name in content.blocks)
    return [{"block": name, **values} for name, values in found if values is not None]
