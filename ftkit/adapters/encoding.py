"""Examples -> rows, as a preprocessor makes them: of many examples by several processes, onto disk, and only once.

An example's rows depend on it alone, so chunks of examples are encoded apart from one another and joined. A
preprocessor of which this is not true says so: `joins_examples`.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import hashlib
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Encoded, EncodedToScore
from ftkit.data.files import atomic_write_json
from ftkit.progress import progress

TASK_EXAMPLES = 2_048  # at a time in a process: enough to make the cost of handing over small
MOST_PROCESSES = 16
_ROWS, _COSTS, _FIRST_ROWS, _FACTS = "rows.arrow", "costs.npy", "first_rows.npy", "facts.json"


def encode(preprocessor: Preprocessor, examples: Sequence[Any], *, targets: bool) -> Encoded:
    """Returns `preprocessor.encode(examples)`; of examples that lie on disk, the rows do so too."""
    if not _are_kept(preprocessor, examples):
        return preprocessor.encode(examples, targets=targets)
    job = _Job(preprocessor, examples, "targets" if targets else "inputs")
    return job.encoded()["inputs"]


def encode_to_train(preprocessor: Preprocessor, examples: Sequence[Any]) -> Encoded:
    """Returns the rows of examples as they are trained on; see `Preprocessor.to_train`."""
    return preprocessor.to_train(encode(preprocessor, examples, targets=True), examples)


def encode_to_score(
    preprocessor: Preprocessor, examples: Sequence[Any], *, all_predicted: bool = True
) -> EncodedToScore:
    """Returns `preprocessor.encode_to_score(examples)`; of examples that lie on disk, the rows do so too."""
    if not _are_kept(preprocessor, examples):
        return preprocessor.encode_to_score(examples, all_predicted=all_predicted)
    found = _Job(preprocessor, examples, "to score").encoded()
    return EncodedToScore(found["inputs"], found.get("targets"))


def _are_kept(preprocessor: Preprocessor, examples: Sequence[Any]) -> bool:
    from datasets import Dataset

    if not hasattr(examples, "fingerprint") or not len(examples) or getattr(preprocessor, "joins_examples", False):
        return False
    return isinstance(preprocessor.encode(examples[:1], targets=False).rows, Dataset)


@dataclass(frozen=True)
class _Job:
    """Examples to encode, by one preprocessor in one mode.

    Attributes:
        mode: `inputs`, `targets` (both together) or `to score` (one and the other).
    """

    preprocessor: Preprocessor
    examples: Any
    mode: str

    def encoded(self) -> dict[str, Encoded]:
        """Returns the rows, from the cache where they are in it."""
        from ftkit.data.large.cache import ROWS, cached, key_of

        key = key_of(examples=self.examples.fingerprint(), mode=self.mode, **_facts(self.preprocessor))
        folder = cached(ROWS, key, self._write)
        return {name.name: _opened(name, key) for name in sorted(folder.path.iterdir()) if name.is_dir()}

    def of(self, start: int, stop: int) -> dict[str, Encoded]:
        """Encodes some of the examples."""
        examples = self.examples[start:stop]
        if self.mode != "to score":
            return {"inputs": self.preprocessor.encode(examples, targets=self.mode == "targets")}
        found = self.preprocessor.encode_to_score(examples)
        return (
            {"inputs": found.inputs} if found.targets is None else {"inputs": found.inputs, "targets": found.targets}
        )

    def _write(self, folder: Path) -> None:
        writers: dict[str, _Writer] = {}
        with progress("tokenizing", len(self.examples)) as advance:
            for number, parts in _in_order(self):
                for name, part in parts.items():
                    if name not in writers:
                        writers[name] = _Writer(folder / name)
                    writers[name].add(part)
                advance(number)
        for writer in writers.values():
            writer.close()


@dataclass(frozen=True)
class _Part:
    """Encoded examples on their way from one process to another."""

    rows: bytes
    costs: np.ndarray
    first_rows: np.ndarray | None
    cut: Mapping[str, int]
    counts: Mapping[str, int]


def _packed(encoded: Encoded) -> _Part:
    table = encoded.rows.data.table.combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return _Part(
        sink.getvalue(), np.asarray(encoded.costs), encoded.first_rows, dict(encoded.cut), dict(encoded.counts)
    )


class _Writer:
    """Joins parts in a folder, in constant memory but for a few bytes a row."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._stream: pa.ipc.RecordBatchStreamWriter | None = None
        self._costs: list[np.ndarray] = []
        self._first_rows: list[np.ndarray] = []
        self._cut: collections.Counter[str] = collections.Counter()
        self._counts: collections.Counter[str] = collections.Counter()

    def add(self, part: _Part) -> None:
        with pa.ipc.open_stream(part.rows) as stream:
            if self._stream is None:
                self._file = pa.OSFile(str(self._folder / _ROWS), "wb")
                self._stream = pa.ipc.new_stream(self._file, stream.schema)
            for batch in stream:
                self._stream.write_batch(batch)
        if part.first_rows is not None:
            num_rows = sum(map(len, self._costs))
            self._first_rows.append(np.asarray(part.first_rows)[:-1] + num_rows)
        self._costs.append(part.costs)
        self._cut.update(dict.fromkeys(part.cut, 0))
        self._cut.update(part.cut)
        self._counts.update(part.counts)

    def close(self) -> None:
        assert self._stream is not None
        self._stream.close()
        self._file.close()
        costs = np.concatenate(self._costs)
        np.save(self._folder / _COSTS, costs)
        if self._first_rows:
            np.save(self._folder / _FIRST_ROWS, np.concatenate([*self._first_rows, [len(costs)]]))
        atomic_write_json(self._folder / _FACTS, {"cut": dict(self._cut), "counts": dict(self._counts)})


