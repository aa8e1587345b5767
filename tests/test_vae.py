"""The VAE: divergences against textbook formulas and quadrature, gradients against differences, training to optima."""

import copy
import math
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from companion.families import MultivariateNormal
from companion.latent import ProbabilisticPCA
from companion.vae import (
    LinearVAE,
    descend,
    fit_linear,
    gradient,
    kl_to_prior,
    loss,
    objective_parts,
    pop,
    push,
    sampled_kl_gradient,
    start_linear,
    whole_counts,
)

TINY_NOISE = {
    "distortion": 135899999999969.61,
    "rate": 0.49334718055994533,
    "entropy": 3.085225187327399,
    "data_model": 70899999999983.615,
    "gap": 64999999999983.409,
    "joint": 135899999999967.02,
    "information": 0.42592943585738312,
    "codes": 0.067417744702562207,
}
SHAPES = [(1, 1), (2, 1), (3, 2), (5, 3), (2, 2), (2, 4)]
each_shape = pytest.mark.parametrize("d, k", SHAPES)
each_seed = pytest.mark.parametrize("seed", range(3))
KEYS = ("W", "b", "log_sd", "V", "c", "log_tau")


def random_vae(d, k, rng):
    W, b, V, c = rng.normal(size=(d, k)), rng.normal(size=d), 0.5 * rng.normal(size=(k, d)), rng.normal(size=k)
    return LinearVAE(W, b, rng.uniform(0.4, 1.5), V, c, rng.uniform(0.3, 1.4, k))


def random_data(d, rng):
    root = rng.normal(size=(d, d))
    return MultivariateNormal(rng.normal(size=d), root @ root.T / d + 0.3 * np.eye(d))


def normal_kl(mean_p, cov_p, mean_q, cov_q):
    """KL between two normals by the textbook formula."""
    inverse, away = np.linalg.inv(cov_q), mean_q - mean_p
    log_det = np.linalg.slogdet(cov_q)[1] - np.linalg.slogdet(cov_p)[1]
    return 0.5 * (np.trace(inverse @ cov_p) + away @ inverse @ away - len(mean_p) + log_det)


def conditional(mean, cov, d, x):
    """Mean and covariance of z given x in a joint normal of (x, z), by the textbook formula."""
    slope = cov[d:, :d] @ np.linalg.inv(cov[:d, :d])
    return mean[d:] + slope @ (x - mean[:d]), cov[d:, d:] - slope @ cov[:d, d:]


# --- the divergences ----------------------------------------------------------------------------------------------
@each_shape
@each_seed
def test_the_objective_splits_into_its_divergences(d, k, seed):
    rng = np.random.default_rng(seed)
    vae, data = random_vae(d, k, rng), random_data(d, rng)
    parts = objective_parts(vae, data)
    assert_allclose(parts.distortion + parts.rate, parts.entropy + parts.joint, rtol=1e-11)
    assert_allclose(parts.joint, parts.data_model + parts.gap, rtol=1e-10)
    assert_allclose(parts.rate, parts.information + parts.codes, rtol=1e-10)
    assert_allclose(parts.distortion + parts.rate, loss(vae, data), rtol=1e-12)
    assert min(parts.rate, parts.data_model, parts.gap, parts.joint, parts.information, parts.codes) >= 0


