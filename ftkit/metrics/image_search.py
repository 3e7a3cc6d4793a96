"""Metrics of a search both ways: images look for their texts among all texts, and texts for their images.

Equal images are one query, whose texts are those of all its rows; so are equal texts. A query counts as answered where
one of its own stands among the first: papers on Flickr30k and COCO, with five captions an image, count so. Candidates
of equal cosine are taken in the worst order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np

from ftkit.metrics.array_metric import ArrayMetric, Scores
from ftkit.metrics.search import ranks_of

DEPTHS = (1, 5, 10)


class Ranks(NamedTuple):
    """Where queries find their own.

    Attributes:
        best: the rank of the first of each query's own, from 1, (Q,).
        rows: the first row of each query, (Q,).
    """

    best: np.ndarray
    rows: np.ndarray


def ranks_both_ways(vectors: Sequence[np.ndarray], keys: Sequence[np.ndarray]) -> tuple[Ranks, Ranks]:
    """Returns the ranks of texts that images look for, and of images that texts look for.

    Example: one image with the captions a and b, another with c. The nearest texts of the first are c and then b: its
    rank is 2. If of the texts a and b find the first image and c does not, theirs are 1, 1 and 2.

    Args:
        vectors: of each row its image's and its texts', (N,) of (1 + K, D).
        keys: what tells equal images and texts, (N,) of (1 + K,).
    """
    pairs = [(row, text) for row, of_row in enumerate(keys) for text in range(1, len(of_row))]
    return _ranks(vectors, keys, [(row, [0, text]) for row, text in pairs]), _ranks(
        vectors, keys, [(row, [text, 0]) for row, text in pairs]
    )


def _ranks(vectors: Sequence[np.ndarray], keys: Sequence[np.ndarray], pairs: Sequence[tuple[int, list[int]]]) -> Ranks:
    """Returns the ranks of one way.

    Args:
        pairs: rows, and which of their vectors looks for which.
    """
    ranks, firsts = ranks_of([vectors[row][pair] for row, pair in pairs], [keys[row][pair] for row, pair in pairs])
    rows = np.array([row for row, _ in pairs])
    return Ranks(np.array([of_query[0] for of_query in ranks]), rows[firsts])


def recalls(best: np.ndarray) -> list[float]:
    """Returns the share of queries that find one of their own among the first 1, 5 and 10."""
    return [float(np.mean(np.asarray(best) <= depth)) for depth in DEPTHS]


class _Recall(ArrayMetric):
    """Recall@1, @5 and @10 of one way."""

    way: str
    citation_text = "Karpathy and Fei-Fei (2015), arXiv 1412.2306, section 4.1."

    @property
    def _keys(self) -> tuple[str, ...]:
        return tuple(f"{self.way}_recall@{depth}" for depth in DEPTHS)

    def _named(self, best: Any) -> Scores:
        self.notes = {}
        if not len(best):
            return self._undefined(self._keys, "there are no rows")
        return self._finite(dict(zip(self._keys, recalls(best), strict=True)))


class ImageToTextRecall(_Recall):
    """Recall@k of images that look for a text."""

    way = "image_to_text"
    inputs_text = """
Args:
    image_to_text: the rank of the first right text of each image, from 1.
"""
    input_features = (datasets.Features({"image_to_text": datasets.Value("int64")}),)
    description_text = "The share of images that find one of their texts among the first 1, 5 and 10."

    def _compute(self, image_to_text: Any) -> Scores:
        return self._named(image_to_text)


class TextToImageRecall(_Recall):
    """Recall@k of texts that look for an image."""

    way = "text_to_image"
    inputs_text = """
Args:
    text_to_image: the rank of the first right image of each text, from 1.
"""
    input_features = (datasets.Features({"text_to_image": datasets.Value("int64")}),)
    description_text = "The share of texts that find one of their images among the first 1, 5 and 10."

    def _compute(self, text_to_image: Any) -> Scores:
        return self._named(text_to_image)


class MeanRecall(ArrayMetric):
    """The mean of the six recalls."""

    inputs_text = """
Args:
    image_to_text: the rank of the first right text of each image, from 1.
    text_to_image: the rank of the first right image of each text, from 1.
"""
    input_features = (
        datasets.Features({"image_to_text": datasets.Value("int64"), "text_to_image": datasets.Value("int64")}),
    )
    description_text = "The mean of Recall@1, @5 and @10 of both ways."
    citation_text = "Huang, Wang and Wang (2017), arXiv 1611.05588, section 4.1."

    def _compute(self, image_to_text: Any, text_to_image: Any) -> Scores:
        self.notes = {}
        if not len(image_to_text):
            return self._undefined(("mean_recall",), "there are no rows")
        return self._finite({"mean_recall": float(np.mean([*recalls(image_to_text), *recalls(text_to_image)]))})
