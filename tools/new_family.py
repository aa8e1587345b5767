"""Begin an exponential family: its file with what it must state, and its name in the table.

    python tools/new_family.py Rayleigh scale

The file then says what is missing: fill in the formulas, and the property tests (`tests/test_families.py` and others,
by the table) compare them with sums, integrals and SciPy.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from companion.families import ExponentialFamily  # noqa: E402

TEMPLATE = '''"""{Name} distribution: in one line, what it describes."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from companion import checks
from companion.families.exponential_family import ExponentialFamily


class {Name}(ExponentialFamily):
    r"""{Name} distribution on its support.

    .. math::

       p(x) = ?, \\qquad u(x) = ?, \\qquad \\eta = ?, \\qquad A(\\eta) = ?, \\qquad \\mathrm{{E}}[u] = ?

       \\mathrm{{KL}}(p\\|q) = ?

    Parameters
    ----------
    {parameters} : array_like
        What they are, and which values they may have; they broadcast to the shape of the batch.

    Raises
    ------
    ValueError
        If a parameter is outside its domain; from `fit`, if no maximum exists.

    References
    ----------
    Author (year), section.

    Examples
    --------
    >>> {Name}.fit([0.5, 1.0, 2.5, 4.0])
    ?
    """

    parameter_names = ({names},)
    scipy_name = None  # where SciPy has it, e.g. "rayleigh"; then also `_scipy_arguments` and `to_scipy`
    support = (-np.inf, np.inf)

    # --- parameters: `checks.parameter` takes what is finite; see also `checks.positive`, `probability` and `whole`
    def __init__(self, {signature}) -> None:
{read}
        self._store({first}.shape, {stored})

    def natural_parameters(self):
        raise NotImplementedError("η of the parameters, shape batch_shape + (k,)")

    @classmethod
    def from_natural(cls, eta: ArrayLike) -> Self:
        eta = cls._natural_column(eta)
        raise NotImplementedError("the member with natural parameters η, or an error where A(η) is infinite")

    @classmethod
    def from_mean_parameters(cls, mu: ArrayLike) -> Self:
        mu = cls._mean_column(mu)
        raise NotImplementedError("the member with E[u] = μ, or an error where there is none")

    # --- statistics
    def _statistic(self, x):
        raise NotImplementedError("u(x): (...,) -> (..., k)")

    def _log_partition_at(self, eta):
        raise NotImplementedError("A(η): (..., k) -> (...), with functions that take complex numbers")

    def _log_base_measure(self, x):
        raise NotImplementedError("log h(x); delete this method if h is 1")

    # --- evaluation: `_log_prob`, `kl_divergence` and `_cross_entropy_terms` may be overridden by more accurate forms
    def mean(self):
        raise NotImplementedError("E[x], shape of the batch")

    def variance(self):
        raise NotImplementedError("Var[x], shape of the batch")

    # --- sampling
    def _draw(self, size, rng):
        raise NotImplementedError("draws of shape `size` from a numpy.random.Generator")

    @classmethod
    def _random_member(cls, rng):
        raise NotImplementedError("a member with ordinary parameters, for the tests")

    # --- fit: a sample enters by its sums of u(x), and `from_mean_parameters` is asked for their mean. Where its error
    # does not say why no maximum exists, override `_estimate`; a kind of sums that loses fewer digits is `_sums`.
'''


def begin(name: str, parameters: list[str], root: Path = ROOT) -> Path:
    """Write the family's file, enter it in the table and in the package, and return its path."""
    if not re.fullmatch(r"[A-Z][A-Za-z]+", name) or not all(p.isidentifier() for p in parameters):
        raise SystemExit(f"new_family: {name} {parameters}; expected a name such as Rayleigh and its parameters")
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    families = root / "companion" / "families"
    path = families / f"{module}.py"
    if path.exists():
        raise SystemExit(f"new_family: {path} is there already")
    read = "".join(f'        {p} = checks.parameter("{name}", "{p}", {p}, "Pass ...")\n' for p in parameters)
    if len(parameters) > 1:
        read += f'        checks.broadcast("{name}", {", ".join(f"{p}={p}.shape" for p in parameters)})\n'
        read += f"        {', '.join(parameters)} = np.broadcast_arrays({', '.join(parameters)})\n"
    path.write_text(
        TEMPLATE.format(
            Name=name,
            parameters=", ".join(parameters),
            names=", ".join(f'"{p}"' for p in parameters),
            signature=", ".join(f"{p}: ArrayLike" for p in parameters),
            read=read.rstrip("\n"),
            first=parameters[0],
            stored=", ".join(f"{'_' * hasattr(ExponentialFamily, p)}{p}={p}" for p in parameters),  # a method: _mean
        ),
        encoding="utf-8",
    )
    line = f"from companion.families.{module} import {name}\n"
    enter(families / "table.py", line, r"    for cls in \(\n", f"        {name},\n")
    enter(families / "__init__.py", line, r"__all__ = \[\n", f'    "{name}",\n')
    return path


def enter(file: Path, line: str, opening: str, entry: str) -> None:
    """Add an import among those of the families, and an entry at the end (a name: in its place) of a list."""
    text = file.read_text(encoding="utf-8")
    imports = re.findall(r"^from companion\.families\.\w+ import .*\n", text, re.M)
    after = max((found for found in imports if found < line), default=imports[0])
    text = text.replace(after, after + line, 1)
    start = re.search(opening, text)
    assert start, f"{file}: no list to enter {entry.strip()} in"
    end = re.compile(r"^\s*[)\]]", re.M).search(text, start.end())
    assert end
    entries = [*text[start.end() : end.start()].splitlines(keepends=True), entry]
    if entry.lstrip().startswith('"'):
        entries.sort()
    file.write_text(text[: start.end()] + "".join(entries) + text[end.start() :], encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("name", help="of the class, e.g. Rayleigh")
    parser.add_argument("parameters", nargs="+", help="names of its parameters in their order, e.g. scale")
    options = parser.parse_args()
    path = begin(options.name, options.parameters)
    print(f"{path.relative_to(ROOT)}: fill in what it says is missing, then")
    print(f'    pytest tests companion/families -m "not site and not browser" -k {options.name}')


if __name__ == "__main__":
    main()
