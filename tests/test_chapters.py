"""One table of chapters: what the book says of them elsewhere is made from it, and they are as it says."""

import json
import re
import sys

import pytest

from conftest import ROOT

sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "book" / "_ext")]
import chapters  # noqa: E402
import contents  # noqa: E402
import new_chapter  # noqa: E402

BOOK = ROOT / "book"
LOOK_UP = {page["slug"] for part in chapters.rows() for page in part.get("pages", [])}
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
    assert chapter["draft"] or 100 <= len(chapter["description"]) <= 160  # more is cut off where it is shown
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
        assert f"{chapter['minutes']} min" in words
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


@pytest.mark.parametrize("slug", sorted(path.stem for path in BOOK.glob("*.ipynb")))
def test_notebook_has_no_more_than_6000_words(slug):
    """Prose and code, exercises and solutions: what a reader has before the eyes, without outputs."""
    cells = json.loads(text_of(BOOK / f"{slug}.ipynb"))["cells"]
    breaks = {r"\\", r"\begin{aligned}", r"\end{aligned}"}  # a formula's lines are no words
    words = {cell["id"]: sum(word not in breaks for word in "".join(cell["source"]).split()) for cell in cells}
    longest = sorted(words, key=words.get, reverse=True)[:5]
    assert sum(words.values()) <= 6_000, f"{sum(words.values()):,}; shorten, e.g. {', '.join(longest)}"


@pytest.mark.slow
def test_new_chapter_is_a_complete_draft(tmp_path):
    """The command in an empty house: the table, the contents and the rooms, which the tests above then look at."""
    for name in ("book/chapters.yml", "README.md", "book/api.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text_of(ROOT / name), encoding="utf-8")
    for name in ("companion", "tests", "book/api"):
        (tmp_path / name).mkdir(exist_ok=True)
    for slug in SLUGS:
        (tmp_path / "book" / f"{slug}.ipynb").write_text(text_of(BOOK / f"{slug}.ipynb"), encoding="utf-8")
    title = "Waves: what n tells"
    new_chapter.create("waves", "The identity", title, "When is an average enough?", tmp_path)
    rows = {chapter["slug"]: chapter for chapter in chapters.chapters(tmp_path / "book")}
    assert rows["waves"]["title"] == title and rows["waves"]["draft"]
    assert [c["number"] for c in chapters.finished(tmp_path / "book")] == [c["number"] for c in chapters.finished()]
    assert "  - caption: Drafts\n    chapters:\n      - file: book/waves\n" in text_of(tmp_path / "_toc.yml")
    assert "waves" not in text_of(tmp_path / "README.md")
    notebook = json.loads(text_of(tmp_path / "book" / "waves.ipynb"))
    assert notebook["cells"][2]["outputs"][0]["text"] == ["✓ twice log 2 and log 4: 1.38629 = 1.38629\n"]
    for name in ("companion/waves.py", "tests/test_waves.py"):
        compile(text_of(tmp_path / name), name, "exec")
    assert "automodule:: companion.waves\n" in text_of(tmp_path / "book" / "api" / "waves.md")
    for wrong in (
        ("Sampling", "The identity", "a", "b?"),
        ("sampling", "The identity", "a", "b?"),
        ("other", "No such part", "a", "b?"),
        ("other", "The identity", "a", "no question"),
    ):
        with pytest.raises(SystemExit):
            new_chapter.create(*wrong, tmp_path)
