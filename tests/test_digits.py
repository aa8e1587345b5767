"""The non-linear VAE against scipy's distributions, complex steps and sums over all images; training, files."""

import copy
import io
import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import comb, logsumexp

from companion import latent
from companion.digits import VAE, stored
from companion.lesson.datasets import digits

each_term = pytest.mark.parametrize("term", ["kl", "sampled", "nll"])


def network(weights, name, x):
    """The outputs of one of its networks from weights by name, also for complex ones."""
    return np.tanh(x @ weights[name + "W1"] + weights[name + "b1"]) @ weights[name + "W2"] + weights[name + "b2"]


def objective(vae, weights, x, noise):
    """The training objective per image in the plainest form."""
    code = network(weights, "encoder.", 2 * x / vae.trials - 1)
    m, log_tau = code[:, : vae.latent], code[:, vae.latent :]
    tau = np.exp(log_tau)
    z = m + tau * noise
    l = network(weights, "decoder.", z)
    log_p_x = np.log(comb(vae.trials, x)) - x * np.log(1 + np.exp(-l)) - (vae.trials - x) * np.log(1 + np.exp(l))
    log_p_z, log_q_z = (-0.5 * y**2 - 0.5 * np.log(2 * np.pi) for y in (z, noise))
    term = {
        "kl": 0.5 * (m**2 + tau**2 - 1) - log_tau,
        "sampled": log_q_z - log_tau - log_p_z,
        "nll": 0.5 * (m**2 + tau**2 + np.log(2 * np.pi)),
    }[vae.latent_term]
    return (vae.beta * term.sum() - log_p_x.sum()) / len(x)


def small(seed=0, n=7, **arguments):
    """A small VAE with weights of ordinary size, images and noise."""
    rng = np.random.default_rng(seed)
    vae = VAE(**{"pixels": 5, "hidden": 4, "latent": 2, "trials": 3, **arguments})
    vae.theta.flat[:] = rng.normal(scale=0.7, size=vae.theta.flat.size)
    return vae, rng.integers(0, vae.trials + 1, (n, vae.pixels)).astype(float), rng.normal(size=(n, vae.latent))


@pytest.fixture(scope="module")
def trained():
    x = digits().images
    return VAE(rng=0).fit(x, 30, rng=1), x


# --- the objective
@each_term
@pytest.mark.parametrize(
    "arguments", [{}, {"latent": 1, "trials": 1}, {"latent": 3, "beta": 0.3, "trials": 16}, {"beta": 0.0}], ids=str
)
def test_gradient_against_complex_steps(term, arguments):
    """Every block of weights, to 1e-7 and much better."""
    for seed in range(3):
        vae, x, noise = small(seed, latent_term=term, **arguments)
        value, gradient = vae.value_and_gradient(x, noise)
        weights = {name: vae.theta[name].astype(complex) for name in vae.theta}
        assert_allclose(value, objective(vae, weights, x, noise).real, rtol=1e-12)
        exact = []
        for w in weights.values():
            for i in range(w.size):
                w.flat[i] += 1e-30j
                exact.append(objective(vae, weights, x, noise).imag / 1e-30)
                w.flat[i] -= 1e-30j
        assert_allclose(gradient, exact, rtol=1e-9, atol=1e-11 * np.max(np.abs(exact)))


def test_gradient_at_the_size_of_the_digits(trained):
    """Central differences along random directions of each block."""
    vae, x = trained
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(50, 2))
    _, gradient = vae.value_and_gradient(x[:50], noise)
    weights = {name: vae.theta[name].astype(complex) for name in vae.theta}
    start = 0
    for name, w in weights.items():
        direction = rng.normal(size=w.shape)
        weights[name] = w + 1e-30j * direction
        slope = gradient[start : start + w.size] @ direction.ravel()
        assert_allclose(slope, objective(vae, weights, x[:50], noise).imag / 1e-30, rtol=1e-9)
        weights[name], start = w, start + w.size
    assert start == gradient.size


