"""What all task adapters share: encoded rows, batches, and how the two halves are made from their names."""

from __future__ import annotations

import inspect
import pickle
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import cells
from ftkit.adapters.objective import Objective
from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Batch, Encoded
from ftkit.errors import ConfigError
from ftkit.kinds.table import KINDS, find_kind
from ftkit.tuners.spec import METHODS

# --- encoded rows ---


def test_an_example_is_one_row_unless_it_says_more() -> None:
    encoded = Encoded([{}] * 3, np.array([4, 2, 7]))
    assert (len(encoded), encoded.num_rows) == (3, 3)
    assert encoded.rows_of(1, 3).tolist() == [1, 2]


def test_an_example_may_take_several_rows() -> None:
    encoded = Encoded([{}] * 5, np.array([4, 4, 2, 7, 7]), first_rows=np.array([0, 2, 3, 5]))
    assert (len(encoded), encoded.num_rows) == (3, 5)
    assert encoded.rows_of(0, 1).tolist() == [0, 1]
    assert encoded.rows_of(1, 3).tolist() == [2, 3, 4]


# --- batches ---


def batch(labels: Any) -> Batch:
    return Batch(
        inputs={"input_ids": torch.tensor([[5, 6], [7, 0]]), "attention_mask": torch.tensor([[1, 1], [1, 0]])},
        labels=labels,
        lengths=[2, 1],
        extras={"word_positions": torch.tensor([[0], [0]])},
        row_indices=np.array([8, 3]),
        num_positions=4,
    )


def test_a_batch_has_as_many_rows_as_its_inputs() -> None:
    assert len(batch(None)) == 2


def test_every_tensor_moves_to_a_device_and_the_batch_left_behind_stays() -> None:
    one = batch(torch.tensor([1, 0]))
    moved = one.to("meta", non_blocking=True)
    tensors = [*moved.inputs.values(), *moved.extras.values(), moved.labels]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.inputs.keys() == one.inputs.keys()
    assert (moved.lengths, moved.num_positions) == ([2, 1], 4)
    assert moved.row_indices is one.row_indices
    assert {tensor.device.type for tensor in [*one.inputs.values(), one.labels]} == {"cpu"}


def test_labels_may_be_no_tensor() -> None:
    assert batch(None).to("meta").labels is None
    # A detector's targets: so many boxes an image that no tensor holds them all.
    boxes = [{"boxes": torch.zeros(3, 4), "id": 8}, {"boxes": torch.zeros(1, 4), "id": 3}]
    moved = batch(boxes).to("meta").labels
    assert [(target["boxes"].device.type, len(target["boxes"]), target["id"]) for target in moved] == [
        ("meta", 3, 8),
        ("meta", 1, 3),
    ]


def test_worker_processes_can_send_a_batch() -> None:
    sent = pickle.loads(pickle.dumps(batch(torch.tensor([1, 0]))))
    assert sent.inputs["input_ids"].tolist() == [[5, 6], [7, 0]]
    assert (sent.labels.tolist(), sent.lengths, sent.row_indices.tolist()) == ([1, 0], [2, 1], [8, 3])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="memory is page-locked for a GPU alone")
def test_page_locked_memory() -> None:
    pinned = batch(torch.tensor([1, 0])).pin_memory()
    assert all(tensor.is_pinned() for tensor in [*pinned.inputs.values(), *pinned.extras.values(), pinned.labels])


# --- the halves ---

CELLS = [(kind, family) for kind in KINDS for family in find_kind(kind).task_adapters]


@pytest.mark.parametrize(("kind", "family"), CELLS)
def test_every_combination_names_a_preprocessor_and_an_objective(kind: str, family: Any) -> None:
    spec = find_kind(kind).task_adapters[family]
    preprocessor, objective = pkgutil.resolve_name(spec.preprocessor), pkgutil.resolve_name(spec.objective)
    assert preprocessor.version >= 1
    assert hasattr(transformers, spec.auto_class)
    assert set(spec.refuses) <= set(METHODS)
    for half, protocol in ((preprocessor, Preprocessor), (objective, Objective)):
        methods = {name for name, value in vars(protocol).items() if inspect.isfunction(value) and name[0] != "_"}
        assert {"encode", "collate"} <= methods or {"loss", "predict"} <= methods
        for name in methods:
            expected = inspect.signature(getattr(protocol, name)).parameters
            assert inspect.signature(getattr(half, name)).parameters.keys() == expected.keys(), name


def test_an_option_that_no_half_takes_is_refused(checkpoint: Callable[[str], Path]) -> None:
    """A saved run's options are data: they may come from another version, or from a stranger."""
    with pytest.raises(ConfigError, match=r"no option 'max_new_token'\. Did you mean 'max_new_tokens'"):
        cells.make_adapter("translation", "gpt2", checkpoint, max_new_token=3)


def test_each_half_takes_its_own_options(checkpoint: Callable[[str], Path]) -> None:
    adapter: Any = cells.make_adapter(
        "translation", "gpt2", checkpoint, max_new_tokens=9, label_smoothing=0.1, generation={"num_beams": 3}
    )
    assert adapter.preprocessor.max_new_tokens == 9
    assert (adapter.objective.label_smoothing, adapter.objective.num_beams) == (0.1, 3)
    assert adapter.preprocessor is adapter.objective.preprocessor
    assert adapter.for_validation().preprocessor is adapter.preprocessor
    assert adapter.for_validation().objective.num_beams == 1
