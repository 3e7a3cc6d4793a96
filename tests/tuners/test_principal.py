"""PiSSA: what was trained on the rest of the weights is saved as a plain LoRA on the whole of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import cells
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.principal import as_plain_lora, principal_parts
from ftkit.tuners.spec import TunerSpec


@pytest.mark.parametrize(
    ("down", "up"),
    [("layer.lora_A.weight", "layer.lora_B.weight"), ("table.lora_embedding_A", "table.lora_embedding_B")],
)
def test_the_saved_change_is_the_difference_of_the_factors(down: str, up: str) -> None:
    torch.manual_seed(0)
    initial = principal_parts({down: torch.randn(2, 5), up: torch.randn(7, 2), "classifier.weight": torch.ones(1)})
    assert initial.keys() == {down, up}
    state = {down: torch.randn(2, 5), up: torch.randn(7, 2), "classifier.weight": torch.ones(1)}
    config = SimpleNamespace(r=2, lora_alpha=6.0, init_lora_weights="pissa")
    config, plain = as_plain_lora(config, state, initial)
    expected = state[up] @ state[down] - initial[up] @ initial[down]
    torch.testing.assert_close(plain[up] @ plain[down], expected)
    assert (config.r, config.lora_alpha, config.init_lora_weights) == (4, 12.0, True)  # scaled by 3 as before
    assert torch.equal(plain["classifier.weight"], state["classifier.weight"])


@pytest.fixture(scope="module")
def tune(checkpoint: Callable[[str], Path]) -> Callable[..., Any]:
    def make(**options: Any) -> tuple[Any, Any]:
        adapter = cells.make_adapter("text-classification", "bert", checkpoint)
        before, built = adapter.objective.build().model, adapter.objective.build()
        spec = TunerSpec(method="pissa", **options)
        tuned = apply_tuner(built.model, built.new_parameters, spec, peft_task="SEQ_CLS")
        return before, tuned

    return make


@pytest.mark.parametrize("options", [{}, {"rank": 3}, {"rank": 3, "alpha": 12.0}])
def test_the_principal_components_leave_the_weights(options: dict[str, Any], tune: Callable[..., Any]) -> None:
    before, tuned = tune(**options)
    name = "bert.encoder.layer.0.intermediate.dense"
    layer = tuned.get_base_model().get_submodule(name)
    weight = before.get_submodule(name).weight
    torch.testing.assert_close(layer.base_layer.weight + layer.get_delta_weight("default"), weight)
    rank = options.get("rank", 16)
    left, kept = torch.linalg.svdvals(layer.base_layer.weight), torch.linalg.svdvals(weight)
    torch.testing.assert_close(left[: 32 - rank], kept[rank:], rtol=1e-3, atol=1e-4)


def test_there_are_no_more_components_than_the_narrowest_layer_is_wide(tune: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"tuner.rank: pissa starts from 33 .*query has 32. Say at most"):
        tune(rank=33)
