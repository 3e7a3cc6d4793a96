"""The processors of checkpoints: tokenizers, image processors, feature extractors."""

from __future__ import annotations

from pathlib import Path

PROCESSOR_FILES = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")


def has_processor(folder: Path) -> bool:
    """Tells whether a folder holds a processor of its own."""
    return any((folder / name).is_file() for name in PROCESSOR_FILES)
