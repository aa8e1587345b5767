"""How figures look, in one place: call `use_style()` at the top of a chapter.

Colours are named by their role and stand in `data/palette.json`, each for a light and for a dark page; colour-blind
readers tell them apart, and every curve also has a dash pattern of its own, so that a page printed in grey still works.
In a notebook figures are stored as SVG. The site makes the dark version of each, and stacks its panels on a phone.
Nothing happens at import.
"""

from __future__ import annotations

import io
import json
import re
import sys
from importlib import resources
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.rcsetup import cycler
from matplotlib.transforms import Bbox

from companion import checks

#: The colours of each role: on a light page, on a dark page.
PALETTE: dict[str, tuple[str, str]] = {
    role: (light, dark)
    for role, (light, dark) in json.loads(
        (resources.files("companion.lesson") / "data" / "palette.json").read_text(encoding="utf-8")
    ).items()
}
#: The distribution that is true or observed, p.
DATA = PALETTE["data"][0]
#: The model or belief, q.
MODEL = PALETTE["model"][0]
#: A second model, or the quantity that both share.
THIRD = PALETTE["third"][0]
#: A fourth series where one is needed.
FOURTH = PALETTE["fourth"][0]
#: Marks, guides and constants.
GREY = PALETTE["grey"][0]
#: Text and outlines.
INK = PALETTE["ink"][0]
#: Areas behind curves, bands and bars of no role.
SOFT = PALETTE["soft"][0]

TEXT = 11.0  # points, one size for all: at least 11 pixels of a phone
WIDE, SINGLE = 7.2, 4.5  # inches: panels fill the text column; one panel fits a phone as it is
# As large as asked, pixels inside at twice the size on the page, no date.
_STORED: Any = {"bbox_inches": None, "dpi": 192, "metadata": {"Date": None, "Creator": None}}
MANY = 5_000  # more marks than this are stored as pixels

_STYLE: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "figure.facecolor": PALETTE["ground"][0],
    "savefig.facecolor": PALETTE["ground"][0],
    "axes.facecolor": PALETTE["ground"][0],
    "figure.constrained_layout.use": True,
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "text.color": INK,
    "axes.titlecolor": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "patch.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": PALETTE["grid"][0],
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.prop_cycle": cycler(color=[DATA, MODEL, THIRD, FOURTH], linestyle=["-", "--", "-.", ":"]),
    "svg.fonttype": "path",  # letters are drawn, so that every reader sees the same figure
    "svg.hashsalt": "likelihood and divergence",  # names inside a file do not change from run to run
}


def use_style() -> None:
    """Set the book's figure style for this session; in a notebook, store figures as SVG.

    >>> use_style()
    >>> mpl.rcParams["axes.grid"]
    True
    """
    mpl.rcParams.update(_STYLE)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.config import InlineBackend

        inline = InlineBackend.instance()
        inline.print_figure_kwargs = dict(_STORED)
        inline.figure_formats = {"svg"}
        shell.display_formatter.formatters["image/svg+xml"].for_type(_Picture, _drawing)


def _column(axes: Any, count: int) -> int:
    place = axes.get_subplotspec()
    if place is not None and place.get_gridspec().ncols == count:
        return place.colspan.start
    return min(count - 1, int(count * np.mean(axes.get_position(True).intervalx)))


class _EqualColumns(ConstrainedLayoutEngine):
    """Constrained layout, then columns of equal width: the site cuts there to stack the panels on a phone."""

    def execute(self, fig: Any) -> None:
        super().execute(fig)
        count = max(axes.get_gridspec().ncols for axes in fig.axes if axes.get_gridspec())
        renderer, pad = fig._get_renderer(), self.get()["w_pad"] / fig.get_figwidth()
        for column in range(count):
            inside = [axes for axes in fig.axes if _column(axes, count) == column]
            if not inside:
                continue
            main = inside[0]
            old, own = main.get_position(True), main.get_position()
            seen = Bbox.union([box for a in inside if (box := a.get_tightbbox(renderer)) is not None])
            seen = seen.transformed(fig.transFigure.inverted())
            left = column / count + max(0, own.x0 - seen.x0) + pad
            right = (column + 1) / count - max(0, seen.x1 - own.x1) - pad
            for axes in inside:
                box = axes.get_position(True)
                if axes is main or np.allclose(box.intervalx, old.intervalx, atol=1e-9):
                    axes._set_position(Bbox.from_extents(left, box.y0, right, box.y1), which="original")
                elif box.x0 >= old.x1:  # a colour bar
                    axes._set_position(box.translated(right - old.x1, 0), which="original")
                axes.set_gid(f"panel-{column + 1}")


