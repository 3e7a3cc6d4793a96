"""The shards of a dataset on the Hub, or of a folder that `datasets` can load, which are read while they are used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.data.readers import hub as reader
from ftkit.data.readers.dataset_table import table_of
from ftkit.data.readers.table import RowStream, Table
from ftkit.data.spec import HubSource
from ftkit.data.stream.shard import Shard, as_shard
from ftkit.errors import DataError
from ftkit.types import Row

if TYPE_CHECKING:
    import datasets


def shards_of(source: HubSource) -> list[Shard]:
    """Returns the shards of a split as `datasets` has them: its files.

    Raises:
        DataError: the dataset, its configuration or its split cannot be had, or a part of a split is asked for.
    """
    if "[" in source.split:
        raise DataError(
            f"data.train: {source.split!r} is a part of a split, which a stream cannot be. Fix: name the whole split, "
            f"{source.split.partition('[')[0]}, or leave data.streaming out."
        )
    dataset = _stream(source)
    commit = _commit(source)
    return [_shard(dataset, index, f"{source} {commit} shard {index}", source) for index in range(dataset.num_shards)]


def _shard(dataset: datasets.IterableDataset, index: int, fingerprint: str, source: HubSource) -> Shard:
    several = f" (shard {index})" if dataset.num_shards > 1 else ""

    def open_shard() -> Table:
        with _told(source):
            table = table_of(dataset.shard(num_shards=dataset.num_shards, index=index), f"{source}{several}")
        return as_shard(replace(table, rows=RowStream(lambda: rows_of(table))), f"{source}{several}")

    def rows_of(table: Table) -> Iterator[Row]:
        with _told(source):
            yield from table.rows

    return Shard(f"{source}{several}", fingerprint, 0, open_shard)


def _stream(source: HubSource) -> datasets.IterableDataset:
    import datasets

    with _told(source):
        return datasets.load_dataset(
            source.hub, name=source.name, split=source.split, revision=source.revision, streaming=True
        )


@contextlib.contextmanager
def _told(source: HubSource) -> Iterator[None]:
    """Makes a DataError of whatever datasets, huggingface_hub and pyarrow raise, each of a kind of its own."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise reader.load_error(source, error) from error


def _commit(source: HubSource) -> str:
    """Returns the commit of a dataset on the Hub; of a local folder the names and sizes of its files."""
    folder = Path(source.hub)
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return "; ".join(f"{path.relative_to(folder)} {path.stat().st_size}" for path in files)
    from huggingface_hub import HfApi

    with _told(source):
        return str(HfApi().dataset_info(source.hub, revision=source.revision).sha)
