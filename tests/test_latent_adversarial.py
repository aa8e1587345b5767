"""Evidences, bounds and error bars where they are hard to have: within the stated error, or refused.

The references are closed forms, or sums over very fine lattices (`lattice`), never the code under test.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.special import log_ndtr, logsumexp

from companion import latent
from companion.families import MultivariateNormal, Normal
from companion.integrals.quadrature import QuadratureError
from companion.latent import ProbabilisticPCA, gaussian_decoder

IDENTITY = lambda z: z


def lattice(log_joint, low=-12.0, high=12.0, points=200_000):
    """log ∫ exp(log_joint) by the trapezoid rule, which for smooth integrands that vanish at the ends is exact to
    rounding; in blocks."""
    h, parts, block = (high - low) / points, [], min(points, 200_000)
    for start in range(0, points, block):
        z = low + h * (np.arange(start, start + block) + 0.5)
        parts.append(logsumexp(log_joint(z)))
    return logsumexp(parts) + np.log(h)


def observed(x, sd, decode):
    """log p(x|z) + log p(z) of one number on the line."""
    return lambda z: stats.norm.logpdf(x, decode(z), sd) + stats.norm.logpdf(z)


def linear(x, sd, slope=1.0):
    return stats.norm.logpdf(x, 0.0, np.hypot(sd, slope))


def two_lines(x, sd, left, right, at=0.0):
    """Evidence of the mean that is a + b z with (a, b) = left for z < at and right above: two truncated normal
    integrals, in closed form."""
    parts = []
    for (a, b), side in ((left, 1.0), (right, -1.0)):
        variance = 1 / (1 + (b / sd) ** 2)
        mean = variance * b * (x - a) / sd**2
        parts.append(linear(x - a, sd, b) + log_ndtr(side * (at - mean) / np.sqrt(variance)))
    return logsumexp(parts)


def steps(x, sd, values, at):
    """Evidence of a mean that jumps from one value to the next at the points `at`."""
    share = np.diff(stats.norm.cdf([-np.inf, *at, np.inf]))
    return logsumexp(stats.norm.logpdf(x, values, sd), b=share)


def bent_line(x, sd):
    x1, x2 = x
    return lambda z: stats.norm.logpdf(x1, z, sd) + stats.norm.logpdf(x2, z * z, sd) + stats.norm.logpdf(z)


def count(c, a, b):
    return lambda z: stats.poisson.logpmf(c, np.exp(a + b * z)) + stats.norm.logpdf(z)


def counts(c, a, b):
    return lambda z: stats.poisson.logpmf(np.array([[c]]), np.exp(a + b * z[..., 0]))


# name: observation, decoder, sd, the exact log-evidence
LINES = {
    "a posterior far out": ([30.0], IDENTITY, 1.0, linear(30, 1)),
    "far out and narrow": ([12.0], IDENTITY, 0.01, linear(12, 0.01)),
    "farther and narrower": ([100.0], IDENTITY, 1e-3, linear(100, 1e-3)),
    "a million standard deviations away": ([1e6], IDENTITY, 1.0, linear(1e6, 1)),
    "on the other side": ([-40.0], IDENTITY, 0.3, linear(-40, 0.3)),
    "almost without noise": ([0.3], IDENTITY, 1e-6, linear(0.3, 1e-6)),
    "noise near the rounding of z": ([5.0], IDENTITY, 1e-9, linear(5, 1e-9)),
    "noise that hides all": ([0.0], IDENTITY, 1e6, linear(0, 1e6)),
    "huge data": ([1e9], lambda z: 1e9 * z, 1e7, linear(1, 0.01) - np.log(1e9)),
    "tiny data": ([1e-9], lambda z: 1e-9 * z, 1e-11, linear(1, 0.01) + np.log(1e9)),
    "huge scale": ([1e150], lambda z: 1e150 * z, 1e149, linear(1, 0.1) - np.log(1e150)),
    "a kink": ([0.5], np.abs, 0.1, two_lines(0.5, 0.1, (0, -1), (0, 1))),
    "a kink that hides half of z": ([0.0], lambda z: np.maximum(z, 0), 0.1, two_lines(0, 0.1, (0, 0), (0, 1))),
    "a kink beside the nodes": (
        [0.1],
        lambda z: np.where(z < 0.4007, z, 0.4007 + 9 * (z - 0.4007)),
        0.02,
        two_lines(0.1, 0.02, (0, 1), (-8 * 0.4007, 9), at=0.4007),
    ),
    "a jump": ([0.5], np.sign, 0.3, steps(0.5, 0.3, [-1, 1], [0.0])),
    "a jump just beside a cell's end": (
        [0.19],
        lambda z: np.where(z < 1.5026, 0.26, 3.5),
        0.16,
        steps(0.19, 0.16, [0.26, 3.5], [1.5026]),
    ),
    "a narrow step": (
        [5.0],
        lambda z: np.where(np.abs(z - 1.01) < 0.03, 5.0, 0.0),
        0.2,
        steps(5, 0.2, [0, 5, 0], [0.98, 1.04]),
    ),
    "humps 0.001 wide, by the dozen": ([0.5], lambda z: np.sin(20 * z), 0.02, "lattice"),
    "humps 0.0001 wide, by the hundred": ([0.5], lambda z: np.sin(200 * z), 0.02, "lattice"),
    "a high wave with little noise": ([-0.16], lambda z: 3.2 * np.sin(55 * z) + 0.3 * z, 0.01, "lattice"),
    "a wave in the noise": ([0.5], lambda z: np.sin(20 * z), 0.5, "lattice"),
    "saturated": ([0.999], lambda z: np.tanh(30 * (z - 2)), 0.05, "lattice"),
    "a cubic": ([7.0], lambda z: z**3 - 4 * z, 0.03, "lattice"),
    "an exponential": ([20.0], lambda z: np.exp(2 * z), 0.1, "lattice"),
}


@pytest.mark.parametrize("name", LINES)
def test_evidence_on_the_line(name):
    x, decode, sd, exact = LINES[name]
    if exact == "lattice":
        exact = lattice(
            observed(x[0], sd, decode), points=2_000_000 if "hundred" in name or "high" in name else 200_000
        )
    value, error, _ = latent.evidence(gaussian_decoder([x], decode, sd), k=1)
    rounding = 1e-13 * (1 + abs(exact)) if np.isfinite(exact) else 0
    assert abs(value[0] - exact) <= error[0] + rounding
    assert error[0] <= 1e-5 * (1 + abs(exact))


@pytest.mark.parametrize("height, sd", [(9.0, 0.1), (1.5, 0.02), (-4.0, 0.3), (400.0, 0.5)])
def test_evidence_of_two_humps_far_apart(height, sd):
    exact = lattice(bent_line((0.0, height), sd), -25.0, 25.0)
    value, error, _ = latent.evidence(gaussian_decoder([[0.0, height]], latent.arch, sd), k=1)
    assert abs(value[0] - exact) <= error[0] + 1e-12 * abs(exact) and error[0] < 1e-6


@pytest.mark.parametrize("c, a, b", [(0, 0.4, 20.0), (30, 0.4, 0.8), (10_000, 0.0, 1.0), (3, -5.0, 6.0)])
def test_evidence_of_counts_whose_rate_overflows_far_out(c, a, b):
    value, error, _ = latent.evidence(counts(c, a, b), k=1)
    exact = lattice(count(c, a, b))
    assert abs(value[0] - exact) <= error[0] + 1e-11 * (1 + abs(exact)) and error[0] < 1e-7


@pytest.mark.parametrize("sd", [1e-4, 0.05, 1.0, 50.0])
@pytest.mark.parametrize("shift", [0.0, 12.0])
def test_evidence_in_the_plane(sd, shift):
    rng = np.random.default_rng(3)
    model = ProbabilisticPCA(rng.normal(size=(4, 2)), rng.normal(size=4), sd)
    x = model.sample(3, rng) + model.loadings @ [shift, -shift]
    value, error, _ = latent.evidence(gaussian_decoder(x, model.decode, sd), k=2)
    exact = model.log_prob(x)
    assert np.all(np.abs(value - exact) <= error + 1e-12 * np.abs(exact)) and error.max() < 1e-6


def test_tolerance_that_is_not_given():
    """1e-8 on the line and 1e-6 in the plane."""
    for k, tolerance, other in ((1, 1e-8, 1e-6), (2, 1e-6, 1e-8)):
        found, same, less = (
            latent.evidence(lambda z: -15 * np.sum(np.abs(z - 1) ** 1.5, axis=-1), k, tolerance=given)
            for given in (None, tolerance, other)
        )
        assert found[:2] == same[:2] and found.error != less.error


def test_evidence_of_a_narrow_ridge_and_of_waves_in_the_plane():
    model = ProbabilisticPCA([[1.0, 1.0], [1.0, 1.02]], [0.0, 0.0], 0.05)
    x = np.array([[0.7, 0.71]])
    value, error, _ = latent.evidence(gaussian_decoder(x, model.decode, model.sd), k=2)
    assert abs(value - model.log_prob(x)) <= error and error < 1e-6
    wave = lambda z: np.sin(4 * z)  # the coordinates do not meet: a product of two lines
    value, error, _ = latent.evidence(gaussian_decoder([[0.5, 0.2]], wave, 0.3), k=2)
    exact = sum(lattice(observed(x, 0.3, wave)) for x in (0.5, 0.2))
    assert abs(value - exact) <= error and error < 1e-6


def test_a_finite_evidence_of_a_likelihood_that_grows():
    value, error, _ = latent.evidence(lambda z: 0.4 * z[..., 0] ** 2, k=1)
    assert abs(value + 0.5 * np.log(0.2)) <= error and error < 1e-8  # E[e^(0.4 z²)] = (1 − 0.8)^(−1/2)


@pytest.mark.parametrize(
    "log_likelihood",
    [
        lambda z: z[..., 0] ** 2,  # infinite
        lambda z: 0.5 * z[..., 0] ** 2,  # infinite, by a hair
        lambda z: -0.5 * (np.sin(1e7 * z[..., 0]) / 0.02) ** 2,  # too many humps
    ],
    ids=["infinite", "only just infinite", "too many humps"],
)
def test_evidence_that_cannot_be_had_is_refused(log_likelihood):
    with pytest.raises(QuadratureError, match="evidence: "):
        latent.evidence(log_likelihood, k=1)


def test_an_overflow_far_out_is_no_matter_and_one_at_the_posterior_is():
    far = lambda z: np.where(np.abs(z) < 20, stats.norm.logpdf(0.3, z, 0.5), np.nan)[..., 0]
    value, error, _ = latent.evidence(far, k=1)
    assert abs(value - linear(0.3, 0.5)) <= error
    near = lambda z: np.where(np.abs(z) < 2, stats.norm.logpdf(0.3, z, 0.5), np.nan)[..., 0]
    with pytest.raises(ValueError, match=r"evidence: log_likelihood\(z\) = nan.*\|z\| = 2\.\d"):
        latent.evidence(near, k=1)
    half = lambda z: np.where(z > 0, stats.norm.logpdf(0.3, z, 0.5), -np.inf)[..., 0]  # impossible is not unknown
    value, error, _ = latent.evidence(half, k=1)
    exact = linear(0.3, 0.5) + log_ndtr((0.3 / 1.25) / np.sqrt(0.2))
    assert abs(value - exact) <= error
    with pytest.raises(ValueError, match=r"largest log_likelihood.*= -inf"):
        latent.evidence(lambda z: np.full(z.shape[:2], -np.inf), k=1)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-10])
def test_error_keeps_the_tolerance_asked_for(tolerance):
    x, decode, sd, _ = LINES["a high wave with little noise"]
    exact = lattice(observed(x[0], sd, decode), points=2_000_000)
    value, error, _ = latent.evidence(gaussian_decoder([x], decode, sd), k=1, tolerance=tolerance)
    assert abs(value[0] - exact) <= error[0] + 1e-12 and error[0] <= tolerance + 1e-10


# --- the bound ----------------------------------------------------------------------------------------------------
BOUNDS = {
    "smooth": (lambda z: z, 0.5, 0.3, 0.7),
    "a kink": (np.abs, 0.5, 0.05, 0.7),
    "a kink and little noise": (lambda z: np.maximum(z, 0.1), 0.02, -0.2, 1.0),
    "a wave": (lambda z: np.sin(6 * z), 0.3, 0.0, 1.0),
    "a wave faster than the nodes": (lambda z: np.sin(50 * z), 0.3, 0.0, 1.0),
    "a wave much faster than the nodes": (lambda z: np.sin(777 * z), 0.1, 0.4, 2.0),
    "a jump": (np.sign, 0.2, 0.1, 0.8),
    "steep": (lambda z: np.exp(2 * z), 0.1, 0.0, 1.0),
    "far out": (lambda z: z, 1e-3, 50.0, 0.2),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bound_within_its_error(name):
    decode, sd, mean, scale = BOUNDS[name]
    q = stats.norm(mean, scale)
    h = 28 * scale / 200_000
    z = mean - 14 * scale + h * (np.arange(200_000) + 0.5)
    exact = h * np.sum(q.pdf(z) * (observed(0.4, sd, decode)(z) - q.logpdf(z)))
    value, error, _ = latent.elbo(gaussian_decoder([[0.4]], decode, sd), Normal(mean, scale))
    assert abs(value[0] - exact) <= error[0] + 1e-9 * abs(exact)
    value, error, _ = latent.elbo_monte_carlo(gaussian_decoder([[0.4]], decode, sd), Normal(mean, scale), 20_000, 1)
    assert abs(value[0] - exact) <= 4.5 * error[0]


@pytest.mark.parametrize("nodes", [1, 2, 7])
def test_a_rule_is_not_compared_with_itself(nodes):
    """Rules with few nodes differ so little in number that their agreement says nothing of the error."""
    given = gaussian_decoder([[0.4]], IDENTITY, 0.5)
    with pytest.raises(ValueError, match=f"elbo: nodes = {nodes}; expected .*8"):
        latent.elbo(given, Normal(0, 1), nodes=nodes)
    with pytest.raises(ValueError, match=f"gaussian_posterior: nodes = {nodes}; expected .*8"):
        latent.gaussian_posterior(given, 1, nodes=nodes)


@pytest.mark.parametrize("decode", [IDENTITY, lambda z: np.concatenate([z, z, z], axis=-1), lambda z: z[..., 0]])
def test_a_decoder_of_another_width_is_not_broadcast(decode):
    given = gaussian_decoder([[0.4, 1.0]], decode, 0.5)
    for call in (lambda: latent.evidence(given, k=1), lambda: latent.prior_average(given, 1, 10, 0)):
        with pytest.raises(ValueError, match=r"shape of decode\(z\) = .*; expected .*, the 2 coordinates of x"):
            call()


# --- averages of draws --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("d", [1, 2, 5, 10, 20, 40])
def test_prior_average_admits_when_it_knows_nothing(d):
    model = ProbabilisticPCA(np.eye(d), np.zeros(d), 0.5)
    x = model.sample(30, d)
    given = gaussian_decoder(x, model.decode, 0.5)
    value, error, _ = latent.prior_average(given, d, 20_000, 0)
    finite = np.isfinite(error)
    misses, claims = np.sum(np.abs(value - model.log_prob(x))[finite] > 4.5 * error[finite]), finite.sum()
    assert misses <= 1
    assert claims == 30 if d <= 2 else claims < 5 if d >= 20 else claims > 10


def test_one_draw_has_no_error_and_weights_of_zero_no_share():
    given = gaussian_decoder([[0.4]], IDENTITY, 0.5)
    with pytest.raises(ValueError, match="prior_average: draws = 1; expected at least 2"):
        latent.prior_average(given, 1, 1, 0)
    with pytest.raises(ValueError, match="elbo_monte_carlo: draws = 1; expected at least 2"):
        latent.elbo_monte_carlo(given, Normal(0, 1), 1, 0)
    nothing = lambda z: np.full(z.shape[:2], -np.inf)
    assert latent.prior_average(nothing, 1, 10, 0)[:2] == (-np.inf, np.inf)
    assert latent.elbo_monte_carlo(nothing, Normal(0, 1), 10, 0)[:2] == (-np.inf, np.inf)
    for weights in ([np.inf, 0.0], [-np.inf, -np.inf]):
        with pytest.raises(ValueError, match="effective_sample_size: "):
            latent.effective_sample_size(weights)
    with pytest.raises(ValueError, match="importance_weighted_bound: log_weights"):
        latent.importance_weighted_bound([np.inf, 0.0])


# --- the linear model ---------------------------------------------------------------------------------------------
def plane(rng, n=60, d=4, k=2, noise=1.0):
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, d)) * 3 + noise * rng.normal(size=(n, d))


@pytest.mark.parametrize("scale", [1e160, 1e-170, 1e300, 1e-300, 1e8])
def test_fit_of_the_linear_model_at_any_scale(scale):
    x = plane(np.random.default_rng(0))
    one, two = ProbabilisticPCA.fit(x, 2), ProbabilisticPCA.fit(x * scale, 2)
    np.testing.assert_allclose(two.sd / scale, one.sd, rtol=1e-10)
    np.testing.assert_allclose(two.loadings / scale, one.loadings, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(two.log_prob(x * scale), one.log_prob(x) - 4 * np.log(scale), rtol=1e-9)


@pytest.mark.parametrize("far", [1e6, 1e10, 1e13])
def test_fit_of_the_linear_model_with_an_outlier(far):
    from fractions import Fraction

    rng = np.random.default_rng(1)
    x = plane(rng)
    x[7] += far * np.array([1.0, -2.0, 0.5, 1.0])
    fit = ProbabilisticPCA.fit(x, 1)
    # the exact covariance in rational numbers; its trace less its largest eigenvalue, by power iteration in them
    rows = [[Fraction(v) for v in row] for row in x.tolist()]
    mean = [sum(column) / len(rows) for column in zip(*rows)]
    away = [[v - m for v, m in zip(row, mean)] for row in rows]
    cov = [[sum(r[i] * r[j] for r in away) / len(rows) for j in range(4)] for i in range(4)]
    v = [Fraction(float(c)) for c in fit.loadings[:, 0] / np.linalg.norm(fit.loadings)]
    for _ in range(3):
        v = [sum(c * w for c, w in zip(row, v)) for row in cov]
        v = [Fraction(w.numerator * 10**40 // w.denominator, 10**40) / max(map(abs, v)) for w in v]
    top = sum(a * sum(c * b for c, b in zip(row, v)) for a, row in zip(v, cov)) / sum(a * a for a in v)
    exact = float((sum(cov[i][i] for i in range(4)) - top) / 3) ** 0.5
    np.testing.assert_allclose(fit.sd, exact, rtol=1e-3 if far > 1e12 else 1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e8, 1e12])
def test_data_in_a_plane_are_refused_wherever_the_plane_is(shift):
    x = plane(np.random.default_rng(0), noise=0.0) + shift
    with pytest.raises(ValueError, match="do not lie in a 2-dimensional plane"):
        ProbabilisticPCA.fit(x, 2)
    assert ProbabilisticPCA.fit(x, 1).sd > 0.1


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-6, 1.0, 100.0])
def test_kl_between_linear_models(distance):
    rng = np.random.default_rng(2)
    w, direction = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    p = ProbabilisticPCA(w, np.zeros(5), 0.3)
    q = ProbabilisticPCA(w + distance * direction, np.zeros(5), 0.3)
    value = p.kl_divergence(q)
    if distance == 0:
        assert value == 0.0
    elif distance < 1e-3:  # half the quadratic form of the second derivative: ¼ tr((C⁻¹ dC)²)
        change = np.linalg.solve(p.marginal().cov, w @ direction.T + direction @ w.T) * distance
        np.testing.assert_allclose(value, 0.25 * np.trace(change @ change), rtol=1e-3)
    else:
        np.testing.assert_allclose(value, p.marginal().kl_divergence(q.marginal()), rtol=1e-8)
    assert p.entropy() == pytest.approx(p.marginal().entropy(), rel=1e-12)
    assert p.cross_entropy(q) == pytest.approx(p.entropy() + value, rel=1e-9)
    with pytest.raises(TypeError, match="ProbabilisticPCA of vectors with 5"):
        p.kl_divergence(MultivariateNormal(np.zeros(5), np.eye(5)))


def test_evidence_of_a_decoder_in_single_precision():
    latents = []

    def rounded(z):
        latents.append(z.shape[1])
        return (200 + stats.norm.logpdf(0.7, np.sin(z[..., 0]), 0.2)).astype(np.float32) - 200.0

    value, error, _ = latent.evidence(rounded, k=1)
    exact = lattice(observed(0.7, 0.2, np.sin))
    assert abs(value[0] - exact) <= error[0] and 1e-9 < error[0] < 1e-2
    assert sum(latents) < 100_000  # it does not chase the noise
