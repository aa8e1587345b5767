"""Expectation–maximisation on the waits of Old Faithful."""

from __future__ import annotations

from scipy import optimize, stats

from companion import em
from companion.families import Mixture, Normal
from companion.lesson.datasets import old_faithful
from explorers.every import *

NAME = "em"
SPOKEN = ()
SHOWN = {
    "loglik": 2,
    "bound": 2,
    "gap": 2,
    "share one": (1, lambda s, n: 100 * s["w"]),
    "mean one": (2, lambda s, n: s["m1"]),
    "sd one": (2, lambda s, n: s["s1"]),
    "share two": (1, lambda s, n: 100 * (1 - s["w"])),
    "mean two": (2, lambda s, n: s["m2"]),
    "sd two": (2, lambda s, n: s["s2"]),
}
DRAGS = [(0, "m1")]
KEYS = ("w", "m1", "s1", "m2", "s2")
POINTS = [
    (0.36, 71.0, 8.0, 80.0, 6.0),
    (0.5, 51.0, 10.0, 80.0, 10.0),
    (0.3609, 54.61, 5.87, 80.09, 5.87),
    (0.1, 95.0, 3.0, 70.0, 14.0),
    (0.8, 70.0, 13.0, 78.0, 0.7),
]
STATES = [dict(zip(KEYS, here)) | {"made": list(made)} for here in POINTS for made in POINTS]


def waits():
    return old_faithful().waiting


def mixture(w, m1, s1, m2, s2):
    return Mixture([w, 1 - w], Normal([m1, m2], [s1, s2]))


def numbers(made, **state):
    here, q = mixture(**state), mixture(*made).posterior(waits())
    loglik, bound = here.log_prob(waits()).sum(), em.mixture_elbo(here, waits(), q).sum()
    top = latent_step(q)
    return {"loglik": loglik, "bound": bound, "gap": loglik - bound, "top": top}


def latent_step(q):
    """The M step as weighted fits of the companion's normal family."""
    fits = [Normal.fit(waits(), weights=q[:, k]) for k in (0, 1)]
    return [q[:, 0].mean(), *(float(v) for fit in fits for v in (fit.mean(), fit.sd))]


def by_hand(made, **state):
    x = waits()
    log_joint = lambda w, m1, s1, m2, s2: np.log([w, 1 - w]) + stats.norm.logpdf(x[:, None], [m1, m2], [s1, s2])
    here, then = log_joint(**state), log_joint(*made)
    log_q = then - np.logaddexp(*then.T)[:, None]
    q = np.exp(log_q)
    loglik = np.logaddexp(*here.T)
    return {
        "loglik": loglik.sum(),
        "bound": np.sum(q * (here - log_q)),
        "gap": np.sum(q * (log_q - (here - loglik[:, None]))),
    }


def test_the_explorer_knows_the_waits():
    data = explorer.run('Explorer.get("em").data')
    counted = np.repeat(data["first"] + np.arange(len(data["counts"])), data["counts"])
    np.testing.assert_array_equal(counted, np.sort(waits()))


def state(point, made=None):
    return {**start(NAME), **dict(zip(KEYS, point)), "made": list(made or point)}


@pytest.mark.parametrize("point", POINTS)
def test_e_step_closes_the_gap_and_m_step_climbs_to_the_top_of_the_bound(point):
    before = state(point, POINTS[0])
    touching, note = act(NAME, "e", before)
    after = model(NAME, touching)
    assert touching["made"] == list(point) and after["loglik"] == model(NAME, before)["loglik"]
    assert after["gap"] == pytest.approx(0, abs=1e-9) and after["bound"] == pytest.approx(after["loglik"], abs=1e-9)
    climbed, note = act(NAME, "m", touching)
    top = model(NAME, climbed)
    assert top["bound"] >= after["bound"] and top["loglik"] >= top["bound"] - 1e-9
    higher = top["bound"] - after["bound"]
    assert (f"{top['loglik'] - after['loglik']:.2f}" in note) if higher > 1e-4 else "at its top already" in note
    # no other parameters have a higher bound for these responsibilities
    bound = lambda v: model(NAME, {**climbed, **dict(zip(KEYS, v))})["bound"]
    best = [climbed[key] for key in KEYS]
    for k in range(5):
        for h in (1e-4, -1e-4):
            assert bound([v * (1 + h * (i == k)) for i, v in enumerate(best)]) < top["bound"]


@pytest.mark.parametrize("seed", [1, 2, 7, 50])
def test_run_never_goes_down_and_ends_where_the_slope_is_zero(seed):
    begin, _ = act(NAME, "random", {**start(NAME), "seed": seed})
    assert begin["m1"] in waits() and begin["m2"] in waits() and begin["m1"] != begin["m2"]
    answer = explorer.run(f'Explorer.get("em").actions.find(a => a.key === "run").run({json.dumps(begin)})')
    climb = [model(NAME, {**begin, **each})["loglik"] for each in (begin, *answer["way"], answer["state"])]
    assert np.all(np.diff(climb) > -1e-9) and "never down" in answer["note"]
    end = [answer["state"][key] for key in KEYS]
    loss = lambda v: -mixture(v[0], v[1], v[2], v[3], v[4]).log_prob(waits()).sum()
    assert np.max(np.abs(optimize.approx_fprime(end, loss, 1e-6))) < 0.01
    found = optimize.minimize(loss, end, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 4000})
    assert climb[-1] == pytest.approx(-found.fun, abs=1e-6)


def test_every_press_of_spike_raises_the_likelihood_without_end():
    here, values = start(NAME), []
    for _ in range(4):
        here, note = act(NAME, "spike", here)
        values.append(model(NAME, here)["loglik"])
    ties = np.sum(waits() == here["m1"])
    assert np.diff(values)[-1] == pytest.approx(ties * np.log(10), abs=0.2) and f"up by {ties} log 10" in note
    best, _ = act(NAME, "run", start(NAME))
    assert values[-1] > model(NAME, best)["loglik"] + 50, "higher than the fit that means something"
    again, note = act(NAME, "spike", here)
    assert again == here and "no end" in note


def test_the_drawn_bound_touches_the_curve_from_below(page):
    for keys in (["e"], ["m"], ["e", "m"], ["run"]):
        for key in keys:
            press(page, NAME, key)
        paths = page.evaluate("""['loglik', 'bound-em'].map(c => document.querySelector(`explorer-em .curve.${c}`)
            .getAttribute('d').match(/[-\\d.]+ [-\\d.]+/g).map(s => s.split(' ').map(Number)))""")
        curve, bound = map(np.array, paths)
        assert np.all(bound[:, 1] >= curve[:, 1] - 0.11), "pixels count downwards"
        if keys[-1] in ("e", "run"):
            at = state_of(page, NAME)["m1"]
            x = np.interp(at, [40, 100], [curve[0, 0], curve[-1, 0]])
            assert np.min(np.hypot(bound[:, 0] - x, bound[:, 1] - np.interp(x, *curve.T))) < 4
