"""What stays as the checkpoint has it, where layers are trained whole or not at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ftkit.tuners.targets import layer_stacks

if TYPE_CHECKING:
    from torch.nn import Module


def hold_frozen_modules_still(model: Any) -> None:
    """Keeps what is frozen of the body out of training mode, so that it computes without dropout: frozen features.

    The training loop puts the whole model into training mode, so it is done before each forward pass.

    Args:
        model: a peft.PeftModel.
    """
    _keep_out_of_training(model, frozen_modules(model))


def _keep_out_of_training(model: Any, names: Sequence[str]) -> None:
    def hold_still(root: Any, args: Any) -> None:
        for name in names:
            root.get_submodule(name).training = False

    model.register_forward_pre_hook(hold_still)


def _copies(model: Any) -> set[Module]:
    """Returns the modules that are trained whole, with all that is in them."""
    from peft.utils import ModulesToSaveWrapper

    wrappers = [module for module in model.modules() if isinstance(module, ModulesToSaveWrapper)]
    return {inner for wrapper in wrappers for inner in wrapper.modules()}


def hold_frozen_statistics_still(model: Any) -> None:
    """Keeps batch norms of the checkpoint at its own running means and variances, unless they are trained whole.

    They would move with every batch in training mode, although no optimizer touches them. But they are no part of a
    trained adapter: attached to its base again, it would meet other statistics than it was trained with.

    Args:
        model: a peft.PeftModel.
    """
    trained = _copies(model)
    names = [
        name
        for name, module in model.named_modules()
        if getattr(module, "running_mean", None) is not None and module not in trained
    ]
    if names:
        _keep_out_of_training(model, names)


def frozen_modules(model: Any) -> list[str]:
    """Returns the names of the modules of the body outside of everything that is trained, the body itself among them.

    The head is no part of the body: its dropout is not among them.

    Args:
        model: a peft.PeftModel.
    """
    body = model.get_base_model().base_model
    trained = _copies(body)
    frozen = {module for module in body.modules() if module not in trained}
    return [name for name, module in model.named_modules() if module in frozen]


def frozen_prefix(model: Any) -> list[Module]:
    """Returns the layers before the first trained one of the model's only stack; none if it has several stacks.

    Args:
        model: a peft.PeftModel.
    """
    base = model.get_base_model()
    stacks = list(layer_stacks(base))
    if len(stacks) != 1:
        return []
    return list(itertools.takewhile(_is_frozen, base.get_submodule(stacks[0])))


def _is_frozen(layer: Module) -> bool:
    return not any(parameter.requires_grad for parameter in layer.parameters())


def stop_at_frozen_convolutions(model: Any) -> None:
    """Spares a model of waveforms the way back through convolutions that are not trained.

    wav2vec2 and its like ask for the gradient of the waveform itself in training, so that activation checkpointing
    works; with frozen convolutions nobody reads it. A LoRA step of wav2vec2 base (two rows of 2 s, one core) took
    1.52 s with that gradient and 1.10 s without.

    Args:
        model: a peft.PeftModel.
    """
    base = model.get_base_model()
    convolutions = getattr(base.base_model, "feature_extractor", None)
    freeze = getattr(base, "freeze_feature_encoder", None)
    if freeze is not None and convolutions is not None and _is_frozen(convolutions):
        freeze()
