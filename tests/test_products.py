"""Products of matrices: the way that a browser takes, taken here."""

import itertools

import numpy as np
import pytest

from companion.special import products


@pytest.mark.parametrize("dtype", ["f8", "f4", "g", "c16"])
@pytest.mark.parametrize("m, k, n", [(1, 1, 1), (5, 3, 4), (40, 1, 7), (0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_a_browsers_products_are_those_of_numpy(m, k, n, dtype, monkeypatch):
    monkeypatch.setattr(products, "IN_BROWSER", True)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    expected = a @ b
    for left, right in itertools.product([a, np.asfortranarray(a)], [b, np.asfortranarray(b)]):
        np.testing.assert_allclose(products.dot(left, right), expected, rtol=1e-5, atol=1e-5)
        for whole in (np.full((2 * m, 2 * n), np.nan, dtype), np.full((2 * m, 2 * n), np.nan, dtype, order="F")):
            for out in (whole[:m, :n], np.array(whole[:m, :n], order="F"), np.array(whole[:m, :n], order="C")):
                if not out.flags.c_contiguous and dtype in ("g", "c16"):
                    continue  # what NumPy refuses
                if not out.size or not k:
                    continue
                assert products.dot(left, right, out=out) is out
                np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)


def test_what_is_not_finite_is_passed_on(monkeypatch):
    monkeypatch.setattr(products, "IN_BROWSER", True)
    a = np.array([[1.0, np.nan], [np.inf, 2.0]])
    np.testing.assert_array_equal(products.dot(a, np.eye(2)[:, :1]), a @ np.eye(2)[:, :1])
