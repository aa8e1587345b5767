r"""The gradient as a residual: what the data say about the statistics less what the model says.

The module of the chapter *Exponential families: the gradient is a residual*. For an exponential family with natural
parameters :math:`\eta` the gradient of the average log-likelihood, and minus the gradient of KL, are

.. math:: \mathrm{E}_{\mathrm{emp}}[u(x)] - \mathrm{E}_\eta[u(x)] .
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families import Distribution, ExponentialFamily
from companion.families.ising import Ising as Ising  # the chapter's model without a tractable normaliser
from companion.families.statistics import Statistics
from companion.integrals import quadrature
from companion.measures import as_pair, kl_divergence, same_family


# --- the residual -------------------------------------------------------------------------------------------------
def residual(model: ExponentialFamily, x: ArrayLike | Statistics, weights: ArrayLike | None = None) -> np.ndarray:
    r"""Residual :math:`\mathrm{E}_{\mathrm{emp}}[u] - \mathrm{E}_\eta[u]`: the gradient of the average log-likelihood
    with respect to the natural parameters.

    Parameters
    ----------
    model : ExponentialFamily
        One member, with k natural parameters.
    x : array_like, shape (n,) or (n, d), or Statistics
        Observations, or a minibatch of them; or their statistics, which is all of them that counts.
    weights : array_like, shape (n,), optional
        How often each observation counts.

    Returns
    -------
    ndarray, shape (k,)
        Zero at the maximum-likelihood estimate: moment matching.

    Raises
    ------
    TypeError
        If `model` is not one of our exponential families, or `x` are statistics of another one.
    ValueError
        If x is empty or outside the support, the weights do not fit, or `x` are statistics with other fixed parameters.

    References
    ----------
    Wainwright and Jordan (2008), section 6.1.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> residual(Poisson(1.0), [0, 1, 1, 0]).tolist()
    [-0.5]
    >>> residual(Poisson(1.0), Poisson.statistics([0, 1]) + Poisson.statistics([1, 0])).tolist()
    [-0.5]
    """
    return _statistics("residual", model, x, weights).mean() - model.mean_parameters()


def kl_gradient(p: Distribution | ArrayLike, model: ExponentialFamily) -> np.ndarray:
    r"""Gradient of :math:`\mathrm{KL}(p\|p_\eta)` with respect to :math:`\eta`:
    :math:`-(\mathrm{E}_p[u] - \mathrm{E}_\eta[u])`, whatever distribution p is.

    :math:`\mathrm{E}_p[u]` is in closed form if p belongs to the model's family, otherwise an exact sum or quadrature.
    `p` is anything that `companion.kl_divergence` takes, and the pairs that it refuses are refused here.

    Raises
    ------
    TypeError
        If `model` is not one of our exponential families, or there is no KL between the two.
    ValueError
        If KL is infinite, or `p` is a batch.
    quadrature.QuadratureError
        If an integral cannot be had.

    Examples
    --------
    >>> from companion.families import Binomial, Poisson
    >>> kl_gradient(Binomial(4, 0.15), Poisson(1.0)).round(12).tolist()     # E_p[x] = 0.6
    [0.4]
    """
    where = "kl_gradient"
    _check_family(where, model)
    p, _ = as_pair(where, p, model)
    if isinstance(p, Distribution) and p.batch_shape:
        checks.fail(where, "shape of the batch p", p.batch_shape, "one distribution, shape ()", "Pass them one by one.")
    if same_family(p, model):
        return model.mean_parameters() - p.mean_parameters()
    if not np.isfinite(kl_divergence(p, model)):
        fix = "Where KL is infinite it has no gradient: take a model that is possible wherever p is."
        checks.fail(where, "KL(p‖model)", np.inf, "a finite number", fix)
    k = model.natural_parameters().size
    mean = [quadrature.expectation(p, lambda x, i=i: model._statistic(x)[..., i]).value for i in range(k)]
    return model.mean_parameters() - mean


def _check_family(where, model, name="model"):
    if not isinstance(model, ExponentialFamily) or model.batch_shape:
        checks.fail(
            where,
            name,
            model,
            "one member of an exponential family of companion.families",
            "Pass e.g. Poisson(1.0).",
            TypeError,
        )


def _statistics(where, model, x, weights):
    """Statistics of data, or given ones if they are of the model's family with its fixed parameters."""
    _check_family(where, model)
    family, name = type(model), type(model).__name__
    fixed = {key: np.asarray(getattr(model, key)).item() for key in (*family.fixed_names, *family.fit_options)}
    if not isinstance(x, Statistics):
        fix = f"Pass observations as an array of shape {'(n, d)' if model.event_ndim else '(n,)'}."
        x = family.statistics(*checks.sample(where, x, weights, model.event_ndim, fix, read=checks.numbers), **fixed)
    elif x.family is not family or weights is not None:
        fix = f"Make them with {name}.statistics(x, weights)."
        checks.fail(where, "x", x, f"statistics of {name}, without weights", fix, TypeError)
    for key, value in fixed.items():
        if x.fixed[key] != value:
            fix = f"With another {key} it is another family: take the statistics with {key}={value:g}."
            checks.fail(where, f"{key} of x", x.fixed[key], f"{value:g}, the {key} of the model", fix)
    if x.mean().shape != model.natural_parameters().shape:
        fix = "Pass observations with as many coordinates as the model."
        checks.fail(where, "shape of E[u(x)]", x.mean().shape, f"{model.natural_parameters().shape}", fix)
    return x


