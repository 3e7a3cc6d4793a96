"""Outputs of frozen layers are computed in the first epoch and kept; the run is the one that computes them always."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cells
import ftkit
import tiny
from ftkit.adapters.preprocessors.text import TextPreprocessor
from ftkit.config.train import TrainSpec
from ftkit.engine import checkpoints
from ftkit.engine.batching import StepSize
from ftkit.engine.current_batch import computing, current_batch
from ftkit.kinds.table import find_kind
from ftkit.speedups import kept_states
from ftkit.speedups.table import Speedups
from ftkit.speedups.unpad import unpad
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.frozen import frozen_prefix
from ftkit.tuners.saving import adapter_state
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Split, TokenExample
from runs import TAGGED, run_config

METHODS: dict[str, dict[str, Any]] = {
    "head-only": {"method": "head-only"},
    "last-layers": {"method": "last-layers", "num_layers": 1},
}
# Frozen layers meet a text in other company in each epoch: its padding, and so the shape of matrix products, differs.
# Their sums are then rounded differently, by some 1e-7 of the states. SGD passes that on in proportion. (Adam would
# divide it by itself: biases of attention keys have no gradient but rounding.)
TOLERANCE = 1e-6
AT_ONCE = StepSize(rows=4, cost=None, max_cost_at_once=math.inf, part_cost=math.inf)
IN_PARTS = StepSize(rows=4, cost=None, max_cost_at_once=math.inf, part_cost=5)
ONE_BY_ONE = StepSize(rows=4, cost=None, max_cost_at_once=math.inf, part_cost=0)

Prepare = Callable[..., "Training"]


@dataclass
class Training:
    """A trainer, and what is attached to its model."""

    trainer: Any
    speedups: Speedups

    @property
    def model(self) -> Any:
        return self.trainer.model

    @property
    def costs(self) -> np.ndarray:
        return self.trainer.data.encoded.costs

    @property
    def facts(self) -> dict[str, Any]:
        return self.speedups.facts["frozen_prefix_cache"]


@pytest.fixture(scope="module")
def dropping(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`dropping("bert")` is a tiny checkpoint with dropout everywhere, made once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tiny.make_checkpoint(name, tmp_path_factory.mktemp(name), dropout=0.2)
        return made[name]

    return make


def split_of(kind: str) -> Split:
    if kind == "text-classification":
        return tiny.make_split(*zip(*tiny.EXAMPLES[::2], strict=True))
    rows = [
        TokenExample(id=row, words=tuple(words.split()), tags=tuple(tags.split()), line=row + 1)
        for row, (words, tags) in enumerate(TAGGED)
    ]
    return Split("train", "examples.conll", rows)


@pytest.fixture
def prepare(dropping: Callable[[str], Path], tmp_path: Path) -> Prepare:
    """`prepare("bert", "head-only", keep=True)` is about to train for three epochs of two batches."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer
    from ftkit.engine.trainer_options import TrainerOptions
    from ftkit.engine.training_data import IndexedData

    def make(
        name: str, method: str, *, kind: str = "text-classification", keep: bool = True, size: StepSize = AT_ONCE,
        unpadded: bool = False, **settings: Any,
    ) -> Training:  # fmt: skip
        adapter = cells.make_adapter(kind, name, dropping)
        torch.manual_seed(0)
        loaded = adapter.objective.build()
        if unpadded:
            unpad(loaded.model)
        tuner = TunerSpec(**METHODS.get(method, {"method": method}), **({} if keep else {"cache_frozen": False}))
        peft_task = find_kind(kind).task_adapter(adapter.spec).peft_task
        model = apply_tuner(loaded.model, loaded.new_parameters, tuner, peft_task=peft_task)
        arguments = TrainingArguments(
            **{"output_dir": str(tmp_path), "report_to": "none", "disable_tqdm": True, "save_strategy": "no"},
            **{"use_cpu": True, "optim": "sgd", "learning_rate": 0.05, "num_train_epochs": 3, **settings},
        )
        rows = adapter.preprocessor.encode(split_of(kind).examples, targets=True)
        speedups = Speedups(TrainSpec(), tuner, arguments, adapter, rows)
        speedups.attach("tuned", model, size=size)
        trainer = FtkitTrainer(
            model=model,
            args=arguments,
            adapter=adapter,
            train=IndexedData(rows, adapter, size, arguments),
            options=TrainerOptions(save_total_limit=1),
        )
        return Training(trainer, speedups)

    return make


