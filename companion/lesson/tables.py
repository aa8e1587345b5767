"""Tables for pages: one call shows the same rows as text in a terminal and as a table in a notebook or on the web."""

from __future__ import annotations

import functools
import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from companion import checks

#: Where cells run on a page without a notebook's kernel: what shows a table there, given as text and as HTML by type.
on_page: Callable[[dict[str, str]], object] | None = None

_FIX = "Pass columns by their heading, e.g. show({'n': [1, 2], 'KL': [0.5, 0.25]})."
_NUMBERS = (int, float, np.number)
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def show(columns: Mapping[str, Sequence[Any] | np.ndarray], digits: int | Mapping[str, int | str] = 4) -> None:
    """Show columns of equal length as a table, numbers to `digits` significant digits.

    Parameters
    ----------
    columns : mapping of str to sequence
        Values by heading. Texts stand at the left, numbers at the right; whole numbers get separators of thousands,
        numbers below 1e-4 or from 1e6 on powers of ten. A cell that is None stays empty.
    digits : int or mapping of str to int or str
        Significant digits of all columns, or by heading, where a text is a format such as ``".3f"``. Headings left out
        get 4. Print only digits that hold on every machine.

    Raises
    ------
    ValueError, TypeError
        If there are no columns, they differ in length, or `digits` names a heading that does not exist.

    Examples
    --------
    >>> show({"pair": ["near", "far"], "n": [10, 12000], "KL": [1.25e-9, 0.693147]}, digits={"KL": 3})
    pair       n           KL
    ----  ------  -----------
    near      10  1.25 · 10⁻⁹
    far   12,000        0.693
    """
    cells = _cells(columns, digits)
    numeric = [all(isinstance(value, _NUMBERS) or value is None for value in values) for values in columns.values()]
    text = _text(list(columns), cells, numeric)
    page = on_page or _notebook()
    if page is None:
        print(text)
    else:
        page({"text/plain": text, "text/html": _html(list(columns), cells, numeric)})


def _notebook():
    """What shows a table in a notebook, None elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    return functools.partial(display, raw=True) if hasattr(get_ipython(), "kernel") else None


def _cells(columns, digits):
    if not isinstance(columns, Mapping):
        checks.fail("tables.show", "columns", columns, "a mapping of headings to values", _FIX, TypeError)
    if not columns:
        checks.fail("tables.show", "columns", columns, "at least one column", _FIX)
    empty = [heading for heading in columns if not isinstance(heading, str) or not heading.strip()]
    if empty:
        checks.fail("tables.show", "columns", empty[0], "a heading in words", "Readers hear the heading of each cell.")
    rows = {heading: list(values) for heading, values in columns.items()}
    lengths = {heading: len(values) for heading, values in rows.items()}
    if len(set(lengths.values())) > 1 or not min(lengths.values()):
        checks.fail("tables.show", "columns", lengths, "columns of one length, at least 1", _FIX)
    formats = dict(digits) if isinstance(digits, Mapping) else dict.fromkeys(rows, digits)
    unknown = [heading for heading in formats if heading not in rows]
    if unknown:
        checks.fail("tables.show", "digits", unknown, f"headings among {', '.join(rows)}", "Name a column.")
    return [[_shown(value, formats.get(heading, 4)) for value in values] for heading, values in rows.items()]


def _shown(value, form):
    """One cell as text."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if not isinstance(value, _NUMBERS):
        return "" if value is None else str(value)
    whole = isinstance(value, (int, np.integer))
    if not whole and not math.isfinite(value):
        return {"inf": "∞", "-inf": "−∞"}.get(str(float(value)), "NaN")
    if isinstance(form, str):
        return f"{value:{form}}".replace("-", "−")
    if whole:
        return f"{value:,}".replace("-", "−")
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.{form - 1}e}".partition("e")
        return f"{mantissa.replace('-', '−')} · 10{str(int(power)).translate(_RAISED)}"
    places = max(0, form - 1 - math.floor(math.log10(abs(value)))) if value else form - 1
    return f"{value + 0.0:,.{places}f}".replace("-", "−")


def _text(headings, cells, numeric):
    widths = [max(map(len, [heading, *column])) for heading, column in zip(headings, cells)]
    sides = [">" if number else "<" for number in numeric]

    def line(values):
        return "  ".join(f"{v:{s}{w}}" for v, s, w in zip(values, sides, widths)).rstrip()

    return "\n".join([line(headings), line(["-" * width for width in widths]), *map(line, zip(*cells))])


def _html(headings, cells, numeric):
    def row(tag, values):
        kinds = [' class="number"' if number else "" for number in numeric]
        return "<tr>" + "".join(f"<{tag}{k}>{_marked(v)}</{tag}>" for v, k in zip(values, kinds)) + "</tr>"

    body = "\n".join(row("td", values) for values in zip(*cells))
    return f'<table class="folding lesson">\n<thead>{row("th", headings)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>'


def _marked(text):
    """Escaped, with code between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
