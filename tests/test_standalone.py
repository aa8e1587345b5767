"""The notebooks to download: nothing lost, nothing raw, no answer where students look, and they run wherever NumPy,
SciPy and matplotlib are."""

from __future__ import annotations

import ast
import base64
import functools
import importlib.metadata
import io
import json
import re
import subprocess
import sys
import zipfile
import zlib
from html import unescape
from pathlib import Path

import pytest
from site_pages import NOTEBOOKS as PAGES
from site_pages import problems

from conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import package_wheel
import standalone
import standalone_wheel
import stubs

NAMES = [Path(page).stem for page in PAGES]
FORMULA = re.compile(r"\$\$.+?\$\$|\$(?:\\.|[^$\\\n]|\n(?!\s*\n))+\$", re.S)
CODE = re.compile(r"^(```+)[^`{].*?^\1$|(`+)(?!`).+?(?<!`)\2(?!`)|^(?: {4}.*\n?)+", re.S | re.M)
RUN = Path(__file__).with_name("run_standalone.py")


@functools.cache
def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def chapter(name):
    return load(ROOT / "book" / f"{name}.ipynb")


@pytest.fixture
def made(site, name, version):
    return load(site / "notebooks" / f"{name}{version}.ipynb")


each = pytest.mark.parametrize("name", NAMES)
both = pytest.mark.parametrize("version", ["", "-student"])
complete = pytest.mark.parametrize("version", [""])
for_students = pytest.mark.parametrize("version", ["-student"])


@each
@both
def test_opens_in_any_jupyter(made, name, version):
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.from_dict(made))
    first = code(made)[0]
    assert first["id"] == "companion" and first["metadata"]["jupyter"]["source_hidden"]
    assert not [cell["id"] for cell in made["cells"] if set(cell["metadata"]) - {"tags", "jupyter", "cellView"}]


@each
@complete
def test_complete_notebook_has_the_code_that_is_run_as_a_test(made, name, version):
    theirs = {cell["id"]: source(cell) for cell in code(made)[1:]}
    assert theirs == {cell["id"]: source(cell) for cell in code(chapter(name))}
    answers = [cell for cell in code(chapter(name)) if tags(cell) & {"exercise", "solution"}]
    folded = lambda part: {c["id"] for c in code(made)[1:] if c["metadata"].get("jupyter", {}).get(f"{part}_hidden")}
    assert folded("source") == {cell["id"] for cell in answers}
    assert folded("outputs") == {cell["id"] for cell in answers if cell["outputs"]}, "what an answer prints"


@each
@for_students
def test_students_notebook_differs_in_the_exercises_alone(made, name, version):
    stub = {cell["id"]: cell.get("stub") for cell in stubs.cells(ROOT / "book" / f"{name}.ipynb")}
    wanted = {c["id"]: stub[c["id"]] or source(c) for c in code(chapter(name)) if "solution" not in tags(c)}
    assert {cell["id"]: source(cell) for cell in code(made)[1:]} == wanted
    for cell in code(made):
        if tags(cell) & {"exercise", "check"}:
            assert not cell["outputs"] and not cell["metadata"].get("jupyter"), cell["id"]


@each
@both
def test_outputs_are_those_of_the_chapter(made, name, version):
    before = {cell["id"]: cell for cell in code(chapter(name))}

    def shown(cell):
        for output in cell["outputs"]:
            data = output.get("data", {})
            html, drawing = "".join(data.get("text/html", "")), "".join(data.get("image/svg+xml", ""))
            image = re.match(r'<img alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]*)">$', html)
            if image:
                alt = before[cell["id"]]["metadata"]["mystnb"]["image"]["alt"]
                assert unescape(image[1]) == alt
                yield base64.b64decode(image[2]).decode()
            else:
                yield drawing or html or "".join(output.get("text", ""))

    for cell in code(made)[1:]:
        if cell["outputs"] or not tags(cell) & {"exercise", "check"}:
            assert list(shown(cell)) == list(shown(before[cell["id"]])), cell["id"]


