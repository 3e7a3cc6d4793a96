"""New processes that have the libraries already: `fresh.python("-c", code)` is `python -c code` without the wait.

A new interpreter imports torch, transformers and the like for eight seconds before it does what a test asks of it. So
one process for each process of pytest imports them, and does nothing else (`server.py`). It forks for whoever asks
(`client.py`, in the place of the interpreter). The fork takes over the client's environment, folder and streams, and
is an interpreter that has just begun: it runs code, a module or a script as `__main__`. ftkit is imported, too, but
for `-c CODE`.

Tests of what is imported, and of what libraries do while they are, start an interpreter of their own.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fresh.client import ADDRESS

CLIENT = Path(__file__).resolve().parent / "client.py"
CAN_FORK = hasattr(os, "pidfd_open")  # elsewhere than on Linux, processes are started as ever

ENVIRONMENT = dict(os.environ)
"""The variables as they were before a test changed them."""
_READ_ON_IMPORT = ("HF_", "TRANSFORMERS_", "MPL")


def python(
    *arguments: object, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs `python ARGUMENTS`, and returns how it ended and what it wrote.

    Args:
        arguments: `-c CODE ...`, `-m MODULE ...` or `SCRIPT ...`, as the interpreter takes them.
        env: its whole environment; None: this process's.
        options: further ones of `subprocess.run`: cwd, input, timeout.
    """
    env = environment(os.environ if env is None else env)
    return subprocess.run(command(*arguments), env=env, capture_output=True, text=True, **options)


def command(*arguments: object) -> list[str]:
    """Returns what runs `python ARGUMENTS` in an `environment()`."""
    return [sys.executable, *([str(CLIENT)] if CAN_FORK else []), *map(str, arguments)]


def environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns an environment with the place where forks are made, and which lets launchers fork their ranks.

    Raises:
        ValueError: it has other variables than were read by the libraries on import.
    """
    if not CAN_FORK:
        return dict(env)
    for name in {*env, *ENVIRONMENT}:
        if name.startswith(_READ_ON_IMPORT) and env.get(name) != ENVIRONMENT.get(name):
            raise ValueError(f"{name} differs, which is read on import: this takes a new interpreter")
    return {**env, ADDRESS: _server().address, "PYTHON_EXEC": str(CLIENT)}


class _Server:
    """A process of `server.py`, which ends when its standard input does."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="ftkit-fresh-")  # a socket's path may have 107 characters
        self.address = f"{self.folder}/socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.address)
            listener.listen(64)
            self.process = subprocess.Popen(
                [sys.executable, str(CLIENT.with_name("server.py")), str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=ENVIRONMENT,
                pass_fds=[listener.fileno()],
            )

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder)


_started: list[_Server] = []


def _server() -> _Server:
    if not _started:
        _started.append(_Server())
    return _started[0]


def stop() -> None:
    """Ends the process that forks, if one was started."""
    while _started:
        _started.pop().stop()
