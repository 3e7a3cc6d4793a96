"""The collector rests while a command starts, and never longer."""

import gc

import pytest
from typer.testing import CliRunner

from ftkit.engine import training
from ftkit.speedups.startup import collector_at_rest, wake_collector
from runs import run_config


@pytest.fixture(autouse=True)
def as_before():
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_it_rests_until_it_is_woken():
    with collector_at_rest():
        assert not gc.isenabled()
        before = gc.get_freeze_count()
        wake_collector()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    assert gc.isenabled()


def test_an_error_wakes_it():
    with pytest.raises(ValueError, match="x"), collector_at_rest():
        raise ValueError("x")
    assert gc.isenabled()


def test_one_that_was_switched_off_stays_off():
    gc.disable()
    with collector_at_rest():
        wake_collector()
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert not gc.get_freeze_count()


def test_a_variable_keeps_it_awake(monkeypatch):
    monkeypatch.setenv("FTKIT_REST_COLLECTOR", "0")
    with collector_at_rest():
        assert gc.isenabled()


def test_it_rests_while_a_run_is_prepared_and_works_while_it_trains(checkpoint, tmp_path, monkeypatch):
    from ftkit.cli import app
    from ftkit.config import yaml as strict_yaml

    seen = []
    start, train = training.start_engine, training.FtkitTrainer.train
    monkeypatch.setattr(
        training, "start_engine", lambda *args, **kwargs: seen.append(gc.isenabled()) or start(*args, **kwargs)
    )
    monkeypatch.setattr(
        training.FtkitTrainer, "train", lambda *args, **kwargs: seen.append(gc.isenabled()) or train(*args, **kwargs)
    )
    (tmp_path / "run.yaml").write_text(
        strict_yaml.dump(run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 1}))
    )
    result = CliRunner().invoke(app, ["train", str(tmp_path / "run.yaml")])
    assert result.exit_code == 0, result.output
    assert seen == [False, True]
