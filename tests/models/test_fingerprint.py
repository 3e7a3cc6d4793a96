"""What tells one base from another."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ftkit.models import fingerprint
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.fingerprint import checkpoint_fingerprint, file_fingerprint
from ftkit.models.spec import ModelSpec


def of(folder: Path, decoder: Path | None = None) -> str | None:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), decoder=str(decoder) if decoder else None))
    return checkpoint_fingerprint(spec)


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))


def test_a_copy_is_the_same_base(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    found = of(checkpoint("bert"))
    assert found is not None
    assert len(found) == 32
    assert of(shutil.copytree(checkpoint("bert"), tmp_path / "copy")) == found
    assert of(checkpoint("electra")) != found


@pytest.mark.parametrize("position", [-1, 5_000])
def test_one_flipped_bit_is_another_base(position: int, checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint("bert"), tmp_path / "copy")
    flip(copy / "model.safetensors", position)
    assert of(copy) != of(checkpoint("bert"))


def test_two_joined_checkpoints_are_another_base_than_one(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    bert, gpt2 = checkpoint("bert"), checkpoint("gpt2")
    assert len({of(bert), of(bert, bert), of(bert, gpt2)}) == 3
    copy = shutil.copytree(gpt2, tmp_path / "copy")
    flip(copy / "model.safetensors", -1)
    assert of(bert, copy) != of(bert, gpt2)


def test_a_checkpoint_on_the_hub_has_none(checkpoint: Callable[[str], Path]) -> None:
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint("bert"))))
    assert checkpoint_fingerprint(dataclasses.replace(spec, path="owner/name")) is None


def test_large_files_are_sampled_in_every_block(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "READ_WHOLE", 1_000)
    monkeypatch.setattr(fingerprint, "BLOCK", 1_000)
    monkeypatch.setattr(fingerprint, "SAMPLE", 10)
    copy = shutil.copytree(checkpoint("bert"), tmp_path / "copy")
    file, before = copy / "model.safetensors", of(copy)
    flip(file, 2_500)  # between two samples
    assert of(copy) == before
    flip(file, 3_005)
    assert of(copy) != before
    flip(file, 3_005)
    with file.open("ab") as stream:
        stream.write(os.urandom(1))
    assert of(copy) != before


def test_the_fingerprint_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_fingerprint(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
