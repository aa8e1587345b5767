"""Hidden variables: evidence, bound, EM and importance weights against direct densities, quadrature and optimisers."""

import inspect
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, stats
from scipy.special import logsumexp

from companion import em, latent
from companion.families import Mixture, MultivariateNormal, Normal, Poisson
from companion.integrals.quadrature import QuadratureError
from companion.latent import ProbabilisticPCA
from companion.lesson import datasets

WAITING = datasets.old_faithful().waiting
GEYSER = np.stack(datasets.old_faithful(), axis=1)
SHAPES = [(5, 2), (4, 1), (3, 3), (2, 4), (1, 1)]
each_shape = pytest.mark.parametrize("d, k", SHAPES)
each_seed = pytest.mark.parametrize("seed", range(3))


def draw_model(d, k, seed):
    rng = np.random.default_rng([seed, d, k])
    return ProbabilisticPCA(rng.normal(size=(d, k)), rng.normal(size=d), rng.uniform(0.2, 1.5)), rng


def draw_q(n, k, rng):
    factor = rng.normal(size=(n, k, k + 2))
    return MultivariateNormal(rng.normal(size=(n, k)), factor @ np.swapaxes(factor, 1, 2) / (k + 2) + 0.05 * np.eye(k))


# --- the linear model ---------------------------------------------------------------------------------------------
@each_shape
@each_seed
def test_linear_evidence_and_posterior_against_the_joint_normal(d, k, seed):
    model, rng = draw_model(d, k, seed)
    w, mean, var = model.loadings, model.mean(), model.sd**2
    x = rng.normal(size=(6, d), scale=2)
    cov = w @ w.T + var * np.eye(d)
    assert_allclose(model.log_prob(x), np.atleast_1d(stats.multivariate_normal(mean, cov).logpdf(x)), rtol=1e-10)
    assert_allclose(model.marginal().cov, cov, rtol=1e-12, atol=1e-14)
    assert_allclose(model.variance(), np.diag(cov), rtol=1e-12)
    posterior = model.posterior(x)  # conditional of the joint normal of (z, x)
    assert_allclose(posterior.mean(), (x - mean) @ np.linalg.solve(cov, w), rtol=1e-9, atol=1e-12)
    assert_allclose(
        posterior.cov, np.broadcast_to(np.eye(k) - w.T @ np.linalg.solve(cov, w), (6, k, k)), rtol=1e-9, atol=1e-12
    )
    z = rng.normal(size=(6, k))  # Bayes: p(x|z) p(z) = p(x) p(z|x)
    direct = stats.norm(z @ w.T + mean, model.sd).logpdf(x).sum(1) + stats.norm.logpdf(z).sum(1)
    assert_allclose(model.log_joint(x, z), direct, rtol=1e-11)
    assert_allclose(model.log_prob(x) + posterior.log_prob(z), direct, rtol=1e-9)


def test_linear_evidence_keeps_its_digits_when_the_noise_is_small():
    from fractions import Fraction

    w, sd, x = [3.0, 4.0], 2.0**-20, [1.5, 2.0 + 2.0**-18]
    # exact: |C| = sd² (w'w + sd²); x'C⁻¹x = (x'x − (w'x)²/(w'w + sd²))/sd²
    f = [Fraction(v) for v in w + [sd] + x]
    wx, ww, xx, v = f[0] * f[3] + f[1] * f[4], f[0] ** 2 + f[1] ** 2, f[3] ** 2 + f[4] ** 2, f[2] ** 2
    exact = -0.5 * (float((xx - wx**2 / (ww + v)) / v) + np.log(float(v * (ww + v))) + 2 * np.log(2 * np.pi))
    assert_allclose(
        ProbabilisticPCA(np.array([w]).T, [0, 0], sd).log_prob(x), exact, rtol=1e-9
    )  # x'x − … in floats: 1e-3


def test_linear_sample_has_the_marginal_moments():
    model, _ = draw_model(3, 2, 0)
    x = model.sample(100_000, 1)
    cov = model.loadings @ model.loadings.T + model.sd**2 * np.eye(3)
    assert_allclose(x.mean(axis=0), model.mean(), atol=4.5 * np.sqrt(cov.max() / 1e5))
    assert_allclose(np.cov(x.T), cov, atol=0.02 * cov.max() + 0.03)


