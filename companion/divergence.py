r"""Entropy, cross-entropy and KL divergence of any two distributions; normal fits in both directions.

The module of the chapter *What KL measures*. A distribution is one of

* a probability vector (a list or an array whose last axis sums to one),
* a frozen ``scipy.stats`` distribution,
* a member of `companion.families`, or a `Mixture` of them,

in any mix with a common set of outcomes. There is a closed form for two members of one family; otherwise an exact sum
with a controlled tail, or quadrature with a reported error. Nothing is renormalised, clipped or cut off in silence.
All values are in nats unless `base` is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats
from scipy.special import entr, xlogy
from scipy.stats import _distn_infrastructure as infrastructure  # rv_generic, rv_sample: documented, not exported

from companion import checks, quadrature
from companion.families import Categorical, Distribution, ExponentialFamily, Mixture, Normal, from_scipy
from companion.remainders import kl_term

FROZEN = (stats.distributions.rv_frozen, type(stats.multivariate_normal(0, 1)), type(stats.dirichlet([1, 1])))


# --- the three measures -------------------------------------------------------------------------------------------
def entropy(p, *, base=None, return_error=False):
    r"""Entropy :math:`\mathrm{H}(p) = -\mathrm{E}_p[\log p]`: the average surprise of x drawn from p.

    For a density it is the differential entropy, which may be negative and changes with the units of x.

    Parameters
    ----------
    p : array_like, shape (..., K), or distribution
        Probability vector(s) along the last axis, a frozen scipy distribution, or one of our families.
    base : float, optional
        Base of the logarithm: 2 for bits. Nats by default.
    return_error : bool
        Also return the absolute error: of closed forms a bound on rounding, with the parameters taken as exact (for
        vectors also what their sums lack to one); of sums and integrals an estimate (`companion.quadrature` says what
        it contains, and what it cannot see).

    Returns
    -------
    float or ndarray
        Shape of the batch.

    Raises
    ------
    ValueError, TypeError
        If `p` is not a distribution; the message names what is wrong and the fix.
    quadrature.QuadratureError
        If an integral or a long sum cannot be had to an estimated error of 1e-8 times its value, or 1e-14.

    References
    ----------
    Cover and Thomas (2006), chapters 2 and 8.

    Examples
    --------
    >>> round(float(entropy([0.5, 0.25, 0.25], base=2)), 12)
    1.5
    >>> round(float(entropy(stats.uniform(0, 0.1))), 6)
    -2.302585
    """
    p = _distribution("entropy", "p", p)
    if isinstance(p, np.ndarray):
        value = np.sum(entr(p), axis=-1)
        return _finish("entropy", value, base, return_error, _vector_error(p, p, value))
    if isinstance(p, ExponentialFamily):
        return _finish("entropy", p.entropy(), base, return_error, lambda value: p._cross_entropy_error(p))
    return _numeric("entropy", quadrature.entropy, (p,), base, return_error)


def cross_entropy(p, q, *, base=None, return_error=False):
    r"""Cross-entropy :math:`\mathrm{H}(p, q) = -\mathrm{E}_p[\log q]`: the average surprise when x comes from p and you
    believe q.

    :math:`\mathrm{H}(p,q) = \mathrm{H}(p) + \mathrm{KL}(p\|q)`. Infinite where q gives probability zero to
    something that happens under p. Parameters, errors and references as for `kl_divergence`.

    Examples
    --------
    >>> round(float(cross_entropy([0.5, 0.5], [0.25, 0.75], base=2)), 6)
    1.207519
    >>> float(cross_entropy([0.5, 0.5], [1.0, 0.0]))
    inf
    """
    p, q = _pair("cross_entropy", p, q)
    if isinstance(p, np.ndarray):
        with np.errstate(divide="ignore"):
            value = -np.sum(xlogy(p, q), axis=-1)
        return _finish("cross_entropy", value, base, return_error, _vector_error(p, q, value))
    if _same_family(p, q):
        return _finish("cross_entropy", p.cross_entropy(q), base, return_error, lambda value: p._cross_entropy_error(q))
    return _numeric("cross_entropy", quadrature.cross_entropy, (p, q), base, return_error)


def kl_divergence(p, q, *, base=None, return_error=False):
    r"""KL divergence :math:`\mathrm{KL}(p\|q) = \mathrm{E}_p[\log p(x)/q(x)]`: the extra surprise of believing q when x
    comes from p.

    Non-negative, zero if and only if p = q almost everywhere, in general not symmetric, infinite where q gives
    probability zero to something that happens under p; 0 log 0 = 0. Never NaN, never negative.

    Accuracy: closed forms (two vectors, two members of one family) add up terms that are not negative, and keep a
    relative error below 1e-8, mostly below 1e-15, however close p and q are; normals given by nearly singular
    covariances are the exception, and `return_error` says so. Any other pair is a sum or an integral with an estimated
    error of at most 1e-8 times the value, or 1e-14: a KL divergence below 1e-6 may have fewer than eight digits there.

    Parameters
    ----------
    p, q : array_like, shape (..., K), or distribution
        Probability vectors along the last axis (leading axes broadcast), frozen scipy distributions, or members of our
        families, in any mix with a common set of outcomes; a vector is a distribution on {0, …, K−1}.
    base : float, optional
        Base of the logarithm: 2 for bits. Nats by default.
    return_error : bool
        Also return the absolute error: a bound for the rounding of closed forms and exact sums, an estimate for
        integrals and long sums.

    Returns
    -------
    float or ndarray
        Shape of the broadcast batch; with `return_error` a pair.

    Raises
    ------
    ValueError
        If a vector does not sum to one, has an entry outside [0, 1], or the lengths differ.
    TypeError
        If p or q is not a distribution, or one is discrete and the other a density (no KL between them).
    quadrature.QuadratureError
        If an integral or a long sum cannot be had to an estimated error of 1e-8 times its value, or 1e-14.

    References
    ----------
    Kullback and Leibler (1951); Cover and Thomas (2006), chapters 2 and 8.

    Examples
    --------
    >>> round(float(kl_divergence([0.5, 0.5], [0.25, 0.75])), 6)
    0.143841
    >>> round(float(kl_divergence(stats.beta(0.1, 0.2), stats.uniform())), 4)
    4.9773
    >>> float(kl_divergence(stats.cauchy(), stats.norm()))
    inf
    """
    p, q = _pair("kl_divergence", p, q)
    if isinstance(p, np.ndarray):
        value = np.sum(kl_term(p, q), axis=-1)
        return _finish("kl_divergence", value, base, return_error, _vector_error(p, q, value, kl=True))
    if _same_family(p, q):
        return _finish("kl_divergence", p.kl_divergence(q), base, return_error, lambda value: p._kl_error(q, value))
    return _numeric("kl_divergence", quadrature.kl_divergence, (p, q), base, return_error)


def _distribution(where, name, value):
    """A probability array, a member of our families, or a frozen scipy distribution without a family of ours."""
    if isinstance(value, Distribution):
        return value
    if isinstance(value, infrastructure.rv_sample):  # atoms with probabilities: complete without being called
        value = value()
    if isinstance(value, FROZEN):
        try:
            return from_scipy(value) or value
        except ValueError as error:
            checks.fail(where, name, value, "parameters in its domain", str(error))
    if checks.is_array_like(value):
        return checks.probability_vector(where, name, value)
    if isinstance(value, type):
        checks.fail(where, name, value.__name__, "a distribution, not its class", "Call it with parameters.", TypeError)
    if isinstance(value, infrastructure.rv_generic):
        checks.fail(
            where,
            name,
            value,
            "a frozen distribution, with its parameters",
            f"Call it first, e.g. {checks.describe(value)}(...).",
            TypeError,
        )
    checks.fail(
        where,
        name,
        value,
        "a probability vector, a frozen scipy.stats distribution or a member of companion.families",
        "Pass e.g. [0.2, 0.8], stats.norm(0, 1) or Normal(0, 1).",
        TypeError,
    )


def _pair(where, p, q):
    """Both arguments coerced; two vectors stay arrays, a vector next to a distribution becomes a Categorical."""
    p, q = _distribution(where, "p", p), _distribution(where, "q", q)
    if isinstance(p, np.ndarray) and isinstance(q, np.ndarray):
        if p.shape[-1] != q.shape[-1]:
            checks.fail(
                where,
                "length of q",
                q.shape[-1],
                f"{p.shape[-1]}, the length of p",
                "Give both the same cells, with probability 0 where one has none.",
            )
        checks.broadcast(where, p=p.shape[:-1], q=q.shape[:-1])
        return p, q
    p, q = (Categorical(d) if isinstance(d, np.ndarray) else d for d in (p, q))
    kinds = [_kind(d) for d in (p, q)]
    if kinds[0] != kinds[1]:
        measure = "KL divergence" if "kl" in where else "cross-entropy"
        raise TypeError(
            f"{where}: there is no {measure} between p = {checks.describe(p)} ({kinds[0]}) and "
            f"q = {checks.describe(q)} ({kinds[1]}); expected two distributions on the same outcomes. "
            "Compare probabilities of bins with probabilities of the same bins."
        )
    checks.broadcast(where, p=_batch_shape(p), q=_batch_shape(q))
    return p, q


def _kind(d):
    """'discrete', 'a density on the line' or 'a density of vectors with d coordinates'."""
    if isinstance(d, FROZEN[1]):
        return f"a density of vectors with {d.dim} coordinates"
    if isinstance(d, FROZEN[0]):
        return "discrete" if isinstance(d.dist, stats.rv_discrete) else "a density on the line"
    if d.discrete:
        return "discrete"
    return f"a density of vectors with {d.dimension} coordinates" if d.event_ndim else "a density on the line"


def _same_family(p, q):
    """Whether there is a closed form: one class, and the same parameters held fixed."""
    if isinstance(p, FROZEN) or type(p) is not type(q) or isinstance(p, Mixture):
        return False
    if isinstance(p, Categorical) and p.classes != q.classes:
        return False
    if getattr(p, "dimension", None) != getattr(q, "dimension", None):
        return False
    return all(np.all(p._parameter(name) == q._parameter(name)) for name in p.fixed_names if name not in p.kl_across)


def _batch_shape(d):
    if isinstance(d, Distribution):
        return d.batch_shape
    if isinstance(d, FROZEN[1]):
        return ()
    return np.shape(d.support()[0])


def _numeric(where, rule, distributions, base, return_error):
    """`rule` for every member of the broadcast batch."""
    for name, d in zip("pq", distributions):
        if isinstance(d, FROZEN[1]) or getattr(d, "event_ndim", 0):
            checks.fail(
                where,
                name,
                d,
                "a distribution on the line, or two members of one family",
                "For vectors there are closed forms only, and they need positive definite covariances.",
                TypeError,
            )
    shape = np.broadcast_shapes(*(_batch_shape(d) for d in distributions))
    value, error = np.empty(shape), np.empty(shape)
    for index in np.ndindex(*shape):
        estimate = rule(*(_member(d, index) for d in distributions))
        value[index], error[index] = estimate.value, estimate.error
    return _finish(where, value, base, return_error, error)


def _member(d, index):
    if isinstance(d, Distribution):
        return d._member(index)
    shape = _batch_shape(d)
    if shape == ():
        return d
    index = tuple(i if size > 1 else 0 for i, size in zip(index[len(index) - len(shape) :], shape))
    arguments = [np.broadcast_to(a, shape)[index] for a in d.args]
    return d.dist(*arguments, **{k: np.broadcast_to(v, shape)[index] for k, v in d.kwds.items()})


def _vector_error(p, q, value, kl=False):
    """Bound for sums over vectors: rounding, and what their sums lack to one. Σ (p log p/q − p + q) of the vectors as
    given is P KL(p/P‖q/Q) + (P log P/Q − P + Q), P and Q the two sums."""
    size = np.where(np.isfinite(value), np.abs(value), 0.0)
    lack_p, lack_q = (np.abs(np.sum(d, axis=-1) - 1) + 4 * np.finfo(float).eps for d in (p, q))
    rounding = (16 + np.log2(p.shape[-1])) * np.finfo(float).eps * size
    return rounding + lack_p * size + ((lack_p + lack_q) ** 2 if kl else lack_p + lack_q)


def _finish(where, value, base, return_error, error):
    """Change of base, and the error bound if it is wanted: a number, or a function of the value that gives it."""
    scale = 1.0
    if base is not None:
        fix = "Leave it out for nats, or pass 2 for bits."
        base = checks.scalar(where, "base", base, fix)
        if base <= 0 or base == 1:
            checks.fail(where, "base", base, "a positive number other than 1", fix)
        scale = np.log(base)
    value = np.asarray(value, dtype=float)
    if np.any(np.isnan(value)):
        raise quadrature.QuadratureError(
            f"{where}: value = nan; expected a number. A closed form has left the range of doubles: the parameters are "
            "more than 300 orders of magnitude apart. Change the unit of measurement."
        )
    if not checks.flag(where, "return_error", return_error):
        return (value / scale)[()]
    with np.errstate(all="ignore"):
        error = np.asarray(error(value) if callable(error) else error, dtype=float)
    return (value / scale)[()], (np.where(np.isfinite(value), error, 0.0) / abs(scale))[()]


# --- two more ways to look at a pair ------------------------------------------------------------------------------
class MonteCarlo(NamedTuple):
    """A sample average with its standard error."""

    value: float
    standard_error: float


def monte_carlo_kl(p, q, n, rng):
    r"""KL divergence as the average of :math:`\log p(x_i)/q(x_i)` over n draws from p, with its standard error.

    Parameters
    ----------
    p, q : member of companion.families or Mixture
        p is sampled; both log-densities are evaluated.
    n : int
        Number of draws, at least 2.
    rng : numpy.random.Generator or int
        Source of randomness.

    Returns
    -------
    MonteCarlo
        ``value`` is unbiased, and may be negative although KL is not; ``standard_error`` is :math:`s/\sqrt n`. A draw
        to which q gives probability zero proves that KL is infinite: `inf`, with standard error 0.

    Examples
    --------
    >>> from companion.families import Normal
    >>> estimate = monte_carlo_kl(Normal(0, 1), Normal(1, 1), n=10_000, rng=0)
    >>> abs(estimate.value - 0.5) < 4 * estimate.standard_error
    True
    """
    where = "monte_carlo_kl"
    for name, d in (("p", p), ("q", q)):
        if not isinstance(d, Distribution):
            checks.fail(
                where,
                name,
                d,
                "a member of companion.families",
                "Pass e.g. Normal(0, 1) or Categorical([0.2, 0.8]).",
                TypeError,
            )
        _require_single(where, name, d)
    _pair(where, p, q)
    if checks.sample_size(where, n) < 2:
        checks.fail(where, "n", n, "at least 2 draws", "One draw has no standard error.")
    x = p.sample(n, checks.generator(where, rng))
    if not np.all(q._inside(x)) or np.any(np.isneginf(log_q := q.log_prob(x))):
        return MonteCarlo(np.inf, 0.0)
    ratio = p.log_prob(x) - log_q
    return MonteCarlo(float(np.mean(ratio)), float(np.std(ratio, ddof=1) / np.sqrt(n)))


def _require_single(where, name, d):
    if d.batch_shape:
        checks.fail(
            where, f"shape of the batch {name}", d.batch_shape, "one distribution, shape ()", "Call it for each member."
        )


def total_variation(p, q):
    r"""Total variation distance :math:`\tfrac12\sum_k |p_k - q_k|` of probability vectors (..., K).

    The largest difference in probability that p and q can give to one event. Pinsker's inequality bounds it:
    :math:`\mathrm{TV}(p, q)^2 \le \mathrm{KL}(p\|q)/2`.

    Examples
    --------
    >>> float(total_variation([0.5, 0.5], [0.25, 0.75]))
    0.25
    """
    p, q = (checks.probability_vector("total_variation", name, d) for name, d in (("p", p), ("q", q)))
    if p.shape[-1] != q.shape[-1]:
        checks.fail(
            "total_variation",
            "length of q",
            q.shape[-1],
            f"{p.shape[-1]}, the length of p",
            "Give both the same cells.",
        )
    checks.broadcast("total_variation", p=p.shape[:-1], q=q.shape[:-1])
    return (0.5 * np.sum(np.abs(p - q), axis=-1))[()]


# --- one normal, two humps: the two directions --------------------------------------------------------------------
def two_humps(half_distance):
    """Equal mixture of N(−m, 1) and N(m, 1), m = `half_distance`: the target of both fits.

    >>> two_humps(2.0).variance()
    5.0
    """
    fix = "Pass half the distance between the humps."
    m = checks.scalar("two_humps", "half_distance", half_distance, fix)
    if m < 0:
        checks.fail("two_humps", "half_distance", m, "a number that is not negative", fix)
    return Mixture([0.5, 0.5], Normal([-m, m], 1.0))


def forward_fit(target):
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


def reverse_fit(target, start):
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


def reverse_transitions():
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
