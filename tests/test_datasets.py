"""The data sets against totals and moments printed in the literature, and the files against their checksums; the stored
benchmarks against the bars of this package."""

import hashlib
import tomllib
from fractions import Fraction
from functools import reduce
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats

from companion import families
from companion.families import FAMILIES
from companion.lesson import datasets
from companion.lesson.datasets import (
    CountTable,
    alpha_particles,
    challenger,
    digits,
    horse_kicks,
    old_faithful,
    peers,
    weldon_dice,
)

CHECKSUMS = {
    "weldon_dice.csv": "2c24e32486c7f7f65c596ee42430a90684fc362a8bba458bb7e67268dff5ad62",
    "horse_kicks.csv": "ad8f90a10ed276b10f6716075db4521154f2b628323b9e7874db0367f4715ce4",
    "alpha_particles.csv": "288824df1176c087eb84ec00308c0f7ad4903d77d912c5d4573f03c571c08112",
    "challenger_orings.csv": "754656c795f74ef48e22b5ea2c07525699aaf5224eaff5aa37caecda7a9a4f3c",
    "old_faithful.csv": "5dbea6e52da0a5dd92e46834a664237aee3b52e4347ed8f0c49b6f21e7703402",
    "federalist_may.csv": "c35f1eaefff2b3284e0cad2dc8c34fe367363f26ae505e52fb99448b0850d8d8",
    "digits.csv.gz": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
}


def test_weldon_dice():
    """26,306 throws of twelve dice, 315,672 dice, 106,602 fives or sixes."""
    table = weldon_dice()
    np.testing.assert_array_equal(table.values, np.arange(13))
    assert table.n == 26_306 and 12 * table.n == 315_672
    assert table.values @ table.frequencies == 106_602
    assert table.mean == pytest.approx(106_602 / 26_306, rel=1e-15, abs=0)
    assert table.frequencies[[0, 4, 11, 12]].tolist() == [185, 6114, 4, 0]
    # fair dice would give a third of fives and sixes; the excess is 5.2 standard errors
    assert (106_602 - 315_672 / 3) / np.sqrt(315_672 * 2 / 9) == pytest.approx(5.20, abs=0.01)
    # chi-square of fair dice, ten or more in one cell
    fair = 26_306 * stats.binom.pmf(table.values, 12, 1 / 3)
    observed, expected = (np.append(counts[:10], counts[10:].sum()) for counts in (table.frequencies, fair))
    assert np.sum((observed - expected) ** 2 / expected) == pytest.approx(35.49, abs=0.01)


def test_horse_kicks():
    """200 corps-years with 122 deaths."""
    table = horse_kicks()
    np.testing.assert_array_equal(table.values, np.arange(5))
    np.testing.assert_array_equal(table.frequencies, [109, 65, 22, 3, 1])
    assert table.n == 200 and table.values @ table.frequencies == 122 and table.mean == 0.61


def test_alpha_particles():
    """2,608 intervals with 10,097 scintillations; the paper's average is 3.87, and its table fits a Poisson law."""
    table = alpha_particles()
    np.testing.assert_array_equal(table.values, np.arange(15))
    assert table.n == 2_608 and table.values @ table.frequencies == 10_097
    assert table.mean == pytest.approx(3.87, abs=0.005)
    assert table.frequencies[[0, 4, 10, 12, 14]].tolist() == [57, 532, 10, 0, 1]
    # chi-square of the Poisson distribution with 3.87, ten or more in one cell, as usually quoted: 12.88
    expected = 2_608 * stats.poisson.pmf(table.values, 3.870)
    observed = np.append(table.frequencies[:10], table.frequencies[10:].sum())
    expected = np.append(expected[:10], 2_608 - expected[:10].sum())
    assert np.sum((observed - expected) ** 2 / expected) == pytest.approx(12.88, abs=0.05)


