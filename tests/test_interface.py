"""What a user meets: functions of a distribution besides its log-density, batches as arrays, the inputs people have.

The oracles are SciPy, the definition of a quantile, and plain lists of the same numbers. Libraries that the package
does not need (pandas, polars, torch, jax) are tested where they are installed.
"""

import copy
import importlib
import inspect
import json
import pickle
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import companion
from companion import cross_entropy, entropy, families, kl_divergence, log_likelihood
from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Exponential,
    Gamma,
    Geometric,
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
    statistics,
)
from companion.families.distribution import Distribution
from companion.residuals import Ising
from companion.special.newton import first_at_least

SCALAR = [name for name, row in FAMILIES.items() if not row.cls.event_ndim]
MIXTURES = {
    "mixture of densities": Mixture([0.3, 0.7], Normal([-2.0, 3.0], [0.5, 2.0])),
    "mixture of counts": Mixture([0.3, 0.0, 0.7], Poisson([1.0, 500.0, 9.0])),
}


def draw(name, seed=0):
    return MIXTURES[name] if name in MIXTURES else FAMILIES[name].draw(np.random.default_rng(seed))


def batch_of(name, size=3):
    """A batch of `size` members, and the members."""
    rng = np.random.default_rng(7)
    members = [FAMILIES[name].draw(rng) for _ in range(size)]
    stacked = [np.stack([m.parameter(p) for m in members]) for p in members[0].made_of]
    return type(members[0])(*stacked), members


# --- cdf, sf, quantile, pdf, std -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*SCALAR, *MIXTURES])
def test_cdf_adds_up_the_density(name):
    """P(a < X ≤ b) is the sum or the integral of `pdf`, which is another function than SciPy's cdf."""
    d = draw(name)
    a, b = d.quantile([0.2, 0.9])
    if d.discrete:
        mass = d.pdf(np.arange(a + 1, b + 1)).sum()
    else:
        nodes, weights = np.polynomial.legendre.leggauss(200)
        u = np.log(a) if d.support[0] == 0 else None  # over log x where the density may be singular at 0
        low, high = (a, b) if u is None else np.log([a, b])
        x = low + (high - low) * (nodes + 1) / 2
        x, slope = (x, 1.0) if u is None else (np.exp(x), np.exp(x))
        mass = (high - low) / 2 * np.sum(weights * slope * d.pdf(x))
    # the kink of a Laplace density costs the rule some digits
    assert_allclose(d.cdf(b) - d.cdf(a), mass, rtol=1e-3 if name == "Laplace" else 1e-10)


@pytest.mark.parametrize("name", [*SCALAR, *MIXTURES])
def test_sf_is_the_rest(name):
    d = draw(name)
    x = d.quantile([0.01, 0.3, 0.7, 0.99])
    assert_allclose(d.cdf(x) + d.sf(x), 1, rtol=1e-13)


@pytest.mark.parametrize("name", [*SCALAR, *MIXTURES])
def test_quantile_is_the_smallest_point_with_that_much_below(name):
    d, q = draw(name), np.array([0.003, 0.2, 0.5, 0.8, 0.997])
    x = d.quantile(q)
    if d.discrete:
        assert np.all(d.cdf(x) >= q) and np.all(d.cdf(x - 1) < q) and np.all(d._inside(x))
    else:
        assert_allclose(d.cdf(x), q, rtol=1e-9)
    assert np.array_equal(d.quantile([0, 1]), d.support)


@pytest.mark.parametrize("name", [*SCALAR, *MIXTURES])
def test_nothing_lies_outside_the_support(name):
    d = draw(name)
    low, high = d.support
    beyond = np.array([low - 1 if np.isfinite(low) else -np.inf, high + 1 if np.isfinite(high) else np.inf])
    assert np.array_equal(d.cdf(beyond), [0, 1]) and np.array_equal(d.sf(beyond), [1, 0])
    if name != "VonMises":  # an angle is on the circle whatever its turn
        assert np.array_equal(d.pdf(beyond), [0, 0])


