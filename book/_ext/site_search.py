"""The search page's index: one entry a section, with its words and its formulas as they look.

Sphinx's own search leads to the top of a page and shows each formula three times; `_assets/search.js` reads this one.
"""

import json
import re
from functools import cache
from html import unescape

from docutils import nodes
from sphinx import addnodes

import chapters
from katex_render import macros_of, render

SKIPPED = (nodes.literal_block, nodes.comment, nodes.raw, nodes.math_block, nodes.system_message, nodes.title)
BLOCKS = (nodes.paragraph, nodes.term, nodes.caption, addnodes.desc_signature, nodes.entry, nodes.list_item)


@cache
def drawn(tex, macros):
    """A formula in a line of text: `KL(p‖q)`. What stands one above the other would run together."""
    if "\\frac" in tex or "\\sum" in tex or "brace" in tex:
        return "…"
    try:
        html = render(tex, False, macros)
    except ValueError:
        return ""
    shown = re.sub(r"<[^>]*>|\u200b", "", html.rpartition('class="katex-html"')[2].partition(">")[2])
    return unescape(shown).replace("∥", "‖")


def is_section(node):
    """Sections with a title; exercises put one without around their text."""
    return isinstance(node, nodes.section) and any(isinstance(child, nodes.title) for child in node.children)


def is_term(node):
    """A term of the glossary, with what it means."""
    return isinstance(node, nodes.definition_list_item) and isinstance(node.parent.parent, addnodes.glossary)


def is_place(node):
    """What has an entry of its own: a section, a term, or a function or class that is described."""
    return is_section(node) or is_term(node) or isinstance(node, addnodes.desc)


def words(node, macros):
    """The text of a node without its subsections, code and displayed formulas."""
    if isinstance(node, nodes.Text):
        return str(node)
    if isinstance(node, nodes.math):
        return drawn(node.astext(), macros)
    if isinstance(node, SKIPPED) or (
        isinstance(node, addnodes.pending_xref) and node.get("reftype") in ("eq", "numref")
    ):
        return ""
    inner = "".join(words(child, macros) for child in node.children if not is_place(child))
    return f"{inner} " if isinstance(node, BLOCKS) else inner


def asked():
    """What people search for who look for a page: its question, and what `chapters.yml` tells search engines."""
    pages = [page for part in chapters.rows() for page in [*part.get("chapters", []), *part.get("pages", [])]]
    return {f"book/{p['slug']}": f"{p.get('question', '')} {p.get('description', '')}".strip() for p in pages}


def sections(app):
    """Title of the page, title of the section, address, text, words of those who look for the page."""
    macros = macros_of(app.config)
    questions = asked()
    for name in sorted(app.env.found_docs):
        page = app.env.titles[name].astext()
        number = app.env.toc_secnumbers.get(name, {}).get("")
        shown = f"{number[0]}. {page}" if number else page
        tree = app.env.get_doctree(name)
        for index, section in enumerate(tree.findall(is_section)):
            title = section.next_node(nodes.title).astext()
            anchor = f"#{section['ids'][0]}" if index else ""
            text = " ".join(words(section, macros).split())
            question = questions.get(name, "") if not index else ""
            yield [shown, title if index else "", app.builder.get_target_uri(name) + anchor, text, question]
        for item in tree.findall(is_term):
            term, meaning = item[0], item[-1]
            address = f"{app.builder.get_target_uri(name)}#{term['ids'][0]}"
            yield [shown, words(term, macros).strip(), address, " ".join(words(meaning, macros).split()), ""]
        for described in tree.findall(addnodes.desc):
            signature, content = described[0], described[-1]
            if signature.get("ids") and "fullname" in signature:
                address = f"{app.builder.get_target_uri(name)}#{signature['ids'][0]}"
                text = " ".join(words(content, macros).split())
                yield [signature.get("module") or page, signature["fullname"], address, text, ""]


def write(app, outdir):
    entries = json.dumps(list(sections(app)), ensure_ascii=False, separators=(",", ":"))
    (outdir / "_static" / "search-index.js").write_text(f"const sections = {entries};\n", encoding="utf-8")
    for name in ("searchindex.js", "_static/searchtools.js", "_static/language_data.js"):
        (outdir / name).unlink(missing_ok=True)
