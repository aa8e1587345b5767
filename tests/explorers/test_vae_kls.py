"""The divergences in the objective of a VAE."""

from __future__ import annotations

import itertools

from scipy import optimize, stats

from companion.families import MultivariateNormal
from companion.vae import LinearVAE, loss, objective_parts
from explorers.every import *

NAME = "vae-kls"
SPOKEN = ("loss", "distortion", "rate", "entropy", "data_model", "gap")
SHOWN = {"distortion": 4, "rate": 4, "loss": 4, "nll": 4, "entropy": 4, "data_model": 4, "gap": 4}
DRAGS = [(1, "w")]
DECODERS = ((0.0, 0.4), (1.2, 1.2), (3.0, 0.4), (1.7, 3.0))
ENCODERS = ((0.0, 0.05), (0.2, 0.9), (1.25, 1.5), (0.45, 0.3))
STATES = [{"w": w, "sd": sd, "v": v, "tau": tau} for (w, sd), (v, tau) in itertools.product(DECODERS, ENCODERS)]


def numbers(w, sd, v, tau):
    machine, data = LinearVAE([[w]], [0.0], sd, [[v]], [0.0], [tau]), MultivariateNormal([0.0], [[4.0]])
    parts = objective_parts(machine, data)
    shown = {key: value for key, value in parts._asdict().items() if key != "joint"}
    return shown | {"loss": parts.distortion + parts.rate, "nll": loss(machine, data, "nll")}


def by_hand(w, sd, v, tau):
    """The same by SciPy's densities and Gauss–Hermite quadrature over x and z, exact for these integrands."""
    t, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / weights.sum()
    x = 2 * t[:, None]
    z = v * x + tau * t
    mean = lambda f: float(weights @ np.broadcast_to(f, z.shape) @ weights)
    data, q, prior = stats.norm(0, 2).logpdf(x), stats.norm(v * x, tau).logpdf(z), stats.norm.logpdf(z)
    decoder, marginal = stats.norm(w * z, sd).logpdf(x), stats.norm(0, np.hypot(w, sd)).logpdf(x)
    codes = stats.norm(0, np.hypot(2 * v, tau)).logpdf(z)
    return {
        "distortion": mean(-decoder),
        "rate": mean(q - prior),
        "entropy": mean(-data),
        "data_model": mean(data - marginal),
        "gap": mean(q - (prior + decoder - marginal)),
        "information": mean(q - codes),
        "codes": mean(codes - prior),
        "loss": mean(q - prior - decoder),
        "nll": mean(-prior - decoder),
    }


VAES = [
    {"w": w, "sd": sd, "v": v, "tau": tau}
    for (w, sd), (v, tau) in zip(DECODERS[1:] * 2, ENCODERS + ((0.8, 0.2), (0.1, 1.0)))
]


@pytest.mark.parametrize("state", VAES, ids=str)
def test_both_bars_have_one_height_and_each_side_moves_its_own_divergence(state):
    found = model("vae-kls", state)
    assert found["entropy"] + found["data_model"] + found["gap"] == pytest.approx(found["loss"], abs=1e-12)
    assert found["information"] + found["codes"] == pytest.approx(found["rate"], abs=1e-12)
    other_decoder, other_encoder = (
        model("vae-kls", {**state, "w": 0.7, "sd": 0.9}),
        model("vae-kls", {**state, "v": 0.3, "tau": 0.6}),
    )
    assert other_decoder["rate"] == found["rate"] and other_encoder["data_model"] == found["data_model"]


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
    found_there, names = model("vae-kls", after), ("w", "sd", "v", "tau")
    code_score = 0.5 * (np.log(2 * np.pi) + 4 * after["v"] ** 2 + after["tau"] ** 2)
    assert found_there["nll"] == pytest.approx(found_there["distortion"] + code_score, rel=1e-12)
    found = optimize.minimize(
        lambda t: model("vae-kls", dict(zip(names, t)))["nll"],
        [2.0, 0.6, 0.4, 0.3],
        method="L-BFGS-B",
        bounds=[ranges[k] for k in names],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )
    assert found_there["nll"] == pytest.approx(found.fun, abs=1e-8) and [after[k] for k in names] == pytest.approx(
        found.x, abs=1e-4
    )
    assert (after["w"], after["sd"], after["tau"]) == (3, 0.4, 0.05), "the ends of three sliders"
    # with the rate in its place the model of these data is exact; here it is too wide, and no density has so small an NLL
    assert found_there["data_model"] > 0.1 and found_there["gap"] > 0.5 and found_there["nll"] < found_there["entropy"]
    assert "stop only where their sliders end" in note


def test_drag_of_the_encoder_up_and_down(page):
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
    check_numbers(page, sys.modules[__name__])
