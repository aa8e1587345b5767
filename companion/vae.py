r"""Variational autoencoders, and the divergences in their objective.

The module of the chapter *When KL is not likelihood*. A decoder :math:`p_\theta(x\mid z)` and a fixed prior
:math:`p(z) = \mathcal N(0, I)` are a model of the data, an encoder :math:`q(z\mid x)` stands in for the posterior, and training
minimises

.. math::

   -\mathrm{ELBO} = \underbrace{\mathrm{E}[-\log p_\theta(x\mid z)]}_{\text{distortion}}
   + \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p(z))}_{\text{rate}}
   = \mathrm{H}(p_{\mathrm{data}}) + \underbrace{\mathrm{KL}(p_{\mathrm{data}}\,\|\,p_\theta)}_{\mathrm{KL}(\text{data}\,\|\,\text{model})}
   + \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p_\theta(z\mid x))}_{\text{gap}} .

First the linear case, in which every term has a closed form; then a small network.
"""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import optimize
from scipy.special import expit, gammaln

from companion import checks
from companion.families import MultivariateNormal
from companion.latent import ProbabilisticPCA
from companion.network import Adam, Network, Parameters, Workspace, batches
from companion.remainders import phi

_LOG_2PI = np.log(2 * np.pi)


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
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[0.5**0.5])     # the encoder is the posterior
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
        for name, value in given.items():
            object.__setattr__(self, name, float(value) if name == "sd" else value)

    def model(self):
        """The decoder and the prior, a `ProbabilisticPCA`: p(x), p(z|x), in closed form. The encoder is no part of it."""
        return ProbabilisticPCA(self.W, self.b, self.sd)

    def encoder(self, x):
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

    def elbo(self, x):
        r"""Evidence lower bound of each observation, exactly,
        :math:`\mathrm{E}_q[\log p_\theta(x\mid z)] - \mathrm{KL}(q(z\mid x)\|p(z))`: (n, d) -> (n,), nats."""
        return self.model().elbo(x, self.encoder(x))

    def codes(self, data):
        r"""Distribution of all codes, the *aggregate posterior* :math:`q(z) = \mathrm{E}_{p_{\mathrm{data}}}[q(z\mid x)]`, for normal
        `data` (or observations, standing for the normal with their mean and covariance)."""
        mean, cov = _moments("LinearVAE.codes", data, len(self.b))
        return MultivariateNormal(self.V @ mean + self.c, _symmetric(self.V @ cov @ self.V.T) + np.diag(self.tau**2))

    def data_joint(self, data):
        r"""Joint of data and codes, :math:`p_{\mathrm{data}}(x)\,q(z\mid x)`, a `MultivariateNormal` of (x, z)."""
        mean, cov = _moments("LinearVAE.data_joint", data, len(self.b))
        codes = self.codes(data)
        return MultivariateNormal(
            np.concatenate([mean, codes.mean()]), np.block([[cov, cov @ self.V.T], [self.V @ cov, codes.cov]])
        )

    def model_joint(self):
        r"""Joint of the model, :math:`p(z)\,p_\theta(x\mid z)`, a `MultivariateNormal` of (x, z)."""
        k = len(self.c)
        cov = np.block([[self.model().marginal().cov, self.W], [self.W.T, np.eye(k)]])
        return MultivariateNormal(np.concatenate([self.b, np.zeros(k)]), cov)

    def with_best_encoder(self):
        """The same decoder with the encoder that closes the gap as far as independent codes can: mean and slope of the
        posterior, 1/tau² the diagonal of its precision.

        >>> vae = LinearVAE([[1.0]], [0.0], 1.0, [[0.0]], [0.0], [1.0]).with_best_encoder()
        >>> vae.V.round(12).tolist(), (vae.tau**2).round(12).tolist()
        ([[0.5]], [0.5])
        """
        slope, precision = _posterior(self)
        return LinearVAE(self.W, self.b, self.sd, slope, -slope @ self.b, np.diag(precision) ** -0.5)


def _posterior(vae):
    """Slope and precision of the posterior p(z|x) = N(slope (x − b), precision⁻¹)."""
    precision = np.eye(len(vae.c)) + vae.W.T @ vae.W / vae.sd**2
    return np.linalg.solve(precision, vae.W.T) / vae.sd**2, precision


def _symmetric(matrix):
    return (matrix + matrix.T) / 2


