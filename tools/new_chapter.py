"""Begin a chapter as a draft that builds and passes every test from its first commit.

    python tools/new_chapter.py sampling --part "The identity" --title "What n samples can tell" \
        --question "When may an expectation be replaced by an average?"

It makes the notebook, its module, its tests, its page of the API and its row in `book/chapters.yml` with `draft: true`.
A draft is built last, without a number and left out of the home page, and needs no explorer and no exercises yet.
Take `draft: true` away when it is written: the tests then ask for the rest, and `python tools/contents.py` numbers it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import contents
import nbformat
import notebooks

ROOT = Path(__file__).resolve().parent.parent

HEAD = """# {title}

Two or three sentences that bring the question to life, with real data. **{question}**

:::{{admonition}} What you will be able to do
:class: dropdown objectives

- say what the chapter is about;
- compute it.

**You need:** a course in probability. **Time:** 30 minutes.
:::

:::{{note}}
This chapter is a draft.
:::"""
STEP = """## The first step

Prose, a step of the derivation with its reason, and a cell that shows it take turns."""
CLAIM = """import numpy as np

from companion.lesson import claims

claims.equal("twice log 2 and log 4", 2 * np.log(2), np.log(4))"""
REMEMBER = """## Remember

- At most five lines."""
MODULE = '''"""{title}: the functions of the chapter `{slug}`, in the order they are taught and with its letters."""
'''
TESTS = '''"""The functions of the chapter `{slug}` against oracles that are not the code under test."""

from companion import {slug}


def test_module_says_what_it_is_for():
    assert {slug}.__doc__
'''
API = """# {title}

The code of the chapter {{doc}}`/book/{slug}`, in its order.

```{{eval-rst}}
.. automodule:: companion.{slug}
   :members:
```
"""
ROW = """    - slug: {slug}
      title: {title}
      question: {question}
      needs: []
      minutes: 30
      practice: 60
      draft: true
"""


def row_added(table: str, part: str, row: str) -> str:
    """The text of `chapters.yml` with a row at the end of a part."""
    names = re.findall(r"^- part: (.*)\n  chapters:", table, re.M)
    if part not in names:
        raise SystemExit(f'there is no part "{part}"; there are: {", ".join(names)}')
    pattern = rf"(^- part: {re.escape(part)}\n  chapters:\n(?:    .*\n)+)"
    return re.sub(pattern, lambda found: found[1] + row, table, count=1, flags=re.M)


def notebook(title: str, question: str) -> nbformat.NotebookNode:
    cell = nbformat.v4
    cells = [
        cell.new_markdown_cell(HEAD.format(title=title, question=question), id="head"),
        cell.new_markdown_cell(STEP, id="first-step"),
        cell.new_code_cell(CLAIM, id="first-claim"),
        cell.new_markdown_cell(REMEMBER, id="remember"),
    ]
    course = {
        "title": title,
        "objectives": ["say what the chapter is about", "compute it"],
        "prerequisites": ["a course in probability"],
        "minutes": 30,
    }
    return cell.new_notebook(cells=cells, metadata={"course": course})


def create(slug: str, part: str, title: str, question: str, root: Path = ROOT) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise SystemExit(f'"{slug}" cannot name a module: use small letters, digits and underscores')
    if not question.endswith("?"):
        raise SystemExit(f'"{question}" is no question: a chapter opens with one')
    files = {f"companion/{slug}.py": MODULE, f"tests/test_{slug}.py": TESTS, f"book/api/{slug}.md": API}
    taken = [name for name in [*files, f"book/{slug}.ipynb"] if (root / name).exists()]
    if taken:
        raise SystemExit(f"there is already {taken[0]}")
    words = {"slug": slug, "title": title, "question": question}
    table = root / "book" / "chapters.yml"
    quoted = {key: contents.quoted(value) for key, value in words.items()}
    table.write_text(row_added(table.read_text(encoding="utf-8"), part, ROW.format(**quoted)), encoding="utf-8")
    for name, text in files.items():
        (root / name).write_text(text.format(**words), encoding="utf-8")
    path = root / "book" / f"{slug}.ipynb"
    nbformat.write(notebook(title, question), path)
    notebooks.refresh(path)
    contents.write(root)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slug", help="name of the notebook and of its module, e.g. sampling")
    parser.add_argument("--part", default="At work", help="part of the book it will stand in")
    parser.add_argument("--title", help="as a searcher would recognise it")
    parser.add_argument("--question", default="Which question does this chapter open with?")
    options = parser.parse_args()
    create(options.slug, options.part, options.title or options.slug.replace("_", " ").capitalize(), options.question)
