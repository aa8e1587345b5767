r"""What models with standard normal latent variables share: the prior, a log-likelihood, and the importance weight.

A model is a function ``log_likelihood(z)`` of latents of shape (n, m, k), or (1, m, k) if all n observations share
them; it returns :math:`\log p(x_i\mid z_{ij})`, shape (n, m). The chapter module `companion.latent` has these names
too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import MultivariateNormal, Normal
from companion.integrals import cells

LOG_2PI = np.log(2 * np.pi)

#: log p(x_i|z_ij) of latents (n, m, k) or (1, m, k): (n, m).
LogLikelihood = Callable[[np.ndarray], np.ndarray]

__all__ = ["arch", "gaussian_decoder", "log_weights"]


# --- models -------------------------------------------------------------------------------------------------------
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
    sd = positive(where, "sd", sd, "Pass a standard deviation.")
    check_callable(where, decode, "decode")
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
        return -0.5 * distance - x.shape[1] * (np.log(sd) + 0.5 * LOG_2PI)

    return log_likelihood


def arch(z: ArrayLike) -> np.ndarray:
    """The bent line of the chapter, :math:`z \\mapsto (z, z^2)`: (..., 1) -> (..., 2)."""
    z = checks.real_array("arch", "z", z, "Pass latents along the last axis.")
    if z.shape[-1:] != (1,):
        checks.fail("arch", "shape of z", z.shape, "(..., 1)", "Add an axis, e.g. z[..., None].")
    return np.concatenate([z, z**2], axis=-1)


# --- prior and weight ---------------------------------------------------------------------------------------------
def log_prior(z):
    """Log-density of the standard normal prior at latents z (..., k): shape (...)."""
    return -0.5 * np.sum(z**2, axis=-1) - 0.5 * z.shape[-1] * LOG_2PI


def standard_normal(k):
    """The prior of k latents."""
    return MultivariateNormal(np.zeros(k), np.eye(k))


def as_gaussian(where, q, k=None):
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
    >>> from companion.hidden.ppca import ProbabilisticPCA
    >>> model = ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
    >>> x = [[3.0, 1.5]]
    >>> w = log_weights(gaussian_decoder(x, model.decode, model.sd), model.posterior(x), np.array([[[0.0], [1.3]]]))
    >>> bool(np.allclose(w, model.log_prob(x), rtol=1e-12))     # under the posterior the weight is the evidence
    True
    """
    q, z = as_gaussian("log_weights", q), checks.finite("log_weights", "z", z, "Pass latents.")
    if z.ndim != 3 or z.shape[-1] != q.dimension:
        checks.fail(
            "log_weights",
            "shape of z",
            z.shape,
            f"(n, m, {q.dimension}) or (1, m, {q.dimension})",
            "Add axes, e.g. z[None].",
        )
    return log_weights_at("log_weights", log_likelihood, q, z)


def log_weights_at(where, log_likelihood, q, z):
    """log p(x, z)/q(z) at latents z (draws, n, k), checked: shape (draws, n). Errors name the function `where`."""
    check_callable(where, log_likelihood)
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
    return values + log_prior(z) - q.log_prob(np.moveaxis(z, 1, 0)).T


# --- arguments ----------------------------------------------------------------------------------------------------
def positive(where, name, value, fix):
    """One positive number."""
    return float(checks.positive(where, name, checks.scalar(where, name, value, fix), fix))


def check_callable(where, function, name="log_likelihood"):
    """Fail unless `function` can be called."""
    if not callable(function):
        fix = (
            "Pass a function of z, e.g. gaussian_decoder(x, decode, sd)."
            if name == "log_likelihood"
            else "Pass a function."
        )
        checks.fail(where, name, function, "a function of z", fix, TypeError)


def size(where, name, value, fix, least=1, most=100_000_000, why=""):
    """A whole number from `least` to `most`."""
    value = checks.positive_integer(where, name, value, fix)
    if not least <= value <= most:
        expected, why = (
            (f"at least {least}", why) if value < least else (f"at most {most:,}", "That needs too much memory.")
        )
        checks.fail(where, name, value, expected, why)
    return value
