"""Statistics and what else a pass keeps, as one array of doubles and a description that JSON holds."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from companion.families import ExponentialFamily
from companion.families.statistics import Statistics
from companion.families.sums import Sums
from companion.scaling.pieces import Place
from companion.scaling.reduction import Kept


def pack(thing: Any) -> tuple[Any, np.ndarray]:
    """A description of nested tuples of statistics, arrays, numbers and None, and all numbers in them."""
    numbers: list[np.ndarray] = []
    return _described(thing, numbers), np.concatenate([np.zeros(0), *numbers])


def _described(thing, numbers):
    if thing is None or isinstance(thing, (bool, str)):
        return {"value": thing}
    if isinstance(thing, int):
        return {"integer": str(thing)}
    if isinstance(thing, (float, np.floating, np.ndarray)):
        numbers.append(np.asarray(thing, dtype=float).ravel())
        return {"numbers": list(np.shape(thing))}
    if isinstance(thing, Place):
        return {"place": list(thing)}
    if isinstance(thing, Kept):
        return {"kept": [_described(part, numbers) for part in tuple(thing)]}
    if isinstance(thing, (tuple, list)):
        return {"tuple": [_described(part, numbers) for part in thing]}
    if isinstance(thing, Statistics):
        sums = {f.name: _described(getattr(thing.sums, f.name), numbers) for f in fields(thing.sums)}
        return {"family": thing.family.__name__, "fixed": {k: _plain(v) for k, v in thing.fixed.items()}, "sums": sums}
    raise TypeError(f"{type(thing).__name__} cannot be packed")


def unpack(description: Any, numbers: np.ndarray) -> Any:
    """What was packed; a `ValueError` says what is wrong with a description that `pack` has not written."""
    place = _Reader(numbers)
    thing = place.made(description)
    if place.place != len(numbers):
        raise ValueError(f"{len(numbers)} numbers are not {place.place}")
    return thing


class _Reader:
    def __init__(self, numbers: np.ndarray):
        self.numbers, self.place = numbers, 0

    def made(self, description: Any) -> Any:
        match description:
            case {"value": value} if value is None or isinstance(value, (bool, str)):
                return value
            case {"integer": str(value)}:
                return int(value)
            case {"numbers": list(shape)}:
                size = int(np.prod(shape, dtype=object))
                if size < 0 or self.place + size > len(self.numbers):
                    raise ValueError("numbers are missing")
                found = self.numbers[self.place : self.place + size].reshape(shape)
                self.place += size
                return found.copy() if shape else float(found)
            case {"place": [number, label, start, stop]}:
                return Place(number, label, start, stop)
            case {"kept": [_, _, _, _, _] as parts}:
                return Kept(*(self.made(part) for part in parts))
            case {"tuple": list(parts)}:
                return tuple(self.made(part) for part in parts)
            case {"family": str(name), "fixed": dict(fixed), "sums": dict(sums)}:
                return self.statistics(name, fixed, sums)
        raise ValueError(f"{str(description)[:60]!r} describes nothing")

    def statistics(self, name: str, fixed: dict[str, float], sums: dict[str, Any]) -> Statistics:
        family = family_named(name)
        kind = family._sums
        if list(sums) != [f.name for f in fields(kind)]:
            raise ValueError(f"sums {', '.join(sums)} are not those of {name}")
        if not set(fixed) <= {*family.fixed_names, *family.fit_options} or not set(family.fixed_names) <= set(fixed):
            raise ValueError(f"fixed parameters {', '.join(fixed)} are not those of {name}")
        values = {part: self.made(description) for part, description in sums.items()}
        made = Statistics(family, fixed, kind(**values))
        check(made)
        return made


def _plain(value):
    """A fixed parameter as JSON holds it: whole numbers stay what they are."""
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def family_named(name: str) -> Any:
    """The family of this name, among all that are defined."""
    found, waiting = [], [ExponentialFamily]
    while waiting:
        for each in waiting.pop().__subclasses__():
            waiting.append(each)
            found += [each] if each.__name__ == name else []
    if len(set(found)) != 1:
        raise ValueError(f"{name!r} is {'no family' if not found else 'the name of several families'}")
    return found[0]


def check(statistics: Statistics) -> None:
    """Raise a ValueError of statistics that no sample has: shapes, signs and sizes."""
    sums: Sums = statistics.sums
    if not np.isfinite(sums.weight) or sums.weight <= 0:
        raise ValueError(f"weight {sums.weight!r} is not positive")
    statistics.family._example(**statistics.fixed)  # or the error for parameters that no member has
    width = np.shape(getattr(sums, "first", getattr(sums, "total", 0.0)))
    for f in fields(sums):
        value = np.asarray(getattr(sums, f.name))
        if not np.isfinite(value).all():
            raise ValueError(f"{f.name} is not finite")
        pair = f.name == "second" and statistics.family.__name__ == "MultivariateNormal"
        expected = width * 2 if pair else width if f.name in ("shift", "first", "second", "total") else None
        if expected is not None and value.shape != expected:
            raise ValueError(f"{f.name} has shape {value.shape}, not {expected}")
        squares = np.diagonal(value) if pair and value.ndim == 2 else value
        if f.name in ("second", "remainder", "left", "right", "versine", "counts") and (squares < 0).any():
            raise ValueError(f"{f.name} is negative")
    with np.errstate(all="ignore"):
        mean = np.asarray(statistics.mean())
    if not np.isfinite(mean).all() or mean.ndim != 1:
        raise ValueError("the mean of u is not finite")
