r"""A variational autoencoder of counts, and the trained ones of the chapter *A VAE on digits*.

Two small networks with gradients by hand. `companion.hidden.count_model` has what needs no training,
`companion.hidden.vae_files` the format of saved models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from companion import checks, stored_files
from companion.hidden import vae_files
from companion.hidden.count_model import CountModel
from companion.hidden.linear_training import _one_of, _weight
from companion.hidden.linear_vae import LOG_2PI
from companion.network import Adam, Workspace, _flag, _size, batches


class _Buffers(NamedTuple):
    """The arrays of one pass over a batch."""

    encoder: Workspace
    decoder: Workspace
    scratch: np.ndarray


class VAE(CountModel):
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

    with one :math:`z = m + \tau\odot\varepsilon`, :math:`\varepsilon\sim\mathcal N(0, I)`, an image and epoch. The
    binomial coefficients are part of D: :math:`p_\theta(x)` is a probability, and :math:`-D - R` is its evidence lower
    bound in nats.

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
        ``objective``, ``elbo``, ``distortion`` and ``rate`` of each epoch, averaged over images while the weights
        moved.
    made : dict
        What the file that it was loaded from says of how it was made; else empty.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, β is negative, or an option is unknown.

    References
    ----------
    Kingma and Welling (2014); Rezende, Mohamed and Wierstra (2014); Higgins et al. (2017) for β.

    Examples
    --------
    >>> from companion.lesson.datasets import digits
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
    def __init__(
        self,
        pixels: int = 64,
        hidden: int = 64,
        latent: int = 2,
        trials: int = 16,
        beta: float = 1.0,
        latent_term: str = "kl",
        dtype: DTypeLike = "float64",
        rng: np.random.Generator | int = 0,
    ):
        self.beta, self.latent_term = _weight("VAE", beta), _one_of("VAE", latent_term, ("kl", "sampled", "nll"))
        super().__init__(pixels, hidden, latent, trials, dtype, rng)
        self._adam = Adam(self.theta.flat.size, dtype)
        self.history: dict[str, list[float]] = {name: [] for name in ("objective", "elbo", "distortion", "rate")}
        self.made: dict[str, Any] = {}

    # --- the objective and its gradient
    def _forward_and_backward(self, g, noise, work):
        """Write the gradient per image, for images g = 2x/N − 1 and noise ε. Return D without the binomial
        coefficients, R, and the term that β multiplies, each summed over images."""
        n, k, N = len(g), self.latent, self.trials
        # encode: z = m + τ ε
        code = self._encoder._forward(g, work.encoder)
        m, log_tau = code[:, :k].copy(), code[:, k:].copy()
        tau = np.exp(log_tau)
        away = tau * noise
        z = m + away
        # decode: half the log-odds h, p = (1 + t)/2 with t = tanh h
        h, t = self._decoder._forward(z, work.decoder), work.decoder.d[-1]
        h *= 0.5
        np.tanh(h, out=t)
        # D = −Σ x log p + (N − x) log(1 − p) = N Σ log(2 cosh h) − g h, and log(2 cosh h) = |h| + log 2 − log(1 + |t|)
        linear, s = float(np.vdot(g, h)), work.scratch
        np.abs(t, out=s)
        np.log1p(s, out=s)
        np.abs(h, out=h)
        h -= s
        distortion = N * (float(h.sum()) + g.size * math.log(2) - linear)
        # its derivative by the log-odds is N p − x, a residual: what the decoder expects less what it sees
        t -= g
        t *= N / (2 * n)
        dz = self._decoder._backward(z, work.decoder, t, inputs=True)
        # the latent term, with its derivatives by m and log τ
        excess = np.expm1(
            2 * log_tau
        )  # τ² − 1; the rate as `_kl_to_prior` has it, at a tenth of the time: of a sum over
        # a batch only the leading digits are wanted
        rate = 0.5 * (float(np.vdot(m, m)) + float(excess.sum())) - float(log_tau.sum())
        if self.latent_term == "kl":
            term, by_m, by_log_tau = rate, m, excess
        elif self.latent_term == "nll":  # the rate and the entropy of the encoder
            term = rate + float(log_tau.sum()) + 0.5 * z.size * (1 + float(LOG_2PI))
            by_m, by_log_tau = m, tau * tau
        else:  # sampled: log q(z|x) − log p(z) = −log τ − ε²/2 + z²/2
            term, by_m, by_log_tau = (
                0.5 * float(np.vdot(z, z) - np.vdot(noise, noise)) - float(log_tau.sum()),
                z,
                z * away - 1,
            )
        weight, d = self.beta / n, work.encoder.d[-1]
        d[:, :k] = dz + weight * by_m
        d[:, k:] = dz * away + weight * by_log_tau
        self._encoder._backward(g, work.encoder, d)
        return distortion, rate, term

    def value_and_gradient(self, x: ArrayLike, noise: ArrayLike) -> tuple[float, np.ndarray]:
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
            checks.fail(
                "VAE.value_and_gradient",
                "shape of noise",
                noise.shape,
                f"{(len(x), self.latent)}",
                "One row for each image.",
            )
        distortion, _, term = self._forward_and_backward(
            self._scaled(x), noise.astype(self.dtype), self._buffers(len(x))
        )
        value = float((distortion - self._log_coefficient(x).sum() + self.beta * term) / len(x))
        checks.scalar("VAE.value_and_gradient", "objective", value, "The weights have diverged: start again.")
        return value, self._gradient.flat.astype(float)

    def _buffers(self, n):
        return _Buffers(self._encoder.workspace(n), self._decoder.workspace(n), np.empty((n, self.pixels), self.dtype))

    # --- training
    def fit(
        self,
        x: ArrayLike,
        epochs: int,
        rng: np.random.Generator | int,
        learning_rate: ArrayLike = 0.01,
        batch: int = 128,
        progress: bool = False,
        only: str | None = None,
    ) -> VAE:
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
            Print a line about ten times in the course of the training, worth it where it takes longer than some
            seconds: an epoch of the 1,797 digits takes about a hundredth of a second.
        only : {"encoder", "decoder"}, optional
            The network to train, while the other one is held.

        Returns
        -------
        VAE
            Itself.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or the objective is not finite: then the message names epoch and step, and the
            step is not taken.
        """
        x, rng = self._images("fit", x), checks.generator("VAE.fit", rng)
        epochs, batch = (
            _size("VAE.fit", name, value, "Pass e.g. epochs=200, batch=128.")
            for name, value in (("epochs", epochs), ("batch", batch))
        )
        _flag("VAE.fit", "progress", progress)
        held = self._held(only)
        rates = checks.positive("VAE.fit", "learning_rate", learning_rate, "Pass one for Adam, e.g. 0.01.")
        if rates.shape not in ((), (epochs,)):
            checks.fail(
                "VAE.fit",
                "shape of learning_rate",
                rates.shape,
                f"() or {(epochs,)}",
                "Pass one, or one for each epoch.",
            )
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
                        checks.fail(
                            "VAE.fit",
                            f"objective in epoch {epoch}, step {step}",
                            sum(parts),
                            "a finite number",
                            "Start again with a smaller learning_rate: the weights have diverged.",
                        )
                    self._gradient.flat[held] = 0.0
                    before_step = self.theta.flat[held].copy()  # Adam's running means go on moving what has no slope
                    self._adam.step(self.theta.flat, self._gradient.flat, learning_rate)
                    self.theta.flat[held] = before_step
                    D, R, term = D + parts[0], R + parts[1], term + parts[2]
                D, R, term = float(D / len(g)), R / len(g), term / len(g)
                for name, value in (
                    ("objective", D + self.beta * term),
                    ("elbo", -D - R),
                    ("distortion", D),
                    ("rate", R),
                ):
                    self.history[name].append(value)
                if progress and (epoch - before) % max(1, epochs // 10) == 0:
                    print(
                        f"epoch {epoch}: ELBO {-D - R:.2f}, distortion {D:.2f}, rate {R:.2f} nats an image", flush=True
                    )
        return self

    def _held(self, only):
        """Places in ``theta.flat`` of the network that is not trained; none by default."""
        if only is not None and (not isinstance(only, str) or only not in ("encoder", "decoder")):
            checks.fail("VAE.fit", "only", only, '"encoder", "decoder" or None', "Leave it out to train both.")
        first = sum(self.theta[name].size for name in self.theta if name.startswith("encoder."))
        both = self.theta.flat.size
        return slice(*{None: (0, 0), "decoder": (0, first), "encoder": (first, both)}[only])

    # --- files
    def save(self, file: stored_files.File, made: Mapping | None = None, compact: bool = False) -> None:
        """Write weights, settings, history and the state of Adam to `file`, a path or a binary file.

        Parameters
        ----------
        file : path or binary file
            Its format is told in `companion.stored_files`: numpy arrays, no code.
        made : dict, optional
            How the model was made, in what JSON can hold, for whoever loads it; versions are added.
        compact : bool
            Only weights and history, and these in single precision: about a sixth of the size. What is loaded computes
            in its own precision from the rounded weights, and trains on with a new Adam.
        """
        vae_files.write(self, file, made, compact)

    @classmethod
    def load(cls, file: stored_files.File) -> VAE:
        """The VAE that `save` wrote to `file`; unless it is compact, it trains on as if it had never been away.

        Raises
        ------
        ValueError
            If the file is not whole, or holds anything but what `save` writes: the message names file and fault.

        >>> import io
        >>> vae, file = VAE(rng=3), io.BytesIO()
        >>> vae.save(file)
        >>> place = file.seek(0)
        >>> bool(np.all(VAE.load(file).theta.flat == vae.theta.flat))
        True
        """
        return vae_files.read(cls, file)


def stored(name: str) -> VAE:
    """A trained VAE of the chapter, by its name: a result of ``make models``, which trains all of them again.

    Its weights are in single precision, its figures therefore the same on every machine; ``made`` tells seeds, epochs
    and versions.

    >>> model = stored("digits-480")
    >>> model.made["network"], len(model.history["elbo"])
    ({'rng': 0}, 480)
    """
    folder = resources.files("companion.lesson").joinpath("data", "models")
    names = sorted(file.name.removesuffix(".npz") for file in folder.iterdir())
    if not isinstance(name, str) or name not in names:
        checks.fail("stored", "name", name, f"one of {', '.join(names)}", "make models trains them.")
    with folder.joinpath(f"{name}.npz").open("rb") as file:
        return VAE.load(file)
