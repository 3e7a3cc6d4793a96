"""Short recordings for a report: bounded in length, and nothing of the original but its sound."""

from __future__ import annotations

import base64
import io

import numpy as np

from ftkit.data.audio import AudioExample, read_audio

MAX_SECONDS = 15.0
"""What is heard of a recording: enough for a sentence, and ten of them make a page of half a megabyte."""

RATE = 16_000
COMPRESSION = 0.9  # of 0 to 1: some 33 kbit/s, in which speech is still clear

PREFIX = "data:audio/mpeg;base64,"


def clip_uri(example: AudioExample) -> str:
    """Returns the beginning of a recording as an MP3, in the form that a page holds by itself.

    Raises:
        AudioError: the recording cannot be read.
    """
    return sound_uri(read_audio(example, RATE, seconds=MAX_SECONDS), RATE)


def sound_uri(samples_T: np.ndarray, rate: int) -> str:
    """Returns the beginning of a recording, given by its samples, in the same form.

    Args:
        rate: samples a second.
    """
    import soundfile

    file = io.BytesIO()
    clip_T = np.clip(samples_T[: round(MAX_SECONDS * rate)], -1.0, 1.0)
    soundfile.write(file, clip_T, rate, format="MP3", compression_level=COMPRESSION)
    return PREFIX + base64.b64encode(file.getvalue()).decode("ascii")
