r"""Variational autoencoders, and the divergences in their objective.

The module of the chapter *When KL is not likelihood*. A decoder :math:`p_\theta(x\mid z)` and a fixed prior
:math:`p(z) = \mathcal N(0, I)` are a model of the data, an encoder :math:`q(z\mid x)` stands in for the posterior, and
training minimises

.. math::

   -\mathrm{ELBO} = \underbrace{\mathrm{E}[-\log p_\theta(x\mid z)]}_{\text{distortion}}
   + \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p(z))}_{\text{rate}}
   = \mathrm{H}(p_{\mathrm{data}}) +
   \underbrace{\mathrm{KL}(p_{\mathrm{data}}\,\|\,p_\theta)}_{\mathrm{KL}(\text{data}\,\|\,\text{model})} +
   \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p_\theta(z\mid x))}_{\text{gap}} .

First the linear case, in which every term has a closed form; then a small network.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy import optimize
from scipy.special import expit, gammaln

from companion import checks, stored_files
from companion.families import MultivariateNormal
from companion.latent import ProbabilisticPCA
from companion.network import Adam, Network, Parameters, Workspace, _dtype_name, _flag, _size, batches
from companion.special.remainders import expm1_remainder, phi

_LOG_2PI = np.log(2 * np.pi)

#: A normal distribution, or observations (n, d) that stand for the one with their mean and covariance.
Data = MultivariateNormal | ArrayLike


# --- a linear VAE -------------------------------------------------------------------------------------------------
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
        x, _ = checks.sample(where, data, None, 1, fix)
        checks.require(where, "x", x, np.isfinite(x), "a finite number", fix)
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


# --- the divergences in its objective -----------------------------------------------------------------------------
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


class Parts(NamedTuple):
    r"""The quantities in the objective of a VAE, in nats per observation, each named by the pair it compares.

    ============  ======================================================================================
    distortion    :math:`\mathrm{E}\,\mathrm{E}_q[-\log p_\theta(x\mid z)]`: decoder's negative log-likelihood
    rate          :math:`\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p(z))`: encoder and prior
    entropy       :math:`\mathrm{H}(p_{\mathrm{data}})`
    data_model    :math:`\mathrm{KL}(p_{\mathrm{data}}\,\|\,p_\theta)`: data and model
    gap           :math:`\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p_\theta(z\mid x))`: encoder and posterior
    joint         :math:`\mathrm{KL}(p_{\mathrm{data}}(x)q(z\mid x)\,\|\,p(z)p_\theta(x\mid z))`: the two joints
    information   :math:`\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,q(z))`: mutual information of data and code
    codes         :math:`\mathrm{KL}(q(z)\,\|\,p(z))`: all codes and prior
    ============  ======================================================================================
    """

    distortion: float
    rate: float
    entropy: float
    data_model: float
    gap: float
    joint: float
    information: float
    codes: float


def objective_parts(vae: LinearVAE, data: MultivariateNormal) -> Parts:
    r"""All terms of a linear VAE's objective on a normal `data`, each by a formula of its own.

    None is a difference of others, so that the identities

    .. math::

       -\mathrm{ELBO} = \text{distortion} + \text{rate} = \text{entropy} + \text{joint}, \quad
       \text{joint} = \mathrm{KL}(\text{data}\,\|\,\text{model}) + \text{gap}, \quad \text{rate} = \text{information} +
       \text{codes}

    can be checked.

    Parameters
    ----------
    vae : LinearVAE
    data : MultivariateNormal
        Distribution of the data; `MultivariateNormal.fit(x)` stands for a sample.

    Returns
    -------
    Parts

    Raises
    ------
    TypeError
        If `vae` is no linear VAE, or `data` is not a normal distribution: the first four terms need its density.

    Notes
    -----
    Every KL is that of a normal N(a, AAᵀ) to N(0, I), in coordinates in which the second argument is standard. A is
    found without forming a covariance of the model, and the KL from a triangular A is a sum of non-negative terms, so
    that neither a tiny σ nor a tiny V costs digits.

    References
    ----------
    Kingma and Welling (2014); Hoffman and Johnson (2016).

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[1.0])
    >>> parts = objective_parts(vae, MultivariateNormal([0.0], [[2.0]]))
    >>> abs(round(parts.data_model, 12)), round(parts.gap, 6), round(parts.rate, 6)
    (0.0, 0.153426, 0.25)
    """
    where = "objective_parts"
    _check_linear(where, "vae", vae)
    if not isinstance(data, MultivariateNormal):
        fix = "Fit one to a sample: MultivariateNormal.fit(x)."
        checks.fail(where, "data", data, "a MultivariateNormal", fix, TypeError)
    mean, root = _moments(where, data, len(vae.b))
    m, r, A, B = _residual(vae, mean, root)
    slope, R = _posterior(vae)
    axes, lengths, _ = np.linalg.svd(vae.W)  # of the model's covariance WWᵀ + σ²I
    widths = np.full(len(mean), vae.sd)
    widths[: len(lengths)] = np.hypot(lengths, vae.sd)
    turned = R @ (vae.V - slope) @ root  # how the posterior's mean, less the encoder's, varies
    white = lambda spread: spread / widths[:, None]
    return Parts(
        distortion=float(_distortion(vae, r, B)),
        rate=float(np.sum(kl_to_prior(m, vae.tau)) + 0.5 * np.vdot(A, A)),
        entropy=float(data.entropy()),
        data_model=_kl_to_standard(axes.T @ (mean - vae.b) / widths, white(axes.T @ root)),
        gap=_kl_to_standard(R @ (m - slope @ (mean - vae.b)), R * vae.tau) + 0.5 * float(np.vdot(turned, turned)),
        joint=_kl_to_standard(
            np.concatenate([m, r / vae.sd]), np.block([[A, np.diag(vae.tau)], [B / vae.sd, -vae.W * vae.tau / vae.sd]])
        ),
        information=0.5 * float(np.sum(np.log1p(np.linalg.svd(A / vae.tau[:, None], compute_uv=False) ** 2))),
        codes=_kl_to_standard(m, np.concatenate([A, np.diag(vae.tau)], axis=1)),
    )


def _kl_to_standard(mean, root):
    """KL(N(mean, root rootᵀ)‖N(0, I)) = ½[Σ φ(rᵢᵢ² − 1) + Σ rᵢⱼ² + ‖mean‖²], with a triangular root r by QR."""
    r = np.linalg.qr(root.T, mode="r")
    diagonal = np.abs(np.diagonal(r))
    own = phi((diagonal - 1) * (diagonal + 1), log_ratio=2 * np.log(diagonal))
    return 0.5 * float(np.sum(own) + np.sum(np.triu(r, 1) ** 2) + mean @ mean)


def _residual(vae, mean, root):
    """The mean code m = E[V x + c] and the mean residual r = E[x] − W m − b, with roots of the covariances of both."""
    m, A = vae.V @ mean + vae.c, vae.V @ root
    return m, mean - vae.W @ m - vae.b, A, root - vae.W @ A


def _distortion(vae, r, B):
    square = np.vdot(r, r) + np.vdot(B, B) + np.sum(vae.W**2 @ vae.tau**2)
    return 0.5 * len(r) * (_LOG_2PI + 2 * np.log(vae.sd)) + 0.5 * square / np.square(vae.sd)


def _check_linear(where, argument, value):
    if not isinstance(value, LinearVAE):
        checks.fail(where, argument, value, "a LinearVAE", "Make one, e.g. start_linear(data, 2, rng=0).", TypeError)


# --- training it --------------------------------------------------------------------------------------------------
TERMS = ("kl", "nll")


def loss(vae: LinearVAE, data: Data, latent_term: str = "kl", beta: float = 1.0) -> float:
    r"""Loss per observation: distortion + β × latent term.

    ``"kl"`` is the rate, :math:`\mathrm{E}\,\mathrm{KL}(q(z\mid x)\|p(z))`, so that with β = 1 the loss is −ELBO.
    ``"nll"`` scores the codes by the prior, :math:`\mathrm{E}\,\mathrm{E}_q[-\log p(z)]`, which is the rate plus the
    entropy of the encoder.

    Parameters
    ----------
    vae : LinearVAE
    data : MultivariateNormal or array_like, shape (n, d)
        A linear VAE sees only their mean and covariance.
    latent_term : {"kl", "nll"}
    beta : float
        At least 0.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or the loss is beyond the range of doubles.

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[1.0])
    >>> x = np.array([[1.0], [-2.0]])
    >>> bool(np.isclose(loss(vae, x), -vae.elbo(x).mean()))
    True
    """
    value = _loss(vae, *_checked("loss", vae, data, latent_term, beta))
    return checks.scalar("loss", "loss", value, "Data and decoder are too far apart for doubles: start nearer.")


def gradient(vae: LinearVAE, data: Data, latent_term: str = "kl", beta: float = 1.0) -> dict[str, np.ndarray]:
    r"""Gradient of `loss` by hand: a dict of arrays with the keys W, b, log_sd, V, c and log_tau.

    With the mean code :math:`m = Vx + c`, the residual :math:`r = x - Wm - b` and :math:`T = \mathrm{diag}(\tau^2)`,

    .. math::

       \nabla_W = \frac{WT - \mathrm{E}[rm^\top]}{\sigma^2}, \quad \nabla_b = -\frac{\mathrm{E}[r]}{\sigma^2}, \quad
       \nabla_{\log\sigma} = d - \frac{\mathrm{E}\|r\|^2 + \sum_j\tau_j^2\|w_j\|^2}{\sigma^2}

       \nabla_V = \beta\,\mathrm{E}[mx^\top] - \frac{W^\top\mathrm{E}[rx^\top]}{\sigma^2}, \quad
       \nabla_c = \beta\,\mathrm{E}[m] - \frac{W^\top\mathrm{E}[r]}{\sigma^2}, \quad
       \nabla_{\log\tau_j} = \tau_j^2\Big(\frac{\|w_j\|^2}{\sigma^2} + \beta\Big) - \beta .

    The last β is the gradient of the encoder's entropy. It is all that keeps :math:`\tau_j` from zero, and ``"nll"``
    lacks it.

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[0.5**0.5])
    >>> data = MultivariateNormal([0.0], [[2.0]])
    >>> {name: abs(round(float(g.sum()), 9)) for name, g in gradient(vae, data).items()}
    {'W': 0.0, 'b': 0.0, 'log_sd': 0.0, 'V': 0.0, 'c': 0.0, 'log_tau': 0.0}
    """
    slopes = _gradient(vae, *_checked("gradient", vae, data, latent_term, beta))
    for name, slope in slopes.items():
        fix = "Data and decoder are too far apart for doubles: start nearer."
        checks.require("gradient", name, slope, np.isfinite(slope), "a finite number", fix)
    return slopes


def _checked(where, vae, data, latent_term, beta):
    """Mean and root of the data, latent term and β, as `_loss` and `_gradient` take them."""
    _check_linear(where, "vae", vae)
    return *_moments(where, data, len(vae.b)), _one_of(where, latent_term, TERMS), _weight(where, beta)


def _one_of(where, latent_term, terms):
    if not isinstance(latent_term, str) or latent_term not in terms:
        fix = 'Pass "kl" for the evidence lower bound, "nll" to score codes by the prior.'
        checks.fail(where, "latent_term", latent_term, "one of " + ", ".join(f'"{term}"' for term in terms), fix)
    return latent_term


def _weight(where, beta):
    fix = "Pass the weight of the rate, e.g. 1.0."
    beta = checks.scalar(where, "beta", beta, fix)
    if beta < 0:
        checks.fail(where, "beta", beta, "a number, at least 0", fix)
    return beta


def _loss(vae, mean, root, latent_term, beta):
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # for the caller to see that it is not finite
        m, r, A, B = _residual(vae, mean, root)
        log_tau = np.log(vae.tau)
        term = np.sum(_kl_to_prior(m, log_tau)) + 0.5 * np.vdot(A, A)
        if latent_term == "nll":
            term += np.sum(log_tau) + 0.5 * len(m) * (1 + _LOG_2PI)
        return _distortion(vae, r, B) + beta * term


def _gradient(vae, mean, root, latent_term, beta):
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        W, tau2, precision = vae.W, vae.tau**2, 1 / np.square(vae.sd)
        m, r, A, B = _residual(vae, mean, root)
        E_rx, E_mx = B @ root.T + r[:, None] * mean, A @ root.T + m[:, None] * mean
        sizes = np.sum(W * W, axis=0)
        return {
            "W": (W * tau2 - B @ A.T - r[:, None] * m) * precision,
            "b": -r * precision,
            "log_sd": np.asarray(len(r) - (np.vdot(r, r) + np.vdot(B, B) + sizes @ tau2) * precision),
            "V": beta * E_mx - W.T @ E_rx * precision,
            "c": beta * m - W.T @ r * precision,
            "log_tau": tau2 * (sizes * precision + beta) - (beta if latent_term == "kl" else 0.0),
        }


class LinearFit(NamedTuple):
    """A trained linear VAE, its `loss`, and what certifies an optimum, for data measured in their standard deviation:
    the largest entry of the `gradient` in the directions that were free, and the least `curvature`, the smallest
    eigenvalue of the Hessian, which is negative at a saddle."""

    vae: LinearVAE
    loss: float
    gradient: float
    curvature: float


def fit_linear(
    start: LinearVAE,
    data: Data,
    latent_term: str = "kl",
    beta: float = 1.0,
    along: Mapping[str, ArrayLike] | None = None,
    iterations: int = 5_000,
) -> LinearFit:
    r"""Train a linear VAE by L-BFGS on the exact `loss`; nothing is sampled.

    Where the gradient vanishes without an optimum, at a saddle, training goes on downhill.

    Parameters
    ----------
    start : LinearVAE
        Where training begins.
    data : MultivariateNormal or array_like, shape (n, d)
    latent_term, beta
        See `loss`. With ``"nll"``, and with β = 0, τ falls for as long as you train, and there is no optimum unless
        ``log_tau`` is held; for β = 0, V or W as well.
    along : dict, optional
        Restrictions, by the keys of `gradient`. ``{"W": directions}`` lets W move from its start only along the given
        directions (m, d, k). ``{"log_tau": np.ones((1, k))}`` moves all of tau together,
        ``{"log_tau": np.zeros((0, k))}`` holds it.
    iterations : int
        At most so many steps.

    Returns
    -------
    LinearFit
        Its `gradient` and `curvature` certify an optimum, or deny it if `iterations` were too few.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, `along` names no parameter, or the loss has no optimum: see above; or the data lie
        in a plane that the decoder can fill, so that σ falls to zero.

    References
    ----------
    Lucas, Tucker, Grosse and Norouzi (2019), who prove that the only other stationary points are saddles.

    Examples
    --------
    >>> data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    >>> fit = fit_linear(start_linear(data, 1, rng=0), data)
    >>> round(fit.vae.sd**2, 6), bool(np.isclose(fit.loss, data.entropy()))
    (2.0, True)
    >>> fit.gradient < 1e-6, fit.curvature > -1e-6
    (True, True)
    """
    where = "fit_linear"
    _check_linear(where, "start", start)
    given = _checked(where, start, data, latent_term, beta)
    left = _size(where, "iterations", iterations, "Pass e.g. 5_000.")
    unit = _spread(where, given[1])
    free = _Free(where, start, along, unit)
    _check_that_an_optimum_exists(free, *given[1:])

    def objective(theta):
        vae = free.at(theta)
        return _loss(vae, *given), free.of(_gradient(vae, *given))

    theta, options = np.zeros(free.size), {"maxcor": 40, "ftol": 0.0, "gtol": 1e-10}
    while True:
        found = optimize.minimize(
            objective, theta, jac=True, method="L-BFGS-B", options={**options, "maxiter": left, "maxfun": 2 * left}
        )
        vae, (loss, slopes) = free.at(found.x), objective(found.x)
        hessian = _hessian(lambda theta: objective(theta)[1], found.x)
        if not (math.isfinite(loss) and np.all(np.isfinite(slopes)) and np.all(np.isfinite(hessian))):
            fix = "Data, decoder and beta are too far apart for doubles: start nearer."
            checks.fail(where, "loss with its slopes", float(loss), "finite numbers", fix)
        if vae.sd < 1e-7 * unit:
            fix = "There the likelihood has no maximum: take fewer latents, or drop coordinates that others determine."
            checks.fail(where, "sd, relative to the data", vae.sd / unit, "data that do not lie in a plane", fix)
        curvatures, directions = np.linalg.eigh(hessian) if free.size else (np.zeros(1), np.zeros((0, 1)))
        left -= found.nit + 1
        if left <= 0 or curvatures[0] >= -1e-6 * np.max(np.abs(curvatures)):
            break
        steps = np.outer([0.1, -0.1], directions[:, 0])  # off the saddle, to the lower side
        theta = found.x + min(steps, key=lambda step: objective(found.x + step)[0])
    return LinearFit(vae, float(loss), float(np.max(np.abs(slopes), initial=0.0)), float(curvatures[0]))


def _check_that_an_optimum_exists(free, root, latent_term, beta):
    (d, k), rank = free.start["W"].shape, int(np.linalg.matrix_rank(root))
    if rank <= k and rank < d and free.unrestricted:
        fix = "The likelihood has no maximum: take fewer latents, or drop coordinates that others determine."
        checks.fail("fit_linear", "rank of data", rank, f"data that do not lie in a plane of {k} dimensions", fix)
    moves = {name for name, directions in free.directions.items() if len(directions)}
    falling = latent_term == "nll" or beta == 0
    if (falling and "log_tau" in moves) or (beta == 0 and {"W", "V"} <= moves):
        held = 'along={"log_tau": np.zeros((0, k))' + (', "V": np.zeros((0, k, d))}' if beta == 0 else "}")
        fix = f"Its codes shrink for as long as you train: watch them with descend, or hold them: {held}."
        checks.fail("fit_linear", "latent_term, beta", (latent_term, beta), "a loss that has an optimum", fix)


def _hessian(slopes, theta, step=1e-4):
    """The Hessian, by central differences of the gradient."""
    shifts = step * np.eye(len(theta))
    with np.errstate(over="ignore", invalid="ignore"):
        half = np.array([slopes(theta + shift) - slopes(theta - shift) for shift in shifts]) / (4 * step)
        return half + half.T


def descend(
    start: LinearVAE,
    data: Data,
    steps: int,
    learning_rate: float,
    latent_term: str = "kl",
    beta: float = 1.0,
    along: Mapping[str, ArrayLike] | None = None,
) -> list[LinearVAE]:
    r"""The linear VAEs along plain gradient descent on the exact `loss`: a list of `steps` + 1.

    The parameters are W, b, log σ, V, c and log τ; `learning_rate` is the length of a step. Other arguments as in
    `fit_linear`.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit, or the steps are too long and a parameter is no longer finite.

    Examples
    --------
    >>> data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    >>> path = descend(start_linear(data, 1, rng=0), data, steps=300, learning_rate=0.2)
    >>> len(path), round(path[-1].sd**2, 2)
    (301, 2.0)
    """
    where, fix = "descend", "Pass e.g. 0.01."
    _check_linear(where, "start", start)
    given = _checked(where, start, data, latent_term, beta)
    free = _Free(where, start, along)
    rate = float(
        checks.positive(where, "learning_rate", checks.scalar(where, "learning_rate", learning_rate, fix), fix)
    )
    theta, path = np.zeros(free.size), [start]
    for step in range(1, 1 + _size(where, "steps", steps, "Pass how many steps to take.")):
        with np.errstate(over="ignore", invalid="ignore"):
            theta = theta - rate * free.of(_gradient(path[-1], *given))
        new = free.at(theta)
        if not (np.all(np.isfinite(theta)) and 0 < new.sd < np.inf and np.all((0 < new.tau) & (new.tau < np.inf))):
            expected = f"steps so short that all stays finite (step {step} did not)"
            checks.fail(where, "learning_rate", rate, expected, "Pass a smaller one.")
        path.append(new)
    return path


class _Free:
    """A flat vector of what is free to move: coefficients of directions, by default one for each entry of each
    parameter, for x in the given unit."""

    def __init__(self, where, start, along, unit=1.0):
        self.start = {"W": start.W, "b": start.b, "log_sd": np.log(start.sd)}
        self.start |= {"V": start.V, "c": start.c, "log_tau": np.log(start.tau)}
        along = {} if along is None else along
        fix = 'Pass a dict such as {"log_tau": np.zeros((0, k))}.'
        if not isinstance(along, Mapping):
            checks.fail(where, "along", along, "a dict of directions by parameter, or None", fix, TypeError)
        for name in along:
            if name not in self.start:
                expected = f"one of {tuple(self.start)}"
                checks.fail(where, "a key of along", name, expected, "Name the parameter to restrict.")
        self.unrestricted, self.directions = not along, {}
        for name, value in self.start.items():
            free = np.eye(value.size).reshape(-1, *value.shape)
            if name in along:
                free = checks.real_array(where, f"along[{name!r}]", along[name], fix)
                checks.require(where, f"along[{name!r}]", free, np.isfinite(free), "a finite number", fix)
            if free.ndim == 0 or free.shape[1:] != value.shape:
                shape = ", ".join(("m", *map(str, value.shape)))
                fix = "Stack the m directions on the first axis."
                checks.fail(where, f"shape of along[{name!r}]", free.shape, f"({shape})", fix)
            self.directions[name] = free.reshape(len(free), value.size) * unit ** {"W": 1, "b": 1, "V": -1}.get(name, 0)
        self.size = sum(map(len, self.directions.values()))

    def at(self, theta):
        moved, place = {}, 0
        for name, free in self.directions.items():
            moved[name] = self.start[name] + (theta[place : place + len(free)] @ free).reshape(self.start[name].shape)
            place += len(free)
        with np.errstate(over="ignore", under="ignore"):
            moved |= {"sd": np.exp(moved.pop("log_sd")), "tau": np.exp(moved.pop("log_tau"))}
        return LinearVAE._trusted(**moved)

    def of(self, slopes):
        return np.concatenate([self.directions[name] @ slopes[name].ravel() for name in self.directions])


# --- sampling the latent term -------------------------------------------------------------------------------------
def sampled_kl_gradient(mean: float, tau: float, noise: ArrayLike) -> np.ndarray:
    r"""One-draw estimates of the gradient of :math:`\mathrm{KL}(\mathcal N(m, \tau^2)\,\|\,\mathcal N(0, 1))` by
    :math:`(m, \log\tau)`.

    The draw is :math:`z = m + \tau\varepsilon`, the estimate the derivative of
    :math:`\log q(z) - \log p(z) = -\log\tau - \tfrac12\varepsilon^2 + \tfrac12 z^2`, that is
    :math:`(z,\ \tau\varepsilon z - 1)`. Its mean is the exact gradient :math:`(m,\ \tau^2 - 1)`, its variance
    :math:`(\tau^2,\ m^2\tau^2 + 2\tau^4)`.

    Parameters
    ----------
    mean, tau : float
    noise : array_like, shape (n,)
        Standard normal draws.

    Returns
    -------
    ndarray, shape (n, 2)

    References
    ----------
    Kingma and Welling (2014), appendix B; Roeder, Wu and Duvenaud (2017).

    Examples
    --------
    >>> sampled_kl_gradient(1.0, 0.5, [-1.0, 1.0]).tolist()
    [[0.5, -1.25], [1.5, -0.25]]
    """
    where = "sampled_kl_gradient"
    mean, tau = (
        checks.scalar(where, name, value, "Pass one number.") for name, value in (("mean", mean), ("tau", tau))
    )
    checks.positive(where, "tau", tau, "Pass a standard deviation.")
    noise = checks.finite(where, "noise", noise, "Pass standard normal draws.")
    with np.errstate(over="ignore", invalid="ignore"):
        z = mean + tau * noise
        estimates = np.stack([z, tau * noise * z - 1], axis=-1)
    return checks.finite(where, "estimate", estimates, "Numbers as large as these leave the range of doubles.")


# --- a small non-linear VAE ---------------------------------------------------------------------------------------
class _Buffers(NamedTuple):
    """The arrays of one pass over a batch."""

    encoder: Workspace
    decoder: Workspace
    scratch: np.ndarray


class VAE:
    r"""A variational autoencoder of counts: two small networks, with gradients by hand.

    The model draws a code z, then every pixel as a count out of N trials. The encoder is normal with independent
    coordinates:

    .. math::

       p(z) = \mathcal N(0, I), \qquad p_\theta(x\mid z) = \prod_d \mathrm{Bin}(x_d;\, N, p_d(z)), \qquad
       q(z\mid x) = \prod_j \mathcal N(z_j;\, m_j(x), \tau_j(x)^2)

    One network with a layer of tanh units gives the log-odds of p from z, the other m and :math:`\log\tau` from x.
    Training minimises distortion + β × rate, each **summed** over pixels or codes and averaged over images:

    .. math::

       D = -\mathrm{E}_q[\log p_\theta(x\mid z)], \qquad
       R = \mathrm{KL}(q(z\mid x)\,\|\,p(z)) = \sum_j \tfrac12\big(m_j^2 + \tau_j^2 - 1\big) - \log\tau_j

    with one :math:`z = m + \tau\odot\varepsilon`, :math:`\varepsilon\sim\mathcal N(0, I)`, an image and epoch. The
    binomial coefficients are part of D: :math:`p_\theta(x)` is a probability, and :math:`-D - R` is its evidence lower
    bound in nats.

    Parameters
    ----------
    pixels, hidden, latent : int
        Numbers of pixels of an image, tanh units of each network, coordinates of z.
    trials : int
        N: pixels are whole numbers from 0 to N. With 1 their distribution is Bernoulli.
    beta : float
        β, at least 0; 1 gives the evidence lower bound.
    latent_term : {"kl", "sampled", "nll"}
        What β multiplies in training: ``"kl"`` is R in closed form; ``"sampled"`` its one-draw estimate
        :math:`\log q(z\mid x) - \log p(z)`; ``"nll"`` scores the codes by the prior,
        :math:`\mathrm{E}_q[-\log p(z)] = R + \mathrm{H}(q)`, and bounds nothing.
    dtype : {"float64", "float32"}
        Numbers of both networks.
    rng : numpy.random.Generator or int
        Draws the first weights.

    Attributes
    ----------
    theta : Parameters
        All weights: ``theta.flat`` (k,), named ``encoder.W1``, ``encoder.b1``, ..., ``decoder.b2``.
    history : dict of lists
        ``objective``, ``elbo``, ``distortion`` and ``rate`` of each epoch, averaged over images while the weights
        moved.
    made : dict
        What the file that it was loaded from says of how it was made; else empty.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, β is negative, or an option is unknown.

    References
    ----------
    Kingma and Welling (2014); Rezende, Mohamed and Wierstra (2014); Higgins et al. (2017) for β.

    Examples
    --------
    >>> from companion.lesson.datasets import digits
    >>> x = digits().images
    >>> vae = VAE(rng=0).fit(x, epochs=20, rng=1)
    >>> elbo = vae.history["elbo"]
    >>> len(elbo), bool(elbo[-1] > elbo[0] + 100)
    (20, True)
    >>> mean, tau = vae.encode(x)
    >>> mean.shape, vae.decode(mean).shape
    ((1797, 2), (1797, 64))
    """

    # --- sizes and weights
    def __init__(
        self,
        pixels: int = 64,
        hidden: int = 64,
        latent: int = 2,
        trials: int = 16,
        beta: float = 1.0,
        latent_term: str = "kl",
        dtype: DTypeLike = "float64",
        rng: np.random.Generator | int = 0,
    ):
        given = {"pixels": pixels, "hidden": hidden, "latent": latent, "trials": trials}
        fix = "The digits have pixels=64 and trials=16."
        self.pixels, self.hidden, self.latent, self.trials = (_size("VAE", *pair, fix) for pair in given.items())
        self.beta, self.latent_term = _weight("VAE", beta), _one_of("VAE", latent_term, ("kl", "sampled", "nll"))
        if _dtype_name(dtype) not in ("float64", "float32"):
            checks.fail("VAE", "dtype", dtype, '"float64" or "float32"', 'Pass "float32" for speed.')
        self.dtype = np.dtype(_dtype_name(dtype))
        rng = checks.generator("VAE", rng)
        layers = _layers(self.pixels, self.hidden, self.latent)
        shapes = {name: shape for part, sizes in layers.items() for name, shape in Network.shapes(sizes, part).items()}
        self.theta, self._gradient = Parameters(shapes, dtype), Parameters(shapes, dtype)
        self._encoder, self._decoder = (
            Network(sizes, self.theta, self._gradient, part) for part, sizes in layers.items()
        )
        self._encoder.draw(rng)
        self._decoder.draw(rng)
        self._adam = Adam(self.theta.flat.size, dtype)
        self.history: dict[str, list[float]] = {name: [] for name in ("objective", "elbo", "distortion", "rate")}
        self.made: dict[str, Any] = {}

    # --- the objective and its gradient
    def _forward_and_backward(self, g, noise, work):
        """Write the gradient per image, for images g = 2x/N − 1 and noise ε. Return D without the binomial
        coefficients, R, and the term that β multiplies, each summed over images."""
        n, k, N = len(g), self.latent, self.trials
        # encode: z = m + τ ε
        code = self._encoder._forward(g, work.encoder)
        m, log_tau = code[:, :k].copy(), code[:, k:].copy()
        tau = np.exp(log_tau)
        away = tau * noise
        z = m + away
        # decode: half the log-odds h, p = (1 + t)/2 with t = tanh h
        h, t = self._decoder._forward(z, work.decoder), work.decoder.d[-1]
        h *= 0.5
        np.tanh(h, out=t)
        # D = −Σ x log p + (N − x) log(1 − p) = N Σ log(2 cosh h) − g h, and log(2 cosh h) = |h| + log 2 − log(1 + |t|)
        linear, s = float(np.vdot(g, h)), work.scratch
        np.abs(t, out=s)
        np.log1p(s, out=s)
        np.abs(h, out=h)
        h -= s
        distortion = N * (float(h.sum()) + g.size * math.log(2) - linear)
        # its derivative by the log-odds is N p − x, a residual: what the decoder expects less what it sees
        t -= g
        t *= N / (2 * n)
        dz = self._decoder._backward(z, work.decoder, t, inputs=True)
        # the latent term, with its derivatives by m and log τ
        excess = np.expm1(
            2 * log_tau
        )  # τ² − 1; the rate as `_kl_to_prior` has it, at a tenth of the time: of a sum over
        # a batch only the leading digits are wanted
        rate = 0.5 * (float(np.vdot(m, m)) + float(excess.sum())) - float(log_tau.sum())
        if self.latent_term == "kl":
            term, by_m, by_log_tau = rate, m, excess
        elif self.latent_term == "nll":  # the rate and the entropy of the encoder
            term = rate + float(log_tau.sum()) + 0.5 * z.size * (1 + float(_LOG_2PI))
            by_m, by_log_tau = m, tau * tau
        else:  # sampled: log q(z|x) − log p(z) = −log τ − ε²/2 + z²/2
            term, by_m, by_log_tau = (
                0.5 * float(np.vdot(z, z) - np.vdot(noise, noise)) - float(log_tau.sum()),
                z,
                z * away - 1,
            )
        weight, d = self.beta / n, work.encoder.d[-1]
        d[:, :k] = dz + weight * by_m
        d[:, k:] = dz * away + weight * by_log_tau
        self._encoder._backward(g, work.encoder, d)
        return distortion, rate, term

    def value_and_gradient(self, x: ArrayLike, noise: ArrayLike) -> tuple[float, np.ndarray]:
        """Training objective per image for images `x` (n, pixels) and noise ε (n, latent), and its gradient by
        ``theta.flat`` (k,): what `fit` follows on a batch.

        Examples
        --------
        >>> vae, x, noise = VAE(pixels=4, hidden=3, latent=1, trials=1), [[0, 1, 1, 0]], [[0.3]]
        >>> value, gradient = vae.value_and_gradient(x, noise)
        >>> vae.theta.flat[0] += 1e-6
        >>> bool(np.isclose((vae.value_and_gradient(x, noise)[0] - value) / 1e-6, gradient[0], rtol=1e-4))
        True
        """
        x = self._images("value_and_gradient", x)
        noise = checks.finite("VAE.value_and_gradient", "noise", noise, "Pass rng.standard_normal((n, latent)).")
        if noise.shape != (len(x), self.latent):
            checks.fail(
                "VAE.value_and_gradient",
                "shape of noise",
                noise.shape,
                f"{(len(x), self.latent)}",
                "One row for each image.",
            )
        distortion, _, term = self._forward_and_backward(
            self._scaled(x), noise.astype(self.dtype), self._buffers(len(x))
        )
        value = float((distortion - self._log_coefficient(x).sum() + self.beta * term) / len(x))
        checks.scalar("VAE.value_and_gradient", "objective", value, "The weights have diverged: start again.")
        return value, self._gradient.flat.astype(float)

    def _images(self, method, x):
        where, fix = f"VAE.{method}", f"Pass images as counts from 0 to {self.trials}, shape (n, {self.pixels})."
        x = checks.parameter(where, "x", x, fix)
        if x.ndim != 2 or x.shape[1] != self.pixels:
            checks.fail(where, "shape of x", x.shape, f"(n, {self.pixels})", fix)
        checks.require(
            where,
            "x",
            x,
            (x >= 0) & (x <= self.trials) & (x == np.floor(x)),
            f"a whole number from 0 to {self.trials}",
            fix,
        )
        return x

    def _scaled(self, x):
        return (x / (0.5 * self.trials) - 1).astype(self.dtype)

    def _log_coefficient(self, x):
        N, j = self.trials, np.arange(self.trials + 1)
        return (gammaln(N + 1) - gammaln(j + 1) - gammaln(N - j + 1))[x.astype(int)].sum(axis=-1)

    def _buffers(self, n):
        return _Buffers(self._encoder.workspace(n), self._decoder.workspace(n), np.empty((n, self.pixels), self.dtype))

    # --- training
    def fit(
        self,
        x: ArrayLike,
        epochs: int,
        rng: np.random.Generator | int,
        learning_rate: ArrayLike = 0.01,
        batch: int = 128,
        progress: bool = False,
    ) -> VAE:
        """Train with Adam. A second call goes on where the first one stopped.

        Parameters
        ----------
        x : array_like, shape (n, pixels)
            Images as counts.
        epochs : int
            Passes over all images, each in a new order and with new noise.
        rng : numpy.random.Generator or int
            Draws order and noise.
        learning_rate : float or array_like, shape (epochs,)
            That of Adam: one for all epochs, or one for each.
        batch : int
            Images in a step, at most: batches are cut to equal lengths.
        progress : bool
            Print a line about ten times in the course of the training, worth it where it takes longer than some
            seconds: an epoch of the 1,797 digits takes about a hundredth of a second.

        Returns
        -------
        VAE
            Itself.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or the objective is not finite: then the message names epoch and step, and the
            step is not taken.
        """
        x, rng = self._images("fit", x), checks.generator("VAE.fit", rng)
        epochs, batch = (
            _size("VAE.fit", name, value, "Pass e.g. epochs=200, batch=128.")
            for name, value in (("epochs", epochs), ("batch", batch))
        )
        _flag("VAE.fit", "progress", progress)
        rates = checks.positive("VAE.fit", "learning_rate", learning_rate, "Pass one for Adam, e.g. 0.01.")
        if rates.shape not in ((), (epochs,)):
            checks.fail(
                "VAE.fit",
                "shape of learning_rate",
                rates.shape,
                f"() or {(epochs,)}",
                "Pass one, or one for each epoch.",
            )
        g, log_coefficient, cuts = self._scaled(x), self._log_coefficient(x).sum(), batches(len(x), batch)
        work = {n: self._buffers(n) for n in {cut.stop - cut.start for cut in cuts}}
        shuffled, before = np.empty_like(g), len(self.history["elbo"])
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below
            for epoch, learning_rate in enumerate(np.broadcast_to(rates, epochs).tolist(), before + 1):
                np.take(g, rng.permutation(len(g)), axis=0, out=shuffled, mode="clip")
                noise = rng.standard_normal((len(g), self.latent)).astype(self.dtype)
                D, R, term = -log_coefficient, 0.0, 0.0
                for step, cut in enumerate(cuts, 1):
                    parts = self._forward_and_backward(shuffled[cut], noise[cut], work[cut.stop - cut.start])
                    if not math.isfinite(sum(parts)):
                        checks.fail(
                            "VAE.fit",
                            f"objective in epoch {epoch}, step {step}",
                            sum(parts),
                            "a finite number",
                            "Start again with a smaller learning_rate: the weights have diverged.",
                        )
                    self._adam.step(self.theta.flat, self._gradient.flat, learning_rate)
                    D, R, term = D + parts[0], R + parts[1], term + parts[2]
                D, R, term = float(D / len(g)), R / len(g), term / len(g)
                for name, value in (
                    ("objective", D + self.beta * term),
                    ("elbo", -D - R),
                    ("distortion", D),
                    ("rate", R),
                ):
                    self.history[name].append(value)
                if progress and (epoch - before) % max(1, epochs // 10) == 0:
                    print(
                        f"epoch {epoch}: ELBO {-D - R:.2f}, distortion {D:.2f}, rate {R:.2f} nats an image", flush=True
                    )
        return self

    # --- encoder, decoder, model
    def encode(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Mean m and standard deviation τ of q(z|x), each (n, latent), of images `x` (n, pixels)."""
        mean, log_tau = self._code("encode", x)
        return mean, np.exp(log_tau)

    def _code(self, method, x):
        """Mean and log τ of q(z|x), which must be finite."""
        code = self._through(self._encoder, self._scaled(self._images(method, x)))
        fix = "The weights of the encoder have diverged: train it again."
        with np.errstate(over="ignore", under="ignore"):
            tau = np.exp(code[:, self.latent :])
        checks.positive(f"VAE.{method}", "tau", tau, fix)
        return checks.finite(f"VAE.{method}", "mean code", code[:, : self.latent], fix), code[:, self.latent :]

    def encoder(self, x: ArrayLike) -> MultivariateNormal:
        """q(z|x) for images `x` (n, pixels): a batch of n `MultivariateNormal`, as `companion.latent` takes it."""
        mean, tau = self.encode(x)
        return MultivariateNormal.from_cholesky(mean, tau[:, :, None] * np.eye(self.latent))

    def decode(self, z: ArrayLike) -> np.ndarray:
        """Probabilities p(z) of one trial, (..., pixels), for codes `z` (..., latent)."""
        return expit(self._log_odds(self._codes("decode", z)))

    def log_likelihood(self, x: ArrayLike, z: ArrayLike) -> np.ndarray:
        r"""Conditional log-likelihood :math:`\log p_\theta(x_i\mid z_{ij})` in nats, (n, m).

        Parameters
        ----------
        x : array_like, shape (n, pixels)
            Images.
        z : array_like, shape (n, m, latent) or (1, m, latent)
            Codes: m for each image, or m that all images share, which is much faster.

        Examples
        --------
        With images fixed it is a model for `companion.latent`, here for the evidence of every image of two black or
        white pixels: their probabilities sum to one.

        >>> from functools import partial
        >>> from companion.latent import evidence_on_grid
        >>> vae, every = VAE(pixels=2, hidden=3, latent=1, trials=1), [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> log_p_x, error, method = evidence_on_grid(partial(vae.log_likelihood, every), k=1, spacing=0.1)
        >>> round(float(np.exp(log_p_x).sum()), 12)
        1.0
        """
        x = self._images("log_likelihood", x)
        z = self._codes("log_likelihood", z)
        if z.ndim != 3 or len(z) not in (1, len(x)):
            checks.fail(
                "VAE.log_likelihood",
                "shape of z",
                z.shape,
                f"({len(x)} or 1, m, {self.latent})",
                "Add axes, e.g. z[None].",
            )
        value = np.repeat(self._log_coefficient(x)[:, None], z.shape[1], axis=1)
        size = max(1, 1_000_000 // (len(z) * self.pixels))
        for cut in (slice(start, start + size) for start in range(0, z.shape[1], size)):  # some megabytes at a time
            l = self._log_odds(z[:, cut])
            value[:, cut] += x @ l[0].T if len(l) == 1 else (l @ x[:, :, None])[..., 0]
            value[:, cut] -= self.trials * np.sum(np.log1p(np.exp(-np.abs(l))) + np.maximum(l, 0), axis=-1)
        return value

    def sample(self, n: int, rng: np.random.Generator | int) -> np.ndarray:
        """`n` images drawn from the model, (n, pixels): z from the prior, then each pixel from its binomial."""
        n, rng = _size("VAE.sample", "n", n, "Pass how many images to draw."), checks.generator("VAE.sample", rng)
        return rng.binomial(self.trials, self.decode(rng.standard_normal((n, self.latent)))).astype(float)

    def _codes(self, method, z):
        z = checks.finite(f"VAE.{method}", "z", z, f"Pass codes, shape (..., {self.latent}).")
        if z.shape[-1:] != (self.latent,):
            checks.fail(
                f"VAE.{method}",
                "shape of z",
                z.shape,
                f"(..., {self.latent})",
                "The last axis holds the coordinates of a code.",
            )
        return z

    def _log_odds(self, z):
        return self._through(self._decoder, z.reshape(-1, self.latent).astype(self.dtype)).reshape(
            *z.shape[:-1], self.pixels
        )

    def _through(self, network, a):
        return network._forward(a, network.workspace(len(a))).astype(float)

    # --- bounds
    def distortion_and_rate(
        self, x: ArrayLike, rng: np.random.Generator | int, draws: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """D (n,), averaged over `draws` codes an image, and R (n,), in closed form, of images `x` (n, pixels), in
        nats."""
        return self._parts("distortion_and_rate", x, rng, draws)

    def elbo(self, x: ArrayLike, rng: np.random.Generator | int, draws: int = 1) -> np.ndarray:
        """Evidence lower bound −D − R of each image, (n,), in nats: unbiased, from `draws` codes an image."""
        distortion, rate = self._parts("elbo", x, rng, draws)
        return -distortion - rate

    def _parts(self, method, x, rng, draws):
        mean, log_tau = self._code(method, x)
        noise = self._noise(method, len(mean), draws, rng)
        distortion = -self.log_likelihood(x, mean[:, None] + np.exp(log_tau)[:, None] * noise).mean(axis=1)
        return distortion, np.sum(_kl_to_prior(mean, log_tau), axis=1)

    def log_weights(self, x: ArrayLike, draws: int, rng: np.random.Generator | int) -> np.ndarray:
        r"""Logarithms of importance weights, :math:`\log p_\theta(x\mid z) + \log p(z) - \log q(z\mid x)` at `draws`
        codes from q(z|x): (n, draws). Their mean is the evidence lower bound, the log of their mean weight a tighter
        one.

        References
        ----------
        Burda, Grosse and Salakhutdinov (2016).
        """
        mean, log_tau = self._code("log_weights", x)
        noise = self._noise("log_weights", len(mean), draws, rng)
        z = mean[:, None] + np.exp(log_tau)[:, None] * noise
        return self.log_likelihood(x, z) + np.sum(0.5 * noise**2 - 0.5 * z**2 + log_tau[:, None], axis=-1)

    def _noise(self, method, n, draws, rng):
        draws = _size(f"VAE.{method}", "draws", draws, "Pass how many codes to draw for each image, e.g. 10.")
        return checks.generator(f"VAE.{method}", rng).standard_normal((n, draws, self.latent))

    # --- files
    _settings = ("pixels", "hidden", "latent", "trials", "beta", "latent_term")

    def save(self, file: stored_files.File, made: Mapping | None = None, compact: bool = False) -> None:
        """Write weights, settings, history and the state of Adam to `file`, a path or a binary file.

        Parameters
        ----------
        file : path or binary file
            Its format is told in `companion.stored_files`: numpy arrays, no code.
        made : dict, optional
            How the model was made, in what JSON can hold, for whoever loads it; versions are added.
        compact : bool
            Only weights and history, and these in single precision: about a sixth of the size. What is loaded computes
            in its own precision from the rounded weights, and trains on with a new Adam.
        """
        where = "VAE.save"
        made = self.made if made is None else made
        if not isinstance(made, Mapping):
            checks.fail(where, "made", made, "a dict", 'Pass e.g. {"seed": 0}.', TypeError)
        settings = {name: getattr(self, name) for name in self._settings} | {"dtype": self.dtype.name}
        header = {
            "schema": _SCHEMA,
            "of": "VAE",
            "compact": _flag(where, "compact", compact),
            "settings": settings,
            "steps": self._adam.t,
        }
        arrays = {"theta": self.theta.flat} | {name: np.asarray(values) for name, values in self.history.items()}
        if compact:
            with np.errstate(over="ignore"):
                arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        else:
            arrays |= {"m": self._adam.m, "v": self._adam.v}
        for name, array in arrays.items():
            checks.require(where, name, array, np.isfinite(array), "a finite number", "Its training has diverged.")
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        stored_files.write(where, file, header | {"made": {**made, "versions": versions}}, arrays)

    @classmethod
    def load(cls, file: stored_files.File) -> VAE:
        """The VAE that `save` wrote to `file`; unless it is compact, it trains on as if it had never been away.

        Raises
        ------
        ValueError
            If the file is not whole, or holds anything but what `save` writes: the message names file and fault.

        >>> import io
        >>> vae, file = VAE(rng=3), io.BytesIO()
        >>> vae.save(file)
        >>> place = file.seek(0)
        >>> bool(np.all(VAE.load(file).theta.flat == vae.theta.flat))
        True
        """
        where = "VAE.load"
        header, arrays = stored_files.read(where, file)
        expect = lambda what, found, expected: stored_files.expect(where, file, what, found, expected)
        expect("schema", header.get("schema"), _SCHEMA)
        expect("of", header.get("of"), "VAE")
        expect("entries of the header", sorted(header), ["compact", "made", "of", "schema", "settings", "steps"])
        for name, kind in (("compact", bool), ("made", dict), ("settings", dict), ("steps", int)):
            expect(f"type of {name}", type(header[name]).__name__, kind.__name__)
        settings, compact = header["settings"], header["compact"]
        expect("names of settings", sorted(settings), sorted((*cls._settings, "dtype")))
        state = {} if compact else {"m", "v"}
        expect("names of arrays", sorted(arrays), sorted({"theta", "objective", "elbo", "distortion", "rate", *state}))
        try:
            sizes = [
                checks.positive_integer("VAE", name, settings[name], "") for name in ("pixels", "hidden", "latent")
            ]
            layers = _layers(*sizes).values()
            count = sum(math.prod(shape) for layer in layers for shape in Network.shapes(layer).values())
            if arrays["theta"].shape != (count,):  # before memory is asked for
                raise ValueError(f"theta has the shape {arrays['theta'].shape}, not {(count,)}")
            vae = cls(**settings)
        except (TypeError, ValueError) as reason:
            stored_files.broken(where, file, str(reason))
        epochs = arrays["elbo"].shape[:1]
        for name, array in arrays.items():
            own, shape = (float, epochs) if name in vae.history else (vae.dtype, (count,))
            expect(f"shape of {name}", array.shape, shape)
            expect(f"type of {name}", array.dtype.name, np.dtype(np.float32 if compact else own).name)
        if header["steps"] < 0 or (state and np.any(arrays["v"] < 0)):
            stored_files.broken(where, file, "Adam has taken less than no step, or has seen a negative square")
        vae.theta.flat[:] = arrays["theta"]
        if state:
            vae._adam.m[:], vae._adam.v[:], vae._adam.t = arrays["m"], arrays["v"], header["steps"]
        vae.history = {name: arrays[name].tolist() for name in vae.history}
        vae.made = header["made"]
        return vae


_SCHEMA = 1  # of the files: raise it when what they hold changes


def _layers(pixels, hidden, latent):
    """Sizes of the layers of both networks, by the beginning of their names."""
    return {"encoder.": (pixels, hidden, 2 * latent), "decoder.": (latent, hidden, pixels)}


def stored(name: str) -> VAE:
    """A trained VAE of the chapter, by its name: a result of ``make models``, which trains all of them again.

    Its weights are in single precision, its figures therefore the same on every machine; ``made`` tells seeds, epochs
    and versions.

    >>> model = stored("digits-480")
    >>> model.made["network"], len(model.history["elbo"])
    ({'rng': 0}, 480)
    """
    folder = resources.files("companion.lesson").joinpath("data", "models")
    names = sorted(file.name.removesuffix(".npz") for file in folder.iterdir())
    if not isinstance(name, str) or name not in names:
        checks.fail("stored", "name", name, f"one of {', '.join(names)}", "make models trains them.")
    with folder.joinpath(f"{name}.npz").open("rb") as file:
        return VAE.load(file)
