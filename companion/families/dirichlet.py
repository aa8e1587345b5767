"""Dirichlet distribution: random probability vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import gammaln, loggamma, psi, softmax, xlogy, zeta

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.families.sums import Moments
from companion.special import gamma_function
from companion.special.concentrations import single_divergence
from companion.special.remainders import log_ratio, phi

_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class MeanLogs(Moments):
    """Moments of y = log x, by coordinate. The fit needs the means; the squares tell if all observations are equal."""

    chunk = 2**16

    @staticmethod
    def variable(x, out):
        return np.log(x, out=out)

    def mean(self):
        return self.mean_and_variance()[0]

    def check_fit(self, where: str) -> None:
        """Raise an error if no concentrations, or none that doubles can hold, have these means."""
        mean, variance = self.mean_and_variance()
        if not variance.any():
            fix = "With all observations equal the likelihood grows without bound as the concentrations rise: "
            checks.fail(where, "variance of log x", 0.0, "observations that differ", fix + "no maximum exists.")
        gap = _gap(mean)  # of the order of the variances, and their only measure of concentration
        most = (mean.size - 1) / (200 * _EPS * (1 - mean.min()))
        total = (mean.size - 1) / (2 * gap) if gap > 0 else np.inf
        fix = "Beyond, the means of the logarithms have no digits of it: a normal distribution says as much."
        checks.require(where, "sum of the concentrations", total, total <= most, f"at most {most:.0e}", fix)


class Dirichlet(ExponentialFamily):
    r"""Dirichlet distribution on the vectors of d positive numbers that sum to one.

    .. math::

       p(x) = \frac{\Gamma(A)}{\prod_i\Gamma(\alpha_i)}\prod_i x_i^{\alpha_i-1}, \quad A = \sum_i\alpha_i, \qquad
       u(x) = (\log x_1, \dots, \log x_d), \qquad \eta = \alpha, \qquad h(x) = \prod_i \tfrac1{x_i}

       A(\eta) = \sum_i\log\Gamma(\eta_i) - \log\Gamma\Big(\sum_i\eta_i\Big), \qquad
       \mathrm{E}[u]_i = \psi(\alpha_i) - \psi(A)

       \mathrm{KL}(p\|q) = \sum_i q_i\,\varphi\Big(\frac{p_iQ}{q_iP}-1\Big)
       + \tfrac12\Big[\sum_i\varphi(s_i) - \varphi(S)\Big] + \sum_i B_R(q_i, p_i) - B_R(Q, P)

    where p, q are the two α with sums P, Q, :math:`s_i = (q_i-p_i)/p_i`, :math:`S = (Q-P)/P`, and B_R is the Bregman
    divergence of Stirling's remainder (`companion.special.gamma_function`).

    Parameters
    ----------
    alpha : array_like, shape (..., d)
        Concentrations, positive, along the last axis; leading axes are the batch.

    Raises
    ------
    ValueError
        If a concentration is not a positive finite number, or data do not sum to one; from `fit`, if an observation has
        a zero or all are equal (no maximum exists), or the concentrations are too large: their relative error is about
        1e-16 times their sum.

    References
    ----------
    Wainwright and Jordan (2008), section 3; Minka (2000) for the fit.

    Examples
    --------
    >>> round(float(Dirichlet([1.0, 1.0, 1.0]).kl_divergence(Dirichlet([2.0, 1.0, 1.0]))), 6)
    0.401388
    >>> Dirichlet([1.0, 2.0, 5.0]).mean().tolist()
    [0.125, 0.25, 0.625]
    """

    parameter_names = ("alpha",)
    event_ndim = 1
    support = (0, 1)

    # --- parameters
    def __init__(self, alpha: ArrayLike) -> None:
        fix = "Pass one positive concentration for each coordinate, along the last axis."
        alpha = checks.positive("Dirichlet", "alpha", alpha, fix)
        if alpha.ndim == 0 or alpha.shape[-1] < 2:
            checks.fail("Dirichlet", "shape of alpha", alpha.shape, "(..., d) with d at least 2", fix)
        self._store(alpha.shape[:-1], alpha=alpha)

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self.alpha.shape[-1]

    def natural_parameters(self):
        return self.alpha

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        return cls(cls._natural_column(eta, "d"))

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        return cls(inverse_mean_map(cls._mean_column(mu, "d"), "Dirichlet.from_mean_parameters"))

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return np.log(x)

    def _log_partition_at(self, eta):
        return np.sum(loggamma(eta), axis=-1) - loggamma(np.sum(eta, axis=-1))

    def _log_base_measure(self, x):
        with np.errstate(divide="ignore"):
            return -np.sum(np.log(x), axis=-1)

    def _mean_log_base_measure(self):
        return -np.sum(self.mean_parameters(), axis=-1)[()]

    def mean_parameters(self):
        return psi(self.alpha) - psi(self._total())

    def _expected_sums(self):
        mu, variance = self.mean_parameters(), np.diagonal(self.fisher_information())
        return MeanLogs(weight=1.0, shift=mu, first=np.zeros(mu.size), second=variance)

    def fisher_information(self):
        return zeta(2, self.alpha)[..., None] * np.eye(self.dimension) - zeta(2, self._total())[..., None]

    def _total(self):
        return np.sum(self.alpha, axis=-1, keepdims=True)

    # --- evaluation
    kl_rounding = 4096.0

    def _check_data(self, x, method="log_prob"):
        return self._read(checks.probability_vector(f"Dirichlet.{method}", "x", x), method)

    def _read(self, x, method):
        where, fix = f"Dirichlet.{method}", "Each observation is a vector of probabilities along the last axis."
        x = checks.real_array(where, "x", x, fix)
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            checks.fail(where, "shape of x", x.shape, f"(..., {self.dimension})", fix)
        checks.broadcast(where, x=x.shape[:-1], batch=self.batch_shape)
        return x

    def _inside(self, x):
        with np.errstate(invalid="ignore"):
            return np.all(x >= 0, axis=-1) & (np.abs(np.sum(x, axis=-1) - 1) <= checks.SUM_TOLERANCE)

    def _log_prob(self, x):
        a, total, z = self.alpha, self._total(), np.where(x > 0, x, 1.0)
        inside = gamma_function.log_peak(a) - np.log(z) - a * phi((total * z - a) / a, total * z / a)
        inside = np.sum(inside, axis=-1) - gamma_function.log_peak(total)[..., 0]
        with np.errstate(invalid="ignore"):
            face = np.sum(xlogy(a - 1, x) - gammaln(a), axis=-1) + gammaln(total)[..., 0]
        checks.require(
            "Dirichlet.log_prob",
            "smallest entry of x",
            np.min(x, axis=-1),
            ~np.isnan(face),
            "a point where the density has a limit",
            "Zeros at concentrations below and above 1 together have none.",
        )
        return np.where(np.all(x > 0, axis=-1), inside, face)[()]

    def mean(self):
        return self.alpha / self._total()

    def variance(self):
        """Variances of the coordinates, (..., d)."""
        total = self._total()
        return self.alpha * (total - self.alpha) / (total**2 * (total + 1))

    def _cross_entropy_terms(self, other):
        """For large concentrations entropy and KL divergence, the former in Stirling's form; else term by term."""
        a, total, q, total_q = self.alpha, self._total(), other.alpha, other._total()
        if other is self:
            cells = -gamma_function.log_peak(a), log_ratio(a, total), (a - 1) * gamma_function.excess(a)
            whole = gamma_function.log_peak(total), (self.dimension - total) * gamma_function.excess(total)
            others = *(v[..., i] for v in cells for i in range(self.dimension)), *(v[..., 0] for v in whole)
        else:
            others = *self._cross_entropy_terms(self), self.kl_divergence(other)
        cells = gamma_function.log_gamma(q), (1 - q) * psi(a)
        whole = -gamma_function.log_gamma(total_q), (total_q - self.dimension) * psi(total)
        plain = *(v[..., i] for v in cells for i in range(self.dimension)), *(v[..., 0] for v in whole)
        return gamma_function.smaller_terms(plain, others)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return divergence(self.alpha, other.alpha)

    def _check_same_family(self, other, method="kl_divergence"):
        super()._check_same_family(other, method)
        if self.dimension != other.dimension:
            checks.fail(
                f"Dirichlet.{method}",
                "coordinates of other",
                other.dimension,
                f"{self.dimension}, as many as the first distribution",
                "Compare distributions of the same vector.",
            )

    # --- sampling and conversion
    def _draw(self, size, rng):
        size = size + (self.dimension,)
        # logarithms of gammas, G(α) = G(α + 1) U^(1/α), since for small α they underflow, all of them together
        return softmax(
            np.log(rng.standard_gamma(self.alpha + 1, size)) - rng.standard_exponential(size) / self.alpha, axis=-1
        )

    def to_scipy(self):
        if self.batch_shape:
            checks.fail(
                "Dirichlet.to_scipy",
                "shape of the batch",
                self.batch_shape,
                "one distribution, shape ()",
                "Convert the members one by one.",
            )
        return stats.dirichlet(self.alpha)

    # --- fit
    _sums = MeanLogs
    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(np.exp(rng.normal(0.5, 0.6, 3)))

    @classmethod
    def _example(cls):
        return cls([1.0, 1.0])

    def _accepts(self, x):
        return x.shape[1] > 1 and x.min() > 0 and np.all(np.abs(x.sum(axis=1) - 1) <= checks.SUM_TOLERANCE)

    def _check_sample(self, x, method):
        where = f"Dirichlet.{method}"
        if x.shape[1] < 2:
            checks.fail(
                where,
                "shape of x",
                x.shape,
                "(n, d) with d at least 2",
                "Pass one vector of probabilities in each row.",
            )
        checks.require(
            where,
            "x",
            x,
            ~(x <= 0),
            "positive proportions",
            "The density at a zero is zero or unbounded: no maximum exists. Merge or drop rare cells.",
        )
        type(self)(np.ones(x.shape[1]))._check_data(x, method)

    @classmethod
    def _estimate(cls, sums: MeanLogs) -> Self:
        sums.check_fit("Dirichlet.fit")
        return cls.from_mean_parameters(sums.mean())


