"""Typeset the book's formulas while the site is built.

Pages carry finished formulas and no script, and TeX that KaTeX cannot read is a Sphinx warning with file and line.
Macros are read from `mathjax3_config`: write `html_math_renderer: mathjax` in `_config.yml` and the same sources work
with MathJax.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from katex_render import lines_of, macros_of, render

logger = logging.getLogger(__name__)


def place_in_cell(node):
    """Where in a notebook: MyST-NB counts 10000 lines a cell, and one too many in it."""
    while node is not None and not node.line:
        node = node.parent
    if node is None or node.line < 10000:
        return ""
    return f" (cell {node.line // 10000}, line {node.line % 10000 - 1})"


def html_of(translator, node, display):
    tex = node.astext()
    try:
        macros = macros_of(translator.config)
        return "<br/>".join(render(line, display, macros) for line in (lines_of(tex) if display else [tex]))
    except ValueError as error:
        logger.warning("malformed TeX%s: %s", place_in_cell(node), error, location=node, type="katex")
        return f'<code class="tex-error">{translator.encode(tex)}</code>'


def visit_inline(self, node):
    html = html_of(self, node, display=False)
    before, after = node.get("before", ""), node.get("after", "")
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(self.encode(before) + html + self.encode(after) + "</span>")
    raise nodes.SkipNode


def visit_display(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    html = html_of(self, node, display=True)
    self.body.append(f'<div class="math-scroll{" lines" * ("<br/>" in html)}">{html}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


class KeepPunctuation(SphinxPostTransform):
    """Move brackets and full stops that touch a short formula into its unbreakable span.

    Browsers may break a line between a formula and the comma after it.  Long formulas
    are left alone: they must be free to break on a phone.
    """

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs):
        if self.app.builder.math_renderer_name != "katex":
            return
        for math in list(self.document.findall(nodes.math)):
            if math.parent is None or not self.is_short(math):
                continue
            index = math.parent.index(math)
            siblings = math.parent.children
            # assign by position: `replace` looks texts up by content and may find another one
            if index + 1 < len(siblings) and isinstance(siblings[index + 1], nodes.Text):
                text = str(siblings[index + 1])
                math["after"] = re.match(r"[^\w\s]{0,3}", text).group()
                math.parent[index + 1] = nodes.Text(text[len(math["after"]) :])
            if index > 0 and isinstance(siblings[index - 1], nodes.Text):
                text = str(siblings[index - 1])
                math["before"] = re.search(r"[(\[“‘]{0,2}$", text).group()
                math.parent[index - 1] = nodes.Text(text[: len(text) - len(math["before"])])
            if math.get("before") or math.get("after"):
                math["classes"].append("nobr")

    def is_short(self, math):
        try:
            html = render(math.astext(), False, macros_of(self.config))
        except ValueError:
            return False  # reported where it is written
        shown = html.rpartition('class="katex-html"')[2].partition(">")[2]
        return len(re.sub(r"<[^>]*>|[\s\u200b]", "", shown)) <= 28  # characters: about half a phone's line


def setup(app):
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_post_transform(KeepPunctuation)
    app.add_css_file("katex/katex.min.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
