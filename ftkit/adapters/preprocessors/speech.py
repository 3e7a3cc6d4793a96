"""Recordings and what is said in them: what of a recording is learnt, and how a long one is heard window by window.

A transcript belongs to a whole recording, and nothing says which of its words a part of it holds. So a recording is
learnt whole or not at all; to be predicted it may have any length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.preprocessors.audio import AudioPreprocessor, lengths_of
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import Encoded, EncodedToScore
from ftkit.data.problems import Problems
from ftkit.data.speech import SpeechExample
from ftkit.metrics.transcripts import in_form
from ftkit.types import Split

RECORDING, TARGET = "recording", "target"
"""What may be too long to be learnt; the second is what other kinds that write call it, too."""

Ids = list[int]


def chunk_offsets(seconds: float, window: float, overlap: float) -> list[float]:
    """Returns where the windows of a recording begin, in seconds; the last one may be shorter than the others.

    Example: 40 s in windows of 15 s that share 5 s begin at 0, 10, 20 and 30 s: neighbours share just 5 s, so that
    it is known where the same words stand in both.

    Args:
        seconds: length of the recording.
        window: length of a window.
        overlap: what neighbours share, less than a window.
    """
    if seconds <= window:
        return [0.0]
    return [float(offset) for offset in np.arange(0.0, seconds - overlap, window - overlap)]


class SpeechPreprocessor(AudioPreprocessor):
    """What the families share.

    Attributes:
        processor: transformers' own, of a feature extractor and a tokenizer.
        target_form: whether transcripts are learnt as they are written, or in their basic form.
    """

    options: ClassVar[tuple[str, ...]] = (*AudioPreprocessor.options, "target_form")
    cut_meanings: ClassVar[Mapping[str, str]] = {
        RECORDING: "longer than is heard at once, and not trained on",
        TARGET: "longer in its transcript than the model writes, and not trained on",
    }
    target_form: str
    # Most corpora are cut to less; attention over twice the length costs four times as much.
    default_seconds: ClassVar[float] = 30.0

    @property
    def target_tokenizer(self) -> Any:
        """The tokenizer of transcripts."""
        return self.processor.tokenizer

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {**super().padding, "labels": NO_LOSS}

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """How much is heard at once, and how transcripts are learnt."""
        return {**super().resolved_options, "target_form": self.target_form}

    # --- recordings -> rows ---

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Turns recordings into rows to train on, or into windows to hear; no sample is read.

        Example, Whisper: recordings of 4 s ("Seven.") and 45 s are, to be heard, rows at 0 s of the first and at 0
        and 22.5 s of the second: `first_rows` [0, 1, 3], `costs` [1500, 1500, 1500]. To be trained on, the first is
        one row and the second none: `first_rows` [0, 1, 1], `cut` {"recording": 1}.

        Raises:
            DataError: a file cannot be read any more.
        """
        seconds = lengths_of(examples)
        if not targets:
            return self._encoded(examples, seconds, [self._offsets(length) for length in seconds])
        labels = self.label_ids([example.text or "" for example in examples])
        found = [self.obstacle(length, ids) for length, ids in zip(seconds, labels, strict=True)]
        encoded = self._encoded(examples, seconds, [[] if what else [0.0] for what in found], labels)
        return Encoded(encoded.rows, encoded.costs, encoded.first_rows, cut=dict(Counter(filter(None, found))))

    def _offsets(self, seconds: float) -> list[float]:
        return chunk_offsets(seconds, self.window, self.overlap)

    def encode_to_score(self, examples: Sequence[Any], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns the windows to hear, and the rows for the loss: of the recordings that could be learnt."""
        targets = self.encode(examples, targets=True)
        return EncodedToScore(self.encode(examples, targets=False), targets if targets.num_rows else None)

    def label_ids(self, transcripts: Sequence[str]) -> list[Ids]:
        """Returns what is learnt of transcripts, as token ids."""
        raise NotImplementedError

    def in_target_form(self, transcript: str) -> str:
        """Returns a transcript as it is learnt."""
        return in_form(transcript, "basic") if self.target_form == "basic" else " ".join(transcript.split())

    def obstacle(self, seconds: float, ids: Ids) -> str | None:
        """Returns what of a recording is too long to be learnt; None where nothing is.

        Args:
            seconds: its length.
            ids: what would be learnt.
        """
        if seconds > self.window + 1 / self.rate:
            return RECORDING
        return TARGET if self.longest_target is not None and len(ids) > self.longest_target else None

    @property
    def longest_target(self) -> int | None:
        """Tokens of a transcript that can be learnt; None for no limit."""
        return None

    # --- checks ---

    def check(self, splits: Mapping[str, Split[SpeechExample]], problems: Problems) -> None:
        """Reports recordings and transcripts that are too long to be learnt, by file."""
        for split in splits.values():
            seconds, labels = lengths_of(split.examples), self.label_ids([row.text or "" for row in split.examples])
            rows = list(zip(split.examples, seconds, labels, strict=True))
            found = [(*row, what) for row in rows if (what := self.obstacle(row[1], row[2]))]
            for example, length, ids, what in found if split.name == "train" else ():
                self._tell(problems, split, example, length, ids, what)
            if found and len(found) == len(split) and split.name == "train":
                problems.error(
                    f"{split.name}: not one recording can be learnt, as all are too long",
                    where=split.source,
                    remedy=f"cut them into segments of up to {self.window:g} s, with the transcript of each",
                )

    def _tell(
        self, problems: Problems, split: Split, example: SpeechExample, seconds: float, ids: Ids, what: str
    ) -> None:
        place = self._place(split, example)
        if what == RECORDING:
            problems.warn(
                f"{split.name}: the recording is longer than the {self.window:g} s that are heard at once, and is not "
                "trained on",
                where=f"{place}: {seconds:.1f} s",
                remedy="cut it into segments, with the transcript of each" + self._longer_windows,
            )
        else:
            problems.warn(
                f"{split.name}: the transcript is longer than the {self.longest_target} tokens that "
                f"{self.spec.name!r} can write, and is not trained on",
                where=f"{place}: {len(ids)} tokens",
                remedy="cut the recording into segments, with the transcript of each",
            )

    def _place(self, split: Split, example: SpeechExample) -> str:
        return f"{split.where(example)} ({example.name})" if example.line else split.where(example)

    @property
    def _longer_windows(self) -> str:
        return "" if self.input.limit is not None else ", or raise data.max_seconds"
