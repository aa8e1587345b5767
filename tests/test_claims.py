"""Claim lines: they state what is claimed in digits that hold everywhere, and a claim about nothing is an error."""

import numpy as np
import pytest

from companion.lesson import claims


def line(capsys, check, *arguments, **options):
    check(*arguments, **options)
    return capsys.readouterr().out.rstrip("\n")


@pytest.mark.parametrize(
    "left, right, options, expected",
    [
        (2 * np.log(2), np.log(4), {}, "a: 1.38629 = 1.38629"),
        (1 + 2e-16, 1.0, {}, "a: 1 = 1"),
        (-0.4978, -0.5, {"rtol": 0, "atol": 0.05, "digits": 1}, "a: -0.5 ≈ -0.5 (±0.05)"),
        (0.5, 0.5, {"rtol": 0, "atol": 0.05}, "a: 0.5 ≈ 0.5 (±0.05)"),
        (0.735, 0.733333333, {"rtol": 0, "atol": 0.0026}, "a: 0.735 ≈ 0.733 (±0.0026)"),
        (568466.1, 568465.9, {"rtol": 1e-4}, "a: 568470 ≈ 568470 (to 0.0001)"),
        (3e-17, 0.0, {"rtol": 0, "atol": 1e-9}, "a: 0 ≈ 0 (±1e-09)"),
        (-3e-17, 0.0, {"rtol": 0, "atol": 1e-9}, "a: 0 ≈ 0 (±1e-09)"),
        (0.0, 0.0, {}, "a: 0 = 0"),
        (np.inf, np.inf, {}, "a: inf = inf"),
        ([1.0, 2.0], [1.0, 2.0], {"rtol": 0, "atol": 1e-9}, "a: 2 values agree ±1e-09"),
        ([1.0, 2.0], [1.0, 2.0], {"atol": 1e-9}, "a: 2 values agree to 1e-10, ±1e-09"),
        ([1.0, 2.0], [1.0, 2.0], {"rtol": 0}, "a: 2 values agree to the last bit"),
    ],
)
def test_equal_says_what_was_agreed_on(capsys, left, right, options, expected):
    assert line(capsys, claims.equal, "a", left, right, **options) == "✓ " + expected


def test_equal_prints_the_same_line_for_every_residue_within_its_tolerance(capsys):
    rng = np.random.default_rng(0)
    for options in ({}, {"rtol": 1e-7}, {"rtol": 0, "atol": 1e-7, "digits": 4}):
        residues = rng.uniform(-1, 1, 50) * (options.get("atol", 0) + options.get("rtol", 1e-10))
        assert len({line(capsys, claims.equal, "a", 0.61 * (1 + r), 0.61, **options) for r in residues}) == 1


@pytest.mark.parametrize(
    "left, right, expected",
    [
        (8.2e-9, 1e-6, "a: ≤ 1e-06"),
        (0.0, 1e-6, "a: ≤ 1e-06"),
        (2.016761, 4, "a: 2.01676 ≤ 4"),
        (221.6221, 233.2322, "a: 221.622 ≤ 233.232"),
        (100, 187.8391, "a: 100 ≤ 187.839"),
        (0, 3.1415e-17, "a: 0 ≤"),
        (-3.0, 0.0, "a: -3 ≤ 0"),
        (np.array([2.1e-15, 1.3e-16]), 1e-6, "a: 2 times ≤ 1e-06"),
        ([1.0, np.inf], [2.0, np.inf], "a: 2 times, closest inf ≤ inf"),
    ],
)
def test_below_prints_the_bound_and_not_the_residue(capsys, left, right, expected):
    assert line(capsys, claims.below, "a", left, right) == "✓ " + expected


@pytest.mark.parametrize("check, left, right", [(claims.equal, 1.0, 1.1), (claims.below, 1.1, 1.0)])
def test_a_false_claim_stops_the_run_and_shows_both_sides(check, left, right):
    with pytest.raises(AssertionError, match=r"a: 1\.\d .* 1\.\d"):
        check("a", [0.5, left], [0.5, right])


def test_a_false_condition_stops_the_run():
    with pytest.raises(AssertionError, match="a: does not hold"):
        claims.true("a", [True, False])


@pytest.mark.parametrize("condition", [np.nan, 1, 0, "no", "", None, 1j, [1, 2], [[True], [True, False]], {}, [None]])
def test_what_is_no_truth_value_is_no_claim(condition):
    with pytest.raises(TypeError, match=r"^claims\.true: condition = "):
        claims.true("a", condition)


@pytest.mark.parametrize("check", [claims.equal, claims.below])
@pytest.mark.parametrize(
    "left, right, message",
    [
        ([], [], "left = "),
        (np.nan, np.nan, "left = nan; expected no NaN"),
        ([1.0, 2.0], [1.0, np.nan], r"right\[1\] = nan"),
        ("a", "a", "left = 'a'; expected real numbers"),
        (True, True, "expected numbers, not truth values"),
        (1j, 1j, "expected real numbers"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "shapes of left and right"),
    ],
)
def test_a_claim_about_nothing_is_an_error(check, left, right, message):
    with pytest.raises((TypeError, ValueError), match=f"^claims.{check.__name__}: .*{message}"):
        check("a", left, right)


def test_no_claim_without_words_and_no_truth_in_an_empty_list():
    with pytest.raises(ValueError, match=r"condition = .*at least one truth value"):
        claims.true("a", [])
    for check, sides in ((claims.true, [True]), (claims.equal, [1.0, 1.0]), (claims.below, [1.0, 1.0])):
        with pytest.raises(TypeError, match="label = "):
            check("", *sides)


@pytest.mark.parametrize(
    "option",
    [{"rtol": np.nan}, {"atol": -1.0}, {"rtol": 1.0}, {"atol": np.inf}, {"digits": 0}, {"digits": 18}, {"digits": 2.5}],
)
def test_a_tolerance_that_allows_everything_is_an_error(option):
    with pytest.raises((TypeError, ValueError), match=f"claims.equal: {next(iter(option))} = "):
        claims.equal("a", 1.0, 2.0, **option)
