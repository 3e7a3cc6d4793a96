"""What is learnt, and what a model's outputs say: the protocol of all objectives, and what most of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.models.loading import LoadedModel
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import PreTrainedModel

Prediction = dict[str, Any]

Compared = Literal["micro-batch", "step"]
"""Among which rows a loss compares: those of a micro-batch, which then stay together, or all of an optimizer step."""


class Objective(Protocol):
    """What is learnt: the model with its head, the loss, and what its outputs say.

    It is made as `Objective(preprocessor, auto_class, **options)`.

    Attributes:
        options: names of the options that the objective takes.
        one_pass: whether predicting is one forward pass of the model; else it is a search of many.
        settles: whether something that predictions depend on, such as a threshold, is settled on validation.
        most_rows: rows that are predicted at once, at most; None where only their costs count.
        window: examples whose arrays are finished before the next are predicted, where they are large; None: as many
            as the number of labels allows.
        formats: the formats of a run's predictions; see ftkit.data.writers.
        is_measured: whether a model is judged by what adds up over rows, such as losses and hits of tokens, and not
            by predictions; see `measure`.
        talks: whether the objective answers conversations; see `stream`.
        remembers: names of what is measured of every row before the model is trained, and stands in its column
            `reference` from then on, as numbers in this order; none where the loss compares with nothing of the kind.
        proven: names of what a saved model has to measure as the trained one does, of a model judged by measures.
        compares: among which rows the loss compares; None: the loss of a row depends on it alone. Of a step, see
            `vectors` and `step_losses`.
        draws: whether a prediction of an image can be drawn into the image; see `drawn`.
        embeds: whether a prediction is a vector; see `embeddings`.
        starts_trained: whether a checkpoint predicts before it is trained; its score then stands beside the run's.
    """

    options: ClassVar[tuple[str, ...]]
    one_pass: ClassVar[bool]
    most_rows: ClassVar[int | None]
    window: ClassVar[int | None]
    formats: ClassVar[tuple[str, ...]]
    remembers: ClassVar[tuple[str, ...]]
    proven: ClassVar[tuple[str, ...]]
    compares: ClassVar[Compared | None]
    draws: ClassVar[bool]
    embeds: ClassVar[bool]

    @property
    def is_measured(self) -> bool: ...  # noqa: D102

    @property
    def starts_trained(self) -> bool: ...  # noqa: D102

    @property
    def settles(self) -> bool: ...  # noqa: D102

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """Options that follow from what was settled on validation; saved with the run."""
        ...

    @property
    def talks(self) -> bool: ...  # noqa: D102

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Raises CheckpointError where transformers has no model of the auto class for the checkpoint's type."""
        ...

    def build(self) -> LoadedModel:
        """Loads the checkpoint with the head that the task needs."""
        ...

    def facts(self, model: PreTrainedModel) -> Mapping[str, Any]:
        """Returns what results have to name of how a trained model predicts, such as the settings of a search."""
        ...

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Returns what a user should know of a model that is to be trained, such as an unexpected new head."""
        ...

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of terms that each row has in the loss, (R,): itself, words, tokens of targets ..."""
        ...

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's loss, summed over its items: (B,)."""
        ...

    def read_positions(self, batch: Batch) -> torch.Tensor | None:
        """Returns the positions whose vocabulary logits `loss` and `measure` read, (R, T) bool; None: all of them.

        R are the rows of the inputs, T their positions behind the body. A batch that is predicted has no labels.
        """
        ...

    def vectors(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns what the loss of a whole step reads of each row of a part of it, rows on the first axis.

        It is asked of an objective that compares the rows of a step.
        """
        ...

    def step_losses(self, model: Any, vectors: Tensors, share: float) -> torch.Tensor:
        """Returns the loss of each row of a whole step, (N,).

        Args:
            model: whose own weights the comparison may read, such as what cosines are multiplied by.
            vectors: what `vectors` gave of all rows of the step.
            share: of the gradient of those weights. It is asked once for each part of a step, and shares add up to 1.
        """
        ...

    def constrain(self, model: Any) -> None:
        """Brings weights back into their bounds; called after every step of the optimizer."""
        ...

    def measure(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns numbers of each row that add up over rows, (B,) each: its `loss`, and more of what `is_measured`.

        The latter are `items`, the number of terms of the loss, and what the scorer of the kind's metric group reads.
        """
        ...

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float | None:
        """Returns the loss per item of the best prediction that looks at no input; None where it is not known.

        A model whose training loss stays there has learnt nothing from its inputs; see ftkit.engine.loss_course.

        Args:
            examples: of the training data.
            encoded: their rows.
        """
        ...

    def begin_predicting(self, model: PreTrainedModel) -> None:
        """Computes what all predictions with these weights need, such as the vectors of labels' names."""
        ...

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors | None:
        """Predicts a batch; returns only what is needed of each row, rows on the first axis.

        With labels in the batch the result also holds each row's `loss` (B,). None: nothing is predicted.
        """
        ...

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Turns the arrays of the rows of examples `start` to `stop` into arrays with one entry an example.

        The result holds `predictions`, and `scores` and `confidences` where there are any.
        """
        ...

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns what should have been predicted, in the form of `predictions`."""
        ...

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> Sequence[Prediction]:
        """Turns finished arrays into objects that people read, one for each example."""
        ...

    def embeddings(self, arrays: Arrays) -> np.ndarray:
        """Returns the vectors in finished arrays, (N, D) float32, as users get them."""
        ...

    def for_embedding(self) -> Objective:
        """Returns the objective that predicts vectors, where this one may make something else of them."""
        ...

    def stream(self, model: PreTrainedModel, batch: Batch, on_text: Callable[[str], None]) -> Prediction:
        """Predicts a batch of one conversation, and tells its answer piece by piece while it is written."""
        ...

    def drawn(self, example: Any, prediction: Prediction) -> Image.Image:
        """Returns an image with what was predicted of it drawn into it."""
        ...

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns an object like those of `decode` for a row that cannot be predicted: None in every place."""
        ...

    def for_validation(self) -> Objective:
        """Returns the objective that scores the model while it is trained."""
        ...

    def settle(self, arrays: Arrays, references: np.ndarray) -> None:
        """Settles on the trained model's predictions of validation what later predictions depend on.

        Args:
            arrays: finished, of all examples.
            references: what should have been predicted.
        """
        ...

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Writes what programs without ftkit read beside the model and its processor."""
        ...

    def recipe(self) -> Mapping[str, Any]:
        """Returns what a program without ftkit has to know to use the model; see `ftkit.report.recipe`."""
        ...


class ObjectiveBase:
    """What most objectives have in common."""

    options: ClassVar[tuple[str, ...]] = ()
    one_pass: ClassVar[bool] = True
    most_rows: ClassVar[int | None] = None
    window: ClassVar[int | None] = None
    formats: ClassVar[tuple[str, ...]] = ("jsonl",)
    remembers: ClassVar[tuple[str, ...]] = ()
    proven: ClassVar[tuple[str, ...]] = ("loss",)
    compares: ClassVar[Compared | None] = None
    draws: ClassVar[bool] = False
    embeds: ClassVar[bool] = False

    @property
    def starts_trained(self) -> bool:
        """False: the model predicts nothing useful before it is trained."""
        return False

    @property
    def settles(self) -> bool:
        """False: nothing is settled on validation."""
        return False

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """No option follows from validation."""
        return {}

    @property
    def talks(self) -> bool:
        """False: the objective answers no conversations."""
        return False

    def embeddings(self, arrays: Arrays) -> np.ndarray:
        """Raises NotImplementedError: only objectives that embed are asked."""
        raise NotImplementedError

    def for_embedding(self) -> Any:
        """Returns the objective itself."""
        return self

    def read_positions(self, batch: Batch) -> torch.Tensor | None:
        """Returns None: the loss reads all logits."""
        return None

    def vectors(self, outputs: Any, batch: Batch) -> Tensors:
        """Raises NotImplementedError: only objectives that compare the rows of a step are asked."""
        raise NotImplementedError

    def step_losses(self, model: Any, vectors: Tensors, share: float) -> torch.Tensor:
        """Raises NotImplementedError: only objectives that compare the rows of a step are asked."""
        raise NotImplementedError

    def constrain(self, model: Any) -> None:
        """Changes nothing: weights have no bounds."""

    def begin_predicting(self, model: PreTrainedModel) -> None:
        """Computes nothing: rows are predicted from the model alone."""

    def stream(self, model: PreTrainedModel, batch: Batch, on_text: Callable[[str], None]) -> Prediction:
        """Raises NotImplementedError: only objectives that talk are asked."""
        raise NotImplementedError

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses nothing: the auto class has a model for every checkpoint."""

    @property
    def is_measured(self) -> bool:
        """False: a model is judged by its predictions."""
        return False

    def measure(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns the `loss` of each row, (B,), and nothing else."""
        return {"loss": self.loss(outputs, batch)}  # type: ignore[attr-defined]

    def facts(self, model: PreTrainedModel) -> Mapping[str, Any]:
        """Returns nothing: the results need not say how the model predicts."""
        return {}

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Returns nothing: a new head is expected."""
        return []

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float | None:
        """Returns None: the loss is not known."""
        return None

    def drawn(self, example: Any, prediction: Prediction) -> Image.Image:
        """Raises NotImplementedError: only objectives that draw are asked."""
        raise NotImplementedError

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns an empty `prediction`."""
        return {"prediction": None}

    def for_validation(self) -> Any:
        """Returns the objective itself."""
        return self

    def settle(self, arrays: Arrays, references: np.ndarray) -> None:
        """Settles nothing."""

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Writes nothing: model and processor say all."""
