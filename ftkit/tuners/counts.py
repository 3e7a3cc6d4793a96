"""How many parameters a model has, and how many of them move."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class ParameterCounts(NamedTuple):
    """Numbers of parameters; those of a tuner and of a prompt encoder are among them.

    Attributes:
        total: all, without the originals of modules that are trained as copies.
        trainable: those that training changes.
    """

    total: int
    trainable: int

    @property
    def facts(self) -> dict[str, int]:
        """What `all_results.json` says of them."""
        return {"num_parameters": self.total, "num_trainable_parameters": self.trainable}

    def __str__(self) -> str:
        text = f"{self.total / 1e6:.1f} M parameters"
        if self.trainable == self.total:
            return text
        return f"{text}, {self.trainable:,} ({self.trainable / self.total:.2%}) of them trained"


def count_parameters(model: torch.nn.Module) -> ParameterCounts:
    """Counts the parameters of a model, tuned or not."""
    used = [parameter for name, parameter in model.named_parameters() if ".original_module." not in name]
    return ParameterCounts(
        total=sum(parameter.numel() for parameter in used),
        trainable=sum(parameter.numel() for parameter in used if parameter.requires_grad),
    )
