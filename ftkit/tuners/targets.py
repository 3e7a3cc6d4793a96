"""Which modules of an architecture a method attaches to, read off the model itself wherever that is possible.

peft knows no default targets for distilbert, albert, modernbert, marian, mbart, m2m_100, pegasus, two joined models
or models of images, and only queries and values for others.

Most models are stacks of linear layers. One without any, such as ResNet, is a stack of convolutions, and those are
tuned instead: a convolution is a linear layer over the pixels that it sees at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftkit.errors import ConfigError, did_you_mean, name_list

if TYPE_CHECKING:
    import torch

    from ftkit.tuners.spec import TunerSpec

# Keys and values, and what the feed-forward part writes: IA3 rescales them (arXiv 2205.05638, section 3.3). Which
# linear layer is which can only be told by its name.
IA3_ATTENTION = (
    *("key", "value", "k", "v", "k_proj", "v_proj", "k_lin", "v_lin", "key_proj", "value_proj"),
    *("c_attn", "Wqkv", "query_key_value", "qkv_proj"),  # queries, keys and values in one
)
IA3_FEEDFORWARD = (
    *("output.dense", "wo", "fc2", "lin2", "down_proj", "mlp.c_proj", "mlp.Wo", "dense_4h_to_h", "ffn_output"),
)


# WavLM's attention, and torch's own, hand the weights of layers to one function and never call the layers: what is
# attached to them would take no part. So do Mamba's layers and their like where a GPU has their kernels (without them
# they call all layers), and MobileBERT's head for masked words. MobileNet's layers pad by the stride of their
# convolutions, which peft's have not.
READ_FROM_OUTSIDE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("MambaMixer", "FalconMambaMixer"), ("x_proj", "dt_proj", "out_proj")),
    **dict.fromkeys(("Mamba2Mixer", "Zamba2MambaMixer", "FalconH1Mixer", "BambaMixer"), ("out_proj",)),
    **dict.fromkeys(("NemotronHMamba2Mixer", "GraniteMoeHybridMambaLayer"), ("out_proj",)),
    "JambaMambaMixer": ("dt_proj",),
    "MobileBertLMPredictionHead": ("dense",),
    "MultiheadAttention": ("out_proj",),
    "WavLMAttention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "MobileNetV1ConvLayer": ("convolution",),
    "MobileNetV2ConvLayer": ("convolution",),
}
"""Module -> its layers whose weights or settings it reads itself, so that nothing can be attached to them."""


def layer_stacks(model: torch.nn.Module) -> dict[str, int]:
    """Returns the lists of equal layers that make up the body, with their lengths: `bert.encoder.layer` -> 12.

    A layer that peft trains as a copy counts as what it was.
    """
    import torch

    lists = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)}
    stacks = {
        name: module
        for name, module in lists.items()
        if len(module)
        and len({type(getattr(layer, "original_module", layer)) for layer in module}) == 1
        and not any(name.startswith(f"{other}.") for other in lists)
    }
    for is_layer in (_is_linear, _is_convolution):
        found = {name: len(module) for name, module in stacks.items() if any(map(is_layer, module.modules()))}
        if found:
            return found
    return {}


def linear_layers(model: torch.nn.Module, new: Collection[str]) -> list[str]:
    """Returns the full names of all linear layers that the checkpoint provides, but for a language model's output.

    Of a model whose layers are convolutions, it returns those.

    A pooler is among them: that of a sentence encoder was never used in its own training, and has to move. One that
    takes no part, as in two joined checkpoints, is frozen already and stays out.
    """
    stacks, read_outside = layer_stacks(model), _read_from_outside(model)
    get_output: Any = getattr(model, "get_output_embeddings", lambda: None)
    output = get_output()
    linear = [
        name
        for name, module in model.named_modules()
        if _is_linear(module)
        and name not in read_outside
        and not _is_inside(name, new)
        and (_is_inside(name, stacks) or (module is not output and module.weight.requires_grad))
    ]
    if linear:
        return linear
    modules = model.named_modules()
    return [
        name
        for name, module in modules
        if _is_convolution(module) and name not in read_outside and _is_inside(name, stacks)
    ]


def norm_layers(model: torch.nn.Module, new: Collection[str]) -> list[str]:
    """Returns the full names of all normalisation layers that have weights."""
    return [
        name
        for name, module in model.named_modules()
        if type(module).__name__.lower().endswith(("norm", "rmsnorm"))
        and not any(True for _ in module.children())  # Wav2Vec2EncoderStableLayerNorm is an encoder
        and any(True for _ in module.parameters())
        and not _is_inside(name, new)
    ]


def ia3_layers(model: torch.nn.Module, new: Collection[str]) -> tuple[list[str], list[str]]:
    """Returns the full names of what IA3 rescales, and which of them write the feed-forward part's output."""
    linear = linear_layers(model, new)
    feedforward = [name for name in linear if _ends(name, IA3_FEEDFORWARD) and "attention.output" not in name]
    return [name for name in linear if _ends(name, IA3_ATTENTION)] + feedforward, feedforward