@each_shape
@each_seed
def test_each_divergence_is_the_textbook_one(d, k, seed):
    """From the moments of both joints alone, without the module's formulas."""
    rng = np.random.default_rng(100 + seed)
    vae, data = random_vae(d, k, rng), random_data(d, rng)
    parts, m, S = objective_parts(vae, data), data.mean(), data.cov
    W, V, T = vae.W, vae.V, np.diag(vae.tau**2)
    joint_model = (
        np.concatenate([vae.b, np.zeros(k)]),
        np.block([[W @ W.T + vae.sd**2 * np.eye(d), W], [W.T, np.eye(k)]]),
    )
    joint_data = np.concatenate([m, V @ m + vae.c]), np.block([[S, S @ V.T], [V @ S, V @ S @ V.T + T]])
    assert_allclose(parts.joint, normal_kl(*joint_data, *joint_model), rtol=1e-9)
    assert_allclose(parts.data_model, normal_kl(m, S, joint_model[0][:d], joint_model[1][:d, :d]), rtol=1e-9)
    assert_allclose(parts.codes, normal_kl(joint_data[0][d:], joint_data[1][d:, d:], np.zeros(k), np.eye(k)), rtol=1e-9)
    assert_allclose(parts.entropy, stats.multivariate_normal(m, S).entropy(), rtol=1e-12)
    # averages over x: sigma points that give every second moment of the data exactly
    root = np.linalg.cholesky(S) * np.sqrt(d)
    points = np.concatenate([m + root.T, m - root.T])
    at_x = lambda x: (V @ x + vae.c, T)
    assert_allclose(
        parts.gap, np.mean([normal_kl(*at_x(x), *conditional(*joint_model, d, x)) for x in points]), rtol=1e-9
    )
    assert_allclose(parts.rate, np.mean([normal_kl(*at_x(x), np.zeros(k), np.eye(k)) for x in points]), rtol=1e-9)
    assert_allclose(
        parts.information,
        np.mean([normal_kl(*at_x(x), joint_data[0][d:], joint_data[1][d:, d:]) for x in points]),
        rtol=1e-8,
    )


@each_seed
def test_one_dimension_by_quadrature_over_both_variables(seed):
    rng = np.random.default_rng(seed)
    vae, data = random_vae(1, 1, rng), random_data(1, rng)
    t, w = np.polynomial.hermite_e.hermegauss(60)
    w = w / w.sum()
    x = (data.mean()[0] + np.sqrt(data.cov[0, 0]) * t)[:, None]
    z = vae.V[0, 0] * x + vae.c[0] + vae.tau[0] * t
    q = stats.norm(vae.V[0, 0] * x + vae.c[0], vae.tau[0]).logpdf(z)
    decoder, prior = stats.norm(vae.W[0, 0] * z + vae.b[0], vae.sd).logpdf(x), stats.norm.logpdf(z)
    marginal = stats.norm(vae.b[0], np.hypot(vae.W[0, 0], vae.sd)).logpdf(x)
    mean = lambda f: w @ np.broadcast_to(f, z.shape) @ w
    parts = objective_parts(vae, data)
    assert_allclose(parts.distortion, mean(-decoder), rtol=1e-10)
    assert_allclose(parts.rate, mean(q - prior), rtol=1e-9)
    assert_allclose(parts.gap, mean(q - (decoder + prior - marginal)), rtol=1e-9)
    log_data = stats.norm(data.mean()[0], np.sqrt(data.cov[0, 0])).logpdf(x)
    assert_allclose(parts.data_model, mean(log_data - marginal), rtol=1e-9)
    assert_allclose(loss(vae, data, "nll") - parts.distortion, mean(-prior), rtol=1e-10)


@each_shape
@each_seed
def test_elbo_is_the_evidence_less_the_gap(d, k, seed):
    rng = np.random.default_rng(seed)
    vae, x = random_vae(d, k, rng), rng.normal(size=(20, d))
    evidence = stats.multivariate_normal(vae.b, vae.W @ vae.W.T + vae.sd**2 * np.eye(d)).logpdf(x)
    gap = vae.encoder(x).kl_divergence(vae.model().posterior(x))
    assert_allclose(vae.elbo(x), evidence - gap, rtol=1e-10)
    assert_allclose(-vae.elbo(x).mean(), loss(vae, x), rtol=1e-11)


