"""Cells of a page run, edited and broken by a reader, in Chromium and in Firefox.

Python takes some ten seconds to start in a browser, so one start serves many tests: each leaves the page as it found
it. What stops Python, or needs a page of its own, comes last.
"""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from firefox import Firefox, installed
from run_page import InChromium, InFirefox, Lasting, Server
from scipy import special
from site_pages import problems
from site_visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME = "book/divergence.html"
# What a run must leave alone: what the text refers to and what a screen reader says.
NAMED = """[...document.querySelectorAll("main figure")].map((figure) => [figure.id,
    figure.querySelector("figcaption").textContent.trim(),
    ...new Set([...figure.querySelectorAll("img")].map((image) => image.alt))])"""


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def opened(request, site):
    """`opened(server, page name)`: a page in one of the browsers, as a context."""
    if not (site / "runtime").is_dir():
        pytest.skip("the site was built without a runtime: make runtime")
    if request.param == "chromium":
        lasting = Lasting(
            request.getfixturevalue("browser"), request.getfixturevalue("tmp_path_factory").mktemp("chromium")
        )

        @contextlib.contextmanager
        def opened(server, name=NAME):
            with Visit(lasting, server.address, name) as visit:
                yield InChromium(visit, server)

        yield opened
        return
    path = installed()
    if path is None:
        pytest.skip("needs Firefox: firefox-esr or firefox")
    firefox = Firefox(path)

    @contextlib.contextmanager
    def opened(server, name=NAME):
        page = InFirefox(firefox, server)
        page.go(name)
        yield page

    yield opened
    firefox.quit()


def with_a_slow_cell(body):
    record = json.loads(body)
    next(cell for cell in record["cells"] if cell["id"] == "code-length")["slow"] = "about 40 s"
    return json.dumps(record).encode()


@pytest.fixture(scope="module")
def started(opened, site):
    """The page with Python started, and what it had said and asked for until the click."""
    with Server(site, faults={r"/divergence\.json$": with_a_slow_cell}) as server, opened(server) as page:
        page.before, page.offer, page.named = list(server.log), page.says(), page.js(NAMED)
        assert "ready" in page.start()
        yield page


@pytest.fixture
def page(started):
    """The same page for every test, its cells as printed."""
    for cell in started.js("[...document.querySelectorAll('[data-cell][data-differs]')].map((c) => c.dataset.cell)"):
        started.act(cell, "reset")
    return started


def test_nothing_is_loaded_before_the_click(page):
    assert [path for path, _, _ in page.before if "/runtime/" in path or "/run/" in path] == []
    told = float(re.search(r"(\d+) MB", page.offer)[1])
    assert page.server.sent("/runtime/") + page.server.sent("/run/") == pytest.approx(told * 1e6, abs=1.5e6)
    assert "stays on this machine" in page.offer


RAN = "[...document.querySelectorAll('.cell[data-state=done]')].map((c) => c.dataset.cell)"


def test_a_check_runs_only_the_cells_it_needs(page):
    answer = "solution-own-kl"
    assert page.run(answer, "check") == "broken"
    assert "write your answer here" in page.verdict(answer)
    page.until("document.querySelector('[data-run-status]').dataset.phase === 'done'")
    assert page.says() == "Not yet: your answer to Exercise 1.2."
    assert page.js(RAN) == ["dice-figure"]


def test_a_cell_shows_its_result_after_the_cells_above(page):
    assert page.run("die") == "done"
    assert "KL(p‖q) = 4.28e-05" in page.output("die")
    assert page.js("document.querySelectorAll(\"[data-cell='die'] table tbody tr\").length") == 2
    assert page.state("dice-figure") == "done"
    assert not page.differs("die")


def test_a_slow_cell_asks_first(page):
    """Before other tests let it run."""
    asked = "document.querySelector('[data-run-status] [data-act=no]') !== null"
    page.act("code-length", "run")
    page.until(asked)
    assert "about 40 s" in page.says()
    assert page.js("document.activeElement.dataset.act") == "yes"
    page.click("[data-run-status] [data-act=no]")
    page.until("document.querySelector('[data-run-status]').dataset.phase === 'done'")
    assert page.state("code-length") == "idle"
    page.act("code-length", "run")
    page.until(asked)
    page.click("[data-run-status] [data-act=yes]")
    assert page.settled("code-length") == "done"


def test_a_check_runs_all_above_if_one_is_not_as_printed(page):
    page.editor("dice-figure")
    page.press("Control+End")
    page.press("Enter")
    assert page.run("solution-own-kl", "check") == "broken"
    assert {"die", "weldon", "three-routes", "map-figure"} <= set(page.js(RAN))
    page.act("dice-figure", "reset")


