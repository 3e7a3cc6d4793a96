"""Archives in the form of WebDataset are read as tables, and as streams."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from ftkit.data.readers import ReadOptions, open_table
from ftkit.data.stream.shards import shards_of
from ftkit.errors import DataError


def make_tar(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


SAMPLES = {
    "train/0001.txt": "Où est ma carte ?\n".encode(),
    "train/0001.cls": b"card",
    "train/0001.jpg": b"\xff\xd8",
    "train/.DS_Store": b"x",
    "train/0002.txt": b"two\nlines\r\n",
    "train/0002.cls": b"1",
}


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_the_files_of_a_sample_are_a_row(name: str, tmp_path: Path) -> None:
    table = open_table(make_tar(tmp_path / name, SAMPLES))
    assert table.columns == ("__key__", "txt", "cls")
    first, second = table.rows
    assert first.values == {"__key__": "train/0001", "txt": "Où est ma carte ?", "cls": "card"}
    assert second.values == {"__key__": "train/0002", "txt": "two\nlines", "cls": "1"}
    assert second.line == 2


def test_fields_of_json_are_columns(tmp_path: Path) -> None:
    members = {"1.json": b'{"text": "a", "label": 2}', "1.seg.txt": b"b", "2.json": b'{"text": null}'}
    rows = [row.values for row in open_table(make_tar(tmp_path / "a.tar", members)).rows]
    assert rows == [{"__key__": "1", "text": "a", "label": 2, "seg.txt": "b"}, {"__key__": "2", "text": None}]


def test_it_is_streamed(tmp_path: Path) -> None:
    make_tar(tmp_path / "shard-0.tar", SAMPLES)
    shards = shards_of(str(tmp_path / "shard-*.tar"), ReadOptions())
    assert [row.values["cls"] for shard in shards for row in shard.open().rows] == ["card", "1"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.json": b'{"text": }'}, r"a.tar, 1.json, line 1, column 10: not valid JSON"),
        ({"1.json": b'{"text": NaN}'}, r"1.json: NaN is not JSON"),
        ({"1.txt": b"caf\xe9"}, r"1.txt: byte 4 is not utf-8.*data.encoding"),
        ({"1.txt": b"a", "1.json": b'{"txt": "b"}'}, r"1.json: a second value for the column 'txt'"),
        ({"1.jpg": b"a"}, "sample '1' has no member that is read as text"),
        ({}, "it holds no files"),
    ],
)
def test_what_is_wrong_is_told(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        open_table(make_tar(tmp_path / "a.tar", members))


def test_a_damaged_archive_and_one_of_images(tmp_path: Path) -> None:
    path = Path(make_tar(tmp_path / "a.tar", {f"{number}.txt": b"x" * 2000 for number in range(9)}))
    with pytest.raises(DataError, match=r"(?s)archives of images are not read.*tar -xf a\.tar"):
        open_table(str(path), ReadOptions(media="image"))
    path.write_bytes(path.read_bytes()[:7000])
    with pytest.raises(DataError, match="is no tar archive, or damaged"):
        list(open_table(str(path)).rows)
    path.write_bytes(b"text, and no archive" * 99)
    with pytest.raises(DataError, match="is no tar archive, or damaged"):
        open_table(str(path))


def test_a_bad_sample_may_be_left_out(tmp_path: Path) -> None:
    told: list[DataError] = []
    path = make_tar(tmp_path / "a.tar", {"1.txt": b"a", "2.json": b"{", "3.txt": b"c"})
    rows = list(open_table(path, ReadOptions(on_unreadable=told.append)).rows)
    assert [row.line for row in rows] == [1, 3]
    assert "2.json" in str(told[-1])
