// Search the sections of the book. `sections`, from search-index.js, has rows [page, title, address, text, question].
"use strict";

const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/[̀-ͯ]/g, "").replace(/[‐-–]/g, "-");
const split = (text) => plain(text).match(/[\p{L}\p{N}]+(?:[-'’_.][\p{L}\p{N}]+)*/gu) || [];
const small = new Set("a an and are as at be by can do does for from get how i if in is it my not of on or the there this to vs versus was what when which who why with you".split(" "));
const stem = (word) => word.replace(/(?:'s|’s)$/, "").replace(/ies$/, "y").replace(/(?<=[^su]{2})s$/, "").replace(/(?<=....)(?:ing|ed)$/, "").replace(/(?<=...)iz(?=e|ation|$)/, "is");
// `cross-entropy` is also the two words, `torch.nn.KLDivLoss` the three.
const pieces = (text) => split(text).flatMap((word) => /[-_.]/.test(word) ? [word, ...word.split(/[-_.]/)] : [word]).map(stem);
// What people type, and what the book says.
const said = new Map(Object.entries({
  gaussian: "normal", mse: "squared", license: "licence", asymmetric: "symmetric", asymmetry: "symmetric", symmetry: "symmetric", metric: "distance",
  sgd: "stochastic", bibtex: "cite", citation: "cite", logsumexp: "log_softmax", separable: "separated", separation: "separated",
  syllabus: "course", curriculum: "course", slides: "lecture", lecturer: "teaching", homework: "exercises", answers: "solutions", pdf: "print",
  mle: "likelihood", posteriors: "posterior", dpo: "preference", ppo: "trust", vi: "variational", covering: "covers", dimension: "dim",
}).map(([typed, word]) => [stem(typed), stem(word)]));
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function prepare(rows) {
  return rows.map(([page, title, address, text, question]) => {
    const counts = new Map();
    for (const word of pieces(text)) counts.set(word, (counts.get(word) || 0) + 1);
    const of = (part) => new Set(pieces(part).filter((word) => !small.has(word)));
    const heads = of((title || page).replace(/^\d+\. /, ""));
    return { page, title, address, text, question, counts, heads, pages: of(page), asks: of(question), flat: flat(text), head: flat(title || page) };
  });
}

const flat = (text) => ` ${plain(text).match(/[\p{L}\p{N}]+/gu)?.join(" ") || ""} `;

// How well a word fits a set or map of words: itself, the beginning of one, or what the book says for it.
const begins = (words, word) => word.length > 3 && [...words.keys()].some((w) => w.startsWith(word));
const fits = (words, word) => words.has(word) ? 1 : words.has(said.get(word)) ? 0.8 : begins(words, word) ? 0.6 : 0;

// Exercises and lists of books repeat the words of the text.
const rank = [[/(#further-reading|\/(reading|references)\.html)/, 0.6], [/#(exercises|check-yourself|remember)/, 0.8]];

function find(entries, query) {
  const known = (word) => entries.some((entry) => fits(entry.counts, word) || fits(entry.heads, word));
  const all = split(query).flatMap((word) => !word.includes("-") && known(stem(word)) ? [word] : word.split(/[-_.]/)).map(stem);
  const asked = all.filter((word) => !small.has(word));
  const terms = [...new Set(asked.length ? asked : all)];
  if (!terms.length) return [];
  const rarity = terms.map((word) => {
    const holding = entries.filter((entry) => fits(entry.counts, word) || fits(entry.heads, word)).length;
    return Math.log(1 + entries.length / (1 + holding));
  });
  const phrase = flat(query);
  const words = phrase.trim().split(" ");
  const pairs = words.slice(1).map((word, i) => ` ${words[i]} ${word} `).filter((_, i) => !small.has(words[i]) && !small.has(words[i + 1]));
  const score = (entry) => {
    let sum = 0, met = 0, named = 0;
    terms.forEach((word, i) => {
      const count = entry.counts.get(word) || 0.8 * (entry.counts.get(said.get(word)) || 0) || 0.6 * begins(entry.counts, word);
      const body = count / (count + 1.5) * (0.4 + 60 / (120 + entry.text.length / 6));
      const head = fits(entry.heads, word);
      const value = 2.2 * body + 3 * head + 1.2 * fits(entry.pages, word) + 2 * fits(entry.asks, word);
      if (value) met += 1;
      if (head) named += 1;
      sum += rarity[i] * value;
    });
    const inside = /(^|\/)(api|ledger)/.test(entry.address); // the package's own pages, unless a name is typed as in code
    const place = inside ? (/[_.(]/.test(query) ? 0.6 : 0.15) : rank.find(([pattern]) => pattern.test(entry.address))?.[1] || 1;
    const whole = entry.head.includes(phrase) ? 2 : entry.flat.includes(phrase) ? 1.25 : 1;
    const near = pairs.reduce((product, pair) => product * (entry.head.includes(pair) ? 1.3 : entry.flat.includes(pair) ? 1.15 : 1), 1);
    const nothingElse = 1 + 0.6 * named / (entry.heads.size || 1); // a heading that says this and no more
    return sum * (met / terms.length) ** 3 * place * whole * near * nothingElse;
  };
  return entries.map((entry) => ({ entry, score: score(entry) })).filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score).slice(0, 30).map((hit) => hit.entry);
}

// The stretch of text around most of the words, with the words marked.
function snippet(text, query) {
  const terms = split(query).filter((word) => !small.has(word)).map(stem);
  const places = [...text.matchAll(/[\p{L}\p{N}]+(?:[-'’_.][\p{L}\p{N}]+)*/gu)]
    .filter((m) => terms.some((word) => stem(plain(m[0])).startsWith(word)));
  let best = 0, most = 0;
  for (const place of places) {
    const near = new Set(places.filter((m) => m.index >= place.index && m.index < place.index + 160).map((m) => stem(plain(m[0]))));
    if (near.size > most) [best, most] = [place.index, near.size];
  }
  const start = best < 60 ? 0 : text.indexOf(" ", best - 50) + 1;
  const piece = text.slice(start, start + 220).replace(/\s\S*$/, "");
  const marked = piece.split(/([\p{L}\p{N}]+(?:[-'’_.][\p{L}\p{N}]+)*)/u).map((part, i) =>
    i % 2 && terms.some((word) => stem(plain(part)).startsWith(word)) ? `<mark>${escaped(part)}</mark>` : escaped(part)).join("");
  return `${start ? "… " : ""}${marked}${start + 220 < text.length ? " …" : ""}`;
}

if (typeof document !== "undefined") {
  const query = new URLSearchParams(location.search).get("q") || "";
  const place = document.getElementById("search-results");
  document.querySelectorAll("form.bd-search input[name=q]").forEach((input) => (input.value = query));
  if (query.trim()) {
    const hits = find(prepare(sections), query);
    const items = hits.map((hit) => `<li><a href="${hit.address}">${escaped(hit.title || hit.page)}</a>
      ${hit.title ? `<span class="search-page">${escaped(hit.page)}</span>` : ""}<p>${snippet(hit.text, query)}</p></li>`);
    const count = hits.length === 30 ? "The 30 best places" : `${hits.length || "No"} place${hits.length === 1 ? "" : "s"}`;
    place.innerHTML = `<p role="status">${count} for “${escaped(query)}”</p><ol class="search">${items.join("")}</ol>`;
  }
}
