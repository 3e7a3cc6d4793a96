"""Whole runs on images: every architecture, exact resumes with running statistics and random crops, predictions."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import ftkit
import tiny_images
from ftkit.engine import checkpoints
from runs import falling_metric

LORA = {"method": "lora", "rank": 4}
AUGMENTED = {"augment": {"horizontal_flip": True, "rotate": True, "resized_crop": True, "color_jitter": True}}
Checkpoint = Callable[[str], Path]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Checkpoint:
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = tiny_images.make_checkpoint(model_type, tmp_path_factory.mktemp(model_type))
        return made[model_type]

    return make


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """`train/CLASS/N.png` and `test/CLASS/N.png`."""
    folder = tmp_path_factory.mktemp("photos")
    tiny_images.make_photos(folder / "train", per_class=8)
    tiny_images.make_photos(folder / "test", per_class=3, seed=1)
    return folder


def config(checkpoint: Path, photos: Path, folder: Path, *, data: Any = None, **sections: Any) -> dict[str, Any]:
    train = {"num_train_epochs": 2, "learning_rate": 1e-2, "per_device_train_batch_size": 8, "use_cpu": True}
    return {
        "task": "image-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": str(photos / "train"), "test": str(photos / "test"), **(data or {})},
        "train": {**train, **sections.pop("train", {})},
        "output_dir": str(folder / "run"),
        **sections,
    }


def tensors(run: ftkit.RunResult) -> dict[str, torch.Tensor]:
    return {name: tensor for path in run.output_dir.glob("*.safetensors") for name, tensor in load_file(path).items()}


def assert_same_tensors(one: ftkit.RunResult, other: ftkit.RunResult) -> None:
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def predictions(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- every architecture -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tuner", [{"method": "full"}, LORA, {"method": "head-only"}], ids=lambda tuner: tuner["method"]
)
@pytest.mark.parametrize("name", tiny_images.RECIPES)
def test_every_architecture_trains_and_is_proven(name, tuner, checkpoint, photos, tmp_path):
    run = ftkit.train(config(checkpoint(name), photos, tmp_path, tuner=tuner, data={"validation": 0.2}))
    assert run.metrics["proof"]["same_predictions"] is True
    assert run.metrics["proof"]["max_difference"] < 1e-6
    assert (run.metrics["train_samples"], run.metrics["test_samples"]) == (19, 9)
    names = {path.name for path in run.output_dir.iterdir()}
    assert {"config.json", "preprocessor_config.json", "report.html", "README.md"} <= names
    assert ("model.safetensors" in names) is (tuner["method"] == "full")


def test_colours_are_learnt(checkpoint, photos, tmp_path):
    run = ftkit.train(config(checkpoint("resnet"), photos, tmp_path, train={"num_train_epochs": 6}))
    assert run.metrics["test_accuracy"] == 1.0


def test_a_network_from_nothing_is_made_trained_and_asked(photos, tmp_path, command):
    code, _, said = command("new", tmp_path / "fresh", "--architecture", "resnet", "--image-size", 32)
    assert code == 0, said
    run = ftkit.train(config(tmp_path / "fresh", photos, tmp_path, train={"num_train_epochs": 4}))
    code, out, said = command("predict", run.output_dir, "--input", photos / "test" / "red" / "0.png")
    assert code == 0, said
    assert json.loads(out)["id"] == "0.png"


@pytest.mark.parametrize("problem_type", ["multi_label_classification", "regression"])
def test_several_labels_and_numbers(problem_type, checkpoint, photos, tmp_path):
    label = {"blue": "cold", "green": "cold,alive", "red": "warm"}
    number = {"blue": 1.0, "green": 2.0, "red": 3.0}
    said = label if problem_type == "multi_label_classification" else number
    for split in ("train", "test"):
        with (tmp_path / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "label"])
            writer.writerows((path, said[path.parent.name]) for path in sorted((photos / split).glob("*/*.png")))
    data = {name: str(tmp_path / f"{name}.csv") for name in ("train", "test")}
    run = ftkit.train(
        config(checkpoint("convnext"), photos, tmp_path, data={**data, "problem_type": problem_type}, tuner=LORA)
    )
    assert run.metrics["proof"]["reloaded_from_disk"] is True
    assert "test_loss" in run.metrics


# --- the same run, again ------------------------------------------------------------------------------------


def interrupt_at(step: int) -> Callable[..., None]:
    own = checkpoints.rotate

    def rotate(folder: Path, **options: Any) -> None:
        own(folder, **options)
        if (folder / f"checkpoint-{step}").is_dir():
            raise KeyboardInterrupt

    return rotate


STEPS = {"eval_strategy": "no", "save_strategy": "steps", "save_steps": 1, "num_train_epochs": 3}


@pytest.mark.parametrize(("name", "tuner"), [
    ("resnet", {"method": "full"}),
    ("resnet", LORA),
    ("resnet", {"method": "last-layers", "num_layers": 1}),
    ("vit", {"method": "full"}),
], ids=str)  # fmt: skip
def test_a_resumed_run_ends_with_the_same_weights_and_statistics(name, tuner, checkpoint, photos, tmp_path):
    def make(place: str) -> dict[str, Any]:
        return config(checkpoint(name), photos, tmp_path / place, tuner=tuner, train=STEPS, data=AUGMENTED)

    whole = ftkit.train(make("whole"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupt_at(4))
        ftkit.train(make("killed"))
    resumed = ftkit.train(make("killed"), {"resume": True})
    assert resumed.metrics["num_steps"] == whole.metrics["num_steps"] == 9
    assert_same_tensors(whole, resumed)
    if name == "resnet" and tuner["method"] == "full":
        assert any("running_mean" in name for name in tensors(resumed))


@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_the_best_weights_are_taken_at_the_end(name, checkpoint, photos, tmp_path):
    """transformers saves some models, ViT among them, under other names than it looks for."""
    from transformers import AutoModelForImageClassification as Auto

    often = {"num_train_epochs": 3, "save_total_limit": 9, "metric_for_best_model": "falling"}
    asked = config(checkpoint(name), photos, tmp_path, data={"validation": 0.3}, train=often)
    run = ftkit.train(asked | {"metrics": [falling_metric(tmp_path)]})
    steps = [path.name.removeprefix("checkpoint-") for path in (run.output_dir / "checkpoints").glob("checkpoint-*")]
    states = {
        step: Auto.from_pretrained(run.output_dir / "checkpoints" / f"checkpoint-{step}").state_dict()
        for step in steps
    }
    taken = Auto.from_pretrained(run.output_dir).state_dict()
    same = [step for step, state in states.items() if all(torch.equal(state[key], taken[key]) for key in taken)]
    assert same == [str(run.metrics["best_step"])]
    assert run.metrics["best_step"] < run.metrics["num_steps"]


def test_what_is_drawn_does_not_depend_on_who_makes_the_batches(checkpoint, photos, tmp_path):
    runs = [
        ftkit.train(
            config(checkpoint("vit"), photos, tmp_path / str(workers), data=AUGMENTED,
                   train={"dataloader_num_workers": workers})
        )
        for workers in (0, 2)
    ]  # fmt: skip
    assert_same_tensors(*runs)


def test_the_seed_and_the_augmentation_matter(checkpoint, photos, tmp_path):
    def weights(place: str, **data: Any) -> torch.Tensor:
        run = ftkit.train(config(checkpoint("resnet"), photos, tmp_path / place, data=data))
        return tensors(run)["classifier.1.weight"]

    assert not torch.equal(weights("plain"), weights("augmented", **AUGMENTED))


# --- predictions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(checkpoint, photos, tmp_path_factory) -> ftkit.RunResult:
    folder = tmp_path_factory.mktemp("run")
    return ftkit.train(config(checkpoint("resnet"), photos, folder, tuner=LORA, train={"num_train_epochs": 4}))


def test_predictions_are_named_by_their_files(run, photos):
    rows = predictions(run.output_dir / "predictions" / "test.jsonl")
    assert [row["id"] for row in rows] == [
        f"{name}/{index}.png" for name in ("blue", "green", "red") for index in range(3)
    ]
    assert rows[0].keys() >= {"id", "label", "score", "scores"}


def test_folders_tables_files_bytes_and_pictures_are_predicted_alike(run, photos, tmp_path, command):
    files = sorted((photos / "test").glob("*/*.png"))
    expected = [row["scores"] for row in predictions(run.output_dir / "predictions" / "test.jsonl")]
    (photos / "rows.csv").write_text("image\n" + "".join(f"{path.relative_to(photos)}\n" for path in files))
    for source in (photos / "test", photos / "rows.csv"):
        code, _, said = command("predict", run.output_dir, "--input", source, "--output", tmp_path / "out.jsonl")
        assert code == 0, said
        found = [row["scores"] for row in predictions(tmp_path / "out.jsonl")]
        assert found == [pytest.approx(scores, abs=1e-6) for scores in expected]
    predictor = ftkit.load(run.output_dir, device="cpu")
    for inputs in (files, [path.read_bytes() for path in files], [Image.open(path) for path in files]):
        assert [row["scores"] for row in predictor.predict(inputs)] == [
            pytest.approx(scores, abs=1e-6) for scores in expected
        ]


def test_files_that_cannot_be_predicted_are_named(run, photos, tmp_path, command):
    (tmp_path / "rows.csv").write_text("image\ngone.png\n")
    code, _, said = command("predict", run.output_dir, "--input", tmp_path / "rows.csv")
    assert (code, f"there is no such file as {tmp_path / 'gone.png'}" in said) == (2, True)
    (tmp_path / "text.png").write_text("no picture")
    code, _, said = command("predict", run.output_dir, "--input", tmp_path / "text.png")
    assert (code, "text.png is no image that can be read" in said) == (2, True)


def test_evaluate_scores_what_the_run_did(run, photos):
    scores = ftkit.load(run.output_dir, device="cpu").evaluate(str(photos / "test"))
    assert scores["accuracy"] == run.metrics["test_accuracy"]
    assert scores["loss"] == pytest.approx(run.metrics["test_loss"], abs=1e-6)
    assert scores["samples"] == 9


def test_merged_and_exported_it_predicts_the_same(run, photos, tmp_path, command):
    code, _, said = command("merge", run.output_dir, tmp_path / "merged")
    assert code == 0, said
    code, _, said = command("export", run.output_dir, tmp_path / "onnx")
    assert code == 0, said
    file = str(photos / "test" / "green" / "1.png")
    one, *others = (
        ftkit.load(folder, device="cpu").predict([file])[0]["scores"]
        for folder in (run.output_dir, tmp_path / "merged", tmp_path / "onnx")
    )
    assert others == [pytest.approx(one, abs=1e-5)] * 2


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
@pytest.mark.parametrize(("tuner", "problem_type"), [
    ({"method": "full"}, "single_label_classification"),
    (LORA, "single_label_classification"),
    ({"method": "full"}, "multi_label_classification"),
], ids=str)  # fmt: skip
def test_the_code_of_the_card_predicts_the_same(
    tuner, problem_type, checkpoint, photos, tmp_path, monkeypatch, capsys
):
    (tmp_path / "base").symlink_to(checkpoint("resnet"))
    (tmp_path / "photos").symlink_to(photos)
    monkeypatch.chdir(tmp_path)
    data = {"train": "photos/train", "test": "photos/test", "problem_type": problem_type}
    run = ftkit.train(config(Path("base"), photos, Path(), data=data, tuner=tuner))
    code = re.search(r"^```python\n(.*?)^```$", (run.output_dir / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert code is not None
    capsys.readouterr()
    exec(compile(code[1], "card", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out.strip()
    expected = predictions(run.output_dir / "predictions" / "test.jsonl")[0]
    value = ast.literal_eval(printed) if printed[0] in "{[" else printed
    if isinstance(value, dict):
        assert value["score"] == pytest.approx(expected["score"], abs=1e-6)
        value = value["label"]
    assert value == expected["label"]


def test_the_card_tells_what_it_is(run, photos):
    card = (run.output_dir / "README.md").read_text()
    assert "An image-classification model" in card
    assert "type: imagefolder" in card
    assert f"ftkit predict {run.output_dir.name} --input" in card
    assert "--text" not in card
