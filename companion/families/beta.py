"""Beta distribution: a random probability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import betainccinv, betaincinv, betaln, psi, xlog1py, xlogy

from companion import checks
from companion.families import tails
from companion.families.adding import count, dot, first_mean, head, sum_of_logs, weighted_sum
from companion.families.dirichlet import Dirichlet, divergence
from companion.families.exponential_family import ExponentialFamily
from companion.families.scipy_arguments import unshifted
from companion.families.sums import Shifted
from companion.special import gamma_function
from companion.special.remainders import phi


@dataclass(frozen=True, eq=False)
class LogGapPairs(Shifted):
    r"""What the logarithms of x and of 1 − x are less than their tangents at a point c.

    Attributes
    ----------
    shift : float
        The point c, the mean of x once all observations are in.
    ratio : float
        :math:`\sum w\,\tfrac{x-c}{c}`.
    left, right : float
        :math:`\sum w\,\varphi\big(\tfrac{x-c}{c}\big)` and :math:`\sum w\,\varphi\big(\tfrac{c-x}{1-c}\big)`, where
        φ(t) = t − log(1 + t). About the mean these are log c less the mean of log x, and log(1 − c) less that of
        log(1 − x).
    """

    ratio: float
    left: float
    right: float

    @classmethod
    def start(cls, member, x, weights):
        return cls(weight=0.0, shift=_inside(first_mean(*head(x, weights))), ratio=0.0, left=0.0, right=0.0)

    def update(self, member, x, weights, work):
        """Where the spread is not small, the logarithms themselves lose nothing and take less time."""
        n, c, q = count(x, weights), self.shift, 1 - self.shift
        if max(self.left, self.right) > 0.05 * self.weight:
            ratio = weighted_sum(x, weights) / c - n
            return self.plus(n, ratio=ratio, **self.from_logs(n, ratio, x, weights, work))
        t = np.divide(np.subtract(x, c, out=work[0]), c, out=work[0])
        ratio = weighted_sum(t, weights)
        spread = dot(t, t if weights is None else np.multiply(t, weights, out=work[1])) / n * max(1.0, c / q) ** 2
        if spread > 0.1:
            return self.plus(n, ratio=ratio, **self.from_logs(n, ratio, x, weights, work))
        rest = np.multiply(t, -c / q, out=work[1])
        if spread < 1e-6:
            left, right = weighted_sum(phi(t), weights), weighted_sum(phi(rest), weights)
            return self.plus(n, ratio=ratio, left=left, right=right)
        logs, others = weighted_sum(np.log1p(t, out=t), weights), weighted_sum(np.log1p(rest, out=rest), weights)
        return self.plus(n, ratio=ratio, left=ratio - logs, right=-ratio * c / q - others)

    def from_logs(self, n, ratio, x, weights, work):
        """Both sums of a chunk, by name. Logarithms of products round as numbers near 1 do, which near an end is more
        than the logarithms there are good to, and 1 − x rounds too."""
        c = self.shift
        if 0.1 < c < 0.9:
            logs = sum_of_logs(x, weights, work[0], bound=1.0)
            others = sum_of_logs(np.subtract(1.0, x, out=work[1]), weights, work[0], bound=1.0)
        else:
            logs = weighted_sum(np.log(x, out=work[0]), weights)
            others = weighted_sum(np.log1p(np.negative(x, out=work[0]), out=work[0]), weights)
        return {"left": ratio + n * np.log(c) - logs, "right": n * np.log1p(-c) - others - ratio * c / (1 - c)}

    merge = Shifted.merge_between

    def centre(self):
        return self.shift * (1 + self.ratio / self.weight)

    def about(self, shift):
        shift = _inside(shift)
        d, k = (self.shift - shift) / shift, self.shift / shift  # x/shift − 1 = k t + d
        q, other = 1 - self.shift, 1 - shift
        e, l = (shift - self.shift) / other, q / other
        return self.changed(
            shift=shift,
            ratio=self.ratio * k + self.weight * d,
            left=self.left + d * self.ratio + self.weight * phi(d, k),
            right=self.right - e * (self.shift / q * self.ratio) + self.weight * phi(e, l),
        )

    def size(self):
        return self.shift * 2.0**900 * self.left + (1 - self.shift) * 2.0**900 * self.right  # which may be tiny

    def lost_digits(self, largest):
        mean, c = self.ratio / self.weight, self.shift
        return 1 + mean < 1e-4 or 1 - mean * c / (1 - c) < 1e-4 or super().lost_digits(largest)

    def mean(self):
        c, ratio, left, right = self.per_weight()
        return np.stack([np.log(c) + (ratio - left), np.log1p(-c) - (ratio * c / (1 - c) + right)])

    def per_weight(self) -> tuple[Any, ...]:
        """c, and the averages of the others."""
        return self.shift, *(v / self.weight for v in (self.ratio, self.left, self.right))


class Beta(ExponentialFamily):
    r"""Beta distribution on (0, 1): the Dirichlet distribution of (x, 1 − x).

    .. math::

       p(x) = \frac{\Gamma(a+b)}{\Gamma(a)\Gamma(b)} x^{a-1}(1-x)^{b-1}, \qquad u(x) = (\log x, \log(1-x)), \qquad
       \eta = (a, b), \qquad h(x) = \frac{1}{x(1-x)}

       A(\eta) = \log\Gamma(\eta_1) + \log\Gamma(\eta_2) - \log\Gamma(\eta_1+\eta_2), \qquad
       \mathrm{E}[u] = \big(\psi(a) - \psi(a+b),\ \psi(b) - \psi(a+b)\big)

       \mathrm{KL}(p\|q) = \mathrm{KL}\big(\mathrm{Dir}(a_p,b_p)\,\|\,\mathrm{Dir}(a_q,b_q)\big)

    Parameters
    ----------
    a, b : array_like
        Positive. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a parameter is not a positive finite number; from `fit`, if an observation is 0 or 1 or all are equal (no
        maximum exists).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(Beta(2.0, 1.0).kl_divergence(Beta(1.0, 1.0))), 6)
    0.193147
    >>> round(float(Beta.fit([0.2, 0.5, 0.8]).mean()), 12)
    0.5
    """

    parameter_names = ("a", "b")
    scipy_name = "beta"
    _scipy_arguments = staticmethod(unshifted("a", "b"))
    support = (0, 1)

    # --- parameters
    def __init__(self, a: ArrayLike, b: ArrayLike) -> None:
        fix = "Pass two positive numbers, e.g. Beta(2, 3)."
        a, b = checks.positive("Beta", "a", a, fix), checks.positive("Beta", "b", b, fix)
        checks.broadcast("Beta", a=a.shape, b=b.shape)
        a, b = np.broadcast_arrays(a, b)
        self._store(a.shape, a=a, b=b, _pair=Dirichlet(np.stack([a, b], axis=-1)))

    def natural_parameters(self):
        return self._pair.natural_parameters()

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        checks.require("Beta.from_natural", "eta", eta, eta > 0, "two positive numbers", "The order is (a, b).")
        return cls(eta[..., 0], eta[..., 1])

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        alpha = Dirichlet.from_mean_parameters(cls._mean_column(mu, 2)).alpha
        return cls(alpha[..., 0], alpha[..., 1])

    # --- statistics
    def _statistic(self, x):
        with np.errstate(divide="ignore"):
            return np.stack([np.log(x), np.log1p(-x)], axis=-1)

    def _log_partition_at(self, eta):
        return self._pair._log_partition_at(eta)

    def _log_base_measure(self, x):
        return -np.sum(self._statistic(x), axis=-1)

    def _mean_log_base_measure(self):
        return self._pair._mean_log_base_measure()

    def mean_parameters(self):
        return self._pair.mean_parameters()

    def _expected_sums(self):
        excess = gamma_function.excess(np.stack([self.a, self.b, self.a + self.b]))
        left, right = excess[:2] - excess[2]
        return LogGapPairs(weight=1.0, shift=self.mean(), ratio=0.0, left=left, right=right)

    def fisher_information(self):
        return self._pair.fisher_information()

    # --- evaluation
    kl_rounding = 4096.0

    def _log_prob(self, x):
        a, b, total = self.a, self.b, self.a + self.b
        z = np.where((x > 1e-290) & (x < 1), x, 0.5)
        away = np.where(z <= 0.5, total * z - a, b - total * (1 - z))
        inside = (
            gamma_function.log_peak(a)
            + gamma_function.log_peak(b)
            - gamma_function.log_peak(total)
            - np.log(z)
            - np.log1p(-z)
            - a * phi(away / a, total * z / a)
            - b * phi(-away / b, total * (1 - z) / b)
        )
        end = xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b)
        return np.where(z == x, inside, end)[()]

    def mean(self):
        return (self.a / (self.a + self.b))[()]

    def variance(self):
        total = self.a + self.b
        return (self.a / total * (self.b / total) / (total + 1))[()]

    def _cross_entropy_terms(self, other):
        return self._pair._cross_entropy_terms(other._pair)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return divergence(self._pair.alpha, other._pair.alpha)

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        z = np.clip(x, 0.0, 1.0)
        return tails.beta(name, self.a, self.b, z, 1 - z)

    def _quantile(self, q):
        guess = np.where(q < 0.5, betaincinv(self.a, self.b, q), betainccinv(self.a, self.b, 1 - q))
        return self._first(q, 0.0, 1.0, guess)

    def _draw(self, size, rng):
        return rng.beta(self.a, self.b, size)

    def to_scipy(self):
        return stats.beta(self.a, self.b)

    # --- fit
    _sums = LogGapPairs
    fit_excludes_ends = True

    @classmethod
    def _random_member(cls, rng):
        return cls(np.exp(rng.normal()), 1 + rng.gamma(2.0))

    def _check_sample(self, x, method):
        self._check_data(x, method)
        checks.require(
            f"Beta.{method}",
            "x",
            x,
            (x > 0) & (x < 1),
            "observations strictly between 0 and 1",
            "At 0 and 1 the density of every concentration below 1 is infinite: no maximum exists. Recorded ones "
            "belong to a model of their own; drawn ones are numbers below 5e-324 or above 1 − 1e-16, which a double "
            "cannot hold: draw larger concentrations.",
        )

    @classmethod
    def _estimate(cls, sums: LogGapPairs) -> Self:
        c, ratio, left, right = sums.per_weight()
        checks.require(
            "Beta.fit",
            "spread of x",
            np.sqrt(2 * max(left, right)),
            max(left, right) > 1e-28,
            "observations that differ by more than 1e-14 of x or 1 − x",
            "With all observations equal, but for rounding, the likelihood grows without bound as a and b rise: no "
            "maximum exists that doubles can tell.",
        )
        fix = "So close to 0 a beta distribution is a gamma: fit that, in a larger unit."
        large = c * left + (1 - c) * right > 1e-304
        checks.require("Beta.fit", "mean of x", c, large, "observations whose b is below 1e304", fix)
        with np.errstate(over="ignore", under="ignore"):
            a, b = concentrations(c, ratio, left, right)
        return cls(a, b)


def concentrations(c, ratio, left, right):
    r"""a and b whose mean logarithms are those of `LogGapPairs` of weight 1, with all digits however large they are.

    With :math:`p = a/(a+b)`, d = p − c and :math:`E(a) = \log a - \psi(a)` the two equations are

    .. math:: -\log\tfrac pc + \text{ratio} - \text{left} + E(a) - E(a+b) = 0, \qquad
              -\log\tfrac{1-p}{1-c} - \tfrac c{1-c}\,\text{ratio} - \text{right} + E(b) - E(a+b) = 0.

    A step of Newton's method (Minka 2000) takes p times the one plus 1 − p times the other; there the logarithms leave
    terms of second order in d, and nothing is larger than 1/(a + b).
    """
    q = 1 - c
    low, high = ratio - left, -ratio * c / q - right
    total = max(0.5 / (c * left + q * right), -1 / min(low + np.log(c), high + np.log1p(-c)))
    y = np.array([low + np.log(c), high + np.log1p(-c)]) + psi(total)  # ψ(a) = y: a is close to e^y + ½ or 1/(−y − γ)
    ab = np.where(y > -2.22, np.exp(np.maximum(y, -2.22)) + 0.5, 1 / np.maximum(-y - np.euler_gamma, 0.1))
    d = _away(ab, c)
    if max(left, right) < 1e-3:
        ab, d = total * np.array([c, q]), ratio * c
    for _ in range(100):
        total = ab.sum()
        p, rest = ab / total
        sizes = np.append(ab, total)
        excess, h = gamma_function.excess(sizes), 0.5 + gamma_function.curvature(sizes)  # ψ′(a) is (a + h)/a²
        near = abs(d) < 0.5 * min(c, q)
        logs = (np.log1p(d / c), np.log1p(-d / q)) if near else (np.log(p / c), np.log(rest / q))
        residual = np.array([low - logs[0], high - logs[1]]) + excess[:2] - excess[2]
        both = p * excess[0] + rest * excess[1] - excess[2] - (p * left + rest * right) + ratio * (d / q)
        both -= p * phi(-d / p, c / p) + rest * phi(d / rest, q / rest)
        less = sizes / (sizes + h) * h  # a − 1/ψ′(a)
        shared = (total * both - less[:2] @ residual) / (less[0] + less[1] - less[2])
        step = ab / (ab + h[:2]) * (residual + shared)
        grown = np.where(step > -0.5, 1 + step, 1 / (1 - step))
        ab = ab * grown
        turn = p * rest * (step[0] - step[1]) / (1 + p * step[0] + rest * step[1])
        d = d + turn if near and max(abs(step)) < 0.1 else _away(ab, c)
        if max(abs(step)) < 1e-8 and abs(turn) * np.sqrt(total) < 1e-8 * np.sqrt(p * rest):  # d in standard deviations
            return ab
    raise ArithmeticError("Beta.fit: no concentrations found in 100 steps; expected 30 to do.")


def _away(ab, c):
    """a/(a + b) − c, from that of the two proportions which is small."""
    return ab[0] / ab.sum() - c if c < 0.5 else (1 - c) - ab[1] / ab.sum()


def _inside(c):
    """c, or the double in (0, 1) next to it."""
    return min(max(c, 5e-324), 1 - 2.0**-53)
