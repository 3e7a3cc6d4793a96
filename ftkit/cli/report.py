"""`ftkit report RUN`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="A finished run directory, also one that was pulled from elsewhere.")],
) -> None:
    """Write report.html and the model card of a run again, keeping what was written into the card by hand."""
    from ftkit.console import note
    from ftkit.errors import UserError
    from ftkit.models.repository import parse_repository
    from ftkit.report.files import rebuild
    from ftkit.runs.open_run import open_run

    if parse_repository(run) is not None:
        raise UserError(f"{run} is on the Hub, where a report is not written. Get it first: ftkit pull {run} OUT")
    folder, _ = open_run(run)
    rebuild(folder)
    note(f"{folder}: report.html and README.md written again; what was edited in README.md was kept")
