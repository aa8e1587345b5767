"""KL divergence as an average over draws, when both log-densities can be evaluated."""

from __future__ import annotations

import numpy as np

from companion import checks
from companion.estimators.common import Estimate
from companion.families import Distribution
from companion.measures import as_pair

FORMS = ("k1", "k2", "k3")


def monte_carlo_kl(
    p: Distribution, q: Distribution, n: int, rng: np.random.Generator | int, form: str = "k1"
) -> Estimate:
    r"""KL divergence as an average over n draws from p, with its standard error.

    With :math:`r = q(x)/p(x)` the terms are

    * ``k1``: :math:`-\log r`. Unbiased, and may be negative although KL is not;
    * ``k2``: :math:`\tfrac12(\log r)^2`. Never negative, biased unless p and q are close;
    * ``k3``: :math:`r - 1 - \log r`. Never negative, and unbiased if q gives nothing to what p excludes; its variance
      is infinite if q has much heavier tails.

    Parameters
    ----------
    p, q : member of companion.families or Mixture
        p is sampled; both log-densities are evaluated.
    n : int
        Number of draws, at least 2.
    rng : numpy.random.Generator or int
        Source of randomness.
    form : 'k1', 'k2' or 'k3'
        What is averaged.

    Returns
    -------
    Estimate
        ``standard_error`` is :math:`s/\sqrt n`. A draw to which q gives probability zero proves that KL is infinite:
        `inf`, with standard error 0. A warning says that one draw makes most of the average.

    References
    ----------
    Schulman (2020).

    Examples
    --------
    >>> from companion.families import Normal
    >>> estimate = monte_carlo_kl(Normal(0, 1), Normal(1, 1), n=10_000, rng=0)
    >>> abs(estimate.value - 0.5) < 4 * estimate.standard_error
    True
    >>> [round(monte_carlo_kl(Normal(0, 1), Normal(0.1, 1), 100, 5, form).value, 4) for form in ("k1", "k3")]
    [0.0274, 0.0042]
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
        if d.batch_shape:
            argument, expected = f"shape of the batch {name}", "one distribution, shape ()"
            checks.fail(where, argument, d.batch_shape, expected, "Call it for each member.")
    as_pair(where, p, q)
    if not isinstance(form, str) or form not in FORMS:
        error = ValueError if isinstance(form, str) else TypeError
        checks.fail(where, "form", form, "'k1', 'k2' or 'k3'", "Leave it out for the plain average.", error)
    if checks.sample_size(where, n) < 2:
        checks.fail(where, "n", n, "at least 2 draws", "One draw has no standard error.")
    x = p.sample(n, checks.generator(where, rng))
    if not np.all(q._inside(x)) or np.any(np.isneginf(log_q := q.log_prob(x))):
        return Estimate(np.inf, 0.0)
    log_r = log_q - p.log_prob(x)
    with np.errstate(over="ignore"):
        terms = {"k1": lambda: -log_r, "k2": lambda: 0.5 * log_r**2, "k3": lambda: np.expm1(log_r) - log_r}[form]()
    remarks = ()
    if n >= 20 and np.max(np.abs(terms)) > 0.5 * np.sum(np.abs(terms)) > 0:
        remarks = ("one draw makes more than half of the sum: take another form, or many more draws",)
    return Estimate(float(np.mean(terms)), float(np.std(terms, ddof=1) / np.sqrt(n)), remarks)
