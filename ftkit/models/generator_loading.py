"""Checkpoint -> model that writes text: loaded in float32, with its search settings."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError
from ftkit.models.embeddings import embed_added_tokens
from ftkit.models.encoder_decoder import join
from ftkit.models.generation import KEPT_SETTINGS, GenerationSpec
from ftkit.models.loading import LoadedModel, check_weights_are_numbers, has_auto_model, loading_errors
from ftkit.models.quantization import quantization_arguments
from ftkit.models.spec import CheckpointSpec
from ftkit.models.visual_answers import auto_class_of, writer_class

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


_WRITERS = {
    "AutoModelForImageTextToText": ("writes about images", "SmolVLM, LLaVA, GIT, BLIP or ViT-GPT2"),
    "AutoModelForSpeechSeq2Seq": ("writes what it hears", "Whisper, Speech2Text and Moonshine"),
}
_WRITER = ("writes text", "Marian, T5, BART, mBART, NLLB, GPT-2, Llama or Qwen, or join two with model.decoder")


def check_can_generate(spec: CheckpointSpec, auto_class: str) -> None:
    """Refuses a checkpoint whose type has no model that writes text, before anything is read.

    Raises:
        CheckpointError: naming what can be used instead.
    """
    if spec.decoder is not None or has_auto_model(auto_class, spec):
        return
    what, examples = _WRITERS.get(auto_class, _WRITER)
    raise CheckpointError(
        f"model.checkpoint: transformers has no model that {what} for checkpoints of type {spec.model_type!r}, "
        f"such as {spec.name!r}. Start from {examples}."
    )


def load_generator(auto_class: str, spec: CheckpointSpec, tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """Loads a checkpoint with its language modelling head.

    Args:
        auto_class: such as `AutoModelForSeq2SeqLM`.
        tokenizer: its tokenizer, added tokens included.

    Raises:
        CheckpointError: its weights cannot be read, or some are missing.
    """
    import transformers

    if spec.decoder is not None:
        return _load_joined(spec, spec.decoder)
    with loading_errors(spec):
        quantization = quantization_arguments(spec, getattr(transformers, auto_class_of(spec, auto_class)))
        model, report = writer_class(spec, auto_class).from_pretrained(
            spec.path, **spec.loading_arguments, **quantization, **_loading()
        )
    check_weights_are_numbers(model, spec)
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} lacks {len(missing)} parameters that writing text needs, such as "
            f"{missing[0]}: what was saved is not a {type(model).__name__}. Name a checkpoint that was pretrained to "
            "write, or join two with model.decoder."
        )
    _freeze_unlearnt(model)
    return LoadedModel(model, embed_added_tokens(model, tokenizer, spec.add_tokens))


def _loading() -> dict[str, Any]:
    import torch

    return {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}


def _load_joined(spec: CheckpointSpec, decoder: CheckpointSpec) -> LoadedModel:
    with loading_errors(spec):
        model, new = join(spec, decoder, _loading())
    check_weights_are_numbers(model, spec)
    _freeze_unlearnt(model)
    return LoadedModel(model=model, new_parameters=frozenset(new))


def _freeze_unlearnt(model: PreTrainedModel) -> None:
    """Freezes weights that get no gradient; processes that train together would wait for it.

    They are an encoder's pooler, which takes no part in writing, and tables of sines, which Marian and Pegasus have
    for positions and read as they are.
    """
    for name, module in model.named_modules():
        if name == "encoder.pooler" or type(module).__name__.endswith("SinusoidalPositionalEmbedding"):
            module.requires_grad_(False)


def stated_generation(spec: CheckpointSpec) -> GenerationConfig:
    """Returns the generation config that lies with a checkpoint; an empty one where there is none."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(spec.path, revision=spec.loading_arguments["revision"])
    except (OSError, ValueError):
        return GenerationConfig()


def generation_config(
    model: PreTrainedModel,
    search: GenerationSpec,
    *,
    max_new_tokens: int | None,
    pad_token_id: int,
    eos_token_id: int,
    special: Mapping[str, Any],
    of_task: Mapping[str, Any] | None = None,
) -> GenerationConfig:
    """Returns the checkpoint's own generation config with the search of the run, made exact: nothing is sampled.

    Args:
        of_task: settings that the checkpoint's config states for the task, as T5's does.
    """
    config = copy.deepcopy(model.generation_config)
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    values: dict[str, Any] = {
        "do_sample": False,
        **dict.fromkeys(("temperature", "top_p", "top_k", "typical_p", "min_p"), None),
        "num_beams": search.num_beams,
        "max_new_tokens": max_new_tokens,
        "max_length": None,
        "min_length": None,
        "forced_eos_token_id": None,  # it would make a text that was cut off look as if it had ended
        "pad_token_id": pad_token_id,
        "eos_token_id": list(dict.fromkeys([eos_token_id, *(end for end in ends if end is not None)])),
        "use_cache": True,
        **special,
    }
    if len(values["eos_token_id"]) == 1:
        values["eos_token_id"] = eos_token_id
    for name in KEPT_SETTINGS:
        if getattr(search, name) is not None:
            values[name] = getattr(search, name)
        elif name in (of_task or {}):
            values[name] = (of_task or {})[name]
    for name, value in values.items():
        setattr(config, name, value)
    config._from_model_config = False
    return config
