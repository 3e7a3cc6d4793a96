"""What the report reads from a run's config and results, and copies of both that are fit to be shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.report.texts import base_name, is_absolute

_TRAIN_PATHS = ("deepspeed", "fsdp_config", "logging_dir")
_RESULT_PATHS = ("merged_from", "base", "compared_on")


def read_config(config_yaml: str) -> dict[str, Any]:
    """Returns the config as plain values."""
    from ftkit.config import yaml as strict_yaml

    values = strict_yaml.load(config_yaml, "ftkit.yaml")[0]
    return values if isinstance(values, dict) else {}


def shareable_yaml(config_yaml: str) -> str:
    """Returns the config with paths of this machine cut to their base names, and otherwise as it was.

    Only keys that hold paths are looked at: a label may be called /r/politics, and a separator `/`.
    """
    from ftkit.config import yaml as strict_yaml

    values = read_config(config_yaml)
    cut = {key: _cut_section(key, value) for key, value in values.items()}
    return config_yaml if cut == values else strict_yaml.dump(cut)


def shareable_results(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `all_results.json` with paths of this machine cut to their base names."""
    cut = {key: _cut_path(value) if key in _RESULT_PATHS else value for key, value in results.items()}
    data = cut.get("data")
    if isinstance(data, Mapping):
        cut["data"] = {split: _with_cut(facts, "source") for split, facts in data.items()}
    return cut


def _cut_section(name: str, value: Any) -> Any:
    """Returns a top-level key's value with its paths cut."""
    if name in ("output_dir", "task"):
        return _cut_path(value)
    if name == "metrics" and isinstance(value, list):
        return [_cut_path(metric) for metric in value]
    if name == "model":
        return _with_cut(value, "checkpoint", "decoder", "adapter")
    if name == "train":
        return _with_cut(value, *_TRAIN_PATHS)
    if name == "run" and isinstance(value, dict) and "base" in value:
        return {**value, "base": _with_cut(value["base"], "path")}
    if name == "data" and isinstance(value, dict):
        splits = ("train", "validation", "test")
        return {key: _cut_source(item) if key in splits else item for key, item in value.items()}
    return value


def _cut_source(source: Any) -> Any:
    return _with_cut(source, "source", "target", "hub") if isinstance(source, dict) else _cut_path(source)


def _with_cut(values: Any, *keys: str) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {key: _cut_path(value) if key in keys else value for key, value in values.items()}


def _cut_path(value: Any) -> Any:
    """Returns a path's base name where its folders mean something on this machine only; else the value."""
    if not isinstance(value, str):
        return value
    parts = value.split(" | ")  # parallel text
    return " | ".join(base_name(part) if is_absolute(part) or part.startswith("..") else part for part in parts)
