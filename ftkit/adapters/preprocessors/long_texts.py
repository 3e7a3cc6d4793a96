"""Texts far longer than a model reads: their beginning is tokenized, with the same result as the whole.

Tokenizing ten million characters takes 10 s and 2 GB, of which a model that reads 512 tokens keeps nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LONG = 50_000  # characters; shorter texts are tokenized in a twentieth of a second
_WORD_END = re.compile(r"\S(?= )")


def beginning(tokenizer: PreTrainedTokenizerBase, text: str, num_tokens: int) -> str:
    """Returns so much of a text as surely holds its first so many tokens and more; the whole text if it is not long.

    A tokenizer that first separates words never looks beyond a space: what stands before one becomes the same tokens
    whatever follows. Others, such as Llama 2's, are given the whole text, and so is a text without spaces.

    Example: of a text of ten million characters and a model of 512 tokens, its first 50,000 characters up to a space
    have some 10,000 tokens: they are returned.

    Args:
        num_tokens: that matter; what follows them is cut off.
    """
    size = LONG
    if len(text) <= size or not _separates_words(tokenizer):
        return text
    while size < len(text):
        end = _last_word_end(text, size)
        # Twice as many: the last word may be the beginning of a special token that holds a space.
        if end and _num_tokens(tokenizer, text[:end]) > 2 * num_tokens:
            return text[:end]
        size *= 4
    return text


def _separates_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    if not tokenizer.is_fast:
        return False
    pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    return pre_tokenizer is not None and len(pre_tokenizer.pre_tokenize_str("a b")) > 1


def _last_word_end(text: str, size: int) -> int:
    """Returns where the last word before a position ends that a space follows; 0 if there is none in its last half."""
    ends = [found.end() for found in _WORD_END.finditer(text, max(size - LONG // 2, 0), size)]
    return ends[-1] if ends else 0


def _num_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
