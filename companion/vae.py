r"""When KL is not likelihood: the variational autoencoder (VAE).

The module of the chapter *When KL is not likelihood*.
"""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import expit, gammaln

from companion import checks
from companion.families import MultivariateNormal
from companion.network import Adam, Network, Parameters, Workspace, batches


# --- a small non-linear VAE ---------------------------------------------------------------------------------------
class _Buffers(NamedTuple):
    """The arrays of one pass over a batch."""

    encoder: Workspace
    decoder: Workspace
    scratch: np.ndarray


class VAE:
    r"""A variational autoencoder of counts: two small networks, with gradients by hand.

    The model draws a code z, then every pixel as a count out of N trials. The encoder is normal with independent
    coordinates:

    .. math::

       p(z) = \mathcal N(0, I), \qquad p_\theta(x\mid z) = \prod_d \mathrm{Bin}(x_d;\, N, p_d(z)), \qquad
       q(z\mid x) = \prod_j \mathcal N(z_j;\, m_j(x), \tau_j(x)^2)

    One network with a layer of tanh units gives the log-odds of p from z, the other m and :math:`\log\tau` from x.
    Training minimises distortion + β × rate, each **summed** over pixels or codes and averaged over images:

    .. math::

       D = -\mathrm{E}_q[\log p_\theta(x\mid z)], \qquad
       R = \mathrm{KL}(q(z\mid x)\,\|\,p(z)) = \sum_j \tfrac12\big(m_j^2 + \tau_j^2 - 1\big) - \log\tau_j

    with one :math:`z = m + \tau\odot\varepsilon`, :math:`\varepsilon\sim\mathcal N(0, I)`, an image and epoch. The binomial
    coefficients are part of D: :math:`p_\theta(x)` is a probability, and :math:`-D - R` is its evidence lower bound in nats.

    Parameters
    ----------
    pixels, hidden, latent : int
        Numbers of pixels of an image, tanh units of each network, coordinates of z.
    trials : int
        N: pixels are whole numbers from 0 to N. With 1 their distribution is Bernoulli.
    beta : float
        β, at least 0; 1 gives the evidence lower bound.
    latent_term : {"kl", "sampled", "nll"}
        What β multiplies in training: ``"kl"`` is R in closed form; ``"sampled"`` its one-draw estimate
        :math:`\log q(z\mid x) - \log p(z)`; ``"nll"`` scores the codes by the prior,
        :math:`\mathrm{E}_q[-\log p(z)] = R + \mathrm{H}(q)`, and bounds nothing.
    dtype : {"float64", "float32"}
        Numbers of both networks.
    rng : numpy.random.Generator or int
        Draws the first weights.

    Attributes
    ----------
    theta : Parameters
        All weights: ``theta.flat`` (k,), named ``encoder.W1``, ``encoder.b1``, ..., ``decoder.b2``.
    history : dict of lists
        ``objective``, ``elbo``, ``distortion`` and ``rate`` of each epoch, averaged over images while the weights moved.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, β is negative, or an option is unknown.

    References
    ----------
    Kingma and Welling (2014); Rezende, Mohamed and Wierstra (2014); Higgins et al. (2017) for β.

    Examples
    --------
    >>> from companion.datasets import digits
    >>> x = digits().images
    >>> vae = VAE(rng=0).fit(x, epochs=20, rng=1)
    >>> elbo = vae.history["elbo"]
    >>> len(elbo), bool(elbo[-1] > elbo[0] + 100)
    (20, True)
    >>> mean, tau = vae.encode(x)
    >>> mean.shape, vae.decode(mean).shape
    ((1797, 2), (1797, 64))
    """

    # --- sizes and weights
    def __init__(self, pixels=64, hidden=64, latent=2, trials=16, beta=1.0, latent_term="kl", dtype="float64", rng=0):
        given = {"pixels": pixels, "hidden": hidden, "latent": latent, "trials": trials}
        fix = "The digits have pixels=64 and trials=16."
        self.pixels, self.hidden, self.latent, self.trials = (checks.positive_integer("VAE", *pair, fix) for pair in given.items())
        beta = checks.scalar("VAE", "beta", beta, "Pass the weight of the rate, e.g. 1.0.")
        if beta < 0:
            checks.fail("VAE", "beta", beta, "a number, at least 0", "Pass the weight of the rate, e.g. 1.0.")
        if latent_term not in ("kl", "sampled", "nll"):
            checks.fail("VAE", "latent_term", latent_term, '"kl", "sampled" or "nll"', 'Pass "kl" for the evidence lower bound.')
        if dtype not in ("float64", "float32", float, np.float64, np.float32):
            checks.fail("VAE", "dtype", dtype, '"float64" or "float32"', 'Pass "float32" for speed.')
        rng = checks.generator("VAE", rng)
        self.beta, self.latent_term, self.dtype = beta, latent_term, np.dtype(dtype)
        inward, outward = (self.pixels, self.hidden, 2 * self.latent), (self.latent, self.hidden, self.pixels)
        shapes = Network.shapes(inward, "encoder.") | Network.shapes(outward, "decoder.")
        self.theta, self._gradient = Parameters(shapes, dtype), Parameters(shapes, dtype)
        self._encoder = Network(inward, self.theta, self._gradient, "encoder.")
        self._decoder = Network(outward, self.theta, self._gradient, "decoder.")
        self._encoder.draw(rng)
        self._decoder.draw(rng)
        self._adam = Adam(self.theta.flat.size, dtype)
        self.history = {"objective": [], "elbo": [], "distortion": [], "rate": []}

    # --- the objective and its gradient
    def _forward_and_backward(self, g, noise, work):
        """Write the gradient per image, for images g = 2x/N − 1 and noise ε. Return D without the binomial coefficients,
        R, and the term that β multiplies, each summed over images."""
        n, k, N = len(g), self.latent, self.trials
        # encode: z = m + τ ε
        code = self._encoder.forward(g, work.encoder)
        m, log_tau = code[:, :k].copy(), code[:, k:].copy()
        tau = np.exp(log_tau)
        away = tau * noise
        z = m + away
        # decode: half the log-odds h, p = (1 + t)/2 with t = tanh h
        h, t = self._decoder.forward(z, work.decoder), work.decoder.d[-1]
        h *= 0.5
        np.tanh(h, out=t)
        # D = −Σ x log p + (N − x) log(1 − p) = N Σ log(2 cosh h) − g h, where log(2 cosh h) = |h| + log 2 − log(1 + |t|)
        linear, s = float(np.vdot(g, h)), work.scratch
        np.abs(t, out=s)
        np.log1p(s, out=s)
        np.abs(h, out=h)
        h -= s
        distortion = N * (float(h.sum()) + g.size * math.log(2) - linear)
        # its derivative by the log-odds is N p − x, a residual: what the decoder expects less what it sees
        t -= g
        t *= N / (2 * n)
        dz = self._decoder.backward(z, work.decoder, t, inputs=True)
        # the latent term, with its derivatives by m and log τ
        squares, tau2 = float(np.vdot(m, m) + np.vdot(tau, tau)), tau * tau
        rate = 0.5 * (squares - z.size) - float(log_tau.sum())
        if self.latent_term == "kl":
            term, by_m, by_log_tau = rate, m, tau2 - 1
        elif self.latent_term == "nll":
            term, by_m, by_log_tau = 0.5 * (squares + z.size * math.log(2 * math.pi)), m, tau2
        else:  # sampled: log q(z|x) − log p(z) = −log τ − ε²/2 + z²/2
            term, by_m, by_log_tau = 0.5 * float(np.vdot(z, z) - np.vdot(noise, noise)) - float(log_tau.sum()), z, z * away - 1
        weight, d = self.beta / n, work.encoder.d[-1]
        d[:, :k] = dz + weight * by_m
        d[:, k:] = dz * away + weight * by_log_tau
        self._encoder.backward(g, work.encoder, d)
        return distortion, rate, term

    def value_and_gradient(self, x, noise):
        """Training objective per image for images `x` (n, pixels) and noise ε (n, latent), and its gradient by
        ``theta.flat`` (k,): what `fit` follows on a batch.

        Examples
        --------
        >>> vae, x, noise = VAE(pixels=4, hidden=3, latent=1, trials=1), [[0, 1, 1, 0]], [[0.3]]
        >>> value, gradient = vae.value_and_gradient(x, noise)
        >>> vae.theta.flat[0] += 1e-6
        >>> bool(np.isclose((vae.value_and_gradient(x, noise)[0] - value) / 1e-6, gradient[0], rtol=1e-4))
        True
        """
        x = self._images("value_and_gradient", x)
        noise = checks.finite("VAE.value_and_gradient", "noise", noise, "Pass rng.standard_normal((n, latent)).")
        if noise.shape != (len(x), self.latent):
            checks.fail("VAE.value_and_gradient", "shape of noise", noise.shape, f"{(len(x), self.latent)}", "One row for each image.")
        distortion, _, term = self._forward_and_backward(self._scaled(x), noise.astype(self.dtype), self._buffers(len(x)))
        value = (distortion - self._log_coefficient(x).sum() + self.beta * term) / len(x)
        return float(value), self._gradient.flat.astype(float)

    def _images(self, method, x):
        where, fix = f"VAE.{method}", f"Pass images as counts from 0 to {self.trials}, shape (n, {self.pixels})."
        x = checks.parameter(where, "x", x, fix)
        if x.ndim != 2 or x.shape[1] != self.pixels:
            checks.fail(where, "shape of x", x.shape, f"(n, {self.pixels})", fix)
        checks.require(where, "x", x, (x >= 0) & (x <= self.trials) & (x == np.floor(x)), f"a whole number from 0 to {self.trials}", fix)
        return x

    def _scaled(self, x):
        return (x / (0.5 * self.trials) - 1).astype(self.dtype)

    def _log_coefficient(self, x):
        N, j = self.trials, np.arange(self.trials + 1)
        return (gammaln(N + 1) - gammaln(j + 1) - gammaln(N - j + 1))[x.astype(int)].sum(axis=-1)

    def _buffers(self, n):
        return _Buffers(self._encoder.workspace(n), self._decoder.workspace(n), np.empty((n, self.pixels), self.dtype))

    # --- training
    def fit(self, x, epochs, rng, learning_rate=0.01, batch=128, progress=False):
        """Train with Adam. A second call goes on where the first one stopped.

        Parameters
        ----------
        x : array_like, shape (n, pixels)
            Images as counts.
        epochs : int
            Passes over all images, each in a new order and with new noise.
        rng : numpy.random.Generator or int
            Draws order and noise.
        learning_rate : float or array_like, shape (epochs,)
            That of Adam: one for all epochs, or one for each.
        batch : int
            Images in a step, at most: batches are cut to equal lengths.
        progress : bool
            Print a line about ten times in the course of the training.

        Returns
        -------
        VAE
            Itself.

        Raises
        ------
        ArithmeticError
            If the objective is not finite: the message names epoch and step. The step is not taken.
        """
        x, rng = self._images("fit", x), checks.generator("VAE.fit", rng)
        epochs, batch = (checks.positive_integer("VAE.fit", name, value, "Pass e.g. epochs=200, batch=128.")
                         for name, value in (("epochs", epochs), ("batch", batch)))
        rates = checks.positive("VAE.fit", "learning_rate", learning_rate, "Pass one for Adam, e.g. 0.01.")
        if rates.shape not in ((), (epochs,)):
            checks.fail("VAE.fit", "shape of learning_rate", rates.shape, f"() or {(epochs,)}", "Pass one, or one for each epoch.")
        g, log_coefficient, cuts = self._scaled(x), self._log_coefficient(x).sum(), batches(len(x), batch)
        work = {n: self._buffers(n) for n in {cut.stop - cut.start for cut in cuts}}
        shuffled, before = np.empty_like(g), len(self.history["elbo"])
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is reported below
            for epoch, learning_rate in enumerate(np.broadcast_to(rates, epochs).tolist(), before + 1):
                np.take(g, rng.permutation(len(g)), axis=0, out=shuffled, mode="clip")
                noise = rng.standard_normal((len(g), self.latent)).astype(self.dtype)
                D, R, term = -log_coefficient, 0.0, 0.0
                for step, cut in enumerate(cuts, 1):
                    parts = self._forward_and_backward(shuffled[cut], noise[cut], work[cut.stop - cut.start])
                    if not math.isfinite(sum(parts)):
                        checks.fail("VAE.fit", f"objective in epoch {epoch}, step {step}", sum(parts), "a finite number",
                                    "Start again with a smaller learning_rate: the weights have diverged.", ArithmeticError)
                    self._adam.step(self.theta.flat, self._gradient.flat, learning_rate)
                    D, R, term = D + parts[0], R + parts[1], term + parts[2]
                D, R, term = float(D / len(g)), R / len(g), term / len(g)
                for name, value in (("objective", D + self.beta * term), ("elbo", -D - R), ("distortion", D), ("rate", R)):
                    self.history[name].append(value)
                if progress and (epoch - before) % max(1, epochs // 10) == 0:
                    print(f"epoch {epoch}: ELBO {-D - R:.2f}, distortion {D:.2f}, rate {R:.2f} nats an image", flush=True)
        return self

    # --- encoder, decoder, model
    def encode(self, x):
        """Mean m and standard deviation τ of q(z|x), each (n, latent), of images `x` (n, pixels)."""
        code = self._through(self._encoder, self._scaled(self._images("encode", x)))
        return code[:, : self.latent], np.exp(code[:, self.latent :])

    def encoder(self, x):
        """q(z|x) for images `x` (n, pixels): a batch of n `MultivariateNormal`, as `companion.latent` takes it."""
        mean, tau = self.encode(x)
        return MultivariateNormal.from_cholesky(mean, tau[:, :, None] * np.eye(self.latent))

    def decode(self, z):
        """Probabilities p(z) of one trial, (..., pixels), for codes `z` (..., latent)."""
        return expit(self._log_odds(self._codes("decode", z)))

    def log_likelihood(self, x, z):
        r"""Conditional log-likelihood :math:`\log p_\theta(x_i\mid z_{ij})` in nats, (n, m).

        Parameters
        ----------
        x : array_like, shape (n, pixels)
            Images.
        z : array_like, shape (n, m, latent) or (1, m, latent)
            Codes: m for each image, or m that all images share, which is much faster.

        Examples
        --------
        With images fixed it is a model for `companion.latent`, here for the evidence of every image of two black or
        white pixels: their probabilities sum to one.

        >>> from functools import partial
        >>> from companion.latent import evidence_on_grid
        >>> vae, every = VAE(pixels=2, hidden=3, latent=1, trials=1), [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> log_p_x, error, method = evidence_on_grid(partial(vae.log_likelihood, every), k=1, spacing=0.1)
        >>> round(float(np.exp(log_p_x).sum()), 12)
        1.0
        """
        x = self._images("log_likelihood", x)
        z = self._codes("log_likelihood", z)
        if z.ndim != 3 or len(z) not in (1, len(x)):
            checks.fail("VAE.log_likelihood", "shape of z", z.shape, f"({len(x)} or 1, m, {self.latent})", "Add axes, e.g. z[None].")
        value = np.repeat(self._log_coefficient(x)[:, None], z.shape[1], axis=1)
        size = max(1, 1_000_000 // (len(z) * self.pixels))
        for cut in (slice(start, start + size) for start in range(0, z.shape[1], size)):  # some megabytes at a time
            l = self._log_odds(z[:, cut])
            value[:, cut] += x @ l[0].T if len(l) == 1 else (l @ x[:, :, None])[..., 0]
            value[:, cut] -= self.trials * np.sum(np.log1p(np.exp(-np.abs(l))) + np.maximum(l, 0), axis=-1)
        return value

    def sample(self, n, rng):
        """`n` images drawn from the model, (n, pixels): z from the prior, then each pixel from its binomial distribution."""
        n, rng = checks.sample_size("VAE.sample", n), checks.generator("VAE.sample", rng)
        return rng.binomial(self.trials, self.decode(rng.standard_normal((n, self.latent)))).astype(float)

    def _codes(self, method, z):
        z = checks.finite(f"VAE.{method}", "z", z, f"Pass codes, shape (..., {self.latent}).")
        if z.shape[-1:] != (self.latent,):
            checks.fail(f"VAE.{method}", "shape of z", z.shape, f"(..., {self.latent})", "The last axis holds the coordinates of a code.")
        return z

    def _log_odds(self, z):
        return self._through(self._decoder, z.reshape(-1, self.latent).astype(self.dtype)).reshape(*z.shape[:-1], self.pixels)

    def _through(self, network, a):
        return network.forward(a, network.workspace(len(a))).astype(float)

    # --- bounds
    def distortion_and_rate(self, x, rng, draws=1):
        """D (n,), averaged over `draws` codes an image, and R (n,), in closed form, of images `x` (n, pixels), in nats."""
        mean, tau = self.encode(x)
        noise = self._noise("distortion_and_rate", len(mean), draws, rng)
        distortion = -self.log_likelihood(x, mean[:, None] + tau[:, None] * noise).mean(axis=1)
        return distortion, np.sum(0.5 * (mean**2 + tau**2 - 1) - np.log(tau), axis=1)

    def elbo(self, x, rng, draws=1):
        """Evidence lower bound −D − R of each image, (n,), in nats: unbiased, from `draws` codes an image."""
        distortion, rate = self.distortion_and_rate(x, rng, draws)
        return -distortion - rate

    def log_weights(self, x, draws, rng):
        r"""Logarithms of importance weights, :math:`\log p_\theta(x\mid z) + \log p(z) - \log q(z\mid x)` at `draws` codes from
        q(z|x): (n, draws). Their mean is the evidence lower bound, the log of their mean weight a tighter one.

        References
        ----------
        Burda, Grosse and Salakhutdinov (2016).
        """
        mean, tau = self.encode(x)
        noise = self._noise("log_weights", len(mean), draws, rng)
        z = mean[:, None] + tau[:, None] * noise
        return self.log_likelihood(x, z) + np.sum(0.5 * noise**2 - 0.5 * z**2 + np.log(tau)[:, None], axis=-1)

    def _noise(self, method, n, draws, rng):
        draws = checks.positive_integer(f"VAE.{method}", "draws", draws, "Pass how many codes to draw for each image, e.g. 10.")
        return checks.generator(f"VAE.{method}", rng).standard_normal((n, draws, self.latent))

    # --- files
    _settings = ("pixels", "hidden", "latent", "trials", "beta", "latent_term")

    def save(self, file):
        """Write weights, settings, history and the state of Adam to `file` (a path or a binary file): numpy arrays, no code."""
        settings = {name: getattr(self, name) for name in self._settings} | {"dtype": self.dtype.name, "steps": self._adam.t}
        with _opened(file, "wb") as target:
            np.savez(target, vae=json.dumps(settings), theta=self.theta.flat, m=self._adam.m, v=self._adam.v, **self.history)

    @classmethod
    def load(cls, file):
        """The VAE that `save` wrote to `file`; it answers and trains on as if it had never been away.

        >>> import io
        >>> vae, file = VAE(rng=3), io.BytesIO()
        >>> vae.save(file)
        >>> place = file.seek(0)
        >>> bool(np.all(VAE.load(file).theta.flat == vae.theta.flat))
        True
        """
        with _opened(file, "rb") as source:
            try:
                stored = dict(np.load(source, allow_pickle=False))
            except (ValueError, TypeError, EOFError):
                stored = {}
        if "vae" not in stored:
            checks.fail("VAE.load", "file", str(file), "a file that VAE.save has written", "Train a VAE and save it.")
        settings = json.loads(str(stored["vae"]))
        steps = settings.pop("steps")
        vae = cls(**settings)
        vae.theta.flat[:], vae._adam.m[:], vae._adam.v[:], vae._adam.t = stored["theta"], stored["m"], stored["v"], steps
        vae.history = {name: stored[name].tolist() for name in vae.history}
        return vae


def _opened(file, mode):
    return open(file, mode) if isinstance(file, (str, Path)) else nullcontext(file)
