"""Figures for light and dark pages, for desks and phones, made from the drawings that the notebooks store.

A stored SVG (`companion.lesson.plotting`) has the colours of a light page. From it this makes one with the
colours of a dark page, and of each a narrow one with the panels below each other. A page names all four;
a browser loads the one that it shows.
"""

import posixpath
import re
from pathlib import Path
from xml.etree import ElementTree

import palette

SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
GAP = 9  # points between panels that are stacked
ElementTree.register_namespace("", SVG[1:-1])
ElementTree.register_namespace("xlink", HREF[1:-5])


def in_the_dark(text):
    text = re.sub(r"(?<=base64,)[^\"]+", lambda m: palette.dark_pixels(m.group()), text)
    return re.sub(r"(?<=[ :\"])#[0-9a-f]{6}(?=[;\"])", lambda m: palette.dark(m.group()), text)


def resize(root, width, height):
    root.set("viewBox", f"0 0 {width:g} {height:g}")
    size = round(width * 4 / 3), round(height * 4 / 3)
    root.set("width", str(size[0])), root.set("height", str(size[1]))
    return size


def versions(text):
    """[(ending, SVG, size on the page)] of a stored drawing; the first two are for wide screens."""
    root = ElementTree.fromstring(text)
    width, height = map(float, root.get("viewBox").split()[2:])
    made = [("", resize(root, width, height), ElementTree.tostring(root, encoding="unicode"))]
    panels = {e: int(e.get("id")[6:]) for e in root.iter(f"{SVG}g") if re.fullmatch(r"panel-\d+", e.get("id", ""))}
    count = max(panels.values(), default=1)
    if count > 1:
        for panel, place in panels.items():
            panel.set("transform", f"translate({-(place - 1) * width / count:.2f} {(place - 1) * (height + GAP):g})")
        ground = root.find(f"{SVG}g[@id='figure_1']/{SVG}g[@id='patch_1']")
        ground.clear()  # it is as wide as the wide figure
        size = resize(root, width / count, height * count + GAP * (count - 1))
        made.append(("-narrow", size, ElementTree.tostring(root, encoding="unicode")))
    return made


def picture(image, name, folder, made, theme):
    """`<picture>` for one theme: the narrow version where the wide one would have letters under 11 pixels."""
    (_, (width, height), _), *narrow = made
    sources = "".join(
        f'<source media="(max-width: {round(width * 0.75) + 40}px)" srcset="{folder}/{name}{ending}-{theme}.svg" '
        f'width="{w}" height="{h}">'
        for ending, (w, h), _ in narrow
    )
    image = re.sub(r' (?:src|width|height|class|style|loading)="[^"]*"', "", image).removesuffix("/>").removesuffix(">")
    return (
        f'<picture class="in-{theme}">{sources}{image.rstrip()} class="dark-light" src="{folder}/{name}-{theme}.svg" '
        f'width="{width}" height="{height}" loading="lazy"></picture>'
    )


def put_pictures(app, pagename, templatename, context, doctree):
    sources = {name: source for source, name in app.builder.images.items()}
    folder = Path(app.outdir, "_images")

    def replace(match):
        image, address = match.group(), match[1]
        source = sources.get(posixpath.basename(address), "")
        text = Path(app.srcdir, source).read_text(encoding="utf-8") if source.endswith(".svg") else ""
        if 'id="figure_1"' not in text:  # another drawing, or pixels
            return image
        made, name = versions(text), re.sub(r"(?<=^[0-9a-f]{16})[0-9a-f]{48}$", "", Path(address).stem)
        folder.mkdir(exist_ok=True)
        for ending, _, light in made:
            (folder / f"{name}{ending}-light.svg").write_text(light, encoding="utf-8")
            (folder / f"{name}{ending}-dark.svg").write_text(in_the_dark(light), encoding="utf-8")
        return "".join(picture(image, name, posixpath.dirname(address), made, theme) for theme in ("light", "dark"))

    if context.get("body"):
        context["body"] = re.sub(r'<img\b[^>]*?src="([^"]+\.svg)"[^>]*>', replace, context["body"])


def setup(app):
    app.add_css_file("figures.css")
    app.connect("html-page-context", put_pictures, priority=700)  # before the site's own mending
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
