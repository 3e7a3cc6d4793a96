"""A config is strict, and each mistake is one line that says what to do."""

import json
import re
from pathlib import Path

import pytest

from ftkit.config.run_config import RunFacts, json_schema, load_config, parse_overrides
from ftkit.config.train import RENAMED, TrainSpec, training_argument_fields
from ftkit.config.train_values import OPEN_WORDS
from ftkit.errors import ConfigError
from ftkit.kinds.table import find_kind, kind_names

GOOD = {
    "task": "text-classification",
    "model": {"checkpoint": "x"},
    "data": {"train": "a.csv"},
    "output_dir": "runs/x",
}
ROOT = Path(__file__).resolve().parent.parent.parent


def problem(overrides=None, **changes):
    with pytest.raises(ConfigError) as caught:
        load_config({**GOOD, **changes}, overrides)
    return str(caught.value)


CIRCLE: dict = {}
CIRCLE["train"] = CIRCLE


def test_defaults_and_overrides():
    config = load_config(GOOD, {"train.learning_rate": 1e-4, "data.columns.label": "intent", "output_dir": "runs/y"})
    assert config.train.learning_rate == 1e-4
    assert config.data.columns == {"label": "intent"}
    assert config.output_dir == "runs/y"
    assert config.seed == 42
    assert config.tuner.method == "full"


def test_a_column_may_be_named_by_its_position(tmp_path):
    config = load_config(GOOD, {"data.header": False, "data.columns": {"text": 0, "label": "2"}, "data.group": 1})
    assert config.data.columns == {"text": "0", "label": "2"}
    assert config.data.group == "1"
    (tmp_path / "c.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "c.yaml") == config


def test_overrides_do_not_change_the_callers_mapping():
    load_config(GOOD, {"data.test": "t.csv"})
    assert "test" not in GOOD["data"]


def test_what_is_written_is_read_back_equal(tmp_path):
    config = load_config(GOOD, {"data.labels": ["no", "01"], "train.learning_rate": 3e-5, "train.eval_strategy": "no"})
    (tmp_path / "c.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "c.yaml") == config


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"data.trian": "x"}, ["data.trian", "Did you mean 'train'?"]),
        ({"train.learning_rat": 1}, ["train.learning_rat", "Did you mean 'learning_rate'?"]),
        ({"learning_rate": 1}, ["belongs in the section train: train.learning_rate"]),
        ({"train.learning_rate": "fast"}, ["expected a number, got the text 'fast'"]),
        ({"train.num_train_epochs": True}, ["expected a number, got the truth value true"]),
        ({"train.seed": 1.5}, ["train.seed", "expected a whole number, got the number 1.5"]),
        ({"train.eval_strategy": "epochs"}, ["'no', 'steps', 'epoch'", "Did you mean 'epoch'?"]),
        ({"train.per_device_train_batch_size": 0}, ["expected a number at least 1"]),
        ({"train.class_weights": "balancd"}, ["train.class_weights", "balanced"]),
        ({"data.validation": 2}, ["data.validation: expected text or a number below 1, got the number 2."]),
        ({"data.train": {"hub": "x"}}, ["data.train.split: this key is missing"]),
        ({"data.labels": [1, 2]}, ["data.labels.0", "expected text, got the number 1. Put it in quotes."]),
        ({"data.columns.text": -1}, ["data.columns.text: a position counts from 0."]),
        ({"data.problem_type": "multi_label"}, ["Did you mean 'multi_label_classification'?"]),
        ({"model": "x"}, ["model: expected keys and values, got the text 'x'"]),
        ({"model.checkpoint": ""}, ["model.checkpoint"]),
        ({"tuner.method": "ful"}, ["tuner.method", "Did you mean 'full'?"]),
        ({"overwrite": "yes"}, ["overwrite: expected true or false, got the text 'yes'"]),
        ({"output_dir": None}, ["output_dir: expected text, got nothing"]),
        ({"train.output_dir": "x"}, ["not to be set here: say output_dir at the top level"]),
        ({"train.hub_token": "hf_secret"}, ["HF_TOKEN environment variable"]),
        ({"data.train.x": 1}, ["data.train is the text 'a.csv', which holds no keys"]),
    ],
)
def test_a_mistake_is_named_with_its_fix(overrides, parts):
    message = problem(overrides)
    for part in parts:
        assert part in message
    assert "hf_secret" not in message


@pytest.mark.parametrize(
    "overrides",
    [
        {"train.class_weights": {0: 1.0, 1: 5}},
        {"train": {"class_weights": {0: 1.0, 1: 5}}},
        parse_overrides(["train.class_weights={0: 1.0, 1: 5}"]),
        parse_overrides(["train.class_weights.0=1", "train.class_weights.1=5"]),
    ],
)
def test_labels_that_are_numbers_are_keys_like_others(overrides):
    assert load_config(GOOD, overrides).train.class_weights == {"0": 1.0, "1": 5.0}


