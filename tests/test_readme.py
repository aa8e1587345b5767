"""The examples on the front pages run and print what they show; the commands there exist."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "book/index.md")


@pytest.mark.parametrize("page", PAGES)
def test_examples_print_what_is_shown(page):
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False, encoding="utf-8")
    assert tried >= 3 and failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_an_example_that_prints_shows_its_output(page):
    """A last line without output would be checked by nothing."""
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S):
        last = doctest.DocTestParser().get_examples(block)[-1]
        assert last.want, last.source


@pytest.mark.parametrize("page", (*PAGES, "CONTRIBUTING.md"))
def test_commands_of_make_exist(page):
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for target in re.findall(r"(?:^|`)make ([a-z][\w-]*)", (ROOT / page).read_text(encoding="utf-8"), re.M):
        assert target in targets, f"make {target}"
