// One code cell of the page: its code, printed or edited, its buttons, its outputs.

import { edit } from "./editor.mjs";
import { Outputs, element } from "./outputs.mjs";

export const button = (act, text, label, press) => {
  const made = element("button", { type: "button", "data-act": act, "aria-label": label }, text);
  made.addEventListener("click", press);
  return made;
};

/** Names that code binds at its top level, as far as a look at its lines tells. */
const bound = (code) => [...code.matchAll(/^(?:async )?(?:def|class) (\w+)|^([\w, ]+?)\s*[-+*/]?=(?!=)|^(?:from \S+ )?import (.+)/gm)]
  .flatMap((match) => match.slice(1).find(Boolean).match(/\w+/g));

export class Cell {
  constructor(page, root, stored, index) {
    Object.assign(this, { page, root, index, stored: stored.source, id: stored.id, slow: stored.slow, tags: stored.tags });
    this.number = index + 1;
    this.input = root.querySelector(".cell_input");
    this.isAnswer = this.tags.some((tag) => ["exercise", "check", "solution"].includes(tag));
    const below = root.querySelector(":scope > details.above-input") || this.input;
    this.tools = element("div", { class: "run-tools", role: "group", "aria-label": `Cell ${this.number}` });
    below.after(this.tools);
    this.outputs = new Outputs(root.querySelector(":scope > .cell_output"), (box) => root.append(box));
    this.fresh = false; // what it ran last, it ran after the cells above as they are
    this.ran = null; // the code that it ran last, as far as Python still knows
    this.shows = this.stored; // the code whose outputs it shows
    root.id ||= `cell-${this.id}`;
    this.state = "idle";
  }

  offer() {
    const { number, page } = this;
    this.root.dataset.cell = this.id;
    this.editButton = button("edit", "Edit", `Edit cell ${number}`, () => this.edit());
    this.resetButton = button("reset", "Reset", `Reset cell ${number} to the printed page`, () => this.reset());
    this.runButton = button("run", "Run", `Run cell ${number}`, () => page.runTo(this));
    this.said = element("span", { class: "run-said" });
    this.tools.append(
      element("span", { class: "run-number", "aria-hidden": "true" }, `${number}`),
      this.runButton, this.editButton,
      button("to-here", "Run to here", `Run to here, cells 1 to ${number} anew`, () => page.runFromTop(this)),
      this.resetButton, this.said,
    );
    this.resetButton.hidden = true;
    this.show();
  }

  get code() {
    if (this.answer?.passed) return this.answer.ran;
    return this.editor ? this.editor.text() : this.stored;
  }

  /** Its results are those of its code and of the cells above it. */
  get current() {
    return this.fresh && this.ran === this.code;
  }

  get binds() {
    return bound(this.code);
  }

  get state() {
    return this.root.dataset.state;
  }

  set state(state) {
    this.root.dataset.state = state;
    this.show();
  }

  show(words) {
    if (!this.said) return;
    const states = { queued: "waits", running: "runs …", failed: "error", broken: "✗ claim broke" };
    const busy = ["queued", "running"].includes(this.state);
    const edited = !this.answer && this.code.trim() !== this.shows.trim();
    this.said.textContent = words || (edited && !busy ? "changed, not yet run" : states[this.state] || "");
    this.resetButton.hidden = busy || (this.code === this.stored && this.ran === null && !this.outputs.stored);
  }

  async edit() {
    const fold = this.input.closest("details.above-input");
    if (fold) fold.open = true;
    if (!this.editor) {
      const printed = this.input.querySelector(":scope > div");
      const place = element("div", { class: "run-editor highlight" });
      this.editor = await edit(place, {
        text: this.stored,
        label: `Python code of cell ${this.number}; Shift+Enter runs it, Escape leaves`,
        run: () => this.page.runTo(this),
        changed: () => this.changed(),
        leave: () => this.runButton.focus(),
      });
      printed.hidden = true;
      this.input.append(place);
    }
    this.editor.focus();
    const hidden = this.input.getBoundingClientRect().top < this.page.bar.getBoundingClientRect().bottom;
    if (hidden) this.input.scrollIntoView({ block: "start" }); // its first line, where the cursor is
  }

  changed() {
    const differs = this.code.trim() !== this.stored.trim();
    this.root.toggleAttribute("data-differs", differs);
    if (differs && !this.difference) {
      this.difference = element("details", { class: "run-differs" },
        element("summary", {}, "differs from the printed page"), element("pre", { tabindex: "0", role: "group", "aria-label": `Printed code of cell ${this.number}` }, this.stored));
      this.tools.after(this.difference);
    }
    if (this.difference) this.difference.hidden = !differs;
    this.show();
  }

  /** The printed code and the printed outputs. */
  reset() {
    if (this.editor) this.editor.set(this.stored);
    if (this.ran !== null && this.ran !== this.stored) this.page.outdate(this);
    if (this.ran !== this.stored) this.fresh = false;
    this.shows = this.stored;
    this.outputs.restore();
    this.stale(null);
    this.state = "idle";
    if (this.editor) {
      this.input.querySelector(".run-editor").remove();
      this.input.querySelector(":scope > div").hidden = false;
      this.editor = null;
    }
    this.resetButton.hidden = true;
    this.editButton.focus();
  }

  /** Results that a change above has overtaken say so. */
  stale(number) {
    this.root.toggleAttribute("data-stale", number !== null);
    this.show(number === null ? "" : `before the change in cell ${number}`);
  }

  finish(stopped, explanation) {
    const { outputs } = this;
    if (stopped) {
      if (stopped.kind === "AssertionError") outputs.add("broken", stopped.message);
      else if (explanation) outputs.note(explanation);
      else outputs.trace(stopped.trace);
    }
    this.lacks = Boolean(explanation);
    outputs.end();
    this.state = outputs.broken.length ? "broken" : stopped ? "failed" : "done";
  }
}
