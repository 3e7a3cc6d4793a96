"""Image classification: an image, and one label, several labels or a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.images import ImageAugment
from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems, check_labels
from ftkit.data.image_check import IMAGES, check_given, look_at_images
from ftkit.data.images import ImageExample
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.kinds import labelled, pictures
from ftkit.kinds.kind import Kind, Role, Settings
from ftkit.kinds.label_settings import saved_labels
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Split


class ImageClassificationData(labelled.LabelledData):
    """The `data` section of image classification."""

    augment: ImageAugment | None = Field(
        None,
        description="Random changes of training images. None unless set: a mirrored image may belong to another "
        "class, as the signs of two hands do.",
    )

    @property
    def media(self) -> str:
        """Rows name images."""
        return "image"


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: ImageClassificationData, *, with_labels: bool
) -> Iterator[ImageExample]:
    """Turns rows into examples one by one; no image is opened.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their label column may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        roles = [role for role in columns if with_labels or role == "image"]
        labelled.check_columns(table, columns, data, roles)
    labels = labelled.label_cells(task, data) if with_labels else None
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        fields = pictures.fields_of(cells, table, position, row.line)
        label = None if labels is None else labelled.read_label(cells, labels)
        yield ImageExample(**fields, label=label, cell_errors=cells.errors)


def normalize(
    splits: Mapping[str, Split], task: Task, data: ImageClassificationData, problems: Problems
) -> tuple[Mapping[str, Split], ImageClassificationData]:
    """Looks at every image once: what cannot be decoded is reported, and equal images are known by their digests."""
    return look_at_images(splits, problems), data


def check(
    splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: ImageClassificationData, problems: Problems
) -> None:
    """Reports everything that is wrong with the labels of a run, by file and row."""
    check_labels(
        list(splits.values()),
        problem_type=labels.problem_type,
        declared=labelled.declared_labels(task, data),
        problems=problems,
        wording=IMAGES,
    )


def input_example(position: int, item: Any) -> ImageExample:
    """Returns an input of `Predictor.predict` as an example; see `pictures.input_fields`."""
    return ImageExample(**pictures.input_fields(position, item))


def adapter_options(
    train: Split, labels: LabelSpace, data: ImageClassificationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with: a weight per label, the smoothing, and the changes of images."""
    return {**labelled.adapter_options(train, labels, data, settings), "augment": options_of(data.augment)}


def probe(position: int) -> ImageExample:
    """Returns a made-up image without a label."""
    from PIL import Image

    return ImageExample(id=position, image=Image.new("RGB", (256, 192), "grey"), name="made up", line=position + 1)


def blocks(group: str) -> tuple[str, ...]:
    """Returns what the report shows of predictions: errors as small pictures, where an image has one label."""
    return tuple("image-errors" if name == "label-errors" else name for name in labelled.blocks(group))


_NO_VIRTUAL_TOKENS = no_virtual_tokens("virtual tokens stand before a text, and an image is none")

KIND = Kind(
    name="image-classification",
    reads="image",
    roles={
        "image": Role(description="the path of the image, or its bytes", column="image"),
        "label": Role(description="what is to be predicted", column="label", several=True),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=ImageClassificationData,
    settings=frozenset({"class_weights", "label_smoothing"}),
    read=read_examples,
    normalize=normalize,
    checks_on=True,
    labels=labelled.labels_of,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_given,
    check_known_labels=labelled.check_known_labels,
    input_example=input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=labelled.of_plain_checkpoint,
    task_adapters={
        "encoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.image:ImagePreprocessor",
            objective="ftkit.adapters.objectives.labels:LabelObjective",
            auto_class="AutoModelForImageClassification",
            usage="see",
            peft_task=None,
            refuses=_NO_VIRTUAL_TOKENS,
        )
    },
    metrics=labelled.metric_group,
    reading=labelled.reading,
    blocks=blocks,
)