@pytest.mark.parametrize("name", SCALAR)
def test_functions_broadcast_over_the_batch(name):
    batch, members = batch_of(name)
    x = np.median(batch.sample(101, rng=0), axis=0).max() * np.ones((2, 1))
    for function in ("cdf", "sf", "pdf"):
        assert_allclose(getattr(batch, function)(x)[0], [getattr(m, function)(x[0, 0]) for m in members], rtol=1e-13)
    q = [[0.1], [0.5]]
    assert_allclose(batch.quantile(q), [[m.quantile(v) for m in members] for (v,) in q], rtol=1e-12)
    assert_allclose(batch.std(), [m.std() for m in members], rtol=1e-14)


def test_std_is_of_the_variable_itself():
    """A log-normal's sd is that of the logarithm; `std` is not."""
    assert_allclose(LogNormal(1.0, 0.5).std(), stats.lognorm(0.5, scale=np.e).std(), rtol=1e-12)
    assert_allclose(MultivariateNormal([0, 0], [[4.0, 1.0], [1.0, 9.0]]).std(), [2, 3])
    assert Pareto(1.5, 1.0).std() == np.inf and Normal(0, 2).std() == 2.0


def test_tails_keep_their_digits():
    assert_allclose(Normal(0, 1).sf(30.0), 4.906713927148187e-198, rtol=1e-12)  # ½ erfc(30/√2), mpmath
    assert_allclose(Categorical([1 - 1e-20, 1e-20]).sf(0), 1e-20, rtol=1e-15)
    assert_allclose(VonMises(1.0, 50.0).sf(2.4), VonMises(1.0, 50.0).cdf(-0.4), rtol=1e-12)
    assert_allclose(Geometric(1e-19).sf(1e19), np.exp(-1), rtol=1e-14)


def test_quantiles_of_huge_counts():
    """Where SciPy's own quantiles are NaN or end the interpreter; beside them a normal approximation."""
    for d in (Poisson(1e16), Binomial(10**18, 0.5), NegativeBinomial(1e14, 0.01)):
        assert_allclose(d.quantile([0.1, 0.9]), d.mean() + d.std() * stats.norm.ppf([0.1, 0.9]), rtol=1e-8)
    assert_allclose(Geometric(1e-19).quantile(0.5), np.log(2) * 1e19, rtol=1e-12)
    with pytest.raises(ValueError, match="ones that the algorithm can work with"):
        NegativeBinomial(2.5, 1e-300).quantile(0.5)


@pytest.mark.parametrize("d", [MultivariateNormal([0, 0], np.eye(2)), Dirichlet([1.0, 2.0])])
@pytest.mark.parametrize("function", ["cdf", "sf", "quantile"])
def test_vectors_have_no_order(d, function):
    with pytest.raises(TypeError, match=f"{type(d).__name__}.{function}: .*a distribution of numbers"):
        getattr(d, function)([0.5, 0.5])


@pytest.mark.parametrize("function", ["cdf", "quantile"])
def test_a_family_that_scipy_lacks_says_so(function):
    class Custom(Normal):
        _tail = Distribution._tail

        def to_scipy(self):
            return None

    with pytest.raises(TypeError, match=rf"Custom.{function}: to_scipy\(\) = None"):
        getattr(Custom(0, 1), function)(0.5)


@pytest.mark.parametrize("whole", [False, True])
def test_bisection_finds_the_first(whole):
    target = np.array([0.0, 1e-3, 1.0, 7.9, 1e9])
    x = first_at_least(lambda x: x**3, target, 0.0, np.inf, whole)
    step = 1 if whole else np.spacing(x)
    assert np.all(x**3 >= target) and np.all(((x - step) ** 3 < target) | (x == 0))


# --- outside the support ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [*FAMILIES, *MIXTURES])
def test_log_prob_outside_the_support_is_what_one_asks_for(name):
    d = draw(name)
    good = d.sample(3, rng=0)
    bad = good.copy()
    bad[1] = 0.25 if d.discrete else np.inf
    if name == "Dirichlet":
        bad[1] = 1.0
    expected = d.log_prob(good)
    with pytest.raises(ValueError, match="expected"):
        d.log_prob(bad)
    for outside in (-np.inf, np.nan, 0):
        assert_allclose(d.log_prob(bad, outside=outside), [expected[0], outside, expected[2]], rtol=1e-14)
        assert np.array_equal(d.log_prob(good, outside=outside), expected)


