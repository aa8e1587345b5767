r"""Expectations of log-densities without silent truncation: exact sums, bounded tails, adaptive quadrature.

Everything here is an integral :math:`\int p(x)\,g(x)\,\mathrm{d}x` over the whole support of p, or the sum of that name.
The line is cut at *anchors* c (ends of the support, kinks, medians), and beside each of them the variable is
:math:`t = \log|x - c|`, over the whole range of doubles: a singularity :math:`|x-c|^{a-1}` or a tail
:math:`|x-c|^{-s}` becomes an exponential in t, which Gauss–Legendre panels integrate to the last digit. Panels are
halved until parent and children agree. What lies beyond the range of doubles is extrapolated; a tail that does not
decay there is an infinite integral. A sum with too many terms becomes an integral with Euler–Maclaurin corrections.

The total mass of each density is integrated on the same nodes: a mass that is not 1 shows a hump that was missed, or a
density that is not one. All logarithms are natural (nats).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special, stats
from scipy.stats import _distn_infrastructure as infrastructure  # rv_frozen, rv_sample: documented, not exported

from companion.remainders import expm1_remainder, phi

__all__ = ["Estimate", "QuadratureError", "as_distribution", "cross_entropy", "entropy", "expectation", "kl_divergence"]

_EPS = np.finfo(float).eps
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_FLOOR = -650.0  # a log-density that becomes -inf after this one has underflowed; before it, the density is zero there
_FAR = 700.0  # log of the largest distance
_DIRECT = 4096  # terms summed one by one on either side of an anchor
_MAX_PANELS = 40000


class Estimate(NamedTuple):
    """A number, a bound for its error, and how it was found: "exact sum", "sum with bounded tail", "quadrature" or
    "support" (infinite because q does not cover p)."""

    value: float
    error: float
    method: str


class QuadratureError(ArithmeticError):
    """The requested accuracy could not be certified."""


class _Zero(Exception):
    """q is zero where p is not."""


# --- the integrals ----------------------------------------------------------------------------------------------
def kl_divergence(p, q, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""KL divergence :math:`\mathrm{KL}(p\|q) = \mathrm{E}_p[\log p - \log q]` in nats, by sum or quadrature.

    Beside that integral the sum of non-negative remainders is computed, with :math:`l = \log q - \log p`,

    .. math:: \mathrm{KL}(p\|q) = \int_{p>0} p\,(e^l - 1 - l)\,\mathrm{d}x + Q(p = 0),

    in which nothing cancels when p and q are close. The one with the smaller error bound is returned.

    Parameters
    ----------
    p, q : distribution
        Univariate frozen ``scipy.stats`` distributions or scalar distributions of this package, both discrete or both
        continuous.
    rtol, atol : float
        The error bound must not exceed ``max(rtol * |value|, atol)``. It is usually far below.

    Returns
    -------
    Estimate
        ``value`` is `inf` where q does not cover p or the integral diverges, never negative, and 0.0 for p and p.

    Raises
    ------
    QuadratureError
        If the tolerance cannot be certified; the message has the value and the bound that were reached.
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
        bias_q = abs(inside + outside - 1)
        value = near + outside
        estimates = [
            (estimates[0][0] + bias_q, direct),
            (error[3] + outside_error + (bias + bias_q) * (value + outside), value),
        ]
    error, value = min(estimates)
    return _certified("kl_divergence", (p, q), max(value, 0.0), error, method, rtol, atol)


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
    try:
        (mass, value), error, method = _integrate((p, q), _cross_rows, p.low, p.high)
    except _Zero:
        return Estimate(math.inf, 0.0, "support")
    _check_mass("cross_entropy", p, mass, error[0])
    bias = abs(mass - 1)
    if np.isfinite(value) and q is not p:
        (mass_q,), (mass_q_error,), _ = _integrate((q,), _mass_rows, q.low, q.high)
        _check_mass("cross_entropy", q, mass_q, mass_q_error)
        bias += abs(mass_q - 1)
    return _certified("cross_entropy", (p, q), value, error[1], method, rtol, atol, bias)


def entropy(p, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""Entropy :math:`-\mathrm{E}_p[\log p]` in nats; for a density the differential entropy, which may be negative.

    Examples
    --------
    >>> from scipy import stats
    >>> round(entropy(stats.uniform(0, 0.5)).value, 6)
    -0.693147
    """
    p = as_distribution(p, "entropy: p")
    return cross_entropy(p, p, rtol, atol)


def expectation(p, g, rtol=1e-8, atol=1e-14) -> Estimate:
    r"""Expectation :math:`\mathrm{E}_p[g(x)]` of a vectorised function g, array (n,) -> array (n,).

    Examples
    --------
    >>> from scipy import stats
    >>> round(expectation(stats.t(3), np.square).value, 9)
    3.0
    >>> expectation(stats.cauchy(), np.abs).value
    inf
    """
    p = as_distribution(p, "expectation: p")

    def rows(x, place, logs, rounding):
        w = np.exp(logs[0] + place)
        value = np.zeros_like(w)
        value[w > 0] = w[w > 0] * np.asarray(g(x[w > 0]), dtype=float)
        return np.stack([w, value]), np.stack([w, np.abs(value)]) * (rounding[0] + _EPS * np.abs(place))

    (mass, value), error, method = _integrate((p,), rows, p.low, p.high)
    _check_mass("expectation", p, mass, error[0])
    return _certified("expectation", (p,), value, error[1], method, rtol, atol, abs(mass - 1))


