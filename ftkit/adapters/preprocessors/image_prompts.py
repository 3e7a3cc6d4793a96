"""What a decoder reads beside images: what every way from examples to tokens has.

| checkpoint | reads | writes |
|---|---|---|
| SmolVLM, Idefics, LLaVA | `User:<image>What is it?<end_of_utterance>\\nAssistant:` | ` A cat.<end_of_utterance>` |
| PaliGemma | `<image><bos>What is it?\\n` | `A cat.<eos>` |
| GIT | the image, then `[CLS] what is it?` | `a cat [SEP]` |
| BLIP that captions | `[DEC] a photo of`, looking at the image | ` a cat [SEP]` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ftkit.data.image_text import ImageTextExample, said_in, user_message
from ftkit.models.image_text_processors import SIDES

if TYPE_CHECKING:
    import torch

Ids = list[int]
Size = tuple[int, int]
Form = Literal["chat", "prefix", "ids", "start", "beside", "none"]


class Tokens(NamedTuple):
    """What is read of an example, with one token for each image.

    Attributes:
        labels: the tokens that bear loss, NO_LOSS in the places of others.
    """

    ids: Ids
    labels: Ids


def all_said(example: ImageTextExample) -> str:
    """Returns what is said of an image before the answer, as models read it that know no conversation."""
    return " ".join(filter(None, map(said_in, example.messages)))


def tried_example() -> ImageTextExample:
    """Returns an example that processors are tried on."""
    from PIL import Image

    image, asked = Image.new("RGB", SIDES, "grey"), user_message("What is it?", 1)
    return ImageTextExample(id=0, images=(image,), names=("tried",), messages=(asked,), target="A grey image.")


class ImagePrompts(Protocol):
    """A way from examples to tokens.

    Attributes:
        end_ids: tokens that end what is written.
        warnings: what a user should know of the template.
        appended: what the model's `generate` drops from the end of a prompt.
        form: what a program without ftkit gives to the model: see `ftkit.report.usage.look`.
        counts_positions: whether positions are counted from the first token of a row, padding or not, so that rows of
            a batch have to be equally long where they are gone on with.
        sees_several: whether a row may have several images.
        seen_ids: the tokens in whose places the model has what it sees; none where images are not among the tokens.
    """

    end_ids: tuple[int, ...]
    appended: tuple[int, ...]
    form: Form
    counts_positions: bool

    @property
    def sees_several(self) -> bool: ...  # noqa: D102
    @property
    def warnings(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def seen_ids(self) -> Set[int]: ...  # noqa: D102

    def as_processed(self, example: ImageTextExample) -> tuple[Mapping[str, Any], Tokens] | None:
        """Returns what a program without ftkit gives to the processor beside images, and what that should become.

        None where such a program gives token ids to the model by itself.
        """
        ...

    def learnt(self, examples: Sequence[ImageTextExample]) -> Iterator[Tokens]:
        """Yields what is learnt from each example: every answer in it bears loss."""
        ...

    def asked(self, examples: Sequence[ImageTextExample]) -> Iterator[Ids]:
        """Yields what the model is given to go on with."""
        ...

    def expanded(self, tokens: Tokens, sizes: Sequence[Size]) -> Tokens:
        """Returns tokens with as many for each image as the model has for it."""
        ...

    def num_positions(self, ids: Ids, sizes: Sequence[Size]) -> int:
        """Returns how many positions of the model tokens and images take."""
        ...

    def token_types(self, ids_BT: torch.Tensor, labels_BT: torch.Tensor | None) -> torch.Tensor:
        """Returns 1 for tokens that the model reads in another way than a text to go on with, else 0, (B, T).

        Args:
            ids_BT: expanded.
            labels_BT: None where the rows are to be gone on with.
        """
        ...
