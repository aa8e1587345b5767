"""Separation: a logistic regression on ten points, one of which moves past the others."""

from __future__ import annotations

from scipy import optimize, special

from companion.families import Bernoulli
from explorers.every import *

NAME = "separation"
SPOKEN = ("loss", "floor")
SHOWN = {"slope": (2, lambda state, found: state["slope"]), "loss": 4, "objective": 4, "floor": 4, "gradient": 4}
DRAGS = [(0, "a"), (1, "slope")]
STATES = [
    {"a": a, "slope": slope, "lambda": penalty}
    for a, slope, penalty in itertools.product((1.0, 3.5, 5.0, 5.3, 9.0), (0.1, 1.3, 8.0, 30.0), (0.0, 0.02))
]
ZEROS, ONES = [1, 2, 3, 4, 5], [6, 7, 8, 9]


def points(a):
    """Places and labels of the ten points."""
    return np.array([*ZEROS, a, *ONES], float), np.repeat([0.0, 1.0], 5)


def located(b, x):
    """The best location at slope b: half of the points are expected to be ones; by logarithms of both sides."""

    def surplus(c):
        eta = b * (x - c)
        return special.logsumexp(special.log_expit(eta[:5])) - special.logsumexp(special.log_expit(-eta[5:]))

    return optimize.brentq(surplus, -500, 511, xtol=1e-14, rtol=1e-15)


def numbers(**state):
    (x, y), b, penalty = points(state["a"]), state["slope"], state["lambda"]
    c = located(b, x)
    q = Bernoulli.from_logits(b * (x - c))
    loss = float(-np.mean(q.log_prob(y)))
    # y − μ with the sign of its label: exact where μ is within rounding of y
    residual = np.where(y == 1, 1, -1) * Bernoulli.from_logits(np.where(y == 1, -1, 1) * b * (x - c)).mean()
    return {
        "c": c,
        "loss": loss,
        "objective": loss + penalty * b**2 / 2,
        "gradient": float(residual @ x / 10 - penalty * b),
    }


def by_hand(**state):
    (x, y), b, penalty = points(state["a"]), state["slope"], state["lambda"]
    objective = lambda b, c: np.mean(np.logaddexp(0, np.where(y == 1, -1, 1) * b * (x - c))) + penalty * b**2 / 2
    c = located(b, x)
    h = 1e-3 / (1 + b)
    slope = lambda c: (objective(b, c + h) - objective(b, c - h)) / (2 * h)
    assert abs(slope(c)) < 1e-7 * (1 + b)
    over = lambda k: objective(b + k * h, c)  # along the best locations and along one alike: the other slope is zero
    gradient = -(8 * (over(1) - over(-1)) - (over(2) - over(-2))) / (12 * h) - 0.0
    # the slope at a fixed location is that at a fixed intercept, since moving the location costs nothing here
    return {"loss": objective(b, c) - penalty * b**2 / 2, "objective": objective(b, c), "gradient": gradient}


@pytest.mark.parametrize("a", [1.0, 2.5, 3.5, 4.95])
@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_least_loss_of_labels_that_overlap(a, penalty):
    x, y = points(a)
    objective = lambda t: (
        np.mean(np.logaddexp(0, np.where(y == 1, -1, 1) * (t[0] + t[1] * x))) + penalty * t[1] ** 2 / 2
    )
    found = optimize.minimize(objective, [-3.0, 0.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15})
    shown = model(NAME, {"a": a, "slope": 1.0, "lambda": penalty, "trail": []})
    assert shown["finite"] and shown["floor"] == pytest.approx(found.fun, abs=1e-10)
    assert shown["at"] == pytest.approx(found.x[1], rel=1e-5)


def test_separated_labels_have_no_best_slope():
    for a, floor in ((5.05, 0.0), (9.0, 0.0), (5.0, 2 * np.log(2) / 10)):
        losses = [model(NAME, {"a": a, "slope": b, "lambda": 0.0, "trail": []}) for b in np.geomspace(0.1, 30, 40)]
        assert np.all(np.diff([found["loss"] for found in losses]) < 0)
        assert not losses[0]["finite"] and losses[0]["floor"] == pytest.approx(floor, abs=1e-15)
        assert all(found["loss"] > floor for found in losses)
    with_penalty = model(NAME, {"a": 6.0, "slope": 1.0, "lambda": 0.01, "trail": []})
    assert with_penalty["finite"] and with_penalty["floor"] > 0


def test_newton_steps_never_climb_and_divide_the_loss_by_e_where_labels_are_separated():
    state, losses = {"a": 6.0, "slope": 6.0, "lambda": 0.0, "trail": []}, []
    for _ in range(8):
        losses.append(model(NAME, state)["loss"])
        state, note = act(NAME, "newton", state)
        assert "Newton step" in note
    np.testing.assert_allclose(np.divide(losses[5:], losses[4:-1]), np.exp(-1), rtol=0.01)
    for start_at in STATES:
        state = start_at | {"trail": []}
        before = model(NAME, state)["objective"]
        after, note = act(NAME, "run", state)
        assert note and model(NAME, after)["objective"] <= before + 1e-15
        found = model(NAME, after)
        if found["finite"] and 0.1 < found["at"] < 30:
            assert after["slope"] == pytest.approx(found["at"], rel=1e-4)
        else:
            assert after["slope"] == pytest.approx(30) or found["finite"]


def test_the_button_separates():
    state, note = act(NAME, "separate", start(NAME))
    assert state["a"] == 6 and state["lambda"] == 0 and "past the last zero" in note
    end, note = act(NAME, "run", state)
    assert end["slope"] == 30 and "would go on" in note and act(NAME, "newton", end)[0] == end
