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
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from companion import checks
from companion.special import products


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

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: DTypeLike = "float64"):
        fix = 'Pass a dict such as {"W": (2, 3), "b": (3,)}.'
        if not isinstance(shapes, Mapping):
            checks.fail("Parameters", "shapes", shapes, "a dict of shapes by name", fix, TypeError)
        for name, shape in shapes.items():
            if not isinstance(shape, tuple):
                checks.fail("Parameters", f"shapes[{name!r}]", shape, "a tuple of sizes", fix, TypeError)
            for length in shape:
                _size("Parameters", f"shapes[{name!r}]", length, fix)
        self._lay_out(dict(shapes), np.zeros(sum(map(math.prod, shapes.values())), _number("Parameters", dtype)))

    def _lay_out(self, shapes, flat):
        ends = np.cumsum([0, *map(math.prod, shapes.values())])
        self._shapes, self._flat = shapes, flat
        self._views = {name: flat[i:j].reshape(shapes[name]) for name, i, j in zip(shapes, ends, ends[1:])}

    # A copy of a view is no view of a copy: copies and pickles carry the vector, and cut it anew.
    def __getstate__(self):
        return self._shapes, self._flat

    def __setstate__(self, state):
        self._lay_out(*state)

    @property
    def flat(self) -> np.ndarray:
        """The vector itself, (k,). Write into it; it cannot be replaced."""
        return self._flat

    def __getitem__(self, name: str) -> np.ndarray:
        return self._views[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)


#: More than this of anything is a slip, or more than a machine holds.
_MOST = 10**8


def _size(where: str, argument: str, value: int, fix: str) -> int:
    """A positive integer of at most a hundred million: a size of an array, or a number of rounds."""
    value = checks.positive_integer(where, argument, value, fix)
    if value > _MOST:
        checks.fail(where, argument, value, f"at most {_MOST:,}", fix)
    return value


def _flag(where: str, argument: str, value: bool) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, (bool, np.bool_)):
        checks.fail(where, argument, value, "True or False", f"Pass {argument}=True or leave it out.", TypeError)
    return bool(value)


def _dtype_name(dtype):
    """Name of a type of numbers that may be given as numpy's name, dtype or class, or as Python's; None for all
    else."""
    if isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, (float, complex, np.inexact))):
        return np.dtype(dtype).name
    return dtype if isinstance(dtype, str) else None


def _number(where, dtype):
    """`dtype` as a type of real or complex floating-point numbers."""
    name = _dtype_name(dtype)
    if name not in ("float32", "float64", "complex64", "complex128"):
        checks.fail(where, "dtype", dtype, "a floating-point type", 'Pass "float64" or "float32".', TypeError)
    return np.dtype(name)


def _fits(where, argument, array, shape, dtype):
    """Fail unless `array` is one of this shape and type, ready to be computed with in place."""
    if type(array) is not np.ndarray or array.dtype != dtype:
        checks.fail(
            where,
            argument,
            array,
            f"a numpy array of {dtype}",
            f"Convert it: np.asarray(…, {dtype.name!r}).",
            TypeError,
        )
    if array.shape != shape:
        checks.fail(
            where, f"shape of {argument}", array.shape, f"{shape}", "One row for each observation of the workspace."
        )


def _finite(where, argument, array):
    """Fail at the first entry that is NaN or infinite; the sum of squares, which is quick, tells whether to look."""
    if not np.isfinite(np.vdot(array, array)):
        fix = "Look for a division by zero or an overflow."
        checks.require(where, argument, array, np.isfinite(array), "a finite number", fix)


