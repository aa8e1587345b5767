"""The identity of the book over every family: entropy is a constant, and the minimiser of KL is the MLE."""

import numpy as np
import pytest
from scipy import optimize

from companion.divergence import cross_entropy, entropy, kl_divergence
from companion.families import FAMILIES, Binomial, Mixture, Normal, Poisson
from companion.likelihood import empirical_probabilities, log_likelihood

SEEDS = range(3)
each_family = pytest.mark.parametrize("name", FAMILIES)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def directional_derivative(f, eta, direction, step=1e-4):
    """Fourth-order central difference of f at eta."""
    at = lambda k: f(eta + k * step * direction)
    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)


def rebuild(member, eta):
    fixed = {name: member.parameter(name) for name in member.fixed_names}
    return type(member).from_natural(eta, **fixed)


@each_family
@each_seed
def test_cross_entropy_and_kl_differ_by_the_entropy_at_every_parameter(name, seed):
    rng = np.random.default_rng(seed)
    draw = FAMILIES[name].draw
    p = draw(rng)
    for q in (draw(rng) for _ in range(10)):
        np.testing.assert_allclose(cross_entropy(p, q) - kl_divergence(p, q), entropy(p), rtol=1e-9, atol=1e-11)


@each_family
@each_seed
def test_gradients_of_cross_entropy_and_kl_are_equal(name, seed):
    rng = np.random.default_rng(seed)
    p, q = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
    eta = q.natural_parameters()
    direction = rng.normal(size=eta.shape) * np.abs(eta) * 0.1
    of_kl = directional_derivative(lambda e: kl_divergence(p, rebuild(q, e)), eta, direction)
    of_ce = directional_derivative(lambda e: cross_entropy(p, rebuild(q, e)), eta, direction)
    by_residual = -(p.mean_parameters() - q.mean_parameters()) @ direction
    np.testing.assert_allclose([of_kl, of_ce], by_residual, rtol=1e-6, atol=1e-9)


@each_family
@each_seed
def test_average_log_likelihood_is_largest_at_the_fit(name, seed):
    """The MLE, found by no formula of ours: a quasi-Newton search over the log-likelihood ends at `fit`."""
    rng = np.random.default_rng(seed)
    truth = FAMILIES[name].draw(rng)
    x = truth.sample(200, rng)
    fixed = {key: truth.parameter(key) for key in truth.fixed_names}
    fit = type(truth).fit(x, **fixed)
    best = log_likelihood(fit, x) / 200

    eta = fit.natural_parameters()
    scale = 1 / np.sqrt(np.diag(np.atleast_2d(fit.fisher_information())))

    def objective(step):
        try:
            return -log_likelihood(rebuild(fit, eta + step * scale), x) / 200
        except ValueError:  # outside the natural parameter space
            return np.inf

    start = 0.05 * rng.normal(size=eta.size)
    found = optimize.minimize(objective, start, method="BFGS", jac="3-point", options={"gtol": 1e-9})
    assert -found.fun <= best + 1e-12
    np.testing.assert_allclose(-found.fun, best, rtol=0, atol=1e-8)


@pytest.mark.parametrize("model", [Poisson, lambda p: Binomial(7, p / 8)], ids=["Poisson", "Binomial"])
@each_seed
def test_three_estimates(model, seed):
    """Discrete data, wrong model: argmin of KL from the frequencies = argmax of the log-likelihood = moment match."""
    rng = np.random.default_rng(seed)
    x = np.minimum(rng.negative_binomial(2, 0.5, 500), 7).astype(float)
    values, share = empirical_probabilities(x)
    frequencies = np.bincount(x.astype(int), minlength=8) / x.size

    def search(objective):
        return optimize.minimize_scalar(objective, bounds=(0.1, 7.5), method="bounded", options={"xatol": 1e-10}).x

    by_kl = search(lambda t: kl_divergence(frequencies, model(t)))
    by_sum = search(lambda t: -log_likelihood(model(t), x))
    by_average = search(lambda t: -log_likelihood(model(t), values, weights=share))
    mean_at = lambda t: float(model(t).mean())
    np.testing.assert_allclose([mean_at(by_kl), mean_at(by_sum), mean_at(by_average)], x.mean(), rtol=1e-6)


HUMPS = Mixture([0.3, 0.7], Normal([-1.0, 2.0], [0.5, 1.0]))


@pytest.mark.slow
def test_exact_minimiser_under_a_wrong_model_matches_moments():
    found = optimize.minimize(
        lambda t: kl_divergence(HUMPS, Normal(t[0], np.exp(t[1]))), [0.0, 0.0], jac="3-point", options={"gtol": 1e-9}
    ).x
    np.testing.assert_allclose([found[0], np.exp(found[1])], [HUMPS.mean(), np.sqrt(HUMPS.variance())], rtol=1e-6)


@each_seed
def test_fits_under_a_wrong_model_approach_the_exact_minimiser(seed):
    rng, truth = np.random.default_rng(seed), HUMPS
    distances = []
    for n in (100, 10_000, 1_000_000):
        fit = Normal.fit(truth.sample(n, rng))
        distances.append(abs(fit.mean() - truth.mean()) * np.sqrt(n / truth.variance()))
    assert max(distances) < 4  # in standard errors, at every n


@each_seed
def test_product_and_sum_have_one_maximiser_until_the_product_is_zero(seed):
    rng = np.random.default_rng(seed)
    grid = Poisson(np.linspace(0.2, 3.0, 57))
    x = rng.poisson(1.3, 2_000).astype(float)
    probabilities = np.exp(grid.log_prob(x[:, None]))
    assert np.argmax(np.prod(probabilities[:100], axis=0)) == np.argmax(log_likelihood(grid, x[:100]))
    assert np.all(np.prod(probabilities, axis=0) == 0.0)
    np.testing.assert_allclose(grid.rate[np.argmax(log_likelihood(grid, x))], x.mean(), atol=0.03)
