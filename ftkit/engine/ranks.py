"""The ranks of one run: how they meet, leave words for one another, and tell why they end.

In a collective operation of PyTorch one rank that is missing holds up all others, and none learns which one it is. So
ranks speak beside them, too, through the store in which they met (`torch.distributed.Store`): it holds words by key,
whoever reads them and when.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftkit.console import note
from ftkit.errors import FtkitError, Interrupted, MachineError, RunError

if TYPE_CHECKING:
    from torch.distributed import Store


DEFAULT_TIMEOUT = 1800.0  # TrainingArguments.ddp_timeout
SECONDS_TO_AGREE = 10.0  # ranks that make the same mistake find it at about the same time
SECONDS_TO_TELL = 3.0  # a rank that is still alive answers within them
LOOKS_EVERY = 0.5  # seconds
SAYS_WHO_IS_MISSING_AFTER = 30.0
HOW_TO_NAME_THE_NETWORK = (
    "Between hosts, gloo and NCCL take the network that the host's name leads to. Name the one that the hosts share: "
    "GLOO_SOCKET_IFNAME=eth0 (NCCL_SOCKET_IFNAME=eth0), one of those that `ip -o addr` lists"
)


@dataclass(frozen=True)
class Process:
    """Where a rank runs.

    Attributes:
        host: its name.
        pid: of the process on it.
        created: when that began, seconds since 1970: numbers of processes are used again.
    """

    host: str
    pid: int
    created: float

    @classmethod
    def this(cls) -> Process:
        """Returns the process that asks."""
        import psutil

        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    def end(self) -> None:
        """Ends the process where it stands, if it runs on this host and still is the one that was meant."""
        import psutil

        if self.host != socket.gethostname():
            return
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) < 0.01:
                process.kill()


class Ranks:
    """This rank and the others, during one run.

    Args:
        store: reached by all ranks.
        rank: of this process; 0 writes and speaks.
        world_size: how many there are.

    Attributes:
        timeout: seconds that a rank is waited for.
        are_agreed: whether all have found the run possible; from then on, a mistake of one is one's own.
        has_told: whether this rank tells why the run ends.
    """

    def __init__(self, store: Store, rank: int, world_size: int) -> None:
        self.store, self.rank, self.world_size = store, rank, world_size
        self.timeout = DEFAULT_TIMEOUT
        self.are_agreed = self.has_told = False
        self._num_exchanges = 0
        self._lost: frozenset[int] = frozenset()
        self._processes: list[Process] = []

    def exchange(self, value: Any) -> list[Any]:
        """Returns what each rank gives, by rank; all ranks call this together.

        Args:
            value: what JSON can hold.

        Raises:
            MachineError: a rank did not come; the message names it.
            FtkitError: a rank has ended the run meanwhile, and tells why.
        """
        self._num_exchanges += 1
        topic = f"exchange/{self._num_exchanges}"
        self.store.set(f"{topic}/{self.rank}", json.dumps(value))
        missing = self._awaited(topic)
        if missing:
            raise MachineError(
                f"{self.named(missing)} did not come within {self.timeout:g} seconds (train.ddp_timeout); "
                f"{self.world_size} ranks were launched. Look at what it printed, and whether its host reaches "
                f"{meeting_point()}"
            )
        return [json.loads(self.store.get(f"{topic}/{rank}")) for rank in range(self.world_size)]

    def _awaited(self, topic: str) -> list[int]:
        """Waits for a word of each rank; returns the ranks that gave none in time."""
        start, is_told = time.monotonic(), False
        while missing := self._silent(topic):
            waited = time.monotonic() - start
            if waited > self.timeout:
                return missing
            if found := self._told():
                raise found
            if waited > SAYS_WHO_IS_MISSING_AFTER and not is_told:
                is_told = True
                note(f"waiting for {self.named(missing)}")
            time.sleep(min(LOOKS_EVERY, 0.05 + waited / 10))
        return []

    def _silent(self, *topics: str) -> list[int]:
        """Returns the ranks that have left a word under none of some topics."""
        return [
            rank
            for rank in range(self.world_size)
            if not any(self.store.check([f"{topic}/{rank}"]) for topic in topics)
        ]

    def meet(self) -> None:
        """Lets each rank know where the others run."""
        if not self._processes:
            here = Process.this()
            self._processes = [Process(*found) for found in self.exchange([here.host, here.pid, here.created])]

    def named(self, ranks: Sequence[int]) -> str:
        """Returns ranks for people: `rank 1 (process 41 on node-b)`."""
        return ", ".join(self._name(rank) for rank in ranks)

    def _name(self, rank: int) -> str:
        if rank == self.rank:
            return f"rank {rank} (process {os.getpid()} on {socket.gethostname()})"
        if not self._processes:
            return f"rank {rank}"
        process = self._processes[rank]
        return f"rank {rank} (process {process.pid} on {process.host})"

    @property
    def hosts(self) -> list[str]:
        """The names of the hosts on which ranks run."""
        return sorted({process.host for process in self._processes})

    # --- how a run ends ---

    def end(self, error: Exception) -> Exception:
        """Leaves word that this rank fails; returns the error that it is to end with: one rank tells, for all."""
        if found := self._told():
            return found
        self._fail(error)
        if isinstance(error, Interrupted):  # no mistake of one: whoever hears of it first tells
            return error if self._is_first_to_tell() else self._told(seconds=SECONDS_TO_TELL) or error
        deadline = time.monotonic() + (SECONDS_TO_TELL if self.are_agreed else SECONDS_TO_AGREE)
        goes_on = f"exchange/{self._num_exchanges + 1}"  # who is there already does not make this mistake
        while self._silent("failed", goes_on) and time.monotonic() < deadline:
            time.sleep(0.05)
        failed = self._failures()
        if self.rank != min(failed) or not self._is_first_to_tell():
            return self._told(seconds=SECONDS_TO_TELL) or _for_another(failed[min(failed)])
        is_common = len(failed) == self.world_size and len({found["message"] for found in failed.values()}) == 1
        if isinstance(error, FtkitError) and not is_common:
            error.args = (f"{self._name(self.rank)}: {error}",)
        return error

    def lost(self, error: Exception) -> Exception:
        """Returns what to end with when another rank cannot be reached: that one is named, unless it has told why.

        Ranks on this host that hang are ended: what waits for them would wait for good.
        """
        if found := self._told(seconds=LOOKS_EVERY):
            return found
        self.store.set(f"alive/{self.rank}", "")
        deadline = time.monotonic() + SECONDS_TO_TELL
        while (missing := self._silent("alive", "failed")) and time.monotonic() < deadline:
            time.sleep(0.05)
        if found := self._told():
            return found
        self._lost = frozenset(missing)
        for rank in missing if self._processes else ():
            self._processes[rank].end()
        told = MachineError(
            f"{self.named(missing)} was lost: it was killed, hangs, or cannot be reached any more"
            if missing
            else f"the ranks cannot reach one another any more ({first_line(error)}). {HOW_TO_NAME_THE_NETWORK}"
        )
        self._fail(told)
        if self._is_first_to_tell():
            return told
        return self._told(seconds=SECONDS_TO_TELL) or _for_another({"code": told.exit_code, "message": str(told)})

    def leave(self) -> None:
        """Says that this rank asks nothing more; rank 0, with which the store may end, waits for the others."""
        with contextlib.suppress(RuntimeError):  # the store has ended
            self.store.set(f"left/{self.rank}", "")
            deadline = time.monotonic() + SECONDS_TO_TELL
            while self.rank == 0 and {*self._silent("left")} - self._lost and time.monotonic() < deadline:
                time.sleep(0.05)

    def _fail(self, error: Exception) -> None:
        code = error.exit_code if isinstance(error, FtkitError) else 1
        self.store.set(f"failed/{self.rank}", json.dumps({"code": code, "message": str(error)}))

    def _failures(self) -> dict[int, dict[str, Any]]:
        """Returns rank -> exit code and message of those that have failed."""
        ranks = [rank for rank in range(self.world_size) if self.store.check([f"failed/{rank}"])]
        return {rank: json.loads(self.store.get(f"failed/{rank}")) for rank in ranks}

    def _is_first_to_tell(self) -> bool:
        self.has_told = self.store.compare_set("teller", "", str(self.rank)) == str(self.rank).encode()
        return self.has_told

    def _told(self, *, seconds: float = 0.0) -> FtkitError | None:
        """Returns the error of a rank for which another one tells; None where none has told within so many seconds."""
        deadline = time.monotonic() + seconds
        while not self.store.check(["teller"]):
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.05)
        return _for_another(json.loads(self.store.get(f"failed/{int(self.store.get('teller'))}")))


def _for_another(found: Mapping[str, Any]) -> FtkitError:
    """Returns the error of a rank for which another one tells.

    Args:
        found: exit code and message of the one that tells.
    """
    error = (Interrupted if found["code"] == Interrupted.exit_code else RunError)(found["message"])
    error.exit_code, error.is_told_elsewhere = found["code"], True
    return error


def meeting_point() -> str:
    """Returns address and port at which ranks meet."""
    return f"{os.environ.get('MASTER_ADDR', '?')}:{os.environ.get('MASTER_PORT', '?')}"


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
