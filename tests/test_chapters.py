"""One table of chapters: what the book says of them elsewhere is made from it, and they are as it says."""

import json
import re
import sys

import pytest

from conftest import ROOT

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "book" / "_ext")]
import chapters  # noqa: E402
import contents  # noqa: E402

BOOK = ROOT / "book"
LOOK_UP = {"functions", "which-kl"}
SLUGS = [chapter["slug"] for chapter in chapters.chapters()]
every_chapter = pytest.mark.parametrize("chapter", chapters.chapters(), ids=SLUGS)
STALE = "run: python tools/contents.py"


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_table_has_the_titles_and_times_of_the_notebooks():
    assert text_of(BOOK / "chapters.yml") == contents.table(), STALE


def test_contents_follow_from_the_table():
    assert text_of(ROOT / "_toc.yml") == chapters.toc(), STALE


def test_table_of_the_readme_follows_from_the_table():
    assert text_of(ROOT / "README.md") == contents.readme(), STALE


def test_table_names_every_notebook_once():
    assert sorted(SLUGS) == sorted(path.stem for path in BOOK.glob("*.ipynb") if path.stem not in LOOK_UP)


def test_every_page_of_the_book_is_in_the_contents():
    pages = [path.relative_to(ROOT).with_suffix("").as_posix() for path in BOOK.rglob("*.md") if "_" not in str(path)]
    assert [page for page in pages if page != "book/index" and f"file: {page}\n" not in chapters.toc()] == []


@every_chapter
def test_chapter_has_its_rooms(chapter):
    slug = chapter["slug"]
    assert (ROOT / "companion" / f"{slug}.py").exists()
    assert (ROOT / "tests" / f"test_{slug}.py").exists()
    assert f"automodule:: companion.{slug}\n" in text_of(BOOK / "api" / f"{slug}.md")


@every_chapter
def test_row_says_what_a_reader_asks(chapter):
    assert {"slug", "title", "question", "needs", "minutes", "practice"} <= set(chapter)
    assert chapter["question"].endswith("?") and len(chapter["question"]) < 90
    before = SLUGS[: SLUGS.index(chapter["slug"])]
    assert set(chapter["needs"]) <= set(before), "a chapter needs only chapters before it"


def test_numbers_count_finished_chapters_in_their_order():
    numbers = [chapter["number"] for chapter in chapters.finished()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_home_page_shows_the_table(site):
    html = text_of(site / "book" / "index.html")
    for chapter in chapters.finished():
        row = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*href=\"{chapter['slug']}\.html\".*?</tr>", html, re.S).group()
        words = " ".join(re.sub(r"<[^>]*>", " ", row).split())
        assert words.startswith(f"{chapter['number']}. ")
        assert chapters.hours(chapter["minutes"] + chapter["practice"]) in words
        assert " ".join(chapter["question"].split()) in words.replace("’", "'")


@every_chapter
def test_numbers_begin_with_the_chapter(site, chapter):
    """Figures, tables, equations, exercises and theorems, where they stand and where they are referred to."""
    html = text_of(site / "book" / f"{chapter['slug']}.html")
    own = re.findall(r'class="caption-number">(?:Fig\.|Table|\w+) ([\d.]+?)\s*<', html)
    own += re.findall(r'<span class="eqno">\(([\d.]+)\)', html)
    if chapter["draft"]:
        return
    assert own and {number.split(".")[0] for number in own} == {str(chapter["number"])}
    assert all(number.count(".") == 1 for number in own)
    heading = re.search(r"<h1>.*?</h1>", html, re.S).group()
    assert f">{chapter['number']}. </span>" in heading


@pytest.mark.parametrize("slug", SLUGS)
def test_metadata_of_the_course_is_complete(slug):
    course = json.loads(text_of(BOOK / f"{slug}.ipynb"))["metadata"]["course"]
    assert set(course) >= {"title", "objectives", "prerequisites", "minutes"}
