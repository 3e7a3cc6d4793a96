"""Options that several commands share: what the user says of columns, metrics, languages and trust."""

from __future__ import annotations

from typing import Annotated

import typer

TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run code that the run or checkpoint itself asks for. Without it opening one, wherever from, runs none.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="A kind, of a checkpoint that ftkit did not make; or path.py:NAME, of a run whose task prepares rows."
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="ROLE=COLUMN[,...]", help="Such as text=body,label=intent; may be repeated."),
]
Delimiter = Annotated[str | None, typer.Option(help="Between the cells of csv files.")]
Encoding = Annotated[str | None, typer.Option(help="Of text files, such as latin-1.")]
SourceLang = Annotated[
    str | None, typer.Option(help="Of a checkpoint that ftkit did not make: the language it translates from.")
]
TargetLang = Annotated[str | None, typer.Option(help="Likewise: the language it translates to.")]
PromptTemplate = Annotated[
    str | None, typer.Option(help="Likewise: what a decoder reads, with {source} where the text goes.")
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME[,...]", help="Such as accuracy,f1; the run's own if left out. May be repeated."),
]


def role_columns(given: list[str] | None) -> dict[str, str]:
    """Returns role -> column of `text=body,label=intent`.

    Raises:
        UserError: a part is no such pair, or a role is named twice.
    """
    from ftkit.errors import UserError

    columns: dict[str, str] = {}
    for part in _parts(given):
        role, equals, column = (piece.strip() for piece in part.partition("="))
        if not (role and equals and column):
            raise UserError(f"--columns: expected ROLE=COLUMN such as text=body,label=intent, got {part!r}.")
        if role in columns:
            raise UserError(f"--columns: the role {role!r} is named twice. Name it once.")
        columns[role] = column
    return columns


def metric_names(given: list[str] | None) -> tuple[str, ...] | None:
    """Returns the names of metrics, or None where none is given.

    Raises:
        UserError: the option is there and empty.
    """
    from ftkit.errors import UserError

    if given is None:
        return None
    names = tuple(_parts(given))
    if not names:
        raise UserError("--metrics: no metric is named. Say for example --metrics accuracy,f1, or leave it out.")
    return names


def _parts(given: list[str] | None) -> list[str]:
    return [part.strip() for text in given or () for part in text.split(",") if part.strip()]
