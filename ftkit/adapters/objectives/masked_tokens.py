"""Hidden tokens are found again: a model is judged by its loss and its hits, and says what could stand in a place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.objective import ObjectiveBase, Prediction
from ftkit.adapters.objectives.read_logits import read_logits
from ftkit.adapters.preprocessors.masked_text import NOT_CHOSEN, SPELLINGS, MaskedTextPreprocessor, num_chosen
from ftkit.adapters.preprocessors.tokens import NO_LOSS, label_counts
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.errors import CheckpointError
from ftkit.models.loading import LoadedModel, body_prefixes, has_auto_model, load_with_head
from ftkit.types import TextExample

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from ftkit.models.spec import CheckpointSpec

NUM_CANDIDATES = 5  # tokens that are offered for a place, as transformers' pipeline does; also those of top-5 accuracy


class MaskedTokenObjective(ObjectiveBase):
    """Masked language modelling with transformers' own heads."""

    is_measured = True

    def __init__(self, preprocessor: MaskedTextPreprocessor, auto_class: str) -> None:
        self.preprocessor, self.auto_class = preprocessor, auto_class

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a checkpoint whose type has no head for hidden tokens in transformers, before anything is read.

        Raises:
            CheckpointError: it has none.
        """
        if not has_auto_model(auto_class, spec):
            raise CheckpointError(
                f"model.checkpoint: transformers has no head that finds hidden tokens for checkpoints of type "
                f"{spec.model_type!r}, such as {spec.name!r}. Start from another one: BERT, RoBERTa, DeBERTa, ELECTRA "
                "and ModernBERT have one."
            )

    def build(self) -> LoadedModel:
        """Loads the checkpoint in float32 with a head for every token of the vocabulary.

        Raises:
            CheckpointError: its weights cannot be read, or more than a head is missing.
        """
        return load_with_head(self.auto_class, self.preprocessor.spec, tokenizer=self.preprocessor.processor)

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Returns that the head begins at random, where the checkpoint has none."""
        body = body_prefixes(loaded.model)
        new = sorted(name for name in loaded.new_parameters if not name.startswith(body))
        if not new:
            return []
        return [
            f"model.checkpoint: {self.preprocessor.spec.name!r} holds no head that finds hidden tokens. {len(new)} "
            f"parameters, such as {new[0]}, begin at random and are trained: the loss is high at first, and says "
            "little of the checkpoint itself."
        ]

    # --- outputs -> losses and hits ---

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of tokens of each row that an epoch hides; a few less where whole words are hidden."""
        counts, share = label_counts(encoded, "words", NOT_CHOSEN), self.preprocessor.mlm_probability
        return np.array([num_chosen(count, share) if count else 0 for count in counts.tolist()], np.int64)

    def loss(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Returns each row's cross-entropy, summed over its hidden tokens: (B,)."""
        return self._measured(outputs, batch)["loss"]

    def measure(self, outputs: Any, batch: Batch) -> Tensors:
        """Returns `loss`, `items` (hidden tokens), `num_first` and `num_in_5` (found first, or among five), (B,)."""
        return self._measured(outputs, batch, hits=True)

    def read_positions(self, batch: Batch) -> torch.Tensor | None:
        """Reads the logits of hidden tokens."""
        return None if batch.labels is None else batch.labels != NO_LOSS

    def _measured(self, outputs: Any, batch: Batch, *, hits: bool = False) -> Tensors:
        from torch.nn.functional import cross_entropy

        read = read_logits(outputs.logits, batch.labels)

        def summed(values_N: torch.Tensor) -> torch.Tensor:
            return read.summed(values_N.to(read.logits.dtype))

        found = {"loss": summed(cross_entropy(read.logits, read.labels, reduction="none"))}
        if hits:
            # As many tokens are likelier than the right one: none, or fewer than five.
            rank_N = (read.logits > read.logits.gather(1, read.labels[:, None])).sum(dim=1)
            found |= {"items": summed(rank_N >= 0), "num_first": summed(rank_N < 1)}
            found["num_in_5"] = summed(rank_N < NUM_CANDIDATES)
        return found

    # --- what could stand in a place ---

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Runs texts with hidden tokens through the model.

        Returns:
            `predictions` (B, M, 5) ids and `scores` (B, M, 5) probabilities, likeliest first, of the hidden tokens of
            each row, M being the most of a row; -1 where a row has fewer.
        """
        import torch

        hidden_BT = batch.inputs["input_ids"] == self.preprocessor.processor.mask_token_id
        logits_BTV = model(**batch.inputs).logits
        number_B = hidden_BT.sum(dim=1)
        rows_N, places_N = hidden_BT.nonzero(as_tuple=True)
        scores_NK, ids_NK = logits_BTV[rows_N, places_N].float().softmax(dim=-1).topk(NUM_CANDIDATES)
        columns_N = (hidden_BT.cumsum(dim=1) - 1)[rows_N, places_N]
        shape = (len(batch), int(number_B.max()), NUM_CANDIDATES)
        ids = torch.full(shape, -1, device=ids_NK.device, dtype=ids_NK.dtype)
        scores = torch.full(shape, -1.0, device=ids_NK.device)
        ids[rows_N, columns_N], scores[rows_N, columns_N] = ids_NK, scores_NK
        return {"predictions": ids, "scores": scores}

    def finish(self, arrays: Arrays, encoded: Encoded, start: int, stop: int) -> Arrays:
        """Joins the hidden tokens of the rows of each example: (N,) of arrays (M, 5)."""
        assert encoded.first_rows is not None
        borders = encoded.first_rows[start : stop + 1] - encoded.first_rows[start]
        found = {}
        for name in ("predictions", "scores"):
            rows = [row[row[:, 0] != -1] for row in arrays[name]]
            joined = np.empty(stop - start, object)
            for index, (first, last) in enumerate(itertools.pairwise(borders)):
                joined[index] = np.concatenate(rows[first:last])
            found[name] = joined
        return found

    def references(self, examples: Sequence[TextExample]) -> np.ndarray:
        """Returns nothing: what was hidden is drawn for each row."""
        return np.empty(0)

    def decode(self, arrays: Arrays, examples: Sequence[TextExample]) -> list[Prediction]:
        """Returns `prediction`, the text with the likeliest tokens in it, and `masks`: of each the five likeliest.

        Example: "It [MASK] today." gives `{"prediction": "It rains today.", "masks": [[{"token": "rains", "score":
        0.71}, {"token": "snows", "score": 0.2}, ...]]}`.
        """
        rows = zip(arrays["predictions"], arrays["scores"], examples, strict=True)
        return [self._decoded(ids, scores, example.text) for ids, scores, example in rows]

    def _decoded(self, ids_MK: np.ndarray, scores_MK: np.ndarray, text: str) -> Prediction:
        masks = [
            [{"token": self._word(id_), "score": score} for id_, score in zip(ids, scores, strict=True)]
            for ids, scores in zip(ids_MK.tolist(), scores_MK.tolist(), strict=True)
        ]
        mask = next(spelling for spelling in (self.preprocessor.processor.mask_token, *SPELLINGS) if spelling in text)
        parts = text.split(mask)
        words = [candidates[0]["token"] for candidates in masks]
        words += [mask] * (len(parts) - 1 - len(words))
        filled = parts[0] + "".join(word + part for word, part in zip(words, parts[1:], strict=False))
        return {"prediction": filled, "masks": masks}

    def _word(self, id_: int) -> str:
        return self.preprocessor.processor.decode([id_]).strip()

    def no_prediction(self, example: Any = None) -> Prediction:
        """Returns a row without a text."""
        return {"prediction": None, "masks": None}

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": self.auto_class}
