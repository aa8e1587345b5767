/* Explorer: the mean of the horse kicks, the mean of a Poisson model, and the slope of the average
   log-likelihood over the logarithm of the rate: the slope is the first less the second. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { abs, exp, log, max, min, hypot } = Math;

  // corps-years with 0, 1, 2, 3, 4 deaths
  const COUNTS = [109, 65, 22, 3, 1], N = COUNTS.reduce((a, b) => a + b), FACTORIAL = [1, 1, 2, 6, 24, 120];
  const average = (f) => COUNTS.reduce((sum, c, k) => sum + c / N * f(k), 0);
  const MEAN = average((k) => k);
  const poisson = (k, lambda) => exp(k * log(lambda) - lambda) / FACTORIAL[k];

  const loglik = (eta) => average((k) => k * eta - exp(eta) - log(FACTORIAL[k]));
  /* The slope is taken from the curve itself, by differences, and not from the two means. */
  const H = 1e-4, slope = (eta) => (8 * (loglik(eta + H) - loglik(eta - H)) - (loglik(eta + 2 * H) - loglik(eta - 2 * H))) / (12 * H);
  const model = ({ lambda }) => ({
    data: MEAN, model: lambda, residual: MEAN - lambda, slope: slope(log(lambda)), loglik: loglik(log(lambda)),
  });

  // ---- steps: log λ moves by half the residual; within reach of the slider each one climbs ----
  const RATE = 0.5, KEPT = 40;
  const next = (lambda) => lambda * exp(RATE * (MEAN - lambda));
  function walk(s, count, note) {
    if (abs(MEAN - s.lambda) < 1e-9) return { state: {}, note: "The two means agree: the curve is level here." };
    const trail = s.trail.slice();
    let lambda = s.lambda;
    for (let k = 0; k < count; k++) { trail.push(lambda); lambda = next(lambda); }
    return { state: { lambda, trail: trail.slice(-KEPT) }, note };
  }
  const actions = [
    { key: "step", label: "One step", run: (s) => walk(s, 1, "log λ moved by half the difference of the means.") },
    { key: "run", label: "Ten steps", run: (s) => walk(s, 10, "Ten steps, each half the difference of the means at the time.") },
    { key: "best", label: "Go to best", run: (s) => ({
      state: { lambda: MEAN, trail: s.trail }, note: "The mean of the model is that of the data: maximum likelihood." }) },
  ];

  // ---- the figure -----------------------------------------------------------
  const L = 34, TOP = 18, BASE = 180, MEANS = BASE + 78, FOOT = BASE + 76, TALL = MEANS + 46;
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.53 * W), W - Math.round(0.53 * W) - 8]);
  const meanScale = (W) => ({ m: (v) => L + v / 3.2 * (W - 10 - L), unm: (u) => (u - L) / (W - 10 - L) * 3.2 });
  function bars(s, n, W) {
    const x = (k) => L + (k + 0.6) * (W - 10 - L) / 6.2, { m } = meanScale(W), y = (v) => BASE - v / 0.96 * (BASE - TOP);
    let svg = "";
    for (const t of [0, 0.3, 0.6, 0.9]) svg += line("grid", L, y(t), W - 10, y(t)) + text("tick end", L - 6, y(t) + 4, num(t, 1));
    for (let k = 0; k <= 5; k++) {
      const f = (COUNTS[k] || 0) / N, p = poisson(k, s.lambda);
      svg += el("rect", { class: "bar", x: x(k) - 10, y: y(f), width: 20, height: y(0) - y(f) })
        + line("stem", x(k), y(0), x(k), y(p)) + el("circle", { class: "dot model", cx: x(k), cy: y(p), r: 4.5 })
        + text("tick middle", x(k), BASE + 18, k);
    }
    const key = W - 104, a = m(s.lambda), b = m(MEAN), sign = b < a ? -1 : 1, tip = b - 8 * sign;
    svg += line("axis", L, BASE, W - 10, BASE) + text("name", L + 4, TOP - 5, "share of corps-years")
      + text("name end", W - 10, BASE + 36, "deaths in a corps-year")
      + el("rect", { class: "bar", x: key - 6, y: TOP + 34, width: 12, height: 12 }) + text("name", key + 14, TOP + 44, "observed")
      + el("circle", { class: "dot model", cx: key, cy: TOP + 60, r: 4.5 }) + text("name", key + 14, TOP + 64, "Poisson(λ)")
      + [0, 1, 2, 3].map((t) => text("tick middle", m(t), MEANS + 20, num(t, 0))).join("")
      + line("guide", L, MEANS, W - 10, MEANS) + el("circle", { class: "dot data", cx: b, cy: MEANS, r: 5 });
    if (abs(a - b) > 24) svg += el("path", { class: "arrow",
      d: `M${tenth(a)} ${MEANS}H${tenth(tip)}M${tenth(tip - 8 * sign)} ${MEANS - 5}L${tenth(tip)} ${MEANS}L${tenth(tip - 8 * sign)} ${MEANS + 5}` });
    svg += el("circle", { class: "dot model", cx: a, cy: MEANS, r: 5 }) + handle(a, MEANS)
      + text("name modelname middle", min(max(a, 78), W - 54), MEANS - 14, `model’s mean ${num(s.lambda, 2)}`)
      + text("name dataname middle", b, MEANS + 36, `data’s mean ${num(MEAN, 2)}`);
    return panel(W, TALL, svg);
  }

  const FROM = -2.45, TO = 1.12, LOW = -2.65, HIGH = -0.85;
  const curveScale = (W) => ({
    X: (e) => L + (e - FROM) / (TO - FROM) * (W - 10 - L), unX: (u) => FROM + (u - L) / (W - 10 - L) * (TO - FROM),
    Y: (v) => FOOT - (v - LOW) / (HIGH - LOW) * (FOOT - TOP),
  });
  function curve(s, n, W) {
    const R = W - 10, { X, Y } = curveScale(W), eta = log(s.lambda), x = X(eta), y = Y(n.loglik);
    const run = X(1) - X(0), rise = (Y(1) - Y(0)) * n.slope, c = 58 / hypot(run, rise);
    let svg = "", dots = "";
    for (const t of [-2, -1, 0, 1]) svg += line("grid", X(t), TOP, X(t), FOOT) + text("tick middle", X(t), FOOT + 18, num(t, 0));
    for (const t of [-1, -1.5, -2, -2.5]) svg += line("grid", L, Y(t), R, Y(t)) + text("tick end", L - 6, Y(t) + 4, num(t, 1));
    for (const lambda of s.trail) dots += el("circle", { class: "step", cx: X(log(lambda)), cy: Y(loglik(log(lambda))), r: 3 });
    svg += line("axis", L, FOOT, R, FOOT) + text("name", L + 4, TOP - 5, "average log-likelihood ℓ/n")
      + text("name end", R, FOOT + 36, "log λ")
      + el("path", { class: "curve data", d: path(80, (k) => { const e = FROM + (TO - FROM) * k / 80; return [X(e), Y(loglik(e))]; }) })
      + line("tangent", x - c * run, y - c * rise, x + c * run, y + c * rise) + dots
      + text("name modelname", L + 10, FOOT - 12, `slope ${num(n.slope, 2)}`) + handle(x, y);
    return panel(W, TALL, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), r = num(abs(n.residual), 2);
    const says = abs(n.residual) < 5e-3 ? "the model expects what was seen" : `the model expects ${r} too ${n.residual < 0 ? "many" : "few"}`;
    return {
      panels: [bars(s, n, left), curve(s, n, right)],
      alt: `Observed shares of 0 to 4 deaths and the probabilities of Poisson(${num(s.lambda, 2)}). Below them an arrow from the `
        + `mean of the model, ${num(s.lambda, 2)}, to the mean of the data, ${num(MEAN, 2)}. Beside them the average log-likelihood over `
        + `log λ, a hill with its top at the mean of the data; its slope at the model is ${num(n.slope, 2)}.`,
      readout: [
        { key: "data", label: "Mean of the data", value: num(n.data, 2) },
        { key: "model", label: "Mean of the model, λ", value: num(n.model, 2) },
        { key: "residual", label: "Data less model", value: num(n.residual, 3) },
        { key: "tangent", label: "Slope over log λ", value: num(n.slope, 3) },
        { key: "", label: "Log-likelihood ℓ/n", value: num(n.loglik, 4) },
      ],
      status: `At λ = ${num(s.lambda, 2)} ${says}; the slope of the curve is ${num(n.slope, 2)}. Log-likelihood per corps-year ${num(n.loglik, 4)}.`,
    };
  }
  function handles(s, n, W) {
    const [left, right] = widths(W), { m, unm } = meanScale(left), { X, unX, Y } = curveScale(right);
    return [
      { panel: 0, x: m(s.lambda), y: MEANS, move: (u) => ({ lambda: unm(u) }) },
      { panel: 1, x: X(log(s.lambda)), y: Y(n.loglik), move: (u) => ({ lambda: exp(unX(u)) }) },
    ];
  }

  Explorer.define({
    name: "one-rate",
    title: "Change the rate: drag a point, use the slider, or take steps uphill",
    start: { lambda: 1.2, trail: [] },
    forget: { trail: [] },
    controls: [{ key: "lambda", label: "Mean of the model, λ", min: 0.1, max: 3, step: 0.01, digits: 2 }],
    actions, model, view, handles, rate: RATE,
  });
})();
