"""Data of any size: the same fit from every source, whatever is killed; and errors that name the chunk and the row.

The oracle is the fit of one array in memory, which other files hold to exact sums.
"""

import io
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion import em, regression, scale
from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Gamma,
    Laplace,
    Mixture,
    MultivariateNormal,
    Normal,
    Poisson,
    VonMises,
    Weibull,
)
from companion.numerics import exact_moments, num_acc
from companion.scaling import checkpoints

ROOT = Path(__file__).resolve().parents[1]
# Dask and pyarrow leave sockets and old names to others.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::UserWarning")


def numbers(statistics):
    """The parameters of the fit, in one vector."""
    member = statistics.family.fit(statistics)
    return np.concatenate([np.ravel(member.parameter(name)) for name in member.parameter_names])


def uneven(x, count, seed=0):
    """The array in so many chunks of very different sizes, some of them empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(x), count - 1))
    return np.split(x, cuts)


# --- the same estimate from every source ------------------------------------------------------------------------------
def routes(folder):
    """Every way to hand over an array, by name."""

    def chunked(x):
        parts = uneven(x, 1000)
        np.random.default_rng(1).shuffle(order := list(range(1000)))
        return [parts[i] for i in order]

    def memory_map(x):
        np.save(folder / "map.npy", x)
        return np.load(folder / "map.npy", mmap_mode="r")

    def npy(x):
        np.save(folder / "x.npy", x)
        return folder / "x.npy"

    def fortran(x):
        np.save(folder / "f.npy", np.asfortranarray(x))
        return folder / "f.npy"

    def csv(x):
        np.savetxt(folder / "x.csv", x, fmt="%.17g", delimiter=",", header="a,b,c"[: 2 * x[0].size - 1], comments="")
        return folder / "x.csv"

    def parquet(x):
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {f"x{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)}
        pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=7000)
        return folder / "x.parquet"

    def frame(x):
        return pytest.importorskip("pandas").DataFrame(x.reshape(len(x), -1))

    def dask_array(x):
        return pytest.importorskip("dask.array").from_array(x, chunks=(999, *x.shape[1:]))

    def dask_columns(x):
        return pytest.importorskip("dask.array").from_array(x, chunks=(1234,) + (1,) * (x.ndim - 1))

    def unknown_sizes(x):
        array = dask_array(x)
        return array[array.ravel() > -np.inf] if x.ndim == 1 else array[array[:, 0] > -np.inf]

    def dask_frame(x):
        pytest.importorskip("pyarrow")
        return pytest.importorskip("dask.dataframe").from_pandas(frame(x), npartitions=13)

    def generator(x):
        return iter(uneven(x, 30))

    def function(x):
        return lambda: (partial(np.copy, part) for part in uneven(x, 30))

    def folder_of_files(x):
        (folder / "many").mkdir(exist_ok=True)
        for i, part in enumerate(uneven(x, 7)):
            np.save(folder / "many" / f"{i}.npy", part)
        return folder / "many"

    return {f.__name__: f for name, f in locals().items() if callable(f) and name != "folder"}


ROUTES = list(routes(None))
MODELS = {
    "Normal": Normal(1e6, 0.1),
    "Gamma": Gamma(2.0, 3.0),
    "Beta": Beta(0.7, 2.0),
    "VonMises": VonMises(3.0, 2.0),
    "MultivariateNormal": MultivariateNormal([0.0, 1e6, 1.0], np.eye(3) + 0.5),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("route", ROUTES)
def test_same_estimate_from_every_source(route, name, tmp_path):
    x = MODELS[name].sample(20_011, 3)
    family = type(MODELS[name])
    expected = numbers(family.statistics(x))
    rows = {} if route.startswith(("dask", "unknown")) else {"rows": 1234}
    assert_allclose(numbers(scale.statistics(family, routes(tmp_path)[route](x), **rows)), expected, rtol=1e-12)


@pytest.mark.parametrize("route", [name for name in ROUTES if name != "dask_columns"])
def test_nist_cases_have_their_digits_through_every_route(route, tmp_path):
    for level in (1, 2, 3, 4):
        x = num_acc(level)
        mean, sd = map(float, exact_moments(x))
        found = scale.fit(Normal, routes(tmp_path)[route](x))
        assert_allclose([found.mean(), found.sd], [mean, sd], rtol=1e-13)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_in_chunks(name):
    member = FAMILIES[name].draw(np.random.default_rng(3))
    x, family = member.sample(3000, 5), type(member)
    fixed = {key: float(np.max(member.parameter(key))) for key in member.fixed_names}
    if name == "Categorical":
        fixed = {"classes": member.classes}
    whole, parts = family.statistics(x, **fixed), scale.statistics(family, uneven(x, 40), **fixed)
    assert_allclose(parts.weight, whole.weight)
    assert_allclose(numbers(parts), numbers(whole), rtol=1e-11)
    file = io.BytesIO()
    scale.save(file, parts)
    file.seek(0)
    assert scale.load(file) == parts


def test_threads_and_several_families_change_no_bit():
    x = np.random.default_rng(0).gamma(2.0, size=50_000)
    one = scale.statistics(Gamma, x, rows=1000)
    assert scale.statistics(Gamma, x, rows=1000, threads=3) == one
    assert scale.statistics(Gamma, list(scale.chunks(x, rows=1000))) == one
    several = scale.statistics([Normal, Gamma, Weibull], x, rows=1000, Weibull={"k": 2.0})
    assert several[1] == one and several[2] == scale.statistics(Weibull, x, rows=1000, k=2.0)
    assert [type(member) for member in scale.fit([Normal, Gamma], x)] == [Normal, Gamma]
    da = pytest.importorskip("dask.array")
    assert scale.statistics(Gamma, da.from_array(x, chunks=1000)) == one
    lazy = scale.lazy_statistics(Gamma, x)
    assert hasattr(lazy, "dask")
    assert_allclose(numbers(lazy.compute(scheduler="sync")), numbers(one), rtol=1e-12)


@pytest.mark.parametrize("route", ["array", "chunks", "dask", "frame", "dask frame", "parquet", "csv"])
def test_weights_and_empty_chunks(route, tmp_path):
    rng = np.random.default_rng(0)
    x, w = rng.gamma(2.0, size=4000), rng.integers(0, 3, 4000).astype(float)
    x[w == 0] = np.nan  # a row of weight zero is left out
    w[:1000] = 0.0
    expected = numbers(Gamma.statistics(np.repeat(x, w.astype(int))))
    cuts = [0, 0, 900, 901, 3000, 4000]
    source, weights, more = x, w, {}
    if route == "array":
        more = {"rows": 700}
    if route == "chunks":
        source, weights = np.split(x, cuts), iter(np.split(w, cuts))
    if route == "dask":
        da = pytest.importorskip("dask.array")
        source, weights = da.from_array(x, chunks=(900, 0, 1100, 2000)), da.from_array(w, chunks=500)
    if route in ("frame", "dask frame"):
        source, weights, more = pytest.importorskip("pandas").DataFrame({"x": x, "w": w}), "w", {"columns": "x"}
    if route == "dask frame":
        pytest.importorskip("pyarrow")
        source = pytest.importorskip("dask.dataframe").from_pandas(source, npartitions=7)
        source = source[(source.w > 0) | (source.x < -1)]  # partitions without rows
    if route == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        pq.write_table(pa.table({"w": w, "x": x}), tmp_path / "a.parquet", row_group_size=999)
        source, weights, more = tmp_path / "a.parquet", "w", {"rows": 500}
    if route == "csv":
        np.savetxt(tmp_path / "a.csv", np.column_stack([w, x]), header="w, x", delimiter=",", comments="")
        source, weights, more = tmp_path / "a.csv", "w", {"columns": "x", "rows": 333}
    assert_allclose(numbers(scale.statistics(Gamma, source, weights=weights, **more)), expected, rtol=1e-12)


# --- what is killed does not change the answer ------------------------------------------------------------------------
def made(seed, wait=0.0, log=None):
    """A chunk made where it is needed."""
    time.sleep(wait)
    if log:
        with open(log, "a") as file:
            file.write(f"{seed}\n")
    return np.random.default_rng(seed).normal(5.0, 2.0, 1000 + seed)


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes."""
    distributed = pytest.importorskip("distributed")
    import logging

    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    ) as found:
        with distributed.Client(found) as client:
            yield client


