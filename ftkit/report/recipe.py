"""What plain transformers or peft have to be told to predict as a run does: plain values, found by the run."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ftkit.report.values import Values

AutoClass = Annotated[str, Field(pattern=r"^AutoModel(For[A-Za-z0-9]+)?$")]
"""One of transformers' Auto classes: it becomes a name in the card's code."""


class Recipe(Values):
    """How a run's model is loaded and used without ftkit; a way of using it can have a recipe of its own.

    Attributes:
        usage: the way of using it: a name in the table of usages.
        auto_class: the transformers class that loads the model, or the base of an adapter.
        max_length: tokens of an input that are read; None for no limit.
        resizes_embeddings: the base of an adapter gets rows for tokens that were added.
        num_virtual_tokens: before every text, by an adapter.
        quantization: of the base while the adapter was trained.
        trust_remote_code: the checkpoint brings its own Python code.
        has_renamed_body: the auto class calls the body otherwise than the base of an adapter does.
        joined_class: the transformers class of two joined checkpoints.
        names_decoder_config: of joined checkpoints, the second is to be told that it looks at what the first sees.
    """

    joined_class: ClassVar[str] = "EncoderDecoderModel"
    names_decoder_config: ClassVar[bool] = False

    usage: str
    auto_class: AutoClass
    max_length: int | None = None
    resizes_embeddings: bool = False
    num_virtual_tokens: int = 0
    quantization: Literal["4bit", "8bit"] | None = None
    trust_remote_code: bool = False
    has_renamed_body: bool = False
