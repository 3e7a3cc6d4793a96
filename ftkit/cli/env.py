"""`ftkit env`: versions and hardware, for a bug report."""

from __future__ import annotations

import typer


def command() -> None:
    """Print versions and hardware as JSON."""
    import json

    from ftkit.runs.environment import environment

    typer.echo(json.dumps(environment(), indent=2))
