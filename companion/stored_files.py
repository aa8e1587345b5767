"""Files of numbers that cannot lie: a header and arrays, sealed.

A file is an ordinary ``.npz`` archive, so that ``numpy.load`` reads it: ``header`` holds JSON, the other members
arrays. Its last 64 characters, the archive's comment, are the SHA-256 of all that precedes them. A file that was cut
off, or in which a single bit has changed, is therefore recognised before anything in it is believed. Nothing is
compressed and nothing pickled: a file holds no code, and cannot grow when it is read.

Whoever reads a file still compares names, shapes and types with what they must be (`expect`): one error for all faults.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from os import PathLike, fspath
from typing import IO, Any, NoReturn

import numpy as np

from companion import checks

_SEAL = 64  # characters of a SHA-256

File = str | PathLike | IO[bytes]


def broken(where: str, file: File, reason: str) -> NoReturn:
    """Raise the one error for a file that cannot be believed: it names the file and what is wrong."""
    name = fspath(file) if isinstance(file, (str, PathLike)) else f"an open {type(file).__name__}"
    expected = f"a whole file of this kind, but {reason}. Copy it again, or save it anew."
    raise ValueError(f"{where}: file = {name!r}; expected {expected}") from None


def write(where: str, file: File, header: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a `header` that JSON can hold and named `arrays` to `file`, a path or a binary file.

    The same content gives the same bytes.

    >>> file = io.BytesIO()
    >>> write("example", file, {"of": "doubling"}, {"x": np.array([1.0, 2.0])})
    >>> place = file.seek(0)
    >>> read("example", file)
    ({'of': 'doubling'}, {'x': array([1., 2.])})
    """
    try:
        text = json.dumps(header, allow_nan=False).encode()
    except (TypeError, ValueError):
        fix = "Pass numbers, strings, lists and dicts, without NaN."
        checks.fail(where, "header", header, "what JSON can hold", fix, TypeError)
    packed = io.BytesIO()
    content: dict[str, Any] = dict(header=np.frombuffer(text, np.uint8), **arrays)
    np.savez(packed, **content)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.comment = bytes(_SEAL)
    body = packed.getvalue()[:-_SEAL]
    with _opened(where, file, "wb") as target:
        target.write(body + hashlib.sha256(body).hexdigest().encode())


def read(where: str, file: File) -> tuple[dict, dict[str, np.ndarray]]:
    """Header and arrays of a `file` that `write` has written, or a `ValueError` that names it and what is wrong.

    The arrays are finite floating-point numbers.
    """
    with _opened(where, file, "rb") as source:
        data = source.read()
    if not isinstance(data, bytes) or hashlib.sha256(data[:-_SEAL]).hexdigest().encode() != data[-_SEAL:]:
        broken(where, file, "its last 64 characters are not the SHA-256 of the rest")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {item.filename.removesuffix(".npy"): _array(archive, item) for item in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ValueError("two members have one name")
        header = json.loads(members.pop("header").tobytes().decode())
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        for name, array in members.items():
            if array.dtype not in (np.float32, np.float64) or not np.all(np.isfinite(array)):
                raise ValueError(f"{name} does not hold finite floating-point numbers")
    except Exception as reason:  # whatever zipfile, json or numpy say of a file that somebody else has sealed
        broken(where, file, f"it cannot be read: {type(reason).__name__}: {reason}")
    return header, members


def _array(archive, item):
    """One member, compared with its own header before any memory is asked for."""
    if item.compress_type != zipfile.ZIP_STORED or item.file_size > len(archive.fp.getbuffer()):
        raise ValueError(f"{item.filename} is compressed")
    content = io.BytesIO(archive.read(item))
    version = np.lib.format.read_magic(content)
    if version != (1, 0):
        raise ValueError(f"{item.filename} is written in version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    left = len(content.getbuffer()) - content.tell()
    if fortran or dtype.hasobject or not dtype.isnative or np.prod(shape, dtype=object) * dtype.itemsize != left:
        raise ValueError(f"{item.filename} is not {shape} of {dtype}")
    return np.frombuffer(content.getvalue(), dtype, offset=content.tell()).reshape(shape).copy()


def expect(where: str, file: File, what: str, found, expected) -> None:
    """Fail unless `found` is what was `expected`, and of its type."""
    if type(found) is not type(expected) or found != expected:
        broken(where, file, f"{what} = {checks.describe(found)} in place of {checks.describe(expected)}")


def _opened(where, file, mode):
    if isinstance(file, (str, PathLike)):
        return open(file, mode)
    if hasattr(file, "read" if mode == "rb" else "write"):
        return nullcontext(file)
    checks.fail(where, "file", file, "a path or an open binary file", 'Pass e.g. "model.npz".', TypeError)
