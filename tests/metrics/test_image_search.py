"""A search both ways: equal images and texts are one query, and one right candidate is enough."""

from __future__ import annotations

import numpy as np
import pytest

from ftkit.metrics.groups import GROUPS
from ftkit.metrics.image_search import ranks_both_ways, recalls
from ftkit.metrics.scorer import make_scorer


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


# The first image (0 degrees) has captions at 50 and 90, the second (200) one at 10, nearer to the first.
VECTORS = [on_circle(0, 50, 90), on_circle(200, 10)]
KEYS = [np.array([1, 11, 12]), np.array([2, 13])]


def test_the_first_of_several_captions_counts() -> None:
    images, texts = ranks_both_ways(VECTORS, KEYS)
    assert images.best.tolist() == [2, 3]
    assert images.rows.tolist() == [0, 1]
    assert texts.best.tolist() == [1, 1, 2]
    assert texts.rows.tolist() == [0, 0, 1]


def test_rows_of_one_image_are_one_query() -> None:
    apart = [VECTORS[0][[0, 1]], VECTORS[0][[0, 2]], VECTORS[1]]
    images, texts = ranks_both_ways(apart, [np.array([1, 11]), np.array([1, 12]), KEYS[1]])
    assert images.best.tolist() == [2, 3]
    assert images.rows.tolist() == [0, 2]
    assert texts.best.tolist() == [1, 1, 2]


def test_images_with_one_caption_both_answer_it() -> None:
    images, texts = ranks_both_ways([on_circle(0, 90), on_circle(80, 90)], [np.array([1, 11]), np.array([2, 11])])
    assert images.best.tolist() == [1, 1]
    assert texts.best.tolist() == [1]


def test_the_scorer_reports_both_ways_and_their_mean() -> None:
    group = GROUPS["image-search"]
    scorer = make_scorer(group.defaults, group)
    found = scorer.compute(VECTORS, KEYS)  # type: ignore[arg-type]
    assert found == pytest.approx(
        {
            "image_to_text_recall@1": 0.0,
            "image_to_text_recall@5": 1.0,
            "image_to_text_recall@10": 1.0,
            "text_to_image_recall@1": 2 / 3,
            "text_to_image_recall@5": 1.0,
            "text_to_image_recall@10": 1.0,
            "mean_recall": (0 + 1 + 1 + 2 / 3 + 1 + 1) / 6,
        }
    )
    assert recalls(np.array([1, 6, 11])) == pytest.approx([1 / 3, 1 / 3, 2 / 3])
