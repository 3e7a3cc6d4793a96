"""Pascal VOC: folders, lists, and what is wrong with XML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny_boxes
from ftkit.data.readers import ReadOptions, Table, fingerprint, open_table
from ftkit.errors import DataError

OPTIONS = ReadOptions(media="image", annotated=True)


@pytest.fixture
def voc(tmp_path) -> Path:
    return tiny_boxes.make_voc(tmp_path / "voc", range(3))


def opened(path: Path) -> Table:
    return open_table(str(path), OPTIONS)


def values(path: Path) -> list[Any]:
    return [row.values for row in opened(path).rows]


def test_a_folder_and_a_list(voc):
    whole = values(voc)
    assert [row["image"] for row in whole] == ["0.png", "1.png", "2.png"]
    assert whole[0]["objects"] == {
        "bbox": [[26, 13, 45, 28]], "category": ["circle"], "ignored": [False], "format": "voc", "size": [60, 40],
    }  # fmt: skip
    assert opened(voc).folder == voc / "JPEGImages"
    names = voc / "ImageSets" / "Main" / "train.txt"
    names.write_text("2\n0  1\n")
    assert [row["image"] for row in values(names)] == ["2.png", "0.png"]


def test_xml_beside_images_under_other_endings(tmp_path, voc):
    for file in [*(voc / "Annotations").iterdir(), *(voc / "JPEGImages").iterdir()]:
        file.rename(tmp_path / f"photo {file.name}")
    assert [row["image"] for row in values(tmp_path)] == ["photo 0.png", "photo 1.png", "photo 2.png"]


def test_difficult_objects_and_images_without_any(voc):
    found = tiny_boxes.drawn(1)
    (voc / "Annotations" / "1.xml").write_text(tiny_boxes.voc_xml("1.png", found, difficult=[1]))
    (voc / "Annotations" / "2.xml").write_text(tiny_boxes.voc_xml("2.png", []))
    assert [row["objects"]["ignored"] for row in values(voc)] == [[False], [False, True], []]


def test_what_other_systems_leave_behind(voc):
    (voc / "Annotations" / "._0.xml").write_bytes(b"of macOS")
    (voc / "JPEGImages" / "._0.png").write_bytes(b"of macOS")
    (voc / "ImageSets" / "Main" / "train.txt").write_bytes(b"\xef\xbb\xbf2.png\r\n0\r\n\r\n")
    assert [row["image"] for row in values(voc)] == ["0.png", "1.png", "2.png"]
    assert [row["image"] for row in values(voc / "ImageSets" / "Main" / "train.txt")] == ["2.png", "0.png"]


def test_the_fingerprint_of_a_list_is_of_the_boxes(voc):
    names = str(voc / "ImageSets" / "Main" / "train.txt")
    before = fingerprint(names)
    assert fingerprint(names) == before
    (voc / "Annotations" / "1.xml").write_text(tiny_boxes.voc_xml("1.png", []))
    assert fingerprint(names) != before


@pytest.mark.parametrize(("content", "message"), [
    ("<annotation>", r"1\.xml is no valid XML"),
    ("<html/>", r"1\.xml is no annotation of Pascal VOC: it holds <html>"),
    ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', r"1\.xml declares entities"),
    ("<annotation><object><name>cat</name></object></annotation>", r"1\.xml, object 1: <xmin> is missing"),
    (tiny_boxes.voc_xml("1.png", tiny_boxes.drawn(1)).replace("<ymin>", "<ymin>x"), r"object 1: <ymin> holds 'x"),
])  # fmt: skip
def test_files_that_are_no_annotations(voc, content, message):
    (voc / "Annotations" / "1.xml").write_text(content)
    with pytest.raises(DataError, match=message):
        values(voc)


def test_lists_of_images_that_nobody_has_annotated(voc, capsys):
    (voc / "ImageSets" / "Main" / "train.txt").write_text("1\n7\n8\n")
    with pytest.raises(DataError, match=r"names 2 images without an annotation, such as .*7\.xml"):
        values(voc / "ImageSets" / "Main" / "train.txt")
    (voc / "Annotations" / "1.xml").unlink()
    assert len(values(voc)) == 2
    assert "1 images have no XML file and are not read, such as '1.png'" in " ".join(capsys.readouterr().err.split())
