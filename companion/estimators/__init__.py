"""Estimators of entropy and KL divergence from samples, and what they share."""
