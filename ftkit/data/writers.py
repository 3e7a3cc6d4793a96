"""Writes predictions, one row at a time, in the format that the file's extension names."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from ftkit.console import data_on_stdout, printable_json
from ftkit.data.array_writers import NpyWriter, ParquetWriter
from ftkit.data.files import atomic_file, json_safe
from ftkit.data.predicted_files import FilesBeside, without_files
from ftkit.errors import UserError, did_you_mean
from ftkit.paths import user_path

STDOUT = "-"


class Writer(Protocol):
    """Takes rows; what `open_writer` gives.

    Attributes:
        num_made_safe: cells that were changed so that no spreadsheet runs them.
    """

    num_made_safe: int

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""


class Unwritten:
    """Takes rows that another process writes."""

    num_made_safe = 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Does nothing."""


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class JsonlWriter:
    """One JSON object a line; NaN and infinities become null."""

    num_made_safe = 0

    def __init__(
        self,
        file: TextIO,
        *,
        encode: Callable[[Any], str] = _ENCODE,
    ) -> None:
        self._file, self._encode = file, encode

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        try:
            line = self._encode(row)
        except ValueError:  # a row with NaN or an infinity; looking for one in every row takes longer than writing it
            line = self._encode(json_safe(row))
        self._file.write(line + "\n")


class CsvWriter:
    """Cells that `ftkit.data.readers.csv` reads back as they were; the first row makes the header.

    `{"id": 0, "label": "a", "scores": {"a": 0.9, "b": 0.1}}` becomes the columns `id`, `label`, `score_a`
    and `score_b`. Numbers keep all their digits; None, NaN and infinities become empty cells; lists are
    written as JSON.
    """

    def __init__(self, file: TextIO, *, columns: Sequence[str] = (), spreadsheet_safe: bool = False) -> None:
        """Makes a writer.

        Args:
            columns: what every row has a cell for at the end, though only some rows say it.
            spreadsheet_safe: texts that a spreadsheet would run begin with an apostrophe, which it does not show.
        """
        self.num_made_safe, self._last, self._spreadsheet_safe = 0, columns, spreadsheet_safe
        # With "\r\n" as its line end the csv module quotes a lone "\r" too, on every version of Python.
        self._rows = csv.writer(_UnixLineEnds(file), lineterminator="\r\n")
        self._columns: list[str] | None = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row; every row has the columns of the first."""
        cells = _flattened({**row, **{name: row.get(name) for name in self._last}})
        if self._spreadsheet_safe:
            cells = {name: self._safe(cell) for name, cell in cells.items()}
        if self._columns is None:
            self._columns = list(cells)
            self._rows.writerow(self._columns)
        assert list(cells) == self._columns, f"rows differ in columns: {list(cells)}, {self._columns}"
        self._rows.writerow(cells.values())

    def _safe(self, cell: Any) -> Any:
        if not isinstance(cell, str) or not _RUN.match(cell) or _NUMBER.fullmatch(cell):
            return cell
        self.num_made_safe += 1
        return f"'{cell}"


# What begins a formula in Excel, LibreOffice and Google Sheets, also written full-width; a tab or line break before it
# is dropped. A number is none (https://owasp.org/www-community/attacks/CSV_Injection).
_RUN = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class _UnixLineEnds:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        self._file.write(row.removesuffix("\r\n") + "\n")


class ConllWriter:
    """One word and its tag a line, between them a tab; a blank line after each sentence, as scorers read it.

    A tab or line break within a word becomes a space: either would end it.
    """

    num_made_safe = 0

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Raises:
            UserError: it holds no words and tags.
        """
        if row.get("words", "") is None:  # it could not be predicted, and is an empty sentence
            self._file.write("\n")
            return
        if "words" not in row or "tags" not in row:
            raise UserError("The format conll holds words with tags; these predictions have none. Choose jsonl.")
        for word, tag in zip(row["words"], row["tags"], strict=True):
            self._file.write(f"{_LINE_PARTS.sub(' ', word)}\t{tag}\n")
        self._file.write("\n")


