"""The command line. Each verb is one small file, and imports what is heavy only when it runs."""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

import typer

from ftkit import console
from ftkit.cli import (
    chat,
    check,
    env,
    evaluate,
    export,
    merge,
    new,
    options,
    predict,
    pull,
    push,
    report,
    schema,
    tasks,
    train,
)

app = typer.Typer(
    name="ftkit",
    help="Name a pretrained checkpoint, a task and your data in one YAML; get a model you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (train, check, evaluate, predict, chat, push, pull, report, merge, export, new, tasks, schema, env):
    app.command(name=verb.__name__.rpartition(".")[2])(verb.command)


@app.callback(invoke_without_command=True)
def _called(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        from ftkit import __version__

        console.say(__version__)
        raise typer.Exit
    if names := options.of_keys(context):
        console.name_by_options(names)


def main() -> None:
    """Runs a command; a user's mistake ends with one message and exit code 2, a machine's with 1: no traceback."""
    console.never_fail_to_print()
    console.quiet_ranks()
    with _signals_exit():
        contextvars.copy_context().run(_main)


def _exit(number: int, _: Any) -> NoReturn:
    raise SystemExit(128 + number)


@contextlib.contextmanager
def _signals_exit() -> Iterator[None]:
    """Ends a command that a signal asks to end as Ctrl+C does, so that no half-written file stays behind.

    Training listens by itself, to end behind a step. Ranks end where they stand: they may wait for one another in
    PyTorch, where Python hears nothing, and their launcher waits for them.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread() or "LOCAL_RANK" in os.environ:
        numbers = []
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in numbers:
            signal.signal(number, _exit)
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _main() -> None:
    from ftkit.errors import FtkitError
    from ftkit.machine_faults import as_machine_error

    try:
        try:
            app()
        finally:
            _flush()
    except FtkitError as error:
        console.show_error(error)
        sys.exit(error.exit_code)
    except (OSError, RuntimeError) as error:
        if isinstance(error, BrokenPipeError):  # whoever read it, such as `head`, has read enough
            sys.exit(1)
        fault = as_machine_error(error)
        if fault is None:
            raise
        console.show_error(fault)
        sys.exit(fault.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


def _flush() -> None:
    """Writes out what standard output still holds, so that a full disk behind it is told here and not by Python."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python tries once more when it ends
        raise
