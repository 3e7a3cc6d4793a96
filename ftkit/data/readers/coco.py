"""Reads COCO: one JSON file with `images`, `annotations` and `categories`.

    coco/annotations/instances_train.json      the images lie beside the file, in images/ beside it, or in a folder
    coco/train/000000000009.jpg                beside the file's folder: the first place that holds the first of them

A row has `image`, a path, `objects`, and `id`, the number of the image. Images without annotations are rows without
boxes. `area` and `iscrowd` are kept, and `category_id`: labels are called by their names.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.data.readers.text import read_text
from ftkit.errors import DataError, name_list
from ftkit.types import Row

_KEYS = ("images", "annotations", "categories")
_ID = (int, str)
_TYPES: Mapping[str, Any] = {"id": _ID, "image_id": _ID, "category_id": _ID, "file_name": str}


def recognises(path: Path) -> bool:
    """Tells whether a path is a JSON file that speaks of images and annotations."""
    if path.suffix != ".json" or not path.is_file():
        return False
    content = path.read_bytes()
    is_object = content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")
    return is_object and all(f'"{key}"'.encode() in content for key in _KEYS[:2])


def parts(path: Path) -> list[Path]:
    """Returns nothing: the file holds all."""
    return []


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a file.

    Raises:
        DataError: it is no such JSON, names images that are nowhere, or its numbers do not fit together.
    """
    images, annotations, names = parts_of(path, read_text(path, options), ("image_id", "category_id", "bbox"))
    boxes: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for annotation in annotations:
        boxes[annotation["image_id"]].append(annotation)

    def rows() -> Iterator[Row]:
        for image in images:
            found = boxes[image["id"]]
            objects = {
                "bbox": [one["bbox"] for one in found],
                "category": [names[one["category_id"]] for one in found],
                "category_id": [one["category_id"] for one in found],
                "area": [one.get("area") for one in found],
                "iscrowd": [one.get("iscrowd", 0) for one in found],
                "format": "xywh",
            }
            if image.get("width") and image.get("height"):
                objects["size"] = [image["width"], image["height"]]
            yield Row({"image": image["file_name"], "objects": objects, "id": image["id"]}, 0)

    return Table(
        str(path), ("image", "objects", "id"), RowStream(rows), folder=folder_of(path, images[0]["file_name"])
    )


def parts_of(path: Path, text: str, keys: tuple[str, ...]) -> tuple[list[Any], list[Any], dict[Any, str]]:
    """Returns images, annotations and the names of categories by their numbers.

    Args:
        keys: what each annotation has to have.

    Raises:
        DataError: the text is no such JSON, or its numbers do not fit together.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is no valid JSON: {error}.") from None
    for key in _KEYS:
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise DataError(
                f"{path}: expected COCO's lists {name_list(_KEYS)}, and {key!r} is none. Export the file again."
            )
    images, annotations, categories = (document[key] for key in _KEYS)
    _check(path, "images", images, ("id", "file_name"))
    _check(path, "annotations", annotations, keys)
    _check(path, "categories", categories, ("id", "name"))
    if not images:
        raise DataError(f"{path} is empty: it names no images.")
    _check_ids(path, images)
    names = {one["id"]: str(one["name"]) for one in categories}
    if len(set(names.values())) < len(categories):
        raise DataError(f"{path}: two categories have one name or one id. Give every category its own.")
    known = {image["id"] for image in images}
    for place, one in enumerate(annotations):
        for key, ids in (("image_id", known), ("category_id", names)):
            if one[key] not in ids:
                raise DataError(
                    f"{path}, annotations[{place}]: there is no {key} {one[key]!r}. Correct it, or remove the "
                    "annotation."
                )
    return images, annotations, names


def _check(path: Path, part: str, items: list[Any], keys: tuple[str, ...]) -> None:
    for place, item in enumerate(items):
        missing = [key for key in keys if not isinstance(item, dict) or key not in item]
        if missing:
            raise DataError(f"{path}, {part}[{place}]: there is no {missing[0]!r}. Add it, or remove the entry.")
        wrong = [key for key in keys if not isinstance(item[key], _TYPES.get(key, object))]
        wrong += [side for side in ("width", "height") if item.get(side) and not _is_number(item[side])]
        if wrong:
            raise DataError(
                f"{path}, {part}[{place}]: {wrong[0]!r} is {str(item[wrong[0]])[:40]!r}; expected "
                f"{'a text' if _TYPES.get(wrong[0]) is str else 'a number'}. Correct it, or remove the entry."
            )
        if "file_name" in keys:
            item["file_name"] = item["file_name"].replace("\\", "/")  # as Windows writes it


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or str(value).isdecimal()


def _check_ids(path: Path, images: list[Any]) -> None:
    first: dict[Any, Any] = {}
    for image in images:
        other = first.setdefault(image["id"], image)
        if other is not image:
            raise DataError(
                f"{path}: the images {other['file_name']} and {image['file_name']} have one id, {image['id']!r}, and "
                "share all annotations. Give every image its own."
            )


def folder_of(path: Path, first: str) -> Path:
    """Returns the folder that the names of images begin in.

    Raises:
        DataError: the first of them is nowhere.
    """
    above = path.parent.parent
    places = [path.parent, path.parent / "images", above, above / "images"]
    places += sorted(folder for place in (above, above / "images") if place.is_dir() for folder in place.iterdir())
    found = next((place for place in places if (place / first).is_file()), None)
    if found is None:
        raise DataError(
            f"{path}: its first image, {first}, lies neither beside it nor in {path.parent / 'images'}, {above} or a "
            "folder in these.\nFix: put the folder of the images beside the file, or beside the file's folder"
        )
    return found
