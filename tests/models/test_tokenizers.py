"""Tokenizers made ready for padded batches, and tokenizers that are refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import CheckpointSpec, inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.models.tokenizers import control_ids, ensure_pad_token, load_tokenizer, max_input_length

Checkpoint = Callable[[str], Path]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def inspect(folder: Path) -> CheckpointSpec:
    return inspect_checkpoint(ModelSpec(checkpoint=str(folder)))


# --- padding ---


@pytest.mark.parametrize(
    ("model_type", "pad_token"),
    [
        ("bert", "[PAD]"),
        ("roberta", "<pad>"),
        ("opt", "<pad>"),
        ("gpt_neox", "<|padding|>"),
        # These have none, and take their end of text.
        ("gpt2", "<|endoftext|>"),
        ("llama", "</s>"),
    ],
)
def test_pad_token(model_type: str, pad_token: str, checkpoint: Checkpoint) -> None:
    from transformers import AutoTokenizer

    tokenizer = load_tokenizer(inspect(checkpoint(model_type)))
    assert tokenizer.pad_token == pad_token
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(checkpoint(model_type)).get_vocab()


def test_llama_is_padded_on_the_right(checkpoint: Checkpoint) -> None:
    assert load_tokenizer(inspect(checkpoint("llama"))).padding_side == "right"


def tokenizer_with(**tokens: str) -> Any:
    return SimpleNamespace(**{"pad_token": None, "eos_token": None, "unk_token": None, "bos_token": None, **tokens})


@pytest.mark.parametrize(
    ("tokens", "pad_token"),
    [
        ({"pad_token": "<pad>", "eos_token": "</s>"}, "<pad>"),
        ({"eos_token": "</s>", "unk_token": "<unk>"}, "</s>"),
        ({"unk_token": "<unk>", "bos_token": "<s>"}, "<unk>"),
        ({"bos_token": "<s>"}, "<s>"),
    ],
)
def test_which_token_pads(tokens: dict[str, str], pad_token: str, checkpoint: Checkpoint) -> None:
    tokenizer = tokenizer_with(**tokens)
    ensure_pad_token(tokenizer, inspect(checkpoint("gpt2")))
    assert tokenizer.pad_token == pad_token


def test_no_token_to_pad_with(checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="no pad, eos, unk or bos token") as error:
        ensure_pad_token(tokenizer_with(), inspect(checkpoint("gpt2")))
    assert "tokenizer_config.json" in str(error.value)


# --- length ---


@pytest.mark.parametrize("model_type", ["bert", "roberta", "llama", "t5"])
def test_longest_input_is_the_smaller_limit(model_type: str, checkpoint: Checkpoint) -> None:
    # Llama's tokenizer states no limit, and T5's model has none.
    spec = inspect(checkpoint(model_type))
    assert max_input_length(load_tokenizer(spec), spec) == 128
    shorter = dataclasses.replace(spec, max_positions=64)
    assert max_input_length(load_tokenizer(spec), shorter) == 64


def test_no_limit_at_all(checkpoint: Checkpoint) -> None:
    spec = dataclasses.replace(inspect(checkpoint("llama")), max_positions=None)
    assert max_input_length(load_tokenizer(spec), spec) is None


# --- refused ---


@pytest.fixture
def copy(tmp_path: Path, checkpoint: Checkpoint) -> Checkpoint:
    """`copy("bert")` is a folder to damage."""
    return lambda model_type: Path(shutil.copytree(checkpoint(model_type), tmp_path / model_type))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_tokenizer(inspect(folder))
    assert str(folder) in str(error.value)
    return str(error.value)


def test_a_tokenizer_of_another_model(copy: Checkpoint, checkpoint: Checkpoint) -> None:
    folder = copy("bert")
    for name in TOKENIZER_FILES:
        shutil.copy(checkpoint("gpt2") / name, folder)
    message = refusal(folder)
    assert "382 tokens" in message
    assert "embeds only 191" in message
    assert "the tokenizer that the model was trained with" in message


@pytest.mark.parametrize("model_type", ["bert", "roberta", "deberta-v2", "albert", "gpt2", "llama", "t5", "mbart"])
def test_missing_files_do_not_make_an_empty_tokenizer(model_type: str, copy: Checkpoint) -> None:
    # transformers 5 then makes one of special tokens alone, which reads every text as unknown, without a word.
    folder = copy(model_type)
    for name in TOKENIZER_FILES:
        (folder / name).unlink()
    message = refusal(folder)
    assert "tokenizer.json" in message


@pytest.mark.parametrize("content", ["", "{"])
def test_a_damaged_file(content: str, copy: Checkpoint) -> None:
    folder = copy("bert")
    (folder / "tokenizer.json").write_text(content)
    assert "cannot load the tokenizer" in refusal(folder)


# --- tokens of their own ---


def test_added_white_space_is_writing(checkpoint: Checkpoint) -> None:
    tokenizer = load_tokenizer(inspect(checkpoint("llama")))
    tokenizer.add_tokens(["\n\n", "▁▁", "<end_of_turn>"])
    ids = control_ids(tokenizer)
    assert {*tokenizer.all_special_ids, tokenizer.convert_tokens_to_ids("<end_of_turn>")} <= ids
    assert not {*tokenizer.convert_tokens_to_ids(["\n\n", "▁▁"])} & ids
