"""Every page in a browser with dark colours on a desk: no overflow, no fault that axe finds, no request elsewhere."""

from __future__ import annotations

from site_pages import every_notebook, every_page, problems, sound


@every_page
def test_page_in_the_browser(look, name):
    sound(look(name, "dark"), "dark")


@every_page
def test_formulas_are_like_the_text_around_them(look, name):
    problems(look(name, "dark")["formulas"])


@every_notebook
def test_pictures_are_clear_in_the_dark(look, name):
    problems(look(name, "dark")["faint pictures"])
