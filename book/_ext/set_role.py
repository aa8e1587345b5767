"""Words of the text that move an explorer of the same page.

    {set}`move the humps apart <two-humps d=3>`
    {set}`let EM run from there <em m1=45 s1=12 press=run>`

After the explorer's name stand numbers of its state, the rest being as the page starts it, and perhaps the key of a
button to press then. A click scrolls to the figure. Without JavaScript, and in print, the words are plain text.
"""

import json
import re
from html import escape

import quickjs
from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

import explorer

FORM = re.compile(r"(?P<words>.+?)\s*<(?P<name>[\w-]+)(?P<rest>(?:\s+\w+=\S+)*)\s*>", re.S)
logger = logging.getLogger(__name__)


class set_node(nodes.inline):
    """The words; `explorer`, `state` and `press` say what they do."""


def read(text):
    """(words, name, state, button) of the role's text; a ValueError says what is wrong with it."""
    match = FORM.fullmatch(text)
    if not match:
        raise ValueError('expected "words <explorer key=number ...>"')
    words, name, press, state = match["words"], match["name"], None, {}
    if name not in explorer.names():
        raise ValueError(f'no explorer is called "{name}"; there are: {", ".join(explorer.names())}')
    for item in match["rest"].split():
        key, value = item.split("=")
        if key == "press":
            press = value
        else:
            state[key] = float(value) if "." in value else int(value)
    buttons = explorer.run(f"Explorer.get({json.dumps(name)}).actions.map(a => a.key)")
    if press and press not in buttons:
        raise ValueError(f'explorer {name} has no button "{press}"; there are: {", ".join(buttons)}')
    try:
        explorer.run(f"Explorer.words({json.dumps(name)}, {json.dumps(state)})")
    except quickjs.JSException as error:
        raise ValueError(str(error).split("\n")[0]) from None
    return words, name, state, press


class SetRole(SphinxRole):
    def run(self):
        try:
            words, name, state, press = read(self.text)
        except ValueError as error:
            message = self.inliner.reporter.error(f"set: {error}", line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        node = set_node(self.rawtext, explorer=name, state=state, press=press)
        if isinstance(self.inliner, Inliner):
            node += nodes.Text(words)
        else:  # MyST: the words may hold formulas
            node += self.inliner.parse(words, self.lineno, self.inliner, node)[0]
        self.set_source_info(node)
        return [node], []


def visit_html(self, node):
    data = f'data-name="{node["explorer"]}" data-state="{escape(json.dumps(node["state"]))}"'
    press = f' data-press="{node["press"]}"' if node["press"] else ""
    self.body.append(f"<explorer-set {data}{press}>")


def depart_html(self, node):
    self.body.append("</explorer-set>")


def nothing(self, node):
    """Elsewhere the words are plain text."""


def check(app, doctree):
    """The explorer must stand on the same page."""
    here = {node["explorer"] for node in doctree.findall(explorer.explorer_node)}
    for node in doctree.findall(set_node):
        if node["explorer"] not in here:
            logger.warning("set: the page has no explorer %s", node["explorer"], location=node)


def setup(app):
    other = (nothing, nothing)
    app.add_node(set_node, html=(visit_html, depart_html), latex=other, text=other, man=other, texinfo=other)
    app.add_role("set", SetRole())
    app.connect("doctree-read", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
