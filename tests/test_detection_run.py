"""Whole runs that find boxes: the score of what was written, plain transformers, and mistakes of users."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from safetensors.torch import load_file

import ftkit
import tiny_boxes
from ftkit.config.run_config import load_config
from ftkit.data.drawn_boxes import PREDICTED
from ftkit.engine import checkpoints
from ftkit.errors import UserError
from ftkit.inference.export import export_run
from ftkit.metrics.detection import evaluated_by_coco
from ftkit.run import check
from ftkit.tuners.names import quiet


@pytest.fixture(scope="module")
def voc(tmp_path_factory) -> Path:
    return tiny_boxes.make_voc(tmp_path_factory.mktemp("voc") / "voc", range(8))


def config(folder: Path, voc: Path, model_type: str, **sections: Any) -> dict[str, Any]:
    return {
        "task": "object-detection",
        "model": {"checkpoint": str(tiny_boxes.make_checkpoint(model_type, folder / "model"))},
        "data": {"train": str(voc), "test": str(voc), "image_size": 32, **sections.pop("data", {})},
        "train": {"num_train_epochs": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "use_cpu": True},
        "output_dir": str(folder / "run"),
        **sections,
    }


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_score_is_that_of_the_predictions_as_they_were_written(tmp_path, voc, capsys):
    run = ftkit.train(config(tmp_path, voc, "detr"))
    rows = written(run.output_dir / "predictions" / "test.jsonl")
    assert [row["id"] for row in rows] == [f"{number}.png" for number in range(8)]
    labels = list(tiny_boxes.COLOURS)
    found = [
        np.array([[labels.index(one["label"]), one["score"], *one["box"].values()] for one in row["objects"]])
        for row in rows
    ]
    truth = [
        np.array([[labels.index(name), 0, *box, 320] for name, *box in tiny_boxes.drawn(number)]).reshape(-1, 7)
        for number in range(8)
    ]
    results = json.loads((run.output_dir / "all_results.json").read_text())
    assert results["test_ap"] == pytest.approx(evaluated_by_coco(found, truth, 2).stats[0])
    assert results["proof"]["same_predictions"]
    code = re.search(r"```python\n(.*?)```", (run.output_dir / "README.md").read_text(), re.DOTALL)
    assert code is not None
    photo = str(voc / "JPEGImages" / "0.png")
    lines = re.sub(r"run = .*", f"run = {str(run.output_dir)!r}", code[1]).replace("threshold=0.5", "threshold=0")
    lines = re.sub(r"load_image\(.*\)", f"load_image({photo!r})", lines)
    capsys.readouterr()
    exec(lines, {})
    printed = [json.loads(line[line.index("[") :]) for line in capsys.readouterr().out.splitlines()]
    expected = sorted(list(one["box"].values()) for one in rows[0]["objects"])
    np.testing.assert_allclose(sorted(printed), expected, rtol=1e-3, atol=1e-2)


def test_a_killed_run_draws_the_same_noise_again(tmp_path, voc, monkeypatch):
    """RT-DETR makes queries of the boxes themselves in training, with noise that torch draws on the way."""
    steps = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 1, "eval_strategy": "no"}
    parts = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    sections = {"train": {**steps, **parts, "learning_rate": 1e-3, "use_cpu": True}}
    whole = ftkit.train(config(tmp_path / "whole", voc, "rt_detr", **sections))
    rotate = checkpoints.rotate

    def interrupted(folder: Path, **options: Any) -> None:
        rotate(folder, **options)
        if (folder / "checkpoint-3").is_dir():
            raise KeyboardInterrupt

    again = config(tmp_path / "killed", voc, "rt_detr", **sections)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoints, "rotate", interrupted)
        ftkit.train(again)
    resumed = ftkit.train(again, {"resume": True})
    one, other = (load_file(run.output_dir / "model.safetensors") for run in (whole, resumed))
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_heads_in_lists_are_trained_and_loaded_by_plain_peft(tmp_path, voc):
    from peft import PeftModel
    from transformers import AutoModelForObjectDetection

    sections = {"tuner": {"method": "lora", "rank": 2}}
    given = config(tmp_path, voc, "rt_detr", **sections)
    run = ftkit.train(given | {"train": given["train"] | {"num_train_epochs": 1}})
    adapter = load_file(run.output_dir / "adapter_model.safetensors")
    heads = [name for name in adapter if "class_embed.1" in name]
    assert {name.rpartition(".")[2] for name in heads} == {"weight", "bias"}
    base = AutoModelForObjectDetection.from_pretrained(given["model"]["checkpoint"], num_labels=2)
    with quiet():
        plain = PeftModel.from_pretrained(base, run.output_dir).eval()
    image = Image.open(voc / "JPEGImages" / "1.png").convert("RGB")
    loaded = ftkit.load(run.output_dir)
    pixels = loaded.adapter.preprocessor.processor(images=image, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        scores = plain(pixel_values=pixels).logits.sigmoid().flatten().sort(descending=True).values
    found = [one["score"] for one in loaded.predict([voc / "JPEGImages" / "1.png"])[0]["objects"]]
    np.testing.assert_allclose(found[:5], scores[:5], atol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "reason"),
    [
        ("d_fine", "peft attaches nothing to checkpoints of type 'd_fine', which tie weights and have no embeddings"),
        ("lw_detr", "would take 'model.enc_out_class_embed', a list of modules, for the new head"),
    ],
)
def test_what_peft_cannot_tune_is_refused(model_type, reason, tmp_path, voc):
    given = config(tmp_path, voc, model_type, tuner={"method": "lora", "rank": 2})
    with pytest.raises(UserError, match=reason):
        ftkit.train(given)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match=reason):
        check(load_config(given, {}))


def test_a_trained_adapter_finds_what_it_found(tmp_path, voc):
    run = ftkit.train(config(tmp_path, voc, "yolos", tuner={"method": "lora", "rank": 2}))
    assert (run.output_dir / "adapter_model.safetensors").is_file()
    (now,) = ftkit.load(run.output_dir).predict([voc / "JPEGImages" / "1.png"])
    before = written(run.output_dir / "predictions" / "test.jsonl")[1]
    for one, other in zip(now["objects"], before["objects"], strict=True):
        assert (one["label"], one["score"]) == (other["label"], pytest.approx(other["score"], abs=1e-4))
    surest = max(one["score"] for one in before["objects"])
    assert not ftkit.load(run.output_dir, threshold=surest + 1e-3).predict([voc / "JPEGImages" / "1.png"])[0][
        "objects"
    ]
    chosen = ftkit.load(run.output_dir, threshold=surest - 1e-3)
    drawings = chosen.draw_into(tmp_path / "drawn")
    (kept,) = chosen.predict([voc / "JPEGImages" / "1.png"])
    assert kept["objects"]
    assert drawings.num_drawn == 1
    image, drawn = (np.asarray(Image.open(path).convert("RGB")) for path in
                    (voc / "JPEGImages" / "1.png", tmp_path / "drawn" / "1.png"))  # fmt: skip
    changed = (image != drawn).any(axis=2)
    box = max(kept["objects"], key=lambda one: one["score"])["box"]
    left, top = max(0, int(box["xmin"])), max(0, int(box["ymin"]))
    assert changed[top : top + 3, left:].any()
    assert ImageColor.getrgb(PREDICTED) in set(map(tuple, drawn[changed].tolist()))
    with pytest.raises(UserError, match="kind object-detection, which is not exported"):
        export_run(run.output_dir, tmp_path / "exported")
    scores = ftkit.load(run.output_dir).evaluate(str(voc))
    results = json.loads((run.output_dir / "all_results.json").read_text())
    assert scores["ap"] == pytest.approx(results["test_ap"], abs=1e-3)
    assert torch.isfinite(torch.tensor(scores["loss"]))


@pytest.mark.parametrize(("data", "message"), [
    ({"image_size": None, "train": "{voc}/JPEGImages"}, "no column 'objects'"),
    ({"labels": ["circle"]}, "the label 'square' is none of those that can be predicted"),
    ({"box_format": "xywh"}, r"sticks out of its image: .* read as xywh"),
    ({"validation": "{voc}/nothing"}, "no such file"),
])  # fmt: skip
def test_mistakes_are_told_before_anything_is_written(tmp_path, voc, data, message):
    given = {name: value.format(voc=voc) if isinstance(value, str) else value for name, value in data.items()}
    with pytest.raises(UserError, match=message):
        ftkit.train(config(tmp_path, voc, "yolos", data=given))
    assert not (tmp_path / "run").exists()
