"""Regressions by statsmodels, stored for the tests; ``make references`` installs it and runs this.

The cases are data of the book, small classical tables, and simulations with a seed. Weights count rows: statsmodels is
given each row so often.
"""

import json
from pathlib import Path

import numpy as np

from companion.families import Bernoulli, Binomial, Categorical, Normal, Poisson
from companion.lesson import datasets

FILE = Path(__file__).with_name("data") / "regression.json"
NIST = Path(__file__).with_name("data") / "nist_regression.json"

# Dalal, Fowlkes and Hoadley (1989): temperature (°F), pressure (psi), incidents among six O-rings.
CHALLENGER = np.array(
    """66 50 0 70 50 1 69 50 0 68 50 0 67 50 0 72 50 0 73 50 0 70 100 0 57 100 1 63 200 1 70 200 1 78 200 0 67 200 0
    53 200 2 67 200 0 75 200 0 70 200 0 81 200 0 76 200 0 79 200 0 75 200 2 58 200 1 76 200 0""".split(),
    dtype=float,
).reshape(-1, 3)
# Bliss (1935): log dose of carbon disulphide, beetles, and how many died.
BEETLES = np.array(
    """1.6907 59 6 1.7242 60 13 1.7552 62 18 1.7842 56 28 1.8113 63 52 1.8369 59 53 1.8610 62 61
    1.8839 60 60""".split(),
    dtype=float,
).reshape(-1, 3)


def cases() -> dict[str, dict]:
    """Arguments of `companion.regression.fit` by name."""
    temperature, _, incidents = CHALLENGER.T
    dose, beetles, died = BEETLES.T
    faithful, kicks, digits = datasets.old_faithful(), datasets.horse_kicks(), datasets.digits()
    nist = json.loads(NIST.read_text(encoding="utf-8"))
    rng = np.random.default_rng(11)
    X = rng.normal(size=(300, 3)) * [1.0, 20.0, 0.05] + [0.0, 300.0, 1.0]
    eta = (X - [0.0, 300.0, 1.0]) @ [0.5, -0.04, 6.0]
    exposure, weights = rng.uniform(0.5, 3.0, size=300), rng.integers(0, 4, size=300).astype(float)
    pixels = digits.images[:, [10, 21, 26, 43]]
    return {
        "Challenger, at least one incident": {"family": Bernoulli, "X": temperature, "y": incidents > 0},
        "Old Faithful, long or short": {"family": Bernoulli, "X": faithful.waiting, "y": faithful.eruption > 3},
        "simulated, with weights and offset": {
            "family": Bernoulli,
            "X": X,
            "y": rng.random(300) < 1 / (1 + np.exp(-eta - 0.3)),
            "weights": weights,
            "offset": np.log(exposure),
        },
        "Challenger, O-rings": {"family": Binomial, "X": CHALLENGER[:, :2], "y": incidents, "n": 6},
        "beetles": {"family": Binomial, "X": dose, "y": died, "n": beetles},
        "horse kicks": {"family": Poisson, "X": np.empty((5, 0)), "y": kicks.values, "weights": kicks.frequencies},
        "simulated, with exposures": {
            "family": Poisson,
            "X": X,
            "y": rng.poisson(exposure * np.exp(0.5 * eta)),
            "offset": np.log(exposure),
        },
        "digits, dots of a cell": {"family": Poisson, "X": pixels[:, 1:], "y": pixels[:, 0]},
        "Old Faithful, the wait": {"family": Normal, "X": faithful.eruption, "y": faithful.waiting},
        "Longley": {"family": Normal, "X": np.array(nist["Longley"]["X"]), "y": np.array(nist["Longley"]["y"])},
        "simulated, with weights": {
            "family": Normal,
            "X": X,
            "y": eta + rng.normal(size=300) * np.exp(0.3 * X[:, 0]),
            "weights": weights,
        },
        "Challenger, number of incidents": {"family": Categorical, "X": temperature, "y": incidents.astype(int)},
        "digits, ten classes": {"family": Categorical, "X": pixels, "y": digits.labels},
        "digits, without intercept": {
            "family": Categorical,
            "X": 0.1 + pixels[digits.labels < 4],
            "y": digits.labels[digits.labels < 4],
            "intercept": False,
        },
    }


def reference(family, X, y, n=None, weights=None, offset=None, intercept=True) -> dict:
    """What statsmodels finds."""
    import statsmodels.api as sm

    X = np.asarray(X, dtype=float).reshape(len(y), -1)
    X = np.column_stack([np.ones(len(y)), X]) if intercept else X
    y = np.asarray(y, dtype=float)
    if weights is not None:
        times = np.asarray(weights).astype(int)
        X, y = np.repeat(X, times, axis=0), np.repeat(y, times)
        offset = None if offset is None else np.repeat(offset, times)
    new = X[:: max(len(X) // 5, 1)]
    if family is Normal:
        model = sm.OLS(y, X)
        plain, robust = model.fit(method="qr"), model.fit(method="qr", cov_type="HC0")
        found = {"deviance": plain.ssr}
        ends = plain.get_prediction(new).conf_int(alpha=0.1)
    elif family is Categorical:
        model = sm.MNLogit(y, X)
        options = {"method": "newton", "tol": 1e-15, "maxiter": 100, "disp": 0}
        plain, robust = model.fit(**options), model.fit(**options, cov_type="HC0")
        found = {"deviance": -2 * plain.llf}
        ends = None
    else:
        kind = {Bernoulli: sm.families.Binomial, Binomial: sm.families.Binomial, Poisson: sm.families.Poisson}[family]()
        response = np.column_stack([y, n - y]) if family is Binomial else y
        model = sm.GLM(response, X, family=kind, offset=offset)
        options = {"tol": 1e-15, "tol_criterion": "params", "maxiter": 100}
        plain, robust = model.fit(**options), model.fit(**options, cov_type="HC0")
        found = {"deviance": plain.deviance}
        ends = plain.get_prediction(new, offset=np.zeros(len(new))).conf_int(alpha=0.1)
    columns = np.asarray(plain.params).T if family is Categorical else np.asarray(plain.params)
    found |= {
        "log_likelihood": plain.llf,
        "coefficients": columns.tolist(),
        "standard_errors": np.sqrt(np.diagonal(plain.cov_params())).reshape(columns.shape).tolist(),
        "robust_standard_errors": np.sqrt(np.diagonal(robust.cov_params())).reshape(columns.shape).tolist(),
        "covariance": np.asarray(plain.cov_params()).tolist() if columns.size < 20 else None,
        "new": new[:, int(intercept) :].tolist(),
        "predicted": np.asarray(
            plain.predict(new, **({} if offset is None else {"offset": np.zeros(len(new))}))
        ).tolist(),
        "interval": None if ends is None else np.asarray(ends).tolist(),
    }
    return found


def main() -> None:
    import statsmodels

    stored = {"made": {"statsmodels": statsmodels.__version__, "numpy": np.__version__}}
    for name, case in cases().items():
        stored[name] = reference(**case)
    FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
