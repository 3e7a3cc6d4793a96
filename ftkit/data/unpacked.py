"""Compressed archives whose members are read one by one: each is unpacked once, as an archive, into the cache.

What is compressed can be read from its beginning alone. So the archive without its compression is kept, one file, of
which a member is read from its offset on. Members never become files of their own, and their names lead nowhere.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from pathlib import Path

from ftkit.console import note
from ftkit.data.compression import is_compressed, open_binary, unpacking
from ftkit.errors import DataError
from ftkit.progress import progress

COPY = "archive.tar"
KEPT_SECONDS = 600.0
"""So often the cache is told that a copy is still used; it deletes what nobody has used within an hour."""

_EDGE_BYTES = 1 << 16
_CHUNK = 1_000_000  # a megabyte, which is what a bar counts

_copies: dict[tuple[str, int, int], tuple[str, float]] = {}


def plain_archive(path: str) -> str:
    """Returns the path of an archive without compression: its own, or that of a copy, made when first asked for.

    A copy is known by its archive's size, time and ends. All processes of a machine share it, and later runs.

    Raises:
        DataError: the archive is damaged, or would take more than the cache may.
        MachineError: the disk of the cache is full.
        OSError: the archive cannot be read.
    """
    if not is_compressed(Path(path)):
        return path
    status = os.stat(path)
    key = (os.path.abspath(path), status.st_mtime_ns, status.st_size)
    copy, told = _copies.get(key, ("", 0.0))
    now = time.monotonic()
    if not copy or now - told > KEPT_SECONDS or not os.path.isfile(copy):
        copy = _copy_of(path, status)
        _copies[key] = copy, now
    return copy


def edge_digest(path: Path) -> str:
    """Returns the digest of the first and the last bytes of a file, where most formats have sums of all others."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_EDGE_BYTES))
        file.seek(max(path.stat().st_size - _EDGE_BYTES, 0))
        digest.update(file.read(_EDGE_BYTES))
    return digest.hexdigest()


def _copy_of(path: str, status: os.stat_result) -> str:
    from ftkit.data.large.cache import cached, key_of

    key = key_of(size=status.st_size, modified=status.st_mtime_ns, edges=edge_digest(Path(path)))
    return str(cached("archive", key, functools.partial(_unpack, Path(path))).path / COPY)


def _unpack(path: Path, folder: Path) -> None:
    """Writes an archive without its compression into a folder of the cache."""
    from ftkit.data.large.cache import most_bytes

    count = 0
    with (
        open_binary(path) as packed,
        open(folder / COPY, "wb") as plain,
        progress(f"unpacking {path.name}", unit="MB") as advance,
    ):
        while chunk := packed.read(_CHUNK):
            count += plain.write(chunk)
            advance(1)
            if count > most_bytes():
                raise DataError(
                    f"{path} unpacks to more than the {most_bytes() / 1e9:g} GB that the cache may take "
                    "(FTKIT_CACHE_GB).\nFix: raise that; or train on it as a stream (data.streaming); or unpack the "
                    f"archive, not what is in it, where there is room: {unpacking(path)}"
                )
    note(
        f"{path} is compressed, and its files are read one by one: it was unpacked into the cache, "
        f"{count / 1e6:,.1f} MB ({folder.parent})"
    )