@each_shape
@each_seed
def test_rate_knows_nothing_of_the_decoder_and_likelihood_nothing_of_the_encoder(d, k, seed):
    rng = np.random.default_rng(seed)
    one, other, data = random_vae(d, k, rng), random_vae(d, k, rng), random_data(d, rng)
    first = objective_parts(one, data)
    decoder_moved = objective_parts(LinearVAE(other.W, other.b, other.sd, one.V, one.c, one.tau), data)
    encoder_moved = objective_parts(LinearVAE(one.W, one.b, one.sd, other.V, other.c, other.tau), data)
    assert decoder_moved.rate == first.rate and decoder_moved.data_model != first.data_model
    assert encoder_moved.data_model == first.data_model and encoder_moved.rate != first.rate


@each_shape
@each_seed
def test_best_encoder_is_the_best_independent_one(d, k, seed):
    rng = np.random.default_rng(seed)
    data = random_data(d, rng)
    best = random_vae(d, k, rng).with_best_encoder()
    slopes = gradient(best, data)
    for name in ("V", "c", "log_tau"):
        assert_allclose(slopes[name], 0, atol=1e-11)
    if k == 1:
        assert objective_parts(best, data).gap == pytest.approx(0, abs=1e-13)
    for _ in range(5):
        V, c, factor = (0.1 * rng.normal(size=size) for size in ((k, d), k, k))
        other = LinearVAE(best.W, best.b, best.sd, best.V + V, best.c + c, best.tau * np.exp(factor))
        assert objective_parts(other, data).gap > objective_parts(best, data).gap


def test_kl_to_prior_is_the_textbook_formula_and_exact_near_zero():
    rng = np.random.default_rng(0)
    mean, tau = rng.normal(size=200), rng.uniform(0.1, 3, 200)
    assert_allclose(kl_to_prior(mean, tau), 0.5 * (mean**2 + tau**2 - 1) - np.log(tau), rtol=1e-11)
    h = 2.0**-30
    assert_allclose(
        kl_to_prior(0.0, 1 + h), h**2 * (1 - h / 3), rtol=1e-7
    )  # the textbook formula returns rounding noise
    assert kl_to_prior(0.0, 1.0) == 0.0


# --- gradients ----------------------------------------------------------------------------------------------------
def moved(vae, name, step):
    value = {"W": vae.W, "b": vae.b, "log_sd": vae.sd, "V": vae.V, "c": vae.c, "log_tau": vae.tau}
    value[name] = value[name] * np.exp(step) if name.startswith("log") else value[name] + step
    return LinearVAE(*(value[key] for key in KEYS))


@each_shape
@each_seed
@pytest.mark.parametrize("latent_term, beta", [("kl", 1.0), ("kl", 0.3), ("nll", 1.0), ("nll", 2.0)])
def test_gradient_against_finite_differences(d, k, seed, latent_term, beta):
    rng = np.random.default_rng(seed)
    vae, data = random_vae(d, k, rng), random_data(d, rng)
    slopes = gradient(vae, data, latent_term, beta)
    largest = max(np.max(np.abs(slope)) for slope in slopes.values())
    assert tuple(slopes) == KEYS
    for name, slope in slopes.items():
        for i in range(slope.size):
            e, h = np.zeros(slope.size), 1e-3
            e[i] = h
            at = lambda factor: loss(moved(vae, name, factor * e.reshape(slope.shape)), data, latent_term, beta)
            by_differences = (45 * (at(1) - at(-1)) - 9 * (at(2) - at(-2)) + at(3) - at(-3)) / (60 * h)
            assert_allclose(by_differences, slope.ravel()[i], rtol=1e-7, atol=1e-8 * largest, err_msg=name)


@each_seed
def test_loss_of_nll_is_the_rate_plus_the_entropy_of_the_encoder(seed):
    rng = np.random.default_rng(seed)
    vae, data = random_vae(4, 3, rng), random_data(4, rng)
    entropy = sum(stats.norm(0, tau).entropy() for tau in vae.tau)
    assert_allclose(loss(vae, data, "nll") - loss(vae, data, "kl"), entropy, rtol=1e-10)


