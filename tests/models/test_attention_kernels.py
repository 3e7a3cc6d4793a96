"""cuDNN's attention is left out while ftkit computes, and only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

import tiny
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_all
from ftkit.models.attention_kernels import attention_of_any_shape
from tiny_training import TinyRuns


@pytest.mark.parametrize("was_enabled", [True, False])
def test_what_was_set_is_put_back(was_enabled: bool) -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(was_enabled)
        with pytest.raises(RuntimeError, match="half way"), attention_of_any_shape():
            assert not torch.backends.cuda.cudnn_sdp_enabled()
            raise RuntimeError("half way")
        assert torch.backends.cuda.cudnn_sdp_enabled() is was_enabled
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_it_is_left_out_while_a_model_is_trained_and_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = TinyRuns(tiny.make_checkpoint("bert", tmp_path / "checkpoint"), tmp_path, monkeypatch)
    seen: list[tuple[bool, bool]] = []

    class Look(TrainerCallback):
        def on_train_begin(self, *args: Any, model: torch.nn.Module, **kwargs: Any) -> None:
            model.register_forward_pre_hook(
                lambda module, inputs: seen.append((module.training, torch.backends.cuda.cudnn_sdp_enabled()))
            )

    model = runs.train("run", callbacks=[Look()], max_steps=1, save_strategy="no").model
    predict_all(model, runs.adapter, runs.rows, BatchLimits(8, 100))
    assert set(seen) == {(True, False), (False, False)}
    assert torch.backends.cuda.cudnn_sdp_enabled()
