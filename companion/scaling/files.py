"""Files read a chunk at a time, by columns: NumPy's own, CSV, and Parquet by pyarrow."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from companion import checks
from companion.scaling.pieces import shown

_KINDS = {".npy": "npy", ".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".pq": "parquet"}

#: A field of a CSV file, and a line in which no quoted field is open; elsewhere than at its start a quote is a letter.
_FIELD = r'(?:"(?:[^"]|"")*+"[^,\n]*+|[^",\n][^,\n]*+|)'
_WHOLE = re.compile(rf"{_FIELD}(?:,{_FIELD})*+\n?")


def kind(path: Path) -> str | None:
    """How a file is read, by its name; None of others."""
    return next((kind for suffix, kind in _KINDS.items() if path.name.lower().endswith(suffix)), None)


# --- memory maps ------------------------------------------------------------------------------------------------------
class Mapped:
    """A .npy file of which each slice is a map of its own, so that what has been read does not stay in memory."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...], offset: int, order: Any):
        self.path, self.dtype, self.shape, self.offset, self.order = path, dtype, shape, offset, order

    def __getitem__(self, rows: slice) -> np.ndarray:
        row = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        start, stop, _ = rows.indices(self.shape[0])
        if self.order == "C" and stop > start and row:
            shape, place = (stop - start, *self.shape[1:]), self.offset + start * row
            return np.memmap(self.path, self.dtype, "r", place, shape)
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape, self.order)[rows]


def mapped(where: str, path: Path, argument: str) -> Mapped:
    """A .npy file, its header read; `argument` is where its path was passed."""
    try:
        whole = np.load(path, mmap_mode="r")
        if not isinstance(whole, np.ndarray):
            raise ValueError("it holds no array")
    except Exception as error:
        fix = "Save it anew with numpy.save; an array of objects or a file that was cut off cannot be mapped."
        reason = f"a .npy file that can be mapped ({type(error).__name__}: {error})"
        checks.fail(where, argument, str(path), reason, fix)
    order = "C" if whole.flags.c_contiguous else "F"
    return Mapped(path, whole.dtype, whole.shape, getattr(whole, "offset", 0), order)


# --- CSV --------------------------------------------------------------------------------------------------------------
class Csv:
    """Columns of a CSV file, with or without a line of names; read by NumPy."""

    def __init__(self, where: str, path: Path, wanted: list[tuple[str, Any]]):
        self.path, self.rows = path, None
        try:
            with self._open() as file:
                first = next(csv.reader(_records(file)), [])
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            reason = f"a CSV file in UTF-8 ({type(error).__name__}: {error})"
            checks.fail(where, wanted[0][0], str(path), reason, "Write it anew.")
        self.header = [name.strip() for name in first] if any(not _is_number(v) for v in first) else None
        known: list[Any] = self.header or [*range(len(first))]
        self.groups, self.width = _places(where, path, wanted, known)
        self.names = _names(self.groups, self.header)

    def _open(self):
        if self.path.name.lower().endswith(".gz"):
            return gzip.open(self.path, "rt", encoding="utf-8-sig", newline="")
        return open(self.path, encoding="utf-8-sig", newline="")

    def count(self, rows: int) -> int:
        """Chunks that are known without reading: none."""
        return 0

    def batches(self, rows: int, skip: int) -> Iterator[tuple[int, int, Callable[[], tuple[Any, ...]]]]:
        """(first row, row after the last, a function that gives the groups of columns) of chunks of so many rows."""
        with self._open() as file:
            lines, start = _records(file), 0
            if self.header is not None:
                next(lines)
            while part := list(islice(lines, rows)):
                yield start, start + len(part), partial(self._groups, part)
                start += len(part)

    def _groups(self, lines):
        wanted = [place for group in self.groups if group is not None for place in np.atleast_1d(group)]
        table = self._parsed(lines, wanted)
        return _grouped([table[:, i] for i in range(len(wanted))], self.groups)

    def _parsed(self, lines, wanted):
        try:
            return np.loadtxt(lines, delimiter=",", usecols=wanted, ndmin=2, comments=None, quotechar='"')
        except ValueError as error:
            for row, line in enumerate(lines):  # which one it was
                fields = next(csv.reader([line]), [])
                for place in wanted:
                    if place >= len(fields) or not _is_number(fields[place]):
                        found = f"{fields[place]!r}" if place < len(fields) else f"{len(fields)} fields"
                        raise ValueError(f"row {row:,} of the chunk, column {place}: {found} is no number") from None
            raise ValueError(str(error)) from None


