"""What kinds with labels read from a config in the same way: weights by label, smoothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from ftkit.data.label_cells import MAX_NAME
from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.types import LabelSpace


def check_name_lengths(names: Iterable[str], key: str) -> None:
    """Raises ConfigError for a name that no table of a report could show.

    Args:
        key: where they are declared.
    """
    if any(len(name) > MAX_NAME for name in names):
        raise ConfigError(f"{key}: a name has more than {MAX_NAME:,} characters. Shorten it.")


def _as_name(value: Any) -> Any:
    """Returns a whole number as the label of that name: what is written as 1 in a config is the label `1`."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


LabelName = Annotated[str, BeforeValidator(_as_name, json_schema_input_type=str | int)]
"""A label's name in a config."""


def check_smoothing(label_smoothing: float) -> None:
    """Raises ConfigError for a smoothing that is no share."""
    if not 0 <= label_smoothing < 1:
        raise ConfigError(f"train.label_smoothing_factor: expected 0 or more and less than 1, got {label_smoothing}.")


def given_weights(setting: Mapping[str, float], labels: LabelSpace, *, noun: str) -> list[float]:
    """Returns one weight for each label in output order; 1 for those left out.

    Args:
        setting: name -> weight.
        noun: what a message calls a label: `label` or `tag`.

    Raises:
        ConfigError: a name that does not exist, or a weight that is not above 0.
    """
    for name, weight in setting.items():
        if name not in labels:
            raise ConfigError(
                f"train.class_weights: no {noun} {name!r}.{did_you_mean(name, labels.names)} "
                f"There is {name_list(labels.names)}."
            )
        if not weight > 0:
            raise ConfigError(f"train.class_weights: {name!r} needs a weight above 0, got {weight}.")
    return [setting.get(name, 1.0) for name in labels.names]


def saved_labels(config: Mapping[str, Any]) -> LabelSpace:
    """Returns the labels of a saved run from its `config.json`."""
    names = {int(index): name for index, name in config["id2label"].items()}
    problem_type: Any = config.get("problem_type") or "single_label_classification"
    return LabelSpace(tuple(names[index] for index in sorted(names)), problem_type)
