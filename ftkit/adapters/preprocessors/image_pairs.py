"""Images and texts that are embedded apart from one another and then compared."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from ftkit.adapters.augmentation.images import ImageAugment, Picture
from ftkit.adapters.augmentation.operation import Options, section_of
from ftkit.adapters.label_column import label_array
from ftkit.adapters.preprocessor import PreprocessorBase, Shown
from ftkit.adapters.preprocessors.image import num_squares, opened_images
from ftkit.adapters.rows import Batch, Encoded, LazyRows
from ftkit.data.image_pairs import (
    DEFAULT_PROMPTS,
    ImagePairExample,
    ImagePairForm,
    image_hash,
    in_prompts,
    label_hash,
    text_hash,
)
from ftkit.data.images import open_image
from ftkit.errors import DataError
from ftkit.models.dual_encoders import check_sees, image_text_processor, is_siglip
from ftkit.models.image_processors import tensor_shape
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import max_input_length
from ftkit.types import LabelSpace

Ids = list[int]

IMAGE_ROWS, TEXT_ROWS = "image_rows", "text_rows"
"""Of a batch to be embedded: which of its rows have an image, and which row each text belongs to."""

TEXT = "text"
"""What may be cut."""


@dataclass(frozen=True)
class PairRows(LazyRows):
    """Rows that hold an image's file or bytes, never its pixels, and its texts as tokens.

    Attributes:
        texts: the tokens of each example's texts.
        keys: of rows with targets, what tells equal images and texts: of each example (1 + K,), its image's first.
        labels: of rows with targets and labels, their places among the labels, (N,).
    """

    examples: Sequence[ImagePairExample]
    texts: Sequence[Sequence[Ids]]
    keys: Sequence[np.ndarray] | None = None
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        row: dict[str, Any] = {"image": example.image, "name": example.name, "texts": self.texts[index]}
        if self.keys is not None:
            row["keys"] = self.keys[index]
        if self.labels is not None:
            row["label"] = int(self.labels[index])
        return row


class ImagePairsPreprocessor(PreprocessorBase):
    """CLIP, SigLIP ...: an image processor that works by Pillow, and a tokenizer.

    Attributes:
        form: what rows say of their images: captions, or a label, which prompts make texts of.
        prompts: with `{label}` where the name goes; several are averaged where a label is predicted.
        labels: what is chosen from in prediction; None where rows have captions.
    """

    version: ClassVar[int] = 1
    options: ClassVar[tuple[str, ...]] = ("form", "candidate_labels", "prompts", "augment")
    cut_meanings: ClassVar[Mapping[str, str]] = {TEXT: "longer in a text than the text tower reads, and cut there"}
    auto_class: ClassVar[str] = "AutoModelForZeroShotImageClassification"

    def __init__(
        self,
        spec: CheckpointSpec,
        labels: LabelSpace | None,
        *,
        max_length: int | None = None,
        form: ImagePairForm = "captions",
        candidate_labels: Sequence[str] | None = None,
        prompts: Sequence[str] = DEFAULT_PROMPTS,
        augment: Options = None,
    ) -> None:
        """Loads image processor and tokenizer.

        Args:
            max_length: tokens of the longest text; None for as many as the text tower reads.
            candidate_labels: the names that are chosen from, which no file of the checkpoint holds.
            augment: changes of training images.

        Raises:
            CheckpointError: the checkpoint lacks one of the two.
        """
        self.spec, self.form, self.prompts = spec, form, tuple(prompts)
        self.augment = section_of(ImageAugment, augment)
        self.labels = LabelSpace(tuple(candidate_labels)) if labels is None and candidate_labels else labels
        self.processor = image_text_processor(spec, self.auto_class)
        self.shape = tensor_shape(self.processor.image_processor, spec)
        limit = max_input_length(self.processor.tokenizer, spec)
        self.max_length = min(filter(None, (max_length, limit)), default=None)
        # SigLIP learnt from texts of one length; another would move all of their vectors.
        self._width = spec.max_positions if is_siglip(spec) else None

    @property
    def padding(self) -> Mapping[str, int]:
        """Column -> padding value."""
        return {"input_ids": self.processor.tokenizer.pad_token_id}

    def shown(self, example: ImagePairExample, rng: np.random.Generator | None) -> Shown:
        """Returns an image, changed as training changes it."""
        picture = Picture(open_image(example.image, example.name))
        return (picture if rng is None else self.augment.applied(picture, rng)).image

    def fit(self, examples: Sequence[Any]) -> None:
        """Makes sure, before a run, that the model sees what its image processor makes."""
        check_sees(self.spec, self.auto_class, self.shape)

    # --- examples -> rows ---

    def encode(self, examples: Sequence[ImagePairExample], *, targets: bool) -> Encoded:
        """Returns rows that name their images, with their texts as tokens; no image is opened.

        Example, CLIP of 224 x 224 pixels, the label `cat` and the prompt "a photo of a {label}.": photos/cat/1.jpg is
        the row `{"image": "photos/cat/1.jpg", "name": "cat/1.jpg", "texts": [[49406, 320, 1125, 539, 320, 2368, 269,
        49407]], "keys": [its pixels' hash, the label's], "label": 0}` of cost 14 x 14 + 8 = 204.

        Raises:
            DataError: a label is to be chosen where there is no image.
        """
        if self.form == "labels":
            _check_have_images(examples)
        texts = [self._texts(example, targets=targets) for example in examples]
        tokens, num_cut = self.tokens([text for of_example in texts for text in of_example])
        ends = np.cumsum([0, *map(len, texts)]).tolist()
        by_example = [tokens[start:stop] for start, stop in itertools.pairwise(ends)]
        rows = PairRows(
            examples,
            by_example,
            [self._keys(example, len(of_row)) for example, of_row in zip(examples, texts, strict=True)]
            if targets
            else None,
            label_array(examples, self.labels) if targets and self.form == "labels" and self.labels else None,
        )
        squares = num_squares(self.shape)
        costs = np.array([squares + max(map(len, ids), default=0) for ids in by_example], np.int64)
        return Encoded(rows, costs, cut={TEXT: num_cut} if num_cut else {})

    def for_embedding(self) -> ImagePairsPreprocessor:
        """Returns the preprocessor of images and texts alike: a label is chosen for an image, a text has a vector."""
        found = copy.copy(self)
        found.form = "captions"
        return found

    def _texts(self, example: ImagePairExample, *, targets: bool) -> Sequence[str]:
        if targets and self.form == "labels":
            return in_prompts(example.label or "", self.prompts)
        return example.texts

    def _keys(self, example: ImagePairExample, num_texts: int) -> np.ndarray:
        """Returns what tells equal images and texts: of all prompts of a label it is the same."""
        hashes = (
            list(map(text_hash, example.texts))
            if self.form == "captions"
            else [label_hash(example.label or "")] * num_texts
        )
        return np.array([image_hash(example), *hashes], np.int64)

    def tokens(self, texts: Sequence[str]) -> tuple[list[Ids], int]:
        """Returns the tokens of texts, and how many of them were cut to what the text tower reads."""
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return [], 0
        tokenizer = self.processor.tokenizer
        cut = tokenizer(distinct, truncation=self.max_length is not None, max_length=self.max_length)["input_ids"]
        lengths = tokenizer(distinct, truncation=False, verbose=False)["input_ids"]
        found = dict(zip(distinct, zip(cut, lengths, strict=True), strict=True))
        pairs = [found[text] for text in texts]
        return [ids for ids, _ in pairs], sum(len(ids) < len(whole) for ids, whole in pairs)

    # --- rows -> batches ---

    def collate(
        self, rows: Sequence[Mapping[str, Any]], *, training: bool, rngs: Sequence[np.random.Generator] | None = None
    ) -> Batch:
        """Opens the rows' images and pads their texts: in training one text a row, drawn from those that it has.

        Where the config asks for it, images are changed in training.

        Example, CLIP: two rows of one caption each, of 8 and 5 tokens, give `pixel_values` (2, 3, 224, 224),
        `input_ids` and `attention_mask` (2, 8), and as labels what tells equal images and texts, (2, 2). To be
        embedded, the images are the inputs and the texts stand in the extras, as rows may have several or none: three
        captions of the first row and one of the second are `input_ids` (4, T) with `text_rows` [0, 0, 0, 1].
        """
        return self._to_train(rows, rngs) if training else self._to_embed(rows)

    def _to_train(self, rows: Sequence[Mapping[str, Any]], rngs: Sequence[np.random.Generator] | None) -> Batch:
        drawn = [_drawn(row, None if rngs is None else rngs[place]) for place, row in enumerate(rows)]
        images = opened_images(rows, self.augment, rngs)
        texts = self.padded([row["texts"][choice] for row, choice in zip(rows, drawn, strict=True)])
        keys = [row["keys"][[0, 1 + choice]] for row, choice in zip(rows, drawn, strict=True)]
        return Batch(
            inputs={**self._pixels(images), **texts},
            labels=torch.from_numpy(np.stack(keys)),
            num_positions=len(rows) * num_squares(self.shape) + texts["input_ids"].numel(),
        )

    def _to_embed(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        counts = [
            0 if "label" in row else len(row["texts"]) for row in rows
        ]  # of labels all prompts are embedded once
        with_image = [place for place, row in enumerate(rows) if row["image"] is not None]
        images = [open_image(rows[place]["image"], rows[place]["name"]) for place in with_image]
        texts = [ids for row, count in zip(rows, counts, strict=True) for ids in row["texts"][:count]]
        extras = {
            IMAGE_ROWS: torch.tensor(with_image, dtype=torch.int64),
            TEXT_ROWS: torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(counts)),
            **(self.padded(texts) if texts else {}),
        }
        has_labels = bool(rows) and "label" in rows[0]
        return Batch(
            inputs=self._pixels(images) if images else {},
            labels=torch.tensor([row["label"] for row in rows]) if has_labels else None,
            extras=extras,
            row_counts=[1] * len(rows),
            num_positions=len(with_image) * num_squares(self.shape) + sum(map(len, texts)),
        )

    def _pixels(self, images: Sequence[Any]) -> dict[str, torch.Tensor]:
        return dict(self.processor.image_processor(images=images, return_tensors="pt"))

    def padded(self, texts: Sequence[Ids]) -> dict[str, torch.Tensor]:
        """Returns tokens as what the text tower takes, (N, T)."""
        tokenizer, width = self.processor.tokenizer, self._width or max(map(len, texts))
        ids_NT = torch.full((len(texts), width), tokenizer.pad_token_id, dtype=torch.int64)
        mask_NT = torch.zeros_like(ids_NT)
        for place, ids in enumerate(texts):
            ids_NT[place, : len(ids)] = torch.tensor(ids)
            mask_NT[place, : len(ids)] = 1
        has_mask = "attention_mask" in tokenizer.model_input_names
        return {"input_ids": ids_NT, **({"attention_mask": mask_NT} if has_mask else {})}

    def recipe(self) -> dict[str, Any]:
        """Returns what labels become, and how long texts are."""
        padding = "max_length" if self._width else True
        return {"prompts": list(self.prompts), "padding": padding, "max_length": self.max_length}


def _check_have_images(examples: Sequence[ImagePairExample]) -> None:
    for example in examples:
        if example.image is None:
            raise DataError(f"{example.name}: there is no image, and a label is chosen for an image.")


def _drawn(row: Mapping[str, Any], rng: np.random.Generator | None) -> int:
    """Returns which of its texts a row is trained with."""
    count = len(row["texts"])
    if count == 1:
        return 0
    assert rng is not None, "what is drawn in training is drawn from generators"
    return int(rng.integers(count))
