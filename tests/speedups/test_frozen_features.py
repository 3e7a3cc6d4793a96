"""Outputs of frozen layers are computed in the first epoch and kept; the run is the one that computes them always."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import cells
import ftkit
import tiny
from ftkit.engine import checkpoints, kept_states
from ftkit.engine.batching import StepSize
from ftkit.speedups.frozen_features import find_frozen_part
from ftkit.speedups.unpad import unpad
from ftkit.tuners.apply import apply_tuner
from ftkit.tuners.frozen import frozen_prefix as layers_of
from ftkit.tuners.saving import adapter_state
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Kind, Split, TokenExample
from runs import TAGGED, run_config

METHODS: dict[str, dict[str, Any]] = {
    "head-only": {"method": "head-only"},
    "last-layers": {"method": "last-layers", "num_layers": 1},
}
# Frozen layers meet a text in other company in each epoch: its padding, and so the shape of matrix products, differs.
# Their sums are then rounded differently, by some 1e-7 of the states. SGD passes that on in proportion. (Adam would
# divide it by itself: biases of attention keys have no gradient but rounding.)
TOLERANCE = 1e-6
AT_ONCE = StepSize(rows=4, tokens=None, max_tokens_at_once=math.inf, part_cost=math.inf)
IN_PARTS = StepSize(rows=4, tokens=None, max_tokens_at_once=math.inf, part_cost=5)
ONE_BY_ONE = StepSize(rows=4, tokens=None, max_tokens_at_once=math.inf, part_cost=0)

Train = Callable[..., Any]


@pytest.fixture(scope="module")
def dropping(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`dropping("bert")` is a tiny checkpoint with dropout everywhere, made once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tiny.make_checkpoint(name, tmp_path_factory.mktemp(name), dropout=0.2)
        return made[name]

    return make


def split_of(kind: Kind) -> Split:
    if kind == "text-classification":
        return tiny.make_split(*zip(*tiny.EXAMPLES[::2], strict=True))
    rows = [
        TokenExample(id=row, words=tuple(words.split()), tags=tuple(tags.split()), line=row + 1)
        for row, (words, tags) in enumerate(TAGGED)
    ]
    return Split("train", "examples.conll", rows)


@pytest.fixture
def make_trainer(dropping: Callable[[str], Path], tmp_path: Path) -> Train:
    """`make_trainer("bert", "head-only", keep=True)` is about to train for three epochs of two batches."""
    from transformers import TrainingArguments

    from ftkit.engine.trainer import FtkitTrainer

    def make(
        name: str, method: str, *, kind: Kind = "text-classification", keep: bool = True, size: StepSize = AT_ONCE,
        unpadded: bool = False, **settings: Any,
    ) -> FtkitTrainer:  # fmt: skip
        adapter = cells.make_adapter(kind, name, dropping)
        torch.manual_seed(0)
        built = adapter.build()
        if unpadded:
            unpad(built.model)
        tuner = TunerSpec(**METHODS[method], cache_frozen=keep)
        model = apply_tuner(built.model, built.new_parameters, tuner, kind=kind, family=adapter.spec.family)
        arguments = TrainingArguments(
            **{"output_dir": str(tmp_path), "report_to": "none", "disable_tqdm": True, "save_strategy": "no"},
            **{"use_cpu": True, "optim": "sgd", "learning_rate": 0.05, "num_train_epochs": 3, **settings},
        )
        train = adapter.encode(split_of(kind))
        return FtkitTrainer(
            model=model,
            args=arguments,
            adapter=adapter,
            train=train,
            size=size,
            evaluate_model=None,
            save_total_limit=1,
            callbacks=[],
            frozen=find_frozen_part(tuner, arguments, model, train, adapter.padding, size),
        )

    return make


def trained(trainer: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)  # of dropout
    with trainer.frozen:
        trainer.train()
    return adapter_state(trainer.model)


def facts_of(trainer: Any) -> dict[str, Any]:
    return trainer.frozen.facts["frozen_prefix_cache"]


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
def test_a_run_that_keeps_equals_one_that_computes(make_trainer: Train, kind: Kind, name: str, method: str) -> None:
    keeping, computing = (make_trainer(name, method, kind=kind, keep=keep) for keep in (True, False))
    before = {name: tensor.clone() for name, tensor in adapter_state(keeping.model).items()}
    state = trained(keeping)
    assert max(float((state[name] - before[name]).abs().max()) for name in before) > 100 * TOLERANCE
    assert_equal_runs(state, trained(computing))
    rows, width = len(keeping.encoded.lengths), tiny.HIDDEN
    assert facts_of(keeping) == {
        "rows": rows,
        "megabytes": pytest.approx(keeping.encoded.lengths.sum() * width * 4 / 1e6),
        "where": "memory",
        "hit_share": pytest.approx(2 / 3),
    }
    assert computing.frozen.facts == {}


@pytest.mark.parametrize(("name", "method"), [("deberta-v2", "last-layers"), ("albert", "head-only")])
def test_layers_may_return_tuples_or_be_called_again(make_trainer: Train, name: str, method: str) -> None:
    keeping, computing = (make_trainer(name, method, keep=keep) for keep in (True, False))
    assert_equal_runs(trained(keeping), trained(computing))
    assert facts_of(keeping)["hit_share"] == pytest.approx(2 / 3)


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
def test_it_does_so_however_a_step_is_computed(make_trainer: Train, settings: dict[str, Any]) -> None:
    keeping, computing = (make_trainer("gpt2", "last-layers", keep=keep, **settings) for keep in (True, False))
    if settings.get("size") is IN_PARTS:
        assert max(len(batch["parts"]) for batch in keeping.get_train_dataloader()) > 1
    assert_equal_runs(trained(keeping), trained(computing))
    assert facts_of(keeping)["hit_share"] == pytest.approx(2 / 3)


def test_states_come_back_in_the_precision_that_they_had(make_trainer: Train) -> None:
    """Text by text nothing is padded, and nothing rounded differently: not even bf16 makes a difference."""
    trainers = [make_trainer("bert", "last-layers", keep=keep, size=ONE_BY_ONE, bf16=True) for keep in (True, False)]
    assert_equal_runs(*map(trained, trainers), atol=0)
    assert facts_of(trainers[0])["hit_share"] == pytest.approx(2 / 3)


# --- what is computed ---


@pytest.mark.parametrize("method", METHODS)
def test_frozen_layers_are_called_in_the_first_epoch_only(make_trainer: Train, method: str) -> None:
    trainer = make_trainer("bert", method)
    first, last = (layer.attention for layer in trainer.model.get_base_model().bert.encoder.layer)
    calls = count_calls(first), count_calls(last)
    trained(trainer)
    assert calls[0] == [4, 4], "two batches of the first epoch"
    assert calls[1] == ([4, 4] if method == "head-only" else [4] * 6)
    trainer.model.eval()
    trainer.model(**trainer.model.dummy_inputs)
    assert len(calls[0]) == 3, "after training they compute again"


def test_one_row_that_is_not_kept_makes_all_of_its_batch_computed(make_trainer: Train) -> None:
    """So it is for the processes of a run, which see other rows in each epoch."""
    trainer = make_trainer("bert", "head-only")
    calls = count_calls(trainer.model.get_base_model().bert.encoder.layer[0].attention)
    with trainer.frozen:
        for rows, computed in (([0, 1], True), ([1, 2], True), ([2, 0], False), ([0, 1, 2], False), ([3], True)):
            serve(trainer, rows)
            assert bool(calls) == computed, rows
            calls.clear()
    assert facts_of(trainer) | {"megabytes": None} == {
        "rows": 4, "megabytes": None, "where": "memory", "hit_share": 5 / 10
    }  # fmt: skip


def serve(trainer: Any, rows: list[int]) -> torch.Tensor:
    """Returns the logits of some rows in training."""
    from ftkit.engine.batching import pad

    trainer.model.train()
    inputs = pad(trainer.frozen.rows(trainer.encoded.rows).__getitems__(rows), trainer.adapter.padding)
    del inputs["labels"]
    with trainer.frozen.serving(inputs):
        return trainer.model(**inputs).logits


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("name", ["bert", "gpt2", "opt"])
def test_dropout_acts_on_what_is_trained_and_on_nothing_else(make_trainer: Train, name: str, keep: bool) -> None:
    found = {}
    for method in METHODS:
        trainer = make_trainer(name, method, keep=keep)
        base = trainer.model.get_base_model()
        states: list[torch.Tensor] = []
        layers_of(trainer.model)[-1].register_forward_hook(
            lambda module, args, output, states=states: states.append(output)
        )
        with trainer.frozen:
            one, other = serve(trainer, [0, 1]), serve(trainer, [0, 1])
        for row, length in enumerate(trainer.encoded.lengths[:2]):
            torch.testing.assert_close(states[0][row, :length], states[1][row, :length], atol=0, rtol=0)
        found[method] = not torch.equal(one, other)
        assert base.training, "the head"
    assert found["last-layers"], "the last layer has dropout"
    assert found["head-only"] == (name == "bert"), "transformers' heads of decoders have none"


def test_validation_computes_everything(make_trainer: Train, dropping: Callable[[str], Path], tmp_path: Path) -> None:
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
    make_trainer: Train, on_disk: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping = make_trainer("bert", "last-layers")
    assert "1 MB of their outputs are kept on disk" in capsys.readouterr().err
    assert len(mapped(tmp_path)) == 1
    assert not list(tmp_path.iterdir()), "the file has no name, so nothing can leave it behind"
    state = trained(keeping)
    assert facts_of(keeping)["where"] == "disk"
    assert facts_of(keeping)["hit_share"] == pytest.approx(2 / 3)
    assert not mapped(tmp_path), "the file is gone"
    assert_equal_runs(state, trained(make_trainer("bert", "last-layers", keep=False)))


@needs_proc
def test_nothing_is_left_of_a_run_that_fails(make_trainer: Train, on_disk: None, tmp_path: Path) -> None:
    trainer = make_trainer("bert", "last-layers")
    layers = layers_of(trainer.model)
    trainer.guard.check = interrupt
    with pytest.raises(KeyboardInterrupt):
        trained(trainer)
    assert facts_of(trainer)["rows"] > 0
    assert not mapped(tmp_path)
    assert not any("forward" in vars(layer) for layer in layers)


def interrupt(*args: Any, **kwargs: Any) -> Iterator[None]:
    raise KeyboardInterrupt


@pytest.mark.parametrize("reason", ["limit", "free space", "full disk"])
def test_what_does_not_fit_on_disk_either_is_computed_each_time(
    make_trainer: Train,
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
        monkeypatch.setattr(kept_states, "_on_disk", full)
    trainer = make_trainer("bert", "last-layers")
    message = capsys.readouterr().err
    assert "computed in every epoch" in message
    assert kept_states.MEMORY_VARIABLE in message
    state = trained(trainer)
    assert facts_of(trainer) == {"rows": 0, "megabytes": 0.0, "where": "none", "hit_share": 0.0}
    assert_equal_runs(state, trained(make_trainer("bert", "last-layers", keep=False)), atol=0)


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
    make_trainer: Train, name: str, method: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.get("kind") == "translation":
        monkeypatch.setitem(globals(), "split_of", cells.make_split)
    trainer = make_trainer(name, method, **settings)
    assert trainer.frozen.facts == {}
    state = trained(trainer)
    assert trainer.frozen.facts == {}
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())


def test_more_steps_than_an_epoch_are_worth_keeping_for(make_trainer: Train) -> None:
    trainer = make_trainer("bert", "head-only", max_steps=3)
    trained(trainer)
    assert facts_of(trainer)["hit_share"] == pytest.approx(1 / 3)


def test_nothing_is_kept_above_embeddings_that_are_trained(
    dropping: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run_config(tmp_path, dropping("bert"), **{"train.num_train_epochs": 2})
    config["model"]["add_tokens"] = ["zzz"]
    config["tuner"] = METHODS["last-layers"]
    assert "frozen_prefix_cache" not in ftkit.train(config).metrics
    assert "frozen layers" not in capsys.readouterr().err


def test_other_methods_have_no_frozen_part(make_trainer: Train) -> None:
    trainer = make_trainer("bert", "head-only")
    arguments = (trainer.args, trainer.model, trainer.encoded, trainer.adapter.padding, AT_ONCE)
    assert find_frozen_part(TunerSpec(method="lora"), *arguments) is None


# --- a run ---


def test_a_run_that_is_resumed_within_the_second_epoch_equals_one_that_was_not_interrupted(
    dropping: Callable[[str], Path], on_disk: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills up anew what is kept: of the rest of the second epoch, the rows of the third are taken."""
    settings = {
        **{"train.num_train_epochs": 3, "train.per_device_train_batch_size": 6, "train.optim": "sgd"},
        **{"train.learning_rate": 0.05, "train.save_strategy": "steps", "train.save_steps": 6},
        **{"train.eval_strategy": "no", "train.precision": "fp32", "tuner": METHODS["last-layers"]},
    }
    whole = ftkit.train(run_config(tmp_path / "whole", dropping("bert"), **settings))
    config = run_config(tmp_path / "cut", dropping("bert"), **settings)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt)
        ftkit.train(config)
    resumed = ftkit.train(config, {"resume": True})
    assert whole.metrics["num_steps"] == resumed.metrics["num_steps"] == 12
    assert whole.metrics["frozen_prefix_cache"]["where"] == "disk"
    assert whole.metrics["frozen_prefix_cache"]["hit_share"] == pytest.approx(2 / 3)
    assert resumed.metrics["frozen_prefix_cache"]["hit_share"] < 2 / 3
    assert_equal_runs(weights_of(whole), weights_of(resumed))


def weights_of(result: Any) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(result.output_dir / "adapter_model.safetensors")
