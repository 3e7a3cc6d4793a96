"""The bank: one base in memory, any number of trained adapters on it, requests for any of them in one call."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import re
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftkit.adapters.objective import Prediction
from ftkit.adapters.rows import Arrays
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.predicted_files import with_values
from ftkit.errors import CheckpointError, DataError, UserError, did_you_mean, name_list
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.inference.bank_member import Job, Member
from ftkit.inference.input_rows import REQUESTS, InputRows, OnBadRow, check_on_bad_row, made
from ftkit.inference.predictor import Input
from ftkit.kinds.table import find_kind
from ftkit.models.checkpoint import inspect_checkpoint, resolve_path
from ftkit.models.repository import Repository, have_same_weights
from ftkit.models.spec import CheckpointSpec
from ftkit.runs.loading import batch_limits, load_task_adapter, pick_device
from ftkit.runs.trained_adapter import TrainedAdapter, check_base, open_trained_adapter

if TYPE_CHECKING:
    import torch

    from ftkit.inference.shared_body import SharedBody

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")  # all that a fast tokenizer is made from


class Request(NamedTuple):
    """One input for one adapter.

    Attributes:
        adapter: its name in the bank.
        input: what `Predictor.predict` takes one of.
    """

    adapter: str
    input: Input


class BankMemory(NamedTuple):
    """Bytes of tensors, parameters and buffers.

    Attributes:
        base: of the weights that adapters share.
        adapters: of what each has for itself.
    """

    base: int
    adapters: Mapping[str, int]


class AdapterBank:
    """Holds one base and trained adapters on it, of any kinds, each with its own head and labels.

    Rows of adapters that only add low-rank changes to the base's layers (LoRA, rsLoRA, PiSSA), or train only a head,
    run through the base in the same batches. Others run by themselves, on the same weights. Several threads may call
    one bank; it serves one after the other.

    Example:
        bank = AdapterBank()
        bank.add("intents", "runs/intents")
        bank.add("tags", "runs/tags")
        bank.predict([("intents", "where is my card"), ("tags", ["Bo", "called"])])
    """

    def __init__(self, base: str | Path | None = None, *, device: str | torch.device | None = None) -> None:
        """Makes an empty bank; weights are loaded with the first adapter.

        Args:
            base: Hub id or folder of the checkpoint; by default that of the first adapter.
            device: such as `cpu` or `cuda:1`; the first GPU if there is one, by default.

        Raises:
            CheckpointError: there is no such folder.
        """
        from ftkit.engine.quiet import quiet_libraries
        from ftkit.inference.base_weights import BaseWeights

        quiet_libraries()
        self.device = pick_device(device)
        self._base = None if base is None else resolve_path(str(base))
        self._commit: str | None = None
        self._weights = BaseWeights(self.device)
        self._members: dict[str, Member] = {}
        self._bodies: dict[Any, SharedBody] = {}
        self._tokenizers: Any = weakref.WeakValueDictionary()
        self._lock = threading.RLock()

    @property
    def names(self) -> list[str]:
        """Names of the adapters, in the order in which they were added."""
        return list(self._members)

    @property
    def mixed(self) -> list[str]:
        """Names of the adapters whose rows share forward passes of the base."""
        return [name for name, member in self._members.items() if member.body is not None]

    def add(self, name: str, run: str | Path, *, trust_remote_code: bool = False) -> None:
        """Attaches a trained adapter.

        Args:
            name: what requests call it: 1 to 64 letters, digits, `_` and `-`.
            run: the directory of a run whose tuner is not full.
            trust_remote_code: whether code may run that the run or its base asks for.

        Raises:
            UserError: the name cannot be used, the run saved a whole model or was not finished, or it belongs to
                another base. The bank is as it was.
        """
        with self._lock:
            self._check_name(name)
            trained = open_trained_adapter(run, trust_remote_code=trust_remote_code)
            spec = self._base_of(trained)
            adapter = load_task_adapter(trained.folder, trained.config, full_precision=True, base=spec)
            self._share_tokenizer(adapter, trained.folder)
            try:
                self._members[name] = self._attach(name, trained, adapter)
            except BaseException:
                if self._base is None:  # the next adapter may bring another base
                    self._weights.clear()
                raise
            finally:
                release_freed_memory()
            self._base, self._commit = spec.path, self._commit or trained.base.commit

    def remove(self, name: str) -> None:
        """Takes an adapter out; the base stays, also after the last one.

        Raises:
            UserError: there is none of this name.
        """
        with self._lock:
            member = self._find(name, "remove")
            del self._members[name]
            if member.body is not None:
                member.body.leave(name)

    def predict(
        self, requests: Sequence[Request | tuple[str, Input]], *, on_bad_row: OnBadRow = "empty"
    ) -> list[Prediction]:
        """Predicts requests for any adapters.

        Args:
            requests: pairs of an adapter's name and an input, which is a text, a pair of texts or a list of words,
                whichever its task takes.
            on_bad_row: what becomes of an input that cannot be predicted; as of `Predictor.predict`.

        Returns:
            One object for each request, in their order, as `Predictor.predict` gives it.

        Raises:
            UserError: a request is no such pair, or names no adapter of the bank.
            DataError: an input is not what its adapter's task takes, and `on_bad_row` is error.
        """
        from ftkit.engine.predicting import WINDOW

        check_on_bad_row(on_bad_row)
        with self._lock:
            pairs = [self._request(position, request) for position, request in enumerate(requests)]
            predictions: list[Prediction] = []
            for start in range(0, len(pairs), WINDOW):
                predictions += self._predict(pairs[start : start + WINDOW], start, on_bad_row)
            return predictions

    def memory(self) -> BankMemory:
        """Returns how many bytes the base and each adapter hold; the objects around the tensors are not counted."""
        with self._lock:
            bodies = self._weights.own_bytes(*(body.body for body in self._bodies.values()))
            adapters = {name: member.num_bytes for name, member in self._members.items()}
            return BankMemory(self._weights.num_bytes + bodies, adapters)

    # --- adding ---

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise UserError(
                f"An adapter cannot be called {name!r}: a name has 1 to 64 letters (a-z, A-Z), digits, '_' and '-'."
            )
        if name in self._members:
            where = self._members[name].trained.folder
            raise UserError(
                f"The bank already has an adapter {name!r}, from {where}. Remove it, or choose another name."
            )

    def _base_of(self, trained: TrainedAdapter) -> CheckpointSpec:
        """Returns the bank's base as this adapter reads it.

        Raises:
            CheckpointError: it is another one than the adapter was trained on.
        """
        if self._base is None:
            return trained.base_spec()
        model = trained.config.model.model_copy(update={"checkpoint": self._base})
        spec = inspect_checkpoint(model, trust_key=TRUST_WHEN_OPENED)
        try:
            check_base(spec, trained.base, trained.folder)
        except CheckpointError as error:
            raise CheckpointError(f"{error} A bank holds one base: make another AdapterBank for others.") from None
        self._check_same_weights(trained, self._commit or spec.commit)
        return spec

    def _check_same_weights(self, trained: TrainedAdapter, mine: str | None) -> None:
        """Refuses a base of the Hub whose weights have changed between the bank's commit and the adapter's.

        Args:
            mine: the bank's commit; None of a base in a folder.

        Raises:
            CheckpointError: they have, or the Hub cannot tell.
        """
        theirs = trained.base.commit
        if self._base is None or mine is None or theirs is None or mine == theirs:
            return
        if not have_same_weights(Repository(self._base, mine), Repository(self._base, theirs)):
            raise CheckpointError(
                f"The adapter in {trained.folder} was trained on commit {theirs} of {self._base!r}, the bank's "
                f"adapters on {mine}, which holds other weights. A bank holds one base: make another AdapterBank."
            )

    def _share_tokenizer(self, adapter: TaskAdapter, folder: Path) -> None:
        """Keeps equal tokenizers once: with its vocabulary, one takes several times the memory of a LoRA."""
        tokenizer = adapter.preprocessor.processor
        if not adapter.objective.one_pass or not getattr(tokenizer, "is_fast", False):
            return
        digest = hashlib.sha256()
        for name in TOKENIZER_FILES:
            digest.update((folder / name).read_bytes())
        adapter.preprocessor.use_processor(self._tokenizers.setdefault(digest.digest(), tokenizer))

    def _attach(self, name: str, trained: TrainedAdapter, adapter: TaskAdapter) -> Member:
        """Returns the adapter with its model: on a shared body if it can be, else by itself."""
        from ftkit.inference.mixing import NUM_PROBES, join_body, lies_in_layers
        from ftkit.tuners.low_rank import low_rank_parts

        limits = batch_limits(trained.config, adapter, self.device)
        model = self._load(name, trained, adapter)
        parts = low_rank_parts(model) if adapter.objective.one_pass else None
        if parts is not None and lies_in_layers(model, parts):
            kind = find_kind(trained.kind)
            probes = [kind.probe(position) for position in range(NUM_PROBES)]
            joined = join_body(name, model, parts, adapter, probes, self._bodies, self._weights)
            if joined is not None:
                return Member(trained, adapter, joined.model, joined.body, joined.num_bytes, limits)
            model = self._load(name, trained, adapter)
        return Member(trained, adapter, model, None, self._weights.own_bytes(model), limits)

    def _load(self, name: str, trained: TrainedAdapter, adapter: TaskAdapter) -> Any:
        """Returns an adapter's model, tuned, with the base's own tensors wherever it did not change them."""
        from ftkit.tuners.saving import attach_adapter

        loaded = adapter.objective.build()
        # peft puts an adapter's name among those of modules, where it must mean nothing else.
        if name in {part for module, _ in loaded.model.named_modules() for part in module.split(".")}:
            raise UserError(f"An adapter cannot be called {name!r}: a module of the base is. Choose another name.")
        self._weights.learn(loaded)
        model = attach_adapter(loaded.model, trained.folder)
        self._weights.give_to(model)
        return model.to(self.device).eval()

    # --- predicting ---

    def _request(self, position: int, request: Any) -> Request:
        if not isinstance(request, tuple) or len(request) != 2:
            raise UserError(
                f"requests, item {position}: expected a pair (adapter, input), got {request!r}. "
                'Write ("intents", "where is my card").'
            )
        self._find(request[0], f"requests, item {position}")
        return Request(*request)

    def _find(self, name: str, where: str) -> Member:
        if name not in self._members:
            there = f"There is {name_list(self._members)}." if self._members else "It is empty."
            raise UserError(f"{where}: no adapter {name!r} in this bank.{did_you_mean(name, self._members)} {there}")
        return self._members[name]

    def _predict(self, requests: Sequence[Request], first: int, on_bad_row: OnBadRow) -> list[Prediction]:
        """Predicts a window of requests, of which the first stands at a position of the call."""
        jobs = self._jobs(requests, first, on_bad_row)
        try:
            arrays = _computed(jobs)
        except DataError:  # a file that is there, and is no image
            readable = [job.readable() for job in jobs]
            if all(job is before for job, before in zip(readable, jobs, strict=True)):
                raise
            jobs, arrays = readable, _computed(readable)
        found: list[Prediction | None] = [None] * len(requests)
        for job in jobs:
            predictions: Sequence[Prediction] = ()
            if job.name in arrays:
                predictions = job.member.adapter.objective.decode(arrays[job.name], job.window.good)
            for position, row in zip(job.positions, job.rows.in_place(job.window, predictions), strict=True):
                found[position - first] = row
            job.rows.tell()
        return [
            with_values({name: value for name, value in row.items() if name != "id"})
            for row in found
            if row is not None
        ]

    def _jobs(self, requests: Sequence[Request], first: int, on_bad_row: OnBadRow) -> list[Job]:
        """Returns the requests by adapter, encoded; all inputs are checked before anything is computed."""
        by_name: dict[str, list[int]] = {}
        for position, request in enumerate(requests, start=first):
            by_name.setdefault(request.adapter, []).append(position)
        jobs = []
        for name, positions in by_name.items():
            member = self._members[name]
            kind = find_kind(member.trained.kind)
            columns = member.trained.facts.columns
            rows = InputRows(kind, member.adapter, REQUESTS, on_bad_row)
            inputs = ((position, requests[position - first].input) for position in positions)
            window = rows.window([made(position, item, kind, columns) for position, item in inputs])
            jobs.append(Job(name, member, positions, rows, window))
        return jobs


def release_freed_memory() -> None:
    """Hands memory that was freed back to the system.

    Each adapter is loaded with a copy of the base, which is dropped. glibc keeps what tensors that stay lie next to:
    with DoRA 40 MB an adapter on a base of 87 MB.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # on Linux with glibc only
        ctypes.CDLL(None).malloc_trim(0)


def _computed(jobs: Sequence[Job]) -> dict[str, Arrays]:
    """Returns an adapter's name -> what it predicts, of those with requests that can be predicted."""
    from ftkit.inference.mixing import predict_together

    jobs = [job for job in jobs if job.window.encoded is not None]
    bodies = {id(job.member.body): job.member.body for job in jobs if job.member.body is not None}
    arrays: dict[str, Arrays] = {job.name: _alone(job) for job in jobs if job.member.body is None}
    for body in bodies.values():
        arrays |= predict_together(body, [job for job in jobs if job.member.body is body])
    return arrays


def _alone(job: Job) -> Arrays:
    """Predicts with an adapter that runs by itself."""
    from ftkit.engine.predicting import predict_all

    member = job.member
    return predict_all(member.model, member.adapter, job.encoded, member.limits)
