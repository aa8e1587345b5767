"""What search engines and previews read: title, description, address and picture of each page.

The address is said once, `html: baseurl:` in `_config.yml`. Without it pages carry no address, and request nothing.
"""

import json
import re
from html import escape

from docutils import nodes

import chapters

LONGEST = 160  # characters of a description that are shown


def describe(app, pagename, templatename, context, doctree):
    context["chapter_page"] = pagename in {f"book/{chapter['slug']}" for chapter in chapters.chapters()}
    context["repository"] = app.config.book_repository
    if doctree is None:
        return
    title = app.env.titles[pagename].astext()
    text = description_of(app, pagename, doctree)
    tags = {
        'name="description"': text,
        'property="og:title"': title,
        'property="og:description"': text,
        'property="og:type"': "article" if context["chapter_page"] else "website",
        'property="og:site_name"': app.config.html_title,
    }
    tags |= addresses(app, pagename)
    # docutils repeats the viewport that the layout states already
    metatags = re.sub(r'<meta name="viewport"[^>]*>', "", context.get("metatags", ""))
    context["metatags"] = metatags + "".join(
        f'\n    <meta {key} content="{escape(value, quote=True)}" />' for key, value in tags.items()
    )


def addresses(app, pagename):
    """Tags that need the site's address."""
    base = app.config.html_baseurl.rstrip("/")
    if not base:
        return {}
    return {
        'property="og:url"': f"{base}/{app.builder.get_target_uri(pagename)}",
        'property="og:image"': f"{base}/_static/preview.png",
        'property="og:image:alt"': "Cross-entropy and KL divergence: two curves, one gap, one minimum",
        'name="twitter:card"': "summary_large_image",
    }


def description_of(app, pagename, doctree):
    """What `chapters.yml` says; of a draft that says nothing its question and what you will be able to do."""
    slug = pagename.removeprefix("book/")
    if pagename == app.config.root_doc:
        return app.config.book_description
    for chapter in chapters.chapters():
        if chapter["slug"] == slug:
            if "description" in chapter:
                return chapter["description"]
            notebook = json.loads((chapters.BOOK / f"{slug}.ipynb").read_text(encoding="utf-8"))
            return shortened(
                f"{chapter['question']} You will {'; '.join(notebook['metadata']['course']['objectives'])}."
            )
    for part in chapters.rows():
        for page in part.get("pages", []):
            if page["slug"] == slug:
                return page["description"]
    return first_paragraph(doctree) or f"{app.env.titles[pagename].astext()}: {app.config.book_description}"


def first_paragraph(doctree):
    """Without a formula."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section | nodes.document) and not list(paragraph.findall(nodes.math)):
            return shortened(" ".join(paragraph.astext().split()))
    return ""


def shortened(text):
    text = text.replace("$", "")
    return text if len(text) <= LONGEST else text[: LONGEST - 3].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def setup(app):
    app.add_config_value("book_description", "", "html", [str])
    app.add_config_value("book_repository", "", "html", [str])
    app.connect("html-page-context", describe, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
