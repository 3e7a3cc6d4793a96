"""Archives in the form of WebDataset are read as tables, and as streams."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from ftkit.data.media_files import is_in_archive, is_media_file, media_size, open_media
from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.data.stream.shards import shards_of
from ftkit.errors import DataError


def make_tar(path: Path, members: dict[str, bytes]) -> str:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
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


IMAGES = ReadOptions(media="image")
PICTURES = {
    "./a/1.mask.png": b"the mask",
    "./a/1.jpg": b"the picture",
    "./a/1.json": b'{"label": "cat"}',
    "./a/1.txt": b"a cat\n",
    "./a/2.jpg": b"another",
    "./a/2.json": b'{"label": "dog"}',
}


def test_images_are_read_where_they_lie(tmp_path: Path) -> None:
    table = open_table(make_tar(tmp_path / "a.tar", PICTURES), IMAGES)
    first, second = table.rows
    assert first.values == {
        **{"__key__": "a/1", "image": "a.tar/a/1.jpg", "mask.png": "a.tar/a/1.mask.png"},
        **{"label": "cat", "txt": "a cat"},
    }
    assert (second.values["image"], second.line, table.folder) == ("a.tar/a/2.jpg", 0, tmp_path)
    path = str(tmp_path / first.values["mask.png"])
    with open_media(path) as file:
        assert (file.read(), file.seek(-4, 2), file.read(2), file.read()) == (b"the mask", 4, b"ma", b"sk")
    assert (media_size(path), is_media_file(path), is_in_archive(path)) == (8, True, True)
    assert not is_media_file(str(tmp_path / "a.tar/a/3.jpg"))
    assert not is_in_archive(str(tmp_path / "a.tar"))
    one = open_table(str(tmp_path / "a.tar/a/2.jpg"), IMAGES)
    assert [row.values["image"] for row in one.rows] == ["2.jpg"]
    assert open_media(str((one.folder or Path()) / "2.jpg")).read() == b"another"
    assert fingerprint(one.source) == hashlib.sha256(b"another").hexdigest()


PAIRS = {"image": ("images", "image"), "mask": ("masks", "mask", "gt")}


@pytest.mark.parametrize(
    ("names", "columns", "expected"),
    [
        (("1.gt.png", "1.jpg"), PAIRS, {"image": "1.jpg", "mask": "1.gt.png"}),
        (("1.png", "1.jpg"), PAIRS, {"image": "1.jpg", "mask": "1.png"}),
        (("1.png", "1.seg.png"), PAIRS, {"image": "1.png", "mask": "1.seg.png"}),
        (("1.mask.png", "1.image.png"), PAIRS, {"image": "1.image.png", "mask": "1.mask.png"}),
        (("1.png", "1.a.png", "1.b.png"), PAIRS, {"image": "1.png", "a.png": "1.a.png", "b.png": "1.b.png"}),
        (("1.a.png", "1.b.png", "1.png"), {"image": (), "b.png": ()}, {"image": "1.png", "b.png": "1.b.png"}),
    ],
)
def test_an_image_and_its_mask_are_told_apart_by_their_endings(
    names: tuple[str, ...], columns: dict[str, tuple[str, ...]], expected: dict[str, str], tmp_path: Path
) -> None:
    path = make_tar(tmp_path / "a.tar", dict.fromkeys(names, b"x"))
    (row,) = open_table(path, ReadOptions(media="image", paired_folders=columns)).rows
    assert {**row.values, **{key: f"a.tar/{name}" for key, name in expected.items()}} == row.values


@pytest.mark.parametrize("name", ["a.tgz", "a.tar.xz"])
def test_images_of_compressed_archives_are_sought_in_a_copy_and_held_in_a_stream(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = make_tar(tmp_path / name, PICTURES)
    (streamed, _) = (row.values for (shard,) in [shards_of(path, IMAGES)] for row in shard.open().rows)
    assert streamed["image"] == {"bytes": b"the picture", "path": f"{name}/a/1.jpg"}
    assert streamed["mask.png"]["bytes"] == b"the mask"
    assert not (tmp_path / "cache").exists()
    sought = [row.values for row in open_table(path, IMAGES).rows]
    assert [row["image"] for row in sought] == [f"{name}/a/1.jpg", f"{name}/a/2.jpg"]
    assert {**sought[0], "image": 0, "mask.png": 0} == {**streamed, "image": 0, "mask.png": 0}
    assert open_media(str(tmp_path / sought[1]["image"])).read() == b"another"


def test_members_that_would_fill_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ftkit.data.readers.tar.FREE_BYTES", 10)
    (shard,) = shards_of(make_tar(tmp_path / "a.tar.gz", PICTURES), IMAGES)
    with pytest.raises(DataError, match=r"a\.tar\.gz, \./a/1\.jpg: it has 11 bytes; .* at most 10 are read"):
        shard.open()


def test_members_lead_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "own.jpg").write_bytes(b"mine")
    link = tarfile.TarInfo("2.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "../own.jpg"
    members = {"../own.jpg": b"theirs", f"{tmp_path}/own.jpg": b"theirs, too"}
    path = make_tar(tmp_path / "a.tar", members)
    with tarfile.open(path, "a") as archive:
        archive.addfile(link)
    for row in open_table(path, IMAGES).rows:
        assert open_media(str(tmp_path / row.values["image"])).read().startswith(b"theirs")
    assert not is_media_file(f"{path}/2.jpg"), "links are not followed"


@pytest.mark.parametrize(
    ("name", "members", "message"),
    [
        ("a.tar", {"1.json": b'{"image": "/home/me/1.jpg"}'}, "1.json: 'image' is the name of the sample's image"),
        ("a.tar", {"1.wav": b""}, "sample '1' has no member that is read, neither of image nor of text"),
    ],
)
def test_what_is_wrong_with_images_is_told(name: str, members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"(?s){message}"):
        open_table(make_tar(tmp_path / name, members), IMAGES)


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


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = Path(make_tar(tmp_path / "a.tar", {f"{number}.txt": b"x" * 2000 for number in range(9)}))
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
