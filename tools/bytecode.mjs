// Compiles the modules that chapters import, in the runtime itself: a page then starts in two thirds of the time.
// usage: node bytecode.mjs RUNTIME-FOLDER OUT.whl
import {writeFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const COMPILE = `
import importlib, io, os, py_compile, sys, zipfile

SITE = "/lib/python3.14/site-packages/"
os.environ["MPLBACKEND"] = "agg"
for name in ["scipy.stats", "scipy.optimize", "scipy.integrate", "matplotlib.pyplot"]:
    importlib.import_module(name)
plt = sys.modules["matplotlib.pyplot"]
figure, axes = plt.subplots(1, 2, layout="constrained")  # some modules are imported by the first drawing
axes[0].loglog([1, 2], label="line")
axes[0].legend()
figure.savefig(io.BytesIO(), format="svg")
sources = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
with zipfile.ZipFile("/tmp/bytecode", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    def put(path, body):
        entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        archive.writestr(entry, body)
    for source in sorted(sources):
        if source.startswith(SITE) and source.endswith(".py"):
            never = py_compile.PycInvalidationMode.UNCHECKED_HASH  # times of files are those of the reader's visit
            py_compile.compile(source, "/tmp/one.pyc", doraise=True, invalidation_mode=never)
            with open("/tmp/one.pyc", "rb") as file:
                put(importlib.util.cache_from_source(source).removeprefix(SITE), file.read())
    about = "bytecode-1.dist-info/"
    put(about + "METADATA", "Metadata-Version: 2.4\\nName: bytecode\\nVersion: 1\\n")
    put(about + "WHEEL", "Wheel-Version: 1.0\\nGenerator: book\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    put(about + "RECORD", "")
`;

const [folder, out] = process.argv.slice(2).map(path => resolve(path));
try {
  const {loadPyodide} = await import(pathToFileURL(`${folder}/pyodide.mjs`));
  const py = await loadPyodide({indexURL: folder, env: {HOME: '/home/pyodide', PYTHONHASHSEED: '0'}});
  await py.loadPackage(['numpy', 'scipy', 'matplotlib'], {messageCallback: () => {}});
  py.runPython(COMPILE);
  writeFileSync(out, py.FS.readFile('/tmp/bytecode'));
} catch (error) {
  console.error(String(error).slice(-300));
  process.exit(1);
}
