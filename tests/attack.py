"""Odd values put in place of every argument of every public function, one at a time, driven by signatures.

`rows()` has one row for each public callable: valid arguments, and for each the *kind* of value it takes. `attack`
replaces them in turn by every value of `ODD` and says what came of it:

* ``refused``: one error in the format of `companion.checks`, where: argument = value; expected … . fix;
* ``right``: the value is of the argument's kind, and the result has no NaN;
* ``obscure``: another exception, or a message that is not ours;
* ``silent``: a result although the value is not of the argument's kind, or a result with NaN;
* ``warned``: a warning leaked;
* ``slow``: no answer within two seconds of CPU.

The last four are faults.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import importlib
import inspect
import io
import re
import signal
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from fnmatch import fnmatch
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import stats

from companion import families, fitting, latent, projection, regression, residuals, scale, vae
from companion.families import FAMILIES, Mixture, MultivariateNormal, Normal, Poisson
from companion.integrals.quadrature import QuadratureError
from companion.lesson import datasets

MODULES = (
    "companion measures families families.ising divergence likelihood sampling coding residuals latent em vae"
    " digits numerics network regression scale losses fitting projection comparisons estimation estimators.critics"
    " estimators.monte_carlo estimators.neighbours estimators.plug_in integrals.quadrature hidden.evidence"
    " hidden.gaussian_latents hidden.ppca hidden.linear_vae hidden.linear_training hidden.count_model"
    " lesson.datasets lesson.plotting lesson.claims lesson.tables lesson.exercises"
).split()
#: By the last part of its name.
HOMES = {module.rpartition(".")[2]: module for module in MODULES}

#: Name → a function that makes the odd value anew.
ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "a",
    "empty text": lambda: "",
    "bytes": lambda: b"a",
    "empty list": lambda: [],
    "list of an empty list": lambda: [[]],
    "list of None": lambda: [None],
    "list of text": lambda: ["a", "b"],
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    "nan": lambda: np.nan,
    "inf": lambda: np.inf,
    "minus inf": lambda: -np.inf,
    "array with nan": lambda: np.array([0.5, np.nan]),
    "array with inf": lambda: np.array([1.0, np.inf]),
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "True": lambda: True,
    "fraction": lambda: 2.5,
    "huge": lambda: 1e308,
    "tiny": lambda: 5e-324,
    "huge integer": lambda: 10**18,
    "integer beyond doubles": lambda: 10**400,
    "complex": lambda: 1j,
    "cube": lambda: np.zeros((2, 3, 2)),
    "objects": lambda: np.array([None, 1.0], dtype=object),
    "masked": lambda: np.ma.array([0.5, 0.5], mask=[False, True]),
    "dates": lambda: np.array(["2026-11-21"], dtype="datetime64[D]"),
    "durations": lambda: np.array([1, 2], dtype="timedelta64[D]"),
    "record": lambda: np.zeros(2, dtype=[("a", float)]),
    "dict": lambda: {"a": 1.0},
    "set": lambda: {0.5},
    "generator": lambda: (value for value in (0.5, 0.5)),
    "function": lambda: lambda *arguments: None,
    "class": lambda: Normal,
    "object": lambda: object(),
    "Decimal": lambda: Decimal("0.5"),
    "Fraction": lambda: Fraction(1, 2),
    "ellipsis": lambda: ...,
}

_NUMBERS = {"minus one", "zero", "fraction", "huge", "tiny", "huge integer"}
_INFINITE = {"inf", "minus inf", "array with inf"}
_EMPTY = {"empty list", "list of an empty list"}
_POSITIVE = _NUMBERS - {"minus one", "zero"}
#: Kind of argument → odd values that are of this kind after all. Everything else has to be refused.
KINDS: dict[str, set[str]] = {
    "real": _NUMBERS,  # one number
    "reals": _NUMBERS | {"cube"},  # numbers that broadcast
    "positive": _POSITIVE,
    "positives": _POSITIVE,
    "probability": {"zero", "tiny"},
    "chance": {"tiny"},  # a probability that is neither 0 nor 1
    "chance or none": {"tiny", "None"},
    "bits": {"empty text"},  # of a message that is certain
    "probabilities": {"zero", "tiny", "cube"},
    "trials": {"zero", "huge integer", "cube"},
    "kappa": {"zero", "cube"} | _POSITIVE,
    "size": set(),  # a positive integer
    "seed": {"zero", "huge integer", "integer beyond doubles"},
    "index": {"zero"},
    "reals or none": _NUMBERS | {"None"},  # one number
    "positives or none": _POSITIVE | {"None"},
    "positive or none": _POSITIVE | {"None"},
    "size or none": {"None"},
    "size or none or none": {"None"},
    "flag": {"True"},
    "text": {"text", "empty text"},
    "claimed": _NUMBERS | _INFINITE | {"cube"},
    "label": {"text"},
    "offset": (_NUMBERS | {"None"}) - {"huge"},
    "weights": {"None"},
    "base": {"None"} | _POSITIVE,
    "tolerance": {"zero", "tiny"},
    "data": _NUMBERS | _EMPTY | {"True", "cube"},  # numbers where a density may be evaluated
    "length": {"zero", "tiny"},
    "place": _NUMBERS | _EMPTY | _INFINITE | {"True", "cube"},  # where probability is asked for
    "filling": _NUMBERS
    | {"None", "nan", "inf", "minus inf", "integer beyond doubles"},  # what stands outside the support
    "sample": {"masked"},  # masked observations are left out
    "parameters": {"cube"},  # along the last axis
    "exact": {"Decimal", "Fraction", "minus one", "huge integer", "integer beyond doubles", "True"},
    "condition": {"True"},
    "result": _NUMBERS | {"nan", "inf", "minus inf"},
    "tolerance or more": {"zero"} | _POSITIVE,
    "the class": {"class"},
    "a path": {"text"},
    "record": {"None", "dict"},
    "source": _EMPTY  # what chunks are taken from, later
    | {"array with nan", "array with inf", "cube", "objects", "masked", "dates", "durations", "record"}
    | {"generator", "function"},
    "column of X": {"None", "zero"},
    "column": {
        "None",
        "list of text",
        "integer beyond doubles",
        "text",
        "empty text",
        "huge integer",
        "minus one",
        "zero",
    },  # asked for later
    "watcher": {"None", "True", "function"},
    "checkpoint": {"None", "text"},
    "exactly this": set(),
}

#: (callable, argument, odd value) as patterns → why the result is right, or the error clear.
ACCEPTED = {
    ("*", "log_likelihood", "class"): "a function that fails when it is called: the error is its own",
    ("expectation", "g", "class"): "as above",
    ("ProbabilisticPCA.pdf", "x", "array with inf"): "the density at a vector with an infinite coordinate is 0",
    ("as_distribution", "argument", "*"): "words that stand in messages",
    ("Beta.parameter", "name", "text"): "its first parameter is called a",
    ("gaussian_decoder", "decode", "*"): "called, and its result checked, only with latents",
    ("load", "path", "*text"): "FileNotFoundError of a path at which there is no file",
    ("save", "path", "*text"): "as of VAE.save",
    ("VAE.*", "file", "*text"): "FileNotFoundError of a path at which there is no file, or no place for one",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A public callable and, for each argument, a valid value and its kind."""

    name: str
    call: Callable
    arguments: dict[str, tuple[Any, str]]

    def run(self, **odd: Any) -> Any:
        """The result with some arguments replaced."""
        values = {name: value for name, (value, _) in self.arguments.items()} | odd
        first = [values.pop(name) for name in self.by_position]
        return self.call(*first, **values)

    @functools.cached_property
    def by_position(self) -> list[str]:
        """Names of the arguments that can only be given by their position."""
        parameters = inspect.signature(self.call).parameters.values()
        return [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]


