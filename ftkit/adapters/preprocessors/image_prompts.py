"""What a decoder reads beside images: by the chat template of a model with image tokens, or as GIT has it.

| checkpoint | reads | writes |
|---|---|---|
| SmolVLM, Idefics, LLaVA | `User:<image>What is it?<end_of_utterance>\\nAssistant:` | ` A cat.<end_of_utterance>` |
| GIT | the image, then `[CLS] what is it?` | `a cat [SEP]` |
| BLIP that captions | `[DEC] a photo of`, looking at the image | ` a cat [SEP]` |
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from ftkit.adapters.preprocessors.sequences import ConversationSequences
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.conversations import ConversationExample, Message
from ftkit.data.image_text import ImageTextExample, said_in
from ftkit.errors import CheckpointError, DataError
from ftkit.models.image_text_processors import READ_WITH_TEXTS, SIDES
from ftkit.models.spec import CheckpointSpec

Ids = list[int]
Size = tuple[int, int]
Form = Literal["chat", "ids", "start"]


class Tokens(NamedTuple):
    """What is read of an example, with one token for each image.

    Attributes:
        labels: the tokens that bear loss, NO_LOSS in the places of others.
    """

    ids: Ids
    labels: Ids


class ImagePrompts(Protocol):
    """A way from examples to tokens.

    Attributes:
        end_ids: tokens that end what is written.
        warnings: what a user should know of the template.
        appended: what the model's `generate` drops from the end of a prompt.
        form: what a program without ftkit gives to the model: see `ftkit.report.usage.look`.
        counts_positions: whether positions are counted from the first token of a row, padding or not, so that rows of
            a batch have to be equally long where they are gone on with.
        sees_several: whether a row may have several images.
    """

    end_ids: tuple[int, ...]
    appended: tuple[int, ...]
    form: Form
    counts_positions: bool

    @property
    def sees_several(self) -> bool: ...  # noqa: D102
    @property
    def warnings(self) -> Sequence[str]: ...  # noqa: D102

    def learnt(self, examples: Sequence[ImageTextExample]) -> Iterator[Tokens]:
        """Yields what is learnt from each example: every answer in it bears loss."""
        ...

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields what the model is given to go on with."""
        ...

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the model has for it."""
        ...

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns how many positions of the model tokens and images take."""
        ...


def image_prompts(processor: Any, spec: CheckpointSpec, chat_template: str | None) -> ImagePrompts:
    """Returns how a checkpoint's prompts are made.

    Raises:
        CheckpointError: its processor says neither how images stand in a text nor is it GIT's.
        ConfigError: there is no chat template, or none that can be learnt from.
    """
    if spec.model_type == "git":
        return GitPrompts(processor.tokenizer, spec)
    if spec.model_type == "blip":
        return BlipPrompts(processor.tokenizer, spec)
    if getattr(processor, "image_token", None) is None:
        raise CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r}, of type {spec.model_type!r}, has no token that stands "
            "for an image, so ftkit does not know where its images belong. Start from a checkpoint of type "
            f"{READ_WITH_TEXTS}."
        )
    return TemplatePrompts(processor, spec, chat_template)


class _Conversations(ConversationSequences):
    """Conversations whose messages hold images beside texts."""

    @staticmethod
    def user_turn(text: str) -> Message:
        """Returns a text as what a user says."""
        return {"role": "user", "content": [{"type": "text", "text": text}]}

    @staticmethod
    def answer_turn(text: str) -> Message:
        """Returns a text as what the assistant says."""
        return {"role": "assistant", "content": [{"type": "text", "text": text}]}


