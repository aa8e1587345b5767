"""Property tests of every family: driven by the table `FAMILIES`, so that a new row is tested without a new line here.

The oracles are scipy's densities, exact sums, and quadrature or cubature written here from scipy and numpy alone; and
each overridden method is compared with the one that `ExponentialFamily` derives from u and A.
"""

import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats

import companion.families as families
from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Exponential,
    ExponentialFamily,
    Gamma,
    Geometric,
    InverseGaussian,
    Laplace,
    LogNormal,
    Mixture,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
    from_scipy,
)

# Further ways to construct members of the same families.
VARIANTS = {
    "Bernoulli.from_logits": lambda rng: Bernoulli.from_logits(rng.normal(0, 2)),
    "Categorical.from_logits": lambda rng: Categorical.from_logits(rng.normal(0, 1.5, 4)),
    "MultivariateNormal.from_cholesky": lambda rng: MultivariateNormal.from_cholesky(
        rng.normal(size=2), np.tril(rng.normal(size=(2, 2)), -1) + np.diag(rng.uniform(0.3, 2, 2))
    ),
    "MultivariateNormal in one dimension": lambda rng: MultivariateNormal([rng.normal()], [[rng.uniform(0.3, 2)]]),
}
DRAWS = {name: row.draw for name, row in FAMILIES.items()} | VARIANTS
SEEDS = (0, 1, 2)


def draw(name, seed):
    return DRAWS[name](np.random.default_rng([seed, zlib.crc32(name.encode())]))


@pytest.fixture(params=[(name, seed) for name in DRAWS for seed in SEEDS], ids=lambda case: f"{case[0]}-{case[1]}")
def pair(request):
    """Two members of one family."""
    name, seed = request.param
    return draw(name, seed), draw(name, seed + 100)


@pytest.fixture
def member(pair):
    return pair[0]


@pytest.fixture(params=DRAWS)
def three(request):
    """Three members of one family, one by one."""
    return [draw(request.param, seed) for seed in (10, 11, 12)]


def fixed(member):
    """Keyword arguments that make `from_natural` and its like stay in the family of `member`."""
    return {name: member.parameter(name) for name in member.fixed_names}


def derived(method, member, *arguments):
    """What the base class derives from u and A, whatever the family overrides."""
    return getattr(ExponentialFamily, method)(member, *arguments)


def stack(members):
    """A batch of shape (len(members),)."""
    first = members[0]
    make = getattr(type(first), first._made_by) if first._made_by else type(first)
    return make(*(np.stack([m.parameter(name) for m in members]) for name in first.made_of))


# --- sums and integrals over the whole support, from scipy and numpy alone ------------------------------------------
def integral(member, function):
    """Sum or integral of `function(x)`, array (n, ...) -> (n, k), over the support of `member`."""
    if member.discrete:
        low, high = member.support
        top = high if np.isfinite(high) else member.mean() + 40 * np.sqrt(member.variance()) + 60
        return function(np.arange(low, top + 1.0)).sum(axis=0)
    if member.event_ndim == 0:
        nodes = line_nodes
    else:
        nodes = plane_nodes if np.isinf(member.support[0]) else simplex_nodes
    x, volume = nodes(member)
    return np.tensordot(volume, function(x), axes=(0, 0))


NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)


def line_nodes(member):
    """Gauss–Legendre points in log|x − c| on both sides of the median and inside the finite ends c of the support, on
    panels that grow away from the quartiles: powers of x − c at an end, and tails, are smooth there."""
    low, high = member.support
    quarter, middle, three = member.to_scipy().ppf([0.25, 0.5, 0.75])
    pieces = []
    for sign, end, near in ((-1, low, quarter), (1, high, three)):
        half = abs(end - middle) / 2
        pieces.append((middle, sign, abs(near - middle), half))
        if np.isfinite(end):
            pieces.append((end, -sign, abs(near - end), half))
    widths = np.r_[0.0, np.full(24, 0.5), 0.5 * 1.3 ** np.arange(1, 20)]
    x, volume = [], []
    for c, sign, scale, reach in pieces:
        first, last = np.log(max(1e-100, 4e-16 * abs(c))), np.log(min(reach, 1e25))
        knots = np.clip(np.log(scale) + np.r_[-np.cumsum(widths)[::-1], np.cumsum(widths)[1:]], first, last)
        knots = np.unique(np.r_[first, knots, last])
        t = knots[:-1, None] + np.diff(knots)[:, None] * (NODES + 1) / 2
        x.append((c + sign * np.exp(t)).ravel())
        volume.append((np.exp(t) * np.diff(knots)[:, None] * WEIGHTS / 2).ravel())
    return np.concatenate(x), np.concatenate(volume)