def answers(name):
    """Lines of the chapter's answers: code beyond its stub, texts, outputs, and answers to questions to oneself."""
    notebook = chapter(name)
    stub = {cell["id"]: cell.get("stub", "") for cell in stubs.cells(ROOT / "book" / f"{name}.ipynb")}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and tags(cell) & {"exercise", "check", "solution"}:
            text = "" if "check" in tags(cell) else source(cell)
            yield from set(text.splitlines()) - set(stub[cell["id"]].splitlines())
            for output in cell["outputs"]:
                yield from "".join(output.get("text", output.get("data", {}).get("text/html", ""))).splitlines()
            figure = cell["metadata"].get("mystnb", {})
            yield from [figure["figure"]["caption"], figure["image"]["alt"]] if figure.get("figure") else []
        elif "solution" in tags(cell):
            yield from source(cell).splitlines()[2:]
        elif "## Check yourself" in source(cell):
            asked = source(cell).partition("## Check yourself")[2].partition("\n## ")[0]
            for box in re.findall(r"^:::\{admonition\}.*?\n:class: dropdown\n(.*?)^:::$", asked, re.S | re.M):
                yield from box.splitlines()


@each
@for_students
def test_no_line_of_an_answer_is_in_the_students_notebook(made, name, version):
    text = "\n".join(source(cell) + json.dumps(cell["outputs"], ensure_ascii=False) for cell in code(made)[1:])
    text += "\n".join(source(cell) for cell in prose(made))
    shown = [cell for cell in chapter(name)["cells"] if not tags(cell) & {"exercise", "check", "solution"}]
    shown = {line.strip() for cell in shown for line in source(cell).partition("## Check yourself")[0].splitlines()}
    long = {line.strip() for line in answers(name) if len(line.strip()) >= 25} - shown
    assert long or name == "functions"
    problems(line for line in sorted(long) if line in text)


@each
@both
def test_nothing_of_myst_is_left(made, name, version):
    for cell in prose(made):
        text = FORMULA.sub("", CODE.sub("", source(cell)))
        assert not re.search(r"\{[a-z:]+\}|:::|^:\w+:|^\([\w-]+\)=|```|\$|\0", text, re.M), cell["id"]
        assert source(cell).count("<details>") == source(cell).count("</details>"), cell["id"]
        assert source(cell).count("<div") == source(cell).count("</div>"), cell["id"]


@each
@complete
def test_no_formula_is_harmed(made, name, version):
    def formulas(cells):
        text = "\n\n".join(source(cell) for cell in cells)
        text = CODE.sub("", re.sub(r"^```\{\w+\}(.*?)^```$", r"\1", text, flags=re.S | re.M))
        text = re.sub(r"\n\\tag\{[\d.]+\}\n\$\$", "\n$$", re.sub(r"\{(?:set|ref)\}`([^`<]*)<[^`]*`", r"\1", text))
        return sorted(re.sub(r"\s+\$\$$", "\n$$", formula) for formula in FORMULA.findall(text))

    cells = prose(chapter(name))
    captions = [c["metadata"].get("mystnb", {}).get("figure", {}).get("caption", "") for c in code(chapter(name))]
    cells += [{"source": [caption]} for caption in captions]
    assert formulas([c for c in prose(made) if c["id"] != "references"]) == formulas(cells)


@each
@both
def test_works_are_listed_by_name_whatever_its_case(made, name, version):
    listed = "".join(source(cell) for cell in made["cells"] if cell["id"] == "references")
    names = re.findall(r"^- \*([^*]+)\.\*", listed, re.M)
    assert names == sorted(names, key=str.lower)


@each
@both
def test_what_follows_a_folded_box_does_not_stick_to_it(made, name, version):
    after = [found for cell in prose(made) for found in re.findall(r"</details>\n\n(.+)", source(cell))]
    problems(line for line in after if line not in ("<p></p>", "</details>", "</div>"))


@each
@both
def test_links_lead_somewhere(made, name, version):
    text = "\n".join(CODE.sub("", source(cell)) for cell in prose(made))
    anchors = re.findall(r'<a id="([^"]+)">', text)
    assert len(anchors) == len(set(anchors))
    addresses = re.findall(r"\]\(([^()]*(?:\([^()]*\)[^()]*)*)\)", FORMULA.sub("", text))
    problems(a for a in addresses if not (a.startswith(("https://", "http://")) or a.removeprefix("#") in anchors))


