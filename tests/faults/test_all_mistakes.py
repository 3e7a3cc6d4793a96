"""Kinds that open files: one check tells what is wrong with files, cells and rows together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ftkit.config.run_config import load_config
from ftkit.data.audio import wav_bytes
from ftkit.errors import DataError
from ftkit.runs.checked_run import check_run

Rows = list[dict[str, Any]]
BOX = {"bbox": [[1, 1, 5, 5]], "category": ["cat"]}


def captions(*texts: Any) -> Rows:
    return [{"image": f"{number}.png", "text": text} for number, text in enumerate(texts)]


def labels(column: str, ending: str, *names: Any) -> Rows:
    return [{column: f"{number}.{ending}", "label": name} for number, name in enumerate(names)]


# kind, model type -> rows of train, rows of test, what is told: files 0 to 4 are sound, damaged.* and gone.* are not.
CASES: dict[tuple[str, str], tuple[Rows, Rows, list[str]]] = {
    ("image-classification", "vit"): (
        [*labels("image", "png", "a", "b", "", ["a", "b"]), {"image": "damaged.png", "label": "c"}],
        [{"image": "gone.png", "label": "a"}, {"image": "0.png", "label": "d"}, {"image": "1.png", "label": "c"}],
        ["names several labels", "train: images", "test: images", "train: the label is missing", "label 'd'"],
    ),
    ("zero-shot-image-classification", "clip"): (
        [*captions("red", "blue", "", 7.5), {"image": "damaged.png", "text": "green"}, {"image": 5, "text": "x"}],
        [{"image": "gone.png", "text": "red"}, {"image": "0.png", "text": ""}],
        ["'text' holds a number", "'image' holds", "train: images", "test: images", "train: there", "test: there"],
    ),
    ("image-text-to-text", "idefics3"): (
        [*captions("red", "blue", ""), {"image": "damaged.png", "text": "green"}],
        [{"image": "gone.png", "text": "red"}, {"image": "0.png", "text": " "}],
        ["train: images", "test: images", "train: there is nothing to write", "test: there is nothing to write"],
    ),
    ("object-detection", "yolos"): (
        [
            {"image": "0.png", "objects": BOX},
            {"image": "1.png", "objects": {"bbox": [[1, 1, 90, 5]], "category": ["cat"]}},
            {"image": "2.png", "objects": {"bbox": [[1, 1, 5]], "category": ["cat"]}},
            {"image": "damaged.png", "objects": {**BOX, "category": ["dog"]}},
        ],
        [
            {"image": "gone.png", "objects": BOX},
            {"image": "3.png", "objects": {**BOX, "category": ["cow"]}},
            {"image": "4.png", "objects": {**BOX, "category": ["dog"]}},
        ],
        ["column 'objects' holds", "train: images", "test: images", "sticks out of its image", "label 'cow'"],
    ),
    ("image-segmentation", "segformer"): (
        [
            *({"image": f"{number}.png", "mask": "mask.png"} for number in range(3)),
            {"image": "3.png", "mask": "large.png"},
            {"image": "damaged.png", "mask": "mask.png"},
            {"image": 7, "mask": "mask.png"},
        ],
        [{"image": "4.png", "mask": "other.png"}, {"image": "gone.png", "mask": "mask.png"}],
        ["column 'image' holds", "train: images", "test: images", "train: masks of another size", "test: masks hold"],
    ),
    ("audio-classification", "wav2vec2"): (
        [
            *labels("audio", "wav", "a", "b", ""),
            {"audio": "damaged.wav", "label": "c"},
            {"audio": "3.wav", "start": "x"},
        ],
        [{"audio": "gone.wav", "label": "a"}, {"audio": "0.wav", "label": "d"}, {"audio": "1.wav", "label": "c"}],
        ["column 'start'", "train: the recording is no", "test: the recording is", "train: the label", "label 'd'"],
    ),
    ("automatic-speech-recognition", "wav2vec2"): (
        [
            *({"audio": f"{number}.wav", "text": text} for number, text in enumerate(("yes", "no", "?"))),
            {"audio": "damaged.wav", "text": "one"},
            {"audio": "3.wav", "text": "two", "end": "x"},
        ],
        [{"audio": "gone.wav", "text": "one"}, {"audio": "0.wav", "text": ""}],
        ["column 'end'", "train: the recording is no", "test: the recording is", "train: the tr", "test: the tr"],
    ),
}  # fmt: skip
DATA: dict[str, dict[str, Any]] = {
    "image-segmentation": {"classes": {0: "nothing", 1: "cell"}},
    "object-detection": {"box_format": "xywh"},
}


def write_files(folder: Path) -> None:
    for number in range(5):
        Image.new("RGB", (16, 16), (40 * number, 0, 0)).save(folder / f"{number}.png")
        tone = np.sin(np.arange(8000) * (0.05 + 0.01 * number)).astype(np.float32)
        (folder / f"{number}.wav").write_bytes(wav_bytes(tone, 16_000))
    for name, side, value in (("mask", 16, 1), ("large", 20, 1), ("other", 16, 9)):
        mask = np.zeros((side, side), np.uint8)
        mask[:4] = value
        Image.fromarray(mask).save(folder / f"{name}.png")
    for ending in ("png", "wav"):
        (folder / f"damaged.{ending}").write_bytes((folder / f"0.{ending}").read_bytes()[:40])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_files_cells_and_rows_are_told_together(case: tuple[str, str], tmp_path: Path) -> None:
    task, model_type = case
    train, test, told = CASES[case]
    write_files(tmp_path)
    for name, rows in (("train", train), ("test", test)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"model_type": model_type}))
    data = {"train": str(tmp_path / "train.jsonl"), "test": str(tmp_path / "test.jsonl"), **DATA.get(task, {})}
    (tmp_path / "model" / "model.safetensors").touch()  # which nobody opens
    model = {"checkpoint": str(tmp_path / "model")}
    with pytest.raises(DataError) as error:
        check_run(load_config({"task": task, "model": model, "data": data, "output_dir": str(tmp_path / "run")}))
    message = str(error.value)
    for part in told:
        assert part in message
    assert message.startswith(f"The data has {len(told)} problems:"), message
