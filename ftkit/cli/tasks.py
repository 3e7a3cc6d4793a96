"""`ftkit tasks`: the table of kinds and families, and what works; with `--tuners`, of tuners too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ftkit.kinds.tuner_table import Cell


_EXAMPLES = (
    "encoder: BERT, ViT ...; decoder: GPT-2, Llama ...; encoder-decoder: T5, BART ...; dual-encoder: CLIP, SigLIP ..."
)


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
    # 80 columns have to do: titles break at their hyphens, and cells stand close.
    titles = (family.replace("-", "-\n") for family in families)
    table = Table("kind of task", "reads", *titles, padding=0)
    for kind in kinds:
        table.add_row(kind.name, kind.reads, *("yes" if family in kind.task_adapters else "no" for family in families))
    console(stderr=False).print(table)
    console(stderr=False).print(_EXAMPLES)
    if tuners:
        _show_tuners()


def _show_tuners() -> None:
    """Prints a row for each method: what it moves, and where it does not work; below, why not."""
    from rich.table import Table

    from ftkit.console import console, say
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.kinds.tuner_table import tuner_table
    from ftkit.tuners.spec import METHODS

    quiet_libraries()
    cells = list(tuner_table())
    table = Table("tuner", "what moves", "works")
    for name, method in METHODS.items():
        table.add_row(name, method.summary, _where_it_works([cell for cell in cells if cell.method == name]))
    console(stderr=False).print(table)
    why_not: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.why_not is not None:
            why_not.setdefault((cell.method, cell.why_not.partition(": ")[2]), []).append(cell)
    for (name, reason), refused in why_not.items():
        say(f"{name}, {_named(refused)}: {reason}")


def _where_it_works(cells: Sequence[Cell]) -> str:
    refused = [cell for cell in cells if cell.why_not is not None]
    return f"but for {_named(refused)}" if refused else "everywhere"


def _named(cells: Sequence[Cell]) -> str:
    """Returns kinds with their families, such as `translation (decoder), token-classification (encoder, decoder)`."""
    families: dict[str, list[str]] = {}
    for cell in cells:
        families.setdefault(cell.kind, []).append(cell.family)
    return ", ".join(f"{kind} ({', '.join(names)})" for kind, names in families.items())
