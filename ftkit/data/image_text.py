"""Images with what is asked about them and what is written for it, as examples; and how cells hold them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.data.cells import WrongCell, describe, plain, printed_list, printed_value, single, text_of
from ftkit.data.conversations import Message, is_answer, message_of
from ftkit.data.images import ImageSource, image_name, image_source, open_image, pixel_digest
from ftkit.types import CellError

MARK = "<image>"
"""What stands in texts of LLaVA's form where an image belongs."""

Part = Mapping[str, Any]
"""A part of what is said, as chat templates read it: `{"type": "image"}` or `{"type": "text", "text": ...}`."""

GIST = 8
"""Squares of a side of what an image is remembered by, to find images that look alike."""

IMAGE_PART: Part = {"type": "image"}

_SOURCES = ("image", "path", "url", "bytes", "image_url")
_WRITE_MESSAGES = (
    'write a list such as [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}, '
    '{"role": "assistant", "content": "A cat."}]'
)


@dataclass(frozen=True, slots=True)
class ImageTextExample:
    """One or more images, what is said about them, and what is to be written next.

    Attributes:
        id: the row's `id` column, else its 0-based position in its source.
        images: where the pixels are, in the order in which the messages have them.
        names: the images' names for people.
        messages: what is said before the target, oldest first, each content a tuple of parts; a caption has one
            message of images alone.
        target: what is to be written; None when the row is only to be predicted.
        other_targets: further texts of equal standing.
        digests: of the decoded pixels, where they have been looked at already.
        sizes: width and height of each image in pixels, upright, where they have been looked at already.
        gist: the first image's colours in a grid of `GIST` x `GIST`, where it has been looked at already.
        is_text: it is a conversation that is about no image, and marks none.
        line: where the row begins in its file, for messages; 0 where an image is a file of a folder.
        group: what the row shares with others that must stay on one side of a split.
        cell_errors: what of the row could not be read.
    """

    id: str | int
    images: tuple[ImageSource, ...]
    names: tuple[str, ...]
    messages: tuple[Message, ...] = ()
    target: str | None = None
    other_targets: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    gist: bytes = b""
    is_text: bool = False
    line: int = 0
    group: str | None = None
    cell_errors: tuple[CellError, ...] = ()

    @property
    def image(self) -> ImageSource:
        """The first image; None where the row has none."""
        return self.images[0] if self.images else None

    @property
    def name(self) -> str:
        """The first image's name."""
        return self.names[0] if self.names else f"row {self.id}"

    @property
    def targets(self) -> tuple[str, ...]:
        """All texts that may be written; none when the row is only to be predicted."""
        return () if self.target is None else (self.target, *self.other_targets)

    @property
    def question(self) -> str:
        """What is said last before the target, without images; empty of an image alone."""
        return said_in(self.messages[-1]) if self.messages else ""

    @property
    def turns(self) -> list[tuple[str, str]]:
        """Questions and what is said to them, oldest first, the target last; a caption's question is empty."""
        said = [said_in(message) for message in self.messages]
        roles = [message["role"] for message in self.messages]
        places = [place for place, role in enumerate(roles) if role == "assistant" and place]
        earlier = [(said[place - 1], said[place]) for place in places]
        return earlier if self.target is None else [*earlier, (self.question, self.target)]

    @property
    def size(self) -> int:
        """How long its texts are, in characters."""
        return sum(len(said_in(message)) for message in self.messages) + max(map(len, self.targets), default=0)

    def key(self) -> Hashable:
        """Returns digests of the images' pixels, and what is said."""
        digests = self.digests or tuple(
            pixel_digest(open_image(source, name)) for source, name in zip(self.images, self.names, strict=True)
        )
        return (digests, *((message["role"], said_in(message)) for message in self.messages))

    def summary(self) -> str:
        """Returns the images' names, and the question."""
        names = ", ".join(self.names) or self.name
        return f"{names}: {' '.join(self.question.split())}" if self.question else names

    def asked_with(self, before: str, after: str) -> ImageTextExample:
        """Returns the example with texts around its question; an image without a question is asked them alone."""
        if not self.messages or not (before or after):
            return self
        last, parts = self.messages[-1], list(self.messages[-1]["content"])
        places = [place for place, part in enumerate(parts) if part["type"] == "text"]
        if not places:
            parts.append({"type": "text", "text": (before + after).strip()})
        else:
            parts[places[0]] = {"type": "text", "text": before + parts[places[0]]["text"]}
            parts[places[-1]] = {"type": "text", "text": parts[places[-1]]["text"] + after}
        return dataclasses.replace(self, messages=(*self.messages[:-1], {**last, "content": tuple(parts)}))


