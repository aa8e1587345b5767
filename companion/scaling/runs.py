"""How a public function of `companion.scale` comes to its passes: over chunks here, or on Dask."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from companion import checks
from companion.scaling import on_dask
from companion.scaling.checkpoints import Run
from companion.scaling.reduction import Progress
from companion.scaling.sources import Chunks

#: Seconds between two lines of a long run.
EVERY = 5.0


def passes(where, source, others, columns, rows, threads, progress, checkpoint, numbers, identity, pairs=False) -> Run:
    """What runs passes over the source."""
    threads = checks.positive_integer(where, "threads", threads, "Pass e.g. threads=2.")
    watch = _watch(where, progress)
    if on_dask.is_collection(source):
        for name, value, usual in (("rows", rows, None), ("threads", threads, 1)):
            if value != usual:
                fix = "The partitions are the chunks and the scheduler has the threads: leave it out."
                checks.fail(where, name, value, f"{usual} with a Dask collection", fix)
        if pairs:
            checks.fail(where, "y", None, "the observations of X", "Pass a Dask collection.", TypeError)
        return on_dask.DaskRun(where, source, others, columns, watch, checkpoint, identity)
    found = Chunks(where, source, others, columns, rows, numbers, pairs)
    return Run(where, found, threads, watch, checkpoint, identity)


def _watch(where: str, progress: Any) -> Callable[[Progress], None] | None:
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Printer(where)
    if isinstance(progress, type) or not callable(progress):
        fix = "Pass progress=True, or a function of a Progress."
        checks.fail(where, "progress", progress, "True, False or a function", fix, TypeError)
    return progress


class _Printer:
    """A line to stderr every five seconds of a long run, and nothing in a short one."""

    def __init__(self, where: str):
        self.where, self.next = where, time.monotonic() + EVERY

    def __call__(self, now: Progress) -> None:
        if time.monotonic() < self.next:
            return
        share = f" of {now.of_rows:,}" if now.of_rows else ""
        step = f"step {now.step}, " if now.step else ""
        print(f"{self.where}: {step}{now.chunks:,} chunks, {now.rows:,}{share} rows", file=sys.stderr, flush=True)
        self.next = time.monotonic() + EVERY