def trained(training: Training) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)  # of dropout
    with training.speedups:
        training.trainer.train()
    return adapter_state(training.model)


def assert_equal_runs(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], atol: float = TOLERANCE) -> None:
    for name, tensor in one.items():
        torch.testing.assert_close(
            tensor, other[name], atol=atol, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


def count_calls(module: torch.nn.Module) -> list[int]:
    """Returns a list that holds, in the end, the rows of each of the module's forward passes in training."""
    calls: list[int] = []
    module.register_forward_hook(lambda module, args, output: calls.append(len(args[0])))
    return calls


# --- the same run ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["bert", "distilbert", "modernbert", "gpt2", "llama"])
@pytest.mark.parametrize("kind", ["text-classification", "token-classification"])
def test_a_run_that_keeps_equals_one_that_computes(prepare: Prepare, kind: str, name: str, method: str) -> None:
    keeping, repeating = (prepare(name, method, kind=kind, keep=keep) for keep in (True, False))
    before = {name: tensor.clone() for name, tensor in adapter_state(keeping.model).items()}
    state = trained(keeping)
    assert max(float((state[name] - before[name]).abs().max()) for name in before) > 100 * TOLERANCE
    assert_equal_runs(state, trained(repeating))
    rows, width = len(keeping.costs), tiny.HIDDEN
    assert keeping.facts == {
        "rows": rows,
        "megabytes": pytest.approx(keeping.costs.sum() * width * 4 / 1e6),
        "where": "memory",
        "hit_share": pytest.approx(2 / 3),
    }
    assert repeating.speedups.facts == {}


@pytest.mark.parametrize(("name", "method"), [("deberta-v2", "last-layers"), ("albert", "head-only")])
def test_layers_may_return_tuples_or_be_called_again(prepare: Prepare, name: str, method: str) -> None:
    keeping, repeating = (prepare(name, method, keep=keep) for keep in (True, False))
    assert_equal_runs(trained(keeping), trained(repeating))
    assert keeping.facts["hit_share"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": IN_PARTS},
        {"size": StepSize(2, None, math.inf, math.inf), "gradient_accumulation_steps": 3},
        {"activation_checkpointing": True},
        {"dataloader_num_workers": 1},
        {"unpadded": True},
    ],
    ids=lambda settings: " ".join(settings),
)
# Newer Pythons warn of any fork beside threads, which is what torch's loader does by default.
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_it_does_so_however_a_step_is_computed(prepare: Prepare, settings: dict[str, Any]) -> None:
    keeping, repeating = (prepare("gpt2", "last-layers", keep=keep, **settings) for keep in (True, False))
    if settings.get("size") is IN_PARTS:
        assert max(len(batch["parts"]) for batch in keeping.trainer.get_train_dataloader()) > 1
    assert_equal_runs(trained(keeping), trained(repeating))
    assert keeping.facts["hit_share"] == pytest.approx(2 / 3)


def test_states_come_back_in_the_precision_that_they_had(prepare: Prepare) -> None:
    """Text by text nothing is padded, and nothing rounded differently: not even bf16 makes a difference."""
    trainings = [prepare("bert", "last-layers", keep=keep, size=ONE_BY_ONE, bf16=True) for keep in (True, False)]
    assert_equal_runs(*map(trained, trainings), atol=0)
    assert trainings[0].facts["hit_share"] == pytest.approx(2 / 3)


# --- what is computed ---


