"""The residual of a normal distribution on the waits of Old Faithful."""

from __future__ import annotations

import itertools

from scipy import integrate, optimize, stats

import companion
from companion import residuals
from companion.families import Normal
from companion.lesson.datasets import old_faithful
from explorers.every import *

NAME = "residual"
SPOKEN = ("loglik", "kl")
SHOWN = {
    "eta": (3, lambda state, found: [state["eta1"], state["eta2"]]),
    "model": 3,
    "data": 3,
    "residual": 3,
    "loglik": 4,
    "kl": 4,
}
DRAGS = []  # its handle is free: tests of its own
STATES = [
    {"eta1": a, "eta2": b} for a, b in itertools.product((-1, -0.45, 0, 0.05, 0.5, 1), (-1, -0.6, -0.2715, -0.2, -0.1))
]


def standardised():
    """The waits of Old Faithful as the third explorer measures them: x = (minutes − 70)/10, shape (272,)."""
    return (old_faithful().waiting - 70) / 10


def waits():
    """All the third explorer knows of its data: number of waits, sums of x and x², counts from 40 minutes in fives."""
    x = standardised()
    counts, _ = np.histogram(old_faithful().waiting, bins=np.arange(40, 101, 5))
    return {"n": len(x), "sum": float(x.sum()), "squares": float(x @ x), "counts": counts.tolist()}


def numbers(eta1, eta2):
    x, q = standardised(), Normal.from_natural([eta1, eta2])
    means, data = q.mean_parameters(), q.sufficient_statistics(x).mean(axis=0)
    return {
        "mean": float(q.mean()),
        "sd": float(q.sd),
        "model": means.tolist(),
        "data": data.tolist(),
        "residual": (data - means).tolist(),
        "loglik": float(companion.log_likelihood(q, x)) / len(x),
        "kl": float(Normal.fit(x).kl_divergence(q)),
    }


def by_hand(eta1, eta2):
    """The same by SciPy alone, from the density exp(η₁x + η₂x²) without its normaliser."""
    x, centre = standardised(), -eta1 / (2 * eta2)

    def integral(f):
        ends = np.array([-40, -10, -3, 0, 3, 10, 40]) / np.sqrt(-2 * eta2) + centre
        return sum(
            integrate.quad(f, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0] for a, b in itertools.pairwise(ends)
        )

    log_h = lambda t: eta1 * t + eta2 * t**2
    log_z = np.log(integral(lambda t: np.exp(log_h(t))))
    first, second = (integral(lambda t, k=k: t**k * np.exp(log_h(t) - log_z)) for k in (1, 2))
    best = stats.norm(*stats.norm.fit(x))
    kl = sum(
        integrate.quad(lambda t: best.pdf(t) * (best.logpdf(t) - log_h(t) + log_z), a, b, epsabs=1e-14, epsrel=1e-13)[0]
        for a, b in itertools.pairwise(best.mean() + best.std() * np.array([-12, -3, 0, 3, 12]))
    )
    data = [np.mean(x), np.mean(x**2)]
    return {
        "mean": first,
        "sd": np.sqrt(second - first**2),
        "model": [first, second],
        "data": data,
        "residual": [data[0] - first, data[1] - second],
        "loglik": np.mean(log_h(x)) - log_z,
        "kl": kl,
    }


ETAS = [(0.5, -0.2), (-0.9, -0.95), (1, -0.1), (0.05, -0.2715), (-0.3, -0.15), (0.8, -0.6)]
EDGES = np.linspace(-1, 1, 21), np.linspace(-1, -0.1, 22)


def at(eta1, eta2):
    return {"eta1": float(eta1), "eta2": float(eta2), "trail": []}


def residual_model(eta1, eta2):
    return model("residual", at(eta1, eta2))


def test_the_explorer_knows_the_sums_and_the_counts_of_the_data():
    waiting = old_faithful().waiting
    data = explorer.run('Explorer.get("residual").data')
    assert data == {key: pytest.approx(value, rel=1e-12) for key, value in waits().items()}
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
    theirs = residuals.natural_gradient_step(Normal.from_natural([eta1, eta2]), standardised(), length=0.5)
    np.testing.assert_allclose([after["eta1"], after["eta2"]], theirs.natural_parameters(), rtol=1e-9)
    assert after["trail"] == [[eta1, eta2]] and "halved" in note


