"""Closed-form KL divergences against a frozen table of references in more than a hundred digits.

The table and what its suites mean: `make_kl_references.py`. The bars: every pair to a relative error of 1e-8, the
median of every suite below 1e-15, nothing NaN or negative, KL(p, p) exactly 0.0.

Two kinds of input need a word about what the reference is. Probability *vectors* of doubles never sum to one exactly;
the reference is Σ (p log p/q − p + q) of the vectors as given, which for close pairs is the only reading with a
non-negative value, and agrees with the KL of the normalised vectors
(`test_vectors_agree_with_their_normalised_versions`).
*Covariance* matrices are exact as given, but their Cholesky factor is only known to 1e-16 times the condition number
of the correlations, so the table keeps that below about 1e4; `from_cholesky` has no such limit.
"""

import json
from decimal import Decimal, getcontext
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

import companion.families

getcontext().prec = 50
TABLE = json.loads((Path(__file__).parent / "data" / "kl_references.json").read_text(encoding="utf-8"))
CASES = [(constructor, suite) for constructor, suites in TABLE.items() for suite in suites]
SMALLEST = Decimal(float(np.finfo(float).tiny))  # below it doubles lose digits, and then are zero


def build(constructor, arguments):
    if constructor == "MultivariateNormal":  # the table holds lower triangles
        mean, lower = arguments[0], np.asarray(arguments[1])
        arguments = [mean, lower + np.swapaxes(np.tril(lower, -1), -1, -2)]
    return reduce(getattr, constructor.split("."), companion.families)(*arguments)


def relative_error(value, reference):
    reference = Decimal(reference)
    if reference < SMALLEST:
        return 0.0 if 0 <= value <= SMALLEST else float("inf")
    return float(abs(Decimal(float(value)) - reference) / reference)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: " ".join(case))
def suite(request):
    """The constructor, the table's rows, their members p and q, and KL(p‖q) computed for each of them."""
    constructor, name = request.param
    rows = TABLE[constructor][name]
    members = [(build(constructor, p), build(constructor, q)) for p, q, _ in rows]
    return constructor, rows, members, [p.kl_divergence(q) for p, q in members]


def batches(constructor, rows):
    """All p of some rows as one batch, and all q."""
    p, q = ([np.asarray(a) for a in zip(*(row[k] for row in rows))] for k in (0, 1))
    if constructor == "Binomial":
        p[0] = q[0] = p[0][0]
    return build(constructor, p), build(constructor, q)


def test_the_table_is_large_and_hard():
    for constructor, suites in TABLE.items():
        assert list(suites) == ["ordinary", "extreme", "near", "near and extreme"], constructor
        assert min(map(len, suites.values())) >= 200, constructor
        near = [float(row[2]) for row in suites["near"]]
        assert min(near) < 1e-19 and max(near) < 0.1, constructor


def test_every_family_with_a_closed_form_is_in_the_table():
    closed = {
        name
        for name, row in companion.families.FAMILIES.items()
        if row.cls.kl_divergence is not companion.families.ExponentialFamily.kl_divergence
    }
    assert {constructor.split(".")[0] for constructor in TABLE} >= closed


def test_relative_error_of_every_pair_and_the_median(suite):
    _, rows, _, values = suite
    errors = [relative_error(value, reference) for value, (_, _, reference) in zip(values, rows)]
    worst = int(np.argmax(errors))
    assert errors[worst] < 1e-8, f"{rows[worst]}: got {float(values[worst])!r}"
    assert np.median(errors) < 1e-15


def test_never_nan_never_negative(suite):
    *_, values = suite
    assert all(value >= 0 for value in values)


def test_zero_exactly_for_equal_distributions(suite):
    constructor, rows, members, _ = suite
    assert all(p.kl_divergence(p) == 0.0 and q.kl_divergence(q) == 0.0 for p, q in members)
    for once, again in zip(batches(constructor, rows), batches(constructor, rows)):  # the same, from numbers of its own
        assert np.all(once.kl_divergence(again) == 0.0)
    for (p, q), row in zip(members[::8], rows[::8]):
        assert p.kl_divergence(build(constructor, row[0])) == 0.0
        assert q.kl_divergence(build(constructor, row[1])) == 0.0


def test_a_batch_gives_the_same_as_one_pair_at_a_time(suite):
    constructor, rows, _, values = suite
    p, q = batches(constructor, rows)
    batch = p.kl_divergence(q)
    np.testing.assert_allclose(batch, values, rtol=1e-13, atol=0)


@pytest.mark.parametrize("name", ["ordinary", "extreme", "near", "near and extreme"])
def test_vectors_agree_with_their_normalised_versions(name):
    """KL of p/Σp and q/Σq from exact fractions of the doubles, by the textbook formula in 50 digits."""
    for p, q, reference in TABLE["Categorical"][name]:
        p, q = ([Decimal(v) for v in vector[0]] for vector in (p, q))
        p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
        value = sum(a * (a / b).ln() for a, b in zip(p, q))
        assert abs(value - Decimal(reference)) < Decimal("1e-8") * value + Decimal("1e-31")


@pytest.mark.parametrize(
    "p, q",
    [
        ([5e-324, 1.0], [1e-3, 1e8]),  # a ratio beyond the range of doubles
        ([1e300, 2e300, 1.0], [1e-300, 3.0, 1.0]),
        (np.linspace(0.1, 4, 17), np.linspace(5, 0.2, 17)),  # more coordinates than are taken as plain numbers
        ([1e-9, 3e-9, 7.0], [2e-9, 3e-3, 7.5]),  # all but one cell next to nothing
        ([2.0, 30.0, 4.0], [50.0, 3.0, 4.0]),
    ],
)
def test_one_pair_of_concentrations_is_that_of_a_batch_whatever_way_it_takes(p, q):
    Dirichlet = companion.families.Dirichlet
    one = Dirichlet(p).kl_divergence(Dirichlet(q))
    batch = Dirichlet([p, p]).kl_divergence(Dirichlet([q, q]))
    np.testing.assert_allclose(batch, one, rtol=1e-13, atol=0)
    assert isinstance(one, np.float64)
