"""Run the notebooks and the unit tests as on other machines: processors, threads, Pythons, versions, places.

    python tools/portable.py                          everything this machine can imitate (make test-portable)
    python tools/portable.py --only sse,threads8      some settings; --list names all
    python tools/portable.py --only sse book          other arguments go to pytest

A setting changes the environment of the interpreter that runs this file, or makes an environment of its own below
`.venv-portable`. What a machine cannot imitate is skipped with its reason. Messages of each run are kept in
`_build/portable`. The exit status is 1 if one setting failed. Not imitated: another operating system, compiler or
maths library; the forge's weekly matrix runs these.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "_build" / "portable"
ENVIRONMENTS = ROOT / ".venv-portable"
TESTS = ["-m", "not browser and not site"]  # what a page looks like does not depend on the processor

# Names that numpy gave its kernels, by generation: a processor switches off all that come after its own.
GENERATIONS = [
    ["AVX", "F16C", "FMA3", "AVX2", "X86_V3"],
    ["AVX512F", "AVX512CD", "AVX512_SKX", "X86_V4"],
    ["AVX512_CLX", "AVX512_CNL", "AVX512_ICL"],
    ["AVX512_SPR"],
]
# name: (core type of OpenBLAS, generations it has, an instruction set it needs)
PROCESSORS = {
    "sse": ("Nehalem", 0, "SSE42"),
    "avx2": ("Haswell", 1, "AVX2"),
    "avx512": ("SkylakeX", 2, "AVX512_SKX"),
    "sapphire": ("SapphireRapids", 4, "AVX512_SPR"),
}
THREADS = (1, 2, 8)
REQUIRED = ("3.11", "3.12", "3.13")  # a newer Python is tried too, and skipped if its packages do not resolve
ZONE = "Pacific/Apia"


class CannotImitate(Exception):
    """A setting that this machine cannot take, and why."""


@dataclass
class Setting:
    what: str
    variables: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    reason: str = ""  # why it is skipped


@cache
def features(python: str) -> tuple[list[str], dict[str, bool]]:
    """Kernels that this numpy chooses between at run time, and the instruction sets of this processor."""
    ask = (
        "import json; from numpy._core import _multiarray_umath as m;"
        "print(json.dumps([m.__cpu_dispatch__, m.__cpu_features__]))"
    )
    return json.loads(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout)


def processor(name: str) -> Setting:
    core, generations, needed = PROCESSORS[name]
    dispatched, found = features(sys.executable)
    # numpy has called AVX512_SKX X86_V4 since 2.4, and so on; the names of instruction sets stayed
    if not (found.get(needed) or found.get({"AVX2": "X86_V3", "AVX512_SKX": "X86_V4"}.get(needed, needed))):
        return Setting(core, reason=f"this processor has no {needed}")
    off = [kernel for later in GENERATIONS[generations:] for kernel in later if kernel in dispatched and found[kernel]]
    variables = {"OPENBLAS_CORETYPE": core} | ({"NPY_DISABLE_CPU_FEATURES": " ".join(off)} if off else {})
    return Setting(f"{core}, numpy without {' '.join(off) or 'nothing'}", variables)


def threads(count: int) -> Setting:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return Setting(f"{count} threads in linear algebra", {name: str(count) for name in names})


def decimal_comma() -> Setting:
    """A locale with a decimal comma where one is installed."""
    answer = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout.split() if has("locale") else []
    comma = [name for name in answer if re.match(r"(de|fr|es|it|nl|pt|da|sv|ru)_\w+\.utf-?8", name, re.IGNORECASE)]
    if not comma:
        return Setting("a locale with a decimal comma", reason="no such locale is installed (locale -a)")
    name = next((name for name in comma if name.startswith("de_DE")), comma[0])
    return Setting(name, {"LC_ALL": name, "LANG": name})


def has(program: str) -> bool:
    return shutil.which(program) is not None


def pythons() -> dict[str, str]:
    """Interpreters by version, oldest first: those on the path, and those pyenv keeps."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*/bin"))
    found = {}
    for folder in folders:
        for path in folder.glob("python3.*"):
            match = re.fullmatch(r"python(3\.(\d+))", path.name)
            if match and int(match[2]) >= 11 and match[1] not in found and answers(path):
                found[match[1]] = str(path)
    return dict(sorted(found.items(), key=lambda item: int(item[0].split(".")[1])))


def answers(python: Path) -> bool:
    """Whether it starts: a stand-in of pyenv may lead nowhere."""
    return subprocess.run([python, "-c", "import venv"], capture_output=True).returncode == 0


