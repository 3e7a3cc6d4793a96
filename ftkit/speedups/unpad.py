"""Forward passes that leave padding out of a model's layers.

A batch is padded to its longest row, and every layer computes on the filling as on the rest. Here embeddings and head
still see the padded batch (B, T, H). Before the first layer its real tokens are put in a row, (1, N, H): linear layers
and norms compute N tokens, and attention stays inside of each row. After the last layer the states are put back, with
zeros for padding. Rows of 3 and 9 tokens are 12 tokens then instead of 18, and give the same logits and gradients.

    unpad(model)                              # once, before a tuner is put on it
    with computing(batch):                    # of which `batch.lengths` says 3 and 9
        model(**batch.inputs)

Outside of `computing`, or where a batch says no lengths, such a model computes as any other, for instance when it
writes text. Lengths come from the host, so that no forward pass waits for the device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from ftkit.adapters.rows import Batch
from ftkit.config.train import TrainSpec, compiles
from ftkit.engine.arguments import is_sharded
from ftkit.engine.current_batch import computing
from ftkit.engine.predicting import evaluating
from ftkit.errors import ConfigError, name_list
from ftkit.models.loading import small_model_like
from ftkit.models.spec import CheckpointSpec
from ftkit.speedups import unread_logits
from ftkit.speedups.speedup import Applied, Speedup, Workload
from ftkit.speedups.token_rows import Rows, TokenMask, current_rows
from ftkit.speedups.unpadded_attention import attend
from ftkit.tuners.spec import TunerSpec
from ftkit.tuners.targets import layer_stacks

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel

ATTENTION = "ftkit_unpadded"  # what transformers calls the attention above


def unpad(model: PreTrainedModel) -> None:
    """Makes a model ready to leave padding out, and tries it on two short rows.

    Raises:
        ConfigError: its architecture does not allow it; the message names some that do.
    """
    reason = try_to_unpad(model)
    if reason is not None:
        raise ConfigError(
            f"train.unpad: padding cannot be left out of a {model.config.model_type!r} model: {reason}. It can in "
            f"models of type {', '.join(working_types())}. Leave the key out."
        )


def try_to_unpad(model: PreTrainedModel) -> str | None:
    """Makes a model ready like `unpad`, or leaves it as it was and returns why it cannot be."""
    hooks: list[RemovableHandle] = []
    reason = _attach(model, hooks) or _trial(model)
    if reason is not None and hooks:
        for hook in hooks:
            hook.remove()
        model.set_attn_implementation("sdpa")
    return reason


def leaves_padding_out(model: Any) -> bool:
    """Tells whether a model, tuned or not, was made ready to leave padding out."""
    return model.config.get_text_config()._attn_implementation == ATTENTION


# --- the hooks ---


def _attach(model: PreTrainedModel, hooks: list[RemovableHandle]) -> str | None:
    """Exchanges the attention and hooks the layers; returns why it cannot.

    Args:
        hooks: what is put on the layers is added to it.
    """
    config = model.config.get_text_config()
    if model.config.is_encoder_decoder:
        return "it is an encoder-decoder"
    if config._attn_implementation != "sdpa":
        return "its attention cannot be exchanged"
    others = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
    if others:
        return f"it has layers of another kind, {name_list(sorted(others))}"
    if getattr(config, "layerdrop", 0.0):
        return "its layers are dropped at random"
    stacks = layer_stacks(model)
    if not stacks:
        return "its attention cannot be exchanged"
    _register()
    model.set_attn_implementation(ATTENTION)
    for name in stacks:
        layers = list(model.get_submodule(name).children())
        hooks += [layer.register_forward_pre_hook(_flatten, with_kwargs=True) for layer in layers]
        hooks.append(layers[-1].register_forward_hook(_put_back, with_kwargs=True))
    return None if config._attn_implementation == ATTENTION else "its attention cannot be exchanged"


@functools.cache
def _register() -> None:
    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, _make_mask)


def _make_mask(**arguments: Any) -> TokenMask | torch.Tensor | None:
    """The mask function that transformers' models call once for each kind of attention they have.

    Raises:
        NotImplementedError: the mask is not one for all rows, or belongs to other rows, such as an encoder's.
    """
    rows = current_rows()
    if rows is None:
        return sdpa_mask(**arguments)
    width = arguments["q_length"]
    if arguments["use_vmap"] or (arguments["batch_size"], width) != rows.shape or arguments["kv_length"] != width:
        raise NotImplementedError("its attention mask is not that of its input")
    return TokenMask(rows, *_reach(arguments["mask_function"], width))


def _reach(mask_function: Callable[..., torch.Tensor], width: int) -> tuple[int, int]:
    """Returns how many tokens the last of so many sees before it, and the first after it."""
    places = torch.arange(width, device="cpu")
    zero, first, last = places[:1], places[:1], places[-1:]
    before, after = (mask_function(zero, zero, place, places).expand(width).numpy() for place in (last, first))
    return int(before.sum()) - 1, int(after.sum()) - 1


def _flatten(layer: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Gives a layer the real tokens of whatever has one value for each token; what is flat already stays."""
    mask = _token_mask(args, kwargs)
    if mask is None:
        return None
    states = tuple(_flat(value, mask.rows, mask.rows.flat) for value in args)
    return states, {name: _flat(value, mask.rows, mask.rows.flat_once) for name, value in kwargs.items()}


