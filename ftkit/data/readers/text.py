"""Decodes text files for all text formats: strictly, and with the place of a byte that does not fit."""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import re
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from ftkit.data.compression import disguise, open_binary
from ftkit.data.readers.encoding_guess import WINDOWS, count_bytes, has_all, likely_encoding
from ftkit.data.readers.table import ReadOptions
from ftkit.errors import ConfigError, DataError

# Longest first: the UTF-32-LE mark begins with the UTF-16-LE one.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK_BYTES = 1 << 20
_CONTROL = re.compile("[\x80-\x9f]")
_NOT_ASCII = re.compile(r"[^\s\x00-\x7f]\S*")
_ONE_BYTE = ("iso8859", "cp125", "koi8", "mac-")


def read_lines(path: Path, options: ReadOptions) -> Generator[str, None, None]:
    r"""Yields the lines of a text file with their ends: `\n` and `\r\n`, or `\r` alone throughout.

    Raises:
        DataError: a byte that the encoding does not allow, a NUL, or a `\r` inside of a line, with its line and the
            likely fix.
    """
    ends = LineEnds(path)
    with contextlib.closing(read_any_lines(path, options)) as lines:
        for number, line in enumerate(_with_doubled_ends(lines), 1):
            ends.add(number, line)
            yield line


def _with_doubled_ends(lines: Iterable[str]) -> Iterator[str]:
    r"""Yields lines with `\r\r\n` as one end: a text that had `\r\n` already, written by Windows once more."""
    held: str | None = None
    for line in lines:
        if held is not None:
            if line == "\r\n":
                line = held + line
            else:
                yield held
            held = None
        if line[-1] == "\r":
            held = line
        else:
            yield line
    if held is not None:
        yield held


class LineEnds:
    r"""Refuses lines of which some end in `\r` alone and others do not: such a `\r` is a stray character.

    A file with `\r` alone throughout is one of an old Mac.

    Attributes:
        has_newline: whether a line was seen that ends in `\n` or `\r\n`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._return_line = 0  # the first that ends in `\r`
        self.has_newline = False

    def add(self, number: int, line: str) -> None:
        """Takes note of how a line ends.

        Raises:
            DataError: lines end in both ways.
        """
        if line[-1] == "\n":
            self.has_newline = True
        elif line[-1] == "\r" and not self._return_line:
            self._return_line = number
        if self._return_line and self.has_newline:
            raise DataError(
                f"{self._path}, line {self._return_line}: a carriage return (CR) ends the line, where others end in "
                "LF or CRLF: it probably stands inside of a text.\nFix: replace it by a space, or, if it is to end "
                "the line, by LF: tr '\\r' '\\n' < OLD > NEW"
            )


def read_any_lines(path: Path, options: ReadOptions) -> Generator[str, None, None]:
    r"""Yields lines as `read_lines` does, whatever they end in: a cell of csv may hold a `\r`.

    Raises:
        DataError: as `read_lines`.
    """
    codec = _codec(path, options.encoding)
    windows = WINDOWS.get(codec)
    with io.TextIOWrapper(open_binary(path), encoding=codec, errors="strict", newline="") as file:
        number = 0
        try:
            for line in file:
                number += 1
                if number == 1:
                    line = line.lstrip("\ufeff")  # a mark beside the one that the codec takes away
                if "\0" in line:
                    raise _nul_error(path, number)
                if windows is not None and (control := _CONTROL.search(line)):
                    _refuse_control(path, number, control, codec, options.encoding, windows)
                    windows = None
                yield line
        except UnicodeDecodeError:
            # The decoder works on blocks, so it knows no line: look for the byte again, slowly.
            raise _undecodable_byte(path, codec) from None
        except UnicodeError as error:
            raise DataError(
                f"{path} cannot be read as {options.encoding}: {error}.\n"
                "Fix: set data.encoding to the file's encoding, or convert the file to UTF-8."
            ) from None


def read_text(path: Path, options: ReadOptions) -> str:
    """Returns a whole text file; raises as `read_lines` does."""
    return "".join(read_lines(path, options))


def without_line_end(line: str) -> str:
    r"""Returns a line without its `\n`, `\r\n`, `\r` or `\r\r\n`; other white space stays."""
    if line.endswith("\r\n"):
        return line[: -3 if line.endswith("\r\r\n") else -2]
    return line[:-1] if line.endswith(("\n", "\r")) else line


def _codec(path: Path, encoding: str) -> str:
    """Returns the codec to open the file with, after comparing it with the file's byte order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(encoding)  # refuses codecs such as hex, which turn bytes into bytes
    except LookupError:
        raise ConfigError(
            f"data.encoding: Python knows no text encoding {encoding!r}. "
            "Common ones: utf-8, utf-16, latin-1, cp1252, shift_jis, gb18030."
        ) from None
    marked = _marked_encoding(path)
    if marked == "utf-8" and name in ("utf-8", "utf-8-sig"):
        return "utf-8-sig"
    if marked is not None and not name.startswith(marked):
        raise DataError(
            f"{path} begins with a {marked.upper()} byte order mark, but is read as {encoding}.\n"
            f"Fix: data.encoding: {marked}, or convert the file to UTF-8."
        )
    if name.startswith(_ONE_BYTE):
        _refuse_if_utf8(path, name, encoding)
    return name


