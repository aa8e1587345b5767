"""What holds for every test, those in notebooks and docstrings too: its environment, its marks and its order.

not slow and not browser and not notebook      what `make test-fast` runs
browser                                        opens a page in Chromium
notebook                                       a cell of a chapter, run and compared with its stored outputs
slow                                           takes more than a second or two, or needs the built book
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
# Threads that wait for each other slow small matrices down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Kernels import the package of this checkout, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))

BUILT = {"build", "site", "address", "pages"}  # fixtures that need the whole book


def marks_of(item) -> set[str]:
    """Marks that follow from what a test is and asks for."""
    if item.nodeid.split("::")[0].endswith(".ipynb"):
        return {"notebook"}
    asked = set(getattr(item, "fixturenames", ()))
    return {"browser"} & asked | ({"slow"} if BUILT & asked else set())


def place_of(item) -> int:
    """The build of the book first, then what takes longest, so that parallel workers end together."""
    asked = set(getattr(item, "fixturenames", ()))
    if item.get_closest_marker("notebook"):
        return 2
    return (0 if "build" in asked and "browser" not in asked else 1) if asked & (BUILT | {"browser"}) else 3


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(config, items):
    for item in items:
        for mark in marks_of(item):
            item.add_marker(mark)
        if item.get_closest_marker("notebook"):
            # the cells of a notebook stay together, in their order
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=place_of)
