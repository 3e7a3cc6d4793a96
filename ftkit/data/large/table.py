"""Examples in an Arrow file on disk, as a sequence that makes them when they are asked for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ftkit.data.files import atomic_write_json
from ftkit.data.hashes import hash_of
from ftkit.data.large.cache import EXAMPLES, cached
from ftkit.data.large.codec import ExampleCodec

BATCH_ROWS = 2_048
EXAMPLES_FILE, META_FILE = "examples.arrow", "examples.json"
_KEY = "#key"


class ExampleTable(Sequence[Any]):
    """Examples of one class in a file, or some of them, in their order.

    Passes over all of them read one batch after another, so memory does not grow with their number.

    Attributes:
        folder: where the file lies.
        digest: of all examples in the file, in hex; equal examples have equal digests.
        positions: which of the file's examples these are, ascending, (N,); None: all.
    """

    def __init__(
        self,
        folder: Path,
        example_type: type | None = None,
        *,
        positions: np.ndarray | None = None,
        owner: Any = None,
    ) -> None:
        """Opens a file that `write_examples` made.

        Args:
            example_type: what it holds; None for a class of ftkit, which the file names.
            owner: kept alive as long as the sequence: what deletes the folder when it goes.
        """
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
        self.folder, self.digest, self.positions, self._owner = folder, meta["digest"], positions, owner
        self._num_stored = meta["rows"]
        self._codec = ExampleCodec(example_type or _ftkit_class(meta["class"]))
        self._file: tuple[int, pa.ipc.RecordBatchFileReader] | None = None
        self._recent: tuple[int, list[Any]] | None = None

    def __len__(self) -> int:
        return self._num_stored if self.positions is None else len(self.positions)

    def __getitem__(self, index: Any) -> Any:
        """Returns one example, or a list of the examples of a slice."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self.at(range(start, stop, step))
        position = range(len(self))[index]
        return self._example(position if self.positions is None else int(self.positions[position]))

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches():
            yield from self._codec.unpack(batch)

    def at(self, places: Sequence[int]) -> list[Any]:
        """Returns the examples at some places, which are given in any order."""
        order = np.asarray(places, np.int64)
        stored = order if self.positions is None else self.positions[order]
        if len(stored) and (np.diff(stored) < 0).any():
            return [self._example(int(position)) for position in stored]
        return [example for batch in self._selected(stored) for example in self._codec.unpack(batch)]

    def take(self, places: np.ndarray) -> ExampleTable:
        """Returns the sequence of the examples at some places, ascending."""
        positions = places if self.positions is None else self.positions[places]
        taken = ExampleTable.__new__(ExampleTable)
        taken.__dict__.update(self.__dict__, positions=positions, _file=None, _recent=None)
        return taken

    def collected(self, items: Iterable[Any]) -> ExampleTable:
        """Returns other examples of the same class in a file of their own, which goes when nobody needs it."""
        example_type = self._codec.example_type
        folder = cached(EXAMPLES, None, lambda folder: write_examples(folder, items, example_type))
        return ExampleTable(folder.path, example_type, owner=folder)

    def column(self, name: str) -> Iterator[Any]:
        """Yields a field of each example."""
        for batch in self._batches():
            yield from self._codec.column(batch, name)

    def find(self, name: str, test: Callable[[Any], bool]) -> Iterator[Any]:
        """Yields the examples whose field passes a test; only these are made."""
        for batch in self._batches():
            if self._codec.is_default(batch, name):
                value = self._codec.column(batch.slice(0, 1), name)
                if not value or not test(value[0]):
                    continue
            places = [place for place, value in enumerate(self._codec.column(batch, name)) if test(value)]
            if places:
                yield from self._codec.unpack(batch.take(pa.array(places)))

    def key_hashes(self) -> Iterator[np.ndarray]:
        """Yields the hashes of the examples' keys, batch by batch; see `hash_of`."""
        for batch in self._batches():
            yield batch.column(_KEY).to_numpy()

    def fingerprint(self) -> str:
        """Returns what tells these examples from others, in hex."""
        if self.positions is None:
            return self.digest
        return hashlib.sha256(self.digest.encode() + np.asarray(self.positions, np.int64).tobytes()).hexdigest()

    def _example(self, position: int) -> Any:
        number = position // BATCH_ROWS
        if self._recent is None or self._recent[0] != number:
            self._recent = number, list(self._codec.unpack(self._open().get_batch(number)))
        return self._recent[1][position % BATCH_ROWS]

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if self.positions is None:
            file = self._open()
            for number in range(file.num_record_batches):
                yield file.get_batch(number)
        else:
            yield from self._selected(self.positions)

    def _selected(self, positions: np.ndarray) -> Iterator[pa.RecordBatch]:
        """Yields the rows at ascending positions of the file."""
        file = self._open()
        numbers = positions // BATCH_ROWS
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(positions)], strict=True):
            number = int(numbers[start])
            batch = file.get_batch(number)
            places = positions[start:stop] - number * BATCH_ROWS
            if places[-1] - places[0] + 1 == len(places):
                yield batch.slice(int(places[0]), len(places))
            else:
                yield batch.take(pa.array(places))

    def _open(self) -> pa.ipc.RecordBatchFileReader:
        # Read, not mapped: pages of a mapped file count as this process's memory for as long as there is room.
        if self._file is None or self._file[0] != os.getpid():
            self._file = os.getpid(), pa.ipc.open_file(pa.OSFile(str(self.folder / EXAMPLES_FILE)))
        return self._file[1]


def write_examples(folder: Path, examples: Iterable[Any], example_type: type) -> None:
    """Writes examples to a folder, in constant memory.

    Args:
        examples: all of one class, that `has_codec`.
    """
    codec = ExampleCodec(example_type)
    schema = codec.schema.append(pa.field(_KEY, pa.uint64()))
    digest, num_rows = hashlib.blake2b(str(schema).encode(), digest_size=16), 0
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(folder / EXAMPLES_FILE), "wb") as file, pa.ipc.new_file(file, schema, options=options) as out:
        for chunk in _chunks(examples):
            hashes = np.fromiter((hash_of(example.key()) for example in chunk), np.uint64, len(chunk))
            batch = pa.record_batch([*codec.pack(chunk), pa.array(hashes)], schema=schema)
            out.write_batch(batch)
            num_rows += len(chunk)
            for column in batch.columns:
                for buffer in column.buffers():
                    digest.update(b"-" if buffer is None else memoryview(buffer))
    name = f"{example_type.__module__}:{example_type.__qualname__}"
    atomic_write_json(folder / META_FILE, {"class": name, "rows": num_rows, "digest": digest.hexdigest()})


def _chunks(examples: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for example in examples:
        chunk.append(example)
        if len(chunk) == BATCH_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _ftkit_class(name: str) -> type:
    module, _, qualname = name.partition(":")
    if not module.startswith("ftkit."):
        raise ValueError(f"{name} is no class of ftkit")
    return getattr(import_module(module), qualname)
