"""Average precision and recall of boxes, by pycocotools: the numbers of COCO's own script."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

from ftkit.metrics.array_metric import ArrayMetric, Scores

KEYS = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
"""What COCO's script prints, in its order."""

_NO_BOX = "no box to be found is of that size"
_ROWS = datasets.List(datasets.List(datasets.Value("float64")))

Rows = Sequence[np.ndarray]
"""Of each image, (K, 6) predictions or (K, 7) references; see `coco_of`."""


class AveragePrecision(ArrayMetric):
    """Average precision over the thresholds 0.5 to 0.95, the labels and 101 recalls, and average recall.

    An image counts for at most 100 predictions. A size is that of the box to be found: small below 32 x 32 pixels,
    large from 96 x 96 on.

    Attributes:
        evaluated: pycocotools' own result of the last computation.
    """

    description_text = "Average precision and recall of boxes, as COCO's script computes them."
    citation_text = "Lin et al. (2014), Microsoft COCO, arXiv 1405.0312."
    inputs_text = """
Args:
    predictions: of each image rows of label index, score, left, top, right, bottom.
    references: of each image rows of label index, 1 or 0 for ignored, left, top, right, bottom, area.
"""
    input_features = (datasets.Features({"predictions": _ROWS, "references": _ROWS}),)
    evaluated: Any = None

    def _compute(self, predictions: Rows, references: Rows, num_labels: int) -> Scores:
        self.notes = {}
        self.evaluated = evaluated_by_coco(predictions, references, num_labels)
        found = dict(zip(KEYS, self.evaluated.stats.tolist(), strict=True))
        empty = tuple(key for key, value in found.items() if value == -1)
        reason = _NO_BOX if found["ap"] != -1 else "there is no box to be found"
        return {**found, **self._undefined(empty, reason)}


def per_label(evaluated: Any, names: Sequence[str], references: Rows) -> dict[str, dict[str, float | int | None]]:
    """Returns `ap`, `ap50`, `ar100` and `support` of each label, the support a number of boxes; None without boxes."""
    precision_TRLAM, recall_TLAM = evaluated.eval["precision"], evaluated.eval["recall"]
    every = np.concatenate([rows_K7[rows_K7[:, 1] == 0, 0] for rows_K7 in references]).astype(int)
    counts_L = np.bincount(every, minlength=len(names))
    return {
        name: {
            "ap": _mean(precision_TRLAM[:, :, label, 0, -1]),
            "ap50": _mean(precision_TRLAM[0, :, label, 0, -1]),
            "ar100": _mean(recall_TLAM[:, label, 0, -1]),
            "support": int(counts_L[label]),
        }
        for label, name in enumerate(names)
    }


def _mean(values: np.ndarray) -> float | None:
    """Returns the mean, or None where pycocotools says -1: there is nothing to be found."""
    return float(values.mean()) if (values > -1).all() else None


def evaluated_by_coco(predictions: Rows, references: Rows, num_labels: int) -> Any:
    """Returns pycocotools' `COCOeval` of predictions, accumulated and summed up."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
        evaluated = _to_evaluate(predictions, references, num_labels)
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
    return evaluated


def _to_evaluate(predictions: Rows, references: Rows, num_labels: int) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = coco_of(predictions, references, num_labels)
    known = COCO()
    known.dataset = truth
    known.createIndex()
    evaluated = COCOeval(known, known.loadRes(found) if found else COCO(), "bbox")
    evaluated.params.imgIds, evaluated.params.catIds = list(range(len(references))), list(range(num_labels))
    return evaluated


def precision_at_recalls(
    predictions: Rows, references: Rows, num_labels: int, *, overlaps: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns 101 recalls from 0 to 1, and the precision at each, as pycocotools interpolates it.

    It is the best precision at this recall or a higher one, and 0 where the predictions do not reach it.

    Args:
        overlaps: a prediction is right where it overlaps a box by so much, intersection over union.

    Returns:
        recalls (R,), and precisions (overlaps, R, labels), NaN for labels without a box to be found.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluated = _to_evaluate(predictions, references, num_labels)
        evaluated.params.iouThrs = np.asarray(overlaps)
        evaluated.params.areaRng, evaluated.params.areaRngLbl = evaluated.params.areaRng[:1], ["all"]
        evaluated.evaluate()
        evaluated.accumulate()
    precision_TRL = evaluated.eval["precision"][:, :, :, 0, -1]
    return evaluated.params.recThrs, np.where(precision_TRL < 0, np.nan, precision_TRL)


def coco_of(predictions: Rows, references: Rows, num_labels: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns references as COCO's annotations, and predictions as its results.

    Example: an image whose only box is label 1 at left 10, top 20, right 40, bottom 60: the annotation
    `{"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 20, 30, 40], "area": 1200, "iscrowd": 0}`.
    """
    annotations: list[dict[str, Any]] = []
    for image, rows_K7 in enumerate(references):
        for label, ignored, left, top, right, bottom, area in np.asarray(rows_K7).tolist():
            box = [left, top, right - left, bottom - top]
            facts = {"bbox": box, "area": area, "iscrowd": int(ignored)}
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": int(label), **facts})
    found = [
        {
            "image_id": image,
            "category_id": int(label),
            "bbox": [left, top, right - left, bottom - top],
            "score": score,
        }
        for image, rows_K6 in enumerate(predictions)
        for label, score, left, top, right, bottom in np.asarray(rows_K6).tolist()
    ]
    truth = {
        "images": [{"id": image} for image in range(len(references))],
        "categories": [{"id": label} for label in range(num_labels)],
        "annotations": annotations,
    }
    return truth, found
