"""How figures look, in one place: call `use_style()` at the top of a chapter.

Colours are Okabe and Ito's, told apart by colour-blind readers, and every curve also has a dash pattern of its own, so
that a page printed in grey still works. Nothing happens at import.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from companion import checks

#: The distribution that is true or observed, p.
DATA = "#0072B2"
#: The model or belief, q.
MODEL = "#D55E00"
#: A second model, or the quantity that both share.
THIRD = "#008060"
#: A fourth series where one is needed.
FOURTH = "#A0457A"
#: Marks, guides and constants.
GREY = "#5A5A5A"

_STYLE: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "axes.prop_cycle": cycler(color=[DATA, MODEL, THIRD, FOURTH], linestyle=["-", "--", "-.", ":"]),
}


def use_style() -> None:
    """Set the book's figure style for this session.

    >>> use_style()
    >>> mpl.rcParams["axes.grid"]
    True
    """
    mpl.rcParams.update(_STYLE)


def panels(count: int = 1, height: float = 3.2, width: float = 7.2, **kwargs: Any) -> tuple[Figure, Any]:
    """A figure with `count` panels side by side, `width` × `height` inches, sized for the text column; returns the
    figure and its axes, one or an array of them. Further arguments are those of ``plt.subplots``.

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
    for name, inches in (("width", width), ("height", height)):
        inches = checks.scalar("panels", name, inches, fix)
        if not 0.5 <= inches <= 50:
            checks.fail("panels", name, inches, "from 0.5 to 50 inches", fix)
        size.append(inches)
    return plt.subplots(1, count, figsize=size, **kwargs)
