"""What the report reads from a run's config: values of its YAML, and a copy that is fit to be shared."""

from __future__ import annotations

from typing import Any

from ftkit.report.texts import is_hub_id, without_paths


def read_config(config_yaml: str) -> dict[str, Any]:
    """Returns the config as plain values."""
    import yaml

    values = yaml.safe_load(config_yaml)
    return values if isinstance(values, dict) else {}


def shareable_yaml(config_yaml: str) -> str:
    """Returns the config with absolute paths cut to their base names, and otherwise as it was."""
    import yaml

    values = read_config(config_yaml)
    cut = {key: _cut(value) for key, value in values.items()}
    return config_yaml if cut == values else yaml.safe_dump(cut, sort_keys=False, allow_unicode=True)


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        # Label names such as /r/politics look like paths and are none.
        return {key: item if key == "labels" else _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return without_paths(value) if isinstance(value, str) else value


def hub_dataset(config: dict[str, Any], split: str) -> dict[str, str] | None:
    """Returns `hub`, `split` and perhaps `name`, `revision` of a split that came from the Hub, else None.

    A validation split that was held out of train has train's dataset.
    """
    data = config.get("data") or {}
    source = data.get(split)
    if split == "validation" and isinstance(source, float):
        source = data.get("train")
        source = {**source, "split": "validation"} if isinstance(source, dict) else source
    if not isinstance(source, dict) or not is_hub_id(str(source.get("hub", ""))):
        return None
    return {key: str(value) for key, value in source.items() if value is not None}
