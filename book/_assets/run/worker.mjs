// One Python for the page, in a thread of its own. All files come from this site.
import { checked, damaged } from "./files.mjs";
import { install } from "./packages.mjs";

const tell = (type, more = {}) => postMessage({ type, ...more });
let loaded = 0, session;
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

/** The packages, from a thread beside this one. */
function unpacked(address, sums) {
  return new Promise((resolve, reject) => {
    const script = new URL("unpacker.mjs", import.meta.url);
    const worker = new Worker(script, { type: "module", name: "packages" });
    const done = (settle, value) => { worker.terminate(); settle(value); };
    worker.onmessage = ({ data }) => {
      if ("bytes" in data) count(data.bytes);
      else if (data.packages) done(resolve, data.packages);
      else done(reject, Object.assign(new Error(data.failed.message), data.failed));
    };
    worker.onerror = () => done(reject, damaged(script, "did not arrive"));
    worker.postMessage({ address, sums });
  });
}

async function start({ runtime, wheel, scripts, sums }) {
  const load = checked(sums, count);
  self.fetch = (...asked) => load(...asked).catch((error) => { fail(error); throw error; }); // Pyodide only waits
  const packages = unpacked(runtime + "packages.bin", sums);
  const texts = Promise.all(scripts.map(async (address) => [address.split("/").pop(), await (await fetch(address)).text()]));
  const ours = fetch(wheel).then((response) => response.arrayBuffer());
  for (const early of [packages, texts, ours]) early.catch(fail);
  const { loadPyodide } = await import(runtime + "pyodide.mjs").catch(() => { throw damaged(runtime + "pyodide.mjs", "is missing or damaged"); });
  const python = await loadPyodide({ indexURL: runtime, checkIntegrity: true }).catch((error) => {
    const unread = error instanceof SyntaxError || /import/.test(error.message); // its own next module
    throw unread ? damaged(runtime + "pyodide.asm.mjs", "is missing or damaged") : error;
  });
  python.runPython("import argparse, ctypes, difflib, platform, pydoc, unittest, urllib.parse"); // the packages need them, and may be on the way
  install(python, await packages);
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