def test_outside_works_for_batches_and_single_numbers():
    batch = Pareto(1.0, [1.0, 2.0, 4.0])
    assert_allclose(batch.log_prob(3.0, outside=-np.inf), [-2 * np.log(3), np.log(2 / 9), -np.inf])
    assert batch[2].log_prob(3, outside=-np.inf) == -np.inf
    plane = MultivariateNormal([[0, 0], [1, 1]], np.eye(2))
    assert np.array_equal(np.isfinite(plane.log_prob([[[0.0, 0]], [[np.inf, 0]]], outside=-np.inf)), [[1, 1], [0, 0]])


def test_outside_works_for_spins():
    model = Ising(2, 2, 0.1, 0.3)
    x = np.array([[1.0, -1, 1, 1], [1, 0.5, 1, 1]])
    assert np.array_equal(model.log_prob(x, outside=-np.inf), [model.log_prob(x[0]), -np.inf])
    assert_allclose(model.pdf(model.states).sum(), 1, rtol=1e-14)


@pytest.mark.parametrize("outside", ["-inf", [0.0], True, None])
def test_outside_is_a_number(outside):
    error = ValueError if outside is None else TypeError  # None: an error, as by default
    with pytest.raises(error, match="expected"):
        Gamma(2, 1).log_prob(-1.0, outside=outside)
    with pytest.raises(ValueError, match="no NaN"):
        Gamma(2, 1).log_prob(np.nan, outside=-np.inf)


# --- objects ---------------------------------------------------------------------------------------------------------
def test_parameters_of_one_distribution_are_plain_numbers():
    rate, coins = Poisson(2.5).rate, Binomial(12, 0.3)
    assert isinstance(rate, float) and json.loads(json.dumps({"rate": rate, "n": coins.n})) == {"rate": 2.5, "n": 12}
    assert len(range(coins.n)) == 12 and round(Normal(2.6, 1).mean()) == 3 and f"{Normal(0, 2).sd:.1f}" == "2.0"
    assert Binomial.fit([1, 2], n=4).n == 4 and isinstance(Binomial([3, 4], 0.5)[1].n, int)
    for name in FAMILIES:
        d = draw(name)
        assert not any(isinstance(v, np.ndarray) and v.ndim == 0 for v in vars(d).values()), name


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_is_indexed_like_an_array(name):
    batch, members = batch_of(name, 4)
    assert len(batch) == 4 and list(batch) == members
    assert batch[0] == members[0] and batch[-1] == members[3] and batch[np.int64(2)] == members[2]
    assert list(batch[1:3]) == members[1:3] == list(batch[[1, 2]]) == list(batch[[False, True, True, False]])
    assert batch[...] == batch and batch[None].batch_shape == (1, 4) and batch[None][0, 3] == members[3]


