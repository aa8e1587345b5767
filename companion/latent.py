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

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, roots_hermitenorm, xlogy

from companion import checks
from companion.families import Mixture, MultivariateNormal, Normal
from companion.families.core import Distribution
from companion.quadrature import Estimate

_LOG_2PI = np.log(2 * np.pi)


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

    def __init__(self, loadings, mean, sd):
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
    def dimension(self):
        """Number of coordinates d of an observation."""
        return self.loadings.shape[0]

    @property
    def latent_dimension(self):
        """Number of latent coordinates k."""
        return self.loadings.shape[1]

    def _check_data(self, x, method="log_prob"):
        where = f"ProbabilisticPCA.{method}"
        x = checks.finite(where, "x", x, "Pass observations, without missing values.")
        if x.shape[-1:] != (self.dimension,):
            checks.fail(
                where, "shape of x", x.shape, f"(..., {self.dimension})", "The last axis holds the coordinates."
            )
        return x

    def decode(self, z):
        """Mean :math:`Wz + μ` of x given z: (..., k) -> (..., d)."""
        return np.asarray(z) @ self.loadings.T + self._mean

    def mean(self):
        """μ, shape (d,)."""
        return self._mean

    def variance(self):
        """Variances of the coordinates, shape (d,)."""
        return np.sum(self.loadings**2, axis=1) + self.sd**2

    def marginal(self):
        """The distribution of x: a `MultivariateNormal`."""
        return MultivariateNormal(self._mean, self.loadings @ self.loadings.T + self.sd**2 * np.eye(self.dimension))

    def log_prob(self, x):
        r"""Evidence :math:`\log p(x)` in nats: (..., d) -> (...)."""
        away = self._check_data(x) - self._mean
        along = away @ self._u
        across = away - along @ self._u.T  # the part of x − μ that no z can explain
        variances = self._s**2 + self.sd**2
        log_det = np.sum(np.log(variances)) + 2 * (self.dimension - self._s.size) * np.log(self.sd)
        distance = np.sum(along**2 / variances, -1) + np.sum(across**2, -1) / self.sd**2
        return (-0.5 * (distance + log_det + self.dimension * _LOG_2PI))[()]

    def posterior(self, x):
        """The distribution of z given x (..., d): a `MultivariateNormal`, batch (...)."""
        away = self._check_data(x, "posterior") - self._mean
        variances = self._s**2 + self.sd**2
        cov = np.eye(self.latent_dimension) - (self._vt.T * self._s**2 / variances) @ self._vt
        if self._s.size == self.latent_dimension:  # the same without cancellation
            cov = (self._vt.T * self.sd**2 / variances) @ self._vt
        return MultivariateNormal((away @ self._u * self._s / variances) @ self._vt, (cov + cov.T) / 2)

    def log_joint(self, x, z):
        r"""Complete-data log-density :math:`\log p(x\mid z) + \log p(z)` in nats: x (..., d) and z (..., k) -> (...)."""
        away = self._check_data(x, "log_joint") - self.decode(z)
        given = -0.5 * np.sum(away**2, -1) / self.sd**2 - self.dimension * (np.log(self.sd) + 0.5 * _LOG_2PI)
        return given + _log_prior(np.asarray(z))

    def elbo(self, x, q):
        r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x\mid z)] - \mathrm{KL}(q\,\|\,p(z))` in nats, in closed form.

        `x` (n, d); `q` a `MultivariateNormal` over z, batch (n,) or one for all. Shape (n,).
        """
        away = self._check_data(x, "elbo") - self.decode(q.mean())
        spread = np.sum((self.loadings @ q.tril) ** 2, axis=(-1, -2))  # tr(W S Wᵀ), S = LLᵀ
        fit = -0.5 * (np.sum(away**2, -1) + spread) / self.sd**2 - self.dimension * (np.log(self.sd) + 0.5 * _LOG_2PI)
        return fit - q.kl_divergence(_prior(self.latent_dimension))

    def sample(self, n, rng):
        """`n` observations, shape (n, d)."""
        n, rng = checks.sample_size("ProbabilisticPCA.sample", n), checks.generator("ProbabilisticPCA.sample", rng)
        z = rng.standard_normal((n, self.latent_dimension))
        return self.decode(z) + self.sd * rng.standard_normal((n, self.dimension))

    @classmethod
    def fit(cls, x, k):
        r"""Maximum likelihood in closed form, for data `x` (n, d) and `k` latent coordinates.

        With eigenvalues :math:`\lambda_1 \ge \dots \ge \lambda_d` of the covariance of the data (divided by n) and
        eigenvectors :math:`u_j`: :math:`\sigma^2 = \frac{1}{d-k}\sum_{j>k}\lambda_j` and
        :math:`w_j = \sqrt{\lambda_j - \sigma^2}\,u_j`. W is identified up to a rotation of z; here its columns are orthogonal.
        """
        where = "ProbabilisticPCA.fit"
        x, _ = checks.sample(where, x, None, 1, "Pass observations as an array of shape (n, d).")
        x = checks.finite(where, "x", x, "Drop infinite values before.")
        k, d = checks.sample_size(where, k), x.shape[1]
        if k >= d:
            checks.fail(
                where,
                "k",
                k,
                f"fewer latent coordinates than the {d} of an observation",
                "With k = d − 1 the model already is a normal distribution with any covariance: use MultivariateNormal.fit.",
            )
        centre = x.mean(axis=0)
        _, s, vt = np.linalg.svd(x - centre, full_matrices=False)
        eigenvalues = np.zeros(d)
        eigenvalues[: s.size] = s**2 / len(x)
        variance = eigenvalues[k:].sum() / (d - k)
        if not variance > 1e-24 * eigenvalues[0]:
            checks.fail(
                where,
                "x",
                x,
                f"observations that do not lie in a {k}-dimensional plane",
                "Without a residual the likelihood grows without bound as sd falls to 0, and no maximum exists: take more observations or a smaller k.",
            )
        directions = vt[:k] * np.sign(vt[np.arange(k), np.argmax(np.abs(vt[:k]), axis=1)])[:, None]
        return cls(directions.T * np.sqrt(eigenvalues[:k] - variance), centre, np.sqrt(variance))


# --- non-linear models --------------------------------------------------------------------------------------------
def gaussian_decoder(x, decode, sd):
    r"""The function :math:`z \mapsto \log p(x_i\mid z)` of the model :math:`x\mid z \sim \mathcal{N}(\mathrm{decode}(z), \sigma^2 I_d)`.

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
    x = checks.finite("gaussian_decoder", "x", x, "Pass observations, without missing values.")
    sd = float(
        checks.positive(
            "gaussian_decoder",
            "sd",
            checks.scalar("gaussian_decoder", "sd", sd, "Pass one number."),
            "Pass a standard deviation.",
        )
    )
    if x.ndim != 2:
        checks.fail("gaussian_decoder", "shape of x", x.shape, "(n, d)", "Pass one observation as x[None, :].")

    def log_likelihood(z):
        away = x[:, None, :] - decode(z)
        return -0.5 * np.sum(away**2, axis=-1) / sd**2 - x.shape[1] * (np.log(sd) + 0.5 * _LOG_2PI)

    return log_likelihood


def arch(z):
    """The bent line of the chapter, :math:`z \\mapsto (z, z^2)`: (..., 1) -> (..., 2)."""
    z = np.asarray(z)
    return np.concatenate([z, z**2], axis=-1)


# --- averages of the importance weight ----------------------------------------------------------------------------
def _log_prior(z):
    return -0.5 * np.sum(z**2, axis=-1) - 0.5 * z.shape[-1] * _LOG_2PI


def _prior(k):
    return MultivariateNormal(np.zeros(k), np.eye(k))


def _gaussian(where, q):
    """`q` as a MultivariateNormal with batch () or (n,)."""
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
    return q


def log_weights(log_likelihood, q, z):
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
    >>> bool(np.allclose(w, model.log_prob(x), rtol=1e-12))     # under the posterior the weight is the evidence, whatever z
    True
    """
    q, z = _gaussian("log_weights", q), np.asarray(z, dtype=float)
    if z.ndim != 3 or z.shape[-1] != q.dimension:
        checks.fail(
            "log_weights",
            "shape of z",
            z.shape,
            f"(n, m, {q.dimension}) or (1, m, {q.dimension})",
            "Add axes, e.g. z[None].",
        )
    values = np.asarray(log_likelihood(z), dtype=float)
    if values.ndim != 2 or values.shape[1] != z.shape[1] or z.shape[0] not in (1, values.shape[0]):
        checks.fail(
            "log_weights",
            "shape of log_likelihood(z)",
            values.shape,
            f"(n, m) for z of shape {z.shape}",
            "Return one value for each observation and latent.",
        )
    return values + _log_prior(z) - q.log_prob(np.moveaxis(z, 1, 0)).T


def draw_log_weights(log_likelihood, q, draws, rng):
    """`log_weights` at independent `draws` from q, shape (n, draws); a single q gives all observations the same draws."""
    q, draws = _gaussian("draw_log_weights", q), checks.sample_size("draw_log_weights", draws)
    z = q.sample(draws, checks.generator("draw_log_weights", rng))
    return log_weights(log_likelihood, q, z[None] if q.batch_shape == () else np.moveaxis(z, 0, 1))


def importance_weighted_bound(log_weights):
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


def effective_sample_size(log_weights):
    r"""Effective sample size :math:`(\sum_k w_k)^2 / \sum_k w_k^2` over the last axis: K for equal weights, 1 if one has it all.

    References
    ----------
    Kong (1992).

    Examples
    --------
    >>> effective_sample_size(np.log([[1.0, 1.0, 1.0, 1.0], [1.0, 1e-9, 1e-9, 1e-9]])).round(6).tolist()
    [4.0, 1.0]
    """
    log_weights = _weights("effective_sample_size", log_weights)
    return np.exp(2 * logsumexp(log_weights, axis=-1) - logsumexp(2 * log_weights, axis=-1))


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
    return log_weights


def prior_average(log_likelihood, k, draws, rng):
    r"""Log-evidence by averaging :math:`p(x\mid z)` over `draws` from the prior: right in the limit, and useless in more
    than a few dimensions.

    Returns an `Estimate`: the values (n,) and their standard errors, :math:`\sqrt{1/\mathrm{ESS} - 1/m}` by the delta
    method. An effective sample size (ESS) near 1 means that the standard error is not to be trusted either.

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
    >>> value, error, method = prior_average(gaussian_decoder([[3.0, 1.5]], model.decode, 1.0), k=1, draws=10_000, rng=0)
    >>> bool(abs(value[0] - model.log_prob([3.0, 1.5])) < 4 * error[0])
    True
    """
    w = draw_log_weights(log_likelihood, _prior(checks.sample_size("prior_average", k)), draws, rng)
    return Estimate(
        importance_weighted_bound(w),
        np.sqrt(np.maximum(1 / effective_sample_size(w) - 1 / w.shape[-1], 0.0)),
        "prior average",
    )


def log_prior_second_moment(model, x):
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
    halved = ProbabilisticPCA(model.loadings, model.mean(), model.sd / np.sqrt(2))
    return halved.log_prob(x) - 0.5 * model.dimension * np.log(4 * np.pi * model.sd**2) - 2 * model.log_prob(x)


# --- quadrature ---------------------------------------------------------------------------------------------------
def gauss_hermite(q, nodes):
    """Gauss–Hermite nodes for averages under a Gaussian q over k latents: z (n, nodes**k, k), or (1, …) for a single q,
    and the logarithms of their weights, which sum to one, shape (nodes**k,).

    >>> z, log_w = gauss_hermite(Normal(1.0, 2.0), 10)
    >>> round(float(np.exp(log_w) @ z[0, :, 0] ** 2), 12)     # E[z²] = 1² + 2²
    5.0
    """
    q, nodes = _gaussian("gauss_hermite", q), checks.sample_size("gauss_hermite", nodes)
    t, w = roots_hermitenorm(nodes)
    t, w = t[w > 0], w[w > 0]  # the outermost of several hundred nodes underflow
    z = q.mean()[..., None, :] + _product("gauss_hermite", t, q.dimension) @ np.swapaxes(q.tril, -1, -2)
    return z.reshape(-1, *z.shape[-2:]), _product("gauss_hermite", np.log(w / w.sum()), q.dimension).sum(axis=-1)


def _product(where, t, k):
    """All k-tuples of the numbers t, shape (t.size**k, k)."""
    if t.size**k > 1_000_000:
        checks.fail(
            where,
            "nodes**k",
            t.size**k,
            "at most 1,000,000 nodes",
            "A grid is for one or two latents; beyond, draw samples.",
        )
    return np.stack(np.meshgrid(*[t] * k, indexing="ij"), axis=-1).reshape(-1, k)


def gaussian_posterior(log_likelihood, k, nodes=32, rounds=60):
    """The Gaussian with the mean and covariance of the posterior p(z|x_i), found by quadrature: a `MultivariateNormal`,
    batch (n,).

    From the prior on, the posterior's moments are computed on the nodes of the last Gaussian (Naylor and Smith 1982).
    Its covariance is widened by the spacing of the nodes, so that a posterior between two of them is not lost.

    Raises `ValueError` if log p(x|z) is NaN, or −inf at all nodes.
    """
    q = _prior(checks.sample_size("gaussian_posterior", k))
    old = None
    for _ in range(rounds):
        z, log_w = gauss_hermite(q, nodes)
        log_joint = log_weights(log_likelihood, q, z) + log_w
        top = log_joint.max(axis=1)
        checks.require(
            "gaussian_posterior",
            "max of log_likelihood(z)",
            top,
            np.isfinite(top),
            "a finite number",
            "log p(x|z) is NaN, +inf, or −inf on the whole grid of latents: check the decoder.",
        )
        share = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        mean = np.einsum("nm,nmk->nk", share, np.broadcast_to(z, (*share.shape, k)))
        away = z - mean[:, None, :]
        cov = np.einsum("nm,nmi,nmj->nij", share, away, away)
        q = MultivariateNormal(mean, cov + (np.pi**2 / nodes / 4) * q.cov)
        new = np.concatenate([mean, np.sqrt(np.diagonal(q.cov, axis1=1, axis2=2))], axis=1)
        if old is not None and np.all(
            np.abs(new - old) < 1e-3 * np.sqrt(np.diagonal(q.cov, axis1=1, axis2=2)).min(axis=1)[:, None]
        ):
            break
        old = new
    return q


def _quadrature(where, average, log_likelihood, q, nodes):
    """`average(log-weights, log-weights of the nodes)` on two sets of nodes: value, and their difference as error."""
    values = []
    for number in (nodes, max(2, nodes * 3 // 4)):
        z, log_w = gauss_hermite(q, number)
        blocks = np.array_split(z, -(-z.shape[1] // 1024), axis=1)  # a decoder's output may be large
        w = np.concatenate([log_weights(log_likelihood, q, block) for block in blocks], axis=1)
        checks.require(where, "log_likelihood(z)", w, w < np.inf, "numbers below +inf, not NaN", "Check the decoder.")
        values.append(average(w, log_w))
    rounding = 4 * np.finfo(float).eps * np.abs(values[0])
    return Estimate(values[0], np.abs(values[0] - values[1]) + rounding, f"Gauss–Hermite, {nodes} nodes an axis")


def evidence(log_likelihood, k, nodes=64, q=None):
    r"""Evidence :math:`\log p(x_i) = \log\int p(x_i\mid z)\,\mathcal{N}(z; 0, I_k)\,\mathrm{d}z` in nats by Gauss–Hermite
    quadrature, for k = 1 or 2 latents.

    The integral is an average of the importance weight under a Gaussian q, on a grid that q centres and scales.

    Parameters
    ----------
    log_likelihood : callable
        :math:`\log p(x_i\mid z_{ij})`: latents (n, m, k) or (1, m, k) -> (n, m).
    k : int
        Number of latents, 1 or 2.
    nodes : int
        Nodes along each axis.
    q : Normal or MultivariateNormal, optional
        Where the posterior is; by default `gaussian_posterior`, which finds it.

    Returns
    -------
    Estimate
        `value` and `error`, each of shape (n,). The error is the difference from three quarters of the nodes: an
        estimate, not a bound. A hump that both grids miss goes unseen: `evidence_on_grid` is
        slower and misses none that is wider than its spacing.

    Raises
    ------
    ValueError
        If k is not 1 or 2, or the log-likelihood is NaN or infinite.

    References
    ----------
    Naylor and Smith (1982).

    Examples
    --------
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 0.01)
    >>> x = model.sample(5, rng=0)
    >>> value, error, method = evidence(gaussian_decoder(x, model.decode, model.sd), k=1)
    >>> bool(np.all(np.abs(value - model.log_prob(x)) < 1e-10))
    True
    """
    if checks.sample_size("evidence", k) > 2:
        checks.fail(
            "evidence",
            "k",
            k,
            "1 or 2 latents",
            "A grid in more dimensions costs too much: use draw_log_weights and importance_weighted_bound.",
        )
    q = gaussian_posterior(log_likelihood, k) if q is None else _gaussian("evidence", q)
    if q.dimension != k:
        checks.fail("evidence", "coordinates of q", q.dimension, f"{k}, the number of latents", "Pass a q over z.")
    return _quadrature("evidence", lambda w, log_w: logsumexp(w + log_w, axis=1), log_likelihood, q, nodes)


def evidence_on_grid(log_likelihood, k, spacing):
    r"""The same by the trapezoid rule, :math:`h^k\sum_j p(x_i\mid z_j)\,\mathcal{N}(z_j; 0, I_k)`, on one grid of spacing h over
    (−9, 9) along each axis, for all observations.

    It sees every hump that is not narrower than h, wherever it is; the error shrinks like :math:`e^{-2\pi^2 s^2/h^2}` for
    humps of standard deviation s. `error` is the difference from the grid of spacing 2h, far above that of h. Latents
    are passed on in blocks of 1024.

    Examples
    --------
    >>> value, error, method = evidence_on_grid(gaussian_decoder([[0.0, 2.0]], arch, sd=0.5), k=1, spacing=0.1)
    >>> value.round(6).tolist(), bool(error[0] < 1e-3)
    ([-5.450972], True)
    """
    where = "evidence_on_grid"
    if checks.sample_size(where, k) > 2:
        checks.fail(
            where,
            "k",
            k,
            "1 or 2 latents",
            "A grid in more dimensions costs too much: use draw_log_weights and importance_weighted_bound.",
        )
    h = float(
        checks.positive(
            where, "spacing", checks.scalar(where, "spacing", spacing, "Pass one number."), "Pass e.g. spacing=0.05."
        )
    )
    half = int(np.ceil(9 / (2 * h))) * 2
    index = _product(where, np.arange(-half, half + 1), k)
    fine = coarse = -np.inf
    for block in np.array_split(index, -(-len(index) // 1024)):
        log_joint = log_weights(log_likelihood, _prior(k), h * block[None]) + _log_prior(h * block)
        checks.require(
            where,
            "log_likelihood(z)",
            log_joint,
            log_joint < np.inf,
            "numbers below +inf, not NaN",
            "Check the decoder.",
        )
        even = np.all(block % 2 == 0, axis=1)
        fine = np.logaddexp(fine, logsumexp(log_joint, axis=1))
        coarse = np.logaddexp(coarse, logsumexp(log_joint[:, even], axis=1)) if even.any() else coarse
    value, rough = fine + k * np.log(h), coarse + k * np.log(2 * h)
    return Estimate(
        value, np.abs(value - rough) + 4 * np.finfo(float).eps * np.abs(value), f"trapezoid rule, spacing {h:g}"
    )


# --- the bound ----------------------------------------------------------------------------------------------------
def elbo(log_likelihood, q, nodes=64):
    r"""Evidence lower bound :math:`\mathrm{E}_q[\log p(x_i, z) - \log q(z)]` in nats by Gauss–Hermite quadrature, for a
    Gaussian q over 1 or 2 latents. Returns an `Estimate` like `evidence`.

    Examples
    --------
    >>> log_likelihood = gaussian_decoder([[0.5, 1.5]], arch, sd=0.5)
    >>> bound, _, _ = elbo(log_likelihood, Normal(0.9, 0.3))
    >>> log_evidence, _, _ = evidence(log_likelihood, k=1)
    >>> bool(bound[0] < log_evidence[0])
    True
    """
    average = lambda w, log_w: w[:, log_w > -700] @ np.exp(log_w[log_w > -700])  # the rest underflows: 0 · (−inf) = 0
    return _quadrature("elbo", average, log_likelihood, _gaussian("elbo", q), nodes)


def elbo_monte_carlo(log_likelihood, q, draws, rng):
    """Evidence lower bound as the average log-weight over `draws` from q, for any number of latents: an `Estimate` whose
    error is the standard error."""
    w = draw_log_weights(log_likelihood, q, draws, rng)
    return Estimate(w.mean(axis=1), w.std(axis=1, ddof=1) / np.sqrt(w.shape[1]), "Monte Carlo")


def mixture_elbo(mixture, x, responsibilities):
    r"""Evidence lower bound of a mixture, :math:`\sum_j r_{ij}\,(\log \pi_j p_j(x_i) - \log r_{ij})`, shape (n,), in nats.

    `responsibilities` r (n, J) are any distributions over the components. With ``mixture.posterior(x)`` the bound is the
    log-density itself.

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
    r = checks.probability_vector("mixture_elbo", "responsibilities", responsibilities)
    joint = mixture._log_joint(x)
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


def _from_responsibilities(where, family, x, r, **fixed):
    """M-step: mixing weights are mean responsibilities, each component is the weighted fit of its family."""
    total, scale, members = r.sum(axis=0), np.std(x, axis=0), []
    for j in range(r.shape[1]):
        try:
            member = family.fit(
                x, weights=r[:, j], **{name: np.broadcast_to(v, r.shape[1])[j] for name, v in fixed.items()}
            )
        except ValueError as error:
            raise ValueError(f"{where}: component {j} has no maximum-likelihood fit. {error}") from None
        if not family.discrete:
            spread = (
                np.linalg.eigvalsh(member.cov / np.outer(scale, scale))[0] ** 0.5
                if family.event_ndim
                else member.variance() ** 0.5 / scale
            )
            if not spread > 1e-5:
                checks.fail(
                    where,
                    f"spread of component {j}",
                    float(spread),
                    "more than 1e-5 of the spread of the data",
                    "The component has collapsed onto a point, where the likelihood of a mixture is unbounded: no maximum "
                    "exists there, and none is returned. Start elsewhere, with fewer components or wider ones.",
                )
        members.append(member)
    components = family(*(np.stack([member._parameter(name) for member in members]) for name in family.parameter_names))
    return Mixture(total / total.sum(), components)


def em_step(mixture, x, weights=None):
    r"""One step of expectation–maximisation: the mixture after it.

    E: responsibilities :math:`r_{ij} = \mathrm{P}(j\mid x_i)`. M: weights :math:`\pi_j = \frac1n\sum_i r_{ij}`, and each component is
    the maximum-likelihood member of its family for the data weighted by :math:`r_{ij}`. The log-likelihood does not fall.

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
    c = mixture.components
    return _from_responsibilities("em_step", type(c), x, r, **{name: c._parameter(name) for name in c.fixed_names})


class EMFit(NamedTuple):
    """Result of `fit_mixture`: the mixture, the log-likelihood before every step and at the end (nats), and whether the
    last step gained less than the tolerance."""

    mixture: Mixture
    log_likelihoods: np.ndarray
    converged: bool


def fit_mixture(x, start, weights=None, tolerance=1e-12, max_steps=10_000):
    """EM steps from the mixture `start` until one gains less than `tolerance` nats an observation.

    The result is a stationary point near the start, as a rule a local maximum: compare several starts. Returns an
    `EMFit`. Raises `ValueError` where `em_step` does.

    Examples
    --------
    >>> from companion.datasets import old_faithful
    >>> fit = fit_mixture(old_faithful().waiting, Mixture([0.5, 0.5], Normal([50.0, 80.0], 10.0)))
    >>> fit.mixture.components.mean().round(2).tolist(), fit.converged
    ([54.61, 80.09], True)
    """
    _check_mixture("fit_mixture", start)
    x, weights = checks.sample(
        "fit_mixture", x, weights, start.event_ndim, "Pass observations as an array of shape (n,)."
    )
    count = np.ones(len(x)) if weights is None else weights
    mixture, trace = start, [count @ start.log_prob(x)]
    for _ in range(checks.sample_size("fit_mixture", max_steps)):
        mixture = em_step(mixture, x, weights)
        trace.append(count @ mixture.log_prob(x))
        if trace[-1] - trace[-2] < tolerance * count.sum():
            return EMFit(mixture, np.array(trace), True)
    return EMFit(mixture, np.array(trace), False)


def random_start(x, family, k, rng, **fixed):
    """A mixture of `k` members of `family` to start EM from: `k` observations drawn at random are the centres, every
    observation is shared among them with weights that fall with its distance, and an M-step follows.

    >>> random_start([0.0, 0.1, 5.0, 5.2, 9.0], Normal, 2, rng=0).weights.shape
    (2,)
    """
    where = "random_start"
    x, _ = checks.sample(where, x, None, family.event_ndim, "Pass observations as an array of shape (n,).")
    if checks.sample_size(where, k) > len(np.unique(x, axis=0)):
        checks.fail(where, "k", k, "at most as many components as different observations", "Pass a smaller k.")
    points = (x / np.std(x, axis=0)).reshape(len(x), -1)
    centres = checks.generator(where, rng).choice(np.unique(points, axis=0), size=k, replace=False)
    distance = np.sum((points[:, None, :] - centres) ** 2, axis=-1)
    r = np.exp(-2 * (distance - distance.min(axis=1, keepdims=True)))
    return _from_responsibilities(where, family, x, r / r.sum(axis=1, keepdims=True), **fixed)
