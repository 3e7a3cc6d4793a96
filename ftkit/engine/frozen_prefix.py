"""Frozen layers are computed once: their outputs are kept in the first epoch and taken from the second on.

Where the first layers of a stack do not move, a row's hidden states behind the last of them are the same in every
epoch. They are kept as float32 and without padding, tokens x width x 4 bytes: in memory or, where that is too much, in
a temporary file. If all rows of a forward pass are kept, no frozen layer is computed; if one is missing, all rows are.
Only training takes what is kept; evaluation and prediction compute everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ftkit.adapters.adapter import Batch, Encoded
from ftkit.engine.arguments import is_sharded, num_epochs
from ftkit.engine.batching import StepSize, num_batches, pad
from ftkit.engine.evaluation import evaluating
from ftkit.engine.kept_states import KeptStates, find_room
from ftkit.engine.token_rows import current_rows
from ftkit.tuners.frozen import frozen_modules, frozen_prefix
from ftkit.tuners.spec import TunerSpec

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import TrainingArguments

ROW = "row_index"  # the column of a batch that says which rows these are
# Relative to the largest hidden state. Computed twice, in batches of other shapes, states differ by rounding: some
# 1e-6. Where layers pass on more than hidden states, what comes out differs by much more.
TOLERANCE = 1e-4


class NumberedRows(torch.utils.data.Dataset[Any]):
    """Encoded rows that know their own index."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        return [{**row, ROW: index} for index, row in zip(indices, self.rows.__getitems__(indices), strict=True)]


# --- the layers ---


class FrozenLayers:
    """Layers one behind the other that can be given what the last of them would return."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers
        self._given: Any = None
        self._seen: list[torch.Tensor] | None = None
        # Of what the last layer returns: a lone tensor, or a tuple of so many items with the states in front.
        self._device, self._dtype, self._num_items = torch.device("cpu"), torch.float32, 0

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """Stands in front of the layers' own code, so that `watching` and `giving` have an effect."""
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
        states_BTH = states_BTH.to(self._device, self._dtype)
        self._given = (states_BTH, *[None] * (self._num_items - 1)) if self._num_items else states_BTH
        try:
            yield
        finally:
            self._given = None

    def _in_front_of(self, layer: Any) -> Any:
        compute, is_last = layer.forward, layer is self.layers[-1]

        def forward(*args: Any, **kwargs: Any) -> Any:
            if self._given is not None:
                return self._given
            output = compute(*args, **kwargs)
            if is_last and self._seen is not None:
                states = _padded(output[0] if isinstance(output, tuple) else output)
                self._device, self._dtype = states.device, states.dtype
                self._num_items = len(output) if isinstance(output, tuple) else 0
                self._seen[:] = [states]  # ALBERT goes through one layer many times: the last time counts
            return output

        return forward


def _padded(states: torch.Tensor) -> torch.Tensor:
    """Returns states (B, T, H), also of a model that leaves padding out: between its layers they are (1, N, H)."""
    rows = current_rows()
    return rows.padded(states) if rows is not None and states.shape[:2] == (1, rows.num_tokens) else states


class FrozenPart:
    """What of a tuned model is frozen: computed without dropout and, of rows that are kept, not at all.

    To be used as a context around the training; what is kept is given up at its end.

    Args:
        modules: all that is frozen of the body. They stay out of training mode, into which the loop puts the model.
        layers: those at the start of its stack, where their outputs are worth keeping.
        kept: None where there is no room.

    Attributes:
        facts: what `all_results.json` says of it, of this process; complete at the end of the context.
    """

    def __init__(
        self, modules: Sequence[Module], layers: FrozenLayers | None = None, kept: KeptStates | None = None
    ) -> None:
        self.modules, self.layers, self.kept = modules, layers, kept
        self.num_taken = self.num_computed = 0  # rows
        nothing = {"rows": 0, "megabytes": 0.0, "where": "none", "hit_share": 0.0}
        self.facts: dict[str, Any] = {} if layers is None else {"frozen_prefix_cache": nothing}
        self._around = contextlib.ExitStack()

    def __enter__(self) -> FrozenPart:
        if self.layers is not None and self.kept is not None:
            self._around.enter_context(self.layers.replaced())
        return self

    def __exit__(self, *error: object) -> None:
        self._around.close()
        if self.kept is not None:
            self.facts["frozen_prefix_cache"] = {
                "rows": int(self.kept.is_kept.sum()),
                "megabytes": self.kept.megabytes,
                "where": self.kept.where,
                "hit_share": self.num_taken / max(self.num_taken + self.num_computed, 1),
            }
            self.kept = None

    def rows(self, rows: Any) -> Any:
        """Returns the rows to make batches of: numbered where they are to be kept."""
        return rows if self.kept is None else NumberedRows(rows)

    @contextlib.contextmanager
    def serving(self, inputs: Batch) -> Iterator[None]:
        """Serves one forward pass in training.

        Args:
            inputs: what the model will be called with; the column `ROW` is taken out.
        """
        for module in self.modules:
            module.training = False
        if self.layers is None or self.kept is None:
            yield
            return
        rows = inputs.pop(ROW).tolist()
        states_BTH = self.kept.get(rows, inputs["attention_mask"].shape[1])
        if states_BTH is not None:
            self.num_taken += len(rows)
            with self.layers.giving(states_BTH):
                yield
        else:
            self.num_computed += len(rows)
            with self.layers.watching() as seen:
                yield
            self.kept.put(rows, seen[0])


