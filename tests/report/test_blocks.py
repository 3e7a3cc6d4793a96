"""Blocks, readings and usages: what a kind names is there, and a new kind needs nothing else."""

from __future__ import annotations

import base64
import functools
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_contents as contents
from huggingface_hub import ModelCard
from PIL import Image

from ftkit.errors import FtkitError
from ftkit.kinds.table import KINDS, find_kind
from ftkit.report import template
from ftkit.report.blocks.block import Block, block_values, find_block
from ftkit.report.card import card_text, card_values
from ftkit.report.content import ReportContent
from ftkit.report.files import rebuild, write_report
from ftkit.report.named import load
from ftkit.report.page import page_html, page_values
from ftkit.report.readings.reading import Reading, find_reading
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Card, Report, read_report
from ftkit.report.shared import shared_files
from ftkit.report.table import BLOCKS, READINGS, USAGES
from ftkit.report.usage.load import LoadRecipe
from ftkit.report.usage.usage import Usage, find_usage
from ftkit.report.values import BlockValues, ReadingFacts
from ftkit.types import PROBLEM_TYPES

LABELLED = ("text-classification", "image-classification", "audio-classification")
TEMPLATES = Path(template.__file__).parent / "templates"
CONTENTS: dict[str, Callable[[], ReportContent]] = {
    "single": contents.single_label_content,
    "several": contents.multi_label_content,
    "numbers": contents.regression_content,
    "tags": contents.tagging_content,
    "plain tags": contents.plain_tagging_content,
    "written": contents.translation_content,
    "answers": contents.answer_content,
    "replies": contents.chat_content,
    "pairs": contents.preference_content,
    "images": contents.image_content,
    "augmented": contents.augmented_content,
    "masks": contents.mask_content,
    "written about images": contents.image_text_content,
    "boxes": contents.detection_content,
    "recordings": contents.audio_content,
    "choices": contents.choice_content,
    "rankings": contents.ranking_content,
    "similarities": contents.similarity_content,
    "searches": contents.search_content,
    "searches for images": contents.image_search_content,
    "summaries": contents.summary_content,
    "transcripts": contents.speech_content,
    "hidden tokens": contents.fill_mask_content,
    "a kind of one's own": lambda: contents.single_label_content(reading="any", blocks=(), recipe=LoadRecipe()),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_a_model_and_a_template(name: str) -> None:
    block = find_block(name)
    assert isinstance(block, Block)
    assert issubclass(block.model, BlockValues)
    assert (TEMPLATES / "blocks" / block.template).is_file()


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_is_a_model_and_a_template(name: str) -> None:
    reading = find_reading(name)
    assert isinstance(reading, Reading)
    assert issubclass(reading.facts, ReadingFacts)
    assert (TEMPLATES / "cards" / reading.template).is_file()


@pytest.mark.parametrize("name", USAGES)
def test_a_usage_has_a_recipe(name: str) -> None:
    usage = find_usage(name)
    assert isinstance(usage, Usage)
    assert issubclass(usage.recipe, Recipe)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_names_is_there(kind: Any) -> None:
    found = find_kind(kind)
    for group in PROBLEM_TYPES if kind in LABELLED else (kind, "plain-tags"):
        assert set(found.blocks(group)) <= set(BLOCKS)
        assert found.reading(group) in READINGS
    assert {adapter.usage for adapter in found.task_adapters.values()} <= set(USAGES)


def test_every_block_and_reading_is_shown_by_a_content_of_these_tests() -> None:
    made = [make() for make in CONTENTS.values()]
    assert {name for content in made for name in content.blocks} == set(BLOCKS)
    assert {content.reading for content in made} == set(READINGS)
    assert {content.recipe.usage for content in made} == set(USAGES)


def test_a_kind_that_names_nothing_has_a_report_all_the_same(tmp_path: Path) -> None:
    write_report(tmp_path, CONTENTS["a kind of one's own"]())
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Accuracy on test" in page
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "With ftkit:\n\n```python\nimport ftkit\n" in card
    assert 'ftkit.load(run).predict(["Where is my order?' in card
    assert "## Labels" not in card
    shared = shared_files(tmp_path, repo_id="owner/name", with_texts=False)
    assert not any("Where is my order" in text for text in shared.values())


@pytest.mark.parametrize("name", CONTENTS)
def test_blocks_are_saved_in_the_order_in_which_the_kind_names_them(name: str, tmp_path: Path) -> None:
    content = CONTENTS[name]()
    write_report(tmp_path, content)
    saved = json.loads((tmp_path / "report.json").read_bytes())["page"]["results"]["blocks"]
    assert [block["block"] for block in saved] == list(content.blocks)
    results = read_report(tmp_path).page.results
    assert results is not None
    assert [type(block) for block in results.blocks] == [find_block(block).model for block in content.blocks]


def test_a_block_with_nothing_to_show_is_left_out() -> None:
    content = contents.multi_label_content(blocks=("reliability", "label-scores", "label-set-errors"))
    assert [block["block"] for block in block_values(content, content.evaluated[0])] == [
        "label-scores",
        "label-set-errors",
    ]


def test_a_name_that_is_not_in_the_table_is_told_with_the_closest() -> None:
    with pytest.raises(FtkitError, match=r"no block 'confuson'. Did you mean 'confusion'\? There is .*label-f1"):
        load(BLOCKS, "confuson", noun="block")


NEEDED = {"hear": {"seconds": 5.0}}
"""Usage -> what its recipe cannot do without."""


@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("reading", READINGS)
def test_parts_that_do_not_belong_together_are_written_all_the_same(reading: str, usage: str) -> None:
    """A report of a stranger may name any of them, with any values that their models take."""
    values = json.loads(_card())
    values["facts"] = dict.fromkeys(find_reading(reading).facts.model_fields) | {"reading": reading}
    values["recipe"] = {"usage": usage, "auto_class": "AutoModel", **NEEDED.get(usage, {})}
    for reads_pairs in (False, True):
        for inputs in (["a"], ["a", "b", "c"]):
            values["reads_pairs"] = reads_pairs
            values["example"] |= {"inputs": inputs, "quotes": inputs[:1]}
            card = Card.model_validate(values)
            assert "## How to use" in card_text("x", card, name="owner/x", is_folder=False)


@functools.cache
def _card() -> str:
    content = contents.single_label_content(evaluated=contents.single_label_content().evaluated[:1])
    return card_values(content).model_dump_json()


# --- pictures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of images, drawn once: never write to it."""
    folder = tmp_path_factory.mktemp("finished")
    write_report(folder, contents.image_content())
    return folder


@pytest.fixture
def report_of_images(finished: Path, tmp_path: Path) -> Path:
    """A copy of that report, to be changed."""
    return Path(shutil.copytree(finished, tmp_path, dirs_exist_ok=True))


def _rows(report: str | bytes) -> list[dict[str, Any]]:
    return json.loads(report)["page"]["results"]["blocks"][-1]["rows"]


def test_images_are_to_be_seen(report_of_images: Path) -> None:
    page = (report_of_images / "report.html").read_text(encoding="utf-8")
    rows = _rows((report_of_images / "report.json").read_bytes())
    assert page.count('<img src="data:image/jpeg;base64,') == len(rows) > 1
    pixels = Image.open(io.BytesIO(base64.b64decode(rows[0]["thumbnail"].partition(",")[2])))
    assert pixels.size == (96, 48)
    card = ModelCard.load(report_of_images / "README.md").text
    assert "With ftkit, an image, or a file" in card
    assert "It answers every image with one of the 2 labels" in card
    (report_of_images / "report.html").unlink()
    rebuild(report_of_images)
    assert (report_of_images / "report.html").read_text(encoding="utf-8") == page


def test_an_image_that_has_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    content = contents.image_content()
    (split,) = content.evaluated
    gone = [replace(example, image=str(tmp_path / example.name)) for example in split.split.examples]
    split.split.examples[:] = gone  # type: ignore[index]
    write_report(tmp_path, content)
    assert {row["thumbnail"] for row in _rows((tmp_path / "report.json").read_bytes())} == {None}
    assert "<img" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_images_stay_at_home(report_of_images: Path) -> None:
    shared = shared_files(report_of_images, repo_id="owner/name", with_texts=False)
    assert not any(found in text for text in shared.values() for found in ("data:image", "cat/", "dog/"))
    assert [row["weight"] for row in _rows(shared["report.json"])] == [
        row["weight"] for row in _rows((report_of_images / "report.json").read_bytes())
    ]
    assert "data:image" in shared_files(report_of_images, repo_id="owner/x", with_texts=True)["report.html"]


SVG = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>').decode()


@pytest.mark.parametrize(
    "url",
    [
        "http://a.b/c.jpg",
        f"data:image/svg+xml;base64,{SVG}",
        f"data:image/png;base64,{SVG}",
        '"><script>alert(1)</script>',
        "",
    ],
)
def test_a_stranger_s_picture_that_is_none_is_left_out(url: str, report_of_images: Path) -> None:
    path = report_of_images / "report.json"
    value = json.loads(path.read_bytes())
    rows = value["page"]["results"]["blocks"][-1]["rows"]
    rows[0]["thumbnail"] = url
    path.write_text(json.dumps(value), encoding="utf-8")
    rebuild(report_of_images)
    page = (report_of_images / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == len(rows) - 1
    assert "<script" not in page
    assert _rows(path.read_bytes())[0]["thumbnail"] is None


def test_the_values_of_one_block_are_not_those_of_another(report_of_images: Path) -> None:
    value = json.loads((report_of_images / "report.json").read_bytes())
    value["page"]["results"]["blocks"][-1]["block"] = "scatter"
    with pytest.raises(ValueError, match=r"svg: Field required|rows: Extra inputs"):
        Report.model_validate(value)


def test_of_changed_rows_nothing_is_left_where_data_stay_at_home() -> None:
    page = page_values(contents.augmented_content())
    html = page_html("run", page)
    assert html.count("data:audio/mpeg;base64,") == 4
    assert "a &lt;b&gt;txet&lt;/b&gt;" in html
    assert page.results is not None
    bare = page.model_copy(update={"results": page.results.without_texts()})
    html = page_html("run", bare, has_texts=False)
    assert "How training rows were changed" not in html
    assert "data:image" not in html
    assert "txet" not in html
