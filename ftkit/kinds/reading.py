"""How the files of a data section are read."""

from __future__ import annotations

from ftkit.data.readers import ReadOptions
from ftkit.data.spec import DataSpec


def read_options(data: DataSpec) -> ReadOptions:
    """Returns how the files of a data section are read."""
    return ReadOptions(
        encoding=data.encoding,
        delimiter=data.delimiter,
        header=data.header,
        text_extensions=data.text_extensions,
        media=data.media,
        annotated=data.annotated,
        outlined=data.outlined,
        paired_folders=data.paired_folders,
    )
