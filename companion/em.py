r"""Expectation–maximisation for mixtures: the bound, the step, the fit, and where to start.

The module of the chapter *EM: maximum likelihood with a hidden variable*. For responsibilities r, any distributions
over the components,

.. math:: \log p(x_i) = \sum_j r_{ij}\log\frac{\pi_j\,p_j(x_i)}{r_{ij}} + \mathrm{KL}\big(r_i\,\|\,p(j\mid x_i)\big) .

The E-step makes the KL zero, the M-step raises the first term, and the log-likelihood cannot fall.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax, xlogy

from companion import checks
from companion.families import ExponentialFamily, Mixture, MultivariateNormal
from companion.integrals.cells import Progress

_EPS = np.finfo(float).eps


# --- the bound ----------------------------------------------------------------------------------------------------
def mixture_elbo(mixture: Mixture, x: ArrayLike, responsibilities: ArrayLike) -> np.ndarray:
    r"""Evidence lower bound of a mixture, :math:`\sum_j r_{ij}\,(\log \pi_j p_j(x_i) - \log r_{ij})`, shape (n,), in
    nats.

    `responsibilities` r (n, J) are any distributions over the components. With ``mixture.posterior(x)`` the bound is
    the log-density itself.

    References
    ----------
    Neal and Hinton (1998), who call its negative the free energy.

    Examples
    --------
    >>> from companion.families import Normal
    >>> humps = Mixture([0.5, 0.5], Normal([-2.0, 2.0], 1.0))
    >>> x = np.array([0.0, 1.0])
    >>> bool(np.allclose(mixture_elbo(humps, x, humps.posterior(x)), humps.log_prob(x)))
    True
    """
    _check_mixture("mixture_elbo", mixture)
    r = checks.probability_vector("mixture_elbo", "responsibilities", responsibilities)
    joint = mixture._log_joint(mixture._check_data(x, "log_prob"))
    if r.shape != joint.shape:
        checks.fail(
            "mixture_elbo",
            "shape of responsibilities",
            r.shape,
            f"{joint.shape}, (n, J)",
            "One row for each observation.",
        )
    return np.sum(np.where(r > 0, r * np.where(r > 0, joint, 0.0) - xlogy(r, r), 0.0), axis=-1)


def _check_mixture(where, mixture, argument="mixture"):
    if not isinstance(mixture, Mixture):
        checks.fail(
            where,
            argument,
            mixture,
            "a companion.families.Mixture",
            "Pass e.g. Mixture([0.5, 0.5], Normal([50, 80], 6)).",
            TypeError,
        )


# --- the step -----------------------------------------------------------------------------------------------------
def em_step(mixture: Mixture, x: ArrayLike, weights: ArrayLike | None = None) -> Mixture:
    r"""One step of expectation–maximisation: the mixture after it.

    E: responsibilities :math:`r_{ij} = \mathrm{P}(j\mid x_i)`. M: weights :math:`\pi_j = \frac1n\sum_i r_{ij}`, and
    each component is the maximum-likelihood member of its family for the data weighted by :math:`r_{ij}`. The
    log-likelihood does not fall.

    Parameters
    ----------
    mixture : Mixture
        Where the step starts.
    x : array_like, shape (n,) or (n, d)
        Observations.
    weights : array_like, shape (n,), optional
        How often each observation counts.

    Raises
    ------
    ValueError
        If a component collapses onto a point (the likelihood is unbounded there) or loses all observations.

    References
    ----------
    Dempster, Laird and Rubin (1977).

    Examples
    --------
    >>> from companion.families import Normal
    >>> step = em_step(Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0)), [-2.0, -1.8, 1.9, 2.1])
    >>> step.components.mean().round(2).tolist()
    [-1.83, 1.91]
    """
    _check_mixture("em_step", mixture)
    x, weights = checks.sample(
        "em_step", x, weights, mixture.event_ndim, "Pass observations as an array of shape (n,)."
    )
    r = mixture.posterior(x) if weights is None else weights[:, None] * mixture.posterior(x)
    return _from_responsibilities("em_step", type(mixture.components), x, r, _held_fixed(mixture.components))


def _held_fixed(member):
    """What `fit` has to be told of a family: the parameters that are not estimated."""
    names = dict.fromkeys((*member.fixed_names, *member.fit_options))
    return {name: member.parameter(name) if name in member.fixed_names else getattr(member, name) for name in names}


def _from_responsibilities(where, family, x, responsibilities, fixed):
    """M-step: mixing weights are mean responsibilities, each component is the weighted fit of its family."""
    k, members = responsibilities.shape[1], []
    for j, r in enumerate(responsibilities.T):
        try:
            member = family.fit(x, weights=r, **{name: np.broadcast_to(v, k)[j] for name, v in fixed.items()})
        except ValueError as error:
            raise ValueError(f"{where}: component {j} has no fit to the observations it still holds. {error}") from None
        if not family.discrete:
            _check_spread(where, j, member, x[r > 0])
        members.append(member)
    names = family.parameter_names
    components = family(*(np.stack([member.parameter(name) for member in members]) for name in names))
    return Mixture(responsibilities.sum(axis=0) / responsibilities.sum(), components)


def _check_spread(where, j, member, x):
    """Refuse a component that rounding alone keeps from being a point or, for vectors, from lying in a plane."""
    sd, floor = np.sqrt(member.variance()), 64 * _EPS * np.max(np.abs(x), axis=0)
    spread, least = np.min(sd), np.broadcast_to(floor, np.shape(sd)).ravel()[np.argmin(sd)]
    if np.all(sd > floor) and isinstance(member, MultivariateNormal):
        spread, least = np.linalg.eigvalsh(member.cov / sd / sd[:, None])[0], 64 * _EPS
    if not spread > least:
        checks.fail(
            where,
            f"spread of component {j}",
            float(spread),
            f"more than {least:.2g}, the rounding of its data",
            "The component has collapsed onto a point or a plane, where the likelihood of a mixture is unbounded: no "
            "maximum exists there, and none is returned. Start elsewhere, with fewer components or wider ones.",
        )


# --- the fit ------------------------------------------------------------------------------------------------------
class EMFit(NamedTuple):
    """Result of `fit_mixture`: the mixture, the log-likelihood before every step and at the end (nats), and whether the
    last step gained less than the tolerance."""

    mixture: Mixture
    log_likelihoods: np.ndarray
    converged: bool


def fit_mixture(
    x: ArrayLike, start: Mixture, weights: ArrayLike | None = None, tolerance: float = 1e-12, max_steps: int = 10_000
) -> EMFit:
    """EM steps from the mixture `start` until one gains less than `tolerance` nats an observation.

    The result is a stationary point near the start, as a rule a local maximum: compare several starts. Returns an
    `EMFit`. Raises `ValueError` where `em_step` does. A run of more than five seconds prints where it is.

    Examples
    --------
    >>> from companion.families import Normal
    >>> from companion.lesson.datasets import old_faithful
    >>> fit = fit_mixture(old_faithful().waiting, Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)))
    >>> fit.mixture.components.mean().round(2).tolist(), fit.converged
    ([54.61, 80.09], True)
    """
    where = "fit_mixture"
    _check_mixture(where, start, "start")
    x, weights = checks.sample(where, x, weights, start.event_ndim, "Pass observations as an array of shape (n,).")
    fix = "Pass e.g. tolerance=1e-12."
    tolerance = float(checks.positive(where, "tolerance", checks.scalar(where, "tolerance", tolerance, fix), fix))
    max_steps = checks.positive_integer(where, "max_steps", max_steps, "Pass e.g. max_steps=1000.")
    count = np.ones(len(x)) if weights is None else weights
    mixture, trace, progress = start, [count @ start.log_prob(x)], Progress(where)
    for step in range(max_steps):
        mixture = em_step(mixture, x, weights)
        trace.append(count @ mixture.log_prob(x))
        if trace[-1] - trace[-2] < tolerance * float(count.sum()):
            return EMFit(mixture, np.array(trace), True)
        progress(f"step {step + 1:,}, log-likelihood {trace[-1]:.6f}, gain {trace[-1] - trace[-2]:.1e}")
    return EMFit(mixture, np.array(trace), False)


def random_start(
    x: ArrayLike, family: type[ExponentialFamily], k: int, /, rng: np.random.Generator | int, **fixed
) -> Mixture:
    """A mixture of `k` members of `family` to start EM from: `k` observations drawn at random are the centres, every
    observation is shared among them with weights that fall with its distance, and an M-step follows.

    Parameters that the family holds fixed are named as in its `fit`: ``random_start(x, Binomial, 2, rng=0, n=12)``.

    Raises `ValueError` if a component has no maximum-likelihood fit: try another seed or a smaller `k`.

    >>> from companion.families import Normal
    >>> random_start([0.0, 0.1, 5.0, 5.2, 9.0], Normal, 2, rng=0).weights.shape
    (2,)
    """
    where = "random_start"
    if not (isinstance(family, type) and issubclass(family, ExponentialFamily)):
        checks.fail(where, "family", family, "a class of companion.families", "Pass e.g. Normal.", TypeError)
    x, _ = checks.sample(where, x, None, family.event_ndim, "Pass observations as an array of shape (n,).")
    x = checks.finite(where, "x", x, "Drop infinite values before.")
    k, rng = checks.positive_integer(where, "k", k, "Pass the number of components."), checks.generator(where, rng)
    whole = family.fit(x, **fixed)  # says what is wrong with x or with the fixed parameters
    if k > len(np.unique(x, axis=0)):
        checks.fail(where, "k", k, "at most as many components as different observations", "Pass a smaller k.")
    points = (x - x[0]).reshape(len(x), -1)
    for scale in (np.max(np.abs(points), axis=0), np.std(points / _or_one(np.max(np.abs(points), axis=0)), axis=0)):
        points = points / _or_one(scale)
    centres = rng.choice(np.unique(points, axis=0), size=k, replace=False)
    distance = np.sum((points[:, None, :] - centres) ** 2, axis=-1)
    return _from_responsibilities(where, family, x, softmax(-2 * distance, axis=1), _held_fixed(whole))


def _or_one(scale):
    return np.where(scale > 0, scale, 1.0)
