"""Object detection: an image, and a box and a label for everything in it that is to be found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.images import BoxedImageAugment
from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.box_cells import boxes_of, format_of, stated_size_of
from ftkit.data.box_check import OnBadBox, look_at_boxes
from ftkit.data.box_rows import by_image
from ftkit.data.boxes import Box, BoxFormat, DetectionExample, label_names_of
from ftkit.data.check import Problems
from ftkit.data.drawn_boxes import sheet
from ftkit.data.image_check import check_given
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, DataError, did_you_mean, name_list
from ftkit.kinds import pictures
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_name_lengths, saved_labels
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split, natural_sort

_NO_BOXES: tuple[Box, ...] = ()

FEW_BOXES = 10
"""Of a label with fewer boxes in train little can be learnt."""


class ObjectDetectionData(DataSpec):
    """The `data` section of object detection."""

    labels: tuple[str, ...] | None = Field(
        None,
        description="All label names, in output order; files that number labels from 0 mean places in it. Default: "
        "those of train, sorted naturally.",
    )
    box_format: BoxFormat | None = Field(
        None,
        description="How four numbers say a box: voc, xyxy, xywh (COCO), cxcywh, or in shares of the image xyxyn, "
        "xywhn, cxcywhn (YOLO). Default: what the files' layout says, or what can be proven.",
    )
    on_bad_box: OnBadBox = Field(
        "error",
        description="A box outside of its image or without an area is an error, or left out (skip).",
    )
    image_size: int | None = Field(
        None,
        ge=32,
        description="Pixels of a side of the square that every image becomes. Default: as the checkpoint's processor "
        "says.",
    )
    augment: BoxedImageAugment | None = Field(
        None, description="Random changes of training images, and with them of their boxes. None unless set."
    )
    threshold: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Predictions of a lower score are neither written nor drawn; scores read all of them. Default: "
        "all are written, and those of 0.5 and more are drawn.",
    )

    @property
    def media(self) -> str:
        """Rows name images."""
        return "image"

    @property
    def annotated(self) -> bool:
        """Images have boxes."""
        return True


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: ObjectDetectionData, *, with_labels: bool
) -> Iterator[DetectionExample]:
    """Turns rows into examples one by one; no image is opened.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; they need no boxes.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        table = by_image(table, columns) if with_labels else table
        for role in ("image", "objects") if with_labels else ("image",):
            if columns[role] not in table.columns:
                raise table.missing_column(columns[role], role=role)
    names = data.labels if data.labels is not None else task.labels
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        objects = cells.get("objects") if with_labels else None
        boxes = cells.read("objects", boxes_of, _NO_BOXES) if with_labels else None
        yield DetectionExample(
            **pictures.fields_of(cells, table, position, row.line),
            boxes=boxes if names is None or boxes is None else tuple(_named(box, names) for box in boxes),
            box_format=format_of(objects),
            stated_size=stated_size_of(objects),
            cell_errors=cells.errors,
        )


def _named(box: Box, names: Sequence[str]) -> Box:
    """Returns a box with a label's name; a number that is none of the names is a place among them.

    Example: the category 2 with `labels: [Platelets, RBC, WBC]` is WBC.
    """
    place = box.category
    if box.label in names or not isinstance(place, int) or not 0 <= place < len(names):
        return box
    return replace(box, label=names[place])


# --- checks -------------------------------------------------------------------------------------------------


def normalize(
    splits: Mapping[str, Split], task: Task, data: ObjectDetectionData, problems: Problems
) -> tuple[Mapping[str, Split], ObjectDetectionData]:
    """Looks at every image once, and brings boxes into pixels; the data section tells a format that was proven."""
    looked, found = look_at_boxes(splits, problems, box_format=data.box_format, on_bad_box=data.on_bad_box)
    return looked, data.model_copy(update={"box_format": found})


def labels_of(train: Split, task: Task, data: ObjectDetectionData) -> LabelSpace:
    """Returns the label names in output order: as declared, else those of train, sorted naturally.

    Raises:
        ConfigError: a name is given twice or monstrous.
    """
    declared = data.labels if data.labels is not None else task.labels
    if declared is None:
        return LabelSpace(
            tuple(natural_sort({name for example in train.examples for name in label_names_of(example)}))
        )
    twice = [name for name, count in Counter(declared).items() if count > 1]
    if twice:
        raise ConfigError(f"data.labels: {twice[0]!r} is given twice; every output needs a name of its own.")
    check_name_lengths(declared, "data.labels")
    return LabelSpace(tuple(declared))


def check(
    splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: ObjectDetectionData, problems: Problems
) -> None:
    """Reports everything that is wrong with the boxes of a run, and tells of images without any."""
    for name, split in splits.items():
        _check_labels(split, labels, problems)
        if name == "train" or not split.is_sample:  # any part of a stream may be images without boxes
            _check_counts(split, problems)
    if "train" in splits and not splits["train"].is_sample:
        _check_train(splits["train"], labels, problems)
    _check_shared(splits, problems)


def check_known_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    """Reports labels of rows to be scored that a finished run cannot predict; `check` has done so."""


def _check_labels(split: Split, labels: LabelSpace, problems: Problems) -> None:
    for example in split.examples:
        for name in label_names_of(example):
            if name not in labels:
                problems.error(
                    f"{split.name}: the label {name!r} is none of those that can be predicted."
                    f"{did_you_mean(name, labels.names)}",
                    where=split.where(example),
                    remedy=f"correct it, or name all labels in data.labels; known are {name_list(labels.names)}",
                    kind=f"{split.name}: unknown label {name}",
                )