def test_batches_of_two_axes():
    grid = Normal(np.arange(6.0).reshape(2, 3), 1.0)
    assert len(grid) == 2 and grid[1][2] == grid[1, 2] == Normal(5, 1)
    assert grid[:, 1] == Normal([1.0, 4.0], 1.0) and [row[0] for row in grid] == [Normal(0, 1), Normal(3, 1)]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: Normal(0, 1)[0], TypeError, "a single distribution"),
        (lambda: len(Normal(0, 1)), TypeError, "a single distribution"),
        (lambda: list(MIXTURES["mixture of counts"]), TypeError, "a single distribution"),
        (lambda: Poisson([1.0, 2.0])[2], IndexError, r"index = 2; expected one into a batch of shape \(2,\)"),
        (lambda: Poisson([1.0, 2.0])[5:], IndexError, "selects nothing"),
        (lambda: Poisson([1.0, 2.0])["rate"], IndexError, "index = 'rate'"),
        (lambda: Poisson([1.0, 2.0])[0, 0], IndexError, "expected one into a batch"),
    ],
)
def test_bad_index(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_distribution_is_true():
    assert Normal(0, 1) and Normal([0, 1], 1) and MIXTURES["mixture of counts"]


@pytest.mark.parametrize("name", [*FAMILIES, *MIXTURES])
def test_hash_is_consistent_with_equality(name):
    d = draw(name)
    same, other = eval(repr(d), vars(families)), draw(name, 1) if name in FAMILIES else Normal(0, 1)
    assert same is not d and same == d and hash(same) == hash(d) and len({d, same, other}) == 2
    assert Normal(0.0, 1) == Normal(-0.0, 1) and hash(Normal(0.0, 1)) == hash(Normal(-0.0, 1))
    assert Normal(0, 1) != LogNormal(0, 1) and Normal([0.0], [1.0]) != Normal(0.0, 1.0)


def arrays(value):
    """All arrays that an object holds, however deep."""
    if isinstance(value, np.ndarray):
        return [value]
    parts = vars(value).values() if isinstance(value, families.Distribution) else ()
    parts = vars(value.sums).values() if isinstance(value, statistics.Statistics) else parts
    return [array for part in parts for array in arrays(part)]


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda d: pickle.loads(pickle.dumps(d))}
FROM_LOGITS = [Bernoulli.from_logits([1.0, 50.0]), Categorical.from_logits([0.0, 1.0])]
TRIANGULAR = MultivariateNormal.from_cholesky([0.0, 0.0], [[1.0, 0.0], [1e-9, 1e-9]])


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", [*FAMILIES, *MIXTURES, "others"])
def test_copies_are_equal_and_immutable(name, how):
    cases = [*FROM_LOGITS, TRIANGULAR] if name == "others" else [draw(name)]
    cases += [batch_of(name)[0]] if name in FAMILIES else []
    for d in cases:
        twin = COPIES[how](d)
        assert twin == d and hash(twin) == hash(d) and repr(twin) == repr(d) and vars(twin).keys() == vars(d).keys()
        assert not any(array.flags.writeable for array in arrays(twin))
        for change in (lambda t: setattr(t, t.made_of[0], 1), lambda t: delattr(t, "batch_shape")):
            with pytest.raises(AttributeError, match="immutable"):
                change(twin)
        assert np.array_equal(twin.sample(3, rng=1), d.sample(3, rng=1))


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", ["Normal", "MultivariateNormal", "Dirichlet", "Categorical", "Weibull", "VonMises"])
def test_copies_of_statistics_are_equal_and_immutable(name, how):
    d = draw(name)
    fixed = {f: getattr(d, f) for f in d.fixed_names}
    a = type(d).statistics(d.sample(20, rng=0), **fixed)
    twin = COPIES[how](a)
    assert twin == a and hash(twin) == hash(a) and repr(twin) == repr(a) and twin + a == a + twin
    assert not any(array.flags.writeable for array in arrays(twin))
    with pytest.raises(AttributeError, match="immutable"):
        del twin.weight


SIGNATURES = {
    Normal: [],
    Binomial: ["n"],
    NegativeBinomial: ["r"],
    Weibull: ["k"],
    Laplace: ["loc=None"],
    Pareto: ["xm=None"],
    Categorical: ["classes=None"],
}


@pytest.mark.parametrize("cls", SIGNATURES)
def test_signature_of_fit_shows_what_is_held_fixed(cls):
    parameters = list(inspect.signature(cls.fit).parameters.values())
    assert [p.name for p in parameters[:2]] == ["x", "weights"] and parameters[1].default is None
    shown = [p.name + ("" if p.default is p.empty else f"={p.default}") for p in parameters[2:]]
    assert shown == SIGNATURES[cls] and all(p.kind is p.KEYWORD_ONLY for p in parameters[2:])
    required = [p.name for p in inspect.signature(cls.statistics).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert required == [s.partition("=")[0] for s in SIGNATURES[cls]]


def test_a_fixed_parameter_in_the_place_of_weights():
    with pytest.raises(ValueError, match=r"Call Binomial.fit\(x, weights=None, n=...\)"):
        Binomial.fit([1, 2], 12)


def test_table_for_notebooks():
    html = Normal(np.arange(12.0), 1.5)._repr_html_()
    assert html.count("<tr>") == 1 + 10 + 1 and "<th>mean</th><th>sd</th>" in html and "<td>1.5</td>" in html
    assert "12 Normal distributions" in html and "…" in html
    html = MIXTURES["mixture of counts"]._repr_html_()
    assert "Mixture of 3 Poisson" in html and "<td>0.3</td><td>1</td>" in html and html.count("<tr>") == 4
    assert "&lt;" not in Dirichlet([1.0, 2.0])._repr_html_() and "[1., 2.]" in Dirichlet([1.0, 2.0])._repr_html_()


# --- the public surface ----------------------------------------------------------------------------------------------
def public_surface():
    """Every public function, class, method and property of the package, with its name."""
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(companion.__path__, "companion.")]
    for module in [companion, *modules]:
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "").partition(".")[0] != "companion":
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{module.__name__}.{name}", value
            for member in dir(value) if inspect.isclass(value) else ():
                part = inspect.getattr_static(value, member)
                part = part.__func__ if isinstance(part, (classmethod, staticmethod)) else part
                home = getattr(part, "__module__", None) or getattr(getattr(part, "fget", None), "__module__", "")
                if not member.startswith("_") and home.startswith("companion"):
                    yield f"{module.__name__}.{name}.{member}", getattr(value, member)


