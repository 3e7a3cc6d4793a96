"""YAML <-> RunConfig: strict and frozen. Every mistake is one message that names the key, and exit code 2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from ftkit import strict_yaml
from ftkit.data.spec import DataSpec, HubSource, ParallelSource
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.models.generation import GenerationSpec
from ftkit.models.spec import ModelSpec
from ftkit.push_spec import PushSpec
from ftkit.train_spec import MANAGED, RENAMED, TrainSpec
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Family, Kind, ProblemType

KeyPath = tuple[str | int, ...]
CONFIG_FILE = "ftkit.yaml"


class BaseFacts(BaseModel):
    """Which checkpoint a trained adapter belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="Hub id, or the folder it was loaded from.")
    commit: str | None = Field(None, description="Of the repository on the Hub.")
    fingerprint: str | None = Field(None, description="Of a local checkpoint's weights.")
    adapter_sha256: str = Field(description="Of the trained adapter's weights.")


class TaskFacts(BaseModel):
    """What a run's task says beyond its kind, so that the task's code is not needed to predict and to score."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...] | None = None
    problem_type: ProblemType | None = None
    metrics: tuple[str, ...] = ()
    primary_metric: str | None = None


class RunFacts(BaseModel):
    """What a run found out, for inference; written into its ftkit.yaml and ignored when a run is started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ftkit_version: str
    task_name: str
    kind: Kind
    family: Family
    columns: dict[str, str]
    max_length: int | None = None
    adapter_options: dict[str, Any] = Field(description="What the task adapter was made with.")
    prepared: bool = Field(description="The task prepares rows with code of its own.")
    base: BaseFacts | None = Field(None, description="Of a run that saved an adapter rather than a whole model.")
    declared: TaskFacts | None = Field(None, description="What the task says; older runs lack it.")
    # Never written: it is said of a checkpoint for which ftkit makes a config in memory.
    is_plain: bool = Field(False, exclude=True, description="A checkpoint that ftkit did not make.")


class RunConfig(BaseModel):
    """One run: a task, a checkpoint, data, and how to train."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="ftkit run")

    task: str = Field(
        min_length=1, description="A kind such as text-classification, file.py:NAME, or package.module:NAME."
    )
    model: ModelSpec
    data: DataSpec
    tuner: TunerSpec = TunerSpec()
    train: TrainSpec = TrainSpec()
    generation: GenerationSpec | None = Field(None, description="How texts are written, in kinds that write texts.")
    metrics: tuple[str, ...] | None = Field(
        None, description="Metric names, such as accuracy, f1 or hub:owner/name. Default: the task's own."
    )
    push: PushSpec | None = Field(None, description="Where on the Hub the finished run is pushed. Default: nowhere.")
    output_dir: str = Field(min_length=1, description="The run directory.")
    resume: StrictBool = Field(False, description="Continue the run in output_dir from its last checkpoint.")
    overwrite: StrictBool = Field(False, description="Replace the run in output_dir.")
    run: RunFacts | None = Field(None, description="Written by ftkit into a run's ftkit.yaml; ignored here.")

    @property
    def seed(self) -> int:
        """The seed of everything random; TrainingArguments' default when none was given."""
        return 42 if self.train.seed is None else self.train.seed

    def to_yaml(self) -> str:
        """Returns the config as YAML: what was set, and ftkit's defaults."""
        values = self.model_dump(mode="json", exclude_none=True)
        return strict_yaml.dump({key: value for key, value in values.items() if value not in ({}, False)})


def load_config(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Reads a config and applies overrides.

    Args:
        source: a YAML file, or a mapping of the same shape.
        overrides: dotted key -> value, such as `{"train.learning_rate": 1e-4}`.

    Raises:
        ConfigError: listing every problem with its key, its line, and the likely fix.
    """
    if isinstance(source, Mapping):
        name, raw = "config", json_copy(source)
        lines: dict[KeyPath, int] = {}
    else:
        name = str(source)
        raw, lines = strict_yaml.load(_read(Path(source)), name)
        if not isinstance(raw, dict):
            raise ConfigError(f"{name}: expected keys such as task, model and data, got {_shown(raw)}.")
    for key, value in (overrides or {}).items():
        _set(raw, key, value)
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_explain(error, raw, name, lines)) from None


def parse_overrides(arguments: list[str]) -> dict[str, Any]:
    """Returns `{key: value}` of command-line `key=value` arguments, values read as YAML."""
    overrides: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"Expected an override such as train.learning_rate=1e-4, got {argument!r}. "
                "Write key=value with no spaces around '='."
            )
        overrides[key] = strict_yaml.parse_value(text, f"the override {key}")
    return overrides


def json_schema() -> dict[str, Any]:
    """Returns the JSON schema of a config, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}


