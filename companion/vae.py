r"""The divergences in the objective of a variational autoencoder, each by a formula of its own.

The module of the chapter *When KL is not likelihood*. A decoder :math:`p_\theta(x\mid z)` and a fixed prior
:math:`p(z) = \mathcal N(0, I)` are a model of the data, an encoder :math:`q(z\mid x)` stands in for the posterior, and
training minimises

.. math::

   -\mathrm{ELBO} = \underbrace{\mathrm{E}[-\log p_\theta(x\mid z)]}_{\text{distortion}}
   + \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p(z))}_{\text{rate}}
   = \mathrm{H}(p_{\mathrm{data}}) +
   \underbrace{\mathrm{KL}(p_{\mathrm{data}}\,\|\,p_\theta)}_{\mathrm{KL}(\text{data}\,\|\,\text{model})} +
   \underbrace{\mathrm{E}\,\mathrm{KL}(q(z\mid x)\,\|\,p_\theta(z\mid x))}_{\text{gap}} .

Here for the linear VAE, in which every term has a closed form; `companion.digits` has the network. The names of
`companion.hidden.linear_vae`, `companion.hidden.linear_training` and `companion.digits` can be imported from here too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.digits import VAE, stored
from companion.families import MultivariateNormal
from companion.hidden.linear_training import LinearFit, descend, fit_linear, gradient, loss
from companion.hidden.linear_vae import (
    LinearVAE,
    _check_linear,
    _distortion,
    _moments,
    _posterior,
    _residual,
    kl_to_prior,
    start_linear,
)
from companion.special.remainders import phi

__all__ = [
    "VAE",
    "LinearFit",
    "LinearVAE",
    "Parts",
    "descend",
    "fit_linear",
    "gradient",
    "kl_to_prior",
    "loss",
    "objective_parts",
    "pop",
    "push",
    "sampled_kl_gradient",
    "start_linear",
    "stored",
    "whole_counts",
]


# --- the divergences in its objective ---------------------------------------------------------------------------------
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


# --- bits back ----------------------------------------------------------------------------------------------------
def whole_counts(p: ArrayLike, bits: int = 16) -> np.ndarray:
    r"""Whole numbers that sum to :math:`2^{\text{bits}}` and are close to proportional to the probabilities `p` (k,),
    each at least 1: the form in which `push` and `pop` take a distribution.

    Raises
    ------
    ValueError, TypeError
        If `p` is no probability vector, `bits` is not from 1 to 40, or there are more outcomes than counts.

    Examples
    --------
    >>> whole_counts([0.5, 0.25, 0.25, 0.0], bits=4).tolist()
    [7, 4, 4, 1]
    """
    where, fix = "whole_counts", "Pass e.g. bits=16."
    p = checks.probability_vector(where, "p", p)
    bits = checks.positive_integer(where, "bits", bits, fix)
    if p.ndim != 1 or bits > 40 or 2**bits < p.size:
        checks.fail(where, "shape of p, bits", (p.shape, bits), "(k,) and bits from log2(k) to 40", fix)
    counts = np.maximum(1, np.floor(p * 2**bits)).astype(np.int64)
    largest = np.argmax(counts)
    counts[largest] += 2**bits - counts.sum()
    if counts[largest] < 1:
        checks.fail(where, "bits", bits, "enough for all outcomes and their least count of 1", "Pass more bits.")
    return counts


def push(state: int, symbol: int, counts: ArrayLike) -> int:
    r"""Put a symbol on top of a message, which is one whole number: it grows by
    :math:`-\log_2(\text{counts}[\text{symbol}]/\sum\text{counts})` bits, of which a message that is long to begin with
    loses nothing to rounding.

    Parameters
    ----------
    state : int
        The message, at least 0.
    symbol : int
        Index of an outcome whose count is positive.
    counts : array_like of int, shape (k,)
        The distribution, see `whole_counts`.

    References
    ----------
    Duda (2009), asymmetric numeral systems.

    Examples
    --------
    >>> message = push(push(1, 2, [2, 1, 1]), 0, [2, 1, 1])     # two bits, then one
    >>> message.bit_length() - 1
    3
    >>> message, first = pop(message, [2, 1, 1])
    >>> message, second = pop(message, [2, 1, 1])
    >>> message, first, second
    (1, 0, 2)
    """
    counts, start = _table("push", state, counts)
    if isinstance(symbol, (bool, np.bool_)) or not isinstance(symbol, (int, np.integer)):
        checks.fail("push", "symbol", symbol, "an index of counts", "Pass a whole number.", TypeError)
    if not 0 <= symbol < len(counts) or counts[symbol] == 0:
        checks.fail("push", "symbol", symbol, "the index of a positive count", "It would cost infinitely many bits.")
    of = counts[symbol]
    return (state // of) * start[-1] + start[symbol] + state % of


def pop(state: int, counts: ArrayLike) -> tuple[int, int]:
    """Take the top symbol off a message: what is left of it, and the symbol. From a message of random bits this draws a
    symbol with the probabilities counts/Σ counts; `push` puts the bits back.

    >>> pop(11, [2, 1, 1])          # 11 mod 4 = 3: the last of the four places
    (2, 2)
    """
    counts, start = _table("pop", state, counts)
    left, place = divmod(state, start[-1])
    symbol = int(np.searchsorted(start, place, side="right")) - 1
    return counts[symbol] * left + place - start[symbol], symbol


def _table(where, state, counts):
    """Counts as Python's whole numbers, which never overflow, and their running sums."""
    if isinstance(state, (bool, np.bool_)) or not isinstance(state, (int, np.integer)):
        checks.fail(where, "state", state, "a whole number", "Begin with 1, or with random bits.", TypeError)
    if state < 0:
        checks.fail(where, "state", state, "a whole number, at least 0", "Begin with 1, or with random bits.")
    fix = "Make them with whole_counts(p)."
    table = checks.whole(where, "counts", counts, 0, fix)
    if table.ndim != 1 or not 0 < table.sum() < 2**53:
        checks.fail(where, "counts", table, "a vector of counts, one of them positive, of sum below 2⁵³", fix)
    whole = table.astype(np.int64).tolist()
    return whole, np.concatenate([[0], np.cumsum(table)]).astype(np.int64).tolist()
