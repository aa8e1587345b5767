r"""What all families share: two functions define an exponential family, the rest is derived once, here.

A density is :math:`p(x\mid\eta) = h(x)\,\exp(\eta^\top u(x) - A(\eta))`. A family states its sufficient statistic
:math:`u` and its log-partition function :math:`A`; this module derives the log-density, the mean parameters
:math:`\nabla A`, the Fisher information :math:`\nabla^2 A`, the KL divergence, the entropy and the fit. A family
overrides what it can compute more accurately, and the property tests compare both.

Ordinary parameters are stored, natural ones derived from them: the reverse loses digits.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np

from companion import checks, quadrature
from companion.families import statistics


def _shown(parameter):
    """Every digit of up to 24 numbers, so that the repr of a member evaluates to it; a description of larger arrays."""
    return (
        repr(parameter.tolist())
        if isinstance(parameter, np.ndarray) and parameter.size <= 24
        else checks.describe(parameter)
    )


def _scatter(function, point):
    """Rounding error of `function` near `point`, seen in fourth differences, which a smooth function does not have."""
    with np.errstate(all="ignore"):
        values = np.stack([function(point * (1 + 1e-4 * k)) for k in (-2, -1, 0, 1, 2)])
        return np.abs(np.tensordot([1, -4, 6, -4, 1], values, axes=1)) / np.sqrt(70)


class Distribution:
    """An immutable distribution with parameters that broadcast; ``batch_shape`` is the shape of the batch.

    A subclass lists ``parameter_names`` and sets the attributes in ``__init__`` through `_store`.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
    #: Parameters that are part of the family and not estimated, e.g. the n of a binomial.
    fixed_names: ClassVar[tuple[str, ...]] = ()
    #: Those of them in which the two distributions of a closed-form KL divergence may differ.
    kl_across: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[bool] = False
    #: Whether x and x + 2π are one point: any number is an angle, and the support is written as one turn.
    circular: ClassVar[bool] = False
    #: Optional keyword arguments of `fit`.
    fit_options: ClassVar[tuple[str, ...]] = ()
    #: 0 for numbers, 1 for vectors.
    event_ndim: ClassVar[int] = 0

    batch_shape: tuple[int, ...]
    #: The classmethod that takes `parameter_names`; empty for the class itself. `from_logits` sets both on its members.
    _constructor: str = ""

    def _store(self, batch_shape=(), **values):
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "batch_shape", tuple(batch_shape))

    def _parameter(self, name):
        """A stored parameter; one whose name is also a method (``mean``) is stored with an underscore."""
        return vars(self)[name if name in vars(self) else f"_{name}"]

    def __setattr__(self, name, value):
        raise AttributeError(
            f"{type(self).__name__}.{name} cannot be assigned: distributions are immutable. "
            f"Make a new one, e.g. {type(self).__name__}({', '.join(self.parameter_names)})."
        )

    def __repr__(self):
        inside = ", ".join(f"{name}={_shown(self._parameter(name))}" for name in self.parameter_names)
        return f"{type(self).__name__}{self._constructor and '.' + self._constructor}({inside})"

    def __eq__(self, other):
        """Whether both were made from the same numbers (0.5 and log-odds 0 are the same distribution, but not equal)."""
        return (
            type(self) is type(other)
            and self.parameter_names == other.parameter_names
            and all(np.array_equal(self._parameter(name), other._parameter(name)) for name in self.parameter_names)
        )

    __hash__ = None

    def __iter__(self):
        """The members of a batch of shape (K,), one after another."""
        if len(self.batch_shape) != 1:
            raise TypeError(
                f"{type(self).__name__}: shape of the batch = {self.batch_shape}; expected (K,) to iterate over. "
                "Index parameters yourself for other shapes."
            )
        return (self._member((k,)) for k in range(self.batch_shape[0]))

    def _inside(self, x):
        """Where the numbers `x` lie in the support."""
        low, high = self.support
        inside = (x >= low) & (x <= high) & np.isfinite(x)
        return inside & (x == np.floor(x)) if self.discrete else inside

    def _check_data(self, x, method="log_prob"):
        """`x` as a float array of numbers inside the support, or an error that names the first one outside."""
        where = f"{type(self).__name__}.{method}"
        x = checks.real_array(where, "x", x, "Pass numbers, without missing values.", truths=True)
        checks.broadcast(where, x=x.shape, batch=self.batch_shape)
        expected = f"a value in the support {self.describe_support()}"
        checks.require(
            where,
            "x",
            x,
            self._inside(x),
            expected,
            "Data outside the support have likelihood zero: check units and coding.",
        )
        return x

    def describe_support(self):
        low, high = self.support
        low, high = np.min(low), np.max(high)
        if not self.discrete:
            return f"({low:g}, {high:g})"
        if not np.isfinite(high):
            return f"{{{low:g}, {low + 1:g}, …}}"
        return f"{{{low:g}, {high:g}}}" if high == low + 1 else f"{{{low:g}, …, {high:g}}}"

    def _numeric(self, function, *others):
        """`function(self, *others).value` of `companion.quadrature` for every member of the batch."""
        members = [np.broadcast_shapes(self.batch_shape, *(o.batch_shape for o in others))]
        result = np.empty(members[0])
        for index in np.ndindex(*members[0]):
            result[index] = function(*(d._member(index) for d in (self, *others))).value
        return result[()]

    def _member(self, index):
        """The single distribution at `index` of a batch that `batch_shape` broadcasts to."""
        if self.batch_shape == ():
            return self
        index = index[len(index) - len(self.batch_shape) :]
        index = tuple(i if size > 1 else 0 for i, size in zip(index, self.batch_shape))
        make = getattr(type(self), self._constructor) if self._constructor else type(self)
        return make(*(self._parameter(name)[index] for name in self.parameter_names))


