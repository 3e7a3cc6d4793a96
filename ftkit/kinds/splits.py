"""Reads the splits of a run: what each file holds, and what is held out of train."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.data.spec import DataSpec, Source
from ftkit.data.split import hold_out
from ftkit.kinds.kind import Kind
from ftkit.kinds.task import Task
from ftkit.types import Split


def read_splits(kind: Kind, task: Task, spec: DataSpec, columns: Mapping[str, str], *, seed: int) -> dict[str, Split]:
    """Returns `train`, and `validation` and `test` where the config has them, in this order.

    Args:
        kind: of the task.
        columns: role -> column.
        seed: of the draw when validation is a fraction of train.

    Raises:
        DataError: a file cannot be read, or lacks a column.
    """
    train = _read("train", spec.train, kind, task, spec, columns)
    splits = {"train": train}
    if isinstance(spec.validation, float):
        rest, held_out = hold_out(train.examples, spec.validation, seed)
        splits["train"] = Split("train", train.source, rest, f"{train.fingerprint} less validation")
        held_out_fingerprint = f"{spec.validation} of {train.fingerprint}, seed {seed}"
        splits["validation"] = Split("validation", train.source, held_out, held_out_fingerprint)
    elif spec.validation is not None:
        splits["validation"] = _read("validation", spec.validation, kind, task, spec, columns)
    if spec.test is not None:
        splits["test"] = _read("test", spec.test, kind, task, spec, columns)
    return splits


def _read(name: str, source: Source, kind: Kind, task: Task, spec: DataSpec, columns: Mapping[str, str]) -> Split:
    table = open_table(source, read_options(spec))
    examples = kind.read(table, task, columns, spec, with_labels=True)
    return Split(name, table.source, list(examples), fingerprint(source))


def read_options(data: DataSpec) -> ReadOptions:
    """Returns how the files of a data section are read."""
    return ReadOptions(encoding=data.encoding, delimiter=data.delimiter, text_extensions=data.text_extensions)
