/* Explorer: expectation–maximisation on the waiting times of Old Faithful.

   A mixture of two normal kinds: weight w of the first, means m1 and m2, standard deviations s1 and s2.
   The responsibilities belong to the parameters `made`, those at which the last E-step made them:
   bound = Σ E_q[log joint] + entropy of q, log-likelihood = bound + gap, each by a formula of its own. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el } = Explorer;
  const { abs, ceil, exp, floor, log, log1p, max, min, round, sqrt, PI } = Math;

  // how many of the 272 waits lasted 43, 44, ... 96 minutes
  const FIRST = 43, COUNTS = [1, 0, 3, 5, 4, 3, 5, 5, 6, 5, 7, 9, 6, 4, 3, 4, 7, 6, 0, 4, 3, 4, 3, 2, 1, 1, 2,
    4, 5, 1, 7, 6, 8, 9, 12, 15, 10, 8, 13, 12, 14, 10, 6, 6, 2, 6, 3, 6, 1, 1, 2, 1, 0, 1];
  const VALUES = COUNTS.map((c, k) => FIRST + k), N = COUNTS.reduce((a, b) => a + b);
  const total = (f) => COUNTS.reduce((sum, c, k) => (c ? sum + c * f(VALUES[k], k) : sum), 0);
  const KEYS = ["w", "m1", "s1", "m2", "s2"], LEAST = 1e-4;
  const parameters = (s) => KEYS.map((key) => s[key]);
  const stateOf = (p) => Object.fromEntries(KEYS.map((key, k) => [key, p[k]]));
  const MEAN = total((x) => x) / N, SD = sqrt(total((x) => (x - MEAN) ** 2) / N);

  // ---- the mixture -------------------------------------------------------------
  const logNormal = (x, m, s) => -0.5 * ((x - m) / s) ** 2 - log(s) - 0.5 * log(2 * PI);
  const joint = ([w, m1, s1, m2, s2], x) => [log(w) + logNormal(x, m1, s1), log1p(-w) + logNormal(x, m2, s2)];
  const sum = ([a, b]) => max(a, b) + log1p(exp(-abs(a - b)));
  const loglik = (p) => total((x) => sum(joint(p, x)));
  /** Log responsibilities of both kinds for each wait. */
  const posterior = (p) => VALUES.map((x) => { const j = joint(p, x), s = sum(j); return j.map((v) => v - s); });
  const each = (l, f) => (l > -700 ? exp(l) * f(l) : 0);                 // q f(log q), zero where q is
  const bound = (p, q) => total((x, i) => { const j = joint(p, x); return each(q[i][0], (l) => j[0] - l) + each(q[i][1], (l) => j[1] - l); });
  const gap = (p, q) => { const t = posterior(p); return total((x, i) => each(q[i][0], (l) => l - t[i][0]) + each(q[i][1], (l) => l - t[i][1])); };

  /** The parameters that are best for these responsibilities. */
  function maximise(p, q) {
    const moments = [0, 1].map((k) => {
      const n = total((x, i) => exp(q[i][k])), m = total((x, i) => exp(q[i][k]) * x) / n;
      return { n, m, s: max(LEAST, sqrt(total((x, i) => exp(q[i][k]) * (x - m) ** 2) / n)) };
    });
    const [a, b] = moments;
    return a.n > 1e-9 && b.n > 1e-9 ? [a.n / N, a.m, a.s, b.m, b.s] : p;
  }
  function model(s) {
    const p = parameters(s), q = posterior(s.made);
    return { loglik: loglik(p), bound: bound(p, q), gap: gap(p, q), shares: q.map((l) => exp(l[0])), top: maximise(p, q) };
  }

  // ---- steps -------------------------------------------------------------------
  const next = (p) => maximise(p, posterior(p));
  function run(p) {
    let steps = 0, far = 1;
    const way = [];
    while (far > 1e-10 && steps < 2000) {
      const q = next(p);
      far = max(...q.map((v, k) => abs(v - p[k])));
      p = q; steps++;
      if (steps <= 60) way.push(p);
    }
    return { p, steps, way };
  }
  /** Two of the waits as means: a fixed generator, so that every machine has the same starts. */
  function randomStart(seed) {
    let u = (7919 * seed) % 2147483647;
    const draw = () => (u = (48271 * u) % 2147483647) / 2147483647;
    draw(); draw();
    const wait = () => { let at = draw() * N, k = 0; while ((at -= COUNTS[k]) > 0) k++; return VALUES[k]; };
    const a = wait();
    let b = wait();
    while (b === a) b = wait();
    return [0.5, a, 10, b, 10];
  }
  const at = (p, more) => Object.assign(stateOf(p), { made: p }, more);
  const SPIKE = VALUES[COUNTS.indexOf(max(...COUNTS))], TIES = max(...COUNTS);
  const actions = [
    { key: "e", label: "E-step", run: (s) => { const n = model(s); return {
      state: { made: parameters(s) },
      note: n.gap < 5e-5 ? "The bound touches the log-likelihood already: now an M-step." : `E-step: responsibilities made anew. The bound rises by the gap, ${num(n.gap, 2)} nats, and touches.`,
    }; } },
    { key: "m", label: "M-step", run: (s) => { const n = model(s), m = model(Object.assign({}, s, stateOf(n.top))); return {
      state: stateOf(n.top),
      note: m.bound - n.bound < 5e-5 ? "The bound is at its top already: now an E-step." : `M-step: the parameters go to the top of the bound, ${num(m.bound - n.bound, 2)} nats higher. The log-likelihood rises by ${num(m.loglik - n.loglik, 2)}.`,
    }; } },
    { key: "run", label: "Run", run: (s) => { const { p, steps, way } = run(parameters(s)); return {
      state: at(p), way: way.map((v) => at(v)), note: `${steps} rounds of E and M, never down: from ${num(loglik(parameters(s)), 2)} to ${num(loglik(p), 2)} nats.`,
    }; } },
    { key: "random", label: "Random start", run: ({ seed }) => ({
      state: at(randomStart(seed), { seed: seed % 99 + 1 }), note: "Two of the waits as means, wide spreads, even weights." }) },
    { key: "spike", label: "Spike", run: (s) => {
      const on = s.m1 === SPIKE && s.s1 < 0.5, p = on ? [s.w, SPIKE, max(LEAST, s.s1 / 10), s.m2, s.s2] : [TIES / N, SPIKE, 0.1, MEAN, SD];
      return { state: at(p), note: on && s.s1 <= LEAST ? "Narrower than this the explorer does not go; the log-likelihood has no end."
        : `The first kind sits on the ${TIES} waits of ${SPIKE} minutes, the second takes all others. Press again: each time ten times narrower, and up by ${TIES} log 10 = ${num(TIES * log(10), 1)} nats.` };
    } },
  ];

  // ---- the figure ----------------------------------------------------------------
  const L = 46, TOP = 20, BASE = 262, LOW = 40, HIGH = 100;
  const scale = (R) => ({ X: (m) => L + (m - LOW) / (HIGH - LOW) * (R - L), unX: (u) => (u - L) / (R - L) * (HIGH - LOW) + LOW });
  const widths = (W) => (W < 540 ? [W, W] : [round(0.56 * W), W - round(0.56 * W) - 8]);
  /** Where the curve is highest, and the ends of the axis: the curve's top and the point itself are inside. */
  function axis(s, n) {
    let peak = s.m1, high = n.loglik;
    for (let m = 42; m <= 98; m += 4) { const v = loglik([s.w, m, s.s1, s.m2, s.s2]); if (v > high) { high = v; peak = m; } }
    const most = 50 * ceil((high + 25) / 50), span = max(200, min(400, 50 * ceil((most - n.loglik + 20) / 50)));
    return { peak, most, span, Y: (v) => BASE - (min(most + 20, max(most - span - 20, v)) - most + span) / span * (BASE - TOP) };
  }

  function curves(s, n, W) {
    const R = W - 8, { X } = scale(R), { peak, most, span, Y } = axis(s, n), q = posterior(s.made), p = parameters(s);
    const over = (f) => (m) => f([p[0], m, p[2], p[3], p[4]]), l = over(loglik), b = over((v) => bound(v, q));
    const spots = [];
    for (let m = LOW; m <= HIGH; m += 0.5) spots.push(...(s.s1 < 0.5 && m === round(m) ? [m - 3 * s.s1, m, m + 3 * s.s1] : [m]));
    const curve = (key, f) => el("path", { class: "curve " + key, d: path(spots.length - 1, (k) => [X(spots[k]), Y(f(spots[k]))]) });
    let svg = "";
    for (const m of [40, 50, 60, 70, 80, 90, 100]) svg += line("grid", X(m), TOP, X(m), BASE) + text("tick middle", X(m), BASE + 18, num(m, 0));
    for (let v = most - span; v <= most; v += span > 250 ? 100 : 50) svg += line("grid", L, Y(v), R, Y(v)) + text("tick end", L - 5, Y(v) + 4, num(v, 0));
    svg += line("axis", L, BASE, R, BASE) + text("name end", R, BASE + 36, "mean of the first kind, minutes") + text("name", L + 4, TOP - 7, "nats")
      + el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
        curve("loglik", l) + curve("bound-em", b) + line("guide", X(s.m1), TOP, X(s.m1), BASE));
    // the bound is a parabola in m1: its name stands where it leaves the lower fifth of the panel
    const centre = n.top[1], share = n.top[0] * N, drop = b(centre) - (most - 0.8 * span), far = sqrt(2 * max(0, drop) / share) * s.s1;
    const left = s.m1 > centre && centre - far > LOW + 12, spot = left ? centre - far : centre + far;
    if (drop > 10 && spot > LOW + 12 && spot < HIGH - 12) svg += text("name boundname" + (left ? " end" : ""), X(spot) + (left ? -6 : 6), Y(most - 0.8 * span), "bound");
    svg += text("name likname middle", max(L + 84, min(R - 44, X(peak))), Y(l(peak)) - 14, "log-likelihood");
    const [here, touch] = [Y(n.loglik), Y(n.bound)], off = n.bound < most - span;
    if (touch - here > 10) svg += el("path", { class: "gap", d: `M${round(X(s.m1))} ${round(here + 9)}V${round(min(BASE, touch))}` })
      + text("name gapname" + (s.m1 > 70 ? " end" : ""), X(s.m1) + (s.m1 > 70 ? -8 : 8), min(BASE - 30, (here + min(BASE, touch)) / 2 + 4), off ? "gap, off the scale" : "gap");
    svg += (off ? "" : el("circle", { class: "dot bound-em", cx: X(s.m1), cy: touch, r: 4 })) + handles(s, n, W, true).map((h) => handle(h.x, h.y)).join("");
    return panel(W, 304, svg);
  }

  function waits(s, n, W, H) {
    const R = W - 8, l = 30, BIN = 3, X = (x) => l + (x - LOW) / (HIGH - LOW) * (R - l), p = parameters(s);
    const bars = [];
    VALUES.forEach((x, k) => {
      const b = floor((x - LOW) / BIN), bar = bars[b] || (bars[b] = [0, 0]);
      bar[0] += COUNTS[k] * n.shares[k]; bar[1] += COUNTS[k] * (1 - n.shares[k]);
    });
    const MOST = 42, Y = (c) => H - min(MOST, c) / MOST * (H - TOP);
    const height = (share, m, sd) => (x) => N * BIN * share * exp(logNormal(x, m, sd));
    const kind = (key, f) => el("path", { class: "curve " + key, d: path(120, (k) => [X(LOW + k / 2), Y(f(LOW + k / 2))]) });
    let svg = "";
    for (const c of [0, 20, 40]) svg += line("grid", l, Y(c), R, Y(c)) + text("tick end", l - 5, Y(c) + 4, num(c, 0));
    for (const x of [40, 60, 80, 100]) svg += text("tick middle", X(x), H + 18, num(x, 0));
    bars.forEach(([a, b], k) => {
      const x = X(LOW + BIN * k - 0.5) + 0.5, width = X(BIN) - X(0) - 1;
      svg += el("rect", { class: "share kind-one", x, y: Y(a), width, height: Y(0) - Y(a) }) + el("rect", { class: "share kind-two", x, y: Y(a + b), width, height: Y(a) - Y(a + b) });
    });
    svg += line("axis", l, H, R, H) + text("name", l + 4, TOP - 7, "waits in 3 minutes") + text("name end", R, H + 36, "minutes to the next eruption")
      + kind("kind-one", height(p[0], p[1], p[2])) + kind("kind-two", height(1 - p[0], p[3], p[4]));
    return panel(W, H + 42, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), l = num(n.loglik, 2), b = num(n.bound, 2), g = num(n.gap, 2);
    const spread = (v) => num(v, v < 0.05 ? 4 : 2), kind = (share, m, sd) => `${num(100 * share, 1)} % at ${num(m, 2)} ± ${spread(sd)}`;
    return {
      panels: [curves(s, n, left), waits(s, n, right, left === W ? 160 : BASE)],
      alt: `The log-likelihood of ${N} waits over the mean of the first kind, now ${num(s.m1, 1)} minutes, and below it the bound, `
        + (n.gap < 5e-3 ? "which touches it there. " : `${g} nats lower there. `)
        + `Beside them a histogram of the waits, each bar split by the responsibility of the two kinds: the first with mean ${num(s.m1, 1)} and `
        + `standard deviation ${spread(s.s1)}, the second with mean ${num(s.m2, 1)} and standard deviation ${spread(s.s2)}.`,
      readout: [
        { key: "loglik", label: "Log-likelihood ℓ", value: l },
        { key: "bound-em", label: "Bound", value: b },
        { key: "gap", label: "Gap: Σ KL(q‖posterior)", value: g },
        { key: "kind-one", label: "First kind", value: kind(s.w, s.m1, s.s1) },
        { key: "kind-two", label: "Second kind", value: kind(1 - s.w, s.m2, s.s2) },
      ],
      status: `Bound ${b} + gap ${g} = log-likelihood ${l} nats.`,
    };
  }
  function handles(s, n, W, inPanel) {
    const { X, unX } = scale((inPanel ? W : widths(W)[0]) - 8);
    return [{ panel: 0, x: X(s.m1), y: max(TOP, min(BASE, axis(s, n).Y(n.loglik))), move: (u) => ({ m1: unX(u) }) }];
  }

  const START = [0.36, 71, 8, 80, 6];
  Explorer.define({
    name: "em",
    title: "Take turns: E makes the bound touch, M goes to its top. Or move the first kind yourself",
    start: at(START, { seed: 1 }),
    controls: [
      { key: "m1", label: "Mean of the first kind", min: 40, max: 100, step: 0.1, digits: 1 },
      { key: "s1", label: "Its standard deviation", min: 0.5, max: 15, step: 0.1, digits: 1 },
    ],
    actions, model, view, handles, steps: { next, run }, data: { first: FIRST, counts: COUNTS },
  });
})();
