"""Train the chapter's VAEs and store them: ``python tools/models.py [name ...]``, or ``make models``.

A stored model is a file that `companion.digits.VAE.save` has written; its header holds the recipe below that it was
trained by, the images it was trained on (their SHA-256) and the versions of Python and numpy. Training is reproducible
to the last digit on one machine. On another one the runs part, slowly: sums are taken in another order.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from companion.digits import VAE
from companion.lesson import datasets

FOLDER = Path(__file__).resolve().parent.parent / "companion" / "lesson" / "data" / "models"
SPLIT = {"seed": 0, "training": 1_400}
FALLING = [0.01 * min(1.0, round(2 * (1 - epoch / 200), 2)) for epoch in range(200)]  # the second half falls to zero


def recipes() -> dict[str, dict]:
    """By name: the arguments of ``VAE(...)``, and those of each call of ``fit``."""
    long = [{"epochs": n, "rng": i} for i, n in enumerate((5, 10, 15, 20, 30, 40, 60, 80, 100, 120))]
    falling = [{"epochs": 200, "rng": 1, "learning_rate": FALLING}]
    all_of_them = {
        f"digits-{sum(call['epochs'] for call in long[:i])}": {"network": {"rng": 0}, "training": long[:i]}
        for i in range(1, len(long) + 1)
    }
    for beta in (0.5, 1, 2, 4, 8, 16, 32):
        all_of_them[f"beta-{beta:g}"] = {"network": {"latent": 8, "beta": beta, "rng": 0}, "training": falling}
    all_of_them["codes-32"] = {"network": {"latent": 32, "rng": 0}, "training": falling}
    for name, beta in (("sums", 1), ("means", 32)):
        all_of_them[name] = {"network": {"beta": beta, "rng": 0}, "training": falling}
    for term in ("kl", "nll"):
        for seed in range(3):
            network = {"latent_term": term, "rng": seed}
            all_of_them[f"{term}-{seed}"] = {"network": network, "training": [{"epochs": 150, "rng": 1}]}
    return all_of_them


def training_images() -> np.ndarray:
    """The 1,400 digits that the chapter trains on."""
    images = datasets.digits().images
    return images[np.random.default_rng(SPLIT["seed"]).permutation(len(images))[: SPLIT["training"]]]


def train(recipe: dict, images: np.ndarray) -> VAE:
    """The VAE that a recipe describes."""
    model = VAE(**recipe["network"])
    for call in recipe["training"]:
        model.fit(images, **call)
    return model


def digest(images: np.ndarray) -> str:
    """SHA-256 of images as bytes."""
    return hashlib.sha256(images.astype(np.uint8).tobytes()).hexdigest()


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    images = training_images()
    for name in names:
        recipe, start = recipes()[name], time.process_time()
        model, path = train(recipe, images), FOLDER / f"{name}.npz"
        model.save(path, made={"by": "make models", "images": digest(images), **recipe}, compact=True)
        seconds = time.process_time() - start
        print(f"{name:12} {seconds:5.1f} CPU s, ELBO {model.history['elbo'][-1]:8.2f}, {path.stat().st_size:6} bytes")


if __name__ == "__main__":
    main(sys.argv[1:] or list(recipes()))
