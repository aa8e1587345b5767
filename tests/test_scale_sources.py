"""Sources of `companion.scale` that are not what they seem: joined by name, read once, wrong in an argument's item."""

import gzip

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from companion import regression, scale
from companion.families import Binomial, MultivariateNormal, Normal, Poisson
from companion.scaling.files import mapped
from companion.scaling.pieces import select
from companion.scaling.reduction import RowError

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::UserWarning")

X = np.arange(1.0, 21.0)
W = np.array([1.0, 2.0, 5.0, 6.0] * 5)
BLOCKS = np.split(X, 4)


def refused(call, *parts, error=ValueError):
    """The error has all the parts, and begins with the name of a function of the module."""
    with pytest.raises(error) as caught:
        call()
    text = str(caught.value)
    assert text.startswith("scale.") and all(part in text for part in parts), text
    return text


# --- columns have names -----------------------------------------------------------------------------------------------
@pytest.fixture
def frame():
    return pytest.importorskip("pandas").DataFrame({"x": X, "w": W})


def test_frames_add_by_the_names_of_their_columns(frame, tmp_path):
    parts, other = [frame, frame[["w", "x"]]], frame.rename(columns={"x": "z"})
    said = "columns of chunk 1 = ['w', 'x']; expected ['x', 'w'], as in chunk 0. Pass columns=[...]"
    calls = [
        lambda: scale.statistics(MultivariateNormal, parts),
        lambda: scale.statistics(MultivariateNormal, (part for part in parts), threads=2),
        lambda: scale.statistics(MultivariateNormal, scale.chunks(parts)),
        lambda: scale.regression(Poisson, parts, [W, W]),
    ]
    for call in calls:
        refused(call, said)
    refused(lambda: scale.statistics(MultivariateNormal, [frame, other]), "columns of chunk 1 = ['z', 'w']")
    refused(lambda: scale.statistics(Normal, [frame[["x"]], other[["z"]]]), "columns of chunk 1 = ['z']")
    refused(lambda: scale.statistics(MultivariateNormal, [frame, other], columns=["x", "w"]), "columns = 'x'", "z, w")
    found = scale.fit(MultivariateNormal, parts, columns=["x", "w"])
    assert_allclose(found.mean(), [X.mean(), W.mean()], rtol=1e-13)
    assert_allclose(scale.fit(Normal, parts, weights="w").mean(), np.average(X, weights=W), rtol=1e-13)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_add_by_the_names_of_their_columns(kind, frame, tmp_path):
    for name, part in (("a", frame), ("b", frame[["w", "x"]])):
        if kind == "csv":
            part.to_csv(tmp_path / f"{name}.csv", index=False)
        else:
            pytest.importorskip("pyarrow")
            part.to_parquet(tmp_path / f"{name}.parquet")
    said = [f"columns of chunk 1 (rows 0 to 19) of b.{kind} = ['w', 'x']", f"(rows 0 to 19) of a.{kind}"]
    for source in (tmp_path, sorted(tmp_path.iterdir()), lambda: sorted(tmp_path.iterdir())):
        refused(lambda source=source: scale.statistics(MultivariateNormal, source), *said)
        found = scale.fit(MultivariateNormal, source, columns=["w", "x"])
        assert_allclose(found.mean(), [W.mean(), X.mean()], rtol=1e-13)


def test_a_name_that_occurs_twice(tmp_path):
    pd = pytest.importorskip("pandas")
    twice = pd.DataFrame(np.ones((3, 2)), columns=["x", "x"])
    refused(lambda: scale.statistics(Normal, twice, columns="x"), "columns = 'x'; expected one of x, x")
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    refused(lambda: scale.statistics(Normal, tmp_path / "a.csv", columns="x"), "columns = 'x'")


# --- weights ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("weight", [5e-324, 1e-200, 1e200, 1.7e308])
@pytest.mark.parametrize("rows", [1, 3, 20])
def test_weights_whose_sums_lose_digits_are_refused(weight, rows):
    said = ["weights in row 0 of chunk 0", f"= {weight}; expected 0, or a number between 1e-140 and 1e+140"]
    refused(lambda: scale.statistics(Normal, X, weights=np.full(20, weight), rows=rows), *said)
    good = np.full(20, 1e-139 if weight < 1 else 1e139)
    expected = Normal.fit(X)
    found = scale.fit(Normal, X, weights=good, rows=rows)
    assert_allclose([found.mean(), found.sd], [expected.mean(), expected.sd], rtol=1e-13)


