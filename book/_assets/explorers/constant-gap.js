/* Explorer: cross-entropy and KL from the observed frequencies of the horse kicks to
   Poisson(lambda), with the constant gap H(p_emp) between them. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { exp, log } = Math;

  // corps-years with 0, 1, 2, 3, 4 deaths
  const COUNTS = [109, 65, 22, 3, 1], N = COUNTS.reduce((a, b) => a + b), FACTORIAL = [1, 1, 2, 6, 24, 120];
  const average = (f) => COUNTS.reduce((sum, c, k) => sum + c / N * f(c / N, k), 0);
  const MEAN = average((f, k) => k), ENTROPY = average((f) => -log(f));
  const poisson = (k, lambda) => exp(k * log(lambda) - lambda) / FACTORIAL[k];

  const crossEntropy = (lambda) => average((f, k) => lambda - k * log(lambda) + log(FACTORIAL[k]));
  const divergence = (lambda) => average((f, k) => log(f) + lambda - k * log(lambda) + log(FACTORIAL[k]));
  const slope = (lambda) => 1 - MEAN / lambda;
  const model = ({ lambda }) => ({
    mean: MEAN, n: N, cross: crossEntropy(lambda), kl: divergence(lambda), gap: ENTROPY,
    slope: slope(lambda), loglik: -N * crossEntropy(lambda),
  });

  const best = { fit: () => ({ lambda: MEAN }) };

  // ---- the figure -----------------------------------------------------------
  const L = 30, TOP = 18, BASE = 246, MOST = 2.2, LAST = 2.1;
  const Y = (v) => BASE - v / MOST * (BASE - TOP);
  const scale = (R) => ({ X: (l) => L + l / LAST * (R - L), unX: (u) => (u - L) / (R - L) * LAST });
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.6 * W), W - Math.round(0.6 * W) - 8]);
  function curves(s, n, W) {
    const R = W - 10, { X } = scale(R), l = s.lambda, x = X(l), top = Y(n.cross), low = Y(n.kl), right = l < 1.45;

    const curve = (key, f) => el("path", { class: "curve " + key, d: path(80, (k) => {
      const t = 0.05 + 2 * (k / 80) ** 2;
      return [X(t), Y(f(t))];
    }) });
    // The same length whatever the slope
    const run = X(1) - X(0), rise = (Y(1) - Y(0)) * n.slope, c = 62 / Math.hypot(run, rise);
    const tangent = (y) => line("tangent", x - c * run, y - c * rise, x + c * run, y + c * rise);
    const head = (y, to) => path(2, (k) => [x + 4.5 * (k - 1), k === 1 ? y : y + to]);

    let svg = "";
    for (const t of [0.5, 1, 1.5, 2]) svg += line("grid", X(t), TOP, X(t), BASE) + text("tick middle", X(t), BASE + 19, num(t, 1));
    for (const t of [0, 1, 2]) svg += line("grid", L, Y(t), R, Y(t)) + text("tick end", L - 6, Y(t) + 4, num(t, 0));
    svg += line("axis", L, BASE, R, BASE) + text("name", L + 4, TOP - 4, "nats") + text("name end", R, BASE + 36, "rate λ")
      + line("guide", X(MEAN), TOP + 14, X(MEAN), BASE) + text("name", X(MEAN) + 6, TOP + 26, "mean " + num(MEAN, 2))
      // an inner <svg> cuts off what leaves the panel
      + el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
        curve("cross", crossEntropy) + curve("kl", divergence) + tangent(top) + tangent(low))
      + el("path", { class: "gap", d: `M${tenth(x)} ${tenth(top + 11)}V${tenth(low - 11)}` + head(top + 11, 8) + head(low - 11, -8) })
      + el("text", { class: "name gapname" + (right ? "" : " end"), x: x + (right ? 10 : -10), y: (top + low) / 2 + 4 },
        'H(p<tspan class="sub" dy="3">emp</tspan><tspan dy="-3">)</tspan>')
      + handles(s, n, W).map((h) => handle(h.x, h.y)).join("");
    return panel(W, 290, svg);
  }

  function bars({ lambda }, W) {
    const x = (k) => L + (k + 0.6) * (W - 10 - L) / 6.2, y = (v) => BASE - v / 0.96 * (BASE - TOP);
    let svg = "";
    for (const t of [0, 0.3, 0.6, 0.9]) svg += line("grid", L, y(t), W - 10, y(t)) + text("tick end", L - 6, y(t) + 4, num(t, 1));
    for (let k = 0; k <= 5; k++) {
      const f = (COUNTS[k] || 0) / N, p = poisson(k, lambda);
      svg += el("rect", { class: "bar", x: x(k) - 10, y: y(f), width: 20, height: y(0) - y(f) })
        + line("stem", x(k), y(0), x(k), y(p)) + el("circle", { class: "dot model", cx: x(k), cy: y(p), r: 4.5 })
        + text("tick middle", x(k), BASE + 19, k);
    }
    const key = W - 138;
    const entry = (y, words, sub) => el("text", { class: "name", x: key + 14, y }, `${words}, p<tspan class="sub" dy="3">${sub}</tspan>`);
    svg += line("axis", L, BASE, W - 10, BASE) + text("name end", W - 10, BASE + 36, "deaths in a corps-year")
      + el("rect", { class: "bar", x: key - 6, y: TOP + 34, width: 12, height: 12 })
      + entry(TOP + 44, "observed", "emp")
      + el("circle", { class: "dot model", cx: key, cy: TOP + 60, r: 4.5 }) + entry(TOP + 64, "Poisson(λ)", "λ");
    return panel(W, 290, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W);
    const c = num(n.cross, 4), k = num(n.kl, 4), g = num(n.gap, 4), d = num(n.slope, 3);
    return {
      panels: [curves(s, n, left), bars(s, right)],
      alt: `Cross-entropy and KL from the observed frequencies to Poisson(λ), two curves over the rate λ from 0 to 2. The upper is `
        + `the lower raised by the entropy ${g}: both have the same slope everywhere and their minimum at λ = ${num(MEAN, 2)}. `
        + `Beside them the observed frequencies of 0 to 4 deaths and the probabilities of Poisson(${num(s.lambda, 2)}).`,
      readout: [
        { key: "cross", label: "Cross-entropy H(p<sub>emp</sub>, p<sub>λ</sub>)", value: c },
        { key: "kl", label: "KL(p<sub>emp</sub>‖p<sub>λ</sub>)", value: k },
        { key: "gap", label: "Gap: entropy of the observed, H(p<sub>emp</sub>)", value: g },
        { key: "tangent", label: "Slope of both, 1 − 0.61/λ", value: d },
        { key: "", label: "Log-likelihood = −200 × cross-entropy", value: num(n.loglik, 2) },
      ],
      status: `At λ = ${num(s.lambda, 2)}: cross-entropy ${c}, KL ${k}, gap ${g} nats; slope of both ${d}.`,
    };
  }
  function handles(s, n, W) {
    const { X, unX } = scale(widths(W)[0] - 10), move = (u) => ({ lambda: unX(u) });
    return [n.kl, n.cross].map((v) => ({ panel: 0, x: X(s.lambda), y: Y(v), move }));
  }

  Explorer.define({
    name: "constant-gap",
    title: "Choose the rate: drag a point along its curve, or use the slider",
    start: { lambda: 1.2 },
    controls: [{ key: "lambda", label: "Poisson rate λ", min: 0.1, max: 2, step: 0.01, digits: 2 }],
    actions: [{ key: "best", label: "Go to best", run: () => ({
      state: best.fit(), note: `Both curves are lowest at the mean number of deaths: maximum likelihood is minimum KL.` }) }],
    model, view, handles, best,
  });
})();