def with_natural(model: ExponentialFamily, eta: ArrayLike) -> ExponentialFamily:
    """The member of `model`'s family with natural parameters `eta` (k,), fixed parameters kept.

    >>> from companion.families import Binomial
    >>> float(with_natural(Binomial(12, 0.5), [0.0]).mean())
    6.0
    """
    _check_family("with_natural", model)
    return type(model).from_natural(_vector("with_natural", model, "eta", eta), **_fixed(model))


def with_mean(model: ExponentialFamily, mu: ArrayLike) -> ExponentialFamily:
    """The member of `model`'s family with mean parameters `mu` (k,), fixed parameters kept.

    >>> from companion.families import Binomial
    >>> with_mean(Binomial(12, 0.5), [4.0])
    Binomial(n=12, p=0.3333333333333333)
    """
    _check_family("with_mean", model)
    return type(model).from_mean_parameters(_vector("with_mean", model, "mu", mu), **_fixed(model))


def _fixed(model):
    return {name: model.parameter(name) for name in model.fixed_names}


def _vector(where, model, name, value):
    """`value` as a finite vector with as many entries as the model has natural parameters."""
    fix, shape = "Pass one number for each entry of u(x).", model.natural_parameters().shape
    value = checks.finite(where, name, value, fix)
    if value.shape != shape:
        checks.fail(where, f"shape of {name}", value.shape, f"{shape}", fix)
    return value


# --- ascents ------------------------------------------------------------------------------------------------------
def stochastic_ascent(
    model: ExponentialFamily, x: ArrayLike, batch: int, rates: ArrayLike, rng: np.random.Generator | int
) -> np.ndarray:
    r"""Natural parameters along the path
    :math:`\eta_{t+1} = \eta_t + a_t\,(\mathrm{E}_{\mathrm{batch}}[u] - \mathrm{E}_{\eta_t}[u])`.

    Each step uses `batch` observations drawn without replacement.

    Parameters
    ----------
    model : ExponentialFamily
        Where the ascent starts.
    x : array_like, shape (n,) or (n, d)
        Observations.
    batch : int
        Observations in a step.
    rates : array_like, shape (steps,)
        Step lengths :math:`a_t > 0`.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    ndarray, shape (steps + 1, k)
        The path, beginning with the start.

    Raises
    ------
    ValueError
        If a step leaves the natural parameter space: the rates are too large.

    References
    ----------
    Robbins and Monro (1951).

    Examples
    --------
    >>> from companion.families import Poisson
    >>> path = stochastic_ascent(Poisson(3.0), [0, 1, 1, 0, 2] * 20, batch=5, rates=np.full(200, 0.2), rng=0)
    >>> path.shape, bool(abs(np.exp(path[-100:].mean()) - 0.8) < 0.05)
    ((201, 1), True)
    """
    where = "stochastic_ascent"
    _check_family(where, model)
    x, _ = checks.sample(where, x, None, model.event_ndim, "Pass observations as an array of shape (n,).")
    rng, rates = checks.generator(where, rng), _rates(where, rates)
    if checks.positive_integer(where, "batch", batch, "Pass how many observations a step uses.") > len(x):
        checks.fail(where, "batch", batch, f"at most {len(x)}, the number of observations", "Pass a smaller batch.")
    path = [model.natural_parameters()]
    for rate in rates:
        chosen = rng.choice(len(x), size=batch, replace=False)
        path.append(path[-1] + rate * residual(model, x[chosen]))
        model = with_natural(model, path[-1])
    return np.array(path)


