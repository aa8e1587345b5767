"""Checks that a chapter makes in front of its reader: each prints what it claims and stops the run if that is false.

A cell that calls one of these is a *claim cell*: the ledger names it, and the notebook's test fails when the claim
stops being true. A line states the claim, in digits that hold on every machine: values to no more digits than the
tolerance vouches for, a bound without the residue that lies below it. A claim about nothing is an error: no NaN, no
empty array, no number where a truth value is meant.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from companion import checks

#: Values that agree to this relative tolerance are called equal; looser agreement is shown as ≈ with its tolerance.
EXACT = 1e-9
#: A value this small that is held against a bound is a residue: how small it is depends on the machine.
RESIDUE = 1e-4


def equal(
    label: str, left: ArrayLike, right: ArrayLike, rtol: float = 1e-10, atol: float = 0.0, digits: int = 6
) -> None:
    """Assert that `left` and `right` agree, \\|left − right\\| ≤ atol + rtol \\|right\\|, and print what they agree on.

    "=" stands for agreement to at least nine digits, "≈" for agreement to the tolerance printed with it. Values are
    printed with `digits` significant digits, fewer where the tolerance covers fewer. A relative tolerance is printed as
    "to 1e-10", an absolute one as "±1e-10".

    Raises
    ------
    AssertionError
        If they do not agree.
    ValueError, TypeError
        If a side is empty, has NaN or no real numbers, or the shapes do not broadcast.

    Examples
    --------
    >>> equal("2 log 2 and log 4", 2 * np.log(2), np.log(4))
    ✓ 2 log 2 and log 4: 1.38629 = 1.38629
    >>> equal("doubling", [2.0, 4.0], 2 * np.arange(1, 3))
    ✓ doubling: 2 values agree to 1e-10
    >>> equal("a sample mean and its expectation", 0.5231, 0.5, rtol=0, atol=0.05)
    ✓ a sample mean and its expectation: 0.52 ≈ 0.5 (±0.05)
    >>> equal("a false claim", 1.0, 1.1)
    Traceback (most recent call last):
    ...
    AssertionError: a false claim: 1.0 and 1.1 do not agree to 1e-10
    """
    left, right = _sides("equal", label, left, right)
    rtol, atol, digits = _tolerance("rtol", rtol, 1.0), _tolerance("atol", atol), _digits("equal", digits)
    tolerance = (
        ", ".join(f"{sign}{value:g}" for sign, value in (("to ", rtol), ("±", atol)) if value) or "to the last bit"
    )
    agree = np.isclose(left, right, rtol=rtol, atol=atol)
    if not np.all(agree):
        first = np.unravel_index(np.argmin(agree), agree.shape)
        raise AssertionError(f"{label}: {left[first]} and {right[first]} do not agree {tolerance}")
    if left.size > 1:
        print(f"✓ {label}: {left.size:,} values agree {tolerance}")
        return
    one, two = left.item(), right.item()
    margin = atol + rtol * abs(two)
    if not margin > EXACT * abs(two):  # one number, to all digits that are printed
        print(f"✓ {label}: {two + 0.0:.{digits}g} = {two + 0.0:.{digits}g}")
    else:
        one, two = (f"{_rounded(value, margin):.{digits}g}" for value in (one, two))
        print(f"✓ {label}: {one} ≈ {two} ({tolerance})")


def below(label: str, left: ArrayLike, right: ArrayLike, digits: int = 6) -> None:
    """Assert that every `left` is at most `right` and print the tightest pair.

    Of a residue below a bound only the bound is printed: a side that is a number of at most two digits is taken for the
    bound, and the other one is shown if it is larger than 1e-4.

    Raises
    ------
    AssertionError
        If some left side is larger than its right side.
    ValueError, TypeError
        If a side is empty, has NaN or no real numbers, or the shapes do not broadcast.

    Examples
    --------
    >>> below("log t ≤ t − 1", np.log([0.5, 2.0]), [-0.5, 1.0])
    ✓ log t ≤ t − 1: 2 times, closest -0.693147 ≤ -0.5
    >>> below("slope at the optimum", 8.2e-9, 1e-6)
    ✓ slope at the optimum: ≤ 1e-06
    """
    left, right = _sides("below", label, left, right)
    digits = _digits("below", digits)
    if not np.all(left <= right):
        first = np.unravel_index(np.argmin(left <= right), left.shape)
        raise AssertionError(f"{label}: {left[first]} is not at most {right[first]}")
    room = np.subtract(right, left, out=np.zeros(left.shape), where=left != right)
    tightest = np.unravel_index(np.argmin(room), room.shape)
    low, high = float(left[tightest]), float(right[tightest])
    low_is_residue = _is_round(high) and abs(low) <= RESIDUE
    high_is_residue = not _is_round(high) and _is_round(low) and abs(high) <= RESIDUE
    pair = [
        *([] if low_is_residue else [f"{low:.{digits}g}"]),
        "≤",
        *([] if high_is_residue else [f"{high:.{digits}g}"]),
    ]
    times = "" if left.size == 1 else f"{left.size:,} times" + (", closest " if len(pair) == 3 else " ")
    print(f"✓ {label}: {times}{' '.join(pair)}")


def true(label: str, condition: bool | ArrayLike) -> None:
    """Assert a condition, or all of several, and print its label.

    Raises
    ------
    AssertionError
        If the condition does not hold.
    ValueError, TypeError
        If there is no condition, or it is not a truth value.

    Examples
    --------
    >>> true("three is odd", 3 % 2 == 1)
    ✓ three is odd
    >>> true("a number is no truth value", np.nan)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    TypeError: claims.true: condition = nan; expected True or False, or an array of them. Write the comparison out...
    """
    _check_label("true", label)
    fix = "Write the comparison out, e.g. error < 1e-9."
    try:
        holds = np.asarray(condition)
    except ValueError:
        checks.fail("claims.true", "condition", condition, "truth values in a regular array", fix, TypeError)
    if holds.size == 0:
        checks.fail("claims.true", "condition", condition, "at least one truth value", fix)
    if holds.dtype.kind != "b":
        checks.fail("claims.true", "condition", condition, "True or False, or an array of them", fix, TypeError)
    if not np.all(holds):
        raise AssertionError(f"{label}: does not hold")
    print(f"✓ {label}")


def _check_label(name, label):
    if not isinstance(label, str) or not label.strip():
        checks.fail(
            f"claims.{name}", "label", label, "the claim in words", "Pass what is claimed as a text.", TypeError
        )


def _sides(name, label, left, right):
    """Both sides as float arrays of one shape, without NaN and not empty."""
    _check_label(name, label)
    where, fix = f"claims.{name}", "A claim compares numbers: look at how this side was computed."
    left, right = checks.parameter(where, "left", left, fix), checks.parameter(where, "right", right, fix)
    checks.broadcast(where, left=left.shape, right=right.shape)
    return np.broadcast_arrays(left, right)


def _tolerance(name, value, bound=math.inf):
    fix = "Pass a small number, e.g. 1e-10."
    value = checks.scalar("claims.equal", name, value, fix)
    if not 0 <= value < bound:
        checks.fail("claims.equal", name, value, f"a number from 0 to below {bound:g}", fix)
    return value


def _digits(name, digits):
    fix = "Pass how many digits to print, e.g. 6."
    digits = checks.positive_integer(f"claims.{name}", "digits", digits, fix)
    if digits > 17:
        checks.fail(f"claims.{name}", "digits", digits, "at most 17, which is all that a double has", fix)
    return digits


def _rounded(value, margin):
    """`value` without the decimals that a tolerance of `margin` leaves open, and without the sign of a zero."""
    return round(value, -math.floor(math.log10(margin))) + 0.0 if math.isfinite(value) else value


def _is_round(value):
    """Is this a number of at most two digits: a bound that someone chose?"""
    return float(f"{value:.2g}") == value
