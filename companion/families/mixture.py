"""Finite mixtures: not an exponential family, but the usual target of one."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from companion import checks
from companion.families.core import Distribution, ExponentialFamily


class Mixture(Distribution):
    r"""Mixture :math:`p(x) = \sum_k w_k\,p_k(x)` of members of one family.

    Parameters
    ----------
    weights : array_like, shape (K,)
        Mixing probabilities; they sum to one.
    components : ExponentialFamily
        One batch of shape (K,), e.g. ``Normal([-2, 2], 1)`` or, for vectors, a `MultivariateNormal` of K members.

    Raises
    ------
    TypeError
        If components is not one of our families.
    ValueError
        If the weights are not K probabilities that sum to one.

    References
    ----------
    McLachlan and Peel (2000), chapter 1.

    Examples
    --------
    >>> from companion.families import Normal
    >>> humps = Mixture([0.5, 0.5], Normal([-2.0, 2.0], 1.0))
    >>> humps.mean(), humps.variance()
    (0.0, 5.0)
    """

    parameter_names = ("weights", "components")

    def __init__(self, weights, components):
        if not isinstance(components, ExponentialFamily):
            checks.fail(
                "Mixture",
                "components",
                components,
                "a batch of one of our families",
                "Pass e.g. Normal([-2, 2], [1, 1]).",
                TypeError,
            )
        weights = checks.probability_vector("Mixture", "weights", weights)
        if weights.ndim != 1 or components.batch_shape != weights.shape:
            checks.fail(
                "Mixture",
                "shape of components",
                components.batch_shape,
                f"{weights.shape}, one component for each weight",
                "Give every component its own parameters, e.g. Normal([-2, 2], [1, 1]).",
            )
        self._store((), weights=weights, components=components)

    @property
    def discrete(self):
        return self.components.discrete

    @property
    def event_ndim(self):
        return self.components.event_ndim

    @property
    def dimension(self):
        """Number of coordinates of a mixture of vectors."""
        return self.components.dimension

    @property
    def support(self):
        """The smallest interval that holds the components'; for angles, the turn of the first of them."""
        low, high = self.components.support
        if self.components.circular:
            return (float(low[0]), float(high[0]))
        return (float(np.min(low)), float(np.max(high)))

    def describe_support(self):
        return self.components.describe_support()

    def _inside(self, x):
        return np.any(self.components._inside(np.asarray(x)[..., None]), axis=-1)

    def _log_joint(self, x):
        """log w_k p_k(x), shape (..., K)."""
        if self.event_ndim:
            x = checks.real_array("Mixture.log_prob", "x", x, "Pass vectors along the last axis.")
            with np.errstate(divide="ignore"):
                return np.log(self.weights) + self.components.log_prob(x[..., None, :] if x.ndim else x)
        x = self._check_data(x)[..., None]
        inside = self.components._inside(x)  # one component may end before another does
        if not np.all(inside):
            low, _ = self.components.support
            x = np.where(inside, x, low if self.discrete else self.components.mean())
        with np.errstate(divide="ignore"):
            return np.where(inside, np.log(self.weights) + self.components.log_prob(x), -np.inf)

    def log_prob(self, x):
        r"""Log-density :math:`\log\sum_k w_k p_k(x)` in nats; one for each observation."""
        return logsumexp(self._log_joint(x), axis=-1)

    def posterior(self, x):
        r"""Probabilities :math:`\mathrm{P}(k\mid x) = w_k p_k(x)/p(x)` of the components, shape (..., K): the
        responsibilities of EM."""
        joint = self._log_joint(x)
        return np.exp(joint - logsumexp(joint, axis=-1, keepdims=True))

    def mean(self):
        mean = self.weights @ self.components.mean()
        return mean if self.event_ndim else float(mean)

    def variance(self):
        """Variance within the components plus variance between their means; of every coordinate for vectors."""
        between = (self.components.mean() - self.mean()) ** 2
        variance = self.weights @ (self.components.variance() + between)
        return variance if self.event_ndim else float(variance)

    def sample(self, n, rng):
        n, rng = checks.sample_size("Mixture.sample", n), checks.generator("Mixture.sample", rng)
        which = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(n), side="right")
        return self.components.sample(n, rng)[np.arange(n), which]

    def quadrature_points(self):
        """Where the mass is: the components' means and a few standard deviations around them."""
        mean, sd = np.atleast_1d(self.components.mean()), np.sqrt(np.atleast_1d(self.components.variance()))
        return np.concatenate([mean + k * sd for k in (-6, -2, 0, 2, 6)])
