"""Prints rows token by token: what bears loss stands on lines of its own, in colour where the terminal has colours."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from ftkit.console import console, printable
from ftkit.runs.learnt_pieces import ShownRow

BETWEEN = "·"  # between tokens: of the characters that texts seldom have, the one that catches the eye least
LINE_END = "⏎"
READ, LEARNT = "  read    ", "  learnt  "


def print_rows(rows: Iterable[ShownRow]) -> None:
    """Prints rows on standard output."""
    screen = console(stderr=False)
    for row in rows:
        count = sum(piece.bears_loss for piece in row.pieces)
        share = f"{sum(piece.num_tokens for piece in row.pieces):,} tokens, {count:,} of them learnt"
        screen.print(printable(f"{row.where}: {share}"), markup=False, style="bold")
        for bears_loss, run in itertools.groupby(row.pieces, key=lambda piece: piece.bears_loss):
            text = BETWEEN.join(piece.text.replace("\n", LINE_END) for piece in run)
            label, style = (LEARNT, "green") if bears_loss else (READ, "dim")
            screen.print(label + printable(text), markup=False, style=style)
        screen.print()
