"""Odd values in place of every argument of VAEs, network and files of models: one clear error, or none needed."""

from functools import partial

import attack
import numpy as np

from companion import digits, network, stored_files, vae

TINY = {"pixels": 3, "hidden": 2, "latent": 1, "trials": 1}
IMAGES = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
MODEL, LINEAR, DATA = vae.VAE(**TINY), attack.LINEAR, attack.DATA
NET, SIZES, RNG, NO = MODEL._encoder, (3, 2, 2), {"rng": (0, "seed")}, attack.NO
WORK, X, D = NET.workspace(2), np.ones((2, 3)), np.ones((2, 2))
NET.forward(X, WORK)


def rows(folder):
    MODEL.save(folder / "model.npz")
    names = ("vae.", "digits.", "network.")
    for name, arguments in attack.FUNCTIONS.items():
        if name.startswith(names):
            yield attack.Row(
                name,
                getattr({"vae": vae, "digits": digits, "network": network}[name.split(".")[0]], name.split(".")[1]),
                arguments,
            )
    yield attack.Row(
        "LinearVAE",
        vae.LinearVAE,
        {key: (getattr(LINEAR, key), "positive" if key == "sd" else NO) for key in ("W", "b", "sd", "V", "c", "tau")},
    )
    yield from attack._methods("LinearVAE", LINEAR, {"x": (attack.PLANE, "parameters"), "data": (DATA, NO)})
    yield attack.Row(
        "VAE",
        vae.VAE,
        {key: (value, "size") for key, value in TINY.items()}
        | {"beta": (1.0, "tolerance or more"), "latent_term": ("kl", NO), "dtype": ("float64", NO)}
        | RNG,
    )
    yield from attack._methods(
        "VAE",
        vae.VAE(**TINY),
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
        }
        | {"file": (folder / "model.npz", "a path"), "made": (None, "record"), "compact": (False, "flag")},
    )
    yield attack.Row("Parameters", network.Parameters, {"shapes": ({"W": (2, 3)}, NO), "dtype": (float, NO)})
    yield attack.Row(
        "Network",
        network.Network,
        {"sizes": (SIZES, NO), "theta": (MODEL.theta, NO), "gradient": (MODEL.theta, NO), "name": ("encoder.", NO)},
    )
    yield from attack._methods(
        "Network",
        NET,
        {
            "sizes": (SIZES, NO),
            "name": ("a.", "text"),
            "n": (2, "size"),
            "x": (X, NO),
            "work": (WORK, NO),
            "d": (D, NO),
            "inputs": (True, "flag"),
        }
        | RNG,
    )
    yield attack.Row("Adam", network.Adam, {"size": (2, "size"), "dtype": (float, NO)})
    yield from attack._methods(
        "Adam",
        network.Adam(2),
        {"theta": (np.ones(2), NO), "gradient": (np.ones(2), NO), "learning_rate": (0.1, "positive")},
    )
    yield attack.Row("product", network.product, {"a": (X, NO), "b": (np.ones((3, 2)), NO), "out": (D, NO)})
    yield attack.Row("read", partial(stored_files.read, "read"), {"file": (folder / "model.npz", "a path")})


def test_attack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcomes = [outcome for row in rows(tmp_path) for outcome in attack.attack(row)]
    missing = lambda outcome: outcome.text.startswith("FileNotFoundError")  # Python's own words are clear
    faults = [o for o in outcomes if o.verdict not in ("right", "refused", "accepted") and not missing(o)]
    assert len(outcomes) > 2_500
    assert not faults, "\n".join(f"{o.row}({o.argument} = {o.odd}): {o.verdict}, {o.text}" for o in faults)
