r"""Integrals along a line in the logarithm of the distance from an anchor, by Gauss–Legendre panels.

The line is cut at *anchors* c (ends of the support, kinks, medians), and beside each of them the variable is
:math:`t = \log|x - c|`, over the whole range of doubles: a singularity :math:`|x-c|^{a-1}` or a tail
:math:`|x-c|^{-s}` becomes an exponential in t, which the panels integrate to the last digit. Panels are halved until
parent and children agree. Beyond the range of doubles log-densities go on as straight lines in t, and their integrals
have closed forms; a tail that has not settled on its line by then has an infinite error.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from companion.integrals.estimate import QuadratureError, Uncovered

EPS = np.finfo(float).eps
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
# Legendre modes 8 to 15 of sixteen values on a panel, each normalised so that white noise keeps its size.
_SCATTER = np.polynomial.legendre.legvander(_NODES, 15)[:, 8:] * _WEIGHTS[:, None]
_SCATTER /= np.sqrt((_SCATTER**2).sum(axis=0))
# Values at the ends of a panel, by the polynomial through those at its nodes; between an end and the next node lie
# _UNSEEN of its length.
_ENDS = np.linalg.solve(np.polynomial.legendre.legvander(_NODES, 15).T, np.polynomial.legendre.legvander([-1, 1], 15).T)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2
_UNSEEN = _NODES[0]
_FLOOR = -650.0  # a log-density that becomes -inf after this one has underflowed; before it, the density is zero there
FAR = 700.0  # log of the largest distance
WORK = 2**25  # evaluations of an elementary log-density that one integral may take: about two seconds
_OVERHEAD = 10  # work at a node beside them, in the same unit
_CROWD = 200  # panels beside one anchor that wait to be halved: fewer may have kinks, more have rounding errors


class Piece(NamedTuple):
    """The points c + sign * exp(t); p is zero, as far as doubles can tell, outside (start, stop)."""

    c: float
    sign: int
    start: float = -math.inf
    stop: float = math.inf


class Integral:
    r"""The integral of ``rows`` over an interval, in :math:`t = \log|x-c|` beside each anchor c."""

    def __init__(self, dists, rows):
        self.dists, self.rows = dists, rows
        self.cost, self.work = _OVERHEAD + sum(d.cost for d in dists), 0

    def spend(self, evaluations):
        """Keep account of the work: a call must end."""
        self.work += evaluations * self.cost
        if self.work > WORK:
            raise QuadratureError(
                f"{self.names}: the budget of {WORK:.0e} evaluations is spent; expected an integrand "
                "with fewer humps, "
                "kinks or oscillations. Split it: integrate its parts one by one, or the components of a mixture."
            )

    def log_densities(self, piece, t):
        """Of each distribution, at the points of the piece; that of p is -inf where the piece has ended."""
        self.spend(t.size)
        y = piece.sign * np.exp(t)
        densities = [d.log_density(piece.c, y) for d in self.dists]
        densities[0] = np.where((t < piece.start) | (t > piece.stop), -math.inf, densities[0])
        return densities

    def evaluate(self, piece, t):
        """Array (3, K, n): values, their rounding errors, absolute values."""
        densities, x = self.log_densities(piece, t), piece.c + piece.sign * np.exp(t)
        if len(self.dists) > 1:
            hole = np.isneginf(densities[1]) & (densities[0] + t > -FAR)
            if hole.any():
                self.judge(x[hole][0])
        return self.tabulate(x, t, densities)

    def tabulate(self, x, place, densities):
        """Array (3, K, n) from log-densities at x, `place` being the log-Jacobian: see `evaluate`."""
        rounding = [
            EPS * (np.where(np.isfinite(v), np.abs(v), 0.0) + d.magnitude + 4) for d, v in zip(self.dists, densities)
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
            raise Uncovered
        finite = [y for y in (*q.features, q.center) if np.isfinite(q.log_density(0.0, np.array([y]))[0])]
        good, bad = min(finite, key=lambda y: abs(y - x), default=q.center), x
        for _ in range(100):
            middle = np.floor((good + bad) / 2) + q.offset if q.discrete else (good + bad) / 2
            if middle in (good, bad):
                break
            good, bad = (middle, bad) if np.isfinite(q.log_density(0.0, np.array([middle]))[0]) else (good, middle)
        if q.log_density(0.0, np.array([good]))[0] > _FLOOR:
            raise Uncovered
        raise QuadratureError(
            f"{self.names}: the density of {q.name} underflows at x = {x:.6g}, where p is not negligible; expected a "
            "log-density that stays finite. Define _logpdf or _logpmf (scipy), or log_prob, in logarithms."
        )

    @property
    def names(self):
        """The distributions, for messages."""
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
        """Values (K,), errors (K,) and the method, over the interval."""
        pieces = self.pieces(low, high)
        active = [
            (piece, knots[:-1], knots[1:], self.panels(piece, knots[:-1], knots[1:]), math.inf)
            for piece, knots, _ in pieces
        ]
        done, errors = np.zeros(active[0][3].shape[:2]), 0.0
        seams = {piece: [] for piece, _, _ in pieces}
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
                seams[piece] += [
                    (left[accept], middle[accept], halves[4:, :, :n][..., accept], gap[:, accept]),
                    (middle[accept], right[accept], halves[4:, :, n:][..., accept], gap[:, accept]),
                ]
                rest = np.flatnonzero(~accept)
                if rest.size:
                    ends = np.r_[left[rest], middle[rest]], np.r_[middle[rest], right[rest]]
                    waiting.append((piece, *ends, halves[..., np.r_[rest, rest + n]], np.tile(relative[:, rest], 2)))
            active = waiting
        sums, errors, scale = done[0], errors + done[1] + done[2] + sum(map(_jumps, seams.values())), done[3]
        for piece, _, ends in pieces:
            for end in ends:
                tail, tail_error = self.tail(piece, *end, scale)
                sums, errors = sums + tail, errors + tail_error
        return sums, errors + 4 * EPS * np.where(np.isfinite(sums), np.abs(sums), 0.0), "quadrature"

    def panels(self, piece, left, right):
        """Gauss–Legendre sums over the panels (left, right): (6, K, panels): values, errors of the formulas, scatter,
        absolute values; and the values at both ends times the length."""
        t = left[:, None] + (right - left)[:, None] * _NODES
        values, noise, size = self.evaluate(piece, t.ravel()).reshape(3, -1, *t.shape)
        sums = values @ _WEIGHTS, noise @ _WEIGHTS, _scatter(values), size @ _WEIGHTS
        return np.stack([*sums, values @ _ENDS[:, 0], values @ _ENDS[:, 1]]) * (right - left)

    # -- where to look
    def pieces(self, low, high):
        """List of (piece, knots in t, open ends), an end being (t, direction, distance to a mark)."""
        scales = [d.scale for d in self.dists]
        shortest, longest = max(0.0, math.log(max(scales))) - FAR, min(0.0, math.log(min(scales))) + FAR
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
                result.append(self.prepare(Piece(c, sign), first, last, marks, not inner))
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
        """Knots with one more before `bad`, the last place where all log-densities can be computed."""
        t, densities = self.edge(piece, good, bad)
        after = [d[0] for d in self.log_densities(piece, np.array([t + (bad - good) * 1e-9]))]
        if len(densities) > 1 and np.isneginf(after[1]) and np.isfinite(after[0]) and densities[1] > _FLOOR:
            raise Uncovered
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
        h, noise, _ = self.evaluate(piece, at)
        value, error = np.zeros(k), np.zeros(k)
        size = np.abs(h)
        rates = np.diff(np.log(size), axis=1) / step  # positive where the row decays outward
        rounding = 8 * EPS * (np.abs(np.log(size)).max(axis=1) + abs(t)) / step
        settled = np.ptp(rates, axis=1) <= 1e-9 * np.abs(rates[:, 0]) + rounding
        needed = (size[:, 0] > 0) & ~((rates[:, 0] > 0.02) & (size[:, 0] * 50 < 1e-17 * scale))
        middle = abs(t) - step * (np.arange(3) + 0.5)
        limits = np.diff(rates * middle, axis=1) / np.diff(middle)
        a, lines = rates[0, 0], h / h[0]
        for i in np.flatnonzero(needed):
            start, rate, (slope, earlier, _) = lines[i, 0], rates[i], -np.diff(lines[i]) / step
            drift = abs(slope - earlier)
            straight = drift <= 1e-9 * abs(slope) + 1e-12 * np.abs(lines[i]).max() / step
            bends = abs(np.diff(lines[i], 3)[0]) < 0.01 * np.abs(lines[i]).max()  # a power of s, no exponential
            curves = settled[0] and not settled[i] and bends and a > 2 * rounding[0]
            unsure = (noise[i] / h[0]).max()
            curve, doubt = _curved(lines[i], unsure, a * step) if curves else (0.0, 0.0)
            if settled[0] and straight and a > 2 * rounding[0]:
                value[i] = h[0, 0] / a * (start + slope / a)
                change = (abs(a - rates[0, 1]) + rounding[0]) / a
                error[i] = (
                    h[0, 0] / a * (change * (abs(start) + 2 * abs(slope / a)) + drift / a + 2 * unsure / (a * step))
                )
            elif curves and doubt < 0.1 * abs(curve):
                value[i] = h[0, 0] / a * curve
                error[i] = h[0, 0] / a * (doubt + abs(curve) * (abs(a - rates[0, 1]) + rounding[0]) / a)
            elif rate[0] > 2 * rounding[i] and rate[0] > rate[1] / 2:
                value[i] = h[i, 0] / rate[0]
                error[i] = abs(value[i]) * (4 * abs(rate[0] - rate[1]) + rounding[i]) / rate[0]
                if curves:
                    error[i] += h[0, 0] / a * doubt + abs(value[i] - h[0, 0] / a * curve)
            elif (
                i
                and rate[0] <= 2 * rounding[i]
                and (settled[i] or rate[0] < rate[1] < rate[2] or (limits[i] < -0.01).all())
            ):
                value[i] = math.copysign(math.inf, h[i, 0])
            else:
                error[i] = math.inf
        return value, error


def _curved(line, noise, a):
    r"""The average of a factor under :math:`a e^{-as}`, s > 0, from its values at s = 0, −1, −2, −3, and its error: of
    the cubic through them, or of the parabola where the third difference is noise."""
    first, second, third = (np.diff(line, k)[0] * (-1) ** k for k in (1, 2, 3))
    squares, cubes = 1 / a**2 + 1 / (2 * a), 1 / a**3 + 1 / a**2 + 1 / (3 * a)  # of s(s + 1)/2, s(s + 1)(s + 2)/6
    cubic = third * cubes if abs(third) > 8 * noise else 0.0
    spread = noise * (1 + 2 / a + 4 * squares + 8 * cubes)
    return line[0] + first / a + second * squares + cubic, 2 * abs(cubic) + spread


def _scatter(values):
    """How far `values` (..., 16) at the nodes of a panel lie from a smooth curve: an estimate of their rounding error.

    The highest modes of a smooth curve fall off, those of rounding errors do not.
    """
    modes = np.abs(values @ _SCATTER)
    high, low = modes[..., 4:].max(axis=-1), modes[..., :4].max(axis=-1)
    falling = np.minimum(1.0, 3 * high / np.where(low > 0, low, 1.0))
    return 2 * high * falling**4


def _jumps(panels):
    """What a step may hide between the outermost nodes of two panels, where neither sees it: the ends of their curves
    do not meet then. `panels` are groups of (left, right, lengths times the values at both ends, errors)."""
    left, right, ends, gap = (np.concatenate(parts, axis=-1) for parts in zip(*panels))
    order = np.argsort(left)
    length = (right - left)[order]
    ends, rough = ends[..., order] / length, gap[:, order] / length
    one, other = ends[1, :, :-1], ends[0, :, 1:]
    apart = np.abs(one - other) - 1e-6 * (np.abs(one) + np.abs(other)) - 50 * (rough[:, :-1] + rough[:, 1:])
    hidden = np.maximum(apart, 0.0) * _UNSEEN * (length[:-1] + length[1:])
    return np.where(np.isfinite(hidden), hidden, 0.0).sum(axis=1)
