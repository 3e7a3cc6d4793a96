"""One body that many task models call together: each row of a batch meets the changes of its own adapter.

A task model is a body and a head. Here the model keeps its head and all of its code, and a slot takes the place of its
body. A prediction runs that code twice. First the slot notes what the body is called with, which some heads work out
themselves (T5's shifts the text to the right), and stops. The calls of all adapters are joined and the body runs once.
Then the code runs through, and the slot answers with the rows of that adapter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ftkit.tuners.low_rank import LowRankChange

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

Call = dict[str, Any]  # the arguments of a body, by name

POOLER = "pooler"  # the one part of a body that a checkpoint may lack, so that adapters bring their own


class Part(NamedTuple):
    """The rows of one adapter in a batch.

    Attributes:
        name: whose changes they meet; None for the bare base.
        model: what `SharedBody.join` gave, its head.
        run: calls the model with these rows.
    """

    name: str | None
    model: PreTrainedModel
    run: Callable[[PreTrainedModel], Any]


class _Called(Exception):
    """What a task model calls its body with."""

    def __init__(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        super().__init__()
        self.arguments, self.keywords = arguments, keywords


class _Slot(torch.nn.Module):
    """Stands where a task model had its body."""

    def __init__(self) -> None:
        super().__init__()
        self.outputs: Any = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.outputs is None:
            raise _Called(args, kwargs)
        return self.outputs


class _Rows:
    """Which rows of the batch that is being computed belong to which adapter."""

    def __init__(self) -> None:
        self.total = 0
        self.spans: list[tuple[str | None, slice]] = []

    def lay(self, names: Sequence[str | None], sizes: Sequence[int]) -> None:
        """Lays the rows of adapters one behind the other."""
        ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
        self.total = ends[-1]
        self.spans = [(name, slice(end - size, end)) for name, size, end in zip(names, sizes, ends, strict=True)]

    def within(self, x: torch.Tensor) -> list[tuple[str | None, slice]]:
        """Returns the spans along the first axis of a tensor; in some architectures it runs over all tokens."""
        times = x.shape[0] // self.total
        return [(name, slice(span.start * times, span.stop * times)) for name, span in self.spans]


class _Changes:
    """A forward hook that adds the changes of adapters to the output of one layer."""

    def __init__(self, rows: _Rows) -> None:
        self.rows = rows
        self.by_name: dict[str | None, LowRankChange] = {}
        self.handle: Any = None

    def __call__(self, layer: Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        for name, span in self.rows.within(inputs[0]):
            if name in self.by_name:
                output[span] += self.by_name[name](inputs[0][span])
        return output


class _OwnPoolers(torch.nn.Module):
    """Gives each row to the pooler of its adapter; rows of an adapter without one get zeros, which it never reads."""

    def __init__(self, rows: _Rows) -> None:
        super().__init__()
        self.rows = rows
        self.by_name: dict[str | None, Module] = {}  # a plain dict: module names may not hold every adapter's name

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        spans = self.rows.within(hidden)
        pooled = {name: self.by_name[name](hidden[span]) for name, span in spans if name in self.by_name}
        shape = next((part.shape[1:] for part in pooled.values()), (1,))
        parts = [
            pooled[name] if name in pooled else hidden.new_zeros((span.stop - span.start, *shape))
            for name, span in spans
        ]
        return torch.cat(parts)


class SharedBody:
    """The body of one architecture, with the changes of any number of adapters.

    Attributes:
        body: the module; its weights are the base's.
        fills_token_types: it reads absent token types as zeros, so rows with and without them fit into one batch.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        """Takes the body of a plain task model, of an adapter that is about to join."""
        self.body = body_of(model)
        self.fills_token_types = any(name.endswith("token_type_ids") for name, _ in self.body.named_buffers())
        self._signature = inspect.signature(self.body.forward)
        self._rows = _Rows()
        self._changes: dict[str, _Changes] = {}
        self._poolers: _OwnPoolers | None = None

    def join(
        self, name: str, model: PreTrainedModel, changes: Mapping[str, LowRankChange], *, own_pooler: bool
    ) -> None:
        """Takes over the body's work for a plain task model.

        Args:
            model: what is left of it is a head, to be called by `run`.
            changes: by the full names of the layers.
            own_pooler: the adapter trained a pooler.
        """
        prefix, body = model.base_model_prefix, body_of(model)
        if own_pooler:
            if self._poolers is None:
                self._poolers = _OwnPoolers(self._rows)
            self._poolers.by_name[name] = getattr(body, POOLER)
            setattr(self.body, POOLER, self._poolers)
        # A tagger's body comes without the pooler, and what goes with it, that a classifier's has.
        for child_name, child in body.named_children():
            if getattr(self.body, child_name) is None:
                setattr(self.body, child_name, child)
        for layer, change in changes.items():
            self._changes_of(layer.removeprefix(f"{prefix}.")).by_name[name] = change
        setattr(model, prefix, _Slot())

    def leave(self, name: str) -> None:
        """Drops what belongs to an adapter."""
        if self._poolers is not None:
            self._poolers.by_name.pop(name, None)
        for layer, changes in list(self._changes.items()):
            changes.by_name.pop(name, None)
            if not changes.by_name:
                changes.handle.remove()
                del self._changes[layer]

    def run(self, parts: Sequence[Part]) -> list[Any]:
        """Returns what `run` of each part returns.

        One forward pass of the body serves all parts whose models call it in the same way, as nearly all do.

        Args:
            parts: inputs padded to one length.
        """
        calls = [self._call_of(part) for part in parts]
        alike: dict[Any, list[int]] = {}
        for index, call in enumerate(calls):
            alike.setdefault(_way_of(call), []).append(index)
        found: list[Any] = [None] * len(parts)
        for indices in alike.values():
            outputs = self._run_body([parts[index].name for index in indices], [calls[index] for index in indices])
            for index, (_, span) in zip(indices, self._rows.spans, strict=True):
                found[index] = _answer(parts[index], _rows_of(outputs, span))
        return found

    def _call_of(self, part: Part) -> Call:
        """Returns what a model calls the body with, by the names of the body's arguments."""
        try:
            part.run(part.model)
        except _Called as called:
            call: Call = {}
            for name, value in self._signature.bind(*called.arguments, **called.keywords).arguments.items():
                collects = self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
                call |= value if collects else {name: value}
            # Whether it wants a tuple is for its own code to know: the slot answers with an object, which is both.
            return {name: value for name, value in call.items() if value is not None and name != "return_dict"}
        raise AssertionError(f"{type(part.model).__name__} did not call its body")

    def _run_body(self, names: Sequence[str | None], calls: Sequence[Call]) -> Any:
        """Runs the body once for several calls that are alike."""
        self._rows.lay(names, [_num_rows(call) for call in calls])
        return self.body(
            **{
                name: torch.cat([call[name] for call in calls]) if isinstance(value, torch.Tensor) else value
                for name, value in calls[0].items()
            }
        )

    def _changes_of(self, layer: str) -> _Changes:
        if layer not in self._changes:
            changes = self._changes[layer] = _Changes(self._rows)
            changes.handle = self.body.get_submodule(layer).register_forward_hook(changes)
        return self._changes[layer]


def body_of(model: PreTrainedModel) -> Any:
    """Returns the body of a task model; None where it has none that stands apart."""
    return model._modules.get(model.base_model_prefix)


def _slot(part: Part) -> Any:
    return getattr(part.model, part.model.base_model_prefix)


def _answer(part: Part, outputs: Any) -> Any:
    slot = _slot(part)
    slot.outputs = outputs
    try:
        return part.run(part.model)
    finally:
        slot.outputs = None


def _way_of(call: Call) -> Any:
    """Returns what two calls must have in common to be made as one: the same tensors, by name, and settings."""
    return tuple(
        sorted((name, "rows" if isinstance(value, torch.Tensor) else repr(value)) for name, value in call.items())
    )


def _num_rows(call: Call) -> int:
    return next(len(value) for value in call.values() if isinstance(value, torch.Tensor))


def _rows_of(outputs: Any, span: slice) -> Any:
    """Returns some rows of what a body returned; its cache, which no head reads, is left out."""
    return type(outputs)(**{name: value[span] for name, value in outputs.items() if isinstance(value, torch.Tensor)})
