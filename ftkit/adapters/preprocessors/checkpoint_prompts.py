"""Which way from examples to tokens a checkpoint has."""

from __future__ import annotations

from typing import Any

from ftkit.adapters.preprocessors.image_first_prompts import BlipPrompts, GitPrompts, PaliGemmaPrompts
from ftkit.adapters.preprocessors.image_prompts import ImagePrompts
from ftkit.adapters.preprocessors.template_prompts import TemplatePrompts
from ftkit.errors import CheckpointError, ConfigError
from ftkit.models.image_text_processors import READ_WITH_TEXTS
from ftkit.models.spec import CheckpointSpec

_BY_NO_TEMPLATE = ("git", "blip", "paligemma")


def image_prompts(processor: Any, spec: CheckpointSpec, chat_template: str | None) -> ImagePrompts:
    """Returns how a checkpoint's prompts are made.

    Raises:
        CheckpointError: its processor does not say how images stand in a text, and its type is none that is known.
        ConfigError: there is no chat template, or none that can be learnt from, or one that its type does not read.
    """
    if spec.model_type in _BY_NO_TEMPLATE and chat_template is not None:
        raise ConfigError(
            f"data.chat_template means nothing to {spec.name!r}: a checkpoint of type {spec.model_type!r} reads an "
            "image, then the question. Leave it out; data.prompt_template puts words around the question."
        )
    if spec.model_type == "git":
        return GitPrompts(processor.tokenizer, spec)
    if spec.model_type == "blip":
        return BlipPrompts(processor.tokenizer, spec)
    if spec.model_type == "paligemma":
        return PaliGemmaPrompts(processor, spec)
    if getattr(processor, "image_token", None) is None:
        raise CheckpointError(
            f"model.checkpoint: the processor of {spec.name!r}, of type {spec.model_type!r}, has no token that stands "
            "for an image, so ftkit does not know where its images belong. Start from a checkpoint of type "
            f"{READ_WITH_TEXTS}."
        )
    return TemplatePrompts(processor, spec, chat_template)
