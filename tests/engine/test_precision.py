"""What a run computes in: found by a probe that leaves no trace, stated, recorded, and never part of a score."""

import json
import random
import types

import numpy as np
import pytest
import torch

import ftkit
from ftkit.config.run_config import load_config
from ftkit.config.train import stated_precision
from ftkit.engine import checkpoints, precision
from ftkit.engine.batching import StepSize
from ftkit.errors import ConfigError
from ftkit.types import LabelSpace
from runs import TEXTS, run_config
from tiny import make_adapter, make_checkpoint, make_split

LABELS = LabelSpace(("card", "food", "sport", "weather"))
SIZE = StepSize(rows=8, tokens=None, max_tokens_at_once=512)


def arguments_of(**settings):
    defaults = {
        "device": torch.device("cpu"),
        "seed": 1,
        "data_seed": None,
        "world_size": 1,
        "process_index": 0,
        "gradient_accumulation_steps": 1,
        "max_steps": -1,
        "num_train_epochs": 3,
        "distributed_state": types.SimpleNamespace(wait_for_everyone=lambda: None),
        "fsdp": None,
        "deepspeed_plugin": None,
        "torch_compile": False,
        "activation_checkpointing": False,
    }
    return types.SimpleNamespace(**{**defaults, **settings})


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return make_adapter(make_checkpoint("bert", tmp_path_factory.mktemp("dropout"), dropout=0.2), LABELS)


@pytest.fixture
def model(adapter):
    return adapter.build().model


@pytest.fixture(scope="module")
def train(adapter):
    return adapter.encode(make_split(*zip(*TEXTS[:24], strict=True)))


@pytest.fixture
def worth_a_probe(monkeypatch):
    monkeypatch.setattr(precision, "MIN_BATCHES", 1)
    monkeypatch.setattr(precision, "SMALL_RUN", 0)


def take(monkeypatch, *, fp32, bf16):
    """Gives passes made-up seconds; returns the precisions that were timed, in order."""
    timed = []

    def seconds(self, parts, name):
        timed.append(name)
        return {"fp32": fp32, "bf16": bf16}[name]

    monkeypatch.setattr(precision._Passes, "seconds", seconds)
    return timed


# --- the probe ---


def test_a_probe_leaves_no_trace(adapter, model, train):
    model.register_buffer("counter", torch.zeros(()))
    model.bert.register_forward_hook(lambda *_: model.counter.add_(random.random() + np.random.rand()) and None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    choice = precision._probe(arguments_of(), adapter, model, train, SIZE)
    assert choice.fp32_seconds > 0
    assert choice.bf16_seconds > 0
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    assert not model.training


def test_the_passes_are_real(adapter, model, train):
    seen = []
    model.bert.register_forward_hook(lambda *_: seen.append((torch.is_autocast_enabled("cpu"), model.training)))
    precision._probe(arguments_of(), adapter, model, train, SIZE)
    assert {(autocast, training) for autocast, training in seen} == {
        (False, False), (True, False), (False, True), (True, True)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fp32", "bf16", "chosen", "reason"),
    [
        (1.6, 1.0, "bf16", "1.6x faster than fp32 in a probe of 3 steps"),
        (1.0, 1.5, "fp32", "bf16 took 1.5x as long in a probe of 3 steps"),
        (1.05, 1.0, "fp32", "bf16 was 1.05x faster, which is not enough in a probe of 3 steps"),
        (1.0, 8.0, "fp32", "bf16 took 8.0x as long in a probe of 1 step"),
        (8.0, 1.0, "bf16", "8.0x faster than fp32 in a probe of 1 step"),
    ],
)
def test_the_faster_one_is_taken(adapter, model, train, monkeypatch, fp32, bf16, chosen, reason):
    timed = take(monkeypatch, fp32=fp32, bf16=bf16)
    choice = precision._probe(arguments_of(), adapter, model, train, SIZE)
    assert (choice.precision, choice.reason) == (chosen, reason)
    steps = 3 if "3 steps" in reason else 1
    tokens = precision.plan_epoch(train.lengths, SIZE, seed=1, epoch=0)[:steps]
    tokens = sum(int(train.lengths[rows].sum()) for rows in tokens)
    assert choice.fp32_seconds == pytest.approx(fp32 * steps * 1000 / tokens)
    assert timed[2:] == ["fp32", "bf16", "bf16", "fp32", "fp32", "bf16"][: 2 * steps], "in turns, after a warm-up"


def broken(model, what):
    """Makes a model fail under autocast."""
    forward = model.bert.forward

    def change(*args, **kwargs):
        outputs = forward(*args, **kwargs)
        if torch.is_autocast_enabled("cpu"):
            outputs.pooler_output = what(outputs.pooler_output)
        return outputs

    model.bert.forward = change


def raise_error(hidden):
    raise RuntimeError("\"foo\" not implemented for 'BFloat16'\nmore")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda hidden: hidden * float("nan"), "not finite in bf16"),
        (lambda hidden: hidden + 3.0, "too far apart"),
        (raise_error, "the probe failed: \"foo\" not implemented for 'BFloat16'"),
    ],
)
def test_bf16_that_a_model_does_not_bear_is_not_taken(adapter, model, train, monkeypatch, what, reason):
    take(monkeypatch, fp32=9.0, bf16=1.0)
    broken(model, what)
    choice = precision._probe(arguments_of(), adapter, model, train, SIZE)
    assert choice.precision == "fp32"
    assert reason in choice.reason
    assert choice.bf16_seconds is None
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())


