"""A model that FSDP2 shares out among the ranks, as one rank has to have it to predict and to save.

Ranks predict different numbers of batches, and texts of different lengths. A sharded model gathers its weights in each
forward pass, in which all ranks have to take part; so for as long as it predicts it holds them gathered, without
gradients. What is saved, proven and scored in the end is a plain model with the gathered weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from ftkit.errors import ConfigError


def shards(model: Any) -> list[Any]:
    """Returns the modules of a model whose weights are shared out, outermost first; none of a plain model."""
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


@contextlib.contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Holds all weights on each rank inside the block: forward passes of one rank need no other."""
    modules = shards(model)
    for module in modules:
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()
    try:
        yield
    finally:
        for module in modules:
            module.reshard()
            module.set_reshard_after_forward(True, recurse=False)


def full_state(model: Any) -> dict[str, torch.Tensor]:
    """Returns whole weights and buffers by name, on each rank; all ranks call this together."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state: dict[str, Any] = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    return state


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


def check_can_be_sharded(model: Any) -> None:
    """Refuses a model of which more than input and output share one table, as many encoder-decoders do.

    Raises:
        ConfigError: Accelerate puts such a table into two groups of FSDP2, which PyTorch refuses in the first step.
    """
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    owners: dict[int, set[int]] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(id(weight), set()).add(id(module))
    if any(len(modules) > 1 and not modules <= ends for modules in owners.values()):
        raise ConfigError(
            f"train.fsdp: parts of {type(model).__name__}, such as its encoder and decoder, share one table of "
            "embeddings, which FSDP2 cannot share out as Accelerate sets it up. Leave train.fsdp out (each GPU then "
            "holds the model), or use DeepSpeed's stage 3 (scripts/accelerate/deepspeed_zero3.yaml)."
        )
