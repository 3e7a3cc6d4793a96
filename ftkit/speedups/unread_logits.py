"""Heads that compute no logits which no loss reads.

A model with a vocabulary computes logits for all V tokens at every position, (B, T, V). A loss reads few of them:
those of an answer, not of what was given to read; 15 of 100 tokens of a masked text; never padding. Before the head
its states (B, T, H) are cut down to these N positions, (1, N, H), and the head gives (1, N, V). Of 8 conversations of
300 tokens and answers of 40, 320 of 2,400 positions are left; for a vocabulary of 49,152 their logits take 63 MB of
memory in the place of 472.

    skip_unread_logits(model, objective)
    with computing(batch):                    # labels say where the loss reads
        outputs = model(**batch.inputs)       # outputs.logits: (1, N, V)
    objective.loss(outputs, batch)            # as ever

Outside of `computing`, and of batches without labels, such a model computes as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ftkit.config.train import compiles
from ftkit.engine.arguments import is_sharded
from ftkit.engine.current_batch import computing, current_batch
from ftkit.engine.predicting import evaluating
from ftkit.engine.trial import shortest_rows
from ftkit.speedups.speedup import Applied, Speedup, Workload

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from ftkit.adapters.objective import Objective
    from ftkit.adapters.rows import Batch

TOLERANCE = 1e-4  # of the loss: float32 rounds a tenth of it or less


def skip_unread_logits(model: Any, objective: Objective) -> RemovableHandle | None:
    """Cuts down what a model's head is given; returns what undoes it, or None where the model has no such head."""
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Module):
        return None

    def cut_down(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        batch = current_batch()
        read_RT = None if batch is None else objective.read_positions(batch)
        # Virtual tokens, or an image's patches, may stand before the positions of the text: all are computed then.
        if read_RT is None or not args or args[0].shape[:2] != read_RT.shape:
            return None
        return args[0][read_RT][None], *args[1:]

    return head.register_forward_pre_hook(cut_down)


def applies(workload: Workload) -> bool:
    """Tells whether a workload's settings let unread logits be skipped; whether its model does is tried later."""
    return (
        workload.train.skip_unread_logits
        and workload.tuner.quantization is None
        and not compiles(workload.train)
        and not is_sharded(workload.arguments)
    )


def apply(workload: Workload) -> Applied | None:
    """Cuts down what the head is given, if two rows have the loss that they have without; None if they have not."""
    model, objective = _bare(workload.model), workload.adapter.objective
    device = next(workload.model.parameters()).device
    batch = shortest_rows(workload.adapter, workload.rows, 2, device)
    if objective.read_positions(batch) is None:
        return None
    expected = _loss(workload, batch)
    handle = skip_unread_logits(model, objective)
    if handle is None:
        return None
    try:
        found = _loss(workload, batch)
    except (RuntimeError, ValueError, IndexError):  # a model that does more with logits than to return them
        found = float("nan")
    if not abs(found - expected) <= TOLERANCE * max(abs(expected), 1.0):
        handle.remove()
        return None
    return Applied()


def _bare(model: Any) -> Any:
    """Returns transformers' model, of which a tuner's classes may be a part."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@torch.no_grad()
def _loss(workload: Workload, batch: Batch) -> float:
    with evaluating(workload.model), computing(batch):
        outputs = workload.model(**batch.inputs)
        return float(workload.adapter.objective.loss(outputs, batch).sum())


SPEEDUP = Speedup(key="train.skip_unread_logits", moment="tuned", applies=applies, apply=apply)
