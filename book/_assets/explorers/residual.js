/* Explorer: the residual E_emp[u] − E_model[u] of a normal distribution on the waiting times
   of Old Faithful.

   x = (minutes − 70)/10, u(x) = (x, x²), η = (μ/σ², −1/(2σ²)).  All the likelihood knows of the
   272 waits is their number and the sums of x and x²; the counts are for the histogram alone. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el, tenth } = Explorer;
  const { abs, exp, hypot, log, log1p, max, min, sqrt, PI } = Math;

  // waits of 40 to 44 minutes, 45 to 49, ... 95 to 99
  const COUNTS = [1, 20, 32, 24, 17, 9, 23, 54, 57, 23, 11, 1], N = 272, SUM = 24.4, SQUARES = 503.06;
  const DATA = [SUM / N, SQUARES / N];
  const etaOf = ([a, b]) => ({ eta1: a / (b - a * a), eta2: -0.5 / (b - a * a) });       // the inverse mean map
  const BEST = etaOf(DATA), BESTV = DATA[1] - DATA[0] ** 2;

  function model({ eta1, eta2 }) {
    const v = -0.5 / eta2, m = eta1 * v, means = [m, m * m + v], t = (BESTV - v) / v;
    return {
      mean: m, sd: sqrt(v), model: means, data: DATA, residual: DATA.map((d, k) => d - means[k]),
      loglik: -0.5 * (log(2 * PI * v) + (DATA[1] - 2 * m * DATA[0] + m * m) / v),
      kl: 0.5 * (t - log1p(t) + (DATA[0] - m) ** 2 / v),                              // from the best to this
    };
  }

  // ---- steps ----------------------------------------------------------------
  /* Within reach of the sliders every gradient step of this length raises the likelihood; one
     from a point on the plane stays within their reach.  Near the best up to 0.29 would do;
     shorter ones can be watched. */
  const RATE = 0.03, LENGTH = 0.5, KEPT = 200;
  function step(s, to, note) {
    const n = model(s);
    if (hypot(...n.residual) < 1e-9) return { state: {}, note: "The residual is zero: there is nowhere better to go." };
    return {
      state: Object.assign({ trail: s.trail.concat([[s.eta1, s.eta2]]).slice(-KEPT) }, to),
      note: `${note} The KL was ${num(n.kl, 4)}.`,
    };
  }
  const steps = {
    gradient: (s) => { const r = model(s).residual; return { eta1: s.eta1 + RATE * r[0], eta2: s.eta2 + RATE * r[1] }; },
    natural: (s) => { const n = model(s); return etaOf(n.model.map((m, k) => m + LENGTH * n.residual[k])); },
  };
  const actions = [
    { key: "gradient", label: "Gradient step", run: (s) =>
      step(s, steps.gradient(s), `Gradient step: η moved by ${RATE} times the residual.`) },
    { key: "natural", label: "Natural-gradient step", run: (s) =>
      step(s, steps.natural(s), "Natural-gradient step: straight towards the data, and the residual is halved.") },
    { key: "run", label: "Run", run: (s) => {
      const way = [];
      let at = { eta1: s.eta1, eta2: s.eta2 }, trail = s.trail;
      while (way.length < 400 && hypot(...model(at).residual) > 1e-3) {
        trail = trail.concat([[at.eta1, at.eta2]]).slice(-KEPT);
        at = steps.gradient(at);
        way.push(Object.assign({ trail }, at));
      }
      const last = way[way.length - 1];
      return last ? { state: last, way: way.slice(0, 80), note: `${way.length} gradient steps, until the residual is below 0.001. The KL was ${num(model(s).kl, 4)}.` }
        : { state: {}, note: "The residual is zero, nearly: there is nowhere better to go." };
    } },
    { key: "best", label: "Go to best", run: (s) =>
      step(s, BEST, "Moment matching: the model takes the averages of the data.") },
  ];

  // ---- the figure -----------------------------------------------------------
  const L = 30, TOP = 20, BASE = 268, SIDE = 2.5, MOST = 6.5;
  const scale = (R) => ({
    X: (a) => L + (a / SIDE + 1) / 2 * (R - L), unX: (u) => ((u - L) / (R - L) * 2 - 1) * SIDE,
    Y: (b) => BASE - b / MOST * (BASE - TOP), unY: (u) => (BASE - u) / (BASE - TOP) * MOST,
  });
  const widths = (W) => (W < 540 ? [W, W] : [Math.round(0.58 * W), W - Math.round(0.58 * W) - 8]);
  /** How far along the way from the data to a point the plane ends. */
  const share = ([a, b]) => min(1, (MOST - DATA[1]) / max(0, b - DATA[1]), (SIDE - DATA[0]) / max(0, a - DATA[0]),
    (SIDE + DATA[0]) / max(0, DATA[0] - a));
  const along = (p, t) => DATA.map((d, k) => d + t * (p[k] - d));
  /** The point itself, or the last one on the way to it that the sliders reach. */
  function reach(p) {
    const inside = ([a, b]) => { const v = b - a * a; return b <= MOST && abs(a) <= min(v, SIDE) && v >= 0.5 && v <= 5; };
    if (inside(p)) return p;
    let low = 0, high = 1;
    for (let k = 0; k < 30; k++) { const t = (low + high) / 2; if (inside(along(p, t))) low = t; else high = t; }
    return along(p, low);
  }

  function plane(s, n, W) {
    const R = W - 10, { X, Y } = scale(R), [x, y] = [X(DATA[0]), Y(DATA[1])], t = share(n.model), at = along(n.model, t);
    const [u, v] = [X(at[0]), Y(at[1])], far = hypot(x - u, y - v) || 1, c = (x - u) / far, d = (y - v) / far, right = u >= x;
    const flip = right ? u > R - 88 : u > L + 88, side = flip ? -14 : 14;                 // the label keeps within the panel
    const bound = path(80, (k) => { const a = (k / 40 - 1) * SIDE; return [X(a), Y(a * a)]; });
    const name = (who, px, py, end) => el("text", { class: `name ${who}name${end ? " end" : ""}`, x: px, y: py },
      `E<tspan class="sub" dy="3">${who === "data" ? "emp" : "model"}</tspan><tspan dy="-3">[u]</tspan>`);

    let svg = "", dots = "";
    for (const k of [-2, -1, 0, 1, 2]) svg += line("grid", X(k), TOP, X(k), BASE) + text("tick middle", X(k), BASE + 18, num(k, 0));
    for (const k of [0, 2, 4, 6]) svg += line("grid", L, Y(k), R, Y(k)) + text("tick end", L - 6, Y(k) + 4, num(k, 0));
    svg += el("path", { class: "area", d: bound + `L${R} ${BASE}L${L} ${BASE}Z` }) + line("axis", L, BASE, R, BASE)
      + el("path", { class: "curve bound", d: bound })
      + text("name", L + 4, TOP - 7, "E[x²]") + text("name end", R, BASE + 36, "E[x],  x = (minutes − 70)/10")
      + (at[0] > 0 ? text("note", L + 6, BASE - 9, "impossible") : text("note end", R - 6, BASE - 9, "impossible"))
      + line("guide", L, y, x, y) + line("guide", x, y, x, BASE);
    if (s.trail.length) {
      const way = s.trail.map(([eta1, eta2]) => { const p = model({ eta1, eta2 }).model; return [X(p[0]), Y(p[1])]; });
      for (const [a, b] of way) dots += el("circle", { class: "step", cx: a, cy: b, r: 3 });
      // an inner <svg> cuts off what leaves the plane
      svg += el("svg", { x: L, y: TOP, width: R - L, height: BASE - TOP, viewBox: `${L} ${TOP} ${R - L} ${BASE - TOP}` },
        el("path", { class: "trail", d: path(way.length, (k) => way[k] || [X(n.model[0]), Y(n.model[1])]) }) + dots);
    }
    svg += el("circle", { class: "dot data", cx: x, cy: y, r: 5 });
    if (far > 24) {
      const [p, q] = [x - 8 * c, y - 8 * d], wing = (k) => `${tenth(p - 9 * c + 5 * k * d)} ${tenth(q - 9 * d - 5 * k * c)}`;
      svg += el("path", { class: "arrow", d: `M${tenth(u)} ${tenth(v)}L${tenth(p)} ${tenth(q)}M${wing(1)}L${tenth(p)} ${tenth(q)}L${wing(-1)}` });
    }
    if (far > 70) svg += name("data", x + (right ? -12 : 12), y + (v > y ? -8 : 16), right);
    svg += el("circle", { class: "dot model", cx: u, cy: v, r: 5 })
      + (t < 1 ? text("name modelname" + (flip ? " end" : ""), u + side, v + 5, "off the plane") : name("model", u + side, v + 5, flip))
      + handle(u, v, true);
    return panel(W, 310, svg);
  }

  function waits(n, W, H) {
    const R = W - 10, X = (t) => L + (t - 30) / 100 * (R - L), counts = 5 * N / sqrt(2 * PI) / 10;
    const normal = (m, sd) => (t) => counts / sd * exp(-0.5 * (((t - 70) / 10 - m) / sd) ** 2);
    const most = max(66, 1.06 * counts / n.sd), Y = (c) => H - c / most * (H - TOP);
    const curve = (key, f) => el("path", { class: "curve " + key, d: path(100, (k) => [X(30 + k), Y(f(30 + k))]) });

    let svg = "", bars = "";
    for (const c of [0, 20, 40, 60]) svg += line("grid", L, Y(c), R, Y(c)) + text("tick end", L - 6, Y(c) + 4, num(c, 0));
    for (const t of [40, 60, 80, 100, 120]) svg += text("tick middle", X(t), H + 18, num(t, 0));
    COUNTS.forEach((c, k) => {
      bars += el("rect", { class: "bar", x: X(40 + 5 * k), y: Y(c), width: X(35) - X(30), height: H - Y(c) });
    });
    svg += bars + line("axis", L, H, R, H) + text("name", L + 4, TOP - 7, "waits in 5 minutes")
      + text("name end", R, H + 36, "minutes to the next eruption")
      + curve("best", normal(DATA[0], sqrt(BESTV))) + curve("model", normal(n.mean, n.sd));
    return panel(W, H + 42, svg);
  }

  function view(s, n, W) {
    const [left, right] = widths(W), pair = (p) => `(${num(p[0], 3)}, ${num(p[1], 3)})`;
    const l = num(n.loglik, 4), k = num(n.kl, 4), eta = pair([s.eta1, s.eta2]);
    const off = (r) => `${num(abs(r), 3)} too ${r > 0 ? "low" : "high"}`, hit = max(...n.residual.map(abs)) < 5e-4;
    return {
      panels: [plane(s, n, left), waits(n, right, left === W ? 230 : BASE)],
      alt: `The plane of averages E[x] and E[x²], above its lower edge, the parabola E[x²] = E[x]². The averages of the model stand at `
        + `${pair(n.model)}, those of the data at ${pair(DATA)}`
        + (hit ? `, the same point. ` : `; an arrow, the residual ${pair(n.residual)}, leads from the first to the second. `)
        + `Beside it a histogram of ${N} waiting times and the model, a normal density with mean ${num(70 + 10 * n.mean, 1)} `
        + `and standard deviation ${num(10 * n.sd, 1)} minutes.`,
      readout: [
        { key: "", label: "η = (η₁, η₂)", value: eta },
        { key: "model", label: "E<sub>model</sub>[u]", value: pair(n.model) },
        { key: "data", label: "E<sub>emp</sub>[u], fixed", value: pair(DATA) },
        { key: "residual", label: "Residual, ∇ℓ/n", value: pair(n.residual) },
        { key: "", label: "Log-likelihood ℓ/n", value: l },
        { key: "best", label: "KL(p<sub>best</sub>‖p<sub>η</sub>)", value: k },
      ],
      status: `At η = ${eta} `
        + (hit ? "the averages of the model are those of the data: the residual is zero. "
          : `the model’s E[x] is ${off(n.residual[0])}, its E[x²] ${off(n.residual[1])}. `)
        + `Log-likelihood per observation ${l}, KL from the best ${k} (nats).`,
    };
  }
  function handles(s, n, W) {
    const { X, unX, Y, unY } = scale(widths(W)[0] - 10), at = along(n.model, share(n.model));
    return [{ panel: 0, x: X(at[0]), y: Y(at[1]), free: true, move: (u, v) => etaOf(reach([unX(u), unY(v)])) }];
  }

  Explorer.define({
    name: "residual",
    title: "Move the model: drag its point, use the sliders, or take steps towards the data",
    start: { eta1: 0.5, eta2: -0.2, trail: [] },
    forget: { trail: [] },
    controls: [
      { key: "eta1", label: "Natural parameter η₁", min: -1, max: 1, step: 0.01, digits: 2 },
      { key: "eta2", label: "Natural parameter η₂", min: -1, max: -0.1, step: 0.005, digits: 3 },
    ],
    actions, model, view, handles, steps, best: BEST, rate: RATE, data: { n: N, sum: SUM, squares: SQUARES, counts: COUNTS },
  });
})();
