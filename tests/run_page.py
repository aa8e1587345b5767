"""A page that runs in the reader's browser: a server that writes down what is asked of it and can fail in given ways,
and one window for Chromium and Firefox, so that a test is written once."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from firefox import Firefox
from site_visit import Looks

from conftest import BROWSERS, FLAGS

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
}
PATIENCE = 300  # seconds; on an idle machine nothing takes a tenth of them
# What browsers ask for of their own accord; that a page asks none of them is seen in Chromium.
THEIR_OWN = (".mozilla.org", ".mozilla.com", ".mozilla.net", ".firefox.com", ".google.com", ".googleapis.com")


class Server:
    """A folder served under a sub-path as GitHub Pages does, without compression.

    `log` has (path, status, bytes of the body) of every answer, `foreign` what was asked of other hosts by browsers
    that take this one for their proxy. `faults` maps a pattern of paths to bytes -> bytes, or to None for "404";
    while `down` is set, connections are closed without an answer.
    """

    def __init__(self, folder: Path, under: str = "/a/book", faults: dict | None = None):
        self.folder, self.under, self.faults = folder, under, faults or {}
        self.log: list[tuple[str, int, int]] = []
        self.foreign: list[str] = []
        self.down = False
        serving = self

        class Handler(_Handler):
            server_of = serving

        self.http = _Http(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.address = self.origin + under
        self.thread = threading.Thread(target=self.http.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def found(self, path: str) -> bytes | None:
        """What stands at a path of the address, faults included."""
        path = posixpath.normpath(path.partition("?")[0])
        if not path.startswith(self.under):
            return None
        file = self.folder / path[len(self.under) :].lstrip("/")
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file():
            return None
        body = file.read_bytes()
        for pattern, fault in self.faults.items():
            if re.search(pattern, path):
                body = fault(body) if fault else None
        return body

    def asked(self, part: str = "") -> list[str]:
        return [path for path, _, _ in self.log if part in path]

    def sent(self, part: str = "") -> int:
        """Bytes of the bodies that went out for paths with this part."""
        return sum(size for path, _, size in self.log if part in path)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A reader who goes on, or whose Python is stopped, breaks off what is under way."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: Server

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.server_of.foreign.append(self.path)
        self.send_error(502)

    def do_GET(self):
        site = self.server_of
        if site.down:
            self.close_connection = True
            return
        if self.path.startswith("http"):  # to a proxy
            self.do_CONNECT()
            return
        body = site.found(self.path)
        if body is None:
            self.answer(404, b"not found", "text/plain")
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        kind = TYPES.get(Path(self.path.partition("?")[0]).suffix, "application/octet-stream")
        fresh = self.headers.get("If-None-Match") != tag
        self.answer(200 if fresh else 304, body if fresh else b"", kind, tag)

    def answer(self, status: int, body: bytes, kind: str, tag: str = ""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
            self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the reader has gone on
            self.wfile.write(body)
        self.server_of.log.append((self.path, status, len(body)))


class Page:
    """A page with cells to run, in any browser; what is browser's own is in the classes below."""

    server: Server
    visit: Any  # `Looks`, and in Chromium more

    def go(self, name: str):
        raise NotImplementedError

    def js(self, expression: str, *given) -> Any:
        """The value of an expression on the page, which knows `given` by this name."""
        raise NotImplementedError

    def press(self, key: str):
        raise NotImplementedError

    def click(self, css: str):
        raise NotImplementedError

    def until(self, expression: str, *given, seconds: float = PATIENCE):
        """The value of an expression once it is true."""
        end = time.monotonic() + seconds
        while not (value := self.js(expression, *given)):
            assert time.monotonic() < end, f"after {seconds} s not: {expression} {given}; {self.situation()}"
            time.sleep(0.1)
        return value

    def situation(self) -> str:
        """What the page says of itself, for the message of a test that failed."""
        return self.js("""[document.querySelector("[data-run-status]")?.outerHTML,
            ...[...document.querySelectorAll("[data-cell]")].map((c) => `${c.dataset.cell}: ${c.dataset.state}`),
            ].join("; ")""")

    def phase(self) -> str:
        return self.js("document.querySelector('[data-run-status]')?.dataset.phase ?? ''")

    def says(self) -> str:
        return self.js("document.querySelector('[data-run-status]').innerText.trim()")

    def start(self, seconds: float = PATIENCE) -> str:
        """Press the button; what the page says when it has done what it can."""
        offer = self.says()
        self.click('[data-run="start"]')
        self.until(
            """((status) => status.innerText.trim() !== given[0] && status.dataset.phase !== "loading")(
                document.querySelector("[data-run-status]"))""",
            offer,
            seconds=seconds,
        )
        return self.says()

    def state(self, cell: str) -> str:
        return self.js("document.querySelector(`[data-cell='${given[0]}']`).dataset.state", cell)

    def differs(self, cell: str) -> bool:
        return self.js("document.querySelector(`[data-cell='${given[0]}']`).hasAttribute('data-differs')", cell)

    def output(self, cell: str) -> str:
        """What stands below the code of a cell."""
        return self.js(
            "[...document.querySelectorAll(`[data-cell='${given[0]}'] .cell_output`)].map((o) => o.innerText).join('')",
            cell,
        )

    def verdict(self, cell: str) -> str:
        """What stands beside the buttons of a cell or an answer."""
        return self.js("document.querySelector(`[data-cell='${given[0]}'] .run-said`).innerText.trim()", cell)

    def act(self, cell: str, what: str):
        self.reach(cell)
        self.click(f'[data-cell="{cell}"] [data-act="{what}"]')

    def reach(self, cell: str):
        """Unfold what the cell lies in, as a reader does before."""
        self.js(
            """(() => {
                const cell = document.querySelector(`[data-cell='${given[0]}']`);
                for (let box = cell; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
            })()""",
            cell,
        )

    def settled(self, cell: str, seconds: float = PATIENCE) -> str:
        """The state of a cell when it no longer waits or runs; cells that ask first are let run."""
        return self.until(
            """(([state]) => (document.querySelector("[data-run-status] [data-act=yes]")?.click(),
                !["queued", "running"].includes(state) && state))(
                [document.querySelector(`[data-cell='${given[0]}']`).dataset.state])""",
            cell,
            seconds=seconds,
        )

    def run(self, cell: str, what: str = "run", seconds: float = PATIENCE) -> str:
        self.act(cell, what)
        return self.settled(cell, seconds)

    def editor(self, cell: str) -> str:
        """Go into the editor of a cell or an answer, and return its text."""
        box = f'[data-cell="{cell}"] :is(textarea, [contenteditable=true])'
        if not self.js("document.querySelector(given[0]) !== null", box):
            self.act(cell, "edit")
            self.until("document.querySelector(given[0]) !== null", box)
        self.js("document.querySelector(given[0]).focus()", box)
        return self.js(
            """((box) => box.value ?? [...box.querySelectorAll(".cm-line")].map((l) => l.textContent).join("\\n"))(
                document.activeElement)"""
        )

    def write(self, text: str):
        """Text in place of the one in the editor that has the focus, as if pasted."""
        self.press("Control+a")
        self.js("document.execCommand('insertText', false, given[0])", text)

    def rewrite(self, cell: str, source: str, seconds: float = PATIENCE) -> str:
        """Write and run new code of a cell by the keyboard."""
        self.editor(cell)
        self.write(source)
        self.press("Shift+Enter")
        return self.settled(cell, seconds)

    def run_all(self, seconds: float = PATIENCE):
        """Run the whole page; those of its cells that ask first are let run."""
        self.click('[data-run="all"]')
        self.until("document.querySelector('[data-phase=running]')")
        self.until(
            """(document.querySelector("[data-run-status] [data-act=yes]")?.click(),
                !document.querySelector("[data-phase=running], [data-phase=loading]"))""",
            seconds=seconds,
        )