def test_gradient_of_saturated_pixels():
    """Log-odds of ±700: the value is finite and right, the gradient is zero or N."""
    vae, x, noise = small(trials=16)
    vae.theta["decoder.W2"][:] = 0.0
    vae.theta["decoder.b2"][:] = [700, 700, -700, -700, 0.0]
    x = np.array([[16.0, 0.0, 0.0, 16.0, 8.0]])
    value, _ = vae.value_and_gradient(x, noise[:1])
    mean, tau = vae.encode(x)
    rate = np.sum(0.5 * (mean**2 + tau**2 - 1) - np.log(tau))
    assert_allclose(value, rate + 2 * 16 * 700 - stats.binom.logpmf(8, 16, 0.5), rtol=1e-13)
    vae.value_and_gradient(x, noise[:1])
    assert_allclose(vae._gradient["decoder.b2"], [0, 16, 0, -16, 0], atol=1e-12)


def test_parts_against_scipy():
    vae, x, _ = small()
    mean, tau = vae.encode(x)
    assert_allclose(np.concatenate([mean, np.log(tau)], 1), network(vae.theta, "encoder.", 2 * x / 3 - 1), rtol=1e-12)
    z = np.random.default_rng(1).normal(size=(7, 4, 2))
    p = 1 / (1 + np.exp(-network(vae.theta, "decoder.", z)))
    assert_allclose(vae.decode(z), p, rtol=1e-13)
    assert_allclose(vae.log_likelihood(x, z), stats.binom.logpmf(x[:, None], 3, p).sum(-1), rtol=1e-12)
    assert_allclose(vae.log_likelihood(x, z[:1]), stats.binom.logpmf(x[:, None], 3, p[:1]).sum(-1), rtol=1e-12)
    q = vae.encoder(x)
    assert_allclose(q.log_prob(z[:, 0]), stats.norm.logpdf(z[:, 0], mean, tau).sum(-1), rtol=1e-12)
    rate = np.sum(0.5 * (mean**2 + tau**2 - 1) - np.log(tau), axis=1)
    distortion, own_rate = vae.distortion_and_rate(x, rng=3, draws=40)
    assert_allclose(own_rate, rate, rtol=1e-12)
    assert_allclose(vae.elbo(x, rng=3, draws=40), -distortion - rate, rtol=1e-12)
    noise = np.random.default_rng(3).standard_normal((7, 40, 2))
    z = mean[:, None] + tau[:, None] * noise
    assert_allclose(distortion, -vae.log_likelihood(x, z).mean(axis=1), rtol=1e-12)
    weights = (
        vae.log_likelihood(x, z)
        + stats.norm.logpdf(z).sum(-1)
        - stats.norm.logpdf(z, mean[:, None], tau[:, None]).sum(-1)
    )
    assert_allclose(vae.log_weights(x, 40, rng=3), weights, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
def test_the_sampled_term_has_the_mean_of_the_closed_form():
    """Value and gradient, over many draws; the closed form varies less."""
    runs = {}
    for term in ("kl", "sampled"):
        vae, x, _ = small(latent_term=term, n=1)
        rng = np.random.default_rng(5)
        runs[term] = np.array(
            [np.append(*vae.value_and_gradient(x, rng.normal(size=(1, 2)))[::-1]) for _ in range(1_500)]
        )
    difference = runs["sampled"] - runs["kl"]
    error = difference.std(axis=0) / np.sqrt(len(difference))
    assert np.all(np.abs(difference.mean(axis=0)) < 5 * error + 1e-12)
    encoder = slice(0, vae.theta["encoder.W1"].size + 4 + vae.theta["encoder.W2"].size + 4)
    assert runs["kl"][:, encoder].var(axis=0).sum() < runs["sampled"][:, encoder].var(axis=0).sum()


def test_the_nll_of_codes_is_the_rate_plus_an_entropy():
    kl, x, noise = small(beta=0.7)
    nll, _, _ = small(beta=0.7, latent_term="nll")
    _, tau = kl.encode(x)
    entropy = stats.norm.entropy(scale=tau).sum(axis=1).mean()
    assert_allclose(nll.value_and_gradient(x, noise)[0] - kl.value_and_gradient(x, noise)[0], 0.7 * entropy, rtol=1e-10)


# --- a model with probabilities
def evidence(vae, x, nodes, reach=8.0):
    """log p(x_i) by the trapezoidal rule on a fixed grid of two codes."""
    t = np.linspace(-reach, reach, nodes)
    total = np.full(len(x), -np.inf)
    for first in t:
        z = np.stack([np.full(nodes, first), t], axis=-1)
        log_joint = vae.log_likelihood(x, z[None]) + stats.norm.logpdf(z).sum(-1)
        total = np.logaddexp(total, logsumexp(log_joint, axis=1))
    return total + 2 * np.log(t[1] - t[0])


def test_probabilities_of_all_images_sum_to_one():
    vae, _, _ = small(pixels=3, trials=2)
    every = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)
    assert_allclose(np.exp(evidence(vae, every, 101)).sum(), 1, rtol=1e-12)