@pytest.mark.slow
def test_two_worker_processes(cluster, tmp_path):
    da = pytest.importorskip("dask.array")
    x = np.random.default_rng(0).normal(1e6, 0.1, 30_000)
    array = da.from_array(x, chunks=3000)
    one = scale.statistics(Normal, x, rows=3000)
    assert scale.statistics(Normal, array) == one
    assert scale.lazy_statistics(Normal, array).compute() == one
    (tmp_path / "x").mkdir()
    for i, part in enumerate(np.split(x, 3)):
        np.save(tmp_path / "x" / f"{i}.npy", part)
    assert_allclose(numbers(scale.lazy_statistics(Normal, tmp_path / "x").compute()), numbers(one), rtol=1e-12)
    y = array - 1e6
    found = scale.regression(Normal, da.arange(30_000, chunks=15_000) / 1e4, y.rechunk(15_000))
    whole = regression.fit(Normal, np.arange(30_000) / 1e4, x - 1e6)
    assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-9)
    with pytest.raises(ValueError, match=r"row 2,007 of chunk 9 of the Dask collection \(row 29,007 of all\) = inf"):
        scale.statistics(Normal, da.where(da.arange(30_000, chunks=3000) == 29_007, np.inf, array))


@pytest.mark.slow
def test_a_worker_killed_in_the_run(cluster):
    """Dask gives its work to another one."""
    from companion.scaling import on_dask

    parts = [partial(made, seed, 0.1) for seed in range(24)]
    expected = scale.statistics(Normal, [made(seed) for seed in range(24)])
    before = set(cluster.run(os.getpid).values())
    future = cluster.compute(scale.lazy_statistics(Normal, parts))
    time.sleep(0.5)
    assert not future.done() and on_dask.TOGETHER == 8
    os.kill(min(before), signal.SIGKILL)
    assert future.result(timeout=60) == expected
    assert set(cluster.run(os.getpid).values()) != before