# --- the rows -----------------------------------------------------------------------------------------------------
HALF = [0.5, 0.5]
X = [0.0, 1.0, 2.0, 1.0]
TERMS = np.linspace(-1.0, 1.0, 200) ** 3
MANY = np.random.default_rng(0).normal(size=60)
PLANE = [[1.0, 2.0], [2.0, 1.0], [0.0, 0.5], [3.0, 3.5]]
GRID = Poisson([0.5, 1.0])
HUMPS = Mixture(HALF, Normal([-1.0, 1.0], 1.0))
PPCA = latent.ProbabilisticPCA([[2.0], [1.0]], [0.0, 0.0], 1.0)
DECODER = latent.gaussian_decoder(PLANE, PPCA.decode, 1.0)
LINEAR = vae.LinearVAE([[1.0], [0.5]], [0.0, 0.0], 1.0, [[0.5, 0.1]], [0.0], [0.7])
DATA = MultivariateNormal([0.0, 0.0], [[3.0, 1.0], [1.0, 3.0]])
TINY = {"pixels": 3, "hidden": 2, "latent": 1, "trials": 1}
IMAGES = [[0, 1, 1], [1, 0, 1]]
ISING = residuals.Ising(2, 2, 0.1, 0.2)
SPINS = ISING.sample(20, 0)
NO = "exactly this"

_SAMPLES = {"x": (MANY, NO), "y": (np.random.default_rng(1).normal(0.2, 1.1, size=70), NO)}

_DISTRIBUTION = (stats.gamma(2.0), NO)
_TOLERANCES = {"rtol": (1e-8, "tolerance"), "atol": (1e-14, "tolerance or more")}
_RNG = {"rng": (0, "seed")}
_LATENT = {"log_likelihood": (DECODER, NO)}
_TRAINING = {"latent_term": ("kl", NO), "beta": (1.0, "tolerance or more"), "along": (None, "weights")}
_PAIR = {"p": (Poisson(1.0), NO), "q": (Poisson(2.0), NO)}
_MEASURE = {"base": (2.0, "base"), "return_error": (False, "flag")}
_LIKELIHOOD = {"model": (Poisson(1.0), NO), "x": (X, "sample")}
_WEIGHTS = {"weights": ([1.0, 2.0, 1.0, 0.0], "weights")}
_CLASSIFIED = {"logits": ([[0.5, 2.0, -1.0], [1.0, 0.0, 0.5], [0.0, 1.0, 3.0]], NO), "labels": ([1, 2, 2], NO)}