class _Picture(Figure):
    """A figure whose heaviest parts are stored as pixels."""

    def draw(self, renderer: Any) -> None:
        for line in self.findobj(Line2D):
            if line.get_marker() not in ("None", None, "", " ") and np.size(line.get_xdata(orig=False)) > MANY:
                line.set_rasterized(True)
        for collection in self.findobj(Collection):
            if len(np.atleast_2d(collection.get_offsets())) > MANY:
                collection.set_rasterized(True)
        super().draw(renderer)


def _compact(path: re.Match[str]) -> str:
    """A line from vertex to vertex as steps on a grid of a tenth or hundredth of a point, which is a third as long;
    vertices of long lines closer to each other than a fifth of a point are one."""
    words = re.findall(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?", path[1])
    end = words.pop() if words[-1:] == ["z"] else ""
    digits, least = (1, 0.2) if len(words) > 600 else (2, 0.0)
    if len(words) % 3 or not set(words[::3]) <= {"M", "L"}:
        short = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.{digits}f}", path[1])
        return f' d="{" ".join(short.split())}"'
    steps, last, previous = [], (0.0, 0.0), ""
    for place, (letter, x, y) in enumerate(zip(words[::3], words[1::3], words[2::3]), 1):
        here = round(float(x), digits), round(float(y), digits)
        if letter == "M":
            steps.append(f"M{here[0]:.10g} {here[1]:.10g}")
        elif max(abs(here[0] - last[0]), abs(here[1] - last[1])) < least and 3 * place < len(words):
            continue
        else:
            by = [f"{round(now - then, digits) + 0.0:.10g}" for now, then in zip(here, last)]
            steps.append(("l" if previous == "M" else " ") + " ".join(by))
        last, previous = here, letter
    return f' d="{"".join(steps)}{end}"'


def _once(group: re.Match[str]) -> str:
    """What all marks of a scatter repeat is said once, by their group."""
    styles = set(re.findall(r"<use[^>]*? style=\"([^\"]*)\"", group[0]))
    if len(styles) != 1 or group[0].count("<use") != group[0].count(" style="):
        return group[0]
    (style,) = styles
    marks = re.sub(r"(\b[xy]=\")(-?[\d.]+)", lambda m: f"{m[1]}{float(m[2]):.1f}", group[0])
    return f'<g style="{style}">' + marks.replace(f' style="{style}"', "") + "</g>"


def _drawing(figure: Figure) -> str:
    """A figure as a short SVG, the same in every run; this is what a notebook stores.

    >>> use_style()
    >>> figure, axes = panels(2)
    >>> text = _drawing(figure)
    >>> text[:4], 'id="panel-2"' in text
    ('<svg', True)
    >>> plt.close(figure)
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", **_STORED)
    text = out.getvalue()[out.getvalue().index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r' d="([^"]*)"', _compact, text)
    text = re.sub(r"(?:<use [^>]*/>\s*){3,}", _once, text)
    return re.sub(r"\s*\n\s*", "\n", text).strip() + "\n"


def panels(count: int = 1, height: float = 3.2, width: float | None = None, **kwargs: Any) -> tuple[Figure, Any]:
    """A figure with `count` panels side by side, `width` × `height` inches; returns the figure and its axes, one or an
    array of them. Several panels are as wide as the text, 7.2 inches, and have columns of equal width, each complete
    in itself: on a phone they are stacked. One panel is 4.5 inches wide, so that its text is legible there as well.
    Further arguments are those of ``plt.subplots``.

    >>> figure, axes = panels(2)
    >>> len(axes)
    2
    >>> plt.close(figure)
    """
    fix = "A figure as wide as the text is 7.2 inches wide."
    count = checks.positive_integer("panels", "count", count, "Pass how many panels stand side by side, e.g. 2.")
    if count > 12:
        checks.fail("panels", "count", count, "at most 12 panels in a row", "Draw several figures.")
    size = []
    for name, inches in (("width", (SINGLE if count == 1 else WIDE) if width is None else width), ("height", height)):
        inches = checks.scalar("panels", name, inches, fix)
        if not 0.5 <= inches <= 50:
            checks.fail("panels", name, inches, "from 0.5 to 50 inches", fix)
        size.append(inches)
    figure, axes = plt.subplots(1, count, figsize=size, FigureClass=_Picture, **kwargs)
    if count > 1:
        figure.set_layout_engine(_EqualColumns())
        for each in np.ravel(axes):  # scales may be shared, but a stacked panel shows its own
            each.tick_params(labelleft=True)
    return figure, axes
