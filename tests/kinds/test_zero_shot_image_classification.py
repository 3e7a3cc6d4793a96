"""Images with captions or labels: which columns hold what, what is refused, and what a finished run is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tiny_dual_encoders
from ftkit.config.run_config import load_config
from ftkit.data.readers import open_table
from ftkit.errors import ConfigError, DataError, UserError
from ftkit.kinds.kind import Kind
from ftkit.kinds.reading import read_options
from ftkit.kinds.table import find_kind
from ftkit.kinds.zero_shot_image_classification import ZeroShotImageData
from ftkit.run import check
from ftkit.runs import encoded_splits

KIND: Kind = find_kind("zero-shot-image-classification")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dual_encoders.make_checkpoint("clip", tmp_path_factory.mktemp("clip"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Rows], str]:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")

    def to_file(rows: Rows) -> str:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(tmp_path / "rows.jsonl")

    return to_file


def examples(file: str, **data: Any) -> list[Any]:
    section = KIND.found_in_files(KIND.task, ZeroShotImageData(train=file, **data))
    columns = KIND.columns_of(KIND.task, section)
    return list(KIND.read(open_table(file, read_options(section)), KIND.task, columns, section, with_labels=True))


@pytest.mark.parametrize(("row", "texts"), [
    ({"image": "a.png", "caption": "a cat"}, ("a cat",)),
    ({"file_name": "a.png", "text": ["a cat", "a pet"]}, ("a cat", "a pet")),
    ({"path": "a.png", "captions": '["a cat", "a pet"]'}, ("a cat", "a pet")),
    ({"image": "a.png", "caption_0": "a cat", "caption_1": "a pet", "caption_2": ""}, ("a cat", "a pet")),
    ({"image": "a.png", "caption": "a cat", "label": "cat"}, ("a cat",)),
])  # fmt: skip
def test_captions_are_found(row: dict[str, Any], texts: tuple[str, ...], write: Callable[[Rows], str]) -> None:
    (example,) = examples(write([row]))
    assert (example.texts, example.label) == (texts, None)
    assert example.image.endswith("a.png")
    assert example.group == example.image, "rows of one image stay on one side of a split"


def test_columns_that_are_named_win(write: Callable[[Rows], str]) -> None:
    file = write([{"image": "a.png", "caption": "a cat", "de": "eine Katze", "fr": "un chat", "label": "cat"}])
    assert examples(file, columns={"text": ["de", "fr"]})[0].texts == ("eine Katze", "un chat")
    assert examples(file, format="labels")[0].label == "cat"
    assert examples(file, columns={"label": "de"})[0].label == "eine Katze"


def test_a_folder_for_each_class_has_labels(tmp_path: Path) -> None:
    tiny_dual_encoders.make_classes(tmp_path / "photos", copies=1)
    found = examples(str(tmp_path / "photos"))
    assert {example.label for example in found} == {"red", "green", "blue", "black"}
    assert {example.texts for example in found} == {()}


@pytest.mark.parametrize(("rows", "data", "message"), [
    ([{"image": "a.png", "words": "x"}], {}, r"no column is known to hold labels or captions; .*\{label: COLUMN\}"),
    ([{"image": "a.png", "label": "x"}], {"format": "captions"}, r"hold captions; .*Fix: name it: .*\{text: COLUMN\}"),
    ([{"picture": "a.png", "label": "x"}], {}, r"there is no column 'image' \(data.columns.image\)"),
    ([{"image": "a.png", "label": "x"}], {"columns": {"text": "caption"}}, r"no column 'caption' \(data.columns.text"),
    ([{"image": "a.png", "caption": "x"}], {"labels": ["a", "b"]}, r"captions have none in training.*--labels cat"),
    ([{"image": "a.png", "label": "x"}], {"prompts": ["a photo"]}, r"'a photo' has no \{label\}.*Write for example"),
])  # fmt: skip
def test_what_is_refused_at_once(rows: Rows, data: Any, message: str, write: Callable[[Rows], str]) -> None:
    with pytest.raises((ConfigError, DataError)) as caught:
        examples(write(rows), **data)
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)


@pytest.mark.parametrize(("rows", "message"), [
    ([{"image": "a.png", "caption": ""}, {"image": "b.png", "caption": "x"}], "there is no caption"),
    ([{"image": "a.png", "caption": "   "}, {"image": "b.png", "caption": "x"}], "a caption is empty"),
    ([{"image": "a.png", "caption": {"en": "x"}}, {"image": "b.png", "caption": "x"}], "'caption' holds an object"),
    ([{"image": "no.png", "caption": "y"}, {"image": "b.png", "caption": "x"}], "no such file"),
    ([{"image": "rows.jsonl", "caption": "y"}, {"image": "b.png", "caption": "x"}], "no image that can be read"),
    ([{"image": None, "caption": "y"}, {"image": "b.png", "caption": "x"}], "there is no image"),
    ([{"image": "a.png", "caption": "y"}, {"image": "b.png", "caption": "y"}], "all images have the same caption"),
    ([{"image": "a.png", "label": ""}, {"image": "b.png", "label": "x"}], "the label is missing"),
])  # fmt: skip
def test_bad_rows_are_named(
    rows: Rows, message: str, write: Callable[[Rows], str], clip: Path, tmp_path: Path
) -> None:
    config = tiny_dual_encoders.config(clip, {"train": write(rows)}, tmp_path)
    with pytest.raises(DataError) as caught:
        check(load_config(config))
    assert message in str(caught.value)
    assert "rows.jsonl" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_image_on_both_sides_is_told(write: Callable[[Rows], str], clip: Path, tmp_path: Path) -> None:
    file = write([{"image": f"{name}.png", "caption": f"{name} {n}"} for name in "abc" for n in range(2)])
    config = tiny_dual_encoders.config(clip, {"train": file, "test": file}, tmp_path)
    assert any(warning.startswith("leak: 6 of 6 images of test") for warning in check(load_config(config)).warnings)
    held_out = tiny_dual_encoders.config(clip, {"train": file, "validation": 0.3}, tmp_path)
    run = check(load_config(held_out))
    assert len(run.splits["validation"]) == 2, "both rows of one image"
    assert not any("leak" in warning for warning in run.warnings)


def test_a_text_past_the_limit_is_told(
    write: Callable[[Rows], str], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = [*("a red bar", "a blue bar", "a " * 20 + "green bar"), *(["a long " * 12] * 2)]
    file = write([{"image": f"{'abcab'[row]}.png", "caption": text} for row, text in enumerate(captions)])
    config = load_config(tiny_dual_encoders.config(clip, {"train": file}, tmp_path))
    told = "longer in a text than the text tower reads, and cut there."
    assert f"60.0% of train (3 rows) is {told}" in check(config).warnings
    monkeypatch.setattr(encoded_splits, "MOST_ROWS", 4)
    monkeypatch.setattr(encoded_splits, "NUM_LONGEST", 2)
    assert f"100.0% of the 2 longest of train (2 rows) is {told}" in check(config).warnings


def test_checkpoints_that_are_no_dual_encoders(write: Callable[[Rows], str], tmp_path: Path, checkpoint: Any) -> None:
    file = write([{"image": f"{name}.png", "caption": name} for name in "abc"])
    with pytest.raises(ConfigError, match="checkpoint of family encoder that reads text. It works with 'dual-enc"):
        check(load_config(tiny_dual_encoders.config(checkpoint("bert"), {"train": file}, tmp_path)))


@pytest.mark.parametrize(("options", "message"), [
    ({"labels": ("cat", "cat")}, "--labels: 'cat' is given twice"),
    ({"labels": ("cat",)}, "--labels: expected two or more names"),
    ({"prompts": ("a photo",)}, "has no {label}"),
])  # fmt: skip
def test_labels_and_prompts_of_a_call(options: dict[str, Any], message: str) -> None:
    data = ZeroShotImageData(train="x", format="captions").model_copy(update=options)
    with pytest.raises(ConfigError) as caught:
        KIND.reopened(data, {"form": "captions"})
    assert message in str(caught.value)


def test_other_kinds_choose_among_their_own_labels() -> None:
    from ftkit.inference.opening_options import OpeningOptions

    choices = OpeningOptions(labels=("a", "b"))
    with pytest.raises(UserError, match="--labels: text-classification does not read it"):
        choices.data_of(find_kind("text-classification"))
    assert choices.data_of(KIND) == {"labels": ("a", "b")}
