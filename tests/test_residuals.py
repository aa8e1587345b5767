"""Residuals over every family against finite differences and sampling; the Ising model against brute force."""

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, special, stats

from companion.divergence import kl_divergence
from companion.families import (
    FAMILIES,
    Binomial,
    Categorical,
    Exponential,
    Mixture,
    MultivariateNormal,
    Normal,
    Pareto,
    Poisson,
    Weibull,
)
from companion.likelihood import log_likelihood
from companion.residuals import (
    Ising,
    fisher_along,
    kl_gradient,
    natural_gradient_step,
    residual,
    stochastic_ascent,
    with_mean,
    with_natural,
)

each_family = pytest.mark.parametrize("name", FAMILIES)
each_seed = pytest.mark.parametrize("seed", range(3))


def scale_of(model):
    return 1 / np.sqrt(np.diag(np.atleast_2d(model.fisher_information())))


def gradient(f, model):
    """Fourth-order central differences of f(member) in the natural parameters."""
    eta, h = model.natural_parameters(), 1e-3 * scale_of(model)
    at = lambda i, k: f(with_natural(model, eta + k * h[i] * np.eye(eta.size)[i]))
    return np.array([(8 * (at(i, 1) - at(i, -1)) - (at(i, 2) - at(i, -2))) / (12 * h[i]) for i in range(eta.size)])


@each_family
@each_seed
def test_residual_is_the_gradient_of_the_average_log_likelihood(name, seed):
    rng = np.random.default_rng(seed)
    model, x = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng).sample(40, rng)
    weights = rng.uniform(0, 2, 40)
    r = residual(model, x, weights)
    by_differences = gradient(lambda m: log_likelihood(m, x, weights) / weights.sum(), model)
    assert_allclose(by_differences * scale_of(model), r * scale_of(model), rtol=1e-6, atol=1e-7)


@each_family
@each_seed
def test_gradient_of_kl_is_minus_the_residual_of_expectations(name, seed):
    rng = np.random.default_rng(seed)
    model, truth = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
    g = kl_gradient(truth, model)
    assert_allclose(gradient(truth.kl_divergence, model) * scale_of(model), g * scale_of(model), rtol=1e-6, atol=1e-7)
    draws = truth.sample(20_000, rng)
    u = model.sufficient_statistics(draws)
    error = u.std(axis=0) / np.sqrt(len(u))
    assert np.all(np.abs(-residual(model, draws) - g) < 5 * error + 1e-12)


def test_gradient_of_kl_from_another_distribution():
    target = Mixture([0.3, 0.7], Normal([-1.0, 2.0], [0.5, 1.0]))
    model = Normal(0.3, 1.2)
    assert_allclose(kl_gradient(target, model), gradient(lambda m: kl_divergence(target, m), model), rtol=1e-7)
    assert_allclose(kl_gradient(stats.binom(4, 0.15), Poisson(1.0)), [0.4], rtol=1e-12)


@each_family
@each_seed
def test_natural_gradient_step_lands_on_the_fit(name, seed):
    rng = np.random.default_rng(seed)
    truth = FAMILIES[name].draw(rng)
    x = truth.sample(60, rng)
    start = FAMILIES[name].draw(rng)
    landed = natural_gradient_step(start, x)
    assert_allclose(landed.mean_parameters(), truth.sufficient_statistics(x).mean(axis=0), rtol=1e-7, atol=1e-9)
    if name != "Categorical":  # its fit takes the number of classes from the sample
        fit = type(truth).fit(x, **{key: truth.parameter(key) for key in truth.fixed_names})
        assert_allclose(log_likelihood(landed, x), log_likelihood(fit, x), rtol=1e-9)
    half = natural_gradient_step(start, x, length=0.5)
    assert_allclose(residual(half, x), residual(start, x) / 2, rtol=1e-6, atol=1e-8)


