// "Run this page here": imported at the click; until then a page fetches nothing of it.
//
// What stands on the page for scripts and tests to find: [data-run=start|all|stop], [data-run-status] with data-phase,
// on each cell data-cell, data-state, data-differs and data-stale, its buttons [data-act].

import { Answer } from "./answer.mjs";
import { Cell, button } from "./cell.mjs";
import { load as loadEditor } from "./editor.mjs";
import { element } from "./outputs.mjs";
import { Python, Stopped, lacking } from "./python.mjs";

const MB = (bytes) => (bytes / 1e6).toFixed(0);
const many = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

class Page {
  constructor(start) {
    this.start = start;
    this.bar = start.parentElement;
    this.status = this.bar.querySelector("[data-run-status]");
    this.said = this.status.textContent;
    this.queue = [];
    start.onclick = () => this.pressed();
  }

  say(phase, text, ...more) {
    this.status.dataset.phase = this.phase = phase;
    this.status.replaceChildren(text, ...more);
    const busy = ["loading", "running"].includes(phase);
    this.bar.toggleAttribute("data-busy", busy);
    if (!this.stopButton) return;
    const focused = document.activeElement === this.stopButton;
    this.stopButton.hidden = !busy;
    if (focused && !busy) this.start.focus();
  }

  pressed() {
    if (["loading", "running"].includes(this.phase)) return;
    if (this.cells) this.runFromTop(this.cells.at(-1), "all");
    else this.activate();
  }

  // --- start ---

  async activate() {
    const reason = lacking();
    if (reason) return this.say("failed", reason);
    this.addStop();
    this.say("loading", "Loading Python …");
    try {
      if (!this.python) await this.prepare();
      if (this.phase !== "loading") return; // stopped meanwhile
      await this.python.start();
      if (!this.cells) await this.offer();
      this.say("ready", "Python is ready. Run all, or run and edit any cell; what you change is gone when you leave the page.");
      this.progress?.remove();
    } catch (error) {
      this.over(error);
    }
  }

  async prepare() {
    const address = new URL(`../${this.start.dataset.page}.json`, import.meta.url);
    const response = await fetch(address, { cache: "no-cache" }).catch(() => null);
    if (!response?.ok) throw new Error(navigator.onLine === false ? "Python could not be loaded: you are offline." : "Python could not be loaded: this site did not answer.");
    const page = (this.page = await response.json());
    const at = (path) => new URL(path, address).href;
    const style = element("link", { rel: "stylesheet", href: new URL("run.css", import.meta.url).href });
    const styled = new Promise((resolve) => (style.onload = style.onerror = resolve));
    if (!document.querySelector(`link[href="${style.href}"]`)) document.head.append(style);
    else style.onload();
    this.python = new Python({
      runtime: at(page.runtime.folder), sums: page.files, wheel: at(page.wheel),
      scripts: page.scripts.map((name) => new URL(name, import.meta.url).href),
    }, (bytes) => this.loaded(bytes));
    this.python.start().catch(() => {}); // who waits for it is told
    loadEditor();
    await styled;
  }

  loaded(bytes) {
    const total = this.page.runtime.bytes;
    if (!this.progress) {
      const [meter, words] = [element("progress", { max: total, "aria-label": "Python loaded" }), element("span", { "aria-hidden": "true" })];
      this.progress = element("span", { class: "run-progress" }, meter, words);
    }
    if (this.phase !== "loading") return;
    if (!this.progress.isConnected) this.status.after(this.progress);
    const [meter, words] = this.progress.children;
    meter.value = bytes;
    words.textContent = `${MB(Math.min(bytes, total))} of ${MB(total)} MB`;
  }

  addStop() {
    if (this.stopButton) return;
    this.stopButton = element("button", { type: "button", class: "btn btn-sm", "data-run": "stop" }, "Stop");
    this.stopButton.onclick = () => this.stop();
    this.start.after(this.stopButton);
  }

