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

from ftkit.data.images import EXTENSIONS
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.errors import DataError
from ftkit.types import Row, natural_key

IMAGES, LABELS = "images", "labels"
_YAML, _LISTS = ("data.yaml", "dataset.yaml", "data.yml"), ("classes.txt", "obj.names", "labels.txt")


def recognises(path: Path) -> bool:
    """Tells whether a path is a folder of images with a folder of labels that is called alike."""
    folders = _folders(path)
    return folders is not None and any(folders[1].glob("*.txt"))


def parts(path: Path) -> list[Path]:
    """Returns nothing: a folder is known by all that it holds."""
    return []


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a folder.

    Raises:
        DataError: a line is no box, or its label has no name.
    """
    folders = _folders(path)
    assert folders is not None
    images, labels = folders
    names = _names(images)
    files = sorted((file for file in images.iterdir() if file.suffix.lower() in EXTENSIONS), key=_key)
    if not files:
        raise DataError(f"{images} holds no images.")

    def rows() -> Iterator[Row]:
        for file in files:
            yield Row({"image": file.name, "objects": _objects(labels / f"{file.stem}.txt", names)}, 0)

    return Table(str(path), ("image", "objects"), RowStream(rows), folder=images)


def _key(file: Path) -> Any:
    return natural_key(file.name)


def _folders(path: Path) -> tuple[Path, Path] | None:
    """Returns the folder of the images and that of their text files; None where there are none."""
    if not path.is_dir():
        return None
    path = path.absolute()
    if (path / IMAGES).is_dir() and (path / LABELS).is_dir():
        return path / IMAGES, path / LABELS
    if IMAGES not in path.parts:
        return None
    place = len(path.parts) - 1 - path.parts[::-1].index(IMAGES)
    labels = Path(*path.parts[:place], LABELS, *path.parts[place + 1 :])
    return (path, labels) if labels.is_dir() else None


def _names(images: Path) -> dict[int, str] | None:
    """Returns number -> name of the labels; None where no file names them."""
    import yaml

    for folder in list(images.parents)[:3]:
        for name in _YAML:
            if (folder / name).is_file():
                found = (yaml.safe_load((folder / name).read_text(encoding="utf-8")) or {}).get("names")
                if isinstance(found, list):
                    found = dict(enumerate(found))
                if isinstance(found, dict):
                    return {int(number): str(label) for number, label in found.items()}
        for name in _LISTS:
            if (folder / name).is_file():
                lines = (folder / name).read_text(encoding="utf-8").split("\n")
                return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return None


def _objects(file: Path, names: dict[int, str] | None) -> dict[str, Any]:
    boxes, labels, numbers = [], [], []
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        number, box = _box(file, place, line)
        if names is not None and number not in names:
            raise DataError(f"{file}, line {place}: there is no name for the label {number}; there are {len(names)}.")
        boxes.append(box)
        numbers.append(number)
        labels.append(str(number) if names is None else names[number])
    return {"bbox": boxes, "category": labels, "category_id": numbers, "format": "cxcywhn"}


def _box(file: Path, place: int, line: str) -> tuple[int, list[float]]:
    cells = line.split()
    try:
        number, box = int(cells[0]), [float(cell) for cell in cells[1:]]
    except ValueError:
        number, box = -1, []
    if number < 0 or len(box) != 4:
        what = (
            f"it holds {len(cells)} numbers, as outlines do" if len(cells) > 5 else f"it reads {line.strip()[:60]!r}"
        )
        raise DataError(
            f"{file}, line {place}: expected a label's number and four shares, such as 0 0.5 0.5 0.2 0.1; {what}."
        )
    return number, box
