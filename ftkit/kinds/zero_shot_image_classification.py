"""Zero-shot image classification: images and texts become vectors, near one another where they belong together.

Rows are images with captions, or with a label that prompts make a text of. A trained model chooses among any labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from ftkit.adapters.augmentation.images import ImageAugment
from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.console import note
from ftkit.data.cells import shown
from ftkit.data.check import Problems, check_labels, check_leaks, check_size
from ftkit.data.columns import column
from ftkit.data.hashes import hash_of
from ftkit.data.image_check import IMAGES, check_given, look_at_images
from ftkit.data.image_pairs import (
    DEFAULT_PROMPTS,
    PLACE,
    ImagePairColumns,
    ImagePairExample,
    ImagePairForm,
    caption_columns,
    captions_of,
    find_columns,
    image_column,
)
from ftkit.data.label_cells import LabelCells
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import DataSpec
from ftkit.errors import ConfigError, DataError, name_list
from ftkit.kinds import labelled, pictures
from ftkit.kinds.kind import Kind, Plain, Role, Settings, Splits
from ftkit.kinds.label_settings import check_name_lengths
from ftkit.kinds.reading import first_of_train
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.spec import MetricGroup
from ftkit.models.dual_encoders import Tower
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split, natural_sort


class ZeroShotImageData(DataSpec):
    """The `data` section of zero-shot image classification."""

    format: ImagePairForm | None = Field(
        None,
        description="What a row says of its image: captions, a text or several; or labels, the name of a class, which "
        "data.prompts make texts of. Default: found by the columns of train.",
    )
    labels: tuple[str, ...] | None = Field(
        None,
        description="All label names that are chosen from. Default: those of train, sorted naturally. Captions have "
        "none.",
    )
    prompts: tuple[str, ...] = Field(
        DEFAULT_PROMPTS,
        min_length=1,
        description="What labels become, such as 'a photo of a {label}.': one of them is drawn for each row in "
        "training, and the vectors of all are averaged where a label is predicted.",
    )
    frozen_tower: Tower | None = Field(
        None, description="image or text: the half of the model that is not trained. Default: both are."
    )
    augment: ImageAugment | None = Field(
        None,
        description="Random changes of training images. None unless set: what is left in a caption is right in the "
        "mirror image.",
    )
    max_length: int | None = Field(
        None, gt=1, description="Tokens kept of each text. Default: as many as the text tower reads, such as 77."
    )

    @property
    def media(self) -> str:
        """Rows name images."""
        return "image"

    @property
    def longest_input(self) -> int | None:
        """Tokens kept of each text."""
        return self.max_length


# --- rows -> examples ---------------------------------------------------------------------------------------


def found_in_files(task: Task, data: ZeroShotImageData) -> ZeroShotImageData:
    """Returns the data section with the format that train has, unless somebody says it.

    Raises:
        DataError: train cannot be read, or its columns are none that are known.
        ConfigError: a prompt has no place for the label, or labels are named where rows have captions.
    """
    check_prompts(data)
    if isinstance(data.train, tuple) and not data.streaming:  # told where files are read
        return data
    if task.prepare is not None:
        form: ImagePairForm = data.format or ("captions" if "text" in task.columns else "labels")
        return _with_form(data, form)
    table = first_of_train(data)
    found = find_columns(table, {**task.columns, **data.columns}, data.format)
    if data.format is None:
        note(f"{table.source} holds {found.told()}")
    return _with_form(data, found.form)


def _with_form(data: ZeroShotImageData, form: ImagePairForm) -> ZeroShotImageData:
    if form == "captions" and data.labels is not None:
        raise ConfigError(
            "data.labels: rows with captions have none in training. Leave it out; where the trained model is to "
            "choose, say ftkit predict RUN --labels cat,dog."
        )
    return data.model_copy(update={"format": form})


def check_prompts(data: ZeroShotImageData) -> None:
    """Refuses prompts that make one text of all labels.

    Raises:
        ConfigError: naming the first.
    """
    for prompt in data.prompts:
        if PLACE not in prompt:
            raise ConfigError(
                f"data.prompts: {shown(prompt)} has no {PLACE}, where the name of the label goes. Write for example "
                f"'a photo of a {PLACE}.'"
            )


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: ZeroShotImageData, *, with_labels: bool
) -> Iterator[ImagePairExample]:
    """Turns rows into examples one by one; no image is opened.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted: images or, where there is no column of images,
            texts.

    Raises:
        DataError: a column is not in the file.
    """
    given: Any = {**columns, **data.columns}
    found = _labelled_columns(table, task, given, data) if with_labels else _predicted_columns(table, task, given)
    columns = {**columns, "image": found.image, **({"label": found.label} if found.label else {})}
    labels = LabelCells(declared=data.labels or task.labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        fields = pictures.fields_of(cells, table, position, row.line)
        label: Any = cells.read("label", labels.read, None) if found.label else None
        texts = captions_of(cells, found.texts)
        if found.texts and fields["group"] is None:
            fields["group"] = _group_of(fields["image"])
        yield ImagePairExample(**fields, texts=texts, label=label, cell_errors=cells.errors)


def _group_of(image: Any) -> str | None:
    """Returns what rows of one image share, which must not stand on both sides of a split."""
    return image if image is None or isinstance(image, str) else f"{hash_of(image):x}"


def _labelled_columns(table: Table, task: Task, given: Mapping[str, Any], data: ZeroShotImageData) -> ImagePairColumns:
    if task.prepare is None:
        own = {role: name for role, name in given.items() if role in data.columns or role in task.columns}
        return find_columns(table, own, data.format)
    if data.format == "captions":
        return ImagePairColumns("captions", given["image"], (given["text"],))
    return ImagePairColumns("labels", given["image"], label=given["label"])


def _predicted_columns(table: Table, task: Task, given: Mapping[str, Any]) -> ImagePairColumns:
    """Returns the column of images or, in a table without one, that of texts."""
    if task.prepare is not None:
        return ImagePairColumns("captions", given["image"])
    try:
        return ImagePairColumns("captions", image_column(table, given))
    except DataError as error:
        said = given.get("text", ())
        named = (said,) if isinstance(said, str) else tuple(said)
        texts = named if set(named) <= set(table.columns) else ()
        if not texts and len(table.columns) == 1:
            texts = table.columns
        if not (texts := texts or caption_columns(table)):
            raise error from None
        return ImagePairColumns("captions", given["image"], texts)


def input_example(position: int, item: Any) -> ImagePairExample:
    """Returns an input of `Predictor.predict` as an example: an image, or an object with `image`, `text` or both.

    Raises:
        DataError: it is none of them.
    """
    if not isinstance(item, Mapping) or "bytes" in item:
        return ImagePairExample(**pictures.input_fields(position, item))
    if not item or not set(item) <= {"image", "text"}:
        raise DataError(
            f'inputs, item {position}: expected an image, or the keys "image" and "text", got {shown(item)}.'
        )
    fields: dict[str, Any] = {"id": position, "image": None, "name": f"text {position + 1}", "line": position}
    if item.get("image") is not None:
        fields = pictures.input_fields(position, item["image"])
    text = item.get("text")
    if text is not None and not isinstance(text, str):
        raise DataError(f'inputs, item {position}: expected a text under "text", got {shown(text)}.')
    return ImagePairExample(**fields, texts=() if text is None else (text,))


# --- checks -------------------------------------------------------------------------------------------------


def normalize(
    splits: Splits, task: Task, data: ZeroShotImageData, problems: Problems
) -> tuple[Splits, ZeroShotImageData]:
    """Looks at every image once: what cannot be decoded is reported, and equal images are known by their digests."""
    return look_at_images(splits, problems), data


def labels_of(train: Split, task: Task, data: ZeroShotImageData) -> LabelSpace | None:
    """Returns what is chosen from: as declared, else the labels of train; None where rows have captions.

    Raises:
        ConfigError: a name is given twice or monstrous.
    """
    if data.format == "captions":
        return None
    declared = data.labels if data.labels is not None else task.labels
    if declared is None:
        return LabelSpace(
            tuple(natural_sort({str(one) for one in column(train.examples, "label") if one is not None}))
        )
    return declared_labels(declared, "data.labels")


def declared_labels(names: Sequence[str], key: str) -> LabelSpace:
    """Returns names that the user lists.

    Raises:
        ConfigError: one is given twice, empty or monstrous.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"{key}: {twice[0]!r} is given twice. Name each label once.")
    if len(names) < 2 or not all(name.strip() for name in names):
        raise ConfigError(f"{key}: expected two or more names, got {name_list(names)}.")
    check_name_lengths(names, key)
    return LabelSpace(tuple(names))


