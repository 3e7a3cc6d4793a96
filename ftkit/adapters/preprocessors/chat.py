"""Conversations as texts: what a chat template makes of them, and which characters the model is to learn."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ftkit.data.conversations import Message, is_answer
from ftkit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LossOn = Literal["assistant", "completion", "all"]
"""What bears loss: every answer, the last one alone, or all that is read."""

Span = tuple[int, int]
"""Characters, the end not included."""

Tools = Sequence[Mapping[str, Any]]

_MARKS_ANSWERS = re.compile(r"\{%-?\s*generation\s*-?%\}")
_SHOWN = 30  # characters around the first that differs


class Rendered(NamedTuple):
    """A conversation as one text.

    Attributes:
        answers: where each answer lies, its end included.
    """

    text: str
    answers: tuple[Span, ...]


class ChatTemplate:
    """A tokenizer's chat template.

    Where it marks what the assistant says by `{% generation %}`, that is what answers are. Where it does not, an
    answer is what a conversation is longer by for it: the text of the messages up to the answer, less the text of
    those before it with the beginning of an answer. That needs a template by which the one is the beginning of the
    other.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str, template: str | None) -> None:
        """Takes a template, which becomes the tokenizer's own, or the one that it has.

        Args:
            name: of the checkpoint, for messages.

        Raises:
            ConfigError: there is neither.
        """
        if template is not None:
            tokenizer.chat_template = template
        if not tokenizer.chat_template:
            raise ConfigError(
                f"data.chat_template is missing: {name!r} has no chat template, so it has to be told how a "
                "conversation becomes a text.\n"
                "Fix: data.chat_template: plain, which needs no token but the one that ends a text; or chatml, "
                "or a file of Jinja."
            )
        self.tokenizer, self.name = tokenizer, name
        self.marks_answers = bool(_MARKS_ANSWERS.search(self._source([])))

    def text(self, messages: Sequence[Message], tools: Tools, *, asks: bool = False) -> str:
        """Returns messages as a text.

        Args:
            asks: with the beginning of an answer, for the model to go on with.

        Raises:
            DataError: the template refuses them; the message gives its reason.
        """
        with _refusals_told(self.name):
            return str(
                self.tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    tools=list(tools) or None,  # type: ignore[arg-type]
                    tokenize=False,
                    add_generation_prompt=asks,
                )
            )

    def rendered(
        self, messages: Sequence[Message], tools: Tools, *, last_only: bool = False, num_given: int = 0
    ) -> Rendered:
        """Returns a conversation as a text, and where the answers lie in it.

        Example, ChatML: the turns "Hi", "Hello" are `<|im_start|>user\\nHi<|im_end|>\\n<|im_start|>assistant\\n
        Hello<|im_end|>\\n`, of which the last 16 characters are the answer.

        Args:
            last_only: only the last answer is looked for.
            num_given: messages at the beginning in which none is looked for.

        Raises:
            DataError: the template refuses them, or is none of which a part of a conversation is the beginning.
        """
        if self.marks_answers:
            return self._marked(messages, tools, last_only, num_given)
        whole = self.text(messages, tools)
        places = [place for place, message in enumerate(messages) if place >= num_given and is_answer(message)]
        spans = [self._span(whole, messages, tools, place) for place in (places[-1:] if last_only else places)]
        return Rendered(whole, tuple(spans))

    def check_tools(self, text: str, messages: Sequence[Message], tools: Tools) -> None:
        """Refuses a template that leaves out tools, or their calls: what a row teaches would silently be lost.

        Args:
            text: what it made of them.

        Raises:
            DataError: naming the first that is not in the text.
        """
        calls = [call["function"]["name"] for message in messages for call in message.get("tool_calls", ())]
        for what, names in (("tools", [tool["function"]["name"] for tool in tools]), ("calls of tools", calls)):
            lost = next((name for name in names if name not in text), None)
            if lost is not None:
                raise DataError(
                    f"the chat template of {self.name!r} has no place for {what}: {lost!r} is not in what it writes.\n"
                    "Fix: data.chat_template: chatml, which has; or leave tools and their calls out."
                )

    def _marked(self, messages: Sequence[Message], tools: Tools, last_only: bool, num_given: int) -> Rendered:
        from transformers.utils.chat_template_utils import render_jinja_template

        with _refusals_told(self.name):
            special: Any = self.tokenizer.special_tokens_map
            found: Any = render_jinja_template(
                conversations=[[dict(message) for message in messages]],
                tools=[dict(tool) for tool in tools] or None,
                chat_template=self._source(tools),
                return_assistant_tokens_mask=True,
                **special,
            )
        texts, spans = found
        num_earlier = sum(map(is_answer, messages[:num_given]))
        answers = tuple((int(start), int(stop)) for start, stop in spans[0][num_earlier:])
        return Rendered(str(texts[0]), answers[-1:] if last_only else answers)

    def _source(self, tools: Tools) -> str:
        return str(self.tokenizer.get_chat_template(tools=list(tools) or None))  # type: ignore[arg-type]

    def _span(self, whole: str, messages: Sequence[Message], tools: Tools, place: int) -> Span:
        before = self.text(messages[:place], tools, asks=True) if place else self._opening(messages, tools)
        upto = whole if place == len(messages) - 1 else self.text(messages[: place + 1], tools)
        for part in (before, upto):
            if not whole.startswith(part):
                raise self._no_beginning(whole, part, place)
        return len(before), len(upto)

    def _opening(self, messages: Sequence[Message], tools: Tools) -> str:
        """Returns what stands before an answer with which a conversation begins."""
        first = self.text(messages[:1], tools)
        said = str(messages[0].get("content") or "")
        return first[: first.index(said)] if said and said in first else ""

    def _no_beginning(self, whole: str, part: str, place: int) -> DataError:
        pairs = zip(whole, part, strict=False)
        first = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(whole), len(part)))
        shown = [repr(text[max(0, first - _SHOWN // 2) : first + _SHOWN]) for text in (part, whole)]
        return DataError(
            f"the chat template of {self.name!r} writes the turns up to answer {place + 1} differently when more "
            f"follow, so that what the model is to learn cannot be told apart: they differ from character {first} on, "
            f"{shown[0]} against {shown[1]}.\n"
            "Fix: mark what the assistant says by {% generation %} ... {% endgeneration %} in a template of your own "
            "(data.chat_template); or learn the last answer of each conversation alone: data.loss_on: completion."
        )


@contextlib.contextmanager
def _refusals_told(name: str) -> Iterator[None]:
    """Turns what a template raises into a message about data."""
    from jinja2 import TemplateError

    try:
        yield
    # It runs in a sandbox, and raises what Python does where a message lacks what it reads.
    except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise DataError(
            f"the chat template of {name!r} refuses the conversation: {str(error).rstrip('.')}.\n"
            "Fix: change the row, or name another template: data.chat_template, such as chatml."
        ) from None