def test_everything_public_is_documented():
    surface = dict(public_surface())
    assert len(surface) > 400 and "companion.families.Normal.cdf" in surface
    assert [name for name, value in surface.items() if not inspect.getdoc(value)] == []


def test_the_package_needs_no_matplotlib():
    """Everything but `companion.lesson.plotting` imports where matplotlib is not installed, and works."""
    code = """
import importlib, pkgutil, sys
class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("matplotlib", "pandas", "polars", "torch", "jax"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
import companion
for module in pkgutil.walk_packages(companion.__path__, "companion."):
    if module.name != "companion.lesson.plotting":
        importlib.import_module(module.name)
try:
    import companion.lesson.plotting
except ModuleNotFoundError as error:
    print(error.name, companion.kl_divergence([0.5, 0.5], [0.5, 0.5]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=companion.__path__[0] + "/.."
    )
    assert run.stdout == "matplotlib 0.0\n", run.stderr


# --- inputs people have ----------------------------------------------------------------------------------------------
X, W, P, Q = [1.0, 2.5, 4.0, 0.5], [1.0, 2.0, 0.0, 1.0], [0.125, 0.375, 0.5], [0.25, 0.25, 0.5]
PLANE = [[0.0, 1.0], [2.0, 0.5], [1.0, -1.0], [0.5, 3.0]]


def calls(of):
    """Everything that promises to take arrays, given the data through `of` (list -> array-like)."""
    x, w, p, q, plane = (of(v) for v in (X, W, P, Q, PLANE))
    yield Gamma.fit(x, w)
    yield Normal.statistics(x).mean()
    yield MultivariateNormal.fit(plane).cov
    yield Laplace.fit(x, weights=w)
    yield Categorical.fit(of([0, 2, 1, 2]))
    yield VonMises.fit(x)
    yield log_likelihood(Exponential(0.5), x, w)
    yield log_likelihood(stats.t(4), x)
    yield Normal(x, 1.0).log_prob(x)
    yield Normal(0, 1).cdf(x)
    yield Normal(0, 1).quantile(p)
    yield Categorical(p).entropy()
    yield Dirichlet(x).mean()
    yield MultivariateNormal(of([0.0, 1.0]), of([[2.0, 0.5], [0.5, 1.0]])).log_prob(plane)
    yield Mixture(p, Normal(of([0.0, 1.0, 2.0]), 1.0)).posterior(x)
    yield Poisson.from_natural(of([[0.5]]))
    yield (entropy(p), cross_entropy(p, q), kl_divergence(p, q), kl_divergence(P, q), kl_divergence(p, Categorical(q)))


def assert_understood(of):
    for found, expected in zip(calls(of), calls(list), strict=True):
        if isinstance(expected, families.Distribution):
            assert found == expected
        else:
            assert_allclose(found, expected, rtol=1e-14)


def pandas_series(values):
    pandas = pytest.importorskip("pandas")
    index = range(10, 10 + len(values))
    return pandas.DataFrame(values, index=index) if np.ndim(values) == 2 else pandas.Series(values, index=index)


def pandas_with_its_own_types(values):
    return pandas_series(values).convert_dtypes()


def polars_series(values):
    polars = pytest.importorskip("polars")
    return polars.DataFrame(values, orient="row") if np.ndim(values) == 2 else polars.Series(values)


def torch_tensor(values):
    torch = pytest.importorskip("torch")
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def jax_array(values):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return jax.numpy.asarray(values)


class Foreign:
    """An array of a library that numpy knows nothing of but `__array__`."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)


