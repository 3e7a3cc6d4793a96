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
    import soundfile

    samples_T = np.clip(read_audio(example, RATE, seconds=MAX_SECONDS), -1.0, 1.0)
    file = io.BytesIO()
    soundfile.write(file, samples_T, RATE, format="MP3", compression_level=COMPRESSION)
    return PREFIX + base64.b64encode(file.getvalue()).decode("ascii")