DRIVER = """
import sys; sys.path.insert(0, {tests!r})
from functools import partial
from companion import scale
from companion.families import Normal
from companion.scaling import checkpoints
from test_scale import made
checkpoints.EVERY = 0.0
scale.statistics(Normal, [partial(made, seed, 0.05, {log!r}) for seed in range(40)], checkpoint={path!r}, threads=2)
"""


@pytest.mark.slow
def test_a_driver_killed_and_started_again(tmp_path):
    path, log = tmp_path / "run.npz", tmp_path / "log"
    code = DRIVER.format(tests=str(ROOT / "tests"), log=str(log), path=str(path))
    driver = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 60
    while not (path.exists() and log.exists() and log.read_text().count("\n") > 12):
        assert driver.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    log.write_text("")
    parts = [partial(made, seed, 0.0, str(log)) for seed in range(40)]
    found = scale.statistics(Normal, parts, checkpoint=path)
    assert found == scale.statistics(Normal, [made(seed) for seed in range(40)])
    again = log.read_text().split()
    assert again[0] == "0" and 1 < len(again) < 36  # the first tells that it is the same source


def interrupted(parts, at, error=KeyboardInterrupt):
    """Chunks, one of which cannot be had the first time."""
    broken = [True]

    def part(i):
        if i == at and broken:
            broken.clear()
            raise error("no")
        return parts[i]

    return [partial(part, i) for i in range(len(parts))]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_run_goes_on(tmp_path, threads, error):
    x = np.random.default_rng(0).gamma(2.0, size=9000)
    parts = np.split(x, 90)
    source, path = interrupted(parts, 77, error), tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else ValueError):
        scale.statistics([Gamma, Normal], source, checkpoint=path, threads=threads)
    seen = []
    found = scale.statistics([Gamma, Normal], source, checkpoint=path, threads=threads, progress=seen.append)
    assert found == scale.statistics([Gamma, Normal], parts)
    assert 1 <= len(seen) <= 14 + 2 * threads and seen[-1][1:3] == (90, 9000)
    seen.clear()
    assert scale.statistics([Gamma, Normal], source, checkpoint=path, progress=seen.append) == found and not seen


def test_passes_of_regression_and_em_go_on(tmp_path):
    rng = np.random.default_rng(0)
    X, path = rng.normal(size=(600, 2)), tmp_path / "run.npz"
    y = rng.poisson(np.exp(X @ [0.3, -0.2]))
    calls = []

    def source(limit):
        def each():
            for i in range(6):
                calls.append(i)
                if len(calls) > limit:
                    raise KeyboardInterrupt
                yield X[100 * i : 100 * i + 100], y[100 * i : 100 * i + 100]

        return each

    with pytest.raises(KeyboardInterrupt):
        scale.regression(Poisson, source(22), checkpoint=path)
    calls.clear()
    found = scale.regression(Poisson, source(1000), checkpoint=path)
    whole = scale.regression(Poisson, X, y, rows=100)
    assert np.array_equal(found.coefficients, whole.coefficients) and len(calls) < 40
    path.unlink()
    start = Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0))
    x = Mixture([0.3, 0.7], Normal([-3.0, 2.0], 1.0)).sample(600, 0)
    with pytest.raises(KeyboardInterrupt):
        scale.em(start, interrupted_later(x, 33), steps=8, checkpoint=path)
    again = scale.em(start, interrupted_later(x, 10**9), steps=8, checkpoint=path)
    whole = scale.em(start, x, steps=8, rows=100)
    assert np.array_equal(again.log_likelihoods, whole.log_likelihoods)
    assert repr(again.mixture) == repr(whole.mixture)


def interrupted_later(x, limit):
    count = [0]

    def each():
        for part in np.split(x, 6):
            count[0] += 1
            if count[0] > limit:
                raise KeyboardInterrupt
            yield part

    return each


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    x, path = np.random.default_rng(0).poisson(3.0, 1000), tmp_path / "run.npz"
    scale.statistics(Binomial, x, n=30, rows=100, checkpoint=path)
    again = {"family": Binomial, "source": x, "n": 30, "rows": 100}
    for change, message in (
        ({"family": Poisson, "n": None}, r"family of checkpoint run.npz = \['Binomial'\]; expected \['Poisson'\]"),
        ({"n": 31}, "fixed parameters of checkpoint"),
        ({"source": x[:-1]}, r"sizes of the source of checkpoint run.npz = \[1000\]; expected \[999\]"),
        ({"source": x[::-1]}, "first chunk of checkpoint"),
        ({"rows": 101}, "rows a chunk of checkpoint"),
    ):
        call = {key: value for key, value in (again | change).items() if value is not None}
        with pytest.raises(ValueError, match=message):
            scale.statistics(**call, checkpoint=path)
    with pytest.raises(ValueError, match=r"of checkpoint run.npz = 'scale.statistics'; expected 'scale.em'"):
        scale.em(Mixture([0.5, 0.5], Poisson([1.0, 2.0])), x, checkpoint=path)


