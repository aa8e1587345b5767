"""Odd values in place of every argument of the layers that a VAE is made of and of its files: one clear error, or none
needed. The VAEs themselves are among the rows of `attack.py`."""

from functools import partial

import attack
import numpy as np

from companion import network, stored_files, vae

MODEL = vae.VAE(**attack.TINY)
NET, SIZES, RNG, NO = MODEL._encoder, (3, 2, 2), {"rng": (0, "seed")}, attack.NO
WORK, X, D = NET.workspace(2), np.ones((2, 3)), np.ones((2, 2))
NET.forward(X, WORK)


def rows(folder):
    MODEL.save(folder / "model.npz")
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
    assert len(outcomes) > 500
    assert not faults, "\n".join(f"{o.row}({o.argument} = {o.odd}): {o.verdict}, {o.text}" for o in faults)
