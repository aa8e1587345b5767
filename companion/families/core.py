r"""What all families share: two functions define an exponential family, the rest is derived once, here.

A density is :math:`p(x\mid\eta) = h(x)\,\exp(\eta^\top u(x) - A(\eta))`. A family states its sufficient statistic
:math:`u` and its log-partition function :math:`A`; this module derives the log-density, the mean parameters
:math:`\nabla A`, the Fisher information :math:`\nabla^2 A`, the KL divergence, the entropy and the fit. A family
overrides what it can compute more accurately, and the property tests compare both.

Ordinary parameters are stored, natural ones derived from them: the reverse loses digits.
"""

from __future__ import annotations

import html
import inspect
import itertools
from collections.abc import Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families.statistics import Statistics, of_sample, weighted_sum
from companion.integrals import quadrature
from companion.special.newton import first_at_least

#: Rows of the table that a notebook shows.
_ROWS = 10

_EPS = np.finfo(float).eps


def _shown(parameter):
    """Every digit of up to 24 numbers, so that the repr of a member evaluates to it; a description of larger arrays."""
    return (
        repr(parameter.tolist())
        if isinstance(parameter, (np.ndarray, np.generic)) and parameter.size <= 24
        else checks.describe(parameter)
    )


def _identity(parameter):
    """A hashable form of a parameter, the same for equal ones (0.0 and −0.0 are equal)."""
    if isinstance(parameter, Distribution):
        return parameter
    array = np.asarray(parameter, dtype=float) + 0.0
    return array.shape, array.tobytes()


def _restored(cls, state):
    """What `Distribution.__reduce__` makes of the parts that it took: arrays are locked again."""
    new = cls.__new__(cls)
    new._store(**state)
    return new


def _scatter(function, point):
    """Rounding error of `function` near `point`, seen in fourth differences, which a smooth function does not have."""
    with np.errstate(all="ignore"):
        values = np.stack([function(point * (1 + 1e-4 * k)) for k in (-2, -1, 0, 1, 2)])
        return np.abs(np.tensordot([1, -4, 6, -4, 1], values, axes=1)) / np.sqrt(70)


