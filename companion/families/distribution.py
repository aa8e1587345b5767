"""What all distributions share: evaluation, sampling, and data that are held to the support."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families.batch import Batch
from companion.integrals.law import Law
from companion.special.newton import first_at_least, tail_root

#: Quantiles that are found at a time: the integrals of their tails stay in the cache.
_PIECE = 2**11


class Distribution(Batch, Law):
    """An immutable distribution with parameters that broadcast; ``batch_shape`` is the shape of the batch.

    A batch behaves as an array of distributions: ``len(d)``, ``d[0]``, ``d[1:3]``, ``for member in d``. A parameter of
    a single distribution is a plain number. Equal distributions have equal hashes; copies and pickles are immutable.

    A subclass lists ``parameter_names``, sets the attributes in ``__init__`` through `_store`, and states `support`,
    `mean`, `variance`, `_log_prob`, `_draw` and, where SciPy has it, `to_scipy`; of vectors, `dimension`. The rest is
    derived here.
    """

    #: Parameters that are part of the family and not estimated, e.g. the n of a binomial.
    fixed_names: ClassVar[tuple[str, ...]] = ()
    #: Those of them in which the two distributions of a closed-form KL divergence may differ.
    kl_across: ClassVar[tuple[str, ...]] = ()
    discrete: bool = False
    #: Whether x and x + 2π are one point: any number is an angle, and the support is written as one turn.
    circular: ClassVar[bool] = False
    #: Optional keyword arguments of `fit`.
    fit_options: ClassVar[tuple[str, ...]] = ()
    #: 0 for numbers, 1 for vectors.
    event_ndim: int = 0

    # --- what a subclass states ---------------------------------------------------------------------------------------
    @property
    def support(self) -> tuple[Any, Any]:
        """Smallest and largest possible value, finite or not: two numbers, or arrays that broadcast to the batch."""
        raise NotImplementedError

    def mean(self) -> Any:
        """Expectation E[x], shape of the batch; of vectors, (..., d)."""
        raise NotImplementedError

    def variance(self) -> Any:
        """Variance E[(x − E[x])²], shape of the batch; of vectors, that of every coordinate, (..., d)."""
        raise NotImplementedError

    def _log_prob(self, x: np.ndarray) -> Any:
        """log p(x) for data inside the support, which `log_prob` has checked."""
        raise NotImplementedError

    def _draw(self, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draws of the shape `size` + shape of an event."""
        raise NotImplementedError

    # --- evaluation and sampling --------------------------------------------------------------------------------------
    def log_prob(self, x: ArrayLike, outside: float | None = None) -> Any:
        r"""Log-density or log-probability :math:`\log p(x)`, in nats.

        Parameters
        ----------
        x : array_like
            Broadcasts against the batch; vectors along the last axis.
        outside : float, optional
            What to return outside the support: ``-np.inf`` is the truth, NaN leaves a gap in a plot. By default such an
            x is an error, since among data it is nearly always a mistake in units or coding.

        Raises
        ------
        ValueError
            If an x is NaN, or outside the support and `outside` is not given.
        """
        if outside is None:
            data = self._check_data(x)
            with np.errstate(over="ignore", under="ignore"):  # far out the logarithm is −inf
                return self._log_prob(data)
        if not isinstance(outside, (int, float, np.integer, np.floating)) or isinstance(outside, bool):
            where = f"{type(self).__name__}.log_prob"
            checks.fail(where, "outside", outside, "a number", "Pass outside=-np.inf, or leave it out.", TypeError)
        data = self._read(x, "log_prob")
        inside = self._inside(data)
        if np.all(inside):
            with np.errstate(over="ignore", under="ignore"):
                return self._log_prob(data)
        low, high = self.support
        anchor = (
            self.mean() if self.event_ndim else np.where(np.isfinite(low), low, np.where(np.isfinite(high), high, 0.0))
        )
        with np.errstate(all="ignore"):
            value = self._log_prob(np.where(inside[..., None] if self.event_ndim else inside, data, anchor))
        return np.where(inside, value, outside)[()]

    def pdf(self, x: ArrayLike) -> Any:
        r"""Density :math:`p(x)`, or probability of x where the distribution is discrete; 0 outside the support.

        The logarithm, `log_prob`, does not underflow.
        """
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.log_prob(x, outside=-np.inf))

    def std(self) -> Any:
        r"""Standard deviation :math:`\sqrt{\mathrm{Var}[x]}`, in the shape of `variance`.

        A method like `mean`, and not called ``sd``: that is a parameter, of a log-normal distribution the one of log x.
        """
        return np.sqrt(self.variance())

    def sample(self, n: int, rng: np.random.Generator | int) -> np.ndarray:
        """`n` independent draws: array (n,) + shape of the batch, + (d,) for vectors.

        Each draw is rounded to a double; one that is too small becomes 0.

        Parameters
        ----------
        n : int
            Number of draws, at least 1.
        rng : numpy.random.Generator or int
            Source of randomness, or a seed. There is no global one.

        Raises
        ------
        ValueError
            If n or rng are not of this kind, or a draw is too large for the generator or for a double.
        """
        where = f"{type(self).__name__}.sample"
        size, rng = (checks.sample_size(where, n), *self.batch_shape), checks.generator(where, rng)
        try:
            with np.errstate(over="ignore", under="ignore", divide="ignore"):
                draws = self._draw(size, rng)
        except ValueError as error:  # numpy's own limits
            self._too_large(where, str(error))
        if not np.all(np.isfinite(draws)):
            self._too_large(where, "A draw overflows")
        return draws

    def _too_large(self, where, why):
        expected = "ones whose draws fit a double, and counts a 64-bit integer"
        checks.fail(where, "parameters", self, expected, f"{why}; choose less extreme ones, or another unit.")

    def cdf(self, x: ArrayLike) -> Any:
        r"""Distribution function :math:`\mathrm{P}(X \le x)`; `x` broadcasts against the batch.

        0 below the support and 1 above it; small values keep their digits.

        Raises
        ------
        ValueError
            If an x is NaN.
        TypeError
            For vectors, which have no order.
        """
        return self._probability("cdf", x)[()]

    def sf(self, x: ArrayLike) -> Any:
        r"""Survival function :math:`\mathrm{P}(X > x)` = 1 − `cdf`, with its digits where that is close to 1."""
        return self._probability("sf", x)[()]

    def quantile(self, q: ArrayLike) -> Any:
        r"""Smallest x of the support with :math:`\mathrm{P}(X \le x) \ge q`; `q` broadcasts against the batch.

        `q` = 0 and 1 give the ends of the support.

        Raises
        ------
        ValueError
            If a q is not in [0, 1].
        TypeError
            For vectors, which have no order.
        """
        where = self._where_on_the_line("quantile")
        q = checks.probability(where, "q", q, "Pass probabilities, e.g. [0.05, 0.5, 0.95].")
        checks.broadcast(where, q=q.shape, batch=self.batch_shape)
        q, low, high = np.broadcast_arrays(q, *self.support, np.zeros(self.batch_shape))[:3]
        inner = np.where((q > 0) & (q < 1), q, 0.5)
        with np.errstate(all="ignore"):  # one beyond the range of doubles is 0 or infinite
            return np.where(q == 0, low, np.where(q == 1, high, self._quantiles(inner)))[()]

    def _quantiles(self, q):
        """Those of 0 < q < 1, of a single distribution piece by piece."""
        if self.batch_shape or q.size <= _PIECE:
            return self._quantile(q)
        parts = np.array_split(q.ravel(), -(-q.size // _PIECE))
        return np.concatenate([self._quantile(part) for part in parts]).reshape(q.shape)

    def _where_on_the_line(self, method):
        """The name of a method that makes sense for numbers only."""
        where = f"{type(self).__name__}.{method}"
        if self.event_ndim:
            fix = "Vectors have no order: ask for one coordinate."
            checks.fail(where, "an outcome", "a vector", "a distribution of numbers", fix, TypeError)
        return where

    def _probability(self, name, x):
        """cdf or sf, or an error where SciPy has no value."""
        where = self._where_on_the_line(name)
        x = self._read(x, name)
        with np.errstate(all="ignore"):  # NaN is reported below
            value = self._tail(name, x)
        if np.any(np.isnan(value)):
            fix = "They are too extreme for it: approximate, e.g. by a normal distribution."
            checks.fail(where, "parameters", self, "ones that the algorithm can work with", fix)
        return value

    def _tail(self, name: str, x: np.ndarray) -> Any:
        """cdf or sf."""
        return np.asarray(self._by_scipy(name, x))

    def _quantile(self, q: np.ndarray) -> Any:
        """The quantile of 0 < q < 1, of the broadcast shape."""
        return self._first(q, *self.support) if self.discrete else self._by_scipy("ppf", q)

    def _first(self, q, low, high, guess=np.nan):
        """The smallest x from `low` to `high` with P(X ≤ x) ≥ q; of a density above the median that with
        P(X > x) ≤ 1 − q, which has more digits. A guess stays where it holds to ten digits."""
        if self.discrete:
            return first_at_least(lambda x: self._probability("cdf", x), q, low, high, whole=True)
        below, target = q < 0.5, np.where(q < 0.5, q, q - 1)

        def reached(x):
            return np.where(below, self._probability("cdf", x), -self._probability("sf", x))

        def good(x):
            return np.isfinite(x) & (abs(reached(np.where(np.isfinite(x), x, high)) - target) < 1e-10 * abs(target))

        def ahead(x):
            """How far the logarithm of the tail is from its target, and its slope."""
            tail = abs(reached(x))
            value = np.log(tail / abs(target))
            return np.where(below, value, -value), np.exp(self.log_prob(x, outside=-np.inf)) / tail

        held = good(guess)
        if np.all(held):
            return guess
        start = np.where(np.isfinite(guess), guess, self.mean())
        start = np.where((start > low) & (start < high), start, np.where(high < np.inf, low / 2 + high / 2, low + 1))
        guess = np.where(held, guess, tail_root(ahead, low, high, start))
        held = good(guess)
        return guess if np.all(held) else np.where(held, guess, first_at_least(reached, target, low, high))

    def _by_scipy(self, name, x):
        frozen = self.to_scipy()
        if frozen is None:
            fix = "State `_tail` and `_quantile` in the class."
            where = f"{type(self).__name__}.{'quantile' if name == 'ppf' else name}"
            checks.fail(where, "to_scipy()", None, "a distribution of SciPy", fix, TypeError)
        return getattr(frozen, name)(x)

    # --- data ---------------------------------------------------------------------------------------------------------
    def _inside(self, x):
        """Where the numbers `x` lie in the support."""
        low, high = self.support
        inside = (x >= low) & (x <= high) & np.isfinite(x)
        return inside & (x == np.floor(x)) if self.discrete else inside

    def _read(self, x, method):
        """`x` as a float array without NaN that broadcasts against the batch."""
        where = f"{type(self).__name__}.{method}"
        x = checks.real_array(where, "x", x, "Pass numbers, without missing values.", truths=True)
        if self.batch_shape:
            checks.broadcast(where, x=x.shape, batch=self.batch_shape)
        return x

    def _check_data(self, x, method="log_prob"):
        """`x` as a float array of numbers inside the support, or an error that names the first one outside."""
        x = self._read(x, method)
        checks.require(
            f"{type(self).__name__}.{method}",
            "x",
            x,
            self._inside(x),
            f"a value in the support {self.describe_support()}",
            "Data outside the support have likelihood zero: check units and coding.",
        )
        return x

    def describe_support(self) -> str:
        """The support as error messages show it: "(0, inf)", "{0, 1, …}"."""
        low, high = self.support
        low, high = np.min(low), np.max(high)
        if not self.discrete:
            return f"({low:g}, {high:g})"
        if not np.isfinite(high):
            return f"{{{low:g}, {low + 1:g}, …}}"
        return f"{{{low:g}, {high:g}}}" if high == low + 1 else f"{{{low:g}, …, {high:g}}}"