@each_family
@each_seed
def test_natural_gradient_is_the_inverse_fisher_information_times_the_gradient(name, seed):
    """In the mean parameters, where the inverse Fisher information is that about η: the product is what a step adds."""
    rng = np.random.default_rng(seed)
    model, x = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng).sample(40, rng)
    mu, information = model.mean_parameters(), np.atleast_2d(model.fisher_information())
    factor = np.linalg.cholesky(information)  # steps in μ along the axes of the information stay inside
    average = lambda at: log_likelihood(with_mean(model, at), x) / 40
    size = 1e-3
    slopes = np.array([(average(mu + size * d) - average(mu - size * d)) / (2 * size) for d in factor.T])
    halved = np.array([(average(mu + size / 2 * d) - average(mu - size / 2 * d)) / size for d in factor.T])
    slopes = (4 * halved - slopes) / 3  # factorᵀ times the gradient in μ
    moved = natural_gradient_step(model, x, length=1e-3).mean_parameters() - mu
    unit = np.sqrt(np.diag(information))
    assert_allclose(factor @ slopes / unit, moved / 1e-3 / unit, rtol=1e-4, atol=1e-5)


@each_seed
def test_minibatch_residuals_average_to_the_full_one(seed):
    rng = np.random.default_rng(seed)
    x, model = rng.normal(size=60), Normal(0.4, 1.3)
    parts = rng.permutation(60).reshape(12, 5)
    assert_allclose(
        np.mean([residual(model, x[part]) for part in parts], axis=0), residual(model, x), rtol=1e-10, atol=1e-14
    )


@pytest.mark.slow
def test_stochastic_ascent_moves_by_rate_times_the_residual_and_lands_on_the_fit():
    x = np.random.default_rng(0).poisson(2.0, 400).astype(float)
    path = stochastic_ascent(Poisson(5.0), x, batch=400, rates=[0.1, 0.2], rng=0)  # the whole sample: no noise
    eta = np.log(5.0)
    for rate, point in zip((0.1, 0.2), path[1:]):
        eta = eta + rate * (x.mean() - np.exp(eta))
        assert_allclose(point, [eta], rtol=1e-14)
    path = stochastic_ascent(Poisson(5.0), x, batch=10, rates=2 / (20 + np.arange(5_000)), rng=1)
    assert_allclose(np.exp(path[-1]), x.mean(), rtol=0.02)
    again = stochastic_ascent(Poisson(5.0), x, batch=10, rates=2 / (20 + np.arange(5_000)), rng=1)
    assert np.array_equal(path, again)


@each_family
@each_seed
def test_kl_is_the_fisher_integral(name, seed):
    rng = np.random.default_rng(seed)
    p = FAMILIES[name].draw(rng)
    eta = p.natural_parameters()
    q = with_natural(p, eta + 0.2 / eta.size * scale_of(p) * rng.choice([-1, 1], eta.size))
    t, w = np.polynomial.legendre.leggauss(16)
    t, w = (t + 1) / 2, w / 2
    assert_allclose(w @ ((1 - t) * fisher_along(p, q, t)), p.kl_divergence(q), rtol=1e-9)


@each_family
def test_hessian_of_kl_in_its_second_argument_is_the_fisher_information_there(name):
    rng = np.random.default_rng(4)
    p, q = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng)
    eta, h = q.natural_parameters(), 1e-3 * scale_of(q)
    slopes = [kl_gradient(p, with_natural(q, eta + s * h * e)) for e in np.eye(eta.size) for s in (1, -1)]
    second = np.array([(up - down) / 2 for up, down in zip(slopes[::2], slopes[1::2])]) / h[:, None]
    assert_allclose(second * np.outer(scale_of(q), scale_of(q)), unit_diagonal(q), rtol=1e-4, atol=1e-5)


def unit_diagonal(model):
    return np.atleast_2d(model.fisher_information()) * np.outer(scale_of(model), scale_of(model))


@pytest.mark.parametrize("rate", [0.2, 1.2, 3.0])
def test_pythagoras_and_the_legendre_dual_by_sums(rate):
    """KL from the horse kicks to any Poisson distribution is that to the fit and from there on; SciPy's sums alone."""
    share = np.array([109, 65, 22, 3, 1]) / 200
    x, k = np.arange(5), np.arange(60)
    to = lambda lam: np.sum(special.rel_entr(share, stats.poisson.pmf(x, lam)))
    between = np.sum(special.rel_entr(stats.poisson.pmf(k, 0.61), stats.poisson.pmf(k, rate)))
    assert_allclose(to(rate), to(0.61) + between, rtol=1e-9)
    dual = lambda mu: mu * np.log(mu) - mu  # ημ − A(η) with η = log μ and A = e^η
    assert_allclose(between, dual(0.61) + rate - np.log(rate) * 0.61, rtol=1e-9)
    assert_allclose(Poisson(0.61).kl_divergence(Poisson(rate)), between, rtol=1e-9)


