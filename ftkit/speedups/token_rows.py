"""Which tokens of a padded batch are real, told to models that leave padding out: see unpad.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from ftkit.adapters.rows import Batch
from ftkit.engine.batching import cheapest_split
from ftkit.engine.current_batch import current_batch
from ftkit.speedups.memory import filled_to

_made: ContextVar[tuple[Batch, Rows] | None] = ContextVar("rows", default=None)


def current_rows() -> Rows | None:
    """Returns the rows of the batch that is computed; None where there is none, or no padding on its right."""
    batch = current_batch()
    if batch is None or batch.lengths is None:
        return None
    made = _made.get()
    if made is None or made[0] is not batch:
        made = batch, Rows(batch.lengths, filled_to=filled_to())
        _made.set(made)
    return made[1]


class _Index(NamedTuple):
    """Where the flattened tokens come from, on one device.

    Attributes:
        places: position of each token in its row, (N,).
        tokens: position of each token in the flattened padded batch (B * T), (N,).
        bounds: where each row begins among the tokens and, last, their number, (B + 1,), int32; the filling, if there
            is any, is a row too.
    """

    places: torch.Tensor
    tokens: torch.Tensor
    bounds: torch.Tensor


class Rows:
    """The rows of a padded batch and the order of their tokens when flattened: short rows first.

    Rows of about one length lie side by side then, and can be looked at as a batch with little padding or none. Behind
    them comes a filling of fewer than `filled_to` tokens, copies of a real one, of which nothing is made.

    Args:
        lengths: tokens of each row, (B,); known on the host, so that nothing waits for the device.
        filled_to: the number of tokens is a multiple of it.

    Attributes:
        shape: (B, T) of the padded batch, T being the longest row.
        num_real: tokens without the filling.
        num_filled: tokens of the filling.
        are_even: whether all rows have one length: flattened or not, tokens lie in the same order.
        num_uses: forward passes that left padding out.
    """

    def __init__(self, lengths: Sequence[int] | np.ndarray, *, filled_to: int = 1) -> None:
        lengths_B = np.asarray(lengths, np.int64)
        self.shape = (len(lengths_B), int(lengths_B.max()))
        order_B = np.argsort(lengths_B, kind="stable")
        self._lengths_B = lengths_B = lengths_B[order_B]
        self.are_even = bool(lengths_B[0] == lengths_B[-1])
        ends_B = np.cumsum(lengths_B)
        places_N = np.arange(ends_B[-1]) - np.repeat(ends_B - lengths_B, lengths_B)
        tokens_N = places_N + np.repeat(order_B * self.shape[1], lengths_B)
        self.num_real = len(tokens_N)
        self.num_filled = filling = -self.num_real % filled_to
        places_N = np.concatenate([places_N, places_N[:1].repeat(filling)])
        tokens_N = np.concatenate([tokens_N, tokens_N[:1].repeat(filling)])
        bounds = np.concatenate([[0], ends_B, [len(tokens_N)] if filling else []]).astype(np.int32)
        self._host = _Index(*(torch.from_numpy(array) for array in (places_N, tokens_N, bounds)))
        self.num_uses = 0
        self._on_device: dict[torch.device, _Index] = {}
        self._flattened: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def groups(self, cost: float) -> list[tuple[slice, Rows]]:
        """Returns rows of about one length together: which tokens they are, and they as a batch of their own.

        Args:
            cost: of one more group, in pairs of tokens that are compared: so much padding is borne instead.
        """
        lengths_B = self._lengths_B[self._lengths_B > 0]
        cuts = cheapest_split(lengths_B.tolist(), (lengths_B**2).tolist(), cost)
        parts = [Rows(part) for part in np.split(lengths_B, cuts)]
        ends = np.cumsum([part.num_tokens for part in parts]).tolist()
        return [(slice(end - part.num_tokens, end), part) for end, part in zip(ends, parts, strict=True)]

    @property
    def num_tokens(self) -> int:
        """N, the number of tokens, the filling included."""
        return len(self._host.tokens)

    def on(self, device: torch.device) -> _Index:
        """Returns the indices on a device; copied once, and without waiting for what it still computes."""
        if device.type == "cpu":
            return self._host
        if device not in self._on_device:
            pinned = (index.pin_memory() if device.type == "cuda" else index for index in self._host)
            self._on_device[device] = _Index(*(index.to(device, non_blocking=True) for index in pinned))
        return self._on_device[device]

    def flat(self, states: torch.Tensor) -> torch.Tensor:
        """Returns (1, N, ...) of (B, T, ...), or of (1, T, ...) that holds for all rows."""
        index = self.on(states.device)
        if states.shape[0] == 1:
            return states[0].index_select(0, index.places)[None]
        if self.are_even and not self.num_filled:
            return states.flatten(0, 1)[None]
        return states.flatten(0, 1).index_select(0, index.tokens)[None]

    def flat_once(self, states: torch.Tensor) -> torch.Tensor:
        """Returns `flat(states)`, computed once of a tensor that every layer is given, such as rotary positions."""
        if states.requires_grad:
            return self.flat(states)
        if id(states) not in self._flattened:
            self._flattened[id(states)] = states, self.flat(states)  # the tensor is kept, so no other takes its id
        return self._flattened[id(states)][1]

    def padded(self, states: torch.Tensor) -> torch.Tensor:
        """Returns (B, T, ...) of (1, N, ...), zeros where padding is."""
        states = states[0, : self.num_real]
        if self.are_even:
            return states.unflatten(0, self.shape)
        (B, T), tokens = self.shape, self.on(states.device).tokens[: self.num_real]
        zeros = states.new_zeros(B * T, *states.shape[1:])
        return zeros.index_copy_(0, tokens, states).unflatten(0, (B, T))

    def is_real(self, device: torch.device) -> torch.Tensor:
        """Returns what is no padding, (B, T), bool."""
        (B, T), tokens = self.shape, self.on(device).tokens
        return torch.zeros(B * T, dtype=torch.bool, device=device).index_fill_(0, tokens, True).view(B, T)


@dataclass(frozen=True, eq=False)
class TokenMask:
    """What layers are given as their attention mask: the rows, and how far a token sees within its own.

    Attributes:
        left: tokens before it that it sees, at most.
        right: tokens after it; 0 in a causal model.
    """

    rows: Rows
    left: int
    right: int
    _bands: dict[int, torch.Tensor | None] = field(default_factory=dict, repr=False)
    _groups: dict[float, list[tuple[slice, TokenMask]]] = field(default_factory=dict, repr=False)

    def groups(self, cost: float) -> list[tuple[slice, TokenMask]]:
        """Returns the groups of its rows (see Rows.groups), each with its own mask; made once for all layers."""
        if cost not in self._groups:
            groups = self.rows.groups(cost)
            self._groups[cost] = [(tokens, TokenMask(rows, self.left, self.right)) for tokens, rows in groups]
        return self._groups[cost]

    def is_causal(self, width: int) -> bool:
        """Tells whether in rows of so many tokens each sees all before it and none after it."""
        return self.right == 0 and self.left >= width - 1

    def window(self, width: int) -> tuple[int, int]:
        """Returns `left` and `right`, -1 where rows of so many tokens do not reach it, as flash attention counts."""
        return -1 if self.left >= width - 1 else self.left, -1 if self.right >= width - 1 else self.right

    def band(self, width: int, device: torch.device) -> torch.Tensor | None:
        """Returns what is seen in rows of so many tokens, (T, T), bool; None where it is all, or all before."""
        if self.is_causal(width) or self.window(width) == (-1, -1):
            return None
        if width not in self._bands:
            places = torch.arange(width, device=device)
            distances = places[None, :] - places[:, None]
            self._bands[width] = (distances <= self.right) & (distances >= -self.left)
        return self._bands[width]
