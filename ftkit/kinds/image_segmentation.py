"""Semantic segmentation: an image, and a mask that says the class of each of its pixels."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.check import Problems, check_leaks, check_size
from ftkit.data.drawn_masks import with_classes, with_legend
from ftkit.data.image_check import IMAGES, check_given
from ftkit.data.images import open_image
from ftkit.data.mask_check import check_values, look_at_masks, mask_values, with_class_counts
from ftkit.data.masks import MaskedImageExample, MaskSource, OneClass, open_mask
from ftkit.data.outlined_masks import OutlinedMask, check_can_draw
from ftkit.data.picture_sheet import SIDE, picture_sheet
from ftkit.data.readers import Table, coco, coco_masks, path_of
from ftkit.data.row_cells import RowCells
from ftkit.errors import ConfigError, DataError
from ftkit.kinds import pictures
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing, given_weights, saved_labels
from ftkit.kinds.mask_classes import classes_of, found_classes, names_of_values, values_told
from ftkit.kinds.reading import read_options
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.segmentation_data import ImageSegmentationData
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

MAX_LEGEND = 12
"""Classes that are named below a picture of a sheet."""


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: ImageSegmentationData, *, with_labels: bool
) -> Iterator[MaskedImageExample]:
    """Turns rows into examples one by one; no file is opened.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their masks may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    if task.prepare is None:
        for role, column in columns.items():
            is_needed = (with_labels or role == "image") and (role, column) != ("id", "id")
            if is_needed and column not in table.columns:
                raise table.missing_column(column, role=role)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        fields = pictures.fields_of(cells, table, position, row.line)
        yield MaskedImageExample(
            **fields,
            mask=cells.read("mask", functools.partial(_mask_of, folder=table.folder), None) if with_labels else None,
            mask_name=_mask_name(cells.get("mask"), fields["name"]),
            cell_errors=cells.errors,
        )


def _mask_of(cell: Any, folder: Path | None) -> MaskSource:
    return cell if isinstance(cell, OutlinedMask) else pictures.image_of(cell, folder)


def found_in_files(task: Task, data: ImageSegmentationData) -> ImageSegmentationData:
    """Returns the data section with the classes that COCO's file of train names, unless somebody says them.

    Raises:
        ConfigError: classes are told by colours, which outlines have not; or outlines cannot be drawn.
        DataError: the file cannot be read.
    """
    if not isinstance(data.train, str) or not coco.recognises(path_of(data.train)):
        return data
    check_can_draw()
    if data.colors is not None:
        raise ConfigError("data.colors: the masks of a COCO file are outlines, and have no colours. Leave it out.")
    classes, left_out = coco_masks.classes_of(path_of(data.train), read_options(data))
    update: dict[str, Any] = {} if data.classes is not None or task.labels is not None else {"classes": classes}
    if data.ignore_index is None:
        update["ignore_index"] = left_out
    return data.model_copy(update=update)


def _mask_name(cell: Any, name: str) -> str:
    path = cell.get("path") if isinstance(cell, Mapping) else cell
    return str(path) if isinstance(path, (str, Path)) and str(path) else f"the mask of {name}"


def value_names(example: MaskedImageExample) -> tuple[str, ...]:
    """Returns the values in an example's mask: when examples are held out, train keeps one of each."""
    try:
        return tuple(map(str, np.unique(open_mask(example.mask, example.mask_name)).tolist()))
    except DataError:
        return ()  # what is wrong with it is told by file, when it is looked at


def normalize(
    splits: Mapping[str, Split], task: Task, data: ImageSegmentationData, problems: Problems
) -> tuple[Mapping[str, Split], ImageSegmentationData]:
    """Looks at every image and mask once, and settles which values are classes, and which is left out."""
    looked = look_at_masks(splits, problems, as_colors=data.colors is not None)
    # Classes follow from all masks of train. Some are not known where they cannot be used, unless these are left out.
    if problems and not _are_named(data, task) and data.on_bad_row != "skip":
        return looked, data
    found = mask_values(looked["train"].examples) if "train" in looked else None
    reported = len(problems.messages)
    settled = data if found is None else found_classes(found, data, task, problems)
    if len(problems.messages) > reported:
        return looked, data
    classes = classes_of(settled)
    return {name: with_class_counts(split, classes) for name, split in looked.items()}, settled


def _are_named(data: ImageSegmentationData, task: Task) -> bool:
    """Tells whether somebody says what the values of masks are; else they follow from the masks of train."""
    return data.classes is not None or data.colors is not None or task.labels is not None


def labels_of(train: Split, task: Task, data: ImageSegmentationData) -> LabelSpace:
    """Returns the classes in the order of their values, or as they are listed."""
    return LabelSpace(tuple(names_of_values(data).values()))


def check(
    splits: Mapping[str, Split], labels: LabelSpace, task: Task, data: ImageSegmentationData, problems: Problems
) -> None:
    """Reports empty splits, values of masks that are no class, and images that are in train and in another split."""
    train = splits.get("train")
    for split in splits.values():
        check_size(split, problems)
        if labels.names:  # else `normalize` has told why there are no classes
            check_values(split, classes_of(data), problems, train=train)
    if train is not None:
        others = [split for name, split in splits.items() if name != "train"]
        check_leaks(train, others, problems, IMAGES)


