"""MyST as plain Markdown: what a notebook cannot show stops the build, and what is no MyST stays as it is."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import standalone
from sphinx.errors import ExtensionError
from standalone_names import Unknown
from standalone_text import Markdown


@pytest.mark.parametrize(
    "text",
    [
        ":::{wonder} why\n:::",
        "```{wonder}\n```",
        "a {wonder}`role`",
        "a {eq}`label`",
        "{cite:ps}`white1982`",
        ":::{note}\nnever closed",
        ":::{admonition} A title\n:class: wonder\nText\n:::",
        ":::{admonition} A title\n:wonder: 1\nText\n:::",
        "words[^1]",
        "{{ substitution }}",
        "[a file](divergence.ipynb)",
        "![picture](a.png)",
        "[words]{.class}",
        "Term\n: its definition",
        "% a comment",
        "+++",
        "    :::{wonder}\n    :::",
    ],
)
def test_what_a_notebook_cannot_show_is_an_error(text):
    def nothing(role, content):
        raise Unknown(f'{{{role}}}: nothing has the label "{content}"')

    names = SimpleNamespace(find=nothing, page="book/page")
    with pytest.raises(Unknown):
        Markdown(names, set(), "", dict, True).text(text)


def test_formulas_code_and_escapes_are_left_alone():
    text = r"Costs \$5, `{eq}` and $\{x\}\,{a}`$ or" + "\n\n$$\n\\frac{a}{b}\n$$\n\n```python\n:::{x}\n```"
    assert Markdown(SimpleNamespace(page=""), set(), "", dict, True).text(text) == text


def test_such_an_error_ends_the_build(monkeypatch, tmp_path):
    def unknown(app, page):
        raise Unknown("divergence.ipynb, cell head: {wonder}")

    monkeypatch.setattr(standalone, "pages", lambda env: ["book/divergence"])
    monkeypatch.setattr(standalone, "versions", unknown)
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), env=None, outdir=tmp_path)
    with pytest.raises(ExtensionError, match=r"cell head: .wonder"):
        standalone.write(app, None)
