r"""Models with a hidden variable: the evidence, the bound below it, and EM.

The module of the chapter *A bound on the likelihood*. A latent variable z with a prior p(z) and a conditional density
p(x|z) give the evidence :math:`p(x) = \int p(x\mid z)\,p(z)\,\mathrm{d}z`. For any distribution q over z,

.. math:: \log p(x) = \underbrace{\mathrm{E}_q\Big[\log\frac{p(x, z)}{q(z)}\Big]}_{\text{evidence lower bound}}
          + \mathrm{KL}\big(q\,\|\,p(z\mid x)\big) .

Everything here is an average of the *importance weight* w(z) = p(x, z)/q(z): the mean of its logarithm is the evidence
lower bound (ELBO), the logarithm of its mean is the evidence.

Continuous latent variables are standard normal, :math:`z \sim \mathcal{N}(0, I_k)`. A model then is a function
``log_likelihood(z)`` of latents of shape (n, m, k), or (1, m, k) if all n observations share them; it returns
:math:`\log p(x_i\mid z_{ij})`, shape (n, m). `gaussian_decoder` makes one; a neural network in its place works as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr
from scipy.special import logsumexp, roots_hermitenorm, softmax, xlogy

from companion import checks
from companion.families import ExponentialFamily, Mixture, MultivariateNormal, Normal
from companion.families.distribution import Distribution
from companion.integrals import cells
from companion.integrals.quadrature import Estimate

_LOG_2PI = np.log(2 * np.pi)
_EPS = np.finfo(float).eps

#: log p(x_i|z_ij) of latents (n, m, k) or (1, m, k): (n, m).
LogLikelihood = Callable[[np.ndarray], np.ndarray]


# --- the linear model ---------------------------------------------------------------------------------------------
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
        return (-0.5 * (distance + log_det + self.dimension * _LOG_2PI))[()]

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
        return -0.5 * np.sum((away / self.sd) ** 2, -1) - self.dimension * (np.log(self.sd) + 0.5 * _LOG_2PI)

    def log_joint(self, x: ArrayLike, z: ArrayLike) -> np.ndarray:
        r"""Complete-data log-density :math:`\log p(x\mid z) + \log p(z)` in nats.

        x (..., d) and z (..., k) -> (...).
        """
        x, z = self._check_data(x, "log_joint"), self._check_latents(z, "log_joint")
        checks.broadcast("ProbabilisticPCA.log_joint", x=x.shape[:-1], z=z.shape[:-1])
        return self._log_given(x - self.decode(z)) + _log_prior(z)

    def elbo(self, x: ArrayLike, q: Normal | MultivariateNormal) -> np.ndarray:
        r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x\mid z)] - \mathrm{KL}(q\,\|\,p(z))` in nats,
        in closed form.

        `x` (n, d); `q` a `MultivariateNormal` over z, batch (n,) or one for all. Shape (n,).
        """
        where = "ProbabilisticPCA.elbo"
        x, q = self._check_data(x, "elbo"), _gaussian(where, q, self.latent_dimension)
        checks.broadcast(where, x=x.shape[:-1], q=q.batch_shape)
        spread = np.sum((self.loadings / self.sd @ q.tril) ** 2, axis=(-1, -2))  # tr(W S Wᵀ)/σ², S = LLᵀ
        fit = self._log_given(x - self.decode(q.mean())) - 0.5 * spread
        return fit - q.kl_divergence(_prior(self.latent_dimension))

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