def test_old_faithful():
    """272 pairs with the summary usually printed: quartiles, means, correlation."""
    data = old_faithful()
    assert data.eruption.shape == data.waiting.shape == (272,) and data.eruption.dtype == data.waiting.dtype == float
    assert np.percentile(data.eruption, [0, 50, 100]).tolist() == [1.6, 4.0, 5.1]
    assert np.percentile(data.waiting, [0, 25, 50, 75, 100]).tolist() == [43, 58, 76, 82, 96]
    assert data.eruption.mean() == pytest.approx(3.487783, abs=5e-7) and data.waiting.mean() == pytest.approx(
        70.89706, abs=5e-6
    )
    assert data.eruption.std(ddof=1) == pytest.approx(1.141371, abs=5e-7) and data.waiting.std(ddof=1) == pytest.approx(
        13.59497, abs=5e-6
    )
    assert np.corrcoef(data.eruption, data.waiting)[0, 1] == pytest.approx(0.9008112, abs=5e-8)


def test_challenger():
    """23 flights; seven with damage, nine damaged rings, none above 75 °F, four of four below 65 °F."""
    data = challenger()
    assert all(len(column) == 23 for column in data) and data.temperature.dtype == data.incidents.dtype == float
    assert np.bincount(data.incidents.astype(int)).tolist() == [16, 5, 2]
    assert data.temperature[data.incidents > 0].tolist() == [70, 57, 63, 70, 53, 75, 58]
    assert np.unique(data.pressure).tolist() == [50, 100, 200] and np.median(data.temperature) == 70


