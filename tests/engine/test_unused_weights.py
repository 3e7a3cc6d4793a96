"""Weights without a gradient, for which DDP waits where it was told not to look for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from ftkit.config.train import TrainSpec
from ftkit.engine.arguments import training_arguments
from ftkit.engine.unused_weights import unused_weights_told
from ftkit.errors import ConfigError, RunError


class Heads(torch.nn.Module):
    """Two heads, one of which is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.read, self.unread = (torch.nn.Linear(2, 2) for _ in range(3))
        self.body.bias.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.read(self.body(inputs))


@pytest.fixture
def group() -> Iterator[None]:
    """A process group of this process alone."""
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("checkpointing", "key"), [(None, "ddp_find_unused_parameters"), ({"use_reentrant": True}, "use_reentrant")]
)
def test_the_key_that_makes_ranks_wait_is_told_and_one_of_the_weights(
    group: None, tmp_path: Any, checkpointing: dict[str, Any] | None, key: str
) -> None:
    from transformers import TrainingArguments

    arguments = TrainingArguments(str(tmp_path), activation_checkpointing_kwargs=checkpointing, use_cpu=True)
    model = Heads()
    ranks = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=False)
    with pytest.raises(RunError) as told, unused_weights_told(model, arguments):  # type: ignore[arg-type]
        for _ in range(2):
            ranks(torch.ones(1, 2)).sum().backward()
    assert "2 of 5 weights, such as unread.weight, of Heads had none in a step" in str(told.value)
    assert str(told.value).endswith(f"Leave {key} out.")


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="^something else$"), unused_weights_told(Heads(), None):  # type: ignore[arg-type]
        raise RuntimeError("something else")


def test_looking_for_them_while_layers_are_computed_again_inside_a_backward_pass_is_refused(tmp_path: Path) -> None:
    train = {"ddp_find_unused_parameters": True, "activation_checkpointing_kwargs": {"use_reentrant": True}}
    keys: Any = {"learning_rate": None, "primary_metric": "accuracy", "has_validation": False}
    with pytest.raises(
        ConfigError, match="ddp_find_unused_parameters: true does not go with .* Leave use_reentrant out"
    ):
        training_arguments(TrainSpec.model_validate(train), tmp_path, **keys)
    del train["ddp_find_unused_parameters"]
    assert training_arguments(TrainSpec.model_validate(train), tmp_path, **keys).ddp_find_unused_parameters is False
