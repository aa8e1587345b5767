"""Forward and reverse KL between two humps and a normal."""

from __future__ import annotations

import functools
import itertools

from scipy import integrate, optimize, stats

import companion
from companion.divergence import reverse_fit, reverse_transitions, two_humps
from companion.families import Normal
from explorers.every import *

NAME = "two-humps"
SPOKEN = ("forward", "reverse", "loglik")
SHOWN = {"forward": 4, "reverse": 4, "loglik": 4, "expected": 4}
DRAGS = [(0, "sigma"), (1, "mu")]
SEEDS = (1, 2, 99)
GRID = [
    {"d": d, "mu": mu, "sigma": sigma, "seed": SEEDS[number % 3]}
    for number, (d, mu, sigma) in enumerate(itertools.product((0, 1, 2.5, 4.9, 6, 8), (-6, 0, 0.35, 3), (0.4, 0.85, 3)))
]
#: A third of them, in which every two values of different sliders meet.
STATES = [state for i, state in enumerate(GRID) if (i // 12 + i // 3 % 4 + i) % 3 == 0]


def draws(m, seed, n=200):
    """The explorer's sample: Lehmer's generator (modulus 2^31 − 1, multiplier 48271) and the Box–Muller transform."""
    state = 7919 * seed % 2147483647

    def uniform():
        nonlocal state
        state = 48271 * state % 2147483647
        return state / 2147483647

    uniform(), uniform()
    x = []
    for _ in range(n):
        radius, angle, side = uniform(), uniform(), uniform()
        x.append(np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle) + (-m if side < 0.5 else m))
    return np.array(x)


@functools.cache
def entropy(d):
    return float(companion.entropy(two_humps(d / 2)))


@functools.cache
def numbers(d, mu, sigma, seed):
    x = draws(d / 2, seed)
    p, q = two_humps(d / 2), Normal(mu, sigma)
    return {
        "entropy": entropy(d),
        "forward": float(companion.kl_divergence(p, q)),
        "reverse": float(companion.kl_divergence(q, p)),
        "loglik": float(companion.log_likelihood(q, x)) / len(x),
        "expected": -float(companion.cross_entropy(p, q)),
    }


def by_hand(d, mu, sigma, seed):
    m = d / 2
    log_p = lambda x: np.logaddexp(stats.norm.logpdf(x, -m), stats.norm.logpdf(x, m)) - np.log(2)
    log_q = lambda x: stats.norm.logpdf(x, mu, sigma)

    def mean(f, log_weight, centres, width):
        cuts = sorted({c + k * width for c in centres for k in (-12, -6, -3, -1, 0, 1, 3, 6, 12)} | {0.0})
        return panels(lambda x: np.exp(log_weight(x)) * f(x), cuts)

    entropy = mean(lambda x: -log_p(x), log_p, (-m, m), 1)
    expected = mean(log_q, log_p, (-m, m), 1)
    reverse = mean(lambda x: log_q(x) - log_p(x), log_q, (mu,), sigma)
    loglik = np.mean(log_q(draws(m, seed)))
    return {
        "loglik": loglik,
        "entropy": entropy,
        "forward": -entropy - expected,
        "reverse": reverse,
        "expected": expected,
    }


def test_numbers_on_the_whole_grid():
    """By SciPy; those of the companion, which integrates to a known error and therefore longer, at a third of it."""
    pairs = [{(state[a], state[b]) for state in STATES} for a, b in (("d", "mu"), ("d", "sigma"), ("mu", "sigma"))]
    assert len(STATES) == 24 and list(map(len, pairs)) == [24, 18, 12]
    for state in GRID:
        shown = model(NAME, state)
        for key, value in by_hand(**state).items():
            np.testing.assert_allclose(shown[key], value, rtol=1e-8, atol=1e-9, err_msg=f"{key} at {state}")


def test_the_sample_is_the_documented_one():
    for seed in SEEDS:
        x = model("two-humps", {"d": 5, "mu": 0, "sigma": 1, "seed": seed})["x"]
        np.testing.assert_allclose(x, draws(2.5, seed), rtol=0, atol=1e-12)
    assert stats.kstest(draws(2.5, 1), lambda t: (stats.norm.cdf(t, -2.5) + stats.norm.cdf(t, 2.5)) / 2).pvalue > 0.05


def test_kl_is_never_negative_and_zero_where_the_two_are_equal():
    same = model(NAME, {"d": 0, "mu": 0, "sigma": 1, "seed": 1})
    assert same["forward"] == pytest.approx(0, abs=1e-14) and same["reverse"] == pytest.approx(0, abs=1e-14)
    rng = np.random.default_rng(3)
    for _ in range(100):
        d, mu, sigma = rng.uniform([0, -6, 0.4], [8, 6, 6])
        found = model(NAME, {"d": d, "mu": mu, "sigma": sigma, "seed": 1})
        assert found["forward"] > -1e-13 and found["reverse"] > -1e-13


def integrands(state, width=640):
    """Outlines of both integrands in the drawing, in pixels."""
    drawn = "".join(view(NAME, state, width)["panels"])
    for key in ("forward", "reverse"):
        path = re.search(rf'class="integrand {key}" d="([^"]*)"', drawn).group(1)
        yield key, np.array([list(map(float, spot.split())) for spot in re.findall(r"[ML]([-\d.]+ [-\d.]+)", path)]).T


def terms(d, mu, sigma):
    """What each outcome adds to either KL, by SciPy."""
    x = np.linspace(-8, 8, 161)
    log_p = np.logaddexp(stats.norm.logpdf(x, -d / 2), stats.norm.logpdf(x, d / 2)) - np.log(2)
    log_q = stats.norm.logpdf(x, mu, sigma)
    return {"forward": np.exp(log_p) * (log_p - log_q), "reverse": np.exp(log_q) * (log_q - log_p)}


def area(x, y):
    """Area between a drawn integrand and its zero line, in square pixels, above counted positive."""
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


@pytest.mark.parametrize(("d", "mu", "sigma"), [(3, 0.5, 1.5), (4, 0, 2.2), (6, 1.5, 1.2)])
def test_the_net_areas_of_the_integrands_are_the_two_divergences(d, mu, sigma):
    state = {"d": d, "mu": mu, "sigma": sigma, "seed": 1}
    found = model(NAME, state)
    top = max(1.2, 1.05 * max(values.max() for values in terms(d, mu, sigma).values()))  # of the axis, in nats
    a_nat = (630 - 34) / 16 * (338 - 252) / (1.25 * top)  # square pixels
    for key, (x, y) in integrands(state):
        assert area(x, y) / a_nat == pytest.approx(found[key], abs=0.03)


@pytest.mark.parametrize("width", [328, 640])
def test_the_axis_holds_the_integrands(width):
    """Whatever the state: nothing is cut off, the curves are SciPy's, and the upper tick says how high they are."""
    for state in GRID:
        drawn = "".join(view(NAME, state, width)["panels"])
        ticks = {
            float(value.replace(MINUS, "-")): float(y) - 4
            for y, value in re.findall(r'<text class="tick end" x="28" y="([\d.]+)">([^<]+)</text>', drawn)
            if 252 <= float(y) - 4 <= 338
        }
        zero, (tick, at) = ticks.pop(0), ticks.popitem()
        assert not ticks and (zero - at) / (338 - 252) > 0.3, "a tick that helps"
        wanted = terms(state["d"], state["mu"], state["sigma"])
        for key, (_, y) in integrands(state, width):
            assert 252 <= y.min() and y.max() <= 338
            np.testing.assert_allclose((zero - y[:161]) / (zero - at), wanted[key] / tick, atol=0.01)


# --- the buttons that go to the best ---------------------------------------------------------------------------
DISTANCES = (0, 1, 3, 4.8, 5, 5.5, 5.6, 6, 8)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_what_the_buttons_say(page):
    for key in ("forward", "likelihood", "reverse"):
        wanted, note = act(NAME, key, state_of(page, NAME))
        press(page, NAME, key)
        assert state_of(page, NAME) == pytest.approx(wanted) and said(page, NAME).startswith(note)
    assert "local minimum" in said(page, NAME)  # downhill from the covering fit, at d = 6
    before = readout(page, NAME)
    press(page, NAME, "sample")
    assert [a == b for a, b in zip(readout(page, NAME), before)] == [True, True, False, True]
    press(page, NAME, "reset")
    press(page, NAME, "reverse")
    assert said(page, NAME).startswith("Best reverse KL: q keeps to one hump.")


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