def test_digits():
    """1,797 images, with the class distribution that the repository's description gives for the test part."""
    data = digits()
    assert data.images.shape == (1797, 64) and data.images.dtype == float and data.labels.shape == (1797,)
    np.testing.assert_array_equal(np.unique(data.images), np.arange(17))
    np.testing.assert_array_equal(np.bincount(data.labels), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    np.testing.assert_array_equal(
        data.images[0, :16].astype(int), [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    )
    assert np.all(data.images[:, [0, 32, 39]] == 0)  # the pixels that no test digit reaches


@pytest.mark.parametrize("load", [weldon_dice, horse_kicks, alpha_particles])
def test_a_table_is_consistent(load):
    table = load()
    assert np.all(table.frequencies >= 0) and np.all(np.diff(table.values) == 1)
    assert table.probabilities.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(table.probabilities, table.frequencies / table.frequencies.sum(), rtol=1e-15)
    x = table.observations()
    assert x.shape == (table.n,) and x.dtype == float and np.all(np.diff(x) >= 0)
    assert x.mean() == pytest.approx(table.mean, rel=1e-13, abs=0)
    np.testing.assert_array_equal(np.bincount(x.astype(int), minlength=len(table.values)), table.frequencies)


def test_each_call_gives_its_own_arrays():
    weldon_dice().frequencies[:] = 0
    assert weldon_dice().n == 26_306
    old_faithful().waiting[:] = 0
    assert old_faithful().waiting.sum() == 19_284
    digits().images[:] = 0
    assert digits().images.sum() == 561_718


def test_a_table_made_by_hand():
    table = CountTable(np.array([1, 5]), np.array([3, 1]))
    assert table.n == 4 and table.mean == 2.0
    assert table.probabilities.tolist() == [0.75, 0.25] and table.observations().tolist() == [1, 1, 1, 5]


# --- the stored benchmarks --------------------------------------------------------------------------------------------
SUITES = ["ordinary", "extreme", "near", "near and extreme"]


def test_peers_names_its_versions_and_runs():
    made = peers().made
    for name in ("python", "numpy", "scipy", "torch", "jax", "numpyro", "tensorflow-probability"):
        assert made[name][0].isdigit(), name
    parts = {name for name in peers()._fields[1:] if getattr(peers(), name)}
    assert parts == set(made["runs"]) == set(peers()._fields[1:])
    assert made["backend"]["tensorflow-probability"] == "NumPy"
    assert all(set(run) == {"date", "load"} for run in made["runs"].values())


def test_peers_is_small_and_names_no_path():
    text = resources.files("companion.lesson").joinpath("data", "peers.json").read_text(encoding="utf-8")
    assert len(text) < 250_000 and "/" not in text


def test_every_library_is_compared_on_every_family_that_it_has():
    """200 pairs or more in each suite; ours and the textbook's formula for every family."""
    rows = peers().accuracy
    compared = {(row["family"], row["peer"]) for row in rows}
    here, textbook = ({family for family, peer in compared if peer == name} for name in ("companion", "textbook"))
    assert here == textbook and len(here) >= 21 and {family.split(".")[0] for family in here} <= set(FAMILIES)
    assert len({peer for _, peer in compared}) >= 6
    found = [(row["family"], row["peer"], row["suite"]) for row in rows]
    assert sorted(found) == sorted((*pair, suite) for pair in compared for suite in SUITES)
    assert all(row["pairs"] >= 200 for row in rows)


def test_ours_meets_the_bars_in_the_stored_run():
    for row in ours(peers().accuracy):
        assert row["within"] == 1 and row["worst"] < 1e-8 and row["median"] < 1e-15, row
        assert row["negative"] == row["nan"] == row["refused"] == row["inf"] == row["itself"] == 0, row
    for row in ours(peers().distance):
        assert max(row["worst"]) < 1e-14 and max(row["negative"]) == 0, row


def test_the_peers_are_asked_the_right_question():
    """A parameter passed in the wrong convention would be wrong for ordinary pairs too, and for distant ones."""
    assert all(row["within"] >= 0.99 for row in peers().accuracy if row["suite"] == "ordinary")
    assert all(row["distance"][-1] == 1 and row["worst"][-1] < 1e-12 for row in peers().distance)


#: Functions of SciPy that take the differences first: their error grows like u/d, not like u/d².
FIRST_ORDER = {"scipy rel_entr", "scipy entropy"}


def slope_of_error(row):
    """Of the logarithm of the median error over that of the distance, where the error is between rounding and one."""
    error, d = (np.array(row[name], dtype=float) for name in ("median", "distance"))
    middle = (d > 1e-7) & (d < 1e-2)
    return np.polyfit(np.log(d[middle]), np.log(error[middle]), 1)[0]


def test_close_pairs_are_what_the_others_lose():
    """Less than half of them within 1e-8, some negative; an error like the inverse square of the distance."""
    close = [row for row in peers().accuracy if "near" in row["suite"]]
    for peer in {row["peer"] for row in close} - FIRST_ORDER - {"companion"}:
        assert np.mean([row["within"] for row in close if row["peer"] == peer]) < 0.5, peer
        assert sum(row["negative"] for row in close if row["peer"] == peer) > 0, peer
    for row in peers().distance:
        if row["peer"] == "textbook":
            assert slope_of_error(row) == pytest.approx(-2, abs=0.3), row["family"]


def test_scipy_loses_one_power_of_the_distance_and_no_sign_on_vectors_that_sum_to_one():
    rows = [row for row in peers().accuracy if row["peer"] in FIRST_ORDER]
    assert {row["family"] for row in rows} == {"Categorical"} and not any(row["negative"] for row in rows)
    of_vectors = [row for row in peers().distance if row["peer"] in FIRST_ORDER]
    assert len(of_vectors) == 2
    for row in of_vectors:
        assert slope_of_error(row) == pytest.approx(-1, abs=0.3) and max(row["negative"]) == 0
    for row in peers().pairs:
        if row["family"] == "Categorical":
            assert sum(map(Fraction, row["p"][0])) == sum(map(Fraction, row["q"][0])) == 1


def test_the_first_pairs_are_right_when_computed_now():
    """Every constructor and suite; the exact values are of more than a hundred digits, by another program."""
    found = [(row["family"], row["suite"]) for row in peers().pairs]
    assert sorted(found) == sorted(2 * [(row["family"], row["suite"]) for row in ours(peers().accuracy)])
    for row in peers().pairs:
        make = reduce(getattr, row["family"].split("."), families)
        whole = symmetric if row["family"] == "MultivariateNormal" else list
        p, q = (make(*whole(row[side])) for side in "pq")
        assert float(p.kl_divergence(q)) == pytest.approx(float(row["exact"]), rel=1e-10, abs=0), row


def symmetric(arguments):
    """A matrix that is given by its lower triangle made whole."""
    return [np.tril(a) + np.tril(a, -1).T if np.ndim(a) == 2 else a for a in arguments]


def ours(rows):
    return [row for row in rows if row["peer"] == "companion"]


def test_what_torch_divides_by():
    """`batchmean` divides by the length of the first axis: the average over vectors for two axes only."""
    for row in peers().reductions:
        right = row["batchmean"] == pytest.approx(row["kl"], rel=1e-5)
        assert right == (len(row["shape"]) == 2), row
        assert row["sum"] / row["shape"][0] == pytest.approx(row["batchmean"], rel=1e-5)
        assert row["mean"] == pytest.approx(row["sum"] / np.prod(row["shape"]), rel=1e-5)


def test_what_other_loss_functions_return():
    """The formulas that the page on functions gives for PyTorch, Keras and scikit-learn, by SciPy."""
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.3, 0.5])
    of_rows = [float(special.rel_entr(a, b).sum()) for a, b in ((p, q), (p, p), (q, p))]
    expected = {
        "functional.kl_div, mean": sum(of_rows) / 9,
        "functional.kl_div, batchmean": sum(of_rows) / 3,
        "functional.kl_div, sum": sum(of_rows),
        "functional.kl_div, default": sum(of_rows) / 9,
        "functional.kl_div, 2p and batchmean": special.rel_entr(2 * p, q).sum(),
        "distributions.kl_divergence, 2p": of_rows[0],
        "functional.cross_entropy, logits": special.logsumexp([2.0, 0.0, -1.0]) - 2.0,
        "functional.nll_loss, log q": -np.log(0.2),
        "functional.binary_cross_entropy, 0": 100.0,
        "functional.binary_cross_entropy_with_logits, minus 800": 800.0,
        "losses.KLDivergence, three rows": sum(of_rows) / 3,
        "losses.KLDivergence, q = 0 < p": 0.5 * np.log(0.5) + 0.5 * np.log(0.5 / 1e-7),
        "losses.KLDivergence, half of p": special.rel_entr(p / 2, q).sum(),
        "metrics.log_loss, q": -np.log(0.2),
        "metrics.log_loss, q = 0": -np.log(np.finfo(float).eps),
        "metrics.log_loss, q = 0 in float32": -np.log(np.finfo(np.float32).eps),
        "metrics.mutual_info_score": sum(
            share * np.log(share / (a * b))
            for share, a, b in ((0.2, 0.4, 0.4), (0.2, 0.4, 0.6), (0.4, 0.4, 0.6), (0.2, 0.2, 0.4))
        ),
    }
    found = {row["call"]: row["value"] for row in peers().conventions}
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_other_libraries_do_with_zeros():
    """The KL of the three pairs of `benchmarks/zeros.py` by hand, and where PyTorch and Keras give something else."""
    nan, right = float("nan"), [np.log(2), np.inf, 0.5 * np.log(2.5) + 0.5 * np.log(0.625)]
    expected = {
        "kl_div(log q, p)": [right[0], np.inf, nan],
        "kl_div(log q, log p, log_target=True)": [nan, np.inf, nan],
        "distributions.kl_divergence(p, q)": right,
        "KLDivergence()(p, q)": [right[0], 0.5 * np.log(0.5) + 0.5 * np.log(0.5e7), right[2]],
    }
    found = {}
    for row in peers().zeros:
        found.setdefault(row["call"], []).append(float(row["value"]))
    assert found.keys() == expected.keys()
    for call, values in found.items():
        np.testing.assert_allclose(values, expected[call], rtol=1e-5, err_msg=call)