def plane_nodes(member):
    """Gauss–Hermite points around a vector with moments, with the volume that each of them stands for."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    mean = np.asarray(member.mean())
    values, vectors = np.linalg.eigh(member.cov)
    z = np.stack(np.meshgrid(*[nodes] * len(mean), indexing="ij"), -1).reshape(-1, len(mean))
    volume = np.prod(np.meshgrid(*[weights * np.exp(nodes**2 / 2)] * len(mean), indexing="ij"), axis=0).ravel()
    return mean + z @ (vectors * np.sqrt(values)).T, volume * np.sqrt(np.prod(values))


def simplex_nodes(member):
    """Broken-stick points on the probability simplex: trapezoidal rule in the log-odds of each break."""
    d = np.shape(member.mean())[-1]
    t = np.arange(-45, 45.1, 0.25)
    part, rest = 1 / (1 + np.exp(-t)), 1 / (1 + np.exp(t))
    breaks, others, slopes = (
        np.stack(np.meshgrid(*[v] * (d - 1), indexing="ij"), -1).reshape(-1, d - 1)
        for v in (part, rest, 0.25 * part * rest)
    )
    left = np.cumprod(np.concatenate([np.ones((len(breaks), 1)), others], axis=1), axis=1)
    x = np.concatenate([left[:, :-1] * breaks, left[:, -1:]], axis=1)
    return x, np.prod(slopes * left[:, :-1], axis=1)


def scipy_layout(member, x):
    """scipy wants the coordinates of a Dirichlet along the first axis, and their sum closer to 1 than ours."""
    return x.T / x.T.sum(axis=0) if isinstance(member, Dirichlet) else x


def density(member, x):
    frozen, x = member.to_scipy(), scipy_layout(member, x)
    return np.atleast_1d(frozen.pmf(x) if member.discrete else frozen.pdf(x))


def log_density(member, x):
    if isinstance(member, Laplace):  # scipy takes the logarithm of a density that underflows
        return np.atleast_1d(np.log(0.5 / member.scale) - np.abs(x - member.loc) / member.scale)
    frozen, x = member.to_scipy(), scipy_layout(member, x)
    return np.atleast_1d(frozen.logpmf(x) if member.discrete else frozen.logpdf(x))


def mean_of(member, function):
    """E[function(x)] under `member`, with scipy's density; where that is zero, the function does not count."""

    def integrand(x):
        with np.errstate(over="ignore", invalid="ignore"):
            weight, value = density(member, x), function(x)
            return np.where(weight > 0, (weight * value.T), 0.0).T

    return integral(member, integrand)


def statistic(member):
    return lambda x: member.sufficient_statistics(x)


def test_the_rule_for_vectors_of_proportions():
    """The integrals above over the simplex, on scipy's Dirichlet: total mass and means."""

    class Proportions:
        def mean(self):
            return np.array([0.2, 0.5, 0.3])

    x, volume = simplex_nodes(Proportions())
    mass = volume * stats.dirichlet([0.8, 2.0, 1.2]).pdf(np.clip(x, 1e-300, None).T / np.clip(x, 1e-300, None).sum(1))
    assert_allclose(mass.sum(), 1, rtol=1e-9)
    assert_allclose(mass @ x, [0.2, 0.5, 0.3], rtol=1e-9)


# --- density ----------------------------------------------------------------------------------------------------------
def test_log_prob_is_eta_u_minus_log_partition_plus_log_base_measure(member):
    x = member.sample(40, rng=1)
    form = (
        np.sum(member.natural_parameters() * member.sufficient_statistics(x), -1)
        - member.log_partition()
        + member._log_base_measure(x)
    )
    assert_allclose(member.log_prob(x), form, rtol=1e-10, atol=1e-10)
    assert_allclose(derived("log_prob", member, x), form, rtol=1e-12)


def test_log_prob_against_scipy(member):
    x = member.sample(40, rng=2)
    assert_allclose(member.log_prob(x), log_density(member, x), rtol=1e-11, atol=1e-11)


def test_density_has_mass_one(member):
    assert_allclose(integral(member, lambda x: np.exp(member.log_prob(x))[:, None]), 1, rtol=1e-9)


def test_log_prob_takes_a_scalar_and_any_shape(member):
    x = member.sample(6, rng=3)
    assert_allclose(member.log_prob(x.reshape(2, 3, *x.shape[1:])), member.log_prob(x).reshape(2, 3), rtol=1e-14)
    assert np.ndim(member.log_prob(x[0])) == 0


# --- moments and geometry ---------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_mean_and_variance(member):
    mean = mean_of(member, lambda x: x.reshape(len(x), -1))
    square = mean_of(member, lambda x: (x.reshape(len(x), -1) - mean) ** 2)
    assert_allclose(np.ravel(member.mean()), mean, rtol=1e-8, atol=1e-10)
    assert_allclose(np.ravel(member.variance()), square, rtol=1e-8)


def test_mean_map_is_the_gradient_of_the_log_partition(member):
    assert_allclose(member.mean_parameters(), derived("mean_parameters", member), rtol=1e-10, atol=1e-13)