class TxtWriter:
    """The written text of each row, one a line; a line break within one becomes a space."""

    num_made_safe = 0

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Raises:
            UserError: it holds no written text.
        """
        text = row.get("prediction", 0)
        if text is not None and not isinstance(text, str):
            raise UserError("The format txt holds written texts; these predictions have none. Choose jsonl.")
        self._file.write(" ".join((text or "").splitlines()) + "\n")  # line N stays that of row N


_LINE_PARTS = re.compile(r"[\t\r\n]")

VECTORS = "npy"
"""The format of vectors alone."""

WRITERS: dict[str, Callable[..., Writer]] = {
    "jsonl": JsonlWriter,
    "csv": CsvWriter,
    "conll": ConllWriter,
    "txt": TxtWriter,
    VECTORS: NpyWriter,
    "parquet": ParquetWriter,
}
"""Format -> writer; the extension of a file is its format."""


def format_of(path: str | Path | None, format: str | None = None) -> str:
    """Returns the format that rows are written in: as it is said, else a file's extension, else jsonl."""
    to_stdout = path is None or str(path) == STDOUT
    return format or ("jsonl" if to_stdout else Path(str(path)).suffix.removeprefix(".").lower())


@contextmanager
def open_writer(
    path: str | Path | None,
    format: str | None = None,
    *,
    columns: Sequence[str] = (),
    spreadsheet_safe: bool = False,
) -> Iterator[Writer]:
    """Opens a file to write rows to; it appears, whole, only when the block ends without an exception.

    Args:
        path: None or `-` means standard output.
        format: a key of `WRITERS`; default: the file's extension, or jsonl on standard output.
        columns: as of `CsvWriter`; rows of other formats say only what they have.
        spreadsheet_safe: as of `CsvWriter`; other formats are not opened by spreadsheets.

    Raises:
        UserError: no such format, or the file cannot be written.
    """
    to_stdout, name = path is None or str(path) == STDOUT, format_of(path, format)
    if name not in WRITERS:
        raise UserError(
            f"{path}: cannot write the format {name!r}; known: {', '.join(WRITERS)}."
            f"{did_you_mean(name, WRITERS)} Choose one by the file's extension or by --format."
        )
    options: dict[str, Any] = {"columns": columns} if name in ("csv", "parquet") else {}
    options |= {"spreadsheet_safe": spreadsheet_safe} if name == "csv" else {}
    if to_stdout and name == "jsonl":
        yield JsonlWriter(sys.stdout, encode=_printable)
        return
    # newline="": a line break inside a cell must not be changed, and the writers end their own lines.
    opened = data_on_stdout() if to_stdout else atomic_file(str(path), newline="")
    with FilesBeside(None if to_stdout else user_path(str(path))) as files, opened as file:
        writer = WRITERS[name](file, **options)
        is_whole = False
        try:
            yield _WithFiles(writer, files)
            is_whole = True
        finally:
            if isinstance(writer, (NpyWriter, ParquetWriter)):
                writer.close(is_whole=is_whole)


class _WithFiles:
    """Writes what of a row is a file beside the rows, and the row with its path."""

    def __init__(self, writer: Writer, files: FilesBeside) -> None:
        self._writer, self._files, self.num_made_safe = writer, files, 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        self._writer.write(self._files.written(row))
        self.num_made_safe = self._writer.num_made_safe


def _printable(row: Any) -> str:
    """Returns a row for the screen, where no file can lie beside it."""
    return printable_json(without_files(row))


_SPREAD = {"scores": "score", "shares": "share"}  # a cell with a number for each label -> what each is called


def _flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if name in _SPREAD and isinstance(value, Mapping):
            cells.update({f"{_SPREAD[name]}_{label}": _cell(score) for label, score in value.items()})
        else:
            cells[name] = _cell(value)
    return cells


def _cell(value: Any) -> Any:
    value = json_safe(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