  async offer() {
    const roots = [...document.querySelectorAll(".bd-article div.cell")].filter((root) => root.querySelector(".cell_input pre"));
    const stored = this.page.cells;
    if (roots.length !== stored.length) throw new Error("This page and its code are of different versions; load the page again.");
    const cells = roots.map((root, index) => new Cell(this, root, stored[index], index));
    this.answers = [];
    for (const [index, cell] of cells.entries()) {
      if (stored[index].stub === undefined || !cells[index + 1]?.tags.includes("check")) cell.offer();
      else this.answers.push((cell.answer = new Answer(this, cell, cells[index + 1], stored[index].stub)));
    }
    await Promise.all(this.answers.map((answer) => answer.open()));
    this.cells = cells;
    this.start.dataset.run = "all";
    this.start.textContent = "Run all";
    this.bar.setAttribute("data-live", "");
    const header = document.querySelector(".bd-header-article"); // the bar stays below it
    const high = new ResizeObserver(() => { // what is jumped to or focused is not below the bar
      this.bar.style.setProperty("--header", `${header?.offsetHeight ?? 0}px`);
      document.documentElement.style.setProperty("--bar", `${(header?.offsetHeight ?? 0) + this.bar.offsetHeight}px`);
    });
    for (const box of [header, this.bar]) if (box) high.observe(box);
  }

  // --- what is to run ---

  /** Cells above that have not run as they stand, then this one. Answers only where something below uses their names. */
  runTo(cell) {
    this.run([...this.needed(cell.index, cell.code), cell].map((each) => this.job(each)), cell);
  }

  needed(index, code) {
    const words = new Set(code.match(/\w+/g)), list = [];
    const edited = this.cells.findIndex((each) => !each.isAnswer && each.ran !== null && each.ran !== each.code);
    for (const cell of this.cells.slice(0, index).reverse()) {
      if (cell.isAnswer && !cell.binds.some((name) => words.has(name))) continue;
      if (!cell.current || cell.partial || (edited >= 0 && cell.index > edited)) list.unshift(cell);
      (cell.code.match(/\w+/g) || []).forEach((word) => words.add(word));
    }
    return list;
  }

  /** From empty memory. */
  runFromTop(cell, all = false) {
    if (this.phase === "running") return;
    this.python.forget();
    this.cells.forEach((each) => (each.fresh = false));
    const list = this.cells.slice(0, cell.index + 1).filter((each) => all || each === cell || !each.isAnswer);
    const needed = all ? list : [...new Set([...this.needed(cell.index, cell.code), ...list])].sort((a, b) => a.index - b.index);
    this.run(needed.map((each) => this.job(each)), all ? null : cell);
  }

  checkAnswer(answer) {
    const { author, check } = answer;
    const result = { outputs: answer.outputs, answer, tried: answer.code };
    this.run([
      { ...result, cell: author, id: answer.id, code: answer.code, name: "of your answer", first: true },
      { ...result, cell: check, id: `check:${answer.id}`, code: check.code, name: "of the check", last: true },
    ], answer);
  }

  /** What a check needs of the cells above, when its turn has come: few of them, if all are as printed. */
  async before({ answer, code }) {
    const { author, check } = answer, above = this.cells.slice(0, author.index), own = [code, check.code];
    const all = this.needed(author.index, own.join("\n"));
    const edited = (cell) => cell.code !== cell.stored || ![null, cell.stored].includes(cell.ran);
    if (!all.length || above.some((cell) => (cell.isAnswer ? cell.answer?.passed : edited(cell)))) return all;
    const places = await this.python.needed(above.map((cell) => cell.code), own);
    return places ? all.filter((cell) => places.includes(cell.index) && !cell.current) : all;
  }

  /** A cell's own run; of an exercise the reader's answer once it has passed, else the author's. */
  job(cell) {
    const { code, outputs, answer } = cell;
    if (answer?.passed) return { cell, id: answer.id, code, name: "of your answer", outputs };
    return { cell, id: cell.id, code, name: `${cell.number}`, outputs };
  }

