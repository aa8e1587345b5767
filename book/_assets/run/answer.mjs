// An exercise that is answered in code: the reader's function above the folded solution, and its check.

import { button } from "./cell.mjs";
import { edit } from "./editor.mjs";
import { Outputs, element } from "./outputs.mjs";

export class Answer {
  constructor(page, author, check, stub) {
    Object.assign(this, { page, author, check, stub, id: `answer:${author.id}`, passed: false, ran: null, verdict: null });
    this.fold = author.root.closest("details.solution");
    const title = this.fold.previousElementSibling?.querySelector?.(".caption-number")?.textContent.trim().replace(/\.$/, "");
    this.name = title || `the exercise of cell ${author.number}`;
    this.field = element("div", { class: "cell_input run-editor highlight" });
    this.said = element("span", { class: "run-said", role: "status" });
    this.checkButton = button("check", "Check", `Check your answer to ${this.name}`, () => page.checkAnswer(this));
    this.resetButton = button("reset", "Reset", `Reset your answer to ${this.name}`, () => this.reset());
    this.root = element("div", { class: "cell run-answer", id: `answer-${author.id}`, "data-cell": author.id, "data-state": "idle" },
      element("p", { class: "run-head" }, "Your answer"), this.field,
      element("div", { class: "run-tools", role: "group", "aria-label": `Your answer to ${this.name}` },
        this.checkButton,
        button("solution", "Show the solution", `Show the solution of ${this.name}`, () => this.showSolution()),
        this.resetButton, this.said));
    this.resetButton.hidden = true;
    this.fold.before(this.root);
    this.outputs = new Outputs(null, (box) => this.root.append(box));
    author.root.dataset.author = author.id;
    author.tools.append(button("take", "Put it into the editor", `Put the solution of ${this.name} into the editor`, () => this.take()));
    author.said = element("span", { class: "run-said" });
    author.resetButton = element("span");
    author.tools.append(author.said);
  }

  async open() {
    this.editor = await edit(this.field, {
      text: this.stub,
      label: `Your answer to ${this.name}; Shift+Enter checks it, Escape leaves`,
      run: () => this.page.checkAnswer(this),
      changed: () => this.changed(),
      leave: () => this.checkButton.focus(),
    });
  }

  get code() {
    return this.editor.text();
  }

  set state(state) {
    this.root.dataset.state = state;
  }

  changed() {
    this.resetButton.hidden = this.code === this.stub;
    if (this.ran === null) return;
    const [state, words] = this.code === this.ran ? this.verdict : ["idle", "changed since it was checked"];
    this.said.textContent = words;
    if (!["queued", "running"].includes(this.root.dataset.state)) this.state = state;
  }

  reset() {
    this.editor.set(this.stub);
    this.forget();
    this.page.answerChanged(this);
    this.outputs.restore();
    this.resetButton.hidden = true;
    this.editor.focus();
  }

  forget() {
    this.passed = false;
    this.ran = null;
    this.state = "idle";
    this.said.textContent = "";
  }

  showSolution() {
    this.fold.open = true;
    const summary = this.fold.querySelector("summary");
    summary.focus({ preventScroll: true });
    this.fold.scrollIntoView({ block: "nearest" });
  }

  take() {
    this.editor.set(this.author.stored);
    this.root.scrollIntoView({ block: "nearest" });
    this.editor.focus();
  }

  finish(stopped, ran) {
    this.ran = ran;
    const unmet = ["AssertionError", "NotImplementedError"].includes(stopped?.kind);
    if (stopped && !unmet) this.outputs.trace(stopped.trace);
    this.outputs.end();
    this.passed = !stopped;
    this.verdict = !stopped ? ["done", "✓ passed"] : unmet ? ["broken", `✗ not yet: ${stopped.message}`] : ["failed", `✗ ${stopped.kind}: ${stopped.message}`];
    [this.state, this.said.textContent] = this.verdict;
    if (this.code !== ran) this.changed();
  }
}
