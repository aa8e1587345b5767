r"""The linear VAE: a decoder and an encoder that are lines with normal noise.

.. math::

   p(z) = \mathcal N(0, I_k), \qquad p_\theta(x\mid z) = \mathcal N(Wz + b,\ \sigma^2 I_d), \qquad
   q(z\mid x) = \mathcal N(Vx + c,\ \mathrm{diag}(\tau^2))

All distributions in sight are normal, so that every divergence of a VAE is a formula: `companion.vae` has them.
`companion.hidden.linear_training` trains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import MultivariateNormal
from companion.hidden.ppca import ProbabilisticPCA
from companion.network import _size
from companion.special.remainders import expm1_remainder

LOG_2PI = np.log(2 * np.pi)

#: A normal distribution, or observations (n, d) that stand for the one with their mean and covariance.
Data = MultivariateNormal | ArrayLike


@dataclass(frozen=True, eq=False)
class LinearVAE:
    r"""A linear VAE: decoder and encoder are linear and normal.

    .. math::

       p(z) = \mathcal N(0, I_k), \qquad p_\theta(x\mid z) = \mathcal N(Wz + b,\ \sigma^2 I_d), \qquad
       q(z\mid x) = \mathcal N(Vx + c,\ \mathrm{diag}(\tau^2))

    The decoder alone is probabilistic principal component analysis.

    Parameters
    ----------
    W : array_like, shape (d, k)
        Loadings of the decoder.
    b : array_like, shape (d,)
        Its offset.
    sd : float
        Standard deviation σ of its noise.
    V : array_like, shape (k, d)
        Slopes of the encoder.
    c : array_like, shape (k,)
        Its offset.
    tau : array_like, shape (k,)
        Standard deviations τ of the code given x.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or `sd` or `tau` is not positive.

    References
    ----------
    Tipping and Bishop (1999); Lucas, Tucker, Grosse and Norouzi (2019).

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[0.5**0.5])  # q is the posterior
    >>> np.allclose(vae.elbo([[1.0], [3.0]]), vae.model().log_prob([[1.0], [3.0]]), rtol=1e-12)
    True
    """

    W: np.ndarray
    b: np.ndarray
    sd: float
    V: np.ndarray
    c: np.ndarray
    tau: np.ndarray

    def __post_init__(self):
        where, fix = (
            "LinearVAE",
            "Pass a decoder W (d, k), b (d,), sd > 0 and an encoder V (k, d), c (k,), tau (k,) > 0.",
        )
        given = {name: checks.finite(where, name, getattr(self, name), fix) for name in ("W", "b", "V", "c")}
        given |= {name: checks.positive(where, name, getattr(self, name), fix) for name in ("sd", "tau")}
        if given["W"].ndim != 2:
            checks.fail(where, "shape of W", given["W"].shape, "(d, k)", fix)
        d, k = given["W"].shape
        for name, shape in (("b", (d,)), ("sd", ()), ("V", (k, d)), ("c", (k,)), ("tau", (k,))):
            if given[name].shape != shape:
                checks.fail(where, f"shape of {name}", given[name].shape, f"{shape}, because W has shape {(d, k)}", fix)
        self._set(given)

    def _set(self, given):
        for name, value in given.items():
            if name != "sd":
                value.flags.writeable = False
            object.__setattr__(self, name, float(value) if name == "sd" else value)

    @classmethod
    def _trusted(cls, **given):
        """The same without checks, for the many of a training."""
        new = cls.__new__(cls)
        new._set(given)
        return new

    def __reduce__(self):  # copies are checked, and as unchangeable as the original
        return LinearVAE, (self.W, self.b, self.sd, self.V, self.c, self.tau)

    def model(self) -> ProbabilisticPCA:
        """The decoder and the prior, a `ProbabilisticPCA`: p(x), p(z|x), in closed form. The encoder is no part of
        it."""
        return ProbabilisticPCA(self.W, self.b, self.sd)

    def encoder(self, x: ArrayLike) -> MultivariateNormal:
        r"""Encoder :math:`q(z\mid x)` at observations `x` (n, d): a batch of n `MultivariateNormal`."""
        x = checks.finite("LinearVAE.encoder", "x", x, "Pass observations, without missing values.")
        if x.shape[-1:] != self.b.shape:
            checks.fail(
                "LinearVAE.encoder",
                "shape of x",
                x.shape,
                f"(..., {len(self.b)})",
                "The last axis holds the coordinates.",
            )
        return MultivariateNormal(x @ self.V.T + self.c, np.diag(self.tau**2))

    def elbo(self, x: ArrayLike) -> np.ndarray:
        r"""Evidence lower bound of each observation, exactly,
        :math:`\mathrm{E}_q[\log p_\theta(x\mid z)] - \mathrm{KL}(q(z\mid x)\|p(z))`: (n, d) -> (n,), nats."""
        return self.model().elbo(x, self.encoder(x))

    def codes(self, data: Data) -> MultivariateNormal:
        r"""Distribution of all codes, the *aggregate posterior*
        :math:`q(z) = \mathrm{E}_{p_{\mathrm{data}}}[q(z\mid x)]`, for normal
        `data` (or observations, standing for the normal with their mean and covariance)."""
        mean, root = _moments("LinearVAE.codes", data, len(self.b))
        spread = self.V @ root
        return MultivariateNormal(self.V @ mean + self.c, spread @ spread.T + np.diag(self.tau**2))

    def data_joint(self, data: Data) -> MultivariateNormal:
        r"""Joint of data and codes, :math:`p_{\mathrm{data}}(x)\,q(z\mid x)`, a `MultivariateNormal` of (x, z)."""
        mean, root = _moments("LinearVAE.data_joint", data, len(self.b))
        spread = np.concatenate([root, self.V @ root])
        own = np.concatenate([np.zeros(len(mean)), self.tau**2])
        return MultivariateNormal(np.concatenate([mean, self.V @ mean + self.c]), spread @ spread.T + np.diag(own))

    def model_joint(self) -> MultivariateNormal:
        r"""Joint of the model, :math:`p(z)\,p_\theta(x\mid z)`, a `MultivariateNormal` of (x, z)."""
        k = len(self.c)
        cov = np.block([[self.model().marginal().cov, self.W], [self.W.T, np.eye(k)]])
        return MultivariateNormal(np.concatenate([self.b, np.zeros(k)]), cov)

    def with_best_encoder(self) -> LinearVAE:
        """The same decoder with the encoder that closes the gap as far as independent codes can: mean and slope of the
        posterior, 1/tau² the diagonal of its precision.

        >>> vae = LinearVAE([[1.0]], [0.0], 1.0, [[0.0]], [0.0], [1.0]).with_best_encoder()
        >>> vae.V.round(12).tolist(), (vae.tau**2).round(12).tolist()
        ([[0.5]], [0.5])
        """
        slope, root = _posterior(self)
        return LinearVAE(self.W, self.b, self.sd, slope, -slope @ self.b, 1 / np.linalg.norm(root, axis=0))


def _posterior(vae):
    """Slope of the posterior p(z|x) = N(slope (x − b), (RᵀR)⁻¹), and R, upper triangular: of (I; W/σ), by QR, so that
    no digits are lost where σ is small."""
    k = len(vae.c)
    Q, R = np.linalg.qr(np.concatenate([np.eye(k), vae.W / vae.sd]))
    return np.linalg.solve(R, Q[k:].T) / vae.sd, R


def start_linear(data: Data, latents: int, rng: np.random.Generator | int) -> LinearVAE:
    """A random linear VAE with codes of length `latents`, to start training from: small loadings and slopes, offset at
    the mean. Data without any spread are an error.

    >>> start_linear(np.eye(4), 2, rng=0).W.shape
    (4, 2)
    """
    where = "start_linear"
    mean, root = _moments(where, data, None)
    d, sd = len(mean), _spread(where, root)
    k = _size(where, "latents", latents, "Pass the length of a code, e.g. 2.")
    rng = checks.generator(where, rng)
    V = 0.1 * rng.standard_normal((k, d)) / sd
    return LinearVAE(0.1 * sd * rng.standard_normal((d, k)), mean, sd, V, -V @ mean, np.ones(k))


def _moments(where, data, d):
    """Mean and a root of the covariance, cov = root rootᵀ, of a normal distribution or of observations (n, d): all that
    a linear VAE sees of its data."""
    if isinstance(data, MultivariateNormal) and not data.batch_shape:
        mean, root = data.mean(), data.tril
    else:
        fix = "Pass observations of shape (n, d), or one MultivariateNormal."
        x, _ = checks.sample(where, data, None, 1, fix, argument="data")
        checks.require(where, "data", x, np.isfinite(x), "a finite number", fix)
        mean = x.mean(axis=0)
        root = np.linalg.qr((x - mean) / np.sqrt(len(x)), mode="r").T
    if d is not None and len(mean) != d:
        fix = "Use data and decoder of one length."
        checks.fail(where, "coordinates of data", len(mean), f"{d}, as many as the decoder has", fix)
    return mean, root


def _spread(where, root):
    """Standard deviation of a coordinate, averaged over all."""
    sd = float(np.linalg.norm(root) / np.sqrt(len(root)))
    if not 0 < sd < np.inf:
        fix = "Data that are all equal are their mean; there is nothing to learn."
        checks.fail(where, "standard deviation of data", sd, "a positive finite number", fix)
    return sd


def kl_to_prior(mean: ArrayLike, tau: ArrayLike) -> np.ndarray:
    r"""Elementwise
    :math:`\mathrm{KL}(\mathcal N(m, \tau^2)\,\|\,\mathcal N(0, 1)) = \tfrac12\big[m^2 + e(2\log\tau)\big]`,
    with the remainder :math:`e(y) = e^y - 1 - y \ge 0`: to full accuracy, however close to the prior.

    Parameters
    ----------
    mean, tau : array_like
        Of the same shape, or such that they broadcast.

    Raises
    ------
    ValueError, TypeError
        If a number is not finite, or a `tau` is not positive.

    Examples
    --------
    >>> kl_to_prior([0.0, 1.0], [1.0, 1.0]).tolist()
    [0.0, 0.5]
    >>> print(f"{kl_to_prior(0.0, 1 + 2.0**-30) * 2.0**60:.12f}")     # 1 − 2⁻³⁰/3; τ² − 1 − log τ² has no digit of it
    0.999999999690
    """
    where = "kl_to_prior"
    mean = checks.finite(where, "mean", mean, "Pass means of codes.")
    tau = checks.positive(where, "tau", tau, "Pass standard deviations of codes.")
    checks.broadcast(where, mean=mean.shape, tau=tau.shape)
    return _kl_to_prior(mean, np.log(tau))


def _kl_to_prior(mean, log_tau):
    with np.errstate(over="ignore"):  # beyond the range of doubles: infinite
        return 0.5 * (mean**2 + expm1_remainder(2.0 * log_tau))


def _residual(vae, mean, root):
    """The mean code m = E[V x + c] and the mean residual r = E[x] − W m − b, with roots of the covariances of both."""
    m, A = vae.V @ mean + vae.c, vae.V @ root
    return m, mean - vae.W @ m - vae.b, A, root - vae.W @ A


def _distortion(vae, r, B):
    square = np.vdot(r, r) + np.vdot(B, B) + np.sum(vae.W**2 @ vae.tau**2)
    return 0.5 * len(r) * (LOG_2PI + 2 * np.log(vae.sd)) + 0.5 * square / np.square(vae.sd)


def _check_linear(where, argument, value):
    if not isinstance(value, LinearVAE):
        checks.fail(where, argument, value, "a LinearVAE", "Make one, e.g. start_linear(data, 2, rng=0).", TypeError)
