"""The KL divergence that a family gets from u and A alone: right to eight digits, or refused."""

import contextlib
from decimal import Decimal, localcontext

import numpy as np
import pytest

from companion.families import ExponentialFamily
from companion.integrals.quadrature import QuadratureError


class LogSeries(ExponentialFamily):
    """p(x) = θ^x / (x · −log(1 − θ)) on 1, 2, …: u(x) = x, η = log θ < 0. Nothing is overridden."""

    parameter_names, discrete, support = ("theta",), True, (1, np.inf)

    def __init__(self, theta):
        self._store(np.shape(theta), theta=np.asarray(theta, float))

    def natural_parameters(self):
        return np.log(self.theta)[..., None]

    def _statistic(self, x):
        return x[..., None]

    def _log_base_measure(self, x):
        return -np.log(x)

    def _log_partition_at(self, eta):
        return np.log(-np.log(1 - np.exp(eta[..., 0])))


def exact(theta, other):
    """A(η_q) − A(η_p) − (η_q − η_p) E_p[x] in eighty digits."""
    with localcontext() as context:
        context.prec = 80
        p, q = Decimal(theta), Decimal(other)
        log_partition = lambda x: (-(1 - x).ln()).ln()
        mean = -p / ((1 - p) * (1 - p).ln())
        return float(log_partition(q) - log_partition(p) - (q.ln() - p.ln()) * mean)


@pytest.mark.parametrize(
    "p, q",
    [
        (0.9999, 0.5),
        (0.6, 0.999999),
        (0.999999, 0.9999999),
        (0.9999, 0.9999001),
        (0.6, 0.78),
        (0.6, 0.6006),
        (1e-6, 0.5),
        (0.99999999, 0.5),
        (0.5, 0.99999999),
    ],
)
def test_pairs_far_apart_and_close_to_the_edge_of_the_parameter_space(p, q):
    value = LogSeries(p).kl_divergence(LogSeries(q))
    assert value == pytest.approx(exact(p, q), rel=1e-8)


@pytest.mark.parametrize("d", [1e-3, 1e-6, 1e-9])
def test_close_pairs_lose_what_their_parameters_have_lost(d):
    p, q = 0.6, 0.6 * (1 + d)
    assert LogSeries(p).kl_divergence(LogSeries(q)) == pytest.approx(exact(p, q), rel=max(1e-8, 1e-15 / d))


def test_a_batch_is_its_members():
    p, q = LogSeries([0.9999, 0.6, 0.3]), LogSeries([0.5, 0.999999, 0.3])
    values = p.kl_divergence(q)
    np.testing.assert_allclose(values[:2], [exact(0.9999, 0.5), exact(0.6, 0.999999)], rtol=1e-8)
    assert values[2] == 0.0


@pytest.mark.parametrize("p, q", [(1e-10, 0.9999999999), (1e-6, 1.0001e-6)])
def test_where_the_log_partition_function_has_lost_its_digits_the_call_is_refused(p, q):
    with pytest.raises(QuadratureError, match=r"LogSeries.kl_divergence: reached .* with error"):
        LogSeries(p).kl_divergence(LogSeries(q))


@pytest.mark.parametrize("d", [3e-9, 1e-10, 3e-11])
def test_close_to_the_edge_a_divergence_is_right_or_refused(d):
    """Which of the two depends on how a processor rounds logarithms."""
    p, q = 0.99999999, 0.99999999 + d
    with contextlib.suppress(QuadratureError):
        assert LogSeries(p).kl_divergence(LogSeries(q)) == pytest.approx(exact(p, q), rel=1e-8)


@pytest.mark.parametrize("theta", [0.5, 0.9999, 0.9999999])
def test_fisher_information_close_to_the_edge(theta):
    """Var[x] = −θ (θ + log(1 − θ)) / ((1 − θ)² log²(1 − θ)); a step of fixed size would leave the space."""
    log = np.log1p(-theta)
    variance = -theta * (theta + log) / ((1 - theta) ** 2 * log**2)
    assert LogSeries(theta).fisher_information()[0, 0] == pytest.approx(variance, rel=1e-6)