@each_shape
@each_seed
def test_log_evidence_is_elbo_plus_kl_in_the_linear_model(d, k, seed):
    model, rng = draw_model(d, k, seed)
    x, q = model.sample(20, rng), draw_q(20, k, rng)
    total = model.elbo(x, q) + q.kl_divergence(model.posterior(x))
    assert_allclose(total, model.log_prob(x), rtol=0, atol=1e-10 * (1 + np.abs(total).max()))
    assert np.all(model.elbo(x, q) <= model.log_prob(x))
    assert_allclose(model.elbo(x, model.posterior(x)), model.log_prob(x), atol=1e-11 * (1 + np.abs(total).max()))


@pytest.mark.parametrize("d, k", [(5, 2), (2, 2), (4, 3)])
def test_turning_the_loadings_moves_the_factorised_bound_and_not_the_likelihood(d, k):
    model, rng = draw_model(d, k, 4)
    x = model.sample(1, rng)
    u, s, _ = np.linalg.svd(model.loadings, full_matrices=False)
    gaps = []
    for rotation in (np.eye(k), np.linalg.qr(rng.normal(size=(k, k)))[0]):
        turned = ProbabilisticPCA(u * s @ rotation, model.mean(), model.sd)
        assert_allclose(turned.log_prob(x), model.log_prob(x), rtol=1e-11)
        bound = lambda v: turned.elbo(x, MultivariateNormal(v[:k], np.diag(np.exp(2 * v[k:]))))[0]
        found = optimize.minimize(
            lambda v: -bound(v), np.zeros(2 * k), method="BFGS", options={"gtol": 1e-7}
        )  # any factorised normal
        m = turned.loadings.T @ turned.loadings + turned.sd**2 * np.eye(k)
        gaps.append(model.log_prob(x)[0] + found.fun)
        assert_allclose(gaps[-1], 0.5 * (np.log(np.diag(m)).sum() - np.linalg.slogdet(m)[1]), rtol=0, atol=1e-8)
    assert abs(gaps[0]) < 1e-8 and gaps[1] > 0.01


@pytest.mark.parametrize("d, k", [(5, 2), (4, 1), (2, 2)])
def test_elbo_by_quadrature_and_by_draws_against_the_closed_form(d, k):
    model, rng = draw_model(d, k, 7)
    x, q = model.sample(8, rng), draw_q(8, k, rng)
    given = latent.gaussian_decoder(x, model.decode, model.sd)
    value, error, method = latent.elbo(given, q, nodes=24)
    assert_allclose(value, model.elbo(x, q), rtol=1e-11)
    assert "Gauss–Hermite" in method and np.all(error < 1e-8)
    value, error, _ = latent.elbo_monte_carlo(given, q, 20_000, rng)
    assert np.all(np.abs(value - model.elbo(x, q)) < 4.5 * error)


def test_weight_is_constant_under_the_posterior():
    model, rng = draw_model(5, 2, 3)
    x = model.sample(4, rng)
    w = latent.draw_log_weights(latent.gaussian_decoder(x, model.decode, model.sd), model.posterior(x), 50, rng)
    assert_allclose(w, np.repeat(model.log_prob(x)[:, None], 50, axis=1), rtol=1e-11)


# --- maximum likelihood of the linear model -----------------------------------------------------------------------
@pytest.mark.parametrize("d, k, n", [(6, 2, 200), (4, 1, 40), (10, 3, 9), (3, 2, 50)])
def test_fit_attains_the_closed_form_maximum(d, k, n):
    rng = np.random.default_rng([d, k, n])
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    fit = ProbabilisticPCA.fit(x, k)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    rest = eigenvalues[k:].mean()
    closed = -0.5 * (d * np.log(2 * np.pi) + np.log(eigenvalues[:k]).sum() + (d - k) * np.log(rest) + d)
    assert_allclose(fit.log_prob(x).mean(), closed, rtol=0, atol=1e-12 * max(1, abs(closed)))


