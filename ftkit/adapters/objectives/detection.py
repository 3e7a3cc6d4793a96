"""Boxes with labels, found by detectors that answer a fixed number of queries: YOLOS, DETR and its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.labelled import LabelledObjective
from ftkit.adapters.objectives.tags import ragged
from ftkit.adapters.preprocessors.detection import SIZES, TARGETS, DetectionPreprocessor
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.boxes import DetectionExample
from ftkit.data.drawn_boxes import PREDICTED, SURE, with_boxes
from ftkit.data.images import open_image
from ftkit.errors import CheckpointError, name_list
from ftkit.models.image_processors import check_backbone
from ftkit.models.loading import LoadedModel, load_with_head
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import PreTrainedModel

MOST_FOUND = 100
"""Boxes that are kept of an image, those of the highest scores: so many does the metric of COCO read."""

SUPPORTED = ("yolos", "detr", "conditional_detr", "deformable_detr", "lw_detr", "rt_detr", "rt_detr_v2", "d_fine")
"""Model types whose loss can be summed image by image; see `detection_loss`, which imports torch."""

HEAD_IN_BODY = (
    *("enc_score_head.", "denoising_class_embed.", "decoder.class_embed.", "decoder.bbox_embed."),
    *("enc_out_class_embed.", "enc_out_bbox_embed."),
)
"""Parts of the head among the layers of RT-DETR, D-FINE, LW-DETR: what proposes boxes, refines and classifies them."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")


class DetectionObjective(LabelledObjective):
    """Object detection with transformers' own heads and losses."""

    options: ClassVar[tuple[str, ...]] = ("threshold", "category_ids")
    draws: ClassVar[bool] = True

    def __init__(
        self,
        preprocessor: DetectionPreprocessor,
        auto_class: str,
        *,
        threshold: float | None = None,
        category_ids: Sequence[int | str] | None = None,
    ) -> None:
        """Makes the objective.

        Args:
            threshold: predictions of a lower score are neither written nor drawn; None: all are written, and those
                of `SURE` and more are drawn.
            category_ids: what the user's files call each label, in output order; None: by its name.
        """
        super().__init__(preprocessor, auto_class)
        self.threshold, self.category_ids = threshold, category_ids

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a model type whose detector is not known, or with a backbone of timm, before any weight is read.

        Raises:
            CheckpointError: it is none of `SUPPORTED`, or its backbone cannot be made.
        """
        if spec.model_type not in SUPPORTED:
            raise CheckpointError(
                f"model.checkpoint: object detection does not train checkpoints of type {spec.model_type!r}, such as "
                f"{spec.name!r}. Start from another one: it works with {name_list(SUPPORTED)}."
            )
        check_backbone(spec, instead="YOLOS or RT-DETR, such as hustvl/yolos-tiny or PekingU/rtdetr_r18vd")

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for the labels, and the loss of each image for its own.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        from ftkit.adapters.objectives.detection_loss import LOSSES

        spec = self.preprocessor.spec
        loaded = load_with_head(
            self.auto_class,
            spec,
            inside=HEAD_IN_BODY,
            **self.head_config,
        )
        loaded.model.loss_function = LOSSES[spec.model_type](self.preprocessor.boxes_per_image or 1.0)
        return loaded

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of boxes in each image."""
        examples: Sequence[DetectionExample] = encoded.rows.examples
        return np.array([len(example.learnt) for example in examples], np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each image's loss, summed over its boxes: (B,)."""
        return outputs.loss

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `predictions` (B, K, 6) of each image's surest boxes, and `loss` (B,) with targets.

        A row is the label's index, the score, left, top, right and bottom in pixels of the image as it is.
        """
        import torch

        outputs = model(**batch.inputs)
        found = self.preprocessor.processor.post_process_object_detection(
            outputs, threshold=-1.0, target_sizes=batch.extras[SIZES]
        )
        rows = [torch.cat([torch.stack([one["labels"], one["scores"]], 1), one["boxes"]], 1) for one in found]
        best = [row[row[:, 1].argsort(descending=True, stable=True)[:MOST_FOUND]] for row in rows]
        loss = {"loss": outputs.loss} if TARGETS in batch.inputs else {}
        return {"predictions": torch.stack(best).float(), **loss}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns `predictions` as (N,) of arrays (K, 6), the form of `references`; a row is an image."""
        return {**arrays, "predictions": ragged(arrays["predictions"])}

    def references(self, examples: Sequence[DetectionExample]) -> np.ndarray:
        """Returns the boxes of each image, (N,) of arrays (K, 7).

        A row is the label's index, 1 of what is ignored, left, top, right, bottom, and the area.
        """
        return ragged(
            np.array([self._reference(box) for box in example.boxes or ()], np.float64).reshape(-1, 7)
            for example in examples
        )

    def _reference(self, box: Any) -> tuple[float, ...]:
        left, top, right, bottom = box.numbers
        area = (right - left) * (bottom - top) if box.area is None else box.area
        return (self.labels.index(box.label), float(box.ignored), left, top, right, bottom, area)

    def decode(self, arrays: Arrays, examples: Sequence[DetectionExample]) -> list[Prediction]:
        """Returns `objects` of each image, the surest first: `label`, `score` and `box`, corners in pixels.

        Where the user's files number their labels, an object has its `category_id`, too.
        """
        return [
            {"objects": [self._object(row) for row in rows if row[1] >= (self.threshold or 0.0)]}
            for rows in arrays["predictions"]
        ]

    def _object(self, row_6: np.ndarray) -> dict[str, Any]:
        label, score, *corners = row_6.tolist()
        own = {} if self.category_ids is None else {"category_id": self.category_ids[int(label)]}
        return {
            "label": self.labels.names[int(label)],
            **own,
            "score": score,
            "box": dict(zip(CORNERS, corners, strict=True)),
        }

    def drawn(self, example: DetectionExample, prediction: Prediction) -> Image.Image:
        """Returns the image with the boxes that were found, each with its label and score."""
        least = SURE if self.threshold is None else self.threshold
        found = [one for one in prediction["objects"] if one["score"] >= least]
        boxes = [(f"{one['label']} {one['score']:.2f}", tuple(one["box"].values()), PREDICTED) for one in found]
        image = open_image(example.image, example.name)
        return with_boxes(image, boxes[::-1], side=max(image.size))  # the surest on top

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns an image without `objects`."""
        return {"objects": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}