# --- is it worth it? ---


def test_a_small_run_is_not_probed(model, train):
    assert "batches are few" in precision._why_not_to_probe(arguments_of(), model, train, SIZE)
    long = arguments_of(num_train_epochs=100)
    assert "little work" in precision._why_not_to_probe(long, model, train, SIZE)
    assert precision._work(long, model, train, SIZE)[0] == 300
    assert precision._work(arguments_of(max_steps=7), model, train, SIZE)[0] == 7
    one, two = (precision._work(arguments_of(num_train_epochs=epochs), model, train, SIZE)[1] for epochs in (1, 2))
    assert two == 2 * one
    weights = sum(weight.numel() for name, weight in model.named_parameters() if "_embeddings." not in name)
    assert one == 6 * weights * train.lengths.sum()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"fsdp": ["full_shard"]}, "sharded"), ({"torch_compile": True}, "compiled"),
     ({"activation_checkpointing": True}, "activations"), ({"device": torch.device("meta")}, "bf16")],
)  # fmt: skip
def test_some_runs_are_not_probed(model, train, worth_a_probe, settings, reason):
    assert precision._why_not_to_probe(arguments_of(), model, train, SIZE) is None
    assert reason in precision._why_not_to_probe(arguments_of(**settings), model, train, SIZE)


# --- what is stated ---


@pytest.mark.parametrize(
    ("settings", "stated"),
    [
        ({}, None),
        ({"fp16": False}, None),
        ({"bf16": False}, "fp32"),
        ({"bf16": True}, "bf16"),
        ({"fp16": True}, "fp16"),
        ({"precision": "fp32"}, "fp32"),
        ({"precision": "bf16", "bf16": True}, "bf16"),
        ({"precision": "auto", "bf16": True}, "bf16"),
    ],
)
def test_a_config_states_it_in_either_words(settings, stated):
    assert stated_precision(configured(settings).train) == stated


@pytest.mark.parametrize(
    "settings",
    [
        {"precision": "fp32", "bf16": True},
        {"precision": "bf16", "fp16": True},
        {"precision": "bf16", "bf16": False},
        {"bf16": True, "fp16": True},
    ],
)
def test_two_words_that_differ_are_refused(settings):
    with pytest.raises(ConfigError, match=r"contradict one another\. Say one\."):
        stated_precision(configured(settings).train)


def configured(settings):
    config = {"task": "text-classification", "model": {"checkpoint": "x"}, "data": {"train": "x"}, "output_dir": "x"}
    return load_config({**config, "train": settings})


def test_what_cannot_be_is_refused_before_anything_is_written(checkpoint, tmp_path, monkeypatch):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.precision": "fp16"})
    with pytest.raises(ConfigError, match=r"fp16 needs a GPU\. On a CPU say bf16"):
        ftkit.train(config)
    with pytest.raises(ConfigError, match="contradict"):
        ftkit.train(config, {"train.bf16": True})
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(ConfigError, match=r"the config asks for fp32, accelerate launch for mixed precision bf16"):
        ftkit.train(config, {"train.precision": "fp32"})
    assert not (tmp_path / "run").exists()


# --- whole runs ---

