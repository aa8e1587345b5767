"""Sums and integrals made to break a quadrature: each is right within its stated error, or refused.

The table `data/adversarial.json` holds calls and their values to 25 digits; `make_adversarial.py` says where they come
from. What may be refused is listed here, so that a refusal that is not expected fails as well.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from blend import Blend
from scipy import stats

from companion import families
from companion.integrals import line, quadrature

TABLE = json.loads((Path(__file__).parent / "data" / "adversarial.json").read_text(encoding="utf-8"))
EPS = np.finfo(float).eps


NAMES = {
    "stats": stats,
    "np": np,
    "families": families,
    "blend": lambda weights, *components: Blend(weights, components),
    "hundred": lambda places, sds: families.Mixture(np.full(len(sds), 1 / len(sds)), families.Normal(places, sds)),
}
FUNCTIONS = {name: getattr(quadrature, name) for name in ("kl_divergence", "entropy", "expectation", "cross_entropy")}
REFUSED = {
    "kl_divergence(stats.gamma(.0016), stats.gamma(.001601))": "looser tolerance",
    "entropy(stats.burr(.001, 1.))": "mass beyond the range of doubles",
    "entropy(stats.lognorm(300))": "mass beyond the range of doubles",
    "kl_divergence(stats.uniform(), blend([.5, .5], stats.uniform(), stats.uniform(.5, 1e-9)))": "looser tolerance",
    "expectation(stats.norm(), lambda x: np.cos(50 * x))": "looser tolerance",
    "expectation(stats.cauchy(), lambda x: np.cos(20 * x))": "budget of",
    "expectation(stats.uniform(), lambda x: np.sin(1e6 * x))": "budget of",
    "expectation(stats.cauchy(), np.exp)": "If g overflows",
    "expectation(stats.norm(), lambda x: np.exp(.49 * x * x))": "If g overflows",
    "kl_divergence(families.Poisson(1e16), families.NegativeBinomial(1e16, .5))": "whole numbers below 2**53",
}


@pytest.fixture
def work(monkeypatch):
    """The work of every integral of a call, in evaluations of an elementary log-density."""
    spent, spend = [], line.Integral.spend

    def count(self, evaluations):
        try:
            spend(self, evaluations)
        finally:
            spent.append((self, self.work))

    monkeypatch.setattr(line.Integral, "spend", count)
    return lambda: sum({id(integral): done for integral, done in spent}.values())


def test_the_table_is_large_and_has_all_kinds():
    assert len(TABLE) >= 60
    assert {row["kind"] for row in TABLE} >= {
        "near", "spike", "far", "scale", "tail", "infinite", "cut", "circle", "oscillation", "kink", "lattice", "large",
        "heavy", "finite",
    }  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['kind']}-{row['call']}")
def test_value_within_its_error_or_refused(row, work):
    truth, refusal = float(row["reference"]), "None"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            value, error, _ = eval(row["call"], NAMES | FUNCTIONS)
        except quadrature.QuadratureError as error:
            refusal = str(error)
    assert work() <= 3 * line.WORK
    assert REFUSED.get(row["call"], "None") in refusal
    if refusal != "None":
        return
    if math.isinf(truth):
        assert value == truth
    else:
        assert abs(value - truth) <= error + 2 * EPS * abs(truth)
        assert error <= max(1e-8 * abs(truth), 1e-14)
