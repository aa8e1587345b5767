r"""Sums over whole numbers: term by term near the anchors, elsewhere integrals with Euler–Maclaurin corrections."""

from __future__ import annotations

import itertools
import math

import numpy as np

from companion.integrals.estimate import QuadratureError
from companion.integrals.line import EPS, FAR, Integral, Piece

_DIRECT = 4096  # terms summed one by one on either side of an anchor
_LATTICE = 2.0**53  # beyond, whole numbers are not doubles


class Sum(Integral):
    """The sum of ``rows`` over the points low, low + 1, …, high: term by term near the anchors, elsewhere as an
    integral with Euler–Maclaurin corrections."""

    def total(self, low, high):
        """Values (K,), errors (K,) and the method, over low, low + 1, …, high."""
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
        if len(densities) > 1 and (hole := np.isneginf(densities[1]) & (densities[0] > -FAR)).any():
            self.judge(x[hole][0])
        return self.tabulate(x, np.zeros(x.shape), densities)

    def finish(self, terms, method):
        """The sum of terms as of `terms`, its rounding error, and the method."""
        values, noise, size = terms.sum(axis=-1)
        return values, noise + 8 * EPS * size, method


class _Gap(Integral):
    """The integral over the points between two blocks, x measured from the block's edge."""

    def __init__(self, parent, left, right):
        super().__init__(parent.dists, parent.rows)
        self.work = parent.work

    def pieces(self, low, high):
        ends = [x for x in (low, high) if np.isfinite(x)]
        features = np.array([x for d in self.dists for x in (*d.features, d.center) if low < x < high])
        last = math.log((high - low) / 2) if len(ends) == 2 else FAR
        result = []
        for c in ends:
            sign = 1 if c == low else -1
            distance = (features - c) * sign
            marks = np.append(np.log(distance[distance > 0]), math.log(_DIRECT))
            result.append(self.prepare(Piece(c, sign), math.log(_DIRECT) - 50, last, marks, len(ends) == 1))
        return result


def _geometric_bound(terms):
    """Bound for the sum of the terms beyond terms[:, 0] (outermost first), from the ratio of the last three; the ratio
    of a heavy tail rises towards 1, which the factor 4 allows for."""
    a = np.abs(terms)
    ratio = np.where(a[:, 1] > 0, np.maximum(a[:, 0] / a[:, 1], a[:, 1] / a[:, 2]), 0.0)
    return np.where(a[:, 0] == 0, 0.0, np.where(ratio < 1, 4 * a[:, 0] / (1 - ratio), math.inf))
