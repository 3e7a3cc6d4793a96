"""`ftkit new OUT --architecture marian --size tiny --tokenizer-data FILE ...`, or `--architecture resnet`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ftkit.errors import DataError, UserError, did_you_mean, name_list
from ftkit.paths import check_can_make, user_path


def command(
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="More texts for the tokenizer.")
    ] = None,
    architecture: Annotated[
        str,
        typer.Option(
            help="marian, t5, bert or gpt2; for images vit, yolos, resnet or segformer; for both idefics3 or clip."
        ),
    ] = "marian",
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    tokenizer_data: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE...", help="Texts to train the tokenizer on: one a line, or csv, tsv, jsonl, tmx."),
    ] = None,
    vocab_size: Annotated[int | None, typer.Option(help="Tokens; by default 4000 for tiny, 16000 for small.")] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Pixels of a side of what vit or resnet sees; 64 for tiny, 224 for small.")
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Probability for every dropout of the model; 0.1 unless set.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 42,
) -> None:
    """Write a fresh, untrained checkpoint: for texts, with a tokenizer trained on your own; or for images.

    For translation name the texts of both languages: they share one vocabulary.
    """
    files = [*(tokenizer_data or []), *(more or [])]
    _check_folder(out)
    if dropout is not None and not 0 <= dropout < 1:
        raise UserError(f"--dropout: expected 0 or more and less than 1, got {dropout}.")

    from ftkit.models.new_checkpoint import RECIPES, VOCAB_SIZES
    from ftkit.models.new_dual_encoder import ARCHITECTURE as DUAL_ENCODER
    from ftkit.models.new_image_checkpoint import IMAGE_RECIPES
    from ftkit.models.new_image_text_checkpoint import IMAGE_TEXT_ARCHITECTURES

    _check_choice("--size", size, list(VOCAB_SIZES))
    folder = user_path(out, "OUT")
    if architecture in IMAGE_TEXT_ARCHITECTURES:
        made = _for_both(
            folder, size, files, image_size=image_size, vocab_size=vocab_size, dropout=dropout or 0.0, seed=seed
        )
    elif architecture == DUAL_ENCODER:
        made = _for_two_towers(
            folder, size, files, image_size=image_size, vocab_size=vocab_size, dropout=dropout or 0.0, seed=seed
        )
    elif architecture in IMAGE_RECIPES:
        _refuse(architecture, {"--tokenizer-data": files, "--vocab-size": vocab_size}, "it reads no texts")
        made = _for_images(folder, architecture, size, image_size=image_size, dropout=dropout, seed=seed)
    else:
        known = [*RECIPES, *IMAGE_RECIPES, *IMAGE_TEXT_ARCHITECTURES, DUAL_ENCODER]
        _check_choice("--architecture", architecture, known)
        _refuse(architecture, {"--image-size": image_size}, "it sees no images")
        made = _for_texts(folder, architecture, size, files, vocab_size=vocab_size, dropout=dropout, seed=seed)

    from ftkit.console import note

    note(f"{out}: an untrained {architecture} ({size}) with {made}. Use it as model.checkpoint: {out}")


def _for_texts(
    folder: Path,
    architecture: str,
    size: Any,
    files: Sequence[str],
    *,
    vocab_size: int | None,
    dropout: float | None,
    seed: int,
) -> str:
    """Makes a checkpoint; returns what it consists of, for people."""
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_checkpoint import make_checkpoint

    texts = _texts_of(files, vocab_size)
    quiet_libraries()
    options: dict[str, Any] = {} if dropout is None else {"dropout": dropout}
    facts = make_checkpoint(folder, architecture, size, texts, vocab_size=vocab_size, seed=seed, **options)
    return f"{facts['num_parameters'] / 1e6:.1f} M parameters and {facts['vocab_size']:,} tokens"


def _for_images(folder: Path, architecture: str, size: Any, **options: Any) -> str:
    """Makes a checkpoint; returns what it consists of, for people."""
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_image_checkpoint import make_image_checkpoint

    quiet_libraries()
    facts = make_image_checkpoint(folder, architecture, size, **options)
    side = facts["image_size"]
    return f"{facts['num_parameters'] / 1e6:.1f} M parameters for images of {side} x {side} pixels"


def _for_both(folder: Path, size: Any, files: Sequence[str], *, vocab_size: int | None, **options: Any) -> str:
    """Makes a checkpoint; returns what it consists of, for people."""
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_image_text_checkpoint import make_image_text_checkpoint

    texts = _texts_of(files, vocab_size)
    quiet_libraries()
    facts = make_image_text_checkpoint(folder, size, texts, vocab_size=vocab_size, **options)
    side = facts["image_size"]
    return (
        f"{facts['num_parameters'] / 1e6:.1f} M parameters, {facts['vocab_size']:,} tokens and images of up to "
        f"{side} x {side} pixels"
    )


def _for_two_towers(folder: Path, size: Any, files: Sequence[str], *, vocab_size: int | None, **options: Any) -> str:
    """Makes a checkpoint; returns what it consists of, for people."""
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_dual_encoder import make_dual_encoder

    texts = _texts_of(files, vocab_size)
    quiet_libraries()
    facts = make_dual_encoder(folder, size, texts, vocab_size=vocab_size, **options)
    side = facts["image_size"]
    return (
        f"{facts['num_parameters'] / 1e6:.1f} M parameters, {facts['vocab_size']:,} tokens and images of {side} x "
        f"{side} pixels"
    )


def _texts_of(files: Sequence[str], vocab_size: int | None) -> Iterator[str]:
    """Returns the texts that a tokenizer is trained on.

    Raises:
        UserError: there are none, or the vocabulary is too small.
    """
    from ftkit.models.new_checkpoint import text_lines

    if not files:
        raise UserError("--tokenizer-data is missing: name files with texts in the languages that the model is for.")
    if vocab_size is not None and vocab_size < 300:
        raise UserError(f"--vocab-size: expected at least 300, for 256 bytes and special tokens, got {vocab_size}.")
    return text_lines([_open(file).rows for file in files])


def _check_folder(out: str) -> None:
    folder = user_path(out, "OUT")
    if folder.is_file():
        raise UserError(f"{out} is a file; the first argument names the new checkpoint's folder: ftkit new OUT ...")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{out} is not empty. Choose another folder; nothing was written.")
    check_can_make(folder, "OUT")


def _refuse(architecture: str, options: Mapping[str, Any], reason: str) -> None:
    for option, value in options.items():
        if value:
            raise UserError(f"{option}: --architecture {architecture} does not take it, as {reason}. Leave it out.")


def _check_choice(option: str, value: str, choices: list[str]) -> None:
    if value not in choices:
        raise UserError(
            f"{option}: there is no {value!r}.{did_you_mean(value, choices)} There is {name_list(choices)}."
        )


def _open(file: str) -> Any:
    """Opens a file of texts: a table by its extension, else one text a line."""
    from ftkit.data.readers import has_reader, open_table, resolve, txt
    from ftkit.data.readers.table import ReadOptions

    if has_reader(file):
        return open_table(file)
    try:
        return txt.read(resolve(file), ReadOptions())
    except DataError as error:
        raise DataError(f"--tokenizer-data: {error}") from None
