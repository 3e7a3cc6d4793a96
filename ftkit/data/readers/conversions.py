"""Formats that are not read, and how to make one of them that is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from ftkit.data.compression import format_suffix
from ftkit.errors import DataError, closest_name

_SPREADSHEET = "open it in a spreadsheet and save it as .xlsx, or as .csv in UTF-8"
_DATABASE = "sqlite3 -header -csv {path} 'SELECT * FROM NAME' > {stem}.csv"
_DOCUMENT = "save its texts as .txt, one a line, or as .jsonl"

CONVERSIONS: dict[str, str] = {
    ".xls": _SPREADSHEET,
    ".xlsb": _SPREADSHEET,
    ".ods": _SPREADSHEET,
    ".zip": "unpack it and name the file inside: unzip {path}",
    ".tar": "unpack it and name the file inside: tar -xf {path}",
    ".feather": "in Python: pandas.read_feather({file!r}).to_parquet({parquet!r})",
    ".arrow": "if Dataset.save_to_disk wrote it, name its folder; else in Python: "
    "datasets.Dataset.from_file({file!r}).to_parquet({parquet!r})",
    ".orc": "in Python: pandas.read_orc({file!r}).to_parquet({parquet!r})",
    ".pkl": "in Python, if you trust the file, for a pickle can run code: "
    "pandas.read_pickle({file!r}).to_parquet({parquet!r})",
    ".pickle": "in Python, if you trust the file, for a pickle can run code: "
    "pandas.read_pickle({file!r}).to_parquet({parquet!r})",
    ".dta": "in Python: pandas.read_stata({file!r}).to_parquet({parquet!r})",
    ".sav": "in Python: pandas.read_spss({file!r}).to_parquet({parquet!r})",
    ".h5": "in Python: pandas.read_hdf({file!r}).to_parquet({parquet!r})",
    ".hdf5": "in Python: pandas.read_hdf({file!r}).to_parquet({parquet!r})",
    ".db": _DATABASE,
    ".sqlite": _DATABASE,
    ".sqlite3": _DATABASE,
    ".docx": _DOCUMENT,
    ".doc": _DOCUMENT,
    ".pdf": _DOCUMENT,
    ".html": _DOCUMENT,
}
"""Extension -> what makes a file of it that is read."""


_INSTEAD: dict[bytes, str] = {
    b"version https://git-lfs.": "a pointer of Git LFS, which stands for the file.\n"
    "Fix: git lfs pull, in the repository",
    b"\x00\x05\x16\x07": "a file in which macOS keeps what belongs to another.\nFix: name the one without ._",
    b"<!doctype html": "a page of the web, as comes in the place of a file that a server does not give.\n"
    "Fix: open the address in a browser, and save the file itself",
}
"""How a file begins, in small letters -> what it is that lies where data is expected, and what to do."""


def stands_instead(start: bytes, suffix: str) -> str:
    """Returns what a file is that stands where data is expected, by its first bytes; empty if it may be the data.

    A plain text may be that of a page.
    """
    begins = start.lstrip().lower()
    if begins.startswith(b"<") and suffix == ".txt":
        return ""
    return next((told for signature, told in _INSTEAD.items() if begins.startswith(signature)), "")


def no_reader(path: Path, known: Iterable[str]) -> DataError:
    """Returns the error for a file whose format is not read.

    Args:
        path: the file.
        known: extensions that are read.
    """
    suffix, known = format_suffix(path), list(known)
    message = (
        f"{path}: no reader for {path.suffix or 'a file without an extension'}; known: {', '.join(known)}, and these "
        "with .gz, .bz2, .xz or .zst behind them."
    )
    if suffix in CONVERSIONS:
        names = {"path": shlex.quote(str(path)), "file": str(path), "stem": shlex.quote(path.stem)}
        names["parquet"] = f"{path.stem}.parquet"
        return DataError(f"{message}\nFix: {CONVERSIONS[suffix].format(**names)}.")
    near = closest_name(suffix, known) if suffix else None
    meant = f" Did you mean {path.with_suffix(near).name}?" if near else ""
    fix = f"name it by what it holds, such as {path.name if suffix else path.stem}.txt where it is a text a line"
    return DataError(f"{message}{meant}\nFix: {fix}.")