def test_no_optimiser_and_no_perturbation_does_better():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    fit, d, k = ProbabilisticPCA.fit(x, 2), 4, 2
    best = fit.log_prob(x).mean()
    model = lambda p: ProbabilisticPCA(p[: d * k].reshape(d, k), p[d * k : -1], np.exp(p[-1]))
    for seed in range(3):
        start = np.random.default_rng(seed).normal(size=d * k + d + 1)
        found = optimize.minimize(lambda p: -model(p).log_prob(x).mean(), start, method="BFGS", options={"gtol": 1e-6})
        assert -found.fun <= best + 1e-12
        assert_allclose(-found.fun, best, atol=1e-7)
    at = np.concatenate([fit.loadings.ravel(), fit.mean(), [np.log(fit.sd)]])
    for _ in range(200):
        assert model(at + rng.normal(size=at.size) * 10.0 ** rng.uniform(-5, 0)).log_prob(x).mean() <= best + 1e-12
    rotation = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    assert_allclose(ProbabilisticPCA(fit.loadings @ rotation, fit.mean(), fit.sd).log_prob(x).mean(), best, rtol=1e-12)


# --- evidence by quadrature ---------------------------------------------------------------------------------------
FINE, STEP = np.linspace(
    -14, 14, 280_001, retstep=True
)  # for smooth integrands the trapezoid rule is exact to rounding


def arch_log_joint(x, sd):
    """log N(x₁; z, σ²) N(x₂; z², σ²) N(z; 0, 1) on the fine lattice."""
    return stats.norm.logpdf(x[0], FINE, sd) + stats.norm.logpdf(x[1], FINE**2, sd) + stats.norm.logpdf(FINE)


def arch_log_evidence(x, sd):
    return logsumexp(arch_log_joint(x, sd)) + np.log(STEP)


X_ARCH = np.array([[0.5, 1.5], [0.0, 0.0], [-1.2, 1.0], [2.0, 4.1], [0.7, -0.5]])


@pytest.mark.parametrize("sd", [0.2, 0.5, 1.0])
def test_evidence_of_a_bent_line_within_its_stated_error(sd):
    given = latent.gaussian_decoder(X_ARCH, latent.arch, sd)
    exact = [arch_log_evidence(x, sd) for x in X_ARCH]
    for spacing in (0.02, 0.5):
        value, error, _ = latent.evidence_on_grid(given, 1, spacing)
        assert np.all(np.abs(value - exact) <= error + 1e-12), spacing
        assert error.max() < 1e-9
    value, error, _ = latent.evidence(given, k=1, tolerance=1e-3)
    assert np.all(np.abs(value - exact) <= error + 1e-12) and error.max() < 1e-3