def test_a_damaged_checkpoint_or_file_is_refused(tmp_path):
    x, path = np.arange(50.0), tmp_path / "run.npz"
    found = scale.statistics(Normal, x, rows=7, checkpoint=path)
    whole = path.read_bytes()
    for cut in (whole[: len(whole) // 2], b"", whole[:-1], whole[:200] + b"?" + whole[201:]):
        path.write_bytes(cut)
        with pytest.raises(ValueError, match=r"scale.statistics: checkpoint: file = .*; expected a whole file"):
            scale.statistics(Normal, x, rows=7, checkpoint=path)
        with pytest.raises(ValueError, match=r"scale.load: file = .*; expected a whole file"):
            scale.load(path)
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"kind = 'companion.scale checkpoint"):
        scale.load(path)
    scale.save(path, found)
    assert scale.load(path) == found
    with pytest.raises(ValueError, match=r"kind = 'companion.scale statistics"):
        scale.statistics(Normal, x, rows=7, checkpoint=path)


LIES = {
    "another kind": ({"kind": "x"}, [], "kind = 'x'"),
    "an unknown family": ({"content": {"family": "Strange", "fixed": {}, "sums": {}}}, [], "no family"),
    "other sums": ({"content": {"family": "Normal", "fixed": {}, "sums": {}}}, [], "are not those of Normal"),
    "too few numbers": ({}, [1.0, 2.0], "numbers are missing"),
    "too many numbers": ({}, [4.0, 3.0, 0.0, 14.0, 5.0], "5 numbers are not 4"),
    "no weight": ({}, [0.0, 3.0, 0.0, 14.0], "weight 0.0 is not positive"),
    "negative squares": ({}, [4.0, 3.0, 0.0, -14.0], "second is negative"),
    "no statistics": ({"content": {"value": "Normal"}}, [], "it holds no statistics"),
    "nothing": ({"content": None}, [], "describes nothing"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies(lie):
    from companion import stored_files

    file = io.BytesIO()
    scale.save(file, Normal.statistics([1.0, 2.0, 3.0, 6.0]))
    file.seek(0)
    header, _ = stored_files.read("test", file)
    change, values, message = LIES[lie]
    file = io.BytesIO()
    stored_files.write("test", file, header | change, {"numbers": np.array(values)})
    file.seek(0)
    with pytest.raises(ValueError, match=message):
        scale.load(file)


# --- memory -----------------------------------------------------------------------------------------------------------
MEMORY = """
import resource
from companion import scale
from companion.families import Gamma, Normal
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = scale.statistics([Normal, Gamma], {path!r}, threads=2)
print(int(found[0].weight), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file of 256 MB; that of 4 GB is a benchmark."""
    path, block = tmp_path / "big.npy", np.random.default_rng(0).gamma(2.0, size=2**20)
    file = np.lib.format.open_memmap(path, "w+", float, (2**25,))
    for start in range(0, 2**25, 2**20):
        file[start : start + 2**20] = block
    del file
    run = subprocess.run(
        [sys.executable, "-c", MEMORY.format(path=str(path))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    path.unlink()
    rows, megabytes = run.stdout.split()
    assert int(rows) == 2**25 and float(megabytes) < 200


# --- regression -------------------------------------------------------------------------------------------------------
def responses(X, rng):
    eta = 0.4 * X[:, 0] - 0.3 * X[:, 1] + 0.2
    return {
        "Normal": (Normal, 1e3 + eta + rng.normal(size=len(X)), {}),
        "Bernoulli": (Bernoulli, (rng.random(len(X)) < 1 / (1 + np.exp(-eta))).astype(int), {}),
        "Binomial": (Binomial, rng.binomial(7, 1 / (1 + np.exp(-eta))), {"n": 7}),
        "Poisson": (Poisson, rng.poisson(np.exp(eta)), {}),
        "Categorical": (Categorical, np.array(["low", "mid", "top"])[rng.integers(0, 3, len(X)) * (eta > 0)], {}),
    }


@pytest.mark.parametrize("name", ["Normal", "Bernoulli", "Binomial", "Poisson", "Categorical"])
def test_regression_is_that_of_the_whole(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3)) @ np.diag([1.0, 1e-5, 1e5]) + [3.0, 0.0, -1e6]
    scaled = (X - [3.0, 0.0, -1e6]) / [1.0, 1e-5, 1e5]
    family, y, fixed = responses(scaled, rng)[name]
    w, o = rng.integers(0, 3, 3000), 0.1 * rng.normal(size=3000)
    more = {"weights": w} if name == "Categorical" else {"weights": w, "offset": o}
    whole = regression.fit(family, X, y, **more, **fixed)
    for found in (
        scale.regression(family, X, y, rows=170, threads=2, **more, **fixed),
        scale.regression(family, np.array_split(X, 9), np.array_split(y, 9), **_split(more, 9), **fixed),
    ):
        assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-10)
        assert_allclose(np.asarray(found.standard_errors), whole.standard_errors, rtol=1e-9)
        assert_allclose(np.asarray(found.robust_standard_errors), whole.robust_standard_errors, rtol=1e-9)
        assert_allclose([found.deviance, found.log_likelihood], [whole.deviance, whole.log_likelihood], rtol=1e-11)
        assert found.names == whole.names and found.classes == whole.classes
        assert found.observations == whole.observations and found.dispersion == pytest.approx(whole.dispersion)


def _split(more, count):
    return {name: np.array_split(value, count) for name, value in more.items()}


def test_regression_from_files_frames_and_dask(tmp_path):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    da, dd, pq = (pytest.importorskip(name) for name in ("dask.array", "dask.dataframe", "pyarrow.parquet"))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    y = rng.poisson(np.exp(0.3 * X[:, 0]))
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y})
    whole = regression.fit(Poisson, frame[["a", "b"]], y)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "d.parquet", row_group_size=300)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    ddf = dd.from_pandas(frame, npartitions=5)
    for found in (
        scale.regression(Poisson, tmp_path / "d.parquet", "y", columns=["a", "b"], rows=100),
        scale.regression(Poisson, frame, "y", columns=["a", "b"]),
        scale.regression(Poisson, ddf, "y", columns=["a", "b"]),
        scale.regression(Poisson, da.from_array(X, chunks=(300, 1)), da.from_array(y, chunks=500)),
        scale.regression(Poisson, da.from_array(X, chunks=(300, 2)), y),
        scale.regression(Poisson, tmp_path / "X.npy", tmp_path / "y.npy", rows=77),
        scale.regression(Poisson, [(X[:50], y[:50]), (X[50:], y[50:])]),
        scale.regression(Poisson, lambda: ((X[i : i + 500], y[i : i + 500]) for i in range(0, 2000, 500))),
    ):
        assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-11)
    assert scale.regression(Poisson, frame, "y", columns=["a", "b"]).names == ("intercept", "a", "b")


