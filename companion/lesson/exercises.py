"""Checks of an answer to an exercise: they say which input gave what, and what was expected, and show no result."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from companion import checks


def check(
    answer: Callable[..., Any],
    cases: Sequence[tuple[tuple[Any, ...], Any]],
    *,
    rtol: float = 1e-9,
    atol: float = 0.0,
    without: Sequence[str] = (),
) -> None:
    """Call `answer` with the arguments of each case and compare what it returns with what is expected.

    Parameters
    ----------
    answer : function
        The reader's function.
    cases : sequence of (arguments, expected)
        Arguments are a tuple; what is expected is a number, an array, a text, or an exception class that the call
        must raise.
    rtol, atol : float
        Numbers agree if \\|got − expected\\| ≤ atol + rtol \\|expected\\|.
    without : sequence of str
        What the answer may not use, itself or in a function that it calls: modules, such as ``"companion"``, or dotted
        names, such as ``"numpy.linalg.det"``.

    Raises
    ------
    AssertionError
        With the input, what came and what was expected; or the name that the exercise asks to do without.

    Examples
    --------
    >>> def double(x):
    ...     return 2 * x
    >>> check(double, [((1,), 2), ((np.arange(3),), [0, 2, 4])])
    ✓ double: 2 cases
    >>> check(double, [((1,), 3)])
    Traceback (most recent call last):
    ...
    AssertionError: double(1): got 2, expected 3
    """
    if not callable(answer):
        checks.fail("exercises.check", "answer", answer, "a function", "Pass your function's name.", TypeError)
    name = getattr(answer, "__name__", "answer")
    forbid(answer, without)
    if not cases:
        checks.fail("exercises.check", "cases", cases, "at least one case", "Pass ((arguments), expected) pairs.")
    for arguments, expected in cases:
        call = f"{name}({', '.join(map(checks.describe, arguments))})"
        if isinstance(expected, type) and issubclass(expected, Exception):
            _check_refusal(answer, call, arguments, expected)
            continue
        got = answer(*arguments)
        if got is None:
            raise AssertionError(f"{call}: got None, expected {checks.describe(expected)}; does it return?")
        if not _agree(got, expected, rtol, atol):
            raise AssertionError(f"{call}: got {checks.describe(got)}, expected {checks.describe(expected)}")
    print(f"✓ {name}: {len(cases)} case{'s' * (len(cases) > 1)}")


def forbid(answer: Callable[..., Any], without: Sequence[str]) -> None:
    """Raise an AssertionError if `answer`, or a function of the reader's that it calls, uses one of these names.

    >>> def size(x):
    ...     return np.linalg.norm(x)
    >>> forbid(size, ["numpy.linalg"])
    Traceback (most recent call last):
    ...
    AssertionError: size uses numpy.linalg.norm; the exercise is to do without numpy.linalg
    """
    for used in sorted(_used(answer, set()), key=lambda used: (-len(used), used)):  # the most telling name first
        for name in without:
            if used == name or used.startswith(name + "."):
                raise AssertionError(f"{answer.__name__} uses {used}; the exercise is to do without {name}")


def _check_refusal(answer, call, arguments, expected):
    try:
        got = answer(*arguments)
    except expected:
        return
    raise AssertionError(f"{call}: got {checks.describe(got)}, expected {expected.__name__}")


def _agree(got, expected, rtol, atol):
    if isinstance(expected, str) or isinstance(got, str):
        return got == expected
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return False
    if got.dtype.kind not in "biufc":
        return bool(np.all(got == expected))
    return bool(np.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=False))


def _used(function, seen):
    """Dotted names of all modules, functions and classes that the code of a function loads."""
    code = getattr(function, "__code__", None)
    if code is None or code in seen:
        return set()
    seen.add(code)
    scope = dict(function.__globals__)
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        scope[name] = cell.cell_contents
    found = set()
    for part in _codes(code):
        value = None
        for step in dis.get_instructions(part):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
                value = scope.get(step.argval)
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, types.ModuleType | type):
                value = getattr(value, step.argval, None)
            elif step.opname in ("IMPORT_NAME", "IMPORT_FROM"):
                found.add(str(step.argval))
                continue
            else:
                continue
            if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
                found |= _used(value, seen)
            found |= _names(value)
    return found


def _codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _names(value):
    if isinstance(value, types.ModuleType):
        return {value.__name__}
    name = getattr(value, "__qualname__", getattr(value, "__name__", None))
    module = getattr(value, "__module__", None)
    return {f"{module}.{name}"} if isinstance(name, str) and isinstance(module, str) else set()