# --- training -----------------------------------------------------------------------------------------------------
def closed_form(cov, k):
    """Least expected negative log-likelihood of probabilistic PCA (Tipping and Bishop 1999), from the eigenvalues."""
    values = np.sort(np.linalg.eigvalsh(cov))[::-1]
    d, noise = len(values), values[k:].mean()
    return 0.5 * (d * np.log(2 * np.pi) + np.sum(np.log(values[:k])) + (d - k) * np.log(noise) + d), noise


@pytest.mark.parametrize("d, k", [(2, 1), (5, 1), (5, 2), (6, 3), (8, 5)])
@pytest.mark.parametrize("seed", range(5))
def test_linear_vae_reaches_probabilistic_pca(d, k, seed):
    rng = np.random.default_rng(seed)
    x = random_data(d, rng).sample(300, rng)
    fit = fit_linear(start_linear(x, k, rng), x)
    best, noise = closed_form(np.cov(x.T, bias=True), k)
    assert abs(fit.loss - best) < 1e-6 and fit.gradient < 1e-5
    assert -stats.multivariate_normal(x.mean(axis=0), fit.vae.model().marginal().cov).logpdf(x).mean() == pytest.approx(
        best, abs=1e-6
    )
    assert fit.vae.sd**2 == pytest.approx(noise, rel=1e-3)
    pca = ProbabilisticPCA.fit(x, k)
    assert pca.log_prob(x).mean() == pytest.approx(fit.vae.elbo(x).mean(), abs=1e-6)
    gram = fit.vae.W.T @ fit.vae.W  # independent codes turn W to the principal axes
    assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-3)