@pytest.mark.slow
def test_bounds_are_below_the_evidence_and_close_in(trained):
    vae, x = trained
    x = x[:6]
    exact = evidence(vae, x, 401)
    assert_allclose(exact, evidence(vae, x, 321), atol=1e-9)
    elbo = vae.log_weights(x, 5_000, rng=4)
    error = elbo.std(axis=1) / np.sqrt(5_000)
    assert np.all(elbo.mean(axis=1) < exact) and np.mean(exact - elbo.mean(axis=1)) > 0.1
    assert_allclose(vae.elbo(x, rng=5, draws=5_000), elbo.mean(axis=1), atol=7 * error.max())
    bound = {K: logsumexp(elbo.reshape(6, -1, K), axis=2) - np.log(K) for K in (1, 10, 100, 1000)}
    means = np.array([b.mean() for b in bound.values()])
    spread = np.array([b.mean(axis=0).std() / np.sqrt(b.shape[1]) for b in bound.values()])
    assert np.all(np.diff(means) > -3 * spread[1:]) and np.all(means < exact.mean() + 3 * spread)
    assert np.mean(exact - logsumexp(elbo, axis=1) + np.log(5_000)) < 0.2 * np.mean(exact - elbo.mean(axis=1))


@pytest.mark.slow
def test_the_latent_module_takes_its_likelihood_and_encoder(trained):
    vae, x = trained
    x = x[:4]
    model, q, exact = partial(vae.log_likelihood, x), vae.encoder(x), evidence(vae, x, 401)
    on_grid = latent.evidence_on_grid(model, 2, 0.5)
    assert_allclose(on_grid.value, exact, atol=1e-9)
    elbo = latent.elbo(model, q).value
    weights = vae.log_weights(x, 5000, rng=6)
    assert np.all(np.abs(weights.mean(axis=1) - elbo) < 5 * weights.std(axis=1) / np.sqrt(5000))
    assert np.all(elbo < exact) and np.all(latent.importance_weighted_bound(weights) > elbo)


def test_samples():
    vae, _, _ = small(trials=4)
    x = vae.sample(40_000, rng=0)
    assert x.shape == (40_000, 5) and set(np.unique(x)) <= set(range(5))
    p = vae.decode(np.random.default_rng(1).normal(size=(40_000, 2)))
    assert_allclose(x.mean(axis=0), 4 * p.mean(axis=0), atol=5 * np.sqrt(2 * 4 / 40_000))
    assert_array_equal(x, vae.sample(40_000, rng=np.random.default_rng(0)))


# --- training
def test_training_raises_the_bound(trained):
    vae, x = trained
    history = {name: np.array(values) for name, values in vae.history.items()}
    assert all(len(values) == 30 for values in history.values())
    assert history["elbo"][-1] > history["elbo"][0] + 100 and np.all(np.diff(history["elbo"][::6]) > 0)
    assert_allclose(history["elbo"], -history["distortion"] - history["rate"], rtol=1e-13)
    assert_allclose(history["objective"], -history["elbo"], rtol=1e-12)
    assert_allclose(vae.elbo(x, rng=0, draws=4).mean(), history["elbo"][-1], atol=5)


def test_seeds_decide_everything():
    x = digits().images[:300]
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    runs = [VAE(rng=seed).fit(x, 3, rng=noise).theta.flat for seed, noise in ((1, 2), (1, 2), (1, 3), (2, 2))]
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert_array_equal(runs[0], runs[1])
    assert not np.any(runs[0] == runs[2]) and not np.any(runs[0] == runs[3])


def test_training_in_parts_is_training():
    x = digits().images[:300]
    rates = np.linspace(0.01, 0.002, 5)
    whole = VAE(rng=1).fit(x, 5, rng=2, learning_rate=rates)
    parts, rng = VAE(rng=1), np.random.default_rng(2)
    parts.fit(x, 2, rng, learning_rate=rates[:2]).fit(x, 3, rng, learning_rate=rates[2:])
    assert_array_equal(parts.theta.flat, whole.theta.flat)
    assert parts.history == whole.history


