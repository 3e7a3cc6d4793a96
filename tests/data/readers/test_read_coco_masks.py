"""COCO's outlines as masks: polygons, run lengths, crowds, what lies on what, and the names of the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ftkit.config.run_config import load_config
from ftkit.data.masks import open_mask
from ftkit.data.outlined_masks import wrong_outline
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import UserError
from ftkit.runs.checked_run import check_run

pycocotools_mask = pytest.importorskip("pycocotools.mask")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # numpy 2 to pycocotools


def box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def runs(left: int, top: int, right: int, bottom: int, *, compressed: bool) -> dict[str, Any]:
    mask = np.zeros((4, 6), np.uint8)
    mask[top:bottom, left:right] = 1
    if compressed:
        found = pycocotools_mask.encode(np.asfortranarray(mask))
        return {"counts": found["counts"].decode(), "size": found["size"]}
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, len(flat)]).tolist()
    return {"counts": [0, *counts] if flat[0] else counts, "size": [4, 6]}


def coco(folder: Path, annotations: list[dict[str, Any]], *, ids: tuple[int, int] = (3, 7), images: int = 3) -> Path:
    for number in range(images):
        Image.new("RGB", (6, 4), (number * 40, 0, 0)).save(folder / f"{number}.png")
    document = {
        "images": [{"id": number, "file_name": f"{number}.png", "width": 6, "height": 4} for number in range(images)],
        "annotations": [{"category_id": ids[0], **one} for one in annotations],
        "categories": [{"id": ids[0], "name": "cell"}, {"id": ids[1], "name": "dot"}],
    }
    (folder / "instances.json").write_text(json.dumps(document))
    return folder / "instances.json"


def masks(path: Path) -> list[list[list[int]]]:
    table = open_table(str(path), ReadOptions(media="image", outlined=True))
    return [open_mask(row.values["mask"]).tolist() for row in table.rows]


def test_regions_are_drawn_and_the_smaller_lies_on_the_larger(tmp_path: Path) -> None:
    path = coco(tmp_path, [
        {"image_id": 0, "category_id": 7, "segmentation": box(1, 1, 3, 3)},
        {"image_id": 0, "segmentation": box(0, 0, 4, 4)},
        {"image_id": 1, "segmentation": runs(0, 0, 2, 4, compressed=False)},
        {"image_id": 1, "category_id": 7, "segmentation": runs(4, 0, 6, 2, compressed=True)},
        {"image_id": 1, "segmentation": box(0, 0, 6, 4), "iscrowd": 1},
    ])  # fmt: skip
    on, crowd, nothing = masks(path)
    assert on == [[3, 3, 3, 3, 0, 0], [3, 7, 7, 3, 0, 0], [3, 7, 7, 3, 0, 0], [3, 3, 3, 3, 0, 0]]
    assert crowd == [[3, 3, 255, 255, 7, 7]] * 2 + [[3, 3, 255, 255, 255, 255]] * 2
    assert nothing == [[0] * 6] * 4


def test_of_equal_regions_the_later_lies_above_and_a_category_0_is_none_of_the_background(tmp_path: Path) -> None:
    both = [{"image_id": 0, "category_id": number, "segmentation": box(0, 0, 6, 4)} for number in (0, 5)]
    assert masks(coco(tmp_path, both, ids=(0, 5)))[0] == [[6] * 6] * 4
    assert masks(coco(tmp_path, both[::-1], ids=(0, 5)))[0] == [[1] * 6] * 4


def run_of(path: Path, folder: Path, **data: Any) -> Any:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "config.json").write_text(json.dumps({"model_type": "segformer"}))
    (folder / "model" / "model.safetensors").touch()
    model, section = {"checkpoint": str(folder / "model")}, {"train": str(path), "test": str(path), **data}
    return check_run(load_config({"task": "image-segmentation", "model": model, "data": section, "output_dir": "no"}))


def test_classes_have_the_names_of_the_categories(tmp_path: Path) -> None:
    found = [{"image_id": 0, "segmentation": box(0, 0, 4, 4)}, {"image_id": 1, "segmentation": box(0, 0, 1, 1)}]
    path = coco(tmp_path, [*found, {"image_id": 2, "segmentation": box(0, 0, 1, 1), "iscrowd": 1}])
    run = run_of(path, tmp_path)
    assert run.labels.names == ("background", "cell", "dot")
    assert run.config.data.ignore_index == 255
    assert run.splits["train"].examples[0].class_counts == {0: 8, 1: 16}
    assert run.splits["train"].examples[2].class_counts == {0: 23}


@pytest.mark.parametrize(("annotation", "data", "message"), [
    ({"segmentation": [[1, 2, 3]]}, {}, r"annotations\[0\]: a polygon has fewer than three corners"),
    ({"segmentation": []}, {}, r"annotations\[0\]: it has no segmentation"),
    ({"bbox": [1, 2, 3, 4]}, {}, "there is no 'segmentation'"),
    ({"segmentation": {"counts": "04"}}, {}, "lack counts or size"),
    ({"segmentation": {"counts": [0, 5], "size": [4, 6]}}, {}, r"annotations\[0\]: its run lengths do not add up"),
    ({"segmentation": {"counts": [-1, 25], "size": [4, 6]}}, {}, "do not add up to the 24 pixels"),
    ({"segmentation": {"counts": "04\u00fc", "size": [4, 6]}}, {}, "do not add up to the 24 pixels"),
    ({"segmentation": {"counts": [24], "size": [6, 4]}}, {}, r"have the size \[6, 4\], and its image \[4, 6\]"),
    ({"segmentation": [[0, 0, 4, 0, "x", 4]]}, {}, "a polygon holds 'x', which is no number"),
    ({"segmentation": box(0, 0, 4, 4)}, {"colors": {"a": [0, 0, 1], "b": [0, 0, 0]}}, "outlines, and have no colours"),
])  # fmt: skip
def test_mistakes(annotation: dict[str, Any], data: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        run_of(coco(tmp_path, [{"image_id": 0, **annotation}]), tmp_path, **data)


def test_categories_that_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the id 'a' of 'cell' is no whole number"):
        masks(coco(tmp_path, [{"image_id": 0, "segmentation": box(0, 0, 1, 1)}], ids=("a", "b")))  # type: ignore[arg-type]


def test_run_lengths_of_any_mask_are_known_and_cut_ones_are_not() -> None:
    random = np.random.default_rng(0)
    for share in (0.01, 0.3, 0.9):
        found = pycocotools_mask.encode(np.asfortranarray(random.random((90, 70)) < share, np.uint8))
        outline = {"counts": found["counts"].decode(), "size": found["size"]}
        assert wrong_outline(outline, 70, 90) is None
        assert "do not add up" in str(wrong_outline({**outline, "counts": outline["counts"][:-3]}, 70, 90))


def test_outlines_that_reach_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert masks(coco(tmp_path, [{"image_id": 0, "segmentation": box(4, 0, 7, 4)}]))[0][0] == [0, 0, 0, 0, 3, 3]
    assert "reach out" not in capsys.readouterr().err
    masks(coco(tmp_path, [{"image_id": 0, "segmentation": box(4, 0, 60, 4)}]))
    assert "1 outlines reach out of their images and are cut, such as annotations[0]" in capsys.readouterr().err
