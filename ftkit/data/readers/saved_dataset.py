"""Reads what `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write: a folder of arrow files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.data.readers.dataset_table import table_of
from ftkit.data.readers.table import Table
from ftkit.errors import DataError, did_you_mean, name_list

if TYPE_CHECKING:
    import datasets

_DATASET = "state.json"
_SPLITS = "dataset_dict.json"


def is_saved(folder: Path) -> bool:
    """Tells whether a folder is a dataset, or a dict of splits, that was saved to disk."""
    return (folder / _DATASET).is_file() or (folder / _SPLITS).is_file()


def read(folder: Path) -> Table:
    """Reads the dataset in a folder; `Row.line` is the 1-based row number.

    Class labels become their names.

    Raises:
        DataError: the folder holds several splits, is damaged, or has no rows.
    """
    if (folder / _SPLITS).is_file():
        raise DataError(
            f"{folder} holds the splits {name_list(splits_of(folder))}, as DatasetDict.save_to_disk writes them.\n"
            f"Fix: name the folder of one: {folder / next(iter(splits_of(folder)), 'train')}"
        )
    return table_of(_load(folder), str(folder))


def split_folder(folder: Path, split: str) -> Path:
    """Returns the folder of a split of a saved dict; of a dataset without splits, its own.

    Raises:
        DataError: there is no such split.
    """
    if not (folder / _SPLITS).is_file():
        raise DataError(f"{folder} was saved as one dataset, without splits.\nFix: name the folder itself: {folder}")
    splits = splits_of(folder)
    if split not in splits:
        raise DataError(
            f"{folder} has no split {split!r}.{did_you_mean(split, splits)} It was saved with the splits "
            f"{name_list(splits)}; parts such as train[:100] are for datasets on the Hub."
        )
    return folder / split


def splits_of(folder: Path) -> list[str]:
    """Returns the splits of a saved dict.

    Raises:
        DataError: the file that lists them is damaged.
    """
    path = folder / _SPLITS
    try:
        return list(map(str, json.loads(path.read_text(encoding="utf-8"))["splits"]))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is damaged: it does not list the splits.\nFix: save the dataset again.") from None


def _load(folder: Path) -> datasets.Dataset:
    import datasets

    try:
        return datasets.Dataset.load_from_disk(str(folder))
    except Exception as error:  # datasets, pyarrow and json each raise kinds of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{folder} cannot be read as a saved dataset: {type(error).__name__}: {reason}\n"
            "Fix: the folder is damaged or incomplete; copy it again, or save the dataset again."
        ) from None
