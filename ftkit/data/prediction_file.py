"""The file that predictions are written to: checked before a model is loaded, opened when rows come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.console import is_main_process
from ftkit.data.outputs import check_output
from ftkit.data.resumable import check_resumable, resumable_writer
from ftkit.data.spec import Source
from ftkit.data.writers import VECTORS, Unwritten, Writer, format_of, open_writer
from ftkit.errors import UserError


@dataclass(frozen=True, kw_only=True)
class PredictionFile:
    """Where predictions are written, and in which form.

    Attributes:
        path: of the file; None or `-` means standard output.
        format: a key of `ftkit.data.writers.WRITERS`; None for the file's extension.
        on_bad_row: what becomes of rows that cannot be predicted; `empty` gives each row a cell for its error.
        spreadsheet_safe: whether csv has an apostrophe before texts that a spreadsheet would run.
        resumes: whether rows that an interrupted call has left are gone on with.
    """

    path: str | None = None
    format: str | None = None
    on_bad_row: str = "empty"
    spreadsheet_safe: bool = True
    resumes: bool = False

    def check(self, source: Source | None, run: str | Path) -> None:
        """Refuses a file that cannot be written, or cannot be gone on with. Nothing is opened.

        Args:
            source: what rows are read from; None for texts that were typed.
            run: the folder of what predicts.

        Raises:
            UserError: it is what is read; or the rows that are there could not be told from those that are missing.
        """
        check_output(self.path, sources=[source], run=run)
        if not self.resumes:
            return
        if source is None or self.path is None or self.path == "-":
            raise UserError("--resume needs --input and --output: the rows that are there are those of a file.")
        if self.on_bad_row == "skip":
            raise UserError(
                "--resume: with --on-bad-row skip nobody can tell how many rows of the input are done. Use empty: "
                "such rows say what is wrong with them."
            )
        if self.format not in (None, "jsonl"):
            raise UserError(
                f"--resume: rows are added to JSON lines only, got --format {self.format}. Leave --format out."
            )
        check_resumable(self.path)

    @property
    def holds_vectors(self) -> bool:
        """Whether the file has vectors alone, and no answers made of them."""
        return format_of(self.path, self.format) == VECTORS

    @contextmanager
    def opened(self, facts: Callable[[], Mapping[str, Any]]) -> Iterator[tuple[Writer, int]]:
        """Gives a writer, and the number of rows that are there already. Only the main process writes.

        Args:
            facts: returns name -> what the rows follow from, asked where the file resumes; the rows that are there
                have to follow from the same.

        Raises:
            UserError: the file cannot be written, or its rows follow from something else.
        """
        if not is_main_process():
            yield Unwritten(), 0
        elif self.resumes and self.path is not None:
            with resumable_writer(self.path, facts()) as (writer, num_done):
                yield writer, num_done
        else:
            columns = ("error",) if self.on_bad_row == "empty" else ()
            with open_writer(
                self.path, self.format, columns=columns, spreadsheet_safe=self.spreadsheet_safe
            ) as written:
                yield written, 0