class Tracked:
    """A tensor as torch has it: numpy alone cannot read it, and it may live on another device."""

    def __init__(self, values, place="device"):
        self.values, self.place = values, place

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return Tracked(self.values, "detached")

    def cpu(self):
        assert self.place == "detached"
        return Tracked(self.values, "here")

    def numpy(self):
        assert self.place == "here"
        return np.array(self.values)


KINDS = [pandas_series, pandas_with_its_own_types, polars_series, torch_tensor, jax_array, Foreign, Tracked]


@pytest.mark.parametrize("of", [np.array, tuple, *KINDS])
def test_series_frames_and_tensors_are_arrays(of):
    assert_understood(of)


@pytest.mark.parametrize("of", [pandas_series, polars_series])
def test_missing_values_and_text_in_columns(of):
    with pytest.raises(ValueError, match=r"Normal.fit: x\[1\] = nan; expected no NaN"):
        Normal.fit(of([1.0, None, 2.0]))
    with pytest.raises(TypeError, match=r"Normal.fit: .* expected real numbers"):
        Normal.fit(of(["a", "b"]))


def test_missing_integers_of_pandas():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"Poisson.fit: x\[1\] = nan"):
        Poisson.fit(pandas.Series([1, None, 3], dtype="Int64"))
    assert Poisson.fit(pandas.Series([1, 2, 3], dtype="Int64")) == Poisson(2.0)


def test_a_tensor_that_numpy_cannot_hold():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="expected numbers in a regular array"):
        Normal.fit(torch.tensor([1.0, 2.0], dtype=torch.bfloat16))


class Column:
    """What pandas' column of integers with missing ones does, where pandas is not installed."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=object)

    def to_numpy(self, dtype=object, na_value=None):
        return np.array([na_value if v is None else v for v in self.values], dtype=dtype)


class Tensor:
    """What a torch vector on the tape does, where torch is not installed."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return np.array([0.2, 0.3, 0.5])


def test_columns_and_tensors_are_known_by_their_methods():
    assert Poisson.fit(Column([1, 2, 3])) == Poisson(2.0)
    with pytest.raises(ValueError, match=r"Poisson.fit: x\[1\] = nan; expected no NaN"):
        Poisson.fit(Column([1, None, 3]))
    with pytest.raises(TypeError, match=r"Normal.fit: .* expected real numbers"):
        Normal.fit(Column(["a", "b"]))
    assert kl_divergence(Tensor(), [0.2, 0.3, 0.5]) == 0.0
    assert Normal.fit(Tensor()) == Normal.fit([0.2, 0.3, 0.5])


# --- masks -----------------------------------------------------------------------------------------------------------
MASKED = np.ma.array([1.0, 2.0, 1e9, 4.0], mask=[False, False, True, False])


def test_masked_observations_are_left_out_of_fits():
    plain = [1.0, 2.0, 4.0]
    assert Normal.fit(MASKED) == Normal.fit(plain) and Normal.statistics(MASKED) == Normal.statistics(plain)
    assert Gamma.fit(MASKED, [1, 2, 7, 3]) == Gamma.fit(plain, [1, 2, 3])
    assert Gamma.fit([1.0, 2.0, 5.0, 4.0], np.ma.array([1, 2, 7, 3], mask=MASKED.mask)) == Gamma.fit(plain, [1, 2, 3])
    assert log_likelihood(Normal(0, 1), MASKED) == log_likelihood(Normal(0, 1), plain)
    assert log_likelihood(stats.t(4), MASKED, [1, 2, 7, 3]) == log_likelihood(stats.t(4), plain, [1, 2, 3])
    both = Gamma.fit(np.ma.array([1.0, 2.0, 4.0, 9.0], mask=[0, 0, 0, 1]), np.ma.array([1, 2, 3, 4], mask=[0, 0, 1, 0]))
    assert both == Gamma.fit([1.0, 2.0], [1, 2])


