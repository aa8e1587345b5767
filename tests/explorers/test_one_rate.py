"""The residual of one rate: a Poisson distribution on the horse kicks, its mean and that of the data."""

from __future__ import annotations

from scipy import stats

import companion
from companion.families import Poisson
from companion.lesson.datasets import horse_kicks
from companion.residuals import residual
from explorers.every import *

NAME = "one-rate"
SPOKEN = ("loglik",)
SHOWN = {"data": 2, "model": 2, "residual": 3, "slope": 3, "loglik": 4}
DRAGS = [(0, "lambda")]
STATES = [{"lambda": rate} for rate in (0.1, 0.3, 0.5, 0.61, 0.8, 1.2, 1.9, 2.5, 3.0)]


def numbers(**state):
    rate = state["lambda"]
    table, q = horse_kicks(), Poisson(rate)
    slope = float(residual(q, table.values, table.frequencies)[0])
    loglik = float(companion.log_likelihood(q, table.values, weights=table.frequencies)) / table.n
    return {"data": float(table.mean), "model": rate, "residual": slope, "slope": slope, "loglik": loglik}


def by_hand(**state):
    rate = state["lambda"]
    x, h = np.repeat([0, 1, 2, 3, 4], [109, 65, 22, 3, 1]), 1e-3
    at = lambda k: np.mean(stats.poisson.logpmf(x, rate * np.exp(k * h)))
    slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    return {"data": x.mean(), "residual": x.mean() - rate, "slope": slope, "loglik": at(0)}


def test_every_step_climbs_and_the_way_ends_at_the_mean_of_the_data():
    for rate in np.linspace(0.1, 3, 30):
        state, path = {"lambda": rate, "trail": []}, [model(NAME, {"lambda": rate})["loglik"]]
        for _ in range(30):
            state, note = act(NAME, "step", state)
            assert 0.1 <= state["lambda"] <= 3 and note
            path.append(model(NAME, state)["loglik"])
        assert np.all(np.diff(path) >= -1e-15) and state["lambda"] == pytest.approx(0.61, abs=1e-3)
    once, _ = act(NAME, "step", {"lambda": 1.2, "trail": []})
    assert np.log(once["lambda"]) == pytest.approx(np.log(1.2) + (0.61 - 1.2) / 2) and once["trail"] == [1.2]
    many, _ = act(NAME, "run", {"lambda": 1.2, "trail": []})
    assert len(many["trail"]) == 10 and many["trail"][1] == pytest.approx(once["lambda"])
    best, note = act(NAME, "best", many)
    assert best["lambda"] == pytest.approx(0.61) and note.endswith("maximum likelihood.")
    assert act(NAME, "step", best)[0] == best
