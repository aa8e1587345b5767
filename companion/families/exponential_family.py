r"""What all exponential families share: two functions define one, the rest is derived once, here.

A density is :math:`p(x\mid\eta) = h(x)\,\exp(\eta^\top u(x) - A(\eta))`. A family states its sufficient statistic
:math:`u` and its log-partition function :math:`A`; this module derives the log-density, the mean parameters
:math:`\nabla A`, the Fisher information :math:`\nabla^2 A`, the KL divergence, the entropy and the fit. A family
overrides what it can compute more accurately, and the property tests compare both.

Ordinary parameters are stored, natural ones derived from them: the reverse loses digits.
"""

from __future__ import annotations

import inspect
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import log_partition
from companion.families.distribution import Distribution
from companion.families.statistics import Statistics, of_sample
from companion.families.sums import Sums, Totals
from companion.integrals import quadrature

_EPS = np.finfo(float).eps


class ExponentialFamily(Distribution):
    r"""A family of densities :math:`h(x)\exp(\eta^\top u(x) - A(\eta))`.

    A subclass states `_statistic` (u), `_log_partition_at` (A, written with functions that accept complex numbers),
    `natural_parameters` (:math:`\eta` of the ordinary parameters) and `from_natural`; `_log_base_measure` where h is
    not 1. Everything below then works.

    A cross-entropy is stated as the terms of a sum (`_cross_entropy_terms`): their sizes bound its rounding error.
    """

    #: Bound on the relative error of `kl_divergence`, in units of 2^-52.
    kl_rounding: ClassVar[float] = 16.0
    #: Name of the distribution in ``scipy.stats``, where it is there.
    scipy_name: ClassVar[str | None] = None

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
    def _random_member(cls, rng: np.random.Generator) -> Self:
        """A member with ordinary parameters, those that the family holds fixed being the same in every draw."""
        raise NotImplementedError

    @staticmethod
    def _scipy_arguments(**arguments: Any) -> list[Any] | None:
        """The constructor's arguments for the arguments of the frozen distribution `scipy_name`, loc and scale among
        them; None where these lead out of the family."""
        return None

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
        return log_partition.gradient(self._log_partition_at, self.natural_parameters())

    def _expected_sums(self) -> Sums:
        """The sums of one observation, as this member expects them: fitted to them is the member itself."""
        if not issubclass(self._sums, Totals):
            raise NotImplementedError(
                f"{type(self).__name__}: _expected_sums = missing; expected the {self._sums.__name__} of one "
                "observation, from which a natural-gradient step starts. Define the method beside mean_parameters."
            )
        mu = self.mean_parameters()
        return self._sums(weight=1.0, total=mu[0] if mu.size == 1 else mu)

    def fisher_information(self) -> np.ndarray:
        r"""Fisher information :math:`\nabla^2 A(\eta) = \mathrm{Cov}[u(x)]` about the natural parameters,
        shape ``batch_shape + (k, k)``, by extrapolated differences of the complex-step gradient (about ten digits),
        with steps that stay inside the parameter space."""
        return log_partition.hessian(self._log_partition_at, self.natural_parameters())[0]

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
        value, error = log_partition.bregman(self._log_partition_at, eta, delta)
        if np.any(error > 1e-9 * value):
            near, near_error = log_partition.accumulated_information(self._log_partition_at, eta, delta)
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
            mine, theirs = self.parameter(fixed), other.parameter(fixed)
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
            return cls._fitted(cls._statistics("fit", x, weights, fixed))
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
        return cls._fitted(x)

    @classmethod
    def _fitted(cls, statistics):
        return cls._estimate(statistics.sums, **statistics.fixed)

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

    # --- what a subclass may state about its fit ----------------------------------------------------------------------
    #: What is kept of a sample; a kind of `companion.families.sums`.
    _sums: ClassVar[type[Sums]] = Totals
    #: Whether the ends of the support are refused by the fit, because no maximum would exist.
    fit_excludes_ends: ClassVar[bool] = False

    @classmethod
    def _estimate(cls, sums: Any, *args: Any, **fixed: Any) -> Self:
        """The maximum-likelihood member for `sums`, of the kind that the family names, or an error that says why there
        is none. Here: the member whose mean of u is that of the sample."""
        return cls.from_mean_parameters(sums.mean(), **fixed)

    @classmethod
    def _example(cls, *args: Any, **fixed: Any) -> Self:
        """Any member with the fixed parameters: its support and its u are those of the family. Here all its other
        parameters are 0.5, which no family of numbers refuses."""
        return cls(**{name: fixed.get(name, 0.5) for name in cls.parameter_names})

    def _accepts(self, x: np.ndarray) -> bool:
        """Whether the chunk x may be summed, asked of `_example`: a cheap test. What it refuses, `_check_sample`
        explains; NaN and infinite values also show in the sums."""
        low, high = self.support
        above, below = (np.greater, np.less) if self.fit_excludes_ends else (np.greater_equal, np.less_equal)
        inside = (low == -np.inf or above(np.minimum.reduce(x, axis=None), low)) and (
            high == np.inf or below(np.maximum.reduce(x, axis=None), high)
        )
        return inside and (not self.discrete or bool((np.floor(x) == x).all()))

    def _check_sample(self, x: np.ndarray, method: str) -> None:
        """Raise an error that names the first observation that cannot be fitted, asked of `_example`."""
        self._check_data(x, method)

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
