r"""The time that evidence takes, and the two directions of a fit with certified optima: the module of the chapter *What
KL divergence measures*.

The measures themselves, `entropy`, `cross_entropy`, `kl_divergence` and `total_variation`, are in `companion.measures`
and can be had from here too, as can `monte_carlo_kl`, which is in `companion.estimators.monte_carlo`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

from companion import checks
from companion.estimators.common import Estimate as MonteCarlo  # noqa: F401
from companion.estimators.monte_carlo import monte_carlo_kl  # noqa: F401
from companion.families import Distribution, Mixture, Normal
from companion.integrals import quadrature
from companion.measures import as_pair, cross_entropy, entropy, kl_divergence, total_variation  # noqa: F401


# --- how long evidence takes --------------------------------------------------------------------------------------
def first_passage(chance: float, up: float, down: float, bar: float, longest: int) -> np.ndarray:
    r"""Probability that evidence first reaches a bar at trial t, for t = 0, …, `longest`, by exact sums.

    Each of the independent trials succeeds with probability `chance` and adds `up`, or fails and adds `down`. The
    probabilities of the paths that have not yet reached the bar are summed by their number of successes.

    Parameters
    ----------
    chance : float
        Probability of success, in [0, 1].
    up, down : float
        What a success and a failure add, such as log p(x)/q(x) of the two outcomes, in nats.
    bar : float
        Positive; such as log(1/δ).
    longest : int
        Number of trials that are followed, at most 20,000.

    Returns
    -------
    ndarray of shape (longest + 1,)
        Its sum is the probability of reaching the bar within `longest` trials.

    Raises
    ------
    ValueError, TypeError
        If an argument is not a number of its kind.

    References
    ----------
    Wald (1945).

    Examples
    --------
    A fair coin, one step up or one down, first reaches two steps after 2, 4, 6, … throws:

    >>> first_passage(0.5, 1.0, -1.0, bar=2.0, longest=6)
    array([0.      , 0.      , 0.25    , 0.      , 0.125   , 0.      ,
           0.078125])
    """
    where = "first_passage"
    chance = checks.scalar(where, "chance", chance, "Pass a probability, e.g. 0.6.")
    if not 0 <= chance <= 1:
        checks.fail(where, "chance", chance, "a probability in [0, 1]", "Pass a probability, e.g. 0.6.")
    up = checks.scalar(where, "up", up, "Pass what a success adds, e.g. log 1.2.")
    down = checks.scalar(where, "down", down, "Pass what a failure adds, e.g. log 0.8.")
    bar = checks.scalar(where, "bar", bar, "Pass what is to be reached, e.g. log 100.")
    if bar <= 0:
        checks.fail(where, "bar", bar, "a positive number", "Evidence starts at 0. Pass e.g. log 100.")
    if checks.positive_integer(where, "longest", longest, "Pass how many trials to follow.") > 20_000:
        checks.fail(where, "longest", longest, "at most 20,000 trials", "The time grows with the square of it.")
    alive, stops = np.ones(1), np.zeros(longest + 1)
    with np.errstate(all="ignore"):
        for t in range(1, longest + 1):
            alive = np.append(alive, 0.0) * (1 - chance) + np.append(0.0, alive) * chance
            successes = np.arange(t + 1)
            reached = successes * up + (t - successes) * down >= bar
            stops[t] = alive[reached].sum()
            alive[reached] = 0.0
    return stops


def _require_single(where, name, d):
    if d.batch_shape:
        checks.fail(
            where, f"shape of the batch {name}", d.batch_shape, "one distribution, shape ()", "Call it for each member."
        )


# --- one normal, two humps: the two directions --------------------------------------------------------------------
def two_humps(half_distance: float) -> Mixture:
    """Equal mixture of N(−m, 1) and N(m, 1), m = `half_distance`: the target of both fits.

    >>> two_humps(2.0).variance()
    5.0
    """
    fix = "Pass half the distance between the humps."
    m = checks.scalar("two_humps", "half_distance", half_distance, fix)
    if m < 0:
        checks.fail("two_humps", "half_distance", m, "a number that is not negative", fix)
    return Mixture([0.5, 0.5], Normal([-m, m], 1.0))


def forward_fit(target: Distribution) -> Normal:
    r"""The normal that minimises :math:`\mathrm{KL}(\text{target}\|q)`: the one with the target's mean and variance.

    Examples
    --------
    >>> fit = forward_fit(two_humps(2.0))
    >>> float(fit.mean()), round(float(fit.sd), 6)
    (0.0, 2.236068)
    """
    _require_density("forward_fit", target)
    return Normal(target.mean(), np.sqrt(target.variance()))


def _require_density(where, target):
    if not isinstance(target, Distribution) or target.discrete or target.event_ndim:
        checks.fail(
            where,
            "target",
            target,
            "a density on the line: a Mixture or a member of companion.families",
            "Pass e.g. two_humps(2.0) or Normal(0, 1).",
            TypeError,
        )
    _require_single(where, "target", target)


class ReverseFit(NamedTuple):
    """A stationary point of the reverse KL with its certificate.

    Derivatives are taken in the mean, in units of the fitted sd, and in log sd. ``gradient`` is the largest of the two
    in absolute value and ``curvature`` the smallest eigenvalue of the matrix of second derivatives: a local minimum has
    gradient 0 and curvature > 0.
    """

    normal: Normal
    kl: float
    gradient: float
    curvature: float


def _hermite_averages(f):
    """E[f(z) He_k(z)] for k = 0, …, 4 and z from N(0, 1), by the trapezoidal rule. For an analytic f its error falls
    exponentially in 1/step, and the step is halved until that shows: where f bends sharply it ends far below 0.02."""
    step, sums, size, before = 0.04, np.zeros(5), np.zeros(5), np.inf
    z = step * np.arange(-300, 301)
    while z.size < 2**18:
        hermite = np.stack([np.ones_like(z), z, z**2 - 1, z**3 - 3 * z, z**4 - 4 * z**2 + 1])
        terms = hermite * np.exp(-0.5 * z**2) * f(z)
        sums, size = sums + terms.sum(axis=1), size + np.abs(terms).sum(axis=1)
        average = sums * step / np.sqrt(2 * np.pi)
        if np.all(np.abs(average - before) <= 1e-14 * step * size):
            return average
        before, step = average, step / 2
        z = -12 + step * np.arange(1, round(24 / step), 2)
    raise quadrature.QuadratureError(
        "reverse_fit: a quarter of a million nodes do not resolve the log-density of the target on the scale of the "
        "normal; expected humps whose distance is at most about a hundred of their widths. Start closer to one of them."
    )


def _reverse_kl(target, mean, log_sd):
    """KL(N(mean, sd²)‖target) with gradient and Hessian in the mean, in units of this sd, and in log sd."""
    sd = np.exp(log_sd)
    # derivatives of E[f(mean + sd z)] need values of f alone (integration by parts)
    one, first, second, third, fourth = _hermite_averages(lambda z: target.log_prob(mean + sd * z))
    value = -0.5 * np.log(2 * np.pi * np.e) - log_sd - one
    gradient = np.array([-first, -1.0 - second])
    hessian = np.array([[-second, -third], [-third, -fourth]])
    return value, gradient, hessian


def reverse_fit(target: Distribution, start: Normal) -> ReverseFit:
    r"""The local minimum of :math:`\mathrm{KL}(q\|\text{target})` over normals q downhill from `start`, certified.

    Newton steps in the mean (in units of the current sd) and log sd, with step halving; where the function is not
    convex the Hessian's eigenvalues are replaced by their absolute values, so that every step goes down.

    Parameters
    ----------
    target : Mixture or member of companion.families
        A smooth density on the whole line with log-density `log_prob`.
    start : Normal
        Where the search begins.

    Returns
    -------
    ReverseFit
        The normal, its reverse KL in nats, and the certificate.

    Raises
    ------
    ArithmeticError
        If the search does not reach a gradient below 1e-10, or the humps are too far apart for the quadrature.
    ValueError
        If the target is zero somewhere: then every normal has an infinite reverse KL.

    Examples
    --------
    >>> fit = reverse_fit(two_humps(3.0), Normal(2.0, 1.0))
    >>> round(float(fit.normal.mean()), 4), round(float(fit.normal.sd), 4), fit.gradient < 1e-10, fit.curvature > 0
    (2.9843, 1.0234, True, True)
    """
    _require_density("reverse_fit", target)
    if np.isfinite(target.support).any():
        checks.fail(
            "reverse_fit",
            "target",
            target,
            "a density on the whole line",
            "It is zero outside its support, where every normal has mass: all of them have an infinite reverse KL.",
        )
    if not isinstance(start, Normal):
        checks.fail("reverse_fit", "start", start, "a Normal", "Pass where to begin, e.g. Normal(0, 1).", TypeError)
    _require_single("reverse_fit", "start", start)
    mean, log_sd = float(start.mean()), float(np.log(start.sd))
    value, gradient, hessian = _reverse_kl(target, mean, log_sd)
    for _ in range(200):
        if np.max(np.abs(gradient)) < 1e-13 + 1e-14 * abs(value):
            break
        eigenvalues, vectors = np.linalg.eigh(hessian)
        step = -vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(eigenvalues), 1e-8))
        step *= min(1.0, 1.0 / np.max(np.abs(step)))
        for _ in range(40):
            trial = _reverse_kl(target, mean + step[0] * np.exp(log_sd), log_sd + step[1])
            downhill = trial[0] <= value + 1e-4 * gradient @ step
            # close to the optimum the value no longer resolves a step, but the gradient does
            closing_in = eigenvalues[0] > 0 and np.max(np.abs(trial[1])) < 0.5 * np.max(np.abs(gradient))
            if downhill or closing_in:
                break
            step *= 0.5
        else:
            break
        mean, log_sd = mean + step[0] * np.exp(log_sd), log_sd + step[1]
        value, gradient, hessian = trial
    size = float(np.max(np.abs(gradient)))
    if size > 1e-10:
        raise ArithmeticError(
            f"reverse_fit: gradient = {size:.2e} at {Normal(mean, np.exp(log_sd))}; expected less than 1e-10. "
            "Start elsewhere."
        )
    return ReverseFit(Normal(mean, np.exp(log_sd)), float(value), size, float(np.linalg.eigvalsh(hessian)[0]))


class Transitions(NamedTuple):
    """Half-distances m at which the reverse fit of `two_humps(m)` changes its nature.

    Below ``second_optimum`` the covering fit is the only minimum; there a minimum on each hump appears; from
    ``one_hump_wins`` on it is the global one. ``residual`` is the largest defect of the equations solved.
    """

    second_optimum: float
    one_hump_wins: float
    residual: float


def reverse_transitions() -> Transitions:
    r"""Where the reverse fit to two humps gets its second optimum, and where that one wins.

    A minimum on one hump is born together with a saddle, where gradient and determinant of the Hessian vanish
    together: three equations in mean, log sd and m. It wins where its reverse KL equals that of the covering fit.

    Examples
    --------
    >>> found = reverse_transitions()
    >>> round(found.second_optimum, 4), round(found.one_hump_wins, 4), found.residual < 1e-9
    (2.4122, 2.8001, True)
    """

    def fold(unknown):
        scaled_mean, log_sd, m = unknown
        _, gradient, hessian = _reverse_kl(two_humps(m), scaled_mean, log_sd)
        return [*gradient, np.linalg.det(hessian)]

    def advantage(m):
        covering = reverse_fit(two_humps(m), Normal(0.0, m))
        return covering.kl - reverse_fit(two_humps(m), Normal(m, 1.0)).kl

    birth = optimize.root(fold, [2.1, 0.2, 2.45], tol=1e-13).x
    tie = optimize.brentq(advantage, 2.6, 3.0, xtol=1e-13)
    return Transitions(float(birth[2]), float(tie), float(max(np.max(np.abs(fold(birth))), abs(advantage(tie)))))
