"""What turns examples into rows and rows into batches: the protocol of preprocessors, and what most of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np

from ftkit.adapters.rows import Batch, Encoded, EncodedToScore
from ftkit.data.problems import Problems
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

if TYPE_CHECKING:
    from PIL import Image

Shown: TypeAlias = "Image.Image | Sound | str"
"""An example as people take it in: a picture with what is marked in it, a recording, a text."""


class Sound(NamedTuple):
    """A recording as people hear it.

    Attributes:
        samples: (T,) float32.
        rate: samples a second.
    """

    samples: np.ndarray
    rate: int


class Piece(NamedTuple):
    """A piece of a row as a person reads it.

    Attributes:
        bears_loss: whether the model learns to write or to label it.
        num_tokens: how many tokens it stands for: an image is hundreds.
    """

    text: str
    bears_loss: bool
    num_tokens: int = 1


class Preprocessor(Protocol):
    """Turns examples into rows and rows into batches, and owns the processor: a tokenizer, an image processor ...

    It is made as `Preprocessor(spec, labels, max_length=..., **options)`; the options are plain values that are saved
    with the run, so that inference makes the same one.

    Attributes:
        version: raised whenever `encode` gives other rows for the same examples.
        options: names of the options that it takes.
        cut_meanings: what may be cut off -> the end of a sentence about the rows that lost some of it.
        processor: transformers' own, saved with checkpoints and runs.
        max_length: positions of the longest input; None for no limit.
        joins_examples: whether rows hold parts of several examples, so that those of some examples follow from others.
        counts: whether `encode` counts what people want to know of a text that is cut into rows; see `counted`.
        padding: column of the inputs -> the value that fills it up in a batch.
    """

    version: ClassVar[int]
    options: ClassVar[tuple[str, ...]]
    cut_meanings: ClassVar[Mapping[str, str]]
    joins_examples: ClassVar[bool]
    counts: ClassVar[bool]
    spec: CheckpointSpec
    labels: LabelSpace | None
    max_length: int | None
    processor: Any

    @property
    def padding(self) -> Mapping[str, int]: ...  # noqa: D102

    @property
    def augments(self) -> bool:
        """Whether training changes examples at random as `data.augment` says, in another way in each epoch."""
        ...

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """Options that follow from the checkpoint or the training examples; saved with the run."""
        ...

    def fit(self, examples: Sequence[Any]) -> None:
        """Reads off the training examples what `resolved_options` holds; called once, before anything is encoded."""
        ...

    def check(self, splits: Mapping[str, Split], problems: Problems) -> None:
        """Reports examples that the checkpoint cannot learn from, by file and row; called before anything is fitted.

        What is wrong with examples whatever the checkpoint is for their kind to say.
        """
        ...

    def encode(self, examples: Sequence[Any], *, targets: bool) -> Encoded:
        """Turns examples into rows; equal examples give equal rows.

        Args:
            targets: with what is to be learnt; without, rows hold nothing of it.
        """
        ...

    def to_train(self, encoded: Encoded, examples: Sequence[Any]) -> Encoded:
        """Returns encoded examples as they are trained on: with what it takes to change them, and room for that.

        Args:
            encoded: what `encode` made of the examples, with targets.
        """
        ...

    def shown(self, example: Any, rng: np.random.Generator | None) -> Shown:
        """Returns what people see, hear or read of an example of train, as `data.augment` changes it.

        Args:
            rng: equal generators give what `collate` makes of the example; None: the example as it is.
        """
        ...

    def encode_to_score(self, examples: Sequence[Any], *, all_predicted: bool = True) -> EncodedToScore:
        """Turns labelled examples into rows to predict and to compute the loss of.

        Args:
            all_predicted: a metric reads predictions. Without, what is judged by measures predicts only what people
                are to read.
        """
        ...

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None
    ) -> Batch:
        """Puts rows into one batch: pads them, reads files, and in training perhaps changes them at random.

        Args:
            rngs: what is drawn from for each row in training; equal generators give equal rows, whatever stands
                beside them.
        """
        ...

    def counted(self, encoded: Encoded) -> str | None:
        """Returns in words what was counted of the examples of a split; None where their number says all."""
        ...

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns a row of training data piece by piece, for people; None where it has nothing to be read."""
        ...

    def for_embedding(self) -> Preprocessor:
        """Returns the preprocessor of `Objective.for_embedding`, where this one may refuse what has a vector."""
        ...

    def use_processor(self, processor: Any) -> None:
        """Replaces the processor by an equal one, so that many adapters keep one in memory."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the files from which inference makes the same processor."""
        ...

    def recipe(self) -> Mapping[str, Any]:
        """Returns what a program without ftkit has to know to encode in the same way; see `ftkit.report.recipe`."""
        ...


class PreprocessorBase:
    """What most preprocessors have in common.

    Attributes:
        augment: the section `data.augment`; None, or a section without operations, where training changes nothing.
    """

    options: ClassVar[tuple[str, ...]] = ()
    cut_meanings: ClassVar[Mapping[str, str]] = {}
    joins_examples: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    processor: Any
    augment: Any = None

    @property
    def augments(self) -> bool:
        """Whether the config asks for changes of training examples."""
        return bool(self.augment)

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """No option follows from the data."""
        return {}

    def fit(self, examples: Sequence[Any]) -> None:
        """Does nothing: no option follows from the training examples."""

    def check(self, splits: Mapping[str, Split], problems: Problems) -> None:
        """Reports nothing: the checkpoint can learn from every example."""

    def to_train(self, encoded: Encoded, examples: Sequence[Any]) -> Encoded:
        """Returns encoded examples as they are."""
        return encoded

    def shown(self, example: Any, rng: np.random.Generator | None) -> Shown:
        """Raises NotImplementedError: only preprocessors that change examples are asked."""
        raise NotImplementedError

    def encode_to_score(self, examples: Sequence[Any], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns the training rows: the model reads nothing of a target in them."""
        return EncodedToScore(self.encode(examples, targets=True))  # type: ignore[attr-defined]

    def counted(self, encoded: Encoded) -> str | None:
        """Returns None: the number of examples says all."""
        return None

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns None: rows hold no texts."""
        return None

    def for_embedding(self) -> Any:
        """Returns the preprocessor itself."""
        return self

    def use_processor(self, processor: Any) -> None:
        """Replaces the processor by an equal one."""
        self.processor = processor

    def save(self, folder: Path) -> None:
        """Writes the processor's files."""
        self.processor.save_pretrained(folder)

    def recipe(self) -> Mapping[str, Any]:
        """Returns nothing: a program without ftkit encodes in the usual way."""
        return {}
