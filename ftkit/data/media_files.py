"""Files of images and recordings, which may lie in a tar archive: `shard.tar/cat/1.jpg` is a member of `shard.tar`.

A member is read where it lies, from its offset on; nothing of an archive is held, and nothing unpacked but what is
compressed, as a whole (ftkit.data.unpacked). Where its members lie is
looked up once in a process, by their headers alone, so that every worker finds them for itself.
"""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import tarfile
import unicodedata
from collections.abc import Hashable, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from ftkit.data.compression import COMPRESSIONS
from ftkit.data.unpacked import plain_archive

_IN_ARCHIVE = re.compile(rf"\.(?:tar(?:{'|'.join(map(re.escape, COMPRESSIONS))})?|tgz)/", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:https?|s3|gs):/+\w", re.IGNORECASE)  # as paths have it, in which `//` is `/`
NUM_ARCHIVES = 64
"""Archives whose members are known at a time: those of a shuffled block, at 100 bytes a member and its name."""


def open_media(path: str) -> BinaryIO:
    """Opens a file, or a member of an archive.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    place = _place(path)
    if place is None:
        return open(path, "rb")
    archive, start, size = place
    return io.BufferedReader(_Member(archive, start, size))


def is_media_file(path: str) -> bool:
    """Tells whether there is such a file or member."""
    try:
        return _place(path) is not None or os.path.isfile(path)
    except OSError:
        return False


def is_address(path: str) -> bool:
    """Tells whether what stands where a path is expected is an address of the web."""
    return _ADDRESS.search(path) is not None


def similar_file(path: str) -> str | None:
    """Returns the name of the file that is meant where there is none of a path's name, or None.

    It lies in the same folder, and differs in case, its ending, spaces around it or how letters are encoded; or the
    path is one of Windows.
    """
    folder, name = os.path.split(path.replace("\\", "/"))
    names = _names_by_key(folder or ".")
    return names.get(_key(name)) or names.get(_key(name, whole=False))


def _key(name: str, *, whole: bool = True) -> tuple[bool, str]:
    name = unicodedata.normalize("NFC", name).casefold().strip()
    return whole, name if whole else os.path.splitext(name)[0]


@functools.lru_cache(maxsize=NUM_ARCHIVES)
def _names_by_key(folder: str) -> Mapping[tuple[bool, str], str]:
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return {_key(name, whole=whole): name for whole in (True, False) for name in names}


def is_in_archive(path: object) -> bool:
    """Tells whether a path leads into an archive, where programs other than ftkit do not find it."""
    return isinstance(path, str) and not os.path.isfile(path) and is_media_file(path)


def media_size(path: str) -> int:
    """Returns the bytes of a file or member; raises as `open_media`."""
    place = _place(path)
    return os.stat(path).st_size if place is None else place[2]


def media_stamp(path: str) -> Hashable:
    """Returns what changes when a file, or the archive of a member, does; raises as `open_media`."""
    place = _place(path)
    status = os.stat(path if place is None else place[0])
    return status.st_mtime_ns, status.st_size


def member_name(name: str) -> str:
    """Returns a member's name as a path holds it: `1.jpg` of `./1.jpg`."""
    return str(PurePosixPath(name)).lstrip("/")


def member_places(archive: str) -> Mapping[str, tuple[int, int]]:
    """Returns name of a member -> where it begins in an archive that is not compressed, and its size, in bytes.

    Raises:
        OSError: the archive cannot be read.
    """
    status = os.stat(archive)
    return _member_places(archive, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=NUM_ARCHIVES)
def _member_places(archive: str, stamp: Hashable) -> Mapping[str, tuple[int, int]]:
    try:
        with tarfile.open(archive, "r:") as file:
            return {member_name(it.name): (it.offset_data, it.size) for it in file if it.isfile()}
    except tarfile.TarError as error:
        raise OSError(errno.EIO, f"{archive} is no tar archive, or damaged: {error}") from None


def _place(path: str) -> tuple[str, int, int] | None:
    """Returns archive, offset and size of a member; None of a path that leads into no archive."""
    posix = path.replace(os.sep, "/")
    for found in _IN_ARCHIVE.finditer(posix):
        archive, name = path[: found.end() - 1], posix[found.end() :]
        if os.path.isfile(archive):
            plain = plain_archive(archive)
            place = member_places(plain).get(name)
            if place is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            return plain, *place
    return None


class _Member(io.RawIOBase):
    """The bytes of a file from `start` on, so many of them, as a file of their own."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = open(path, "rb", buffering=0), start, size, 0  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if begin + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(memoryview(buffer)[: max(self._size - self._at, 0)]) or 0
        self._at += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
