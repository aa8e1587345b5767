"""What a pass over many rows costs: against the clock to beat, against n, in memory, and on a small cluster.

    python -m benchmarks.scale [--only one_pass threads ...]

measures for some minutes and stores what the chapter `scale` shows, `companion/lesson/data/scale.json`; with `--only`,
the other parts stay. Run it on a machine that does nothing else, and then refresh the chapter's outputs.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np

from companion import scale
from companion.families import Beta, Gamma, MultivariateNormal, Normal, VonMises

STORED = Path(__file__).parents[1] / "companion" / "lesson" / "data" / "scale.json"
SEED = 2024
#: Rows of the largest sample in memory (800 MB), and bytes of the file.
ROWS, FILE = 100_000_000, 4_000_000_000
PARTS = ("one_pass", "threads", "instead", "cost", "memory")
MEMORY = """
import re, sys, time
from pathlib import Path
from companion import scale
from companion.families import Gamma
peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before, begun = peak(), time.perf_counter()
scale.fit(Gamma, sys.argv[1])
print(peak() - before, time.perf_counter() - begun)
"""


def in_turn(calls, repeats=7, clock=time.process_time):
    """The least of some times of each call, taken in turn: what the machine can do when nothing else asks for it."""
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return {name: float(f"{min(times):.4g}") for name, times in seconds.items()}


def transcendental(x, *functions):
    """The calls of these functions alone, over parts that stay in the cache."""
    out = np.empty(2**16)

    def call():
        for start in range(0, len(x), len(out)):
            for function in functions:
                part = x[start : start + len(out)]
                function(part, out=out[: len(part)])

    return call


def one_pass(x, repeats=15):
    """CPU seconds of the statistics of a family, and of the pass that it is held against."""
    wide, part, rows = x.reshape(-1, 10), x / (1 + x), []
    for family, data, limit, call in (
        (Normal, x, "x.sum()", x.sum),
        (Gamma, x, "x.sum()", x.sum),
        (MultivariateNormal, wide, "x.T @ x", lambda: wide.T @ wide),
        (VonMises, part, "sin and cos", transcendental(part, np.sin, np.cos)),
        (Beta, part, "log and log1p", transcendental(part, np.log, np.log1p)),
    ):
        time_of = in_turn({"ours": lambda: scale.statistics(family, data), "limit": call}, repeats)
        rows.append(
            {
                "family": family.__name__,
                "n": len(data),
                "d": 1 if data.ndim == 1 else data.shape[1],
                "seconds": time_of["ours"],
                "limit": limit,
                "limit_seconds": time_of["limit"],
                "ratio": few(time_of["ours"] / time_of["limit"]),
            }
        )
    return rows


def threads(x, repeats=9):
    """Seconds of the clock on one thread and on two."""
    rows = []
    for family in (Normal, Gamma, VonMises):
        data = x if family is not VonMises else x / (1 + x)
        found = in_turn(
            {k: lambda k=k: scale.statistics(family, data, threads=k) for k in (1, 2)}, repeats, time.perf_counter
        )
        row = {"family": family.__name__, "n": len(data), "one": found[1], "two": found[2]}
        rows.append(row | {"speedup": few(found[1] / found[2])})
    return rows


def instead(x, repeats=5):
    """Seconds of the clock of what one would do without this package, in the same partitions; scikit-learn's ways are
    timed where it is installed."""
    import dask
    import dask.array as da

    parts = np.array_split(x, 16)
    data = da.from_array(x, chunks=len(parts[0]))
    calls = {
        "normal fit": lambda: scale.fit(Normal, parts),
        "gamma fit": lambda: scale.fit(Gamma, parts),
        "map and reduce (n, mean, squares)": lambda: functools.reduce(joined, map(moments, parts)),
        "normal fit on Dask": lambda: scale.fit(Normal, data),
        "mean and variance by dask.array": lambda: dask.compute(data.mean(), data.var()),
        "gamma fit on Dask": lambda: scale.fit(Gamma, data),
        "mean and mean logarithm by dask.array": lambda: dask.compute(data.mean(), da.log(data).mean()),
    }
    if importlib.util.find_spec("sklearn"):
        from sklearn.preprocessing import StandardScaler

        def partial_fit():
            scaler = StandardScaler()
            for part in parts:
                scaler.partial_fit(part[:, None])

        calls["StandardScaler.partial_fit"] = partial_fit
    found = in_turn(calls, repeats, time.perf_counter)
    return [{"what": what, "n": len(x), "seconds": seconds} for what, seconds in found.items()]


def moments(part):
    """What an aggregation in the manner of Spark keeps of a partition: n, mean and squares about it."""
    mean = part.mean()
    return len(part), mean, np.square(part - mean).sum()


def joined(one, other):
    """The same of two partitions together."""
    (n, mean, squares), (m, other_mean, other_squares) = one, other
    gap = other_mean - mean
    return n + m, mean + gap * m / (n + m), squares + other_squares + gap**2 * n * m / (n + m)


def few(number, digits=3):
    """Rounded to some significant digits."""
    return float(f"{number:.{digits}g}")


def cost(x, folder):
    """Seconds of the clock of one gamma fit against the number of rows."""
    import dask.array as da
    from distributed import Client, LocalCluster, wait

    rows, sizes = [], [int(10 ** (k / 2)) for k in range(10, 17)]
    path = Path(folder, "rows.npy")
    for n in sizes:
        np.save(path, x[:n])
        ways = {
            "one core": lambda: scale.fit(Gamma, x[:n]),
            "two threads": lambda: scale.fit(Gamma, x[:n], threads=2),
            "one core, from a file": lambda: scale.fit(Gamma, path),
        }
        found = in_turn(ways, 5, time.perf_counter)
        rows += [{"way": way, "family": "Gamma", "n": n, "seconds": seconds} for way, seconds in found.items()]
    path.unlink()
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        for n in sizes:
            seconds = []
            for seed in range(4):  # other rows every time: the scheduler may still know what it has computed once
                rng = da.random.default_rng([SEED, seed])
                data = rng.gamma(2.5, 1.25, size=n, chunks=max(n // 10, 50_000)).persist()
                wait(data)
                seconds.append(in_turn({"fit": lambda data=data: scale.fit(Gamma, data)}, 1, time.perf_counter)["fit"])
                del data
            rows.append({"way": "two Dask workers", "family": "Gamma", "n": n, "seconds": min(seconds[1:])})
        tasks = range(2000)
        each = in_turn({"tasks": lambda: client.gather(client.map(abs, tasks, pure=False))}, 5, time.perf_counter)
    return rows, each["tasks"] / len(tasks)


def file_of(x, path):
    """A file of `FILE` bytes, the sample again and again."""
    with open(path, "wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (FILE // 8,)}
        np.lib.format.write_array_header_1_0(file, header)
        left = FILE // 8
        while left:
            part = x[: min(left, 10_000_000)]
            part.tofile(file)
            left -= len(part)
        file.flush()
        os.fsync(file.fileno())


def forget(path):
    """Ask the system to drop what it holds of a file, so that the next pass reads the disk."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory(path):
    """Peak memory above import, and seconds, of a gamma fit to the file, read from the disk."""
    forget(path)
    done = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True)
    peak, seconds = map(float, done.stdout.split())
    return {"file_bytes": FILE, "peak_bytes": int(peak), "seconds": float(f"{seconds:.3g}"), "family": "Gamma"}