def json_copy(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a deep copy with plain dicts and lists, so that overrides never change the caller's mapping."""
    return json.loads(json.dumps(value, default=str))


def _read(path: Path) -> str:
    if path.is_dir() and (path / CONFIG_FILE).is_file():
        raise ConfigError(f"{path} is a run, not a config. To start it again: ftkit train {path / CONFIG_FILE}")
    if not path.is_file():
        folder = path.absolute().parent
        files = [entry.name for entry in folder.glob("*.y*ml")] if folder.is_dir() else []
        raise ConfigError(
            f"No config file {str(path)!r} (looked at {path.absolute()}).{did_you_mean(path.name, files)}"
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None


def _set(raw: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key, making sections on the way."""
    *sections, last = key.split(".")
    place = raw
    for depth, section in enumerate(sections):
        inner = place.get(section)
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"The override {key}: {'.'.join(sections[: depth + 1])} is {_shown(inner)}, which holds no keys."
            )
        place = inner
    place[last] = value


def _shown(value: Any) -> str:
    """Returns a value as a message shows it: text in quotes, and what sort of thing it is."""
    if value is None:
        return "nothing"
    names = {bool: "the truth value", int: "the number", float: "the number", str: "the text"}
    if isinstance(value, (dict, list)):
        return "keys and values" if isinstance(value, dict) else "a list"
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{names.get(type(value), type(value).__name__)} {shown}"


# --- messages -----------------------------------------------------------------------------------------------


def _explain(error: ValidationError, raw: dict[str, Any], name: str, lines: Mapping[KeyPath, int]) -> str:
    """Turns pydantic's list into one line per wrong key."""
    expected: dict[KeyPath, list[str]] = {}
    for item in error.errors():
        path = _path_in_document(item["loc"], raw, missing=item["type"] in ("missing", "extra_forbidden"))
        expected.setdefault(path, []).append(_problem(path, item, raw))
    messages = []
    for path, problems in expected.items():
        if any(deeper[: len(path)] == path and deeper != path for deeper in expected if path):
            continue  # one branch of a union found the real problem further down
        dotted = ".".join(str(part) for part in path)
        where = f"{name}, line {lines[path]}" if path in lines else name
        whole = [problem for problem in problems if not problem.startswith("expected ")]
        text = whole[0] if whole else _join_expected(problems, _value(raw, path))
        messages.append(f"{where}: {dotted}: {text}" if dotted else f"{where}: {text}")
    return "\n".join(messages)


def _join_expected(problems: list[str], value: Any) -> str:
    choices = list(dict.fromkeys(problem.removeprefix("expected ") for problem in problems))
    hint = " Put it in quotes." if "text" in choices and isinstance(value, (int, float, bool)) else ""
    return f"expected {' or '.join(choices)}, got {_shown(value)}.{hint}"


def _path_in_document(location: tuple[str | int, ...], raw: Any, *, missing: bool) -> KeyPath:
    """Drops the parts that pydantic adds for the branches of a union: they are no keys of the document."""
    path: list[str | int] = []
    value = raw
    for index, part in enumerate(location):
        inside = isinstance(value, dict) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside:
            value = value[part]
            path.append(part)
        elif missing and index == len(location) - 1:
            path.append(part)
    return tuple(path)


def _value(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = raw[part] if not isinstance(raw, dict) or part in raw else None
    return raw


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "none_required": "nothing",
}


def _problem(path: KeyPath, item: Any, raw: dict[str, Any]) -> str:
    """Returns one problem: `expected ...` to be joined with others of the same key, or a whole sentence."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, _value(raw, path[:-1]))
    if kind == "missing":
        return f"this key is missing. {_field_help(path)}"
    if kind == "literal_error":
        value = _value(raw, path)
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(",")]
        return f"got {_shown(value)}, expected one of {name_list(choices)}.{did_you_mean(str(value), choices)}"
    bounds = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = [f"{word} {context[name]}" for name, word in bounds.items() if name in context]
    if limits:
        return f"expected a number {' and '.join(limits)}"
    return f"expected {_EXPECTED[kind]}" if kind in _EXPECTED else f"{item['msg']}."


def _model_at(path: KeyPath) -> type[BaseModel]:
    """Returns the section that a key belongs to."""
    sections: dict[str, type[BaseModel]] = {
        "model": ModelSpec,
        "data": DataSpec,
        "tuner": TunerSpec,
        "train": TrainSpec,
        "generation": GenerationSpec,
        "push": PushSpec,
    }
    return sections.get(str(path[0]), RunConfig) if len(path) > 1 else RunConfig


def _unknown_key(path: KeyPath, section: Any) -> str:
    """Says what an unknown key should have been.

    Args:
        section: what holds the key.
    """
    key = str(path[-1])
    if path[0] == "data" and len(path) == 3 and isinstance(section, dict):
        source = ParallelSource if section.keys() & {"source", "target"} else HubSource
        keys = list(source.model_fields)
        return f"no such key.{did_you_mean(key, keys)} Keys here: {name_list(keys)}."
    if path[0] == "train" and key in RENAMED:
        return f"no such key today; say {RENAMED[key]}."
    if path[0] == "train" and key in MANAGED:
        return f"not to be set here: {MANAGED[key]}."
    choices = list(_model_at(path).model_fields)
    sections = ("model", "data", "train", "push")
    elsewhere = [section for section in sections if key in _model_at((section, key)).model_fields]
    if len(path) == 1 and elsewhere:
        return f"no such key at the top level; it belongs in the section {elsewhere[0]}: {elsewhere[0]}.{key}."
    listed = "" if path[0] == "train" else f" Keys here: {name_list(choices)}."
    return f"no such key.{did_you_mean(key, choices)}{listed}"


def _field_help(path: KeyPath) -> str:
    field = _model_at(path).model_fields.get(str(path[-1]))
    return field.description or "" if field else ""