_PASSES = {"rows": (3, "size or none"), "threads": (1, "size"), "progress": (None, "watcher")}
_PASSES |= {"checkpoint": (None, "checkpoint")}
STATISTICS = "statistics.npz"

#: Arguments of functions; those of the families and of instances follow below.
FUNCTIONS: dict[str, dict[str, tuple[Any, str]]] = {
    "divergence.entropy": {"p": _DISTRIBUTION} | _MEASURE,
    "divergence.cross_entropy": {"p": _DISTRIBUTION, "q": (stats.expon(), NO)} | _MEASURE,
    "divergence.kl_divergence": {"p": (HALF, NO), "q": ([0.2, 0.8], NO)} | _MEASURE,
    "divergence.first_passage": {
        "chance": (0.6, "probability"),
        "up": (0.2, "real"),
        "down": (-0.2, "real"),
        "bar": (2.0, "positive"),
        "longest": (50, "size"),
    },
    "divergence.forward_fit": {"target": (HUMPS, NO)},
    "divergence.reverse_fit": {"target": (HUMPS, NO), "start": (Normal(0.0, 1.0), NO)},
    "divergence.reverse_transitions": {},
    "monte_carlo.monte_carlo_kl": _PAIR | {"n": (50, "size"), "form": ("k1", NO)} | _RNG,
    "estimation.kl_difference": {"first": (Poisson(1.0), NO), "second": (Poisson(2.0), NO), "x": (X, "sample")},
    "projection.project": {"p": (stats.logistic(), NO), "family": (Normal, "the class")},
    "projection.held_out": {"fit": (Poisson(1.0), NO), "x_new": (X, "sample")},
    "projection.compare": {"f": (Poisson(1.0), NO), "g": (stats.poisson(2.0), NO), "x": (X, "sample")},
    "estimation.f_divergence": {"p": (HALF, NO), "q": ([0.2, 0.8], NO), "f": ("kl", NO), "rtol": (1e-8, "tolerance")},
    "neighbours.knn_entropy": {"x": (MANY, NO), "k": (2, "size")},
    "neighbours.knn_kl": _SAMPLES | {"k": (2, "size")},
    "plug_in.histogram_kl": _SAMPLES | {"bins": (5, "size or none")},
    "plug_in.kernel_kl": _SAMPLES,
    "critics.classifier_kl": _SAMPLES | _RNG,
    "critics.donsker_varadhan": _SAMPLES | _RNG,
    "critics.nwj": _SAMPLES | _RNG,
    "fitting.fit": {"model": (Normal, "the class"), "x": (MANY, "sample"), "weights": (None, "weights")},
    "divergence.total_variation": {"p": (HALF, NO), "q": ([0.2, 0.8], NO)},
    "divergence.two_humps": {"half_distance": (2.0, "tolerance or more")},
    "likelihood.log_likelihood": _LIKELIHOOD | _WEIGHTS,
    "likelihood.likelihood": _LIKELIHOOD,
    "likelihood.perplexity": _LIKELIHOOD | _WEIGHTS,
    "likelihood.kl_lines": {"p": (HALF, NO), "models": (GRID, NO), "outcomes": ([0, 1], NO)},
    "likelihood.likelihood_lines": {"x": (X, "sample"), "models": (GRID, NO)},
    "likelihood.empirical_probabilities": {"x": (X, "sample")},
    "sampling.running_average": {"terms": (X, "sample")},
    "sampling.tail_shape": {"terms": (TERMS, NO)},
    "sampling.draws_needed": {"terms": (TERMS, NO), "error": (0.1, "positive")},
    "sampling.fitted_kl": {"truth": (Poisson(1.0), NO), "n": (50, "size"), "runs": (3, "size")} | _RNG,
    "sampling.typical_set": {"p": (0.3, "chance"), "n": (20, "size"), "epsilon": (0.1, "tolerance or more")}
    | {"q": (0.4, "chance or none")},
    "sampling.log_false_alarm": {"p": (0.6, "chance"), "q": (0.5, "chance"), "n": (20, "size")}
    | {"miss": (0.1, "chance")},
    "sampling.prefix_code": {"lengths": ([1, 2, 3], NO)},
    "sampling.code_length": {"frequencies": ([2, 1, 1], NO), "x": ([0, 2, 1], NO)},
    "sampling.encode": {"frequencies": ([2, 1, 1], NO), "x": ([0, 2, 1], NO)},
    "sampling.decode": {"frequencies": ([2, 1, 1], NO), "bits": ("0110", "bits"), "n": (3, "size")},
    "residuals.residual": _LIKELIHOOD | _WEIGHTS,
    "residuals.kl_gradient": {"p": (stats.poisson(0.7), NO), "model": (Poisson(1.0), NO)},
    "residuals.with_natural": {"model": (Poisson(1.0), NO), "eta": ([0.2], NO)},
    "residuals.with_mean": {"model": (Poisson(1.0), NO), "mu": ([0.2], NO)},
    "residuals.stochastic_ascent": _LIKELIHOOD | {"batch": (2, "size"), "rates": ([0.1, 0.1], NO)} | _RNG,
    "residuals.natural_gradient_step": _LIKELIHOOD | _WEIGHTS | {"length": (0.5, "length")},
    "residuals.fisher_along": _PAIR | {"t": ([0.0, 0.5], "reals")},
    "quadrature.as_distribution": {"obj": _DISTRIBUTION, "argument": ("f: p", "text")},
    "quadrature.entropy": {"p": _DISTRIBUTION} | _TOLERANCES,
    "quadrature.cross_entropy": {"p": _DISTRIBUTION, "q": (stats.expon(), NO)} | _TOLERANCES,
    "quadrature.kl_divergence": {"p": _DISTRIBUTION, "q": (stats.expon(), NO)} | _TOLERANCES,
    "quadrature.expectation": {"p": _DISTRIBUTION, "g": (np.square, NO)} | _TOLERANCES,
    "latent.arch": {"z": ([[0.5], [1.0]], NO)},
    "latent.draw_log_weights": _LATENT | {"q": (Normal(0.5, 1.0), NO), "draws": (5, "size")} | _RNG,
    "latent.effective_sample_size": {"log_weights": ([[0.1, 0.2], [0.0, 0.0]], "parameters")},
    "latent.importance_weighted_bound": {"log_weights": ([[0.1, 0.2], [0.0, 0.0]], "parameters")},
    "latent.elbo": _LATENT | {"q": (Normal(0.5, 1.0), NO), "nodes": (8, "size")},
    "latent.elbo_monte_carlo": _LATENT | {"q": (Normal(0.5, 1.0), NO), "draws": (5, "size")} | _RNG,
    "latent.evidence": _LATENT
    | {"k": (1, "size"), "spacing": (0.1, "positive or none")}
    | {"tolerance": (1e-3, "positive or none")},
    "latent.evidence_on_grid": _LATENT
    | {"k": (1, "size"), "spacing": (0.1, "positive"), "tolerance": (1e-3, "positive or none")},
    "latent.gauss_hermite": {"q": (Normal(0.5, 1.0), NO), "nodes": (8, "size")},
    "latent.gaussian_decoder": {"x": (PLANE, NO), "decode": (PPCA.decode, NO), "sd": (0.5, "positive")},
    "latent.gaussian_posterior": _LATENT | {"k": (1, "size"), "nodes": (8, "size"), "rounds": (60, "size")},
    "latent.log_prior_second_moment": {"model": (PPCA, NO), "x": (PLANE, "parameters")},
    "latent.log_weights": _LATENT | {"q": (Normal(0.5, 1.0), NO), "z": (np.zeros((1, 3, 1)), NO)},
    "em.mixture_elbo": {"mixture": (HUMPS, NO), "x": (X, "data"), "responsibilities": ([HALF] * 4, NO)},
    "latent.prior_average": _LATENT | {"k": (1, "size"), "draws": (9, "size")} | _RNG,
    "em.em_step": {"mixture": (HUMPS, NO), "x": (X, NO)} | _WEIGHTS,
    "em.fit_mixture": {"x": ([*X, -1.0, -2.0, 0.5, -0.5], NO), "start": (HUMPS, NO), "weights": (None, "weights")}
    | {"tolerance": (1e-3, "positive"), "max_steps": (20, "size")},
    "em.random_start": {"x": ([*X, 5.0, 5.5, 6.0], NO), "family": (Normal, "the class"), "k": (2, "size")} | _RNG,
    "digits.stored": {"name": ("digits-480", NO)},
    "vae.start_linear": {"data": (DATA, NO), "latents": (1, "size")} | _RNG,
    "vae.kl_to_prior": {"mean": ([0.5], "reals"), "tau": ([0.5], "positives")},
    "vae.objective_parts": {"vae": (LINEAR, NO), "data": (DATA, NO)},
    "vae.loss": {
        "vae": (LINEAR, NO),
        "data": (DATA, NO),
        "latent_term": ("kl", NO),
        "beta": (1.0, "tolerance or more"),
    },
    "vae.gradient": {
        "vae": (LINEAR, NO),
        "data": (DATA, NO),
        "latent_term": ("kl", NO),
        "beta": (1.0, "tolerance or more"),
    },
    "vae.fit_linear": {"start": (LINEAR, NO), "data": (DATA, NO)} | _TRAINING | {"iterations": (20, "size")},
    "vae.descend": {"start": (LINEAR, NO), "data": (DATA, NO), "steps": (3, "size"), "learning_rate": (0.1, "positive")}
    | _TRAINING,
    "vae.sampled_kl_gradient": {"mean": (0.5, "real"), "tau": (0.5, "positive"), "noise": ([-1.0, 1.0], "reals")},
    "vae.whole_counts": {"p": (HALF, NO), "bits": (4, "size")},
    "vae.push": {"state": (5, "seed"), "symbol": (1, "index"), "counts": ([2, 1, 1], NO)},
    "vae.pop": {"state": (5, "seed"), "counts": ([2, 1, 1], NO)},
    "network.batches": {"n": (10, "size"), "size": (4, "size")},
    "numerics.eighty_digits": {},
    "numerics.exact_kl": _PAIR,
    "numerics.textbook_kl": _PAIR | {"dtype": (float, "the class")},
    "numerics.fisher_integral": _PAIR | {"nodes": (16, "size")},
    "numerics.nearby": {"p": (Poisson(1.0), NO), "d": (0.1, "real")},
    "numerics.num_acc": {"number": (1, NO)},
    "numerics.exact_moments": {"x": (X, "sample"), "ddof": (0, "tolerance")},
    "numerics.running_total": {"x": (X, "sample")},
    "numerics.relative_error": {"value": (0.5, "result"), "exact": (Decimal("0.4"), "exact")},
    "datasets.alpha_particles": {},
    "datasets.at_scale": {},
    "datasets.challenger": {},
    "datasets.digits": {},
    "datasets.estimators": {},
    "datasets.federalist_may": {},
    "datasets.horse_kicks": {},
    "datasets.old_faithful": {},
    "datasets.peers": {},
    "datasets.weldon_dice": {},
    "datasets.wrong_models": {},
    "plotting.panels": {"count": (1, "size"), "height": (2.0, "positive"), "width": (2.0, "positive or none")},
    "plotting.use_style": {},
    "claims.equal": {"label": ("one", "label"), "left": (1.0, "claimed"), "right": (1.0, "claimed")}
    | {"rtol": (1e-9, "tolerance"), "atol": (1e-9, "tolerance or more"), "digits": (6, "size")},
    "claims.below": {
        "label": ("one", "label"),
        "left": (1.0, "claimed"),
        "right": (2.0, "claimed"),
        "digits": (6, "size"),
    },
    "claims.true": {"label": ("one", "label"), "condition": (True, "condition")},
    "regression.fit": {"family": (families.Bernoulli, "the class"), "X": (PLANE, NO), "y": ([0, 1, 1, 0], NO)}
    | {"weights": ([1.0, 2.0, 1.0, 1.5], "weights"), "offset": (0.5, "offset"), "intercept": (False, "flag")}
    | {"n": (None, "weights")},
    "regression.separation": {"X": (PLANE, NO), "y": ([0, 1, 1, 0], NO), "family": (families.Categorical, "the class")}
    | {"intercept": (False, "flag"), "n": (None, "weights")},
    "scale.chunks": {"source": (X, "source"), "columns": (None, "column"), "rows": (2, "size or none")},
    "scale.statistics": {"family": (Normal, "the class"), "source": (X, NO), "columns": (None, "weights")}
    | _WEIGHTS
    | _PASSES,
    "scale.fit": {"family": (Normal, "the class"), "source": (X, NO)},
    "scale.lazy_statistics": {"family": (Normal, "the class"), "source": (X, "source"), "columns": (None, "column")}
    | {"weights": (None, "weights")},
    "scale.regression": {"family": (Normal, "the class"), "X": (PLANE, NO), "y": ([0.0, 1.0, 3.0, 2.0], NO)}
    | {"weights": ([1.0, 2.0, 1.0, 1.5], "weights"), "offset": (0.5, "offset"), "intercept": (False, "flag")}
    | {"n": (None, "weights"), "columns": (None, "column of X")}
    | _PASSES,
    "scale.em": {"mixture": (HUMPS, NO), "source": (MANY, NO), "weights": (None, "weights"), "steps": (2, "size")}
    | {"tolerance": (1e-3, "positive"), "columns": (None, "weights")}
    | _PASSES,
    "scale.save": {"path": (STATISTICS, "a path"), "statistics": (Normal.statistics(X), NO)},
    "scale.load": {"path": (STATISTICS, "a path")},
    "losses.cross_entropy_loss": _CLASSIFIED | {"smoothing": (0.1, "probability")},
    "losses.smooth_labels": {"labels": ([0, 2, 1], NO), "classes": (3, "size"), "smoothing": (0.1, "probability")},
    "losses.fit_temperature": _CLASSIFIED,
    "losses.calibration": {"probabilities": ([0.2, 0.4, 0.9, 0.6], NO), "outcomes": ([0, 1, 1, 0], NO)}
    | {"bins": (2, "size")},
    "families.from_scipy": {"frozen": (stats.norm(1, 2), NO)},
}