def test_evidence_of_counts_and_in_two_dimensions():
    x = np.array([0.0, 1.0, 4.0, 30.0])
    rate = lambda z: np.exp(0.4 + 0.8 * z[..., 0])
    value, error, _ = latent.evidence(lambda z: stats.poisson.logpmf(x[:, None], rate(z)), k=1)
    exact = [
        np.log(
            integrate.quad(
                lambda z: stats.poisson.pmf(c, np.exp(0.4 + 0.8 * z)) * stats.norm.pdf(z),
                -12,
                12,
                epsabs=0,
                epsrel=1e-12,
                limit=500,
            )[0]
        )
        for c in x
    ]
    assert_allclose(value, exact, rtol=0, atol=1e-10)
    decode = lambda z: np.stack([z[..., 0] + z[..., 1] ** 2, np.tanh(z[..., 0]), z[..., 0] * z[..., 1]], axis=-1)
    point = np.array([0.8, 0.3, -0.4])
    t, h = np.linspace(-7, 7, 141), 0.1
    z = np.stack(np.meshgrid(t, t), axis=-1).reshape(-1, 2)
    log_joint = stats.norm.logpdf(point, decode(z), 0.6).sum(axis=1) + stats.norm.logpdf(z).sum(axis=1)
    exact = logsumexp(log_joint) + 2 * np.log(h)  # trapezoid: exponentially accurate
    value, error, _ = latent.evidence_on_grid(latent.gaussian_decoder(point[None], decode, 0.6), 2, spacing=0.1)
    assert_allclose(value, exact, rtol=0, atol=1e-10)
    assert error < 1e-8
    value, error, _ = latent.evidence(latent.gaussian_decoder(point[None], decode, 0.6), k=2)
    assert_allclose(value, exact, rtol=0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("sd", [1e-3, 0.1, 3.0])
def test_evidence_finds_a_peaked_posterior(sd):
    for d, k in ((5, 2), (4, 1)):
        rng = np.random.default_rng(d)
        model = ProbabilisticPCA(rng.normal(size=(d, k)), rng.normal(size=d), sd)
        x = model.sample(30, rng)
        value, error, _ = latent.evidence(latent.gaussian_decoder(x, model.decode, sd), k)
        assert np.all(np.abs(value - model.log_prob(x)) <= error) and error.max() < 1e-9


@pytest.mark.slow
def test_log_evidence_is_elbo_plus_kl_in_the_bent_model():
    sd, rng = 0.5, np.random.default_rng(1)
    given = latent.gaussian_decoder(X_ARCH, latent.arch, sd)
    log_p, error, _ = latent.evidence(given, k=1)
    for _ in range(4):
        q = Normal(rng.normal(size=5), np.exp(rng.normal(-0.5, 0.5, size=5)))
        bound, bound_error, _ = latent.elbo(given, q)
        assert np.all(bound_error < 1e-9)
        for i, x in enumerate(X_ARCH):
            # KL as an integral of something that is never negative, under q
            l = arch_log_joint(x, sd) - arch_log_evidence(x, sd) - stats.norm.logpdf(FINE, q.mean()[i], q.sd[i])
            with np.errstate(over="ignore", invalid="ignore"):
                rest = stats.norm.pdf(FINE, q.mean()[i], q.sd[i]) * (np.exp(l) - 1 - l)
            kl = STEP * np.sum(np.where(np.abs(FINE - q.mean()[i]) < 12 * q.sd[i], rest, np.exp(arch_log_joint(x, sd))))
            assert abs(bound[i] + kl - log_p[i]) < 1e-9 + 2 * (error[i] + bound_error[i])


def test_log_weights_against_densities():
    rng = np.random.default_rng(2)
    q, z = draw_q(5, 1, rng), rng.normal(size=(5, 7, 1))
    w = latent.log_weights(latent.gaussian_decoder(X_ARCH, latent.arch, 0.3), q, z)
    direct = [
        [
            stats.norm.logpdf(x, [v, v * v], 0.3).sum()
            + stats.norm.logpdf(v)
            - stats.norm.logpdf(v, q.mean()[i, 0], q.cov[i, 0, 0] ** 0.5)
            for v in z[i, :, 0]
        ]
        for i, x in enumerate(X_ARCH)
    ]
    assert_allclose(w, direct, rtol=1e-11)


# --- draws and their weights --------------------------------------------------------------------------------------
def exact_bounds(joint, q, sizes):
    """L_K of a latent with few values, summed over all ways to draw K of them."""
    log_w, bounds = np.log(joint / q), []
    for size in sizes:
        draws = np.array(list(itertools.combinations_with_replacement(range(len(q)), size)))
        counts = np.stack([(draws == value).sum(axis=1) for value in range(len(q))], axis=1)
        bounds.append(stats.multinomial.pmf(counts, size, q) @ latent.importance_weighted_bound(log_w[draws]))
    return np.array(bounds)


@each_seed
def test_importance_weighted_bound_rises_with_k_and_reaches_the_evidence(seed):
    rng = np.random.default_rng(seed)
    joint, q, sizes = rng.gamma(0.5, size=4) + 0.05, rng.dirichlet(np.ones(4)) * 0.8 + 0.05, [1, 2, 3, 6, 12, 24]
    bounds, log_p = exact_bounds(joint, q, sizes), np.log(joint.sum())
    assert_allclose(bounds[0], q @ np.log(joint / q), rtol=1e-12)
    two = [q[i] * q[j] * np.log((joint[i] / q[i] + joint[j] / q[j]) / 2) for i in range(4) for j in range(4)]
    assert_allclose(bounds[1], sum(two), rtol=1e-12)
    assert np.all(np.diff(bounds) > 0) and np.all(bounds < log_p)
    relative = q @ (joint / q) ** 2 / joint.sum() ** 2 - 1
    assert_allclose(log_p - bounds[-1], relative / 48, rtol=0.25)


def test_importance_weighted_bound_of_the_bent_line_against_a_double_sum():
    given, q = latent.gaussian_decoder(X_ARCH[:1], latent.arch, 0.5), Normal(0.7, 0.5)
    log_p = arch_log_evidence(X_ARCH[0], 0.5)
    z, step = np.linspace(-3.3, 4.7, 1601, retstep=True)  # eight standard deviations of q
    log_w = stats.norm.logpdf(X_ARCH[0][0], z, 0.5) + stats.norm.logpdf(X_ARCH[0][1], z**2, 0.5)
    log_w = log_w + stats.norm.logpdf(z) - stats.norm.logpdf(z, 0.7, 0.5)
    share = step * stats.norm.pdf(z, 0.7, 0.5)
    one, two = share @ log_w, share @ (np.logaddexp.outer(log_w, log_w) - np.log(2)) @ share
    assert one < two < log_p and log_p - one > 0.1
    w = latent.draw_log_weights(given, q, 2**18, 3)[0]
    for k, exact in ((1, one), (2, two)):
        values = latent.importance_weighted_bound(w.reshape(-1, k))
        assert abs(values.mean() - exact) < 4.5 * values.std() / np.sqrt(values.size)
    assert_allclose(latent.importance_weighted_bound(w), log_p, atol=0.01)


def test_bias_of_the_bound_is_half_the_relative_variance_over_k():
    model = ProbabilisticPCA([[1.0], [0.5]], [0.0, 0.0], 0.8)
    x, q = np.array([[1.0, -0.3]]), Normal(0.2, 0.9)
    given = latent.gaussian_decoder(x, model.decode, model.sd)
    z, log_w = latent.gauss_hermite(q, 60)
    relative = (
        np.exp(logsumexp(2 * latent.log_weights(given, q, z) + log_w) - 2 * model.log_prob(x[0])) - 1
    )  # by quadrature
    for k in (64, 256):
        values = latent.importance_weighted_bound(latent.draw_log_weights(given, q, 4000 * k, 5)[0].reshape(-1, k))
        error = values.std() / np.sqrt(values.size)
        assert abs(model.log_prob(x[0]) - values.mean() - relative / (2 * k)) < 4 * error + 2 * relative**2 / k**2


def test_effective_sample_size_and_prior_average():
    w = np.random.default_rng(4).normal(size=(3, 50), scale=2)
    v = np.exp(w)
    assert_allclose(latent.effective_sample_size(w - 1e4), v.sum(1) ** 2 / (v**2).sum(1), rtol=1e-9)
    model, rng = draw_model(3, 2, 1)
    x = model.sample(40, rng)
    value, error, _ = latent.prior_average(latent.gaussian_decoder(x, model.decode, model.sd), 2, 50_000, rng)
    score = (value - model.log_prob(x)) / error
    assert np.abs(score).max() < 4.5 and np.abs(score).min() < 1.5


@each_shape
def test_second_moment_of_the_prior_average(d, k):
    if k > 2:
        pytest.skip("the grid is for one or two latents")
    model, rng = draw_model(d, k, 5)
    x = model.sample(6, rng)
    t = np.linspace(-8, 8, 321)
    z = np.stack(np.meshgrid(*[t] * k), axis=-1).reshape(-1, k)
    log_w = stats.norm.logpdf(z).sum(1) + k * np.log(t[1] - t[0])
    direct = np.array(
        [logsumexp(2 * stats.norm(model.decode(z), model.sd).logpdf(v).sum(1) + log_w) for v in x]
    ) - 2 * model.log_prob(x)
    assert_allclose(latent.log_prior_second_moment(model, x), direct, rtol=1e-9, atol=1e-9)


# --- bad input ----------------------------------------------------------------------------------------------------
LINE = lambda z: -z[..., 0]


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: ProbabilisticPCA([1.0, 2.0], [0, 0], 1), ["shape of loadings", "(2,)", "(d, k)", "w[:, None]"]),
        (lambda: ProbabilisticPCA(np.eye(2), [0, 0, 0], 1), ["shape of mean", "(3,)", "(2,)"]),
        (lambda: ProbabilisticPCA(np.eye(2), [0, 0], 0), ["sd", "0.0", "positive"]),
        (lambda: ProbabilisticPCA(np.eye(2), [0, 0], [1.0, 2.0]), ["shape of sd", "(2,)", "one standard deviation"]),
        (lambda: ProbabilisticPCA(np.eye(2), [0, 0], 1).log_prob([1.0, 2.0, 3.0]), ["shape of x", "(3,)", "(..., 2)"]),
        (lambda: ProbabilisticPCA(np.eye(2), [0, 0], 1).log_prob([np.nan, 1.0]), ["x", "nan", "no NaN"]),
        (lambda: ProbabilisticPCA.fit(np.eye(3), 3), ["k", "3", "fewer latent coordinates", "MultivariateNormal.fit"]),
        (
            lambda: ProbabilisticPCA.fit(np.random.default_rng(0).normal(size=(3, 6)), 2),
            ["2-dimensional plane", "without bound"],
        ),
        (lambda: ProbabilisticPCA.fit(np.ones((4, 2)), 1), ["1-dimensional plane", "no maximum exists"]),
        (lambda: latent.gaussian_decoder([1.0, 2.0], latent.arch, 1.0), ["shape of x", "(2,)", "x[None, :]"]),
        (lambda: latent.gaussian_decoder([[1.0, 2.0]], latent.arch, 0.0), ["sd", "0.0", "positive"]),
        (lambda: latent.evidence(LINE, k=3), ["k", "3", "1 or 2 latents", "importance_weighted_bound"]),
        (
            lambda: ProbabilisticPCA([[1.0], [2.0]], [0, 0], 1).elbo(
                [[0.0, 1.0]], MultivariateNormal([0, 0], np.eye(2))
            ),
            ["coordinates of q", "2", "1, the number"],
        ),
        (lambda: latent.evidence(lambda z: np.nan * z[..., 0], k=1), ["log_likelihood(z)", "nan", "Check the decoder"]),
        (
            lambda: latent.elbo(lambda z: np.full(z.shape[:2], np.nan), Normal(0, 1)),
            ["log_likelihood(z)", "nan", "decoder"],
        ),
        (lambda: latent.evidence(lambda z: z, k=1), ["shape of log_likelihood(z)", "(1, 1, 1)", "(n, 1)"]),
        (lambda: latent.evidence_on_grid(LINE, 3, 0.1), ["evidence_on_grid", "k", "1 or 2 latents"]),
        (lambda: latent.evidence_on_grid(LINE, 1, 0.0), ["spacing", "0.0", "positive"]),
        (lambda: latent.evidence(LINE, 1, tolerance=-1.0), ["tolerance", "-1.0", "positive"]),
        (
            lambda: latent.gauss_hermite(MultivariateNormal(np.zeros(4), np.eye(4)), 64),
            ["nodes**k", "at most 1,000,000", "draw samples"],
        ),
        (lambda: latent.elbo(LINE, stats.norm()), ["elbo", "q", "scipy.stats.norm", "Normal(0.3, 0.5)"]),
        (lambda: latent.log_weights(LINE, Normal(0, 1), np.zeros(3)), ["shape of z", "(3,)", "(n, m, 1)"]),
        (lambda: latent.draw_log_weights(LINE, Normal(0, 1), 0, 0), ["draws", "0", "positive integer"]),
        (lambda: latent.importance_weighted_bound([np.nan, 0.0]), ["log_weights", "nan", "not NaN"]),
        (lambda: latent.effective_sample_size(1.0), ["log_weights", "1.0", "last axis"]),
        (
            lambda: Mixture([0.5, 0.5], MultivariateNormal([[0, 0], [1, 1]], np.eye(2))).log_prob([1.0, 2.0, 3.0]),
            ["shape of x", "(..., 2)"],
        ),
    ],
    ids=range(26),
)
def test_bad_input(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


LINEAR = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
TWO = Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0))
WAITS = {"x": [-2.0, 0.0, 2.0], "weights": [1.0, 2.0, 1.0]}
#: An argument that is right, by its name; where one name means two things, by the name of the function.
RIGHT = {
    "x": np.array([[3.0, 1.5], [0.0, 1.0]]),
    "z": np.zeros((2, 3, 1)),
    "log_likelihood": latent.gaussian_decoder([[3.0, 1.5], [0.0, 1.0]], LINEAR.decode, 1.0),
    "log_weights": [0.0, 1.0],
    "responsibilities": [[0.5, 0.5]] * 3,
    "loadings": [[2.0], [1.0]],
    "mean": [0.0, 0.0],
    "decode": LINEAR.decode,
    "family": Normal,
    "q": Normal(0.0, 1.0),
    **dict.fromkeys(("model", "other"), LINEAR),
    **dict.fromkeys(("mixture", "start"), TWO),
    **{"sd": 1.0, "k": 1, "draws": 50, "nodes": 16, "rounds": 5, "spacing": 0.1, "tolerance": 1e-6, "max_steps": 5},
    **{"n": 5, "rng": 0},
}
RIGHT_FOR = {
    "em_step": WAITS,
    "fit_mixture": WAITS,
    "mixture_elbo": WAITS,
    "random_start": WAITS,
    "arch": {"z": [[1.0]]},
    "ProbabilisticPCA.decode": {"z": [[1.0]]},
    "ProbabilisticPCA.log_joint": {"z": [[1.0], [2.0]]},
    "ProbabilisticPCA.fit": {"x": [[1.0, 2.0], [2.0, 1.0], [0.0, 3.0], [1.0, 1.0]]},
}
ODD = [
    *(None, "a", object(), True, -1, 0, 2.5, np.nan, np.inf, -np.inf, 1e300, 1e-300, 1j, [], [[]], [np.nan, 1.0], {}),
    *([[1.0, 2.0], [3.0]], ["a", "b"], np.zeros((0, 3)), np.zeros((2, 2, 2, 2)), np.ones((3, 3)), slice(3), b"x"),
    *(np.array([1 + 1j]), np.array(["x"]), np.datetime64("2020"), 10**15, np.random.RandomState(0), int),
    *(Normal([0.0, 1.0, 2.0], 1.0), Normal(np.zeros((2, 2)), 1.0), MultivariateNormal(np.zeros(3), np.eye(3))),
    *(Poisson(1.0), TWO, Mixture([0.5, 0.5], Poisson([1.0, 2.0])), LINEAR, stats.norm()),
    lambda z: z,
    lambda z: np.full(z.shape[:2], np.nan),
    lambda z: np.zeros((5, 2)),
    lambda z: "a",
]
CALLABLES = {
    **{
        name: function
        for module in (latent, em)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and (function.__module__ == module.__name__ or name in getattr(module, "__all__", ()))
        and not name.startswith("_")
    },
    "ProbabilisticPCA": ProbabilisticPCA,
    **{
        f"ProbabilisticPCA.{name}": getattr(LINEAR, name)
        for name in vars(ProbabilisticPCA)
        if not name.startswith("_") and callable(getattr(LINEAR, name))
    },
}