def test_moments_of_a_curved_family_do_not_match_but_their_combination_does():
    x = np.random.default_rng(4).normal(2.0, 1.0, 500)
    loss = lambda t: -np.mean(stats.norm.logpdf(x, t, t))
    t = optimize.minimize_scalar(loss, bounds=(0.5, 4), method="bounded", options={"xatol": 1e-10}).x
    r = residual(Normal(t, t), x)
    assert np.all(np.abs(r) > 0.1) and abs(np.array([-1 / t**2, 1 / t**3]) @ r) < 1e-6


def test_without_steepness_the_maximum_may_lie_on_the_edge_with_a_residual():
    """h(x) = 1/x⁴ on x ≥ 1 with u(x) = x: the chapter's family that is not steep."""
    part = lambda eta, k: integrate.quad(lambda x: x ** (k - 4) * np.exp(eta * (x - 1)), 1, np.inf)[0]

    def best(mean):
        loss = lambda eta: eta + np.log(part(eta, 0)) - eta * mean
        eta = optimize.minimize_scalar(loss, bounds=(-5, 0), method="bounded", options={"xatol": 1e-9}).x
        return eta, mean - part(eta, 1) / part(eta, 0)

    assert best(1.3)[0] < -0.5 and abs(best(1.3)[1]) < 1e-4
    assert best(2.0)[0] > -1e-6 and best(2.0)[1] == pytest.approx(0.5, rel=1e-3)


@pytest.mark.slow
def test_cloud_of_a_constant_step_length_has_the_predicted_spread():
    x = np.random.default_rng(6).poisson(1.5, 20_000).astype(float)
    path = stochastic_ascent(Poisson(1.5), x, batch=4, rates=np.full(8_000, 0.1), rng=7)[500:, 0]
    assert path.std() == pytest.approx(np.sqrt(0.1 / 8), rel=0.15)


def test_members_keep_their_fixed_parameters():
    for moved in (with_natural(Binomial(7, 0.3), [0.0]), with_mean(Binomial(7, 0.3), [3.5])):
        assert (moved.n, moved.mean()) == (7, 3.5)


# --- Ising --------------------------------------------------------------------------------------------------------
def brute_force(h, j, rows, columns):
    """States, unnormalised weights and statistics written out with loops."""
    table = []
    for state in product([-1, 1], repeat=rows * columns):
        grid = np.reshape(state, (rows, columns))
        pairs = sum(grid[r, c] * grid[r, c + 1] for r in range(rows) for c in range(columns - 1))
        pairs += sum(grid[r, c] * grid[r + 1, c] for r in range(rows - 1) for c in range(columns))
        table.append((state, np.exp(h * grid.sum() + j * pairs), grid.sum(), pairs))
    return table


@pytest.mark.parametrize(
    "rows, columns, h, j", [(3, 3, 0.1, 0.35), (2, 4, -0.4, -0.2), (1, 5, 0.0, 1.0), (1, 1, 0.7, 0.3)]
)
def test_ising_against_loops(rows, columns, h, j):
    model = Ising(rows, columns, h, j)
    table = brute_force(h, j, rows, columns)
    total = sum(row[1] for row in table)
    assert_allclose(model.log_partition(), np.log(total), rtol=1e-12)
    states = np.array([row[0] for row in table], dtype=float)
    probabilities = np.array([row[1] for row in table]) / total
    u = np.array([row[2:] for row in table], dtype=float)
    assert_allclose(np.exp(model.log_prob(states)), probabilities, rtol=1e-11)
    assert_allclose(model.mean_parameters(), probabilities @ u, rtol=1e-10, atol=1e-12)
    away = u - probabilities @ u
    assert_allclose(model.fisher_information(), (away * probabilities[:, None]).T @ away, rtol=1e-9, atol=1e-12)
    other = Ising(rows, columns, h + 0.2, j - 0.1)
    assert_allclose(
        model.kl_divergence(other),
        probabilities @ (np.log(probabilities) - other.log_prob(states)),
        rtol=1e-9,
        atol=1e-12,
    )
    assert_allclose(model.mean(), probabilities @ states, atol=1e-12)
    assert_allclose(model.entropy(), -probabilities @ np.log(probabilities), rtol=1e-10)