#: Public names that are no callables to attack, and why.
EXEMPT = {
    "product": "the inner loop of training: arrays that the caller has allocated, errors by numpy",
    "Workspace": "a record",
    "Network": "built from a VAE's own sizes; its passes write into arrays that the caller has allocated",
    "Adam": "as above",
    "Parameters": "as above",
    "Distribution": "abstract",
    "ExponentialFamily": "abstract",
    "Row": "a record",
    "CountModel": "what VAE inherits",
    "show": "of pages alone: tests/test_lesson.py",
    "check": "as above",
    "forbid": "as above",
    "as_gaussian": "shared by modules; its callers are attacked",
    "as_pair": "shared by modules; its callers are attacked",
    "check_callable": "shared by modules; its callers are attacked",
    "drawing": "shared by modules; its callers are attacked",
    "log_prior": "shared by modules; its callers are attacked",
    "log_weights_at": "shared by modules; its callers are attacked",
    "positive": "shared by modules; its callers are attacked",
    "rule_size": "shared by modules; its callers are attacked",
    "same_family": "shared by modules; its callers are attacked",
    "size": "shared by modules; its callers are attacked",
    "standard_normal": "shared by modules; its callers are attacked",
    "QuadratureError": "an exception",
    "Estimate": "a record",
    "CountTable": "a record",
}

