"""What is wrong with recordings is told by file and row, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftkit.data.audio import AudioExample
from ftkit.data.audio_check import check_readable, check_recordings
from ftkit.data.problems import Problems
from ftkit.types import Split

soundfile = pytest.importorskip("soundfile", reason="pip install 'ftkit[audio]'")


@pytest.fixture
def record(tmp_path: Path) -> Any:
    """`record("a.wav", samples, rate=8_000)` writes a file and returns an example of it."""

    def write(name: str, samples: Any = None, *, rate: int = 8_000, **fields: Any) -> AudioExample:
        if samples is None:
            samples = np.random.default_rng(0).normal(0, 0.1, rate)
        soundfile.write(tmp_path / name, samples, rate, subtype="FLOAT")
        return AudioExample(id=0, name=name, path=str(tmp_path / name), **{"line": 2, **fields})

    return write


def found(*examples: AudioExample, check: Any = check_recordings) -> Problems:
    problems = Problems()
    split = Split("train", "train.csv", examples)
    check({"train": split} if check is check_recordings else split, problems)
    return problems


def test_sound_recordings_pass(record: Any) -> None:
    problems = found(record("a.wav"), record("b.wav", start=0.25, end=1.05))  # ends within the tolerance
    assert problems.errors == problems.warnings == []


@pytest.mark.parametrize("name", ["A.WAV", "a", "a.flac", "a.wav ", ".\\a.wav"])
def test_a_file_that_may_be_meant_is_named(record: Any, tmp_path: Path, name: str) -> None:
    record("a.wav")
    wrong = AudioExample(id=0, name=name, path=str(tmp_path / name), line=2)
    assert f"at train.csv, line 2 ({name}), where 'a.wav' is" in found(wrong).errors[0]


@pytest.mark.parametrize("check", [check_recordings, check_readable])
def test_files_that_cannot_be_read_are_named_by_row(record: Any, tmp_path: Path, check: Any) -> None:
    (tmp_path / "text.wav").write_text("hello")
    gone = [AudioExample(id=n, name=f"gone {n}.wav", path=str(tmp_path / "no"), line=n) for n in range(2, 9)]
    text = AudioExample(id=9, name="text.wav", path=str(tmp_path / "text.wav"))
    errors = found(record("a.wav"), *gone, text, check=check).errors
    assert errors[0] == (
        "train: the recording is missing (7 times)\n"
        "at train.csv, line 2 (gone 2.wav); train.csv, line 3 (gone 3.wav); train.csv, line 4 (gone 4.wav); "
        "train.csv, line 5 (gone 5.wav); train.csv, line 6 (gone 6.wav) (+2 more)\n"
        "fix: correct the path, replace the file, or delete the row"
    )
    assert errors[1].startswith("train: the recording is no audio file that libsndfile can decode")
    assert "at train.csv, text.wav" in errors[1]
    nothing = AudioExample(id=9, name="recording 4", line=5)
    assert "the recording is missing: its cell is empty\nat train.csv, line 5" in found(nothing, check=check).errors[0]


@pytest.mark.parametrize("check", [check_recordings, check_readable])
@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ({"start": 0.5, "end": 0.5}, "the segment ends at 0.5 s, before or where it starts (0.5 s)"),
        ({"start": 0.5, "end": 0.25}, "the segment ends at 0.25 s, before or where it starts (0.5 s)"),
        ({"start": 1.5}, "the segment 1.5-1 s reaches beyond the recording, which has 1.00 s"),
        ({"end": 1.5}, "the segment 0-1.5 s reaches beyond the recording, which has 1.00 s"),
        ({"start": -1.0}, "start and end are seconds, 0 or more"),
        ({"start": -1.0, "end": -0.5}, "start and end are seconds, 0 or more"),
    ],
)
def test_wrong_segments(record: Any, check: Any, segment: dict[str, float], message: str) -> None:
    errors = found(record("a.wav", **segment), check=check).errors
    assert len(errors) == 1
    assert errors[0].startswith(f"train: {message}\nat train.csv, line 2 (a.wav)\nfix: ")


def test_samples_that_teach_nothing(record: Any) -> None:
    assert found(record("a.wav", np.zeros(0))).errors[0].startswith("train: the recording holds no samples")
    problems = found(record("a.wav", np.array([0.1, np.nan] * 4_000)))
    assert problems.errors[0].startswith("train: the recording holds samples that are no finite numbers")
    warnings = found(record("a.wav", np.zeros(8_000)), record("b.wav", np.full(100, 0.1))).warnings
    assert "the recording is silent; at train.csv, line 2 (a.wav); fix: listen to it" in warnings[0]
    assert "the recording is shorter than 0.05 s; it is filled up with silence" in warnings[1]


def test_only_the_segment_is_judged(record: Any) -> None:
    samples = np.concatenate([np.zeros(8_000), np.full(8_000, 0.1)])
    assert "silent" in found(record("a.wav", samples, end=1.0)).warnings[0]
    assert found(record("a.wav", samples, start=1.0)).warnings == []


def test_a_file_cut_short_is_told(record: Any, tmp_path: Path) -> None:
    example = record("a.wav", np.full(80_000, 0.1))
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:80_000])
    assert (
        "promises more than it holds; at train.csv, line 2 (a.wav) (7.5 s are missing)" in found(example).warnings[0]
    )


def test_rates_that_differ_are_told(record: Any) -> None:
    examples = [record("a.wav"), record("b.wav"), record("c.wav", rate=44_100)]
    assert (
        found(*examples)
        .warnings[0]
        .startswith(
            "the recordings have different rates: 8,000 Hz (2 recordings), 44,100 Hz (1 recordings); fix: nothing"
        )
    )
