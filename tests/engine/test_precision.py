"""What a run computes in: found by a rule and a step that leaves no trace, stated, recorded, never part of a score."""

import dataclasses
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
from ftkit.engine.arguments import training_arguments
from ftkit.engine.batching import StepSize
from ftkit.errors import ConfigError
from ftkit.types import LabelSpace
from runs import TEXTS, run_config
from tiny import make_adapter, make_checkpoint, make_split

LABELS = LabelSpace(("card", "food", "sport", "weather"))
SIZE = StepSize(rows=8, cost=None, max_cost_at_once=512)
AMX = {"amx_bf16": True, "avx512_bf16": True, "cpu_name": "Intel Xeon"}


def arguments_of(**settings):
    defaults = {
        "device": torch.device("cpu"),
        "seed": 1,
        "data_seed": None,
        "world_size": 1,
        "gradient_accumulation_steps": 1,
        "process_index": 0,
        "fsdp": None,
        "deepspeed_plugin": None,
    }
    return types.SimpleNamespace(**{**defaults, **settings})


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return make_adapter(make_checkpoint("bert", tmp_path_factory.mktemp("dropout"), dropout=0.2), LABELS)


@pytest.fixture
def model(adapter):
    return adapter.objective.build().model


@pytest.fixture(scope="module")
def train(adapter):
    return adapter.preprocessor.encode(make_split(*zip(*TEXTS[:24], strict=True)).examples, targets=True)


