"""Label Studio's export as JSON.

Its JSON-MIN and CSV have a column for each control, and are tables as they are; label cells read their choices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ftkit.data.cells import Unreadable
from ftkit.data.readers import Table

ANNOTATIONS = ("annotations", "completions")  # of today, and of versions before 1.0
_VALUES = ("choices", "rating", "number")
"""What a control may say of a whole text, by the key of its value."""


def recognises(table: Table) -> bool:
    """Tells whether a table is Label Studio's JSON; JSON-MIN and CSV are tables as they are."""
    return "data" in table.columns and any(name in table.columns for name in ANNOTATIONS)


def columns_of(table: Table) -> tuple[str, ...]:
    """Returns the columns of the unfolded table: those of all tasks, for a first one may lack some."""
    return tuple(dict.fromkeys(name for row in table.rows for name in unfold(row.values)))


def left_out(cells: Mapping[str, Any]) -> str:
    """Returns why a row is nothing to learn from: everybody skipped it."""
    annotations = _annotations(cells)
    return "skipped" if annotations and all(annotation.get("was_cancelled") for annotation in annotations) else ""


def unfold(cells: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the cells of a row.

    These are the task's data, `text` if its only text is called otherwise, `spans`, each control by its name, and
    `label` where there is one control alone.

    Example: `{"data": {"review": "Hi"}, "annotations": [{"result": [{"from_name": "tone", "value": {"choices":
    ["nice"]}}]}]}` is `{"review": "Hi", "text": "Hi", "tone": ["nice"], "label": ["nice"], "spans": []}`.
    """
    data = cells.get("data")
    if not isinstance(data, Mapping):
        return dict(cells)
    values = {"id": cells.get("id"), **data}
    texts = [cell for cell in data.values() if isinstance(cell, str)]
    if len(texts) == 1:
        values.setdefault("text", texts[0])
    return values | _annotated(cells)


def _annotated(cells: Mapping[str, Any]) -> dict[str, Any]:
    annotations = [annotation for annotation in _annotations(cells) if not annotation.get("was_cancelled")]
    chosen = [annotation for annotation in annotations if annotation.get("ground_truth")] or annotations
    if len(chosen) != 1:
        return dict.fromkeys(("spans", "label"), _not_one(cells.get("id"), len(chosen)))
    results = [item for item in chosen[0].get("result") or () if isinstance(item.get("value"), Mapping)]
    controls = dict(_controls(results))
    label = {"label": next(iter(controls.values()))} if len(controls) == 1 else {}
    return {"spans": [item["value"] for item in results if "start" in item["value"]], **controls, **label}


def _annotations(cells: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = next((cells[name] for name in ANNOTATIONS if cells.get(name)), ())
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, Sequence) else []


def _controls(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields what was said of a whole text: the name of the control, and its choices or number."""
    for item in results:
        for key in _VALUES:
            if key in item["value"] and "start" not in item["value"]:
                yield str(item.get("from_name", key)), item["value"][key]


def _not_one(task: Any, num_annotations: int) -> Unreadable:
    # The whole export is often one line of JSON, so that the line says nothing.
    if num_annotations == 0:
        return Unreadable(f"of task {task} has no annotation", "annotate the task, or leave it out of the export")
    return Unreadable(
        f"of task {task} has {num_annotations} annotations", "mark one as ground truth, or export one annotation"
    )
