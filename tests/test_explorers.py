"""The interactive explorers: their numbers, their optima, their markup, and their use in a browser."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import re
import shutil
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import integrate, optimize, stats

import companion
from companion import residuals
from companion.divergence import reverse_fit, reverse_transitions, two_humps
from companion.families import Normal

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "tests")]

explorer = pytest.importorskip("explorer", reason="the book's requirements (requirements.txt) are not installed")
import make_explorer_reference as maker  # noqa: E402

from conftest import QuietHandler  # noqa: E402

REFERENCE = json.loads(maker.TARGET.read_text(encoding="utf-8"))
NAMES = explorer.names()
MINUS = "−"
SPOKEN = {
    "cancellation": [],
    "two-humps": ["forward", "reverse", "loglik"],
    "constant-gap": ["cross", "kl", "gap"],
    "one-rate": ["loglik"],
    "residual": ["loglik", "kl"],
    "elbo": ["logp", "elbo", "gap"],
    "vae-kls": ["loss", "distortion", "rate", "entropy", "data_model", "gap"],
}
SHOWN = {  # the numbers of the readout with the decimals of each ("4e": in scientific notation)
    "two-humps": {"forward": 4, "reverse": 4, "loglik": 4, "expected": 4},
    "constant-gap": {"cross": 4, "kl": 4, "gap": 4, "slope": 3, "loglik": 2},
    "one-rate": {"data": 2, "model": 2, "residual": 3, "slope": 3, "loglik": 4},
    "cancellation": {
        "exact": "4e",
        "d": "2e",
        "textbook": "4e",
        "textbookDigits": 1,
        "remainders": "4e",
        "remainderDigits": 1,
    },
    "residual": {"eta": 3, "model": 3, "data": 3, "residual": 3, "loglik": 4, "kl": 4},
    "elbo": {"logp": 4, "elbo": 4, "gap": 4, "fit": 4, "prior": 4},
    "vae-kls": {"distortion": 4, "rate": 4, "loss": 4, "nll": 4, "entropy": 4, "data_model": 4, "gap": 4},
}


def model(name, state):
    return explorer.run(f"Explorer.get({json.dumps(name)}).model({json.dumps(state)})")


def start(name):
    return explorer.run(f"Explorer.get({json.dumps(name)}).start")


def controls(name):
    return explorer.run(f"Explorer.get({json.dumps(name)}).controls")


def act(name, key, state):
    """State and note after the button `key` was pressed at `state`."""
    code = f"Explorer.get({json.dumps(name)}).actions.find(a => a.key === {json.dumps(key)}).run({json.dumps(state)})"
    answer = explorer.run(code)
    return {**state, **answer["state"]}, answer["note"]


# --- numbers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_numbers_agree_with_the_reference(name):
    assert len(REFERENCE[name]) >= 8
    for row in REFERENCE[name]:
        numbers = model(name, row["state"])
        for key, value in row["numbers"].items():
            np.testing.assert_allclose(numbers[key], value, rtol=1e-8, atol=1e-9, err_msg=f"{key} at {row['state']}")


@pytest.mark.slow
def test_reference_is_what_companion_computes_today():
    for row in REFERENCE["two-humps"][::15]:
        state = {k: v for k, v in row["state"].items() if k != "seed"}
        fresh = maker.humps(**state) | {"loglik": maker.log_likelihood(**row["state"])}
        assert fresh.keys() == row["numbers"].keys()
        for key, value in fresh.items():
            np.testing.assert_allclose(
                row["numbers"][key], value, rtol=1e-9, atol=1e-10, err_msg=f"{key} at {row['state']}"
            )
    for name, fresh_numbers in (
        ("constant-gap", lambda state: maker.gap(state["lambda"])),
        ("one-rate", lambda state: maker.one_rate(state["lambda"])),
        ("residual", lambda state: maker.residual(**state)),
        ("elbo", lambda state: maker.elbo(**state)),
        ("vae-kls", lambda state: maker.vae(**state)),
        ("cancellation", lambda state: maker.cancellation(**state)),
    ):
        for row in REFERENCE[name]:
            fresh = {key: value for key, value in fresh_numbers(row["state"]).items() if key != "joint"}
            assert fresh.keys() == row["numbers"].keys()
            for key, value in fresh.items():
                np.testing.assert_allclose(
                    row["numbers"][key], value, rtol=1e-10, atol=1e-12, err_msg=f"{key} at {row['state']}"
                )
    assert REFERENCE["old-faithful"] == [maker.rounded(maker.waits())]


def test_the_sample_is_the_documented_one():
    for seed in maker.SEEDS:
        x = model("two-humps", {"d": 5, "mu": 0, "sigma": 1, "seed": seed})["x"]
        np.testing.assert_allclose(x, maker.draws(2.5, seed), rtol=0, atol=1e-12)
    assert (
        stats.kstest(maker.draws(2.5, 1), lambda t: (stats.norm.cdf(t, -2.5) + stats.norm.cdf(t, 2.5)) / 2).pvalue
        > 0.05
    )


def test_gap_is_the_same_everywhere_and_slope_is_the_derivative():
    for rate in np.linspace(0.1, 2, 39):
        numbers = model("constant-gap", {"lambda": rate})
        assert numbers["cross"] - numbers["kl"] == pytest.approx(numbers["gap"], abs=1e-14)
        high, low = (model("constant-gap", {"lambda": rate + h}) for h in (1e-5, -1e-5))
        for key in ("cross", "kl"):
            assert (high[key] - low[key]) / 2e-5 == pytest.approx(numbers["slope"], abs=1e-7)


def test_kl_is_never_negative_and_zero_where_the_two_are_equal():
    assert model("two-humps", {"d": 0, "mu": 0, "sigma": 1, "seed": 1})["forward"] == pytest.approx(0, abs=1e-14)
    assert model("two-humps", {"d": 0, "mu": 0, "sigma": 1, "seed": 1})["reverse"] == pytest.approx(0, abs=1e-14)
    rng = np.random.default_rng(3)
    for _ in range(100):
        d, mu, sigma = rng.uniform([0, -6, 0.4], [8, 6, 6])
        numbers = model("two-humps", {"d": d, "mu": mu, "sigma": sigma, "seed": 1})
        assert numbers["forward"] > -1e-13 and numbers["reverse"] > -1e-13


# --- cancellation -------------------------------------------------------------------------------------------------
def test_cancellation_is_the_same_to_the_last_bit():
    """Its logarithms are rounded correctly, so that textbook formula and exact value do not depend on the engine."""
    for row in REFERENCE["cancellation"]:
        numbers = model("cancellation", row["state"])
        assert (numbers["exact"], numbers["textbook"]) == (row["numbers"]["exact"], row["numbers"]["textbook"]), row[
            "state"
        ]
        assert numbers["remainders"] == pytest.approx(row["numbers"]["remainders"], rel=3e-15, abs=0)
        assert numbers["remainders"] >= 0 and numbers["remainderDigits"] > 14.5


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


# --- the lower bound ----------------------------------------------------------------------------------------------
STATES = [
    (mu, sigma, height) for mu in (-2.0, -0.3, 0.8, 1.6) for sigma in (0.15, 0.7, 1.4) for height in (-1, 0.5, 1.5, 3)
]


@pytest.mark.parametrize(("mu", "sigma", "height"), STATES)
def test_bound_and_gap_make_the_log_evidence_and_the_climb_ends_on_a_top(mu, sigma, height):
    state = {"mu": mu, "sigma": sigma, "height": height}
    numbers = model("elbo", state)
    assert numbers["elbo"] + numbers["gap"] == pytest.approx(numbers["logp"], abs=1e-9 * (1 + abs(numbers["elbo"])))
    assert numbers["fit"] - numbers["prior"] == pytest.approx(numbers["elbo"], abs=1e-9)
    after, note = act("elbo", "climb", state)
    top = model("elbo", after)
    assert top["elbo"] >= numbers["elbo"] and f"{abs(numbers['elbo']):.4f}" in note
    assert -2 < after["mu"] < 2 and 0.1 < after["sigma"] < 2, "within the reach of the sliders"
    for h in (1e-3, -1e-3):
        assert model("elbo", after | {"mu": after["mu"] + h})["elbo"] < top["elbo"]
        assert model("elbo", after | {"sigma": after["sigma"] * (1 + h)})["elbo"] < top["elbo"]


# --- the residual of one rate -------------------------------------------------------------------------------------
def test_slope_of_the_curve_is_data_less_model_and_every_step_climbs():
    for rate in np.linspace(0.1, 3, 30):
        numbers = model("one-rate", {"lambda": rate})
        assert numbers["slope"] == pytest.approx(0.61 - rate, abs=1e-9)
        state, path = {"lambda": rate, "trail": []}, [numbers["loglik"]]
        for _ in range(30):
            state, note = act("one-rate", "step", state)
            assert 0.1 <= state["lambda"] <= 3 and note
            path.append(model("one-rate", state)["loglik"])
        assert np.all(np.diff(path) >= -1e-15) and state["lambda"] == pytest.approx(0.61, abs=1e-3)
    once, _ = act("one-rate", "step", {"lambda": 1.2, "trail": []})
    assert np.log(once["lambda"]) == pytest.approx(np.log(1.2) + (0.61 - 1.2) / 2) and once["trail"] == [1.2]
    many, _ = act("one-rate", "run", {"lambda": 1.2, "trail": []})
    assert len(many["trail"]) == 10 and many["trail"][1] == pytest.approx(once["lambda"])
    best, note = act("one-rate", "best", many)
    assert best["lambda"] == pytest.approx(0.61) and note.endswith("maximum likelihood.")
    assert act("one-rate", "step", best)[0] == best


# --- the residual -------------------------------------------------------------------------------------------------
ETAS = [(0.5, -0.2), (-0.9, -0.95), (1, -0.1), (0.05, -0.2715), (-0.3, -0.15), (0.8, -0.6)]
EDGES = np.linspace(-1, 1, 21), np.linspace(-1, -0.1, 22)


def at(eta1, eta2):
    return {"eta1": float(eta1), "eta2": float(eta2), "trail": []}


def residual_model(eta1, eta2):
    return model("residual", at(eta1, eta2))


def test_the_explorer_knows_the_sums_and_the_counts_of_the_data():
    waiting = companion.lesson.datasets.old_faithful().waiting
    data = explorer.run('Explorer.get("residual").data')
    assert data == REFERENCE["old-faithful"][0]
    assert data["n"] == len(waiting) == sum(data["counts"])
    assert 10 * data["sum"] == pytest.approx(np.sum(waiting - 70)) and 100 * data["squares"] == pytest.approx(
        np.sum((waiting - 70) ** 2)
    )
    assert data["counts"] == [int(np.sum((waiting >= low) & (waiting < low + 5))) for low in range(40, 100, 5)]


@pytest.mark.parametrize(("eta1", "eta2"), ETAS)
def test_residual_is_the_gradient_of_the_log_likelihood(eta1, eta2):
    slope = gradient(lambda a, b: residual_model(a, b)["loglik"], eta1, eta2)
    np.testing.assert_allclose(residual_model(eta1, eta2)["residual"], slope, rtol=1e-6, atol=1e-8)
    # and the gradient step goes that way, by its documented rate
    after, note = act("residual", "gradient", at(eta1, eta2))
    rate = explorer.run('Explorer.get("residual").rate')
    np.testing.assert_allclose(
        [after["eta1"] - eta1, after["eta2"] - eta2], rate * np.array(slope), rtol=1e-6, atol=1e-9
    )
    assert after["trail"] == [[eta1, eta2]] and note.startswith(f"Gradient step: η moved by {rate} times the residual.")
    assert f"The KL was {residual_model(eta1, eta2)['kl']:.4f}." in note


@pytest.mark.parametrize(("eta1", "eta2"), ETAS)
def test_natural_gradient_step_halves_the_residual(eta1, eta2):
    before = residual_model(eta1, eta2)
    after, note = act("residual", "natural", at(eta1, eta2))
    np.testing.assert_allclose(
        residual_model(after["eta1"], after["eta2"])["residual"],
        np.array(before["residual"]) / 2,
        rtol=1e-9,
        atol=1e-12,
    )
    theirs = residuals.natural_gradient_step(Normal.from_natural([eta1, eta2]), maker.standardised(), length=0.5)
    np.testing.assert_allclose([after["eta1"], after["eta2"]], theirs.natural_parameters(), rtol=1e-9)
    assert after["trail"] == [[eta1, eta2]] and "halved" in note


def test_every_gradient_step_within_reach_climbs_and_all_end_at_the_best():
    best = explorer.run('Explorer.get("residual").best')
    walk = """(s => { const e = Explorer.get("residual"), out = [e.model(s).loglik];
        for (let k = 0; k < 120; k++) { s = e.steps.gradient(s); out.push(e.model(s).loglik); }
        return { path: out, end: s }; })(%s)"""
    for eta1 in EDGES[0]:
        for eta2 in EDGES[1]:
            result = explorer.run(walk % json.dumps(at(eta1, eta2)))
            assert np.all(np.diff(result["path"]) > -1e-14), (eta1, eta2)
            assert [result["end"]["eta1"], result["end"]["eta2"]] == pytest.approx(
                [best["eta1"], best["eta2"]], abs=1e-4
            )


def test_one_gradient_step_from_the_plane_stays_within_reach():
    for eta1 in EDGES[0]:
        for eta2 in EDGES[1]:
            if residual_model(eta1, eta2)["model"][1] <= 6.5:
                after, _ = act("residual", "gradient", at(eta1, eta2))
                assert -1 <= after["eta1"] <= 1 and -1 <= after["eta2"] <= -0.1


@pytest.mark.parametrize(("eta1", "eta2"), ETAS)
def test_best_of_the_residual(eta1, eta2):
    x = maker.standardised()
    state, note = act("residual", "best", at(eta1, eta2))
    assert note.startswith("Moment matching")
    numbers = residual_model(state["eta1"], state["eta2"])
    np.testing.assert_allclose(numbers["residual"], 0, atol=1e-14)
    assert numbers["kl"] == pytest.approx(0, abs=1e-15)
    loss = lambda t: -np.mean(stats.norm.logpdf(x, -t[0] / (2 * t[1]), np.sqrt(-1 / (2 * t[1]))))
    found = optimize.minimize(
        loss, [0, -0.4], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 2000}
    )
    assert numbers["loglik"] == pytest.approx(-found.fun, abs=1e-12)
    assert [state["eta1"], state["eta2"]] == pytest.approx(found.x, abs=1e-6)
    # KL to any other member is what its log-likelihood lacks
    here = residual_model(eta1, eta2)
    assert here["kl"] == pytest.approx(numbers["loglik"] - here["loglik"], abs=1e-13) and here["kl"] >= 0
    # from there no step leads anywhere
    for key in ("gradient", "natural", "best"):
        again, note = act("residual", key, state)
        assert again == state and "zero" in note


def test_trail_keeps_the_last_sixty_steps():
    state = at(1, -1)
    for _ in range(70):
        state, _ = act("residual", "gradient", state)
    assert len(state["trail"]) == 60
    view = explorer.run(
        f'(e => e.view({json.dumps(state)}, e.model({json.dumps(state)}), 640))(Explorer.get("residual"))'
    )
    assert view["panels"][0].count('class="step"') == 60


def moved(x, y, width=640, state=None):
    """State after the point was dragged to (x, y) of its panel."""
    code = "(s => (e => e.handles(s, e.model(s), %d)[0].move(%r, %r))(Explorer.get('residual')))(%s)"
    return explorer.run(code % (width, x, y, json.dumps(state or at(0.5, -0.2))))


@pytest.mark.parametrize("width", [280, 640, 900])
def test_drag_goes_through_the_inverse_mean_map(width):
    """To where the pointer is, or else to the last point within reach on the way there from the data."""
    point = lambda s: explorer.run(
        "(s => (e => e.handles(s, e.model(s), %d)[0])(Explorer.get('residual')))(%s)" % (width, json.dumps(s))
    )
    for eta1, eta2 in ETAS:
        here = point(at(eta1, eta2))
        if residual_model(eta1, eta2)["model"][1] <= 6.5:
            back = moved(here["x"], here["y"], width)
            assert [back["eta1"], back["eta2"]] == pytest.approx([eta1, eta2], abs=1e-9)
    rng = np.random.default_rng(5)
    for x, y in rng.uniform(-200, 900, (200, 2)):
        s = moved(float(x), float(y), width)
        a, b = residual_model(s["eta1"], s["eta2"])["model"]
        assert b - a * a >= 0.5 - 1e-9 and b <= 6.5 + 1e-9 and abs(a) <= 2.5 + 1e-9
        assert -1 - 1e-9 <= s["eta1"] <= 1 + 1e-9 and -1 - 1e-9 <= s["eta2"] <= -0.1 + 1e-9
        there, best = point(s), point(explorer.run('Explorer.get("residual").best'))
        way, got = np.array([x - best["x"], y - best["y"]]), np.array([there["x"] - best["x"], there["y"] - best["y"]])
        assert abs(np.cross(np.append(way, 0), np.append(got, 0))[2]) < 1e-6 * (1 + way @ way) and got @ way >= 0
        assert got @ got <= way @ way + 1e-6


# --- the buttons that go to the best ------------------------------------------------------------------------------
DISTANCES = (0, 1, 3, 4.8, 5, 5.5, 5.6, 6, 8)


def gradient(function, mu, sigma, h=1e-5):
    return [
        (function(mu + h, sigma) - function(mu - h, sigma)) / (2 * h),
        (function(mu, sigma + h) - function(mu, sigma - h)) / (2 * h),
    ]


@pytest.mark.parametrize("d", DISTANCES)
@pytest.mark.parametrize(("key", "number", "sign"), [("forward", "forward", 1), ("likelihood", "loglik", -1)])
def test_best_forward_and_maximum_likelihood(d, key, number, sign):
    state, _ = act("two-humps", key, {"d": d, "mu": 1, "sigma": 1.5, "seed": 4})
    value = lambda mu, sigma: sign * model("two-humps", {**state, "mu": mu, "sigma": sigma})[number]
    np.testing.assert_allclose(gradient(value, state["mu"], state["sigma"]), 0, atol=1e-8)
    found = optimize.minimize(
        lambda t: value(t[0], np.exp(t[1])),
        [0.3, 0.1],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 2000},
    )
    assert value(state["mu"], state["sigma"]) == pytest.approx(found.fun, abs=1e-10)
    assert [state["mu"], state["sigma"]] == pytest.approx([found.x[0], np.exp(found.x[1])], abs=1e-5)


def reverse_kl(m, mu, log_sd):
    """KL(q‖p) by SciPy alone."""
    z = np.linspace(-12, 12, 6001)
    x = mu + np.exp(log_sd) * z
    log_p = np.logaddexp(stats.norm.logpdf(x, -m), stats.norm.logpdf(x, m)) - np.log(2)
    return integrate.simpson(stats.norm.pdf(z) * (stats.norm.logpdf(z) - log_sd - log_p), x=z)


@pytest.mark.parametrize("d", DISTANCES)
@pytest.mark.parametrize(("mu", "sigma"), [(0, 2), (2, 1.2), (-3, 0.6), (5, 6), (0.4, 0.4)])
def test_best_reverse_is_a_local_minimum(d, mu, sigma):
    begin = {"d": d, "mu": mu, "sigma": sigma, "seed": 1}
    state, note = act("two-humps", "reverse", begin)
    value = lambda mu, sigma: model("two-humps", {**state, "mu": mu, "sigma": sigma})["reverse"]
    here = value(state["mu"], state["sigma"])
    assert here <= value(mu, sigma) + 1e-13, "it went uphill"
    np.testing.assert_allclose(gradient(value, state["mu"], state["sigma"]), 0, atol=1e-8)
    fit = reverse_fit(two_humps(d / 2), Normal(state["mu"], state["sigma"]))
    assert fit.curvature > 0
    assert [state["mu"], state["sigma"], here] == pytest.approx(
        [float(fit.normal.mean()), float(fit.normal.sd), fit.kl], abs=1e-7
    )
    # what the status says about it
    all_minima = [reverse_fit(two_humps(d / 2), Normal(*s)).kl for s in ((0, np.hypot(1, d / 2)), (max(d / 2, 0.1), 1))]
    assert note.startswith("Best reverse KL") == (here < min(all_minima) + 1e-9)
    assert ("covers both humps" in note) == (abs(state["mu"]) < 1e-6)


@pytest.mark.parametrize("d", DISTANCES)
def test_best_reverse_against_an_independent_search(d):
    m = d / 2
    searches = [
        optimize.minimize(
            lambda t: reverse_kl(m, *t),
            [mu, log_sd],
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-12, "maxiter": 400},
        )
        for mu, log_sd in ((0.01, np.log(np.hypot(1, m))), (m + 0.01, 0.05))
    ]
    lowest = explorer.run(f'Explorer.get("two-humps").best.reverse({{d: {d}, mu: 1, sigma: 1}}).lowest')
    assert lowest["value"] == pytest.approx(min(s.fun for s in searches), abs=1e-9)


def test_where_one_hump_begins_to_win():
    tie = 2 * reverse_transitions().one_hump_wins
    for d, covers in ((tie - 0.001, True), (tie + 0.001, False)):
        lowest = explorer.run(f'Explorer.get("two-humps").best.reverse({{d: {d}, mu: 1, sigma: 1}}).lowest')
        assert (lowest["mu"] == 0) == covers


def test_best_rate():
    state, _ = act("constant-gap", "best", start("constant-gap"))
    numbers = model("constant-gap", state)
    assert numbers["slope"] == pytest.approx(0, abs=1e-15)
    table = companion.lesson.datasets.horse_kicks()
    for key in ("cross", "kl"):
        found = optimize.minimize_scalar(
            lambda rate: model("constant-gap", {"lambda": rate})[key], bounds=(0.1, 2), method="bounded"
        )
        assert numbers[key] <= found.fun and numbers[key] == pytest.approx(found.fun, abs=1e-10)
    found = optimize.minimize_scalar(
        lambda rate: -table.frequencies @ stats.poisson.logpmf(table.values, rate),
        bounds=(0.1, 2),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert state["lambda"] == pytest.approx(found.x, abs=1e-6) == table.mean
    assert numbers["loglik"] == pytest.approx(-found.fun, abs=1e-9)


# --- the divergences of a VAE -------------------------------------------------------------------------------------
VAES = [
    {"w": w, "sd": sd, "v": v, "tau": tau}
    for (w, sd), (v, tau) in zip(maker.DECODERS[1:] * 2, maker.ENCODERS + ((0.8, 0.2), (0.1, 1.0)))
]


@pytest.mark.parametrize("state", VAES, ids=str)
def test_both_bars_have_one_height_and_each_side_moves_its_own_divergence(state):
    numbers = model("vae-kls", state)
    assert numbers["entropy"] + numbers["data_model"] + numbers["gap"] == pytest.approx(numbers["loss"], abs=1e-12)
    assert numbers["information"] + numbers["codes"] == pytest.approx(numbers["rate"], abs=1e-12)
    other_decoder, other_encoder = (
        model("vae-kls", {**state, "w": 0.7, "sd": 0.9}),
        model("vae-kls", {**state, "v": 0.3, "tau": 0.6}),
    )
    assert other_decoder["rate"] == numbers["rate"] and other_encoder["data_model"] == numbers["data_model"]


@pytest.mark.parametrize("state", VAES, ids=str)
def test_best_encoder_and_decoder_of_the_vae(state):
    ranges = {c["key"]: (c["min"], c["max"]) for c in controls("vae-kls")}
    for key, names in (("encoder", ("v", "tau")), ("decoder", ("w", "sd"))):
        after, note = act("vae-kls", key, state)
        assert all(after[k] == state[k] for k in state if k not in names) and note.endswith(".")
        found = optimize.minimize(
            lambda t: model("vae-kls", {**state, **dict(zip(names, t))})["loss"],
            [np.mean(ranges[k]) for k in names],
            method="Nelder-Mead",
            bounds=[ranges[k] for k in names],
            options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000},
        )
        assert model("vae-kls", after)["loss"] == pytest.approx(found.fun, abs=1e-9)
        assert [after[k] for k in names] == pytest.approx(found.x, abs=1e-4)
    assert model("vae-kls", act("vae-kls", "encoder", state)[0])["gap"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("state", VAES, ids=str)
def test_training_with_the_nll_of_codes_ends_where_the_sliders_end(state):
    ranges = {c["key"]: (c["min"], c["max"]) for c in controls("vae-kls")}
    after, note = act("vae-kls", "nll", state)
    numbers, names = model("vae-kls", after), ("w", "sd", "v", "tau")
    code_score = 0.5 * (np.log(2 * np.pi) + 4 * after["v"] ** 2 + after["tau"] ** 2)
    assert numbers["nll"] == pytest.approx(numbers["distortion"] + code_score, rel=1e-12)
    found = optimize.minimize(
        lambda t: model("vae-kls", dict(zip(names, t)))["nll"],
        [2.0, 0.6, 0.4, 0.3],
        method="L-BFGS-B",
        bounds=[ranges[k] for k in names],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    assert numbers["nll"] == pytest.approx(found.fun, abs=1e-8) and [after[k] for k in names] == pytest.approx(
        found.x, abs=1e-4
    )
    assert (after["w"], after["sd"], after["tau"]) == (3, 0.4, 0.05), "the ends of three sliders"
    # with the rate in its place the model of these data is exact; here it is too wide, and no density has so small an NLL
    assert numbers["data_model"] > 0.1 and numbers["gap"] > 0.5 and numbers["nll"] < numbers["entropy"]
    assert "stop only where their sliders end" in note


# --- markup -----------------------------------------------------------------------------------------------------
def tree(markup):
    return ElementTree.fromstring(markup)


@pytest.mark.parametrize("name", NAMES)
def test_static_markup(name):
    root = tree(explorer.render(name))
    figure = root.find("div[@role='img']")
    assert len(figure.get("aria-label")) > 80 and len(figure.findall("svg")) >= 1
    status = root.find("p[@aria-live='polite']")
    numbers = model(name, start(name))
    shown = "".join(root.itertext())
    for key in SPOKEN[name]:
        text = f"{abs(numbers[key]):.4f}"
        assert text in status.text and text in shown
    assert root.find("fieldset").get("disabled") is not None, "without scripts the controls must not pretend to work"
    assert root.find("fieldset/legend").text
    for slider, control in zip(root.iter("input"), controls(name), strict=True):
        said = f"{start(name)[control['key']]:.{control['digits']}f}".replace("-", MINUS)
        assert (slider.get("type"), slider.get("aria-valuetext")) == ("range", said)
    for parent in root.iter("label"):
        assert parent.find("span").text and parent.find("input") is not None
    assert all(button.text for button in root.iter("button"))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert not ids, "two explorers on a page would share these ids"
    assert not re.search(r"NaN|undefined|Infinity|∞", explorer.render(name))


@pytest.mark.parametrize("name", NAMES)
def test_markup_is_sound_at_every_corner(name):
    grid = [[c["min"], start(name)[c["key"]], c["max"]] for c in controls(name)]
    for width in (280, 640, 900):
        for values in np.array(np.meshgrid(*grid)).reshape(len(grid), -1).T:
            state = {**start(name), **dict(zip((c["key"] for c in controls(name)), map(float, values)))}
            code = "(s => (e => e.view(s, e.model(s), %d))(Explorer.get(%s)))(%s)" % (
                width,
                json.dumps(name),
                json.dumps(state),
            )
            view = explorer.run(code)
            svgs = tree("<div>" + "".join(view["panels"]) + "</div>").findall("svg")
            assert not re.search(r"NaN|undefined|Infinity", "".join(view["panels"]) + view["alt"] + view["status"])
            sizes = [list(map(float, svg.get("viewBox").split()))[2] for svg in svgs]
            handles = explorer.run(
                "(s => (e => e.handles(s, e.model(s), %d))(Explorer.get(%s)))(%s)"
                % (width, json.dumps(name), json.dumps(state))
            )
            for handle in handles:
                assert 0 <= handle["x"] <= sizes[handle["panel"]] and 0 <= handle["y"] <= 380


def test_another_start_and_its_errors():
    markup = explorer.render("two-humps", {"d": 3, "mu": 0})
    assert json.loads(tree(markup).get("data-state")) == {"d": 3, "mu": 0}
    assert "humps p at −1.50 and 1.50" in markup
    with pytest.raises(Exception, match=r'explorer two-humps: no number "width" in its state \(d, mu, sigma, seed\)'):
        explorer.render("two-humps", {"width": 3})


def build(tmp_path, page, builder="html"):
    """The page through Sphinx with the extension; returns the warnings and the output folder."""
    from io import StringIO

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "index.md").write_text(page, encoding="utf-8")
    (source / "other.md").write_text("---\norphan: true\n---\n# Other\n", encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "explorer"],
        "html_theme": "basic",
        "numfig": True,
        "myst_enable_extensions": ["dollarmath"],
        "html_static_path": [str(ROOT / "book" / "_assets")],
    }
    warnings = StringIO()
    with docutils_namespace():
        app = Sphinx(
            source, None, tmp_path / builder, tmp_path / "doctrees", builder, settings, status=None, warning=warnings
        )
        app.build()
    return warnings.getvalue(), tmp_path / builder


PAGE = """# Page

