"""A chapter's notebook as one that stands alone: complete, or for students with the answers left out."""

from __future__ import annotations

import base64
import json
import re
from html import escape
from pathlib import Path

import stubs
from standalone_names import Names, Unknown
from standalone_text import Markdown, anchor, folded
from standalone_wheel import first_cell

LABEL = re.compile(r"^:(?:label|name): (\S+)$|^\(([\w-]+)\)=$|\$\$ *\(([\w-]+)\)", re.M)
ANSWER = {"exercise", "solution"}
DRAWING = "image/svg+xml"
TO_WRITE = "*Your answer:*"
HEADS = {True: "complete, with all answers, folded", False: "for students, without answers; checks test yours"}


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def figure_of(cell):
    return cell["metadata"].get("mystnb", {}).get("figure", {})


def alt_of(cell):
    return cell["metadata"]["mystnb"]["image"]["alt"]


def by_name(cited):
    """Where a work stands in the list: "van der Vaart (1998)" before "White (1982)"."""
    return cited[0].casefold()


def seen(output, cell):
    """A drawing as an image: Jupyter shows no SVG of a notebook that it does not trust, and nobody hears it."""
    data = output.get("data", {})
    if DRAWING not in data:
        return output
    picture = base64.b64encode("".join(data[DRAWING]).encode()).decode()
    image = f'<img alt="{escape(alt_of(cell))}" src="data:{DRAWING};base64,{picture}">'
    return {**output, "data": {"text/html": [image], "text/plain": data["text/plain"]}}


class Notebook:
    """Made of the file at `path`, which is the site's page `names.page`."""

    def __init__(self, path: Path, names: Names, site: str, title: str, explorers, answers: bool) -> None:
        self.cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.stubs = {cell["id"]: cell["stub"] for cell in stubs.cells(path) if "stub" in cell}
        self.path, self.names, self.site, self.title, self.answers = path, names, site, title, answers
        here = {label for cell in self.kept() for label in self.labels(cell)}
        self.markdown = Markdown(names, here, site, explorers, answers)

    def kept(self):
        return [cell for cell in self.cells if self.answers or "solution" not in tags(cell)]

    @staticmethod
    def labels(cell):
        if cell["cell_type"] == "code":
            return [figure_of(cell)["name"]] if figure_of(cell) else []
        return [next(filter(None, found)) for found in LABEL.findall(source(cell))]

    def whole(self) -> dict:
        """In the format of notebooks."""
        return {
            "cells": [{**cell, "source": source(cell).splitlines(keepends=True)} for cell in self.made()],
            "metadata": {
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }

    def made(self):
        made, carried = [], False
        for cell, following in zip(self.cells, [*self.cells[1:], None], strict=True):
            try:
                if cell["cell_type"] == "code" and not carried:
                    made.append(first_cell("\n".join(map(source, self.cells))))
                    carried = True
                if cell in self.kept():
                    made += self.code(cell) if cell["cell_type"] == "code" else [self.prose(cell)]
                if not self.answers and ":::{exercise}" in source(cell) and "exercise" not in tags(following):
                    made.append(self.words(f"{cell['id']}-yours", TO_WRITE))
            except Unknown as error:
                raise Unknown(f"{self.path.name}, cell {cell['id']}: {error}") from None
        made[0]["source"] = self.introduced(made[0]["source"])
        return made + self.foot()

    def words(self, identifier, text, kept=()):
        return {
            "cell_type": "markdown",
            "id": identifier,
            "metadata": {"tags": sorted(kept)} if kept else {},
            "source": text,
        }

    def prose(self, cell):
        return self.words(cell["id"], self.markdown.text(source(cell)), tags(cell))

    def code(self, cell):
        """The cell as it is; without answers an exercise is its stub, and a check has not been passed."""
        text, outputs, closed = source(cell), cell["outputs"], {"source_hidden": True} if tags(cell) & ANSWER else {}
        if closed and outputs:  # what an answer prints gives it away
            closed["outputs_hidden"] = True
        if not self.answers and tags(cell) & {"exercise", "check"}:
            text, outputs, closed = self.stubs.get(cell["id"], text), [], {}
        kept = tags(cell) & {"exercise", "check", "solution"}
        metadata = ({"tags": sorted(kept)} if kept else {}) | ({"jupyter": closed} if closed else {})
        made = [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": cell["id"],
                "metadata": metadata,
                "outputs": [seen(output, cell) for output in outputs],
                "source": text,
            }
        ]
        figure = figure_of(cell)
        if figure:
            caption = f"**{self.names.numbered(figure['name'])}.** {self.markdown.inline(figure['caption'])}"
            words = folded("The figure in words", escape(alt_of(cell), quote=False))
            made.append(self.words(f"{cell['id']}-caption", f"{anchor(figure['name'])}{caption}\n\n{words}", kept))
        return made

    def introduced(self, head):
        """The head of the chapter, and what the notebook is."""
        title, _, rest = head.partition("\n")
        book = f"[{self.title}]({self.site}index.html)" if self.site else f"*{self.title}*"
        number = self.names.chapter(self.names.page)
        place = f"Chapter {number} of {book}" if number else f"A page of {book}"
        return f"{title}\n\n{place}. This is the notebook {HEADS[self.answers]}.\n{rest}"

    def foot(self):
        """The works that were cited, and the chapters that numbers lead to."""
        made = []
        if self.names.cited:
            works = "\n".join(f"- *{name}.* {entry}" for name, entry in sorted(self.names.cited.items(), key=by_name))
            made.append(self.words("references", f"## References\n\n{works}"))
        if self.markdown.chapters:
            chapters = sorted((int(self.names.chapter(page)), title) for page, title in self.markdown.chapters.items())
            text = f"## Numbers of other chapters\n\nA number such as {chapters[0][0]}.1 begins with its chapter's:\n\n"
            text += "\n".join(f"- {number}: {title}" for number, title in chapters)
            made.append(self.words("other-chapters", text))
        return made
