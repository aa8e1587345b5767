"""The libraries compared: how each makes a distribution from the arguments of ours, and how it takes a KL divergence.

Every distribution that a library offers is made; whether it has a KL divergence for it is found out by asking.
Parameters are passed as the same doubles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial, reduce
from importlib.metadata import version
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple

import numpy as np

from benchmarks.textbook import FORMULAS
from companion.numerics import TEXTBOOK


class Peer(NamedTuple):
    """``kl(make[constructor](*arguments), make[constructor](*others))``, arguments as for `companion.families`."""

    version: str
    make: dict[str, Callable]
    kl: Callable


#: The arguments of ours by the names that torch, numpyro and tensorflow-probability agree on.
KEYWORDS = {
    "Bernoulli": ["probs"],
    "Bernoulli.from_logits": ["logits"],
    "Categorical": ["probs"],
    "Categorical.from_logits": ["logits"],
    "Binomial": ["total_count", "probs"],
    "Poisson": ["rate"],
    "Normal": ["loc", "scale"],
    "MultivariateNormal": ["loc", "covariance_matrix"],
    "MultivariateNormal.from_cholesky": ["loc", "scale_tril"],
    "Geometric": ["probs"],  # they count failures, one less than ours: the same KL
    "NegativeBinomial": ["total_count", "probs"],
    "LogNormal": ["loc", "scale"],
    "Exponential": ["rate"],
    "Gamma": ["concentration", "rate"],
    "Beta": ["concentration1", "concentration0"],
    "Dirichlet": ["concentration"],
    "Laplace": ["loc", "scale"],
    "VonMises": ["loc", "concentration"],
    "InverseGaussian": ["loc", "concentration"],
    "Pareto": ["alpha", "scale"],
    "Weibull": ["concentration", "scale"],
}


def _makers(module, array, classes=MappingProxyType({}), keywords=MappingProxyType({})):
    """A function of our arguments for each distribution of `module`; `classes` and `keywords` for other names."""

    def maker(constructor, cls):
        def make(*arguments):
            if constructor == "NegativeBinomial":  # their probability is that of what is counted
                arguments = arguments[0], 1 - np.asarray(arguments[1])
            return cls(**dict(zip(names, map(array, arguments))))

        names = keywords.get(constructor, KEYWORDS[constructor])
        return make

    found = {name: getattr(module, classes.get(name, name.split(".")[0]), None) for name in KEYWORDS}
    return {name: maker(name, cls) for name, cls in found.items() if cls is not None}


def companion():
    import companion.families as families

    make = {name: reduce(getattr, name.split("."), families) for name in KEYWORDS}
    return Peer(version("likelihood-divergence-companion"), make, lambda p, q: p.kl_divergence(q))


def textbook():
    def maker(name):
        return lambda *arguments: (FORMULAS[name], arguments)

    return Peer("", {name: maker(name) for name in KEYWORDS}, lambda p, q: p[0](*p[1], *q[1]))


def of_vectors(library, kl, array=np.asarray):
    """A function of two probability vectors."""
    return Peer(version(library), {"Categorical": array}, lambda p, q: np.asarray(kl(p, q)))


def torch():
    import torch

    torch.set_num_threads(1)
    d = torch.distributions
    make = _makers(d, lambda a: torch.as_tensor(a, dtype=torch.float64))
    return Peer(torch.__version__, make, lambda p, q: d.kl_divergence(p, q).numpy())


def numpyro():
    from numpyro import distributions as d

    jax = double_jax()
    classes = {
        "Bernoulli": "BernoulliProbs",
        "Bernoulli.from_logits": "BernoulliLogits",
        "Categorical": "CategoricalProbs",
        "Categorical.from_logits": "CategoricalLogits",
        "Binomial": "BinomialProbs",
        "Geometric": "GeometricProbs",
        "NegativeBinomial": "NegativeBinomialProbs",
    }
    make = _makers(d, lambda a: jax.numpy.asarray(a, dtype="float64"), classes, {"Pareto": ["alpha", "scale"]})
    return Peer(version("numpyro"), make, lambda p, q: np.asarray(d.kl_divergence(p, q)))


def double_jax():
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def jax():
    """It has no KL divergence between distributions: the chapter's textbook formulas, compiled with `jit`."""
    jax = double_jax()
    j, special = jax.numpy, jax.scipy.special
    functions = SimpleNamespace(
        log=j.log,
        exp=j.exp,
        gammaln=special.gammaln,
        betaln=special.betaln,
        psi=special.digamma,
        one=1,
        inf=j.inf,
        where=j.where,
        cell=lambda p, q: p * j.log(p / q),
    )

    def maker(name, formula):
        compiled = jax.jit(lambda p, q: formula(functions, p, q))
        return lambda *arguments: (compiled, [j.asarray(a, dtype="float64") for a in arguments])

    make = {name: maker(name, formula) for name, formula in TEXTBOOK.items()}
    return Peer(version("jax"), make, lambda p, q: np.asarray(p[0](p[1], q[1])))


