"""Reads the splits of a run: what each file holds, and what is held out of train."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from ftkit.data.columns import at, column, taken
from ftkit.data.hashes import hash_of
from ftkit.data.problems import Problems
from ftkit.data.readers import fingerprint, open_table, path_of
from ftkit.data.row_cells import check_cells, check_sizes
from ftkit.data.spec import DataSpec, HubSource, ParallelSource, Source
from ftkit.data.split import hold_out
from ftkit.errors import ConfigError
from ftkit.kinds.kind import Kind
from ftkit.kinds.large import examples_of
from ftkit.kinds.reading import read_options
from ftkit.kinds.stream import ExampleStream
from ftkit.kinds.task import Task
from ftkit.types import Split

FEWEST = 2
"""Rows of which something can be said that is not said of each: two labels, or what is to be held out."""

_IDS = 1_000_000
"""Rows of a split whose ids are compared."""


def read_splits(
    kind: Kind,
    task: Task,
    spec: DataSpec,
    columns: Mapping[str, str],
    *,
    seed: int,
    problems: Problems | None = None,
) -> dict[str, Split]:
    """Returns `train`, and `validation` and `test` where the config has them, in this order.

    Where both are fractions, the test is held out of train first, and validation of what it leaves: of 1,000 rows, 0.1
    and 0.1 are 100 to test and 90 to validate on.

    Args:
        kind: of the task.
        columns: role -> column.
        seed: of the draw of what is held out.
        problems: rows that cannot be read are left out and added here, to be told with what else is wrong; None: they
            are raised.

    Raises:
        DataError: a file cannot be read, lacks a column, or has rows that cannot be read where these are not added to
            `problems`, or leave nothing to be looked at.
    """
    sources = {"train": spec.train, "test": spec.test, "validation": spec.validation}
    splits: dict[str, Split] = {}
    if spec.streaming:
        stream = ExampleStream(kind, task, columns, spec, seed=seed)
        _check_apart(stream, spec)
        splits["train"] = stream.first()
    elif not isinstance(spec.train, (str, HubSource, ParallelSource)):
        raise ConfigError(
            "data.train: a list of files is read with data.streaming: true alone. Set it, or name one file or folder."
        )
    for name, source in sources.items():
        if source is not None and not isinstance(source, (float, tuple)) and name not in splits:
            splits[name] = _sampled(_read(name, source, kind, task, spec, columns), spec, seed)
    splits = _readable(splits, problems)
    with Problems().told_first() if problems is None else problems.told_first():
        for name, source in sources.items():
            if isinstance(source, float):
                splits["train"], splits[name] = _held_out(name, splits["train"], source, seed, kind)
    return {name: splits[name] for name in ("train", "validation", "test") if name in splits}


def _readable(splits: Mapping[str, Split], problems: Problems | None) -> dict[str, Split]:
    """Returns the splits without the rows that cannot be read.

    Raises:
        DataError: there are some, and they are not to be added to other problems, or too few rows are left of a split
            to say anything about them.
    """
    found = Problems() if problems is None else problems
    readable = {name: check_cells(split, found) for name, split in splits.items()}
    if problems is None or any(len(readable[name]) < min(len(split), FEWEST) for name, split in splits.items()):
        found.raise_if_any()
    return readable


def _check_apart(stream: ExampleStream, spec: DataSpec) -> None:
    """Refuses files to be scored that are among the shards of train, as where a folder holds all of them.

    Who names one file for both means it; that is a leak, and told as such.

    Raises:
        ConfigError: naming the file.
    """
    shards = {path_of(shard.name).absolute() for shard in stream.shards}
    for name, source in (("validation", spec.validation), ("test", spec.test)) if len(shards) > 1 else ():
        if isinstance(source, str) and path_of(source).absolute() in shards:
            raise ConfigError(
                f"data.{name}: {source} is also one of the files of data.train ({stream.title}). Name those of train "
                "by a pattern or a list that leaves it out."
            )


def _sampled(split: Split, spec: DataSpec, seed: int) -> Split:
    """Returns the rows of a split that are scored: all, or a sample that the seed fixes, in their order."""
    most = {"validation": spec.validation_rows, "test": spec.test_rows}.get(split.name)
    if most is None or len(split) <= most:
        return split
    import numpy as np

    places = np.sort(np.random.default_rng(seed).choice(len(split), most, replace=False))
    digest = f"{most} rows of {split.fingerprint}, seed {seed}"
    return Split(split.name, split.source, taken(split.examples, places), digest)


def check_split_sizes(kind: Kind, splits: Mapping[str, Split], problems: Problems) -> None:
    """Tells of rows whose text is far longer than texts are."""
    if kind.reads == "text":  # of images and recordings, a size is one of files
        for split in splits.values():
            check_sizes(split, problems)


def check_ids(splits: Mapping[str, Split], problems: Problems) -> None:
    """Tells of ids that rows to be scored share: predictions name their rows by them."""
    for split in splits.values():
        if split.name == "train" or split.is_sample:
            continue
        seen: set[int] = set()
        ids = enumerate(islice(column(split.examples, "id"), _IDS))
        twice = ((place, found) for place, found in ids if _is_known(hash_of(found), seen))
        if found := next(twice, None):
            problems.warn(
                f"{split.name}: rows share their id, such as {found[1]!r}; predictions cannot be told apart by it",
                where=split.where(at(split.examples, [found[0]])[0]),
                remedy="give each row an id of its own, or leave data.columns.id out: rows are then numbered",
            )


def _is_known(item: int, known: set[int]) -> bool:
    """Tells whether an item is known; from now on it is."""
    before = len(known)
    known.add(item)
    return len(known) == before


def _held_out(name: str, train: Split, fraction: float, seed: int, kind: Kind) -> tuple[Split, Split]:
    rest, held_out = hold_out(train.examples, fraction, seed, name=name, names_of=kind.names_of)
    fingerprint_of_held_out = f"{fraction} of {train.fingerprint}, seed {seed}"
    return (
        Split("train", train.source, rest, f"{train.fingerprint} less {name}"),
        Split(name, train.source, held_out, fingerprint_of_held_out),
    )


def _read(name: str, source: Source, kind: Kind, task: Task, spec: DataSpec, columns: Mapping[str, str]) -> Split:
    table = open_table(source, read_options(spec))
    digest = fingerprint(source)
    examples = examples_of(kind, task, table, columns, spec, source, fingerprint=digest)
    return Split(name, table.source, examples, digest)
