"""The words the whole library shares: kinds, families, rows, examples, label spaces. Plain Python, no torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar

Modality = Literal["text", "image", "audio", "image+text"]
"""What a checkpoint reads."""

Family = Literal["encoder", "decoder", "encoder-decoder", "dual-encoder"]
"""How a checkpoint reads and writes: BERT-like, GPT-like, T5-like, CLIP-like."""

FAMILIES: tuple[Family, ...] = ("encoder", "decoder", "encoder-decoder", "dual-encoder")

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What a classifier predicts; the values are those of `config.problem_type` in transformers."""

PROBLEM_TYPES: tuple[ProblemType, ...] = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
)

Label = str | tuple[str, ...] | float
"""One name, several names (multi-label), or a number (regression)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file, exactly as written: text cells stay text.

    Attributes:
        values: column name -> cell. CSV and TSV cells are always `str`; JSON and parquet keep their types.
        line: 1-based line of the file where the row begins; of parquet, JSON on one line and Hub data the row number.
    """

    values: Mapping[str, Any]
    line: int


class ShardLine(int):
    """The line of a row whose split comes from several files, which knows its own.

    Attributes:
        source: the name of the file that messages show.
    """

    source: str

    @classmethod
    def of(cls, line: int, source: str) -> ShardLine:
        """Returns a line of a file."""
        made = cls(line)
        made.source = source
        return made


@dataclass(frozen=True, slots=True)
class CellError:
    """A cell of a row that does not hold what its column is for; the row cannot be used.

    Attributes:
        message: what was got, such as `column 'text' holds a list: ['a', 'b']`.
        remedy: what the user can do about it.
        kind: errors of one kind are told once, with their places.
    """

    message: str
    remedy: str
    kind: str


class Example(Protocol):
    """What a kind makes of one row. It may have `cell_errors` too: what of the row could not be read.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        line: where the row begins in its file, for messages.
    """

    @property
    def id(self) -> str | int: ...  # noqa: D102

    @property
    def line(self) -> int: ...  # noqa: D102

    @property
    def size(self) -> int:
        """How much there is to hold, in characters."""
        ...

    def key(self) -> Hashable:
        """Returns what tells inputs apart: equal inputs have equal keys, whatever their ids and labels."""
        ...

    def summary(self) -> str:
        """Returns the input as a person sees it in one line, however long."""
        ...


def _one_line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text, or pair of texts, to classify.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        label: None when the row is only to be predicted.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its author.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    text: str
    text_pair: str | None = None
    label: Label | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """How long it is, in characters."""
        return len(self.text) + len(self.text_pair or "")

    def key(self) -> Hashable:
        """Returns the text, and the second one."""
        return self.text, self.text_pair

    def summary(self) -> str:
        """Returns the text, and behind it the second one."""
        return _one_line(self.text if self.text_pair is None else f"{self.text} {self.text_pair}")


@dataclass(frozen=True, slots=True)
class CharSpan:
    """A labelled stretch of a text: characters `start` to `end`, the latter not included."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One sentence or document whose words are to be tagged.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        words: as the input has them.
        tags: one for each word; None when the row is only to be predicted, or says it by `spans`.
        text: what the words were taken from; None when the input was words.
        offsets: where each word lies in `text`, in characters, the end not included.
        spans: the entities of `text`; None when there are tags.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its document.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    words: tuple[Any, ...]
    tags: tuple[Any, ...] | None = None
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    spans: tuple[CharSpan, ...] | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """How long it is, in characters, white space aside."""
        return sum(len(str(word)) for word in self.words)

    def key(self) -> Hashable:
        """Returns the words."""
        return self.words

    def summary(self) -> str:
        """Returns the text, or else the words with spaces between them."""
        return _one_line(self.text if self.text is not None else " ".join(map(str, self.words)))


@dataclass(frozen=True, slots=True)
class TextToTextExample:
    """A text, and the text that is to be written for it, such as its translation.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        target: None when the row is only to be predicted.
        other_targets: further texts that are as good as the target; a score takes them for references too.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its document.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    source: str
    target: str | None = None
    other_targets: tuple[str, ...] = ()
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """All texts that may be written for it; none when the row is only to be predicted."""
        return () if self.target is None else (self.target, *self.other_targets)

    @property
    def size(self) -> int:
        """How long its source is, in characters."""
        return len(self.source)

    def key(self) -> Hashable:
        """Returns the source."""
        return self.source

    def summary(self) -> str:
        """Returns the source."""
        return _one_line(self.source)