def said_in(message: Message) -> str:
    """Returns the texts of a message, joined."""
    return "".join(part["text"] for part in message["content"] if part["type"] == "text").strip()


def user_message(text: str, num_images: int) -> Message:
    """Returns a message of images and a text; images stand where the text marks them, else before it.

    Example: "<image>\\nWhat is it?" with one image gives the parts image, "What is it?".

    Raises:
        WrongCell: the text marks another number of images.
    """
    parts = parts_of(text)
    marks = sum(part["type"] == "image" for part in parts)
    if marks == 0:
        parts = (*(IMAGE_PART,) * num_images, *parts)
    elif marks != num_images:
        raise wrong_marks(marks, num_images)
    return {"role": "user", "content": parts}


def parts_of(text: str) -> tuple[Part, ...]:
    """Returns a text with marks as parts; white space around an image is dropped."""
    found: list[Part] = []
    for number, piece in enumerate(text.split(MARK)):
        if number:
            found.append(IMAGE_PART)
        if piece.strip():
            found.append({"type": "text", "text": piece.strip()})
    return tuple(found)


def wrong_marks(marks: int, num_images: int) -> WrongCell:
    """Returns the error of a row whose texts mark another number of images than it has."""
    return WrongCell(
        f"marks {marks} image{'' if marks == 1 else 's'} by {MARK}, and the row has {num_images}",
        f"write one {MARK} for each image, or none: then the images stand before the first question",
    )


# --- cells -> images ------------------------------------------------------------------------------------------


def images_of(cell: Any, folder: Path | None, position: int) -> tuple[tuple[ImageSource, ...], tuple[str, ...]]:
    """Returns the images in a cell and their names: a path, the bytes of a file, or a list of them.

    Args:
        folder: where relative paths begin.
        position: of the row, which names images without a path.

    Raises:
        WrongCell: it holds something else.
    """
    cell = plain(cell)
    listed = printed_list(cell) if isinstance(cell, str) else None
    items = listed if listed is not None else cell if isinstance(cell, (list, tuple)) else [single(cell)]
    try:
        sources = [(image_source(plain(item), folder), image_name(plain(item), position)) for item in items]
    except TypeError:
        raise WrongCell(
            describe(cell), "write the path of an image, the bytes of its file, or a list of them", cell=cell
        ) from None
    given = [(source, name) for source, name in sources if source is not None]
    return tuple(source for source, _ in given), tuple(name for _, name in given)


# --- cells -> answers and captions ----------------------------------------------------------------------------


def targets_of(cell: Any) -> tuple[str, ...]:
    """Returns the texts in a cell: one, or several of equal standing; also the answers of VQA's annotations.

    A text that is there twice stays twice: of ten people nine may have given the same answer.

    Raises:
        WrongCell: it is no text, and no list of texts.
    """
    cell = plain(cell)
    listed = printed_list(cell) if isinstance(cell, str) else cell if isinstance(cell, (list, tuple)) else None
    texts = [_target(item, cell) for item in ([cell] if listed is None else listed)]
    return tuple(text for text in texts if text.strip()) or ("",)


