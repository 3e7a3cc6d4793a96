"""The scorer of texts that a model writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from ftkit.metrics.base_scorer import BaseScorer, Inputs
from ftkit.metrics.rouge import References
from ftkit.metrics.spec import MetricGroup
from ftkit.metrics.translation import bleu_tokenizer as choose_tokenizer


class TextScorer(BaseScorer):
    """Scores texts (N,); a row may have several references, as a tuple.

    Each of sacreBLEU's metrics and ROUGE come with their `..._signature`, BLEU with `bleu_tokenizer`.

    Attributes:
        tokenizer: sacreBLEU's, for BLEU.
    """

    def __init__(
        self,
        names: Sequence[str],
        group: MetricGroup,
        *,
        target_lang: str | None = None,
        bleu_tokenizer: str | None = None,
        rouge_references: References = "max",
    ) -> None:
        """Checks the names and finds the tokenizer.

        Args:
            target_lang: the language of the texts, such as `de` or `zho_Hans`.
            bleu_tokenizer: the name of one of sacreBLEU's; by default the one that suits the language.
            rouge_references: what several references of a row give together in ROUGE.

        Raises:
            ConfigError: for a metric or tokenizer that is unknown, unsuited or cannot be used.
        """
        self.tokenizer = choose_tokenizer(target_lang, bleu_tokenizer)
        self.rouge_references = rouge_references
        super().__init__(names, group)

    def _inputs(self, predictions: ArrayLike, references: ArrayLike, scores: ArrayLike | None) -> Inputs:
        written: list[Any] = list(predictions)  # type: ignore[arg-type]
        expected: list[Any] = list(references)  # type: ignore[arg-type]
        return {
            "predictions": written,
            "references": expected,
            "tokenizer": self.tokenizer,
            "rouge_references": self.rouge_references,
        }

    @property
    def one_reference_only(self) -> tuple[str, ...]:
        """Names of the metrics that take one reference for each row."""
        return tuple(metric.name for metric in self._external if not metric.takes_lists)

    def _sample(self) -> tuple[ArrayLike, ArrayLike, ArrayLike | None]:
        texts = ["A small house stands by the sea.", "Who lives there?"]
        return texts, texts, None

    def _details(self, inputs: Inputs) -> dict[str, Any]:
        return dict.fromkeys(self._detail_keys, self.tokenizer)

    @property
    def _detail_keys(self) -> tuple[str, ...]:
        return ("bleu_tokenizer",) if "bleu" in self.names else ()
