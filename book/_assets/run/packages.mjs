// All packages come in one file: a line of JSON that lists paths and sizes, then the files, packed together by gzip.
// The browser unpacks it in a thread of its own while Python starts, and compiles the modules of machine code there;
// Python links each when it is imported.

const SITE = "/lib/python3.14/site-packages/";

/** The files of a packed file, by path, and those of them that are compiled modules. */
export async function unpack(packed) {
  const stream = new Response(packed).body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const line = bytes.indexOf(10), list = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
  const files = new Map(), early = new Map();
  let from = line + 1;
  for (const [path, size, compiled] of list) {
    files.set(SITE + path, bytes.subarray(from, (from += size)));
    if (compiled) early.set(SITE + path, WebAssembly.compile(files.get(SITE + path)).catch(() => null));
  }
  for (const [path, module] of early) early.set(path, await module);
  return { files, early };
}

/** Put them where Python looks for packages. */
export function install(python, { files, early }) {
  const { FS } = python, folders = new Set();
  for (const [path, body] of files) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!folders.has(folder)) FS.mkdirTree(folder);
    folders.add(folder);
    FS.writeFile(path, body, { canOwn: true });
  }
  python._module.early = early; // for its linker, see tools/linker.py
  python.runPython("import importlib; importlib.invalidate_caches()");
}
