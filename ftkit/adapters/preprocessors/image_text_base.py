"""What is common to all that is written about images: a processor, how long texts may be, rows and images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.augmentation.images import ImageAugment
from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.preprocessor import Piece, PreprocessorBase, Shown
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import EncodedToScore
from ftkit.data.image_text import ImageTextExample
from ftkit.data.images import open_image
from ftkit.models.generation import GenerationSpec
from ftkit.models.image_text_processors import load_image_text_processor
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace

SLACK = 1.25  # texts to come may be longer than those of train
ROW = "row"
QUESTION = "{question}"


class ImageTextBase(PreprocessorBase):
    """What the families share.

    Attributes:
        max_new_tokens: tokens written at most; read off the targets of train unless it was set.
    """

    options: ClassVar[tuple[str, ...]] = (
        *("prompt_template", "chat_template", "max_new_tokens", "generation", "augment"),
    )
    cut_meanings: ClassVar[Mapping[str, str]] = {
        ROW: "longer with their images than the model reads, and not trained on"
    }
    longest_source: ClassVar[int | None] = None
    pretrained_task: ClassVar[str | None] = None

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None = None,
        *,
        max_length: int | None = None,
        prompt_template: str | None = None,
        chat_template: str | None = None,
        max_new_tokens: int | None = None,
        generation: Mapping[str, Any] | None = None,
        augment: Options = None,
    ) -> None:
        """Loads the processor, and settles how texts are laid out.

        Raises:
            CheckpointError: it cannot be loaded, or nothing says how texts are laid out beside images.
            ConfigError: a template does not suit the checkpoint.
        """
        self.spec, self.labels, self.augment = spec, labels, section_of(ImageAugment, augment)
        self.max_length = min(filter(None, (max_length, spec.max_positions)), default=None)
        self.processor = load_image_text_processor(spec)
        self._prepare(prompt_template, chat_template)
        self.max_new_tokens = self._bounded(max_new_tokens or GenerationSpec(**(generation or {})).max_new_tokens)

    def _prepare(self, prompt_template: str | None, chat_template: str | None) -> None:
        """Settles how a question is asked, and how a text begins and ends.

        Raises:
            CheckpointError, ConfigError: as the constructor.
        """
        raise NotImplementedError

    @property
    def target_tokenizer(self) -> Any:
        """The tokenizer of what is written."""
        return self.processor.tokenizer

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        pad = self.target_tokenizer.pad_token_id
        return {"input_ids": pad, "decoder_input_ids": pad, "labels": NO_LOSS}

    @property
    def resolved_options(self) -> Mapping[str, Any]:
        """What was read off the training data."""
        return {"max_new_tokens": self.max_new_tokens}

    def shown(self, example: ImageTextExample, rng: np.random.Generator | None) -> Shown:
        """Returns the first image of an example, changed as training changes it."""
        image = open_image(example.image, example.name)
        return image if rng is None else self.augment.applied_in_size(image, rng)

    def _images(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None
    ) -> list[list[Any]]:
        """Returns the images of each row, decoded, and in training changed, all in their own sizes."""
        opened = [
            [open_image(source, name) for source, name in zip(row["images"], row["names"], strict=True)]
            for row in rows
        ]
        if not (training and self.augment):
            return opened
        assert rngs is not None, "what is drawn in training is drawn from generators"
        return [
            [self.augment.applied_in_size(image, rng) for image in images]
            for images, rng in zip(opened, rngs, strict=True)
        ]

    def _pieces_of(self, ids: Sequence[int], bears_loss: Sequence[bool], seen_ids: Set[int]) -> list[Piece]:
        """Returns tokens, and whether each bears loss; those of an image are one piece."""
        found: list[Piece] = []
        run = 0
        for id_, is_learnt in zip(ids, bears_loss, strict=True):
            if id_ in seen_ids:
                run += 1
                continue
            if run:
                found.append(Piece(f"[{run} tokens of an image]", bears_loss=False, num_tokens=run))
                run = 0
            found.append(Piece(self.target_tokenizer.decode([id_]), is_learnt))
        return found

    def fit(self, examples: Sequence[ImageTextExample]) -> None:
        """Derives how long written texts may be from the longest of train, in tokens, unless it was set."""
        if self.max_new_tokens is None:
            self.max_new_tokens = self._bounded(math.ceil(self._longest_target(examples) * SLACK))

    def _longest_target(self, examples: Sequence[ImageTextExample]) -> int:
        texts = [target for example in examples for target in example.targets]
        ids = self.target_tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return max(map(len, ids), default=1) + 1  # its end

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns at most so many tokens as the model can write."""
        raise NotImplementedError

    def encode_to_score(self, examples: Sequence[ImageTextExample], *, all_predicted: bool = True) -> EncodedToScore:
        """Returns what is to be gone on with, and the rows for the loss."""
        targets = self.encode(examples, targets=True)  # type: ignore[attr-defined]
        return EncodedToScore(
            self.encode(examples, targets=False),  # type: ignore[attr-defined]
            targets if targets.num_rows else None,
        )
