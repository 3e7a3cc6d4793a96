"""What all operations of `data.augment` share: a probability, bounds of what is drawn, and how a config names them.

    augment:
      horizontal_flip: true              # with its defaults
      rotate: {degrees: 15, probability: 0.5}

A section is a model with a field for each operation of a kind, in the order in which they are applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


class Operation(BaseModel):
    """One random change; within what bounds it is drawn is for each operation to say."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def is_drawn(self, rng: np.random.Generator) -> bool:
        """Returns whether a row is changed."""
        return True


class DrawnOperation(Operation):
    """A change of some of the rows.

    Attributes:
        probability: of a row to be changed.
    """

    probability: float = Field(1.0, gt=0, le=1, description="Share of the rows that are changed.")

    def is_drawn(self, rng: np.random.Generator) -> bool:
        """Returns whether a row is changed."""
        return bool(rng.random() < self.probability)


def _in_order(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"the lower bound comes first, got [{limits[0]:g}, {limits[1]:g}]")
    return limits


IN_ORDER = AfterValidator(_in_order)
"""Of a lower and an upper bound of what is drawn."""


def _with_switches(schema: dict[str, Any]) -> None:
    """Says in the JSON schema that operations may also be true or false."""
    for found in schema.get("properties", {}).values():
        if any("$ref" in choice for choice in found.get("anyOf", ())):
            found["anyOf"].append({"type": "boolean"})


class Augment(BaseModel):
    """The operations of a kind, in the order in which they are applied; each is None where it is not asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, json_schema_extra=_with_switches)

    @model_validator(mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        """Reads true as an operation with its defaults, and false as one that is left out."""
        names = [value] if isinstance(value, str) else value
        if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) for name in names):
            said = ", ".join(f"{name}: true" for name in names)
            got = "a text" if isinstance(value, str) else "a list"
            raise ValueError(f"operations are keys, got {got}. Write augment: {{{said}}}")
        if not isinstance(value, Mapping):
            return value
        switches: dict[Any, Any] = {True: {}, False: None}
        return {name: switches[given] if isinstance(given, bool) else given for name, given in value.items()}

    @property
    def operations(self) -> list[Any]:
        """Those that are asked for, in order."""
        found = (getattr(self, name) for name in type(self).model_fields)
        return [operation for operation in found if isinstance(operation, Operation)]

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.operations)

    def drawn(self, rng: np.random.Generator) -> Iterator[Any]:
        """Yields the operations by which a row is changed."""
        for operation in self.operations:
            if operation.is_drawn(rng):
                yield operation

    def options(self) -> dict[str, Any]:
        """Returns the section as plain values, with all defaults, to be saved with a run."""
        return self.model_dump(mode="json", exclude_none=True)


AugmentT = TypeVar("AugmentT", bound=Augment)
Options = Mapping[str, Any] | None
"""A section as plain values; None: nothing is changed."""


def section_of(kind: type[AugmentT], options: Options) -> AugmentT:
    """Returns the section that plain values say."""
    return kind.model_validate(dict(options or {}))


def options_of(section: Augment | None) -> dict[str, Any] | None:
    """Returns a section as plain values; None where nothing is changed."""
    return section.options() if section else None
