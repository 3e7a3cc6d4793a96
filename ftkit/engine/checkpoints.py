"""Checkpoints that are whole or do not count: a manifest with sizes and hashes is written last.

A kill at any moment leaves either a checkpoint with its manifest, or a folder that resuming passes over.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from ftkit.data.files import atomic_write_json
from ftkit.engine.totals import TOTALS_FILE, Totals
from ftkit.machine_faults import check_room, free_bytes

MANIFEST = "manifest.json"
TRAINER_STATE = "trainer_state.json"
PREFIX = "checkpoint-"
_PICKLES = (".pt", ".pth")


def write_manifest(folder: Path, *, check_folder: Callable[[], None] = lambda: None) -> None:
    """Seals a checkpoint: records size and SHA-256 of each of its files.

    Args:
        check_folder: called when they are known; raises where the folder is no longer this run's.
    """
    files = {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    check_folder()
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
    TRAINER_STATE: (TRAINER_STATE,),
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
        problem = damage(path) or _unreadable(path) or _damage_of_best(path)
        if problem is None:
            return path, warnings
        warnings.append(f"Passed over {path}: {problem}.")
    return None, warnings


def _unreadable(checkpoint: Path) -> str | None:
    """Returns which file of a whole checkpoint holds something else than what training goes on from, or None.

    Pickles are opened as tensors and numbers alone; nothing that they name is imported or run.
    """
    import torch
    from transformers import TrainerState
    from transformers.trainer_pt_utils import safe_globals

    name = TRAINER_STATE
    try:
        TrainerState.load_from_json(str(checkpoint / name))
        name = TOTALS_FILE
        Totals.load(checkpoint)
        for name in sorted(path.name for path in checkpoint.iterdir() if path.suffix in _PICKLES):
            with safe_globals():
                torch.load(str(checkpoint / name), map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # unpickling raises whatever the bytes lead to
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"{name} does not hold what training goes on from ({reason})"
    return None


def newest_finished(folder: Path) -> Path | None:
    """Returns the newest checkpoint that was saved to its end, as far as that is told without reading it."""
    try:
        return next((path for path in steps_of(folder) if (path / MANIFEST).is_file()), None)
    except OSError:
        return None


def _damage_of_best(checkpoint: Path) -> str | None:
    """Returns what is wrong with the best checkpoint up to a whole one, or None."""
    state = json.loads((checkpoint / TRAINER_STATE).read_text(encoding="utf-8"))
    if not state.get("best_model_checkpoint"):
        return None
    best = checkpoint.parent / f"{PREFIX}{state['best_global_step']}"  # by its step: a run directory may be moved
    problem = damage(best)
    return None if problem is None else f"of the best one so far, {best}, {problem}"


def rotate(folder: Path, *, keep: int, best: str | None) -> None:
    """Deletes all but the newest `keep` checkpoints; the best one counts among them and always stays."""
    for path in _superfluous(steps_of(folder), most=_most(keep, best), best=best):
        delete(path)


def make_room(folder: Path, estimate: int, *, keep: int, best: str | None) -> None:
    """Makes sure that the disk has room for a checkpoint; where it has none, old ones go before the new one is saved.

    What goes are those that were never finished, and those that the rotation would delete afterwards; the newest
    whole one and the best one stay.

    Args:
        estimate: bytes of a checkpoint, where none has been saved yet.
        keep: as of `rotate`.
        best: as of `rotate`.

    Raises:
        MachineError: there is no room.
    """
    last = newest_finished(folder)
    needed = estimate if last is None else _size(last)
    free = free_bytes(folder)
    if free is not None and free < needed:
        _delete_early(folder, keep=keep, best=best)
    check_room(folder, needed, "a checkpoint")


def _delete_early(folder: Path, *, keep: int, best: str | None) -> None:
    paths = steps_of(folder)
    whole = [path for path in paths if damage(path) is None]
    going = set(_superfluous(whole, most=_most(keep, best) - 1, best=best)) - set(whole[:1])
    for path in paths:
        if path in going or not (path / MANIFEST).is_file():
            delete(path)


def _superfluous(paths: Sequence[Path], *, most: int, best: str | None) -> list[Path]:
    """Returns those of some checkpoints, newest first, that are too many."""
    best_path = Path(best).resolve() if best else None
    others = [path for path in paths if path.resolve() != best_path]
    return others[max(most - (len(paths) - len(others)), 0) :]


def _most(keep: int, best: str | None) -> int:
    """Returns how many checkpoints stay: never less than the newest and the best."""
    return max(keep, 1 + (best is not None))


def estimated_bytes(model: Any, optimizer: Any) -> int:
    """Returns about how many bytes weights and optimizer take on disk; of a model with an adapter, what is trained."""
    from transformers import PreTrainedModel

    is_whole = isinstance(model, PreTrainedModel)
    weights = (weight for weight in model.parameters() if is_whole or weight.requires_grad)
    states = (value for states in getattr(optimizer, "state", {}).values() for value in states.values())
    return sum(getattr(tensor, "nbytes", 0) for tensor in (*weights, *states))


def _size(folder: Path) -> int:
    """Returns the bytes that a checkpoint's files take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def delete(folder: Path) -> None:
    """Deletes a checkpoint, whole or not; nothing happens where there is none. Of a link, nothing behind it goes."""
    if folder.is_symlink():
        folder.unlink()
        return
    # The manifest goes first: a folder that is half deleted must not look whole.
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return path.stat().st_size, digest.hexdigest()