def test_gibbs_sweep_leaves_the_model_invariant():
    model, rng = Ising(2, 3, 0.2, 0.4), np.random.default_rng(1)
    x = model.sample(40_000, rng)
    for _ in range(3):
        x = model.gibbs_sweep(x, rng)
    u = model.sufficient_statistics(x)
    assert np.all(np.abs(u.mean(axis=0) - model.mean_parameters()) < 4.5 * u.std(axis=0) / np.sqrt(len(u)))


def test_ising_fit_against_an_optimiser_on_loops_and_the_edge():
    """Only the statistics of the states, written out with loops, and SciPy's optimiser are shared with nothing."""
    x = Ising(3, 3, 0.1, 0.35).sample(500, 2)
    fit = Ising.fit(x, rows=3, columns=3)
    u = {row[0]: row[2:] for row in brute_force(0.0, 0.0, 3, 3)}
    table, seen = np.array(list(u.values()), dtype=float), np.mean([u[tuple(map(int, row))] for row in x], axis=0)
    loss = lambda eta: special.logsumexp(table @ eta) - eta @ seen
    assert_allclose(fit.natural_parameters(), optimize.minimize(loss, [0.0, 0.0], tol=1e-12).x, atol=1e-5)
    assert_allclose(-log_likelihood(fit, x) / 500, loss(fit.natural_parameters()), rtol=1e-12)
    with pytest.raises(ValueError, match="no maximum exists"):
        Ising.fit(np.ones((10, 9)), rows=3, columns=3)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: residual(stats.norm(), [1.0]),
            ["residual", "model", "scipy.stats.norm", "exponential family", "Poisson(1.0)"],
        ),
        (lambda: residual(Poisson([1.0, 2.0]), [1.0]), ["residual", "model", "one member", "Poisson(1.0)"]),
        (lambda: residual(Poisson(1.0), []), ["residual", "x", "at least one observation"]),
        (
            lambda: stochastic_ascent(Poisson(1.0), [1.0, 2.0], 3, [0.1], 0),
            ["batch", "3", "at most 2", "smaller batch"],
        ),
        (lambda: stochastic_ascent(Poisson(1.0), [1.0, 2.0], 1, [-0.1], 0), ["rates[0]", "-0.1", "positive"]),
        (lambda: natural_gradient_step(Poisson(1.0), [1.0], length="one"), ["length", "one", "number"]),
        (lambda: Ising(5, 5, 0, 0), ["rows × columns", "25", "at most 16", "smaller grid"]),
        (lambda: Ising(3, 3, np.inf, 0), ["field", "inf", "finite"]),
        (lambda: Ising(2, 2, 0, 0).log_prob([0, 1, 1, 1]), ["x[0]", "0.0", "−1 or 1", "2 x − 1"]),
        (lambda: Ising(2, 2, 0, 0).log_prob([1, 1, 1]), ["shape of x", "(3,)", "(..., 4)"]),
    ],
    ids=range(10),
)
def test_bad_input(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))


# --- statistics and steps that keep their digits ------------------------------------------------------------------
@each_family
@pytest.mark.parametrize("length", [0.0, 0.3, 1.2])
def test_natural_gradient_step_moves_the_mean_parameters_by_its_length(name, length):
    rng = np.random.default_rng(3)
    model, x = FAMILIES[name].draw(rng), FAMILIES[name].draw(rng).sample(60, rng)
    target = model.mean_parameters() + length * residual(model, x)
    try:
        expected = with_mean(model, target)
    except ValueError:  # a long step may leave the space of means: then both say so
        with pytest.raises(ValueError):
            natural_gradient_step(model, x, length=length)
        return
    landed = natural_gradient_step(model, x, length=length)
    assert_allclose(landed.mean_parameters(), expected.mean_parameters(), rtol=1e-9, atol=1e-10)


NARROW = {  # samples whose spread is tiny against their mean
    "Normal": 1e9 + 1e-3 * np.arange(5.0),
    "LogNormal": np.exp(300 + 1e-9 * np.arange(5.0)),
    "Gamma": 1e6 + 1e-3 * np.arange(5.0),
    "InverseGaussian": 1e6 + 1e-3 * np.arange(5.0),
    "VonMises": 1 + 1e-7 * np.arange(5.0),
    "MultivariateNormal": 1e9 + 1e-3 * np.array([[0, 1.0], [1, 0], [2, 2], [3, 1]]),
}


