"""Reads folders of speech in the layouts of LJSpeech and of Kaldi.

    LJSpeech                                 Kaldi
    metadata.csv   LJ001-0001|raw|spoken     wav.scp    utterance path
    wavs/LJ001-0001.wav                      text       utterance what is said
                                             segments   utterance recording start end   (may be absent)
                                             utt2spk    utterance speaker               (may be absent)

They become the columns `id`, `audio`, `text` and, where there are any, `raw_text`, `start`, `end` and `speaker`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ftkit.console import warn
from ftkit.data.readers.table import ReadOptions, Table
from ftkit.data.readers.text import read_lines, without_line_end
from ftkit.errors import DataError, name_list
from ftkit.types import Row

LJ_TABLE, LJ_FOLDER, BAR = "metadata.csv", "wavs", "|"
RECORDINGS, TRANSCRIPTS, SEGMENTS, SPEAKERS = "wav.scp", "text", "segments", "utt2spk"


def read(folder: Path, options: ReadOptions) -> Table | None:
    """Reads a folder in one of the layouts; None where it has neither.

    Raises:
        DataError: a line of one of its files is none.
    """
    if (folder / RECORDINGS).is_file():
        return _kaldi(folder, options)
    if (folder / LJ_TABLE).is_file() and (folder / LJ_FOLDER).is_dir():
        first = next(iter(read_lines(folder / LJ_TABLE, options)), "")
        if first.count(BAR) in (1, 2) and "file_name" not in first:
            return _lj_speech(folder, options)
    return None


def _lines(path: Path, options: ReadOptions) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file that hold something, with their numbers."""
    for number, line in enumerate(read_lines(path, options), 1):
        if text := without_line_end(line).strip():
            yield number, text


def _lj_speech(folder: Path, options: ReadOptions) -> Table:
    """Returns the rows of LJSpeech's table: the last cell is what is said, with numbers and abbreviations in words."""
    path, rows = folder / LJ_TABLE, []
    for number, line in _lines(path, options):
        cells = line.split(BAR)
        if len(cells) not in (2, 3):
            raise DataError(
                f"{path}, line {number}: expected ID|TEXT or ID|TEXT|SPOKEN, got {len(cells)} cells: {line[:60]!r}.\n"
                "Fix: take the bar out of the text."
            )
        name = cells[0] if Path(cells[0]).suffix else f"{cells[0]}.wav"
        values = {"id": cells[0], "audio": f"{LJ_FOLDER}/{name}", "text": cells[-1] or cells[1], "raw_text": cells[1]}
        rows.append(Row(values, number))
    return Table(str(path), ("id", "audio", "text", "raw_text"), rows, folder=folder)


def _kaldi(folder: Path, options: ReadOptions) -> Table:
    """Returns an utterance a row, in the order of `segments`, or else of `wav.scp`."""
    recordings = {name: _path(folder, number, path) for name, (number, path) in _keyed(folder / RECORDINGS, options)}
    spoken = {name: rest for name, (_, rest) in _keyed(folder / TRANSCRIPTS, options, may_be_empty=True)}
    speakers = {name: rest for name, (_, rest) in _keyed(folder / SPEAKERS, options)}
    found: list[tuple[int, dict[str, str | None]]]
    has_segments = (folder / SEGMENTS).is_file()
    if has_segments:
        found = [
            (number, {"id": name, **_segment(folder / SEGMENTS, number, rest, recordings)})
            for name, (number, rest) in _keyed(folder / SEGMENTS, options)
        ]
    else:
        found = [(number, {"id": name, "audio": path}) for number, (name, path) in enumerate(recordings.items(), 1)]
    for cells, column in ((spoken, "text"), (speakers, "speaker")):
        for _, values in found if cells else ():
            values[column] = cells.get(str(values["id"]))
    _tell_of_others(folder, spoken, [str(values["id"]) for _, values in found])
    rows = [Row(values, number) for number, values in found]
    source = folder / (SEGMENTS if has_segments else RECORDINGS)
    return Table(str(source), tuple(rows[0].values), rows, folder=folder)


def _keyed(path: Path, options: ReadOptions, *, may_be_empty: bool = False) -> list[tuple[str, tuple[int, str]]]:
    """Returns the first word of each line, with the line's number and the rest; nothing where there is no file."""
    if not path.is_file():
        return []
    found: list[tuple[str, tuple[int, str]]] = []
    known: set[str] = set()
    for number, line in _lines(path, options):
        name, _, rest = line.partition(" ") if " " in line else line.partition("\t")
        if not rest.strip() and not may_be_empty:
            raise DataError(f"{path}, line {number}: expected a name and more behind it, got {line[:60]!r}.")
        if name in known:
            raise DataError(f"{path}, line {number}: {name!r} stands twice in this file. Remove one of the lines.")
        known.add(name)
        found.append((name, (number, rest.strip())))
    if not found:
        raise DataError(f"{path} is empty: it has no lines.")
    return found


def _path(folder: Path, number: int, path: str) -> str:
    """Returns the path of a recording.

    Raises:
        DataError: it is a command, whose output would be the recording.
    """
    if path.endswith("|"):
        raise DataError(
            f"{folder / RECORDINGS}, line {number}: a command instead of a path: {path[:60]!r}. Nothing that data "
            "name is run.\nFix: run it once, write its output to a wav or flac file, and name that."
        )
    return path


def _segment(path: Path, number: int, rest: str, recordings: dict[str, str]) -> dict[str, str]:
    cells = rest.split()
    if len(cells) != 3:
        raise DataError(f"{path}, line {number}: expected UTTERANCE RECORDING START END, got {rest[:60]!r} behind it.")
    if cells[0] not in recordings:
        raise DataError(f"{path}, line {number}: the recording {cells[0]!r} is not in {RECORDINGS}.")
    return {"audio": recordings[cells[0]], "start": cells[1], "end": cells[2]}


def _tell_of_others(folder: Path, spoken: dict[str, str], ids: list[str]) -> None:
    others = sorted(spoken.keys() - set(ids))
    if others:
        warn(
            f"{folder / TRANSCRIPTS} has {len(others):,} utterances without a recording, which are not read: "
            f"{name_list(others, limit=5)}"
        )
    silent = [name for name in ids if name not in spoken]
    if spoken and silent:
        warn(f"{folder / TRANSCRIPTS} has no line for {len(silent):,} utterances: {name_list(silent, limit=5)}")