def _opened(folder: Path, key: str) -> Encoded:
    from datasets import Dataset
    from datasets.table import MemoryMappedTable

    first_rows = folder / _FIRST_ROWS
    facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    return Encoded(
        rows=Dataset(MemoryMappedTable.from_file(str(folder / _ROWS)), fingerprint=f"{key}-{folder.name}"),
        costs=np.load(folder / _COSTS),
        first_rows=np.load(first_rows) if first_rows.exists() else None,
        cut=facts["cut"],
        counts=facts.get("counts", {}),  # of a cache that older versions wrote, nothing was counted
    )


# --- several processes --------------------------------------------------------------------------------------------


def _in_order(job: _Job) -> Iterator[tuple[int, dict[str, _Part]]]:
    """Yields the number of examples of each part and the part, in their order."""
    bounds = [
        (start, min(start + TASK_EXAMPLES, len(job.examples))) for start in range(0, len(job.examples), TASK_EXAMPLES)
    ]
    num_processes = min(_num_cpus(), MOST_PROCESSES, len(bounds))
    # Elsewhere a process begins with importing everything anew, and what is forked there may not work.
    if num_processes == 1 or not sys.platform.startswith("linux"):
        for start, stop in bounds:
            yield stop - start, {name: _packed(part) for name, part in job.of(start, stop).items()}
        return
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(num_processes, context, _begin, (job,)) as pool:
        yield from _handed_out(pool, bounds, most_waiting=4 * num_processes)


def _handed_out(
    pool: concurrent.futures.Executor, bounds: Iterable[tuple[int, int]], *, most_waiting: int
) -> Iterator[tuple[int, dict[str, _Part]]]:
    waiting: collections.deque[Any] = collections.deque()
    with warnings.catch_warnings():
        # From Python 3.12 on, of threads; those of tokenizers are not used in the processes.
        warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
        for start, stop in bounds:
            waiting.append((stop - start, pool.submit(_encoded_part, start, stop)))
            if len(waiting) == most_waiting:
                number, part = waiting.popleft()
                yield number, part.result()
    for number, part in waiting:
        yield number, part.result()


_job: _Job | None = None


def _begin(job: _Job) -> None:
    """Prepares a process: it stops when its parent wants it to, and does not use threads of its own."""
    global _job
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _job = job


def _encoded_part(start: int, stop: int) -> dict[str, _Part]:
    assert _job is not None
    return {name: _packed(part) for name, part in _job.of(start, stop).items()}


def _num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- what rows follow from ----------------------------------------------------------------------------------------


def _facts(preprocessor: Preprocessor) -> dict[str, Any]:
    """Returns what tells the rows of a preprocessor from those of another: its files, its options, its code."""
    import tokenizers
    import transformers

    own = type(preprocessor)
    labels = preprocessor.labels
    return {
        "class": f"{own.__module__}:{own.__qualname__}",
        "version": own.version,
        "files": _saved_digest(preprocessor),
        "options": {name: value for name, value in sorted(vars(preprocessor).items()) if _is_plain(value)},
        "resolved": dict(preprocessor.resolved_options),
        "spec": {one.name: repr(getattr(preprocessor.spec, one.name)) for one in fields(preprocessor.spec)},
        "labels": None if labels is None else [labels.problem_type, *labels.names],
        "code": _code_digest(own.__module__),
        "libraries": [transformers.__version__, tokenizers.__version__],
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float))


def _saved_digest(preprocessor: Preprocessor) -> str:
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        preprocessor.save(Path(folder))
        for file in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            digest.update(file.relative_to(folder).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


@functools.cache
def _code_digest(module: str) -> str:
    """Returns what tells one version of the code that encodes from another: ftkit's, and of the module."""
    root = Path(__file__).resolve().parents[1]
    files = {
        *(root / "adapters").rglob("*.py"),
        *(root / "models").rglob("*.py"),
        Path(sys.modules[module].__file__ or root),
    }
    digest = hashlib.sha256()
    for file in sorted(path for path in files if path.is_file()):
        digest.update(file.read_bytes())
    return digest.hexdigest()
