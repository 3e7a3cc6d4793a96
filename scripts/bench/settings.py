"""What a person chose on the command line, and the two sides' shares of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from measure import HERE, Variant, Work, run_json
from slices import Size
from work import training_flops

WEIGHT_DECAY = 0.01  # of the documentation's recipes


@dataclass(frozen=True)
class Settings:
    """What is compared, and how much of it.

    Attributes:
        checkpoint: a folder or Hub id that both sides start from.
        data: benchmark's name -> folder with its data.
        output: where results, logs and drawn rows go.
        rows: rows to train on, or to predict; None: all.
        languages: source and target of the translation.
        translation_checkpoint: an encoder-decoder; None: a fresh tiny one.
        text_column, label_column: of CSV files; None: the other column of two.
    """

    checkpoint: str
    data: Mapping[str, Path]
    output: Path
    rows: int | None
    epochs: int
    learning_rate: float | None
    languages: tuple[str, str]
    translation_checkpoint: str | None
    text_column: str
    label_column: str | None

    def size(self, *, train_per_test: int) -> Size:
        """Returns how many rows are trained on and, a share of them, scored."""
        return Size(self.rows, None if self.rows is None else max(self.rows // train_per_test, 1))


@dataclass(frozen=True)
class Training:
    """One training, as both sides are told it.

    Attributes:
        max_steps: stop after so many optimizer steps; None: train all epochs.
    """

    checkpoint: str
    epochs: int
    batch_size: int
    learning_rate: float
    max_steps: int | None = None

    @property
    def told(self) -> str:
        """What the table says of it."""
        return (
            f"epochs: {self.epochs}, batch size: {self.batch_size}, learning rate: {self.learning_rate:g}, weight "
            f"decay: {WEIGHT_DECAY:g}"
        )

    def flags(self, seed: int, output: Path) -> list[str]:
        """Returns the flags of a plain script."""
        flags = ["--checkpoint", self.checkpoint, "--epochs", self.epochs, "--batch-size", self.batch_size]
        flags += ["--learning-rate", self.learning_rate, "--seed", seed, "--output", output]
        flags += [] if self.max_steps is None else ["--max-steps", self.max_steps]
        return [str(flag) for flag in flags]

    def config(self, seed: int, output: Path) -> dict[str, Any]:
        """Returns the same as the sections of an ftkit config; nothing is saved while it trains, as on other sides."""
        steps = {} if self.max_steps is None else {"max_steps": self.max_steps}
        train = {
            "num_train_epochs": self.epochs,
            "per_device_train_batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": WEIGHT_DECAY,
            "save_strategy": "no",
            "seed": seed,
            **steps,
        }
        return {"model": {"checkpoint": self.checkpoint}, "train": train, "output_dir": str(output)}


def script(name: str, *arguments: Any) -> list[str]:
    """Returns the command of one of this folder's scripts."""
    return [sys.executable, str(HERE / name), *map(str, arguments)]


def ftkit_variant(
    name: str, title: str, training: Training, sections: Mapping[str, Any], *, warm_cache: bool = False, **train: Any
) -> Variant:
    """Returns ftkit's side of a training.

    Args:
        sections: the config's task, data and what else there is.
        train: more keys of the config's section `train`.
    """

    def command(seed: int, folder: Path) -> list[str]:
        config = training.config(seed, folder / "run")
        config["train"] |= train
        (folder / "run.yaml").write_text(yaml.safe_dump({**config, **sections}), encoding="utf-8")
        return [sys.executable, "-m", "ftkit", "train", str(folder / "run.yaml")]

    return Variant(name, title, command, results="run/all_results.json", warm_cache=warm_cache)


def training_work(training: Training, output: Path, texts: Any, targets: Any = None) -> Work:
    """Counts the work of a whole training on some texts, or pairs of texts."""
    counted = count(training.checkpoint, output, texts, targets)
    epochs = training.epochs
    return Work(
        items=counted["items"] * epochs,
        tokens=counted["tokens"] * epochs,
        flops=training_flops(counted["forward_flops"]) * epochs,
    )


def count(checkpoint: str, output: Path, texts: Any, targets: Any = None) -> dict[str, int]:
    """Returns items, tokens and operations of one forward pass; see work.py."""
    file = output / "texts.json"
    file.write_text(json.dumps({"texts": list(texts), "targets": targets and list(targets)}), encoding="utf-8")
    return run_json([HERE / "work.py", "--checkpoint", checkpoint, "--texts", file])
