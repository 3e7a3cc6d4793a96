"""Embeddings of added tokens under a tuner: trained wherever the table is read, and saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import cells
from ftkit.engine.batching import pad
from ftkit.errors import ConfigError
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.saving import attach_adapter, save_adapter
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Kind, Split, TextToTextExample

# More than the spare rows that T5 has for new tokens.
TOKENS = tuple(f"<new{index}>" for index in range(12))
SOURCE = "my <new0> card <new11>"
Tuned = tuple[Any, Any, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def tune(checkpoint: Callable[[str], Path]) -> Callable[..., Tuned]:
    def make(name: str, method: Any) -> Tuned:
        kind: Kind = "translation"
        adapter = cells.make_adapter(kind, name, checkpoint, add_tokens=TOKENS)
        torch.manual_seed(0)
        built, family = adapter.build(), adapter.spec.family
        spec = TunerSpec(method=method)
        model = apply_tuner(built.model, built.new_parameters, spec, kind=kind, family=family).eval()
        split = Split("train", "x", [TextToTextExample(0, SOURCE, SOURCE, line=1)])
        return adapter, model, pad(adapter.encode(split).rows.to_list(), adapter.padding)

    return make


@pytest.mark.parametrize("method", ["lora", "ia3", "prefix"])
@pytest.mark.parametrize("name", ["t5", "bart", "marian", "gpt2", "llama"])
def test_new_rows_are_trained_wherever_they_are_read_and_saved(
    name: str, method: str, tune: Callable[..., Tuned], tmp_path: Path
) -> None:
    adapter, model, batch = tune(name, method)
    id_ = adapter.tokenizer.convert_tokens_to_ids("<new0>")
    assert id_ in batch["input_ids"]
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=0.02, weight_decay=0.0)
    before = model.get_input_embeddings().weight[id_].detach().clone()
    for _ in range(2):
        inputs = {key: tensor for key, tensor in batch.items() if key != "labels"}
        adapter.loss(model(**inputs), batch["labels"]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not torch.allclose(model.get_input_embeddings().weight[id_], before, atol=1e-3)
    if model.config.get_text_config().tie_word_embeddings:
        tables = {model.get_input_embeddings().weight, model.get_output_embeddings().weight}
        assert len(tables) == 1
    with torch.inference_mode():
        expected = model(**inputs).logits
    save_adapter(model, tmp_path, revision=None)
    torch.manual_seed(1)
    with torch.inference_mode():
        found = attach_adapter(adapter.build().model, tmp_path)(**inputs).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["prompt", "p-tuning"])
def test_a_prompt_is_refused_beside_new_embeddings(method: str, tune: Callable[..., Tuned]) -> None:
    with pytest.raises(ConfigError, match=f"{method} reads a text with the checkpoint's own embeddings"):
        tune("t5", method)
