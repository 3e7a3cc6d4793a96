"""Model cards as the Hub reads them: what it takes from their metadata, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from .repositories import StoredFile

FRONT_MATTER = re.compile(r"\s*---(?:\r\n|\r|\n)(.*?)(?:\r\n|\r|\n)---[ \t]*(?:\r\n|\n|$)", re.DOTALL)
REPO_ID = re.compile(r"(?:\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
TAGGED = {"license": "license", "language": "", "datasets": "dataset", "base_model": "base_model"}
"""Keys of the metadata that become tags, with the prefix of the tag."""


def card_metadata(repo_type: str, card: StoredFile | None) -> dict[str, object]:
    """Returns what the Hub's info of a repository says from its README.md."""
    try:
        metadata = _metadata(card.content.decode()) if card else None
    except (UnicodeDecodeError, yaml.YAMLError):
        metadata = None
    if not isinstance(metadata, dict):
        return {"tags": []}
    tags = [str(tag) for tag in _listed(metadata.get("tags"))]
    for key, prefix in TAGGED.items():
        tags += [f"{prefix}:{value}" if prefix else str(value) for value in _listed(metadata.get(key))]
    if repo_type != "model":
        return {"tags": tags, "cardData": metadata}
    known = {key: metadata[key] for key in ("pipeline_tag", "library_name", "model-index") if key in metadata}
    tags = [str(known[key]) for key in ("library_name", "pipeline_tag") if key in known] + tags
    return {"tags": list(dict.fromkeys(tags)), "cardData": metadata, **known}


def check_card(content: str) -> tuple[list[str], list[str]]:
    """Returns the errors and the warnings that the Hub has about a card. It checks far more than this does."""
    try:
        metadata = _metadata(content)
    except yaml.YAMLError as error:
        return [f"Invalid YAML in the metadata: {' '.join(str(error).split())}"], []
    if not metadata:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(metadata, dict):
        return ["The metadata is not a mapping of keys to values"], []
    return [*_field_errors(metadata), *_index_errors(metadata.get("model-index", []))], []


def _metadata(content: str) -> Any:
    match = FRONT_MATTER.match(content)
    return yaml.safe_load(match[1]) if match else None


def _listed(value: object) -> Sequence[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _field_errors(metadata: dict[str, Any]) -> Iterator[str]:
    for key in ("pipeline_tag", "library_name", "license"):
        if key in metadata and not isinstance(metadata[key], str):
            yield f'"{key}" must be a string'
    if "tags" in metadata and not isinstance(metadata["tags"], list):
        yield '"tags" must be an array'
    for model in _listed(metadata.get("base_model")):
        if not isinstance(model, str) or not REPO_ID.fullmatch(model):
            yield f'"base_model" with value "{model}" is not valid. Use a model id from https://hf.co/models.'
    for index, language in enumerate(_listed(metadata.get("language"))):
        if not isinstance(language, str) or not language.islower():
            yield f'"language[{index}]" must only contain lowercase characters'


def _index_errors(model_index: object) -> Iterator[str]:
    """A model-index lists models, each with its results: a task, a dataset and metrics."""
    for at, model in _items(model_index, "model-index"):
        yield from _missing(model, ("name", "results"), at)
        for at_result, result in _items(model.get("results", []), f"{at}.results"):
            yield from _missing(result, ("task", "dataset", "metrics"), at_result)
            yield from _missing(result.get("task", {}), ("type",), f"{at_result}.task")
            yield from _missing(result.get("dataset", {}), ("type", "name"), f"{at_result}.dataset")
            for at_metric, metric in _items(result.get("metrics", []), f"{at_result}.metrics"):
                yield from _missing(metric, ("type", "value"), at_metric)


def _items(listed: object, at: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, item in enumerate(_listed(listed)):
        yield f"{at}[{index}]", item if isinstance(item, dict) else {}


def _missing(mapping: object, keys: tuple[str, ...], at: str) -> Iterator[str]:
    for key in keys:
        if not isinstance(mapping, dict) or mapping.get(key) is None:
            yield f'"{at}.{key}" is required'
