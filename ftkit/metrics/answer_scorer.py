"""The scorer of answers that stand in a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ftkit.errors import ConfigError, name_list
from ftkit.metrics.answers import LANGUAGES_WITHOUT_SPACES, words_of_language
from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.spec import MetricGroup
from ftkit.types import PredictedAnswer


class AnswerScorer(BaseScorer):
    """Scores answers (N,), each a PredictedAnswer, against tuples of texts; no text where there is no answer.

    Attributes:
        answer_language: a language without spaces, whose characters are compared; None for SQuAD's own rules.
    """

    def __init__(self, names: Sequence[str], group: MetricGroup, *, answer_language: str | None = None) -> None:
        """Checks the names and loads external metrics.

        Args:
            answer_language: a code such as `zh`.

        Raises:
            ConfigError: for a metric that is unknown, unsuited or cannot be loaded, or a language with spaces.
        """
        if answer_language is not None and answer_language not in LANGUAGES_WITHOUT_SPACES:
            raise ConfigError(
                f"data.answer_language: {answer_language!r} is none of {name_list(sorted(LANGUAGES_WITHOUT_SPACES))}, "
                "the languages without spaces of which characters are compared. Leave it out: others are scored by "
                "SQuAD's own rules."
            )
        self.answer_language = answer_language
        super().__init__(names, group)

    @property
    def facts(self) -> dict[str, Any]:
        """How answers are compared, where it is not by SQuAD's words."""
        return {} if self.answer_language is None else {"answer_language": self.answer_language}

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        found: list[PredictedAnswer] = list(predictions)  # type: ignore[arg-type]
        expected: list[Any] = list(references)  # type: ignore[arg-type]
        return {
            "predictions": [answer.text for answer in found],
            "references": [tuple(texts) for texts in expected],
            "best_answers": [answer.best for answer in found],
            "no_answer_probabilities": [answer.no_answer for answer in found],
            "words": words_of_language(self.answer_language),
        }

    def _offered(self, inputs: Inputs) -> Inputs:
        references = [list(texts) or [""] for texts in inputs["references"]]
        return {"predictions": inputs["predictions"], "references": references}

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        texts = ("a small house", "in 1876")
        found = np.empty(len(texts), object)
        found[:] = [PredictedAnswer(text, text) for text in texts]
        return found, [(text,) for text in texts], None