def _target(item: Any, cell: Any) -> str:
    item = plain(item)
    if isinstance(item, (list, tuple)):
        raise WrongCell("holds a list in a list", 'write the texts in one flat list, such as ["a", "b"]', cell=cell)
    return text_of(item["answer"] if isinstance(item, Mapping) and "answer" in item else item)


def usual(targets: Sequence[str]) -> str:
    """Returns the text that is there most often; of equals the first."""
    return Counter(targets).most_common(1)[0][0]


# --- cells -> messages ----------------------------------------------------------------------------------------


def messages_of(cell: Any) -> tuple[tuple[Message, ...], tuple[Any, ...]]:
    """Returns the messages in a cell, their contents as parts, and what their image parts name, if they name it.

    Raises:
        WrongCell: it holds no list of messages, or a message cannot be read.
    """
    cell = plain(cell)
    if isinstance(cell, str):
        cell = printed_value(cell) or cell
    if not isinstance(cell, (list, tuple)):
        raise WrongCell("holds no list of messages", _WRITE_MESSAGES, cell=cell)
    messages, sources = [], []
    for number, item in enumerate(cell, 1):
        message, named = _message(item, f"message {number}")
        messages.append(message)
        sources += named
    return tuple(messages), tuple(sources)


def _message(item: Any, where: str) -> tuple[Message, list[Any]]:
    item = plain(item)
    content = item.get("content") if isinstance(item, Mapping) else None
    if isinstance(content, (list, tuple)) and isinstance(item, Mapping):
        parts, named = _parts(content, where)
        role = message_of({**item, "content": ""}, where)["role"]
    else:
        message = message_of(item, where)
        parts, named, role = parts_of(message["content"]), [], message["role"]
    if role == "assistant" and any(part["type"] == "image" for part in parts):
        raise WrongCell(f"has in {where} an image in an answer", "move it to what is asked: models write texts")
    return {"role": role, "content": parts}, named


def _parts(content: Sequence[Any], where: str) -> tuple[tuple[Part, ...], list[Any]]:
    parts: list[Part] = []
    named: list[Any] = []
    for part in map(plain, content):
        sort = part.get("type", "text") if isinstance(part, Mapping) else "text"
        if sort in ("image", "image_url"):
            parts.append(IMAGE_PART)
            source = next((part[key] for key in _SOURCES if part.get(key) is not None), None)
            named += [] if source is None else [source.get("url") if isinstance(source, Mapping) else source]
        elif sort == "text":
            text = text_of(part.get("text") if isinstance(part, Mapping) else part)
            parts += [] if not text.strip() else [{"type": "text", "text": text.strip()}]
        else:
            raise WrongCell(
                f"has in {where} a part of type {sort!r}", "leave it out: this kind reads texts and images"
            )
    return tuple(parts), named


def with_images_placed(messages: Sequence[Message], num_images: int) -> tuple[Message, ...]:
    """Returns messages with as many image parts as there are images: those they have, else all before the first text.

    Raises:
        WrongCell: they have another number of them.
    """
    marks = sum(part["type"] == "image" for message in messages for part in message["content"])
    if marks == num_images:
        return tuple(messages)
    if marks:
        raise wrong_marks(marks, num_images)
    first = next((place for place, message in enumerate(messages) if message["role"] == "user"), None)
    if first is None:
        raise WrongCell("has no message of a user, where its image would stand", _WRITE_MESSAGES)
    with_them = {**messages[first], "content": (*(IMAGE_PART,) * num_images, *messages[first]["content"])}
    return (*messages[:first], with_them, *messages[first + 1 :])


def split_last_answer(messages: Sequence[Message]) -> tuple[tuple[Message, ...], str]:
    """Returns the messages before the last answer, and that answer.

    Raises:
        WrongCell: the last message is no answer.
    """
    if not messages or not is_answer(messages[-1]):
        raise WrongCell("ends without an answer", "add the message of the assistant that is to be learnt")
    return tuple(messages[:-1]), said_in(messages[-1])
