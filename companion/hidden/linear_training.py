r"""Training a linear VAE: the loss, its gradient by hand, and two ways down, nothing sampled.

The loss is :math:`\text{distortion} + \beta\cdot\text{latent term}`, where the latent term is the rate, or the negative
log-likelihood of the codes under the prior, which is the rate plus the entropy of the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from companion import checks
from companion.hidden.linear_vae import (
    LOG_2PI,
    Data,
    LinearVAE,
    _check_linear,
    _distortion,
    _kl_to_prior,
    _moments,
    _residual,
    _spread,
)
from companion.network import _size

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
    >>> from companion.families import MultivariateNormal
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
            term += np.sum(log_tau) + 0.5 * len(m) * (1 + LOG_2PI)
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
    >>> from companion.families import MultivariateNormal
    >>> from companion.hidden.linear_vae import start_linear
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
    >>> from companion.families import MultivariateNormal
    >>> from companion.hidden.linear_vae import start_linear
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