def test_masked_weights_get_the_right_advice():
    masked = np.ma.array(np.ones(20), mask=[0, 1] * 10)
    for source, weights in ((X, masked), (BLOCKS, np.ma.array(np.split(masked, 4)))):
        text = refused(lambda s=source, w=weights: scale.statistics(Normal, s, weights=w), "weights.filled(0)")
        assert "leave masked" not in text


def test_a_mask_survives_columns_and_chunks():
    """An entry that is masked is not taken for a number."""
    table = np.ma.array(np.ones((6, 2)), mask=False)
    table[4, 0] = np.ma.masked
    for source in (table, [table], scale.chunks(table, columns=0)):
        columns = 0 if source is not scale.chunks and not isinstance(source, scale.Chunks) else None
        refused(lambda s=source, c=columns: scale.statistics(Normal, s, columns=c), "without a mask")
    da = pytest.importorskip("dask.array")
    weights = np.ma.array(np.ones(20), mask=[0, 1] * 10)
    refused(lambda: scale.statistics(Normal, da.from_array(X, chunks=5), weights=weights), "without a mask")


@pytest.mark.parametrize("route", ["array", "chunks", "dask"])
def test_weights_that_are_all_zero(route):
    source, weights = X, 0 * X
    if route == "chunks":
        source, weights = BLOCKS, np.split(weights, 4)
    if route == "dask":
        source = pytest.importorskip("dask.array").from_array(X, chunks=7)
    said = "3 chunks without a row of positive weight" if route == "dask" else "All weights"
    refused(lambda: scale.statistics(Normal, source, weights=weights), said)


@pytest.mark.parametrize("name", ["weights", "y"])
def test_an_argument_that_is_wrong_is_the_one_that_is_named(name, frame, tmp_path):
    pytest.importorskip("pyarrow")
    dd = pytest.importorskip("dask.dataframe")
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")

    def call(source, value, columns="x"):
        if name == "weights":
            return lambda: scale.statistics(Normal, source, weights=value, columns=columns)
        return lambda: scale.regression(Poisson, source, value, columns=columns)

    for source in (frame, tmp_path / "a.csv", tmp_path / "a.parquet", dd.from_pandas(frame, npartitions=2)):
        refused(call(source, "q"), f"{name} = 'q'; expected one of", "x, w")
    refused(call([frame, frame], "q"), f"{name} of chunk 0 = 'q'; expected one of x, w")
    refused(call(X, "q", None), f"{name} = 'q'; expected an array, or the path of a .npy file", error=TypeError)
    refused(call(X, "q.npy", None), f"{name} = 'q.npy'; expected a .npy file")
    for scalar in (2, 2.0, np.float64(2), None, "two"):
        said = f"{name} of chunk 1 = ", "expected an array, one value for each row"
        refused(call(BLOCKS, [np.ones(5), scalar, X, X], None), *said, error=TypeError)


# --- what can be read once --------------------------------------------------------------------------------------------
def test_an_iterator_that_was_read_says_so():
    said = "source = an iterator that has been read before"
    begun = scale.chunks(block for block in BLOCKS)
    next(iter(begun))
    refused(lambda: scale.statistics(Normal, begun), said)
    whole = scale.chunks(block for block in BLOCKS)
    assert scale.statistics(Normal, whole).weight == 20
    refused(lambda: scale.statistics(Normal, whole), said)
    refused(lambda: list(whole), said)
    weights = (np.ones(5) for _ in BLOCKS)
    assert scale.statistics(Normal, BLOCKS, weights=weights).weight == 20
    refused(lambda: scale.statistics(Normal, BLOCKS, weights=weights), "weights = an iterator that has been read")
    assert "may have been read before" in refused(lambda: scale.statistics(Normal, iter([])), "source = no chunks")
    refused(lambda: scale.statistics(Normal, [X[:0], X[:0]]), "source = 2 chunks without rows")


def test_more_passes_than_one_over_an_iterator():
    said = "exhausted after one pass; expected what can be read again"
    X2 = lambda: (block for block in BLOCKS)
    refused(lambda: scale.regression(Poisson, X2, (b for b in BLOCKS)), f"y = an iterator, {said}")
    refused(lambda: scale.regression(Poisson, X2(), lambda: X2()), f"X = an iterator, {said}")
    refused(lambda: scale.regression(Poisson, ((b, b) for b in BLOCKS)), f"X = an iterator, {said}")
    found = scale.regression(Poisson, scale.chunks(X2), lambda: X2())
    assert found.observations == 20
    found = scale.regression(Poisson, BLOCKS, iter(BLOCKS), weights=(np.ones(5) for _ in BLOCKS))  # cut at once
    assert found.observations == 20


