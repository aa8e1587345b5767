"""What the theme leaves to be done so that pages are light, quiet and accessible.

- one joined style sheet; no scripts a page does not use; nothing left over from Thebe
- folded boxes are native `<details>`, which work without JavaScript and in print
- figures have their size, load when needed, and are palette PNGs where that is smaller
- `index.html` at the root is the book's first page instead of a redirect
"""

import hashlib
import posixpath
import re
import shutil
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup
from docutils import nodes
from PIL import Image, ImageChops, ImageStat
from sphinx.builders.html._assets import _CascadingStyleSheet

import css_prune

BUNDLE = "_static/book.css"
THEME_CSS = ["_static/basic.css", "_static/styles/pydata-sphinx-theme.css"]  # the theme's template links these itself
# Thebe needs a server; folded boxes are native here, so the toggle button's files are not used.
UNUSED_CSS = ("sphinx-thebe", "togglebutton")
UNUSED_JS = ("thebe", "togglebutton", "toggleHint", "toggleOpenOnPrint")
UNUSED_FILES = (
    "scripts/bootstrap*",
    "scripts/fontawesome*",
    "scripts/*.map",
    "styles/*.map",
    "vendor/fontawesome",
    "sphinx-thebe*",
    "togglebutton*",
    "locales",
    "katex/katex.min.js",  # it ran here
    "katex/README.md",
    "images/logo_*",
)


# --- style sheets and scripts -----------------------------------------------------------


def common_css(app):
    """Style sheets that every page loads, in their order."""
    sheets = sorted(app.builder._orig_css_files, key=lambda css: css.priority)
    names = dict.fromkeys(str(css.filename).split("?")[0] for css in sheets)
    return [name for name in names if not any(word in name for word in UNUSED_CSS)]


def join_css(app, outdir):
    """One style sheet: fewer requests, and without the icon font (icons are in site.css).

    Runs after all pages, since MyST-NB and the theme write some of theirs only then.
    """
    parts = []
    for name in THEME_CSS + common_css(app):
        css = (outdir / name).read_text(encoding="utf-8")
        css = re.sub(r"/\*(?!!).*?\*/", "", css, flags=re.S)
        css = re.sub(r"(?:\.fa-[\w-]+:before,?)+\{[^}]*\}|@font-face\{[^}]*Awesome[^}]*\}", "", css)
        css = re.sub(r"\s*\n\s*", "\n", css)
        folder = posixpath.relpath(posixpath.dirname(name), posixpath.dirname(BUNDLE))
        parts.append(re.sub(r"url\((['\"]?)(?!data:|#|['\"])", rf"url(\1{folder}/", css).replace("url(./", "url("))
    pages = {page: page.read_text(encoding="utf-8") for page in outdir.rglob("*.html")}
    scripts = [script.read_text(encoding="utf-8") for script in outdir.rglob("*.js") if script.name != "searchindex.js"]
    text = css_prune.prune("\n".join(parts), css_prune.used_classes(pages.values(), scripts))
    (outdir / BUNDLE).write_text(text, encoding="utf-8")
    # a new address whenever the content is new, so that no browser shows an old style from its cache
    link = f'{BUNDLE}?v={hashlib.sha256(text.encode()).hexdigest()[:8]}"'
    for page, html in pages.items():
        stamped = re.sub(rf'{re.escape(BUNDLE)}(\?v=\w*)?"', link, html)
        if stamped != html:
            page.write_text(stamped, encoding="utf-8")


def choose_assets(app, pagename, templatename, context, doctree):
    """Runs last, so that the lists are complete."""
    joined = {str(css.filename) for css in app.builder._orig_css_files}
    own = [css for css in context["css_files"] if str(css.filename) not in joined]
    context["css_files"] = [_CascadingStyleSheet(BUNDLE), *own]

    body = context.get("body", "")
    unused = list(UNUSED_JS)
    if 'class="highlight' not in body:
        unused += ["clipboard", "copybutton"]
    if "sd-tab-set" not in body:
        unused += ["design-tabs"]
    scripts = {}
    for script in context["script_files"]:
        text = f"{script.filename} {script.attributes.get('body', '')}"
        if not any(word in text for word in unused):
            scripts.setdefault(text, script)  # some extensions add theirs twice
    context["script_files"] = list(scripts.values())


# --- the page's own HTML ----------------------------------------------------------------


def mend_body(app, pagename, templatename, context, doctree):
    if not context.get("body"):
        return
    aside = []

    def set_aside(match):  # formulas and code are most of a page and need no mending
        aside.append(match.group())
        return f"<!--aside {len(aside) - 1}-->"

    body = re.sub(r"<!--tex-->.*?<!--/tex-->|<pre\b.*?</pre>", set_aside, context["body"], flags=re.S)
    soup = BeautifulSoup(body, "html.parser")
    mend_boxes(soup)
    mend_figures(soup, app.builder)
    mend_tables(soup)
    mend_accessibility(soup)
    body = re.sub(r"<!--aside (\d+)-->", lambda m: aside[int(m[1])], str(soup))
    context["body"] = re.sub(r"<!--/?tex-->", "", body)


