"""Place an interactive explorer in a page, with its figure drawn at build time.

    ```{explorer} two-humps
    :name: explorer-two-humps
    Caption, with inline $maths$ if you like.
    ```

The JavaScript of `book/_assets/explorers` splits each explorer into a pure model and a pure view. Here the very same
files run in QuickJS, so the page carries the figure and its numbers as finished markup: all that a reader without
JavaScript needs. A page gets the scripts and the style sheet only if it contains an explorer. `:state:` starts it
elsewhere, e.g. `:state: {"d": 3, "mu": 0}`. The result is a figure: `{numref}` and `{ref}` find it by its `:name:`.
"""

import json
from functools import lru_cache
from html import escape
from pathlib import Path

import quickjs
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

FOLDER = Path(__file__).resolve().parent.parent / "_assets" / "explorers"
SHARED = "explorer"


def names():
    """All explorers: every script of the folder but the shared one."""
    return sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != SHARED)


@lru_cache(maxsize=1)
def engine():
    """One JavaScript context with all explorers loaded."""
    context = quickjs.Context()
    for name in [SHARED, *names()]:
        context.eval((FOLDER / f"{name}.js").read_text(encoding="utf-8"))
    return context


def run(code):
    """Value of a JavaScript expression, by way of JSON."""
    return json.loads(engine().eval(f"JSON.stringify({code})"))


def render(name, state=None):
    """The custom element `explorer-NAME` with the figure of `state` (the start, if not given) inside."""
    inner = run(f"Explorer.markup({json.dumps(name)}, {json.dumps(state or {})})")
    data = f' data-state="{escape(json.dumps(state))}"' if state else ""
    return f'<explorer-{name} class="explorer"{data}>{inner}</explorer-{name}>'


class explorer_node(nodes.General, nodes.Element):
    """Holds the name and the HTML of an explorer; its child says the same in words, for LaTeX and the like."""


class ExplorerDirective(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec = {"name": directives.unchanged, "state": directives.unchanged}

    def run(self):
        name = self.arguments[0]
        if name not in names():
            raise self.error(f'no explorer is called "{name}"; there are: {", ".join(names())}')
        try:
            state = json.loads(self.options.get("state", "{}"))
            html = render(name, state)
            words = run(f"Explorer.words({json.dumps(name)}, {json.dumps(state)})")
        except (ValueError, quickjs.JSException) as error:
            raise self.error(f'explorer "{name}": the state does not work: {error}') from None
        for file in (SHARED, name):
            self.env.note_dependency(str(FOLDER / f"{file}.js"))

        stand_in = explorer_node("", nodes.paragraph("", words), explorer=name, html=html)
        figure = nodes.figure("", stand_in, classes=["explorer-frame"])
        self.set_source_info(figure)
        self.add_name(figure)
        if self.content:
            body = nodes.Element()
            self.state.nested_parse(self.content, self.content_offset, body)
            first, *rest = body.children
            if not isinstance(first, nodes.paragraph):
                raise self.error(f'explorer "{name}": the caption must begin with a paragraph')
            figure += nodes.caption(first.rawsource, "", *first.children)
            if rest:
                figure += nodes.legend("", *rest)
        return [figure]


def visit_html(self, node):
    self.body.append(node["html"])
    raise nodes.SkipNode


def add_files(app, pagename, templatename, context, doctree):
    used = {node["explorer"] for node in doctree.findall(explorer_node)} if doctree else ()
    if used:
        app.add_css_file("explorers/explorer.css")
        for name in [SHARED, *sorted(used)]:
            app.add_js_file(f"explorers/{name}.js", loading_method="defer")


def setup(app):
    other = (lambda self, node: None,) * 2  # the paragraph inside does the work
    app.add_node(explorer_node, html=(visit_html, None), latex=other, text=other, man=other, texinfo=other)
    app.add_directive("explorer", ExplorerDirective)
    app.connect("html-page-context", add_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
