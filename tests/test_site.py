"""The built site as a reader meets it: links, formulas, figures, weight, accessibility."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import io
import json
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
import yaml

from conftest import ROOT, plain_environment

MAX_WEIGHT = 400_000  # bytes of a page with all it loads, gzipped
FONTS = 100_000  # about what a chapter's formulas load, for the estimate without a browser
VOID = set("area base br col embed hr img input link meta source track wbr".split())
# Attributes that make a browser fetch something.
FETCHED = {
    "script": "src",
    "img": "src",
    "source": "src",
    "iframe": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
}
FETCHED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest", "preconnect", "dns-prefetch", "prefetch"}


def pages_of_toc():
    """Page names from `_toc.yml`, in order, and the pages that every book has."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def files(node):
        for child in node.get("parts", []) + node.get("chapters", []) + node.get("sections", []):
            yield from [child["file"]] if "file" in child else []
            yield from files(child)

    return [f"{name}.html" for name in [toc["root"], *files(toc)]] + ["index.html", "search.html", "genindex.html"]


PAGES = pages_of_toc()
NOTEBOOKS = [name for name in PAGES if (ROOT / name).with_suffix(".ipynb").exists()]
every_page = pytest.mark.parametrize("name", PAGES)
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)


class Page(HTMLParser):
    """The tags of a page, and its text outside code, scripts and formulas."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags, self.prose, self.open = path, [], "", []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = {key: value or "" for key, value in attributes}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            classes = attributes.get("class", "").split()
            hidden = tag in ("script", "style", "code", "pre", "noscript") or "katex" in classes
            self.open.append((tag, hidden or (self.open and self.open[-1][1])))

    def handle_endtag(self, tag):
        while self.open and tag in [name for name, _ in self.open]:
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data):
        if not (self.open and self.open[-1][1]):
            self.prose += data

    def all(self, tag, **wanted):
        return [a for name, a in self.tags if name == tag and all(a.get(k) == v for k, v in wanted.items())]

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.tags if attributes.get("id")]

    def resources(self):
        """Addresses that a browser fetches for this page."""
        for tag, attributes in self.tags:
            if tag in FETCHED and attributes.get(FETCHED[tag]):
                yield attributes[FETCHED[tag]]
            if tag == "link" and FETCHED_LINKS & set(attributes.get("rel", "").split()):
                yield attributes.get("href", "")
            for source in attributes.get("srcset", "").split(","):
                yield from source.split()[:1]
            yield from addresses_in_css(attributes.get("style", ""))


def addresses_in_css(css):
    return re.findall(r"(?:url\(\s*|@import\s+)['\"]?([^'\")\s]+)", css)


def is_outside(address):
    return bool(urlsplit(address).netloc)


@pytest.fixture(scope="session")
def pages(site):
    """All HTML pages by name, not only those of the table of contents."""
    return {
        path.relative_to(site).as_posix(): Page(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def problems(found):
    """Fail with the whole list, not only its first entry."""
    found = list(found)
    assert not found, f"{len(found)} found:\n" + "\n".join(map(str, found))


# --- pages as files ---------------------------------------------------------------------


def test_book_builds_without_warnings(build):
    _, code, messages = build
    assert code == 0, messages


def test_every_page_of_the_contents_is_built(pages):
    problems(name for name in PAGES if name not in pages)


def test_internal_links_and_anchors_resolve(site, pages):
    def dead():
        for name, page in pages.items():
            for attributes in page.all("a"):
                href = attributes.get("href", "")
                if is_outside(href) or href.startswith(("mailto:", "javascript:")):
                    continue
                target, anchor = urldefrag(urljoin(name, href))
                target, anchor = unquote(target).split("?")[0], unquote(anchor)
                if not (site / target).is_file():
                    yield f"{name}: {href} leads to no file"
                elif anchor and target in pages and anchor not in pages[target].ids:
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
        assert all(heads) and labels == heads * (table.count("<tr") - 1)


def test_no_leftovers_of_other_services(pages, site):
    words = re.compile("thebe|unpkg|jsdelivr|fontawesome|binder-examples|ethical-ad|googleapis", re.I)
    problems(
        f"{name}: {found.group()}"
        for name in pages
        if (found := words.search((site / name).read_text(encoding="utf-8")))
    )


@pytest.mark.parametrize("name", ["index.html"])
def test_root_page_is_a_real_page(pages, name):
    page = pages[name]
    assert page.all("article") or page.all("main")
    assert not [a for a in page.all("meta") if a.get("http-equiv", "").lower() == "refresh"]
    assert [a["href"] for a in page.all("link", rel="canonical")] == [PAGES[0]]


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


@every_notebook
def test_notebook_can_be_downloaded(site, pages, name):
    links = [a["href"] for a in pages[name].all("a") if "download" in a]
    assert links, "the page has no download link"
    copy = site / urljoin(name, links[0])
    assert json.loads(copy.read_text(encoding="utf-8")) == json.loads(
        (ROOT / name).with_suffix(".ipynb").read_text(encoding="utf-8")
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


@every_page
def test_weight_by_files(site, pages, name):
    if name in ("search.html", "genindex.html"):
        return
    files = {
        site / urljoin(name, address).split("?")[0]
        for address in pages[name].resources()
        if not address.startswith("data:")
    }
    weight = FONTS + sum(len(gzip.compress(path.read_bytes())) for path in {*files, site / name})
    assert weight <= MAX_WEIGHT, f"{weight} bytes"


# --- formulas at build time --------------------------------------------------------------

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
    assert html.count("<math") == html.count('class="katex"') == 12
    assert 'encoding="application/x-tex">\\begin{aligned}' in html  # a bare line break gets its environment
    assert "MathJax" not in html


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


# --- pages in a browser ------------------------------------------------------------------


@pytest.fixture(scope="module")
def axe():
    """Source text of axe-core."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("accessibility tests need: pip install -r tests/requirements-browser.txt")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


