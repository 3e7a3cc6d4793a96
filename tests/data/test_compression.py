import bz2
import gzip
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from ftkit.data import compression
from ftkit.data.readers import ReadOptions, has_reader, open_table
from ftkit.data.spec import ParallelSource
from ftkit.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
CONTENT = {
    ".csv": "text,label\nété,b\n",
    ".tsv": "text\tlabel\nété\tb\n",
    ".jsonl": '{"text": "été", "label": "b"}\n',
    ".json": '[{"text": "été", "label": "b"}]\n',
}


def failure(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(open_table(str(path)).rows)
    return str(caught.value)


@pytest.mark.parametrize("compressed", PACK)
@pytest.mark.parametrize("extension", CONTENT)
def test_compressed_text_is_read_as_its_content(tmp_path: Path, extension: str, compressed: str) -> None:
    path = tmp_path / f"a{extension}{compressed.upper()}"
    path.write_bytes(PACK[compressed](CONTENT[extension].encode()))
    assert [row.values for row in open_table(str(path)).rows] == [{"text": "été", "label": "b"}]
    assert has_reader(str(path))


@pytest.mark.parametrize("compressed", PACK)
def test_what_pandas_writes_is_read(tmp_path: Path, compressed: str) -> None:
    path = tmp_path / f"a.csv{compressed}"
    pandas.DataFrame({"text": ["a", "b"]}).to_csv(path, index=False) if compressed != ".zst" else path.write_bytes(
        zstd.compress(b"text\na\n") + zstd.compress(b"b\n")  # as zstd and pzstd append frames
    )
    assert [row.values["text"] for row in open_table(str(path)).rows] == ["a", "b"]


def test_parallel_text_by_language_and_an_undecodable_byte_in_a_compressed_file(tmp_path: Path) -> None:
    for language, content in (("en", b"one\ntwo\n"), ("de", b"eins\nzw\xf6lf\n")):
        (tmp_path / f"a.{language}.gz").write_bytes(gzip.compress(content))
    source = ParallelSource(source=str(tmp_path / "a.en.gz"), target=str(tmp_path / "a.de.gz"))
    table = open_table(source, ReadOptions(encoding="latin-1"))
    assert [row.values["target"] for row in table.rows] == ["eins", "zwölf"]
    with pytest.raises(DataError, match=r"a.de.gz, line 2: byte 0xF6(.|\n)*latin-1 if the line says 'zwölf'"):
        open_table(source)


@pytest.mark.parametrize("compressed", PACK)
@pytest.mark.parametrize("damage", ["cut short", "another format"])
def test_damaged_files_are_told(tmp_path: Path, compressed: str, damage: str) -> None:
    content = PACK[compressed](b"text\n" + b"".join(b"%d\n" % (number**9) for number in range(20_000)))
    path = tmp_path / f"a.csv{compressed}"
    path.write_bytes(content[:-9] if damage == "cut short" else b"text\na\n")
    message = failure(path)
    assert f"{path} cannot be unpacked: " in message
    assert "Fix: the file is damaged, cut short or not compressed as its name says" in message


@pytest.mark.parametrize(("compressed", "command"), [(".gz", "gunzip"), (".zst", "unzstd")])
def test_a_file_that_fills_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compressed: str, command: str
) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", 100_000)
    path = tmp_path / f"a.csv{compressed}"
    path.write_bytes(PACK[compressed](b"text\n" + b"a" * 4_000_000))
    assert "unpacks to more than 200 times its size" in (message := failure(path))
    assert f"{command} -k {path}" in message


def test_zst_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_zstd", lambda: None)
    path = tmp_path / "a.csv.zst"
    path.write_bytes(zstd.compress(b"text\na\n"))
    assert f"Fix: pip install 'ftkit[zstd]', or unpack it and name the file itself: unzstd -k {path}" in failure(path)


def test_what_is_compressed_by_itself_is_unpacked_first(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet.gz"
    path.write_bytes(gzip.compress(b"PAR1"))
    assert f".parquet files are read as they are.\nFix: unpack it: gunzip -k {path}" in failure(path)


@pytest.mark.parametrize(("compressed", "name"), [(".gz", "a.csv.gz"), (".zst", "a.csv.zst"), (".xz", "a.csv.xz")])
def test_a_compressed_file_under_another_name_is_recognised(tmp_path: Path, compressed: str, name: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(PACK[compressed]("text\nété\n".encode() * 9))
    assert f"begins as {compressed} files do.\nFix: name it so, {name}" in failure(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "été" * 9)
    assert "begins as .zip files do" in failure(path)


def test_formats_that_are_not_read_are_told_with_their_conversion(tmp_path: Path) -> None:
    def of(name: str) -> str:
        (tmp_path / name).write_bytes(b"x")
        return failure(tmp_path / name)

    assert "a.feather').to_parquet('a.parquet')" in of("a.feather")
    assert f"unpack it and name the file inside: unzip {tmp_path / 'a.zip'}" in of("a.zip")
    assert "save it as .xlsx, or as .csv in UTF-8" in of("a.xls")
    assert "Did you mean a.parquet?" in of("a.parqet")
