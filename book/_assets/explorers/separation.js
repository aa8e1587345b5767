/* Explorer: a logistic regression on ten points, one of which can be moved past the others.

   The labels are 0 at 1, 2, 3, 4, 5 and 1 at 6, 7, 8, 9 and `a`.  The model is P(1|x) = σ(β(x − c));
   for every slope β the location c is the best one, so that what is left is a curve over β alone.
   The objective is the average loss + λβ²/2. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { abs, exp, log, log1p, log10, max, min, round } = Math;

  const ZEROS = [1, 2, 3, 4, 5], ONES = [6, 7, 8, 9], LAST = 5, N = 10, LEAST = 0.1, MOST = 30;
  const softplus = (t) => (t > 0 ? t + log1p(exp(-t)) : log1p(exp(t)));         // −log σ(−t)
  const logSum = (v) => { const m = max(...v); return m + log(v.reduce((s, t) => s + exp(t - m), 0)); };

  /** Where an increasing function is zero between two ends: regula falsi, after Anderson and Björck. */
  function root(f, low, high) {
    let below = f(low), above = f(high);
    for (let k = 0; k < 120 && high - low > 1e-15 * (abs(low) + abs(high)); k++) {
      const t = low - below * (high - low) / (above - below), here = f(t);
      if (here === 0 || t === low || t === high) return t;
      if (here < 0) { const m = 1 - here / below; above *= m > 0 ? m : 0.5; low = t; below = here; }
      else { const m = 1 - here / above; below *= m > 0 ? m : 0.5; high = t; above = here; }
    }
    return (low + high) / 2;
  }
  /** The intercept −βc at which as many ones are expected as there are: by logarithms, so that it is exact however
      small both sides are. */
  function intercept(b, ones) {
    return root((t) => logSum(ZEROS.map((x) => -softplus(-t - b * x))) - logSum(ones.map((x) => -softplus(t + b * x))), -9 * b - 3, 3 - b);
  }
  /** The average loss at the slope b, its first and its second derivative along the best locations. */
  function at(b, a, lambda) {
    const ones = [a].concat(ONES), t = intercept(b, ones), points = ZEROS.map((x) => [x, 0]).concat(ones.map((x) => [x, 1]));
    let loss = 0, slope = 0, w = 0, wx = 0;
    const each = points.map(([x, y]) => {
      const s = y ? -1 : 1, eta = t + b * x, off = exp(-softplus(-s * eta)), v = exp(-softplus(eta) - softplus(-eta));
      loss += softplus(s * eta) / N; slope += s * off * x / N; w += v; wx += v * x;
      return [x, v];
    });
    const curve = each.reduce((sum, [x, v]) => sum + v * (x - wx / w) ** 2, 0) / N;
    return { c: -t / b, loss, objective: loss + lambda * b * b / 2, slope: slope + lambda * b, curve: curve + lambda };
  }
  /** The least objective, and the slope where it is: infinite if the points are separated and nothing is charged. */
  function best(a, lambda) {
    if (lambda === 0 && a > LAST) return { floor: 0, slope: Infinity };
    if (lambda === 0 && a === LAST) return { floor: 2 * log(2) / N, slope: Infinity };
    const slope = exp(root((t) => at(exp(t), a, lambda).slope, -7, 7));
    return { floor: at(slope, a, lambda).objective, slope };
  }
  function model({ a, slope, lambda }) {
    const here = at(slope, a, lambda), top = best(a, lambda);
    return { c: here.c, loss: here.loss, objective: here.objective, gradient: -here.slope, floor: top.floor, finite: isFinite(top.slope) ? 1 : 0,
      at: isFinite(top.slope) ? top.slope : 0 };
  }

  // ---- Newton's method on the slope ------------------------------------------------------------
  function next({ a, slope, lambda }) {
    const here = at(slope, a, lambda);
    let step = -here.slope / here.curve, to;
    for (let k = 0; k < 60; k++) {
      to = max(LEAST, min(MOST, slope + step));
      if (at(to, a, lambda).objective <= here.objective) return to;
      step /= 2;
    }
    return slope;
  }
  const near = (s, to) => abs(to - s.slope) < 1e-6 * s.slope;
  const END = "The slider ends here; the fit would go on.";
  const actions = [
    { key: "newton", label: "Newton step", run: (s) => {
      const to = next(s), was = at(s.slope, s.a, s.lambda).loss, now = at(to, s.a, s.lambda).loss;
      if (near(s, to)) return { state: {}, note: s.slope >= MOST && !model(s).finite ? END : "Here the curve is level: the fit is done." };
      return { state: { slope: to, trail: s.trail.concat([s.slope]).slice(-40) },
        note: to >= MOST && !model(s).finite ? END : `Newton step: the slope goes from ${num(s.slope, 2)} to ${num(to, 2)}, the loss to ${num(now / was, 3)} of what it was.` };
    } },
    { key: "run", label: "Run", run: (s) => {
      const way = [];
      let here = s, to = next(here);
      while (way.length < 60 && !near(here, to)) { here = { a: s.a, lambda: s.lambda, slope: to, trail: here.trail.concat([here.slope]).slice(-40) }; way.push(here); to = next(here); }
      if (!way.length) return { state: {}, note: s.slope >= MOST && !model(s).finite ? END : "Here the curve is level: the fit is done." };
      return { state: { slope: here.slope, trail: here.trail }, way: way.map((v) => ({ slope: v.slope, trail: v.trail })),
        note: model(s).finite ? `${way.length} Newton steps, and the curve is level: the fit is done.` : `${way.length} Newton steps. ${END}` };
    } },
    { key: "separate", label: "Separate", run: (s) => ({ state: { a: 6, slope: 1, lambda: 0, trail: [] }, note: "The point is past the last zero. Now press Run." }) },
  ];

  // ---- the figure -----------------------------------------------------------
  const L = 38, TOP = 20, BASE = 236, TALL = BASE + 44;
  const widths = (W) => (W < 540 ? [W, W] : [round(0.5 * W), W - round(0.5 * W) - 8]);
  const pointScale = (W) => ({ X: (x) => L + x / 10 * (W - 12 - L), unX: (u) => (u - L) / (W - 12 - L) * 10, Y: (p) => BASE - 12 - p * (BASE - TOP - 24) });
  const FROM = log10(0.08), TO = log10(36), LOW = -5, HIGH = 1;
  const curveScale = (W) => ({
    X: (b) => L + (log10(b) - FROM) / (TO - FROM) * (W - 12 - L), unX: (u) => 10 ** (FROM + (u - L) / (W - 12 - L) * (TO - FROM)),
    Y: (v) => BASE - (max(LOW, min(HIGH, log10(max(v, 1e-300)))) - LOW) / (HIGH - LOW) * (BASE - TOP),
  });
  function points(s, n, W) {
    const { X, Y } = pointScale(W), R = W - 12;
    const chance = (x) => 1 / (1 + exp(-s.slope * (x - n.c)));
    let svg = "";
    for (const p of [0, 0.5, 1]) svg += line("grid", L, Y(p), R, Y(p)) + text("tick end", L - 6, Y(p) + 4, num(p, 1));
    for (const x of [0, 2, 4, 6, 8, 10]) svg += text("tick middle", X(x), BASE + 18, num(x, 0));
    svg += line("axis", L, BASE, R, BASE) + text("name", L, TOP - 7, "P(1 | x)") + text("name end", R, BASE + 38, "x")
      + el("path", { class: "curve model", d: path(200, (k) => [X(k / 20), Y(chance(k / 20))]) });
    for (const x of ZEROS) svg += el("circle", { class: "dot data", cx: X(x), cy: Y(0), r: 5 });
    for (const x of ONES) svg += el("circle", { class: "dot data", cx: X(x), cy: Y(1), r: 5 });
    svg += el("circle", { class: "dot model", cx: X(s.a), cy: Y(1), r: 5 }) + handle(X(s.a), Y(1));
    return panel(W, TALL, svg);
  }
  const power = (k) => (k === 0 ? "1" : k === 1 ? "10" : "0." + "0".repeat(-k - 1) + "1");
  function valley(s, n, W) {
    const R = W - 12, { X, Y } = curveScale(W);
    const f = (b) => at(b, s.a, s.lambda).objective, x = X(s.slope), y = Y(n.objective);
    let svg = "", dots = "";
    for (const b of [0.1, 1, 10]) svg += line("grid", X(b), TOP, X(b), BASE) + text("tick middle", X(b), BASE + 18, num(b, b < 1 ? 1 : 0));
    for (const k of [1, 0, -1, -2, -3, -4]) svg += line("grid", L, Y(10 ** k), R, Y(10 ** k)) + (k === 1 ? "" : text("tick end", L - 4, Y(10 ** k) + 4, power(k)));
    for (const b of s.trail) dots += el("circle", { class: "step", cx: X(b), cy: Y(f(b)), r: 3 });
    svg += line("axis", L, BASE, R, BASE) + text("name", L, TOP - 7, s.lambda > 0 ? "loss + penalty" : "loss, nats") + text("name end", R, BASE + 38, "slope β");
    if (n.finite && n.at > 0.08 && n.at < 36) svg += line("guide", X(n.at), TOP, X(n.at), BASE);
    svg += el("path", { class: "curve data", d: path(90, (k) => { const b = 10 ** (FROM + (TO - FROM) * k / 90); return [X(b), Y(f(b))]; }) })
      + dots + el("circle", { class: "dot model", cx: tenth(x), cy: tenth(y), r: 5 }) + handle(x, y);
    return panel(W, TALL, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W);
    const above = ZEROS.filter((x) => x > s.a).length;
    const kind = s.a > LAST ? `all zeros lie below all ones: they are separated` : s.a === LAST ? `a zero and a one share x = 5, all others are separated` : `${above} ${above === 1 ? "zero lies" : "zeros lie"} above it: the labels overlap`;
    const end = n.finite ? `The best slope is ${num(n.at, 2)}` : "No slope is the best: every larger one is better";
    return {
      panels: [points(s, n, left), valley(s, n, right)],
      alt: `Ten points with label 0 or 1 over x, the filled one at ${num(s.a, 2)}; ${kind}. The model's probability of a 1 rises through one half at ${num(n.c, 2)} with slope ${num(s.slope, 2)}. `
        + `Beside it the loss over the slope, both on logarithmic axes${n.finite ? ", a valley with its lowest point at slope " + num(n.at, 2) : ", falling for ever"}.`,
      readout: [
        { key: "model", label: "Slope β", value: num(s.slope, 2) },
        { key: "", label: "Average loss", value: num(n.loss, 4) },
        { key: "", label: "Loss + penalty", value: num(n.objective, 4) },
        { key: "", label: "Least possible", value: num(n.floor, 4) },
        { key: "", label: "Gradient, uphill", value: num(n.gradient, 4) },
      ],
      status: `With the filled point at ${num(s.a, 2)}, ${kind}. At slope ${num(s.slope, 2)} the average loss is ${num(n.loss, 4)}${s.lambda > 0 ? `, with the penalty ${num(n.objective, 4)}` : ""}; `
        + `the least possible is ${num(n.floor, 4)}. ${end}.`,
    };
  }
  function handles(s, n, W) {
    const [left, right] = widths(W), p = pointScale(left), c = curveScale(right);
    return [
      { panel: 0, x: p.X(s.a), y: p.Y(1), move: (u) => ({ a: p.unX(u) }) },
      { panel: 1, x: c.X(s.slope), y: c.Y(n.objective), move: (u) => ({ slope: c.unX(u) }) },
    ];
  }

  Explorer.define({
    name: "separation",
    title: "Drag the filled point past the last zero, change the slope, or let Newton’s method run",
    start: { a: 3.5, slope: 0.3, lambda: 0, trail: [] },
    forget: { trail: [] },
    controls: [
      { key: "a", label: "Filled point at", min: 1, max: 9, step: 0.05, digits: 2 },
      { key: "slope", label: "Slope β", min: LEAST, max: MOST, step: 0.1, digits: 2 },
      { key: "lambda", label: "Penalty λ", min: 0, max: 0.1, step: 0.001, digits: 3 },
    ],
    actions, model, view, handles, zeros: ZEROS, ones: ONES,
  });
})();
