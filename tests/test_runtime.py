"""The runtime for browsers: what is taken, from where, how it is checked, and that its licences stand on their page."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import urllib.error
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import runtime  # noqa: E402

MADE = ROOT / "_runtime" / "runtime.json"


def digest(body):
    return hashlib.sha256(body).hexdigest()


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packed(name, version, classifier):
    """A wheel that has nothing but its METADATA."""
    out = io.BytesIO()
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    about += f"Classifier: License :: OSI Approved :: {classifier}\n"
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA"), about)
    return out.getvalue()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A runtime of two small wheels, one of which needs a package that is left out; the folder that has its files."""
    wheels = {"numpy": packed("numpy", "2", "BSD License"), "six": packed("six", "1", "MIT License")}
    depends = {"numpy": ["six", "pytz"], "six": [], "pytz": []}
    packages = {
        name: {"file_name": f"{name}.whl", "sha256": digest(wheels.get(name, b"")), "depends": depends[name]}
        for name in depends
    }
    files = {f"{name}.whl": body for name, body in wheels.items()}
    files |= {"pyodide.mjs": b"export", runtime.LOCK: json.dumps({"info": {}, "packages": packages}).encode()}
    monkeypatch.setattr(runtime, "PACKAGES", ["numpy"])
    monkeypatch.setattr(
        runtime, "CORE", {name: ("MPL-2.0", digest(files[name])) for name in ("pyodide.mjs", runtime.LOCK)}
    )
    monkeypatch.setattr(runtime, "WHEELS", {"numpy": ("2", "BSD-3-Clause"), "six": ("1", "MIT")})
    monkeypatch.setattr(runtime.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    monkeypatch.setattr(runtime, "_download", lambda folder: nothing("pip download: no such host"))
    cache = tmp_path / "cache"
    cache.mkdir()
    for name, body in files.items():
        (cache / name).write_bytes(body)
    return cache


def unreachable(*args, **kwargs):
    raise urllib.error.URLError("no such host")


def nothing(reason):
    raise runtime.Missing(reason)


def test_assembled_twice_it_has_the_same_bytes(small, tmp_path):
    about = runtime.assemble(tmp_path / "one", small)
    runtime.assemble(tmp_path / "two", small)
    runtime.assemble(tmp_path / "two", small)  # over the last one
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert list(about["files"]) == ["numpy.whl", "pyodide-lock.json", "pyodide.mjs", "six.whl"]
    assert about["bytes"] == sum(file["bytes"] for file in about["files"].values())
    body = (small / "six.whl").read_bytes()
    assert about["files"]["six.whl"] == {"sha256": digest(body), "bytes": len(body), "licence": "MIT"}


def test_the_lock_file_names_only_what_is_there(small, tmp_path):
    runtime.assemble(tmp_path / "one", small)
    lock = json.loads((tmp_path / "one" / runtime.FOLDER / runtime.LOCK).read_text(encoding="utf-8"))
    assert {name: entry["depends"] for name, entry in lock["packages"].items()} == {"numpy": ["six"], "six": []}


def test_compiled_modules_come_with_matplotlib(small, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "compiled", lambda folder, cache: b"compiled")
    about = runtime.assemble(tmp_path / "one", small)
    folder = tmp_path / "one" / runtime.FOLDER
    lock = json.loads((folder / runtime.LOCK).read_text(encoding="utf-8"))
    assert (folder / runtime.BYTECODE).read_bytes() == b"compiled"
    assert lock["packages"]["bytecode"]["sha256"] == about["files"][runtime.BYTECODE]["sha256"] == digest(b"compiled")
    assert lock["packages"][runtime.PACKAGES[-1]]["depends"] == ["six", "bytecode"]
    assert about["files"][runtime.LOCK]["sha256"] == digest((folder / runtime.LOCK).read_bytes())


def test_a_file_that_no_source_has_is_named_with_every_reason(small, tmp_path):
    (small / "pyodide.mjs").unlink()
    with pytest.raises(runtime.Missing) as error:
        runtime.assemble(tmp_path / "one", small)
    assert str(error.value) == (
        "pyodide.mjs: not in cache; no answer from https://cdn.jsdelivr.net; npm is not installed"
    )
    assert not (tmp_path / "one").exists()


def test_a_damaged_file_is_named_and_nothing_is_put_in_place(small, tmp_path):
    (small / "six.whl").write_bytes(b"damaged")
    with pytest.raises(runtime.Missing, match=r"^six.whl: cached: sha256 \w{12}… instead of \w{12}…; no answer[^\n]*$"):
        runtime.assemble(tmp_path / "one", small)
    assert not (tmp_path / "one").exists()


def test_what_came_from_elsewhere_is_kept(small, tmp_path, monkeypatch):
    body = (small / "six.whl").read_bytes()
    (small / "six.whl").write_bytes(b"damaged")
    monkeypatch.setattr(runtime.urllib.request, "urlopen", lambda address, timeout: io.BytesIO(body))
    runtime.assemble(tmp_path / "one", small)
    assert (small / "six.whl").read_bytes() == body


def test_a_release_that_does_not_answer_is_asked_once(monkeypatch):
    asked = []

    def urlopen(address, timeout):
        asked.append(address)
        unreachable()

    monkeypatch.setattr(runtime.urllib.request, "urlopen", urlopen)
    read = runtime.released()
    for name in ("pyodide.mjs", "numpy.whl"):
        with pytest.raises(runtime.Missing, match="no answer"):
            read(name)
    assert len(asked) == 1


def test_a_command_that_fails_is_told_in_one_line(tmp_path):
    with pytest.raises(runtime.Missing, match=r"^npm pack: npm error not found$"):
        runtime._run("npm pack", ["sh", "-c", "echo npm error not found >&2; exit 1"], tmp_path)


def test_a_wheel_under_another_licence_is_refused(small, tmp_path, monkeypatch):
    monkeypatch.setitem(runtime.WHEELS, "six", ("1", "BSD-3-Clause"))
    with pytest.raises(runtime.Missing, match=r"six.whl: .*MIT.*tools/runtime.py says"):
        runtime.assemble(tmp_path / "one", small)


def test_the_licences_of_all_that_is_shipped_stand_on_their_page():
    page = (ROOT / "book" / "licence.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## What runs in your browser")
    found = {
        re.sub(r"[\[\]]|\(.*", "", what): (version, licence)
        for what, version, licence in re.findall(r"^\| (.+?) \| (\d.*?) \| (.+?) \|$", section, re.M)
    }
    (pyodide,) = (name for name in found if name.startswith("Pyodide"))
    version, licences = found.pop(pyodide)
    assert version == runtime.VERSION
    assert set(re.split(r", (?:and of what it contains )?| \(\w+\),? ?", licences)) - {""} == {
        name for licence, _ in runtime.CORE.values() for name in licence.split(" AND ")
    }
    assert found == runtime.WHEELS


def test_what_was_assembled_is_what_the_table_says():
    if not MADE.exists():
        pytest.skip("the runtime for browsers is not there: make runtime")
    about = json.loads(MADE.read_text(encoding="utf-8"))
    folder = MADE.parent / about["folder"]
    assert sorted(path.name for path in folder.iterdir()) == list(about["files"])
    for name, file in about["files"].items():
        assert digest((folder / name).read_bytes()) == file["sha256"], name
    assert about["bytes"] == sum(file["bytes"] for file in about["files"].values())
    for name, (licence, sha256) in runtime.CORE.items():
        assert about["files"][name]["licence"] == licence
        assert name == runtime.LOCK or about["files"][name]["sha256"] == sha256
