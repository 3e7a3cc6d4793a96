"""How the files of a data section are read."""

from __future__ import annotations

from ftkit.data.readers import ReadOptions, Table, open_table
from ftkit.data.spec import DataSpec
from ftkit.data.stream.shards import shards_of


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


def first_of_train(data: DataSpec) -> Table:
    """Opens what training rows are read from; of a stream its first shard.

    Raises:
        DataError: it cannot be read.
    """
    options = read_options(data)
    if data.streaming:
        return shards_of(data.train, options)[0].open()
    assert not isinstance(data.train, tuple), "several files are a stream"
    return open_table(data.train, options)