class ExponentialFamily(Distribution):
    r"""A family of densities :math:`h(x)\exp(\eta^\top u(x) - A(\eta))`.

    A subclass states `_statistic` (u), `_log_partition_at` (A, written with functions that accept complex numbers),
    `natural_parameters` (:math:`\eta` of the ordinary parameters) and `from_natural`; `_log_base_measure` where h is
    not 1. Everything below then works.
    """

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
        """E[log h(x)], shape of the batch."""
        return np.zeros(self.batch_shape)[()]

    def natural_parameters(self):
        r"""Natural parameters :math:`\eta`, shape ``batch_shape + (k,)``."""
        raise NotImplementedError

    @classmethod
    def from_natural(cls, eta):
        r"""The member with natural parameters `eta` of shape (..., k)."""
        raise NotImplementedError

    @classmethod
    def from_mean_parameters(cls, mu):
        r"""The member with mean parameters :math:`\mathrm{E}[u(x)]` = `mu` of shape (..., k)."""
        raise NotImplementedError

    # --- derived once for all ---------------------------------------------------------------------------------
    def sufficient_statistics(self, x):
        """u(x) for data of shape (n, ...): array of shape (n, ..., k)."""
        return self._statistic(self._check_data(x, "sufficient_statistics"))

    def log_partition(self):
        r"""Log-partition function :math:`A(\eta)`, in nats, shape of the batch."""
        return self._log_partition_at(self.natural_parameters())[()]

    def log_prob(self, x):
        r"""Log-density or log-probability :math:`\log p(x)`, in nats; `x` broadcasts against the batch.

        Raises `ValueError` for data outside the support.
        """
        x = self._check_data(x)
        inner = np.sum(self.natural_parameters() * self._statistic(x), axis=-1)
        return (inner - self.log_partition() + self._log_base_measure(x))[()]

    def mean_parameters(self):
        r"""Mean parameters :math:`\mathrm{E}[u(x)] = \nabla A(\eta)`, shape ``batch_shape + (k,)``, by complex step."""
        return self._gradient_of_log_partition(self.natural_parameters())

    def _gradient_of_log_partition(self, eta):
        step = 1e-30  # no subtraction, so the step may be as small as one likes
        k = eta.shape[-1]
        return np.stack(
            [np.imag(self._log_partition_at(eta + 1j * step * np.eye(k)[i])) / step for i in range(k)], axis=-1
        )

    def fisher_information(self):
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

    def kl_divergence(self, other):
        r"""KL divergence to another member of the family, in nats, as accumulated Fisher information:

        .. math:: \mathrm{KL}(\eta_1\|\eta_2) = \int_0^1 (1-t)\,\delta^\top \nabla^2 A(\eta_1 + t\delta)\,\delta\,\mathrm{d}t,
                  \qquad \delta = \eta_2 - \eta_1,

        by Gauss–Legendre nodes on panels that are halved until they agree. The integrand is positive, so nothing
        cancels however close the two are. Where they are far enough apart the same number is
        :math:`A(\eta_2) - A(\eta_1) - \delta^\top\nabla A(\eta_1)`, and the rounding of A, which is measured, decides.

        Raises `companion.quadrature.QuadratureError` if neither has a relative error below 1e-8.
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

    def cross_entropy(self, other):
        r"""Cross-entropy :math:`-\mathrm{E}_p[\log q]` = :math:`A(\eta_q) - \eta_q^\top\mathrm{E}_p[u] - \mathrm{E}_p[\log h]`,
        in nats, shape of the batch."""
        self._check_same_family(other, "cross_entropy")
        inner = np.sum(other.natural_parameters() * self.mean_parameters(), axis=-1)
        return (other.log_partition() - inner - self._mean_log_base_measure())[()]

    def entropy(self):
        r"""Entropy :math:`-\mathrm{E}[\log p]` in nats (for a density: differential entropy, which may be negative)."""
        return self.cross_entropy(self)

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
        checks.broadcast(where, **{"the first batch": self.batch_shape, "the second": other.batch_shape})
        for fixed in self.fixed_names:
            mine, theirs = self._parameter(fixed), other._parameter(fixed)
            if fixed not in self.kl_across and not np.all(mine == theirs):
                checks.fail(
                    where,
                    f"{fixed} of other",
                    theirs,
                    f"{checks.describe(mine)}, the {fixed} of the first distribution",
                    f"With another {fixed} it is another family: call companion.{method}(p, q), which "
                    "sums or integrates.",
                )

    # --- statistics and fit -----------------------------------------------------------------------------------
    @classmethod
    def statistics(cls, x, weights=None, **fixed):
        """Sufficient statistics of data `x` (n, ...) with optional `weights` (n,), as an object that adds: `Statistics`.

        One pass over chunks, without a copy of the data; parameters that the family holds fixed are named, as in `fit`.
        """
        return cls._statistics("statistics", x, weights, fixed)

    @classmethod
    def fit(cls, x, weights=None, **fixed):
        """Maximum-likelihood member for data `x` (n, ...) with optional `weights` (n,), or for `Statistics`.

        The likelihood equations of an exponential family say: match the mean of u. Raises `ValueError` where no
        maximum exists.
        """
        if not isinstance(x, statistics.Statistics):
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
        x, weights = checks.sample(
            where, x, weights, cls.event_ndim, f"Pass observations as an array of shape {shape}.", read=checks.numbers
        )
        options = dict.fromkeys((*cls.fixed_names, *cls.fit_options))
        call = f"Call {where}({', '.join(['x', 'weights=None', *(f'{name}=...' for name in options)])})."
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
        return statistics.of_sample(cls, x, weights, cls._fixed(method, x, weights, **fixed), method)

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

    # What follows is for sums of u(x) as it is; `ShiftedMoments` and `ShiftedRatios` replace it.
    def _first_shift(self, x, weights):
        return None

    def _sums_about(self, shift, x, weights, work):
        """The sums over a chunk x, about `shift`; `work` are two buffers of its shape."""
        u = self._statistic(x)
        u = u[..., 0] if u.shape[-1] == 1 else u
        return (statistics.weighted_sum(u, weights),)

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
    def _draw_shape(self, n, rng):
        where = f"{type(self).__name__}.sample"
        return (checks.sample_size(where, n), *self.batch_shape), checks.generator(where, rng)

    @classmethod
    def _natural_column(cls, eta, k=1):
        """`eta` checked to be finite with last axis k."""
        return cls._column("from_natural", "eta", eta, k, "natural parameters")

    @classmethod
    def _mean_column(cls, mu, k=1):
        """`mu` checked to be finite with last axis k."""
        return cls._column("from_mean_parameters", "mu", mu, k, "means of u(x)")

    @classmethod
    def _column(cls, method, name, vector, k, content):
        where, fix = f"{cls.__name__}.{method}", f"The last axis holds the {content}, {k} of them."
        vector = checks.finite(where, name, vector, fix)
        if vector.ndim == 0 or vector.shape[-1] != k:
            checks.fail(where, f"shape of {name}", vector.shape, f"(..., {k})", fix)
        return vector
