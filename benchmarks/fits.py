"""Maximum-likelihood fits: speed and result of scipy's `fit` against ours, on the same data.

scipy's default `fit` also estimates a location (and a scale) that the family does not have; `constrained` holds these
at the family's values, which is the same problem as ours. Discrete families go through `scipy.stats.fit`, which needs
bounds and searches at random. There is no fit of scipy's for categorical and Dirichlet data, nor for weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

import companion.families as families
from benchmarks.common import SEED, few_digits, interleaved, print_table

SIZES = (10_000, 1_000_000)


class Task(NamedTuple):
    """A member to sample from, arguments of our `fit`, and scipy's calls by name: data -> frozen distribution."""

    member: families.Distribution
    fixed: dict
    scipy: dict[str, Callable]


def _frozen(distribution, **constraints):
    return lambda x: distribution(*distribution.fit(x, **constraints))


def _bounded(distribution, bounds):
    """`scipy.stats.fit` with its defaults; a failure that it reports is one here."""

    def fit(x):
        result = stats.fit(distribution, x, bounds)
        if not result.success:
            raise RuntimeError(result.message)
        return distribution(*result.params)

    return fit


def _both(distribution, **constraints):
    return {"default": _frozen(distribution), "constrained": _frozen(distribution, **constraints)}


TASKS = [
    Task(families.Normal(1.0, 2.0), {}, {"default": _frozen(stats.norm)}),
    Task(families.LogNormal(1.0, 0.6), {}, _both(stats.lognorm, floc=0)),
    Task(families.Exponential(0.2), {}, _both(stats.expon, floc=0)),
    Task(families.Gamma(2.3, 0.7), {}, _both(stats.gamma, floc=0)),
    Task(families.Gamma(0.05, 3.0), {}, _both(stats.gamma, floc=0)),
    Task(families.Beta(2.0, 5.0), {}, _both(stats.beta, floc=0, fscale=1)),
    Task(families.Beta(0.7, 2.5), {}, _both(stats.beta, floc=0, fscale=1)),
    Task(families.Laplace(0.5, 2.0), {}, {"default": _frozen(stats.laplace)}),
    Task(families.VonMises(0.4, 2.0), {}, _both(stats.vonmises, fscale=1)),
    Task(families.VonMises(0.4, 1e12), {}, _both(stats.vonmises, fscale=1)),
    Task(families.InverseGaussian(1.5, 4.0), {}, _both(stats.invgauss, floc=0)),
    Task(families.Pareto(2.5, 1.5), {}, _both(stats.pareto, floc=0)),
    Task(families.Weibull(1.7, 2.0), {"k": 1.7}, _both(stats.weibull_min, f0=1.7, floc=0)),
    Task(
        families.MultivariateNormal([1.0, -1.0, 0.0], [[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.5]]),
        {},
        {"default": lambda x: stats.multivariate_normal(*stats.multivariate_normal.fit(x))},
    ),
    Task(families.Bernoulli(0.3), {}, {"constrained": _bounded(stats.bernoulli, {"p": (0, 1)})}),
    Task(families.Binomial(12, 0.3), {"n": 12}, {"constrained": _bounded(stats.binom, {"n": (12, 12), "p": (0, 1)})}),
    Task(families.Poisson(3.0), {}, {"constrained": _bounded(stats.poisson, {"mu": (0, 100)})}),
    Task(families.Geometric(0.3), {}, {"constrained": _bounded(stats.geom, {"p": (0, 1)})}),
    Task(
        families.NegativeBinomial(3, 0.4), {"r": 3}, {"constrained": _bounded(stats.nbinom, {"n": (3, 3), "p": (0, 1)})}
    ),
]


def log_likelihood(model, x):
    """Nats per observation, of a scipy distribution."""
    return float(np.mean(model.logpdf(x) if hasattr(model, "logpdf") else model.logpmf(x)))


def run(sizes=SIZES, seed=SEED):
    """One row for each member that the `data` are drawn from, size `n` and call of scipy's.

    `ours` and `scipy` are median CPU seconds of `runs` calls in turn, `ratio` = scipy / ours, `shortfall` the
    log-likelihood of our fit less that of scipy's, in nats per observation: above zero scipy stopped short of the
    maximum. The default fits have more parameters, so theirs may be below zero. `failure` is what scipy raised, else None.
    """
    rows = []
    for task in TASKS:
        family = type(task.member)
        for n in sizes:
            x = task.member.sample(n, np.random.default_rng(seed))
            ours = family.fit(x, **task.fixed)
            best = log_likelihood(ours.to_scipy(), x)
            models, failures = {}, {}
            calls = {"ours": lambda: family.fit(x, **task.fixed)}
            for kind, fit in task.scipy.items():

                def call(kind=kind, fit=fit):
                    try:
                        models[kind] = fit(x)
                    except Exception as error:
                        failures[kind] = f"{type(error).__name__}: {error}"

                calls[kind] = call
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds = interleaved(calls, repeats=5, budget=5.0)
                for kind in task.scipy:
                    median = {k: float(np.median(seconds[k])) for k in ("ours", kind)}
                    shortfall = best - log_likelihood(models[kind], x) if kind in models else None
                    rows.append(
                        {
                            "family": family.__name__,
                            "data": repr(task.member),
                            "n": n,
                            "scipy fit": kind,
                            "ours": few_digits(median["ours"]),
                            "scipy": few_digits(median[kind]),
                            "ratio": few_digits(median[kind] / median["ours"]),
                            "runs": len(seconds[kind]),
                            "shortfall": few_digits(shortfall),
                            "failure": failures.get(kind),
                        }
                    )
    return rows


def show(rows):
    shown = [row | {"data": row["data"][:45]} for row in rows]
    print_table(
        "Maximum-likelihood fits: seconds, and nats per observation that scipy's falls short of the maximum", shown
    )


if __name__ == "__main__":
    show(run())
