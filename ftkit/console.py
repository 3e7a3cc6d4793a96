"""What people see: notes and warnings on stderr, results on stdout; once per run and not once per process.

Texts, labels and file names come from anywhere, and a terminal obeys what it is sent: everything that is shown passes
through here, where characters that a terminal obeys are written as escapes. Messages name settings by their keys in a
config; where a command has options for them, they are named by these.
"""

from __future__ import annotations

import codecs
import functools
import io
import json
import math
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def is_main_process() -> bool:
    """Tells whether this process may speak and write files for all; launchers number the others from 1."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) <= 0


@functools.cache
def console(*, stderr: bool = True) -> Console:
    """Returns the shared rich console; silent on all but the main process.

    What is printed through it by hand has to be made `printable` first.
    """
    from rich.console import Console

    return Console(stderr=stderr, quiet=not is_main_process(), highlight=False, soft_wrap=True, emoji=False)


def note(message: str) -> None:
    """Says what is going on."""
    console().print(printable(message), markup=False, style="dim")


def warn(message: str) -> None:
    """Says what the user should know but need not act on."""
    for recorded in _recorded:
        recorded.append(message)
    console().print(f"warning: {printable(as_options(message))}", markup=False, style="yellow")


_recorded: list[list[str]] = []


@contextmanager
def warnings_recorded() -> Iterator[list[str]]:
    """Keeps the warnings of a block, which are told as ever, so that they can be told again."""
    recorded: list[str] = []
    _recorded.append(recorded)
    try:
        yield recorded
    finally:
        _recorded.remove(recorded)


def say(text: str) -> None:
    """Prints a result."""
    if is_main_process():
        sys.stdout.write(printable(text) + "\n")


def say_json(value: Any, *, indent: int | None = 2) -> None:
    """Prints a result as JSON, which can be parsed in whatever encoding it arrives."""
    if is_main_process():
        sys.stdout.write(printable_json(value, indent=indent) + "\n")


def show_error(error: BaseException) -> None:
    """Says why the command ends; of several processes one does, see ftkit.engine.ranks."""
    if getattr(error, "is_told_elsewhere", False):
        leave_for_launcher(error)
        return
    if is_main_process() or getattr(error, "tells_for_all", False):
        text = printable(as_options(str(error)))
        sys.stderr.write(f"error: {text}\n")
        leave_for_launcher(error)


def leave_for_launcher(error: BaseException) -> None:
    """Leaves an error where torchrun, and `accelerate launch`, look for the cause that their own report ends with.

    They take the first one for the cause, by whole seconds: what follows from it is later, within one second too.

    Source: https://docs.pytorch.org/docs/stable/elastic/errors.html
    """
    is_cause = not getattr(error, "is_told_elsewhere", False)
    text = printable(as_options(str(error))) if is_cause else "ended with the rank that tells why, below"
    seconds = math.floor(time.time()) if is_cause else math.ceil(time.time())
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path and "LOCAL_RANK" in os.environ:
        found = {"message": {"message": text, "extraInfo": {"timestamp": str(seconds)}}}
        with suppress(OSError), open(path, "w", encoding="utf-8") as file:
            json.dump(found, file)


def quiet_ranks() -> None:
    """Silences what PyTorch's C++ says on every rank, such as of DDP's search for weights without a gradient.

    It is read when PyTorch is loaded; errors still come through.
    """
    if "LOCAL_RANK" in os.environ:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


# --- characters that a terminal obeys -------------------------------------------------------------------------

# C0 but tab and line feed, DEL and C1, which hold escape and what moves or hides text; marks that turn the direction
# of reading; what ends a line; halves of characters, which no encoding has.
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Returns a text whose control characters are written out, `\x1b` for escape; tabs and line feeds stay."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_json(value: Any, *, indent: int | None = None) -> str:
    r"""Returns JSON for standard output: equal values when it is parsed, and no control characters.

    Where the output is not UTF-8 it is ASCII, with `\u00e9` for an e with an acute.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=not _is_utf8(sys.stdout), allow_nan=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def never_fail_to_print() -> None:
    """Lets standard output write as an escape what its encoding lacks, as standard error does, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def data_on_stdout() -> Iterator[TextIO]:
    """Yields standard output for data that is no JSON: printable on a terminal, and UTF-8 as it is everywhere else."""
    if sys.stdout.isatty():
        yield _PrintableStream(sys.stdout)  # type: ignore[misc]
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
        file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield file
        finally:
            file.detach()  # flushes, and leaves standard output open
    else:
        yield sys.stdout


class _PrintableStream:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text))


def _is_utf8(stream: Any) -> bool:
    return codecs.lookup(getattr(stream, "encoding", None) or "utf-8").name == "utf-8"


# --- settings as the command that was called names them -------------------------------------------------------

_OPTIONS: ContextVar[Mapping[str, str] | None] = ContextVar("key of a config -> option of the command", default=None)
COLUMNS = "data.columns"
# At the beginning of a message or problem a key says what it is about, and its colon stays: `data.encoding: Python
# knows no ...`. Anywhere else what follows the colon is the value to write.
# A file may be called data.csv.
_NO_FILE = (
    r"(?!(?:csv|tsv|xlsx?|xlsm|ods|jsonl?|ndjson|parquet|feather|arrow|orc|txt|conllu?|bio|iob|tmx|gz|bz|xz|zst|zip|tar|"
    r"tgz|pkl|pickle|docx?|pdf|html|ya?ml|py|dta|sav|h5|hdf5|db|sqlite3?|xlsb)(?![a-z_]))"
)
_KEY = re.compile(
    r"(?P<about>^(?: *\d+\. )?)?(?<![\w./\\-])(?P<key>(?:data|generation)\."
    + _NO_FILE
    + r"[a-z_]+)(?P<role>\.[a-z_]+)?"
    r"(?P<colon>: )?(?P<roles>(?<=: )\{[^{}\n]*\})?",
    re.MULTILINE,
)
_PLAIN_ROLES = re.compile(r"""\{\w+: "?[\w.+-]+"?(?:, \w+: "?[\w.+-]+"?)*\}""")
"""Roles whose columns have names that no shell, YAML or `--columns` reads otherwise."""


def name_by_options(options: Mapping[str, str]) -> None:
    """From now on, in this context, messages name keys of a config by options of a command.

    Args:
        options: such as `{"data.encoding": "--encoding"}`; of other keys of `data` is said where they stand.
    """
    _OPTIONS.set(options)


def as_options(message: str) -> str:
    """Returns a message with the options of the command in the place of keys.

    Example: `Fix: data.delimiter: ";"` is `Fix: --delimiter ";"`; `(data.columns.label)` is `(--columns
    label=COLUMN)`; `data.encoding: Python knows no ...` is `--encoding: Python knows no ...`.
    """
    options = _OPTIONS.get()
    if options is None:
        return message
    left: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        option = options.get(found["key"])
        if option is None:
            if found["key"].startswith("data."):
                left.append(found["key"])
            return found[0]
        return (found["about"] or "") + _call(option, found)

    told = _KEY.sub(replaced, message)
    names = ", ".join(dict.fromkeys(left))
    return f"{told}\n({names}: {'a key' if len(set(left)) == 1 else 'keys'} of the run's ftkit.yaml)" if left else told


def _call(option: str, found: re.Match[str]) -> str:
    """Returns an option with its value, if the message gives one."""
    roles, role = found["roles"], found["role"]
    if roles is not None and (found["key"] != COLUMNS or not _PLAIN_ROLES.fullmatch(roles)):
        return f"{option} {shlex.quote(roles)}"
    if roles is not None:
        pairs = (pair.partition(":") for pair in roles.strip("{}").split(","))
        return f"{option} " + ",".join(f"{name.strip()}={value.strip().strip(chr(34))}" for name, _, value in pairs)
    if role is not None:
        return f"{option} {role[1:]}={'' if found['colon'] else 'COLUMN'}"
    if found["colon"] is None:
        return option
    return option + (": " if found["about"] is not None else " ")
