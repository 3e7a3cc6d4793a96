"""The base's weights, each held once, however many models are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ftkit.models.loading import LoadedModel


class BaseWeights:
    """Gives models the base's own tensors in place of equal ones of theirs.

    Only what is equal bit by bit is replaced, so that no model changes, whatever its architecture calls its parts and
    whatever an adapter did to them. Nothing that uses these tensors may write to them.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._by_look: dict[Any, list[torch.nn.Parameter]] = {}
        self._ids: set[int] = set()

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.nbytes for tensors in self._by_look.values() for tensor in tensors)

    def clear(self) -> None:
        """Forgets all tensors."""
        self._by_look.clear()
        self._ids.clear()

    def learn(self, built: LoadedModel) -> None:
        """Keeps copies of what the checkpoint provided of a model and is not known yet."""
        import torch

        for name, parameter in built.model.named_parameters():
            if name not in built.new_parameters and self._find(parameter) is None:
                copy = parameter.detach().to(self.device, copy=True)
                tensor = torch.nn.Parameter(copy, requires_grad=False)
                self._by_look.setdefault(_look(parameter), []).append(tensor)
                self._ids.add(id(tensor))

    def give_to(self, model: torch.nn.Module) -> None:
        """Replaces every parameter that equals one of the base's by the base's own."""
        for module in model.modules():
            for name, parameter in module._parameters.items():
                found = None if parameter is None else self._find(parameter)
                if found is not None:
                    module._parameters[name] = found

    def holds(self, parameter: torch.Tensor) -> bool:
        """Tells whether a parameter is the base's own."""
        return id(parameter) in self._ids

    def own_bytes(self, *modules: torch.nn.Module) -> int:
        """Returns the bytes of what is not the base's in some modules, buffers included."""
        tensors = {
            id(tensor): tensor.nbytes
            for module in modules
            for tensor in (*module.parameters(), *module.buffers())
            if not self.holds(tensor)
        }
        return sum(tensors.values())

    def _find(self, parameter: torch.nn.Parameter) -> torch.nn.Parameter | None:
        import torch

        if self.holds(parameter):
            return parameter
        for tensor in self._by_look.get(_look(parameter), []):
            if torch.equal(tensor, parameter.detach().to(self.device)):
                return tensor
        return None


def _look(parameter: torch.Tensor) -> tuple[Any, ...]:
    """Returns what tells most tensors apart without a look at all their values."""
    return parameter.dtype, parameter.shape, *parameter.detach().flatten()[:8].tolist()
