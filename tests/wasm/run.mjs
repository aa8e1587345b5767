// Runs the code cells of notebooks in the stack of a reader's browser, without a browser.
// usage: node run.mjs RUNTIME-FOLDER PACKAGE.whl [NOTEBOOK.ipynb ...]
// Of each notebook, named there or else in a line of stdin, it prints one line of JSON: seconds of processor time to the
// start of Python, the size of the heap at the end, and for each cell what it showed, its seconds and the heap after it.
// One interpreter runs them, each in a namespace of its own, until one leaves a large heap behind.
import {readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {cpuUsage} from 'node:process';
import {createInterface} from 'node:readline';
import {pathToFileURL} from 'node:url';
import {install, unpack} from '../../book/_assets/run/packages.mjs';

const [folder, wheel, ...notebooks] = process.argv.slice(2).map(path => resolve(path));
const LARGE = 400e6; // bytes: above it, what the next notebook needs cannot be told
const HARNESS = new URL('../../book/_assets/run/harness.py', import.meta.url);
const seconds = () => { const {user, system} = cpuUsage(); return (user + system) / 1e6; };

async function begin() {
  const before = seconds();
  const packages = unpack(readFileSync(`${folder}/packages.bin`));
  const {loadPyodide} = await import(pathToFileURL(`${folder}/pyodide.mjs`));
  const said = [], note = line => { said.push(line); };
  const py = await loadPyodide({indexURL: folder, stdout: note, stderr: note});
  await install(py, await packages);
  py.unpackArchive(new Uint8Array(readFileSync(wheel)), 'wheel');
  py.FS.writeFile('/home/pyodide/harness.py', readFileSync(HARNESS, 'utf8'));
  const harness = py.pyimport('harness');
  harness.start();
  return {py, harness, said, start: seconds() - before};
}

async function run({py, harness, said, start}, path) {
  const cells = [];
  harness.reset();
  for (const cell of JSON.parse(readFileSync(path, 'utf8')).cells) {
    if (cell.cell_type !== 'code') continue;
    const outputs = [], before = seconds();
    const emit = (kind, data) => {
      if (kind.startsWith('std') && outputs.at(-1)?.kind === kind) outputs.at(-1).data += data;
      else outputs.push({kind, data});
    };
    const ok = await harness.run_cell([cell.source].flat().join(''), emit, cell.id);
    cells.push({id: cell.id, ok, seconds: seconds() - before, heap: py._module.HEAP8.length, outputs});
  }
  return {path, start, cells, heap: py._module.HEAP8.length, said: said.splice(0)};
}

try {
  let python = await begin();
  const paths = notebooks.length ? notebooks : createInterface({input: process.stdin});
  for await (const path of paths) {
    if (python.py._module.HEAP8.length > LARGE) python = await begin();
    process.stdout.write(`${JSON.stringify(await run(python, path))}\n`);
  }
} catch (error) {
  console.error(`run.mjs: ${String(error).slice(0, 400)}`); // a trace would quote a megabyte of one line
  process.exit(1);
}
