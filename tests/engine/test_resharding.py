"""Weights of a sharded model for a plain one: all of them, or an error."""

from __future__ import annotations

import pytest
import torch

from ftkit.engine.resharding import WHOLE_WEIGHTS, load_weights
from ftkit.errors import RunError


def test_weights_of_a_sharded_model_are_loaded_by_name(tmp_path):
    model = torch.nn.Linear(2, 1)
    torch.save({"weight": torch.ones(1, 2)}, tmp_path / WHOLE_WEIGHTS)  # what is trained, as of an adapter
    load_weights(model, tmp_path, lambda: model)
    assert model.weight.tolist() == [[1, 1]]


@pytest.mark.parametrize("state", [{"layer.weight": torch.ones(1, 2)}, {}], ids=["other names", "nothing"])
def test_weights_that_the_model_has_no_place_for_are_not_passed_over(state, tmp_path):
    torch.save(state, tmp_path / WHOLE_WEIGHTS)
    with pytest.raises(RunError, match=r"other names than the model's.*train\.fsdp"):
        load_weights(model := torch.nn.Linear(2, 1), tmp_path, lambda: model)
