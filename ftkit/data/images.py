"""Images as examples, and the one way in which a file becomes pixels: for training, prediction, export and reports.

Two programs that open one file may see two pictures: turned or upright, with a black or a white background, nearly
black where 16 bits were read as 8. So all of ftkit opens images by `open_image`, and nothing else does.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import zlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ftkit.data.media_files import is_address, open_media, similar_file
from ftkit.errors import DataError
from ftkit.types import CellError, Label

if TYPE_CHECKING:
    from PIL import Image

ImageSource: TypeAlias = "str | bytes | Image.Image | None"
"""A file's path, a file's bytes, or an image that has been opened; None where a row has none."""

EXTENSIONS = (
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"),
    *(".jp2", ".avif"),
)
"""Endings of the files that are taken for images in a folder."""

# By content, whatever the file's name. Pillow opens more, but some formats start other programs (EPS), read further
# files, or hold no picture.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")

MAX_PIXELS = 100_000_000
"""A file of a few kilobytes can announce more pixels than memory holds; the largest cameras take 100 million."""

_FIRST_QUARTER = 5  # of EXIF's orientations: those from here on swap width and height

# What Pillow raises on damaged files, by format.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError),
    *(struct.error, zlib.error),
)


@dataclass(frozen=True, slots=True)
class ImageExample:
    """One image to classify.

    Attributes:
        id: the row's `id` column, else its 0-based position in its source.
        image: where the pixels are.
        name: the image's name for people, such as `cat/1.jpg`.
        label: None when the row is only to be predicted.
        line: where the row begins in its file, for messages; 0 where an image is a file of a folder.
        digest: of the decoded pixels, where they have been looked at already.
        group: what the row shares with others that must stay on one side of a split, such as a patient.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    image: ImageSource
    name: str
    label: Label | None = None
    line: int = 0
    digest: str = ""
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def size(self) -> int:
        """What is held in memory before the image is decoded, in characters or bytes."""
        return len(self.image) if isinstance(self.image, (str, bytes)) else len(self.name)

    def key(self) -> Hashable:
        """Returns the digest of the pixels: equal for one picture under two names, or in two lossless formats."""
        return self.digest or pixel_digest(open_image(self.image, self.name))

    def summary(self) -> str:
        """Returns the image's name."""
        return self.name


def image_source(cell: Any, folder: Path | None) -> ImageSource:
    """Returns the image that a cell of a table means.

    Args:
        cell: a path, the bytes of a file, `{"bytes": ..., "path": ...}` as `datasets` stores images, or None.
        folder: where relative paths begin.

    Raises:
        TypeError: it is nothing of these.

    Example:
        >>> image_source({"bytes": None, "path": "cat/1.jpg"}, Path("photos"))
        'photos/cat/1.jpg'
    """
    if isinstance(cell, Mapping) and {"bytes", "path"} & cell.keys():
        content = cell.get("bytes")
        cell = cell.get("path") if content is None else content
    if cell is None or cell == "" or cell == b"":
        return None
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return bytes(cell)
    if isinstance(cell, (str, Path)):
        return str(folder / cell if folder is not None else Path(cell))
    raise TypeError(type(cell).__name__)


def image_name(cell: Any, position: int) -> str:
    """Returns what people call the image of a cell: its path as written, else its number."""
    path = cell.get("path") if isinstance(cell, Mapping) else cell
    return str(path) if isinstance(path, (str, Path)) and str(path) else f"image {position + 1}"


def open_image(source: ImageSource, name: str = "the image") -> Image.Image:
    """Decodes an image to 8-bit RGB, upright.

    Transparent images are laid on white; 16 bits are scaled to 8; of an animation the first frame is taken; colour
    profiles are not applied.

    Args:
        source: where the pixels are.
        name: for messages.

    Returns:
        An image of mode RGB, decoded fully.

    Raises:
        DataError: there is no such file, it is no image, is damaged or cut short, has more than `MAX_PIXELS`, or
            holds numbers whose range is not known.
    """
    if source is None:
        raise DataError(f"{name}: there is no image.")
    return _to_rgb(opened_image(source, name), name)


def opened_image(source: str | bytes | Image.Image, name: str) -> Image.Image:
    """Decodes an image and changes nothing of it: mode, values and orientation are the file's.

    Raises:
        DataError: as of `open_image`.
    """
    from PIL import Image

    if isinstance(source, Image.Image):
        return _decoded(source, name)
    with _opened(source, name) as image:
        return _decoded(image, name)