{numref}`explorer-two-humps` and {ref}`the gap <explorer-gap>`.

```{explorer} two-humps
:name: explorer-two-humps
Caption with $x^2$.
```

```{explorer} constant-gap
:name: explorer-gap
:state: {"lambda": 0.9}
Second caption.
```
"""


@pytest.mark.filterwarnings("default")
def test_directive(tmp_path):
    warnings, out = build(tmp_path, PAGE)
    assert warnings == ""
    html = (out / "index.html").read_text(encoding="utf-8")
    assert explorer.render("two-humps") in html and explorer.render("constant-gap", {"lambda": 0.9}) in html
    assert re.search(r'<figure[^>]*class="[^"]*explorer-frame[^"]*"[^>]*id="explorer-two-humps"', html)
    assert 'href="#explorer-two-humps"><span class="std std-numref">Fig. 1' in html
    scripts = re.findall(r'<script defer="defer" src="_static/explorers/([a-z-]+)\.js', html)
    assert scripts == ["explorer", "constant-gap", "two-humps"] and "explorers/explorer.css" in html
    assert "explorers/" not in (out / "other.html").read_text(encoding="utf-8"), "only pages with an explorer load it"
    assert (out / "_static" / "explorers" / "two-humps.js").exists()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("builder", ["text", "latex"])
def test_directive_without_html(tmp_path, builder):
    warnings, out = build(tmp_path, PAGE, builder)
    assert warnings == ""
    text = next(path for path in out.iterdir() if path.suffix in (".txt", ".tex")).read_text(encoding="utf-8")
    numbers = model("two-humps", start("two-humps"))
    assert f"reverse KL {numbers['reverse']:.4f}" in re.sub(r"\s+", " ", text)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("directive", "message"),
    [
        (
            "```{explorer} three-humps\n```",
            'no explorer is called "three-humps"; there are: cancellation, constant-gap, elbo, one-rate, residual, two-humps',
        ),
        ('```{explorer} two-humps\n:state: {"width": 2}\n```', 'no number "width" in its state (d, mu, sigma, seed)'),
        ("```{explorer} two-humps\n:state: d = 3\n```", "the state does not work"),
    ],
)
def test_directive_errors(tmp_path, directive, message):
    warnings, _ = build(tmp_path, f"# Page\n\n{directive}\n")
    assert message in warnings and "index.md:3" in warnings


# --- in the browser ---------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    """A page with all explorers and the colours of the theme, served locally."""
    folder = tmp_path_factory.mktemp("explorers")
    shutil.copytree(explorer.FOLDER, folder / "explorers")
    import pydata_sphinx_theme

    theme = next(Path(pydata_sphinx_theme.__file__).parent.rglob("pydata-sphinx-theme.css"))
    shutil.copy(theme, folder / "theme.css")
    scripts = "".join(f'<script defer src="explorers/{name}.js"></script>' for name in [explorer.SHARED, *NAMES])
    figures = "".join(f'<figure class="explorer-frame">{explorer.render(name)}</figure>' for name in NAMES)
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorers</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="theme.css"><link rel="stylesheet" href="explorers/explorer.css">{scripts}</head>'
        f'<body><main style="width:100%;max-width:46rem;box-sizing:border-box;padding:0 1rem;margin:auto">{figures}</main></body></html>',
        encoding="utf-8",
    )

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def opened(browser, playground, width=900, height=1000, **options):
    """The page, which must not say anything on the console."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, **{"reduced_motion": "reduce", **options}
    )
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: said.append(request.url) if not request.url.startswith(("http://127.0.0.1", "data:")) else None,
    )
    page.goto(playground)
    if options.get("java_script_enabled", True):
        page.wait_for_function("document.querySelectorAll('.explorer.ready').length === %d" % len(NAMES))
        settle(page)
    yield page
    context.close()
    assert said == []


