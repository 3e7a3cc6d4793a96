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

SETTINGS: dict[str, Any] = {
    "task": "text-classification",
    "train": {
        "num_train_epochs": 8,
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
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        config[section] = {**config[section], name: value} if name else value
    return config
