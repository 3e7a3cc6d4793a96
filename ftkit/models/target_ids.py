"""Texts to write as token ids, in which a text stays a text.

A text may hold `</s>`, as the mark-up of a page does. Taken for the end token it would end the target there, and what
follows would never be learnt; any special token would be missing in what is decoded. So it becomes the pieces of its
characters, as far as the vocabulary has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def target_ids(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, add_special_tokens: bool = True
) -> list[list[int]]:
    """Returns the ids of texts to write. No id in them is special but those that the tokenizer puts around a text.

    Example, BART: "<s>now</s>" is <s> `<` `s` `>` now `<` `/` `s` `>` </s>: only the first and the last are special.
    """
    encoding = tokenizer(
        text_target=list(texts), add_special_tokens=add_special_tokens, split_special_tokens=True, verbose=False
    )
    pieces = _PiecesOfSpecial(tokenizer)
    if not tokenizer.is_fast:
        return [
            pieces.spelled_out(ids, _added(tokenizer, ids, text))
            for ids, text in zip(encoding["input_ids"], texts, strict=True)
        ]
    return [pieces.spelled_out(row.ids, row.special_tokens_mask) for row in encoding.encodings]


class _PiecesOfSpecial:
    """What stands for a special token that a text holds, where the vocabulary has it as a piece like any other."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}  # unknown is what a text may be
        self._pieces: dict[int, list[int]] = {}

    def spelled_out(self, ids: Sequence[int], added: Sequence[int]) -> list[int]:
        """Returns ids with the pieces of special ones that were not added."""
        if self._special.isdisjoint(id_ for id_, is_added in zip(ids, added, strict=True) if not is_added):
            return list(ids)
        return [
            piece
            for id_, is_added in zip(ids, added, strict=True)
            for piece in ([id_] if is_added or id_ not in self._special else self._of(id_))
        ]

    def _of(self, id_: int) -> list[int]:
        if id_ not in self._pieces:
            token, unknown = str(self._tokenizer.convert_ids_to_tokens(id_)), self._tokenizer.unk_token_id
            found = self._halves(token) if self._tokenizer.is_fast else []
            kept = [piece for piece in found if piece not in self._special]
            self._pieces[id_] = kept or ([] if unknown is None else [unknown])
        return self._pieces[id_]

    def _halves(self, token: str) -> list[int]:
        """Returns the pieces of a token's first character and of its rest: neither is the token."""
        model: Any = self._tokenizer.backend_tokenizer.model
        return [piece.id for half in (token[:1], token[1:]) for piece in model.tokenize(half)]


def _added(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], text: str) -> list[int]:
    """Returns 1 for each id that a tokenizer written in Python put around a text, 0 for the others."""
    bare = tokenizer(text_target=text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    start = next((start for start in range(len(ids)) if list(ids[start : start + len(bare)]) == list(bare)), 0)
    return [int(not start <= position < start + len(bare)) for position in range(len(ids))]
