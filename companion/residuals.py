r"""The gradient as a residual: what the data say about the statistics less what the model says.

The module of the chapter *The gradient is a residual*. For an exponential family with natural parameters
:math:`\eta` the gradient of the average log-likelihood, and minus the gradient of KL, are

.. math:: \mathrm{E}_{\mathrm{emp}}[u(x)] - \mathrm{E}_\eta[u(x)] .
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull
from scipy.special import logsumexp

from companion import checks, quadrature
from companion.families import ExponentialFamily
from companion.families.statistics import Statistics


# --- the residual -------------------------------------------------------------------------------------------------
def residual(model, x, weights=None):
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
        If `model` is not one of our exponential families.
    ValueError
        If x is empty or outside the support, or the weights do not fit.

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
    _check_family("residual", "model", model)
    if isinstance(x, Statistics):
        if x.family is not type(model) or weights is not None:
            checks.fail(
                "residual",
                "x",
                x,
                f"statistics of {type(model).__name__}, without weights",
                "Make them with type(model).statistics(x, weights).",
                TypeError,
            )
        return x.mean() - model.mean_parameters()
    x, weights = checks.sample("residual", x, weights, model.event_ndim, "Pass observations as an array of shape (n,).")
    return np.average(model.sufficient_statistics(x), axis=0, weights=weights) - model.mean_parameters()


def kl_gradient(p, model):
    r"""Gradient of :math:`\mathrm{KL}(p\|p_\eta)` with respect to :math:`\eta`:
    :math:`-(\mathrm{E}_p[u] - \mathrm{E}_\eta[u])`, whatever distribution p is.

    :math:`\mathrm{E}_p[u]` is in closed form if p belongs to the model's family, otherwise an exact sum or quadrature.

    Examples
    --------
    >>> from companion.families import Binomial, Poisson
    >>> kl_gradient(Binomial(4, 0.15), Poisson(1.0)).round(12).tolist()     # E_p[x] = 0.6
    [0.4]
    """
    _check_family("kl_gradient", "model", model)
    if type(p) is type(model):
        model._check_same_family(p)
        mean = p.mean_parameters()
    else:
        k = model.natural_parameters().size
        mean = np.array([quadrature.expectation(p, lambda x, i=i: model._statistic(x)[..., i]).value for i in range(k)])
    return -(mean - model.mean_parameters())


def _check_family(where, name, model):
    if not isinstance(model, ExponentialFamily) or model.batch_shape:
        checks.fail(
            where,
            name,
            model,
            "one member of an exponential family of companion.families",
            "Pass e.g. Poisson(1.0).",
            TypeError,
        )


def _fixed(model):
    return {name: model._parameter(name) for name in model.fixed_names}


def with_natural(model, eta):
    """The member of `model`'s family with natural parameters `eta` (k,), fixed parameters kept.

    >>> from companion.families import Binomial
    >>> float(with_natural(Binomial(12, 0.5), [0.0]).mean())
    6.0
    """
    return type(model).from_natural(np.asarray(eta, dtype=float), **_fixed(model))


def with_mean(model, mu):
    """The member of `model`'s family with mean parameters `mu` (k,), fixed parameters kept.

    >>> from companion.families import Binomial
    >>> with_mean(Binomial(12, 0.5), [4.0])
    Binomial(n=12, p=0.3333333333333333)
    """
    return type(model).from_mean_parameters(np.asarray(mu, dtype=float), **_fixed(model))


# --- ascents ------------------------------------------------------------------------------------------------------
def stochastic_ascent(model, x, batch, rates, rng):
    r"""Natural parameters along :math:`\eta_{t+1} = \eta_t + a_t\,(\mathrm{E}_{\mathrm{batch}}[u] - \mathrm{E}_{\eta_t}[u])`.

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
    _check_family("stochastic_ascent", "model", model)
    x = np.asarray(x, dtype=float)
    rng = checks.generator("stochastic_ascent", rng)
    if not 1 <= checks.sample_size("stochastic_ascent", batch) <= len(x):
        checks.fail(
            "stochastic_ascent",
            "batch",
            batch,
            f"at most {len(x)}, the number of observations",
            "Pass a smaller batch.",
        )
    path = [model.natural_parameters()]
    for rate in checks.positive("stochastic_ascent", "rates", rates, "Pass positive step lengths, one a step."):
        chosen = rng.choice(len(x), size=batch, replace=False)
        path.append(path[-1] + rate * residual(model, x[chosen]))
        model = with_natural(model, path[-1])
    return np.array(path)


