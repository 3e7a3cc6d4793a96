"""A text with each of its candidates, as pairs of texts that are computed beside one another and compete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import pyarrow as pa
import torch

from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessors.text import DecoderTextPreprocessor, EncoderDecoderTextPreprocessor
from ftkit.adapters.preprocessors.text_groups import TextGroupsPreprocessor
from ftkit.models.spec import CheckpointSpec
from ftkit.types import CandidatesExample, LabelSpace, TextExample


class CandidatesPreprocessor(TextGroupsPreprocessor):
    """Cross-encoders: text and candidate are read together, in the form of each family's pairs."""

    version: ClassVar[int] = 2
    options: ClassVar[tuple[str, ...]] = ("cut_side", "augment")

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        cut_side: Literal["left", "right"] = "right",
        augment: Options = None,
    ) -> None:
        """Loads the tokenizer.

        Args:
            cut_side: where a pair loses tokens that the tokenizer joins into one text, as GPT-2's does: on the left a
                passage is cut and its question stays, on the right a document is cut and its query stays. Of other
                pairs the longer text is cut.
            augment: changes of training texts.
        """
        super().__init__(spec, labels, max_length=max_length, augment=augment)
        if self.pair_joint is not None:
            self.processor.truncation_side = cut_side

    def _members(self, example: CandidatesExample) -> list[TextExample]:
        return [TextExample(id=0, text=text, text_pair=candidate) for text, candidate in example.pairs]

    def _targets(self, examples: Sequence[CandidatesExample]) -> pa.Array:
        return pa.array([example.relevances for example in examples], pa.list_(pa.float32()))

    def stacked(self, targets: Sequence[Any]) -> Any:
        """Returns the relevances, (B, K); shorter lists are filled up with 0."""
        relevances = [torch.tensor(of_row, dtype=torch.float32) for of_row in targets]
        return torch.nn.utils.rnn.pad_sequence(relevances, batch_first=True)


class DecoderCandidatesPreprocessor(CandidatesPreprocessor, DecoderTextPreprocessor):
    """GPT-2, Llama, Qwen ...: text and candidate with a line break between them."""


class EncoderDecoderCandidatesPreprocessor(CandidatesPreprocessor, EncoderDecoderTextPreprocessor):
    """T5, BART ..."""
