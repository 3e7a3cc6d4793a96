"""Frozen layers are computed once: their outputs are kept in the first epoch and taken from the second on.

Where the first layers of a stack do not move, a row's hidden states behind the last of them are the same in every
epoch. They are kept as float32 and without padding, tokens x width x 4 bytes: in memory or, where that is too much, in
a temporary file. A row is always kept as the first epoch computes it, in the same company: a run that is resumed later
computes that part of the first epoch when it meets one of its rows, and so does a process that meets a row of another
one. So where a run was interrupted, and how often, changes nothing. Only training takes what is kept; evaluation and
prediction compute everything.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Batch, Encoded
from ftkit.config.train import TrainSpec
from ftkit.engine.arguments import is_sharded, num_epochs, num_micro_batches
from ftkit.engine.batching import num_steps
from ftkit.engine.current_batch import computing, current_batch
from ftkit.engine.out_of_memory import computed_in_memory
from ftkit.engine.pass_state import PassState, running_statistics
from ftkit.engine.predicting import evaluating
from ftkit.engine.step_plan import plan_steps
from ftkit.speedups.first_epoch import FirstEpoch
from ftkit.speedups.kept_states import KeptStates, find_room, memory_limit
from ftkit.speedups.speedup import Applied, Speedup, Workload
from ftkit.speedups.token_rows import current_rows
from ftkit.tuners.frozen import frozen_prefix
from ftkit.tuners.spec import TunerSpec

# Relative to the largest hidden state. Computed twice, in batches of other shapes, states differ by rounding: some
# 1e-6. Where layers pass on more than hidden states, what comes out differs by much more.
TOLERANCE = 1e-4


# --- the layers ---


class FrozenLayers:
    """Layers one behind the other that can be given what the last of them would return."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers
        self._given: Any = None
        self._seen: list[torch.Tensor] | None = None
        # Of what the last layer returns: a lone tensor, or a tuple of so many items with the states in front.
        self._device, self._dtype, self._num_items = torch.device("cpu"), torch.float32, 0
        self._kept: KeptStates | None = None
        self._batch: Batch | None = None  # the one that is computed, of which is known whether its rows are kept
        self.num_taken = self.num_computed = 0  # rows

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """Stands in front of the layers' own code, so that `watching`, `giving` and `serving` have an effect."""
        own = [vars(layer).get("forward") for layer in self.layers]
        for layer in self.layers:
            layer.forward = self._in_front_of(layer)
        try:
            yield
        finally:
            for layer, forward in zip(self.layers, own, strict=True):
                del layer.forward
                if forward is not None:
                    layer.forward = forward

    @contextlib.contextmanager
    def watching(self) -> Iterator[list[torch.Tensor]]:
        """Yields a list that holds the last layer's hidden states (B, T, H) as soon as they are computed."""
        self._seen = []
        try:
            yield self._seen
        finally:
            self._seen = None

    @contextlib.contextmanager
    def giving(self, states_BTH: torch.Tensor) -> Iterator[None]:
        """Makes every layer return these states, in the form in which the last one was seen to return its own."""
        self._given = self._in_form(states_BTH)
        try:
            yield
        finally:
            self._given = None

    def serve(self, kept: KeptStates) -> None:
        """From now on keeps the states of training rows that are computed, and gives them when the rows come again."""
        self._kept = kept

    def _in_form(self, states_BTH: torch.Tensor) -> Any:
        states_BTH = states_BTH.to(self._device, self._dtype)
        return (states_BTH, *[None] * (self._num_items - 1)) if self._num_items else states_BTH

    def _look_up(self) -> None:
        """Finds what is kept of the batch that is computed; done once for all layers."""
        batch = current_batch()
        if self._kept is None or batch is self._batch:
            return
        self._batch, self._given = batch, None
        if batch is None or batch.row_indices is None or batch.lengths is None or batch.row_counts is not None:
            return
        states_BTH = self._kept.get(batch.row_indices.tolist(), max(batch.lengths))
        if states_BTH is None:
            self.num_computed += len(batch)
        else:
            self.num_taken += len(batch)
            self._given = self._in_form(states_BTH)

    def _keep(self, states_BTH: torch.Tensor) -> None:
        """Keeps what the last layer returned; of ALBERT, which goes through one layer many times, the last time."""
        if self._seen is not None:
            self._seen[:] = [states_BTH]
        batch = self._batch
        if self._kept is not None and batch is not None and batch.row_indices is not None and not batch.row_counts:
            self._kept.put(batch.row_indices.tolist(), states_BTH)

    def _in_front_of(self, layer: Any) -> Any:
        compute, is_last = layer.forward, layer is self.layers[-1]

        def forward(*args: Any, **kwargs: Any) -> Any:
            self._look_up()
            if self._given is not None:
                return self._given
            output = compute(*args, **kwargs)
            if is_last:
                states = _padded(output[0] if isinstance(output, tuple) else output)
                self._device, self._dtype = states.device, states.dtype
                self._num_items = len(output) if isinstance(output, tuple) else 0
                self._keep(states)
            return output

        return forward


