"""What sums and integrals ask of a distribution, declared: `companion.families.Distribution` is a `Law`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Law:
    """A distribution that says of itself whether and how it can be integrated.

    `companion.integrals.densities.as_distribution` asks nothing else by name, so that a subclass which lacks an
    attribute fails loudly. Other objects need ``log_prob``, ``support`` and ``discrete``.
    """

    batch_shape: tuple[int, ...]
    discrete: bool
    #: 0 for numbers, 1 for vectors.
    event_ndim: int

    @property
    def dimension(self) -> int | None:
        """Number of coordinates of a vector; None for numbers."""
        return None

    def to_scipy(self) -> Any:
        """The same distribution as a frozen one of ``scipy.stats``, or None where SciPy has none."""
        return None

    def _parts(self) -> tuple[Sequence[float], Sequence[Any]] | None:
        """Weights and components of a mixture, which are integrated part by part; None for all others."""
        return None