# --- non-linear models --------------------------------------------------------------------------------------------
def gaussian_decoder(x: ArrayLike, decode: Callable[[np.ndarray], np.ndarray], sd: float) -> LogLikelihood:
    r"""The function :math:`z \mapsto \log p(x_i\mid z)` of the model
    :math:`x\mid z \sim \mathcal{N}(\mathrm{decode}(z), \sigma^2 I_d)`.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Observations.
    decode : callable
        Mean of x given z: (..., k) -> (..., d).
    sd : float
        Standard deviation σ.

    Examples
    --------
    >>> log_likelihood = gaussian_decoder([[0.5, 1.5]], arch, sd=0.5)
    >>> log_likelihood(np.array([[[0.0], [1.0]]])).round(4).tolist()     # two values of z
    [[-5.4516, -1.4516]]
    """
    where = "gaussian_decoder"
    x = checks.finite(where, "x", x, "Pass observations, without missing values.")
    sd = _positive(where, "sd", sd, "Pass a standard deviation.")
    _callable(where, decode, "decode")
    if x.ndim != 2:
        checks.fail(where, "shape of x", x.shape, "(n, d)", "Pass one observation as x[None, :].")

    def log_likelihood(z):
        z = checks.real_array(where, "z", z, "Pass latents of shape (n, m, k) or (1, m, k).")
        if z.ndim != 3 or z.shape[0] not in (1, len(x)):
            checks.fail(where, "shape of z", z.shape, f"({len(x)}, m, k) or (1, m, k)", "Add axes, e.g. z[None].")
        mean = checks.numbers(where, "decode(z)", decode(z), "Return real numbers.")
        if mean.shape != (*z.shape[:-1], x.shape[1]):
            checks.fail(
                where,
                "shape of decode(z)",
                mean.shape,
                f"{(*z.shape[:-1], x.shape[1])}, the {x.shape[1]} coordinates of x for each z",
                "Return the mean of x along the last axis.",
            )
        away = (x[:, None, :] - mean) / sd
        distance = np.einsum("...d,...d->...", away, away)
        return -0.5 * distance - x.shape[1] * (np.log(sd) + 0.5 * _LOG_2PI)

    return log_likelihood


def arch(z: ArrayLike) -> np.ndarray:
    """The bent line of the chapter, :math:`z \\mapsto (z, z^2)`: (..., 1) -> (..., 2)."""
    z = checks.real_array("arch", "z", z, "Pass latents along the last axis.")
    if z.shape[-1:] != (1,):
        checks.fail("arch", "shape of z", z.shape, "(..., 1)", "Add an axis, e.g. z[..., None].")
    return np.concatenate([z, z**2], axis=-1)


# --- averages of the importance weight ----------------------------------------------------------------------------
def _log_prior(z):
    return -0.5 * np.sum(z**2, axis=-1) - 0.5 * z.shape[-1] * _LOG_2PI


def _prior(k):
    return MultivariateNormal(np.zeros(k), np.eye(k))


def _gaussian(where, q, k=None):
    """`q` as a MultivariateNormal over k latents, with batch () or (n,)."""
    if isinstance(q, Normal):
        q = MultivariateNormal.from_cholesky(q.mean()[..., None], q.sd[..., None, None])
    if not isinstance(q, MultivariateNormal) or len(q.batch_shape) > 1:
        checks.fail(
            where,
            "q",
            q,
            "a Normal or MultivariateNormal over z, batch () or (n,)",
            "Pass e.g. Normal(0.3, 0.5).",
            TypeError,
        )
    if k is not None and q.dimension != k:
        checks.fail(where, "coordinates of q", q.dimension, f"{k}, the number of latents", "Pass a q over z.")
    return q


def _positive(where, name, value, fix):
    return float(checks.positive(where, name, checks.scalar(where, name, value, fix), fix))


def _callable(where, function, name="log_likelihood"):
    if not callable(function):
        fix = (
            "Pass a function of z, e.g. gaussian_decoder(x, decode, sd)."
            if name == "log_likelihood"
            else "Pass a function."
        )
        checks.fail(where, name, function, "a function of z", fix, TypeError)


def _size(where, name, value, fix, least=1, most=100_000_000, why=""):
    """A whole number from `least` to `most`."""
    value = checks.positive_integer(where, name, value, fix)
    if not least <= value <= most:
        expected, why = (
            (f"at least {least}", why) if value < least else (f"at most {most:,}", "That needs too much memory.")
        )
        checks.fail(where, name, value, expected, why)
    return value


def _draws(where, draws, least=2):
    """A number of draws, by default one of which a standard error can be had."""
    return _size(
        where, "draws", draws, "Pass e.g. draws=1000.", least, why="A single draw says nothing about its own error."
    )


def log_weights(log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, z: ArrayLike) -> np.ndarray:
    r"""Logarithm of the importance weight, :math:`\log p(x_i\mid z) + \log p(z) - \log q_i(z)`, in nats.

    Parameters
    ----------
    log_likelihood : callable
        :math:`\log p(x_i\mid z_{ij})`: latents (n, m, k) or (1, m, k) -> (n, m).
    q : Normal or MultivariateNormal
        Distribution over z: one for all observations, or a batch (n,).
    z : array_like, shape (n, m, k) or (1, m, k)
        Latents.

    Returns
    -------
    ndarray, shape (n, m)

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
    >>> x = [[3.0, 1.5]]
    >>> w = log_weights(gaussian_decoder(x, model.decode, model.sd), model.posterior(x), np.array([[[0.0], [1.3]]]))
    >>> bool(np.allclose(w, model.log_prob(x), rtol=1e-12))     # under the posterior the weight is the evidence
    True
    """
    q, z = _gaussian("log_weights", q), checks.finite("log_weights", "z", z, "Pass latents.")
    if z.ndim != 3 or z.shape[-1] != q.dimension:
        checks.fail(
            "log_weights",
            "shape of z",
            z.shape,
            f"(n, m, {q.dimension}) or (1, m, {q.dimension})",
            "Add axes, e.g. z[None].",
        )
    return _log_weights("log_weights", log_likelihood, q, z)


