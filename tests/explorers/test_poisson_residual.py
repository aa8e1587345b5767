"""The residual with one parameter: a Poisson distribution on the horse kicks."""

from __future__ import annotations

from every import *
from scipy import optimize, stats

import companion
from companion.families import Poisson
from companion.lesson.datasets import horse_kicks

NAME = "poisson-residual"
SPOKEN = ("residual", "loglik", "kl")
SHOWN = {"model": 4, "data": 4, "residual": 4, "loglik": 4, "kl": 4}
DRAGS = [(0, "eta")]
STATES = [{"eta": eta} for eta in (-2.5, -2, -1.35, -0.8, float(np.log(0.61)), -0.1, 0, 0.4, 0.7)]


def numbers(eta):
    table, q = horse_kicks(), Poisson(np.exp(eta))
    loglik = float(companion.log_likelihood(q, table.values, weights=table.frequencies)) / table.n
    return {
        "model": float(q.mean()),
        "data": table.mean,
        "residual": table.mean - float(q.mean()),
        "loglik": loglik,
        "kl": float(companion.kl_divergence(Poisson(table.mean), q)),
    }


def by_hand(eta):
    x = np.repeat([0, 1, 2, 3, 4], [109, 65, 22, 3, 1])
    loglik = lambda e: np.mean(stats.poisson.logpmf(x, np.exp(e)))
    k = np.arange(40)
    best, here = stats.poisson.logpmf(k, x.mean()), stats.poisson.logpmf(k, np.exp(eta))
    slope = (loglik(eta + 1e-4) - loglik(eta - 1e-4)) / 2e-4
    assert np.mean(x) - np.exp(eta) == pytest.approx(slope, abs=1e-7), "the residual is the slope"
    return {"loglik": loglik(eta), "kl": np.exp(best) @ (best - here)}


def test_steps_climb_and_end_at_the_mean_of_the_data():
    rate = explorer.run('Explorer.get("poisson-residual").rate')
    for eta in np.linspace(-2.5, 0.7, 33):
        state = {"eta": eta, "trail": []}
        after, _ = act(NAME, "step", state)
        assert after["eta"] == pytest.approx(eta + rate * numbers(eta)["residual"], rel=1e-12) and after["trail"] == [
            eta
        ]
        assert model(NAME, after)["loglik"] >= model(NAME, state)["loglik"]
        end, _ = act(NAME, "run", state)
        assert end["eta"] == pytest.approx(np.log(0.61), abs=1e-5)
    found = optimize.minimize_scalar(lambda e: -model(NAME, {"eta": e})["loglik"], bounds=(-2.5, 0.7), method="bounded")
    assert act(NAME, "best", start(NAME))[0]["eta"] == pytest.approx(found.x, abs=1e-5)
