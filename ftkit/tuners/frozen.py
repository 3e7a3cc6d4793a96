"""What stays as the checkpoint has it, where layers are trained whole or not at all."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ftkit.tuners.targets import layer_stacks

if TYPE_CHECKING:
    from torch.nn import Module


def frozen_modules(model: Any) -> list[Module]:
    """Returns the modules of the body that lie outside of everything that is trained, the body itself among them.

    The head is no part of the body: its dropout is not among them.

    Args:
        model: a peft.PeftModel.
    """
    from peft.utils import ModulesToSaveWrapper

    body = model.get_base_model().base_model
    trained = {
        inner for module in body.modules() if isinstance(module, ModulesToSaveWrapper) for inner in module.modules()
    }
    return [module for module in body.modules() if module not in trained]


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
