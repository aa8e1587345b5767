"""The built book and a browser, for the tests that look at pages as a reader does."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from site_visit import axe, look  # noqa: F401 - fixtures of several files

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "_build" / "tested"  # where the tests build the book
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync""".split()
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def what_the_book_is_made_of() -> str:
    """Digest of every file and every installed package that a page may depend on."""
    packages = sorted({f"{d.name}=={d.version}" for d in importlib.metadata.distributions()})
    digest = hashlib.sha256("\n".join([sys.version, *packages]).encode())
    files = [path for folder in ("book", "companion") for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
    for path in [
        ROOT / "pyproject.toml",
        *sorted(ROOT.glob("_*.yml")),
        *sorted(ROOT.glob("_runtime/runtime.json")),
        *files,
    ]:
        if "__pycache__" not in path.parts and ".ipynb_checkpoints" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build_book(out: Path) -> tuple[int, list[str] | str]:
    """The whole book with warnings as errors, below the folder `out`: exit code and warnings."""
    command = Path(sys.executable).with_name("jupyter-book")
    command = str(command) if command.exists() else shutil.which("jupyter-book")
    if command is None:
        pytest.fail("jupyter-book is not installed: pip install -r requirements.txt", pytrace=False)
    options = ["--path-output", str(out), "--all", "-W", "-n", "--keep-going"]
    run = subprocess.run(
        [command, "build", str(ROOT), *options], capture_output=True, text=True, env=plain_environment()
    )
    messages = run.stdout + run.stderr
    found = [line for line in messages.splitlines() if "WARNING:" in line or "ERROR:" in line]
    return run.returncode, found or messages[-2000:]


@pytest.fixture(scope="session")
def build():
    """The whole book: folder of HTML, exit code, warnings. Built once, for all workers and until something changes."""
    digest, record = what_the_book_is_made_of(), BUILT / "record.json"
    BUILT.parent.mkdir(exist_ok=True)
    with open(BUILT.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be building
        found = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        if found.get("made of") != digest:
            shutil.rmtree(BUILT, ignore_errors=True)
            code, messages = build_book(BUILT)
            found = {"made of": digest, "code": code, "messages": messages}
            record.write_text(json.dumps(found), encoding="utf-8")
    return BUILT / "_build" / "html", found["code"], found["messages"]


@pytest.fixture(scope="session")
def site(build):
    """Folder of the book's HTML; a warning fails one test, not all that look at pages."""
    html, _, messages = build
    if not (html / "index.html").exists():
        pytest.fail(f"the book was not built: {messages}", pytrace=False)
    return html


def plain_environment():
    """Without colours, so that messages can be read and searched."""
    return {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def address(site):
    """The site served on this machine: its address, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


OPEN = contextlib.ExitStack()  # the browser, while there is one


@functools.cache
def chromium():
    """Chromium by Playwright, started once for all files of a worker; or what is missing."""
    reason = "browser tests need: pip install -r tests/requirements-browser.txt"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"browser tests need one of: {', '.join(BROWSERS)}")
    playwright = OPEN.enter_context(sync_api.sync_playwright())
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    OPEN.callback(browser.close)
    OPEN.callback(chromium.cache_clear)
    return browser


@pytest.fixture(scope="module")
def browser():
    return chromium()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem):
    """No browser while notebooks run: Playwright keeps an event loop of its own."""
    if nextitem is None or nextitem.nodeid.split("::")[0].endswith(".ipynb"):
        OPEN.close()


def pytest_sessionfinish():
    OPEN.close()
