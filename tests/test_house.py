"""How the package is laid out: imports point one way, and no module has grown too long to be read at a sitting."""

from __future__ import annotations

import ast

import pytest

from conftest import ROOT

PACKAGE = ROOT / "companion"
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in PACKAGE.rglob("*.py"))
#: From the ground up; a module imports from lower floors, and from its own room.
FLOORS = [
    {"checks"},
    {"special"},
    {"integrals"},
    {"families"},
    {"measures", "network", "stored_files", "lesson"},
    {"closest", "coding", "comparisons", "estimators", "glm", "fitting", "hidden"},
    {"scaling"},
]
#: Who uses a chapter's module besides its chapter: one that offers its functions as well, the fit of any model, and EM
#: of data in chunks.
SHARED = {("vae", "digits"), ("fitting", "em"), ("scaling", "em"), ("scale", "em")}


def floor(room):
    """Chapter modules are on the top floor."""
    return next((level for level, rooms in enumerate(FLOORS) if room in rooms), len(FLOORS))


def room(module):
    """The part of a dotted name that decides: `families` of ``companion.families.normal``."""
    return module.split(".")[1]


def imported(path):
    """Modules of the package that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "companion":
            if node.module == "companion":
                yield from (f"companion.{name.name}" for name in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("companion."))


@pytest.mark.parametrize("module", [name for name in MODULES if name != "companion/__init__"])
def test_imports_point_one_way(module):
    mine = room(module.replace("/", "."))
    for other in imported(ROOT / f"{module}.py"):
        theirs = room(other)
        allowed = theirs == mine or floor(theirs) < floor(mine) or (mine, theirs) in SHARED
        assert allowed, f"{module} imports {other}: move what both need to where both see it"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_too_long(module):
    lines = len((ROOT / f"{module}.py").read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{module} has {lines} lines: move what belongs elsewhere"
