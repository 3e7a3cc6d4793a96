"""Images with the texts that belong to them: captions, or a label that a prompt makes a text of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ftkit.data.cells import WrongCell, list_of, plain, text_of
from ftkit.data.hashes import hash_of
from ftkit.data.images import ImageSource, open_image, pixel_digest
from ftkit.data.readers import Table
from ftkit.data.row_cells import RowCells
from ftkit.errors import DataError, name_list
from ftkit.types import CellError

ImagePairForm = Literal["captions", "labels"]
"""What a row says of its image: texts, one or more of them, or the name of a class."""

PLACE = "{label}"
"""Where the name of a class stands in a prompt."""

DEFAULT_PROMPTS = ("a photo of a {label}.",)
"""CLIP's own (arXiv 2103.00020, section 3.1.4)."""

_CAPTIONS = ("text", "caption", "captions", "texts", "sentence", "sentences", "description", "alt_text", "title")
_IMAGES = ("image", "file_name", "filename", "path", "image_path", "filepath", "img", "file")
_LABELS = ("label", "labels", "class", "category")


@dataclass(frozen=True, slots=True)
class ImagePairExample:
    """An image and texts, or one of the two alone to be embedded.

    Attributes:
        id: the row's `id` column, else its 0-based position in its source.
        image: where the pixels are; None where the row is a text alone.
        name: the image's name for people, such as `cat/1.jpg`.
        texts: its captions.
        label: the name of its class, where rows have labels.
        line: where the row begins in its file, for messages; 0 where an image is a file of a folder.
        digest: of the decoded pixels, where they have been looked at already.
        group: what the row shares with others that must stay on one side of a split: of captions their image.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    image: ImageSource
    name: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    line: int = 0
    digest: str = ""
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """What is held in memory before the image is decoded, in characters or bytes."""
        held = len(self.image) if isinstance(self.image, (str, bytes)) else len(self.name)
        return held + sum(map(len, self.texts))

    def key(self) -> Hashable:
        """Returns the digest of the pixels, or the texts where there is no image."""
        if self.image is None:
            return self.texts
        return self.digest or pixel_digest(open_image(self.image, self.name))

    def summary(self) -> str:
        """Returns the image's name and its texts in one line."""
        named = (self.name,) if self.image is not None else ()
        return " | ".join([*named, *(" ".join(text.split()) for text in self.texts)])


def in_prompts(label: str, prompts: Sequence[str]) -> tuple[str, ...]:
    """Returns a label as texts.

    Example:
        >>> in_prompts("cat", ["a photo of a {label}.", "{label}"])
        ('a photo of a cat.', 'cat')
    """
    return tuple(prompt.replace(PLACE, label) for prompt in prompts)


# --- what tells equal images and texts -----------------------------------------------------------------------


def image_hash(example: ImagePairExample) -> int:
    """Returns 63 bits that images of the same pixels share."""
    return hash_of(("image", str(example.key()))) >> 1


def text_hash(text: str) -> int:
    """Returns 63 bits that texts share which are the same but for spaces and upper case."""
    return hash_of(("text", " ".join(text.casefold().split()))) >> 1


def label_hash(label: str) -> int:
    """Returns 63 bits that all prompts of a label share."""
    return hash_of(("label", label)) >> 1


# --- columns -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImagePairColumns:
    """Which columns of a file hold what.

    Attributes:
        texts: of captions, one or several columns; a cell is a text or a list of texts.
        label: of rows with labels.
    """

    form: ImagePairForm
    image: str
    texts: tuple[str, ...] = ()
    label: str | None = None

    def told(self) -> str:
        """Returns it in words."""
        what = f"captions in {name_list(self.texts)}" if self.form == "captions" else f"labels in {self.label!r}"
        return f"images in {self.image!r} with {what}"


def find_columns(
    table: Table, given: Mapping[str, str | tuple[str, ...]], form: ImagePairForm | None
) -> ImagePairColumns:
    """Returns which columns of a file hold images, captions and labels.

    Args:
        given: role -> column, or columns of captions, as far as the user says it.
        form: what rows say, if the user says it; else captions where there are any.

    Raises:
        DataError: a column is missing.
    """
    image = image_column(table, given)
    said = given.get("text")
    named = (said,) if isinstance(said, str) else tuple(said or ())
    for column in named:
        if column not in table.columns:
            raise table.missing_column(column, role="text")
    label = given.get("label")
    if isinstance(label, str) and label not in table.columns:
        raise table.missing_column(label, role="label")
    found = label if isinstance(label, str) else next((name for name in _LABELS if name in table.columns), None)
    texts = named or caption_columns(table)
    if form is None:
        form = "labels" if isinstance(label, str) and not named else "captions" if texts else "labels"
    if form == "captions" and texts:
        return ImagePairColumns(form, image, texts)
    if form == "labels" and found is not None:
        return ImagePairColumns(form, image, label=found)
    what, role = ("captions", "text") if form == "captions" else ("labels or captions", "label")
    raise DataError(
        f"{table.source}: no column is known to hold {what}; the columns are {name_list(table.columns)}. {table.hint}"
        f"\nFix: name it: data.columns: {{{role}: COLUMN}}"
        + ("." if form == "captions" else ", or for captions {text: COLUMN}.")
    )


def image_column(table: Table, given: Mapping[str, str | tuple[str, ...]]) -> str:
    """Returns the column of images: the user's, else one that data sets use.

    Raises:
        DataError: there is none.
    """
    said = given.get("image")
    if isinstance(said, str) and said in table.columns:
        return said
    found = next((name for name in _IMAGES if name in table.columns), None)
    if found is None or (isinstance(said, str) and said != "image"):
        raise table.missing_column(str(said or "image"), role="image")
    return found


def caption_columns(table: Table) -> tuple[str, ...]:
    """Returns the column of captions, or the columns `caption_0`, `caption_1` ... where there are several."""
    one = next((name for name in _CAPTIONS if name in table.columns), None)
    if one is not None:
        return (one,)
    stems = ("caption", "text", "sentence", "comment")
    return tuple(name for name in table.columns if name.rstrip("0123456789").rstrip("_") in stems)


def captions_of(cells: RowCells, columns: Sequence[str]) -> tuple[str, ...]:
    """Returns the captions of a row; an empty cell holds none."""
    found: list[str] = []
    for column in columns:
        try:
            found += _texts(cells.cells.get(column))
        except WrongCell as wrong:
            cells.refuse([column], wrong)
    return tuple(found)


def _texts(cell: object) -> tuple[str, ...]:
    cell = plain(cell)
    if cell is None or cell == "":
        return ()
    if isinstance(cell, str) and not cell.lstrip().startswith(('["', "['")):
        return (cell,)
    return tuple(map(text_of, list_of(cell, "texts")))
