"""Whole runs on masks: learnt, proven, resumed, predicted, and equal to plain transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

import ftkit
import tiny_masks

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """`model`, `cells/train` and `cells/test`, and `run`, which was trained on them."""
    folder = tmp_path_factory.mktemp("masks")
    tiny_masks.make_segformer(folder / "model")
    tiny_masks.make_cells(folder / "cells" / "train", count=16)
    tiny_masks.make_cells(folder / "cells" / "test", count=3, seed=1, size=(33, 47))
    ftkit.train(tiny_masks.mask_config(folder / "model", folder / "cells", folder, train={"num_train_epochs": 12}))
    return folder


def test_cells_are_learnt_and_scored_at_the_images_own_size(place: Path) -> None:
    results = json.loads((place / "run" / "all_results.json").read_text())
    assert results["proof"]["same_predictions"] is True
    assert results["test_mean_iou"] > 0.7 > results["test_baseline_most_frequent_class"]
    folder = place / "run" / "predictions"
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    expected, predicted = [], []
    for row in rows:
        image = Image.open(folder / row["mask"])
        assert (image.mode, image.size) == ("P", (33, 47))
        expected.append(
            np.asarray(Image.open(place / "cells" / "test" / row["id"].replace("images", "masks"))).ravel()
        )
        predicted.append(np.asarray(image).ravel())
        share = float((predicted[-1] == 255).mean())
        assert row["shares"] == pytest.approx({"0": 1 - share, "255": share})
    iou = jaccard_score(np.concatenate(expected), np.concatenate(predicted), average=None, labels=[0, 255])
    assert results["test_mean_iou"] == pytest.approx(iou.mean())


def test_plain_transformers_predict_the_same(place: Path) -> None:
    from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

    path = place / "cells" / "test" / "images" / "0.png"
    found = ftkit.load(place / "run").predict([path])[0]
    processor = AutoImageProcessor.from_pretrained(place / "run", backend="pil")
    model = AutoModelForSemanticSegmentation.from_pretrained(place / "run").eval()
    with torch.inference_mode():
        outputs = model(**processor(Image.open(path).convert("RGB"), return_tensors="pt"))
    plain = processor.post_process_semantic_segmentation(outputs, target_sizes=[(47, 33)])[0]
    assert np.array_equal(found["mask"], plain.numpy())
    assert model.config.id2label == {0: "0", 1: "255"}


def test_masks_are_written_beside_the_rows_and_never_over_others(
    place: Path, tmp_path: Path, command: Command
) -> None:
    images = place / "cells" / "test" / "images"
    code, _, said = command("predict", place / "run", "--input", images, "--output", tmp_path / "out.jsonl")
    assert code == 0, said
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["mask"] for row in rows] == [f"out_files/{number}.png" for number in range(3)]
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", "out_files"}
    code, _, said = command("predict", place / "run", "--input", images, "--output", tmp_path / "out.jsonl")
    assert code == 2
    assert "out_files is there already" in said
    drawn = tmp_path / "drawn"
    code, out, said = command("predict", place / "run", "--input", images / "0.png", "--draw", drawn)
    (picture,) = (Image.open(path) for path in drawn.iterdir())
    assert picture.width == 33
    assert picture.height > 47, "the classes are named below"
    assert code == 0, said
    assert json.loads(out).keys() == {"id", "shares", "score"}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("model_type", ["segformer", "dpt"])
def test_lora_is_proven_and_loads_in_plain_peft(model_type: str, place: Path, tmp_path: Path) -> None:
    """DPT's head holds a module that is called as it is."""
    from peft import PeftModel
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForSemanticSegmentation

    checkpoint = tiny_masks.make_checkpoint(model_type, tmp_path / "model")
    tuner = {"method": "lora", "rank": 4}
    run = ftkit.train(tiny_masks.mask_config(checkpoint, place / "cells", tmp_path, tuner=tuner))
    assert run.metrics["proof"]["same_predictions"] is True
    config = AutoConfig.from_pretrained(run.output_dir)
    base = AutoModelForSemanticSegmentation.from_pretrained(checkpoint, config=config)
    model = PeftModel.from_pretrained(base, run.output_dir).eval()
    path = place / "cells" / "test" / "images" / "0.png"
    processor = AutoImageProcessor.from_pretrained(run.output_dir, backend="pil")
    with torch.inference_mode():
        outputs = model(**processor(Image.open(path).convert("RGB"), return_tensors="pt"))
    plain = processor.post_process_semantic_segmentation(outputs, target_sizes=[(47, 33)])[0]
    assert np.array_equal(ftkit.load(run.output_dir).predict([path])[0]["mask"], plain.numpy())
