"""Imports the libraries, and forks for each client: `server.py DESCRIPTOR`, the number of a socket that listens."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import types
from collections.abc import Iterator
from typing import Any

from client import FORWARDED

IMPORTED = (
    *(
        "transformers.trainer",
        "transformers.trainer_seq2seq",
        "transformers.pipelines",
        "datasets",
        "peft",
        "evaluate",
    ),
    *("sklearn.metrics", "scipy.stats", "matplotlib.backends.backend_agg", "matplotlib.figure"),
    *("torch.distributed.run", "accelerate.commands.launch"),
)


def main(descriptor: int) -> None:
    """Serves until standard input ends; in a fork, does what was asked."""
    end = End()
    for name in (*IMPORTED, *of_ftkit()):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = Server(socket.socket(fileno=descriptor)).serve()
    if asked is not None:
        with end.of_fork():
            run(*asked["arguments"])


def of_ftkit() -> Iterator[str]:
    """Names the modules of ftkit, whose import takes a second."""
    import ftkit

    for module in pkgutil.walk_packages(ftkit.__path__, "ftkit."):
        if not module.name.endswith("__main__"):
            yield module.name


class End:
    """How forks end: as interpreters do, but for the half second that it takes to free what they have imported."""

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)  # before all others, to be called after them

    @contextlib.contextmanager
    def of_fork(self) -> Iterator[None]:
        """Notes the code with which a block makes the interpreter end."""
        self.code = 1
        try:
            yield
            self.code = 0
        except SystemExit as error:
            self.code = error.code if isinstance(error.code, int) else int(error.code is not None)
            raise

    def _leave(self) -> None:
        if self.code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


class Server:
    """Forks for clients, hands on what signals they get, and tells them how the forks end."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.forks: dict[int, tuple[int, socket.socket]] = {}  # process and client, by a descriptor of the process
        self.selector = selectors.DefaultSelector()
        self.selector.register(0, selectors.EVENT_READ)
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Returns what was asked for, in each fork; in this process, None at last."""
        while True:
            key = self.selector.select()[0][0]
            if key.fd == 0:
                for process, _ in self.forks.values():
                    os.kill(process, signal.SIGKILL)
                return None
            if key.fileobj is self.listener:
                if asked := self._fork(self.listener.accept()[0]):
                    return asked
            elif key.fd in self.forks:
                self._tell_end(key.fd)
            else:
                self._pass_on(key.fileobj, key.data)  # type: ignore[arg-type]

    def _fork(self, client: socket.socket) -> dict[str, Any] | None:
        """Forks for a client; returns what it asks for in the fork, None in this process."""
        length, streams, _, _ = socket.recv_fds(client, 4, 3)
        with client.makefile("rb") as file:
            asked = json.loads(file.read(int.from_bytes(length, "big")))
        process = os.fork()
        if not process:
            self._close()
            client.close()
            _take_over(asked, streams)
            return asked
        for stream in streams:
            os.close(stream)
        descriptor = os.pidfd_open(process)
        self.forks[descriptor] = (process, client)
        self.selector.register(descriptor, selectors.EVENT_READ)
        self.selector.register(client, selectors.EVENT_READ, process)
        return None

    def _pass_on(self, client: socket.socket, process: int) -> None:
        """Sends a fork the signals that its client got, a byte each; a client that is no more was killed."""
        signals = client.recv(16)
        if not signals:
            self.selector.unregister(client)
        for number in signals or [signal.SIGKILL]:
            os.kill(process, number)

    def _tell_end(self, descriptor: int) -> None:
        process, client = self.forks.pop(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        self.selector.unregister(descriptor)
        os.close(descriptor)
        with contextlib.suppress(KeyError):
            self.selector.unregister(client)
        with client, contextlib.suppress(BrokenPipeError):
            client.sendall(str(code).encode())

    def _close(self) -> None:
        """Closes what a fork has no use for."""
        self.selector.close()
        self.listener.close()
        for descriptor, (_, client) in self.forks.items():
            os.close(descriptor)
            client.close()


def _take_over(asked: dict[str, Any], streams: list[int]) -> None:
    """Gives this process a client's streams, environment, folder and ignored signals, and a session of its own."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # What Python knows of a stream, such as that it is a file, it knows of those of the server.
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.setsid()
    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    here, *others = sys.path
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [here, *paths, *(path for path in others if path not in before)]
    for number in FORWARDED:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in asked["ignored"] else usual)


def run(*arguments: str) -> None:
    """Does what an interpreter does that is given these arguments.

    Raises:
        ValueError: they are not `[-u] -c CODE`, `-m MODULE` or `SCRIPT`, and what follows.
    """
    if arguments[0] == "-u":
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
        arguments = arguments[1:]
    first, *others = arguments
    if first == "-c":  # code of others, which may ask whether ftkit is imported
        for name in [name for name in sys.modules if name.partition(".")[0] == "ftkit"]:
            del sys.modules[name]
        code, *others = others
        sys.argv, sys.path[0] = ["-c", *others], ""
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), module.__dict__)
    elif first == "-m":
        name, *others = others
        sys.argv, sys.path[0] = [name, *others], os.getcwd()
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    elif not first.startswith("-"):
        sys.argv, sys.path[0] = [first, *others], os.path.dirname(os.path.abspath(first))
        runpy.run_path(first, run_name="__main__")
    else:
        raise ValueError(f"no new process can be given {first}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