class _Filling:
    """Computes what the first epoch would have kept by now, before a forward pass that needs it.

    Args:
        costs: positions of each row, (R,).
    """

    def __init__(self, kept: KeptStates, first_epoch: FirstEpoch, costs: np.ndarray) -> None:
        self.kept, self.first_epoch, self.costs = kept, first_epoch, costs

    def __call__(self, model: Any, args: Any) -> None:
        """Fills up for a batch of a later epoch; in the first one, batches are kept as they pass."""
        batch = current_batch()
        if batch is None or batch.row_indices is None or batch.lengths is None or not batch.epoch:
            return
        for row in batch.row_indices.tolist():
            if not self.kept.is_kept[row]:
                self._compute(model, self.first_epoch.part_of(row))

    def _compute(self, model: Any, part: np.ndarray) -> None:
        """Computes a part as a training pass would, gradients included, and leaves no trace but what is kept."""
        before = PassState(running_statistics(model), model.device)
        for _ in computed_in_memory(functools.partial(self._pass, model), [part], self.costs, model.device):
            pass
        before.restore()

    def _pass(self, model: Any, rows: np.ndarray) -> None:
        batch = self.first_epoch.batch(rows.tolist()).to(model.device)
        with computing(batch):
            model(**batch.inputs)


def _padded(states: torch.Tensor) -> torch.Tensor:
    """Returns states (B, T, H), also of a model that leaves padding out: between its layers they are (1, N, H)."""
    rows = current_rows()
    return rows.padded(states) if rows is not None and states.shape[:2] == (1, rows.num_tokens) else states


# --- whether and where ---


def applies(workload: Workload) -> bool:
    """Tells whether layers are frozen whole, and rows come again in a process that calls these very layers."""
    tuner, arguments = workload.tuner, workload.arguments
    if workload.streams or not (tuner.freezes_layers and tuner.option("cache_frozen")):
        return False
    if is_sharded(arguments) or arguments.torch_compile or arguments.n_gpu > 1 or workload.size is None:
        return False
    in_step = num_micro_batches(arguments)
    return num_epochs(arguments, num_steps(workload.rows.costs, workload.size, num_micro_batches=in_step)) > 1


def apply(workload: Workload) -> Applied | None:
    """Keeps the outputs of a model's frozen layers, and says where; None where they cannot be kept.

    The model is moved to its device.
    """
    model, arguments, rows = workload.model, workload.arguments, workload.rows
    layers = FrozenLayers(frozen_prefix(model))
    if not layers.layers:
        return None
    if next(model.parameters()).device != arguments.device:
        model.to(arguments.device)
    width = _width(model, layers, rows, workload.adapter.preprocessor)
    if width is None:
        return None
    kept = find_room(rows.costs, width, folder=Path(str(arguments.output_dir)), processes=arguments.world_size)
    nothing = {"rows": 0, "megabytes": 0.0, "where": "none", "hit_share": 0.0}
    if kept is None:
        return Applied(facts={"frozen_prefix_cache": nothing})
    layers.serve(kept)
    around = contextlib.ExitStack()
    around.enter_context(layers.replaced())
    assert workload.size is not None
    plan = plan_steps(rows.costs, workload.size, arguments)
    first_epoch = FirstEpoch(rows, workload.adapter.preprocessor, plan)
    filling = model.register_forward_pre_hook(_Filling(kept, first_epoch, rows.costs))
    around.callback(filling.remove)
    applied = Applied(facts={"frozen_prefix_cache": nothing})
    applied.close = functools.partial(_close, applied, layers, kept, around)
    return applied