class Distribution:
    """An immutable distribution with parameters that broadcast; ``batch_shape`` is the shape of the batch.

    A batch behaves as an array of distributions: ``len(d)``, ``d[0]``, ``d[1:3]``, ``for member in d``. A parameter of
    a single distribution is a plain number. Equal distributions have equal hashes; copies and pickles are immutable.

    A subclass lists ``parameter_names``, sets the attributes in ``__init__`` through `_store`, and states `support`,
    `mean`, `variance`, `_log_prob`, `_draw` and, where SciPy has it, `to_scipy`. The rest is derived here.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
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

    batch_shape: tuple[int, ...]
    #: The classmethod that takes `parameter_names`; empty for the class itself. `from_logits` sets both on its members.
    _constructor: str = ""

    if TYPE_CHECKING:  # the parameters, which `_store` sets

        def __getattr__(self, name: str) -> Any: ...

    # --- an immutable value -------------------------------------------------------------------------------------------
    def _store(self, batch_shape: tuple[int, ...] = (), **values: Any) -> None:
        """Set attributes: arrays are copied and locked, single numbers kept as such."""
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value = value.copy()[()]
                if value.ndim:
                    value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "batch_shape", tuple(batch_shape))

    def _parameter(self, name: str) -> Any:
        """A stored parameter; one whose name is also a method (``mean``) is stored with an underscore."""
        value = vars(self)[name if name in vars(self) else f"_{name}"]
        return np.int64(value) if type(value) is int else value  # so that it has the methods of an array

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"{type(self).__name__}.{name} cannot be assigned: distributions are immutable. "
            f"Make a new one, e.g. {type(self).__name__}({', '.join(self.parameter_names)})."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: distributions are immutable.")

    def __reduce__(self):
        return _restored, (type(self), dict(vars(self)))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={_shown(self._parameter(name))}" for name in self.parameter_names)
        return f"{type(self).__name__}{self._constructor and '.' + self._constructor}({inside})"

    def _repr_html_(self) -> str:
        """A small table for notebooks: a row for each of the first members, a column for each parameter."""
        title, names, rows, count = self._table()
        cells = [[str(i), *(_cell(v) for v in row)] for i, row in enumerate(rows)]
        if count > len(rows):
            cells.append(["…"] * (len(names) + 1))
        head, *body = (
            "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)
            for tag, row in [("th", ["", *names]), *(("td", row) for row in cells)]
        )
        return (
            f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(f'<tr>{row}</tr>' for row in body)}</tbody></table>"
        )

    def _table(self) -> tuple[str, list[str], list[list[Any]], int]:
        """Title, names, first rows and number of rows of the table."""
        count = int(np.prod(self.batch_shape, dtype=int))
        parameters = [np.asarray(self._parameter(name)) for name in self.parameter_names]
        flat = [v.reshape(count, *v.shape[len(self.batch_shape) :]) for v in parameters]
        rows = [[v[i] for v in flat] for i in range(min(count, _ROWS))]
        title = type(self).__name__ if count == 1 else f"{count} {type(self).__name__} distributions"
        return title, list(self.parameter_names), rows, count

    def __eq__(self, other: object) -> bool:
        """Whether both were made from the same numbers (0.5 and log-odds 0 are one distribution, but not equal)."""
        return isinstance(other, Distribution) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple:
        return type(self), self.parameter_names, *(_identity(self._parameter(name)) for name in self.parameter_names)

    # --- a batch is an array of distributions -------------------------------------------------------------------------
    def __len__(self) -> int:
        """Length of the first axis of the batch."""
        self._require_batch("len")
        return self.batch_shape[0]

    def __bool__(self) -> bool:
        """True, for a single distribution too, which has no length."""
        return True

    def __iter__(self) -> Iterator[Self]:
        """The members of a batch of shape (K,), one after another; along the first axis of a larger one."""
        self._require_batch("iteration")
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Self:
        """Members of a batch, indexed as the array of shape ``batch_shape`` that it stands for."""
        self._require_batch("an index")
        count = int(np.prod(self.batch_shape))
        try:
            index = np.arange(count).reshape(self.batch_shape)[key]
        except (IndexError, TypeError, ValueError) as error:
            self._bad_index(IndexError, key, str(error))
        if np.size(index) == 0:
            self._bad_index(IndexError, key, "It selects nothing")
        flat = (
            (v := self._parameter(name)).reshape(count, *v.shape[len(self.batch_shape) :])
            for name in self.parameter_names
        )
        return self._make(*(v[index] for v in flat))

    def _require_batch(self, what):
        if not self.batch_shape:
            raise TypeError(
                f"{type(self).__name__}: shape of the batch = (); expected a batch for {what}. "
                "This is a single distribution."
            )

    def _bad_index(self, error, key, why):
        expected = f"one into a batch of shape {self.batch_shape}"
        checks.fail(type(self).__name__, "index", key, expected, f"{why}.", error)

    def _make(self, *parameters):
        """A distribution of the same kind with other parameters."""
        make = getattr(type(self), self._constructor) if self._constructor else type(self)
        return make(*parameters)

    def _member(self, index: tuple[int, ...]) -> Self:
        """The single distribution at `index` of a batch that `batch_shape` broadcasts to."""
        if self.batch_shape == ():
            return self
        index = index[len(index) - len(self.batch_shape) :]
        index = tuple(i if size > 1 else 0 for i, size in zip(index, self.batch_shape))
        return self._make(*(self._parameter(name)[index] for name in self.parameter_names))

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

    def to_scipy(self) -> Any:
        """The same distribution as a frozen one of ``scipy.stats``, or None where SciPy has none."""
        return None

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
        r"""Distribution function :math:`\mathrm{P}(X \le x)`, computed by SciPy; `x` broadcasts against the batch.

        0 below the support and 1 above it.

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
        return np.where(q == 0, low, np.where(q == 1, high, self._quantile(inner)))[()]

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
            fix = "They are too extreme for its algorithm: approximate, e.g. by a normal distribution."
            checks.fail(where, "parameters", self, "ones that SciPy can work with", fix)
        return value

    def _tail(self, name: str, x: np.ndarray) -> Any:
        """cdf or sf."""
        return np.asarray(self._by_scipy(name, x))

    def _quantile(self, q: np.ndarray) -> Any:
        """The quantile of 0 < q < 1, of the broadcast shape."""
        if self.discrete:
            low, high = np.broadcast_arrays(*self.support, q)[:2]
            return first_at_least(lambda x: self._probability("cdf", x), q, low, high, whole=True)
        return self._by_scipy("ppf", q)

    def _by_scipy(self, name, x):
        frozen = self.to_scipy()
        if frozen is None:
            fix = "State `_tail` and `_quantile` in the class."
            checks.fail(f"{type(self).__name__}.{name}", "to_scipy()", None, "a distribution of SciPy", fix, TypeError)
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


