"""Random changes of texts that are read: words that are missing, slips of the keyboard, other capitals.

Nothing that is to be written is ever changed. Of words with tags, changes leave each in its place.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ftkit.adapters.augmentation.operation import Augment, DrawnOperation
from ftkit.errors import ConfigError
from ftkit.unspaced import RANGES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FEWEST_LETTERS = 3
"""Of a word that gets a slip: a shorter one could hardly be told after it."""

_WORD = re.compile(rf"\s*(?:[{RANGES}]|[^\s{RANGES}]+)")
"""A word with the white space before it; of scripts that put no spaces between words, a character."""

Share = Annotated[float, Field(gt=0, le=0.9)]
Capitals = Literal["lower", "upper", "title"]


class TextOperation(DrawnOperation):
    """A change of a text.

    Attributes:
        growth: how many times as many tokens a changed text may have; one that has more is left as it was.
    """

    @property
    def growth(self) -> float:
        """None: a changed text has no more tokens."""
        return 1.0

    def change(self, rng: np.random.Generator) -> Callable[[str], str]:
        """Returns what changes the texts of one example within the operation's bounds; none of them becomes empty."""
        return functools.partial(self.apply, rng=rng)

    def apply(self, text: str, rng: np.random.Generator) -> str:
        """Returns one text, changed."""
        raise NotImplementedError


class WordDropout(TextOperation):
    """Words are left out, each by chance (Iyyer et al. 2015, ACL); one of them stays at least."""

    share: Share = Field(0.1, description="Share of the words that are left out.")

    def apply(self, text: str, rng: np.random.Generator) -> str:
        """Leaves words out.

        Example: "the rain in Spain" without its second word is "the in Spain".
        """
        words = _WORD.findall(text)
        kept = rng.random(len(words)) >= self.share
        if kept.all():
            return text
        if not kept.any():
            kept[int(rng.integers(len(words)))] = True
        return "".join(word for word, is_kept in zip(words, kept, strict=True) if is_kept).lstrip()


class Typos(TextOperation):
    """A slip in some of the words: two letters change places, one is missing, doubled, or another one.

    The other letter is one of the same text, so that it is of its script. Words of fewer than three letters, and what
    is no word of letters alone, such as numbers, stay as they are.
    """

    share: Share = Field(0.1, description="Share of the words that get a slip.")

    @property
    def growth(self) -> float:
        """A word with a slip may fall into letters."""
        return 1 + 4 * self.share

    def apply(self, text: str, rng: np.random.Generator) -> str:
        """Puts slips into words.

        Example: "rain" may become "arin", "ran", "raiin" or "rail".
        """
        words = _WORD.findall(text)
        letters = [letter for letter in text if letter.isalpha()]
        slips = rng.random(len(words)) < self.share
        changed = (
            _with_slip(word, letters, rng) if slips[place] and _is_of_letters(word) else word
            for place, word in enumerate(words)
        )
        return "".join(changed) + text[sum(map(len, words)) :]


def _is_of_letters(word: str) -> bool:
    bare = word.strip()
    return len(bare) >= FEWEST_LETTERS and bare.isalpha()


def _with_slip(word: str, letters: Sequence[str], rng: np.random.Generator) -> str:
    start = len(word) - len(word.lstrip())
    place, sort = int(rng.integers(start, len(word) - 1)), int(rng.integers(4))
    one, two = word[place], word[place + 1]
    other = letters[int(rng.integers(len(letters)))]
    middle = (two + one, two, one + one + two, other + two)[sort]
    return word[:place] + middle + word[place + 2 :]


class Case(TextOperation):
    """The whole text in small letters, in capitals, or each word with a capital first."""

    probability: float = Field(0.2, gt=0, le=1, description="Share of the texts that are changed.")
    to: Annotated[tuple[Capitals, ...], Field(min_length=1)] = Field(
        ("lower", "upper"), description="What a text may become, one of them by chance: lower, upper, title."
    )

    @property
    def growth(self) -> float:
        """Capitals are rare in what tokenizers were made from: words fall into short pieces."""
        return 3.0 if "upper" in self.to else 1.5

    def change(self, rng: np.random.Generator) -> Callable[[str], str]:
        """Returns one and the same change for all texts of an example."""
        return {"lower": str.lower, "upper": str.upper, "title": str.title}[self.to[int(rng.integers(len(self.to)))]]


class TextsAugment(Augment):
    """What sections of texts share."""

    def growth_of_tokens(self) -> float:
        """Returns how many times as many tokens a changed text may have."""
        return float(np.prod([operation.growth for operation in self.operations]))

    def longest(self, number: int) -> int:
        """Returns the most tokens that a changed text of so many may have; what has more is left as it was."""
        growth = self.growth_of_tokens()
        return number if growth == 1 else int(np.ceil(number * growth)) + 4

    def changes(self, rng: np.random.Generator) -> Callable[[str], str]:
        """Returns what changes the texts of one example, all of them by the operations that are drawn for it."""
        changes = [operation.change(rng) for operation in self.drawn(rng)]
        return lambda text: functools.reduce(lambda so_far, change: change(so_far), changes, text)

    def check_has_effect(self, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        """Refuses other capitals for a tokenizer that makes no difference between them.

        Raises:
            ConfigError: saying so.
        """
        if getattr(self, "case", None) is None:
            return
        probe = "Rain In Spain"
        plain, *others = (tokenizer(text)["input_ids"] for text in (probe, probe.lower(), probe.upper()))
        if all(ids == plain for ids in others):
            raise ConfigError(
                f"data.augment.case: the tokenizer of {name!r} reads capitals as small letters, so that it would "
                "change nothing. Leave it out."
            )


class TextAugment(TextsAugment):
    """Random changes of training texts, in this order."""

    word_dropout: WordDropout | None = Field(None, description="Leaves words out.")
    typos: Typos | None = Field(None, description="Puts slips of the keyboard into words.")
    case: Case | None = Field(None, description="Changes capitals.")


class WordAugment(TextsAugment):
    """Random changes of training words that have tags, in this order: each word stays one word."""

    typos: Typos | None = Field(None, description="Puts slips of the keyboard into words.")
    case: Case | None = Field(None, description="Changes capitals.")


TEXTS = ("text", "text_pair", "question")
LISTS = ("candidates", "negatives")
"""What examples call the texts that are read."""


def with_texts(example: Any, change: Callable[[str], str]) -> Any:
    """Returns an example with all of its texts changed, one after another.

    Example: of a query with two candidates the query is changed, and then each candidate.
    """
    found: dict[str, Any] = {}
    for name in TEXTS:
        if getattr(example, name, None):
            found[name] = change(getattr(example, name))
    for name in LISTS:
        if getattr(example, name, None):
            found[name] = tuple(map(change, getattr(example, name)))
    return dataclasses.replace(example, **found)
