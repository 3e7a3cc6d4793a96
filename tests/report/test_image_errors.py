"""The errors of an image classifier: seen small where the data may be shown, as labels alone where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import report_contents as contents
from PIL import Image

from ftkit.data.images import ImageExample
from ftkit.report.blocks.block import block_values
from ftkit.report.blocks.image_errors import ImageErrors
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.page import page_html, page_values
from ftkit.report.usage.see import SeeRecipe
from ftkit.types import Split

LABELS = ("cat", "dog")


@pytest.fixture
def content(tmp_path: Path) -> ReportContent:
    examples = []
    for index, label in enumerate(("cat", "dog", "cat", "dog")):
        Image.new("RGB", (300, 200), (index * 60, 0, 0)).save(tmp_path / f"{index}.png")
        examples.append(ImageExample(index, str(tmp_path / f"{index}.png"), f"{label}/{index}.png", label))
    (tmp_path / "2.png").unlink()  # gone since it was scored
    split = EvaluatedSplit(
        "test",
        Split("test", str(tmp_path / "photos"), examples),
        predictions=np.array([1, 0, 1, 1]),
        references=np.array([0, 1, 0, 1]),
        confidences=np.array([0.6, 0.9, 0.8, 0.7]),
    )
    return contents.single_label_content(
        label_names=LABELS, evaluated=[split], blocks=("image-errors",), recipe=SeeRecipe(), input_name="image"
    )


def test_the_surest_errors_come_first_each_with_its_picture(content):
    (values,) = block_values(content, content.evaluated[0])
    found = ImageErrors.model_validate(values)
    assert [(row.name, row.expected, row.predicted, row.weight) for row in found.rows] == [
        ("dog/1.png", "dog", "cat", "0.9000"),
        ("cat/2.png", "cat", "dog", "0.8000"),
        ("cat/0.png", "cat", "dog", "0.6000"),
    ]
    assert [row.thumbnail is not None for row in found.rows] == [True, False, True]
    assert found.caption == "3 of 3 wrong images of photos, the surest first."


def test_the_page_shows_pictures_only_where_it_shows_the_data(content):
    page = page_values(content)
    shown = page_html("a run", page)
    assert shown.count('<img src="data:image/jpeg;base64,') == 2
    assert "dog/1.png" in shown
    assert page.results is not None
    bare = page.model_copy(update={"results": page.results.without_texts()})
    kept = page_html("a run", bare, has_texts=False)
    assert "data:image" not in kept
    assert "dog/1.png" not in kept
    assert "Images are kept at home" in kept


def test_a_stranger_s_picture_is_none_that_is_no_picture(content):
    (values,) = block_values(content, content.evaluated[0])
    rows = [{**vars(row), "thumbnail": "https://example.org/seen.gif"} for row in values["rows"]]
    found = ImageErrors.model_validate({**values, "rows": rows})
    assert [row.thumbnail for row in found.rows] == [None] * 3
