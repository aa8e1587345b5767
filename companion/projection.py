r"""Two models of one data set: the closest member of a family, and which of two fitted models is closer.

The module of the chapter *Two wrong models*. A family that does not contain p has a member at the least KL divergence
from it, its **projection**: `project`. Maximum likelihood finds it from samples. How far p is from a model no
log-likelihood tells, but which of two models is closer it does, with an error: `compare`. How good a fitted model is on
data that it has not seen: `held_out`.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from companion import checks
from companion.families import Categorical, Distribution, ExponentialFamily, Mixture, from_scipy
from companion.integrals import quadrature
from companion.measures import FROZEN, as_pair, kl_divergence

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
    >>> from companion.families import Normal, Poisson
    >>> found = project([0.5, 0.25, 0.25], Poisson)
    >>> found.model, round(found.kl, 6)
    (Poisson(rate=0.75), 0.099216)
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
    if family is Categorical:  # all distributions on 0, …, K−1: p is its own projection
        p = as_pair(where, p, p)[0]
        start = p if isinstance(p, Categorical) else Categorical(p)
    else:
        start = family._example(**fixed)
    p = as_pair(where, p, start)[0]
    for argument, shape in (("p", getattr(p, "batch_shape", ())), ("fixed parameters", start.batch_shape)):
        if shape:
            checks.fail(where, f"shape of {argument}", shape, "one distribution, shape ()", "Pass them one by one.")
    if not np.isfinite(kl_divergence(p, start)):
        fix = "From it every KL divergence to the family is infinite: choose one that is possible wherever p is."
        checks.fail(where, "p", p, f"a distribution on {start.describe_support()} with finite means of u", fix)
    mean = _mean_statistic(p, start)
    model = family.from_mean_parameters(mean, **fixed)
    residual = _mean_statistic(model, start) - mean
    excess = 0.5 * float(residual @ np.linalg.lstsq(model.fisher_information(), residual, rcond=None)[0])
    return Projection(model, float(kl_divergence(p, model)), residual, max(0.0, excess))


def _mean_statistic(p, member):
    """E_p[u], entry by entry: an exact sum or quadrature."""
    k = member.natural_parameters().size
    return np.array([quadrature.expectation(p, lambda x, i=i: member._statistic(x)[..., i]).value for i in range(k)])


# --- a fitted model and data --------------------------------------------------------------------------------------
class _Average:
    """What an average over observations and its standard error give: an interval."""

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        r"""Normal interval :math:`\bar t \pm z\,s/\sqrt n` at this level, from below 1 down to above 0."""
        fix = "Pass the probability that the interval covers, e.g. 0.95."
        where = f"{type(self).__name__}.interval"
        level = checks.scalar(where, "level", level, fix)
        if not 0 < level < 1:
            checks.fail(where, "level", level, "a number between 0 and 1, neither of them", fix)
        centre, error = self._centre()
        z = float(special.ndtri(0.5 + level / 2))
        return centre - z * error, centre + z * error

    def _repr_html_(self) -> str:
        """The lines of the repr as a table for notebooks."""
        title, rows = self._lines()
        cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
        return f"<table><caption>{html.escape(title)}</caption><tbody>{cells}</tbody></table>"

    def __repr__(self) -> str:
        title, rows = self._lines()
        return "\n".join([title, *(f"  {name}: {value}" for name, value in rows)])


def _member(where, argument, fit):
    """The distribution of a fit or of a frozen scipy distribution: one of ours, or scipy's own."""
    model = fit if isinstance(fit, (Distribution, *FROZEN)) else getattr(fit, "model", None)
    model = (from_scipy(model) or model) if isinstance(model, FROZEN) else model
    if not isinstance(model, (Distribution, *FROZEN)):
        fix = "Pass fit(Normal, x), Normal(0, 1) or stats.norm(0, 1)."
        checks.fail(where, argument, fit, "a fitted model or one distribution", fix, TypeError)
    shape = getattr(model, "batch_shape", ())
    if shape:
        checks.fail(where, f"shape of the batch {argument}", shape, "one distribution, shape ()", "Pass one member.")
    return model


def _observations(where, argument, x, model):
    data, _ = checks.sample(where, x, None, getattr(model, "event_ndim", 0), "Pass the observations.")
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
        fix = "That model's KL divergence from the data is infinite." if logs[place] < 0 else "Its density is infinite."
        expected = f"an observation of positive, finite density under {argument}"
        checks.fail(where, f"{name}[{place}]", data[place], expected, fix)
    return logs


