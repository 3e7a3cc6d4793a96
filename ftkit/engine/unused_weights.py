"""Weights that have no gradient in a step: those of layers that are left out at random, or of heads that nobody reads.

DDP adds up the gradients of all ranks as they come. Unless it is asked to look in each step for those that will not
come, it waits for them, and the next step fails.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ftkit.errors import RunError

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments

_WAITED = "Expected to have finished reduction in the prior iteration"
_PLACES = re.compile(r"did not receive grad for rank \d+: ([\d ]+)")


def can_be_looked_for(checkpointing: Mapping[str, Any] | str | None) -> bool:
    """Tells whether DDP can look for weights without a gradient.

    It cannot where activations are computed again in a backward pass inside the backward pass: it would meet the same
    weight twice. Where they are computed again otherwise, as is the default, it can.

    Args:
        checkpointing: `activation_checkpointing_kwargs`, which transformers reads where they are a text.
    """
    return not (isinstance(checkpointing, Mapping) and checkpointing.get("use_reentrant", False))


@contextlib.contextmanager
def unused_weights_told(model: Module, arguments: TrainingArguments) -> Iterator[None]:
    """Turns DDP's failure over weights without a gradient into an error that names one of them, and the key to change.

    Raises:
        RunError: DDP does not look for such weights, and there are some.
    """
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    try:
        yield
    except RuntimeError as error:
        if _WAITED not in str(error):
            raise
        places = _PLACES.search(str(error))
        names = [trained[int(place)] for place in places[1].split()] if places else []
        which = f"{len(names)} of {len(trained)} weights, such as {names[0]}," if names else "some weights"
        setting, key = "ddp_find_unused_parameters: false", "ddp_find_unused_parameters"
        if not can_be_looked_for(checkpointing := arguments.activation_checkpointing_kwargs):
            setting, key = f"activation_checkpointing_kwargs: {checkpointing}", "use_reentrant"
        raise RunError(
            f"train.{setting}: with this the processes wait for the gradients of all weights, and {which} of "
            f"{type(model).__name__} had none in a step. Leave {key} out."
        ) from None
