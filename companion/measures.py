r"""Entropy, cross-entropy and KL divergence of any two distributions, and total variation of two vectors.

A distribution is one of

* a probability vector (a list or an array whose last axis sums to one),
* a frozen ``scipy.stats`` distribution,
* a member of `companion.families`, or a `Mixture` of them,

in any mix with a common set of outcomes. There is a closed form for two members of one family; otherwise an exact sum
with a controlled tail, or quadrature with a reported error. Nothing is renormalised, clipped or cut off in silence.
All values are in nats unless `base` is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import entr, xlogy
from scipy.stats import _distn_infrastructure as infrastructure  # rv_generic, rv_sample: documented, not exported

from companion import checks
from companion.families import Categorical, Distribution, ExponentialFamily, Mixture, from_scipy
from companion.integrals import quadrature
from companion.special.remainders import kl_term

FROZEN = (stats.distributions.rv_frozen, type(stats.multivariate_normal(0, 1)), type(stats.dirichlet([1, 1])))


# --- the three measures -------------------------------------------------------------------------------------------
def entropy(p: Distribution | ArrayLike, *, base: float | None = None, return_error: bool = False) -> Any:
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
        vectors also what their sums lack to one); of sums and integrals an estimate (`companion.integrals.quadrature`
        says what it contains, and what it cannot see).

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


def cross_entropy(
    p: Distribution | ArrayLike, q: Distribution | ArrayLike, *, base: float | None = None, return_error: bool = False
) -> Any:
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
    p, q = as_pair("cross_entropy", p, q)
    if isinstance(p, np.ndarray):
        with np.errstate(divide="ignore"):
            value = -np.sum(xlogy(p, q), axis=-1)
        return _finish("cross_entropy", value, base, return_error, _vector_error(p, q, value))
    if same_family(p, q):
        return _finish("cross_entropy", p.cross_entropy(q), base, return_error, lambda value: p._cross_entropy_error(q))
    return _numeric("cross_entropy", quadrature.cross_entropy, (p, q), base, return_error)


def kl_divergence(
    p: Distribution | ArrayLike, q: Distribution | ArrayLike, *, base: float | None = None, return_error: bool = False
) -> Any:
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
    p, q = as_pair("kl_divergence", p, q)
    if isinstance(p, np.ndarray):
        value = np.sum(kl_term(p, q), axis=-1)
        return _finish("kl_divergence", value, base, return_error, _vector_error(p, q, value, kl=True))
    if same_family(p, q):
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


def as_pair(where: str, p: Any, q: Any) -> tuple[Any, Any]:
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


def same_family(p: Any, q: Any) -> bool:
    """Whether there is a closed form: one class, and the same parameters held fixed."""
    if isinstance(p, FROZEN) or type(p) is not type(q) or isinstance(p, Mixture):
        return False
    if isinstance(p, Categorical) and p.classes != q.classes:
        return False
    if p.dimension != q.dimension:
        return False
    return all(np.all(p.parameter(name) == q.parameter(name)) for name in p.fixed_names if name not in p.kl_across)


def _batch_shape(d):
    if isinstance(d, Distribution):
        return d.batch_shape
    if isinstance(d, FROZEN[1]):
        return ()
    return np.shape(d.support()[0])


def _numeric(where, rule, distributions, base, return_error):
    """`rule` for every member of the broadcast batch."""
    _scale(where, base), checks.flag(where, "return_error", return_error)  # before the work
    for name, d in zip("pq", distributions):
        if isinstance(d, FROZEN[1]) or (isinstance(d, Distribution) and d.event_ndim):
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


def _scale(where, base):
    """Nats in a unit of information."""
    if base is None:
        return 1.0
    fix = "Leave it out for nats, or pass 2 for bits."
    base = checks.scalar(where, "base", base, fix)
    if base <= 0 or base == 1:
        checks.fail(where, "base", base, "a positive number other than 1", fix)
    return np.log(base)


def _finish(where, value, base, return_error, error):
    """Change of base, and the error bound if it is wanted: a number, or a function of the value that gives it."""
    scale = _scale(where, base)
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


def total_variation(p: ArrayLike, q: ArrayLike) -> np.ndarray | np.float64:
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
