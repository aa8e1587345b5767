"""The network against plain formulas and complex steps, Adam against the algorithm as printed and against torch."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose

from companion.network import Adam, Network, Parameters, batches, product

each_depth = pytest.mark.parametrize("sizes", [(3, 2), (4, 5, 3), (2, 7, 4, 1)], ids=str)


def make(sizes, dtype=float, seed=0):
    theta, gradient = (Parameters(Network.shapes(sizes, "net."), dtype) for _ in range(2))
    network = Network(sizes, theta, gradient, "net.")
    theta.flat[:] = np.random.default_rng(seed).normal(size=theta.flat.size)
    return network, theta, gradient


def test_parameters_are_views_of_one_vector():
    theta = Parameters({"W": (2, 3), "b": (3,), "c": ()}, "float32")
    assert list(theta) == ["W", "b", "c"] and theta.flat.shape == (10,) and theta.flat.dtype == np.float32
    theta.flat[:] = np.arange(10)
    assert theta["W"].tolist() == [[0, 1, 2], [3, 4, 5]] and theta["b"].tolist() == [6, 7, 8] and theta["c"] == 9
    theta["b"][1] = -1
    assert theta.flat[7] == -1
    with pytest.raises(KeyError):
        theta["d"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=range(3))
def test_copies_are_views_of_their_own_vector(copied):
    network, theta, gradient = copied(make((3, 4, 2)))
    x = np.random.default_rng(0).normal(size=(5, 3))
    before = network.forward(x, network.workspace(5)).copy()
    theta.flat[:] *= 2
    work = network.workspace(5)
    assert not np.any(network.forward(x, work) == before), "the network sees its parameters"
    network.backward(x, work, np.ones((5, 2)))
    assert np.all(gradient["net.b2"] == 5) and np.all(gradient.flat[-2:] == 5), "and writes its gradient"
    assert all(np.shares_memory(theta[name], theta.flat) for name in theta)
    with pytest.raises(AttributeError):
        theta.flat = np.zeros(3)


@pytest.mark.parametrize(
    "m, k, n", [(1, 1, 1), (129, 64, 64), (128, 64, 64), (64, 129, 64), (1797, 64, 64), (3, 700, 700)]
)
def test_product(m, k, n):
    rng = np.random.default_rng(0)
    a, b, out = rng.normal(size=(k, m)).T, rng.normal(size=(k, n)), np.full((m, n), np.nan)
    assert product(a, b, out) is out
    assert_allclose(out, np.einsum("ij,jk->ik", a, b), rtol=1e-10, atol=1e-12)


@each_depth
def test_outputs(sizes):
    network, theta, _ = make(sizes)
    x = np.random.default_rng(1).normal(size=(6, sizes[0]))
    a = x
    for i in range(1, len(sizes)):
        a = a @ theta[f"net.W{i}"] + theta[f"net.b{i}"]
        a = np.tanh(a) if i + 1 < len(sizes) else a
    assert_allclose(network.forward(x, network.workspace(6)), a, rtol=1e-13)


@each_depth
def test_gradient_against_complex_steps(sizes):
    """A loss of all outputs: its derivative by every weight, bias and input, exact to rounding."""
    rng = np.random.default_rng(2)
    x, target = rng.normal(size=(6, sizes[0])), rng.normal(size=(6, sizes[-1]))
    network, theta, gradient = make(sizes)
    work = network.workspace(6)
    dx = network.backward(x, work, network.forward(x, work) - target, inputs=True)
    imaginary, shifted, _ = make(sizes, complex)
    loss = lambda x: np.sum((imaginary.forward(x, imaginary.workspace(6)) - target) ** 2) / 2

    def derivative(values, i, of):
        values.flat[i] += 1e-30j
        result = of().imag / 1e-30
        values.flat[i] -= 1e-30j
        return result

    for name in theta:
        exact = [derivative(shifted[name], i, lambda: loss(x + 0j)) for i in range(shifted[name].size)]
        assert_allclose(gradient[name].ravel(), exact, rtol=1e-11, atol=1e-12)
    z = x + 0j
    assert_allclose(dx.ravel(), [derivative(z, i, lambda: loss(z)) for i in range(z.size)], rtol=1e-11, atol=1e-12)


def test_first_weights_keep_the_size_of_a_signal():
    network, theta, _ = make((400, 300, 10))
    network.draw(np.random.default_rng(0))
    assert theta["net.W1"].std() == pytest.approx(1 / 20, rel=0.02) and theta["net.W2"].std() == pytest.approx(
        300**-0.5, rel=0.05
    )
    assert not np.any(theta["net.b1"]) and not np.any(theta["net.b2"])


def test_adam_is_the_algorithm_as_printed():
    rng = np.random.default_rng(0)
    theta, adam = rng.normal(size=5), Adam(5)
    expected, m, v = theta.copy(), np.zeros(5), np.zeros(5)
    for t in range(1, 40):
        g, rate = rng.normal(size=5) * 10.0 ** np.arange(-6, 4, 2), 0.1 / t
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        expected -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        adam.step(theta, g, rate)
        assert_allclose(theta, expected, rtol=1e-12)


def test_adam_gives_the_numbers_of_torch():
    """torch.optim.Adam of torch 2.13 on (θ₁⁴ + θ₂²)/2 from (1, −2), rate 0.1, float64."""
    theta, adam = np.array([1.0, -2.0]), Adam(2)
    for _ in range(25):
        adam.step(theta, np.array([2 * theta[0] ** 3, theta[1]]), 0.1)
    assert_allclose(theta, [-0.17869196280756136, 0.0467372307696355], rtol=1e-13)


@pytest.mark.parametrize(
    "n, size", [(1, 128), (5, 128), (128, 128), (1797, 128), (1797, 1), (100, 33), (191, 128), (193, 128)]
)
def test_batches_cover_all_once_and_evenly(n, size):
    cuts = batches(n, size)
    np.testing.assert_array_equal(np.concatenate([np.arange(n)[cut] for cut in cuts]), np.arange(n))
    lengths = [cut.stop - cut.start for cut in cuts]
    assert max(lengths) - min(lengths) <= 1 and min(lengths) >= 1
    assert max(lengths) <= size and len(cuts) == int(np.ceil(n / size))
