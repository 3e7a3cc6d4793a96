"""What an encoder reads beside an image, a question or nothing, and how a decoder writes.

| checkpoint | its encoder reads | its decoder reads first | and writes |
|---|---|---|---|
| ViT-GPT2, TrOCR and their like | the image | `<|endoftext|>` | `a cat<|endoftext|>` |
| BLIP that answers | `[CLS] what is it? [SEP]`, looking at the image | `[DEC]` | `a cat [SEP]` |
| Florence-2 | tokens of the image, `<s>What does the image describe?</s>` | `</s>` | `<s>a cat</s>` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, ClassVar

from ftkit.adapters.preprocessors.image_prompts import Form, Ids, all_said, tried_example
from ftkit.data.image_text import ImageTextExample
from ftkit.errors import CheckpointError, DataError
from ftkit.models.encoder_decoder import SEEING_MODEL_TYPE
from ftkit.models.generator_loading import stated_generation
from ftkit.models.image_processors import raise_unfit
from ftkit.models.image_text_processors import READ_WITH_TEXTS, SIDES
from ftkit.models.loading import model_without_weights
from ftkit.models.spec import CheckpointSpec
from ftkit.models.target_ids import target_ids
from ftkit.models.tokenizers import end_of_text

if TYPE_CHECKING:
    import torch


class ImageAlone:
    """Two checkpoints that were joined: one sees an image, and nothing is asked.

    Attributes:
        form: what a program without ftkit gives to the model: see `ftkit.report.usage.look`.
        seen_ids: the tokens in whose places the encoder has what it sees; none where images are not among the tokens.
        start_id: what the decoder reads first.
        end_id: the token that ends what it writes.
    """

    form: ClassVar[Form] = "none"
    seen_ids: Set[int] = frozenset()

    def __init__(self, processor: Any, spec: CheckpointSpec) -> None:
        """Settles how a text begins and ends.

        Raises:
            CheckpointError: nothing says how a text ends.
        """
        self.processor, self.tokenizer, self.spec = processor, processor.tokenizer, spec
        self.start_id, self.end_id = self._ends()

    def _ends(self) -> tuple[int, int]:
        end = end_of_text(self.tokenizer, self.spec, or_sep=True)
        stated = (stated_generation(self.spec).decoder_start_token_id, self.spec.decoder_start_token_id)
        starts = (*stated, self.tokenizer.bos_token_id, self.tokenizer.cls_token_id, end)
        return int(next(one for one in starts if one is not None)), end

    @property
    def is_asked(self) -> bool:
        """Whether the encoder reads a question."""
        return self.form != "none"

    def asked(self, examples: Sequence[ImageTextExample]) -> list[Ids]:
        """Returns what is read beside each image, of the image's own tokens one: nothing."""
        return [[] for _ in examples]

    def expanded(self, ids: Ids) -> Ids:
        """Returns tokens with as many for the image as the model has for it."""
        return ids

    def num_positions(self, ids: Ids) -> int:
        """Returns the number of tokens, those of the image included."""
        return len(ids)

    def look(self, model: Any, pixels_BCHW: torch.Tensor) -> None:
        """Lets a model see images as it does before it writes.

        Raises:
            ValueError, RuntimeError: it cannot.
        """
        model.encoder(pixel_values=pixels_BCHW)

    def written(self, texts: Sequence[str]) -> list[Ids]:
        """Returns what is to be written for each text, its end last."""
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []
        return [[*ids, self.end_id] for ids in found]


class BlipQuestions(ImageAlone):
    """BLIP that answers: its encoder reads a question and looks at the image; a decoder looks at what was read."""

    form: ClassVar[Form] = "beside"

    def _ends(self) -> tuple[int, int]:
        from transformers import AutoConfig

        text = AutoConfig.from_pretrained(self.spec.path, **self.spec.loading_arguments).text_config
        return int(text.bos_token_id), int(text.sep_token_id)

    def asked(self, examples: Sequence[ImageTextExample]) -> list[Ids]:
        """Returns `[CLS] question [SEP]` of each."""
        found: list[Ids] = self.tokenizer(list(map(all_said, examples)))["input_ids"] if examples else []
        return found

    def look(self, model: Any, pixels_BCHW: torch.Tensor) -> None:
        """Lets what sees see images."""
        model.vision_model(pixel_values=pixels_BCHW)


