"""Cells of label columns -> one name, several names or a number.

A list of one name is that name. Where a row has several labels, a cell is a list of names, names between separators,
a list that was printed into a text, or zeros and ones, one for each name in `data.labels`. What the user has listed as
a name is that name, whatever it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.data.cells import WrongCell, describe, list_of, plain, printed, printed_value, single
from ftkit.errors import name_list
from ftkit.types import Label, ProblemType

MAX_NAME = 1_000
"""Characters of a label name: what is longer is a text, from a column that was not meant."""

CHOICES = {"choices"}
"""The keys of the object that Label Studio makes of several names, in JSON-MIN and CSV."""

_LOOKS_PRINTED = re.compile(r"\[\s*['\"\d-]|\{\s*['\"]")
_CLOSING = ("]", "}", ")")
_YES_OR_NO = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(frozen=True)
class LabelCells:
    """How the cells of a task's labels are read.

    Attributes:
        problem_type: one name, several names, or a number.
        separator: between names in a text.
        declared: all names in output order, where the user lists them.
        columns: one for each label, with zeros and ones, where the labels are spread over columns.
    """

    problem_type: ProblemType = "single_label_classification"
    separator: str = ","
    declared: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None

    def read(self, cell: Any) -> Label | None:
        """Returns the label of a cell, or None where it is missing; a text that is no number stays, to be reported.

        `01` and `1` are two labels, and so are `NA` and an empty cell: only the empty one is missing.

        Raises:
            WrongCell: it holds no label.
        """
        if self.problem_type == "regression":
            return _number(cell)
        return self._label(self._names(plain(cell)))

    def read_columns(self, cells: Mapping[str, Any]) -> Label | None:
        """Returns the label of a row that has a column of zeros and ones for each.

        Raises:
            WrongCell: a cell is neither yes nor no, or a row that has one label has none or several.
        """
        assert self.columns is not None
        names = tuple(column for column in self.columns if _is_chosen(column, cells.get(column)))
        if self.problem_type == "multi_label_classification":
            return names
        if len(names) != 1:
            raise WrongCell(
                f"hold {f'{len(names)} ones' if names else 'no 1'}, and a row has one label",
                "if rows may have none or several, say data.problem_type: multi_label_classification; else write one "
                "1 in each row",
            )
        return names[0]

    def _label(self, names: tuple[str, ...]) -> Label | None:
        if self.problem_type == "multi_label_classification":
            return names
        if len(names) > 1:
            raise WrongCell(
                "names several labels, and a row has one",
                "keep one; if rows have several, say data.problem_type: multi_label_classification; if it is one "
                "name, list all names under data.labels",
                cell=list(names),
            )
        return names[0] if names else None

    def _names(self, cell: Any) -> tuple[str, ...]:
        """Returns the names in a cell, each once; none at all is a valid answer where there may be several."""
        if isinstance(cell, str):
            return self._names_in_text(cell)
        if isinstance(cell, Mapping) and set(cell) == CHOICES:
            cell = list_of(cell["choices"], "names")
        if isinstance(cell, (list, tuple)):
            return self._names_in_list(cell)
        cell = single(cell)
        return () if cell is None else (_name(cell, [cell]),)

    def _names_in_text(self, text: str) -> tuple[str, ...]:
        declared, several = self.declared or (), self.problem_type == "multi_label_classification"
        if not text:
            return ()
        if text in declared or not (several or text.rstrip().endswith(_CLOSING)):  # most cells
            return (_checked(text),)
        parts = [part.strip() for part in text.split(self.separator)] if several else [text]
        if all(part in declared for part in parts if part):
            return _unique(parts)
        found = self._printed(text)
        if found is not None:
            return self._names_in_list(found)
        if _LOOKS_PRINTED.match(text) and text.rstrip().endswith(_CLOSING):
            raise WrongCell(
                "holds what looks like a list, but is none in JSON or Python",
                f'write it as JSON, such as ["a", "b"], or as names between {self.separator!r}; arrays are made '
                "lists by .tolist() before a file is written",
                cell=text,
            )
        if several and len(parts) > 1 and all(part in ("0", "1") for part in parts):
            return self._chosen([part == "1" for part in parts], text)
        return tuple(map(_checked, _unique(parts)))

    def _printed(self, text: str) -> list[Any] | None:
        """Returns the list that was printed into a text; None where it is a name, as `(0, 10)` is one of an interval.

        Raises:
            WrongCell: it is an object.
        """
        found = printed_value(text)
        if isinstance(found, dict):
            if set(found) == CHOICES:
                return list(list_of(found["choices"], "names"))
            raise WrongCell(describe(found), _NAME_REMEDIES["object"], cell=text)
        is_tuple = text.lstrip().startswith("(")
        if found is None or (
            is_tuple
            and self.problem_type == "single_label_classification"
            and not any(isinstance(item, str) for item in found)
        ):
            return None
        return found

    def _names_in_list(self, items: Sequence[Any]) -> tuple[str, ...]:
        items = [plain(item) for item in items]
        if self._are_flags(items):
            return self._chosen([bool(item) for item in items], items)
        return _unique([_name(item, items) for item in items])

    def _are_flags(self, items: Sequence[Any]) -> bool:
        """Tells whether a list is zeros and ones: one for each declared name, rather than two names."""
        if not items or not all(isinstance(item, (bool, int, float)) and item in (0, 1) for item in items):
            return False
        declared = self.declared or ()
        return not {"0", "1"} & set(declared) and (len(items) > 1 or len(items) == len(declared))

    def _chosen(self, flags: Sequence[bool], cell: Any) -> tuple[str, ...]:
        if self.declared is None:
            raise WrongCell(
                f"holds {len(flags)} zeros and ones, and nothing says which labels they stand for",
                "list the names in their order, such as data.labels: [sports, politics]; if 0 and 1 are the names "
                'themselves, say data.labels: ["0", "1"]',
                cell=cell,
            )
        if len(flags) != len(self.declared):
            raise WrongCell(
                f"holds {len(flags)} zeros and ones, but data.labels has {len(self.declared)} names",
                f"write one for each of {name_list(self.declared)}, or correct data.labels",
                cell=cell,
            )
        return tuple(name for name, is_chosen in zip(self.declared, flags, strict=True) if is_chosen)


def _name(item: Any, items: Sequence[Any]) -> str:
    """Returns an item as a name; JSON's true is `true`, not Python's `True`."""
    if item is None or item != item:  # NaN is what pandas makes of a missing one
        raise WrongCell("holds an empty item", "write a name, or leave the item out", cell=items)
    if len(items) > 1 and isinstance(item, float) and not item.is_integer():
        raise WrongCell(
            "holds fractions where names are expected",
            "write names, or 0 or 1 for each name in data.labels",
            cell=items,
        )
    return _checked(str(item).lower() if isinstance(item, bool) else printed(item, _NAME_REMEDIES))


def _checked(name: str) -> str:
    if len(name) > MAX_NAME:
        raise WrongCell(
            f"holds a name of more than {MAX_NAME:,} characters",
            "check data.columns.label, which may name the column of the texts",
            cell=name,
        )
    return name


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))


def _number(cell: Any) -> float | str | None:
    cell = plain(cell)
    if isinstance(cell, bool):
        raise WrongCell(
            "holds a truth value",
            "write one number, such as 3.5; if true and false are classes, remove data.problem_type: regression",
            cell=cell,
        )
    cell = cell if isinstance(cell, float) else single(cell)  # NaN stays, to be reported as no number
    if cell is None or cell == "":
        return None
    if not isinstance(cell, (int, float)):
        cell = printed(cell, _NUMBER_REMEDIES)
    try:
        return float(cell)
    except (ValueError, OverflowError):
        return cell if isinstance(cell, str) else float("inf")


def _is_chosen(column: str, cell: Any) -> bool:
    cell = single(cell)
    found = _YES_OR_NO.get(str(cell).strip().lower())
    if found is None:
        raise WrongCell(
            "holds something else than 0 or 1" if cell else "holds neither 0 nor 1",
            "write 1 where the row has the label and 0 where it does not; delete rows that nobody has labelled",
            cell=cell,
            column=column,
        )
    return found


_NAME_REMEDIES = {
    "list": 'write names in one flat list, such as ["a", "b"]',
    "object": 'write the name alone, such as "a", or let a task\'s `prepare` take it out (docs/own_task.md)',
    "bytes": 'decode them, such as cell.decode("utf-8"), before the file is written',
}
_NUMBER_REMEDIES = dict.fromkeys(("list", "object", "bytes"), "write one number, such as 3.5")
