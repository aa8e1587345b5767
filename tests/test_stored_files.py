"""Files of models: what was saved is what is loaded, byte for byte; every damage and every lie is one error."""

import hashlib
import io
import json
import pickle
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from companion import stored_files
from companion.digits import VAE, stored
from companion.hidden import vae_files
from companion.lesson.datasets import digits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import models  # noqa: E402

FORMAT = r"^VAE\.load: file = '{}'; expected a whole file of this kind, but .+\. Copy it again, or save it anew\.$"


def saved(compact=False):
    file = io.BytesIO()
    vae = VAE(pixels=5, hidden=4, latent=2, trials=3, rng=1).fit(np.ones((9, 5)), 2, rng=2, batch=4)
    vae.save(file, made={"seed": 2}, compact=compact)
    return vae, file.getvalue()


def refusal(data):
    """The message for these bytes as a file, which must be the one error and no other."""
    with pytest.raises(ValueError, match=FORMAT.format("an open BytesIO")) as caught:
        VAE.load(io.BytesIO(data))
    assert caught.type is ValueError and caught.value.__suppress_context__
    return str(caught.value)


def test_nothing_but_the_original_loads():
    """Four hundred random damages: cut, flipped, overwritten, doubled, shuffled."""
    vae, whole = saved()
    rng = np.random.default_rng(0)
    for _ in range(100):
        at, bit = int(rng.integers(len(whole))), 1 << int(rng.integers(8))
        flipped = bytearray(whole)
        flipped[at] ^= bit
        overwritten = bytearray(whole)
        overwritten[at : at + 8] = rng.bytes(8)
        for damaged in (whole[:at], bytes(flipped), bytes(overwritten), whole[at:] + whole[:at] if at else b""):
            if damaged[: len(whole)] == whole:
                np.testing.assert_array_equal(VAE.load(io.BytesIO(damaged)).theta.flat, vae.theta.flat)
            else:
                refusal(damaged)
    refusal(whole + b" ")
    for name in ("theta", "m", "v", "elbo"):
        loaded = VAE.load(io.BytesIO(whole))
        own = {"theta": loaded.theta.flat, "m": loaded._adam.m, "v": loaded._adam.v, "elbo": loaded.history["elbo"]}[
            name
        ]
        kept = {"theta": vae.theta.flat, "m": vae._adam.m, "v": vae._adam.v, "elbo": vae.history["elbo"]}[name]
        np.testing.assert_array_equal(own, kept)
    assert loaded._adam.t == vae._adam.t and loaded.made["seed"] == 2


