"""The chapters in the stack of a reader's browser, run under Node: every claim holds, every page prints what it stores.

The few lines that come out otherwise are in `tests/wasm/differences.json`, each with its reason. Without the runtime
(`make runtime`) or Node these tests are skipped.
"""

from __future__ import annotations

import difflib
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import package_wheel  # noqa: E402

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
RUNTIME = ROOT / "_runtime"
DIFFERENCES = json.loads((ROOT / "tests" / "wasm" / "differences.json").read_text(encoding="utf-8"))
GIGABYTE = 1_000_000_000
OLDEST_NODE = 20

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def node():
    """Node's command, or a skip that says what is missing."""
    if not (RUNTIME / "runtime.json").exists():
        pytest.skip("the runtime for browsers is not there: make runtime")
    command = shutil.which("node")
    found = subprocess.run([command, "--version"], capture_output=True, text=True).stdout if command else ""
    if not found or int(found.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"needs Node {OLDEST_NODE} or newer, found {found.strip() or 'none'}")
    return command


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter in Node, asked for one notebook after the other."""
    command, folder = node(), RUNTIME / load(RUNTIME / "runtime.json")["folder"]
    name, body = package_wheel.wheel()
    package = tmp_path_factory.mktemp("wheel") / name
    package.write_bytes(body)
    process = subprocess.Popen(
        [command, ROOT / "tests" / "wasm" / "run.mjs", folder, package],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdin is not None and process.stdout is not None

    def run(path):
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the interpreter ended: see what it printed to stderr"
        return json.loads(line)

    yield run
    process.stdin.close()
    process.stdout.close()
    process.wait()


# --- what a cell shows, as lines: of its stored outputs and of a run -------------------------------------------------
def rows(table):
    """A table's rows as lines."""
    plain = [re.sub(r"</t[hd]><t[hd][^>]*>", " | ", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
    return [html.unescape(re.sub(r"<[^>]+>", "", row)) for row in plain]


def figure(drawing):
    """What must be the same in a drawing by another matplotlib: its size, its panels."""
    size = re.search(r'width="([^"]+)" height="([^"]+)"|height="([^"]+)".*?width="([^"]+)"', drawing)
    panels = len(set(re.findall(r'id="(panel-\d+)', drawing)))
    return [f"figure {' '.join(filter(None, size.groups()))}, panels: {panels}"]


#: Of each kind of output its lines; what a long calculation tells of its progress is nobody's result.
LINES = {"svg": figure, "html": rows, "stdout": str.splitlines}


def lines(outputs):
    """Pictures, then tables, then text: stored text is in one piece, wherever it came between tables."""
    return [line for kind, split in LINES.items() for found, data in outputs if found == kind for line in split(data)]


def stored_lines(cell):
    kinds = {"image/svg+xml": "svg", "text/html": "html"}
    outputs = []
    for output in cell["outputs"]:
        shown = [(kind, data) for kind, data in output.get("data", {}).items() if kind in kinds]
        outputs += [(kinds[kind], "".join(data)) for kind, data in shown] or [("stdout", "".join(output["text"]))]
    return lines(outputs)


def shown_lines(cell):
    return lines([(output["kind"], output["data"]) for output in cell["outputs"]])


def difference(stored, shown):
    """Lines that are only in one of the two, with a sign for which."""
    return [line for line in difflib.ndiff(stored, shown) if line[:1] in "-+"]


@pytest.mark.slow
@each_notebook
def test_a_chapter_runs_as_in_a_browser(path, python):
    found = python(path)
    failed = {cell["id"]: cell["outputs"][-1]["data"] for cell in found["cells"] if not cell["ok"]}
    assert not failed, "\n".join(f"{name}: {error}" for name, error in failed.items())
    assert not found["said"], found["said"]
    told = {cell["id"]: o["data"] for cell in found["cells"] for o in cell["outputs"] if o["kind"] == "stderr"}
    assert not {name: text for name, text in told.items() if re.search("warning|error", text, re.IGNORECASE)}
    assert {output["kind"] for cell in found["cells"] for output in cell["outputs"]} <= {*LINES, "stderr"}
    assert found["heap"] <= GIGABYTE
    stored = {cell["id"]: cell for cell in load(path)["cells"] if cell["cell_type"] == "code"}
    assert [cell["id"] for cell in found["cells"]] == list(stored)
    differences = {
        cell["id"]: lines
        for cell in found["cells"]
        if (lines := difference(stored_lines(stored[cell["id"]]), shown_lines(cell)))
    }
    listed = {entry["cell"]: entry["lines"] for entry in DIFFERENCES if entry["notebook"] == path.stem}
    assert differences == listed


def test_every_listed_difference_has_a_reason():
    cells = {(path.stem, cell["id"]) for path in NOTEBOOKS for cell in load(path)["cells"]}
    for entry in DIFFERENCES:
        assert (entry["notebook"], entry["cell"]) in cells and len(entry["reason"]) > 30, entry
