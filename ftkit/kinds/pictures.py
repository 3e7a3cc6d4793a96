"""What kinds have in common whose rows are images: image classification, object detection, segmentation."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from ftkit.data.cells import WrongCell, describe, single
from ftkit.data.images import ImageSource, image_name, image_source
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError


def fields_of(cells: RowCells, table: Table, position: int, line: int) -> dict[str, Any]:
    """Returns what an example holds of a row's image, but for what is to be learnt of it; no file is opened.

    Args:
        position: of the row in its file, from 0.
        line: where it begins there; 0 where rows are files.
    """
    name = image_name(cells.get("image"), position)
    return {
        "id": cells.id(position if line else name),
        "image": cells.read("image", functools.partial(image_of, folder=table.folder), None),
        "name": name,
        "line": line,
        "group": cells.group(file="image", folder=table.folder),
    }


def image_of(cell: Any, folder: Path | None) -> ImageSource:
    """Returns the image that a cell means: a path, relative to the folder of the file that names it, or bytes.

    Raises:
        WrongCell: it holds something else.
    """
    cell = single(cell)
    try:
        return image_source(cell, folder)
    except TypeError:
        raise WrongCell(describe(cell), "write the path of an image, or the bytes of its file", cell=cell) from None


def input_fields(position: int, item: Any) -> dict[str, Any]:
    """Returns an input of `Predictor.predict` as an example holds it: a path, a file's bytes, or a Pillow image.

    Raises:
        DataError: it is none of them.
    """
    if isinstance(item, os.PathLike):
        item = os.fspath(item)
    if hasattr(item, "convert") and hasattr(item, "getexif"):  # a Pillow image, which is not imported to ask
        return {"id": position, "image": item, "name": f"image {position + 1}", "line": position}
    try:
        image = image_source(item, None)
    except TypeError:
        raise DataError(
            f"inputs, item {position}: expected the path of an image, the bytes of its file or a Pillow image, got a "
            f"value of type {type(item).__name__}."
        ) from None
    return {"id": position, "image": image, "name": image_name(item, position), "line": position}
