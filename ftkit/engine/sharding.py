"""A model that is shared out among the ranks, and a plain one that each rank has to have to predict and to save.

Ranks predict different numbers of batches, and texts of different lengths. A sharded model gathers its weights in each
forward pass, in which all ranks have to take part, and notes the order of passes for the next backward pass. So
whatever is scored, saved and proven is a plain model with all weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from ftkit.errors import ConfigError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def shards(model: Any) -> list[Any]:
    """Returns the modules of a model whose weights are shared out, outermost first; none of a plain model."""
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def is_shared_out(model: Any) -> bool:
    """Tells whether each rank holds a part of a model's weights: by FSDP2, or by stage 3 of DeepSpeed."""
    return bool(shards(model)) or _is_partitioned(model)


def _is_partitioned(model: Any) -> bool:
    return any(hasattr(weight, "ds_id") for weight in model.parameters())


def full_state(model: Any) -> dict[str, torch.Tensor]:
    """Returns whole weights and buffers by name, on each rank; all ranks call this together."""
    if _is_partitioned(model):
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state: dict[str, Any] = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    return state


def load_whole_models() -> None:
    """Lets each rank load whole models by itself from now on; stage 3 of DeepSpeed shares out what is loaded."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()


@contextlib.contextmanager
def loading_whole_models(arguments: TrainingArguments) -> Iterator[None]:
    """Lets each rank load whole models inside the block."""
    from transformers.integrations.deepspeed import set_hf_deepspeed_config

    load_whole_models()
    try:
        yield
    finally:
        if plugin := arguments.deepspeed_plugin:
            set_hf_deepspeed_config(getattr(arguments, "hf_deepspeed_config", None) or plugin.dschf)


def layer_classes(model: Any) -> list[str]:
    """Returns the names of the classes of a model's layers, each of which is shared out, and gathered, by itself.

    They are those that transformers keeps whole on a device, but for embeddings: Accelerate shares these out by
    themselves. Where it names none, they are the members of lists of layers.

    Example: of BERT, whose `BertEmbeddings` and `BertLayer` are kept whole, `["BertLayer"]`.
    """
    embeddings = [model.get_input_embeddings(), model.get_output_embeddings()]
    whole = set(getattr(model, "_no_split_modules", None) or ())
    named = {
        type(module).__name__
        for module in model.modules()
        if type(module).__name__ in whole
        and not any(inner is found for inner in module.modules() for found in embeddings)
    }
    lists = (module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    return sorted(named or {type(layer).__name__ for layers in lists for layer in layers})


def share_out_together(model: Any, optimizer: Any, accelerator: Any) -> None:
    """Shares out those modules as one that have a weight in common, as FSDP2 asks for; Accelerate does the rest.

    By itself Accelerate does so with the input and the output embedding of a model, but knows of no others, such as
    encoders and decoders that read one table (T5, BART, Marian).

    Args:
        model: before Accelerate prepares it.
        optimizer: of the model; the Trainer would group weights in another way were they shared out before.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    plugin, mesh = accelerator.state.fsdp_plugin, getattr(accelerator, "torch_device_mesh", None)
    before = {name: id(weight) for name, weight in model.named_parameters()}
    for modules in _groups(model):
        fully_shard(
            modules,
            mesh=None if mesh is None else mesh[tuple(accelerator.parallelism_config.fsdp_dim_names)],
            reshard_after_forward=False,  # they are read at both ends of the model
            mp_policy=plugin.mixed_precision_policy or MixedPrecisionPolicy(),
            offload_policy=plugin.cpu_offload,
        )
    now = {before[name]: weight for name, weight in model.named_parameters()}
    for group in optimizer.param_groups:
        group["params"] = [now[id(weight)] for weight in group["params"]]


def _groups(model: Any) -> list[list[Any]]:
    ends = {model.get_input_embeddings(), model.get_output_embeddings()}
    return [modules for modules in modules_with_common_weights(model) if not ends.issuperset(modules)]


def modules_with_common_weights(model: Any) -> list[list[Any]]:
    """Returns groups of modules that have a weight in common.

    Example: of T5, `[[shared, encoder.embed_tokens, decoder.embed_tokens, lm_head]]`.
    """
    owners: dict[int, list[Any]] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(id(weight), []).append(module)
    groups: list[dict[Any, None]] = []  # keys, in order
    for modules in owners.values():
        if len(modules) > 1:
            met = [group for group in groups if not group.keys().isdisjoint(modules)]
            groups = [group for group in groups if group not in met]
            groups.append(dict.fromkeys(module for group in (*met, modules) for module in group))
    return [list(group) for group in groups]


def check_can_be_sharded(model: Any, plugin: Any) -> None:
    """Refuses a model whose modules share weights in a way that PyTorch or Accelerate cannot share out.

    Args:
        plugin: Accelerate's, with what `train.fsdp_config` says.

    Raises:
        ConfigError: naming what stands in the way.
    """
    way_out = " (each GPU then holds the model), or use DeepSpeed's stage 3 (scripts/accelerate/deepspeed_zero3.yaml)."
    groups = _groups(model)
    for key in ("cpu_ram_efficient_loading", "activation_checkpointing"):
        if groups and getattr(plugin, key):
            raise ConfigError(
                f"train.fsdp_config: {key} cannot be had of {type(model).__name__}, parts of which share one table of "
                f"embeddings. Leave {key} out; or leave train.fsdp out{way_out}"
            )
    layers = set(plugin.transformer_cls_names_to_wrap)
    for modules in groups:
        inner = [part for module in modules for part in module.modules() if part is not module]
        # FSDP2 would not know of a member that is inside another, and Accelerate would share it out once more.
        if layers.intersection(type(part).__name__ for part in (*modules, *inner)) or not set(inner).isdisjoint(
            modules
        ):
            raise ConfigError(
                f"train.fsdp: parts of {type(model).__name__} that lie inside one another share weights, as the head "
                f"for masked words and its last layer do. FSDP2 cannot share them out. Leave train.fsdp out{way_out}"
            )
