r"""Probabilistic principal component analysis: a model with a hidden normal vector and everything in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr

from companion import checks
from companion.families import MultivariateNormal, Normal
from companion.families.distribution import Distribution
from companion.hidden.gaussian_latents import LOG_2PI, as_gaussian, log_prior, standard_normal

_EPS = np.finfo(float).eps


class ProbabilisticPCA(Distribution):
    r"""Probabilistic principal component analysis: a linear model with a hidden normal vector.

    .. math::

       z \sim \mathcal{N}(0, I_k), \qquad x = Wz + \mu + \sigma\varepsilon, \quad \varepsilon \sim \mathcal{N}(0, I_d)

       p(x) = \mathcal{N}(x;\ \mu,\ WW^\top + \sigma^2 I_d), \qquad
       p(z\mid x) = \mathcal{N}\big(z;\ M^{-1}W^\top(x-\mu),\ \sigma^2 M^{-1}\big), \quad M = W^\top W + \sigma^2 I_k

    Both are computed from the singular value decomposition of W: no d × d matrix is formed, and no two large
    squares are subtracted when σ is small.

    Parameters
    ----------
    loadings : array_like, shape (d, k)
        W, one column for each latent coordinate.
    mean : array_like, shape (d,)
        μ.
    sd : float
        Standard deviation σ > 0 of the noise.

    Raises
    ------
    ValueError
        If shapes disagree, a number is not finite, or sd is not positive; from `fit`, if no maximum exists.

    References
    ----------
    Tipping and Bishop (1999).

    Examples
    --------
    >>> model = ProbabilisticPCA(loadings=[[2.0], [1.0]], mean=[0.0, 0.0], sd=1.0)
    >>> model.marginal().cov.tolist()
    [[5.0, 2.0], [2.0, 2.0]]
    >>> model.posterior([[3.0, 1.5]]).mean().round(12).tolist()     # W'x / (W'W + 1)
    [[1.25]]
    """

    parameter_names = ("loadings", "mean", "sd")
    event_ndim = 1
    support = (-np.inf, np.inf)

    def __init__(self, loadings: ArrayLike, mean: ArrayLike, sd: float):
        where = "ProbabilisticPCA"
        loadings = checks.finite(where, "loadings", loadings, "Pass W with one column for each latent coordinate.")
        mean = checks.finite(where, "mean", mean, "Pass the mean as a vector of length d.")
        sd = checks.positive(where, "sd", sd, "Pass the standard deviation of the noise (not its variance).")
        if loadings.ndim != 2:
            checks.fail(
                where,
                "shape of loadings",
                loadings.shape,
                "(d, k)",
                "For one latent coordinate pass a column, e.g. w[:, None].",
            )
        if mean.shape != loadings.shape[:1]:
            checks.fail(
                where,
                "shape of mean",
                mean.shape,
                f"{loadings.shape[:1]}, one for each row of loadings",
                "Pass a mean of length d.",
            )
        if sd.ndim:
            checks.fail(
                where,
                "shape of sd",
                sd.shape,
                "()",
                "The noise has one standard deviation, the same in all directions.",
            )
        u, s, vt = np.linalg.svd(loadings, full_matrices=False)
        self._store((), loadings=loadings, _mean=mean, sd=sd, _u=u, _s=s, _vt=vt)

    @property
    def dimension(self) -> int:
        """Number of coordinates d of an observation."""
        return self.loadings.shape[0]

    @property
    def latent_dimension(self) -> int:
        """Number of latent coordinates k."""
        return self.loadings.shape[1]

    def _inside(self, x):
        return np.all(np.isfinite(x), axis=-1)

    def _check_data(self, x, method="log_prob"):
        x = self._read(x, method)
        fix = "Pass observations, without missing values."
        checks.require(f"ProbabilisticPCA.{method}", "x", x, np.isfinite(x), "a finite number", fix)
        return x

    def _read(self, x, method):
        where = f"ProbabilisticPCA.{method}"
        x = checks.real_array(where, "x", x, "Pass observations, without missing values.")
        if x.shape[-1:] != (self.dimension,):
            checks.fail(
                where, "shape of x", x.shape, f"(..., {self.dimension})", "The last axis holds the coordinates."
            )
        return x

    def _check_latents(self, z, method):
        where = f"ProbabilisticPCA.{method}"
        z = checks.finite(where, "z", z, "Pass latents, without missing values.")
        if z.shape[-1:] != (self.latent_dimension,):
            checks.fail(
                where,
                "shape of z",
                z.shape,
                f"(..., {self.latent_dimension})",
                "The last axis holds the latent coordinates.",
            )
        return z

    def decode(self, z: ArrayLike) -> np.ndarray:
        """Mean :math:`Wz + μ` of x given z: (..., k) -> (..., d)."""
        return self._check_latents(z, "decode") @ self.loadings.T + self._mean

    def mean(self) -> np.ndarray:
        """μ, shape (d,)."""
        return self._mean

    def variance(self) -> np.ndarray:
        """Variances of the coordinates, shape (d,)."""
        return np.sum(self.loadings**2, axis=1) + self.sd**2

    def marginal(self) -> MultivariateNormal:
        """The distribution of x: a `MultivariateNormal`."""
        return MultivariateNormal(self._mean, self.loadings @ self.loadings.T + self.sd**2 * np.eye(self.dimension))

    def _factored(self):
        """The same by a triangular factor of its covariance, from (W, σI) without a square."""
        (upper,) = qr(np.vstack([self.loadings.T, self.sd * np.eye(self.dimension)]), mode="r", check_finite=False)
        upper = upper[: self.dimension] * np.where(np.diagonal(upper) < 0, -1.0, 1.0)[:, None]
        return MultivariateNormal.from_cholesky(self._mean, upper.T)

    def entropy(self) -> float:
        """Differential entropy of x in nats."""
        return self._factored().entropy()

    def cross_entropy(self, other: ProbabilisticPCA) -> float:
        """Cross-entropy to another model of vectors of the same length, in nats."""
        return self._factored().cross_entropy(self._check_other("cross_entropy", other)._factored())

    def kl_divergence(self, other: ProbabilisticPCA) -> float:
        """KL divergence between the distributions of x, in nats.

        >>> one = ProbabilisticPCA([[3.0, 0.0], [0.0, 1.0]], [0, 0], 1)
        >>> turned = ProbabilisticPCA([[0.0, 3.0], [1.0, 0.0]], [0, 0], 1)
        >>> abs(round(float(one.kl_divergence(turned)), 12))     # two names for one model
        0.0
        """
        return self._factored().kl_divergence(self._check_other("kl_divergence", other)._factored())

    def _check_other(self, method, other):
        if not isinstance(other, ProbabilisticPCA) or other.dimension != self.dimension:
            checks.fail(
                f"ProbabilisticPCA.{method}",
                "other",
                other,
                f"a ProbabilisticPCA of vectors with {self.dimension} coordinates",
                f"For another kind of distribution call companion.{method}(p.marginal(), q).",
                TypeError,
            )
        return other

    def _log_prob(self, x):
        r"""Evidence :math:`\log p(x)` in nats: (..., d) -> (...)."""
        away = x - self._mean
        along = away @ self._u
        across = away - along @ self._u.T  # the part of x − μ that no z can explain
        sds = np.hypot(self._s, self.sd)
        log_det = 2 * np.sum(np.log(sds)) + 2 * (self.dimension - self._s.size) * np.log(self.sd)
        distance = np.sum((along / sds) ** 2, -1) + np.sum((across / self.sd) ** 2, -1)
        return (-0.5 * (distance + log_det + self.dimension * LOG_2PI))[()]

    def posterior(self, x: ArrayLike) -> MultivariateNormal:
        """The distribution of z given x (..., d): a `MultivariateNormal`, batch (...)."""
        away = self._check_data(x, "posterior") - self._mean
        sds = np.hypot(self._s, self.sd)
        cov = np.eye(self.latent_dimension) - (self._vt.T * (self._s / sds) ** 2) @ self._vt
        if self._s.size == self.latent_dimension:  # the same without cancellation
            cov = (self._vt.T * (self.sd / sds) ** 2) @ self._vt
        return MultivariateNormal((away @ self._u / sds * (self._s / sds)) @ self._vt, (cov + cov.T) / 2)

    def _log_given(self, away):
        """log p(x|z) for x less its mean given z."""
        return -0.5 * np.sum((away / self.sd) ** 2, -1) - self.dimension * (np.log(self.sd) + 0.5 * LOG_2PI)

    def log_joint(self, x: ArrayLike, z: ArrayLike) -> np.ndarray:
        r"""Complete-data log-density :math:`\log p(x\mid z) + \log p(z)` in nats.

        x (..., d) and z (..., k) -> (...).
        """
        x, z = self._check_data(x, "log_joint"), self._check_latents(z, "log_joint")
        checks.broadcast("ProbabilisticPCA.log_joint", x=x.shape[:-1], z=z.shape[:-1])
        return self._log_given(x - self.decode(z)) + log_prior(z)

    def elbo(self, x: ArrayLike, q: Normal | MultivariateNormal) -> np.ndarray:
        r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x\mid z)] - \mathrm{KL}(q\,\|\,p(z))` in nats,
        in closed form.

        `x` (n, d); `q` a `MultivariateNormal` over z, batch (n,) or one for all. Shape (n,).
        """
        where = "ProbabilisticPCA.elbo"
        x, q = self._check_data(x, "elbo"), as_gaussian(where, q, self.latent_dimension)
        checks.broadcast(where, x=x.shape[:-1], q=q.batch_shape)
        spread = np.sum((self.loadings / self.sd @ q.tril) ** 2, axis=(-1, -2))  # tr(W S Wᵀ)/σ², S = LLᵀ
        fit = self._log_given(x - self.decode(q.mean())) - 0.5 * spread
        return fit - q.kl_divergence(standard_normal(self.latent_dimension))

    def sample(self, n: int, rng: np.random.Generator | int) -> np.ndarray:
        """`n` observations, shape (n, d)."""
        n, rng = checks.sample_size("ProbabilisticPCA.sample", n), checks.generator("ProbabilisticPCA.sample", rng)
        z = rng.standard_normal((n, self.latent_dimension))
        return self.decode(z) + self.sd * rng.standard_normal((n, self.dimension))

    @classmethod
    def fit(cls, x: ArrayLike, k: int) -> ProbabilisticPCA:
        r"""Maximum likelihood in closed form, for data `x` (n, d) and `k` latent coordinates.

        With eigenvalues :math:`\lambda_1 \ge \dots \ge \lambda_d` of the covariance of the data (divided by n) and
        eigenvectors :math:`u_j`: :math:`\sigma^2 = \frac{1}{d-k}\sum_{j>k}\lambda_j` and
        :math:`w_j = \sqrt{\lambda_j - \sigma^2}\,u_j`. W is identified up to a rotation of z; here its columns are
        orthogonal.

        Raises `ValueError` if the data lie in a k-dimensional plane, or so close to one that the rounding of their
        digits explains the distance: then no maximum exists, or none can be had from these digits.
        """
        where = "ProbabilisticPCA.fit"
        x, _ = checks.sample(where, x, None, 1, "Pass observations as an array of shape (n, d).")
        x = checks.finite(where, "x", x, "Drop infinite values before.")
        k, (n, d) = checks.positive_integer(where, "k", k, "Pass the number of latent coordinates."), x.shape
        if k >= d:
            checks.fail(
                where,
                "k",
                k,
                f"fewer latent coordinates than the {d} of an observation",
                "With k = d − 1 the model already is a normal distribution with any covariance: "
                "use MultivariateNormal.fit.",
            )
        unit = 2.0 ** np.frexp(np.max(np.abs(x)))[1] or 1.0  # squares of very large or small data would not be numbers
        scaled = x / unit
        centre = scaled.mean(axis=0)
        away = scaled - centre
        _, s, vt = np.linalg.svd(away, full_matrices=False)
        # the residual itself: the smaller singular values have lost digits where one observation is far off
        residual = away - away @ vt[:k].T @ vt[:k]
        sd = np.linalg.norm(residual) / np.sqrt(n * (d - k))
        rounding = _EPS * np.linalg.norm(scaled) / np.sqrt(n * d)
        if not sd > 4 * rounding:
            checks.fail(
                where,
                "distance of x from a plane",
                float(sd * unit),
                f"observations that do not lie in a {k}-dimensional plane: "
                f"a distance above their rounding, {4 * rounding * unit:.2g}",
                "Without a residual the likelihood grows without bound as sd falls to 0, and no maximum exists: take "
                "more observations or a smaller k, or record x with more digits (subtract a constant that they share).",
            )
        directions = vt[:k] * np.sign(vt[np.arange(k), np.argmax(np.abs(vt[:k]), axis=1)])[:, None]
        lengths = np.sqrt(s[:k] ** 2 / n - sd**2)
        return cls(directions.T * lengths * unit, centre * unit, sd * unit)