def natural_gradient_step(model, x, weights=None, length=1.0):
    r"""The member after one natural-gradient step, :math:`\mu \leftarrow \mu + a\,(\mathrm{E}_{\mathrm{emp}}[u] - \mu)` in
    the mean parameters; `length` a = 1 lands on the maximum-likelihood estimate.

    In the mean parameters the gradient of the average log-likelihood is :math:`F^{-1}r`, with r the residual and F the
    Fisher information about :math:`\eta`; their own Fisher information is :math:`F^{-1}`; so the natural gradient, one
    divided by the other, is the residual itself.

    Examples
    --------
    >>> from companion.families import Normal
    >>> landed = natural_gradient_step(Normal(0.0, 1.0), [1.0, 2.0, 3.0])
    >>> round(float(landed.mean()), 12), round(float(landed.sd), 12)
    (2.0, 0.816496580928)
    """
    _check_family("natural_gradient_step", "model", model)
    length = checks.scalar("natural_gradient_step", "length", length, "Pass the length of the step, e.g. 1.0.")
    return with_mean(model, model.mean_parameters() + length * residual(model, x, weights))


# --- KL as accumulated Fisher information -------------------------------------------------------------------------
def fisher_along(p, q, t):
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
    p._check_same_family(q)
    eta, delta = p.natural_parameters(), q.natural_parameters() - p.natural_parameters()
    return np.array([delta @ with_natural(p, eta + s * delta).fisher_information() @ delta for s in np.atleast_1d(t)])


