"""`tools/new_family.py` begins a family that imports, is in the table, and says what it still lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import new_family


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "companion", root / "companion", ignore=shutil.ignore_patterns("__pycache__", "data"))
    new_family.begin("OneThing", ["mean"], root)
    new_family.begin("SkewedThing", ["shape", "rate"], root)
    return root


def run(root, code):
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_it_imports_and_is_in_the_table(copy):
    done = run(
        copy, "from companion.families import FAMILIES, SkewedThing as s; print(list(FAMILIES)[-1], s(1, [2, 3]))"
    )
    assert done.stdout == "SkewedThing SkewedThing(shape=[1.0, 1.0], rate=[2.0, 3.0])\n", done.stderr


@pytest.mark.slow
def test_parameters_make_a_batch_and_hide_no_method(copy):
    done = run(copy, "from companion.families import SkewedThing; print(SkewedThing([1, 4], [[2], [3]])[1, 0])")
    assert done.stdout == "SkewedThing(shape=1.0, rate=3.0)\n", done.stderr
    done = run(copy, "from companion.families import OneThing; print(OneThing([1, 2])[1]); OneThing(1).mean()")
    assert done.stdout == "OneThing(mean=2.0)\n" and "NotImplementedError: E[x]" in done.stderr


@pytest.mark.slow
def test_what_is_missing_is_said(copy):
    done = run(copy, "from companion.families import SkewedThing; SkewedThing(1, 2).log_partition()")
    assert "NotImplementedError: η of the parameters" in done.stderr


@pytest.mark.slow
def test_a_family_is_not_overwritten_and_a_bad_name_is_refused(copy):
    with pytest.raises(SystemExit, match="is there already"):
        new_family.begin("SkewedThing", ["shape"], copy)
    with pytest.raises(SystemExit, match="expected a name such as Rayleigh"):
        new_family.begin("skewed-thing", ["place"], copy)
