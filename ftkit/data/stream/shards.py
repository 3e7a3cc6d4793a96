"""What a stream is read from: files by name, pattern, list or folder, or the shards of a dataset on the Hub."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ftkit.data.compression import format_suffix
from ftkit.data.readers import READERS, ReadOptions, open_table, path_of, resolve
from ftkit.data.readers.layouts import layout_of
from ftkit.data.readers.saved_dataset import is_saved
from ftkit.data.spec import HubSource, ParallelSource, Source
from ftkit.data.stream import hub
from ftkit.data.stream.shard import Shard, as_shard
from ftkit.data.unpacked import edge_digest
from ftkit.errors import DataError, name_list
from ftkit.types import natural_key

READ_WHOLE = (".json", ".xlsx", ".xlsm", ".tmx")
"""Formats whose files are read as one: nothing of them is known before their end."""
STREAMED = tuple(suffix for suffix in READERS if suffix not in READ_WHOLE)


def shards_of(source: Source | Sequence[str], options: ReadOptions) -> list[Shard]:
    """Returns the shards of a source, in their natural order: `part-2` before `part-10`.

    Raises:
        DataError: there are none, or one of a format that cannot be streamed.
    """
    if isinstance(source, HubSource):
        return hub.shards_of(source)
    options = replace(options, streams=True)
    if isinstance(source, ParallelSource):
        return [_parallel(source, options)]
    patterns = [source] if isinstance(source, str) else source
    if options.annotated:
        _refuse_layouts(patterns)
    paths = [path for pattern in patterns for path in _paths(pattern)]
    twice = {str(path) for path in paths if paths.count(path) > 1}
    if twice:
        raise DataError(f"data.train: {name_list(sorted(twice), limit=3)} is named twice; name each file once.")
    return [_file(path, options) for path in paths]


def title_of(source: Source | Sequence[str], shards: Sequence[Shard]) -> str:
    """Returns what messages call a stream: `data/*.jsonl (12 shards)`."""
    names = str(source) if isinstance(source, (str, HubSource, ParallelSource)) else name_list(source, limit=3)
    return names if len(shards) == 1 else f"{names} ({len(shards):,} shards)"


def fingerprint_of(shards: Sequence[Shard]) -> str:
    """Returns what tells a stream from others: names, sizes, and the first and last bytes of its shards."""
    return hashlib.sha256("\n".join(shard.fingerprint for shard in shards).encode()).hexdigest()


def _paths(pattern: str) -> list[Path]:
    path = path_of(pattern)
    if path.is_dir() and not is_saved(path):
        return _inside(pattern, path)
    if path.exists() or not glob.has_magic(pattern):
        return [path]
    found = sorted((Path(name) for name in glob.glob(str(path), recursive=True)), key=_natural)
    files = [path for path in found if path.is_file()]
    if not files:
        raise DataError(f"data.train: no file matches {pattern} (looked at {path.absolute()}).")
    return files


def _refuse_layouts(patterns: Sequence[str]) -> None:
    """Refuses files that are a table only together.

    Raises:
        DataError: naming the first of them.
    """
    for pattern in patterns:
        if layout_of(path_of(pattern)) is not None:
            raise DataError(
                f"data.train: {pattern} is read whole, as its images and boxes lie in files that belong together, and "
                'cannot be streamed.\nFix: leave data.streaming out, or write a line for each image, {"image": '
                '"1.jpg", "objects": {"bbox": [[10, 20, 30, 40]], "category": ["cat"]}}, as .jsonl.'
            )


def _inside(folder: str, path: Path) -> list[Path]:
    files = sorted((file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")), key=_natural)
    read = [file for file in files if format_suffix(file) in STREAMED]
    formats = sorted({format_suffix(file) for file in read})
    if len(formats) > 1:
        raise DataError(
            f"data.train: {folder} holds files of several formats, {name_list(formats)}. Fix: name those to be read, "
            f"such as {folder.rstrip('/')}/*{formats[0]}"
        )
    if not read:
        held = name_list([file.name for file in files], limit=3) if files else "nothing"
        raise DataError(f"data.train: {folder} holds no file that can be streamed, but {held}. {_FORMATS}")
    return read


_FORMATS = f"data.streaming reads {name_list(STREAMED)} files, compressed ones too, and datasets on the Hub."


def _file(path: Path, options: ReadOptions) -> Shard:
    suffix = format_suffix(path)
    if path.is_file() and suffix not in STREAMED and suffix not in options.text_extensions:
        fix = " Fix: write one object a line, as .jsonl." if suffix == ".json" else ""
        raise DataError(f"{path}: {suffix or 'such'} files are read whole and cannot be streamed. {_FORMATS}{fix}")
    if not path.exists() or path.is_dir():
        size, digest = 0, ""
    else:
        size, digest = path.stat().st_size, edge_digest(path)
    return Shard(
        str(path), f"{path.name} {size} {digest}", size, lambda: as_shard(open_table(str(path), options), str(path))
    )


def _parallel(source: ParallelSource, options: ReadOptions) -> Shard:
    paths = [resolve(name) for name in (source.source, source.target)]
    fingerprint = " | ".join(f"{path.name} {path.stat().st_size} {edge_digest(path)}" for path in paths)
    num_bytes = sum(path.stat().st_size for path in paths)
    return Shard(str(source), fingerprint, num_bytes, lambda: as_shard(open_table(source, options), str(source)))


def _natural(path: Path) -> tuple[object, ...]:
    return natural_key(str(path))
