r"""Integrals over one or two latents, :math:`\int p(x_i\mid z)\,\mathcal{N}(z; 0, I_k)\,\mathrm{d}z`, wherever their
mass is.

The line or plane is cut into *cells*. In each the joint density is known at Gauss–Lobatto nodes. A cell is halved
along its axes until parent and children agree, and as long as the logarithm of the density is not close to a
polynomial there: a function that oscillates or bends is followed even where its nodes meet hardly any mass. Every
observation has cells of its own, so that narrow posteriors of many observations cost no more than their number.

The range ends where the prior mass outside, times the largest :math:`p(x\mid z)` seen, is negligible. That and the
disagreement of parents and children is the error. What nothing hints at goes unseen: a hump that is narrower than the
nodes of the first cells lie apart, and flat log-densities around it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from companion import checks
from companion.integrals.quadrature import QuadratureError
from companion.special.products import dot

_BLOCK = 2**16  # log-likelihoods computed at a time: a decoder's output may be large
_MOST_LATENTS = {1: 4_000_000, 2: 8_000_000}
_MOST_CELLS = 20_000_000  # of all observations
_CORE, _RADIUS = 9.0, 45.0  # equal cells in (−9, 9), growing ones up to 45 and, if need be, beyond
_NEGLIGIBLE = -45.0  # logarithm of the share of a cell that is not looked into
_ROUNDING = 1e-12  # relative, of the log-likelihoods
#: From this tolerance on a coarse answer is wanted: a cell may then hold what its roughness says, not four times that,
#: and one cell may miss a 300th of the tolerance, not a 10,000th.
_COARSE = 1e-3


class Progress:
    """Prints a line to stderr every five CPU seconds of a long run, none in a short one, however busy the machine."""

    def __init__(self, where: str, every: float = 5.0):
        self._where, self._every, self._next = where, every, time.process_time() + every

    def __call__(self, text: str) -> None:
        if time.process_time() > self._next:
            print(f"{self._where}: {text}", file=sys.stderr, flush=True)
            self._next = time.process_time() + self._every


class _Rule(NamedTuple):
    """Gauss–Lobatto nodes in [−1, 1]^k, ends included, and what a function's values there say of it."""

    nodes: np.ndarray  # (m, k)
    log_weights: np.ndarray  # (m,)
    tail: np.ndarray  # (m, ·): values -> Legendre coefficients of the highest degrees along any axis
    lattice: np.ndarray  # (m, points**k): values -> the interpolating polynomial, ends included


@cache
def _rule(k: int) -> _Rule:
    legendre = np.polynomial.legendre
    n = 16 if k == 1 else 8
    last = legendre.Legendre.basis(n - 1)
    t = np.concatenate([[-1.0], np.real(last.deriv().roots()), [1.0]])  # real, but NumPy 2.5 types them complex
    w = 2 / (n * (n - 1) * last(t) ** 2)
    coefficients = np.linalg.inv(legendre.legvander(t, n - 1)).T
    lattice = coefficients @ legendre.legvander(np.linspace(-1, 1, n + 1), n - 1).T
    if k == 2:
        coefficients, lattice = np.kron(coefficients, coefficients), np.kron(lattice, lattice)
    highest = product(np.arange(n), k).max(axis=1) >= n - n // 4 - (k == 2)
    return _Rule(product(t, k), product(np.log(w), k).sum(axis=1), coefficients[:, highest], lattice)


def product(t: np.ndarray, k: int) -> np.ndarray:
    """All k-tuples of the numbers t, shape (t.size**k, k)."""
    return np.stack(np.meshgrid(*[t] * k, indexing="ij"), axis=-1).reshape(-1, k)


class _Cells(NamedTuple):
    """Cells, each of one observation, and the logarithms of what they hold: as the nodes see it, and at most."""

    observation: np.ndarray  # (c,)
    number: np.ndarray  # (c,), equal for the same cell of two observations
    centre: np.ndarray  # (c, k)
    half: np.ndarray  # (c, k)
    mass: np.ndarray  # (c,)
    most: np.ndarray  # (c,)
    resolved: np.ndarray  # (c,), whether the log-density is close to a polynomial, and the mass not far below the most

    rough: np.ndarray  # (c,), its coefficients of the highest degrees

    def at(self, chosen):
        return _Cells(*(values[chosen] for values in self))


