"""Semantic segmentation: what masks hold is found, decided, told, and refused by file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_masks
from ftkit.data.problems import Problems
from ftkit.errors import ConfigError, DataError
from ftkit.kinds.image_segmentation import KIND, class_pixels
from ftkit.kinds.mask_classes import classes_of, names_of_values
from ftkit.kinds.splits import read_splits

TASK = KIND.task


def checked(folder: Path, *, test: Path | None = None, **keys: Any) -> tuple[Any, Any, Problems]:
    """Returns splits, data section and problems, as a run is checked."""
    data = KIND.data(train=str(folder), test=None if test is None else str(test), **keys)
    problems = Problems()
    as_read = read_splits(KIND, TASK, data, KIND.columns_of(TASK, data), seed=0)
    splits, data = KIND.normalize(as_read, TASK, data, problems)
    KIND.check(splits, KIND.labels(splits["train"], TASK, data), TASK, data, problems)
    return splits, data, problems


def write_mask(folder: Path, number: int, values: Any, *, mode: str = "L") -> None:
    Image.fromarray(np.asarray(values, np.uint8), None if mode == "L" else mode).save(folder / f"masks/{number}.png")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    return tiny_masks.make_cells(tmp_path / "cells", count=3, size=(4, 4))


# --- files ---


def test_folders_are_paired_by_name_in_natural_order(cells: Path) -> None:
    shutil.move(cells / "images" / "1.png", cells / "images" / "10.png")
    shutil.move(cells / "masks" / "1.png", cells / "masks" / "10.png")
    examples = checked(cells)[0]["train"].examples
    assert [example.id for example in examples] == ["images/0.png", "images/2.png", "images/10.png"]
    assert [example.mask_name for example in examples] == ["masks/0.png", "masks/2.png", "masks/10.png"]


def test_folders_of_other_names(cells: Path) -> None:
    (cells / "images").rename(cells / "scans")
    (cells / "masks").rename(cells / "truth")
    with pytest.raises(DataError, match="put into cells/ a folder for each, such as image as images/"):
        checked(cells)
    assert len(checked(cells, image_folder="scans", mask_folder="truth")[0]["train"]) == 3


def test_two_folders_that_may_hold_the_masks(cells: Path) -> None:
    shutil.copytree(cells / "masks", cells / "labels")
    with pytest.raises(DataError, match=r"'labels', 'masks'.*\nFix: say which: data\.mask_folder: labels"):
        checked(cells)
    assert not checked(cells, mask_folder="labels")[2]


def test_a_table_names_images_and_masks(cells: Path) -> None:
    (cells / "rows.csv").write_text("image,truth\nimages/0.png,masks/0.png\nimages/1.png,\n")
    splits, _, problems = checked(cells / "rows.csv", columns={"mask": "truth"})
    assert [example.name for example in splits["train"].examples] == ["images/0.png"]
    with pytest.raises(DataError, match=r"train: there is no mask\n.*rows\.csv, line 3"):
        problems.raise_if_any()


def test_partners_that_are_missing(cells: Path) -> None:
    (cells / "masks" / "1.png").unlink()
    with pytest.raises(DataError, match=r"train: there is no mask\n.*images/1\.png"):
        checked(cells)[2].raise_if_any()
    (cells / "images" / "2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 files in masks/ have no partner in images/.*'masks/2\.png'"):
        checked(cells)


def test_a_mask_of_another_size_is_named(cells: Path) -> None:
    write_mask(cells, 1, np.zeros((2, 4)))
    with pytest.raises(DataError, match=r"masks/1\.png of 4 x 2 pixels for images/1\.png of 4 x 4"):
        checked(cells)[2].raise_if_any()


# --- checkpoints ---


def test_a_processor_that_keeps_shapes_or_crops_is_made_to_show_whole_images(tmp_path: Path) -> None:
    from transformers import DPTImageProcessorPil, MobileViTImageProcessorPil

    from ftkit.models.image_processors import resize_whole, stated_size, tensor_shape

    keeps = DPTImageProcessorPil(size={"height": 32, "width": 64}, keep_aspect_ratio=True)
    crops = MobileViTImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    for processor, size in ((keeps, (32, 64)), (crops, (32, 32))):
        assert stated_size(processor) == size
        resize_whole(processor, *size)
        assert tensor_shape(processor, None) == (3, *size)  # type: ignore[arg-type]


# --- values ---


def test_the_values_of_train_are_the_classes(cells: Path) -> None:
    splits, data, problems = checked(cells)
    assert not problems
    assert names_of_values(data) == {0: "0", 255: "255"}
    assert data.ignore_index is None
    assert KIND.labels(splits["train"], TASK, data).names == ("0", "255")
    assert class_pixels(splits["train"]) == {0: 36, 1: 12}
    assert KIND.told(splits, data) == {
        "masks": ["the value 0: '0', 36 pixels (75.0%)", "the value 255: '255', 12 pixels (25.0%)"]
    }


@pytest.mark.parametrize(
    ("values", "keys", "ignored"),
    [
        ((0, 255), {}, None),
        ((0, 128, 255), {}, None),
        ((0, 1, 255), {}, 255),
        ((3, 40, 255), {}, 255),
        ((0, 128, 255), {"classes": {0: "a", 128: "b"}}, 255),
        ((0, 1, 255), {"classes": {0: "a", 1: "b", 255: "c"}}, None),
        ((0, 1, 255), {"ignore_index": 0}, 0),
    ],
)
def test_255_is_left_out_where_it_is_no_class(
    cells: Path, values: tuple[int, ...], keys: dict[str, Any], ignored: int | None
) -> None:
    write_mask(cells, 0, np.resize(np.array(values), (4, 4)))
    for number in (1, 2):
        write_mask(cells, number, np.resize(np.array(values[:2]), (4, 4)))
    _, data, problems = checked(cells, **keys)
    assert classes_of(data).ignored == ignored
    told = [warning for warning in problems.warnings if "left out of loss and scores" in warning]
    assert len(told) == (ignored == 255)


@pytest.mark.parametrize(("values", "message"), [
    ((0, 255, 255, 255, 7), "may be a class, or mean .of no class. beside 255(.|\n)*fix: say data.ignore_index: 255"),
    (range(0, 256, 3), "masks hold 86 different values, and nobody names them"),
])  # fmt: skip
def test_values_that_may_be_a_slip_are_asked_for(cells: Path, values: Sequence[int], message: str) -> None:
    for number in range(3):
        write_mask(cells, number, np.resize(np.array(values), (4, 4)))
    if len(values) > 16:
        cells = tiny_masks.make_cells(cells / "large", count=2, size=(10, 10))
        write_mask(cells, 0, np.resize(np.array(values), (10, 10)))
    with pytest.raises(DataError, match=message):
        checked(cells)[2].raise_if_any()


def test_the_sheet_shows_images_under_the_colours_of_their_classes(cells: Path) -> None:
    write_mask(cells, 0, np.array([[0, 0, 7, 7]] * 4))
    write_mask(cells, 1, np.zeros((4, 4)))
    splits, data, _ = checked(cells, classes={0: "ground", 7: "cell"})
    made = np.asarray(KIND.sheet(splits["train"].examples[:2], data))
    colors = classes_of(data).palette()
    first, second = made[:, :320], made[:, 336:]
    assert (first == colors[1]).all(-1).any()
    assert not (second == colors[1]).all(-1).any()


def test_names_are_equal_however_their_letters_are_encoded(cells: Path) -> None:
    (cells / "images" / "1.png").rename(cells / "images" / "\u00e9.png")
    (cells / "masks" / "1.png").rename(cells / "masks" / "e\u0301.png")
    splits, _, problems = checked(cells)
    assert not problems
    assert "\u00e9.png" in [Path(example.image).name for example in splits["train"].examples]


def test_values_that_only_another_split_holds_are_named_by_file(cells: Path, tmp_path: Path) -> None:
    test = tiny_masks.make_cells(tmp_path / "test", count=2, size=(4, 4))
    write_mask(test, 1, np.full((4, 4), 9))
    with pytest.raises(DataError) as caught:
        checked(cells, test=test)[2].raise_if_any()
    assert "test: masks hold the value 9, which no mask of train holds" in str(caught.value)
    assert "masks/1.png" in str(caught.value)
    assert "data.classes: {9: NAME}" in str(caught.value)
    declared = checked(cells, test=test, classes={0: "a", 255: "b", 9: "c"})[2]
    assert not declared
    assert any("no pixel is of the class 'c'" in warning for warning in declared.warnings)
    assert not checked(cells, test=test, ignore_index=9)[2]


def test_colours_are_asked_for_and_then_read(cells: Path) -> None:
    colors = np.zeros((4, 4, 3), np.uint8)
    colors[:2] = (128, 0, 0)
    for number in range(3):
        Image.fromarray(colors).save(cells / f"masks/{number}.png")
    with pytest.raises(DataError, match=r"data\.colors: \{NAME: \[0, 0, 0\], NAME: \[128, 0, 0\]\}") as caught:
        checked(cells)[2].raise_if_any()
    assert "[0, 0, 0] (50.0%), [128, 0, 0] (50.0%)" in str(caught.value)
    splits, data, problems = checked(cells, colors={"road": (128, 0, 0), "sky": (0, 0, 0)})
    assert not problems
    assert KIND.labels(splits["train"], TASK, data).names == ("road", "sky")
    assert class_pixels(splits["train"]) == {0: 24, 1: 24}
    with pytest.raises(DataError, match=r"masks hold the colour \[0, 0, 0\], which is no class"):
        checked(cells, colors={"road": (128, 0, 0), "sky": (0, 0, 9)})[2].raise_if_any()
    left_out = checked(cells, colors={"road": (128, 0, 0), "sky": (0, 0, 9)}, ignore_index=(0, 0, 0))[2]
    assert not left_out


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": ["a", "b"], "colors": {"a": (0, 0, 0)}}, "both name the classes"),
        ({"classes": ["a", "a"]}, "is given twice"),
        ({"classes": {0: "a", 255: "b"}, "ignore_index": 255}, r"data\.ignore_index: the value 255 is a class"),
        ({"colors": {"a": (0, 0, 0), "b": (1, 1, 1)}, "ignore_index": 3}, "expected a colour"),
        ({"ignore_index": (1, 2, 3)}, "expected one number"),
    ],
)
def test_classes_that_contradict_one_another(cells: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked(cells, **keys)


def test_masks_of_one_class_teach_nothing(cells: Path) -> None:
    for number in range(3):
        write_mask(cells, number, np.zeros((4, 4)))
    with pytest.raises(DataError, match="masks hold 1 class"):
        checked(cells)[2].raise_if_any()


def test_what_is_held_out_leaves_a_mask_with_every_value_in_train(cells: Path) -> None:
    write_mask(cells, 1, np.full((4, 4), 9))
    for seed in range(4):
        data = KIND.data(train=str(cells), test=0.4)
        splits = read_splits(KIND, TASK, data, KIND.columns_of(TASK, data), seed=seed)
        assert "images/1.png" in [example.id for example in splits["train"].examples]


def test_what_is_wrong_is_told_by_the_command_and_nothing_is_written(
    cells: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    import yaml

    write_mask(cells, 1, np.zeros((2, 4)))
    config = tiny_masks.mask_config(tiny_masks.make_segformer(tmp_path / "model"), tmp_path, tmp_path)
    config["data"] = {"train": str(cells)}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    code, _, said = command("train", tmp_path / "config.yaml")
    assert code == 2, said
    assert "masks/1.png of 4 x 2 pixels" in said
    assert not (tmp_path / "run").exists()
