"""Generalised linear models by maximum likelihood: what `companion.regression` is made of."""
