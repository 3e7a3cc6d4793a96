"""Images that an encoder sees and a decoder writes about: two checkpoints joined as a VisionEncoderDecoderModel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.columns import pad_columns
from ftkit.adapters.preprocessors.image import num_squares
from ftkit.adapters.preprocessors.image_text_base import ROW, ImageTextBase
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.image_text import ImageTextExample
from ftkit.data.problems import Problems
from ftkit.errors import ConfigError
from ftkit.models.generator_loading import stated_generation
from ftkit.models.image_processors import PIXELS, tensor_shape
from ftkit.models.tokenizers import end_of_text
from ftkit.types import Split

LONGEST_CAPTION = 512
"""Tokens written at most where the decoder has no table of positions."""


@dataclass(frozen=True)
class CaptionRows(LazyRows):
    """Rows that hold an image's file or bytes.

    Attributes:
        owners: the example of each row, (R,).
        labels: what is to be written, the end last, of each row; None without targets.
    """

    examples: Sequence[ImageTextExample]
    owners: Sequence[int]
    start_id: int
    labels: Sequence[list[int]] | None

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[self.owners[index]]
        row = {"images": example.images, "names": example.names}
        if self.labels is None:
            return row
        written = self.labels[index]
        return {**row, "decoder_input_ids": [self.start_id, *written[:-1]], "labels": written}


class ImageToTextPreprocessor(ImageTextBase):
    """ViT-GPT2, TrOCR and their like, which see an image and are asked nothing.

    Attributes:
        start_id: what the decoder reads first.
        end_id: the token that ends what is written.
        shape: of an image as the encoder sees it.
    """

    version: ClassVar[int] = 1
    cut_meanings: ClassVar[Mapping[str, str]] = {ROW: "longer than the model writes, and not trained on"}

    def _prepare(self, prompt_template: str | None, chat_template: str | None) -> None:
        """Settles how a text begins and ends.

        Raises:
            CheckpointError: nothing says how a text ends.
            ConfigError: a template of what would be read.
        """
        for key, value in (("prompt_template", prompt_template), ("chat_template", chat_template)):
            if value is not None:
                raise ConfigError(
                    f"data.{key}: {self.spec.name!r} sees an image and is asked nothing. Leave the key out, or start "
                    "from a checkpoint that reads texts beside images, such as SmolVLM."
                )
        self.shape = tensor_shape(self.processor.image_processor, self.spec)
        tokenizer = self.target_tokenizer
        self.end_id = end_of_text(tokenizer, self.spec, or_sep=True)
        stated = (stated_generation(self.spec).decoder_start_token_id, self.spec.decoder_start_token_id)
        starts = (*stated, tokenizer.bos_token_id, tokenizer.cls_token_id, self.end_id)
        self.start_id = int(next(one for one in starts if one is not None))

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns at most as many tokens as the decoder has positions for, less one for its start."""
        return min(num_tokens, self.longest_target) if num_tokens else None

    @property
    def longest_target(self) -> int:
        """Tokens of a text that can be learnt and written, its end included."""
        return (self.spec.max_target_positions or LONGEST_CAPTION + 1) - 1

    @property
    def cost(self) -> int:
        """Squares of 16 x 16 pixels in an image as the encoder sees it."""
        return num_squares(self.shape)

    def encode(self, examples: Sequence[ImageTextExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images, with what is to be written; nothing is opened.

        Example, ViT-GPT2 (start and end 50256): "a cat" is `{"images": ("1.jpg",), "decoder_input_ids": [50256, 64,
        3797], "labels": [64, 3797, 50256]}`, of cost 196 for 224 x 224 pixels.
        """
        owners = list(range(len(examples)))
        labels = None
        if targets:
            written = self._labels(examples)
            owners = [place for place, ids in enumerate(written) if len(ids) <= self.longest_target]
            labels = [written[place] for place in owners]
        firsts = None
        if len(owners) < len(examples):
            firsts = np.searchsorted(owners, np.arange(len(examples) + 1))
        costs = np.full(len(owners), self.cost, np.int64)
        rows = CaptionRows(examples, owners, self.start_id, labels)
        return Encoded(rows, costs, first_rows=firsts, cut={ROW: len(examples) - len(owners)})

    def _labels(self, examples: Sequence[ImageTextExample]) -> list[list[int]]:
        texts = [example.target or "" for example in examples]
        found = self.target_tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return [[*ids, self.end_id] for ids in found]

    def check(self, splits: Mapping[str, Split[ImageTextExample]], problems: Problems) -> None:
        """Reports questions, several images in a row, and texts that are longer than the model writes."""
        for split in splits.values():
            for example in split.examples:
                if example.question or len(example.images) > 1 or len(example.messages) > 1:
                    what = "a question is asked" if example.question else "there are several images"
                    problems.error(
                        f"{split.name}: {what}, and {self.spec.name!r} sees one image and is asked nothing",
                        where=split.where(example),
                        remedy="start from a checkpoint that reads texts beside images, such as SmolVLM, or leave "
                        "the questions out",
                        kind=f"{split.name}: more than an image",
                    )
        train = splits.get("train")
        for example, ids in () if train is None else zip(train.examples, self._labels(train.examples), strict=True):
            if len(ids) > self.longest_target:
                problems.warn(
                    f"train: the text is longer than the {self.longest_target} tokens that {self.spec.name!r} can "
                    "write, and is not trained on",
                    where=f"{train.where(example)}: {len(ids)} tokens",  # type: ignore[union-attr]
                    remedy="shorten it",
                )

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and stacks them; texts are padded on the right.

        Example, start and end 9: the labels [4, 5, 9] and [6, 9] give `decoder_input_ids` [[9, 4, 5], [9, 6, 9]] and
        labels [[4, 5, 9], [6, 9, -100]], beside `pixel_values` (2, 3, 224, 224).
        """
        images = [of_row[0] for of_row in self._images(rows, training=training, rngs=rngs)]
        names = ("decoder_input_ids", "labels")
        columns = [{name: row[name] for name in names if name in row} for row in rows]
        tensors = pad_columns(columns, self.padding) if columns[0] else {}
        labels = tensors.pop("labels", None)
        pixels_BCHW = self.processor.image_processor(images=images, return_tensors="pt")[PIXELS]
        return Batch(inputs={PIXELS: pixels_BCHW, **tensors}, labels=labels, num_positions=len(rows) * self.cost)

    def recipe(self) -> dict[str, Any]:
        """Returns that the model is given an image alone."""
        return {"form": "none"}