def orientation_of(source: ImageSource) -> int:
    """Returns how EXIF turns an image that can be opened: 1 not at all, 6 a quarter to the right ..., up to 8."""
    from PIL import Image

    if source is None:
        return 1
    if isinstance(source, Image.Image):
        return _orientation(source)
    with _opened(source, "the image") as image:
        return _orientation(image)


def image_size(source: ImageSource, name: str = "the image") -> tuple[int, int]:
    """Returns width and height of an image in pixels, upright, from its header alone.

    Raises:
        DataError: there is none, or it is no image.
    """
    from PIL import Image

    if source is None:
        raise DataError(f"{name}: there is no image.")
    if isinstance(source, Image.Image):
        return _upright_size(source)
    with _opened(source, name) as image:
        return _upright_size(image)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _orientation(image) >= _FIRST_QUARTER else (width, height)


def _orientation(image: Image.Image) -> int:
    from PIL import ExifTags

    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGED:
        return 1
    return found if found in range(1, 9) else 1


def pixel_digest(image: Image.Image) -> str:
    """Returns a digest of an RGB image's size and pixels, 32 hex digits."""
    digest = hashlib.blake2b(f"{image.width}x{image.height}".encode(), digest_size=16)
    digest.update(image.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(source: str | bytes, name: str) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    Image.init()
    formats = [name for name in _FORMATS if name in Image.OPEN]  # a build of Pillow may lack the newer ones
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(io.BytesIO(source) if isinstance(source, bytes) else open_media(source))
            image = stack.enter_context(Image.open(file, formats=formats))
        except UnidentifiedImageError:
            raise DataError(f"{name} is no image that can be read{_what_it_is(source)}.") from None
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise DataError(f"{name} has more than {MAX_PIXELS:,} pixels. Make it smaller.") from None
        except FileNotFoundError:
            raise DataError(f"{name}: {_not_there(str(source))}") from None
        except _DAMAGED as error:
            raise DataError(f"{name} cannot be opened: {_reason(error)}.") from None
        yield image


def _not_there(path: str) -> str:
    if is_address(path):
        return "an address of the web, where a file is expected. Save the files, and name these."
    near = similar_file(path)
    return f"no such file (looked at {Path(path).absolute()})." + (f" Did you mean {near!r}?" if near else "")


def _decoded(image: Image.Image, name: str) -> Image.Image:
    if image.width * image.height > MAX_PIXELS:
        raise DataError(
            f"{name} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are decoded. Make it smaller."
        )
    try:
        image.load()
    except MemoryError:
        raise DataError(f"{name}: {image.width} x {image.height} pixels do not fit into memory.") from None
    except _DAMAGED as error:
        raise DataError(f"{name} is damaged or cut short: {_reason(error)}. Copy it again.") from None
    return image


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _what_it_is(source: str | bytes) -> str:
    """Returns why a file is none of the known formats, as far as its first bytes tell."""
    try:
        start = source[:16] if isinstance(source, bytes) else _first_bytes(source)
    except OSError as error:
        return f": {error.strerror}"
    if not start:
        return ": it has 0 bytes"
    if start[4:8] == b"ftyp":
        return ": it is HEIC or a film; convert it to JPEG or PNG"
    if start.startswith((b"<svg", b"<?xml")):
        return ": it is SVG or XML; convert it to PNG"
    if start.startswith((b"%PDF", b"%!PS")):
        return ": it is PDF or PostScript; convert it to PNG"
    return "; expected JPEG, PNG, GIF, BMP, TIFF, WebP, PNM, JPEG 2000 or AVIF"


def _first_bytes(path: str) -> bytes:
    with open_media(path) as file:
        return file.read(16)


# --- pixels -> 8-bit RGB ------------------------------------------------------------------------------------


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    image = upright(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _eight_bits(image, name).convert("RGB")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_white(image)
    return image.convert("RGB")


def upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation; damaged EXIF data says nothing, and the picture stays as it is."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGED:
        return image


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    with_alpha = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, with_alpha).convert("RGB")


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Scales grey values of 16 bits, or of floating point in 0 to 1 or 0 to 255, to 0 to 255.

    The scale is that of the format, not of the picture: a dark picture stays dark. 65535 becomes 255, 257 becomes 1.
    """
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        limit = 1.0 if high <= 1 else 255.0
    else:
        limit = 65535.0
    if not (low >= 0 and high <= limit):
        raise DataError(
            f"{name} holds numbers from {low:g} to {high:g} (mode {image.mode}); grey values of 0 to 65535, or "
            "floating-point values of 0 to 1 or 0 to 255, can be scaled. Convert it to 8-bit grey or RGB."
        )
    return Image.fromarray(np.rint(values * (255.0 / limit)).astype(np.uint8))
