"""The reading list: every question of the thread has entries, every entry says what for, references are complete."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT

BOOK = ROOT / "book"
TEXT = (BOOK / "reading.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^\((read-[\w-]+)\)=\n## (.*?)(?=^\(read-|\Z)", TEXT, re.M | re.S))
ENTRY = re.compile(r"^\{cite:t\}`(\w+)`(.*) · (★{1,3})\n: (.*)", re.M)
BIBLIOGRAPHY = {
    match[2]: (match[1], dict(re.findall(r"^  (\w+) = \{(.*)\},?$", match[3], re.M)))
    for match in re.finditer(
        r"^@(\w+)\{(\w+),\n(.*?)^\}", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M | re.S
    )
}
PLACE = {
    "article": "journal",
    "book": "publisher",
    "incollection": "booktitle",
    "inproceedings": "booktitle",
    "misc": "howpublished",
    "techreport": "institution",
    "manual": "url",
}
each_question = pytest.mark.parametrize("label", QUESTIONS)


def cited(text):
    return {key for keys in re.findall(r"\{cite:[pt]\}`([^`]*)`", text) for key in keys.split(",")}


@each_question
def test_every_question_has_entries_with_a_level_and_a_note(label):
    title, _, body = QUESTIONS[label].partition("\n")
    assert title.endswith("?") and "n this book: " in body
    entries = ENTRY.findall(body)
    assert len(entries) >= 2 and len({key for key, *_ in entries}) == len(entries)
    assert len(entries) == body.count("{cite:"), "an entry without its level or note"
    for key, _, _, note in entries:
        assert len(note.split()) >= 10, key
    assert min(len(level) for _, _, level, _ in entries) <= 2, "one entry is for those who begin"


@each_question
def test_every_entry_is_in_the_bibliography(label, site):
    keys = cited(QUESTIONS[label])
    assert keys and keys <= set(BIBLIOGRAPHY)
    section = re.search(
        rf'<section[^>]*id="{label}".*?(?=<section|</article)|<span[^>]*id="{label}".*?(?=<section|</article)',
        (site / "book" / "reading.html").read_text(encoding="utf-8"),
        re.S,
    ).group()
    entries = (site / "book" / "references.html").read_text(encoding="utf-8")
    links = re.findall(r'href="references\.html#([^"]+)"', section)
    assert len(links) >= len(keys)
    for anchor in links:
        assert f'id="{anchor}"' in entries, anchor


def test_every_reference_is_complete_and_used():
    assert len(BIBLIOGRAPHY) == (BOOK / "references.bib").read_text(encoding="utf-8").count("\n@") + 1, (
        "a key occurs twice, or an entry is malformed"
    )
    for key, (kind, fields) in BIBLIOGRAPHY.items():
        assert {"author", "title", "year", PLACE[kind]} <= set(fields), key
        assert key.endswith(fields["year"]), key
    everything = "\n".join(
        path.read_text(encoding="utf-8") for path in BOOK.glob("*.*") if path.suffix in (".md", ".ipynb")
    )
    assert cited(everything) == set(BIBLIOGRAPHY)
