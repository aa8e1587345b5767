"""One face for every distribution that can be integrated: log-densities that are right up to the ends of the support.

`as_distribution` takes a frozen ``scipy.stats`` distribution, a member of our families, a mixture, or any object with
``log_prob``, ``support`` and ``discrete``, and gives what `companion.integrals.quadrature` needs: the
support, the log-density as a function of the point and, where an end of the support is finite, of the *distance* from
that end (a density that is singular there has mass closer to the end than doubles can tell apart), kinks and quantiles.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from scipy import special, stats
from scipy.stats import _distn_infrastructure as infrastructure  # rv_frozen, rv_sample: documented, not exported

from companion.integrals import scipy_densities
from companion.integrals.law import Law

_EPS = np.finfo(float).eps


class _Density:
    """What the quadrature needs of a distribution.

    ``log_density(c, y)`` is the log-density at c + y, evaluated without the sum where c is an end of the support.
    ``center``, ``spread`` and ``features`` say where the mass is, ``kinks`` where the density is not smooth,
    ``resolution(c)`` how close to its end or kink c the density can be evaluated, ``magnitude`` how large the
    terms are whose sum is the log-density, where they cancel.
    """

    atoms = None
    kinks = ()
    centers = ()
    loc, scale = 0.0, 1.0
    magnitude = 0.0
    offset = 0.0  # of the lattice of a discrete distribution from the integers
    law = None  # what a distribution on the whole line is up to its place and scale, where that is known
    circular = turned = False  # a density of angles; and one moved to another turn of the circle than its own
    cost = 1  # of one evaluation, in those of an elementary log-density

    def aligned_with(self, other):
        """The same distribution, with its support written as that of `other` where they differ in notation alone."""
        return self

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
            raise TypeError(
                f"{argument} = {self.name}; expected a single distribution, not an array of them. "
                "Loop over its parameters."
            )
        shapes = [np.asarray(s).reshape(()) for s in shapes]
        self.loc, self.scale = float(np.ravel(loc)[0]), float(np.ravel(scale)[0])
        if not (np.all(dist._argcheck(*shapes)) and self.scale > 0 and np.isfinite(self.loc)):
            raise ValueError(
                f"{argument} = {self.name}; expected parameters in the domain of stats.{dist.name}. "
                "scipy would return nan."
            )
        self.discrete = isinstance(dist, stats.rv_discrete)
        key = dist.name if type(dist).__module__.startswith("scipy.stats") else None
        shapes = [np.asarray(s, dtype=float) for s in shapes]
        hook = dist._logpmf if self.discrete else dist._logpdf
        standard = scipy_densities.LOG_DENSITY.get(key, hook)
        self.standard = lambda z: standard(z, *shapes)
        from_low, from_high = scipy_densities.FROM_ENDS.get(key, (None, None))
        self.from_low = from_low and (lambda y: from_low(y, *shapes))
        self.from_high = from_high and (lambda y: from_high(y, *shapes))
        self.circular = key == "vonmises"
        self.a, self.b = (float(v) for v in ((-np.pi, np.pi) if self.circular else dist._get_support(*shapes)))
        self.low, self.high = self.a * self.scale + self.loc, self.b * self.scale + self.loc
        self.cost = scipy_densities.COST.get(key, 1) if key else 20
        if isinstance(dist, infrastructure.rv_sample):
            at, log_mass = np.asarray(dist.xk, dtype=float)[dist.pk > 0], np.log(dist.pk[dist.pk > 0])
            self.atoms, self.a, self.b = self.loc + at, at.min(), at.max()
            self.low, self.high = self.atoms.min(), self.atoms.max()
            self.standard = lambda z: np.where(_same(at, z, self.loc), log_mass, -np.inf).max(axis=-1)
        if key in ("betabinom", "betanbinom", "hypergeom", "nhypergeom", "skellam") or (self.discrete and key is None):
            self.magnitude = float(sum(np.abs(special.xlogy(s, np.abs(s) + 1)) for s in shapes))
        self.offset = self.loc % 1 if self.discrete else 0.0
        if key and not self.discrete and np.isinf([self.a, self.b]).all():
            self.law = (key, *map(float, shapes))
        self.locate(np.asarray(self.landmarks(dist, shapes)) * self.scale + self.loc)
        self.kinks = tuple(
            float(z) * self.scale + self.loc for z in scipy_densities.KINKS.get(key, lambda *s: ())(*shapes)
        )
        if isinstance(dist, stats.rv_histogram):
            self.kinks = tuple(np.asarray(dist._hbins) * self.scale + self.loc)

    def aligned_with(self, other):
        """On the turn of the circle on which `other` is written; on its lattice, if rounding keeps them apart."""
        if self.circular and other.circular and self.scale == other.scale and self.low != other.low:
            new, turn = copy.copy(self), 2 * np.pi * self.scale
            new.low, new.high, new.turned = other.low, other.high, True  # rounding of its ends must not cut it
            new.a, new.b = (new.low - self.loc) / self.scale, (new.high - self.loc) / self.scale
            new.locate([new.low + (x - new.low) % turn for x in self.features])
            return new
        if self.discrete and self.atoms is None and other.discrete and other.atoms is None:
            loc = other.loc + np.rint(self.loc - other.loc)
            if loc != self.loc and _same(loc, self.loc, other.loc):
                new = copy.copy(self)
                new.loc, new.offset = loc, other.offset
                new.low, new.high = self.a + loc, self.b + loc
                new.locate(self.features + (loc - self.loc))
                return new
        return self

    def landmarks(self, dist, shapes):
        """Quantiles where they are cheap, else mean and standard deviation where scipy has a formula for them."""
        generic = stats.rv_discrete if self.discrete else stats.rv_continuous
        with np.errstate(all="ignore"):
            if self.atoms is not None:
                return dist.xk
            if type(dist)._ppf is not generic._ppf and dist.name not in ("binom", "nbinom", "poisson"):
                return dist._ppf(np.array([0.001, 0.05, 0.25, 0.5, 0.75, 0.95, 0.999]), *shapes)
            if not self.discrete or np.isinf(self.a):
                try:  # scipy's search for a quantile of a density that it integrates numerically
                    return dist._ppf(np.array([0.25, 0.5, 0.75]), *shapes)
                except (ArithmeticError, RuntimeError, ValueError):
                    return []
            if type(dist)._stats is generic._stats:
                return [self.a]
            mean, variance = dist._stats(*shapes)[:2]
            points = mean + np.sqrt(variance) * np.array([-3.0, -1.5, 0.0, 1.5, 3.0])
            points = np.floor(points) if self.discrete else points
            return np.r_[self.a, points[(points > self.a) & (points < self.b)]]

    def log_density(self, c, y):
        s = y / self.scale
        with np.errstate(all="ignore"):
            if c == self.low and self.from_low:
                inside = (s >= 0) & (s <= self.b - self.a)
                return np.where(inside, self.from_low(np.where(inside, s, 1.0)), -np.inf) - math.log(self.scale)
            if c == self.high and self.from_high:
                inside = (s <= 0) & (-s <= self.b - self.a)
                return np.where(inside, self.from_high(np.where(inside, -s, 1.0)), -np.inf) - math.log(self.scale)
            z = s + (self.a if c == self.low else self.b if c == self.high else (c - self.loc) / self.scale)
            value = self.standard(z) - math.log(self.scale)
        return value if self.turned else np.where((z >= self.a) & (z <= self.b), value, -np.inf)

    def resolution(self, c):
        if (c == self.low and self.from_low) or (c == self.high and self.from_high):
            return 0.0
        z = (
            self.a
            if c == self.low
            else self.b
            if c == self.high
            else (c - self.loc) / self.scale
            if c in self.kinks
            else 0.0
        )
        return 1e4 * _EPS * abs(z) * self.scale


class _Mixture(_Density):
    """A weighted sum of distributions."""

    def __init__(self, obj, argument):
        self.name = repr(obj)
        weights, parts = obj._parts()
        weights = np.asarray(weights, dtype=float)
        parts = [as_distribution(d, f"{argument}, component {i}") for i, d in enumerate(parts) if weights[i] > 0]
        self.log_weights = np.log(weights[weights > 0])
        self.scale, self.cost = min(d.scale for d in parts), sum(d.cost for d in parts)
        self.discrete, self.loc = parts[0].discrete, parts[0].loc
        self.circular = all(d.circular and d.scale == self.scale for d in parts)
        self.join([d.aligned_with(parts[0]) for d in parts])

    def join(self, parts):
        self.parts, self.offset = parts, parts[0].offset
        self.low, self.high = min(d.low for d in parts), max(d.high for d in parts)
        self.kinks = tuple({x for d in parts for x in (*d.kinks, d.low, d.high) if self.low < x < self.high})
        self.locate([x for d in parts for x in d.features])
        self.spread = min(d.spread for d in parts)
        self.centers = tuple(c for d in parts for c in d.centers or [d.center])
        self.places = None
        if len(parts) > 1 and all(d.law is not None and d.law == parts[0].law for d in parts):
            self.places = np.array([[d.loc, d.scale] for d in parts]).T[:, :, None]  # one law, moved and scaled

    def aligned_with(self, other):
        new = copy.copy(self)
        new.join([d.aligned_with(other) for d in self.parts])
        return new

    def log_density(self, c, y):
        if len(self.parts) == 1:
            return self.parts[0].log_density(c, y)
        if self.places is not None:
            loc, scale = self.places
            with np.errstate(all="ignore"):
                parts = self.parts[0].standard(y / scale + (c - loc) / scale) - np.log(scale)
        else:
            parts = np.array([d.log_density(c, y) for d in self.parts])
        parts += self.log_weights[:, None]
        first = parts.argmax(axis=0)[None]
        top = np.take_along_axis(parts, first, axis=0)
        with np.errstate(invalid="ignore", under="ignore"):
            rest = np.exp(parts - top)
        np.put_along_axis(rest, first, 0.0, axis=0)  # what is left is small, and log(1 + rest) keeps its digits
        return np.where(np.isneginf(top), -np.inf, top + np.log1p(rest.sum(axis=0)))[0]

    def resolution(self, c):
        return max(d.resolution(c) for d in self.parts)


class _Object(_Density):
    """Any object with ``log_prob(x)`` and ``support``; ``log_prob_from_left(y)``, ``log_prob_from_right(y)`` and
    ``quadrature_points()`` are used where they exist."""

    def __init__(self, obj, argument):
        self.obj, self.name, self.discrete, self.cost = obj, repr(obj), bool(obj.discrete), 10
        support = obj.support() if callable(obj.support) else obj.support
        self.low, self.high = (float(np.ravel(v)[0]) for v in support)
        self.ends = {
            self.low: getattr(obj, "log_prob_from_left", None),
            self.high: getattr(obj, "log_prob_from_right", None),
        }
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


def as_distribution(obj: Any, argument: str = "as_distribution: obj") -> Any:
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
    if isinstance(obj, type) and issubclass(obj, Law):
        raise TypeError(
            f"{argument} = {obj.__name__}, a family; expected a distribution. Give it parameters: {obj.__name__}(...)."
        )
    if isinstance(obj, Law):
        return _of_law(obj, argument)
    if isinstance(obj, infrastructure.rv_frozen):
        return _Scipy(obj, argument)
    if isinstance(obj, infrastructure.rv_sample):
        return _Scipy(obj(), argument)
    if isinstance(obj, infrastructure.rv_generic):
        raise TypeError(
            f"{argument} = stats.{obj.name}, a family; expected a distribution. Give it parameters: "
            f"stats.{obj.name}(...)."
        )
    if isinstance(obj, type) and issubclass(obj, infrastructure.rv_generic):
        raise TypeError(
            f"{argument} = stats.{obj.__name__}, a class; expected a distribution. Make one, e.g. "
            "stats.rv_discrete(values=([0, 1], [0.4, 0.6]))."
        )
    if all(hasattr(obj, name) for name in ("log_prob", "support", "discrete")):
        return _Object(obj, argument)
    raise TypeError(
        f"{argument} = {obj!r}, a {type(obj).__name__}; expected a frozen scipy.stats distribution, "
        "e.g. stats.gamma(2), or a "
        "distribution of this package. For vectors of probabilities call companion.kl_divergence."
    )


def _of_law(law, argument):
    if law.batch_shape != () or law.event_ndim:
        raise TypeError(
            f"{argument} = {law!r}; expected a single distribution of one number. Loop over the members of a batch."
        )
    if law._parts() is not None:
        return _Mixture(law, argument)
    frozen = law.to_scipy()
    if not isinstance(frozen, infrastructure.rv_frozen):
        return _Object(law, argument)
    adapter = _Scipy(frozen, argument)
    adapter.name = repr(law)
    return adapter


def _same(x, y, loc):
    """Whether x and y are one point, both rounded after `loc` was added; shape of y, and of x behind it."""
    y = np.asarray(y)[(..., None) if np.ndim(x) else ...]
    return np.abs(x - y) <= 4 * _EPS * (np.abs(x) + np.abs(loc))


def _scipy_name(frozen):
    inside = [repr(getattr(v, "item", lambda v=v: v)()) if np.size(v) == 1 else "..." for v in frozen.args]
    inside += [f"{k}={v}" for k, v in frozen.kwds.items()]
    return f"{frozen.dist.name or type(frozen.dist).__name__}({', '.join(inside)})"