def _refuse_if_utf8(path: Path, codec: str, encoding: str) -> None:
    """Refuses to read UTF-8 in an encoding of one byte a letter, which has a letter for nearly every byte.

    All letters of a text would have to be such as `Ã©` for it to be both.
    """
    start = next(_chunks(path), b"")
    start = start[: start.rfind(b"\n") + 1] or start
    try:
        letters = _NOT_ASCII.search(start.decode("utf-8"))
    except UnicodeDecodeError:
        return
    if letters is not None:
        shown = letters[0][:20]
        raise DataError(
            f"{path} is UTF-8, but is read as {encoding}: it says {shown!r}, not "
            f"{shown.encode().decode(codec, 'replace')!r}.\nFix: data.encoding: utf-8"
        )


def _marked_encoding(path: Path) -> str | None:
    with open_binary(path) as file:
        start = file.read(4)
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


def _nul_error(path: Path, line: int) -> DataError:
    if disguised := disguise(path):
        return DataError(f"{disguised}.")
    return DataError(
        f"{path}, line {line}: the text holds a NUL byte (0x00), so this is a binary file, "
        "a damaged one, or UTF-16 without a byte order mark.\n"
        "Fix: data.encoding: utf-16-le (or utf-16-be), or write the file again as UTF-8."
    )


def _refuse_control(path: Path, line: int, control: re.Match[str], codec: str, encoding: str, windows: str) -> None:
    """Raises DataError for a control character, unless the file cannot be in the encoding of Windows either."""
    if not has_all(windows, count_bytes(_chunks(path)).controls):
        return
    text, position = without_line_end(control.string), control.start()
    shown = _around(text.encode(codec).decode(windows, "replace"), position)
    raise DataError(
        f"{path}, line {line}: read as {encoding}, byte 0x{ord(control[0]):02X} is an invisible control character; "
        f"read as {windows} the line says {shown!r}.\nFix: data.encoding: {windows}"
    )


def _undecodable_byte(path: Path, codec: str) -> DataError:
    """Decodes the file again in chunks, counting lines, up to the byte that fails."""
    if disguised := disguise(path):
        return DataError(f"{disguised}.")
    decoder = codecs.getincrementaldecoder(codec.removesuffix("-sig"))()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    line, tail = 1, ""
    for chunk in itertools.chain(_chunks(path), [b""]):
        state = decoder.getstate()
        try:
            text, failure = decoder.decode(chunk, final=not chunk), None
        except UnicodeDecodeError as error:
            # error.start counts from what the decoder had kept of the chunk before: state[0].
            decoder.setstate(state)
            text, failure = decoder.decode(chunk[: max(0, error.start - len(state[0]))]), error
        text = newlines.decode(text, final=not chunk or failure is not None)
        line += text.count("\n")
        tail = (tail + text)[-200:].rpartition("\n")[2]
        if failure is not None:
            return _byte_error(path, line, failure, tail)
    raise AssertionError("the second reading found no undecodable byte")


def _byte_error(path: Path, line: int, error: UnicodeDecodeError, before: str) -> DataError:
    place = f", after {before[-20:]!r}" if before else ""
    encoding = error.encoding.removesuffix("-sig")
    fix = _fix(path, error, before)
    if error.reason == "unexpected end of data":
        fix += "; it is the last character of the file, so the file may also have been cut short"
    byte = error.object[error.start]
    return DataError(f"{path}, line {line}: byte 0x{byte:02X}{place} is not valid {encoding}.\nFix: {fix}.")


def _fix(path: Path, error: UnicodeDecodeError, before: str) -> str:
    """Returns what to do about a byte that the encoding does not have, judged by the whole file."""
    counts = count_bytes(_chunks(path))
    if counts.valid and not counts.invalid:
        return "data.encoding: utf-8; the whole file is valid UTF-8"
    rest = re.split(rb"[\r\n]", error.object[error.start : error.start + 40])[0]
    if counts.valid > counts.invalid:
        places = "this place is not" if counts.invalid == 1 else f"{counts.invalid:,} places are not"
        return (
            f"correct this line; {counts.valid:,} other characters of the file are valid UTF-8 and {places}, so they "
            f"were pasted from something in another encoding (cp1252 reads it as {_read_as('cp1252', before, rest)!r})"
        )
    guess = likely_encoding(counts)
    if guess is None:
        return (
            "data.encoding: the one that the file was written in, such as cp1251, shift_jis, gb18030 or mac_roman, or "
            "convert the file to UTF-8; its bytes fit neither latin-1 nor cp1252"
        )
    if_not = "" if guess == "latin-1" else " (else the one it was written in, such as cp1251, shift_jis or gb18030)"
    line = _read_as(guess, before, rest)
    return f"data.encoding: {guess} if the line says {line!r}{if_not}, or convert the file to UTF-8"


def _read_as(encoding: str, before: str, rest: bytes) -> str:
    return _around(before + rest.decode(encoding, "replace"), len(before))


def _around(text: str, position: int) -> str:
    return text[max(0, position - 20) : position + 20]


def _chunks(path: Path) -> Iterator[bytes]:
    with open_binary(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
