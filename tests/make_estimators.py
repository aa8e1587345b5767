"""Bias, standard deviation and coverage of the estimators of KL from samples, against known truths.

    nice python tests/make_estimators.py [--seconds 3000]

For each pair, each n and each estimator it draws two samples of size n again and again, and stores in
companion/lesson/data/estimators.json the truth, how many runs there were, the mean error (bias), the standard
deviation, the root mean square of the stated standard errors, the share of runs with |error| ≤ 2 stated errors
(coverage), the share with a warning, and the median CPU time. Pairs and sizes take turns in rounds until each has its
runs or the time is over; run it again to go on. The truths are closed forms or quadratures written here, not the
package's.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from scipy import integrate, stats  # noqa: E402

from companion import estimation  # noqa: E402
from companion.estimators import critics  # noqa: E402

TARGET = ROOT / "companion" / "lesson" / "data" / "estimators.json"
RUNS_FILE = ROOT / "_build" / "estimators-runs.json"
SIZES = (1_000, 10_000)
ROUND = 20
RUNS = 200


# --- pairs --------------------------------------------------------------------------------------------------------
def gaussian(d):
    """N(0, I) and a wider, shifted, correlated normal: samplers and KL in closed form."""
    cov = 1.3**2 * 0.3 ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    mean, inverse, root = np.full(d, 0.5 / np.sqrt(d)), np.linalg.inv(cov), np.linalg.cholesky(cov)
    kl = 0.5 * (np.trace(inverse) + mean @ inverse @ mean - d + np.linalg.slogdet(cov)[1])
    return lambda n, rng: rng.normal(size=(n, d)), lambda n, rng: mean + rng.normal(size=(n, d)) @ root.T, kl


def line(p, q, *breaks):
    """Two scipy distributions on the line; KL by adaptive quadrature between the breaks."""
    ends = [p.ppf(1e-15) if np.isinf(p.support()[0]) else p.support()[0], *breaks, p.isf(1e-15)]
    kl = sum(
        integrate.quad(lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)) if p.pdf(x) > 0 else 0.0, a, b, limit=400)[0]
        for a, b in itertools.pairwise(ends)
    )
    return (lambda n, rng: p.rvs(n, random_state=rng)[:, None], lambda n, rng: q.rvs(n, random_state=rng)[:, None], kl)


def two_humps(d):
    """Half N(−c, I), half N(c, I), c = (1.5, 1)[:d], and N(0, 4 I): KL by the trapezoidal rule."""
    c = np.array([1.5, 1.0])[:d]
    axis = np.arange(-12, 12, 0.05)
    grid = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1)
    normal = lambda m, s: stats.norm.logpdf(grid, m, s).sum(axis=-1)
    log_p = np.logaddexp(normal(c, 1), normal(-c, 1)) - np.log(2)
    kl = float(np.sum(np.exp(log_p) * (log_p - normal(0, 2)))) * 0.05**d

    def draw(n, rng):
        return rng.normal(size=(n, d)) + c * rng.choice([-1, 1], size=(n, 1))

    return draw, lambda n, rng: 2 * rng.normal(size=(n, d)), kl


def square():
    """Two independent Beta(2, 2), and the uniform distribution on the square: twice a KL on the line."""
    p = stats.beta(2, 2)
    kl = 2 * integrate.quad(lambda x: p.pdf(x) * p.logpdf(x), 0, 1)[0]
    return lambda n, rng: rng.beta(2, 2, size=(n, 2)), lambda n, rng: rng.random((n, 2)), kl


def pairs():
    """Name → dimension, sampler of p, sampler of q, KL(p‖q)."""
    return {f"normal, d = {d}": (d, *gaussian(d)) for d in (1, 2, 5, 10)} | {
        "exponential": (1, *line(stats.expon(), stats.expon(scale=2), 5.0)),
        "beta, uniform": (1, *line(stats.beta(2, 3), stats.uniform())),
        "normal, Laplace": (1, *line(stats.norm(), stats.laplace(), 0.0)),
        "Student t": (1, *line(stats.t(5), stats.t(3, loc=0.5), -20.0, -3.0, 0.0, 3.0, 20.0)),
        "Weibull, exponential": (1, *line(stats.weibull_min(1.5), stats.expon(), 0.5, 3.0)),
        "two humps": (1, *two_humps(1)),
        "two humps, d = 2": (2, *two_humps(2)),
        "square, d = 2": (2, *square()),
    }


# --- estimators ---------------------------------------------------------------------------------------------------
def variational(x, y, rng):
    """Both bounds from one critic: they train the same."""
    scores = critics._scores("nwj", x, y, rng, critics._exponential)
    return {"donsker_varadhan": critics._dv_value(*scores), "nwj": critics._nwj_value(scores[0], scores[1], scores[4])}


def groups(d, n):
    """Estimators timed together."""
    found = [
        lambda x, y, rng: {"knn_kl": estimation.knn_kl(x, y)},
        lambda x, y, rng: {"classifier_kl": estimation.classifier_kl(x, y, rng)},
        variational,
        lambda x, y, rng: {"kernel_kl": estimation.kernel_kl(x, y)},
    ]
    if d < 10 or n > 5_000:
        found.append(lambda x, y, rng: {"histogram_kl": histogram(x, y)})
    return found


def histogram(x, y):
    bins = None if x.shape[1] < 5 else 2 ** x.shape[1]
    return estimation.histogram_kl(x, y, bins)


# --- runs ---------------------------------------------------------------------------------------------------------
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3000.0)
    parser.add_argument("--runs", type=Path, default=RUNS_FILE, help="all single results")
    options = parser.parse_args()
    options.runs.parent.mkdir(exist_ok=True)
    runs = json.loads(options.runs.read_text()) if options.runs.exists() else {}
    started, table = time.perf_counter(), pairs()
    turns = range(2 * ROUND, RUNS + 1, ROUND)  # a first round of all, then the recommended one, then the others
    for most, chosen in [(ROUND, None), *((most, 0) for most in turns), *((most, None) for most in turns)]:
        for n in SIZES:
            for number, (name, (d, draw_p, draw_q, _)) in enumerate(table.items()):
                for group, call in enumerate(groups(d, n)):
                    key = f"{name}|{n}|{group}"
                    done = runs.setdefault(key, [])
                    for run in range(len(done), most if chosen in (None, group) else 0):
                        rng = np.random.default_rng([n, number, run])  # the same samples for all estimators
                        x, y = draw_p(n, rng), draw_q(n, rng)
                        before = time.process_time()
                        found = call(x, y, run)
                        seconds = time.process_time() - before
                        done.append(
                            {k: [e.value, e.standard_error, len(e.warnings), seconds] for k, e in found.items()}
                        )
                    if time.perf_counter() - started > options.seconds:
                        return finish(options.runs, runs, table)
                    options.runs.write_text(json.dumps(runs))
        finish(options.runs, runs, table)


def finish(path, runs, table):
    path.write_text(json.dumps(runs))
    rows = []
    for key, done in runs.items():
        name, n, _ = key.split("|")
        d, _, _, truth = table[name]
        for estimator in done[0] if done else ():
            value, error, warned, seconds = np.transpose([run[estimator] for run in done])
            if len(done) < 2 or not np.all(np.isfinite(value)):
                good = np.isfinite(value)
                print(name, n, estimator, f"{np.sum(~good)} infinite")
                value, error = value[good], error[good]
                if len(value) < 2:
                    continue
            rows.append(
                {
                    "pair": name,
                    "d": d,
                    "n": int(n),
                    "estimator": estimator,
                    "kl": round(truth, 6),
                    "runs": len(done),
                    "finite": len(value),
                    "bias": round(float(np.mean(value) - truth), 5),
                    "sd": round(float(np.std(value, ddof=1)), 5),
                    "stated": round(float(np.sqrt(np.mean(error**2))), 5),
                    "coverage": round(float(np.mean(np.abs(value - truth) <= 2 * error)), 4),
                    "warned": round(float(np.mean(np.asarray(warned) > 0)), 4),
                    "seconds": round(float(np.median(seconds)), 4),
                }
            )
    order = {name: i for i, name in enumerate(table)}
    rows.sort(key=lambda row: (order[row["pair"]], row["n"], row["estimator"]))
    lines = ",\n".join(" " + json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    TARGET.write_text("[\n" + lines + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
