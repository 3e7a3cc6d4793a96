"""Examples of a stream: the first of them to be checked before a run, and all of them block by block while it trains.

A block is what is shuffled together: so many rows as stand one after another in the stream. Which rows a block holds
follows from the data, the seed and its number alone, so a run goes on at any of its blocks, and need only read this
one again. An epoch goes through the shards in an order of its own.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.console import warn
from ftkit.data.problems import Problems
from ftkit.data.row_cells import check_cells
from ftkit.data.spec import DataSpec
from ftkit.data.stream.shard import Shard
from ftkit.data.stream.shards import fingerprint_of, shards_of, title_of
from ftkit.errors import DataError
from ftkit.kinds.kind import Kind
from ftkit.kinds.reading import read_options
from ftkit.kinds.task import Task
from ftkit.types import LabelSpace, Split

SHUFFLE_BUFFER = 10_000
"""Rows that are shuffled together: some 10 MB of short texts, and enough that a step is a fair sample of them."""

CHECK_ROWS = 1_000
"""Rows that are looked at before a run: a second or two, and each of 50 labels about 20 times."""

MOST_TOLD = 5  # rows that were left out, of which a line tells


@dataclass(frozen=True)
class Place:
    """A place in a stream, between two of its examples.

    Attributes:
        epoch: how often all shards have been read.
        shard: how many shards of this epoch's order have been read.
        taken: examples of the next shard that have been read.
        left_out: rows of all epochs that could not be trained on.
    """

    epoch: int = 0
    shard: int = 0
    taken: int = 0
    left_out: int = 0


@dataclass(frozen=True)
class ExampleBlock:
    """Examples that are shuffled together.

    Attributes:
        split: in the order of the stream.
        begin: where it begins.
        end: where the next one begins.
    """

    split: Split[Any]
    begin: Place
    end: Place


class ExampleStream:
    """The labelled examples of a stream.

    Args:
        columns: role -> column.
        data: with what `normalize` found, once it is known.
        seed: of the order of shards.
    """

    def __init__(self, kind: Kind, task: Task, columns: Mapping[str, str], data: DataSpec, *, seed: int) -> None:
        self._kind, self._task, self._columns, self._data, self._seed = kind, task, columns, data, seed
        options = read_options(data)
        if data.on_bad_row == "skip":
            options = dataclasses.replace(options, on_unreadable=self._note_unreadable)
        self._unreadable: dict[str, None] = {}  # of the block that is being read, each once
        self.shards = shards_of(data.train, options)
        self.title = title_of(data.train, self.shards)
        self.fingerprint = fingerprint_of(self.shards)

    def first(self) -> Split[Any]:
        """Returns the first rows, shard by shard, as they were read; those that will be skipped are left out.

        Raises:
            DataError: a shard cannot be read, or there are no rows.
        """
        rows = (example for shard in self.shards for example in self._read(shard))
        split = self._split(list(itertools.islice(rows, self._data.check_rows or CHECK_ROWS)))
        if self._data.on_bad_row != "skip":
            return split
        readable, problems = check_cells(split, Problems()), Problems()
        learnt, data = self._kind.normalize({"train": readable}, self._task, self._data, problems)
        problems.raise_if_of_all()
        labels = self._kind.labels(learnt["train"], self._task, data)
        # Those that are left out are told, and counted, when they are met in training.
        return ExampleStream(self._kind, self._task, self._columns, data, seed=self._seed)._good(
            split, labels, num_told=MOST_TOLD
        )

    def blocks(self, labels: LabelSpace | None, begin: Place) -> Iterator[ExampleBlock]:
        """Yields blocks without end, checked and as they are learnt.

        Args:
            labels: what can be learnt.
            begin: the beginning of a block.

        Raises:
            DataError: a row cannot be trained on, and `data.on_bad_row` is not skip; it names file and row.
        """
        left_out, num_barren = begin.left_out, 0
        for found, start, end in self._raw(begin):
            start = dataclasses.replace(start, left_out=left_out)
            left_out = self._told_unreadable(left_out)
            split, num_bad = self._learnable(self._split(found), labels, left_out)
            left_out += num_bad
            if len(split):
                num_barren = 0
                yield ExampleBlock(split, start, dataclasses.replace(end, left_out=left_out))
            elif end.epoch > start.epoch:
                num_barren += 1
            if num_barren > 1:
                raise DataError(f"{self.title}: no row of a whole epoch can be trained on.")

    def _raw(self, begin: Place) -> Iterator[tuple[list[Any], Place, Place]]:
        """Yields the rows of each block, where it begins and where it ends; epochs end blocks."""
        size = self._data.shuffle_buffer or SHUFFLE_BUFFER
        place = begin
        while True:
            block: list[Any] = []
            for found, place in self._rows_of_epoch(begin):
                block.append(found)
                if len(block) == size:
                    yield block, begin, place
                    block, begin = [], place
            place = Place(begin.epoch + 1)
            if block:
                yield block, begin, place
            begin = place

    def _rows_of_epoch(self, begin: Place) -> Iterator[tuple[Any, Place]]:
        """Yields the rows of an epoch from a place on, each with the place behind it."""
        shards = [self.shards[number] for number in self._order(begin.epoch)]
        taken = begin.taken
        for number, shard in enumerate(shards[begin.shard :], begin.shard):
            known = dict(self._unreadable)
            examples = self._read(shard)
            for _ in itertools.islice(examples, taken):
                pass
            if taken:  # what was met on the way there has been counted
                self._unreadable = known
            for example in examples:
                taken += 1
                yield example, Place(begin.epoch, number, taken)
            taken = 0

    def _order(self, epoch: int) -> list[int]:
        """Returns the numbers of the shards in the order of an epoch."""
        import numpy as np  # only here: commands that do not train start sooner without

        return np.random.default_rng([self._seed, epoch]).permutation(len(self.shards)).tolist()

    def _read(self, shard: Shard) -> Iterator[Any]:
        return self._kind.read(shard.open(), self._task, self._columns, self._data, with_labels=True)

    def _note_unreadable(self, error: DataError) -> None:
        self._unreadable[str(error)] = None

    def _told_unreadable(self, left_out: int) -> int:
        """Tells the first rows of a block that could not be read; returns how many rows have been left out by now."""
        for number, message in enumerate(self._unreadable, left_out + 1):
            if number <= MOST_TOLD:
                warn(f"left out of training: {message.splitlines()[0]}")
        left_out += len(self._unreadable)
        self._unreadable = {}
        return left_out

    def _split(self, examples: Sequence[Any]) -> Split[Any]:
        return Split("train", self.title, examples, self.fingerprint, is_sample=True)

    # --- rows that are met while a run trains ---

    def _learnable(self, split: Split[Any], labels: LabelSpace | None, left_out: int) -> tuple[Split[Any], int]:
        """Returns the rows of a block that can be trained on, as they are learnt, and how many cannot."""
        learnt, problems = self._checked(split, labels)
        if not problems:
            return learnt, 0
        if self._data.on_bad_row != "skip":
            problems.raise_if_any()
        good = self._good(split, labels, num_told=left_out)
        learnt, problems = self._checked(good, labels)
        problems.raise_if_any()  # of rows that are wrong only together
        return learnt, len(split) - len(good)

    def _good(self, split: Split[Any], labels: LabelSpace | None, *, num_told: int) -> Split[Any]:
        """Returns the rows that can be trained on, as they were read; the first of the others are told.

        Args:
            num_told: how many have been told before.
        """
        good: list[Any] = []
        for example in split.examples:
            _, found = self._checked(dataclasses.replace(split, examples=[example]), labels)
            if not found:
                good.append(example)
                continue
            num_told += 1
            if num_told <= MOST_TOLD:
                warn(f"left out of training: {split.where(example)}: {'; '.join(found.messages)}")
        return dataclasses.replace(split, examples=good)

    def _checked(self, split: Split[Any], labels: LabelSpace | None) -> tuple[Split[Any], Problems]:
        """Returns rows as they are learnt, and what is wrong with them, by the checks of rows that are scored."""
        problems = Problems()
        readable = check_cells(split, problems)
        splits, _ = self._kind.normalize({"train": readable}, self._task, self._data, problems)
        learnt = splits["train"]
        rows = dataclasses.replace(learnt, name="streamed train")
        if len(rows):
            self._kind.check({"test": rows}, labels, self._task, self._data, problems)
            if labels is not None:
                self._kind.check_known_labels(rows, labels, problems)
        return learnt, problems