def divergence(p, q):
    """KL divergence of concentrations (..., d): the form of the class docstring, arranged so that nothing cancels.

    With w = p/P and x_i = (s_i − S)/(1 + S), Σ w_i φ(s_i) − φ(S) = Σ w_i φ(x_i). The largest cell, which may be all but
    the total, comes last: s_i − S is measured from it, and its B_R joins that of the total.

    It is not negative: every cell is a sum of φ, and B_R(q_i, p_i) ≤ ½φ(s_i) bounds what `bregman_drop` may take away.
    """
    if p.ndim == q.ndim == 1 and (value := single_divergence(p, q)) is not None:
        return np.float64(value)
    with np.errstate(all="ignore"):
        return _divergence(p, q)


def _divergence(p, q):
    if p.shape != q.shape:
        p, q = np.broadcast_arrays(p, q)
    order = p.argsort(axis=-1)
    if p.ndim == 1:
        p, q = p[order], q[order]
    else:  # coordinates first, so that sums over them broadcast
        p, q = (np.moveaxis(np.take_along_axis(v, order, -1), -1, 0) for v in (p, q))
    rows = np.empty((3, len(p) + 1, *p.shape[1:]))  # p, q and q − p, each with its total as the last entry
    rows[0, :-1], rows[1, :-1], step = p, q, np.subtract(q, p, out=rows[2, :-1])
    rest, rest_after, rest_step = rests = np.add.reduce(rows[:, :-2], axis=1)
    before, after, _ = np.add(rests, rows[:, -2], out=rows[:, -1])
    s, w, growth = step / p, p / before, q / p
    ratio = growth * (before / after)
    pick = partial(_pick, (abs(s) < 0.5).all(axis=0))
    away = s - s[-1]
    # y_i = p_i Q/(q_i P) − 1; for the last cell of what is not in it
    y = pick(lambda: (np.add.reduce(w * away) - away) / growth, lambda: 1 / ratio - 1)
    odds = pick(lambda: (rest_step - rest * s[-1]) / q[-1], lambda: rest_after / q[-1] - rest / p[-1])
    last = y[-1] = odds * w[-1]
    x = pick(lambda: -y / (1 + y), lambda: ratio - 1)
    x[-1] = -last / (1 + last)
    phi_y, phi_s, phi_x = phi(np.array((y, s, x)), np.array((1 / ratio, growth, ratio)))
    others = 1 - w
    others[-1] = rest / before
    cells = np.add.reduce(q * phi_y + 0.5 * (others * phi_s + w * phi_x))
    if (rest > 0.05 * before).all():  # the B_R of the last cell and of the total do not cancel
        parts = gamma_function.bregman(*rows)
        return cells + (np.add.reduce(parts[:-1]) - parts[-1])
    parts = gamma_function.bregman(*rows[:, :-2])
    return cells + (np.add.reduce(parts) + gamma_function.bregman_drop(p[-1], q[-1], rest, rest_after, rest_step))


