"""A trained adapter taken apart into the low-rank changes of layers and the modules trained whole.

What is left is the plain task model, so that changes of many adapters can be added to the layers of one base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.tuners.names import ADAPTER_NAME

if TYPE_CHECKING:
    import torch
    from torch.nn import Module
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class LowRankChange:
    """What an adapter adds to the output of one linear layer: x A^T B^T scale.

    Attributes:
        down: A, from the layer's width to the rank.
        up: B, from the rank to the layer's output.
    """

    down: Module
    up: Module
    scale: float

    def __call__(self, x_BTI: torch.Tensor) -> torch.Tensor:
        """Returns what is added, (B, T, O)."""
        return self.up(self.down(x_BTI)) * self.scale


@dataclass(frozen=True)
class LowRankParts:
    """All that an adapter consists of, by the names that its modules have in the task model.

    Attributes:
        changes: of linear layers.
        copies: modules that were trained whole.
    """

    changes: Mapping[str, LowRankChange]
    copies: Mapping[str, Module]


def low_rank_parts(tuned: Any) -> LowRankParts | None:
    """Returns the parts of a trained adapter; None where it does more than add low-rank changes to linear layers.

    LoRA, rank-stabilised LoRA, PiSSA as it is saved, and a head alone have such parts. DoRA, IA3, AdaLoRA, trained
    biases and norms, and virtual tokens do not.

    Args:
        tuned: a peft.PeftModel, as `attach_adapter` gives it.
    """
    from peft import PeftType
    from peft.tuners.lora import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper, ModulesToSaveWrapper

    config = tuned.peft_config[ADAPTER_NAME]
    if config.peft_type != PeftType.LORA or config.bias != "none":
        return None
    changes: dict[str, LowRankChange] = {}
    copies: dict[str, Module] = {}
    for name, module in tuned.get_base_model().named_modules():
        if isinstance(module, AuxiliaryTrainingWrapper):
            if type(module) is not ModulesToSaveWrapper:
                return None
            copies[name] = module.modules_to_save[ADAPTER_NAME]
        elif isinstance(module, BaseTunerLayer):
            if type(module) is not Linear or ADAPTER_NAME in module.lora_variant:
                return None
            down, up = module.lora_A[ADAPTER_NAME], module.lora_B[ADAPTER_NAME]
            changes[name] = LowRankChange(down, up, module.scaling[ADAPTER_NAME])
    return LowRankParts(changes, copies)


def plain_model(tuned: Any, parts: LowRankParts) -> PreTrainedModel:
    """Returns the task model without peft's layers: bases where changes were, trained copies where they stand for."""
    model = tuned.get_base_model()
    for name in parts.changes:
        model.set_submodule(name, model.get_submodule(name).base_layer)
    for name, module in parts.copies.items():
        model.set_submodule(name, module)
    return model
