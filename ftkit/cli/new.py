"""`ftkit new OUT --architecture marian --size tiny --tokenizer-data FILE ...`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ftkit.errors import DataError, UserError, did_you_mean, name_list


def command(
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="More texts for the tokenizer.")
    ] = None,
    architecture: Annotated[str, typer.Option(help="marian, t5, bert or gpt2.")] = "marian",
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    tokenizer_data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Texts to train the tokenizer on: one a line, or csv, tsv, jsonl, tmx."),
    ] = None,
    vocab_size: Annotated[int | None, typer.Option(help="Tokens; by default 4000 for tiny, 16000 for small.")] = None,
    dropout: Annotated[float, typer.Option(help="Probability for every dropout of the model.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 42,
) -> None:
    """Write a fresh, untrained checkpoint, with a tokenizer trained on texts of your own.

    For translation name the texts of both languages: they share one vocabulary.
    """
    files = [*(tokenizer_data or []), *(more or [])]
    _check(out, files, dropout, vocab_size)

    from ftkit.console import note
    from ftkit.models.new_checkpoint import RECIPES, VOCAB_SIZES, make_checkpoint, text_lines

    _check_choice("--architecture", architecture, list(RECIPES))
    _check_choice("--size", size, list(VOCAB_SIZES))
    tables = [_open(file).rows for file in files]

    from ftkit.engine.quiet import quiet_libraries

    quiet_libraries()
    facts = make_checkpoint(
        Path(out).expanduser(),
        architecture,
        size,  # type: ignore[arg-type]
        text_lines(tables),
        vocab_size=vocab_size,
        dropout=dropout,
        seed=seed,
    )
    note(
        f"{out}: an untrained {architecture} ({size}) with {facts['num_parameters'] / 1e6:.1f} M parameters and "
        f"{facts['vocab_size']:,} tokens. Use it as model.checkpoint: {out}"
    )


def _check(out: str, files: Sequence[str], dropout: float, vocab_size: int | None) -> None:
    folder = Path(out).expanduser()
    if folder.is_file():
        raise UserError(f"{out} is a file; the first argument names the new checkpoint's folder: ftkit new OUT ...")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{out} is not empty. Choose another folder; nothing was written.")
    if not files:
        raise UserError("--tokenizer-data is missing: name files with texts in the languages that the model is for.")
    if not 0 <= dropout < 1:
        raise UserError(f"--dropout: expected 0 or more and less than 1, got {dropout}.")
    if vocab_size is not None and vocab_size < 300:
        raise UserError(f"--vocab-size: expected at least 300, for 256 bytes and special tokens, got {vocab_size}.")


def _check_choice(option: str, value: str, choices: list[str]) -> None:
    if value not in choices:
        raise UserError(
            f"{option}: there is no {value!r}.{did_you_mean(value, choices)} There is {name_list(choices)}."
        )


def _open(file: str) -> Any:
    """Opens a file of texts: a table by its extension, else one text a line."""
    from ftkit.data.readers import READERS, open_table, resolve, txt
    from ftkit.data.readers.table import ReadOptions

    if Path(file).suffix.lower() in READERS:
        return open_table(file)
    try:
        return txt.read(resolve(file), ReadOptions())
    except DataError as error:
        raise DataError(f"--tokenizer-data: {error}") from None
