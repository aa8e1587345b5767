r"""KL divergence through a fitted log-ratio: a classifier, the Donsker–Varadhan bound, the NWJ bound.

All three fit a *critic* :math:`f(x) \approx \log p(x)/q(x)`, linear in features, the quadratic polynomials and Gaussian
bumps at some of the points, and cut off at ±log m. Each fifth of both samples is scored by a critic fitted to the rest
(cross-fitting).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.estimators.common import Estimate, average_error, refuse_ties, two_samples, whiten
from companion.special.products import dot

FOLDS = 5
#: Gaussian bumps among the features.
BUMPS = 20
_PENALTY = 1e-2
#: Of a point, in standard deviations of a normal distribution with the same quartiles.
_FURTHEST = 1e6


def classifier_kl(x: ArrayLike, y: ArrayLike, rng: np.random.Generator | int) -> Estimate:
    r"""KL divergence from a logistic regression that tells x from y: its log-odds are a log-ratio of densities.

    :math:`\frac1n\sum_i f(x_i) + 1 - \frac1m\sum_j e^{f(y_j)}` with f fitted to other points. The last two terms would
    cancel for the true ratio, whose average under q is 1; with them an error of f counts by its square.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d) and (m,) or (m, d)
        Independent draws from p and q, at least 50 each.
    rng : numpy.random.Generator or int
        Chooses folds and bumps.

    Returns
    -------
    Estimate
        In nats, in expectation at most KL(p‖q). A warning says that the average under q rests on few points.

    Raises
    ------
    ValueError, TypeError
        If values repeat, a column is constant or follows from others, or there are too few points.

    References
    ----------
    Sugiyama, Suzuki and Kanamori (2012); Kandasamy et al. (2015) for the correction.

    Examples
    --------
    >>> draws = np.random.default_rng(0)
    >>> found = classifier_kl(draws.normal(size=(2000, 3)), draws.normal(0.5, 1.0, size=(2000, 3)), rng=0)
    >>> abs(found.value - 0.375) < 3 * found.standard_error, found.warnings
    (True, ())
    """
    of_x, of_y, _, _, remarks = _scores("classifier_kl", x, y, rng, _logistic)
    return _nwj_value(of_x, of_y, remarks)


def nwj(x: ArrayLike, y: ArrayLike, rng: np.random.Generator | int) -> Estimate:
    r"""The bound of Nguyen, Wainwright and Jordan,
    :math:`\mathrm{E}_p[f] + 1 - \mathrm{E}_q[e^f] \le \mathrm{KL}(p\|q)` for every f, with the f that maximises it on
    other points.

    The average of :math:`e^f` under q has a variance of the order :math:`e^{\mathrm{KL}}/m`: it needs about
    :math:`e^{\mathrm{KL}}` points of y. Arguments, result and errors as for `classifier_kl`.

    References
    ----------
    Nguyen, Wainwright and Jordan (2010).

    Examples
    --------
    >>> draws = np.random.default_rng(0)
    >>> found = nwj(draws.normal(size=2000), draws.normal(1.0, 1.0, size=2000), rng=0)
    >>> abs(found.value - 0.5) < 4 * found.standard_error
    True
    """
    of_x, of_y, _, _, remarks = _scores("nwj", x, y, rng, _exponential)
    return _nwj_value(of_x, of_y, remarks)


def donsker_varadhan(x: ArrayLike, y: ArrayLike, rng: np.random.Generator | int) -> Estimate:
    r"""The bound of Donsker and Varadhan,
    :math:`\mathrm{E}_p[f] - \log\mathrm{E}_q[e^f] \le \mathrm{KL}(p\|q)` for every f, with the f that maximises it on
    other points.

    The bound holds for expectations. The logarithm of an average from m points lies below that of its expectation on
    average, so that the estimate may lie above KL. Arguments, result and errors as for `classifier_kl`.

    References
    ----------
    Donsker and Varadhan (1983); McAllester and Stratos (2020) for its limit.

    Examples
    --------
    >>> draws = np.random.default_rng(0)
    >>> found = donsker_varadhan(draws.normal(size=2000), draws.normal(1.0, 1.0, size=2000), rng=0)
    >>> abs(found.value - 0.5) < 4 * found.standard_error
    True
    """
    return _dv_value(*_scores("donsker_varadhan", x, y, rng, _exponential))


def _dv_value(of_x, of_y, fold_x, fold_y, remarks):
    weight = np.exp(of_y)
    normaliser = np.array([weight[fold_y == fold].mean() for fold in range(FOLDS)])
    terms = of_x - np.log(normaliser)[fold_x]
    return Estimate(float(np.mean(terms)), average_error(terms, weight / normaliser[fold_y]), remarks)


def _nwj_value(of_x, of_y, remarks):
    ratio = np.exp(of_y)
    return Estimate(float(np.mean(of_x) + 1 - np.mean(ratio)), average_error(of_x, ratio), remarks)


# --- the critic ---------------------------------------------------------------------------------------------------
def _scores(where, x, y, rng, fit):
    """The critic at all points of x and y, each from a fit to the other folds; the folds; remarks."""
    rng = checks.generator(where, rng)
    a, b = two_samples(where, x, y, 50)
    refuse_ties(where, "x and y", a, b)
    (a, b), _ = whiten(where, a, b)
    features_x, features_y = _features(a, b, rng)
    for name, features in (("x", features_x), ("y", features_y)):
        furthest = float(np.max(np.abs(features[:, 1 : 1 + a.shape[1]])))
        if furthest > _FURTHEST:
            fix = "Its square leaves no digits to the others. A one-to-one map of both, such as a logarithm, keeps KL."
            expected = f"at most {_FURTHEST:g} standard deviations, as the quartiles of both samples tell them"
            checks.fail(where, f"a point of {name} as far out as", furthest, expected, fix)
    fold_x, fold_y = (rng.permutation(len(s)) % FOLDS for s in (a, b))
    of_x, of_y = np.empty(len(a)), np.empty(len(b))
    w = np.zeros(features_x.shape[1])  # where a search begins; it ends at the one minimum of a convex loss
    for fold in range(FOLDS):
        w = fit(features_x[fold_x != fold], features_y[fold_y != fold], w)
        of_x[fold_x == fold] = features_x[fold_x == fold] @ w
        of_y[fold_y == fold] = features_y[fold_y == fold] @ w
    limit = np.log(len(b))  # a larger ratio is one that m points cannot show; the bounds hold for every critic
    of_x, of_y = np.clip(of_x, -limit, limit), np.clip(of_y, -limit, limit)
    weight = np.exp(of_y - of_y.max())
    effective = weight.sum() ** 2 / np.sum(weight**2)
    remarks = []
    if np.mean(of_x == limit) > 0.01:
        remarks.append(
            f"for a share {np.mean(of_x == limit):.2g} of x the critic is at its limit log m = {limit:.1f}, the "
            "largest ratio that so few points of y can show: KL may be much larger"
        )
    if (low := np.mean(of_x == -limit)) > 0.01:
        remarks.append(
            f"for a share {low:.2g} of x the critic is at its lower limit −log m = −{limit:.1f}: a few points far out "
            "rule it, and the bound is far below KL"
        )
    if effective < 50 or weight.max() > 0.05 * weight.sum():
        remarks.append(
            f"the average under q rests on {effective:.0f} effective points of {len(b):,}: a sample of this size can "
            f"certify log m = {np.log(len(b)):.1f} nats at most"
        )
    if features_x.shape[1] > min(len(a), len(b)) / 10:
        remarks.append(f"{features_x.shape[1]} features for {min(len(a), len(b))} points: the critic is overfitted")
    return of_x, of_y, fold_x, fold_y, tuple(remarks)


def _features(a, b, rng):
    """1, all monomials of degree 1 and 2, and Gaussian bumps at points of both samples; no penalty on the 1."""
    both = np.concatenate([a, b])
    low, high = np.quantile(both, [0.25, 0.75], axis=0)
    scale = np.where(high > low, (high - low) / 1.349, 1.0)
    d = a.shape[1]
    centres = np.concatenate([s[rng.choice(len(s), BUMPS // 2, replace=False)] for s in (a, b)]) / scale
    width = 0.7 * np.sqrt(d)
    upper = np.triu_indices(d)

    def of(s):
        z = s / scale
        squares = (z[:, upper[0]] * z[:, upper[1]]) / np.sqrt(2)
        distance = np.maximum(np.sum(z**2, axis=1)[:, None] - 2 * dot(z, centres.T) + np.sum(centres**2, axis=1), 0.0)
        return np.concatenate([np.ones((len(z), 1)), z, squares, np.exp(-distance / (2 * width**2))], axis=1)

    return of(a), of(b)


def _logistic(fx, fy, start):
    """Minimises the average logistic loss of both samples, as if they had equal size, plus a penalty."""

    def parts(w):
        s, t = fx @ w, fy @ w
        u, v = 1 / (1 + np.exp(np.clip(s, -500, 500))), 1 / (1 + np.exp(np.clip(-t, -500, 500)))
        value = np.mean(np.logaddexp(0, -s)) + np.mean(np.logaddexp(0, t))
        return value, (u * (1 - u)) / len(fx), (v * (1 - v)) / len(fy), -u / len(fx), v / len(fy)

    return _newton(parts, fx, fy, start)


def _exponential(fx, fy, start):
    """Maximises the Donsker–Varadhan bound; the constant is set so that e^f averages 1, which maximises NWJ's too."""

    def parts(w):
        t = fy @ w
        top = t.max()
        v = np.exp(t - top)
        total = v.sum()
        value = top + np.log(total / len(fy)) - np.mean(fx @ w)
        return value, None, v / total, np.full(len(fx), -1 / len(fx)), v / total

    w = _newton(parts, fx, fy, start)
    t = fy @ w
    w[0] -= t.max() + np.log(np.mean(np.exp(t - t.max())))
    return w


