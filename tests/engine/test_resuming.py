"""A resumed run is the run that it was: where it ends, what it logs, which checkpoint is its best."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from ftkit.engine import checkpoints
from ftkit.engine.resuming import evaluations_without_improvement
from ftkit.engine.totals import Totals
from ftkit.errors import RunError
from tiny_training import TinyRuns, assert_same


@pytest.fixture
def runs(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRuns:
    return TinyRuns(checkpoint("bert"), tmp_path, monkeypatch)


PEAKED = (0.4, 0.6, 0.5, 0.6, 0.5)


@pytest.mark.parametrize("killed_at", [4, 8, 12, 16])
def test_early_stopping_counts_on_where_it_was_interrupted(runs: TinyRuns, killed_at: int) -> None:
    settings = {"scores": PEAKED, "patience": 2, "num_train_epochs": 6}
    whole = runs.train("whole", **settings)
    assert (whole.metrics["num_steps"], whole.metrics["best_step"]) == (16, 16)  # of equal ones the later
    runs.interrupt("killed", at=killed_at, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))


TIES = {
    "the lower loss": (((0.5, 1.0), (0.9, 0.4), (0.9, 0.3), (0.9, 0.35)), 12),
    "then the later": (((0.9, 0.4), (0.9, 0.4), (0.8, 0.1), (0.9, 0.5)), 8),
    "a loss that is no number loses": (((0.9, 0.4), (0.9, math.nan), (0.8, 0.1), (0.1, 0.1)), 4),
}


@pytest.mark.parametrize("name", TIES)
def test_of_equal_scores_one_is_the_best_also_when_resumed(runs: TinyRuns, name: str) -> None:
    scores, best = TIES[name]
    whole = runs.train("whole", scores=scores)
    assert whole.metrics["best_step"] == best
    runs.interrupt("killed", at=8, scores=scores)
    resumed = runs.train("killed", resume=True, scores=scores)
    assert resumed.metrics["best_step"] == best
    for weights, same in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(same, weights, atol=0, rtol=0)


def test_a_run_that_had_taken_its_last_step_in_mid_epoch_takes_no_other(runs: TinyRuns) -> None:
    settings = {"max_steps": 6, "save_strategy": "steps", "save_steps": 6}
    whole = runs.train("whole", **settings)
    runs.interrupt("killed", at=6, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))


@pytest.mark.parametrize("killed_at", [2, 4, 8])
def test_losses_are_those_of_all_steps_when_logs_and_checkpoints_do_not_coincide(
    runs: TinyRuns, killed_at: int
) -> None:
    settings = {"save_strategy": "steps", "save_steps": 2, "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    runs.interrupt("killed", at=killed_at, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))


def test_an_epoch_whose_last_step_is_saved_is_evaluated_before(runs: TinyRuns) -> None:
    settings = {
        "scores": (0.5, 0.6, 0.7),
        "save_strategy": "steps",
        "save_steps": 4,
        "eval_strategy": "epoch",
        "num_train_epochs": 3,
    }
    whole = runs.train("whole", **settings)
    assert sum("eval_accuracy" in entry for entry in whole.log_history) == 3
    runs.interrupt("killed", at=8, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))


def test_the_best_checkpoint_of_a_run_that_was_moved_is_found(runs: TinyRuns) -> None:
    settings = {"scores": (0.9, 0.6, 0.5), "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    runs.interrupt("killed", at=8, **settings)
    shutil.move(runs.folder / "killed", runs.folder / "moved")
    resumed = runs.train("moved", resume=True, **settings)
    assert resumed.metrics["best_step"] == 4
    assert_same(whole, resumed)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [_truncate, _flip, Path.unlink, lambda file: shutil.rmtree(file.parent)])
def test_weights_that_are_not_the_best_are_never_taken_for_them(
    runs: TinyRuns, harm: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"scores": (0.5, 0.9, 0.6, 0.5)}
    runs.interrupt("killed", at=12, **settings)
    harm(runs.folder / "killed" / "checkpoint-8" / "model.safetensors")
    resumed = runs.train("killed", resume=True, **settings)
    told = " ".join(capsys.readouterr().err.split())
    assert "checkpoint-12: of the best one so far" in told
    assert "going on from" in told
    assert "checkpoint-4" in told
    assert_same(runs.train("whole", **settings), resumed)


def test_a_best_checkpoint_that_is_damaged_while_training_goes_on_ends_the_run(runs: TinyRuns) -> None:
    best = runs.folder / "damaged" / "checkpoint-4" / "model.safetensors"
    scores = iter((0.9, 0.5))

    class Scores:
        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Iterator[float]:
            for score in scores:
                if best.exists():
                    _flip(best)
                yield score

    with pytest.raises(RunError, match=r"best checkpoint, .*checkpoint-4, cannot be loaded: model.safetensors has"):
        runs.train("damaged", scores=Scores(), num_train_epochs=2)  # type: ignore[arg-type]


FILES = {
    name: [1, "0"]
    for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
}


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("null", "does not hold what ftkit wrote"),
        ("[]", "does not hold what ftkit wrote"),
        ('{"model.safetensors": 3}', "does not hold what ftkit wrote"),
        ('{"../../escape": [1, "0"]}', "does not hold what ftkit wrote"),
        ("{}", "lists no trainer_state.json"),
        *(
            (json.dumps({name: entry for name, entry in FILES.items() if name != left_out}), f"lists no {what}")
            for left_out, what in (
                ("model.safetensors", "weights"),
                ("optimizer.pt", "optimizer"),
                ("scheduler.pt", "scheduler.pt"),
                ("rng_state.pth", "random state"),
                ("trainer_state.json", "trainer_state.json"),
            )
        ),
        (json.dumps(FILES), "model.safetensors is missing"),
    ],
)
def test_a_manifest_that_is_nonsense_is_no_manifest(tmp_path: Path, manifest: str, problem: str) -> None:
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "manifest.json").write_text(manifest)
    assert problem in str(checkpoints.damage(tmp_path / "checkpoint-3"))
    found, (warning,) = checkpoints.newest_sound(tmp_path)
    assert found is None
    assert problem in warning


@pytest.mark.parametrize(
    ("scores", "count"),
    [((), 0), ((0.5,), 0), ((0.5, 0.7, 0.7, 0.6), 2), ((0.5, 0.4, 0.6), 0), ((None, None), 0), ((0.5, None), 1)],
)
def test_evaluations_without_improvement(scores: Sequence[float | None], count: int) -> None:
    log: list[dict[str, Any]] = [{"loss": 1.0}]
    for score in scores:
        log += [{"eval_loss": 1.0} if score is None else {"eval_loss": 1.0, "eval_f1": score}, {"loss": 0.5}]
    assert evaluations_without_improvement(log, "eval_f1", greater_is_better=True) == count
    lower = [{name: -value for name, value in entry.items()} for entry in log]
    assert evaluations_without_improvement(lower, "eval_f1", greater_is_better=False) == count


def test_totals_survive_the_way_to_disk(tmp_path: Path) -> None:
    total = Totals(logged_loss=0.1 + 0.2, unlogged_losses=(1 / 3, 0.1), last_logged_step=7)
    total.save(tmp_path)
    assert Totals.load(tmp_path) == total
    assert Totals.load(tmp_path / "nowhere") is None
