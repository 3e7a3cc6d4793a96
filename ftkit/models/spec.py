"""The `model` section of a config: which checkpoint to start from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Attention = Literal["causal", "bidirectional"]
"""Whether a token sees only what stands before it, or the whole text."""


class ModelSpec(BaseModel):
    """A pretrained checkpoint, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str = Field(min_length=1, description="Hub id, local folder, or ftkit:bert (the built-in demo).")
    decoder: str | None = Field(
        None,
        min_length=1,
        description="A second checkpoint that writes what the first, an encoder, has read: BERT2BERT.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of the checkpoint's repository.")
    trust_remote_code: bool = Field(
        False, strict=True, description="Allow the checkpoint's own Python code to run on this machine."
    )
    adapter: str | None = Field(
        None, min_length=1, description="A run with a trained adapter on this checkpoint, to start from."
    )
    add_tokens: tuple[str, ...] | None = Field(
        None, min_length=1, description="Words that the tokenizer shall keep whole, such as <order-id>."
    )
    attention: Attention | None = Field(
        None,
        description="How a decoder reads: causal, or bidirectional (unmasked). Default: as the checkpoint says.",
    )
