"""The built site as files: links, formulas, figures, weight, what folds, what search engines read."""

from __future__ import annotations

import functools
import gzip
import json
import re
import sys
import tomllib
from collections import Counter
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from site_pages import (
    MAX_WEIGHT,
    NOTEBOOKS,
    PAGES,
    Page,
    addresses_in_css,
    every_notebook,
    every_page,
    is_outside,
    problems,
)

import companion
from conftest import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
FONTS = 100_000  # about what a chapter's formulas load, for the estimate without a browser


@pytest.fixture(scope="session")
def pages(site):
    """All HTML pages by name, not only those of the table of contents."""
    return {
        path.relative_to(site).as_posix(): Page(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def test_book_builds_without_warnings(build):
    _, code, messages = build
    assert code == 0, messages


def test_every_page_of_the_contents_is_built(pages):
    problems(name for name in PAGES if name not in pages)


def test_internal_links_and_anchors_resolve(site, pages):
    ids = {name: set(page.ids) for name, page in pages.items()}

    def dead():
        for name, page in pages.items():
            for href in {attributes.get("href", ""): None for attributes in page.all("a")}:
                if is_outside(href) or href.startswith(("mailto:", "javascript:")):
                    continue
                target, anchor = urldefrag(urljoin(name, href))
                target, anchor = unquote(target).split("?")[0], unquote(anchor)
                if not (site / target.lstrip("/")).is_file():
                    yield f"{name}: {href} leads to no file"
                elif anchor and target in pages and anchor not in ids[target]:
                    yield f"{name}: {href} leads to no such place"

    problems(dead())


def test_resources_are_in_the_site(site, pages):
    def missing():
        for name, page in pages.items():
            for address in set(page.resources()):
                if is_outside(address):
                    yield f"{name} fetches {address}"
                elif not address.startswith("data:") and not (site / urljoin(name, address).split("?")[0]).is_file():
                    yield f"{name}: there is no {address}"
        for sheet in site.rglob("*.css"):
            for address in addresses_in_css(sheet.read_text(encoding="utf-8")):
                if is_outside(address):
                    yield f"{sheet.relative_to(site)} fetches {address}"

    problems(missing())


def test_loaded_style_sheets_find_their_files(site, pages):
    sheets = {
        site / urljoin(name, a["href"]).split("?")[0]
        for name, page in pages.items()
        for a in page.all("link", rel="stylesheet")
    }

    def missing():
        for sheet in sheets:
            for address in addresses_in_css(sheet.read_text(encoding="utf-8")):
                if not address.startswith(("data:", "#")) and not (sheet.parent / address.split("?")[0]).is_file():
                    yield f"{sheet.name}: there is no {address}"

    assert sheets
    problems(missing())


def test_vendored_katex_is_whole_and_of_one_version():
    folder = ROOT / "book" / "_vendor" / "katex"
    script, css, title = (
        (folder / name).read_text(encoding="utf-8") for name in ("katex.min.js", "katex.min.css", "README.md")
    )
    version = re.match(r"# KaTeX ([\d.]+)\n", title)[1]
    assert f'version:"{version}"' in script and f'katex-version:after{{content:"{version}"}}' in css
    assert "MIT" in (folder / "LICENSE").read_text(encoding="utf-8")
    fonts = {path.name for path in (folder / "fonts").iterdir()}
    assert {Path(address).name for address in addresses_in_css(css)} == fonts
    assert not list((ROOT / "book" / "_ext").rglob("katex*.js")), "one copy is enough"


def test_script_of_katex_is_not_published(site):
    assert (site / "_static" / "katex" / "katex.min.css").exists()
    assert not (site / "_static" / "katex" / "katex.min.js").exists()


def test_ids_are_unique(pages):
    problems(f"{name}: {key}" for name, page in pages.items() for key, count in Counter(page.ids).items() if count > 1)


def test_pictures_have_text_and_size(pages):
    def poor():
        for name, page in pages.items():
            for image in page.all("img"):
                if not image.get("alt", "").strip():
                    yield f"{name}: no alt text for {image.get('src')}"
                if "_images" in image.get("src", "") and not (image.get("width") or image.get("style")):
                    yield f"{name}: no size for {image.get('src')}"

    problems(poor())


def test_cells_of_a_folding_table_name_their_column(site):
    folded = [
        table
        for path in site.rglob("*.html")
        for table in re.findall(r'<table[^>]*class="[^"]*folding.*?</table>', path.read_text(encoding="utf-8"), re.S)
    ]
    assert folded
    for table in folded:
        heads = [re.sub(r"<[^>]*>", "", head).strip() for head in re.findall(r"<th[ >].*?</th>", table, re.S)]
        labels = re.findall(r'<td[^>]*data-label="([^"]*)"', table)
        # the first column may go without: its cells are the rows' titles
        assert all(heads[1:]) and labels == heads * (table.count("<tr") - 1)
        # a formula would be lost in the label, and a caption with one is no caption to a screen reader
        titles = re.findall(r"<caption.*?</caption>|<th[ >].*?</th>", table, re.S)
        assert not [title for title in titles if "katex" in title]


def test_no_leftovers_of_other_services(pages, site):
    words = "thebe|unpkg|jsdelivr|fontawesome|binder-examples|ethical-ad|googleapis".split("|")
    texts = {name: (site / name).read_text(encoding="utf-8").lower() for name in pages}
    problems(f"{name}: {word}" for name, text in texts.items() for word in words if word in text)


@pytest.mark.parametrize("name", ["index.html"])
def test_root_page_is_a_real_page(pages, name):
    page = pages[name]
    assert page.all("article") or page.all("main")
    assert not [a for a in page.all("meta") if a.get("http-equiv", "").lower() == "refresh"]
    assert page.all("link", rel="canonical") == []  # it must be a full address, and none is set


@every_page
def test_head_says_what_the_page_is(pages, name):
    page = pages[name]
    assert [a for a in page.all("html") if a.get("lang") == "en"]
    assert page.all("link", rel="icon")
    if name not in ("search.html", "genindex.html"):
        assert (
            len(page.all("meta", name="description")) == 1
            and page.all("meta", name="description")[0]["content"].strip()
        )


def source_of(name):
    """What is written in Markdown on this page, without code."""
    source = (ROOT / name).with_suffix(".ipynb")
    if source.exists():
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = (ROOT / name).with_suffix(".md").read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,}|~{3,})(?!\{).*?^\1", "", text, flags=re.S | re.M)  # fences that are not directives
    return re.sub(r"(?<!`)`[^`{}\n]*`(?!`)", "", text)


@every_page
def test_every_formula_is_typeset(pages, name):
    page = pages[name]
    raw = re.search(r"\$\$|\\\(|\\\[|\\begin\{|\\frac|(?<!\\)\$[^$\n]{1,200}\$", page.prose)
    assert raw is None, f"not typeset: {page.prose[max(0, raw.start() - 40) : raw.end() + 40]!r}"
    classes = Counter(c for _, a in page.tags for c in a.get("class", "").split())
    assert not classes["tex-error"] and not classes["MathJax"]
    if name in NOTEBOOKS or (ROOT / name).with_suffix(".md").exists():
        source = re.sub(r"\\\$", "", source_of(name))
        display = len(re.findall(r"\$\$.+?\$\$", source, flags=re.S))
        inline = len(re.findall(r"\$[^$\n]+\$", re.sub(r"\$\$.+?\$\$", "", source, flags=re.S)))
        assert classes["katex"] >= display + inline


@functools.cache
def zipped_size(path):
    return len(gzip.compress(path.read_bytes()))


@every_page
def test_weight_by_files(site, pages, name):
    if name in ("search.html", "genindex.html"):
        return
    files = {
        site / urljoin(name, address).split("?")[0]
        for address in pages[name].resources()
        if not address.startswith("data:") and not re.search(r"-dark\.svg|-narrow-", address)  # one version is loaded
    }
    weight = FONTS + sum(map(zipped_size, {*files, site / name}))
    assert weight <= MAX_WEIGHT, f"{weight} bytes"


# --- what folds -------------------------------------------------------------------------


@every_notebook
def test_no_answer_stands_open(pages, name):
    problems(pages[name].loose)


@every_notebook
def test_lines_of_checks_are_one_mark(site, name):
    html = (site / name).read_text(encoding="utf-8")
    marks = re.findall(r'<details class="claims"><summary>✓ (\d+) checks?</summary>(.*?)</details>', html, re.S)
    assert marks and all(int(count) == lines.count("✓ ") for count, lines in marks)
    rest = re.sub(r'<details class="claims">.*?</details>', "", html, flags=re.S)
    assert not re.findall(r"<pre>(?:(?!</pre>).)*✓ .*", rest, re.S)


@every_notebook
def test_a_number_and_its_unit_stay_on_one_line(pages, name):
    assert not re.findall(r".{20}\d (?:%|°F|nats?|bits?)\b.{5}|.{20}\d %.{5}", pages[name].prose)
    assert not re.findall(r".{20}\(\w, \w\).{5}|.{20}\b\w = \d.{5}", pages[name].prose)


def test_checks_fold_by_runs():
    from site_answers import fold_claims

    start = '<div class="output stream highlight-myst-ansi notranslate"><div class="highlight"><pre><span></span>'
    folded = fold_claims(f"{start}a\n✓ b\n✓ c\nd ✓\n✓ e</pre></div>\n</div>")
    assert re.findall(r"<summary>(.*?)</summary>", folded) == ["✓ 2 checks", "✓ 1 check"]
    words = re.sub(r"<summary>.*?</summary>|<[^>]*>", "", folded).split()
    assert words == "a ✓ b ✓ c d ✓ ✓ e".split()
    assert fold_claims(f"{start}a</pre></div>\n</div>").count("<pre>") == 1


def test_long_lines_are_elements_that_know_where_they_begin():
    from bs4 import BeautifulSoup
    from site_lines import ROOM, let_lines_wrap

    word = "x" * ROOM
    block = f'<pre>def f():\n    <span class="sd">"""{word}\n    {word}"""</span>\n    return 1 &lt; 2</pre>'
    text = re.sub("<[^>]*>", "", block)
    wrapped = let_lines_wrap(block)
    assert re.sub("<[^>]*>", "", wrapped) == text
    assert wrapped.count("<span") == wrapped.count("</span>")
    long = BeautifulSoup(wrapped, "html.parser").select(".long")
    assert [line.text for line in long] == [line + "\n" for line in text.split("\n")[1:3]]
    assert [line["style"] for line in long] == ["--in: 6", "--in: 6"]  # two more than the line itself
    assert all(line.select(".sd") for line in long)
    assert let_lines_wrap("<pre>short\n</pre>") == "<pre>short\n</pre>"
    columns = f"<pre>{word}    1\ny{word[1:]}    2\n</pre>"
    assert let_lines_wrap(columns) == columns.replace("<pre>", '<pre class="columns">')
    anchored = f'<pre><a href="#x">{word}x</a></pre>'
    assert let_lines_wrap(anchored) == anchored


def test_all_that_answers_an_exercise_is_one_box():
    from bs4 import BeautifulSoup
    from site_answers import fold_answers, show_effort

    html = """<div class="exercise admonition" id="ex"><p class="admonition-title"><span class="caption-number">Exercise
    2.1 </span> (Dice and <span class="math">x</span> ★★ (15 min))</p></div>
    <div class="cell tag_exercise tag_hide-input"><details class="above-input"><summary>Show</summary>
    <div class="cell_input">code</div></details></div>
    <div class="cell tag_check tag_hide-cell"><details class="above-input"><summary>Show</summary>
    <div class="cell_input">check</div><div class="cell_output">fine</div></details></div>
    <details class="solution admonition" id="s"><summary class="admonition-title">Solution</summary>words</details>
    <p>The next paragraph</p><div class="cell tag_check">alone</div>"""
    soup = BeautifulSoup(html, "html.parser")
    fold_answers(soup)
    show_effort(soup)
    first, second = soup.select("details.solution")
    assert [" ".join(box.get_text(" ").split()) for box in (first, second)] == [
        "Solution code check fine words",
        "Solution alone",
    ]
    assert len(soup.select("details")) == 2 and soup.find(id="s").name == "div"
    title = " ".join(soup.select_one(".exercise .admonition-title").get_text(" ").split())
    assert title == "Exercise 2.1 Dice and x difficulty 2 of 3, ★★ 15 min"


def test_a_folded_proof_has_its_word_as_title():
    from bs4 import BeautifulSoup
    from site_boxes import mend_boxes

    soup = BeautifulSoup('<div class="proof admonition dropdown"><p>Proof. By <b>1</b>.</p></div>', "html.parser")
    mend_boxes(soup)
    assert soup.details.summary.get_text() == "Proof"
    assert soup.details.p.get_text() == "By 1."


def test_words_with_hyphens_stay_on_one_line():
    from book_site import mend_hyphens
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(
        "<h1>The bound: log-likelihood less KL</h1><p>log-likelihood, a p-value, <code>k-nn</code></p>", "html.parser"
    )
    mend_hyphens(soup)
    assert str(soup.h1) == '<h1>The bound: <span class="nobr">log-likelihood</span> less KL</h1>'
    assert str(soup.p) == '<p>log-likelihood, a <span class="nobr">p-value</span>, <code>k-nn</code></p>'


def test_small_tables_of_cells_do_not_fold():
    from bs4 import BeautifulSoup
    from site_tables import mend_tables

    def classes(*heads):
        cells = "".join(f"<th>{head}</th>" for head in heads)
        soup = BeautifulSoup(f'<table class="folding lesson"><thead><tr>{cells}</tr></thead></table>', "html.parser")
        mend_tables(soup)
        return soup.table["class"]

    assert classes("n", "KL(p‖q)") == ["lesson"]
    assert classes("a long heading of a column", "and another one", "n") == ["folding", "lesson"]


def test_a_number_that_begins_a_folded_row_says_what_it_is():
    from bs4 import BeautifulSoup
    from site_tables import mend_tables

    heads, rows = "<th>β</th><th>R</th>", "<tr><td>0.5</td><td>20</td></tr><tr><td>none</td><td>1</td></tr>"
    soup = BeautifulSoup(f'<table class="folding"><thead>{heads}</thead><tbody>{rows}</tbody></table>', "html.parser")
    mend_tables(soup)
    first, _, name, _ = soup.find_all("td")
    assert first["class"] == ["bare"] and first["data-label"] == "β" and "class" not in name.attrs


def test_numbers_written_as_texts_stand_at_the_right():
    from bs4 import BeautifulSoup
    from site_tables import mend_tables

    rows = [["9 %", "2.0 ± 0.1", "∞", "a"], ["11 %", "−4.3 · 10⁻⁵", "–", "2"]]
    cells = "".join(f"<tr>{''.join(f'<td>{text}</td>' for text in row)}</tr>" for row in rows)
    heads = "<tr><th>p</th><th>q</th><th>r</th><th>name</th></tr>"
    soup = BeautifulSoup(f'<table class="lesson"><thead>{heads}</thead>{cells}</table>', "html.parser")
    mend_tables(soup)
    classes = [[cell.get("class") for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]
    assert classes == [[["number"]] * 3 + [None]] * 3


def test_wide_tables_of_the_text_fold_and_long_names_break():
    from bs4 import BeautifulSoup
    from site_tables import mend_tables

    def table(heads, cell):
        row = "".join(f"<th>{head}</th>" for head in heads)
        html = f'<table class="table"><thead><tr>{row}</tr></thead><tr><td>{cell}</td></tr></table>'
        soup = BeautifulSoup(html, "html.parser")
        mend_tables(soup)
        return soup

    assert (
        "folding"
        in table(["you have", "use", "because"], "a sentence of more than forty letters, in words").table["class"]
    )
    for heads, cell in ((["you have", "use", "because"], "short"), (["letter", "meanings"], "long " * 20)):
        assert table(heads, cell).table["class"] == ["table"]
    name = '<code><span class="pre">{}</span></code>'
    assert str(table(["a"], name.format("binary_cross_entropy_with_logits"))).count("<wbr/>") == 4
    assert str(table(["a"], name.format("CategoricalCrossentropy()(y, 2q)"))).count("<wbr/>") == 2
    assert str(table(["a"], name.format("log_softmax(x)"))).count("<wbr/>") == 1
    cell = BeautifulSoup('<table class="lesson"><td><code>f(softmax(z), y)</code></td></table>', "html.parser")
    mend_tables(cell)
    assert str(cell.code) == "<code>f(<wbr/>softmax(<wbr/>z), y)</code>"


def test_markdown_cells_tagged_solution_become_boxes():
    from site_answers import mark_solutions

    def cell(text):
        return {"cell_type": "markdown", "metadata": {"tags": ["solution"]}, "source": text}

    source = [json.dumps({"cells": [cell("Plain words."), cell(":::{solution} ex\nText\n:::")]})]
    env = SimpleNamespace(doc2path=lambda name: f"{name}.ipynb")
    mark_solutions(SimpleNamespace(env=env), "book/x", source)
    one, two = (cell["source"] for cell in json.loads(source[0])["cells"])
    assert one.startswith("::::::{admonition} Solution\n:class: dropdown solution\nPlain words.")
    assert two.startswith(":::{solution} ex")


# --- what search engines read ------------------------------------------------------------


def titles(site):
    return {name: re.search(r"<title>(.*?)</title>", (site / name).read_text(encoding="utf-8"))[1] for name in PAGES}


def test_titles_differ_and_speak_of_the_subject(site):
    found = titles(site)
    own = {name: title for name, title in found.items() if name != "index.html"}
    assert len(set(own.values())) == len(own)
    assert "KL divergence" in found["index.html"]
    assert all("Likelihood" in title for title in found.values())


@pytest.mark.parametrize(
    "words, slug",
    [
        ("Kullback–Leibler (KL) divergence", "divergence"),
        ("maximum likelihood minimises the Kullback–Leibler", "likelihood"),
        ("Cross-entropy loss is maximum likelihood", "regression"),
        ("Estimating KL divergence from samples", "estimation"),
        ("evidence lower bound (ELBO)", "latent"),
        ("EM algorithm (expectation–maximisation)", "em"),
        ("variational autoencoder (VAE) has a KL divergence in its loss", "vae"),
        ("posterior collapse", "digits"),
        ("negative KL divergence", "numerics"),
        ("KL divergence and cross-entropy in SciPy, PyTorch", "functions"),
    ],
)
def test_who_searches_for_it_recognises_the_page(pages, words, slug):
    assert words in unescape(pages[f"book/{slug}.html"].all("meta", name="description")[0]["content"])


@every_page
def test_description_fits_and_is_the_page_s_own(pages, name):
    if name not in ("search.html", "genindex.html"):
        text = unescape(pages[name].all("meta", name="description")[0]["content"])
        assert 40 <= len(text) <= 200 and "$" not in text and "\\" not in text
        assert pages[name].all("meta", property="og:title")


def test_pages_carry_no_address_until_it_is_set(site):
    assert not (site / "sitemap.xml").exists()
    assert "User-agent: *" in (site / "robots.txt").read_text(encoding="utf-8")
    assert 'href="/index.html"' in (site / "404.html").read_text(encoding="utf-8")


def test_one_setting_gives_addresses(tmp_path):
    import site_files as files
    import site_head

    config = SimpleNamespace(html_baseurl="https://example.org/book/", html_title="T & T")
    builder = SimpleNamespace(get_target_uri=lambda name: f"{name}.html")
    env = SimpleNamespace(found_docs={"book/a", "book/b"}, titles={})
    app = SimpleNamespace(config=config, builder=builder, env=env)
    files.write_addresses(app, tmp_path)
    sitemap = (tmp_path / "sitemap.xml").read_text(encoding="utf-8")
    assert re.findall("<loc>(.*?)</loc>", sitemap) == [f"https://example.org/book/book/{x}.html" for x in "ab"]
    assert "Sitemap: https://example.org/book/sitemap.xml" in (tmp_path / "robots.txt").read_text(encoding="utf-8")
    assert 'href="/book/index.html"' in (tmp_path / "404.html").read_text(encoding="utf-8")
    tags = site_head.addresses(app, "book/a")
    assert tags['property="og:image"'] == "https://example.org/book/_static/preview.png"
    assert tags['property="og:url"'] == "https://example.org/book/book/a.html"
    config.html_baseurl = ""
    assert site_head.addresses(app, "book/a") == {}


def test_preview_has_the_size_that_is_asked_for():
    image_module = pytest.importorskip("PIL.Image")
    with image_module.open(ROOT / "book" / "_assets" / "preview.png") as picture:
        assert picture.size == (1200, 630)


def test_search_knows_every_section_once(site, pages):
    text = (site / "_static" / "search-index.js").read_text(encoding="utf-8")
    entries = json.loads(text.removeprefix("const sections = ").rstrip().removesuffix(";"))
    places = [address for _, _, address, _, _ in entries]
    assert len(set(places)) == len(places)
    for place in places:
        page, _, anchor = place.partition("#")
        assert page in pages and (not anchor or anchor in pages[page].ids)
    assert not re.search(r"\\(?:mathrm|frac|theta)", text)


@pytest.fixture(scope="module")
def search(site):
    """The search of the site, ready for questions."""
    quickjs = pytest.importorskip("quickjs")
    engine = quickjs.Context()
    engine.eval((site / "_static" / "search-index.js").read_text(encoding="utf-8").replace("const ", "var ", 1))
    engine.eval((ROOT / "book" / "_assets" / "search.js").read_text(encoding="utf-8").replace('"use strict";', ""))
    engine.eval("var prepared = prepare(sections)")
    return engine


LOOKED_UP = {"book/answers.html", "book/glossary.html"}


@pytest.mark.parametrize(
    "query, page",
    [
        ("forward vs reverse KL", "book/divergence.html"),
        ("negative KL", "book/numerics.html"),
        ("pytorch cross entropy", "book/functions.html"),
        ("posterior collapse", "book/digits.html"),
        ("Fisher information", "book/residuals.html"),
        ("what is KL divergence", "book/divergence.html"),
        ("why is cross entropy loss maximum likelihood", "book/regression.html"),
        ("MLE proof", "book/likelihood.html"),
        ("is KL asymmetric", "book/answers.html"),
        ("mode seeking", "book/glossary.html"),
        ("KLDivLoss", "book/functions.html"),
        ("kl divergence negative pytorch", "book/numerics.html"),
        ("mean squared error", "book/answers.html"),
        ("logistic regression does not converge", "book/regression.html"),
        ("separable data", "book/regression.html"),
        ("SGD", "book/scale.html"),
        ("EM algorithm", "book/em.html"),
        ("variational inference", "book/which-kl.html"),
        ("license", "book/licence.html"),
        ("syllabus", "book/teaching.html"),
        ("companion.likelihood.perplexity", "book/api/likelihood.html"),
    ],
)
def test_search_finds_what_people_type(search, query, page):
    """Among the first two places of the chapters: of short answers and terms of the glossary one may stand before."""
    found = json.loads(search.eval(f"JSON.stringify(find(prepared, {json.dumps(query)}).map((e) => e.address))"))
    places = [address.partition("#")[0] for address in found[:3]]
    assert page in [place for place in places if place == page or place not in LOOKED_UP][:2]


def test_list_of_exercises_has_the_numbers_of_their_pages(site):
    """Each chapter's exercises, in their order, with the number that stands above them."""
    listed = re.findall(
        r"<p>([\d.]+) <a[^>]*href=\"(\w[\w-]*)\.html#(ex-[\w-]+)\"",
        (site / "book" / "teaching.html").read_text(encoding="utf-8"),
    )
    assert len(listed) >= 70
    for slug in {slug for _, slug, _ in listed}:
        html = (site / "book" / f"{slug}.html").read_text(encoding="utf-8")
        shown = re.findall(r'id="(ex-[\w-]+)">\s*(?:<p[^>]*>\s*)?<span class="caption-number">Exercise ([\d.]+)', html)
        assert [(number, label) for number, page, label in listed if page == slug] == [(n, name) for name, n in shown]


# --- licence, citation, errors -----------------------------------------------------------


@every_notebook
def test_every_chapter_names_licence_citation_and_where_errors_go(pages, name):
    if Path(name).stem in ("functions", "which-kl"):
        return
    links = {a.get("href", "") for a in pages[name].all("a")}
    assert {f"licence.html#{place}" for place in ("what-you-may-do-with-it", "how-to-cite", "report-an-error")} <= links


def test_citation_is_that_of_the_citation_file():
    page = (ROOT / "book" / "licence.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for key in ("title", "version", "name"):
        assert re.search(rf'^(?:  - )?{key}: "?([^"\n]+)', citation, re.M)[1] in page
    assert re.search(r"date-released: (\d{4})", citation)[1] in page


def test_version_is_the_same_wherever_it_stands():
    """The newest of the changelog is the version of the package and of the citation, with its day."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, day = re.search(r"^## \[([\d.]+)\] - ([\d-]+)$", changes, re.M).groups()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == companion.__version__ == version
    assert f"\nversion: {version}\ndate-released: {day}\n" in citation


def test_licence_of_the_text_is_the_legal_code():
    text = (ROOT / "LICENSE-CC-BY").read_text(encoding="utf-8")
    for part in ("Section 1 -- Definitions", "Section 8 -- Interpretation", "Attribution 4.0 International"):
        assert part in text
