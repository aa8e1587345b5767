"""What holds for every test, those in notebooks and docstrings too: its environment, its marks and its order.

The marks `notebook`, `browser` and `site` follow from what a test is and asks for; `slow` is written at the test.
`make test-fast` runs what has none of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent
# Threads that wait for each other slow small matrices down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Kernels import the package of this checkout, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

BUILT = {"build", "site", "address", "pages"}  # fixtures that need the whole book


def marks_of(item: pytest.Item) -> set[str]:
    if item.nodeid.split("::")[0].endswith(".ipynb"):
        return {"notebook"}
    asked = {*getattr(item, "fixturenames", ()), *(mark.name for mark in item.iter_markers("browser"))}
    return ({"browser"} & asked) | ({"site"} if BUILT & asked else set())


def turn_of(item: pytest.Item) -> int:
    """The build of the book first; meanwhile the chapters under Node, then what needs a browser and no book; what is
    short comes last, so that parallel workers end together."""
    marks, file = marks_of(item), item.nodeid.split("::")[0]
    if file in ("tests/test_site.py", "tests/test_wasm.py"):
        return 0 if "site" in file else 1
    if "browser" in marks:
        return 3 if "site" in marks else 2
    if "notebook" in marks:
        return 4
    return 7 if "site" in marks else 5 if file == "tests/test_notebooks.py" else 6


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in marks_of(item):
            item.add_marker(mark)
        if "notebook" in marks_of(item):  # a drawing may differ in its last digit, as pixels may
            notebook: Any = item.parent
            notebook.skip_compare += ("image/svg+xml",) * ("image/svg+xml" not in notebook.skip_compare)
    items.sort(key=turn_of)
