"""Scores and information of a fit at any observations, for tests that compare two fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from companion.families import Distribution, ExponentialFamily, Mixture
from companion.fitting.differences import derivatives
from companion.fitting.families import mixture_problem
from companion.fitting.result import Fit


def scores(fit: Fit, x: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores (n, k) of the observations x (n, ...) and the information (k, k) of one, in any coordinates of the
    estimated parameters: in closed form or by differences. None where the log-likelihood is not smooth at the fit."""
    model = fit.model
    if fit._why:
        return None
    if isinstance(model, ExponentialFamily) and model.natural_parameters().size == fit.free:
        return model._statistic(x) - model.mean_parameters(), model.fisher_information()
    if isinstance(model, Mixture):
        problem, theta = mixture_problem(model, x, None)()
        log_probs, room = problem.log_probs, problem.room(theta)
    else:
        log_probs, theta = _log_probs(fit, x)
        low, high = np.array(fit._domains, dtype=float).T
        room = np.minimum(theta - low, high - theta) / 4
    with np.errstate(all="ignore"):
        found = derivatives(log_probs, theta, room)
    return found.scores, -found.hessian / len(x)


def _log_probs(fit: Fit, x: np.ndarray) -> tuple[Any, np.ndarray]:
    """The log-densities (n,) as a function of the estimated parameters, and these."""
    model, names = fit.model, list(fit.parameters)
    if isinstance(model, Distribution):
        kind = type(model)

        def log_probs(theta):
            named = dict(fit.held) | dict(zip(names, theta.tolist()))
            return kind(**{name: named[name] for name in kind.parameter_names}).log_prob(x, outside=-np.inf)
    else:
        log_p = model.dist.logpmf if hasattr(model.dist, "pmf") else model.dist.logpdf

        def log_probs(theta):
            return log_p(x, **(dict(fit.held) | dict(zip(names, theta.tolist()))))

    return log_probs, np.array(list(fit.parameters.values()))