def test_regression_without_a_maximum():
    X = np.random.default_rng(0).normal(size=(500, 2))
    with pytest.raises(regression.SeparationError, match="completely separated"):
        scale.regression(Bernoulli, X, (X[:, 0] > 0).astype(int), rows=50)
    with pytest.raises(regression.SeparationError, match="separated"):
        scale.regression(Poisson, X, np.zeros(500), rows=50)
    quasi = np.where(X[:, 0] > 0, 1, np.random.default_rng(1).integers(0, 2, 500))
    with pytest.raises(ValueError, match="separated"):
        scale.regression(Bernoulli, np.column_stack([X[:, 0] > 0, X[:, 1]]).astype(float), quasi, rows=50)
    with pytest.raises(ValueError, match=r"linearly dependent = \['x0', 'x2'\]"):
        scale.regression(Poisson, X[:, [0, 1, 0]], np.ones(500), rows=50)


# --- EM ---------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_em_is_that_of_the_whole():
    truth = Mixture([0.3, 0.7], Normal([-1.5, 2.0], [1.0, 0.5]))
    x, start = truth.sample(5000, 0), Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0))
    whole = em.fit_mixture(x, start, tolerance=1e-7)
    weights = np.random.default_rng(1).integers(0, 3, 5000)
    da = pytest.importorskip("dask.array")
    for found in (
        scale.em(start, x, tolerance=1e-7, rows=333, threads=2),
        scale.em(start, lambda: uneven(x, 9), tolerance=1e-7),
        scale.em(start, da.from_array(x, chunks=1700), tolerance=1e-7),
    ):
        assert found.converged and len(found.log_likelihoods) == len(whole.log_likelihoods)
        assert_allclose(found.log_likelihoods, whole.log_likelihoods, rtol=1e-13)
        assert_allclose(found.mixture.components.mean(), whole.mixture.components.mean(), rtol=1e-10)
        assert np.min(np.diff(found.log_likelihoods)) > -1e-9
    one = em.fit_mixture(x, start, weights, max_steps=5)
    found = scale.em(start, x, weights=weights, steps=5, rows=100)
    assert_allclose(found.log_likelihoods, one.log_likelihoods, rtol=1e-13)
    assert not found.converged


def test_em_of_vectors_and_of_counts():
    plane = Mixture([0.4, 0.6], MultivariateNormal([[0.0, 0.0], [4.0, 4.0]], np.stack([np.eye(2), 2 * np.eye(2)])))
    counts = Mixture([0.4, 0.6], Binomial(12, [0.2, 0.6]))
    for start in (plane, counts):
        x = start.sample(2000, 0)
        whole, found = em.fit_mixture(x, start, max_steps=4), scale.em(start, uneven(x, 6), steps=4)
        assert_allclose(found.log_likelihoods, whole.log_likelihoods, rtol=1e-13)
        assert_allclose(found.mixture.weights, whole.mixture.weights, rtol=1e-11)


