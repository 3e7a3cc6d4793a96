"""What a model that goes on writing learns from an example: token ids, and which of them bear loss."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.adapters.preprocessors.chat import ChatTemplate, LossOn, Rendered, Span
from ftkit.adapters.preprocessors.learnt_rows import CONVERSATION, TURN, Ids, LearntExample, learnt
from ftkit.adapters.preprocessors.text_sequences import check_has_offsets, size_of
from ftkit.adapters.preprocessors.tokens import NO_LOSS, in_chunks
from ftkit.data.conversations import LEADS, ConversationExample, Message, answer_turn, user_turn
from ftkit.errors import ConfigError, DataError, RowError
from ftkit.models.tokenizers import control_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ftkit.models.spec import CheckpointSpec


class ConversationSequences:
    """Conversations, by a chat template. The template writes every special token, so the tokenizer adds none.

    Attributes:
        user_turn: a text -> what a user says, as the template reads it.
        answer_turn: a text -> what the assistant says.
    """

    user_turn: Callable[[str], Message] = staticmethod(user_turn)
    answer_turn: Callable[[str], Message] = staticmethod(answer_turn)

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        spec: CheckpointSpec,
        *,
        max_length: int | None,
        loss_on: LossOn,
        chat_template: str | None,
    ) -> None:
        """Tries the template on a question and its answer.

        Raises:
            ConfigError: there is no template, or one by which nothing could be learnt, or no end of an answer.
            CheckpointError: the tokenizer does not say where tokens lie in a text.
        """
        check_has_offsets(tokenizer, spec)
        self.tokenizer, self.max_length, self.loss_on = tokenizer, max_length, loss_on
        self.template = ChatTemplate(tokenizer, spec.name, chat_template)
        self.control_ids = control_ids(tokenizer)
        self.end_ids: tuple[int, ...] = (self._usual_end(),)
        self._controls = {*tokenizer.convert_ids_to_tokens(sorted(self.control_ids))}
        self._lines_with_controls: dict[int, str] = {}

    @property
    def warnings(self) -> list[str]:
        """What a user should know of the template, and of what is said."""
        return [*self._warnings_of_template(), *self._warnings_of_controls()]

    def _warnings_of_controls(self) -> list[str]:
        found = self._lines_with_controls
        if not found:
            return []
        line, token = next(iter(found.items()))
        return [
            f"In {len(found):,} rows something is said that the tokenizer takes for a token of its own, such as "
            f"{token!r} in line {line}: the model reads it as that token, and an answer may seem to end there. Write "
            "it otherwise if it is meant as text."
        ]

    def _warnings_of_template(self) -> list[str]:
        asked = self._asked_ids([self.user_turn("a")], ())
        whole = self._tokens([self.template.rendered([self.user_turn("a"), self.answer_turn("b")], ()).text])[
            "input_ids"
        ][0]
        if whole[: len(asked)] == asked:
            return []
        return [
            f"The chat template of {self.template.name!r} begins an answer within a token, most likely by a space "
            "that the tokenizer writes into the next word: what the model is given in prediction is not quite what it "
            "has met in training. Move the space behind {% generation %}, or out of the beginning of an answer "
            "(add_generation_prompt)."
        ]

    # --- what is learnt ---

    def learnt(self, examples: Sequence[ConversationExample], *, scored: bool = False) -> Iterator[LearntExample]:
        """Yields the tokens of each conversation, which is tokenized once and as a whole.

        Whole turns are dropped from the end of a conversation that is longer than the model reads. What follows the
        last token that bears loss teaches nothing, and is left out too.
        """
        for chunk in in_chunks(examples):
            rendered = [self._rendered(example) for example in chunk]
            encoded = self._tokens([one.text for one in rendered])
            for example, one, ids, offsets in zip(
                chunk, rendered, encoded["input_ids"], encoded["offset_mapping"], strict=True
            ):
                with _in_row(example):
                    found = self._learnt(one, ids, offsets)
                yield found

    def _rendered(self, example: ConversationExample) -> Rendered:
        said = "\0".join(str(message["content"]) for message in example.messages)
        found = next((token for token in self._controls if token in said), None)
        if found is not None:
            self._lines_with_controls[example.line] = found
        with _in_row(example):
            last_only = self.loss_on == "completion"
            rendered = self.template.rendered(
                example.messages, example.tools, last_only=last_only, num_given=example.num_given
            )
            self.template.check_tools(rendered.text, example.messages, example.tools)
            return self._as_read(rendered)

    def _as_read(self, rendered: Rendered) -> Rendered:
        """Returns a conversation as it is tokenized."""
        return rendered

    def _learnt(self, rendered: Rendered, ids: Ids, offsets: Sequence[Span]) -> LearntExample:
        spans = [self._tokens_of(span, rendered, ids, offsets) for span in rendered.answers]
        stops = [stop for _, stop in spans]
        if not stops:
            return LearntExample((), len(ids), (CONVERSATION,))
        whole = len(ids) if self.loss_on == "all" else stops[-1]
        fits = [stop for stop in (*stops, whole) if self.max_length is None or stop <= self.max_length]
        if not fits:
            return LearntExample((), len(ids), (CONVERSATION,))
        length = fits[-1]
        labels = ids[:length] if self.loss_on == "all" else [NO_LOSS] * length
        for start, stop in spans:
            labels[start : min(stop, length)] = ids[start : min(stop, length)]
        row = learnt(ids[:length], labels, num_bytes=_num_bytes(rendered.text, labels, offsets))
        return LearntExample([row], len(ids), (TURN,) if length < whole else ())

    def _tokens_of(self, span: Span, rendered: Rendered, ids: Ids, offsets: Sequence[Span]) -> tuple[int, int]:
        """Returns where the tokens of an answer begin and stop, the one that ends it included.

        Raises:
            DataError: no token ends it.
        """
        start, stop = span
        # A token with a part of the answer belongs to it: a space before a word is written into the word.
        within = [place for place, (begin, end) in enumerate(offsets) if start < end and begin < stop]
        ends = [place for place in within if ids[place] in self.control_ids]
        if not ends or rendered.text[offsets[ends[-1]][1] : stop].strip():
            raise DataError(
                f"an answer ends with {rendered.text[max(start, stop - 20) : stop]!r} and not with a token of its "
                "own, so that the model would never learn to stop.\n"
                "Fix: name a template that ends every answer with such a token: data.chat_template; or make a token "
                "of what it ends answers with: model.add_tokens."
            )
        return within[0], ends[-1] + 1

    def _usual_end(self) -> int:
        try:
            rendered = self.template.rendered([self.user_turn("a"), self.answer_turn("b")], ())
            encoded = self._tokens([rendered.text])
            ids, offsets = encoded["input_ids"][0], encoded["offset_mapping"][0]
            if not rendered.answers:
                raise DataError("nothing of a conversation is marked as an answer")
            return ids[self._tokens_of(rendered.answers[-1], rendered, ids, offsets)[1] - 1]
        except DataError as error:
            marked = " Where it marks answers, {% endgeneration %} has to stand behind the token that ends them."
            raise ConfigError(
                f"data.chat_template: the chat template of {self.template.name!r} cannot be learnt from: {error}"
                + (marked if self.template.marks_answers else "")
            ) from None

    # --- what is asked ---

    def asked(self, examples: Sequence[ConversationExample], limit: int | None) -> Iterator[tuple[Ids, bool]]:
        """Yields each conversation up to its last answer, with the beginning of one.

        The oldest turns of one that is too long are left out, but for what leads it.
        """
        for example in examples:
            messages = example.asked if example.messages else (self.user_turn(example.prompt or ""),)
            with _in_row(example):
                found = self._asked(messages, example.tools, limit)
            yield found

    def _asked(self, messages: Sequence[Message], tools: Any, limit: int | None) -> tuple[Ids, bool]:
        ids = self._asked_ids(messages, tools)
        was_cut = False
        while limit is not None and len(ids) > limit:
            was_cut, shorter = True, without_oldest(messages)
            if shorter is None:
                return ids[-limit:], True
            messages = shorter
            ids = self._asked_ids(messages, tools)
        return ids, was_cut

    def _asked_ids(self, messages: Sequence[Message], tools: Any) -> Ids:
        text = self.template.text(messages, tools, asks=True)
        self.template.check_tools(text, messages, tools)
        return self._tokens([self._as_read(Rendered(text, ())).text])["input_ids"][0]

    def _tokens(self, texts: Sequence[str]) -> Any:
        return self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)


def _num_bytes(text: str, labels: Ids, offsets: Sequence[Span]) -> int:
    """Returns the bytes of the characters of which a token bears loss; a character of several tokens counts once."""
    spans = {span for label, span in zip(labels[1:], offsets[1:], strict=False) if label != NO_LOSS}
    return sum(size_of(text[start:stop]) for start, stop in spans)


def without_oldest(messages: Sequence[Message]) -> Sequence[Message] | None:
    """Returns a conversation without its oldest exchange; None where there is only one."""
    leads = [message for message in messages[:1] if message["role"] in LEADS]
    rest = messages[len(leads) :]
    starts = [place for place, message in enumerate(rest) if place and message["role"] == "user"]
    return [*leads, *rest[starts[0] :]] if starts else None


@contextlib.contextmanager
def _in_row(example: ConversationExample) -> Iterator[None]:
    """Says of what is wrong with a conversation where it stands."""
    try:
        yield
    except DataError as error:
        raise RowError(f"line {example.line} (id {example.id}): {error}") from None
