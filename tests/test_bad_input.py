"""Bad input, one row a kind: the error names the argument, shows the value, says what was expected and how to mend it.

A row is (call, error, argument, value as shown, words of the expectation, words of the fix). There is one error, not a
chain of them, and it comes from this package, not from the depths of numpy. What is *not* an error stands at the end:
an infinite KL is `inf`, and 0 log 0 is 0.
"""

import functools
import operator
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from companion import checks, coding, estimation, fitting, latent, network, projection, regression, sampling, scale
from companion.divergence import (
    cross_entropy,
    entropy,
    forward_fit,
    kl_divergence,
    monte_carlo_kl,
    reverse_fit,
    total_variation,
    two_humps,
)
from companion.families import (
    FAMILIES,
    Bernoulli,
    Beta,
    Binomial,
    Categorical,
    Dirichlet,
    Gamma,
    Geometric,
    Laplace,
    Mixture,
    MultivariateNormal,
    NegativeBinomial,
    Normal,
    Pareto,
    Poisson,
    VonMises,
    Weibull,
    from_scipy,
)
from companion.hidden import linear_training, linear_vae
from companion.hidden.ppca import ProbabilisticPCA
from companion.lesson import tables
from companion.likelihood import (
    empirical_probabilities,
    kl_lines,
    likelihood,
    likelihood_lines,
    log_likelihood,
    perplexity,
)

EYE = np.eye(2)
PLANE = MultivariateNormal([0, 0], EYE)
GRID = Poisson([0.5, 1.0])
HALF = [0.5, 0.5]
V, T = ValueError, TypeError

