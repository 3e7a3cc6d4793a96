"""Vectors of images and texts, which lie the nearer to one another the better they belong together."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.label_column import label_array
from ftkit.adapters.objective import Compared, ObjectiveBase, Prediction
from ftkit.adapters.objectives.contrast_losses import belong_together, sigmoid_losses, softmax_losses
from ftkit.adapters.objectives.labels import label_prediction, no_label
from ftkit.adapters.objectives.tags import ragged
from ftkit.adapters.preprocessors.image_pairs import IMAGE_ROWS, TEXT_ROWS, ImagePairsPreprocessor
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.image_pairs import ImagePairExample, image_hash, in_prompts, text_hash
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.dual_encoders import (
    MAX_LOG_SCALE,
    Tower,
    auto_class_of,
    bound_logit_scale,
    features,
    is_siglip,
    logit_terms,
    parameters_of,
)
from ftkit.models.loading import LoadedModel, load_with_head
from ftkit.models.modality import DUAL_ENCODERS
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SCORED_TOGETHER = 32
"""Rows whose captions the loss of a scored split compares: what it compares must not depend on the machine."""

TEXTS_AT_ONCE = 256
"""Prompts of labels that are embedded at a time."""


class ContrastObjective(ObjectiveBase):
    """Two towers whose vectors are compared: CLIP's softmax loss, or SigLIP's sigmoid loss, as the checkpoint is made.

    Attributes:
        frozen_tower: which of the two is not trained.
    """

    options: ClassVar[tuple[str, ...]] = ("frozen_tower",)
    compares: ClassVar[Compared | None] = "step"
    embeds: ClassVar[bool] = True

    def __init__(
        self, preprocessor: ImagePairsPreprocessor, auto_class: str, *, frozen_tower: Tower | None = None
    ) -> None:
        self.preprocessor, self.frozen_tower = preprocessor, frozen_tower
        self.auto_class = auto_class_of(preprocessor.spec, auto_class)
        self.labels = preprocessor.labels if preprocessor.form == "labels" else None
        self.is_sigmoid = is_siglip(preprocessor.spec)
        self._most = math.exp(MAX_LOG_SCALE)
        self._terms: Any = (1.0, None)
        self._label_vectors_LD: Any = None

    @property
    def starts_trained(self) -> bool:
        """Any dual encoder compares images with texts."""
        return True

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses what is no dual encoder of images of one size, and new tokens, which two towers cannot share.

        Raises:
            CheckpointError: it is none.
            ConfigError: tokens are to be added.
        """
        if spec.model_type not in DUAL_ENCODERS or spec.model_type == "siglip2":
            why = (
                "its images keep their shapes and become squares of any number (NaFlex); the SigLIP 2 checkpoints of "
                "one image size, such as google/siglip2-base-patch16-224, work"
                if spec.model_type == "siglip2"
                else "it has no tower for images and one for texts whose vectors are compared"
            )
            raise CheckpointError(
                f"model.checkpoint: {spec.name!r}, of type {spec.model_type!r}, cannot be trained here: {why}. Start "
                "from a CLIP, SigLIP, MetaCLIP 2, AltCLIP, Chinese CLIP, ALIGN, or two encoders that were joined."
            )
        if spec.add_tokens:
            raise ConfigError("model.add_tokens: tokens cannot be added to a dual encoder. Leave the key out.")

    # --- training ---

    def build(self) -> LoadedModel:
        """Loads both towers in float32; one that is not to be trained is frozen.

        Raises:
            CheckpointError: its weights cannot be read, or some are missing.
        """
        loaded = load_with_head(self.auto_class, self.preprocessor.spec)
        if self.frozen_tower is not None:
            for weight in parameters_of(loaded.model, self.frozen_tower):
                weight.requires_grad_(False)
        scale, _ = logit_terms(loaded.model)
        self._most = max(math.exp(MAX_LOG_SCALE), float(scale.detach()))
        return loaded

    def items(self, encoded: Encoded) -> np.ndarray:
        """One loss term a row."""
        return np.ones(encoded.num_rows, np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's loss among the rows of the batch alone, (B,)."""
        return self._losses(outputs.logits_per_image.float(), batch.labels)

    def vectors(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns what the loss of a step compares: `images` and `texts` (B, D) of length 1, and `keys` (B, 2)."""
        from torch.nn import functional

        return {
            "images": functional.normalize(outputs.image_embeds.float(), dim=-1),
            "texts": functional.normalize(outputs.text_embeds.float(), dim=-1),
            "keys": batch.labels,
        }

    def step_losses(self, model: Any, vectors: Tensors, share: float) -> torch.Tensor:
        """Returns the loss of each row of a step, (N,); `share` of the gradient of what cosines are multiplied by."""
        scale, bias = (None if term is None else _shared(term, share) for term in logit_terms(model))
        return self._losses(_logits(vectors["images"], vectors["texts"], scale, bias), vectors["keys"])

    def _losses(self, logits_NN: torch.Tensor, keys_N2: torch.Tensor) -> torch.Tensor:
        compute = sigmoid_losses if self.is_sigmoid else softmax_losses
        return compute(logits_NN, belong_together(keys_N2))

    def constrain(self, model: Any) -> None:
        """Bounds what CLIP multiplies cosines by to 100, as it was in its own training; SigLIP's has no bound."""
        if not self.is_sigmoid:
            bound_logit_scale(model, self._most)

    def facts(self, model: PreTrainedModel) -> dict[str, Any]:
        """Returns what cosines are multiplied by, and what is added to them."""
        scale, bias = logit_terms(model)
        added = {} if bias is None else {"logit_bias": float(bias.detach())}
        return {"contrastive_loss": _NAMES[self.is_sigmoid], "logit_scale": float(scale.detach()), **added}

    # --- prediction ---

    def begin_predicting(self, model: PreTrainedModel) -> None:
        """Embeds the prompts of all labels, and notes what cosines are multiplied by."""
        self._terms = tuple(None if term is None else term.detach().float() for term in logit_terms(model))
        if self.labels is not None:
            self._label_vectors_LD = self._embedded_labels(model)

    def _embedded_labels(self, model: Any) -> torch.Tensor:
        """Returns a vector for each label, (L, D) of length 1: the mean of those of its prompts."""
        import torch
        from torch.nn import functional

        assert self.labels is not None
        prompts = self.preprocessor.prompts
        tokens, _ = self.preprocessor.tokens(
            [text for name in self.labels.names for text in in_prompts(name, prompts)]
        )
        parts = [tokens[start : start + TEXTS_AT_ONCE] for start in range(0, len(tokens), TEXTS_AT_ONCE)]
        vectors_TD = torch.cat(
            [features(model, "text", **_on(model, self.preprocessor.padded(part))) for part in parts]
        )
        return functional.normalize(vectors_TD.unflatten(0, (len(self.labels), len(prompts))).mean(dim=1), dim=-1)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `images` (B, D) and `texts` (B, K, D), zeros where a row has none; of labels see `_chosen`."""
        from torch.nn.utils.rnn import pad_sequence

        extras = dict(batch.extras)
        image_rows, text_rows = extras.pop(IMAGE_ROWS), extras.pop(TEXT_ROWS)
        images_MD = features(model, "image", **batch.inputs) if batch.inputs else None
        if self.labels is not None:
            assert images_MD is not None, "rows without an image are refused before"
            return self._chosen(images_MD, batch.labels)
        texts_RD = features(model, "text", **extras) if extras else None
        some = images_MD if images_MD is not None else texts_RD
        assert some is not None, "rows without an image and a text are refused before"
        images_BD = some.new_zeros(len(batch), some.shape[1])
        if images_MD is not None:
            images_BD[image_rows] = images_MD
        of_rows = [some.new_zeros(0, some.shape[1])] * len(batch)
        if texts_RD is not None:
            of_rows = list(texts_RD.split(text_rows.bincount(minlength=len(batch)).tolist()))
        return {"images": images_BD, "texts": pad_sequence(of_rows, batch_first=True)}

    def _chosen(self, images_BD: torch.Tensor, places_B: torch.Tensor | None) -> Tensors:
        """Returns `predictions` (B,), `scores` (B, L), `confidences` (B,), and `loss` (B,) where labels are known."""
        logits_BL = _logits(images_BD, self._label_vectors_LD, *self._terms)
        scores_BL = logits_BL.sigmoid() if self.is_sigmoid else logits_BL.softmax(dim=-1)
        confidences_B, predictions_B = scores_BL.max(dim=-1)
        found = {"predictions": predictions_B, "scores": scores_BL, "confidences": confidences_B}
        return found if places_B is None else {**found, "loss": self._choice_losses(logits_BL, places_B)}

    def _choice_losses(self, logits_BL: torch.Tensor, places_B: torch.Tensor) -> torch.Tensor:
        """Returns each image's loss of its label among all: the cross-entropy, or yes or no of each."""
        from torch.nn import functional

        if not self.is_sigmoid:
            return functional.cross_entropy(logits_BL, places_B, reduction="none")
        is_right_BL = functional.one_hot(places_B, logits_BL.shape[1]).float()
        return functional.binary_cross_entropy_with_logits(logits_BL, is_right_BL, reduction="none").sum(dim=-1)

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns `predictions`: of rows with captions their vectors, (N,) of (1 + K, D), the image's first.

        Of rows with targets there is `loss` (N,), too: that of groups of 32 rows, which are the same in every call,
        with the first caption of each. Where labels are chosen, the arrays stay as they are.
        """
        if self.labels is not None:
            return arrays
        rows = encoded.rows.__getitems__(range(start, stop))
        vectors = [
            np.concatenate([images_D[None][: row["image"] is not None], texts_KD[: len(row["texts"])]])
            for row, images_D, texts_KD in zip(rows, arrays["images"], arrays["texts"], strict=True)
        ]
        found = {"predictions": ragged(vectors)}
        if rows and "keys" in rows[0]:
            found["loss"] = self._scored_losses(vectors, np.stack([row["keys"][:2] for row in rows]))
        return found

    def _scored_losses(self, vectors: Sequence[np.ndarray], keys_N2: np.ndarray) -> np.ndarray:
        import torch

        images_ND, texts_ND = (torch.from_numpy(np.stack([one[place] for one in vectors])) for place in (0, 1))
        scale, bias = (None if term is None else term.cpu() for term in self._terms)
        losses_N = np.empty(len(vectors))
        for places in _groups(len(vectors)):
            logits_GG = _logits(images_ND[places], texts_ND[places], scale, bias)
            losses_N[places] = self._losses(logits_GG, torch.from_numpy(keys_N2[places])).numpy()
        return losses_N

    def references(self, examples: Sequence[ImagePairExample]) -> np.ndarray:
        """Returns the places of labels (N,); or what tells equal images and texts of each row, (N,) of (1 + K,)."""
        if self.labels is not None:
            return label_array(examples, self.labels)
        return ragged([np.array([image_hash(one), *map(text_hash, one.texts)], np.int64) for one in examples])

    def decode(self, arrays: Arrays, examples: Sequence[ImagePairExample]) -> list[Prediction]:
        """Returns `label`, `score` and `scores`; else of an image or a text its `embedding`, of both their `score`."""
        if self.labels is not None:
            names = self.labels.names
            return [label_prediction(names, *row) for row in zip(arrays["predictions"], arrays["scores"], strict=True)]
        return list(map(_compared, arrays["predictions"]))

    def embeddings(self, arrays: Arrays) -> np.ndarray:
        """Returns the vectors of rows of one image or text each, (N, D) float32 of length 1."""
        return np.concatenate(list(arrays["predictions"]))

    def for_embedding(self) -> ContrastObjective:
        """Returns an objective that predicts vectors, whatever this one chooses from."""
        found = copy.copy(self)
        found.labels, found.preprocessor = None, self.preprocessor.for_embedding()
        return found

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a label, a vector or a score."""
        if self.labels is not None:
            return no_label(self.labels.names)
        is_pair = isinstance(example, ImagePairExample) and example.image is not None and bool(example.texts)
        return {"score": None} if is_pair else {"embedding": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model, what is chosen from, and how scores are made of logits."""
        names = [] if self.labels is None else list(self.labels.names)
        return {
            "auto_class": self.auto_class,
            "candidate_labels": names,
            "activation": _NAMES[self.is_sigmoid],
            "has_pipeline": self.auto_class != "AutoModel",
        }


_NAMES = {False: "softmax", True: "sigmoid"}


def _logits(images_ND: torch.Tensor, texts_MD: torch.Tensor, scale: Any, bias: Any) -> torch.Tensor:
    """Returns the logit of each image and each text, (N, M)."""
    logits_NM = scale * images_ND @ texts_MD.T
    return logits_NM if bias is None else logits_NM + bias


def _shared(term: torch.Tensor, share: float) -> torch.Tensor:
    """Returns a number with a share of its gradient."""
    return term.detach() + share * (term - term.detach())


def _on(model: Any, inputs: Tensors) -> Tensors:
    return {name: tensor.to(model.device) for name, tensor in inputs.items()}


def _compared(vectors_KD: np.ndarray) -> Prediction:
    if len(vectors_KD) == 1:
        return {"embedding": vectors_KD[0].tolist()}
    score, *others = (vectors_KD[1:].astype(np.float64) @ vectors_KD[0]).tolist()
    return {"score": score, **({"other_scores": others} if others else {})}


def _groups(num_rows: int) -> Iterator[np.ndarray]:
    """Yields the places of rows whose loss is computed together: a random order that is always the same."""
    order = np.random.default_rng(0).permutation(num_rows)
    yield from np.array_split(order, max(1, num_rows // SCORED_TOGETHER))
