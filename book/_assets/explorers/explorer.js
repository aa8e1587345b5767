/* Explorer: what every interactive figure of the book shares.

   An explorer is a plain object (see `define`) whose model and view are pure
   functions: state -> numbers -> SVG text.  The site is built by running them in
   Python (book/_ext/explorer.py), so a page without JavaScript shows the same
   figure; in the browser this file turns that figure into a custom element
   <explorer-NAME> with sliders, buttons and handles that can be dragged.

   Keyboard: sliders and buttons are native and do all that the handles do, so
   the handles need not take the focus. */
"use strict";
var Explorer = (function () {
  const specs = {};

  // ---- text and SVG -------------------------------------------------------
  const escape = (s) => String(s).replace(/[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

  /** `v` with `digits` decimals, a true minus sign and no negative zero. */
  function num(v, digits) {
    if (!isFinite(v)) return v > 0 ? "∞" : v < 0 ? "−∞" : "undefined";
    const t = Math.abs(v).toFixed(digits);
    return (v < 0 && +t !== 0 ? "−" : "") + t;
  }

  /** One element: attributes as an object; `inner` is markup already. */
  function el(tag, attrs, inner) {
    let out = "<" + tag;
    for (const k in attrs) {
      const v = attrs[k];
      if (v !== undefined && v !== false) out += ` ${k}="${escape(v === true ? "" : typeof v === "number" ? tenth(v) : v)}"`;
    }
    return out + (inner === undefined ? "/>" : ">" + inner + "</" + tag + ">");
  }
  const tenth = (v) => Math.round(v * 10) / 10 || 0;      // a tenth of a pixel; never -0
  const line = (cls, x1, y1, x2, y2) => el("line", { class: cls, x1, y1, x2, y2 });
  const text = (cls, x, y, s) => el("text", { class: cls, x, y }, escape(s));
  /** Path data through the points f(t) = [x, y], t = 0 ... n. */
  function path(n, f) {
    let d = "";
    for (let t = 0; t <= n; t++) { const [x, y] = f(t); d += (t ? "L" : "M") + tenth(x) + " " + tenth(y); }
    return d;
  }
  /** A handle to drag sideways, or anywhere if it is `free`. */
  const handle = (x, y, free) => el("g", { class: "handle", transform: `translate(${tenth(x)} ${tenth(y)})` },
    el("circle", { r: 9 }) + el("path", { d: free ? "M-3-2-5 0l2 2M3-2 5 0 3 2M-2-3 0-5l2 2M-2 3 0 5l2-2" : "M-2-3-5 0l3 3M2-3 5 0 2 3" }));
  /** One panel, drawn for w by h CSS pixels. */
  const panel = (w, h, inner) => el("svg", {
    viewBox: `0 0 ${w} ${h}`, style: `flex:${w} 1 ${w}px;height:${h}px`, "aria-hidden": "true", focusable: "false",
  }, inner);

  /** What a curve of this class looks like. */
  const swatch = (key) => el("svg", { class: "swatch", viewBox: "0 0 28 8", "aria-hidden": "true", focusable: "false" },
    key && line("curve " + key, 0, 4, 28, 4));

  // ---- an explorer as markup ----------------------------------------------
  /** Register {name, title, start, forget, controls, actions, model, view, handles}:
      start     state, an object of numbers (and of lists, which only actions change)
      forget    what a slider or a handle puts back in the state, if anything
      controls  [{key, label, min, max, step, digits}], one slider each
      actions   [{key, label, run(state) -> {state, note, way}}], one button each; `way`, if given, is a list of
                states to be shown one after the other before the last
      model     (state) -> numbers
      view      (state, numbers, width) -> {panels: [svg], alt, readout: [{key, label, value}], status}
                for a figure `width` CSS pixels wide; a label is markup
      handles   (state, numbers, width) -> [{panel, x, y, free, move(x, y) -> state}], x and y within the
                panel; one that is not free moves sideways only */
  function define(spec) {
    specs[spec.name] = spec;
    if (typeof customElements !== "undefined") customElements.define("explorer-" + spec.name, elementOf(spec));
  }
  const get = (name) => specs[name];
  /** The start state with the numbers of `changes` put in. */
  function startOf(spec, changes) {
    for (const k in changes) if (!(k in spec.start) || typeof changes[k] !== typeof spec.start[k]) {
      throw new Error(`explorer ${spec.name}: no number "${k}" in its state (${Object.keys(spec.start).join(", ")})`);
    }
    return Object.assign({}, spec.start, changes);
  }
  const show = (spec, state, width) => spec.view(state, spec.model(state), width);
  const WIDTH = 640;                                        // of the figure before it is measured

  /** The state in words, for a medium that has neither figure nor script. */
  function words(name, changes) {
    const v = show(specs[name], startOf(specs[name], changes), WIDTH);
    return v.alt + " " + v.status;
  }

  /** What stands inside the custom element, before and without JavaScript. */
  function markup(name, changes) {
    const spec = specs[name], state = startOf(spec, changes), v = show(spec, state, WIDTH);
    const sliders = spec.controls.map((c) => el("div", { class: "explorer-slider" },
      el("label", {}, el("span", {}, escape(c.label)) + el("input", {
        type: "range", "data-key": c.key, min: String(c.min), max: String(c.max), step: String(c.step),
        value: String(state[c.key]), "aria-valuetext": num(state[c.key], c.digits),
      })) + el("span", { class: "explorer-value", "data-value": c.key, "aria-hidden": "true" }, num(state[c.key], c.digits))));
    const buttons = spec.actions.concat({ key: "reset", label: "Reset" }).map((a) =>
      el("button", { type: "button", "data-action": a.key }, escape(a.label)));
    return el("div", { class: "explorer-figure", role: "img", "aria-label": v.alt }, v.panels.join(""))
      + el("fieldset", { class: "explorer-controls", disabled: true }, el("legend", {}, escape(spec.title))
        + el("div", { class: "explorer-sliders" }, sliders.join(""))
        + el("div", { class: "explorer-buttons" }, buttons.join("")))
      + el("dl", { class: "explorer-readout" }, v.readout.map((r) => el("div", { "data-key": r.key },
        el("dt", {}, swatch(r.key) + el("span", {}, r.label)) + el("dd", {}, r.value))).join(""))
      + el("p", { class: "explorer-status", role: "status", "aria-live": "polite" }, escape(v.status));
  }

  // ---- the custom element -------------------------------------------------
  function elementOf(spec) {
    return class extends HTMLElement {
      connectedCallback() {
        if (this.state) return;
        this.first = startOf(spec, JSON.parse(this.dataset.state || "{}"));
        this.state = Object.assign({}, this.first);
        if (!this.querySelector(".explorer-figure")) this.innerHTML = markup(spec.name, this.first);
        const q = (s) => this.querySelector(s);
        this.figure = q(".explorer-figure");
        this.status = q(".explorer-status");
        q("fieldset").disabled = false;
        this.classList.add("ready");

        this.addEventListener("input", (e) => {
          const key = e.target.dataset.key;
          if (key) this.go(Object.assign({}, spec.forget, { [key]: +e.target.value }));
        });
        this.addEventListener("click", (e) => {
          const b = e.target.closest("[data-action]");
          if (!b) return;
          this.press(b.dataset.action);
        });
        this.drag();
        this.width = WIDTH;
        new ResizeObserver(() => {
          const w = Math.round(this.figure.clientWidth);
          if (w && w !== this.width) { this.width = w; this.set({}, this.note); }
        }).observe(this.figure);
      }

      press(key) {
        const a = spec.actions.find((x) => x.key === key);
        const r = a ? a.run(this.state) : { state: this.first, note: "Back to the start." };
        this.travel(Object.assign({}, this.state, r.state), r.note, r.way);
      }
      /** What a link of the text asks for: the first state with these changes, then perhaps a button. */
      show(changes, key) {
        this.travel(startOf(spec, Object.assign({}, this.first, changes)), "As the text says.");
        if (key) { cancelAnimationFrame(this.travelling); this.set(Object.assign({}, this.first, changes)); this.press(key); }
        const box = this.figure.getBoundingClientRect(), calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        if (box.top < 60 || box.bottom > innerHeight) this.figure.scrollIntoView({ block: box.height > innerHeight - 120 ? "start" : "center", behavior: calm ? "auto" : "smooth" });
      }

      /** Take the state at once (and stop travelling). */
      go(change, note) {
        cancelAnimationFrame(this.travelling);
        this.set(change, note);
      }
      set(change, note) {
        Object.assign(this.state, change);
        this.note = note || "";
        if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); });
      }
      /** Go there in a third of a second, or on its way, or at once when the reader wants no motion. */
      travel(to, note, way) {
        cancelAnimationFrame(this.travelling);
        const from = Object.assign({}, this.state), t0 = performance.now();
        if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.set(to, note);
        if (way && way.length > 1) {
          const pace = Math.max(40, Math.min(400, 3000 / way.length));
          const stride = (t) => {
            const k = Math.floor(Math.max(0, t - t0) / pace);
            if (k >= way.length) return this.set(to, note);
            this.set(way[k], note);
            this.travelling = requestAnimationFrame(stride);
          };
          this.travelling = requestAnimationFrame(stride);
          return;
        }
        const step = (t) => {
          const u = Math.min(1, Math.max(0, (t - t0) / 330)), e = u * u * (3 - 2 * u), s = {};
          if (u === 1) return this.set(to, note);
          for (const k in to) s[k] = spec.controls.some((c) => c.key === k) ? from[k] + e * (to[k] - from[k]) : to[k];
          this.set(s, note);
          this.travelling = requestAnimationFrame(step);
        };
        this.travelling = requestAnimationFrame(step);
      }

      paint() {
        const v = show(spec, this.state, this.width);
        this.figure.innerHTML = v.panels.join("");
        for (const c of spec.controls) {
          const t = num(this.state[c.key], c.digits), i = this.querySelector(`input[data-key="${c.key}"]`);
          if (+i.value !== this.state[c.key]) i.value = this.state[c.key];
          i.setAttribute("aria-valuetext", t);
          this.querySelector(`[data-value="${c.key}"]`).textContent = t;
        }
        this.querySelectorAll(".explorer-readout dd").forEach((d, k) => { d.textContent = v.readout[k].value; });
        // What a screen reader hears: only once the reader has come to rest.
        clearTimeout(this.rest);
        this.rest = setTimeout(() => {
          this.status.textContent = (this.note ? this.note + " " : "") + v.status;
          this.figure.setAttribute("aria-label", v.alt);
        }, 250);
      }

      /** Mouse, touch and pen: take the nearest handle and follow. */
      drag() {
        const all = () => spec.handles(this.state, spec.model(this.state), this.width);
        const near = (e) => {
          const svgs = this.figure.querySelectorAll(":scope > svg");
          let best = null, least = 26;                      // radius of a target, in CSS pixels
          all().forEach((h, k) => {
            const box = svgs[h.panel].getBoundingClientRect();
            const far = Math.hypot(box.left + h.x - e.clientX, box.top + h.y - e.clientY);
            if (far < least) { least = far; best = { k, free: h.free, x: h.x - e.clientX, y: h.y - e.clientY }; }
          });
          return best;
        };
        const end = () => { this.held = null; this.figure.classList.remove("held"); };
        this.figure.addEventListener("pointerdown", (e) => {
          if (e.button || !(this.held = near(e))) return;
          e.preventDefault();
          this.figure.setPointerCapture(e.pointerId);
          this.figure.classList.add("held");
        });
        this.figure.addEventListener("pointermove", (e) => {
          if (!this.held) { this.figure.classList.toggle("over", e.pointerType === "mouse" && !!near(e)); return; }
          const s = all()[this.held.k].move(e.clientX + this.held.x, e.clientY + this.held.y);
          for (const c of spec.controls) if (c.key in s) s[c.key] = Math.min(c.max, Math.max(c.min, s[c.key]));
          this.go(Object.assign({}, spec.forget, s));
        });
        // A finger on a free handle must not scroll the page as well.
        this.figure.addEventListener("touchstart", (e) => {
          const b = e.touches.length === 1 && near(e.touches[0]);
          if (b && b.free) e.preventDefault();
        }, { passive: false });
        this.figure.addEventListener("pointerup", end);
        this.figure.addEventListener("pointercancel", end);
      }
    };
  }

  // ---- words of the text that set an explorer of the page (book/_ext/set_role.py) ------------------
  if (typeof customElements !== "undefined") customElements.define("explorer-set", class extends HTMLElement {
    connectedCallback() {
      if (this.querySelector("button")) return;
      const { name, state, press } = this.dataset, button = document.createElement("button");
      button.type = "button";
      button.append(...this.childNodes);
      button.addEventListener("click", () => {
        const target = document.querySelector("explorer-" + name);
        if (target && target.show) target.show(JSON.parse(state), press);
      });
      this.append(button);
      // a line must not end between the button and a bracket or a comma beside it
      for (const [text, mark, put] of [[this.previousSibling, /\($/, "prepend"], [this.nextSibling, /^[),.;:?]+/, "append"]]) {
        const found = text && text.nodeType === 3 && mark.exec(text.data);
        if (!found) continue;
        text.data = text.data.replace(mark, "");
        this[put](found[0]);
      }
    }
  });

  return { define, get, markup, words, num, tenth, el, line, text, path, handle, panel, escape };
})();