# --- integrands: x, log-Jacobian, log-densities and their rounding errors -> values (K, n), rounding errors (K, n) ---
def _mass_rows(x, place, logs, rounding):
    v = np.exp(logs[0] + place)
    return v[None], (v * (rounding[0] + _EPS * np.abs(place)))[None]


def _cross_rows(x, place, logs, rounding):
    w = np.exp(logs[0] + place)
    lq = np.where(w > 0, logs[1], 0.0)
    relative = rounding[0] + _EPS * np.abs(place)
    return np.stack([w, -w * lq]), w * np.stack([relative, relative * np.abs(lq) + rounding[1]])


def _kl_rows(x, place, logs, rounding):
    lp, lq = logs
    w, v = np.exp(lp + place), np.exp(lq + place)
    ratio = np.where(w > 0, lq - lp, 0.0)
    remainder = np.where(ratio > 1, v - w - w * ratio, w * expm1_remainder(np.minimum(ratio, 1.0)))
    remainder = np.where(w > 0, remainder, v)
    density, location = rounding[0] + rounding[1], _EPS * np.abs(place)
    noise = [w * (density + location), v * (density + location),
             w * (density + location * np.abs(ratio)), np.abs(v - w) * density + remainder * (location + 4 * _EPS)]
    return np.stack([w, v, -w * ratio, remainder]), np.stack(noise)


# --- checks -----------------------------------------------------------------------------------------------------
def _pair(where, p, q):
    same = p is q
    p = as_distribution(p, f"{where}: p")
    q = p if same else as_distribution(q, f"{where}: q")
    if p.discrete != q.discrete:
        kinds = ("continuous", "discrete")
        raise ValueError(
            f"{where}: p = {p.name} is {kinds[p.discrete]} and q = {q.name} is {kinds[q.discrete]}; expected both of one "
            "kind. There is no density of one with respect to the other: compare two probability functions or two densities."
        )
    return p, q


def _check_mass(where, d, mass, error):
    if not abs(mass - 1) <= 1e-7 + 2 * error:
        raise QuadratureError(
            f"{where}: the density of {d.name} integrates to {mass:.10g} (error bound {error:.1g}); expected 1. "
            "Either it is not normalised, or a narrow part of it was missed: give the object a method quadrature_points() "
            "that returns places of interest (modes, quantiles)."
        )


