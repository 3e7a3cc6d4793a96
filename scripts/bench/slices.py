"""The data of a comparison: files of a folder, or a random share of their rows, in files that all sides read."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.errors import UserError

SEED = 0  # one draw for all sides and repeats
Row = dict[str, str]
Sentence = list[tuple[str, str]]  # words with their tags


@dataclass(frozen=True)
class Size:
    """How much of the data is used.

    Attributes:
        train: rows to train on; None: all.
        test: rows to score; None: all.
    """

    train: int | None
    test: int | None


@dataclass(frozen=True)
class Texts:
    """CSV files with a text and a label in each row.

    Attributes:
        columns: of the text and of the label.
        texts, test_texts: the texts in them.
    """

    train: Path
    test: Path
    columns: tuple[str, str]
    texts: Sequence[str]
    test_texts: Sequence[str]


@dataclass(frozen=True)
class TaggedWords:
    """CoNLL files; `words` are those of train, sentence by sentence; `num_test` sentences are scored."""

    train: Path
    test: Path
    words: Sequence[Sequence[str]]
    num_test: int


@dataclass(frozen=True)
class Pairs:
    """Parallel text files, source before target; `texts` are the lines of train; `num_test` pairs are scored."""

    train: tuple[Path, Path]
    test: tuple[Path, Path]
    languages: tuple[str, str]
    texts: tuple[Sequence[str], Sequence[str]]
    num_test: int


def read_texts(folder: Path, columns: tuple[str, str | None], size: Size, output: Path) -> Texts:
    """Draws rows of `train.csv` and `test.csv`; rows of test with a label that was not drawn are left out.

    Args:
        columns: of the text and of the label; None: the file's other column.
        output: where the drawn rows are written.
    """
    rows = {name: _read_csv(folder / f"{name}.csv") for name in ("train", "test")}
    text, label = columns[0], columns[1] or _other_column(rows["train"][0], columns[0], folder)
    drawn = {"train": _draw(rows["train"], size.train)}
    known = {row[label] for row in drawn["train"]}
    drawn["test"] = _draw([row for row in rows["test"] if row[label] in known], size.test)
    output.mkdir(parents=True, exist_ok=True)
    for name, kept in drawn.items():
        with (output / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, kept[0])
            writer.writeheader()
            writer.writerows(kept)
    train, test = ([row[text] for row in drawn[name]] for name in ("train", "test"))
    return Texts(output / "train.csv", output / "test.csv", (text, label), train, test)


def read_tagged_words(folder: Path, size: Size, output: Path) -> TaggedWords:
    """Draws sentences of `train.conll` and `test.conll`; those of test with a tag that was not drawn are left out."""
    train, test = (_read_conll(folder / f"{name}.conll") for name in ("train", "test"))
    train = _draw(train, size.train)
    known = {tag for sentence in train for _, tag in sentence}
    test = _draw([sentence for sentence in test if known.issuperset(tag for _, tag in sentence)], size.test)
    output.mkdir(parents=True, exist_ok=True)
    for name, sentences in (("train", train), ("test", test)):
        blocks = ("".join(f"{word}\t{tag}\n" for word, tag in sentence) for sentence in sentences)
        (output / f"{name}.conll").write_text("\n".join(blocks), encoding="utf-8")
    words = [[word for word, _ in sentence] for sentence in train]
    return TaggedWords(output / "train.conll", output / "test.conll", words, len(test))


def read_pairs(folder: Path, languages: tuple[str, str], size: Size, output: Path) -> Pairs:
    """Draws lines of `train.<language>` and of the first `test*.<language>`, the same of both languages."""
    output.mkdir(parents=True, exist_ok=True)
    tests = sorted(folder.glob(f"test*.{languages[0]}"))
    if not tests:
        raise UserError(f"{folder}: no file test*.{languages[0]}.")
    files, texts = {}, {}
    for name, stem, count in (("train", "train", size.train), ("test", tests[0].stem, size.test)):
        sides = [_read_lines(folder / f"{stem}.{language}") for language in languages]
        drawn = _draw(list(zip(*sides, strict=True)), count)
        files[name] = (output / f"{name}.{languages[0]}", output / f"{name}.{languages[1]}")
        texts[name] = tuple(zip(*drawn, strict=True))
        for file, lines in zip(files[name], texts[name], strict=True):
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Pairs(files["train"], files["test"], languages, texts["train"], len(texts["test"][0]))


def train_file(benchmark: str, languages: tuple[str, str]) -> str:
    """Returns the name of the file by which a benchmark's data is recognised."""
    return {"ner": "train.conll", "translation": f"train.{languages[0]}"}.get(benchmark, "train.csv")


def _draw(rows: list[Any], count: int | None) -> list[Any]:
    """Returns some rows at random, in their order."""
    if count is None or count >= len(rows):
        return rows
    chosen = random.Random(SEED).sample(range(len(rows)), count)
    return [rows[index] for index in sorted(chosen)]


def _read_csv(path: Path) -> list[Row]:
    with _open(path, newline="") as file:
        return list(csv.DictReader(file))


def _read_lines(path: Path) -> list[str]:
    with _open(path) as file:
        return file.read().removesuffix("\n").split("\n")


def _read_conll(path: Path) -> list[Sentence]:
    """Reads the first and the last column; a line without a word ends a sentence."""
    sentences: list[Sentence] = [[]]
    for line in _read_lines(path):
        cells = line.split("\t" if "\t" in line else " ")
        if len(cells) > 1 and cells[0]:
            sentences[-1].append((cells[0], cells[-1]))
        elif sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]


def _open(path: Path, newline: str | None = None) -> Any:
    if not path.is_file():
        raise UserError(f"No file {path}. --data names the folder that holds it.")
    return path.open(encoding="utf-8", newline=newline)


def _other_column(row: Row, text: str, folder: Path) -> str:
    others = [name for name in row if name != text]
    if text not in row or len(others) != 1:
        raise UserError(
            f"{folder / 'train.csv'} has the columns {', '.join(row)}. Say which are read: --text-column {text} "
            "--label-column NAME."
        )
    return others[0]
