"""Opens files that may be compressed: `.gz`, `.bz2`, `.xz` and `.zst` after the extension of their format."""

from __future__ import annotations

import importlib
import io
import lzma
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from ftkit.errors import DataError

COMPRESSIONS: dict[str, tuple[str, str]] = {
    ".gz": ("gzip", "gunzip"),
    ".bz2": ("bz2", "bunzip2"),
    ".xz": ("lzma", "unxz"),
    ".zst": ("zstd", "unzstd"),
    ".tgz": ("gzip", "gunzip"),
}
"""Extension -> the module that reads it, and the command that unpacks it."""

_JOINED = {".tgz": ".tar"}
"""Extension that says a compression and a format -> the format."""

FREE_BYTES = 256 << 20
"""What any file may unpack to, however small it is."""

MAX_RATIO = 200
"""Above `FREE_BYTES` a file may unpack to so many times its size. Text shrinks by 3 to 20, rarely by 100; a file that
is made to fill a memory shrinks by 1,000 (gzip) and more."""

_SIGNATURES: dict[bytes, str] = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\0": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PAR1": ".parquet",
    b"PK\x03\x04": ".zip",
    b"%PDF": ".pdf",
    b"\xd0\xcf\x11\xe0": ".xls",
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"SQLite format": ".sqlite",
}

_OFFICE: dict[bytes, str] = {
    **dict.fromkeys((b"[Content_Types].xml", b"xl/", b"docProps/", b"_rels/.rels"), ".xlsx"),
    b"opendocument.spreadsheet": ".ods",
}
"""What the first member of an archive holds -> the extension of the spreadsheet that it is."""


def format_suffix(path: Path) -> str:
    """Returns the extension that says a file's format, in lower case: `.csv` of `a.csv` and of `a.CSV.gz`."""
    suffix = path.suffix.lower()
    if suffix in _JOINED:
        return _JOINED[suffix]
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def is_compressed(path: Path) -> bool:
    """Tells by its name whether a file is compressed."""
    return path.suffix.lower() in COMPRESSIONS


def open_binary(path: Path) -> IO[bytes]:
    """Opens a file; what is read of a compressed one is its content.

    Reading raises DataError where the file is damaged, cut short, or unpacks to far more than it should.
    """
    if not is_compressed(path):
        return open(path, "rb")
    return io.BufferedReader(_Unpacked(path, _opener(path)(path, "rb")), buffer_size=1 << 16)


def disguise(path: Path) -> str:
    """Returns what a file is that is read as text but begins as another format does; empty if it is no such file."""
    with open_binary(path) as file:
        start = file.read(80)
    suffix = next((suffix for signature, suffix in _SIGNATURES.items() if start.startswith(signature)), "")
    if not suffix:
        return ""
    if suffix == ".zip":  # spreadsheets are archives, which say by their first member what they are
        suffix = next((office for member, office in _OFFICE.items() if member in start), suffix)
    name = f"{path.name}{suffix}" if suffix in COMPRESSIONS else path.with_suffix(suffix).name
    return f"{path} is no text: it begins as {suffix} files do.\nFix: name it so, {name}, or convert it"


class _Unpacked(io.RawIOBase):
    """The content of a compressed file, as a stream that says what is wrong with it."""

    def __init__(self, path: Path, stream: Any) -> None:
        self._path, self._stream, self._count = path, stream, 0
        self._limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # A BadGzipFile is an OSError, and so is what bz2 raises.
        try:
            content = self._stream.read(len(buffer))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, _zstd_error()) as error:
            raise DataError(
                f"{self._path} cannot be unpacked: {error}.\nFix: the file is damaged, cut short or not compressed as "
                "its name says; copy or write it again."
            ) from None
        self._count += len(content)
        if self._count > self._limit:
            raise DataError(
                f"{self._path} unpacks to more than {MAX_RATIO} times its size, as files do that are made to fill a "
                f"memory.\nFix: if you trust it, unpack it and name the file itself: {unpacking(self._path)}"
            )
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()


def unpacking(path: Path) -> str:
    """Returns the command that unpacks a file."""
    return f"{COMPRESSIONS[path.suffix.lower()][1]} -k {shlex.quote(str(path))}"


def _opener(path: Path) -> Callable[[Path, str], Any]:
    module = COMPRESSIONS[path.suffix.lower()][0]
    if module != "zstd":
        return importlib.import_module(module).open
    zstd = _zstd()
    if zstd is None:
        raise DataError(
            f"{path}: Python before 3.14 does not read .zst by itself.\nFix: pip install 'ftkit[zstd]', or unpack it "
            f"and name the file itself: {unpacking(path)}"
        )
    return zstd.open


def _zstd() -> Any:
    """Returns the module of Python 3.14, or its backport, or None."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _zstd_error() -> type[Exception]:
    module = _zstd()
    return EOFError if module is None else module.ZstdError
