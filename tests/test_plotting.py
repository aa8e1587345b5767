"""Figures: their panels, their colours, and what the site makes of a stored drawing."""

import io
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from companion.lesson import plotting
from companion.lesson.plotting import PALETTE, panels, use_style

ROOT = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"
PHONE = 328  # pixels for a figure on a screen of 360


@pytest.fixture(autouse=True)
def _leave_no_figure():
    with mpl.rc_context():
        yield
    plt.close("all")


def test_panels_are_as_large_as_asked():
    figure, axes = panels(3, height=2.0, width=6.0, sharey=True)
    assert len(axes) == 3 and figure.get_size_inches().tolist() == [6.0, 2.0]
    assert axes[0].get_shared_y_axes().joined(axes[0], axes[2])
    assert panels(2)[0].get_size_inches().tolist() == [7.2, 3.2]
    assert panels()[0].get_size_inches().tolist() == [4.5, 3.2]


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 1.5}, {"count": 13}, {"width": 0}, {"height": np.nan}, {"height": 1e3}]
)
def test_a_figure_of_no_size_is_an_error(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=rf"^panels: {name} = .*; expected "):
        panels(**wrong)


def test_the_style_tells_curves_apart_without_colour():
    use_style()
    dashes = mpl.rcParams["axes.prop_cycle"].by_key()["linestyle"]
    assert len(set(dashes)) == len(dashes) == 4