# --- a model without a tractable normaliser -----------------------------------------------------------------------
class Ising(ExponentialFamily):
    r"""Ising model on a small grid: spins :math:`x_i \in \{-1, 1\}` that prefer to agree with their neighbours.

    .. math::

       p(x) = \exp\Big(h\sum_i x_i + J\sum_{i\sim j} x_i x_j - A(h, J)\Big), \qquad
       u(x) = \Big(\sum_i x_i, \sum_{i\sim j} x_i x_j\Big), \qquad \eta = (h, J)

    The sum over neighbours counts each pair of the grid (without wrapping) once. A is the logarithm of a sum over
    :math:`2^n` states: here the grid is small enough to enumerate them, so that every quantity has an exact value to
    compare with one that needs only samples of the model.

    Parameters
    ----------
    rows, columns : int
        Size of the grid, at most 16 spins.
    field : float
        External field h.
    coupling : float
        Coupling J between neighbours.

    Raises
    ------
    ValueError
        If the grid is too large to enumerate, or a parameter is not finite; from `fit`, if no maximum exists.

    References
    ----------
    Wainwright and Jordan (2008), example 3.1.

    Examples
    --------
    >>> model = Ising(3, 3, field=0.1, coupling=0.3)
    >>> model.states.shape
    (512, 9)
    >>> bool(np.isclose(np.exp(model.log_prob(model.states)).sum(), 1.0))
    True
    """

    parameter_names = ("rows", "columns", "field", "coupling")
    fixed_names = ("rows", "columns")
    discrete = True
    event_ndim = 1
    support = (-1, 1)

    # --- parameters
    def __init__(self, rows, columns, field, coupling):
        rows, columns = (
            checks.whole("Ising", name, v, 1, "Pass the size of the grid, e.g. Ising(3, 3, 0.0, 0.4).")
            for name, v in (("rows", rows), ("columns", columns))
        )
        spins = int(rows * columns)
        if spins > 16:
            checks.fail(
                "Ising",
                "rows × columns",
                spins,
                "at most 16 spins",
                "The exact model sums over 2^n states; use a smaller grid.",
            )
        field, coupling = (
            checks.scalar("Ising", name, v, "Pass a finite number.")
            for name, v in (("field", field), ("coupling", coupling))
        )
        place = np.arange(spins).reshape(int(rows), int(columns))
        pairs = np.concatenate(
            [
                np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], 1),
                np.stack([place[:-1].ravel(), place[1:].ravel()], 1),
            ]
        )
        states = 1.0 - 2.0 * (np.arange(2**spins)[:, None] >> np.arange(spins) & 1)
        neighbours = np.zeros((spins, spins))
        neighbours[pairs[:, 0], pairs[:, 1]] = neighbours[pairs[:, 1], pairs[:, 0]] = 1.0
        self._store(
            (),
            rows=rows,
            columns=columns,
            field=np.asarray(field),
            coupling=np.asarray(coupling),
            states=states,
            _neighbours=neighbours,
            _u=np.stack([states.sum(1), 0.5 * np.sum(states @ neighbours * states, 1)], 1),
        )

    def natural_parameters(self):
        return np.stack([self.field, self.coupling])

    @classmethod
    def from_natural(cls, eta, rows, columns):
        eta = cls._natural_column(eta, 2)
        return cls(rows, columns, eta[0], eta[1])

    # --- statistics
    def _check_data(self, x, method="log_prob"):
        where = f"Ising.{method}"
        x = checks.real_array(where, "x", x, "Pass spins.")
        checks.require(where, "x", x, np.abs(x) == 1, "a spin, −1 or 1", "Recode 0/1 data as 2 x − 1.")
        if x.shape[-1:] != (self.states.shape[1],):
            checks.fail(
                where,
                "shape of x",
                x.shape,
                f"(..., {self.states.shape[1]})",
                "The last axis holds the spins of the grid.",
            )
        return x

    def _inside(self, x):
        return np.all(np.abs(x) == 1, axis=-1)

    def _statistic(self, x):
        return np.stack([x.sum(-1), 0.5 * np.sum(x @ self._neighbours * x, axis=-1)], axis=-1)

    def _log_partition_at(self, eta):
        energy = self._u @ np.asarray(eta)[..., None]
        top = np.max(energy.real, axis=-2, keepdims=True)
        return (np.log(np.sum(np.exp(energy - top), axis=-2)) + top[..., 0, :])[..., 0]

    def _weights(self):
        energy = self._u @ self.natural_parameters()
        return np.exp(energy - logsumexp(energy))

    def mean_parameters(self):
        return self._weights() @ self._u

    def fisher_information(self):
        away = self._u - self.mean_parameters()
        return away.T * self._weights() @ away

    def kl_divergence(self, other):
        self._check_same_family(other)
        w = self._weights()
        return float(
            w @ (self._u @ (self.natural_parameters() - other.natural_parameters()))
            - self.log_partition()
            + other.log_partition()
        )

    def mean(self):
        """E[x] of every spin."""
        return self._weights() @ self.states

    def variance(self):
        """Variance of every spin."""
        return 1.0 - self.mean() ** 2

    # --- sampling
    def _draw(self, size, rng):
        return self.states[rng.choice(len(self.states), size=size, p=self._weights())]

    def gibbs_sweep(self, x, rng):
        """Every spin of every state in `x` (chains, spins) drawn anew given its neighbours: leaves the model invariant.

        It needs h and J only, not A.
        """
        x = np.array(x, dtype=float)
        for i in range(x.shape[1]):
            pull = self.field + self.coupling * (x @ self._neighbours[i])
            x[:, i] = np.where(rng.random(len(x)) < 1 / (1 + np.exp(-2 * pull)), 1.0, -1.0)
        return x

    # --- fit
    @classmethod
    def _fixed(cls, method, x, weights, rows, columns):
        model = cls(rows, columns, 0.0, 0.0)
        return {"rows": int(model.rows), "columns": int(model.columns)}

    @classmethod
    def _example(cls, rows, columns):
        return cls(rows, columns, 0.0, 0.0)

    def _accepts(self, x):
        return x.shape[1] == self.states.shape[1] and np.all(np.abs(x) == 1)

    @classmethod
    def _estimate(cls, statistics):
        rows, columns = statistics.fixed["rows"], statistics.fixed["columns"]
        model, goal = cls(rows, columns, 0.0, 0.0), statistics.mean()
        if model.states.shape[1] < 2:
            checks.fail(
                "Ising.fit",
                "rows × columns",
                1,
                "at least 2 spins",
                "A single spin has no neighbour, so its coupling is not identified.",
            )
        hull = ConvexHull(np.unique(model._u, axis=0))
        if np.any(hull.equations @ [*goal, 1.0] > -1e-9):
            checks.fail(
                "Ising.fit",
                "mean of u(x)",
                goal,
                "a point inside the convex hull of the statistics of all states",
                "The data lie on its boundary (all spins alike, for example): the likelihood rises for ever and no maximum exists.",
            )
        for _ in range(100):
            gap = goal - model.mean_parameters()
            if np.max(np.abs(gap)) < 1e-12:
                return model
            step = np.linalg.solve(model.fisher_information(), gap)
            eta, value = model.natural_parameters(), model.natural_parameters() @ goal - model.log_partition()
            for halving in 0.5 ** np.arange(40):  # the objective is concave: a Newton step halved often enough goes up
                trial = cls(rows, columns, *(eta + halving * step))
                if trial.natural_parameters() @ goal - trial.log_partition() >= value - 1e-14 * abs(value):
                    break
            model = trial
        raise ArithmeticError(
            f"Ising.fit: residual = {np.max(np.abs(gap)):.1e} after 100 Newton steps; expected less than 1e-12. "
            "The mean of u is very close to the boundary of the possible means."
        )


