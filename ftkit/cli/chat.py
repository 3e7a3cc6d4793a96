"""`ftkit chat RUN`: a conversation in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftkit.cli.opening import opens_a_run

if TYPE_CHECKING:
    from ftkit.inference.chat import Chat

HELP = "/reset forgets what was said, /exit ends; Ctrl-C stops an answer."


@opens_a_run("max_new_tokens", "task", "chat_template", "base", "trust_remote_code")
def command(
    run: Annotated[str, typer.Argument(help="A finished run, or a checkpoint with a chat template.")],
    system: Annotated[str | None, typer.Option(help="What leads the conversation, for the model to keep to.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, bf16, int8 on a CPU, or auto.")] = "fp32",
    *,
    opening: Mapping[str, Any],
) -> None:
    """Talk with a model: it answers word by word, and knows what was said before.

    What is not a terminal is read line by line, each line a question.
    """
    from ftkit.console import note
    from ftkit.speedups.startup import collector_at_rest

    with collector_at_rest():
        from ftkit.inference.chat import Chat
        from ftkit.inference.load import load

        chat = Chat(load(run, precision=precision, **opening), system)
    if sys.stdin.isatty():
        note(HELP)
    while (text := _question()) is not None:
        if text.startswith("/"):
            if not _obeyed(text, chat):
                return
        elif text:
            _answer(chat, text)


def _question() -> str | None:
    """Returns what the user says next; None at the end."""
    if sys.stdin.isatty():
        sys.stderr.write("> ")
        sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        line = ""
    if not line and sys.stdin.isatty():
        sys.stderr.write("\n")
    return line.strip() if line else None


def _obeyed(text: str, chat: Chat) -> bool:
    """Does what a line that begins with a slash asks for; False where that is to end."""
    from ftkit.console import note

    if text in ("/exit", "/quit"):
        return False
    if text == "/reset":
        chat.reset()
        note("what was said is forgotten")
    else:
        note(HELP if text == "/help" else f"There is no {text.split()[0]}. {HELP}")
    return True


def _answer(chat: Chat, text: str) -> None:
    from ftkit.console import note, printable

    def tell(piece: str) -> None:
        sys.stdout.write(printable(piece))
        sys.stdout.flush()

    found = chat.answer(text, tell)
    sys.stdout.write("\n")
    sys.stdout.flush()
    if chat.was_cut:
        note("the oldest turns were left out: the conversation is longer than the model reads")
    if found["cut_off"]:
        note("the answer was stopped before its end")