def settle(page):
    """Wait until the figure is painted and the status has spoken."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 300))))")


def state_of(page, name):
    return page.evaluate(f"({{...document.querySelector('explorer-{name}').state}})")


def readout(page, name):
    """The numbers on the page, as numbers; a pair gives two."""
    texts = page.locator(f"explorer-{name} dd").all_inner_texts()
    return [float(number) for text in texts for number in text.replace(MINUS, "-").strip("()").split(", ")]


def check_numbers(page, name):
    """What the page shows is what the model computes at the page's state, in this engine and in Python's."""
    state = state_of(page, name)
    numbers = model(name, state)
    wanted = numbers | {"eta": [state["eta1"], state["eta2"]]} if name == "residual" else numbers
    shown = iter(readout(page, name))
    for key, digits in SHOWN[name].items():
        for value in np.atleast_1d(wanted[key]):
            precision = (
                {"rel": 0.51 * 10.0 ** -int(digits[:-1]), "abs": 0}
                if isinstance(digits, str)
                else {"abs": 0.51 * 10**-digits}
            )
            assert next(shown) == pytest.approx(value, **precision)
    assert next(shown, None) is None
    status = page.locator(f"explorer-{name} [role=status]").inner_text()
    for key in SPOKEN[name]:
        assert f"{abs(numbers[key]):.4f}" in status
    return numbers


@pytest.mark.parametrize("name", NAMES)
def test_browser_draws_what_the_build_drew(browser, playground, name):
    with opened(browser, playground) as page:
        here = page.evaluate(f"Explorer.markup('{name}', {{}})")
        assert here == explorer.run(f"Explorer.markup('{name}', {{}})")
        rng = np.random.default_rng(8)
        for _ in range(20):
            state = start(name) | {c["key"]: rng.uniform(c["min"], c["max"]) for c in controls(name)}
            assert page.evaluate(f"Explorer.markup('{name}', {json.dumps(state)})") == explorer.run(
                f"Explorer.markup('{name}', {json.dumps(state)})"
            )
        check_numbers(page, name)


def test_keyboard_alone(browser, playground):
    with opened(browser, playground) as page:
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(page.evaluate("(e => e.dataset.key || e.dataset.action || '')(document.activeElement)"))
        assert [key for key in seen if key][:29] == [
            "x",
            "bernoulli",
            "poisson",
            "normal",
            "negative",
            "reset",
            "lambda",
            "best",
            "reset",
            "mu",
            "sigma",
            "height",
            "climb",
            "prior",
            "reset",
            "eta1",
            "eta2",
            "gradient",
            "natural",
            "best",
            "reset",
            "mu",
            "sigma",
            "d",
            "forward",
            "likelihood",
            "reverse",
            "sample",
            "reset",
        ]
        for name, key in [(each, c["key"]) for each in NAMES for c in controls(each)]:
            slider = page.locator(f"explorer-{name} input[data-key={key}]")
            slider.focus()
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            before, status = state_of(page, name), page.locator(f"explorer-{name} [role=status]").inner_text()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            settle(page)
            step = next(c["step"] for c in controls(name) if c["key"] == key)
            assert state_of(page, name)[key] == pytest.approx(before[key] + 2 * step)
            assert page.locator(f"explorer-{name} [role=status]").inner_text() != status
            assert (
                slider.get_attribute("aria-valuetext")
                == page.locator(f"explorer-{name} [data-value={key}]").inner_text()
            )
            check_numbers(page, name)
        page.locator("explorer-constant-gap [data-action=best]").focus()
        page.keyboard.press("Enter")
        settle(page)
        assert state_of(page, "constant-gap")["lambda"] == pytest.approx(0.61)
        check_numbers(page, "constant-gap")


def handle_at(page, name, index):
    """Centre of a handle, in CSS pixels of the window."""
    page.locator(f"explorer-{name} .explorer-figure").scroll_into_view_if_needed()
    box = page.locator(f"explorer-{name} .handle circle").nth(index).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


DRAGS = [
    ("cancellation", 0, "x"),
    ("two-humps", 0, "sigma"),
    ("two-humps", 1, "mu"),
    ("constant-gap", 0, "lambda"),
    ("constant-gap", 1, "lambda"),
    ("one-rate", 0, "lambda"),
    ("one-rate", 1, "lambda"),
    ("elbo", 0, "sigma"),
    ("elbo", 1, "mu"),
    ("vae-kls", 1, "w"),
]


@pytest.mark.parametrize(("name", "index", "key"), DRAGS)
def test_drag_by_mouse(browser, playground, name, index, key):
    with opened(browser, playground) as page:
        before = state_of(page, name)
        x, y = handle_at(page, name, index)
        page.mouse.move(x + 3, y - 3)  # near is enough
        page.mouse.down()
        page.mouse.move(x + 23, y, steps=4)
        page.mouse.move(x + 53, y + 40, steps=4)
        page.mouse.up()
        page.mouse.move(x - 100, y)
        settle(page)
        after = state_of(page, name)
        assert after[key] > before[key] + 0.1
        assert {k for k in after if after[k] != before[k]} == {key}
        assert handle_at(page, name, index)[0] == pytest.approx(x + 50, abs=1.5), "the handle follows the pointer"
        check_numbers(page, name)
        # far outside: the value stops at the end of its slider
        x, y = handle_at(page, name, index)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 3000, y, steps=3)
        page.mouse.up()
        assert state_of(page, name)[key] == next(c["max"] for c in controls(name) if c["key"] == key)


@pytest.mark.parametrize(("name", "index", "key"), DRAGS)
def test_drag_by_touch(browser, playground, name, index, key):
    with opened(
        browser, playground, width=390, height=800, has_touch=True, is_mobile=True, device_scale_factor=2
    ) as page:
        before = state_of(page, name)
        x, y = handle_at(page, name, index)
        touch = page.context.new_cdp_session(page)

        def send(kind, *points):
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})

        send("touchStart", (x + 8, y + 8))  # a finger is not exact
        for shift in range(2, 32, 3):
            send("touchMove", (x + 8 + shift, y + 8))
        send("touchEnd")
        settle(page)
        after = state_of(page, name)
        assert after[key] > before[key] + 0.1
        assert {k for k in after if after[k] != before[k]} == {key}
        check_numbers(page, name)


def test_drag_of_the_encoder_up_and_down(browser, playground):
    with opened(browser, playground) as page:
        x, y = handle_at(page, "vae-kls", 0)
        before = state_of(page, "vae-kls")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y - 40, steps=4)
        page.mouse.up()
        settle(page)
        after = state_of(page, "vae-kls")
        assert after["v"] > before["v"] + 0.1 and {k for k in after if after[k] != before[k]} == {"v"}
        assert handle_at(page, "vae-kls", 0) == pytest.approx((x, y - 40), abs=1.5), "it moves up and down only"
        check_numbers(page, "vae-kls")


def test_buttons_of_the_vae(browser, playground):
    with opened(browser, playground) as page:
        for key in ("encoder", "decoder", "nll", "reset"):
            wanted, note = (
                act("vae-kls", key, state_of(page, "vae-kls")) if key != "reset" else (start("vae-kls"), "Back")
            )
            page.locator(f"explorer-vae-kls [data-action={key}]").click()
            settle(page)
            assert state_of(page, "vae-kls") == pytest.approx(wanted)
            assert page.locator("explorer-vae-kls [role=status]").inner_text().startswith(note)
            check_numbers(page, "vae-kls")


def mean_point(page):
    """Where the model's point is drawn, in CSS pixels of the window."""
    box = page.locator("explorer-residual .dot.model").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_drag_over_the_plane_by_mouse(browser, playground):
    with opened(browser, playground) as page:
        page.locator("explorer-residual [data-action=gradient]").click()
        page.locator("explorer-residual [data-action=reset]").click()
        page.locator("explorer-residual [data-action=natural]").click()
        settle(page)
        assert page.locator("explorer-residual .trail").count() == 1
        x, y = handle_at(page, "residual", 0)
        page.mouse.move(x + 3, y - 3)
        page.mouse.down()
        page.mouse.move(x - 37, y - 63, steps=6)
        page.mouse.up()
        settle(page)
        assert handle_at(page, "residual", 0) == pytest.approx((x - 40, y - 60), abs=1.5), (
            "the handle follows the pointer"
        )
        assert mean_point(page) == pytest.approx((x - 40, y - 60), abs=1.5)
        assert page.locator("explorer-residual .trail").count() == 0, "a drag begins afresh"
        check_numbers(page, "residual")
        # down into the impossible: the point stops above the parabola
        page.mouse.move(x - 40, y - 60)
        page.mouse.down()
        page.mouse.move(x + 60, y + 400, steps=5)
        page.mouse.up()
        settle(page)
        numbers = check_numbers(page, "residual")
        assert numbers["model"][1] - numbers["model"][0] ** 2 == pytest.approx(0.5, abs=1e-6)


