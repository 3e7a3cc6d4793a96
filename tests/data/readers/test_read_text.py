import re
from pathlib import Path

import pytest

from ftkit.data.readers.table import ReadOptions
from ftkit.data.readers.text import read_lines, read_text, without_line_end
from ftkit.errors import ConfigError, DataError


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    return path


def lines(path: Path, encoding: str = "utf-8") -> list[str]:
    return list(read_lines(path, ReadOptions(encoding=encoding)))


def test_line_ends_of_every_platform_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path, b"a\nb\r\nc\r\r\nd")
    assert lines(path) == ["a\n", "b\r\n", "c\r\r\n", "d"]
    assert [without_line_end(line) for line in lines(path)] == ["a", "b", "c", "d"]
    path = write(tmp_path, b"a\r\rb\r")
    assert [without_line_end(line) for line in lines(path)] == ["a", "", "b"]


@pytest.mark.parametrize(("content", "line"), [(b"a\nb\rc\nd\n", 2), (b"a\rb\r\n", 1), (b"a\nb\n\rc", 3)])
def test_a_carriage_return_inside_of_a_line_is_told_with_its_place(tmp_path: Path, content: bytes, line: int) -> None:
    assert f"line {line}: a carriage return (CR) ends the line, where others" in failure(write(tmp_path, content))


def test_unicode_line_separators_are_ordinary_characters(tmp_path: Path) -> None:
    path = write(tmp_path, "a\u2028b\x85c\x0cd\n".encode())
    assert lines(path) == ["a\u2028b\x85c\x0cd\n"]


def test_utf8_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert read_text(write(tmp_path, b"\xef\xbb\xbftext\n"), ReadOptions()) == "text\n"


@pytest.mark.parametrize(
    ("content", "line", "byte", "encoding"),
    [
        (b"ok\nfine\ncaf\xe9 now\n", 3, "0xE9", "latin-1"),
        (b"\xef\xbb\xbfok\ncaf\xe9 now\n", 2, "0xE9", "latin-1"),
        (b"it\x92s\n", 1, "0x92", "cp1252"),
        (b"caf\xe9\nit\x92s \x80 5\n", 1, "0xE9", "cp1252"),
        (b"a\r\nb\r\n\xff", 3, "0xFF", "latin-1"),
        (b"a\rb\rcaf\xe9", 3, "0xE9", "latin-1"),
    ],
)
def test_undecodable_byte_names_line_byte_and_remedy(
    tmp_path: Path, content: bytes, line: int, byte: str, encoding: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        lines(path)
    message = str(caught.value)
    assert f"{path}, line {line}: byte {byte}" in message
    assert f"data.encoding: {encoding}" in message
    assert "convert the file to UTF-8" in message


def test_undecodable_byte_shows_the_text_before_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="after 'un caf'"):
        lines(write(tmp_path, b"x\nun caf\xe9\n"))


def test_character_cut_at_the_end_of_the_file_may_be_a_cut_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cut short"):
        lines(write(tmp_path, b"a\ncaf\xc3"))


