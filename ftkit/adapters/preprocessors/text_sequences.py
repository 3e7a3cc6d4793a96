"""Plain texts as tokens: prompts with how they go on, and documents, read in windows where they are long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ftkit.adapters.preprocessors.chat import LossOn, Span
from ftkit.adapters.preprocessors.learnt_rows import CONVERSATION, Ids, Learnt, LearntExample, learnt
from ftkit.adapters.preprocessors.tokens import NO_LOSS, in_chunks
from ftkit.data.conversations import ConversationExample
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.tokenizers import end_of_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from ftkit.models.spec import CheckpointSpec

FEW = 100  # documents tokenized at once: each may be a book


class Sequences(Protocol):
    """A way from examples to tokens.

    Attributes:
        end_ids: tokens that end what is written.
    """

    end_ids: tuple[int, ...]

    @property
    def warnings(self) -> list[str]: ...  # noqa: D102

    def learnt(self, examples: Sequence[ConversationExample], *, scored: bool = False) -> Iterator[LearntExample]:
        """Yields what is learnt from each example.

        Args:
            scored: the rows are to be scored: a token that bears loss may then have more context than in training.
        """
        ...

    def asked(self, examples: Sequence[ConversationExample], limit: int | None) -> Iterator[tuple[Ids, bool]]:
        """Yields what is given to the model to go on with, of at most so many tokens, and whether it was cut."""
        ...


class _Tokens(NamedTuple):
    """A text with its end.

    Attributes:
        offsets: where each token lies in the text.
        is_added: whether the tokenizer put it there, or it is the end.
    """

    ids: Ids
    offsets: Sequence[Span]
    is_added: Sequence[bool]


class PromptSequences:
    """Plain prompts and how they go on: `prompt + completion`, and the token that ends a text."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec, *, max_length: int | None, loss_on: LossOn
    ) -> None:
        """Finds the token that ends a text.

        Raises:
            CheckpointError: there is none, or the tokenizer does not say where tokens lie in a text.
        """
        check_has_offsets(tokenizer, spec)
        self.tokenizer, self.max_length, self.loss_on = tokenizer, max_length, loss_on
        self.end_ids: tuple[int, ...] = (end_of_text(tokenizer, spec),)
        self.warnings: list[str] = []

    def learnt(self, examples: Sequence[ConversationExample], *, scored: bool = False) -> Iterator[LearntExample]:
        """Yields the tokens of each prompt with its completion, which are tokenized as one text."""
        for chunk in in_chunks(examples):
            prompts = [example.prompt or "" for example in chunk]
            texts = [prompt + (example.completion or "") for prompt, example in zip(prompts, chunk, strict=True)]
            for prompt, text, tokens in zip(prompts, texts, self._tokens(texts), strict=True):
                if self.max_length is not None and len(tokens.ids) > self.max_length:
                    yield LearntExample((), len(tokens.ids), (CONVERSATION,))
                    continue
                start = 0 if self.loss_on == "all" else len(prompt)
                # A token with a part of the completion belongs to it: a space is written into the word behind it.
                bears = [end > start and not added for (_, end), added in zip(*tokens[1:], strict=True)]
                bears[-1] = True
                labels = [id_ if bearing else NO_LOSS for id_, bearing in zip(tokens.ids, bears, strict=True)]
                yield LearntExample([learnt(tokens.ids, labels, num_bytes=size_of(text[start:]))], len(tokens.ids))

    def asked(self, examples: Sequence[ConversationExample], limit: int | None) -> Iterator[tuple[Ids, bool]]:
        """Yields the end of each prompt."""
        for chunk in in_chunks(examples):
            texts = [example.prompt or "" for example in chunk]
            for ids in self.tokenizer(texts, verbose=False)["input_ids"]:
                found = self._open(ids) or [self.end_ids[0]]
                yield (found, False) if limit is None or len(found) <= limit else (found[-limit:], True)

    def _tokens(self, texts: Sequence[str]) -> Iterator[_Tokens]:
        asked: Any = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "verbose": False}
        found = self.tokenizer(list(texts), **asked)
        columns = (found[name] for name in ("input_ids", "offset_mapping", "special_tokens_mask"))
        for text, ids, offsets, is_special in zip(texts, *columns, strict=True):
            length, end = len(self._open(ids)), (len(text), len(text))
            is_added = [bool(special) for special in is_special[:length]]
            yield _Tokens([*ids[:length], self.end_ids[0]], [*offsets[:length], end], [*is_added, True])

    def _open(self, ids: Ids) -> Ids:
        """Returns tokens without the end that some tokenizers add to every text."""
        return ids[:-1] if ids[-1:] == [self.end_ids[0]] and len(ids) > 1 else ids


