"""Before a run begins, its ranks make sure that they are about to do the same, in the same folder.

What one rank reads otherwise would fail after hours, or not at all: a folder that a second host does not share has no
best checkpoint for it to load.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.config.run_config import RunConfig
from ftkit.data.cells import shown
from ftkit.engine.arguments import computes_on_cpu
from ftkit.engine.checkpoints import newest_finished
from ftkit.engine.launched import join, num_launched, ranks
from ftkit.engine.ranks import DEFAULT_TIMEOUT
from ftkit.errors import ConfigError
from ftkit.models.fingerprint import file_fingerprint
from ftkit.runs.checked_run import CheckedRun
from ftkit.runs.directory import RunDirectory
from ftkit.runs.environment import versions
from ftkit.runs.files import RESULTS_FILE

SECONDS_TO_APPEAR = 20.0  # a file system over a network may show a file that late
MOST_NAMED = 4  # differences in a message


def agree(run: CheckedRun) -> None:
    """Makes sure that all ranks are about to carry out the same run; all ranks call this together.

    Raises:
        ConfigError: one differs; the message names it and what differs. Nothing was written.
        MachineError: a rank did not come, or cannot be reached.
    """
    if num_launched() == 1:
        return
    train = run.config.train
    join(timeout=train.ddp_timeout or DEFAULT_TIMEOUT, cpu=computes_on_cpu(train.use_cpu), backend=train.ddp_backend)
    found = ranks().exchange(_facts(run))
    for rank, facts in enumerate(found):
        if differing := _differences(found[0], facts, rank):
            raise ConfigError(
                f"{ranks().named([rank])} is about to do something else than {ranks().named([0])}: "
                f"{'; '.join(differing[:MOST_NAMED])}. All ranks of a run need the same config, data, checkpoint and "
                "output_dir. Nothing was written."
            )
    if not run.directory.is_finished:
        _check_is_shared(run.directory)
    ranks().are_agreed = True


def _facts(run: CheckedRun) -> dict[str, dict[str, Any]]:
    """Returns what has to be the same on all ranks: title -> name -> value."""
    directory = run.directory
    newest, results = newest_finished(directory.checkpoints), directory.work / RESULTS_FILE
    return {
        "the version of": versions(),
        "the config's": _flat(run.config),
        "the data of": {
            name: f"{len(split):,} rows of {split.source} ({split.fingerprint[:12]})"
            for name, split in run.splits.items()
        },
        "the files of": dict(run.weight_fingerprints()),
        "output_dir's": {
            "place": directory.work.name,
            "newest checkpoint": None if newest is None else newest.name,
            "results": file_fingerprint(results)[:12] if results.is_file() else None,
        },
    }


def _flat(config: RunConfig) -> dict[str, Any]:
    sections = config.model_dump(mode="json", exclude_none=True)
    flat: dict[str, Any] = {}
    for key, value in sections.items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _differences(one: Mapping[str, Mapping[str, Any]], other: Mapping[str, Mapping[str, Any]], rank: int) -> list[str]:
    """Returns what differs between rank 0 and another, such as `the config's seed is 1 on rank 0 and 2 on rank 3`."""
    return [
        f"{title} {name} is {shown(one[title].get(name))} on rank 0 and {shown(other[title].get(name))} on rank {rank}"
        for title in one
        for name in sorted({*one[title], *other[title]})
        if one[title].get(name) != other[title].get(name)
    ]


def _check_is_shared(directory: RunDirectory) -> None:
    """Lets rank 0 put a file into the run directory, and the others look for it.

    Raises:
        ConfigError: naming the ranks that do not see it.
    """
    with _token(directory.path) if ranks().rank == 0 else contextlib.nullcontext() as token:
        name = ranks().exchange(token)[0]
        blind = [rank for rank, sees in enumerate(ranks().exchange(_appears(directory.path / name))) if not sees]
    ranks().exchange(None)  # the file is gone again
    if blind:
        raise ConfigError(
            f"output_dir: {directory.path} is not the same folder on all ranks: {ranks().named(blind)} does not see "
            f"what {ranks().named([0])} writes there. Name a folder on a file system that all hosts share, by a path "
            "that is the same on each. Nothing was written."
        )


@contextlib.contextmanager
def _token(folder: Path) -> Iterator[str]:
    """Makes a file in a folder, which is made where there is none; both are gone after the block."""
    made = _make(folder)
    path = folder / f".ranks.{secrets.token_hex(4)}.tmp"  # of a kill it would be a file that ftkit knows as its own
    try:
        path.touch()
        yield path.name
    finally:
        path.unlink(missing_ok=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _make(folder: Path) -> Sequence[Path]:
    """Makes a folder and those above it; returns the new ones, innermost first."""
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def _appears(path: Path) -> bool:
    deadline = time.monotonic() + SECONDS_TO_APPEAR
    while time.monotonic() < deadline:
        # Listing the folder asks the server again, where a question for a file may be answered from memory.
        if path.parent.is_dir() and path.name in {entry.name for entry in path.parent.iterdir()}:
            return True
        time.sleep(0.2)
    return False