def _log_weights(where, log_likelihood, q, z):
    _callable(where, log_likelihood)
    values = cells.log_likelihoods(where, log_likelihood, z)
    if q.batch_shape not in ((), (len(values),)):
        checks.fail(
            where,
            "shape of q",
            q.batch_shape,
            f"() or ({len(values)},), one for each observation",
            "Pass as many q as observations, or one for all.",
        )
    fix = "Check the decoder: log p(x|z) is NaN or infinite."
    checks.require(where, "log_likelihood(z)", values, values < np.inf, "numbers below +inf, not NaN", fix)
    return values + _log_prior(z) - q.log_prob(np.moveaxis(z, 1, 0)).T


def draw_log_weights(
    log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, draws: int, rng: np.random.Generator | int
) -> np.ndarray:
    """`log_weights` at independent `draws` from q, shape (n, draws).

    A single q gives all observations the same draws.
    """
    where = "draw_log_weights"
    q, draws = _gaussian(where, q), _draws(where, draws, least=1)
    return _drawn(where, log_likelihood, q, draws, rng)


def _drawn(where, log_likelihood, q, draws, rng):
    z = q.sample(draws, checks.generator(where, rng))
    return _log_weights(where, log_likelihood, q, z[None] if q.batch_shape == () else np.moveaxis(z, 0, 1))


def importance_weighted_bound(log_weights: ArrayLike) -> np.ndarray:
    r"""Logarithm of the average weight, :math:`\log\frac1K\sum_{k=1}^K w_k`, over the last axis, in nats.

    Its expectation is at most :math:`\log p(x)` and does not fall as K grows; for K = 1 it is the evidence lower bound.

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016).

    Examples
    --------
    >>> round(float(importance_weighted_bound(np.log([1.0, 2.0, 3.0]))), 12)     # log 2
    0.69314718056
    """
    log_weights = _weights("importance_weighted_bound", log_weights)
    return logsumexp(log_weights, axis=-1) - np.log(log_weights.shape[-1])


def effective_sample_size(log_weights: ArrayLike) -> np.ndarray:
    r"""Effective sample size :math:`(\sum_k w_k)^2 / \sum_k w_k^2` over the last axis.

    K for equal weights, 1 if one has it all.

    References
    ----------
    Kong (1992).

    Examples
    --------
    >>> effective_sample_size(np.log([[1.0, 1.0, 1.0, 1.0], [1.0, 1e-9, 1e-9, 1e-9]])).round(6).tolist()
    [4.0, 1.0]
    """
    log_weights = _weights("effective_sample_size", log_weights)
    top = log_weights.max(axis=-1)
    checks.require(
        "effective_sample_size", "largest log-weight", top, top > -np.inf, "a finite number", "All weights are zero."
    )
    return 1 / np.sum(softmax(log_weights, axis=-1) ** 2, axis=-1)


def _weights(where, log_weights):
    log_weights = checks.parameter(where, "log_weights", log_weights, "A weight may be zero (−inf), not NaN.")
    if log_weights.ndim == 0:
        checks.fail(
            where,
            "log_weights",
            log_weights,
            "an array with K log-weights along the last axis",
            "Pass e.g. draw_log_weights(...).",
        )
    checks.require(
        where,
        "log_weights",
        log_weights,
        log_weights < np.inf,
        "a number below +inf",
        "An infinite weight has no share.",
    )
    return log_weights


