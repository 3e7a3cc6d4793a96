"""Losses that compare all rows of an optimizer step, however many micro-batches and processes compute them.

No process holds a step's forward passes at once. So every process first computes the vectors of its micro-batches
without gradients, and all of them share these. Then each micro-batch is computed once more: with its own rows' vectors
in the place of the noted ones, the loss of the whole step has the gradient that one pass over the whole step would
have given these rows, and the gradients of the parts add up to it.

    one process, two accumulated:  v1, v2 without gradients;  loss(v1', v2), backward;  loss(v1, v2'), backward
    two processes, none accumulated:  loss(v1', v2), backward   and   loss(v1, v2'), backward

Where a process computes all of its rows at once, its vectors are those of the pass with gradients, and nothing is
computed twice. Source: Gao et al. (2021), arXiv 2101.06983 (GradCache).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ftkit.adapters.objective import Objective
from ftkit.adapters.rows import Batch, Tensors
from ftkit.engine.pass_state import PassState, running_statistics

if TYPE_CHECKING:
    from accelerate import Accelerator


class ComparedSteps:
    """The vectors of a step's rows, of all processes, and the loss of the whole step.

    Args:
        model: as it is trained, without what Accelerate wraps around it.
    """

    def __init__(self, objective: Objective, accelerator: Accelerator, model: torch.nn.Module) -> None:
        self._objective, self._accelerator, self._model = objective, accelerator, model
        self._buffers = running_statistics(model)
        self._noted: Tensors | None = None
        self._counts: list[int] = []
        self._next = self._start = 0

    def begin(self, parts: Sequence[tuple[Batch, bool]], embed: Callable[[Batch], Any], device: torch.device) -> None:
        """Notes the vectors of all rows of a step; all processes call it together, before the first of its passes.

        Args:
            parts: this process's micro-batches, and whether their losses count.
            embed: a micro-batch -> the model's outputs.
        """
        self._next, self._counts = 0, [len(batch) if counts else 0 for batch, counts in parts]
        if len(parts) == 1:
            self._noted = None
            return
        before = PassState(self._buffers, device)
        with torch.no_grad():
            own = [self._objective.vectors(embed(batch), batch) for batch, _ in parts]
        before.restore()  # the same dropout in the passes that follow, and statistics that see each row once
        counted = [
            {name: tensor[:count] for name, tensor in of_part.items()}
            for of_part, count in zip(own, self._counts, strict=True)
        ]
        self._noted = self._shared({name: torch.cat([part[name] for part in counted]) for name in own[0]})

    def losses(self, outputs: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the loss of the next micro-batch's rows, (B,), and a sum of it with the gradient of the whole step.

        Args:
            outputs: of the model, for the next of the micro-batches that `begin` was told.
        """
        count, place = self._counts[self._next], sum(self._counts[: self._next])
        self._next += 1
        vectors = self._objective.vectors(outputs, batch)
        live = {name: tensor[:count] for name, tensor in vectors.items()}
        noted = self._noted
        if noted is None:
            noted = self._shared({name: tensor.detach() for name, tensor in live.items()})
        start = self._start + place
        step = {
            name: torch.cat([tensor[:start], live[name], tensor[start + count :]]) for name, tensor in noted.items()
        }
        losses_N = self._objective.step_losses(self._model, step, count / len(next(iter(step.values()))))
        own_B, whole = losses_N[start : start + count], losses_N.sum()
        if not count:  # processes meet in every backward pass, also where a row only stands in
            whole = whole + 0 * sum(tensor.sum() for tensor in vectors.values())
        return own_B, own_B.sum().detach() + whole - whole.detach()

    def _shared(self, own: Tensors) -> Tensors:
        """Returns the rows of all processes, in their order; where this one's begin is noted."""
        num_own = len(next(iter(own.values())))
        if self._accelerator.num_processes == 1:
            self._start = 0
            return own
        counts = self._accelerator.gather(torch.tensor([num_own], device=self._accelerator.device)).tolist()
        self._start, most = sum(counts[: self._accelerator.process_index]), max(counts)
        return {name: self._gathered(tensor, counts, most) for name, tensor in own.items()}

    def _gathered(self, tensor: torch.Tensor, counts: Sequence[int], most: int) -> torch.Tensor:
        padded = torch.cat([tensor, tensor.new_zeros(most - len(tensor), *tensor.shape[1:])])
        of_ranks = self._accelerator.gather(padded.contiguous()).split(most)
        return torch.cat([of_rank[:count] for of_rank, count in zip(of_ranks, counts, strict=True)])