def sealed(members, **options):
    """An archive of these members, sealed as a file that somebody else may have made."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", **options) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, **({"compress_type": 8} if options else {}))
        archive.comment = bytes(64)
    body = packed.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def npy(array, **options):
    out = io.BytesIO()
    np.save(out, array, **options)
    return out.getvalue()


def lies():
    """Name of the lie, the file, words of the message."""
    _, whole = saved()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    header, _ = stored_files.read("test", io.BytesIO(whole))
    text = lambda facts: npy(np.frombuffer(json.dumps(facts).encode(), np.uint8))
    of = lambda **changed: sealed((members | changed).items())
    with_header = lambda **changed: of(**{"header.npy": text(header | changed)})
    settings = lambda **changed: with_header(settings=header["settings"] | changed)
    theta = np.load(io.BytesIO(members["theta.npy"]))
    array = lambda name, value, **options: of(**{f"{name}.npy": npy(value, **options)})
    nan = np.where(np.arange(theta.size) == 3, np.nan, theta)
    yield "nothing changed", sealed(members.items()), None
    yield "one number", array("theta", theta[:1]), "theta has the shape (1,), not (81,)"
    yield "a matrix", array("theta", theta[None]), "theta has the shape (1, 81)"
    yield "NaN", array("theta", nan), "theta does not hold finite"
    yield "infinity in the moments", array("v", np.full(theta.shape, np.inf)), "v does not hold finite"
    yield "negative squares", array("v", -np.ones(theta.shape)), "negative square"
    yield "moments too short", array("m", theta[1:]), "shape of m = (80,) in place of (81,)"
    yield (
        "single precision",
        array("theta", theta.astype(np.float32)),
        "type of theta = 'float32' in place of 'float64'",
    )
    yield "whole numbers", array("theta", theta.astype(int)), "theta does not hold finite floating-point numbers"
    yield "complex", array("theta", theta + 0j), "theta does not hold finite floating-point numbers"
    yield "the other end first", array("theta", theta.astype(">f8")), "theta.npy is not"
    yield "objects", array("theta", theta.astype(object), allow_pickle=True), "theta.npy is not"
    yield "a pickle", of(**{"theta.npy": pickle.dumps(theta)}), "cannot be read"
    yield "uneven histories", array("rate", np.ones(3)), "shape of"
    yield "an array too many", of(**{"more.npy": npy(theta)}), "names of arrays"
    yield "an array too few", sealed((k, v) for k, v in members.items() if k != "m.npy"), "names of arrays"
    yield "no header", sealed((k, v) for k, v in members.items() if k != "header.npy"), "cannot be read: KeyError"
    yield "two of one name", sealed([*members.items(), ("theta", members["theta.npy"])]), "two members have one name"
    yield (
        "a shape beyond memory",
        of(**{"theta.npy": members["theta.npy"].replace(b"(81,), }" + b" " * 6, b"(81000000,), }")}),
        "theta.npy is not",
    )
    yield "compressed", sealed(members.items(), compression=zipfile.ZIP_DEFLATED), "is compressed"
    yield (
        "a bomb",
        sealed([*members.items(), ("bomb.npy", bytes(10**7))], compression=zipfile.ZIP_DEFLATED),
        "compressed",
    )
    yield "no archive", b"x" * 64 + hashlib.sha256(b"x" * 64).hexdigest().encode(), "cannot be read: BadZipFile"
    yield "steps in words", with_header(steps="a"), "type of steps = 'str' in place of 'int'"
    yield "steps as truth", with_header(steps=True), "type of steps = 'bool' in place of 'int'"
    yield "steps backwards", with_header(steps=-1), "less than no step"
    yield "another schema", with_header(schema=2), "schema = 2 in place of 1"
    yield "of something else", with_header(of="GAN"), "of = 'GAN' in place of 'VAE'"
    yield "a fact too many", with_header(more=1), "entries of the header"
    yield "a list for settings", with_header(settings=[]), "type of settings = 'list' in place of 'dict'"
    yield "a header that is a list", of(**{"header.npy": text([])}), "its header is no JSON object"
    yield "no JSON", of(**{"header.npy": npy(np.frombuffer(b"{", np.uint8))}), "cannot be read: JSONDecodeError"
    yield "compact, it says", with_header(compact=True), "names of arrays"
    yield "no pixels", settings(pixels=0), "pixels = 0; expected a positive integer"
    yield "too many pixels", settings(pixels=10**7), "theta has the shape (81,), not"
    yield "pixels in words", settings(pixels="five"), "pixels = 'five'; expected a positive integer"
    yield "other units", settings(hidden=5), "theta has the shape (81,), not"
    yield "half a trial", settings(trials=2.5), "trials = 2.5; expected a positive integer"
    yield "negative beta", settings(beta=-1.0), "beta = -1.0; expected a number, at least 0"
    yield "beta without value", settings(beta=float("nan")), "beta = nan"
    yield "an unknown term", settings(latent_term="mmd"), "latent_term = 'mmd'"
    yield "whole numbers, it says", settings(dtype="int64"), "dtype = 'int64'"
    yield "a setting too many", settings(rng=0), "names of settings"


LIES = {name: (data, words) for name, data, words in lies()}


@pytest.mark.parametrize("name", LIES)
def test_a_sealed_lie_is_named(name):
    data, words = LIES[name]
    if words is None:
        VAE.load(io.BytesIO(data))
    else:
        assert words in refusal(data)


def test_the_message_names_the_file(tmp_path):
    path = tmp_path / ("long " * 20) / "model.npz"
    path.parent.mkdir()
    for content in (b"", b"no numbers", npy(np.zeros(3))):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=FORMAT.format(path)):
            VAE.load(path)
    np.savez(path, theta=np.zeros(3))
    with pytest.raises(ValueError, match=FORMAT.format(path)):
        VAE.load(str(path))
    with pytest.raises(FileNotFoundError):
        VAE.load(tmp_path / "absent.npz")


def test_the_same_model_gives_the_same_bytes_and_numpy_reads_them():
    vae, whole = saved()
    again = io.BytesIO()
    VAE.load(io.BytesIO(whole)).save(again)
    assert again.getvalue() == whole == saved()[1]
    np.testing.assert_array_equal(np.load(io.BytesIO(whole), allow_pickle=False)["theta"], vae.theta.flat)


def test_compact_files_hold_rounded_weights():
    vae, small = saved(compact=True)
    again = VAE.load(io.BytesIO(small))
    np.testing.assert_array_equal(again.theta.flat, vae.theta.flat.astype(np.float32))
    assert again.dtype == vae.dtype and again._adam.t == 0 and np.allclose(again.history["elbo"], vae.history["elbo"])
    again.fit(np.ones((9, 5)), 1, rng=0)


def test_what_has_diverged_is_not_saved():
    vae, _ = saved()
    for weight, compact in ((np.nan, False), (1e300, True)):
        vae.theta.flat[3] = weight
        with pytest.raises(ValueError, match=r"VAE.save: theta\[3\] = .*; expected a finite number"):
            vae.save(io.BytesIO(), compact=compact)


# --- the models of the chapter
@pytest.mark.parametrize("name", models.recipes())
def test_stored_models_are_what_their_recipes_say(name):
    model, recipe = stored(name), json.loads(json.dumps(models.recipes()[name]))
    assert {key: model.made[key] for key in ("network", "training")} == recipe
    assert model.made["images"] == models.digest(models.training_images()) and model.made["versions"]["numpy"]
    assert len(model.history["elbo"]) == sum(call["epochs"] for call in recipe["training"])
    fresh = VAE(**recipe["network"])
    assert all(getattr(fresh, key) == getattr(model, key) for key in (*vae_files.SETTINGS, "dtype"))
    x = models.training_images()[:200]
    assert abs(model.elbo(x, rng=0, draws=4).mean() - model.history["elbo"][-1]) < 8


def test_a_model_can_be_made_again():
    """Runs of different processors part slowly: after five epochs they agree to far more digits than a file holds."""
    model = models.train(models.recipes()["digits-5"], models.training_images())
    np.testing.assert_allclose(stored("digits-5").theta.flat, model.theta.flat, rtol=2e-7, atol=1e-8)


def test_the_package_carries_its_models():
    files = sorted(models.FOLDER.iterdir())
    assert [file.stem for file in files] == sorted(models.recipes())
    assert sum(file.stat().st_size for file in files) < 1.5e6
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "data/models/*.npz" in setuptools["package-data"]["companion.lesson"]
    with pytest.raises(ValueError, match=r"stored: name = 'digits-7'; expected one of beta-0\.5, "):
        stored("digits-7")
    assert len(digits().images) == 1797