def _newton(parts, fx, fy, w):
    """Minimum of a convex loss by damped Newton steps; every coefficient but the constant is penalised."""
    penalty = np.full(fx.shape[1], _PENALTY / np.sqrt(min(len(fx), len(fy))))
    penalty[0] = 1e-9
    value, in_x, in_y, slope_x, slope_y = parts(w)
    objective = value + 0.5 * np.sum(penalty * w**2)
    for _ in range(50):
        gradient = fx.T @ slope_x + fy.T @ slope_y + penalty * w
        hessian = dot((fy * in_y[:, None]).T, fy) + np.diag(penalty)
        if in_x is None:  # a covariance under the weights
            mean = fy.T @ in_y
            hessian -= np.outer(mean, mean)
        else:
            hessian += dot((fx * in_x[:, None]).T, fx)
        step = np.linalg.solve(hessian, gradient)
        decrement = float(gradient @ step)
        if decrement < 1e-8:
            break
        length = 1.0
        while length > 1e-6:
            trial = parts(w - length * step)
            moved = trial[0] + 0.5 * np.sum(penalty * (w - length * step) ** 2)
            if moved <= objective - 1e-4 * length * decrement:
                break
            length /= 2
        else:
            break
        w, objective = w - length * step, moved
        value, in_x, in_y, slope_x, slope_y = trial
    return w
