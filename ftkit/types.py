"""The words the whole library shares: kinds, families, rows, examples, label spaces. Plain Python, no torch."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

Kind = Literal[
    "text-classification",
    "token-classification",
    "translation",
    "summarization",
    "text-generation",
    "fill-mask",
    "question-answering",
    "image-classification",
    "audio-classification",
    "automatic-speech-recognition",
]
"""What a task is, in the Hub's own pipeline tags."""

WRITING_KINDS: tuple[Kind, ...] = ("translation", "summarization", "text-generation")
"""The kinds whose predictions are texts that a model writes."""

Family = Literal["encoder", "decoder", "encoder-decoder"]
"""How a checkpoint reads and writes: BERT-like, GPT-like, T5-like."""

FAMILIES: tuple[Family, ...] = ("encoder", "decoder", "encoder-decoder")

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What a classifier predicts; the values are those of `config.problem_type` in transformers."""

PROBLEM_TYPES: tuple[ProblemType, ...] = (
    "single_label_classification",
    "multi_label_classification",
    "regression",
)

ScoreType = ProblemType | Kind
"""What decides which metrics suit a task: for text classification its problem type, else its kind."""

Label = str | tuple[str, ...] | float
"""One name, several names (multi-label), or a number (regression)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data file, exactly as written: text cells stay text.

    Attributes:
        values: column name -> cell. CSV and TSV cells are always `str`; JSON and parquet keep their types.
        line: 1-based line of the file where the row begins (for parquet and Hub data: 1-based row number).
    """

    values: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text, or pair of texts, to classify.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        label: None when the row is only to be predicted.
        line: where the row begins in its file, for messages.
    """

    id: str | int
    text: str
    text_pair: str | None = None
    label: Label | None = None
    line: int = 0

    @property
    def num_characters(self) -> int:
        """How long it is."""
        return len(self.text) + len(self.text_pair or "")

    @property
    def size(self) -> int:
        """How much there is to hold in memory, in characters."""
        return self.num_characters

    def key(self) -> Hashable:
        """Returns what two examples share if and only if their texts are equal."""
        return self.text, self.text_pair

    def summary(self) -> str:
        """Returns the text, or both of a pair, in one line."""
        return _one_line(self.text, self.text_pair or "")


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
    """

    id: str | int
    words: tuple[Any, ...]
    tags: tuple[Any, ...] | None = None
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    spans: tuple[CharSpan, ...] | None = None
    line: int = 0

    @property
    def num_characters(self) -> int:
        """How long it is, white space aside."""
        return sum(len(str(word)) for word in self.words)

    @property
    def size(self) -> int:
        """How much there is to hold in memory, in characters."""
        return self.num_characters

    def key(self) -> Hashable:
        """Returns what two examples share if and only if their words are equal."""
        return self.words

    def summary(self) -> str:
        """Returns the words in one line, between single spaces."""
        return _one_line(*map(str, self.words))


@dataclass(frozen=True, slots=True)
class TextToTextExample:
    """A text, and the text that is to be written for it, such as its translation.

    Attributes:
        id: the row's `id` column, else its 0-based position in the file.
        target: None when the row is only to be predicted.
        line: where the row begins in its file, for messages.
    """

    id: str | int
    source: str
    target: str | None = None
    line: int = 0

    @property
    def num_characters(self) -> int:
        """How long its source is."""
        return len(self.source)

    @property
    def size(self) -> int:
        """How much there is to hold in memory, in characters."""
        return self.num_characters

    def key(self) -> Hashable:
        """Returns what two examples share if and only if their sources are equal."""
        return self.source

    def summary(self) -> str:
        """Returns the source in one line."""
        return _one_line(self.source)


def _one_line(*texts: str) -> str:
    """Returns texts in one line, with single spaces: `("a\n b", "c")` is `a b c`."""
    return " ".join(" ".join(texts).split())


ExampleT = TypeVar("ExampleT")


@dataclass(frozen=True)
class Split(Generic[ExampleT]):
    """The examples of one split, with the file they came from.

    Attributes:
        name: `train`, `validation`, `test`, or `input` for rows to predict.
        source: the file or dataset name that messages show.
        fingerprint: hex digest of the content that was read, for `all_results.json`.
    """

    name: str
    source: str
    examples: Sequence[ExampleT]
    fingerprint: str = ""

    def __len__(self) -> int:
        return len(self.examples)

    def where(self, example: ExampleT) -> str:
        """Returns `file, line N` for a message."""
        return f"{self.source}, line {example.line}"  # type: ignore[attr-defined]


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


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Returns a sort key under which `label_2` comes before `label_10`, and equal numbers by spelling."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def natural_sort(names: Iterable[str]) -> list[str]:
    """Returns distinct names sorted as a person would: numbers by value."""
    return sorted(set(names), key=natural_key)