SHORT = {"train.num_train_epochs": 2}


def weights_of(result):
    return (result.output_dir / "model.safetensors").read_bytes()


def test_a_tiny_run_computes_in_fp32(checkpoint, tmp_path):
    auto = ftkit.train(run_config(tmp_path / "auto", checkpoint("bert"), **SHORT))
    assert auto.metrics["precision"] == "fp32"
    assert auto.metrics["precision_probe"] == {
        "reason": "not probed: 6 batches are few", "fp32_seconds": None, "bf16_seconds": None
    }  # fmt: skip
    stated = ftkit.train(run_config(tmp_path / "stated", checkpoint("bert"), **SHORT, **{"train.precision": "fp32"}))
    assert stated.metrics["precision_probe"]["reason"] == "as the config says"
    assert weights_of(auto) == weights_of(stated)


def test_a_run_takes_and_records_what_the_probe_found(checkpoint, tmp_path, worth_a_probe, monkeypatch, capsys):
    take(monkeypatch, fp32=1.5, bf16=1.0)
    probed = ftkit.train(run_config(tmp_path / "probed", checkpoint("bert"), **SHORT))
    assert "precision: bf16 (1.5x faster than fp32 in a probe of 3 steps)" in capsys.readouterr().err
    assert probed.metrics["precision"] == "bf16"
    assert probed.metrics["precision_probe"]["fp32_seconds"] == 1.5 * probed.metrics["precision_probe"]["bf16_seconds"]
    recorded = json.loads((probed.output_dir / "checkpoints" / "precision.json").read_text())
    assert recorded["precision"] == "bf16"
    stated = ftkit.train(run_config(tmp_path / "stated", checkpoint("bert"), **SHORT, **{"train.bf16": True}))
    assert weights_of(probed) == weights_of(stated), "the probe has not moved the random numbers"
    plain = ftkit.train(run_config(tmp_path / "plain", checkpoint("bert"), **SHORT, **{"train.precision": "fp32"}))
    assert weights_of(plain) != weights_of(stated)


def test_a_resumed_run_computes_as_it_began(checkpoint, tmp_path, worth_a_probe, monkeypatch):
    settings = {**SHORT, "train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    take(monkeypatch, fp32=1.5, bf16=1.0)
    whole = ftkit.train(run_config(tmp_path / "whole", checkpoint("bert"), **settings))
    config = run_config(tmp_path / "cut", checkpoint("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    take(monkeypatch, fp32=1.0, bf16=1.5)
    resumed = ftkit.train(config, {"resume": True})
    assert resumed.metrics["precision_probe"]["reason"] == whole.metrics["precision_probe"]["reason"]
    assert weights_of(resumed) == weights_of(whole)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("first", "then", "computed"), [("bf16", "no", "bf16"), ("no", "bf16", "fp32")])
def test_a_run_is_resumed_as_it_began_whatever_the_launcher_says(
    checkpoint, tmp_path, monkeypatch, capsys, first, then, computed
):
    settings = {**SHORT, "train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    config = run_config(tmp_path, checkpoint("bert"), **settings)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", first)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", then)
    assert ftkit.train(config, {"resume": True}).metrics["precision"] == computed
    told = "accelerate launch says bf16, but the run began in fp32" in capsys.readouterr().err
    assert told == (then == "bf16")


def test_scores_do_not_depend_on_the_precision_of_training(checkpoint, tmp_path):
    result = ftkit.train(run_config(tmp_path, checkpoint("bert"), **SHORT, **{"train.precision": "bf16"}))
    step = result.metrics["best_step"]
    state = json.loads((result.output_dir / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json").read_text())
    (scored,) = [entry for entry in state["log_history"] if entry["step"] == step and "eval_loss" in entry]
    assert scored["eval_loss"] == result.metrics["eval_loss"], "in training as in the end"
    assert result.metrics["proof"]["max_difference"] == 0.0


def test_what_accelerate_wraps_comes_off_whole(model):
    own = model.forward
    model._original_forward = own
    model.forward = wrapped = types.MethodType(lambda self, **inputs: None, model)
    with precision.full_precision(model):
        assert model.forward == own
    assert model.forward is wrapped
    precision.unwrap_forward(model)
    assert not {"forward", "_original_forward"} & model.__dict__.keys()
    assert model.forward == own
    with precision.full_precision(model):
        assert model.forward == own
