"""Run the benchmarks and store what they found for the chapter on numerics.

    python -m benchmarks [--only accuracy fits ...]

Prints each part as a table and writes companion/lesson/data/peers.json; with `--only`, its other parts stay.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import time
from functools import partial
from importlib.metadata import version

from benchmarks.common import ROOT, SEED, print_table

TARGET = ROOT / "companion" / "lesson" / "data" / "peers.json"
PARTS = (
    *("accuracy", "distance", "pairs", "reductions", "conventions", "zeros", "losses", "single"),
    *("fits", "one_pass", "neighbours", "calls", "vae"),
)
PACKAGES = (
    "likelihood-divergence-companion",
    "numpy",
    "scipy",
    "torch",
    "jax",
    "numpyro",
    "tensorflow-probability",
    "mpmath",
)


def environment():
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "backend": {"tensorflow-probability": "NumPy", "numpyro": "JAX"},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seed": SEED,
    }


def as_text(stored):
    """JSON with one row a line."""
    parts = []
    for name, content in stored.items():
        brackets = "[]" if isinstance(content, list) else "{}"
        entries = (
            content if isinstance(content, list) else [f"{json.dumps(k)}: {compact(v)}" for k, v in content.items()]
        )
        lines = ",\n".join("  " + (entry if isinstance(entry, str) else compact(entry)) for entry in entries)
        parts.append(f" {json.dumps(name)}: {brackets[0]}\n{lines}\n {brackets[1]}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def compact(value):
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, metavar="part", help=f"some of: {', '.join(PARTS)}"
    )
    options = parser.parse_args()
    stored = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    runs = stored.get("made", {}).get("runs", {})
    for part in options.only:
        module = importlib.import_module(f"benchmarks.{part}")
        start, load = time.perf_counter(), os.getloadavg()[0]
        rows = module.run()
        getattr(module, "show", partial(print_table, part))(rows)
        print(f"  ({part}: {time.perf_counter() - start:.0f} s, load average {load:.1f} before)")
        stored[part] = rows
        runs[part] = {"date": datetime.date.today().isoformat(), "load": round(load, 2)}
        made = {"made": {**environment(), "runs": {name: runs[name] for name in PARTS if name in runs}}}
        stored = made | {name: stored[name] for name in PARTS if name in stored}
        TARGET.write_text(as_text(stored), encoding="utf-8")
    print(f"\n{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
