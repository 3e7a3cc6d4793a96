"""Checkpoints whose encoder reads a question beside an image and whose decoder answers, and what loads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from ftkit.models.spec import CheckpointSpec

ANSWERING_BLIP = "BlipForQuestionAnswering"


def is_answering_blip(checkpoint: CheckpointSpec | PretrainedConfig) -> bool:
    """Tells whether a checkpoint is a BLIP that was saved to answer; in its config only the name of its class does."""
    return checkpoint.model_type == "blip" and ANSWERING_BLIP in (checkpoint.architectures or ())


def auto_class_of(spec: CheckpointSpec, auto_class: str) -> str:
    """Returns the auto class that loads a checkpoint: transformers has a BLIP that answers in a table of its own."""
    is_other = auto_class == "AutoModelForImageTextToText" and is_answering_blip(spec)
    return "AutoModelForVisualQuestionAnswering" if is_other else auto_class


def writer_class(spec: CheckpointSpec, auto_class: str) -> Any:
    """Returns the class whose `from_pretrained` loads a checkpoint that writes, so that its forward gives logits."""
    if is_answering_blip(spec):
        from ftkit.models.answering_blip import BlipForQuestionAnswering

        return BlipForQuestionAnswering
    import transformers

    return getattr(transformers, auto_class)
