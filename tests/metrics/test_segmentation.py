"""Scores of masks: equal to scikit-learn's over all pixels, and none for classes that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from ftkit.data.masks import IGNORED, ClassMask, OneClass
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import Scorer, make_scorer
from ftkit.metrics.segmentation import confusion_of
from ftkit.types import LabelSpace

GROUP = GROUPS["image-segmentation"]
LABELS = LabelSpace(("ground", "cell", "nucleus"))


def scorer(labels: LabelSpace = LABELS) -> Scorer:
    return make_scorer(GROUP.defaults, GROUP, labels=labels)


def masks(*arrays: np.ndarray) -> np.ndarray:
    found = np.empty(len(arrays), object)
    found[:] = [ClassMask(array) for array in arrays]
    return found


def drawn(seed: int, classes: int = 3) -> list[np.ndarray]:
    """Masks of several sizes."""
    draws = np.random.default_rng(seed)
    return [draws.integers(classes, size=size).astype(np.int16) for size in ((7, 5), (4, 9), (1, 1))]


def test_a_confusion_matrix_has_the_true_classes_in_rows_and_leaves_pixels_out() -> None:
    expected, predicted = np.array([[0, 0, 1, IGNORED]]), np.array([[0, 1, 1, 1]])
    assert confusion_of(predicted, expected, 2).tolist() == [[1, 1], [0, 1]]


def test_scores_are_those_of_all_pixels_together() -> None:
    """A mean over the three images would be another number: the last one has a single pixel."""
    expected, predicted = drawn(1), drawn(2)
    expected[0][0] = IGNORED
    found = scorer().compute(masks(*predicted), masks(*expected))
    true, guess = (np.concatenate([mask.ravel() for mask in arrays]) for arrays in (expected, predicted))
    counts = true != IGNORED
    true, guess = true[counts], guess[counts]
    assert found["confusion_matrix"] == confusion_matrix(true, guess).tolist()
    iou, dice = jaccard_score(true, guess, average=None), f1_score(true, guess, average=None)
    assert [row["iou"] for row in found["per_label"].values()] == pytest.approx(iou)
    assert [row["dice"] for row in found["per_label"].values()] == pytest.approx(dice)
    assert found["mean_iou"] == pytest.approx(iou.mean())
    assert found["mean_dice"] == pytest.approx(dice.mean())
    assert found["pixel_accuracy"] == pytest.approx((true == guess).mean())
    assert sum(row["support"] for row in found["per_label"].values()) == len(true)


def test_a_class_that_the_split_does_not_hold_has_no_score_though_it_is_predicted() -> None:
    found = scorer().compute(masks(np.array([[0, 1, 2, 2]])), masks(np.array([[0, 1, 1, 1]])))
    nucleus = found["per_label"]["nucleus"]
    assert nucleus == {"iou": None, "dice": None, "accuracy": None, "precision": None, "support": 0}
    assert found["mean_iou"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["mean_accuracy"] == pytest.approx((1 + 1 / 3) / 2)


def test_masks_of_no_class_have_no_scores_and_a_note() -> None:
    computing = scorer()
    found = computing.compute(masks(np.array([[0]])), masks(np.array([[IGNORED]])))
    assert [found[key] for key in computing.keys] == [None] * 4
    assert computing.notes["mean_iou"] == "no pixel of the split is of a class"


def test_one_class_stands_for_every_pixel() -> None:
    predicted = np.empty(1, object)
    predicted[0] = OneClass(1)
    found = scorer().compute(predicted, masks(np.array([[1, 1, 1, 0]])))
    assert found["pixel_accuracy"] == 0.75
    assert found["mean_iou"] == pytest.approx((0 + 0.75) / 2)


def test_many_classes_have_pairs_in_the_place_of_a_matrix() -> None:
    labels = LabelSpace(tuple(map(str, range(40))))
    expected, predicted = np.array([[7, 7, 7, 3]]), np.array([[8, 8, 7, 39]])
    found = scorer(labels).compute(masks(predicted), masks(expected))
    assert "confusion_matrix" not in found
    assert found["confused_pairs"] == [["7", "8", 2], ["3", "39", 1]]
