"""`ftkit new`: fresh checkpoints that every other command accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny

TEXTS = [text for text, _ in tiny.EXAMPLES] + ["Größe: 5 €, naïve Käufer", "日本語", "a  b\tc"]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def texts(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "train.en", tmp_path / "train.jsonl"]
    files[0].write_text("\n".join(TEXTS), encoding="utf-8")
    rows = [{"translation": {"en": text, "de": text.upper()}} for text in TEXTS]
    files[1].write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return files


@pytest.mark.parametrize("architecture", ["marian", "t5", "bert", "gpt2"])
def test_writes_a_checkpoint(architecture: str, texts: list[Path], tmp_path: Path, command: Command) -> None:
    from transformers import AutoModel, AutoTokenizer

    from ftkit.models.checkpoint import inspect_checkpoint
    from ftkit.models.spec import ModelSpec
    from ftkit.models.tokenizers import load_tokenizer

    out = tmp_path / "fresh"
    code, _, said = command(
        "new", out, "--architecture", architecture, "--vocab-size", 500, "--tokenizer-data", texts[0], texts[1]
    )
    assert (code, "M parameters" in said) == (0, True), said
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(out)))
    assert spec.model_type == architecture
    tokenizer = load_tokenizer(spec)
    assert len(tokenizer) == spec.vocab_size <= 500
    ids = AutoTokenizer.from_pretrained(out)(TEXTS[0])["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True).strip() == TEXTS[0]
    assert AutoModel.from_pretrained(out).config.vocab_size == spec.vocab_size


@pytest.mark.parametrize("architecture", ["marian", "gpt2"])
def test_byte_pairs_give_every_text_back(architecture: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from ftkit.models.new_checkpoint import make_checkpoint

    make_checkpoint(tmp_path / "fresh", architecture, "tiny", TEXTS[:4], vocab_size=300)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "fresh")
    for text in [*TEXTS, "Ελλάδα 🙂"]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True).removeprefix(" ") == text


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    from ftkit.models.new_checkpoint import make_checkpoint

    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_checkpoint(tmp_path / name, "marian", "tiny", TEXTS, vocab_size=300, seed=seed)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--architecture", "marien"], "no 'marien'. Did you mean 'marian'?"),
        (["--size", "huge"], "--size: there is no 'huge'"),
        (["--vocab-size", "10"], "at least 300"),
        (["--dropout", "1.5"], "--dropout: expected 0 or more and less than 1"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, texts: list[Path], tmp_path: Path, command: Command
) -> None:
    code, _, said = command("new", tmp_path / "out", *arguments, "--tokenizer-data", texts[0])
    assert code == 2
    assert message in said
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(texts: list[Path], tmp_path: Path, command: Command) -> None:
    code, _, said = command("new", tmp_path, "--tokenizer-data", texts[0])
    assert (code, "is not empty" in said) == (2, True)
    code, _, said = command("new", tmp_path / "out")
    assert (code, "--tokenizer-data is missing" in said) == (2, True)
    code, _, said = command("new", tmp_path / "out", "--tokenizer-data", tmp_path / "trian.en")
    assert (code, "Did you mean 'train.en'?" in said) == (2, True)
    code, _, said = command("new", texts[0] / "out", "--tokenizer-data", texts[0])
    assert (code, "train.en is a file. Name a place in a folder." in said) == (2, True)


@pytest.mark.parametrize(("architecture", "arguments", "side"), [
    ("vit", (), 64),
    ("vit", ("--image-size", 24, "--dropout", 0), 24),
    ("resnet", (), 64),
    ("resnet", ("--image-size", 32), 32),
])  # fmt: skip
def test_writes_a_checkpoint_for_images(architecture, arguments, side, tmp_path: Path, command: Command) -> None:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    from ftkit.models.modality import modality_of

    out = tmp_path / "fresh"
    code, _, said = command("new", out, "--architecture", architecture, *arguments)
    assert (code, f"M parameters for images of {side} x {side} pixels" in said) == (0, True), said
    model = AutoModelForImageClassification.from_pretrained(out, num_labels=3)
    assert (model.config.model_type, modality_of(model.config)) == (architecture, "image")
    pixels = AutoImageProcessor.from_pretrained(out, backend="pil")(Image.new("RGB", (50, 30)), return_tensors="pt")
    assert pixels["pixel_values"].shape == (1, 3, side, side)
    assert torch.isfinite(model(**pixels).logits).all()


@pytest.mark.parametrize(("arguments", "message"), [
    (["--architecture", "vit", "--image-size", "30"], "a multiple of 8 pixels, got 30. Say 24 or 32."),
    (["--architecture", "resnet", "--image-size", "20"], "a multiple of 32 pixels, got 20. Say 32."),
    (["--architecture", "resnet", "--dropout", "0.1"], "a resnet has no dropout"),
    (["--architecture", "vit", "--vocab-size", "500"], "--vocab-size: --architecture vit does not take it"),
    (["--architecture", "bert", "--image-size", "64"], "--image-size: --architecture bert does not take it"),
    (["--architecture", "resnett"], "Did you mean 'resnet'?"),
])  # fmt: skip
def test_bad_arguments_for_images(arguments: list[str], message: str, tmp_path: Path, command: Command) -> None:
    code, _, said = command("new", tmp_path / "out", *arguments)
    assert (code, message in said) == (2, True), said
    assert not (tmp_path / "out").exists()
