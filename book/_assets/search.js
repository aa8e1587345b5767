// Search the sections of the book. `sections`, from search-index.js, has rows [page, title, address, text, question].
"use strict";

const plain = (text) => text.toLowerCase().normalize("NFKD").replace(/[̀-ͯ]/g, "").replace(/[‐-–]/g, "-");
const split = (text) => plain(text).match(/[\p{L}\p{N}]+(?:[-'’_.][\p{L}\p{N}]+)*/gu) || [];
const small = new Set("a an and are as at be by do does for from how i in is it of on or the to vs versus was what when which who why with you".split(" "));
const stem = (word) => word.replace(/(?:'s|’s)$/, "").replace(/ies$/, "y").replace(/(?<=[^su]{2})s$/, "").replace(/(?<=....)(?:ing|ed)$/, "");
const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function prepare(rows) {
  return rows.map(([page, title, address, text, question]) => {
    const counts = new Map();
    for (const word of split(text).map(stem)) counts.set(word, (counts.get(word) || 0) + 1);
    const of = (part) => new Set(split(part).map(stem));
    return { page, title, address, text, question, counts, heads: of(`${title || page}`), pages: of(page), asks: of(question) };
  });
}

// How well a word fits a set or map of words: itself, or the beginning of one.
const fits = (words, word) => words.has(word) ? 1 : word.length > 3 && [...words.keys()].some((w) => w.startsWith(word)) ? 0.6 : 0;

function find(entries, query) {
  const all = split(query).map(stem);
  const asked = all.filter((word) => !small.has(word));
  const terms = [...new Set(asked.length ? asked : all)];
  if (!terms.length) return [];
  const rarity = terms.map((word) => {
    const holding = entries.filter((entry) => fits(entry.counts, word) || fits(entry.heads, word)).length;
    return Math.log(1 + entries.length / (1 + holding));
  });
  const phrase = plain(query).trim();
  const score = (entry) => {
    let sum = 0, met = 0;
    terms.forEach((word, i) => {
      const count = entry.counts.get(word) || 0.6 * fits(entry.counts, word);
      const body = count / (count + 1.5) * (0.4 + 60 / (120 + entry.text.length / 6));
      const value = 2.2 * body + 3 * fits(entry.heads, word) + 1.2 * fits(entry.pages, word) + 2.5 * fits(entry.asks, word);
      if (value) met += 1;
      sum += rarity[i] * value;
    });
    const api = /(^|\/)(api\/|ledger)/.test(entry.address) ? 0.5 : 1;
    const whole = plain(entry.title || entry.page).includes(phrase) ? 2 : plain(entry.text).includes(phrase) ? 1.25 : 1;
    return sum * (met / terms.length) ** 3 * api * whole;
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