@dataclass(frozen=True, slots=True)
class CandidatesExample:
    """A text, and candidates that compete for it: the choices of a question, the documents of a query.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        text: what is read before every candidate: a query, a question, or the passage that a question is about.
        candidates: at least one, in the order of the file.
        question: what stands before each candidate where `text` is a passage; empty where `text` is all.
        relevances: how right each candidate is, 0 being wrong; None when the row is only to be predicted.
        answer: the right candidate as the file says it, until it is known how files say it.
        names: what the file calls the candidates, such as A, B, C; None where it does not.
        line: where the row begins in its file, for messages.
        group: what the row shares with others that must stay on one side of a split, such as its passage.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    text: str
    candidates: tuple[str, ...]
    question: str = ""
    relevances: tuple[float, ...] | None = None
    answer: str | None = None
    names: tuple[str, ...] | None = None
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """How long all that is read is, in characters."""
        return len(self.text) + sum(len(self.question) + len(candidate) for candidate in self.candidates)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What is read of each candidate: the text, and the candidate behind its question.

        Example: the text "Bo has a cat.", the question "What does Bo have?" and the candidates "a cat", "a dog" give
        ("Bo has a cat.", "What does Bo have? a cat") and ("Bo has a cat.", "What does Bo have? a dog").
        """
        before = f"{self.question} " if self.question else ""
        return [(self.text, before + candidate) for candidate in self.candidates]

    def key(self) -> Hashable:
        """Returns the text, the question and the candidates in any order."""
        return self.text, self.question, tuple(sorted(self.candidates))

    def summary(self) -> str:
        """Returns the question, or else the text, and behind it the candidates."""
        return _one_line(f"{self.question or self.text} {' | '.join(self.candidates)}")


ExampleT = TypeVar("ExampleT")


@dataclass(frozen=True)
class Split(Generic[ExampleT]):
    """The examples of one split, with the file they came from.

    Attributes:
        name: `train`, `validation`, `test`, or `input` for rows to predict.
        source: the file or dataset name that messages show.
        fingerprint: hex digest of the content that was read, for `all_results.json`.
        is_sample: whether the source has more rows, which are read only while they are trained on.
    """

    name: str
    source: str
    examples: Sequence[ExampleT]
    fingerprint: str = ""
    is_sample: bool = False

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def title(self) -> str:
        """What messages call it: `train`, or `first 1,000 rows of train` where these are known alone."""
        return f"first {len(self):,} rows of {self.name}" if self.is_sample else self.name

    def where(self, example: ExampleT) -> str:
        """Returns `file, line N` for a message; of a row without a line `file, id`, or `folder, name` of a file."""
        line: int = example.line  # type: ignore[attr-defined]
        source = line.source if isinstance(line, ShardLine) else self.source
        if line:
            return f"{source}, line {line}"
        if isinstance(example.id, str):  # type: ignore[attr-defined]
            return f"{source}, {example.id}"  # type: ignore[attr-defined]
        return f"{source}, {example.summary() or f'id {example.id!r}'}"  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class PredictedAnswer:
    """An answer that a model found in a text.

    Attributes:
        text: what it answers; empty for no answer.
        best: what it would answer if it had to; empty where nothing can be an answer.
        no_answer: the probability that there is none, against the best; equal answers may differ in it by rounding.
    """

    text: str
    best: str
    no_answer: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class LabelSpace:
    """The labels of a classifier, in the order of its outputs; the same for every split.

    Attributes:
        names: label names; one pseudo-name `score` for regression.
    """

    names: tuple[str, ...]
    problem_type: ProblemType = "single_label_classification"
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: index for index, name in enumerate(self.names)})

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def index(self, name: str) -> int:
        """Returns the output position of a label name; KeyError if there is none."""
        return self._index[name]

    @property
    def id2label(self) -> dict[int, str]:
        """Output position -> name, as `config.json` stores it."""
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        """Name -> output position, as `config.json` stores it."""
        return dict(self._index)


def label_names(example: Any) -> tuple[str, ...]:
    """Returns the names in an example's label; a number, and what has no label, have none."""
    return names_in(getattr(example, "label", None))


def names_in(label: Label | None) -> tuple[str, ...]:
    """Returns the names in a label; a number has none."""
    return (label,) if isinstance(label, str) else label if isinstance(label, tuple) else ()


def natural_key(name: str) -> tuple[tuple[int, int, str, str], ...]:
    """Returns a sort key under which `label_2` comes before `label_10`, and equal numbers by spelling."""
    parts = re.split(r"(\d+)", name)
    return tuple(_number_key(part) if part.isdecimal() else (1, 0, "", part) for part in parts if part)


def _number_key(digits: str) -> tuple[int, int, str, str]:
    """Returns a key that orders whole numbers by value; `int` refuses those of more than 4,300 digits."""
    value = "".join(str(unicodedata.decimal(digit)) for digit in digits).lstrip("0")
    return 0, len(value), value, digits


_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,4})?")


def natural_sort(names: Iterable[str]) -> list[str]:
    """Returns distinct names sorted as a person would: numbers within names by value.

    Where all names are numbers they are sorted as such, with sign and fraction: -1, 0.5, 1, 2, 10.
    """
    distinct = sorted(set(names), key=natural_key)
    if all(_NUMBER.fullmatch(name) for name in distinct):
        return sorted(distinct, key=Decimal)
    return distinct