  run(jobs, aim) {
    const waits = (job) => this.queue.some((each) => each.id === job.id && each.code === job.code);
    for (const job of jobs.filter((each) => each.answer || !waits(each))) {
      this.queue.push(job);
      this.mark(job, "queued");
    }
    if (!this.running) this.running = this.work(aim).finally(() => (this.running = null));
  }

  mark({ answer, cell }, state) {
    (answer || cell).state = state;
  }

  // --- running ---

  async work(aim) {
    const done = [];
    try {
      if (!this.python.started) this.say("loading", "Starting Python …");
      await this.python.start();
      if (!this.python.warm) this.say("running", "Loading NumPy, SciPy and matplotlib …");
      await this.python.warmUp();
      while (this.queue.length) {
        const job = this.queue[0];
        if (job.first) {
          job.first = false;
          this.say("running", `Checking your answer to ${job.answer.name} …`);
          const before = (await this.before(job)).map((cell) => ({ ...this.job(cell), few: true }));
          before.forEach((each) => this.mark(each, "queued"));
          this.queue.unshift(...before);
          continue;
        }
        if (job.cell.slow && !job.cell.allowed && !(await this.ask(job.cell))) {
          this.queue = this.queue.filter((each) => each !== job && !(job.answer && each.answer === job.answer));
          this.mark(job, "idle");
          job.cell.show("left out");
          continue;
        }
        this.mark(job, "running");
        this.say("running", job.answer ? `Checking your answer to ${job.answer.name} …` : `Running cell ${job.cell.number} of ${this.cells.length} …`);
        await this.one(job);
        this.queue.shift();
        done.push(job);
      }
      this.sum(done, aim);
    } catch (error) {
      this.over(error);
    }
  }

  async one(job) {
    const { cell, answer, outputs } = job;
    if (!answer || job.id === answer.id) outputs.begin();
    const chain = this.cells.slice(0, cell.index)
      .filter((each) => each.ran !== null && each !== answer?.author) // an answer stands alone, without the solution
      .map((each) => this.job(each).id);
    if (job.last) chain.push(answer.id);
    const stopped = await this.python.run({ cell: job.id, name: job.name, code: job.code, chain }, (kind, data) => outputs.add(kind, data));
    if (answer) return this.answered(job, stopped);
    const edited = cell.ran !== null && cell.ran !== job.code;
    if (edited || (cell.ran !== null && !cell.fresh)) this.outdate(cell, edited);
    if (cell.ran === null) { // what ran below without it runs again when it is asked for
      this.cells.slice(cell.index + 1).filter((each) => each.partial).forEach((each) => Object.assign(each, { ran: null, fresh: false, partial: false }));
    }
    cell.partial = job.few && this.cells.slice(0, cell.index).some((each) => !each.isAnswer && each.ran === null); // a check needed no more
    Object.assign(cell, { ran: job.code, shows: job.code, fresh: stopped === null, makes: stopped?.makes });
    cell.stale(null);
    cell.finish(stopped, this.explain(cell, stopped));
  }

  answered(job, stopped) {
    const { answer } = job;
    if (!stopped && !job.last) return;
    if (!job.last) this.queue.splice(this.queue.findIndex((each) => each.last && each.answer === answer), 1);
    answer.finish(stopped, job.tried);
    this.answerChanged(answer);
  }

  /** Who uses the function of an exercise has to run again. */
  answerChanged({ author }) {
    this.outdate(author);
    author.fresh = false;
  }

  /** What stands below a cell that changed is no longer current. */
  outdate(cell, edited = true) {
    const names = cell.isAnswer ? cell.binds : null;
    for (const later of this.cells.slice(cell.index + 1)) {
      if (names && !names.some((name) => new RegExp(`\\b${name}\\b`).test(later.code))) continue;
      if (later.fresh || (edited && later.ran !== null)) later.stale(cell.number);
      later.fresh = false;
    }
  }

  explain(cell, stopped) {
    if (!stopped?.missing) return "";
    const above = this.cells.slice(0, cell.index).reverse();
    const failed = above.find((each) => each.makes?.includes(stopped.missing));
    if (failed) return `This cell needs ${stopped.missing}, which cell ${failed.number} would have made: the error is there.`;
    const left = above.find((each) => each.ran === null && each.binds.includes(stopped.missing));
    return left ? `This cell needs ${stopped.missing} of cell ${left.number}, which has not run.` : "";
  }