@pytest.mark.slow
def test_mean_parameters_are_the_expectation_of_u(member):
    assert_allclose(member.mean_parameters(), mean_of(member, statistic(member)), rtol=1e-8, atol=1e-10)


def test_fisher_information_is_the_hessian_of_the_log_partition(member):
    fisher = member.fisher_information()
    scale = np.sqrt(np.diagonal(fisher))
    assert_allclose(
        fisher / np.outer(scale, scale), derived("fisher_information", member) / np.outer(scale, scale), atol=2e-8
    )


@pytest.mark.slow
def test_fisher_information_is_the_covariance_of_u(member):
    mu = member.mean_parameters()

    def products(x):
        away = member.sufficient_statistics(x) - mu
        return (away[:, :, None] * away[:, None, :]).reshape(len(x), -1)

    fisher = member.fisher_information()
    scale = np.sqrt(np.diagonal(fisher))
    assert_allclose(
        mean_of(member, products).reshape(fisher.shape) / np.outer(scale, scale),
        fisher / np.outer(scale, scale),
        atol=1e-7,
    )


def test_round_trip_through_natural_parameters(member):
    again = type(member).from_natural(member.natural_parameters(), **fixed(member))
    assert member.kl_divergence(again) < 1e-22
    assert_allclose(again.natural_parameters(), member.natural_parameters(), rtol=1e-11, atol=1e-12)


def test_round_trip_through_mean_parameters(member):
    again = type(member).from_mean_parameters(member.mean_parameters(), **fixed(member))
    assert member.kl_divergence(again) < 1e-22
    assert_allclose(again.mean_parameters(), member.mean_parameters(), rtol=1e-12, atol=1e-13)


# --- divergences ------------------------------------------------------------------------------------------------------
def test_kl_is_the_bregman_divergence_of_the_log_partition(pair):
    p, q = pair
    delta = q.natural_parameters() - p.natural_parameters()
    bregman = q.log_partition() - p.log_partition() - delta @ p.mean_parameters()
    assert_allclose(p.kl_divergence(q), bregman, rtol=1e-9, atol=1e-11)


def test_kl_is_accumulated_fisher_information(pair):
    p, q = pair
    middle = type(p).from_natural(0.9 * p.natural_parameters() + 0.1 * q.natural_parameters(), **fixed(p))
    assert_allclose(derived("kl_divergence", p, middle), p.kl_divergence(middle), rtol=1e-7)


def test_kl_is_half_the_fisher_form_for_a_small_step(pair):
    p, q = pair
    delta = 1e-6 * (q.natural_parameters() - p.natural_parameters())
    near = type(p).from_natural(p.natural_parameters() + delta, **fixed(p))
    delta = near.natural_parameters() - p.natural_parameters()
    assert_allclose(p.kl_divergence(near), 0.5 * delta @ p.fisher_information() @ delta, rtol=1e-4)


@pytest.mark.slow
def test_kl_is_the_expected_log_ratio(pair):
    p, q = pair
    expected = mean_of(p, lambda x: (log_density(p, x) - log_density(q, x))[:, None])[0]
    assert_allclose(p.kl_divergence(q), expected, rtol=1e-8)


def test_kl_to_itself_is_zero(member):
    assert member.kl_divergence(member) == 0.0


@pytest.mark.slow
def test_cross_entropy_is_the_expected_surprise(pair):
    p, q = pair
    expected = mean_of(p, lambda x: -log_density(q, x)[:, None])[0]
    assert_allclose(p.cross_entropy(q), expected, rtol=1e-8)
    assert_allclose(sum(derived("_cross_entropy_terms", p, q)), expected, rtol=1e-8)


def test_cross_entropy_is_entropy_plus_kl(pair):
    p, q = pair
    assert_allclose(p.cross_entropy(q), p.entropy() + p.kl_divergence(q), rtol=1e-10)


def test_entropy_against_scipy(member):
    assert_allclose(member.entropy(), member.to_scipy().entropy(), rtol=1e-9, atol=1e-10)
    assert_allclose(sum(derived("_cross_entropy_terms", member, member)), member.entropy(), rtol=1e-10, atol=1e-10)


# --- fit --------------------------------------------------------------------------------------------------------------
def test_fit_matches_the_mean_of_u(member):
    x = member.sample(3000, rng=4)
    fit = type(member).fit(x, **fixed(member))
    assert_allclose(fit.mean_parameters(), fit.sufficient_statistics(x).mean(axis=0), rtol=1e-10, atol=1e-12)


def test_fit_is_better_than_its_neighbours(member):
    x = member.sample(3000, rng=5)
    fit = type(member).fit(x, **fixed(member))
    eta = fit.natural_parameters()
    directions = np.random.default_rng(6).normal(size=(12, len(eta))) / np.sqrt(np.diagonal(fit.fisher_information()))
    best = fit.log_prob(x).sum()
    for step in (*directions * 0.01, *-directions * 0.01):
        neighbour = type(member).from_natural(eta + step, **fixed(member))
        assert neighbour.log_prob(x).sum() < best


