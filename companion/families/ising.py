"""The Ising model on a small grid: an exponential family whose normaliser is a sum over all states.

Small enough to enumerate, it gives every quantity an exact value to compare with one that needs only samples of the
model. The chapter *Exponential families: the gradient is a residual* reaches it as ``companion.residuals.Ising``.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull
from scipy.special import expit, log_softmax

from companion import checks
from companion.families import ExponentialFamily
from companion.families.categorical import kl_to_tilted
from companion.families.sums import Totals


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
    def __init__(self, rows: int, columns: int, field: float, coupling: float) -> None:
        fix = "Pass the size of the grid, e.g. Ising(3, 3, 0.0, 0.4)."
        rows, columns = (
            int(checks.whole("Ising", name, checks.scalar("Ising", name, v, fix), 1, fix))
            for name, v in (("rows", rows), ("columns", columns))
        )
        spins = rows * columns
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
        place = np.arange(spins).reshape(rows, columns)
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
            rows=np.asarray(float(rows)),
            columns=np.asarray(float(columns)),
            field=np.asarray(field),
            coupling=np.asarray(coupling),
            states=states,
            _neighbours=neighbours,
            _u=np.stack([states.sum(1), 0.5 * np.sum(states @ neighbours * states, 1)], 1),
        )

    @property
    def dimension(self) -> int:
        """Number of spins."""
        return self.states.shape[1]

    def natural_parameters(self) -> np.ndarray:
        return np.stack([self.field, self.coupling])

    @classmethod
    def from_natural(cls, eta: ArrayLike, rows: int, columns: int) -> Self:
        eta = cls._natural_column(eta, 2)
        return cls(rows, columns, eta[0], eta[1])

    # --- statistics
    def _inside(self, x):
        return np.all(np.abs(x) == 1, axis=-1)

    def _read(self, x, method):
        where = f"Ising.{method}"
        x = checks.real_array(where, "x", x, "Pass spins.")
        if x.shape[-1:] != (self.states.shape[1],):
            fix = "The last axis holds the spins of the grid."
            checks.fail(where, "shape of x", x.shape, f"(..., {self.states.shape[1]})", fix)
        return x

    def _check_data(self, x, method="log_prob"):
        x = self._read(x, method)
        checks.require(f"Ising.{method}", "x", x, np.abs(x) == 1, "a spin, −1 or 1", "Recode 0/1 data as 2 x − 1.")
        return x

    def _statistic(self, x):
        return np.stack([x.sum(-1), 0.5 * np.sum(x @ self._neighbours * x, axis=-1)], axis=-1)

    def _log_partition_at(self, eta):
        energy = self._u @ np.asarray(eta)[..., None]
        top = np.max(energy.real, axis=-2, keepdims=True)
        return (np.log(np.sum(np.exp(energy - top), axis=-2)) + top[..., 0, :])[..., 0]

    def _log_weights(self):
        return log_softmax(self._u @ self.natural_parameters())

    def _weights(self):
        return np.exp(self._log_weights())

    def mean_parameters(self) -> np.ndarray:
        return self._weights() @ self._u

    def fisher_information(self) -> np.ndarray:
        away = self._u - self.mean_parameters()
        return away.T * self._weights() @ away

    def kl_divergence(self, other: ExponentialFamily) -> np.float64:
        r"""KL divergence in nats: the other model is this one tilted by :math:`e^{\delta^\top u}`, and what the
        tilt adds is summed over all states without a subtraction. Never negative."""
        self._check_same_family(other)
        tilt = self._u @ (other.natural_parameters() - self.natural_parameters())
        return kl_to_tilted(self._weights(), self._log_weights(), tilt, other._log_weights())

    def mean(self) -> np.ndarray:
        """E[x] of every spin."""
        return self._weights() @ self.states

    def variance(self) -> np.ndarray:
        """Variance of every spin."""
        return 1.0 - self.mean() ** 2

    # --- sampling
    def _draw(self, size, rng):
        return self.states[rng.choice(len(self.states), size=size, p=self._weights())]

    def gibbs_sweep(self, x: ArrayLike, rng: np.random.Generator | int) -> np.ndarray:
        """Every spin of every state in `x` (chains, spins) drawn anew given its neighbours: leaves the model invariant.

        It needs h and J only, not A.
        """
        x, rng = self._check_data(x, "gibbs_sweep").copy(), checks.generator("Ising.gibbs_sweep", rng)
        if x.ndim != 2:
            checks.fail("Ising.gibbs_sweep", "shape of x", x.shape, "(chains, spins)", "Pass one state as x[None, :].")
        for i in range(x.shape[1]):
            pull = self.field + self.coupling * (x @ self._neighbours[i])
            x[:, i] = np.where(rng.random(len(x)) < expit(2 * pull), 1.0, -1.0)
        return x

    # --- fit
    @classmethod
    def _fixed(cls, method, x, weights, rows, columns):
        model = cls(rows, columns, 0.0, 0.0)
        return {"rows": int(model.rows), "columns": int(model.columns)}

    def _accepts(self, x):
        return x.shape[1] == self.states.shape[1] and np.all(np.abs(x) == 1)

    @classmethod
    def _estimate(cls, sums: Totals, rows: int, columns: int) -> Self:
        return cls._matched("Ising.fit", sums.mean(), rows, columns)

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike, rows: int, columns: int) -> Self:
        r"""The member with :math:`\mathrm{E}[u(x)]` = `mu` (2,), by Newton's method on the concave log-likelihood."""
        where = "Ising.from_mean_parameters"
        mu = cls._mean_column(mu, 2)
        if mu.ndim != 1:
            checks.fail(where, "shape of mu", mu.shape, "(2,)", "A model is one member, not a batch.")
        return cls._matched(where, mu, rows, columns)

    @classmethod
    def _matched(cls, where, goal, rows, columns):
        """The member whose mean parameters are `goal`, or an error that names `where`."""
        model = cls(rows, columns, 0.0, 0.0)
        if model.states.shape[1] < 2:
            checks.fail(
                where,
                "rows × columns",
                1,
                "at least 2 spins",
                "A single spin has no neighbour, so its coupling is not identified.",
            )
        hull = ConvexHull(np.unique(model._u, axis=0))
        if np.any(hull.equations @ [*goal, 1.0] > -1e-9):
            checks.fail(
                where,
                "mean of u(x)",
                goal,
                "a point inside the convex hull of the statistics of all states",
                "It lies on the edge, as if all spins were alike: the likelihood rises for ever, no maximum exists.",
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
            f"{where}: residual = {np.max(np.abs(gap)):.1e} after 100 Newton steps; expected less than 1e-12. "
            "The mean of u is very close to the boundary of the possible means."
        )
