"""Reads one split of a dataset on the Hub, or of a local folder that `datasets` understands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.data.readers import folder, saved_dataset
from ftkit.data.readers.dataset_table import table_of
from ftkit.data.readers.table import Table
from ftkit.data.spec import HubSource
from ftkit.errors import DataError

if TYPE_CHECKING:
    import datasets


def read(source: HubSource) -> Table:
    """Reads a split through `datasets.load_dataset`; `Row.line` is the 1-based row number.

    Class labels become their names, and -1 (a test split that hides its labels) becomes None. Values are
    those that `datasets` gives: of a dataset stored as csv, it reads `NA` and `null` as None and `01` as 1.
    A csv file of your own is better named directly, for then every cell stays as written. Images and sounds stay as
    they are stored, `{"bytes": ..., "path": ...}`.

    Raises:
        DataError: the dataset, its configuration or its split cannot be had, or it has no rows.
    """
    if saved_dataset.is_saved(Path(source.hub)):
        return saved_dataset.read(saved_dataset.split_folder(Path(source.hub), source.split))
    return table_of(_load(source), str(source))


def fingerprint(source: HubSource) -> str:
    """Returns the fingerprint that `datasets` gives to this split, from its cache."""
    if saved_dataset.is_saved(Path(source.hub)):
        return folder.fingerprint(saved_dataset.split_folder(Path(source.hub), source.split))
    return _load(source)._fingerprint


def num_bytes(source: HubSource) -> int:
    """Returns how large the split is as a table."""
    if saved_dataset.is_saved(Path(source.hub)):
        folder = saved_dataset.split_folder(Path(source.hub), source.split)
        return sum(file.stat().st_size for file in folder.iterdir())
    return _load(source).data.nbytes


def _load(source: HubSource) -> datasets.Dataset:
    import datasets

    try:
        return datasets.load_dataset(source.hub, name=source.name, split=source.split, revision=source.revision)
    except Exception as error:  # datasets, huggingface_hub, pyarrow and pandas each raise kinds of their own
        raise load_error(source, error) from error


def load_error(source: HubSource, error: Exception) -> DataError:
    """Returns the message for a dataset that cannot be had, with what to do."""
    asked = {"name": source.name, "split": source.split, "revision": source.revision}
    given = "".join(f", {key} {value!r}" for key, value in asked.items() if value is not None)
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DataError(
        f"data: cannot load the dataset {source.hub!r}{given}: {type(error).__name__}: {reason}\n"
        f"Fix: {_remedy(source, error, reason)}."
    )


def _remedy(source: HubSource, error: Exception, reason: str) -> str:
    kind = type(error).__name__
    if "split" in reason.lower() and isinstance(error, ValueError):
        return f"set split to one that the dataset has, instead of {source.split!r}"
    if "config" in reason.lower() and isinstance(error, ValueError):
        return "set name to one of the dataset's configurations"
    if "gated" in reason.lower():
        return f"accept the terms on https://huggingface.co/datasets/{source.hub} and run `hf auth login`"
    if kind in ("DatasetNotFoundError", "RepositoryNotFoundError"):
        return "check the id (owner/name) on https://huggingface.co/datasets; if it is private, run `hf auth login`"
    if isinstance(error, OSError) or "offline" in reason.lower():
        return (
            "check the network (HF_HUB_OFFLINE=1 allows only what is already in the cache), "
            "or download the data and name the file"
        )
    if Path(source.hub).is_dir():
        return f"for a folder of images or recordings name the folder itself, such as train: {source.hub}"
    return "look at the dataset's page, or download its files and name one, such as train: data/train.parquet"
