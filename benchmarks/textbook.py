"""Closed forms of KL divergences as textbooks print them, in doubles: those of `companion.numerics`, and the rest.

Written with care where a textbook leaves the choice: logarithms of sums and scaled Bessel functions do not overflow.
What is left is the subtraction of nearly equal numbers.
"""

import numpy as np
from scipy.special import expit, i0e, i1e, logsumexp, softmax

from companion.numerics import DOUBLES, TEXTBOOK


def of_the_book(name):
    """A formula of the chapter as a function of the arguments of p and then those of q."""

    def formula(*arguments):
        half = len(arguments) // 2
        return TEXTBOOK[name](DOUBLES, arguments[:half], arguments[half:])

    return formula


def bernoulli_logits(a, b):
    return np.logaddexp(0, b) - np.logaddexp(0, a) - (b - a) * expit(a)


def categorical(p, q):
    return np.sum(p * np.log(p / q), axis=-1)


def categorical_logits(a, b):
    return logsumexp(b, axis=-1) - logsumexp(a, axis=-1) - np.sum((b - a) * softmax(a, axis=-1), axis=-1)


def multivariate_normal(m, cov, n, other):
    away = (n - m)[..., None]
    trace = np.trace(np.linalg.solve(other, cov), axis1=-2, axis2=-1)
    square = np.sum(away * np.linalg.solve(other, away), axis=(-2, -1))
    log_determinants = np.linalg.slogdet(other)[1] - np.linalg.slogdet(cov)[1]
    return 0.5 * (trace - m.shape[-1] + square + log_determinants)


def multivariate_normal_cholesky(m, lower, n, other):
    away = np.linalg.solve(other, (n - m)[..., None])
    trace = np.sum(np.linalg.solve(other, lower) ** 2, axis=(-2, -1))
    ratio = np.diagonal(other, axis1=-2, axis2=-1) / np.diagonal(lower, axis1=-2, axis2=-1)
    return 0.5 * (trace - m.shape[-1] + np.sum(away**2, axis=(-2, -1))) + np.sum(np.log(ratio), axis=-1)


def von_mises(m, k, n, l):
    return np.log(i0e(l) / i0e(k)) + l - k + i1e(k) / i0e(k) * (k - l * np.cos(m - n))


#: Constructor in `companion.families` -> function of the arguments of p and then those of q.
FORMULAS = {name: of_the_book(name) for name in TEXTBOOK} | {
    "Bernoulli.from_logits": bernoulli_logits,
    "Categorical": categorical,
    "Categorical.from_logits": categorical_logits,
    "MultivariateNormal": multivariate_normal,
    "MultivariateNormal.from_cholesky": multivariate_normal_cholesky,
    "VonMises": von_mises,
}