@each
@complete
def test_numbers_are_those_of_the_site(site, made, name, version):
    html = (site / "book" / f"{name}.html").read_text(encoding="utf-8")
    page = unescape(html)
    text = "\n".join(source(cell) for cell in prose(made))

    def after(identifier, pattern):
        found = re.search(rf'id="{identifier}".*?{pattern}', page, re.S)
        return found and found[1].strip()

    equations = re.findall(r'<a id="([\w-]+)"></a>\s+\$\$(?:(?!\$\$).)*?\\tag\{([\d.]+)\}\n\$\$', text, re.S)
    assert len(equations) == text.count("\\tag{")
    for label, number in equations:
        assert after(f"equation-{label}", r'<span class="eqno">\(([\d.]+)\)') == number, label
    things = re.findall(r'<a id="([\w-]+)"></a>(?:\s+<img[^>]+>\s+)?(?:\*\*|\s+### )([A-Z][a-z]+\.? [\d.]*\d)', text)
    labelled = re.findall(r"^:(?:label|name): (\S+)$", "\n".join(map(source, prose(chapter(name)))), re.M)
    assert set(labelled) <= {label for label, _ in things}
    for label, words in things:
        assert after(label, r'<span class="caption-number">([^<]+)</span>') == words, label
    for words, label in re.findall(r"\[([^\[\]]+)\]\(#([\w-]+)\)", text):
        links = re.findall(rf'<a class="reference internal" href="#(?:equation-)?{label}">(.*?)</a>', page)
        assert words in {re.sub("<[^>]+>", "", link) for link in links}, (words, label)


@each
@complete
def test_references_to_other_chapters_and_works_keep_their_words(site, made, name, version):
    """Whatever stands on the page as a link to another one is in the notebook as words."""
    html = (site / "book" / f"{name}.html").read_text(encoding="utf-8")
    article = html[html.index("<article") : html.index("</article>")]
    text = " ".join(re.sub(r"[*]", "", "\n".join(source(cell) for cell in prose(made))).split())
    links = re.findall(r'<a class="reference internal" href="(?!#)([\w-]+)\.html[^"]*"[^>]*>(.*?)</a>', article, re.S)
    words = {unescape(re.sub("<[^>]+>", "", inner)) for target, inner in links if target != name}
    problems(word for word in sorted(words) if " ".join(word.split()) not in text)


def test_download_menu_leads_to_both_and_to_all(site):
    for name in NAMES:
        html = (site / "book" / f"{name}.html").read_text(encoding="utf-8")
        linked = re.findall(r'href="../notebooks/([^"]+)" download', html)
        assert linked == [f"{name}-student.ipynb", f"{name}.ipynb", "notebooks.zip"]
        assert all((site / "notebooks" / file).is_file() for file in linked)
    assert not (site / "_sources").exists(), "a chapter's source has all its answers"


# --- the zip, the wheel ---


def test_zip_holds_all_notebooks_beside_one_wheel(site):
    with zipfile.ZipFile(site / "notebooks" / "notebooks.zip") as archive:
        files = {Path(name).name: archive.read(name) for name in archive.namelist()}
    name, body = package_wheel.wheel()
    notebooks = {path.name for path in (site / "notebooks").glob("*.ipynb")}
    assert set(files) == {*notebooks, name, "README.txt"} and files[name] == body
    for file in notebooks:
        inside, alone = json.loads(files[file]), load(site / "notebooks" / file)
        different = [a["id"] for a, b in zip(inside["cells"], alone["cells"], strict=True) if a != b]
        assert different == ["companion"]
        assert name in source(code(inside)[0]) and len(source(code(inside)[0])) < 2000


def test_zip_is_the_same_every_time():
    first, second = (
        standalone.packed(dict(files)) for files in ([("b", b"2"), ("a", b"1")], [("a", b"1"), ("b", b"2")])
    )
    assert first == second


