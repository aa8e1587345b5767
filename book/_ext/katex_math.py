"""Typeset the book's formulas while the site is built.

KaTeX runs inside Python (the `quickjs-ng` wheel), so pages carry finished
formulas and no script, and TeX that KaTeX cannot read is a Sphinx warning with
file and line.  Macros are read from `mathjax3_config`: write `html_math_renderer:
mathjax` in `_config.yml` and the same sources work with MathJax.
"""

import json
import re
from functools import cache, lru_cache
from pathlib import Path

import quickjs
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
KATEX_JS = Path(__file__).parent.parent / "_vendor" / "katex" / "katex.min.js"

# The result crosses into Python as JSON: the wheel cannot hand over a string
# that the engine still holds as a rope of pieces.
RENDER = """
(function (tex, display, macros) {
  try {
    return JSON.stringify({html: katex.renderToString(tex, {
      displayMode: display, macros: JSON.parse(macros), output: "htmlAndMathml",
      throwOnError: true, strict: (code, message) => { throw new Error(message); },
    })});
  } catch (error) {
    return JSON.stringify({error: error.message});
  }
})
"""


@lru_cache(maxsize=1)
def engine():
    """One JavaScript context for the whole build, started on the first formula."""
    context = quickjs.Context()
    context.eval(KATEX_JS.read_text(encoding="utf-8"))
    return context, context.eval(RENDER)  # keep the context: the function needs it alive


@cache
def render(tex, display, macros):
    """HTML of one formula, or `ValueError` with KaTeX's own words."""
    answer = json.loads(engine()[1](tex, display, macros))
    if "error" in answer:
        words = answer["error"].removeprefix("KaTeX parse error: ")
        raise ValueError(words.replace("\u0332", ""))  # KaTeX underlines the place, which terminals garble
    # display style comes from our own box, so KaTeX's block wrapper is not needed
    html = re.sub(r'^<span class="katex-display">(.*)</span>$', r"\1", answer["html"], flags=re.S)
    # the comments let other extensions skip a formula without parsing it
    return "<!--tex-->" + html.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "") + "<!--/tex-->"


def macros_of(config):
    """MathJax's macro table (`name: body` or `name: [body, count]`) in KaTeX's form."""
    table = (config.mathjax3_config or {}).get("tex", {}).get("macros", {})
    return json.dumps(
        {f"\\{name}": body if isinstance(body, str) else body[0] for name, body in table.items()}, sort_keys=True
    )


def with_line_breaks(tex):
    r"""Wrap TeX whose `\\` or blank lines stand outside any environment.

    Sphinx promises that a bare `\\` starts a new line; TeX needs an environment for it.
    """
    parts = [part.strip() for part in re.split(r"\n\s*\n", tex) if part.strip()]
    tex = r" \\ ".join(parts)
    outside, depth = "", 0
    for piece in re.split(r"(\\begin\{[^}]*\}|\\end\{[^}]*\})", tex):
        depth += piece.startswith(r"\begin{") - piece.startswith(r"\end{")
        outside += "" if depth else piece
    return rf"\begin{{aligned}}{tex}\end{{aligned}}" if r"\\" in outside else tex


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
        return render(with_line_breaks(tex) if display else tex, display, macros_of(translator.config))
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
    self.body.append(f'<div class="math-scroll">{html_of(self, node, display=True)}</div>')
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
        shown = html.rpartition('aria-hidden="true">')[2]
        return len(re.sub(r"<[^>]*>|[\s\u200b]", "", shown)) <= 28  # characters: about half a phone's line


def setup(app):
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.add_post_transform(KeepPunctuation)
    app.add_css_file("katex/katex.min.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
