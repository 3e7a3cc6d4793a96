"""What was misheard: counts of edits, words that are taken for others, and the worst recordings to listen to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ftkit.data.audio import AudioError
from ftkit.data.speech import SpeechExample
from ftkit.metrics.transcripts import alignments, word_edits
from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import worst_rows
from ftkit.report.clips import clip_uri
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.transcript import form_of
from ftkit.report.texts import MAX_LABEL, shorten, source_name
from ftkit.report.values import BlockValues, Clip

_MAX_TEXT = 300
MAX_PAIRS = 15
"""Words that are shown with what was heard for them."""


@dataclass(frozen=True)
class TranscriptError:
    """A recording that was not heard as it was said.

    Attributes:
        name: such as `wavs/1.wav`; None where the users' data are left out, as are the clip and the texts.
        clip: None also where the recording cannot be read any more.
        edits: `3 of 12 words`.
    """

    name: str | None
    clip: Clip
    expected: str | None
    predicted: str | None
    edits: str


class TranscriptErrors(BlockValues):
    """What was misheard.

    Attributes:
        counts: substitutions, deletions, insertions, words.
        confused: a word, what was heard for it, and how often; `(nothing)` for what was left out or made up.
    """

    caption: str
    counts: tuple[int, int, int, int]
    confused: tuple[tuple[str, str, int], ...]
    rows: tuple[TranscriptError, ...]

    def without_texts(self) -> TranscriptErrors:
        """Returns the counts alone: words are the users' texts, too."""
        rows = tuple(replace(row, name=None, clip=None, expected=None, predicted=None) for row in self.rows)
        return self.model_copy(update={"rows": rows, "confused": ()})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    heard, said, form = list(split.predictions), list(split.references), form_of(content)
    counts = word_edits(heard, said, form)
    # Worst is what has the most wrong words: a rate would put single words first.
    rows = [
        _error(split, row, f"{counts.edits[row]} of {counts.lengths[row]}")
        for row in worst_rows(counts.edits - 0.0)
        if counts.edits[row]
    ]
    num_wrong = int((counts.edits > 0).sum())
    kinds = (counts.substitutions, counts.deletions, counts.insertions, counts.lengths)
    return {
        "caption": f"{len(rows)} of {num_wrong:,} recordings of {source_name(split.split.source)} with errors, those "
        "with the most first; long ones are cut.",
        "counts": tuple(int(kind.sum()) for kind in kinds),
        "confused": confused_words(alignments(heard, said, form)),
        "rows": rows,
    }


def confused_words(aligned: Any) -> list[tuple[str, str, int]]:
    """Returns words, what was heard for them, and how often, the most frequent first; of equals in alphabetic order.

    Example: "five" heard as "nine" twice and "oh" left out once are ("five", "nine", 2), ("oh", "(nothing)", 1).

    Args:
        aligned: jiwer's alignment of all recordings.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for chunks, said, heard in zip(aligned.alignments, aligned.references, aligned.hypotheses, strict=True):
        for chunk in chunks:
            expected = said[chunk.ref_start_idx : chunk.ref_end_idx] if chunk.type != "insert" else []
            predicted = heard[chunk.hyp_start_idx : chunk.hyp_end_idx] if chunk.type != "delete" else []
            if chunk.type != "equal":
                pairs.update(_paired(expected, predicted))
    found = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:MAX_PAIRS]
    return [(shorten(said, MAX_LABEL), shorten(heard, MAX_LABEL), count) for (said, heard), count in found]


def _paired(expected: list[str], predicted: list[str]) -> list[tuple[str, str]]:
    length = max(len(expected), len(predicted))
    filled = [words + ["(nothing)"] * (length - len(words)) for words in (list(expected), list(predicted))]
    return list(zip(*filled, strict=True))


def _error(split: EvaluatedSplit, row: int, edits: str) -> TranscriptError:
    example: SpeechExample = split.split.examples[row]
    return TranscriptError(
        name=shorten(example.summary(), MAX_LABEL),
        clip=_clip(example),
        expected=shorten(split.references[row], _MAX_TEXT),
        predicted=shorten(split.predictions[row], _MAX_TEXT) or "(nothing)",
        edits=edits,
    )


def _clip(example: SpeechExample) -> str | None:
    try:
        return clip_uri(example)
    except AudioError:
        return None


BLOCK = Block(values=_values, model=TranscriptErrors, template="transcript_errors.html")