@each_seed
def test_one_tau_for_all_codes_is_biased_as_derived(seed):
    """λ̂_j = √λ_j · mean √λ; the lost likelihood and the gap are then equal."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    values = np.array([6, 3, 1.5, 0.4, 0.3, 0.3])
    cov = turn * values @ turn.T
    data = MultivariateNormal(np.zeros(6), (cov + cov.T) / 2)
    fit = fit_linear(start_linear(data, 3, seed), data, along={"log_tau": np.ones((1, 3))})
    assert fit.gradient < 1e-6 and np.ptp(fit.vae.tau) < 1e-12
    found = np.sort(np.linalg.svd(fit.vae.W)[1] ** 2 + fit.vae.sd**2)[::-1]
    root = np.sqrt(values[:3])
    assert_allclose(found, root * root.mean(), rtol=1e-6)
    parts, best = objective_parts(fit.vae, data), closed_form(cov, 3)[0] - data.entropy()
    assert_allclose(parts.gap, 0.5 * np.sum(np.log(root.mean() / root)), rtol=1e-5)
    assert_allclose(parts.data_model - best, parts.gap, rtol=1e-4)


def heaters(d, causes, loading=1.0, sd=1.0):
    """Independent causes that act alike on all d sensors."""
    W = np.full((d, causes), loading)
    return LinearVAE(W, np.zeros(d), sd, np.zeros((causes, d)), np.zeros(causes), np.ones(causes)).with_best_encoder()


@pytest.mark.parametrize("d, causes, loading, sd", [(5, 2, 1.0, 1.0), (8, 2, 1.5, 0.7), (5, 3, 0.8, 1.0)])
def test_restricted_encoder_is_biased_and_training_leaves_the_truth(d, causes, loading, sd):
    truth = heaters(d, causes, loading, sd)
    data, along = truth.model().marginal(), {"W": np.ones((1, d, causes))}
    before = objective_parts(truth, data)
    assert 0 <= before.data_model < 1e-25
    a = d * loading**2 / sd**2
    assert_allclose(before.gap, 0.5 * (causes * np.log1p(a) - np.log1p(causes * a)), rtol=1e-10)
    fit = fit_linear(truth, data, along=along)
    after = objective_parts(fit.vae, data)
    assert fit.gradient < 1e-6
    assert after.joint < before.joint - 1e-3 and after.data_model > 1e-3 and after.gap < before.gap
    assert fit.vae.W[0, 0] < loading and fit.vae.sd > sd
    # two equations in two unknowns: the stationary point of the bound, with λ = causes·d·w² + σ²
    lam, var = causes * d * fit.vae.W[0, 0] ** 2 + fit.vae.sd**2, fit.vae.sd**2
    top = causes * d * loading**2 + sd**2
    bound = lambda lam, var: (
        -0.5 * (top / lam + np.log(lam) + (d - 1) * (np.log(var) + sd**2 / var))
        - 0.5 * causes * np.log((lam + (causes - 1) * var) / (causes * var))
        + 0.5 * np.log(lam / var)
    )
    for h in (1e-4, -1e-4):
        assert bound(lam * (1 + h), var) < bound(lam, var) and bound(lam, var * (1 + h)) < bound(lam, var)
    # along the way the bound rises at every step while the likelihood falls
    parts = [objective_parts(vae, data) for vae in descend(truth, data, 200, 0.0002, along=along)]
    assert np.all(np.diff([p.joint for p in parts]) < 0) and np.all(np.diff([p.data_model for p in parts]) > 0)


@pytest.mark.slow
@each_seed
def test_without_the_entropy_the_codes_collapse_to_points(seed):
    rng = np.random.default_rng(seed)
    data = random_data(5, rng)
    start = start_linear(data, 2, rng)
    sane, collapsed = (descend(start, data, 2_500, 0.004, latent_term=term) for term in ("kl", "nll"))
    taus = np.array([vae.tau for vae in collapsed])
    assert np.all(np.diff(taus, axis=0) < 0), "tau falls at every step"
    assert np.all(collapsed[-1].tau < 0.15) and np.all(sane[-1].tau > 2 * collapsed[-1].tau)
    assert np.all(np.diff([loss(vae, data, "nll") for vae in collapsed]) < 0), "all the while its loss goes down"
    good, bad = objective_parts(sane[-1], data), objective_parts(collapsed[-1], data)
    assert bad.gap > good.gap + 0.3 and bad.data_model > good.data_model and bad.joint > good.joint + 0.5


@each_seed
def test_larger_loadings_and_smaller_codes_lower_the_nll_loss_for_ever(seed):
    rng = np.random.default_rng(seed)
    data = random_data(4, rng)
    best = fit_linear(start_linear(data, 2, rng), data).vae
    scaled = [LinearVAE(a * best.W, best.b, best.sd, best.V / a, best.c / a, best.tau / a**2) for a in (1, 2, 4, 8, 16)]
    assert np.all(np.diff([loss(vae, data, "nll") for vae in scaled]) < 0)
    likelihood = [objective_parts(vae, data).data_model for vae in scaled]
    assert np.all(np.diff(likelihood) > 0) and likelihood[-1] > likelihood[0] + 2


def test_restrictions_hold():
    rng = np.random.default_rng(0)
    data, start = random_data(3, rng), start_linear(np.eye(3), 2, rng)
    held = fit_linear(start, data, along={"log_tau": np.zeros((0, 2)), "b": np.zeros((0, 3))}).vae
    assert np.array_equal(held.tau, start.tau) and np.array_equal(held.b, start.b)
    free = fit_linear(start, data)
    assert free.loss < loss(held, data)


def test_training_leaves_the_saddle_of_a_silent_code():
    """At W = V = 0 every slope is zero: the loss there is that of the best model without a code."""
    data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    saddle = LinearVAE(np.zeros((2, 1)), np.zeros(2), 3**0.5, np.zeros((1, 2)), [0.0], [1.0])
    assert all(np.allclose(slope, 0, atol=1e-12) for slope in gradient(saddle, data).values())
    fit = fit_linear(saddle, data)
    assert fit.loss == pytest.approx(closed_form(data.cov, 1)[0], abs=1e-9) and fit.loss < loss(saddle, data) - 0.05
    assert fit.gradient < 1e-6 and fit.curvature > -1e-6
    held = {"W": np.zeros((0, 2, 1))}
    assert fit_linear(saddle, data, along=held).loss == pytest.approx(loss(saddle, data)), "nothing leads down there"


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_training_knows_no_units(scale):
    rng = np.random.default_rng(0)
    x = random_data(4, rng).sample(200, rng)
    one, other = (fit_linear(start_linear(y, 2, rng=1), y) for y in (x, scale * x))
    assert other.loss == pytest.approx(one.loss + 4 * np.log(scale), abs=1e-8) and other.gradient < 1e-6
    assert other.vae.sd == pytest.approx(scale * one.vae.sd, rel=1e-5)


def test_losses_without_an_optimum_are_refused():
    data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    start, held = start_linear(data, 1, rng=0), {"log_tau": np.zeros((0, 1))}
    for arguments in ({"latent_term": "nll"}, {"beta": 0.0}, {"beta": 0.0, "along": held}):
        with pytest.raises(ValueError, match="expected a loss that has an optimum"):
            fit_linear(start, data, **arguments)
    assert fit_linear(start, data, "nll", along=held).gradient < 1e-6
    assert fit_linear(start, data, beta=0.0, along=held | {"V": np.zeros((0, 1, 2))}).gradient < 1e-6
    with pytest.raises(ValueError, match="data that do not lie in a plane"):
        fit_linear(start, [[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]])


# --- extremes: constants by mpmath with 60 digits, from the textbook formulas for normals and log-determinants
def test_parts_where_the_noise_is_tiny():
    vae = LinearVAE([[1.0], [2.0]], [0.0, 0.0], 1e-7, [[0.2, 0.4]], [0.1], [0.5])
    parts = objective_parts(vae, MultivariateNormal([0.3, -0.1], [[2.0, 0.6], [0.6, 1.0]]))
    for name, exact in TINY_NOISE.items():
        assert_allclose(getattr(parts, name), exact, rtol=1e-13, err_msg=name)


def test_information_of_a_code_that_hardly_listens():
    """V = 1e-9: log1p(V² λ/τ²)/2, where the difference of two entropies has no digit left."""
    vae = LinearVAE([[1.0]], [0.0], 1.0, [[1e-9]], [0.0], [0.5])
    parts = objective_parts(vae, MultivariateNormal([0.0], [[2.0]]))
    assert_allclose(parts.information, 0.5 * np.log1p(1e-18 * 2 / 0.25), rtol=1e-14)


@pytest.mark.parametrize("call", [loss, gradient])
def test_losses_beyond_doubles_are_an_error(call):
    far = LinearVAE([[1.0]], [0.0], 1e-200, [[0.5]], [0.0], [0.7])
    with pytest.raises(ValueError, match="expected a finite number"):
        call(far, DATA)


def test_a_linear_vae_cannot_be_changed():
    for copied in (lambda vae: vae, copy.deepcopy, lambda vae: pickle.loads(pickle.dumps(vae))):
        vae = copied(VAE11)
        assert_allclose(vae.tau, VAE11.tau)
        with pytest.raises(ValueError, match="read-only"):
            vae.tau[0] = -1.0


# --- sampling the latent term -------------------------------------------------------------------------------------
@pytest.mark.parametrize("mean, tau", [(0.0, 1.0), (1.5, 0.3), (-0.4, 0.8)])
def test_sampled_gradient_has_the_exact_mean_and_the_derived_variance(mean, tau):
    t, w = np.polynomial.hermite_e.hermegauss(12)
    w = w / w.sum()
    g = sampled_kl_gradient(mean, tau, t)
    h = 1e-6
    exact = [
        (kl_to_prior(mean + h, tau) - kl_to_prior(mean - h, tau)) / (2 * h),
        (kl_to_prior(mean, tau * np.exp(h)) - kl_to_prior(mean, tau * np.exp(-h))) / (2 * h),
    ]
    assert_allclose(w @ g, exact, atol=1e-9)
    assert_allclose(w @ (g - w @ g) ** 2, [tau**2, mean**2 * tau**2 + 2 * tau**4], rtol=1e-10)
    # each is the derivative of log q − log p at its own draw
    log_ratio = lambda m, s: stats.norm(m, s).logpdf(m + s * t) - stats.norm.logpdf(m + s * t)
    assert_allclose(g[:, 0], (log_ratio(mean + h, tau) - log_ratio(mean - h, tau)) / (2 * h), atol=1e-7)
    assert_allclose(
        g[:, 1], (log_ratio(mean, tau * np.exp(h)) - log_ratio(mean, tau * np.exp(-h))) / (2 * h), atol=1e-7
    )


# --- bad input ----------------------------------------------------------------------------------------------------
GOOD = {"W": [[1.0]], "b": [0.0], "sd": 1.0, "V": [[0.5]], "c": [0.0], "tau": [0.7]}
WIDE = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
VAE11, DATA = LinearVAE(**GOOD), MultivariateNormal([0.0], [[1.0]])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: LinearVAE(**{**GOOD, "tau": [0.0]}), ["LinearVAE", "tau[0]", "0.0", "positive"]),
        (lambda: LinearVAE(**{**GOOD, "W": [1.0]}), ["shape of W", "(1,)", "(d, k)"]),
        (lambda: LinearVAE(**{**GOOD, "V": [[0.5, 1.0]]}), ["shape of V", "(1, 2)", "(1, 1)"]),
        (lambda: LinearVAE(**{**GOOD, "sd": [1.0, 2.0]}), ["shape of sd", "()"]),
        (lambda: VAE11.encoder([[1.0, 2.0]]), ["shape of x", "(..., 1)"]),
        (lambda: objective_parts(VAE11, [[1.0], [2.0]]), ["objective_parts", "data", "MultivariateNormal.fit(x)"]),
        (
            lambda: objective_parts(VAE11, MultivariateNormal([0, 0], np.eye(2))),
            ["coordinates of data", "2", "1, as many"],
        ),
        (lambda: loss(VAE11, DATA, "entropy"), ["loss", "latent_term", "entropy", '"kl"', '"nll"']),
        (lambda: loss(VAE11, DATA, beta="two"), ["beta", "two", "number"]),
        (lambda: fit_linear(VAE11, DATA, along={"tau": [[1.0]]}), ["fit_linear", "a key of along", "tau", "log_tau"]),
        (
            lambda: fit_linear(VAE11, DATA, along={"log_tau": [[1.0, 2.0]]}),
            ["shape of along['log_tau']", "(1, 2)", "(m, 1)"],
        ),
        (lambda: descend(VAE11, DATA, 100, 50.0), ["descend", "learning_rate", "50.0", "smaller one"]),
        (lambda: start_linear(DATA, 0, 0), ["latents = 0", "positive integer"]),
        (lambda: sampled_kl_gradient(0.0, -1.0, [0.3]), ["tau", "-1.0", "positive"]),
        (lambda: descend(VAE11, DATA, 100, 1e300), ["descend", "learning_rate", "smaller one"]),
        (lambda: descend(start_linear(WIDE, 1, rng=0), WIDE, 300, 5.0), ["descend", "learning_rate", "smaller one"]),
        (lambda: kl_to_prior(0.0, -2.0), ["kl_to_prior", "tau = -2.0", "positive"]),
        (lambda: loss(VAE11, [[1.0], [np.inf]]), ["loss", "data[1] = inf", "a finite number"]),
        (lambda: loss(VAE11, DATA, beta=-1), ["loss", "beta = -1.0", "at least 0"]),
        (lambda: fit_linear(VAE11, DATA, iterations=-5), ["iterations = -5", "positive integer"]),
        (lambda: start_linear([[1.0], [1.0]], 1, 0), ["standard deviation of data = 0.0", "positive"]),
        (lambda: loss("vae", DATA), ["loss", "vae = 'vae'", "a LinearVAE"]),
        (lambda: fit_linear(VAE11, DATA, along=[1.0]), ["along", "a dict of directions"]),
    ],
    ids=range(23),
)
def test_bad_input(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


# --- bits back
def test_a_message_of_any_symbols_decodes_and_is_as_long_as_its_surprise():
    rng = np.random.default_rng(0)
    tables = [whole_counts(rng.dirichlet(np.full(k, 0.5)), bits) for k, bits in ((2, 8), (7, 12), (40, 16))]
    for counts in tables:
        assert counts.min() >= 1 and math.log2(counts.sum()) in (8, 12, 16)
    order = rng.integers(0, 3, 2_000)
    symbols = [int(rng.choice(len(tables[t]), p=tables[t] / tables[t].sum())) for t in order]
    state = 1 << 64
    for t, symbol in zip(order, symbols):
        state = push(state, symbol, tables[t])
    surprise = -sum(math.log2(tables[t][s] / tables[t].sum()) for t, s in zip(order, symbols))
    assert abs(state.bit_length() - 65 - surprise) < 2
    for t, symbol in zip(order[::-1], symbols[::-1]):
        state, found = pop(state, tables[t])
        assert found == symbol
    assert state == 1 << 64


def test_popping_random_bits_draws_with_the_counts():
    counts, found = [5, 2, 0, 1], np.zeros(4)
    for state in range(8_000):  # each remainder by 8 equally often
        found[pop(state, counts)[1]] += 1
    assert_allclose(found, 1_000 * np.array(counts))


def test_bits_back_costs_the_kl_and_not_the_nll_of_the_codes():
    """Finer and finer codes of one observation: the code's NLL grows by log 2 each time, what is paid after the refund
    stays minus the bound."""
    paid, sent = [], []
    for bins in (64, 128, 256):
        z = stats.norm.ppf((np.arange(bins) + 0.5) / bins)
        likelihood = stats.norm.pdf(1.3, z, 0.5)
        q = stats.norm.pdf(z, 0.9, 0.6) / stats.norm.pdf(z)
        q /= q.sum()
        sent.append(np.sum(q * (np.log(bins) - np.log(likelihood))))
        paid.append(sent[-1] - stats.entropy(q))
    exact = -stats.norm.logpdf(1.3, 0.9, 0.5) + 0.5 * 0.6**2 / 0.5**2 + float(kl_to_prior(0.9, 0.6))
    assert_allclose(np.diff(sent), np.log(2), atol=0.02)
    assert_allclose(paid, exact, atol=0.02)


def test_with_nothing_free_the_fit_is_the_start():
    data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    start = start_linear(data, 1, rng=0)
    along = {name: np.zeros((0, *getattr(start, name).shape)) for name in ("W", "b", "V", "c")}
    along |= {"log_sd": np.zeros(0), "log_tau": np.zeros((0, 1))}
    found = fit_linear(start, data, along=along)
    assert found.vae.W == pytest.approx(start.W) and found.vae.sd == pytest.approx(start.sd)
    assert (found.loss, found.gradient, found.curvature) == (pytest.approx(loss(start, data)), 0.0, 0.0)


def test_the_joint_of_the_model_is_prior_times_decoder():
    vae = start_linear(
        MultivariateNormal([1.0, -2.0, 0.5], [[3.0, 1.0, 0.2], [1.0, 3.0, 0.0], [0.2, 0.0, 1.0]]), 2, rng=0
    )
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    decoder = stats.norm.logpdf(x, z @ vae.W.T + vae.b, vae.sd).sum(axis=1)
    expected = decoder + stats.norm.logpdf(z).sum(axis=1)
    assert_allclose(vae.model_joint().log_prob(np.hstack([x, z])), expected, rtol=1e-10)
