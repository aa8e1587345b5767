"""Pages of the built book as files: their names, tags and text. What tests of the site share."""

from __future__ import annotations

import functools
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
import yaml

from conftest import ROOT

MAX_WEIGHT = 300_000  # bytes of a page with all it loads, gzipped
VOID = set("area base br col embed hr img input link meta source track wbr".split())
# Attributes that make a browser fetch something.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "preconnect", "dns-prefetch", "prefetch"}


def pages_of_toc():
    """Page names from `_toc.yml`, in order, and the pages that every book has."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def files(node):
        for child in node.get("parts", []) + node.get("chapters", []) + node.get("sections", []):
            yield from [child["file"]] if "file" in child else []
            yield from files(child)

    return [f"{name}.html" for name in [toc["root"], *files(toc)]] + ["index.html", "search.html", "genindex.html"]


PAGES = pages_of_toc()
NOTEBOOKS = [name for name in PAGES if (ROOT / name).with_suffix(".ipynb").exists()]
every_page = pytest.mark.parametrize("name", PAGES)
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


class Page(HTMLParser):
    """The tags of a page, and its text outside code, scripts and formulas."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags, self.prose, self.open = path, [], "", []
        self.loose = []  # answers that no box folds
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def updatepos(self, start, end):
        """Lines are not counted: nobody asks where a tag stands."""
        return end

    def handle_starttag(self, tag, attributes):
        attributes = {key: value or "" for key, value in attributes}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            classes = attributes.get("class", "").split()
            above = self.open[-1] if self.open else ("", False, False)
            folded = above[2] or (tag == "details" and "solution" in classes)
            hidden = above[1] or tag in ("script", "style", "code", "pre", "noscript") or "katex" in classes
            if not folded and {"tag_exercise", "tag_check", "tag_solution", "solution"} & set(classes):
                self.loose.append(f"<{tag} class={' '.join(classes)}>")
            self.open.append((tag, hidden, folded))

    def handle_endtag(self, tag):
        if not (self.open and self.open[-1][0] == tag):  # a tag that nobody closed, or one that is not open
            while self.open and tag in [name for name, *_ in self.open] and self.open[-1][0] != tag:
                self.open.pop()
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data):
        if not (self.open and self.open[-1][1]):
            self.prose += data

    def all(self, tag, **wanted):
        return [a for name, a in self.tags if name == tag and all(a.get(k) == v for k, v in wanted.items())]

    @functools.cached_property
    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if attributes.get("id")]

    def resources(self):
        """Addresses that a browser fetches for this page."""
        for tag, attributes in self.tags:
            if tag in FETCHED and attributes.get(FETCHED[tag]):
                yield attributes[FETCHED[tag]]
            if tag == "link" and FETCHED_LINKS & set(attributes.get("rel", "").split()):
                yield attributes.get("href", "")
            for source in attributes.get("srcset", "").split(","):
                yield from source.split()[:1]
            yield from addresses_in_css(attributes.get("style", ""))


def addresses_in_css(css):
    return re.findall(r"(?:url\(\s*|@import\s+)['\"]?([^'\")\s]+)", css)


def is_outside(address):
    return bool(urlsplit(address).netloc)


def problems(found):
    """Fail with the whole list, not only its first entry."""
    found = list(found)
    assert not found, f"{len(found)} found:\n" + "\n".join(map(str, found))
