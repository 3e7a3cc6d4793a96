"""A stretch of a text that answers a question: where it starts and where it ends, or that there is none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from ftkit.adapters.objective import ObjectiveBase, Prediction
from ftkit.adapters.preprocessors.question_context import PLACES, QuestionContextPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS, label_counts
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.questions import QuestionExample
from ftkit.errors import CheckpointError
from ftkit.metrics.answers import best_threshold, gains, score_answer, words_of_language
from ftkit.models.loading import LoadedModel, has_auto_model, has_renamed_body, load_with_head
from ftkit.models.outputs import logits_of
from ftkit.models.reading import check_looks_ahead, config_that_reads
from ftkit.models.spec import CheckpointSpec
from ftkit.types import PredictedAnswer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

NUM_SEARCHED = 20
"""The best spans of each window that are kept, and of each text that probabilities are computed over."""
NUM_OUTPUTS = 2  # of a start and of an end
EVEN = 0.5


class Span(NamedTuple):
    """A candidate: characters [start, end) of the context, and the sum of its two logits."""

    start: int
    end: int
    logit: float


class Found(NamedTuple):
    """What was found for one question.

    Attributes:
        spans: the best ones, each with its probability, best first.
        text: of the context, to read them in.
        no_answer: the probability of no answer against the best span.
    """

    spans: tuple[tuple[Span, float], ...]
    text: str
    no_answer: float


class SpanObjective(ObjectiveBase):
    """Extractive question answering with transformers' own heads.

    Attributes:
        threshold: there is no answer where its probability, against the best span, is above it; None where a question
            is always answered.
    """

    options: ClassVar[tuple[str, ...]] = ("no_answer", "no_answer_threshold", "answer_language", "n_best")

    def __init__(
        self,
        preprocessor: QuestionContextPreprocessor,
        auto_class: str,
        *,
        no_answer: bool = False,
        no_answer_threshold: float | None = None,
        answer_language: str | None = None,
        n_best: int = 1,
    ) -> None:
        """Makes the objective.

        Args:
            no_answer: whether a question may have none.
            no_answer_threshold: from which probability there is none; by default the best one on validation.
            answer_language: by which rules answers are compared, see ftkit.metrics.answers.
            n_best: how many spans a prediction lists.
        """
        self.preprocessor, self.auto_class = preprocessor, auto_class
        self.answer_language, self.n_best = answer_language, n_best
        self.threshold = (EVEN if no_answer_threshold is None else no_answer_threshold) if no_answer else None

        self._is_stated = no_answer_threshold is not None

    @property
    def settles(self) -> bool:
        """Whether the threshold is to be found on validation."""
        return self.threshold is not None and not self._is_stated

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """The threshold, once it is found or was stated."""
        return {} if self.threshold is None else {"no_answer_threshold": self.threshold}

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a model type that transformers has no span head for, before any weight is read.

        Raises:
            CheckpointError: it has none.
        """
        if has_auto_model(auto_class, spec):
            return
        raise CheckpointError(
            f"model.checkpoint: question answering has no head for a {spec.model_type!r} checkpoint in transformers, "
            f"so {spec.name!r} cannot mark answers. It works for bert, roberta, deberta-v2, modernbert, gpt2, llama, "
            "mistral, qwen2, qwen3, t5, mt5, bart, mbart ..."
        )

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for starts and ends, and its attention as declared.

        Raises:
            CheckpointError: its weights cannot be read, more than a head is missing, or its attention cannot be
                unmasked.
        """
        spec = self.preprocessor.spec
        config = config_that_reads(spec, num_labels=NUM_OUTPUTS)
        loaded = load_with_head(self.auto_class, spec, tokenizer=self.preprocessor.processor, config=config)
        check_looks_ahead(loaded.model, spec)
        return loaded

    # --- loss and search ---

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns 1 for each window that bears loss, and 0 for those of answers that fit into none."""
        return label_counts(encoded) // 2

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's mean cross-entropy of start and end, (B,).

        They are chosen among the tokens of the text and the place that says there is no answer; the question and
        padding have no part in it.
        """
        from torch.nn import functional

        extras = batch.extras
        logits_BT2 = logits_of(outputs).float()
        places_T = _places(logits_BT2)
        allowed_BT = _in_context(batch, places_T) | (places_T == extras["no_answer_position"][:, None])
        logits_BT2 = logits_BT2.masked_fill(~allowed_BT[:, :, None], -math.inf)
        losses_B2 = functional.cross_entropy(logits_BT2, batch.labels, ignore_index=NO_LOSS, reduction="none")
        return losses_B2.mean(dim=1)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Searches each window for the spans with the largest sums of raw logits, which windows can be compared by.

        Returns:
            `logits` (B, K) of the best spans, `span_starts` and `span_ends` (B, K), the tokens that they begin and end
            with, counted from the window's first; -inf where there are fewer. `no_answer` (B,), the sum of no answer.
            `loss` (B,) with labels.
        """
        import torch

        outputs = model(**batch.inputs)
        loss = {} if batch.labels is None else {"loss": self.loss(outputs, batch)}
        logits_BT2 = logits_of(outputs).float()
        outside_BT = ~_in_context(batch, _places(logits_BT2))
        start_BT, end_BT = logits_BT2.masked_fill(outside_BT[:, :, None], -math.inf).unbind(dim=2)
        longest = min(self.preprocessor.max_answer_length, end_BT.shape[1])
        ends_BTL = torch.nn.functional.pad(end_BT, (0, longest - 1), value=-math.inf).unfold(1, longest, 1)
        sums_BX = (start_BT[:, :, None] + ends_BTL).flatten(1)
        sums_BX = torch.nn.functional.pad(sums_BX, (0, max(NUM_SEARCHED - sums_BX.shape[1], 0)), value=-math.inf)
        best_BK, places_BK = sums_BX.topk(NUM_SEARCHED, dim=1)
        starts_BK = places_BK // longest - batch.extras["context_first"][:, None]
        nothing_B = batch.extras["no_answer_position"]
        no_answer_B = logits_BT2[torch.arange(len(nothing_B), device=nothing_B.device), nothing_B].sum(dim=1)
        return {
            "logits": best_BK,
            "span_starts": starts_BK,
            "span_ends": starts_BK + places_BK % longest,
            "no_answer": no_answer_B,
            **loss,
        }

    # --- windows -> answers ---

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Compares the spans of all windows of a text by their sums of raw logits.

        Probabilities are over the best 20 spans and, where there may be none, no answer, whose sum is the smallest of
        all windows: one window without the answer says little.

        Returns:
            `predictions` (N,) of PredictedAnswer, `confidences` (N,) the probability of what is answered, `found` (N,)
            of Found.
        """
        assert encoded.first_rows is not None
        first_rows = (encoded.first_rows[start : stop + 1] - encoded.first_rows[start]).tolist()
        places = encoded.rows.select_columns(list(PLACES)).select(encoded.rows_of(start, stop))
        starts, ends, texts = (places[name] for name in PLACES)
        found, confidences = [], []
        for first, last in itertools.pairwise(first_rows):
            windows = [_spans(arrays, row, starts[row], ends[row]) for row in range(first, last)]
            nothing = float(arrays["no_answer"][first:last].min())
            answer, confidence = self._answer(_best_of(windows), nothing, texts[first])
            found.append(answer)
            confidences.append(confidence)
        finished = {
            "predictions": _objects([self._predicted(answer) for answer in found]),
            "confidences": np.array(confidences, np.float64),
            "found": _objects(found),
        }
        if "loss" in arrays:
            finished["loss"] = np.add.reduceat(arrays["loss"], first_rows[:-1])
        return finished

    def _answer(self, spans: Sequence[Span], nothing: float, text: str) -> tuple[Found, float]:
        """Returns what was found, and the probability of what is answered."""
        logits = np.array([span.logit for span in spans] + ([] if self.threshold is None else [nothing]), np.float64)
        probabilities = np.exp(logits - logits.max(initial=-math.inf)) if len(logits) else np.ones(1)
        probabilities /= probabilities.sum()
        silence = 1.0 if not spans else 0.0 if self.threshold is None else _sigmoid(nothing - spans[0].logit)
        found = Found(tuple(zip(spans, probabilities.tolist(), strict=False)), text, silence)
        return found, float(probabilities[-1] if self._is_silent(found) else probabilities[0])

    def _is_silent(self, found: Found) -> bool:
        return not found.spans or (self.threshold is not None and found.no_answer > self.threshold)

    def _predicted(self, found: Found) -> PredictedAnswer:
        best = found.text[found.spans[0][0].start : found.spans[0][0].end] if found.spans else ""
        return PredictedAnswer("" if self._is_silent(found) else best, best, found.no_answer)

    def settle(self, arrays: Arrays, references: np.ndarray) -> None:
        """Takes the threshold with the best F1, if questions without an answer are among those of validation.

        Every threshold up to the next probability gives that F1; the middle is likeliest to serve other questions.
        """
        has_answer = [bool(texts) for texts in references]
        if all(has_answer):
            return
        words, answers = words_of_language(self.answer_language), [answer.best for answer in arrays["predictions"]]
        probabilities = [answer.no_answer for answer in arrays["predictions"]]
        pairs = zip(answers, references, strict=True)
        f1 = [score_answer(answer, texts, words, version=2).f1 for answer, texts in pairs]
        added = gains(f1, [bool(answer) for answer in answers], has_answer)
        lowest = best_threshold(probabilities, added, has_answer.count(False)).threshold
        above = min((value for value in probabilities if value > lowest), default=1.0)
        self.threshold = (lowest + above) / 2

    def references(self, examples: Sequence[QuestionExample]) -> np.ndarray:
        """Returns the texts of all answers of each question, (N,) of tuples."""
        return _objects([tuple(answer.text for answer in example.answers or ()) for example in examples])

    def decode(self, arrays: Arrays, examples: Sequence[QuestionExample]) -> list[Prediction]:
        """Returns `answer`, its `score`, its `start` and `end` (characters, the end not included), and `n_best`.

        Where a question may have no answer, `no_answer_score` is its probability against the best span; an `answer`
        that is empty has neither start nor end.
        """
        rows = zip(arrays["predictions"], arrays["found"], arrays["confidences"].tolist(), strict=True)
        return [self._prediction(answer, found, confidence) for answer, found, confidence in rows]

    def _prediction(self, answer: PredictedAnswer, found: Found, confidence: float) -> Prediction:
        listed = [_listed(found.text, span, score) for span, score in found.spans[: self.n_best]]
        place: Prediction = {"start": None, "end": None}
        if found.spans and not self._is_silent(found):
            place = {"start": found.spans[0][0].start, "end": found.spans[0][0].end}
        silence = {} if self.threshold is None else {"no_answer_score": found.no_answer}
        return {"answer": answer.text, "score": confidence, **place, **silence, "n_best": listed}

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without an answer; None, and not the empty text of a question without one."""
        silence = {} if self.threshold is None else {"no_answer_score": None}
        return {"answer": None, "score": None, "start": None, "end": None, **silence, "n_best": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model, and from when on there is no answer."""
        return {
            "auto_class": self.auto_class,
            "no_answer_threshold": self.threshold,
            "has_renamed_body": has_renamed_body(self.auto_class, self.preprocessor.spec),
        }


def _listed(text: str, span: Span, score: float) -> Prediction:
    return {"answer": text[span.start : span.end], "score": score, "start": span.start, "end": span.end}


def _places(logits_BT2: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.arange(logits_BT2.shape[1], device=logits_BT2.device)


def _in_context(batch: Batch, places_T: torch.Tensor) -> torch.Tensor:
    """Returns where the tokens of the text are, (B, T)."""
    first_B, stop_B = batch.extras["context_first"], batch.extras["context_stop"]
    return (places_T >= first_B[:, None]) & (places_T < stop_B[:, None])


def _spans(arrays: Mapping[str, np.ndarray], row: int, starts: Sequence[int], ends: Sequence[int]) -> list[Span]:
    """Returns the spans of one window in characters of its text."""
    tokens = zip(arrays["span_starts"][row].tolist(), arrays["span_ends"][row].tolist(), strict=True)
    pairs = zip(arrays["logits"][row].tolist(), tokens, strict=True)
    # What is NaN is so outside of the text, too, where it is no span of it.
    inside = [(logit, first, last) for logit, (first, last) in pairs if first >= 0 and last < len(ends)]
    found = [Span(starts[first], ends[last], logit) for logit, first, last in inside if logit != -math.inf]
    return [span for span in found if span.start < span.end]


def _best_of(windows: Sequence[Sequence[Span]]) -> list[Span]:
    """Returns the best spans of all windows, each stretch of the text once, with the larger of its sums."""
    best: dict[tuple[int, int], Span] = {}
    for span in itertools.chain.from_iterable(windows):
        known = best.get((span.start, span.end))
        # Written so that NaN stays and is told: it is neither larger nor smaller.
        if known is None or not span.logit <= known.logit:
            best[span.start, span.end] = span
    return sorted(best.values(), key=lambda span: (-span.logit, span.start, span.end))[:NUM_SEARCHED]


def _sigmoid(value: float) -> float:
    small = math.exp(-abs(value))
    return 1 / (1 + small) if value >= 0 else small / (1 + small)


def _objects(items: Sequence[Any]) -> np.ndarray:
    """Returns an array of objects, (N,), whatever these are; of tuples NumPy would make a table."""
    array = np.empty(len(items), object)
    for place, item in enumerate(items):
        array[place] = item
    return array
