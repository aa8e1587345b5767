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
    """One chunk: where it stands, a function that reads it, the columns asked for in order, and the names of the data's
    columns if its arrays do not tell them."""

    place: Place
    read: Callable[[], tuple[Any, ...]]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Piece:
    """A part of a source: several `fields` (data, weights, …) of the same rows, each an array, a function without
    arguments that returns one, or None."""

    fields: tuple[Any, ...]
    columns: Any = None
    label: str = ""

    #: Rows if they are known without reading.
    rows: int | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the data's columns, where its arrays do not tell them."""
        return None

    def count(self, rows: int | None, numbers: int = READ) -> int:
        """How many chunks there are, as far as that is known without reading."""
        return 1

    def size(self) -> int | None:
        """Rows, or bytes of a file whose rows nobody has counted."""
        return self.rows

    def end(self) -> tuple[Any, ...]:
        """What is cheap to read at the end: the last rows of arrays, the last bytes of a file."""
        return () if any(map(_to_call, self.fields)) else _read_all(self.fields, self.columns)

    def chunks(self, rows: int | None, skip: int = 0, numbers: int = READ) -> Iterator[tuple[Any, Any, Callable]]:
        """(start, stop, read) of all chunks but the first `skip`."""
        if not skip:
            yield None, None, partial(_read_all, self.fields, self.columns)


def _read_all(fields, columns):
    first, *others = (field() if _to_call(field) else field for field in fields)
    return select(first, columns), *others


def _to_call(field):
    return callable(field) and not hasattr(field, "__array__")


def select(array: Any, columns: Any, where: str = "scale", argument: str = "columns") -> Any:
    """Some columns of an array or a data frame; of one column, named and not listed, the column itself."""
    if columns is None:
        return array
    names, wanted = frame_names(array), [columns] if is_name(columns) else list(columns)
    if names is not None:
        for name in wanted:
            if names.count(name) != 1:
                fix = "Rename one." if name in names else "Pass the names of columns."
                checks.fail(where, argument, name, f"one of {shown(names)}", fix)
        if hasattr(array, "select") and not is_name(columns):  # pyarrow and polars
            return array.select(wanted)
        return array[columns if is_name(columns) else wanted]
    array = array if hasattr(array, "__dask_graph__") else np.asanyarray(array)
    if array.ndim != 2:
        checks.fail(where, argument, columns, "None, as the data are no table", f"Leave {argument} out.")
    for place in wanted:
        if not isinstance(place, (int, np.integer)) or not 0 <= place < array.shape[1]:
            fix = "Columns of an array have numbers; those of a file or a data frame have names."
            checks.fail(where, argument, place, f"numbers from 0 to {array.shape[1] - 1}", fix)
    return array[:, columns if is_name(columns) else wanted]


def frame_names(thing: Any) -> list[Any] | None:
    """Names of the columns of a data frame or of a table of pyarrow; None of what has none."""
    if is_delayed(thing):
        return None
    names = getattr(thing, "column_names", None)
    if names is None:
        names = getattr(thing, "columns", None)
    return None if names is None or getattr(thing, "ndim", 2) < 2 else list(names)


def is_delayed(thing: Any) -> bool:
    """Whether it is a ``Delayed`` of Dask, which seems to have any attribute."""
    return hasattr(type(thing), "__dask_graph__") and not hasattr(type(thing), "to_delayed")


def shown(names: Any) -> str:
    """Some names in an error message."""
    return ", ".join(map(str, list(names)[:8])) + (", …" if len(names) > 8 else "")


def check_names(where: str, one: Any, first: Place, two: Any, place: Place) -> None:
    """Raise the error for a chunk whose columns are not those of the first: columns add by their names."""
    if one != two and one is not None and two is not None:
        fix = "Pass columns=[...], the names in the order that you want: they are then found in every chunk."
        checks.fail(where, f"columns of {place}", list(two), f"{list(one)}, as in {first}", fix)


def is_name(columns):
    """Whether it names one column, by a text or a number."""
    return isinstance(columns, (str, int, np.integer))


@dataclass(frozen=True)
class Paired(Piece):
    """An item (X, y) or (X, y, weights), or a function that returns one, with weights, offset and n beside it."""

    def chunks(self, rows, skip=0, numbers=READ):
        if not skip:
            yield None, None, partial(_read_pair, self.fields, self.columns)

    def end(self):
        return () if any(map(_to_call, self.fields)) else _read_pair(self.fields, self.columns)


def _read_pair(fields, columns):
    item, *others = (field() if _to_call(field) else field for field in fields)
    if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= 3:
        fix = "Yield (X, y) or (X, y, weights), or pass y, cut as X is cut."
        checks.fail("scale", "chunk of X", item, "a pair of X and y", fix, TypeError)
    if len(item) == 3 and others and others[0] is not None:
        fix = "Yield pairs (X, y), or leave weights= out."
        checks.fail("scale", "weights", others[0], "None beside triples (X, y, weights)", fix, TypeError)
    if len(item) == 3:
        others[:1] = [item[2]]
    return select(item[0], columns), item[1], *others


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

    def end(self):
        return _read_slices(self.fields, self.columns, max(0, (self.rows or 0) - 2**16), self.rows)


def _read_slices(fields, columns, start, stop):
    first, *others = (None if field is None else field[start:stop] for field in fields)
    return select(first, columns), *others


@dataclass(frozen=True)
class Streamed(Piece):
    """A file that is read from its beginning to its end, by columns; the other fields are columns too."""

    reader: Any = None

    @property
    def names(self):
        return self.reader.names

    def count(self, rows, numbers=READ):
        return self.reader.count(rows or max(1, numbers // self.reader.width))

    def size(self):
        return self.reader.path.stat().st_size

    def end(self):
        with open(self.reader.path, "rb") as file:
            file.seek(max(0, self.size() - 2**16))
            return (np.frombuffer(file.read(), np.uint8),)

    def chunks(self, rows, skip=0, numbers=READ):
        return self.reader.batches(rows or max(1, numbers // self.reader.width), skip)
