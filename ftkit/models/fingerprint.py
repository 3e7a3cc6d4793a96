"""What a checkpoint's weights are, in one short word: an adapter fits the very weights it was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftkit.models.files import MODEL_FILES
from ftkit.models.spec import CheckpointSpec

# Small checkpoints are read whole; of larger ones so many bytes of every block, so that 14 GB take a second or two.
READ_WHOLE = 1 << 30
BLOCK, SAMPLE = 16 << 20, 64 << 10


def checkpoint_fingerprint(spec: CheckpointSpec) -> str | None:
    """Returns a digest of a local checkpoint's weights; None for one on the Hub, whose commit says what it is."""
    folders = [Path(part.path) for part in (spec, spec.decoder) if part is not None]
    if not all(folder.is_dir() for folder in folders):
        return None
    return weights_fingerprint(*folders)


def weights_fingerprint(*folders: Path) -> str:
    """Returns a digest of the weights in some folders, 32 hex digits; a second or two, also for 14 GB."""
    return _digest(file for folder in folders for file in sorted(folder.glob("model*.safetensors")))


def graph_fingerprint(folder: Path) -> str:
    """Returns likewise a digest of an exported model, its weights beside the graph included."""
    return _digest(sorted(folder.glob("model.onnx*")))


def source_fingerprint(spec: CheckpointSpec) -> str | None:
    """Returns a digest of a folder's weights, config and processor, or the commit of a repository on the Hub.

    None where the commit is not known.
    """
    folder = Path(spec.path)
    if not folder.is_dir():
        return spec.commit
    return folder_fingerprint(folder)


def folder_fingerprint(folder: Path) -> str:
    """Returns a digest of the weights, config and processor in a folder."""
    files = {file for pattern in MODEL_FILES for file in folder.glob(pattern) if file.is_file()}
    return _digest(sorted(files))


def file_fingerprint(path: Path) -> str:
    """Returns the SHA-256 of a whole file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(BLOCK):
            digest.update(chunk)
    return digest.hexdigest()


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        for chunk in _chunks(file):
            digest.update(chunk)
    return digest.hexdigest()[:32]


def _chunks(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in range(0, size, BLOCK):
            file.seek(start)
            yield file.read(BLOCK if size <= READ_WHOLE else SAMPLE)