def test_drag_over_the_plane_by_touch(browser, playground):
    with opened(
        browser, playground, width=390, height=700, has_touch=True, is_mobile=True, device_scale_factor=2
    ) as page:
        x, y = handle_at(page, "residual", 0)
        touch = page.context.new_cdp_session(page)

        def swipe(x, y, dx, dy):
            touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
            for k in range(1, 13):
                touch.send(
                    "Input.dispatchTouchEvent",
                    {"type": "touchMove", "touchPoints": [{"x": x + k * dx / 12, "y": y + k * dy / 12}]},
                )
            touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            settle(page)

        scrolled = page.evaluate("scrollY")
        swipe(x + 6, y + 6, -30, -45)
        assert page.evaluate("scrollY") == scrolled, "a finger on the handle moves the handle"
        assert handle_at(page, "residual", 0) == pytest.approx((x - 30, y - 45), abs=1.5)
        check_numbers(page, "residual")
        before = state_of(page, "residual")
        swipe(x + 60, y + 60, 0, -80)
        assert page.evaluate("scrollY") > scrolled + 20, "a finger beside it scrolls the page"
        assert state_of(page, "residual") == before


def test_buttons(browser, playground):
    with opened(browser, playground) as page:
        press = lambda name, key: (page.locator(f"explorer-{name} [data-action={key}]").click(), settle(page))
        said = lambda name: page.locator(f"explorer-{name} [role=status]").inner_text()
        for key in ("forward", "likelihood", "reverse"):
            wanted, note = act("two-humps", key, state_of(page, "two-humps"))
            press("two-humps", key)
            assert state_of(page, "two-humps") == pytest.approx(wanted)
            assert said("two-humps").startswith(note)
            check_numbers(page, "two-humps")
        assert "local minimum" in said("two-humps")  # downhill from the covering fit, at d = 6
        before = readout(page, "two-humps")
        press("two-humps", "sample")
        after = readout(page, "two-humps")
        assert [a == b for a, b in zip(after, before)] == [True, True, False, True]
        check_numbers(page, "two-humps")
        press("two-humps", "reset")
        assert state_of(page, "two-humps") == start("two-humps")
        press("two-humps", "reverse")
        assert said("two-humps").startswith("Best reverse KL: q keeps to one hump.")
        press("constant-gap", "best")
        assert said("constant-gap").startswith("Both curves are lowest") and "slope of both 0.000" in said(
            "constant-gap"
        )
        press("constant-gap", "reset")
        assert state_of(page, "constant-gap") == start("constant-gap")


