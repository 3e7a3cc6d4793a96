"""Checkpoints that are whole or do not count: a manifest with sizes and hashes is written last.

A kill at any moment leaves either a checkpoint with its manifest, or a folder that resuming passes over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from ftkit.data.files import atomic_write_json
from ftkit.errors import ConfigError

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"


def write_manifest(folder: Path) -> None:
    """Seals a checkpoint: records size and SHA-256 of each of its files."""
    files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    atomic_write_json(folder / MANIFEST, files)


def damage(folder: Path) -> str | None:
    """Returns what is wrong with a checkpoint, or None if every file is as it was sealed."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "it was never finished"
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size:
            return f"{name} has {path.stat().st_size} bytes instead of {size}"
        if _digest(path)[1] != digest:
            return f"{name} has changed since it was saved"
    return None


def steps_of(folder: Path) -> list[Path]:
    """Returns the checkpoint folders inside `folder`, newest step first."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)), reverse=True)


def newest_sound(folder: Path) -> tuple[Path, list[str]]:
    """Returns the newest checkpoint to resume from, and a warning for each newer one that was passed over.

    Raises:
        ConfigError: there is none.
    """
    warnings: list[str] = []
    for path in steps_of(folder):
        problem = damage(path)
        if problem is None:
            return path, warnings
        warnings.append(f"Passed over {path}: {problem}.")
    raise ConfigError(
        f"resume: there is no whole checkpoint in {folder}. {' '.join(warnings)} "
        "Start again with overwrite: true instead of resume."
    )


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
        # The manifest goes first: a folder that is half deleted must not look whole.
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)


def _digest(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return path.stat().st_size, digest.hexdigest()
