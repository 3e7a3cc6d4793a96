"""What a score has to beat: BM25 in ranking, the choices alone in multiple choice. None knows what a model does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BASELINE = "baseline_"
"""Goes before the name of such a method in results: `test_baseline_bm25` is its score by the primary metric."""

UNTRAINED = "untrained_checkpoint"
"""The name of the checkpoint itself among them, where it predicts before it is trained."""

MOST_CANDIDATES = 200_000
"""Candidates up to which the methods are computed; beyond, they would take minutes."""

WORD = r"(?u)[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|\b\w+\b"  # each sign of Chinese and Japanese is a word
_K1, _B = 1.2, 0.75
_SEED = 0


def bm25(queries: Sequence[str], documents: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """Returns BM25 of each query's documents, (N,) of arrays (K,); how rare a word is, is counted over all of them.

    Source: Robertson and Zaragoza (2009), 10.1561/1500000019, with k1 1.2, b 0.75 and Lucene's idf, which is never
    below 0.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counts = [len(of_query) for of_query in documents]
    vectorizer = CountVectorizer(token_pattern=WORD)
    frequencies_DW = vectorizer.fit_transform([text for of_query in documents for text in of_query]).astype(float)
    lengths_D = np.asarray(frequencies_DW.sum(axis=1)).ravel()
    containing_W = np.asarray((frequencies_DW > 0).sum(axis=0)).ravel()
    idf_W = np.log1p((len(lengths_D) - containing_W + 0.5) / (containing_W + 0.5))
    damping_D = _K1 * (1 - _B + _B * lengths_D / max(lengths_D.mean(), 1e-9))
    weights_DW = frequencies_DW.tocsr()
    rows = np.repeat(np.arange(len(lengths_D)), np.diff(weights_DW.indptr))
    weights_DW.data = weights_DW.data * (_K1 + 1) / (weights_DW.data + damping_D[rows]) * idf_W[weights_DW.indices]
    asked_DW = vectorizer.transform(queries)[np.repeat(np.arange(len(counts)), counts)]
    scores_D = np.asarray(weights_DW.multiply(asked_DW).sum(axis=1)).ravel()
    return np.split(scores_D, np.cumsum(counts)[:-1])


def by_choices_alone(
    train: Sequence[Sequence[str]], right: Sequence[int], choices: Sequence[Sequence[str]]
) -> np.ndarray:
    """Returns what a linear model chooses that has never read a question, (N,) positions.

    It shows how much the choices give away (Gururangan et al. 2018, N18-2017): their words, how long each is among its
    rivals, and where it stands.

    Args:
        train: choices of the training questions.
        right: positions of the right ones.
        choices: of the questions to answer.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), sublinear_tf=True)
    words = vectorizer.fit_transform([choice for of_question in train for choice in of_question])
    questions = zip(train, right, strict=True)
    is_right = [place == answer for of_question, answer in questions for place in range(len(of_question))]
    model = LogisticRegression(max_iter=200, random_state=_SEED)
    model.fit(hstack([words, _places_and_lengths(train)]).tocsr(), is_right)
    asked = hstack([vectorizer.transform([choice for one in choices for choice in one]), _places_and_lengths(choices)])
    scores = np.split(model.decision_function(asked.tocsr()), np.cumsum([len(one) for one in choices])[:-1])
    return np.array([int(one.argmax()) for one in scores], np.int64)


def _places_and_lengths(choices: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns for each choice its place, from 0 to 1, and its length over that of the longest, (sum of K, 2)."""
    rows = []
    for of_question in choices:
        longest = max(1, *map(len, of_question))
        rows += [(place / len(of_question), len(choice) / longest) for place, choice in enumerate(of_question)]
    return np.array(rows)
