"""What a reader does in a browser: search, print, change colours, go without JavaScript."""

from __future__ import annotations

import re

import pytest
from site_pages import NOTEBOOKS, PAGES, every_page, problems
from site_visit import Visit


def test_formulas_are_accessible(browser, address, axe):
    """One page with its formulas, since the others are looked at without."""
    with Visit(browser, address, "book/notation.html", color_scheme="light") as visit:
        assert visit.page.locator(".katex").count() > 20
        found = visit.all_violations(axe)
        visit.page.emulate_media(color_scheme="dark")
        assert visit.theme("dark") == "dark"
        problems(found + visit.faint_texts())


@pytest.fixture(scope="module")
def plain(browser, address):
    """A window without JavaScript."""
    with Visit(browser, address, java_script_enabled=False) as visit:
        yield visit


@every_page
def test_page_without_javascript(plain, name):
    if name == "search.html":
        return
    plain.go(name)
    assert plain.page.locator("h1").first.is_visible()
    text = plain.page.locator("article, main").first.inner_text()
    assert len(text.split()) > 20
    formulas = plain.page.locator("main .katex:not(details *)")
    assert formulas.count() == 0 or formulas.first.is_visible()
    problems(plain.outside())


def test_search_finds_a_word(browser, address):
    with Visit(browser, address, "search.html?q=likelihood") as visit:
        visit.page.locator("#search-results li a").first.wait_for(timeout=5000)
        visit.page.locator("#search-results li a").first.click()
        visit.page.wait_for_load_state("load")
        assert "likelihood" in visit.page.content().lower()
        problems(visit.complaints)


def test_theme_switch_is_remembered(browser, address):
    with Visit(browser, address, PAGES[0], color_scheme="light") as visit:
        theme = "document.documentElement.dataset.theme"
        visit.page.locator(".theme-switch-button").first.click()
        assert visit.page.evaluate(theme) == "dark"
        visit.page.goto(f"{address}/{PAGES[1]}")
        assert visit.page.evaluate(theme) == "dark"


def test_menu_opens_on_a_phone(browser, address, axe):
    with Visit(browser, address, PAGES[1], viewport={"width": 360, "height": 800}) as visit:
        visit.page.evaluate(
            "document.querySelector('article').replaceChildren(document.querySelector('article h1'))"
        )  # it is looked at elsewhere
        problems(visit.all_violations(axe))
        link = visit.page.locator("#pst-primary-sidebar-modal a").first
        visit.page.locator("button.primary-toggle").click()
        assert link.is_visible()
        problems(visit.all_violations(axe))
        visit.page.keyboard.press("Escape")
        assert not link.is_visible()


def test_search_finds_sections(browser, address):
    """The place that treats it, at its section, with formulas shown once."""
    with Visit(browser, address, "search.html?q=forward vs reverse KL") as visit:
        hits = visit.page.locator("#search-results li")
        hits.first.wait_for(timeout=5000)
        links = [link.get_attribute("href") for link in visit.page.locator("#search-results li a").all()]
        assert links[0].startswith("book/divergence.html")
        assert any("#" in link for link in links[:5])
        assert not re.search(r"\\[a-z]|KL\(p‖q\)\s*KL\(p‖q\)", hits.first.inner_text())
        assert visit.page.locator("#search-results mark").count() > 2
        visit.page.goto(f"{address}/search.html?q=<b>x</b>")
        assert visit.page.locator("#search-results b").count() == 0
        problems(visit.complaints)


def test_contents_mark_the_section_that_is_read(browser, address):
    with Visit(browser, address, NOTEBOOKS[0]) as visit:
        links = visit.page.locator("nav.page-toc a[href^='#']")
        for place in (1, 3, 2):
            target = links.nth(place).get_attribute("href")
            visit.page.evaluate("id => document.getElementById(id).scrollIntoView()", target[1:])
            visit.page.wait_for_function(
                "target => document.querySelector('nav.page-toc a[aria-current]')?.hash === target", arg=target
            )
            assert visit.page.locator("nav.page-toc a[aria-current]").count() == 1


def pages_of(pdf):
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("name, most", [("book/divergence.html", 24), ("book/latent.html", 30)])
def test_paper_has_no_answers_and_few_pages(browser, address, name, most):
    with Visit(browser, address, name) as visit:
        visit.page.emulate_media(media="print")
        assert visit.page.locator("details.solution").count() > 3
        assert not visit.page.locator("details.solution").first.is_visible()
        assert visit.page.locator(".colophon").is_visible()
        assert not visit.page.locator("details.above-input .cell_input").first.is_visible()
        assert pages_of(visit.page.pdf(prefer_css_page_size=True)) <= most


def test_far_sections_wait_and_the_keyboard_reaches_them(browser, address):
    """What is far from the window is not laid out until it comes near, but stops in it are there at the first Tab."""
    wide = """[...document.querySelectorAll(".math-scroll, .bd-article pre")].filter(
        (box) => !box.closest("details") && box.scrollWidth > box.clientWidth + 1)"""
    with Visit(browser, address, "book/projection.html", viewport={"width": 360, "height": 800}) as visit:
        last = "document.querySelector('.bd-article > section > section:nth-last-of-type(3) p')"
        skipped = f"!{last}.checkVisibility({{contentVisibilityAuto: true}})"
        assert visit.page.evaluate(skipped)
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate(f"{wide}.length") > 0  # printed columns, which do not go on below
        problems(visit.page.evaluate(f"{wide}.filter((box) => box.tabIndex !== 0).map((box) => box.outerHTML)"))
        visit.page.evaluate(f"{last}.scrollIntoView()")
        visit.page.wait_for_function(f"!({skipped})")


def test_fonts_of_far_formulas_are_there_before_they_are_printed(browser, address):
    with Visit(browser, address, "book/estimation.html") as visit:
        far = "document.querySelector('#exercises .mathcal')"  # the only script letters of the page
        assert visit.page.evaluate(f"!{far}.checkVisibility({{contentVisibilityAuto: true}})")
        script = '[...document.fonts].some((f) => f.family.includes("KaTeX_Caligraphic") && f.status === "loaded")'
        visit.page.wait_for_function(script, timeout=5000)
        unused = '[...document.fonts].some((f) => f.family.includes("KaTeX_Fraktur") && f.status !== "unloaded")'
        assert not visit.page.evaluate(unused)