@pytest.mark.parametrize(("key", "wrong", "right"), [("positive_label", "true", '"true"'), ("labels", "[0]", '["0"]')])
def test_the_hint_on_quotes_works_in_a_file_and_on_the_command_line(key, wrong, right, tmp_path):
    def load(value, *overrides):
        (tmp_path / "c.yaml").write_text(
            f"task: text-classification\nmodel: {{checkpoint: x}}\noutput_dir: r\ndata: {{train: a, {key}: {value}}}\n"
        )
        return getattr(load_config(tmp_path / "c.yaml", parse_overrides(overrides)).data, key)

    with pytest.raises(ConfigError, match=r"line 4: data.*expected text, got the .*\. Put it in quotes\.$"):
        load(wrong)
    assert load(right)
    with pytest.raises(
        ConfigError, match=r"c.yaml: data.*Put it in quotes, and these in others for the shell"
    ) as caught:
        load(right, f"data.{key}={wrong}")
    assert """'KEY="TEXT"'""" in str(caught.value)
    assert load(right, f"data.{key}={right}")


def test_a_list_of_weights_is_told_what_is_expected():
    message = problem({"train.class_weights": [1, 5]})
    assert "train.class_weights: expected 'balanced' or keys and values, got a list." in message


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_old_names_are_recognised(old):
    assert f"no such key today; say {RENAMED[old]}." in problem({f"train.{old}": 1})


def test_no_renamed_name_is_a_name_of_today():
    assert not set(RENAMED) & set(training_argument_fields()) - {"length_column_name"}


def test_every_number_of_train_has_a_range():
    """A key that a later transformers adds is to be looked at: give it a row in RANGES."""
    for name, properties in TrainSpec.model_json_schema()["properties"].items():
        for choice in properties.get("anyOf", [properties]):
            if choice.get("type") in ("number", "integer"):
                assert {"minimum", "exclusiveMinimum"} & choice.keys(), name
                assert "maximum" in choice or choice["type"] == "number", name
                assert f"train.{name}: expected" in problem({f"train.{name}": float("inf")})
                assert "expected a number a" in problem({f"train.{name}": -5})  # above or at least


def test_every_word_of_train_is_one_of_a_set_or_open():
    """A key that a later transformers adds is to be looked at: give it a row in WORDS, or in OPEN_WORDS."""
    for name, properties in TrainSpec.model_json_schema()["properties"].items():
        texts = [choice for choice in properties.get("anyOf", [properties]) if choice.get("type") == "string"]
        assert all("enum" in choice or "const" in choice for choice in texts) or name in OPEN_WORDS, name


def test_minus_one_step_is_not_set():
    assert load_config(GOOD, {"train.max_steps": -1}).train.max_steps is None


def test_missing_keys_are_all_listed():
    with pytest.raises(ConfigError) as caught:
        load_config({"task": "text-classification"})
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["model", "data", "output_dir"]


def test_a_message_names_file_and_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("task: translation\nmodel: {checkpoint: x}\ndata:\n  train: a.csv\n  tset: b.csv\noutput_dir: r\n")
    with pytest.raises(ConfigError, match=r"run.yaml, line 5: data.tset: no such key. Did you mean 'test'\?"):
        load_config(path)


