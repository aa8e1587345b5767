"""Closed forms of KL divergences as they are printed in textbooks, in doubles.

Written with care where a textbook leaves the choice: logarithms of sums and scaled Bessel functions do not overflow.
What is left is the subtraction of nearly equal numbers.
"""

import numpy as np
from scipy.special import betaln, expit, gammaln, i0e, i1e, logsumexp, psi, softmax


def bernoulli(p, q):
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def bernoulli_logits(a, b):
    return np.logaddexp(0, b) - np.logaddexp(0, a) - (b - a) * expit(a)


def categorical(p, q):
    return np.sum(p * np.log(p / q), axis=-1)


def categorical_logits(a, b):
    return logsumexp(b, axis=-1) - logsumexp(a, axis=-1) - np.sum((b - a) * softmax(a, axis=-1), axis=-1)


def poisson(a, b):
    return a * np.log(a / b) - a + b


def normal(m, s, n, r):
    return np.log(r / s) + (s**2 + (m - n) ** 2) / (2 * r**2) - 0.5


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


def geometric(p, q):
    return np.log(p / q) + (1 - p) / p * np.log((1 - p) / (1 - q))


def exponential(a, b):
    return np.log(a / b) + b / a - 1


def gamma(a, r, b, s):
    return (a - b) * psi(a) - gammaln(a) + gammaln(b) + b * np.log(r / s) + a * (s - r) / r


def beta(a, b, c, d):
    return betaln(c, d) - betaln(a, b) + (a - c) * psi(a) + (b - d) * psi(b) + (c - a + d - b) * psi(a + b)


def dirichlet(a, b):
    total, other = a.sum(axis=-1), b.sum(axis=-1)
    normalisers = gammaln(total) - gammaln(other) + np.sum(gammaln(b) - gammaln(a), axis=-1)
    return normalisers + np.sum((a - b) * (psi(a) - psi(total)[..., None]), axis=-1)


def laplace(m, b, n, c):
    away = np.abs(m - n)
    return np.log(c / b) + (away + b * np.exp(-away / b)) / c - 1


def von_mises(m, k, n, l):
    return np.log(i0e(l) / i0e(k)) + l - k + i1e(k) / i0e(k) * (k - l * np.cos(m - n))


def inverse_gaussian(m, a, n, b):
    return 0.5 * (np.log(a / b) - 1 + b * (m / n**2 - 2 / n + 1 / m + 1 / a))


def weibull(k, a, _, b):
    return (a / b) ** k - 1 - k * np.log(a / b)


#: Constructor in `companion.families` -> function of the arguments of p and then those of q.
FORMULAS = {
    "Bernoulli": bernoulli,
    "Bernoulli.from_logits": bernoulli_logits,
    "Categorical": categorical,
    "Categorical.from_logits": categorical_logits,
    "Binomial": lambda n, p, _, q: n * bernoulli(p, q),
    "Poisson": poisson,
    "Normal": normal,
    "MultivariateNormal": multivariate_normal,
    "MultivariateNormal.from_cholesky": multivariate_normal_cholesky,
    "Geometric": geometric,
    "NegativeBinomial": lambda r, p, _, q: r * geometric(p, q),
    "LogNormal": normal,
    "Exponential": exponential,
    "Gamma": gamma,
    "Beta": beta,
    "Dirichlet": dirichlet,
    "Laplace": laplace,
    "VonMises": von_mises,
    "InverseGaussian": inverse_gaussian,
    "Pareto": lambda a, _, b, __: exponential(a, b),
    "Weibull": weibull,
}
