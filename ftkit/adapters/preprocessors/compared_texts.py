"""Texts that are embedded one by one and then compared: both of a pair, anchor, positive and negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch

from ftkit.adapters.augmentation.operation import Options
from ftkit.adapters.preprocessors.text import DecoderTextPreprocessor
from ftkit.adapters.preprocessors.text_groups import TextGroupsPreprocessor
from ftkit.data.hashes import hash_of
from ftkit.data.similarity import SimilarityExample
from ftkit.models.sentence_layout import SentenceLayout, read_layout
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, TextExample

NO_TEXT = 0
"""Fills up the hashes of examples that have fewer texts than others of their batch."""


class ComparedTextsPreprocessor(TextGroupsPreprocessor):
    """BERT, MPNet, RoBERTa ...: each text is read by itself, behind its prompt.

    Attributes:
        layout: what the checkpoint's files say of how its vectors are made.
        prompts: what stands before a text, by role: `text` or `text_pair`.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("prompts", "augment")

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        prompts: Mapping[str, str] | None = None,
        augment: Options = None,
    ) -> None:
        """Loads the tokenizer, and reads how the checkpoint makes vectors.

        Args:
            max_length: None for what the checkpoint says.
            prompts: by role; None for those that the checkpoint names.
            augment: changes of training texts; prompts stay as they are.

        Raises:
            CheckpointError: it makes vectors in a way that is not computed here.
        """
        self.layout: SentenceLayout = read_layout(spec)
        super().__init__(spec, labels, max_length=max_length or self.layout.max_length, augment=augment)
        self.prompts = dict(self.layout.prompts if prompts is None else prompts)

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """The prompts, wherever they come from."""
        return {"prompts": self.prompts}

    def _members(self, example: SimilarityExample) -> list[TextExample]:
        """Returns each text of an example behind its prompt.

        Example: the prompts "query: " for `text` and "passage: " for `text_pair` make "cats" and "Cats sleep." the
        texts "query: cats" and "passage: Cats sleep."; a negative gets the prompt of `text_pair`.
        """
        return [TextExample(id=0, text=self.prompts.get(role, "") + text) for role, text in example.texts]

    def _targets(self, examples: Sequence[SimilarityExample]) -> pa.Array:
        """Returns the scores; where there are none, 63 bits of each text that tell equal texts from others."""
        if examples[0].score is not None:
            return pa.array([example.score for example in examples], pa.float32())
        return pa.array(list(map(text_hashes, examples)), pa.list_(pa.int64()))

    def stacked(self, targets: Sequence[Any]) -> Any:
        """Returns the scores, (B,), or what tells equal texts from others, (B, K)."""
        if not isinstance(targets[0], list):
            return torch.tensor(targets, dtype=torch.float32)
        hashes = [torch.tensor(of_row, dtype=torch.int64) for of_row in targets]
        return torch.nn.utils.rnn.pad_sequence(hashes, batch_first=True, padding_value=NO_TEXT)

    def recipe(self) -> dict[str, Any]:
        """Returns what stands before texts, and how many tokens are read."""
        return {"max_length": self.max_length, "prompts": self.prompts}


class DecoderComparedTextsPreprocessor(ComparedTextsPreprocessor, DecoderTextPreprocessor):
    """GPT-2, Llama, Qwen ..."""


def text_hashes(example: SimilarityExample) -> np.ndarray:
    """Returns 63 bits of each text of an example, (K,) int64; equal texts have equal ones, none is `NO_TEXT`."""
    return np.array([hash_of(text) >> 1 or 1 for _, text in example.texts], np.int64)
