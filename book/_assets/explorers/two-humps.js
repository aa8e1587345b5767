/* Explorer: forward and reverse KL between two humps and a normal.

   p = ½ N(−m, 1) + ½ N(m, 1) with m = d/2;  q = N(mu, sigma²) is in your hands. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const C = 0.5 * Math.log(2 * Math.PI), { abs, cosh, exp, log, log1p, max, min, sqrt, tanh } = Math;

  /** E[f(Z)], Z standard normal: the trapezoid rule, whose error for analytic f falls
      like exp(−2π·(distance of the nearest pole)/h).  Here log cosh(m(mu + sigma z)) has
      poles at a height of π/(2 m sigma), so this h leaves less than 1e-13. */
  function expectation(f, slope) {
    const h = min(0.25, 0.3 / slope), n = Math.ceil(9 / h);
    let sum = 0;
    for (let k = -n; k <= n; k++) sum += exp(-0.5 * (k * h) ** 2 - C) * f(k * h);
    return sum * h;
  }
  const logcosh = (t) => abs(t) + log1p(exp(-2 * abs(t))) - Math.LN2;

  // log p(x) = −½log 2π − ½(x² + m²) + log cosh(mx), without overflow in any tail
  const logp = (m, x) => -C - 0.5 * (x * x + m * m) + logcosh(m * x);
  const entropy = (m) => C + 0.5 + m * m - expectation((z) => logcosh(m * (m + z)), m);
  /** KL(p‖q): p enters by its entropy, its mean 0 and its variance 1 + m². */
  const forward = (m, mu, s) => -entropy(m) + C + log(s) + (1 + m * m + mu * mu) / (2 * s * s);
  /** KL(q‖p) */
  const reverse = (m, mu, s) => 0.5 * (mu * mu + s * s + m * m - 1) - log(s)
    - expectation((z) => logcosh(m * (mu + s * z)), m * s);

  /** 200 draws from p: a fixed generator, so that every machine has the same sample. */
  const N = 200;
  function sample(m, seed) {
    let u = (7919 * seed) % 2147483647;
    const next = () => (u = (48271 * u) % 2147483647) / 2147483647;
    next(); next();
    return Array.from({ length: N }, () =>
      sqrt(-2 * log(next())) * Math.cos(2 * Math.PI * next()) + (next() < 0.5 ? -m : m));
  }

  function model({ d, mu, sigma, seed }) {
    const m = d / 2, x = sample(m, seed), mean = x.reduce((a, b) => a + b) / N;
    const sd = sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / N), H = entropy(m);
    const F = forward(m, mu, sigma);
    return {
      m, x, mean, sd, entropy: H, forward: F, reverse: reverse(m, mu, sigma), expected: -H - F,
      loglik: -C - log(sigma) - (sd * sd + (mu - mean) ** 2) / (2 * sigma * sigma),
    };
  }

  // ---- where each criterion is best ----------------------------------------
  /** Slope and curvature of KL(q‖p) in (mu, log sigma). */
  function bend(m, mu, s) {
    const E = (f) => expectation((z) => f(z, m * (mu + s * z)), m * s), sech2 = (t) => 1 / cosh(min(abs(t), 300)) ** 2;
    const a = E((z, t) => sech2(t)), b = E((z, t) => z * sech2(t)), c = E((z, t) => z * z * sech2(t));
    const A = 1 - m * m * a, B = -m * m * s * b, D = s * s * (2 - m * m * (a + c));
    const gm = mu - m * E((z, t) => tanh(t)), gs = s * s * A - 1;
    return { gm, gs, A, B, D, lowest: (A + D) / 2 - sqrt(((A - D) / 2) ** 2 + B * B), steep: Math.hypot(gm, gs) };
  }
  /** Where the way down KL(q‖p) leads from (mu, sigma): Newton's steps, bent towards the
      slope (`lift`) until they are short, so that none leaps over a ridge. */
  function descend(m, mu, s) {
    for (let k = 0; k < 300; k++) {
      const { gm, gs, A, B, D, lowest, steep } = bend(m, mu, s);
      if (steep < 1e-12 && lowest > -1e-9) break;
      let lift = lowest > 1e-9 ? 0 : 1e-9 - 2 * lowest, dm = 0.05, ds = 0;    // on a ridge: fall to the right
      if (steep > 1e-9 || lowest > 0) do {
        const a = A + lift, d = D + lift, det = a * d - B * B;
        dm = (B * gs - d * gm) / det; ds = (B * gm - a * gs) / det;
        lift = 1.5 * lift + 0.1 * steep;
      } while (Math.hypot(dm, ds) > 0.05);
      mu += dm; s *= exp(ds);
    }
    return { mu: abs(mu) < 1e-9 ? 0 : mu, sigma: s, value: reverse(m, mu, s) };
  }
  const best = {
    forward: ({ d }) => ({ mu: 0, sigma: sqrt(1 + d * d / 4) }),
    likelihood: (state) => { const { mean, sd } = model(state); return { mu: mean, sigma: sd }; },
    /** The optimum downhill from here, and the lowest of all (found from both shapes of start). */
    reverse({ d, mu, sigma }) {
      const m = d / 2, here = descend(m, mu, sigma);
      const all = [here, descend(m, 0, sqrt(1 + m * m)), descend(m, m, 1)];
      return { here, lowest: all.reduce((x, y) => (y.value < x.value - 1e-10 ? y : x)) };
    },
  };

  const actions = [
    { key: "forward", label: "Best forward KL", run: (state) => ({
      state: best.forward(state), note: "Best forward KL: q takes the mean and the variance of p." }) },
    { key: "likelihood", label: "Maximum likelihood", run: (state) => ({
      state: best.likelihood(state), note: "Maximum likelihood: q takes the mean and the variance of the sample." }) },
    { key: "reverse", label: "Best reverse KL", run(state) {
      const { here, lowest } = best.reverse(state), covers = abs(here.mu) < 1e-6;
      const shape = covers ? "q covers both humps" : "q keeps to one hump";
      const note = here.value > lowest.value + 1e-10
        ? `Downhill from where you were, a local minimum of reverse KL: ${shape}. `
          + `${covers ? "Keeping to one" : "Covering both"} is better: ${num(lowest.value, 4)}.`
        : `Best reverse KL: ${shape}. No minimum is lower${covers ? "" : "; its mirror image is as low"}.`;
      return { state: { mu: here.mu, sigma: here.sigma }, note };
    } },
    { key: "sample", label: "New sample", run: (state) => ({
      state: { seed: state.seed % 99 + 1 }, note: "Another 200 draws from p: only the log-likelihood changes." }) },
  ];

  // ---- the figure -----------------------------------------------------------
  const L = 34, TOP = 14, BASE = 190, OVER = 252, UNDER = 338, UP = 372, LOW = 478, MOST = 4;
  const scale = (R) => ({ X: (x) => L + (x + 8) / 16 * (R - L), unX: (u) => (u - L) / (R - L) * 16 - 8 });
  const q = (s, x) => exp(-0.5 * ((x - s.mu) / s.sigma) ** 2 - C) / s.sigma;
  const Y = (s) => { const most = max(0.44, 1.1 * q(s, s.mu)); return (y) => BASE - y / most * (BASE - TOP); };
  const V = (v) => LOW - v / MOST * (LOW - UP);
  // The handle for sigma stands at mu + sigma, or on the other side where that is off the figure.
  const grip = (s) => (s.mu + s.sigma > 7.7 ? s.mu - s.sigma : s.mu + s.sigma);

  function view(s, n, W) {
    const R = W - 10, { X } = scale(R), y = Y(s), { m } = n, { mu, sigma } = s, peak = y(q(s, mu)), g = grip(s);

    const density = (f) => path(160, (k) => [X(k / 10 - 8), y(f(k / 10 - 8))]);
    const hump = density((x) => exp(logp(m, x)));
    const across = (key, f) => el("path", { class: "curve " + key, d: path(80, (k) => {
      const at = k / 5 - 8;
      return [X(at), V(min(99, f(at)))];
    }) });
    // What each outcome adds to KL: the area, above zero less below, is the divergence.
    const logq = (x) => -0.5 * ((x - mu) / sigma) ** 2 - C - log(sigma);
    const terms = (f) => Array.from({ length: 161 }, (_, k) => f(k / 10 - 8));
    const added = {
      forward: terms((x) => exp(logp(m, x)) * (logp(m, x) - logq(x))),
      reverse: terms((x) => q(s, x) * (logq(x) - logp(m, x))),
    };
    // Its axis holds all of both, a fifth of it below zero, and has one more tick: the largest 1, 2 or 5 times a power of ten
    const all = [...added.forward, ...added.reverse], top = max(1.2, 1.05 * max(...all), -4.2 * min(...all));
    const I = (v) => UNDER - (v / top + 0.25) / 1.25 * (UNDER - OVER);
    const unit = 10 ** Math.floor(Math.log10(top)), tick = unit * [5, 2, 1].find((k) => k * unit <= top);
    const integrand = (key) => el("path", { class: "integrand " + key,
      d: path(160, (k) => [X(k / 10 - 8), I(added[key][k])]) + `L${R} ${tenth(I(0))}L${L} ${tenth(I(0))}Z` });
    // Seen as functions of the mean, forward KL and −ℓ/n are parabolas of the same curvature.
    const parabola = (value, centre) => (at) => value + ((at - centre) ** 2 - (mu - centre) ** 2) / (2 * sigma * sigma);
    // A ring at the value, or an arrowhead where that is off the scale
    const dot = (key, v) => (v < MOST ? el("circle", { class: "dot " + key, cx: X(mu), cy: V(v), r: 5 })
      : el("path", { class: "dot " + key, d: `M${tenth(X(mu) - 6)} ${UP + 5}h12l-6-11z` }));

    let svg = line("guide", X(mu), peak, X(mu), LOW);
    for (let k = -8; k <= 8; k += 2) svg += line("grid", X(k), TOP, X(k), LOW) + text("tick middle", X(k), BASE + 32, num(k, 0));
    for (const t of [0, 0.2, 0.4]) svg += text("tick end", L - 6, y(t) + 4, num(t, 1));
    for (const t of [0, tick]) svg += line("grid", L, I(t), R, I(t)) + text("tick end", L - 6, I(t) + 4, num(t, 0));
    for (const t of [0, 2, 4]) svg += line("grid", L, V(t), R, V(t)) + text("tick end", L - 6, V(t) + 4, num(t, 0));
    svg += line("axis", L, BASE, R, BASE) + line("axis", L, LOW, R, LOW)
      // densities and sample
      + el("path", { class: "area", d: hump + `L${R} ${BASE}L${L} ${BASE}Z` }) + el("path", { class: "outline", d: hump })
      + el("path", { class: "rug", d: n.x.map((x) => `M${tenth(X(x))} ${BASE + 4}v9`).join("") })
      + el("path", { class: "curve model", d: density((x) => q(s, x)) })
      + line("guide strong", X(mu), y(q(s, g)), X(g), y(q(s, g)))
      + text("name", L + 4, TOP + 2, "density")
      + text("letter", X(-m - 0.8) - 12, y(exp(logp(m, -m - 0.6))) - 6, "p")
      + text("letter held", X(mu) + 12, max(TOP + 6, peak - 7), "q")
      + integrand("forward") + integrand("reverse")
      + text("name", L + 4, OVER - 6, W < 480 ? "p log(p/q); dashed q log(q/p)" : "nats per outcome: p log(p/q), dashed q log(q/p); their areas are the KLs")
      // divergences; an inner <svg> cuts off what rises above its frame
      + text("name", L + 4, UP - 8, "nats, as μ moves") + text("name end", R, UP - 8, "dotted: −ℓ/n − H(p)")
      + el("svg", { x: L, y: UP, width: R - L, height: LOW - UP, viewBox: `${L} ${UP} ${R - L} ${LOW - UP}` },
        across("reverse", (at) => reverse(m, at, sigma)) + across("forward", parabola(n.forward, 0))
        + across("sample", parabola(-n.loglik - n.entropy, n.mean)))
      + dot("reverse", n.reverse) + dot("forward", n.forward)
      + handles(s, n, W).map((h) => handle(h.x, h.y)).join("");

    const F = num(n.forward, 4), B = num(n.reverse, 4), l = num(n.loglik, 4);
    const valleys = reverse(m, 0.2, sigma) < reverse(m, 0, sigma) ? "two valleys, one towards each hump" : "one valley, midway";
    return {
      panels: [panel(W, 488, svg)],
      alt: `Two humps p at ${num(-m, 2)} and ${num(m, 2)}, each of standard deviation 1, and a normal q with mean ${num(mu, 2)} `
        + `and standard deviation ${num(sigma, 2)}, above 200 draws from p. Below them what each outcome adds to either KL. Lowest, as the mean of q moves: forward KL is a `
        + `parabola, lowest midway between the humps; the sample's negative log-likelihood follows it; reverse KL has ${valleys}.`,
      readout: [
        { key: "forward", label: "Forward KL(p‖q)", value: F },
        { key: "reverse", label: "Reverse KL(q‖p)", value: B },
        { key: "sample", label: "Log-likelihood per observation, ℓ/n", value: l },
        { key: "", label: "Expected ℓ/n = −H(p) − KL(p‖q)", value: num(n.expected, 4) },
      ],
      status: `At μ = ${num(mu, 3)}, σ = ${num(sigma, 3)}: forward KL ${F}, reverse KL ${B}, log-likelihood per observation ${l} (nats).`,
    };
  }
  function handles(s, n, W) {
    const { X, unX } = scale(W - 10), y = Y(s), g = grip(s);
    return [
      { panel: 0, x: X(g), y: y(q(s, g)), move: (u) => ({ sigma: abs(unX(u) - s.mu) }) },
      { panel: 0, x: X(s.mu), y: y(q(s, s.mu)), move: (u) => ({ mu: unX(u) }) },
    ];
  }

  Explorer.define({
    name: "two-humps",
    title: "Move q: drag its peak or its side, or use the sliders",
    start: { d: 6, mu: 1.5, sigma: 1.2, seed: 1 },
    controls: [
      { key: "mu", label: "Mean μ of q", min: -6, max: 6, step: 0.05, digits: 2 },
      { key: "sigma", label: "Standard deviation σ", min: 0.4, max: 6, step: 0.05, digits: 2 },
      { key: "d", label: "Hump distance", min: 0, max: 8, step: 0.1, digits: 1 },
    ],
    actions, model, view, handles, best,
  });
})();
