"""Files of the newest and the best checkpoint are damaged; clocks are set back; steps fail."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ftkit
from ftkit.engine import checkpoints
from ftkit.errors import OutOfMemory, RunError
from runs import run_config
from tiny_training import TinyRuns, assert_same


def _truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _empty(file: Path) -> None:
    os.truncate(file, 0)


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


HARMS = {"truncated": _truncate, "emptied": _empty, "deleted": Path.unlink, "flipped": _flip}
FILES = {
    "full": {
        "model.safetensors",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
        "config.json",
    },
    "lora": {"adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "trainer_state.json", "totals.json"},
}


@pytest.fixture(scope="module", params=FILES)
def saved(
    request: pytest.FixtureRequest, checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, set[str]]:
    """The checkpoints of a run, 1 to 4, of which the second is the best one, and files that each of them has."""
    steps = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "steps", "eval_steps": 1, "max_steps": 4}
    config = run_config(
        tmp_path_factory.mktemp("saved"),
        checkpoint("bert"),
        tuner={"method": request.param},
        **{f"train.{key}": value for key, value in steps.items()},
        **{"train.save_total_limit": 4},
    )
    folder = ftkit.train(config).output_dir / "checkpoints"
    for step in range(2, 5):
        state = folder / f"checkpoint-{step}" / "trainer_state.json"
        values = json.loads(state.read_text()) | {"best_global_step": 2, "best_model_checkpoint": "checkpoint-2"}
        state.write_text(json.dumps(values))
        (state.parent / "manifest.json").unlink()
        checkpoints.write_manifest(state.parent)
    return folder, FILES[request.param]


@pytest.mark.parametrize("harm", HARMS)
def test_no_file_may_be_another_than_was_saved(saved, tmp_path: Path, harm: str) -> None:
    """Without the newest one a run goes on from the one before; without the best, from the one before the best."""
    folder, expected = saved
    names = sorted(path.name for path in (folder / "checkpoint-4").iterdir() if path.is_file())
    assert expected | {"manifest.json"} <= set(names)
    for step, goes_on_from in ((4, 3), (2, 1)):
        for name in names:
            copy = shutil.copytree(folder, tmp_path / f"{step}-{name}", copy_function=os.link)
            file = copy / f"checkpoint-{step}" / name
            shutil.copy(file, copy / "own")
            os.replace(copy / "own", file)  # not the one that all copies share
            HARMS[harm](file)
            found, warnings = checkpoints.newest_sound(copy)
            assert found == copy / f"checkpoint-{goes_on_from}", name
            assert len(warnings) == 4 - goes_on_from
            told = warnings[-1]
            if name != "manifest.json":
                assert f"checkpoint-{step}: {name} " in told or f"checkpoint-{step}, {name} " in told
            assert "is missing" in told or "never finished" in told if harm == "deleted" else told


@pytest.mark.parametrize("seconds", [-1e8, 1e8])
def test_clocks_do_not_decide_which_checkpoint_is_the_newest(saved, tmp_path: Path, seconds: float) -> None:
    folder = shutil.copytree(saved[0], tmp_path / "checkpoints")
    for step in (1, 4):
        for path in (folder / f"checkpoint-{step}", *(folder / f"checkpoint-{step}").iterdir()):
            os.utime(path, (time.time() + seconds / step, time.time() + seconds * step))
    assert checkpoints.newest_sound(folder) == (folder / "checkpoint-4", [])
    checkpoints.rotate(folder, keep=2, best=str(folder / "checkpoint-2"))
    assert [path.name for path in checkpoints.steps_of(folder)] == ["checkpoint-4", "checkpoint-2"]


@pytest.fixture
def runs(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRuns:
    return TinyRuns(checkpoint("bert"), tmp_path, monkeypatch)


def test_a_clock_that_is_set_back_while_a_run_trains_and_rests(
    runs: TinyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"scores": (0.5, 0.6, 0.4), "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    clock, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() - clock[0])

    def set_back(*arguments: Any, **options: Any) -> None:
        clock[0] += 86_400

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "rotate", set_back)
        set_back_within = runs.train("within", **settings)
    assert_same(whole, set_back_within)
    for name, value in set_back_within.metrics.items():
        assert not isinstance(value, float) or value >= 0, name
    runs.interrupt("between", at=8, **settings)
    clock[0] += 86_400
    assert_same(whole, runs.train("between", resume=True, **settings))


def test_a_limit_of_one_checkpoint_keeps_the_newest_and_the_best(runs: TinyRuns) -> None:
    settings: dict[str, Any] = {"scores": (0.5, 0.9, 0.6, 0.4), "num_train_epochs": 4, "save_total_limit": 1}
    whole = runs.train("whole", **settings)
    kept = [path.name for path in checkpoints.steps_of(runs.folder / "whole")]
    assert kept == ["checkpoint-16", "checkpoint-8"]
    runs.interrupt("killed", at=12, **settings)
    assert_same(whole, runs.train("killed", resume=True, **settings))
    for step in (16, 8):
        _flip(runs.folder / "whole" / f"checkpoint-{step}" / "model.safetensors")
    assert checkpoints.newest_sound(runs.folder / "whole")[0] is None


class FaultAt:
    """Damages losses, or refuses memory, at the forward passes of some steps."""

    def __init__(self, runs: TinyRuns, passes: set[int], fault: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.passes, self.fault, self.num_passes, self.honest = passes, fault, 0, runs.adapter.objective.loss
        runs.monkeypatch.setattr(runs.adapter.objective, "loss", self)

    def __call__(self, outputs: Any, batch: Any) -> torch.Tensor:
        self.num_passes += 1
        losses_B = self.honest(outputs, batch)
        return self.fault(losses_B) if self.num_passes in self.passes else losses_B


@pytest.mark.parametrize("step", [3, 5, 8])
def test_nan_at_a_step_ends_the_run_and_what_was_saved_goes_on(runs: TinyRuns, step: int) -> None:
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "num_train_epochs": 2}
    whole = runs.train("whole", **settings)
    with pytest.raises(RunError, match=f"The loss of step {step} became NaN or infinite, in row"):
        fault = FaultAt(runs, {step}, lambda losses_B: losses_B * torch.nan)
        runs.train("damaged", **settings)
    newest, warnings = checkpoints.newest_sound(runs.folder / "damaged")
    assert newest == runs.folder / "damaged" / f"checkpoint-{(step - 1) // 2 * 2}"
    assert not warnings
    fault.passes = set()
    assert_same(whole, runs.train("damaged", resume=True, **settings))


def _refuse(losses_B: torch.Tensor) -> torch.Tensor:
    raise MemoryError


@pytest.mark.parametrize("step", [2, 6])
def test_memory_that_runs_out_twice_in_a_row(runs: TinyRuns, step: int) -> None:
    """A third time it is one row that does not fit: the run ends, and what was saved goes on."""
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 1, "num_train_epochs": 2, "optim": "sgd"}
    whole = runs.train("whole", **settings)
    fault = FaultAt(runs, {step, step + 1}, _refuse)
    troubled = runs.train("troubled", **settings)
    assert troubled.metrics["num_steps"] == whole.metrics["num_steps"]
    assert troubled.metrics["max_positions_at_once"] < 40
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(troubled.model.state_dict()[name], weight, atol=1e-5, rtol=0, msg=name)
    fault.num_passes, fault.passes = 0, set(range(step, step + 9))
    with pytest.raises(OutOfMemory, match=rf"too small to train on one row of .* in step {step} "):
        runs.train("failed", **settings)
    fault.passes = set()
    resumed = runs.train("failed", resume=True, **settings)
    assert_same(whole, resumed)
