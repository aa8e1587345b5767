"""What a fit returns: the member, its parameters, their errors under two assumptions, and the certificate."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.special import expit, ndtri

from companion import checks


class Fit:
    r"""A fitted model. Immutable; made by `fit`.

    With scores :math:`s_i = \nabla_\theta \log p(x_i;\hat\theta)` and the observed information
    :math:`J = -\sum_i w_i \nabla^2_\theta \log p(x_i;\hat\theta)`,

    .. math:: \text{covariance} = J^{-1}, \qquad
              \text{sandwich} = J^{-1} \Big(\sum_i w_i s_i s_i^\top\Big) J^{-1} .

    The first is right if the model is. The second needs only independent observations: it is the error with which
    :math:`\hat\theta` tells the projection, the member closest to the data's distribution in KL.

    Attributes
    ----------
    model : Distribution or frozen scipy.stats distribution
        The fitted member.
    parameters : Mapping
        The estimated parameters by name. Entries of vectors and matrices are named ``mean[0]``, ``cov[0,1]``; of a
        mixture ``weights[0]``, ``mean[0]``, … .
    held : Mapping
        The parameters that were not estimated, by name.
    log_likelihood : float
        :math:`\ell = \sum_i w_i \log p(x_i;\hat\theta)`, in nats.
    n : float
        Number of observations :math:`\sum_i w_i`; an int if it is whole.
    free : int
        Number k of parameters that were estimated; of K probabilities that sum to one, K − 1.
    residual : float
        The certificate: the largest :math:`|\sum_i w_i s_{ij}|` over the root of :math:`\sum_i w_i s_{ij}^2`, or of
        :math:`J_{jj}` if that is larger. It is 0 at an exact optimum and about 1 at one standard error from it. The
        gradient is taken by differences of eighth order, which the search does not use; of families with one parameter
        and a closed form, where a log-density has too few digits for that, from E_emp[u] − E[u]. At a kink or an edge
        it is that of the parameters in which the log-likelihood is smooth.
    optimum : str
        "interior" (a smooth maximum), "kink" (at an observation, where the slope changes its sign) or "edge" (at the
        end of the support or of a domain).
    notes : tuple of str
        What to know of this optimum; empty if there is nothing.
    """

    __slots__ = (
        "model",
        "parameters",
        "held",
        "log_likelihood",
        "n",
        "free",
        "residual",
        "optimum",
        "notes",
        "_domains",
        "_covariance",
        "_sandwich",
        "_effective",
        "_why",
        "_where",
        "_data",
    )

    model: Any
    parameters: Mapping[str, float]
    held: Mapping[str, Any]
    log_likelihood: float
    n: float
    free: int
    residual: float
    optimum: str
    notes: tuple[str, ...]
    _domains: tuple[tuple[float, float], ...]
    _covariance: np.ndarray | None
    _sandwich: np.ndarray | None
    _effective: float
    _why: str
    _where: str
    _data: bytes

    def __init__(self, **values: Any) -> None:
        for name in self.__slots__:
            value = values[name]
            if isinstance(value, np.ndarray):
                value = value.copy()
                value.flags.writeable = False
            elif isinstance(value, dict):
                value = MappingProxyType(dict(value))
            object.__setattr__(self, name, value)

    # --- an immutable value
    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"Fit.{name} cannot be assigned: a fit is immutable. Call fit again.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Fit.{name} cannot be deleted: a fit is immutable.")

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        values = {name: getattr(self, name) for name in self.__slots__}
        return _restored, ({k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in values.items()},)

    # --- the data
    def _has_seen(self, x: np.ndarray) -> bool:
        """Whether the observations x (n, ...) are those of the fit, in any order."""
        return self._data == fingerprint(x)

    # --- errors
    def _refuse_without(self, name: str) -> None:
        if self._why:
            fix = "Hold that parameter, or simulate: a bootstrap needs no smoothness."
            expected = "a maximum with a normal approximation"
            checks.fail(f"Fit.{name}", "optimum", self.optimum, expected, f"{self._why}. {fix}")

    @property
    def covariance(self) -> np.ndarray:
        """Inverse observed information, (m, m) in the order of `parameters`: the model-based covariance.

        Raises `ValueError` where the log-likelihood is not smooth at its maximum or the theory does not hold.
        """
        self._refuse_without("covariance")
        assert self._covariance is not None
        return self._covariance

    @property
    def sandwich(self) -> np.ndarray:
        """Huber–White covariance (m, m), right also for a wrong model. Raises `ValueError` where `covariance` does."""
        self._refuse_without("sandwich")
        assert self._sandwich is not None
        return self._sandwich

    @property
    def standard_errors(self) -> dict[str, float]:
        """Model-based standard errors by name: roots of the diagonal of `covariance`."""
        return dict(zip(self.parameters, np.sqrt(np.maximum(np.diag(self.covariance), 0.0)).tolist()))

    @property
    def robust_standard_errors(self) -> dict[str, float]:
        """Standard errors by name that hold for a wrong model: roots of the diagonal of `sandwich`."""
        return dict(zip(self.parameters, np.sqrt(np.maximum(np.diag(self.sandwich), 0.0)).tolist()))

    def interval(self, level: float = 0.95, robust: bool = False) -> dict[str, tuple[float, float]]:
        r"""Wald intervals of each parameter by name: (low, high).

        Parameters
        ----------
        level : float
            Nominal coverage, in (0, 1).
        robust : bool
            Whether the standard error is that of `sandwich` rather than of `covariance`.

        Notes
        -----
        With z the normal quantile and s the standard error: of a real parameter
        :math:`\hat\theta \pm z s`; of a positive one :math:`\hat\theta\,e^{\pm z s/\hat\theta}`, symmetric in
        :math:`\log\theta`; of a probability symmetric in :math:`\log\frac{p}{1-p}`, whose standard error is
        :math:`s/(p(1-p))`; and so in :math:`\log(\theta-a)` or :math:`\log\frac{\theta-a}{b-\theta}` on other
        domains. So an interval never leaves the domain.

        Examples
        --------
        >>> from companion.families import Poisson
        >>> from companion.fitting import fit
        >>> low, high = fit(Poisson, [0, 1, 2, 3, 4], weights=[109, 65, 22, 3, 1]).interval()["rate"]
        >>> round(low, 4), round(high, 4)
        (0.5108, 0.7284)
        """
        where, fix = "Fit.interval", "Pass e.g. level=0.95."
        level = checks.scalar(where, "level", level, fix)
        checks.require(where, "level", level, 0 < level < 1, "a number between 0 and 1", fix)
        robust = checks.flag(where, "robust", robust)
        z = -float(ndtri(0.5 * (1 - level)))
        errors = self.robust_standard_errors if robust else self.standard_errors
        return {
            name: _interval(domain, value, z * errors[name])
            for (name, value), domain in zip(self.parameters.items(), self._domains)
        }

    # --- criteria
    @property
    def aic(self) -> float:
        r"""Akaike's criterion :math:`-2\ell + 2k`."""
        return -2 * self.log_likelihood + 2 * self.free

    @property
    def bic(self) -> float:
        r"""Schwarz's criterion :math:`-2\ell + k\log n`."""
        return -2 * self.log_likelihood + self.free * float(np.log(self.n))

    @property
    def effective_parameters(self) -> float:
        r"""Takeuchi's penalty :math:`\operatorname{tr}(J^{-1}\sum_i w_i s_i s_i^\top)`, about k for a right model."""
        self._refuse_without("effective_parameters")
        return self._effective

    @property
    def tic(self) -> float:
        r"""Takeuchi's criterion :math:`-2\ell + 2\operatorname{tr}(J^{-1}\sum_i w_i s_i s_i^\top)`."""
        self._refuse_without("tic")
        return -2 * self.log_likelihood + 2 * self._effective

    # --- shown
    def _rows(self) -> tuple[list[str], list[list[str]]]:
        head = ["parameter", "estimate"]
        rows = [[name, f"{value:.6g}"] for name, value in self.parameters.items()]
        if not self._why:
            head += ["standard error", "robust", "95% interval"]
            plain, robust, interval = self.standard_errors, self.robust_standard_errors, self.interval()
            for row, name in zip(rows, self.parameters):
                low, high = interval[name]
                row += [f"{plain[name]:.3g}", f"{robust[name]:.3g}", f"{low:.5g} to {high:.5g}"]
        rows += [[name, f"{_text(value)} (held)"] for name, value in self.held.items()]
        return head, rows

    def _title(self) -> str:
        return f"F{self._where[1:]}: n = {self.n:g}, log-likelihood {self.log_likelihood:.6g}, AIC {self.aic:.6g}"

    def _remarks(self) -> list[str]:
        return [
            *self.notes,
            *([f"No standard errors: {self._why}"] if self._why and self._why not in self.notes else []),
        ]

    def __repr__(self) -> str:
        head, rows = self._rows()
        table = [head, *(row + [""] * (len(head) - len(row)) for row in rows)]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
        return "\n".join([self._title(), *lines, *(f"Note: {note}." for note in self._remarks())])

    def _repr_html_(self) -> str:
        """A table for notebooks: a row for each parameter."""
        head, rows = self._rows()
        cells = [[*row, *[""] * (len(head) - len(row))] for row in rows]
        cells += [[f"Note: {note}."] for note in self._remarks()]
        top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join(
            "<tr>"
            + "".join(f'<td colspan="{len(head) if len(row) == 1 else 1}">{html.escape(cell)}</td>' for cell in row)
            + "</tr>"
            for row in cells
        )
        title = html.escape(self._title())
        return f"<table><caption>{title}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def fingerprint(x: np.ndarray, weights: np.ndarray | None = None) -> bytes:
    """A short name of a sample (n, ...) that does not know the order of its observations, nor whether equal ones were
    counted by hand."""
    values, which = np.unique(np.asarray(x, dtype=float) + 0.0, axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), weights).astype(float)
    return hashlib.sha256(values[counts > 0].tobytes() + counts[counts > 0].tobytes()).digest()


def _restored(values):
    return Fit(**values)


def _interval(domain, value, away):
    """Symmetric in θ, in log(θ − low), or in log((θ − low)/(high − θ)), by the ends of the domain."""
    low, high = domain
    if away == 0 or (low == -np.inf and high == np.inf):
        return value - away, value + away
    with np.errstate(over="ignore", under="ignore"):
        if high == np.inf:
            factor = np.exp(away / (value - low))
            return float(low + (value - low) / factor), float(low + (value - low) * factor)
        odds, width = np.log((value - low) / (high - value)), high - low
        shift = away * width / (value - low) / (high - value)
        return tuple(float(low + width * expit(odds + by)) for by in (-shift, shift))


def _text(value):
    return f"{value:.6g}" if isinstance(value, (int, float)) else checks.describe(np.asarray(value))
