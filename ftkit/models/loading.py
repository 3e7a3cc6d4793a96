"""Checkpoint -> model with a new head: loaded in float32, with nothing but the head new."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError
from ftkit.models.embeddings import embed_added_tokens
from ftkit.models.quantization import quantization_arguments, settled_config
from ftkit.models.renamed_bodies import load_renamed_body
from ftkit.models.spec import CheckpointSpec
from ftkit.models.visual_answers import auto_class_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be tuned.

    Attributes:
        model: float32, with label names in its config.
        new_parameters: names of the parameters that the checkpoint did not provide, read off the loading report.
            Whatever the tuner, they are trained and saved.
        resized: those of them that the checkpoint holds in another shape: its head has another number of labels.
    """

    model: PreTrainedModel
    new_parameters: frozenset[str]
    resized: frozenset[str] = frozenset()


# Where transformers lists the model types that an auto class serves.
_MODEL_TYPES = {
    "AutoModel": "MODEL_MAPPING_NAMES",
    "AutoModelForSequenceClassification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForTokenClassification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForQuestionAnswering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    "AutoModelForImageClassification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForSemanticSegmentation": "MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES",
    "AutoModelForAudioClassification": "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForCTC": "MODEL_FOR_CTC_MAPPING_NAMES",
    "AutoModelForSpeechSeq2Seq": "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
    "AutoModelForObjectDetection": "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    "AutoModelForImageTextToText": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "AutoModelForVisualQuestionAnswering": "MODEL_FOR_VISUAL_QUESTION_ANSWERING_MAPPING_NAMES",
    "AutoModelForZeroShotImageClassification": "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "AutoModelForMaskedLM": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "AutoModelForSeq2SeqLM": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "AutoModelForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
}


def has_auto_model(auto_class: str, spec: CheckpointSpec) -> bool:
    """Tells whether transformers has a model of an auto class for a checkpoint's type, before any weight is read."""
    return spec.trust_remote_code or spec.model_type in model_types(auto_class)


def model_types(auto_class: str) -> Mapping[str, Any]:
    """Returns the model types that an auto class serves -> the names of their classes."""
    from transformers.models.auto import modeling_auto

    found: Mapping[str, Any] = getattr(modeling_auto, _MODEL_TYPES[auto_class])
    return found


def class_names(auto_class: str, model_type: str) -> tuple[str, ...]:
    """Returns what transformers calls the models of an auto class for checkpoints of a type.

    Example: `AutoModelForAudioClassification` and `wav2vec2` give `Wav2Vec2ForSequenceClassification`.
    """
    from transformers.models.auto import modeling_auto

    known = getattr(modeling_auto, _MODEL_TYPES[auto_class]) if auto_class in _MODEL_TYPES else {}
    names = known.get(model_type, ())
    return (names,) if isinstance(names, str) else tuple(names)


def model_without_weights(auto_class: str, spec: CheckpointSpec, **stated: Any) -> PreTrainedModel | None:
    """Returns a checkpoint's model as its config describes it, to look at its layers: nothing is read or allocated.

    Args:
        stated: what its config is to say besides, such as `num_labels`.

    Returns:
        None of two checkpoints that are joined, and of models that cannot be made without their weights.
    """
    import torch
    import transformers

    if spec.decoder is not None:
        return None
    try:
        config = transformers.AutoConfig.from_pretrained(spec.path, **spec.loading_arguments, **stated)
        with torch.device("meta"):
            return getattr(transformers, auto_class_of(spec, auto_class)).from_config(
                config, trust_remote_code=spec.trust_remote_code
            )
    except Exception:  # models raise what they like where tensors hold no values; loading tells what is wrong
        return None