def _flat(value: Any, rows: Rows, flatten: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_flat(item, rows, flatten) for item in value)
    num_rows, width = rows.shape
    per_token = isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[1] == width
    return flatten(value) if per_token and value.shape[0] in (1, num_rows) else value


def _put_back(layer: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
    """Puts the states that the last layer returns where they were in the padded batch."""
    mask = _token_mask(args, kwargs)
    if mask is None:
        return None
    states = output[0] if isinstance(output, tuple) else output
    if states.shape[:2] != (1, mask.rows.num_tokens):
        return None  # nothing was flattened: the layer was given its output
    mask.rows.num_uses += 1
    states = mask.rows.padded(states)
    return (states, *output[1:]) if isinstance(output, tuple) else states


def _token_mask(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TokenMask | None:
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, TokenMask)), None)


# --- does it work? ---

# Of the largest state: float32 rounds a tenth of it or less. 8-bit layers round as the rest of a batch makes them.
TOLERANCE, TOLERANCE_QUANTIZED = 1e-4, 0.1


@torch.no_grad()
def _trial(model: PreTrainedModel) -> str | None:
    """Returns why two short rows do not give the states that they give with padding; None if they do."""
    body = model.base_model
    lengths = [3, 7]
    inputs = {name: tensor.to(model.device) for name, tensor in two_rows(model, lengths).items()}
    with evaluating(model):
        try:
            expected = body(**inputs)[0]
            with computing(Batch(inputs, lengths=lengths)):
                found = body(**inputs)[0]
                rows = current_rows()
        except Exception as error:  # whatever an architecture trips over
            return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    assert rows is not None
    if not rows.num_uses:
        return "its layers are given a mask of its own"
    real = inputs["attention_mask"].bool()
    difference = (found[real] - expected[real]).abs().max()
    tolerance = TOLERANCE_QUANTIZED if getattr(model, "is_quantized", False) else TOLERANCE
    return None if difference <= tolerance * expected[real].abs().max() else "its layers mix the rows of a batch"


def two_rows(model: PreTrainedModel, lengths: Sequence[int]) -> dict[str, torch.Tensor]:
    """Returns a padded batch of two rows, of any tokens but padding, for trials."""
    config = model.config.get_text_config()
    pad = config.pad_token_id
    ids = [index for index in range(min(config.vocab_size, sum(lengths) + 1)) if index != pad]
    input_ids = torch.full((len(lengths), max(lengths)), pad or 0)
    mask = torch.zeros_like(input_ids)
    for row, length in enumerate(lengths):
        input_ids[row, :length] = torch.tensor([ids.pop(0) for _ in range(length)])
        mask[row, :length] = 1
    return {"input_ids": input_ids, "attention_mask": mask}


