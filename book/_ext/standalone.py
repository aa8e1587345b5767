"""Notebooks to download that need nothing but NumPy, SciPy and matplotlib, made of the chapters after each build.

`notebooks/NAME.ipynb` is complete, `notebooks/NAME-student.ipynb` has no answers, `notebooks/notebooks.zip` holds all
of them with the package and its data. A directive or role that a notebook cannot show is an error of the build.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from sphinx.errors import ExtensionError

import explorer
import package_wheel
import standalone_wheel
from standalone_cells import Notebook
from standalone_names import Names, Unknown
from standalone_picture import picture

FOLDER = "notebooks"
README = """{title}

NAME.ipynb is a chapter's notebook with all answers. NAME-student.ipynb is the same for students: exercises are empty,
their checks are there. They need Python 3.11 or newer, NumPy, SciPy and matplotlib, and no network.

{wheel} is the book's package with its data (companion/lesson/data).
The notebooks find it in their folder: keep them together. Those of the book's pages carry their own.
"""


def pages(env):
    """The pages that are notebooks."""
    return sorted(page for page in env.found_docs if env.doc2path(page).endswith(".ipynb"))


def versions(app, page):
    """[(file name, text)] of a page: complete, and for students."""
    doctree = app.env.get_doctree(page)
    figures = doctree.findall(lambda node: node.tagname == "figure" and node.next_node(explorer.explorer_node))
    drawn = {label: shown(figure.next_node(explorer.explorer_node)) for figure in figures for label in figure["ids"]}
    site = app.config.html_baseurl and app.config.html_baseurl.rstrip("/") + "/"
    for ending, answers in (("", True), ("-student", False)):
        names = Names(app, page)
        path = Path(app.env.doc2path(page))
        notebook = Notebook(path, names, site, app.config.html_title, drawn.__getitem__, answers)
        yield f"{path.stem}{ending}.ipynb", notebook.whole()


def shown(node):
    """An explorer as it begins: in words, and the address of its picture."""
    return node.astext(), picture(node["explorer"], node["html"])


def text(notebook):
    return (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode()


def beside(notebook, wheel):
    """The notebook with the wheel in its folder, not in itself: thirty would carry the same."""
    own = {"source": standalone_wheel.beside(wheel).splitlines(keepends=True)}
    return {**notebook, "cells": [{**cell, **own} if cell["id"] == "companion" else cell for cell in notebook["cells"]]}


def packed(files):
    """The bytes of a zip: the same every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", package_wheel.MOMENT)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, 0o644 << 16, 3
            archive.writestr(entry, body)
    return out.getvalue()


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    try:
        made = {name: notebook for page in pages(app.env) for name, notebook in versions(app, page)}
    except Unknown as error:
        raise ExtensionError(f"a notebook to download: {error}") from None
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(exist_ok=True)
    for name, notebook in made.items():
        (folder / name).write_bytes(text(notebook))
    wheel, body = package_wheel.wheel()
    files = {name: text(beside(notebook, wheel)) for name, notebook in made.items()}
    readme = README.format(title=app.config.html_title, wheel=wheel).encode()
    (folder / "notebooks.zip").write_bytes(packed({**files, wheel: body, "README.txt": readme}))


def setup(app):
    app.connect("build-finished", write, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
