r"""A small neural network with gradients by hand: one flat parameter vector, dense layers, Adam.

With :math:`a_0 = x` and layers :math:`i = 1, \dots, L`,

.. math:: a_i = \tanh(a_{i-1} W_i + b_i) \ \text{ for } i < L, \qquad y = a_{L-1} W_L + b_L .

If :math:`d_i` is the derivative of a loss by :math:`a_{i-1} W_i + b_i`, then by the chain rule

.. math::

   \frac{\partial}{\partial W_i} = a_{i-1}^\top d_i, \qquad \frac{\partial}{\partial b_i} = \mathbf 1^\top d_i, \qquad
   d_{i-1} = d_i W_i^\top \odot (1 - a_{i-1}^2) .

Rows are observations. Every array is allocated once and written in place, which is where the speed comes from.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


# --- parameters ---------------------------------------------------------------------------------------------------
class Parameters:
    """One flat vector with named views of its parts: an optimiser sees the vector, a model its weights.

    ``flat`` (k,) is the vector; ``parameters[name]`` is a view with the shape of that name.

    Examples
    --------
    >>> theta = Parameters({"W": (2, 3), "b": (3,)})
    >>> theta["b"][:] = 1.0
    >>> theta.flat.tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, shapes, dtype="float64"):
        ends = np.cumsum([0, *map(math.prod, shapes.values())])
        self.flat = np.zeros(ends[-1], dtype)
        self._views = {
            name: self.flat[i:j].reshape(shape) for (name, shape), i, j in zip(shapes.items(), ends, ends[1:])
        }

    def __getitem__(self, name):
        return self._views[name]

    def __iter__(self):
        return iter(self._views)


# --- products -----------------------------------------------------------------------------------------------------
#: OpenBLAS, which numpy uses, shares a product of more multiplications than this among threads. For matrices this small
#: the threads mostly wait for each other: on a busy machine a product then takes many times as long.
ONE_THREAD = 2**18


def product(a, b, out):
    """Matrix product of `a` (m, k) and `b` (k, n) written to `out` (m, n), in blocks of rows that one thread does.

    >>> a = np.arange(6.0).reshape(2, 3)
    >>> product(a, a.T, np.empty((2, 2))).tolist()
    [[5.0, 14.0], [14.0, 50.0]]
    """
    rows = ONE_THREAD // (a.shape[1] * b.shape[1]) or 1
    if len(a) <= rows:
        return np.dot(a, b, out=out)
    for start in range(0, len(a), rows):
        np.dot(a[start : start + rows], b, out=out[start : start + rows])
    return out


# --- dense layers -------------------------------------------------------------------------------------------------
class Workspace(NamedTuple):
    """The arrays of one pass over n observations: of each layer its activations ``a`` and derivatives ``d``, (n, size)."""

    a: list
    d: list
    ones: np.ndarray


