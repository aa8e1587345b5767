"""Von Mises distribution: the normal distribution of angles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import i0e, ive

from companion import checks
from companion.families import tails
from companion.families.adding import CHUNK, count, dot, weighted_sum
from companion.families.exponential_family import ExponentialFamily
from companion.families.sums import Shifted
from companion.special import bessel

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2

#: Data beyond three turns are taken for degrees.
_FURTHEST = 6 * np.pi


@dataclass(frozen=True, eq=False)
class Angles(Shifted):
    r"""Sums about a direction.

    Attributes
    ----------
    shift : float
        The direction c in radians, that of the mean once all observations are in.
    sine, versine : float
        :math:`\sum w\sin(x-c)` and :math:`\sum w\,(1-\cos(x-c))`.
    """

    sine: float
    versine: float

    @classmethod
    def start(cls, member, x, weights):
        first, w = np.asarray(x[:CHUNK], dtype=float), None if weights is None else weights[:CHUNK]
        away = first - first[0]
        direction = first[0] + np.arctan2(weighted_sum(np.sin(away), w), weighted_sum(np.cos(away), w))
        return cls(weight=0.0, shift=direction, sine=0.0, versine=0.0)

    def update(self, member, x, weights, work):
        half = np.multiply(np.subtract(x, self.shift, out=work[0]), 0.5, out=work[0])
        sine, cosine = np.sin(half, out=work[1]), np.cos(half, out=work[0])  # of the half angle
        both = 2 * dot(sine, cosine if weights is None else cosine * weights)
        return self.plus(
            count(x, weights), sine=both, versine=2 * dot(sine, sine if weights is None else sine * weights)
        )

    def centre(self):
        return self.shift + np.arctan2(self.sine, self.weight - self.versine)

    def about(self, shift):
        d = self.shift - shift
        versine = 2 * np.sin(d / 2) ** 2
        return self.changed(
            shift=shift,
            sine=self.sine * np.cos(d) + (self.weight - self.versine) * np.sin(d),
            versine=self.versine * np.cos(d) + self.weight * versine + self.sine * np.sin(d),
        )

    def mean(self):
        c, sine, cosine = self.shift, self.sine / self.weight, 1 - self.versine / self.weight
        return np.stack([cosine * np.cos(c) - sine * np.sin(c), cosine * np.sin(c) + sine * np.cos(c)])


class VonMises(ExponentialFamily):
    r"""Von Mises distribution on the circle, angles in radians.

    .. math::

       p(x) = \frac{e^{\kappa\cos(x-\mu)}}{2\pi I_0(\kappa)}, \qquad u(x) = (\cos x, \sin x), \qquad
       \eta = \kappa(\cos\mu, \sin\mu), \qquad A(\eta) = \log 2\pi + \log I_0(\|\eta\|)

       \mathrm{E}[u] = r(\kappa)(\cos\mu, \sin\mu), \quad r = \frac{I_1}{I_0}, \qquad
       \mathrm{KL}(p\|q) = B_{\log I_0}(\kappa_q, \kappa_p) + 2\,r(\kappa_p)\,\kappa_q\sin^2\frac{\mu_p-\mu_q}{2}

    with B the Bregman divergence (`companion.special.bessel`). An angle and the same angle plus 2π are one point:
    `log_prob` takes any angle; samples, mean, variance, cdf and quantiles refer to the turn from μ − π to μ + π. `fit`
    gives a mean from −π to below π.

    Parameters
    ----------
    mean : array_like
        Mean direction μ, finite.
    kappa : array_like
        Concentration κ ≥ 0; 0 is the uniform distribution. The two broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a mean is not finite or a kappa negative; from `fit`, if all observations are equal (no maximum exists) or
        some are more than three turns from 0, as degrees are.

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> round(float(VonMises(0.0, 1.0).kl_divergence(VonMises(np.pi, 1.0))), 6)
    0.89278
    >>> fit = VonMises.fit([-0.3, 0.1, 0.2, 6.283185])
    >>> round(float(fit.mean()), 4), round(float(fit.kappa), 2)
    (0.0008, 29.0)
    """

    parameter_names = ("mean", "kappa")
    scipy_name = "vonmises"
    circular = True

    # --- parameters
    def __init__(self, mean: ArrayLike, kappa: ArrayLike) -> None:
        fix = "Pass a concentration of at least 0, e.g. VonMises(0, 1)."
        mean = checks.finite("VonMises", "mean", mean, "Pass a finite angle in radians, e.g. VonMises(0, 1).")
        kappa = checks.finite("VonMises", "kappa", kappa, fix)
        checks.require("VonMises", "kappa", kappa, kappa >= 0, "a number that is not negative", fix)
        checks.broadcast("VonMises", mean=mean.shape, kappa=kappa.shape)
        mean, kappa = np.broadcast_arrays(mean, kappa)
        self._store(kappa.shape, _mean=mean, kappa=kappa)

    @property
    def support(self):
        return ((self._mean - np.pi)[()], (self._mean + np.pi)[()])

    def _direction(self):
        return np.stack([np.cos(self._mean), np.sin(self._mean)], axis=-1)

    def natural_parameters(self):
        return self.kappa[..., None] * self._direction()

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta, 2)
        return cls(np.arctan2(eta[..., 1], eta[..., 0]), np.hypot(eta[..., 0], eta[..., 1]))

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        where, fix = "VonMises.from_mean_parameters", "The order is (E[cos x], E[sin x])."
        mu = cls._mean_column(mu, 2)
        short, long = np.sort(np.abs(mu), axis=-1)[..., 0], np.max(np.abs(mu), axis=-1)
        length = np.hypot(short, long)
        gap = ((1 - long) * (1 + long) - short**2) / (1 + length)
        checks.require(where, "length of mu", length, gap > 0, "less than 1", fix)
        return cls(np.arctan2(mu[..., 1], mu[..., 0]), bessel.inverse_ratio(length, gap))

    # --- statistics
    def _statistic(self, x):
        return np.stack([np.cos(x), np.sin(x)], axis=-1)

    def _log_partition_at(self, eta):
        kappa = np.sqrt(np.sum(eta * eta, axis=-1))
        return np.log(2 * np.pi * ive(0, kappa)) + np.abs(kappa.real)

    def mean_parameters(self):
        return bessel.ratio(self.kappa)[..., None] * self._direction()

    def _expected_sums(self):
        return Angles(weight=1.0, shift=self._mean, sine=0.0, versine=bessel.one_minus_ratio(self.kappa))

    def fisher_information(self):
        along = self._direction()
        across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
        safe = np.where(self.kappa > 0, self.kappa, 1.0)
        spread = np.where(self.kappa > 0, bessel.ratio(safe) / safe, 0.5)
        parts = ((bessel.ratio_slope(self.kappa), along), (spread, across))
        return sum(scale[..., None, None] * v[..., :, None] * v[..., None, :] for scale, v in parts)

    # --- evaluation
    def _inside(self, x):
        return np.isfinite(x)

    def describe_support(self):
        return "of finite angles"

    def _log_prob(self, x):
        away = x - self._mean
        return (-self.kappa * (2 * np.sin(away / 2) ** 2) - np.log(2 * np.pi * i0e(self.kappa)))[()]

    def mean(self):
        return self._mean[()]

    def variance(self):
        """E[(x − μ)²] on the turn around μ; the circular variance is 1 − ‖mean_parameters‖."""
        reach = 2 * np.arcsin(np.minimum(1.0, np.sqrt(20 / np.maximum(self.kappa, 20.0))))[..., None]
        x = reach * _NODES
        w = _WEIGHTS * np.exp(-2 * self.kappa[..., None] * np.sin(x / 2) ** 2)
        return (np.sum(w * x * x, axis=-1) / np.sum(w, axis=-1))[()]

    def _cross_entropy_terms(self, other):
        spread = other.kappa * bessel.one_minus_ratio(self.kappa)
        return np.log(2 * np.pi), np.log(i0e(other.kappa)), spread, self._turn(other)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        self._check_same_family(other)
        return bessel.bregman(self.kappa, other.kappa) + self._turn(other)

    def _turn(self, other):
        """2 r(κ_p) κ_q sin²(Δ/2): what the angle between the two means costs."""
        away = (self._mean - other._mean)[()]
        return 2 * bessel.ratio(self.kappa) * other.kappa[()] * np.sin(away / 2) ** 2

    # --- cumulative probabilities, sampling and conversion
    def _tail(self, name, x):
        """On the turn from μ − π to μ + π, where P(X > x) = P(X ≤ 2μ − x)."""
        low, high = self.support
        away = np.clip(x - self._mean, -np.pi, np.pi) * (1 if name == "cdf" else -1)
        part = tails.von_mises(self.kappa, -abs(away))
        inside = np.where(away > 0, 1 - part, part)
        return np.where(x <= low, float(name == "sf"), np.where(x >= high, float(name == "cdf"), inside))

    def _quantile(self, q):
        return self._first(q, *self.support)

    def _draw(self, size, rng):
        return self._mean + rng.vonmises(0.0, self.kappa, size)

    def to_scipy(self):
        return stats.vonmises(self.kappa, loc=self._mean)

    @staticmethod
    def _scipy_arguments(kappa, loc=0, scale=1):
        return [loc, kappa] if np.all(np.asarray(scale) == 1) else None

    # --- fit
    _sums = Angles

    @classmethod
    def _random_member(cls, rng):
        return cls(rng.uniform(-3, 3), np.exp(rng.normal()))

    def _accepts(self, x):
        return x.min() >= -_FURTHEST and x.max() <= _FURTHEST

    def _check_sample(self, x, method):
        x = self._check_data(x, method)
        checks.require(
            f"VonMises.{method}",
            "x",
            x,
            np.abs(x) <= _FURTHEST,
            "angles in radians within three turns of 0",
            "Convert degrees by np.deg2rad(x); wrap phases that go on around the circle by np.remainder(x, 2 * np.pi).",
        )

    @classmethod
    def _estimate(cls, sums: Angles) -> Self:
        sine, versine = sums.sine / sums.weight, sums.versine / sums.weight  # about the mean direction: 0, and 1 − R
        length = np.hypot(sine, 1 - versine)
        gap = (versine * (2 - versine) - sine**2) / (1 + length)  # 1 − R, also where doubles are far from the mean
        if gap < 1e-30:
            checks.fail(
                "VonMises.fit",
                "x",
                float(sums.shift),
                "observations that differ by more than 1e-15",
                "With all observations equal, but for rounding, the likelihood grows without bound as kappa rises: no "
                "maximum exists that doubles can tell.",
            )
        mean = math.remainder(sums.shift, 2 * np.pi)  # exact; from −π to π
        return cls(mean if mean < np.pi else -np.pi, bessel.inverse_ratio(length, gap))