ROWS = {
    # --- parameters of the wrong value
    "probability above one": (lambda: Bernoulli(1.5), V, "p", "1.5", "a probability in [0, 1]", "from_logits"),
    "negative probability": (
        lambda: Bernoulli([0.2, -0.1]),
        V,
        "p[1]",
        "-0.1",
        "a probability in [0, 1]",
        "Bernoulli(0.3)",
    ),
    "NaN in a batch": (lambda: Bernoulli([0.2, 0.3, np.nan]), V, "p[2]", "nan", "no NaN", "Bernoulli(0.3)"),
    "NaN in a batch of two axes": (
        lambda: Poisson([[1.0, 2.0], [np.nan, 1.0]]),
        V,
        "rate[1, 0]",
        "nan",
        "no NaN",
        "Poisson(0.61)",
    ),
    "infinite log-odds": (
        lambda: Bernoulli.from_logits(np.inf),
        V,
        "logits",
        "inf",
        "a finite number",
        "for p = 0 or 1 use Bernoulli(p)",
    ),
    "score of minus infinity": (
        lambda: Categorical.from_logits([0.0, -np.inf]),
        V,
        "logits[1]",
        "-inf",
        "a finite number",
        "finite scores",
    ),
    "probabilities that sum to 1.1": (
        lambda: Categorical([0.5, 0.6]),
        V,
        "sum of probs",
        "1.1",
        "1 to within 1e-12",
        "probs / probs.sum(); nothing is renormalised",
    ),
    "one of a batch does not sum to one": (
        lambda: Categorical([HALF, [0.9, 0.2]]),
        V,
        "sum of probs[1]",
        "1.1",
        "1 to within 1e-12",
        "probs / probs.sum()",
    ),
    "a sum off by 1e-9": (
        lambda: Categorical([0.5, 0.5 + 1e-9]),
        V,
        "sum of probs",
        "1.000000001",
        "1 to within 1e-12",
        "nothing is renormalised",
    ),
    "negative entry of a vector": (
        lambda: Categorical([0.7, -0.2, 0.5]),
        V,
        "probs[1]",
        "-0.2",
        "a probability in [0, 1]",
        "[0.2, 0.3, 0.5]",
    ),
    "counts for probabilities": (
        lambda: Categorical([3, 2]),
        V,
        "sum of probs",
        "5.0",
        "1 to within 1e-12",
        "Divide by the sum yourself if these are weights",
    ),
    "a number for a vector": (
        lambda: Categorical(0.5),
        V,
        "probs",
        "0.5",
        "a vector with at least one probability",
        "along the last axis",
    ),
    "a number for scores": (
        lambda: Categorical.from_logits(0.5),
        V,
        "logits",
        "0.5",
        "a vector with at least one score",
        "one for each class",
    ),
    "no classes": (lambda: Categorical([]), V, "probs", "[]", "at least one number", "[0.2, 0.3, 0.5]"),
    "no trials": (lambda: Binomial(0, 0.5), V, "n", "0.0", "a whole number, at least 1", "the number of trials"),
    "half a trial": (lambda: Binomial(2.5, 0.5), V, "n", "2.5", "a whole number, at least 1", "Binomial(12, 1/3)"),
    "infinitely many trials": (
        lambda: Binomial(np.inf, 0.5),
        V,
        "n",
        "inf",
        "a whole number, at least 1",
        "the number of trials",
    ),
    "success more than certain": (
        lambda: Binomial(12, 1.01),
        V,
        "p",
        "1.01",
        "a probability in [0, 1]",
        "success of one trial",
    ),
    "rate zero": (lambda: Poisson(0), V, "rate", "0.0", "a positive finite number", "mean count per interval"),
    "infinite rate": (lambda: Poisson(np.inf), V, "rate", "inf", "a positive finite number", "mean count per interval"),
    "negative rate in a batch": (
        lambda: Poisson([1.0, -2.0]),
        V,
        "rate[1]",
        "-2.0",
        "a positive finite number",
        "Poisson(0.61)",
    ),
    "spread zero": (lambda: Normal(0, 0), V, "sd", "0.0", "a positive finite number", "not the variance"),
    "negative spread": (lambda: Normal(0, -1), V, "sd", "-1.0", "a positive finite number", "not the variance"),
    "infinite mean": (lambda: Normal(-np.inf, 1), V, "mean", "-inf", "a finite number", "Normal(0, 1)"),
    "shapes that do not broadcast": (
        lambda: Normal([0, 1], [1, 2, 3]),
        V,
        "mean and sd",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "n and p that do not broadcast": (
        lambda: Binomial([1, 2], [0.1, 0.2, 0.3]),
        V,
        "n and p",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "success never": (lambda: Geometric(0.0), V, "p", "0.0", "a probability in (0, 1]", "Geometric(0.3)"),
    "no successes to wait for": (
        lambda: NegativeBinomial(0, 0.5),
        V,
        "r",
        "0.0",
        "a positive finite number",
        "successes to wait for",
    ),
    "a scale of zero": (lambda: Laplace(0, 0), V, "scale", "0.0", "a positive finite number", "mean distance from loc"),
    "a negative rate": (
        lambda: Gamma(2, [1, -1]),
        V,
        "rate[1]",
        "-1.0",
        "a positive finite number",
        "one over the scale",
    ),
    "a beta of zero": (lambda: Beta(0, 1), V, "a", "0.0", "a positive finite number", "Beta(2, 3)"),
    "a single concentration": (
        lambda: Dirichlet([2.0]),
        V,
        "shape of alpha",
        "(1,)",
        "d at least 2",
        "along the last axis",
    ),
    "a negative concentration": (lambda: VonMises(0, -1), V, "kappa", "-1.0", "not negative", "VonMises(0, 1)"),
    "a minimum of zero": (lambda: Pareto(2, 0), V, "xm", "0.0", "a positive finite number", "smallest possible value"),
    "proportions that do not sum to one": (
        lambda: Dirichlet([1, 1]).log_prob([0.5, 0.6]),
        V,
        "sum of x",
        "1.1",
        "1 to within",
        "nothing is renormalised",
    ),
    "proportions of another length": (
        lambda: Dirichlet([1, 1]).log_prob([0.5, 0.25, 0.25]),
        V,
        "shape of x",
        "(3,)",
        "(..., 2)",
        "vector of probabilities",
    ),
    "Dirichlets of different length": (
        lambda: Dirichlet([1, 1]).kl_divergence(Dirichlet([1, 1, 1])),
        V,
        "coordinates of other",
        "3",
        "2, as many",
        "same vector",
    ),
    "Weibulls of different shape": (
        lambda: Weibull(2, 1).kl_divergence(Weibull(3, 1)),
        V,
        "k of other",
        "3.0",
        "2.0, the k of the first",
        "which sums or integrates",
    ),
    "below the minimum": (lambda: Pareto(2, 1.5).log_prob(1.0), V, "x", "1.0", "the support", "check units"),
    "resultant of one": (
        lambda: VonMises.from_mean_parameters([1.0, 0.0]),
        V,
        "length of mu",
        "1.0",
        "less than 1",
        "(E[cos x], E[sin x])",
    ),
    "mean below the mean of the log": (
        lambda: Gamma.from_mean_parameters([1.0, 1.0]),
        V,
        "log E[x] − E[log x]",
        "-1.0",
        "a positive number",
        "(E[log x], E[x])",
    ),
    "natural parameter of a certain geometric": (
        lambda: Geometric.from_natural([-40.0]),
        V,
        "eta",
        "-40.0",
        "above −37",
        "log(1 − p)",
    ),
    # --- parameters of the wrong kind
    "a string": (lambda: Bernoulli("0.5"), T, "p", "'0.5'", "real numbers", "Bernoulli(0.3)"),
    "nothing at all": (lambda: Poisson(None), T, "rate", "None", "real numbers", "Poisson(0.61)"),
    "a complex number": (lambda: Normal(1j, 1), T, "mean", "1j", "real numbers", "a finite mean"),
    "a ragged list": (
        lambda: Categorical([[0.5, 0.5], [1.0]]),
        T,
        "probs",
        "[[0.5, 0.5], [1.0]]",
        "a regular array",
        "along the last axis",
    ),
    "a mask for probabilities": (
        lambda: kl_divergence([True, False], HALF),
        T,
        "p",
        "[True, False]",
        "numbers, not truth values",
        "[0.2, 0.3, 0.5]",
    ),
    "a truth value for a parameter": (
        lambda: Normal(0, True),
        T,
        "sd",
        "True",
        "numbers, not truth values",
        "the standard deviation",
    ),
    "an object": (lambda: Poisson(object()), T, "rate", "an object of type object", "real numbers", "Poisson(0.61)"),
    "an empty batch": (lambda: Normal([], 1.0), V, "mean", "[]", "at least one number", "a finite mean"),
    # --- matrices
    "a matrix that is not positive definite": (
        lambda: MultivariateNormal([0, 0], [[1, 2], [2, 1]]),
        V,
        "cov",
        "[[1.0, 2.0], [2.0, 1.0]]",
        "a positive definite matrix",
        "smallest eigenvalue is -1",
    ),
    "a singular matrix": (
        lambda: MultivariateNormal([0, 0], [[1, 1], [1, 1]]),
        V,
        "cov",
        "[[1.0, 1.0], [1.0, 1.0]]",
        "a positive definite matrix",
        "drop dependent coordinates",
    ),
    "an asymmetric matrix": (
        lambda: MultivariateNormal([0, 0], [[1, 0.5], [0.4, 1]]),
        V,
        "cov",
        "[[1.0, 0.5], [0.4, 1.0]]",
        "a symmetric matrix",
        "differs from its transpose by 0.1",
    ),
    "asymmetry in small units": (
        lambda: MultivariateNormal([0, 0], [[1e8, 1e-5], [-1e-5, 1e-8]]),
        V,
        "cov",
        "[[100000000.0, 1e-05]",
        "a symmetric matrix",
        "average the two",
    ),
    "a matrix of another size": (
        lambda: MultivariateNormal([0, 0, 0], EYE),
        V,
        "shape of cov",
        "(2, 2)",
        "(..., 3, 3)",
        "a (d, d) matrix",
    ),
    "a number for a matrix": (
        lambda: MultivariateNormal([0.0], 1.0),
        V,
        "shape of cov",
        "()",
        "(..., 1, 1)",
        "a (d, d) matrix",
    ),
    "a number for a mean vector": (
        lambda: MultivariateNormal(0.0, [[1.0]]),
        V,
        "shape of mean",
        "()",
        "(..., d)",
        "a mean of length d",
    ),
    "an infinite covariance": (
        lambda: MultivariateNormal([0, 0], [[1, np.inf], [np.inf, 1]]),
        V,
        "cov[0, 1]",
        "inf",
        "a finite number",
        "a (d, d) covariance matrix",
    ),
    "an upper factor": (
        lambda: MultivariateNormal.from_cholesky([0, 0], [[1, 1], [0, 1]]),
        V,
        "tril",
        "[[1.0, 1.0], [0.0, 1.0]]",
        "a lower triangular matrix",
        "the transpose if yours is upper",
    ),
    "a factor with a zero": (
        lambda: MultivariateNormal.from_cholesky([0, 0], [[1, 0], [1, 0]]),
        V,
        "diagonal of tril[1]",
        "0.0",
        "a positive number",
        "drop a coordinate",
    ),
    "means and matrices that do not broadcast": (
        lambda: MultivariateNormal(np.zeros((3, 2)), np.stack([EYE, EYE])),
        V,
        "mean and matrix",
        "(3,) and (2,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    # --- natural and mean parameters
    "log-odds of a certain event": (
        lambda: Bernoulli(1.0).natural_parameters(),
        V,
        "p",
        "1.0",
        "strictly between 0 and 1",
        "the boundary of the family",
    ),
    "natural parameter of an impossible class": (
        lambda: Categorical([0.5, 0.5, 0]).natural_parameters(),
        V,
        "probs[2]",
        "0.0",
        "positive probabilities",
        "the boundary of the family",
    ),
    "natural parameters without their axis": (
        lambda: Bernoulli.from_natural(0.3),
        V,
        "shape of eta",
        "()",
        "(..., 1)",
        "The last axis holds the natural parameters",
    ),
    "too few natural parameters": (
        lambda: Normal.from_natural([0.5]),
        V,
        "shape of eta",
        "(1,)",
        "(..., 2)",
        "2 of them",
    ),
    "text for natural parameters": (
        lambda: Categorical.from_natural("ab"),
        T,
        "eta",
        "'ab'",
        "real numbers",
        "The last axis holds",
    ),
    "a second natural parameter that is not negative": (
        lambda: Normal.from_natural([0.0, 0.5]),
        V,
        "second entry of eta",
        "0.5",
        "a negative number",
        "(μ/σ², −1/(2σ²))",
    ),
    "a log rate that overflows": (
        lambda: Poisson.from_natural([800.0]),
        V,
        "eta",
        "800.0",
        "log of a positive double",
        "η = log(rate)",
    ),
    "a precision that is not positive": (
        lambda: MultivariateNormal.from_natural([0, 0, 1.0, 0, 1.0]),
        V,
        "smallest eigenvalue of the precision in eta",
        "-2.0",
        "a positive number",
        "−Λ_ii/2",
    ),
    "a length that fits no dimension": (
        lambda: MultivariateNormal.from_natural([0, 0, 1.0]),
        V,
        "shape of eta",
        "(3,)",
        "(..., d + d(d+1)/2)",
        "d first-order",
    ),
    "a mean above one": (
        lambda: Bernoulli.from_mean_parameters([1.2]),
        V,
        "mu",
        "1.2",
        "a mean in [0, 1]",
        "the probability of 1",
    ),
    "a mean above n": (
        lambda: Binomial.from_mean_parameters([13.0], 12),
        V,
        "mu",
        "13.0",
        "a mean in [0, n]",
        "E[x] = n p",
    ),
    "a negative mean count": (
        lambda: Poisson.from_mean_parameters([-1.0]),
        V,
        "mu",
        "-1.0",
        "a positive mean",
        "E[x] is the rate",
    ),
    "means of classes above one": (
        lambda: Categorical.from_mean_parameters([0.75, 0.5]),
        V,
        "sum of mu",
        "1.25",
        "at most 1",
        "class 0 gets what is left",
    ),
    "a second moment below the square": (
        lambda: Normal.from_mean_parameters([2.0, 3.0]),
        V,
        "E[x²] − E[x]²",
        "-1.0",
        "a positive variance",
        "(E[x], E[x²])",
    ),
    "second moments below the squares": (
        lambda: MultivariateNormal.from_mean_parameters([1, 1, 0.5, 1, 1.5]),
        V,
        "smallest eigenvalue of E[x xᵀ] − E[x] E[x]ᵀ in mu",
        "-0.5",
        "a positive number",
        "E[x_i x_j]",
    ),
    # --- data
    "a two among coin tosses": (
        lambda: Bernoulli(0.5).log_prob([0, 2]),
        V,
        "x[1]",
        "2.0",
        "a value in the support {0, 1}",
        "check units and coding",
    ),
    "a negative count": (
        lambda: Poisson(3.0).log_prob(-1),
        V,
        "x",
        "-1.0",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "half a count": (
        lambda: Poisson(3.0).sufficient_statistics([1, 0.5]),
        V,
        "x[1]",
        "0.5",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "an infinite count": (
        lambda: Poisson(3.0).log_prob(np.inf),
        V,
        "x",
        "inf",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "more successes than trials": (
        lambda: Binomial(12, 0.3).log_prob(13),
        V,
        "x",
        "13.0",
        "the support {0, …, 12}",
        "check units and coding",
    ),
    "a class too many": (
        lambda: Categorical(HALF).log_prob([0, 1, 2]),
        V,
        "x[2]",
        "2.0",
        "the support {0, 1}",
        "check units and coding",
    ),
    "an infinite observation": (
        lambda: Normal(0, 1).log_prob(np.inf),
        V,
        "x",
        "inf",
        "the support (-inf, inf)",
        "check units and coding",
    ),
    "a missing observation": (
        lambda: Normal(0, 1).log_prob([1.0, np.nan]),
        V,
        "x[1]",
        "nan",
        "no NaN",
        "without missing values",
    ),
    "text for data": (lambda: Normal(0, 1).log_prob("abc"), T, "x", "'abc'", "real numbers", "Pass numbers"),
    "a vector of the wrong length": (
        lambda: PLANE.log_prob([1, 2, 3]),
        V,
        "shape of x",
        "(3,)",
        "(..., 2)",
        "The last axis holds the coordinates",
    ),
    "an infinite coordinate": (
        lambda: PLANE.log_prob([1, np.inf]),
        V,
        "x[1]",
        "inf",
        "a finite number",
        "Drop missing and infinite values",
    ),
    "data that do not meet the batch": (
        lambda: Bernoulli([0.1, 0.2]).log_prob([0, 1, 1]),
        V,
        "x and batch",
        "(3,) and (2,)",
        "shapes that broadcast",
        "x[:, None]",
    ),
    "a count outside a mixture's support": (
        lambda: Mixture([1.0], Poisson([2.0])).log_prob(-1),
        V,
        "x",
        "-1.0",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    # --- fits
    "no data": (lambda: Normal.fit([]), V, "x", "[]", "at least one observation", "nothing to fit in an empty sample"),
    "a number for a sample": (lambda: Poisson.fit(3), V, "shape of x", "()", "(n,)", "an array of shape (n,)"),
    "a table for a sample": (
        lambda: Poisson.fit([[1, 2], [3, 4]]),
        V,
        "shape of x",
        "(2, 2)",
        "(n,)",
        "an array of shape (n,)",
    ),
    "a sample of numbers for vectors": (
        lambda: MultivariateNormal.fit([1, 2, 3]),
        V,
        "shape of x",
        "(3,)",
        "(n, d)",
        "an array of shape (n, d)",
    ),
    "half a count in a fit": (
        lambda: Poisson.fit([1, 2.5]),
        V,
        "Poisson.fit: x[1]",
        "2.5",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "a negative class": (
        lambda: Categorical.fit([0, -1]),
        V,
        "x[1]",
        "-1.0",
        "a whole number, at least 0",
        "Code the classes 0, 1, …",
    ),
    "a class above K": (
        lambda: Categorical.fit([0, 3], classes=3),
        V,
        "x[1]",
        "3.0",
        "below classes = 3",
        "a larger `classes`",
    ),
    "half a class": (
        lambda: Categorical.fit([0, 1], classes=2.5),
        V,
        "classes",
        "2.5",
        "a whole number, at least 1",
        "the number K of classes",
    ),
    "n is not estimated": (
        lambda: Binomial.fit([1, 2, 3]),
        T,
        "n",
        "missing",
        "the value of n, which is not estimated",
        "Binomial.fit(x, weights=None, n=...)",
    ),
    "one n for each observation": (
        lambda: Binomial.fit([1, 2], n=[2, 3]),
        V,
        "n",
        "[2, 3]",
        "one number of trials",
        "fit each group",
    ),
    "an argument of another family": (
        lambda: Poisson.fit([1, 2], n=3),
        T,
        "n",
        "3",
        "no argument n",
        "Poisson.fit(x, weights=None)",
    ),
    "an infinite value in a fit": (
        lambda: Normal.fit([1.0, np.inf]),
        V,
        "x[1]",
        "inf",
        "a finite number",
        "Drop missing and infinite values",
    ),
    "too few weights": (
        lambda: Normal.fit([1.0, 2.0], weights=[1.0]),
        V,
        "shape of weights",
        "(1,)",
        "one for each observation",
        "one non-negative weight",
    ),
    "a negative weight": (
        lambda: Normal.fit([1.0, 2.0], weights=[1.0, -1.0]),
        V,
        "weights[1]",
        "-1.0",
        "a non-negative finite weight",
        "one non-negative weight",
    ),
    "a missing weight": (
        lambda: Normal.fit([1.0, 2.0], weights=[np.nan, 1.0]),
        V,
        "weights[0]",
        "nan",
        "no NaN",
        "one non-negative weight",
    ),
    "an infinite weight": (
        lambda: Normal.fit([1.0, 2.0], weights=[np.inf, 1.0]),
        V,
        "weights[0]",
        "inf",
        "a non-negative finite weight",
        "one non-negative weight",
    ),
    "no weight at all": (
        lambda: Poisson.fit([1, 2], weights=[0, 0]),
        V,
        "sum of weights",
        "0.0",
        "a positive total",
        "not all zero",
    ),
    # --- no maximum of the likelihood
    "only zero counts": (lambda: Poisson.fit([0, 0, 0]), V, "mean of x", "0.0", "a positive mean", "no maximum exists"),
    "equal observations": (
        lambda: Normal.fit([2.0, 2.0, 2.0]),
        V,
        "variance of x",
        "0.0",
        "a positive variance",
        "no maximum exists",
    ),
    "one observation that counts": (
        lambda: Normal.fit([1.0, 2.0], weights=[3, 0]),
        V,
        "variance of x",
        "0.0",
        "a positive variance",
        "no maximum exists",
    ),
    "observations in a line": (
        lambda: MultivariateNormal.fit([[0, 0], [1, 1], [2, 2.0]]),
        V,
        "covariance of x",
        "[[0.6666666666666666, 0.6666666666666666]",
        "span 2 dimensions",
        "lie in a hyperplane",
    ),
    "a constant coordinate": (
        lambda: MultivariateNormal.fit([[0, 5], [1, 5], [2, 5.0]]),
        V,
        "covariance of x",
        "[[0.6666666666666666, 0.0], [0.0, 0.0]]",
        "span 2 dimensions",
        "lie in a hyperplane",
    ),
    # --- samples
    "no draws": (lambda: Normal(0, 1).sample(0, rng=0), V, "n", "0", "a positive integer number of draws", "n=1000"),
    "half a draw": (
        lambda: Normal(0, 1).sample(2.5, rng=0),
        V,
        "n",
        "2.5",
        "a positive integer number of draws",
        "n=1000",
    ),
    "text for a number of draws": (
        lambda: Poisson(1.0).sample("10", rng=0),
        T,
        "n",
        "'10'",
        "a positive integer number of draws",
        "n=1000",
    ),
    "no seed": (
        lambda: Poisson(1.0).sample(10, None),
        T,
        "rng",
        "None",
        "a numpy.random.Generator or a non-negative integer seed",
        "rng=0",
    ),
    "a negative seed": (
        lambda: Bernoulli(0.5).sample(10, -1),
        V,
        "rng",
        "-1",
        "a non-negative integer seed",
        "np.random.default_rng(0)",
    ),
    "the old kind of generator": (
        lambda: Normal(0, 1).sample(10, np.random.RandomState(0)),
        T,
        "rng",
        "RandomState",
        "a numpy.random.Generator",
        "np.random.default_rng(0)",
    ),
    "no draws of a mixture": (
        lambda: two_humps(1.0).sample(0, 0),
        V,
        "Mixture.sample: n",
        "0",
        "a positive integer number of draws",
        "n=1000",
    ),
    # --- mixtures
    "mixing weights above one": (
        lambda: Mixture([0.5, 0.6], Normal([0, 1], 1)),
        V,
        "sum of weights",
        "1.1",
        "1 to within 1e-12",
        "weights / weights.sum()",
    ),
    "a component without a weight": (
        lambda: Mixture(HALF, Normal([0, 1, 2], 1)),
        V,
        "shape of components",
        "(3,)",
        "one component for each weight",
        "Normal([-2, 2], [1, 1])",
    ),
    "a list of components": (
        lambda: Mixture(HALF, [Normal(0, 1), Normal(1, 1)]),
        T,
        "components",
        "[Normal(mean=0.0, sd=1.0)",
        "a batch of one of our families",
        "Normal([-2, 2], [1, 1])",
    ),
    # --- two members of a family
    "another family": (
        lambda: Normal(0, 1).kl_divergence(Poisson(1.0)),
        T,
        "other",
        "Poisson(rate=1.0)",
        "another Normal",
        "companion.kl_divergence(p, q)",
    ),
    "cross-entropy with another family": (
        lambda: Normal(0, 1).cross_entropy("x"),
        T,
        "Normal.cross_entropy: other",
        "'x'",
        "another Normal",
        "companion.cross_entropy(p, q)",
    ),
    "another n": (
        lambda: Binomial(12, 0.3).kl_divergence(Binomial(10, 0.3)),
        V,
        "n of other",
        "10",
        "12, the n of the first distribution",
        "sums or integrates",
    ),
    "another number of classes": (
        lambda: Categorical(HALF).kl_divergence(Categorical([0.2, 0.3, 0.5])),
        V,
        "classes of other",
        "3",
        "2, as many as the first",
        "probability 0",
    ),
    "another number of coordinates": (
        lambda: PLANE.kl_divergence(MultivariateNormal([0.0], [[1.0]])),
        V,
        "coordinates of other",
        "1",
        "2, as many as the first",
        "the same vector",
    ),
    "batches that do not meet": (
        lambda: Poisson([1.0, 2.0]).kl_divergence(Poisson([1.0, 2.0, 3.0])),
        V,
        "the first batch and the second",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "a batch for scipy": (
        lambda: Categorical([HALF, HALF]).to_scipy(),
        V,
        "shape of the batch",
        "(2,)",
        "one distribution",
        "one by one",
    ),
    # --- entropy, cross-entropy, KL
    "weights for probabilities": (
        lambda: entropy([0.5, 0.6]),
        V,
        "sum of p",
        "1.1",
        "1 to within 1e-12",
        "p / p.sum(); nothing is renormalised",
    ),
    "a second vector that does not sum to one": (
        lambda: cross_entropy(HALF, [0.5, 0.4]),
        V,
        "sum of q",
        "0.9",
        "1 to within 1e-12",
        "q / q.sum()",
    ),
    "vectors of different lengths": (
        lambda: kl_divergence(HALF, [0.2, 0.3, 0.5]),
        V,
        "length of q",
        "3",
        "2, the length of p",
        "probability 0",
    ),
    "batches of vectors that do not meet": (
        lambda: kl_divergence([HALF, HALF], [HALF, HALF, HALF]),
        V,
        "p and q",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "batches of distributions that do not meet": (
        lambda: kl_divergence(stats.norm([0, 1]), stats.norm([0, 1, 2])),
        V,
        "p and q",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "text for a distribution": (
        lambda: entropy("normal"),
        T,
        "p",
        "'normal'",
        "a probability vector, a frozen scipy.stats distribution or a member",
        "stats.norm(0, 1)",
    ),
    "a number for a distribution": (
        lambda: kl_divergence(HALF, 0.5),
        T,
        "q",
        "0.5",
        "a probability vector, a frozen",
        "[0.2, 0.8]",
    ),
    "a dictionary": (
        lambda: entropy({0: 0.5, 1: 0.5}),
        T,
        "p",
        "{0: 0.5, 1: 0.5}",
        "a probability vector",
        "[0.2, 0.8]",
    ),
    "a scipy distribution that is not frozen": (
        lambda: kl_divergence(stats.norm, stats.norm(0, 1)),
        T,
        "p",
        "scipy.stats.norm",
        "a frozen distribution, with its parameters",
        "stats.norm(...)",
    ),
    "a scipy distribution with bad parameters": (
        lambda: entropy(stats.norm(0, -1)),
        V,
        "p",
        "scipy.stats.norm(0, -1)",
        "parameters in its domain",
        "not the variance",
    ),
    "a discrete and a continuous one": (
        lambda: kl_divergence(stats.norm(0, 1), Poisson(1.0)),
        T,
        "p = Normal(mean=0.0, sd=1.0) (a density on the line)",
        "Poisson(rate=1.0) (discrete)",
        "two distributions on the same outcomes",
        "the same bins",
    ),
    "a vector and a density": (
        lambda: cross_entropy(HALF, stats.expon()),
        T,
        "no cross-entropy between p",
        "Exponential(rate=1.0) (a density on the line)",
        "two distributions on the same outcomes",
        "the same bins",
    ),
    "a number and a vector": (
        lambda: kl_divergence(Normal(0, 1), PLANE),
        T,
        "no KL divergence between p = Normal",
        "vectors with 2 coordinates",
        "the same outcomes",
        "the same bins",
    ),
    "vectors without a closed form": (
        lambda: kl_divergence(stats.multivariate_normal([0, 0], np.ones((2, 2)), allow_singular=True), PLANE),
        T,
        "p",
        "scipy.stats.multivariate_normal(...)",
        "two members of one family",
        "positive definite",
    ),
    "counts instead of probabilities": (
        lambda: entropy([213, 128, 37]),
        V,
        "sum of p",
        "378.0",
        "1 to within 1e-12",
        "Divide by the sum yourself if these are weights: p / p.sum()",
    ),
    "probabilities in single precision": (
        lambda: entropy(np.array([0.1, 0.2, 0.7], np.float32)),
        V,
        "sum of p",
        "0.99999999",
        "1 to within 1e-12",
        "in double precision: p.astype(float) / p.astype(float).sum()",
    ),
    "missing value in a fit": (
        lambda: Normal.fit([1.0, np.nan]),
        V,
        "x[1]",
        "nan",
        "no NaN",
        "Drop missing and infinite values",
    ),
    "n in the place of weights": (
        lambda: Binomial.fit([1, 2], 12),
        V,
        "shape of weights",
        "()",
        "(2,), one for each observation",
        "Call Binomial.fit(x, weights=None, n=...)",
    ),
    "degrees": (
        lambda: VonMises.fit([10.0, 350.0]),
        V,
        "x[1]",
        "350.0",
        "angles in radians within three turns of 0",
        "np.deg2rad(x)",
    ),
    "a class number that is none": (
        lambda: Categorical.fit([0, 99_999_999]),
        V,
        "x[1]",
        "99999999.0",
        "a class number below 1e+07",
        "np.unique(x, return_inverse=True)[1]",
    ),
    "more classes than memory": (
        lambda: Categorical.fit([0, 1], classes=10**9),
        V,
        "classes",
        "1000000000.0",
        "at most 1e+07 classes",
        "the number K of classes",
    ),
    "more trials than an integer holds": (
        lambda: Binomial(1e19, 0.5),
        V,
        "n",
        "1e+19",
        "a whole number below 2**63",
        "the number of trials",
    ),
    "a point between the components": (
        lambda: Mixture([0, 1], Pareto([2, 2], [1, 5])).posterior(2.0),
        V,
        "x",
        "2.0",
        "a value in the support (5, inf)",
        "check units and coding",
    ),
    "a point where no component has density": (
        lambda: Mixture([0.5, 0.5], Gamma([2, 3], 1.0)).posterior([1.0, 0.0]),
        V,
        "x[1]",
        "0.0",
        "a point of positive, finite density",
        "0/0 or inf/inf",
    ),
    "samples instead of distributions": (
        lambda: kl_divergence(np.array([1.8, 0.4]), stats.norm()),
        V,
        "sum of p",
        "2.2",
        "1 to within 1e-12",
        "if these are weights",
    ),
    "base zero": (lambda: entropy(HALF, base=0), V, "base", "0.0", "a positive number other than 1", "pass 2 for bits"),
    "base one": (
        lambda: kl_divergence(HALF, HALF, base=1),
        V,
        "base",
        "1.0",
        "a positive number other than 1",
        "pass 2 for bits",
    ),
    "base minus two": (
        lambda: cross_entropy(HALF, HALF, base=-2),
        V,
        "base",
        "-2.0",
        "a positive number other than 1",
        "pass 2 for bits",
    ),
    "two bases": (lambda: entropy(HALF, base=[2, 10]), T, "base", "[2, 10]", "one number", "pass 2 for bits"),
    "text for a base": (lambda: entropy(HALF, base="2"), T, "base", "'2'", "real numbers", "pass 2 for bits"),
    "a frozen distribution without a domain": (
        lambda: entropy(stats.norm(0, -1)),
        V,
        "p",
        "norm",
        "parameters in its domain",
        "the standard deviation",
    ),
    "a distribution that was not called": (
        lambda: kl_divergence(stats.norm(), stats.gamma),
        T,
        "q",
        "gamma",
        "a frozen distribution, with its parameters",
        "Call it first",
    ),
    "total variation of densities": (
        lambda: total_variation(Normal(0, 1), HALF),
        T,
        "p",
        "Normal(mean=0.0, sd=1.0)",
        "real numbers",
        "[0.2, 0.3, 0.5]",
    ),
    "total variation of unequal lengths": (
        lambda: total_variation(HALF, [1.0]),
        V,
        "length of q",
        "1",
        "2, the length of p",
        "the same cells",
    ),
    "total variation of batches that do not meet": (
        lambda: total_variation([HALF, HALF], [HALF] * 3),
        V,
        "p and q",
        "(2,) and (3,)",
        "shapes that broadcast",
        "an axis of length 1",
    ),
    "not a scipy distribution": (
        lambda: from_scipy(3),
        T,
        "frozen",
        "3",
        "a frozen scipy.stats distribution",
        "stats.norm(0, 1)",
    ),
    # --- averages and fits to densities
    "a scipy distribution to sample": (
        lambda: monte_carlo_kl(stats.norm(), Normal(0, 1), 10, 0),
        T,
        "p",
        "scipy.stats.norm()",
        "a member of companion.families",
        "Normal(0, 1)",
    ),
    "one draw": (
        lambda: monte_carlo_kl(Normal(0, 1), Normal(1, 1), 1, 0),
        V,
        "n",
        "1",
        "at least 2 draws",
        "no standard error",
    ),
    "a seed of text": (
        lambda: monte_carlo_kl(Normal(0, 1), Normal(1, 1), 10, "seed"),
        T,
        "monte_carlo_kl: rng",
        "'seed'",
        "a numpy.random.Generator",
        "rng=0",
    ),
    "draws of another kind": (
        lambda: monte_carlo_kl(Normal(0, 1), Poisson(1.0), 10, 0),
        T,
        "p = Normal",
        "Poisson(rate=1.0) (discrete)",
        "the same outcomes",
        "the same bins",
    ),
    "draws of a batch": (
        lambda: monte_carlo_kl(Poisson([1.0, 2.0]), Poisson(1.0), 10, 0),
        V,
        "shape of the batch p",
        "(2,)",
        "one distribution",
        "for each member",
    ),
    "two distances": (
        lambda: two_humps([1, 2]),
        T,
        "half_distance",
        "[1, 2]",
        "one number",
        "half the distance between the humps",
    ),
    "a vector to fit a normal to": (
        lambda: forward_fit(HALF),
        T,
        "target",
        "[0.5, 0.5]",
        "a density on the line",
        "two_humps(2.0)",
    ),
    "counts to fit a normal to": (
        lambda: forward_fit(Poisson(2.0)),
        T,
        "target",
        "Poisson(rate=2.0)",
        "a density on the line",
        "Normal(0, 1)",
    ),
    "a scipy target": (
        lambda: reverse_fit(stats.norm(0, 1), Normal(0, 1)),
        T,
        "target",
        "scipy.stats.norm(0, 1)",
        "a density on the line",
        "two_humps(2.0)",
    ),
    "a start that is no normal": (
        lambda: reverse_fit(two_humps(1.0), (0, 1)),
        T,
        "start",
        "(0, 1)",
        "a Normal",
        "Normal(0, 1)",
    ),
    "many starts": (
        lambda: reverse_fit(two_humps(1.0), Normal([0, 1], 1)),
        V,
        "shape of the batch start",
        "(2,)",
        "one distribution",
        "for each member",
    ),
    # --- likelihood
    "likelihood of nothing": (
        lambda: log_likelihood(Poisson(1.0), []),
        V,
        "log_likelihood: x",
        "[]",
        "at least one observation",
        "an empty sample",
    ),
    "likelihood of an impossible count": (
        lambda: log_likelihood(Poisson(1.0), [1, -1]),
        V,
        "x[1]",
        "-1.0",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "likelihood of an impossible count under a batch": (
        lambda: log_likelihood(GRID, [1, -1]),
        V,
        "x[1]",
        "-1.0",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "likelihood of numbers under vectors": (
        lambda: log_likelihood(PLANE, [1, 2]),
        V,
        "shape of x",
        "(2,)",
        "(n, d)",
        "an array of shape (n, d)",
    ),
    "likelihood of a vector": (
        lambda: log_likelihood(HALF, [0, 1]),
        T,
        "model",
        "[0.5, 0.5]",
        "a member of companion.families",
        "Poisson(0.6)",
    ),
    "likelihood of a class": (
        lambda: log_likelihood(Poisson, [0, 1]),
        T,
        "model",
        "<class",
        "a member of companion.families",
        "Poisson(0.6)",
    ),
    "likelihood of a scipy distribution that is not frozen": (
        lambda: likelihood(stats.poisson, [0, 1]),
        T,
        "model",
        "scipy.stats.poisson",
        "a member of companion.families or a frozen",
        "Poisson(0.6)",
    ),
    "negative frequencies": (
        lambda: log_likelihood(Poisson(1.0), [0, 1], weights=[2, -1]),
        V,
        "weights[1]",
        "-1.0",
        "a non-negative finite weight",
        "one non-negative weight",
    ),
    "perplexity without weight": (
        lambda: perplexity(Poisson(1.0), [1], weights=[0]),
        V,
        "sum of weights",
        "0.0",
        "a positive total",
        "not all zero",
    ),
    "perplexity of text": (
        lambda: perplexity("model", [1]),
        T,
        "model",
        "'model'",
        "a member of companion.families",
        "Poisson(0.6)",
    ),
    "lines of weights": (
        lambda: kl_lines([0.5, 0.6], GRID, [0, 1]),
        V,
        "sum of p",
        "1.1",
        "1 to within 1e-12",
        "p / p.sum()",
    ),
    "lines with an impossible outcome": (
        lambda: kl_lines([1.0, 0.0], GRID, [0, 1]),
        V,
        "p[1]",
        "0.0",
        "positive probabilities",
        "Leave out outcomes",
    ),
    "lines with an outcome too many": (
        lambda: kl_lines(HALF, GRID, [0, 1, 2]),
        V,
        "shape of outcomes",
        "(3,)",
        "one value for each probability",
        "equal length",
    ),
    "lines with an outcome twice": (
        lambda: kl_lines(HALF, GRID, [1, 1]),
        V,
        "outcomes",
        "[1.0, 1.0]",
        "different values",
        "Add up the probabilities",
    ),
    "lines with half an outcome": (
        lambda: kl_lines(HALF, GRID, [0, 0.5]),
        V,
        "outcomes[1]",
        "0.5",
        "a whole number, at least 0",
        "the counts that p can take",
    ),
    "lines of one model": (
        lambda: kl_lines(HALF, Poisson(1.0), [0, 1]),
        V,
        "shape of the batch models",
        "()",
        "(g,)",
        "a grid of θ",
    ),
    "lines of densities": (
        lambda: kl_lines(HALF, Normal([0.0, 1.0], 1), [0, 1]),
        T,
        "models",
        "Normal(mean=[0.0, 1.0], sd=[1.0, 1.0])",
        "a discrete family",
        "a grid of θ",
    ),
    "lines of a scipy distribution": (
        lambda: kl_lines(HALF, stats.poisson([1, 2]), [0, 1]),
        T,
        "models",
        "scipy.stats.poisson([1, 2])",
        "a discrete family",
        "a grid of θ",
    ),
    "likelihood lines of text": (
        lambda: likelihood_lines([0, 1], "models"),
        T,
        "model",
        "'models'",
        "a member of companion.families",
        "Poisson(0.6)",
    ),
    "likelihood lines of a negative count": (
        lambda: likelihood_lines([0, -1], GRID),
        V,
        "x[1]",
        "-1.0",
        "the support {0, 1, …}",
        "check units and coding",
    ),
    "an empty empirical distribution": (
        lambda: empirical_probabilities([]),
        V,
        "x",
        "[]",
        "at least one observation",
        "an empty sample",
    ),
    "missing values in an empirical distribution": (
        lambda: empirical_probabilities([0, np.nan]),
        V,
        "x[1]",
        "nan",
        "no NaN",
        "an array of shape (n,)",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_one_error_with_argument_value_expectation_and_fix(row):
    call, error, argument, value, expected, fix = row
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    head, separator, rest = message.partition("; expected ")
    assert type(caught.value) is error and separator, message
    assert argument in head and value in head, message
    assert expected in rest and fix in rest, message
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert len(message) < 450


def test_the_table_is_long_enough():
    assert len(ROWS) > 150


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_refuses_what_no_family_takes(name):
    """For rows that are added later: whatever the parameters, these are errors in the format of this package."""
    member = FAMILIES[name].draw(np.random.default_rng(0))
    cls = type(member)
    fixed = {key: member.parameter(key) for key in cls.fixed_names}
    k = len(member.natural_parameters())
    empty = np.zeros((0,) + np.shape(member.mean())[: member.event_ndim])
    calls = {
        "log_prob: x": lambda: member.log_prob(np.nan * member.sample(1, 0)),
        "log_prob: x ": lambda: member.log_prob("data"),
        "fit: x": lambda: cls.fit(empty, **fixed),
        "fit: weights[0]": lambda: cls.fit(member.sample(4, 0), weights=[-1, 1, 1, 1], **fixed),
        "fit: shape of weights": lambda: cls.fit(member.sample(4, 0), weights=[1, 1], **fixed),
        "fit: nonsense": lambda: cls.fit(member.sample(4, 0), nonsense=1, **fixed),
        "sample: n": lambda: member.sample(-1, 0),
        "sample: rng": lambda: member.sample(1, "seed"),
        "kl_divergence: other": lambda: member.kl_divergence(None),
        "cross_entropy: other": lambda: member.cross_entropy(None),
        "from_natural: eta": lambda: cls.from_natural(np.full(k, np.nan), **fixed),
        "from_natural: shape of eta": lambda: cls.from_natural(np.zeros(()), **fixed),
        "from_mean_parameters: mu": lambda: cls.from_mean_parameters(np.full(k, np.inf), **fixed),
        "from_mean_parameters: shape of mu": lambda: cls.from_mean_parameters(np.zeros(()), **fixed),
    }
    if not member.event_ndim and name != "Categorical":  # the others have members of every length
        long_eta, long_mu = (np.append(v, v[-1:]) for v in (member.natural_parameters(), member.mean_parameters()))
        calls["from_natural: shape of eta "] = lambda: cls.from_natural(long_eta, **fixed)
        calls["from_mean_parameters: shape of mu "] = lambda: cls.from_mean_parameters(long_mu, **fixed)
    for start, call in calls.items():
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        assert str(caught.value).startswith(f"{name}.{start}".rstrip()) and "; expected " in str(caught.value), str(
            caught.value
        )
    for parameter in range(len(cls.parameter_names)):
        for bad in ("text", None, np.nan):
            arguments = [member.parameter(key) for key in cls.parameter_names]
            arguments[parameter] = bad if bad is not np.nan else np.nan * arguments[parameter]
            with pytest.raises((ValueError, TypeError)) as caught:
                cls(*arguments)
            assert str(caught.value).startswith(f"{name}: {cls.parameter_names[parameter]}") and "; expected " in str(
                caught.value
            )


# --- what is not an error ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [
        lambda: kl_divergence(HALF, [1.0, 0.0]),
        lambda: cross_entropy(HALF, [1.0, 0.0]),
        lambda: kl_divergence(Bernoulli(0.5), Bernoulli(1.0)),
        lambda: kl_divergence(Binomial(3, 0.5), Binomial(3, 0.0)),
        lambda: kl_divergence(Categorical(HALF), Categorical([0.0, 1.0])),
        lambda: kl_divergence(Poisson(1.0), Binomial(5, 0.5)),
        lambda: kl_divergence(stats.uniform(0, 2), stats.uniform(0, 1)),
        lambda: kl_divergence(stats.norm(), stats.expon()),
        lambda: kl_divergence(stats.cauchy(), stats.norm()),
        lambda: monte_carlo_kl(Poisson(3.0), Bernoulli(0.5), 100, 0).value,
        lambda: monte_carlo_kl(Bernoulli(0.5), Bernoulli(1.0), 100, 0).value,
        lambda: perplexity(Bernoulli(1.0), [0, 1]),
    ],
)
def test_infinite_is_a_value_not_an_error(value):
    assert value() == np.inf


def test_a_draw_that_proves_an_infinite_divergence_leaves_no_doubt():
    assert monte_carlo_kl(Poisson(3.0), Bernoulli(0.5), 100, 0).standard_error == 0.0


def test_truth_values_are_data_and_weights():
    assert Bernoulli.fit([True, False, True, True]) == Bernoulli(0.75)
    assert Bernoulli(0.25).log_prob(True) == np.log(0.25)
    assert Poisson.fit([1, 2, 30], weights=[True, True, False]) == Poisson(1.5)


def test_an_odd_object_among_many_is_named():
    many = np.array([1.0, 2.0] * 500, dtype=object)
    assert Normal.fit(many) == Normal.fit(many.astype(float))  # floats in an array of objects are numbers
    for odd, shown in ((None, "None"), ("a", "'a'"), (1j, "1j"), (Fraction(1, 2), "Fraction(1, 2)")):
        many[700] = odd
        with pytest.raises(TypeError) as caught:
            Normal.fit(many)
        assert str(caught.value).startswith(f"Normal.fit: x[700] = {shown}; expected real numbers, as floats or int")
    with pytest.raises(TypeError, match=r"Normal: mean\[1, 0\] = None; expected real numbers"):
        Normal([[1.0, 2.0], [None, 3.0]], 1.0)
    with pytest.raises(TypeError, match="expected real numbers in the range of doubles"):
        Normal(10**400, 1.0)


def test_integers_and_lists_are_numbers():
    assert Normal(0, 1) == Normal(0.0, 1.0) == Normal(np.int64(0), np.float32(1))
    assert Poisson((1, 2)) == Poisson(np.array([1.0, 2.0]))
    assert kl_divergence((1, 0), [0.5, 0.5]) == pytest.approx(np.log(2))


def test_rounding_in_a_sum_is_no_error():
    tenths = [0.1] * 10  # sums to 0.9999999999999999
    assert functools.reduce(operator.add, tenths) != 1  # Python's own sum is exact since 3.12
    assert entropy(tenths) == pytest.approx(np.log(10), rel=1e-15, abs=0)


def test_errors_that_no_row_above_meets():
    with pytest.raises(ValueError, match=r"name = 'median'; expected one of mean, sd"):
        Normal(0, 1).parameter("median")
    with pytest.raises(ValueError, match=r"length of x = 20,?001; expected at most 20,000"):
        coding.code_length([1, 1], [0] * 20_001)
    with pytest.raises(TypeError, match=r"family = .*Laplace.*; expected one of"):
        regression.fit(Laplace, [[1.0], [2.0]], [1.0, 2.0])


# --- the whole head of the message: the function that was called, the argument, its value -----------------------------
COLUMNS = np.arange(60.0).reshape(30, 2)
TWO = Normal([0.0, 1.0], 1.0)
WEIGHT = "Pass one non-negative weight for each observation, not all zero."
LABEL = "Pass one label for each row of X: whole numbers or texts."
COIN = "a probability between 0 and 1, neither of them"
MEMBER = "one distribution, shape ()"
VAE = "a LinearVAE"
HEADS = [
    (lambda: Normal.fit([1, 2], weights="heavy"), T, "Normal.fit: weights = 'heavy'", "real numbers", WEIGHT),
    (lambda: Normal.fit([1, 2], weights=[1, "a"]), T, "Normal.fit: weights = [1, 'a']", "real numbers", WEIGHT),
    (lambda: Normal.fit([1, 2], weights=[1, -2]), V, "Normal.fit: weights[1] = -2.0", "a non-negative finite", WEIGHT),
    (lambda: Normal.fit([1, 2], weights=[0, 0]), V, "Normal.fit: sum of weights = 0.0", "a positive total", WEIGHT),
    (lambda: Normal.fit([1, 2], weights=[1]), V, "Normal.fit: shape of weights = (1,)", "(2,), one for each", WEIGHT),
    (lambda: forward_fit(TWO), V, "forward_fit: shape of the batch target = (2,)", MEMBER, "Call it for each"),
    (lambda: reverse_fit(TWO, Normal(0, 1)), V, "reverse_fit: shape of the batch target = (2,)", MEMBER, "Call it"),
    (lambda: reverse_fit(Normal(0, 1), TWO), V, "reverse_fit: shape of the batch start = (2,)", MEMBER, "Call it"),
    (lambda: Normal(0, 1).log_prob(1, outside="zero"), T, "Normal.log_prob: outside = 'zero'", "a number", "-np.inf"),
    (
        lambda: regression.fit(Categorical, EYE, [0.0, 2.0**53]),
        V,
        "regression.fit: y[1] = 9007199254740992.0",
        "a whole number below 2**53",
        LABEL,
    ),
    (
        lambda: regression.fit(Poisson, EYE, [1, 2], weights="heavy"),
        T,
        "regression.fit: weights = 'heavy'",
        "real numbers",
        "Pass one non-negative weight for each row of X",
    ),
    (lambda: regression.fit(Categorical, EYE, [0.0, 1.5]), V, "regression.fit: y[1] = 1.5", "a whole number or", LABEL),
    (lambda: linear_training.fit_linear(3, PLANE), T, "fit_linear: start = 3", VAE, "start_linear"),
    (lambda: linear_training.descend(3, PLANE, 1, 0.1), T, "descend: start = 3", VAE, "start_linear"),
    (lambda: tables.show([1]), T, "tables.show: columns = [1]", "a mapping of headings to values", "show({'n'"),
    (lambda: tables.show({}), V, "tables.show: columns = {}", "at least one column", "show({'n'"),
    (lambda: projection.compare(TWO, PLANE, [1, 2]), V, "compare: shape of the batch f = (2,)", MEMBER, "one member"),
    (
        lambda: projection.compare(Normal(0, 1), TWO, [1, 2]),
        V,
        "compare: shape of the batch g = (2,)",
        MEMBER,
        "one member",
    ),
    (
        lambda: projection.compare(Normal(0, 1), Normal(0, 2), "abc"),
        T,
        "compare: x = 'abc'",
        "real numbers",
        "Pass the observations.",
    ),
    (
        lambda: projection.project(stats.poisson(3), Categorical),
        V,
        "project: p = Poisson(rate=3.0)",
        "one distribution on 0, …, K−1",
        "Pass the probabilities",
    ),
    (lambda: sampling.typical_set(0.5, 10, 0.1, q=2), V, "typical_set: q = 2", COIN, "e.g. 0.3"),
    (lambda: sampling.typical_set(0, 10, 0.1), V, "typical_set: p = 0", COIN, "e.g. 0.3"),
    (lambda: sampling.log_false_alarm(0.5, 1, 10, 0.1), V, "log_false_alarm: q = 1", COIN, "e.g. 0.3"),
    (lambda: sampling.log_false_alarm(0.5, 0.4, 10, 1.0), V, "log_false_alarm: miss = 1.0", COIN, "e.g. 0.3"),
    (
        lambda: scale.regression(Binomial, [EYE], [[0, 1]]),
        V,
        "scale.regression: n = None",
        "the number of trials",
        "Pass n=6, or as many as there are rows.",
    ),
    (lambda: scale.regression(Poisson, [EYE], [[0, 1]], n=3), T, "scale.regression: n = 3", "None", "Only Binomial"),
    (
        lambda: estimation.kernel_kl(COLUMNS[:15], COLUMNS),
        V,
        "kernel_kl: number of points in x = 15",
        "at least 20 points",
        "Collect more",
    ),
    (
        lambda: estimation.kernel_kl(COLUMNS, COLUMNS[:, 0]),
        V,
        "kernel_kl: columns of y = 1",
        "2, as in x",
        "the same variables",
    ),
    (
        lambda: latent.log_prior_second_moment(ProbabilisticPCA(np.eye(2), np.zeros(2), 1.0), [0, np.inf]),
        V,
        "log_prior_second_moment: x[1] = inf",
        "a finite number",
        "without missing values",
    ),
    (
        lambda: latent.log_prior_second_moment(PLANE, [0, 1]),
        T,
        "log_prior_second_moment: model = MultivariateNormal(mean=[0.0, 0.0], cov=[[1.0, 0.0], [0.0, 1.0]])",
        "a ProbabilisticPCA",
        "Pass the linear model.",
    ),
    (
        lambda: ProbabilisticPCA.fit(COLUMNS, 0),
        V,
        "ProbabilisticPCA.fit: k = 0",
        "a positive integer",
        "Pass the number of latent coordinates.",
    ),
    (
        lambda: ProbabilisticPCA.fit(COLUMNS, 2),
        V,
        "ProbabilisticPCA.fit: k = 2",
        "fewer latent coordinates than the 2",
        "use MultivariateNormal.fit",
    ),
    (
        lambda: Gamma.fit(Normal.statistics([1.0, 2.0])),
        T,
        "Gamma.fit: x = Statistics(family=Normal, weight=2.0, mean=[1.5, 2.5])",
        "statistics of Gamma",
        "Pass Gamma.statistics(data, weights)",
    ),
    (
        lambda: Normal.fit(Normal.statistics([1.0, 2.0]), [1.0, 1.0]),
        T,
        "Normal.fit: weights = [1.0, 1.0]",
        "None",
        "Pass Normal.statistics(data, weights)",
    ),
    (
        lambda: NegativeBinomial.fit(NegativeBinomial.statistics([1, 2, 9], r=3), r=4),
        V,
        "NegativeBinomial.fit: r = 4",
        "3.0, as in the statistics",
        "leave them out here",
    ),
    (
        lambda: Normal.fit([1, 2], weights=[1e-300, 1e-300]),
        V,
        "Normal.fit: sum of weights = 2e-300",
        "at least 1e-290",
        "Multiply all weights by one number",
    ),
    (
        lambda: fitting.fit(stats.uniform, np.ones(3)),
        V,
        "fit of scipy.stats.uniform: x = [1.0, 1.0, 1.0]",
        "observations that differ",
        "All observations are equal",
    ),
    (
        lambda: linear_vae.start_linear(np.ones((5, 3)), 2, 0),
        V,
        "start_linear: standard deviation of data = 0.0",
        "a positive finite number",
        "there is nothing to learn",
    ),
    (
        lambda: latent.evidence(lambda z: -np.sum(z**2, axis=-1), 2, tolerance=-1),
        V,
        "evidence: tolerance = -1.0",
        "a positive finite number",
        "Pass e.g. tolerance=1e-8.",
    ),
    (lambda: entropy([0.5, 0.5], base=-1), V, "entropy: base = -1.0", "a positive number other than 1", "pass 2 for"),
    (lambda: network.batches(0, 4), V, "batches: n = 0", "a positive integer", "how many observations there are"),
    (lambda: network.batches(4, 0), V, "batches: size = 0", "a positive integer", "at most how many in a batch"),
    (
        lambda: sampling.running_average([1.0, 1e151]),
        V,
        "running_average: largest term = 1e+151",
        "at most 1e150",
        "Divide all terms by their scale.",
    ),
    (
        lambda: iter(Normal(0, 1)),
        T,
        "Normal: shape of the batch = ()",
        "a batch for iteration",
        "a single distribution",
    ),
]


@pytest.mark.parametrize("call, error, head, expected, fix", HEADS, ids=[row[2] for row in HEADS])
def test_who_refuses_which_argument(call, error, head, expected, fix):
    with pytest.raises(error) as caught:
        call()
    found, _, rest = str(caught.value).partition("; expected ")
    assert type(caught.value) is error and found == head, str(caught.value)
    assert rest.startswith(expected) and fix in rest


def test_a_long_value_is_cut():
    for long, end in ((78, "aa'"), (79, "..."), (5000, "...")):
        text = checks.describe("a" * long)
        assert len(text) == 80 and text.endswith(end)


def test_the_largest_count():
    fix = "Pass fewer."
    assert checks.positive_integer("f", "n", checks.LARGEST, fix) == checks.LARGEST
    with pytest.raises(ValueError, match=rf"f: n = {checks.LARGEST + 1}; expected a positive integer, at most "):
        checks.positive_integer("f", "n", checks.LARGEST + 1, fix)
    for value, error in ((0, ValueError), (-1, ValueError), (2.0, ValueError), (True, ValueError), ("2", TypeError)):
        with pytest.raises(error, match=r"f: n = .*; expected a positive integer\. Pass fewer\."):
            checks.positive_integer("f", "n", value, fix)
