"""A trained adapter whose base is not where it was: found, named by the user, or told what is missing."""

import shutil
from pathlib import Path

import pytest

import ftkit
from adapter_runs import write_adapter_run
from ftkit.errors import CheckpointError, UserError
from ftkit.runs.trained_adapter import open_trained_adapter
from runs import TEXTS, write_csv

LABELS = ("card", "food", "sport", "weather")


@pytest.fixture(scope="module")
def made(checkpoint, tmp_path_factory):
    """A folder with a base and the run of a LoRA on it; tests copy it."""
    folder = tmp_path_factory.mktemp("together")
    shutil.copytree(checkpoint("bert"), folder / "bases" / "bert")
    write_adapter_run(folder / "runs" / "lora", folder / "bases" / "bert", labels=LABELS)
    return folder


@pytest.fixture
def moved(made, tmp_path):
    """The same after a move: nothing is where it was."""
    copy = shutil.copytree(made, tmp_path / "elsewhere")
    made.rename(made.with_name("away"))
    yield copy
    made.with_name("away").rename(made)


@pytest.fixture
def alone(moved):
    """The run, and its base in a place that it cannot know."""
    base = (moved / "bases" / "bert").rename(moved / "base")
    return moved / "runs" / "lora", base


def test_a_run_and_its_base_that_were_moved_together_work(moved, command):
    spec = open_trained_adapter(moved / "runs" / "lora").base_spec()
    assert Path(spec.path) == moved / "bases" / "bert"
    code, out, _ = command("predict", moved / "runs" / "lora", "--text", "my card was lost")
    assert code == 0
    assert '"label"' in out


def test_a_base_elsewhere_with_other_weights_is_passed_over(moved, made):
    shutil.copytree(moved / "bases" / "bert", made / "bases" / "bert")
    weights = made / "bases" / "bert" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    try:
        assert open_trained_adapter(moved / "runs" / "lora").base_spec().path == str(moved / "bases" / "bert")
    finally:
        shutil.rmtree(made)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "RUN", "--text", "x"),
        ("evaluate", "RUN", "--data", "DATA"),
        ("export", "RUN", "OUT", "--data", "DATA"),
        ("merge", "RUN", "OUT", "--data", "DATA"),
    ],
)
def test_every_command_says_what_is_missing_and_takes_where_it_is(alone, arguments, made, command, tmp_path):
    run, base = alone
    places = {"RUN": run, "OUT": tmp_path / "out", "DATA": write_csv(tmp_path / "data.csv", TEXTS[:4])}
    arguments = [places.get(argument, argument) for argument in arguments]
    code, _, told = command(*arguments)
    assert code == 2
    assert f"The base of the trained adapter in {run} is not there" in told
    assert str(made / "bases" / "bert") in told
    assert "--base PATH_OR_ID" in told
    assert "connect" not in told
    if arguments[0] != "predict":
        arguments += ["--columns", "text=text,label=topic"] if arguments[0] == "evaluate" else []
        code, _, told = command(*arguments, "--base", base.parent / "nowhere" / "x")
        assert code == 2
        assert "--base: no folder" in told
    if arguments[0] in ("predict", "evaluate"):
        code, out, told = command(*arguments, "--base", base)
        assert (code, "Traceback" in told) == (0, False)
        assert '"label"' in out or '"accuracy"' in out


def test_python_takes_it_too(alone):
    run, base = alone
    assert ftkit.load(run, base=base).predict(["my card was lost"])[0]["label"] in LABELS
    bank = ftkit.AdapterBank(base)
    bank.add("lora", run)
    assert bank.predict([("lora", "my card was lost")])[0]["label"] in LABELS
    with pytest.raises(CheckpointError, match="base=PATH_OR_ID"):
        ftkit.AdapterBank().add("lora", run)


def test_another_checkpoint_is_not_taken(alone):
    run, base = alone
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(CheckpointError, match="--base: .* is not the base of the adapter"):
        ftkit.load(run, base=base)


def test_a_whole_model_needs_none(checkpoint, command):
    code, _, told = command("predict", checkpoint("bert"), "--text", "x", "--base", checkpoint("bert"))
    assert code == 2
    assert "holds a whole model, which needs no base" in told


def test_what_cannot_be_compared_is_told(alone, tmp_path, capsys):
    run, base = alone
    config = run / "ftkit.yaml"
    lines = [line for line in config.read_text().splitlines() if "fingerprint" not in line and "from_run" not in line]
    config.write_text("\n".join(lines).replace(str(base), "x"))
    ftkit.load(run, base=base)
    told = " ".join(capsys.readouterr().err.split())
    assert "cannot be told: one is a folder, the other on the Hub" in told


def test_without_it_a_base_on_the_hub_is_named(alone):
    run, _ = alone
    config = run / "ftkit.yaml"
    text = "\n".join(line for line in config.read_text().splitlines() if "fingerprint" not in line)
    places = {line.split(": ")[1] for line in text.splitlines() if line.strip().startswith(("checkpoint:", "path:"))}
    for place in places:
        text = text.replace(place, "me/gone")
    config.write_text(text)
    with pytest.raises(UserError, match="needs me/gone, its base. Fix: .*--base PATH_OR_ID"):
        ftkit.load(run)