# --- colours ------------------------------------------------------------------------------------------------------
# Machado, Oliveira and Fernandes 2009: what readers with no red, green or blue cones see, in linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    low, high = sorted(linear(colour) @ TO_XYZ[1] for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(linear_rgb):
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ linear_rgb / [0.9505, 1, 1.089], 1e-6))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("role", ["data", "model", "third", "fourth", "grey", "ink"])
def test_every_role_can_be_read_as_text(role, theme):
    assert contrast(PALETTE[role][theme], PALETTE["ground"][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("eye", list(EYES))
def test_roles_differ_for_every_eye(eye, theme):
    seen = {
        role: lab(np.clip(EYES[eye] @ linear(PALETTE[role][theme]), 0, 1))
        for role in ("data", "model", "third", "fourth")
    }
    far = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    assert min(far.values()) > 14, far
    assert far["data", "model"] > 70


def test_colours_are_written_in_one_file_only():
    ours = {colour for pair in PALETTE.values() for colour in pair} - set(PALETTE["ground"])
    folders = [*(ROOT / "companion").rglob("*.py"), *(ROOT / "book").rglob("*.js"), *(ROOT / "book").rglob("*.py")]
    for path in [*folders, *(ROOT / "book" / "_assets" / "explorers").glob("*.css")]:
        if "_vendor" not in path.parts:
            assert not ours & set(re.findall(r"#[0-9a-f]{6}", path.read_text(encoding="utf-8").lower())), path


# --- what the site makes of a stored figure -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def figures():
    pytest.importorskip("sphinx", reason="the book's requirements (requirements.txt) are not installed")
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import figures

    return figures


@pytest.fixture(scope="module")
def palette(figures):
    return figures.palette


def drawn(count, **options):
    use_style()
    figure, axes = panels(count, **options)
    for place, axis in enumerate(np.ravel(axes)):
        axis.plot([0, 1], [0, 10**place], label="q")
        axis.set(ylabel="nats" if place else "a very\nlong label", xlabel="x", title="p")
        axis.fill_between([0, 1], [0, 1], color=plotting.SOFT)
        axis.legend()
    return plotting._drawing(figure)


@pytest.mark.parametrize("count", [2, 3])
def test_panels_have_columns_of_equal_width_and_are_stacked_for_phones(figures, count):
    (_, wide, light), (_, narrow, stacked) = figures.versions(drawn(count))
    assert wide == (691, 307) and narrow == (round(691.2 / count), round(307.2 * count + 12 * (count - 1)))
    root = ElementTree.fromstring(stacked)
    shifts = [g.get("transform") for g in root.iter(f"{SVG}g") if g.get("id", "").startswith("panel-")]
    assert shifts == [f"translate({-k * 518.4 / count:.2f} {k * (230.4 + figures.GAP):g})" for k in range(count)]
    assert light.count("translate(-") == stacked.count("translate(-") - (count - 1) or count


def letters(text, across=PHONE):
    """Sizes in pixels of all letters when the drawing is `across` pixels wide; raised and lowered ones are smaller."""
    root = ElementTree.fromstring(text)
    zoom = min(across, float(root.get("width"))) / float(root.get("viewBox").split()[2])
    scales = re.findall(r'transform="translate\([^"]*? scale\(([\d.]+) -[\d.]+\)"', text)
    return [100 * float(scale) * zoom for scale in scales]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_letter_is_under_eleven_pixels_on_a_phone(figures, count):
    found = letters(figures.versions(drawn(count))[-1][2])
    assert len(found) > 10 * count and min(found) >= 11


def test_a_dark_figure_has_only_the_colours_of_the_dark(figures, palette):
    light = drawn(2)
    night = figures.in_the_dark(figures.versions(light)[0][2])
    lights = {pair[0] for pair in PALETTE.values()}
    assert {"data", "soft", "ink", "ground"} <= {role for role, pair in PALETTE.items() if pair[0] in light}
    assert not lights & set(re.findall(r"#[0-9a-f]{6}", night))
    assert palette.dark("#000000") == PALETTE["ink"][1] and palette.dark("#fffffe") == PALETTE["ground"][1]
    assert palette.dark("#ff0000") == "#ff0000"


def test_pixels_inside_a_drawing_turn_dark_as_well(figures, palette):
    use_style()
    figure, axis = panels()
    axis.imshow([[0.0, 1.0]], cmap="Greys", interpolation="nearest")
    text = figures.versions(plotting._drawing(figure))[0][2]
    night = figures.in_the_dark(text)
    shown = [np.array(picture_of(palette, each)) for each in (text, night)]
    assert shown[0][..., :3].max() == 255 and shown[0][..., :3].min() == 0
    ink, ground = (palette.rgb(PALETTE[role][1]) for role in ("ink", "ground"))
    assert shown[1][..., :3].max(axis=(0, 1)).tolist() == ink.tolist()
    assert shown[1][..., :3].min(axis=(0, 1)).tolist() == ground.tolist()


def test_a_scale_of_greys_keeps_its_order_in_the_dark(figures, palette):
    use_style()
    figure, axis = panels()
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    axis.imshow(greys, interpolation="nearest", aspect="auto")
    text = figures.versions(plotting._drawing(figure))[0][2]
    shown = [np.array(picture_of(palette, each)).astype(int) for each in (text, figures.in_the_dark(text))]
    row = np.unique(np.concatenate([each[0, :, :1] for each in shown], axis=1), axis=0)  # by the light page's grey
    assert [90, 90, 90] in shown[0][0].tolist()  # the grey that has a role of its own
    assert len(row) > 100 and np.all(np.diff(row[:, 1]) <= 0)


def picture_of(palette, text):
    data = re.search(r'base64,([^"]+)', text).group(1)
    return palette.Image.open(io.BytesIO(palette.base64.b64decode(data))).convert("RGB")


def test_the_site_knows_the_palette(palette):
    light, dark = palette.css().splitlines()
    for role, pair in PALETTE.items():
        assert f"--role-{role}:{pair[0]};" in light and f"--role-{role}:{pair[1]};" in dark


@pytest.mark.parametrize("path", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda path: path.stem)
def test_stored_figures_are_legible_on_a_phone(figures, path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            text = "".join(output.get("data", {}).get("image/svg+xml", ""))
            if not text:
                continue
            *_, (_, _, narrow) = figures.versions(text)
            found = letters(narrow)
            raised = {round(0.7 * size, 1) for size in found if size >= 11}  # powers and indices are smaller
            small = [size for size in found if size < 11 and round(size, 1) not in raised]
            assert not small, (
                f"{cell['id']}: letters of {min(small):.1f} pixels; leave out fontsize, or draw it narrower"
            )
            groups = ElementTree.fromstring(text).find(f"{SVG}g[@id='figure_1']").findall(f"{SVG}g")
            loose = [group.get("id") for group in groups if not re.match(r"panel-|patch_|axes_", group.get("id"))]
            assert not loose, f"{cell['id']}: {loose} stand between the panels; put them into one"


@pytest.mark.slow
def test_notebooks_store_reproducible_drawings():
    code = """
import sys, types, IPython
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(); shell.kernel = True
import matplotlib; matplotlib.use("module://matplotlib_inline.backend_inline")
from companion.lesson.plotting import panels, use_style
use_style()
figure, axes = panels(2)
data, _ = shell.display_formatter.format(figure)
print(sorted(data)); sys.stderr.write(data["image/svg+xml"])
"""
    pytest.importorskip("matplotlib_inline", reason="notebooks are not installed (requirements.txt)")
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT) for _ in range(2)]
    assert runs[0].stdout == "['image/svg+xml', 'text/plain']\n", runs[0].stderr
    assert runs[0].stderr == runs[1].stderr and "dc:date" not in runs[0].stderr
    assert 'id="panel-2"' in runs[0].stderr


# --- a page with figures ------------------------------------------------------------------------------------------
def page_of(figures, folder):
    """A page of one panel, of two panels, and of a drawing that is not from matplotlib, through Sphinx."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    source = folder / "source"
    source.mkdir()
    for count in (1, 2):
        (source / f"figure{count}.svg").write_text(drawn(count), encoding="utf-8")
    (source / "other.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', encoding="utf-8"
    )
    names = ("figure1", "figure2", "other")
    lines = "\n\n".join(f"![words about {name}]({name}.svg)" for name in names)
    (source / "index.md").write_text(f"# Page\n\n{lines}\n", encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "palette", "figures"],
        "html_theme": "basic",
        "html_static_path": [str(ROOT / "book" / "_assets")],
    }
    warnings = io.StringIO()
    with docutils_namespace():
        app = Sphinx(source, None, folder / "html", folder / "trees", "html", settings, status=None, warning=warnings)
        app.build()
    assert warnings.getvalue() == ""
    return folder / "html" / "index.html"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_page_names_every_version_and_its_size(figures, tmp_path):
    page = page_of(figures, tmp_path)
    html = page.read_text(encoding="utf-8")
    pictures = re.findall(r"<picture.*?</picture>", html, re.S)
    assert len(pictures) == 4 and html.count("<img") == 5 and "_images/other.svg" in html
    for picture, theme in zip(pictures, ["light", "dark"] * 2):
        assert f'class="in-{theme}"' in picture and 'loading="lazy"' in picture and 'alt="words about' in picture
        files = re.findall(r'(?:src|srcset)="([^"]+)" width="(\d+)" height="(\d+)"', picture)
        assert len(files) == (1 if "figure1" in picture else 2)
        for name, width, height in files:
            root = ElementTree.parse(page.parent / name).getroot()
            assert (root.get("width"), root.get("height")) == (width, height) and f"-{theme}.svg" in name


@pytest.mark.filterwarnings("default")
def test_a_browser_loads_the_version_it_shows_and_follows_the_theme(figures, browser, tmp_path):
    address = page_of(figures, tmp_path).as_uri()
    for width, ending in ((1000, ""), (360, "-narrow")):
        page = browser.new_page(viewport={"width": width, "height": 3000})
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url.rpartition("/")[2]))
        page.goto(address)
        page.wait_for_load_state("networkidle")
        light = {"figure1-light.svg", f"figure2{ending}-light.svg"}
        assert {name for name in asked if name.startswith("figure") and name.endswith(".svg")} == light
        high = page.evaluate("document.documentElement.scrollHeight")
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        page.wait_for_load_state("networkidle")
        page.wait_for_function(
            "[...document.querySelectorAll('.in-dark img')].every(e => e.complete && e.naturalWidth)"
        )
        assert {name.replace("dark", "light") for name in asked if "-dark" in name} == light
        assert page.evaluate("document.documentElement.scrollHeight") == high, "nothing moves"
        shown = page.locator("picture:visible").evaluate_all("all => all.map(e => e.className)")
        assert shown == ["in-dark", "in-dark"]
        page.close()


@pytest.mark.parametrize("count", [50, 5_000])
def test_a_stored_line_is_the_line_to_a_tenth_of_a_point(count):
    use_style()
    figure, axis = panels()
    x = np.linspace(0, 1, count)
    axis.plot(x, np.sin(40 * x**2), ls="-", snap=False)
    band = axis.fill_between(x, np.cos(9 * x), lw=0)
    text = plotting._drawing(figure)
    assert len(text) < 70_000
    high = 72 * figure.get_figheight()
    wanted = axis.transData.transform(np.column_stack([x, np.sin(40 * x**2)])) * 72 / figure.dpi
    for path in re.findall(r'<path d="(M[^"Q]*)" clip-path', text):
        start, _, steps = path.rstrip("z").partition("l")
        spots = np.cumsum(
            [list(map(float, pair.split())) for pair in (start[1:], *re.findall(r"\S+ \S+", steps))], axis=0
        )
        if len(spots) > 20 and not path.endswith("z"):
            near = np.hypot(*(spots[:, None] * [1, -1] + [0, high] - wanted).T).min(axis=0)
            assert near.max() < 0.35 and len(band.get_paths()) == 1
            break
    else:
        pytest.fail("the line was not found")


def test_the_column_of_axes():
    """By their place in a grid of so many columns; of others, such as colour bars, by where their middle is."""
    figure = plt.figure()
    grid = figure.add_gridspec(2, 3)
    assert [plotting._column(figure.add_subplot(grid[1, i]), 3) for i in range(3)] == [0, 1, 2]
    assert plotting._column(figure.add_subplot(grid[0, 1:]), 3) == 1
    moved = figure.add_subplot(grid[0, 0])
    moved.set_position([0.8, 0.1, 0.1, 0.1])  # it stays in its column
    assert plotting._column(moved, 3) == 0
    other = figure.add_subplot(figure.add_gridspec(1, 2)[0, 1])
    assert plotting._column(other, 2) == 1 and plotting._column(other, 4) == 2
    for left, width, column in ((0.0, 0.3, 0), (0.3, 0.1, 1), (0.1, 0.6, 1), (0.6, 0.2, 2), (0.95, 0.2, 2)):
        assert plotting._column(figure.add_axes([left, 0.1, width, 0.1]), 3) == column
