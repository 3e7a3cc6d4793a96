"""`ftkit env`: versions and hardware, for a bug report."""

from __future__ import annotations


def command() -> None:
    """Print versions and hardware as JSON."""
    from ftkit.console import say_json
    from ftkit.runs.environment import environment

    say_json(environment())
