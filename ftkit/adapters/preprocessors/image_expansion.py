"""The token that stands for an image in a text, and what a checkpoint's processor puts in its place."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ftkit.adapters.preprocessors.chat import Rendered
from ftkit.adapters.preprocessors.image_prompts import Ids, Size, Tokens
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.image_text import ImageTextExample
from ftkit.errors import CheckpointError, DataError
from ftkit.models.image_text_processors import READ_WITH_TEXTS, SIDES
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import control_ids


class _Made(NamedTuple):
    """What a processor makes of an image.

    Attributes:
        ids: tokens from the first that no text becomes to the last.
        around: the texts before and after them.
    """

    ids: Ids
    around: tuple[str, str]


class ImageExpansion:
    """What stands for an image: one token until a row is asked for, then as many as the processor makes of it.

    Example, Gemma 3: `<start_of_image>` becomes a blank line, `<start_of_image>`, 256 times `<image_soft_token>`,
    `<end_of_image>` and another blank line. The tokenizer joins line breaks with those that stand beside them, so the
    blank lines are written into the text, and the tokens take the place of the one token later.

    Attributes:
        mark: the token that stands for an image in a text.
        image_id: its id.
        seen_ids: the tokens in whose places the model has what it sees.
    """

    def __init__(self, processor: Any, spec: CheckpointSpec) -> None:
        self.processor, self.tokenizer, self.spec = processor, processor.tokenizer, spec
        self.mark = str(processor.image_token)
        self.image_id = int(self.tokenizer.convert_tokens_to_ids(self.mark))
        self._controls = control_ids(self.tokenizer)
        self.seen_ids = frozenset(int(id_) for id_ in processor.image_token_ids if id_ is not None)

    # --- texts ---

    def written_into(self, rendered: Rendered) -> Rendered:
        """Returns a text with what the processor writes around each image, and where its answers lie then.

        Example, Idefics2: `User:<image>Red?<end>Assistant: yes<end>` becomes `User:<image> Red?<end>...`, and the
        answer begins one character later.
        """
        text, (before, after) = rendered.text, self._around
        added: list[tuple[int, str]] = []
        for found in re.finditer(re.escape(self.mark), text):
            follows_word = re.match(r"[^\s<]", text[found.end() : found.end() + 1])
            added += [(found.start(), before), (found.end(), after + (self._before_words if follows_word else ""))]
        if not any(extra for _, extra in added):
            return rendered
        places = [0, *(place for place, _ in added), len(text)]
        parts = [text[start:stop] for start, stop in itertools.pairwise(places)]
        whole = "".join(part + extra for part, (_, extra) in zip(parts, [*added, (0, "")], strict=True))
        answers = tuple(
            (
                start + sum(len(extra) for place, extra in added if place <= start),
                stop + sum(len(extra) for place, extra in added if place < stop),
            )
            for start, stop in rendered.answers
        )
        return Rendered(whole, answers)

    def check_marks(self, example: ImageTextExample, ids: Ids, remedy: str) -> None:
        """Refuses a row whose text has the image token in it, or which says fewer images than there are.

        Args:
            remedy: what else may be done than taking the token out.

        Raises:
            DataError: naming the row.
        """
        marks = ids.count(self.image_id)
        if marks != len(example.images):
            raise DataError(
                f"line {example.line} (id {example.id}): what {self.spec.name!r} reads has {marks} tokens "
                f"{self.mark!r} for {len(example.images)} images{remedy}"
            )

    # --- tokens ---

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the processor makes of it.

        Example: an image of 4 tokens between `<fake_token_around_image><global-img>` and
        `<fake_token_around_image>` makes 7 of one; none bears loss.
        """
        ids: Ids = []
        labels: Ids = []
        images = iter(sizes)
        for place, (id_, label) in enumerate(zip(tokens.ids, tokens.labels, strict=True)):
            inserted = self._ids(next(images)) if id_ == self.image_id else None
            if inserted is not None and place and tokens.ids[place - 1] == self.image_id:
                inserted = inserted[self._num_shared :]
            ids += [id_] if inserted is None else inserted
            labels += [label] if inserted is None else [NO_LOSS] * len(inserted)
        return Tokens(ids, labels)

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of tokens, those of the images included."""
        num_pairs = sum(one == other == self.image_id for one, other in itertools.pairwise(ids))
        return len(ids) + sum(len(self._ids(size)) - 1 for size in sizes) - num_pairs * self._num_shared

    @functools.cached_property
    def sees_several(self) -> bool:
        """Whether an image beside others is as many tokens as alone: LLaVA-OneVision cuts the latter into tiles."""
        text = f"{self.mark}a{self.mark}"
        read = self.written_into(Rendered(text, ())).text
        ids = self.tokenizer(read, add_special_tokens=False)["input_ids"]
        return len(self._processed(text, SIDES, SIDES)["input_ids"][0]) == self.num_positions(ids, [SIDES, SIDES])

    @functools.cached_property
    def _num_shared(self) -> int:
        """How many tokens an image shares with another right before it: of Idefics2's, the mark between them."""
        made = self._processed(2 * self.mark, SIDES, SIDES)["input_ids"][0]
        alone = self._ids(SIDES)
        return next((count for count in (0, 1) if [*alone, *alone[count:]] == [int(id_) for id_ in made]), 0)

    # --- one image ---

    @functools.cached_property
    def _around(self) -> tuple[str, str]:
        return self._made(SIDES).around

    @functools.cached_property
    def _before_words(self) -> str:
        """What the processor writes between an image and a word right behind it: Idefics2's a space."""
        *start, last = self._ids(SIDES)
        made = [int(id_) for id_ in self._processed(f"{self.mark}a", SIDES)["input_ids"][0]]
        end = self.tokenizer.convert_ids_to_tokens(last)
        tails = {joint: self.tokenizer(f"{end}{joint}a", add_special_tokens=False)["input_ids"] for joint in ("", " ")}
        return next((joint for joint, tail in tails.items() if made == [*start, *tail]), "")

    def _ids(self, size: Size) -> Ids:
        """Returns the tokens of an image of a size.

        Raises:
            CheckpointError: the text around it differs from that around others.
        """
        made = self._made(size)
        if made.around != self._around:
            raise CheckpointError(
                f"model.checkpoint: the processor of {self.spec.name!r}, of type {self.spec.model_type!r}, writes "
                f"other words around an image of {size[0]} x {size[1]} pixels than around a small one, which ftkit "
                "does not know. Start from a checkpoint whose processor names no crops of images in words, such as "
                f"one of type {READ_WITH_TEXTS}."
            )
        return made.ids

    @functools.cached_property
    def _made(self) -> Any:
        """Returns what the processor makes of any image of a size."""

        @functools.lru_cache(maxsize=100_000)
        def made_of(size: Size) -> _Made:
            made = self._processed(self.mark, size)
            replaced = made.get("text_replacement_offsets")
            if not replaced:  # Idefics2's does not tell, and writes no text around images
                return _Made([int(id_) for id_ in made["input_ids"][0]], ("", ""))
            return self._parted(replaced[0][0]["replacement"])

        return made_of

    def _parted(self, text: str) -> _Made:
        """Returns tokens, and the text before the first and after the last of those that no text becomes."""
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        places = [place for place, id_ in enumerate(found["input_ids"]) if id_ in self._controls]
        first, last = places[0], places[-1]
        start, stop = found["offset_mapping"][first][0], found["offset_mapping"][last][1]
        return _Made(found["input_ids"][first : last + 1], (text[:start], text[stop:]))

    def _processed(self, text: str, *sizes: Size) -> Any:
        """Returns what the processor makes of a text with images of these sizes."""
        from PIL import Image

        # Only the size counts; all pixels of one colour cost nothing to make.
        images = [Image.new("RGB", size) for size in sizes]
        return self.processor(
            text=[text], images=[images], add_special_tokens=False, return_text_replacement_offsets=True
        )