def told(splits: Mapping[str, Split], data: ImageSegmentationData) -> dict[str, list[str]]:
    """Returns what the masks of train hold: value, class and share of the pixels."""
    return {"masks": values_told(mask_values(splits["train"].examples), data)}


def input_example(position: int, item: Any) -> MaskedImageExample:
    """Returns an input of `Predictor.predict` as an example; see `pictures.input_fields`."""
    return MaskedImageExample(**pictures.input_fields(position, item))


def adapter_options(
    train: Split, labels: LabelSpace, data: ImageSegmentationData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with: values of masks, the size of images, weights, smoothing, changes.

    Raises:
        ConfigError: a weight for a class that does not exist, or a smoothing that is no share.
    """
    check_smoothing(settings.label_smoothing)
    classes = classes_of(data)
    return {
        "mask_values": list(classes.values),
        "ignored_value": classes.ignored,
        "are_colors": classes.are_colors,
        "image_size": None if data.image_size is None else _height_and_width(data.image_size),
        "augment": options_of(data.augment),
        "class_weights": _weights(train, labels, settings.class_weights),
        "label_smoothing": settings.label_smoothing,
    }


def _height_and_width(size: int | tuple[int, int]) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def _weights(train: Split, labels: LabelSpace, setting: str | Mapping[str, float] | None) -> list[float] | None:
    """Returns a weight for each class; `balanced` weighs it by the share of its pixels, as scikit-learn does."""
    if setting is None:
        return None
    if isinstance(setting, Mapping):
        return given_weights(setting, labels, noun="class")
    counts = class_pixels(train)
    total = sum(counts.values())
    return [total / (len(labels) * counts[index]) if counts[index] else 1.0 for index in range(len(labels))]


def class_pixels(split: Split) -> Counter[int]:
    """Returns class index -> number of pixels."""
    counts: Counter[int] = Counter()
    for example in split.examples:
        counts.update(example.class_counts or {})
    return counts


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns one class for all pixels: the most frequent one of the split itself, which no other can beat."""
    counts = class_pixels(split)
    if not counts:
        return {}
    predicted = np.empty(len(split), object)
    predicted[:] = [OneClass(max(counts, key=lambda index: (counts[index], -index)))] * len(split)
    return {"most_frequent_class": predicted}


def probe(position: int) -> MaskedImageExample:
    """Returns a made-up image without a mask."""
    from PIL import Image

    return MaskedImageExample(
        id=position, image=Image.new("RGB", (256, 192), "grey"), name="made up", line=position + 1
    )


def of_plain_checkpoint(
    labels: LabelSpace | None, spec: CheckpointSpec, data: ImageSegmentationData, where: str
) -> Plain:
    """Returns the labels; masks hold their indices, unless the user says what they hold."""
    assert labels is not None
    if data.classes is not None or data.colors is not None:
        classes = classes_of(data)
    else:
        data = data.model_copy(update={"classes": labels.id2label, "ignore_index": data.ignore_index or 255})
        classes = classes_of(data)
    options = {
        "mask_values": list(classes.values),
        "ignored_value": classes.ignored,
        "are_colors": classes.are_colors,
    }
    return Plain(labels=labels, data={"classes": data.classes, "ignore_index": data.ignore_index}, options=options)


def sheet(examples: Sequence[MaskedImageExample], data: ImageSegmentationData) -> Any:
    """Returns the images of examples under the colours of their classes, with the names of those that they hold."""
    names, classes = list(names_of_values(data).values()), classes_of(data)
    drawn = []
    for example in examples:
        indices_HW = classes.open(example.mask, example.mask_name)
        whole = with_classes(open_image(example.image, example.name), indices_HW, classes.palette())
        whole.thumbnail((SIDE, SIDE))
        there = [index for index in np.unique(indices_HW).tolist() if index >= 0][:MAX_LEGEND]
        colors = [classes.palette()[index] for index in there]
        drawn.append((example.name, with_legend(whole, [names[index] for index in there], colors)))
    return picture_sheet(drawn)


KIND = Kind(
    name="image-segmentation",
    reads="image",
    roles={
        "image": Role(description="the path of the image, or its bytes", column="image"),
        "mask": Role(description="the path of its mask, or its bytes", column="mask"),
        "id": Role(description="the row's own id, kept in predictions", column="id"),
    },
    data=ImageSegmentationData,
    settings=frozenset({"class_weights", "label_smoothing"}),
    found_in_files=found_in_files,
    read=read_examples,
    names_of=value_names,
    normalize=normalize,
    checks_on=True,
    labels=labels_of,
    saved_labels=saved_labels,
    check=check,
    check_inputs=check_given,
    input_example=input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    baselines=baselines,
    told=told,
    sheet=sheet,
    task_adapters={
        "encoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.image_mask:ImageMaskPreprocessor",
            objective="ftkit.adapters.objectives.pixel_labels:PixelLabelObjective",
            auto_class="AutoModelForSemanticSegmentation",
            usage="segment",
            peft_task=None,
            refuses=no_virtual_tokens("virtual tokens stand before a text, and an image is none"),
        )
    },
    metrics=GROUPS["image-segmentation"],
    reading=lambda group: "masks",
    blocks=lambda group: ("class-overlap", "pixel-confusion", "mask-errors"),
)
