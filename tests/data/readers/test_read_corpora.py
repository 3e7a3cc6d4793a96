"""Folders of speech in the layouts of LJSpeech and Kaldi."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def files(**texts: str) -> Path:
        for name, text in texts.items():
            (tmp_path / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return tmp_path

    return files


def rows(folder: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in open_table(str(folder), ReadOptions(media="audio")).rows]


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        rows(folder)
    return str(error.value)


def test_lj_speech(write: Write) -> None:
    folder = write(metadata__csv='LJ1|Dr. "No", 5|Doctor "No", five\nLJ2|in being|\n\n')
    (folder / "wavs").mkdir()
    one, two = rows(folder)
    assert one == {"id": "LJ1", "audio": "wavs/LJ1.wav", "text": 'Doctor "No", five', "raw_text": 'Dr. "No", 5'}
    assert two["text"] == "in being", "where nothing is written out, it is as it is"
    write(metadata__csv="LJ1|a\nLJ2|a|b|c\n")
    assert f"{folder / 'metadata.csv'}, line 2: expected ID|TEXT or ID|TEXT|SPOKEN, got 4 cells" in refused(folder)


def test_metadata_with_a_header_is_no_lj_speech(write: Write) -> None:
    folder = write(metadata__csv="file_name,text\nwavs/a.wav,x|y\n")
    (folder / "wavs").mkdir()
    (folder / "wavs" / "a.wav").write_bytes(b"")
    assert rows(folder) == [{"audio": "wavs/a.wav", "text": "x|y"}]


def test_kaldi(write: Write) -> None:
    folder = write(
        wav__scp="u1 a/1.wav\nu2\t/b/2.flac\n", text="u2 good day\nu1 hello\nu3 gone\n", utt2spk="u1 anna\n"
    )
    assert rows(folder) == [
        {"id": "u1", "audio": "a/1.wav", "text": "hello", "speaker": "anna"},
        {"id": "u2", "audio": "/b/2.flac", "text": "good day", "speaker": None},
    ]


def test_kaldi_s_segments(write: Write) -> None:
    folder = write(wav__scp="r1 1.wav\n", text="u1 hello\nu2\n", segments="u2 r1 1.5 2\nu1 r1 0 1.5\n")
    assert rows(folder) == [
        {"id": "u2", "audio": "1.wav", "start": "1.5", "end": "2", "text": ""},
        {"id": "u1", "audio": "1.wav", "start": "0", "end": "1.5", "text": "hello"},
    ]
    assert "line 1: the recording 'r2' is not in wav.scp" in refused(write(segments="u1 r2 0 1\n"))
    assert "expected UTTERANCE RECORDING START END" in refused(write(segments="u1 r1 0\n"))


def test_kaldi_s_commands_are_not_run(write: Write) -> None:
    folder = write(wav__scp="u1 touch gone && sox a.sph -t wav - |\n", text="u1 a\n")
    message = refused(folder)
    assert "wav.scp, line 1: a command instead of a path: 'touch gone" in message
    assert "Fix: run it once, write its output to a wav or flac file" in message


def test_a_kaldi_file_that_is_none(write: Write) -> None:
    assert "wav.scp, line 2: 'u1' stands twice" in refused(write(wav__scp="u1 a.wav\nu1 b.wav\n"))
    assert "wav.scp, line 1: expected a name and more behind it, got 'u1'" in refused(write(wav__scp="u1\n"))