def _free(fit):
    """Names of the parameters that were estimated; None of a distribution that is given as it is."""
    if isinstance(fit, (Distribution, *FROZEN)):
        return None
    return tuple(fit.parameters)


@dataclass(frozen=True, repr=False)
class HeldOut(_Average):
    r"""Average log-likelihood of a fitted model on new data, in nats an observation.

    ``mean`` and its ``standard_error`` :math:`s/\sqrt n`, the number ``n`` of new observations, and, of a fit,
    ``in_sample``, the average on the data of the fit (NaN-free: None of a plain distribution).
    """

    mean: float
    standard_error: float
    n: int
    in_sample: float | None

    @property
    def optimism(self) -> float | None:
        """How much better the data of the fit look: ``in_sample`` − ``mean``."""
        return None if self.in_sample is None else self.in_sample - self.mean

    def _centre(self):
        return self.mean, self.standard_error

    def _lines(self):
        rows = [("log-likelihood per observation", f"{self.mean:.4f} ± {self.standard_error:.4f} nats")]
        if self.in_sample is not None:
            rows.append(("on the data of the fit", f"{self.in_sample:.4f}"))
        return f"held out: {self.n:,} observations", rows


def held_out(fit: Any, x_new: ArrayLike) -> HeldOut:
    r"""Average log-likelihood of new observations, :math:`\frac1m\sum_j\log p_{\hat\theta}(x_j)`, with its standard error.

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
    in_sample = None if _free(fit) is None else float(fit.log_likelihood) / fit.n
    return HeldOut(float(logs.mean()), float(logs.std(ddof=1) / math.sqrt(len(logs))), len(logs), in_sample)


# --- which of two models is closer --------------------------------------------------------------------------------
class Vuong(NamedTuple):
    r"""The statistic :math:`\bar d/(s/\sqrt n)` and its two-sided p-value for "both are equally far from p"."""

    statistic: float
    p_value: float


class Wilks(NamedTuple):
    r"""Twice the log-likelihood ratio of nested fits, its degrees of freedom and its :math:`\chi^2` p-value for "the
    smaller family contains p"."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, repr=False)
