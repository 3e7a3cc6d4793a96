"""What is written about images, token by token, by a decoder that reads them in one sequence with a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ftkit.adapters.constant_loss import constant_cross_entropy
from ftkit.adapters.objectives.generation import DecoderGeneration
from ftkit.adapters.preprocessors.image_text import ImageTextPreprocessor
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import Arrays, Encoded
from ftkit.adapters.task_adapter import Prediction
from ftkit.models.loading import LoadedModel

if TYPE_CHECKING:
    import torch


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

    def count_items(self, encoded: Encoded) -> int:
        """Returns the number of tokens that are learnt to be written."""
        return len(_written(encoded))

    def constant_loss(self, examples: Sequence[Any], encoded: Encoded) -> float:
        """Returns the loss of the tokens' shares among all that is written, whatever is seen or asked."""
        counts = np.bincount(_written(encoded), minlength=len(self.preprocessor.target_tokenizer))
        return constant_cross_entropy(counts, label_smoothing=self.label_smoothing)

    def _aligned(self, logits_BTV: torch.Tensor, labels_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # GIT's logits begin with those of the image's patches.
        return super()._aligned(logits_BTV[:, -labels_BT.shape[1] :], labels_BT)

    def decode(self, arrays: Arrays, examples: Sequence[Any]) -> list[Prediction]:
        """Returns `prediction` of each row, and whether it was `cut_off`."""
        pairs = zip(arrays["predictions"], arrays["cut_off"].tolist(), strict=True)
        return [{"prediction": text, "cut_off": cut_off} for text, cut_off in pairs]


def _written(encoded: Encoded) -> np.ndarray:
    """Returns the tokens that bear loss, of all rows."""
    labels = np.concatenate([np.asarray(tokens.labels, np.int64) for tokens in encoded.rows.tokens])
    return labels[labels != NO_LOSS]
