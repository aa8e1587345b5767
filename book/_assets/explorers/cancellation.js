/* Explorer: one KL divergence, three ways: by the textbook formula in doubles, as remainders in
   doubles, and exactly, while q comes closer to p.

   Logarithms are computed in 300-bit integers and rounded once, and distances are read from
   decimal text, so that every browser shows the same digits. */
"use strict";
(function () {
  const { num, line, text, path, panel, el, handle, escape } = Explorer;
  const { abs, floor, log10, max, min, round } = Math;

  // ---- exact arithmetic: a fraction is [numerator, denominator], a sum is in units of 2^-300 ----
  const BITS = 300n, U = 2 ** -53;
  let SCALE = 1;
  for (let k = 0; k < 300; k++) SCALE /= 2;
  function fraction(x) {
    let power = 0n;
    while (x !== floor(x)) { x *= 2; power++; }
    return [BigInt(x), 1n << power];
  }
  const less = ([a, b], [c, d]) => [a * d - c * b, b * d], times = ([a, b], [c, d]) => [a * c, b * d];
  const over = ([a, b], [c, d]) => [a * d, b * c], units = ([a, b]) => (a << BITS) / b;
  /** log(a/b) = 2 artanh z, z = (a − b)/(a + b). */
  function logarithm([a, b]) {
    const z = ((a - b) << BITS) / (a + b), square = z * z >> BITS;
    let sum = 0n;
    for (let power = z, k = 1n; power !== 0n && power !== -1n; power = power * square >> BITS, k += 2n) sum += power / k;
    return 2n * sum;
  }
  const log = (x) => Number(logarithm(fraction(x))) * SCALE;              // rounded once

  // ---- the families: textbook and remainders in doubles, and exact units -------------------------
  /** t − log(1 + t); pass the logarithm where it is known more accurately than 1 + t. */
  function phi(t, known) {
    if (abs(t) >= 0.3) return t - (known === undefined ? log(1 + t) : known);
    const z = t / (2 + t), z2 = z * z;
    let series = 0;
    for (let k = 21; k > 1; k -= 2) series = series * z2 + 1 / k;
    return z * (t - 2 * z2 * series);
  }
  const one = [1n, 1n], weighed = (w, r) => units(w) * logarithm(r) >> BITS;
  const FAMILIES = [
    {
      name: "Bernoulli", p: [0.3], shown: "Ber(0.3) and Ber(0.3 (1 + d))",
      textbook: ([p], [q]) => p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)),
      remainders: ([p], [q]) => p * phi((q - p) / p) + (1 - p) * phi(-(q - p) / (1 - p)),
      exact: ([p], [q]) => weighed(p, over(p, q)) + weighed(less(one, p), over(less(one, p), less(one, q))),
    }, {
      name: "Poisson", p: [1.3], shown: "Poisson(1.3) and Poisson(1.3 (1 + d))",
      textbook: ([p], [q]) => p * log(p / q) - p + q,
      remainders: ([p], [q]) => p * phi((q - p) / p),
      exact: ([p], [q]) => weighed(p, over(p, q)) + units(less(q, p)),
    }, {
      name: "Normal", p: [1, 3], shown: "N(1, 3²) and both parameters times 1 + d",
      textbook: ([m, s], [n, r]) => log(r / s) + (s * s + (m - n) * (m - n)) / (2 * r * r) - 0.5,
      remainders: ([m, s], [n, r]) => 0.5 * (phi((s - r) / r * (s / r + 1), 2 * log(s / r)) + ((m - n) / r) * ((m - n) / r)),
      exact([m, s], [n, r]) {
        const v = times(r, r), a = less(m, n);
        return logarithm(over(r, s)) + (units(over(times(s, s), v)) + units(over(times(a, a), v)) - (1n << BITS)) / 2n;
      },
    },
  ];

  // ---- one distance, and the whole grid of them --------------------------------------------------
  const STEPS = 20, LOW = -12;                                            // twenty distances a decade
  const MANTISSA = ["1", "1.12", "1.26", "1.41", "1.58", "1.78", "2", "2.24", "2.51", "2.82", "3.16", "3.55", "3.98",
    "4.47", "5.01", "5.62", "6.31", "7.08", "7.94", "8.91"];
  const snap = (x) => round(x * STEPS) / STEPS;
  function distance(x) {
    const k = round(x * STEPS), decade = floor(k / STEPS);
    return +(MANTISSA[k - decade * STEPS] + "e" + decade);
  }
  function results(family, d) {
    const f = FAMILIES[family], p = f.p, q = p.map((v) => v * (1 + d)), [P, Q] = [p.map(fraction), q.map(fraction)];
    const whole = f.exact(P, Q), exact = Number(whole) * SCALE;
    const error = (v) => { const [a, b] = fraction(v), far = (a << BITS) / b - whole; return Number(far < 0n ? -far : far) * SCALE / exact; };
    const textbook = f.textbook(p, q), remainders = f.remainders(p, q);
    return { d, exact, textbook, remainders, lost: error(textbook), left: error(remainders) };
  }
  const grids = {};
  function grid(family) {
    if (!grids[family]) {
      grids[family] = [];
      for (let k = LOW * STEPS; k <= 0; k += 2) grids[family].push(results(family, distance(k / STEPS)));
    }
    return grids[family];
  }
  /** How many digits an error leaves, of the 16 that a double has. */
  const kept = (error) => max(0, min(16, -log10(max(error, 1e-16)))) + 0;
  function model({ family, x }) {
    const r = results(family, distance(x));
    return Object.assign(r, { logExact: log10(r.exact), textbookDigits: kept(r.lost), remainderDigits: kept(r.left) });
  }

  const choose = (family) => ({ key: FAMILIES[family].name.toLowerCase(), label: FAMILIES[family].name, run: () => ({
    state: { family }, note: `${FAMILIES[family].name} distributions.` }) });
  const actions = [0, 1, 2].map(choose).concat({
    key: "negative", label: "Go to a negative KL", run: ({ family }) => {
      const farthest = (k) => grid(k).filter((r) => r.textbook < 0).pop(), here = farthest(family), to = here ? family : 0, all = grid(to).length;
      return { state: { family: to, x: snap(log10((here || farthest(to)).d)) }, note: (here ? "The" : `At none of ${all} distances is the textbook `
        + `formula negative for ${FAMILIES[family].name}, though its errors are no smaller. For ${FAMILIES[to].name} this is the`)
        + ` farthest of ${all} distances at which ${here ? "the textbook formula" : "it"} is negative.` };
    } });

  // ---- the figure ---------------------------------------------------------------------------------
  const L = 46, TOP = 20, BASE = 268, HIGH = 9, DEEP = -18;
  const scale = (R) => ({ X: (x) => L + (x - LOW) / -LOW * (R - L), unX: (u) => (u - L) / (R - L) * -LOW + LOW });
  const Y = (e) => BASE - (min(HIGH, max(DEEP, e)) - DEEP) / (HIGH - DEEP) * (BASE - TOP);
  const level = (error) => Y(error > 0 ? log10(error) : DEEP);
  const widths = (W) => (W < 540 ? [W, W] : [round(0.6 * W), W - round(0.6 * W) - 8]);
  const sci = (v, digits) => v.toExponential(digits).replace(/-/g, "−").replace("+", "");
  const power = (k, x, y) => el("text", { class: "tick end", x, y }, k ? `10<tspan class="sub" dy="-5">${num(k, 0)}</tspan>` : "1");

  function errors(s, n, W) {
    const R = W - 10, { X } = scale(R), x = X(snap(s.x));
    let svg = "", dots = "";
    for (const k of [-15, -10, -5, 0, 5]) svg += line("grid", L, Y(k), R, Y(k)) + power(k, L - 5, Y(k) + 4);
    for (const k of [-12, -9, -6, -3, 0]) svg += line("grid", X(k), TOP, X(k), BASE) + power(k, X(k) + 10, BASE + 19);
    for (const r of grid(s.family)) {
      const at = X(log10(r.d));
      dots += el("circle", { class: "dot small kl" + (r.textbook < 0 ? " below" : ""), cx: at, cy: level(r.lost), r: 2.2 })
        + el("circle", { class: "dot small cross", cx: at, cy: level(r.left), r: 1.6 });
    }
    svg += line("axis", L, BASE, R, BASE) + text("name", L + 4, TOP - 7, "relative error") + text("name end", R, BASE + 37, "relative distance d")
      + line("guide", x, TOP, x, BASE)
      + el("path", { class: "curve kl", d: path(1, (k) => [X(LOW * k), Y(log10(U) - 2 * LOW * k)]) })
      + el("path", { class: "curve cross", d: path(1, (k) => [X(LOW * k), Y(log10(U))]) })
      + dots
      + line("guide", L, Y(0), R, Y(0)) + text("name end", R, Y(0) - 7, "no digit is right") + text("name", X(-2.9), Y(-8.4), "u/d²") + text("name", L + 5, Y(log10(U)) - 9, "u")
      + el("circle", { class: "dot model", cx: x, cy: level(n.lost), r: 4 }) + handle(x, level(n.lost));
    return panel(W, 310, svg);
  }

  /** A number with the digits that are right set apart, and a box for each of sixteen digits. */
  function row(y, label, value, digits, key) {
    const shown = sci(value, 16), count = floor(digits + 1e-9), cut = count ? (value < 0 ? 1 : 0) + count + 1 : 0;
    let boxes = "";
    for (let k = 0; k < 16; k++) boxes += el("rect", { class: "box " + key + (k < count ? " full" : ""), x: 12 + 13 * k, y: y + 32, width: 10, height: 10 });
    return text("name", 12, y, label)
      + el("text", { class: "figures", x: 12, y: y + 22 }, `<tspan class="right">${escape(shown.slice(0, cut))}</tspan>${escape(shown.slice(cut))}`)
      + boxes;
  }
  const numbers = (n, W, H) => panel(W, H,
    text("name", 12, 22, "exact") + el("text", { class: "figures", x: 12, y: 44 }, `<tspan class="right">${sci(n.exact, 16)}</tspan>`)
    + row(84, "textbook formula (bold: right)", n.textbook, n.textbook < 0 ? 0 : n.textbookDigits, "kl")
    + row(164, "remainders", n.remainders, n.remainderDigits, "cross"));

  function view(s, n, W) {
    const [left, right] = widths(W), { shown } = FAMILIES[s.family], d = sci(n.d, 2);
    const bad = n.textbook < 0 ? "negative" : n.textbook === 0 ? "zero" : `right to ${num(n.textbookDigits, 1)} digits`;
    return {
      panels: [errors(s, n, left), numbers(n, right, left === W ? 224 : 310)],
      alt: `Relative error against relative distance, both logarithmic, for ${shown}. The errors of the textbook formula scatter about the line `
        + `u/d² and exceed 1 for d below about 1e−8; those of the remainders stay at 1e−16. Marked is d = ${d}, where the textbook formula gives `
        + `${sci(n.textbook, 4)} and the exact value is ${sci(n.exact, 4)}.`,
      readout: [
        { key: "", label: "Exact KL", value: sci(n.exact, 4) },
        { key: "", label: "Distance d", value: d },
        { key: "kl", label: "Textbook", value: sci(n.textbook, 4) },
        { key: "kl", label: "digits right", value: num(n.textbookDigits, 1) },
        { key: "cross", label: "Remainders", value: sci(n.remainders, 4) },
        { key: "cross", label: "digits right", value: num(n.remainderDigits, 1) },
      ],
      status: `${shown}, d = ${d}: the textbook formula gives ${sci(n.textbook, 4)}, ${bad}; exact is ${sci(n.exact, 4)}, `
        + `the remainders give ${sci(n.remainders, 4)}.`,
    };
  }
  function handles(s, n, W) {
    const { X, unX } = scale(widths(W)[0] - 10);
    return [{ panel: 0, x: X(snap(s.x)), y: level(n.lost), move: (u) => ({ x: snap(unX(u)) }) }];
  }

  Explorer.define({
    name: "cancellation",
    title: "Bring q closer to p: drag the point, or use the slider",
    start: { family: 0, x: -6 },
    controls: [{ key: "x", label: "Distance: log₁₀ d", min: LOW, max: 0, step: 1 / STEPS, digits: 2 }],
    actions, model, view, handles,
  });
})();
