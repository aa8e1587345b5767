"""Typical sequences of throws of a coin: their number and their probability, in whole numbers."""

from __future__ import annotations

import math
from fractions import Fraction

from scipy import special, stats

import companion
from companion.sampling import typical_set
from explorers.every import *

NAME = "typical-set"
SPOKEN = ("probability",)
SHOWN = {"probability": 4, "digits": 2, "likely": 4, "entropy": 4, "rate": 4, "all": 2}
DRAGS = [(0, "p")]
STATES = [
    {"p": p, "n": n, "epsilon": epsilon}
    for p, n, epsilon in (
        (0.3, 200, 0.1),
        (0.3, 20, 0.1),
        (0.3, 2000, 0.02),
        (0.5, 100, 0.01),
        (0.05, 60, 0.3),
        (0.95, 1230, 0.045),
        (0.72, 10, 0.2),
        (0.11, 500, 0.05),
    )
]


def numbers(**state):
    found = typical_set(state["p"], state["n"], state["epsilon"])
    p = [state["p"], 1 - state["p"]]
    return {
        "entropy": float(companion.entropy(p)),
        "likely": -math.log(max(p)),
        "probability": found.probability,
        "digits": found.log_size / math.log(10),
        "all": state["n"] * math.log10(2),
        "rate": found.log_size / state["n"],
        "fewest": found.fewest,
        "most": found.most,
    }


def by_hand(**state):
    p, n = state["p"], state["n"]
    surprise = [-(k * math.log(p) + (n - k) * math.log(1 - p)) / n for k in range(n + 1)]
    entropy = stats.bernoulli(p).entropy()
    typical = [k for k, s in enumerate(surprise) if abs(s - entropy) <= state["epsilon"]]
    if p == 0.5:
        typical = range(n + 1)
    heads, throws = Fraction(p).as_integer_ratio()  # whole numbers: a sum of fractions looks for divisors
    chance = Fraction(sum(math.comb(n, k) * heads**k * (throws - heads) ** (n - k) for k in typical), throws**n)
    log_size = special.logsumexp([math.log(math.comb(n, k)) for k in typical])
    return {"probability": float(chance), "digits": log_size / math.log(10), "rate": log_size / n}


def test_no_sequence_may_be_typical():
    numbers = model(NAME, {"p": 0.3, "n": 16, "epsilon": 0.001})
    assert numbers["digits"] is None and numbers["probability"] == 0
    drawn = view(NAME, {"p": 0.3, "n": 16, "epsilon": 0.001})
    assert "no sequence is typical" in drawn["status"]


def test_every_sequence_of_a_fair_coin_is_typical():
    state, note = act(NAME, "fair", start(NAME))
    numbers = model(NAME, state)
    assert numbers["probability"] == pytest.approx(1, abs=1e-12) and "all are typical" in note
    assert numbers["digits"] == pytest.approx(numbers["all"], abs=1e-9)


def test_the_most_probable_sequence_is_not_typical_of_a_long_run():
    state, _ = act(NAME, "longer", start(NAME))
    numbers = model(NAME, state)
    assert state["n"] == 2000 and numbers["fewest"] > 0
    assert numbers["entropy"] - numbers["likely"] > state["epsilon"]
