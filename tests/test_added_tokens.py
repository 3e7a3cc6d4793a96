"""`model.add_tokens`: words kept whole, whose embeddings are trained, saved and found again."""

import pytest
import torch
from safetensors.torch import load_file

import ftkit
from ftkit.inference.merging import merge_run
from runs import run_config

TOKENS = ["<order-id>", "zzz"]
TEXT = "my <order-id> zzz card"


@pytest.mark.parametrize("model_type", ["bert", "gpt2", "t5"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_added_tokens_survive_the_trip(checkpoint, tmp_path, model_type, method):
    config = run_config(tmp_path, checkpoint(model_type), **{"train.num_train_epochs": 1})
    config["model"]["add_tokens"] = TOKENS
    config["tuner"] = {"method": method}
    run = ftkit.train(config)
    assert run.metrics["proof"]["max_difference"] <= 1e-6
    predictor = ftkit.load(run.output_dir)
    tokens = predictor.adapter.preprocessor.processor.tokenize(TEXT)
    assert all(token in tokens for token in TOKENS)
    saved = load_file(run.output_dir / ("model.safetensors" if method == "full" else "adapter_model.safetensors"))
    tables = [tensor for name, tensor in saved.items() if "embed" in name or "wte" in name or "shared" in name]
    assert any(table.shape[0] >= len(predictor.adapter.preprocessor.processor) for table in tables if table.dim() == 2)
    if method == "lora":
        merge_run(run.output_dir, tmp_path / "merged")
        merged = ftkit.load(tmp_path / "merged")
        one, other = predictor.predict([TEXT])[0]["scores"], merged.predict([TEXT])[0]["scores"]
        torch.testing.assert_close(torch.tensor(list(one.values())), torch.tensor(list(other.values())))


def test_known_tokens_change_nothing(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1})
    config["model"]["add_tokens"] = ["card"]
    config["tuner"] = {"method": "head-only"}
    run = ftkit.train(config)
    saved = load_file(run.output_dir / "adapter_model.safetensors")
    assert not [name for name in saved if "embeddings" in name]