# Contrast is two thirds of axe's time, the same verdict ten thousand times a page. Empties texts that have the colour,
# size, weight, opacity and grounds of two texts before them; `REFILLED` puts them back.
ALIKE = """() => {
    window.emptied = [];
    const grounds = new Map(), seen = new Map();
    const ground = (e) => {
        if (!e) return "";
        if (!grounds.has(e)) {
            const style = getComputedStyle(e), own = [style.backgroundColor, style.backgroundImage, style.opacity];
            const bare = own.join() === "rgba(0, 0, 0, 0),none,1";
            grounds.set(e, ground(e.parentElement) + (bare ? "" : "/" + own.join()));
        }
        return grounds.get(e);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) if (walker.currentNode.nodeValue.trim()) texts.push(walker.currentNode);
    for (const text of texts) {
        const e = text.parentElement, style = getComputedStyle(e);
        const look = [e.tagName, style.color, style.fontSize, style.fontWeight, style.display, ground(e)].join("|");
        seen.set(look, (seen.get(look) || 0) + 1);
        if (seen.get(look) > 2) {
            window.emptied.push([text, text.nodeValue]);
            text.nodeValue = "";
        }
    }
}"""
REFILLED = "window.emptied.forEach(([text, words]) => (text.nodeValue = words))"


