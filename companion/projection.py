r"""Two models of one data set: the closest member of a family, and which of two fitted models is closer.

The module of the chapter *Two wrong models*. A family that does not contain p has a member at the least KL divergence
from it, its **projection**: `project`. Maximum likelihood finds it from samples. How far p is from a model no
log-likelihood tells, but which of two models is closer it does, with an error: `compare`. How good a fitted model is on
data that it has not seen: `held_out`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from companion import checks
from companion.closest import projected
from companion.comparisons import Comparison, HeldOut, Vuong, Wilks
from companion.families import Categorical, Distribution, ExponentialFamily, from_scipy
from companion.fitting.relations import family_of, relation
from companion.fitting.result import Fit
from companion.fitting.scores import scores
from companion.integrals import quadrature
from companion.measures import FROZEN, as_pair

__all__ = ["Comparison", "HeldOut", "Projection", "Vuong", "Wilks", "compare", "held_out", "project"]


# --- the closest member of a family -------------------------------------------------------------------------------
class Projection(NamedTuple):
    r"""The member of a family at the least KL divergence from p.

    ``model`` is the member and ``kl`` the divergence KL(p‖model) in nats. The certificate: ``residual`` (k,) is the
    gradient :math:`\mathrm{E}_{model}[u] - \mathrm{E}_p[u]` of the KL divergence by the natural parameters, the first
    expectation summed or integrated from the model's log-density, not taken from the formula that was inverted;
    ``excess`` is :math:`\tfrac12 r^\top F^{-1} r`, the nats that a Newton step would still gain.
    """

    model: ExponentialFamily
    kl: float
    residual: np.ndarray
    excess: float


def project(p: Any, family: type[ExponentialFamily], **fixed: Any) -> Projection:
    r"""The member of an exponential family at the least :math:`\mathrm{KL}(p\|\cdot)`: the one with p's means of u.

    .. math:: \nabla_\eta\,\mathrm{KL}(p\|p_\eta) = \mathrm{E}_\eta[u] - \mathrm{E}_p[u] = 0

    Parameters
    ----------
    p : array_like, shape (K,), or distribution
        What is approximated: probabilities of 0, …, K−1, a frozen scipy distribution, one of our families, a `Mixture`.
    family : class of `companion.families`
        The class itself, e.g. ``Normal``; of numbers, not of vectors.
    **fixed
        Parameters that the family holds fixed, by name, e.g. ``n=10`` of a binomial.

    Returns
    -------
    Projection
        The member, its KL divergence in nats and the certificate.

    Raises
    ------
    ValueError, TypeError
        If p or the family is no such thing, a fixed parameter is missing, every KL divergence is infinite, or no member
        has these means.
    quadrature.QuadratureError
        If :math:`\mathrm{E}_p[u]` cannot be had.

    References
    ----------
    Csiszár (1975); Amari and Nagaoka (2000), chapter 3.

    Examples
    --------
    >>> from companion.families import Mixture, Normal, Poisson
    >>> found = project([0.5, 0.25, 0.25], Poisson)
    >>> found.model, round(found.kl, 6)
    (Poisson(rate=0.75), 0.099328)
    >>> found = project(Mixture([0.5, 0.5], Normal([-2.0, 2.0], 1.0)), Normal)
    >>> round(float(found.model.variance()), 9), bool(found.excess < 1e-15)
    (5.0, True)
    """
    where = "project"
    if not (isinstance(family, type) and issubclass(family, ExponentialFamily)) or family.event_ndim:
        fix = "Pass the class itself, e.g. Normal; for vectors fit it to draws of p."
        checks.fail(where, "family", family, "an exponential family of numbers in companion.families", fix, TypeError)
    names = ", ".join(family.fixed_names)
    for name in [*fixed, *family.fixed_names]:
        if (name in fixed) != (name in family.fixed_names):
            fix = f"Call project(p, {', '.join([family.__name__, *(f'{n}=...' for n in family.fixed_names)])})."
            expected = f"{names or 'none'}, which {family.__name__} holds fixed"
            checks.fail(where, "fixed parameter", name, expected, fix, TypeError)
    p = _on_a_table(where, p) if family is Categorical else p  # all distributions on 0, …, K−1
    start = p if family is Categorical else family._example(**fixed)
    p = as_pair(where, p, start)[0]
    for argument, shape in (("p", getattr(p, "batch_shape", ())), ("fixed parameters", start.batch_shape)):
        if shape:
            checks.fail(where, f"shape of {argument}", shape, "one distribution, shape ()", "Pass them one by one.")
    try:
        return Projection(*projected(where, p, start, fixed))
    except quadrature.QuadratureError as error:
        reason = str(error).partition(" Pass a looser tolerance")[0]
        fix = f"Approximate it, or fit the family to draws of it: {family.__name__}.fit(draws)."
        raise quadrature.QuadratureError(
            f"{where}: p = {checks.describe(p)}; expected one that can be integrated. {reason} {fix}"
        ) from None


def _on_a_table(where, p):
    """p as a `Categorical`: also another distribution on 0, …, K−1."""
    p = as_pair(where, p, p)[0]
    if isinstance(p, Categorical):
        return p
    if isinstance(p, np.ndarray):
        return Categorical(p)
    low, high = p.support() if isinstance(p, FROZEN[0]) else p.support
    fix = "Pass the probabilities of 0, …, K−1 as a vector."
    discrete = p.discrete if isinstance(p, Distribution) else hasattr(p.dist, "pmf")
    if not (discrete and np.ndim(high) == 0 and low >= 0 and high < 2**20):
        checks.fail(where, "p", p, "one distribution on 0, …, K−1", fix)
    k = np.arange(high + 1)
    probs = np.exp(p.log_prob(k, outside=-np.inf)) if isinstance(p, Distribution) else p.pmf(k)
    if not abs(probs.sum() - 1) <= checks.SUM_TOLERANCE:
        checks.fail(
            where, "p", p, f"whole numbers from 0 with probabilities that sum to 1, not {probs.sum():.15g}", fix
        )
    return Categorical(probs)


# --- a fitted model and data --------------------------------------------------------------------------------------
def _member(where, argument, fit):
    """The distribution of a fit or of a frozen scipy distribution: one of ours, or scipy's own."""
    model = fit.model if isinstance(fit, (Fit, Projection)) else fit
    model = (from_scipy(model) or model) if isinstance(model, FROZEN) else model
    if not isinstance(model, (Distribution, *FROZEN)):
        fix = "Pass fit(Normal, x), Normal(0, 1) or stats.norm(0, 1)."
        checks.fail(where, argument, fit, "a fitted model or one distribution", fix, TypeError)
    shape = getattr(model, "batch_shape", ())
    if shape:
        checks.fail(where, f"shape of the batch {argument}", shape, "one distribution, shape ()", "Pass one member.")
    return model


