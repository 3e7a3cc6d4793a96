"""One label, several labels or a number for each example, whatever is read: text, image, sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.constant_loss import constant_binary_cross_entropy, constant_cross_entropy
from ftkit.adapters.label_column import label_array
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.labelled import LabelledObjective
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.errors import CheckpointError
from ftkit.models.loading import LoadedModel, has_auto_model, load_with_head
from ftkit.types import label_names

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# What a classifier is called, and which checkpoints have one.
_CLASSIFIERS = {
    "AutoModelForSequenceClassification": ("text classifier", "BERT, RoBERTa, GPT-2, Llama, T5 and BART"),
    "AutoModelForImageClassification": ("image classifier", "ViT, Swin, ConvNeXt and ResNet"),
    "AutoModelForAudioClassification": ("audio classifier", "wav2vec2, HuBERT, WavLM, AST and Whisper"),
}


# A row names every label with its score up to so many of them, and of more labels the likeliest: of 100,000 labels
# the scores of 4,096 rows took 40 GB.
MOST_SCORES, TOP_SCORES = 1_000, 100


class LabelObjective(LabelledObjective):
    """Classification and regression with transformers' own heads."""

    @classmethod
    def check_checkpoint(cls, spec: Any, auto_class: str) -> None:
        """Refuses a checkpoint whose type has no classifier in transformers, such as Marian, before anything is read.

        Raises:
            CheckpointError: it has none.
        """
        if has_auto_model(auto_class, spec):
            return
        what, examples = _CLASSIFIERS[auto_class]
        raise CheckpointError(
            f"model.checkpoint: transformers has no {what} for checkpoints of type {spec.model_type!r}, such as "
            f"{spec.name!r}. Start from another one: {examples} have one."
        )

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for the labels.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        processor = self.preprocessor.processor
        return load_with_head(
            self.auto_class,
            self.preprocessor.spec,
            tokenizer=processor if hasattr(processor, "pad_token_id") else None,
            **self.head_config,
            problem_type=self.labels.problem_type,
            **self.model_config,
        )

    @property
    def model_config(self) -> Mapping[str, Any]:
        """What the model's config is to say beside the labels: nothing."""
        return {}

    def items(self, encoded: Encoded) -> np.ndarray:
        """One loss term a row."""
        return np.ones(encoded.num_rows, np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's loss, (B,): cross-entropy, mean binary cross-entropy, or squared error."""
        from torch.nn import functional

        logits_BL, labels = outputs.logits.float(), batch.labels
        weights_L = None if self.class_weights is None else logits_BL.new_tensor(self.class_weights)
        if self.labels.problem_type == "regression":
            return (logits_BL.squeeze(-1) - labels) ** 2
        if self.labels.problem_type == "single_label_classification":
            return functional.cross_entropy(
                logits_BL, labels, weight=weights_L, label_smoothing=self.label_smoothing, reduction="none"
            )
        # Smoothing moves each yes/no target towards one half, as cross-entropy's does towards the uniform.
        targets_BL = labels * (1 - self.label_smoothing) + self.label_smoothing / 2
        loss_BL = functional.binary_cross_entropy_with_logits(
            logits_BL, targets_BL, pos_weight=weights_L, reduction="none"
        )
        return loss_BL.mean(dim=-1)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the labels' shares or, of numbers, their variance."""
        if self.labels.problem_type == "regression":
            return float(label_array(examples, self.labels).var())
        names = (name for example in examples for name in label_names(example))
        counts_L = np.bincount([self.labels.index(name) for name in names], minlength=len(self.labels))
        options: Any = {"weights": self.class_weights, "label_smoothing": self.label_smoothing}
        if self.labels.problem_type == "single_label_classification":
            return constant_cross_entropy(counts_L, **options)
        return constant_binary_cross_entropy(counts_L, len(examples), **options)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Runs a batch through the model; see `reduce`."""
        outputs = model(**batch.inputs)
        loss = {} if batch.labels is None else {"loss": self.loss(outputs, batch)}
        return {**self.reduce(outputs), **loss}

    def reduce(self, outputs: Any) -> Tensors:
        """Returns `predictions` (B,) ids, (B, L) booleans or (B,) numbers, and `scores` (B, L) probabilities.

        With single labels, `confidences` (B,) is the score of the prediction.
        """
        logits_BL = outputs.logits.float()
        if self.labels.problem_type == "regression":
            return {"predictions": logits_BL.squeeze(-1)}
        if self.labels.problem_type == "multi_label_classification":
            scores_BL = logits_BL.sigmoid()
            return {"predictions": scores_BL >= 0.5, "scores": scores_BL}
        scores_BL = logits_BL.softmax(dim=-1)
        confidences_B, predictions_B = scores_BL.max(dim=-1)
        return {"predictions": predictions_B, "scores": scores_BL, "confidences": confidences_B}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns the arrays as they are: a row is an example."""
        return arrays

    def references(self, examples: Sequence[Any]) -> np.ndarray:
        """Returns label ids (N,), yes or no for each label (N, L), or numbers (N,)."""
        array = label_array(examples, self.labels)
        return array.astype(np.float64) if array.dtype == np.float32 else array

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `label`, `score` and `scores` for each row; `score` alone is the number for regression.

        With more than 1,000 labels the place of `scores` is taken by `top_scores`, those of the 100 likeliest labels.
        """
        if self.labels.problem_type == "regression":
            return [{"score": value} for value in arrays["predictions"].tolist()]
        return list(map(self._prediction, arrays["predictions"], arrays["scores"]))

    def _prediction(self, predicted: np.ndarray, scores_L: np.ndarray) -> Prediction:
        """Returns one row, from a label's index or yes and no for each label."""
        names = self.labels.names
        if self.labels.problem_type != "multi_label_classification":
            return label_prediction(names, predicted, scores_L)
        chosen = [names[index] for index in np.flatnonzero(predicted)]
        return {"label": chosen, "score": float(scores_L.max()), **named_scores(names, scores_L)}

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a label; each label has a score of None, so that all rows have the same columns."""
        if self.labels.problem_type == "regression":
            return {"score": None}
        return no_label(self.labels.names)

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}


def label_prediction(names: Sequence[str], predicted: int | np.ndarray, scores_L: np.ndarray) -> Prediction:
    """Returns what people read of one label: `label`, `score`, and the scores of all; see `named_scores`."""
    return {"label": names[predicted], "score": float(scores_L[predicted]), **named_scores(names, scores_L)}  # type: ignore[index]


def named_scores(names: Sequence[str], scores_L: np.ndarray) -> Prediction:
    """Returns `scores`, of each label; of more than 1,000 labels `top_scores`, those of the 100 likeliest."""
    if len(names) <= MOST_SCORES:
        return {"scores": dict(zip(names, scores_L.tolist(), strict=True))}
    top = np.argpartition(-scores_L, TOP_SCORES)[:TOP_SCORES]
    top = top[np.lexsort((top, -scores_L[top]))]
    return {"top_scores": {names[index]: float(scores_L[index]) for index in top}}


def no_label(names: Sequence[str]) -> Prediction:
    """Returns a row without a label; each label has a score of None, so that all rows have the same columns."""
    if len(names) > MOST_SCORES:
        return {"label": None, "score": None, "top_scores": None}
    return {"label": None, "score": None, "scores": dict.fromkeys(names)}
