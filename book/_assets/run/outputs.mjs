// What a run shows takes the place of what the page stores, in the same markup: figures keep their ids, captions and
// alternative texts, lines of checks are one mark, tables fold on a phone.

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};
export { element };

const count = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** A box of text that grows; lines that begin with ✓ fold under the number of them. */
class Text {
  constructor(checks) {
    this.checks = checks;
    this.pre = element("pre");
    this.node = element("div", { class: "output stream highlight-myst-ansi notranslate" }, element("div", { class: "highlight" }, this.pre));
    if (!checks) return;
    this.summary = element("summary");
    this.node = element("details", { class: "claims" }, this.summary, this.node);
  }

  add(text) {
    this.pre.append(text);
    if (text.split("\n").some((line) => line.length > 36 && /\S {3,}\S/.test(line))) this.pre.className = "columns"; // these scroll
    this.open = !text.endsWith("\n"); // what comes next belongs to this line
    if (this.checks) this.summary.textContent = `✓ ${count(this.pre.textContent.split("✓ ").length - 1, "check")}`;
  }
}

/** Cells of a table say their column, and roles keep it a table where rows become blocks. */
function folding(table) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  const rows = [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent.length + 2));
  const width = heads.reduce((sum, _, column) => sum + Math.max(...rows.map((row) => row[column] || 0)), 0);
  if (width <= 40) return table.classList.remove("folding");
  table.setAttribute("role", "table");
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };
  for (const [name, role] of Object.entries(roles)) table.querySelectorAll(name).forEach((part) => part.setAttribute("role", role));
  table.querySelectorAll("tbody tr").forEach((row) => [...row.cells].forEach((cell, column) => (cell.dataset.label = heads[column] || "")));
}

/** What scrolls sideways can be reached by the keyboard; whether it does is known once it is laid out. */
const kinds = { pre: "Text", picture: "Figure", div: "Table" };
const watch = new ResizeObserver((entries) => entries.forEach(({ target: box }) => {
  const wide = box.scrollWidth > box.clientWidth + 1;
  if (wide === box.hasAttribute("tabindex")) return;
  const marks = { tabindex: "0", role: "group", "aria-label": `${kinds[box.localName]}, scrolls sideways` };
  for (const [name, value] of Object.entries(marks)) wide ? box.setAttribute(name, value) : box.removeAttribute(name);
}));
export const reachable = (root) => root.querySelectorAll("pre, picture, .text_html").forEach((box) => watch.observe(box));

export class Outputs {
  constructor(root, place) {
    this.root = root; // the box of outputs, or null while there is none
    this.place = place; // puts a new box where it belongs
    this.addresses = [];
  }

  /** The next output begins a new run; until it comes the page shows the last one. */
  begin() {
    this.shown = false;
    this.last = null;
    this.checks = 0;
    this.broken = [];
  }

  clear() {
    this.shown = true;
    this.free();
    if (!this.root) this.place((this.root = element("div", { class: "cell_output docutils container" })));
    this.stored ||= [...this.root.childNodes]; // kept as they are, for Reset
    const figures = this.stored.flatMap((node) => (node.matches?.("figure") ? [node] : [...(node.querySelectorAll?.("figure") || [])]));
    this.figures = figures.map((figure) => figure.cloneNode(true));
    this.mark = document.createComment("");
    this.root.replaceChildren(this.mark, ...this.figures); // figures not drawn yet hold their place
    this.figures.forEach((figure) => figure.setAttribute("data-waiting", ""));
  }

  put(...nodes) {
    nodes.forEach((node) => this.root.insertBefore(node, this.mark));
  }

  add(kind, data) {
    if (!this.shown) this.clear();
    if (kind === "stream") return this.stream(data);
    this.last = null;
    if (kind === "svg") this.figure(JSON.parse(data));
    if (kind === "html") {
      const box = element("div", { class: "output text_html" });
      box.innerHTML = data;
      box.querySelectorAll("table.folding").forEach(folding);
      this.put(box);
    }
    if (kind === "text") {
      this.stream(`${data}\n`);
      this.last = null;
    }
    if (kind === "broken") {
      this.broken.push(data);
      this.put(element("div", { class: "run-broken" }, element("strong", {}, "✗ claim broke: "), data));
    }
  }

  stream(text) {
    for (const part of text.match(/(?:^✓.*\n?)+|(?:^(?!✓).*(?:\n|$))+/gm).filter(Boolean)) {
      const checks = part.startsWith("✓");
      if (!this.last || (!this.last.open && this.last.checks !== checks)) {
        if (!part.trim()) continue;
        this.last = new Text(checks);
        this.put(this.last.node);
      }
      this.last.add(part);
      if (checks) this.checks += part.split("✓ ").length - 1;
    }
  }

  figure(versions) {
    const kept = this.figures.shift();
    const address = (svg) => {
      const made = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      this.addresses.push(made);
      return made;
    };
    const paint = (target, [, size, light, dark], theme) => {
      target[target.localName === "source" ? "srcset" : "src"] = address(theme === "dark" ? dark : light);
      if (size) [target.width, target.height] = size;
    };
    if (!kept) {
      const image = element("img", { alt: "A figure that this cell drew", class: "dark-light" });
      const picture = ["light", "dark"].map((theme) => {
        const copy = image.cloneNode();
        paint(copy, versions[0], theme);
        return element("picture", { class: `in-${theme}` }, copy);
      });
      return this.put(element("div", { class: "output image_svg" }, ...picture));
    }
    kept.removeAttribute("data-waiting");
    for (const picture of kept.querySelectorAll("picture")) {
      const theme = picture.classList.contains("in-dark") ? "dark" : "light";
      const [wide, narrow] = versions;
      paint(picture.querySelector("img"), wide, theme);
      const source = picture.querySelector("source");
      if (source && narrow) paint(source, narrow, theme);
      else source?.remove();
    }
    this.put(kept);
  }

  trace(text) {
    if (!this.shown) this.clear();
    this.last = null;
    this.put(element("div", { class: "output traceback run-trace" }, element("div", { class: "highlight" }, element("pre", {}, text))));
  }

  note(text) {
    if (!this.shown) this.clear();
    this.put(element("p", { class: "run-note" }, text));
  }

  end() {
    if (!this.shown && this.root) this.clear(); // a run without output
    if (this.root) reachable(this.root);
  }

  restore() {
    if (!this.stored) return;
    this.free();
    if (this.stored.length) this.root.replaceChildren(...this.stored);
    else {
      this.root.remove();
      this.root = null;
    }
    this.stored = this.last = null;
    this.shown = false; // what still comes of a run begins anew
  }

  free() {
    this.addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
  }
}
