"""Turns the integers of a `datasets.ClassLabel` back into label names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ftkit.data.cells import Unreadable, shown

Decoder = Callable[[Any], Any]

UNLABELLED = -1
"""What Hub datasets write where a test split hides its labels."""


def class_label_decoders(features: Mapping[str, Any]) -> dict[str, Decoder]:
    """Returns a decoder for each column that holds class labels, lists of them, or objects with them.

    Args:
        features: the JSON form of `datasets.Features`, which parquet files carry in their schema too, such
            as `{"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}`.
    """
    decoders = {column: _decoder(feature) for column, feature in features.items()}
    return {column: decoder for column, decoder in decoders.items() if decoder is not None}


def decoded(values: Mapping[str, Any], decoders: Mapping[str, Decoder]) -> dict[str, Any]:
    """Returns a row's cells with class labels as names."""
    return {column: decoders[column](cell) if column in decoders else cell for column, cell in values.items()}


def _decoder(feature: Any) -> Decoder | None:
    if isinstance(feature, list) and len(feature) == 1:  # how older versions wrote a list
        return _list_decoder(feature[0])
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and feature.get("names"):
        return _name_decoder(feature["names"])
    if feature.get("_type") in ("List", "LargeList", "Sequence"):
        return _list_decoder(feature.get("feature"))
    return None if "_type" in feature else _struct_decoder(feature)


def _name_decoder(names: Sequence[str]) -> Decoder:
    known = frozenset(names)

    def decode(value: Any) -> Any:
        if value is None or value == UNLABELLED:
            return None
        if isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        if isinstance(value, str) and value in known:  # written anew by a program that kept the features
            return value
        return Unreadable(
            f"holds the class {shown(value)}, and the file names {len(names)} classes, 0 to {len(names) - 1}",
            "correct the number, or write the file anew with the names of all its classes",
        )

    return decode


def _list_decoder(feature: Any) -> Decoder | None:
    decode_item = _decoder(feature)
    if decode_item is None:
        return None
    if isinstance(feature, Mapping) and "_type" not in feature:
        # What older versions of `datasets` call a sequence of objects, they keep as an object of lists.
        columns = _struct_decoder({name: {"_type": "List", "feature": one} for name, one in feature.items()})
        assert columns is not None
        return lambda items: columns(items) if isinstance(items, Mapping) else _each(decode_item, items)
    return lambda items: _each(decode_item, items)


def _each(decode: Decoder, items: Sequence[Any] | None) -> list[Any] | None:
    return None if items is None else [decode(item) for item in items]


def _struct_decoder(fields: Mapping[str, Any]) -> Decoder | None:
    """Returns a decoder for objects, such as the boxes of an image with their categories."""
    decoders = class_label_decoders(fields)
    if not decoders:
        return None
    return lambda value: None if value is None else decoded(value, decoders)