def reading(path):
    """Bytes a second at which the disk gives the file."""
    forget(path)
    start = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.read(2**24):
            pass
    return float(f"{FILE / (time.perf_counter() - start):.3g}")


def run(only):
    """The measurements asked for, as they are stored."""
    x = np.random.default_rng(SEED).gamma(2.5, 1.25, ROWS if {"cost", "memory"} & set(only) else 20_000_000)
    found = {
        "made": {
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "load": round(os.getloadavg()[0], 1),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "dask", "distributed")},
        }
    }
    few_rows = x[:20_000_000]
    for name, part in (("one_pass", one_pass), ("threads", threads), ("instead", instead)):
        if name in only:
            found[name] = part(few_rows)
    with tempfile.TemporaryDirectory() as folder:
        if "cost" in only:
            found["cost"], each = cost(x, folder)
            found["tasks"] = {
                "statistics_bytes": len(pickle.dumps(Gamma.statistics(x[:1000]))),
                "seconds_per_task": few(each, 2),
            }
        if "memory" in only:
            path = os.path.join(folder, "rows.npy")
            file_of(x, path)
            found["memory"] = [memory(path)]
            found.setdefault("tasks", {})["read_bytes_per_second"] = reading(path)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    found = run(parser.parse_args().only)
    tasks = stored.get("tasks", {}) | found.pop("tasks", {})
    stored = stored | found | {"tasks": tasks}
    text = json.dumps(stored, indent=1)
    STORED.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
