"""The same passes on Dask: partitions of its arrays and data frames, added as a tree on the user's scheduler.

Dask is imported only here, and only when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from companion import checks
from companion.scaling.checkpoints import Run
from companion.scaling.given import data_of, left_over
from companion.scaling.pieces import Chunk, Piece, Place, Sliced, frame_names, is_name, select
from companion.scaling.reduction import Fault, Pass, Task, Tree, apply, nothing, refuse
from companion.scaling.sources import Chunks, digest

#: Results that are added in one task.
TOGETHER = 8
#: Partitions between two savings of a checkpoint.
AT_A_TIME = 32


def is_collection(thing: Any) -> bool:
    """Whether this is a Dask array, series or data frame; asked without importing Dask."""
    return hasattr(type(thing), "__dask_graph__") and hasattr(type(thing), "to_delayed")


def delayed(where: str) -> Callable[..., Any]:
    """`dask.delayed`, or the error that says how to install it."""
    try:
        from dask.delayed import delayed as found
    except ImportError:
        raise ImportError(
            f"{where}: dask = not installed; expected the optional library that this call runs on. Install it by "
            'pip install "likelihood-divergence-companion[dask]", in a checkout by pip install ".[dask]".'
        ) from None
    return found


class Partitions:
    """The partitions of Dask collections that lie side by side, as delayed objects."""

    def __init__(self, where: str, source: Any, others: tuple[tuple[str, Any], ...], columns: Any):
        self.where, self.columns = where, left_over(source, others, columns)
        if getattr(source, "ndim", 1) == 0:
            checks.fail(where, f"shape of {data_of(where)}", (), "(n,) or (n, d)", "Pass rows.", TypeError)
        self.rows, self.starts = _known(source)
        fields = [_blocks(where, data_of(where), select(source, self.columns, where))]
        for name, other in others:
            if other is None:
                fields.append([None] * len(fields[0]))
                continue
            if is_name(other) and frame_names(source) is not None:
                other = select(source, other, where, name)
            if not is_collection(other):
                other = _cut(where, name, other, self.starts, self.rows)
            elif self.starts is not None and hasattr(other, "rechunk"):
                theirs = _known(other)[1]
                if theirs is not None and theirs != self.starts and other.shape[0] == self.rows:
                    other = other.rechunk((tuple(np.diff([*self.starts, self.rows])), *other.chunks[1:]))
            blocks = other if isinstance(other, list) else _blocks(where, name, other)
            if len(blocks) != len(fields[0]):
                fix = f"Cut {name} as the data are cut: rechunk or repartition."
                checks.fail(where, f"partitions of {name}", len(blocks), f"{len(fields[0])}, those of the data", fix)
            fields.append(blocks)
        self.fields = list(zip(*fields))

    #: A collection can be computed again.
    once, size = None, None

    def sizes(self) -> list[Any]:
        """Of the fingerprint: the number of partitions, and rows where they are known."""
        return [len(self.fields), self.rows]

    def peek(self) -> tuple[str, str]:
        """Digests of the first and of the last partition."""
        from dask.base import compute

        first, last = compute(self.fields[0], self.fields[-1])
        return digest(f for f in first if f is not None), digest((f for f in last if f is not None), last=True)

    def kept(self, task: Task, first: int = 0, last: int | None = None) -> list[Any]:
        """What is kept of each partition, delayed."""
        of_partition = delayed(self.where)(_of_partition, pure=True)
        found = []
        for number, fields in list(enumerate(self.fields))[first:last]:
            start = None if self.starts is None else self.starts[number]
            found.append(of_partition(task, number, start, *fields))
        return found


def _known(source):
    """Rows in all, and the first row of each partition; None where sizes are not known."""
    if not hasattr(source, "chunks") or np.isnan(np.sum(source.chunks[0])):
        return None, None
    ends = np.cumsum([0, *source.chunks[0]])
    return int(ends[-1]), [int(start) for start in ends[:-1]]


def _blocks(where, name, collection):
    if getattr(collection, "ndim", 1) == 0:
        checks.fail(where, name, collection, "rows", "Pass an array of shape (n,) or (n, d).", TypeError)
    if getattr(collection, "ndim", 1) > 1 and hasattr(collection, "rechunk"):  # a row lies in one partition
        collection = collection.rechunk(dict.fromkeys(range(1, collection.ndim), -1))
    return list(np.ravel(np.array(collection.to_delayed(), dtype=object)))


def _cut(where, name, other, starts, rows):
    """An array cut as the partitions are."""
    if starts is None or not checks.is_array_like(other):
        fix = f"Pass a Dask collection with the partitions of the data, or the name of a column, as {name}."
        checks.fail(where, name, other, "what is cut as the data are", fix, TypeError)
    if np.shape(other)[:1] != (rows,):
        checks.fail(where, f"shape of {name}", np.shape(other), f"({rows}, ...)", "Pass one for each row.")
    return np.split(np.asanyarray(other), starts[1:])


def _of_partition(task, number, start, *fields):
    """What is kept of one partition, where it is."""
    place = Place(number, "the Dask collection")
    found = apply(task, Chunk(place, lambda: fields))
    if isinstance(found, Fault):
        refuse(task.where, place, found, start)
    return found


def _of_piece(task, piece, number, rows):
    """What is kept of a piece of a source that is no collection: an array, or a file read where the task runs."""
    tree = Tree(task)
    before = 0
    for start, stop, read in piece.chunks(rows):
        place = Place(number, piece.label, start, stop)
        found = apply(task, Chunk(place, read))
        if isinstance(found, Fault):
            refuse(task.where, place, found, None)
        tree.add(found)
        before += 0 if found is None else found.rows
    return tree.total()


def _merged(task, *kept):
    tree = Tree(task)
    for each in kept:
        tree.add(each)
    return tree.total()


def _result(task, finish, partitions, kept):
    if kept is None:
        nothing(task.where, partitions)
    return finish(kept)


def tree(task: Task, found: list[Any], finish: Callable[[Any], Any]) -> Any:
    """The result of a pass, delayed: partitions are added in groups, the groups in groups."""
    merge, result = delayed(task.where)(_merged, pure=True), delayed(task.where)(_result, pure=True)
    partitions = len(found)
    while len(found) > 1:
        found = [merge(task, *found[i : i + TOGETHER]) for i in range(0, len(found), TOGETHER)]
    if not found:
        nothing(task.where, 0)
    return result(task, finish, partitions, found[0])


def pieces(where: str, task: Task, chunks: Chunks) -> list[Any]:
    """What is kept of each piece of a source that is not of Dask, delayed."""
    found = chunks.pieces()
    if found is None:
        fix = "Pass a list, paths or a Dask collection: what yields chunks one by one is read here, not by workers."
        checks.fail(where, "source", "an iterable", "a source whose parts can be read apart", fix, TypeError)
    of_piece = delayed(where)(_of_piece, pure=False)
    return [of_piece(task, piece, number, chunks.size) for number, piece in enumerate(_apart(found, chunks.size))]


def _apart(found, rows):
    """Arrays in parts of some megabytes, everything else as it is."""
    for piece in found:
        if not isinstance(piece, Sliced):
            yield piece
            continue
        for start, stop, _ in piece.chunks(rows, 0, 2**20):
            fields = tuple(_Part(field, start, stop) if field is not None else None for field in piece.fields)
            label = f"{piece.label or 'the array'} (rows {start:,} to {stop - 1:,})"
            yield Piece(fields, piece.columns, label, stop - start)


class _Part:
    """Rows of an array or of a file, read where they are needed."""

    def __init__(self, array: Any, start: int, stop: int):
        here = isinstance(array, np.ndarray)
        self.array: Any = array[start:stop] if here else array
        self.rows: slice = slice(None) if here else slice(start, stop)

    def __call__(self) -> Any:
        return self.array[self.rows]


class DaskRun(Run):
    """Passes over a Dask collection; with a checkpoint or progress, some partitions at a time."""

    def __init__(self, where: str, source: Any, others: Any, columns: Any, watch: Any, checkpoint: Any, identity: Any):
        self.partitions = Partitions(where, source, others, columns)
        super().__init__(where, self.partitions, 1, watch, checkpoint, identity)

    def advance(self, state: Pass, keep: Callable[[Pass], None] | None) -> Any:
        from dask.base import compute

        parts, task = self.partitions, state.task
        if not (keep or self.watch):
            found = compute(tree(task, parts.kept(task), _same))[0]
            state.chunks, state.rows = len(parts.fields), found.rows
            state.check_size()
            return found.result
        while state.chunks < len(parts.fields):
            last = min(len(parts.fields), state.chunks + AT_A_TIME)
            for kept in compute(*parts.kept(task, state.chunks, last)):
                state.add(kept, 0 if kept is None else kept.rows)
            state.tell(keep, self.watch, parts.rows)
        return state.result()


def _same(kept):
    return kept
