"""The numbers that the page of short answers states are computed anew."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).resolve().parent.parent / "book" / "answers.md").read_text(encoding="utf-8")


def stated(pattern: str) -> float:
    (found,) = re.findall(pattern, PAGE)
    return float(found)


def test_draws_that_tell_two_models_apart():
    kl, odds = stated(r"At (\S+) nats and \d+ to 1 that is"), stated(r"nats and (\d+) to 1 that is")
    assert stated(r"to 1 that is (\d+) draws") == math.ceil(math.log(odds) / kl)


@pytest.mark.parametrize(
    "dtype, pattern",
    [(np.float64, r"some \$10\^\{(-\d+)\}\$ in double"), (np.float32, r"\$10\^\{(-\d+)\}\$ in float32")],
)
def test_rounding_of_a_kl_of_two_close_vectors(dtype, pattern):
    """Vectors a rounding apart: whatever the sum of p log p/q gives is rounding."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), size=2_000).astype(dtype)
    q = np.nextafter(p, dtype(1))
    found = np.abs(np.sum(p * np.log(p / q), axis=-1))
    assert abs(np.log10(np.median(found)) - stated(pattern)) < 1