def test_em_without_a_maximum_and_without_a_second_pass():
    start = Mixture([0.5, 0.5], Normal([0.0, 5.0], [1.0, 1.0]))
    with pytest.raises(ValueError, match=r"component 1 .* no fit|spread of component 1"):
        scale.em(start, np.append(np.zeros(50) + np.linspace(0, 1, 50), 5.0), rows=10)
    with pytest.raises(ValueError, match="weight of component 1 = 0"):
        scale.em(Mixture([0.5, 0.5], Normal([0.0, 1e9], 1.0)), np.linspace(-1, 1, 9))
    with pytest.raises(ValueError, match="an iterator, exhausted after one pass"):
        scale.em(start, iter([np.linspace(0, 6, 50)]))
    with pytest.raises(ValueError, match="an iterator, exhausted after one pass"):
        scale.regression(Poisson, iter([(np.arange(5.0), np.arange(5))]))


# --- errors name the chunk and the row --------------------------------------------------------------------------------
def spoilt(value, dtype=float):
    x = np.ones(3000, dtype)
    x[:] = np.arange(3000) % 7 + 1
    x[2500] = value
    return x


def raising():
    raise OSError("disk on fire")


GOOD = np.arange(1.0, 11.0)
BAD = {
    "NaN": (
        Normal,
        spoilt(np.nan),
        ValueError,
        r"row 500 of chunk 2 \(rows 2,000 to 2,999\) \(row 2,500 of all\) = nan",
    ),
    "infinite": (Gamma, spoilt(np.inf), ValueError, r"row 500 of chunk 2 .* \(row 2,500 of all\) = inf"),
    "outside": (Gamma, spoilt(-1.0), ValueError, r"row 500 of chunk 2 .*a value in the support"),
    "an end": (Beta, spoilt(8.0) / 8.0, ValueError, None),
    "half a count": (Poisson, spoilt(0.5), ValueError, r"row 500 of chunk 2"),
    "strings": (Normal, [GOOD, np.array(["a", "b"])], TypeError, r"x in chunk 1 = \['a', 'b'\]; expected real numbers"),
    "objects": (Normal, [GOOD, np.array([None, 1.0])], TypeError, r"x in row 0 of chunk 1 .* = None; expected real"),
    "dates": (Normal, [GOOD, np.array(["2026-11-21"], "datetime64[D]")], TypeError, "x in chunk 1"),
    "complex": (Normal, [GOOD, np.array([1j])], TypeError, "x in chunk 1"),
    "masked": (Normal, [GOOD, np.ma.array([1.0, 2.0], mask=[0, 1])], ValueError, "values without a mask"),
    "wrong width": (
        MultivariateNormal,
        [np.ones((3, 2)), np.ones((3, 3))],
        ValueError,
        r"shape of a row of chunk 1 = \(3,\); expected \(2,\), as in chunk 0",
    ),
    "a table for numbers": (Normal, [GOOD, np.ones((3, 2))], ValueError, r"shape of x in chunk 1 = \(3, 2\)"),
    "a number": (Normal, [GOOD, partial(float, 3.0)], ValueError, r"shape of x in chunk 1 = \(\)"),
    "not loaded": (Normal, [GOOD, raising], ValueError, r"chunk 1 = not read \(OSError: disk on fire\)"),
    "empty": (Normal, [GOOD[:0], GOOD[:0]], ValueError, "expected at least one observation"),
    "no chunks": (Normal, lambda: iter(()), ValueError, "expected at least one observation"),
    "overflow": (Normal, [GOOD, np.array([1e200, -1e200])], ValueError, "largest sum"),
    "overflow of the sum": (
        Normal,
        [np.array([v, 2 * v]) for v in (1e153, 9e153, -9e153)] * 40,
        ValueError,
        "largest sum",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_chunk_is_named(case):
    family, source, error, message = BAD[case]
    message = message or r"row 500 of chunk 2 .* = 1.0; expected observations strictly between"
    for threads in (1, 2):
        with pytest.raises(error, match=message) as caught:
            scale.statistics(family, source, rows=1000, threads=threads)
        assert str(caught.value).startswith("scale.statistics: ")


def test_bad_rows_of_files_and_weights(tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("x,y\n" + "1.5,2\n" * 250 + "1.5,\n" + "2.5,3\n")
    with pytest.raises(
        ValueError, match=r"chunk 2 .* of bad.csv = not read \(ValueError: row 50 of the chunk, column 1: ''"
    ):
        scale.statistics(MultivariateNormal, file, rows=100)
    file.write_text("x\n" + "1.5\n" * 250 + "abc\n")
    with pytest.raises(ValueError, match="row 50 of the chunk, column 0: 'abc' is no number"):
        scale.statistics(Normal, file, rows=100)
    file.write_text("x\n" + "1.5\n" * 250 + "nan\n")
    with pytest.raises(ValueError, match=r"row 50 of chunk 2 \(rows 200 to 250\) of bad.csv \(row 250 of all\) = nan"):
        scale.statistics(Normal, file, rows=100)
    w = np.ones(300)
    w[3], w[250] = 0.0, -1.0
    with pytest.raises(ValueError, match=r"weights in row 50 of chunk 2 .* \(row 250 of all\) = -1.0"):
        scale.statistics(Normal, np.arange(300.0), weights=w, rows=100)
    x, w[250] = np.arange(300.0), 1.0
    x[9] = np.nan
    with pytest.raises(ValueError, match=r"row 9 of chunk 0"):  # and not its number among those of positive weight
        scale.statistics(Normal, x, weights=w, rows=100)
    with pytest.raises(ValueError, match=r"sum of weights|at least one observation"):
        scale.statistics(Normal, x, weights=0 * w)
    with pytest.raises(ValueError, match=r"chunks in weights = 1; expected as many"):
        scale.statistics(Normal, [GOOD, GOOD], weights=[GOOD])
    with pytest.raises(ValueError, match=r"shape of weights in chunk 1 = \(10,\); expected \(3,\)"):
        scale.statistics(Normal, [GOOD, GOOD[:3]], weights=[GOOD, GOOD])
    with pytest.raises(ValueError, match=r"y in row 1 of chunk 1 \(row 6 of all\) = 0.5; expected 0 or 1"):
        scale.regression(Bernoulli, np.split(GOOD, 2), [np.ones(5), np.array([0, 0.5, 1, 1, 1])])
    np.save(tmp_path / "cut.npy", np.arange(10_000.0))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:50_000])
    with pytest.raises(ValueError, match=r"source = .*; expected a .npy file that can be mapped"):
        scale.statistics(Normal, tmp_path / "cut.npy")


BAD_CALLS = {
    "no family": (lambda: scale.statistics("Normal", GOOD), TypeError, "family = 'Normal'"),
    "twice": (lambda: scale.statistics([Normal, Normal], GOOD), ValueError, "expected one family or different ones"),
    "no location": (lambda: scale.statistics(Laplace, GOOD), TypeError, "loc = missing"),
    "no classes": (lambda: scale.statistics(Categorical, [0, 1]), TypeError, "classes = missing"),
    "an argument too many": (lambda: scale.statistics(Normal, GOOD, n=3), TypeError, "expected no argument n"),
    "a bad parameter": (lambda: scale.statistics(Binomial, GOOD, n=-3), ValueError, "statistics: n = -3|Binomial"),
    "several": (lambda: scale.statistics([Normal, Weibull], GOOD, k=2), TypeError, "k = 2; expected the fixed"),
    "no file": (lambda: scale.fit(Normal, "nowhere.npy"), ValueError, "source = 'nowhere.npy'; expected a file"),
    "no column": (lambda: scale.fit(Normal, np.ones((3, 2)), columns=5), ValueError, "columns = 5; expected numbers"),
    "threads": (lambda: scale.fit(Normal, GOOD, threads=0), ValueError, "threads = 0"),
    "rows": (lambda: scale.fit(Normal, GOOD, rows=-1), ValueError, "rows = -1"),
    "progress": (lambda: scale.fit(Normal, GOOD, progress=3), TypeError, "progress = 3"),
    "checkpoint": (lambda: scale.fit(Normal, GOOD, checkpoint="no/where/x.npz"), ValueError, "checkpoint = 'no/where"),
    "a dictionary": (lambda: scale.fit(Normal, {"x": GOOD}), TypeError, "source = "),
    "sum of weights": (
        lambda: scale.fit(Normal, [GOOD] * 2, weights=[1e307 * GOOD] * 2),
        ValueError,
        "weights in row 0",
    ),
    "nothing": (lambda: scale.fit(Normal, None), TypeError, "source = None"),
    "equal": (lambda: scale.fit(Normal, [GOOD * 0, GOOD * 0]), ValueError, "no maximum exists"),
    "saved": (lambda: scale.save("x.npz", GOOD), TypeError, "statistics = array"),
    "lazy generator": (lambda: scale.lazy_statistics(Normal, iter([GOOD])), TypeError, "parts can be read apart"),
    "regression": (lambda: scale.regression(Gamma, GOOD, GOOD), TypeError, "family = "),
    "no y": (lambda: scale.regression(Poisson, np.ones((3, 2))), TypeError, "y = None"),
    "other rows": (lambda: scale.regression(Poisson, GOOD, GOOD[:3]), ValueError, r"shape of y = \(3,\)"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls(case):
    call, error, message = BAD_CALLS[case]
    if case == "lazy generator":
        pytest.importorskip("dask")
    with pytest.raises(error, match=message):
        call()


def test_a_generator_is_read_once():
    source = (part for part in np.split(GOOD, 2))
    assert scale.fit(Normal, source) == Normal.fit(GOOD)
    with pytest.raises(ValueError, match="source = an iterator that has been read before"):
        scale.fit(Normal, source)


@pytest.mark.parametrize("dtype", [bool, np.float16, np.float32, np.longdouble, np.int8, np.uint64])
def test_chunks_of_any_type(dtype):
    x = np.arange(40) % 2
    parts = [x[:10].astype(float), x[10:20].astype(dtype), x[20:].astype(dtype)[::-1]]
    parts[1].flags.writeable = False
    assert scale.fit(Normal, parts) == Normal.fit(x)


def test_sizes_huge_and_tiny():
    for size in (1e-140, 1e-100, 1e100, 1e150):
        x = size * (1 + np.random.default_rng(0).random(1000))
        for family in (Normal, Gamma):
            assert_allclose(numbers(scale.statistics(family, x, rows=70)), numbers(family.statistics(x)), rtol=1e-12)
    table = np.arange(24.0).reshape(8, 3)[:, ::-1][::2]
    assert scale.fit(Normal, table, columns=1) == Normal.fit(table[:, 1])
    assert [chunk.shape for chunk in scale.chunks(table, columns=[0, 2], rows=3)] == [(3, 2), (1, 2)]


# --- progress, and Dask absent ----------------------------------------------------------------------------------------
def test_what_is_named_as_weights_or_y_is_no_data(tmp_path):
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    pq, dd = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("dask.dataframe")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": rng.poisson(2.0, 300), "a": rng.normal(size=300), "w": rng.random(300)})
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "a.parquet", row_group_size=70)
    frame.to_csv(tmp_path / "a.csv", index=False)
    whole = regression.fit(Poisson, frame[["a"]], frame["y"], frame["w"])
    for source in (
        frame,
        tmp_path / "a.parquet",
        [tmp_path / "a.csv"],
        [frame[:9], frame[9:]],
        dd.from_pandas(frame, npartitions=3),
    ):
        found = scale.regression(Poisson, source, "y", weights="w")
        assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-11)
        member = scale.fit(Normal, source, columns="a", weights="w")
        assert_allclose(member.mean(), np.average(frame["a"], weights=frame["w"]), rtol=1e-12)


@pytest.mark.parametrize("route", ["parquet", "csv", "npy", "dask_array"])
def test_files_and_partitions_go_on_too(route, tmp_path):
    x, path = np.random.default_rng(0).normal(size=5000), tmp_path / "run.npz"
    source = routes(tmp_path)[route](x)
    more = {} if route == "dask_array" else {"rows": 300}
    seen = []

    def stop(now):
        seen.append(now)
        if len(seen) == 3:
            raise KeyboardInterrupt

    if route == "dask_array":
        source = source.rechunk(50)
    with pytest.raises(KeyboardInterrupt):
        scale.statistics(Normal, source, checkpoint=path, progress=stop, **more)
    after = seen[-1].chunks
    found = scale.statistics(Normal, source, checkpoint=path, progress=seen.append, **more)
    assert seen[3].chunks == after + (32 if route == "dask_array" and after == 64 else 1) or route == "dask_array"
    assert found == scale.statistics(Normal, source, **more) and found.weight == 5000


def test_progress(capsys, monkeypatch):
    seen = []
    scale.statistics(Normal, GOOD, rows=4, progress=seen.append)
    assert seen == [scale.Progress(0, 1, 4, 10), scale.Progress(0, 2, 8, 10), scale.Progress(0, 3, 10, 10)]
    scale.statistics(Normal, GOOD, rows=4, progress=True)
    assert capsys.readouterr() == ("", "")
    from companion.scaling import runs

    monkeypatch.setattr(runs, "EVERY", -1.0)
    scale.statistics(Normal, GOOD, rows=4, progress=True)
    assert capsys.readouterr().err.startswith("scale.statistics: 1 chunks, 4 of 10 rows\n")
    assert checkpoints.EVERY == 1.0


ABSENT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("dask", "distributed", "pyarrow", "pandas"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Blocked())
import numpy as np
import companion
from companion import scale
from companion.families import Normal
x = np.arange(9.0)
assert scale.fit(Normal, [x, x]) == Normal.fit(np.append(x, x))
assert scale.regression(Normal, x, x ** 2, rows=3).names == ("intercept", "x0")
for call in (lambda: scale.lazy_statistics(Normal, x), lambda: scale.statistics(Normal, sys.argv[1])):
    try:
        call()
    except ImportError as error:
        print(error)
"""


def test_without_dask(tmp_path):
    file = tmp_path / "x.parquet"
    file.write_bytes(b"PAR1")
    run = subprocess.run(
        [sys.executable, "-c", ABSENT, str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    dask, parquet = run.stdout.splitlines()
    assert dask.startswith("scale.lazy_statistics: dask = not installed; expected ")
    assert 'pip install "likelihood-divergence-companion[dask]"' in dask
    assert parquet.startswith("scale.statistics: pyarrow = not installed; expected ")


def test_a_class_without_weight_is_no_class():
    """Its rows are left out of chunks as they are of one array."""
    x, y = np.arange(12.0) % 5, np.array([0, 1, 2, 1, 0, 1, 0, 1, 0, 0, 2, 1])
    weights = (y < 2).astype(float)
    whole = regression.fit(Categorical, x, y, weights)
    parts = scale.regression(Categorical, x, y, weights=weights, rows=5)
    assert parts.classes == whole.classes == (0, 1)
    np.testing.assert_allclose(parts.coefficients, whole.coefficients, rtol=1e-9)