def test_pairs_with_weights_offsets_and_trials_beside_them():
    rng = np.random.default_rng(0)
    Z, offset = rng.normal(size=(90, 2)), rng.normal(size=90)
    n, w = rng.integers(1, 9, 90), rng.integers(0, 3, 90).astype(float)
    counts, heads = rng.poisson(np.exp(0.3 * Z[:, 0] + offset)), rng.binomial(n, 0.4)
    thirds = lambda v: np.split(v, 3)
    for family, y, more in (
        (Poisson, counts, {"weights": w}),
        (Poisson, counts, {"offset": offset}),
        (Binomial, heads, {"n": n}),
        (Binomial, heads, {"n": n, "weights": w, "offset": offset}),
        (Binomial, heads, {"n": np.array(9)}),
    ):
        whole = regression.fit(family, Z, y, **more)
        beside = {name: v if v.ndim == 0 else thirds(v) for name, v in more.items()}
        pairs = list(zip(thirds(Z), thirds(y)))
        again = {name: v if np.ndim(v) == 0 else (lambda v=v: iter(v)) for name, v in beside.items()}
        for source, others in (
            (pairs, beside),
            (lambda p=pairs: iter(p), again),
            ([lambda p=p: p for p in pairs], beside),
        ):
            found = scale.regression(family, source, **others)
            assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-10)
    triples = list(zip(thirds(Z), thirds(counts), thirds(w)))
    whole = regression.fit(Poisson, Z, counts, w, offset=offset)
    found = scale.regression(Poisson, triples, offset=thirds(offset))
    assert_allclose(np.asarray(found.coefficients), whole.coefficients, rtol=1e-10)
    twice = "weights = ", "None beside triples"
    refused(lambda: scale.regression(Poisson, triples, weights=thirds(w)), *twice, error=TypeError)
    refused(lambda: scale.regression(Poisson, pairs, offset=thirds(offset)[:2]), "chunks in offset = 2")
    refused(lambda: scale.regression(Poisson, pairs, weights="w"), "weights = 'w'", error=TypeError)
    frame = pytest.importorskip("pandas").DataFrame(Z[:30], columns=["a", "b"])
    mixed = [(frame, counts[:30]), (Z[30:], counts[30:])]
    refused(lambda: scale.regression(Poisson, mixed), "columns of X in some chunks = ['a', 'b']; expected names in all")


# --- functions and items ----------------------------------------------------------------------------------------------
def missing():
    return {}["z"]