def test_losses_of_other_libraries_are_the_formulas_of_the_page():
    """Every stored value from the arrays of `benchmarks/losses.py`, written out again, by NumPy and SciPy alone."""
    z = np.array([[2.0, 0.0, -1.0, 0.5], [0.3, 0.1, 1.2, -0.7], [-0.4, 0.9, 0.0, 0.2]])
    y, w = np.array([0, 2, 3]), np.array([1.0, 2.0, 3.0, 0.5])
    p = np.array([[0.7, 0.1, 0.1, 0.1], [0.0, 0.2, 0.6, 0.2], [0.25, 0.25, 0.25, 0.25]])
    odds, binary = np.array([1.5, -0.3, 0.8, -2.0]), np.array([1.0, 0.0, 0.0, 1.0])
    counts, rates = np.array([0.0, 3.0, 1.0]), np.array([0.5, 2.0, 1.5])
    log_q, at = special.log_softmax(z, axis=1), np.arange(3)
    q, nll = np.exp(log_q), -log_q[at, y]
    smooth = -np.mean(np.sum((0.9 * np.eye(4)[y] + 0.025) * log_q, axis=1))
    double = -np.mean(special.log_softmax(q, axis=1)[at, y])
    kl = special.rel_entr(p, q).sum() / 3
    chance = special.expit(odds)
    bce = -(binary * np.log(chance) + (1 - binary) * np.log1p(-chance))
    soft_binary = 0.9 * binary + 0.05
    weighted = nll @ w[y] / w[y].sum()
    poisson = np.mean(rates - counts * np.log(rates))
    expected = {
        "cross_entropy(z, y)": nll.mean(),
        'cross_entropy(z, y, reduction="sum")': nll.sum(),
        "cross_entropy(softmax(z), y)": double,
        "cross_entropy(z, p)": -np.sum(p * log_q) / 3,
        "cross_entropy(z, y, weight=w)": weighted,
        "cross_entropy(z, y, label_smoothing=0.1)": smooth,
        "cross_entropy(z, y), one label -100": (nll[0] + nll[2]) / 2,
        "nll_loss(log_softmax(z), y)": nll.mean(),
        "nll_loss(softmax(z), y)": -q[at, y].mean(),
        'kl_div(log q, p, reduction="batchmean")': kl,
        'kl_div(log q, log p, log_target=True, reduction="batchmean")': special.rel_entr(p[0], q[0]).sum(),
        'kl_div(log q, log p, reduction="batchmean")': None,  # NaN: the logarithm of log p < 0
        "binary_cross_entropy_with_logits(z, y)": bce.mean(),
        "binary_cross_entropy_with_logits(z, y, pos_weight=2)": np.mean(bce * (1 + binary)),
        "poisson_nll_loss(log λ, y)": poisson,
        "gaussian_nll_loss(μ, y, σ²)": np.mean((np.log(2) + (counts - rates) ** 2 / 2) / 2),
        "mse_loss(μ, y)": np.mean((counts - rates) ** 2),
        "CategoricalCrossentropy()(y, q)": nll.mean(),
        "CategoricalCrossentropy(from_logits=True)(y, z)": nll.mean(),
        "CategoricalCrossentropy()(y, 2q)": nll.mean(),
        "CategoricalCrossentropy()(y, q), q = 0": -np.log(1e-7),
        "CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(y, z)": smooth,
        "SparseCategoricalCrossentropy(from_logits=True)(y, z)": nll.mean(),
        "BinaryCrossentropy(from_logits=True)(y, z)": bce.mean(),
        "BinaryCrossentropy(from_logits=True, label_smoothing=0.1)(y, z)": -np.mean(
            soft_binary * np.log(chance) + (1 - soft_binary) * np.log1p(-chance)
        ),
        "KLDivergence()(p, q)": kl,
        "Poisson()(y, λ)": poisson,
        "MeanSquaredError()(y, μ)": np.mean((counts - rates) ** 2),
        "log_loss(y, q)": nll.mean(),
        "log_loss(y, q, normalize=False)": nll.sum(),
        "log_loss(y, q, sample_weight=w)": weighted,
        "mean_poisson_deviance(y, λ)": 2 * np.mean(special.xlogy(counts, counts / rates) - counts + rates),
        "brier_score_loss(y, q)": np.mean((binary - chance) ** 2),
        "LogisticRegression().fit on separated points, slope": ridge_slope(),
    }
    found = {row["call"]: row["value"] for row in peers().losses}
    assert found.keys() == expected.keys()
    for call, value in expected.items():
        assert found[call] is None if value is None else found[call] == pytest.approx(value, rel=1e-5, abs=1e-5), call
    assert {row["library"] for row in peers().losses} == {"torch", "keras", "scikit-learn"}


