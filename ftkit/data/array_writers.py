"""Predictions as arrays: vectors in a NumPy file, rows of typed columns in parquet. Few rows are held at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ftkit.errors import UserError

VECTOR = "embedding"
"""The key of a prediction that is a vector."""

ROWS_AT_ONCE = 1_000


class NpyWriter:
    """A float32 array (N, D) of the vectors of all rows; NaN for a row that could not be predicted."""

    num_made_safe = 0

    def __init__(self, file: TextIO) -> None:
        """Takes a file.

        Raises:
            UserError: it cannot be gone back in, where the number of rows is to be written in the end.
        """
        if not file.seekable():
            raise UserError("The format npy needs a file: name one with --output. On standard output choose jsonl.")
        self._file, self._waiting, self._num_rows, self._dimension = file.buffer, 0, 0, 0

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row.

        Raises:
            UserError: it holds no vector.
        """
        if VECTOR not in row:
            raise UserError(
                "The format npy holds vectors; these predictions have none, as pairs of texts have not. Give one text "
                "a row, or choose jsonl."
            )
        import numpy as np

        self._num_rows += 1
        vector = row[VECTOR]
        if vector is None and not self._dimension:
            self._waiting += 1  # how long vectors are is not known yet
            return
        if not self._dimension:
            self._dimension = len(vector)
            self._write_header()
            self._write_nothing(self._waiting)
        if vector is None:
            self._write_nothing(1)
        else:
            self._file.write(np.asarray(vector, "<f4").tobytes())

    def close(self, *, is_whole: bool) -> None:
        """Writes how many rows there are, where NumPy reads it.

        Args:
            is_whole: False of a file that is given up.
        """
        self._file.seek(0)
        self._write_header()

    def _write_nothing(self, num_rows: int) -> None:
        import numpy as np

        self._file.write(np.full((num_rows, self._dimension), np.nan, "<f4").tobytes())

    def _write_header(self) -> None:
        import numpy as np

        # NumPy leaves room for any number of rows, so that the header is as long as it was.
        header = {"descr": "<f4", "fortran_order": False, "shape": (self._num_rows, self._dimension)}
        np.lib.format.write_array_header_1_0(self._file, header)


class ParquetWriter:
    """A parquet file; vectors are lists of float32. The first thousand rows say which types the columns have."""

    num_made_safe = 0

    def __init__(self, file: TextIO, *, columns: Sequence[str] = ()) -> None:
        """Takes a file.

        Args:
            columns: what every row has a cell for at the end, though only some rows say it.
        """
        self._file, self._last, self._rows = file.buffer, columns, list[dict[str, Any]]()
        self._parquet: Any = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes one row."""
        self._rows.append({**row, **{name: row.get(name) for name in self._last}})
        if len(self._rows) == ROWS_AT_ONCE:
            self._flush()

    def close(self, *, is_whole: bool) -> None:
        """Writes the last rows, and what is in the file.

        Args:
            is_whole: False of a file that is given up.
        """
        try:
            if is_whole:
                self._flush()
        finally:
            if self._parquet is not None:
                self._parquet.close()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._rows:
            return
        try:
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._file, _schema(pa.Table.from_pylist(self._rows).schema))
            self._parquet.write_table(pa.Table.from_pylist(self._rows, self._parquet.schema))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(
                f"The format parquet holds rows of the same types; these differ ({error}). Choose jsonl."
            ) from None
        self._rows = []


def _schema(found: Any) -> Any:
    """Returns a schema in which vectors are float32, and columns that were empty so far hold texts."""
    import pyarrow as pa

    for place, field in enumerate(found):
        if field.name == VECTOR:
            found = found.set(place, field.with_type(pa.list_(pa.float32())))
        elif pa.types.is_null(field.type):
            found = found.set(place, field.with_type(pa.string()))
    return found
