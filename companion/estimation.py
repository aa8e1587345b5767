r"""KL divergence from samples: the module of the chapter *The entropy nobody knows*.

:math:`\mathrm{KL}(p\|q) = \mathrm{H}(p, q) - \mathrm{H}(p)`, and the entropy of the data is not known. What can be had:

* differences between models, in which it cancels: `kl_difference`;
* averages over draws when both densities are known: `monte_carlo_kl`;
* estimates from two samples: `knn_kl`, `histogram_kl`, `kernel_kl`, `classifier_kl`, `donsker_varadhan`, `nwj`, and
  `knn_entropy` from one;
* the other f-divergences: `f_divergence`.

The estimators themselves are in `companion.estimators`. All return an `Estimate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.estimators.common import Estimate
from companion.estimators.critics import classifier_kl, donsker_varadhan, nwj
from companion.estimators.monte_carlo import monte_carlo_kl
from companion.estimators.neighbours import knn_entropy, knn_kl
from companion.estimators.plug_in import histogram_kl, kernel_kl
from companion.families import Distribution
from companion.integrals import quadrature
from companion.measures import as_pair, kl_divergence

__all__ = [
    "F_DIVERGENCES",
    "Estimate",
    "FDivergence",
    "classifier_kl",
    "donsker_varadhan",
    "f_divergence",
    "histogram_kl",
    "kernel_kl",
    "kl_difference",
    "knn_entropy",
    "knn_kl",
    "monte_carlo_kl",
    "nwj",
]


# --- where the entropy cancels ------------------------------------------------------------------------------------
def kl_difference(first: Distribution, second: Distribution, x: ArrayLike) -> Estimate:
    r"""KL(data‖second) − KL(data‖first) = :math:`\mathrm{E}[\log p_1(x)/p_2(x)]`, as an average over the data.

    The entropy of the data is in both divergences and cancels. Positive values speak for the first model. Models that
    were fitted to the same data look better than they are: score them on other data.

    Parameters
    ----------
    first, second : member of companion.families or Mixture
        Two models of one kind of outcome.
    x : array_like
        n independent observations in the support of both, at least 2.

    Returns
    -------
    Estimate
        In nats an observation, with standard error :math:`s/\sqrt n`.

    Raises
    ------
    ValueError, TypeError
        If the models are not single distributions on the same outcomes, or an observation is impossible under one.

    Examples
    --------
    >>> from companion.families import Normal
    >>> x = Normal(0, 1).sample(1000, rng=0)
    >>> found = kl_difference(Normal(0, 1), Normal(1, 1), x)
    >>> abs(found.value - 0.5) < 3 * found.standard_error
    True
    """
    where = "kl_difference"
    for name, model in (("first", first), ("second", second)):
        if not isinstance(model, Distribution):
            fix = "Pass e.g. Normal(0, 1)."
            checks.fail(where, name, model, "a member of companion.families", fix, TypeError)
        if model.batch_shape:
            argument, expected = f"shape of the batch {name}", "one distribution, shape ()"
            checks.fail(where, argument, model.batch_shape, expected, "Call it for each member.")
    as_pair(where, first, second)
    data, _ = checks.sample(where, x, None, first.event_ndim, "Pass the observations.")
    if len(data) < 2:
        checks.fail(where, "number of observations", len(data), "at least 2", "One has no standard error.")
    checks.require(where, "x", data, np.isfinite(data), "a finite number", "Drop it, or say what it stands for.")
    logs = []
    for name, model in (("first", first), ("second", second)):
        possible = np.asarray(model._inside(data))
        if possible.all():
            logs.append(model.log_prob(data))
            possible = ~np.isneginf(logs[-1])
        if not possible.all():
            place = int(np.argmin(possible))
            expected = f"an observation possible under {name}"
            checks.fail(where, f"x[{place}]", data[place], expected, "That model's KL divergence is infinite.")
    terms = logs[0] - logs[1]
    return Estimate(float(np.mean(terms)), float(np.std(terms, ddof=1) / np.sqrt(len(terms))))


# --- f-divergences ------------------------------------------------------------------------------------------------
class FDivergence(NamedTuple):
    r"""A convex function f with f(1) = 0 and what its variational form needs.

    ``f`` and ``slope`` (f′) are functions of the ratio t = p/q, ``conjugate`` is :math:`f^*(s) = \sup_t(st - f(t))`,
    ``at_zero`` is f(0) and ``at_infinity`` the limit of f(t)/t. ``adjoint``, where given, is u f(1/u) of u = q/p, which
    D_f averages under p: with it f need not be in the range of doubles.
    """

    f: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    conjugate: Callable[[Any], Any]
    at_zero: float
    at_infinity: float
    adjoint: Callable[[Any], Any] | None = None


def _t_log_t(t):
    t = np.asarray(t, dtype=float)
    return np.where(t > 0, t * np.log(np.where(t > 0, t, 1.0)), 0.0)


#: Named members: KL(p‖q), KL(q‖p), total variation, squared Hellinger distance 1 − Σ√(pq), Jensen–Shannon divergence,
#: Pearson's χ² Σ(p − q)²/q.
F_DIVERGENCES: dict[str, FDivergence] = {
    "kl": FDivergence(_t_log_t, lambda t: 1 + np.log(t), lambda s: np.exp(s - 1), 0.0, np.inf),
    "reverse_kl": FDivergence(lambda t: -np.log(t), lambda t: -1 / t, lambda s: -1 - np.log(-s), np.inf, 0.0),
    "total_variation": FDivergence(
        lambda t: 0.5 * np.abs(np.asarray(t) - 1), lambda t: 0.5 * np.sign(np.asarray(t) - 1), lambda s: s, 0.5, 0.5
    ),
    "hellinger": FDivergence(
        lambda t: 1 - np.sqrt(t), lambda t: -0.5 / np.sqrt(t), lambda s: -1 - 1 / (4 * s), 1.0, 0.0
    ),
    "jensen_shannon": FDivergence(
        lambda t: 0.5 * (_t_log_t(t) - (1 + np.asarray(t)) * np.log((1 + np.asarray(t)) / 2)),
        lambda t: 0.5 * np.log(2 * np.asarray(t) / (1 + np.asarray(t))),
        lambda s: -0.5 * np.log(2 - np.exp(2 * np.asarray(s))),
        0.5 * np.log(2),
        0.5 * np.log(2),
    ),
    "chi_squared": FDivergence(
        lambda t: (np.asarray(t) - 1) ** 2,
        lambda t: 2 * (np.asarray(t) - 1),
        lambda s: s + s**2 / 4,
        1.0,
        np.inf,
        adjoint=lambda u: (1 - u) ** 2 / u,
    ),
}


def f_divergence(p: Any, q: Any, f: str | FDivergence, rtol: float = 1e-8) -> Estimate:
    r""":math:`D_f(p\|q) = \mathrm{E}_q[f(p(x)/q(x))]` of two known distributions, for a convex f with f(1) = 0.

    Parameters
    ----------
    p, q : array_like, shape (K,), or distribution
        Two probability vectors, or two distributions on the line with the same support.
    f : str or FDivergence
        ``"kl"``, ``"reverse_kl"``, ``"total_variation"``, ``"hellinger"``, ``"jensen_shannon"``, ``"chi_squared"``, or
        a member of one's own.
    rtol : float
        Largest error of an integral, relative to its value.

    Returns
    -------
    Estimate
        In nats where f has logarithms. Nothing is sampled: ``standard_error`` is 0.

    Raises
    ------
    ValueError, TypeError
        If p or q is no distribution, their supports differ, there is no such f, or its adjoint is that of another.
    quadrature.QuadratureError
        If the integral cannot be had, as where it is infinite.

    References
    ----------
    Csiszár (1967); Nguyen, Wainwright and Jordan (2010) for the variational form.

    Examples
    --------
    >>> round(f_divergence([0.5, 0.5], [0.25, 0.75], "kl").value, 6)
    0.143841
    >>> from companion.families import Normal
    >>> round(f_divergence(Normal(0, 1), Normal(1, 1), "chi_squared").value, 6)  # e − 1
    1.718282
    """
    where = "f_divergence"
    checks.tolerances(where, rtol)
    if isinstance(f, str):
        if f not in F_DIVERGENCES:
            checks.fail(where, "f", f, f"one of {', '.join(F_DIVERGENCES)}", "Or pass an FDivergence.")
        f = F_DIVERGENCES[f]
    if not isinstance(f, FDivergence):
        fix = "Pass e.g. 'kl', or build estimation.FDivergence(f, slope, conjugate, at_zero, at_infinity)."
        checks.fail(where, "f", f, "a name or an FDivergence", fix, TypeError)
    if f.adjoint is not None and not np.isclose(f.adjoint(0.5), 0.5 * f.f(2.0), rtol=1e-9, atol=1e-12):
        fix = "Correct it, or leave it out: it only keeps f in the range of doubles."
        checks.fail(where, "f.adjoint(0.5)", f.adjoint(0.5), f"0.5 f(1/0.5) = {0.5 * f.f(2.0):.12g}", fix)
    p, q = as_pair(where, p, q)
    if f is F_DIVERGENCES["kl"] or f is F_DIVERGENCES["reverse_kl"]:  # no ratio, which may underflow
        value = kl_divergence(p, q) if f is F_DIVERGENCES["kl"] else kl_divergence(q, p)
        if np.ndim(value) == 0:
            return Estimate(float(value), 0.0)
    if isinstance(p, np.ndarray):
        if p.ndim > 1 or q.ndim > 1:
            checks.fail(
                where, "shape of p and q", (p.shape, q.shape), "one vector each, (K,)", "Call it for each pair."
            )
        both = (p > 0) & (q > 0)
        value = q[both] @ f.f(p[both] / q[both])
        for mass, slope in ((q[p == 0].sum(), f.at_zero), (p[q == 0].sum(), f.at_infinity)):
            value += mass * slope if mass > 0 else 0.0
        return Estimate(float(value), 0.0)
    ends = [quadrature.as_distribution(d, f"{where}: {name}") for name, d in (("p", p), ("q", q))]
    if (ends[0].low, ends[0].high) != (ends[1].low, ends[1].high):
        expected = f"{(ends[0].low, ends[0].high)}, the support of p"
        fix = "Mass where the other has none counts f(0) or f(t)/t at infinity: add it by hand."
        checks.fail(where, "support of q", (ends[1].low, ends[1].high), expected, fix)

    at_one = float(f.slope(1.0))  # f less a multiple of t - 1 is the same divergence, and no kink where t is 1

    def log_ratio(x):
        of_p, of_q = _log_density(p, x), _log_density(q, x)
        neither = (of_p == -np.inf) & (of_q == -np.inf)  # x was rounded to an end, where no mass is left
        return np.where(neither, 0.0, of_p - of_q)

    def below(x):
        t = np.exp(np.minimum(log_ratio(x), 0.0))
        return f.f(t) - at_one * (t - 1)

    def above(x):
        t = np.exp(np.maximum(log_ratio(x), 0.0))
        if f.adjoint is not None:
            return f.adjoint(1 / t) - at_one * (1 - 1 / t)
        return np.where(t < 1e300, f.f(t) / t, f.at_infinity) - at_one * (1 - 1 / t)  # t log t must not overflow

    # where p is the larger, under p: q may have no double left there
    parts = quadrature.expectation(q, below, rtol).value, quadrature.expectation(p, above, rtol).value
    return Estimate(float(sum(parts)), 0.0)


def _log_density(d, x):
    if isinstance(d, Distribution):
        return d.log_prob(x)
    return d.logpmf(x) if hasattr(d.dist, "logpmf") else d.logpdf(x)
