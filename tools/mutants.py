"""Change the package in many places and list the changes that no test notices.

    python tools/mutants.py                                         all modules (make mutants; a night)
    python tools/mutants.py companion/special/remainders.py         one of them
    python tools/mutants.py --endings 37 companion/families/*.py    the changes whose number ends in 3 or 7: a fifth

Each module is changed in a copy of the checkout, below `_build/mutants`, and tested by what `tests_of` names: of these,
each change meets the tests that pass through the changed function. A run that was cut off goes on where it was; what
has changed since is done again. Every survivor must be in `tests/mutants.md`, by its function and its change, with the
reason why it is equivalent: exit status 1 if one is not. A change of nothing but the words of a message is counted
apart: tests/test_attack.py holds messages to their form, and nobody's number depends on their words.
"""

from __future__ import annotations

import argparse
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
# The tests of each module: those that are about it, not all that pass through it, so that a change takes seconds.
TABLE = [
    f"tests/test_{name}.py" for name in ("families", "kl_accuracy", "fits", "statistics", "closed_forms", "interface")
]
TABLE += ["tests/test_bad_input.py"]
LATENT = ["tests/test_latent.py", "tests/test_em.py", "tests/test_vae.py", "tests/test_digits.py"]
TESTS = {
    "companion/checks.py": ["tests/test_bad_input.py", "tests/test_interface.py", "tests/test_likelihood.py"],
    "companion/stored_files.py": ["tests/test_stored_files.py"],
    "companion/measures.py": ["tests/test_closed_forms.py", "tests/test_identity.py", "tests/test_generic_kl.py"],
    "companion/special": ["tests/test_remainders.py", "tests/test_closed_forms.py", "tests/test_fits.py"],
    "companion/integrals": ["tests/test_quadrature.py", "tests/test_generic_kl.py", "tests/test_adversarial.py"],
    "companion/families": TABLE,
    "companion/hidden": [*LATENT, "tests/test_latent_adversarial.py", "tests/test_stored_files.py"],
    "companion/lesson/datasets.py": ["tests/test_datasets.py"],
    "companion/lesson/claims.py": ["tests/test_claims.py"],
    "companion/lesson/plotting.py": ["tests/test_plotting.py"],
    "companion/lesson": ["tests/test_lesson.py"],
}


def tests_of(module: str) -> list[str]:
    """Arguments for pytest: of a chapter's module the tests of its name, of a family what names its class."""
    path, stem = Path(module), Path(module).stem
    own = f"tests/test_{stem}.py"
    tests = TESTS.get(module) or TESTS.get(str(path.parent)) or []
    if (ROOT / own).exists() and own not in tests:
        tests = [own, *tests]
    if not tests:
        sys.exit(f"no tests are named for {module}: add a row to TESTS in tools/mutants.py")
    text = (ROOT / module).read_text(encoding="utf-8")
    family = (
        re.search(r"^class (\w+)\((?:ExponentialFamily|Distribution)\)", text, re.M) if "families" in module else None
    )
    return [*tests, "-m", "not slow", *(["-k", family[1]] if family else [])]


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
    (folder / "mutants").mkdir(parents=True, exist_ok=True)  # it must be there when Python looks at its path
    for name in ("companion", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pyproject.toml").write_text(
        SETTINGS.format(module=module, tests=str(tests_of(module)).replace("'", '"')), encoding="utf-8"
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


def is_message(survivor: str) -> bool:
    """Whether a change touches nothing but words in quotes, or puts None in their place."""
    removed, _, added = survivor.partition(": - ")[2].partition(" + ")
    blank = [re.sub(r"""[rf]*(["'])(?:(?!\1).)*\1|\bNone\b""", "''", side) for side in (removed, added)]
    return blank[0] == blank[1] and '"' in removed


def main(modules: list[str], endings: str) -> int:
    explained, open_ones = known(), 0
    for module in modules or sorted(str(path.relative_to(ROOT)) for path in (ROOT / "companion").rglob("[a-z]*.py")):
        folder = prepare(module)
        chosen = [f"*__mutmut_*{digit}" for digit in endings]
        messages = mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1), *chosen)
        states = dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", mutmut(folder, "results", "--all", "true"), re.M))
        states = {name: state for name, state in states.items() if state != "not checked"}
        if not states:
            print(f"{module}: mutmut made nothing:\n{messages[-300:]}")
            continue
        counts = Counter(states.values())
        survivors = [change(folder, name) for name, state in states.items() if state not in ("killed", "timeout")]
        words = [survivor for survivor in survivors if is_message(survivor)]
        missed = [survivor for survivor in survivors if survivor not in explained and survivor not in words]
        killed = len(states) - len(survivors)
        score = 100 * killed / max(1, killed + len(missed))
        print(
            f"{module}: {len(states)} changes, {dict(counts)}, {len(words)} survivors in messages; "
            f"score {score:.1f} % without these and the equivalent ones"
        )
        print(*(f"- ``{survivor}``" for survivor in missed), sep="\n", flush=True)
        open_ones += len(missed)
    return bool(open_ones)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--endings", default="", metavar="DIGITS", help="only changes whose number ends in one of these"
    )
    parser.add_argument("modules", nargs="*")
    arguments = parser.parse_args()
    sys.exit(main(arguments.modules, arguments.endings))
