"""Formulas are typeset while the book is built, and what cannot be typeset stops the build."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from conftest import ROOT, plain_environment

sys.path.insert(0, str(ROOT / "book" / "_ext"))

GOOD = """# Formulas

Text ($x$), then $y$; a set [$z$], $n$-th and $x$: (see $a$). Again $x$, $x$, $y$.

$$
a &= b \\\\
&= c
$$ (eq-one)

By {eq}`eq-one`, $\\twice{k}$
$$
\\left.\\frac{1}{2}\\right|_{0}
$$
and on.
"""
CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "katex_math"]
nb_execution_mode = "off"
html_math_renderer = "katex"
mathjax3_config = {{"tex": {{"macros": {{"twice": ["2#1", 1]}}}}}}
myst_enable_extensions = ["dollarmath"]
myst_dmath_double_inline = True
exclude_patterns = ["out"]
"""


def build_small(folder, **files):
    """Run Sphinx over a few files with our maths renderer; its messages and the folder of pages."""
    (folder / "conf.py").write_text(CONFIGURATION, encoding="utf-8")
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        str(folder),
        str(folder / "out"),
    ]
    run = subprocess.run(command, capture_output=True, text=True, env=plain_environment())
    return run.returncode, run.stdout + run.stderr


@pytest.mark.slow
def test_formulas_of_a_small_book(tmp_path):
    code, messages = build_small(tmp_path, index_md=GOOD)
    assert code == 0, messages
    html = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    bare = re.sub(r"<!--tex-->.*?<!--/tex-->", "M", html, flags=re.S)
    words = " ".join(re.sub(r"<[^>]*>", "", bare).split())
    # every mark is where it was, once, although it may stand in the formula's own span
    assert "Text (M), then M; a set [M], M-th and M: (see M). Again M, M, M." in words
    assert re.search(r'<span class="nobr [^>]*>\(M\),</span>', bare)
    assert '<span class="eqno">(1)' in bare and 'href="#equation-eq-one"' in bare
    assert html.count('class="katex"') == 12
    # what reads as it is drawn is said once, the rest in MathML and drawn for the eye alone
    assert html.count("<math") == html.count('class="katex-html" aria-hidden="true"') == 2
    assert "<mtable" in html  # lines that are aligned get their environment
    assert "MathJax" not in html


@pytest.mark.slow
def test_malformed_tex_fails_the_build_with_file_and_line(tmp_path):
    cells = [
        {"cell_type": "markdown", "id": f"c{i}", "metadata": {}, "source": text}
        for i, text in enumerate(["# N", "Fine.\n\nNot so: $\\frac{1$"])
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    index = "# Title\n\n```{toctree}\nbook\n```\n\n$$\nx \\unknown y\n$$\n"
    code, messages = build_small(tmp_path, index_md=index, book_ipynb=json.dumps(notebook))
    assert code != 0
    assert re.search(r"index\.md:7: WARNING: malformed TeX: Undefined control sequence: \\unknown", messages), messages
    assert re.search(r"book\.ipynb:\d+: WARNING: malformed TeX \(cell 2, line 3\)", messages), messages


def drawn(tex):
    """What KaTeX draws: the places at which a line may end as |, parts within parts in braces."""
    from katex_render import render

    html = render(tex, True, "{}").rpartition('class="katex-html')[2].partition(">")[2]
    html = html.replace('<span class="katex-base">', '<span class="katex-base">|')
    text, ends = "", []
    for tag, word in re.findall(r"(<[^>]*>)|([^<]+)", html):
        if tag.startswith("<span"):
            ends.append("}" if 'class="part"' in tag else "")
            text += "{" if ends[-1] else ""
        elif tag == "</span>" and ends:
            text += ends.pop()
        text += word
    return re.sub(r"[\s\u200b\xa0]", "", text)


def test_a_long_formula_ends_its_lines_where_a_reader_would():
    assert drawn("x") == "|x"
    assert drawn("f = a + b") == "{|f{|=a|+b}}"  # before a relation, then before a term
    assert drawn("f = a (b + c) - d") == "{|f{{|=a(b|+c)}|−d}}"  # within brackets last of all
    assert drawn(r"f = \big[(a + b)\big] + c, \quad g = d") == "{|f{{|=[(a|+b)]}|+c,}}{|g|=d}"  # at a wide space first
    assert drawn(r"f = \frac{a + b \quad c}{d}").count("|") == 2  # not within a fraction


def test_lines_of_a_display():
    from katex_render import lines_of

    assert lines_of("a\n  \nb \\\\ c") == ["a", "b", "c"]  # each may go on below
    assert lines_of("a &= b \\\\\n&= c") == [r"\begin{aligned}a &= b \\ &= c\end{aligned}"]
    for whole in (r"\begin{cases} a & b \\ c\end{cases} \& \Big\{d\Big\}", r"\sum_{\substack{a \\ b}}"):
        assert lines_of(whole) == [whole]


def test_leave_to_break_is_given_at_wide_spaces_in_no_group():
    from katex_pieces import breaks_at_spaces

    tex = r"a \quad{} b \left( \quad \right) {\qquad} \begin{cases} c \quad d \end{cases} \qquad e \leftarrow \quad f"
    marked = breaks_at_spaces(tex)
    assert marked.replace(r"\allowbreak", "") == tex
    assert re.findall(r"quad\\allowbreak\W*(\w)", marked) == ["b", "e", "f"]