def test_a_missing_config_offers_the_closest(tmp_path):
    (tmp_path / "quickstart.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"Did you mean 'quickstart.yaml'\?"):
        load_config(tmp_path / "quickstrat.yaml")


@pytest.mark.parametrize("text", ["train.seed", "=3", "train.seed 3"])
def test_an_override_needs_key_and_value(text):
    with pytest.raises(ConfigError, match="Write key=value"):
        parse_overrides([text])


@pytest.mark.parametrize("change", [{"train": {"seed": 10**5000}}, {("a", "b"): 1}, CIRCLE])
def test_a_mapping_that_no_file_could_hold_is_refused(change):
    with pytest.raises(ConfigError, match="expected keys and values as in a YAML file"):
        load_config({"task": "text-classification", **change})
    with pytest.raises(ConfigError):
        load_config({}, {"train.seed": 10**5000})


def test_bytes_that_are_not_utf_8_are_named_by_line(tmp_path):
    (tmp_path / "run.yaml").write_bytes("task: a\noutput_dir: caf\u00e9\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="run.yaml, line 2: not UTF-8 at byte 23"):
        load_config(tmp_path / "run.yaml")


def test_overrides_are_read_as_yaml():
    assert parse_overrides(["a=1e-4", "b=no", "c=[x, y]", "d=p=q"]) == {
        "a": 1e-4,
        "b": "no",
        "c": ["x", "y"],
        "d": "p=q",
    }


def test_a_run_that_knows_no_limit_of_length_loads_again(tmp_path):
    facts = RunFacts(
        ftkit_version="0",
        task_name="translation",
        kind="translation",
        family="encoder-decoder",
        columns={},
        max_length=None,
        adapter_options={},
        prepared=False,
    )
    config = load_config(
        {
            "task": "translation",
            "model": {"checkpoint": "t5-small"},
            "data": {"train": "a.tsv"},
            "output_dir": "runs/x",
        }
    )
    (tmp_path / "ftkit.yaml").write_text(config.model_copy(update={"run": facts}).to_yaml())
    assert load_config(tmp_path / "ftkit.yaml").run == facts


def test_a_push_needs_a_repository_and_knows_its_keys(tmp_path):
    base = {"task": "translation", "model": {"checkpoint": "t5-small"}, "data": {"train": "a.tsv"}, "output_dir": "x"}
    assert load_config({**base, "push": {"repo_id": "me/x", "private": True}}).push.private
    with pytest.raises(ConfigError, match=r"push\.repo_id: this key is missing"):
        load_config({**base, "push": {"private": True}})
    with pytest.raises(ConfigError, match="Did you mean 'private'"):
        load_config({**base, "push": {"repo_id": "me/x", "privat": True}})
    with pytest.raises(ConfigError, match="push: {repo_id: owner/name}"):
        load_config({**base, "train": {"push_to_hub": True}})
    with pytest.raises(ConfigError, match="push: {repo_id: owner/name}"):
        load_config({**base, "train": {"hub_model_id": "me/x"}})


def test_the_schema_in_task_configs_is_current():
    saved = json.loads((ROOT / "task_configs" / "schema.json").read_text(encoding="utf-8"))
    assert saved == json.loads(json.dumps(json_schema())), "ftkit schema > task_configs/schema.json"


@pytest.mark.parametrize("path", sorted((ROOT / "task_configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_task_config_loads_and_names_the_schema(path):
    load_config(path)
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


# --- keys of `data` that belong to a kind ---

MINE = {
    "text-classification": ("problem_type", "label_separator"),
    "token-classification": ("tag_scheme", "repair_tags", "window_overlap"),
    "translation": ("source_lang", "prompt_template", "bleu_tokenizer"),
}


@pytest.mark.parametrize(("owner", "keys"), MINE.items())
@pytest.mark.parametrize("task", MINE)
def test_a_key_of_another_kind_is_refused_by_name(task, owner, keys):
    for key in keys:
        assert key in find_kind(owner).data.model_fields
        if key in find_kind(task).data.model_fields:
            assert "a key of" not in problem({f"data.{key}": {"neither": "text nor number"}}, task=task)
            continue
        message = problem({f"data.{key}": "x"}, task=task)
        assert re.search(
            rf"data\.{key}: a key of [^.]*{owner!r}[^.]*, and this task is {task}\. Leave it out\.", message
        )


def test_a_key_of_several_kinds_names_them_all():
    message = problem({"data.labels": ["a", "b"]}, task="translation")
    assert "data.labels: a key of 'text-classification', 'token-classification'" in message


def test_keys_of_a_task_of_ones_own_are_checked_when_its_kind_is_known(tmp_path):
    """A file that a config names is not imported before that is asked for."""
    config = load_config({**GOOD, "task": "mine.py:TASK"}, {"data.source_lang": "en"})
    assert config.data.source_lang == "en"
    assert config.for_kind(find_kind("translation")).data.source_lang == "en"
    with pytest.raises(ConfigError, match=r"data\.source_lang: a key of 'translation'"):
        config.for_kind(find_kind("text-classification"))


def test_a_saved_run_is_read_as_its_kind_whatever_its_task_is_called(tmp_path):
    facts = {
        "ftkit_version": "0",
        "task_name": "mine",
        "kind": "translation",
        "family": "decoder",
        "columns": {},
        "adapter_options": {},
        "prepared": False,
    }
    config = load_config({**GOOD, "task": "mine.py:TASK", "run": facts}, {"data.prompt_template": "{source} ="})
    assert type(config.data) is find_kind("translation").data


def test_the_schema_knows_which_keys_belong_to_which_task():
    schema = json_schema()
    branches = {branch["if"]["properties"]["task"]["const"]: branch["then"] for branch in schema["allOf"]}
    assert branches.keys() == set(kind_names())
    for kind, branch in branches.items():
        name = branch["properties"]["data"]["$ref"].rpartition("/")[2]
        assert set(schema["$defs"][name]["properties"]) == set(find_kind(kind).data.model_fields)
        assert schema["$defs"][name]["additionalProperties"] is False
