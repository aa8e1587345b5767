"""A page of the book opened in a browser, and what is found there. What the tests with a browser share."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import io
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def axe():
    """Source text of axe-core."""
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None:
        pytest.skip("accessibility tests need: pip install -r tests/requirements-browser.txt")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@functools.cache
def zipped(body):
    return len(gzip.compress(body))


# Contrast is two thirds of axe's time, the same verdict ten thousand times a page. Empties texts that have the colour,
# size, weight, opacity and grounds of two texts before them, but keeps whole two blocks with a link of each look,
# for the rule on links; `REFILLED` puts them back.
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
    const linked = new Map(), whole = [];
    for (const link of document.querySelectorAll("a[href]")) {
        const block = link.closest("p, li, td, th, dd, dt, figcaption, div");
        if (!block || block.textContent.trim() === link.textContent.trim() || block.textContent.length > 2000) continue;
        const own = getComputedStyle(link), around = getComputedStyle(block), line = own.textDecorationLine;
        const look = [own.color, line, own.fontWeight, around.color, around.fontWeight, ground(link)].join("|");
        linked.set(look, (linked.get(look) || 0) + 1);
        if (linked.get(look) <= 2) whole.push(block);
    }
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), texts = [];
    while (walker.nextNode()) if (walker.currentNode.nodeValue.trim()) texts.push(walker.currentNode);
    for (const text of texts) {
        const e = text.parentElement, style = getComputedStyle(e);
        const look = [e.tagName, style.color, style.fontSize, style.fontWeight, style.display, ground(e)].join("|");
        seen.set(look, (seen.get(look) || 0) + 1);
        if (seen.get(look) > 2 && !whole.some((block) => block.contains(e))) {
            window.emptied.push([text, text.nodeValue]);
            text.nodeValue = "";
        }
    }
}"""
# Code is nothing but texts of a dozen looks: keeps of each two pieces that have its classes and those around it.
THIN = """() => {
    window.thinned = [...document.querySelectorAll(".highlight pre")].filter((code) => !code.querySelector("a"))
        .map((code) => [code, code.textContent]);
    const seen = new Map();
    for (const [code] of window.thinned) for (const piece of code.querySelectorAll("span")) {
        if (piece.childElementCount) continue;
        let look = "";
        for (let e = piece; e; e = e.parentElement) look += `/${e.className} ${e.getAttribute("style") || ""}`;
        seen.set(look, (seen.get(look) || 0) + 1);
        if (seen.get(look) > 2) piece.remove();
    }
}"""
# After that colours do not matter, and code needs no elements within its lines.
BARE = "window.thinned.forEach(([code, text]) => (code.textContent = text))"
REFILLED = "window.emptied.forEach(([text, words]) => (text.nodeValue = words))"

OF_COLOURS = ["color-contrast", "link-in-text-block"]