def _rates(where, rates):
    """Step lengths, one for each step."""
    fix = "Pass positive step lengths, one a step, e.g. np.full(100, 0.1)."
    rates = checks.positive(where, "rates", rates, fix)
    if rates.ndim != 1:
        checks.fail(where, "shape of rates", rates.shape, "(steps,)", fix)
    return rates


def natural_gradient_step(
    model: ExponentialFamily, x: ArrayLike | Statistics, weights: ArrayLike | None = None, length: float = 1.0
) -> ExponentialFamily:
    r"""The member after one natural-gradient step in the mean parameters,
    :math:`\mu \leftarrow \mu + a\,(\mathrm{E}_{\mathrm{emp}}[u] - \mu)`; `length` a = 1 lands on the maximum-likelihood
    estimate.

    In the mean parameters the gradient of the average log-likelihood is :math:`F^{-1}r`, with r the residual and F the
    Fisher information about :math:`\eta`; their own Fisher information is :math:`F^{-1}`; so the natural gradient, one
    divided by the other, is the residual itself.

    The step ends at :math:`(1-a)\,\mu + a\,\mathrm{E}_{\mathrm{emp}}[u]`: the statistics of a sample in which the model
    has weight 1 − a and the data have weight a. They are added as `Statistics`, about a point near their mean, so that
    a spread that is small against the mean keeps its digits.

    Parameters
    ----------
    model, x, weights
        As for `residual`.
    length : float
        a, from 0 to 2. Beyond 1 the step passes the estimate, and may leave the space of means.

    Raises
    ------
    TypeError, ValueError
        As `residual`; and if no member has these mean parameters, as when all observations are equal and a = 1.

    Examples
    --------
    >>> from companion.families import Normal
    >>> landed = natural_gradient_step(Normal(0.0, 1.0), [1.0, 2.0, 3.0])
    >>> round(float(landed.mean()), 12), round(float(landed.sd), 12)
    (2.0, 0.816496580928)
    >>> round(float(natural_gradient_step(Normal(0.0, 1.0), [1e9, 1e9 + 1e-3]).sd), 6)
    0.0005
    """
    where = "natural_gradient_step"
    data = _statistics(where, model, x, weights)
    fix = "With 1 the step lands on the estimate; with more than 2 each step would lead farther away."
    length = checks.scalar(where, "length", length, fix)
    if not 0 <= length <= 2:
        checks.fail(where, "length", length, "from 0 to 2", fix)
    expected = model._expected_sums().scaled_to(1 - length)
    return type(model)._estimate(data.sums.scaled_to(length).merge(expected), **data.fixed)


# --- KL as accumulated Fisher information -------------------------------------------------------------------------
def fisher_along(p: ExponentialFamily, q: ExponentialFamily, t: ArrayLike) -> np.ndarray:
    r"""Fisher information :math:`\delta^\top F(\eta_p + t\delta)\,\delta` in the direction from p to q, at each `t`.

    :math:`\delta = \eta_q - \eta_p`; then :math:`\mathrm{KL}(p\|q) = \int_0^1 (1-t)\,\delta^\top F\delta\,\mathrm{d}t`.

    Examples
    --------
    >>> from companion.families import Poisson
    >>> t, w = np.polynomial.legendre.leggauss(16)
    >>> t, w = (t + 1) / 2, w / 2
    >>> total = np.sum(w * (1 - t) * fisher_along(Poisson(1.0), Poisson(2.0), t))
    >>> round(float(total), 12) == round(float(Poisson(1.0).kl_divergence(Poisson(2.0))), 12)
    True
    """
    where, fix = "fisher_along", "Pass places between 0, which is p, and 1, which is q."
    _check_family(where, p, "p")
    _check_family(where, q, "q")
    p._check_same_family(q)
    t = checks.finite(where, "t", t, fix)
    checks.require(where, "t", t, (t >= 0) & (t <= 1), "a number from 0 to 1", fix)
    eta, delta = p.natural_parameters(), q.natural_parameters() - p.natural_parameters()
    return np.array([delta @ with_natural(p, eta + s * delta).fisher_information() @ delta for s in t.flat]).reshape(
        t.shape
    )