@pytest.mark.parametrize("name", NARROW)
def test_a_step_from_the_fit_stays_there_however_narrow_the_data(name):
    """The raw moments of these samples have lost all digits of their spread."""
    x = NARROW[name]
    fit = FAMILIES[name].cls.fit(x)
    for landed in (natural_gradient_step(fit, x, length=0.5), natural_gradient_step(FAMILIES[name].cls.fit(2 * x), x)):
        for parameter in fit.parameter_names:
            assert_allclose(landed.parameter(parameter), fit.parameter(parameter), rtol=1e-7, err_msg=parameter)


def test_a_step_between_two_narrow_normals_against_exact_fractions():
    model, x = Normal(1e9, 2.0**-10), [1e9, 1e9 + 2.0**-9]
    landed = natural_gradient_step(model, x, length=0.25)
    mean = sum(map(Fraction, x)) / 2
    of_data = sum((Fraction(v) - mean) ** 2 for v in x) / 2
    gap = mean - Fraction(1e9)
    variance = Fraction(3, 4) * Fraction(2.0**-20) + of_data / 4 + Fraction(3, 16) * gap**2
    assert_allclose(landed.sd, float(variance) ** 0.5, rtol=1e-12)
    assert natural_gradient_step(Normal(0.0, 1.0), [1e9, 1e9 + 1e-3]).sd == pytest.approx(5.0e-4, rel=1e-4)


def test_statistics_with_other_fixed_parameters_are_refused():
    for model, statistics, words in [
        (Binomial(3, 0.5), Binomial.statistics([1], n=4), "n of x = 4"),
        (Weibull(2.0, 1.0), Weibull.statistics([1.0, 2.0], k=3.0), "k of x = 3"),
        (Pareto(2.0, 1.0), Pareto.statistics([3.0, 2.0], xm=0.5), "xm of x = 0.5"),
        (Categorical([0.5, 0.5]), Categorical.statistics([0, 2]), "classes of x = 3"),
        (
            MultivariateNormal([0, 0], np.eye(2)),
            MultivariateNormal.statistics(np.eye(3)),
            r"shape of E\[u\(x\)\] = \(9,\)",
        ),
        (Poisson(1.0), Binomial.statistics([1], n=4), "expected statistics of Poisson"),
    ]:
        for call in (residual, natural_gradient_step):
            with pytest.raises((TypeError, ValueError), match=f"^{call.__name__}: .*{words}"):
                call(model, statistics)
        assert residual(model, type(model).statistics(model.sample(4, 0), **fixed_of(model))).shape == np.shape(
            model.natural_parameters()
        )


def fixed_of(model):
    return {name: model.parameter(name).item() for name in model.fixed_names}


@pytest.mark.parametrize(
    "p, model, error",
    [
        (Normal(0.0, 1.0), Poisson(2.0), TypeError),
        (Poisson(2.0), Normal(0.0, 1.0), TypeError),
        (MultivariateNormal([0, 0], np.eye(2)), Normal(0.0, 1.0), TypeError),
        (stats.norm(), Exponential(1.0), ValueError),  # KL is infinite
        (Binomial(13, 0.3), Binomial(12, 0.3), ValueError),
        (stats.cauchy(), Normal(0.0, 1.0), ValueError),
        (Normal([0.0, 1.0], 1.0), Normal(0.0, 1.0), ValueError),
        (stats.norm, Normal(0.0, 1.0), TypeError),
        ([0.2, 0.9], Poisson(1.0), ValueError),
    ],
)
def test_no_gradient_where_there_is_no_finite_kl(p, model, error):
    with pytest.raises(error, match=r"^kl_gradient: .*expected"):
        kl_gradient(p, model)


def test_gradient_of_kl_between_members_with_other_fixed_parameters():
    p, model = Binomial(12, 0.3), Binomial(13, 0.3)
    assert_allclose(kl_gradient(p, model), [13 * 0.3 - 12 * 0.3], rtol=1e-12)
    assert_allclose(kl_gradient(p, model), gradient(lambda m: kl_divergence(p, m), model), rtol=1e-7)
    assert_allclose(kl_gradient([0.4, 0.5, 0.1], Poisson(1.0)), [1.0 - 0.7], rtol=1e-12)


