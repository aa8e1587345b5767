"""Every page in a browser with light colours on a phone: no overflow, no fault that axe finds, no request elsewhere."""

from __future__ import annotations

from site_pages import MAX_WEIGHT, every_notebook, every_page, problems, sound


@every_page
def test_page_in_the_browser(look, name):
    sound(look(name, "light"), "light")


@every_page
def test_formulas_are_like_the_text_around_them(look, name):
    problems(look(name, "light")["formulas"])


@every_page
def test_weight_in_the_browser(look, name):
    sizes = look(name, "light")["weights"]
    heaviest = sorted(((size, url) for url, size in sizes.items()), reverse=True)[:6]
    assert sum(sizes.values()) <= MAX_WEIGHT, heaviest


@every_notebook
def test_wide_formulas_can_be_scrolled_by_keyboard(look, name):
    problems(look(name, "light")["boxes without keyboard"])


@every_page
def test_tables_fit_on_a_phone(look, name):
    problems(look(name, "light")["cut tables"])
