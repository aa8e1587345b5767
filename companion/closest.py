r"""The member of an exponential family with given means of u, from integrals: in coordinates in which nothing cancels.

A projection is told by :math:`\mathrm{E}_p[u]`. Of a normal family these are E[x] and E[x²], and their difference loses
all digits where the spread of p is small beside its place. So they are taken of :math:`z = (y-c)/s` and z², with c the
mean of y and s its mean distance from c.
"""

from __future__ import annotations

import numpy as np

from companion import checks
from companion.families import LogNormal, Mixture, Normal
from companion.integrals import quadrature
from companion.measures import FROZEN, kl_divergence, same_family

#: Nats that the errors of the means may leave in doubt: of the projection, and of its certificate.
_DOUBT, _CERTIFIED = 1e-12, 1e-8


def projected(where, p, start, fixed):
    """The projection onto the family of `start`, by means that are sums or integrals; a member is its own."""
    family = type(start)
    if start.circular and not _is_on_one_turn(p):
        fix = "Wrap it around the circle: every direction needs one density."
        checks.fail(where, "p", p, "a distribution of angles on one turn, 2π long", fix)
    if not start.circular and not np.isfinite(kl_divergence(p, start)):
        fix = "From it every KL divergence to the family is infinite: choose one that is possible wherever p is."
        checks.fail(
            where, "p", p, f"a distribution in the support {start.describe_support()} with finite means of u", fix
        )
    if same_family(p, start) and all(p.parameter(name) == start.parameter(name) for name in family.fixed_names):
        model, scale = p, _Scale(p, p)
        mean = scale.own_means()
    else:
        scale = _Scale(start, p)
        mean, error = scale.means(p)
        model = scale.member(where, p, mean, fixed)
        _inverse(error, scale.information(model), _DOUBT)
    residual, error = scale.means(model, mean)
    excess = 0.5 * float(residual @ _inverse(error, scale.information(model), _CERTIFIED) @ residual)
    return model, _kl(p, model), scale.natural() @ residual, max(0.0, excess)


def _is_on_one_turn(p):
    """Whether a density of p is one of angles."""
    if getattr(p, "circular", False) or (isinstance(p, Mixture) and p.components.circular):
        return True
    low, high = p.support() if isinstance(p, FROZEN[0]) else p.support
    return high - low <= 2 * np.pi * (1 + 1e-15)


def _kl(p, q):
    """KL divergence to a member; to one of angles, which has the same density a turn further, that of the angles."""
    if not q.circular or getattr(p, "circular", False) or isinstance(p, Mixture):
        return float(kl_divergence(p, q))
    return max(0.0, -quadrature.entropy(p).value - quadrature.expectation(p, q.log_prob).value)


class _Scale:
    """The statistic u of a family as it is, or, where it is (y, y²), as (z, z²) with z = (y − c)/s."""

    def __init__(self, start, p):
        self.start, self.size = start, start._statistic(np.array([start.mean()])).shape[-1]
        low, high = start.support
        if not (start.discrete or start.circular):  # rounding may have put a node on an end, where log x is infinite
            low, high = np.nextafter(low, high), np.nextafter(high, low)
        self.inside = (lambda x: x) if start.circular else (lambda x: np.clip(x, low, high))
        self.shifted = isinstance(start, (Normal, LogNormal))
        if self.shifted and p is start:
            self.centre, self.unit = p.parameter("mean"), p.sd
        elif self.shifted:
            self.centre = _expectation(p, self._variable).value
            self.unit = _expectation(p, lambda x: np.abs(self._variable(x) - self.centre)).value

    def _variable(self, x):
        """y of numbers x."""
        return self.start._sums.variable(self.inside(x), None)

    def _statistic(self, x):
        """The statistic of numbers (n,): (n, k)."""
        if not self.shifted:
            return self.start._statistic(self.inside(x))
        z = (self._variable(x) - self.centre) / self.unit
        return np.stack([z, z**2], axis=-1)

    def means(self, p, less=0.0):
        """Means of the statistic under p, less those given, and their errors, whatever these are."""
        less = np.broadcast_to(less, self.size)
        found = [_expectation(p, lambda x, i=i: self._statistic(x)[..., i] - less[i]) for i in range(self.size)]
        return np.array([one.value for one in found]), np.array([one.error for one in found])

    def own_means(self):
        """The means under `start` itself."""
        return np.array([0.0, 1.0]) if self.shifted else self.start.mean_parameters()

    def member(self, where, p, mean, fixed):
        """The member of the family with these means, or an error."""
        family = type(self.start)
        try:
            if not self.shifted:
                return family.from_mean_parameters(mean, **fixed)
            with np.errstate(invalid="ignore"):
                return family(self.centre + self.unit * mean[0], self.unit * np.sqrt(mean[1] - mean[0] ** 2))
        except ValueError:
            shown = checks.describe(mean) if not self.shifted else f"a spread of {self.unit:g}"
            expected = f"one whose means of u, {shown}, a {family.__name__} member has"
            fix = "These lie at the edge of the family: KL falls towards it, and no member is closest."
            checks.fail(where, "p", p, expected, fix)

    def information(self, model):
        """Fisher information: the covariance of the statistic."""
        if not self.shifted:
            return model.fisher_information()
        return Normal((model.parameter("mean") - self.centre) / self.unit, model.sd / self.unit).fisher_information()

    def natural(self):
        """The matrix that turns differences of these means into differences of E[u]."""
        if not self.shifted:
            return np.eye(self.size)
        with np.errstate(all="ignore"):
            return np.array([[self.unit, 0.0], [2 * self.centre * self.unit, self.unit**2]])


def _expectation(p, g):
    """E_p[g] with its error, however large that is."""
    return quadrature.expectation(p, g, atol=1e300)


def _inverse(error, information, most):
    """The inverse of the information, or an error if the means with these errors leave too much in doubt."""
    size = np.sqrt(np.diagonal(information))
    size = np.where(size > 0, size, np.inf)  # what is certain has no error
    inverse = np.linalg.pinv(information / size / size[:, None], rcond=1e-14, hermitian=True) / size / size[:, None]
    doubt = 0.5 * float(error @ np.sqrt(np.abs(np.diagonal(inverse)))) ** 2
    if not doubt <= most:
        raise quadrature.QuadratureError(
            f"Its means of u leave {doubt:.2g} nats in doubt, more than {most:g}: its spread is too small beside its "
            "place, or its tails are too heavy."
        )
    return inverse