def layers_to_tune(model: torch.nn.Module, new: Collection[str], spec: TunerSpec) -> list[str]:
    """Returns the full names of what a method attaches to where the user names nothing.

    Raises:
        ConfigError: there is nothing, as in I-BERT, whose layers are of a class of its own.
    """
    find = {"linear": linear_layers, "norms": norm_layers, "ia3": lambda *given: ia3_layers(*given)[0]}
    assert spec.facts.targets is not None
    found = find[spec.facts.targets](model, new)
    if not found:
        raise ConfigError(
            f"tuner: nothing was found in this checkpoint for {spec.method} to tune. Name layers in "
            "tuner.target_modules, or choose another method."
        )
    return found


def check_can_attach(model: torch.nn.Module) -> None:
    """Refuses a model with tied weights and no embeddings of tokens, such as RT-DETRv2; no weight is looked at.

    Raises:
        ConfigError: peft, which looks for what is tied to embeddings, would end in an error of Python.
    """
    config: Any = model.config
    if getattr(config, "tie_word_embeddings", None) is False or not isinstance(
        getattr(model, "_tied_weights_keys", None), dict
    ):
        return
    try:
        model.get_input_embeddings()  # type: ignore[operator]
    except NotImplementedError:
        raise ConfigError(
            f"tuner: peft attaches nothing to checkpoints of type {config.model_type!r}, which tie weights and have "
            "no embeddings of tokens. Choose tuner.method: full, or a checkpoint of another type."
        ) from None


def check_layers(model: torch.nn.Module, spec: TunerSpec) -> None:
    """Refuses names and numbers of layers that a model does not have, and a body with nothing for a method to tune.

    No weight is looked at.

    Raises:
        ConfigError: as `named_layers`, `layers_to_tune`, `check_has_components`, `check_has_biases` and `last_layers`.
    """
    heads = outside_of_body(model)
    if spec.target_modules is not None:
        try:
            named_layers(model, spec.target_modules, ())
        except ConfigError:
            named_layers(model, spec.target_modules, heads)  # they are mostly new, and then not offered
            raise
    elif spec.facts.targets is not None:
        found = layers_to_tune(model, heads, spec)
        if spec.method == "pissa":
            check_has_components(model, found, spec.option("rank"))
    if spec.method == "bitfit":
        check_has_biases(model, heads)
    if "num_layers" in spec.facts.options:
        last_layers(model, spec.option("num_layers"))


def check_has_biases(model: torch.nn.Module, new: Collection[str]) -> None:
    """Refuses bitfit where biases are new ones alone, as with T5.

    Raises:
        ConfigError: the checkpoint has none.
    """
    if not any(name.endswith(".bias") and not _is_inside(name, new) for name, _ in model.named_parameters()):
        config: Any = model.config
        raise ConfigError(
            f"tuner.method: bitfit trains biases, and {config.model_type} checkpoints have none. Choose lora."
        )


def check_has_components(model: torch.nn.Module, names: Sequence[str], rank: int) -> None:
    """Refuses pissa on convolutions, whose components peft does not find, and on layers with too few of them.

    Args:
        names: of the layers that are to be tuned.

    Raises:
        ConfigError: naming the layer.
    """
    by_name: dict[str, Any] = dict(model.named_modules())
    shapes = {name: by_name[name].weight.shape for name in names}
    convolution = next((name for name, shape in shapes.items() if len(shape) > 2), None)
    if convolution is not None:
        raise ConfigError(
            f"tuner.method: pissa starts from the principal components of linear layers, and {convolution} is a "
            "convolution. Choose lora."
        )
    narrowest = min(shapes, key=lambda name: min(shapes[name]))
    if rank > min(shapes[narrowest]):
        raise ConfigError(
            f"tuner.rank: pissa starts from {rank} principal components of every layer, and {narrowest} has "
            f"{min(shapes[narrowest])}. Say at most that many."
        )


