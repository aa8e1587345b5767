"""What a pass over many rows costs: against the clock to beat, against n, in memory, and on a small cluster.

    python -m benchmarks.scale

measures for some minutes and stores what the chapter `scale` shows, `companion/lesson/data/scale.json`.
"""

from __future__ import annotations

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
from companion.families import Gamma, MultivariateNormal, Normal

STORED = Path(__file__).parents[1] / "companion" / "lesson" / "data" / "scale.json"
SEED = 2024
#: Rows of the largest sample in memory (800 MB), and bytes of the file.
ROWS, FILE = 100_000_000, 4_000_000_000
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


def one_pass(x):
    """CPU seconds of the statistics of a family, and of the pass that it is held against."""
    wide, rows = x.reshape(-1, 10), []
    for family, data, limit, call in (
        (Normal, x, "x.sum()", x.sum),
        (Gamma, x, "x.sum()", x.sum),
        (MultivariateNormal, wide, "x.T @ x", lambda: wide.T @ wide),
    ):
        time_of = in_turn({"ours": lambda: scale.statistics(family, data), "limit": call})
        rows.append(
            {
                "family": family.__name__,
                "n": len(data),
                "d": 1 if data.ndim == 1 else data.shape[1],
                "seconds": time_of["ours"],
                "limit": limit,
                "limit_seconds": time_of["limit"],
                "ratio": float(f"{time_of['ours'] / time_of['limit']:.3g}"),
            }
        )
    return rows


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
            data = da.random.default_rng(SEED).gamma(2.5, 1.25, size=n, chunks=max(n // 10, 50_000)).persist()
            wait(data)
            found = in_turn({"fit": lambda: scale.fit(Gamma, data)}, 5, time.perf_counter)
            rows.append({"way": "two Dask workers", "family": "Gamma", "n": n, "seconds": found["fit"]})
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


def run():
    """All measurements, as they are stored."""
    x = np.random.default_rng(SEED).gamma(2.5, 1.25, ROWS)
    found = {
        "made": {
            "date": date.today().isoformat(),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "dask", "distributed")},
        },
        "one_pass": one_pass(x[:20_000_000]),
    }
    with tempfile.TemporaryDirectory() as folder:
        found["cost"], each = cost(x, folder)
        path = os.path.join(folder, "rows.npy")
        file_of(x, path)
        found["memory"] = [memory(path)]
        found["tasks"] = {
            "statistics_bytes": len(pickle.dumps(Gamma.statistics(x[:1000]))),
            "seconds_per_task": float(f"{each:.2g}"),
            "read_bytes_per_second": reading(path),
        }
    return found


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    text = json.dumps(run(), indent=1)
    STORED.write_text(text + "\n", encoding="utf-8")
    print(text)
