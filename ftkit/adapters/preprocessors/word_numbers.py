"""Which word each token of a text is of, whatever the tokenizer: WordPiece, byte pairs, SentencePiece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ftkit.unspaced import UNSPACED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CONTINUES = "##"  # WordPiece
_BEGINS = ("▁", "Ġ")  # SentencePiece, byte pairs


def word_numbers(tokenizer: PreTrainedTokenizerBase, encoding: Any, place: int, text: str) -> list[int]:
    """Returns a number for each token of one text; tokens of one word share it.

    A fast tokenizer tells where it parted a text into words before it cut these into pieces. SentencePiece parts at
    spaces alone, which Chinese, Japanese, Thai and others do not have: there each character begins a word.

    Example, RoBERTa: "the zebra won't" is the tokens `the Ġz eb ra Ġwon 't`, of the words 0 1 1 1 2 3.

    Args:
        encoding: what the tokenizer gave for several texts, without special tokens.
        place: of the text among them.
    """
    if not tokenizer.is_fast:
        return _numbered(_begins_by_spelling(tokenizer.convert_ids_to_tokens(encoding["input_ids"][place])))
    found = encoding.encodings[place]
    words = found.word_ids
    begins = [index == 0 or word is None or word != words[index - 1] for index, word in enumerate(words)]
    if UNSPACED.search(text):
        begins = _with_characters(begins, found.offsets, text)
    return _numbered(begins)


def _numbered(begins: Sequence[bool]) -> list[int]:
    numbers, number = [], 0
    for index, is_begin in enumerate(begins):
        number += is_begin and index > 0
        numbers.append(number)
    return numbers


def _begins_by_spelling(tokens: Sequence[str]) -> list[bool]:
    """Tells of each token whether it begins a word, as its vocabulary spells it."""
    if any(token.startswith(_BEGINS) for token in tokens):
        return [token.startswith(_BEGINS) for token in tokens]
    return [not token.startswith(_CONTINUES) for token in tokens]


def _with_characters(begins: Sequence[bool], offsets: Sequence[tuple[int, int]], text: str) -> list[bool]:
    """Lets tokens begin a word that begin or follow a character of a script without spaces."""
    found = []
    for index, (is_begin, (start, _)) in enumerate(zip(begins, offsets, strict=True)):
        before = offsets[index - 1][0] if index else -1
        is_next = before != start  # pieces of one character, its bytes, belong together
        unspaced = any(UNSPACED.match(text, at) is not None for at in (start, before) if 0 <= at < len(text))
        found.append(is_begin or (is_next and unspaced))
    return found
