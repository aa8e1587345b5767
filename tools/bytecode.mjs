// Compiles the modules that chapters import, those of Python's own library too, in the runtime itself: a page then
// starts some seconds earlier. `linked` lists the modules of machine code that it met.
// usage: node bytecode.mjs RUNTIME-FOLDER OUT.zip
import {writeFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const COMPILE = `
import importlib, io, os, py_compile, sys, zipfile, zipimport

PLACES = {"/lib/python3.14/site-packages/": "site/", "/lib/python314.zip/": "stdlib/"}
os.environ["MPLBACKEND"] = "agg"
for name in ["scipy.stats", "scipy.optimize", "scipy.integrate", "matplotlib.pyplot"]:
    importlib.import_module(name)
plt = sys.modules["matplotlib.pyplot"]
figure, axes = plt.subplots(1, 2, layout="constrained")  # some modules are imported by the first drawing
axes[0].loglog([1, 2], label="line")
axes[0].legend()
figure.savefig(io.BytesIO(), format="svg")
files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
kept = [(path, place) for path in sorted(files) for place in PLACES if path.startswith(place)]
zipped = zipimport.zipimporter("/lib/python314.zip")
with zipfile.ZipFile("/tmp/bytecode", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    def put(path, body):
        entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        archive.writestr(entry, body)
    for path, place in kept:
        if path.endswith(".py"):
            with open("/tmp/one.py", "wb") as file:
                file.write(zipped.get_data(path) if path.startswith(zipped.archive) else open(path, "rb").read())
            never = py_compile.PycInvalidationMode.UNCHECKED_HASH  # times of files are those of the reader's visit
            py_compile.compile("/tmp/one.py", "/tmp/one.pyc", path, doraise=True, invalidation_mode=never)
            with open("/tmp/one.pyc", "rb") as file:
                put(PLACES[place] + path.removeprefix(place) + "c", file.read())
    put("linked", "\\n".join(path.removeprefix(place) for path, place in kept if path.endswith(".so")))
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
