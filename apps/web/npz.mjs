// Arrays that NumPy has written, for esbuild: `import arrays from 'file.npz'`.

import {readFile} from 'node:fs/promises';
import {inflateRawSync} from 'node:zlib';

export const npz = {
  name: 'npz',
  setup: (build) =>
    build.onLoad({filter: /\.npz$/}, async ({path}) => ({contents: JSON.stringify(read(await readFile(path))), loader: 'json'})),
};

/** Name -> {type, data in base64}, or a list of texts. */
function read(file) {
  const arrays = {};
  const end = file.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = file.readUInt32LE(end + 16);
  for (let n = 0; n < file.readUInt16LE(end + 10); n++) {
    const [method, size, name, extra, comment] = [10, 20, 28, 30, 32].map((k) => (k === 20 ? file.readUInt32LE(at + k) : file.readUInt16LE(at + k)));
    const local = file.readUInt32LE(at + 42);
    const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const data = file.subarray(start, start + size);
    arrays[file.toString('latin1', at + 46, at + 46 + name).replace(/\.npy$/, '')] = array(method ? inflateRawSync(data) : data);
    at += 46 + name + extra + comment;
  }
  return arrays;
}

function array(npy) {
  const start = 10 + npy.readUInt16LE(8);
  const [, kind, byColumns, shape] = /'descr': '<(\w+)', 'fortran_order': (True)?.*'shape': \((.*?)\)/.exec(npy.toString('latin1', 10, start));
  const data = npy.subarray(start);
  const [, letter, size] = /(\w)(\d+)/.exec(kind);
  if (letter === 'f') {
    const [rows, columns] = shape.split(',').map(Number);
    const cells = Array.from({length: data.length / size}, (_, n) => (byColumns ? (n % columns) * rows + Math.floor(n / columns) : n));
    const flat = Buffer.concat(cells.map((cell) => data.subarray(cell * size, (cell + 1) * size)));
    return {type: `float${8 * size}`, data: flat.toString('base64')};
  }
  const letters = (n) => Array.from({length: size}, (_, k) => data.readUInt32LE(4 * (n * size + k))); // U19: 19 of four bytes
  return Array.from({length: data.length / size / 4}, (_, n) => String.fromCodePoint(...letters(n).filter(Boolean)));
}
