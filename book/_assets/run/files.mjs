// Files of this site are counted as they come and held to their sums. Their names carry versions: what the browser has
// kept is right, or else it is asked for once more.

const load = self.fetch.bind(self);
const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const written = (sum) => `sha256-${btoa(String.fromCharCode(...sum.match(/../g).map((pair) => parseInt(pair, 16))))}`;

/** What is wrong with a file, as an error that names it. */
export function damaged(address, what) {
  const file = decodeURIComponent(new URL(address, location).pathname.split("/").pop());
  return Object.assign(new Error(`${file} ${what}`), { file });
}

/** A `fetch` of files that have these sums; `count` is told bytes as they come. */
export function checked(files, count) {
  return async (address, options = {}) => {
    const name = String(address).split("/").pop(), sum = files[name]?.sha256, known = Boolean(sum && self.crypto?.subtle);
    const integrity = sum && !known && !name.endsWith(".wasm") ? written(sum) : ""; // far from https only the browser can sum
    for (const cache of ["force-cache", "reload"]) {
      const response = await load(address, { ...options, cache, integrity })
        .catch(() => { if (cache === "reload" || !integrity) throw damaged(address, "did not arrive"); });
      if (!response?.ok && cache === "force-cache") continue;
      if (!response.ok) throw damaged(address, "is missing");
      if (name.endsWith(".wasm")) { // compiled while it comes; browsers keep the result for a response that nobody touched
        count(files[name]?.bytes || 0);
        return response;
      }
      const chunks = new TransformStream({ transform(chunk, out) { count(chunk.length); out.enqueue(chunk); } });
      const bytes = await new Response(response.body.pipeThrough(chunks)).arrayBuffer()
        .catch(() => { throw damaged(address, "did not arrive"); });
      if (!known || hex(await crypto.subtle.digest("SHA-256", bytes)) === sum) return new Response(bytes, { status: 200, headers: response.headers });
      count(-bytes.byteLength);
    }
    throw damaged(address, "is damaged");
  };
}
