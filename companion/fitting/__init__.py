r"""Maximum likelihood for any model, with the errors that belong to it: `fit` returns a `Fit`.

One function for the families of this package, for mixtures, and for the distributions of `scipy.stats`. Every maximum
is certified by differences that the search does not use, or where a log-density has too few digits for them by the
likelihood equation E_emp[u] = E[u], and what has no maximum is refused with the reason.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families import Distribution, ExponentialFamily, Mixture
from companion.fitting.certificate import certified
from companion.fitting.families import family_optimum, mixture_optimum
from companion.fitting.result import Fit
from companion.fitting.scipy_search import scipy_optimum

__all__ = ["Fit", "fit"]


def fit(model: Any, x: ArrayLike, weights: ArrayLike | None = None, **fixed: float | None) -> Fit:
    r"""The maximum-likelihood member of a model, with covariances, intervals and criteria.

    .. math:: \hat\theta = \arg\max_\theta \sum_i w_i \log p(x_i;\theta)
                         = \arg\min_\theta \mathrm{KL}(p_{\mathrm{emp}}\|p_\theta)

    (the second for discrete data). See `Fit` for what comes back.

    Parameters
    ----------
    model : class, Mixture, or scipy.stats distribution
        A family of this package such as ``Gamma``; a `Mixture` to start from, near which a local maximum is found; or
        a continuous or discrete distribution of ``scipy.stats`` that is not frozen, such as ``stats.t``.
    x : array_like, shape (n,) or (n, d)
        Independent observations.
    weights : array_like, shape (n,), optional
        How often each observation counts: frequencies of a table. They enter the errors as so many observations.
    **fixed
        Parameters that are held, by name, such as ``n=12``, ``sd=1.0`` or ``loc=0``; ``r=None`` of a negative binomial
        and ``k=None`` of a Weibull have these estimated. Of SciPy's distributions some are held unless you say
        otherwise: ``loc`` = 0 of all discrete ones and where the support has an end, and also ``scale`` = 1 where it
        has two ends and there are shapes. ``loc=None`` has it estimated.

    Returns
    -------
    Fit
        Immutable. In nats.

    Raises
    ------
    ValueError
        If data are outside the support, or no maximum exists, or none can be certified: the message says why.
    TypeError
        If model is not one of these kinds, or an argument names no parameter of it.

    Notes
    -----
    Where a log-likelihood has several maxima, or grows without bound towards a degenerate member (a component of a
    mixture on one point, a scale of 0 at one observation), the highest smooth maximum that the search finds is meant;
    `Fit.notes` says so where that is known.

    References
    ----------
    White (1982) on wrong models.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> found = fit(Poisson, [0, 1, 2, 3, 4], weights=[109, 65, 22, 3, 1])
    >>> found.model
    Poisson(rate=0.61)
    >>> round(found.standard_errors["rate"], 6), round(found.robust_standard_errors["rate"], 6)
    (0.055227, 0.055132)
    >>> found = fit(stats.t, [-2.0, -0.3, 0.1, 0.2, 0.5, 0.7, 5.0], df=4)
    >>> {name: round(value, 4) for name, value in found.parameters.items()}
    {'loc': 0.1874, 'scale': 1.1487}
    >>> found.residual < 1e-6
    True
    """
    if isinstance(model, type) and issubclass(model, ExponentialFamily) and model is not ExponentialFamily:
        return certified(family_optimum(model, x, weights, fixed), *_sample(model, x, weights))
    if isinstance(model, Mixture):
        return certified(mixture_optimum(model, x, weights, fixed), *_sample(model, x, weights))
    if isinstance(model, (stats.rv_continuous, stats.rv_discrete)):
        return certified(scipy_optimum(model, x, weights, fixed), *_sample(model, x, weights))
    advice = "Pass e.g. Gamma, stats.gamma, or Mixture([0.5, 0.5], Normal([50, 80], 6)) to start from."
    if isinstance(model, Distribution):
        advice = f"Pass the class: fit({type(model).__name__}, x)."
    elif isinstance(model, stats.distributions.rv_frozen):
        advice = f"Pass it without parameters: fit({checks.describe(model).partition('(')[0]}, x)."
    checks.fail("fit", "model", model, "a family, a mixture or a scipy.stats distribution", advice, TypeError)


def _sample(model, x, weights):
    """Observations and weights as arrays."""
    return checks.sample("fit", x, weights, getattr(model, "event_ndim", 0), "Pass numbers.")