def small_model_like(auto_class: str, spec: CheckpointSpec) -> PreTrainedModel | None:
    """Returns a model of two random layers and few tokens, else as a checkpoint's config describes it, to try things.

    None of two checkpoints that are joined, and of configs that cannot be changed so.
    """
    import torch
    import transformers

    if spec.decoder is not None:
        return None
    try:
        config = transformers.AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
        text = config.get_text_config()
        text.num_hidden_layers, text.vocab_size, text.pad_token_id = 2, 32, 0
        if getattr(text, "layer_types", None):
            text.layer_types = text.layer_types[:2]
        with torch.random.fork_rng(devices=[]):
            return getattr(transformers, auto_class).from_config(config, trust_remote_code=spec.trust_remote_code)
    except Exception:  # models raise what they like; loading tells what is wrong
        return None


def load_with_head(
    auto_class: str,
    spec: CheckpointSpec,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    inside: Sequence[str] = (),
    **config: Any,
) -> LoadedModel:
    """Loads a checkpoint with the head of an auto class.

    Args:
        auto_class: such as `AutoModelForTokenClassification`.
        tokenizer: of a model that reads tokens: its tokens are embedded, and its pad id is written into the model's
            config; heads that look for the last token read it there.
        inside: what the names of parameters have in them that lie in the body and belong to the head.
        config: what the model's config is to say, such as `num_labels`.

    Raises:
        CheckpointError: its weights cannot be read, or more than a head is missing.
    """
    import transformers

    loader: Any = getattr(transformers, auto_class)
    with loading_errors(spec):
        if has_renamed_body(auto_class, spec):
            model, report = load_renamed_body(loader, spec, settled_config(spec, **config))
        else:
            model, report = _load_whole(loader, spec, config)
    check_weights_are_numbers(model, spec)
    mismatched = {item[0] for item in report["mismatched_keys"]}
    new = _without_unused_mask(model, frozenset(report["missing_keys"]) | mismatched)
    of_body = {name for name in new if not any(part in name for part in inside)}
    _check_only_head_is_new(model, of_body, mismatched & of_body, spec)
    _check_no_layer_is_left(model, report["unexpected_keys"], spec)
    resized = frozenset(mismatched)
    # Running statistics of a new batch norm are missing too; they move with it, and nobody trains them by a gradient.
    new &= {name for name, _ in model.named_parameters(remove_duplicate=False)}
    if tokenizer is None:
        return LoadedModel(model, new, resized)
    for stated in (model.config.get_text_config(), model.config):
        stated.pad_token_id = tokenizer.pad_token_id
        if hasattr(stated, "use_cache"):
            stated.use_cache = False  # a head reads every text once: keys and values would be kept for nothing
    return LoadedModel(model, new | embed_added_tokens(model, tokenizer, spec.add_tokens), resized)


def _load_whole(loader: Any, spec: CheckpointSpec, config: Mapping[str, Any]) -> tuple[PreTrainedModel, Any]:
    """Returns a model as transformers loads it, and what the loading reports."""
    import torch

    return loader.from_pretrained(
        spec.path,
        **spec.loading_arguments,
        **quantization_arguments(spec, loader, **config),
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # another number of labels: the head is new, and reported as such
        **config,
    )


def has_renamed_body(auto_class: str, spec: CheckpointSpec) -> bool:
    """Tells whether a checkpoint's body has another name than in the model that it is to become.

    Args:
        auto_class: such as `AutoModelForQuestionAnswering`.
    """
    import transformers

    heads, bodies = (class_names(name, spec.model_type) for name in (auto_class, "AutoModel"))
    if not heads or not bodies or heads[0] in spec.architectures:
        return False
    prefixes = {getattr(transformers, names[0]).base_model_prefix for names in (heads, bodies)}
    return len(prefixes) > 1


def check_weights_are_numbers(model: PreTrainedModel, spec: CheckpointSpec) -> None:
    """Refuses a checkpoint with weights that are NaN or infinite, frozen ones as well: nothing could come of it.

    Raises:
        CheckpointError: naming the first of them.
    """
    damaged = [name for name, weight in model.named_parameters() if not is_finite(weight)]
    if damaged:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} holds NaN or infinite values in {len(damaged)} of its tensors, such as "
            f"{damaged[0]}. Training that diverged leaves such weights: name an earlier checkpoint, or copy it again."
        )


