"""`ftkit new OUT --architecture marian --size tiny --tokenizer-data FILE ...`, or `--architecture resnet`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ftkit.errors import DataError, UserError, did_you_mean, name_list
from ftkit.paths import check_can_make, user_path

Architecture = Annotated[
    str,
    typer.Option(
        help="marian, t5, bert or gpt2; for images vit, resnet, yolos, rt_detr or segformer; for both idefics3, "
        "blip (which answers) or clip."
    ),
]
TokenizerData = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE...", help="Texts to train the tokenizer on: one a line, or csv, tsv, jsonl, tmx."),
]
VocabSize = Annotated[int | None, typer.Option(help="Tokens; by default 4000 for tiny, 16000 for small.")]
ImageSize = Annotated[
    int | None, typer.Option(help="Pixels of a side of what vit or resnet sees; 64 for tiny, 224 for small.")
]
Dropout = Annotated[float | None, typer.Option(help="Probability for every dropout of the model; 0.1 unless set.")]


def command(
    out: Annotated[str, typer.Argument(help="A folder that does not exist yet, or is empty.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="More texts for the tokenizer.")
    ] = None,
    architecture: Architecture = "marian",
    size: Annotated[str, typer.Option(help="tiny or small.")] = "tiny",
    tokenizer_data: TokenizerData = None,
    vocab_size: VocabSize = None,
    image_size: ImageSize = None,
    dropout: Dropout = None,
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 42,
) -> None:
    """Write a fresh, untrained checkpoint: for texts, with a tokenizer trained on your own; or for images.

    For translation name the texts of both languages: they share one vocabulary.
    """
    files = (*(tokenizer_data or []), *(more or []))
    _check_folder(out)
    if dropout is not None and not 0 <= dropout < 1:
        raise UserError(f"--dropout: expected 0 or more and less than 1, got {dropout}.")
    made = _make(user_path(out, "OUT"), Asked(architecture, size, files, vocab_size, image_size, dropout, seed))

    from ftkit.console import note

    note(f"{out}: an untrained {architecture} ({size}) with {made}. Use it as model.checkpoint: {out}")


@dataclass(frozen=True)
class Asked:
    """The checkpoint that is asked for.

    Attributes:
        files: of texts that its tokenizer is trained on.
        vocab_size: tokens at most; None for the size's own number.
        image_size: pixels of a side of what it sees; None for the size's own number.
        dropout: probability; None for the architecture's own.
        seed: of the random weights.
    """

    architecture: str
    size: Any
    files: Sequence[str]
    vocab_size: int | None
    image_size: int | None
    dropout: float | None
    seed: int


def _make(folder: Path, asked: Asked) -> str:
    """Makes a checkpoint; returns what it consists of, for people.

    Raises:
        UserError: there is no such size or architecture, or it does not take one of the options.
    """
    from ftkit.models.new_answering_checkpoint import ARCHITECTURE as ANSWERING
    from ftkit.models.new_answering_checkpoint import make_answering_checkpoint
    from ftkit.models.new_checkpoint import RECIPES, VOCAB_SIZES
    from ftkit.models.new_dual_encoder import ARCHITECTURE as DUAL_ENCODER
    from ftkit.models.new_dual_encoder import make_dual_encoder
    from ftkit.models.new_image_checkpoint import IMAGE_RECIPES
    from ftkit.models.new_image_text_checkpoint import IMAGE_TEXT_ARCHITECTURES

    _check_choice("--size", asked.size, list(VOCAB_SIZES))
    if asked.architecture in IMAGE_TEXT_ARCHITECTURES:
        return _for_both(folder, asked)
    see_squares = {ANSWERING: make_answering_checkpoint, DUAL_ENCODER: make_dual_encoder}
    if asked.architecture in see_squares:
        return _for_squares_and_texts(see_squares[asked.architecture], folder, asked)
    if asked.architecture in IMAGE_RECIPES:
        texts = {"--tokenizer-data": asked.files, "--vocab-size": asked.vocab_size}
        _refuse(asked.architecture, texts, "it reads no texts")
        return _for_images(folder, asked)
    known = [*RECIPES, *IMAGE_RECIPES, *IMAGE_TEXT_ARCHITECTURES, *see_squares]
    _check_choice("--architecture", asked.architecture, known)
    _refuse(asked.architecture, {"--image-size": asked.image_size}, "it sees no images")
    return _for_texts(folder, asked)


def _for_texts(folder: Path, asked: Asked) -> str:
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_checkpoint import make_checkpoint

    texts = _texts_of(asked.files, asked.vocab_size)
    quiet_libraries()
    options: dict[str, Any] = {} if asked.dropout is None else {"dropout": asked.dropout}
    facts = make_checkpoint(
        folder, asked.architecture, asked.size, texts, vocab_size=asked.vocab_size, seed=asked.seed, **options
    )
    return f"{facts['num_parameters'] / 1e6:.1f} M parameters and {facts['vocab_size']:,} tokens"


def _for_images(folder: Path, asked: Asked) -> str:
    from ftkit.engine.quiet import quiet_libraries
    from ftkit.models.new_image_checkpoint import make_image_checkpoint

    quiet_libraries()
    options: Any = {"image_size": asked.image_size, "dropout": asked.dropout, "seed": asked.seed}
    facts = make_image_checkpoint(folder, asked.architecture, asked.size, **options)
    side = facts["image_size"]
    return f"{facts['num_parameters'] / 1e6:.1f} M parameters for images of {side} x {side} pixels"


def _for_both(folder: Path, asked: Asked) -> str:
    from ftkit.models.new_image_text_checkpoint import make_image_text_checkpoint

    facts = _with_tokenizer(make_image_text_checkpoint, folder, asked)
    side = facts["image_size"]
    return (
        f"{facts['num_parameters'] / 1e6:.1f} M parameters, {facts['vocab_size']:,} tokens and images of up to "
        f"{side} x {side} pixels"
    )


def _for_squares_and_texts(make: Callable[..., dict[str, int]], folder: Path, asked: Asked) -> str:
    facts = _with_tokenizer(make, folder, asked)
    side = facts["image_size"]
    return (
        f"{facts['num_parameters'] / 1e6:.1f} M parameters, {facts['vocab_size']:,} tokens and images of {side} x "
        f"{side} pixels"
    )


def _with_tokenizer(make: Callable[..., dict[str, int]], folder: Path, asked: Asked) -> dict[str, int]:
    """Makes a checkpoint that reads texts and sees images; returns its numbers."""
    from ftkit.engine.quiet import quiet_libraries

    texts = _texts_of(asked.files, asked.vocab_size)
    quiet_libraries()
    return make(
        folder,
        asked.size,
        texts,
        vocab_size=asked.vocab_size,
        image_size=asked.image_size,
        dropout=asked.dropout or 0.0,
        seed=asked.seed,
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