def test_line_of_a_bad_byte_beyond_the_first_chunk(tmp_path: Path) -> None:
    # The two bytes of each character straddle chunk borders, for the lines have an odd length.
    good = "éé".encode() + b"\n"
    path = write(tmp_path, good * 500_000 + b"caf\xe9\n")
    with pytest.raises(DataError, match="line 500001: byte 0xE9, after 'caf'"):
        lines(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_mark_names_the_remedy(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "text\n".encode(encoding))
    with pytest.raises(DataError, match=rf"{encoding.upper()} byte order mark(.|\n)*data.encoding: {encoding}"):
        lines(path)
    assert lines(path, encoding) == ["text\n"]


def test_utf8_mark_in_a_file_read_as_latin1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.encoding: utf-8"):
        lines(write(tmp_path, b"\xef\xbb\xbftext\n"), "latin-1")


def test_utf16_without_mark(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read as utf-16(.|\n)*data\.encoding"):
        lines(write(tmp_path, b"text\n\n"), "utf-16")


def test_nul_byte_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: the text holds a NUL byte(.|\n)*utf-16-le"):
        lines(write(tmp_path, b"ok\na\0b\n"))


@pytest.mark.parametrize("encoding", ["utf8x", "hex", "rot13"])
def test_unknown_encoding(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ConfigError, match=f"data.encoding: .*{re.escape(repr(encoding))}"):
        lines(write(tmp_path, b"a"), encoding)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "shift_jis", "gb18030", "utf-16", "utf-8-sig"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    text = "é\n" if encoding in ("latin-1", "cp1252") else "日本\n"
    assert lines(write(tmp_path, text.encode(encoding)), encoding) == [text]


def test_bad_byte_of_a_legacy_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: byte 0x8F"):
        lines(write(tmp_path, b"ok\nx\x8f\n"), "cp1252")


def failure(path: Path, encoding: str = "utf-8") -> str:
    with pytest.raises(DataError) as caught:
        lines(path, encoding)
    return str(caught.value)


def test_the_advice_shows_how_the_line_would_read_and_holds(tmp_path: Path) -> None:
    text = "un café déjà vu\n" * 200_000 + "l’été – 5 €\n"
    path = write(tmp_path, text.encode("cp1252"))
    assert "data.encoding: cp1252 if the line says 'un café déjà vu'" in failure(path)
    assert lines(path, "cp1252") == text.splitlines(keepends=True)


def test_a_file_that_is_mostly_utf8_wants_its_line_corrected(tmp_path: Path) -> None:
    path = write(tmp_path, "été, déjà, café\n".encode() + b"na\xefve \x80\nna\xefve\n")
    message = failure(path)
    assert "line 2: byte 0xEF" in message
    assert "correct this line; 5 other characters of the file are valid UTF-8 and 3 places are not" in message
    assert "cp1252 reads it as 'naïve €'" in message
    assert "data.encoding" not in message


def test_a_utf8_file_read_as_another_encoding_is_recognised(tmp_path: Path) -> None:
    assert "Fix: data.encoding: utf-8" in failure(write(tmp_path, "日本語\n".encode()), "ascii")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1251", "Привет, мир"), ("shift_jis", "映画はとても良かった"), ("gb18030", "这部电影很好看")],
)
def test_no_western_encoding_is_advised_for_other_scripts(tmp_path: Path, encoding: str, text: str) -> None:
    message = failure(write(tmp_path, f"id,text\n1,{text}\n".encode(encoding) * 3))
    assert "fit neither latin-1 nor cp1252" in message
    assert encoding in message


@pytest.mark.parametrize(
    ("declared", "windows"), [("latin-1", "cp1252"), ("iso-8859-15", "cp1252"), ("iso-8859-2", "cp1250")]
)
def test_control_characters_that_are_quotes_in_windows_are_refused(
    tmp_path: Path, declared: str, windows: str
) -> None:
    path = write(tmp_path, "é\nit’s “it” – now\n".encode(windows))
    message = failure(path, declared)
    assert f"line 2: read as {declared}, byte 0x92" in message
    assert "byte 0x92 is an invisible control character" in message
    assert f"the line says 'it’s “it” – now'.\nFix: data.encoding: {windows}" in message
    assert lines(path, windows) == ["é\n", "it’s “it” – now\n"]


def test_control_characters_that_are_nothing_in_windows_either_stay(tmp_path: Path) -> None:
    assert lines(write(tmp_path, b"a\x81b\x92\n"), "latin-1") == ["a\x81b\x92\n"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "mac_roman"])
def test_utf8_is_not_read_in_an_encoding_of_one_byte(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "plain\nun café\n".encode())
    with pytest.raises(
        DataError, match="is UTF-8, but is read as .*: it says 'é', not .*\nFix: data.encoding: utf-8$"
    ):
        lines(path, encoding)
    assert lines(write(tmp_path, b"plain\n"), encoding) == ["plain\n"]
    assert len(lines(write(tmp_path, b"\xc3\xa9 \xe9 x\n"), encoding)) == 1
