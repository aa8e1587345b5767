/* Explorer: the residual with one parameter, a Poisson distribution on the horse kicks.

   p(x) = exp(ηx − e^η)/x!, so the slope of ℓ/n at η is what the data's mean has more than the model's: x̄ − e^η. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { abs, exp, log, max, min, round } = Math;

  // corps-years with 0, 1, 2, 3, 4 deaths
  const COUNTS = [109, 65, 22, 3, 1], N = COUNTS.reduce((a, b) => a + b), LOGS = [0, 0, log(2), log(6), log(24), log(120)];
  const average = (f) => COUNTS.reduce((sum, c, k) => sum + c / N * f(k), 0), MEAN = average((k) => k), FIXED = average((k) => LOGS[k]);
  const loglik = (eta) => eta * MEAN - exp(eta) - FIXED;
  const model = ({ eta }) => ({ model: exp(eta), data: MEAN, residual: MEAN - exp(eta), loglik: loglik(eta), kl: MEAN * (log(MEAN) - eta) - MEAN + exp(eta) });

  const RATE = 0.5, KEPT = 60;
  const next = (eta) => eta + RATE * (MEAN - exp(eta));
  const REST = "The residual is zero: there is nowhere better to go.";
  const actions = [
    { key: "step", label: "Gradient step", run: ({ eta, trail }) => (abs(MEAN - exp(eta)) < 1e-9 ? { state: {}, note: REST } : {
      state: { eta: next(eta), trail: trail.concat([eta]).slice(-KEPT) },
      note: `η moved by ${RATE} times the residual. The KL was ${num(model({ eta }).kl, 4)}.` }) },
    { key: "run", label: "Run", run: ({ eta, trail }) => {
      const way = [];
      for (let at = eta; way.length < 200 && abs(MEAN - exp(at)) > 1e-6;) {
        trail = trail.concat([at]).slice(-KEPT);
        way.push({ eta: at = next(at), trail });
      }
      return way.length ? { state: way[way.length - 1], way: way.slice(0, 40), note: `${way.length} gradient steps, until the two means agree to six digits.` } : { state: {}, note: REST };
    } },
    { key: "best", label: "Go to best", run: ({ eta, trail }) => ({
      state: { eta: log(MEAN), trail: [] }, note: `The model takes the mean of the data, ${num(MEAN, 2)}: maximum likelihood.` }) },
  ];

  const L = 38, TOP = 20, BASE = 250, LOW = -2.5, HIGH = 0.7, SPAN = [-2.1, -0.9];
  const scale = (R) => ({ X: (e) => L + (e - LOW) / (HIGH - LOW) * (R - L), unX: (u) => LOW + (u - L) / (R - L) * (HIGH - LOW) });
  const Y = (v) => BASE - (v - SPAN[0]) / (SPAN[1] - SPAN[0]) * (BASE - TOP);
  const widths = (W) => (W < 540 ? [W, W] : [round(0.56 * W), W - round(0.56 * W) - 8]);

  function curve(s, n, W) {
    const R = W - 10, { X } = scale(R), x = X(s.eta), y = Y(n.loglik);
    const run = X(1) - X(0), rise = (Y(1) - Y(0)) * n.residual, c = 70 / Math.hypot(run, rise);
    let svg = "";
    for (const e of [-2, -1, 0]) svg += line("grid", X(e), TOP, X(e), BASE) + text("tick middle", X(e), BASE + 18, num(e, 0));
    for (const v of [-2, -1.5, -1]) svg += line("grid", L, Y(v), R, Y(v)) + text("tick end", L - 5, Y(v) + 4, num(v, 1));
    svg += line("axis", L, BASE, R, BASE) + text("name", L + 4, TOP - 7, "ℓ/n, nats") + text("name end", R, BASE + 36, "η = log λ")
      + el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
        el("path", { class: "curve loglik", d: path(96, (k) => { const e = LOW + k / 30; return [X(e), Y(loglik(e))]; }) })
        + line("tangent", x - c * run, y - c * rise, x + c * run, y + c * rise)
        + s.trail.map((e) => el("circle", { class: "step", cx: X(e), cy: Y(loglik(e)), r: 3.5 })).join(""))
      + text("name" + (s.eta > -0.6 ? " end" : ""), x + (s.eta > -0.6 ? -14 : 14), max(TOP + 60, y + 30), `slope ${num(n.residual, 3)}`)
      + handles(s, n, W, true).map((h) => handle(h.x, h.y)).join("");
    return panel(W, 292, svg);
  }

  function bars(s, n, W) {
    const R = W - 8, l = 32, X = (k) => l + (k + 0.5) * (R - l) / 5.5, H = 200, P = (v) => H - v / 0.95 * (H - TOP);
    let svg = "", factorial = 1;
    for (const t of [0, 0.3, 0.6, 0.9]) svg += line("grid", l, P(t), R, P(t)) + text("tick end", l - 5, P(t) + 4, num(t, 1));
    for (let k = 0; k <= 4; k++) {
      const p = exp(k * s.eta - n.model) / (factorial *= max(1, k));
      svg += el("rect", { class: "bar", x: X(k) - 10, y: P(COUNTS[k] / N), width: 20, height: H - P(COUNTS[k] / N) })
        + line("stem", X(k), H, X(k), P(p)) + el("circle", { class: "dot model", cx: X(k), cy: P(p), r: 4.5 }) + text("tick middle", X(k), H + 18, k);
    }
    // the two means, and from the model's to the data's the residual
    const M = (v) => l + v / 2.1 * (R - l), [a, b] = [M(n.model), M(n.data)], y = H + 36, side = b > a ? -1 : 1, far = abs(b - a) > 16;
    svg += line("axis", l, H, R, H) + text("name", l + 4, TOP - 7, "share of the corps-years") + line("grid", l, y, R, y);
    for (const v of [0, 1, 2]) svg += line("axis", M(v), y - 4, M(v), y + 4) + text("tick end", M(v) - 5, y + 4, v ? num(v, 0) : "0");
    if (far) svg += el("path", { class: "arrow", d: `M${tenth(a)} ${y}H${tenth(b + 7 * side)}m${7 * side} -5l${-7 * side} 5l${7 * side} 5` });
    svg += el("circle", { class: "dot data", cx: b, cy: y, r: 5 }) + el("circle", { class: "dot model", cx: a, cy: y, r: 5 })
      + text("name dataname middle", b, y + 20, "data’s mean") + text("name modelname middle", max(l + 40, min(R - 40, a)), y + 36, "model’s mean λ");
    return panel(W, 292, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), r = num(n.residual, 4), l = num(n.loglik, 4), k = num(n.kl, 4);
    return {
      panels: [curve(s, n, left), bars(s, n, right)],
      alt: `The log-likelihood of the horse kicks over η = log λ, a hill with its top at ${num(log(MEAN), 2)}, and its tangent at η = ${num(s.eta, 2)}, of slope ${r}. `
        + `Beside it the observed shares of 0 to 4 deaths and Poisson probabilities; below them the two means, ${num(n.data, 2)} of the data and ${num(n.model, 2)} of the model.`,
      readout: [
        { key: "model", label: "Model’s mean λ = e<sup>η</sup>", value: num(n.model, 4) },
        { key: "data", label: "Data’s mean, fixed", value: num(n.data, 4) },
        { key: "residual", label: "Residual = slope of ℓ/n", value: r },
        { key: "loglik", label: "Log-likelihood ℓ/n", value: l },
        { key: "", label: "KL(p<sub>best</sub>‖p<sub>η</sub>)", value: k },
      ],
      status: `At η = ${num(s.eta, 2)}: residual ${r}, log-likelihood per observation ${l}, KL from the best ${k} (nats).`,
    };
  }
  function handles(s, n, W, inPanel) {
    const { X, unX } = scale((inPanel ? W : widths(W)[0]) - 10);
    return [{ panel: 0, x: X(s.eta), y: min(BASE, Y(n.loglik)), move: (u) => ({ eta: unX(u) }) }];
  }

  Explorer.define({
    name: "poisson-residual",
    title: "Move the model: drag its point along the hill, use the slider, or take steps",
    start: { eta: -2, trail: [] },
    forget: { trail: [] },
    controls: [{ key: "eta", label: "Natural parameter η = log λ", min: -2.5, max: 0.7, step: 0.01, digits: 2 }],
    actions, model, view, handles, rate: RATE,
  });
})();
