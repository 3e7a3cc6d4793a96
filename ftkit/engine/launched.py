"""This process among those that were launched for a run: how they meet, and how they end together."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ftkit.console import leave_for_launcher, note, warn
from ftkit.engine.ranks import (
    DEFAULT_TIMEOUT,
    HOW_TO_NAME_THE_NETWORK,
    LOOKS_EVERY,
    SAYS_WHO_IS_MISSING_AFTER,
    SECONDS_TO_AGREE,
    Ranks,
    first_line,
    meeting_point,
)
from ftkit.errors import ConfigError, FtkitError, Interrupted, MachineError

if TYPE_CHECKING:
    from torch.distributed import Store

    from ftkit.engine.interruption import Interruption


def num_launched() -> int:
    """Returns how many processes were launched for this run, whichever launcher it was."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def warn_of_lonely_process() -> None:
    """Tells that `accelerate launch` was asked for several processes and has started one.

    It does so where neither --multi_gpu nor a launch config says how, and of --cpu: it sets the address where ranks
    meet, and no rank.
    """
    is_asked = {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()
    if is_asked and "LOCAL_RANK" not in os.environ and num_launched() == 1:
        warn(
            "accelerate launch was asked for several processes and has started one, as it does with --cpu. To train "
            "on N processes: ftkit train CONFIG --num-processes N, or accelerate launch --multi_gpu, on CPUs as well"
        )


class _Here:
    """What this process knows of its ranks; a script may carry out several runs, one after another."""

    num_runs = 0
    ranks: Ranks | None = None


def ranks() -> Ranks:
    """Returns the ranks of the run that this process carries out; more than one was launched.

    Raises:
        MachineError: the place where they meet cannot be reached.
    """
    if _Here.ranks is None:
        from torch import distributed

        store, rank, world_size = _meet()
        _Here.ranks = Ranks(distributed.PrefixStore(f"run-{_Here.num_runs}", store), rank, world_size)
    return _Here.ranks


@functools.cache
def _meet() -> tuple[Store, int, int]:
    """Returns the store that all ranks reach, this rank, and how many there are; none is waited for but the server.

    PyTorch's own rendezvous waits in C++, where a signal is not heard.
    """
    from torch.distributed import PrefixStore, TCPStore

    try:
        rank, world_size, port = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "MASTER_PORT"))
        host = os.environ["MASTER_ADDR"]
        # torchrun keeps a store of its own, across restarts of its ranks.
        is_launchers = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        serves = rank == 0 and not is_launchers
        if not serves:
            # The launcher's is there before its ranks are, and ends with it.
            _wait_for_server(host, port, seconds=SECONDS_TO_AGREE if is_launchers else DEFAULT_TIMEOUT)
        store = TCPStore(host, port, world_size, serves, wait_for_workers=False, multi_tenant=True)
    except KeyError as error:
        raise MachineError(
            f"{num_launched()} processes were launched, and {error.args[0]} is not set in this one"
        ) from None
    except (RuntimeError, ValueError, OSError) as error:
        raise MachineError(
            f"rank {os.environ['RANK']} on {socket.gethostname()} cannot reach {meeting_point()}, where the "
            f"ranks meet ({first_line(error)}). It is the address of rank 0 (--main-process-ip, MASTER_ADDR), which "
            "every host must reach"
        ) from None
    # torchrun's store holds the words and addresses of ranks that have ended.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(f"ftkit/attempt-{attempt}", store), rank, world_size


def _wait_for_server(host: str, port: int, *, seconds: float) -> None:
    """Waits until the store of rank 0, or of the launcher, can be reached."""
    start, is_told = time.monotonic(), False
    while True:
        try:
            socket.create_connection((host, port), timeout=SAYS_WHO_IS_MISSING_AFTER).close()
        except OSError as error:
            waited = time.monotonic() - start
            if waited > seconds:
                raise
            if waited > SAYS_WHO_IS_MISSING_AFTER and not is_told:
                is_told = True
                note(f"rank {os.environ['RANK']}: waiting for rank 0 at {meeting_point()} ({first_line(error)})")
            time.sleep(LOOKS_EVERY)
        else:
            return


def _meeting_place() -> dict[str, Any]:
    """Returns what `init_process_group` is told of where ranks meet; DeepSpeed calls it in its own way."""
    from accelerate.utils import parse_flag_from_env
    from torch import distributed

    if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
        return {}
    store, rank, world_size = _meet()
    return {"store": distributed.PrefixStore("group", store), "rank": rank, "world_size": world_size}