#: Of the parameters of families, by name.
_PARAMETERS = {
    "kappa": "kappa",
    "p": "probabilities",
    "mean": "reals",
    "loc": "reals",
    "n": "trials",
    "probs": NO,
    "cov": NO,
    "rows": "size",
    "columns": "size",
    "field": "real",
    "coupling": "real",
}

FILE = "model.npz"


def _class_rows() -> Iterator[Row]:
    """Constructor and methods of every family, of mixtures, and of the classes of the chapters."""
    rng = np.random.default_rng(0)
    members = {name: row.draw(rng) for name, row in FAMILIES.items()}
    for name, member in (members | {"Ising": ISING}).items():
        given = {key: member.parameter(key) for key in member.parameter_names}
        kinds = {key: (value, _PARAMETERS.get(key, "positives")) for key, value in given.items()}
        fixed = {key: kinds[key] for key in member.fixed_names}
        x = member.sample(8, 1)
        yield Row(name, type(member), kinds)
        yield from _methods(
            name,
            member,
            {
                "x": (x, NO if member.event_ndim else "data"),
                "sample": (x, NO if member.event_ndim else "sample"),
                "other": (member, NO),
                "eta": (member.natural_parameters(), "parameters"),
                "mu": (member.mean_parameters(), "parameters"),
                "logits": (HALF if name == "Categorical" else 0.5, "parameters" if name == "Categorical" else "reals"),
                "mean": kinds.get("mean"),
                "tril": (np.linalg.cholesky(member.cov) if name == "MultivariateNormal" else None, NO),
                "classes": (len(member.probs) if name == "Categorical" else None, "size or none"),
                "name": (member.parameter_names[0], NO),
                **fixed,
            },
        )
    yield Row("Mixture", Mixture, {"weights": (HALF, NO), "components": (HUMPS.components, NO)})
    yield from _methods("Mixture", HUMPS, {"x": (X, "data"), "name": ("weights", NO)})
    yield Row(
        "ProbabilisticPCA",
        latent.ProbabilisticPCA,
        {"loadings": ([[2.0], [1.0]], NO), "mean": ([0.0, 0.0], NO)} | {"sd": (1.0, "positive")},
    )
    yield from _methods(
        "ProbabilisticPCA",
        PPCA,
        {
            "x": (PLANE, "parameters"),
            "name": ("sd", NO),
            "sample": (PLANE, "sample"),
            "z": ([[0.5]], NO),
            "q": (MultivariateNormal([0.0], [[1.0]]), NO),
            "k": (1, "size"),
        },
    )
    yield Row(
        "LinearVAE",
        vae.LinearVAE,
        {key: (getattr(LINEAR, key), "positive" if key == "sd" else NO) for key in ("W", "b", "sd", "V", "c", "tau")},
    )
    yield from _methods("LinearVAE", LINEAR, {"x": (PLANE, "parameters"), "data": (DATA, NO)})
    sizes = {key: (value, "size") for key, value in TINY.items()}
    yield Row(
        "VAE",
        vae.VAE,
        sizes
        | {"beta": (1.0, "tolerance or more"), "latent_term": ("kl", NO), "dtype": ("float64", "the class")}
        | _RNG,
    )
    yield from _methods(
        "VAE",
        _written_to(FILE),
        {
            "x": (IMAGES, NO),
            "z": ([[[0.5], [0.0]]], NO),
            "noise": ([[0.5], [0.1]], NO),
            "epochs": (2, "size"),
            "batch": (1, "size"),
        }
        | {
            "draws": (2, "size"),
            "learning_rate": (0.01, "positive"),
            "progress": (False, "flag"),
            "only": (None, "weights"),
            "file": (FILE, "a path"),
        }
        | {"made": ({"seed": 0}, "record"), "compact": (False, "flag")},
    )
    yield from _methods(
        "Regression",
        regression.fit(families.Bernoulli, PLANE, [0, 1, 1, 0], intercept=False),
        {"X_new": (PLANE, NO), "level": (0.9, "chance"), "robust": (False, "flag"), "offset": (0.5, "offset")},
    )
    yield from _methods("CountTable", datasets.horse_kicks(), {})
    level = {"level": (0.9, "chance")}
    yield from _methods("Comparison", projection.compare(Poisson(1.0), Poisson(2.0), X), level)
    yield from _methods("HeldOut", projection.held_out(Poisson(1.0), X), level)
    yield from _methods("Fit", fitting.fit(Normal, MANY), {"level": (0.9, "chance"), "robust": (True, "flag")})


