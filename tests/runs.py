"""Small runs for tests: 32 texts of four topics, and a config that trains on them in a second or two."""

import copy
import csv
from pathlib import Path
from typing import Any

import tiny

NAMES = {"topic_10": "card", "topic_2": "weather", "Sport": "sport"}
_TEXTS = [(text, NAMES.get(label, label)) for text, label in tiny.EXAMPLES]
TEXTS = [*_TEXTS, *((f"well, {text}", label) for text, label in _TEXTS)]
"""The first 24 to train on, the last 8 to test on; every topic is in both."""
TEXTS = [TEXTS[index] for index in (*range(0, 32, 4), *range(1, 32, 4), *range(2, 32, 4), *range(3, 32, 4))]

TAGGED = (
    ("our team won the cup", "O B-who O O O"),
    ("the slow team lost the game", "O B-who I-who O O B-what"),
    ("who stolen my card today", "O O O B-what O"),
    ("will the rain stop", "O O B-what O"),
    ("too much salt in the soup", "O O B-what O O B-what"),
    ("cold wind and rain", "B-what I-what O B-what"),
)
"""Six sentences and their tags."""

SETTINGS: dict[str, Any] = {
    "task": "text-classification",
    "train": {
        "num_train_epochs": 2,
        "learning_rate": 5e-3,
        "per_device_train_batch_size": 8,
        "use_cpu": True,
    },
}


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "text", "topic"])
        writer.writerows((f"t{index}", text, label) for index, (text, label) in enumerate(rows))
    return path


def run_config(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    """Writes the data into `folder` and returns a config for a run inside it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        **copy.deepcopy(SETTINGS),
        "model": {"checkpoint": str(checkpoint)},
        "data": {
            "train": str(write_csv(folder / "train.csv", TEXTS[:24])),
            "validation": str(write_csv(folder / "validation.csv", TEXTS[16:24])),
            "test": str(write_csv(folder / "test.csv", TEXTS[24:])),
            "columns": {"text": "text", "label": "topic", "id": "key"},
        },
        "output_dir": str(folder / "run"),
    }
    return _overridden(config, overrides)


def tagging_config(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    """Returns a config for a run that tags the words of six sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tagged.conll"
    sentences = (zip(words.split(), tags.split(), strict=True) for words, tags in TAGGED)
    path.write_text("\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in row) for row in sentences))
    return _config(folder, checkpoint, "token-classification", str(path), overrides)


def translation_config(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    """Returns a config for a run that learns to write eight texts backwards."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pairs.tsv"
    pairs = [(text, " ".join(reversed(text.lower().split()))) for text, _ in tiny.EXAMPLES[:8]]
    path.write_text("source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in pairs))
    config = _config(folder, checkpoint, "translation", str(path), overrides)
    return {"generation": {"num_beams": 1}, **config}


def question_config(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    """Returns a config for a run that answers six questions, two of which have no answer in their text."""
    from questions import QUESTIONS, write_rows

    folder.mkdir(parents=True, exist_ok=True)
    path = write_rows(folder / "questions.jsonl", QUESTIONS)
    return _config(folder, checkpoint, "question-answering", str(path), overrides)


def _config(folder: Path, checkpoint: Path, task: str, file: str, overrides: dict[str, Any]) -> dict[str, Any]:
    """Returns a config that trains, validates and tests on the same few examples."""
    config = {
        "task": task,
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": file, "validation": file, "test": file},
        "train": {"num_train_epochs": 2, "learning_rate": 5e-3, "per_device_train_batch_size": 4, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }
    return _overridden(config, overrides)


def _overridden(config: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        config[section] = {**config.get(section, {}), name: value} if name else value
    return config


def falling_metric(folder: Path) -> str:
    """Returns the name of a metric whose value falls each time it is computed: the first checkpoint is the best."""
    path = folder / "falls.py"
    path.write_text(
        "import itertools\n\ncounter = itertools.count()\n\n\n"
        "def falling(predictions, references):\n    return {'falling': -next(counter)}\n"
    )
    return f"{path}:falling"
