"""What the words that texts share say of how alike they are, without a model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.metrics.simple_methods import WORD


def word_vectors(texts: Sequence[Sequence[str]]) -> list[Any]:
    """Returns TF-IDF vectors of length 1 of the texts of each row, sparse (K, V) each.

    How rare a word is, is counted over all of them.
    """
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    bounds = np.cumsum([0, *map(len, texts)]).tolist()
    try:
        vectorizer = TfidfVectorizer(token_pattern=WORD)
        vectors = vectorizer.fit_transform([text for of_row in texts for text in of_row]).tocsr()
    except ValueError:  # not one of the texts has a word
        vectors = csr_matrix((bounds[-1], 1))
    return [vectors[start:stop] for start, stop in itertools.pairwise(bounds)]


def word_cosines(pairs: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns the cosine of the TF-IDF vectors of each pair, (N,).

    Example: of "a red hat", "a blue hat" and "rain", "sun" the first pair has about 0.4, the second 0.
    """
    from scipy.sparse import vstack

    vectors = vstack(word_vectors(pairs)).tocsr()
    return np.asarray(vectors[::2].multiply(vectors[1::2]).sum(axis=1)).ravel()
