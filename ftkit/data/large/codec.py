"""Examples as columns of Arrow, and back: every value and its type exactly as it was."""

from __future__ import annotations

import dataclasses
import io
import pickle
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

_PLAIN = {str: pa.string(), int: pa.int64(), float: pa.float64()}
OTHER = "other"
_TRUSTED = ("ftkit.", "datetime", "decimal", "uuid")


def has_codec(example_type: type) -> bool:
    """Tells whether examples of a class can be stored: dataclasses that are made from all of their fields."""
    if not dataclasses.is_dataclass(example_type):
        return False
    return all(field.init and not field.kw_only for field in dataclasses.fields(example_type))


class ExampleCodec:
    """Packs examples of one dataclass into batches of Arrow.

    A field has a column for each plain type that its annotation names, and one for all other values, pickled. Where
    all are null the value is the field's default, or None.

    Example: of `TextExample`, ids 0 and `b` are `id:int` [0, null] and `id:str` [null, b]; a label `("a", "b")` is
    pickled in `label:other`; rows without a second text have nulls in all columns of `text_pair`.
    """

    def __init__(self, example_type: type) -> None:
        self.example_type = example_type
        hints = _hints(example_type)
        self._fields = {
            field.name: _Field(field, hints.get(field.name, Any), _loader(example_type))
            for field in dataclasses.fields(example_type)
        }
        self.schema = pa.schema([column for field in self._fields.values() for column in field.schema])

    def pack(self, examples: Sequence[Any]) -> list[pa.Array]:
        """Returns the columns of some examples, in the order of `schema`."""
        return [
            array
            for name, field in self._fields.items()
            for array in field.pack([getattr(example, name) for example in examples])
        ]

    def unpack(self, batch: pa.RecordBatch) -> Iterator[Any]:
        """Yields the examples of a batch."""
        return map(self.example_type, *(field.unpack(batch) for field in self._fields.values()))

    def column(self, batch: pa.RecordBatch, name: str) -> list[Any]:
        """Returns one field of the examples of a batch."""
        return self._fields[name].unpack(batch)

    def is_default(self, batch: pa.RecordBatch, name: str) -> bool:
        """Tells whether all examples of a batch have a field's default."""
        return self._fields[name].is_default(batch)


class _Field:
    """One field: its columns, and its values from and to them."""

    def __init__(self, field: dataclasses.Field[Any], hint: Any, load: Callable[[bytes], Any]) -> None:
        self.name, self._load = field.name, load
        self.default = None if field.default is dataclasses.MISSING else field.default
        self._types = [plain for plain in _PLAIN if plain in _alternatives(hint)]
        self.schema = [pa.field(self._column(plain), _PLAIN[plain]) for plain in self._types]
        self.schema.append(pa.field(f"{self.name}:{OTHER}", pa.binary()))

    def pack(self, values: list[Any]) -> list[pa.Array]:
        found = set(map(type, values))
        arrays = [self._array(values, plain) if plain in found else None for plain in self._types]
        handled = {plain for plain, array in zip(self._types, arrays, strict=True) if array is not None}
        others = None
        if found - handled:
            others = [
                None if type(value) in handled or value is self.default else pickle.dumps(value) for value in values
            ]
        nulls = [
            pa.nulls(len(values), column.type) if array is None else array
            for array, column in zip([*arrays, None], self.schema, strict=True)
        ]
        return nulls if others is None else [*nulls[:-1], pa.array(others, pa.binary())]

    def _array(self, values: list[Any], plain: type) -> pa.Array | None:
        """Returns the values of a type; None where Arrow has no room for one of them, such as half a character."""
        try:
            return pa.array([value if type(value) is plain else None for value in values], _PLAIN[plain])
        except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
            return None

    def unpack(self, batch: pa.RecordBatch) -> list[Any]:
        values: list[Any] = [self.default] * len(batch)
        for plain in self._types:
            array = batch.column(self._column(plain))
            if array.null_count == 0 and len(batch):
                return array.to_pylist()
            if array.null_count < len(batch):
                values = [
                    value if found is None else found for value, found in zip(values, array.to_pylist(), strict=True)
                ]
        others = batch.column(f"{self.name}:{OTHER}")
        if others.null_count < len(batch):
            values = [
                value if found is None else self._load(found)
                for value, found in zip(values, others.to_pylist(), strict=True)
            ]
        return values

    def is_default(self, batch: pa.RecordBatch) -> bool:
        return all(batch.column(column.name).null_count == len(batch) for column in self.schema)

    def _column(self, plain: type) -> str:
        return f"{self.name}:{plain.__name__}"


def _hints(example_type: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(example_type)
    except NameError:  # names that only a type checker imports
        return {}


def _alternatives(hint: Any) -> set[Any]:
    parts = typing.get_args(hint)
    is_union = parts and typing.get_origin(hint) not in (tuple, list, dict)
    return set().union(*map(_alternatives, parts)) if is_union else {hint}


def _loader(example_type: type) -> Callable[[bytes], Any]:
    """Returns what unpickles values of examples, and no other classes: a file in a cache may be anybody's."""

    class Loader(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            found = super().find_class(module, name) if _is_trusted(module, example_type) else None
            if not isinstance(found, type):
                raise pickle.UnpicklingError(f"{module}.{name} is no class of examples")
            return found

    return lambda data: Loader(io.BytesIO(data)).load()


def _is_trusted(module: str, example_type: type) -> bool:
    return module == example_type.__module__ or module.startswith(_TRUSTED)