def carried(notebook):
    packed = re.search(r'^_packed = "(.*)"$', source(code(notebook)[0]), re.M)[1]
    return zipfile.ZipFile(io.BytesIO(zlib.decompress(base64.b85decode(packed))))


OPENED: list[str] = []


def watch(event, arguments):
    if event == "open" and "lesson/data/" in str(arguments[0]):
        OPENED.append(str(arguments[0]).partition("lesson/data/")[2])


@pytest.fixture(scope="module")
def reads():
    """The stored files that each function of the package opens."""
    from companion.digits import stored
    from companion.lesson import datasets

    sys.addaudithook(watch)
    found = {}
    for name in standalone_wheel.readers().keys() - {"stored"}:
        OPENED.clear()
        if not name.startswith("_"):
            getattr(datasets, name)()
            found[name] = set(OPENED)
    OPENED.clear()
    stored("digits-480")
    assert set(OPENED) == {"models/digits-480.npz"}
    return found


@each
@both
def test_carries_the_package_with_the_data_that_it_uses(reads, made, name, version):
    wheel = carried(made)
    data = {file.partition("lesson/data/")[2] for file in wheel.namelist() if "lesson/data/" in file}
    _, whole = package_wheel.wheel()
    package = {file for file in zipfile.ZipFile(io.BytesIO(whole)).namelist() if "lesson/data/" not in file}
    assert package <= set(wheel.namelist())
    nodes = [node for cell in code(chapter(name)) for node in ast.walk(ast.parse(source(cell)))]
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    called = {getattr(n.func, "attr", getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)}
    called |= {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "datasets"}
    asked = {word for cell in prose(chapter(name)) for word in re.findall(r"`datasets\.(\w+)", source(cell))}
    wanted = {"palette.json"}.union(*(reads.get(function, set()) for function in called | words | asked))
    models = {file for file in data if file.startswith("models/")}
    assert wanted == data - models and bool(models) == ("stored" in called)


# --- they run ---


def run(notebook, folder, **options):
    """What `run_standalone.py` reports: cells that raised, and the names of their errors."""
    command = [sys.executable, "-I", str(RUN), str(notebook), json.dumps(options)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def allowed():
    """Modules that come with the four packages that a notebook may need."""
    names, wanted = set(), ["numpy", "scipy", "matplotlib", "ipython"]
    for name in wanted:
        try:
            required = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        names.add(name)
        found = [re.match(r"[\w.-]+", line)[0].lower() for line in required if "extra ==" not in line]
        wanted += [name for name in found if name not in wanted]
    normal = lambda text: re.sub(r"[-_.]+", "-", text).lower()
    kept = set(map(normal, names))
    modules = importlib.metadata.packages_distributions()
    return sorted(m for m, packages in modules.items() if kept & set(map(normal, packages)))


@pytest.fixture
def stranger(tmp_path):
    """A folder with another package of our package's name."""
    folder = tmp_path / "strangers"
    (folder / "companion").mkdir(parents=True)
    (folder / "companion" / "__init__.py").write_text("STRANGER = True\n", encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name, version", [("which-kl", ""), ("regression", "-student")])
def test_runs_in_an_empty_folder_whatever_else_is_called_companion(site, tmp_path, stranger, name, version):
    folder, notebook = tmp_path / "empty", site / "notebooks" / f"{name}{version}.ipynb"
    folder.mkdir()
    raised = run(notebook, folder, allowed=allowed(), stranger=str(stranger))
    checks = {cell["id"]: "NotImplementedError" for cell in code(load(notebook)) if "check" in tags(cell)}
    assert raised == (checks if version else {})
    assert not list(folder.iterdir())


def test_notebook_of_the_zip_says_what_it_misses(site, tmp_path, stranger):
    with zipfile.ZipFile(site / "notebooks" / "notebooks.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "notebooks"
    options = {"allowed": allowed(), "stranger": str(stranger), "cells": 1}
    assert run(folder / "likelihood.ipynb", folder, **options) == {}
    next(folder.glob("*.whl")).unlink()
    assert run(folder / "likelihood.ipynb", folder, **options) == {"companion": "FileNotFoundError"}