def _observations(where, argument, x, model):
    ndim = getattr(model, "event_ndim", 0)
    data, _ = checks.sample(where, x, None, ndim, "Pass the observations.", argument=argument)
    if len(data) < 2:
        checks.fail(where, "number of observations", len(data), "at least 2", "One has no standard error.")
    checks.require(where, argument, data, np.isfinite(data), "a finite number", "Drop it, or say what it stands for.")
    return data


def _log_prob(where, argument, model, data, name):
    """log p(x) of every observation, shape (n,), or an error that names the first impossible one."""
    if isinstance(model, Distribution):
        logs = np.asarray(model.log_prob(data, outside=-np.inf))
    else:
        logs = np.asarray(model.logpmf(data) if hasattr(model.dist, "pmf") else model.logpdf(data))
    bad = ~np.isfinite(logs)
    if bad.any():
        place = int(np.argmax(bad))
        fix = "Its density is infinite: drop it, or take another model."
        if logs[place] < 0 and _is_inside(model, data[place]):
            fix = "The density is not zero there, but below the range of doubles: is the unit right?"
        elif logs[place] < 0:
            fix = "That model's KL divergence from the data is infinite."
        expected = f"an observation of positive, finite density under {argument}"
        checks.fail(where, f"{name}[{place}]", data[place], expected, fix)
    return logs


def _is_inside(model, point):
    """Whether a density is positive at the point, for it lies between the ends of the support."""
    if np.ndim(point) or getattr(model, "discrete", hasattr(getattr(model, "dist", None), "pmf")):
        return False
    low, high = model.support if isinstance(model, Distribution) else model.support()
    return bool(low < point < high)


def held_out(fit: Any, x_new: ArrayLike) -> HeldOut:
    r"""Average log-likelihood of new observations, :math:`\frac1m\sum_j\log p_{\hat\theta}(x_j)`, with its error.

    It estimates :math:`-\mathrm{H}(p) - \mathrm{KL}(p\|p_{\hat\theta})` without bias; the same average over the data of
    the fit is too large.

    Parameters
    ----------
    fit : result of `companion.fitting.fit`, or one distribution
    x_new : array_like, shape (m, ...)
        At least 2 observations that the fit has not seen.

    Raises
    ------
    ValueError, TypeError
        If the fit is no such thing, or an observation is impossible under it: its average would be −∞.

    Examples
    --------
    >>> from companion.families import Normal
    >>> held_out(Normal(0, 1), [0.0, 1.0, -1.0])
    held out: 3 observations
      log-likelihood per observation: -1.2523 ± 0.1667 nats
    """
    where = "held_out"
    model = _member(where, "fit", fit)
    data = _observations(where, "x_new", x_new, model)
    logs = _log_prob(where, "fit", model, data, "x_new")
    in_sample = float(fit.log_likelihood) / fit.n if isinstance(fit, Fit) else None
    return HeldOut(float(logs.mean()), float(logs.std(ddof=1) / math.sqrt(len(logs))), len(logs), in_sample)


