"""Checkpoints that are whole or do not count: a manifest with sizes and hashes is written last.

A kill at any moment leaves either a checkpoint with its manifest, or a folder that resuming passes over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ftkit.data.files import atomic_write_json

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"


def write_manifest(folder: Path) -> None:
    """Seals a checkpoint: records size and SHA-256 of each of its files."""
    files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    atomic_write_json(folder / MANIFEST, files)


def damage(folder: Path) -> str | None:
    """Returns what is wrong with a checkpoint, or None if every file is as it was sealed.

    Files that the manifest does not list are ignored.
    """
    if not folder.is_dir():
        return "it is gone"
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it was never finished"
    except (OSError, ValueError, RecursionError) as error:
        return f"{MANIFEST} cannot be read ({error})"
    if not _is_manifest(files):
        return f"{MANIFEST} does not hold what ftkit wrote: file names, each with a size and a hash"
    missing = _missing_from(files)
    if missing is not None:
        return f"{MANIFEST} lists no {missing}"
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
        if _digest(path)[1] != digest:
            return f"{name} has changed since it was saved"
    return None


_SHARDED = "global_step*"  # DeepSpeed's folder, which holds weights and optimizer
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "trainer_state.json": ("trainer_state.json",),
    "weights": ("*.safetensors", "pytorch_model*", _SHARDED),
    "optimizer": ("optimizer*", _SHARDED),
    "scheduler.pt": ("scheduler.pt", _SHARDED),
    "random state": ("rng_state*.pth",),
}
"""What a checkpoint needs, to go on exactly -> patterns, one of which a file of it matches."""


def _is_manifest(files: Any) -> bool:
    return isinstance(files, dict) and all(
        isinstance(entry, list)
        and len(entry) == 2
        and type(entry[0]) is int
        and isinstance(entry[1], str)
        and not PurePosixPath(name).is_absolute()
        and ".." not in PurePosixPath(name).parts
        for name, entry in files.items()
    )


def _missing_from(files: Mapping[str, Any]) -> str | None:
    """Returns what a checkpoint with these files lacks, or None."""
    names = [PurePosixPath(name).parts[0] for name in files if PurePosixPath(name).parts]
    for needed, patterns in _NEEDED.items():
        if not any(fnmatchcase(name, pattern) for name in names for pattern in patterns):
            return needed
    return None


def steps_of(folder: Path) -> list[Path]:
    """Returns the checkpoint folders inside `folder`, newest step first."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)), reverse=True)


def newest_sound(folder: Path) -> tuple[Path | None, list[str]]:
    """Returns the newest whole checkpoint, None if there is none, and a warning for each that was passed over.

    A checkpoint whose best one so far is damaged is passed over as well: the run could not end with its best weights.
    """
    warnings: list[str] = []
    for path in steps_of(folder):
        problem = damage(path) or _damage_of_best(path)
        if problem is None:
            return path, warnings
        warnings.append(f"Passed over {path}: {problem}.")
    return None, warnings


def _damage_of_best(checkpoint: Path) -> str | None:
    """Returns what is wrong with the best checkpoint up to a whole one, or None."""
    state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    if not state.get("best_model_checkpoint"):
        return None
    best = checkpoint.parent / f"{PREFIX}{state['best_global_step']}"  # by its step: a run directory may be moved
    problem = damage(best)
    return None if problem is None else f"of the best one so far, {best}, {problem}"


def rotate(folder: Path, *, keep: int, best: str | None) -> None:
    """Deletes all but the newest `keep` checkpoints; the best one counts among them and always stays."""
    paths = steps_of(folder)
    best_path = Path(best).resolve() if best else None
    kept = [path for path in paths if path.resolve() == best_path]
    for path in paths:
        if path in kept:
            continue
        if len(kept) < max(keep, 1 + (best_path is not None)):
            kept.append(path)
            continue
        delete(path)


def delete(folder: Path) -> None:
    """Deletes a checkpoint, whole or not; nothing happens where there is none."""
    # The manifest goes first: a folder that is half deleted must not look whole.
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return path.stat().st_size, digest.hexdigest()