class Comparison(_Average):
    r"""KL(p‖g) − KL(p‖f) estimated from data: positive if f is the closer one.

    ``difference`` is the average of :math:`\log f(x_i) - \log g(x_i)` in nats an observation, ``standard_error`` its
    :math:`s/\sqrt n`, ``n`` the number of observations. ``free`` has the numbers of parameters that were estimated in f
    and in g, or is None of two given distributions. ``nested`` says whether one fitted family is known to be part of the
    other; ``overlap`` is the p-value of "the closest members of the two are one distribution", None where it was not
    tested. In both cases the normal law of the statistic does not hold, and ``warnings`` say so.
    """

    difference: float
    standard_error: float
    n: int
    free: tuple[int, int] | None = None
    nested: bool = False
    overlap: float | None = None
    names: tuple[str, str] = ("f", "g")

    @property
    def vuong(self) -> Vuong:
        """Vuong's test for models that are strictly non-nested, without a correction for their parameters."""
        if self.standard_error == 0:
            statistic = math.copysign(math.inf, self.difference) if self.difference else 0.0
        else:
            statistic = self.difference / self.standard_error
        return Vuong(statistic, float(2 * special.ndtr(-abs(statistic))))

    @property
    def corrected(self) -> float:
        r"""``difference`` less :math:`(k_f - k_g)/n`, what the additional parameters gain by themselves (Akaike)."""
        return self.difference if self.free is None else self.difference - (self.free[0] - self.free[1]) / self.n

    @property
    def wilks(self) -> Wilks | None:
        """The likelihood-ratio test of nested fits; None of others. Not for a smaller family at the larger one's edge,
        as Poisson counts are at that of the negative binomial ones: there its p-value is too large."""
        if not self.nested or self.free is None:
            return None
        k = self.free[0] - self.free[1]
        statistic = 2 * self.n * math.copysign(self.difference, self.difference * (k or 1)) if self.difference else 0.0
        return Wilks(statistic, abs(k), float(special.chdtrc(abs(k), max(0.0, statistic))))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the interval and the test may not hold, in words."""
        found = []
        if self.nested:
            found.append("nested families: use wilks; the interval and vuong do not hold if the smaller contains p")
        elif self.standard_error == 0:
            found.append("the two models give every observation the same ratio: they are one distribution, or x is")
        elif self.overlap is not None and self.overlap > 0.05:
            found.append(
                f"the closest members may be one distribution (p = {self.overlap:.2f}): then the interval and vuong fail"
            )
        return tuple(found)

    def _centre(self):
        return self.difference, self.standard_error

    def _lines(self):
        low, high = self.interval()
        closer = self.names[0] if self.difference >= 0 else self.names[1]
        rows = [
            ("KL(p‖g) − KL(p‖f)", f"{self.difference:.4f} ± {self.standard_error:.4f} nats an observation"),
            ("95 % interval", f"{low:.4f} to {high:.4f}"),
            ("Vuong", f"z = {self.vuong.statistic:.2f}, p = {self.vuong.p_value:.3f}"),
            *(("warning", text) for text in self.warnings),
        ]
        title = f"f = {self.names[0]}, g = {self.names[1]}, {self.n:,} observations: {closer} looks closer"
        return title, rows


#: (smaller, larger) families whose fits are nested, by their names here and in scipy.stats.
_NESTED = {
    ("Exponential", "Gamma"),
    ("expon", "gamma"),
    ("expon", "weibull_min"),
    ("gamma", "gengamma"),
    ("weibull_min", "gengamma"),
    ("expon", "gengamma"),
    ("norm", "skewnorm"),
}


def compare(f: Any, g: Any, x: ArrayLike) -> Comparison:
    r"""Which of two models is closer to what x was drawn from, and how sure is that?

    .. math:: \mathrm{KL}(p\|g) - \mathrm{KL}(p\|f) = \mathrm{E}_p\Big[\log\frac{f(x)}{g(x)}\Big]
              \approx \frac1n\sum_i\big(\log f(x_i) - \log g(x_i)\big)

    The entropy of p is in both divergences and cancels. Of fits to the same x, the average estimates the difference of
    the two *closest members*, and the same standard error holds to first order, as long as these two differ.

    Parameters
    ----------
    f, g : results of `companion.fitting.fit`, or single distributions
    x : array_like, shape (n, ...)
        Independent observations, at least 2: those of the fits, or new ones, which compare the fitted members
        themselves.

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
    free = _free(f), _free(g)
    if free[0] is None or free[1] is None:
        return Comparison(float(terms.mean()), error, len(terms), names=names)
    nested = names[0] == names[1] or names in _NESTED or names[::-1] in _NESTED
    if names[0] == names[1] == "Mixture":
        nested = type(models[0].components) is type(models[1].components)
    overlap = None if nested else _same_member(f, g, data, float(terms.var()) * len(terms))
    return Comparison(float(terms.mean()), error, len(terms), (len(free[0]), len(free[1])), nested, overlap, names)


def _names(models):
    return tuple(m.dist.name if isinstance(m, FROZEN[0]) else type(m).__name__ for m in models)


def _same_member(f, g, data, spread):
    r"""P-value of "the closest members of both families are one distribution": then n times the variance of the log
    ratio is :math:`\sum\lambda_i^2\chi^2_1`, here a gamma law of the same mean and variance."""
    (s_f, j_f), (s_g, j_g) = (_scores(fit, data) for fit in (f, g))
    k, scores = s_f.shape[1], np.hstack([s_f, s_g])
    size = np.sqrt(np.mean(scores**2, axis=0)) + np.finfo(float).tiny
    scores = scores / size
    covariance = scores.T @ scores / len(data)
    blocks = np.zeros_like(covariance)
    blocks[:k, :k] = -np.linalg.pinv(j_f / np.outer(size[:k], size[:k]))
    blocks[k:, k:] = np.linalg.pinv(j_g / np.outer(size[k:], size[k:]))
    squares = np.abs(np.linalg.eigvals(covariance @ blocks)) ** 2
    mean, variance = squares.sum(), 2 * (squares**2).sum()
    return float(special.gammaincc(mean**2 / variance, spread * mean / variance))


def _scores(fit, data):
    """Scores (n, k) of the observations and the average information (k, k) of a fit, in coordinates of its own."""
    model = fit.model
    if isinstance(model, ExponentialFamily):
        return model._statistic(data) - model.mean_parameters(), model.fisher_information()
    raise NotImplementedError
