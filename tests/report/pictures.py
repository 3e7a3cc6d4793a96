"""A kind that the report does not know: pictures with one label, as its own part of the report would be written."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import report_contents as contents
from PIL import Image

from ftkit.report.blocks.block import Block
from ftkit.report.blocks.error_table import worst_rows
from ftkit.report.blocks.label_errors import confidence_text, error_confidences
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.escape import literal
from ftkit.report.readings.label import label_answers
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Card
from ftkit.report.usage.loading import named
from ftkit.report.usage.usage import Usage
from ftkit.report.values import BlockValues, Thumbnail
from ftkit.types import Split

BLOCKS = {"picture-errors": "pictures:BLOCK"}
USAGES = {"look": "pictures:USAGE"}
TEMPLATES = {
    "blocks/picture_errors.html": """\
<h3>Most confident errors</h3>
<section class="panel">
{% for row in b.rows %}
<p>{% if row.thumbnail %}<img src="{{ row.thumbnail }}" alt="">{% endif %} {{ row.line }}: {{ row.answers[1] }}</p>
{% endfor %}
</section>
"""
}


def data_url(picture: Image.Image, format: str) -> str:
    data = io.BytesIO()
    picture.save(data, format)
    return f"data:image/{format.lower()};base64,{base64.b64encode(data.getvalue()).decode()}"


@dataclass(frozen=True)
class PictureExample:
    id: str
    line: int
    path: str
    label: str

    @property
    def size(self) -> int:
        return 1

    def key(self) -> Hashable:
        return self.path

    def summary(self) -> str:
        return self.path.rpartition("/")[2]


# --- the block ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PictureRow:
    line: int
    thumbnail: Thumbnail
    answers: tuple[str, str]
    weight: str


class PictureErrors(BlockValues):
    rows: tuple[PictureRow, ...]

    def without_texts(self) -> PictureErrors:
        return self.model_copy(update={"rows": tuple(replace(row, thumbnail=None) for row in self.rows)})


def _values(content: ReportContent, split: EvaluatedSplit) -> dict[str, Any]:
    confidences = error_confidences(split)
    rows = [
        PictureRow(
            line=split.split.examples[row].line,
            thumbnail=data_url(Image.new("RGB", (96, 64), (row % 256, 0, 0)), "JPEG"),
            answers=label_answers(content, split, row),
            weight=confidence_text(split, float(confidences[row])),
        )
        for row in worst_rows(confidences)
    ]
    return {"rows": rows}


BLOCK = Block(values=_values, model=PictureErrors, template="picture_errors.html")


# --- the usage ----------------------------------------------------------------------------------------------


class LookRecipe(Recipe):
    auto_class: str = "AutoModelForImageClassification"


def _code(card: Card, name: str, is_folder: bool) -> list[str]:
    path = "photo.jpg" if card.example is None else card.example.inputs[0]
    return [
        "from transformers import pipeline",
        "",
        named("run", name, is_folder=is_folder),
        f'print(pipeline("image-classification", model=run)({literal(path)})[0])',
    ]


USAGE = Usage(
    recipe=LookRecipe,
    inputs=lambda example: (example.path,),
    code=_code,
    arguments=lambda card: "--input photo.jpg",
    files=("photos", "predictions.jsonl"),
)


def picture_content() -> ReportContent:
    """A run that tells pictures apart; its answers are labels, as a classifier's of texts."""
    names = ("cat", "dog")
    made = contents.single_label_split("test", names, num_rows=60, source="photos/test")
    examples = [
        PictureExample(id=f"p{row}", line=row + 1, path=f"photos/test/{row}.jpg", label=names[label])
        for row, label in enumerate(made.references)
    ]
    split = replace(made, split=Split("test", "photos/test", examples))
    accuracy = float(np.mean(split.predictions == split.references))
    return contents.content(
        [split],
        label_names=names,
        problem_type="single_label_classification",
        primary_metric="accuracy",
        scores={"test_accuracy": accuracy, "test_per_label": contents.per_label(split, names)},
        blocks=("label-f1", "confusion", "picture-errors"),
        recipe=LookRecipe(usage="look"),
        input_name="image",
    )