def prior_average(log_likelihood: LogLikelihood, k: int, draws: int, rng: np.random.Generator | int) -> Estimate:
    r"""Log-evidence by averaging :math:`p(x\mid z)` over `draws` from the prior: right in the limit, and useless in
    more than a few dimensions.

    Returns an `Estimate`: the values (n,) and their standard errors, :math:`\sqrt{1/\mathrm{ESS} - 1/m}` by the delta
    method. Below an effective sample size (ESS) of 10 a few draws decide, which tell as little of the error as of the
    value: the error is `inf`.

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
    >>> given = gaussian_decoder([[3.0, 1.5]], model.decode, 1.0)
    >>> value, error, method = prior_average(given, k=1, draws=10_000, rng=0)
    >>> bool(abs(value[0] - model.log_prob([3.0, 1.5])) < 4 * error[0])
    True
    """
    where = "prior_average"
    q = _prior(_size(where, "k", k, "Pass the number of latents.", most=10_000))
    w = _drawn(where, log_likelihood, q, _draws(where, draws), rng)
    value, error = importance_weighted_bound(w), np.full(len(w), np.inf)
    some = value > -np.inf
    share = softmax(w[some], axis=-1)
    error[some] = np.linalg.norm(share - 1 / w.shape[-1], axis=-1)  # √(1/ESS − 1/m)
    error[some] = np.where(np.sum(share**2, axis=-1) < 0.1, error[some], np.inf)
    return Estimate(value, error, "prior average")


def log_prior_second_moment(model: ProbabilisticPCA, x: ArrayLike) -> np.ndarray:
    r"""Log of :math:`\mathrm{E}[w^2]/\mathrm{E}[w]^2` for the weight :math:`w = p(x\mid z)`, z from the prior of a
    `ProbabilisticPCA`, in closed form: (..., d) -> (...).

    :math:`m` draws from the prior are worth about :math:`m\,\mathrm{E}[w]^2/\mathrm{E}[w^2]` draws of equal weight.
    The square of a normal density is a normal density of half the variance, so that
    :math:`\mathrm{E}[w^2] = (4\pi\sigma^2)^{-d/2}\,\mathcal{N}(x; \mu, WW^\top + \tfrac12\sigma^2 I)`.

    Examples
    --------
    >>> model = ProbabilisticPCA(np.eye(10), np.zeros(10), 0.1)
    >>> round(float(log_prior_second_moment(model, np.zeros(10))), 3)
    19.635
    """
    if not isinstance(model, ProbabilisticPCA):
        checks.fail(
            "log_prior_second_moment", "model", model, "a ProbabilisticPCA", "Pass the linear model.", TypeError
        )
    x = model._check_data(x, "log_prior_second_moment")
    halved = ProbabilisticPCA(model.loadings, model.mean(), model.sd / np.sqrt(2))
    return halved.log_prob(x) - model.dimension * np.log(2 * np.sqrt(np.pi) * model.sd) - 2 * model.log_prob(x)


