"""Cross-entropy and KL to Poisson distributions, a constant apart."""

from __future__ import annotations

from scipy import optimize, stats

import companion
from companion.families import Poisson
from companion.lesson.datasets import horse_kicks
from explorers.every import *

NAME = "constant-gap"
SPOKEN = ("cross", "kl", "gap")
SHOWN = {"cross": 4, "kl": 4, "gap": 4, "slope": 3, "loglik": 2}
DRAGS = [(0, "lambda"), (1, "lambda")]
STATES = [{"lambda": rate} for rate in (0.1, 0.25, 0.5, 0.61, 0.8, 1.2, 1.55, 2.0)]
COUNTS = (109, 65, 22, 3, 1)


def numbers(**state):
    table = horse_kicks()
    q = Poisson(state["lambda"])
    return {
        "cross": float(companion.cross_entropy(table.probabilities, q)),
        "kl": float(companion.kl_divergence(table.probabilities, q)),
        "gap": float(companion.entropy(table.probabilities)),
        "loglik": float(companion.log_likelihood(q, table.values, weights=table.frequencies)),
    }


def by_hand(**state):
    counts = np.array(COUNTS)
    p, log_q = counts / counts.sum(), stats.poisson.logpmf(np.arange(5), state["lambda"])
    return {"cross": -p @ log_q, "kl": p @ (np.log(p) - log_q), "gap": stats.entropy(p), "loglik": counts @ log_q}


def test_gap_is_the_same_everywhere_and_slope_is_the_derivative():
    for rate in np.linspace(0.1, 2, 39):
        found = model("constant-gap", {"lambda": rate})
        assert found["cross"] - found["kl"] == pytest.approx(found["gap"], abs=1e-14)
        high, low = (model("constant-gap", {"lambda": rate + h}) for h in (1e-5, -1e-5))
        for key in ("cross", "kl"):
            assert (high[key] - low[key]) / 2e-5 == pytest.approx(found["slope"], abs=1e-7)


def test_best_rate():
    state, _ = act("constant-gap", "best", start("constant-gap"))
    best = model(NAME, state)
    assert best["slope"] == pytest.approx(0, abs=1e-15)
    table = horse_kicks()
    for key in ("cross", "kl"):
        found = optimize.minimize_scalar(
            lambda rate: model("constant-gap", {"lambda": rate})[key], bounds=(0.1, 2), method="bounded"
        )
        assert best[key] <= found.fun and best[key] == pytest.approx(found.fun, abs=1e-10)
    found = optimize.minimize_scalar(
        lambda rate: -table.frequencies @ stats.poisson.logpmf(table.values, rate),
        bounds=(0.1, 2),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert state["lambda"] == pytest.approx(found.x, abs=1e-6) == table.mean
    assert best["loglik"] == pytest.approx(-found.fun, abs=1e-9)


@pytest.mark.parametrize("rate", [0.1, 0.15, 0.61, 2.0])
def test_tangents_stay_in_their_panel(page, rate):
    page.evaluate(f"document.querySelector('explorer-{NAME}').go({{lambda: {rate}}})")
    settle(page)
    assert page.locator(f"explorer-{NAME} svg svg .tangent").count() == 2, "an inner svg cuts them off"
    overflow = page.evaluate(
        f"getComputedStyle(document.querySelector('explorer-{NAME} .explorer-figure svg svg')).overflow"
    )
    assert overflow == "hidden"


def test_status_is_throttled(page):
    page.evaluate("""window.spoken = 0; new MutationObserver(() => window.spoken++).observe(
        document.querySelector('explorer-constant-gap [role=status]'), {childList: true})""")
    page.locator("explorer-constant-gap input").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert 1 <= page.evaluate("window.spoken") <= 5
