"""How long a page takes to run in the reader's browser, beside the same cells in Python itself.

    python tools/run_times.py _build/html book/divergence.html
    python tools/run_times.py _build/html book/em.html --browser firefox

Prints seconds from the click to the first cell's result, on a first and on a second visit, with the bytes that
went over the wire; and of a run of all cells, in the browser and here. Needs the runtime (`make runtime`), a
browser and `pip install -r tests/requirements-browser.txt`. The network is this machine: add the download.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "book" / "_ext")]

from firefox import Firefox, installed  # noqa: E402
from run_page import InChromium, InFirefox, Lasting, Server  # noqa: E402
from site_visit import Visit  # noqa: E402
from stubs import cells  # noqa: E402

from conftest import OPEN, chromium  # noqa: E402

NATIVE = """
import sys, time
sources = open(0, encoding="utf-8").read().split(chr(0))
space, start = {"__name__": "__main__"}, time.perf_counter()
for source in sources:
    exec(compile(source, "cell", "exec"), space)
print("took", time.perf_counter() - start)
"""


def native(notebook: Path) -> float:
    """Seconds that all cells take in a process of their own, drawing included."""
    sources = [cell["source"] for cell in cells(notebook)]
    draw = "import io, matplotlib.pyplot as plt\ndef show():\n"
    draw += (
        " for n in plt.get_fignums(): plt.figure(n).savefig(io.BytesIO(), format='svg'); plt.close(n)\nplt.show = show"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    run = subprocess.run(
        [sys.executable, "-c", NATIVE],
        input="\0".join([draw, *sources]),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return float(run.stdout.split("took")[-1])


@contextlib.contextmanager
def pages(browser: str, server: Server, name: str):
    if browser == "firefox":
        firefox = Firefox(installed() or "firefox")
        try:
            page = InFirefox(firefox, server)
            page.go(name)
            yield page
        finally:
            firefox.quit()
    else:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            OPEN,
            Visit(Lasting(chromium(), Path(folder)), server.address, name) as visit,
        ):
            yield InChromium(visit, server)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("html", type=Path, help="folder of the built site")
    parser.add_argument("page", nargs="+", help="page inside it, e.g. book/divergence.html")
    parser.add_argument("--browser", choices=["chromium", "firefox"], default="chromium")
    options = parser.parse_args()
    for name in options.page:
        notebook = ROOT / Path(name).with_suffix(".ipynb")
        first = cells(notebook)[0]["id"]
        with Server(options.html) as server, pages(options.browser, server, name) as page:
            for visit in ("first", "second"):
                page.go(name)
                server.log.clear()
                begun = time.perf_counter()
                page.start()
                page.run(first)
                taken = time.perf_counter() - begun
                print(f"{name}, {visit} visit: first result after {taken:.1f} s, {server.sent('runtime/'):,} bytes")
            begun = time.perf_counter()
            page.run_all(seconds=600)
            taken = time.perf_counter() - begun
        alone = native(notebook)
        print(f"{name}, all cells: {taken:.1f} s here, {alone:.1f} s in Python: {taken / alone:.1f} times")


if __name__ == "__main__":
    main()