def check(splits: Splits, labels: LabelSpace | None, task: Task, data: ZeroShotImageData, problems: Problems) -> None:
    """Reports everything that is wrong with the labels or captions of a run, by file and row."""
    if data.format != "captions":
        declared = data.labels if data.labels is not None else task.labels
        check_labels(list(splits.values()), declared=declared, problems=problems, wording=IMAGES)
        return
    for split in splits.values():
        check_size(split, problems)
        for example in split.examples:
            if not example.texts or not all(text.strip() for text in example.texts):
                problems.error(
                    f"{split.name}: {'a caption is empty' if example.texts else 'there is no caption'}",
                    where=split.where(example),
                    remedy="fill it in, or delete the row",
                )
    train = splits.get("train")
    if train is None:
        return
    check_leaks(train, [split for split in splits.values() if split is not train], problems, IMAGES)
    if len({text for texts in column(train.examples, "texts") for text in texts}) == 1 and len(train) > 1:
        problems.error(
            "train: all images have the same caption, so that nothing tells them apart",
            where=train.source,
            remedy="check data.columns.text",
        )


def check_inputs(split: Split, problems: Problems) -> None:
    """Reports rows that cannot be predicted: those with neither an image nor a text."""
    with_image = [one for one in split.examples if one.image is not None or not one.texts]
    check_given(Split(split.name, split.source, with_image), problems)
    for example in split.examples:
        if not all(text.strip() for text in example.texts):
            problems.error(
                f"{split.name}: the text is empty",
                where=split.where(example),
                remedy="fill in the text, or delete the row",
            )


