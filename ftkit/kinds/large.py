"""Examples of large sources: read once, and kept on disk for all processes and later runs."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.console import warn, warnings_recorded
from ftkit.data.files import atomic_write_json
from ftkit.data.readers import Table, num_bytes
from ftkit.data.spec import DataSpec, Source
from ftkit.json_file import read_json
from ftkit.kinds.kind import Kind
from ftkit.kinds.task import Task
from ftkit.progress import each

TOLD_FILE = "told.json"
"""In the folder of rows that were read: the warnings that were told while they were."""

LARGE_BYTES = 32 * 2**20
"""Sources of this size on are kept on disk; what is smaller is read within seconds, into few hundred MB."""


def examples_of(
    kind: Kind,
    task: Task,
    table: Table,
    columns: Mapping[str, str],
    data: DataSpec,
    source: Source,
    *,
    fingerprint: str,
) -> Sequence[Any]:
    """Reads all rows of a table as labelled examples: into a list, or, where there are many, into a file.

    Args:
        columns: role -> column.
        source: what the table was opened from.
        fingerprint: of its content.
    """

    def read() -> Iterator[Any]:
        return kind.read(table, task, columns, data, with_labels=True)

    if data.media is not None or num_bytes(source) < LARGE_BYTES:
        return list(read())
    return _kept(read, kind, task, columns, data, table.source, fingerprint)


def _kept(
    read: Any, kind: Kind, task: Task, columns: Mapping[str, str], data: DataSpec, source: str, fingerprint: str
) -> Sequence[Any]:
    from ftkit.data.large.cache import EXAMPLES, cached, key_of
    from ftkit.data.large.codec import has_codec
    from ftkit.data.large.table import ExampleTable, write_examples

    first = next(read(), None)
    if first is None or not has_codec(type(first)):
        return list(read())
    key = None
    # What a user's own code makes of a row follows from more than its source: it is read anew each time.
    if task.prepare is None and type(first).__module__.startswith("ftkit.") and _is_ours(kind):
        left_out = {"train", "validation", "test"}
        key = key_of(
            data=fingerprint,
            source=source,
            kind=kind.name,
            columns=dict(columns),
            options=data.model_dump(mode="json", exclude=left_out),
            task=[task.name, task.labels, task.problem_type],
            code=_code_digest(),
        )

    told: list[str] | None = None

    def make(folder: Path) -> None:
        nonlocal told
        with warnings_recorded() as told:
            write_examples(folder, each(read(), f"reading {source}"), type(first))
        atomic_write_json(folder / TOLD_FILE, told)

    folder = cached(EXAMPLES, key, make)
    if told is None:  # it was read before: what was told then is as true now
        for message in read_json(folder.path / TOLD_FILE):
            warn(message)
    return ExampleTable(folder.path, type(first), owner=folder)


def _is_ours(kind: Kind) -> bool:
    return getattr(kind.read, "__module__", "").startswith("ftkit.")


@functools.cache
def _code_digest() -> str:
    """Returns what tells one version of the code that reads from another."""
    root = Path(__file__).resolve().parents[1]
    files = itertools.chain((root / "data").rglob("*.py"), (root / "kinds").rglob("*.py"), [root / "types.py"])
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()