def last_layers(model: torch.nn.Module, count: int) -> list[str]:
    """Returns the names of the last layers of every stack.

    Raises:
        ConfigError: there are not so many.
    """
    stacks = layer_stacks(model)
    if not stacks:
        raise ConfigError("tuner.num_layers: no stack of layers was found in this checkpoint. Choose another method.")
    shortest = min(stacks.values())
    if count > shortest:
        raise ConfigError(
            f"tuner.num_layers: the last {count} layers are to be trained, but the checkpoint has {shortest}. "
            "Say fewer."
        )
    return [f"{name}.{index}" for name, length in stacks.items() for index in range(length - count, length)]


def named_layers(model: torch.nn.Module, wanted: Sequence[str], new: Collection[str]) -> list[str]:
    """Returns the full names of the linear layers, convolutions or embeddings that a user means.

    Args:
        wanted: a layer's last name, such as `query`, or more of its path, or `all-linear`.

    Raises:
        ConfigError: a name fits no layer; the closest is offered.
    """
    import torch

    read_outside = _read_from_outside(model)
    usable = [
        name
        for name, module in model.named_modules()
        if (_is_linear(module) or _is_convolution(module) or isinstance(module, torch.nn.Embedding))
        and name not in read_outside
        and not _is_inside(name, new)
        and not name.endswith("shared")  # the table that encoder and decoder take theirs from, itself never called
    ]
    found: list[str] = []
    for target in wanted:
        fitting = linear_layers(model, new) if target == "all-linear" else [n for n in usable if _ends(n, (target,))]
        if not fitting:
            names = sorted({name.rpartition(".")[2] for name in usable})
            if any(_ends(name, (target,)) for name in read_outside):
                raise ConfigError(
                    f"tuner.target_modules: this checkpoint reads the weights or settings of {target!r} itself, so "
                    f"that nothing can be attached to it. Choose among {name_list(names)}."
                )
            raise ConfigError(
                f"tuner.target_modules: no layer {target!r} in this checkpoint.{did_you_mean(target, names)} "
                f"There are {name_list(names)}."
            )
        found += fitting
    return list(dict.fromkeys(found))


def shortened(names: Sequence[str], model: torch.nn.Module, new: Collection[str]) -> list[str]:
    """Returns the shortest ends of some modules' names that mean these modules and no others.

    `query` stands for twelve layers then, and the saved config stays readable.

    Args:
        new: modules that peft leaves out by itself, as they are trained whole.
    """
    chosen = set(names)
    others = [name for name, _ in model.named_modules() if name not in chosen and not _is_inside(name, new)]
    short: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        ends = (".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
        short[next(end for end in ends if not any(_ends(other, (end,)) for other in others))] = None
    return list(short)


def outside_of_body(model: torch.nn.Module) -> list[str]:
    """Returns the names of the parts of a model beside its body: heads, which are mostly new."""
    body = getattr(model, "base_model", model)
    return [] if body is model else [name for name, part in model.named_children() if part is not body]


def _read_from_outside(model: torch.nn.Module) -> set[str]:
    """Returns the full names of layers to which nothing can be attached; see `READ_FROM_OUTSIDE`."""
    return {
        f"{name}.{layer}"
        for name, module in model.named_modules()
        for layer in READ_FROM_OUTSIDE.get(type(module).__name__, ())
    }


def _is_linear(module: torch.nn.Module) -> bool:
    import torch

    # Falcon has a class of its own, derived from torch's.
    return isinstance(module, torch.nn.Linear) or type(module).__name__ in _LINEAR


def _is_convolution(module: torch.nn.Module) -> bool:
    """Tells whether a module is a convolution over an image; one of single channels has nothing of low rank in it."""
    return type(module).__name__ == "Conv2d" and getattr(module, "groups", 1) == 1


# Conv1D is GPT-2's linear layer; the others are bitsandbytes'.
_LINEAR = frozenset({"Linear", "Conv1D", "Linear4bit", "Linear8bitLt"})


def _ends(name: str, ends: Sequence[str]) -> bool:
    return any(name == end or name.endswith(f".{end}") for end in ends)


def _is_inside(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
