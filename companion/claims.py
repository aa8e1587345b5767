"""Checks that a chapter makes in front of its reader: each prints both sides and stops the run if it fails.

A cell that calls one of these is a *claim cell*: the ledger names it, and the notebook's test fails when the claim
stops being true.
"""

from __future__ import annotations

import numpy as np


def equal(label, left, right, rtol=1e-10, atol=0.0, digits=6):
    """Assert that `left` and `right` agree to `rtol` (relative) or `atol` (absolute) and print both.

    >>> equal("2 log 2 and log 4", 2 * np.log(2), np.log(4))
    ✓ 2 log 2 and log 4: 1.38629 = 1.38629
    >>> equal("doubling", [2.0, 4.0], 2 * np.arange(1, 3))
    ✓ doubling: 2 values agree to 1e-10
    >>> equal("a sample mean and its expectation", 0.52, 0.5, rtol=0, atol=0.05)
    ✓ a sample mean and its expectation: 0.52 ≈ 0.5 (atol = 0.05)
    >>> equal("a false claim", 1.0, 1.1)
    Traceback (most recent call last):
    ...
    AssertionError: a false claim: 1.0 and 1.1 differ by more than rtol = 1e-10
    """
    left, right = np.broadcast_arrays(np.asarray(left, dtype=float), np.asarray(right, dtype=float))
    tolerance = ", ".join(f"{name} = {value:g}" for name, value in (("rtol", rtol), ("atol", atol)) if value)
    if not np.allclose(left, right, rtol=rtol, atol=atol):
        worst = np.unravel_index(np.nanargmax(np.abs(left - right)), left.shape)
        raise AssertionError(f"{label}: {left[worst]} and {right[worst]} differ by more than {tolerance}")
    if left.size == 1:
        one, two = (f"{float(side.reshape(-1)[0]):.{digits}g}" for side in (left, right))
        print(f"✓ {label}: {one} = {two}" if one == two else f"✓ {label}: {one} ≈ {two} ({tolerance})")
    else:
        print(f"✓ {label}: {left.size:,} values agree to {atol if atol else rtol:g}")


def below(label, left, right, digits=6):
    """Assert that every `left` is at most `right` and print the tightest pair.

    >>> below("log t ≤ t − 1", np.log([0.5, 2.0]), [-0.5, 1.0])
    ✓ log t ≤ t − 1: 2 times, closest -0.693147 ≤ -0.5
    """
    left, right = np.broadcast_arrays(np.asarray(left, dtype=float), np.asarray(right, dtype=float))
    if not np.all(left <= right):
        worst = np.unravel_index(np.nanargmax(left - right), left.shape)
        raise AssertionError(f"{label}: {left[worst]} is not at most {right[worst]}")
    tightest = np.unravel_index(np.argmin(right - left), left.shape)
    pair = f"{left[tightest]:.{digits}g} ≤ {right[tightest]:.{digits}g}"
    print(f"✓ {label}: {pair}" if left.size == 1 else f"✓ {label}: {left.size:,} times, closest {pair}")


def true(label, condition):
    """Assert a condition and print its label.

    >>> true("three is odd", 3 % 2 == 1)
    ✓ three is odd
    """
    if not np.all(condition):
        raise AssertionError(f"{label}: does not hold")
    print(f"✓ {label}")
