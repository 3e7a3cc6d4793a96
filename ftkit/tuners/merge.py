"""Adds a trained adapter's change into its base's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ftkit.errors import UserError
from ftkit.tuners.names import ADAPTER_NAME, quiet
from ftkit.tuners.spec import TunerSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def check_can_be_merged(spec: TunerSpec) -> None:
    """Refuses methods whose change is no change of weights.

    Raises:
        UserError: virtual tokens are no weights of the checkpoint.
    """
    if not spec.facts.merges:
        raise UserError(
            f"A {spec.method} adapter cannot be merged: it puts virtual tokens before the text and changes no "
            "weights. Use the run as it is; every command accepts it."
        )


def merge(model: Any) -> PreTrainedModel:
    """Returns the plain model with the same function; the tuned model is used up.

    Args:
        model: a peft.PeftModel whose base is in full precision.

    Raises:
        UserError: a merged weight is not finite.
    """
    _put_whole_modules_in_place(model)
    try:
        with quiet():
            merged = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise UserError(f"The adapter cannot be merged: {str(error).strip()}") from None
    for parameter in merged.parameters():
        parameter.requires_grad = True
    return merged


def _put_whole_modules_in_place(model: Any) -> None:
    """Puts the modules that were trained whole, such as the head, where their untrained originals were.

    peft does so as well, but for IA3 it trips over modules that are no single layer.
    """
    from peft.utils import ModulesToSaveWrapper

    for name, module in list(model.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            model.set_submodule(name, module.modules_to_save[ADAPTER_NAME])
