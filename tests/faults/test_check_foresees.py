"""`ftkit check` foresees, without loading weights, what training would be refused for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftkit.config.run_config import load_config
from ftkit.errors import CheckpointError, ConfigError
from ftkit.run import check
from runs import run_config

Checkpoint = Callable[[str], Path]


def cut_short(content: bytes) -> bytes:
    return content[:-100]


def damaged_header(content: bytes) -> bytes:
    return b"\xff" * 8 + content[8:]


@pytest.mark.parametrize("damage", [cut_short, damaged_header, lambda content: b""])
def test_damaged_weights(checkpoint: Checkpoint, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    base = Path(shutil.copytree(checkpoint("bert"), tmp_path / "base"))
    file = base / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    config = load_config(run_config(tmp_path, base))
    with pytest.raises(
        CheckpointError, match=r"base/model\.safetensors is damaged \(.*\)\. Check that it is complete"
    ):
        check(config)
    file.write_bytes(whole)
    check(config)


@pytest.mark.parametrize(
    ("name", "refused"), [("bert", False), ("llama", False), ("albert", False), ("t5", True), ("bart", True)]
)
def test_padding_that_cannot_be_left_out(checkpoint: Checkpoint, tmp_path: Path, name: str, refused: bool) -> None:
    settings: dict[str, Any] = {"train.unpad": True}
    config = load_config(run_config(tmp_path, checkpoint(name), **settings))
    if refused:
        with pytest.raises(ConfigError, match="train.unpad"):
            check(config)
    else:
        check(config)