class Network:
    r"""Dense layers with tanh between them and a linear last one; weights and gradients live in two `Parameters`.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, hidden units of each layer, outputs.
    theta, gradient : Parameters
        Weights and their gradient, with the names and shapes of ``Network.shapes(sizes, name)``.
    name : str
        Beginning of this network's names: ``name + "W1"``, ``name + "b1"``, ...

    References
    ----------
    Rumelhart, Hinton and Williams (1986).

    Examples
    --------
    >>> sizes = (1, 8, 1)
    >>> theta, gradient = Parameters(Network.shapes(sizes)), Parameters(Network.shapes(sizes))
    >>> network, adam = Network(sizes, theta, gradient), Adam(theta.flat.size)
    >>> network.draw(np.random.default_rng(0))
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> work = network.workspace(50)
    >>> for step in range(1000):                         # least squares
    ...     y = network.forward(x, work)
    ...     network.backward(x, work, (y - np.sin(x)) / 50)
    ...     adam.step(theta.flat, gradient.flat, learning_rate=0.03)
    >>> bool(np.abs(network.forward(x, work) - np.sin(x)).max() < 0.1)
    True
    """

    def __init__(self, sizes, theta, gradient, name=""):
        self.sizes = tuple(sizes)
        layers = range(1, len(self.sizes))
        self.W, self.b = [theta[f"{name}W{i}"] for i in layers], [theta[f"{name}b{i}"] for i in layers]
        self.dW, self.db = [gradient[f"{name}W{i}"] for i in layers], [gradient[f"{name}b{i}"] for i in layers]

    @staticmethod
    def shapes(sizes, name=""):
        """Names and shapes of the weights W1, b1, W2, ... of a network.

        >>> Network.shapes((64, 32, 4))
        {'W1': (64, 32), 'b1': (32,), 'W2': (32, 4), 'b2': (4,)}
        """
        pairs = list(zip(sizes, sizes[1:]))
        return {
            f"{name}{part}{i}": shape
            for i, (j, k) in enumerate(pairs, 1)
            for part, shape in (("W", (j, k)), ("b", (k,)))
        }

    def draw(self, rng):
        """Start: weights with variance one over the number of inputs of their layer, so that signals keep their size."""
        for W, b in zip(self.W, self.b):
            W[:] = rng.standard_normal(W.shape) / np.sqrt(W.shape[0])
            b[:] = 0.0

    def workspace(self, n):
        """Arrays for passes over n observations."""
        a, d = ([np.empty((n, size), self.b[0].dtype) for size in self.sizes[1:]] for _ in range(2))
        return Workspace(a, d, np.ones(n, self.b[0].dtype))

    def forward(self, x, work):
        """Outputs (n, outputs) for inputs x (n, inputs): the last array of ``work.a``, written anew by the next pass."""
        for W, b, a in zip(self.W, self.b, work.a):
            product(x, W, out=a)
            a += b
            if a is not work.a[-1]:
                np.tanh(a, out=a)
            x = a
        return x

    def backward(self, x, work, d, inputs=False):
        """Write the gradient of a loss whose derivative by the outputs is d (n, outputs), after `forward`.

        The activations in `work` are overwritten. With `inputs`, the derivative by x (n, inputs) is returned.
        """
        for i in reversed(range(len(self.W))):
            a = work.a[i - 1] if i else x
            product(a.T, d, out=self.dW[i])
            np.dot(work.ones, d, out=self.db[i])
            if i:
                below = product(d, self.W[i].T, out=work.d[i - 1])
                np.multiply(a, a, out=a)
                np.multiply(a, below, out=a)
                below -= a  # d W' (1 − a²)
                d = below
        return np.dot(d, self.W[0].T) if inputs else None


# --- stochastic gradients -----------------------------------------------------------------------------------------
class Adam:
    r"""Adam: a step along the running mean of the gradient, divided by the root of its running mean square.

    .. math::

       m \leftarrow \beta_1 m + (1-\beta_1) g, \qquad v \leftarrow \beta_2 v + (1-\beta_2) g^2, \qquad
       \theta \leftarrow \theta - \alpha\,\frac{m/(1-\beta_1^t)}{\sqrt{v/(1-\beta_2^t)} + \epsilon}

    Parameters
    ----------
    size : int
        Length of the parameter vector.
    dtype : dtype
        Of the parameter vector.

    References
    ----------
    Kingma and Ba (2015), algorithm 1.

    Examples
    --------
    >>> theta, adam = np.array([3.0]), Adam(1)
    >>> for _ in range(500):
    ...     adam.step(theta, 2 * theta, learning_rate=0.05)       # the gradient of θ²
    >>> bool(abs(theta[0]) < 1e-6)
    True
    """

    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, size, dtype="float64"):
        self.t = 0
        self.m, self.v = np.zeros(size, dtype), np.zeros(size, dtype)
        self._scratch = np.empty(size, dtype)

    def step(self, theta, gradient, learning_rate):
        """Move `theta` (size,) in place; α is the `learning_rate`."""
        self.t += 1
        s = self._scratch
        np.multiply(gradient, 1 - self.beta1, out=s)
        self.m *= self.beta1
        self.m += s
        np.multiply(gradient, gradient, out=s)
        s *= 1 - self.beta2
        self.v *= self.beta2
        self.v += s
        root = math.sqrt(1 - self.beta2**self.t)  # multiplied through, so that the vectors are scaled once
        np.sqrt(self.v, out=s)
        s += self.epsilon * root
        np.divide(self.m, s, out=s)
        s *= learning_rate * root / (1 - self.beta1**self.t)
        theta -= s


def batches(n, size):
    """Slices that cut n observations into as few batches of at most `size` as possible, equally long to within one.

    >>> [cut.stop - cut.start for cut in batches(10, 4)]
    [3, 4, 3]
    >>> sorted({cut.stop - cut.start for cut in batches(1797, 128)})
    [119, 120]
    """
    count = -(-n // size)
    ends = [round(n * i / count) for i in range(count + 1)]
    return [slice(i, j) for i, j in zip(ends, ends[1:])]
