"""A task adapter: a preprocessor (examples -> rows -> batches) and an objective (loss, prediction, decoding).

The two are independent: image classification is the image preprocessor with the label objective that text
classification uses. A kind names a pair for each family of checkpoints that serves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ftkit.adapters.objective import Objective
from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Encoded
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace


@dataclass(frozen=True)
class TaskAdapter:
    """How a kind of task meets a checkpoint."""

    preprocessor: Preprocessor
    objective: Objective

    @property
    def spec(self) -> CheckpointSpec:
        """The checkpoint."""
        return self.preprocessor.spec

    @property
    def labels(self) -> LabelSpace | None:
        """What can be predicted, in output order; None for kinds without labels."""
        return self.preprocessor.labels

    def for_validation(self) -> TaskAdapter:
        """Returns the adapter that scores the model while it is trained."""
        return TaskAdapter(self.preprocessor, self.objective.for_validation())

    def for_embedding(self) -> TaskAdapter:
        """Returns the adapter that predicts vectors."""
        return TaskAdapter(self.preprocessor.for_embedding(), self.objective.for_embedding())

    def count_items(self, encoded: Encoded) -> int:
        """Returns the number of terms in the loss over these rows, 1 at least, so that all rows have a mean."""
        return max(1, int(self.objective.items(encoded).sum()))

    @property
    def resolved_options(self) -> dict[str, Any]:
        """Options of both that follow from the checkpoint or the data; saved with the run."""
        return {**self.preprocessor.resolved_options, **self.objective.resolved_options}

    def recipe(self) -> dict[str, Any]:
        """Returns what a program without ftkit has to be told."""
        return {**self.preprocessor.recipe(), **self.objective.recipe()}
