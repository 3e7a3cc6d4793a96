"""What is written about images, token by token, by a decoder that reads them in one sequence with a text."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.generation import DecoderGeneration
from ftkit.adapters.preprocessors.image_text import ImageTextPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import Arrays, Batch, Encoded, Tensors
from ftkit.models.loading import LoadedModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class ImageTextGeneration(DecoderGeneration):
    """The answer goes on where images and question end."""

    preprocessor: ImageTextPreprocessor  # type: ignore[assignment]

    @property
    def _embedded_tokenizer(self) -> Any:
        return self.preprocessor.target_tokenizer

    def build(self) -> LoadedModel:
        """Loads the checkpoint, with the ends of an answer in its generation config."""
        loaded = super().build()
        config: Any = loaded.model.generation_config
        stated = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        config.eos_token_id = list(dict.fromkeys([*self.preprocessor.end_ids, *stated]))
        return loaded

    def warnings(self, loaded: LoadedModel) -> list[str]:
        """Returns what a user should know of the chat template."""
        return [*super().warnings(loaded), *self.preprocessor.prompts.warnings]

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of tokens that are learnt to be written in each row."""
        return np.array([len(learnt) for learnt in _written(encoded)], np.int64)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the tokens' shares among all that is written, whatever is seen or asked."""
        counts = np.bincount(np.concatenate(_written(encoded)), minlength=len(self.preprocessor.target_tokenizer))
        return constant_cross_entropy(counts, label_smoothing=self.label_smoothing)

    def predict(self, model: PreTrainedModel, batch: Batch) -> Tensors:
        """Writes texts for a padded batch; where positions are counted from the padding on, for rows of equal length.

        Returns:
            As of `GenerationObjective`.
        """
        import torch

        if not self.preprocessor.prompts.counts_positions:
            return super().predict(model, batch)
        config = copy.deepcopy(model.generation_config)
        config.num_beams = self.num_beams
        lengths_B = batch.inputs["attention_mask"].sum(dim=1).cpu()
        places, parts = [], []
        for length in lengths_B.unique().tolist():
            rows = (lengths_B == length).nonzero().squeeze(1)
            inputs = {name: tensor[rows.to(tensor.device)] for name, tensor in batch.inputs.items()}
            for name in ("input_ids", "attention_mask"):
                inputs[name] = inputs[name][:, -length:]
            places.append(rows)
            parts.append(self._written(model, inputs, config))
        return self._joined(parts, torch.cat(places).argsort())

    def _written(self, model: Any, inputs: Tensors, config: Any, *, streamer: Any = None) -> Tensors:
        """Goes on with prompts of one batch, behind which stands what the model's `generate` drops."""
        import torch

        appended = self.preprocessor.prompts.appended
        if not appended:
            return super()._written(model, inputs, config, streamer=streamer)
        ids_BT = inputs["input_ids"]
        given = {**inputs, "input_ids": torch.cat([ids_BT, ids_BT.new_tensor([appended] * len(ids_BT))], dim=1)}
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        written_BT = model.generate(**given, generation_config=config)[:, ids_BT.shape[1] :]
        ends = torch.as_tensor(config.eos_token_id, device=written_BT.device).reshape(-1)
        return {"predictions": written_BT, "cut_off": ~torch.isin(written_BT, ends).any(dim=1)}

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each row, and whether it was `cut_off`."""
        pairs = zip(arrays["predictions"], arrays["cut_off"].tolist(), strict=True)
        return [{"prediction": text, "cut_off": cut_off} for text, cut_off in pairs]


def _written(encoded: Encoded) -> list[np.ndarray]:
    """Returns the tokens that bear loss, of each row."""
    rows = (np.asarray(tokens.labels, np.int64) for tokens in encoded.rows.tokens)
    return [labels[labels != NO_LOSS] for labels in rows]
