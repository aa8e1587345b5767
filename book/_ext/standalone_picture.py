"""An explorer as it begins, in one picture: what a notebook shows of it."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import explorer
import palette

SIZE = re.compile(r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"')
GAP = 8


def picture(name: str, html: str) -> str:
    """The drawings of the explorer's figure, one below the other, with the site's style in them: an address of data."""
    css = re.sub(r"/\*.*?\*/|\n\s*", "", (explorer.FOLDER / "explorer.css").read_text(encoding="utf-8"), flags=re.S)
    css = css.replace(f"explorer-{name}.explorer", ".explorer").replace("&", "&amp;").replace("<", "&lt;")
    css += ".explorer{display:block;padding:0;border:0}"
    parts, top, width = [], 0.0, 0.0
    for drawing in filter(SIZE.match, drawings(html)):  # not the swatches of the legend
        wide, high = map(float, SIZE.match(drawing).groups())
        size = f'<svg y="{top:g}" width="{wide:g}" height="{high:g}"'
        parts.append(re.sub(r' style="[^"]*"', "", drawing, count=1).replace("<svg", size, 1))
        top, width = top + high + GAP, max(width, wide)
    size = f'width="{width:g}" height="{top - GAP:g}"'
    ink = palette.ROLES["ink"][0]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="explorer explorer-figure" {size} color="{ink}">'
    roles = "".join(f"--role-{role}:{light};" for role, (light, _) in palette.ROLES.items())
    text = f"{head}<style>.explorer{{{roles}background:#fff}}{css}</style>{''.join(parts)}</svg>"
    ElementTree.fromstring(text)  # or no browser shows it
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def drawings(html: str):
    """The outermost SVG elements."""
    depth = start = 0
    for tag in re.finditer(r"<svg\b|</svg>", html):
        if tag[0] == "<svg":
            start = start if depth else tag.start()
            depth += 1
        else:
            depth -= 1
            if not depth:
                yield html[start : tag.end()]