def ridge_slope():
    """The slope for eight separated points with the penalty ½ slope²: scikit-learn's default, although none was asked
    for."""
    x, sign = np.arange(1.0, 9.0), np.repeat([-1.0, 1.0], 4)
    value = lambda b: np.logaddexp(0, -sign * (b[0] + b[1] * x)).sum() + b[1] ** 2 / 2
    return optimize.minimize(value, [0.0, 0.0], tol=1e-12).x[1]


def test_single_precision_of_cross_entropy_does_not_depend_on_the_number_of_classes():
    rows = {(row["way"], row["classes"], row["case"]): row for row in peers().single}
    assert {classes for _, classes, _ in rows} == {10, 1_000, 100_000, 1_000_000}
    for (way, _, case), row in rows.items():
        from_logits = way in ("cross_entropy(z, y)", "from_logits=True")
        if case == "drawn":
            assert row["worst"] < 3e-7, "all ways are exact where no probability is near 0 or 1"
        if case in ("40 below", "120 below") and from_logits:
            assert row["worst"] < 3e-7 and row["infinite"] == 0
        if case == "20 above" and from_logits:
            assert row["worst"] == 1, "a loss of 2e-9 comes out as zero"
        if case == "120 below" and way == "-log(softmax(z))[y]":
            assert row["infinite"] == row["runs"]
        if case == "40 below" and way == "from probabilities":
            assert row["worst"] == pytest.approx(1 + np.log(1e-7) / 40, abs=0.005), "clipped at 1e-7"


