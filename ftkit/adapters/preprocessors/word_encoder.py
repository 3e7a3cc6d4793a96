"""Words -> tokens, for every tokenizer: each word becomes the pieces it has within a text, and never none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftkit.errors import CheckpointError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Plain words that no tokenizer joins or drops; what they become together shows what belongs between words.
_PROBES = ("the rain", "in a house")

# Remembered at once, some 40 MB: an endless stream of texts has new words (numbers, names) for ever.
MOST_WORDS = 200_000


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that a tokenizer puts around every text."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.before) + len(self.after)


class WordEncoder:
    """Encodes words one by one and remembers them, so the alignment of words and pieces is known, not recovered.

    A word has the pieces that it has after a space: `Gmy`-like pieces of byte-level BPE, `▁my` of SentencePiece,
    plain `my` of WordPiece. Which of these it is the tokenizer tells: the space is part of what is encoded if the
    pieces of "the rain" are those of "the" and " rain". A word that vanishes in normalisation (a lone variation
    selector, a zero-width space) becomes the unknown token: it must have a piece to bear its tag.

    Attributes:
        special: what goes around the pieces of a text.
        space: what stands before a word when it is encoded: a space, or nothing.
        nothing: the token of a word that has no piece.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        """Probes a tokenizer.

        Args:
            name: of the checkpoint, for messages.

        Raises:
            CheckpointError: it has no token at all that could stand for a word that vanishes.
        """
        self.tokenizer, self.name = tokenizer, name
        self.special = special_tokens(tokenizer)
        self.space = self._find_space()
        self.nothing = self._token_for_nothing()
        self._known: dict[str, tuple[int, ...]] = {}

    def pieces(self, word: str) -> tuple[int, ...]:
        """Returns a word's token ids, at least one."""
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = tuple(self._ids(self.space + word)) or (self.nothing,)
        return known

    def learn(self, words: Sequence[str]) -> None:
        """Encodes words that are not known yet, all at once: a fast tokenizer does so on all cores."""
        if len(self._known) > MOST_WORDS:
            self._known = {}
        new = list(dict.fromkeys(word for word in words if word not in self._known))
        if not new:
            return
        encoded = self.tokenizer([self.space + word for word in new], add_special_tokens=False, verbose=False)
        for word, ids in zip(new, encoded["input_ids"], strict=True):
            self._known[word] = tuple(ids) or (self.nothing,)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def _find_space(self) -> str:
        for space in ("", " "):
            halves = [probe.split(" ", 1) for probe in _PROBES]
            if all(
                self._ids(probe) == self._ids(first) + self._joined(space, rest)
                for probe, (first, rest) in zip(_PROBES, halves, strict=True)
            ):
                return space
        return " "

    def _joined(self, space: str, words: str) -> list[int]:
        return [id_ for word in words.split(" ") for id_ in self._ids(space + word)]

    def _token_for_nothing(self) -> int:
        for name in ("unk_token_id", "eos_token_id", "pad_token_id"):
            found = getattr(self.tokenizer, name, None)
            if found is not None:
                return found
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {self.name!r} has no unk, eos or pad token, so a word that it drops "
            'cannot be tagged. Name one in its tokenizer_config.json, such as "unk_token": "<unk>".'
        )


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> SpecialTokens:
    """Returns what a tokenizer puts around every text."""
    bare = tokenizer("the", add_special_tokens=False)["input_ids"]
    whole = tokenizer("the")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return SpecialTokens(tuple(whole[:start]), tuple(whole[start + len(bare) :]))
    return SpecialTokens((), ())
