"""Chunks of a source, one after the other, each with its number; and the errors of those that cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from inspect import getgeneratorstate, isgenerator
from typing import Any, NoReturn

import numpy as np

from companion import checks
from companion.scaling.given import checked_columns, data_of, pairs_of, pieces_of
from companion.scaling.pieces import READ, Chunk, Piece, Place, check_names, frame_names


class Chunks:
    """An iterable of arrays, made by `companion.scale.chunks`: in each pass the same chunks, in the same order.

    Attributes
    ----------
    rows : int or None
        Rows of all chunks together, where they are known before reading.
    """

    def __init__(
        self,
        where: str,
        source: Any,
        others: tuple[Any, ...],
        columns: Any,
        rows: Any,
        numbers: int = READ,
        pairs: bool = False,
    ):
        self._where, self.size, self._numbers = where, rows, numbers
        if rows is not None:
            self.size = checks.positive_integer(where, "rows", rows, "Pass how many rows a chunk has, e.g. 2**16.")
        columns = checked_columns(where, columns)
        given = ((data_of(where), source), *others)
        for name, value in given:
            fresh(where, name, value)
        self._begun = False
        self._once: list[Piece] = []
        self._again: Callable[[], Iterator[Piece]] | None = None
        self._stream: Iterator[Piece] | None = None
        pieces = pairs_of(where, source, others, columns) if pairs else pieces_of(where, source, others, columns)
        #: What can be read only once, by its name, if anything; a list has been cut by now.
        self.once = None if isinstance(pieces, list) else next((name for name, v in given if _passes(v)), None)
        if isinstance(pieces, list):
            self._once = pieces
        elif callable(pieces):
            self._again = pieces
        else:
            self._stream = pieces

    @property
    def rows(self) -> int | None:
        """Rows of all chunks together, where they are known before reading."""
        sizes = [piece.rows for piece in self._once]
        return None if not sizes or None in sizes else sum(size or 0 for size in sizes)

    @property
    def streamed(self) -> bool:
        """Whether chunks are yielded one after the other, so that how many there are shows only in a pass."""
        return self._stream is not None or self._again is not None

    @property
    def repeatable(self) -> bool:
        """Whether there can be a second pass."""
        return self._stream is None

    def sizes(self) -> list[int | None] | None:
        """Rows of the pieces, or bytes of a text file, where they are known: part of the fingerprint."""
        return [piece.size() for piece in self._once] if self._once else None

    def pieces(self) -> list[Piece] | None:
        """The pieces, each of which can be read without the others; None of what yields them one after the other."""
        return self._once or None

    def _all(self) -> Iterator[Piece]:
        if self._again is not None:
            return self._again()
        if self._stream is None:
            return iter(self._once)
        fresh(self._where, data_of(self._where), self)
        self._begun = True
        return self._stream

    def parts(self, skip: int = 0) -> Iterator[Chunk]:
        """All chunks but the first `skip`, unread."""
        at, pieces = [0], self._all()
        while True:
            try:
                piece = next(pieces, None)
            except Exception as error:
                failed(self._where, Place(at[0], ""), error)
            if piece is None:
                return
            yield from self._chunks_of(piece, at, skip)

    def _chunks_of(self, piece: Piece, at: list[int], skip: int) -> Iterator[Chunk]:
        passed = min(piece.count(self.size, self._numbers), max(0, skip - at[0]))  # without reading them
        at[0] += passed
        found = piece.chunks(self.size, passed, self._numbers)
        while True:
            try:
                item = next(found, None)
            except Exception as error:
                failed(self._where, Place(at[0], piece.label), error)
            if item is None:
                return
            start, stop, read = item
            number = at[0]
            at[0] += 1
            if number >= skip:
                yield Chunk(Place(number, piece.label, start, stop), read, piece.names)

    def __iter__(self) -> Iterator[np.ndarray]:
        first, at = None, Place(0, "")
        for chunk in self.parts():
            array = load(self._where, chunk)[0]
            names = names_of(chunk, array)
            check_names(self._where, first, at, names, chunk.place)
            if first is None:
                first, at = names, chunk.place
            yield np.asanyarray(array)

    def peek(self) -> tuple[str, str]:
        """Digests of the first chunk and of the last rows, parts of the fingerprint. The latter is empty where it would
        cost a call or a pass. A stream has its chunks still before it."""
        chunk = next(self._first(), None)
        first = "" if chunk is None else digest(load(self._where, chunk))
        if not self._once:
            return first, ""
        place = Place(len(self._once) - 1, self._once[-1].label)
        return first, digest(load(self._where, Chunk(place, self._once[-1].end)), last=True)

    def _first(self):
        if self._stream is None:
            return self.parts()
        try:
            piece = next(self._stream, None)
        except Exception as error:
            failed(self._where, Place(0, ""), error)
        if piece is None:
            return iter(())
        if type(piece) is Piece:  # its functions are called once
            fields = load(self._where, Chunk(Place(0, piece.label), next(piece.chunks(self.size))[2]))
            piece = Piece(fields, None, piece.label, piece.rows)
        rest = self._stream
        self._stream = (item for part in ((piece,), rest) for item in part)
        return self._chunks_of(piece, [0], 0)


def _passes(value):
    """Whether it can be read only once."""
    return isinstance(value, Iterator) or (isinstance(value, Chunks) and not value.repeatable)


def fresh(where: str, argument: str, value: Any) -> None:
    """Raise the error for an iterator that has been read before, as far as it tells."""
    begun = (
        value._begun if isinstance(value, Chunks) else isgenerator(value) and getgeneratorstate(value) == "GEN_CLOSED"
    )
    if begun:
        fix = "Make it anew, or pass a list, or a function without arguments that makes it anew for each pass."
        _fail_once(where, argument, "an iterator that has been read before", "one that has not", fix)


def again(where: str, argument: str) -> NoReturn:
    """Raise the error for a second pass over what can be read only once."""
    fix = "Pass a list, or a function without arguments that makes the iterable anew for each pass."
    _fail_once(where, argument, "an iterator, exhausted after one pass", "what can be read again", fix)


def _fail_once(where: str, argument: str, found: str, expected: str, fix: str) -> NoReturn:
    raise ValueError(f"{where}: {argument} = {found}; expected {expected}. {fix}")


def names_of(chunk: Chunk, array: Any) -> tuple[str, ...] | None:
    """Names of the data's columns, if they have names."""
    names = frame_names(array)
    return chunk.names if names is None else tuple(map(str, names))


