"""Pieces of a source, which yield chunks.

A source is a sequence of `Piece`; a piece yields its chunks, each with a place that errors name. Nothing is read before
it is asked for, so that a chunk may be read by a thread or by another process, and is gone when it has been summed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from companion import checks

#: Numbers in a chunk that is read or computed with; of an array whose chunks are not copied.
READ, VIEWED = 2**18, 2**21


class Place(NamedTuple):
    """Where a chunk stands: its number, the source's label, and its rows in the source where they are known."""

    number: int
    label: str
    start: int | None = None
    stop: int | None = None

    def __str__(self) -> str:
        rows = "" if self.start is None else f" (rows {self.start:,} to {max(self.start, (self.stop or 1) - 1):,})"
        return f"chunk {self.number:,}{rows}" + (f" of {self.label}" if self.label else "")


class Chunk(NamedTuple):
    """One chunk: where it stands, and a function that reads it, the columns asked for in order."""

    place: Place
    read: Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Piece:
    """A part of a source: several `fields` (data, weights, …) of the same rows, each an array, a function without
    arguments that returns one, or None."""

    fields: tuple[Any, ...]
    columns: Any = None
    label: str = ""

    #: Rows if they are known without reading.
    rows: int | None = None

    def count(self, rows: int | None, numbers: int = READ) -> int:
        """How many chunks there are, as far as that is known without reading."""
        return 1

    def chunks(self, rows: int | None, skip: int = 0, numbers: int = READ) -> Iterator[tuple[Any, Any, Callable]]:
        """(start, stop, read) of all chunks but the first `skip`."""
        if not skip:
            yield None, None, partial(_read_all, self.fields, self.columns)


def _read_all(fields, columns):
    first, *others = (field() if callable(field) else field for field in fields)
    return select(first, columns), *others


def select(array: Any, columns: Any) -> Any:
    """Some columns of an array or a data frame; of one column, named and not listed, the column itself."""
    if columns is None:
        return array
    if hasattr(array, "columns"):
        names = list(array.columns)
        for name in [columns] if is_name(columns) else columns:
            if name not in names:
                checks.fail(
                    "scale", "columns", name, f"one of {', '.join(map(str, names))}", "Pass the names of columns."
                )
        return array[columns if is_name(columns) else list(columns)]
    array = np.asarray(array)
    if array.ndim != 2:
        checks.fail("scale", "columns", columns, f"None: the data have shape {array.shape}", "Leave columns out.")
    for place in [columns] if is_name(columns) else columns:
        if not isinstance(place, (int, np.integer)) or not 0 <= place < array.shape[1]:
            fix = "Columns of an array have numbers; those of a file or a data frame have names."
            checks.fail("scale", "columns", place, f"numbers from 0 to {array.shape[1] - 1}", fix)
    return array[:, columns if is_name(columns) else list(columns)]


def is_name(columns):
    """Whether it names one column, by a text or a number."""
    return isinstance(columns, (str, int, np.integer))


@dataclass(frozen=True)
class Paired(Piece):
    """An item (X, y) or (X, y, weights), or a function without arguments that returns one."""

    def chunks(self, rows, skip=0, numbers=READ):
        if not skip:
            yield None, None, partial(_read_pair, self.fields[0], self.columns)


def _read_pair(item, columns):
    item = item() if callable(item) else item
    if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= 3:
        fix = "Yield (X, y) or (X, y, weights), or pass y, cut as X is cut."
        checks.fail("scale", "chunk of X", item, "a pair of X and y", fix, TypeError)
    return select(item[0], columns), *item[1:]


@dataclass(frozen=True)
class Sliced(Piece):
    """Arrays and memory maps: chunks are slices, and nothing is copied."""

    def _step(self, rows, numbers):
        return rows or max(1, numbers // max(1, int(np.prod(self.fields[0].shape[1:]))))

    def count(self, rows, numbers=READ):
        return -(-(self.rows or 0) // self._step(rows, numbers))

    def chunks(self, rows, skip=0, numbers=READ):
        n, step = self.rows or 0, self._step(rows, numbers)
        for start in range(skip * step, n, step):
            stop = min(n, start + step)
            yield start, stop, partial(_read_slices, self.fields, self.columns, start, stop)


def _read_slices(fields, columns, start, stop):
    first, *others = (None if field is None else field[start:stop] for field in fields)
    return select(first, columns), *others


@dataclass(frozen=True)
class Streamed(Piece):
    """A file that is read from its beginning to its end, by columns; the other fields are columns too."""

    reader: Any = None

    def count(self, rows, numbers=READ):
        return self.reader.count(rows or max(1, numbers // self.reader.width))

    def chunks(self, rows, skip=0, numbers=READ):
        return self.reader.batches(rows or max(1, numbers // self.reader.width), skip)
