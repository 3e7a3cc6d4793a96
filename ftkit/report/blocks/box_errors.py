"""The images with the most false positives, misses and confusions, with the truth and the predictions drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ftkit.data.drawn_boxes import IGNORED, PREDICTED, SURE, TRUTH, Drawn, with_boxes
from ftkit.data.images import open_image
from ftkit.errors import DataError
from ftkit.report.blocks.block import Block
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.readings.boxes import counted, sure
from ftkit.report.texts import MAX_LABEL, shorten, source_name
from ftkit.report.thumbnails import thumbnail_uri
from ftkit.report.values import BlockValues, Thumbnail

MOST_SHOWN, OVERLAP = 20, 0.5


class Errors(NamedTuple):
    """What is wrong in one image, counted."""

    false_positives: int
    misses: int
    confusions: int


@dataclass(frozen=True)
class BoxError:
    """An image that the model got wrong; name and thumbnail are None where the users' data are left out."""

    name: str | None
    thumbnail: Thumbnail
    expected: str
    predicted: str
    false_positives: int
    misses: int
    confusions: int


class BoxErrors(BlockValues):
    """The worst images."""

    caption: str
    rows: tuple[BoxError, ...]

    def without_texts(self) -> BoxErrors:
        """Returns the labels and counts alone."""
        return self.model_copy(update={"rows": tuple(replace(row, name=None, thumbnail=None) for row in self.rows)})


def errors_of(predicted_K6: np.ndarray, expected_K7: np.ndarray) -> Errors:
    """Counts errors: predictions, the surest first, take the box that they overlap most, if by half or more.

    One that takes a box of another label is a confusion, one that takes none a false positive, unless it lies on what
    is ignored; a box that none takes is a miss.
    """
    free = [place for place, row in enumerate(expected_K7) if row[1] == 0]
    false_positives = confusions = 0
    for row in sure(predicted_K6):
        overlaps = [overlap(row[2:6], expected_K7[place, 2:6]) for place in free]
        if overlaps and max(overlaps) >= OVERLAP:
            confusions += int(expected_K7[free.pop(int(np.argmax(overlaps))), 0] != row[0])
        elif not any(overlap(row[2:6], other[2:6]) >= OVERLAP for other in expected_K7 if other[1]):
            false_positives += 1
    return Errors(false_positives, len(free), confusions)


def overlap(one_4: np.ndarray, other_4: np.ndarray) -> float:
    """Returns the intersection of two boxes over their union."""
    sides = np.minimum(one_4[2:], other_4[2:]) - np.maximum(one_4[:2], other_4[:2])
    common = float(np.clip(sides, 0, None).prod())
    both = sum(float((box[2:] - box[:2]).prod()) for box in (one_4, other_4))
    return common / max(both - common, 1e-9)


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    errors = [errors_of(*pair) for pair in zip(split.predictions, split.references, strict=True)]
    counts = np.array([sum(one) for one in errors])
    worst = np.argsort(-counts, kind="stable")[: min(MOST_SHOWN, int((counts > 0).sum()))]
    rows = [_row(content, split, int(place), errors[place]) for place in worst]
    totals = Errors(*np.array(errors).sum(axis=0).tolist())
    caption = (
        f"{len(rows)} of {int((counts > 0).sum()):,} images of {source_name(split.split.source)} with errors among "
        f"predictions of a score of {SURE} and more: {totals.false_positives:,} false positives, {totals.misses:,} "
        f"misses and {totals.confusions:,} confusions. Green is the truth, orange what was predicted."
    )
    return {"caption": caption, "rows": rows}


def _row(content: ReportContent, split: EvaluatedSplit, place: int, errors: Errors) -> BoxError:
    example, truth = split.split.examples[place], split.references[place]
    found = sure(split.predictions[place])
    boxes: list[Drawn] = [("", tuple(row[2:6]), IGNORED if row[1] else TRUTH) for row in truth.tolist()]
    boxes += [("", tuple(row[2:6]), PREDICTED) for row in found.tolist()]
    try:
        picture = thumbnail_uri(with_boxes(open_image(example.image, example.name), boxes, side=240), example.name)
    except DataError:
        picture = None
    expected, predicted = counted(content, truth), counted(content, found)
    return BoxError(shorten(example.summary(), MAX_LABEL), picture, expected, predicted, *errors)


BLOCK = Block(values=_values, model=BoxErrors, template="box_errors.html")
