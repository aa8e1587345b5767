"""One joined style sheet, no scripts that a page does not use, nothing left over from Thebe."""

import hashlib
import posixpath
import re
import shutil
from pathlib import Path

from sphinx.builders.html._assets import _CascadingStyleSheet

import css_prune

BUNDLE = "_static/book.css"
INDEXES = ("searchindex.js", "search-index.js")  # words of the text, not of scripts
THEME_CSS = ["_static/basic.css", "_static/styles/pydata-sphinx-theme.css"]  # the theme's template links these itself
# Thebe needs a server; folded boxes are native here, so the toggle button's files are not used.
UNUSED_CSS = ("sphinx-thebe", "togglebutton")
# What the book needs of the theme's scripts is in frame.js; search.js does without Sphinx's.
UNUSED_JS = (
    "thebe",
    "togglebutton",
    "toggleHint",
    "toggleOpenOnPrint",
    "sphinx-book-theme",
    "sphinx_highlight",
    "DOCUMENTATION_OPTIONS.",
)
UNUSED_FILES = (
    "scripts",
    "sphinx_highlight.js",
    "styles/*.map",
    "vendor/fontawesome",
    "sphinx-thebe*",
    "togglebutton*",
    "locales",
    "katex/katex.min.js",  # it ran here
    "katex/README.md",
    "images/logo_*",
    "run",  # run_here.py publishes these under a name of their version
    "codemirror",
)


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
    scripts = [script.read_text(encoding="utf-8") for script in outdir.rglob("*.js") if script.name not in INDEXES]
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
    if pagename != "py-modindex":  # its groups fold
        unused += ["doctools"]
    if not {"copybutton", "doctools"} - set(unused):
        unused += ["documentation_options"]
    scripts = {}
    for script in context["script_files"]:
        text = f"{script.filename} {script.attributes.get('body', '')}"
        if not any(word in text for word in unused):
            script.attributes["defer"] = "defer"  # nothing of it is needed to show the page
            scripts.setdefault(text, script)  # some extensions add theirs twice
    context["script_files"] = list(scripts.values())


def finish(app, exception):
    if exception or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    for pattern in UNUSED_FILES:
        for path in (outdir / "_static").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    join_css(app, outdir)


def setup(app):
    app.connect("html-page-context", choose_assets, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
