r"""Expectations of log-densities without silent truncation: exact sums, bounded tails, adaptive quadrature.

Everything here is an integral :math:`\int p(x)\,g(x)\,\mathrm{d}x` over the whole support of p, or such a sum.
The line is cut at *anchors* c (ends of the support, kinks, medians), and beside each of them the variable is
:math:`t = \log|x - c|`, over the whole range of doubles: a singularity :math:`|x-c|^{a-1}` or a tail
:math:`|x-c|^{-s}` becomes an exponential in t, which Gauss–Legendre panels integrate to the last digit. Panels are
halved until parent and children agree. Beyond the range of doubles log-densities go on as straight lines in t, and
their integrals have closed forms; a tail that has not settled on its line by then is refused. A sum with too many terms
becomes an integral with Euler–Maclaurin corrections.

What is checked: the total mass of each density, on the same nodes (a mass that is not 1 shows a hump that was missed,
or a density that is not one); the gap between a rule and its refinement; and rounding, by a bound for the formulas and
by the scatter of each log-density about a smooth curve. The reported error is the sum of the three. It is an estimate,
not a proof: a function that no node sees (a spike of g, a hole in q) leaves no trace. A call that spends its budget of
evaluations, or misses its tolerance, raises `QuadratureError`. All logarithms are natural (nats).
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from companion import checks
from companion.integrals.densities import as_distribution
from companion.special.remainders import expm1_remainder

__all__ = ["Estimate", "QuadratureError", "as_distribution", "cross_entropy", "entropy", "expectation", "kl_divergence"]

_EPS = np.finfo(float).eps
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
# Legendre modes 8 to 15 of sixteen values on a panel, each normalised so that white noise keeps its size.
_SCATTER = np.polynomial.legendre.legvander(_NODES, 15)[:, 8:] * _WEIGHTS[:, None]
_SCATTER /= np.sqrt((_SCATTER**2).sum(axis=0))
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_FLOOR = -650.0  # a log-density that becomes -inf after this one has underflowed; before it, the density is zero there
_FAR = 700.0  # log of the largest distance
_DIRECT = 4096  # terms summed one by one on either side of an anchor
_WORK = 2**25  # evaluations of an elementary log-density that one integral may take: about two seconds
_OVERHEAD = 10  # work at a node beside them, in the same unit
_CROWD = 200  # panels beside one anchor that wait to be halved: fewer may have kinks, more have rounding errors
_LATTICE = 2.0**53  # beyond, whole numbers are not doubles


class Estimate(NamedTuple):
    """A number, an estimate of its error, and how it was found: "exact sum", "sum with bounded tail", "sum with
    Euler–Maclaurin tail", "quadrature" or "support" (infinite because q does not cover p).

    The error of an exact sum is a bound for its rounding; the others also contain the estimated error of the rule.
    Of several integrals at once, `value` and `error` are arrays."""

    value: Any
    error: Any
    method: str


class QuadratureError(ArithmeticError):
    """The requested accuracy could not be reached, or not within the budget of evaluations."""


class _Zero(Exception):
    """q is zero where p is not."""


# --- the integrals ----------------------------------------------------------------------------------------------
def kl_divergence(p, q, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""KL divergence :math:`\mathrm{KL}(p\|q) = \mathrm{E}_p[\log p - \log q]` in nats, by sum or quadrature.

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
    _check_tolerances("kl_divergence", rtol, atol)
    p, q = _pair("kl_divergence", p, q)
    try:
        (mass, inside, direct, near), error, method = _integrate((p, q), _kl_rows, p.low, p.high)
    except _Zero:
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


def _check_tolerances(where, rtol, atol):
    """Two numbers that are not negative, the relative one below 1."""
    for name, value, bound in (("rtol", rtol, 1.0), ("atol", atol, math.inf)):
        fix = "Pass a small number, e.g. rtol=1e-8, atol=1e-14."
        if not 0 <= checks.scalar(where, name, value, fix) < bound:
            checks.fail(where, name, value, f"a number from 0 to below {bound:g}", fix)


def _surprise(where, p, q, rtol, atol):
    _check_tolerances(where, rtol, atol)
    try:
        (mass, value), error, method = _integrate((p,) if q is p else (p, q), _cross_rows, p.low, p.high)
    except _Zero:
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
    _check_tolerances("expectation", rtol, atol)
    p = as_distribution(p, "expectation: p")
    if not callable(g):
        checks.fail("expectation", "g", g, "a function of x", "Pass e.g. np.square.", TypeError)

    def rows(x, place, logs, rounding):
        w = np.exp(logs[0] + place)
        value, at = np.zeros_like(w), w > 0
        value[at] = w[at] * _values_of(g, x[at])
        return np.stack([w, value]), np.stack([w, np.abs(value)]) * (rounding[0] + _EPS * np.abs(place))

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
    return v[None], (v * (rounding[0] + _EPS * np.abs(place)))[None]


def _cross_rows(x, place, logs, rounding):
    w = np.exp(logs[0] + place)
    lq = np.where(w > 0, logs[-1], 0.0)
    relative = rounding[0] + _EPS * np.abs(place)
    return np.stack([w, -w * lq]), w * np.stack([relative, relative * np.abs(lq) + rounding[-1]])


def _kl_rows(x, place, logs, rounding):
    lp, lq = logs
    w, v = np.exp(lp + place), np.exp(lq + place)
    ratio = np.where(w > 0, lq - lp, 0.0)
    rp, rq = np.where(w > 0, rounding[0], 0.0), rounding[1]
    remainder = np.where(ratio > 1, v - w - w * ratio, w * expm1_remainder(np.minimum(ratio, 1.0)))
    remainder = np.where(w > 0, remainder, v)
    location = _EPS * np.abs(place)
    noise = [
        w * (rp + location),
        v * (rq + location),
        w * (rp + rq + (location + rp) * np.abs(ratio)),
        w * np.abs(ratio) * rp + np.abs(v - w) * rq + (w * rp * rp + v * rq * rq) + remainder * (location + 4 * _EPS),
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
            values = _Sum((q,), _mass_rows).terms(between)
            parts.append((values[0].sum(axis=1), values[1].sum(axis=1)))
    return sum(value[0] for value, _ in parts), sum(error[0] for _, error in parts)


def _integrate(dists, rows, low, high):
    """Integral or sum of `rows` over [low, high]: values (K,), errors (K,), method."""
    p, q = dists[0], dists[-1]
    if not (q.low <= low and high <= q.high):
        raise _Zero
    if p.discrete and q.atoms is None:
        apart = (p.offset if p.atoms is None else p.atoms) - q.offset
        if np.any(np.abs(apart - np.rint(apart)) > 4 * _EPS * (1 + np.abs(apart))):
            raise _Zero
    with np.errstate(all="ignore"):
        return _Sum(dists, rows).total(low, high) if p.discrete else _Integral(dists, rows).total(low, high)


# --- quadrature -------------------------------------------------------------------------------------------------
class _Piece(NamedTuple):
    """The points c + sign * exp(t); p is zero, as far as doubles can tell, outside (start, stop)."""

    c: float
    sign: int
    start: float = -math.inf
    stop: float = math.inf


class _Integral:
    r"""The integral of ``rows`` over an interval, in :math:`t = \log|x-c|` beside each anchor c."""

    def __init__(self, dists, rows):
        self.dists, self.rows = dists, rows
        self.cost, self.work = _OVERHEAD + sum(d.cost for d in dists), 0

    def spend(self, evaluations):
        """Keep account of the work: a call must end."""
        self.work += evaluations * self.cost
        if self.work > _WORK:
            raise QuadratureError(
                f"{self.names}: the budget of {_WORK:.0e} evaluations is spent; expected an integrand "
                "with fewer humps, "
                "kinks or oscillations. Split it: integrate its parts one by one, or the components of a mixture."
            )

    def log_densities(self, piece, t):
        self.spend(t.size)
        y = piece.sign * np.exp(t)
        densities = [d.log_density(piece.c, y) for d in self.dists]
        densities[0] = np.where((t < piece.start) | (t > piece.stop), -math.inf, densities[0])
        return densities

    def evaluate(self, piece, t):
        """Array (3, K, n): values, their rounding errors, absolute values."""
        densities, x = self.log_densities(piece, t), piece.c + piece.sign * np.exp(t)
        if len(self.dists) > 1:
            hole = np.isneginf(densities[1]) & (densities[0] + t > -_FAR)
            if hole.any():
                self.judge(x[hole][0])
        return self.tabulate(x, t, densities)

    def tabulate(self, x, place, densities):
        rounding = [
            _EPS * (np.where(np.isfinite(v), np.abs(v), 0.0) + d.magnitude + 4) for d, v in zip(self.dists, densities)
        ]
        values, noise = self.rows(x, place, densities, rounding)
        if np.isnan(values[0]).any():
            at = x[np.isnan(values[0])][0]
            raise QuadratureError(f"{self.names}: a log-density is nan at x = {at:.17g}; expected a number.")
        return np.stack([values, noise, np.abs(values)])

    def judge(self, x):
        """log q = -inf at x, where p > 0: is q zero there, or did it underflow on the way from where it is finite?"""
        q = self.dists[1]
        if q.atoms is not None:
            raise _Zero
        finite = [y for y in (*q.features, q.center) if np.isfinite(q.log_density(0.0, np.array([y]))[0])]
        good, bad = min(finite, key=lambda y: abs(y - x), default=q.center), x
        for _ in range(100):
            middle = np.floor((good + bad) / 2) + q.offset if q.discrete else (good + bad) / 2
            if middle in (good, bad):
                break
            good, bad = (middle, bad) if np.isfinite(q.log_density(0.0, np.array([middle]))[0]) else (good, middle)
        if q.log_density(0.0, np.array([good]))[0] > _FLOOR:
            raise _Zero
        raise QuadratureError(
            f"{self.names}: the density of {q.name} underflows at x = {x:.6g}, where p is not negligible; expected a "
            "log-density that stays finite. Define _logpdf or _logpmf (scipy), or log_prob, in logarithms."
        )

    @property
    def names(self):
        return " and ".join(d.name for d in dict.fromkeys(self.dists))

    def edge(self, piece, good, bad):
        """Last t from `good` towards `bad` where all log-densities are finite, and these."""
        for _ in range(60):
            middle = (good + bad) / 2
            if np.isfinite(self.log_densities(piece, np.array([middle]))).all():
                good = middle
            else:
                bad = middle
        return good, [d[0] for d in self.log_densities(piece, np.array([good]))]

    def total(self, low, high):
        pieces = self.pieces(low, high)
        active = [
            (piece, knots[:-1], knots[1:], self.panels(piece, knots[:-1], knots[1:]), math.inf)
            for piece, knots, _ in pieces
        ]
        done, errors = np.zeros(active[0][3].shape[:2]), 0.0
        while active:
            scale = np.maximum(done[3] + sum(panel[3][3].sum(axis=1) for panel in active), 1e-300)[:, None]
            waiting = []
            for piece, left, right, parent, before in active:
                n, middle = left.size, (left + right) / 2
                halves = self.panels(piece, np.r_[left, middle], np.r_[middle, right])
                both = halves[..., :n] + halves[..., n:]
                gap = np.where(np.isfinite(both[0]), np.abs(both - parent)[0], 0.0)
                relative = gap / both[3]
                stuck = relative > before / 4  # halving no longer helps: rounding, or a mild kink
                noisy = stuck & (relative < 1e-7)
                if n > _CROWD:  # so many panels at once are no kink
                    noisy |= stuck & (gap <= np.minimum(2 * both[2], 1e-3 * both[3, :1]))
                accept = ((gap <= 1e-15 * scale) | (gap <= 2 * both[1]) | noisy).all(axis=0) | (right - left < 1e-10)
                done = done + both[..., accept].sum(axis=-1)
                errors = errors + gap[:, accept].sum(axis=1)
                rest = np.flatnonzero(~accept)
                if rest.size:
                    ends = np.r_[left[rest], middle[rest]], np.r_[middle[rest], right[rest]]
                    waiting.append((piece, *ends, halves[..., np.r_[rest, rest + n]], np.tile(relative[:, rest], 2)))
            active = waiting
        sums, errors, scale = done[0], errors + done[1] + done[2], done[3]
        for piece, _, ends in pieces:
            for end in ends:
                tail, tail_error = self.tail(piece, *end, scale)
                sums, errors = sums + tail, errors + tail_error
        return sums, errors + 4 * _EPS * np.where(np.isfinite(sums), np.abs(sums), 0.0), "quadrature"

    def panels(self, piece, left, right):
        """Gauss–Legendre sums over the panels (left, right): (4, K, panels): values, errors of the formulas, scatter,
        absolute values."""
        t = left[:, None] + (right - left)[:, None] * _NODES
        values, noise, size = self.evaluate(piece, t.ravel()).reshape(3, -1, *t.shape)
        return np.stack([values @ _WEIGHTS, noise @ _WEIGHTS, _scatter(values), size @ _WEIGHTS]) * (right - left)

    # -- where to look
    def pieces(self, low, high):
        """List of (piece, knots in t, open ends), an end being (t, direction, distance to a mark)."""
        scales = [d.scale for d in self.dists]
        shortest, longest = max(0.0, math.log(max(scales))) - _FAR, min(0.0, math.log(min(scales))) + _FAR
        spread = min(d.spread for d in self.dists)
        deep = {x for x in (low, high) if np.isfinite(x)}
        deep |= {x for d in self.dists for x in (*d.kinks, d.low, d.high) if low < x < high}
        anchors = sorted(deep)
        for d in self.dists:
            for center in d.centers or [d.center]:
                if low < center < high and all(abs(center - c) > 1e-2 * d.spread for c in anchors):
                    anchors = sorted([*anchors, center])
        if not anchors:
            anchors = [self.dists[0].center if low < self.dists[0].center < high else 0.0]
        features = np.array([x for d in self.dists for x in d.features if low <= x <= high])
        result = []
        for i, c in enumerate(anchors):
            for sign in (-1, 1):
                end = low if sign < 0 else high
                if c == end:
                    continue
                neighbour = i + sign
                inner = 0 <= neighbour < len(anchors)
                last = math.log(abs(anchors[neighbour] - c) / 2) if inner else longest
                resolution = max(d.resolution(c) for d in self.dists) if c in deep else 0.0
                first = max(shortest, math.log(resolution) if resolution else -math.inf)
                if c not in deep:
                    first = max(first, math.log(min(spread, *scales)) - 50)
                if first >= last - 1:
                    first = last - 50
                distance = (features - c) * sign
                marks = np.log(distance[distance > 0])
                result.append(self.prepare(_Piece(c, sign), first, last, marks, not inner))
        return result

    def prepare(self, piece, first, last, marks, is_open):
        """Knots that grow away from the marks, trimmed to where the log-densities can be computed."""
        marks = np.sort(marks[(marks > first) & (marks < last)])
        if marks.size:
            marks = marks[np.r_[True, np.diff(marks) > 0.5]]
        else:
            spread = min(d.spread for d in self.dists)
            marks = (
                np.clip([math.log(spread)], first + 1, last - 1) if last - first > 4 else np.array([(first + last) / 2])
            )
        knots, stack = [first], [(a, b) for a, b in zip(np.r_[first, marks], np.r_[marks, last]) if b > a][::-1]
        while stack:
            a, b = stack.pop()
            if b - a > 2 + np.abs(marks - (a + b) / 2).min():
                stack += [((a + b) / 2, b), (a, (a + b) / 2)]
            else:
                knots.append(b)
        knots = np.array(knots)
        finite = np.isfinite(self.log_densities(piece, knots))
        if len(finite) == 2 and finite[1].all() and finite[0].any():  # where p has run out, the rest of q stays
            i, j = np.flatnonzero(finite[0])[[0, -1]]
            if i > 0 and (t := self.vanishes(piece, knots[i], knots[i - 1])) is not None:
                piece, finite[0, :i] = piece._replace(start=t), True
            if j < knots.size - 1 and (t := self.vanishes(piece, knots[j], knots[j + 1])) is not None:
                piece, finite[0, j:] = piece._replace(stop=t), True
        good = finite.all(axis=0)
        if good.any():
            i, j = np.flatnonzero(good)[[0, -1]]
            if i > 0:
                knots, j = self.trim(piece, knots[i:], knots[i], knots[i - 1], 0), j - i
            if is_open and j < knots.size - 1:
                knots = self.trim(piece, knots[: j + 1], knots[j], knots[j + 1], knots.size)
        ends = [(knots[0], -1, abs(np.median(marks) - knots[0]))]
        ends += [(knots[-1], 1, abs(np.median(marks) - knots[-1]))] if is_open else []
        return piece, knots, ends

    def vanishes(self, piece, good, bad):
        """The t where p ceases to be a positive number, if it falls faster than any power there."""
        t, densities = self.edge(piece, good, bad)
        before = self.dists[0].log_density(piece.c, piece.sign * np.exp(np.array([t - 0.01 * np.sign(bad - good)])))[0]
        return t if densities[0] < _FLOOR and before - densities[0] > 0.5 else None

    def trim(self, piece, knots, good, bad, position):
        t, densities = self.edge(piece, good, bad)
        after = [d[0] for d in self.log_densities(piece, np.array([t + (bad - good) * 1e-9]))]
        if len(densities) > 1 and np.isneginf(after[1]) and np.isfinite(after[0]) and densities[1] > _FLOOR:
            raise _Zero
        return np.insert(knots, 0 if position == 0 else knots.size, t) if t != good else knots

    # -- what lies beyond
    def tail(self, piece, t, outward, room, scale):
        r"""Integral from t outward to infinity, and its error; `inf` for a row that does not decay.

        Out there p is :math:`e^{-as}` in the distance s from t, and a row is p times a straight line in s, or
        :math:`e^{-rs}`: both have closed forms. Rates that still change are an error; it is infinite for a row that
        grows, unless it grows at a constant rate, or ever faster, or at a rate whose limit (it changes by a multiple of
        1/t, as for a factor log x) is clear.
        """
        k = len(scale)
        step = min(40.0, room / 8)
        at = t - outward * step * np.arange(4)
        h = self.evaluate(piece, at)[0]
        value, error = np.zeros(k), np.zeros(k)
        size = np.abs(h)
        rates = np.diff(np.log(size), axis=1) / step  # positive where the row decays outward
        rounding = 8 * _EPS * (np.abs(np.log(size)).max(axis=1) + abs(t)) / step
        settled = np.ptp(rates, axis=1) <= 1e-9 * np.abs(rates[:, 0]) + rounding
        needed = (size[:, 0] > 0) & ~((rates[:, 0] > 0.02) & (size[:, 0] * 50 < 1e-17 * scale))
        middle = abs(t) - step * (np.arange(3) + 0.5)
        limits = np.diff(rates * middle, axis=1) / np.diff(middle)
        a, lines = rates[0, 0], h / h[0]
        for i in np.flatnonzero(needed):
            start, rate, (slope, earlier, _) = lines[i, 0], rates[i], -np.diff(lines[i]) / step
            drift = abs(slope - earlier)
            straight = drift <= 1e-9 * abs(slope) + 1e-12 * np.abs(lines[i]).max() / step
            if settled[0] and straight and a > 2 * rounding[0]:
                value[i] = h[0, 0] / a * (start + slope / a)
                doubt = (abs(a - rates[0, 1]) + rounding[0]) / a
                error[i] = h[0, 0] / a * (doubt * (abs(start) + 2 * abs(slope / a)) + drift / a)
            elif rate[0] > 2 * rounding[i] and rate[0] > rate[1] / 2:
                value[i] = h[i, 0] / rate[0]
                error[i] = abs(value[i]) * (4 * abs(rate[0] - rate[1]) + rounding[i]) / rate[0]
            elif (
                i
                and rate[0] <= 2 * rounding[i]
                and (settled[i] or rate[0] < rate[1] < rate[2] or (limits[i] < -0.01).all())
            ):
                value[i] = math.copysign(math.inf, h[i, 0])
            else:
                error[i] = math.inf
        return value, error


def _scatter(values):
    """How far `values` (..., 16) at the nodes of a panel lie from a smooth curve: an estimate of their rounding error.

    The highest modes of a smooth curve fall off, those of rounding errors do not.
    """
    modes = np.abs(values @ _SCATTER)
    high, low = modes[..., 4:].max(axis=-1), modes[..., :4].max(axis=-1)
    falling = np.minimum(1.0, 3 * high / np.where(low > 0, low, 1.0))
    return 2 * high * falling**4


# --- sums -------------------------------------------------------------------------------------------------------
class _Sum(_Integral):
    """The sum of ``rows`` over the points low, low + 1, …, high: term by term near the anchors, elsewhere as an
    integral with Euler–Maclaurin corrections."""

    def total(self, low, high):
        if (atoms := self.dists[0].atoms) is not None:
            return self.finish(self.terms(atoms[(atoms >= low) & (atoms <= high)]), "exact sum")
        if high - low < 16 * _DIRECT:
            return self.finish(self.terms(np.arange(low, high + 1)), "exact sum")
        if low > _LATTICE:  # the rest of q, beyond the end of p
            return super().total(low, high)
        low, high = (x if abs(x) < _LATTICE else math.copysign(math.inf, x) for x in (low, high))
        anchors, offset = {x for x in (low, high) if np.isfinite(x)}, self.dists[0].offset
        for d in self.dists:
            anchors |= {np.floor(x) + offset for x in (*d.features, d.center) if low <= x <= high}
        if max(map(abs, anchors)) > _LATTICE - 2 * _DIRECT:
            raise QuadratureError(
                f"{self.names}: outcomes near {max(anchors, key=abs):g}; expected whole numbers below "
                "2**53, which doubles tell "
                "apart. Compare limits instead, e.g. normal distributions."
            )
        blocks = []
        for c in sorted(anchors):
            first, last = max(low, c - _DIRECT), min(high, c + _DIRECT)
            if blocks and first <= blocks[-1][1] + 8:
                blocks[-1][1] = last
            elif not blocks or last > blocks[-1][1]:
                blocks.append([first, last])
        terms = [self.terms(np.arange(first, last + 1)) for first, last in blocks]
        value, error, _ = self.finish(np.concatenate(terms, axis=-1), "")
        scale, quadrature = sum(part[2].sum(axis=1) for part in terms), False
        gaps = [(b[1], c[0]) for b, c in itertools.pairwise(blocks)]
        gaps += [(None, blocks[0][0])] if blocks[0][0] > low else []
        gaps += [(blocks[-1][1], None)] if blocks[-1][1] < high else []
        index = {b[0]: i for i, b in enumerate(blocks)} | {b[1]: i for i, b in enumerate(blocks)}
        for left, right in gaps:
            sides = [(left, 1, terms[index[left]][0, :, :-4:-1])] if left is not None else []
            sides += [(right, -1, terms[index[right]][0, :, :3])] if right is not None else []
            bounds = [_geometric_bound(side[2]) for side in sides]
            if all((b <= 1e-18 * scale).all() for b in bounds):
                error = error + sum(bounds)
                continue
            quadrature = True
            integral = _Gap(self, left, right)
            a = -math.inf if left is None else left + 0.5
            b = math.inf if right is None else right - 0.5
            part, part_error, _ = integral.total(a, b)
            self.work = integral.work
            for end, sign, _ in sides:
                near = self.terms(end + sign * np.arange(-1, 3))[0]
                first = near[:, 2] - near[:, 1]
                third = near[:, 3] - 3 * near[:, 2] + 3 * near[:, 1] - near[:, 0]
                part = part + first / 24 - 17 * third / 5760
                part_error = part_error + np.abs(third) / 100
            value, error = value + part, error + part_error
        return value, error, "sum with Euler–Maclaurin tail" if quadrature else "sum with bounded tail"

    def terms(self, x):
        """Array (3, K, n) at the points x, as of `evaluate`."""
        self.spend(x.size)
        densities = [d.log_density(0.0, x) for d in self.dists]
        if len(densities) > 1 and (hole := np.isneginf(densities[1]) & (densities[0] > -_FAR)).any():
            self.judge(x[hole][0])
        return self.tabulate(x, np.zeros(x.shape), densities)

    def finish(self, terms, method):
        values, noise, size = terms.sum(axis=-1)
        return values, noise + 8 * _EPS * size, method


class _Gap(_Integral):
    """The integral over the points between two blocks, x measured from the block's edge."""

    def __init__(self, parent, left, right):
        super().__init__(parent.dists, parent.rows)
        self.work = parent.work

    def pieces(self, low, high):
        ends = [x for x in (low, high) if np.isfinite(x)]
        features = np.array([x for d in self.dists for x in (*d.features, d.center) if low < x < high])
        last = math.log((high - low) / 2) if len(ends) == 2 else _FAR
        result = []
        for c in ends:
            sign = 1 if c == low else -1
            distance = (features - c) * sign
            marks = np.append(np.log(distance[distance > 0]), math.log(_DIRECT))
            result.append(self.prepare(_Piece(c, sign), math.log(_DIRECT) - 50, last, marks, len(ends) == 1))
        return result


def _geometric_bound(terms):
    """Bound for the sum of the terms beyond terms[:, 0] (outermost first), from the ratio of the last three; the ratio
    of a heavy tail rises towards 1, which the factor 4 allows for."""
    a = np.abs(terms)
    ratio = np.where(a[:, 1] > 0, np.maximum(a[:, 0] / a[:, 1], a[:, 1] / a[:, 2]), 0.0)
    return np.where(a[:, 0] == 0, 0.0, np.where(ratio < 1, 4 * a[:, 0] / (1 - ratio), math.inf))
