"""Which adapters can share forward passes, and the batches in which they do."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ftkit.adapters.adapter import Adapter, Arrays, Batch
from ftkit.engine.batching import BatchLimits, pad
from ftkit.engine.evaluation import join, length_batches
from ftkit.inference.base_weights import BaseWeights
from ftkit.inference.shared_body import POOLER, Part, SharedBody, body_of
from ftkit.tuners.low_rank import LowRankParts, plain_model

if TYPE_CHECKING:
    from ftkit.inference.bank import Job

# Two texts of different lengths, on which an adapter must say the same in a mixed batch as by itself.
PROBES = ("the rain in a house", "no")
PROBE_TOLERANCE = 1e-4  # of the largest output: sums in another order differ by far less, another row by far more

PER_WORD = "word_positions"  # a tagger's own column: where words are, not what the model reads


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
    name: str, tuned: Any, parts: LowRankParts, adapter: Adapter, bodies: dict[Any, SharedBody], weights: BaseWeights
) -> Joined | None:
    """Lets an adapter share the body of its architecture, and tries whether it works.

    Args:
        tuned: its model, which `lies_in_layers`; it is taken apart.
        bodies: those there are, by architecture; one is added for a new one.

    Returns:
        None where it does not say the same as by itself: the architecture mixes the rows of a batch up, or runs what
        is common to all of them through layers that adapters change.
    """
    expected = _probe(tuned, adapter)
    model = plain_model(tuned, parts)
    key = (type(body_of(model)), adapter.spec.attention)
    body = bodies.get(key) or SharedBody(model)
    own = [*parts.copies.values(), *(part for change in parts.changes.values() for part in (change.down, change.up))]
    body.join(name, model, parts.changes, own_pooler=f"{model.base_model_prefix}.{POOLER}" in parts.copies)
    if not _says_the_same(expected, body, name, model, adapter):
        body.leave(name)
        return None
    bodies[key] = body
    return Joined(model, body, weights.own_bytes(model, *own))


def predict_together(body: SharedBody, jobs: Sequence[Job]) -> dict[str, Arrays]:
    """Predicts the rows of several adapters in common batches.

    Returns:
        By the names of the adapters, what `Adapter.finish` gives for their examples.
    """
    return {
        job.name: job.member.adapter.finish(arrays, job.encoded, 0, len(job.encoded))
        for job, arrays in zip(jobs, _arrays(body, jobs), strict=True)
    }


@torch.inference_mode()
def _arrays(body: SharedBody, jobs: Sequence[Job]) -> list[Arrays]:
    """Returns what each adapter says of its rows, in their order: batches of near-equal lengths, longest first."""
    lengths = np.concatenate([job.encoded.lengths for job in jobs])
    owners = np.repeat(np.arange(len(jobs)), [len(job.encoded.lengths) for job in jobs])
    rows = np.concatenate([np.arange(len(job.encoded.lengths)) for job in jobs])
    said: list[list[tuple[np.ndarray, Batch]]] = [[] for _ in jobs]
    for batch in length_batches(lengths, np.arange(len(lengths)), _strictest(jobs))[::-1]:
        shares = [(owner, rows[batch[owners[batch] == owner]]) for owner in np.unique(owners[batch]).tolist()]
        inputs = [_padded(jobs[owner], share, int(lengths[batch].max()), body) for owner, share in shares]
        if body.fills_token_types:
            _fill_token_types(inputs)
        parts = [_part(jobs[owner], one) for (owner, _), one in zip(shares, inputs, strict=True)]
        for (owner, share), outputs in zip(shares, body.run(parts), strict=True):
            said[owner].append((share, outputs))
    return [_in_order(found) for found in said]


def _padded(job: Job, rows: np.ndarray, width: int, body: SharedBody) -> Batch:
    """Returns some rows of an adapter, padded to a number of tokens."""
    padding = job.member.adapter.padding
    batch = pad(job.encoded.rows.__getitems__(rows.tolist()), padding)
    for name in batch.keys() - {PER_WORD}:
        missing = width - batch[name].shape[1]
        batch[name] = functional.pad(batch[name], (0, missing), value=padding.get(name, 0))
    return {name: tensor.to(body.body.device) for name, tensor in batch.items()}


def _fill_token_types(inputs: Sequence[Batch]) -> None:
    """Gives all inputs token types if some have them: zeros, as the body reads them where they are absent."""
    if any("token_type_ids" in batch for batch in inputs):
        for batch in inputs:
            batch.setdefault("token_type_ids", torch.zeros_like(batch["input_ids"]))


def _part(job: Job, inputs: Batch) -> Part:
    return Part(job.name, job.member.model, functools.partial(job.member.adapter.run, inputs=inputs))


def _in_order(found: Sequence[tuple[np.ndarray, Batch]]) -> Arrays:
    """Joins what was said of some rows at a time; only now is a GPU waited for."""
    places = np.argsort(np.concatenate([rows for rows, _ in found]), kind="stable")
    return {name: join([batch[name].cpu().numpy() for _, batch in found])[places] for name in found[0][1]}


def _strictest(jobs: Sequence[Job]) -> BatchLimits:
    limits = [job.member.limits for job in jobs]
    return BatchLimits(
        min(one.max_rows for one in limits),
        min(one.max_tokens for one in limits),
        max(one.batch_cost for one in limits),
    )


@torch.inference_mode()
def _probe(model: Any, adapter: Adapter) -> torch.Tensor:
    """Returns a model's outputs for the probes."""
    encoding = adapter.tokenizer(list(PROBES), padding=True, return_tensors="pt")
    inputs = {name: encoding[name].to(model.device) for name in ("input_ids", "attention_mask")}
    return model(**inputs).logits


@torch.inference_mode()
def _says_the_same(expected: torch.Tensor, body: SharedBody, name: str, model: Any, adapter: Adapter) -> bool:
    """Compares an adapter's outputs for the probes in a batch with bare rows with those it had by itself."""
    run = functools.partial(_probe, adapter=adapter)
    found = body.run([Part(None, model, run), Part(name, model, run)])[1]
    return float((found - expected).abs().max()) <= PROBE_TOLERANCE * max(1.0, float(expected.abs().max()))
