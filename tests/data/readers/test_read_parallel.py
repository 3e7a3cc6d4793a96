"""Parallel text: two files side by side, and TMX."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from ftkit.data.readers import fingerprint, open_table
from ftkit.data.spec import ParallelSource
from ftkit.errors import DataError


def parallel(folder: Path, source: bytes, target: bytes) -> ParallelSource:
    (folder / "train.en").write_bytes(source)
    (folder / "train.de").write_bytes(target)
    return ParallelSource(source=str(folder / "train.en"), target=str(folder / "train.de"))


def rows(source: ParallelSource | str) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, dict(row.values)) for row in open_table(source).rows]


def test_line_n_belongs_to_line_n(tmp_path: Path) -> None:
    source = parallel(tmp_path, "A dog.\r\nTwo  cats \u2028 x\n".encode(), "Ein Hund.\nZwei Katzen, „ja“\n".encode())
    assert rows(source) == [
        (1, {"source": "A dog.", "target": "Ein Hund."}),
        (2, {"source": "Two  cats \u2028 x", "target": "Zwei Katzen, „ja“"}),
    ]
    assert open_table(source).columns == ("source", "target")
    before = fingerprint(source)
    (tmp_path / "train.de").write_text("changed")
    assert fingerprint(source) != before


def test_blank_lines_shift_nothing(tmp_path: Path) -> None:
    source = parallel(tmp_path, b"a\n\nc\n\n\n", b"x\ny\nz\n")
    assert rows(source) == [
        (1, {"source": "a", "target": "x"}),
        (2, {"source": "", "target": "y"}),
        (3, {"source": "c", "target": "z"}),
    ]


@pytest.mark.parametrize(("source", "target"), [(b"a\nb\nc\n", b"x\ny\n"), (b"a\nb\n", b"x\ny\nc")])
def test_files_of_different_length(tmp_path: Path, source: bytes, target: bytes) -> None:
    with pytest.raises(DataError, match=r"lines.*equally many.*line 3 goes on: 'c'") as error:
        open_table(parallel(tmp_path, source, target))
    assert "Fix: find the line that is missing" in str(error.value)


def test_files_that_fail_are_closed_though_the_error_is_kept(tmp_path: Path) -> None:
    source = parallel(tmp_path, b"a\nb\n", b"x\ny\n")
    table = open_table(source)
    (tmp_path / "train.en").write_bytes(b"a\nb\nc\nd\n")  # grows after it was checked
    with pytest.raises(DataError, match="equally many") as caught:
        list(table.rows)
    assert not [file for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
    assert caught.value.__traceback__ is not None


def test_the_same_file_twice(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("a\n")
    name = str(tmp_path / "a.en")
    with pytest.raises(DataError, match="both as source and as target"):
        open_table(ParallelSource(source=name, target=name))


def test_files_without_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line with text"):
        open_table(parallel(tmp_path, b"\n\n", b"\n"))


def test_a_byte_that_is_not_utf8_is_placed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.de, line 2: byte 0xFC"):
        open_table(parallel(tmp_path, b"a\nb\n", b"x\nT\xfcr\n"))


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept> &amp; go</seg></tuv>
    <tuv xml:lang="de"><seg>OK <hi>drücken</hi></seg></tuv></tu>
<tu>
  <tuv lang="en"><seg>Bye</seg></tuv><tuv xml:lang="de"><seg>Tschüss</seg></tuv></tu>
</body></tmx>
"""


def test_tmx(tmp_path: Path) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(TMX, encoding="utf-8")
    assert rows(str(path)) == [
        (4, {"en": "Press OK & go", "de": "OK drücken"}),
        (6, {"en": "Bye", "de": "Tschüss"}),
    ]
    assert open_table(str(path)).columns == ("en", "de")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TMX.replace("</body>", ""), r"line 8, column \d+: not well-formed XML: mismatched tag"),
        ("<html><tu/></html>", "is no TMX"),
        ("<tmx><body/></tmx>", "no translation unit"),
    ],
)
def test_tmx_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "memory.tmx"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(open_table(str(path)).rows)
