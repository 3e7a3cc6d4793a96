"""Data for `--quick`: the built-in support messages, and toy data made from them for the other tasks."""

from __future__ import annotations

import csv
from pathlib import Path

from measure import ROOT

CHECKPOINT = ROOT / "ftkit" / "demo" / "bert"
MESSAGES = ROOT / "ftkit" / "demo" / "support"


def tagged_words(folder: Path) -> Path:
    """Writes the messages as CoNLL files in which words with a digit are entities."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test"):
        sentences = (text.split() for text in _texts(name))
        blocks = ("".join(f"{word}\t{_tag(word)}\n" for word in sentence) for sentence in sentences)
        (folder / f"{name}.conll").write_text("\n".join(blocks), encoding="utf-8")
    return folder


def pairs(folder: Path, languages: tuple[str, str]) -> Path:
    """Writes the messages as parallel files; in the translation each word begins with an x, as in no language."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "test"):
        texts = _texts(name)
        sides = texts, [" ".join(f"x{word}" for word in text.split()) for text in texts]
        for language, lines in zip(languages, sides, strict=True):
            (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _tag(word: str) -> str:
    return "B-number" if any(map(str.isdigit, word)) else "O"


def _texts(name: str) -> list[str]:
    with (MESSAGES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [" ".join(row["text"].split()) for row in csv.DictReader(file)]