def _certified(where, dists, value, error, method, rtol, atol, bias=0.0):
    """An Estimate whose error, with that from a relative `bias` of the densities, is within the tolerance."""
    if math.isinf(value):
        return Estimate(float(value), 0.0, method)
    error = error + bias * (1 + abs(value))
    if not error <= max(rtol * abs(value), atol):
        names = " and ".join(f"{letter} = {d.name}" for letter, d in zip("pq", dict.fromkeys(dists)))
        raise QuadratureError(
            f"{where} of {names}: reached {value:.17g} with error bound {error:.2g}; expected at most "
            f"max({rtol:g} * |value|, {atol:g}). Pass a looser tolerance, e.g. rtol={max(2 * error / (abs(value) or 1), 1e-15):.0e}."
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
            parts.append((values[:1].sum(axis=1), values[1:2].sum(axis=1)))
    return sum(value[0] for value, _ in parts), sum(error[0] for _, error in parts)


def _integrate(dists, rows, low, high):
    """Integral or sum of `rows` over [low, high]: values (K,), error bounds (K,), method."""
    p, q = dists[0], dists[-1]
    if not (q.low <= low and high <= q.high):
        raise _Zero
    if p.discrete and q.atoms is None and np.any((p.offset if p.atoms is None else p.atoms) % 1 != q.offset):
        raise _Zero
    with np.errstate(all="ignore"):
        return _Sum(dists, rows).total(low, high) if p.discrete else _Integral(dists, rows).total(low, high)


# --- quadrature -------------------------------------------------------------------------------------------------
class _Piece(NamedTuple):
    """The points c + sign * exp(t)."""

    c: float
    sign: int


class _Integral:
    r"""The integral of ``rows`` over an interval, in :math:`t = \log|x-c|` beside each anchor c."""

    def __init__(self, dists, rows):
        self.dists, self.rows = dists, rows

    def log_densities(self, piece, t):
        y = piece.sign * np.exp(t)
        return [d.log_density(piece.c, y) for d in self.dists]

    def evaluate(self, piece, t):
        """Rows (3K, n): values, rounding errors, absolute values."""
        densities = self.log_densities(piece, t)
        if len(self.dists) > 1:
            hole = np.isneginf(densities[1]) & (densities[0] + t > -_FAR)
            if hole.any():
                self.judge(piece.c + piece.sign * np.exp(t[hole][0]))
        values, noise = self.rows(piece.c + piece.sign * np.exp(t), t, densities, self.rounding(densities))
        if np.isnan(values[0]).any():
            bad = piece.c + piece.sign * np.exp(t[np.isnan(values[0])][0])
            raise QuadratureError(f"{self.names}: a log-density is nan at x = {bad:.17g}; expected a number.")
        return np.concatenate([values, noise, np.abs(values)])

    def rounding(self, densities):
        return [_EPS * (np.where(np.isfinite(v), np.abs(v), 0.0) + d.magnitude + 4) for d, v in zip(self.dists, densities)]

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
        active = [(piece, knots[:-1], knots[1:], self.panels(piece, knots[:-1], knots[1:]), math.inf) for piece, knots, _ in pieces]
        k = len(active[0][3]) // 3
        done, errors, evaluated = np.zeros(3 * k), np.zeros(k), 0
        while active:
            scale = np.maximum(done[2 * k :] + sum(panel[3][2 * k :].sum(axis=1) for panel in active), 1e-300)[:, None]
            waiting = []
            for piece, left, right, parent, before in active:
                n, middle = left.size, (left + right) / 2
                halves = self.panels(piece, np.r_[left, middle], np.r_[middle, right])
                both = halves[:, :n] + halves[:, n:]
                gap = np.where(np.isfinite(both[:k]), np.abs(both - parent)[:k], 0.0)
                relative = gap / both[2 * k :]
                noisy = (relative < 1e-7) & (relative > before / 4)  # halving no longer helps: rounding, or a mild kink
                accept = ((gap <= 1e-15 * scale) | (gap <= 2 * both[k : 2 * k]) | noisy).all(axis=0)
                accept |= (right - left < 1e-10) | (evaluated > _MAX_PANELS)
                done += both[:, accept].sum(axis=1)
                errors += gap[:, accept].sum(axis=1)
                evaluated += 2 * n
                if not accept.all():
                    rest = np.flatnonzero(~accept)
                    waiting.append((piece, np.r_[left[rest], middle[rest]], np.r_[middle[rest], right[rest]],
                                    halves[:, np.r_[rest, rest + n]], np.tile(relative[:, rest], 2)))
            active = waiting
        sums, scale, errors = done[:k], done[2 * k :], errors + done[k : 2 * k]
        for piece, knots, ends in pieces:
            for end in ends:
                tail, tail_error = self.tail(piece, *end, scale)
                sums, errors = sums + tail, errors + tail_error
        return sums, errors + 4 * _EPS * np.where(np.isfinite(sums), np.abs(sums), 0.0), "quadrature"

    def panels(self, piece, left, right):
        """Gauss–Legendre sums over the panels (left, right): (3K, panels)."""
        t = left[:, None] + (right - left)[:, None] * _NODES
        values = self.evaluate(piece, t.ravel()).reshape(-1, *t.shape)
        return values @ _WEIGHTS * (right - left)

    # -- where to look
    def pieces(self, low, high):
        """List of (piece, knots in t, open ends), an end being (t, direction, whether t was trimmed, distance to a mark)."""
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
                    first = max(first, math.log(spread) - 50)
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
            marks = np.clip([math.log(spread)], first + 1, last - 1) if last - first > 4 else np.array([(first + last) / 2])
        knots, stack = [first], [(a, b) for a, b in zip(np.r_[first, marks], np.r_[marks, last]) if b > a][::-1]
        while stack:
            a, b = stack.pop()
            if b - a > 2 + np.abs(marks - (a + b) / 2).min():
                stack += [((a + b) / 2, b), (a, (a + b) / 2)]
            else:
                knots.append(b)
        knots = np.array(knots)
        good = np.isfinite(self.log_densities(piece, knots)).all(axis=0)
        ends, cut_first, cut_last = [], False, False
        if good.any():
            i, j = np.flatnonzero(good)[[0, -1]]
            if i > 0:
                knots, cut_first, j = self.trim(piece, knots[i:], knots[i], knots[i - 1], 0), True, j - i
            if is_open and j < knots.size - 1:
                knots, cut_last = self.trim(piece, knots[: j + 1], knots[j], knots[j + 1], knots.size), True
        ends = [(knots[0], -1, cut_first, abs(np.median(marks) - knots[0]))]
        ends += [(knots[-1], 1, cut_last, abs(np.median(marks) - knots[-1]))] if is_open else []
        return piece, knots, ends

    def trim(self, piece, knots, good, bad, position):
        t, densities = self.edge(piece, good, bad)
        after = [d[0] for d in self.log_densities(piece, np.array([t + (bad - good) * 1e-9]))]
        if len(densities) > 1 and np.isneginf(after[1]) and np.isfinite(after[0]) and densities[1] > _FLOOR:
            raise _Zero
        return np.insert(knots, 0 if position == 0 else knots.size, t) if t != good else knots

    # -- what lies beyond
    def tail(self, piece, t, outward, cut, room, scale):
        """Integral from t outward to infinity, and its error; inf for a row that does not decay."""
        k = len(scale)
        step = min(40.0, room / 8)
        at = t - outward * step * np.arange(3)
        h = self.evaluate(piece, at)[:k]
        size = np.abs(h)
        slope = (np.log(size[:, 1]) - np.log(size[:, 0])) / step
        earlier = (np.log(size[:, 2]) - np.log(size[:, 1])) / step
        value, error = np.zeros(k), np.zeros(k)
        needed = (size[:, 0] > 0) & ~((slope > 0.02) & (size[:, 0] * 50 < 1e-17 * scale))
        if not needed.any():
            return value, error
        if needed[0] and not slope[0] > 1e-9:
            raise QuadratureError(
                f"{self.names}: the density of {self.dists[0].name} has mass beyond the range of doubles; "
                "expected a tail that decays. Take logarithms of the variable first."
            )
        width = min(step, 2 / max(slope[needed].max(), 0.05))
        edges = t - outward * width * np.arange(7)
        terms = self.panels(piece, np.minimum(edges[1:], edges[:-1]), np.maximum(edges[1:], edges[:-1]))[:k, ::-1]
        for i in np.flatnonzero(needed):
            if slope[i] <= 1e-11:
                reach = slope[i] + (slope[i] - earlier[i]) / step * (_FAR - abs(t))
                if cut and slope[i] < -1e-9 and reach > 0:
                    raise QuadratureError(
                        f"{self.names}: the integrand still grows where the log-density overflows (x = "
                        f"{piece.c + piece.sign * np.exp(t):.3g}), and it is not clear that it goes on growing."
                    )
                value[i] = math.copysign(math.inf, h[i, 0])
            else:
                value[i], error[i] = _extrapolate(terms[i])
        return value, error


def _extrapolate(a):
    """Sum of the terms that follow a[0..5], for a sum of one or two geometric sequences, and an error bound."""

    def one(b):
        ratio = b[-1] / b[-2]
        return b[-1] * ratio / (1 - ratio), ratio

    def two(b):
        u, v = np.linalg.solve([[b[-3], b[-4]], [b[-2], b[-3]]], [b[-2], b[-1]])
        return ((u + v) * b[-1] + v * b[-2]) / (1 - u - v)

    value, ratio = one(a)
    best = value, 4 * abs(value - (one(a[:-1])[0] - a[-1])) / max(1 - ratio, 1e-16) + 1e-13 * abs(value)
    try:
        value = two(a)
        error = 4 * abs(value - (two(a[:-1]) - a[-1])) / max(1 - ratio, 1e-16) + 1e-13 * abs(value)
        if error < best[1]:
            best = value, error
    except np.linalg.LinAlgError:
        pass
    return best if np.isfinite(best).all() else (0.0, math.inf)


# --- sums -------------------------------------------------------------------------------------------------------
class _Sum(_Integral):
    """The sum of ``rows`` over the points low, low + 1, …, high: term by term near the anchors, elsewhere as an
    integral with Euler–Maclaurin corrections."""

    def total(self, low, high):
        if (atoms := self.dists[0].atoms) is not None:
            return self.finish(self.terms(atoms[(atoms >= low) & (atoms <= high)]), "exact sum")
        if high - low < 16 * _DIRECT:
            return self.finish(self.terms(np.arange(low, high + 1)), "exact sum")
        anchors, offset = {x for x in (low, high) if np.isfinite(x)}, self.dists[0].offset
        for d in self.dists:
            anchors |= {np.floor(x) + offset for x in (*d.features, d.center) if low <= x <= high}
        blocks = []
        for c in sorted(anchors):
            first, last = max(low, c - _DIRECT), min(high, c + _DIRECT)
            if blocks and first <= blocks[-1][1] + 8:
                blocks[-1][1] = last
            elif not blocks or last > blocks[-1][1]:
                blocks.append([first, last])
        ranges = [np.arange(first, last + 1) for first, last in blocks]
        terms = [self.terms(r) for r in ranges]
        value, error, _ = self.finish(np.concatenate(terms, axis=1), "")
        k, quadrature = len(value), False
        scale = np.abs(np.concatenate(terms, axis=1)[:k]).sum(axis=1)
        gaps = [(b[1], c[0]) for b, c in zip(blocks, blocks[1:])]
        gaps += [(None, blocks[0][0])] if blocks[0][0] > low else []
        gaps += [(blocks[-1][1], None)] if blocks[-1][1] < high else []
        index = {b[0]: i for i, b in enumerate(blocks)} | {b[1]: i for i, b in enumerate(blocks)}
        for left, right in gaps:
            sides = [(left, 1, terms[index[left]][:k, :-4:-1])] if left is not None else []
            sides += [(right, -1, terms[index[right]][:k, :3])] if right is not None else []
            bounds = [_geometric_bound(side[2]) for side in sides]
            if all((b <= 1e-18 * scale).all() for b in bounds):
                error = error + sum(bounds)
                continue
            quadrature = True
            integral = _Gap(self.dists, self.rows, left, right)
            a = -math.inf if left is None else left + 0.5
            b = math.inf if right is None else right - 0.5
            part, part_error, _ = integral.total(a, b)
            for end, sign, _ in sides:
                near = self.terms(end + sign * np.arange(-1, 3))[:k]
                first = near[:, 2] - near[:, 1]
                third = near[:, 3] - 3 * near[:, 2] + 3 * near[:, 1] - near[:, 0]
                part = part + first / 24 - 17 * third / 5760
                part_error = part_error + np.abs(third) / 100
            value, error = value + part, error + part_error
        return value, error, "sum with Euler–Maclaurin tail" if quadrature else "sum with bounded tail"

    def terms(self, x):
        """Rows (3K, n) at the points x."""
        zero = np.zeros(x.shape)
        densities = [d.log_density(0.0, x) for d in self.dists]
        if len(densities) > 1 and (hole := np.isneginf(densities[1]) & (densities[0] > -_FAR)).any():
            self.judge(x[hole][0])
        values, noise = self.rows(x, zero, densities, self.rounding(densities))
        if np.isnan(values[0]).any():
            raise QuadratureError(f"{self.names}: a log-probability is nan at x = {x[np.isnan(values[0])][0]:g}; expected a number.")
        return np.concatenate([values, noise, np.abs(values)])

    def finish(self, terms, method):
        k = len(terms) // 3
        value, noise = terms[:k].sum(axis=1), terms[k : 2 * k].sum(axis=1)
        return value, noise + 8 * _EPS * terms[2 * k :].sum(axis=1), method


class _Gap(_Integral):
    """The integral over the points between two blocks, x measured from the block's edge."""

    def __init__(self, dists, rows, left, right):
        super().__init__(dists, rows)
        self.inner = [x for x in (left, right) if x is not None]

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


# --- distributions ----------------------------------------------------------------------------------------------
class _Density:
    """What the quadrature needs of a distribution.

    ``log_density(c, y)`` is the log-density at c + y, evaluated without forming the sum where c is an end of the support.
    ``center``, ``spread`` and ``features`` say where the mass is, ``kinks`` where the density is not smooth,
    ``resolution(c)`` how close to its end or kink c the density can be evaluated, ``magnitude`` how large the terms are whose
    sum is the log-density, where they cancel.
    """

    atoms = None
    kinks = ()
    centers = ()
    scale = 1.0
    magnitude = 0.0
    offset = 0.0  # of the lattice of a discrete distribution from the integers

    def locate(self, features):
        features = np.unique(np.asarray(features, dtype=float))
        self.features = features = features[np.isfinite(features)]
        ends = [x for x in (self.low, self.high) if np.isfinite(x)]
        if features.size == 0:
            features = np.array(ends or [0.0])
        self.center = float(features[features.size // 2])
        spread = features[-1] - features[0]
        self.spread = float(spread) if spread > 0 else float(ends[1] - ends[0]) if len(ends) == 2 else self.scale

    def resolution(self, c):
        return 1e4 * _EPS * abs(c) if c in (self.low, self.high) or c in self.kinks else 0.0


class _Scipy(_Density):
    """A frozen scipy distribution in standardised coordinates z = (x - loc)/scale."""

    def __init__(self, frozen, argument):
        dist = frozen.dist
        shapes, loc, scale = dist._parse_args(*frozen.args, **frozen.kwds)
        self.name = _scipy_name(frozen)
        if any(np.size(v) != 1 for v in (*shapes, loc, scale)):
            raise TypeError(f"{argument} = {self.name}; expected a single distribution, not an array of them. Loop over its parameters.")
        shapes = [np.asarray(s).reshape(()) for s in shapes]
        self.loc, self.scale = float(np.ravel(loc)[0]), float(np.ravel(scale)[0])
        if not (np.all(dist._argcheck(*shapes)) and self.scale > 0 and np.isfinite(self.loc)):
            raise ValueError(f"{argument} = {self.name}; expected parameters in the domain of stats.{dist.name}. scipy would return nan.")
        self.discrete = isinstance(dist, stats.rv_discrete)
        key = dist.name if type(dist).__module__.startswith("scipy.stats") else None
        shapes = [np.asarray(s, dtype=float) for s in shapes]
        hook = dist._logpmf if self.discrete else dist._logpdf
        standard = _LOG_DENSITY.get(key, hook)
        self.standard = lambda z: standard(z, *shapes)
        from_low, from_high = _FROM_ENDS.get(key, (None, None))
        self.from_low = from_low and (lambda y: from_low(y, *shapes))
        self.from_high = from_high and (lambda y: from_high(y, *shapes))
        self.a, self.b = (float(v) for v in ((-np.pi, np.pi) if key == "vonmises" else dist._get_support(*shapes)))
        self.low, self.high = self.a * self.scale + self.loc, self.b * self.scale + self.loc
        if isinstance(dist, infrastructure.rv_sample):
            self.atoms = np.asarray(dist.xk, dtype=float) + self.loc
        if key in ("betabinom", "betanbinom", "hypergeom", "nhypergeom", "skellam") or (self.discrete and key is None):
            self.magnitude = float(sum(np.abs(special.xlogy(s, np.abs(s) + 1)) for s in shapes))
        self.offset = self.loc % 1 if self.discrete else 0.0
        self.locate(np.asarray(self.landmarks(dist, shapes)) * self.scale + self.loc)
        self.kinks = tuple(float(z) * self.scale + self.loc for z in _KINKS.get(key, lambda *s: ())(*shapes))
        if isinstance(dist, stats.rv_histogram):
            self.kinks = tuple(np.asarray(dist._hbins) * self.scale + self.loc)

    def landmarks(self, dist, shapes):
        """Quantiles where they are cheap, else mean and standard deviation where scipy has a formula for them."""
        generic = stats.rv_discrete if self.discrete else stats.rv_continuous
        with np.errstate(all="ignore"):
            if self.atoms is not None:
                return dist.xk
            if type(dist)._ppf is not generic._ppf:
                return dist._ppf(np.array([0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]), *shapes)
            if not self.discrete or np.isinf(self.a):
                try:  # scipy's search for a quantile of a density that it integrates numerically
                    return dist._ppf(np.array([0.25, 0.5, 0.75]), *shapes)
                except (ArithmeticError, RuntimeError, ValueError):
                    return []
            if type(dist)._stats is generic._stats:
                return [self.a]
            mean, variance = dist._stats(*shapes)[:2]
            points = mean + np.sqrt(variance) * np.array([-2.0, 0.0, 2.0])
            return np.r_[self.a, points[(points > self.a) & (points < self.b)]]

    def log_density(self, c, y):
        s = y / self.scale
        with np.errstate(all="ignore"):
            if c == self.low and self.from_low:
                return np.where(s <= self.b - self.a, self.from_low(s), -np.inf) - math.log(self.scale)
            if c == self.high and self.from_high:
                return np.where(-s <= self.b - self.a, self.from_high(-s), -np.inf) - math.log(self.scale)
            z = s + (self.a if c == self.low else self.b if c == self.high else (c - self.loc) / self.scale)
            value = self.standard(z) - math.log(self.scale)
        return np.where((z >= self.a) & (z <= self.b), value, -np.inf)

    def resolution(self, c):
        if (c == self.low and self.from_low) or (c == self.high and self.from_high):
            return 0.0
        z = self.a if c == self.low else self.b if c == self.high else (c - self.loc) / self.scale if c in self.kinks else 0.0
        return 1e4 * _EPS * abs(z) * self.scale


class _Mixture(_Density):
    """A weighted sum of distributions."""

    def __init__(self, obj, argument):
        self.name = repr(obj)
        parts, weights = obj.components, np.asarray(obj.weights, dtype=float)
        if hasattr(parts, "batch_shape"):  # one batch of a family
            parts = [parts._member((i,)) for i in range(weights.size)]
        self.parts = [as_distribution(d, f"{argument}, component {i}") for i, d in enumerate(parts) if weights[i] > 0]
        self.log_weights = np.log(weights[weights > 0])
        self.discrete, self.offset = self.parts[0].discrete, self.parts[0].offset
        self.low, self.high = min(d.low for d in self.parts), max(d.high for d in self.parts)
        self.scale = min(d.scale for d in self.parts)
        self.kinks = tuple({x for d in self.parts for x in (*d.kinks, d.low, d.high) if self.low < x < self.high})
        self.locate([x for d in self.parts for x in d.features])
        self.spread = min(d.spread for d in self.parts)
        self.centers = tuple(c for d in self.parts for c in d.centers or [d.center])

    def log_density(self, c, y):
        parts = [w + d.log_density(c, y) for w, d in zip(self.log_weights, self.parts)]
        return special.logsumexp(parts, axis=0) if len(parts) > 1 else parts[0]

    def resolution(self, c):
        return max(d.resolution(c) for d in self.parts)


class _Object(_Density):
    """Any object with ``log_prob(x)`` and ``support``; ``log_prob_from_left(y)``, ``log_prob_from_right(y)`` and
    ``quadrature_points()`` are used where they exist."""

    def __init__(self, obj, argument):
        self.obj, self.name, self.discrete = obj, repr(obj), bool(obj.discrete)
        support = obj.support() if callable(obj.support) else obj.support
        self.low, self.high = (float(np.ravel(v)[0]) for v in support)
        self.ends = {self.low: getattr(obj, "log_prob_from_left", None), self.high: getattr(obj, "log_prob_from_right", None)}
        if hasattr(obj, "quadrature_points"):
            points = obj.quadrature_points()
        else:
            try:
                mean, sd = float(obj.mean()), float(obj.variance()) ** 0.5
                points = [x for x in (mean - 2 * sd, mean, mean + 2 * sd) if self.low < x < self.high]
            except (AttributeError, TypeError, ValueError, NotImplementedError):
                points = []
        self.locate(points)

    def log_density(self, c, y):
        if self.ends.get(c):
            return np.asarray(self.ends[c](np.abs(y)), dtype=float)
        x = c + y
        inside = (x >= self.low) & (x <= self.high)
        value = np.full(x.shape, -np.inf)
        value[inside] = self.obj.log_prob(x[inside])
        return value

    def resolution(self, c):
        return 0.0 if self.ends.get(c) else super().resolution(c)


def as_distribution(obj, argument="distribution"):
    """The adapter that the quadrature works with, for a frozen scipy distribution or an object with ``log_prob``.

    Raises
    ------
    TypeError
        If `obj` is neither, is not frozen, not univariate, or an array of distributions.
    ValueError
        If its parameters are outside their domain.
    """
    if isinstance(obj, _Density):
        return obj
    if getattr(obj, "batch_shape", ()) != () or getattr(obj, "event_ndim", 0):
        raise TypeError(f"{argument} = {obj!r}; expected a single distribution of one number. Loop over the members of a batch.")
    if hasattr(obj, "components") and hasattr(obj, "weights"):
        return _Mixture(obj, argument)
    if hasattr(obj, "to_scipy"):
        obj, original = obj.to_scipy(), obj
        if isinstance(obj, infrastructure.rv_frozen):
            adapter = _Scipy(obj, argument)
            adapter.name = repr(original)
            return adapter
        obj = original
    if isinstance(obj, infrastructure.rv_frozen):
        return _Scipy(obj, argument)
    if isinstance(obj, infrastructure.rv_sample):
        return _Scipy(obj(), argument)
    if isinstance(obj, infrastructure.rv_generic):
        raise TypeError(f"{argument} = stats.{obj.name}, a family; expected a distribution. Give it parameters: stats.{obj.name}(...).")
    if all(hasattr(obj, name) for name in ("log_prob", "support", "discrete")):
        return _Object(obj, argument)
    raise TypeError(
        f"{argument} = {obj!r}, a {type(obj).__name__}; expected a frozen scipy.stats distribution, e.g. stats.gamma(2), or a "
        "distribution of this package. For vectors of probabilities call companion.kl_divergence."
    )


def _scipy_name(frozen):
    inside = [repr(getattr(v, "item", lambda v=v: v)()) if np.size(v) == 1 else "..." for v in frozen.args]
    inside += [f"{k}={v}" for k, v in frozen.kwds.items()]
    return f"{frozen.dist.name or type(frozen.dist).__name__}({', '.join(inside)})"


# --- scipy's log-densities where the library has only a density, loses digits far out, or floors its argument ------
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LOG_PI = math.log(math.pi)


def _log1p_square(x):
    """log(1 + x^2) without overflow."""
    x = np.abs(x)
    return np.where(x > 1e8, 2 * np.log(x), np.log1p(x * x))


def _triangle(y, c):
    return math.log(2) + np.where(y < c, np.log(y) - np.log(c), np.log1p(-y) - np.log1p(-c))


def _trapezoid(y, c, d):
    log_height = np.log(2 / (d - c + 1))
    return log_height + np.where(y < c, np.log(y) - np.log(c), np.where(y <= d, 0.0, np.log1p(-y) - np.log1p(-d)))


def _stirling(k):
    """Remainder of Stirling's formula: log Γ(k + 1) - [k log k - k + log(2πk)/2]."""
    large = np.maximum(k, 16.0)
    series = (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / large**2) / large**2) / large**2) / large**2) / large
    return np.where(k < 16, special.gammaln(k + 1) - special.xlogy(k + 0.5, k) + k - _HALF_LOG_2PI, series)


