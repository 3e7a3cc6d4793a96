"""What a tokenizer puts before, between and after the two texts of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Ids = tuple[int, ...]


@dataclass(frozen=True)
class PairLayout:
    """The special tokens of a pair, and the token types of its parts.

    Example, BERT: before (101,), between (102,), after (102,), types ((0,), 0, (0,), 1, (1,)): [CLS] question [SEP]
    context [SEP].

    Attributes:
        token_types: of the tokens before, any token of the first text, the tokens between, any token of the second
            text, the tokens after; None where the model has none.
    """

    before: Ids
    between: Ids
    after: Ids
    token_types: tuple[Ids, int, Ids, int, Ids] | None = None

    @property
    def num_tokens(self) -> int:
        """How many tokens stand around the texts."""
        return len(self.before) + len(self.between) + len(self.after)

    def join(self, first: list[int], second: list[int]) -> list[int]:
        """Returns the ids of a pair."""
        return [*self.before, *first, *self.between, *second, *self.after]

    def types_of(self, first: list[int], second: list[int]) -> list[int]:
        """Returns the token types of a pair."""
        assert self.token_types is not None
        before, one, between, two, after = self.token_types
        return [*before, *[one] * len(first), *between, *[two] * len(second), *after]


def marked_layout(tokenizer: Any) -> PairLayout:
    """Returns how a tokenizer lays out a pair; a line break stands between where it marks no border, as mBART's."""
    encoded = tokenizer("the", "rain")
    sides = encoded.sequence_ids(0)
    first, second = ([place for place, side in enumerate(sides) if side == number] for number in (0, 1))
    before, between, after = slice(first[0]), slice(first[-1] + 1, second[0]), slice(second[-1] + 1, None)
    ids, types = encoded["input_ids"], encoded.get("token_type_ids")
    border = tuple(ids[between]) or line_break(tokenizer)
    layout = PairLayout(tuple(ids[before]), border, tuple(ids[after]))
    if types is None:
        return layout
    border_types = tuple(types[between]) or (types[first[0]],) * len(border)
    parts = (tuple(types[before]), types[first[0]], border_types, types[second[0]], tuple(types[after]))
    return replace(layout, token_types=parts)


def continued_layout(tokenizer: Any) -> PairLayout:
    """Returns how a decoder reads a pair: one text, a line break, the other, and an end-of-text token.

    Example, GPT-2: before (), between (198,), after (50256,).
    """
    encoded = tokenizer("the")
    sides = encoded.sequence_ids(0)
    before = encoded["input_ids"][: sides.index(0)] if 0 in sides else []
    end = tokenizer.pad_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    return PairLayout(tuple(before), line_break(tokenizer), (end,))


def line_break(tokenizer: Any) -> Ids:
    """Returns the ids of a line break; none where a tokenizer drops it."""
    return tuple(tokenizer("\n", add_special_tokens=False)["input_ids"])
