"""What comparing models with data gives: an average over the observations, its standard error, and tests."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import NamedTuple

from scipy import special

from companion import checks

__all__ = ["Comparison", "HeldOut", "Vuong", "Wilks"]


class _Average:
    """What an average over observations and its standard error give: an interval."""

    def _centre(self) -> tuple[float, float]:
        raise NotImplementedError

    def _lines(self) -> tuple[str, list[tuple[str, str]]]:
        raise NotImplementedError

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        r"""Normal interval :math:`\bar t \pm z\,s/\sqrt n` at this level, from below 1 down to above 0."""
        fix = "Pass the probability that the interval covers, e.g. 0.95."
        where = f"{type(self).__name__}.interval"
        level = checks.scalar(where, "level", level, fix)
        if not 0 < level < 1:
            checks.fail(where, "level", level, "a number between 0 and 1, neither of them", fix)
        centre, error = self._centre()
        z = -float(special.ndtri((1 - level) / 2))
        return centre - z * error, centre + z * error

    def _repr_html_(self) -> str:
        """The lines of the repr as a table for notebooks."""
        title, rows = self._lines()
        cells = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
        return f"<table><caption>{html.escape(title)}</caption><tbody>{cells}</tbody></table>"

    def __repr__(self) -> str:
        title, rows = self._lines()
        return "\n".join([title, *(f"  {name}: {value}" for name, value in rows)])


@dataclass(frozen=True, repr=False)
class HeldOut(_Average):
    r"""Average log-likelihood of a fitted model on new data, in nats an observation.

    ``mean`` and its ``standard_error`` :math:`s/\sqrt n`, the number ``n`` of new observations, and, of a fit,
    ``in_sample``, the average on the data of the fit; None of a distribution.
    """

    mean: float
    standard_error: float
    n: int
    in_sample: float | None

    @property
    def optimism(self) -> float | None:
        """How much better the data of the fit look: ``in_sample`` − ``mean``."""
        return None if self.in_sample is None else self.in_sample - self.mean

    def _centre(self) -> tuple[float, float]:
        return self.mean, self.standard_error

    def _lines(self) -> tuple[str, list[tuple[str, str]]]:
        rows = [("log-likelihood per observation", f"{self.mean:.4f} ± {self.standard_error:.4f} nats")]
        if self.in_sample is not None:
            rows.append(("on the data of the fit", f"{self.in_sample:.4f}"))
        return f"held out: {self.n:,} observations", rows


class Vuong(NamedTuple):
    r"""The statistic :math:`\bar d/(s/\sqrt n)` and its two-sided p-value for "both are equally far from p"."""

    statistic: float
    p_value: float


class Wilks(NamedTuple):
    r"""Twice the log-likelihood ratio of nested fits, its degrees of freedom and its :math:`\chi^2` p-value for "the
    smaller family contains p"."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, repr=False)
class Comparison(_Average):
    r"""KL(p‖g) − KL(p‖f) estimated from data: positive if f is the closer one.

    ``difference`` is the average of :math:`\log f(x_i) - \log g(x_i)` in nats an observation, ``standard_error`` its
    :math:`s/\sqrt n`, ``n`` the number of observations. ``free`` has the numbers of parameters of f and of g that were
    estimated from these observations, or is None if none were: two given distributions, or fits to other data.
    ``nested`` says whether one fitted family is known to be in the other, ``singular`` whether it is there at points
    where the other's parameters cannot be told, as in mixtures with more components; ``overlap`` is the p-value of "the
    closest members of the two are one distribution", None where it was not tested, because the families are nested, or
    hold one parameter at two values. In these cases the normal law of the statistic does not hold, and ``warnings`` say
    so.
    """

    difference: float
    standard_error: float
    n: int
    free: tuple[int, int] | None = None
    nested: bool = False
    overlap: float | None = None
    names: tuple[str, str] = ("f", "g")
    singular: bool = False

    @property
    def vuong(self) -> Vuong:
        """Vuong's test for models that are strictly non-nested, without a correction for their parameters."""
        if self.standard_error == 0:
            statistic = math.copysign(math.inf, self.difference) if self.difference else 0.0
        else:
            statistic = self.difference / self.standard_error
        return Vuong(statistic, float(2 * special.ndtr(-abs(statistic))))

    @property
    def corrected(self) -> float:
        r"""``difference`` less :math:`(k_f - k_g)/n`, what the additional parameters gain by themselves (Akaike)."""
        return self.difference if self.free is None else self.difference - (self.free[0] - self.free[1]) / self.n

    @property
    def wilks(self) -> Wilks | None:
        """The likelihood-ratio test of nested fits to these observations; None of others, and of mixtures, where its
        law is not χ². Not for a smaller family at the larger one's edge, as Poisson counts are at that of the negative
        binomial ones: there its p-value is too large."""
        if not self.nested or self.singular or self.free is None:
            return None
        k = self.free[0] - self.free[1]
        statistic = 2 * self.n * (self.difference if k > 0 else -self.difference)
        return Wilks(statistic, abs(k), float(special.chdtrc(abs(k), max(0.0, statistic))))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the interval and the test may not hold, in words."""
        found = []
        if self.singular:
            found.append("a smaller mixture: interval, vuong and χ² do not hold if it contains p; simulate from it")
        elif self.nested:
            found.append("nested families: use wilks; the interval and vuong do not hold if the smaller contains p")
        elif self.standard_error == 0:
            found.append("every observation has the same ratio: the models are one distribution, or x is one value")
        elif self.overlap is not None and self.overlap > 0.05:
            found.append(
                "the ratio varies no more than if the closest members were one distribution "
                f"(p = {self.overlap:.2f}): interval and vuong may fail"
            )
        if self.free is not None and 0 in self.free and not self.nested:
            fitted = "fg"[self.free[0] == 0]
            found.append(f"only {fitted} was fitted to x, which flatters it: see corrected, or fit both to x")
        return tuple(found)

    def _centre(self) -> tuple[float, float]:
        return self.difference, self.standard_error

    def _lines(self) -> tuple[str, list[tuple[str, str]]]:
        low, high = self.interval()
        pair = [f"{name} ({letter})" for name, letter in zip(self.names, "fg")]
        closer, other = pair if self.difference >= 0 else pair[::-1]
        rows = [
            ("KL(p‖g) − KL(p‖f)", f"{self.difference:.4f} ± {self.standard_error:.4f} nats an observation"),
            ("95 % interval", f"{low:.4f} to {high:.4f}"),
            ("Vuong", f"z = {self.vuong.statistic:.2f}, p = {self.vuong.p_value:.3f}"),
            *(("warning", text) for text in self.warnings),
        ]
        title = f"{closer} looks closer than {other}: n = {self.n:,}"
        return title, rows
