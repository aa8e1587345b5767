"""The runtime for browsers: what is taken, from where, how it is checked, and that its licences stand on their page."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import linker  # noqa: E402
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


def unpacked(body):
    """The files of a packed file, and which of them are to be compiled early."""
    line, _, rest = gzip.decompress(body).partition(b"\n")
    files, early = {}, set()
    for name, size, is_early in json.loads(line):
        files[name], rest = rest[:size], rest[size:]
        early |= {name} if is_early else set()
    assert not rest
    return files, early


def test_assembled_twice_it_has_the_same_bytes(small, tmp_path):
    about = runtime.assemble(tmp_path / "one", small)
    runtime.assemble(tmp_path / "two", small)
    runtime.assemble(tmp_path / "two", small)  # over the last one
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert list(about["files"]) == ["packages.bin", "pyodide-lock.json", "pyodide.mjs"]
    assert about["bytes"] == sum(file["bytes"] for file in about["files"].values())
    body = (tmp_path / "one" / runtime.FOLDER / runtime.PACK).read_bytes()
    licences = "numpy 2: BSD-3-Clause, six 1: MIT"
    assert about["files"][runtime.PACK] == {"sha256": digest(body), "bytes": len(body), "licence": licences}
    files, early = unpacked(body)
    assert files == {
        f"{name}.dist-info/METADATA": runtime.unzipped((small / f"{name[:-2]}.whl").read_bytes())[
            f"{name}.dist-info/METADATA"
        ]
        for name in ("numpy-2", "six-1")
    }
    assert not early


def test_the_lock_file_names_nothing_that_is_not_there(small, tmp_path):
    runtime.assemble(tmp_path / "one", small)
    lock = json.loads((tmp_path / "one" / runtime.FOLDER / runtime.LOCK).read_text(encoding="utf-8"))
    assert lock["packages"] == {}
    lock = json.loads((small / runtime.LOCK).read_text(encoding="utf-8"))
    small_lock = json.loads(runtime.small_lock(lock, runtime.closure(lock)))
    assert {name: entry["depends"] for name, entry in small_lock["packages"].items()} == {"numpy": ["six"], "six": []}


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return out.getvalue()


def test_compiled_modules_take_the_place_of_their_sources():
    wheel = {
        "a/b.py": b"source",
        "a/c.py": b"other",
        "a/_d.so": b"early",
        "a/_e.so": b"late",
        "a/b.pyi": b"",
        "a/g.h": b"",
    }
    made = {"site/a/b.pyc": b"compiled", "stdlib/os.pyc": b"compiled too", "linked": b"a/_d.so"}
    files, early = unpacked(runtime.packed([zipped(wheel)], made))
    assert files == {"a/b.pyc": b"compiled", "a/c.py": b"other", "a/_d.so": b"early", "a/_e.so": b"late"}
    assert early == {"a/_d.so"}
    stdlib = runtime.unzipped(runtime.with_compiled(zipped({"os.py": b"source", "sys.py": b"other"}), made))
    assert stdlib == {"os.pyc": b"compiled too", "sys.py": b"other"}


def test_the_linker_is_changed_in_its_places_or_not_at_all():
    text = "; ".join(old for old, _ in linker.CHANGES)
    assert runtime.linking_faster(text.encode()).decode() == "; ".join(new for _, new in linker.CHANGES)
    with pytest.raises(runtime.Missing, match="is not there"):
        runtime.linking_faster(f"{text} {linker.CHANGES[0][0]}".encode())


def test_the_linker_knows_constants():
    if shutil.which("node") is None:
        pytest.skip("the linker is tried in Node")
    change = next(new for _, new in linker.CHANGES if "isImmutableGlobal" in new)
    asked = "".join(
        f"isImmutableGlobal(new WebAssembly.Global({{value: '{kind}', mutable: {mutable}}})),"
        for kind in ("i32", "f64")
        for mutable in ("false", "true")
    )
    script = f"{change}return false}};console.log([{asked}isImmutableGlobal(1)].join())"
    said = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "true,false,true,false,false"


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


def test_what_is_changed_of_pyodide_is_said_with_its_licence_and_its_source():
    """As the Mozilla Public License asks."""
    page = (ROOT / "book" / "licence.md").read_text(encoding="utf-8")
    _, _, notice = page.partition("Pyodide's files are changed here")
    assert "(https://mozilla.org/MPL/2.0/)" in notice
    assert f"https://github.com/pyodide/pyodide/tree/{runtime.VERSION}" in notice
    assert set(re.findall(r"^- `(.+?)`", notice, re.M)) == {runtime.LOCK, runtime.STDLIB, linker.FILE}


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
        changed = name in (runtime.LOCK, runtime.STDLIB, linker.FILE)
        assert about["files"][name]["sha256"] != sha256 if changed else about["files"][name]["sha256"] == sha256
