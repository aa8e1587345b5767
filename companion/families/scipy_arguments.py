"""From the arguments of a frozen scipy distribution to those of a constructor; None where loc or scale lead out of the
family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def unshifted(*names: str) -> Callable[..., list[Any] | None]:
    """The arguments `names` of a distribution that is not shifted, nor scaled unless "scale" or "rate" = 1/scale is
    among them.

    >>> [float(value) for value in unshifted("a", "rate")(a=2.0, scale=0.5)]
    [2.0, 2.0]
    >>> unshifted("a", "rate")(a=2.0, loc=1.0) is None
    True
    """

    def convert(loc=0, scale=1, **values):
        unscaled = {"scale", "rate"} & set(names) or np.all(np.asarray(scale) == 1)
        values |= {"scale": scale, "rate": 1 / np.asarray(scale)}
        return [values[name] for name in names] if unscaled and np.all(np.asarray(loc) == 0) else None

    return convert


def place_and_scale(loc: Any = 0, scale: Any = 1, **_: Any) -> list[Any] | None:
    """Of a family that has both."""
    return [loc, scale]
