"""Compressed archives whose members are sought: unpacked once into the cache, within bounds, and never by halves."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from ftkit.data import unpacked
from ftkit.data.media_files import is_media_file, open_media
from ftkit.errors import DataError, MachineError

CONTENT = b"a picture"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ftkit"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write(tmp_path / "a.tar.gz", {"cat/1.jpg": CONTENT, "../2.jpg": b"leads out"})


def write(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def copies(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_member_is_read_from_one_copy_of_the_whole_archive(archive: Path, cache: Path) -> None:
    for _ in range(2):
        assert open_media(f"{archive}/cat/1.jpg").read() == CONTENT
        unpacked._copies.clear()  # as in another process
    (copy,) = copies(cache)
    assert copy.name == unpacked.COPY
    assert copy.read_bytes() == gzip.decompress(archive.read_bytes())
    assert not is_media_file(f"{archive}/cat/2.jpg")
    assert unpacked.plain_archive(str(copy)) == str(copy), "what is not compressed is its own copy"


def test_a_copy_that_was_deleted_or_that_is_of_an_older_archive_is_made_anew(archive: Path, cache: Path) -> None:
    first = Path(unpacked.plain_archive(str(archive)))
    first.unlink()
    first.parent.rmdir()
    assert open_media(f"{archive}/cat/1.jpg").read() == CONTENT
    write(archive, {"cat/1.jpg": b"another"})
    os.utime(archive, ns=(1, 1))
    assert open_media(f"{archive}/cat/1.jpg").read() == b"another"
    assert len(copies(cache)) == 2


def test_what_cannot_be_unpacked_whole_leaves_nothing(
    archive: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTKIT_CACHE_GB", "1e-6")
    with pytest.raises(DataError, match=r"more than the 1e-06 GB that the cache may take.*\n.*gunzip -k"):
        unpacked.plain_archive(str(archive))
    monkeypatch.delenv("FTKIT_CACHE_GB")
    archive.write_bytes(archive.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpacked.plain_archive(str(archive))
    assert copies(cache) == []


def test_a_cache_that_cannot_be_written(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "file"))
    with pytest.raises(MachineError, match="HF_DATASETS_CACHE says in which folder"):
        unpacked.plain_archive(str(archive))
