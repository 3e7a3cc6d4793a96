"""JSON files of a stranger's checkpoint or run that no library wrote: one message, no traceback."""

import json
import shutil

import pytest

import ftkit
from adapter_runs import write_adapter_run
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.models.tokenizers import load_tokenizer, max_input_length
from ftkit.runs.loading import load_task_adapter
from ftkit.runs.trained_adapter import open_trained_adapter

NO_OBJECTS = {
    "deep": '{"a":' * 3000 + "1" + "}" * 3000,
    "a number of 5,000 digits": '{"vocab_size": ' + "9" * 5000 + "}",
    "a list": "[]",
    "nothing": "null",
    "cut short": '{"a": ',
    "no text": "\x00\x01",
}


@pytest.fixture
def damaged(checkpoint, tmp_path):
    """`damaged("config.json", text)` is a copy of a checkpoint with this file."""

    def make(name, text):
        folder = shutil.copytree(checkpoint("bert"), tmp_path / "bert")
        (folder / name).write_text(text)
        return folder

    return make


@pytest.mark.parametrize("text", NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_a_config_that_is_none(damaged, text):
    with pytest.raises(CheckpointError, match="cannot read|damaged|no value|needs"):
        inspect_checkpoint(ModelSpec(checkpoint=str(damaged("config.json", text))))


@pytest.mark.parametrize(
    "change",
    [{"architectures": 7}, {"hidden_act": []}, {"dtype": "x"}, {"bos_token_id": {}}, {"task_specific_params": 3}],
)
def test_a_config_with_values_that_no_model_has(damaged, checkpoint, change):
    config = json.loads((checkpoint("bert") / "config.json").read_text())
    folder = damaged("config.json", json.dumps({**config, **change}))
    with pytest.raises(CheckpointError, match="Check its config.json|a value that no model has"):
        inspect_checkpoint(ModelSpec(checkpoint=str(folder)))


@pytest.mark.parametrize("text", NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_a_tokenizer_that_is_none(damaged, text):
    folder = damaged("tokenizer.json", text)
    with pytest.raises(CheckpointError, match="tokenizer"):
        load_tokenizer(inspect_checkpoint(ModelSpec(checkpoint=str(folder))))


@pytest.mark.parametrize("limit", [[], "x", -1, 1.5, True])
def test_a_limit_of_length_that_is_none_is_no_limit(damaged, checkpoint, limit):
    config = json.loads((checkpoint("bert") / "tokenizer_config.json").read_text())
    folder = damaged("tokenizer_config.json", json.dumps({**config, "model_max_length": limit}))
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    assert max_input_length(load_tokenizer(spec), spec) == spec.max_positions


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory):
    return write_adapter_run(tmp_path_factory.mktemp("adapter") / "run", checkpoint("bert"), labels=("a", "b"))


@pytest.mark.parametrize("text", NO_OBJECTS.values(), ids=NO_OBJECTS)
@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_a_run_with_a_file_that_is_none(adapter, tmp_path, name, text):
    run = shutil.copytree(adapter, tmp_path / "run")
    (run / name).write_text(text)
    if name == "config.json":
        trained = open_trained_adapter(run)
        with pytest.raises(CheckpointError, match="config.json"):
            load_task_adapter(trained.folder, trained.config)
    else:
        with pytest.raises(CheckpointError):
            ftkit.load(run)


@pytest.mark.parametrize("change", [{"rank_pattern": 3}, {"bias": []}, {"modules_to_save": "x"}])
def test_an_adapter_config_with_values_that_peft_does_not_know(adapter, tmp_path, change):
    run = shutil.copytree(adapter, tmp_path / "run")
    config = json.loads((run / "adapter_config.json").read_text())
    (run / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(CheckpointError, match="cannot be (read|loaded)|damaged"):
        ftkit.load(run)
