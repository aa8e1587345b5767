r"""Expectations of log-densities without silent truncation: exact sums, bounded tails, adaptive quadrature.

Everything here is an integral :math:`\int p(x)\,g(x)\,\mathrm{d}x` over the whole support of p, or such a sum.
`line` integrates in the logarithm of the distance from an anchor, `sums` adds term by term, then integrates the rest.

What is checked: the total mass of each density, on the same nodes (a mass that is not 1 shows a hump that was missed,
or a density that is not one); the gap between a rule and its refinement; and rounding, by a bound for the formulas and
by the scatter of each log-density about a smooth curve. The reported error is the sum of the three. It is an estimate,
not a proof: a function that no node sees (a spike of g, a hole in q) leaves no trace. A call that spends its budget of
evaluations, or misses its tolerance, raises `QuadratureError`. All logarithms are natural (nats).
"""

from __future__ import annotations

import math

import numpy as np

from companion import checks
from companion.integrals.densities import as_distribution
from companion.integrals.estimate import Estimate, QuadratureError, Uncovered
from companion.integrals.line import EPS, Integral
from companion.integrals.sums import Sum
from companion.special.remainders import expm1_remainder

__all__ = ["Estimate", "QuadratureError", "as_distribution", "cross_entropy", "entropy", "expectation", "kl_divergence"]


