"""The palette by role, in one file of the package: for figures, for explorers, for the site.

A page gets it as custom properties of CSS, `--role-data` and so on, which follow its theme.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

FILE = Path(__file__).resolve().parents[2] / "companion" / "lesson" / "data" / "palette.json"
ROLES = json.loads(FILE.read_text(encoding="utf-8"))
CSS = "palette.css"


def css():
    """Every role as `--role-NAME`, for a light and for a dark page."""
    themes = ("html", 'html[data-theme="dark"]')
    rules = ["".join(f"--role-{role}:{pair[i]};" for role, pair in ROLES.items()) for i in (0, 1)]
    return "".join(f"{theme}{{{rule}}}\n" for theme, rule in zip(themes, rules))


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def shade(value):
    """A grey in the dark: between ink, for black, and ground, for white."""
    ink, ground = (rgb(ROLES[role][1]) for role in ("ink", "ground"))
    return np.rint(ink + (ground - ink) * value / 255).astype(int)


def dark(colour):
    """What a light page's colour is in the dark: by role, greys from ink to ground; others stay."""
    known = dict(ROLES.values())
    value = rgb(colour)
    if colour not in known and value.max() - value.min() <= 40:
        return "#" + "".join(f"{part:02x}" for part in shade(value.mean()))
    return known.get(colour, colour)


def dark_pixels(data):
    """Pixels in the dark; in a picture of greys alone none is a role's, or one shade would leave the order of all."""
    picture = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    packed = picture[..., :3] @ np.array([1 << 16, 1 << 8, 1])  # one number a colour: sorted in a tenth of the time
    colours, where = np.unique(packed, return_inverse=True)
    if np.all(colours % 0x010101 == 0):
        mapped = np.array([shade(grey // 0x010101) for grey in colours], dtype=np.uint8)
    else:
        mapped = np.array([rgb(dark(f"#{colour:06x}")) for colour in colours], dtype=np.uint8)
    picture[..., :3] = mapped[where.ravel()].reshape(picture.shape[:2] + (3,))
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def write_palette(app):
    static = Path(app.outdir, "_static")
    static.mkdir(parents=True, exist_ok=True)
    (static / CSS).write_text(css(), encoding="utf-8")


def setup(app):
    app.add_css_file(CSS)
    app.connect("builder-inited", write_palette)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
