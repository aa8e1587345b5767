"""Training the small VAE on the digits: one epoch of ours against the same network in torch and in JAX, on one thread.

All train the same way: same weights to begin with, new order and new noise each epoch, at most 128 images a step, Adam.
That they compute the same is checked first: given the same order and noise, the objective of every epoch agrees. Our
gradients are written by hand, theirs are found by automatic differentiation: the comparison is of both together with
what carries them out. torch runs as it is written by hand (eager), without a DataLoader, which would only cost time;
with its default Adam and with the fused one. In JAX a whole epoch is one compiled function (`jit` of a `lax.scan` over
the steps), order and noise included; compilation is not counted.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch.nn.functional import softplus

from benchmarks.common import SEED, few_digits, interleaved, print_table
from benchmarks.peers import double_jax
from companion.digits import VAE
from companion.lesson.datasets import digits
from companion.network import batches

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
        """Train; `draw()` gives order and noise of an epoch. Returns the objectives, without binomial coefficients."""
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


class JaxVAE:
    """The network of `VAE`, its weights copied, in JAX. Batches are padded to equal length, for `scan`; the padding has
    weight zero."""

    def __init__(self, vae, x, seed=SEED):
        self.jax = jax = double_jax()
        j, shape, trials = jax.numpy, (len(x), vae.latent), vae.trials
        cuts = batches(len(x), 128)
        longest = max(cut.stop - cut.start for cut in cuts)
        places = np.array([np.resize(np.r_[cut], longest) for cut in cuts])  # of the padding: any
        weights = np.array([np.arange(longest) < cut.stop - cut.start for cut in cuts]).astype(vae.dtype)
        images = j.asarray(x, dtype=vae.dtype)

        def objective(theta, batch, noise, weight):
            hidden = j.tanh((2 * batch / trials - 1) @ theta["encoder.W1"] + theta["encoder.b1"])
            mean, log_tau = j.split(hidden @ theta["encoder.W2"] + theta["encoder.b2"], 2, axis=1)
            tau = j.exp(log_tau)
            hidden = j.tanh((mean + tau * noise) @ theta["decoder.W1"] + theta["decoder.b1"])
            log_odds = hidden @ theta["decoder.W2"] + theta["decoder.b2"]
            distortion = (trials * jax.nn.softplus(log_odds) - batch * log_odds).sum(axis=1)
            rate = (0.5 * (mean**2 + tau**2 - 1) - log_tau).sum(axis=1)
            total = weight @ (distortion + rate)
            return total / weight.sum(), total

        gradient = jax.grad(objective, has_aux=True)

        def step(state, now):
            theta, m, v, t = state
            place, weight, order, noise = now
            g, total = gradient(theta, images[order[place]], noise[place], weight)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            c, d = 1 - 0.9**t, 1 - 0.999**t
            theta = jax.tree.map(lambda w, m, v: w - RATE * (m / c) / (j.sqrt(v / d) + 1e-8), theta, m, v)
            return (theta, m, v, t), total

        def epoch(state, order, noise):
            state, totals = jax.lax.scan(lambda state, now: step(state, (*now, order, noise)), state, (places, weights))
            return state, totals.sum() / len(x)

        def drawn_epoch(state, key):
            one, other = jax.random.split(key)
            return epoch(state, jax.random.permutation(one, len(x)), jax.random.normal(other, shape, vae.dtype))

        self.given, self.drawn = jax.jit(epoch), jax.jit(drawn_epoch)
        theta = {name: j.asarray(vae.theta[name]) for name in vae.theta}
        zeros = {name: j.zeros_like(values) for name, values in theta.items()}
        self.state, self.keys = (theta, zeros, zeros, j.asarray(0, vae.dtype)), jax.random.key(seed)

    def fit(self, epochs, draw=None):
        """Train; `draw()` gives order and noise of an epoch, or JAX draws them. Returns the objectives, without the
        binomial coefficients."""
        objectives = []
        for _ in range(epochs):
            if draw is None:
                self.keys, key = self.jax.random.split(self.keys)
                self.state, value = self.drawn(self.state, key)
            else:
                self.state, value = self.given(self.state, *draw())
            objectives.append(value)
        return [float(value) for value in objectives]


def check(x, epochs=5):
    """The objective of ours, torch's and JAX's, epoch by epoch, from the same order and noise, in float64: the largest
    relative difference."""
    ours = VAE(rng=SEED)

    def draws():
        rng = np.random.default_rng(SEED)
        return lambda: (rng.permutation(len(x)), rng.standard_normal((len(x), ours.latent)))

    of_torch, of_jax = draws(), draws()
    images = torch.from_numpy(x)
    found = np.array(
        [
            TorchVAE(ours, fused=None).fit(images, epochs, lambda: tuple(map(torch.from_numpy, of_torch()))),
            JaxVAE(ours, x).fit(epochs, of_jax),
        ]
    )
    found -= ours._log_coefficient(x).mean()
    ours.fit(x, epochs, rng=SEED, learning_rate=RATE)
    difference = float(np.max(np.abs(found / ours.history["objective"] - 1)))
    if difference > 1e-9:
        raise AssertionError(f"the networks differ by {difference:.1e} in their objective: this is no comparison")
    return difference


def run(epochs=EPOCHS, repeats=REPEATS, seed=SEED):
    """One row for each precision and library: median CPU `milliseconds` of an epoch (`epochs` in a call, `repeats`
    calls in turn), their `ratio` to ours, and `seconds` of 200 epochs."""
    x, rows = digits().images, []
    difference = check(x)
    for dtype in ("float32", "float64"):
        start = VAE(dtype=dtype, rng=seed)
        images, rng = torch.from_numpy(x).to(getattr(torch, dtype)), np.random.default_rng(seed)
        draw = lambda: (torch.randperm(len(images)), torch.randn((len(images), start.latent), dtype=images.dtype))
        calls = {"companion": partial(VAE(dtype=dtype, rng=seed).fit, x, epochs, rng, learning_rate=RATE)}
        for name, fused in (("torch", None), ("torch, fused Adam", True)):
            calls[name] = partial(TorchVAE(start, fused).fit, images, epochs, draw)
        compiled = JaxVAE(start, x)
        compiled.fit(1)
        calls["jax, jit and scan"] = partial(compiled.fit, epochs)
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
