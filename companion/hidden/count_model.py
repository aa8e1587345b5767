r"""A model of counts with two small networks: from code to picture and back, without training.

`CountModel` holds the weights and evaluates: encoder, decoder, likelihood, draws and bounds. `companion.digits` adds
the objective, its gradient and training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.special import expit, gammaln

from companion import checks
from companion.families import MultivariateNormal
from companion.hidden.linear_vae import _kl_to_prior
from companion.network import Network, Parameters, _dtype_name, _size
from companion.special.products import dot


class CountModel:
    r"""Encoder and decoder of a VAE of counts; see `companion.digits.VAE`, which trains it.

    Parameters
    ----------
    pixels, hidden, latent, trials, dtype, rng
        As for `companion.digits.VAE`.

    Examples
    --------
    >>> model = CountModel(pixels=3, hidden=2, latent=1, trials=1)
    >>> mean, tau = model.encode([[0, 1, 1]])
    >>> mean.shape, model.decode(mean).shape
    ((1, 1), (1, 3))
    """

    # --- sizes and weights
    def __init__(
        self,
        pixels: int = 64,
        hidden: int = 64,
        latent: int = 2,
        trials: int = 16,
        dtype: DTypeLike = "float64",
        rng: np.random.Generator | int = 0,
    ):
        given = {"pixels": pixels, "hidden": hidden, "latent": latent, "trials": trials}
        fix = "The digits have pixels=64 and trials=16."
        self.pixels, self.hidden, self.latent, self.trials = (_size("VAE", *pair, fix) for pair in given.items())
        if _dtype_name(dtype) not in ("float64", "float32"):
            checks.fail("VAE", "dtype", dtype, '"float64" or "float32"', 'Pass "float32" for speed.')
        self.dtype = np.dtype(_dtype_name(dtype))
        rng = checks.generator("VAE", rng)
        layers = _layers(self.pixels, self.hidden, self.latent)
        shapes = {name: shape for part, sizes in layers.items() for name, shape in Network.shapes(sizes, part).items()}
        self.theta, self._gradient = Parameters(shapes, dtype), Parameters(shapes, dtype)
        self._encoder, self._decoder = (
            Network(sizes, self.theta, self._gradient, part) for part, sizes in layers.items()
        )
        self._encoder.draw(rng)
        self._decoder.draw(rng)

    def _images(self, method, x):
        where, fix = f"VAE.{method}", f"Pass images as counts from 0 to {self.trials}, shape (n, {self.pixels})."
        x = checks.parameter(where, "x", x, fix)
        if x.ndim != 2 or x.shape[1] != self.pixels:
            checks.fail(where, "shape of x", x.shape, f"(n, {self.pixels})", fix)
        checks.require(
            where,
            "x",
            x,
            (x >= 0) & (x <= self.trials) & (x == np.floor(x)),
            f"a whole number from 0 to {self.trials}",
            fix,
        )
        return x

    def _scaled(self, x):
        return (x / (0.5 * self.trials) - 1).astype(self.dtype)

    def _log_coefficient(self, x):
        N, j = self.trials, np.arange(self.trials + 1)
        return (gammaln(N + 1) - gammaln(j + 1) - gammaln(N - j + 1))[x.astype(int)].sum(axis=-1)

    # --- encoder, decoder, model
    def encode(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Mean m and standard deviation τ of q(z|x), each (n, latent), of images `x` (n, pixels)."""
        mean, log_tau = self._code("encode", x)
        return mean, np.exp(log_tau)

    def _code(self, method, x):
        """Mean and log τ of q(z|x), which must be finite."""
        code = self._through(self._encoder, self._scaled(self._images(method, x)))
        fix = "The weights of the encoder have diverged: train it again."
        with np.errstate(over="ignore", under="ignore"):
            tau = np.exp(code[:, self.latent :])
        checks.positive(f"VAE.{method}", "tau", tau, fix)
        return checks.finite(f"VAE.{method}", "mean code", code[:, : self.latent], fix), code[:, self.latent :]

    def encoder(self, x: ArrayLike) -> MultivariateNormal:
        """q(z|x) for images `x` (n, pixels): a batch of n `MultivariateNormal`, as `companion.latent` takes it."""
        mean, tau = self.encode(x)
        return MultivariateNormal.from_cholesky(mean, tau[:, :, None] * np.eye(self.latent))

    def decode(self, z: ArrayLike) -> np.ndarray:
        """Probabilities p(z) of one trial, (..., pixels), for codes `z` (..., latent)."""
        return expit(self._log_odds(self._codes("decode", z)))

    def log_likelihood(self, x: ArrayLike, z: ArrayLike) -> np.ndarray:
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
        >>> model, every = CountModel(pixels=2, hidden=3, latent=1, trials=1), [[0, 0], [0, 1], [1, 0], [1, 1]]
        >>> log_p_x, error, method = evidence_on_grid(partial(model.log_likelihood, every), k=1, spacing=0.1)
        >>> round(float(np.exp(log_p_x).sum()), 12)
        1.0
        """
        x = self._images("log_likelihood", x)
        z = self._codes("log_likelihood", z)
        if z.ndim != 3 or len(z) not in (1, len(x)):
            checks.fail(
                "VAE.log_likelihood",
                "shape of z",
                z.shape,
                f"({len(x)} or 1, m, {self.latent})",
                "Add axes, e.g. z[None].",
            )
        value = np.repeat(self._log_coefficient(x)[:, None], z.shape[1], axis=1)
        # N log(1 + eˡ) − x l = N log(1 + e^−|l|) + (N/2)|l| − (x − N/2) l
        tilted = x - 0.5 * self.trials
        size = max(1, 200_000 // (len(z) * self.pixels))
        for cut in (slice(start, start + size) for start in range(0, z.shape[1], size)):  # some megabytes at a time
            l = self._log_odds(z[:, cut])
            value[:, cut] += dot(tilted, l[0].T) if len(l) == 1 else (l @ tilted[:, :, None])[..., 0]
            np.abs(l, out=l)
            value[:, cut] -= 0.5 * self.trials * l.sum(axis=-1)
            np.exp(np.negative(l, out=l), out=l)
            l += 1.0  # from 1 to 2 each: a product of 512 is a double, and one logarithm does for all of them
            for start in range(0, self.pixels, 512):
                value[:, cut] -= self.trials * np.log(np.multiply.reduce(l[..., start : start + 512], axis=-1))
        return value

    def sample(self, n: int, rng: np.random.Generator | int) -> np.ndarray:
        """`n` images drawn from the model, (n, pixels): z from the prior, then each pixel from its binomial."""
        n, rng = _size("VAE.sample", "n", n, "Pass how many images to draw."), checks.generator("VAE.sample", rng)
        return rng.binomial(self.trials, self.decode(rng.standard_normal((n, self.latent)))).astype(float)

    def _codes(self, method, z):
        z = checks.finite(f"VAE.{method}", "z", z, f"Pass codes, shape (..., {self.latent}).")
        if z.shape[-1:] != (self.latent,):
            checks.fail(
                f"VAE.{method}",
                "shape of z",
                z.shape,
                f"(..., {self.latent})",
                "The last axis holds the coordinates of a code.",
            )
        return z

    def _log_odds(self, z):
        return self._through(self._decoder, z.reshape(-1, self.latent).astype(self.dtype)).reshape(
            *z.shape[:-1], self.pixels
        )

    def _through(self, network, a):
        return network._forward(a, network.workspace(len(a))).astype(float)

    # --- bounds
    def distortion_and_rate(
        self, x: ArrayLike, rng: np.random.Generator | int, draws: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """D (n,), averaged over `draws` codes an image, and R (n,), in closed form, of images `x` (n, pixels), in
        nats."""
        return self._parts("distortion_and_rate", x, rng, draws)

    def elbo(self, x: ArrayLike, rng: np.random.Generator | int, draws: int = 1) -> np.ndarray:
        """Evidence lower bound −D − R of each image, (n,), in nats: unbiased, from `draws` codes an image."""
        distortion, rate = self._parts("elbo", x, rng, draws)
        return -distortion - rate

    def _parts(self, method, x, rng, draws):
        mean, log_tau = self._code(method, x)
        noise = self._noise(method, len(mean), draws, rng)
        distortion = -self.log_likelihood(x, mean[:, None] + np.exp(log_tau)[:, None] * noise).mean(axis=1)
        return distortion, np.sum(_kl_to_prior(mean, log_tau), axis=1)

    def log_weights(self, x: ArrayLike, draws: int, rng: np.random.Generator | int) -> np.ndarray:
        r"""Logarithms of importance weights, :math:`\log p_\theta(x\mid z) + \log p(z) - \log q(z\mid x)` at `draws`
        codes from q(z|x): (n, draws). Their mean is the evidence lower bound, the log of their mean weight a tighter
        one.

        References
        ----------
        Burda, Grosse and Salakhutdinov (2016).
        """
        mean, log_tau = self._code("log_weights", x)
        noise = self._noise("log_weights", len(mean), draws, rng)
        z = mean[:, None] + np.exp(log_tau)[:, None] * noise
        return self.log_likelihood(x, z) + np.sum(0.5 * noise**2 - 0.5 * z**2 + log_tau[:, None], axis=-1)

    def _noise(self, method, n, draws, rng):
        draws = _size(f"VAE.{method}", "draws", draws, "Pass how many codes to draw for each image, e.g. 10.")
        return checks.generator(f"VAE.{method}", rng).standard_normal((n, draws, self.latent))


def _layers(pixels, hidden, latent):
    """Sizes of the layers of both networks, by the beginning of their names."""
    return {"encoder.": (pixels, hidden, 2 * latent), "decoder.": (latent, hidden, pixels)}
