// Two small comforts; the pages are complete without them.

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
// A font that arrives late widens a formula, not its box.
document.fonts.addEventListener("loadingdone", () => boxes.forEach(check));

// Paper can neither unfold a box nor scroll: print boxes open and long formulas smaller.
const paper = 660; // pixels between the margins of A4 or Letter
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
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
