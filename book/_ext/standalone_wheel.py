"""The package inside a notebook: a first cell that carries it as text, and nothing of the data that the notebook does
not use."""

from __future__ import annotations

import ast
import base64
import functools
import re
import zipfile
import zlib

import package_wheel

DATA = package_wheel.ROOT / "companion" / "lesson" / "data"
ALWAYS = {"palette.json"}
HEAD = '''\
# @title The book's package `companion`: run this first
# It needs no network, and does not mind what else is installed under that name.
import base64 as _base64
import sys as _sys
import tempfile as _tempfile
import zlib as _zlib
from pathlib import Path as _Path


def _companion(wheel):
    """Import the package from its wheel."""
    _sys.path.insert(0, str(wheel))
    for name in [n for n in _sys.modules if n.split(".")[0] == "companion"]:
        del _sys.modules[name]  # another one, or that of an earlier run
    import companion

    if not companion.__file__.startswith(str(wheel)):
        raise ImportError(f"in the way of the book's package: {companion.__file__}")
    print(f"companion {companion.__version__}, the book's package")


'''
CARRIED = """\
_folder = _tempfile.TemporaryDirectory(prefix="companion-")  # till Python ends
_wheel = _Path(_folder.name, "{name}")
_packed = "{packed}"
_wheel.write_bytes(_zlib.decompress(_base64.b85decode(_packed)))
_companion(_wheel)"""
BESIDE = """\
_wheel = _Path("{name}").resolve()
if not _wheel.exists():
    raise FileNotFoundError(f"{{_wheel.name}} belongs beside this notebook")
_companion(_wheel)"""


@functools.cache
def readers() -> dict[str, set[str]]:
    """Functions of the package that read stored data, with their files."""
    tree = ast.parse((DATA.parent / "datasets.py").read_text(encoding="utf-8"))
    files = {path.name for path in DATA.iterdir() if path.is_file()}
    found = {}
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        words = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
        found[function.name] = {file for file in files if file in words}
    found["stored"] = {f"models/{path.name}" for path in (DATA / "models").iterdir()}
    return found


def used(text: str) -> set[str]:
    """The stored files that a notebook may ask for, in its code or by asking the reader."""
    names = set(re.findall(r"(?<=datasets\.)\w+|\w+(?=\()|(?<=\")\w+(?=\")", text))
    return ALWAYS.union(*(files for name, files in readers().items() if name in names))


@functools.cache
def carried(files: frozenset[str]) -> str:
    """The source of the cell with the package and these stored files in it."""
    name, stored = package_wheel.wheel(data=files, compression=zipfile.ZIP_STORED)
    packed = base64.b85encode(zlib.compress(stored, 9)).decode()
    return HEAD + CARRIED.format(name=name, packed=packed)


def first_cell(text: str) -> dict:
    """The cell that imports the package for this text: closed in JupyterLab (`jupyter`) and Colab (`cellView`)."""
    version = package_wheel.project()["version"]
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": "companion",
        "metadata": {"cellView": "form", "jupyter": {"source_hidden": True}},
        "outputs": [
            {"name": "stdout", "output_type": "stream", "text": [f"companion {version}, the book's package\n"]}
        ],
        "source": carried(frozenset(used(text))),
    }


def beside(name: str) -> str:
    """The source of the cell for notebooks that lie beside one wheel."""
    head = "".join(
        line for line in HEAD.splitlines(keepends=True) if not re.match("import (base64|tempfile|zlib)", line)
    )
    return head + BESIDE.format(name=name)
