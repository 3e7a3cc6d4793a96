"""Folders of images and sounds: what is read, what is left out and said, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.data.readers.table import Table
from ftkit.errors import DataError

IMAGES = ReadOptions(media="image")


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def read(folder: Path, media: str = "image") -> Table:
    return open_table(str(folder), ReadOptions(media=media))


def rows(table: Table) -> list[dict[str, str]]:
    return [dict(row.values) for row in table.rows]


def failure(folder: Path, media: str = "image") -> str:
    with pytest.raises(DataError) as caught:
        rows(read(folder, media))
    return str(caught.value)


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("ftkit.data.readers.folder.warn", said.append)
    return said


def test_a_folder_for_each_class_in_natural_order(tmp_path, warnings):
    make(tmp_path, "dog/10.jpg", "dog/2.PNG", "dog/1.jpeg", "class 10/a.webp", "class 9/a.jpg")
    table = read(tmp_path)
    assert (table.source, table.columns, table.folder) == (str(tmp_path), ("image", "label"), tmp_path)
    assert [tuple(row.values()) for row in rows(table)] == [
        ("class 9/a.jpg", "class 9"),
        ("class 10/a.webp", "class 10"),
        ("dog/1.jpeg", "dog"),
        ("dog/2.PNG", "dog"),
        ("dog/10.jpg", "dog"),
    ]
    assert {row.line for row in table.rows} == {0}
    assert warnings == []


def test_sounds_are_read_in_the_same_way(tmp_path, warnings):
    make(tmp_path, "yes/1.wav", "no/1.flac", "no/cover.jpg")
    assert rows(read(tmp_path, "audio")) == [
        {"audio": "no/1.flac", "label": "no"},
        {"audio": "yes/1.wav", "label": "yes"},
    ]
    assert warnings == [f"{tmp_path}: 1 file is not read, being hidden or no audio: 'no/cover.jpg'"]


def test_other_files_are_named_and_not_read(tmp_path, warnings):
    make(tmp_path, "cat/1.jpg", "cat/.2.jpg", "cat/notes.txt", "README.md", ".git/3.jpg", "Thumbs.db", "bird/song.wav")
    assert rows(read(tmp_path)) == [{"image": "cat/1.jpg", "label": "cat"}]
    assert warnings == [
        f"{tmp_path}: 5 files are not read, being hidden or no image: "
        "'bird/song.wav', 'cat/.2.jpg', 'cat/notes.txt', 'README.md', 'Thumbs.db'",
        f"{tmp_path}: no image files in 'bird', which is no class then",
    ]


def test_files_alone_are_rows_to_predict(tmp_path):
    make(tmp_path, "b.jpg", "a.jpg")
    table = read(tmp_path)
    assert rows(table) == [{"image": "a.jpg"}, {"image": "b.jpg"}]
    assert "sort the files into" in str(table.missing_column("label", role="label"))


def test_one_file_is_one_row(tmp_path):
    make(tmp_path, "a.JPG")
    table = open_table(str(tmp_path / "a.JPG"), IMAGES)
    assert (rows(table), table.folder, table.source) == ([{"image": "a.JPG"}], tmp_path, str(tmp_path / "a.JPG"))
    with pytest.raises(DataError, match="no reader for .JPG"):
        open_table(str(tmp_path / "a.JPG"))


def test_splits_are_no_classes(tmp_path):
    make(tmp_path / "deep", "train/cat/1.jpg", "test/cat/2.jpg")
    assert f"data.train: {tmp_path / 'deep' / 'test'}" in failure(tmp_path / "deep")
    make(tmp_path / "flat", "train/1.jpg", "val/2.jpg")
    assert "is a split and no class" in failure(tmp_path / "flat")
    make(tmp_path / "vehicles", "train/1.jpg", "bus/2.jpg")
    assert [row["label"] for row in rows(read(tmp_path / "vehicles"))] == ["bus", "train"]


def test_folders_in_class_folders_are_refused(tmp_path):
    make(tmp_path, "cat/1.jpg", "cat/persian/2.jpg")
    assert f"{tmp_path / 'cat' / 'persian'} is a folder inside of the class folder 'cat'" in failure(tmp_path)


def test_an_empty_folder_in_a_class_folder_is_no_matter(tmp_path):
    make(tmp_path, "cat/1.jpg", "cat/notes/old.txt")
    assert len(rows(read(tmp_path))) == 1


def test_files_beside_class_folders_are_refused(tmp_path):
    make(tmp_path, "cat/1.jpg", "2.jpg")
    assert "'2.jpg'" in failure(tmp_path)


def test_a_folder_of_something_else(tmp_path):
    make(tmp_path, "train.csv")
    assert "is a folder without image files (.jpg" in failure(tmp_path)
    with pytest.raises(DataError, match=r"is a folder; expected a file such as one of those inside: 'train.csv'"):
        open_table(str(tmp_path))


@pytest.mark.parametrize(("name", "content"), [
    ("metadata.csv", "file_name,label,age\n1.jpg,cat,3\nsub/2.jpg,dog,4\n"),
    ("metadata.tsv", "age\timage\tlabel\n3\t1.jpg\tcat\n4\tsub/2.jpg\tdog\n"),
    ("metadata.jsonl", '{"file_name": "1.jpg", "label": "cat", "age": "3"}\n'
                       '{"file_name": "sub/2.jpg", "label": "dog", "age": "4"}\n'),
])  # fmt: skip
def test_metadata_beside_the_files(tmp_path, warnings, name, content):
    make(tmp_path, "1.jpg", "sub/2.jpg", "sub/3.jpg")
    (tmp_path / name).write_text(content)
    table = read(tmp_path)
    assert rows(table) == [
        {"image": "1.jpg", "label": "cat", "age": "3"},
        {"image": "sub/2.jpg", "label": "dog", "age": "4"},
    ]
    assert set(table.columns) == {"image", "label", "age"}
    assert (table.folder, table.source) == (tmp_path, str(tmp_path / name))
    assert warnings == [
        f"{tmp_path / name} does not name 1 of the image files beside it, which are not read: 'sub/3.jpg'"
    ]


def test_metadata_that_does_not_fit(tmp_path):
    make(tmp_path, "1.jpg")
    (tmp_path / "metadata.csv").write_text("filename,label\n1.jpg,cat\n")
    assert "Did you mean 'filename'?" in failure(tmp_path)
    (tmp_path / "metadata.jsonl").write_text("{}\n")
    assert "keep one of them" in failure(tmp_path)


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "cat/../../secret.jpg"])
def test_metadata_cannot_name_files_outside(tmp_path, name):
    make(tmp_path, "secret.jpg", "photos/cat/1.jpg")
    (tmp_path / "photos" / "metadata.csv").write_text(f"file_name,label\n{name},cat\n")
    assert f"leads out of {tmp_path / 'photos'}" in failure(tmp_path / "photos")


def test_links_are_followed_inside_and_refused_outside(tmp_path):
    photos = make(tmp_path / "photos", "cat/1.jpg")
    make(tmp_path, "mine/secret.jpg")
    os.symlink(photos / "cat" / "1.jpg", photos / "cat" / "2.jpg")
    os.symlink("cat", photos / "kitten")
    assert [row["image"] for row in rows(read(photos))] == ["cat/1.jpg", "cat/2.jpg", "kitten/1.jpg", "kitten/2.jpg"]
    os.symlink(tmp_path / "mine" / "secret.jpg", photos / "cat" / "3.jpg")
    assert f"{photos / 'cat' / '3.jpg'} leads out of {photos}" in failure(photos)
    with pytest.raises(DataError, match="leads out of"):
        fingerprint(str(photos))
    (photos / "cat" / "3.jpg").unlink()
    os.symlink(tmp_path / "mine", photos / "dog")
    assert f"{photos / 'dog'} leads out of" in failure(photos)
    (photos / "dog").unlink()
    os.symlink(photos, photos / "cat" / "loop")
    assert "link to a folder around it" in failure(photos)


def test_the_folder_itself_may_be_a_link(tmp_path):
    make(tmp_path / "disk", "cat/1.jpg")
    os.symlink(tmp_path / "disk", tmp_path / "photos")
    assert rows(read(tmp_path / "photos")) == [{"image": "cat/1.jpg", "label": "cat"}]


def test_a_fingerprint_is_of_names_and_bytes(tmp_path):
    photos = make(tmp_path / "photos", "cat/1.jpg", "dog/1.jpg")
    before = fingerprint(str(photos))
    os.utime(photos / "cat" / "1.jpg", (0, 0))
    make(photos, ".DS_Store")
    assert fingerprint(str(photos)) == before
    (photos / "cat" / "1.jpg").rename(photos / "cat" / "2.jpg")
    renamed = fingerprint(str(photos))
    (photos / "cat" / "2.jpg").write_bytes(b"other")
    assert len({before, renamed, fingerprint(str(photos))}) == 3


def test_relative_paths_of_a_table_begin_beside_it(tmp_path):
    (tmp_path / "train.csv").write_text("image,label\n1.jpg,cat\n")
    assert open_table(str(tmp_path / "train.csv"), IMAGES).folder == tmp_path