def test_buttons_of_the_residual(browser, playground):
    with opened(browser, playground) as page:
        press = lambda key: (page.locator(f"explorer-residual [data-action={key}]").click(), settle(page))
        said = lambda: page.locator("explorer-residual [role=status]").inner_text()
        steps = lambda: page.locator("explorer-residual .step").count()
        for count, key in enumerate(["gradient", "gradient", "natural", "best"], 1):
            wanted, note = act("residual", key, state_of(page, "residual"))
            press(key)
            state = state_of(page, "residual")
            assert [state["eta1"], state["eta2"]] == pytest.approx([wanted["eta1"], wanted["eta2"]]) and state[
                "trail"
            ] == wanted["trail"]
            assert said().startswith(note) and steps() == count
            check_numbers(page, "residual")
        assert "the residual is zero" in said() and page.locator("explorer-residual .arrow").count() == 0
        press("gradient")
        assert said().startswith("The residual is zero: there is nowhere better to go.") and steps() == 4
        press("reset")
        assert state_of(page, "residual") == start("residual") and steps() == 0
        # the trail ends where the reader takes over
        press("gradient")
        page.locator("explorer-residual input").first.press("ArrowRight")
        settle(page)
        assert steps() == 0 and state_of(page, "residual")["trail"] == []


def test_motion_only_where_it_is_wanted(browser, playground):
    watch = """(() => { const e = document.querySelector('explorer-two-humps'), seen = new Set();
        e.querySelector('[data-action=forward]').click();
        return new Promise(r => { const t0 = performance.now(), f = () => {
            seen.add(e.state.mu); performance.now() - t0 < 700 ? requestAnimationFrame(f) : r([...seen]); }; f(); }); })()"""
    with opened(browser, playground) as page:
        assert page.evaluate(watch) == [0]
    with opened(browser, playground, reduced_motion="no-preference") as page:
        seen = page.evaluate(watch)
        assert len(seen) > 3 and seen[-1] == 0 and seen == sorted(seen, reverse=True)


