"""Recordings of different lengths, one after another: for models that hear what fills up a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ftkit.adapters.rows import Batch

if TYPE_CHECKING:
    import torch


def parts_of_equal_lengths(batch: Batch) -> Iterator[tuple[torch.Tensor, Batch]]:
    """Yields the places of rows, and the rows, without what fills them up; all at once where a mask leaves that out.

    Some checkpoints hear the silence that fills up a batch: norms run over it (wav2vec2 with group norms, Moonshine),
    or convolutions reach into it (Speech2Text). So recordings of different lengths are run one after another, each as
    it would be by itself, and what is predicted of one does not depend on the others.

    Example: rows of 800, 500 and 800 samples are the rows [1], 500 samples wide, and [0, 2], 800 wide.
    """
    import torch

    lengths = batch.extras.get("num_columns")
    if lengths is None:
        yield torch.arange(len(batch)), batch
        return
    for length in lengths.unique().tolist():
        chosen = (lengths == length).nonzero().squeeze(1)
        rows = batch.take(chosen.cpu().numpy())
        yield chosen, replace(rows, inputs={name: values[:, :length] for name, values in rows.inputs.items()})
