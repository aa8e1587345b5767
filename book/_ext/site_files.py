"""Files beside the pages: the first page at the root, 404, robots, and a sitemap where the address is known."""

import posixpath
import re
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import site_search

NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark">
<title>No such page – {title}</title>
<style>body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem }}</style>
</head><body><main><h1>There is no such page</h1>
<p>It may have moved. Begin at the <a href="{base}index.html">first page</a>, which lists all chapters, or
<a href="{base}search.html">search the book</a>.</p></main></body></html>
"""


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
    (outdir / "index.html").write_text(html, encoding="utf-8")


def write_addresses(app, outdir):
    base = app.config.html_baseurl and app.config.html_baseurl.rstrip("/") + "/"
    path = urlsplit(base).path or "/"
    (outdir / "404.html").write_text(NOT_FOUND.format(title=escape(app.config.html_title), base=path), encoding="utf-8")
    robots = "User-agent: *\nDisallow:\n"
    if base:
        robots += f"Sitemap: {base}sitemap.xml\n"
        pages = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
        places = "".join(f"<url><loc>{escape(base + page)}</loc></url>\n" for page in pages)
        start = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        (outdir / "sitemap.xml").write_text(f"{start}{places}</urlset>\n", encoding="utf-8")
    (outdir / "robots.txt").write_text(robots, encoding="utf-8")


def first_page_to_root(app, exception):
    if not exception and app.builder.name == "html":
        write_root_page(app, Path(app.outdir))
        write_addresses(app, Path(app.outdir))
        site_search.write(app, Path(app.outdir))


def setup(app):
    app.connect("build-finished", first_page_to_root, priority=400)  # before the table of contents writes a redirect
    return {"parallel_read_safe": True, "parallel_write_safe": True}
