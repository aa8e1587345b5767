"""Real data of the book, each loaded with one call from the installed package, offline.

Counts and measurements are facts; the source of each table is in its function's docstring.
"""

from __future__ import annotations

import gzip
from importlib import resources
from typing import NamedTuple

import numpy as np


class CountTable(NamedTuple):
    """How often each value of a count was observed.

    ``values`` (K,) are the counted values in increasing order, ``frequencies`` (K,) how often each occurred; ``n`` is
    the number of observations, ``mean`` their average and ``probabilities`` the relative frequencies.
    """

    values: np.ndarray
    frequencies: np.ndarray

    @property
    def n(self) -> int:
        """Number of observations."""
        return int(self.frequencies.sum())

    @property
    def mean(self) -> float:
        """Average of the observations."""
        return float(self.values @ self.frequencies / self.n)

    @property
    def probabilities(self) -> np.ndarray:
        """Relative frequencies: the empirical distribution as a probability vector."""
        return self.frequencies / self.n

    def observations(self) -> np.ndarray:
        """The n observations written out, in increasing order, shape (n,)."""
        return np.repeat(self.values, self.frequencies).astype(float)


def _count_table(name: str) -> CountTable:
    with resources.files("companion").joinpath("data", name).open(encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1, dtype=int)
    return CountTable(table[:, 0], table[:, 1])


def weldon_dice() -> CountTable:
    """Weldon's dice: number of fives or sixes in each of 26,306 throws of twelve dice.

    Source: W. F. R. Weldon's throws, published in K. Pearson (1900), *Philosophical Magazine* 50, 157–175.

    >>> weldon_dice().n, round(weldon_dice().mean / 12, 4)
    (26306, 0.3377)
    """
    return _count_table("weldon_dice.csv")


def horse_kicks() -> CountTable:
    """Deaths by horse kick in the Prussian army: number in each of 200 corps-years (10 corps, 1875–1894).

    Source: L. von Bortkiewicz (1898), *Das Gesetz der kleinen Zahlen*, Leipzig: Teubner. The four corps he set apart
    for their different make-up are left out, as in the table usually quoted.

    >>> horse_kicks().n, horse_kicks().mean
    (200, 0.61)
    """
    return _count_table("horse_kicks.csv")


class OldFaithful(NamedTuple):
    """Eruptions of a geyser, in minutes: both arrays have shape (272,).

    ``eruption`` is how long each lasted, ``waiting`` how long one waited for the next.
    """

    eruption: np.ndarray
    waiting: np.ndarray


def old_faithful() -> OldFaithful:
    """Old Faithful geyser, Yellowstone: duration of 272 eruptions and the wait for the next, in minutes.

    Source: A. Azzalini and A. W. Bowman (1990), *Applied Statistics* 39, 357–365; the 272 pairs usually quoted, not the
    paper's series of 299.

    >>> len(old_faithful().waiting), round(float(old_faithful().waiting.mean()), 3), float(old_faithful().eruption.max())
    (272, 70.897, 5.1)
    """
    with resources.files("companion").joinpath("data", "old_faithful.csv").open(encoding="utf-8") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1)
    return OldFaithful(*np.ascontiguousarray(table.T))


class Digits(NamedTuple):
    """Handwritten digits, both as arrays of 1,797 rows.

    ``images`` (1797, 64) are counts from 0 to 16, the 8 × 8 pixels row by row; ``labels`` (1797,) the digits 0, ..., 9.
    """

    images: np.ndarray
    labels: np.ndarray


def digits() -> Digits:
    """1,797 handwritten digits: how many of the 16 dots of each cell of an 8 × 8 grid are ink.

    Every digit is a bitmap of 32 × 32 dots cut into cells of 4 × 4, so that a pixel is a count out of 16 trials. These
    are the images of thirteen people that the source sets apart as its test part.

    Source: E. Alpaydin and C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning
    Repository, doi:10.24432/C50P49; licence CC BY 4.0.

    >>> digits().images.shape, float(digits().images.max()), digits().labels[:3].tolist()
    ((1797, 64), 16.0, [0, 1, 2])
    """
    with resources.files("companion").joinpath("data", "digits.csv.gz").open("rb") as file:
        table = np.loadtxt(gzip.open(file, "rt", encoding="utf-8"), delimiter=",", dtype=int)
    return Digits(table[:, :-1].astype(float), table[:, -1].copy())
