"""Predictions that outlive an interruption: whole rows stay beside the file that is to be, and more are added."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftkit.data.files import atomic_write_json
from ftkit.data.writers import JsonlWriter
from ftkit.errors import UserError, name_list
from ftkit.json_file import read_json_object
from ftkit.paths import check_can_make, user_path

FORMATS = (".jsonl", ".ndjson")
_CHUNK = 1 << 20


@contextmanager
def resumable_writer(path: str | Path, facts: Mapping[str, Any]) -> Iterator[tuple[JsonlWriter, int]]:
    """Opens a file of JSON lines to go on with, and gives the number of rows that it has.

    Rows are written to `PATH.part`, which becomes `PATH` when the block ends without an exception and stays where it
    does not. Beside it, `PATH.part.json` says what the rows follow from.

    Args:
        path: of the file that is to be.
        facts: name -> what the rows follow from, plain values; those of the rows that are there have to be the same.

    Raises:
        UserError: the rows that are there follow from something else, or the file is no .jsonl, or whole already.
    """
    target = user_path(path)
    part, state = _beside(target, ".part"), _beside(target, ".part.json")
    check_resumable(path)
    known = json.loads(json.dumps(dict(facts), default=str))
    num_rows = 0
    if part.exists() and state.exists():
        _check_same(path, read_json_object(state), known)
        num_rows = _cut_to_whole_rows(part)
    else:
        check_can_make(target, "--output")
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        atomic_write_json(state, known)
    with part.open("a", encoding="utf-8", newline="") as file:
        yield JsonlWriter(file), num_rows
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)
    state.unlink()


def check_resumable(path: str | Path) -> None:
    """Refuses a file that cannot be gone on with.

    Raises:
        UserError: it is no .jsonl, or whole already.
    """
    target = user_path(path)
    if target.suffix.lower() not in FORMATS:
        raise UserError(
            f"--resume: rows are added to JSON lines only, and {path} is to be {target.suffix or 'without a format'}. "
            "Write to a file named .jsonl."
        )
    if target.exists() and not _beside(target, ".part").exists():
        raise UserError(
            f"--resume: {path} is whole: nothing is left to predict. Leave --resume out to predict it anew, or name "
            "another file."
        )


def _beside(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)


def _check_same(path: str | Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    others = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if others:
        told = "; ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in others)
        raise UserError(
            f"--resume: the rows of {path} that are there were predicted from something else: {name_list(others)} "
            f"({told}). Call it as before, or delete {path}.part and begin anew."
        )


def _cut_to_whole_rows(part: Path) -> int:
    """Cuts a file behind its last line end, and returns how many lines it has."""
    num_rows, position, end = 0, 0, 0
    with part.open("r+b") as file:
        while chunk := file.read(_CHUNK):
            if found := chunk.count(b"\n"):
                num_rows += found
                end = position + chunk.rindex(b"\n") + 1
            position += len(chunk)
        file.truncate(end)
    return num_rows