def _written_to(file: str) -> vae.VAE:
    """A VAE that has been saved."""
    model = vae.VAE(**TINY)
    model.save(file)
    return model


def _methods(owner: str, instance: Any, known: dict[str, Any]) -> Iterator[Row]:
    """A row for each public method of an instance, its arguments by their names."""
    always = {
        "n": (5, "size"),
        "outside": (None, "filling"),
        "q": (0.5, "probabilities"),
        "other": (instance, NO),
        **_RNG,
        "weights": ([1.0, 2.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0], "weights"),
    }
    for method in sorted(name for name in dir(type(instance)) if not name.startswith("_")):
        if isinstance(inspect.getattr_static(type(instance), method), property) or method in vars(tuple):
            continue
        call = getattr(instance, method)
        if not callable(call):  # an attribute of the class
            continue
        arguments = {}
        for name in inspect.signature(call).parameters:
            if (method, name) == ("sample", "n"):  # not the n of a binomial
                arguments[name] = always["n"]
            elif name == "x" and method in ("fit", "statistics") and "sample" in known:
                arguments[name] = known["sample"]
            elif name == "x" and method in ("cdf", "sf", "pdf") and known["x"][1] == "data":
                arguments[name] = (known["x"][0], "place")
            elif method == "fit" and name in getattr(instance, "fit_options", ()):  # estimated if it is not given
                arguments[name] = (known[name][0], known[name][1] + " or none")
            else:
                arguments[name] = (always | known)[name]
        yield Row(f"{owner}.{method}", _on_a_copy(instance, method), arguments)


