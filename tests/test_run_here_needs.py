"""What a check runs of the cells above it (`book/_assets/run/needs.py`): as few as it needs, and none too few."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "book" / "_assets" / "run"), str(ROOT / "book" / "_ext")]
from needs import needed  # noqa: E402
from stubs import cells  # noqa: E402

IMPORTS = "import numpy as np\nfrom math import log\nx = 1.0"
CASES = {
    "imports alone": ([IMPORTS, "y = np.exp(x)", "print(y)"], "def f(a):\n    return log(a)", "f(2)", [0]),
    "values, step by step": ([IMPORTS, "y = x + 1", "z = 3", "w = y"], "def f():\n    return w", "f()", [0, 1, 3]),
    "a list that grows": (["a = []", "a.append(1)", "b = 2"], "", "assert a == [1]", [0, 1]),
    "by another name": (["a = []", "b = [a]", "b[0].append(1)", "c = 2"], "", "assert a == [1]", [0, 1, 2]),
    "in a function": (["a = []", "def grow():\n    a.append(1)", "grow()", "c = 2"], "", "assert a", [0, 1, 2]),
    "by position": (["a = []", "def grow(b):\n    b.append(1)", "grow(a)"], "", "assert a", [0, 1, 2]),
    "draws": (["r = make()", "r.normal()", "b = 2"], "", "assert r.normal() > 0", [0, 1]),
    "looked up when called": (["n = 1", "def f():\n    return n", "n = 2", "m = 3"], "", "assert f() == 2", [0, 1, 2]),
    "bound by the answer": (["kl = 1", "b = kl"], "def kl(p):\n    return kl(p - 1)", "kl(2)", []),
    "bound only perhaps": (["kl = 1", "b = kl"], "if b > 0:\n    kl = 2", "kl", [0, 1]),
    "read before it is bound": (["a = 1", "b = 2"], "", "c = a\na = c", [0]),
    "a default and a decorator": (
        ["d = 1", "def e(f): return f", "g = 0"],
        "@e\ndef f(a=d):\n    return a",
        "f()",
        [0, 1],
    ),
    "in a comprehension": (["p = 1", "q = 2"], "", "[p for p in range(3)]", []),
    "a builtin made anew": (["b = 1", "def sum(a):\n    return b", "c = 2"], "", "sum([1])", [0, 1]),
    "attributes of a function": (["def f(): pass", "f.a = 1", "b = 1"], "", "f.a", [0, 1]),
    "attributes of a module": (["import numpy as np", "np.log = abs", "b = 1"], "", "np.log(1)", [0, 1]),
    "an answer that is no Python": (["a = 1"], "def f(", "f()", None),
    "everything by a star": (["from numpy import *", "b = 1"], "", "log(2)", None),
    "the state of a module": (["import numpy as np", "np.random.seed(1)"], "", "np.log(1)", None),
    "names behind its back": (["a = 1", "globals()['a'] = 2"], "", "a", None),
    "all that is there": (["a = 1"], "def f():\n    return eval('a')", "f()", None),
}


@pytest.mark.parametrize("case", CASES)
def test_a_check_needs_what_can_touch_its_names(case):
    above, answer, check, expected = CASES[case]
    assert needed(above, [answer, check]) == expected


CHAPTERS = sorted(path.stem for path in (ROOT / "book").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_printed_solutions_pass_after_few_cells(chapter, monkeypatch):
    """Each in a namespace that has run nothing else."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    found = cells(ROOT / "book" / f"{chapter}.ipynb")
    for place, cell in enumerate(found):
        if "stub" not in cell or "check" not in found[place + 1]["tags"]:
            continue
        above, own = [each["source"] for each in found[:place]], [cell["source"], found[place + 1]["source"]]
        places = needed(above, own)
        assert places is not None
        if len(places) > 5:  # the others are run by whole pages
            continue
        names = {"__name__": "__main__", "display": print}
        for code in [*(above[index] for index in places), *own]:
            exec(compile(code, cell["id"], "exec"), names)