class TemplatePrompts:
    """By the processor's chat template; the image token is expanded as the processor does it."""

    appended: tuple[int, ...] = ()
    form: Form = "chat"
    counts_positions = False

    def __init__(self, processor: Any, spec: CheckpointSpec, chat_template: str | None) -> None:
        self.processor, self.tokenizer, self.spec = processor, processor.tokenizer, spec
        self.tokenizer.chat_template = chat_template or processor.chat_template or self.tokenizer.chat_template
        self.sequences = _Conversations(self.tokenizer, spec, max_length=None, loss_on="assistant", chat_template=None)
        processor.chat_template = self.tokenizer.chat_template
        self.image_id = int(self.tokenizer.convert_tokens_to_ids(processor.image_token))
        self.lead = self._lead()
        self.end_ids = self.sequences.end_ids

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know of the template."""
        return self.sequences.warnings

    def _lead(self) -> Ids:
        """Returns what the tokenizer puts before every text, unless the template has it already."""
        first = self.sequences.template.text([self.sequences.user_turn("a")], (), asks=True)
        bos = self.tokenizer.bos_token
        if bos is not None and first.startswith(bos):
            return []
        alone, bare = (self.tokenizer(first, add_special_tokens=add)["input_ids"] for add in (True, False))
        return alone[: len(alone) - len(bare)] if alone[-len(bare) :] == bare else []

    def learnt(self, examples: Sequence[ImageTextExample]) -> Iterator[Tokens]:
        """Yields the tokens of each conversation.

        Example, SmolVLM: an image asked "Red?" and answered "yes" is `User:<image>Red?<end_of_utterance>\\n
        Assistant: yes<end_of_utterance>`, of which ` yes<end_of_utterance>` bears loss.
        """
        conversations = [_conversation(example) for example in examples]
        for example, found in zip(examples, self.sequences.learnt(conversations), strict=True):
            row = found.rows[0]
            ids, labels = [*self.lead, *row.ids], [NO_LOSS] * len(self.lead) + list(row.labels)
            self._check_marks(example, ids)
            yield Tokens(ids, labels)

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields each conversation up to the answer, with the beginning of one."""
        conversations = [_conversation(example) for example in examples]
        for example, (ids, _) in zip(examples, self.sequences.asked(conversations, None), strict=True):
            self._check_marks(example, ids)
            yield [*self.lead, *ids]

    def _check_marks(self, example: ImageTextExample, ids: Ids) -> None:
        """Refuses a row whose text has the image token in it, or a template that drops images."""
        marks = ids.count(self.image_id)
        if marks != len(example.images):
            raise DataError(
                f"line {example.line} (id {example.id}): what {self.spec.name!r} reads has {marks} tokens "
                f"{self.processor.image_token!r} for {len(example.images)} images: its chat template leaves images "
                "out, or a text holds that token.\nFix: take the token out of the text, or name a template that "
                "writes images: data.chat_template."
            )

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the processor makes of it.

        Example: an image of 4 tokens between `<fake_token_around_image><global-img>` and
        `<fake_token_around_image>` makes 7 of one; none bears loss.
        """
        ids: Ids = []
        labels: Ids = []
        images = iter(sizes)
        for place, (id_, label) in enumerate(zip(tokens.ids, tokens.labels, strict=True)):
            inserted = self._image_ids(next(images)) if id_ == self.image_id else None
            if inserted is not None and place and tokens.ids[place - 1] == self.image_id:
                inserted = inserted[self._num_shared :]
            ids += [id_] if inserted is None else inserted
            labels += [label] if inserted is None else [NO_LOSS] * len(inserted)
        return Tokens(ids, labels)

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of tokens, those of the images included."""
        num_pairs = sum(one == other == self.image_id for one, other in itertools.pairwise(ids))
        return len(ids) + sum(len(self._image_ids(size)) - 1 for size in sizes) - num_pairs * self._num_shared

    @functools.cached_property
    def _num_shared(self) -> int:
        """How many tokens an image shares with another right before it: of Idefics2's, the mark between them."""
        image = sample_image()
        made = self.processor(
            text=[2 * self.processor.image_token], images=[[image, image]], add_special_tokens=False
        )["input_ids"][0]
        alone = self._image_ids(image.size)
        return next((count for count in (0, 1) if [*alone, *alone[count:]] == [int(id_) for id_ in made]), 0)

    @functools.cached_property
    def sees_several(self) -> bool:
        """Whether an image beside others is as many tokens as alone: LLaVA-OneVision cuts the latter into tiles."""
        image, token = sample_image(), self.processor.image_token
        text, between = f"{token}a{token}", self.tokenizer("a", add_special_tokens=False)["input_ids"]
        made = self.processor(text=[text], images=[[image, image]], add_special_tokens=False)["input_ids"][0]
        return len(made) == 2 * len(self._image_ids(image.size)) + len(between)

    @functools.cached_property
    def _image_ids(self) -> Any:
        """Returns the tokens of an image of a size, as the processor makes them of any image of that size."""

        @functools.lru_cache(maxsize=100_000)
        def ids_of(size: Size) -> Ids:
            from PIL import Image

            # Only the size counts; all pixels of one colour cost nothing to make.
            image = Image.new("RGB", size)
            made = self.processor(text=[self.processor.image_token], images=[[image]], add_special_tokens=False)
            return [int(id_) for id_ in made["input_ids"][0]]

        return ids_of


class GitPrompts:
    """GIT: the image comes first by itself, then `[CLS]` and the question; the answer ends with `[SEP]`."""

    warnings: Sequence[str] = ()
    appended: tuple[int, ...] = ()
    form: Form = "ids"
    counts_positions = True
    sees_several = False

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

    def learnt(self, examples: Sequence[ImageTextExample]) -> Iterator[Tokens]:
        """Yields `[CLS] question answer [SEP]`, of which answer and end bear loss."""
        answers = self.tokenizer([example.target or "" for example in examples], add_special_tokens=False)["input_ids"]
        for asked, answer in zip(self.asked(examples), answers, strict=True):
            written = [*answer, *self.end_ids]
            yield Tokens([*asked, *written], [NO_LOSS] * len(asked) + written)

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields `[CLS] question`; of a caption `[CLS]` alone."""
        texts = [" ".join(filter(None, map(said_in, example.messages))) for example in examples]
        for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]:
            yield [self.start_id, *ids]

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns the tokens: the image has none among them."""
        return tokens

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of patches and tokens."""
        return self.num_patches + len(ids)


class BlipPrompts(GitPrompts):
    """BLIP that captions: its decoder looks at the image from the side; a caption begins with `[DEC]`."""

    form: Form = "start"

    def __init__(self, tokenizer: Any, spec: CheckpointSpec) -> None:
        from transformers import AutoConfig

        if spec.architectures and "BlipForConditionalGeneration" not in spec.architectures:
            raise CheckpointError(
                f"model.checkpoint: {spec.name!r} is a {spec.architectures[0]}, of which transformers computes no "
                "loss of single rows. Start from a BLIP that captions, such as Salesforce/blip-image-captioning-base: "
                "it goes on behind a question, too."
            )
        super().__init__(tokenizer, spec)
        text = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments).text_config
        self.start_id, self.end_ids = int(text.bos_token_id), (int(text.sep_token_id),)
        self.appended = self.end_ids

    def _patches(self, spec: CheckpointSpec) -> int:
        return 0


def sample_image() -> Any:
    """Returns an image that processors are tried on."""
    from PIL import Image

    return Image.new("RGB", SIDES, "grey")


def _conversation(example: ImageTextExample) -> ConversationExample:
    """Returns an example as the messages of a conversation, its target the last of them."""
    messages = [{**message, "content": [dict(part) for part in message["content"]]} for message in example.messages]
    if example.target is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": example.target}]})
    return ConversationExample(id=example.id, messages=tuple(messages), line=example.line)
