"""Columns of rows -> tensors of one shape, with the dtype that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch


def pad_columns(
    rows: Sequence[Mapping[str, Any]], padding: Mapping[str, float], *, left: bool = False
) -> dict[str, torch.Tensor]:
    """Stacks the columns of rows; those with a padding value are filled up to the longest row.

    Example: rows `{"ids": [5, 6, 7], "label": 1}` and `{"ids": [8], "label": 0}` with the padding `{"ids": 0}` give
    `ids` [[5, 6, 7], [8, 0, 0]] and `label` [1, 0]; on the left, `ids` [[5, 6, 7], [0, 0, 8]].

    Args:
        rows: each with the same columns.
        padding: column -> filling value; a column that is not named holds equal shapes, and is stacked.
        left: fill up on the left instead: prompts that are to be continued end together.

    Returns:
        Whole numbers as int64, others as float32.
    """
    return {name: _column([row[name] for row in rows], padding.get(name), left) for name in rows[0]}


def _column(values: Sequence[Any], filling: float | None, left: bool) -> torch.Tensor:
    if filling is None:
        return _tensor(np.asarray(values))
    width = max(len(value) for value in values)
    longest = np.asarray(next(value for value in values if len(value) == width))
    filled = np.full((len(values), *longest.shape), filling, longest.dtype if width else np.int64)
    for target, value in zip(filled, values, strict=True):
        target[slice(width - len(value), None) if left else slice(len(value))] = value
    return _tensor(filled)


def _tensor(array: np.ndarray) -> torch.Tensor:
    # Python floats are 64 bits wide; against such labels the loss and its gradients would be too.
    return torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64, copy=False))


def attention_mask(lengths: Sequence[int], *, left: bool = False) -> torch.Tensor:
    """Returns 1 where positions are real and 0 where they are padding, (B, T), T being the longest row."""
    mask = torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]
    return (mask.flip(1) if left else mask).long()
