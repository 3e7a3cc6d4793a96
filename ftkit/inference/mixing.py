"""Which adapters can share forward passes, and the batches in which they do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ftkit.adapters.rows import Arrays, Batch, Tensors
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.engine.batching import BatchLimits
from ftkit.engine.out_of_memory import computed_in_memory
from ftkit.engine.predicting import cost_batches, join
from ftkit.inference.base_weights import BaseWeights
from ftkit.inference.shared_body import POOLER, Part, SharedBody, body_of
from ftkit.models.attention_kernels import attention_of_any_shape
from ftkit.models.outputs import logits_of
from ftkit.tuners.low_rank import LowRankParts, plain_model

if TYPE_CHECKING:
    from ftkit.inference.bank_member import Job

# Of made-up inputs of different lengths, of which an adapter must say the same in a mixed batch as by itself.
NUM_PROBES = 2
PROBE_TOLERANCE = 1e-4  # of the largest output: sums in another order differ by far less, another row by far more


TOKEN_TYPES = "token_type_ids"


class Joined(NamedTuple):
    """An adapter on a shared body; see `Member`."""

    model: Any
    body: SharedBody
    num_bytes: int


def lies_in_layers(tuned: Any, parts: LowRankParts) -> bool:
    """Tells whether all that an adapter does to the body of its model is to change layers and to bring a pooler."""
    model = tuned.get_base_model()
    inside = f"{model.base_model_prefix}."
    return (
        body_of(model) is not None
        and all(layer.startswith(inside) for layer in parts.changes)
        and all(not copy.startswith(inside) or copy == inside + POOLER for copy in parts.copies)
    )


def join_body(
    name: str,
    tuned: Any,
    parts: LowRankParts,
    adapter: TaskAdapter,
    probes: Sequence[Any],
    bodies: dict[Any, SharedBody],
    weights: BaseWeights,
) -> Joined | None:
    """Lets an adapter share the body of its architecture, and tries whether it works.

    Args:
        tuned: its model, which `lies_in_layers`; it is taken apart.
        probes: examples of different lengths.
        bodies: those there are, by architecture; one is added for a new one.

    Returns:
        None where it does not say the same as by itself: the architecture mixes the rows of a batch up, or runs what
        is common to all of them through layers that adapters change.
    """
    preprocessor = adapter.preprocessor
    rows = preprocessor.encode(probes, targets=False).rows.__getitems__(list(range(len(probes))))
    batch = preprocessor.collate(rows, training=False, rngs=None).to(tuned.device)
    expected = _logits(tuned, batch)
    model = plain_model(tuned, parts)
    key = (type(body_of(model)), adapter.spec.attention)
    body = bodies.get(key) or SharedBody(model)
    own = [*parts.copies.values(), *(part for change in parts.changes.values() for part in (change.down, change.up))]
    body.join(name, model, parts.changes, own_pooler=f"{model.base_model_prefix}.{POOLER}" in parts.copies)
    if not _says_the_same(expected, body, name, model, batch):
        body.leave(name)
        return None
    bodies[key] = body
    return Joined(model, body, weights.own_bytes(model, *own))


def predict_together(body: SharedBody, jobs: Sequence[Job]) -> dict[str, Arrays]:
    """Predicts the rows of several adapters in common batches.

    Returns:
        By the names of the adapters, what `Objective.finish` gives for their examples.
    """
    return {
        job.name: job.member.adapter.objective.finish(arrays, job.encoded, 0, len(job.encoded))
        for job, arrays in zip(jobs, _arrays(body, jobs), strict=True)
    }


@torch.inference_mode()
@attention_of_any_shape()
def _arrays(body: SharedBody, jobs: Sequence[Job]) -> list[Arrays]:
    """Returns what each adapter says of its rows, in their order: batches of near-equal costs, longest first."""
    costs = np.concatenate([job.encoded.costs for job in jobs])
    owners = np.repeat(np.arange(len(jobs)), [job.encoded.num_rows for job in jobs])
    rows = np.concatenate([np.arange(job.encoded.num_rows) for job in jobs])

    def outputs_of(batch: np.ndarray) -> list[tuple[int, np.ndarray, Tensors]]:
        shares = [(owner, rows[batch[owners[batch] == owner]]) for owner in np.unique(owners[batch]).tolist()]
        inputs = [_padded(jobs[owner], share, int(costs[batch].max()), body) for owner, share in shares]
        if body.fills_token_types:
            _fill_token_types(inputs)
        parts = [_part(jobs[owner], one) for (owner, _), one in zip(shares, inputs, strict=True)]
        return [(*share, outputs) for share, outputs in zip(shares, body.run(parts), strict=True)]

    said: list[list[tuple[np.ndarray, Tensors]]] = [[] for _ in jobs]
    batches = cost_batches(costs, np.arange(len(costs)), _strictest(jobs))[::-1]
    for _, found in computed_in_memory(outputs_of, batches, costs, body.body.device):
        for owner, share, outputs in found:
            said[owner].append((share, outputs))
    return [_in_order(found) for found in said]


def _padded(job: Job, rows: np.ndarray, width: int, body: SharedBody) -> Batch:
    """Returns some rows of an adapter, padded to a number of positions."""
    preprocessor = job.member.adapter.preprocessor
    batch = preprocessor.collate(job.encoded.rows.__getitems__(rows.tolist()), training=False, rngs=None)
    for name, tensor in batch.inputs.items() if batch.lengths is not None else ():
        missing = width - tensor.shape[1]
        batch.inputs[name] = functional.pad(tensor, (0, missing), value=preprocessor.padding.get(name, 0))
    return batch.to(body.body.device)


def _fill_token_types(batches: Sequence[Batch]) -> None:
    """Gives all inputs token types if some have them: zeros, as the body reads them where they are absent."""
    if any(TOKEN_TYPES in batch.inputs for batch in batches):
        for batch in batches:
            batch.inputs.setdefault(TOKEN_TYPES, torch.zeros_like(next(iter(batch.inputs.values()))))


def _part(job: Job, batch: Batch) -> Part:
    return Part(job.name, job.member.model, functools.partial(job.member.adapter.objective.predict, batch=batch))


def _in_order(found: Sequence[tuple[np.ndarray, Tensors]]) -> Arrays:
    """Joins what was said of some rows at a time; only now is a GPU waited for."""
    places = np.argsort(np.concatenate([rows for rows, _ in found]), kind="stable")
    return {name: join([batch[name].cpu().numpy() for _, batch in found])[places] for name in found[0][1]}


def _strictest(jobs: Sequence[Job]) -> BatchLimits:
    limits = [job.member.limits for job in jobs]
    return BatchLimits(
        min(one.max_rows for one in limits),
        min(one.max_cost for one in limits),
        max(one.batch_cost for one in limits),
    )


@torch.inference_mode()
def _logits(model: Any, batch: Batch) -> torch.Tensor:
    """Returns a model's outputs for a batch."""
    return logits_of(model(**batch.inputs))


@torch.inference_mode()
def _says_the_same(expected: torch.Tensor, body: SharedBody, name: str, model: Any, batch: Batch) -> bool:
    """Compares an adapter's outputs for the probes in a batch with bare rows with those it had by itself."""
    run = functools.partial(_logits, batch=batch)
    found = body.run([Part(None, model, run), Part(name, model, run)])[1]
    return float((found - expected).abs().max()) <= PROBE_TOLERANCE * max(1.0, float(expected.abs().max()))
