"""Companion of the book *Maximum Likelihood, Minimum Divergence*: families, divergences, likelihood."""

from companion.divergence import cross_entropy, entropy, kl_divergence
from companion.likelihood import log_likelihood

__all__ = ["cross_entropy", "entropy", "kl_divergence", "log_likelihood"]
__version__ = "0.1.0"
