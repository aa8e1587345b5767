// Small comforts; the pages are complete without them.

// A formula or table wider than the page scrolls in its own box: let the keyboard reach
// such boxes, and only those.
const kinds = { ".math-scroll": "Formula", "pre": "Code", ".picture-scroll": "Figure", ".pst-scrollable-table-container, .cell_output .text_html": "Table" };
const boxes = document.querySelectorAll(Object.keys(kinds).map((kind) => `.bd-article :is(${kind})`).join());
const check = (box) => {
  const wide = box.scrollWidth > box.clientWidth + 1;
  box.classList.toggle("is-wide", wide);
  if (wide) {
    const kind = Object.keys(kinds).find((kind) => box.matches(kind));
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `${kinds[kind]}, scrolls sideways`);
  } else {
    for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
  }
};
const watch = new ResizeObserver((entries) => entries.forEach((entry) => check(entry.target)));
boxes.forEach((box) => watch.observe(box));
// A font that arrives late widens a formula, not its box; it may be drawn a frame after it has arrived.
const recheck = () => {
  boxes.forEach(check);
  requestAnimationFrame(() => boxes.forEach(check));
};
document.fonts.addEventListener("loadingdone", recheck);
document.fonts.ready.then(recheck);
addEventListener("load", recheck);

// Mark in "On this page" the section that is read: the last heading above the upper third of the window.
const places = [...document.querySelectorAll("nav.page-toc a[href^='#']:not([href='#'])")]
  .map((link) => [link, document.getElementById(decodeURIComponent(link.hash.slice(1)))]).filter(([, place]) => place);
const mark = () => {
  const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  const above = end ? places : places.filter(([, place]) => place.getBoundingClientRect().top < innerHeight / 3);
  const current = above.length ? above[above.length - 1][0] : null;
  for (const [link] of places) {
    link.classList.toggle("active", link === current);
    link === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }
};
if (places.length) {
  let waiting = false;
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; mark(); });
    waiting = true;
  }, { passive: true });
  addEventListener("resize", mark);
  mark();
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