# --- whether and where ---


def find_frozen_part(
    tuner: TunerSpec,
    arguments: TrainingArguments,
    model: Any,
    train: Encoded,
    padding: Mapping[str, int],
    size: StepSize,
) -> FrozenPart | None:
    """Returns what is frozen of a tuned model, and says where outputs of it are kept; None for other methods.

    Args:
        model: moved to its device where something is to be kept.
        padding: as the task adapter has it.
        size: what a rank computes in a batch.

    Raises:
        ConfigError: FTKIT_PREFIX_CACHE_MEMORY is no number.
    """
    if not tuner.freezes_layers:
        return None
    modules, layers = frozen_modules(model), FrozenLayers(frozen_prefix(model))
    if not (tuner.option("cache_frozen") and layers.layers and _rows_come_again(arguments, train, size)):
        return FrozenPart(modules)
    if next(model.parameters()).device != arguments.device:
        model.to(arguments.device)
    width = _width(model, layers, train, padding)
    if width is None:
        return FrozenPart(modules)
    assert arguments.output_dir is not None
    folder, processes = Path(arguments.output_dir), arguments.world_size
    return FrozenPart(modules, layers, find_room(train.lengths, width, folder=folder, processes=processes))


def _rows_come_again(arguments: TrainingArguments, train: Encoded, size: StepSize) -> bool:
    """Tells whether rows come again, in a process that calls these very layers."""
    if is_sharded(arguments) or arguments.torch_compile or arguments.n_gpu > 1:
        return False
    batches = num_batches(train.lengths, size, multiple_of=arguments.world_size) // arguments.world_size
    return num_epochs(arguments, batches) > 1


# --- whether states can stand in for layers ---


def _width(model: Any, layers: FrozenLayers, train: Encoded, padding: Mapping[str, int]) -> int | None:
    """Returns the width of the layers' hidden states; None where states cannot stand in for the layers.

    It is tried: of two rows, in another order, the body must compute the same when it is given their states. It does
    not where layers pass on more than states, or mix a text with its padding. What is below may also be trained, such
    as embeddings of added tokens.
    """
    other = np.flatnonzero(train.lengths != train.lengths[0])[:1].tolist()  # shorter or longer: one of them is padded
    lengths, batch = train.lengths[[0, *other]], train.rows.__getitems__([0, *other])
    with evaluating(model), layers.replaced():
        with layers.watching() as seen:
            expected = _body_states(model, pad(batch, padding), lengths)
        if not seen or seen[0].requires_grad or seen[0].shape[:-1] != (len(lengths), lengths.max()):
            return None
        kept = KeptStates(lengths, seen[0].shape[-1])
        kept.put(range(len(lengths)), seen[0])
        states_BTH = kept.get(range(len(lengths))[::-1], int(lengths.max()))
        assert states_BTH is not None
        try:
            with layers.giving(states_BTH):
                found = _body_states(model, pad(batch[::-1], padding), lengths[::-1])
        except Exception:  # a layer behind them misses what they would have passed on
            return None
    same = all(map(_are_close, found[::-1], expected))
    return states_BTH.shape[-1] if same else None


def _body_states(model: Any, inputs: Batch, lengths: np.ndarray) -> list[torch.Tensor]:
    """Returns what the body computes of each row, (T, H), without its padding."""
    outputs: list[Any] = []
    body = model.get_base_model().base_model
    handle = body.register_forward_hook(lambda module, args, output: outputs.append(output[0].detach()))
    try:
        model(**{name: tensor.to(model.device) for name, tensor in inputs.items() if name != "labels"})
    finally:
        handle.remove()
    return [states_TH[:length] for states_TH, length in zip(outputs[-1], lengths, strict=True)]


def _are_close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())
