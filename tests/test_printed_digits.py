"""The rule for printed digits, and that the tests of notebooks catch what they are for."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from printed_digits import noise, problems
from test_notebooks import NOTEBOOKS, code_cells, load, unexecuted

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "line",
    [
        "✓ largest slope at the optimum: 2e-08 ≤ 1e-06",
        "✓ nats short of the exact maximum: 5 times, closest 2e-15 ≤ 1e-06",
        "difference 1.1102230246251565e-16",
        "differ by up to 3e-14 of their size",
        "residual −4.0e-09",
        "sum − 1 = 0.00000000012",
        "gap: -0.0000",
        "gap: −0.0",
        "left over: 3E-17",
        "  1e-02  -0.0129354301  6.50e-09",
    ],
)
def test_noise_is_found(line):
    assert len(noise(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "✓ 2,000 values agree to 1e-10",
        "✓ every error below 1e-12",
        "✓ largest slope at the optimum ≤ 1e-06",
        "rtol=1e-9, atol=1e-12",
        "✓ right to within 1e-13 of the exact values",
        "some negative beyond 2e-8, a tenth below 1e-8",
        "0.735  -0.0129  1,234,567.0  0.0000  0  2e-6  1e-06  -1",
        "n = 10: 0.000001 nats",
        "e-9 and d1e-9 are names, v1.2e-9x is none, 0x1e-9 is an address",
    ],
)
def test_bounds_and_ordinary_numbers_are_no_noise(line):
    assert noise(line) == []


def test_an_input_is_no_noise_in_the_cell_that_states_it():
    assert noise("d = 1e-08: 0.53", "for d in (1e-2, 1e-8):") == []
    assert noise("d = 1e-08: 0.53", "for d in (1e-2, 1e-9):") == ["1e-08"]
    assert noise("ε = 0.00000001", "ε = 1e-8") == []


def cell(text, source="print(x)", **metadata):
    return {"source": [source], "outputs": [{"output_type": "stream", "text": [text]}], "metadata": metadata}


def test_a_reason_lets_small_results_pass_and_nothing_else():
    reason = "an exact KL, rounded to two digits that hold everywhere"
    assert problems(cell("KL = 5.0e-11\n")) != []
    assert problems(cell("KL = 5.0e-11\n", tiny=reason)) == []
    assert "says not why" in problems(cell("KL = 5.0e-11\n", tiny="small"))[0]
    assert problems(cell("KL = 5.0e-11\ngap -0.00\n", tiny=reason)) == ["['-0.00'] in: gap -0.00"]
    assert "no tiny number" in problems(cell("KL = 0.5\n", tiny=reason))[0]


# --- each fault fails ---------------------------------------------------------------------------------------------


def printing_cells():
    """All code cells of the book that print text with a digit."""
    for path in NOTEBOOKS:
        for each in code_cells(load(path)):
            text = "".join("".join(output.get("text", "")) for output in each["outputs"])
            if any(character.isdigit() for character in text):
                yield path.stem, each, text


def test_a_cell_that_was_not_run_is_found():
    notebook = load(NOTEBOOKS[0])
    assert unexecuted(notebook) == []
    for change in ({"execution_count": None}, {"execution_count": 99}):
        changed = copy.deepcopy(notebook)
        code_cells(changed)[1].update(change)
        assert unexecuted(changed) == [code_cells(notebook)[1]["id"]]


def test_noise_in_any_printing_cell_is_found():
    count = 0
    for _, each, _ in printing_cells():
        noisy = copy.deepcopy(each)
        noisy["metadata"].pop("tiny", None)
        noisy["outputs"].append({"output_type": "stream", "text": ["slope: 3.7e-17 ≤ 1e-06\n"]})
        assert any("3.7e-17" in problem for problem in problems(noisy))
        count += 1
    assert count > 100


@pytest.mark.notebook
def test_a_changed_digit_fails(tmp_path):
    """A cell as stored passes, and fails with its last digit changed; texts, not cells of ours, so that it is quick."""
    text = next(text for _, _, text in printing_cells())
    place = max(index for index, character in enumerate(text) if character.isdigit())
    changed = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
    for name, stored in (("same", text), ("changed", changed)):
        notebook = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [
                {
                    "cell_type": "code",
                    "id": "only",
                    "execution_count": 1,
                    "metadata": {},
                    "source": [f"print({text!r}, end='')"],
                    "outputs": [{"name": "stdout", "output_type": "stream", "text": stored.splitlines(keepends=True)}],
                }
            ],
        }
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    command += ["--rootdir", str(tmp_path), "--nbval-sanitize-with", str(ROOT / "tests" / "nbval_sanitize.cfg")]
    run = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1 and "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    assert "changed.ipynb::Cell 0" in run.stdout


def test_no_output_is_left_out_of_the_comparison():
    """Not by a mark that nbval obeys, a pattern that hides numbers, or a kind of output that nbval cannot compare."""
    for path in NOTEBOOKS:
        for each in code_cells(load(path)):
            assert "NBVAL" not in "".join(each["source"]).upper(), each["id"]
            marks = each["metadata"].get("tags", [])
            assert not any("nbval" in mark.lower() or mark == "raises-exception" for mark in marks), each["id"]
            for output in each["outputs"]:
                kinds = set(output.get("data", {}))
                assert kinds <= {
                    "image/png",
                    "image/svg+xml",
                    "text/plain",
                    "text/html",
                    "text/markdown",
                    "text/latex",
                }, each["id"]
    patterns = (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    assert patterns.split() == ["[memory-address]", "regex:", "0x[0-9a-f]+", "replace:", "ADDRESS"]