def _on_a_copy(instance: Any, method: str) -> Callable:
    """The method of a copy: training changes an instance."""

    def call(*arguments, **named):
        return getattr(copy.deepcopy(instance), method)(*arguments, **named)

    call.__signature__ = inspect.signature(getattr(instance, method))
    return call


def rows() -> list[Row]:
    """Every public callable with its arguments; files are written to the working directory."""
    functions = []
    scale.save(STATISTICS, Normal.statistics(X))
    for name, arguments in FUNCTIONS.items():
        module, _, function = name.partition(".")
        home = importlib.import_module(f"companion.{HOMES[module]}")
        functions.append(Row(function, getattr(home, function), arguments))
    return functions + list(_class_rows())


def public_names() -> set[str]:
    """Names of all public functions and classes, as rows name them, without records and exceptions."""
    found = set()
    for module in MODULES:
        module = importlib.import_module("companion" if module == "companion" else f"companion.{module}")
        for name, thing in vars(module).items():
            listed = name in getattr(module, "__all__", ()) or getattr(thing, "__module__", "") == module.__name__
            if name.startswith("_") or not callable(thing) or not listed:
                continue
            if not (isinstance(thing, type) and issubclass(thing, (tuple, Exception))):
                found.add(name)
    return found


# --- the attack ---------------------------------------------------------------------------------------------------
@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one call."""

    row: str
    argument: str
    odd: str
    verdict: str
    text: str


FINE = ("refused", "right")
FORMAT = re.compile(r"(?P<where>[\w.]+)( of [\w.]+)?: .+ = .*; expected .+\. .+", re.S)
REACHED = re.compile(r"[\w.]+.*: .+; expected .+\. .+", re.S)  # a quadrature says what it has reached
LIMIT = 2.0

#: Who may refuse besides the callable itself, its class, and the log-density for a density.
DELEGATES = (
    ("fit", "scale.statistics"),
    ("Network", "Network.shapes"),
    ("as_distribution", "f"),
    ("VAE.encoder", "VAE.encode"),
    ("LinearVAE.elbo", "LinearVAE.encoder"),
    ("LinearVAE.elbo", "ProbabilisticPCA.elbo"),
    ("mixture_elbo", "Mixture.log_prob"),
    ("log_prior_second_moment", "ProbabilisticPCA.log_prob"),
    ("likelihood*", "Poisson.log_prob"),
    ("stochastic_ascent", "Poisson.statistics"),
    ("fit_mixture", "Mixture.log_prob"),
    ("fit_mixture", "em_step"),
    ("random_start", "Normal.fit"),
    ("LogNormal.from_*", "Normal.from_*"),
    ("Beta.from_*", "Dirichlet.from_*"),
    ("equal", "one"),  # the label of a claim
    ("below", "one"),
)
#: What may be refused besides the argument that is odd: what it does not fit, or what comes of it.
BESIDE = (
    ("*", "x", "shape of weights"),
    ("*", "x*", "number of observations"),
    ("statistics", "source", "shape of weights"),
    ("regression", "[Xy]", "shape of [Xy]*"),
    ("mixture_elbo", "x", "shape of responsibilities"),
    ("MultivariateNormal*", "mean", "shape of *"),
    ("fit", "source", "*x in *chunk*"),
    ("em", "source", "*x in *chunk*"),
    ("fit", "intercept", "y"),
    ("fit", "offset", "Newton's method"),
    ("*.from_*", "*", "*"),  # parameters for which natural or mean parameters stand
    ("Pareto.*", "xm", "x[[]*"),
    ("Pareto.*", "xm", "largest sum"),
    ("Laplace.*", "loc", "largest sum"),
    ("VAE.fit", "learning_rate", "objective*"),
    ("descend", "beta", "learning_rate"),
    ("sampled_kl_gradient", "*", "estimate*"),
    ("stochastic_ascent", "x", "batch"),
    ("LinearVAE.elbo", "x", "q"),
    ("Network", "name", "shapes in theta"),
    ("likelihood_lines", "models", "model"),
    ("as_distribution", "obj", "p"),
    ("save", "path", "file"),
    ("load", "path", "file"),
    ("equal", "*", "* agree *"),  # a claim that does not hold
    ("below", "*", "* is not at most *"),
)


def is_named(row: str, argument: str, text: str) -> bool:
    """Does the error say who refuses which argument?"""
    head, _, rest = text.partition(": ")[2].partition(": ")
    who, what, of = head.partition(" of ")[0], rest.partition(" = ")[0], row.partition(".")[0]
    own = who in (row, of, f"{of}.log_prob") or who.endswith(f".{row}")
    own = own or any(fnmatch(row, called) and fnmatch(who, named) for called, named in DELEGATES)
    its = re.search(rf"\b{re.escape(argument)}\b", what)
    return own and bool(its or any(all(map(fnmatch, (row, argument, what), pattern)) for pattern in BESIDE))


def attack(row: Row) -> Iterator[Outcome]:
    """Every odd value in place of every argument of one callable."""
    if row.arguments:  # without an odd value it works, or says that this class has no such method
        argument, (value, _) = next(iter(row.arguments.items()))
        verdict, text = judge(row, argument, value, True)
        yield Outcome(row.name, "", "", verdict, text)
        if verdict != "right":
            return
    for argument, (_, kind) in row.arguments.items():
        for odd, make in ODD.items():
            verdict, text = judge(row, argument, make(), odd in KINDS[kind])
            if verdict == "refused" and not is_named(row.name, argument, text):
                verdict = "misnamed"
            tried = (row.name, argument, odd)
            if verdict not in FINE and any(all(map(fnmatch, tried, pattern)) for pattern in ACCEPTED):
                verdict = "accepted"
            yield Outcome(row.name, argument, odd, verdict, text)


def judge(row: Row, argument: str, value: Any, of_kind: bool) -> tuple[str, str]:
    """Verdict and what was returned or raised."""
    with warnings.catch_warnings(record=True) as leaked, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            with _limited(LIMIT):
                result = row.run(**{argument: value})
                text = _short(result)
        except _TooSlowError:
            return "slow", f"no answer in {LIMIT:g} s"
        except Exception as error:
            verdict, text = ("refused" if is_ours(error) else "obscure"), f"{type(error).__name__}: {error}"
        else:
            verdict = "right" if of_kind and not has_nan(result) else "silent"
    if leaked and verdict in FINE:
        return "warned", f"{leaked[0].category.__name__}: {leaked[0].message}"
    return verdict, text


def is_ours(error: Exception) -> bool:
    """Is this one clear error: of the right type, in the package's format, not a chain of errors?"""
    if isinstance(error, AssertionError):  # a claim that does not hold
        return str(error).startswith("one: ")
    chained = error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__)
    kind = isinstance(error, (TypeError, ValueError, QuadratureError)) or type(error) is ArithmeticError
    form = REACHED if isinstance(error, QuadratureError) else FORMAT
    return kind and bool(form.fullmatch(str(error))) and not chained


def has_nan(result: Any) -> bool:
    """Is there a NaN anywhere in this?"""
    if isinstance(result, families.Distribution):
        return any(has_nan(result.parameter(name)) for name in result.parameter_names)
    if isinstance(result, dict):
        return any(map(has_nan, result.values()))
    if isinstance(result, (tuple, list)):
        return any(map(has_nan, result))
    if dataclasses.is_dataclass(result):
        return any(map(has_nan, vars(result).values()))
    if isinstance(result, (float, complex, np.ndarray, np.generic)):
        array = np.asarray(result)
        return array.dtype.kind in "fc" and bool(np.isnan(array).any())
    return False


class _TooSlowError(BaseException):
    pass


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Stop the block after so many seconds of CPU."""

    def stop(number, frame):
        raise _TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _short(result: Any) -> str:
    text = " ".join(repr(result).split())
    return text if len(text) <= 90 else text[:87] + "..."
