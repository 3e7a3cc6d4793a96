"""Prediction in float32, bfloat16 and 8-bit integers: what differs, by how much, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ftkit
import tiny
from ftkit.engine.batching import BatchLimits
from ftkit.engine.predicting import predict_windows
from ftkit.errors import UserError
from ftkit.inference import precision as module
from ftkit.inference.int8_linear import Int8Linear
from ftkit.inference.precision import autocast_type, set_precision
from ftkit.kinds.text_classification import KIND
from ftkit.types import LabelSpace
from runs import TEXTS, run_config, tagging_config, translation_config

LABELS = LabelSpace(("a", "b", "c"))
SPLIT = tiny.make_split([text for text, _ in tiny.EXAMPLES])


@pytest.fixture(scope="module")
def run(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ftkit.train(run_config(tmp_path_factory.mktemp("precision"), checkpoint("bert"))).output_dir


def scores(model: Any, adapter: Any, precision: Any) -> np.ndarray:
    rows = adapter.preprocessor.encode(SPLIT.examples, targets=False)
    limits = BatchLimits(math.inf, 128, 16.0)
    return next(predict_windows(model, adapter, rows, limits, autocast=autocast_type(precision)))[2]["scores"]


@pytest.mark.parametrize("model_type", ["bert", "deberta-v2", "modernbert", "albert", "gpt2", "llama", "t5", "bart"])
def test_rounding_moves_scores_a_little_in_every_family(model_type: str, checkpoint: Any) -> None:
    adapter = tiny.make_adapter(checkpoint(model_type), LABELS)
    models = {name: _built(adapter) for name in ("plain", "fp32", "bf16", "int8")}
    found = {"plain": scores(models["plain"], adapter, "fp32")}
    for name in ("fp32", "bf16", "int8"):
        assert set_precision(models[name], name, adapter, KIND) == name
        found[name] = scores(models[name], adapter, name)
        assert found[name].dtype == np.float32
    moved = {name: float(np.abs(values - found["plain"]).max()) for name, values in found.items()}
    assert moved["fp32"] < 1e-5
    assert 1e-6 < moved["bf16"] < 0.1
    assert 1e-6 < moved["int8"] < 0.1


def _built(adapter: Any) -> Any:
    torch.manual_seed(0)  # of the new head
    return adapter.objective.build().model.eval()


def test_heads_and_shared_tables_stay_float32(checkpoint: Any) -> None:
    adapter = tiny.make_adapter(checkpoint("gpt2"), LABELS)
    model = adapter.objective.build().model
    set_precision(model, "bf16", adapter, KIND)
    assert model.score.weight.dtype is torch.float32
    assert model.transformer.wte.weight.dtype is torch.float32
    assert model.transformer.h[0].mlp.c_fc.weight.dtype is torch.bfloat16
    model = adapter.objective.build().model
    set_precision(model, "int8", adapter, KIND)
    assert type(model.score) is torch.nn.Linear
    assert isinstance(model.transformer.h[0].mlp.c_fc, Int8Linear)


@torch.inference_mode()
def test_8_bit_products_are_close_and_do_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 48)
    rounded = Int8Linear.of(layer)
    input = torch.randn(5, 7, 64) * torch.logspace(-2, 2, 7)[:, None]
    expected, found = layer(input), rounded(input)
    assert found.shape == (5, 7, 48)
    error = (found - expected).norm(dim=-1) / (expected - layer.bias).norm(dim=-1)
    assert float(error.max()) < 0.03, "of small rows too: each token has its own scale"
    assert torch.equal(rounded(input[2:3]), found[2:3])
    assert rounded.weight.dtype is torch.int8


def test_8_bit_layers_without_bias_of_zeros_and_single_rows() -> None:
    rounded = Int8Linear.of(torch.nn.Linear(8, 4, bias=False))
    assert torch.equal(rounded(torch.zeros(2, 8)), torch.zeros(2, 4))
    assert rounded(torch.randn(8)).shape == (4,)


@pytest.mark.parametrize("precision", ["bf16", "int8", "auto"])
def test_a_run_is_loaded_in_a_precision(run: Path, precision: str) -> None:
    texts = [text for text, _ in TEXTS[24:]]
    exact, rounded = ftkit.load(run), ftkit.load(run, precision=precision)
    assert exact.precision == "fp32"
    assert rounded.precision == precision or precision == "auto"
    one, other = exact.predict(texts), rounded.predict(texts)
    assert [row["label"] for row in one] == [row["label"] for row in other]
    assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], abs=0.05)
    assert rounded.evaluate(exact.config.data.test)["accuracy"] == exact.evaluate(exact.config.data.test)["accuracy"]


@pytest.mark.parametrize("precision", ["bf16", "int8", "auto"])
@pytest.mark.parametrize(("config", "model"), [(tagging_config, "t5"), (translation_config, "bart")])
def test_other_kinds_in_a_precision(config: Any, model: str, precision: str, made: Any) -> None:
    folder, source = made(config, model)
    rows = list(ftkit.load(folder, precision=precision).predict_source(source))
    assert len(rows) == len(list(ftkit.load(folder).predict_source(source)))


@pytest.fixture(scope="module")
def made(checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    runs: dict[str, Any] = {}

    def make(config: Any, model: str) -> Any:
        if model not in runs:
            settings = config(tmp_path_factory.mktemp(model), checkpoint(model), **{"train.num_train_epochs": 1})
            runs[model] = ftkit.train(settings).output_dir, settings["data"]["test"]
        return runs[model]

    return make


@pytest.mark.parametrize(
    ("name", "message"),
    [("int4", "there is no 'int4'. Did you mean 'int8'?"), ("float", "There is 'auto', 'fp32', 'bf16', 'int8'.")],
)
def test_an_unknown_precision_is_told_before_anything_is_loaded(name: str, message: str) -> None:
    with pytest.raises(UserError) as told:
        ftkit.load("no such run", precision=name)
    assert message in str(told.value)


def test_a_device_that_does_not_compute_so_is_told(checkpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = tiny.make_adapter(checkpoint("bert"), LABELS)
    on_gpu: Any = SimpleNamespace(device=torch.device("cuda:0"), modules=list)
    with pytest.raises(UserError, match="int8 is for CPUs, and the model is on cuda:0"):
        set_precision(on_gpu, "int8", adapter, KIND)
    monkeypatch.setattr("transformers.utils.is_torch_bf16_gpu_available", lambda: False)
    with pytest.raises(UserError, match="cuda:0 does not compute in bf16"):
        set_precision(on_gpu, "bf16", adapter, KIND)
    assert set_precision(on_gpu, "auto", adapter, KIND) == "fp32"


@pytest.mark.parametrize(("bf16_seconds", "chosen"), [(0.5, "bf16"), (0.99, "fp32"), (3.0, "fp32")])
def test_auto_takes_what_is_clearly_faster(
    bf16_seconds: float,
    chosen: str,
    checkpoint: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    adapter = tiny.make_adapter(checkpoint("bert"), LABELS)
    now = 0.0

    def passes(autocast: torch.dtype | None) -> None:
        nonlocal now
        now += bf16_seconds if autocast is torch.bfloat16 else 1.0

    model = _built(adapter)
    monkeypatch.setattr(module, "forward_passes", lambda model, adapter, kind: passes)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    assert set_precision(model, "auto", adapter, KIND) == chosen
    assert f"precision: {chosen}" in capsys.readouterr().err


def test_a_trained_adapter_is_merged_before_it_is_rounded(checkpoint: Any, tmp_path: Path) -> None:
    settings = run_config(tmp_path, checkpoint("bert"), tuner={"method": "lora", "rank": 4})
    folder = ftkit.train(settings).output_dir
    texts = [text for text, _ in TEXTS[24:]]
    exact, rounded = ftkit.load(folder), ftkit.load(folder, precision="int8")
    assert not any("lora" in name for name, _ in rounded.model.named_modules())
    one, other = exact.predict(texts), rounded.predict(texts)
    assert [row["score"] for row in one] == pytest.approx([row["score"] for row in other], abs=0.05)
    bf16 = ftkit.load(folder, precision="bf16").predict(texts)
    assert [row["score"] for row in one] == pytest.approx([row["score"] for row in bf16], abs=0.05)


def test_virtual_tokens_are_no_weights_to_round(checkpoint: Any, tmp_path: Path) -> None:
    settings = run_config(tmp_path, checkpoint("bert"), tuner={"method": "prompt"})
    folder = ftkit.train({**settings, "train": {**settings["train"], "num_train_epochs": 1}}).output_dir
    with pytest.raises(UserError, match="cannot be merged"):
        ftkit.load(folder, precision="int8")