def log_integral(
    where: str, log_likelihood: Callable, k: int, spacing: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """log ∫ p(x_i|z) N(z; 0, I) dz and its error, both (n,). `log_likelihood` takes latents (n or 1, m, k) and returns
    (n, m); nodes lie about `spacing` apart in the first cells. Raises `QuadratureError` above `tolerance`."""
    return _Integral(where, log_likelihood, k, spacing, tolerance).run()


class _Integral:
    def __init__(self, where, log_likelihood, k, spacing, tolerance):
        self.where, self.log_likelihood, self.k = where, log_likelihood, k
        self.spacing, self.tolerance, self.rule = spacing, tolerance, _rule(k)
        self.caution, self.share = (1, 300) if tolerance >= _COARSE else (4, 10_000)
        self.points = round(self.rule.lattice.shape[1] ** (1 / k))
        self.n = len(log_likelihoods(where, log_likelihood, np.zeros((1, 1, k))))
        self.highest = np.full(self.n, -np.inf)  # log p(x|z), of all that were seen
        self.known = np.inf  # up to this distance log p(x|z) is a number
        self.latents, self.progress = 0, Progress(where)
        around = product(np.linspace(-1, 1, 9), k)
        self.around = around[np.max(np.abs(around), axis=1) == 1]

    def run(self):
        radius = _RADIUS
        while True:
            cells = self._start(radius)
            value, error = self._total(cells), np.zeros(self.n)
            if np.all(self._cut(value) < np.log(self.tolerance)):  # the range looks wide enough
                value, error = self._refine(cells)
                cut = self._cut(value)
                if np.all(cut < np.log(self.tolerance)):  # and is
                    return value, error + np.exp(cut) + _ROUNDING * (1 + np.abs(value))
            if self.known < self.radius:
                self._not_a_number()
            if radius > 1e7:
                self._check_possible(value)
                self._give_up(
                    "range of latents", self.radius, "p(x|z) may grow as fast as the prior falls: an infinite evidence."
                )
            radius *= 2.25

    # --- cells
    def _edges(self, radius):
        number = max(2, 2 * int(np.ceil(_CORE / (self.spacing * round(self.rule.log_weights.size ** (1 / self.k))))))
        core = np.linspace(-_CORE, _CORE, number + 1)
        far = _CORE * 1.5 ** np.arange(1, round(np.log(radius / _CORE) / np.log(1.5)) + 1)
        return np.concatenate([-far[::-1], core, far])

    def _start(self, radius):
        edges = self._edges(radius)
        self.radius = edges[-1]
        cells = (edges.size - 1) ** self.k
        if cells * self.rule.log_weights.size > _MOST_LATENTS[self.k] or cells * self.n > _MOST_CELLS:
            fix = "Pass a larger spacing, or fewer observations at a time."
            self._give_up("first cells", cells, fix)
        centre, half = product((edges[1:] + edges[:-1]) / 2, self.k), product(np.diff(edges) / 2, self.k)
        self.last = cells
        out = self.radius * (np.array([1.0, 1.1, 1.5, 4.0])[:, None, None] * self.around).reshape(1, -1, self.k)
        distance = np.abs(out).max(axis=-1)
        self.beyond = (self._evaluate(out) + self._log_prior(out) + self.k * np.log(2 * distance)).max(axis=1)
        who, which = (a.ravel() for a in np.indices((self.n, cells)))
        return self._measured(who, which, centre[which], half[which])

    def _children(self, cells):
        signs = product(np.array([-1.0, 1.0]), self.k)
        parents, where = np.unique(cells.number, return_inverse=True)
        number = self.last + where[:, None] * len(signs) + np.arange(len(signs))
        self.last += parents.size * len(signs)
        half = np.repeat(cells.half / 2, len(signs), axis=0)
        centre = np.repeat(cells.centre, len(signs), axis=0) + half * np.tile(signs, (len(cells.half), 1))
        return self._measured(np.repeat(cells.observation, len(signs)), number.ravel(), centre, half)

    def _measured(self, observation, number, centre, half):
        """Cells with what their nodes say of them. Latents that several observations need are passed on once."""
        m = self.rule.log_weights.size
        found = np.empty((4, number.size))
        first, column = np.unique(number, return_index=True, return_inverse=True)[1:]
        per_observation = np.bincount(observation, minlength=self.n).max()
        shared = first.size < self.n * per_observation
        if shared:
            row, column = observation, column
            centres, halves = centre[first][None], half[first][None]
        else:
            order = np.argsort(observation, kind="stable")
            starts = np.searchsorted(observation[order], np.arange(self.n))
            row, column = observation, np.empty_like(observation)
            column[order] = np.arange(order.size) - starts[observation[order]]
            centres, halves = np.zeros((2, self.n, per_observation, self.k))
            centres[row, column], halves[row, column] = centre, half
        by_column = np.argsort(column, kind="stable")
        step = max(1, _BLOCK // (self.n * m))
        for start in range(0, centres.shape[1], step):
            cut = slice(start, start + step)
            z = centres[:, cut, None, :] + halves[:, cut, None, :] * self.rule.nodes
            values = self._evaluate(z.reshape(len(z), -1, self.k)).reshape(self.n, -1, m)
            self.highest = np.maximum(self.highest, values.max(axis=(1, 2)))
            ends = np.searchsorted(column[by_column], [start, start + step])
            chosen = by_column[slice(*ends)]
            z = np.broadcast_to(z, (self.n, *z.shape[1:]))[row[chosen], column[chosen] - start]
            found[:, chosen] = self._look(values[row[chosen], column[chosen] - start], z, half[chosen])
        mass, most, resolved, rough = found
        return _Cells(observation, number, centre, half, mass, most, resolved.astype(bool), rough)

    def _evaluate(self, z):
        self.latents += z.shape[0] * z.shape[1]
        if self.latents > _MOST_LATENTS[self.k]:
            self._give_up("latents", self.latents, "Pass a larger tolerance if a less exact evidence will do.")
        with np.errstate(all="ignore"):  # far out a decoder may overflow
            values = log_likelihoods(self.where, self.log_likelihood, z, self.n)
        bad = ~(values < np.inf)  # NaN or +inf
        if np.any(bad):
            distance = np.broadcast_to(np.max(np.abs(z), axis=-1), values.shape)
            self.known = min(self.known, distance[bad].min())
            values = np.where(bad, -np.inf, values)
        return values

    def _log_prior(self, z):
        return -0.5 * np.sum(z**2, axis=-1) - 0.5 * self.k * np.log(2 * np.pi)

    def _look(self, log_likelihood, z, half):
        """For cells with these values at their nodes: log-mass, log of the most they may hold, and whether all is
        resolved."""
        logs = log_likelihood + self._log_prior(z)
        volume = np.sum(np.log(half), axis=-1)
        top = logs.max(axis=1)
        none = top == -np.inf
        whole = np.all(np.isfinite(logs), axis=1)
        shifted = np.where(whole[:, None], logs - np.where(none, 0.0, top)[:, None], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.exp(np.where(none[:, None], 0.0, logs - top[:, None])) @ np.exp(self.rule.log_weights)
        rough = self.caution * np.sum(np.abs(dot(shifted, self.rule.tail)), axis=1)
        lattice = dot(shifted, self.rule.lattice).reshape(len(top), *[self.points] * self.k)
        peak = lattice
        for axis in range(1, self.k + 1):  # twice what a parabola rises between points of the lattice
            bend = np.abs(np.diff(lattice, n=2, axis=axis)) * self.k / 4
            peak = peak + np.concatenate([np.take(bend, [0], axis), bend, np.take(bend, [-1], axis)], axis=axis)
        above = np.where(whole, np.maximum(peak.reshape(len(top), -1).max(axis=1), 0.0) + rough, 0.0)
        mass = np.where(none, -np.inf, volume + top + np.log(sums))
        most = np.where(none, -np.inf, volume + self.k * np.log(2) + top + above)
        return mass, most, whole & (rough < 0.5) & (most - np.where(none, 0.0, mass) < 4 * self.k), rough

    # --- refinement
    def _total(self, cells):
        return log_sums(cells.observation, cells.mass, self.n)

    def _refine(self, cells):
        """log-integral and its error: what parents and children disagree by, what cells not looked into may hold, and
        what the rounding of latents does in narrow cells."""
        done, doubt, rounded = np.full((3, self.n), -np.inf)
        while cells.mass.size:
            total = np.logaddexp(done, self._total(cells))
            self.progress(f"{self.latents:,} latents, {cells.mass.size:,} cells to look into")
            small = cells.most <= (total + _NEGLIGIBLE)[cells.observation]
            done = np.logaddexp(done, self._total(cells.at(small)))
            doubt = np.logaddexp(doubt, log_sums(cells.observation[small], cells.most[small], self.n))
            parents = cells.at(~small)
            if not parents.mass.size:
                break
            children = self._children(parents)
            family = np.repeat(np.arange(parents.mass.size), 2**self.k)
            mass = log_sums(family, children.mass, parents.mass.size)
            differ = log_difference(mass, parents.mass)
            total = np.logaddexp(done, self._total(children))
            allowed = (total + np.log(self.tolerance) - np.log(self.share))[parents.observation]
            known = children.resolved | (children.most <= allowed[family])
            noise = mass + np.log(4 * np.finfo(float).eps * np.max(np.abs(parents.centre) / parents.half, axis=1))
            # roughness that halving takes from no child is noise, e.g. of a decoder in single precision
            least = children.rough.reshape(-1, 2**self.k).min(axis=1)
            noisy = parents.resolved & (parents.rough < 0.01) & (least > 0.3 * parents.rough)
            with np.errstate(divide="ignore"):
                noise = np.where(noisy, np.maximum(noise, mass + np.log(parents.rough)), noise)
            good = (differ <= np.maximum(allowed, noise)) & np.all(known.reshape(-1, 2**self.k), axis=1)
            done = np.logaddexp(done, self._total(children.at(good[family])))
            differ = np.where(differ > noise, differ, -np.inf)
            doubt = np.logaddexp(doubt, log_sums(parents.observation[good], differ[good], self.n))
            rounded = np.logaddexp(rounded, log_sums(parents.observation[good], noise[good], self.n))
            cells = children.at(~good[family])
        error = np.exp(doubt - done)
        if not np.all(error <= self.tolerance):
            self._give_up("error", float(error.max()), "Pass a larger tolerance if a less exact evidence will do.")
        return done, error + np.exp(rounded - done)

    def _cut(self, value):
        """Log of what the integral may hold beyond the range, relative to it: the prior mass there times the largest
        p(x|z) seen within, or the joint density at some latents beyond, if it falls from there on faster than 1/|z|."""
        beyond = np.maximum(self.highest + np.log(2 * self.k) + log_ndtr(-min(self.radius, self.known)), self.beyond)
        return np.where(value == -np.inf, np.inf, beyond - np.where(value == -np.inf, 0.0, value))

    # --- errors
    def _check_possible(self, value):
        checks.require(
            self.where,
            "largest log_likelihood(z)",
            self.highest,
            value > -np.inf,
            "a finite number at some latent",
            "log p(x|z) is −inf everywhere: check the decoder, and that the data are possible.",
        )

    def _not_a_number(self):
        checks.fail(
            self.where,
            "log_likelihood(z)",
            np.nan,
            "numbers below +inf, not NaN, wherever the posterior may be",
            f"Check the decoder: this is at |z| = {self.known:.3g}.",
        )

    def _give_up(self, what, reached, fix):
        raise QuadratureError(
            f"{self.where}: {what} = {checks.describe(reached)}; expected an evidence to within {self.tolerance:g} "
            f"from at most {_MOST_LATENTS[self.k]:,} latents, and the integrand is too rough, too narrow or has no "
            f"end. {fix}"
        )


def log_likelihoods(where: str, log_likelihood: Callable, z: np.ndarray, n: int | None = None) -> np.ndarray:
    """`log_likelihood(z)`, checked to have the shape (n, m); NaN is let through."""
    values = checks.numbers(where, "log_likelihood(z)", log_likelihood(z), "Return real numbers.").astype(float)
    rows = values.shape[:1] if n is None else (n,)
    if values.ndim != 2 or values.shape != (*rows, z.shape[1]) or z.shape[0] not in (1, values.shape[0]):
        checks.fail(
            where,
            "shape of log_likelihood(z)",
            values.shape,
            f"({'n' if n is None else n}, {z.shape[1]}) for z of shape {z.shape}",
            "Return one value for each observation and latent.",
        )
    return values


def log_sums(group: np.ndarray, logs: np.ndarray, n: int) -> np.ndarray:
    """log Σ exp(logs) over each of n groups."""
    top = np.full(n, -np.inf)
    np.maximum.at(top, group, logs)
    top = np.where(top == -np.inf, 0.0, top)
    with np.errstate(divide="ignore"):
        return top + np.log(np.bincount(group, np.exp(logs - top[group]), n))


def log_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log |eᵃ − eᵇ|."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(high == low, -np.inf, high + np.log(-np.expm1(low - high)))
