"""A run that can be interrupted: what its passes have found so far, in a file that is replaced in one go.

The file has the results of the passes that are complete and the subtotals of the one that is not. A run that is called
again takes the results from there, does its small steps between the passes once more, and goes on with the next chunk.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

import numpy as np

from companion import checks, stored_files
from companion.scaling.packing import pack, unpack
from companion.scaling.reduction import Pass, Progress, Task, Tree
from companion.scaling.sources import again, digest

#: Seconds between two savings.
EVERY = 1.0

_KIND = "companion.scale checkpoint, version 3"


class Run:
    """Passes over one source; with a checkpoint, if a path is given, that is whole when the context is left."""

    def __init__(
        self,
        where: str,
        chunks: Any,
        threads: int,
        watch: Callable[[Progress], None] | None,
        checkpoint: Any = None,
        identity: dict[str, Any] | None = None,
    ):
        self.where, self.chunks, self.threads, self.watch = where, chunks, threads, watch
        self.path = _checked_path(where, checkpoint)
        self.done: list[Any] = []
        self.replayed = 0
        self.now: Any = None
        #: Chunks and rows of the first pass, which all others have too.
        self.size: tuple[int, int] | None = None
        self._saved_at, self._news = time.monotonic(), False
        if self.path:
            self.identity = {"of": where, **(identity or {}), **fingerprint(chunks)}
            if self.path.exists():
                self._load()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        if self._news:
            self._save(None)

    def require_repeatable(self) -> None:
        """Raise an error if there can be no second pass."""
        if self.chunks.once is not None:
            again(self.where, self.chunks.once)

    def run(self, task: Task) -> Any:
        """The result of the next pass."""
        if self.replayed < len(self.done):
            self.replayed += 1
            return self.done[self.replayed - 1]
        if self.replayed:
            self.require_repeatable()
        state = Pass(task, self.replayed, self.size)
        if self.now is not None:
            levels, state.chunks, state.rows = self.now
            state.tree, self.now = Tree(task, levels), None
        try:
            result = self.advance(state, self._sometimes if self.path else None)
        except BaseException:
            if self.path and state.chunks:
                self._save(state)
            raise
        self.replayed += 1
        self.done.append(result)
        self.size = state.chunks, state.rows
        if self.path:
            self._news = True
            self._sometimes(None)
        return result

    def advance(self, state: Pass, keep: Callable[[Pass], None] | None) -> Any:
        """The result of a pass from where it stands."""
        return state.run(self.chunks, self.threads, self.watch, keep)

    def _sometimes(self, state):
        if time.monotonic() - self._saved_at >= EVERY:
            self._save(state)

    def _save(self, state):
        """Written beside the file and put in its place: there is a whole file at any time."""
        now = None if state is None else ([list(level) for level in state.tree.levels], state.chunks, state.rows)
        description, numbers = pack((self.done, now, self.size))
        header = {"kind": _KIND, "identity": self.identity, "content": description}
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            with open(beside, "wb") as file:
                stored_files.write(self.where, file, header, {"numbers": numbers})
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self.path)
        finally:
            beside.unlink(missing_ok=True)
        self._saved_at, self._news = time.monotonic(), False

    def _load(self):
        where, path = f"{self.where}: checkpoint", self.path
        header, arrays = stored_files.read(where, path)
        stored_files.expect(where, path, "kind", header.get("kind"), _KIND)
        found, mine = header.get("identity"), json.loads(json.dumps(self.identity))
        if found != mine:
            names = [name for name in mine if not isinstance(found, dict) or found.get(name) != mine[name]]
            name = names[0] if names else "identity"
            value = found.get(name) if isinstance(found, dict) else found
            fix = "It belongs to another run: pass another path, or delete the file to begin anew."
            expected = f"{checks.describe(mine.get(name))}, as in this call"
            checks.fail(self.where, f"{name} of checkpoint {path.name}", value, expected, fix)
        try:
            done, now, size = unpack(header.get("content"), arrays.get("numbers", np.zeros(0)))
            self.done = list(done)
            self.size = None if size is None else (int(size[0]), int(size[1]))
            if now is not None:
                levels, chunks, rows = now
                self.now = [(int(level), kept) for level, kept in levels], int(chunks), int(rows)
        except Exception as reason:
            stored_files.broken(where, path, f"its content is wrong: {reason}")


def fingerprint(chunks: Any) -> dict[str, Any]:
    """What tells one source from another: sizes, the first chunk and, where reading it costs little, the last one."""
    sizes = chunks.sizes()
    if sizes is not None and len(sizes) > 1000:
        sizes = [len(sizes), digest([np.array(sizes, dtype=object)])]
    first, last = chunks.peek()
    return {"rows a chunk": chunks.size, "sizes of the source": sizes, "first chunk": first, "last chunk": last}


def _checked_path(where, path):
    if path is None:
        return None
    if not isinstance(path, (str, PathLike)) or not str(fspath(path)):
        checks.fail(where, "checkpoint", path, "a path", 'Pass e.g. checkpoint="run.npz".', TypeError)
    path = Path(os.fsdecode(path))
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        expected = "the path of a file in a folder that exists and can be written to"
        checks.fail(where, "checkpoint", str(path), expected, "Make the folder, or pass another.")
    return path