def test_weights_count_repetitions(member):
    x = member.sample(300, rng=7)
    weights = np.random.default_rng(8).integers(0, 5, 300)
    weighted = type(member).fit(x, weights=weights, **fixed(member))
    repeated = type(member).fit(np.repeat(x, weights, axis=0), **fixed(member))
    for name in member.made_of:
        if name in weighted.made_of:
            assert_allclose(weighted.parameter(name), repeated.parameter(name), rtol=1e-12, atol=1e-13)
    assert weighted.kl_divergence(repeated) < 1e-22
    halved = type(member).fit(x, weights=weights / 2, **fixed(member))
    assert weighted.kl_divergence(halved) < 1e-22


# --- sampling ---------------------------------------------------------------------------------------------------------
def test_sample_moments_are_within_their_standard_errors(member):
    n = 40_000
    u = member.sufficient_statistics(member.sample(n, rng=9))
    away = u - member.mean_parameters()
    fisher = np.diagonal(member.fisher_information())
    assert np.all(np.abs(away.mean(axis=0)) < 4.5 * np.sqrt(fisher / n))
    squares = away**2 - fisher
    assert np.all(np.abs(squares.mean(axis=0)) < 4.5 * squares.std(axis=0) / np.sqrt(n))


def test_sample_follows_the_cumulative_distribution(member):
    if member.event_ndim:
        pytest.skip("vectors have no order")
    n = 20_000
    x = np.sort(member.sample(n, rng=10))
    cdf = member.to_scipy().cdf
    values = np.unique(x) if member.discrete else x
    below = np.searchsorted(x, values, side="right") / n
    assert np.max(np.abs(below - cdf(values))) < 2.2 / np.sqrt(n)  # Kolmogorov: exceeded once in 8,000 times


def test_sample_depends_on_the_seed_alone(member):
    x = member.sample(50, rng=11)
    np.testing.assert_array_equal(x, member.sample(50, rng=11))
    np.testing.assert_array_equal(x, member.sample(50, rng=np.random.default_rng(11)))
    x = member.sample(5000, rng=11)
    assert not np.array_equal(x, member.sample(5000, rng=12))
    rng = np.random.default_rng(11)
    member.sample(5000, rng)
    assert not np.array_equal(x, member.sample(5000, rng))


# --- batches ----------------------------------------------------------------------------------------------------------
SUMMARIES = (
    "natural_parameters",
    "mean_parameters",
    "log_partition",
    "fisher_information",
    "mean",
    "variance",
    "entropy",
)


