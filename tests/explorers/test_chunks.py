"""Rows in chunks on workers: digits of sums in single precision, the time of a pass, the rows in memory."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from companion.families import Normal
from companion.numerics import exact_moments
from explorers.every import *

NAME = "chunks"
SPOKEN = ()
SHOWN = {"mean": 1, "raw": 1, "shifted": 1, "speedup": 2, "memory": 0, "height": 0}
DRAGS = [(0, "r")]
STATES = [
    {"c": c, "w": w, "r": r}
    for c, w, r in (
        (0, 1, 0.0),
        (4, 4, 1.0),
        (8, 8, 4.0),
        (3, 5, 2.35),
        (6, 3, 3.15),
        (1, 7, 1.6),
        (5, 2, 0.45),
        (2, 4, 3.7),
    )
]
N, TASK, SINGLE = 4096, 20, np.float32


@functools.cache
def rows(r):
    """The rows in single precision: sums of four numbers of a linear congruential generator, about a mean."""
    seed, away = 1, []
    for _ in range(N):
        total = -2.0
        for _ in range(4):
            seed = (seed * 1664525 + 1013904223) % 2**32
            total += seed / 2**32
        away.append(total * math.sqrt(3))
    return (float(f"{10 ** round(r, 2):.2e}") + np.array(away)).astype(SINGLE)


def total(terms, chunks):
    """Each chunk from left to right, the totals by neighbours; all in single precision."""
    totals = [np.add.accumulate(part, dtype=SINGLE)[-1] for part in np.split(terms, chunks)]
    while len(totals) > 1:
        totals = [SINGLE(a + b) for a, b in zip(totals[::2], totals[1::2])]
    return totals[0]


def two_variances(x, chunks):
    """Mean, and the variance by raw sums and by sums about the first row."""
    n = SINGLE(N)
    m, away = total(x, chunks) / n, x - x[0]
    s = total(away, chunks) / n
    return m, total(x * x, chunks) / n - m * m, total(away * away, chunks) / n - s * s


def digits(value, exact):
    error = abs(Fraction(float(value)) - exact) / exact
    return max(0.0, min(24 * math.log10(2), -math.log10(max(float(error), 1e-16))))


def time_of(chunks, workers):
    """The rounds of the map, then those of each level of the tree."""
    time = -(-chunks // workers) * (N // chunks + TASK)
    while chunks > 1:
        time += -(-(chunks // 2) // workers) * TASK
        chunks //= 2
    return time


def numbers(c, w, r):
    x, chunks = rows(r), 2**c
    m, raw, shifted = two_variances(x, chunks)
    mean, sd = exact_moments(x.astype(float))
    variance = Fraction(sd) ** 2
    whole = sum(Normal.statistics(part.astype(float)) for part in np.split(x, chunks))
    return {
        "mean": digits(m, mean),
        "raw": digits(raw, variance),
        "shifted": digits(shifted, variance),
        "variance": float(Normal.fit(whole).variance()),
        "rawVariance": float(raw),
        "time": time_of(chunks, w),
        "speedup": (N + TASK) / time_of(chunks, w),
        "memory": min(w, chunks) * N // chunks,
        "height": N // chunks - 1 + c,
    }


def by_hand(c, w, r):
    x = [Fraction(float(v)) for v in rows(r)]
    mean = sum(x) / N
    variance = sum((v - mean) ** 2 for v in x) / N
    m, raw, shifted = two_variances(rows(r), 2**c)
    found = {"mean": digits(m, mean), "raw": digits(raw, variance), "shifted": digits(shifted, variance)}
    # the pass, step by step: whoever is free takes the next task of the level
    free, level, ends = [0] * w, 2**c, 0
    long = N // level + TASK
    while True:
        for j in range(level):
            free[j % w] += long
        ends = max(free)
        free, long = [ends] * w, TASK
        if level == 1:
            break
        level //= 2
    return found | {"time": ends, "variance": float(variance)}


def test_one_chunk_has_the_longest_way_and_the_whole_table_in_memory():
    one = model(NAME, {"c": 0, "w": 8, "r": 1})
    assert (one["speedup"], one["memory"], one["height"]) == (1, N, N - 1)


def test_raw_sums_lose_two_digits_for_every_factor_of_ten_and_shifted_sums_do_not():
    for c in range(9):
        found = [model(NAME, {"c": c, "w": 1, "r": r / 4}) for r in range(17)]
        ratio = 10 ** np.array([r / 4 for r in range(17)])
        lost = np.array([abs(f["rawVariance"] / f["variance"] - 1) for f in found])
        height = np.array([f["height"] for f in found])
        # each addition, square and division rounds by at most u: the bound of a sum of sums
        assert np.all(lost <= 2 * (height + 4) * 2.0**-24 * (1 + ratio**2) * 1.3)
        assert min(f["shifted"] for f in found) > 4.5 and found[-1]["raw"] < 0.5 < 4.5 < found[0]["raw"]


def test_chunks_shorten_the_way_and_the_mean_keeps_more_digits():
    means = [np.mean([model(NAME, {"c": c, "w": 1, "r": r / 5})["mean"] for r in range(21)]) for c in (0, 4, 6)]
    assert means[0] + 0.5 < means[1] < means[2] + 0.3


def test_buttons_find_what_they_say():
    for workers in range(1, 9):
        state, note = act(NAME, "best", {**start(NAME), "w": workers})
        times = [time_of(2**c, workers) for c in range(9)]
        assert times[state["c"]] == min(times) and note.startswith("Of nine")
    for c in (0, 4, 8):
        state, note = act(NAME, "negative", {"c": c, "w": 4, "r": 1})
        found = [model(NAME, {"c": c, "w": 4, "r": k / 20})["rawVariance"] < 0 for k in range(81)]
        assert any(found[:80]) == note.startswith("The least mean")
        if any(found[:80]):
            assert round(20 * state["r"]) == found.index(True)
