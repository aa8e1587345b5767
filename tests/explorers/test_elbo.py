"""The lower bound on the log-likelihood of one observation."""

from __future__ import annotations

import itertools

from scipy import stats

from companion import latent
from companion.families import Normal
from explorers.every import *

NAME = "elbo"
SPOKEN = ("logp", "elbo", "gap")
SHOWN = {"logp": 4, "elbo": 4, "gap": 4, "fit": 4, "prior": 4}
DRAGS = [(0, "sigma"), (1, "mu")]
STATES = [
    {"mu": mu, "sigma": sigma, "height": height}
    for mu, sigma, height in itertools.product((-2, -0.3, 0.8, 1.6), (0.1, 0.3, 0.7, 2), (-1, 0.5, 1.5, 3))
]


def numbers(mu, sigma, height):
    given, q = latent.gaussian_decoder([[0.1, height]], latent.arch, 0.5), Normal(mu, sigma)
    logp = float(latent.evidence_on_grid(given, 1, 0.02).value[0])
    bound, prior = float(latent.elbo(given, q).value[0]), float(q.kl_divergence(Normal(0.0, 1.0)))
    return {"logp": logp, "elbo": bound, "gap": logp - bound, "fit": bound + prior, "prior": prior}


def by_hand(mu, sigma, height):
    """The same by SciPy's densities alone; the gap as the integral of q (posterior/q − 1 − log(posterior/q)), never negative."""
    given = lambda z: stats.norm.logpdf(0.1, z, 0.5) + stats.norm.logpdf(height, z * z, 0.5)
    prior, q = stats.norm, stats.norm(mu, sigma)

    def integral(f, *more):
        cuts = sorted({*np.linspace(-5, 5, 41), *(mu + sigma * np.linspace(-12, 12, 25)), *more})
        return panels(f, cuts)

    logp = np.log(integral(lambda z: np.exp(given(z) + prior.logpdf(z))))
    log_ratio = lambda z: given(z) + prior.logpdf(z) - logp - q.logpdf(z)
    gap = integral(lambda z: np.exp(q.logpdf(z) + log_ratio(z)) - q.pdf(z) * (1 + log_ratio(z)))
    fit = integral(lambda z: q.pdf(z) * given(z))
    rest = integral(lambda z: q.pdf(z) * (q.logpdf(z) - prior.logpdf(z)))
    return {"logp": logp, "elbo": fit - rest, "gap": gap, "fit": fit, "prior": rest}


CLIMBS = [
    (mu, sigma, height) for mu in (-2.0, -0.3, 0.8, 1.6) for sigma in (0.15, 0.7, 1.4) for height in (-1, 0.5, 1.5, 3)
]


@pytest.mark.parametrize(("mu", "sigma", "height"), CLIMBS)
def test_bound_and_gap_make_the_log_evidence_and_the_climb_ends_on_a_top(mu, sigma, height):
    state = {"mu": mu, "sigma": sigma, "height": height}
    found = model("elbo", state)
    assert found["elbo"] + found["gap"] == pytest.approx(found["logp"], abs=1e-9 * (1 + abs(found["elbo"])))
    assert found["fit"] - found["prior"] == pytest.approx(found["elbo"], abs=1e-9)
    after, note = act("elbo", "climb", state)
    top = model("elbo", after)
    assert top["elbo"] >= found["elbo"] and f"{abs(found['elbo']):.4f}" in note
    assert -2 < after["mu"] < 2 and 0.1 < after["sigma"] < 2, "within the reach of the sliders"
    for h in (1e-3, -1e-3):
        assert model("elbo", after | {"mu": after["mu"] + h})["elbo"] < top["elbo"]
        assert model("elbo", after | {"sigma": after["sigma"] * (1 + h)})["elbo"] < top["elbo"]
