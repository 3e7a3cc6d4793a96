"""Reads YOLO: a text file for each image, one box a line: the number of its label, the middle, width and height.

    yolo/images/train/1.jpg        yolo/images/train                  the images of a folder
    yolo/labels/train/1.txt        yolo (1.jpg in images/, 1.txt in labels/)
    yolo/data.yaml                 the names of the labels; or classes.txt, obj.names

Numbers are shares of the image. An image without a text file, or with an empty one, holds nothing to be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.console import warn
from ftkit.data.images import EXTENSIONS
from ftkit.data.readers.folder import is_hidden
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.errors import DataError, name_list
from ftkit.types import Row, natural_key, natural_sort

IMAGES, LABELS = "images", "labels"
_YAML, _LISTS = ("data.yaml", "dataset.yaml", "data.yml"), ("classes.txt", "obj.names", "labels.txt")


def recognises(path: Path) -> bool:
    """Tells whether a path is a folder of images with one of labels that is called alike, or leads to such."""
    folders = _folders(path)
    return (folders is not None and any(_texts_in(folders[1], "**/"))) or _images_of(path) is not None


def parts(path: Path) -> list[Path]:
    """Returns nothing: a folder is known by all that it holds."""
    return []


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a folder.

    Raises:
        DataError: a line is no box, its label has no name, or another folder is the one of the images.
    """
    if (meant := _images_of(path)) is not None:
        raise DataError(f"{path}: of YOLO the folder of the images is named.\nFix: data.train: {meant}")
    folders = _folders(path)
    assert folders is not None
    images, labels = folders
    names = _names(images)
    files = sorted(_images_in(images), key=_key)
    if not files:
        inside = _first_with_images(sorted(images.iterdir()))
        fix = "" if inside is None else f"\nFix: name one folder for each split, such as data.train: {inside}"
        raise DataError(f"{images} holds no images.{fix}")
    _report_alone(path, labels, {file.stem for file in files})

    def rows() -> Iterator[Row]:
        for file in files:
            yield Row({"image": file.name, "objects": _objects(labels / f"{file.stem}.txt", names)}, 0)

    return Table(str(path), ("image", "objects"), RowStream(rows), folder=images)


def _key(file: Path) -> Any:
    return natural_key(file.name)


def _images_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() in EXTENSIONS and not is_hidden(file))


def _first_with_images(folders: list[Path]) -> Path | None:
    return next((folder for folder in folders if folder.is_dir() and any(_images_in(folder))), None)


def _texts_in(folder: Path, below: str = "") -> Iterator[Path]:
    return (file for file in folder.glob(f"{below}*.txt") if not is_hidden(file))


def _report_alone(path: Path, labels: Path, stems: set[str]) -> None:
    alone = [file.name for file in _texts_in(labels) if file.stem not in stems and file.name not in _LISTS]
    if alone:
        warn(
            f"{path}: {len(alone):,} files of {labels} have no image and are not read, such as "
            f"{name_list(natural_sort(alone), limit=3)}"
        )


def _images_of(path: Path) -> Path | None:
    """Returns the folder of images that is meant by one of labels, or by data.yaml; None of other paths."""
    if path.name in _YAML and path.is_file():
        folders = sorted([*path.parent.glob(f"{IMAGES}/*"), *path.parent.glob(f"*/{IMAGES}")])
        return _first_with_images([path.parent / IMAGES, *folders]) or path.parent / IMAGES
    swapped = _swapped(path.absolute(), LABELS, IMAGES)
    is_labels = swapped is not None and swapped.is_dir() and path.is_dir() and not any(_images_in(path))
    return swapped if is_labels else None


def _swapped(path: Path, name: str, other: str) -> Path | None:
    """Returns a path with its last folder of a name called otherwise; None where it has none."""
    if name not in path.parts:
        return None
    place = len(path.parts) - 1 - path.parts[::-1].index(name)
    return Path(*path.parts[:place], other, *path.parts[place + 1 :])


def _folders(path: Path) -> tuple[Path, Path] | None:
    """Returns the folder of the images and that of their text files; None where there are none."""
    if not path.is_dir():
        return None
    path = path.absolute()
    if (path / IMAGES).is_dir() and (path / LABELS).is_dir():
        return path / IMAGES, path / LABELS
    labels = _swapped(path, IMAGES, LABELS)
    return (path, labels) if labels is not None and labels.is_dir() else None


def _names(images: Path) -> dict[int, str] | None:
    """Returns number -> name of the labels; None where no file names them."""
    for folder in list(images.parents)[:3]:
        for name in _YAML:
            if (folder / name).is_file() and (found := _names_in(folder / name)) is not None:
                return found
        for name in _LISTS:
            if (folder / name).is_file():
                lines = (folder / name).read_text(encoding="utf-8-sig", errors="replace").split("\n")
                return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return None


def _names_in(file: Path) -> dict[int, str] | None:
    """Returns number -> name of the labels that a YAML file names; None where it names none.

    Raises:
        DataError: it is no YAML, or its names are none.
    """
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8-sig", errors="replace"))
    except yaml.YAMLError as error:
        raise DataError(f"{file} is no valid YAML: {' '.join(str(error).split())}. Correct it.") from None
    found = document.get("names") if isinstance(document, dict) else document
    named = dict(enumerate(found)) if isinstance(found, list) else found
    try:
        return None if named is None else {int(number): str(label) for number, label in named.items()}
    except (AttributeError, TypeError, ValueError):
        got = repr(found)[:60]
        raise DataError(f"{file}: expected labels, such as names: [cat, dog], got {got}. Correct it.") from None


def _objects(file: Path, names: dict[int, str] | None) -> dict[str, Any]:
    boxes, labels, numbers = [], [], []
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines() if file.is_file() else []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number, box = _box(file, place, line)
        if names is not None and number not in names:
            raise DataError(
                f"{file}, line {place}: there is no name for the label {number}; the names are those of "
                f"{name_list(names, limit=5)}. Correct the number, or name it where the others are named."
            )
        boxes.append(box)
        numbers.append(number)
        labels.append(str(number) if names is None else names[number])
    return {"bbox": boxes, "category": labels, "category_id": numbers, "format": "cxcywhn"}


def _box(file: Path, place: int, line: str) -> tuple[int, list[float]]:
    cells = line.split()
    try:
        number, *box = map(float, cells)
    except ValueError:
        number, box = -1, []
    if number < 0 or number % 1 or len(box) != 4:
        what = (
            f"it holds {len(cells)} numbers, as outlines do" if len(cells) > 5 else f"it reads {line.strip()[:60]!r}"
        )
        raise DataError(
            f"{file}, line {place}: expected a label's number and four shares, such as 0 0.5 0.5 0.2 0.1; {what}."
        )
    return int(number), box
