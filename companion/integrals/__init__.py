"""Entropy, cross-entropy, KL divergence and other expectations as sums and integrals with an estimated error."""

from companion.integrals.quadrature import Estimate, QuadratureError, cross_entropy, entropy, expectation, kl_divergence

__all__ = ["Estimate", "QuadratureError", "cross_entropy", "entropy", "expectation", "kl_divergence"]