# --- the Ising model's KL and its mean parameters -----------------------------------------------------------------
def exact_ising_kl(p, q):
    """KL(p‖q) with fifty digits, from the states."""
    with localcontext(prec=50):
        energies = [
            [
                Decimal(float(a)) * Decimal(float(m.field)) + Decimal(float(b)) * Decimal(float(m.coupling))
                for a, b in m._u
            ]
            for m in (p, q)
        ]
        masses = [[e.exp() for e in row] for row in energies]
        log_z = [sum(row).ln() for row in masses]
        total = sum(masses[0])
        return float(sum(w / total * (e - f) for w, e, f in zip(masses[0], *energies)) - log_z[0] + log_z[1])


@pytest.mark.parametrize("distance", [1.0, 1e-3, 1e-8, 1e-13])
def test_kl_of_near_ising_models_keeps_its_digits_and_its_sign(distance):
    rng = np.random.default_rng(int(-np.log10(distance)))
    for _ in range(3):
        h, j = rng.normal(0, 0.5, 2)
        p = Ising(2, 3, h, j)
        q = Ising(2, 3, h + distance * rng.normal(), j + distance * rng.normal())
        assert_allclose(p.kl_divergence(q), exact_ising_kl(p, q), rtol=1e-9)
    assert Ising(3, 3, 0.2, 0.2).kl_divergence(Ising(3, 3, 0.2, 0.2)) == 0


def test_kl_of_distant_ising_models():
    for p, q in [((0.0, 0.0), (0.0, 60.0)), ((0.0, 60.0), (0.0, -60.0)), ((30.0, 0.0), (0.0, 0.0)), ((0, 0), (400, 0))]:
        p, q = Ising(2, 3, *p), Ising(2, 3, *q)
        assert_allclose(p.kl_divergence(q), exact_ising_kl(p, q), rtol=1e-12)


def test_ising_of_its_mean_parameters():
    model = Ising(2, 3, 0.3, -0.2)
    back = Ising.from_mean_parameters(model.mean_parameters(), 2, 3)
    assert_allclose(back.natural_parameters(), model.natural_parameters(), rtol=1e-10)
    x = model.sample(200, 0)
    assert_allclose(
        natural_gradient_step(model, x).natural_parameters(), Ising.fit(x, rows=2, columns=3).natural_parameters()
    )
    with pytest.raises(ValueError, match=r"^Ising.from_mean_parameters: mean of u\(x\)"):
        Ising.from_mean_parameters([6.0, 7.0], 2, 3)


@pytest.mark.parametrize("rows, columns, field, coupling", [(2, 2, 0.1, 0.3), (1, 4, -0.5, 0.7), (3, 2, 0.0, -0.4)])
def test_spins_have_the_moments_of_all_their_states(rows, columns, field, coupling):
    """Signs of every spin, with weights e^(field Σ s + coupling Σ s s') over neighbours in rows and columns."""
    model, grids = Ising(rows, columns, field, coupling), []
    for code in range(2 ** (rows * columns)):
        grids.append(np.reshape([1.0 if code >> bit & 1 else -1.0 for bit in range(rows * columns)], (rows, columns)))
    pairs = [np.sum(g[1:] * g[:-1]) + np.sum(g[:, 1:] * g[:, :-1]) for g in grids]
    weights = np.exp([field * g.sum() + coupling * pair for g, pair in zip(grids, pairs)])
    spins = np.array([g.ravel() for g in grids])
    p = weights / weights.sum()
    assert model.dimension == rows * columns
    np.testing.assert_allclose(model.log_prob(spins), np.log(p), rtol=1e-12)
    np.testing.assert_allclose(model.mean(), p @ spins, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.variance(), p @ spins**2 - (p @ spins) ** 2, rtol=1e-12)


def test_an_ising_model_from_its_natural_parameters():
    found, given = Ising.from_natural([0.1, 0.2], 3, 4), Ising(3, 4, 0.1, 0.2)
    assert np.array_equal(found.natural_parameters(), given.natural_parameters()) and found.states.shape[1] == 12
