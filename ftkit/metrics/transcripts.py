"""Transcripts as they are compared, and the words that two of them differ in, counted by jiwer.

Two people write the same speech differently: "Twenty-one, isn't it?" and "twenty one isn't it". What is compared is
therefore a form of a transcript, which a score has to name.
"""

from __future__ import annotations

import functools
import importlib.metadata
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ftkit.errors import ConfigError

Form = Literal["none", "basic", "english"]
"""What is made of a transcript before it is compared; see `in_form`."""

_MEANINGS: dict[str, str] = {
    "none": "case:kept|punct:kept",
    "basic": "case:lower|punct:removed|unicode:NFKC",
    "english": "case:lower|punct:removed|numbers:digits|contractions:written out|spelling:kept",
}
_APOSTROPHES = "'\u2019\u02bc"


def in_form(text: str, form: Form) -> str:
    """Returns a transcript as it is compared; white space is one space everywhere.

    Example: "It's Twenty-One." is "it's twenty one" in `basic`, and "it is 21" in `english`.

    Args:
        form: `none` keeps case and punctuation. `basic` writes small letters, and no punctuation but apostrophes
            inside of words. `english` is what OpenAI publishes Whisper's scores in (arXiv 2212.04356, appendix C),
            without its table of British spellings.
    """
    if form == "english":
        text = _english()(text)
    elif form == "basic":
        text = _basic(text)
    return " ".join(text.split())


def _basic(text: str) -> str:
    """Returns small letters, marks and digits, with spaces in the place of all else.

    Marks stay, unlike in Whisper's own basic form: without them Hindi and Thai lose their vowels.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    kept = []
    for place, character in enumerate(text):
        if character in _APOSTROPHES and _is_inside_word(text, place):
            kept.append("'")
        else:
            kept.append(" " if unicodedata.category(character)[0] in "PSC" else character)
    return "".join(kept)


def _is_inside_word(text: str, place: int) -> bool:
    return 0 < place < len(text) - 1 and text[place - 1].isalpha() and text[place + 1].isalpha()


@functools.cache
def _english() -> Callable[[str], str]:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({})


def signature(unit: str, form: Form) -> str:
    """Returns how an error rate comes about, to be named beside it.

    Args:
        unit: what is counted: `words` or `characters`.
    """
    version = importlib.metadata.version("jiwer")
    return f"{unit}|norm:{form}|{_MEANINGS[form]}|over:corpus|jiwer:{version}"


@dataclass(frozen=True)
class EditCounts:
    """What makes expected transcripts of predicted ones, with the fewest edits; each of rows, (N,).

    Attributes:
        lengths: of what was expected.
        substitutions: something else was heard.
        deletions: what was said is missing.
        insertions: what was not said was heard.
    """

    lengths: np.ndarray
    substitutions: np.ndarray
    deletions: np.ndarray
    insertions: np.ndarray

    @property
    def edits(self) -> np.ndarray:
        """All three together, (N,)."""
        return self.substitutions + self.deletions + self.insertions

    def rate(self, rows: Any = slice(None)) -> float:
        """Returns edits over expected length, summed over some rows; NaN where nothing was expected."""
        total = int(self.lengths[rows].sum())
        return int(self.edits[rows].sum()) / total if total else float("nan")


def word_edits(predictions: Sequence[str], references: Sequence[str], form: Form) -> EditCounts:
    """Returns the edits of words; of characters see `character_edits`.

    Example: "a x" for "a b c" is one substitution (x for b) and one deletion (c): 2 / 3.
    """
    return _counts(alignments(predictions, references, form))


def character_edits(predictions: Sequence[str], references: Sequence[str], form: Form) -> EditCounts:
    """Returns the edits of characters, spaces among them."""
    import jiwer

    return _counts(jiwer.process_characters(*_in_form(predictions, references, form)))


def alignments(predictions: Sequence[str], references: Sequence[str], form: Form) -> Any:
    """Returns jiwer's alignment of the words of transcripts, in the form in which they are compared."""
    import jiwer

    return jiwer.process_words(*_in_form(predictions, references, form))


def _in_form(predictions: Sequence[str], references: Sequence[str], form: Form) -> tuple[list[str], list[str]]:
    """Returns what was expected and what was predicted, in jiwer's order."""
    return [in_form(text, form) for text in references], [in_form(text, form) for text in predictions]


def _counts(found: Any) -> EditCounts:
    """Counts the edits of each row of what jiwer aligned.

    A chunk of one kind is as long as its expected part or, of an insertion, as its predicted one.
    """
    counts = {name: np.zeros(len(found.references), np.int64) for name in ("substitute", "delete", "insert")}
    for row, chunks in enumerate(found.alignments):
        for chunk in chunks:
            if chunk.type != "equal":
                length = chunk.ref_end_idx - chunk.ref_start_idx or chunk.hyp_end_idx - chunk.hyp_start_idx
                counts[chunk.type][row] += length
    lengths = np.array([len(words) for words in found.references], np.int64)
    return EditCounts(lengths, counts["substitute"], counts["delete"], counts["insert"])


def require_jiwer() -> None:
    """Refuses to score transcripts where jiwer is not installed.

    Raises:
        ConfigError: it is not.
    """
    import importlib.util

    if importlib.util.find_spec("jiwer") is None:
        raise ConfigError(
            "Transcripts are scored with jiwer, which is not installed.\nFix: pip install 'ftkit[audio]'"
        )
