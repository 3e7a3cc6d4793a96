"""What a way of using a model answers: which code and commands a card shows, and what they are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

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


def find_usage(name: str) -> Usage:
    """Returns a way of using a model by its name.

    Raises:
        FtkitError: there is none of that name.
    """
    return cast("Usage", load(USAGES, name, noun="usage"))
