"""Multivariate normal distribution."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion import checks
from companion.families.exponential_family import ExponentialFamily
from companion.families.sums import Comoments
from companion.special import triangular
from companion.special.remainders import phi
from companion.special.triangular import solve

_LOG_2PI = np.log(2 * np.pi)


class MultivariateNormal(ExponentialFamily):
    r"""Multivariate normal distribution with mean μ and covariance Σ = LLᵀ.

    .. math::

       p(x) = (2\pi)^{-d/2}|\Sigma|^{-1/2} e^{-\frac12 (x-\mu)^\top\Sigma^{-1}(x-\mu)}, \qquad
       u(x) = \big(x, (x_i x_j)_{i \ge j}\big), \qquad
       \eta = \big(\Lambda\mu, -\tfrac12\Lambda_{ii}, -\Lambda_{ij}\big), \quad \Lambda = \Sigma^{-1}

       A(\eta) = \tfrac12\mu^\top\Lambda\mu - \tfrac12\log|\Lambda| + \tfrac d2\log 2\pi

       \mathrm{KL}(p\|q) = \tfrac12\Big[\sum_i\varphi(M_{ii}^2-1) + \sum_{i>j}M_{ij}^2 + \|z\|^2\Big],
       \quad M = L_q^{-1}L_p, \quad z = L_q^{-1}(\mu_p-\mu_q)

    u holds x and the lower triangle of x xᵀ row by row, so that k = d + d(d+1)/2 and η is identified. Of a covariance
    that is nearly singular the entries fix the distribution only to cond(Σ) times their rounding; give its Cholesky
    factor to `from_cholesky` where that is too much.

    Parameters
    ----------
    mean : array_like, shape (..., d)
        Mean vector.
    cov : array_like, shape (..., d, d)
        Symmetric positive definite covariance matrix.

    Raises
    ------
    ValueError
        If shapes disagree, or a matrix is not symmetric or not positive definite; from `fit`, if the observations lie
        in a hyperplane (the likelihood is unbounded).

    References
    ----------
    Wainwright and Jordan (2008), section 3.

    Examples
    --------
    >>> p = MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]])
    >>> q = MultivariateNormal([0, 0], [[1, 0], [0, 1]])
    >>> round(float(p.kl_divergence(q)), 6)
    0.143841
    """

    parameter_names = ("mean", "cov")
    other_forms = {"from_cholesky": ("mean", "tril")}
    event_ndim = 1
    support = (-np.inf, np.inf)

    # --- parameters
    def __init__(self, mean: ArrayLike, cov: ArrayLike) -> None:
        where = "MultivariateNormal"
        mean = checks.finite(where, "mean", mean, "Pass the mean as a vector of length d.")
        cov = checks.finite(where, "cov", cov, "Pass a (d, d) covariance matrix.")
        self._check_shapes(where, "cov", mean, cov)
        asymmetry = np.abs(cov - np.swapaxes(cov, -1, -2))
        scale = np.sqrt(np.abs(np.diagonal(cov, axis1=-2, axis2=-1)))
        if np.any(asymmetry > 1e-12 * scale[..., :, None] * scale[..., None, :]):
            fix = f"It differs from its transpose by {asymmetry.max():.3g}; average the two if that is rounding."
            checks.fail(where, "cov", cov, "a symmetric matrix", fix)
        try:
            tril = np.linalg.cholesky(cov)
        except np.linalg.LinAlgError:
            smallest = float(np.min(np.linalg.eigvalsh(cov)))
            fix = f"Its smallest eigenvalue is {smallest:.3g}; drop dependent coordinates."
            checks.fail(where, "cov", cov, "a positive definite matrix", fix)
        self._set(mean, tril, cov)

    @classmethod
    def from_cholesky(cls, mean: ArrayLike, tril: ArrayLike) -> Self:
        """The normal with mean `mean` (..., d) and covariance ``tril @ tril.T``, `tril` (..., d, d) lower triangular
        with a positive diagonal; keeps digits that forming the covariance would lose.

        >>> MultivariateNormal.from_cholesky([0.0, 0.0], [[1.0, 0.0], [1e-9, 1e-9]]).variance().tolist()
        [1.0, 2e-18]
        """
        where = "MultivariateNormal.from_cholesky"
        mean = checks.finite(where, "mean", mean, "Pass the mean as a vector of length d.")
        tril = checks.finite(where, "tril", tril, "Pass a (d, d) lower triangular matrix.")
        cls._check_shapes(where, "tril", mean, tril)
        if np.any(np.triu(tril, 1) != 0):
            fix = "Pass np.linalg.cholesky(cov), or the transpose if yours is upper."
            checks.fail(where, "tril", tril, "a lower triangular matrix", fix)
        diagonal = np.diagonal(tril, axis1=-2, axis2=-1)
        fix = "A zero means a singular covariance: drop a coordinate. If it is negative, flip the sign of its column."
        checks.require(where, "diagonal of tril", diagonal, diagonal > 0, "a positive number", fix)
        new = cls.__new__(cls)
        new._set(mean, tril, None)
        new._store(new.batch_shape, _made_by="from_cholesky")
        return new

    @staticmethod
    def _check_shapes(where, name, mean, matrix):
        fix = "Pass a mean of length d with a (d, d) matrix."
        if mean.ndim == 0 or mean.shape[-1] == 0:
            checks.fail(where, "shape of mean", mean.shape, "(..., d)", fix)
        d = mean.shape[-1]
        if matrix.ndim < 2 or matrix.shape[-2:] != (d, d):
            checks.fail(where, f"shape of {name}", matrix.shape, f"(..., {d}, {d})", fix)

    def _set(self, mean, tril, cov):
        batch = checks.broadcast("MultivariateNormal", mean=mean.shape[:-1], matrix=tril.shape[:-2])
        d = mean.shape[-1]
        given = cov is not None
        cov = cov if given else tril @ np.swapaxes(tril, -1, -2)
        self._store(
            batch,
            _mean=np.broadcast_to(mean, batch + (d,)),
            tril=np.broadcast_to(tril, batch + (d, d)),
            cov=np.broadcast_to(cov, batch + (d, d)),
            _cov_given=given,
        )

    @property
    def dimension(self) -> int:
        """Number of coordinates d."""
        return self._mean.shape[-1]

    def _precision(self):
        inverse = triangular.inverse(self.tril)
        return np.swapaxes(inverse, -1, -2) @ inverse

    def natural_parameters(self):
        precision = self._precision()
        rows, columns = np.tril_indices(self.dimension)
        second = np.where(rows == columns, -0.5, -1.0) * precision[..., rows, columns]
        return np.concatenate([np.squeeze(precision @ self._mean[..., None], -1), second], axis=-1)

    @staticmethod
    def _split(vector):
        """(…, k) -> first part (…, d) and the symmetric matrix whose lower triangle is the second part."""
        d = round((np.sqrt(9 + 8 * vector.shape[-1]) - 3) / 2)
        return vector[..., :d], triangular.symmetric(vector[..., d:], d)

    @classmethod
    def _precision_from(cls, eta):
        first, matrix = cls._split(eta)
        return first, -matrix * (1 + np.eye(matrix.shape[-1]))

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._sized(eta, "from_natural", "eta")
        first, precision = cls._precision_from(eta)
        smallest = np.linalg.eigvalsh(precision)[..., 0]
        where, name = "MultivariateNormal.from_natural", "smallest eigenvalue of the precision in eta"
        fix = "The second-order entries are −Λ_ii/2 and −Λ_ij, with Λ the inverse of the covariance."
        checks.require(where, name, smallest, smallest > 0, "a positive number", fix)
        cov = np.linalg.inv(precision)
        cov = (cov + np.swapaxes(cov, -1, -2)) / 2
        return cls(np.squeeze(cov @ first[..., None], -1), cov)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        first, second = cls._split(cls._sized(mu, "from_mean_parameters", "mu"))
        cov = second - first[..., :, None] * first[..., None, :]
        smallest = np.linalg.eigvalsh(cov)[..., 0]
        where, name = "MultivariateNormal.from_mean_parameters", "smallest eigenvalue of E[x xᵀ] − E[x] E[x]ᵀ in mu"
        fix = "The second-order entries are E[x_i x_j], row by row of the lower triangle."
        checks.require(where, name, smallest, smallest > 0, "a positive number", fix)
        return cls(first, cov)

    @classmethod
    def _sized(cls, vector, method, name):
        where = f"MultivariateNormal.{method}"
        fix = "Pass d first-order and d(d+1)/2 second-order entries along the last axis."
        vector = checks.finite(where, name, vector, fix)
        sizes = [d + d * (d + 1) // 2 for d in range(1, 200)]
        if vector.ndim == 0 or vector.shape[-1] not in sizes:
            checks.fail(where, f"shape of {name}", vector.shape, "(..., d + d(d+1)/2)", fix)
        return vector

    # --- statistics
    def _statistic(self, x):
        rows, columns = np.tril_indices(self.dimension)
        return np.concatenate([x, x[..., rows] * x[..., columns]], axis=-1)

    def _log_partition_at(self, eta):
        first, precision = self._precision_from(eta)
        mean = np.squeeze(np.linalg.solve(precision, first[..., None]), -1)
        # det of a complex matrix close to a real positive definite one: log of the product of its LU pivots
        log_det = np.log(np.linalg.det(precision))
        return 0.5 * np.sum(first * mean, -1) - 0.5 * log_det + 0.5 * first.shape[-1] * _LOG_2PI

    def mean_parameters(self):
        rows, columns = np.tril_indices(self.dimension)
        second = self.cov + self._mean[..., :, None] * self._mean[..., None, :]
        return np.concatenate([self._mean, second[..., rows, columns]], axis=-1)

    def _expected_sums(self):
        return Comoments(weight=1.0, shift=self._mean, first=np.zeros(self.dimension), second=self.cov)

    def fisher_information(self):
        d, m, c = self.dimension, self._mean, self.cov
        rows, columns = np.tril_indices(d)
        # Cov[x_a, x_i x_j] and Cov[x_a x_b, x_i x_j] of a normal (Isserlis)
        mixed = c[..., :, rows] * m[..., None, columns] + c[..., :, columns] * m[..., None, rows]
        a, b, i, j = rows[:, None], columns[:, None], rows[None], columns[None]
        pair = (
            c[..., a, i] * c[..., b, j]
            + c[..., a, j] * c[..., b, i]
            + m[..., a] * m[..., i] * c[..., b, j]
            + m[..., a] * m[..., j] * c[..., b, i]
            + m[..., b] * m[..., i] * c[..., a, j]
            + m[..., b] * m[..., j] * c[..., a, i]
        )
        top = np.concatenate([c, mixed], axis=-1)
        bottom = np.concatenate([np.swapaxes(mixed, -1, -2), pair], axis=-1)
        return np.concatenate([top, bottom], axis=-2)

    # --- evaluation
    def _inside(self, x):
        return np.all(np.isfinite(x), axis=-1)

    def _read(self, x, method):
        where = f"MultivariateNormal.{method}"
        x = checks.real_array(where, "x", x, "Pass numbers, without missing values.")
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            fix = "The last axis holds the coordinates."
            checks.fail(where, "shape of x", x.shape, f"(..., {self.dimension})", fix)
        checks.broadcast(where, x=x.shape[:-1], batch=self.batch_shape)
        return x

    def _check_data(self, x, method="log_prob"):
        x = self._read(x, method)
        fix = "Drop missing and infinite values before."
        checks.require(f"MultivariateNormal.{method}", "x", x, np.isfinite(x), "a finite number", fix)
        return x

    def _half_log_det(self):
        return np.sum(np.log(np.diagonal(self.tril, axis1=-2, axis2=-1)), axis=-1)

    def _log_prob(self, x):
        away = x - self._mean
        if self.batch_shape:
            z = np.squeeze(solve(self.tril, away[..., None]), -1)
        else:
            z = solve(self.tril, away.reshape(-1, self.dimension).T).T.reshape(away.shape)
        return (-0.5 * np.sum(z**2, -1) - self._half_log_det() - 0.5 * self.dimension * _LOG_2PI)[()]

    def mean(self):
        return self._mean

    def variance(self):
        """Variances of the coordinates, (..., d)."""
        return np.diagonal(self.cov, axis1=-2, axis2=-1)

    def _cross_entropy_terms(self, other):
        solved = solve(other.tril, self._columns(other, self.tril))
        return 0.5 * np.sum(solved**2, axis=(-1, -2)), 0.5 * self.dimension * _LOG_2PI, *other._log_scales()

    def _log_scales(self):
        """The logarithms of the diagonal of L, which add up to half a log-determinant."""
        return np.moveaxis(np.log(np.diagonal(self.tril, axis1=-2, axis2=-1)), -1, 0)

    def _columns(self, other, *matrices):
        """Matrices side by side, and μ_p − μ_q as the last column: they meet L_q⁻¹ together."""
        away = (self._mean - other._mean)[..., None]
        if away.ndim > 2:
            matrices = [np.broadcast_to(m, away.shape[:-2] + m.shape[-2:]) for m in matrices]
        return np.concatenate([*matrices, away], axis=-1)

    def kl_divergence(self, other: ExponentialFamily) -> np.ndarray | np.float64:
        r"""KL divergence :math:`\tfrac12\big[\sum_i\varphi(M_{ii}^2-1) + \sum_{i>j}M_{ij}^2 + \|z\|^2\big]` in nats.

        For two covariances as given and close, the first two sums are Σ φ(λ) over the eigenvalues of
        :math:`L_q^{-1}(\Sigma_p-\Sigma_q)L_q^{-\top}`: two rounded Cholesky factors would differ by rounding alone.
        """
        self._check_same_family(other)
        d, given = self.dimension, self._cov_given and other._cov_given
        differences = (self.tril - other.tril, self.cov - other.cov) if given else (self.tril - other.tril,)
        solved = solve(other.tril, self._columns(other, *differences))
        with np.errstate(over="ignore"):
            mean_part = np.add.reduce(solved[..., -1] ** 2, axis=-1)
            if not given:
                return 0.5 * (self._factors(other, solved[..., :d]) + mean_part)
            inner = solve(other.tril, np.swapaxes(solved[..., d:-1], -1, -2))
            near = abs(inner).max(axis=(-1, -2)) < 0.3  # no entry exceeds the largest eigenvalue in size
            if np.any(near):
                values = np.linalg.eigvalsh((inner + np.swapaxes(inner, -1, -2)) / 2)
                near &= abs(values).max(axis=-1) < 0.3
            if np.all(near):
                return 0.5 * (np.add.reduce(phi(values), axis=-1) + mean_part)
            far = self._factors(other, solved[..., :d])
            if np.any(near):
                far = np.where(near, np.add.reduce(phi(np.where(near[..., None], values, 0.0)), axis=-1), far)
            return 0.5 * (far + mean_part)

    def _kl_error(self, other, value):
        """A covariance as given has a Cholesky factor that is known to the condition number of its correlations;
        near pairs feel that of q alone, and in relative terms."""
        value = np.where(np.isfinite(value), value, 0.0)
        relative = super()._kl_error(other, value) + 8 * other._lost_in_solving() * value
        if not (self._cov_given or other._cov_given):
            return relative
        spread = 4 * value + 3 * self.dimension  # at least tr M Mᵀ + ‖z‖² + d, since λ ≤ 2(λ − 1 − log λ) + 2 log 2
        absolute = (self._lost_in_factoring() + other._lost_in_factoring()) * spread
        if not (self._cov_given and other._cov_given):
            return relative + absolute
        inner = solve(other.tril, np.swapaxes(solve(other.tril, self.cov - other.cov), -1, -2))
        near = np.max(np.abs(np.linalg.eigvalsh((inner + np.swapaxes(inner, -1, -2)) / 2)), axis=-1) < 0.3
        lost = np.where(value > 0, 4 * other._lost_in_factoring(), 0.0)  # of nothing, even where that is infinite
        return relative + np.where(near, lost * value, absolute)

    def _cross_entropy_error(self, other):
        terms = sum(abs(term) for term in self._cross_entropy_terms(other)) + self.dimension
        lost = self._lost_in_factoring() + other._lost_in_factoring() + 8 * other._lost_in_solving()
        return super()._cross_entropy_error(other) + lost * terms

    def _lost_in_solving(self):
        return triangular.solving_error(self.tril)

    def _lost_in_factoring(self):
        return triangular.factoring_error(self.cov) if self._cov_given else 0.0

    def _factors(self, other, matrix):
        """Σ φ(M_ii² − 1) + Σ_(i>j) M_ij², given M − I = L_q⁻¹(L_p − L_q)."""
        diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
        scale = np.diagonal(self.tril, axis1=-2, axis2=-1) / np.diagonal(other.tril, axis1=-2, axis2=-1)
        below = np.add.reduce((matrix * triangular.below(self.dimension)) ** 2, axis=(-1, -2))
        return np.add.reduce(phi(diagonal * (scale + 1), scale * scale), axis=-1) + below

    def _check_same_family(self, other, method="kl_divergence"):
        super()._check_same_family(other, method)
        if self.dimension != other.dimension:
            expected, fix = (
                f"{self.dimension}, as many as the first distribution",
                "Compare distributions of the same vector.",
            )
            checks.fail(f"MultivariateNormal.{method}", "coordinates of other", other.dimension, expected, fix)

    # --- sampling and conversion
    def _draw(self, size, rng):
        noise = rng.standard_normal(size + (self.dimension,))
        return self._mean + np.squeeze(self.tril @ noise[..., None], -1)

    def to_scipy(self):
        if self.batch_shape:
            where, fix = "MultivariateNormal.to_scipy", "Convert the members one by one."
            checks.fail(where, "shape of the batch", self.batch_shape, "one distribution, shape ()", fix)
        return stats.multivariate_normal(self._mean, self.cov)

    # --- fit
    _sums = Comoments

    @classmethod
    def _random_member(cls, rng):
        factor = rng.normal(size=(3, 5))
        return cls(rng.normal(size=3), factor @ factor.T / 3 + 0.1 * np.eye(3))

    @classmethod
    def _example(cls):
        return cls([0.0], [[1.0]])

    def _check_sample(self, x, method):
        checks.finite(f"MultivariateNormal.{method}", "x", x, "Drop missing and infinite values before.")

    @classmethod
    def _estimate(cls, sums: Comoments) -> Self:
        mean, cov = sums.mean_and_covariance()
        spread = np.sqrt(np.maximum(np.diagonal(cov), 0.0))
        if (
            not np.all(spread > 0)
            or np.linalg.eigvalsh(cov / np.outer(spread, spread))[0] < 8 * len(mean) * np.finfo(float).eps
        ):
            expected = f"observations that span {len(mean)} dimensions"
            fix = "But for rounding they lie in a hyperplane, where no maximum exists: drop a coordinate, or add data."
            checks.fail("MultivariateNormal.fit", "covariance of x", cov, expected, fix)
        new = cls.__new__(cls)
        new._set(mean, np.linalg.cholesky(cov), cov)
        return new