def test_single_precision_follows_double():
    x = digits().images[:400]
    double, single = (VAE(dtype=dtype, rng=1).fit(x, 3, rng=2) for dtype in ("float64", "float32"))
    assert single.theta.flat.dtype == np.float32 and double.theta.flat.dtype == np.float64
    assert_allclose(single.history["elbo"], double.history["elbo"], rtol=1e-4)
    fresh = [VAE(dtype=dtype, rng=1) for dtype in (np.float64, np.float32)]
    noise = np.random.default_rng(0).normal(size=(400, 2))
    (v, g), (w, h) = (vae.value_and_gradient(x, noise) for vae in fresh)
    assert_allclose(w, v, rtol=1e-5)
    assert_allclose(h, g, atol=1e-5 * np.max(np.abs(g)))
    assert single.log_likelihood(x, np.zeros((1, 1, 2))).dtype == float


@pytest.mark.slow
def test_without_the_entropy_the_encoder_loses_its_spread():
    x = digits().images
    spread = {
        term: np.log(VAE(latent_term=term, dtype="float32", rng=0).fit(x, 60, rng=1).encode(x)[1]).mean()
        for term in ("kl", "nll")
    }
    assert spread["nll"] < spread["kl"] - 1


def test_a_heavy_rate_is_not_paid():
    """β = 300: the codes say nothing about the image, every pixel keeps its own mean."""
    x = digits().images
    vae = VAE(beta=300.0, dtype="float32", rng=0).fit(x, 60, rng=1)
    distortion, rate = vae.distortion_and_rate(x, rng=2)
    assert rate.mean() < 0.01
    alone = -stats.binom.logpmf(x, 16, x.mean(axis=0) / 16).sum(axis=1).mean()
    assert alone < distortion.mean() < alone + 3


def test_progress_is_silent_unless_asked(capsys):
    x = digits().images[:100]
    vae = VAE(rng=0).fit(x, 3, rng=0)
    assert capsys.readouterr().out == ""
    vae.fit(x, 40, rng=0, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and lines[0].startswith("epoch 7: ELBO -") and lines[-1].startswith("epoch 43: ")
    assert f"{vae.history['elbo'][-1]:.2f}" in lines[-1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda vae: pickle.loads(pickle.dumps(vae))], ids=["copy", "pickle"])
def test_a_copy_trains_alone_and_as_the_original_would(copied, tmp_path):
    x = digits().images[:200]
    vae = VAE(rng=1).fit(x, 2, rng=2)
    before, other = vae.theta.flat.copy(), copied(vae)
    other.fit(x, 2, rng=3)
    assert_array_equal(vae.theta.flat, before)
    other.save(tmp_path / "other.npz")
    again = VAE.load(tmp_path / "other.npz")
    vae.fit(x, 2, rng=3)
    for name in vae.theta:
        assert np.shares_memory(other.theta[name], other.theta.flat)
        assert_array_equal(other.theta[name], vae.theta[name])
        assert_array_equal(again.theta[name], vae.theta[name])
    noise = np.random.default_rng(0).normal(size=(200, 2))
    for one, two in zip(other.value_and_gradient(x, noise), vae.value_and_gradient(x, noise)):
        assert_array_equal(one, two)
    assert other.history == vae.history and len(other.history["elbo"]) == 4


def test_the_rate_near_the_prior_keeps_its_digits():
    """log τ = 1e-9 and m = 0: the rate is e(2e-9)/2 = 1e-18 a code, to nine digits; by subtraction it is 5e-19 or 0."""
    vae, x, _ = small(latent=1)
    vae.theta["encoder.W2"][:] = 0.0
    vae.theta["encoder.b2"][:] = [0.0, 1e-9]
    assert_allclose(vae.distortion_and_rate(x, rng=0)[1], 1e-18, rtol=1e-8)
    assert_allclose(vae.fit(x, 1, rng=0, learning_rate=1e-30).history["rate"], 1e-18, rtol=1e-5)


# --- files
def test_a_file_holds_everything(tmp_path):
    x = digits().images[:200]
    vae = VAE(latent=3, beta=0.5, latent_term="sampled", dtype="float32", rng=1).fit(x, 2, rng=2)
    vae.save(tmp_path / "vae.npz")
    again = VAE.load(tmp_path / "vae.npz")
    assert again.history == vae.history and again.theta.flat.dtype == np.float32
    for name in ("pixels", "hidden", "latent", "trials", "beta", "latent_term", "dtype"):
        assert getattr(again, name) == getattr(vae, name)
    for call in (
        lambda v: v.theta.flat,
        lambda v: v.encode(x)[0],
        lambda v: v.elbo(x, rng=3),
        lambda v: v.fit(x, 2, rng=4).theta.flat,
    ):
        assert_array_equal(call(again), call(vae))
    file = io.BytesIO()
    vae.save(file)
    file.seek(0)
    assert_array_equal(VAE.load(file).theta.flat, vae.theta.flat)
    vae.save(str(tmp_path / "without a suffix"))
    assert_array_equal(VAE.load(tmp_path / "without a suffix").theta.flat, vae.theta.flat)


