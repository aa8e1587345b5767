// All packages come in one file: a line of JSON that lists paths and sizes, then the files, packed together by gzip.
// The browser unpacks it while Python itself is compiled, and compiles the modules of machine code meanwhile; Python
// links each when it is imported.

const SITE = "/lib/python3.14/site-packages/";

/** The files of a packed file: [path, bytes, compiled module or null]. */
export async function unpack(packed) {
  const stream = new Response(packed).body.pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const line = bytes.indexOf(10), list = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
  let from = line + 1;
  return list.map(([path, size, early]) => {
    const body = bytes.subarray(from, (from += size));
    return [SITE + path, body, early ? WebAssembly.compile(body).catch(() => null) : null];
  });
}

/** Put them where Python looks for packages. */
export async function install(python, files) {
  const { FS } = python, compiled = new Map(), folders = new Set();
  for (const [path, body, module] of files) {
    const folder = path.slice(0, path.lastIndexOf("/"));
    if (!folders.has(folder)) FS.mkdirTree(folder);
    folders.add(folder);
    FS.writeFile(path, body, { canOwn: true });
    if (module) compiled.set(path, await module);
  }
  const read = FS.readFile;
  FS.readFile = (path, options) => compiled.get(path) ?? read.call(FS, path, options); // for Pyodide's linker, which takes both
  python.runPython("import importlib; importlib.invalidate_caches()");
}
