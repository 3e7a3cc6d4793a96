"""What objectives have in common whose model has an output for each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ftkit.adapters.objective import ObjectiveBase
from ftkit.types import LabelSpace


class LabelledObjective(ObjectiveBase):
    """A head with an output for each label, in the order of the label space.

    Attributes:
        labels: in output order.
        class_weights: of each label in the loss, (L,); None for equal ones.
        label_smoothing: share of a target that goes to all labels alike, 0 to 1.
    """

    options: ClassVar[tuple[str, ...]] = ("class_weights", "label_smoothing")

    def __init__(
        self,
        preprocessor: Any,
        auto_class: str,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        assert preprocessor.labels is not None
        self.preprocessor, self.auto_class = preprocessor, auto_class
        self.labels: LabelSpace = preprocessor.labels
        self.class_weights, self.label_smoothing = class_weights, label_smoothing

    @property
    def head_config(self) -> dict[str, Any]:
        """What the model's config says of the labels.

        Example, the labels `cat` and `dog`: `{"num_labels": 2, "id2label": {0: "cat", 1: "dog"}, "label2id": {"cat":
        0, "dog": 1}}`.
        """
        return {
            "num_labels": len(self.labels),
            "id2label": self.labels.id2label,
            "label2id": self.labels.label2id,
        }