# --- bad input
IMAGE = np.zeros((2, 64))
V, T = ValueError, TypeError
ROWS = {
    "no pixels": (lambda: VAE(pixels=0), V, "pixels = 0; expected a positive integer"),
    "half a unit": (lambda: VAE(hidden=2.5), V, "hidden = 2.5; expected a positive integer"),
    "no codes": (lambda: VAE(latent=-1), V, "latent = -1; expected a positive integer"),
    "trials as truth": (lambda: VAE(trials=True), V, "trials = True; expected a positive integer"),
    "negative beta": (lambda: VAE(beta=-1), V, "beta = -1.0; expected a number, at least 0"),
    "beta without value": (lambda: VAE(beta=np.nan), V, "beta = nan; expected no NaN"),
    "unknown term": (
        lambda: VAE(latent_term="mmd"),
        V,
        'latent_term = \'mmd\'; expected one of "kl", "sampled", "nll"',
    ),
    "whole numbers": (lambda: VAE(dtype=int), V, 'expected "float64" or "float32"'),
    "a float seed": (lambda: VAE(rng=0.5), V, "rng = 0.5; expected a numpy.random.Generator"),
    "too much ink": (
        lambda: VAE().fit(IMAGE + 17, 1, rng=0),
        V,
        "x[0, 0] = 17.0; expected a whole number from 0 to 16",
    ),
    "negative ink": (lambda: VAE().encode(IMAGE - 1), V, "x[0, 0] = -1.0; expected a whole number from 0 to 16"),
    "scaled ink": (lambda: VAE().encode(IMAGE + 0.5), V, "x[0, 0] = 0.5; expected a whole number from 0 to 16"),
    "missing ink": (lambda: VAE().encode(IMAGE + np.nan), V, "x[0, 0] = nan; expected no NaN"),
    "one image": (lambda: VAE().encode(IMAGE[0]), V, "shape of x = (64,); expected (n, 64)"),
    "images of images": (lambda: VAE().encode(IMAGE.reshape(2, 8, 8)), V, "shape of x = (2, 8, 8); expected (n, 64)"),
    "no images": (lambda: VAE().fit(IMAGE[:0], 1, rng=0), V, "expected at least one number"),
    "no epochs": (lambda: VAE().fit(IMAGE, 0, rng=0), V, "epochs = 0; expected a positive integer"),
    "no batch": (lambda: VAE().fit(IMAGE, 1, rng=0, batch=0), V, "batch = 0; expected a positive integer"),
    "rate zero": (
        lambda: VAE().fit(IMAGE, 1, rng=0, learning_rate=0),
        V,
        "learning_rate = 0.0; expected a positive finite number",
    ),
    "rates too few": (
        lambda: VAE().fit(IMAGE, 3, rng=0, learning_rate=[0.1, 0.1]),
        V,
        "shape of learning_rate = (2,); expected () or (3,)",
    ),
    "no seed": (lambda: VAE().fit(IMAGE, 1, rng=None), T, "rng = None; expected a numpy.random.Generator"),
    "noise of another shape": (
        lambda: VAE().value_and_gradient(IMAGE, np.zeros((2, 3))),
        V,
        "shape of noise = (2, 3); expected (2, 2)",
    ),
    "codes of three": (lambda: VAE().decode([0.0, 0.0, 0.0]), V, "shape of z = (3,); expected (..., 2)"),
    "infinite code": (lambda: VAE().decode([0.0, np.inf]), V, "z[1] = inf; expected a finite number"),
    "codes without axis": (
        lambda: VAE().log_likelihood(IMAGE, np.zeros((2, 2))),
        V,
        "shape of z = (2, 2); expected (2 or 1, m, 2)",
    ),
    "codes of other images": (
        lambda: VAE().log_likelihood(IMAGE, np.zeros((3, 1, 2))),
        V,
        "shape of z = (3, 1, 2); expected (2 or 1, m, 2)",
    ),
    "no draws": (lambda: VAE().elbo(IMAGE, rng=0, draws=0), V, "VAE.elbo: draws = 0; expected a positive integer"),
    "no weights": (
        lambda: VAE().log_weights(IMAGE, "many", rng=0),
        T,
        "VAE.log_weights: draws = 'many'; expected a positive integer",
    ),
    "no sample": (lambda: VAE().sample(0, rng=0), V, "n = 0; expected a positive integer"),
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(name):
    call, error, words = ROWS[name]
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error and words in str(caught.value) and str(caught.value).startswith("VAE")
    assert caught.value.__cause__ is None and str(caught.value).endswith(".")


def test_divergence_is_reported_and_not_taken():
    x = digits().images
    for dtype in ("float32", "float64"):
        vae = VAE(dtype=dtype, rng=0)
        with pytest.raises(
            ValueError,
            match=r"^VAE.fit: objective in epoch 1, step \d+ = (inf|nan); expected a finite number. .*smaller",
        ):
            vae.fit(x, 2, rng=0, learning_rate=1e4)
        assert np.all(np.isfinite(vae.theta.flat)) and vae.history["elbo"] == []


# --- the exact likelihood of a trained network
@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits-50", "digits-480", "nll-0"])
def test_a_coarse_evidence_is_within_its_tolerance_and_cheaper(name):
    """Against the same integral at a millionth of the tolerance, from other first cells."""
    model, x, latents = stored(name), digits().images[:8], []

    def log_likelihood(z):
        latents.append(z.shape[0] * z.shape[1])
        return model.log_likelihood(x, z)

    coarse = latent.evidence_on_grid(log_likelihood, 2, spacing=0.5, tolerance=0.01)
    spent = sum(latents)
    fine = latent.evidence_on_grid(log_likelihood, 2, spacing=0.25, tolerance=1e-7)
    assert np.all(np.abs(coarse.value - fine.value) < 1e-4) and np.all(coarse.error < 1e-3)
    assert 3 * spent < sum(latents) - spent


def test_log_likelihood_of_many_pixels_and_of_certain_ones():
    """Log-odds of hundreds and 1,500 pixels: against scipy, no overflow in the product over pixels."""
    vae = VAE(pixels=1500, hidden=2, latent=1, trials=3)
    rng = np.random.default_rng(0)
    vae.theta["decoder.b2"][:] = rng.normal(scale=200, size=1500)
    vae.theta["decoder.W2"][:] = 0.0
    log_odds = vae.theta["decoder.b2"]
    x = np.where(log_odds > 0, 3.0, 0.0) * (rng.random(1500) < 0.9)
    expected = np.sum(x * -np.logaddexp(0, -log_odds) - (3 - x) * np.logaddexp(0, log_odds))
    assert_allclose(vae.log_likelihood(x[None], np.zeros((1, 1, 1)))[0, 0], expected, rtol=1e-13)


@pytest.mark.parametrize("only", ["encoder", "decoder"])
def test_only_one_of_the_networks_is_trained(only):
    x = digits().images[:200]
    vae = VAE(rng=1).fit(x, 2, rng=2)  # Adam has momentum in both
    before = {name: vae.theta[name].copy() for name in vae.theta}
    bound = vae.elbo(x, rng=0, draws=20).mean()
    vae.fit(x, 5, rng=3, only=only)
    for name in vae.theta:
        assert np.array_equal(vae.theta[name], before[name]) == (not name.startswith(only)), name
    assert vae.elbo(x, rng=0, draws=20).mean() > bound


@pytest.mark.slow
def test_the_gap_follows_the_images_that_the_encoder_has_seen():
    """Same decoder; the encoder is trained on held-out images alone, and what it had learnt of the others is lost."""
    model, split = stored("digits-480"), np.random.default_rng(0).permutation(1797)
    train, test = digits().images[split[:1400]], digits().images[split[1400:]]

    def gaps():
        for x in (train[:25], test[:25]):
            exact = latent.evidence_on_grid(partial(model.log_likelihood, x), 2, spacing=0.5, tolerance=0.01).value
            yield (exact - model.elbo(x, rng=0, draws=40)).mean()

    seen, unseen = gaps()
    assert unseen > 3 * seen
    model.fit(test, 50, rng=5, only="encoder")
    unseen, seen = gaps()
    assert unseen > 2 * seen
