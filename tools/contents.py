"""Write what follows from the table of chapters: ``python tools/contents.py``.

Titles and minutes go from the notebooks into ``book/chapters.yml``; from there the contents go into ``_toc.yml`` and
the table of chapters into ``README.md``. ``tests/test_chapters.py`` fails while one of them is stale.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import chapters  # noqa: E402

START, END = "<!-- chapters: written by tools/contents.py -->\n", "<!-- /chapters -->"
TIMED = re.compile(r"\{exercise\}[^\n]*★ *\((\d+) min\)")


def of_notebook(slug: str, root: Path = ROOT) -> dict:
    """Title, minutes and, where every exercise states its own, minutes of practice."""
    notebook = json.loads((root / "book" / f"{slug}.ipynb").read_text(encoding="utf-8"))
    course = notebook["metadata"]["course"]
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    minutes = list(map(int, TIMED.findall(text)))
    complete = minutes and len(minutes) == text.count("{exercise}")
    return {"title": course["title"], "minutes": course["minutes"]} | ({"practice": sum(minutes)} if complete else {})


def quoted(value: str | int) -> str:
    """A title as YAML reads it."""
    odd = isinstance(value, str) and re.search(r": | #|^\W|[\"']$", value)
    return json.dumps(value, ensure_ascii=False) if odd else str(value)


def table(root: Path = ROOT) -> str:
    """The text of `book/chapters.yml` with the notebooks' titles and times."""
    text = (root / "book" / "chapters.yml").read_text(encoding="utf-8")
    for chapter in chapters.chapters(root / "book"):
        for key, value in of_notebook(chapter["slug"], root).items():
            row = rf"(- slug: {chapter['slug']}\n(?:      .*\n)*?      {key}: ).*"
            text = re.sub(row, r"\g<1>" + quoted(value).replace("\\", r"\\"), text)
    return text


def readme(root: Path = ROOT) -> str:
    """The text of README.md with the table of chapters."""
    rows = ["| | chapter | opens with | hours |", "|--:|---|---|--:|"]
    for chapter in chapters.finished(root / "book"):
        link = f"[{chapter['title']}](book/{chapter['slug']}.ipynb)"
        time = chapters.hours(chapter["minutes"] + chapter["practice"])
        rows.append(f"| {chapter['number']} | {link} | {chapter['question']} | {time} |")
    before, _, rest = (root / "README.md").read_text(encoding="utf-8").partition(START)
    return before + START + "\n".join(rows) + "\n" + END + rest.partition(END)[2]


def write(root: Path = ROOT) -> None:
    (root / "book" / "chapters.yml").write_text(table(root), encoding="utf-8")
    (root / "_toc.yml").write_text(chapters.toc(root / "book"), encoding="utf-8")
    (root / "README.md").write_text(readme(root), encoding="utf-8")


if __name__ == "__main__":
    write()