def test_status_is_throttled(browser, playground):
    with opened(browser, playground) as page:
        page.evaluate("""window.spoken = 0; new MutationObserver(() => window.spoken++).observe(
            document.querySelector('explorer-constant-gap [role=status]'), {childList: true})""")
        page.locator("explorer-constant-gap input").focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        settle(page)
        assert 1 <= page.evaluate("window.spoken") <= 5


def test_without_javascript_a_figure_stands_in(browser, playground):
    for width in (360, 900):
        with opened(browser, playground, width=width, java_script_enabled=False) as page:
            for name in NAMES:
                figure = page.get_by_role("img").and_(page.locator(f"explorer-{name} .explorer-figure"))
                assert figure.is_visible() and figure.bounding_box()["height"] > 120
                assert page.locator(f"explorer-{name} [role=status]").is_visible()
                assert page.locator(f"explorer-{name} dd").first.is_visible()
                assert page.locator(f"explorer-{name} input:visible, explorer-{name} button:visible").count() == 0
                assert page.locator(f"explorer-{name} .handle:visible").count() == 0


@pytest.mark.parametrize("width", [320, 360, 600, 900, 1400])
def test_fits_every_width(browser, playground, width):
    with opened(browser, playground, width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name in NAMES:
            outer = page.locator(f"explorer-{name}").bounding_box()
            inside = page.evaluate(f"""[...document.querySelectorAll('explorer-{name} text, explorer-{name} dd, explorer-{name} dt,'
                + 'explorer-{name} button, explorer-{name} input')].map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])""")
            assert min(a for a, _ in inside) >= outer["x"] and max(b for _, b in inside) <= outer["x"] + outer["width"]
            sizes = page.evaluate(f"""[...document.querySelectorAll('explorer-{name} .explorer-figure text')].map(
                e => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getScreenCTM().a)""")
            assert min(sizes) >= 8.5
            for box in (e.bounding_box() for e in page.locator(f"explorer-{name} button, explorer-{name} input").all()):
                assert min(box["width"], box["height"]) >= 40, "targets for fingers"


LUMINANCE = """(() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  const light = (colour, over) => {
    canvas.fillStyle = over || '#fff'; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const c = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * c[0] + .7152 * c[1] + .0722 * c[2];
  };
  const paper = (e) => { for (; e; e = e.parentElement) { const b = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(b)) return b; } return '#fff'; };
  const out = [];
  for (const e of document.querySelectorAll('.explorer legend, .explorer label span, .explorer-value, .explorer button, .explorer dt, .explorer dd, .explorer-status, .explorer-figure text')) {
    const style = getComputedStyle(e), over = paper(e), a = light(e instanceof SVGElement ? style.fill : style.color, over), b = light(over);
    out.push(['text ' + e.textContent, (Math.max(a, b) + .05) / (Math.min(a, b) + .05), 4.5]);
  }
  for (const e of document.querySelectorAll('.explorer .curve, .explorer .outline, .explorer .gap, .explorer .tangent, .explorer .axis, .explorer .bar, .explorer .stem, .explorer .arrow, .explorer .dot')) {
    const over = paper(e), a = light(getComputedStyle(e).stroke, over), b = light(over);
    out.push(['line ' + e.getAttribute('class'), (Math.max(a, b) + .05) / (Math.min(a, b) + .05), 3]);
  }
  return out;
})()"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(browser, playground, theme):
    with opened(browser, playground) as page:
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        measured = page.evaluate(LUMINANCE)
        assert len(measured) > 60
        paper = page.evaluate("getComputedStyle(document.querySelector('.explorer')).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (theme == "light")
        assert [row for row in measured if row[1] < row[2]] == []


def test_curves_differ_by_more_than_colour(browser, playground):
    with opened(browser, playground) as page:
        for name in NAMES:
            dashes = page.evaluate(f"""[...document.querySelectorAll('explorer-{name} .explorer-figure .curve:not(.model)')].map(
                e => getComputedStyle(e).strokeDasharray)""")
            assert len(dashes) >= 2 and len(set(dashes)) == len(dashes)


def test_print_shows_the_figure_alone(browser, playground):
    with opened(browser, playground) as page:
        page.emulate_media(media="print")
        for name in NAMES:
            assert page.locator(f"explorer-{name} .explorer-figure").is_visible()
            assert page.locator(f"explorer-{name} dd").first.is_visible()
            assert (
                page.locator(
                    f"explorer-{name} input:visible, explorer-{name} button:visible, explorer-{name} .handle:visible"
                ).count()
                == 0
            )


def test_accessible_names(browser, playground):
    with opened(browser, playground) as page:
        for name in NAMES:
            for control in controls(name):
                assert (
                    page.locator(f"explorer-{name}").get_by_role("slider", name=control["label"], exact=True).count()
                    == 1
                )
            assert page.locator(f"explorer-{name}").get_by_role("group").count() == 1
            before = page.locator(f"explorer-{name} [role=img]").get_attribute("aria-label")
            page.locator(f"explorer-{name} input").first.press("End")
            settle(page)
            assert page.locator(f"explorer-{name} [role=img]").get_attribute("aria-label") != before


def test_works_from_a_file(browser, tmp_path):
    shutil.copytree(explorer.FOLDER, tmp_path / "explorers")
    scripts = "".join(f'<script defer src="explorers/{name}.js"></script>' for name in [explorer.SHARED, *NAMES])
    body = "".join(explorer.render(name) for name in NAMES)
    (tmp_path / "index.html").write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>File</title>{scripts}</head><body>{body}</body></html>',
        encoding="utf-8",
    )
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.explorer.ready').length === %d" % len(NAMES))
    page.locator("explorer-constant-gap input").press("Home")
    settle(page)
    assert readout(page, "constant-gap")[0] == pytest.approx(model("constant-gap", {"lambda": 0.1})["cross"], abs=1e-4)
    page.close()
