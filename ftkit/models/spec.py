"""Which checkpoint to start from: as the config names it, and as it was found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ftkit.errors import ConfigError
from ftkit.foreign_code import TRUST_IN_CONFIG
from ftkit.types import Family, Modality

Attention = Literal["causal", "bidirectional"]
"""Whether a token sees only what stands before it, or the whole text."""

Quantization = Literal["4bit", "8bit"]
"""Bits that weights are kept in."""


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


@dataclass(frozen=True)
class CheckpointSpec:
    """A checkpoint that exists and whose family is known.

    Attributes:
        name: as the user wrote it.
        path: Hub id, or the folder to load from.
        commit: of a repository on the Hub, what its revision stands for now: all of it is loaded from one commit.
        max_positions: tokens the model can read at once; None when it has no fixed limit.
        vocab_size: rows of the embedding table.
        architectures: the classes it was saved from, such as `("BertForMaskedLM",)`.
        attention: how it is to read: what the user declared, else what its config says; encoders see the whole text.
        decoder_start_token_id: what the decoder of an encoder-decoder reads first.
        max_target_positions: tokens that it can write at once; None when it has no fixed limit.
        prefixes: what T5 reads before a source, by task, such as `translation_en_to_de`.
        searches: settings of the search that its config states for a task, such as `no_repeat_ngram_size`.
        decoder: the checkpoint that writes, where two are joined into one model.
        processor_path: where the processor lies, if not with the weights: an adapter's run keeps its own.
        add_tokens: tokens to be added to its tokenizer, whose embeddings are new.
        trust_key: what the user says to let code of the checkpoint run; messages name it.
        quantization: keep its weights in fewer bits; they are not trained then.
        reads: text, images, sound ...
    """

    name: str
    path: str
    revision: str | None
    trust_remote_code: bool
    family: Family
    model_type: str
    max_positions: int | None
    vocab_size: int
    architectures: tuple[str, ...]
    attention: Attention = "bidirectional"
    decoder_start_token_id: int | None = None
    max_target_positions: int | None = None
    prefixes: Mapping[str, str] = field(default_factory=dict)
    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    decoder: CheckpointSpec | None = None
    processor_path: str | None = None
    quantization: Quantization | None = None
    add_tokens: tuple[str, ...] = ()
    trust_key: str = TRUST_IN_CONFIG
    commit: str | None = None
    reads: Modality = "text"

    @property
    def loading_arguments(self) -> dict[str, Any]:
        """Keyword arguments that every `from_pretrained` of this checkpoint gets."""
        revision = self.commit or self.revision or "main"
        return {"revision": revision, "trust_remote_code": self.trust_remote_code}

    def beside(self, num_virtual_tokens: int) -> CheckpointSpec:
        """Returns the checkpoint with the positions that so many tokens before every text leave.

        Raises:
            ConfigError: they leave none.
        """
        named = {"max_positions": self.max_positions, "max_target_positions": self.max_target_positions}
        limits = {name: limit for name, limit in named.items() if limit is not None}
        left: dict[str, Any] = {name: limit - num_virtual_tokens for name, limit in limits.items()}
        if min(left.values(), default=2) < 2:
            raise ConfigError(
                f"tuner.num_virtual_tokens: {num_virtual_tokens} virtual tokens leave no room for a text: "
                f"{self.name!r} reads {min(limits.values())} tokens. Say fewer."
            )
        return dataclasses.replace(self, **left)
