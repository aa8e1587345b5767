"""What a reader begins an exercise with: the functions that its check calls, empty but for their docstrings."""

from __future__ import annotations

import ast
import json
from pathlib import Path

SOLVE = 'raise NotImplementedError("{name}: write your answer here")'


def stub(source: str, check: str = "") -> str:
    """The answer `source` without what answers it: imports, and the functions that `check` names, emptied.

    A function keeps its signature, decorators and docstring; what it is called for then raises NotImplementedError.
    Functions that the check does not name are steps of the answer, and go.

    >>> print(stub("def half(x):\\n    '''Half of x.'''\\n    return x / 2", "check(half, [])"))
    def half(x):
        '''Half of x.'''
        raise NotImplementedError("half: write your answer here")
    """
    wanted = {node.id for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Name)} if check else None
    lines, kept = source.splitlines(), []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
        if isinstance(node, ast.FunctionDef) and (wanted is None or node.name in wanted):
            kept.append("\n\n" + _emptied(node, lines) if kept else _emptied(node, lines))
    return "\n".join(kept)


def _emptied(node: ast.FunctionDef, lines: list[str]) -> str:
    first = node.body[0]
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    documented = ast.get_docstring(node, clean=False) is not None
    head = lines[start : first.end_lineno if documented else first.lineno - 1]
    indent = " " * first.col_offset
    return "\n".join([*head, indent + SOLVE.format(name=node.name)])


def cells(path: Path) -> list[dict]:
    """The code cells of a notebook in their order: id, source, tags, and the stub of an answer to write."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    found = []
    for cell, following in zip(code, [*code[1:], None], strict=True):
        source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        entry = {"id": cell["id"], "source": source, "tags": tags}
        if "slow" in cell["metadata"]:  # how long a reader's browser takes, "about 40 s": it asks first
            entry["slow"] = cell["metadata"]["slow"]
        if "exercise" in tags:
            checked = following is not None and "check" in following["metadata"].get("tags", [])
            entry["stub"] = stub(source, "".join(following["source"]) if checked else "")
        found.append(entry)
    return found