def start_linear(data, latents, rng):
    """A random linear VAE with codes of length `latents`, to start training from: small loadings and slopes, offset at the mean.

    >>> start_linear(np.eye(4), 2, rng=0).W.shape
    (4, 2)
    """
    mean, cov = _moments("start_linear", data, None)
    where, d, sd = "start_linear", len(mean), np.sqrt(np.trace(cov) / len(mean))
    k, rng = checks.sample_size(where, latents), checks.generator(where, rng)
    V = 0.1 * rng.standard_normal((k, d)) / sd
    return LinearVAE(0.1 * sd * rng.standard_normal((d, k)), mean, sd, V, -V @ mean, np.ones(k))


def _moments(where, data, d):
    """Mean and covariance of a normal distribution, or of observations (n, d): all that a linear VAE sees of its data."""
    if isinstance(data, MultivariateNormal) and not data.batch_shape:
        mean, cov = data.mean(), data.cov
    else:
        x, _ = checks.sample(where, data, None, 1, "Pass observations of shape (n, d), or one MultivariateNormal.")
        mean, cov = x.mean(axis=0), np.atleast_2d(np.cov(x.T, bias=True))
    if d is not None and len(mean) != d:
        checks.fail(
            where,
            "coordinates of data",
            len(mean),
            f"{d}, as many as the decoder has",
            "Use data and decoder of one length.",
        )
    return mean, cov


# --- the divergences in its objective -----------------------------------------------------------------------------
def kl_to_prior(mean, tau):
    r"""Elementwise :math:`\mathrm{KL}(\mathcal N(m, \tau^2)\,\|\,\mathcal N(0, 1)) = \tfrac12\big[\varphi(\tau^2 - 1) + m^2\big]`.

    >>> kl_to_prior([0.0, 1.0], [1.0, 1.0]).tolist()
    [0.0, 0.5]
    """
    mean, tau = np.asarray(mean, dtype=float), np.asarray(tau, dtype=float)
    return 0.5 * (phi((tau - 1) * (tau + 1), log_ratio=2 * np.log(tau)) + mean**2)


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


