"""What models with image tokens read: by the chat template of their processor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.adapters.preprocessors.chat import Rendered
from ftkit.adapters.preprocessors.image_expansion import ImageExpansion
from ftkit.adapters.preprocessors.image_prompts import Form, Ids, Size, Tokens
from ftkit.adapters.preprocessors.sequences import ConversationSequences
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.conversations import ConversationExample, Message
from ftkit.data.image_text import ImageTextExample
from ftkit.models.spec import CheckpointSpec

if TYPE_CHECKING:
    import torch

_REMEDY = (
    ": its chat template leaves images out, or a text holds that token.\nFix: take the token out of the text, or name "
    "a template that writes images: data.chat_template."
)


class _Conversations(ConversationSequences):
    """Conversations whose messages hold images beside texts."""

    def __init__(self, images: ImageExpansion, spec: CheckpointSpec) -> None:
        self.images = images
        super().__init__(images.tokenizer, spec, max_length=None, loss_on="assistant", chat_template=None)

    def _as_read(self, rendered: Rendered) -> Rendered:
        return self.images.written_into(rendered)

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
        self.images, self.tokenizer = ImageExpansion(processor, spec), processor.tokenizer
        self.tokenizer.chat_template = chat_template or processor.chat_template or self.tokenizer.chat_template
        self.sequences = _Conversations(self.images, spec)
        processor.chat_template = self.tokenizer.chat_template
        self.lead = self._lead()
        self.end_ids, self.seen_ids = self.sequences.end_ids, self.images.seen_ids

    @property
    def sees_several(self) -> bool:
        """Whether a row may have several images."""
        return self.images.sees_several

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
            self.images.check_marks(example, ids, _REMEDY)
            yield Tokens(ids, labels)

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields each conversation up to the answer, with the beginning of one."""
        conversations = [_conversation(example) for example in examples]
        for example, (ids, _) in zip(examples, self.sequences.asked(conversations, None), strict=True):
            self.images.check_marks(example, ids, _REMEDY)
            yield [*self.lead, *ids]

    def as_processed(self, example: ImageTextExample) -> tuple[Mapping[str, Any], Tokens]:
        """Returns a conversation up to the answer as a text, and its tokens."""
        # By the tokenizer's template: SmolVLM's processor asks its video processor even where there is no video.
        text = self.sequences.template.text(_conversation(example).asked, (), asks=True)
        [ids] = self.asked([example])
        bos = self.tokenizer.bos_token
        adds = bos is None or not text.startswith(bos)
        return {"text": text, "add_special_tokens": adds}, Tokens(ids, [NO_LOSS] * len(ids))

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the processor makes of it."""
        return self.images.expanded(tokens, sizes)

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns the number of tokens, those of the images included."""
        return self.images.num_positions(ids, sizes)

    def token_types(self, ids_BT: torch.Tensor, labels_BT: torch.Tensor | None) -> torch.Tensor:
        """Returns 1 for the tokens of images."""
        import torch

        return torch.isin(ids_BT, torch.tensor(sorted(self.seen_ids))).long()


def _conversation(example: ImageTextExample) -> ConversationExample:
    """Returns an example as the messages of a conversation, its target the last of them."""
    messages = [{**message, "content": [dict(part) for part in message["content"]]} for message in example.messages]
    if example.target is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": example.target}]})
    return ConversationExample(id=example.id, messages=tuple(messages), line=example.line)
