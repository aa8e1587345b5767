"""The button "Run this page here" and its files: there with a runtime, not a byte without one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import types
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import run_here  # noqa: E402

BODY = "<section><h1>A title</h1>\n<p>Text.</p><h1>Another</h1></section>"
FILES = {"pyodide.mjs": b"// Python", "scipy.whl": b"SciPy"}


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A checkout with a small runtime."""
    folder = tmp_path / "_runtime" / "pyodide-1"
    folder.mkdir(parents=True)
    for name, body in FILES.items():
        (folder / name).write_bytes(body)
    sums = {name: {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)} for name, body in FILES.items()}
    about = {"folder": "pyodide-1", "bytes": 31_000_000, "files": sums}
    (tmp_path / "_runtime" / "runtime.json").write_text(json.dumps(about), encoding="utf-8")
    monkeypatch.setattr(run_here, "ROOT", tmp_path)
    monkeypatch.setattr(run_here, "runtime", lambda: about)
    return about


def app(out, where=""):
    pages = {"book/divergence": "divergence.ipynb", "book/glossary": "glossary.md"}
    env = types.SimpleNamespace(found_docs=set(pages), doc2path=lambda name: str(ROOT / "book" / pages[name]))
    builder, config = types.SimpleNamespace(name="html"), types.SimpleNamespace(run_here=where)
    return types.SimpleNamespace(env=env, config=config, builder=builder, outdir=str(out))


def body_of(page, where):
    context = {"body": BODY, "pathto": lambda path, resource: f"../{path}"}
    run_here.put_button(app(".", where), page, "page.html", context, None)
    return context["body"]


def test_without_a_runtime_pages_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(run_here, "ROOT", tmp_path)
    assert run_here.runtime(tmp_path) is None
    config = types.SimpleNamespace()
    monkeypatch.setattr(run_here, "runtime", lambda: None)
    run_here.configure(None, config)
    assert config.run_here == ""
    assert body_of("book/divergence", config.run_here) == BODY
    run_here.write(app(tmp_path / "html"), None)
    assert not (tmp_path / "html").exists()


def test_a_runtime_that_went_leaves_nothing(tmp_path, there, monkeypatch):
    run_here.write(app(tmp_path / "html"), None)
    monkeypatch.setattr(run_here, "runtime", lambda: None)
    run_here.write(app(tmp_path / "html"), None)
    assert not [path for path in (tmp_path / "html").rglob("*") if path.is_file()]


def test_pages_with_cells_have_a_button_of_less_than_a_kilobyte(there):
    config = types.SimpleNamespace()
    run_here.configure(None, config)
    assert body_of("book/glossary", config.run_here) == BODY
    body = body_of("book/divergence", config.run_here)
    assert 0 < len(body.encode()) - len(BODY) < 1_000
    assert body.count("data-run=") == 1
    assert body.index("</h1>") < body.index("data-run=") < body.index("<p>Text.")
    assert 'data-page="divergence"' in body
    assert "stays on this machine" in body
    said = int(re.search(r"About (\d+) MB", body)[1])
    assert said == round(run_here.size(there) / 1e6) == round(int(config.run_here.split()[1]) / 1e6)
    scripts = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: scripts.append(dict(attributes).get("onclick"))
    parser.feed(body)
    (click,) = filter(None, scripts)
    assert click.startswith(f"import('../run/{run_here.version()}/page.mjs')")


def test_what_is_fetched_at_the_click_is_there(tmp_path, there):
    run_here.write(app(tmp_path / "html"), None)
    out = tmp_path / "html"
    assert [path.name for path in (out / "run").glob("*.json")] == ["divergence.json"]
    page = json.loads((out / "run" / "divergence.json").read_text(encoding="utf-8"))
    for name, about in page["files"].items():
        folder = page["wheel"].rpartition("/")[0] + "/" if name.startswith("likelihood") else page["runtime"]["folder"]
        body = (out / "run" / folder / name).read_bytes()
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (about["sha256"], about["bytes"])
    scripts = out / "run" / run_here.version()
    assert {path.name for path in scripts.iterdir()} >= {"page.mjs", "worker.mjs", "codemirror.mjs", *page["scripts"]}
    for module in scripts.glob("*.mjs"):  # what they import is beside them
        if module.name != "codemirror.mjs":
            for name in re.findall(r'from "\./([^"]+)"', module.read_text(encoding="utf-8")):
                assert (scripts / name).is_file(), f"{module.name} imports {name}"
    for versioned in [*scripts.iterdir(), *(out / "runtime").rglob("*.*")]:
        if versioned.is_file():
            assert versioned.stat().st_mtime == run_here.OLD, "a server without rules has browsers keep old files only"


def test_cells_of_a_page_are_those_of_its_notebook(tmp_path, there):
    page = run_here.about(ROOT / "book" / "divergence.ipynb", there)
    notebook = json.loads((ROOT / "book" / "divergence.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [(cell["id"], cell["source"]) for cell in page["cells"]] == [(c["id"], "".join(c["source"])) for c in code]
    stubs = {cell["id"]: cell["stub"] for cell in page["cells"] if "stub" in cell}
    assert set(stubs) == {cell["id"] for cell in code if "exercise" in cell["metadata"].get("tags", [])}
    assert all("NotImplementedError" in stub for stub in stubs.values())
    assert len(json.dumps(page)) < 60_000


def test_how_long_a_cell_takes_goes_with_it(tmp_path, there):
    cell = {"cell_type": "code", "id": "long", "metadata": {"slow": "about 40 s"}, "source": ["x = 1"], "outputs": []}
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    assert run_here.about(tmp_path / "a.ipynb", there)["cells"][0]["slow"] == "about 40 s"


def test_a_second_build_writes_nothing_anew(tmp_path, there):
    run_here.write(app(tmp_path), None)
    first = {path: os.stat(path).st_ino for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"}
    run_here.write(app(tmp_path), None)
    assert {
        path: os.stat(path).st_ino for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".json"
    } == first
