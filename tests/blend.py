"""A mixture of any distributions: what the quadrature asks of one, and nothing else."""

from companion.integrals.law import Law


class Blend(Law):
    """Weights and a list of components, of several families or of none."""

    batch_shape, event_ndim, discrete = (), 0, False

    def __init__(self, weights, components):
        self.weights, self.components = weights, components

    def _parts(self):
        return self.weights, self.components
