"""Checks transcripts against their recordings before anything is trained: what cannot have been said is named."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping

import numpy as np

from ftkit.data.audio import AudioError, audio_info, audio_seconds
from ftkit.data.audio_check import RECORDINGS
from ftkit.data.check import check_leaks, check_size
from ftkit.data.problems import Problems
from ftkit.data.speech import SpeechExample
from ftkit.types import Split

MOST_A_SECOND = 40
"""Characters: the fastest speakers reach some 25 in English; above, text and sound do not belong together."""

FEWEST_A_SECOND, LONG_SECONDS = 0.5, 10.0
"""Characters a second below which a recording of so many seconds is mostly not what its transcript says."""

NUM_CHARACTERS = 60
"""Characters that `ftkit check` shows."""


def check_transcripts(splits: Mapping[str, Split[SpeechExample]], problems: Problems) -> None:
    """Reports transcripts that are empty, too long or too short for their recordings, and recordings that leak.

    Args:
        splits: name -> split; their recordings can be opened.
        problems: what is found is added here.
    """
    for split in splits.values():
        check_size(split, problems)
        for example in split.examples:
            _check_transcript(split, example, problems)
    train = splits.get("train")
    if train is not None:
        check_leaks(train, [split for split in splits.values() if split is not train], problems, RECORDINGS)


def _check_transcript(split: Split, example: SpeechExample, problems: Problems) -> None:
    text = (example.text or "").strip()
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        what = "is empty" if not text else f"holds no letter and no digit: {text[:40]!r}"
        problems.error(
            f"{split.name}: the transcript {what}",
            where=_place(split, example),
            remedy="write what is said, or delete the row; of silence there is nothing to transcribe",
            kind=f"{split.name}: the transcript is empty",
        )
        return
    try:
        seconds = audio_seconds(example)
    except AudioError:  # told with the recordings
        return
    if seconds and len(text) / seconds > MOST_A_SECOND:
        problems.error(
            f"{split.name}: the transcript is too long for its recording: nobody says more than {MOST_A_SECOND} "
            "characters a second",
            where=f"{_place(split, example)}: {len(text)} characters in {seconds:.2f} s",
            remedy="look whether the recording was cut, start and end are right, or the row names another file",
        )
    elif seconds >= LONG_SECONDS and len(text) / seconds < FEWEST_A_SECOND:
        problems.warn(
            f"{split.name}: the transcript is very short for its recording",
            where=f"{_place(split, example)}: {len(text)} characters in {seconds:.1f} s",
            remedy="listen to it: a model that learns from it learns to leave words out",
        )


def _place(split: Split, example: SpeechExample) -> str:
    return f"{split.where(example)} ({example.name})" if example.line else split.where(example)


def described(split: Split[SpeechExample]) -> list[str]:
    """Returns what a person wants to know of recordings and transcripts: hours, lengths, rates, characters.

    Example: "0.9 hours; a recording has 2.1 to 9.6 s, 6.5 on average; 22,050 Hz", "characters: ' ' e t a ...".
    """
    infos = [audio_info(example) for example in split.examples]
    seconds = np.array([audio_seconds(example) for example in split.examples])
    rates = Counter(info.rate for info in infos)
    shown = ", ".join(f"{rate:,} Hz" + (f" ({count:,})" if len(rates) > 1 else "") for rate, count in rates.items())
    characters = Counter(character for example in split.examples for character in example.text or "")
    common = [character for character, _ in characters.most_common()]
    more = f" (+{len(common) - NUM_CHARACTERS} more)" if len(common) > NUM_CHARACTERS else ""
    words = sum(len((example.text or "").split()) for example in split.examples)
    return [
        f"{_duration(seconds.sum())}; recordings of {seconds.min():.1f} to {seconds.max():.1f} s, "
        f"{seconds.mean():.1f} s on average; {shown}",
        f"{words:,} words of {len(characters):,} characters, most frequent first: "
        + "".join(common[:NUM_CHARACTERS]).replace(" ", "␣")
        + more,
    ]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
