"""What stays as the checkpoint has it, where layers are trained whole or not at all."""

from __future__ import annotations

import itertools
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
    names = frozen_modules(model)

    def hold_still(root: Any, args: Any) -> None:
        for name in names:
            root.get_submodule(name).training = False

    model.register_forward_pre_hook(hold_still)


def frozen_modules(model: Any) -> list[str]:
    """Returns the names of the modules of the body outside of everything that is trained, the body itself among them.

    The head is no part of the body: its dropout is not among them.

    Args:
        model: a peft.PeftModel.
    """
    from peft.utils import ModulesToSaveWrapper

    body = model.get_base_model().base_model
    trained = {
        inner for module in body.modules() if isinstance(module, ModulesToSaveWrapper) for inner in module.modules()
    }
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
