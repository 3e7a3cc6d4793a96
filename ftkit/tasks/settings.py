"""What several kinds read from a config in the same way: columns by role, weights by label, smoothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ftkit.errors import ConfigError, did_you_mean, name_list
from ftkit.types import LabelSpace


def check_roles(columns: Mapping[str, str], roles: Collection[str]) -> None:
    """Raises ConfigError for a role in `data.columns` that the kind does not have."""
    for role in columns:
        if role not in roles:
            raise ConfigError(f"data.columns: no role {role!r}.{did_you_mean(role, roles)} Roles: {name_list(roles)}.")


def group_of(cells: Mapping[str, Any], columns: Mapping[str, str]) -> str | None:
    """Returns what a row is grouped by, as text; None where no column says it or its cell is empty.

    Args:
        cells: column -> cell.
        columns: role -> column.
    """
    cell = cells.get(columns["group"]) if "group" in columns else None
    return None if cell is None or cell == "" else str(cell)


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
            raise ConfigError(f"train.class_weights: no {noun} {name!r}.{did_you_mean(name, labels.names)}")
        if not weight > 0:
            raise ConfigError(f"train.class_weights: {name!r} needs a weight above 0, got {weight}.")
    return [setting.get(name, 1.0) for name in labels.names]
