"""README.md."""

from __future__ import annotations

from pathlib import Path

from ftkit.report.content import ReportContent


def write_card(path: str | Path, content: ReportContent) -> None:
    """Writes the model card of a run."""
    raise NotImplementedError
