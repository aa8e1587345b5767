"""The ledger page: ``{ledger}`` renders the rows of one source from ``book/ledger.yml``.

    ```{ledger} notes
    ```

A paid row links to its derivation, functions, checks, figure and exercise, so that a dead reference fails the build;
what a link cannot prove is proved by ``tests/test_ledger.py``.
"""

from importlib import import_module
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

LEDGER = Path(__file__).resolve().parent.parent / "ledger.yml"
ROLES = {
    "explorer": "numref",
    "eq": "eq",
    "def": "prf:ref",
    "thm": "prf:ref",
    "prop": "prf:ref",
    "fig": "numref",
    "tab": "numref",
    "ex": "ref",
    "read": "ref",
}


def rows():
    return yaml.safe_load(LEDGER.read_text(encoding="utf-8"))


def reference(label):
    """A MyST role for a label; its prefix tells the kind."""
    return f"{{{ROLES[label.split('-')[0]]}}}`{label}`"


def function(name):
    """A link to a function of the package, which may be importable elsewhere than it is described."""
    module, _, attribute = name.rpartition(".")
    home = getattr(getattr(import_module(module), attribute), "__module__", module)
    return f"{{py:obj}}`{name.removeprefix('companion.')} <{home}.{attribute}>`"


def checks(entries):
    """Claim cells by chapter, then tests by name."""
    chapters = {}
    for entry in entries:
        if "#" in entry:
            chapter, cell = entry.split("#")
            chapters.setdefault(chapter, []).append(f"`{cell}`")
    tests = [f"`{entry.split('::')[-1]}`" for entry in entries if "::" in entry]
    cells = "; ".join(f"the cells {', '.join(names)} of {{doc}}`{chapter}`" for chapter, names in chapters.items())
    return f"{cells}{', and ' * bool(cells)}the tests {', '.join(tests)}"


def lines_of(row):
    many = lambda key, show: ", ".join(show(item) for item in ([row[key]] if isinstance(row[key], str) else row[key]))
    yield f"**{row['id']}** · {row['claim']}"
    if row["status"] == "open":
        yield ": *Open.*"
        return
    if "reading" in row:
        yield f": *Paid.* Answered in {' · '.join(map(reference, row['reading']))} Checked by {checks(row['checked'])}."
        return
    yield (
        f": *Paid.* Derived in {many('derivation', reference)}; computed by {many('computed', function)}; "
        f"checked by {checks(row['checked'])}; seen in {many('figure', reference)}; "
        f"practised in {many('exercise', reference)}."
    )


class Ledger(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.env.note_dependency(str(LEDGER))
        chosen = [row for row in rows() if row["source"] == self.arguments[0]]
        paid = sum(row["status"] == "paid" for row in chosen)
        text = [f"{paid} of {len(chosen)} rows are paid.", ""]
        for row in chosen:
            text += [*lines_of(row), ""]
        holder = nodes.container(classes=["ledger"])
        self.state.nested_parse(text, self.content_offset, holder)
        return [holder]


def setup(app):
    app.add_directive("ledger", Ledger)
    return {"parallel_read_safe": True}