def _deviance(k, mean):
    """k log(k/mean) - k + mean."""
    return np.where(k > 0, k * phi((mean - k) / np.where(k > 0, k, 1.0), mean / np.where(k > 0, k, 1.0)), mean)


def _poisson(k, mean):
    """Loader's form: Stirling's remainder and a deviance instead of three large numbers that cancel."""
    return np.where(k > 0, -_HALF_LOG_2PI - np.log(k) / 2 - _stirling(k) - _deviance(k, mean), -mean)


def _binomial(k, n, p, complement=None):
    r = n - k
    complement = 1 - p if complement is None else complement
    inside = (
        _stirling(n) - _stirling(k) - _stirling(r) - _deviance(k, n * p) - _deviance(r, n * complement)
        - _HALF_LOG_2PI - (np.log(k) + np.log(r) - np.log(n)) / 2
    )
    return np.where(k == 0, n * np.log1p(-p), np.where(r == 0, n * np.log(p), inside))


def _gamma(x, a):
    if a < 16:
        return special.xlogy(a - 1, x) - x - special.gammaln(a)
    return _poisson(a, x) + np.log(a) - np.log(x)


def _beta(x, a, b):
    if min(a, b) < 16:
        return special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
    n = a + b
    return (
        _stirling(n) - _stirling(a) - _stirling(b) - _deviance(a, n * x) - _deviance(b, n * (1 - x))
        - _HALF_LOG_2PI + (np.log(a) + np.log(b) - np.log(n)) / 2 - np.log(x) - np.log1p(-x)
    )