def requirements() -> list[str]:
    """All direct requirements with their lower bounds: the book's, the package's, and the tests'."""
    lines = []
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines += (ROOT / name).read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines += project["dependencies"]
    lines = [line.partition("#")[0].strip() for line in lines]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("-")))


def oldest(requirement: str) -> str:
    """The requirement at its lower bound: ``numpy>=2.0`` becomes ``numpy==2.0``."""
    match = re.match(r"([\w.-]+(?:\[[\w,-]+\])?)\s*>=\s*([\w.]+)", requirement)
    if match is None:
        raise ValueError(f"requirement {requirement!r} has no lower bound: write name>=version")
    return "==".join(match.groups())


def environment(name: str, python: str, packages: list[str]) -> str:
    """Make `.venv-portable/name` if it is not there, with these packages and this checkout; its interpreter."""
    folder = ENVIRONMENTS / name
    inside, record = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join([python, *packages])
    if record.exists() and record.read_text(encoding="utf-8") == wanted:
        return str(inside)
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([python, "-m", "venv", str(folder)], [*pip, *packages], [*pip, "--no-deps", "-e", str(ROOT)]):
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise CannotImitate(f"packages do not install: {(run.stderr.strip().splitlines() or ['?'])[-1]}")
    record.write_text(wanted, encoding="utf-8")
    return str(inside)


def settings() -> dict[str, Callable[[], Setting]]:
    """All settings by name; each is a function, since some make an environment first."""
    have = pythons()
    first, last = next(iter(have), "?"), next(reversed(have), "?")
    table: dict[str, Callable[[], Setting]] = {name: partial(processor, name) for name in PROCESSORS}
    table |= {f"threads{count}": partial(threads, count) for count in THREADS}
    table |= {"locale": decimal_comma, "zone": partial(Setting, f"TZ={ZONE}", {"TZ": ZONE})}
    for version in dict.fromkeys([*REQUIRED, *have]):
        what = f"Python {version}, packages as pip chooses"
        table[f"python{version}"] = partial(with_packages, f"python{version}", have.get(version), what, requirements())
    pinned = [oldest(requirement) for requirement in requirements()]
    table["oldest"] = partial(with_packages, "oldest", have.get(first), f"Python {first}, each lower bound", pinned)
    newest = ["--upgrade", "--upgrade-strategy", "eager", *requirements()]
    table["newest"] = partial(with_packages, "newest", have.get(last), f"Python {last}, newest packages", newest)
    return table


def with_packages(name: str, python: str | None, what: str, packages: list[str]) -> Setting:
    if python is None:
        return Setting(what, reason="there is no such interpreter")
    try:
        return Setting(what, python=environment(name, python, packages))
    except CannotImitate as error:
        if name in ("oldest", *(f"python{version}" for version in REQUIRED)):
            raise
        return Setting(what, reason=str(error))


def run(name: str, setting: Setting, arguments: list[str]) -> tuple[bool, str]:
    """Whether pytest passed, and its last line."""
    log = LOGS / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [setting.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    with open(log, "w", encoding="utf-8") as out:
        code = subprocess.run(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=os.environ | setting.variables
        ).returncode
    lines = log.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if code and re.match(r"(FAILED|ERROR) \S", line):  # of the summary; lines of logs have more spaces
            print(f"   {line}", flush=True)
    return code == 0, (lines or ["no output"])[-1].strip("= ")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], epilog="Other arguments go to pytest, for example: book -k residuals"
    )
    parser.add_argument("--only", metavar="NAMES", help="settings, separated by commas")
    parser.add_argument("--list", action="store_true", help="name all settings")
    options, arguments = parser.parse_known_args()
    table = settings()
    names = options.only.split(",") if options.only else list(table)
    unknown = [name for name in names if name not in table]
    if options.list or unknown:
        print(*(f"there is no setting {name}" for name in unknown), "settings: " + " ".join(table), sep="\n")
        return bool(unknown)

    rows, failed = [], False
    for name in names:
        start = time.time()
        try:
            setting = table[name]()
            passed, words = (None, setting.reason) if setting.reason else run(name, setting, arguments or TESTS)
        except CannotImitate as error:
            setting, passed, words = Setting(""), False, str(error)
        failed |= passed is False
        result = {True: "passed", False: "FAILED", None: "skipped"}[passed]
        rows.append((name, result, f"{time.time() - start:.0f} s", setting.what, words))
        print(f"{name}: {result}: {words}", flush=True)
    widths = [max(map(len, column)) for column in zip(*rows)]
    print("", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows), sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
