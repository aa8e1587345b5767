"""What the benchmarks share: pairs with their exact KL divergence, errors, timing, tables."""

from __future__ import annotations

import importlib.util
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import mpmath as mp
import numpy as np

ROOT = Path(__file__).parents[1]
#: Not the seed of the table in tests/data.
SEED = 2024
TINY = mp.mpf(float(np.finfo(float).tiny))


def _load(path):
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


#: The random pairs and the arithmetic of more than a hundred digits are those of the tests' table.
references = _load(ROOT / "tests" / "make_kl_references.py")


def on_grid(p):
    """The probabilities `p` moved to multiples of 2^-53 that sum to one exactly.

    Of vectors whose sums are off by a rounding there are several divergences: the sum of p log(p/q) as it stands, the
    sum of p log(p/q) − p + q, and that of the vectors divided by their sums. Libraries differ in which they compute. Of
    these vectors all are the same number.
    """
    cells = np.maximum(np.rint(np.asarray(p) * 2.0**53), 1.0)
    largest = np.argmax(cells)
    cells[largest] = 2.0**53 - np.delete(cells, largest).sum()
    return (cells * 2.0**-53).tolist()


def _on_grid(row):
    return row._replace(
        draw=lambda rng, extreme: [on_grid(*row.draw(rng, extreme))],
        move=lambda rng, arguments: [on_grid(*row.move(rng, arguments))],
    )


ROWS = references.ROWS | {"Categorical": _on_grid(references.ROWS["Categorical"])}


# --- errors ---------------------------------------------------------------------------------------------------------
def relative_errors(values, exact):
    """|value − exact| / exact of floats and decimal strings, shape (N,); `inf` for NaN and infinite values.

    Below the smallest normal double any value from zero to it is right: doubles have fewer digits there, then none.
    """
    errors = np.empty(len(exact))
    for i, (value, text) in enumerate(zip(values, exact)):
        reference = mp.mpf(text)
        if not np.isfinite(value):
            errors[i] = np.inf
        elif reference < TINY:
            errors[i] = 0.0 if 0 <= value <= TINY else np.inf
        else:
            errors[i] = abs(mp.mpf(float(value)) - reference) / reference
    return errors


def few_digits(number, digits=3):
    """Rounded to some significant digits, None where there is none: the stored file stays small and valid JSON."""
    return None if number is None or not np.isfinite(number) else float(f"{number:.{digits}g}")


def answers(libraries):
    """One row for each call: `library`, its `version`, the `call`, and the `value` that it returned. `libraries` maps
    the name of each to a function that yields calls and values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            {"library": library, "version": version(library), "call": call, "value": few_digits(float(value), 6)}
            for library, calls in libraries.items()
            for call, value in calls()
        ]


# --- time ----------------------------------------------------------------------------------------------------------
def interleaved(calls, repeats=7, budget=20.0):
    """CPU seconds of each function in `calls` (name -> function): name -> list. One after the other in turn, so that a
    slow moment of the machine meets all of them; CPU time, so that other programs do not count. A function is called
    again only while its total stays below `budget`."""
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            if seconds[name] and sum(seconds[name]) + min(seconds[name]) > budget:
                continue
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return seconds


def a_loop(call, seconds=0.005):
    """`call` repeated until it takes some milliseconds, and how often that is."""
    start, count = time.process_time(), 0
    while count < 3 or time.process_time() - start < seconds:
        call()
        count += 1

    def loop():
        for _ in range(count):
            call()

    return loop, count


# --- tables -----------------------------------------------------------------------------------------------------------
def print_table(title, rows, columns=None):
    """Rows (dictionaries) under a title, aligned; numbers as they will be stored."""
    columns = columns or list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_shown(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(columns))]
    print(f"\n{title}")
    for line in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths))
        print("  ".join(["", first.strip().ljust(widths[0]), *others]))


def _shown(value):
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
