"""MyST as Markdown that JupyterLab, VS Code and Colab show: boxes, numbers and references in words.

Every directive and role has a row in a table here. What has none stops the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

from standalone_names import Names, Unknown

FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})(?:\{(?P<name>[^}]+)\}[ ]*(?P<argument>.*))?")
OPTION = re.compile(r"^:(?P<key>[\w-]+):[ ]*(?P<value>.*)$")
TARGET = re.compile(r"^\((?P<label>[\w-]+)\)=$")
INLINE = re.compile(
    r"(?P<escape>\\[\\`$*_{}\[\]()#+.!<>|-])"
    r"|\{(?P<role>[\w:.+-]+)\}(?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<code>(?P<run>`+)(?!`).+?(?<!`)(?P=run)(?!`))"
    r"|\$\$(?P<display>.+?)\$\$(?:[ ]*\((?P<label>[\w-]+)\))?"
    r"|(?P<math>\$(?:\\.|[^$\\\n]|\n(?!\s*\n))+\$)",
    re.S,
)
# What MyST reads and other Markdown does not: none of it may be left in the prose.
FOREIGN = {
    "a role": r"\{[\w:.+-]+\}`",
    "a directive": r"^\s*(?:`{3,}\{|:{3,})",
    "a target": r"^\([\w-]+\)=",
    "a substitution": r"\{\{",
    "an attribute": r"(?:^|[\])`*])\{[.#\w][^}]*\}",
    "a footnote": r"\[\^",
    "a break": r"^\+\+\+",
    "a comment": r"^%",
    "a definition": r"^: ",
    "a picture": r"!\[",
    "a link to a file": r"\]\((?!https?:|#)",
}
BOXES = {"trap": "warning", "note": "info", "tip": "info", "warning": "warning", "important": "warning"}
EDGES = {"success": "#2e8b57", "info": "#2f7fc1", "warning": "#d2691e"}
STATEMENTS = ("theorem", "proposition", "lemma", "definition", "corollary", "example", "remark", "algorithm")
REFERENCES = ("eq", "ref", "numref", "prf:ref", "doc")
EFFORT = re.compile(r"\s*(★{1,3})\s*(?:\((\d+) min\))?\s*$")


class Markdown:
    """Turns the cells of one page into plain Markdown; `here` are the labels that its notebook keeps."""

    def __init__(self, names: Names, here: set[str], site: str, explorers: Callable[[str], tuple], answers: bool):
        self.names, self.here, self.site, self.explorers, self.answers = names, here, site, explorers, answers
        self.chapters: dict[str, str] = {}  # others that a number leads to
        self.asking = False  # in the section of questions to oneself

    def text(self, source: str) -> str:
        """A cell's text, its blocks apart by blank lines."""
        lines, prose, done = source.split("\n"), [], []

        def end_of_prose():
            if prose:
                done.append(self.inline("\n".join(prose)).strip("\n"))
                prose.clear()

        while lines:
            line = lines.pop(0)
            fence, target = FENCE.match(line), TARGET.match(line)
            if line.startswith("## "):
                self.asking = line == "## Check yourself"
            if fence:
                end_of_prose()
                body = _until(lines, fence["fence"], line)
                done.append(self.directive(fence, body) if fence["name"] else "\n".join([line, *body, fence["fence"]]))
            elif target:
                end_of_prose()
                done.append(anchor(target["label"]))
            else:
                prose.append(line)
        end_of_prose()
        return apart("\n\n".join(block for block in done if block))

    # --- within a line ---

    def inline(self, source: str) -> str:
        found: list[str] = []

        def put(match):
            found.append(self._inline(match))
            return f"\0{len(found) - 1}\0"

        text = INLINE.sub(put, source)
        for what, pattern in FOREIGN.items():
            left = re.search(pattern, text, re.M)
            if left:
                raise Unknown(f"{what} that a notebook cannot show: {_around(text, left)!r}")
        return re.sub("\0(\\d+)\0", lambda m: found[int(m[1])], text)

    def _inline(self, match):
        if match["role"]:
            return self.role(match["role"], " ".join(match["content"].split()))
        if match["label"]:
            label = match["label"]
            return f"{anchor(label)}\n\n$${match['display'].rstrip()}\n\\tag{{{self.names.tag(label)}}}\n$$"
        return match[0]

    def role(self, role: str, content: str) -> str:
        if role in ("cite:p", "cite:t"):
            return self.names.cite(role, content)
        if role == "set":
            return self.inline(content.rpartition("<")[0].strip())
        if role in REFERENCES:
            words, page, target = self.names.find(role, content)
            return self.link(self.inline(words), page, target)
        raise Unknown(f"{{{role}}}: a role that a notebook cannot show: {content!r}")

    def link(self, words: str, page: str, target: str) -> str:
        """To the place in this notebook; else to the site, where its address is known; else the words say enough."""
        label = target.removeprefix("equation-")
        if page == self.names.page and label in self.here:
            return f"[{words}](#{label})"
        if self.site:
            return f"[{words}]({self.site}{page}.html{'#' * bool(target)}{target})"
        if not target or page == self.names.page:
            return f"*{words}*" if not target else words
        if self.names.chapter(page):
            self.chapters[page] = self.names.title(page)
            return words
        return f"{words} of *{self.names.title(page)}*"

    # --- boxes ---

    def directive(self, fence: re.Match, body: list[str]) -> str:
        name, argument = fence["name"], fence["argument"].strip()
        options = {}
        while body and OPTION.match(body[0]):
            options.update([OPTION.match(body.pop(0)).groups()])
        kind = name.removeprefix("prf:")
        show = {"table": self.table, "explorer": self.explorer, "exercise": self.exercise, "solution": self.solution}
        show |= {"admonition": self.admonition, "prf:proof": self.proof}
        show |= {f"prf:{statement}": self.statement for statement in STATEMENTS}
        if name not in show:
            raise Unknown(f"{{{name}}}: a directive that a notebook cannot show: {argument!r}")
        strange = options.keys() - {"label", "name", "class", "state"}
        if strange:
            raise Unknown(f"{{{name}}}: an option that a notebook cannot show: {', '.join(sorted(strange))}")
        label = options.get("label") or options.get("name", "")
        return show[name](argument, label, set(options.get("class", "").split()), "\n".join(body).strip("\n"), kind)

    def table(self, caption, label, classes, body, kind):
        return f"{anchor(label)}**{self.names.numbered(label)}.** {self.inline(caption)}\n\n{self.inline(body)}"

    def explorer(self, name, label, classes, body, kind):
        title = f"**{self.names.numbered(label)}.** {self.inline(body)}"
        place = self.link("on the site", self.names.page, label) if self.site else "on the book's site"
        words, picture = self.explorers(label)
        words, moved = escape(words), f"*Here as it begins; to be moved {place}.*"
        image = f'<img alt="{words}" src="{picture}">'
        return f"{anchor(label)}\n\n{image}\n\n{title} {moved}\n\n{folded('The figure in words', words)}"

    def exercise(self, title, label, classes, body, kind):
        effort = EFFORT.search(title)
        stars, minutes = effort.groups() if effort else ("", "")
        head = f"### {self.names.numbered(label)}: {self.inline(EFFORT.sub('', title))}"
        said = " · ".join(filter(None, [stars, minutes and f"{minutes} minutes"]))
        return "\n\n".join(filter(None, [anchor(label), head, said and f"*{said}*", self.text(body)]))

    def solution(self, label, name, classes, body, kind):
        return folded(f"Solution of {self.names.numbered(label)}", self.text(body))

    def admonition(self, title, label, classes, body, kind):
        if self.asking and classes == {"dropdown"}:
            question = f"**{self.inline(title)}**"
            return f"{question}\n\n{folded('Answer', self.text(body))}" if self.answers else question
        if "dropdown" in classes:
            return folded(self.inline(title), self.text(body))
        strange = classes - BOXES.keys()
        if strange:
            raise Unknown(f"{{admonition}}: a class that a notebook cannot show: {', '.join(sorted(strange))}")
        return box(BOXES[min(classes, default="note")], f"**{self.inline(title)}**\n\n{self.text(body)}")

    def proof(self, title, label, classes, body, kind):
        text = self.text(body)
        text += " ∎" if re.search(r"[.)]$", text) else "\n\n∎"
        return folded("Proof", text) if "dropdown" in classes else f"*Proof.* {text}"

    def statement(self, title, label, classes, body, kind):
        title = f" ({self.inline(title)})" if title else ""
        return box("success", f"{anchor(label)}**{self.names.numbered(label)}**{title}\n\n{self.text(body)}")


def anchor(label):
    return f'<a id="{label}"></a>' if label else ""


def apart(text):
    """What follows a folded box would stick to it, as if it were its answer: an empty paragraph has a margin."""
    return re.sub(r"</details>\n\n(?!<p></p>|</)", "</details>\n\n<p></p>\n\n", text)


def box(kind, text):
    """A box with a coloured edge, and text and links in the window's own colours, light or dark: in Jupyter's own
    boxes orange on orange cannot be read, nor a link of a dark window on a light ground."""
    edge = f"border-left: 4px solid {EDGES[kind]}; padding-left: 1em; margin-bottom: 1em"
    return f'<div style="{edge}">\n\n{text}\n\n</div>'


def folded(title, text):
    if re.search(r"[$`*_]", title):  # within the tag it would not be read
        return f"**{title}**\n\n{folded('Show', text)}"
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"


def _until(lines, fence, opening):
    body = []
    while lines:
        line = lines.pop(0)
        if line.rstrip() == fence:
            return body
        body.append(line)
    raise Unknown(f"nothing closes {opening!r}")


def _around(text, match):
    return text[max(0, match.start() - 20) : match.end() + 30]
