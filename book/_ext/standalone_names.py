"""How the site names what a page refers to: "Theorem 2.1", "(1.3)", "White (1982)". Sphinx knows, when it is done."""

from __future__ import annotations

import re
from typing import NamedTuple

import pybtex.plugin
from docutils import nodes
from sphinxcontrib.bibtex.domain import SphinxReferenceInfo
from sphinxcontrib.bibtex.style.referencing import format_references

MARKDOWN = pybtex.plugin.find_plugin("pybtex.backends", "markdown")()


class Place(NamedTuple):
    words: str
    page: str = ""  # the document that it is in, as Sphinx calls it; of a work, none
    anchor: str = ""


class Unknown(Exception):
    """A role, directive or label that a notebook cannot show."""


class Names:
    def __init__(self, app, page: str) -> None:
        self.app, self.env, self.page = app, app.env, page
        self.cited: dict[str, str] = {}  # the works of the notebook: "White (1982)", its entry

    def find(self, role: str, content: str) -> Place:
        """What stands on the page for a role that refers to something."""
        match = re.fullmatch(r"(?P<words>.+?)\s*<(?P<target>[^<>]+)>", content, re.S)
        words, target = (match["words"], match["target"]) if match else ("", content)
        find = {
            "eq": self._equation,
            "ref": self._reference,
            "numref": self._numbered,
            "prf:ref": self._proved,
            "doc": self._document,
        }[role]
        try:
            place = find(target)
        except KeyError:
            raise Unknown(f'{{{role}}}: nothing has the label "{target}"') from None
        return place._replace(words=words or place.words)

    def numbered(self, label: str) -> str:
        """ "Fig. 2.1", "Exercise 1.3" of a label of this page."""
        return self._proved(label).words if label in self.env.proof_list else self._numbered(label).words

    def tag(self, label: str) -> str:
        """The number of an equation, without its parentheses."""
        return self._equation(label).words.strip("()")

    def chapter(self, page: str) -> str:
        """Its number, or nothing."""
        return ".".join(map(str, self.env.toc_secnumbers.get(page, {}).get("", ())))

    def title(self, page: str) -> str:
        return self.env.titles[page].astext()

    def _number(self, page, identifier, kinds):
        for kind in kinds or self.env.toc_fignumbers[page]:
            number = self.env.toc_fignumbers[page].get(kind, {}).get(identifier)
            if number:
                return kind, ".".join(map(str, number))
        raise KeyError(identifier)

    def _equation(self, label):
        page, _ = self.env.domaindata["math"]["objects"][label]
        anchor = f"equation-{label}"
        _, number = self._number(page, anchor, ["displaymath"])
        return Place(self.app.config.math_eqref_format.format(number=number), page, anchor)

    def _numbered(self, label):
        page, anchor = self.env.domaindata["std"]["anonlabels"][label.lower()]
        kind, number = self._number(page, anchor, None)
        return Place(self.app.config.numfig_format[kind] % number, page, anchor)

    def _reference(self, label):
        if label in self.env.sphinx_exercise_registry:
            return self._numbered(label)
        return Place(*[self.env.domaindata["std"]["labels"][label.lower()][i] for i in (2, 0, 1)])

    def _proved(self, label):
        proof = self.env.proof_list[label]
        _, number = self._number(proof["docname"], label, [proof["countertype"]])
        return Place(f"{proof['realtype'].title()} {number}", proof["docname"], label)

    def _document(self, target):
        page = target if target in self.env.titles else f"{self.page.rpartition('/')[0]}/{target}"
        return Place(self.title(page), page)

    def cite(self, role: str, content: str) -> str:
        """Author and year as on the page, in parentheses; the works are kept for the list of references."""
        cite, keys = self.env.get_domain("cite"), [key.strip() for key in content.split(",")]
        works = [work for work in cite.citations if work.key in keys]
        for key in set(keys) - {work.key for work in works}:
            raise Unknown(f'{{{role}}}: no work has the key "{key}"')
        for work in works:
            entry = " ".join(work.formatted_entry.text.render(MARKDOWN).split())
            self.cited[self._shown("t", [work])] = re.sub(r"\\([-.:()])", r"\1", entry)
        return self._shown(role.removeprefix("cite:"), works)

    def _shown(self, role, works):
        cite = self.env.get_domain("cite")
        shown = format_references(cite.reference_style, role, list(map(self._reference_to, works)))
        return nodes.inline("", "", *shown.render(cite.backend)).astext().replace("[", "(").replace("]", ")")

    def _reference_to(self, work):
        where = work.bibliography_key.docname, work.citation_id, None, "", ""
        return work.entry, work.formatted_entry, SphinxReferenceInfo(self.app.builder, self.page, *where)
