"""Finite mixtures: not an exponential family, but the usual target of one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from companion import checks
from companion.families.distribution import Distribution
from companion.families.exponential_family import ExponentialFamily


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

    def __init__(self, weights: ArrayLike, components: ExponentialFamily):
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
        kind: dict[str, Any] = {"discrete": components.discrete, "event_ndim": components.event_ndim}
        self._store((), weights=weights, components=components, **kind)

    def _table(self):
        title, names, rows, count = self.components._table()
        return f"Mixture of {title}", ["weight", *names], [[w, *row] for w, row in zip(self.weights, rows)], count

    @property
    def dimension(self) -> int | None:
        """Number of coordinates of a mixture of vectors; None for numbers."""
        return self.components.dimension

    def _parts(self):
        return self.weights, [self.components._member((k,)) for k in range(self.weights.size)]

    @property
    def support(self) -> tuple[float, float]:
        """Ends of the interval that holds the supports of all components of positive weight; for angles, the turn of
        the first of them."""
        low, high = (np.broadcast_to(end, self.weights.shape)[self.weights > 0] for end in self.components.support)
        if self.components.circular:
            return float(low[0]), float(high[0])
        return float(np.min(low)), float(np.max(high))

    # --- evaluation
    def _read(self, x, method):
        x = checks.real_array(f"Mixture.{method}", "x", x, "Pass numbers, without missing values.", truths=True)
        return self.components._read(x[..., None, :], method)[..., 0, :] if self.event_ndim and x.ndim else x

    def _check_data(self, x, method="log_prob"):
        if self.event_ndim:
            x = self._read(x, method)
            self.components._check_data(x[..., None, :] if x.ndim else x, method)
            return x
        return super()._check_data(x, method)

    def _inside(self, x):
        """Where a component of positive weight has x in its support."""
        return np.any(self._inside_components(x) & (self.weights > 0), axis=-1)

    def _inside_components(self, x):
        return self.components._inside(x[..., None, :] if self.event_ndim else x[..., None])

    def describe_support(self) -> str:
        return self.components.describe_support() if self.components.circular else super().describe_support()

    def _log_joint(self, x):
        """log w_k p_k(x), shape (..., K), for x that is checked; one component may end before another does."""
        parts = self.components
        if self.event_ndim:
            logs = parts._log_prob(x[..., None, :])
        else:
            logs = parts.log_prob(x[..., None], outside=-np.inf)
        with np.errstate(divide="ignore"):
            return np.log(self.weights) + logs

    def _log_prob(self, x):
        return logsumexp(self._log_joint(x), axis=-1)

    def posterior(self, x: ArrayLike) -> np.ndarray:
        r"""Probabilities :math:`\mathrm{P}(k\mid x) = w_k p_k(x)/p(x)` of the components, shape (..., K): the
        responsibilities of EM.

        Raises
        ------
        ValueError
            If x is outside the support, or where p(x) is zero or infinite: x then says nothing of the components.
        """
        x = self._check_data(x, "posterior")
        with np.errstate(invalid="ignore"):
            joint = self._log_joint(x)
            total = logsumexp(joint, axis=-1, keepdims=True)
        checks.require(
            "Mixture.posterior",
            "p(x)" if self.event_ndim else "x",
            np.exp(total[..., 0]) if self.event_ndim else x,
            np.isfinite(total[..., 0]),
            "a point of positive, finite density",
            "There the posterior is 0/0 or inf/inf: leave it out.",
        )
        return np.exp(joint - total)

    def mean(self) -> Any:
        """Expectation E[x], the weighted average of the components' means."""
        mean = self.weights @ self.components.mean()
        return mean if self.event_ndim else float(mean)

    def variance(self) -> Any:
        """Variance within the components plus variance between their means; of every coordinate for vectors."""
        between = (self.components.mean() - self.mean()) ** 2
        variance = self.weights @ (self.components.variance() + between)
        return variance if self.event_ndim else float(variance)

    def _tail(self, name, x):
        return self.components._probability(name, x[..., None]) @ self.weights

    def _quantile(self, q):
        """Between the smallest and the largest quantile of the components."""
        ends = self.components.quantile(q[..., None])[..., self.weights > 0]
        return self._first(q, ends.min(-1), ends.max(-1))

    # --- sampling
    def _draw(self, size, rng):
        which = np.searchsorted(np.cumsum(self.weights)[:-1], rng.random(size), side="right")
        return self.components.sample(size[0], rng)[np.arange(size[0]), which]

    def quadrature_points(self) -> np.ndarray:
        """Where the mass is: the components' means and a few standard deviations around them."""
        mean, sd = np.atleast_1d(self.components.mean()), np.sqrt(np.atleast_1d(self.components.variance()))
        return np.concatenate([mean + k * sd for k in (-6, -2, 0, 2, 6)])