@pytest.mark.parametrize("method", METHODS)
def test_frozen_layers_are_called_in_the_first_epoch_only(prepare: Prepare, method: str) -> None:
    training = prepare("bert", method)
    first, last = (layer.attention for layer in training.model.get_base_model().bert.encoder.layer)
    calls = count_calls(first), count_calls(last)
    trained(training)
    assert calls[0] == [4, 4], "two batches of the first epoch"
    assert calls[1] == ([4, 4] if method == "head-only" else [4] * 6)
    training.model.eval()
    training.model(**training.model.dummy_inputs)
    assert len(calls[0]) == 3, "after training they compute again"


def test_one_row_that_is_not_kept_makes_all_of_its_batch_computed(prepare: Prepare) -> None:
    """So it is for the processes of a run, which see other rows in each epoch."""
    training = prepare("bert", "head-only")
    calls = count_calls(training.model.get_base_model().bert.encoder.layer[0].attention)
    with training.speedups:
        for rows, computed in (([0, 1], True), ([1, 2], True), ([2, 0], False), ([0, 1, 2], False), ([3], True)):
            serve(training, rows)
            assert bool(calls) == computed, rows
            calls.clear()
    assert training.facts | {"megabytes": None} == {
        "rows": 4, "megabytes": None, "where": "memory", "hit_share": 5 / 10
    }  # fmt: skip


def serve(training: Training, rows: list[int]) -> torch.Tensor:
    """Returns the logits of some rows in training."""
    trainer = training.trainer
    trainer.model.train()
    some = trainer.data.encoded.rows.__getitems__(rows)
    batch = trainer.adapter.preprocessor.collate(some, training=True, rngs=None)
    with computing(dataclasses.replace(batch, row_indices=np.array(rows))):
        return trainer.model(**batch.inputs).logits


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", ["bert", "gpt2", "opt"])
def test_dropout_acts_on_what_is_trained_and_on_nothing_else(prepare: Prepare, name: str, keep: bool) -> None:
    found = {}
    for method in METHODS:
        training = prepare(name, method, keep=keep)
        base = training.model.get_base_model()
        states: list[torch.Tensor] = []
        frozen_prefix(training.model)[-1].register_forward_hook(
            lambda module, args, output, states=states: states.append(output)
        )
        with training.speedups:
            one, other = serve(training, [0, 1]), serve(training, [0, 1])
        for row, length in enumerate(training.costs[:2]):
            torch.testing.assert_close(states[0][row, :length], states[1][row, :length], atol=0, rtol=0)
        found[method] = not torch.equal(one, other)
        assert base.training, "the head"
    assert found["last-layers"], "the last layer has dropout"
    assert found["head-only"] == (name == "bert"), "transformers' heads of decoders have none"


def test_validation_computes_everything(prepare: Prepare, dropping: Callable[[str], Path], tmp_path: Path) -> None:
    settings = {"train.num_train_epochs": 2, "train.optim": "sgd", "train.learning_rate": 0.05}
    runs = []
    for keep in (True, False):
        config = run_config(tmp_path / str(keep), dropping("bert"), **settings)
        config["tuner"] = {**METHODS["last-layers"], "cache_frozen": keep}
        runs.append(ftkit.train(config).metrics)
    for key in ("eval_loss", "test_loss", "train_loss"):
        assert runs[0][key] == pytest.approx(runs[1][key], abs=TOLERANCE)
    assert runs[0]["proof"]["same_predictions"] is True
    assert runs[0]["frozen_prefix_cache"]["hit_share"] == pytest.approx(1 / 2), "of training batches alone"
    assert "frozen_prefix_cache" not in runs[1]


# --- where it is kept ---


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept_states.MEMORY_VARIABLE, "0")


def mapped(folder: Path) -> list[str]:
    """Returns the files of a folder that this process has in its memory."""
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line]


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is mapped")