def _check_counts(split: Split, problems: Problems) -> None:
    counts = [len(example.boxes or ()) for example in split.examples]
    if counts and not any(counts):
        problems.error(
            f"{split.title}: there is no box in any of {len(counts):,} images",
            where=split.source,
            remedy="check that the annotations belong to these images"
            + (", or look at more of them: data.check_rows" if split.is_sample else ""),
        )
    elif empty := counts.count(0):
        problems.warn(
            f"{split.name}: {empty:,} of {len(counts):,} images hold no box; they are kept, as images in which "
            "there is nothing to find",
            where=split.source,
            remedy="leave out images that nobody has annotated yet",
        )


def _check_train(train: Split, labels: LabelSpace, problems: Problems) -> None:
    counts = Counter(box.label for example in train.examples for box in example.learnt)
    for name in labels.names:
        if counts[name] < FEW_BOXES:
            problems.warn(
                f"train: the label {name!r} has {counts[name]} boxes to learn from",
                where=train.source,
                remedy="annotate more of it",
                kind="train: few boxes of a label",
            )


def _check_shared(splits: Mapping[str, Split], problems: Problems) -> None:
    """Tells of images that are scored and trained on."""
    known = {example.digest: example for example in splits["train"].examples} if "train" in splits else {}
    for name in ("validation", "test"):
        for example in splits[name].examples if name in splits else ():
            if example.digest in known:
                problems.warn(
                    f"{name}: images that train holds, too, pixel for pixel: what is scored on them means nothing",
                    where=splits[name].where(example),
                    remedy="leave them out of one of the two",
                    kind=f"{name}: shared with train",
                )


def described(split: Split) -> list[str]:
    """Returns how many boxes of each label there are, and how many images without any."""
    counts = Counter(box.label for example in split.examples for box in example.boxes or ())
    ignored = sum(box.ignored for example in split.examples for box in example.boxes or ())
    empty = sum(not example.boxes for example in split.examples)
    each = ", ".join(f"{count:,} {name}" for name, count in counts.most_common(12))
    lines = [f"{sum(counts.values()):,} boxes: {each}; {empty:,} images without any"]
    return [*lines, f"{ignored:,} of them difficult or crowds, kept out of the loss"] if ignored else lines


def told(splits: Mapping[str, Split], data: ObjectDetectionData) -> dict[str, list[str]]:
    """Returns how boxes are written whose files do not say it."""
    return {} if data.box_format is None else {"box format": [data.box_format]}


# --- adapter and people -------------------------------------------------------------------------------------


def input_example(position: int, item: Any) -> DetectionExample:
    """Returns an input of `Predictor.predict` as an example; see `pictures.input_fields`."""
    return DetectionExample(**pictures.input_fields(position, item))


def adapter_options(train: Split, labels: LabelSpace, data: ObjectDetectionData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        DataError: one label has two numbers, or names, in the user's files.
    """
    return {
        "image_size": data.image_size,
        "threshold": data.threshold,
        "augment": options_of(data.augment),
        "category_ids": _category_ids(train, labels),
    }


def _category_ids(train: Split, labels: LabelSpace) -> list[int | str] | None:
    """Returns what the user's files call each label, in output order; None where that is its name."""
    found: dict[str, int | str] = {}
    for example in train.examples:
        for box in example.boxes or ():
            if box.category is not None and found.setdefault(box.label, box.category) != box.category:
                raise DataError(
                    f"{train.where(example)}: the label {box.label!r} has the numbers {found[box.label]!r} and "
                    f"{box.category!r}. Give every label one number."
                )
    return [found.get(name, name) for name in labels.names] if found else None


def reopened(data: ObjectDetectionData, options: Mapping[str, Any]) -> tuple[ObjectDetectionData, dict[str, Any]]:
    """Returns data section and options of a finished run with the threshold that the user wants."""
    return data, {**options, "threshold": data.threshold}


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: ObjectDetectionData, where: str
) -> Plain:
    """Returns the labels, and how images are resized."""
    return Plain(labels=labels, options={"image_size": data.image_size, "threshold": data.threshold})


def probe(position: int) -> DetectionExample:
    """Returns a made-up image with nothing in it."""
    from PIL import Image

    image = Image.new("RGB", (256, 192), "grey")
    return DetectionExample(
        id=position, image=image, name="made up", boxes=(), width=256, height=192, line=position + 1
    )


_ADAPTER = TaskAdapterSpec(
    preprocessor="ftkit.adapters.preprocessors.detection:DetectionPreprocessor",
    objective="ftkit.adapters.objectives.detection:DetectionObjective",
    auto_class="AutoModelForObjectDetection",
    usage="detect",
    peft_task=None,
    no_export="boxes are read off two outputs by the processor's own code, which is no part of a graph",
    refuses=no_virtual_tokens("virtual tokens stand before a text, and an image is none"),
)

KIND = Kind(
    name="object-detection",
    reads="image",
    roles={
        "image": Role(description="the path of the image, or its bytes", column="image"),
        "objects": Role(description="the boxes of the image and their labels", column="objects"),
        "id": Role(description="the row's own id, kept in predictions", column="id"),
    },
    data=ObjectDetectionData,
    read=read_examples,
    names_of=label_names_of,
    normalize=normalize,
    checks_on=True,
    labels=labels_of,
    saved_labels=saved_labels,
    reopened=reopened,
    check=check,
    check_inputs=check_given,
    check_known_labels=check_known_labels,
    describe=described,
    told=told,
    input_example=input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    # transformers calls DETR and its like encoder-decoders, and YOLOS an encoder.
    task_adapters={"encoder": _ADAPTER, "encoder-decoder": _ADAPTER},
    metrics=GROUPS["object-detection"],
    reading=lambda group: "boxes" if group == "object-detection" else "any",
    blocks=lambda group: ("precision-recall", "box-errors") if group == "object-detection" else (),
    sheet=sheet,
)
