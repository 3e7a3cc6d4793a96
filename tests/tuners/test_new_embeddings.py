"""Embeddings of added tokens under a tuner: trained wherever the table is read, and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import cells
import tiny
from ftkit.adapters.rows import Batch
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.saving import attach_adapter, save_adapter
from ftkit.tuners.spec import TunerSpec
from pairs import make_pairs

# More than the spare rows that T5 has for new tokens.
TOKENS = tuple(f"<new{index}>" for index in range(12))
SOURCE = "my <new0> card <new11>"
Tuned = tuple[Any, Any, Batch]


@pytest.fixture(scope="module")
def tune(checkpoint: Callable[[str], Path]) -> Callable[..., Tuned]:
    def make(name: str, method: Any) -> Tuned:
        adapter = cells.make_adapter("translation", name, checkpoint, add_tokens=TOKENS)
        torch.manual_seed(0)
        built, peft_task = adapter.objective.build(), cells.peft_task("translation", adapter)
        model = apply_tuner(built.model, built.new_parameters, TunerSpec(method=method), peft_task=peft_task).eval()
        encoded = adapter.preprocessor.encode(make_pairs((SOURCE, SOURCE)), targets=True)
        return adapter, model, tiny.batch_of(adapter, encoded)

    return make


@pytest.mark.parametrize("method", ["lora", "ia3", "prefix"])
@pytest.mark.parametrize("name", ["t5", "bart", "marian", "gpt2", "llama"])
def test_new_rows_are_trained_wherever_they_are_read_and_saved(
    name: str, method: str, tune: Callable[..., Tuned], tmp_path: Path
) -> None:
    adapter, model, batch = tune(name, method)
    id_ = adapter.preprocessor.processor.convert_tokens_to_ids("<new0>")
    assert id_ in batch.inputs["input_ids"]
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=0.02, weight_decay=0.0)
    before = model.get_input_embeddings().weight[id_].detach().clone()
    for _ in range(2):
        adapter.objective.loss(model(**batch.inputs), batch).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not torch.allclose(model.get_input_embeddings().weight[id_], before, atol=1e-3)
    if model.config.get_text_config().tie_word_embeddings:
        tables = {model.get_input_embeddings().weight, model.get_output_embeddings().weight}
        assert len(tables) == 1
    with torch.inference_mode():
        expected = model(**batch.inputs).logits
    save_adapter(model, tmp_path, revision=None)
    torch.manual_seed(1)
    with torch.inference_mode():
        found = attach_adapter(adapter.objective.build().model, tmp_path)(**batch.inputs).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["prompt", "p-tuning"])
def test_a_prompt_is_refused_beside_new_embeddings(method: str, tune: Callable[..., Tuned]) -> None:
    with pytest.raises(ConfigError, match=f"{method} reads a text with the checkpoint's own embeddings"):
        tune("t5", method)
