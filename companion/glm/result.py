"""What a fit returns: coefficients with their uncertainty, predictions with intervals, and a table of both."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import expit, logit

from companion import checks
from companion.families import Bernoulli, Binomial, Categorical, Normal, Poisson
from companion.glm.design import Design, Named, offsets, read_columns


def _number(value: float) -> str:
    """Five significant digits."""
    return f"{value:#.5g}".removesuffix(".").replace("-", "−")


def named(values: np.ndarray, classes: tuple[Any, ...], names: tuple[str, ...]) -> Named:
    """Coefficients (p, k) by their names."""
    labels = tuple(map(str, classes[1:]))
    return Named(values.T, labels, names) if labels else Named(values[:, 0], names)


@dataclass(frozen=True, eq=False, repr=False)
class Regression:
    r"""A fitted regression; immutable. Made by `companion.regression.fit`.

    Attributes
    ----------
    family : type
        The family of y given x.
    names : tuple of str
        The coefficients' names: ``"intercept"`` if there is one, then the columns of a data frame, or x0, x1, ….
    classes : tuple
        Labels of a categorical response in order; the first, ``baseline``, has no coefficients. Else empty.
    coefficients : Named, shape (p,), or (K − 1, p) with classes
        Found by number or by name, ``fit.coefficients["age"]``, with classes ``fit.coefficients["cat", "age"]``.
    covariance, robust_covariance : Named, shape (p, p), or ((K − 1) p, (K − 1) p), class by class
        What the two kinds of standard error are roots of.
    deviance : float
        :math:`2\sum_i w_i\,\mathrm{KL}(y_i\|\mu_i)`, in nats, with members named by their means; for `Normal` the
        residual sum of squares, which is the same without the factor 1/σ².
    log_likelihood : float
        Weighted sum of log p(y | x), in nats; of `Normal` at the variance that maximises it, deviance / Σw. Infinite if
        the fit of a `Normal` is perfect: no variance is best then, and there are no errors to speak of.
    residual : Named, the shape of the coefficients
        :math:`X^\top w\,(y - \mu)`, the gradient of the log-likelihood (times the dispersion) and the certificate of
        the optimum: zero but for rounding.
    dispersion : float
        Of `Normal` the estimated variance about the mean, deviance / (Σw − p); 1 for the others.
    observations : float
        Σw, the number of observations if no weights were given.
    """

    family: type
    names: tuple[str, ...]
    classes: tuple[Any, ...]
    coefficients: Named
    covariance: Named
    robust_covariance: Named
    deviance: float
    log_likelihood: float
    residual: Named
    dispersion: float
    observations: float
    link: str
    _columns: tuple[str, ...] | None
    _intercept: bool

    @property
    def baseline(self) -> Any:
        """The class without coefficients: those of the others are log-odds against it. None without classes."""
        return self.classes[0] if self.classes else None

    @property
    def degrees_of_freedom(self) -> float:
        """Σw less the number of coefficients."""
        return self.observations - self.coefficients.size

    def _roots(self, covariance):
        return Named(np.sqrt(np.diagonal(covariance)).reshape(self.coefficients.shape), *self.coefficients.names)

    @property
    def standard_errors(self) -> Named:
        """Model-based standard errors, of the shape of the coefficients: roots of the diagonal of the inverse
        information times the dispersion. Right if the model is."""
        return self._roots(self.covariance)

    @property
    def robust_standard_errors(self) -> Named:
        """HC0 standard errors: the sandwich without any correction for small samples. Right for large samples if the
        mean is, whatever the variance is."""
        return self._roots(self.robust_covariance)

    # --- predictions
    def predict(self, X_new: ArrayLike, offset: ArrayLike | None = None) -> np.ndarray:
        """Mean of y at new rows, (m,); of `Binomial` that of one trial, a probability; with classes (m, K).

        Parameters
        ----------
        X_new : array_like, shape (m, p), or (m,) or a number if there is one column
            New rows, without the column of the intercept. Of a data frame the columns of the fit are taken by name, x0,
            x1, … after a fit to an array; where these names are missing then, by position.
        offset : array_like, shape (m,), optional
            Added to the linear predictor, as in the fit; 0 if it is left out.

        Raises
        ------
        ValueError, TypeError
            If columns are missing, or values are not finite numbers.
        """
        return self._mapped(self._linear(*self._rows("predict", X_new, offset)))

    def interval(
        self, X_new: ArrayLike, level: float = 0.95, robust: bool = False, offset: ArrayLike | None = None
    ) -> np.ndarray:
        """Confidence interval for the mean at new rows, (m, 2); with classes (m, K, 2).

        It is symmetric about the linear predictor, with the standard error of the covariance (``robust=True``: of the
        sandwich), and mapped to the mean; so a probability's ends are probabilities. `Normal` takes quantiles of
        Student's t with `degrees_of_freedom`, the others of the normal distribution. With classes, each probability has
        its interval on the scale of its own log-odds, one at a time.

        Parameters
        ----------
        X_new, offset
            As in `predict`.
        level : float
            Probability that the interval covers the mean, in (0, 1), for large samples.
        robust : bool
            Whether to take the sandwich covariance.

        Raises
        ------
        ValueError, TypeError
            If columns are missing, values are not finite numbers, or the level is not inside (0, 1).
        """
        X, shift = self._rows("interval", X_new, offset)
        level = checks.scalar("Regression.interval", "level", level, "Pass a probability such as 0.95.")
        if not 0 < level < 1:
            checks.fail(
                "Regression.interval", "level", level, "a probability strictly between 0 and 1", "Pass 0.95, say."
            )
        robust = checks.flag("Regression.interval", "robust", robust)
        covariance = np.asarray(self.robust_covariance if robust else self.covariance)
        tail = (1 - level) / 2
        student = self.family is Normal
        reach = stats.t.isf(tail, self.degrees_of_freedom) if student else stats.norm.isf(tail)
        eta = self._linear(X, shift)
        if self.classes:
            return self._class_intervals(X, eta, covariance, reach)
        error = reach * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", X, covariance, X), 0.0))
        with np.errstate(over="ignore"):
            return self._mapped(eta[:, None] + np.stack([-error, error], axis=1))

    def _rows(self, method, X_new, offset):
        """The new rows with the intercept, and their offset."""
        method = f"Regression.{method}"
        count = len(self.names) - self._intercept
        if count == 1 and isinstance(X_new, (int, float, np.number)):
            X_new = [X_new]
        names = self._columns
        if names is None and set(self.names[self._intercept :]) <= set(map(str, getattr(X_new, "columns", ()))):
            names = self.names[self._intercept :]
        X, _ = read_columns(method, "X_new", X_new, names)
        if X.shape[1] != count:
            fix = f"The columns are {', '.join(self.names[self._intercept :])}."
            checks.fail(method, "shape of X_new", X.shape, f"(m, {count}), the columns of the fit", fix)
        shift = offsets(method, offset, len(X))
        return np.column_stack([np.ones(len(X)), X]) if self._intercept else X, shift

    def _linear(self, X, shift):
        eta = X @ np.asarray(self.coefficients).T + (shift[:, None] if self.classes else shift)
        good = (np.abs(eta) < 1e300) & (eta < (700.0 if self.family is Poisson else np.inf))
        what, fix = "a linear predictor of which the mean is a double", "These rows are beyond all data of the fit."
        checks.require("Regression", "X_new @ coefficients", eta, good, what, fix)
        return eta

    def _mapped(self, eta):
        """Means at linear predictors."""
        if self.classes:
            return Categorical.from_logits(np.concatenate([np.zeros((len(eta), 1)), eta], axis=1)).probs
        if self.family in (Bernoulli, Binomial):
            return expit(eta)
        with np.errstate(under="ignore", over="ignore"):
            return np.exp(eta) if self.family is Poisson else eta

    def _class_intervals(self, X, eta, covariance, reach):
        p = self._mapped(eta)
        k = len(self.classes)
        rest = 1 - p
        with np.errstate(divide="ignore", invalid="ignore"):
            # The slope of log p_c/(1 − p_c) along η_j: 1 if c is j, else −p_j/(1 − p_c).
            slope = -p[:, None, :] / rest[:, :, None]
        slope[:, np.arange(k), np.arange(k)] = 1.0
        whole = covariance.reshape(k - 1, X.shape[1], k - 1, X.shape[1])
        both = np.einsum("ia,cadb,ib->icd", X, whole, X, optimize=True)
        variance = np.einsum("icj,ijd,icd->ic", slope[:, :, 1:], both, slope[:, :, 1:], optimize=True)
        error = reach * np.sqrt(np.maximum(variance, 0.0))
        return expit(logit(p)[:, :, None] + np.stack([-error, error], axis=2))

    # --- shown
    def _title(self):
        what = f"{self.family.__name__} regression, {self.link} link, {self.observations:,.12g} observations"
        return what + (f", baseline {self.baseline!r}" if self.classes else "")

    def _foot(self):
        foot = f"log-likelihood {self.log_likelihood:.6g}, deviance {self.deviance:.6g}, "
        foot += f"{self.degrees_of_freedom:,.12g} degrees of freedom"
        foot += f", dispersion {self.dispersion:.6g}" if self.family is Normal else ""
        if self.family is Normal and self.deviance == 0:
            foot += " (a perfect fit: the likelihood has no maximum in the variance, and the errors say nothing)"
        return foot.replace(" -", " −")

    def _table(self):
        """Headings and rows of text."""
        heads = ["", "coefficient", "standard error", "robust (HC0)"]
        columns = [self.coefficients, self.standard_errors, self.robust_standard_errors]
        values = np.stack([np.asarray(column).ravel() for column in columns], axis=1)
        names = list(self.names)
        if self.classes:
            names = [f"{label}: {name}" for label in self.classes[1:] for name in self.names]
        return heads, [[name, *map(_number, row)] for name, row in zip(names, values)]

    def __repr__(self) -> str:
        heads, rows = self._table()
        widths = [max(map(len, column)) for column in zip(heads, *rows)]
        lines = [
            "  ".join([f"{row[0]:<{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:]))])
            for row in [heads, *rows]
        ]
        return "\n".join([self._title(), *lines, self._foot()])

    def _repr_html_(self) -> str:
        heads, rows = self._table()
        head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads)
        body = "\n".join(
            f'<tr><th scope="row">{html.escape(row[0])}</th>'
            + "".join(f'<td class="number">{html.escape(value)}</td>' for value in row[1:])
            + "</tr>"
            for row in rows
        )
        caption = f"<caption>{html.escape(self._title())}. {html.escape(self._foot())}.</caption>"
        return f'<table class="lesson">\n{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def assembled(
    family: type,
    link: str,
    classes: tuple[Any, ...],
    design: Design,
    names: tuple[str, ...],
    columns: Any,
    intercept: bool,
    *,
    beta: np.ndarray,
    covariances: tuple[np.ndarray, np.ndarray],
    left: np.ndarray,
    deviance: float,
    log_likelihood: float,
    observations: float,
) -> Regression:
    """The result, from what holds for columns of the scale of the design: coefficients (p, k), covariances without the
    dispersion, and the residual `left` of the score. The dispersion and the log-likelihood of `Normal` follow."""
    p, k = beta.shape
    dispersion = 1.0
    if family is Normal:
        dispersion = deviance / (observations - p)
        with np.errstate(divide="ignore"):
            log_likelihood = float(-0.5 * observations * (np.log(2 * np.pi) + 1 + np.log(deviance / observations)))
    rows = names if not classes else tuple(f"{c}: {name}" for c in classes[1:] for name in names)
    units = np.tile(np.outer(design.scale, design.scale), (k, k))
    base, robust = (covariance / units for covariance in covariances)
    return Regression(
        family=family,
        names=names,
        classes=classes,
        coefficients=named(beta / design.scale[:, None], classes, names),
        covariance=Named(dispersion * base, rows, rows),
        robust_covariance=Named(robust, rows, rows),
        deviance=deviance,
        log_likelihood=log_likelihood,
        residual=named(left * design.scale[:, None], classes, names),
        dispersion=dispersion,
        observations=observations,
        link=link,
        _columns=columns,
        _intercept=intercept,
    )