def test_the_small_network_is_compared_with_torch_and_jax_alike():
    rows = peers().vae
    assert {(row["dtype"], row["peer"].split(",")[0]) for row in rows} == {
        (dtype, peer) for dtype in ("float32", "float64") for peer in ("companion", "torch", "jax")
    }
    assert all(row["difference"] < 1e-12 for row in rows)
    for row in rows:
        assert row["ratio"] > {"companion": 0.99, "torch": 2, "jax": 0.9}[row["peer"].split(",")[0]], row


def test_fits_and_calls_are_timed():
    timed, compared = ({(row["family"], row["peer"]) for row in rows} for rows in (peers().calls, peers().accuracy))
    assert timed == compared
    assert all(row["scalar"] > 0 and row["vectorised"] > 0 for row in peers().calls)
    fits = peers().fits
    assert len({row["family"] for row in fits}) >= 14 and {row["n"] for row in fits} == {10_000, 1_000_000}
    for row in fits:
        assert (row["shortfall"] is None) == (row["failure"] is not None)
        if row["scipy fit"] == "constrained" and row["failure"] is None:  # the same problem: ours is at the maximum
            assert row["shortfall"] > -1e-12, row


# --- the files -------------------------------------------------------------------------------------------------------
def test_every_file_is_package_data_and_unchanged():
    """Found through importlib.resources, as in an installed wheel; none without a checksum."""
    folder = resources.files("companion.lesson").joinpath("data")
    files = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith((".csv", ".csv.gz"))}
    assert set(files) == set(CHECKSUMS)
    for name, entry in files.items():
        assert hashlib.sha256(entry.read_bytes()).hexdigest() == CHECKSUMS[name], name


def test_the_build_includes_the_data():
    """The patterns of `package-data` cover every file of the folder."""
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["companion.lesson"]
    root = Path(datasets.__file__).parent
    covered = {path for pattern in patterns for path in root.glob(pattern)}
    assert {path for path in (root / "data").rglob("*") if path.suffix != ".py" and path.is_file()} <= covered