def test_every_gradient_step_within_reach_climbs_and_all_end_at_the_best():
    best = explorer.run('Explorer.get("residual").best')
    walk = """(s => { const e = Explorer.get("residual"), out = [e.model(s).loglik];
        for (let k = 0; k < 280; k++) { s = e.steps.gradient(s); out.push(e.model(s).loglik); }
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
    x = standardised()
    state, note = act("residual", "best", at(eta1, eta2))
    assert note.startswith("Moment matching")
    found_there = residual_model(state["eta1"], state["eta2"])
    np.testing.assert_allclose(found_there["residual"], 0, atol=1e-14)
    assert found_there["kl"] == pytest.approx(0, abs=1e-15)
    loss = lambda t: -np.mean(stats.norm.logpdf(x, -t[0] / (2 * t[1]), np.sqrt(-1 / (2 * t[1]))))
    found = optimize.minimize(
        loss, [0, -0.4], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14, "maxiter": 2000}
    )
    assert found_there["loglik"] == pytest.approx(-found.fun, abs=1e-12)
    assert [state["eta1"], state["eta2"]] == pytest.approx(found.x, abs=1e-6)
    # KL to any other member is what its log-likelihood lacks
    here = residual_model(eta1, eta2)
    assert here["kl"] == pytest.approx(found_there["loglik"] - here["loglik"], abs=1e-13) and here["kl"] >= 0
    # from there no step leads anywhere
    for key in ("gradient", "natural", "best"):
        again, note = act("residual", key, state)
        assert again == state and "zero" in note


def test_trail_keeps_the_last_two_hundred_steps():
    state = at(1, -1)
    for _ in range(210):
        state, _ = act("residual", "gradient", state)
    assert len(state["trail"]) == 200
    assert view(NAME, state)["panels"][0].count('class="step"') == 200


def test_run_takes_gradient_steps_until_the_residual_is_small():
    state, note = act(NAME, "run", at(0.5, -0.2))
    step, count = at(0.5, -0.2), int(note.split()[0])
    for _ in range(count):
        step, _ = act(NAME, "gradient", step)
    assert [state["eta1"], state["eta2"]] == pytest.approx([step["eta1"], step["eta2"]], rel=1e-12)
    assert state["trail"] == step["trail"] and np.hypot(*model(NAME, state)["residual"]) < 1e-3


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


def mean_point(page):
    """Where the model's point is drawn, in CSS pixels of the window."""
    box = page.locator("explorer-residual .dot.model").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_drag_over_the_plane_by_mouse(page):
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
    assert handle_at(page, "residual", 0) == pytest.approx((x - 40, y - 60), abs=1.5), "the handle follows the pointer"
    assert mean_point(page) == pytest.approx((x - 40, y - 60), abs=1.5)
    assert page.locator("explorer-residual .trail").count() == 0, "a drag begins afresh"
    check_numbers(page, sys.modules[__name__])
    # down into the impossible: the point stops above the parabola
    page.mouse.move(x - 40, y - 60)
    page.mouse.down()
    page.mouse.move(x + 60, y + 400, steps=5)
    page.mouse.up()
    settle(page)
    found = check_numbers(page, sys.modules[__name__])
    assert found["model"][1] - found["model"][0] ** 2 == pytest.approx(0.5, abs=1e-6)


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
        check_numbers(page, sys.modules[__name__])
        before = state_of(page, "residual")
        swipe(x + 60, y + 60, 0, -80)
        assert page.evaluate("scrollY") > scrolled + 20, "a finger beside it scrolls the page"
        assert state_of(page, "residual") == before


def test_the_trail_of_the_steps(page):
    steps = lambda: page.locator("explorer-residual .step").count()
    for count, key in enumerate(["gradient", "gradient", "natural", "best"], 1):
        press(page, NAME, key)
        assert steps() == count
    assert "the residual is zero" in said(page, NAME) and page.locator("explorer-residual .arrow").count() == 0
    press(page, NAME, "gradient")
    assert said(page, NAME).startswith("The residual is zero: there is nowhere better to go.") and steps() == 4
    press(page, NAME, "reset")
    assert state_of(page, NAME) == start(NAME) and steps() == 0
    # the trail ends where the reader takes over
    press(page, NAME, "gradient")
    page.locator("explorer-residual input").first.press("ArrowRight")
    settle(page)
    assert steps() == 0 and state_of(page, NAME)["trail"] == []
