/* Explorer: throws of a coin; where the sequences are, where the probability is, and the typical set, the
   sequences whose average surprise is within epsilon of the entropy. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el } = Explorer;
  const { abs, ceil, exp, log, max, min, round } = Math;

  const MOST = 2000, FACTORIAL = [0];                       // logarithms of factorials
  for (let k = 1; k <= MOST; k++) FACTORIAL.push(FACTORIAL[k - 1] + log(k));
  const choose = (n, k) => FACTORIAL[n] - FACTORIAL[k] - FACTORIAL[n - k];
  const each = (k, n, p) => k * log(p) + (n - k) * log(1 - p);
  const rounded = (s) => max(1, round(s.n));                // on its way a figure passes between whole numbers

  function model(s) {
    const n = rounded(s), p = s.p, slope = abs(log(p / (1 - p)));
    let fewest = null, most = null, size = 0, probability = 0, top = 0;
    const inside = (k) => abs(k / n - p) * slope <= s.epsilon;
    for (let k = 0; k <= n; k++) if (inside(k)) top = max(top, choose(n, k));
    for (let k = 0; k <= n; k++) if (inside(k)) {
      if (fewest === null) fewest = k;
      most = k;
      size += exp(choose(n, k) - top);
      probability += exp(choose(n, k) + each(k, n, p));
    }
    const logSize = size ? top + log(size) : null;
    return {
      entropy: -p * log(p) - (1 - p) * log(1 - p), likely: -log(max(p, 1 - p)), probability: min(1, probability),
      digits: size ? logSize / log(10) : null, all: n * log(2) / log(10), rate: size ? logSize / n : null, fewest, most,
    };
  }

  const actions = [
    { key: "longer", label: "Ten times as many", run: (s) => ({
      state: { n: min(MOST, 10 * rounded(s)) }, note: "Both humps get narrower, and the typical set takes over the probability." }) },
    { key: "fair", label: "Fair coin", run: () => ({
      state: { p: 0.5 }, note: "Every sequence of a fair coin has the same probability: all are typical." }) },
  ];

  // ---- the figure -----------------------------------------------------------
  const L = 34, TOP = 18, BASE = 214, TALL = 258, LOW = -1.6, HIGH = 0.8;
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.5 * W), W - Math.round(0.5 * W) - 8]);
  const scale = (W) => ({ X: (v) => L + v * (W - 14 - L), unX: (u) => (u - L) / (W - 14 - L) });
  const Y = (v) => BASE - v / 1.12 * (BASE - TOP), V = (v) => BASE - (v - LOW) / (HIGH - LOW) * (BASE - TOP);

  function band(s, X) {
    const slope = abs(log(s.p / (1 - s.p))), half = slope ? s.epsilon / slope : 1;
    const a = X(max(0, s.p - half)), b = X(min(1, s.p + half));
    return el("rect", { class: "area", x: a, y: TOP, width: b - a, height: BASE - TOP });
  }
  /** A hump, divided by its maximum, through the counts at which it can be seen. */
  function hump(cls, n, logs, X) {
    let peak = -Infinity, from = n, to = 0;
    for (let k = 0; k <= n; k++) peak = max(peak, logs(k));
    for (let k = 0; k <= n; k++) if (logs(k) > peak - 7) { from = min(from, k); to = max(to, k); }
    const step = max(1, ceil((to - from) / 160)), points = [];
    if (from > 0) points.push([0, 0], [from / n, 0]);
    for (let k = from; k < to; k += step) points.push([k / n, exp(logs(k) - peak)]);
    points.push([to / n, exp(logs(to) - peak)]);
    if (to < n) points.push([to / n, 0], [1, 0]);
    return el("path", { class: "curve " + cls, d: path(points.length - 1, (i) => [X(points[i][0]), Y(points[i][1])]) });
  }
  function axes(X, W, name) {
    let svg = line("axis", L, BASE, W - 14, BASE) + text("name end", W - 14, BASE + 38, name);
    for (const t of [0, 0.25, 0.5, 0.75, 1]) svg += line("grid", X(t), TOP, X(t), BASE) + text("tick middle", X(t), BASE + 19, num(t, 2));
    return svg;
  }
  const favourite = (s) => (s.p < 0.5 ? 0 : 1);
  function humps(s, W) {
    const n = rounded(s), { X } = scale(W), x = X(favourite(s)), y = Y(0);
    return panel(W, TALL, band(s, X) + axes(X, W, "share of heads") + text("name", L, TOP - 5, "of all n throws, divided by its maximum")
      + hump("kl", n, (k) => choose(n, k), X) + hump("data", n, (k) => choose(n, k) + each(k, n, s.p), X)
      + el("path", { class: "gap", d: `M${round(x) - 6} ${y - 1}l6-11l6 11z` }) + handle(X(s.p), y));
  }
  function logs(s, W) {
    const n = rounded(s), { X } = scale(W), count = (v) => { const k = min(n, max(0, round(v * n))); return choose(n, k) / n; };
    const points = min(n, 100), share = (i) => i / points;
    const curve = (cls, f) => el("path", { class: "curve " + cls, d: path(points, (i) => [X(share(i)), V(f(share(i)))]) });
    const one = (v) => v * log(s.p) + (1 - v) * log(1 - s.p);
    let svg = band(s, X) + axes(X, W, "share of heads") + text("name", L, TOP - 5, "logarithm, nats a throw");
    for (const t of [-1.5, -1, -0.5, 0, 0.5]) svg += line("grid", L, V(t), W - 14, V(t)) + text("tick end", L - 5, V(t) + 4, num(t, 1));
    return panel(W, TALL, svg + el("svg", { x: L, y: TOP, width: W - 14 - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${W - 14 - L} ${BASE - TOP}` },
      curve("kl key", count) + curve("sample", one) + curve("data key", (v) => count(v) + one(v))));
  }

  function view(s, n, W) {
    const [left, right] = widths(W), N = rounded(s), none = n.digits === null;
    const chance = num(n.probability, 4), says = none ? "no sequence is typical"
      : `the typical set has probability ${chance}, and 10 to the power of ${num(n.digits, 1)} of the 10 to the power of ${num(n.all, 1)} sequences`;
    return {
      panels: [humps(s, left), logs(s, right)],
      alt: `Two humps over the share of heads in ${N} throws: the number of sequences, around one half, and their probability, around `
        + `${num(s.p, 2)}. A band around ${num(s.p, 2)} holds the typical sequences; the most probable sequence, `
        + `${favourite(s) ? "heads" : "tails"} every time, stands at the edge of the figure. Beside them, on a logarithmic scale, the number of `
        + `sequences, the probability of each, and the product of the two.`,
      readout: [
        { key: "data", label: "Probability of the typical set", value: chance },
        { key: "kl", label: "Number of typical sequences, log<sub>10</sub>", value: none ? "none" : num(n.digits, 2) },
        { key: "sample", label: "Surprise a throw of the most probable one", value: num(n.likely, 4) },
        { key: "", label: "Entropy H(p)", value: num(n.entropy, 4) },
        { key: "", label: "Log number of typical ones / n", value: none ? "none" : num(n.rate, 4) },
        { key: "", label: "Number of all sequences, log<sub>10</sub>", value: num(n.all, 2) },
      ],
      status: `In ${N} throws with p = ${num(s.p, 2)} and ε = ${num(s.epsilon, 3)} ${says}.`,
    };
  }
  function handles(s, n, W) {
    const [left] = widths(W), { X, unX } = scale(left);
    return [{ panel: 0, x: X(s.p), y: Y(0), move: (u) => ({ p: unX(u) }) }];
  }

  Explorer.define({
    name: "typical-set",
    title: "Change the coin: drag its point, or use the sliders",
    start: { p: 0.3, n: 200, epsilon: 0.1 },
    controls: [
      { key: "p", label: "Probability of heads p", min: 0.05, max: 0.95, step: 0.01, digits: 2 },
      { key: "n", label: "Throws n", min: 10, max: MOST, step: 10, digits: 0 },
      { key: "epsilon", label: "Width ε in nats", min: 0.01, max: 0.3, step: 0.005, digits: 3 },
    ],
    actions, model, view, handles,
  });
})();
