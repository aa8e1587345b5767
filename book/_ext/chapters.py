"""The table of chapters, `book/chapters.yml`: read here by the site, the tools and the tests.

    ```{chapters}
    ```

shows it as the home page's table: chapter, question, times, what it needs. The directive `sheets` lists all exercises.
"""

import copy
import functools
import json
import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

BOOK = Path(__file__).resolve().parent.parent
HEADS = "| chapter | question | to read | with exercises | needs |"
EXERCISE = re.compile(
    r"^:{3,}\{exercise\} (?P<title>.*?) (?P<stars>★+) \((?P<minutes>\d+) min\)\n:label: (?P<label>\S+)", re.M
)
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


def rows(book=BOOK):
    return copy.deepcopy(read((book / "chapters.yml").read_text(encoding="utf-8")))  # the reader may write into it


@functools.cache
def read(text):
    """YAML that every page of the site asks for, understood once."""
    return yaml.safe_load(text)


def parts(book=BOOK):
    """The numbered parts in order, each with its chapters; a chapter knows its number, unless it is a draft."""
    table = [part for part in rows(book) if "chapters" in part]
    finished = [c for part in table for c in part["chapters"] if not c.setdefault("draft", False)]
    for number, chapter in enumerate(finished, 1):
        chapter["number"] = number
    for numeral, part in zip(ROMAN, table, strict=False):
        part["caption"] = f"{numeral} · {part['part']}"
    return table


def chapters(book=BOOK):
    """All chapters in order, drafts last."""
    found = [chapter for part in parts(book) for chapter in part["chapters"]]
    return sorted(found, key=lambda chapter: chapter["draft"])


def finished(book=BOOK):
    return [chapter for chapter in chapters(book) if not chapter["draft"]]


def hours(minutes):
    """In half hours, as people plan: `2 h`, `2½ h`."""
    halves = max(1, round(minutes / 30))
    return f"{halves // 2 or ''}{'½' * (halves % 2)} h"


def toc(book=BOOK):
    """The text of `_toc.yml`."""
    lines = ["# Written by tools/contents.py from book/chapters.yml", "format: jb-book", "root: book/index", "parts:"]

    def part(caption, names, numbered=False):
        lines.extend([f"  - caption: {caption}", *(["    numbered: 1"] if numbered else []), "    chapters:"])
        for name in names:
            lines.append(f"      - file: book/{name}")
            if name == "api":
                lines.extend(["        sections:", *(f"          - file: book/api/{page}" for page in api_pages(book))])

    for group in parts(book):
        names = [chapter["slug"] for chapter in group["chapters"] if not chapter["draft"]]
        if names:
            part(group["caption"], names, numbered=True)
    for group in rows(book):
        if "pages" in group:
            there = [page["slug"] for page in group["pages"] if list(book.glob(f"{page['slug']}.*[bd]"))]
            part(group["part"], there)
    drafts = [chapter["slug"] for chapter in chapters(book) if chapter["draft"]]
    if drafts:
        part("Drafts", drafts)
    return "\n".join(lines) + "\n"


def api_pages(book=BOOK):
    """Pages of the package: the measures, then the chapters' modules in their order, then the others by name."""
    there = sorted(path.stem for path in (book / "api").glob("*.md"))
    order = ["measures", *(chapter["slug"] for chapter in chapters(book))]
    return [name for name in order if name in there] + [name for name in there if name not in order]


class Chapters(SphinxDirective):
    def run(self):
        self.env.note_dependency(str(BOOK / "chapters.yml"))
        text = [":::{table}", ":class: folding path", "", HEADS, "|--|--|--|--|--|"]
        numbers = {chapter["slug"]: chapter["number"] for chapter in finished()}
        for chapter in finished():
            needs = ", ".join(f"[{numbers[slug]}]({slug}.ipynb)" for slug in chapter["needs"]) or "nothing"
            time = hours(chapter["minutes"] + chapter["practice"])
            link = f"{{doc}}`{chapter['title']} <{chapter['slug']}>`"
            read = f"{chapter['minutes']} min"
            text.append(f"| {chapter['number']}. {link} | {chapter['question']} | {read} | {time} | {needs} |")
        holder = nodes.container(classes=["chapters"])
        self.state.nested_parse([*text, ":::"], self.content_offset, holder)
        return [holder]


def exercises(slug, book=BOOK):
    """Of a chapter, in order: title, stars, minutes, label, and whether code is asked for."""
    cells = json.loads((book / f"{slug}.ipynb").read_text(encoding="utf-8"))["cells"]
    for at, cell in enumerate(cells):
        for match in EXERCISE.finditer("".join(cell["source"])):
            following = cells[at + 1]["metadata"].get("tags", []) if at + 1 < len(cells) else []
            yield match.groupdict() | {"code": "exercise" in following}


class Sheets(SphinxDirective):
    """All exercises, chapter by chapter: what they take, and whether the answer is code."""

    def run(self):
        text = [":::{table}", ":class: folding", "", "| exercise | effort | answer |", "|--|--|--|"]
        for chapter in finished():
            self.env.note_dependency(str(BOOK / f"{chapter['slug']}.ipynb"))
            text.append(f"| **{chapter['number']}. {{doc}}`{chapter['slug']}`** | | |")
            for place, found in enumerate(exercises(chapter["slug"]), 1):
                link = f"{chapter['number']}.{place} {{ref}}`{found['title']} <{found['label']}>`"
                answer = "code" if found["code"] else "words"
                text.append(f"| {link} | {found['stars']}\u00a0{found['minutes']}\u00a0min | {answer} |")
        holder = nodes.container(classes=["sheets"])
        self.state.nested_parse([*text, ":::"], self.content_offset, holder)
        return [holder]


def setup(app):
    app.add_directive("chapters", Chapters)
    app.add_directive("sheets", Sheets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