def two_phase_ascent(model, x, chains, sweeps, rates, rng):
    r"""Stochastic ascent with a sampled model term: the path of :math:`\eta`, shape (steps + 1, 2), for an `Ising` model.

    The positive phase :math:`\mathrm{E}_{\mathrm{emp}}[u]` comes from the data. The negative phase
    :math:`\mathrm{E}_\eta[u]` is the average over `chains` states that are moved on by `sweeps` Gibbs sweeps a step and
    kept from step to step (persistent chains): the normaliser is never computed.

    References
    ----------
    Ackley, Hinton and Sejnowski (1985); Younes (1989).

    Examples
    --------
    >>> truth = Ising(3, 3, 0.1, 0.3)
    >>> path = two_phase_ascent(Ising(3, 3, 0.0, 0.0), truth.sample(500, 0), chains=100, sweeps=2, rates=np.full(100, 0.02), rng=1)
    >>> path.shape
    (101, 2)
    """
    rng = checks.generator("two_phase_ascent", rng)
    positive = model.sufficient_statistics(np.asarray(x, dtype=float)).mean(axis=0)
    particles = rng.choice([-1.0, 1.0], size=(chains, model.states.shape[1]))
    path = [model.natural_parameters()]
    for rate in checks.positive("two_phase_ascent", "rates", rates, "Pass positive step lengths, one a step."):
        for _ in range(sweeps):
            particles = model.gibbs_sweep(particles, rng)
        negative = model.sufficient_statistics(particles).mean(axis=0)
        path.append(path[-1] + rate * (positive - negative))
        model = with_natural(model, path[-1])
    return np.array(path)
