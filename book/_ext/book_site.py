"""What the theme leaves to be done so that pages are light, quiet and accessible.

- style sheets and scripts: site_assets; titles, addresses, search: site_head, site_files
- boxes, answers and checks fold: site_boxes, site_answers; tables: site_tables; lines wrap on phones: site_lines
- sections wait: site_sections
- figures have their size, load when needed, and are palette PNGs where that is smaller
"""

import gc
import posixpath
import re
from pathlib import Path

from bs4 import BeautifulSoup
from PIL import Image, ImageChops, ImageStat

import site_answers
import site_assets
import site_files
import site_head
from site_boxes import mend_boxes
from site_lines import let_lines_wrap
from site_sections import say_heights
from site_tables import mend_signatures, mend_tables

# What stays on one line: a number and its unit, a pair as in N(0, 1), a value as in p = 0.6.
TOGETHER = re.compile(r"\d (?:%|°[CF]|nats?|bits?|[kMG]B)(?!\w)|\(\w, \w\)|\b\w = (?=[\d−])")
HYPHENED = re.compile(r"(\b(?=[\w-]{,20}\b)\w+-[\w-]+)")
LETTERED = re.compile(r"(\b[A-Za-z]-[a-z]+\b)")
NO_PROSE = ["h1", "h2", "h3", "code", "pre", "script", "style", "svg", "template"]
PLAIN = re.compile(r'<span class="(?:n|p|w|nn)">([^<]*)</span>')  # code in the colour of text needs no element

# --- the page's own HTML ----------------------------------------------------------------


def mend_body(app, pagename, templatename, context, doctree):
    if not context.get("body"):
        return
    aside = []

    def set_aside(match):  # formulas and code are most of a page and need no mending
        aside.append(let_lines_wrap(match.group()))
        return f"<!--aside {len(aside) - 1}-->"

    def keep(match):
        return match[0].replace(" ", "\N{NO-BREAK SPACE}")

    body = site_answers.fold_claims(PLAIN.sub(r"\1", context["body"]))
    body = re.sub(r"<!--tex-->.*?<!--/tex-->|<pre\b.*?</pre>", set_aside, body, flags=re.S)
    soup = BeautifulSoup(body, "html.parser")
    mend_boxes(soup)
    site_answers.fold_answers(soup)
    site_answers.show_effort(soup)
    mend_hyphens(soup)
    mend_figures(soup, app.builder)
    mend_tables(soup)
    mend_signatures(soup)
    mend_accessibility(soup)
    say_heights(soup, aside)
    body = re.sub(r"<!--aside (\d+)-->", lambda m: aside[int(m[1])], TOGETHER.sub(keep, str(soup)))
    context["body"] = re.sub(r"<!--/?tex-->", "", body)


def mend_hyphens(soup):
    """Headings go on below between words, not within log-likelihood; and no line ends with the p of a p-value."""
    headings = [(HYPHENED, text) for h in soup.find_all(["h1", "h2", "h3"]) for text in h.find_all(string=HYPHENED)]
    letters = [(LETTERED, text) for text in soup.find_all(string=LETTERED) if not text.find_parent(NO_PROSE)]
    for words, text in headings + letters:
        parts = words.split(text)
        for place in range(1, len(parts), 2):
            word = parts[place]
            parts[place] = soup.new_tag("span", attrs={"class": "nobr"})
            parts[place].string = word
        text.replace_with(*filter(None, parts))


def mend_figures(soup, builder):
    sources = {name: source for source, name in builder.images.items()}
    for image in soup.find_all("img"):
        image["loading"] = "lazy"
        source = sources.get(posixpath.basename(image.get("src", "")))
        if source and not source.endswith(".svg") and not image.get("width") and "style" not in image.attrs:
            with Image.open(Path(builder.srcdir, source)) as picture:
                image["width"], image["height"] = map(str, picture.size)
                if picture.width > 700:  # several panels: on a phone they scroll in a box of their own
                    image.wrap(soup.new_tag("div", attrs={"class": "picture-scroll"}))


def mend_accessibility(soup):
    # the roles of the bibliography only hold in a list without links between its entries
    for tag in soup.select(".citation-list[role], [role=doc-biblioentry]"):
        del tag["role"]


# --- after the build --------------------------------------------------------------------


def shrink_picture(path):
    """Keep a palette version when it is smaller and no eye can tell."""
    with Image.open(path) as picture:
        if picture.mode not in ("RGB", "RGBA"):
            return
        if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] == 255:
            picture = picture.convert("RGB")
        method = Image.Quantize.MEDIANCUT if picture.mode == "RGB" else Image.Quantize.FASTOCTREE
        small = picture.quantize(256, method=method, dither=Image.Dither.NONE)
        difference = ImageChops.difference(picture, small.convert(picture.mode))
        if max(ImageStat.Stat(difference).rms) > 1.5:
            return
        trial = path.with_suffix(".tmp")
        small.save(trial, format="PNG", optimize=True)
    if trial.stat().st_size < path.stat().st_size:
        trial.replace(path)
    else:
        trial.unlink()


def shrink_pictures(app, exception):
    if not exception and app.builder.name == "html":
        for path in Path(app.outdir, "_images").glob("*.png"):
            shrink_picture(path)


def setup(app):
    gc.set_threshold(500_000, 50, 1000)  # a book is millions of objects that stay: looking through them takes a third
    app.connect("html-page-context", mend_body, priority=800)
    app.connect("build-finished", shrink_pictures, priority=900)
    for part in (site_answers, site_head, site_assets, site_files):
        part.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