@pytest.fixture
def has_bf16(monkeypatch):
    """A processor that multiplies bf16, and no model too narrow for it."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    monkeypatch.setattr(precision, "MIN_WIDTH", dict.fromkeys(precision.MIN_WIDTH, 0))


def choose(adapter, model, train, *, padding_is_free=True, **settings):
    return precision.choose_by_rule(
        arguments_of(**settings), adapter, model, train, SIZE, padding_is_free=padding_is_free
    )


# --- the device ---


@pytest.mark.parametrize(
    ("capabilities", "unit"),
    [
        (AMX, "amx_bf16"),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC 9R14"}, "avx512_bf16"),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, None),
        ({"avx512_f": True, "avx512_bf16": False, "cpu_name": "AMD EPYC"}, None),
        ({"architecture": "aarch64", "bf16": True, "sve_bf16": True}, None),
        ({}, None),
    ],
)
def test_what_multiplies_bf16_is_asked_of_the_processor(monkeypatch, capabilities, unit):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert precision.bf16_unit(torch.device("cpu")) == unit


def test_a_pytorch_that_does_not_tell_has_none(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision.bf16_unit(torch.device("cpu")) is None


def test_a_processor_without_onednn_has_none(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert precision.bf16_unit(torch.device("cpu")) is None


@pytest.mark.parametrize(("has_it", "unit"), [(True, "gpu"), (False, None)])
def test_a_gpu_that_only_emulates_bf16_has_none(monkeypatch, has_it, unit):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or has_it
    )
    assert precision.bf16_unit(torch.device("cuda")) == unit


# --- the size ---


def test_the_width_of_a_model_is_the_shorter_side_of_its_matrices():
    narrow, long = torch.nn.Linear(4, 16), torch.nn.Linear(8, 64)
    model = torch.nn.Sequential(torch.nn.Embedding(1000, 4), narrow, torch.nn.LayerNorm(16), long)
    assert precision.mean_width(model) == (4 * 64 + 8 * 512) / (64 + 512)
    assert precision.mean_width(torch.nn.Conv1d(3, 16, 2)) == 6
    assert precision.mean_width(torch.nn.LayerNorm(4)) == 0.0


def test_a_quantised_layer_is_as_wide_as_it_was():
    layer = torch.nn.Linear(8, 64)
    layer.weight = torch.nn.Parameter(torch.zeros(256, 1, dtype=torch.uint8), requires_grad=False)
    assert precision.mean_width(layer) == 8


# --- the rule ---


def test_bf16_is_taken_where_the_device_and_the_model_gain_by_it(adapter, model, train, has_bf16):
    choice = choose(adapter, model, train)
    assert (choice.precision, choice.unit) == ("bf16", "amx_bf16")
    assert choice.reason == "this processor multiplies it: amx_bf16"
    assert choice.mean_width == round(precision.mean_width(model), 1)
    assert choice.fp32_loss == pytest.approx(choice.bf16_loss, rel=precision.LOSS_TOLERANCE)
    assert choice == choose(adapter, model, train), "the same again"


def test_a_tiny_model_stays_in_fp32(adapter, model, train, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    choice = choose(adapter, model, train)
    assert (choice.precision, choice.reason) == ("fp32", "matrices 31.8 wide gain too little by bf16")
    assert choice.fp32_loss is None, "no step was tried"


def test_a_processor_without_bf16_stays_in_fp32(adapter, model, train, has_bf16, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    choice = choose(adapter, model, train)
    assert (choice.precision, choice.reason, choice.unit) == (
        "fp32", "nothing in this processor is known to multiply bf16 fast", None
    )  # fmt: skip


def test_padded_batches_gain_nothing_unless_all_are_of_one_width(adapter, model, train, has_bf16):
    assert "padded batches" in choose(adapter, model, train, padding_is_free=False).reason
    longest = int(np.argmax(train.costs))
    even = dataclasses.replace(train, rows=train.rows.select([longest] * 24), costs=np.full(24, train.costs[longest]))
    assert choose(adapter, model, even, padding_is_free=False).precision == "bf16"


def test_a_sharded_model_stays_in_fp32(adapter, model, train, has_bf16):
    assert "sharded" in choose(adapter, model, train, fsdp=["full_shard"]).reason


# --- the step ---


def test_the_step_leaves_no_trace(adapter, model, train, has_bf16):
    model.register_buffer("counter", torch.zeros(()))
    model.bert.register_forward_hook(lambda *_: model.counter.add_(random.random() + np.random.rand()) and None)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert choose(adapter, model, train).precision == "bf16"
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    assert model.training


def test_the_step_is_one_pass_in_each_precision_without_dropout(adapter, model, train, has_bf16):
    seen = []
    model.bert.register_forward_hook(lambda *_: seen.append((torch.is_autocast_enabled("cpu"), model.training)))
    choose(adapter, model, train)
    assert seen == [(False, False), (True, False)]


def test_the_step_is_small(adapter, model, train, has_bf16, monkeypatch):
    sizes = []
    model.bert.embeddings.word_embeddings.register_forward_pre_hook(lambda _, args: sizes.append(args[0].numel()))
    monkeypatch.setattr(precision, "COMPARED_COST", 20)
    choose(adapter, model, train)
    assert max(sizes) <= 20


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
        (lambda hidden: hidden * float("nan"), "a trial step failed: the loss or a gradient is not finite in bf16"),
        (lambda hidden: hidden + 3.0, "too far apart"),
        (raise_error, "a trial step failed: \"foo\" not implemented for 'BFloat16'"),
    ],
)
def test_bf16_that_a_model_does_not_bear_is_not_taken(adapter, model, train, has_bf16, what, reason):
    broken(model, what)
    choice = choose(adapter, model, train)
    assert choice.precision == "fp32"
    assert reason in choice.reason
    assert not model.training
    assert all(weight.grad is None for weight in model.parameters())


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


def test_what_cannot_be_is_refused_before_anything_is_written(checkpoint, tmp_path):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.precision": "fp16"})
    with pytest.raises(ConfigError, match=r"fp16 needs a GPU\. On a CPU say bf16"):
        ftkit.train(config)
    with pytest.raises(ConfigError, match="contradict"):
        ftkit.train(config, {"train.bf16": True})
    assert not (tmp_path / "run").exists()


# --- whole runs ---

SHORT = {"train.num_train_epochs": 2}


def weights_of(result):
    return (result.output_dir / "model.safetensors").read_bytes()


def test_a_tiny_run_computes_in_fp32(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMX)
    auto = ftkit.train(run_config(tmp_path / "auto", checkpoint("bert"), **SHORT))
    assert auto.metrics["precision"] == "fp32"
    assert auto.metrics["precision_probe"] == {
        "reason": "matrices 31.8 wide gain too little by bf16",
        "unit": "amx_bf16",
        "mean_width": 31.8,
        "fp32_loss": None,
        "bf16_loss": None,
    }
    stated = ftkit.train(run_config(tmp_path / "stated", checkpoint("bert"), **SHORT, **{"train.precision": "fp32"}))
    assert stated.metrics["precision_probe"]["reason"] == "as the config says"
    assert weights_of(auto) == weights_of(stated)


def test_a_run_takes_and_records_what_the_rule_says(checkpoint, tmp_path, has_bf16, capsys):
    auto = ftkit.train(run_config(tmp_path / "auto", checkpoint("bert"), **SHORT))
    assert "precision: bf16 (this processor multiplies it: amx_bf16)" in capsys.readouterr().err
    assert auto.metrics["precision"] == "bf16"
    assert auto.metrics["precision_probe"]["bf16_loss"] > 0
    recorded = json.loads((auto.output_dir / "checkpoints" / "precision.json").read_text())
    assert recorded["precision"] == "bf16"
    stated = ftkit.train(run_config(tmp_path / "stated", checkpoint("bert"), **SHORT, **{"train.bf16": True}))
    assert weights_of(auto) == weights_of(stated), "the step has not moved the random numbers"
    plain = ftkit.train(run_config(tmp_path / "plain", checkpoint("bert"), **SHORT, **{"train.precision": "fp32"}))
    assert weights_of(plain) != weights_of(stated)


def test_a_resumed_run_computes_as_it_began(checkpoint, tmp_path, has_bf16, monkeypatch):
    settings = {**SHORT, "train.save_strategy": "steps", "train.save_steps": 2, "train.eval_strategy": "no"}
    whole = ftkit.train(run_config(tmp_path / "whole", checkpoint("bert"), **settings))
    config = run_config(tmp_path / "cut", checkpoint("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # on another machine
    resumed = ftkit.train(config, {"resume": True})
    assert resumed.metrics["precision"] == "bf16"
    assert resumed.metrics["precision_probe"] == whole.metrics["precision_probe"]
    assert weights_of(resumed) == weights_of(whole)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("launched", "stated"), [("bf16", "fp32"), ("fp16", "bf16")])
def test_the_config_s_word_counts_and_not_the_launcher_s(tmp_path, monkeypatch, capsys, launched, stated):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    spec = configured({"precision": stated, "use_cpu": True}).train
    arguments = training_arguments(spec, tmp_path, learning_rate=None, primary_metric="accuracy", has_validation=False)
    precision.check_precision(spec, arguments)
    assert arguments.mixed_precision == ("no" if stated == "fp32" else stated)
    assert capsys.readouterr().err.count(f"precision: {stated}, as the config says, and not {launched}") == 1


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
