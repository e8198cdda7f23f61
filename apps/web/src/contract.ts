// What a model file says of itself (docs/contract.md): read out of the .tflite itself, so that preprocessing and decode
// are written down once. A TFLite file is a flatbuffer; the contract is the metadata entry named `edgewing.contract`.

export interface Output {
  name: string;
  meaning: 'landmarks' | 'scores' | 'heatmaps' | 'boundary';
  shape: number[];
  frame: 'crop' | 'cell' | 'none';
}

/** The points of a model: what they are on, in a word, which make its parts, and those that mean the same as
 * another layout's. */
export interface Layout {
  name: string;
  points: number;
  edges: [number, number][];
  curves: Record<string, number[]>;
  groups: Record<string, number[]>;
  maps: Record<string, number[]>;
  object: string;
}

export interface Contract {
  schema: number;
  seal: string;
  layout: Layout;
  input: {name: string; shape: number[]; axes: 'NHWC' | 'NCHW'; dtype: string; colour: 'RGB' | 'BGR'; range: [number, number]};
  crop: {factor: number; least: number; size: number; border: string};
  outputs: Output[];
  decode: {in_graph: boolean; method: 'centroid' | 'quarter'; threshold: number; power: number; stride: number; least_score?: number};
  model: {name: string; precision: string; parameters: number; macs: number};
  training: {trained_on: string[]; data_terms: string};
}

export const KEY = 'edgewing.contract';
const SCHEMA = 2;
const LIMIT = 64 * 1024; // bytes of JSON
const UNSEALED = '0'.repeat(64);

/** The contract of a .tflite file. Throws an Error of one line where there is none, or one that this code cannot obey. */
export async function read(file: Uint8Array): Promise<Contract> {
  let text: string | undefined;
  try {
    text = metadata(file, KEY);
  } catch (error) {
    if (error instanceof RangeError) throw new Error('the model file is cut off or damaged; copy it again');
    throw error;
  }
  if (text === undefined) throw new Error('the model file has no contract inside; export it with `python -m targets`');
  const contract = JSON.parse(text) as Contract;
  const problem = objection(contract);
  if (problem) throw new Error(`the model's contract: ${problem}`);
  await checkSeal(file, contract.seal);
  return contract;
}

/** The output with that meaning. */
export function output(contract: Contract, meaning: Output['meaning']): Output {
  const found = contract.outputs.find((one) => one.meaning === meaning);
  if (!found) throw new Error(`the model's contract names no output for ${meaning}`);
  return found;
}

/** Why this code cannot run a model of that contract; undefined where it can. */
function objection(c: Contract): string | undefined {
  if (c.schema !== SCHEMA) return `schema ${c.schema}; read here is ${SCHEMA}`;
  if (!['uint8', 'float32'].includes(c.input.dtype)) return `input ${c.input.dtype}; a browser takes uint8 or float32`;
  if (c.input.shape[0] !== 1) return `a batch of ${c.input.shape[0]}; a camera has one frame at a time`;
  if (c.crop.border !== 'black') return `border ${c.crop.border}; known is black`;
  const wanted = c.decode.in_graph ? ['landmarks', 'scores'] : ['heatmaps'];
  const missing = wanted.filter((meaning) => !c.outputs.some((one) => one.meaning === meaning));
  return missing.length ? `no output for ${missing.join(', ')}` : undefined;
}

/** Where a seal is set, the file's sha256 with every occurrence of it as zeros must be that seal. */
async function checkSeal(file: Uint8Array, seal: string): Promise<void> {
  // Browsers hash in secure contexts only; without one there is no camera either, and pictures from disk still work.
  if (seal === UNSEALED || !globalThis.crypto?.subtle) return;
  const blank = file.slice();
  const mark = new TextEncoder().encode(seal);
  for (let at = blank.indexOf(mark[0]); at >= 0; at = blank.indexOf(mark[0], at + 1)) {
    if (mark.every((byte, i) => blank[at + i] === byte)) blank.fill(48, at, at + mark.length);
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', blank));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (hex !== seal) throw new Error('the model file is damaged, or changed since it was exported; copy it again');
}

/** The text of a metadata entry of a .tflite file. Model: buffers 4, metadata 6; Metadata: name 0, buffer 1; Buffer:
 * data 0, offset 1, size 2 (schema.fbs). Reads outside the file throw RangeError. */
function metadata(file: Uint8Array, key: string): string | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const at = (place: number) => place + view.getUint32(place, true);
  const field = (table: number, index: number): number => {
    const vtable = table - view.getInt32(table, true);
    const slot = 4 + 2 * index;
    const offset = slot < view.getUint16(vtable, true) ? view.getUint16(vtable + slot, true) : 0;
    return offset && table + offset;
  };
  const text = (start: number, length: number): string => {
    if (length > LIMIT || start + length > file.length) throw new RangeError('a text leaves the file');
    return new TextDecoder().decode(file.subarray(start, start + length));
  };
  const tables = (table: number, index: number): number[] => {
    const place = field(table, index);
    if (!place) return [];
    const start = at(place);
    const count = view.getUint32(start, true);
    if (count * 4 > file.length) throw new RangeError('a list leaves the file');
    return Array.from({length: count}, (_, i) => at(start + 4 + 4 * i));
  };
  if (text(4, 4) !== 'TFL3') throw new RangeError('no TFL3 identifier');
  const model = at(0);
  const buffers = tables(model, 4);
  for (const entry of tables(model, 6)) {
    const name = field(entry, 0) && at(field(entry, 0));
    if (!name || text(name + 4, view.getUint32(name, true)) !== key) continue;
    const number = field(entry, 1);
    const buffer = buffers[number ? view.getUint32(number, true) : 0];
    if (buffer === undefined) throw new RangeError('its buffer is not there');
    const inside = field(buffer, 0);
    if (inside) return text(at(inside) + 4, view.getUint32(at(inside), true));
    const [offset, size] = [1, 2].map((i) => Number(view.getBigUint64(field(buffer, i), true)));
    return text(offset, size); // behind the flatbuffer, as in large files
  }
  return undefined;
}
