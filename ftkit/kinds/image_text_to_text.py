"""Image-text-to-text: captions of images, and answers to questions about them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from ftkit.adapters.augmentation.images import ImageAugment
from ftkit.adapters.augmentation.operation import options_of
from ftkit.adapters.preprocessors.chat_templates import kept_template
from ftkit.adapters.spec import TaskAdapterSpec
from ftkit.data.cells import WrongCell, printed_value
from ftkit.data.check import Problems
from ftkit.data.image_text import (
    IMAGE_PART,
    ImageTextExample,
    images_of,
    messages_of,
    split_last_answer,
    targets_of,
    user_message,
    with_images_placed,
)
from ftkit.data.image_text_check import (
    check_images_given,
    check_rows,
    described,
    looked_at,
    one_target_each,
    without_texts_alone,
)
from ftkit.data.images import image_size
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.data.spec import TextDataSpec
from ftkit.errors import ConfigError, DataError
from ftkit.kinds import pictures, written
from ftkit.kinds.image_text_baselines import text_baselines
from ftkit.kinds.kind import Kind, Plain, Role, Settings
from ftkit.kinds.label_settings import check_smoothing
from ftkit.kinds.refusals import no_virtual_tokens
from ftkit.kinds.task import Task
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.spec import MetricGroup
from ftkit.models.spec import CheckpointSpec
from ftkit.types import LabelSpace, Split

# What data sets call the columns; the first is the role's own name.
IMAGE_COLUMNS = ("image", "images", "image_path", "file_name", "path", "image_file", "img")
QUESTION_COLUMNS = ("question", "prompt", "query", "instruction")
ANSWER_COLUMNS = (
    *("answer", "answers", "caption", "captions", "text", "multiple_choice_answer", "response", "label"),
)
MESSAGE_COLUMNS = ("messages", "conversations")

NO_IMAGES: tuple[tuple[Any, ...], tuple[str, ...]] = ((), ())
NO_MESSAGES: tuple[tuple[Any, ...], tuple[Any, ...]] = ((), ())


class ImageTextData(TextDataSpec):
    """The `data` section of image-text-to-text."""

    target: Literal["answer", "caption"] | None = Field(
        None,
        description="What is written: a short answer, scored by exact match, or a caption or other free text, scored "
        "by BLEU and chrF++. Default: answer where train has a column of questions, else caption.",
    )
    prompt_template: str | None = Field(
        None,
        description="What is asked, with {question} where the question goes, such as '{question} Answer in one "
        "word.'; without {question} the same for every image, such as 'Describe the image.'",
    )
    chat_template: str | None = Field(
        None,
        description="How images and texts become what a decoder reads: plain or chatml, a file of Jinja, or the "
        "template itself. Default: the checkpoint's own.",
    )
    augment: ImageAugment | None = Field(
        None,
        description="Random changes of training images. None unless set: what is left in a caption is right in the "
        "mirror image.",
    )
    image_folder: str | None = Field(
        None, description="Where relative paths of images begin. Default: the folder of the file that names them."
    )

    @property
    def media(self) -> str:
        """Rows name images."""
        return "image"

    @field_validator("prompt_template")
    @classmethod
    def _one_place(cls, template: str | None) -> str | None:
        if template is not None and ("{" in template.replace("{question}", "") or template.count("{question}") > 1):
            raise ValueError("the only place in it is {question}, once, where the question goes")
        return template


# --- rows -> examples ---------------------------------------------------------------------------------------


def read_examples(
    table: Table, task: Task, columns: Mapping[str, str], data: ImageTextData, *, with_labels: bool
) -> Iterator[ImageTextExample]:
    """Turns rows into examples one by one; no image is opened here.

    Args:
        columns: role -> column.
        with_labels: False for rows that are only to be predicted; their answers may be absent.

    Raises:
        DataError: a column is not in the file.
    """
    folder = table.folder if data.image_folder is None else Path(data.image_folder)
    spoken = task.prepare is None and _has_messages(table, columns)
    if task.prepare is None:
        columns = _found_columns(table, columns, spoken=spoken, with_labels=with_labels)
    for position, row in enumerate(table.rows):
        cells = RowCells(task.prepared(row.values), columns)
        reader = functools.partial(images_of, folder=folder, position=position)
        images, names = cells.read("image", reader, NO_IMAGES) if "image" in columns else NO_IMAGES
        if spoken:
            found = _spoken(cells, images, names, folder, position, with_labels=with_labels)
        else:
            found = _asked(cells, images, names, with_labels=with_labels)
        yield ImageTextExample(
            id=cells.id(position if row.line else (names or (position,))[0]),
            line=row.line,
            group=cells.group(file="image", folder=folder),
            **found,
            cell_errors=cells.errors,
        )


def _has_messages(table: Table, columns: Mapping[str, str]) -> bool:
    """Tells whether rows are conversations: the file has a column of messages, and none of answers."""
    names = MESSAGE_COLUMNS if columns["messages"] == MESSAGE_COLUMNS[0] else (columns["messages"],)
    return any(name in table.columns for name in names) and columns["answer"] not in table.columns


def _found_columns(table: Table, columns: Mapping[str, str], *, spoken: bool, with_labels: bool) -> dict[str, str]:
    wanted: dict[str, tuple[str, ...]] = {"messages": MESSAGE_COLUMNS} if spoken else {"image": IMAGE_COLUMNS}
    if with_labels and not spoken:
        wanted["answer"] = ANSWER_COLUMNS
    found = table.found_columns(columns, wanted)
    optional: dict[str, tuple[str, ...]] = {"image": IMAGE_COLUMNS} if spoken else {"question": QUESTION_COLUMNS}
    for role, names in optional.items():
        choices = names if found[role] == names[0] else (found[role],)
        match = next((name for name in choices if name in table.columns), None)
        if match is None and found[role] != names[0]:
            raise table.missing_column(found[role], role=role)
        found = {**found, role: match} if match else {key: name for key, name in found.items() if key != role}
    return found


def _asked(cells: RowCells, images: Any, names: Any, *, with_labels: bool) -> dict[str, Any]:
    """Returns what an example holds of an image, a question and what is to be written."""
    question = cells.text("question") if "question" in cells.columns else ""
    targets = cells.read("answer", targets_of, written.NO_TARGET) if with_labels else ()
    try:
        message = user_message(question, len(images))
    except WrongCell as wrong:
        cells.refuse([cells.columns["question"]], wrong)
        message = {"role": "user", "content": ()}
    return {
        "images": images,
        "names": names,
        "messages": (message,),
        "target": targets[0] if targets else None,
        "other_targets": targets[1:],
    }


def _spoken(
    cells: RowCells, images: Any, names: Any, folder: Path | None, position: int, *, with_labels: bool
) -> dict[str, Any]:
    """Returns what an example holds of a conversation: what is said before the last answer, and that answer."""
    messages, sources = cells.read("messages", messages_of, NO_MESSAGES)
    is_text, target = not images and not any(IMAGE_PART in message["content"] for message in messages), None
    try:
        if sources:  # named where they are said
            images, names = images_of(list(sources), folder, position)
        messages = with_images_placed(messages, len(images)) if messages and images else messages
        if with_labels:
            messages, target = split_last_answer(messages)
        elif messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
    except WrongCell as wrong:
        cells.refuse([cells.columns["messages"]], wrong)
    return {"images": images, "names": names, "messages": tuple(messages), "target": target, "is_text": is_text}


def found_in_files(task: Task, data: ImageTextData) -> ImageTextData:
    """Returns the data section with what is written, where nobody says it: answers where train has questions."""
    if data.target is not None:
        return data
    from ftkit.kinds.reading import first_of_train

    if isinstance(data.train, (list, tuple)) and not data.streaming:  # told where files are read
        return data
    columns = first_of_train(data).columns if task.prepare is None else ()
    asks = data.columns.get("question") or next((name for name in QUESTION_COLUMNS if name in columns), None)
    return data.model_copy(update={"target": "answer" if asks else "caption"})


def input_example(position: int, item: Any) -> ImageTextExample:
    """Returns an input of `Predictor.predict` as an example.

    Args:
        item: an image (a path, a file's bytes or a Pillow image), `{"image": ..., "question": ...}`,
            `{"messages": [...]}`, or one of these objects as JSON, as a command line gives it.

    Raises:
        DataError: it is none of them.
    """
    if isinstance(item, str) and item.lstrip().startswith("{"):
        item = printed_value(item) or item
    try:
        if isinstance(item, Mapping) and "messages" in item:
            messages, sources = messages_of(item["messages"])
            given = list(sources) or item.get("images") or [item.get("image")]
            fields = _inputs(position, given)
            placed = with_images_placed(messages, len(fields["images"]))
            return ImageTextExample(**fields, messages=placed)
        asked = isinstance(item, Mapping) and "image" in item
        image = item["image"] if asked else item
        fields = _inputs(position, image if isinstance(image, (list, tuple)) else [image])
        return ImageTextExample(
            **fields,
            messages=(user_message(str(item.get("question") or "") if asked else "", len(fields["images"])),),
        )
    except WrongCell as wrong:
        raise DataError(f"inputs, item {position}: it {wrong}. Fix: {wrong.remedy}.") from None


def _inputs(position: int, images: Any) -> dict[str, Any]:
    found = [pictures.input_fields(position, image) for image in images]
    names, sources = tuple(one["name"] for one in found), tuple(one["image"] for one in found)
    return {"id": position, "images": sources, "names": names, "line": position}


# --- checks -------------------------------------------------------------------------------------------------


def normalize(
    splits: Mapping[str, Split], task: Task, data: ImageTextData, problems: Problems
) -> tuple[Mapping[str, Split], ImageTextData]:
    """Looks at every image once, leaves out conversations about none, and leaves one text in each training row."""
    splits = without_texts_alone(splits, problems)
    splits = one_target_each(splits, all_of_them=data.target != "answer", problems=problems)
    return looked_at(splits, problems), data


def check(splits: Mapping[str, Split], labels: None, task: Task, data: ImageTextData, problems: Problems) -> None:
    """Reports everything that is wrong with the texts of a run, by file and row."""
    check_rows(splits, problems)


# --- adapter and people -------------------------------------------------------------------------------------


def adapter_options(train: Split, labels: None, data: ImageTextData, settings: Settings) -> dict[str, Any]:
    """Returns what the adapter is made with, all of it saved with the run.

    Raises:
        ConfigError: a setting that means nothing here.
    """
    check_smoothing(settings.label_smoothing)
    if data.image_folder is not None and not Path(data.image_folder).is_dir():
        raise ConfigError(f"data.image_folder: there is no folder {data.image_folder!r}.")
    return {
        **_of_data(data),
        "label_smoothing": settings.label_smoothing,
        "generation": dict(settings.generation),
        "augment": options_of(data.augment),
    }


def _of_data(data: ImageTextData) -> dict[str, Any]:
    return {"prompt_template": data.prompt_template, "chat_template": kept_template(data.chat_template)}


def of_plain_checkpoint(labels: LabelSpace | None, spec: CheckpointSpec, data: ImageTextData, where: str) -> Plain:
    """Returns what a model that writes about images is made with."""
    return written.plain_writer(labels, spec, _of_data(data))


def metric_group(task: Task, data: Any) -> MetricGroup:
    """Returns the metrics of short answers, or of free texts."""
    name = "visual-question-answering" if getattr(data, "target", None) == "answer" else "image-captioning"
    return GROUPS[name]


def probe(position: int) -> ImageTextExample:
    """Returns a made-up image with a question and an answer."""
    from PIL import Image

    return ImageTextExample(
        id=position,
        images=(Image.new("RGB", (256, 192), "grey"),),
        names=("made up",),
        messages=(user_message("What is it?", 1),),
        target="grey " * (1 + position % 4),
        sizes=((256, 192),),
        line=position + 1,
    )


def baselines(train: Split | None, split: Split) -> dict[str, Any]:
    """Returns what can be written without the image, without the question, and without both; see `text_baselines`."""
    return {} if train is None or not len(train) else text_baselines(train.examples, split.examples)


def without_images(example: ImageTextExample) -> ImageTextExample:
    """Returns an example whose images are grey all over, each of its own size."""
    from PIL import Image

    sizes = example.sizes or [image_size(*of) for of in zip(example.images, example.names, strict=True)]
    return dataclasses.replace(example, images=tuple(Image.new("RGB", size, "grey") for size in sizes))


_NO_VIRTUAL_TOKENS = no_virtual_tokens("virtual tokens stand before a text, and an image does here")
_NO_EXPORT = "ONNX files of models that write about images are not made"

KIND = Kind(
    name="image-text-to-text",
    reads="image",
    roles={
        "image": Role(description="the image: a path, the bytes of a file, or a list of them", column="image"),
        "question": Role(description="what is asked about it; captions need none", column="question"),
        "answer": Role(description="what is to be written; a list of several of equal standing", column="answer"),
        "messages": Role(description="a conversation about the image, in place of the two", column="messages"),
        "id": Role(description="the row's own id, kept in predictions"),
    },
    data=ImageTextData,
    settings=frozenset({"generation", "label_smoothing"}),
    generation={"num_beams": 1},
    found_in_files=found_in_files,
    read=read_examples,
    normalize=normalize,
    checks_on=True,
    check=check,
    check_inputs=check_images_given,
    describe=described,
    input_example=input_example,
    probe=probe,
    adapter_options=adapter_options,
    of_plain_checkpoint=of_plain_checkpoint,
    task_adapters={
        "decoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.image_text:ImageTextPreprocessor",
            objective="ftkit.adapters.objectives.image_text:ImageTextGeneration",
            auto_class="AutoModelForImageTextToText",
            usage="look",
            peft_task=None,
            refuses=_NO_VIRTUAL_TOKENS,
            no_export=_NO_EXPORT,
        ),
        "encoder-decoder": TaskAdapterSpec(
            preprocessor="ftkit.adapters.preprocessors.image_to_text:ImageToTextPreprocessor",
            objective="ftkit.adapters.objectives.image_to_text:ImageToTextGeneration",
            auto_class="AutoModelForImageTextToText",
            usage="look",
            peft_task=None,
            refuses=_NO_VIRTUAL_TOKENS,
            no_export=_NO_EXPORT,
        ),
    },
    metrics=metric_group,
    baselines=baselines,
    ablations={"blank_images": without_images},
    reading=lambda group: "image-text",
    blocks=lambda group: ("image-text-errors",),
)