def test_weldons_third_changed_to_a_half_breaks_the_claims(page):
    source = page.editor("die")
    page.press("Escape")
    assert "q = np.array([1 / 3, 2 / 3])" in source
    assert page.rewrite("die", source.replace("1 / 3, 2 / 3", "1 / 2, 1 / 2")) == "done"
    share = 106_602 / 315_672
    assert f"KL(p‖q) = {special.rel_entr([share, 1 - share], 0.5).sum():.3g}" in page.output("die")
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
        ("[np.empty(2 * 10**8) for _ in range(3)]", "MemoryError"),
    ],
)
def test_an_error_says_what_and_where(page, code, said):
    assert page.rewrite("weldon", f"print('before')\n{code}") == "failed"
    assert said in page.output("weldon")
    assert "line 2" in page.output("weldon")
    page.act("weldon", "reset")
    assert page.run("weldon") == "done"
    assert not page.differs("weldon")


def test_an_exercise_begins_empty_and_its_check_judges(page):
    answer = "solution-own-kl"
    assert "write your answer here" in page.editor(answer)
    assert page.run(answer, "check") == "broken"
    assert "write your answer here" in page.verdict(answer)
    page.editor(answer)
    page.write("def kl(p, q):\n    return float(np.sum(np.abs(np.subtract(p, q))))")
    assert page.run(answer, "check") == "broken"
    assert "expected" in page.verdict(answer)
    solution = "document.querySelector(\"[data-author='solution-own-kl']\").innerText.includes('happens = p > 0')"
    assert not page.js(solution)
    page.act(answer, "solution")
    page.until(solution)
    page.click("[data-author='solution-own-kl'] [data-act='take']")
    assert page.run(answer, "check") == "done"
    assert "passed" in page.verdict(answer)
    page.act(answer, "reset")
    assert "write your answer here" in page.editor(answer)
    assert page.state(answer) == "idle"


def test_a_second_run_shows_its_output_too(page):
    for text in ("print('once')", "print('✓ a claim')"):
        assert page.rewrite("weldon", text) == "done"
        first = page.output("weldon")
        assert first
        assert page.run("weldon") == "done"
        assert page.output("weldon") == first
    page.act("weldon", "reset")


def test_an_edit_counts_where_it_has_not_run(page):
    """What stands on the page is what cells below get, and outputs say when they are of other code."""
    assert page.run("weldon") == "done"
    source = page.editor("die")
    page.write(source.replace("1 / 3, 2 / 3", "1 / 2, 1 / 2"))
    assert page.verdict("die") == "changed, not yet run"
    assert page.run("weldon") == "broken"
    assert page.verdict("die") == ""
    page.act("die", "reset")
    assert "before the change" in page.verdict("weldon")
    assert page.run("weldon") == "done"


def test_reset_waits_for_the_end_of_a_run(page):
    page.editor("weldon")
    page.write("import time\nprint('begun')\ntime.sleep(2)\nprint('ended')")
    page.press("Shift+Enter")
    page.until("document.querySelector('[data-cell=weldon][data-state=running]')")
    hidden = "document.querySelector('[data-cell=weldon] [data-act=reset]').hidden"
    assert page.js(hidden)
    page.write("print('other')")
    page.press("Shift+Enter")  # while the first runs
    page.until("document.querySelector('[data-cell=weldon] .cell_output').innerText.trim() === 'other'")
    page.until("document.querySelector('[data-cell=weldon]').dataset.state === 'done'")
    assert page.verdict("weldon") == ""
    assert not page.js(hidden)
    page.act("weldon", "reset")


def test_a_pass_belongs_to_the_answer_that_was_checked(page):
    """Not to the solution, which has run, and not to what was typed meanwhile."""
    answer = "solution-own-kl"
    page.run("check-own-kl")  # and with it the printed solution
    page.editor(answer)
    page.write("pass")
    assert page.run(answer, "check") == "failed"
    assert "passed" not in page.verdict(answer)  # nor is the number of that name, above, a function
    page.reach(answer)
    page.click(f"[data-author='{answer}'] [data-act='take']")
    assert page.run(answer, "check") == "done"
    passed = page.editor(answer)
    page.write("kl = None")
    assert (page.state(answer), page.verdict(answer)) == ("idle", "changed since it was checked")
    page.write(passed)
    assert (page.state(answer), page.verdict(answer)) == ("done", "✓ passed")
    page.write("import time\ntime.sleep(2)\n" + passed)
    page.press("Shift+Enter")
    page.until(f"document.querySelector('[data-cell={answer}][data-state=running]')")
    page.write("kl = None")
    assert page.settled(answer) == "idle"
    assert page.verdict(answer) == "changed since it was checked"
    page.act(answer, "reset")


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


