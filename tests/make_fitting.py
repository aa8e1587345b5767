"""What `fit` makes of every distribution of scipy.stats: a stored table of verdicts.

    nice python tests/make_fitting.py [NAME ...]

For each distribution that SciPy has, 150 draws with ordinary shapes, rounded to six digits, are fitted by
`companion.fitting.fit` and by SciPy's own fit with the same parameters held. tests/data/fitting.json keeps the data,
the verdict ("interior", "kink", "edge" or "refused" with the reason), the estimates, both log-likelihoods and the
seconds of CPU. A name on the command line renews the rows of that distribution alone. tests/test_fitting.py fits the
quick ones again and holds the table to its bars.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.stats._distr_params import distcont, distdiscrete

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from companion.fitting import fit, scipy_models  # noqa: E402

TARGET = ROOT / "tests" / "data" / "fitting.json"
N, SEED, PATIENCE = 150, 11, 30
#: Given by the caller: whole numbers, and what has to be estimated for anything to be left.
EXTRA = {"irwinhall": {"scale": None}}


class _TooLongError(BaseException):
    pass


def everything() -> list[str]:
    """Names of all univariate distributions of scipy.stats."""
    kinds = (stats.rv_continuous, stats.rv_discrete)
    return sorted(name for name, thing in vars(stats).items() if isinstance(thing, kinds))


def ordinary() -> dict[str, tuple]:
    """Shapes for each name, as SciPy's own tests have them."""
    found: dict[str, tuple] = {}
    for name, shapes in (*distcont, *distdiscrete):
        if isinstance(name, str):
            found.setdefault(name, tuple(shapes))
    return found


def in_time(call):
    """The result of `call`, or None after `PATIENCE` seconds."""

    def stop(number, frame):
        raise _TooLongError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        return call()
    except _TooLongError:
        return None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def draws(dist, shapes) -> list[float]:
    """Rounded draws, the same in every run."""
    x = dist.rvs(*shapes, size=N, random_state=np.random.default_rng(SEED))
    return [float(f"{value:.6g}") for value in x]


def by_scipy(dist, x, held, free) -> float | None:
    """The log-likelihood that SciPy's own fit reaches with the same parameters held."""
    try:
        if isinstance(dist, stats.rv_discrete):
            limits = {"p": (0, 1), "a": (1e-3, 50), "b": (1e-3, 50)}
            bounds = {key: limits.get(key, (1e-6, 50)) for key in free} | {k: (v, v) for k, v in held.items()}
            found = in_time(lambda: stats.fit(dist, x, bounds))
            return None if found is None else -float(found.nllf())
        fixed = {f"f{key}" if key in ("loc", "scale") else f"fix_{key}": value for key, value in held.items()}
        found = in_time(lambda: dist.fit(x, **fixed))
        return None if found is None else float(np.sum(dist.logpdf(x, *found)))
    except Exception:  # SciPy refuses in many ways
        return None


def row(name: str, shapes: tuple) -> dict:
    """The verdict on one distribution."""
    dist = getattr(stats, name)
    given = {s.name: v for s, v in zip(scipy_models.shapes(dist), shapes) if s.whole} | EXTRA.get(name, {})
    result = {"name": name, "given": given}
    slow = name in scipy_models.REFUSED
    result["x"] = [] if slow else draws(dist, shapes)
    x, start = np.array(result["x"] or [0.5, 1.0]), time.process_time()
    try:
        found = in_time(lambda: fit(dist, x, **given))
        if found is None:
            raise ValueError(f"no answer in {PATIENCE} s")
    except ValueError as error:
        return result | {"verdict": "refused", "reason": str(error), "seconds": round(time.process_time() - start, 1)}
    seconds = round(time.process_time() - start, 2)
    theirs = by_scipy(dist, x, dict(found.held), list(found.parameters))
    return result | {
        "verdict": found.optimum,
        "parameters": dict(found.parameters),
        "held": dict(found.held),
        "log_likelihood": found.log_likelihood,
        "scipy": theirs if theirs is not None and np.isfinite(theirs) else None,
        "notes": list(found.notes),
        "errors": not found._why,
        "seconds": seconds,
    }


def main(names: list[str]) -> None:
    """Write the table anew, or the rows of `names`."""
    old = json.loads(TARGET.read_text(encoding="utf-8"))["rows"] if TARGET.exists() else []
    rows = {one["name"]: one for one in old if one["name"] in everything()}
    shapes = ordinary()
    for name in names or everything():
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            rows[name] = row(name, shapes.get(name, ()))
        shown = {key: value for key, value in rows[name].items() if key not in ("x", "name", "given")}
        print(name, shown, flush=True)
        table = {"scipy": __import__("scipy").__version__, "rows": [rows[key] for key in sorted(rows)]}
        TARGET.write_text(json.dumps(table, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
