/* Explorer: two families on three outcomes, and the closest member of each to a truth in your hands.

   x = 0, 1, 2.  f: binomial, C(2, x) θ^x (1 − θ)^(2−x);  g: geometric cut off at 2, q^x / (1 + q + q²).
   Both are exponential families with u(x) = x, so the closest member has the mean of the truth:
   in the triangle, whose horizontal axis is the mean, it stands straight above or below. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el } = Explorer;
  const { abs, log, max, min, sqrt } = Math;
  const N = 262;                                            // blocks of the Federalist papers

  const truth = ({ mean, ones }) => { const one = ones * min(mean, 2 - mean), two = (mean - one) / 2; return [1 - one - two, one, two]; };
  /** The members with mean m; of g by the quadratic equation of its q. */
  const f = (m) => [(1 - m / 2) ** 2, m * (1 - m / 2), (m / 2) ** 2];
  function g(m) {
    const b = m - 1, q = (b + sqrt(b * b + 4 * m * (2 - m))) / (2 * (2 - m)), sum = 1 + q + q * q;
    return [1 / sum, q / sum, q * q / sum];
  }
  const kl = (p, q) => p.reduce((sum, v, x) => sum + (v > 0 ? v * log(v / q[x]) : 0), 0);

  function model(s) {
    const p = truth(s), F = f(s.mean), G = g(s.mean), ratio = F.map((v, x) => log(v / G[x]));
    const difference = p.reduce((sum, v, x) => sum + v * ratio[x], 0);
    const variance = p.reduce((sum, v, x) => sum + v * (ratio[x] - difference) ** 2, 0);
    return { p, f: F, g: G, kl_f: kl(p, F), kl_g: kl(p, G), difference, error: sqrt(variance / N) };
  }

  // ---- the buttons: straight up or down ------------------------------------
  /** The share of ones at which p = f*, p = g*, or both are equally far: their log ratio is a straight line in x, plus log 2 at 1. */
  const at = {
    f: (m) => f(m)[1], g: (m) => g(m)[1],
    tie: (m) => { const F = f(m), G = g(m), [a, , b] = F.map((v, x) => log(G[x] / v)); return (a + (b - a) / 2 * m) / log(2); },
  };
  const go = (s, key, note) => ({ state: { mean: s.mean, ones: at[key](s.mean) / min(s.mean, 2 - s.mean) }, note });
  const actions = [
    { key: "f", label: "Truth in f", run: (s) => go(s, "f", "The truth is a binomial distribution: its KL to f* is zero.") },
    { key: "g", label: "Truth in g", run: (s) => go(s, "g", "The truth is a geometric distribution, cut off: its KL to g* is zero.") },
    { key: "tie", label: "Equally far", run: (s) => go(s, "tie", "The truth is in neither family, and equally far from both.") },
  ];

  // ---- the figure -----------------------------------------------------------
  const TOP = 26, ROOT = sqrt(0.75), MOST = 0.7, L = 34;
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.54 * W), W - Math.round(0.54 * W) - 8]);
  function frame(W) {
    const side = min(W - 40, 350), left = (W - side) / 2, base = TOP + side * ROOT;
    return { side, left, base, X: (p) => left + side * (p[2] + p[1] / 2), Y: (p) => base - side * ROOT * p[1] };
  }
  const steps = (n, member) => (k) => member(0.004 + 1.992 * k / n);

  function triangle(s, n, W) {
    const { side, left, base, X, Y } = frame(W), curve = (key, member) => {
      const spot = steps(80, member);
      return el("path", { class: "curve " + key, d: path(80, (k) => { const p = spot(k); return [X(p), Y(p)]; }) });
    };
    const tie = (m) => { const one = at.tie(m), two = (m - one) / 2; return [1 - one - two, one, two]; };
    const x = X(n.p), spots = [n.p, n.f, n.g].map(Y), right = s.mean < 1.5;
    const tag = (p, name, cls) => text("letter " + cls + (right ? "" : " end"), x + (right ? 12 : -12), Y(p) + 5, name);
    // letters that would cover each other give way to the readout
    const far = (p, others) => others.every((q) => abs(Y(p) - Y(q)) > 18);
    const svg = el("path", { class: "area", d: `M${left} ${base}h${side}L${left + side / 2} ${TOP}Z` })
      + el("path", { class: "outline", d: `M${left} ${base}h${side}L${left + side / 2} ${TOP}Z` })
      + text("tick middle", left, base + 17, "0") + text("tick middle", left + side, base + 17, "2")
      + text("tick middle", left + side / 2, TOP - 8, "1") + text("name middle", left + side / 2, base + 34, "mean: 0 to 2")
      + line("guide", x, min(...spots), x, base)
      + curve("sample", tie) + curve("forward", f) + curve("reverse", g)
      + el("circle", { class: "dot forward", cx: x, cy: Y(n.f), r: 5.5 }) + el("circle", { class: "dot reverse", cx: x, cy: Y(n.g), r: 5.5 })
      + (far(n.f, [n.p, n.g]) ? tag(n.f, "f*", "") : "") + (far(n.g, [n.p, n.f]) ? tag(n.g, "g*", "") : "")
      + tag(n.p, "p", "held") + el("circle", { class: "dot model", cx: x, cy: Y(n.p), r: 4 }) + handle(x, Y(n.p), true);
    return panel(W, base + 42, svg);
  }

  function bowls(s, n, W, H) {
    const R = W - 10, X = (m) => L + m / 2 * (R - L), Y = (v) => H - v / MOST * (H - TOP);
    const bowl = (key, member) => el("path", { class: `curve ${key} key`, d: path(80, (k) => {
      const m = 0.02 + 1.96 * k / 80;
      return [X(m), Y(min(9, kl(n.p, member(m))))];
    }) });
    let svg = "";
    for (const v of [0, 0.2, 0.4, 0.6]) svg += line("grid", L, Y(v), R, Y(v)) + text("tick end", L - 6, Y(v) + 4, num(v, 1));
    for (const m of [0, 0.5, 1, 1.5, 2]) svg += text("tick middle", X(m), H + 17, num(m, 1));
    svg += line("axis", L, H, R, H) + line("guide", X(s.mean), TOP, X(s.mean), H)
      + text("name", L + 4, TOP - 8, "KL from p, nats") + text("name end", R, H + 34, "mean of the member")
      // an inner <svg> cuts off what rises above its frame
      + el("svg", { x: L, y: TOP, width: R - L, height: H - TOP, viewBox: `${L} ${TOP} ${R - L} ${H - TOP}` }, bowl("forward", f) + bowl("reverse", g))
      + el("circle", { class: "dot forward", cx: X(s.mean), cy: Y(n.kl_f), r: 5.5 }) + el("circle", { class: "dot reverse", cx: X(s.mean), cy: Y(n.kl_g), r: 5.5 });
    return panel(W, H + 42, svg);
  }

  function view(s, n, W) {
    const [first, second] = widths(W), F = num(n.kl_f, 4), G = num(n.kl_g, 4), d = num(n.difference, 4), e = num(n.error, 4);
    const triple = (p) => `(${p.map((v) => num(v, 3)).join(", ")})`;
    const closer = abs(n.difference) < 5e-5 ? "Both are equally far" : n.difference > 0 ? "f* is closer" : "g* is closer";
    return {
      panels: [triangle(s, n, first), bowls(s, n, second, second === W ? 230 : frame(first).base)],
      alt: `A triangle of distributions on 0, 1 and 2 with two curves, the binomial ones f above the geometric ones g. The truth p is at ${triple(n.p)}; `
        + `on the same vertical line stand its closest binomial ${triple(n.f)} and its closest geometric ${triple(n.g)}. A dotted curve between the families `
        + `holds the truths that are equally far from both. Beside it, KL from p to the members of each family against their mean: two bowls, lowest at the mean of p, ${num(s.mean, 2)}.`,
      readout: [
        { key: "", label: "Truth p", value: triple(n.p) },
        { key: "forward", label: "KL(p‖f*)", value: F },
        { key: "reverse", label: "KL(p‖g*)", value: G },
        { key: "", label: `KL(p‖g*) − KL(p‖f*), ± error of ${N} draws`, value: `${d} ± ${e}` },
      ],
      status: `${closer}: KL(p‖f*) = ${F}, KL(p‖g*) = ${G}. From ${N} draws their difference, ${d}, comes with a standard error of ${e} (nats).`,
    };
  }

  function handles(s, n, W) {
    const { side, left, base, X, Y } = frame(widths(W)[0]);
    return [{ panel: 0, x: X(n.p), y: Y(n.p), free: true, move(x, y) {
      const mean = min(1.9, max(0.1, 2 * (x - left) / side)), one = (base - y) / (side * ROOT);
      return { mean, ones: one / min(mean, 2 - mean) };
    } }];
  }

  Explorer.define({
    name: "projection",
    title: "Move the truth p: drag it, or use the sliders",
    start: { mean: 0.57, ones: 0.42 },
    controls: [
      { key: "mean", label: "Mean of the truth", min: 0.1, max: 1.9, step: 0.01, digits: 2 },
      { key: "ones", label: "Ones, as a share of the most possible", min: 0.02, max: 0.98, step: 0.01, digits: 2 },
    ],
    actions, model, view, handles, members: { f, g }, ties: at.tie,
  });
})();
