"""Change the package in many places and list the changes that no test notices.

    python tools/mutants.py                                  all modules of the table (make mutants)
    python tools/mutants.py companion/special/remainders.py          one of them

Each module is changed in a copy of the checkout, below `_build/mutants`, and tested by what TESTS names. A run that
was cut off goes on where it was; what has changed since is done again. Every survivor must be in
`tests/mutants.md`, by its function and its change, with the reason why it is equivalent: exit status 1 if one is not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "_build" / "mutants"
EQUIVALENT = ROOT / "tests" / "mutants.md"
# The tests of each module: those that are about it, not all that pass through it, so that a change takes a second.
TESTS = {
    "companion/special/remainders.py": ["tests/test_remainders.py"],
    "companion/checks.py": ["tests/test_checks.py"],
    "companion/families/normal.py": [
        "tests/test_normal.py",
        "tests/test_families.py",
        "tests/test_statistics.py",
        "-k",
        "Normal and not LogNormal and not Multivariate or test_normal",
    ],
}
SETTINGS = """[tool.mutmut]
source_paths = ["companion"]
only_mutate = ["{module}"]
also_copy = ["conftest.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-q", "-x", "-p", "no:cacheprovider"]

[tool.pytest.ini_options]
markers = ["slow", "site", "browser", "notebook"]
"""


def prepare(module: str) -> Path:
    """A copy of package and tests with the settings for one module; what mutmut noted before stays."""
    folder = WORK / module.removeprefix("companion/").removesuffix(".py").replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("companion", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", folder)
    tests = [test for test in TESTS[module] if not test.startswith("tests/") or (ROOT / test).exists()]
    (folder / "pyproject.toml").write_text(
        SETTINGS.format(module=module, tests=str(tests).replace("'", '"')), encoding="utf-8"
    )
    return folder


def mutmut(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "mutants")}
    command = [sys.executable, "-m", "mutmut", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if run.returncode and arguments[0] != "run":
        sys.exit(run.stdout + run.stderr)
    return run.stdout + (run.stderr if arguments[0] == "run" else "")


def change(folder: Path, name: str) -> str:
    """What a mutant changes, as one line without its number: ``function: - old + new``."""
    lines = mutmut(folder, "show", name).splitlines()
    kept = [line for line in lines if re.match(r"[-+](?![-+])", line)]
    function = re.sub(r"^companion\.|__mutmut_\d+$", "", name).replace("ǁ", ".").replace("x_", "", 1)
    return f"{function}: " + " ".join(f"{line[0]} {line[1:].strip()}" for line in kept)


def known() -> set[str]:
    """Changes that `tests/mutants.md` explains: the code spans at the beginning of its items."""
    return set(re.findall(r"^- ``(.+?)``", EQUIVALENT.read_text(encoding="utf-8"), re.M))


def main(modules: list[str]) -> int:
    unknown = [module for module in modules if module not in TESTS]
    if unknown:
        sys.exit(f"no tests are named for {', '.join(unknown)}; there are: {', '.join(TESTS)}")
    explained, open_ones = known(), 0
    for module in modules or TESTS:
        folder = prepare(module)
        messages = mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1))
        states = dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", mutmut(folder, "results", "--all", "true"), re.M))
        if not states:
            sys.exit(f"{module}: mutmut made nothing:\n{messages[-3000:]}")
        counts = Counter(states.values())
        survivors = [change(folder, name) for name, state in states.items() if state not in ("killed", "timeout")]
        missed = [survivor for survivor in survivors if survivor not in explained]
        killed = len(states) - len(survivors)
        score = 100 * killed / max(1, len(states) - len(survivors) + len(missed))
        print(f"{module}: {len(states)} changes, {dict(counts)}; score {score:.1f} % without the equivalent ones")
        print(*(f"- ``{survivor}``" for survivor in missed), sep="\n", flush=True)
        open_ones += len(missed)
    return bool(open_ones)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
