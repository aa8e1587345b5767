// One Python for the page, in a thread of its own. All files come from this site.
import { install, unpack } from "./packages.mjs";

const tell = (type, more = {}) => postMessage({ type, ...more });
const load = self.fetch.bind(self);
const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const written = (sum) => `sha256-${btoa(String.fromCharCode(...sum.match(/../g).map((pair) => parseInt(pair, 16))))}`;
let files = {}, loaded = 0, session;

const damaged = (address, what) => {
  const name = decodeURIComponent(new URL(address, location).pathname.split("/").pop());
  const error = new Error(`${name} ${what}`);
  error.file = name;
  fail(error);
  return error;
};

// Files are counted as they come and held to their sums. Their names carry versions: what the browser has kept is right,
// or else it is asked for once more.
self.fetch = async (address, options = {}) => {
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
const count = (bytes) => tell("loaded", { bytes: (loaded += bytes) });

let failed = false;
function fail(error) {
  if (!failed) tell("fatal", { file: error.file || null, message: String(error.message || error) });
  failed = true;
}

// Pyodide only warns, and waits for ever, when its program cannot be compiled.
const warn = console.warn;
console.warn = (...words) => {
  warn(...words);
  if (words.some((word) => word instanceof Error && /wasm|memory|compile/i.test(`${word.name} ${word.message}`))) {
    fail(/memory/i.test(words.join()) ? new Error("out of memory") : Object.assign(new Error("is damaged"), { file: "pyodide.asm.wasm" }));
  }
};

// Before a page is ready, nothing else would tell; nor when a cell ends the whole interpreter.
self.onunhandledrejection = ({ reason }) => (!session || /^Exit/.test(reason?.name)) && fail(reason);

async function start({ runtime, wheel, scripts, sums }) {
  files = sums;
  const packages = fetch(runtime + "packages.bin").then((response) => response.arrayBuffer()).then(unpack);
  const texts = Promise.all(scripts.map(async (address) => [address.split("/").pop(), await (await fetch(address)).text()]));
  const ours = fetch(wheel).then((response) => response.arrayBuffer());
  for (const early of [packages, texts, ours]) early.catch(() => {});
  const { loadPyodide } = await import(runtime + "pyodide.mjs").catch(() => { throw damaged(runtime + "pyodide.mjs", "is missing or damaged"); });
  const python = await loadPyodide({ indexURL: runtime, checkIntegrity: true }).catch((error) => {
    const unread = error instanceof SyntaxError || /import/.test(error.message); // its own next module
    throw unread ? damaged(runtime + "pyodide.asm.mjs", "is missing or damaged") : error;
  });
  await install(python, await packages);
  python.unpackArchive(await ours, "whl");
  // where they stand in a checkout, seen from the package
  const place = "/home/pyodide/book/_ext";
  python.FS.mkdirTree(place);
  for (const [name, text] of await texts) python.FS.writeFile(`${place}/${name}`, text);
  python.runPython(`
import sys
sys.dont_write_bytecode = True
sys.path.append(${JSON.stringify(place)})`);
  session = python.pyimport("session");
}

self.onmessage = async ({ data }) => {
  try {
    if (data.type === "start") {
      await start(data);
      tell("ready");
      session.prepare();
    } else if (data.type === "forget") {
      session.forget();
    } else if (data.type === "needed") {
      tell("needed", { places: JSON.parse(session.needed(data.above, data.own)) });
    } else if (data.type === "run") {
      const { cell, name, code, chain } = data;
      const stopped = await session.run(cell, name, code, chain, (kind, out) => tell("out", { kind, out }));
      tell("done", { stopped: JSON.parse(stopped) });
    }
  } catch (error) {
    fail(error);
  }
};
