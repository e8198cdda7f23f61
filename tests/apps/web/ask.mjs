// Answers for the tests: calls the page's modules with what Python sends, line by line, and gives the results back.
//
//   node ask.mjs PARTS.mjs      a request a line: {"call": "pixels.sample", "arguments": [...]}; an answer a line
//
// Arrays travel as {"type": "uint8" | "float32", "data": base64}; a picture as {"width", "height", "rgba": array}.

import {createInterface} from 'node:readline';
import {pathToFileURL} from 'node:url';

const parts = await import(pathToFileURL(process.argv[2]).href);

globalThis.crypto ??= (await import('node:crypto')).webcrypto; // browsers have it, Node from version 19 on

const ARRAYS = {uint8: Uint8Array, float32: Float32Array};

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== 'object') return value;
  if ('type' in value && 'data' in value) {
    const bytes = Uint8Array.from(Buffer.from(value.data, 'base64'));
    return new ARRAYS[value.type](bytes.buffer);
  }
  const object = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, unpack(inner)]));
  return 'rgba' in object ? picture(object) : object;
}

/** Gives no more than was asked for, as a canvas does. */
function picture({width, height, rgba}) {
  const region = (x0, y0, x1, y1) => {
    const data = new Uint8Array((x1 - x0) * (y1 - y0) * 4);
    for (let y = y0; y < y1; y++) data.set(rgba.subarray((y * width + x0) * 4, (y * width + x1) * 4), (y - y0) * (x1 - x0) * 4);
    return {data, left: x0, top: y0, width: x1 - x0, height: y1 - y0};
  };
  return {width, height, region};
}

function pack(value) {
  if (ArrayBuffer.isView(value)) {
    const type = value instanceof Float32Array ? 'float32' : 'uint8';
    return {type, data: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')};
  }
  if (Array.isArray(value)) return value.map(pack);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, pack(inner)]));
}

/** What needs an object that lives for more than one call. */
const scenes = {
  /** looks: what the network answers, look by look; all of it must be asked for. */
  async find(settings, looks, image) {
    const found = await new parts.detector.Detector(settings, async () => looks.shift()).find(image);
    if (looks.length) throw new Error(`${looks.length} looks that nobody took`);
    return found;
  },

  /** Steady landmarks for each [points, time, size]. */
  steady(settings, samples) {
    const filter = new parts.oneeuro.OneEuro(settings);
    return samples.map((sample) => filter.step(...sample));
  },

  /** Tracks of each frame. The two networks answer what they answered to Python, call by call; what they were asked is
   * handed back to be compared. */
  async follow(contract, settings, frames, faces, searches) {
    const asked = [];
    const reader = new parts.reader.Reader(contract, async (input) => {
      asked.push(input);
      return faces[asked.length - 1];
    });
    let searched = 0;
    const detector = settings.detector && new parts.detector.Detector(settings.detector, async () => searches[searched++]);
    const finder = new parts.finder.Finder(detector);
    const tracker = new parts.tracking.Tracker(reader, finder, settings.tracking, settings.turns, settings.unsure);
    const tracks = [];
    for (const [image, time] of frames) tracks.push(await tracker.step(image, time));
    return {tracks, asked, searched};
  },

  /** The golden tracks: frame by frame what the detector finds and what the model answers is given. left: answers that
   * nobody asked for. */
  async live({contract, settings, width, height, frames}) {
    let [answers, found] = [[], []];
    const reader = new parts.reader.Reader(contract, async () => answers.shift());
    const detector = new parts.detector.Detector(settings.detector);
    const finder = new parts.finder.Finder(detector);
    finder.find = async () => found.map((one) => detector.turned(one, one.turn));
    const tracker = new parts.tracking.Tracker(reader, finder, settings.tracking, settings.turns, settings.unsure);
    const grey = picture({width, height, rgba: new Uint8Array(width * height * 4)});
    const given = [];
    for (const frame of frames) {
      [answers, found] = [[...frame.asked], frame.found];
      const tracks = await tracker.step(grey, frame.time);
      given.push({tracks, left: answers.length, searched: tracker.searched});
    }
    return given;
  },
};

for await (const line of createInterface({input: process.stdin})) {
  const {call, arguments: sent} = JSON.parse(line);
  let answer;
  try {
    const [module, name] = call.split('.');
    answer = {result: pack(await (name ? parts[module][name] : scenes[call])(...sent.map(unpack)))};
  } catch (error) {
    answer = {error: error.message};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