def kl_divergence(p, q, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""KL divergence :math:`\mathrm{KL}(p\|q) = \mathrm{E}_p[\log p - \log q]` in nats, by sum or quadrature.

    It never takes a closed form: to find one where there is one, call `companion.measures.kl_divergence`, which comes
    here for all other pairs, and asks the method ``kl_divergence`` of a family for two of its members.

    Beside that integral the sum of non-negative remainders is computed, with :math:`l = \log q - \log p`,

    .. math:: \mathrm{KL}(p\|q) = \int_{p>0} p\,(e^l - 1 - l)\,\mathrm{d}x + Q(p = 0),

    in which nothing cancels when p and q are close. The one with the smaller error is returned; the first, which may
    come out negative, only where it did not. For very close densities the rounding of :math:`l` itself limits both: it
    is part of the error.

    Parameters
    ----------
    p, q : distribution
        Univariate frozen ``scipy.stats`` distributions or scalar distributions of this package, both discrete or both
        continuous.
    rtol, atol : float
        The error must not exceed ``max(rtol * |value|, atol)``. It is usually far below. A KL divergence smaller than
        `atol` may have any relative error: pass ``atol=0`` to ask for digits of it.

    Returns
    -------
    Estimate
        ``value`` is `inf` where q does not cover p or the integral diverges, never negative, and 0.0 for p and p.

    Raises
    ------
    QuadratureError
        If the tolerance, or the end of the budget of evaluations, is not met; the message has what was reached.
    TypeError, ValueError
        If `p` or `q` is not a single univariate distribution, or one is discrete and the other continuous.

    Examples
    --------
    >>> from scipy import stats
    >>> value, error, method = kl_divergence(stats.beta(0.1, 0.2), stats.uniform())
    >>> round(value, 6), error < 1e-10, method
    (4.977342, True, 'quadrature')
    >>> kl_divergence(stats.cauchy(), stats.norm()).value
    inf
    """
    checks.tolerances("kl_divergence", rtol, atol)
    p, q = _pair("kl_divergence", p, q)
    try:
        (mass, inside, direct, near), error, method = _integrate((p, q), _kl_rows, p.low, p.high)
    except Uncovered:
        return Estimate(math.inf, 0.0, "support")
    _check_mass("kl_divergence", p, mass, error[0])
    bias = abs(mass - 1)
    if direct == math.inf:
        return Estimate(math.inf, 0.0, method)
    estimates = [(error[2] + bias * (1 + abs(direct)), direct)]
    if np.isfinite(near):
        outside, outside_error = _mass_outside(q, p)
        _check_mass("kl_divergence", q, inside + outside, error[1] + outside_error)
        both = bias + abs(inside + outside - 1)
        value = near + outside
        estimates = [
            (estimates[0][0] + both, direct),
            (error[3] + outside_error + both * (value + outside + both), value),
        ]
    possible = [estimate for estimate in estimates if estimate[1] >= 0]
    if not possible:
        raise QuadratureError(
            f"kl_divergence of p = {p.name} and q = {q.name}: reached {direct:.3g} with error bound "
            f"{estimates[0][0]:.2g}; "
            "expected a number that is not negative. The two are too close for the integral of log p - log q."
        )
    error, value = min(possible)
    return _certified("kl_divergence", (p, q), value, error, method, rtol, atol)


def cross_entropy(p, q, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""Cross-entropy :math:`-\mathrm{E}_p[\log q]` in nats, by sum or quadrature.

    It may be `inf`, and for densities negative. Parameters, returns and raises as for `kl_divergence`.

    Examples
    --------
    >>> from scipy import stats
    >>> round(cross_entropy(stats.gamma(2), stats.expon()).value, 9)
    2.0
    """
    p, q = _pair("cross_entropy", p, q)
    return _surprise("cross_entropy", p, q, rtol, atol)


def _surprise(where, p, q, rtol, atol):
    checks.tolerances(where, rtol, atol)
    try:
        (mass, value), error, method = _integrate((p,) if q is p else (p, q), _cross_rows, p.low, p.high)
    except Uncovered:
        return Estimate(math.inf, 0.0, "support")
    _check_mass(where, p, mass, error[0])
    bias = abs(mass - 1)
    if np.isfinite(value) and q is not p:
        (mass_q,), (mass_q_error,), _ = _integrate((q,), _mass_rows, q.low, q.high)
        _check_mass(where, q, mass_q, mass_q_error)
        bias += abs(mass_q - 1)
    return _certified(where, (p, q), value, error[1], method, rtol, atol, bias)


def entropy(p, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""Entropy :math:`-\mathrm{E}_p[\log p]` in nats; for a density the differential entropy, which may be negative.

    Examples
    --------
    >>> from scipy import stats
    >>> round(entropy(stats.uniform(0, 0.5)).value, 6)
    -0.693147
    """
    p = as_distribution(p, "entropy: p")
    return _surprise("entropy", p, p, rtol, atol)


def expectation(p, g, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""Expectation :math:`\mathrm{E}_p[g(x)]` of a vectorised real function g, array (n,) -> array (n,).

    g is seen at the nodes alone: where p is smooth, a spike of g between them goes unnoticed.

    Raises
    ------
    QuadratureError
        Also if g overflows or is NaN where p is not zero, or if the expectation does not exist because both of its
        tails are infinite.
    TypeError
        If g returns complex numbers, or not one number for each x.

    Examples
    --------
    >>> from scipy import stats
    >>> round(expectation(stats.t(3), np.square).value, 9)
    3.0
    >>> expectation(stats.cauchy(), np.abs).value
    inf
    """
    checks.tolerances("expectation", rtol, atol)
    p = as_distribution(p, "expectation: p")
    if not callable(g):
        checks.fail("expectation", "g", g, "a function of x", "Pass e.g. np.square.", TypeError)

    def rows(x, place, logs, rounding):
        w = np.exp(logs[0] + place)
        value, at = np.zeros_like(w), w > 0
        value[at] = w[at] * _values_of(g, x[at])
        return np.stack([w, value]), np.stack([w, np.abs(value)]) * (rounding[0] + EPS * np.abs(place))

    (mass, value), error, method = _integrate((p,), rows, p.low, p.high)
    _check_mass("expectation", p, mass, error[0])
    return _certified("expectation", (p,), value, error[1], method, rtol, atol, abs(mass - 1))


def _values_of(g, x):
    values = np.asarray(g(x))
    if values.dtype.kind not in "fiub" or values.shape not in ((), x.shape):
        raise TypeError(
            f"expectation: g(x) = {values.dtype} of shape {values.shape}; expected one real number for each of the "
            f"{x.size} points. Take real and imaginary parts, or the entries of a vector, one by one."
        )
    bad = ~np.isfinite(np.broadcast_to(values, x.shape))
    if bad.any():
        raise QuadratureError(
            f"expectation: g({x[bad][0]:.17g}) = {np.broadcast_to(values, x.shape)[bad][0]}, where p "
            "is not zero; expected "
            "a finite number. If g overflows, put its growth into p, or take the expectation of a bounded part."
        )
    return values.astype(float)


# --- integrands ---------------------------------------------------------------------------------------------------
# Functions of x, the log-Jacobian, the log-densities and their rounding errors, that give values and errors (K, n).
def _mass_rows(x, place, logs, rounding):
    v = np.exp(logs[0] + place)
    return v[None], (v * (rounding[0] + EPS * np.abs(place)))[None]


def _cross_rows(x, place, logs, rounding):
    w = np.exp(logs[0] + place)
    lq = np.where(w > 0, logs[-1], 0.0)
    relative = rounding[0] + EPS * np.abs(place)
    return np.stack([w, -w * lq]), w * np.stack([relative, relative * np.abs(lq) + rounding[-1]])


def _kl_rows(x, place, logs, rounding):
    lp, lq = logs
    w, v = np.exp(lp + place), np.exp(lq + place)
    ratio = np.where(w > 0, lq - lp, 0.0)
    rp, rq = np.where(w > 0, rounding[0], 0.0), rounding[1]
    remainder = np.where(ratio > 1, v - w - w * ratio, w * expm1_remainder(np.minimum(ratio, 1.0)))
    remainder = np.where(w > 0, remainder, v)
    location = EPS * np.abs(place)
    noise = [
        w * (rp + location),
        v * (rq + location),
        w * (rp + rq + (location + rp) * np.abs(ratio)),
        w * np.abs(ratio) * rp + np.abs(v - w) * rq + (w * rp * rp + v * rq * rq) + remainder * (location + 4 * EPS),
    ]
    return np.stack([w, v, -w * ratio, remainder]), np.stack(noise)


# --- checks -----------------------------------------------------------------------------------------------------
def _pair(where, p, q):
    same = p is q
    p = as_distribution(p, f"{where}: p")
    q = p if same else as_distribution(q, f"{where}: q")
    if p.discrete != q.discrete:
        kinds = ("continuous", "discrete")
        raise ValueError(
            f"{where}: p = {p.name} is {kinds[p.discrete]} and q = {q.name} is {kinds[q.discrete]}; "
            "expected both of one "
            "kind. There is no density of one with respect to the other: compare two probability "
            "functions or two densities."
        )
    return p, q.aligned_with(p)


def _check_mass(where, d, mass, error):
    if not error < 1e-3:
        raise QuadratureError(
            f"{where}: the density of {d.name} has mass beyond the range of doubles, or a log-density "
            "that is not smooth "
            "there; expected a tail that is a power of x, or decays faster. Take logarithms of the variable first."
        )
    if not abs(mass - 1) <= 1e-7 + 2 * error:
        raise QuadratureError(
            f"{where}: the density of {d.name} integrates to {mass:.10g} (error {error:.1g}); expected 1. "
            "Either it is not normalised, or a narrow part of it was missed: give the object a "
            "method quadrature_points() "
            "that returns places of interest (modes, quantiles)."
        )


def _certified(where, dists, value, error, method, rtol, atol, bias=0.0):
    """An Estimate whose error, with that from a relative `bias` of the densities, is within the tolerance."""
    if math.isinf(value):
        return Estimate(float(value), 0.0, method)
    names = " and ".join(f"{letter} = {d.name}" for letter, d in zip("pq", dict.fromkeys(dists)))
    error = error + bias * (1 + abs(value))
    if math.isnan(value):
        raise QuadratureError(
            f"{where} of {names}: infinity in one tail and minus infinity in the other; expected at most one of them. "
            "It does not exist. Take the expectation of the positive part, or of the absolute value."
        )
    if not math.isfinite(error):
        raise QuadratureError(
            f"{where} of {names}: no value; expected an integrand whose tail is a power of x, or "
            "decays faster, before the "
            "range of doubles ends. It may not exist, or have much of its mass out there: take "
            "logarithms of the variable."
        )
    if not error <= max(rtol * abs(value), atol):
        raise QuadratureError(
            f"{where} of {names}: reached {value:.17g} with error bound {error:.2g}; expected at most "
            f"max({rtol:g} * |value|, {atol:g}). Pass a looser tolerance, e.g. "
            f"rtol={max(2 * error / (abs(value) or 1), 1e-15):.0e}."
        )
    return Estimate(float(value), float(error), method)


def _mass_outside(q, p):
    """Mass of q outside the interval that supports p."""
    step = 1 if p.discrete else 0
    gaps = [(q.low, p.low - step)] if q.low < p.low else []
    gaps += [(p.high + step, q.high)] if p.high < q.high else []
    parts = [_integrate((q,), _mass_rows, low, high)[:2] for low, high in gaps]
    if p.atoms is not None:  # and between its atoms
        between = np.setdiff1d(np.arange(p.low, p.high + 1) if q.atoms is None else q.atoms, p.atoms)
        between = between[(between > p.low) & (between < p.high)]
        if between.size:
            values = Sum((q,), _mass_rows).terms(between)
            parts.append((values[0].sum(axis=1), values[1].sum(axis=1)))
    return sum(value[0] for value, _ in parts), sum(error[0] for _, error in parts)


def _integrate(dists, rows, low, high):
    """Integral or sum of `rows` over [low, high]: values (K,), errors (K,), method."""
    p, q = dists[0], dists[-1]
    if not (q.low <= low and high <= q.high):
        raise Uncovered
    if p.discrete and q.atoms is None:
        apart = (p.offset if p.atoms is None else p.atoms) - q.offset
        if np.any(np.abs(apart - np.rint(apart)) > 4 * EPS * (1 + np.abs(apart))):
            raise Uncovered
    with np.errstate(all="ignore"):
        return Sum(dists, rows).total(low, high) if p.discrete else Integral(dists, rows).total(low, high)
