"""SQuAD's exact match and F1 as an `evaluate.Metric`, with the numbers of version 2 where questions have no answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

from ftkit.metrics.answers import Words, best_threshold, gains, normalized_words, score_answer
from ftkit.metrics.array_metric import ArrayMetric, Scores

_TEXT = datasets.Value("string")


class Squad(ArrayMetric):
    """Exact match and F1, from 0 to 1, each the best over the references of a question."""

    description_text = "Exact match and F1 from 0 to 1; SQuAD's official scripts print them times 100."
    citation_text = "Rajpurkar et al. (2016), D16-1264; Rajpurkar, Jia and Liang (2018), P18-2124."
    inputs_text = """
Args:
    predictions: texts; an empty one for no answer.
    references: tuples of texts; an empty one where a question has no answer.
    best_answers: texts, what is answered where something is.
    scores: probabilities of no answer.
    words: what cuts an answer into what is compared.
"""
    input_features = (datasets.Features({"predictions": _TEXT, "references": datasets.Sequence(_TEXT)}),)

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[Sequence[str]],
        best_answers: Sequence[str] | None = None,
        no_answer_probabilities: Sequence[float] | None = None,
        words: Words = normalized_words,
    ) -> Scores:
        self.notes = {}
        has_answer = np.array([len(texts) > 0 for texts in references], bool)
        version = 1 if has_answer.all() else 2
        answers = predictions if best_answers is None else best_answers
        best_N2 = _scores(answers, references, words, version)
        # As the official script has it: silence is wrong on every question with an answer, whatever is left of that.
        is_silent = np.array([not text and bool(best) for text, best in zip(predictions, answers, strict=True)], bool)
        found_N2 = np.where(is_silent[:, None], ~has_answer[:, None], best_N2)
        values: dict[str, Any] = _means(found_N2, ("exact_match", "f1"))
        if version == 1:
            return self._finite(values)
        for name, rows in (("HasAns", has_answer), ("NoAns", ~has_answer)):
            if rows.any():
                values |= _means(found_N2[rows], (f"{name}_exact", f"{name}_f1"))
        if no_answer_probabilities is not None:
            values |= _at_best_thresholds(best_N2, answers, has_answer, no_answer_probabilities)
        return self._finite(values)


def _scores(answers: Sequence[str], references: Sequence[Sequence[str]], words: Words, version: int) -> np.ndarray:
    """Returns exact match and F1 of each answer, (N, 2)."""
    pairs = zip(answers, references, strict=True)
    return np.array([score_answer(answer, texts, words, version=version) for answer, texts in pairs], np.float64)


def _means(scores_N2: np.ndarray, names: tuple[str, str]) -> dict[str, float]:
    # Python's own sum of floats, row by row, as the official scripts have it: NumPy's would round otherwise.
    return {name: sum(scores_N2[:, column].tolist()) / len(scores_N2) for column, name in enumerate(names)}


def _at_best_thresholds(
    found_N2: np.ndarray, answers: Sequence[str], has_answer: np.ndarray, probabilities: Sequence[float]
) -> dict[str, float]:
    values: dict[str, float] = {}
    for column, name in enumerate(("best_exact", "best_f1")):
        added = gains(found_N2[:, column].tolist(), [bool(answer) for answer in answers], has_answer.tolist())
        best = best_threshold(probabilities, added, int((~has_answer).sum()))
        values |= {name: best.value / len(answers), f"{name}_thresh": best.threshold}
    return values
