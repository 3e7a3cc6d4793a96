"""Several processes from one command: `ftkit train CONFIG --num-processes 4` starts Accelerate's launcher.

The launcher's own words are kept from the screen: a rank tells why a run ends, and the command ends with its code.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ftkit.console import note
from ftkit.engine.interruption import BEFORE_TRAINING, SIGNALS, Interruption
from ftkit.errors import ConfigError, Interrupted, MachineError
from ftkit.paths import user_path

PASSED_ON = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"  # to the ranks; a launcher by itself lets SIGUSR1 kill it
SECONDS_TO_SAVE = 300  # that ranks have after a signal; torchrun's 30 are less than large checkpoints take
SECONDS_TO_COME = 600  # of other machines: a scheduler starts them at about the same time
DEFAULT_PORT = 29500


@dataclass(frozen=True)
class Launch:
    """How many processes are asked for, and where.

    Attributes:
        num_processes: on all machines together; None: as many as the file says, or as there are GPUs.
        config_file: a file of `accelerate config`.
        num_machines: None: as many as the file says, or one.
        machine_rank: of this machine, from 0.
        main_process_ip: address of machine 0.
        main_process_port: where its ranks meet; None: any that is free, on one machine.
    """

    num_processes: int | None = None
    config_file: str | None = None
    num_machines: int | None = None
    machine_rank: int | None = None
    main_process_ip: str | None = None
    main_process_port: int | None = None

    @property
    def is_asked(self) -> bool:
        """Whether a launcher is to be started."""
        is_one = self.num_processes == 1 and (self.num_machines or 1) == 1
        return self.config_file is not None or not (self == Launch() or is_one)

    def check(self) -> None:
        """Refuses what cannot be launched.

        Raises:
            ConfigError: naming the option.
        """
        if "LOCAL_RANK" in os.environ:
            raise ConfigError(
                "--num-processes: this process has been started by a launcher already. Leave out the launcher, or the "
                "option."
            )
        if self.config_file is not None and not user_path(self.config_file, "--config-file").is_file():
            raise ConfigError(
                f"--config-file: there is no file {self.config_file}. `accelerate config --config_file FILE` writes "
                "one; scripts/accelerate/ holds some."
            )
        machines = self.num_machines or 1
        if machines > 1 and (self.machine_rank is None or self.main_process_ip is None):
            raise ConfigError(
                f"--num-machines {machines}: on each machine, say --machine-rank (0 to {machines - 1}) and "
                "--main-process-ip, the address of machine 0."
            )
        if machines > 1 and self.config_file is None and (self.num_processes or 0) % machines:
            raise ConfigError(
                f"--num-processes {self.num_processes}: the number on all machines together cannot be shared out "
                f"among {machines}."
            )


def launch(
    asked: Launch,
    command: Sequence[str],
    *,
    use_cpu: bool,
    interruption: Interruption,
    timeout: int | None = None,
) -> int:
    """Starts a command on several processes; returns its exit code when all have ended.

    Args:
        command: of ftkit, such as `["train", "run.yaml"]`.
        use_cpu: whether GPUs are left alone.
        interruption: hears signals until the launcher does.
        timeout: seconds that other machines are waited for.

    Raises:
        ConfigError: Accelerate refuses what is asked for.
        MachineError: not all machines came, or all ranks were killed.
        Interrupted: a signal came, and no rank has told of it.
    """
    arguments = _arguments(asked, command, use_cpu=use_cpu)
    machines, place = asked.num_machines or 1, f"{arguments.main_process_ip}:{arguments.main_process_port}"
    if machines > 1:
        seconds = timeout or SECONDS_TO_COME
        arguments.rdzv_conf = f"timeout={seconds}"
        note(f"machine {asked.machine_rank} of {machines}: the others have {seconds} s to come to {place}")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # every rank would print the same warnings of c10d
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="ftkit_launch_") as folder:
        arguments.log_dir = folder  # torchrun lets each rank leave word in it of what it ends with
        return _ended(arguments, Path(folder), f"not all of {machines} machines came to {place}", interruption)


def _ended(arguments: argparse.Namespace, words: Path, not_met: str, interruption: Interruption) -> int:
    """Launches, and returns the code of what it ended with.

    Args:
        words: folder in which ranks leave word.
        not_met: what is said where machines did not meet.
    """
    import torch.distributed.run  # noqa: F401  a signal during this import is not the launcher's
    from accelerate.commands.launch import launch_command
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError

    interruption.heed()
    began, others = time.monotonic(), psutil.Process().children()
    try:
        launch_command(arguments)
    except ChildFailedError as error:
        return _exit_code({rank: failure.exitcode for rank, failure in error.failures.items()})
    except subprocess.CalledProcessError as error:  # of one process, which Accelerate starts by itself
        return _exit_code({0: error.returncode})
    except (SignalException, Interrupted) as error:
        number = error.sigval if isinstance(error, SignalException) else signal.Signals[str(interruption.reason)]
        left = [process for process in psutil.Process().children() if process not in others]
        return _interrupted(number, left, words, seconds=time.monotonic() - began)
    except (DistError, RendezvousError) as error:
        reason = str(error).strip().splitlines()[0]
        raise MachineError(
            f"{not_met} ({reason}). Start the command on each, with its own --machine-rank, and look whether each "
            "reaches that address"
        ) from None
    except ImportError as error:
        raise ConfigError(
            "--config-file: it needs a package that is not installed in this environment "
            f"({str(error).strip().rstrip('.')}). DeepSpeed comes with pip install 'ftkit[deepspeed]'; or share out "
            "the model by FSDP2: train.fsdp: true."
        ) from None
    except (ValueError, AssertionError, ConnectionError) as error:
        raise ConfigError(f"accelerate refuses this launch: {str(error).strip()}") from None
    return 0


def _interrupted(number: signal.Signals, left: Sequence[psutil.Process], words: Path, *, seconds: float) -> int:
    """Returns the code of a command that a signal ended; it tells so itself where no rank has.

    Args:
        left: ranks that the launcher has not waited for: those that it was about to start, all after a second signal.
        words: folder in which ranks leave word.
        seconds: since the launch.

    Raises:
        Interrupted: no rank had begun.
        MachineError: they have not ended by themselves.
    """

    def pass_on(number: int, _: Any) -> None:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    for each in SIGNALS:
        signal.signal(each, pass_on)
    pass_on(number, None)
    ended, hanging = psutil.wait_procs(left, SECONDS_TO_SAVE)
    for process in hanging:
        process.kill()
    if any(words.rglob("error.json")) or any(process.returncode == Interrupted.exit_code for process in ended):
        return Interrupted.exit_code
    if seconds > SECONDS_TO_SAVE:
        raise MachineError(
            f"the ranks did not end within {SECONDS_TO_SAVE} seconds of {number.name}, and were killed. The same "
            "command goes on with the run from its newest whole checkpoint"
        )
    raise Interrupted(f"Interrupted by {number.name}{BEFORE_TRAINING}.")


def _arguments(asked: Launch, command: Sequence[str], *, use_cpu: bool) -> argparse.Namespace:
    """Returns what `accelerate launch` is told."""
    from accelerate.commands.launch import launch_command_parser

    options = {
        "config_file": asked.config_file,
        "num_processes": asked.num_processes,
        "num_machines": asked.num_machines,
        "machine_rank": asked.machine_rank,
        "main_process_ip": asked.main_process_ip,
        "main_process_port": asked.main_process_port,
    }
    if asked.config_file is None:
        options |= _without_file(asked, use_cpu=use_cpu)
        makes_several = True
    else:
        makes_several = _is_plain(asked.config_file, asked.num_processes)
    words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    # On CPUs, too: of --cpu, MULTI_CPU and NO, accelerate launch makes one process without a word.
    flags = ["--multi_gpu"] if makes_several else []
    arguments = launch_command_parser().parse_args([*words, *flags, "-m", "ftkit", *command])
    arguments.signals_to_handle, arguments.shutdown_timeout = PASSED_ON, SECONDS_TO_SAVE
    return arguments


def _without_file(asked: Launch, *, use_cpu: bool) -> dict[str, Any]:
    """Returns what `accelerate launch` takes from a file, or else warns of.

    Raises:
        ConfigError: there are too few GPUs.
    """
    import torch

    machines = asked.num_machines or 1
    num_devices = 0 if use_cpu or not torch.accelerator.is_available() else torch.accelerator.device_count()
    num_processes = asked.num_processes or num_devices * machines
    if num_devices and num_processes // machines > num_devices:
        raise ConfigError(
            f"--num-processes {num_processes}: {num_processes // machines} on this machine, which has {num_devices} "
            "GPUs. Say fewer, or train.use_cpu=true."
        )
    if num_processes < 2:
        raise ConfigError("--num-processes: say how many, 2 or more; without GPUs none can be counted.")
    num_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = 1 if num_devices else max(num_cores * machines // num_processes, 1)
    return {
        "num_processes": num_processes,
        "num_machines": machines,
        "machine_rank": asked.machine_rank or 0,
        "main_process_port": asked.main_process_port or (0 if machines == 1 else DEFAULT_PORT),
        "num_cpu_threads_per_process": int(os.environ.get("OMP_NUM_THREADS", share)),
        "mixed_precision": "no",  # train.precision says it
        "dynamo_backend": "no",
    }


def _is_plain(config_file: str, num_processes: int | None) -> bool:
    """Tells whether a launch config asks for several processes, and says of none of the ways that it is to be done.

    Raises:
        ConfigError: it is none.
    """
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import DistributedType

    try:
        config = load_config_from_file(str(user_path(config_file, "--config-file")))
    except Exception as error:  # YAML's own errors, and whatever its values lead to
        raise ConfigError(f"--config-file: {config_file} is no launch config: {str(error).strip()}") from None
    plain = (DistributedType.NO, DistributedType.MULTI_CPU)
    return (num_processes or config.num_processes) > 1 and config.distributed_type in plain


def _exit_code(codes: Mapping[int, int]) -> int:
    """Returns the code of the rank that told why the run ended.

    Args:
        codes: rank -> its exit code; of a signal that ended it, its number below zero.

    Raises:
        MachineError: no rank could tell.
        Interrupted: none had begun.
    """
    told = [code for code in codes.values() if code > 0]
    if told:
        return told[0] if len(set(told)) == 1 else max(set(told), key=told.count)
    asked = [-code for code in codes.values() if -code in SIGNALS]
    if len(asked) == len(codes):  # whoever stops a job may send it to each of its processes
        raise Interrupted(f"Interrupted by {signal.Signals(asked[0]).name}{BEFORE_TRAINING}.")
    killed = ", ".join(f"rank {rank} by signal {-code}" for rank, code in sorted(codes.items()))
    raise MachineError(
        f"the ranks were killed ({killed}), as the system does where memory runs out. Look at its log; the same "
        "command goes on with the run"
    )
