"""Which tuner works for which kind of task on which family: computed, by tuning a tiny model of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError
from ftkit.kinds.kind import Kind
from ftkit.kinds.table import find_kind, kind_names
from ftkit.models.loading import body_prefixes, class_names
from ftkit.models.outputs import logits_of
from ftkit.tuners.spec import METHODS, TunerSpec
from ftkit.tuners.suits import check_suits
from ftkit.types import FAMILIES, Family, Modality

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BERT_SIZES = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
_DETR_SIZES = {
    **{"d_model": 8, "num_queries": 2, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 16},
    **{"decoder_ffn_dim": 16, "encoder_attention_heads": 2, "decoder_attention_heads": 2},
    "backbone_config": {
        **{"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8], "depths": [1]},
        **{"layer_type": "basic", "out_features": ["stage1"]},
    },
}
# One model type stands for its family; tests/contracts goes through the others.
_MODELS: dict[tuple[Modality, Family], tuple[str, dict[str, Any]]] = {
    ("text", "encoder"): ("bert", _BERT_SIZES),
    ("text", "decoder"): ("gpt2", {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    ("text", "encoder-decoder"): ("t5", {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2}),
    ("image", "encoder"): ("vit", {**_BERT_SIZES, "image_size": 8, "patch_size": 4}),
    ("image", "decoder"): (
        "git",
        {**_BERT_SIZES, "vision_config": {**_BERT_SIZES, "image_size": 8, "patch_size": 4}},
    ),
    ("audio", "encoder"): (
        "wav2vec2",
        {
            **{**_BERT_SIZES, "conv_dim": (8,), "conv_kernel": (4,), "conv_stride": (4,), "classifier_proj_size": 8},
            **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "apply_spec_augment": False},
        },
    ),
    ("audio", "encoder-decoder"): (
        "whisper",
        {
            **{"d_model": 8, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16},
            **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "num_mel_bins": 8},
            **{"max_source_positions": 4, "classifier_proj_size": 8},
        },
    ),
    ("image+text", "dual-encoder"): (
        "clip",
        {
            "projection_dim": 8,
            "text_config": {**_BERT_SIZES, "vocab_size": 32},
            "vision_config": {**_BERT_SIZES, "image_size": 8, "patch_size": 4},
        },
    ),
}
_SEGFORMER_SIZES: dict[str, Any] = {
    **{"hidden_sizes": [8] * 4, "depths": [1] * 4, "num_attention_heads": [1] * 4, "decoder_hidden_size": 8},
    "sr_ratios": [1] * 4,
}
_SEEING_SIZES: dict[str, Any] = {
    "encoder": {"model_type": "vit", **_BERT_SIZES, "image_size": 8, "patch_size": 4},
    "decoder": {
        **{"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": 32},
        **{"is_decoder": True, "add_cross_attention": True},
    },
}
_OTHER_MODELS: dict[tuple[Modality, Family], tuple[tuple[str, dict[str, Any]], ...]] = {
    ("image", "encoder"): (
        ("yolos", {**_BERT_SIZES, "image_size": [8, 8], "patch_size": 4, "num_detection_tokens": 2}),
        ("segformer", _SEGFORMER_SIZES),
    ),
    ("image", "encoder-decoder"): (("detr", _DETR_SIZES), ("vision-encoder-decoder", _SEEING_SIZES)),
}
"""Where the model types above have no head of a kind."""


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes:
        why_not: the message that a run would end with; None where the combination works.
    """

    method: str
    kind: str
    family: Family
    why_not: str | None


def tuner_table() -> Iterator[Cell]:
    """Yields every combination of method, kind and family that the table of task adapters has."""
    for kind in map(find_kind, kind_names()):
        for family in FAMILIES:
            if family in kind.task_adapters:
                yield from (Cell(method, kind.name, family, _why_not(method, kind, family)) for method in METHODS)


def _why_not(method: str, kind: Kind, family: Family) -> str | None:
    from ftkit.tuners.apply import apply_tuner

    # The models are narrow: a method that starts from principal components must not ask for more than they have.
    rank = {"rank": 2} if "rank" in METHODS[method].options else {}
    spec = TunerSpec.model_validate({"method": method, **rank})
    halves = kind.task_adapters[family]
    model, new = _tiny_model(kind, family)
    try:
        check_suits(spec, kind.name, halves.refuses, model.config.model_type)
        _train_once(apply_tuner(model, new, spec, peft_task=halves.peft_task))
    except ConfigError as error:
        return str(error)
    return None


def _tiny_model(kind: Kind, family: Family) -> tuple[PreTrainedModel, list[str]]:
    """Returns an untrained model, and its parameters outside of the body: a checkpoint would lack them."""
    import transformers

    auto_class, key = kind.task_adapters[family].auto_class, (kind.reads, family)
    model_type, sizes = _MODELS.get(key, ("", {}))
    if not class_names(auto_class, model_type):
        others = (other for other in _OTHER_MODELS.get(key, ()) if class_names(auto_class, other[0]))
        model_type, sizes = next(others, (model_type, sizes))
    config = transformers.AutoConfig.for_model(
        model_type, **sizes, vocab_size=32, pad_token_id=0, bos_token_id=1, eos_token_id=2, num_labels=2
    )
    model = getattr(transformers, auto_class).from_config(config)
    if model.get_output_embeddings() is not None:  # it writes with what a checkpoint brings
        return model, []
    body = body_prefixes(model)
    return model, [name for name, _ in model.named_parameters() if not name.startswith(body)]


def _train_once(model: PreTrainedModel) -> None:
    """Runs forward and backward, as a training step does."""
    import torch

    ids = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
    read = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        **({"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}),
        "pixel_values": torch.ones(2, 3, 8, 8),
        "input_values": torch.ones(2, 64),
        "input_features": torch.ones(2, 8, 8),
    }
    names = _forward_names(model)
    logits_of(model(**{name: tensor for name, tensor in read.items() if name in names})).sum().backward()


def _forward_names(model: Any) -> set[str]:
    import inspect

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return set(inspect.signature(base.forward).parameters)