# Asked about most often; each is tried before it is named.
_TYPES = (
    *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"),
    *("gemma", "gpt2", "gpt_neox", "llama", "mistral", "opt", "phi3", "qwen2", "qwen3"),
)
_SIZES: dict[str, Any] = {
    "vocab_size": 32,
    "pad_token_id": 0,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def working_types() -> list[str]:
    """Returns the common model types whose padding can be left out: it builds a tiny model of each and tries."""
    return [model_type for model_type in _TYPES if _works(model_type)]


def _works(model_type: str) -> bool:
    from transformers import AutoConfig, AutoModel

    model = AutoModel.from_config(AutoConfig.for_model(model_type, **_SIZES))
    return try_to_unpad(model) is None


# --- where it applies -------------------------------------------------------------------------------------------


def why_not(train: TrainSpec, tuner: TunerSpec) -> str | None:
    """Returns why a run's settings do not let padding be left out; whether the checkpoint does is tried later."""
    if tuner.facts.reads_prompt:
        return (
            f"{tuner.method} puts virtual tokens before each text, which would have to be counted "
            "among its own. Leave the key out, or choose lora."
        )
    if compiles(train):
        return (
            "the number of tokens differs from batch to batch, and a compiled model is made for few "
            "shapes. Leave out this key or train.torch_compile."
        )
    return None


def check(train: TrainSpec, tuner: TunerSpec) -> None:
    """Refuses settings under which padding cannot be left out, if that was asked for.

    Raises:
        ConfigError: saying which.
    """
    reason = why_not(train, tuner)
    if train.unpad is True and reason is not None:
        raise ConfigError(f"train.unpad: {reason}")


def check_checkpoint(train: TrainSpec, spec: CheckpointSpec, auto_class: str) -> None:
    """Refuses a checkpoint whose padding cannot be left out, if that was asked for: a small model like it is tried.

    Raises:
        ConfigError: its padding cannot be left out.
    """
    if train.unpad is not True:
        return
    _check_reads_text(spec)
    model = small_model_like(auto_class, spec)
    if model is not None:
        unpad(model)


def _check_reads_text(spec: CheckpointSpec) -> None:
    if spec.reads != "text":
        raise ConfigError(
            f"train.unpad: {spec.name!r} reads {spec.reads}, and padding is left out of texts only. Leave the key out."
        )


def applies(workload: Workload) -> bool:
    """Tells whether padding is left out: as the config says, else on a CPU.

    Of a head over a vocabulary, which costs as much as some layers, padding has to be left out as well.
    """
    if workload.train.unpad != "auto":
        return workload.train.unpad
    return (
        workload.adapter.spec.reads == "text"
        and workload.arguments.device.type == "cpu"
        and why_not(workload.train, workload.tuner) is None
        and workload.tuner.quantization is None
        and (workload.model.get_output_embeddings() is None or unread_logits.applies(workload))
        and not is_sharded(workload.arguments)
    )


def apply(workload: Workload) -> Applied | None:
    """Makes the model of a workload ready; None where its architecture does not allow it and nobody insists.

    Raises:
        ConfigError: the config insists.
    """
    if workload.train.unpad is True:
        _check_reads_text(workload.adapter.spec)
        unpad(workload.model)
    elif try_to_unpad(workload.model) is not None:
        return None
    return Applied(padding_is_free=True, facts={"padding_share": 0.0})


SPEEDUP = Speedup(
    key="train.unpad", moment="loaded", applies=applies, apply=apply, check=check, check_checkpoint=check_checkpoint
)
