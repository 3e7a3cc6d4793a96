"""`ftkit pull REPO_ID OUT [--revision R]`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    repo_id: Annotated[str, typer.Argument(help="owner/name on the Hub, or owner/name@revision.")],
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; main if left out.")] = None,
) -> None:
    """Copy a run from the Hub into a folder; nothing of it runs."""
    from ftkit.console import say
    from ftkit.hub import pull

    folder = pull(repo_id, out, revision=revision)
    say(f"{folder}  pulled from {repo_id}")
    if (folder / "ftkit.yaml").is_file():
        say(f'try next   ftkit predict {folder} --text "..."')
