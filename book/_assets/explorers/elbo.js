/* Explorer: the lower bound on the log-likelihood of one observation, and its gap.

   Model: z ~ N(0, 1), x | z ~ N((z, z²), σ² I) with σ = 0.5; observed x = (0.1, height).
   Guess: q = N(mu, sigma²).  Bound in closed form, log p(x) and KL(q‖posterior) each by a fine grid. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { abs, exp, log, max, min, sqrt, PI } = Math;

  const FIRST = 0.1, V = 0.25, H = 0.02;                    // first coordinate, σ², spacing of the grid
  const normal = (t) => exp(-0.5 * t * t) / sqrt(2 * PI);
  const logJoint = (z, h) => -0.5 * ((FIRST - z) ** 2 + (h - z * z) ** 2) / V - log(2 * PI * V) - 0.5 * (z * z + log(2 * PI));

  /** log p(x), by the trapezoid rule over (−6, 6): the posterior is far inside. */
  function evidence(h) {
    let top = -Infinity, sum = 0;
    for (let k = -300; k <= 300; k++) top = max(top, logJoint(k * H, h));
    for (let k = -300; k <= 300; k++) sum += exp(logJoint(k * H, h) - top);
    return top + log(sum * H);
  }
  /** The two terms of the bound: E_q[log p(x|z)], from the moments of q, and KL(q‖prior). */
  function terms(mu, sigma, h) {
    const a = mu * mu, b = sigma * sigma;
    const miss = (FIRST - mu) ** 2 + b + h * h - 2 * h * (a + b) + a * a + 6 * a * b + 3 * b * b;
    return { fit: -0.5 * miss / V - log(2 * PI * V), prior: 0.5 * (a + b - 1 - log(b)) };
  }
  function model({ mu, sigma, height }) {
    const { fit, prior } = terms(mu, sigma, height), logp = evidence(height);
    let gap = 0;                                            // E_q[log q − log posterior] over ± 9 standard deviations
    for (let k = -450; k <= 450; k++) {
      const t = k * H;
      gap += H * normal(t) * (-0.5 * (t * t + log(2 * PI)) - log(sigma) - logJoint(mu + sigma * t, height) + logp);
    }
    return { logp, elbo: fit - prior, gap, fit, prior };
  }

  // ---- climbing ---------------------------------------------------------------
  const bound = (mu, s, h) => { const { fit, prior } = terms(mu, exp(s), h); return fit - prior; };
  /** Slope of the bound in mu and log sigma. */
  function slope(mu, s, h) {
    const a = mu * mu, b = exp(2 * s);
    return [(FIRST - mu + 2 * h * mu - 2 * mu * a - 6 * mu * b) / V - mu, (-b + 2 * h * b - 6 * a * b - 6 * b * b) / V - b + 1];
  }
  /** The local maximum reached from here: along the slope, each step halved until it goes up. */
  function climb({ mu, sigma, height: h }) {
    let s = log(sigma), step = 0.1;
    for (let k = 0; k < 4000; k++) {
      const [g, f] = slope(mu, s, h), here = bound(mu, s, h);
      if (abs(g) + abs(f) < 1e-9) break;
      while (step > 1e-12 && !(bound(mu + step * g, s + step * f, h) >= here + 0.3 * step * (g * g + f * f))) step /= 2;
      mu += step * g; s += step * f; step *= 1.7;
    }
    return { mu, sigma: exp(s) };
  }

  // ---- the figure -------------------------------------------------------------
  const L = 30, TOP = 20, BASE = 268, SIDE = 4, MOST = 2, DEEP = 3;
  const scale = (R) => ({ X: (z) => L + (z / SIDE + 1) / 2 * (R - L), unX: (u) => ((u - L) / (R - L) * 2 - 1) * SIDE });
  const Y = (d) => BASE - d / MOST * (BASE - TOP), inside = (y) => max(TOP, y);
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.66 * W), W - Math.round(0.66 * W) - 8]);

  function curves(s, n, W) {
    const R = W - 10, { X } = scale(R), q = (z) => normal((z - s.mu) / s.sigma) / s.sigma, post = (z) => exp(logJoint(z, s.height) - n.logp);
    const points = (f) => path(400, (k) => { const z = (k / 200 - 1) * SIDE; return [X(z), Y(f(z))]; });
    let svg = "";
    for (const z of [-4, -2, 0, 2, 4]) svg += line("grid", X(z), TOP, X(z), BASE) + text("tick middle", X(z), BASE + 18, num(z, 0));
    for (const d of [0, 0.5, 1, 1.5, 2]) svg += line("grid", L, Y(d), R, Y(d)) + text("tick end", L - 6, Y(d) + 4, num(d, 1));
    svg += line("axis", L, BASE, R, BASE) + text("name end", R, BASE + 36, "hidden z") + text("name", L + 4, TOP - 7, "density")
      // an inner <svg> cuts off what is higher than the panel
      + el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
        el("path", { class: "area", d: points(post) + `L${R} ${BASE}L${L} ${BASE}Z` }) + el("path", { class: "curve sample", d: points(normal) })
        + el("path", { class: "curve data", d: points(post) }) + el("path", { class: "curve model", d: points(q) }))
      + text("name dataname end", R - 4, TOP + 14, "posterior") + text("name modelname end", R - 4, TOP + 30, "guess q")
      + text("name end", R - 4, TOP + 46, "prior (dotted)")
      + handles(s, n, W).map((p) => handle(p.x, p.y)).join("");
    return panel(W, 310, svg);
  }

  function bars(s, n, W, height) {
    const low = height - 42, R = W - 10, at = (v) => TOP + min(v, DEEP) / DEEP * (low - TOP), y = at(n.gap), x = L + 34, off = n.gap > DEEP;
    const head = (v, to) => path(2, (k) => [x + 4.5 * (k - 1), k === 1 ? v : v + to]);
    let svg = text("name", L + 4, TOP - 7, "log p(x)");
    for (const v of [1, 2, 3]) svg += line("grid", L, at(v), R, at(v)) + text("tick end", L - 6, at(v) + 4, num(-v, 0));
    svg += text("tick end", L - 6, TOP + 4, "0");
    if (!off) svg += el("rect", { class: "bar", x: L + 12, y, width: 44, height: low - y });
    if (y - TOP > 14) svg += el("path", { class: "gap", d: `M${x} ${TOP + 3}V${tenth(y - 2)}` + head(TOP + 3, 8) + (off ? "" : head(y - 2, -8)) });
    svg += line("tangent", L, TOP, R, TOP) + line("axis", L, low, R, low)
      + text("name gapname", L + 66, max(TOP + 16, (TOP + y) / 2 + 4), "gap " + num(n.gap, 3))
      + text("name", L + 66, min(low - 8, y + 22), off ? "bound off the scale" : "bound")
      + text("name end", R, low + 18, "bound − log p(x), nats");
    return panel(W, height, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), p = num(n.logp, 4), b = num(n.elbo, 4), g = num(n.gap, 4);
    const guess = `q with mean ${num(s.mu, 2)} and standard deviation ${num(s.sigma, 2)}`;
    return {
      panels: [curves(s, n, left), bars(s, n, right, left === W ? 210 : 310)],
      alt: `The posterior density of z given x = (0.1, ${num(s.height, 2)}), shaded, the standard normal prior, and a normal ${guess}. `
        + `Beside them a bar, the lower bound, ends ${num(n.gap, 2)} nats below the line of log p(x).`,
      readout: [
        { key: "", label: "log p(x)", value: p },
        { key: "", label: "Bound ELBO(q)", value: b },
        { key: "gap", label: "Gap KL(q‖posterior)", value: g },
        { key: "", label: "E<sub>q</sub>[log p(x|z)]", value: num(n.fit, 4) },
        { key: "", label: "KL(q‖prior)", value: num(n.prior, 4) },
      ],
      status: `x = (0.1, ${num(s.height, 2)}), ${guess}: bound ${b}, gap ${g}, together log p(x) = ${p} nats.`,
    };
  }
  function handles(s, n, W) {
    const { X, unX } = scale(widths(W)[0] - 10);
    return [
      { panel: 0, x: X(s.mu + s.sigma), y: inside(Y(normal(1) / s.sigma)), move: (u) => ({ sigma: unX(u) - s.mu }) },
      { panel: 0, x: X(s.mu), y: inside(Y(normal(0) / s.sigma)), move: (u) => ({ mu: unX(u) }) },
    ];
  }

  Explorer.define({
    name: "elbo",
    title: "Move the guess q: drag its top or its side, or use the sliders; then change what the power meter reads",
    start: { mu: -0.3, sigma: 0.7, height: 0.5 },
    controls: [
      { key: "mu", label: "Mean of q", min: -2, max: 2, step: 0.01, digits: 2 },
      { key: "sigma", label: "Spread of q (sd)", min: 0.1, max: 2, step: 0.01, digits: 2 },
      { key: "height", label: "Power read, in watts", min: -1, max: 3, step: 0.05, digits: 2 },
    ],
    actions: [
      { key: "climb", label: "Climb to the best q nearby", run: (s) => ({
        state: climb(s), note: `The bound was ${num(model(s).elbo, 4)}; from here no small change of q raises it.` }) },
      { key: "prior", label: "Take the prior as q", run: () => ({ state: { mu: 0, sigma: 1 }, note: "q is the prior: its KL to the prior is zero." }) },
    ],
    model, view, handles, climb, slope,
  });
})();