# --- quadrature ---------------------------------------------------------------------------------------------------
def gauss_hermite(q: Normal | MultivariateNormal, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss–Hermite nodes for averages under a Gaussian q over k latents: z (n, nodes**k, k), or (1, …) for a single q,
    and the logarithms of their weights, which sum to one, shape (nodes**k,).

    >>> z, log_w = gauss_hermite(Normal(1.0, 2.0), 10)
    >>> round(float(np.exp(log_w) @ z[0, :, 0] ** 2), 12)     # E[z²] = 1² + 2²
    5.0
    """
    where = "gauss_hermite"
    q, nodes = _gaussian(where, q), _size(where, "nodes", nodes, "Pass e.g. nodes=64.", most=10_000)
    if nodes**q.dimension > 1_000_000:
        checks.fail(
            where,
            "nodes**k",
            nodes**q.dimension,
            "at most 1,000,000 nodes",
            "A grid is for one or two latents; beyond, draw samples.",
        )
    t, w = _hermite(nodes)
    z = q.mean()[..., None, :] + cells.product(t, q.dimension) @ np.swapaxes(q.tril, -1, -2)
    return z.reshape(-1, *z.shape[-2:]), cells.product(np.log(w / w.sum()), q.dimension).sum(axis=-1)


@cache
def _hermite(nodes):
    t, w = roots_hermitenorm(nodes)
    return t[w > 0], w[w > 0]  # the outermost of several hundred nodes underflow


def _nodes(where, nodes):
    """A number of nodes with which a rule can be told from one of half as many."""
    why = "With fewer, the error of the rule cannot be told."
    return _size(where, "nodes", nodes, "Pass e.g. nodes=64.", least=8, most=10_000, why=why)


def gaussian_posterior(log_likelihood: LogLikelihood, k: int, nodes: int = 32, rounds: int = 60) -> MultivariateNormal:
    r"""A Gaussian that covers the posterior p(z|x_i), found by Gauss–Hermite quadrature.

    It is a `MultivariateNormal` with batch (n,).

    From the prior on, the posterior's mean and covariance are computed on the nodes of the last Gaussian, until they
    settle or `rounds` are over. The covariance is widened by the spacing of the nodes, so that a posterior between two
    of them is not lost. It is a search: a hump that its nodes miss is not covered. Whatever it finds, `elbo` is a
    bound and the average weight is unbiased.

    Raises `ValueError` if log p(x|z) is NaN, or −inf at all nodes.

    References
    ----------
    Naylor and Smith (1982).
    """
    where = "gaussian_posterior"
    k = _size(where, "k", k, "Pass the number of latents, 1 or 2.", most=10)
    nodes, rounds = _nodes(where, nodes), checks.positive_integer(where, "rounds", rounds, "Pass e.g. rounds=60.")
    q, old = _prior(k), None
    for _ in range(rounds):
        z, log_w = gauss_hermite(q, nodes)
        log_joint = _log_weights(where, log_likelihood, q, z) + log_w
        top = log_joint.max(axis=1)
        checks.require(
            where,
            "max of log_likelihood(z)",
            top,
            top > -np.inf,
            "a finite number",
            "log p(x|z) is −inf on the whole grid of latents: check the decoder.",
        )
        share = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        mean = np.einsum("nm,nmk->nk", share, np.broadcast_to(z, (*share.shape, k)))
        away = z - mean[:, None, :]
        cov = np.einsum("nm,nmi,nmj->nij", share, away, away)
        q = MultivariateNormal(mean, cov + (np.pi**2 / nodes / 4) * q.cov)
        sds = np.sqrt(np.diagonal(q.cov, axis1=1, axis2=2))
        new = np.concatenate([mean, sds], axis=1)
        if old is not None and np.all(np.abs(new - old) < 1e-3 * sds.min(axis=1)[:, None]):
            break
        old = new
    return q


def evidence(
    log_likelihood: LogLikelihood, k: int, spacing: float | None = None, tolerance: float | None = None
) -> Estimate:
    r"""Evidence :math:`\log p(x_i) = \log\int p(x_i\mid z)\,\mathcal{N}(z; 0, I_k)\,\mathrm{d}z` in nats by adaptive
    quadrature, for k = 1 or 2 latents.

    The line or plane is cut into cells that are halved until each is resolved, by the posterior's mass and by the
    log-likelihood itself (`companion.integrals.cells`). The range grows until nothing is left outside.

    Parameters
    ----------
    log_likelihood : callable
        :math:`\log p(x_i\mid z_{ij})`: latents (n, m, k) or (1, m, k) -> (n, m).
    k : int
        Number of latents, 1 or 2.
    spacing : float, optional
        How far the nodes of the first cells lie apart; by default 0.05 on the line, 0.1 in the plane. It decides which
        humps can be overlooked, not how well those are resolved that were seen.
    tolerance : float, optional
        Largest error of the quadrature, in nats; by default 1e-8 on the line, 1e-6 in the plane. Smooth decoders stay
        far below; for one with kinks in the plane (ReLU) a larger one may be needed.

    Returns
    -------
    Estimate
        `value` and `error`, each of shape (n,). The error counts what halving the cells changed, what may lie outside
        the range, and the rounding of z. A hump that is narrower than `spacing`, and of which the log-likelihood at
        the nodes shows no trace, goes unseen.

    Raises
    ------
    ValueError
        If k is not 1 or 2, or log p(x|z) is NaN, +inf or everywhere −inf.
    QuadratureError
        If the tolerance is not reached, or the integral seems to be infinite.

    References
    ----------
    Trefethen (2008).

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 0.01)
    >>> x = model.sample(5, rng=0)
    >>> value, error, method = evidence(gaussian_decoder(x, model.decode, model.sd), k=1)
    >>> bool(np.all(np.abs(value - model.log_prob(x)) < 1e-10))
    True
    """
    k = _one_or_two("evidence", k)
    return _evidence(
        "evidence", log_likelihood, k, (0.05 if k == 1 else 0.1) if spacing is None else spacing, tolerance
    )


def evidence_on_grid(log_likelihood: LogLikelihood, k: int, spacing: float, tolerance: float | None = None) -> Estimate:
    r"""`evidence` with a first grid of your choice, whose nodes lie about `spacing` apart: no hump that is wider goes
    unseen.

    Examples
    --------
    >>> value, error, method = evidence_on_grid(gaussian_decoder([[0.0, 2.0]], arch, sd=0.5), k=1, spacing=0.1)
    >>> value.round(6).tolist(), bool(error[0] < 1e-8)
    ([-5.450972], True)
    """
    where = "evidence_on_grid"
    return _evidence(where, log_likelihood, _one_or_two(where, k), spacing, tolerance)


def _one_or_two(where, k):
    k = checks.positive_integer(where, "k", k, "Pass the number of latents, 1 or 2.")
    if k > 2:
        fix = "A grid in more dimensions costs too much: use draw_log_weights and importance_weighted_bound."
        checks.fail(where, "k", k, "1 or 2 latents", fix)
    return k


def _evidence(where, log_likelihood, k, spacing, tolerance):
    _callable(where, log_likelihood)
    spacing = _positive(where, "spacing", spacing, "Pass e.g. spacing=0.05.")
    if not 1e-5 <= spacing <= 1:
        checks.fail(where, "spacing", spacing, "from 1e-5 to 1", "Cells are halved where it is needed: try 0.05.")
    tolerance = (1e-8 if k == 1 else 1e-6) if tolerance is None else tolerance
    tolerance = _positive(where, "tolerance", tolerance, "Pass e.g. tolerance=1e-8.")
    if not 1e-15 <= tolerance < 1:
        checks.fail(where, "tolerance", tolerance, "from 1e-15 to less than 1 nat", "Pass e.g. tolerance=1e-8.")
    value, error = cells.log_integral(where, log_likelihood, k, spacing, tolerance)
    return Estimate(value, error, "adaptive cells")


# --- the bound ----------------------------------------------------------------------------------------------------
def elbo(log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, nodes: int = 64) -> Estimate:
    r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x_i, z) - \log q(z)]` in nats by Gauss–Hermite quadrature, for a
    Gaussian q over 1 or 2 latents.

    Returns an `Estimate` of shape (n,). Its error is twice the spread of nine rules, from half the nodes to all of
    them: small for a decoder that is smooth where q is, and honest where it bends or jumps. The value is −inf where q
    has nodes at which p(x|z) is zero.

    Examples
    --------
    >>> log_likelihood = gaussian_decoder([[0.5, 1.5]], arch, sd=0.5)
    >>> bound, _, _ = elbo(log_likelihood, Normal(0.9, 0.3))
    >>> log_evidence, _, _ = evidence(log_likelihood, k=1)
    >>> bool(bound[0] < log_evidence[0])
    True
    """
    where = "elbo"
    q, nodes = _gaussian(where, q), _nodes(where, nodes)
    values = []
    numbers = (
        np.linspace(nodes // 2, nodes, 9).astype(int) - np.arange(9) % 2
    )  # odd and even: one has a node at the mean
    for number in numbers.tolist():
        z, log_w = gauss_hermite(q, number)
        inside = log_w > -700  # the rest underflows: 0 · (−inf) = 0
        z, weights = z[:, inside], np.exp(log_w[inside])
        parts = -(-weights.size // 1024)  # a decoder's output may be large
        values.append(
            sum(
                _log_weights(where, log_likelihood, q, block) @ w
                for block, w in zip(np.array_split(z, parts, axis=1), np.array_split(weights, parts))
            )
        )
    value = values[-1]
    with np.errstate(invalid="ignore"):
        error = 2 * np.ptp(values, axis=0) + 4 * _EPS * np.abs(value)
    return Estimate(value, np.where(value > -np.inf, error, np.inf), f"Gauss–Hermite, {nodes} nodes an axis")


def elbo_monte_carlo(
    log_likelihood: LogLikelihood, q: Normal | MultivariateNormal, draws: int, rng: np.random.Generator | int
) -> Estimate:
    """Evidence lower bound as the average log-weight over `draws` from q, for any number of latents: an `Estimate`
    whose error is the standard error; −inf with error `inf` if a draw has weight zero."""
    where = "elbo_monte_carlo"
    w = _drawn(where, log_likelihood, _gaussian(where, q), _draws(where, draws), rng)
    value, error = w.mean(axis=1), np.full(len(w), np.inf)
    some = value > -np.inf
    error[some] = w[some].std(axis=1, ddof=1) / np.sqrt(w.shape[1])
    return Estimate(value, error, "Monte Carlo")


def mixture_elbo(mixture: Mixture, x: ArrayLike, responsibilities: ArrayLike) -> np.ndarray:
    r"""Evidence lower bound of a mixture, :math:`\sum_j r_{ij}\,(\log \pi_j p_j(x_i) - \log r_{ij})`, shape (n,), in
    nats.

    `responsibilities` r (n, J) are any distributions over the components. With ``mixture.posterior(x)`` the bound is
    the log-density itself.

    References
    ----------
    Neal and Hinton (1998), who call its negative the free energy.

    Examples
    --------
    >>> humps = Mixture([0.5, 0.5], Normal([-2.0, 2.0], 1.0))
    >>> x = np.array([0.0, 1.0])
    >>> bool(np.allclose(mixture_elbo(humps, x, humps.posterior(x)), humps.log_prob(x)))
    True
    """
    _check_mixture("mixture_elbo", mixture)
    r = checks.probability_vector("mixture_elbo", "responsibilities", responsibilities)
    joint = mixture._log_joint(mixture._check_data(x, "log_prob"))
    if r.shape != joint.shape:
        checks.fail(
            "mixture_elbo",
            "shape of responsibilities",
            r.shape,
            f"{joint.shape}, (n, J)",
            "One row for each observation.",
        )
    return np.sum(np.where(r > 0, r * np.where(r > 0, joint, 0.0) - xlogy(r, r), 0.0), axis=-1)


# --- EM -----------------------------------------------------------------------------------------------------------
def _check_mixture(where, mixture):
    if not isinstance(mixture, Mixture):
        checks.fail(
            where,
            "mixture",
            mixture,
            "a companion.families.Mixture",
            "Pass e.g. Mixture([0.5, 0.5], Normal([50, 80], 6)).",
            TypeError,
        )


def _held_fixed(member):
    """What `fit` has to be told of a family: the parameters that are not estimated."""
    names = dict.fromkeys((*member.fixed_names, *member.fit_options))
    return {name: member._parameter(name) if name in member.fixed_names else getattr(member, name) for name in names}


def _from_responsibilities(where, family, x, responsibilities, fixed):
    """M-step: mixing weights are mean responsibilities, each component is the weighted fit of its family."""
    k, members = responsibilities.shape[1], []
    for j, r in enumerate(responsibilities.T):
        try:
            member = family.fit(x, weights=r, **{name: np.broadcast_to(v, k)[j] for name, v in fixed.items()})
        except ValueError as error:
            raise ValueError(f"{where}: component {j} has no fit to the observations it still holds. {error}") from None
        if not family.discrete:
            _check_spread(where, j, member, x[r > 0])
        members.append(member)
    names = family.parameter_names
    components = family(*(np.stack([member._parameter(name) for member in members]) for name in names))
    return Mixture(responsibilities.sum(axis=0) / responsibilities.sum(), components)


def _check_spread(where, j, member, x):
    """Refuse a component that rounding alone keeps from being a point or, for vectors, from lying in a plane."""
    sd, floor = np.sqrt(member.variance()), 64 * _EPS * np.max(np.abs(x), axis=0)
    spread, least = np.min(sd), np.broadcast_to(floor, np.shape(sd)).ravel()[np.argmin(sd)]
    if np.all(sd > floor) and hasattr(member, "cov"):
        spread, least = np.linalg.eigvalsh(member.cov / sd / sd[:, None])[0], 64 * _EPS
    if not spread > least:
        checks.fail(
            where,
            f"spread of component {j}",
            float(spread),
            f"more than {least:.2g}, the rounding of its data",
            "The component has collapsed onto a point or a plane, where the likelihood of a mixture is unbounded: no "
            "maximum exists there, and none is returned. Start elsewhere, with fewer components or wider ones.",
        )


def em_step(mixture: Mixture, x: ArrayLike, weights: ArrayLike | None = None) -> Mixture:
    r"""One step of expectation–maximisation: the mixture after it.

    E: responsibilities :math:`r_{ij} = \mathrm{P}(j\mid x_i)`. M: weights :math:`\pi_j = \frac1n\sum_i r_{ij}`, and
    each component is the maximum-likelihood member of its family for the data weighted by :math:`r_{ij}`. The
    log-likelihood does not fall.

    Parameters
    ----------
    mixture : Mixture
        Where the step starts.
    x : array_like, shape (n,) or (n, d)
        Observations.
    weights : array_like, shape (n,), optional
        How often each observation counts.

    Raises
    ------
    ValueError
        If a component collapses onto a point (the likelihood is unbounded there) or loses all observations.

    References
    ----------
    Dempster, Laird and Rubin (1977).

    Examples
    --------
    >>> step = em_step(Mixture([0.5, 0.5], Normal([-1.0, 1.0], 1.0)), [-2.0, -1.8, 1.9, 2.1])
    >>> step.components.mean().round(2).tolist()
    [-1.83, 1.91]
    """
    _check_mixture("em_step", mixture)
    x, weights = checks.sample(
        "em_step", x, weights, mixture.event_ndim, "Pass observations as an array of shape (n,)."
    )
    r = mixture.posterior(x) if weights is None else weights[:, None] * mixture.posterior(x)
    return _from_responsibilities("em_step", type(mixture.components), x, r, _held_fixed(mixture.components))


class EMFit(NamedTuple):
    """Result of `fit_mixture`: the mixture, the log-likelihood before every step and at the end (nats), and whether the
    last step gained less than the tolerance."""

    mixture: Mixture
    log_likelihoods: np.ndarray
    converged: bool


def fit_mixture(
    x: ArrayLike, start: Mixture, weights: ArrayLike | None = None, tolerance: float = 1e-12, max_steps: int = 10_000
) -> EMFit:
    """EM steps from the mixture `start` until one gains less than `tolerance` nats an observation.

    The result is a stationary point near the start, as a rule a local maximum: compare several starts. Returns an
    `EMFit`. Raises `ValueError` where `em_step` does. A run of more than five seconds prints where it is.

    Examples
    --------
    >>> from companion.lesson.datasets import old_faithful
    >>> fit = fit_mixture(old_faithful().waiting, Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)))
    >>> fit.mixture.components.mean().round(2).tolist(), fit.converged
    ([54.61, 80.09], True)
    """
    where = "fit_mixture"
    _check_mixture(where, start)
    x, weights = checks.sample(where, x, weights, start.event_ndim, "Pass observations as an array of shape (n,).")
    tolerance = _positive(where, "tolerance", tolerance, "Pass e.g. tolerance=1e-12.")
    max_steps = checks.positive_integer(where, "max_steps", max_steps, "Pass e.g. max_steps=1000.")
    count = np.ones(len(x)) if weights is None else weights
    mixture, trace, progress = start, [count @ start.log_prob(x)], cells.Progress(where)
    for step in range(max_steps):
        mixture = em_step(mixture, x, weights)
        trace.append(count @ mixture.log_prob(x))
        if trace[-1] - trace[-2] < tolerance * float(count.sum()):
            return EMFit(mixture, np.array(trace), True)
        progress(f"step {step + 1:,}, log-likelihood {trace[-1]:.6f}, gain {trace[-1] - trace[-2]:.1e}")
    return EMFit(mixture, np.array(trace), False)


def random_start(
    x: ArrayLike, family: type[ExponentialFamily], k: int, /, rng: np.random.Generator | int, **fixed
) -> Mixture:
    """A mixture of `k` members of `family` to start EM from: `k` observations drawn at random are the centres, every
    observation is shared among them with weights that fall with its distance, and an M-step follows.

    Parameters that the family holds fixed are named as in its `fit`: ``random_start(x, Binomial, 2, rng=0, n=12)``.

    Raises `ValueError` if a component has no maximum-likelihood fit: try another seed or a smaller `k`.

    >>> random_start([0.0, 0.1, 5.0, 5.2, 9.0], Normal, 2, rng=0).weights.shape
    (2,)
    """
    where = "random_start"
    if not (isinstance(family, type) and issubclass(family, ExponentialFamily)):
        checks.fail(where, "family", family, "a class of companion.families", "Pass e.g. Normal.", TypeError)
    x, _ = checks.sample(where, x, None, family.event_ndim, "Pass observations as an array of shape (n,).")
    x = checks.finite(where, "x", x, "Drop infinite values before.")
    k, rng = checks.positive_integer(where, "k", k, "Pass the number of components."), checks.generator(where, rng)
    whole = family.fit(x, **fixed)  # says what is wrong with x or with the fixed parameters
    if k > len(np.unique(x, axis=0)):
        checks.fail(where, "k", k, "at most as many components as different observations", "Pass a smaller k.")
    points = (x - x[0]).reshape(len(x), -1)
    for scale in (np.max(np.abs(points), axis=0), np.std(points / _or_one(np.max(np.abs(points), axis=0)), axis=0)):
        points = points / _or_one(scale)
    centres = rng.choice(np.unique(points, axis=0), size=k, replace=False)
    distance = np.sum((points[:, None, :] - centres) ** 2, axis=-1)
    return _from_responsibilities(where, family, x, softmax(-2 * distance, axis=1), _held_fixed(whole))


def _or_one(scale):
    return np.where(scale > 0, scale, 1.0)
