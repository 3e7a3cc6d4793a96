"""Images with what is asked about them, and what a decoder writes next: decoded when a batch is made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ftkit.adapters.columns import attention_mask, pad_columns
from ftkit.adapters.preprocessor import Piece
from ftkit.adapters.preprocessors.chat_templates import template_text
from ftkit.adapters.preprocessors.checkpoint_prompts import image_prompts
from ftkit.adapters.preprocessors.image_prompts import ImagePrompts, Size, Tokens, tried_example
from ftkit.adapters.preprocessors.image_text_base import QUESTION, ROW, SLACK, ImageTextBase
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.adapters.rows import Batch, Encoded, LazyRows, Tensors
from ftkit.data.image_text import ImageTextExample
from ftkit.data.images import image_size
from ftkit.data.problems import Problems
from ftkit.errors import CheckpointError, DataError
from ftkit.models.image_text_processors import READ_WITH_TEXTS, SIDES
from ftkit.types import Split

_TYPES = ("mm_token_type_ids", "token_type_ids")
_TEXTS = ("input_ids", "attention_mask", "labels", *_TYPES)


@dataclass(frozen=True)
class ImageTextRows(LazyRows):
    """Rows that hold an image's file or bytes, and tokens of which one stands for each image.

    Attributes:
        prompts: which expands the tokens.
        owners: the example of each row, (R,).
        tokens: of each row; without targets their labels are unused.
        sizes: width and height of the images of each row.
    """

    prompts: ImagePrompts
    examples: Sequence[ImageTextExample]
    owners: Sequence[int]
    tokens: Sequence[Tokens]
    sizes: Sequence[Sequence[Size]]
    has_targets: bool

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[self.owners[index]]
        tokens = self.prompts.expanded(self.tokens[index], self.sizes[index])
        row = {"images": example.images, "names": example.names, "input_ids": tokens.ids}
        return {**row, "labels": tokens.labels} if self.has_targets else row


class ImageTextPreprocessor(ImageTextBase):
    """SmolVLM, LLaVA, Gemma ..., whose texts have tokens for images; GIT and BLIP, which see images first.

    Attributes:
        before: what a question is read after.
        after: what follows it.
        image_inputs: what the processor makes of images, by the names that the model has for it.
        has_pieces: whether that is patch after patch, or image after image, of all rows, as Qwen's models have it.
        type_inputs: inputs that tell tokens apart: those of images from others, or of an answer.
    """

    version: ClassVar[int] = 1

    def _prepare(self, prompt_template: str | None, chat_template: str | None) -> None:
        """Tries the processor on an image and a question.

        Raises:
            CheckpointError: it lays out images or texts in a way that ftkit does not know.
            ConfigError: there is no chat template, or none that can be learnt from.
        """
        self.before, _, self.after = (prompt_template or "").partition(QUESTION)
        mark = getattr(self.processor, "image_token", None)
        self.prompts = image_prompts(self.processor, self.spec, template_text(chat_template, image_token=mark))
        self.image_inputs, self.has_pieces, self.type_inputs = self._tried()

    # --- processor ---

    @property
    def end_id(self) -> int:
        """The token that usually ends what is written."""
        return self.prompts.end_ids[0]

    @property
    def end_ids(self) -> tuple[int, ...]:
        """All tokens that end it."""
        return self.prompts.end_ids

    def _tried(self) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
        """Returns `image_inputs`, `has_pieces` and `type_inputs`, once what is made here is what the processor makes.

        Raises:
            CheckpointError: the two differ, or a batch of images cannot be parted into rows.
        """
        example = self._as_asked(tried_example())
        found = self.prompts.as_processed(example)
        given, tokens = ({"text": ""}, None) if found is None else found
        images = [[example.image], [example.image]]
        inputs, alone = (self._processed(rows) for rows in (images, images[:1]))
        twice = {name: [value] * 2 if isinstance(value, str) else value for name, value in given.items()}
        whole = self.processor(**twice, images=images)
        names = tuple(name for name in whole if name not in _TEXTS)
        types = tuple(name for name in _TYPES if name in whole and any(whole[name][0]))
        in_rows, in_pieces = (
            all(name in inputs and len(inputs[name]) == 2 * (1 if rows else len(alone[name])) for name in names)
            for rows in (True, False)
        )
        if not ((tokens is None or self._reads_alike(tokens, whole, types)) and (in_rows or in_pieces)):
            raise CheckpointError(
                f"model.checkpoint: the processor of {self.spec.name!r}, of type {self.spec.model_type!r}, puts "
                "images and texts together in a way that ftkit does not know. Start from a checkpoint of type "
                f"{READ_WITH_TEXTS}."
            )
        return names, not in_rows, types

    def _reads_alike(self, tokens: Tokens, whole: Mapping[str, Any], types: Sequence[str]) -> bool:
        """Tells whether tokens become what the processor makes of the same text and image, labels and types too."""
        import torch

        ids, labels = self.prompts.expanded(tokens, [SIDES])
        is_learnt = any(label != NO_LOSS for label in labels)
        made = {"input_ids": ids, **({"labels": labels} if is_learnt else {})}
        given_BT = (torch.tensor([ids]), torch.tensor([labels]) if is_learnt else None)
        made |= {name: self.prompts.token_types(*given_BT)[0].tolist() for name in types}
        return all(values == [int(value) for value in whole[name][0]] for name, values in made.items())

    # --- examples -> rows ---

    def _bounded(self, num_tokens: int | None) -> int | None:
        """Returns at most half of the model's positions: images and questions stand in the others."""
        half = None if self.max_length is None else self.max_length // 2
        return min(filter(None, (num_tokens, half))) if num_tokens else None

    def encode(self, examples: Sequence[ImageTextExample], *, targets: bool) -> Encoded:
        """Turns examples into rows to train on, or into what the model is given to go on with; no image is decoded.

        Example, an image of 4 tokens (id 7) around which nothing stands, `Q: <image>red? A:` [1, 7, 12, 2]: with the
        answer "yes" and its end [15, 3] the row is `input_ids` [1, 7, 7, 7, 7, 12, 2, 15, 3], `labels` [-100 ...,
        15, 3], cost 9; without targets the first 7 of the ids.

        Raises:
            DataError: an image cannot be read any more, or a row to be predicted is longer than the model reads.
        """
        examples = [self._as_asked(example) for example in examples]
        sizes = [_sizes_of(example) for example in examples]
        tokens = list(self.prompts.learnt(examples)) if targets else self._asked(examples)
        costs = [self.prompts.num_positions(one.ids, size) for one, size in zip(tokens, sizes, strict=True)]
        if not targets:
            for example, cost in zip(examples, costs, strict=True):
                self._check_asked(example, cost)
        kept = [place for place, cost in enumerate(costs) if self._is_read(cost)]
        rows = ImageTextRows(
            self.prompts,
            examples,
            kept,
            [tokens[place] for place in kept],
            [sizes[place] for place in kept],
            has_targets=targets,
        )
        firsts = None
        if len(kept) < len(examples):
            firsts = np.concatenate([[0], np.cumsum([self._is_read(cost) for cost in costs])])
        cut = {ROW: len(examples) - len(kept)}
        return Encoded(rows, np.asarray([costs[place] for place in kept], np.int64), first_rows=firsts, cut=cut)

    def _as_asked(self, example: ImageTextExample) -> ImageTextExample:
        return example.asked_with(self.before, self.after)

    def _asked(self, examples: Sequence[ImageTextExample]) -> list[Tokens]:
        return [Tokens(ids, [NO_LOSS] * len(ids)) for ids in self.prompts.asked(examples)]

    def _is_read(self, cost: int) -> bool:
        return self.max_length is None or cost <= self.max_length

    def _sees_all(self, example: ImageTextExample) -> bool:
        return len(example.images) == 1 or self.prompts.sees_several

    def _check_asked(self, example: ImageTextExample, cost: int) -> None:
        """Refuses a row to be predicted with more images than the model sees, or for whose answer no room is left."""
        if not self._sees_all(example):
            raise DataError(
                f"{example.name}: {len(example.images)} images, and {self.spec.name!r} sees one at a time."
            )
        if not self._is_read(cost + (self.max_new_tokens or 1)):
            raise DataError(f"{example.name}: {self._too_long(cost)}.")

    def _too_long(self, cost: int) -> str:
        return (
            f"images and question take {cost:,} tokens, and {self.spec.name!r} reads {self.max_length:,} with the "
            f"{self.max_new_tokens or 1:,} that are written"
        )

    # --- checks ---

    def check(self, splits: Mapping[str, Split[ImageTextExample]], problems: Problems) -> None:
        """Reports rows whose images and texts do not fit into what the model reads, by file and row."""
        for split in splits.values():
            for example in split.examples:
                if not self._sees_all(example):
                    problems.error(
                        f"{split.name}: there are several images, and {self.spec.name!r} sees one at a time",
                        where=f"{split.where(example)}: {len(example.images)} images",
                        remedy="start from a checkpoint with a chat template, such as SmolVLM, or give each row one",
                    )
            if self.max_length is not None:
                self._check_lengths(split, problems)

    def _check_lengths(self, split: Split[ImageTextExample], problems: Problems) -> None:
        room = self.max_new_tokens or self._bounded(math.ceil(self._longest_target(split.examples) * SLACK)) or 1
        examples = [self._as_asked(example) for example in split.examples]
        learnt = self.prompts.learnt(examples)
        for example, asked, whole in zip(split.examples, self._asked(examples), learnt, strict=True):
            sizes = _sizes_of(example)
            cost, wanted = (self.prompts.num_positions(one.ids, sizes) for one in (asked, whole))
            if not self._is_read(cost + room):
                problems.error(
                    f"{split.name}: images and question are longer than {self.spec.name!r} reads, which is "
                    f"{self.max_length:,} tokens with up to {room:,} for what is written",
                    where=f"{split.where(example)}: {cost:,} tokens",
                    remedy="shorten the question, give smaller or fewer images, or set a smaller size in the "
                    "checkpoint's preprocessor_config.json",
                    kind=f"{split.name}: too long to be read",
                )
            elif not self._is_read(wanted) and split.name == "train":
                problems.warn(
                    f"{split.name}: with its answer the row is longer than the {self.max_length:,} tokens that "
                    f"{self.spec.name!r} reads, and is not trained on",
                    where=f"{split.where(example)}: {wanted:,} tokens",
                    remedy="shorten what is to be written",
                )

    def pieces(self, row: Mapping[str, Any]) -> Sequence[Piece] | None:
        """Returns a row's tokens, and whether each bears loss; the tokens of an image are one piece."""
        bears_loss = [label != NO_LOSS for label in row["labels"]]
        return self._pieces_of(row["input_ids"], bears_loss, self.prompts.seen_ids)

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and pads their tokens, on the right to be learnt and on the left to be gone on with.

        Example, pad id 0, SmolVLM of 64 x 64 pixels: the prompts [5, 7, 7, 6] and [5, 7, 7, 8, 6] give `input_ids`
        [[0, 5, 7, 7, 6], [5, 7, 7, 8, 6]], `attention_mask` [[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], `pixel_values`
        (2, 1, 3, 64, 64) and `pixel_attention_mask` (2, 1, 64, 64).
        """
        made, pieces = self._made_of(self._images(rows, training=training, rngs=rngs))
        left = "labels" not in rows[0]
        columns = pad_columns(
            [{name: row[name] for name in row if name in self.padding} for row in rows], self.padding, left=left
        )
        lengths = [len(row["input_ids"]) for row in rows]
        labels = columns.pop("labels", None)
        return Batch(
            inputs={
                "attention_mask": attention_mask(lengths, left=left),
                **columns,
                **{name: self.prompts.token_types(columns["input_ids"], labels) for name in self.type_inputs},
                **made,
            },
            labels=labels,
            lengths=None,  # what is padding follows from the images, too
            num_positions=len(rows) * max(lengths),
            pieces=pieces,
        )

    def _made_of(self, images: list[list[Any]]) -> tuple[Tensors, dict[str, list[int]]]:
        """Returns the inputs that images of rows become, and of those in pieces how many each row has."""
        made = None if self.has_pieces else self._processed(images)
        # LLaVA has one piece for each image: rows that hold several of them are in pieces, too.
        if made is not None and all(len(made[name]) == len(images) for name in self.image_inputs):
            return {name: made[name] for name in self.image_inputs}, {}
        of_rows = [self._processed([row]) for row in images]
        inputs = {name: _joined([row[name] for row in of_rows]) for name in self.image_inputs}
        return inputs, {name: [len(row[name]) for row in of_rows] for name in self.image_inputs}

    def _processed(self, images: list[list[Any]]) -> Any:
        """Returns what the processor makes of images: its image processor alone may make other things."""
        if self.prompts.form != "chat":
            return self.processor.image_processor(images=images, return_tensors="pt")
        texts = [self.processor.image_token * len(row) for row in images]
        return self.processor(text=texts, images=images, return_tensors="pt", padding=True)

    def recipe(self) -> dict[str, Any]:
        """Returns what stands around a question, and how the model is given it."""
        has_videos = getattr(self.processor, "is_without_videos", False)
        return {"before": self.before, "after": self.after, "form": self.prompts.form, "has_videos": has_videos}


def _joined(tensors: Sequence[Any]) -> Any:
    """Returns the pieces of all rows; where some are of more parts than others, as LLaVA-NeXT's, zeros follow."""
    import torch
    from torch.nn.functional import pad

    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]

    def padded(tensor: Any) -> Any:
        missing = [most - own for most, own in zip(shape, tensor.shape[1:], strict=True)]
        return pad(tensor, [side for count in reversed(missing) for side in (0, count)])

    return torch.cat([padded(tensor) for tensor in tensors])


def _sizes_of(example: ImageTextExample) -> list[Size]:
    """Returns width and height of each image, from its header where it has not been looked at."""
    if example.sizes:
        return list(example.sizes)
    return [image_size(source, name) for source, name in zip(example.images, example.names, strict=True)]
