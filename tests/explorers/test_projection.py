"""Two families on three outcomes, and the closest member of each."""

from __future__ import annotations

import itertools
import sys

from scipy import optimize, special

import companion
from companion.families import Binomial
from companion.projection import project
from explorers.every import *

NAME = "projection"
SPOKEN = ("kl_f", "kl_g", "difference", "error")
SHOWN = {"p": 3, "kl_f": 4, "kl_g": 4, "difference": 4, "error": 4}
DRAGS = []  # its handle is free: a test of its own
STATES = [
    {"mean": m, "ones": s} for m, s in itertools.product((0.1, 0.57, 1.0, 1.4, 1.9), (0.02, 0.3, 0.42, 0.7, 0.98))
]
N = 262


def truth(mean, ones):
    one = ones * min(mean, 2 - mean)
    return np.array([1 - (mean + one) / 2, one, (mean - one) / 2])


def geometric(q):
    return q ** np.arange(3) / (1 + q + q * q)


def numbers(mean, ones):
    p = truth(mean, ones)
    f = project(p, Binomial, n=2)
    q = optimize.brentq(lambda q: geometric(q) @ [0, 1, 2] - mean, 1e-9, 1e3, xtol=1e-15, rtol=1e-15)
    members = f.model.pdf(np.arange(3)), geometric(q)
    log_ratio = np.log(members[0] / members[1])
    difference = p @ log_ratio
    return {
        "p": p.tolist(),
        "f": members[0].tolist(),
        "g": members[1].tolist(),
        "kl_f": f.kl,
        "kl_g": float(companion.kl_divergence(p, members[1])),
        "difference": difference,
        "error": np.sqrt(p @ (log_ratio - difference) ** 2 / N),
    }


def by_hand(mean, ones):
    """The least KL found by a search over each family, without moments."""
    p = truth(mean, ones)

    def least(member):
        found = optimize.minimize_scalar(
            lambda t: special.rel_entr(p, member(t)).sum(), bounds=(-14, 14), method="bounded", options={"xatol": 1e-12}
        )
        return found.fun

    kl_f = least(lambda t: special.expit(t) ** np.arange(3) * special.expit(-t) ** np.arange(2, -1, -1) * [1, 2, 1])
    kl_g = least(lambda t: geometric(np.exp(t)))
    return {"p": p.tolist(), "kl_f": kl_f, "kl_g": kl_g, "difference": kl_g - kl_f}


@pytest.mark.parametrize("mean", [0.1, 0.57, 1.0, 1.6, 1.9])
def test_the_buttons_lead_where_they_say(mean):
    begin = {"mean": mean, "ones": 0.3}
    for key, zero in (("f", "kl_f"), ("g", "kl_g"), ("tie", "difference")):
        state, note = act(NAME, key, begin)
        found = model(NAME, state)
        assert abs(found[zero]) < 1e-12 and note
        assert state["mean"] == mean and 0.02 <= state["ones"] <= 0.98
        if key == "tie":
            assert found["kl_f"] == pytest.approx(found["kl_g"], abs=1e-12) and found["kl_f"] > 1e-4


def test_the_closest_members_stand_above_or_below_the_truth():
    drawn = "".join(view(NAME, start(NAME))["panels"])
    dots = re.findall(r'<circle class="dot (?:forward|reverse|model)" cx="([\d.]+)"', drawn)[:3]
    assert len(set(dots)) == 1


def test_drag_in_the_triangle(page):
    x, y = handle_at(page, NAME, 0)
    before = state_of(page, NAME)
    page.mouse.move(x + 2, y - 2)
    page.mouse.down()
    page.mouse.move(x + 42, y - 32, steps=5)
    page.mouse.up()
    settle(page)
    after = state_of(page, NAME)
    assert after["mean"] > before["mean"] + 0.1 and after["ones"] != before["ones"]
    assert handle_at(page, NAME, 0) == pytest.approx((x + 40, y - 30), abs=1.5)
    check_numbers(page, sys.modules[__name__])
    # far outside: both sliders stop at their ends
    x, y = handle_at(page, NAME, 0)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3000, y + 3000, steps=3)
    page.mouse.up()
    assert state_of(page, NAME) == {"mean": 1.9, "ones": 0.02}