def _records(file):
    """Lines that are not empty; a quoted field may reach over several."""
    for line in file:
        if line.count('"') % 2:
            line = _quoted(line, file)
        if line.strip():
            yield line


def _quoted(line, file):
    """The line with those after it that a quoted field reaches over."""
    for more in islice(chain([""], file), 1000):
        line += more
        if _WHOLE.fullmatch(line):
            return line
    raise ValueError(f"the quoted field that begins in {line[:40]!r} does not end")


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


# --- Parquet ----------------------------------------------------------------------------------------------------------
class Parquet:
    """Columns of a Parquet file, read by pyarrow."""

    def __init__(self, where: str, path: Path, wanted: list[tuple[str, Any]]):
        try:
            import pyarrow.parquet
        except ImportError:
            raise ImportError(
                f"{where}: pyarrow = not installed; expected the library that reads Parquet. pip install pyarrow"
            ) from None
        self.path, self.parquet = path, pyarrow.parquet
        with self._open(where, wanted[0][0]) as file:
            self.known = file.schema_arrow.names
            self.rows = file.metadata.num_rows
            self.sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self.groups, self.width = _places(where, path, wanted, self.known)
        self.names = _names(self.groups, self.known)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "parquet"}

    def __setstate__(self, state):
        import pyarrow.parquet

        vars(self).update(state, parquet=pyarrow.parquet)

    def _open(self, where, argument="source"):
        try:
            return self.parquet.ParquetFile(self.path)
        except Exception as error:
            fix = "Write it anew; a file that was cut off cannot be read."
            reason = f"a Parquet file ({type(error).__name__}: {' '.join(str(error).split())})"
            checks.fail(where, argument, str(self.path), reason, fix)

    def count(self, rows):
        """How many chunks there are."""
        return sum(-(-size // rows) for size in self.sizes)

    def batches(self, rows, skip):
        """As of `Csv`, without the first `skip`. Chunks do not reach over the ends of row groups."""
        wanted = [place for group in self.groups if group is not None for place in np.atleast_1d(group)]
        names, start = [self.known[place] for place in wanted], 0
        with self._open("scale") as file:
            for number, size in enumerate(self.sizes):
                if skip >= (within := -(-size // rows)):
                    start, skip = start + size, skip - within
                    continue
                left = size
                for batch in file.iter_batches(rows, row_groups=[number], columns=names):
                    if len(batch) != min(rows, left):
                        raise ValueError(f"{len(batch)} rows came, not {min(rows, left)}")
                    left -= len(batch)
                    if skip:
                        skip -= 1
                    else:
                        yield start, start + len(batch), partial(self._groups, batch, names)
                    start += len(batch)

    def _groups(self, batch, names):
        return _grouped([batch.column(name).to_numpy(zero_copy_only=False) for name in names], self.groups)


READERS: dict[str, Any] = {"csv": Csv, "parquet": Parquet}


def _places(where, path, wanted, known):
    """The places of each group of columns, and how many numbers a row has."""
    (data, columns), *others = wanted
    if not known:
        checks.fail(where, data, str(path), "a file with columns", "It is empty: write it anew.")
    groups = [None if name is None else _place(where, path, argument, name, known) for argument, name in others]
    if columns is None:
        left = [place for place in range(len(known)) if place not in groups]
        if not left:
            fix = "Write the data beside them."
            checks.fail(where, data, str(path), f"more columns than {shown(known)}, which are {_and(others)}", fix)
        first: Any = left[0] if len(left) == 1 else left
    elif isinstance(columns, list):
        first = [_place(where, path, "columns", name, known) for name in columns]
    else:
        first = _place(where, path, "columns", columns, known)
    groups.insert(0, first)
    return groups, sum(np.size(group) for group in groups if group is not None)


def _and(others):
    return " and ".join(argument for argument, name in others if name is not None)


def _place(where, path, argument, name, known):
    if known.count(name) == 1:
        return known.index(name)
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool) and 0 <= name < len(known):
        return int(name)
    checks.fail(
        where,
        argument,
        name,
        f"one of the columns of {path.name}: {shown(known)}",
        "Pass its name, which it alone has.",
    )


def _names(groups, known):
    """Names of the data's columns, in order."""
    return None if known is None else tuple(known[place] for place in np.atleast_1d(groups[0]))


def _grouped(columns, groups):
    """Columns put together as the groups ask: one alone as (n,), several as (n, d)."""
    found, place = [], iter(columns)
    for group in groups:
        if group is None:
            found.append(None)
        elif isinstance(group, list):
            found.append(np.stack([next(place) for _ in group], axis=1))
        else:
            found.append(next(place))
    return tuple(found)
