"""`ftkit tasks`: the table of kinds and families, and what works."""

from __future__ import annotations


def command() -> None:
    """Show which kinds of task work with which checkpoint families."""
    from rich.table import Table

    from ftkit.adapters.table import kinds, works
    from ftkit.console import console
    from ftkit.types import FAMILIES

    table = Table("kind of task", *FAMILIES)
    for kind in kinds():
        table.add_row(kind, *("yes" if works(kind, family) else "no" for family in FAMILIES))
    console(stderr=False).print(table)
    console(stderr=False).print("encoder: BERT, RoBERTa ...; decoder: GPT-2, Llama ...; encoder-decoder: T5, BART ...")
