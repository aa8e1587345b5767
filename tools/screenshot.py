"""Pictures of a built page: wide, phone, dark and print.

    python tools/screenshot.py _build/html book/divergence.html --out shots
    python tools/screenshot.py _build/html book/divergence.html --at "#exercises"

Needs Chromium and `pip install -r tests/requirements-browser.txt`.
"""

import argparse
import functools
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

VIEWS = {  # name: (width, colour scheme, medium)
    "wide": (1280, "light", "screen"),
    "phone": (360, "light", "screen"),
    "dark": (1280, "dark", "screen"),
    "phone-dark": (360, "dark", "screen"),
    "print": (794, "light", "print"),
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("html", type=Path, help="folder of the built site")
    parser.add_argument("page", nargs="+", help="page inside it, e.g. book/index.html")
    parser.add_argument("--out", type=Path, default=Path("shots"))
    parser.add_argument("--at", help="CSS selector: one screenful from this element on, not the whole page")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--no-js", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    handler = functools.partial(Quiet, directory=options.html)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in options.page:
            for view in options.views:
                width, scheme, medium = VIEWS[view]
                page = browser.new_page(
                    viewport={"width": width, "height": 800 if options.at else 1200},
                    color_scheme=scheme,
                    java_script_enabled=not options.no_js,
                )
                page.goto(f"http://127.0.0.1:{server.server_port}/{name}", wait_until="load")
                page.emulate_media(media=medium, color_scheme=scheme)
                if not options.no_js:  # pictures further down load only when they come near
                    page.evaluate("""() => Promise.all([...document.images].map((image) => {
                        image.loading = "eager";
                        return image.decode().catch(() => {});
                    }))""")
                page.wait_for_load_state("networkidle")
                page.add_style_tag(content="html { scroll-behavior: auto !important }")
                # what is far from the window would stay blank
                page.add_style_tag(content="section { content-visibility: visible !important }")
                if options.at:
                    page.locator(options.at).first.evaluate("e => e.scrollIntoView()")
                page.wait_for_timeout(300)
                target = options.out / f"{Path(name).with_suffix('').as_posix().replace('/', '-')}-{view}.png"
                page.screenshot(path=target, full_page=not options.at)
                print(target)
                page.close()
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
