"""The tests that every explorer passes: ``from explorers.every import *`` in its own file, see common.py."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from explorers.common import *


@pytest.fixture(scope="module")
def case(request):
    """The test file of one explorer, for what it says about it."""
    return request.module


@pytest.fixture(scope="module")
def playground(case, tmp_path_factory):
    with served(tmp_path_factory.mktemp("explorers"), [case.NAME]) as address:
        yield address


@pytest.fixture(scope="module")
def window(browser):
    return window_of(browser)


@pytest.fixture
def page(window, playground):
    with loaded(window, playground, height=1400) as page:
        yield page


# --- numbers ------------------------------------------------------------------------------------------------------
def test_numbers_are_those_of_the_companion(case):
    assert len(case.STATES) >= 8
    for state in case.STATES:
        shown, wanted = model(case.NAME, {**start(case.NAME), **state}), case.numbers(**state)
        for key, value in wanted.items():
            np.testing.assert_allclose(shown[key], value, rtol=1e-8, atol=1e-9, err_msg=f"{key} at {state}")


def test_numbers_of_the_companion_are_right(case):
    """By SciPy, sums and quadrature alone, so that both cannot be wrong together."""
    for state in case.STATES[:: max(1, len(case.STATES) // 12)]:
        ours, theirs = case.numbers(**state), case.by_hand(**state)
        assert theirs.keys() <= ours.keys()
        for key, value in theirs.items():
            np.testing.assert_allclose(ours[key], value, rtol=1e-9, atol=1e-9, err_msg=f"{key} at {state}")


# --- markup -------------------------------------------------------------------------------------------------------
def test_static_markup(case):
    root, numbers, first = tree(explorer.render(case.NAME)), model(case.NAME, start(case.NAME)), start(case.NAME)
    figure = root.find("div[@role='img']")
    assert len(figure.get("aria-label")) > 80 and len(figure.findall("svg")) >= 1
    status, shown = root.find("p[@aria-live='polite']"), "".join(root.itertext())
    for key in case.SPOKEN:
        text = f"{abs(numbers[key]):.4f}"
        assert text in status.text and text in shown
    assert root.find("fieldset").get("disabled") is not None, "without scripts the controls must not pretend to work"
    assert root.find("fieldset/legend").text
    for slider, control in zip(root.iter("input"), controls(case.NAME), strict=True):
        value = f"{first[control['key']]:.{control['digits']}f}".replace("-", MINUS)
        assert (slider.get("type"), slider.get("aria-valuetext")) == ("range", value)
    for parent in root.iter("label"):
        assert parent.find("span").text and parent.find("input") is not None
    assert all(button.text for button in root.iter("button"))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert not ids, "two explorers on a page would share these ids"
    assert not re.search(r"NaN|undefined|Infinity|∞", explorer.render(case.NAME))


def corners(name):
    """States at the ends and the start of every slider."""
    first, sliders = start(name), controls(name)
    grid = [[c["min"], first[c["key"]], c["max"]] for c in sliders]
    for values in np.array(np.meshgrid(*grid)).reshape(len(grid), -1).T:
        yield {**first, **dict(zip((c["key"] for c in sliders), map(float, values)))}


@pytest.mark.parametrize("width", [280, 640, 900])
def test_markup_is_sound_at_every_corner(case, width):
    for state in corners(case.NAME):
        drawn = view(case.NAME, state, width)
        svgs = tree("<div>" + "".join(drawn["panels"]) + "</div>").findall("svg")
        assert not re.search(r"NaN|undefined|Infinity", "".join(drawn["panels"]) + drawn["alt"] + drawn["status"])
        sizes = [list(map(float, svg.get("viewBox").split()))[2:] for svg in svgs]
        code = "(s => (e => e.handles(s, e.model(s), %d))(Explorer.get(%s)))(%s)"
        for handle in explorer.run(code % (width, json.dumps(case.NAME), json.dumps(state))):
            wide, high = sizes[handle["panel"]]
            assert 0 <= handle["x"] <= wide and 0 <= handle["y"] <= high


# --- in the browser -----------------------------------------------------------------------------------------------
def test_browser_draws_what_the_build_drew(case, page):
    assert page.evaluate(f"Explorer.markup('{case.NAME}', {{}})") == explorer.run(
        f"Explorer.markup('{case.NAME}', {{}})"
    )
    rng = np.random.default_rng(8)
    for _ in range(20):
        state = start(case.NAME) | {c["key"]: rng.uniform(c["min"], c["max"]) for c in controls(case.NAME)}
        code = f"Explorer.markup('{case.NAME}', {json.dumps(state)})"
        assert page.evaluate(code) == explorer.run(code)
    check_numbers(page, case)


def test_keyboard_alone(case, page):
    keys = [c["key"] for c in controls(case.NAME)]
    seen = []
    for _ in range(2 + len(keys) + len(buttons(case.NAME)) + 1):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("(e => e.dataset.key || e.dataset.action || '')(document.activeElement)"))
    assert [key for key in seen if key] == [*keys, *buttons(case.NAME), "reset"]
    for key in keys:
        slider = page.locator(f"explorer-{case.NAME} input[data-key={key}]")
        slider.focus()
        ring, offset = page.evaluate(
            "(s => [s.outlineStyle, s.outlineOffset])(getComputedStyle(document.activeElement))"
        )
        assert ring == "solid" and float(offset.removesuffix("px")) <= -3, "the ring stays clear of the labels"
        before, status = state_of(page, case.NAME), said(page, case.NAME)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        settle(page)
        step = next(c["step"] for c in controls(case.NAME) if c["key"] == key)
        assert state_of(page, case.NAME)[key] == pytest.approx(before[key] + 2 * step)
        assert said(page, case.NAME) != status
        value = page.locator(f"explorer-{case.NAME} [data-value={key}]").inner_text()
        assert slider.get_attribute("aria-valuetext") == value
        check_numbers(page, case)


def test_every_button_by_keyboard_does_what_the_model_says(case, page):
    for key in [*buttons(case.NAME), "reset"]:
        before = state_of(page, case.NAME)
        wanted, note = (start(case.NAME), "Back to the start.") if key == "reset" else act(case.NAME, key, before)
        page.locator(f"explorer-{case.NAME} [data-action={key}]").focus()
        page.keyboard.press("Enter")
        settle(page)
        after = state_of(page, case.NAME)
        for name, value in wanted.items():
            np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-12, err_msg=f"{key}: {name}")
        assert said(page, case.NAME).startswith(note)
        check_numbers(page, case)


def test_drag_by_mouse(case, page):
    for index, key in case.DRAGS:
        page.locator(f"explorer-{case.NAME} [data-action=reset]").click()
        settle(page)
        before = state_of(page, case.NAME)
        x, y = handle_at(page, case.NAME, index)
        page.mouse.move(x + 3, y - 3)  # near is enough
        page.mouse.down()
        page.mouse.move(x + 23, y, steps=4)
        page.mouse.move(x + 53, y + 40, steps=4)
        page.mouse.up()
        page.mouse.move(x - 100, y)
        settle(page)
        after = state_of(page, case.NAME)
        control = next(c for c in controls(case.NAME) if c["key"] == key)
        least = min(0.01 * (control["max"] - control["min"]), 2 * control["step"])  # a scale may be logarithmic
        assert after[key] > before[key] + least
        assert {k for k in after if after[k] != before[k]} == {key}
        assert handle_at(page, case.NAME, index)[0] == pytest.approx(x + 50, abs=1.5), "the handle follows the pointer"
        check_numbers(page, case)
        # far outside: the value stops at the end of its slider
        x, y = handle_at(page, case.NAME, index)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 3000, y, steps=3)
        page.mouse.up()
        assert state_of(page, case.NAME)[key] == next(c["max"] for c in controls(case.NAME) if c["key"] == key)


def test_drag_by_touch(case, browser, playground):
    for index, key in case.DRAGS:
        drag_by_touch(case, browser, playground, index, key)


def drag_by_touch(case, browser, playground, index, key):
    with opened(
        browser, playground, width=390, height=800, has_touch=True, is_mobile=True, device_scale_factor=2
    ) as page:
        before = state_of(page, case.NAME)
        x, y = handle_at(page, case.NAME, index)
        touch = page.context.new_cdp_session(page)

        def send(kind, *points, touch=touch):
            points = [{"x": a, "y": b} for a, b in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        send("touchStart", (x + 8, y + 8))  # a finger is not exact
        for shift in range(2, 32, 3):
            send("touchMove", (x + 8 + shift, y + 8))
        send("touchEnd")
        settle(page)
        after = state_of(page, case.NAME)
        control = next(c for c in controls(case.NAME) if c["key"] == key)
        least = min(0.01 * (control["max"] - control["min"]), 2 * control["step"])  # a scale may be logarithmic
        assert after[key] > before[key] + least
        assert {k for k in after if after[k] != before[k]} == {key}
        check_numbers(page, case)


def test_words_of_the_text_set_it(case, page):
    control = controls(case.NAME)[0]
    page.evaluate(
        "([key, value]) => { document.querySelector('explorer-set').dataset.state = JSON.stringify({[key]: value}); }",
        [control["key"], control["max"]],
    )
    page.locator(f"explorer-{case.NAME} input").last.press("ArrowLeft")
    page.locator("explorer-set button").evaluate("e => e.replaceWith(...e.childNodes)")  # as the text was written
    page.evaluate(
        "(e => { const p = e.parentElement; e.remove(); p.append(e); })(document.querySelector('explorer-set'))"
    )
    page.locator("explorer-set button").press("Enter")
    settle(page)
    assert state_of(page, case.NAME) == {**start(case.NAME), control["key"]: control["max"]}
    check_numbers(page, case)


def test_without_javascript_a_figure_stands_in(case, browser, playground):
    for width in (360, 900):
        with opened(browser, playground, width=width, java_script_enabled=False) as page:
            inside = lambda css: page.locator(", ".join(f"explorer-{case.NAME} {each}" for each in css.split(", ")))
            figure = page.get_by_role("img").and_(inside(".explorer-figure"))
            assert figure.is_visible() and figure.bounding_box()["height"] > 80
            assert inside("[role=status]").is_visible() and inside("dd").first.is_visible()
            assert inside("input:visible, button:visible, .handle:visible").count() == 0
            assert page.locator("explorer-set").inner_text() == "Set"


def test_fits_every_width(case, window, playground):
    """In one page whose window grows, as a phone that is turned; the tests around load it anew at 360, 390 and 900."""
    with loaded(window, playground, width=320) as page:
        for width in (320, 360, 600, 900, 1400):
            page.set_viewport_size({"width": width, "height": 1000})
            settle(page)
            fits(case, page, width)


def fits(case, page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outer = page.locator(f"explorer-{case.NAME}").bounding_box()
    parts = ", ".join(f"explorer-{case.NAME} {tag}" for tag in ("text", "dd", "dt", "button", "input"))
    inside = page.evaluate(
        f"[...document.querySelectorAll('{parts}')].map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    assert min(a for a, _ in inside) >= outer["x"] and max(b for _, b in inside) <= outer["x"] + outer["width"]
    sizes = page.evaluate(f"""[...document.querySelectorAll('explorer-{case.NAME} .explorer-figure text')].map(
        e => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getScreenCTM().a)""")
    assert min(sizes) >= 11
    for box in (e.bounding_box() for e in page.locator(f"explorer-{case.NAME} :is(button, input)").all()):
        assert min(box["width"], box["height"]) >= 40, "targets for fingers"
    figure, numbers = (page.locator(f"explorer-{case.NAME} .explorer-{part}") for part in ("figure", "readout"))
    if width < 400:
        assert numbers.bounding_box()["y"] < figure.bounding_box()["y"], "the numbers are in sight of the figure"


OVERLAPS = """([...document.querySelectorAll('.explorer-figure > svg')].flatMap(svg => {
    const names = [...svg.querySelectorAll('text.name, text.note')].map(e => [e.textContent, e.getBoundingClientRect()]);
    return names.flatMap(([a, r], i) => names.slice(i + 1).filter(([, s]) => Math.min(r.right, s.right) - Math.max(r.left, s.left) > 2
        && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 3).map(([b]) => a + ' / ' + b)); }))"""


@pytest.mark.parametrize("width", [360, 900])
def test_labels_do_not_overlap(case, window, playground, width):
    with loaded(window, playground, width=width) as page:
        rng, found = np.random.default_rng(4), {}
        drawn = [
            start(case.NAME) | {c["key"]: rng.uniform(c["min"], c["max"]) for c in controls(case.NAME)}
            for _ in range(40)
        ]
        for state in drawn:
            page.evaluate(f"document.querySelector('explorer-{case.NAME}').go({json.dumps(state)})")
            page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
            if pairs := page.evaluate(OVERLAPS):
                found[json.dumps(state)[:120]] = pairs
        assert not found, found


LUMINANCE = """(() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
  const light = (colour, over) => {
    canvas.fillStyle = over || '#fff'; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const c = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * c[0] + .7152 * c[1] + .0722 * c[2];
  };
  const paper = (e) => { for (; e; e = e.parentElement) { const b = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(b)) return b; } return '#fff'; };
  const out = [];
  for (const e of document.querySelectorAll('.explorer legend, .explorer label span, .explorer-value, .explorer button, .explorer dt, .explorer dd, .explorer-status, .explorer-figure text')) {
    const style = getComputedStyle(e), over = paper(e), a = light(e instanceof SVGElement ? style.fill : style.color, over), b = light(over);
    out.push(['text ' + e.textContent, (Math.max(a, b) + .05) / (Math.min(a, b) + .05), 4.5]);
  }
  for (const e of document.querySelectorAll('.explorer .curve, .explorer .outline, .explorer .gap, .explorer .tangent, .explorer .axis, .explorer .bar, .explorer .stem, .explorer .arrow, .explorer .dot, .explorer .integrand')) {
    const over = paper(e), a = light(getComputedStyle(e).stroke, over), b = light(over);
    out.push(['line ' + e.getAttribute('class'), (Math.max(a, b) + .05) / (Math.min(a, b) + .05), 3]);
  }
  return out;
})()"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(case, page, theme):
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    measured = page.evaluate(LUMINANCE)
    assert len(measured) > 8 + 2 * len(controls(case.NAME)) + len(buttons(case.NAME)), "texts of all kinds, and lines"
    assert {name.split()[0] for name, *_ in measured} == {"text", "line"}
    paper = page.evaluate("getComputedStyle(document.querySelector('.explorer')).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (theme == "light")
    assert [row for row in measured if row[1] < row[2]] == []


def test_curves_differ_by_more_than_colour(case, page):
    dashes = page.evaluate(f"""[...document.querySelectorAll('explorer-{case.NAME} .explorer-figure .curve:not(.model, .key)')].map(
        e => getComputedStyle(e).strokeDasharray)""")
    assert dashes and len(set(dashes)) == len(dashes)


def test_print_shows_the_figure_alone(case, page):
    page.emulate_media(media="print")
    inside = page.locator(f"explorer-{case.NAME}")
    assert inside.locator(".explorer-figure").is_visible() and inside.locator("dd").first.is_visible()
    assert inside.locator(":is(input, button, .handle):visible").count() == 0


def test_accessible_names(case, page):
    inside = page.locator(f"explorer-{case.NAME}")
    for control in controls(case.NAME):
        assert inside.get_by_role("slider", name=control["label"], exact=True).count() == 1
    assert inside.get_by_role("group").count() == 1
    before = inside.locator("[role=img]").get_attribute("aria-label")
    inside.locator("input").first.press("End")
    settle(page)
    assert inside.locator("[role=img]").get_attribute("aria-label") != before