class Looks:
    """What is looked at on a page that is open, in a window of Playwright's or in Firefox (`firefox.py`)."""

    def __init__(self, page):
        self.page = page

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

    def cut_tables(self):
        """Tables that are wider than their place, and cells whose text leaves them."""
        return self.page.evaluate("""() => [...document.querySelectorAll("main table")].flatMap((table) => {
            const box = table.closest(".pst-scrollable-table-container, .text_html") || table.parentElement;
            const edge = box.getBoundingClientRect().right + 1;
            const seen = (e) => e.getClientRects().length && !(e.closest("thead") && table.matches(".folding"));
            const out = [table, ...table.querySelectorAll("td, th")].filter((e) => seen(e)
                && (e.getBoundingClientRect().right > edge || e.scrollWidth > e.clientWidth + 1));
            return out.slice(0, 2).map((e) => `${e.tagName}: ${e.textContent.replace(/\\s+/g, " ").slice(0, 80)}`);
        })""")

    def cut_lines(self):
        """Formulas, code and printed lines that must be pushed sideways; only printed columns may."""
        boxes = ".bd-article :is(.math-scroll, pre:not(.columns))"
        return self.page.evaluate(f"""() => [...document.querySelectorAll("{boxes}")]
            .filter((box) => box.scrollWidth > box.clientWidth + 16)
            .map((box) => `${{box.scrollWidth}} in ${{box.clientWidth}}: ${{box.textContent.slice(0, 120)}}`)""")

    def crowded_sections(self):
        """Sections that are taller than is said of them while they are far: they would lie on the next (site.css)."""
        return self.page.evaluate("""async () => {
            // a picture of another shape may be on its way
            await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
            return [...document.querySelectorAll("section[style*='--wide']")].flatMap((section) => {
                const said = Number(getComputedStyle(section).getPropertyValue("--tall"));
                const tall = section.getBoundingClientRect().height;
                return tall <= said ? [] : [`${section.id} is ${tall} tall, said to be ${said}, at ${innerWidth}`];
            });
        }""")

    def leave_out_formulas(self):
        """Put a letter in the place of each: they are nine tenths of a page's elements, and axe is slow on many."""
        self.page.evaluate("document.querySelectorAll('.katex').forEach((formula) => formula.replaceWith('x'))")

    def let_boxes_settle(self):
        """Boxes that scroll become tab stops a frame after their size has changed, as when texts are taken out."""
        late = """[...document.querySelectorAll(".bd-article pre")].filter(
            (box) => box.scrollWidth > box.clientWidth + 1 && box.tabIndex !== 0).length"""
        for _ in range(50):
            if not self.page.evaluate(late):
                break
            self.page.wait_for_timeout(200)

    def theme(self, expected="light"):
        """The colours that the page has, once it has followed the browser's."""
        for _ in range(50):
            found = self.page.evaluate("document.documentElement.dataset.theme")
            if found == expected:
                break
            self.page.wait_for_timeout(20)
        return found

    def found_by_axe(self, options):
        """Violations; all that is fine is left unwritten, which is most of axe's work, and style sheets unfetched."""
        options = f"Object.assign({{resultTypes: ['violations'], preload: {{assets: ['media']}}}}, {options})"
        results = self.page.evaluate(f"axe.run(document, {options}).then((r) => r.violations)")
        return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in results for n in v["nodes"]]

    def faint_texts(self):
        """What depends on colours, judged where a text first looks as it does (see `ALIKE`): contrast, and links that
        nothing else tells from the text around them."""
        self.page.evaluate(ALIKE)
        found = self.found_by_axe(f"{{runOnly: {{type: 'rule', values: {OF_COLOURS}}}}}")
        self.page.evaluate(REFILLED)
        return found

    def violations(self):
        """What axe finds apart from colours."""
        self.let_boxes_settle()
        return self.found_by_axe(
            "{rules: {'color-contrast': {enabled: false}, 'link-in-text-block': {enabled: false}}}"
        )

    def all_violations(self, axe):
        """What axe finds on a page that is not looked at otherwise."""
        self.page.evaluate(axe)
        return self.faint_texts() + self.violations()

    def unlike_the_text(self):
        """Parts of formulas in another colour than the text they stand in, and formulas that speak twice."""
        return self.page.evaluate("""() => [...document.querySelectorAll(".katex")].flatMap((formula) => {
            const colour = getComputedStyle(formula.parentElement).color;
            const drawn = [...formula.querySelectorAll(".katex-html *")];
            const may = [colour, "rgba(0, 0, 0, 0)"];  // a phantom keeps a place free
            const other = drawn.filter(
                (e) => !may.includes(getComputedStyle(e).color) || getComputedStyle(e).opacity !== "1");
            const said = formula.querySelectorAll(".katex-mathml math").length;
            const read = formula.querySelectorAll(".katex-html:not([aria-hidden=true])").length;
            const once = drawn.length && said + read === 1;
            return [...other, ...(once ? [] : [formula])].slice(0, 2).map((e) => e.outerHTML.slice(0, 160));
        })""")

    def faint_pictures(self):
        """Drawings have a version for the dark; pixels lie on a light card."""
        image_module = pytest.importorskip("PIL.Image")
        for picture in self.page.locator("article img:visible").all():
            picture.scroll_into_view_if_needed()
            # a lazy one may still be on its way
            picture.evaluate("(image) => ((image.loading = 'eager'), image.decode())")
            shot = image_module.open(io.BytesIO(picture.screenshot())).convert("L")
            (low, high), ground = shot.getextrema(), shot.getpixel((shot.width // 2, 3))
            drawn = "dark-light" in (picture.get_attribute("class") or "")
            if ground >= 90 if drawn else ground <= 190:
                yield f"{picture.get_attribute('src')} has a ground of {ground}"
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


class Visit(Looks):
    """A page opened with everything that it asks for, says and breaks written down; without a `name` a window that
    goes from page to page, since to open one takes longer than to load most pages."""

    def __init__(self, browser, address, name=None, **options):
        self.address, self.requests, self.answers, self.complaints = address, [], [], []
        self.options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        self.context = browser.new_context(**self.options)
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda answer: self.answers.append(answer))
        self.page.on("requestfailed", self.note_failure)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        if name is not None:
            self.page.goto(f"{address}/{name}", wait_until="load")
            return
        # every page is a reader's first: nothing is kept from the one before
        network = self.context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        self.context.add_init_script("try { localStorage.clear(); sessionStorage.clear(); } catch { /* none */ }")

    def go(self, name):
        self.page.set_viewport_size(self.options["viewport"])
        self.page.goto("about:blank")  # what is left behind is not written down for the next
        for noted in (self.requests, self.answers, self.complaints):
            noted.clear()
        self.page.goto(f"{self.address}/{name}", wait_until="load")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()

    def note_failure(self, request):
        if "ERR_ABORTED" not in (request.failure or ""):  # what the reader leaves behind by going on is no fault
            self.complaints.append(f"failed: {request.url}")

    def outside(self):
        return [url for url in self.requests if not url.startswith((self.address, "data:", "blob:"))]

    def weights(self):
        """Gzipped bytes of all that the page loads, by address."""
        # lazy pictures load when they come near
        self.page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
        self.page.wait_for_load_state("networkidle")
        return {answer.url: zipped(answer.body()) for answer in self.answers}


@pytest.fixture(scope="module")
def look(browser, address, axe):
    """Opens a page once, light on a phone and then dark on a desk, and returns what it found in each scheme."""
    windows = []

    @functools.cache
    def look(name):
        if not windows:
            windows.append(Visit(browser, address, color_scheme="light", viewport={"width": 360, "height": 800}))
        return seen(windows[0], name, axe)

    yield look
    for window in windows:
        window.context.close()


def seen(visit, name, axe):
    """What is found on a page by scheme, and under `outside` and `complaints` in both."""
    visit.page.emulate_media(color_scheme="light")
    visit.go(name)
    # whatever is far from the window shall be measured too
    visit.page.add_style_tag(content="section { content-visibility: visible !important }")
    light = {"theme": visit.theme(), "weights": visit.weights(), "overflow": visit.overflow(1280)}
    light["crowded"] = visit.crowded_sections()
    light["overflow"] += visit.overflow(360)
    light["crowded"] += visit.crowded_sections()
    visit.page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    light["overflow"] += visit.overflow(360)
    light["boxes without keyboard"], light["formulas"] = visit.boxes_without_keyboard(), visit.unlike_the_text()
    light["cut tables"], light["cut lines"] = visit.cut_tables(), visit.cut_lines()

    visit.page.emulate_media(color_scheme="dark")
    dark = {"theme": visit.theme("dark"), "overflow": visit.overflow(1280), "formulas": visit.unlike_the_text()}
    dark["faint pictures"] = list(visit.faint_pictures())
    visit.leave_out_formulas()  # the tests before have looked at them
    visit.page.evaluate(axe)
    visit.page.evaluate(THIN)
    dark["violations"] = visit.faint_texts()  # on a desk, where the bars on both sides are open

    visit.page.emulate_media(color_scheme="light")
    light["violations"] = visit.faint_texts()
    visit.page.evaluate(BARE)
    visit.page.set_viewport_size({"width": 360, "height": 800})
    light["violations"] += visit.violations()
    both = {"outside": visit.outside(), "complaints": list(visit.complaints)}
    return {"light": light | both, "dark": dark | both}
