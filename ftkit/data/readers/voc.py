"""Reads Pascal VOC: one XML file an image.

    voc/Annotations/1.xml                  voc                               all images that have an XML file
    voc/JPEGImages/1.jpg                   voc/ImageSets/Main/train.txt      those that a list names
    voc/ImageSets/Main/train.txt           photos (1.jpg beside 1.xml)       as LabelImg writes it

A row has `image`, a path, and `objects`: the boxes as they are written, 1-based with the last pixel included. An image
whose file names no object is a row without boxes. `pose`, `truncated`, parts and segments are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ftkit.console import warn
from ftkit.data.images import EXTENSIONS
from ftkit.data.readers.folder import is_hidden
from ftkit.data.readers.table import ReadOptions, RowStream, Table
from ftkit.errors import DataError, name_list
from ftkit.types import Row, natural_key, natural_sort

ANNOTATIONS, IMAGES, SETS = "Annotations", "JPEGImages", "ImageSets"
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def recognises(path: Path) -> bool:
    """Tells whether a path is a folder with Annotations/, one with XML files beside its images, or a list of a set."""
    if path.is_dir():
        return (path / ANNOTATIONS).is_dir() or any(_annotations_in(path))
    return path.suffix == ".txt" and path.parent.parent.name == SETS


def parts(path: Path) -> list[Path]:
    """Returns the XML files that a list names."""
    if path.is_dir() or not recognises(path):
        return []
    root, stems = _root_and_stems(path)
    return [file for stem in stems if (file := _annotation(root, stem)).is_file()]


def read(path: Path, options: ReadOptions) -> Table:
    """Reads a folder or a list.

    Raises:
        DataError: there are no annotations, a list names an image that has none, or a file is no such XML.
    """
    root, stems = _root_and_stems(path)
    if not stems:
        raise DataError(f"{path} names no image: there is no XML file of Pascal VOC in it.")
    missing = [stem for stem in stems if not _annotation(root, stem).is_file()]
    if missing:
        raise DataError(
            f"{path} names {len(missing):,} images without an annotation, such as {_annotation(root, missing[0])}.\n"
            "Fix: copy these files, or take their lines out of the list."
        )
    folder = root / IMAGES if (root / IMAGES).is_dir() else root
    if path.is_dir():
        _report_unannotated(path, folder, stems)
    names = {file.stem: file.name for file in _images_in(folder)}

    def rows() -> Iterator[Row]:
        for stem in stems:
            yield Row(_cells(_annotation(root, stem), names), 0)

    return Table(str(path), ("image", "objects"), RowStream(rows), folder=folder)


def _root_and_stems(path: Path) -> tuple[Path, list[str]]:
    """Returns the folder that holds all, and the names of the images without their endings."""
    if not path.is_dir():
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        # `000012 -1` in the list of a class: the image holds none of it.
        return path.parent.parent.parent, [_stem(line.split()[0]) for line in lines if line.strip()]
    folder = path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path
    return path, sorted((file.stem for file in _annotations_in(folder)), key=natural_key)


def _stem(name: str) -> str:
    """Returns the name of an image without its ending, which some programs write into lists."""
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in EXTENSIONS else name


def _annotations_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.glob("*.xml") if not is_hidden(file))


def _images_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if file.suffix.lower() in EXTENSIONS and not is_hidden(file))


def _annotation(root: Path, stem: str) -> Path:
    return (root / ANNOTATIONS if (root / ANNOTATIONS).is_dir() else root) / f"{stem}.xml"


def _report_unannotated(path: Path, folder: Path, stems: list[str]) -> None:
    known = set(stems)
    others = [file.name for file in _images_in(folder) if file.stem not in known]
    if others:
        warn(
            f"{path}: {len(others):,} images have no XML file and are not read, such as "
            f"{name_list(natural_sort(others), limit=3)}"
        )


def _cells(file: Path, names: dict[str, str]) -> dict[str, Any]:
    root = _parsed(file)
    stated = (root.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
    # Files are renamed, and their annotations are not: what is called alike belongs together.
    image = names.get(file.stem) or names.get(Path(stated).stem) or stated or f"{file.stem}.jpg"
    boxes, labels, ignored = [], [], []
    for number, found in enumerate(root.iter("object"), 1):
        labels.append((found.findtext("name") or "").strip())
        boxes.append(_box(file, number, found))
        ignored.append((found.findtext("difficult") or "0").strip() == "1")
    objects: dict[str, Any] = {"bbox": boxes, "category": labels, "ignored": ignored, "format": "voc"}
    size = [root.findtext(f"size/{side}") or "" for side in ("width", "height")]
    if all(side.strip().isdecimal() and int(side) for side in size):
        objects["size"] = [int(side) for side in size]
    return {"image": image, "objects": objects}


def _parsed(file: Path) -> ElementTree.Element:
    content = file.read_bytes()
    if b"<!ENTITY" in content:
        raise DataError(f"{file} declares entities of XML, which are not read. Remove them.")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise DataError(f"{file} is no valid XML: {error}. Export it again.") from None
    if root.tag != "annotation":
        raise DataError(f"{file} is no annotation of Pascal VOC: it holds <{root.tag}>, expected <annotation>.")
    return root


def _box(file: Path, number: int, found: ElementTree.Element) -> list[float]:
    numbers = []
    for side in _SIDES:
        text = found.findtext(f"bndbox/{side}")
        try:
            numbers.append(float(text or ""))
        except ValueError:
            got = "is missing" if text is None else f"holds {text.strip()!r}"
            raise DataError(
                f"{file}, object {number}: <{side}> {got}; expected the number of a pixel. Correct it, or remove the "
                "object."
            ) from None
    return numbers
