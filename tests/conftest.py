"""The built book and a browser, for the tests that look at pages as a reader does."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

# Threads that wait for each other slow small matrices down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
# Kernels import the package of this checkout, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
           --disable-component-update --disable-sync""".split()
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def build(tmp_path_factory):
    """The whole book, built once with warnings as errors: folder of HTML, exit code, warnings."""
    command = Path(sys.executable).with_name("jupyter-book")
    command = str(command) if command.exists() else shutil.which("jupyter-book")
    if command is None:
        pytest.fail("jupyter-book is not installed: pip install -r requirements.txt", pytrace=False)
    out = tmp_path_factory.mktemp("book")
    options = ["--path-output", str(out), "--all", "-W", "-n", "--keep-going"]
    run = subprocess.run(
        [command, "build", str(ROOT), *options], capture_output=True, text=True, env=plain_environment()
    )
    messages = run.stdout + run.stderr
    return (
        out / "_build" / "html",
        run.returncode,
        [line for line in messages.splitlines() if "WARNING:" in line or "ERROR:" in line] or messages[-2000:],
    )


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


@pytest.fixture(scope="module")  # closed before notebooks run: Playwright keeps an event loop of its own
def browser():
    """Chromium by Playwright, or a skip that says what is missing."""
    reason = "browser tests need: pip install -r tests/requirements-browser.txt"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"browser tests need one of: {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()
