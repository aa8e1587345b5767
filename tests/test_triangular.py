"""Triangular factors: against SciPy one by one, and rounding errors against fractions that know every digit."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import linalg

from companion.special import triangular

EPS = np.finfo(float).eps


def factors(*shape, d, seed=1):
    rng = np.random.default_rng(seed)
    return np.tril(rng.normal(size=(*shape, d, d)), -1) + np.eye(d) * rng.uniform(0.5, 2, size=(*shape, 1, d))


@pytest.mark.parametrize("lower_shape, right_shape", [((), ()), ((4,), (4,)), ((2, 3), (2, 3)), ((), (5,)), ((5,), ())])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_solve_is_forward_substitution_for_each_member_of_a_batch(lower_shape, right_shape, d):
    lower = factors(*lower_shape, d=d)
    right = np.random.default_rng(2).normal(size=(*right_shape, d, 3))
    solved = triangular.solve(lower, right)
    batch = np.broadcast_shapes(lower_shape, right_shape)
    lower, right = np.broadcast_to(lower, (*batch, d, d)), np.broadcast_to(right, (*batch, d, 3))
    assert solved.shape == (*batch, d, 3)
    for at in np.ndindex(batch):
        np.testing.assert_allclose(solved[at], linalg.solve_triangular(lower[at], right[at], lower=True), rtol=1e-12)
        np.testing.assert_allclose(triangular.inverse(lower[at]) @ lower[at], np.eye(d), atol=1e-12)


def exact_solution(lower, right):
    """Forward substitution in fractions: not a digit is lost."""
    x = []
    for i in range(len(right)):
        known = sum((Fraction(lower[i, j]) * x[j] for j in range(i)), Fraction(0))
        x.append((Fraction(right[i]) - known) / Fraction(lower[i, i]))
    return x


@pytest.mark.parametrize("seed", range(5))
def test_forward_substitution_is_as_exact_as_its_error_says(seed):
    """On factors whose solutions grow along the rows: the stated error is reached within a factor, never passed."""
    lower = factors(d=12, seed=seed)
    right = np.random.default_rng(seed).normal(size=12)
    solved, exact = triangular.solve(lower, right[:, None])[:, 0], exact_solution(lower, right)
    off = max(abs(float(Fraction(a) - b)) for a, b in zip(solved, exact)) / max(abs(float(b)) for b in exact)
    assert off <= 12 * triangular.solving_error(lower)


def test_solving_error_is_skeels_condition_number_of_each_member():
    lower = np.array([[[1.0, 0.0], [0.0, 1e-8]], [[1.0, 0.0], [1e6, 1.0]]])
    # |L⁻¹||L|: the identity for a diagonal matrix, whatever its scales; rows (1, 0) and (2e6, 1) for the other
    np.testing.assert_allclose(triangular.solving_error(lower), [EPS, (2e6 + 1) * EPS], rtol=1e-12)


def test_factoring_error_is_that_of_the_correlations_whatever_the_scales():
    rho = np.array([0.0, 0.5, 1 - 1e-6])
    scale = np.array([2.0**-17, 2.0**23])  # powers of two round nothing
    correlation = np.stack([[[1.0, r], [r, 1.0]] for r in rho])
    cov = scale[:, None] * correlation * scale
    # eigenvalues 1 ± ρ
    np.testing.assert_allclose(triangular.factoring_error(cov), 2 * 4 * EPS * (1 + rho) / (1 - rho), rtol=1e-5)
    assert triangular.factoring_error(np.array([[1.0, 1.0], [1.0, 1.0]])) == np.inf
    three = np.full((3, 3), 0.25) + 0.75 * np.eye(3)  # eigenvalues 0.75, 0.75 and 1.5
    np.testing.assert_allclose(triangular.factoring_error(three), 3 * 4 * EPS * 1.5 / 0.75, rtol=1e-12)


def test_what_is_not_symmetric_is_an_error_of_the_factor():
    cov = np.array([[1.0, 0.5 + 1e-9], [0.5, 1.0]])
    np.testing.assert_allclose(triangular.factoring_error(cov), 2 * 1e-9 / 0.5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_symmetric_takes_the_lower_triangle_row_by_row(shape):
    matrix = np.random.default_rng(3).normal(size=(*shape, 4, 4))
    matrix = matrix + np.swapaxes(matrix, -1, -2)
    entries = np.stack([matrix[..., i, j] for i in range(4) for j in range(i + 1)], axis=-1)
    np.testing.assert_array_equal(triangular.symmetric(entries, 4), matrix)
    assert triangular.symmetric(entries.astype(complex), 4).dtype == complex


def test_below_marks_what_is_under_the_diagonal():
    np.testing.assert_array_equal(triangular.below(3), [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