def tensorflow_probability():
    """Its NumPy backend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorflow_probability.substrates.numpy import distributions as d
    classes = {
        "MultivariateNormal": "MultivariateNormalFullCovariance",
        "MultivariateNormal.from_cholesky": "MultivariateNormalTriL",
    }
    make = _makers(d, lambda a: np.asarray(a, dtype=float), classes, {"Pareto": ["concentration", "scale"]})
    return Peer(version("tensorflow-probability"), make, lambda p, q: np.asarray(p.kl_divergence(q)))


def all_peers():
    """Name -> `Peer`, ours first."""
    from scipy import special, stats

    j = double_jax()
    of_jax = partial(of_vectors, "jax", array=lambda p: j.numpy.asarray(p, dtype="float64"))
    return {
        "companion": companion(),
        "textbook": textbook(),
        "torch": torch(),
        "numpyro": numpyro(),
        "tensorflow-probability": tensorflow_probability(),
        "jax": jax(),
        "jax rel_entr": of_jax(lambda p, q: j.scipy.special.rel_entr(p, q).sum(axis=-1)),
        "jax kl_div": of_jax(lambda p, q: j.scipy.special.kl_div(p, q).sum(axis=-1)),
        "scipy rel_entr": of_vectors("scipy", lambda p, q: special.rel_entr(p, q).sum(axis=-1)),
        "scipy kl_div": of_vectors("scipy", lambda p, q: special.kl_div(p, q).sum(axis=-1)),
        "scipy entropy": of_vectors("scipy", lambda p, q: stats.entropy(p, q, axis=-1)),
    }


# --- many pairs at once --------------------------------------------------------------------------------------------
def stacked(constructor, members):
    """Arguments of N members, each an array with N in front; a covariance is given by its lower triangle."""
    arguments = [np.asarray(values, dtype=float) for values in zip(*members)]
    if constructor == "MultivariateNormal":
        lower = arguments[1]
        arguments[1] = lower + np.swapaxes(np.tril(lower, -1), -1, -2)
    if constructor == "Binomial":
        arguments[0] = arguments[0][0]  # one family: ours takes one n
    return arguments


def kl_of_pairs(peer, constructor, pairs):
    """KL of each (arguments of p, arguments of q), shape (N,), and how many pairs the library refused (NaN there).

    None if it has no function for them.
    """
    if constructor not in peer.make:
        return None

    def values(some):
        p, q = (stacked(constructor, side) for side in zip(*some))
        return np.broadcast_to(peer.kl(peer.make[constructor](*p), peer.make[constructor](*q)), len(some)).astype(float)

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return values(pairs), 0
        except NotImplementedError:
            return None
        except Exception:  # one of them is refused: find out which
            results = np.full(len(pairs), np.nan)
            refused = 0
            for i, pair in enumerate(pairs):
                try:
                    results[i] = values([pair])[0]
                except Exception:
                    refused += 1
            return results, refused
