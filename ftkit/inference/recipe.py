"""What a finished run's card has to tell plain transformers or peft, read off the task adapter and the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.adapters.classify import EncoderClassifier
from ftkit.adapters.generate import DecoderGenerator, EncoderDecoderGenerator
from ftkit.adapters.tag import Tagger
from ftkit.report.recipe import Recipe
from ftkit.report.usage.usage import find_usage
from ftkit.tuners.spec import TunerSpec

_TOKEN_NAMES = ("cls_token_id", "bos_token_id", "sep_token_id", "eos_token_id")


def plain_recipe(adapter: Any, model: Any, tuner: TunerSpec) -> Recipe:
    """Returns how a run's model is loaded and used without ftkit.

    Args:
        adapter: its task adapter.
        model: what was trained.
    """
    spec = adapter.spec
    rows = model.config.get_text_config().vocab_size if spec.add_tokens else spec.vocab_size
    values: dict[str, Any] = {
        "max_length": adapter.max_length,
        "resizes_embeddings": not tuner.is_full and rows != spec.vocab_size,
        "num_virtual_tokens": tuner.prompt_length,
        "quantization": tuner.quantization,
        "trust_remote_code": spec.trust_remote_code,
    }
    for adapter_class, found in _FOUND.items():
        if isinstance(adapter, adapter_class):
            values |= found(adapter)
            return find_usage(values["usage"]).recipe(**values)
    raise AssertionError(f"no recipe for a {type(adapter).__name__}")


def _classifier(adapter: EncoderClassifier) -> dict[str, Any]:
    joins = adapter.joins_pairs_with is not None and not adapter._has_pair_template()
    return {
        "usage": "classify",
        "auto_class": "AutoModelForSequenceClassification",
        "pair_joint": adapter.joins_pairs_with if joins else None,
    }


def _tagger(adapter: Tagger) -> dict[str, Any]:
    special = adapter.words.special
    return {
        "usage": "tag",
        "auto_class": "AutoModelForTokenClassification",
        "space": adapter.words._space,
        "tokens_before": _named(special.before, adapter.tokenizer),
        "tokens_after": _named(special.after, adapter.tokenizer),
        "label_piece": adapter.label_piece,
    }


def _named(ids: Sequence[int], tokenizer: Any) -> list[str | int]:
    """Returns for each id the attribute of the tokenizer that holds it, or the id itself."""
    return [next((name for name in _TOKEN_NAMES if getattr(tokenizer, name, None) == id_), id_) for id_ in ids]


def _encoder_decoder(adapter: EncoderDecoderGenerator) -> dict[str, Any]:
    return {
        "usage": "write",
        "auto_class": "AutoModelForSeq2SeqLM",
        "before": adapter.languages.prefix + adapter.prefix,
        "after": adapter.suffix,
        "has_target_tokenizer": adapter.target_tokenizer is not adapter.tokenizer,
    }


def _decoder(adapter: DecoderGenerator) -> dict[str, Any]:
    prompts = adapter.prompts
    ends = adapter.tokenizer("a", verbose=False)["input_ids"][-1:] == [prompts.end_id]
    return {
        "usage": "write",
        "goes_on": True,
        "auto_class": "AutoModelForCausalLM",
        "before": prompts.before,
        "after": prompts.after,
        "is_chat": prompts.is_chat,
        "drops_end": ends and not prompts.is_chat,
    }


_FOUND: dict[type, Any] = {
    EncoderClassifier: _classifier,
    Tagger: _tagger,
    EncoderDecoderGenerator: _encoder_decoder,
    DecoderGenerator: _decoder,
}