# --- which of two models is closer --------------------------------------------------------------------------------
def compare(f: Any, g: Any, x: ArrayLike) -> Comparison:
    r"""Which of two models is closer to what x was drawn from, and how sure is that?

    .. math:: \mathrm{KL}(p\|g) - \mathrm{KL}(p\|f) = \mathrm{E}_p\Big[\log\frac{f(x)}{g(x)}\Big]
              \approx \frac1n\sum_i\big(\log f(x_i) - \log g(x_i)\big)

    The entropy of p is in both divergences and cancels. Of fits to this x, the average estimates the difference of the
    two *closest members*, and the same standard error holds to first order, as long as these two differ. A fit to other
    data counts as a given distribution: its member itself is compared, and x knows nothing of its parameters.

    Parameters
    ----------
    f, g : results of `companion.fitting.fit`, or single distributions
    x : array_like, shape (n, ...)
        Independent observations, at least 2: those of the fits, in any order, or new ones.

    Raises
    ------
    ValueError, TypeError
        If a model is no such thing, the two have no KL divergence between them, or an observation is impossible under
        one.

    References
    ----------
    Vuong (1989); Shi (2015) on overlapping models.

    Examples
    --------
    >>> from companion.families import Normal
    >>> x = Normal(0, 1).sample(1000, rng=0)
    >>> found = compare(Normal(0, 1), Normal(1, 1), x)
    >>> low, high = found.interval()
    >>> bool(low < 0.5 < high)      # KL(N(0, 1)‖N(1, 1)) − 0
    True
    """
    where = "compare"
    models = _member(where, "f", f), _member(where, "g", g)
    as_pair(where, *models)
    data = _observations(where, "x", x, models[0])
    terms = _log_prob(where, "f", models[0], data, "x") - _log_prob(where, "g", models[1], data, "x")
    error = float(terms.std(ddof=1) / math.sqrt(len(terms)))
    names = _names(models)
    free = _estimated(f, data), _estimated(g, data)
    if free == (0, 0):
        return Comparison(float(terms.mean()), error, len(terms), names=names)
    kind = relation(*(family_of(model, fit, k) for model, fit, k in zip(models, (f, g), free)))
    overlap = None if kind else _same_member((f, g), free, data, float(terms.var()) * len(terms))
    nested, singular = kind in ("nested", "singular"), kind == "singular"
    return Comparison(float(terms.mean()), error, len(terms), free, nested, overlap, names, singular)


def _estimated(fit, data):
    """How many parameters of a model were estimated from these observations."""
    return fit.free if isinstance(fit, Fit) and fit._has_seen(data) else 0


def _names(models):
    return tuple(m.dist.name if isinstance(m, FROZEN[0]) else type(m).__name__ for m in models)


def _same_member(fits, free, data, spread):
    r"""P-value of "the closest members of both families are one distribution": n times the variance of the log ratio is
    then :math:`\sum\lambda_i^2\chi^2_1`, here a gamma law of the same mean and variance. Where a fit is at a
    kink or an edge each :math:`\lambda_i^2` is taken to be 1, the largest value if that distribution is p; nothing is
    estimated in a model that is given."""
    parts = [scores(fit, data) if k else (np.zeros((len(data), 0)), np.zeros((0, 0))) for fit, k in zip(fits, free)]
    if None in parts:
        return float(special.chdtrc(sum(free), spread))
    (s_f, j_f), (s_g, j_g) = parts
    both, k = np.hstack([s_f, s_g]), s_f.shape[1]
    size = np.sqrt(np.mean(both**2, axis=0)) + np.finfo(float).tiny
    both = both / size
    covariance, blocks = both.T @ both / len(data), np.zeros((len(size), len(size)))
    blocks[:k, :k] = -np.linalg.pinv(j_f / np.outer(size[:k], size[:k]))
    blocks[k:, k:] = np.linalg.pinv(j_g / np.outer(size[k:], size[k:]))
    squares = np.abs(np.linalg.eigvals(covariance @ blocks)) ** 2
    mean, variance = squares.sum(), 2 * (squares**2).sum()
    return float(special.gammaincc(mean**2 / variance, spread * mean / variance))
