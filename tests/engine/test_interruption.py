"""A run that a signal asks to end saves its step, and goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

import fresh
from ftkit.engine.interruption import SIGNALS, Interruption, ending_in_order_from_the_start
from ftkit.errors import Interrupted
from tiny_training import TinyRuns, assert_same

pytestmark = pytest.mark.usefixtures("signals_are_not_ignored")


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_ends_the_block_at_once_and_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    for number in SIGNALS:
        with pytest.raises(Interrupted, match=f"Interrupted by {number.name}"), Interruption().listening():
            send(number)
            raise AssertionError("the signal was not heeded")
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_command_that_starts_says_so_and_heeds_a_signal_that_an_import_took_for_a_failure() -> None:
    with (
        pytest.raises(Interrupted, match="SIGTERM before training began. The same command begins it, or goes on."),
        ending_in_order_from_the_start(),
        contextlib.suppress(Exception),
    ):
        send()


def test_a_noted_signal_ends_the_run_after_the_block() -> None:
    steps = []
    with pytest.raises(Interrupted), Interruption().listening() as interruption:
        with interruption.noted():
            send()
            steps.append("the block goes on")
            assert interruption.is_asked
        steps.append("this is not reached")
    assert steps == ["the block goes on"]


def test_a_block_inside_a_noted_one_may_be_left_at_once() -> None:
    with pytest.raises(Interrupted), Interruption().listening() as interruption, interruption.noted():
        with pytest.raises(Interrupted), interruption.at_once():
            send()
            raise AssertionError("the signal was not heeded")
        with pytest.raises(Interrupted), interruption.at_once():
            raise AssertionError("a signal that came before is heeded, too")


def test_what_is_completed_ends_as_if_no_signal_had_come() -> None:
    done = []
    with Interruption().listening() as interruption:
        with interruption.completing():
            send()
            assert interruption.is_asked
            done.append("the block")
        done.append("what follows")
    assert done == ["the block", "what follows"]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption().listening() as interruption:
            send(signal.SIGHUP)
            assert not interruption.is_asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_trains_without_handlers() -> None:
    found: list[bool] = []

    def run() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with Interruption().listening():
            found.append(signal.getsignal(signal.SIGTERM) is before)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [True]


TWICE = """
import os, signal
from ftkit.engine.interruption import Interruption
with Interruption().listening() as interruption, interruption.noted():
    os.kill(os.getpid(), signal.SIGTERM)
    print("noted", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("the block goes on", flush=True)
"""


def test_a_second_signal_ends_the_process_where_it_stands() -> None:
    found = fresh.python("-c", TWICE)
    assert (found.returncode, found.stdout) == (128 + signal.SIGTERM, "noted\n")
    assert "SIGTERM: finishing and saving what has begun; once more stops at once" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_signal_that_a_launcher_passes_on_is_the_same_signal() -> None:
    found = fresh.python("-c", TWICE, env={**os.environ, "LOCAL_RANK": "0"})
    assert found.stdout == "noted\nthe block goes on\n"
    assert "Interrupted by SIGTERM" in found.stderr


def test_workers_of_a_launcher_that_was_killed_are_asked_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    interruption = Interruption()
    assert not interruption.is_asked
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert interruption.is_asked
    with pytest.raises(Interrupted, match="the loss of its launcher"):
        interruption.heed()


class SignalAt(TrainerCallback):
    """Sends a signal in a step: while its gradients are summed, or at its end."""

    def __init__(self, step: int, when: str) -> None:
        self.step, self.when = step, when

    def on_substep_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.when == "accumulation" and state.global_step == self.step - 1:
            send()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.when == "step" and state.global_step == self.step:
            send()


@pytest.fixture
def runs(checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyRuns:
    return TinyRuns(checkpoint("bert"), tmp_path, monkeypatch)


@pytest.mark.parametrize("step", [1, 4, 6, 8])
def test_a_run_interrupted_at_a_step_loses_nothing(runs: TinyRuns, step: int) -> None:
    settings = {"scores": (0.5, 0.6, 0.4), "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    with pytest.raises(Interrupted, match=f"Interrupted by SIGTERM after step {step} of 12"):
        runs.train("interrupted", callbacks=[SignalAt(step, "step")], listens=True, **settings)
    assert (runs.folder / "interrupted" / f"checkpoint-{step}" / "manifest.json").is_file()
    assert_same(whole, runs.train("interrupted", resume=True, **settings))


def test_a_step_whose_gradients_are_summed_is_finished_first(runs: TinyRuns) -> None:
    settings = {"gradient_accumulation_steps": 2, "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    with pytest.raises(Interrupted, match="after step 3 of 6"):
        runs.train("interrupted", callbacks=[SignalAt(3, "accumulation")], listens=True, **settings)
    assert_same(whole, runs.train("interrupted", resume=True, **settings))


def test_an_evaluation_that_is_interrupted_is_made_up_for(runs: TinyRuns) -> None:
    settings: dict[str, Any] = {"scores": (0.5, 0.6, 0.4), "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    with pytest.raises(Interrupted, match="after step 8 of 12"):
        runs.train("interrupted", signal_in_evaluation=2, listens=True, **settings)
    assert_same(whole, runs.train("interrupted", resume=True, **settings))


def test_the_checkpoint_that_a_run_goes_on_from_is_not_written_again(runs: TinyRuns) -> None:
    """It may be the only one, and a kill in the middle would leave none."""
    settings: dict[str, Any] = {"scores": (0.5, 0.6, 0.4), "num_train_epochs": 3}
    whole = runs.train("whole", **settings)
    with pytest.raises(Interrupted, match="after step 4 of 12"):
        runs.train("interrupted", signal_in_evaluation=1, listens=True, **settings)
    manifest = runs.folder / "interrupted" / "checkpoint-4" / "manifest.json"
    written = manifest.stat().st_mtime_ns
    with pytest.raises(Interrupted, match="after step 4 of 12"):
        runs.train("interrupted", resume=True, signal_in_evaluation=1, listens=True, **settings)
    assert manifest.stat().st_mtime_ns == written
    with pytest.raises(Interrupted, match="after step 8 of 12"):  # when the evaluation has been made up for
        runs.train("interrupted", resume=True, signal_in_evaluation=2, listens=True, **settings)
    assert manifest.stat().st_mtime_ns == written
    assert_same(whole, runs.train("interrupted", resume=True, **settings))


def test_an_interrupted_evaluation_that_ends_the_run_early_ends_it_when_it_is_made_up_for(runs: TinyRuns) -> None:
    settings: dict[str, Any] = {"scores": (0.5, 0.4, 0.3, 0.2), "num_train_epochs": 4, "patience": 2}
    whole = runs.train("whole", **settings)
    assert whole.metrics["num_steps"] == 12
    with pytest.raises(Interrupted, match="after step 12 of 16"):
        runs.train("interrupted", signal_in_evaluation=3, listens=True, **settings)
    assert_same(whole, runs.train("interrupted", resume=True, **settings))