class Visit:
    """A page opened with everything that it asks for, says and breaks written down."""

    def __init__(self, browser, address, name, **options):
        self.address, self.requests, self.answers, self.complaints = address, [], [], []
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        )
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda answer: self.answers.append(answer))
        self.page.on("requestfailed", self.note_failure)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.goto(f"{address}/{name}", wait_until="load")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()

    def note_failure(self, request):
        if "ERR_ABORTED" not in (request.failure or ""):  # what the reader leaves behind by going on is no fault
            self.complaints.append(f"failed: {request.url}")

    def outside(self):
        return [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]

    def overflow(self, width):
        """What is wider than the screen: nothing, or the names of the elements that stick out."""
        self.page.set_viewport_size({"width": width, "height": 800})
        return self.page.evaluate("""() => {
            const room = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= room) return [];
            const boxes = ".math-scroll, pre, .pst-scrollable-table-container, .text_html, .bd-sidebar-secondary";
            const free = (e) => !e.closest(`${boxes}, .katex-mathml`);
            const out = [...document.querySelectorAll("main *")].filter(
                (e) => free(e) && e.getBoundingClientRect().right > room + 1);
            return [`page ${document.documentElement.scrollWidth} wide`,
                ...out.slice(0, 5).map((e) => e.outerHTML.slice(0, 160))];
        }""")

    def leave_out_formulas(self):
        """Put a letter in the place of each: they are nine tenths of a page's elements, and axe is slow on many."""
        self.page.evaluate("document.querySelectorAll('.katex').forEach((formula) => formula.replaceWith('x'))")

    def violations(self, axe, rules="{}"):
        """What axe finds, contrast apart: that is judged where a text first looks as it does (see `ALIKE`)."""
        self.page.evaluate(axe)
        contrast = "{type: 'rule', values: ['color-contrast']}"
        other = f"Object.assign({{rules: {{'color-contrast': {{enabled: false}}}}}}, {rules})"
        results = self.page.evaluate(f"axe.run(document, {other}).then((r) => r.violations)")
        self.page.evaluate(ALIKE)
        results += self.page.evaluate(f"axe.run(document, {{runOnly: {contrast}}}).then((r) => r.violations)")
        self.page.evaluate(REFILLED)
        return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in results for n in v["nodes"]]

    def unlike_the_text(self):
        """Parts of formulas in another colour than the text they stand in, and formulas that speak twice."""
        return self.page.evaluate("""() => [...document.querySelectorAll(".katex")].flatMap((formula) => {
            const colour = getComputedStyle(formula.parentElement).color;
            const drawn = [...formula.querySelectorAll(".katex-html *")];
            const other = drawn.filter(
                (e) => getComputedStyle(e).color !== colour || getComputedStyle(e).opacity !== "1");
            const spoken = drawn.length && !formula.querySelector(".katex-html[aria-hidden=true]") ? [formula] : [];
            const silent = formula.querySelectorAll(".katex-mathml math").length === 1 ? [] : [formula];
            return [...other, ...spoken, ...silent].slice(0, 2).map((e) => e.outerHTML.slice(0, 160));
        })""")

    def faint_pictures(self):
        image_module = pytest.importorskip("PIL.Image")
        for picture in self.page.locator("article img").all():
            picture.scroll_into_view_if_needed()
            shot = image_module.open(io.BytesIO(picture.screenshot())).convert("L")
            low, high = shot.getextrema()
            if shot.getpixel((shot.width // 2, 3)) <= 190:
                yield f"{picture.get_attribute('src')} has no light ground"
            if high - low <= 90:
                yield f"{picture.get_attribute('src')} has no contrast"

    def boxes_without_keyboard(self):
        """Formulas in boxes that scroll must be tab stops with a name, others must not; the page may take a moment."""
        wrong = """[...document.querySelectorAll(".math-scroll")].filter((box) => !(
            box.scrollWidth > box.clientWidth + 1 ? box.tabIndex === 0 && box.ariaLabel : box.tabIndex === -1))"""
        for _ in range(50):
            if not self.page.evaluate(f"{wrong}.length"):
                break
            self.page.wait_for_timeout(200)
        return self.page.evaluate(f"{wrong}.map((box) => box.outerHTML.slice(0, 160))")

    def weights(self):
        """Gzipped bytes of all that the page loads, by address."""
        # lazy pictures load when they come near
        self.page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
        self.page.wait_for_load_state("networkidle")
        return {answer.url: len(gzip.compress(answer.body())) for answer in self.answers}


@pytest.fixture(scope="module")
def look(browser, address, axe):
    """Opens a page once in each scheme, light on a phone and dark on a desk, and returns what it found."""

    @functools.cache
    def look(name, scheme):
        width = 360 if scheme == "light" else 1280
        with Visit(browser, address, name, color_scheme=scheme, viewport={"width": width, "height": 800}) as visit:
            found = {"theme": visit.page.evaluate("document.documentElement.dataset.theme")}
            if scheme == "light":
                found["boxes without keyboard"] = visit.boxes_without_keyboard()
                found["weights"] = visit.weights()
            else:
                found["faint pictures"] = list(visit.faint_pictures())
            overflow = visit.overflow(360)
            visit.page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
            found["overflow"] = overflow + visit.overflow(360) + visit.overflow(1280)
            # only colours differ between the schemes
            rules = "{}" if scheme == "light" else "{runOnly: ['link-in-text-block']}"
            found["formulas"] = visit.unlike_the_text()
            found["outside"], found["complaints"] = visit.outside(), visit.complaints
            visit.leave_out_formulas()  # the test before has looked at them
            found["violations"] = visit.violations(axe, rules)
        return found

    return look


@every_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_the_browser(look, name, scheme):
    found = look(name, scheme)
    assert found["theme"] == scheme
    problems(found["overflow"])
    problems(found["violations"])
    problems(found["outside"])
    problems(found["complaints"])


@every_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_formulas_are_like_the_text_around_them(look, name, scheme):
    problems(look(name, scheme)["formulas"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_formulas_are_accessible(browser, address, axe, scheme):
    """One page with its formulas, since the others are looked at without."""
    with Visit(browser, address, "book/notation.html", color_scheme=scheme) as visit:
        assert visit.page.locator(".katex").count() > 20
        problems(visit.violations(axe))


@every_page
def test_weight_in_the_browser(look, name):
    sizes = look(name, "light")["weights"]
    heaviest = sorted(((size, url) for url, size in sizes.items()), reverse=True)[:6]
    assert sum(sizes.values()) <= MAX_WEIGHT, heaviest


@every_notebook
def test_pictures_are_clear_in_the_dark(look, name):
    problems(look(name, "dark")["faint pictures"])


@every_notebook
def test_wide_formulas_can_be_scrolled_by_keyboard(look, name):
    problems(look(name, "light")["boxes without keyboard"])


@every_page
def test_page_without_javascript(browser, address, name):
    if name == "search.html":
        return
    with Visit(browser, address, name, java_script_enabled=False) as visit:
        assert visit.page.locator("h1").first.is_visible()
        text = visit.page.locator("article, main").first.inner_text()
        assert len(text.split()) > 20
        formulas = visit.page.locator("main .katex:not(details *)")
        assert formulas.count() == 0 or formulas.first.is_visible()
        problems(visit.outside())


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
        problems(visit.violations(axe))
        link = visit.page.locator("#pst-primary-sidebar-modal a").first
        visit.page.locator("button.primary-toggle").click()
        assert link.is_visible()
        problems(visit.violations(axe))
        visit.page.keyboard.press("Escape")
        assert not link.is_visible()
