"""Prompts: what stands around a source, for T5's prefixes as for decoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftkit.errors import CheckpointError, ConfigError, did_you_mean
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import end_of_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SOURCE = "{source}"
PLACEHOLDERS = ("source", "source_lang", "target_lang")
# What a chat model is asked without a template of the user's own.
CHAT_REQUEST = "Translate from {source_lang} to {target_lang}. Answer with the translation alone.\n\n{source}"
TEMPLATE_OF_LANGUAGES, TEMPLATE = "{source_lang}: {source}\\n{target_lang}:", "{source}\\nTL;DR:"  # in messages


def fill_languages(template: str, source_lang: str | None, target_lang: str | None) -> str:
    """Returns a template with its languages filled in, `{source}` still to come.

    Raises:
        ConfigError: it has no place for the source, another place, or a language that is not set.
    """
    if SOURCE not in template:
        names = [part.partition("}")[0] for part in template.split("{")[1:]]
        hint = did_you_mean(names[0], PLACEHOLDERS) if names else ""
        raise ConfigError(f"data.prompt_template: {template!r} has no {SOURCE}, where the text goes.{hint}")
    for key, language in (("source_lang", source_lang), ("target_lang", target_lang)):
        if f"{{{key}}}" in template and language is None:
            raise ConfigError(f"data.prompt_template: it names {{{key}}}, but data.{key} is not set.")
        template = template.replace(f"{{{key}}}", language or "")
    return template


def source_affixes(
    template: str | None,
    spec: CheckpointSpec,
    source_lang: str | None,
    target_lang: str | None,
    pretrained_task: str | None = None,
) -> tuple[str, str]:
    """Returns what an encoder-decoder reads before and after a source.

    T5 was pretrained with prefixes such as `translate English to German: `, and its config says them; without a
    template of the user's own they are used.

    Args:
        pretrained_task: what a checkpoint's config calls the task, such as summarization; None for translation.
    """
    if template is None:
        return spec.prefixes.get(pretrained_task or f"translation_{source_lang}_to_{target_lang}", ""), ""
    before, _, after = fill_languages(template, source_lang, target_lang).partition(SOURCE)
    return before, after


class Prompts:
    """The prompts of a decoder.

    Attributes:
        before_target: what stands between prompt and target: the space that most vocabularies write into a word.
        end_id: the token that ends a target.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        spec: CheckpointSpec,
        template: str | None,
        source_lang: str | None,
        target_lang: str | None,
        request: str | None = None,
    ) -> None:
        """Takes the user's template, else the tokenizer's chat template around a request.

        Args:
            request: what a chat model is asked; None for a translation.

        Raises:
            ConfigError: there is neither, or the template cannot be used.
            CheckpointError: the tokenizer has no token to end a text with.
        """
        self.tokenizer, self.end_id = tokenizer, end_of_text(tokenizer, spec)
        self.is_chat = template is None
        if template is None:
            template = _chat_template(tokenizer, spec, source_lang, target_lang, request or CHAT_REQUEST)
        filled = fill_languages(template, source_lang, target_lang)
        stripped = filled.rstrip(" ")
        self.before, _, self.after = stripped.partition(SOURCE)
        writes_space = not self.is_chat and not stripped[-1:].isspace() and not _begins_with_space(tokenizer)
        self.before_target = " " if writes_space else ""

    def encode(self, sources: Sequence[str], limit: int | None) -> list[tuple[list[int], bool]]:
        """Returns the tokens of each prompt, and whether its source was cut to keep within the limit."""
        whole = self._ids(sources)
        if limit is None:
            return [(ids, False) for ids in whole]
        return [
            (ids, False) if len(ids) <= limit else (self._cut(source, len(ids), limit), True)
            for ids, source in zip(whole, sources, strict=True)
        ]

    def _ids(self, sources: Sequence[str]) -> list[list[int]]:
        texts = [self.before + source + self.after for source in sources]
        found = self.tokenizer(texts, add_special_tokens=not self.is_chat, verbose=False)["input_ids"]
        # Some tokenizers end every text; a prompt goes on.
        found = [ids[:-1] if ids[-1:] == [self.end_id] and not self.is_chat else ids for ids in found]
        return [ids or [self.end_id] for ids in found]

    def _cut(self, source: str, length: int, limit: int) -> list[int]:
        """Shortens the source, never what stands around it, until the prompt fits."""
        while source:
            source = source[: min(len(source) - 1, len(source) * limit // length)]
            ids = self._ids([source])[0]
            if len(ids) <= limit:
                return ids
            length = len(ids)
        raise ConfigError(
            f"data.prompt_template: the template alone takes {length} tokens; only {limit} are left for a prompt. "
            "Shorten it, or lower generation.max_new_tokens."
        )


def _chat_template(
    tokenizer: PreTrainedTokenizerBase,
    spec: CheckpointSpec,
    source_lang: str | None,
    target_lang: str | None,
    request: str,
) -> str:
    """Returns the tokenizer's chat template around a request, as text."""
    names_languages = "{source_lang}" in request
    if not tokenizer.chat_template:
        what, example = ("translation", TEMPLATE_OF_LANGUAGES) if names_languages else ("target", TEMPLATE)
        raise ConfigError(
            f"data.prompt_template is missing: {spec.name!r} is a decoder without a chat template, so it has to be "
            f'told where a source ends and its {what} begins.\nFix: for example  data.prompt_template: "{example}"'
        )
    if names_languages and (source_lang is None or target_lang is None):
        raise ConfigError(
            f"data.source_lang and data.target_lang are missing: {spec.name!r} is asked to translate from the one to "
            "the other, in words that it knows, such as English and German."
        )
    from jinja2 import TemplateError

    messages = [{"role": "user", "content": request}]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except (TemplateError, TypeError) as error:  # it runs in a sandbox, which refuses what reaches for Python
        raise CheckpointError(
            f"The chat template of {spec.name!r} cannot be used: {error}. Say what the model reads instead: "
            "data.prompt_template, or --prompt-template where a checkpoint is opened."
        ) from None


def _begins_with_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tells whether a tokenizer writes the space before a text's first word by itself, as Llama's does."""
    return tokenizer.tokenize("a")[:1] in (["▁a"], ["Ġa"], ["▁"])