def _johnson_sb(y, a, b):
    logit = np.log(y) - np.log1p(-y)
    return np.log(b) - np.log(y) - np.log1p(-y) - _HALF_LOG_2PI - (a + b * logit) ** 2 / 2


def _skellam(k, a, b):
    z, m = 2 * np.sqrt(a * b), np.abs(k)
    scaled = special.ive(m, z)
    small = m * np.log(z / 2) - special.gammaln(m + 1) + np.log(special.hyp0f1(m + 1, z * z / 4)) - z
    return -((np.sqrt(a) - np.sqrt(b)) ** 2) + k / 2 * np.log(a / b) + np.where(scaled > 1e-280, np.log(scaled), small)


def _log_choose(n, k):
    return -np.log(n + 1) - special.betaln(n - k + 1, k + 1)


_LOG_DENSITY = {
    "arcsine": lambda x: -_LOG_PI - (np.log(x) + np.log1p(-x)) / 2,
    "beta": _beta,
    "burr": lambda x, c, d: np.log(c * d) - (c + 1) * np.log(x) - (d + 1) * np.logaddexp(0, -c * np.log(x)),
    "burr12": lambda x, c, d: np.log(c * d) + (c - 1) * np.log(x) - (d + 1) * np.logaddexp(0, c * np.log(x)),
    "cauchy": lambda x: -_LOG_PI - _log1p_square(x),
    "fisk": lambda x, c: np.log(c) - (c + 1) * np.log(x) - 2 * np.logaddexp(0, -c * np.log(x)),
    "foldcauchy": lambda x, c: -_LOG_PI + np.logaddexp(-_log1p_square(x - c), -_log1p_square(x + c)),
    "foldnorm": lambda x, c: -_HALF_LOG_2PI + np.logaddexp(-((x - c) ** 2) / 2, -((x + c) ** 2) / 2),
    "chi2": lambda x, df: _gamma(x / 2, df / 2) - math.log(2),
    "erlang": _gamma,
    "gamma": _gamma,
    "halfcauchy": lambda x: math.log(2) - _LOG_PI - _log1p_square(x),
    "hypsecant": lambda x: math.log(2) - _LOG_PI - np.abs(x) - np.log1p(np.exp(-2 * np.abs(x))),
    "invweibull": lambda x, c: np.log(c) - (c + 1) * np.log(x) - x**-c,
    "johnsonsb": _johnson_sb,
    "johnsonsu": lambda x, a, b: np.log(b) - _HALF_LOG_2PI - _log1p_square(x) / 2 - (a + b * np.arcsinh(x)) ** 2 / 2,
    "kappa3": lambda x, a: np.log(a) - (a + 1) / a * np.logaddexp(np.log(a), a * np.log(x)),
    "laplace": lambda x: -math.log(2) - np.abs(x),
    "levy": lambda x: -_HALF_LOG_2PI - 1.5 * np.log(x) - 1 / (2 * x),
    "levy_l": lambda x: -_HALF_LOG_2PI - 1.5 * np.log(-x) + 1 / (2 * x),
    "loglaplace": lambda x, c: np.log(c / 2) + np.where(x < 1, c - 1, -c - 1) * np.log(x),
    "moyal": lambda x: -_HALF_LOG_2PI - (x + np.exp(-x)) / 2,
    "pareto": lambda x, b: np.log(b) - (b + 1) * np.log(x),
    "rice": lambda x, b: np.log(x) - (x - b) ** 2 / 2 + np.log(special.i0e(x * b)),
    "skewcauchy": lambda x, a: -_LOG_PI - _log1p_square(x / (1 + a * np.sign(x))),
    "t": lambda x, df: stats.norm._logpdf(x) if np.isinf(df) else (
        np.log(special.poch(df / 2, 0.5)) - (np.log(df) + _LOG_PI) / 2 - (df + 1) / 2 * _log1p_square(x / np.sqrt(df))),
    "trapezoid": _trapezoid,
    "triang": _triangle,
    "betabinom": lambda k, n, a, b: _log_choose(n, k) + special.betaln(k + a, n - k + b) - special.betaln(a, b),
    "binom": _binomial,
    "boltzmann": lambda k, r, n: np.log(special.expm1(-r) / special.expm1(-r * n)) - r * k,
    "dlaplace": lambda k, a: np.log(np.tanh(a / 2)) - a * np.abs(k),
    "logser": lambda k, p: k * np.log(p) - np.log(k) - np.log(-np.log1p(-p)),
    "nbinom": lambda k, n, p: np.log(n / (n + k)) + _binomial(n, n + k, p),
    "planck": lambda k, r: np.log(-special.expm1(-r)) - r * k,
    "poisson": _poisson,
    "randint": lambda k, low, high: np.full(np.shape(k), -np.log(high - low)),
    "skellam": _skellam,
    "zipf": lambda k, a: -a * np.log(k) - np.log(special.zeta(a, 1)),
    "zipfian": lambda k, a, n: -a * np.log(k) + stats.zipfian._logpmf(np.ones(1), a, n),
}