def test_every_cell_runs_and_figures_keep_their_names(page):
    """The whole page, folded cells too, as the reader's own run of it."""
    if page.name != "chromium":
        pytest.skip("once is enough: half a minute")
    page.run_all()
    states = page.js("""[...document.querySelectorAll(".bd-article div.cell[data-state]")]
        .map((cell) => [cell.dataset.cell ?? cell.dataset.author ?? cell.id, cell.dataset.state])""")
    problems(
        [f"{cell}: {state}" for cell, state in states if cell != "solution-own-kl" and state not in ("done", "idle")]
    )
    assert sum(state == "done" for _, state in states) >= 18
    assert "all" in page.says() and "checks hold" in page.says()
    assert page.js(NAMED) == page.named
    assert page.js("document.querySelectorAll('figure[data-waiting]').length") == 0
    cells = "[...document.querySelectorAll('.bd-article div.cell:has(.cell_input)')]"
    problems(
        page.js(f"""{cells}.filter((cell) => !cell.matches(".run-answer") && !cell.querySelector(".run-tools")
        && !cell.closest("details.solution")).map((cell) => cell.outerHTML.slice(0, 120))""")
    )


# Editors whose lines must be pushed sideways.
CUT_EDITORS = "[...document.querySelectorAll('.cm-scroller')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"


def test_a_running_page_is_accessible_and_fits_a_phone_until_it_is_stopped(page, request):
    """A loop without end, looked at while it runs; Stop ends it, and the next run begins anew."""
    page.editor("die")
    page.write("while True:\n    pass")
    page.press("Shift+Enter")
    page.until("document.querySelector('[data-cell=die][data-state=running]')")
    visit, axe = page.visit, request.getfixturevalue("axe")
    problems(visit.overflow(360))
    page.until(f"{CUT_EDITORS} === 0", seconds=10)
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    visit.leave_out_formulas()  # looked at elsewhere
    for scheme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=scheme)
        assert visit.theme(scheme) == scheme
        problems(visit.all_violations(axe))
    assert page.state("die") == "running"
    page.click('[data-run="stop"]')
    page.until("document.querySelector('[data-run-status][data-phase=stopped]')")
    assert page.state("die") == "idle"
    page.server.log.clear()
    page.act("die", "reset")
    assert page.run("die") == "done"
    assert "KL(p‖q) = 4.28e-05" in page.output("die")


def test_nothing_left_the_site_and_nothing_broke(page):
    """After all that the tests above did."""
    problems(page.outside())
    problems(page.complaints())


def test_a_second_visit_loads_no_runtime(page):
    page.go(NAME)
    assert page.js(NAMED) == page.named
    assert "4.28e-05" in page.js("document.querySelector('main').innerText")
    page.server.log.clear()
    assert "ready" in page.start()
    assert page.server.sent("/runtime/") == 0
    assert page.server.sent("/run/") < 100_000  # what the page itself is made of may be asked for anew


MEMORY = b"""WebAssembly.instantiateStreaming = async () => {
    throw new RangeError("WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance");
};
"""
FAULTS = {
    "missing wheel": ({r"_companion-.*\.whl$": None}, "companion"),
    "missing libraries": ({r"/packages\.bin$": None}, "packages.bin could not be loaded"),
    "damaged libraries": (
        {r"/packages\.bin$": lambda body: body[:5000] + b"?" + body[5001:]},
        "packages.bin is damaged",
    ),
    "damaged Python": (
        {r"/pyodide\.asm\.wasm$": lambda body: body[:1000] + bytes(1000) + body[2000:]},
        "pyodide.asm.wasm",
    ),
    "no memory": ({r"/worker\.mjs$": lambda body: MEMORY + body}, "memory"),
    "no list of cells": ({r"/divergence\.json$": None}, "could not be loaded"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_does_not_come_is_told_in_a_sentence(opened, site, fault):
    faults, said = FAULTS[fault]
    with Server(site, faults=faults) as server, opened(server) as page:
        one_sentence_and_the_page_as_it_was(page, said)


def test_offline_at_the_click_and_online_again(opened, site):
    with Server(site) as server, opened(server) as page:
        server.down = True
        one_sentence_and_the_page_as_it_was(page, "could not be loaded")
        server.down = False
        assert page.js("document.querySelector('[data-run=start]').disabled") is False


def test_a_cell_that_ends_the_interpreter_is_told(opened, site):
    with Server(site) as server, opened(server) as page:
        page.start()
        page.editor("die")
        page.write("import os\nos._exit(0)")
        page.press("Shift+Enter")
        page.until("document.querySelector('[data-run-status][data-phase=failed]')")
        assert "Python broke off" in page.says() and page.state("die") == "idle"


def test_a_browser_without_webassembly(opened, site):
    with Server(site) as server, opened(server) as page:
        page.forbid_wasm()
        page.go(NAME)
        one_sentence_and_the_page_as_it_was(page, "WebAssembly")
        assert server.sent("/runtime/") == 0


PAGE = """((page) => (page.querySelector(".run-here").remove(), page.textContent))(
    document.querySelector(".bd-article").cloneNode(true))"""


def one_sentence_and_the_page_as_it_was(page, said):
    before = page.js(PAGE)
    offer = page.says()
    told = page.start()
    assert said in told and told != offer
    assert len(told) < 160 and told.endswith(".") and "\n" not in told
    assert page.js("document.querySelector('[data-run=start]').innerText") == "Run this page here"
    assert page.js(PAGE) == before
    assert page.js("document.querySelectorAll('[data-act]').length") == 0
