"""Logits over a vocabulary, at the positions that bear loss alone: all others are read by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftkit.adapters.preprocessors.tokens import NO_LOSS

if TYPE_CHECKING:
    import torch


class ReadLogits(NamedTuple):
    """What a loss over tokens reads of N positions.

    Attributes:
        logits: of each, float32, (N, V).
        labels: the token that it should tell, (N,).
        rows: the row that it belongs to, (N,).
        num_rows: R.
    """

    logits: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor
    num_rows: int

    def summed(self, values_N: torch.Tensor) -> torch.Tensor:
        """Returns the sums of the values of each row, (R,)."""
        return values_N.new_zeros(self.num_rows).index_add(0, self.rows, values_N)


def read_logits(logits: torch.Tensor, labels_RT: torch.Tensor) -> ReadLogits:
    """Returns the logits of tokens that bear loss, and their labels.

    Args:
        logits: of all positions, (R, T, V), or more before them; or (1, N, V), those that bear loss, row by row: a
            model may have computed no others.
        labels_RT: NO_LOSS where there is none.

    Example: labels of 2 rows, `[[-100, 7], [-100, -100]]`, read one position of 2 x 2: the second of the first row.
    """
    bears_RT = labels_RT != NO_LOSS
    labels_N, rows_N = labels_RT[bears_RT], bears_RT.nonzero()[:, 0]
    are_read_alone = logits.shape[:2] == (1, len(labels_N))
    logits_NV = logits[0] if are_read_alone else logits[:, -labels_RT.shape[1] :][bears_RT]
    return ReadLogits(logits_NV.float(), labels_N, rows_N, len(labels_RT))
