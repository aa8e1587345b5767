// Runs the code cells of notebooks in the stack of a reader's browser, without a browser, and prints what came as JSON.
// usage: node run.mjs RUNTIME-FOLDER PACKAGE.whl NOTEBOOK.ipynb ...
import {readFileSync} from 'node:fs';
import {cpuUsage} from 'node:process';
import {pathToFileURL} from 'node:url';
import {resolve} from 'node:path';

const [folder, wheel, ...notebooks] = process.argv.slice(2).map(path => resolve(path));
const HARNESS = new URL('../../book/_assets/run/harness.py', import.meta.url);
const seconds = () => { const {user, system} = cpuUsage(); return (user + system) / 1e6; };
const {packages} = JSON.parse(readFileSync(resolve(folder, '../runtime.json')));
const {loadPyodide} = await import(pathToFileURL(`${folder}/pyodide.mjs`));

async function interpreter() {
  const said = [];
  const py = await loadPyodide({indexURL: folder, stdout: line => said.push(line), stderr: line => said.push(line)});
  await py.loadPackage(packages, {messageCallback: () => {}, errorCallback: line => said.push(line)});
  py.unpackArchive(new Uint8Array(readFileSync(wheel)), 'wheel');
  py.FS.writeFile('/home/pyodide/harness.py', readFileSync(HARNESS, 'utf8'));
  const harness = py.pyimport('harness');
  harness.start();
  return {py, harness, said};
}

async function run(path) {
  const begun = seconds();
  const {py, harness, said} = await interpreter();
  const result = {path, start: seconds() - begun, cells: [], said};
  const code = JSON.parse(readFileSync(path, 'utf8')).cells.filter(cell => cell.cell_type === 'code');
  for (const {id, source} of code) {
    const outputs = [], before = seconds();
    const emit = (kind, data) => {
      const last = outputs.at(-1);
      if (last?.kind === kind && kind.startsWith('std')) last.data += data;
      else outputs.push({kind, data});
    };
    const ok = await harness.run_cell([source].flat().join(''), emit, id);
    result.cells.push({id, ok, seconds: seconds() - before, outputs});
  }
  return {...result, heap: py._module.HEAP8.length};
}

const results = [];
for (const path of notebooks) results.push(await run(path)); // one interpreter each: nothing is left of the last one
console.log(JSON.stringify(results));
