"""Checks images and what is written for them before anything is trained: each finding names its rows and the fix."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ftkit.data.check import Wording, check_leaks, check_size
from ftkit.data.columns import column, find, taken
from ftkit.data.image_check import Looked, look_at_images
from ftkit.data.image_text import GIST, ImageTextExample, usual
from ftkit.data.images import open_image, pixel_digest
from ftkit.data.media_files import is_media_file
from ftkit.data.problems import Problems
from ftkit.types import Split

if TYPE_CHECKING:
    from PIL import Image

ROWS = Wording("image with its question", "images with their questions", "pixel for pixel and word for word")

_BOX = 4  # of Pillow's filters, which takes the mean of all pixels of a square

Splits = Mapping[str, Split[ImageTextExample]]


def looked_at(splits: Splits, problems: Problems) -> dict[str, Split[ImageTextExample]]:
    """Decodes every image once: what cannot be decoded is reported; digests and sizes of the others are filled in."""
    return look_at_images(splits, problems, _filled, look_further=_look_further)


def _look_further(example: ImageTextExample, image: Image.Image) -> Mapping[str, Any]:
    others = [open_image(source, name) for source, name in zip(example.images[1:], example.names[1:], strict=True)]
    images = [image, *others]
    return {
        "digests": tuple(map(pixel_digest, images)),
        "sizes": tuple(one.size for one in images),
        "gist": image.resize((GIST, GIST), resample=_BOX).tobytes(),
    }


def _filled(example: ImageTextExample, looked: Looked) -> ImageTextExample:
    found = looked.found or {"digests": (f"none: {looked.problem}",)}  # nothing opens these files again
    return dataclasses.replace(example, **found)


def without_texts_alone(splits: Splits, problems: Problems) -> Splits:
    """Returns the splits without conversations about no image, which files such as LLaVA's hold among others.

    Where a split has nothing else, they stay, and are reported as rows whose images are missing.
    """
    import numpy as np

    found: dict[str, Split[ImageTextExample]] = {}
    for name, split in splits.items():
        is_text = np.fromiter(column(split.examples, "is_text"), bool, len(split))
        found[name] = split
        if is_text.all() or not is_text.any():
            continue
        problems.warn(
            f"{name}: {is_text.sum():,} of {len(split):,} rows are conversations without an image; they are "
            f"{'not trained on' if name == 'train' else 'not scored'}",
            where=split.where(split.examples[int(is_text.argmax())]),
            remedy="nothing, or fine-tune on them by task: text-generation; a row that should have an image names it "
            "under image",
        )
        found[name] = dataclasses.replace(split, examples=taken(split.examples, np.flatnonzero(~is_text)))
    return found


def one_target_each(splits: Splits, *, all_of_them: bool, problems: Problems) -> Splits:
    """Returns the splits with one text in each training row; rows to be scored keep all of them.

    Args:
        all_of_them: a row becomes one for each of its texts, as captions are learnt; else the text that is there most
            often stays, as of the answers that several people gave to one question.
    """
    train = splits.get("train")
    several = [] if train is None else list(find(train.examples, "other_targets", bool))
    if train is None or not several:
        return splits
    if all_of_them:
        examples = [
            dataclasses.replace(row, target=target, other_targets=())
            for row in train.examples
            for target in dict.fromkeys(row.targets)
        ]
        told = f"each is an example of its own, {len(examples):,} in all"
    else:
        examples = [
            dataclasses.replace(row, target=usual(row.targets), other_targets=()) if row.other_targets else row
            for row in train.examples
        ]
        told = "the one that is there most often is learnt, of equals the first"
    problems.warn(
        f"train: {len(several):,} of {len(train):,} rows have several texts to write; {told}",
        where=train.where(several[0]),
    )
    return {**splits, "train": dataclasses.replace(train, examples=examples)}


def check_rows(splits: Splits, problems: Problems) -> None:
    """Reports texts that are empty, splits that are too small, and rows that are trained on and scored."""
    for split in splits.values():
        check_size(split, problems)
        for example in split.examples:
            if example.target is not None and not example.target.strip():
                problems.error(
                    f"{split.name}: there is nothing to write",
                    where=split.where(example),
                    remedy="fill in the answer or caption, or delete the row",
                )
    train = splits.get("train")
    if train is not None:
        others = [split for split in splits.values() if split is not train]
        check_leaks(train, others, problems, ROWS)
        _check_images_apart(train, others, problems)
        _check_one_answer(train, problems)


def _check_images_apart(train: Split[ImageTextExample], others: Iterable[Split], problems: Problems) -> None:
    """An image that is trained on with another question may be known by heart."""
    seen = {digest for example in train.examples for digest in example.digests}
    for split in others:
        shared = [example for example in split.examples if not seen.isdisjoint(example.digests)]
        if shared:
            problems.warn(
                f"{len(shared):,} of {len(split):,} rows of {split.name} are about images that are also in train",
                where=split.where(shared[0]),
                remedy="keep images on one side, so that the score is of images never seen: where validation is a "
                "share of train, data.group: image (the column that names them)",
            )


def _check_one_answer(train: Split[ImageTextExample], problems: Problems) -> None:
    """One text for all rows can be had without a look at any image."""
    if len(train) > 1 and len({example.target for example in train.examples}) == 1:
        problems.error(
            f"train: all rows have the same text to write, {train.examples[0].target!r}",
            where=train.source,
            remedy="check data.columns.answer",
        )


def check_images_given(split: Split[ImageTextExample], problems: Problems) -> None:
    """Reports rows without an image and files that are not there; none is opened, as it will be at once."""
    for example in split.examples:
        if not example.images:
            problems.error(
                f"{split.name}: there is no image",
                where=split.where(example),
                remedy="fill in the path of the image, or delete the row",
            )
        for source in example.images:
            if isinstance(source, str) and not is_media_file(source):
                problems.error(
                    f"{split.name}: there is no such file as {source}",
                    where=split.where(example),
                    remedy="correct the path; relative ones begin where the file lies that names them, or in "
                    "data.image_folder",
                    kind=f"{split.name}: no such file",
                )


def described(split: Split[ImageTextExample]) -> list[str]:
    """Returns what a person wants to know of images and texts: how many of each, and how long they are.

    Example: "4,000 images of 64 x 64 pixels", "38,575 questions, 120 different; 1 to 2 words are written, 1.0 on
    average; most often 'no' (25 %), 'yes' (24 %)".
    """
    examples = split.examples
    if not examples:
        return []
    digests = {digest for example in examples for digest in example.digests}
    sizes = [size for example in examples for size in example.sizes]
    lines = []
    if sizes:
        small, large = min(sizes), max(sizes)
        of = f"{small[0]} x {small[1]}" + ("" if small == large else f" to {large[0]} x {large[1]}")
        lines.append(f"{len(digests):,} different images of {of} pixels")
    asked = [example.question for example in examples if example.question]
    targets = [target for example in examples for target in example.targets]
    counts = [len(target.split()) for target in targets]
    common = [f"{text[:40]!r} ({count / len(targets):.0%})" for text, count in Counter(targets).most_common(3)]
    questions = f"{len(asked):,} questions, {len(set(asked)):,} different; " if asked else ""
    if counts:
        mean = sum(counts) / len(counts)
        lines.append(
            f"{questions}{min(counts)} to {max(counts)} words are written, {mean:.1f} on average; most often "
            + ", ".join(common)
        )
    return lines
