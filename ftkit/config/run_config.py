"""YAML <-> RunConfig: strict and frozen. Every mistake is one message that names the key, and exit code 2."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, StrictBool, ValidationError, create_model

from ftkit.config import yaml as strict_yaml
from ftkit.config.files import CONFIG_FILE
from ftkit.config.messages import KeyPath, explain, shown
from ftkit.config.push import PushSpec
from ftkit.config.train import TrainSpec
from ftkit.data.spec import DataSpec, UncheckedDataSpec
from ftkit.errors import ConfigError, did_you_mean
from ftkit.kinds.kind import Kind
from ftkit.kinds.table import find_kind, kind_names, known_kind
from ftkit.models.generation import GenerationSpec
from ftkit.models.spec import ModelSpec
from ftkit.paths import user_path
from ftkit.tuners.spec import TunerSpec
from ftkit.types import Family, ProblemType


class BaseFacts(BaseModel):
    """Which checkpoint a trained adapter belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="Hub id, or the folder it was loaded from.")
    from_run: str | None = Field(None, description="The same folder as seen from the run's, for both moved together.")
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
    kind: str
    family: Family
    columns: dict[str, str]
    max_length: int | None = None
    adapter_options: dict[str, Any] = Field(description="What the task adapter was made with.")
    prepared: bool = Field(description="The task prepares rows with code of its own.")
    base: BaseFacts | None = Field(None, description="Of a run that saved an adapter rather than a whole model.")
    weights: str | None = Field(None, description="Fingerprint of a whole model's weights; older runs lack it.")
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
    data: SerializeAsAny[DataSpec]
    tuner: TunerSpec = TunerSpec()
    train: TrainSpec = TrainSpec()
    generation: GenerationSpec | None = Field(None, description="How texts are written, in kinds that write texts.")
    metrics: tuple[str, ...] | None = Field(
        None, description="Metric names, such as accuracy, f1 or hub:owner/name. Default: the task's own."
    )
    push: PushSpec | None = Field(None, description="Where on the Hub the finished run is pushed. Default: nowhere.")
    output_dir: str = Field(min_length=1, description="The run directory.")
    resume: StrictBool | None = Field(
        None,
        description="Whether to go on with the run in output_dir. Unset and true: if there is one. false: refuse it.",
    )
    overwrite: StrictBool = Field(False, description="Replace the run in output_dir.")
    run: RunFacts | None = Field(None, description="Written by ftkit into a run's ftkit.yaml; ignored here.")

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.train.chosen_seed

    def for_kind(self, kind: Kind) -> RunConfig:
        """Returns the config with its `data` section as the kind has it.

        Raises:
            ConfigError: a key of it is wrong, or belongs to another kind.
        """
        if type(self.data) is kind.data:
            return self
        raw = self.model_dump(mode="json", exclude_unset=True)
        return _validated(raw, "config", {}, kind)

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
            raise ConfigError(f"{name}: expected keys such as task, model and data, got {shown(raw)}.")
    for key, value in json_copy(overrides or {}).items():
        _set(raw, key, value)
        path = tuple(key.split("."))
        lines = {known: line for known, line in lines.items() if known[: len(path)] != path}
    kind = _kind_of(raw)
    if kind is not None:
        _drop_old_defaults(raw.get("data"), kind)
    return _validated(raw, name, lines, kind)


def _kind_of(raw: Mapping[str, Any]) -> Kind | None:
    """Returns the kind that a config is for, as far as it can be known without importing what a config names."""
    facts, task = raw.get("run"), raw.get("task")
    recorded = facts.get("kind") if isinstance(facts, Mapping) else None
    return next((kind for name in (recorded, task) if isinstance(name, str) and (kind := known_kind(name))), None)


def _drop_old_defaults(data: Any, kind: Kind) -> None:
    """Drops what an earlier ftkit wrote into the config of every run: a default that says nothing."""
    if (
        isinstance(data, dict)
        and "label_separator" not in kind.data.model_fields
        and data.get("label_separator") == ","
    ):
        del data["label_separator"]


