"""Encoded splits kept on disk, so that a second run on the same examples need not tokenize them again.

An entry is a folder named after everything that decides its rows: the examples themselves, the tokenizer's files, the
adapter's class, version and options, and the versions of the libraries. Nothing else is asked whether it is current.
It appears whole, by a rename, and is checked by hash when it is read; what cannot be read counts as absent.

Token ids are the texts in another spelling: only the user may read the files, and only the user's own are read.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa

from ftkit.adapters.adapter import Adapter, Encoded
from ftkit.console import is_main_process
from ftkit.errors import ConfigError
from ftkit.models.fingerprint import file_fingerprint
from ftkit.types import Split
from ftkit.version import __version__

FORMAT = 1
MIN_ROWS = 2_000  # fewer are tokenized in a tenth of a second
CHUNK = 10_000  # examples hashed at once
DEFAULT_LIMIT = 2.0  # gigabytes, of all entries together
ABANDONED = 24 * 3600  # seconds after which a half-written entry has no writer any more
ROWS, LENGTHS, FIRST_ROWS, INDEX = "rows.arrow", "lengths.npy", "first_rows.npy", "entry.json"
COUNTS = ("num_truncated", "num_truncated_targets", "pads_left")
View = Literal["encode", "encode_prompt"]


class EncodedCache:
    """Encodes splits with an adapter, or finds them encoded.

    Args:
        options: what the adapter was made with.

    Raises:
        ConfigError: FTKIT_CACHE_LIMIT is no number.
    """

    def __init__(self, adapter: Adapter, options: Mapping[str, Any]) -> None:
        self.adapter, self.options = adapter, options
        # The code that comes with a checkpoint can change without a trace.
        self.folder = None if adapter.spec.trust_remote_code else cache_folder()
        self.limit = cache_limit()

    def encode(self, split: Split) -> Encoded:
        """Returns the rows that are trained on; see `Adapter.encode`."""
        return self._encoded(split, "encode")

    def encode_prompt(self, split: Split) -> Encoded:
        """Returns the rows that are predicted on; see `Adapter.encode_prompt`."""
        return self._encoded(split, "encode_prompt")

    def _encoded(self, split: Split, view: View) -> Encoded:
        if self.folder is None or len(split) < MIN_ROWS:
            return getattr(self.adapter, view)(split)
        entry = self.folder / self._key(split, view)
        found = read_entry(entry)
        if found is not None:
            if split.name == "train":
                self.adapter.fit(found)
            return found
        encoded = getattr(self.adapter, view)(split)
        if is_main_process():
            write_entry(entry, encoded, limit=self.limit)
        return encoded

    def _key(self, split: Split, view: View) -> str:
        """Returns the SHA-256 of all that decides the rows."""
        adapter = self.adapter
        decides = {
            "format": FORMAT,
            "view": view,
            "adapter": f"{type(adapter).__module__}.{type(adapter).__qualname__} {adapter.version}",
            "options": {**self.options, **adapter.fitted_options},
            "max_length": adapter.max_length,
            "labels": adapter.labels and [adapter.labels.problem_type, *adapter.labels.names],
            "checkpoint": dataclasses.asdict(adapter.spec),
            "tokenizer": self._tokenizer,
            "libraries": _libraries(),
        }
        digest = hashlib.sha256(json.dumps(decides, sort_keys=True, default=repr).encode())
        for start in range(0, len(split), CHUNK):
            # `repr` puts texts in quotes and escapes what is in them: no two lists of examples are written alike.
            digest.update("".join(map(repr, split.examples[start : start + CHUNK])).encode())
        return digest.hexdigest()

    @functools.cached_property
    def _tokenizer(self) -> dict[str, str]:
        """Digests of the files from which inference makes the same tokenizer: they are all that it is."""
        with tempfile.TemporaryDirectory(prefix="ftkit-") as name:
            folder = Path(name)
            self.adapter.save_tokenizer(folder)
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            return {path.relative_to(folder).as_posix(): file_fingerprint(path) for path in files}


def cache_folder() -> Path | None:
    """Returns where entries lie: in FTKIT_CACHE, or else in ~/.cache/ftkit; None where FTKIT_CACHE is `off`."""
    stated = os.environ.get("FTKIT_CACHE", "")
    if stated.lower() == "off":
        return None
    try:
        root = Path(stated).expanduser() if stated else Path.home() / ".cache" / "ftkit"
    except RuntimeError:  # a user without a home
        return None
    return root / "encoded"


def cache_limit() -> float:
    """Returns how many bytes all entries may take.

    Raises:
        ConfigError: FTKIT_CACHE_LIMIT is no number.
    """
    stated = os.environ.get("FTKIT_CACHE_LIMIT") or DEFAULT_LIMIT
    try:
        return float(stated) * 1e9
    except ValueError:
        raise ConfigError(f"FTKIT_CACHE_LIMIT: expected a number of gigabytes, such as 2, got {stated!r}.") from None


def _libraries() -> list[str]:
    import tokenizers
    import transformers

    return [__version__, transformers.__version__, tokenizers.__version__]


# --- one entry ---


def read_entry(entry: Path) -> Encoded | None:
    """Returns what an entry holds, its rows left on disk; None if it is absent, damaged or another user's."""
    try:
        if not entry.is_dir() or not _is_own(entry):
            return None
        encoded = _read_files(entry)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException):
        _remove(entry)
        return None
    with contextlib.suppress(OSError):
        os.utime(entry)  # what was used last is removed last
    return encoded


