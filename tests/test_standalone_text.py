"""MyST as plain Markdown: what a notebook cannot show stops the build, and what is no MyST stays as it is."""

from __future__ import annotations

import re
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


def luminance(colour):
    """Relative luminance of "#rrggbb" by WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("kind", ["trap", "note", "tip"])
def test_a_box_can_be_read_in_light_and_dark_windows(kind):
    """Its text and its links have the window's colours; its edge stands out from either ground."""
    names = SimpleNamespace(page="")
    made = Markdown(names, set(), "", dict, True).text(f":::{{admonition}} A title\n:class: {kind}\nText\n:::")
    (edge,) = re.findall(r"#\w{6}", made)
    assert "background" not in made and "alert" not in made
    assert all(3 < max(r, 1 / r) for r in ((luminance(edge) + 0.05) / (ground + 0.05) for ground in (0, 1)))


def test_a_folded_box_is_apart_from_what_follows():
    question = ":::{admonition} Really?\n:class: dropdown\nYes.\n:::\n"
    made = Markdown(SimpleNamespace(page=""), set(), "", dict, True).text(
        f"## Check yourself\n\n{question}\n{question}"
    )
    assert made.count("</details>\n\n<p></p>\n\n**Really?**") == 1 and made.endswith("</details>")


def test_such_an_error_ends_the_build(monkeypatch, tmp_path):
    def unknown(app, page):
        raise Unknown("divergence.ipynb, cell head: {wonder}")

    monkeypatch.setattr(standalone, "pages", lambda env: ["book/divergence"])
    monkeypatch.setattr(standalone, "versions", unknown)
    app = SimpleNamespace(builder=SimpleNamespace(name="html"), env=None, outdir=tmp_path)
    with pytest.raises(ExtensionError, match=r"cell head: .wonder"):
        standalone.write(app, None)
