"""How a trained VAE is written to a file, and read from it with all of it checked.

`companion.digits.VAE` calls these as ``save`` and ``load``; `companion.stored_files` is the format.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping

import numpy as np

from companion import checks, stored_files
from companion.hidden.count_model import _layers
from companion.network import Network, _flag

SCHEMA = 1  # of the files: raise it when what they hold changes
SETTINGS = ("pixels", "hidden", "latent", "trials", "beta", "latent_term")


def write(model, file: stored_files.File, made: Mapping | None, compact: bool) -> None:
    """What ``VAE.save`` does."""
    where = "VAE.save"
    made = model.made if made is None else made
    if not isinstance(made, Mapping):
        checks.fail(where, "made", made, "a dict", 'Pass e.g. {"seed": 0}.', TypeError)
    settings = {name: getattr(model, name) for name in SETTINGS} | {"dtype": model.dtype.name}
    header = {
        "schema": SCHEMA,
        "of": "VAE",
        "compact": _flag(where, "compact", compact),
        "settings": settings,
        "steps": model._adam.t,
    }
    arrays = {"theta": model.theta.flat} | {name: np.asarray(values) for name, values in model.history.items()}
    if compact:
        with np.errstate(over="ignore"):
            arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    else:
        arrays |= {"m": model._adam.m, "v": model._adam.v}
    for name, array in arrays.items():
        checks.require(where, name, array, np.isfinite(array), "a finite number", "Its training has diverged.")
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    stored_files.write(where, file, header | {"made": {**made, "versions": versions}}, arrays)


def read(model_class, file: stored_files.File):
    """What ``VAE.load`` does; `model_class` is ``VAE``."""
    where = "VAE.load"
    header, arrays = stored_files.read(where, file)
    expect = lambda what, found, expected: stored_files.expect(where, file, what, found, expected)
    expect("schema", header.get("schema"), SCHEMA)
    expect("of", header.get("of"), "VAE")
    expect("entries of the header", sorted(header), ["compact", "made", "of", "schema", "settings", "steps"])
    for name, kind in (("compact", bool), ("made", dict), ("settings", dict), ("steps", int)):
        expect(f"type of {name}", type(header[name]).__name__, kind.__name__)
    settings, compact = header["settings"], header["compact"]
    expect("names of settings", sorted(settings), sorted((*SETTINGS, "dtype")))
    state = {} if compact else {"m", "v"}
    expect("names of arrays", sorted(arrays), sorted({"theta", "objective", "elbo", "distortion", "rate", *state}))
    try:
        sizes = [checks.positive_integer("VAE", name, settings[name], "") for name in ("pixels", "hidden", "latent")]
        layers = _layers(*sizes).values()
        count = sum(math.prod(shape) for layer in layers for shape in Network.shapes(layer).values())
        if arrays["theta"].shape != (count,):  # before memory is asked for
            raise ValueError(f"theta has the shape {arrays['theta'].shape}, not {(count,)}")
        vae = model_class(**settings)
    except (TypeError, ValueError) as reason:
        stored_files.broken(where, file, str(reason))
    epochs = arrays["elbo"].shape[:1]
    for name, array in arrays.items():
        own, shape = (float, epochs) if name in vae.history else (vae.dtype, (count,))
        expect(f"shape of {name}", array.shape, shape)
        expect(f"type of {name}", array.dtype.name, np.dtype(np.float32 if compact else own).name)
    if header["steps"] < 0 or (state and np.any(arrays["v"] < 0)):
        stored_files.broken(where, file, "Adam has taken less than no step, or has seen a negative square")
    vae.theta.flat[:] = arrays["theta"]
    if state:
        vae._adam.m[:], vae._adam.v[:], vae._adam.t = arrays["m"], arrays["v"], header["steps"]
    vae.history = {name: arrays[name].tolist() for name in vae.history}
    vae.made = header["made"]
    return vae
