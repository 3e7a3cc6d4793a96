"""Checkpoints with a head as plain transformers saves them, for tests of what ftkit did not make."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tiny import EXAMPLES

TEXTS = [text for text, _ in EXAMPLES]
NAMES = ("food", "card", "sport", "weather")
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def saved(
    auto_class: str,
    base: Path,
    folder: Path,
    names: Sequence[str] | None = None,
    noise: float = 0.05,
    **config: Any,
) -> Path:
    """Writes a checkpoint with a head, as plain transformers does; every weight differs from its initial value."""
    import transformers

    if names is not None:
        config |= {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: index for index, name in enumerate(names)},
        }
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    if auto_class in ("SequenceClassification", "TokenClassification") and tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = {"pad_token_id": tokenizer.pad_token_id, **config}
    model_class = getattr(transformers, f"AutoModelFor{auto_class}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = model_class.from_pretrained(base, **config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += noise * torch.randn_like(parameter)
    model.generation_config = (
        None
        if not model.can_generate()
        else transformers.GenerationConfig(**{name: getattr(model.generation_config, name) for name in SPECIAL_IDS})
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def saved_medium(auto_class: str, base: Path, folder: Path, names: Sequence[str]) -> Path:
    """Writes a checkpoint for images or recordings with a head, as plain transformers does."""
    import transformers

    config: dict[str, Any] = {"num_labels": len(names), "id2label": dict(enumerate(names))}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = getattr(transformers, f"AutoModelFor{auto_class}").from_pretrained(base, **config)
    model.save_pretrained(folder)
    shutil.copy(base / "preprocessor_config.json", folder)
    return folder


def plain(folder: Path, auto_class: str) -> tuple[Any, Any]:
    import transformers

    model = getattr(transformers, f"AutoModelFor{auto_class}").from_pretrained(folder, use_safetensors=True).eval()
    return model, transformers.AutoTokenizer.from_pretrained(folder)
