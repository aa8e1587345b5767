"""One pass: a task maps every chunk to something that adds, and the somethings are added as a tree.

The shape of the tree depends on the number of chunks alone: so does every rounding, and the result is the same to the
last bit on one thread, on several, and in a run that was interrupted and goes on.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from companion import checks
from companion.scaling.given import data_of
from companion.scaling.pieces import Chunk, Place, check_names
from companion.scaling.sources import Chunks, load, names_of


class Task(Protocol):
    """What a pass computes; it can be sent to another process."""

    @property
    def where(self) -> str:
        """Name of the public function, for errors."""

    def of_chunk(self, *fields: Any) -> Any:
        """What is kept of a chunk, or None if there is nothing in it."""

    def merge(self, one: Any, two: Any) -> Any:
        """What is kept of two samples together."""


class Kept(NamedTuple):
    """What is kept of some chunks: the first of them that has rows, its shape without them, the names of its columns,
    all rows, and the result."""

    place: Place
    shape: tuple[int, ...]
    names: tuple[str, ...] | None
    rows: int
    result: Any


class Fault(NamedTuple):
    """What is wrong with a chunk: the kind of error, its argument, the rest of its text, and the row."""

    kind: type[Exception]
    argument: str
    text: str
    row: int | None


_ERROR = re.compile(r"^[\w.]+(?: of [\w.]+)?: (?P<argument>.+?) = (?P<rest>.*; expected .*)$", re.S)
_INDEX = re.compile(r"^(?P<name>.+?)\[(?P<row>\d+)(?:, (?P<column>\d+))?\]$")
#: Arguments whose faults are those of a chunk.
_OF_CHUNK = re.compile(r"(.* of |column .* of )?(x|X|y|weights|offset|n|p\(x\)|rows of X and y|spread|largest sum)\b.*")


def rows_of(fields: tuple[Any, ...]) -> int:
    """Rows of a chunk, 0 of what has none."""
    shape = np.shape(fields[0])
    return shape[0] if shape else 0


def apply(task: Task, chunk: Chunk) -> Kept | Fault | None:
    """What is kept of a chunk; None of one without rows or weight."""
    fields = load(task.where, chunk)
    with np.errstate(all="ignore"):  # what overflows shows in the sums
        return _applied(task, chunk, fields)


def _applied(task, chunk, fields):
    if np.shape(fields[0])[:1] == (0,):
        return None
    try:
        result = task.of_chunk(*fields)
    except (ValueError, TypeError) as error:
        return fault(error)
    if result is None:
        return None
    return Kept(chunk.place, np.shape(fields[0])[1:], names_of(chunk, fields[0]), rows_of(fields), result)


class RowError(ValueError):
    """An error about a row of a chunk, of which some rows were left out before."""

    def __init__(self, error: Exception, rows: np.ndarray):
        super().__init__(str(error))
        self.error, self.rows = error, rows


def fault(error: Exception) -> Fault:
    """The parts of an error that a family has raised about a chunk."""
    rows: np.ndarray | None = None
    if isinstance(error, RowError):
        rows, error = error.rows, error.error
    kind = TypeError if isinstance(error, TypeError) else ValueError
    found = _ERROR.match(str(error))
    if not found:
        return Fault(kind, "", str(error), None)
    place = _INDEX.match(found["argument"])
    row = int(place["row"]) if place else None
    if row is not None and rows is not None:
        row = int(rows[row])
    argument = found["argument"]
    if place:
        argument = place["name"] + ("" if place["column"] is None else f", column {place['column']},")
    return Fault(kind, argument, found["rest"], row)


def refuse(where: str, place: Place, found: Fault, before: int | None) -> NoReturn:
    """Raise the error for a chunk, with the row in it and, if the rows before it are known, in the whole."""
    if not found.argument:
        raise found.kind(f"{where}: {place}: {found.text}") from None
    if found.row is None and not _OF_CHUNK.fullmatch(found.argument):
        raise found.kind(f"{where}: {found.argument} = {found.text}") from None
    row = "" if found.row is None else f"row {found.row:,} of "
    whole = "" if found.row is None or before is None else f" (row {before + found.row:,} of all)"
    raise found.kind(f"{where}: {found.argument} in {row}{place}{whole} = {found.text}") from None


def merged(task: Task, one: Kept | None, two: Kept | None) -> Kept | None:
    """What is kept of two samples together; they must have the same width."""
    if one is None or two is None:
        return one or two
    if one.shape != two.shape:
        expected, fix = f"{one.shape}, as in {one.place}", "All chunks hold the same columns."
        checks.fail(task.where, f"shape of a row of {two.place}", two.shape, expected, fix)
    check_names(task.where, one.names, one.place, two.names, two.place)
    rows, result = one.rows + two.rows, task.merge(one.result, two.result)
    return Kept(one.place, one.shape, one.names or two.names, rows, result)


class Tree:
    """Chunks added in pairs, pairs of pairs, …: at most log₂(chunks) subtotals are kept."""

    def __init__(self, task: Task, levels: list[tuple[int, Kept | None]] | None = None):
        self.task, self.levels = task, list(levels or [])

    def add(self, kept: Kept | None) -> None:
        """Take in what is kept of the next chunk."""
        self.levels.append((0, kept))
        while len(self.levels) > 1 and self.levels[-1][0] == self.levels[-2][0]:
            (level, one), (_, two) = self.levels[-2:]
            self.levels[-2:] = [(level + 1, merged(self.task, one, two))]

    def total(self) -> Kept | None:
        """What is kept of all chunks so far."""
        found: Kept | None = None
        for _, kept in reversed(self.levels):
            found = merged(self.task, kept, found)
        return found


class Progress(NamedTuple):
    """How far a pass is: number of the pass, chunks and rows done, and all rows where they are known."""

    step: int
    chunks: int
    rows: int
    of_rows: int | None


class Pass:
    """The state of one pass, which a checkpoint holds."""

    def __init__(self, task: Task, step: int = 0, size: tuple[int, int] | None = None):
        self.task, self.step, self.size = task, step, size
        self.tree, self.chunks, self.rows, self.streamed = Tree(task), 0, 0, False

    def run(
        self,
        chunks: Chunks,
        threads: int = 1,
        watch: Callable[[Progress], None] | None = None,
        keep: Callable[[Pass], None] | None = None,
    ) -> Any:
        """The result of the pass; `keep` is called with the pass after every chunk."""
        where, of_rows, self.streamed = self.task.where, chunks.rows, chunks.streamed
        for chunk, rows, kept in _results(self.task, chunks.parts(self.chunks), threads):
            if isinstance(kept, Fault):
                refuse(where, chunk.place, kept, self.rows)
            self.add(kept, rows)
            self.tell(keep, watch, of_rows)
        return self.result()

    def add(self, kept: Kept | None, rows: int) -> None:
        """Take the next chunk in."""
        with np.errstate(all="ignore"):
            self.tree.add(kept)
        self.chunks, self.rows = self.chunks + 1, self.rows + rows

    def tell(self, keep: Callable[[Pass], None] | None, watch: Callable[[Progress], None] | None, of: Any) -> None:
        """Call who wants to know."""
        if keep:
            keep(self)
        if watch:
            watch(Progress(self.step, self.chunks, self.rows, of))

    def result(self) -> Any:
        """What all chunks add up to."""
        self.check_size()
        with np.errstate(all="ignore"):
            total = self.tree.total()
        if total is None:
            nothing(self.task.where, self.chunks, self.rows, self.streamed)
        return total.result

    def check_size(self) -> None:
        """Raise an error if the pass met other chunks or rows than the first one."""
        if self.size not in (None, (self.chunks, self.rows)):
            where = self.task.where
            found, expected = _chunks_and_rows(self.chunks, self.rows), _chunks_and_rows(*self.size)
            raise ValueError(
                f"{where}: {data_of(where)} in pass {self.step + 1:,} = {found}; expected {expected}, as in the first. "
                "It changed between passes, or a function returned an iterator that had been read before: let it make "
                "a new one at each call."
            )


def _chunks_and_rows(chunks: int, rows: int) -> str:
    return f"{chunks:,} chunk{'s' if chunks != 1 else ''} of {rows:,} rows in all"


def nothing(where: str, chunks: int, rows: int | None = None, streamed: bool = False) -> NoReturn:
    """Raise the error for a source without an observation of positive weight; `rows` None says that nobody counted."""
    expected = "at least one observation of positive weight"
    if rows:
        fix = f"All weights of the {rows:,} rows are zero: give some row a positive one."
        checks.fail(where, "sum of weights", 0.0, expected, fix)
    found = f"{chunks:,} chunks" if chunks != 1 else "1 chunk"
    found = f"{data_of(where)} = {found} {'without rows' if rows == 0 else 'without a row of positive weight'}"
    fix = "Pass data; what yields chunks only once may have been read before." if streamed else "Pass data."
    raise ValueError(f"{where}: {found if chunks else f'{data_of(where)} = no chunks'}; expected {expected}. {fix}")


def _results(task: Task, parts: Iterator[Chunk], threads: int) -> Iterator[tuple[Chunk, int, Any]]:
    """Every chunk, its rows, and what was kept of it, in the order of the chunks. A browser has one thread: the result
    is the same."""
    if threads == 1 or sys.platform == "emscripten":
        for chunk in parts:
            yield chunk, *_counted(task, chunk)
        return
    waiting: deque[Any] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for chunk in parts:
            waiting.append((chunk, pool.submit(_counted, task, chunk)))
            if len(waiting) > 2 * threads:
                first, future = waiting.popleft()
                yield first, *future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, *future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _counted(task, chunk):
    """Rows are counted as they are read, so that a row's number in the whole is known."""
    held: list[Any] = []

    def read():
        held.append(chunk.read())
        return held[0]

    kept = apply(task, chunk._replace(read=read))
    return rows_of(held[0]), kept
