/* Explorer: the divergences in the objective of a VAE with one observed and one hidden variable.

   Data x ~ N(0, 2²).  Decoder p(x|z) = N(w z, σ²), prior N(0, 1), encoder q(z|x) = N(v x, τ²).
   −ELBO = distortion + rate = H(data) + KL(data‖model) + gap, each by a formula of its own.
   "nll" is the loss that scores the codes by −log p(z) instead: it lacks the entropy of the encoder. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el } = Explorer;
  const { log, log1p, max, min, sqrt, cos, sin, PI } = Math;

  const VAR = 4, ENTROPY = 0.5 * log(2 * PI * Math.E * VAR), LEAST = { tau: 0.05, sd: 0.4 }, MOSTW = 3, MOSTV = 1.25;
  const phi = (r) => r - 1 - log(r);                       // 2 KL between centred normals of variance ratio r
  const posterior = ({ w, sd }) => ({ slope: w / (w * w + sd * sd), variance: sd * sd / (w * w + sd * sd) });

  function model(s) {
    const { w, sd, v, tau } = s, { slope, variance } = posterior(s), codes = VAR * v * v + tau * tau;
    const distortion = 0.5 * log(2 * PI * sd * sd) + (VAR * (1 - w * v) ** 2 + (w * tau) ** 2) / (2 * sd * sd);
    const rate = 0.5 * (VAR * v * v + phi(tau * tau));
    return {
      distortion, rate, loss: distortion + rate, entropy: ENTROPY,
      nll: distortion + 0.5 * (log(2 * PI) + VAR * v * v + tau * tau),
      data_model: 0.5 * phi(VAR / (w * w + sd * sd)),
      gap: 0.5 * (phi(tau * tau / variance) + VAR * (v - slope) ** 2 / variance),
      codes: 0.5 * phi(codes), information: 0.5 * log1p(VAR * v * v / (tau * tau)),
    };
  }

  const best = {
    encoder: (s) => { const p = posterior(s); return { v: p.slope, tau: sqrt(p.variance) }; },
    /** The distortion is quadratic in w; given w, its best σ² is the mean squared error. */
    decoder: ({ v, tau }) => {
      const w = min(MOSTW, VAR * v / (VAR * v * v + tau * tau));
      return { w, sd: max(LEAST.sd, sqrt(VAR * (1 - w * v) ** 2 + (w * tau) ** 2)) };
    },
    /** The loss with the codes' NLL has no minimum: what is found is where the sliders end. */
    nll: (s) => {
      for (let k = 0; k < 500; k++) {
        s = { v: min(MOSTV, posterior(s).slope), tau: LEAST.tau };
        Object.assign(s, best.decoder(s));
      }
      return s;
    },
  };
  const change = (n, m, key) => `from ${num(n[key], 2)} to ${num(m[key], 2)}`;
  function turn(s, state, say) {
    const n = model(s), m = model(Object.assign({}, s, state));
    return { state, note: say(n, m) };
  }
  const sdOf = (s) => best.decoder(s).sd;
  const actions = [
    { key: "encoder", label: "Best encoder", run: (s) => turn(s, best.encoder(s), (n, m) =>
      `The encoder is now the posterior: the gap goes ${change(n, m, "gap")}, the rate ${change(n, m, "rate")}; KL(data‖model) stays at ${num(m.data_model, 2)}.`) },
    { key: "decoder", label: "Best decoder", run: (s) => turn(s, best.decoder(s), (n, m) =>
      `The decoder fits the codes: the rate stays at ${num(m.rate, 2)}, KL(data‖model) goes ${change(n, m, "data_model")}${sdOf(s) > LEAST.sd ? "" : "; σ is at the end of its slider"}.`) },
    { key: "nll", label: "Train with codes’ NLL", run: (s) => turn(s, best.nll(s), (n, m) =>
      `Decoder and encoder trained with the codes scored by −log p(z): w, σ and τ stop only where their sliders end. `
      + `That loss goes ${change(n, m, "nll")}, the gap ${change(n, m, "gap")}, KL(data‖model) ${change(n, m, "data_model")}.`) },
  ];

  // ---- the figure -----------------------------------------------------------
  const TOP = 20, BASE = 262, MOST = 5, TALL = 338;
  const Y = (t) => BASE - min(t, MOST) / MOST * (BASE - TOP);
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.5 * W), W - Math.round(0.5 * W) - 8]);

  function bars(n, W, height) {
    const L = 24, R = W - 6, wide = (R - L) / 2 - 14, at = [L + 8, L + wide + 24];
    const stacks = [[["distortion", "distortion"], ["rate", "rate"]],
      [["entropy", "H(data)"], ["data_model", "KL(data‖model)"], ["gap", "gap"]]];
    let svg = "";
    for (const t of [0, 1, 2, 3, 4, 5]) svg += line("grid", L, Y(t), R, Y(t)) + text("tick end", L - 5, Y(t) + 4, num(t, 0));
    svg += line("axis", L, BASE, R, BASE) + text("name", L + 4, TOP - 8, "nats per observation")
      + text("tick middle", at[0] + wide / 2, BASE + 18, "as computed") + text("tick middle", at[1] + wide / 2, BASE + 18, "what it is");
    stacks.forEach((stack, k) => {
      let sum = 0;
      for (const [key, label] of stack) {
        const low = Y(sum), high = Y(sum += n[key]), c = at[k] + wide / 2;
        svg += el("rect", { class: "part " + key, x: at[k], y: high, width: wide, height: low - high });
        if (low - high > 17) svg += text("name middle", c, (low + high) / 2 + 4, label);
      }
    });
    // the total stands above the panel, where no part of a bar can be
    if (n.loss < MOST) svg += line("guide strong", L, Y(n.loss), R, Y(n.loss));
    svg += text("name modelname end", R, TOP - 8, `−ELBO ${num(n.loss, 2)}${n.loss < MOST ? "" : " ↑"}`);
    return panel(W, height, svg);
  }

  const XMAX = 7, ZMAX = 3.3, L = 22;
  const scale = (R) => ({
    X: (x) => L + (x / XMAX + 1) / 2 * (R - L), unX: (u) => ((u - L) / (R - L) * 2 - 1) * XMAX,
    Z: (z) => (TOP + BASE) / 2 - z / ZMAX * (BASE - TOP) / 2, unZ: (u) => ((TOP + BASE) / 2 - u) / (BASE - TOP) * 2 * ZMAX,
  });
  function plane(s, W) {
    const R = W - 8, { X, Z } = scale(R), { w, sd, v, tau } = s;
    // two standard deviations of a centred normal of (x, z)
    const ellipse = (key, a, b, c) => el("path", { class: "curve " + key, d: path(72, (k) => {
      const t = k * PI / 36, x = 2 * sqrt(a) * cos(t);
      return [X(x), Z(b / a * x + 2 * sqrt(max(0, c - b * b / a)) * sin(t))];
    }) });
    let svg = "";
    for (const t of [-6, -4, -2, 0, 2, 4, 6]) svg += line("grid", X(t), TOP, X(t), BASE) + text("tick middle", X(t), BASE + 18, num(t, 0));
    for (const t of [-2, 0, 2]) svg += line("grid", L, Z(t), R, Z(t)) + text("tick end", L - 4, Z(t) + 4, num(t, 0));
    svg += line("axis", L, BASE, R, BASE) + text("name end", R, BASE + 34, "observed x") + text("name", L + 4, TOP - 8, "code z") + text("name end", R, TOP - 8, "ellipses: 2 sd");
    svg += el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
      el("g", { class: "encoder" }, line("guide", X(-XMAX), Z(-XMAX * v), X(XMAX), Z(XMAX * v))) + line("guide", X(-ZMAX * w), Z(-ZMAX), X(ZMAX * w), Z(ZMAX))
      + ellipse("data_model", VAR, VAR * v, VAR * v * v + tau * tau) + ellipse("gap", w * w + sd * sd, w, 1));
    const [e, d] = handles(s, null, W, true), key = (row, who, words) => line("curve key " + who, L, BASE + row - 4, L + 24, BASE + row - 4)
      + text(who === "gap" ? "name modelname" : "name dataname", L + 30, BASE + row, words);
    svg += key(52, "data_model", "encoder: data and their codes") + key(70, "gap", "decoder: the model’s x and z")
      + el("g", { class: "encoder" }, handle(e.x, e.y, true)) + handle(d.x, d.y);
    return panel(W, TALL, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), f = (key) => num(n[key], 4);
    return {
      panels: [bars(n, left, left === W ? 284 : TALL), plane(s, right)],
      alt: `Two stacked bars of equal height, ${num(n.loss, 2)} nats: distortion ${num(n.distortion, 2)} and rate ${num(n.rate, 2)}; `
        + `entropy of the data ${num(n.entropy, 2)}, KL from data to model ${num(n.data_model, 2)} and gap ${num(n.gap, 2)}. `
        + `Beside them the plane of x and z with two ellipses of two standard deviations: data with their codes, and the model’s x with its z. They coincide where every divergence is zero.`,
      readout: [
        { key: "distortion", label: "Distortion: decoder’s NLL", value: f("distortion") },
        { key: "rate", label: "Rate: encoder‖prior", value: f("rate") },
        { key: "", label: "−ELBO, either sum", value: f("loss") },
        { key: "", label: "Loss with codes’ NLL", value: f("nll") },
        { key: "entropy", label: "Entropy H(data), fixed", value: f("entropy") },
        { key: "data_model", label: "KL(data‖model)", value: f("data_model") },
        { key: "gap", label: "Gap: encoder‖posterior", value: f("gap") },
      ],
      status: `−ELBO ${f("loss")} = distortion ${f("distortion")} + rate ${f("rate")} `
        + `= entropy ${f("entropy")} + KL(data‖model) ${f("data_model")} + gap ${f("gap")} nats.`,
    };
  }
  function handles(s, n, W, inPanel) {
    const { X, unX, Z, unZ } = scale((inPanel ? W : widths(W)[1]) - 8);
    const last = inPanel ? 0 : 1;
    return [
      { panel: last, x: X(2), y: Z(2 * s.v), free: true, move: (u, y) => ({ v: unZ(y) / 2 }) },
      { panel: last, x: X(2 * s.w), y: Z(2), move: (u) => ({ w: unX(u) / 2 }) },
    ];
  }

  Explorer.define({
    name: "vae-kls",
    title: "Decoder: w and σ. Encoder: v and τ. Drag the two lines, or use the sliders",
    start: { w: 0.8, sd: 0.8, v: 0.45, tau: 0.5 },
    controls: [
      { key: "w", label: "Decoder, slope w", min: 0, max: 3, step: 0.01, digits: 2 },
      { key: "sd", label: "Decoder, noise σ", min: 0.4, max: 3, step: 0.01, digits: 2 },
      { key: "v", label: "Encoder, slope v", min: 0, max: 1.25, step: 0.01, digits: 2 },
      { key: "tau", label: "Encoder, noise τ", min: 0.05, max: 1.5, step: 0.01, digits: 2 },
    ],
    actions, model, view, handles, best,
  });
})();
