"""Checkpoints of `companion.scale`: written seldom, whole at any time, and of one source."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from companion import scale
from companion.families import Gamma, Mixture, Normal, Poisson
from companion.scaling import checkpoints, packing
from companion.scaling.pieces import Place
from companion.scaling.reduction import Kept
from companion.scaling.sources import digest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::UserWarning")

START = Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0))
DRAWS = Mixture([0.3, 0.7], Normal([-1.5, 1.0], 1.0)).sample(600, 0)  # which EM climbs slowly
STEPS = 40


@pytest.fixture
def saved(monkeypatch):
    """Counts how often a checkpoint is written, of a run that takes less than the time between two savings."""
    monkeypatch.setattr(checkpoints, "EVERY", 1e9)
    count, save = [], checkpoints.Run._save
    monkeypatch.setattr(checkpoints.Run, "_save", lambda self, state: (count.append(state), save(self, state)))
    return count


def em(source, path=None):
    return scale.em(START, source, steps=STEPS, tolerance=1e-300, checkpoint=path)


@cache
def uninterrupted():
    return em(np.split(DRAWS, 6))


def same(one, two):
    return np.array_equal(one.log_likelihoods, two.log_likelihoods) and repr(one.mixture) == repr(two.mixture)


def interrupted(limit, error=KeyboardInterrupt):
    """A source that yields so many chunks in all."""
    count = [0]

    def each():
        for part in np.split(DRAWS, 6):
            count[0] += 1
            if count[0] == limit:
                raise error("no")
            yield part

    return each, count


# --- seldom -----------------------------------------------------------------------------------------------------------
def test_many_quick_steps_are_written_seldom(saved, tmp_path):
    found = em(np.split(DRAWS, 6), tmp_path / "run.npz")
    assert len(found.log_likelihoods) == STEPS + 1  # passes
    assert saved == [None] and same(found, uninterrupted())
    again = em(np.split(DRAWS, 6), tmp_path / "run.npz")
    assert same(again, found) and len(saved) == 1  # nothing new, nothing written


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, SystemExit])
@pytest.mark.parametrize("limit", [2, 8, 200, 202, 205])  # of six chunks a pass: in the middle, and at a boundary
def test_an_interrupted_em_goes_on_to_the_same_bits(error, limit, saved, tmp_path):
    source, count = interrupted(limit, error)
    with pytest.raises(ValueError if error is OSError else error):
        em(source, tmp_path / "run.npz")
    assert len(saved) <= 1
    found = em(source, tmp_path / "run.npz")
    assert same(found, uninterrupted())
    assert count[0] <= 6 * (STEPS + 1) + 2 + 6  # the first chunk of each run, and the pass that was interrupted


def test_progress_that_raises_loses_nothing(tmp_path):
    seen = []

    def stop(now):
        seen.append(now)
        if len(seen) == 100:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        scale.em(START, DRAWS, steps=STEPS, tolerance=1e-300, rows=100, checkpoint=tmp_path / "run.npz", progress=stop)
    found = scale.em(
        START, DRAWS, steps=STEPS, tolerance=1e-300, rows=100, checkpoint=tmp_path / "run.npz", progress=seen.append
    )
    assert len(seen) == 6 * (STEPS + 1) and same(found, uninterrupted())


KILLED = """
import signal, sys, time; sys.path.insert(0, {tests!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background may ignore it
import test_scale_checkpoints as t
t.checkpoints.EVERY = {every}
def source():
    for part in t.np.split(t.DRAWS, 6):
        time.sleep(0.015)  # some seconds in all, so that a busy machine sees the file before the end
        yield part
t.em(source, {path!r})
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_em_goes_on_to_the_same_bits(sent, tmp_path):
    path = tmp_path / "run.npz"
    code = KILLED.format(tests=str(ROOT / "tests"), path=str(path), every=0.1)
    run = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not path.exists():
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    run.send_signal(sent)
    assert run.wait(60)
    seen = []
    source = lambda: iter(np.split(DRAWS, 6))
    found = scale.em(START, source, steps=STEPS, tolerance=1e-300, checkpoint=path, progress=seen.append)
    assert same(found, uninterrupted()) and 0 < len(seen) < 6 * (STEPS + 1)
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".part"] == ["run.npz"]


def test_two_runs_with_one_path_leave_a_whole_file(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    path, found = tmp_path / "run.npz", []
    run = lambda: found.append(scale.statistics(Gamma, np.arange(1.0, 200.0), rows=2, checkpoint=path))
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run()
    assert len(found) == 5 and len(set(found)) == 1 and len(list(tmp_path.iterdir())) == 1


# --- of one source ----------------------------------------------------------------------------------------------------
def test_a_source_that_differs_at_its_end_is_another(tmp_path):
    x = np.random.default_rng(0).gamma(2.0, size=5000)
    other = x.copy()
    other[-1] += 1.0
    np.save(tmp_path / "a.npy", x)
    np.save(tmp_path / "b.npy", other)
    for name, values in (("a", x), ("b", other)):
        np.savetxt(tmp_path / f"{name}.csv", values, header="x", comments="")
    da = pytest.importorskip("dask.array")
    pairs = [
        (x, other),
        (np.split(x, 10), np.split(other, 10)),
        (tmp_path / "a.npy", tmp_path / "b.npy"),
        (tmp_path / "a.csv", tmp_path / "b.csv"),
        (da.from_array(x, chunks=1000), da.from_array(other, chunks=1000)),
    ]
    for i, (one, two) in enumerate(pairs):
        path = tmp_path / f"{i}.npz"
        rows = {} if i == 4 else {"rows": 1000}
        found = scale.statistics(Gamma, one, checkpoint=path, **rows)
        assert scale.statistics(Gamma, one, checkpoint=path, **rows) == found
        with pytest.raises(ValueError, match=r"last chunk of checkpoint|sizes of the source of checkpoint"):
            scale.statistics(Gamma, two, checkpoint=path, **rows)


def test_the_last_of_many_functions_is_not_called_for_it(tmp_path):
    calls = []

    def part(i):
        calls.append(i)
        return np.arange(1.0, 5.0) + i

    parts = [partial(part, i) for i in range(5)]
    scale.statistics(Gamma, parts, checkpoint=tmp_path / "run.npz")
    assert calls == [0, 0, 1, 2, 3, 4]
    calls.clear()
    scale.statistics(Gamma, iter(parts), checkpoint=tmp_path / "other.npz")
    assert calls == [0, 1, 2, 3, 4]


def test_a_source_that_changes_between_passes():
    x = np.arange(40.0)
    rest = iter(np.split(x, 4))
    said = "in pass 2 = 0 chunks of 0 rows in all; expected 4 chunks of 40 rows in all, as in the first"
    with pytest.raises(ValueError, match=rf"scale\.em: source {said}"):
        scale.em(START, lambda: rest)
    pairs = iter([(x, x)] * 4)
    with pytest.raises(ValueError, match=r"scale\.regression: X in pass 2 = 0 chunks"):
        scale.regression(Poisson, lambda: pairs)
    sizes = iter(range(10, 60))
    with pytest.raises(ValueError, match=r"in pass 2 = 1 chunk of 11 rows in all; expected 1 chunk of 10"):
        scale.em(START, lambda: [DRAWS[: next(sizes)]])


def test_a_stream_that_fails_at_once(tmp_path):
    def broken():
        raise OSError("disk on fire")
        yield

    with pytest.raises(ValueError, match=r"scale.statistics: chunk 0 = not read \(OSError: disk on fire\)"):
        scale.statistics(Normal, broken(), checkpoint=tmp_path / "run.npz")
    with pytest.raises(ValueError, match=r"scale.statistics: chunk 0 = not read \(KeyError: 'z'\)"):
        scale.statistics(Normal, iter([lambda: {}["z"]]), checkpoint=tmp_path / "run.npz")


def test_a_chunk_may_tell_nothing_of_a_component():
    near, far = np.r_[DRAWS[:50], 100 + DRAWS[50:100]], DRAWS[100:200]
    start = Mixture([0.5, 0.5], Normal([0.0, 100.0], 1.0))
    whole = scale.em(start, np.r_[near, far], steps=3, tolerance=1e-300)
    for chunks in ([near, far], [far, near]):
        found = scale.em(start, chunks, steps=3, tolerance=1e-300)
        np.testing.assert_allclose(found.log_likelihoods, whole.log_likelihoods, rtol=1e-12)
        np.testing.assert_allclose(found.mixture.components.mean(), whole.mixture.components.mean(), rtol=1e-12)


def test_what_is_kept_comes_back():
    kept = Kept(Place(3, "rows.csv", 20, 29), (2,), ("a", "b"), 9, Normal.statistics([1.0, 2.0]))
    assert packing.unpack(*packing.pack(kept)) == kept


@pytest.mark.parametrize("last", [False, True])
def test_a_digest_is_of_65536_rows_at_one_end(last):
    rows = np.zeros(2 * 2**16)
    inside, outside = (2**16, 2**16 - 1) if last else (2**16 - 1, 2**16)
    before = digest([rows], last)
    rows[outside] = 1.0
    assert digest([rows], last) == before
    rows[inside] = 1.0
    assert digest([rows], last) != before