def check_known_labels(split: Split, labels: LabelSpace | None, problems: Problems) -> None:
    """Reports labels of rows to be scored that the model is not to choose from."""
    if labels is not None:
        labelled.check_known_labels(split, labels, problems)


# --- adapter and people -------------------------------------------------------------------------------------


def probe(position: int) -> ImagePairExample:
    """Returns a made-up image."""
    from PIL import Image

    return ImagePairExample(position, Image.new("RGB", (256, 192), "grey"), "made up", line=position + 1)


def adapter_options(
    train: Split, labels: LabelSpace | None, data: ZeroShotImageData, settings: Settings
) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run."""
    options = {
        "form": data.format,
        "candidate_labels": None if labels is None else list(labels.names),
        "prompts": list(data.prompts),
        "frozen_tower": data.frozen_tower,
        "augment": options_of(data.augment),
    }
    return {name: value for name, value in options.items() if value is not None}


def reopened(data: ZeroShotImageData, options: Mapping[str, Any]) -> tuple[ZeroShotImageData, dict[str, Any]]:
    """Returns data section and options of a finished run as the user wants to choose with it: among other labels.

    Raises:
        ConfigError: a name is given twice, or a prompt has no place for it.
    """
    changed = {**options, "prompts": list(data.prompts)}
    check_prompts(data)
    if data.labels is None:
        return data, changed
    names = declared_labels(data.labels, "--labels").names
    return data.model_copy(update={"format": "labels"}), {
        **changed,
        "form": "labels",
        "candidate_labels": list(names),
    }


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: ZeroShotImageData, where: str) -> Plain:
    """Returns the labels that the user names; its files name none, and images alone become vectors."""
    data, options = reopened(data, {})
    chosen = None if data.labels is None else LabelSpace(data.labels)
    form = data.format or "captions"
    return Plain(labels=chosen, data={"format": form}, options={**options, "form": form})


def metric_group(task: Task, data: Any) -> MetricGroup:
    """Returns the metrics of one label a row, or of a search both ways."""
    is_labelled = getattr(data, "format", None) != "captions"
    return GROUPS["single_label_classification" if is_labelled else "image-search"]


def blocks(group: str) -> tuple[str, ...]:
    """Returns what the report shows of predictions: errors as small pictures."""
    if group == "image-search":
        return ("image-to-text-ranks", "text-to-image-ranks", "image-search-errors")
    return tuple("image-errors" if name == "label-errors" else name for name in labelled.blocks(group))


KIND = Kind(
    name="zero-shot-image-classification",
    reads="image+text",
    roles={
        "image": Role(description="the path of the image, or its bytes", column="image"),
        "text": Role(description="its caption, a list of them, or several columns of them", several=True),
        "label": Role(description="the name of its class, where it has no caption"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=ZeroShotImageData,
    found_in_files=found_in_files,
    read=read_examples,
    normalize=normalize,
    checks_on=True,
    labels=labels_of,
    check=check,
    check_inputs=check_inputs,
    check_known_labels=check_known_labels,
    input_example=input_example,
    typed=lambda text: {"text": text},
    probe=probe,
    adapter_options=adapter_options,
    chooses_freely=True,
    reopened=reopened,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "dual-encoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.image_pairs:ImagePairsPreprocessor",
            objective="ftkit.adapters.objectives.contrast:ContrastObjective",
            auto_class="AutoModelForZeroShotImageClassification",
            usage="compare",
            peft_task=None,
            refuses=no_virtual_tokens("virtual tokens stand before a text, and an image is none"),
            no_export="images and texts are embedded apart from one another, which one ONNX graph does not do",
        )
    },
    metrics=metric_group,
    reading=lambda group: "image-search" if group == "image-search" else labelled.reading(group),
    blocks=blocks,
)