def is_finite(weight: torch.Tensor) -> bool:
    """Tells whether all values of a tensor are finite; a whole number and what is not in memory yet count as such."""
    return weight.is_meta or not weight.is_floating_point() or bool(weight.isfinite().all())


@contextlib.contextmanager
def loading_errors(spec: CheckpointSpec) -> Iterator[None]:
    """Turns what goes wrong while weights load into one message.

    Raises:
        CheckpointError: weights cannot be loaded; it says why.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"model.checkpoint: cannot load the weights of {spec.name!r}: {reason} "
            "Check that its model.safetensors is complete, or copy it again."
        ) from None


def _without_unused_mask(model: PreTrainedModel, new: frozenset[str]) -> frozenset[str]:
    """Returns the new parameters less the vector that SpecAugment masks with, and switches SpecAugment off.

    Checkpoints of wav2vec2 that were fine-tuned without it lack that vector. It would be random, and a part of the
    body, which is not the tuner's to train.
    """
    lacking = {name for name in new if name.endswith(".masked_spec_embed")}
    if lacking:
        model.config.apply_spec_augment = False
    return new - lacking


def _check_only_head_is_new(model: PreTrainedModel, new: Set[str], mismatched: set[str], spec: CheckpointSpec) -> None:
    """Refuses a checkpoint that lacks weights of the body: training would silently start from noise."""
    body = body_prefixes(model)
    body_names = {name for name, _ in model.named_parameters() if name.startswith(body)}
    missing = sorted(name for name in new if name.startswith(body) and ".pooler." not in f".{name}")
    if mismatched & body_names:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} holds weights of other shapes than its config.json says, such as "
            f"{sorted(mismatched & body_names)[0]}. The two files do not belong together."
        )
    if missing:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} lacks {len(missing)} of the {len(body_names)} parameters of the model's "
            f"body, such as {missing[0]}. Its weights do not belong to its config.json."
        )


def body_prefixes(model: PreTrainedModel) -> tuple[str, ...]:
    """Returns what the names of the body's parameters begin with.

    Where the body is no module of its own, as in Whisper's classifier, it is the parts that hold a stack of layers. A
    model without a head is all body.
    """
    from torch.nn import ModuleList

    if type(model).__name__ in class_names("AutoModel", model.config.model_type):
        return ("",)
    if hasattr(model, model.base_model_prefix):
        return (f"{model.base_model_prefix}.",)
    if hasattr(model, "backbone"):
        return ("backbone.",)
    parts = model.named_children()
    return tuple(f"{name}." for name, part in parts if any(isinstance(inner, ModuleList) for inner in part.modules()))


def _check_no_layer_is_left(model: PreTrainedModel, unexpected: Iterable[str], spec: CheckpointSpec) -> None:
    """Refuses a checkpoint with more layers than its config.json says; an unused head is what is to be expected.

    So is a whole stack that the model does not have, such as the decoder of a Whisper whose encoder is used.
    """
    modules = {name for name, _ in model.named_modules()}
    left = sorted(name for name in unexpected if (stack := _layer_stack(name)) and modules & _spellings(stack, model))
    if left:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} holds {len(left)} parameters of layers that its config.json does not "
            f"have, such as {left[0]}. The two files do not belong together."
        )


def _layer_stack(name: str) -> str | None:
    """Returns the stack of layers that a parameter belongs to: `model.layers.3.mlp.weight` -> `model.layers`."""
    found = re.search(r"(^|\.)(stages?|layers?|h|blocks?)(?=\.\d+\.)", name)
    return None if found is None else name[: found.end()]


def _spellings(module: str, model: PreTrainedModel) -> set[str]:
    """Returns a module's name in models with a head and without: their bodies are named alike, but for a prefix."""
    prefix = f"{model.base_model_prefix}."
    return {module, f"{prefix}{module}", module.removeprefix(prefix)}
