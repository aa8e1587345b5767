"""EM for mixtures against direct densities, optimisers and repeated data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

from companion import em
from companion.families import FAMILIES, Binomial, Exponential, Gamma, Mixture, MultivariateNormal, Normal, Poisson
from companion.lesson import datasets
from companion.likelihood import log_likelihood

WAITING = datasets.old_faithful().waiting
GEYSER = np.stack(datasets.old_faithful(), axis=1)
each_seed = pytest.mark.parametrize("seed", range(3))


# --- mixtures and EM ----------------------------------------------------------------------------------------------
def test_mixture_of_vectors_against_scipy():
    mixture = Mixture([0.4, 0.6], MultivariateNormal([[0, 0], [3, 1]], [[[1, 0.5], [0.5, 1]], [[2, 0], [0, 0.3]]]))
    x = np.random.default_rng(0).normal(size=(30, 2), scale=2)
    parts = np.array(
        [
            0.4 * stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).pdf(x),
            0.6 * stats.multivariate_normal([3, 1], [[2, 0], [0, 0.3]]).pdf(x),
        ]
    ).T
    assert_allclose(np.exp(mixture.log_prob(x)), parts.sum(1), rtol=1e-11)
    assert_allclose(mixture.posterior(x), parts / parts.sum(1, keepdims=True), rtol=1e-10)
    assert_allclose(mixture.mean(), [1.8, 0.6])
    assert_allclose(
        mixture.variance(), [0.4 * (1 + 1.8**2) + 0.6 * (2 + 1.2**2), 0.4 * (1 + 0.36) + 0.6 * (0.3 + 0.16)]
    )
    draws = mixture.sample(50_000, 1)
    assert_allclose(draws.mean(axis=0), mixture.mean(), atol=0.05)
    assert_allclose(draws.var(axis=0), mixture.variance(), rtol=0.03)


def kl_of_rows(p, q):
    return np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0), axis=1)


@each_seed
def test_log_evidence_is_elbo_plus_kl_in_a_mixture(seed):
    rng = np.random.default_rng(seed)
    mixture = Mixture(rng.dirichlet(np.ones(3)), Normal(rng.normal(70, 10, 3), rng.uniform(4, 12, 3)))
    r = rng.dirichlet(np.full(3, 0.5), size=len(WAITING))
    r[0] = [1.0, 0.0, 0.0]
    dens = mixture.weights * stats.norm.pdf(WAITING[:, None], mixture.components.mean(), mixture.components.sd)
    assert_allclose(
        em.mixture_elbo(mixture, WAITING, r) + kl_of_rows(r, dens / dens.sum(1, keepdims=True)),
        np.log(dens.sum(1)),
        rtol=1e-10,
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_mixtures_of_every_family_are_fitted(name):
    family, rng = FAMILIES[name].cls, np.random.default_rng(1)
    one, two = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
    x = np.concatenate([one.sample(100, rng), two.sample(100, rng)])
    if name == "VonMises":
        x = x[np.abs(x) < 2]  # away from the seam
    fixed = {parameter: one.parameter(parameter) for parameter in family.fixed_names}
    start = em.random_start(x, family, 2, rng=3, **fixed)
    weights = rng.integers(0, 4, len(x))
    fit = em.fit_mixture(x, start, weights, max_steps=15)
    assert isinstance(fit.mixture.components, family) and fit.mixture.components.batch_shape == (2,)
    assert np.all(np.diff(fit.log_likelihoods) > -1e-9)
    assert_allclose(fit.log_likelihoods[-1], weights @ fit.mixture.log_prob(x), rtol=1e-12)
    # weights are repetitions, and one component is the fit of the family
    twice = em.fit_mixture(np.repeat(x, weights, axis=0), start, max_steps=15)
    assert_allclose(twice.log_likelihoods, fit.log_likelihoods, rtol=1e-8)
    alone = em.random_start(x, family, 1, rng=0, **fixed)
    assert_allclose(alone.log_prob(x), family.fit(x, **fixed).log_prob(x), rtol=1e-12)


def test_clusters_far_apart_are_not_collapsed():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 200), rng.normal(1e6, 1, 200)])
    fit = em.fit_mixture(x, Mixture([0.5, 0.5], Normal([-10.0, 9e5], [1e3, 1e5])))
    assert_allclose(fit.mixture.components.sd, [x[:200].std(), x[200:].std()], rtol=1e-8)
    narrow = 1e9 + np.concatenate([rng.normal(0, 1e-3, 200), rng.normal(1, 1e-3, 200)])
    fit = em.fit_mixture(narrow, Mixture([0.5, 0.5], Normal(1e9 + np.array([0.0, 1.0]), [0.1, 0.1])))
    assert_allclose(fit.mixture.components.sd, 1e-3, rtol=0.1)


@pytest.mark.parametrize("noise", [1.0, 1e-4, 1e-6])
def test_a_narrow_normal_of_vectors_is_no_collapse(noise):
    rng = np.random.default_rng(0)
    z = rng.normal(size=200)
    x = np.column_stack([z, z + noise * rng.normal(size=200)])
    start = em.random_start(x, MultivariateNormal, 1, 0)
    assert_allclose(
        np.linalg.eigvalsh(start.components.cov[0])[0], np.linalg.svd(x - x.mean(0))[1][1] ** 2 / 200, rtol=1e-3
    )
    with pytest.raises(ValueError, match="span 2 dimensions"):
        em.random_start(np.column_stack([z, 3 * z]), MultivariateNormal, 1, 0)


@pytest.mark.parametrize("shift", [0.0, 1.0, 1e7 / 3])
def test_a_component_on_one_value_is_refused_at_any_scale(shift):
    rng = np.random.default_rng(4)
    x = shift + rng.normal(size=50)
    with pytest.raises(ValueError, match="component 1"):
        em.fit_mixture(x, Mixture([0.5, 0.5], Normal([x.mean(), x[7]], [1.0, 1e-4])))


def test_constant_data():
    with pytest.raises(ValueError, match="no maximum exists"):
        em.random_start(np.full(5, 3.0), Normal, 1, 0)
    assert em.random_start(np.full(5, 3.0), Poisson, 1, 0).components.rate == 3.0
    assert em.random_start([[1.0, 5.0], [2.0, 4.0], [4.0, 4.5]], MultivariateNormal, 1, 0).weights == [1.0]


MIXTURES = {
    "Normal": (Mixture([0.3, 0.7], Normal([-1.0, 2.0], [0.5, 1.0])), Mixture([0.5, 0.5], Normal([-0.5, 0.5], 1.0))),
    "Poisson": (Mixture([0.3, 0.7], Poisson([1.0, 6.0])), Mixture([0.5, 0.5], Poisson([2.0, 3.0]))),
    "Gamma": (Mixture([0.5, 0.5], Gamma([9.0, 2.0], [9.0, 0.4])), Mixture([0.5, 0.5], Gamma([1.5, 2.5], 1.0))),
    "Exponential": (Mixture([0.5, 0.5], Exponential([0.3, 4.0])), Mixture([0.6, 0.4], Exponential([1.0, 2.0]))),
    "Binomial": (Mixture([0.4, 0.6], Binomial(12, [0.2, 0.7])), Mixture([0.5, 0.5], Binomial(12, [0.4, 0.6]))),
    "MultivariateNormal": (
        Mixture([0.4, 0.6], MultivariateNormal([[0, 0], [3, 1]], [np.eye(2), [[2, 0.5], [0.5, 0.4]]])),
        Mixture([0.5, 0.5], MultivariateNormal([[0, 0], [1, 1]], [np.eye(2), np.eye(2)])),
    ),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_each_half_of_an_em_step_raises_the_bound(name):
    truth, mixture = MIXTURES[name]
    x = truth.sample(150, 0)
    for _ in range(15):
        before = mixture.log_prob(x).sum()
        r = mixture.posterior(x)
        touching = em.mixture_elbo(mixture, x, r).sum()
        assert_allclose(touching, before, rtol=1e-11)  # E: the gap closes
        after = em.em_step(mixture, x)
        lifted = em.mixture_elbo(after, x, r).sum()
        assert lifted >= touching - 1e-9  # M: the bound rises
        gap = kl_of_rows(r, after.posterior(x)).sum()
        assert_allclose(after.log_prob(x).sum(), lifted + gap, rtol=1e-10)
        mixture = after
    components = mixture.components  # the M-step is the maximum over each component's parameters
    r = mixture.posterior(x)
    step = em.em_step(mixture, x)
    assert_allclose(step.weights, r.mean(axis=0), rtol=1e-12)
    for k, member in enumerate(step.components):
        weighted = r[:, k] @ member.log_prob(x)
        for scale in (0.999, 1.001):
            u = member.mean_parameters() * scale
            other = type(member).from_mean_parameters(u, **{f: member.parameter(f) for f in member.fixed_names})
            assert r[:, k] @ other.log_prob(x) <= weighted + 1e-9
    assert components.batch_shape == (2,)


@pytest.mark.slow
def test_log_likelihood_never_falls_over_many_starts():
    worst, steps, refused = np.inf, 0, []
    x = np.sort(np.random.default_rng(0).choice(WAITING, 40, replace=False))
    for seed in range(300):
        try:
            mixture = em.random_start(x, Normal, 2 + seed % 2, seed)
            value = mixture.log_prob(x).sum()
            for _ in range(10):
                mixture = em.em_step(mixture, x)
                value, before = mixture.log_prob(x).sum(), value
                worst, steps = min(worst, value - before), steps + 1
        except ValueError as error:
            refused.append(str(error))
    assert steps > 2_400 and len(refused) < 60
    assert all("collapsed" in reason or "no maximum" in reason for reason in refused)
    assert worst > -1e-9


@pytest.mark.parametrize("name", MIXTURES)
def test_fit_is_a_stationary_point_of_the_likelihood(name):
    truth, start = MIXTURES[name]
    x = truth.sample(300, 1)
    fit = em.fit_mixture(x, start, tolerance=1e-15)
    assert fit.converged and np.all(np.diff(fit.log_likelihoods) > -1e-9)
    assert_allclose(fit.log_likelihoods[-1], log_likelihood(fit.mixture, x), rtol=1e-12)
    if name in ("Normal", "Poisson", "Exponential"):
        names = {"Normal": ("mean", "sd"), "Poisson": ("rate",), "Exponential": ("rate",)}[name]
        c = fit.mixture.components
        at = np.concatenate(
            [[np.log(fit.mixture.weights[0] / fit.mixture.weights[1])], *(c.parameter(p) for p in names)]
        )
        make = lambda v: Mixture(
            [1 / (1 + np.exp(-v[0])), 1 / (1 + np.exp(v[0]))], type(c)(*v[1:].reshape(len(names), 2))
        )
        slope = optimize.approx_fprime(at, lambda v: make(v).log_prob(x).mean(), 1e-6)
        assert np.abs(slope).max() < 1e-5
        found = optimize.minimize(
            lambda v: -make(v).log_prob(x).mean(), at, method="Nelder-Mead", options={"maxiter": 2000, "fatol": 1e-14}
        )
        assert -found.fun <= fit.log_likelihoods[-1] / 300 + 1e-9


def test_weights_are_repetitions():
    mixture, values, counts = (
        Mixture([0.5, 0.5], Poisson([1.0, 5.0])),
        np.array([0.0, 1.0, 3.0, 6.0]),
        np.array([4, 2, 3, 5]),
    )
    a, b = em.em_step(mixture, values, counts), em.em_step(mixture, np.repeat(values, counts))
    assert_allclose(a.weights, b.weights, rtol=1e-13)
    assert_allclose(a.components.rate, b.components.rate, rtol=1e-13)
    a, b = em.fit_mixture(values, mixture, counts), em.fit_mixture(np.repeat(values, counts), mixture)
    assert_allclose(a.log_likelihoods, b.log_likelihoods, rtol=1e-12)


def test_old_faithful_has_two_kinds_of_eruption():
    fits = [em.fit_mixture(GEYSER, em.random_start(GEYSER, MultivariateNormal, 2, seed)) for seed in range(5)]
    assert_allclose([fit.log_likelihoods[-1] for fit in fits], -1130.26396, atol=1e-4)  # as published for this data set
    short = np.argmin(fits[0].mixture.weights)
    assert_allclose(fits[0].mixture.weights[short], 0.3559, atol=1e-4)
    assert_allclose(fits[0].mixture.components.mean()[short], [2.0364, 54.4785], atol=1e-3)


@pytest.mark.parametrize("sd", [0.1, 0.3, 1.0])
def test_a_spike_is_refused(sd):
    with pytest.raises(ValueError, match="component 1") as caught:
        em.fit_mixture(WAITING, Mixture([0.99, 0.01], Normal([70.0, 96.0], [13.0, sd])))
    assert "no maximum" in str(caught.value)
    flat = np.column_stack([np.r_[np.zeros(3), np.linspace(1, 9, 12)], np.r_[np.arange(3), np.sin(np.arange(12))]])
    with pytest.raises(ValueError, match="component 0"):  # three points on a line, in the plane
        em.fit_mixture(
            flat, Mixture([0.2, 0.8], MultivariateNormal([[0, 1], [5, 0]], [[[1e-4, 0], [0, 1]], [[6, 0], [0, 1]]]))
        )


def test_the_likelihood_of_a_normal_mixture_has_no_bound():
    """With c observations on one value the log-likelihood grows like c log(1/sd), whatever the other parameters."""
    for value in (78.0, 96.0):
        c, others = np.sum(WAITING == value), WAITING[WAITING != value]
        for sd in (1e-6, 1e-9):
            mixture = Mixture([0.9, 0.1], Normal([70.0, value], [13.0, sd]))
            constant = c * np.log(0.1 / np.sqrt(2 * np.pi)) + np.log(0.9 * stats.norm.pdf(others, 70, 13)).sum()
            assert_allclose(mixture.log_prob(WAITING).sum(), constant - c * np.log(sd), rtol=1e-7)


def test_gradient_is_the_residual_weighted_by_responsibilities():
    mixture = Mixture([0.4, 0.6], Poisson([48.0, 83.0]))
    r, rate = mixture.posterior(WAITING), mixture.components.rate
    by_identity = np.sum(r * (WAITING[:, None] - rate), axis=0)  # for natural parameters log(rate)
    level = lambda eta: np.log(stats.poisson.pmf(WAITING[:, None], np.exp(eta)) @ [0.4, 0.6]).sum()
    assert_allclose(by_identity, optimize.approx_fprime(np.log(rate), level, 1e-7), rtol=1e-4)


# --- bad input ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: em.mixture_elbo(Mixture([0.5, 0.5], Normal([0, 1], 1)), [0.0], [[0.5, 0.6]]),
            ["sum of responsibilities", "1.1"],
        ),
        (
            lambda: em.mixture_elbo(Mixture([0.5, 0.5], Normal([0, 1], 1)), [0.0], [0.5, 0.5]),
            ["shape of responsibilities", "(2,)", "(1, 2)"],
        ),
        (
            lambda: em.em_step(Normal(0, 1), [0.0]),
            ["em_step", "mixture", "Normal(mean=0.0, sd=1.0)", "Mixture([0.5, 0.5]"],
        ),
        (lambda: em.em_step(Mixture([1.0, 0.0], Normal([0, 1], 1)), [0.0, 1.0]), ["component 1", "sum of weights"]),
        (
            lambda: em.fit_mixture([], Mixture([0.5, 0.5], Normal([0, 1], 1))),
            ["fit_mixture", "x", "at least one observation"],
        ),
        (lambda: em.random_start([1.0, 1.0, 2.0], Normal, 3, 0), ["k", "3", "different observations"]),
    ],
    ids=range(6),
)
def test_bad_input(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


@pytest.mark.parametrize("power", [-30, 30])
def test_a_random_start_has_the_units_of_the_data(power):
    """By a power of two no digit changes, and so the same responsibilities come out."""
    x = np.random.default_rng(0).normal(size=(40, 2)) * [1.0, 3.0] + [5.0, 0.0]
    unit = 2.0**power
    one, other = (em.random_start(s * x, MultivariateNormal, 3, rng=4) for s in (1.0, unit))
    assert_allclose(other.weights, one.weights, rtol=1e-12)
    assert_allclose(other.components.mean(), unit * one.components.mean(), rtol=1e-12)
