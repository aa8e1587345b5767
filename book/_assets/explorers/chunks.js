/* Explorer: 4,096 rows in chunks, on workers; sums in single precision, merged as a tree. How long a pass takes, how
   many rows are in memory, and how many digits the mean and the variance keep. */
"use strict";
(function () {
  const { num, line, text, path, handle, panel, el } = Explorer;
  const { abs, ceil, floor, log10, max, min, round, fround, imul, sqrt } = Math;

  // ---- the rows: a spread of about 1 around a mean; drawn by a generator of whole numbers, the same everywhere ----
  const N = 4096, TASK = 20, ALL = 24 * log10(2);            // a task costs as much as 20 rows; digits of 24 bits
  const AWAY = [], STEPS = 20, HIGH = 4;
  for (let i = 0, seed = 1; i < N; i++) {
    let sum = -2;
    for (let k = 0; k < 4; k++) { seed = (imul(seed, 1664525) + 1013904223) >>> 0; sum += seed / 4294967296; }
    AWAY.push(sum * sqrt(3));
  }
  const MANTISSA = ["1", "1.12", "1.26", "1.41", "1.58", "1.78", "2", "2.24", "2.51", "2.82", "3.16", "3.55", "3.98",
    "4.47", "5.01", "5.62", "6.31", "7.08", "7.94", "8.91"];
  function meanAt(r) {
    const k = round(r * STEPS), decade = floor(k / STEPS);
    return +(MANTISSA[k - decade * STEPS] + "e" + decade);
  }

  // ---- sums in single precision ------------------------------------------------------------------
  /** Totals of neighbours, two by two, until one is left. */
  function merged(totals) {
    while (totals.length > 1) {
      const next = [];
      for (let j = 0; j < totals.length; j += 2) next.push(j + 1 < totals.length ? fround(totals[j] + totals[j + 1]) : totals[j]);
      totals = next;
    }
    return totals[0];
  }
  /** Sum of terms(i) over all rows: each chunk from left to right, the chunks as a tree. */
  function total(chunks, term) {
    const size = N / chunks, totals = [];
    for (let j = 0; j < chunks; j++) {
      let s = 0;
      for (let i = j * size; i < (j + 1) * size; i++) s = fround(s + term(i));
      totals.push(s);
    }
    return merged(totals);
  }
  /** The same in doubles, in short chunks: right to nearly sixteen digits. */
  function wide(term) {
    let sum = 0;
    for (let j = 0; j < N; j += 64) { let s = 0; for (let i = j; i < j + 64; i++) s += term(i); sum += s; }
    return sum;
  }
  const kept = (value, exact) => max(0, min(ALL, -log10(max(abs(value - exact) / exact, 1e-16)))) + 0;
  const known = {};
  function digits(r, chunks) {
    const name = round(r * STEPS) + "/" + chunks;
    if (known[name]) return known[name];
    const x = AWAY.map((z) => fround(meanAt(r) + z)), c = x[0];
    const mean = wide((i) => x[i] - c) / N + c, rest = wide((i) => x[i] - mean) / N;
    const variance = wide((i) => (x[i] - mean) ** 2) / N - rest * rest;
    const m = fround(total(chunks, (i) => x[i]) / N);
    const raw = fround(fround(total(chunks, (i) => fround(x[i] * x[i])) / N) - fround(m * m));
    const s = fround(total(chunks, (i) => fround(x[i] - c)) / N);
    const shifted = fround(fround(total(chunks, (i) => { const y = fround(x[i] - c); return fround(y * y); }) / N) - fround(s * s));
    return (known[name] = { mean: kept(m, mean), raw: kept(raw, variance), shifted: kept(shifted, variance), exact: variance, rawVariance: raw });
  }

  // ---- a pass: every worker maps its chunks, then the totals are merged two by two ----------------
  const whole = (s) => ({ chunks: 2 ** round(s.c), workers: max(1, round(s.w)) });
  function schedule(chunks, workers) {
    const size = N / chunks, tasks = [], rounds = ceil(chunks / workers);
    for (let j = 0; j < chunks; j++) tasks.push([j % workers, floor(j / workers) * (size + TASK), size + TASK, 0]);
    let time = rounds * (size + TASK), levels = 0;
    for (let m = chunks; m > 1; m = ceil(m / 2), levels++) {
      const pairs = floor(m / 2);
      for (let j = 0; j < pairs; j++) tasks.push([j % workers, time + floor(j / workers) * TASK, TASK, 1]);
      time += ceil(pairs / workers) * TASK;
    }
    return { tasks, time, levels };
  }
  function model(s) {
    const { chunks, workers } = whole(s), { time, levels } = schedule(chunks, workers), d = digits(s.r, chunks);
    return {
      mean: d.mean, raw: d.raw, shifted: d.shifted, variance: d.exact, rawVariance: d.rawVariance, time, speedup: (N + TASK) / time,
      memory: min(workers, chunks) * N / chunks, height: N / chunks - 1 + levels,
    };
  }

  const actions = [
    { key: "best", label: "Fastest chunks", run: (s) => {
      let best = 0;
      for (let c = 1; c <= 8; c++) if (schedule(2 ** c, whole(s).workers).time < schedule(2 ** best, whole(s).workers).time) best = c;
      return { state: { c: best }, note: "Of nine sizes of the chunks, the one that ends first." };
    } },
    { key: "negative", label: "Go to a negative variance", run: (s) => {
      const { chunks } = whole(s);
      let k = 0;
      while (k < HIGH * STEPS && digits(k / STEPS, chunks).rawVariance >= 0) k++;
      return { state: { r: k / STEPS }, note: k < HIGH * STEPS ? "The least mean, in steps of the slider, whose raw sums give a negative variance."
        : "With these chunks no mean gives a negative variance: none of its digits is right all the same." };
    } },
  ];

  // ---- the figure ---------------------------------------------------------------------------------
  const L = 34, TOP = 22, BASE = 214, TALL = 256;
  const widths = (W) => (W < 540 ? [W, W] : [round(0.5 * W), W - round(0.5 * W) - 8]);
  const place = (R) => ({ X: (r) => L + r / HIGH * (R - L), unX: (u) => (u - L) / (R - L) * HIGH });
  const Y = (d) => BASE - d / 8 * (BASE - TOP);

  function pass(s, n, W) {
    const { chunks, workers } = whole(s), { tasks } = schedule(chunks, workers), R = W - 10, lane = (BASE - TOP) / workers;
    const span = max(n.time, 600), X = (t) => L + t / span * (R - L);
    let svg = text("name", L, TOP - 8, "workers") + text("name end", R, BASE + 37, "time, in rows read");
    const tick = span > 2400 ? 1000 : span > 1200 ? 500 : 200;
    for (let t = 0; t <= span; t += tick) svg += line("grid", X(t), TOP, X(t), BASE) + text("tick middle", X(t), BASE + 19, num(t, 0));
    for (let j = 0; j < workers; j++) svg += text("tick end", L - 6, TOP + (j + 0.5) * lane + 4, j + 1);
    for (const [j, from, long, kind] of tasks) svg += el("rect", {
      class: kind ? "box kl full" : "box cross", x: X(from), y: TOP + j * lane + 2, width: max(X(from + long) - X(from) - 0.8, 0.5), height: lane - 4 });
    return panel(W, TALL, svg + line("axis", L, BASE, R, BASE));
  }
  function losses(s, n, W) {
    const R = W - 12, { X } = place(R), { chunks } = whole(s), points = 20;
    const curve = (cls, key) => el("path", { class: "curve " + cls, d: path(points, (k) => [X(k * HIGH / points), Y(digits(k * HIGH / points, chunks)[key])]) });
    let svg = text("name", L, TOP - 8, "digits that are right") + text("name end", R, BASE + 37, "mean over spread");
    for (const t of [0, 2, 4, 6]) svg += line("grid", L, Y(t), R, Y(t)) + text("tick end", L - 6, Y(t) + 4, t);
    for (const t of [0, 1, 2, 3, 4]) svg += line("grid", X(t), TOP, X(t), BASE) + text("tick middle", X(t), BASE + 19, 10 ** t);
    const x = X(round(s.r * STEPS) / STEPS);
    svg += line("guide", L, Y(ALL), R, Y(ALL)) + line("guide strong", x, TOP, x, BASE) + line("axis", L, BASE, R, BASE)
      + curve("data", "mean") + curve("sample", "shifted") + curve("kl", "raw");
    for (const key of ["mean", "shifted", "raw"]) svg += el("circle", { class: "dot model", cx: x, cy: Y(n[key]), r: 3.5 });
    return panel(W, TALL, svg + handle(X(s.r), BASE));
  }

  function view(s, n, W) {
    const [left, right] = widths(W), { chunks, workers } = whole(s), some = (k, word) => `${k} ${word}${k > 1 ? "s" : ""}`;
    const pace = `${num(n.speedup, 2)} times as fast as one worker with one chunk`;
    const wrong = n.rawVariance < 0 ? "a negative variance" : `the variance to ${num(n.raw, 1)} digits`;
    return {
      panels: [pass(s, n, left), losses(s, n, right)],
      alt: `The tasks of ${some(workers, "worker")} over time: ${some(chunks, "chunk")} of ${N / chunks} rows, then the merging of their totals. Beside them the `
        + `digits that are right, over the ratio of mean and spread from 1 to 10,000: the mean and the variance by shifted sums keep most of `
        + `their 7; the variance by raw sums loses two for every factor of ten.`,
      readout: [
        { key: "data", label: "Digits of the mean", value: num(n.mean, 1) },
        { key: "kl", label: "Digits of the variance, raw sums", value: num(n.raw, 1) },
        { key: "sample", label: "Digits of the variance, shifted sums", value: num(n.shifted, 1) },
        { key: "", label: "Speed-up", value: num(n.speedup, 2) },
        { key: "", label: "Rows in memory", value: num(n.memory, 0) },
        { key: "", label: "Additions on the longest way", value: num(n.height, 0) },
      ],
      status: `${some(chunks, "chunk")} of ${N / chunks} rows on ${some(workers, "worker")}: ${pace}. With a mean of ${num(meanAt(s.r), 1)} spreads `
        + `raw sums give ${wrong}, shifted sums to ${num(n.shifted, 1)} digits.`,
    };
  }
  function handles(s, n, W) {
    const [, right] = widths(W), { X, unX } = place(right - 12);
    return [{ panel: 1, x: X(s.r), y: BASE, move: (u) => ({ r: unX(u) }) }];
  }

  Explorer.define({
    name: "chunks",
    title: "Cut 4,096 rows into chunks, give them to workers, move the mean away from zero",
    start: { c: 4, w: 4, r: 1 },
    controls: [
      { key: "c", label: "Chunks, as a power of 2", min: 0, max: 8, step: 1, digits: 0 },
      { key: "w", label: "Workers", min: 1, max: 8, step: 1, digits: 0 },
      { key: "r", label: "Mean over spread, as a power of 10", min: 0, max: HIGH, step: 0.05, digits: 2 },
    ],
    actions, model, view, handles,
  });
})();