@pytest.mark.parametrize("method", SUMMARIES)
def test_batch_equals_the_loop(three, method):
    batch = stack(three)
    assert batch.batch_shape == (3,)
    assert_allclose(getattr(batch, method)(), np.stack([getattr(m, method)() for m in three]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", ["mean_parameters", "fisher_information"])
def test_derived_methods_work_on_batches(three, method):
    loop = np.stack([derived(method, m) for m in three])
    assert_allclose(derived(method, stack(three)), loop, rtol=1e-7, atol=1e-9 * np.abs(loop).max())


def test_batched_log_prob_equals_the_loop(three):
    x = three[0].sample(7, rng=13)
    table = stack(three).log_prob(x[:, None])
    assert table.shape == (7, 3)
    assert_allclose(table, np.stack([m.log_prob(x) for m in three], axis=1), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", ["kl_divergence", "cross_entropy"])
def test_batched_divergences_broadcast_and_equal_the_loop(three, method):
    batch, row = stack(three), stack(three[::-1])
    loop = [getattr(p, method)(q) for p, q in zip(three, three[::-1])]
    assert_allclose(getattr(batch, method)(row), loop, rtol=1e-12, atol=1e-14)
    assert_allclose(
        getattr(batch, method)(three[1]), [getattr(p, method)(three[1]) for p in three], rtol=1e-12, atol=1e-14
    )
    assert_allclose(
        getattr(three[1], method)(batch), [getattr(three[1], method)(q) for q in three], rtol=1e-12, atol=1e-14
    )


def test_batches_of_two_axes_broadcast(three):
    batch = stack(three)
    column = type(batch).from_natural(
        batch.natural_parameters()[:, None], **{k: v[:1, None] for k, v in fixed(batch).items()}
    )
    assert column.batch_shape == (3, 1)
    table = column.kl_divergence(batch)
    assert table.shape == (3, 3)
    loop = [[p.kl_divergence(q) for q in three] for p in three]
    assert_allclose(table, loop, rtol=1e-9, atol=1e-12)


def test_batched_samples_have_the_moments_of_each_member(three):
    batch = stack(three)
    n = 20_000
    x = batch.sample(n, rng=14)
    assert x.shape == (n, 3) + np.shape(three[0].mean())[: three[0].event_ndim]
    error = batch.sufficient_statistics(x).mean(axis=0) - batch.mean_parameters()
    assert np.all(np.abs(error) < 4.5 * np.sqrt(np.diagonal(batch.fisher_information(), axis1=-2, axis2=-1) / n))


# --- the object -------------------------------------------------------------------------------------------------------
def test_members_are_immutable(member):
    for name in (*member.made_of, "batch_shape", "anything"):
        with pytest.raises(AttributeError, match="immutable"):
            setattr(member, name, 1.0)
    for value in vars(member).values():
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0.5
    with pytest.raises(AttributeError, match="immutable"):
        delattr(member, "batch_shape")


def test_members_do_not_share_memory_with_their_arguments(three):
    first = three[0]
    batch = stack(three)
    arguments = [np.array(batch.parameter(name)) for name in first.made_of]
    make = getattr(type(first), first._made_by) if first._made_by else type(first)
    made = make(*arguments)
    for argument in arguments:
        argument *= 0.5
    assert made == batch


def test_repr_evaluates_to_an_equal_member(member):
    again = eval(repr(member), vars(families))
    assert again == member and hash(again) == hash(member)


def test_equality(pair):
    p, q = pair
    assert p == eval(repr(p), vars(families))
    assert p != q and p != repr(p) and not (p == q)
    assert p != stack([p, q])


def test_the_same_distribution_from_other_numbers_is_not_equal():
    """0.5 and log-odds 0 are one distribution, but rounding would decide in general; both ways the answer is no."""
    assert Bernoulli(0.5) != Bernoulli.from_logits(0.0) and Bernoulli.from_logits(0.0) != Bernoulli(0.5)
    assert Bernoulli(0.5).kl_divergence(Bernoulli.from_logits(0.0)) == 0.0


def assert_same_numbers(one, two):
    """Equal to within rounding: scipy has scales where we have rates."""
    assert type(one) is type(two)
    for name in one.made_of:
        assert_allclose(one.parameter(name), two.parameter(name), rtol=5e-16, atol=5e-16)


def test_conversion_to_scipy_and_back(member):
    if member.made_of != type(member).parameter_names:
        pytest.skip("scipy stores other parameters")
    if FAMILIES[type(member).__name__].scipy_name or isinstance(member, (MultivariateNormal, Dirichlet)):
        assert_same_numbers(from_scipy(member.to_scipy()), member)


def test_from_scipy_of_a_batch(three):
    name = FAMILIES[type(three[0]).__name__].scipy_name
    if name is None or three[0].made_of != type(three[0]).parameter_names:
        pytest.skip("scipy has no such batch")
    batch = stack(three)
    assert_same_numbers(from_scipy(batch.to_scipy()), batch)


@pytest.mark.parametrize("name", FAMILIES)
def test_documentation_of_each_family(name):
    """Density, statistic and KL in one block of mathematics; parameters, errors, source, a runnable example."""
    text = FAMILIES[name].cls.__doc__
    for heading in (
        ".. math::",
        "Parameters\n",
        "Raises\n",
        "References\n",
        "Examples\n",
        ">>> ",
        "\\mathrm{KL}",
        "u(x)",
    ):
        assert heading in text, heading


# --- single families: what the table cannot say -----------------------------------------------------------------------
def test_only_equal_scipy_distributions_become_ours():
    assert from_scipy(stats.norm(scale=2.0)) == Normal(0.0, 2.0)
    assert from_scipy(stats.norm(1.0)) == Normal(1.0, 1.0)
    assert from_scipy(stats.poisson(mu=3.0)) == Poisson(3.0)
    assert from_scipy(stats.poisson(3.0, loc=1)) is None
    assert from_scipy(stats.binom(5, 0.25, loc=2)) is None
    assert from_scipy(stats.binom(p=0.25, n=5)) == Binomial(5, 0.25)
    assert from_scipy(stats.bernoulli(0.25)) == Bernoulli(0.25)
    assert from_scipy(stats.t(3)) is None
    assert from_scipy(stats.multivariate_normal([0, 0], [[1, 1], [1, 1]], allow_singular=True)) is None
    assert from_scipy(stats.gamma(2, scale=4)) == Gamma(2, 0.25) and from_scipy(stats.gamma(2, loc=1)) is None
    assert from_scipy(stats.expon(scale=4)) == Exponential(0.25) and from_scipy(stats.expon(1.0)) is None
    assert from_scipy(stats.lognorm(0.5)) == LogNormal(0.0, 0.5) and from_scipy(stats.lognorm(0.5, 1.0)) is None
    assert from_scipy(stats.invgauss(0.5, scale=4)) == InverseGaussian(2.0, 4.0)
    assert (
        from_scipy(stats.pareto(2.0, scale=3.0)) == Pareto(2.0, 3.0) and from_scipy(stats.pareto(2.0, loc=-1.0)) is None
    )
    assert from_scipy(stats.weibull_min(2.0, 0, 3.0)) == Weibull(2.0, 3.0)
    assert from_scipy(stats.laplace(1.0, 2.0)) == Laplace(1.0, 2.0)
    assert (
        from_scipy(stats.vonmises(2.0, loc=1.0)) == VonMises(1.0, 2.0)
        and from_scipy(stats.vonmises(2.0, scale=2.0)) is None
    )
    assert from_scipy(stats.geom(0.5)) == Geometric(0.5) and from_scipy(stats.geom(0.5, loc=-1)) is None
    assert from_scipy(stats.nbinom(2.5, 0.5)) == NegativeBinomial(2.5, 0.5)
    assert from_scipy(stats.uniform()) == from_scipy(stats.beta(1, 1)) == Beta(1.0, 1.0)
    assert from_scipy(stats.uniform(0, 2)) is None and from_scipy(stats.beta(1, 1, loc=1)) is None
    assert from_scipy(stats.dirichlet([1.0, 2.0])) == Dirichlet([1.0, 2.0])


def test_certain_outcomes():
    """p = 0 and p = 1 are distributions: no entropy, finite or infinite divergence, no NaN."""
    never, always, even = Bernoulli(0.0), Bernoulli(1.0), Bernoulli(0.5)
    assert never.entropy() == 0 and always.entropy() == 0
    assert never.kl_divergence(even) == pytest.approx(np.log(2), rel=1e-15, abs=0)
    assert even.kl_divergence(never) == np.inf and never.kl_divergence(always) == np.inf
    assert never.log_prob(0) == 0.0 and never.log_prob(1) == -np.inf
    assert even.cross_entropy(never) == np.inf and never.cross_entropy(never) == 0.0
    assert Binomial(3, 0.0).kl_divergence(Binomial(3, 0.5)) == pytest.approx(3 * np.log(2), rel=1e-15, abs=0)
    assert Binomial(3, 1.0).log_prob(3) == 0.0 and Binomial(3, 1.0).log_prob(2) == -np.inf
    p, q = Categorical([0.5, 0.5, 0.0]), Categorical([0.25, 0.25, 0.5])
    assert p.kl_divergence(q) == pytest.approx(np.log(2), rel=1e-15, abs=0) and q.kl_divergence(p) == np.inf
    assert p.entropy() == pytest.approx(np.log(2), rel=1e-15, abs=0) and q.cross_entropy(p) == np.inf
    assert p.log_prob(2) == -np.inf and p.cross_entropy(p) == pytest.approx(np.log(2), rel=1e-15, abs=0)


def test_fit_may_end_on_the_boundary():
    assert Bernoulli.fit([0, 0, 0]) == Bernoulli(0.0)
    assert Binomial.fit([4, 4], n=4) == Binomial(4, 1.0)
    assert Categorical.fit([0, 2], classes=4) == Categorical([0.5, 0.0, 0.5, 0.0])


def test_logits_reach_where_probabilities_cannot():
    """1 − p = e^−700 is not a double next to 1; e^−800 is not a double at all."""
    sure, surer = Bernoulli.from_logits(700.0), Bernoulli.from_logits(800.0)
    assert sure != surer and sure.log_prob(0) == -700.0 and surer.log_prob(0) == -800.0
    assert Bernoulli(0.5).kl_divergence(surer) == pytest.approx(400 - np.log(2), rel=1e-14, abs=0)
    assert Bernoulli(0.5).cross_entropy(surer) == pytest.approx(400, rel=1e-14, abs=0)
    assert surer.kl_divergence(Bernoulli(0.5)) == pytest.approx(np.log(2), rel=1e-14, abs=0)
    three = Categorical.from_logits([0.0, 800.0, 0.0])
    assert Categorical([0.25, 0.5, 0.25]).kl_divergence(three) == pytest.approx(400 - 1.5 * np.log(2), rel=1e-14, abs=0)
    assert three.log_prob(0) == -800.0
    assert three.kl_divergence(Categorical([0.25, 0.5, 0.25])) == pytest.approx(np.log(2), rel=1e-14, abs=0)
    tied = Categorical.from_logits([-1000.0, 0.0, 1e-13])
    assert tied.kl_divergence(Categorical.from_logits([0.0, 300.0, 300.0])) == pytest.approx(1.25e-27, rel=1e-3, abs=0)
    odds = Binomial.from_natural([800.0], 3)
    assert odds.kl_divergence(Binomial(3, 0.5)) == pytest.approx(3 * np.log(2), rel=1e-14, abs=0)
    assert Binomial(3, 0.5).kl_divergence(odds) == pytest.approx(3 * (400 - np.log(2)), rel=1e-14, abs=0)


def test_a_constant_added_to_the_scores_changes_nothing():
    scores = np.array([0.3, -1.0, 2.0])
    one, two = Categorical.from_logits(scores), Categorical.from_logits(scores + 64.0)
    assert one.kl_divergence(two) < 1e-28
    assert_allclose(one.probs, two.probs, rtol=1e-13)
    assert_allclose(one.probs, np.exp(scores) / np.exp(scores).sum(), rtol=1e-15)


def test_entropy_of_almost_certain_events_keeps_its_digits():
    """With c = e^−50 / (1 + e^−50) the entropy is c(50 + 1) + c² …: both outcomes contribute."""
    c = 1 / (1 + np.exp(50.0))
    expected = c * 50 - np.log1p(-c)
    for member in (
        Bernoulli.from_logits(50.0),
        Bernoulli.from_logits(-50.0),
        Bernoulli(c),
        Categorical.from_logits([0.0, -50.0]),
    ):
        assert member.entropy() == pytest.approx(expected, rel=1e-14, abs=0)
    assert Bernoulli(0.5).cross_entropy(Bernoulli(1e-20)) == pytest.approx(
        0.5 * (20 * np.log(10) + 1e-20), rel=1e-14, abs=0
    )
    assert Categorical.from_logits([0.0, 40.0]).fisher_information() == pytest.approx(
        Bernoulli.from_logits(40.0).variance(), rel=1e-14, abs=0
    )


def test_kl_between_log_odds_and_a_probability_close_to_one():
    """Bernoulli(p) with p = 1 − 1e-12 as a double, and 1 − p known to all digits from the log-odds 30."""
    c, d = 1 / (1 + np.exp(30.0)), 1 - (1 - 1e-12)
    value = Bernoulli.from_logits(30.0).kl_divergence(Bernoulli(1 - 1e-12))
    assert_allclose(value, c * np.log(c / d) - c + d, rtol=1e-11)  # the other outcome adds (d − c)² / 2


def test_entropy_of_large_counts():
    """An exact sum up to a rate of 1000, an expansion beyond; the two meet, both agree with a sum of scipy's terms."""
    for rate in (900.0, 1000.0, 1500.0, 1e5):
        x = np.arange(np.floor(rate - 12 * rate**0.5), rate + 12 * rate**0.5)
        log_p = stats.poisson.logpmf(x, rate)
        assert Poisson(rate).entropy() == pytest.approx(-np.sum(np.exp(log_p) * log_p), rel=1e-9, abs=0)
    batch = Poisson([2.0, 999.999999, 1000.000001, 1e12])
    entropies = batch.entropy()
    assert entropies[2] - entropies[1] == pytest.approx(0.5 * 2e-9, rel=1e-2, abs=0)
    assert entropies[0] == pytest.approx(Poisson(2.0).entropy(), rel=1e-14, abs=0)
    assert entropies[3] == pytest.approx(0.5 * np.log(2 * np.pi * np.e * 1e12), rel=1e-13, abs=0)
    assert_allclose(batch.cross_entropy(batch), entropies, rtol=1e-14)


def test_normal_divergence_of_wild_scales():
    """σ_p/σ_q = 1e-200: its square is no double, its logarithm is."""
    assert Normal(0, 1e-200).kl_divergence(Normal(0, 1)) == pytest.approx(200 * np.log(10) - 0.5, rel=1e-14, abs=0)


def test_normal_fit_keeps_its_digits_far_from_zero():
    """Values exact in doubles, with a mean a billion times the spread: the raw second moment has no digits left."""
    x = 1e9 + np.array([0.25, 0.5, 0.75, 1.5]) * np.ones((1000, 1))
    fit = Normal.fit(x.ravel())
    assert fit.mean() == 1e9 + 0.75
    assert_allclose(fit.variance(), 0.21875, rtol=1e-14)


def test_multivariate_normal_fit_keeps_its_digits_far_from_zero():
    x = np.array([[0, 0], [1, 0], [0, 1], [2, 4.0]])
    near, far = MultivariateNormal.fit(x), MultivariateNormal.fit(x + 2.0**30)
    assert_allclose(far.cov, near.cov, rtol=1e-13)
    assert_allclose(near.cov, np.cov(x.T, bias=True), rtol=1e-14)


def test_multivariate_normal_fit_in_any_units():
    """Coordinates in units eighteen powers of ten apart are no hyperplane; an exact multiple of another is one."""
    z = np.random.default_rng(2).normal(size=(5000, 2))
    units = np.array([1e9, 1e-9])
    assert_allclose(
        MultivariateNormal.fit(z * units).cov, MultivariateNormal.fit(z).cov * np.outer(units, units), rtol=1e-10
    )
    with pytest.raises(ValueError, match="hyperplane"):
        MultivariateNormal.fit(z[:, [0, 0]] * units)


def test_multivariate_normal_in_many_dimensions_agrees_with_independent_coordinates():
    rng = np.random.default_rng(3)
    m, n = rng.normal(size=(2, 12))
    s, r = rng.uniform(0.5, 2, (2, 12))
    p, q = MultivariateNormal(m, np.diag(s**2)), MultivariateNormal(n, np.diag(r**2))
    assert_allclose(p.kl_divergence(q), Normal(m, s).kl_divergence(Normal(n, r)).sum(), rtol=1e-13)
    assert_allclose(p.cross_entropy(q), Normal(m, s).cross_entropy(Normal(n, r)).sum(), rtol=1e-13)
    assert_allclose(p.entropy(), Normal(m, s).entropy().sum(), rtol=1e-13)
    assert_allclose(p.log_prob(n), Normal(m, s).log_prob(n).sum(), rtol=1e-13)


# --- mixtures ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def mixture():
    return Mixture([0.2, 0.5, 0.3], Normal([-2.0, 0.5, 4.0], [0.5, 1.0, 2.0]))


def mixture_density(x):
    return 0.2 * stats.norm.pdf(x, -2, 0.5) + 0.5 * stats.norm.pdf(x, 0.5, 1) + 0.3 * stats.norm.pdf(x, 4, 2)


def test_mixture_density_and_posterior(mixture):
    x = np.linspace(-5, 12, 31)
    assert_allclose(mixture.log_prob(x), np.log(mixture_density(x)), rtol=1e-12)
    assert_allclose(mixture.posterior(x)[:, 0], 0.2 * stats.norm.pdf(x, -2, 0.5) / mixture_density(x), rtol=1e-11)
    assert_allclose(mixture.posterior(x).sum(-1), 1, rtol=1e-14)
    assert np.ndim(mixture.log_prob(0.3)) == 0


def test_mixture_moments(mixture):
    mean = integrate.quad(lambda x: x * mixture_density(x), -30, 40, limit=200)[0]
    assert mixture.mean() == pytest.approx(mean, rel=1e-9, abs=0)
    assert mixture.variance() == pytest.approx(
        integrate.quad(lambda x: (x - mean) ** 2 * mixture_density(x), -30, 40, limit=200)[0], rel=1e-9, abs=0
    )


def test_mixture_sample_follows_its_cumulative_distribution(mixture):
    n = 20_000
    x = np.sort(mixture.sample(n, rng=1))
    cdf = 0.2 * stats.norm.cdf(x, -2, 0.5) + 0.5 * stats.norm.cdf(x, 0.5, 1) + 0.3 * stats.norm.cdf(x, 4, 2)
    assert np.max(np.abs(np.arange(1, n + 1) / n - cdf)) < 2.2 / np.sqrt(n)


def test_mixture_of_counts():
    mixture = Mixture([0.25, 0.75], Poisson([1.0, 6.0]))
    x = np.arange(80)
    expected = 0.25 * stats.poisson.pmf(x, 1) + 0.75 * stats.poisson.pmf(x, 6)
    assert_allclose(np.exp(mixture.log_prob(x)), expected, rtol=1e-12)
    assert mixture.discrete and mixture.support == (0, np.inf)
    assert mixture.mean() == pytest.approx(x @ expected, rel=1e-12, abs=0)


def test_a_component_may_end_before_another():
    """Four successes are impossible in three trials, not in five."""
    mixture = Mixture([0.5, 0.5], Binomial([3, 5], 0.5))
    assert mixture.support == (0, 5)
    assert_allclose(np.exp(mixture.log_prob([3, 4])), [0.5 * (1 / 8 + 10 / 32), 0.5 * 5 / 32], rtol=1e-14)
    assert_allclose(mixture.posterior(4), [0, 1])


def test_a_component_of_weight_zero_does_not_exist():
    mixture = Mixture([1.0, 0.0], Normal([0.0, 5.0], 1.0))
    assert_allclose(mixture.log_prob([0.0, 5.0]), stats.norm.logpdf([0.0, 5.0]), rtol=1e-14)
    assert_allclose(mixture.posterior(5.0), [1, 0])


def test_mixture_repr_and_equality(mixture):
    again = eval(repr(mixture), vars(families))
    assert again == mixture and mixture != Mixture([0.3, 0.4, 0.3], mixture.components)


@pytest.mark.parametrize("name", [name for name, row in FAMILIES.items() if row.cls.scipy_name])
def test_moments_and_scipy(name):
    for seed in range(5):
        member = FAMILIES[name].draw(np.random.default_rng(seed))
        mean, variance = np.broadcast_arrays(*member.to_scipy().stats("mv"))
        assert_allclose(np.broadcast_to(member.mean(), mean.shape), mean, rtol=1e-9, atol=1e-12)
        assert_allclose(np.broadcast_to(member.variance(), mean.shape), variance, rtol=1e-7, atol=1e-12)


def test_silent_at_the_ends_of_the_range():
    assert Dirichlet([2, 3]).log_prob([0.0, 1.0]) == -np.inf
    assert LogNormal(0, 40).variance() == np.inf and LogNormal(-800, 0.1).variance() == 0


def test_a_fixed_parameter_may_be_said_again():
    kept = NegativeBinomial.statistics([1, 2, 9], r=3)
    assert NegativeBinomial.fit(kept, r=3) == NegativeBinomial.fit(kept) == NegativeBinomial.fit([1, 2, 9], r=3)
