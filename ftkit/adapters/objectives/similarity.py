"""Vectors of texts, which lie the nearer to one another the more alike the texts are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ftkit.adapters.objective import Compared, ObjectiveBase, Prediction
from ftkit.adapters.objectives.similarity_losses import SCALE, SimilarityLoss, contrast_losses, cosent_losses
from ftkit.adapters.objectives.tags import ragged
from ftkit.adapters.preprocessors.compared_texts import ComparedTextsPreprocessor, text_hashes
from ftkit.adapters.preprocessors.text_groups import COUNT
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.data.similarity import SimilarityExample, SimilarityForm
from ftkit.errors import CheckpointError
from ftkit.models.loading import LoadedModel, has_auto_model, load_with_head
from ftkit.models.outputs import logits_of
from ftkit.models.sentence_layout import Pooling, write_layout
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SCORED_TOGETHER = 32
"""Rows that the loss of a scored split compares with one another: what it compares must not depend on the machine."""

_SMALLEST = 1e-12  # length of a vector: that of a text without tokens has no direction


class SimilarityObjective(ObjectiveBase):
    """A body whose token vectors are pooled, without a head.

    Attributes:
        pooling: how the tokens' vectors become one.
        normalize: whether the length of a vector that is given out is 1.
    """

    options: ClassVar[tuple[str, ...]] = ("form", "pooling", "normalize", "loss", "scale", "symmetric")
    compares: ClassVar[Compared | None] = "micro-batch"
    embeds: ClassVar[bool] = True

    @property
    def starts_trained(self) -> bool:
        """Any encoder has vectors."""
        return True

    def __init__(
        self,
        preprocessor: ComparedTextsPreprocessor,
        auto_class: str,
        *,
        form: SimilarityForm = "scored-pairs",
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        loss: SimilarityLoss | None = None,
        scale: float = SCALE,
        symmetric: bool = False,
    ) -> None:
        """Makes the objective.

        Args:
            form: what rows say of their texts.
            pooling: None for what the checkpoint says, else the mean.
            normalize: None for what the checkpoint says.
            loss: None for `cosent` where rows have scores, else `in-batch-negatives`.
            scale: what cosines are multiplied by.
            symmetric: positives look for their anchors, too.
        """
        layout = preprocessor.layout
        self.preprocessor, self.auto_class, self.form = preprocessor, auto_class, form
        self._is_assumed = pooling is None and layout.pooling is None
        self.pooling: Pooling = pooling or layout.pooling or "mean"
        self.normalize = layout.normalize if normalize is None else normalize
        self.learns: SimilarityLoss = loss or ("cosent" if form == "scored-pairs" else "in-batch-negatives")
        self.scale, self.symmetric = scale, symmetric

    @property
    def resolved_options(self) -> dict[str, Any]:
        """How vectors are made, wherever it comes from."""
        return {"pooling": self.pooling, "normalize": self.normalize}

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a type that transformers has no model of.

        Raises:
            CheckpointError: it has none.
        """
        if not has_auto_model(auto_class, spec):
            raise CheckpointError(
                f"model.checkpoint: transformers has no model of type {spec.model_type!r}, that of {spec.name!r}. "
                "Start from another one."
            )

    def build(self) -> LoadedModel:
        """Loads the body in float32; a pooler, which takes no part, is frozen.

        Raises:
            CheckpointError: its weights cannot be read, or some are missing.
        """
        loaded = load_with_head(self.auto_class, self.preprocessor.spec, tokenizer=self.preprocessor.processor)
        pooler = getattr(loaded.model, "pooler", None)
        if pooler is not None:
            pooler.requires_grad_(False)
        new = frozenset(name for name in loaded.new_parameters if not name.startswith("pooler."))
        return dataclasses.replace(loaded, new_parameters=new)

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Says what was taken where the checkpoint does not say how its vectors are made, and what it says else."""
        name, layout = self.preprocessor.spec.name, self.preprocessor.layout
        told = []
        if self._is_assumed:
            told.append(
                f"{name!r} does not say how the vectors of tokens become one (it has no modules.json): their mean is "
                "taken. data.pooling says otherwise."
            )
        if layout.similarity != "cosine":
            told.append(
                f"{name!r} compares vectors by {layout.similarity!r}; here, and by the trained model, they are "
                "compared by their cosine."
            )
        return told

    def facts(self, model: PreTrainedModel) -> dict[str, Any]:
        """Returns how vectors are made and learnt."""
        return {
            "pooling": self.pooling,
            "normalize": self.normalize,
            "similarity_loss": self.learns,
            "similarity_scale": self.scale,
            "prompts": dict(self.preprocessor.prompts),
        }

    def items(self, encoded: Encoded) -> np.ndarray:
        """One loss term a row."""
        return np.ones(encoded.num_rows, np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's loss, (B,); it depends on the other rows, unless single scores are learnt."""
        assert batch.row_counts is not None
        return self._losses(self._vectors(outputs, batch), batch.row_counts, batch.labels)

    def _losses(self, vectors_RD: torch.Tensor, row_counts: Sequence[int], labels: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional

        units_RD = functional.normalize(vectors_RD, dim=-1, eps=_SMALLEST)
        if self.learns == "in-batch-negatives":
            return contrast_losses(units_RD, row_counts, labels, self.scale, symmetric=self.symmetric)
        cosines_B = (units_RD[::2] * units_RD[1::2]).sum(dim=-1)
        if self.learns == "cosine":
            return (cosines_B - labels) ** 2
        return cosent_losses(cosines_B, labels, self.scale)

    def _vectors(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns the vector of each text, (R, D) float32."""
        return pooled(logits_of(outputs).float(), batch.inputs["attention_mask"], self.pooling)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Returns `vectors` (B, K, D), zeros in the place of texts that a row does not have."""
        from torch.nn.utils.rnn import pad_sequence

        assert batch.row_counts is not None
        vectors_RD = self._vectors(model(**batch.inputs), batch)
        return {"vectors": pad_sequence(vectors_RD.split(list(batch.row_counts)), batch_first=True)}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Returns `predictions`: of scored pairs their cosines (N,), else the vectors of each row, (N,) of (K, D).

        Of rows with targets there is `loss` (N,), too: that of groups of 32 rows, which are the same in every call.
        """
        rows = encoded.rows.select(range(start, stop))
        counts = rows.select_columns([COUNT])[COUNT]
        vectors = [vectors_KD[:count] for vectors_KD, count in zip(arrays["vectors"], counts, strict=True)]
        if self.form == "scored-pairs" and set(counts) == {2}:
            found = {"predictions": np.array([cosines(of_row[:1], of_row[1:])[0, 0] for of_row in vectors])}
        else:
            found = {"predictions": ragged(vectors)}
        if "labels" in rows.column_names:
            found["loss"] = self._scored_losses(vectors, rows.select_columns(["labels"])["labels"])
        return found

    def _scored_losses(self, vectors: Sequence[np.ndarray], targets: Sequence[Any]) -> np.ndarray:
        import torch

        losses_N = np.empty(len(vectors))
        for places in _groups(len(vectors)):
            chosen = [torch.from_numpy(np.ascontiguousarray(vectors[place])) for place in places]
            labels = self.preprocessor.stacked([targets[place] for place in places])
            losses_N[places] = self._losses(torch.cat(chosen), [len(one) for one in chosen], labels).numpy()
        return losses_N

    def references(self, examples: Sequence[SimilarityExample]) -> np.ndarray:
        """Returns the scores from 0 to 1, (N,); or what tells equal texts of each row, (N,) of arrays (K,)."""
        if self.form == "scored-pairs":
            return np.array([np.nan if example.score is None else example.score for example in examples], np.float64)
        return ragged(map(text_hashes, examples))

    def decode(self, arrays: Arrays, examples: Sequence[SimilarityExample]) -> list[Prediction]:
        """Returns `embedding` of one text; `score`, the cosine, of two; and `negative_scores` of more."""
        return [self._prediction(found) for found in arrays["predictions"]]

    def _prediction(self, found: Any) -> Prediction:
        if not isinstance(found, np.ndarray):
            return {"score": float(found)}
        if len(found) == 1:
            return {"embedding": self._given_out(found)[0].tolist()}
        score, *others = cosines(found[:1], found[1:])[0].tolist()
        return {"score": score, **({"negative_scores": others} if others else {})}

    def embeddings(self, arrays: Arrays) -> np.ndarray:
        """Returns the vectors of rows of one text each, (N, D) float32."""
        return self._given_out(np.concatenate(list(arrays["predictions"])))

    def _given_out(self, vectors_ND: np.ndarray) -> np.ndarray:
        """Returns vectors as users get them: of length 1 where the model's are normalised."""
        return unit(vectors_ND) if self.normalize else vectors_ND

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a text without a vector, or texts without a score."""
        is_one = len(example.texts) == 1 if isinstance(example, SimilarityExample) else False
        return {"embedding": None} if is_one else {"score": None}

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Writes the files of sentence-transformers, which opens the folder then."""
        layout = dataclasses.replace(
            self.preprocessor.layout,
            pooling=self.pooling,
            normalize=self.normalize,
            max_length=self.preprocessor.max_length,
            prompts=self.preprocessor.prompts,
        )
        write_layout(layout, folder, dimension=int(model.config.get_text_config().hidden_size))

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model, and how its vectors are pooled."""
        return {"auto_class": self.auto_class, "pooling": self.pooling, "normalize": self.normalize}


def pooled(vectors_RTD: torch.Tensor, mask_RT: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Returns one vector of each text's tokens, (R, D); padding takes no part, on either side.

    Example: the vectors [1], [3], [9] of a text whose last position is padding give [2] as mean, [1] as cls, [3] as
    max and [3] as last.
    """
    import torch

    if pooling == "mean":
        weights_RT1 = mask_RT[:, :, None].to(vectors_RTD.dtype)
        return (vectors_RTD * weights_RT1).sum(dim=1) / weights_RT1.sum(dim=1).clamp(min=1e-9)
    if pooling == "max":
        return vectors_RTD.masked_fill(mask_RT[:, :, None] == 0, -torch.inf).amax(dim=1)
    positions_T = torch.arange(mask_RT.shape[1], device=mask_RT.device)
    places_R = mask_RT.argmax(dim=1) if pooling == "cls" else (mask_RT * positions_T).argmax(dim=1)
    return vectors_RTD[torch.arange(len(vectors_RTD), device=mask_RT.device), places_R]


def unit(vectors: Any) -> np.ndarray:
    """Returns vectors (N, D) with a length of 1, in their own precision."""
    array = np.asarray(vectors)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    return array / np.maximum(lengths, _SMALLEST)


def cosines(some_ND: np.ndarray, others_MD: np.ndarray) -> np.ndarray:
    """Returns the cosine of each vector to each of the others, (N, M) float64."""
    return unit(some_ND.astype(np.float64)) @ unit(others_MD.astype(np.float64)).T


def _groups(num_rows: int) -> Iterator[np.ndarray]:
    """Yields the places of rows whose loss is computed together: a random order that is always the same."""
    order = np.random.default_rng(0).permutation(num_rows)
    yield from np.array_split(order, max(1, num_rows // SCORED_TOGETHER))
