"""What a page's Python remembers and tells (`book/_assets/run/session.py`), without a browser: in a process of its own,
since it changes the package's claims, and with a stand-in for the one function of Pyodide that it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BEFORE = f"""
import ast, asyncio, contextlib, json, sys, types
sys.path[:0] = {[str(ROOT / "book" / "_assets" / "run"), str(ROOT / "book" / "_ext"), str(ROOT)]!r}
sys.dont_write_bytecode = True

async def eval_code_async(code, globals, filename):
    steps = ast.parse(code, filename).body
    last = steps.pop() if steps and isinstance(steps[-1], ast.Expr) else None
    exec(compile(ast.Module(steps, []), filename, "exec"), globals)
    return eval(compile(ast.Expression(last.value), filename, "eval"), globals) if last else None

sys.modules["pyodide"] = types.ModuleType("pyodide")
sys.modules["pyodide.code"] = types.ModuleType("pyodide.code")
sys.modules["pyodide.code"].eval_code_async = eval_code_async
import harness, pathlib, tempfile
harness.__file__ = str(pathlib.Path(tempfile.mkdtemp()) / "harness.py")  # it writes a module beside itself
import session
session.prepare()
found = []
for cell, code, chain in json.loads(sys.argv[1]):
    out = []
    stopped = asyncio.run(session.run(cell, cell, code, chain, lambda *told: out.append(told)))
    found.append([json.loads(stopped), out])
print(json.dumps(found))
"""


CLAIM = "claims.equal('x', 1.0, 2.0)"
NONE = """class A:
    def _repr_html_(self):
        return None
    def __repr__(self):
        return 'an A'
"""
CELLS = [  # (cell, code, cells above)
    ("made", "x = 1", []),
    ("deletes", "del x\ny = 2", ["made"]),
    ("after", "x", ["made", "deletes"]),
    ("without", "x + y", ["made"]),
    ("deletes", "x", ["made"]),  # edited: it deletes no more
    ("after again", "x", ["made", "deletes"]),
    ("assertion", "def f():\n    assert 1 == 2\nf()", []),
    ("long", "'x' * 10**6", []),
    ("many", f"from companion.lesson import claims\nfor i in range(999):\n    display(i)\n{CLAIM}", []),
    ("long error", "raise ValueError('x' * 10**6)", []),
    ("no html", f"{NONE}A()", []),
    ("a class", f"{NONE}A", []),
    ("patches", "import builtins\nimport numpy as np\nnp.log = np.exp\ndel builtins.oct", []),
    ("sees", "float(np.log(0.0)), 'oct' in vars(builtins)", ["patches"]),
    ("mends", "np.log = np._core.umath.log", ["patches"]),
    ("sees it mended", "float(np.log(1.0)), 'oct' in vars(builtins)", ["patches", "mends"]),
    ("patches", "import builtins\nimport numpy as np", []),  # edited: it leaves NumPy alone
    ("sees no more", "float(np.log(1.0)), 'oct' in vars(builtins)", ["patches"]),
    ("asks", "input('name? ')", []),
]


@pytest.fixture(scope="module")
def ran():
    """Of each cell what stopped it, and its outputs."""
    command = [sys.executable, "-c", BEFORE, json.dumps(CELLS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {cell: found for (cell, *_), found in zip(CELLS, json.loads(done.stdout.splitlines()[-1]))}


@pytest.mark.slow
def test_names_of_cells_above_and_no_others(ran):
    assert ran["after"][0]["missing"] == "x"
    assert ran["without"][0]["missing"] == "y"
    assert ran["after again"] == [None, [["text", "1"]]]


def test_modules_are_what_cells_above_made_of_them(ran):
    assert ran["sees"][1] == [["text", "(1.0, False)"]]
    assert ran["sees it mended"][1] == [["text", "(0.0, False)"]]
    assert ran["sees no more"][1] == [["text", "(0.0, True)"]]


def test_an_assertion_without_words_says_its_line(ran):
    stopped, _ = ran["assertion"]
    assert (stopped["kind"], stopped["message"]) == ("AssertionError", "line 2: assert 1 == 2")


def test_a_flood_of_output_does_not_reach_the_page(ran):
    assert sum(len(text) for _, text in ran["long"][1]) < 11_000
    many = ran["many"][1]
    assert len(many) < 210 and many[-2][1].strip() == "… the rest is not shown"
    assert many[-1][0] == "broken"  # what matters comes through
    stopped, _ = ran["long error"]
    assert len(stopped["message"]) + len(stopped["trace"]) < 22_000


def test_what_has_no_html_is_text_and_nobody_is_asked(ran):
    assert ran["no html"] == [None, [["text", "an A"]]]
    assert ran["a class"][1][0][0] == "text"
    assert "input() cannot ask here" in ran["asks"][0]["message"]
