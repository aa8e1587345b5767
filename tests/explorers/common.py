"""What the tests of all explorers share: the explorers run in QuickJS, and a page with them in a browser.

An explorer has one file here, `test_NAME.py`, which begins with ``from explorers.every import *`` and states

    NAME     the explorer
    STATES   at least eight states at which its numbers are compared
    numbers  state -> what its model must give, computed by `companion`
    by_hand  state -> the same by SciPy or sums alone
    SHOWN    the numbers of the readout, in their order, with the decimals of each ("4e": in scientific notation);
             a function of (state, numbers) instead of decimals gives the value as well: (decimals, function)
    SPOKEN   those that the status says with four decimals, if any; DRAGS  [(index of a handle, key of the state)]
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import itertools
import json
import re
import shutil
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

explorer = pytest.importorskip("explorer", reason="the book's requirements (requirements.txt) are not installed")
import palette  # noqa: E402

MINUS = "−"
VISITS = itertools.count()


def model(name, state):
    return explorer.run(f"Explorer.get({json.dumps(name)}).model({json.dumps(state)})")


def start(name):
    return explorer.run(f"Explorer.get({json.dumps(name)}).start")


def controls(name):
    return explorer.run(f"Explorer.get({json.dumps(name)}).controls")


def buttons(name):
    return explorer.run(f"Explorer.get({json.dumps(name)}).actions.map(a => a.key)")


def act(name, key, state):
    """State and note after the button `key` was pressed at `state`."""
    code = f"Explorer.get({json.dumps(name)}).actions.find(a => a.key === {json.dumps(key)}).run({json.dumps(state)})"
    answer = explorer.run(code)
    return {**state, **answer["state"]}, answer["note"]


def view(name, state, width=640):
    code = f"(s => (e => e.view(s, e.model(s), {width}))(Explorer.get({json.dumps(name)})))({json.dumps(state)})"
    return explorer.run(code)


def gradient(function, x, y, h=1e-5):
    return [(function(x + h, y) - function(x - h, y)) / (2 * h), (function(x, y + h) - function(x, y - h)) / (2 * h)]


def panels(function, cuts, nodes=48):
    """The integral of a smooth function of arrays between the outermost `cuts`, by Gauss–Legendre on each panel.

    To all digits, as SciPy's `quad` with one point a call is, which takes a thousand times as long.
    """
    x, weights = np.polynomial.legendre.leggauss(nodes)
    low, high = np.array(cuts[:-1])[:, None], np.array(cuts[1:])[:, None]
    return float(np.sum(function((low + high) / 2 + (high - low) / 2 * x) * weights * (high - low) / 2))


def tree(markup):
    return ElementTree.fromstring(markup)


# --- in the browser -----------------------------------------------------------------------------------------------
class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def write_page(folder, names):
    """A page with these explorers, in the colours of the theme; also ``python tests/explorers/common.py FOLDER NAME ...``"""
    shutil.copytree(explorer.FOLDER, folder / "explorers")
    import pydata_sphinx_theme

    theme = next(Path(pydata_sphinx_theme.__file__).parent.rglob("pydata-sphinx-theme.css"))
    shutil.copy(theme, folder / "theme.css")
    (folder / "palette.css").write_text(palette.css(), encoding="utf-8")
    sheets = "".join(
        f'<link rel="stylesheet" href="{css}">' for css in ("theme.css", "palette.css", "explorers/explorer.css")
    )
    scripts = "".join(f'<script defer src="explorers/{name}.js"></script>' for name in [explorer.SHARED, *names])
    figures = "".join(
        f'<p><explorer-set data-name="{name}" data-state="{{}}">Set</explorer-set></p>'
        f'<figure class="explorer-frame">{explorer.render(name)}</figure>'
        for name in names
    )
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>Explorers</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f'{sheets}{scripts}</head><body><main style="width:100%;max-width:46rem;box-sizing:border-box;padding:0 1rem;'
        f'margin:0 auto">{figures}</main></body></html>',
        encoding="utf-8",
    )


@contextlib.contextmanager
def served(folder, names):
    """The address of such a page."""
    write_page(folder, names)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    server.shutdown()
    server.server_close()


# A page's clock for what waits: the status speaks after a quarter of a second, a hundred times in each file. The order
# of what happens stays as it is; what moves is drawn by another clock.
HASTE = (
    "((wait) => { window.setTimeout = (f, time, ...rest) => wait(f, (time || 0) / 10, ...rest); })(window.setTimeout)"
)


@functools.cache
def window_of(browser, **options):
    """A window, and what its page says on the console or asks of other machines: nothing, when a page is left.

    It stays open for the tests of all files. Each loads its page anew, but a new window takes ten times as long."""
    context = browser.new_context(**{"reduced_motion": "reduce", **options})
    context.add_init_script(HASTE)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: said.append(request.url) if not request.url.startswith(("http://127.0.0.1", "data:")) else None,
    )
    return page, said


@contextlib.contextmanager
def loaded(window, address, width=900, height=1000, scripts=True):
    """The page at its start in a window of this size."""
    page, said = window
    said.clear()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(media="screen")
    page.mouse.move(0, 0)
    page.goto(f"{address}?visit={next(VISITS)}")  # the same address again would be scrolled to where it was
    if scripts:
        page.wait_for_function(
            "document.querySelectorAll('.explorer').length === document.querySelectorAll('.explorer.ready').length"
        )
        settle(page)
    yield page
    assert said == []


def opened(browser, address, width=900, height=1000, **options):
    """The page in the window with these options of the browser."""
    return loaded(window_of(browser, **options), address, width, height, options.get("java_script_enabled", True))


def settle(page):
    """Wait until the figure is painted and the status has spoken."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 300))))")


def state_of(page, name):
    return page.evaluate(f"({{...document.querySelector('explorer-{name}').state}})")


def said(page, name):
    return page.locator(f"explorer-{name} [role=status]").inner_text()


def press(page, name, key):
    page.locator(f"explorer-{name} [data-action={key}]").click()
    settle(page)


def readout(page, name):
    """The numbers on the page, as numbers; a pair gives two."""
    texts = page.locator(f"explorer-{name} dd").all_inner_texts()
    signs = str.maketrans({MINUS: "-", "(": " ", ")": " ", ",": " ", "%": " ", "±": " "})
    words = (word for text in texts for word in text.translate(signs).split())
    return [float(word) for word in words if word != "at"]


def check_numbers(page, case):
    """What the page shows is what the model computes at the page's state, in this engine and in Python's."""
    state = state_of(page, case.NAME)
    numbers = model(case.NAME, state)
    shown = iter(readout(page, case.NAME))
    for key, digits in case.SHOWN.items():
        wanted = numbers.get(key)
        if isinstance(digits, tuple):
            digits, function = digits
            wanted = function(state, numbers)
        for value in np.atleast_1d(wanted):
            exponent = isinstance(digits, str)
            close = {"rel": 0.51 * 10.0 ** -int(digits[:-1]), "abs": 0} if exponent else {"abs": 0.51 * 10.0**-digits}
            assert next(shown) == pytest.approx(value, **close), key
    assert next(shown, None) is None
    for key in case.SPOKEN:
        assert f"{abs(numbers[key]):.4f}" in said(page, case.NAME)
    return numbers


def handle_at(page, name, index):
    """Centre of a handle, in CSS pixels of the window."""
    page.locator(f"explorer-{name} .explorer-figure").scroll_into_view_if_needed()
    box = page.locator(f"explorer-{name} .handle circle").nth(index).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


if __name__ == "__main__":
    write_page(Path(sys.argv[1]), sys.argv[2:] or explorer.names())