def _read_files(entry: Path) -> Encoded:
    """Reads an entry; a damaged one raises one error or another."""
    from datasets import Dataset
    from datasets.table import MemoryMappedTable

    index = json.loads((entry / INDEX).read_text(encoding="utf-8"))
    for name, digest in index["files"].items():
        if file_fingerprint(entry / Path(name).name) != digest:
            raise ValueError(f"{name} has changed")
    return Encoded(
        rows=Dataset(MemoryMappedTable.from_file(str(entry / ROWS))),
        lengths=np.load(entry / LENGTHS, allow_pickle=False),
        first_rows=np.load(entry / FIRST_ROWS, allow_pickle=False) if FIRST_ROWS in index["files"] else None,
        from_cache=True,
        **{name: index["counts"][name] for name in COUNTS},
    )


def write_entry(entry: Path, encoded: Encoded, *, limit: float) -> None:
    """Keeps encoded rows; where that is not possible, nothing happens.

    Two processes may write the same entry: the first rename wins, and the other finds what it was about to write.

    Args:
        limit: bytes of all entries; the oldest make room.
    """
    table = encoded.rows.with_format("arrow")[:]
    if table.nbytes > limit:
        return
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=entry.name[:16], suffix=".tmp", dir=entry.parent))
    except OSError:
        return
    try:
        _write_files(temporary, table, encoded)
        _make_room(entry.parent, limit - _size(temporary))
        temporary.rename(entry)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_files(folder: Path, table: pa.Table, encoded: Encoded) -> None:
    with _private_file(folder / ROWS) as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    arrays = {LENGTHS: encoded.lengths} | ({} if encoded.first_rows is None else {FIRST_ROWS: encoded.first_rows})
    for name, array in arrays.items():
        with _private_file(folder / name) as file:
            np.save(file, array, allow_pickle=False)
    index = {
        "files": {name: file_fingerprint(folder / name) for name in (ROWS, *arrays)},
        "counts": {name: getattr(encoded, name) for name in COUNTS},
    }
    with _private_file(folder / INDEX) as file:
        file.write(json.dumps(index).encode())


def _private_file(path: Path) -> IO[bytes]:
    """Opens a new file that only the user may read."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def _is_own(entry: Path) -> bool:
    """Tells whether the user wrote an entry: in a folder that others can write to, theirs could hold anything."""
    return not hasattr(os, "getuid") or entry.stat().st_uid == os.getuid()


# --- all entries ---


def _make_room(folder: Path, limit: float) -> None:
    """Removes the entries that were used longest ago, until the others fit, and what writers have left behind."""
    entries: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        try:
            used = path.stat().st_mtime
            if path.suffix != ".tmp":
                entries.append((used, _size(path), path))
            elif time.time() - used > ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # another process has removed it, or it is no entry
            continue
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= limit:
            return
        _remove(path)
        total -= size


def _size(entry: Path) -> int:
    return sum(path.stat().st_size for path in entry.iterdir())


def _remove(entry: Path) -> None:
    """Removes an entry; it is renamed first, so that no one meets half of it."""
    doomed = entry.with_name(f"{entry.name[:16]}{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        entry.rename(doomed)
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)
