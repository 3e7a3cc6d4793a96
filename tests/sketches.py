"""Plots that are not drawn: a tiny run takes a quarter of a second, and drawing its plots three times as long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

SKETCH = '<svg xmlns="http://www.w3.org/2000/svg" width="1pt" height="1pt"><g id="figure_1"/></svg>'


class Sketch:
    """Stands for a figure and for all that is in it: takes what is drawn, and draws nothing."""

    def __init__(self, **_: object) -> None: ...

    def __getattr__(self, name: str) -> Sketch:
        return self

    def __call__(self, *_: object, **__: object) -> Sketch:
        return self

    def __getitem__(self, _: object) -> Sketch:
        return self

    def __iter__(self) -> Iterator[Sketch]:
        return iter((self, self))

    def savefig(self, file: IO[str], **_: object) -> None:
        file.write(SKETCH)


def draw_sketches() -> None:
    """Lets this process draw sketches from now on, and those that are forked from it."""
    import matplotlib.figure

    matplotlib.figure.Figure = Sketch  # type: ignore[assignment,misc]