def _cell(value):
    """A parameter in a table, to six digits."""
    if isinstance(value, Distribution):
        return repr(value)
    shown = np.array2string(np.asarray(value), precision=6, threshold=12, separator=", ")
    return shown if np.ndim(value) else f"{float(value):.6g}"


class ExponentialFamily(Distribution):
    r"""A family of densities :math:`h(x)\exp(\eta^\top u(x) - A(\eta))`.

    A subclass states `_statistic` (u), `_log_partition_at` (A, written with functions that accept complex numbers),
    `natural_parameters` (:math:`\eta` of the ordinary parameters) and `from_natural`; `_log_base_measure` where h is
    not 1. Everything below then works.

    A cross-entropy is stated as the terms of a sum (`_cross_entropy_terms`): their sizes bound its rounding error.
    """

    #: Bound on the relative error of `kl_divergence`, in units of 2^-52.
    kl_rounding: ClassVar[float] = 16.0

    # --- what a subclass states -------------------------------------------------------------------------------
    def _statistic(self, x):
        """u(x): data (..., event) -> (..., k)."""
        raise NotImplementedError

    def _log_partition_at(self, eta):
        """A(eta): (..., k) -> (...), analytic, so that a complex argument works."""
        raise NotImplementedError

    def _log_base_measure(self, x):
        """log h(x): data (..., event) -> (...)."""
        return np.zeros(np.shape(x)[: np.ndim(x) - self.event_ndim])

    def _mean_log_base_measure(self):
        """E[log h(x)], shape of the batch: 0 where h is 1, else by an exact sum or by quadrature, member by member."""
        mean = np.zeros(self.batch_shape)
        if type(self)._log_base_measure is ExponentialFamily._log_base_measure:
            return mean[()]
        if self.event_ndim:
            raise NotImplementedError(
                f"{type(self).__name__}: _mean_log_base_measure = missing; expected E[log h(x)], for the entropy. "
                "For vectors there is no quadrature here: define the method beside _log_base_measure."
            )
        for index in np.ndindex(*self.batch_shape):
            member = self._member(index)
            mean[index] = quadrature.expectation(member, member._log_base_measure).value
        return mean[()]

    def natural_parameters(self) -> np.ndarray:
        r"""Natural parameters :math:`\eta`, shape ``batch_shape + (k,)``."""
        raise NotImplementedError

    @classmethod
    def from_natural(cls, eta: ArrayLike, *args: Any, **fixed: Any) -> Self:
        r"""The member with natural parameters `eta` of shape (..., k), and the fixed ones if the family has any."""
        raise NotImplementedError

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, *args: Any, **fixed: Any) -> Self:
        r"""The member with mean parameters :math:`\mathrm{E}[u(x)]` = `mu` of shape (..., k), and the fixed ones."""
        raise NotImplementedError

    # --- derived once for all ---------------------------------------------------------------------------------
    def sufficient_statistics(self, x: ArrayLike) -> np.ndarray:
        """u(x) for data of shape (n, ...): array of shape (n, ..., k)."""
        x = self._check_data(x, "sufficient_statistics")
        with np.errstate(over="ignore", under="ignore"):
            return self._statistic(x)

    def log_partition(self) -> Any:
        r"""Log-partition function :math:`A(\eta)`, in nats, shape of the batch."""
        return self._log_partition_at(self.natural_parameters())[()]

    def _log_prob(self, x):
        inner = np.sum(self.natural_parameters() * self._statistic(x), axis=-1)
        return (inner - self.log_partition() + self._log_base_measure(x))[()]

    def mean_parameters(self) -> np.ndarray:
        r"""Mean parameters :math:`\mathrm{E}[u(x)] = \nabla A(\eta)`, shape ``batch_shape + (k,)``, by complex step."""
        return self._gradient_of_log_partition(self.natural_parameters())

    def _expected_sums(self):
        """Shift and expected sums of one observation: the `Statistics` that are fitted by this very member."""
        mu = self.mean_parameters()
        return None, (mu[0] if mu.size == 1 else mu,)

    def _gradient_of_log_partition(self, eta):
        step = 1e-30  # no subtraction, so the step may be as small as one likes
        k = eta.shape[-1]
        return np.stack(
            [np.imag(self._log_partition_at(eta + 1j * step * np.eye(k)[i])) / step for i in range(k)], axis=-1
        )

    def fisher_information(self) -> np.ndarray:
        r"""Fisher information :math:`\nabla^2 A(\eta) = \mathrm{Cov}[u(x)]` about the natural parameters,
        shape ``batch_shape + (k, k)``, by extrapolated differences of the complex-step gradient (about ten digits),
        with steps that stay inside the parameter space."""
        return self._fisher_at(self.natural_parameters())

    def _fisher_at(self, eta):
        return self._fisher_and_error_at(eta)[0]

    def _fisher_and_error_at(self, eta):
        """The Fisher information at `eta` and an estimate of its error, both (..., k, k), from steps that stay well
        inside the natural parameter space."""
        k = eta.shape[-1]
        columns, errors = [], []
        for direction in np.eye(k):
            step = 2e-3 * np.maximum(np.abs(eta @ direction), 1e-2)[..., None]
            for _ in range(100):
                ends = (self._log_partition_inside(eta + 32 * side * step * direction) for side in (-1, 1))
                leaves = ~np.logical_and(*map(np.isfinite, ends))
                if not np.any(leaves):
                    break
                step = np.where(leaves[..., None], step / 2, step)
            difference = [
                (
                    self._gradient_of_log_partition(eta + h * step * direction)
                    - self._gradient_of_log_partition(eta - h * step * direction)
                )
                / (2 * h * step)
                for h in (1.0, 0.5, 0.25)
            ]
            first = [(4 * b - a) / 3 for a, b in itertools.pairwise(difference)]
            columns.append((16 * first[1] - first[0]) / 15)
            errors.append(np.abs(columns[-1] - first[1]))
        matrix = np.stack(columns, axis=-1)
        return (matrix + np.swapaxes(matrix, -1, -2)) / 2, np.stack(errors, axis=-1)

    def _log_partition_inside(self, eta):
        """A(eta), not finite outside the natural parameter space."""
        with np.errstate(all="ignore"):
            return self._log_partition_at(eta)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        r"""KL divergence to another member of the family, in nats, as accumulated Fisher information:

        .. math:: \mathrm{KL}(\eta_1\|\eta_2)
                  = \int_0^1 (1-t)\,\delta^\top \nabla^2 A(\eta_1 + t\delta)\,\delta\,\mathrm{d}t,
                  \qquad \delta = \eta_2 - \eta_1,

        by Gauss–Legendre nodes on panels that are halved until they agree. The integrand is positive, so nothing
        cancels however close the two are. Where they are far enough apart the same number is
        :math:`A(\eta_2) - A(\eta_1) - \delta^\top\nabla A(\eta_1)`, and the rounding of A, which is measured, decides.

        Raises `companion.integrals.quadrature.QuadratureError` if neither has a relative error below 1e-8.
        """
        self._check_same_family(other)
        eta = self.natural_parameters()
        delta = other.natural_parameters() - eta
        value, error = self._bregman(eta, delta)
        if np.any(error > 1e-9 * value):
            near, near_error = self._accumulated_information(eta, delta)
            better = near_error < error
            value, error = np.where(better, near, value), np.where(better, near_error, error)
        if not np.all(error <= 1e-8 * value):
            raise quadrature.QuadratureError(
                f"{type(self).__name__}.kl_divergence: reached {checks.describe(value)} with error "
                f"{checks.describe(error)}; "
                "expected at most 1e-8 of it. Write A with fewer cancellations (log1p, expm1), or "
                "override kl_divergence."
            )
        return np.asarray(value)[()]

    def _bregman(self, eta, delta):
        """A(η + δ) − A(η) − δ·∇A(η) and the rounding error of the subtraction."""
        along = lambda point: np.imag(self._log_partition_at(point + 1e-30j * delta)) / 1e-30
        terms = [(self._log_partition_inside, eta + delta), (self._log_partition_inside, eta), (along, eta)]
        a, b, c = (function(point) for function, point in terms)
        size = np.abs(a) + np.abs(b) + np.abs(c)
        noise = 4 * np.finfo(float).eps * size + 4 * sum(_scatter(*term) for term in terms)
        same = ~np.any(delta, axis=-1)
        return np.where(same, 0.0, a - b - c), np.where(same, 0.0, np.where(np.isfinite(noise), noise, np.inf))

    def _accumulated_information(self, eta, delta):
        """The integral of `kl_divergence` and an estimate of its error."""
        nodes, weights = np.polynomial.legendre.leggauss(16)

        def panel(left, right):
            t = (left + (right - left) * (nodes + 1) / 2).reshape(-1, *(1,) * eta.ndim)
            matrix, error = self._fisher_and_error_at(eta + t * delta)
            scale = (1 - t[..., 0]) * (right - left) * weights.reshape(-1, *(1,) * (eta.ndim - 1)) / 2
            forms = np.einsum("...i,...ij,...j->...", delta, matrix, delta)
            doubts = np.einsum("...i,...ij,...j->...", np.abs(delta), error, np.abs(delta))
            return np.sum(scale * forms, axis=0), np.sum(scale * doubts, axis=0)

        total, error, waiting = 0.0, 0.0, [(0.0, 1.0, panel(0.0, 1.0))]
        for count in range(128):
            if not waiting:
                break
            left, right, (whole, _) = waiting.pop()
            middle = (left + right) / 2
            halves = panel(left, middle), panel(middle, right)
            both = halves[0][0] + halves[1][0]
            gap = np.abs(both - whole)
            if count < 64 and np.any(gap > 1e-12 * (total + both)):
                waiting += [(left, middle, halves[0]), (middle, right, halves[1])]
            else:
                total, error = total + both, error + gap + halves[0][1] + halves[1][1]
        return total, error

    def cross_entropy(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        r"""Cross-entropy :math:`-\mathrm{E}_p[\log q]` to another member of the family, in nats, shape of the batch."""
        self._check_same_family(other, "cross_entropy")
        with np.errstate(all="ignore"):
            return sum(self._cross_entropy_terms(other))[()]

    def entropy(self) -> np.ndarray | np.float64:
        r"""Entropy :math:`-\mathrm{E}[\log p]` in nats (for a density: differential entropy, which may be negative)."""
        with np.errstate(all="ignore"):
            return sum(self._cross_entropy_terms(self))[()]

    def _cross_entropy_terms(self, other):
        r"""Numbers that add up to the cross-entropy: here
        :math:`A(\eta_q) - \sum_i\eta_{q,i}\,\mathrm{E}_p[u_i] - \mathrm{E}_p[\log h]`."""
        products = np.moveaxis(other.natural_parameters() * self.mean_parameters(), -1, 0)
        return other.log_partition(), *-products, -self._mean_log_base_measure()

    def _cross_entropy_error(self, other):
        """Bound on the rounding error of `cross_entropy`; of `entropy` if `other` is self."""
        return 16 * _EPS * sum(abs(term) for term in self._cross_entropy_terms(other))

    def _kl_error(self, other, value):
        """Bound on the rounding error of `kl_divergence`, which gave `value`; where derived, what it certifies."""
        derived = type(self).kl_divergence is ExponentialFamily.kl_divergence
        return (1e-8 if derived else self.kl_rounding * _EPS) * np.where(np.isfinite(value), value, 0.0)

    def _check_same_family(self, other, method="kl_divergence"):
        name = type(self).__name__
        where = f"{name}.{method}"
        if type(other) is not type(self):
            checks.fail(
                where,
                "other",
                other,
                f"another {name}",
                f"For two different families call companion.{method}(p, q).",
                TypeError,
            )
        if self.batch_shape != other.batch_shape:
            checks.broadcast(where, **{"the first batch": self.batch_shape, "the second": other.batch_shape})
        for fixed in self.fixed_names:
            mine, theirs = self._parameter(fixed), other._parameter(fixed)
            if fixed not in self.kl_across and not (mine == theirs).all():
                checks.fail(
                    where,
                    f"{fixed} of other",
                    theirs,
                    f"{checks.describe(mine)}, the {fixed} of the first distribution",
                    f"With another {fixed} it is another family: call companion.{method}(p, q), which "
                    "sums or integrates.",
                )

    # --- statistics and fit -----------------------------------------------------------------------------------
    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give `statistics` and `fit` of a new family a signature that shows the parameters it holds fixed."""
        super().__init_subclass__(**kwargs)
        for method, optional in (("statistics", ()), ("fit", cls.fit_options)):
            if method not in vars(cls):
                setattr(cls, method, _showing(cls, method, optional))

    @classmethod
    def statistics(cls, x: ArrayLike, weights: ArrayLike | None = None, **fixed: Any) -> Statistics:
        """Sufficient statistics of data `x` (n, ...) with optional `weights` (n,), as an object that adds.

        The object is a `Statistics`. One pass over chunks, without a copy of the data; parameters that the family holds
        fixed are named, as in `fit`. Masked observations are left out.
        """
        return cls._statistics("statistics", x, weights, fixed)

    @classmethod
    def fit(cls, x: ArrayLike | Statistics, weights: ArrayLike | None = None, **fixed: Any) -> Self:
        """Maximum-likelihood member for data `x` (n, ...) with optional `weights` (n,), or for `Statistics`.

        The likelihood equations of an exponential family say: match the mean of u. Parameters that the family holds
        fixed are given by name; `Statistics` have them in them. Masked observations are left out.

        Raises
        ------
        ValueError
            If data are outside the support, or no maximum exists.
        """
        if not isinstance(x, Statistics):
            return cls._estimate(cls._statistics("fit", x, weights, fixed))
        if x.family is not cls or weights is not None:
            given, expected = ("x", f"statistics of {cls.__name__}") if x.family is not cls else ("weights", "None")
            checks.fail(
                f"{cls.__name__}.fit",
                given,
                x if given == "x" else weights,
                expected,
                f"Pass {cls.__name__}.statistics(data, weights), which has the weights in it.",
                TypeError,
            )
        for name, value in fixed.items():
            if name not in x.fixed or value != x.fixed[name]:
                checks.fail(
                    f"{cls.__name__}.fit",
                    name,
                    value,
                    f"{x.fixed.get(name, 'nothing')}, as in the statistics",
                    "The statistics have the fixed parameters in them: leave them out here.",
                )
        return cls._estimate(x)

    @classmethod
    def _statistics(cls, method, x, weights, fixed):
        where, shape = f"{cls.__name__}.{method}", "(n, d)" if cls.event_ndim else "(n,)"
        options = dict.fromkeys((*cls.fixed_names, *cls.fit_options))
        call = f"Call {where}({', '.join(['x', 'weights=None', *(f'{name}=...' for name in options)])})."
        fix = f"Pass observations as an array of shape {shape}.{' ' + call if options else ''}"
        x, weights = checks.sample(where, x, weights, cls.event_ndim, fix, read=checks.numbers)
        for name in fixed:
            if name not in options:
                checks.fail(where, name, fixed[name], f"no argument {name}", call, TypeError)
        if weights is not None and not weights.all():  # 0 · log 0 = 0
            x, weights = x[weights > 0], weights[weights > 0]
        for name in cls.fixed_names:
            if fixed.get(name) is None and not (method == "fit" and name in cls.fit_options):
                raise TypeError(
                    f"{where}: {name} = missing; expected the value of {name}, which is not estimated. {call}"
                )
        return of_sample(cls, x, weights, cls._fixed(method, x, weights, **fixed), method)

    @classmethod
    def _fixed(cls, method, x, weights):
        """The fixed parameters, checked; a family with `fit_options` finds those that were not given in the data."""
        return {}

    @classmethod
    def _example(cls, **fixed):
        """Any member with these fixed parameters: its support and its u are those of the family."""
        raise NotImplementedError

    # The next four are methods of the `_example`.
    #: Whether the ends of the support are refused by the fit, because no maximum would exist.
    fit_excludes_ends: ClassVar[bool] = False

    def _accepts(self, x):
        """Whether the chunk x may be summed: a cheap test. What it refuses, `_check_sample` explains; NaN and infinite
        values also show in the sums."""
        low, high = self.support
        above, below = (np.greater, np.less) if self.fit_excludes_ends else (np.greater_equal, np.less_equal)
        inside = (low == -np.inf or above(x.min(), low)) and (high == np.inf or below(x.max(), high))
        return inside and (not self.discrete or bool((np.floor(x) == x).all()))

    def _check_sample(self, x, method):
        """Raise an error that names the first observation that cannot be fitted."""
        self._check_data(x, method)

    def _underflows(self, sums, weight):
        """Where the sums may have lost digits because their terms are too small."""
        return False

    # What follows is for sums of u(x) as it is; `ShiftedMoments` and `ShiftedRatios` replace it.
    def _first_shift(self, x, weights):
        return None

    def _sums_about(self, shift, x, weights, work):
        """The sums over a chunk x, about `shift`; `work` are two buffers of its shape."""
        u = self._statistic(x)
        u = u[..., 0] if u.shape[-1] == 1 else u
        return (weighted_sum(u, weights),)

    @classmethod
    def _centre(cls, weight, shift, sums):
        return shift

    @classmethod
    def _shift_for_both(cls, heavy, light):
        """About which two statistics are added, given the shift of the one of larger weight and that of the other."""
        return heavy

    @classmethod
    def _moved(cls, weight, shift, sums, new, **fixed):
        """The sums about the shift `new`."""
        return sums

    @classmethod
    def _mean_statistic(cls, statistics):
        return statistics.sums[0] / statistics.weight

    @classmethod
    def _estimate(cls, statistics):
        """The maximum-likelihood member, or an error that says why there is none."""
        raise NotImplementedError

    # --- shared helpers ---------------------------------------------------------------------------------------
    @classmethod
    def _natural_column(cls, eta, k=1):
        """`eta` checked to be finite with last axis k; with any if k is the name of its length."""
        return cls._column("from_natural", "eta", eta, k, "natural parameters")

    @classmethod
    def _mean_column(cls, mu, k=1):
        """`mu` checked to be finite with last axis k."""
        return cls._column("from_mean_parameters", "mu", mu, k, "means of u(x)")

    @classmethod
    def _column(cls, method, name, vector, k, content):
        where, fix = f"{cls.__name__}.{method}", f"The last axis holds the {content}, {k} of them."
        vector = checks.finite(where, name, vector, fix)
        if vector.ndim == 0 or (isinstance(k, int) and vector.shape[-1] != k):
            checks.fail(where, f"shape of {name}", vector.shape, f"(..., {k})", fix)
        return vector


def _showing(cls: type[ExponentialFamily], method: str, optional: tuple[str, ...]) -> Any:
    """The class method `method` of `cls`, with the fixed parameters of the family in its signature."""
    inherited = getattr(cls, method).__func__

    @wraps(inherited)
    def call(cls: Any, x: Any, weights: Any = None, **fixed: Any) -> Any:
        return inherited(cls, x, weights, **fixed)

    signature = inspect.signature(getattr(ExponentialFamily, method).__func__)
    shown = [v for v in signature.parameters.values() if v.kind is not v.VAR_KEYWORD]
    for name in dict.fromkeys((*cls.fixed_names, *cls.fit_options)):
        default = None if name in optional or name not in cls.fixed_names else inspect.Parameter.empty
        shown.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation="float"))
    vars(call)["__signature__"] = signature.replace(parameters=shown)
    return classmethod(call)