def _close(applied: Applied, layers: FrozenLayers, kept: KeptStates, around: contextlib.ExitStack) -> None:
    around.close()
    applied.facts["frozen_prefix_cache"] = {
        "rows": int(kept.is_kept.sum()),
        "megabytes": kept.megabytes,
        "where": kept.where,
        "hit_share": layers.num_taken / max(layers.num_taken + layers.num_computed, 1),
    }
    kept.release()


def check(train: TrainSpec, tuner: TunerSpec) -> None:
    """Refuses a limit of memory that is no number.

    Raises:
        ConfigError: FTKIT_PREFIX_CACHE_MEMORY is none.
    """
    memory_limit()


SPEEDUP = Speedup(key="tuner.cache_frozen", moment="tuned", applies=applies, apply=apply, check=check)


# --- whether states can stand in for layers ---


def _width(model: Any, layers: FrozenLayers, train: Encoded, preprocessor: Preprocessor) -> int | None:
    """Returns the width of the layers' hidden states; None where states cannot stand in for the layers.

    It is tried: of two rows, in another order, the body must compute the same when it is given their states. It does
    not where layers pass on more than states, or mix a text with its padding. Inputs that are drawn anew in each epoch
    have no states to be kept. What is below may also be trained, such as embeddings of added tokens.
    """
    other = np.flatnonzero(train.costs != train.costs[0])[:1].tolist()  # shorter or longer: one of them is padded
    lengths, rows = train.costs[[0, *other]], train.rows.__getitems__([0, *other])
    one, two = (preprocessor.collate(some, training=False, rngs=None) for some in (rows, rows[::-1]))
    if one.lengths is None or list(one.lengths) != lengths.tolist():
        return None  # an encoder-decoder's row also costs what it writes
    if preprocessor.augments or _are_drawn_anew(preprocessor, rows):
        return None
    with evaluating(model), layers.replaced():
        with layers.watching() as seen:
            expected = _body_states(model, one, lengths)
        if not seen or seen[0].requires_grad or seen[0].shape[:-1] != (len(lengths), lengths.max()):
            return None
        kept = KeptStates(lengths, seen[0].shape[-1])
        kept.put(range(len(lengths)), seen[0])
        states_BTH = kept.get(range(len(lengths))[::-1], int(lengths.max()))
        assert states_BTH is not None
        try:
            with layers.giving(states_BTH):
                found = _body_states(model, two, lengths[::-1])
        except Exception:  # a layer behind them misses what they would have passed on
            return None
    same = all(map(_are_close, found[::-1], expected))
    return states_BTH.shape[-1] if same else None


def _are_drawn_anew(preprocessor: Preprocessor, rows: Sequence[Any]) -> bool:
    """Tells whether training changes inputs at random, such as by masking tokens: another time in each epoch."""
    tries = []
    for seed in range(8):
        rngs = [np.random.default_rng([seed, row]) for row in range(len(rows))]
        tries.append(preprocessor.collate(rows, training=True, rngs=rngs).inputs)
    return any(not torch.equal(tensor, found[name]) for found in tries[1:] for name, tensor in tries[0].items())


def _body_states(model: Any, batch: Batch, lengths: np.ndarray) -> list[torch.Tensor]:
    """Returns what the body computes of each row, (T, H), without its padding."""
    outputs: list[Any] = []
    body = model.get_base_model().base_model
    handle = body.register_forward_hook(lambda module, args, output: outputs.append(output[0].detach()))
    try:
        model(**batch.to(model.device).inputs)
    finally:
        handle.remove()
    return [states_TH[:length] for states_TH, length in zip(outputs[-1], lengths, strict=True)]


def _are_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())
