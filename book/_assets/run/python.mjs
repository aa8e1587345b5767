// The page's Python, seen from the page: it starts, runs one cell at a time, and is stopped by ending its thread.

export class Stopped extends Error {}

/** What a failure means for a reader, in one sentence. */
export function sentence({ file, message = "" } = {}, running = false) {
  if (/memory/i.test(message)) return "Python ran out of memory; close other pages and try again.";
  if (navigator.onLine === false) return "Python could not be loaded: you are offline.";
  if (file && /damaged/.test(message)) return `Python did not start: ${file} is damaged on this site.`;
  if (file) return `Python did not start: ${file} could not be loaded from this site.`;
  const last = message.split("\n").filter(Boolean).pop() || "its thread ended";
  return `Python ${running ? "broke off" : "did not start"}: ${last.slice(0, 120).replace(/[.\s]*$/, "")}.`;
}

/** Why this browser cannot run Python, or nothing. */
export function lacking() {
  if (typeof WebAssembly !== "object") return "This browser cannot run Python: it has no WebAssembly.";
  if (typeof Worker !== "function") return "This browser cannot run Python: it has no workers.";
  return "";
}

export class Python {
  constructor(options, onLoaded) {
    this.options = options;
    this.onLoaded = onLoaded;
  }

  /** Resolves when cells can be run; rejects with a sentence. */
  start() {
    return (this.started ||= new Promise((resolve, reject) => {
      this.end = reject;
      this.worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module", name: "python" });
      this.worker.onerror = (event) => this.fail({ file: event.message ? null : "worker.mjs", message: event.message });
      this.worker.onmessage = ({ data }) => {
        if (data.type === "loaded") this.onLoaded(data.bytes);
        else if (data.type === "ready") resolve((this.running = true));
        else if (data.type === "fatal") this.fail(data);
        else if (data.type === "out") this.job?.out(data.kind, data.out);
        else if (data.type === "done") this.job?.resolve(data.stopped);
        else if (data.type === "needed") this.job?.resolve(data.places);
      };
      this.worker.postMessage({ type: "start", ...this.options });
    }));
  }

  /** Run a cell after those of the chain; resolves with what stopped it, or null. */
  run(job, out) {
    return this.ask({ type: "run", ...job }, out);
  }

  /** Which of the cells above a check must run for it, by their places; null if all of them must. */
  needed(above, own) {
    return this.ask({ type: "needed", above, own });
  }

  /** Resolves once the libraries are imported: the thread answers nothing before. */
  async warmUp() {
    if (!this.warm) await this.needed([], []);
    this.warm = true;
  }

  async ask(message, out) {
    await this.start();
    return new Promise((resolve, reject) => {
      this.job = { out, resolve };
      this.end = reject;
      this.worker.postMessage(message);
    });
  }

  forget() {
    this.worker?.postMessage({ type: "forget" });
  }

  fail(reason) {
    this.close(new Error(sentence(reason, this.running)));
  }

  stop() {
    this.close(new Stopped());
  }

  close(error) {
    this.worker?.terminate();
    this.worker = this.started = this.job = null;
    this.running = this.warm = false;
    this.end?.(error);
  }
}