def objective_parts(vae, data):
    r"""All terms of a linear VAE's objective on a normal `data`, each by a formula of its own.

    None is a difference of others, so that the identities

    .. math::

       -\mathrm{ELBO} = \text{distortion} + \text{rate} = \text{entropy} + \text{joint}, \quad
       \text{joint} = \mathrm{KL}(\text{data}\,\|\,\text{model}) + \text{gap}, \quad \text{rate} = \text{information} + \text{codes}

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
        If `data` is not a normal distribution: the first four terms need its density.

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
    if not isinstance(data, MultivariateNormal):
        checks.fail(
            "objective_parts",
            "data",
            data,
            "a MultivariateNormal",
            "Fit one to a sample: MultivariateNormal.fit(x).",
            TypeError,
        )
    mean, cov = _moments("objective_parts", data, len(vae.b))
    error, _ = _second_moments(vae, mean, cov)
    k = len(vae.c)
    codes, prior = vae.codes(data), MultivariateNormal(np.zeros(k), np.eye(k))
    given_x = MultivariateNormal(np.zeros(k), np.diag(vae.tau**2))  # q(z|x), moved to zero
    slope, precision = _posterior(vae)
    away = codes.mean() - slope @ (mean - vae.b)  # mean code less mean of the posterior
    turn = vae.V - slope
    return Parts(
        distortion=float(_distortion(vae, error)),
        rate=float(np.sum(kl_to_prior(codes.mean(), vae.tau)) + 0.5 * np.trace(vae.V @ cov @ vae.V.T)),
        entropy=float(data.entropy()),
        data_model=float(data.kl_divergence(vae.model().marginal())),
        gap=float(
            given_x.kl_divergence(MultivariateNormal(np.zeros(k), np.linalg.inv(precision)))
            + 0.5 * (away @ precision @ away + np.trace(precision @ turn @ cov @ turn.T))
        ),
        joint=float(vae.data_joint(data).kl_divergence(vae.model_joint())),
        information=float(codes.entropy() - given_x.entropy()),
        codes=float(codes.kl_divergence(prior)),
    )


def _second_moments(vae, mean, cov):
    """E[r rᵀ] and E[r xᵀ] of the residual r = x − W m − b, with m = V x + c."""
    R = np.eye(len(mean)) - vae.W @ vae.V
    r = R @ mean - vae.W @ vae.c - vae.b
    return R @ cov @ R.T + np.outer(r, r), R @ cov + np.outer(r, mean)


def _distortion(vae, error):
    d = len(vae.b)
    return 0.5 * d * (_LOG_2PI + 2 * np.log(vae.sd)) + (np.trace(error) + np.sum(vae.W**2 @ vae.tau**2)) / (
        2 * vae.sd**2
    )


# --- training it --------------------------------------------------------------------------------------------------
TERMS = ("kl", "nll")


def loss(vae, data, latent_term="kl", beta=1.0):
    r"""Loss per observation: distortion + β × latent term.

    ``"kl"`` is the rate, :math:`\mathrm{E}\,\mathrm{KL}(q(z\mid x)\|p(z))`, so that with β = 1 the loss is −ELBO. ``"nll"`` scores
    the codes by the prior, :math:`\mathrm{E}\,\mathrm{E}_q[-\log p(z)]`, which is the rate plus the entropy of the encoder.

    Parameters
    ----------
    vae : LinearVAE
    data : MultivariateNormal or array_like, shape (n, d)
        A linear VAE sees only their mean and covariance.
    latent_term : {"kl", "nll"}
    beta : float

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[1.0])
    >>> x = np.array([[1.0], [-2.0]])
    >>> bool(np.isclose(loss(vae, x), -vae.elbo(x).mean()))
    True
    """
    return _loss_and_gradient(vae, *_checked("loss", vae, data, latent_term, beta))[0]


def gradient(vae, data, latent_term="kl", beta=1.0):
    r"""Gradient of `loss` by hand: a dict of arrays with the keys W, b, log_sd, V, c and log_tau.

    With the mean code :math:`m = Vx + c`, the residual :math:`r = x - Wm - b` and :math:`T = \mathrm{diag}(\tau^2)`,

    .. math::

       \nabla_W = \frac{WT - \mathrm{E}[rm^\top]}{\sigma^2}, \quad \nabla_b = -\frac{\mathrm{E}[r]}{\sigma^2}, \quad
       \nabla_{\log\sigma} = d - \frac{\mathrm{E}\|r\|^2 + \sum_j\tau_j^2\|w_j\|^2}{\sigma^2}

       \nabla_V = \beta\,\mathrm{E}[mx^\top] - \frac{W^\top\mathrm{E}[rx^\top]}{\sigma^2}, \quad
       \nabla_c = \beta\,\mathrm{E}[m] - \frac{W^\top\mathrm{E}[r]}{\sigma^2}, \quad
       \nabla_{\log\tau_j} = \tau_j^2\Big(\frac{\|w_j\|^2}{\sigma^2} + \beta\Big) - \beta .

    The last β is the gradient of the encoder's entropy. It is all that keeps :math:`\tau_j` from zero, and ``"nll"`` lacks it.

    Examples
    --------
    >>> vae = LinearVAE(W=[[1.0]], b=[0.0], sd=1.0, V=[[0.5]], c=[0.0], tau=[0.5**0.5])
    >>> data = MultivariateNormal([0.0], [[2.0]])
    >>> {name: abs(round(float(g.sum()), 9)) for name, g in gradient(vae, data).items()}
    {'W': 0.0, 'b': 0.0, 'log_sd': 0.0, 'V': 0.0, 'c': 0.0, 'log_tau': 0.0}
    """
    return _loss_and_gradient(vae, *_checked("gradient", vae, data, latent_term, beta))[1]


def _checked(where, vae, data, latent_term, beta):
    if latent_term not in TERMS:
        checks.fail(
            where,
            "latent_term",
            latent_term,
            f"one of {TERMS}",
            'Pass "kl" for the rate, "nll" to score codes by the prior.',
        )
    return (
        *_moments(where, data, len(vae.b)),
        latent_term,
        checks.scalar(where, "beta", beta, "Pass a number, e.g. 1.0."),
    )


def _loss_and_gradient(vae, mean, cov, latent_term, beta):
    W, V, tau2, var = vae.W, vae.V, vae.tau**2, vae.sd**2
    m = V @ mean + vae.c
    r = mean - W @ m - vae.b
    E_rr, E_rx = _second_moments(vae, mean, cov)
    E_mx = V @ cov + np.outer(m, mean)
    rate = np.sum(kl_to_prior(m, vae.tau)) + 0.5 * np.trace(V @ cov @ V.T)
    entropy = np.sum(np.log(vae.tau)) + 0.5 * len(m) * (1 + _LOG_2PI)
    value = _distortion(vae, E_rr) + beta * (rate + (entropy if latent_term == "nll" else 0.0))
    return value, {
        "W": (W * tau2 - E_rx @ V.T - np.outer(r, vae.c)) / var,
        "b": -r / var,
        "log_sd": np.asarray(len(r) - (np.trace(E_rr) + np.sum(W**2 @ tau2)) / var),
        "V": beta * E_mx - W.T @ E_rx / var,
        "c": beta * m - W.T @ r / var,
        "log_tau": tau2 * (np.sum(W**2, axis=0) / var + beta) - (beta if latent_term == "kl" else 0.0),
    }


class LinearFit(NamedTuple):
    """A trained linear VAE, its `loss`, and the largest entry of the `gradient` in the directions that were free."""

    vae: LinearVAE
    loss: float
    gradient: float


def fit_linear(start, data, latent_term="kl", beta=1.0, along=None, iterations=5_000):
    r"""Train a linear VAE by L-BFGS on the exact `loss`; nothing is sampled.

    Parameters
    ----------
    start : LinearVAE
        Where training begins.
    data : MultivariateNormal or array_like, shape (n, d)
    latent_term, beta
        See `loss`.
    along : dict, optional
        Restrictions, by the keys of `gradient`. ``{"W": directions}`` lets W move from its start only along the given
        directions (m, d, k). ``{"log_tau": np.ones((1, k))}`` moves all of tau together, ``{"log_tau": np.zeros((0, k))}``
        holds it.
    iterations : int
        At most so many steps.

    Returns
    -------
    LinearFit
        Its `gradient` certifies an optimum, or denies it: with ``"nll"`` there is none, and tau falls for as long as you train.

    Raises
    ------
    ValueError
        If an argument does not fit, or `along` names no parameter.

    References
    ----------
    Lucas, Tucker, Grosse and Norouzi (2019).

    Examples
    --------
    >>> data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    >>> fit = fit_linear(start_linear(data, 1, rng=0), data)
    >>> round(fit.vae.sd**2, 6), bool(np.isclose(fit.loss, data.entropy()))
    (2.0, True)
    """
    free = _Free("fit_linear", start, along)
    given = _checked("fit_linear", start, data, latent_term, beta)

    def objective(theta):
        value, slopes = _loss_and_gradient(free.at(theta), *given)
        return value, free.of(slopes)

    found = optimize.minimize(
        objective,
        np.zeros(free.size),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 40, "ftol": 0.0, "gtol": 1e-10},
    )
    return LinearFit(free.at(found.x), float(found.fun), float(np.max(np.abs(objective(found.x)[1]))))


def descend(start, data, steps, learning_rate, latent_term="kl", beta=1.0, along=None):
    r"""The linear VAEs along plain gradient descent on the exact `loss`: a list of `steps` + 1.

    The parameters are W, b, log σ, V, c and log τ; `learning_rate` is the length of a step. Other arguments as in `fit_linear`.

    Raises
    ------
    ValueError
        If the steps are too long and the loss is no longer finite.

    Examples
    --------
    >>> data = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
    >>> path = descend(start_linear(data, 1, rng=0), data, steps=300, learning_rate=0.2)
    >>> len(path), round(path[-1].sd**2, 2)
    (301, 2.0)
    """
    free = _Free("descend", start, along)
    given = _checked("descend", start, data, latent_term, beta)
    learning_rate = checks.scalar("descend", "learning_rate", learning_rate, "Pass e.g. 0.01.")
    checks.positive("descend", "learning_rate", learning_rate, "Pass e.g. 0.01.")
    theta, path = np.zeros(free.size), [start]
    for _ in range(checks.sample_size("descend", steps)):
        try:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                theta = theta - learning_rate * free.of(_loss_and_gradient(path[-1], *given)[1])
                path.append(free.at(theta))
        except ValueError:
            expected = f"steps so short that all stays finite (step {len(path)} did not)"
            checks.fail("descend", "learning_rate", learning_rate, expected, "Pass a smaller one.")
    return path


class _Free:
    """A flat vector of what is free to move: coefficients of directions, by default one for each entry of each parameter."""

    def __init__(self, where, start, along):
        self.start = {
            "W": start.W,
            "b": start.b,
            "log_sd": np.log(start.sd),
            "V": start.V,
            "c": start.c,
            "log_tau": np.log(start.tau),
        }
        self.directions = {}
        for name in along or {}:
            if name not in self.start:
                checks.fail(
                    where, "a key of along", name, f"one of {tuple(self.start)}", "Name the parameter to restrict."
                )
        for name, value in self.start.items():
            free = np.eye(value.size).reshape(-1, *value.shape)
            if along and name in along:
                free = checks.real_array(where, f"along[{name!r}]", along[name], "Pass an array of directions.")
            if free.shape[1:] != value.shape:
                shape = ", ".join(("m", *map(str, value.shape)))
                checks.fail(
                    where,
                    f"shape of along[{name!r}]",
                    free.shape,
                    f"({shape})",
                    "Stack the m directions on the first axis.",
                )
            self.directions[name] = free.reshape(len(free), value.size)
        self.size = sum(map(len, self.directions.values()))

    def at(self, theta):
        moved, place = {}, 0
        for name, free in self.directions.items():
            moved[name] = self.start[name] + (theta[place : place + len(free)] @ free).reshape(self.start[name].shape)
            place += len(free)
        return LinearVAE(
            moved["W"], moved["b"], np.exp(moved["log_sd"]), moved["V"], moved["c"], np.exp(moved["log_tau"])
        )

    def of(self, slopes):
        return np.concatenate([self.directions[name] @ slopes[name].ravel() for name in self.directions])


# --- sampling the latent term -------------------------------------------------------------------------------------
def sampled_kl_gradient(mean, tau, noise):
    r"""One-draw estimates of the gradient of :math:`\mathrm{KL}(\mathcal N(m, \tau^2)\,\|\,\mathcal N(0, 1))` by :math:`(m, \log\tau)`.

    The draw is :math:`z = m + \tau\varepsilon`, the estimate the derivative of
    :math:`\log q(z) - \log p(z) = -\log\tau - \tfrac12\varepsilon^2 + \tfrac12 z^2`, that is :math:`(z,\ \tau\varepsilon z - 1)`. Its
    mean is the exact gradient :math:`(m,\ \tau^2 - 1)`, its variance :math:`(\tau^2,\ m^2\tau^2 + 2\tau^4)`.

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
    z = mean + tau * noise
    return np.stack([z, tau * noise * z - 1], axis=-1)


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

    with one :math:`z = m + \tau\odot\varepsilon`, :math:`\varepsilon\sim\mathcal N(0, I)`, an image and epoch. The binomial
    coefficients are part of D: :math:`p_\theta(x)` is a probability, and :math:`-D - R` is its evidence lower bound in nats.

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
        ``objective``, ``elbo``, ``distortion`` and ``rate`` of each epoch, averaged over images while the weights moved.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, β is negative, or an option is unknown.

    References
    ----------
    Kingma and Welling (2014); Rezende, Mohamed and Wierstra (2014); Higgins et al. (2017) for β.

    Examples
    --------
    >>> from companion.datasets import digits
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
    def __init__(self, pixels=64, hidden=64, latent=2, trials=16, beta=1.0, latent_term="kl", dtype="float64", rng=0):
        given = {"pixels": pixels, "hidden": hidden, "latent": latent, "trials": trials}
        fix = "The digits have pixels=64 and trials=16."
        self.pixels, self.hidden, self.latent, self.trials = (
            checks.positive_integer("VAE", *pair, fix) for pair in given.items()
        )
        beta = checks.scalar("VAE", "beta", beta, "Pass the weight of the rate, e.g. 1.0.")
        if beta < 0:
            checks.fail("VAE", "beta", beta, "a number, at least 0", "Pass the weight of the rate, e.g. 1.0.")
        if latent_term not in ("kl", "sampled", "nll"):
            checks.fail(
                "VAE", "latent_term", latent_term, '"kl", "sampled" or "nll"', 'Pass "kl" for the evidence lower bound.'
            )
        if dtype not in ("float64", "float32", float, np.float64, np.float32):
            checks.fail("VAE", "dtype", dtype, '"float64" or "float32"', 'Pass "float32" for speed.')
        rng = checks.generator("VAE", rng)
        self.beta, self.latent_term, self.dtype = beta, latent_term, np.dtype(dtype)
        inward, outward = (self.pixels, self.hidden, 2 * self.latent), (self.latent, self.hidden, self.pixels)
        shapes = Network.shapes(inward, "encoder.") | Network.shapes(outward, "decoder.")
        self.theta, self._gradient = Parameters(shapes, dtype), Parameters(shapes, dtype)
        self._encoder = Network(inward, self.theta, self._gradient, "encoder.")
        self._decoder = Network(outward, self.theta, self._gradient, "decoder.")
        self._encoder.draw(rng)
        self._decoder.draw(rng)
        self._adam = Adam(self.theta.flat.size, dtype)
        self.history = {"objective": [], "elbo": [], "distortion": [], "rate": []}

    # --- the objective and its gradient
    def _forward_and_backward(self, g, noise, work):
        """Write the gradient per image, for images g = 2x/N − 1 and noise ε. Return D without the binomial coefficients,
        R, and the term that β multiplies, each summed over images."""
        n, k, N = len(g), self.latent, self.trials
        # encode: z = m + τ ε
        code = self._encoder.forward(g, work.encoder)
        m, log_tau = code[:, :k].copy(), code[:, k:].copy()
        tau = np.exp(log_tau)
        away = tau * noise
        z = m + away
        # decode: half the log-odds h, p = (1 + t)/2 with t = tanh h
        h, t = self._decoder.forward(z, work.decoder), work.decoder.d[-1]
        h *= 0.5
        np.tanh(h, out=t)
        # D = −Σ x log p + (N − x) log(1 − p) = N Σ log(2 cosh h) − g h, where log(2 cosh h) = |h| + log 2 − log(1 + |t|)
        linear, s = float(np.vdot(g, h)), work.scratch
        np.abs(t, out=s)
        np.log1p(s, out=s)
        np.abs(h, out=h)
        h -= s
        distortion = N * (float(h.sum()) + g.size * math.log(2) - linear)
        # its derivative by the log-odds is N p − x, a residual: what the decoder expects less what it sees
        t -= g
        t *= N / (2 * n)
        dz = self._decoder.backward(z, work.decoder, t, inputs=True)
        # the latent term, with its derivatives by m and log τ
        squares, tau2 = float(np.vdot(m, m) + np.vdot(tau, tau)), tau * tau
        rate = 0.5 * (squares - z.size) - float(log_tau.sum())
        if self.latent_term == "kl":
            term, by_m, by_log_tau = rate, m, tau2 - 1
        elif self.latent_term == "nll":
            term, by_m, by_log_tau = 0.5 * (squares + z.size * math.log(2 * math.pi)), m, tau2
        else:  # sampled: log q(z|x) − log p(z) = −log τ − ε²/2 + z²/2
            term, by_m, by_log_tau = (
                0.5 * float(np.vdot(z, z) - np.vdot(noise, noise)) - float(log_tau.sum()),
                z,
                z * away - 1,
            )
        weight, d = self.beta / n, work.encoder.d[-1]
        d[:, :k] = dz + weight * by_m
        d[:, k:] = dz * away + weight * by_log_tau
        self._encoder.backward(g, work.encoder, d)
        return distortion, rate, term

    def value_and_gradient(self, x, noise):
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
        value = (distortion - self._log_coefficient(x).sum() + self.beta * term) / len(x)
        return float(value), self._gradient.flat.astype(float)

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
    def fit(self, x, epochs, rng, learning_rate=0.01, batch=128, progress=False):
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
            Print a line about ten times in the course of the training.

        Returns
        -------
        VAE
            Itself.

        Raises
        ------
        ArithmeticError
            If the objective is not finite: the message names epoch and step. The step is not taken.
        """
        x, rng = self._images("fit", x), checks.generator("VAE.fit", rng)
        epochs, batch = (
            checks.positive_integer("VAE.fit", name, value, "Pass e.g. epochs=200, batch=128.")
            for name, value in (("epochs", epochs), ("batch", batch))
        )
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
                            ArithmeticError,
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
    def encode(self, x):
        """Mean m and standard deviation τ of q(z|x), each (n, latent), of images `x` (n, pixels)."""
        code = self._through(self._encoder, self._scaled(self._images("encode", x)))
        return code[:, : self.latent], np.exp(code[:, self.latent :])

    def encoder(self, x):
        """q(z|x) for images `x` (n, pixels): a batch of n `MultivariateNormal`, as `companion.latent` takes it."""
        mean, tau = self.encode(x)
        return MultivariateNormal.from_cholesky(mean, tau[:, :, None] * np.eye(self.latent))

    def decode(self, z):
        """Probabilities p(z) of one trial, (..., pixels), for codes `z` (..., latent)."""
        return expit(self._log_odds(self._codes("decode", z)))

    def log_likelihood(self, x, z):
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

    def sample(self, n, rng):
        """`n` images drawn from the model, (n, pixels): z from the prior, then each pixel from its binomial distribution."""
        n, rng = checks.sample_size("VAE.sample", n), checks.generator("VAE.sample", rng)
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
        return network.forward(a, network.workspace(len(a))).astype(float)

    # --- bounds
    def distortion_and_rate(self, x, rng, draws=1):
        """D (n,), averaged over `draws` codes an image, and R (n,), in closed form, of images `x` (n, pixels), in nats."""
        mean, tau = self.encode(x)
        noise = self._noise("distortion_and_rate", len(mean), draws, rng)
        distortion = -self.log_likelihood(x, mean[:, None] + tau[:, None] * noise).mean(axis=1)
        return distortion, np.sum(0.5 * (mean**2 + tau**2 - 1) - np.log(tau), axis=1)

    def elbo(self, x, rng, draws=1):
        """Evidence lower bound −D − R of each image, (n,), in nats: unbiased, from `draws` codes an image."""
        distortion, rate = self.distortion_and_rate(x, rng, draws)
        return -distortion - rate

    def log_weights(self, x, draws, rng):
        r"""Logarithms of importance weights, :math:`\log p_\theta(x\mid z) + \log p(z) - \log q(z\mid x)` at `draws` codes from
        q(z|x): (n, draws). Their mean is the evidence lower bound, the log of their mean weight a tighter one.

        References
        ----------
        Burda, Grosse and Salakhutdinov (2016).
        """
        mean, tau = self.encode(x)
        noise = self._noise("log_weights", len(mean), draws, rng)
        z = mean[:, None] + tau[:, None] * noise
        return self.log_likelihood(x, z) + np.sum(0.5 * noise**2 - 0.5 * z**2 + np.log(tau)[:, None], axis=-1)

    def _noise(self, method, n, draws, rng):
        draws = checks.positive_integer(
            f"VAE.{method}", "draws", draws, "Pass how many codes to draw for each image, e.g. 10."
        )
        return checks.generator(f"VAE.{method}", rng).standard_normal((n, draws, self.latent))

    # --- files
    _settings = ("pixels", "hidden", "latent", "trials", "beta", "latent_term")

    def save(self, file):
        """Write weights, settings, history and the state of Adam to `file` (a path or a binary file): numpy arrays, no code."""
        settings = {name: getattr(self, name) for name in self._settings} | {
            "dtype": self.dtype.name,
            "steps": self._adam.t,
        }
        with _opened(file, "wb") as target:
            np.savez(
                target, vae=json.dumps(settings), theta=self.theta.flat, m=self._adam.m, v=self._adam.v, **self.history
            )

    @classmethod
    def load(cls, file):
        """The VAE that `save` wrote to `file`; it answers and trains on as if it had never been away.

        >>> import io
        >>> vae, file = VAE(rng=3), io.BytesIO()
        >>> vae.save(file)
        >>> place = file.seek(0)
        >>> bool(np.all(VAE.load(file).theta.flat == vae.theta.flat))
        True
        """
        with _opened(file, "rb") as source:
            try:
                stored = dict(np.load(source, allow_pickle=False))
            except (ValueError, TypeError, EOFError):
                stored = {}
        if "vae" not in stored:
            checks.fail("VAE.load", "file", str(file), "a file that VAE.save has written", "Train a VAE and save it.")
        settings = json.loads(str(stored["vae"]))
        steps = settings.pop("steps")
        vae = cls(**settings)
        vae.theta.flat[:], vae._adam.m[:], vae._adam.v[:], vae._adam.t = (
            stored["theta"],
            stored["m"],
            stored["v"],
            steps,
        )
        vae.history = {name: stored[name].tolist() for name in vae.history}
        return vae


def _opened(file, mode):
    return open(file, mode) if isinstance(file, (str, Path)) else nullcontext(file)