def _validated(raw: dict[str, Any], name: str, lines: Mapping[KeyPath, int], kind: Kind | None) -> RunConfig:
    """Returns a config whose `data` section is that of its kind; of a kind to be found later, unchecked.

    Raises:
        ConfigError: listing every problem.
    """
    data = UncheckedDataSpec if kind is None else kind.data
    try:
        return _config_class(data).model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error, raw, name, lines, _sections(data), _owners())) from None


@functools.cache
def _config_class(data: type[DataSpec]) -> type[RunConfig]:
    """Returns RunConfig with the `data` section of one kind."""
    field: Any = (data, Field(...))
    return create_model("RunConfig", __base__=RunConfig, __module__=__name__, data=field)


def _sections(data: type[DataSpec]) -> dict[str, type[BaseModel]]:
    return {
        "": RunConfig,
        "model": ModelSpec,
        "data": data,
        "tuner": TunerSpec,
        "train": TrainSpec,
        "generation": GenerationSpec,
        "push": PushSpec,
    }


def _owners() -> dict[str, list[str]]:
    """Returns key of `data` -> the kinds that it belongs to, of keys that not every kind has."""
    owners: dict[str, list[str]] = {}
    for kind in map(find_kind, kind_names()):
        for key in kind.data.model_fields.keys() - DataSpec.model_fields.keys():
            owners.setdefault(key, []).append(kind.name)
    return owners


def parse_overrides(arguments: list[str]) -> dict[str, Any]:
    """Returns `{key: value}` of command-line `key=value` arguments, values read as YAML.

    Raises:
        ConfigError: an argument is no such pair, or its value is no YAML.
    """
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
    """Returns the JSON schema of a config, for editors: which keys `data` has depends on `task`."""
    schema = _config_class(UncheckedDataSpec).model_json_schema()
    definitions, branches = schema["$defs"], []
    for kind in map(find_kind, kind_names()):
        of_kind = kind.data.model_json_schema()
        definitions |= of_kind.pop("$defs", {})
        definitions[kind.data.__name__] = of_kind
        section = {"properties": {"data": {"$ref": f"#/$defs/{kind.data.__name__}"}}}
        branches.append({"if": {"properties": {"task": {"const": kind.name}}, "required": ["task"]}, "then": section})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "allOf": branches}


def json_copy(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a deep copy with plain dicts and lists, so that overrides never change the caller's mapping.

    Raises:
        ConfigError: it holds itself, lies too deep in itself, or has a number or key that no config has.
    """
    try:
        return json.loads(json.dumps(value, default=str))
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"config: expected keys and values as in a YAML file: {error}.") from None


def _read(path: Path) -> str:
    """Returns the text of a config.

    Raises:
        ConfigError: there is no such file, or it is a run, a folder, or no text in UTF-8.
    """
    path = user_path(path)
    if path.is_dir() and (path / CONFIG_FILE).is_file():
        raise ConfigError(f"{path} is a run, not a config. To start it again: ftkit train {path / CONFIG_FILE}")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name the config file, such as {path / 'config.yaml'}.")
    if not path.is_file():
        folder = path.absolute().parent
        files = [entry.name for entry in folder.glob("*.y*ml")] if folder.is_dir() else []
        raise ConfigError(
            f"No config file {str(path)!r} (looked at {path.absolute()}).{did_you_mean(path.name, files)}"
        )
    try:
        data = path.read_bytes()
        if len(data) > 4 * strict_yaml.MAX_CHARACTERS:
            raise ConfigError(f"{path}: {len(data):,} bytes, more than any config has. Is it a file of data?")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None


def _set(raw: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key, making sections on the way.

    Raises:
        ConfigError: the key is none, or leads through a value that holds no keys.
    """
    *sections, last = key.split(".")
    if len(sections) > strict_yaml.MAX_DEPTH or not all((*sections, last)):
        raise ConfigError(f"Expected an override such as train.learning_rate=1e-4, got the key {key[:60]!r}.")
    place = raw
    for depth, section in enumerate(sections):
        inner = place.get(section)
        if inner is None:
            inner = place[section] = {}
        if not isinstance(inner, dict):
            raise ConfigError(
                f"The override {key}: {'.'.join(sections[: depth + 1])} is {shown(inner)}, which holds no keys."
            )
        place = inner
    place[last] = value
