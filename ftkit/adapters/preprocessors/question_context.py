"""A question and a text of any length, in windows of tokens each of which repeats the question.

The families differ in where a row says that it holds no answer. Encoders and encoder-decoders say it at their first
special token, and at the last token where they have none. A causal decoder has read nothing at the first one, so it
says it at an end-of-text token behind the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessors.pair_layout import PairLayout, continued_layout, marked_layout
from ftkit.adapters.preprocessors.tokens import NO_LOSS, TokenPreprocessor, dataset_of, id_column, in_chunks
from ftkit.adapters.preprocessors.windows import cut_windows
from ftkit.adapters.rows import Batch, Encoded, EncodedToScore
from ftkit.data.questions import Answer, QuestionExample
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

LONGEST_ANSWER = 30  # tokens; what the reference implementations of SQuAD search
DEFAULT_OVERLAP = 4  # windows share a quarter
LEAST_ROOM = 4  # tokens of a question and a text

NUMBERS = ("context_first", "context_stop", "no_answer_position")
"""Columns with one number a row: where the text of the window lies, and where the row says that it holds no answer."""
PLACES = ("starts", "ends", "context")
"""Columns that no model reads: where each token of the window lies in the text, and the text, once an example."""

Row = dict[str, Any]


@dataclass(frozen=True)
class ContextTokens:
    """A text as tokens: their ids, and the characters [start, end) of each without white space around them."""

    ids: list[int]
    starts: np.ndarray
    ends: np.ndarray

    def span_of(self, answer: Answer) -> tuple[int, int] | None:
        """Returns the first and the last token of an answer; None where no token has a character of it.

        Example: of `It rained.` as it, rain, ##ed, `.`, the answer `rained` at 3 is (1, 2).
        """
        assert answer.start is not None, "answers are placed before they are encoded"
        stop = answer.start + len(answer.text)
        first = int(np.searchsorted(self.ends, answer.start, side="right"))
        last = int(np.searchsorted(self.starts, stop, side="left")) - 1
        return (first, last) if first <= last else None


class QuestionContextPreprocessor(TokenPreprocessor):
    """BERT, RoBERTa, DeBERTa, ModernBERT ...; T5, BART, mBART: the tokenizer marks where the text begins.

    Attributes:
        layout: what stands around question and text.
        max_answer_length: tokens of the longest answer that is searched for.
        window_overlap: tokens that windows of a text share; None for a quarter.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("max_answer_length", "window_overlap")
    cut_meanings: ClassVar[Mapping[str, str]] = {
        "question": "with a question longer than half of what the model reads; its end was cut",
        "answer": "with an answer that fits into no window and is not learnt; a larger data.max_length may help",
    }
    extras = NUMBERS

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        max_answer_length: int | None = None,
        window_overlap: int | None = None,
    ) -> None:
        super().__init__(spec, labels, max_length=max_length)
        if not self.processor.is_fast:
            raise CheckpointError(
                f"model.checkpoint: the tokenizer of {spec.name!r} is written in Python and does not say where in a "
                "text its tokens stand, so no answer can be found by them. Name a checkpoint with a tokenizer.json."
            )
        self.layout = self._find_layout()
        self.window_overlap = window_overlap
        self._stated_answer_length, self._found_answer_length = max_answer_length, LONGEST_ANSWER
        if self._room is not None and self._room < LEAST_ROOM:
            raise ConfigError(
                f"data.max_length: {self.max_length} tokens leave no room for a question and a text beside the "
                f"{self.layout.num_tokens} special tokens of this tokenizer. Say more."
            )
        if self._room is not None and window_overlap is not None and window_overlap >= self._room // 2:
            raise ConfigError(
                f"data.window_overlap: windows of {self.max_length} tokens, of which a question may take half, cannot "
                f"share {window_overlap}. Say less than {self._room // 2}, or a larger data.max_length."
            )

    def _find_layout(self) -> PairLayout:
        return marked_layout(self.processor)

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.processor.pad_token_id, "token_type_ids": 0}

    @property
    def max_answer_length(self) -> int:
        """Tokens of the longest answer that is searched for."""
        return self._stated_answer_length or self._found_answer_length

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """How long answers are, as it was read off those of train."""
        return {"max_answer_length": self.max_answer_length}

    @property
    def _room(self) -> int | None:
        """Tokens of question and text that fit into one row."""
        return None if self.max_length is None else self.max_length - self.layout.num_tokens

    def fit(self, examples: Sequence[QuestionExample]) -> None:
        """Reads off how many tokens the longest answer of train takes, 30 at least."""
        texts = list({answer.text for example in examples for answer in example.answers or ()})
        ids = self._ids(texts) if texts else []
        self._found_answer_length = max([LONGEST_ANSWER, *map(len, ids)])

    # --- examples -> rows ---

    def encode(self, examples: Sequence[QuestionExample], *, targets: bool) -> Encoded:
        """Cuts texts into windows that fit the model beside their question; a window without the answer has none.

        Example, BERT, no limit: "Who left?" on "Bo left." with the answer "Bo" at 0 is the row [CLS] who left ? [SEP]
        bo left . [SEP] with the labels [5, 5], `context_first` 5, `context_stop` 8, `no_answer_position` 0 and token
        types 0 0 0 0 0 1 1 1 1; it costs 9. Without an answer the labels are [0, 0]. To predict, the row holds no
        labels; it has `starts` [0, 3, 7], `ends` [2, 7, 8] and the text.

        Where an answer lies whole in no window, training gets one more window around it.
        """
        return self._encode(examples, targets=targets, for_training=targets)

    def encode_to_score(self, examples: Sequence[QuestionExample], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns rows to predict that have labels too: the windows are those of a text whose answer nobody knows."""
        return EncodedToScore(self._encode(examples, targets=True, for_training=False))

    def _encode(self, examples: Sequence[QuestionExample], *, targets: bool, for_training: bool) -> Encoded:
        rows: list[Row] = []
        first_rows, cut = [0], {"question": 0, "answer": 0}
        for chunk in in_chunks(examples):
            questions = list(dict.fromkeys(example.question for example in chunk))
            question_ids = dict(zip(questions, self._ids(questions), strict=True))
            contexts = self._contexts(list(dict.fromkeys(example.context for example in chunk)))
            for example in chunk:
                question, is_cut = self._shortened(question_ids[example.question])
                context = contexts[example.context]
                span = _first_span(example, context) if targets else None
                spans = self._windows(context, question, span if for_training else None)
                labels = [_span_inside(span, window) for window in spans] if targets else None
                found = self._rows(question, context, spans, labels, example, for_training=for_training)
                rows.extend(found)
                first_rows.append(len(rows))
                cut["question"] += is_cut
                cut["answer"] += for_training and _is_lost(example, labels)
        return Encoded(
            dataset_of(_table(rows)),
            np.asarray([len(row["input_ids"]) for row in rows], np.int64),
            first_rows=np.asarray(first_rows, np.int64),
            cut=cut if for_training else {"question": cut["question"]},
        )

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self.processor(list(texts), add_special_tokens=False, verbose=False)["input_ids"]

    def _contexts(self, texts: Sequence[str]) -> dict[str, ContextTokens]:
        encoded = self.processor(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        pairs = zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return {text: ContextTokens(ids, *_without_space(text, offsets)) for text, ids, offsets in pairs}

    def _shortened(self, question: list[int]) -> tuple[list[int], bool]:
        """Returns a question, of which at most half of the room is read, and whether it lost its end."""
        if self._room is None or len(question) <= self._room // 2:
            return question, False
        return question[: self._room // 2], True

    def _windows(
        self, context: ContextTokens, question: list[int], span: tuple[int, int] | None
    ) -> list[tuple[int, int]]:
        """Returns half-open ranges of the text's tokens, with one around the answer where no other holds it whole."""
        capacity = None if self._room is None else self._room - len(question)
        overlap = self.window_overlap if self.window_overlap is not None else (capacity or 0) // DEFAULT_OVERLAP
        size = len(context.ids)
        windows = [(window.start, window.stop) for window in cut_windows([1] * size, capacity, overlap)]
        if span is None or capacity is None or any(start <= span[0] and span[1] < stop for start, stop in windows):
            return windows
        if span[1] - span[0] >= capacity:
            return windows
        middle = (span[0] + span[1] + 1) // 2
        start = min(max(middle - capacity // 2, 0), size - capacity)
        return [*windows, (start, start + capacity)]

    def _rows(
        self,
        question: list[int],
        context: ContextTokens,
        windows: Sequence[tuple[int, int]],
        labels: Sequence[tuple[int, int] | None] | None,
        example: QuestionExample,
        *,
        for_training: bool,
    ) -> Iterator[Row]:
        """Yields the rows of one question."""
        first = len(self.layout.before) + len(question) + len(self.layout.between)
        for number, (start, stop) in enumerate(windows):
            inside = context.ids[start:stop]
            ids = self.layout.join(question, inside)
            nothing = self._no_answer_position(ids)
            row: Row = {"input_ids": ids}
            if self.layout.token_types is not None:
                row["token_type_ids"] = self.layout.types_of(question, inside)
            row |= zip(NUMBERS, (first, first + stop - start, nothing), strict=True)
            if labels is not None:
                otherwise = NO_LOSS if _is_lost(example, labels) else nothing
                row["labels"] = (
                    [otherwise, otherwise]
                    if (span := labels[number]) is None
                    else [place - start + first for place in span]
                )
            if not for_training:
                places = (context.starts[start:stop], context.ends[start:stop], "" if number else example.context)
                row |= zip(PLACES, places, strict=True)
            yield row

    def _no_answer_position(self, ids: list[int]) -> int:
        return 0 if self.layout.before else len(ids) - 1

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Pads rows on the right; what no model reads stays behind.

        Example, pad id 0: rows of the ids 101 9 102 8 102 (labels 3 3) and 101 9 102 8 7 102 (labels 0 0) give
        `input_ids` [[101, 9, 102, 8, 102, 0], [101, 9, 102, 8, 7, 102]], labels [[3, 3], [0, 0]], lengths [5, 6] and
        the extras `context_first` [3, 3], `context_stop` [4, 5] and `no_answer_position` [0, 0].
        """
        return self._padded([{name: cell for name, cell in row.items() if name not in PLACES} for row in rows])

    def recipe(self) -> dict[str, Any]:
        """Returns what stands around question and text, and how long an answer may be."""
        layout = self.layout
        return {
            "max_length": self.max_length,
            "max_answer_length": self.max_answer_length,
            "ids_before": layout.before,
            "ids_between": layout.between,
            "ids_after": layout.after,
            "token_types": layout.token_types,
            "no_answer_at_end": self._no_answer_position([0, 0]) == 1,
        }


class DecoderQuestionContextPreprocessor(QuestionContextPreprocessor):
    """GPT-2, Llama, Qwen ...: question, line break, text, end of text."""

    def _find_layout(self) -> PairLayout:
        return continued_layout(self.processor)

    def _no_answer_position(self, ids: list[int]) -> int:
        return len(ids) - 1


def _without_space(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Returns where tokens start and end in a text, without white space at their borders.

    Example: of `It rained` as byte-level pieces at (0, 2) and (2, 9), the second begins at 3.
    """
    starts, ends = [], []
    for start, end in offsets:
        piece = text[start:end]
        starts.append(min(start + len(piece) - len(piece.lstrip()), end))
        ends.append(max(start + len(piece.rstrip()), starts[-1]))
    return np.asarray(starts, np.int64), np.asarray(ends, np.int64)


def _first_span(example: QuestionExample, context: ContextTokens) -> tuple[int, int] | None:
    return context.span_of(example.answers[0]) if example.answers else None


def _span_inside(span: tuple[int, int] | None, window: tuple[int, int]) -> tuple[int, int] | None:
    """Returns the answer's tokens where a window holds all of them."""
    return span if span is not None and window[0] <= span[0] and span[1] < window[1] else None


def _is_lost(example: QuestionExample, labels: Sequence[tuple[int, int] | None] | None) -> bool:
    """Tells whether there is an answer and no window holds all of it: to learn that there is none would be wrong."""
    return bool(example.answers) and labels is not None and not any(labels)


def _table(rows: Sequence[Row]) -> pa.Table:
    columns: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        is_list = not isinstance(values[0], (int, str))
        columns[name] = id_column(values) if is_list else pa.array(values)
    return pa.table(columns)
