"""Cells of a page run, edited and broken by a reader, in Chromium and in Firefox.

Python takes some ten seconds to start in a browser, so one start serves many tests: each leaves the page as it found
it. What stops Python, or needs a page of its own, comes last.
"""

from __future__ import annotations

import contextlib
import re

import pytest
from firefox import Firefox, installed
from run_page import InChromium, InFirefox, Server
from site_pages import problems
from site_visit import Visit, chromium

NAME = "book/divergence.html"
# What a run must leave alone: what the text refers to and what a screen reader says.
NAMED = """(() => {
    const figures = [...document.querySelectorAll("main figure, main .cell_output img, main .cell_output svg")];
    return figures.map((f) => [f.id, f.querySelector("figcaption")?.textContent, f.getAttribute("alt"),
        ...[...f.querySelectorAll("img, svg")].map((i) => i.getAttribute("alt") ?? i.ariaLabel)]);
})()"""


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def opened(request, site):
    """`opened(server, page name)`: a page in one of the browsers, as a context."""
    if not (site / "runtime").is_dir():
        pytest.skip("the site was built without a runtime: make runtime")
    with contextlib.ExitStack() as stack:
        if request.param == "chromium":
            browser = stack.enter_context(chromium())

            @contextlib.contextmanager
            def opened(server, name=NAME, **options):
                with Visit(browser, server.address, name, **options) as visit:
                    yield InChromium(visit, server)

        else:
            path = installed()
            if path is None:
                pytest.skip("needs Firefox: firefox-esr or firefox")
            firefox = Firefox(path)
            stack.callback(firefox.quit)

            @contextlib.contextmanager
            def opened(server, name=NAME):
                page = InFirefox(firefox, server)
                page.go(name)
                yield page

        yield opened


@pytest.fixture(scope="module")
def page(opened, site):
    """The page with Python started, and what it had said and asked for until the click."""
    with Server(site) as server, opened(server) as page:
        page.before, page.offer, page.named = list(server.log), page.says(), page.js(NAMED)
        assert "ready" in page.start()
        yield page


def test_nothing_is_loaded_before_the_click(page):
    assert [path for path, _, _ in page.before if "/runtime/" in path or "/run/" in path] == []
    told = float(re.search(r"(\d+) MB", page.offer)[1])
    assert page.server.sent("/runtime/") + page.server.sent("/run/") == pytest.approx(told * 1e6, abs=1.5e6)
    assert "stays on this machine" in page.offer


def test_a_cell_shows_its_result_after_the_cells_above(page):
    assert page.run("die") == "done"
    assert "KL(p‖q) = 4.28e-05" in page.output("die")
    assert page.js("document.querySelectorAll(\"[data-cell='die'] table tbody tr\").length") == 2
    assert page.state("dice-figure") == "done"
    assert not page.differs("die")


def test_weldons_third_changed_to_a_half_breaks_the_claims(page):
    source = page.editor("die")
    page.press("Escape")
    assert "q = np.array([1 / 3, 2 / 3])" in source
    assert page.rewrite("die", source.replace("1 / 3, 2 / 3", "1 / 2, 1 / 2")) == "done"
    assert "KL(p‖q) = 0.0534" in page.output("die")
    assert page.differs("die")
    assert page.run("weldon") == "broken"
    assert "log-likelihood ratio of the table" in page.output("weldon")
    page.act("die", "reset")
    assert page.run("weldon") == "done"
    assert not page.differs("weldon")
    assert not page.differs("die")


@pytest.mark.parametrize(
    "code, said",
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("x = (", "SyntaxError"),
        ("np.ones(10**9)", "MemoryError"),
    ],
)
def test_an_error_says_what_and_where(page, code, said):
    assert page.rewrite("units", f"print('before')\n{code}") == "failed"
    assert said in page.output("units")
    assert "line 2" in page.output("units")
    page.act("units", "reset")
    assert page.run("units") == "done"
    assert not page.differs("units")


def test_an_exercise_begins_empty_and_its_check_judges(page):
    answer = "solution-own-kl"
    assert "write your answer here" in page.editor(answer)
    assert page.run(answer, "check") == "broken"
    assert "write your answer here" in page.said(answer)
    page.editor(answer)
    page.write("def kl(p, q):\n    return float(np.sum(np.abs(np.subtract(p, q))))")
    assert page.run(answer, "check") == "broken"
    assert "expected" in page.said(answer)
    solution = "document.querySelector(\"[data-author='solution-own-kl']\").innerText.includes('happens = p > 0')"
    assert not page.js(solution)
    page.act(answer, "solution")
    page.until(solution)
    page.click("[data-author='solution-own-kl'] [data-act='take']")
    assert page.run(answer, "check") == "done"
    assert "passed" in page.said(answer)
    page.act(answer, "reset")
    assert "write your answer here" in page.editor(answer)
    assert page.state(answer) == "idle"


def test_the_keyboard_alone_edits_and_runs(page):
    edit = "[data-cell='weldon'] [data-act='edit']"
    page.js("document.querySelector(`[data-cell='weldon'] [data-act='run']`).focus()")
    for _ in range(5):
        if page.js("document.activeElement.matches(given[0])", edit):
            break
        page.press("Tab")
    assert page.js("document.activeElement.matches(given[0])", edit)
    page.press("Enter")
    inside = "document.activeElement.matches(`[data-cell='weldon'] :is(textarea, [contenteditable=true])`)"
    page.until(inside)
    page.press("Control+End")
    page.press("Enter")
    for letter in "print(6*7)":
        page.press(letter)
    page.press("Shift+Enter")
    page.until("document.querySelector(`[data-cell='weldon'] .cell_output`).innerText.includes('42')")
    assert page.js(inside)
    page.press("Escape")  # Tab indents until then
    page.press("Tab")
    assert not page.js(inside)
    page.act("weldon", "reset")
    assert page.run("weldon") == "done"
