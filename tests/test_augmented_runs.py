"""Whole runs that change their rows: resumed, by loader workers and on ranks the same, and only in training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import ftkit
import tiny
import tiny_audio
import tiny_boxes
import tiny_dual_encoders
import tiny_images
import tiny_masks
import tiny_speech
from ftkit.adapters.augmentation.operation import Augment
from ftkit.adapters.encoding import encode_to_train
from ftkit.config.run_config import load_config
from ftkit.engine import checkpoints
from ftkit.engine.batching import StepSize
from ftkit.engine.step_plan import MicroBatchSampler, StepPlan
from ftkit.engine.training_rows import PARTS, PartsCollator, TrainingRows
from ftkit.kinds import large
from ftkit.runs.augmented_rows import NUM_EPOCHS, NUM_ROWS
from ftkit.runs.checked_run import check_run
from runs import write_csv

IMAGES = {"horizontal_flip": True, "rotate": {"degrees": 30}, "resized_crop": True, "color_jitter": True, "blur": True}
SOUNDS = {"speed": {"factor": [0.8, 1.25]}, "shift": True, "noise": True}
EPOCHS = 3


def images(folder: Path) -> dict[str, Any]:
    photos = tiny_images.make_photos(folder / "photos", per_class=4)
    checkpoint = tiny_images.make_checkpoint("resnet", folder / "model")
    return {"task": "image-classification", "model": checkpoint, "data": {"train": photos, "augment": IMAGES}}


def masks(folder: Path) -> dict[str, Any]:
    cells = tiny_masks.make_cells(folder / "cells", count=10)
    checkpoint = tiny_masks.make_segformer(folder / "model")
    return {"task": "image-segmentation", "model": checkpoint, "data": {"train": cells, "augment": IMAGES}}


def boxes(folder: Path) -> dict[str, Any]:
    voc = tiny_boxes.make_voc(folder / "voc", range(10))
    checkpoint = tiny_boxes.make_checkpoint("yolos", folder / "model")
    data = {"train": voc, "image_size": 32, "augment": IMAGES}
    return {"task": "object-detection", "model": checkpoint, "data": data}


def recordings(folder: Path) -> dict[str, Any]:
    tones = tiny_audio.write_tones(folder / "tones", 4)
    checkpoint = tiny_audio.make_checkpoint("wav2vec2-layer", folder / "model")
    return {"task": "audio-classification", "model": checkpoint, "data": {"train": tones, "augment": SOUNDS}}


def speech(folder: Path) -> dict[str, Any]:
    said = tiny_speech.write_speech(folder / "said", 4)
    checkpoint = tiny_speech.maker(folder / "models")("whisper")
    data = {"train": said, "augment": {**SOUNDS, "gain": True, "spec_augment": {"mask_time_prob": 0.2}}}
    return {"task": "automatic-speech-recognition", "model": checkpoint, "data": data}


def texts(folder: Path) -> dict[str, Any]:
    rows = [(f"a {('good', 'poor')[n % 2]} film with plain words {n}", ("good", "poor")[n % 2]) for n in range(12)]
    checkpoint = tiny.make_checkpoint("roberta", folder / "model")
    augment = {"word_dropout": {"share": 0.3}, "typos": {"share": 0.3}, "case": True}
    columns = {"label": "topic"}
    data = {"train": write_csv(folder / "rows.csv", rows), "columns": columns, "augment": augment}
    return {"task": "text-classification", "model": checkpoint, "data": data}


def words(folder: Path) -> dict[str, Any]:
    sentence = "Anna B-PER\nmet O\nBerta B-PER\nyesterday O\nevening O\n"
    (folder / "rows.conll").write_text("\n".join(sentence.replace("Anna", f"Anna{n}") for n in range(12)))
    checkpoint = tiny.make_checkpoint("roberta", folder / "model")
    data = {"train": folder / "rows.conll", "augment": {"typos": {"share": 0.5}, "case": True}}
    return {"task": "token-classification", "model": checkpoint, "data": data}


def pairs(folder: Path) -> dict[str, Any]:
    photos = tiny_dual_encoders.make_classes(folder / "photos")
    checkpoint = tiny_dual_encoders.make_checkpoint("clip", folder / "model")
    data = {"train": photos, "augment": IMAGES}
    return {"task": "zero-shot-image-classification", "model": checkpoint, "data": data}


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "masks": masks,
    "boxes": boxes,
    "speech": speech,
    "texts": texts,
    "images": images,
    "pairs": pairs,
    "recordings": recordings,
    "words": words,
}
TRAINED = list(KINDS)[:4]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    return functools.cache(lambda name: KINDS[name](tmp_path_factory.mktemp(name)))


def config(made: dict[str, Any], folder: Path, **train: Any) -> dict[str, Any]:
    data = {name: str(value) if isinstance(value, Path) else value for name, value in made["data"].items()}
    steps = {"save_strategy": "steps", "save_steps": 1, "eval_strategy": "no", "num_train_epochs": EPOCHS}
    fixed = {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "use_cpu": True, "precision": "fp32"}
    return {
        "task": made["task"],
        "model": {"checkpoint": str(made["model"])},
        "data": {**data, "test": data["train"]},
        "train": {**steps, **fixed, **train},
        "output_dir": str(folder / "run"),
    }


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[np.random.Generator]:
    """The generators that rows were changed by."""
    found: list[np.random.Generator] = []
    own = Augment.drawn

    def drawn(self: Augment, rng: np.random.Generator) -> Iterator[Any]:
        found.append(rng)
        return own(self, rng)

    monkeypatch.setattr(Augment, "drawn", drawn)
    return found


def weights(run: ftkit.RunResult) -> dict[str, torch.Tensor]:
    return load_file(run.output_dir / "model.safetensors")


@pytest.mark.parametrize("name", TRAINED)
def test_resumed_with_loader_workers_it_sees_the_same_and_only_training_changes_rows(
    name: str, make: Callable[[str], dict[str, Any]], tmp_path: Path, draws: list[Any]
) -> None:
    made = make(name)
    whole = ftkit.train(config(made, tmp_path / "whole"))
    shown = min(NUM_ROWS, whole.metrics["train_samples"]) * NUM_EPOCHS
    tried = 1  # before anything is written
    assert len(draws) == tried + whole.metrics["train_samples"] * EPOCHS + shown
    assert whole.metrics["proof"]["same_predictions"] is True
    page = (whole.output_dir / "report.html").read_text(encoding="utf-8")
    assert "How training rows were changed" in page

    again, own = config(made, tmp_path / "killed", dataloader_num_workers=2), checkpoints.rotate
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def rotate(folder: Path, **options: Any) -> None:
            own(folder, **options)
            if (folder / "checkpoint-4").is_dir():
                raise KeyboardInterrupt

        patch.setattr(checkpoints, "rotate", rotate)
        ftkit.train(again)
    resumed = ftkit.train(again, {"resume": True})
    one, other = weights(whole), weights(resumed)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []

    draws.clear()
    before = ftkit.load(whole.output_dir, device="cpu").evaluate(str(made["data"]["train"]))
    assert before["loss"] == pytest.approx(whole.metrics["test_loss"], rel=1e-5)
    assert draws == []


def digest(part: Any, place: int) -> bytes:
    """Returns what a model reads of a row, without what fills it up to the rows beside it."""
    names = ("pixel_values", "input_values", "input_features", "input_ids")
    name = next(name for name in names if name in part.inputs)
    values = part.inputs[name][place]
    if "attention_mask" in part.inputs and name != "pixel_values":
        values = values[part.inputs["attention_mask"][place].bool()]
    return values.numpy().tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_a_row_is_changed_alike_on_any_number_of_ranks_and_another_way_in_each_epoch(
    name: str, make: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    made = make(name)
    run = check_run(load_config(config(made, tmp_path)))
    preprocessor, examples = run.make_task_adapter().preprocessor, run.splits["train"].examples
    preprocessor.fit(examples)
    encoded = encode_to_train(preprocessor, examples)

    def seen(num_ranks: int, epoch: int) -> dict[int, bytes]:
        size = StepSize(rows=4, cost=None, max_cost_at_once=1e9)
        plan = StepPlan(encoded.costs, size, seed=7, num_ranks=num_ranks)
        collator, found = PartsCollator(preprocessor, encoded.costs, size, seed=plan.seed), {}
        for rank in range(num_ranks):
            sampler = MicroBatchSampler(plan, rank=rank)
            sampler.set_epoch(epoch)
            for wanted in sampler:
                for part in collator(TrainingRows(encoded).__getitems__(wanted))[PARTS]:
                    found.update({int(row): digest(part, place) for place, row in enumerate(part.row_indices)})
        return found

    alone, shared, later = seen(1, 0), seen(2, 0), seen(1, 1)
    assert alone.keys() == shared.keys() == set(range(encoded.num_rows))
    assert alone == shared
    assert sum(alone[row] != later[row] for row in alone) > len(alone) / 2


def test_rows_that_are_kept_on_disk_are_changed_anew(
    make: Callable[[str], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the cache keeps is the text as it is, with or without `data.augment`, for every epoch."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))

    def seen(epoch: int, *, augment: bool = True) -> list[list[int]]:
        made = make("texts")
        data = made["data"] if augment else {**made["data"], "augment": None}
        run = check_run(load_config(config({**made, "data": data}, tmp_path)))
        preprocessor, examples = run.make_task_adapter().preprocessor, run.splits["train"].examples
        encoded = encode_to_train(preprocessor, examples)
        collator = PartsCollator(preprocessor, encoded.costs, StepSize(4, None, 1e9), seed=7)
        return collator.batch(encoded, range(len(examples)), epoch=epoch).inputs["input_ids"].tolist()

    in_memory = [seen(0), seen(1), seen(0, augment=False)]
    monkeypatch.setattr(large, "LARGE_BYTES", 0)
    assert [seen(0), seen(1), seen(0, augment=False)] == in_memory
    kept = list((tmp_path / "cache" / "ftkit").glob("rows-*/"))
    assert len(kept) == 1  # one encoding of the texts, whatever is made of them
    assert in_memory[0] != in_memory[1] != in_memory[2]