def mend_boxes(soup):
    for box in soup.select("div.admonition.dropdown"):
        title = box.find(class_="admonition-title")
        if title is None:  # a proof has none: its first word becomes one
            title = soup.new_tag("p", attrs={"class": "admonition-title"})
            title.string = "Proof"
            first = box.find(string=re.compile(r"^Proof\. "))
            first.replace_with(first.removeprefix("Proof. "))
            box.insert(0, title)
        box.name, title.name = "details", "summary"
    # sphinx-exercise gives every box a nameless section with the same id
    for section in soup.select(".admonition > section"):
        section.name = "div"
        if section.get("id", "").endswith("-content"):
            del section["id"]
    for tag in soup.find_all(id=re.compile("/")):  # sphinx-exercise: "folder/page-solution-1"
        if not soup.find("a", href="#" + tag["id"]):
            tag["id"] = tag["id"].replace("/", "-")
    for proof in soup.find_all(id="proof"):  # sphinx-proof: the same for every proof without a label
        del proof["id"]
    for summary in soup.select("summary[aria-label]"):
        del summary["aria-label"]  # it hides the visible words, "Show a solution"
    for script in soup.find_all("script", string=re.compile("kernelName|requestKernel")):
        script.decompose()


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


def mend_tables(soup):
    """Let long dotted names break at their joints, or one name makes a table too wide."""
    for text in soup.select("td code .pre"):
        parts = re.split(r"(?<=[.(])(?=\w)", text.get_text())
        text.clear()
        for index, part in enumerate(parts):
            text.extend([soup.new_tag("wbr"), part] if index else [part])
    for table in soup.select("table.folding"):
        fold(table)


def fold(table):
    """On a phone each row becomes a block: cells say their column, and roles keep it a table for screen readers."""
    heads = [" ".join(head.get_text().split()) for head in table.select("thead th")]
    roles = {"thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "th": "columnheader", "td": "cell"}
    table["role"] = "table"
    for tag in table.find_all(list(roles)):
        tag["role"] = roles[tag.name]
    for row in table.select("tbody tr"):
        for head, cell in zip(heads, row.find_all("td")):
            cell["data-label"] = head


def mend_accessibility(soup):
    # the roles of the bibliography only hold in a list without links between its entries
    for tag in soup.select(".citation-list[role], [role=doc-biblioentry]"):
        del tag["role"]


# --- head -------------------------------------------------------------------------------


def describe(app, pagename, templatename, context, doctree):
    """Description and Open Graph tags without any address, so that nothing is requested."""
    if doctree is None:
        return
    title = app.env.titles[pagename].astext()
    text = description_of(doctree) or app.config.book_description
    tags = {
        'name="description"': text,
        'property="og:title"': title,
        'property="og:description"': text,
        'property="og:type"': "article",
        'property="og:site_name"': app.config.html_title,
    }
    # docutils repeats the viewport that the layout states already
    metatags = re.sub(r'<meta name="viewport"[^>]*>', "", context.get("metatags", ""))
    context["metatags"] = metatags + "".join(
        f'\n    <meta {key} content="{escape(value, quote=True)}" />' for key, value in tags.items()
    )


def description_of(doctree):
    """The first paragraph without a formula: in a chapter, the question it opens with."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section) and not list(paragraph.findall(nodes.math)):
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= 160 else text[:157].rsplit(" ", 1)[0] + " …"
    return ""


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


def write_root_page(app, outdir):
    """The first page again at the root, its links rewritten: no redirect, works from a file."""
    page = app.builder.get_target_uri(app.config.root_doc)
    folder = posixpath.dirname(page)
    if not folder:
        return

    def rebase(match):
        name, value = match.groups()
        if re.match(r"[a-z][a-z0-9+.-]*:|#|/", value):
            return match.group()
        return f'{name}="{posixpath.normpath(posixpath.join(folder, value))}"'

    html = (outdir / page).read_text(encoding="utf-8")
    html = html.replace('data-content_root="../"', 'data-content_root="./"')
    html = re.sub(r'\b(href|src|action|poster)="([^"]+)"', rebase, html)
    html = html.replace("</head>", f'    <link rel="canonical" href="{page}" />\n  </head>', 1)
    (outdir / "index.html").write_text(html, encoding="utf-8")


def first_page_to_root(app, exception):
    if not exception and app.builder.name == "html":
        write_root_page(app, Path(app.outdir))


def finish(app, exception):
    if exception or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    for pattern in UNUSED_FILES:
        for path in (outdir / "_static").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    join_css(app, outdir)
    for path in (outdir / "_images").glob("*.png"):
        shrink_picture(path)


def setup(app):
    app.add_config_value("book_description", "", "html", [str])
    app.connect("html-page-context", mend_body, priority=800)
    app.connect("html-page-context", describe, priority=800)
    app.connect("html-page-context", choose_assets, priority=900)
    app.connect("build-finished", first_page_to_root, priority=400)  # before the table of contents writes a redirect
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