def digest(values: Iterable[Any], last: bool = False) -> str:
    """SHA-256 of the first or of the last 65,536 rows of some arrays."""
    seal = hashlib.sha256()
    for value in values:
        array = np.asarray(value)
        if array.ndim:
            array = array[-(2**16) :] if last else array[: 2**16]
        content = repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
        seal.update(f"{array.dtype.str}{np.shape(value)}".encode() + content)
    return seal.hexdigest()


def load(where: str, chunk: Chunk) -> tuple[Any, ...]:
    """The chunk, or the error that names it."""
    try:
        return chunk.read()
    except Exception as error:
        failed(where, chunk.place, error)


def failed(where: str, place: Place, error: BaseException) -> NoReturn:
    """Raise the error for a chunk that cannot be read."""
    text = str(error)
    if isinstance(error, ImportError) or text.startswith(f"{where}: "):
        raise error
    for own in ("scale: ", "scale.chunks: "):  # about columns, or of chunks that are a source
        if isinstance(error, (ValueError, TypeError)) and text.startswith(own):
            raise type(error)(f"{where}: {text.removeprefix(own)}") from None
    reason = " ".join(f"{type(error).__name__}: {text}".split())
    raise ValueError(
        f"{where}: {place} = not read ({reason}); expected a chunk that can be read. Repair it or leave it out; with a "
        "checkpoint the run goes on from there."
    ) from error
