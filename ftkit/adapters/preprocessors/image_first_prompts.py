"""What models read that see images before a question, by no template: GIT, BLIP that captions, PaliGemma."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from ftkit.adapters.preprocessors.image_expansion import ImageExpansion
from ftkit.adapters.preprocessors.image_prompts import Form, Ids, Size, Tokens, all_said
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.image_text import ImageTextExample
from ftkit.errors import CheckpointError
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch


class ImageFirstPrompts:
    """A question, and behind it the answer and its end.

    Attributes:
        as in `ImagePrompts`.
    """

    warnings: Sequence[str] = ()
    appended: tuple[int, ...] = ()
    end_ids: tuple[int, ...]
    tokenizer: Any

    def learnt(self, examples: Sequence[ImageTextExample]) -> Iterator[Tokens]:
        """Yields what is asked, the answer and its end, of which the latter two bear loss."""
        answers = self.tokenizer([example.target or "" for example in examples], add_special_tokens=False)["input_ids"]
        for asked, answer in zip(self.asked(examples), answers, strict=True):
            written = [*answer, *self.end_ids]
            yield Tokens([*asked, *written], [NO_LOSS] * len(asked) + written)

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields what the model is given to go on with."""
        raise NotImplementedError


class GitPrompts(ImageFirstPrompts):
    """GIT: the image comes first by itself, then `[CLS]` and the question; the answer ends with `[SEP]`."""

    form: Form = "ids"
    counts_positions = True
    sees_several = False
    seen_ids: Set[int] = frozenset()

    def __init__(self, tokenizer: Any, spec: CheckpointSpec) -> None:
        if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise CheckpointError(
                f"model.checkpoint: the tokenizer of {spec.name!r} has no cls and sep tokens, between which its "
                "type writes. Copy the tokenizer that the model was trained with."
            )
        self.tokenizer, self.start_id = tokenizer, int(tokenizer.cls_token_id)
        self.end_ids: tuple[int, ...] = (int(tokenizer.sep_token_id),)
        self.num_patches = self._patches(spec)

    def _patches(self, spec: CheckpointSpec) -> int:
        """Returns how many positions the image takes before the tokens."""
        from transformers import AutoConfig

        vision = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments).vision_config
        return (vision.image_size // vision.patch_size) ** 2 + 1

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields `[CLS] question`; of a caption `[CLS]` alone."""
        texts = list(map(all_said, examples))
        for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]:
            yield [self.start_id, *ids]

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns the tokens: the image has none among them."""
        return tokens

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of patches and tokens."""
        return self.num_patches + len(ids)

    def as_processed(self, example: ImageTextExample) -> None:
        """Returns None: a program without ftkit makes the tokens itself."""

    def token_types(self, ids_BT: torch.Tensor, labels_BT: torch.Tensor | None) -> torch.Tensor:
        """Returns zeros: all is text."""
        return ids_BT.new_zeros(ids_BT.shape)


class BlipPrompts(GitPrompts):
    """BLIP that captions: its decoder looks at the image from the side; a caption begins with `[DEC]`."""

    form: Form = "start"

    def __init__(self, tokenizer: Any, spec: CheckpointSpec) -> None:
        from transformers import AutoConfig

        if spec.architectures and "BlipForConditionalGeneration" not in spec.architectures:
            raise CheckpointError(
                f"model.checkpoint: {spec.name!r} is a {spec.architectures[0]}, which writes nothing. Start from a "
                "BLIP that captions, such as Salesforce/blip-image-captioning-base, or one that answers, such as "
                "Salesforce/blip-vqa-base."
            )
        super().__init__(tokenizer, spec)
        text = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments).text_config
        self.start_id, self.end_ids = int(text.bos_token_id), (int(text.sep_token_id),)
        self.appended = self.end_ids

    def _patches(self, spec: CheckpointSpec) -> int:
        return 0


class PaliGemmaPrompts(ImageFirstPrompts):
    """PaliGemma: images, then `<bos>`, a question and a line break, all read at once; the answer is written behind."""

    form: Form = "prefix"
    counts_positions = False
    sees_several = True

    def __init__(self, processor: Any, spec: CheckpointSpec) -> None:
        self.images, self.tokenizer = ImageExpansion(processor, spec), processor.tokenizer
        self.end_ids, self.seen_ids = (int(self.tokenizer.eos_token_id),), self.images.seen_ids

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields the images, `<bos>`, the question and a line break; of a caption the question is empty."""
        bos = self.tokenizer.bos_token
        texts = [f"{self._marks(example)}{bos}{all_said(example)}\n" for example in examples]
        encoded = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        for example, ids in zip(examples, encoded, strict=True):
            self.images.check_marks(example, ids, ".\nFix: take the token out of the text.")
            yield ids

    def _marks(self, example: ImageTextExample) -> str:
        return self.images.mark * len(example.images)

    def as_processed(self, example: ImageTextExample) -> tuple[Mapping[str, Any], Tokens]:
        """Returns images and question as the prefix, the answer as the suffix; and the tokens of both."""
        [tokens] = self.learnt([example])
        return {"text": f"{self._marks(example)}{all_said(example)}", "suffix": example.target or ""}, tokens

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the processor makes of it."""
        return self.images.expanded(tokens, sizes)

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of tokens, those of the images included."""
        return self.images.num_positions(ids, sizes)

    def token_types(self, ids_BT: torch.Tensor, labels_BT: torch.Tensor | None) -> torch.Tensor:
        """Returns 1 for what is written: all that stands before it is seen from everywhere in it."""
        return ids_BT.new_zeros(ids_BT.shape) if labels_BT is None else (labels_BT != NO_LOSS).long()
