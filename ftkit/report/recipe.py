"""What plain transformers or peft have to be told to predict as a run does: plain values, found by the run."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.tuners.spec import TunerSpec

AutoClass = Literal[
    "AutoModelForSequenceClassification",
    "AutoModelForTokenClassification",
    "AutoModelForImageClassification",
    "AutoModelForAudioClassification",
    "AutoModelForCausalLM",
    "AutoModelForSeq2SeqLM",
]
TokenName = Literal["cls_token_id", "bos_token_id", "sep_token_id", "eos_token_id"]


class Recipe(BaseModel):
    """How a run's model is loaded and used without ftkit.

    Attributes:
        auto_class: the transformers class that loads the model, or the base of an adapter.
        max_length: tokens of an input that are read; None for no limit.
        pair_joint: what stands between the texts of a pair, where the tokenizer does not mark it.
        resizes_embeddings: the base of an adapter gets rows for tokens that were added.
        num_virtual_tokens: before every text, by an adapter.
        quantization: of the base while the adapter was trained.
        space: what a tagger's words begin with, so that they have the pieces that they have within a text.
        tokens_before: what the tokenizer puts before a text: attributes of it, or ids.
        label_piece: the piece of a word that bears its tag.
        before: what stands before a source that is to be written on.
        is_chat: that already holds the special tokens.
        drops_end: the tokenizer ends every text, and a prompt goes on.
        has_target_tokenizer: what is written has a tokenizer of its own.
        trust_remote_code: the checkpoint brings its own Python code.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    auto_class: AutoClass = "AutoModelForSequenceClassification"
    max_length: int | None = None
    pair_joint: str | None = None
    resizes_embeddings: bool = False
    num_virtual_tokens: int = 0
    quantization: Literal["4bit", "8bit"] | None = None
    space: str = ""
    tokens_before: tuple[TokenName | int, ...] = ()
    tokens_after: tuple[TokenName | int, ...] = ()
    label_piece: Literal["first", "last"] = "first"
    before: str = ""
    after: str = ""
    is_chat: bool = False
    drops_end: bool = False
    has_target_tokenizer: bool = False
    trust_remote_code: bool = False

    @property
    def writes(self) -> bool:
        """Whether the model writes texts."""
        return self.auto_class in ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM")


def plain_recipe(adapter: TaskAdapter, model: Any, tuner: TunerSpec) -> Recipe:
    """Returns how a run's model is loaded and used without ftkit.

    Args:
        adapter: its task adapter.
        model: what was trained.
    """
    spec = adapter.spec
    rows = model.config.get_text_config().vocab_size if spec.add_tokens else spec.vocab_size
    return Recipe(
        resizes_embeddings=not tuner.is_full and rows != spec.vocab_size,
        num_virtual_tokens=tuner.prompt_length,
        quantization=tuner.quantization,
        trust_remote_code=spec.trust_remote_code,
        **adapter.recipe(),
    )