class FlorenceQuestions(ImageAlone):
    """Florence-2 (arXiv 2311.06242): the encoder of a BART reads an image's tokens, then a question.

    A task such as `<CAPTION>` becomes the question that it was pretrained with, as its processor has it.
    """

    form: ClassVar[Form] = "beside"

    def __init__(self, processor: Any, spec: CheckpointSpec) -> None:
        """Counts the tokens of an image: they are as many for any.

        Raises:
            CheckpointError: as `ImageAlone`.
        """
        super().__init__(processor, spec)
        self.image_id = int(processor.image_token_id)
        self.seen_ids = frozenset({self.image_id})
        self.num_seen = list(processed(processor, "")).count(self.image_id)

    def _ends(self) -> tuple[int, int]:
        from transformers import AutoConfig

        text = AutoConfig.from_pretrained(self.spec.path, **self.spec.loading_arguments).text_config
        return int(text.decoder_start_token_id), end_of_text(self.tokenizer, self.spec)

    def asked(self, examples: Sequence[ImageTextExample]) -> list[Ids]:
        """Returns `<image><s>question</s>` of each.

        Raises:
            DataError: a question has a task among other words.
        """
        texts = [self._laid_out(example) for example in examples]
        found: list[Ids] = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        for example, ids in zip(examples, found, strict=True):
            if ids.count(self.image_id) != 1:
                raise DataError(f"line {example.line} (id {example.id}): there is {self._mark!r} in the question.")
        return found

    @property
    def _mark(self) -> str:
        return str(self.processor.image_token)

    def _laid_out(self, example: ImageTextExample) -> str:
        try:
            _, [text], *_ = self.processor.prepare_inputs_layout(images=[], text=[all_said(example)])
        except ValueError as error:
            reason = str(error).rstrip(".")
            raise DataError(
                f"line {example.line} (id {example.id}): {self.spec.name!r} cannot be asked {all_said(example)!r}: "
                f"{reason}.\nFix: ask in words, or by the task alone."
            ) from None
        return str(text)

    def expanded(self, ids: Ids) -> Ids:
        """Returns tokens with all of the image's."""
        return [self.image_id] * self.num_seen + [id_ for id_ in ids if id_ != self.image_id]

    def num_positions(self, ids: Ids) -> int:
        """Returns the number of tokens, those of the image included."""
        return len(ids) - 1 + self.num_seen

    def look(self, model: Any, pixels_BCHW: torch.Tensor) -> None:
        """Lets what sees see images, and counts the tokens that they become."""
        found = model.get_image_features(pixel_values=pixels_BCHW).pooler_output.shape[1]
        if found != self.num_seen:
            raise ValueError(f"an image becomes {found} tokens, and image_seq_length says {self.num_seen}")

    def written(self, texts: Sequence[str]) -> list[Ids]:
        """Returns `<s>`, the tokens of each text and `</s>`, as BART writes."""
        return target_ids(self.tokenizer, texts) if texts else []


PROMPTS: Mapping[str, type[ImageAlone]] = {
    SEEING_MODEL_TYPE: ImageAlone,
    "blip": BlipQuestions,
    "florence2": FlorenceQuestions,
}
"""Type of a checkpoint whose encoder sees -> what it reads beside an image."""


def encoder_prompts(processor: Any, spec: CheckpointSpec) -> ImageAlone:
    """Returns what the encoder of a checkpoint reads.

    Raises:
        CheckpointError: its processor puts images and texts together in another way.
    """
    prompts = PROMPTS[spec.model_type](processor, spec)
    if prompts.is_asked and not _reads_alike(prompts):
        raise CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r}, of type {spec.model_type!r}, puts images and texts "
            f"together in a way that ftkit does not know. Start from a checkpoint of type {READ_WITH_TEXTS}."
        )
    return prompts


def check_sees(prompts: ImageAlone, auto_class: str, shape: tuple[int, int, int]) -> None:
    """Refuses a checkpoint that cannot see what its own processor makes; no weight is read or computed for it.

    Args:
        shape: of an image as the processor makes it: channels, height, width.

    Raises:
        CheckpointError: it sees images of another size.
    """
    import torch

    model = model_without_weights(auto_class, prompts.spec)
    if model is None:
        return
    with torch.no_grad():
        try:
            prompts.look(model.eval(), torch.empty(1, *shape, device="meta"))
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise_unfit(prompts.spec, shape, error)


def _reads_alike(prompts: ImageAlone) -> bool:
    """Tells whether a question becomes what the processor makes of it."""
    tried = tried_example()
    return prompts.expanded(prompts.asked([tried])[0]) == processed(prompts.processor, tried.question)


def processed(processor: Any, text: str) -> Ids:
    """Returns the tokens that a processor makes of a text beside an image."""
    from PIL import Image

    return [int(id_) for id_ in processor(text=[text], images=[Image.new("RGB", SIDES)])["input_ids"][0]]
