"""What a way of using a model answers: which code and commands a card shows, and what they are given."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ftkit.data.media_files import is_in_archive
from ftkit.report.named import load
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Card
from ftkit.report.table import USAGES


def _summary(example: Any) -> tuple[str, ...]:
    return (example.summary(),)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """One way of using a model without ftkit, and with it.

    Attributes:
        recipe: the model of what the code has to be told.
        inputs: an example -> what the code gives to the model: a text, two of a pair, words, the name of a file.
        quotes: an example -> what a reader sees of it.
        code: card, name of the run, whether it is a folder -> lines of Python that load the model and predict.
        arguments: the card's example, or None -> what `ftkit predict RUN` is given to predict it.
        files: an input and an output file for `ftkit predict RUN`.
        is_plain: whether the code does without ftkit.
        tags: for the Hub: libraries that open the model beside transformers and peft.
        note: Markdown below the code: how what it prints is to be taken; empty where that is plain.
    """

    recipe: type[Recipe]
    inputs: Callable[[Any], tuple[str, ...]]
    quotes: Callable[[Any], tuple[str, ...]] = _summary
    code: Callable[[Card, str, bool], list[str]]
    arguments: Callable[[Card], str]
    files: tuple[str, str]
    note: Callable[[Card], str] = lambda card: ""
    is_plain: bool = True
    tags: tuple[str, ...] = ()


def file_input(source: Any, name: str, otherwise: str) -> str:
    """Returns a file's path from where the run was started; where that would show a place of the machine, its name.

    Args:
        source: the path, or what the file holds.
        name: how the row calls it.
        otherwise: for a file in an archive, which the code shown would not find.
    """
    if is_in_archive(source):
        return otherwise
    return source if isinstance(source, str) and not os.path.isabs(source) else name


def find_usage(name: str) -> Usage:
    """Returns a way of using a model by its name.

    Raises:
        FtkitError: there is none of that name.
    """
    return cast("Usage", load(USAGES, name, noun="usage"))