@needs_proc
def test_what_does_not_fit_in_memory_goes_to_disk(
    prepare: Prepare, on_disk: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping = prepare("bert", "last-layers")
    assert "1 MB of their outputs are kept on disk" in capsys.readouterr().err
    assert len(mapped(tmp_path)) == 1
    assert not list(tmp_path.iterdir()), "the file has no name, so nothing can leave it behind"
    state = trained(keeping)
    assert keeping.facts["where"] == "disk"
    assert keeping.facts["hit_share"] == pytest.approx(2 / 3)
    assert not mapped(tmp_path), "the file is gone"
    assert_equal_runs(state, trained(prepare("bert", "last-layers", keep=False)))


@needs_proc
def test_nothing_is_left_of_a_run_that_fails(prepare: Prepare, on_disk: None, tmp_path: Path) -> None:
    training = prepare("bert", "last-layers")
    layers = frozen_prefix(training.model)
    training.trainer.guard.check = interrupt
    with pytest.raises(KeyboardInterrupt):
        trained(training)
    assert training.facts["rows"] > 0
    assert not mapped(tmp_path)
    assert not any("forward" in vars(layer) for layer in layers)


def interrupt(*args: Any, **kwargs: Any) -> Iterator[None]:
    raise KeyboardInterrupt


@pytest.mark.parametrize("reason", ["limit", "free space", "full disk"])
def test_what_does_not_fit_on_disk_either_is_computed_each_time(
    prepare: Prepare,
    on_disk: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: str,
) -> None:
    if reason == "limit":
        monkeypatch.setattr(kept_states, "DISK_LIMIT", 1000)
    elif reason == "free space":
        monkeypatch.setattr(kept_states, "FREE_SHARE", 0.0)
    else:
        monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    training = prepare("bert", "last-layers")
    message = capsys.readouterr().err
    assert "computed in every epoch" in message
    assert kept_states.MEMORY_VARIABLE in message
    state = trained(training)
    assert training.facts == {"rows": 0, "megabytes": 0.0, "where": "none", "hit_share": 0.0}
    assert_equal_runs(state, trained(prepare("bert", "last-layers", keep=False)), atol=0)


def full(*args: Any) -> None:
    raise OSError(28, "No space left on device")


# --- where nothing is kept ---


@pytest.mark.parametrize(
    ("name", "method", "settings"),
    [
        ("bert", "head-only", {"num_train_epochs": 1}),
        ("bert", "head-only", {"max_steps": 2}),
        ("bart", "last-layers", {}),
        ("bert2bert", "head-only", {"kind": "translation"}),
        ("albert", "last-layers", {}),  # it has one layer, which is trained
        ("t5", "last-layers", {"kind": "token-classification"}),  # layers pass on where words are, too
    ],
)
def test_nothing_is_kept_where_it_could_not_be_used(
    prepare: Prepare, name: str, method: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.get("kind") == "translation":
        monkeypatch.setitem(globals(), "split_of", cells.make_split)
    training = prepare(name, method, **settings)
    assert training.speedups.facts == {}
    state = trained(training)
    assert training.speedups.facts == {}
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())


def test_inputs_that_change_from_epoch_to_epoch_have_no_states_to_keep(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as masked tokens, which are drawn anew."""
    collate = TextPreprocessor.collate

    def masked(self: Any, rows: Any, *, training: bool, rngs: Any) -> Any:
        batch = collate(self, rows, training=training, rngs=rngs)
        for ids, rng in zip(batch.inputs["input_ids"], rngs or (), strict=False):
            ids[rng.integers(len(ids))] = 0
        return batch

    monkeypatch.setattr(TextPreprocessor, "collate", masked)
    training = prepare("bert", "head-only")
    trained(training)
    assert training.speedups.facts == {}


def test_texts_that_are_changed_now_and_then_have_none_either(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rarely: a change that no try shows would be kept, or left out, for good."""
    monkeypatch.setattr(TextPreprocessor, "augments", True)
    training = prepare("bert", "head-only")
    trained(training)
    assert training.speedups.facts == {}


def test_more_steps_than_an_epoch_are_worth_keeping_for(prepare: Prepare) -> None:
    training = prepare("bert", "head-only", max_steps=3)
    trained(training)
    assert training.facts["hit_share"] == pytest.approx(1 / 3)


def test_nothing_is_kept_above_embeddings_that_are_trained(
    dropping: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run_config(tmp_path, dropping("bert"), **{"train.num_train_epochs": 2})
    config["model"]["add_tokens"] = ["zzz"]
    config["tuner"] = METHODS["last-layers"]
    assert "frozen_prefix_cache" not in ftkit.train(config).metrics
    assert "frozen layers" not in capsys.readouterr().err


def test_other_methods_freeze_no_layers_whole(prepare: Prepare) -> None:
    training = prepare("bert", "lora")
    assert trained(training)
    assert training.speedups.facts == {}


# --- a run ---


@pytest.mark.parametrize(("method", "optimizer"), [("last-layers", "sgd"), ("head-only", "adamw_torch")])
def test_a_run_that_is_resumed_within_the_second_epoch_is_the_one_that_was_not_interrupted(
    dropping: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, optimizer: str
) -> None:
    """It fills up anew what is kept, in the company that rows had in the first epoch: not even rounding differs."""
    settings = {
        **{"train.num_train_epochs": 3, "train.per_device_train_batch_size": 6, "train.optim": optimizer},
        **{"train.learning_rate": 0.05, "train.save_strategy": "steps", "train.save_steps": 6},
        **{"train.eval_strategy": "no", "train.precision": "fp32", "tuner": METHODS[method]},
    }
    if method == "last-layers":
        monkeypatch.setenv(kept_states.MEMORY_VARIABLE, "0")
    whole = ftkit.train(run_config(tmp_path / "whole", dropping("bert"), **settings))
    config = run_config(tmp_path / "cut", dropping("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    resumed = ftkit.train(config, {"resume": True})
    assert whole.metrics["num_steps"] == resumed.metrics["num_steps"] == 12
    assert whole.metrics["frozen_prefix_cache"]["where"] == ("disk" if method == "last-layers" else "memory")
    assert whole.metrics["frozen_prefix_cache"]["hit_share"] == pytest.approx(2 / 3)
    assert resumed.metrics["frozen_prefix_cache"]["hit_share"] < 2 / 3
    assert_equal_runs(weights_of(whole), weights_of(resumed), atol=0)
    for name in ("train_loss", "test_loss"):
        assert resumed.metrics[name] == whole.metrics[name]


def test_trained_layers_see_a_row_as_the_first_epoch_computes_it(prepare: Prepare) -> None:
    """Whichever epoch comes first, as in a resumed run, and whichever rows it puts together."""
    expected = states_of_epoch(prepare("bert", "last-layers", size=IN_PARTS), 0)
    for epoch in (1, 2):
        training = prepare("bert", "last-layers", size=IN_PARTS)
        found = states_of_epoch(training, epoch)
        assert training.facts["rows"] == len(found) == len(expected) == len(training.costs)
        for row, states in found.items():
            torch.testing.assert_close(states, expected[row], atol=0, rtol=0)


def states_of_epoch(training: Training, epoch: int) -> dict[int, torch.Tensor]:
    """Returns what the frozen layers hand on of each row, (T, H), in an epoch of a run that begins with it."""
    found: dict[int, torch.Tensor] = {}

    def remember(module: torch.nn.Module, args: Any, output: torch.Tensor) -> None:
        batch = current_batch()
        found.update(zip(batch.row_indices.tolist(), output, strict=True))

    frozen_prefix(training.model)[-1].register_forward_hook(remember)
    training.trainer.data.sampler.set_epoch(epoch)
    training.model.train()
    with training.speedups:
        for batch in training.trainer.get_train_dataloader():
            for part in batch["parts"]:
                with computing(part):
                    training.model(**part.inputs)
    return {row: states[: training.costs[row]] for row, states in found.items()}


def weights_of(result: Any) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(result.output_dir / "adapter_model.safetensors")