class Lasting:
    """Chromium with a profile on the disk: the windows that Playwright opens otherwise keep no large file."""

    def __init__(self, browser, folder: Path):
        self.browser, self.folder, self.count = browser, folder, 0

    def new_context(self, **options):
        self.count += 1
        path = next(filter(None, map(shutil.which, BROWSERS)))
        return self.browser.browser_type.launch_persistent_context(
            self.folder / str(self.count), executable_path=path, args=FLAGS, **options
        )


class InChromium(Page):
    """In Chromium by Playwright; `visit` has what else the tests of pages look at."""

    name = "chromium"

    def __init__(self, visit, server: Server):
        self.visit, self.page, self.server = visit, visit.page, server

    def go(self, name: str):
        self.page.goto(f"{self.server.address}/{name}", wait_until="load")

    def js(self, expression: str, *given) -> Any:
        return self.page.evaluate(f"(given) => ({expression})", list(given))

    def press(self, key: str):
        self.page.keyboard.press(key)

    def click(self, css: str):
        self.page.locator(css).first.click(timeout=10_000)

    def complaints(self) -> list[str]:
        return self.visit.complaints

    def outside(self) -> list[str]:
        return self.visit.outside()

    def forbid_wasm(self):
        self.page.add_init_script("delete window.WebAssembly")


class InFirefox(Page):
    """In Firefox, whose proxy for other hosts is the server."""

    name = "firefox"

    def __init__(self, firefox: Firefox, server: Server):
        self.firefox, self.server, self.visit = firefox, server, Looks(firefox)
        firefox.prefer("javascript.options.wasm", True)
        firefox.system(
            """for (const kind of ["http", "ssl"]) {
                Services.prefs.setStringPref(`network.proxy.${kind}`, "127.0.0.1");
                Services.prefs.setIntPref(`network.proxy.${kind}_port`, arguments[0]);
            }
            Services.prefs.setIntPref("network.proxy.type", 1);""",
            server.port,
        )
        self.js, self.press, self.click = firefox.js, firefox.press, firefox.click  # type: ignore[method-assign]

    def go(self, name: str):
        self.firefox.go(f"{self.server.address}/{name}")

    def complaints(self) -> list[str]:
        return self.firefox.complaints(self.server.origin)

    def outside(self) -> list[str]:
        host = lambda asked: asked.split("://")[-1].split("/")[0].split(":")[0]
        return [asked for asked in self.server.foreign if not f".{host(asked)}".endswith(THEIR_OWN)]

    def forbid_wasm(self):
        self.firefox.prefer("javascript.options.wasm", False)