def _pick(near, one, other):
    """`one` or `other`, or some entries of both."""
    if not isinstance(near, np.ndarray):
        return one() if near else other()
    return np.where(near, one(), other())


def _gap(mu):
    """−log Σ exp(mu_i), which is 0 for a point and positive for mean logarithms."""
    top = np.max(mu, axis=-1, keepdims=True)
    return -np.log(np.sum(np.exp(mu - top), axis=-1)) - top[..., 0]


def inverse_mean_map(mu, where):
    """The concentrations with E[log x_i] = mu_i (..., d), or an error of `where`."""
    gap = _gap(mu)
    fix = "E[log x_i], for every coordinate."
    checks.require(where, "sum of exp(mu)", np.exp(-gap), gap > 0, "less than 1", fix)
    return _inverse_mean_map(mu, gap)


def _inverse_mean_map(mu, gap):
    r"""α with ψ(α_i) − ψ(A) = mu_i, by Newton's method; `gap` = −log Σ exp(mu_i) is close to (d − 1)/(2A).

    The Hessian of the log-partition function, diag(ψ′(α)) − ψ′(A), is inverted by the formula of Sherman and Morrison
    (Minka 2000). A step down is taken as α/(1 + s), so that α stays positive. It ends after a step that the next would
    square below rounding, or one as small as what the rounding of `mu` explains.
    """
    if mu.ndim == 1 and mu.size <= 16 and (alpha := _inverse_mean_map_of_one(mu.tolist(), float(gap))) is not None:
        return np.array(alpha)
    smallest = np.min(mu, axis=-1)
    total = np.maximum((mu.shape[-1] - 1) / (2 * gap), 1 / -smallest)[..., None]
    y = mu + psi(total)  # ψ(a) = y: a is close to e^y + ½ or to 1/(−y − γ)
    a = np.where(y > -2.22, np.exp(np.maximum(y, -2.22)) + 0.5, 1 / np.maximum(-y - np.euler_gamma, 0.1))
    enough = np.maximum(1e-8, 16 * _EPS * (1 - smallest) / gap)
    done = np.zeros(gap.shape, dtype=bool)
    for _ in range(100):
        total = np.sum(a, axis=-1, keepdims=True)
        residual = mu - psi(a) + psi(total)
        inverse, slope = 1 / zeta(2, a), zeta(2, total)
        shared = np.sum(inverse * residual, axis=-1, keepdims=True) / (
            1 / slope - np.sum(inverse, axis=-1, keepdims=True)
        )
        step = inverse * (residual + shared) / a
        a = a * np.where(step > -0.5, 1 + step, 1 / (1 - step))
        done |= np.max(np.abs(step), axis=-1) <= enough
        if done.all():
            return a
    raise ArithmeticError("Dirichlet.from_mean_parameters: no concentrations found in 100 steps; expected 30 to do.")


def _inverse_mean_map_of_one(mu, gap):
    """`_inverse_mean_map` of plain numbers: the same steps without arrays; None where these leave their range."""
    try:
        smallest = min(mu)
        total = max((len(mu) - 1) / (2 * gap), -1 / smallest)
        start = float(psi(total))
        a = [
            math.exp(m + start) + 0.5 if m + start > -2.22 else 1 / max(-(m + start) - np.euler_gamma, 0.1) for m in mu
        ]
        enough = max(1e-8, 16 * _EPS * (1 - smallest) / gap)
        for _ in range(100):
            total = sum(a)
            of_total, slope = float(psi(total)), float(zeta(2, total))
            residual = [m - float(psi(v)) + of_total for m, v in zip(mu, a)]
            inverse = [1 / float(zeta(2, v)) for v in a]
            shared = sum(i * r for i, r in zip(inverse, residual)) / (1 / slope - sum(inverse))
            step = [i * (r + shared) / v for i, r, v in zip(inverse, residual, a)]
            a = [v * (1 + s) if s > -0.5 else v / (1 - s) for v, s in zip(a, step)]
            if max(map(abs, step)) <= enough:
                return a
    except (ArithmeticError, ValueError):
        pass
    return None