def test_a_vector_with_a_masked_coordinate_is_left_out():
    plane = np.ma.array(PLANE, mask=[[0, 0], [0, 0], [0, 1], [0, 0]])
    assert MultivariateNormal.fit(plane) == MultivariateNormal.fit([PLANE[i] for i in (0, 1, 3)])
    assert MultivariateNormal.fit(list(plane)) == MultivariateNormal.fit(plane)  # a list of rows with masks


def test_arrays_without_a_masked_entry_are_arrays():
    assert_understood(np.ma.array)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Normal(0, 1).log_prob(MASKED),
        lambda: Normal(MASKED, 1.0),
        lambda: Normal(0, 1).cdf(MASKED),
        lambda: Normal(0, 1).sufficient_statistics(MASKED),
        lambda: entropy(np.ma.array([0.5, 0.5, 0.3], mask=[0, 0, 1])),
        lambda: kl_divergence(P, np.ma.array(P, mask=[0, 0, 1])),
        lambda: Binomial.fit([1, 2], n=np.ma.array(5, mask=True)),
        lambda: Poisson.from_natural(np.ma.array([[0.5]], mask=[[1]])),
        lambda: MIXTURES["mixture of densities"].posterior(MASKED),
    ],
)
def test_a_mask_is_never_lost_in_silence(call):
    with pytest.raises(ValueError, match="expected values without a mask"):
        call()


def test_everything_masked_is_an_empty_sample():
    with pytest.raises(ValueError, match=r"at least one observation\. All observations are masked"):
        Normal.fit(np.ma.masked_all(3))


# --- draws -----------------------------------------------------------------------------------------------------------
def test_draws_of_a_tiny_probability_do_not_saturate():
    x = Geometric(1e-19).sample(4000, rng=0)
    assert stats.kstest(x * 1e-19, "expon").pvalue > 1e-3 and x.max() > 2.0**63
    assert np.array_equal(Geometric(0.1).sample(100, 0), np.random.default_rng(0).geometric(0.1, 100))
    assert np.all(Geometric(1.0).sample(5, 0) == 1)
    x = Geometric(0.7).sample(20_000, rng=1)
    counts = [(x == 1).sum(), (x == 2).sum(), (x > 2).sum()]
    assert stats.chisquare(counts, 20_000 * np.array([0.7, 0.21, 0.09])).pvalue > 1e-3


@pytest.mark.parametrize(
    "d, ones", [(Gamma(0.002, 1.0), 0.0), (Beta(0.01, 0.02), stats.beta(0.02, 0.01).cdf(2.0**-54))]
)
def test_draws_round_to_zero_or_one_as_often_as_they_should(d, ones):
    """Below the smallest double, and between the last one below 1 and 1, no draw can be: what is there is rounded."""
    x, n = d.sample(100_000, rng=3), 100_000
    tiny = np.finfo(float).tiny if isinstance(d, Beta) else 5e-324  # NumPy 2.0 makes 0 of all betas below it
    for found, least, most in (((x == 0).mean(), d.cdf(5e-324), d.cdf(tiny)), ((x == 1).mean(), ones, ones)):
        assert least - 4 * np.sqrt(least / n) - 1e-9 < found < most + 4 * np.sqrt(most / n) + 1e-9
    with pytest.raises(ValueError, match="which a double cannot hold"):
        type(d).fit(x)


@pytest.mark.parametrize(
    "d", [Pareto(1e-3, 1.0), Poisson(1e19), NegativeBinomial(2.5, 1e-300), Geometric(1e-320), Gamma(1.0, 1e-320)]
)
def test_draws_that_nothing_can_hold_are_refused(d):
    with pytest.raises(ValueError, match=f"{type(d).__name__}.sample: parameters = .*; expected ones whose draws fit"):
        d.sample(20, rng=0)


def test_hashes_differ_where_members_do():
    members = [cls(a, b) for cls in (Normal, LogNormal) for a in range(10) for b in range(1, 6)]
    assert len({hash(member) for member in members}) > 95
