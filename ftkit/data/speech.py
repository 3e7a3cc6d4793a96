"""What an example of speech is: a recording, or a segment of one, and what is said in it."""

from __future__ import annotations

from dataclasses import dataclass

from ftkit.data.audio import AudioExample


@dataclass(frozen=True, slots=True)
class SpeechExample(AudioExample):
    """A recording and its transcript.

    Attributes:
        text: what is said, as it is written; None when the row is only to be predicted.
    """

    text: str | None = None
