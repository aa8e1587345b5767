"""One KL divergence by the textbook formula, as remainders, and exactly."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

from companion.families import Bernoulli, Normal, Poisson
from companion.numerics import TEXTBOOK, exact_kl, nearby, relative_error
from explorers.every import *

NAME = "cancellation"
SPOKEN = ()
SHOWN = {"exact": "4e", "d": "2e", "textbook": "4e", "textbookDigits": 1, "remainders": "4e", "remainderDigits": 1}
DRAGS = [(0, "x")]
PAIRS = (Bernoulli(0.3), Poisson(1.3), Normal(1.0, 3.0))
STATES = [
    {"family": family, "x": x} for family in range(3) for x in (-12, -10.05, -8, -7.45, -6, -4.15, -2, -0.45, -0.3, 0)
]


def numbers(family, x):
    p, d = PAIRS[family], distance(x)
    q = nearby(p, d)
    exact = exact_kl(p, q)
    lost = relative_error(textbook(p, q), exact)
    return {
        "d": d,
        "logExact": math.log10(exact),
        "textbookDigits": max(0.0, min(16.0, -math.log10(max(lost, 1e-16)))),
        "exact": float(exact),
        "textbook": textbook(p, q),
        "remainders": float(p.kl_divergence(q)),
    }


def distance(x):
    """Ten to the x in three digits, as the explorer reads it."""
    return float(f"{10 ** round(x, 2):.2e}")


def textbook(p, q):
    """The textbook formula in doubles, with logarithms rounded correctly."""
    log = lambda v: float(Decimal(v).ln())
    functions = SimpleNamespace(log=log, one=1, cell=lambda p, q: p * log(p / q))
    return TEXTBOOK[type(p).__name__](functions, *([float(m.parameter(n)) for n in m.parameter_names] for m in (p, q)))


def kl_by_fractions(family, x):
    """The KL as a sum of remainders φ, by a series in exact fractions."""

    def phi(t):
        z, total = t / (2 + t), Fraction(0)
        for k in range(1, 160, 2):
            total += z**k / k
        return t - 2 * total

    p = [Fraction(float(PAIRS[family].parameter(n))) for n in PAIRS[family].parameter_names]
    q = [Fraction(float(v) * (1 + distance(x))) for v in map(float, p)]
    if family == 0:
        d = q[0] - p[0]
        return p[0] * phi(d / p[0]) + (1 - p[0]) * phi(-d / (1 - p[0]))
    if family == 1:
        return p[0] * phi((q[0] - p[0]) / p[0])
    return (phi((p[1] ** 2 - q[1] ** 2) / q[1] ** 2) + ((p[0] - q[0]) / q[1]) ** 2) / 2


def by_hand(family, x):
    exact = kl_by_fractions(family, x)
    return {"exact": float(exact), "remainders": float(exact), "logExact": math.log10(exact)}


def test_cancellation_is_the_same_to_the_last_bit():
    """Its logarithms are rounded correctly, so that textbook formula and exact value do not depend on the engine."""
    for state in STATES:
        found, wanted = model(NAME, state), numbers(**state)
        assert (found["exact"], found["textbook"]) == (wanted["exact"], wanted["textbook"]), row["state"]
        assert found["remainders"] == pytest.approx(wanted["remainders"], rel=3e-15, abs=0)
        assert found["remainders"] >= 0 and found["remainderDigits"] > 14.5


def test_cancellation_errors_follow_the_law():
    """The textbook formula loses like u/d², the remainders lose nothing, and some textbook values are negative."""
    for family, size in enumerate((1.0, 1.3, 1.0)):
        rows = [model("cancellation", {"family": family, "x": x}) for x in np.arange(-240, 1, 3) / 20]
        kl_by_square = np.array([r["exact"] / r["d"] ** 2 for r in rows])
        noise = np.array([abs(r["textbook"] - r["exact"]) for r in rows])
        assert np.all(noise <= 8 * size * 2.0**-53) and np.all((kl_by_square > 0.1) & (kl_by_square < 1.3))
        assert max(r["left"] for r in rows) < 3e-15
        assert sum(r["textbookDigits"] < 1 for r in rows) > 20
    assert any(model("cancellation", {"family": 0, "x": x})["textbook"] < 0 for x in (-8, -9, -10))


def distance_of(state):
    return model("cancellation", state)["d"]


def test_button_that_goes_to_a_negative_kl():
    for family, key in enumerate(("bernoulli", "poisson", "normal")):
        state, note = act("cancellation", key, start("cancellation"))
        assert state == {"family": family, "x": -6} and note.startswith(key.capitalize())
        state, note = act("cancellation", "negative", state)
        rows = [model("cancellation", {"family": family, "x": k / 10}) for k in range(-120, 1)]
        negative = [row["d"] for row in rows if row["textbook"] < 0]
        assert bool(negative) == (key != "poisson")
        if negative:
            assert (
                state["family"] == family
                and distance_of(state) == max(negative)
                and note.startswith("The farthest of 121 distances")
            )
        else:
            assert (state, "At none of 121 distances") == (
                act("cancellation", "negative", start("cancellation"))[0],
                note[:24],
            )
