"""A small run of each kind, which several ranks carry out. A new kind adds one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny
import tiny_audio
import tiny_boxes
import tiny_dual_encoders
import tiny_image_text
import tiny_images
import tiny_masks
import tiny_speech
from runs import question_config, run_config, tagging_config, translation_config


def _texts(folder: Path) -> dict[str, Any]:
    return run_config(folder, tiny.make_checkpoint("bert", folder / "model"), **{"train.num_train_epochs": 2})


def _tags(folder: Path) -> dict[str, Any]:
    return tagging_config(folder, tiny.make_checkpoint("bert", folder / "model"))


def _translation(folder: Path) -> dict[str, Any]:
    beams = {"generation": {"num_beams": 2, "max_new_tokens": 8}}
    return translation_config(folder, tiny.make_checkpoint("t5", folder / "model"), **beams)


def _choices(folder: Path) -> dict[str, Any]:
    row = {"question": "who won", "choices": ["our team", "the rain", "salt"], "label": 0}
    return _of_rows(folder, "multiple-choice", row)


def _ranking(folder: Path) -> dict[str, Any]:
    return _of_rows(
        folder, "text-ranking", {"query": "rain", "documents": ["cold rain", "a card"], "labels": [1.0, 0.0]}
    )


def _of_rows(folder: Path, task: str, row: dict[str, Any]) -> dict[str, Any]:
    """Returns the config of a run on seven equal rows."""
    model = tiny.make_checkpoint("bert", folder / "model")
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for _ in range(7)))
    return {
        "task": task,
        "model": {"checkpoint": str(model)},
        "data": {"train": str(file), "validation": str(file), "test": str(file)},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 2, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


def _similarities(folder: Path) -> dict[str, Any]:
    config = _of_rows(folder, "sentence-similarity", {"sentence1": "rain", "sentence2": "cold rain", "score": 4})
    with Path(config["data"]["train"]).open("a") as file:
        file.write(json.dumps({"sentence1": "rain", "sentence2": "my card", "score": 1}) + "\n")
    return config


def _questions(folder: Path) -> dict[str, Any]:
    return question_config(folder, tiny.make_checkpoint("bert", folder / "model"))


def _summaries(folder: Path) -> dict[str, Any]:
    config = _of_rows(folder, "summarization", {"document": "my card was lost on the train", "summary": "lost card"})
    model = tiny.make_checkpoint("t5", folder / "writer")
    return {**config, "model": {"checkpoint": str(model)}, "generation": {"num_beams": 1, "max_new_tokens": 8}}


def _conversations(folder: Path) -> dict[str, Any]:
    said = [{"role": "user", "content": "who won"}, {"role": "assistant", "content": "our team"}]
    config = _of_rows(folder, "text-generation", {"messages": said})
    model = tiny.make_checkpoint("llama", folder / "talker")
    data = {**config["data"], "chat_template": "plain", "answered_rows": 3}
    return {**config, "model": {"checkpoint": str(model)}, "data": data}


def _preferences(folder: Path) -> dict[str, Any]:
    pair = {"prompt": "who won ", "chosen": "our team", "rejected": "the rain"}
    config = _of_rows(folder, "preference-tuning", pair)
    model = tiny.make_checkpoint("llama", folder / "talker")
    data = {**config["data"], "answered_rows": 3}
    return {**config, "model": {"checkpoint": str(model)}, "data": data, "tuner": {"method": "lora"}}


def _masks(folder: Path) -> dict[str, Any]:
    return _of_rows(folder, "fill-mask", {"text": "my card was lost on the train"})


def _images(folder: Path) -> dict[str, Any]:
    tiny_images.make_photos(folder / "photos" / "train", per_class=3)
    tiny_images.make_photos(folder / "photos" / "test", per_class=1, seed=1)
    return {
        "task": "image-classification",
        "model": {"checkpoint": str(tiny_images.make_checkpoint("vit", folder / "model"))},
        "data": {"train": str(folder / "photos" / "train"), "test": str(folder / "photos" / "test")},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 4, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


def _pixels(folder: Path) -> dict[str, Any]:
    for split, count in (("train", 9), ("test", 3)):
        tiny_masks.make_cells(folder / "cells" / split, count=count)
    return tiny_masks.mask_config(tiny_masks.make_segformer(folder / "model"), folder / "cells", folder)


def _recordings(folder: Path) -> dict[str, Any]:
    tiny_audio.write_tones(folder / "tones" / "train", 6)
    tiny_audio.write_tones(folder / "tones" / "test", 3)
    return {
        "task": "audio-classification",
        "model": {"checkpoint": str(tiny_audio.make_checkpoint("wav2vec2", folder / "model"))},
        "data": {"train": str(folder / "tones" / "train"), "test": str(folder / "tones" / "test")},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 4, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


def _speech(folder: Path) -> dict[str, Any]:
    tiny_speech.write_speech(folder / "speech" / "train", 3)
    tiny_speech.write_speech(folder / "speech" / "test", 1)
    return {
        "task": "automatic-speech-recognition",
        "model": {"checkpoint": str(tiny_speech.make_whisper(folder / "model"))},
        "data": {"train": str(folder / "speech" / "train"), "test": str(folder / "speech" / "test")},
        "generation": {"max_new_tokens": 8},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 4, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


def _boxes(folder: Path) -> dict[str, Any]:
    voc = str(tiny_boxes.make_voc(folder / "voc", range(6)))
    return {
        "task": "object-detection",
        "model": {"checkpoint": str(tiny_boxes.make_checkpoint("yolos", folder / "model"))},
        "data": {"train": voc, "test": voc},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 4, "use_cpu": True},
        "output_dir": str(folder / "run"),
    }


def _pictures(folder: Path) -> dict[str, Any]:
    model = tiny_image_text.make_checkpoint("idefics3", folder / "model")
    return tiny_image_text.run_config(folder, model)


def _compared_images(folder: Path) -> dict[str, Any]:
    for split, copies in (("train", 2), ("test", 1)):
        tiny_dual_encoders.make_pictures(folder / "pictures" / split, copies=copies)
    model = tiny_dual_encoders.make_checkpoint("clip", folder / "model")
    data = {split: str(folder / "pictures" / split) for split in ("train", "test")}
    train = {"num_train_epochs": 1, "per_device_train_batch_size": 2}
    return tiny_dual_encoders.config(model, data, folder, train=train)


EVERY_KIND: dict[str, Callable[[Path], dict[str, Any]]] = {
    "text-classification": _texts,
    "token-classification": _tags,
    "translation": _translation,
    "multiple-choice": _choices,
    "text-ranking": _ranking,
    "sentence-similarity": _similarities,
    "question-answering": _questions,
    "summarization": _summaries,
    "text-generation": _conversations,
    "preference-tuning": _preferences,
    "fill-mask": _masks,
    "image-classification": _images,
    "object-detection": _boxes,
    "image-segmentation": _pixels,
    "zero-shot-image-classification": _compared_images,
    "audio-classification": _recordings,
    "automatic-speech-recognition": _speech,
    "image-text-to-text": _pictures,
}
"""Name -> makes checkpoint and data in a folder, and returns the config of a run on a CPU."""
