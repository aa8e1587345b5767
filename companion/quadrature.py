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

from companion.densities import as_distribution
from companion.remainders import expm1_remainder

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
    rounding = [np.where(w > 0, rounding[0], 0.0), rounding[1]]
    remainder = np.where(ratio > 1, v - w - w * ratio, w * expm1_remainder(np.minimum(ratio, 1.0)))
    remainder = np.where(w > 0, remainder, v)
    (rp, rq), location = rounding, _EPS * np.abs(place)
    noise = [
        w * (rp + location),
        v * (rq + location),
        w * (rp + rq + (location + rp) * np.abs(ratio)),
        w * np.abs(ratio) * rp + np.abs(v - w) * rq + remainder * (location + 4 * _EPS),
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
            f"{where}: p = {p.name} is {kinds[p.discrete]} and q = {q.name} is {kinds[q.discrete]}; expected both of one "
            "kind. There is no density of one with respect to the other: compare two probability functions or two densities."
        )
    if p.circular and q.circular and p.scale == q.scale:
        q = q.on_turn_of(p)  # angles: a support is any one turn
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
    """The points c + sign * exp(t); p is zero, as far as doubles can tell, outside (start, stop)."""

    c: float
    sign: int
    start: float = -math.inf
    stop: float = math.inf


class _Integral:
    r"""The integral of ``rows`` over an interval, in :math:`t = \log|x-c|` beside each anchor c."""

    def __init__(self, dists, rows):
        self.dists, self.rows = dists, rows

    def log_densities(self, piece, t):
        y = piece.sign * np.exp(t)
        densities = [d.log_density(piece.c, y) for d in self.dists]
        densities[0] = np.where((t < piece.start) | (t > piece.stop), -math.inf, densities[0])
        return densities

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
        return [
            _EPS * (np.where(np.isfinite(v), np.abs(v), 0.0) + d.magnitude + 4) for d, v in zip(self.dists, densities)
        ]

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
                    waiting.append(
                        (
                            piece,
                            np.r_[left[rest], middle[rest]],
                            np.r_[middle[rest], right[rest]],
                            halves[:, np.r_[rest, rest + n]],
                            np.tile(relative[:, rest], 2),
                        )
                    )
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
            raise QuadratureError(
                f"{self.names}: a log-probability is nan at x = {x[np.isnan(values[0])][0]:g}; expected a number."
            )
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
