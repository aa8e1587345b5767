"""Training the small VAE on the digits: one epoch of ours against the same network in torch, on one thread.

Both train the same way: same weights to begin with, new order and new noise each epoch, at most 128 images a step, Adam. That
they compute the same is checked first: given the same order and noise, the objective of every epoch agrees.
torch runs as it is written by hand (eager), without a DataLoader, which would only cost time; with its default Adam and with
the fused one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import softplus

from benchmarks.common import SEED, few_digits, interleaved, print_table
from companion.datasets import digits
from companion.network import batches
from companion.vae import VAE

EPOCHS, REPEATS, RATE = 20, 9, 0.01


class TorchVAE:
    """The network of `VAE`, its weights copied, in torch."""

    def __init__(self, vae, fused):
        torch.set_num_threads(1)
        self.trials, self.dtype = vae.trials, getattr(torch, vae.dtype.name)
        self.encoder, self.decoder = (
            torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh(), torch.nn.Linear(b, c)).to(self.dtype)
            for a, b, c in ((vae.pixels, vae.hidden, 2 * vae.latent), (vae.latent, vae.hidden, vae.pixels))
        )
        with torch.no_grad():
            for name, network in (("encoder", self.encoder), ("decoder", self.decoder)):
                for i, layer in ((1, network[0]), (2, network[2])):
                    layer.weight[:] = torch.from_numpy(vae.theta[f"{name}.W{i}"].T)
                    layer.bias[:] = torch.from_numpy(vae.theta[f"{name}.b{i}"])
        self.optimiser = torch.optim.Adam(
            [*self.encoder.parameters(), *self.decoder.parameters()], lr=RATE, fused=fused
        )

    def fit(self, x, epochs, draw):
        """Train; `draw()` gives order and noise of an epoch. Returns their objectives, without the binomial coefficients."""
        objectives, cuts = [], batches(len(x), 128)
        for _ in range(epochs):
            order, noise = draw()
            shuffled, total = x[order], torch.zeros((), dtype=self.dtype)
            for cut in cuts:
                batch = shuffled[cut]
                mean, log_tau = self.encoder(2 * batch / self.trials - 1).chunk(2, dim=1)
                tau = log_tau.exp()
                log_odds = self.decoder(mean + tau * noise[cut])
                distortion = (self.trials * softplus(log_odds) - batch * log_odds).sum()
                rate = (0.5 * (mean**2 + tau**2 - 1) - log_tau).sum()
                loss = (distortion + rate) / len(batch)
                self.optimiser.zero_grad()
                loss.backward()
                self.optimiser.step()
                total += (distortion + rate).detach()
            objectives.append(total.item() / len(x))
        return objectives


def check(x, epochs=5):
    """Ours and torch's objective, epoch by epoch, from the same order and noise, in float64: the largest relative difference."""
    ours, rng = VAE(rng=SEED), np.random.default_rng(SEED)
    theirs = TorchVAE(ours, fused=None)
    draw = lambda: (
        torch.from_numpy(rng.permutation(len(x))),
        torch.from_numpy(rng.standard_normal((len(x), ours.latent))),
    )
    found = np.array(theirs.fit(torch.from_numpy(x), epochs, draw)) - ours._log_coefficient(x).mean()
    ours.fit(x, epochs, rng=SEED, learning_rate=RATE)
    difference = float(np.max(np.abs(found / ours.history["objective"] - 1)))
    if difference > 1e-9:
        raise AssertionError(f"the two networks differ by {difference:.1e} in their objective: this is no comparison")
    return difference


def run(epochs=EPOCHS, repeats=REPEATS, seed=SEED):
    """One row for each precision and library: median CPU `milliseconds` of an epoch (`epochs` in a call, `repeats` calls in
    turn), their `ratio` to ours, and `seconds` of 200 epochs."""
    x, rows = digits().images, []
    difference = check(x)
    for dtype in ("float32", "float64"):
        start = VAE(dtype=dtype, rng=seed)
        images, rng = torch.from_numpy(x).to(getattr(torch, dtype)), np.random.default_rng(seed)
        draw = lambda: (torch.randperm(len(images)), torch.randn((len(images), start.latent), dtype=images.dtype))
        calls = {"companion": lambda vae=VAE(dtype=dtype, rng=seed): vae.fit(x, epochs, rng, learning_rate=RATE)}
        for name, fused in (("torch", None), ("torch, fused Adam", True)):
            calls[name] = lambda vae=TorchVAE(start, fused): vae.fit(images, epochs, draw)
        seconds = {
            name: np.median(values) / epochs for name, values in interleaved(calls, repeats, budget=30.0).items()
        }
        for name, value in seconds.items():
            rows.append(
                {
                    "dtype": dtype,
                    "peer": name,
                    "milliseconds": few_digits(1e3 * value),
                    "seconds": few_digits(200 * value),
                    "ratio": few_digits(value / seconds["companion"]),
                    "difference": few_digits(difference),
                }
            )
    return rows


def show(rows):
    print_table("Training a small VAE on 1,797 digits: CPU time of an epoch, one thread", rows)


if __name__ == "__main__":
    show(run())
