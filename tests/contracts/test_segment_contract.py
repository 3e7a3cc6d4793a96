"""What every model that labels pixels keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import tiny_masks
from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.problems import Problems
from ftkit.errors import ConfigError
from ftkit.kinds.image_segmentation import KIND
from ftkit.kinds.kind import Settings
from ftkit.kinds.splits import read_splits
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Split

Made = tuple[TaskAdapter, Any, Encoded, Split, tuple[str, ...]]
every_model_type = pytest.mark.parametrize("model_type", tiny_masks.RECIPES)
CONVOLUTIONS = ("mobilenet_v2", "mobilevitv2")
"""Types without a linear layer, whose convolutions cannot be tuned."""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[[str], Made]:
    """Makes a task adapter, its model, and three encoded images; each once."""
    cells = tiny_masks.make_cells(tmp_path_factory.mktemp("cells"), count=3, size=(33, 47))
    data = KIND.data(train=str(cells))
    read = read_splits(KIND, KIND.task, data, KIND.columns_of(KIND.task, data), seed=0)
    splits, data = KIND.normalize(read, KIND.task, data, Problems())
    train = splits["train"]
    done: dict[str, Made] = {}

    def make(model_type: str) -> Made:
        if model_type not in done:
            folder = tiny_masks.make_checkpoint(model_type, tmp_path_factory.mktemp(model_type))
            labels = KIND.labels(train, KIND.task, data)
            options = KIND.adapter_options(train, labels, data, Settings())
            spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
            adapter = KIND.task_adapter(spec).make(spec, labels, options=options)
            adapter.preprocessor.fit(train.examples)
            loaded = adapter.objective.build()
            encoded = adapter.preprocessor.encode(train.examples, targets=True)
            done[model_type] = adapter, loaded.model.eval(), encoded, train, tuple(loaded.new_parameters)
        return done[model_type]

    return make


def batch_of(made: Made, rows: list[int]) -> Any:
    adapter, _, encoded, _, _ = made
    return adapter.preprocessor.collate(encoded.rows.__getitems__(rows), training=False, rngs=None)


@every_model_type
def test_an_image_s_loss_does_not_depend_on_those_beside_it(model_type, made):
    adapter, model, *_ = made(model_type)

    def losses(rows: list[int]) -> torch.Tensor:
        batch = batch_of(made(model_type), rows)
        with torch.no_grad():
            return adapter.objective.loss(model(**batch.inputs), batch)

    together = losses([0, 1, 2])
    torch.testing.assert_close(together, torch.cat([losses([row]) for row in range(3)]), rtol=1e-4, atol=1e-3)
    assert (together > 0).all()


@every_model_type
def test_loss_and_predictions_are_those_of_plain_transformers(model_type, made):
    adapter, model, encoded, _, _ = made(model_type)
    batch = batch_of(made(model_type), [0, 1, 2])
    with torch.no_grad():
        found = adapter.objective.predict(model, batch)
        # Without its auxiliary head, transformers' DPT computes no loss of its own: it ends in an error of Python.
        labels = {} if model_type == "dpt" else {"labels": batch.labels}
        plain = model(pixel_values=batch.inputs["pixel_values"], **labels)
    if labels:
        items = adapter.count_items(encoded)
        torch.testing.assert_close(found["loss"].sum() / items, plain.loss, rtol=1e-5, atol=1e-5)
    expected = adapter.preprocessor.processor.post_process_semantic_segmentation(plain, target_sizes=[(47, 33)] * 3)
    assert np.array_equal(found["predictions"], torch.stack(expected))


@every_model_type
def test_beside_an_adapter_all_that_is_new_learns(model_type, made):
    import copy

    _, model, _, _, new = made(model_type)
    spec = TunerSpec.model_validate({"method": "lora", "rank": 2})
    if model_type in CONVOLUTIONS:
        with pytest.raises(ConfigError, match="nothing was found in this checkpoint for lora to tune"):
            apply_tuner(copy.deepcopy(model), new, spec, peft_task=None)
        return
    batch = batch_of(made(model_type), [0, 1])

    def not_learning(tuned: Any) -> set[str]:
        for module in tuned.train().modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()  # the deepest has one value of a small image
        made(model_type)[0].objective.loss(tuned(**batch.inputs), batch).sum().backward()
        trained = ((name, tensor) for name, tensor in tuned.named_parameters() if tensor.requires_grad)
        names = (name for name, tensor in trained if tensor.grad is None and "lora_" not in name)
        return {name.removeprefix("base_model.model.").replace(".modules_to_save.default", "") for name in names}

    unread = not_learning(copy.deepcopy(model))  # as the first of DPT's residual layers
    tuned = apply_tuner(copy.deepcopy(model), new, spec, peft_task=None)
    assert not_learning(tuned) <= unread
    trained = [name for name, parameter in tuned.named_parameters() if parameter.requires_grad]
    assert len(trained) > len(new), "layers of the body learn, too"