ODD = {
    "a function of an array": (lambda: X, TypeError, "source() = array of shape (20,)"),
    "of a number": (lambda: 3.0, TypeError, "source() = 3.0; expected an iterable of arrays"),
    "of numbers": (lambda: [1.0, 2.0], TypeError, "source() = [1.0, 2.0]; expected an iterable of arrays"),
    "of nothing": (lambda: None, TypeError, "source() = None"),
    "of a path": (lambda: "a.npy", TypeError, "source() = 'a.npy'"),
    "that fails": (missing, ValueError, "source() = no value (KeyError: 'z'); expected an iterable of arrays"),
    "with an argument": (lambda a: [X], TypeError, "source() = no value (TypeError: ", "without arguments"),
    "of items that are numbers": (lambda: iter([1.0]), TypeError, "chunk 0 of source = 1.0; expected an array"),
    "an item that is a number": ([X, 3.0], TypeError, "chunk 1 of source = 3.0"),
    "an item that is nothing": ([X, None], TypeError, "chunk 1 of source = None"),
    "an item that is a dictionary": ([{"x": X}], TypeError, "chunk 0 of source = {'x'"),
    "chunks": ([scale.chunks(X), scale.chunks(X)], TypeError, "an object of type Chunks", "itertools.chain(one, two)"),
    "generators": ([(x for x in BLOCKS)], TypeError, "chunk 0 of source = an object of type generator"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_functions_and_items(case):
    source, error, *said = ODD[case]
    refused(lambda: scale.statistics(Normal, source), *said, error=error)
    if not isinstance(source, list):
        said = [part.replace("source", "X") for part in said]
        refused(lambda: scale.regression(Poisson, source, lambda: iter([X])), *said, error=error)


def test_a_fixed_parameter_is_one_number():
    refused(
        lambda: scale.statistics(Binomial, [3, 4], n=[12] * 7), "n = [12, 12", "expected one number", error=TypeError
    )
    refused(lambda: scale.statistics(Binomial, [3, 4], n="12"), "n = '12'", error=TypeError)
    refused(lambda: scale.statistics(Binomial, [3, 4], n=np.nan), "n = nan")


def test_files_of_two_kinds_and_a_checkpoint_that_is_no_path(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3.0))
    assert scale.statistics(Normal, tmp_path).weight == 3
    (tmp_path / "b.csv").write_text("x\n1\n")
    kinds = "expected a folder with files of one kind: .npy, .csv or .parquet"
    refused(lambda: scale.statistics(Normal, tmp_path, columns="x"), str(tmp_path), kinds)
    refused(lambda: scale.statistics(Normal, [1.0], checkpoint=3), "checkpoint = 3; expected a path", error=TypeError)


def test_a_row_of_a_late_chunk_of_parquet_is_named(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    x = np.ones(60)
    x[55] = np.nan
    pq.write_table(pa.table({"x": x}), tmp_path / "a.parquet", row_group_size=30)
    call = lambda: scale.statistics(Normal, tmp_path / "a.parquet", columns="x", rows=10)
    refused(call, "row 5 of chunk 5", "(rows 50 to 59)", "(row 55 of all)")


def test_text_files_as_they_come(tmp_path):
    file = tmp_path / "a.csv"
    for text, expected in (
        ("\n\nx\n1\n\n2\n", [1, 2]),
        ('x,t\n1,"a\nb"\n2,"c\n5,6"\n3,d\n', [1, 2, 3]),  # a quoted field reaches over lines, of two chunks perhaps
        ('x,t\n1,5" disk\n2,3" disk\n', [1, 2]),  # where a quote is a letter it opens no field
        ('"x","t"\r\n"1","a ""b"\r\n"2","c"\r\n', [1, 2]),
        ('x,t,u\n1,"a","b\nc"\n2,d,e\n', [1, 2]),  # three quotes in a line
    ):
        file.write_text(text, newline="")
        for rows in (1, 2, 100):
            found = scale.statistics(Normal, file, columns="x", rows=rows)
            assert found.weight == len(expected) and found.mean()[0] == np.mean(expected), text
    file.write_text('x,t\n1,"a\n2,b\n3,d\n')
    refused(lambda: scale.statistics(Normal, file, columns="x", rows=1), "chunk 0", "quoted field that begins in '1,")
    file.write_text("x\n1\n", encoding="utf-16")
    refused(lambda: scale.statistics(Normal, file), "expected a CSV file in UTF-8 (UnicodeDecodeError")
    (tmp_path / "b.csv.gz").write_bytes(b"hello")
    refused(lambda: scale.statistics(Normal, tmp_path / "b.csv.gz"), "BadGzipFile")


def test_what_pandas_would_turn_into_numbers_is_refused():
    pd = pytest.importorskip("pandas")
    for values in (pd.to_datetime(["2020", "2021"]).tz_localize("UTC"), pd.Series(["1", "2"], dtype=object)):
        with_row = "x in row 0 of chunk 0"
        refused(lambda v=values: scale.statistics(Normal, pd.Series(v)), with_row, "real numbers", error=TypeError)
    assert scale.statistics(Normal, pd.Series([1, 2.5, True, np.float32(3)], dtype=object)).weight == 4
    missing = pd.Series([1, None, 3], dtype="Int64")
    refused(lambda: scale.statistics(Normal, missing), "x in row 1 of chunk 0", "= nan")


def test_what_is_delayed_is_no_collection():
    dask = pytest.importorskip("dask")
    one = dask.delayed(np.ones)(3)
    for source in (one, [one]):
        refused(lambda s=source: scale.statistics(Normal, s), "expected a Dask array", "from_delayed", error=TypeError)
    big = np.ones(3_000_000)
    big[2_500_000] = np.nan
    lazy = scale.lazy_statistics(Normal, big)
    refused(lambda: lazy.compute(scheduler="sync"), "row 402,848 of chunk 2 of the array (rows 2,097,152 to 2,999,999)")


def test_columns_and_values_of_any_kind():
    table = np.arange(12.0).reshape(4, 3)
    assert scale.fit(Normal, table, columns=np.int64(1)) == Normal.fit(table[:, 1])
    assert [c.shape for c in scale.chunks(table, columns=np.array([0, 2]))] == [(4, 2)]
    for weights in (2.0, 2, lambda: X, iter(X)):
        refused(lambda w=weights: scale.statistics(Normal, X, weights=w), "weights = ", "one value", error=TypeError)
    assert "read before" not in refused(lambda: scale.statistics(Normal, []), "source = no chunks")


def test_tables_of_pyarrow(tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"x": X, "w": W})
    for source in (table, [table[:7], table[7:]], table.to_batches(5), lambda: iter(table.to_batches(5))):
        assert_allclose(scale.fit(MultivariateNormal, source).mean(), [X.mean(), W.mean()], rtol=1e-13)
        assert_allclose(scale.fit(MultivariateNormal, source, columns=["w", "x"]).mean()[1], X.mean(), rtol=1e-13)
        assert_allclose(
            scale.fit(Normal, source, columns="x", weights="w").mean(), np.average(X, weights=W), rtol=1e-13
        )


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_text_is_utf_8_wherever_it_is_read(tmp_path, name):
    """With or without the mark with which spreadsheets begin it; lines end as they may, also in a quoted field."""
    opened = gzip.open if name.endswith("gz") else open
    for encoding in ("utf-8", "utf-8-sig"):
        with opened(tmp_path / name, "wt", encoding=encoding, newline="") as file:
            file.write('größe,"zwei\r\nzeilen"\r\n1,2\r\n3,5\r\n')
        for column, mean in (("größe", 2.0), (1, 3.5)):
            assert scale.fit(Normal, tmp_path / name, columns=column).mean() == mean
    with open(tmp_path / "latin.csv", "w", encoding="latin-1") as file:
        file.write("größe\n1\n2\n")
    refused(lambda: scale.fit(Normal, tmp_path / "latin.csv"), "a CSV file in UTF-8")


@pytest.mark.parametrize("name, text", [("a.csv", ""), ("b.csv", "\n\n")])
def test_an_empty_file_is_told_how_to_mend(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    message = refused(lambda: scale.statistics(Normal, tmp_path / name))
    assert message.startswith("scale.statistics: source = ") and name in message
    assert message.endswith("; expected a file with columns. It is empty: write it anew.")


def test_an_error_about_a_row_says_what_its_error_says():
    assert str(RowError(ValueError("x[3] = nan"), np.arange(5))) == "x[3] = nan"


@pytest.mark.parametrize("order", ["C", "F"])
def test_slices_of_a_mapped_file_are_maps_for_reading(tmp_path, order):
    array = np.asarray(np.arange(24.0).reshape(8, 3), order=order)
    np.save(tmp_path / "a.npy", array)
    found = mapped("scale.fit", tmp_path / "a.npy", "source")
    for rows in (slice(0, 3), slice(3, 8), slice(6, 100), slice(4, 4), slice(None)):
        part = found[rows]
        assert not part.size or (isinstance(part, np.memmap) and part.mode == "r")
        assert_array_equal(part, array[rows])


@pytest.mark.parametrize("name, fix", [("x", "Rename one."), ("z", "Pass the names of columns.")])
def test_a_column_is_named_once(name, fix):
    frame = pytest.importorskip("pandas").DataFrame([[1.0, 2.0, 3.0]], columns=["x", "w", "x"])
    message = refused(lambda: select(frame, name, "scale.fit"), f"columns = '{name}'; expected one of x, w, x. ")
    assert message.endswith(fix)
    assert select(frame, "w").tolist() == [2.0]


def test_columns_of_a_file_of_an_array(tmp_path):
    table = np.arange(12.0).reshape(4, 3) ** 2
    np.save(tmp_path / "a.npy", table)
    assert scale.fit(Normal, tmp_path / "a.npy", columns=1).mean() == table[:, 1].mean()
    assert_allclose(
        scale.statistics(MultivariateNormal, tmp_path / "a.npy", columns=[2, 0]).mean()[:2],
        table[:, [2, 0]].mean(axis=0),
    )


def test_dask_tells_how_many_rows_have_been_read():
    da, seen = pytest.importorskip("dask.array"), []
    source = da.from_array(np.arange(200.0), chunks=5)
    assert scale.statistics(Normal, source, progress=seen.append).weight == 200
    assert seen[-1].chunks == 40 and all(p.rows == 5 * p.chunks for p in seen)
