"""What a decoder writes about an image that an encoder has seen, some of them beside a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objective import Prediction
from ftkit.adapters.objectives.generation import GenerationObjective
from ftkit.adapters.preprocessors.encoder_prompts import PROMPTS
from ftkit.adapters.preprocessors.image_to_text import ImageToTextPreprocessor
from ftkit.adapters.rows import Arrays, Encoded, Tensors
from ftkit.errors import CheckpointError
from ftkit.models.image_text_processors import READ_WITH_TEXTS
from ftkit.models.loading import LoadedModel
from ftkit.models.spec import CheckpointSpec
from ftkit.models.visual_answers import auto_class_of


class ImageToTextGeneration(GenerationObjective):
    """The text stands on a side of its own, as in translation."""

    preprocessor: ImageToTextPreprocessor  # type: ignore[assignment]

    @classmethod
    def check_checkpoint(cls, spec: CheckpointSpec, auto_class: str) -> None:
        """Refuses a checkpoint whose encoder reads what nobody knows beside an image.

        Raises:
            CheckpointError: naming what can be used instead.
        """
        super().check_checkpoint(spec, auto_class)
        if spec.model_type not in PROMPTS:
            raise CheckpointError(
                f"model.checkpoint: {spec.name!r}, of type {spec.model_type!r}, has an encoder that reads more than "
                f"an image, in a way that ftkit does not know. Start from a checkpoint of type {READ_WITH_TEXTS}."
            )

    @property
    def _embedded_tokenizer(self) -> Any:
        return self.preprocessor.target_tokenizer

    def _special_generation_ids(self) -> dict[str, Any]:
        return {"decoder_start_token_id": self.preprocessor.start_id}

    def build(self) -> LoadedModel:
        """Loads the checkpoint, and writes into its config how a text begins and ends."""
        loaded = super().build()
        config: Any = loaded.model.config
        config.decoder_start_token_id, config.eos_token_id = self.preprocessor.start_id, self.preprocessor.end_id
        config.pad_token_id = self.preprocessor.target_tokenizer.pad_token_id
        return loaded

    def _num_given(self, inputs: Tensors) -> int:
        return 1  # the start token

    def items(self, encoded: Encoded) -> np.ndarray:
        """Returns the number of tokens that are learnt to be written of each row."""
        return np.array([len(labels) for labels in encoded.rows.labels], np.int64)

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the tokens' shares among all that is written, whatever is seen."""
        tokens = np.concatenate([np.asarray(ids, np.int64) for ids in encoded.rows.labels])
        counts = np.bincount(tokens, minlength=len(self.preprocessor.target_tokenizer))
        return constant_cross_entropy(counts, label_smoothing=self.label_smoothing)

    def recipe(self) -> dict[str, Any]:
        """Returns the class that loads the model."""
        return {"auto_class": auto_class_of(self.preprocessor.spec, self.auto_class)}

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each row, and whether it was `cut_off`."""
        pairs = zip(arrays["predictions"], arrays["cut_off"].tolist(), strict=True)
        return [{"prediction": text, "cut_off": cut_off} for text, cut_off in pairs]
