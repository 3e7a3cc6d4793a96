"""The table of speed-ups: each has a key of the config, is attached at its moment, and ends with the training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ftkit.config.train import TrainSpec
from ftkit.engine.batching import StepSize
from ftkit.errors import ConfigError
from ftkit.speedups import table
from ftkit.speedups.speedup import Applied, Speedup, Workload
from ftkit.speedups.table import SPEEDUPS, Speedups, check_speedups, speedups
from ftkit.tuners.spec import TunerSpec

SIZE = StepSize(rows=4, cost=None, max_cost_at_once=100)


def test_every_key_is_one_of_the_config() -> None:
    sections = {"train": TrainSpec.model_fields, "tuner": TunerSpec.model_fields}
    assert [speedup.key for speedup in speedups()] == list(SPEEDUPS)
    for key in SPEEDUPS:
        section, _, name = key.partition(".")
        assert name in sections[section]


def test_settings_that_contradict_one_another_are_refused_by_their_key() -> None:
    with pytest.raises(ConfigError, match="train.unpad: prompt puts virtual tokens before each text"):
        check_speedups(TrainSpec(unpad=True), TunerSpec(method="prompt"))
    check_speedups(TrainSpec(), TunerSpec(method="prompt"))


# --- during a run ---


class Recorded:
    """A speed-up that writes down what happens to it."""

    def __init__(self, key: str, moment: Any, *, applies: bool = True, allowed: bool = True) -> None:
        self.events: list[Any] = []
        self.applies, self.allowed = applies, allowed
        self.speedup = Speedup(key=key, moment=moment, applies=lambda workload: self.applies, apply=self.apply)

    def apply(self, workload: Workload) -> Applied | None:
        self.events.append((workload.model, workload.size))
        facts = {self.speedup.key: "used"}
        return Applied(padding_is_free=True, facts=facts, close=self.close) if self.allowed else None

    def close(self) -> None:
        self.events.append("closed")


@pytest.fixture
def in_effect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`in_effect(one, other)` is a run with these speed-ups in the table."""

    def make(*recorded: Recorded) -> Speedups:
        monkeypatch.setattr(table, "speedups", lambda: [one.speedup for one in recorded])
        nothing: Any = SimpleNamespace()
        return Speedups(TrainSpec(), TunerSpec(), nothing, nothing, nothing)

    return make


def test_each_is_attached_at_its_moment_and_closed_at_the_end(in_effect: Any) -> None:
    early, late = Recorded("train.early", "loaded"), Recorded("train.late", "tuned")
    run = in_effect(early, late)
    run.attach("loaded", "model")
    assert run.padding_is_free
    assert run.facts == {"train.early": "used"}
    run.attach("tuned", "tuned model", size=SIZE)
    assert (early.events, late.events) == ([("model", None)], [("tuned model", SIZE)])
    with run:
        assert run.facts == {"train.early": "used", "train.late": "used"}
    assert early.events[-1] == late.events[-1] == "closed"


def test_a_run_that_fails_closes_them_too(in_effect: Any) -> None:
    one = Recorded("train.one", "tuned")
    run = in_effect(one)
    run.attach("tuned", "model", size=SIZE)
    with pytest.raises(KeyboardInterrupt), run:
        raise KeyboardInterrupt
    assert one.events[-1] == "closed"


def test_what_does_not_apply_or_is_not_allowed_says_nothing(in_effect: Any) -> None:
    useless, refused = Recorded("train.a", "loaded", applies=False), Recorded("train.b", "loaded", allowed=False)
    run = in_effect(useless, refused)
    run.attach("loaded", "model")
    with run:
        assert not run.padding_is_free
        assert run.facts == {}
    assert (useless.events, refused.events) == ([], [("model", None)])