def _check_devices() -> None:
    import torch

    num_devices, num_local = torch.accelerator.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if num_local > num_devices:
        raise ConfigError(
            f"{num_local} processes were launched on {socket.gethostname()}, which has {num_devices} GPUs. Launch as "
            "many as there are, or say train.use_cpu: true."
        )


def join(*, timeout: float, cpu: bool, backend: str | None) -> None:
    """Starts the collective operations of all ranks, with a bound on how long one waits for another.

    Args:
        timeout: seconds.
        cpu: whether CPUs compute.
        backend: such as `gloo`; None for the one that suits the device.

    Raises:
        ConfigError: there are fewer GPUs than processes.
        MachineError: the ranks cannot reach one another.
    """
    from accelerate import PartialState
    from accelerate.utils import InitProcessGroupKwargs

    if not cpu:
        _check_devices()
    ranks().timeout = timeout
    ranks().meet()
    try:
        handler = InitProcessGroupKwargs(backend=backend, timeout=timedelta(seconds=timeout))
        PartialState(cpu=cpu, **handler.to_kwargs(), **_meeting_place())
    except RuntimeError as error:
        raise MachineError(
            f"the ranks on {', '.join(ranks().hosts)} have met, but cannot exchange tensors ({first_line(error)}). "
            f"{HOW_TO_NAME_THE_NETWORK}"
        ) from None


def wait_for_rank_0() -> None:
    """Waits for what rank 0 does alone, such as saving and proving, which may take longer than a collective may."""
    if num_launched() > 1:
        here = ranks()
        here.timeout = max(here.timeout, DEFAULT_TIMEOUT)
        here.exchange(None)


def give_weights(model: Any) -> None:
    """Gives the trained weights and the buffers of rank 0 to the others; all ranks call this together."""
    from torch import distributed

    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():  # what is quantized does not move
            distributed.broadcast(tensor.detach(), src=0)


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Lets one rank tell why the run ends, and all end with its exit code; a run of one process is left alone.

    Raises:
        FtkitError: as the block does; where another rank tells why, `is_told_elsewhere` is true.
    """
    if num_launched() == 1:
        yield
        return
    _Here.num_runs, _Here.ranks = _Here.num_runs + 1, None
    try:
        yield
    except Exception as error:
        if isinstance(error, Interrupted) and _Here.ranks is None:
            raise  # nobody is met any more: the others hear the same signal, or end with this rank
        found = error
        with contextlib.suppress(RuntimeError, MachineError):  # the store has ended with rank 0, or with the launcher
            if not getattr(error, "is_told_elsewhere", False) and not ranks().has_told:
                found = ranks().end(error)
        if isinstance(found, FtkitError):
            found.tells_for_all = not found.is_told_elsewhere
            leave_for_launcher(found)  # a script of one's own may not catch it
        if found is error:
            raise
        raise found from None
    finally:
        if _Here.ranks is not None:
            _Here.ranks.leave()


@contextlib.contextmanager
def losses_told(interruption: Interruption) -> Iterator[None]:
    """Turns the failure of a collective operation inside the block into an error that names the rank which was lost.

    Args:
        interruption: a launcher that loses a process ends the others by a signal; they tell first.

    Raises:
        MachineError: on the rank that tells.
        FtkitError: on the others, with `is_told_elsewhere`.
    """
    try:
        yield
    except RuntimeError as error:
        if num_launched() == 1 or not _is_of_collective(error):
            raise
        with interruption.completing():
            found = _lost(error)
        raise found from None


def _lost(error: RuntimeError) -> Exception:
    try:
        return ranks().lost(error)
    except RuntimeError:
        return MachineError(f"rank 0, or its host, cannot be reached any more at {meeting_point()}")


_OF_COLLECTIVES = (
    *("gloo", "nccl", "processgroup", "pair closure", "connection closed", "connection reset", "broken pipe"),
    "timed out waiting",
)
"""What errors of collective operations say, in small letters: gloo raises plain RuntimeErrors."""


def _is_of_collective(error: RuntimeError) -> bool:
    from torch.distributed import DistError

    return isinstance(error, DistError) or any(words in str(error).lower() for words in _OF_COLLECTIVES)