@pytest.mark.parametrize("name", CALLABLES)
def test_odd_arguments_get_one_clear_error_or_an_answer(name):
    function = CALLABLES[name]
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_KEYWORD]
    right = {p.name: {**RIGHT, **RIGHT_FOR.get(name, {})}.get(p.name) for p in parameters}

    def call(**odd):
        values = {**right, **odd}
        given = [values.pop(p.name) for p in parameters if p.kind == p.POSITIONAL_ONLY]
        return function(*given, **values)

    call()
    obscure = []
    for parameter in parameters:
        for odd in ODD:
            if odd is int and parameter.name in ("log_likelihood", "decode"):
                continue  # an error inside a function that was passed is that function's own
            if name in ("mixture_elbo", "ProbabilisticPCA.sample") and isinstance(odd, (int, float)) and odd > 1e9:
                continue  # the family's and the generator's business
            try:
                result = call(**{parameter.name: odd})
            except (ValueError, TypeError, QuadratureError) as error:
                if "; expected " not in str(error):
                    obscure.append((parameter.name, odd, error))
            else:
                parts = result if isinstance(result, tuple) else (result,)
                arrays = [np.asarray(part) for part in parts if isinstance(part, (float, np.ndarray, np.generic))]
                assert not any(np.isnan(part).any() for part in arrays), (parameter.name, odd)
    assert not obscure


def test_an_error_names_the_function_that_was_called():
    model = latent.ProbabilisticPCA([[1.0], [1.0]], [0.0, 0.0], 0.5)
    with pytest.raises(ValueError, match="log_prior_second_moment: x"):
        latent.log_prior_second_moment(model, [1.0, np.nan])