# --- products -----------------------------------------------------------------------------------------------------
#: OpenBLAS, which numpy uses, shares a product of more multiplications than this among threads. For matrices this small
#: the threads mostly wait for each other: on a busy machine a product then takes many times as long.
ONE_THREAD = 2**18


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Matrix product of `a` (m, k) and `b` (k, n) written to `out` (m, n), in blocks of rows that one thread does.

    The three are arrays of one floating-point type; anything else is an error. NaN and infinities are passed on.

    >>> a = np.arange(6.0).reshape(2, 3)
    >>> product(a, a.T, np.empty((2, 2))).tolist()
    [[5.0, 14.0], [14.0, 50.0]]
    """
    arrays = {"a": a, "b": b, "out": out}
    for name, array in arrays.items():
        if type(array) is not np.ndarray or array.ndim != 2 or array.dtype.kind not in "fc":
            fix = "Convert numbers with np.asarray(…, float), and add axes where there are fewer than two."
            checks.fail("product", name, array, "a numpy array of two axes and a floating-point type", fix, TypeError)
    if a.shape[1] != b.shape[0] or out.shape != (len(a), b.shape[1]) or not a.dtype == b.dtype == out.dtype:
        given = ", ".join(f"{array.shape} of {array.dtype}" for array in arrays.values())
        checks.fail(
            "product", "shapes of a, b, out", given, "(m, k), (k, n), (m, n) of one type", "Transpose or convert."
        )
    return _product(a, b, out)


def _product(a, b, out):
    rows = ONE_THREAD // (a.shape[1] * b.shape[1]) or 1
    if len(a) <= rows or products.IN_BROWSER:
        return products.dot(a, b, out=out)
    for start in range(0, len(a), rows):
        np.dot(a[start : start + rows], b, out=out[start : start + rows])
    return out


# --- dense layers -------------------------------------------------------------------------------------------------
class Workspace(NamedTuple):
    """The arrays of one pass over n observations: of each layer activations ``a`` and derivatives ``d``, (n, size)."""

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

    def __init__(self, sizes: Sequence[int], theta: Parameters, gradient: Parameters, name: str = ""):
        shapes = self.shapes(sizes, name)
        for argument, value in (("theta", theta), ("gradient", gradient)):
            fix = "Make it with Parameters(Network.shapes(sizes, name))."
            if not isinstance(value, Parameters):
                checks.fail("Network", argument, value, "Parameters", fix, TypeError)
            found = {key: value[key].shape for key in value if key in shapes}
            if found != shapes:
                checks.fail("Network", f"shapes in {argument}", found, f"{shapes}", fix)
        if theta.flat.dtype != gradient.flat.dtype:
            checks.fail(
                "Network", "dtype of gradient", gradient.flat.dtype.name, theta.flat.dtype.name, "Use one type."
            )
        self.sizes, self._made_from = tuple(sizes), (theta, gradient, name)
        layers = range(1, len(self.sizes))
        self.W, self.b = ([theta[f"{name}{part}{i}"] for i in layers] for part in "Wb")
        self.dW, self.db = ([gradient[f"{name}{part}{i}"] for i in layers] for part in "Wb")

    def __reduce__(self):  # a copy sees the weights of the copied Parameters
        return Network, (self.sizes, *self._made_from)

    @staticmethod
    def shapes(sizes: Sequence[int], name: str = "") -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights W1, b1, W2, ... of a network.

        >>> Network.shapes((64, 32, 4))
        {'W1': (64, 32), 'b1': (32,), 'W2': (32, 4), 'b2': (4,)}
        """
        fix = "Pass numbers of inputs, hidden units and outputs, e.g. (64, 32, 4)."
        if not isinstance(sizes, (tuple, list)) or len(sizes) < 2:
            checks.fail("Network.shapes", "sizes", sizes, "a tuple of at least two sizes", fix, TypeError)
        if not isinstance(name, str):
            checks.fail("Network.shapes", "name", name, "a string", 'Pass e.g. name="encoder.".', TypeError)
        sizes = [_size("Network.shapes", f"sizes[{i}]", n, fix) for i, n in enumerate(sizes)]
        pairs = list(pairwise(sizes))
        return {
            f"{name}{part}{i}": shape
            for i, (j, k) in enumerate(pairs, 1)
            for part, shape in (("W", (j, k)), ("b", (k,)))
        }

    def draw(self, rng: np.random.Generator | int) -> None:
        """Start: weights of variance one over the number of inputs of their layer, so that signals keep their size."""
        rng = checks.generator("Network.draw", rng)
        for W, b in zip(self.W, self.b):
            W[:] = rng.standard_normal(W.shape) / np.sqrt(W.shape[0])
            b[:] = 0.0

    def workspace(self, n: int) -> Workspace:
        """Arrays for passes over n observations."""
        n = _size("Network.workspace", "n", n, "Pass how many observations a pass has.")
        a, d = ([np.empty((n, size), self.b[0].dtype) for size in self.sizes[1:]] for _ in range(2))
        return Workspace(a, d, np.ones(n, self.b[0].dtype))

    def _check(self, method, work, **arrays):
        where = f"Network.{method}"
        if not isinstance(work, Workspace) or [a.shape[1:] for a in work.a] != [(size,) for size in self.sizes[1:]]:
            checks.fail(
                where, "work", type(work), "a Workspace of this network", "Make it: network.workspace(n).", TypeError
            )
        for (name, array), size in zip(arrays.items(), (self.sizes[0], self.sizes[-1])):
            _fits(where, name, array, (len(work.ones), size), self.b[0].dtype)
            _finite(where, name, array)

    def forward(self, x: np.ndarray, work: Workspace) -> np.ndarray:
        """Outputs (n, outputs) for inputs x (n, inputs): the last array of ``work.a``, written anew by the next pass.

        `x` is finite and has the type of the weights; `work` is this network's ``workspace(n)``.
        """
        self._check("forward", work, x=x)
        return self._forward(x, work)

    def _forward(self, x, work):
        for W, b, a in zip(self.W, self.b, work.a):
            _product(x, W, out=a)
            a += b
            if a is not work.a[-1]:
                np.tanh(a, out=a)
            x = a
        return x

    def backward(self, x: np.ndarray, work: Workspace, d: np.ndarray, inputs: bool = False) -> np.ndarray | None:
        """Write the gradient of a loss whose derivative by the outputs is d (n, outputs), after `forward`.

        The activations in `work` are overwritten. With `inputs`, the derivative by x (n, inputs) is returned.
        """
        self._check("backward", work, x=x, d=d)
        return self._backward(x, work, d, _flag("Network.backward", "inputs", inputs))

    def _backward(self, x, work, d, inputs=False):
        for i in reversed(range(len(self.W))):
            a = work.a[i - 1] if i else x
            _product(a.T, d, out=self.dW[i])
            np.dot(work.ones, d, out=self.db[i])
            if i:
                below = _product(d, self.W[i].T, out=work.d[i - 1])
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

    def __init__(self, size: int, dtype: DTypeLike = "float64"):
        length = _size("Adam", "size", size, "Pass the length of the parameter vector.")
        dtype, self.t = _number("Adam", dtype), 0
        self.m, self.v = np.zeros(length, dtype), np.zeros(length, dtype)
        self._scratch = np.empty(length, dtype)

    def step(self, theta: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """Move `theta` (size,) in place; α is the `learning_rate`. A gradient that is not finite is an error."""
        for name, array in (("theta", theta), ("gradient", gradient)):
            _fits("Adam.step", name, array, self.m.shape, self.m.dtype)
            _finite("Adam.step", name, array)
        if not (type(learning_rate) is float and 0 < learning_rate < math.inf):
            learning_rate = checks.scalar("Adam.step", "learning_rate", learning_rate, "Pass e.g. 0.01.")
            checks.positive("Adam.step", "learning_rate", learning_rate, "Pass e.g. 0.01.")
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
        with np.errstate(over="ignore"):
            s *= learning_rate * root / (1 - self.beta1**self.t)
        if not np.isfinite(np.vdot(s, s)) and not np.all(np.isfinite(theta - s)):
            expected = "steps to finite parameters"
            checks.fail("Adam.step", "learning_rate", learning_rate, expected, "Start again with a smaller one.")
        theta -= s


def batches(n: int, size: int) -> list[slice]:
    """Slices that cut n observations into as few batches of at most `size` as possible, equally long to within one.

    >>> [cut.stop - cut.start for cut in batches(10, 4)]
    [3, 4, 3]
    >>> sorted({cut.stop - cut.start for cut in batches(1797, 128)})
    [119, 120]
    """
    fix = "Pass how many observations there are, and at most how many in a batch."
    n, size = (_size("batches", name, value, fix) for name, value in (("n", n), ("size", size)))
    count = -(-n // size)
    ends = [round(n * i / count) for i in range(count + 1)]
    return [slice(i, j) for i, j in pairwise(ends)]
