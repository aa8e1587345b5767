"""The directive, the role, the element: what no explorer has to itself."""

from __future__ import annotations

import shutil

from explorers.common import *


def test_another_start_and_its_errors():
    markup = explorer.render("two-humps", {"d": 3, "mu": 0})
    assert json.loads(tree(markup).get("data-state")) == {"d": 3, "mu": 0}
    assert "humps p at −1.50 and 1.50" in markup
    with pytest.raises(Exception, match=r'explorer two-humps: no number "width" in its state \(d, mu, sigma, seed\)'):
        explorer.render("two-humps", {"width": 3})


def build(tmp_path, page, builder="html"):
    """The page through Sphinx with the extension; returns the warnings and the output folder."""
    from io import StringIO

    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "index.md").write_text(page, encoding="utf-8")
    (source / "other.md").write_text("---\norphan: true\n---\n# Other\n", encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "explorer", "set_role"],
        "html_theme": "basic",
        "numfig": True,
        "myst_enable_extensions": ["dollarmath"],
        "html_static_path": [str(ROOT / "book" / "_assets")],
    }
    warnings = StringIO()
    with docutils_namespace():
        app = Sphinx(
            source, None, tmp_path / builder, tmp_path / "doctrees", builder, settings, status=None, warning=warnings
        )
        app.build()
    return warnings.getvalue(), tmp_path / builder


PAGE = """# Page

{numref}`explorer-two-humps` and {ref}`the gap <explorer-gap>`.
Now {set}`move the *humps* to $d=8$ <two-humps d=8 sigma=0.5 press=reverse>`.

```{explorer} two-humps
:name: explorer-two-humps
Caption with $x^2$.
```

```{explorer} constant-gap
:name: explorer-gap
:state: {"lambda": 0.9}
Second caption.
```
"""


@pytest.mark.filterwarnings("default")
def test_directive(tmp_path):
    warnings, out = build(tmp_path, PAGE)
    assert warnings == ""
    html = (out / "index.html").read_text(encoding="utf-8")
    assert explorer.render("two-humps") in html and explorer.render("constant-gap", {"lambda": 0.9}) in html
    assert re.search(r'<figure[^>]*class="[^"]*explorer-frame[^"]*"[^>]*id="explorer-two-humps"', html)
    assert 'href="#explorer-two-humps"><span class="std std-numref">Fig. 1' in html
    scripts = re.findall(r'<script defer="defer" src="_static/explorers/([a-z-]+)\.js', html)
    assert scripts == ["explorer", "constant-gap", "two-humps"] and "explorers/explorer.css" in html
    assert "explorers/" not in (out / "other.html").read_text(encoding="utf-8"), "only pages with an explorer load it"
    assert (out / "_static" / "explorers" / "two-humps.js").exists()
    link = tree(re.search(r"<explorer-set.*?</explorer-set>", html).group())
    assert link.get("data-name") == "two-humps" and link.get("data-press") == "reverse"
    assert json.loads(link.get("data-state")) == {"d": 8, "sigma": 0.5}
    assert "".join(link.itertext()).startswith("move the humps to") and link.find("em") is not None


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("builder", ["text", "latex"])
def test_directive_without_html(tmp_path, builder):
    warnings, out = build(tmp_path, PAGE, builder)
    assert warnings == ""
    text = next(path for path in out.iterdir() if path.suffix in (".txt", ".tex")).read_text(encoding="utf-8")
    numbers = model("two-humps", start("two-humps"))
    assert f"reverse KL {numbers['reverse']:.4f}" in re.sub(r"\s+", " ", text)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("directive", "message"),
    [
        (
            "```{explorer} three-humps\n```",
            'no explorer is called "three-humps"; there are: cancellation, chunks, constant-gap',
        ),
        ('```{explorer} two-humps\n:state: {"width": 2}\n```', 'no number "width" in its state (d, mu, sigma, seed)'),
        ("```{explorer} two-humps\n:state: d = 3\n```", "the state does not work"),
        ("{set}`far <three-humps d=3>`", 'no explorer is called "three-humps"; there are: cancellation'),
        ("{set}`far <two-humps width=3>`", 'no number "width" in its state (d, mu, sigma, seed)'),
        ("{set}`far <two-humps press=jump>`", 'no button "jump"; there are: forward, likelihood, reverse, sample'),
        ("{set}`far away`", 'expected "words <explorer key=number ...>"'),
        ("{set}`far <two-humps d=8>`", "the page has no explorer two-humps"),
    ],
)
def test_directive_errors(tmp_path, directive, message):
    warnings, _ = build(tmp_path, f"# Page\n\n{directive}\n")
    assert message in warnings and "index.md:3" in warnings


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    with served(tmp_path_factory.mktemp("all"), explorer.names()) as address:
        yield address


def test_all_explorers_live_on_one_page(browser, everything):
    with opened(browser, everything, width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator(".explorer.ready").count() == len(explorer.names())


@pytest.mark.parametrize("calm", ["reduce", "no-preference"])
def test_words_of_the_text_scroll_to_the_figure_and_press_a_button(browser, everything, calm):
    with opened(browser, everything, reduced_motion=calm) as page:
        link = """<explorer-set id="far" data-name="two-humps" data-state='{"d": 8, "mu": 3}' data-press="reverse">go</explorer-set>"""
        page.evaluate("link => document.body.insertAdjacentHTML('beforeend', link)", link)
        page.locator("#far button").click()
        page.wait_for_timeout(1500)
        wanted, note = act("two-humps", "reverse", {**start("two-humps"), "d": 8, "mu": 3})
        assert state_of(page, "two-humps") == pytest.approx(wanted) and said(page, "two-humps").startswith(note)
        box = page.locator("explorer-two-humps .explorer-figure").bounding_box()
        assert 0 <= box["y"] and box["y"] + box["height"] <= 1000


def test_works_from_a_file(browser, tmp_path):
    shutil.copytree(explorer.FOLDER, tmp_path / "explorers")
    scripts = "".join(
        f'<script defer src="explorers/{name}.js"></script>' for name in [explorer.SHARED, *explorer.names()]
    )
    body = "".join(explorer.render(name) for name in explorer.names())
    (tmp_path / "index.html").write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>File</title>{scripts}</head><body>{body}</body></html>',
        encoding="utf-8",
    )
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.explorer.ready').length === %d" % len(explorer.names()))
    page.locator("explorer-constant-gap input").press("Home")
    settle(page)
    assert readout(page, "constant-gap")[0] == pytest.approx(model("constant-gap", {"lambda": 0.1})["cross"], abs=1e-4)
    page.close()


def test_every_explorer_has_its_tests():
    here = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert {f"test_{name.replace('-', '_')}" for name in explorer.names()} == here - {"test_shared"}
