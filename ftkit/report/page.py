"""report.html."""

from __future__ import annotations

from pathlib import Path

from ftkit.report.content import ReportContent


def write_page(path: str | Path, content: ReportContent) -> None:
    """Writes the report of a run as one self-contained HTML file."""
    raise NotImplementedError
