"""Images that an encoder sees, some of them beside a question, and a decoder writes about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.columns import attention_mask, pad_columns
from ftkit.adapters.preprocessor import Piece
from ftkit.adapters.preprocessors.encoder_prompts import ImageAlone, check_sees, encoder_prompts
from ftkit.adapters.preprocessors.image import num_squares
from ftkit.adapters.preprocessors.image_prompts import Ids
from ftkit.adapters.preprocessors.image_text_base import QUESTION, ROW, ImageTextBase
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.image_text import ImageTextExample
from ftkit.data.problems import Problems
from ftkit.errors import ConfigError, DataError
from ftkit.models.image_processors import PIXELS, tensor_shape
from ftkit.types import Split

LONGEST_CAPTION = 512
"""Tokens written at most where the decoder has no table of positions."""


@dataclass(frozen=True)
class ImageToTextRows(LazyRows):
    """Rows that hold an image's file or bytes, and what is read beside it.

    Attributes:
        prompts: which expands the tokens.
        owners: the example of each row, (R,).
        asked: tokens of the encoder of each row, of the image's own one.
        labels: what is to be written, the end last, of each row; None without targets.
    """

    prompts: ImageAlone
    examples: Sequence[ImageTextExample]
    owners: Sequence[int]
    asked: Sequence[Ids]
    labels: Sequence[Ids] | None

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[self.owners[index]]
        row: dict[str, Any] = {"images": example.images, "names": example.names}
        if self.prompts.is_asked:
            row["input_ids"] = self.prompts.expanded(self.asked[index])
        if self.labels is None:
            return row
        written = self.labels[index]
        return {**row, "decoder_input_ids": [self.prompts.start_id, *written[:-1]], "labels": written}


class ImageToTextPreprocessor(ImageTextBase):
    """ViT-GPT2 and TrOCR, which see an image and are asked nothing; BLIP that answers, and Florence-2.

    Attributes:
        prompts: what the encoder reads beside an image, and how a text begins and ends.
        before: what a question is read after.
        after: what follows it.
        shape: of an image as the encoder sees it.
    """

    version: ClassVar[int] = 1
    auto_class: ClassVar[str] = "AutoModelForImageTextToText"
    cut_meanings: ClassVar[Mapping[str, str]] = {ROW: "longer than the model writes, and not trained on"}

    def _prepare(self, prompt_template: str | None, chat_template: str | None) -> None:
        """Settles what is read beside an image, and how a text begins and ends.

        Raises:
            CheckpointError: nothing says how a text ends, the processor lays out texts in an unknown way, or makes
                images of another size than the model sees.
            ConfigError: a template of what would be read, or of a conversation.
        """
        self.prompts = encoder_prompts(self.processor, self.spec)
        self._check_templates(prompt_template, chat_template)
        self.before, _, self.after = (prompt_template or "").partition(QUESTION)
        self.shape = tensor_shape(self.processor.image_processor, self.spec)
        check_sees(self.prompts, self.auto_class, self.shape)

    def _check_templates(self, prompt_template: str | None, chat_template: str | None) -> None:
        reads = "sees an image and is asked nothing"
        given = {"prompt_template": prompt_template, "chat_template": chat_template}
        remedy = "start from a checkpoint that reads texts beside images, such as SmolVLM"
        if self.prompts.is_asked:
            del given["prompt_template"]
            reads = "reads a question beside an image, and no conversation"
            remedy = "put words around the question by data.prompt_template"
        for key, value in given.items():
            if value is not None:
                raise ConfigError(f"data.{key}: {self.spec.name!r} {reads}. Leave the key out, or {remedy}.")

    @property
    def start_id(self) -> int:
        """What the decoder reads first."""
        return self.prompts.start_id

    @property
    def end_id(self) -> int:
        """The token that ends what is written."""
        return self.prompts.end_id

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns at most as many tokens as the decoder has positions for, less one for its start."""
        return min(num_tokens, self.longest_target) if num_tokens else None

    @property
    def longest_target(self) -> int:
        """Tokens of a text that can be learnt and written, its end included."""
        return (self.spec.max_target_positions or LONGEST_CAPTION + 1) - 1

    def _longest_target(self, examples: Sequence[ImageTextExample]) -> int:
        texts = [target for example in examples for target in example.targets]
        return max(map(len, self.prompts.written(texts)), default=1)

    @property
    def cost(self) -> int:
        """Squares of 16 x 16 pixels in an image as the encoder sees it."""
        return num_squares(self.shape)

    # --- examples -> rows ---

    def encode(self, examples: Sequence[ImageTextExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images, with what is read and what is to be written; nothing is opened.

        Example, ViT-GPT2 (start and end 50256): "a cat" is `{"images": ("1.jpg",), "decoder_input_ids": [50256, 64,
        3797], "labels": [64, 3797, 50256]}`, of cost 196 for 224 x 224 pixels. BLIP that answers (start 30522, end
        102) reads "what is it?" as `"input_ids": [101, 2054, 2003, 2009, 1029, 102]`, and costs 6 more.

        Raises:
            DataError: a question is longer than the encoder reads, or cannot be asked.
        """
        examples = [example.asked_with(self.before, self.after) for example in examples]
        asked = self.prompts.asked(examples)
        if not targets:
            for example, ids in zip(examples, asked, strict=True):
                self._check_asked(example, ids)
        written = self.prompts.written([example.target or "" for example in examples]) if targets else None
        owners = [
            place
            for place, ids in enumerate(asked)
            if self._is_read(ids) and (written is None or len(written[place]) <= self.longest_target)
        ]
        labels = None if written is None else [written[place] for place in owners]
        kept = [asked[place] for place in owners]
        firsts = None
        if len(owners) < len(examples):
            firsts = np.searchsorted(owners, np.arange(len(examples) + 1))
        costs = np.array([self.cost + self.prompts.num_positions(ids) for ids in kept], np.int64)
        rows = ImageToTextRows(self.prompts, examples, owners, kept, labels)
        return Encoded(rows, costs, first_rows=firsts, cut={ROW: len(examples) - len(owners)})

    def _is_read(self, asked: Ids) -> bool:
        return self.max_length is None or self.prompts.num_positions(asked) <= self.max_length

    def _check_asked(self, example: ImageTextExample, asked: Ids) -> None:
        """Refuses a row to be predicted whose question does not fit into what the encoder reads."""
        if not self._is_read(asked):
            raise DataError(f"{example.name}: {self._too_long(asked)}.")

    def _too_long(self, asked: Ids) -> str:
        taken = self.prompts.num_positions(asked)
        return f"the question takes {taken:,} tokens with its image, and {self.spec.name!r} reads {self.max_length:,}"

    # --- checks ---

    def check(self, splits: Mapping[str, Split[ImageTextExample]], problems: Problems) -> None:
        """Reports several images in a row, questions that are not read, and texts longer than the model writes."""
        for split in splits.values():
            for example in split.examples:
                self._check_given(split, example, problems)
            if self.prompts.is_asked:
                self._check_lengths(split, problems)
        train = splits.get("train")
        written = [] if train is None else self.prompts.written([example.target or "" for example in train.examples])
        for example, ids in () if train is None else zip(train.examples, written, strict=True):
            if len(ids) > self.longest_target:
                problems.warn(
                    f"train: the text is longer than the {self.longest_target} tokens that {self.spec.name!r} can "
                    "write, and is not trained on",
                    where=f"{train.where(example)}: {len(ids)} tokens",  # type: ignore[union-attr]
                    remedy="shorten it",
                )

    def _check_given(self, split: Split[ImageTextExample], example: ImageTextExample, problems: Problems) -> None:
        is_asked = not self.prompts.is_asked and bool(example.question)
        if not (is_asked or len(example.images) > 1 or (len(example.messages) > 1 and not self.prompts.is_asked)):
            return
        what = "a question is asked" if is_asked else "there are several images"
        reads = "sees one image" if self.prompts.is_asked else "sees one image and is asked nothing"
        or_else = "give each row one" if self.prompts.is_asked else "leave the questions out"
        problems.error(
            f"{split.name}: {what}, and {self.spec.name!r} {reads}",
            where=split.where(example),
            remedy=f"start from a checkpoint that reads texts beside images, such as SmolVLM, or {or_else}",
            kind=f"{split.name}: more than an image",
        )

    def _check_lengths(self, split: Split[ImageTextExample], problems: Problems) -> None:
        examples = [example.asked_with(self.before, self.after) for example in split.examples]
        for example, ids in zip(examples, self.prompts.asked(examples), strict=True):
            if not self._is_read(ids):
                problems.error(
                    f"{split.name}: {self._too_long(ids)}",
                    where=split.where(example),
                    remedy="shorten the question",
                    kind=f"{split.name}: too long to be read",
                )

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns the tokens of a question and, bearing loss, of what is written; None where nothing is asked."""
        if not self.prompts.is_asked:
            return None
        asked, written = row["input_ids"], row["labels"]
        is_learnt = [False] * len(asked) + [True] * len(written)
        return self._pieces_of([*asked, *written], is_learnt, self.prompts.seen_ids)

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and stacks them; texts are padded on the right.

        Example, start and end 9: the labels [4, 5, 9] and [6, 9] give `decoder_input_ids` [[9, 4, 5], [9, 6, 9]] and
        labels [[4, 5, 9], [6, 9, -100]], beside `pixel_values` (2, 3, 224, 224). Questions [1, 7, 2] and [1, 2] are
        `input_ids` [[1, 7, 2], [1, 2, 0]] and `attention_mask` [[1, 1, 1], [1, 1, 0]].
        """
        images = [of_row[0] for of_row in self._images(rows, training=training, rngs=rngs)]
        columns = [{name: row[name] for name in self.padding if name in row} for row in rows]
        tensors = pad_columns(columns, self.padding) if columns[0] else {}
        labels = tensors.pop("labels", None)
        lengths = [len(row.get("input_ids", ())) for row in rows]
        if self.prompts.is_asked:
            tensors["attention_mask"] = attention_mask(lengths)
        pixels_BCHW = self.processor.image_processor(images=images, return_tensors="pt")[PIXELS]
        num_positions = len(rows) * (self.cost + max(lengths))
        return Batch(inputs={PIXELS: pixels_BCHW, **tensors}, labels=labels, num_positions=num_positions)

    def recipe(self) -> dict[str, Any]:
        """Returns what stands around a question, and how the model is given it, if it is."""
        return {"before": self.before, "after": self.after, "form": self.prompts.form}
