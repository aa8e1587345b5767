"""Runs the cells of a page in Pyodide as a notebook does: tables, figures, and errors that a reader can read.

The page's worker and the tests (`tests/wasm/run.mjs`) load this one file as the module `harness`, once the packages and
the companion's wheel are in place: `start()`, then `run_cell` for each cell, `reset()` for a fresh namespace.
"""

import builtins
import importlib
import io
import linecache
import os
import sys
import traceback
import types
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from pyodide.code import eval_code_async

#: A backend of matplotlib as a module: figures are drawn in memory, and `plt.show()` gives them to the page.
BACKEND = "page_figures"
FIGURES = """\
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas
from harness import show_figures as show
"""
CELL = "cell "  # file names of cells, in tracebacks
PACKAGE = "/companion/"
_emit = lambda kind, data: None


def start():
    """Import the package, so that a file that did not arrive is noticed before the first cell, and take its output."""
    from companion.lesson import tables

    tables.on_page = lambda texts: show_html(texts["text/html"])
    Path(__file__).with_name(f"{BACKEND}.py").write_text(FIGURES, encoding="utf-8")
    importlib.invalidate_caches()
    os.environ["MPLBACKEND"] = f"module://{BACKEND}"
    builtins.input = _no_input
    reset()


def reset():
    """Forget what cells have defined."""
    main = types.ModuleType("__main__")
    main.__builtins__, main.display = builtins, display
    sys.modules["__main__"] = main
    _close()


async def run_cell(code, emit, name):
    """Run one cell. `emit(kind, data)` gets its output as it comes: stdout, stderr, html, text, svg, error. Returns
    whether the cell ran to its end."""
    global _emit
    file = CELL + name
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    _emit = emit
    out, err = _Stream("stdout"), _Stream("stderr")
    with redirect_stdout(out), redirect_stderr(err):
        try:
            value = await eval_code_async(code, globals=vars(sys.modules["__main__"]), filename=file)
            if value is not None:
                display(value)
            show_figures()
            return True
        except BaseException as error:  # exit() too: the interpreter goes on
            out.flush()
            err.flush()
            emit("error", report(error))
            return False
        finally:
            out.flush()
            err.flush()
            _close()


def report(error):
    """The traceback with the steps in cells and in the package, not those of what runs them."""
    found = traceback.TracebackException.from_exception(error)
    pending, seen = [found], set()
    while pending:
        part = pending.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        kept = [frame for frame in part.stack if frame.filename.startswith(CELL) or PACKAGE in frame.filename]
        for frame in kept:
            frame.filename = frame.filename[frame.filename.rfind(PACKAGE) + 1 :]
        part.stack[:] = kept
        pending += [part.__cause__, part.__context__, *(part.exceptions or [])]
    return "".join(found.format() if found.stack else found.format_exception_only()).rstrip() + "\n"


# --- what cells show ---


def display(*values):
    """As in a notebook: a table as a table, a figure as a figure, anything else as text."""
    for value in values:
        draws = getattr(value, "savefig", None)
        table = None if isinstance(value, type) else getattr(value, "_repr_html_", None)
        html = table() if callable(table) and not draws else None
        if draws:
            show_figure(value)
        elif isinstance(html, str):
            show_html(html)
        else:
            _flush()
            _emit("text", repr(value))


def show_html(text):
    _flush()
    _emit("html", text)


def show_figure(figure):
    """With the settings of stored figures."""
    from companion.lesson import plotting

    _flush()
    _emit("svg", plotting._drawing(figure))


def show_figures(*args, **kwargs):
    """What `plt.show()` does: all figures that are open, which are closed then."""
    plt = sys.modules.get("matplotlib.pyplot")
    for number in plt.get_fignums() if plt else ():
        show_figure(plt.figure(number))
    _close()


def _no_input(prompt=""):
    raise RuntimeError("input() cannot ask here; write the value into the cell")


def _close():
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")


def _flush():
    sys.stdout.flush()
    sys.stderr.flush()


class _Stream(io.TextIOBase):
    """Text goes to the page by lines, not by the two pieces that each `print` writes."""

    def __init__(self, kind):
        self.kind, self.waiting = kind, ""

    def writable(self):
        return True

    def write(self, text):
        self.waiting += text
        lines, end, rest = self.waiting.rpartition("\n")
        if end:
            self.waiting = rest
            _emit(self.kind, lines + end)
        return len(text)

    def flush(self):
        if self.waiting:
            text, self.waiting = self.waiting, ""
            _emit(self.kind, text)
