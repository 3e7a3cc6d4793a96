"""Whole runs on images with texts: captions and labels, steps in any parts, exact resumes, predictions, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import ftkit
import tiny_dual_encoders
from ftkit.engine import checkpoints
from ranks import run_on_ranks
from tiny_dual_encoders import config

LORA = {"method": "lora", "rank": 4}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dual_encoders.make_checkpoint("clip", tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("captions")
    train, test = (
        tiny_dual_encoders.make_pictures(folder / name, copies=copies, seed=copies)
        for name, copies in (("train", 3), ("test", 2))
    )
    return {"train": str(train), "test": str(test)}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("classes")
    train, test = (
        tiny_dual_encoders.make_classes(folder / name, copies=copies, seed=copies)
        for name, copies in (("train", 3), ("test", 1))
    )
    return {"train": str(train), "test": str(test)}


@pytest.fixture(scope="module")
def trained(clip: Path, captions: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    """A run on captions."""
    train = {"num_train_epochs": 16, "learning_rate": 3e-3}
    return ftkit.train(config(clip, captions, tmp_path_factory.mktemp("trained"), train=train))


@pytest.fixture(scope="module")
def labelled(clip: Path, classes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ftkit.RunResult:
    """A run on labels."""
    data = {**classes, "prompts": ["a photo of a {label} bar", "{label}"]}
    folder = tmp_path_factory.mktemp("labelled")
    return ftkit.train(config(clip, data, folder, train={"num_train_epochs": 16, "learning_rate": 3e-3}))


def weights(run: ftkit.RunResult) -> dict[str, torch.Tensor]:
    return {name: tensor for path in run.output_dir.glob("*.safetensors") for name, tensor in load_file(path).items()}


def largest_difference(one: ftkit.RunResult, other: ftkit.RunResult) -> float:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_images_and_captions_find_one_another(trained: ftkit.RunResult) -> None:
    metrics = trained.metrics
    ways = ("image_to_text", "text_to_image")
    six = [metrics[f"test_{way}_recall@{depth}"] for way in ways for depth in (1, 5, 10)]
    assert metrics["test_mean_recall"] == pytest.approx(np.mean(six))
    assert metrics["test_mean_recall"] > metrics["test_baseline_untrained_checkpoint"] + 0.1
    assert metrics["logit_scale"] <= 100
    assert metrics["proof"]["reloaded_from_disk"] is True
    page = (trained.output_dir / "report.html").read_text()
    assert "Images that find their text last" in page
    assert "data:image/jpeg" in page


def test_labels_are_learnt_from_prompts(labelled: ftkit.RunResult, classes: dict[str, Any]) -> None:
    assert labelled.metrics["test_accuracy"] > labelled.metrics["test_baseline_untrained_checkpoint"]
    predictor = ftkit.load(labelled.output_dir)
    assert predictor.labels is not None
    assert predictor.labels.names == ("black", "blue", "green", "red")
    scores = predictor.evaluate(classes["test"])
    assert scores["accuracy"] == labelled.metrics["test_accuracy"]
    rows = [json.loads(line) for line in (labelled.output_dir / "predictions" / "test.jsonl").read_text().splitlines()]
    assert set(rows[0]["scores"]) == {"black", "blue", "green", "red"}


def test_a_run_on_captions_chooses_among_any_labels(
    trained: ftkit.RunResult, classes: dict[str, Any], command: Any
) -> None:
    prompts = ["a {label} bar above the middle", "a {label} bar below the middle"]
    predictor = ftkit.load(trained.output_dir, labels=["black", "blue", "green", "red"], prompts=prompts)
    scores = predictor.evaluate(classes["test"])
    assert scores["accuracy"] > 0.6
    photo = next((Path(classes["test"]) / "red").iterdir())
    asked = [option for prompt in prompts for option in ("--prompts", prompt)]
    code, out, said = command("predict", trained.output_dir, "--input", photo, "--labels", "green,red", *asked)
    assert code == 0, said
    found = json.loads(out)
    assert set(found["scores"]) == {"green", "red"}
    assert found["label"] == max(found["scores"], key=found["scores"].get)
    code, out, said = command("predict", trained.output_dir, "--text", "a red bar")
    assert code == 0, said
    assert len(json.loads(out)["embedding"]) == 8


def test_vectors_of_images_and_texts(
    labelled: ftkit.RunResult, classes: dict[str, Any], command: Any, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_text("a red bar\na blue bar\n")
    for name, given, count in (("images", classes["test"], 8), ("texts", tmp_path / "texts.txt", 2)):
        code, _, said = command("predict", labelled.output_dir, "--input", given, "--output", tmp_path / f"{name}.npy")
        assert code == 0, said
        vectors = np.load(tmp_path / f"{name}.npy")
        assert vectors.shape == (count, 8)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    predictor = ftkit.load(labelled.output_dir)
    texts = predictor.encode(["a red bar", "a blue bar"])
    np.testing.assert_allclose(texts, vectors, atol=1e-5)
    paths = sorted(str(path) for path in Path(classes["test"]).glob("*/*.png"))
    cosines = predictor.similarity(predictor.encode(paths, role="image"), texts)
    assert cosines.shape == (8, 2)
    code, _, said = command("predict", labelled.output_dir, "--text", "a red bar", "--on-bad-row", "error")
    assert code == 2
    assert "there is no image, and a label is chosen for an image" in said
    predictor.give_vectors()
    (pair,) = predictor.predict([{"image": paths[0], "text": "a red bar"}])
    assert pair["score"] == pytest.approx(cosines[0, 0], abs=1e-5)


def test_the_run_is_a_clip_of_plain_transformers(trained: ftkit.RunResult, captions: dict[str, Any]) -> None:
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel
    from transformers.image_utils import load_image

    model = CLIPModel.from_pretrained(trained.output_dir).eval()
    texts = ["a red bar above the middle", "a blue bar below the middle"]
    images = [str(Path(captions["test"]) / name) for name in ("0.png", "5.png")]
    tokens = AutoTokenizer.from_pretrained(trained.output_dir)(texts, padding=True, return_tensors="pt")
    processor = AutoImageProcessor.from_pretrained(trained.output_dir, backend="pil")
    pixels = processor([load_image(image) for image in images], return_tensors="pt")
    with torch.inference_mode():
        logits = model(**tokens, **pixels).logits_per_image.numpy()
    predictor = ftkit.load(trained.output_dir)
    cosines = predictor.encode(images, role="image") @ predictor.encode(texts).T
    np.testing.assert_allclose(logits, cosines * trained.metrics["logit_scale"], atol=1e-4, rtol=1e-4)


# --- the loss of a whole step -----------------------------------------------------------------------------------


# Adam makes steps of a gradient that is nothing but rounding, as that of a bias before a softmax.
STEPS = {"num_train_epochs": 2, "max_grad_norm": 0.0, "optim": "sgd", "learning_rate": 0.05}


@pytest.mark.parametrize("tuner", [{"method": "full"}, {**LORA, "dropout": 0.0}], ids=lambda tuner: tuner["method"])
def test_a_step_in_parts_is_the_same_step(
    tuner: dict[str, Any], clip: Path, captions: dict[str, Any], tmp_path: Path
) -> None:
    """Negatives come from all rows of an optimizer step: two micro-batches of four are one of eight, to rounding."""
    runs = [
        ftkit.train(
            config(
                clip,
                captions,
                tmp_path / str(size),
                tuner=tuner,
                train={**STEPS, "per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size},
            )
        )
        for size in (8, 4, 2)
    ]
    assert {run.metrics["num_steps"] for run in runs} == {6}
    assert runs[1].metrics["train_loss"] == pytest.approx(runs[0].metrics["train_loss"], rel=1e-4)
    assert largest_difference(runs[0], runs[1]) < 1e-4
    assert largest_difference(runs[0], runs[2]) < 1e-4


def test_a_step_of_two_processes_is_the_same_step(clip: Path, captions: dict[str, Any], tmp_path: Path) -> None:
    """Also where one process has no row left for a micro-batch: of three rows in a step, each of four takes one."""
    lines = (Path(captions["train"]) / "metadata.jsonl").read_text().splitlines(keepends=True)
    few = tmp_path / "few.jsonl"
    few.write_text("".join(lines[:3]).replace('"file_name": "', f'"image": "{captions["train"]}/'))

    def make(place: str, size: int, accumulated: int, data: dict[str, Any]) -> dict[str, Any]:
        train = {**STEPS, "per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated}
        return config(clip, data, tmp_path / place, train=train)

    three = {"train": str(few), "test": captions["test"]}
    alone = [ftkit.train(make("alone", 8, 1, captions)), ftkit.train(make("alone-few", 4, 1, three))]
    places = ("two", "four", "few")
    configs = [make("two", 4, 1, captions), make("four", 2, 2, captions), make("few", 1, 2, three)]
    run_on_ranks(tmp_path, [(2, configs)])
    for place, same in zip(places, (alone[0], alone[0], alone[1]), strict=True):
        found = tmp_path / place / "run"
        results = json.loads((found / "all_results.json").read_text())
        assert results["num_processes"] == 2
        assert results["train_loss"] == pytest.approx(same.metrics["train_loss"], rel=1e-4)
        own, other = load_file(found / "model.safetensors"), load_file(same.output_dir / "model.safetensors")
        assert max(float((own[name] - other[name]).abs().max()) for name in other) < 1e-4


def interrupt_at(step: int) -> Callable[..., None]:
    own = checkpoints.rotate

    def rotate(folder: Path, **options: Any) -> None:
        own(folder, **options)
        if (folder / f"checkpoint-{step}").is_dir():
            raise KeyboardInterrupt

    return rotate


def test_a_resumed_run_ends_with_the_same_weights(
    clip: Path, captions: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions, changes of images, dropout and micro-batches are those of the run that was never interrupted."""
    train = {
        **STEPS,
        "save_strategy": "steps",
        "save_steps": 1,
        "eval_strategy": "no",
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
    }

    def make(place: str) -> dict[str, Any]:
        data = {**captions, "augment": {"resized_crop": True}}
        return config(clip, data, tmp_path / place, tuner={**LORA, "dropout": 0.3}, train=train)

    whole = ftkit.train(make("whole"))
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "rotate", interrupt_at(3))
        with pytest.raises(KeyboardInterrupt):
            ftkit.train(make("cut"))
    resumed = ftkit.train(make("cut"))
    assert largest_difference(whole, resumed) == 0
    assert resumed.metrics["test_mean_recall"] == whole.metrics["test_mean_recall"]
