// Runs tarfile_reader.py in a Python that is compiled to WebAssembly: node pyodide_reader.js PYODIDE PAYLOAD [data]
//
// Pyodide is CPython with its own tarfile, zlib and hashlib, and comes from npm in exact versions. Without a payload it
// prints the version of Python.
const fs = require("fs");
const path = require("path");

async function main([pyodide, payload, how]) {
  const { loadPyodide } = require(path.resolve(pyodide));
  const python = await loadPyodide({ stdout: () => {} });
  if (payload === undefined) {
    console.log(python.runPython("import sys; 'Python ' + sys.version.split()[0]"));
    return;
  }
  python.FS.mkdir("/in");
  python.FS.mount(python.FS.filesystems.NODEFS, { root: path.dirname(payload) }, "/in");
  python.runPython(fs.readFileSync(path.join(__dirname, "tarfile_reader.py"), "utf8"));
  const found = python.globals.get("found");
  process.stdout.write(found("/in/" + path.basename(payload), how || "all") + "\n");
}

main(process.argv.slice(2)).catch((error) => {
  console.error(String(error));
  process.exitCode = 1;
});