  ask(cell) {
    return new Promise((resolve, reject) => {
      const answer = (yes) => () => {
        cell.allowed = yes;
        this.start.focus();
        resolve(yes);
      };
      const yes = button("yes", "Run it", `Run it, cell ${cell.number}`, answer(true));
      const no = button("no", "Leave it out", `Leave it out, cell ${cell.number}`, answer(false));
      this.refuse = () => reject(new Stopped());
      this.say("running", `Cell ${cell.number} takes ${cell.slow}. `, yes, " ", no);
      yes.focus();
    }).finally(() => (this.refuse = null));
  }

  // --- what came of it ---

  sum(jobs, aim) {
    const cells = [...new Set(jobs.filter((job) => !job.answer).map((job) => job.cell))];
    const broken = cells.filter((cell) => cell.state === "broken"), failed = cells.filter((cell) => cell.state === "failed" && !cell.lacks);
    const lacking = cells.filter((cell) => cell.state === "failed" && cell.lacks).length;
    const claims = broken.reduce((sum, cell) => sum + cell.outputs.broken.length, 0);
    const checks = cells.reduce((sum, cell) => sum + cell.outputs.checks, 0);
    const answered = aim instanceof Answer, parts = [];
    if (answered) parts.push(`${aim.passed ? "Passed" : "Not yet"}: your answer to ${aim.name}`);
    else parts.push(cells.length === 1 ? `Cell ${cells[0].number} ran` : `${cells.length} cells ran`);
    const begin = answered ? ". Above it, " : ": ";
    if (claims) parts.push(`${begin}${many(claims, "claim")} broke, in `, ...this.links(broken));
    if (failed.length) parts.push(`${claims ? "; " : begin}an error in `, ...this.links(failed));
    if (lacking) parts.push(`${failed.length || claims ? "; " : begin}${many(lacking, "cell")} ${lacking === 1 ? "lacks" : "lack"} what a cell above did not make`);
    if (!answered && !claims && !failed.length && !lacking && checks) parts.push(`, and ${checks === 1 ? "the one check holds" : `all ${checks} checks hold`}`);
    parts.push(".");
    const earlier = answered ? [] : this.cells.filter((cell) => cell.state === "broken" && !cells.includes(cell));
    if (earlier.length) parts.push(" Claims stay broken in ", ...this.links(earlier), ".");
    if (aim === null) this.answers.filter((answer) => !answer.passed && answer.code !== answer.stub)
      .forEach((answer) => parts.push(` ${answer.name} ran with the printed solution: yours has not passed.`));
    if (aim instanceof Cell && "differs" in aim.root.dataset && aim !== this.cells.at(-1)) parts.push(" The cells below show what was before your change, until they run.");
    this.say("done", ...parts);
  }

  links(cells) {
    return cells.flatMap((cell, place) => [
      place ? (place === cells.length - 1 ? " and " : ", ") : "",
      element("a", { href: `#${cell.root.id}` }, `cell ${cell.number}`),
    ]);
  }

  stop() {
    this.refuse?.();
    if (this.python) this.python.stop();
    else this.over(new Stopped());
  }

  /** Stopped or broken off: Python is gone, with all that it knew. */
  over(error) {
    this.queue.forEach((job) => this.mark(job, "idle"));
    this.queue = [];
    for (const cell of this.cells || []) Object.assign(cell, { fresh: false, ran: null, makes: null });
    for (const answer of this.answers || []) answer.passed ? answer.changed() : answer.forget();
    if (error instanceof Stopped) this.say("stopped", this.cells ? "Stopped; Python has forgotten all variables. The next run starts it anew." : this.said);
    else this.say("failed", error.message);
    if (!this.cells) this.python = null;
    this.progress?.remove();
  }
}

let page;
/** The click. */
export function start(pressed) {
  page ||= new Page(pressed);
  page.pressed();
}
