"""`ftkit tasks`: the table of kinds and families, and what works; with `--tuners`, of tuners too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ftkit.kinds.tuner_table import Cell


def command(
    tuners: Annotated[
        bool, typer.Option("--tuners", help="Also show which tuners work where. Tries each: some seconds.")
    ] = False,
) -> None:
    """Show which kinds of task work with which checkpoint families."""
    from rich.table import Table

    from ftkit.console import console
    from ftkit.kinds.table import find_kind, kind_names
    from ftkit.types import FAMILIES

    kinds = [find_kind(name) for name in kind_names()]
    families = [family for family in FAMILIES if any(family in kind.task_adapters for kind in kinds)]
    table = Table("kind of task", "reads", *families)
    for kind in kinds:
        table.add_row(kind.name, kind.reads, *("yes" if family in kind.task_adapters else "no" for family in families))
    console(stderr=False).print(table)
    console(stderr=False).print("encoder: BERT, RoBERTa ...; decoder: GPT-2, Llama ...; encoder-decoder: T5, BART ...")
    if tuners:
        _show_tuners()


def _show_tuners() -> None:
    """Prints a row for each method: on which families it works, kind by kind."""
    from rich.table import Table

    from ftkit.console import console, say
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.kinds.table import kind_names
    from ftkit.kinds.tuner_table import tuner_table
    from ftkit.tuners.spec import METHODS

    quiet_libraries()
    cells = list(tuner_table())
    table = Table("tuner", "what moves", *kind_names())
    for name, method in METHODS.items():
        mine = [cell for cell in cells if cell.method == name]
        table.add_row(
            name, method.summary, *(_works_on([cell for cell in mine if cell.kind == k]) for k in kind_names())
        )
    console(stderr=False).print(table)
    for cell in cells:
        if cell.why_not is not None:
            reason = cell.why_not.partition(": ")[2]
            say(f"{cell.method}, {cell.kind}, {cell.family}: {reason}")


def _works_on(cells: Sequence[Cell]) -> str:
    """Returns the families on which a method works for one kind."""
    families = [cell.family for cell in cells if cell.why_not is None]
    return "all" if len(families) == len(cells) else ", ".join(families) or "no"
