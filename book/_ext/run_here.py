"""The button "Run this page here", and what it loads, where `make runtime` has assembled a Python for browsers.

A page with code cells gets the button alone. At the click it imports `run/VERSION/page.mjs`, which fetches
`run/PAGE.json`: the page's cells, and where Python, its packages and ours are on this site. Names of folders carry
versions, so that browsers may keep what they have; the files have one old date, so that plain servers let them.
Without `_runtime/` nothing is written, and pages are what they are without this extension.
"""

import hashlib
import json
import os
import re
import shutil
from html import escape
from pathlib import Path

import package_wheel
import stubs

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "book" / "_assets" / "run"
ALSO = [  # drawings of a run are made as those of the site
    ROOT / "book" / "_vendor" / "codemirror" / "codemirror.mjs",
    ROOT / "book" / "_ext" / "figures.py",
    ROOT / "book" / "_ext" / "palette.py",
]
OLD = 315_532_800  # 1980; a browser that is told no age takes a tenth of that since the last change
BUTTON = (
    '<div class="run-here pst-js-only"><button type="button" class="btn btn-sm" data-run="start" data-page="{page}" '
    "onclick=\"import('{address}').then(m=>m.start(this),()=>this.nextElementSibling.textContent="
    "'Python could not be loaded: this site did not answer.')\">Run this page here</button>"
    '<p role="status" data-run-status>About {megabytes} MB, once; your code stays on this machine.</p></div>'
)


def runtime(root=ROOT):
    """What `make runtime` has assembled, or nothing."""
    file = root / "_runtime" / "runtime.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def scripts():
    files = [*SCRIPTS.iterdir(), *ALSO]
    return {path.name: path.read_bytes() for path in sorted(files) if path.suffix in (".mjs", ".css", ".py")}


def folder(there):
    """Where the runtime is published: another name whenever a file of it is another."""
    sums = json.dumps([[name, entry["sha256"]] for name, entry in sorted(there["files"].items())])
    return f"{there['folder']}-{hashlib.sha256(sums.encode()).hexdigest()[:8]}"


def version():
    """Of all scripts together: they import each other."""
    parts = [f"{name} {hashlib.sha256(body).hexdigest()}" for name, body in scripts().items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def size(there):
    """What the first click loads."""
    return there["bytes"] + len(package_wheel.wheel()[1]) + sum(map(len, scripts().values()))


def button(page, address, size):
    return BUTTON.format(page=escape(page), address=address, megabytes=round(size / 1e6))


def put_button(app, pagename, templatename, context, doctree):
    if app.config.run_here and context.get("body") and has_cells(app, pagename):
        where, total = app.config.run_here.split()
        address = context["pathto"](f"run/{where}/page.mjs", 1)
        html = button(pagename.rsplit("/", 1)[-1], address, int(total))
        context["body"] = re.sub(r"</h1>", lambda end: end.group() + "\n" + html, context["body"], count=1)


def has_cells(app, name):
    return name in app.env.found_docs and app.env.doc2path(name).endswith(".ipynb")


def about(path, there):
    """`run/PAGE.json`; addresses are seen from there."""
    name, body = package_wheel.wheel()
    sums = {name: {key: entry[key] for key in ("sha256", "bytes")} for name, entry in there["files"].items()}
    total = hashlib.sha256(body).hexdigest()
    return {
        "runtime": {"folder": f"../runtime/{folder(there)}/", "bytes": there["bytes"] + len(body)},
        "wheel": f"../runtime/companion-{total[:12]}/{name}",
        "files": {**sums, name: {"sha256": total, "bytes": len(body)}},
        "scripts": [script for script in scripts() if script.endswith(".py")],
        "cells": stubs.cells(path),
    }


def keep(path, body):
    """A file of a folder that has a version in its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != body:
        path.write_bytes(body)
    os.utime(path, (OLD, OLD))


def write(app, exception):
    if exception or app.builder.name != "html":
        return
    out, there = Path(app.outdir), runtime()
    name, body = package_wheel.wheel()
    ours = f"companion-{hashlib.sha256(body).hexdigest()[:12]}"
    for old in [*out.glob("run/*"), *out.glob("runtime/*")]:  # of earlier builds
        if there is None or old.name not in (version(), folder(there), ours):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    if there is None:
        return
    keep(out / "runtime" / ours / name, body)
    for name, body in scripts().items():
        keep(out / "run" / version() / name, body)
    for name in there["files"]:
        keep(out / "runtime" / folder(there) / name, (ROOT / "_runtime" / there["folder"] / name).read_bytes())
    for page in sorted(app.env.found_docs):
        if has_cells(app, page):
            text = json.dumps(about(Path(app.env.doc2path(page)), there), ensure_ascii=False)
            (out / "run" / f"{page.rsplit('/', 1)[-1]}.json").write_text(text, encoding="utf-8")


def configure(app, config):
    """In the configuration, so that all pages are written anew when there is another version, or none any more."""
    there = runtime()
    config.run_here = f"{version()} {size(there)}" if there else ""


def setup(app):
    app.add_config_value("run_here", "", "html", [str])
    app.connect("config-inited", configure)
    app.connect("html-page-context", put_button, priority=850)
    app.connect("build-finished", write, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
