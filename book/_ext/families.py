"""``{families}`` on the API page: a table of all families and their documentation, made from the ``FAMILIES`` table.

A new family needs its name in ``companion/families/table.py`` and nothing here. Its formulas, side by side in the
docstring, are set one below the other, so that they fit the page.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the package of this checkout, whatever is installed
from companion.families import FAMILIES, Distribution, ExponentialFamily


def own_members(cls):
    """Public names that this family has and others do not, such as ``from_logits``."""
    shared = {name for base in (Distribution, ExponentialFamily) for name in dir(base)}
    return sorted(
        name
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and name not in shared
        and getattr(value, "__doc__", None)
        and not isinstance(value, str | tuple | bool)
    )


def table():
    yield "| family | parameters | held fixed | SciPy |"
    yield "|---|---|---|---|"
    for name, row in FAMILIES.items():
        fixed = ", ".join(f"`{parameter}`" for parameter in row.cls.fixed_names) or "–"
        scipy_name = f"`{row.scipy_name}`" if row.scipy_name else "–"
        parameters = ", ".join(f"`{parameter}`" for parameter in row.cls.parameter_names)
        link = f"{{py:obj}}`{name} <companion.families.{name}>`"
        yield f"| {link} | {parameters} | {fixed} | {scipy_name} |"


class Families(SphinxDirective):
    def run(self):
        text = [*table(), "", "```{eval-rst}"]
        for name, row in FAMILIES.items():
            text += [
                f".. autoclass:: companion.families.{name}",
                *([f"   :members: {', '.join(own_members(row.cls))}"] if own_members(row.cls) else []),
                "",
            ]
        text.append("```")
        holder = nodes.container(classes=["families"])
        self.state.nested_parse(text, self.content_offset, holder)
        return [holder]


def one_formula_a_line(app, what, name, obj, options, lines):
    """Break the display formulas of a family at ``, \\qquad``: each begins a line of its own."""
    if what != "class" or getattr(obj, "__module__", "").split(".")[:2] != ["companion", "families"]:
        return
    inside, result = False, []
    for line in lines:
        if line.startswith(".. math::"):
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
        if inside and line.startswith(" "):
            parts = re.split(r"\s*\\qquad\s*", line.strip())
            for i, part in enumerate(parts):
                result += ([""] if i and part else []) + (["   " + part] if part else [""])
            if not parts[-1]:
                continue
        else:
            result.append(line)
    lines[:] = result


def setup(app):
    app.connect("autodoc-process-docstring", one_formula_a_line)
    app.add_directive("families", Families)
    return {"parallel_read_safe": True}