#: Standard log-density as a function of the distance from the left and from the right end of the support.
_FROM_ENDS = {
    "anglit": 2 * (lambda y: np.log(np.sin(2 * y)),),
    "arcsine": 2 * (_LOG_DENSITY["arcsine"],),
    "beta": (_beta, lambda y, a, b: _beta(y, b, a)),
    "cosine": 2 * (lambda y: 2 * np.log(np.sin(y / 2)) - _LOG_PI,),
    "genextreme": (None, lambda y, c: (1 / c - 1) * np.log(c * y) - (c * y) ** (1 / c)),
    "genpareto": (None, lambda y, c: -(1 + 1 / c) * np.log(-c * y)),
    "johnsonsb": (_johnson_sb, lambda y, a, b: _johnson_sb(y, -a, b)),
    "pareto": (lambda y, b: np.log(b) - (b + 1) * np.log1p(y), None),
    "powerlaw": (None, lambda y, a: np.log(a) + (a - 1) * np.log1p(-y)),
    "rdist": 2 * (lambda y, c: _beta(y / 2, c / 2, c / 2) - math.log(2),),
    "semicircular": 2 * (lambda y: math.log(2) - _LOG_PI + (np.log(y) + np.log(2 - y)) / 2,),
    "trapezoid": (_trapezoid, lambda y, c, d: _trapezoid(y, 1 - d, 1 - c)),
    "triang": (_triangle, lambda y, c: _triangle(y, 1 - c)),
    "uniform": 2 * (np.zeros_like,),
}

#: Points inside the support where a standard density is not smooth.
_KINKS = {
    "dgamma": lambda *s: (0,), "dweibull": lambda *s: (0,), "gennorm": lambda *s: (0,), "laplace": lambda: (0,),
    "laplace_asymmetric": lambda k: (0,), "skewcauchy": lambda a: (0,), "loglaplace": lambda c: (1,),
    "triang": lambda c: (c,), "trapezoid": lambda c, d: (c, d), "crystalball": lambda b, m: (-b,), "dlaplace": lambda a: (0,),
    "rel_breitwigner": lambda rho: (rho,),
}
