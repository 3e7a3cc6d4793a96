"""`ftkit push RUN REPO_ID [--private] [--revision R] [--message M] [--yes]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ftkit.hub import Push


def command(
    run: Annotated[str, typer.Argument(help="A finished run directory, or what ftkit export made of one.")],
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub; it is made if it does not exist.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str | None, typer.Option(help="A branch that exists there; main if left out.")] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit; the run's score if left out.")] = None,
    with_predictions: Annotated[
        bool,
        typer.Option(
            "--with-predictions", help="Also upload predictions, and the texts of your data in report and card."
        ),
    ] = False,
    base: Annotated[
        str | None, typer.Option(help="Of an adapter on a local base: the repository to which that was pushed.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Upload a run to the Hub, after showing what is uploaded and what stays at home."""
    from ftkit.console import say
    from ftkit.errors import UserError
    from ftkit.hub import push

    def confirm(about: Push) -> bool:
        _show(about)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UserError("There is nobody to ask whether this may be uploaded. To say so: --yes")
        return typer.confirm("Upload?", default=False, err=True)

    pushed = push(
        run,
        repo_id,
        private=private,
        revision=revision,
        message=message,
        with_predictions=with_predictions,
        base=base,
        confirm=confirm,
    )
    if pushed is None:
        say("Nothing was uploaded.")
        return
    if pushed.uploaded or pushed.removed:
        say(f"{pushed.url}  {len(pushed.uploaded)} files uploaded, commit {pushed.commit[:12]}")
    else:
        say(f"{pushed.url}  holds this run already, commit {pushed.commit[:12]}")


def _show(about: Push) -> None:
    """Prints what will be uploaded, with sizes, and what will not."""
    from rich.table import Table
    from rich.text import Text

    from ftkit.console import console, note, printable
    from ftkit.report.texts import size_text
    from ftkit.shared_run import size

    access, out = about.access, console()
    state = "private" if access.private else "public"
    what = f"{access.repository}, {state}" if access.exists else f"{access.repository}, new and {state}"
    out.print(printable(f"To {what}, as {access.user}:"), markup=False)
    table = Table("file", "size", "", box=None, pad_edge=False)
    for column in table.columns[1:2]:
        column.justify = "right"
    for name, content in about.shared.files.items():
        table.add_row(
            Text(printable(name)), size_text(size(content)), "" if name in about.changed else "there already"
        )
    for name in about.removed:
        table.add_row(Text(printable(name)), "", "removed there: of an earlier push")
    out.print(table)
    out.print(
        f"{len(about.changed)} files to upload, {size_text(sum(map(size, about.changed.values())))}", markup=False
    )
    at_home = ", ".join(f"{name} ({size_text(number)})" for name, number in about.shared.at_home.items())
    if at_home:
        note(f"Stays at home: {at_home}")
    if about.shared.with_predictions:
        note("Predictions, and the texts of your data in report and card, are uploaded: --with-predictions.")
    elif about.shared.texts_are_public:
        note("Report and card keep texts of the data, which are public already; --with-predictions adds predictions.")
    else:
        note("The texts of your data in report and card stay at home too; --with-predictions uploads them.")
