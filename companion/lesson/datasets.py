"""Real data of the book, each loaded with one call from the installed package, offline.

Counts and measurements are facts; the source of each table is in its function's docstring. The last function gives
what the book's own benchmarks found.
"""

from __future__ import annotations

import gzip
import json
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
    with resources.files("companion.lesson").joinpath("data", name).open(encoding="utf-8") as file:
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


def alpha_particles() -> CountTable:
    """Alpha particles: number of scintillations seen in each of 2,608 intervals of an eighth of a minute.

    Source: E. Rutherford and H. Geiger (1910), *Philosophical Magazine* 20, 698–707.

    >>> alpha_particles().n, round(alpha_particles().mean, 4)
    (2608, 3.8715)
    """
    return _count_table("alpha_particles.csv")


def federalist_may() -> CountTable:
    """The word "may" in the Federalist papers: number of its occurrences in each of 262 blocks of text by Madison.

    Source: F. Mosteller and D. L. Wallace (1964), *Inference and Disputed Authorship: The Federalist*, Addison-Wesley;
    the blocks have about 200 words.

    >>> federalist_may().n, round(federalist_may().mean, 4)
    (262, 0.6565)
    """
    return _count_table("federalist_may.csv")


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

    >>> data = old_faithful()
    >>> len(data.waiting), round(float(data.waiting.mean()), 3), float(data.eruption.max())
    (272, 70.897, 5.1)
    """
    with resources.files("companion.lesson").joinpath("data", "old_faithful.csv").open(encoding="utf-8") as file:
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
    with resources.files("companion.lesson").joinpath("data", "digits.csv.gz").open("rb") as file:
        table = np.loadtxt(gzip.open(file, "rt", encoding="utf-8"), delimiter=",", dtype=int)
    return Digits(table[:, :-1].astype(float), table[:, -1].copy())


class Challenger(NamedTuple):
    """Flights of the space shuttle before Challenger's last, arrays of 23 entries.

    ``flight`` are their names, ``temperature`` that of the joints at launch in °F, ``pressure`` that of the leak
    test in psi, and ``incidents`` how many of the six primary O-rings showed damage from heat.
    """

    flight: np.ndarray
    temperature: np.ndarray
    pressure: np.ndarray
    incidents: np.ndarray


def challenger() -> Challenger:
    """O-rings of the space shuttle: damage in 23 flights before 28 January 1986, when Challenger started at 31 °F.

    Source: S. R. Dalal, E. B. Fowlkes and B. Hoadley (1989), *Journal of the American Statistical Association* 84,
    945–957.

    >>> flights = challenger()
    >>> len(flights.flight), float(flights.temperature.min()), int(flights.incidents.sum())
    (23, 53.0, 9)
    """
    with resources.files("companion.lesson").joinpath("data", "challenger_orings.csv").open(encoding="utf-8") as file:
        rows = [line.strip().split(",") for line in file][1:]
    names, *columns = zip(*rows)
    temperature, pressure, incidents = (np.array(column, dtype=float) for column in columns)
    return Challenger(np.array(names), temperature, pressure, incidents)


class Peers(NamedTuple):
    """What ``make benchmarks`` stored: each field but ``made`` is a list of rows, and a row is a dictionary.

    ``made`` has the versions of Python and of the libraries, the ``backend`` of those that have several, the
    ``machine``, the ``seed``, and in ``runs`` the date and the load average of each part. The rows:

    * ``accuracy``: `family`, `suite`, `peer`, and over `pairs` random pairs the share `within` a relative error of
      1e-8, the `median` and the `worst` relative error of the finite results, and how many came out `negative`, `nan`
      (of which `refused` with an error) or `inf` although the KL divergence is finite; `itself` counts KL(p‖p) ≠ 0.
    * ``distance``: `family`, `peer`, and as lists over the relative `distance` of q from p the `median` and `worst`
      relative error and the share `negative`.
    * ``pairs``: the first two pairs of each suite of ``accuracy``, as drawn: `family`, `suite`, the constructor's
      arguments `p` and `q` (a covariance as its lower triangle), the `exact` value in 22 digits, and `values` by
      library in three.
    * ``reductions``: of arrays of some `shape`, the average `kl` of the vectors along the last axis, and what the
      reductions `batchmean`, `mean` and `sum` of torch's ``kl_div`` return.
    * ``conventions``: of a loss function the `library`, its `version`, the `call` with small vectors, and the `value`
      that it returned (``benchmarks/conventions.py`` has the vectors).
    * ``zeros``: of a KL function the `library`, the `call`, the `case`, such as "q = 0 < p", and the `value` as a text,
      perhaps "inf" or "nan" (``benchmarks/zeros.py`` has the vectors).
    * ``losses``: as ``conventions``, of the losses of regression and classification (``benchmarks/losses.py``).
    * ``single``: of the softmax cross-entropy in single precision the `library` and the `way` to compute it, the number
      of `classes`, the `case`, the `worst` relative error of so many `runs`, and how many were `infinite`.
    * ``fits``: `family`, the member that the `data` were drawn from, their number `n`, and for a call `scipy fit`
      (its default, or constrained to the family) the median CPU seconds `ours` and `scipy` of so many `runs`, the
      `ratio` scipy / ours, the `shortfall` of scipy's log-likelihood from ours in nats per observation, and its
      `failure` or None.
    * ``one_pass``: `family`, `n`, median CPU seconds of our `statistics` and of ``x.sum()`` (`sum`), and their
      `ratio`.
    * ``neighbours``: of two samples of `n` points in `d` dimensions, median CPU seconds of `estimation.knn_kl` with its
      checks and its standard error (`ours`) and of the bare queries of SciPy's trees (`queries`), and their `ratio`.
    * ``calls``: `family`, `peer`, median CPU time of a KL divergence: `scalar` in microseconds a call, `vectorised`
      in nanoseconds a pair of a batch of 100,000. Compare them within a family, where they were measured in turn.
    * ``vae``: training of the small variational autoencoder: `dtype`, `peer`, median CPU `milliseconds` of an epoch,
      their `ratio` to ours, `seconds` of 200 epochs, and the relative `difference` of the objectives of the two,
      trained alike.

    A library without a row has no function for the family. A family is named by its constructor, a library as it is
    installed, this package "companion", the textbook's formula "textbook", and the same compiled by JAX "jax".
    Probability vectors sum to one exactly. An error beyond the range of doubles is None.
    """

    made: dict
    accuracy: list
    distance: list
    pairs: list
    reductions: list
    conventions: list
    zeros: list
    losses: list
    single: list
    fits: list
    one_pass: list
    neighbours: list
    calls: list
    vae: list


def peers() -> Peers:
    """KL divergences, fits and their speed in other libraries and in this package, side by side, from a stored run.

    Source: the folder ``benchmarks`` of the book; ``make benchmarks`` runs it again.

    >>> worst = max((row for row in peers().accuracy if row["peer"] == "companion"), key=lambda row: row["worst"])
    >>> worst["worst"] < 1e-8
    True
    """
    text = resources.files("companion.lesson").joinpath("data", "peers.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    return Peers(*(stored.get(name, []) for name in Peers._fields))


def estimators() -> list[dict]:
    """How well each estimator of KL from two samples does against known truths, from a stored run: a list of rows.

    A row has the `pair`, its dimension `d` and its `kl`; the size `n` of both samples; the `estimator` and how many
    `runs` there were, `finite` of them with a finite value; and of these the mean error (`bias`), the standard
    deviation `sd`, the root mean square of the `stated` standard errors, the share with an error of at most two stated
    ones (`coverage`), the share with a warning (`warned`), and the median CPU `seconds`.

    Source: ``python tests/make_estimators.py``, which runs it again.

    >>> sorted({row["n"] for row in estimators()})
    [1000, 10000]
    """
    text = resources.files("companion.lesson").joinpath("data", "estimators.json").read_text(encoding="utf-8")
    return json.loads(text)


class Simulations(NamedTuple):
    """What intervals, criteria and tests are worth under wrong models; each field is a list of rows, dictionaries.

    All rows have the size ``n`` of a sample and how many ``runs`` there were.

    * ``comparison``: two fits of the `pair` to `data`, the true `difference` of their KL divergences, the `mean` of its
      estimates, the share of 95 % intervals that cover it, `coverage`, and how often they exclude zero, `found`.
    * ``odds``: where that difference is zero, how often the likelihood ratio of the fits is `over 1000`, either way.
    * ``overlap``: two families with so many parameters `free in f` and `free in g` and one closest member: how often
      Vuong's test at 5 % rejects that, `found`, also with Akaike's correction, `corrected`.
    * ``optimism``: of a `model` fitted to `data`, its number of `parameters`, the `trace` of J⁻¹K, and the mean
      `optimism` of the log-likelihood with its `standard_error`.
    * ``coverage``: of 95 % intervals for a `parameter` from `data`: `model-based`, `sandwich`, and by the `parametric`
      and the `nonparametric` bootstrap.
    """

    comparison: list
    odds: list
    overlap: list
    optimism: list
    coverage: list


def wrong_models() -> Simulations:
    """Coverage, optimism and size of tests where models are wrong, from a stored simulation.

    Source: ``python tests/make_projection.py``, which runs it again.

    >>> {row["runs"] for row in wrong_models().coverage}
    {4000}
    """
    text = resources.files("companion.lesson").joinpath("data", "projection.json").read_text(encoding="utf-8")
    return Simulations(**json.loads(text))


class AtScale(NamedTuple):
    """What passes over many rows cost: each field but ``made`` and ``tasks`` is a list of rows, dictionaries.

    * ``made``: the `date`, the `machine`, the versions of Python and of the libraries.
    * ``one_pass``: of a `family` and `n` rows of dimension `d` the CPU `seconds` of the statistics and, as the `limit`,
      those of a cheaper pass (`limit_seconds`), and the `ratio` of the two.
    * ``threads``: of a `family` and `n` rows the seconds of the clock on `one` thread and on `two`, and the `speedup`.
    * ``instead``: for `what` one would do without this package, and for our fits, `n` rows and the `seconds`.
    * ``cost``: `seconds` of the clock of a fit of the `family` to `n` rows, in a `way`.
    * ``memory``: of a fit to a file of `file_bytes` the peak memory above import, `peak_bytes`, and the `seconds`.
    * ``tasks``: of a local cluster the `seconds_per_task` of an empty task; the `statistics_bytes` that travel; and the
      `read_bytes_per_second` of the disk.
    """

    made: dict
    one_pass: list
    cost: list
    memory: list
    tasks: dict
    threads: list = []
    instead: list = []


def at_scale() -> AtScale:
    """Time and memory of one pass over many rows, from a stored run.

    Source: ``python -m benchmarks.scale``, which runs it again.

    >>> at_scale().memory[0]["peak_bytes"] < 2e8
    True
    """
    text = resources.files("companion.lesson").joinpath("data", "scale.json").read_text(encoding="utf-8")
    return AtScale(**json.loads(text))
