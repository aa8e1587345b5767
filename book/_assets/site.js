// Small comforts; the pages are complete without them.

// A formula or table wider than the page scrolls in its own box: let the keyboard reach
// such boxes, and only those.
const kinds = { ".math-scroll": "Formula", "pre": "Code", ".picture-scroll": "Figure", ".pst-scrollable-table-container, .cell_output .text_html": "Table" };
const boxes = document.querySelectorAll(Object.keys(kinds).map((kind) => `.bd-article :is(${kind})`).join());
// All are measured before any is changed: a change in between would have the page laid out anew each time.
const check = (some) => some.map((box) => [box, box.scrollWidth > box.clientWidth + 1]).forEach(([box, wide]) => {
  if (wide === box.classList.contains("is-wide")) return;
  box.classList.toggle("is-wide", wide);
  if (wide) {
    const kind = Object.keys(kinds).find((kind) => box.matches(kind));
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${kinds[kind]}, scrolls sideways`);
  } else {
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
  }
});
// Sections far from the window are not laid out (site.css). Their boxes are looked at when they come near.
const drawn = new Set();
const watch = new ResizeObserver((entries) => {
  entries.forEach(({ target }) => drawn.add(target));
  check(entries.map(({ target }) => target));
});
boxes.forEach((box) => watch.observe(box));
// A font that arrives late widens a formula, not its box; it may be drawn a frame after it has arrived.
const recheck = () => {
  check([...drawn]);
  requestAnimationFrame(() => check([...drawn]));
};
document.fonts.addEventListener("loadingdone", recheck);
document.fonts.ready.then(recheck);
addEventListener("load", recheck);
// Whoever goes on by the keyboard needs all of them as stops, near or not, before the step.
let unsure = true;
addEventListener("keydown", ({ key }) => {
  if (key !== "Tab" || !unsure) return;
  unsure = false;
  check([...boxes]);
}, true);
for (const change of ["resize", "toggle"]) addEventListener(change, () => (unsure = true), true);

// Mark in "On this page" the section that is read: the last heading above the upper third of the window.
const places = [...document.querySelectorAll("nav.page-toc a[href^='#']:not([href='#'])")]
  .map((link) => [link, document.getElementById(decodeURIComponent(link.hash.slice(1)))]).filter(([, place]) => place);
const outer = places.filter(([, place]) => !places.some(([, other]) => other !== place && other.contains(place)));
const lastAbove = (some, end) => some.filter(([, place]) => end || place.getBoundingClientRect().top < innerHeight / 3).pop();
const mark = () => {
  const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  // within the one section that is read, not in those that are not laid out
  const [link, section] = lastAbove(outer, end) || [null, null];
  const inner = section ? lastAbove(places.filter(([, place]) => place !== section && section.contains(place)), end) : null;
  const current = inner ? inner[0] : link;
  for (const [link] of places) {
    if (link.classList.contains("active") === (link === current)) continue;
    link.classList.toggle("active", link === current);
    link === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }
};
if (places.length) {
  let waiting = false;
  const soon = () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; mark(); });
    waiting = true;
  };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  soon();
}

// Whoever follows a link into a folded box sees it open.
const unfold = () => {
  const place = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = place && place.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
};
addEventListener("hashchange", unfold);
unfold();

// Paper can neither unfold a box nor scroll: print boxes open, but for code, checks and solutions, and long formulas smaller.
const paper = 660; // pixels between the margins of A4 or Letter
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open], .solution, .claims, .above-input)")];
  folded.forEach((box) => (box.open = true));
  for (const formula of document.querySelectorAll(".math-scroll > .katex")) {
    const width = formula.getBoundingClientRect().width;
    if (width > paper) formula.style.fontSize = `${(1.12 * paper) / width}em`;
  }
});
addEventListener("afterprint", () => {
  folded.forEach((box) => (box.open = false));
  document.querySelectorAll(".math-scroll > .katex[style]").forEach((formula) => formula.removeAttribute("style"));
});

// Fonts of formulas come when a formula is drawn, which in a far section may be on paper first: too late. So once all
// else is there, ask for those that a rule of some element here names.
const fetchFonts = () => {
  for (const sheet of document.styleSheets) {
    let rules = [];
    try { rules = sheet.cssRules; } catch { /* a page opened as a file may not read them */ }
    for (const { style, selectorText } of rules) {
      if (!selectorText || !style.fontFamily.startsWith("KaTeX_") || !document.querySelector(selectorText)) continue;
      const [family] = style.fontFamily.split(",");
      document.fonts.load(`${style.fontStyle || "normal"} ${style.fontWeight || "normal"} 16px ${family}`);
    }
  }
};
addEventListener("load", () => (window.requestIdleCallback || setTimeout)(fetchFonts));