class DocumentSequences(PromptSequences):
    """Documents: each by itself, in windows where it is longer than the model reads, and with its end.

    Every token of a document bears loss in one window and in one only, but for the first, where the tokenizer puts
    none before it from which it could be told.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        spec: CheckpointSpec,
        *,
        max_length: int,
        loss_on: LossOn,
        overlap: int | None,
    ) -> None:
        """Takes how many tokens of context a scored window shares with the one before; None for a half of it.

        Raises:
            ConfigError: nothing of a window would be left.
        """
        super().__init__(tokenizer, spec, max_length=max_length, loss_on=loss_on)
        self.length, self.overlap = max_length, max_length // 2 if overlap is None else max(overlap, 1)
        if self.overlap >= max_length:
            raise ConfigError(
                f"data.window_overlap: a window of {max_length} tokens (data.max_length) cannot share {overlap} with "
                "the one before. Say fewer."
            )

    def learnt(self, examples: Sequence[ConversationExample], *, scored: bool = False) -> Iterator[LearntExample]:
        """Yields the windows of each document.

        Example: the tokens 1 to 7 in windows of 4 are [1, 2, 3, 4], [4, 5, 6, 7] in training, of which 2 to 4 and 5 to
        7 bear loss; scored with an overlap of 2 they are [1, 2, 3, 4], [3, 4, 5, 6], [4, 5, 6, 7], of which 2 to 4, 5
        and 6, and 7 do.
        """
        for chunk in in_chunks(examples, FEW):
            texts = [example.completion or "" for example in chunk]
            for text, tokens in zip(texts, self._tokens(texts), strict=True):
                windows = list(self._windows(text, tokens, self.overlap if scored else 1))
                yield LearntExample(windows, len(tokens.ids))

    def _windows(self, text: str, tokens: _Tokens, overlap: int) -> Iterator[Learnt]:
        whole = len(tokens.ids)
        first, stop = 1, min(self.length, whole)  # what stands before `first` is context
        start = 0
        while True:
            labels = [NO_LOSS] * (first - start) + tokens.ids[first:stop]
            span = tokens.offsets[first - 1][1], tokens.offsets[stop - 1][1]
            yield learnt(tokens.ids[start:stop], labels, num_bytes=size_of(text[slice(*span)]))
            if stop == whole:
                return
            # A last window that is scored reaches back as far as fits: its tokens may as well see more.
            start = stop - overlap if overlap == 1 else min(stop - overlap, whole - self.length)
            first, stop = stop, min(start + self.length, whole)


def size_of(text: str) -> int:
    """Returns the bytes of a text in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def check_has_offsets(tokenizer: PreTrainedTokenizerBase, spec: CheckpointSpec) -> None:
    """Refuses a tokenizer that does not say where its tokens lie in a text.

    Raises:
        CheckpointError: naming what it needs.
    """
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {spec.name!r} does not say where its tokens lie in a text, so nobody "
            "could tell which of them belong to an answer. It needs a tokenizer.json, as "
            "transformers.AutoTokenizer.from_pretrained(...).save_pretrained(...) writes it."
        )
