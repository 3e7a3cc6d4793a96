"""Refuses to write where something is read from, before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftkit.data.readers import path_of
from ftkit.data.spec import HubSource, ParallelSource, Source
from ftkit.errors import UserError
from ftkit.paths import check_can_make, user_path


def check_output(
    output: str | Path | None, *, sources: Iterable[Source | None] = (), run: str | Path | None = None
) -> None:
    """Refuses an output that is one of the inputs, by whatever name, link or hard link.

    Args:
        output: the file to write; None or `-` means standard output.
        sources: what rows are read from; None is left out.
        run: the folder of what predicts; new files may be put there, and none that it holds may be replaced.

    Raises:
        UserError: it is an input, lies in a folder that is an input, or is a file of the run.
    """
    if output is None or str(output) == "-":
        return
    path = user_path(output, "--output")
    target = Path(os.path.realpath(path))
    for source in _places(sources):
        _check_source(output, target, source)
    if run is not None and target.is_file() and _lies_in(target, user_path(run)):
        raise UserError(
            f"--output {output} is a file of {run} already, and would be replaced. Name a file that is not there, or "
            "one outside of that folder; nothing was written."
        )
    check_can_make(target, "--output")


def _places(sources: Iterable[Source | None]) -> Iterator[str]:
    for source in sources:
        if isinstance(source, ParallelSource):
            yield from (source.source, source.target)
        elif isinstance(source, HubSource):
            yield source.hub  # may be a folder on this machine
        elif source is not None:
            yield source


def _check_source(output: str | Path, target: Path, source: str) -> None:
    path = path_of(source)
    if path.is_dir():
        if _lies_in(target, path):
            raise UserError(
                f"--output {output} lies in {source}, the folder that is read. Write to a file outside of it; nothing "
                "was written."
            )
    elif target == Path(os.path.realpath(path)) or _are_one_file(target, path):
        by_link = "" if str(output) == source else f", which is the same file as {source}"
        raise UserError(
            f"--output {output}{by_link}: it is what is read, and would be lost. Name another file; nothing was "
            "written."
        )


def _lies_in(target: Path, folder: Path) -> bool:
    """Tells whether a path lies in a folder; on disks that ignore case, names of another case do, too."""
    real = Path(os.path.realpath(folder))
    return target.is_relative_to(real) or any(_are_one_file(parent, real) for parent in target.parents)


def _are_one_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there
        return False
