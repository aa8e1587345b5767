"""What every page passes in a browser, light on a phone and dark on a desk: ``from site_looks import *`` in a test file
that names its pages in NAMES. Two files share the pages, so that two workers can look at them."""

from __future__ import annotations

import pytest
from site_pages import MAX_WEIGHT, problems

__all__ = [
    "pytest_generate_tests",
    "test_formulas_and_lines_fit_on_a_phone",
    "test_formulas_are_like_the_text_around_them",
    "test_page_in_the_browser",
    "test_pictures_are_clear_in_the_dark",
    "test_sections_are_no_taller_than_said",
    "test_tables_fit_on_a_phone",
    "test_weight_in_the_browser",
    "test_wide_formulas_can_be_scrolled_by_keyboard",
]
each_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])


def pytest_generate_tests(metafunc):
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", metafunc.module.NAMES)


@each_scheme
def test_page_in_the_browser(look, name, scheme):
    """The colours of the scheme, no overflow, no fault that axe finds, no request elsewhere, nothing broken."""
    found = look(name)[scheme]
    assert found["theme"] == scheme
    for fault in ("overflow", "violations", "outside", "complaints"):
        problems(found[fault])


@each_scheme
def test_formulas_are_like_the_text_around_them(look, name, scheme):
    problems(look(name)[scheme]["formulas"])


def test_weight_in_the_browser(look, name):
    sizes = look(name)["light"]["weights"]
    heaviest = sorted(((size, url) for url, size in sizes.items()), reverse=True)[:6]
    assert sum(sizes.values()) <= MAX_WEIGHT, heaviest


def test_wide_formulas_can_be_scrolled_by_keyboard(look, name):
    problems(look(name)["light"]["boxes without keyboard"])


def test_pictures_are_clear_in_the_dark(look, name):
    problems(look(name)["dark"]["faint pictures"])


def test_formulas_and_lines_fit_on_a_phone(look, name):
    problems(look(name)["light"]["cut lines"])


def test_tables_fit_on_a_phone(look, name):
    problems(look(name)["light"]["cut tables"])


def test_sections_are_no_taller_than_said(look, name):
    problems(look(name)["light"]["crowded"])
