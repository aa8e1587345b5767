"""Companion of the book *Maximum Likelihood, Minimum Divergence*: families, divergences, likelihood."""

from companion.likelihood import log_likelihood
from companion.measures import cross_entropy, entropy, kl_divergence

__all__ = ["cross_entropy", "entropy", "kl_divergence", "log_likelihood"]
__version__ = "0.2.0"
