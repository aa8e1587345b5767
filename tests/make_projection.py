"""What intervals, optimism and tests are worth when the models are wrong: simulations for the chapter `projection`.

    nice python tests/make_projection.py [--runs 4000]

Stored in companion/lesson/data/projection.json, one list of rows for each table:

* ``coverage``: of 95 % intervals for the parameter of the closest member, by model-based and sandwich standard errors,
  by parametric and by nonparametric bootstrap (percentiles of 400 resamples);
* ``optimism``: log-likelihood in the sample less its expectation for new data of the same size, beside the number of
  parameters and the trace of J⁻¹K, with its standard error;
* ``comparison``: of the interval for the difference of two KL divergences, and how often Vuong's test at 5 % finds a
  difference, where both models are equally far from the truth and where they are not;
* ``overlap``: how often it does where the closest members of the two families are one distribution;
* ``odds``: how often the likelihood ratio of two fits exceeds 1,000 to 1 where both are equally far.

The fits are closed forms written here with NumPy, the truths exact sums, moments or SciPy's quadrature: nothing of the
package is used.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import integrate, optimize, stats
from scipy.special import digamma, gammaln, polygamma

TARGET = Path(__file__).resolve().parent.parent / "companion" / "lesson" / "data" / "projection.json"
RESAMPLES = 400
Z = stats.norm.ppf(0.975)
MAY = 172 / 262  # mean of the Federalist counts


def counts(mean, r):
    """Negative binomial counts of this mean and shape."""
    return lambda size, rng: rng.poisson(rng.gamma(r, mean / r, size=size)).astype(float)


# --- coverage -----------------------------------------------------------------------------------------------------
# model: name, estimate from a sample along the last axis, model-based and sandwich standard errors, and parametric
# redraws of the estimate.
def poisson_rate(x):
    n, rate = x.shape[-1], x.mean(axis=-1)
    return rate, np.sqrt(rate / n), x.std(axis=-1) / np.sqrt(n)


def exponential_mean(x):
    n, mean = x.shape[-1], x.mean(axis=-1)
    return mean, mean / np.sqrt(n), x.std(axis=-1) / np.sqrt(n)


def normal_sd(x):
    n, centred = x.shape[-1], x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1)
    spread = (centred**2).std(axis=-1)  # of the squares: the score is ((x − m)² / s² − 1) / s
    return np.sqrt(variance), np.sqrt(variance / (2 * n)), spread / (2 * np.sqrt(variance * n))


def redraw(model, estimate, n, rng):
    """The estimate from RESAMPLES samples of the fitted member, by the law of its sufficient statistic."""
    if model is poisson_rate:
        return rng.poisson(n * estimate, size=RESAMPLES) / n
    if model is exponential_mean:
        return estimate * rng.gamma(n, size=RESAMPLES) / n
    return estimate * np.sqrt(rng.chisquare(n - 1, size=RESAMPLES) / n)


COVERAGE = (  # name, model, its parameter at the closest member, draws of the truth
    ("Poisson rate", "Poisson", poisson_rate, 2.0, lambda s, rng: rng.poisson(2.0, size=s).astype(float)),
    ("Poisson rate", "counts of variance 1.6 means", poisson_rate, MAY, counts(MAY, 1.2)),
    ("Poisson rate", "counts of variance 3 means", poisson_rate, 2.0, counts(2.0, 1.0)),
    ("exponential mean", "gamma, shape 4", exponential_mean, 4.0, lambda s, rng: rng.gamma(4.0, size=s)),
    ("normal sd", "Laplace", normal_sd, np.sqrt(2), lambda s, rng: rng.laplace(size=s)),
)


def coverage(runs):
    rows = []
    for number, (parameter, truth, model, best, draw) in enumerate(COVERAGE):
        for n in (50, 200, 1_000):
            rng = np.random.default_rng([number, n])
            x = draw((runs, n), rng)
            estimate, by_model, sandwich = model(x)
            row = {"parameter": parameter, "data": truth, "n": n, "runs": runs}
            row["model-based"] = np.mean(np.abs(estimate - best) <= Z * by_model)
            row["sandwich"] = np.mean(np.abs(estimate - best) <= Z * sandwich)
            for name in ("parametric", "nonparametric"):
                inside = 0
                for sample, value in zip(x, estimate):
                    if name == "parametric":
                        again = redraw(model, value, n, rng)
                    else:
                        again = model(sample[rng.integers(n, size=(RESAMPLES, n))])[0]
                    low, high = np.quantile(again, (0.025, 0.975))
                    inside += low <= best <= high
                row[name] = inside / runs
            rows.append(row)
            print(row, flush=True)
    return rows


# --- optimism -----------------------------------------------------------------------------------------------------
def gamma_fit(mean_log, mean):
    """Shape and rate of the gamma distributions with these means of log x and x, by Newton's method on log shape."""
    gap = np.log(mean) - mean_log
    shape = (3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(30):
        f, slope = np.log(shape) - digamma(shape) - gap, 1 / shape - polygamma(1, shape)
        shape = shape * np.exp(-f / (shape * slope))
    return shape, shape / mean


# A model gives, for means of its statistic u along the last axis, the fitted log-likelihood as a function of other
# means: log p = Σ c_j E[u_j] + c_0 (terms that do not depend on the parameter left out).
def normal_terms(u):
    m, v = u[..., 0], u[..., 1] - u[..., 0] ** 2
    return np.stack([m / v, -0.5 / v], -1), -0.5 * np.log(v) - m**2 / (2 * v)


def poisson_terms(u):
    return np.log(u), -u[..., 0]


def exponential_terms(u):
    return -1 / u, -np.log(u[..., 0])


def gamma_terms(u):
    a, b = gamma_fit(u[..., 0], u[..., 1])
    return np.stack([a - 1, -b], -1), a * np.log(b) - gammaln(a)


def powers(x):
    return np.stack([x, x**2], -1)


def plain(x):
    return x[..., None]


def logs(x):
    return np.stack([np.log(x), x], -1)


LAPLACE = np.array([0.0, 2.0])
OPTIMISM = (  # model, data, terms, statistic, its mean under the truth, parameters, trace of J⁻¹K, draws
    ("normal", "normal", normal_terms, powers, [0.0, 1.0], 2, 2.0, lambda s, rng: rng.normal(size=s)),
    ("normal", "Laplace", normal_terms, powers, LAPLACE, 2, 1 + (6 - 1) / 2, lambda s, rng: rng.laplace(size=s)),
    ("gamma", "gamma, shape 2", gamma_terms, logs, [digamma(2.0), 2.0], 2, 2.0, lambda s, rng: rng.gamma(2.0, size=s)),
    ("Poisson", "counts of variance 3 means", poisson_terms, plain, [2.0], 1, 3.0, counts(2.0, 1.0)),
    ("exponential", "gamma, shape 4", exponential_terms, plain, [4.0], 1, 0.25, lambda s, rng: rng.gamma(4.0, size=s)),
)


def optimism(runs, n=1_000):
    rows = []
    for number, (model, truth, terms, statistic, mean, k, trace, draw) in enumerate(OPTIMISM):
        rng, gaps = np.random.default_rng([20, number]), []
        best, _ = terms(np.asarray(mean, dtype=float))
        for _ in range(runs // 500):
            u = statistic(draw((500, n), rng)).mean(axis=-2)
            c, _ = terms(u)
            # n (log-likelihood in the sample − expected) at the fit, less the same at the closest member: its
            # expectation is zero, and most of the noise is in it
            gaps.append(n * ((c - best) * (u - mean)).sum(axis=-1))
        gaps = np.concatenate(gaps)
        row = {"model": model, "data": truth, "n": n, "runs": gaps.size, "parameters": k, "trace": trace}
        rows.append(row | {"optimism": gaps.mean(), "standard_error": gaps.std() / np.sqrt(gaps.size)})
        print(rows[-1], flush=True)
    return rows


# --- comparison ---------------------------------------------------------------------------------------------------
def geometric_against_poisson(x):
    """log g − log f of the two fits to counts (the same mean), for samples along the last axis."""
    mean = x.mean(axis=-1, keepdims=True)
    log_f = x * np.log(mean) - mean - gammaln(x + 1)
    return x * np.log(mean / (1 + mean)) - np.log1p(mean) - log_f


def counts_gap(r, mean=MAY):
    """KL(p‖Poisson*) − KL(p‖geometric*) for negative binomial p: exact, up to a tail below 1e-16."""
    k = np.arange(400.0)
    p = stats.nbinom.pmf(k, r, r / (r + mean))
    return float(p @ (stats.geom.logpmf(k + 1, 1 / (1 + mean)) - stats.poisson.logpmf(k, mean)))


def laplace_against_normal(x):
    """log g − log f, g Laplace and f normal, both fitted."""
    middle = np.median(x, axis=-1, keepdims=True)
    b = np.abs(x - middle).mean(axis=-1, keepdims=True)
    m, s = x.mean(axis=-1, keepdims=True), x.std(axis=-1, keepdims=True)
    return -np.abs(x - middle) / b - np.log(2 * b) + 0.5 * ((x - m) / s) ** 2 + np.log(s * np.sqrt(2 * np.pi))


def power_law(beta):
    """Density ∝ exp(−|x|^β): normal for β = 2, Laplace for β = 1, neither in between."""
    return stats.gennorm(beta)


def line_gap(beta):
    p = power_law(beta)
    b = 2 * integrate.quad(lambda x: x * p.pdf(x), 0, np.inf)[0]
    return float(0.5 * np.log(2 * np.pi * p.var()) + 0.5 - np.log(2 * b) - 1)


def comparison(runs):
    tie_r = optimize.brentq(counts_gap, 1.0, 50.0)
    tie_beta = optimize.brentq(line_gap, 1.0, 2.0)
    cases = [
        ("geometric against Poisson", f"negative binomial, r = {r:.2f}", counts(MAY, r), counts_gap(r), n)
        for r in (tie_r, 1.2)
        for n in (262, 2_000)
    ]
    cases += [
        ("Laplace against normal", f"exp(−|x|^{b:.2f})", lambda s, rng, b=b: power_law(b).rvs(s, rng), line_gap(b), n)
        for b in (tie_beta, 1.2)
        for n in (262, 2_000)
    ]
    rows, odds = [], []
    for number, (pair, truth, draw, gap, n) in enumerate(cases):
        gap = 0.0 if abs(gap) < 1e-12 else gap
        ratio = geometric_against_poisson if pair.startswith("geo") else laplace_against_normal
        terms = ratio(draw((runs, n), np.random.default_rng([30, number])))
        value, error = terms.mean(axis=-1), terms.std(axis=-1, ddof=1) / np.sqrt(n)
        row = {"pair": pair, "data": truth, "n": n, "runs": runs, "difference": gap, "mean": value.mean()}
        row |= {"coverage": np.mean(np.abs(value - gap) <= Z * error), "found": np.mean(np.abs(value) > Z * error)}
        rows.append(row)
        if gap == 0:
            large = np.abs(n * value)
            odds.append({"pair": pair, "n": n, "runs": runs, "over 1000": np.mean(large > np.log(1000))})
        print(rows[-1], *odds[-1:], flush=True)
    return rows, odds


def overlap(runs, n=200):
    """Means free in the first a of a + b coordinates, or in the last b; the truth is N(0, I), in both families."""
    rows = []
    for a, b in ((1, 1), (5, 1), (20, 1)):
        rng, found, corrected = np.random.default_rng([40, a]), [], []
        for _ in range(runs):
            x = rng.normal(size=(n, a + b))
            m = x.mean(axis=0)
            gain = x * m - m**2 / 2
            terms = gain[:, :a].sum(axis=1) - gain[:, a:].sum(axis=1)
            error = terms.std(ddof=1) * np.sqrt(n)
            found.append(abs(terms.sum()) > Z * error)
            corrected.append(abs(terms.sum() - (a - b)) > Z * error)
        rows.append({"free in f": a, "free in g": b, "n": n, "runs": runs, "found": np.mean(found)})
        rows[-1]["corrected"] = np.mean(corrected)
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4_000)
    runs = parser.parse_args().runs
    found, odds = comparison(runs)
    stored = {"comparison": found, "odds": odds, "overlap": overlap(runs)}
    stored |= {"optimism": optimism(5 * runs), "coverage": coverage(runs)}
    shown = {name: [{k: _plain(v) for k, v in row.items()} for row in rows] for name, rows in stored.items()}
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"
        for name, rows in shown.items()
    ]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _plain(value):
    """Plain numbers of five digits."""
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.5g}")
    return value


if __name__ == "__main__":
    main()
